/* SPDX-License-Identifier: Apache-2.0 */
/* kms_auth.c - who the client is: keys for PSK identities, inside the handshake, and certificates' names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "onem2m-binding/cert_id.h"
#include "onem2m-binding/kms.h"
#include "service/daemon.h"
#include "service/http.h"
#include "service/log.h"
#include "service/metrics.h"

void kms_who_free(void *who)
{
    if (who)
        gba_wipe(who, sizeof(kms_who));
    free(who);
}

/* ---- own keys ---- */
static gba_err own_key(kms *k, const gba_m2m_identity *id, int64_t now, gba_secret *key, kms_who *w)
{
    kms_cred *c = NULL;
    gba_err e;

    snprintf(w->record, sizeof w->record, "%s", id->text);
    kms_lower(w->record);
    e = kms_cred_get(k->c.store, k->c.kind, w->record, now, &c);
    if (e == GBA_OK && c->key.n == 0)
        e = GBA_E_UNKNOWN;
    if (e == GBA_OK)
        e = gba_m2m_entity_parse(gba_str(c->client), &w->id);
    if (e == GBA_OK)
        e = gba_m2m_credential_id(k->c.kind->own_type, gba_str(id->text), w->credential);
    if (e == GBA_OK) {
        *key = c->key;
        w->expires = c->expires;
    }
    kms_cred_free(&c);
    return e;
}

/* ---- GBA: the MAF or MEF is a NAF (TS-0003 8.3.2.3) ---- */
/* The record of the IMPI that the operator has made: what nobody but the operator says. */
static gba_err impi_client(kms *k, const gba_naf_identity *g, int64_t now, kms_who *w)
{
    kms_cred *c = NULL;

    if (!g->impi.s[0] || snprintf(w->record, sizeof w->record, "impi:%s", g->impi.s) >= (int)sizeof w->record)
        return GBA_E_UNKNOWN;
    gba_err e = kms_cred_get(k->c.store, k->c.kind, w->record, now, &c);
    if (e == GBA_OK)
        e = gba_m2m_entity_parse(gba_str(c->client), &w->id);
    kms_cred_free(&c);
    return e;
}

/* Who the subscriber is here: a UID of the USS that is an absolute CSE-ID or AE-ID of which the BSF may speak, else
 * what the operator said of the IMPI. */
static gba_err gba_client(kms *k, const gba_naf_identity *g, const m2m_naming *by, int64_t now, kms_who *w)
{
    bool refused = false;

    for (size_t i = 0; i < g->n_uss; i++)
        for (size_t j = 0; j < g->uss[i].n_ids; j++) {
            if (g->uss[i].ids[j][0] != '/' || gba_m2m_entity_parse(gba_str(g->uss[i].ids[j]), &w->id) != GBA_OK)
                continue;
            if (m2m_may_name(by, &w->id))
                return GBA_OK;
            kms_identity_refused(k, g->btid.s, &w->id);
            refused = true;
        }
    if (!refused)
        return impi_client(k, g, now, w);
    w->why = "identity_not_allowed";
    return GBA_E_FORBIDDEN;
}

