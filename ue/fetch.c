/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.c - a NAF's resource: Ua with Digest (TS 24.109 5.2) or over TLS-PSK (5.3.3), Ub on the way. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ue/device.h"
#include "ue/file.h"

#define UA_ROUNDS 6

/* One request to a NAF, with what it takes to answer its challenge. */
typedef struct ua_run {
    const gba_ue_request *r;
    ue_url url;
    gba_fqdn host;
    gba_ue_field fields[UE_FIELDS_MAX];
    size_t n_fields; /* without Authorization, which follows */
    gba_naf_id naf;
    gba_ue_session session;
    gba_secret key;
    bool renewed, restarted, early;
} ua_run;

static void wipe_run(ua_run *x)
{
    gba_wipe(x, sizeof *x);
    free(x);
}

/* The caller's fields, our product token in its User-Agent (TS 24.109 5.2.2). */
static gba_err take_fields(gba_ue *u, ua_run *x)
{
    snprintf(u->agent, sizeof u->agent, "%s %s", UE_AGENT, GBA_UE_GBA_TOKEN);
    if (x->r->n_fields > UE_FIELDS_MAX - 2)
        return ue_say(u->text, GBA_E_RANGE, "too many header fields");
    for (size_t i = 0; i < x->r->n_fields; i++) {
        gba_ue_field f = x->r->fields[i];
        if (gba_span_ieq(f.name, gba_str("Authorization")))
            return ue_say(u->text, GBA_E_ARG, "the Authorization field is made here, not given");
        if (!gba_span_ieq(f.name, gba_str("User-Agent"))) {
            x->fields[x->n_fields++] = f;
            continue;
        }
        int n = snprintf(u->agent, sizeof u->agent, "%.*s %s", (int)f.value.n, (const char *)f.value.p,
                         GBA_UE_GBA_TOKEN);
        if (n < 0 || (size_t)n >= sizeof u->agent)
            return ue_say(u->text, GBA_E_RANGE, "the User-Agent is too long");
    }
    x->fields[x->n_fields++] = (gba_ue_field){gba_str("User-Agent"), gba_str(u->agent)};
    return GBA_OK;
}

static gba_err begin(gba_ue *u, ua_run *x)
{
    gba_err e = ue_url_parse(x->r->url, &x->url);
    if (e)
        return ue_say(u->text, e, "\"%.200s\" is not an http or https URL", x->r->url);
    if ((e = gba_fqdn_parse(gba_str(x->url.host), &x->host)))
        return ue_say(u->text, e, "\"%.200s\": a NAF is named by its FQDN", x->url.host);
    return take_fields(u, x);
}

static gba_err say_choice(gba_ue *u, const ua_run *x, gba_err e)
{
    if (e == GBA_E_FORBIDDEN)
        return ue_say(u->text, e, "the NAF's realm is not 3GPP-bootstrapping@%s: it speaks for another host",
                      x->host.s);
    if (e == GBA_E_UNSUPPORTED)
        return ue_say(u->text, e, "the NAF asks for a Digest algorithm or qop that GBA does not use");
    return ue_say(u->text, GBA_E_FORBIDDEN, "HTTP 401 without a GBA challenge: %s is no NAF, or wants another key",
                  x->host.s);
}

/* The NAF_Id of this connection: its suite may differ from the last one's (TS 33.220 H.3). */
static gba_naf_id naf_id(const ua_run *x, const gba_ue_answer *a)
{
    return (gba_naf_id){.fqdn = x->host, .ua = gba_ua_id_digest(a->transport, a->suite)};
}

/* Authorization for the challenge chosen, in x->fields[x->n_fields]. */
static gba_err authorize(gba_ue *u, ua_run *x, uint32_t nc)
{
    uint8_t random[GBA_UE_ENTROPY];
    size_t n = sizeof u->auth;
    const gba_digest_message m = {
        .method = gba_str(x->r->method), .uri = gba_str(x->url.target), .body = x->r->body};
    gba_err e = ue_derive(u, &x->session, &x->naf, &x->key);
    if (e || (e = ue_entropy(u, random)))
        return e;
    e = gba_ue_ua_authorize(&u->ua, &x->session.btid, &x->key, &m, nc, random, u->auth, &n);
    if (e)
        return ue_say(u->text, e, "cannot answer the NAF's challenge: %s", gba_err_text(e));
    x->fields[x->n_fields] = (gba_ue_field){gba_str("Authorization"), gba_mem(u->auth, n)};
    u->last.naf = x->naf;
    u->last.btid = x->session.btid;
    u->last.nc = nc;
    memcpy(u->last.origin, x->url.origin, sizeof u->last.origin);
    char ua_hex[11];
    gba_hex_encode(x->naf.ua.o, sizeof x->naf.ua.o, ua_hex);
    ue_trace(u, 2, "* Ua id %s, NAF %s, B-TID %s", ua_hex, x->naf.fqdn.s, x->session.btid.s);
    return GBA_OK;
}

