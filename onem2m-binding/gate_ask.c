/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_ask.c - a key from whoever knows it: MAF (TS-0003 8.8.2.8), MEF (8.3.2.1, 8.3.5.2.8), BSF (TS 33.220
 * 4.5.3). Blocking; runs on the connection's own thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/gate.h"
#include "onem2m-binding/may_name.h"
#include "onem2m-binding/names.h"
#include "onem2m-binding/told.h"

void gate_who_free(void *who)
{
    gate_who *w = who;
    if (!w)
        return;
    free(w->ids);
    gba_secret_wipe(&w->key);
    free(w);
}

gba_err gate_who_ids(gate_who *w, const gba_m2m_id *ids, size_t n)
{
    gba_m2m_id *copy = n ? malloc(n * sizeof *ids) : NULL;
    if (n && !copy)
        return GBA_E_NOMEM;
    if (n)
        memcpy(copy, ids, n * sizeof *ids);
    free(w->ids);
    w->ids = copy;
    w->n = n;
    w->bound = !n ? GBA_M2M_BOUND_NONE : ids[0].kind == GBA_M2M_ID_CSE ? GBA_M2M_BOUND_CSE : GBA_M2M_BOUND_AE;
    return GBA_OK;
}

/* Each server has its share of the waiting, so that a dead one leaves the others theirs. */
bool gate_ask_enter(gate *g, atomic_uint *asking)
{
    size_t servers = g->s->bsf.n + g->s->maf.n + g->s->mef.n;
    size_t share = (size_t)g->s->waiting / (servers ? servers : 1);

    if (atomic_fetch_add(asking, 1) < (share ? share : 1))
        return true;
    atomic_fetch_sub(asking, 1);
    return false;
}

void gate_ask_leave(atomic_uint *asking)
{
    atomic_fetch_sub(asking, 1);
}

static void count(gate *g, unsigned server, gba_err e)
{
    metric_add(g->asked[server][e == GBA_OK ? GATE_ALLOWED : GATE_REFUSED], 1);
}

/* ---- MAF and MEF ---- */
static gba_err dial(gate *g, const gate_link *l, m2m_peer **out, const char **why)
{
    const gate_settings *s = g->s;
    const gate_kms *k = l->conf;
    unsigned third = (unsigned)(s->wait_ms / 3);
    char text[256] = "";
    m2m_peer_config c = {.host = l->host, .port = l->port, .sni = k->fqdn.s, .connect_ms = third, .total_ms = third};

    if (k->psk_id) {
        c.psk_identity = gba_str(k->psk_id);
        c.psk = &l->psk;
    } else {
        c.ca_file = k->ca ? k->ca : s->ca;
        c.crl_file = k->crl;
        c.cert_file = k->cert ? k->cert : s->cert;
        c.key_file = k->key ? k->key : s->key;
    }
    gba_err e = m2m_peer_open(&c, out, text, sizeof text);
    if (e == GBA_OK)
        return e;
    *why = e == GBA_E_BUSY ? "server_timeout" : e == GBA_E_AUTH ? "server_not_trusted" : "server_unreachable";
    log_event(LOG_LEVEL_WARN, "gate.ask_failed", "server", k->fqdn.s, "reason", text, NULL);
    return e == GBA_E_BUSY ? e : GBA_E_IO;
}

static gba_err get(gate *g, m2m_peer *p, const char *target, m2m_answer *a, const char **why)
{
    const m2m_field f[] = {{M2M_H_ORIGIN, g->cse_text}, {M2M_H_RI, "gate"}, {M2M_H_RVI, M2M_RVI},
                           {"Accept", "application/json"}};
    gba_err e = m2m_peer_request(p, "GET", target, f, sizeof f / sizeof *f, (gba_span){0}, a);

    if (e != GBA_OK) {
        *why = e == GBA_E_BUSY ? "server_timeout" : "server_broken";
        return e == GBA_E_BUSY ? e : GBA_E_IO;
    }
    if (a->status == 200)
        return GBA_OK;
    *why = a->status == 404 ? "server_does_not_know" : a->status == 403 ? "server_refuses" : "server_fails";
    return a->status == 404 ? GBA_E_UNKNOWN : a->status == 403 || a->status == 400 ? GBA_E_FORBIDDEN : GBA_E_IO;
}

static m2m_naming naming(const gate *g, const conf_strings *identities)
{
    return (m2m_naming){.pattern = identities->v, .n = identities->n, .home = g->cse.sp, .never = g->cse};
}