static gba_err gba_key(kms *k, const gba_m2m_identity *id, const tls_psk_query *q, int64_t now, gba_secret *key,
                       kms_who *w)
{
    char identity[GBA_ID_MAX + 32];
    gba_naf_psk_request r = {.fqdn = gba_str(k->c.fqdn.s), .transport = q->transport, .suite = q->suite, .now = now};
    gba_naf_result *res = calloc(1, sizeof *res);
    gba_err e = GBA_E_UNKNOWN;

    if (!res || !k->c.naf) {
        free(res);
        return GBA_E_UNKNOWN;
    }
    snprintf(identity, sizeof identity, "3GPP-bootstrapping;%s", id->btid.s);
    r.identity = gba_str(identity);
    memcpy(r.source, w->from, sizeof r.source);
    gba_naf_psk(k->c.naf, &r, res);
    if (res->verdict == GBA_NAF_WAIT) {
        gba_naf_keys keys = {0};
        r.fetched =
            kms_ask_enter(k, &k->bsf_fetching[id->server]) ? k->c.zn(k->c.zn_ctx, &res->query, &keys) : GBA_E_BUSY;
        kms_ask_leave(&k->bsf_fetching[id->server]);
        gba_naf_learn(k->c.naf, &res->query, r.fetched, r.fetched == GBA_OK ? &keys : NULL, now);
        gba_naf_keys_clear(&keys);
        gba_naf_psk(k->c.naf, &r, res);
        if (res->verdict == GBA_NAF_WAIT) { /* learned and at once evicted, or no key at all: no second round */
            gba_naf_learn(k->c.naf, &res->query, GBA_E_BUSY, NULL, now);
            r.fetched = GBA_E_BUSY;
        }
    }
    if (res->verdict == GBA_NAF_OK) {
        e = gba_client(k, res->identity, &k->c.bsf_naming[id->server], now, w);
        *key = res->psk;
        w->expires = res->identity->expires;
        if (e == GBA_OK)
            e = gba_m2m_credential_id(12, gba_str(id->btid.s), w->credential);
        gba_naf_result_clear(res);
    } else {
        w->why = res->why == GBA_NAF_WHY_LIMITED ? "limited" : NULL;
        e = r.fetched == GBA_E_BUSY || w->why     ? GBA_E_BUSY
            : res->why == GBA_NAF_WHY_UNREACHABLE ? GBA_E_IO
            : res->status == 403                  ? GBA_E_FORBIDDEN
                                                  : GBA_E_UNKNOWN;
    }
    gba_wipe(res, sizeof *res);
    free(res);
    return e;
}

/* ---- the handshake ---- */
static const char *form_name(gba_m2m_psk f)
{
    static const char *const name[] = {"none", "kpsa_id", "kc_id", "ke_id", "b_tid", "km_id", "kpm_id"};
    return (unsigned)f < sizeof name / sizeof *name ? name[f] : "none";
}

static void count(const kms *k, const char *form, const char *result)
{
    char name[64], labels[96];

    snprintf(name, sizeof name, "m2m_%s_handshakes_total", k->c.kind->name);
    snprintf(labels, sizeof labels, "form=\"%s\",result=\"%s\"", form, result);
    metric_add(metric_counter(name, labels, "handshakes by the form of the credential and their result"), 1);
}

/* An identity for the log: what is not visible ASCII becomes '?'. */
static void printable(gba_span in, char out[128])
{
    size_t n = in.n < 127 ? in.n : 127;
    for (size_t i = 0; i < n; i++)
        out[i] = in.p[i] > 0x20 && in.p[i] < 0x7f ? (char)in.p[i] : '?';
    out[n] = 0;
}

static gba_err find_key(kms *k, const tls_psk_query *q, const gba_m2m_identity *id, int64_t now, gba_secret *key,
                        kms_who *w)
{
    /* SNI is mandatory (TS-0003 10.2.1), and the NAF_Id depends on it */
    if (!gba_span_ieq(q->sni, gba_str(k->c.fqdn.s)))
        return GBA_E_ARG;
    switch (id->form) {
    case GBA_M2M_PSK_KM:
    case GBA_M2M_PSK_KPM:
        return own_key(k, id, now, key, w);
    case GBA_M2M_PSK_KE:
        return kms_mef_key(k, id, now, key, w);
    case GBA_M2M_PSK_BTID:
        return gba_key(k, id, q, now, key, w);
    default:
        return GBA_E_UNKNOWN;
    }
}

static void note_refusal(const kms *k, const char *form, const char *identity, const char *reason, const char *source)
{
    char event[32];

    count(k, form, reason);
    snprintf(event, sizeof event, "%s.handshake", k->c.kind->name);
    log_event(LOG_LEVEL_AUDIT, event, "result", "refused", "form", form, "identity", identity, "reason", reason,
              "source", source, NULL);
}