/* The nonce of the last answer serves again, with the count risen, while NAF and session are the same. */
static bool authorize_early(gba_ue *u, ua_run *x)
{
    if (!u->last.origin[0] || strcmp(u->last.origin, x->url.origin) != 0 || u->last.nc == UINT32_MAX ||
        gba_ue_session_load(u, &x->session) || strcmp(x->session.btid.s, u->last.btid.s) != 0)
        return false;
    x->naf = u->last.naf;
    x->early = authorize(u, x, u->last.nc + 1) == GBA_OK;
    return x->early;
}

/* RFC 7616 3.5: what the NAF would like to see next. */
static void take_nextnonce(gba_ue *u, const gba_ue_answer *a)
{
    gba_authinfo info;
    for (size_t i = 0; i < a->n_fields; i++) {
        if (!gba_span_ieq(a->fields[i].name, gba_str("Authentication-Info")) ||
            gba_authinfo_parse(a->fields[i].value, &info) || !info.nextnonce.p)
            continue;
        if (info.nextnonce.n >= sizeof u->last.nonce) {
            u->last.origin[0] = '\0';
            return;
        }
        memcpy(u->last.nonce, info.nextnonce.p, info.nextnonce.n);
        u->ua.challenge.nonce = gba_mem(u->last.nonce, info.nextnonce.n);
        u->last.nc = 0;
        return;
    }
}

/* ---- a key that is refused ---- */

#define PATIENCE_S 60    /* from a refused fresh key to the next bootstrap, twice as long each time */
#define PATIENCE_STEPS 6 /* and an hour at most */

/* Seconds until a refusal may make a session again; 0: now. A clock that was set back does not count. */
static int64_t patience(const gba_ue *u, const gba_ue_session *s)
{
    unsigned steps = u->refused.times < PATIENCE_STEPS ? u->refused.times : PATIENCE_STEPS;
    int64_t passed = ue_now(u) - u->refused.since, wait = steps ? (int64_t)PATIENCE_S << (steps - 1) : 0;
    return passed >= 0 && passed < wait && !strcmp(s->btid.s, u->refused.btid.s) ? wait - passed : 0;
}

void ue_key_taken(gba_ue *u, const gba_fqdn *host)
{
    if (!strcmp(u->refused.host.s, host->s))
        u->refused.times = 0;
}

gba_err ue_renew(gba_ue *u, const gba_fqdn *host, bool *renewed, gba_ue_session *s)
{
    char why[GBA_UE_TEXT];
    int64_t wait = patience(u, s);
    memcpy(why, u->text, sizeof why);
    if (*renewed) {
        u->refused.times += u->refused.times < PATIENCE_STEPS;
        u->refused.since = ue_now(u);
        u->refused.host = *host;
        u->refused.btid = s->btid;
        return ue_say(u->text, GBA_E_AUTH,
                      "%.300s (with the key of a fresh bootstrap: does %.80s ask this BSF, for this Ua id?)", why,
                      host->s);
    }
    if (wait)
        return ue_say(u->text, GBA_E_AUTH, "%.250s (as it was when the key was fresh: no new bootstrap before %lld s)", why,
                      (long long)wait);
    *renewed = true;
    ue_trace(u, 1, "%.400s; bootstrapping anew", why);
    return ue_bootstrap(u, true, s);
}

/*
 * A 401 to our digest: another suite than we derived for, an expired nonce, or a
 * NAF that wants a new bootstrap (TS 24.109 5.2.5) - each once a request.
 */
static gba_err on_refused_digest(gba_ue *u, ua_run *x, const gba_ue_answer *a)
{
    gba_naf_id here = naf_id(x, a);
    if (x->early) { /* its nonce was an old one, and not every NAF says so */
        x->early = false;
        return ue_bootstrap(u, false, &x->session);
    }
    bool moved = memcmp(here.ua.o, x->naf.ua.o, sizeof here.ua.o) != 0;
    if ((moved || u->ua.challenge.stale) && !x->restarted) {
        x->restarted = true;
        return GBA_OK;
    }
    ue_say(u->text, GBA_E_AUTH, "%s wants a new bootstrap", x->host.s);
    return ue_renew(u, &x->host, &x->renewed, &x->session);
}