/* Whose key it is: the absolute ID, or what the Credential-ID is made of. */
gba_err gate_take_told(const gate *g, const conf_strings *identities, gate_who *who, m2m_told *t,
                       unsigned type_of_other, const char *key_id, int64_t now, const char **why)
{
    const m2m_naming by = naming(g, identities);
    gba_m2m_id id;
    gba_err e;

    if (t->expires <= now) {
        *why = "expired";
        return GBA_E_EXPIRED;
    }
    bool known = t->whose[0] && gba_m2m_entity_parse(gba_str(t->whose), &id) == GBA_OK && id.kind != GBA_M2M_ID_FQDN;
    if (t->whose[0] && !(known ? m2m_may_name(&by, &id) : m2m_may_name_text(&by, t->whose))) {
        log_event(LOG_LEVEL_WARN, "gate.identity_refused", "key", key_id, "identity", t->whose, NULL);
        *why = "identity_not_allowed";
        return GBA_E_FORBIDDEN;
    }
    who->key = t->key;
    who->expires = t->expires;
    if (known) {
        e = gate_who_ids(who, &id, 1);
        if (e == GBA_OK)
            e = gba_m2m_credential_id(12, gba_str(key_id), who->credential);
    } else {
        e = gba_m2m_credential_id(t->whose[0] ? type_of_other : 12, gba_str(t->whose[0] ? t->whose : key_id),
                                  who->credential);
    }
    *why = e == GBA_OK ? NULL : "server_answer";
    return e == GBA_OK ? e : GBA_E_SYNTAX;
}

gba_err gate_ask_maf(gate *g, size_t i, const gba_m2m_key_id *key, gate_who *who, const char **why)
{
    m2m_told t = {0};
    m2m_peer *p = NULL;
    m2m_answer a = {0};
    char target[64 + GBA_M2M_KEY_ID_MAX], id[GBA_M2M_KEY_ID_MAX + 1];

    gba_err e = gba_m2m_key_id_print(key, id);
    if (e == GBA_OK)
        e = dial(g, &g->maf[i], &p, why);
    snprintf(target, sizeof target, "/%s/%s", M2M_PATH_MAF_BASE, key->relative);
    if (e == GBA_OK)
        e = get(g, p, target, &a, why);
    if (e == GBA_OK && (e = m2m_told_key(a.body, &t)) != GBA_OK)
        *why = "server_answer";
    m2m_answer_free(&a);
    m2m_peer_close(&p);
    if (e == GBA_OK && t.suid != GBA_M2M_SUID_MAF_SAEF) { /* a key for another use */
        *why = "other_suid";
        e = GBA_E_FORBIDDEN;
    }
    if (e == GBA_OK)
        e = gate_take_told(g, &g->maf[i].conf->identities, who, &t, 11, id, service_now(), why);
    gba_secret_wipe(&t.key);
    count(g, 0, e);
    return e;
}

/* Today's Key Retrieval, for a MEF without the older fetchCredentials. */
static gba_err retrieve(gate *g, const gate_link *l, const gba_m2m_key_id *key, m2m_told *t, const char **why)
{
    m2m_peer *p = NULL;
    m2m_answer a = {0};
    char target[64 + GBA_M2M_KEY_ID_MAX];
    gba_err e = dial(g, l, &p, why);

    snprintf(target, sizeof target, "/%s/%s", M2M_PATH_MEF_BASE, key->relative);
    if (e == GBA_OK)
        e = get(g, p, target, &a, why);
    if (e == GBA_OK && (e = m2m_told_key(a.body, t)) != GBA_OK)
        *why = "server_answer";
    if (e == GBA_OK && t->suid != GBA_M2M_SUID_RSPF_SAEF) {
        *why = "other_suid";
        e = GBA_E_FORBIDDEN;
    }
    m2m_answer_free(&a);
    m2m_peer_close(&p);
    return e;
}

gba_err gate_ask_mef(gate *g, size_t i, const gba_m2m_key_id *key, gate_who *who, const char **why)
{
    m2m_told t = {0};
    m2m_peer *p = NULL;
    m2m_answer a = {0};
    char id[GBA_M2M_KEY_ID_MAX + 1], target[64 + GBA_M2M_KEY_ID_MAX];

    gba_err e = gba_m2m_key_id_print(key, id);
    snprintf(target, sizeof target, "/%s/%s/%d", M2M_PATH_FETCH, id, GBA_M2M_SUID_RSPF_SAEF);
    if (e == GBA_OK)
        e = dial(g, &g->mef[i], &p, why);
    if (e == GBA_OK)
        e = get(g, p, target, &a, why);
    if (e == GBA_OK && (e = m2m_told_fetch(a.body, &t)) != GBA_OK)
        *why = e == GBA_E_FORBIDDEN ? "server_refuses" : "server_answer";
    m2m_answer_free(&a);
    m2m_peer_close(&p);
    if (e == GBA_E_UNKNOWN)
        e = retrieve(g, &g->mef[i], key, &t, why);
    if (e == GBA_OK)
        e = gate_take_told(g, &g->mef[i].conf->identities, who, &t, 12, id, service_now(), why);
    gba_secret_wipe(&t.key);
    count(g, 1, e);
    return e;
}