gba_err kms_psk(void *ctx, const tls_psk_query *q, gba_secret *key, void **who)
{
    kms *k = ctx;
    gba_m2m_identity id;
    kms_who *w = calloc(1, sizeof *w);
    int64_t now = service_now();

    *who = NULL;
    if (!w)
        return GBA_E_NOMEM;
    if (q->peer) {
        http_source_counted(q->peer, k->c.exempt, k->c.n_exempt, w->from);
        http_source_text(q->peer, w->source);
    }
    printable(q->identity, w->identity);
    gba_err e = gba_m2m_identify(&k->domains, q->identity, &id);
    if (e == GBA_OK) {
        w->form = id.form;
        e = find_key(k, q, &id, now, key, w);
    }
    if (e == GBA_OK) {
        count(k, form_name(w->form), "ok");
        *who = w;
        return GBA_OK;
    }
    note_refusal(k, form_name(w->form), w->identity, e == GBA_E_ARG ? "sni" : w->why ? w->why : gba_err_name(e),
                 w->source);
    gba_secret_wipe(key);
    kms_who_free(w);
    return e;
}

void kms_psk_failed(void *ctx, void *who)
{
    const kms_who *w = who;
    kms_mef_failed(ctx, w);
    note_refusal(ctx, form_name(w->form), w->identity, "key_not_proved", w->source);
}

/* ---- certificates ---- */
bool kms_name_key(const tls_name *n, char out[256])
{
    int len = -1;

    switch (n->kind) {
    case TLS_NAME_DNS:
        len = snprintf(out, 256, "dns:%s", n->text);
        break;
    case TLS_NAME_URI:
        len = snprintf(out, 256, "uri:%s", n->text);
        break;
    case TLS_NAME_OTHER:
        len = snprintf(out, 256, "other:%s:%s", n->oid, n->text);
        break;
    case TLS_NAME_KEY:
        len = snprintf(out, 256, "key:%s", n->text);
        break;
    }
    return len > 0 && len < 256;
}

bool kms_raw_key(void *ctx, const uint8_t id[32])
{
    kms *k = ctx;
    tls_name n = {.kind = TLS_NAME_KEY};
    char key[256];
    kms_cred *c = NULL;

    gba_hex_encode(id, 32, n.text);
    bool known = kms_name_key(&n, key) && kms_cred_get(k->c.store, k->c.kind, key, service_now(), &c) == GBA_OK;
    kms_cred_free(&c);
    return known;
}

void kms_cert_refused(void *ctx, const tls_refusal *r)
{
    char source[64] = "";

    if (r->peer)
        http_source_text(r->peer, source);
    note_refusal(ctx, "certificate", r->name, r->why, source);
}

gba_err kms_cert_who(kms *k, void *session, kms_who *w)
{
    memset(w, 0, sizeof *w);
    gba_err e = session ? tls_peer_names(session, w->name, KMS_NAMES, &w->n_names) : GBA_E_AUTH;
    return e == GBA_OK ? kms_names_who(k, w, service_now()) : e;
}

/* FORBIDDEN: of this dNSName there is no record, but one in lower case. Two CSE-IDs can differ in case alone, so that
 * one is not this certificate's; nor do its names speak for themselves, for the record may be meant. */
static gba_err folded_alone(kms *k, const tls_name *n, int64_t now)
{
    char key[256];
    tls_name low = *n;
    kms_cred *c = NULL;

    kms_lower(low.text);
    if (n->kind != TLS_NAME_DNS || !strcmp(low.text, n->text) || !kms_name_key(&low, key))
        return GBA_OK;
    gba_err e = kms_cred_get(k->c.store, k->c.kind, key, now, &c);
    kms_cred_free(&c);
    if (e == GBA_E_UNKNOWN)
        return GBA_OK;
    log_event(LOG_LEVEL_WARN, "certificate.other_spelling", "name", n->text, "record", key, "hint",
              "its credential must be added in the certificate's own spelling", NULL);
    return GBA_E_FORBIDDEN;
}