static gba_err run_ua(gba_ue *u, ua_run *x, gba_ue_answer *a)
{
    gba_err e = begin(u, x);
    bool digest = !e && authorize_early(u, x);
    for (int i = 0; !e; i++) {
        const gba_ue_request r = {.method = x->r->method,
                                  .url = x->r->url,
                                  .fields = x->fields,
                                  .n_fields = x->n_fields + digest,
                                  .body = x->r->body};
        if ((e = ue_exchange(u, &u->c.carrier, &r, a)) || a->status != 401)
            break;
        if (i == UA_ROUNDS)
            return ue_say(u->text, GBA_E_AUTH, "%s never comes to an end", x->host.s);
        u->last.origin[0] = '\0';
        if ((e = gba_ue_ua_choose(&u->ua, &x->host, a)))
            return say_choice(u, x, e);
        e = digest ? on_refused_digest(u, x, a) : ue_bootstrap(u, false, &x->session);
        /* Ub may have used the same carrier: *a is gone, what we need of it is not */
        if (!e) {
            x->naf = naf_id(x, &(gba_ue_answer){.transport = a->transport, .suite = a->suite});
            e = authorize(u, x, 1);
        }
        digest = true;
    }
    if (e || !digest)
        return e;
    const gba_digest_message m = {.method = gba_str(x->r->method), .uri = gba_str(x->url.target)};
    e = gba_ue_ua_verify(&u->ua, &x->key, &m, a);
    if (!e) {
        take_nextnonce(u, a);
        ue_key_taken(u, &x->host);
    }
    return e ? ue_say(u->text, GBA_E_AUTH, "%s's answer is not authenticated: rspauth is wrong or absent", x->host.s)
             : GBA_OK;
}

gba_err gba_ue_fetch(gba_ue *u, const gba_ue_request *r, gba_ue_answer *a)
{
    ua_run *x = calloc(1, sizeof *x);
    memset(a, 0, sizeof *a);
    if (!x)
        return ue_say(u->text, GBA_E_NOMEM, "out of memory");
    x->r = r;
    ue_call_begin(u);
    gba_err e = run_ua(u, x, a);
    if (e) {
        u->last.origin[0] = '\0';
        memset(a, 0, sizeof *a); /* what came last is no answer */
    }
    wipe_run(x);
    return e;
}

/* ---- TLS-PSK ---- */

static gba_err psk_key(void *arg, const gba_ua_id *ua, gba_secret *out)
{
    ue_psk_run *x = arg;
    const gba_naf_id naf = {.fqdn = x->host, .ua = *ua};
    char hex[11];
    gba_hex_encode(ua->o, sizeof ua->o, hex);
    ue_trace(x->u, 2, "* Ua id %s, NAF %s, B-TID %s", hex, x->host.s, x->session.btid.s);
    return ue_derive(x->u, &x->session, &naf, out);
}

void ue_psk_tell(gba_ue *u, const ue_psk_run *x, gba_transport t, uint16_t suite)
{
    const gba_ua_id ua = gba_ua_id_psk(t, suite);
    char hex[11];
    gba_hex_encode(ua.o, sizeof ua.o, hex);
    ue_trace(u, 1, "%s: TLS 1.%d with the GBA key, suite %04x, Ua id %s", x->host.s, t == GBA_TLS13 ? 3 : 2, suite,
             hex);
}

gba_err ue_psk_go(gba_ue *u, ue_psk_run *x)
{
    bool renewed = false;
    x->u = u;
    x->psk.key = psk_key;
    x->psk.arg = x;
    gba_err e = ue_bootstrap(u, false, &x->session);
    while (!e) {
        x->psk.btid = x->session.btid;
        if ((e = x->attempt(u, x)) != GBA_E_AUTH)
            break;
        e = ue_renew(u, &x->host, &renewed, &x->session);
    }
    if (!e)
        ue_key_taken(u, &x->host);
    return e;
}

typedef struct psk_fetch {
    gba_ue_request r;
    gba_ue_answer *a;
} psk_fetch;

static gba_err psk_attempt(gba_ue *u, ue_psk_run *x)
{
    psk_fetch *f = x->arg;
    f->r.psk = &x->psk;
    gba_err e = ue_exchange(u, &u->c.carrier, &f->r, f->a);
    if (!e)
        ue_psk_tell(u, x, f->a->transport, f->a->suite);
    return e;
}

gba_err gba_ue_fetch_psk(gba_ue *u, const gba_ue_request *r, gba_ue_tls tls, gba_ue_answer *a)
{
    ue_url url;
    psk_fetch f = {.r = *r, .a = a};
    ue_psk_run x = {.attempt = psk_attempt, .arg = &f, .psk = {.tls = tls}};
    memset(a, 0, sizeof *a);
    gba_err e = ue_url_parse(r->url, &url);
    if (e || !url.tls)
        return ue_say(u->text, e ? e : GBA_E_SYNTAX, "\"%.200s\" is not an https URL", r->url);
    if ((e = gba_fqdn_parse(gba_str(url.host), &x.host)))
        return ue_say(u->text, e, "\"%.200s\": a NAF is named by its FQDN", url.host);
    ue_call_begin(u);
    e = ue_psk_go(u, &x);
    gba_ue_session_wipe(&x.session);
    return e;
}