/* ---- BSF ---- */
/* A user who is named, and never as one of whom this BSF may speak, is nobody new either. */
gba_err gate_take_user(const gate *g, const conf_strings *identities, gate_who *who, const gba_naf_identity *u,
                       const char **why)
{
    const m2m_naming by = naming(g, identities);
    gba_m2m_id ids[GATE_IDS_MAX];
    size_t n = 0, refused = 0;

    for (size_t i = 0; i < u->n_uss; i++)
        for (size_t k = 0; k < u->uss[i].n_ids && n < GATE_IDS_MAX; k++) {
            const char *text = u->uss[i].ids[k];
            if (strncmp(text, "//", 2) != 0 || gba_m2m_id_parse(gba_str(text), NULL, &ids[n]) != GBA_OK)
                continue;
            if (m2m_may_name(&by, &ids[n])) {
                n++;
                continue;
            }
            refused++;
            log_event(LOG_LEVEL_WARN, "gate.identity_refused", "key", u->btid.s, "identity", text, NULL);
        }
    if (refused && !n) {
        *why = "identity_not_allowed";
        return GBA_E_FORBIDDEN;
    }
    if (n > 1 && ids[0].kind == GBA_M2M_ID_CSE) /* one CSE, or AEs (TS-0003 8.2.1) */
        n = 1;
    for (size_t i = 1; i < n; i++)
        if (ids[i].kind == GBA_M2M_ID_CSE)
            ids[i--] = ids[--n];
    gba_err e = gate_who_ids(who, ids, n);
    *why = e == GBA_OK ? NULL : "no_memory";
    return e;
}

static gba_err failure(gba_naf_why w, const char **why)
{
    *why = gba_naf_why_name(w);
    return w == GBA_NAF_WHY_UNKNOWN_BTID ? GBA_E_UNKNOWN
           : w == GBA_NAF_WHY_UNREACHABLE ? GBA_E_IO
           : w == GBA_NAF_WHY_LIMITED     ? GBA_E_BUSY
                                          : GBA_E_FORBIDDEN;
}

gba_err gate_ask_bsf(gate *g, const tls_psk_query *q, const gba_m2m_identity *id, gate_who *who, const char **why)
{
    const gba_btid *btid = &id->btid;
    atomic_uint *asking = &g->bsf_asking[id->server];
    char identity[GBA_ID_MAX + 32];
    gba_naf_result *res = malloc(sizeof *res);
    gba_err e = GBA_E_NOMEM;

    snprintf(identity, sizeof identity, "3GPP-bootstrapping;%s", btid->s);
    gba_naf_psk_request r = {.identity = gba_str(identity), .fqdn = gba_str(g->name.s), .transport = q->transport,
                             .suite = q->suite, .now = service_now()};
    if (q->peer)
        http_source_counted(q->peer, g->exempt, g->n_exempt, r.source);
    if (!res)
        return e;
    gba_naf_psk(g->naf, &r, res);
    if (res->verdict == GBA_NAF_WAIT) {
        gba_naf_keys keys;
        bool room = gate_ask_enter(g, asking);
        r.fetched = room ? gba_naf_zn_http_fetch(g->zn, &res->query, &keys) : (keys = (gba_naf_keys){0}, GBA_E_BUSY);
        if (room)
            gate_ask_leave(asking);
        gba_naf_learn(g->naf, &res->query, r.fetched, &keys, service_now());
        gba_naf_keys_clear(&keys);
        count(g, 2, r.fetched);
        r.now = service_now();
        gba_naf_psk(g->naf, &r, res);
        if (res->verdict == GBA_NAF_WAIT) /* learned and at once evicted: no second round */
            gba_naf_learn(g->naf, &res->query, GBA_E_BUSY, NULL, r.now);
    }
    if (res->verdict == GBA_NAF_OK) {
        who->key = res->psk;
        who->expires = res->identity->expires;
        const gate_bsf *bsf = g->s->bsf.v;
        e = gate_take_user(g, &bsf[id->server].identities, who, res->identity, why);
        if (e == GBA_OK)
            e = gba_m2m_credential_id(12, gba_str(btid->s), who->credential);
        gba_naf_result_clear(res);
    } else {
        e = res->verdict == GBA_NAF_WAIT ? GBA_E_BUSY : failure(res->why, why);
    }
    gba_secret_wipe(&res->psk);
    free(res);
    return e;
}