/* A record of any of its names says whose it is. One that has expired or is removed, and none that lives, ends the
 * certificate: kms_handle says so. Without any the names themselves say who it is. */
gba_err kms_names_who(kms *k, kms_who *w, int64_t now)
{
    char key[256], ended[256] = "";
    size_t best = 0;

    if (w->n_names == 0 || w->n_names >= KMS_NAMES) /* a name that was not read may be one that has ended */
        return w->n_names ? GBA_E_RANGE : GBA_E_UNKNOWN;
    for (size_t i = 0; i < w->n_names && !w->record[0]; i++) {
        kms_cred *c = NULL;
        if (!kms_name_key(&w->name[i], key))
            continue;
        gba_err e = kms_cred_get(k->c.store, k->c.kind, key, now, &c);
        if (e == GBA_OK && (e = gba_m2m_entity_parse(gba_str(c->client), &w->id)) == GBA_OK) {
            memcpy(w->record, key, sizeof w->record);
            w->expires = c->expires;
            best = i;
        }
        kms_cred_free(&c);
        if ((e == GBA_E_EXPIRED || e == GBA_E_FORBIDDEN) && !ended[0])
            memcpy(ended, key, sizeof ended);
        else if (e != GBA_OK && e != GBA_E_EXPIRED && e != GBA_E_FORBIDDEN && e != GBA_E_UNKNOWN)
            return e;
    }
    for (size_t i = 0; i < w->n_names && !w->record[0] && !ended[0]; i++) {
        gba_err e = folded_alone(k, &w->name[i], now);
        if (e != GBA_OK)
            return e;
    }
    if (!w->record[0])
        memcpy(w->record, ended, sizeof w->record);
    (void)!m2m_name_credential(&w->name[best],
                               w->credential); /* a name of no flavour that a record vouches for has none */
    return GBA_OK;
}

bool kms_who_is(const kms_who *w, const gba_m2m_id *claimed)
{
    char text[GBA_M2M_ID_MAX + 1];

    if (w->id.kind != GBA_M2M_ID_NONE)
        return gba_m2m_id_eq(&w->id, claimed);
    if (gba_m2m_id_is_ae(claimed) && gba_m2m_id_print(claimed, GBA_M2M_ABSOLUTE, text) == GBA_OK)
        for (size_t i = 0; i < w->n_names; i++) /* octet for octet (TS-0003 10.1.1.5, profile) */
            if (w->name[i].kind == TLS_NAME_URI && !strcmp(w->name[i].text, text))
                return true;
    for (size_t i = 0; i < w->n_names; i++) /* a CSE-ID certificate's, or an FQDN certificate's (TS-0003 10.1.1.7) */
        if (m2m_name_is_cse(&w->name[i], claimed) ||
            (claimed->kind == GBA_M2M_ID_FQDN && w->name[i].kind == TLS_NAME_DNS &&
             !strcasecmp(w->name[i].text, claimed->sp.s)))
            return true;
    return false;
}

const tls_name *kms_who_but_case(const kms_who *w, const gba_m2m_id *claimed)
{
    for (size_t i = 0; i < w->n_names && w->id.kind == GBA_M2M_ID_NONE; i++) {
        gba_m2m_id id = *claimed;
        size_t n = strcspn(w->name[i].text, ".");
        if (claimed->kind != GBA_M2M_ID_CSE || w->name[i].kind != TLS_NAME_DNS || n >= sizeof id.cse)
            continue;
        memcpy(id.cse, w->name[i].text, n);
        id.cse[n] = 0;
        if (m2m_name_is_cse(&w->name[i], &id) && m2m_id_same_but_case(&id, claimed))
            return &w->name[i];
    }
    return NULL;
}
