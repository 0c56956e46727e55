/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf.c - is this request from who it says (TS 24.109 clause 5.2, TS 33.222 5.3)?
 *
 * A check goes: which name of ours; is there an answer to a challenge; is it well-formed and one
 * we asked for; is the nonce ours; whose key; is the response right; is it the first use. Only
 * then does the nonce count enter a table, so that strangers fill none.
 */
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <gba/kdf.h>
#include "naf/cache.h"

#define REALM "3GPP-bootstrapping@"
#define PSK_PREFIX "3GPP-bootstrapping;"
#define NONCE_FC 0xf0 /* our own label: the key is used for nothing else */
#define NONCE_TIME 5
#define NONCE_INSTANCE 6
#define NONCE_SERIAL 6
#define NONCE_HEAD (NONCE_TIME + NONCE_INSTANCE + NONCE_SERIAL)
#define NONCE_MAC 16
#define NONCE_RAW (NONCE_HEAD + NONCE_MAC)
#define NONCE_LEN GBA_B64_LEN(NONCE_RAW)
#define NONCE_AHEAD 5 /* seconds a nonce may be from the future: the clock was set back a little */

typedef struct served {
    gba_fqdn fqdn;
    char realm[sizeof REALM + sizeof(gba_fqdn)];
} served;

struct gba_naf {
    gba_naf_config c; /* its pointers are not used */
    served *fqdn;
    gba_fqdn *bsf;
    gba_secret nonce_key;
    uint8_t instance[NONCE_INSTANCE];
    atomic_uint_fast64_t serial;
    naf_cache *cache;
};

static const char *const why_names[GBA_NAF_WHYS] = {
    [GBA_NAF_WHY_OK] = "ok",
    [GBA_NAF_WHY_CHALLENGE] = "challenge",
    [GBA_NAF_WHY_NO_TOKEN] = "no_token",
    [GBA_NAF_WHY_MALFORMED] = "malformed",
    [GBA_NAF_WHY_HOST] = "wrong_host",
    [GBA_NAF_WHY_MISMATCH] = "mismatch",
    [GBA_NAF_WHY_WRONG_DIGEST] = "wrong_digest",
    [GBA_NAF_WHY_STALE] = "stale",
    [GBA_NAF_WHY_REPLAY] = "replay",
    [GBA_NAF_WHY_UNKNOWN_BTID] = "unknown_btid",
    [GBA_NAF_WHY_FOREIGN_BSF] = "foreign_bsf",
    [GBA_NAF_WHY_FORBIDDEN] = "forbidden",
    [GBA_NAF_WHY_IDENTITY] = "wrong_identity",
    [GBA_NAF_WHY_LIMITED] = "limited",
    [GBA_NAF_WHY_UNREACHABLE] = "bsf_unreachable",
    [GBA_NAF_WHY_NOT_GBA] = "not_gba",
    [GBA_NAF_WHY_KEY_CHOICE] = "key_choice",
};

const char *gba_naf_why_name(gba_naf_why w)
{
    return (unsigned)w < GBA_NAF_WHYS ? why_names[w] : "unknown";
}

/* ---- life ---- */
static void set_default(int64_t *v, int64_t d)
{
    *v = *v ? *v : d;
}

static const char no_memory[] = "out of memory", no_random[] = "the system gives no random octets";

static const char *fill_defaults(gba_naf_config *c)
{
    if (!c->n_algorithms) {
        c->algorithms[0] = GBA_DIGEST_SHA256;
        c->algorithms[1] = GBA_DIGEST_MD5;
        c->n_algorithms = 2;
    }
    if (c->n_algorithms > GBA_NAF_ALGORITHMS)
        return "too many algorithms";
    for (size_t i = 0; i < c->n_algorithms; i++)
        if (c->algorithms[i] < GBA_DIGEST_MD5 || c->algorithms[i] > GBA_DIGEST_SHA256_SESS)
            return "an algorithm that Ua does not use";
    c->qop = c->qop ? c->qop : GBA_QOP_AUTH | GBA_QOP_AUTH_INT;
    if (c->qop & ~(GBA_QOP_AUTH | GBA_QOP_AUTH_INT))
        return "an unknown qop";
    set_default(&c->nonce_lifetime, 300);
    set_default(&c->unknown_ttl, 30);
    set_default(&c->retry_after, 5);
    if (c->nonce_lifetime < 1 || c->nonce_lifetime > 86400 || c->unknown_ttl < 0 || c->unknown_ttl > 86400 ||
        c->retry_after < 0)
        return "a time out of range";
    c->keys_max = c->keys_max ? c->keys_max : 100000;
    c->nonces_max = c->nonces_max ? c->nonces_max : 65536;
    c->unknown_max = c->unknown_max ? c->unknown_max : 16384;
    c->unknown_per_source = c->unknown_per_source ? c->unknown_per_source : 128;
    if (c->keys_max > UINT32_MAX || c->nonces_max > UINT32_MAX || c->unknown_max > UINT32_MAX)
        return "a cache size out of range";
    if (c->nonce_key.n && c->nonce_key.n != 32)
        return "nonce_key must have 32 octets";
    return NULL;
}

static const char *take_names(gba_naf *n, const gba_naf_config *c)
{
    if (!c->n_fqdns || c->n_fqdns > GBA_NAF_FQDNS)
        return "one FQDN at least, and 256 at most";
    if (!c->n_bsfs || c->n_bsfs > GBA_NAF_BSFS)
        return "one BSF at least, and 64 at most";
    n->fqdn = calloc(c->n_fqdns, sizeof *n->fqdn);
    n->bsf = calloc(c->n_bsfs, sizeof *n->bsf);
    if (!n->fqdn || !n->bsf)
        return no_memory;
    for (size_t i = 0; i < c->n_fqdns; i++) {
        if (gba_fqdn_parse(gba_str(c->fqdns[i]), &n->fqdn[i].fqdn) != GBA_OK)
            return "a NAF name is no FQDN";
        snprintf(n->fqdn[i].realm, sizeof n->fqdn[i].realm, REALM "%s", n->fqdn[i].fqdn.s);
    }
    for (size_t i = 0; i < c->n_bsfs; i++)
        if (gba_fqdn_parse(gba_str(c->bsfs[i]), &n->bsf[i]) != GBA_OK)
            return "a BSF domain is no FQDN";
    return NULL;
}

static const char *take_random(gba_naf *n, gba_span key)
{
    struct {
        uint8_t key[32], seed[16], instance[NONCE_INSTANCE];
    } drawn;
    if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn)
        return no_random;
    memcpy(n->instance, drawn.instance, sizeof n->instance);
    gba_err e = key.n ? gba_secret_set(&n->nonce_key, key.p, key.n)
                      : gba_secret_set(&n->nonce_key, drawn.key, sizeof drawn.key);
    naf_cache_limits l = {.keys = n->c.keys_max, .nonces = n->c.nonces_max, .unknown = n->c.unknown_max,
                          .per_source = n->c.unknown_per_source, .unknown_ttl = n->c.unknown_ttl};
    n->cache = naf_cache_new(&l, drawn.seed);
    gba_wipe(&drawn, sizeof drawn);
    return e == GBA_OK && n->cache ? NULL : no_memory;
}

gba_err gba_naf_new(const gba_naf_config *c, gba_naf **out, const char **why)
{
    const char *none;
    if (!why)
        why = &none;
    *out = NULL;
    gba_naf *n = calloc(1, sizeof *n);
    if (!n) {
        *why = no_memory;
        return GBA_E_NOMEM;
    }
    n->c = *c;
    atomic_init(&n->serial, 1);
    *why = fill_defaults(&n->c);
    if (!*why)
        *why = take_names(n, c);
    if (!*why)
        *why = take_random(n, c->nonce_key);
    if (*why) {
        gba_naf_free(&n);
        return *why == no_memory ? GBA_E_NOMEM : *why == no_random ? GBA_E_IO : GBA_E_ARG;
    }
    *out = n;
    return GBA_OK;
}

void gba_naf_free(gba_naf **np)
{
    gba_naf *n = *np;
    *np = NULL;
    if (!n)
        return;
    naf_cache_free(&n->cache);
    gba_secret_wipe(&n->nonce_key);
    free(n->fqdn);
    free(n->bsf);
    free(n);
}

/* ---- nonces: base64(time || instance || serial || MAC), no memory until one is used ---- */
typedef struct nonce {
    int64_t issued;
    uint64_t serial;
    bool own; /* of this instance, which knows its counts */
} nonce;

static void put_be(uint8_t *p, uint64_t v, int n)
{
    while (n--) {
        p[n] = (uint8_t)v;
        v >>= 8;
    }
}

static uint64_t get_be(const uint8_t *p, int n)
{
    uint64_t v = 0;
    while (n--)
        v = v << 8 | *p++;
    return v;
}

static gba_err nonce_mac(const gba_naf *n, const uint8_t head[NONCE_HEAD], gba_secret *mac)
{
    gba_span part = gba_mem(head, NONCE_HEAD);
    return gba_kdf(gba_secret_span(&n->nonce_key), NONCE_FC, &part, 1, mac);
}

static gba_err nonce_make(gba_naf *n, int64_t now, char out[NONCE_LEN + 1])
{
    uint8_t raw[NONCE_RAW];
    GBA_SECRET_SCOPED mac = {0};
    put_be(raw, (uint64_t)now, NONCE_TIME);
    memcpy(raw + NONCE_TIME, n->instance, NONCE_INSTANCE);
    put_be(raw + NONCE_TIME + NONCE_INSTANCE, atomic_fetch_add_explicit(&n->serial, 1, memory_order_relaxed),
           NONCE_SERIAL);
    gba_err e = nonce_mac(n, raw, &mac);
    if (e != GBA_OK)
        return e;
    memcpy(raw + NONCE_HEAD, mac.o, NONCE_MAC);
    gba_b64_encode(raw, sizeof raw, out);
    return GBA_OK;
}

static bool nonce_open(const gba_naf *n, gba_span text, nonce *out)
{
    uint8_t raw[NONCE_RAW];
    size_t len = sizeof raw;
    GBA_SECRET_SCOPED mac = {0};
    if (text.n != NONCE_LEN || gba_b64_decode(text, raw, &len) != GBA_OK || len != NONCE_RAW)
        return false;
    if (nonce_mac(n, raw, &mac) != GBA_OK || !gba_equal_ct(mac.o, raw + NONCE_HEAD, NONCE_MAC))
        return false;
    out->issued = (int64_t)get_be(raw, NONCE_TIME);
    out->own = !memcmp(raw + NONCE_TIME, n->instance, NONCE_INSTANCE);
    out->serial = get_be(raw + NONCE_TIME + NONCE_INSTANCE, NONCE_SERIAL);
    return true;
}

/* ---- refusals ---- */
/* Whatever it held: all of it, but for the octets of the two texts, which nothing points into now. */
static void result_begin(gba_naf_result *out)
{
    memset(out, 0, offsetof(gba_naf_result, authorization));
    memset(&out->authorization, 0, offsetof(gba_authorization, store));
    out->authorization.store[0] = '\0';
    out->text[0] = '\0';
    out->verdict = GBA_NAF_REFUSE;
}

static void refuse(gba_naf_result *out, unsigned status, gba_naf_why why)
{
    out->verdict = GBA_NAF_REFUSE;
    out->status = status;
    out->why = why;
}

static void refuse_malformed(gba_naf_result *out, const char *detail)
{
    refuse(out, 400, GBA_NAF_WHY_MALFORMED);
    out->detail = detail;
}

/* 401 with each challenge in a field of its own: many clients read just the first of a list. */
static void challenge(gba_naf *n, gba_naf_result *out, int64_t now, gba_naf_why why, bool stale)
{
    char fresh[NONCE_LEN + 1];
    size_t used = 0;
    refuse(out, 401, why);
    if (nonce_make(n, now, fresh) != GBA_OK) {
        out->status = 500;
        return;
    }
    gba_challenge c;
    c.qop = n->c.qop;
    c.stale = stale;
    c.userhash = c.charset_utf8 = false;
    c.realm = gba_str(n->fqdn[out->fqdn].realm);
    c.nonce = gba_str(fresh);
    c.opaque = c.domain = (gba_span){0};
    for (size_t i = 0; i < n->c.n_algorithms; i++) {
        size_t room = sizeof out->text - used;
        c.algorithm = n->c.algorithms[i];
        if (gba_challenge_print(&c, out->text + used, &room) != GBA_OK) {
            out->status = 500;
            out->n_fields = 0;
            return;
        }
        out->fields[out->n_fields++] = (gba_naf_field){"WWW-Authenticate", out->text + used};
        used += room + 1;
    }
}

static void unavailable(gba_naf *n, gba_naf_result *out, gba_naf_why why)
{
    refuse(out, 503, why);
    snprintf(out->text, sizeof out->text, "%lld", (long long)n->c.retry_after);
    out->fields[out->n_fields++] = (gba_naf_field){"Retry-After", out->text};
}

/* ---- whose key ---- */
static gba_naf_why why_of(gba_err e)
{
    switch (e) {
    case GBA_OK:
        return GBA_NAF_WHY_OK;
    case GBA_E_UNKNOWN:
    case GBA_E_EXPIRED:
        return GBA_NAF_WHY_UNKNOWN_BTID;
    case GBA_E_FORBIDDEN:
        return GBA_NAF_WHY_FORBIDDEN;
    default:
        return GBA_NAF_WHY_UNREACHABLE;
    }
}

/* What is remembered of a B-TID: no key of its BSF's, or none that a service may be used with. */
static gba_naf_why why_remembered(gba_err e)
{
    return e == GBA_E_UNSUPPORTED ? GBA_NAF_WHY_KEY_CHOICE : why_of(e);
}

/* The key into *out, or WAIT, or why not. A B-TID's domain only selects a configured BSF. */
static gba_naf_why find_key(gba_naf *n, const uint8_t source[16], int64_t now, gba_err fetched, gba_naf_result *out)
{
    gba_naf_query *q = &out->query;
    gba_fqdn domain;
    out->btid = q->btid;
    naf_key *k = naf_cache_get(n->cache, &q->btid, &q->naf, now);
    if (k) {
        out->key = k;
        out->identity = &k->id;
        return GBA_NAF_WHY_OK;
    }
    if (gba_btid_domain(&q->btid, &domain) != GBA_OK)
        return GBA_NAF_WHY_FOREIGN_BSF;
    for (q->bsf = 0; q->bsf < n->c.n_bsfs && strcmp(n->bsf[q->bsf].s, domain.s) != 0;)
        q->bsf++;
    if (q->bsf == n->c.n_bsfs)
        return GBA_NAF_WHY_FOREIGN_BSF;
    gba_naf_why known = why_remembered(naf_unknown_get(n->cache, &q->btid, &q->naf, now));
    if (known == GBA_NAF_WHY_OK)
        known = why_of(fetched);
    if (known != GBA_NAF_WHY_OK)
        return known;
    if (!naf_source_begin(n->cache, source, now))
        return GBA_NAF_WHY_LIMITED;
    q->domain = n->bsf[q->bsf].s;
    memcpy(q->source, source, sizeof q->source);
    out->verdict = GBA_NAF_WAIT;
    return GBA_NAF_WHY_OK;
}

static void refuse_key(gba_naf *n, gba_naf_result *out, int64_t now, gba_naf_why why)
{
    if (why == GBA_NAF_WHY_FORBIDDEN || why == GBA_NAF_WHY_KEY_CHOICE)
        refuse(out, 403, why);
    else if (why == GBA_NAF_WHY_LIMITED || why == GBA_NAF_WHY_UNREACHABLE)
        unavailable(n, out, why);
    else
        challenge(n, out, now, why, false); /* bootstrapping renegotiation, TS 24.109 5.2.5 */
}

/* TS 33.220 5.3.3: where a setting says that Ks_int_NAF alone may be used, whoever comes with the ME's key is
 * refused. One NAF_Id serves all that it asked settings for, so one such setting is enough. */
static bool needs_uicc_key(const gba_naf_keys *k)
{
    for (size_t i = 0; i < k->n_uss; i++)
        if (k->uss[i].key_choice == GBA_KEY_UICC)
            return true;
    return false;
}

void gba_naf_learn(gba_naf *n, const gba_naf_query *q, gba_err outcome, const gba_naf_keys *keys, int64_t now)
{
    if (outcome == GBA_OK && (!keys || keys->me.n != 32 || keys->n_uss > GBA_USS_MAX))
        outcome = GBA_E_ARG;
    if (outcome == GBA_OK && keys->expires <= now)
        outcome = GBA_E_EXPIRED;
    bool uicc = outcome == GBA_OK && needs_uicc_key(keys);
    if (outcome == GBA_OK && !uicc) {
        naf_key *k = naf_key_new(q, keys, now);
        if (k)
            naf_cache_put(n->cache, k, now);
    }
    bool unknown = outcome == GBA_E_UNKNOWN || outcome == GBA_E_EXPIRED || outcome == GBA_E_FORBIDDEN;
    if (unknown || uicc)
        naf_unknown_put(n->cache, &q->btid, &q->naf, uicc ? GBA_E_UNSUPPORTED : outcome, now);
    else
        naf_source_refund(n->cache, q->source); /* neither success nor a BSF's trouble is the source's fault */
}

void gba_naf_forget(gba_naf *n, const gba_btid *btid)
{
    naf_cache_forget(n->cache, btid);
}

void gba_naf_sweep(gba_naf *n, int64_t now)
{
    naf_cache_sweep(n->cache, now);
}

void gba_naf_get_stats(gba_naf *n, gba_naf_stats *out)
{
    naf_cache_stats(n->cache, out);
}

/* ---- the request ---- */
static bool served_index(const gba_naf *n, gba_span name, uint8_t *out)
{
    for (size_t i = 0; i < n->c.n_fqdns; i++)
        if (gba_span_ieq(gba_str(n->fqdn[i].fqdn.s), name)) {
            *out = (uint8_t)i;
            return true;
        }
    return false;
}

static bool host_index(const gba_naf *n, gba_span host, uint8_t *out)
{
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] == ':') {
            if (host.n - i > 6)
                return false;
            for (size_t d = i + 1; d < host.n; d++)
                if (host.p[d] < '0' || host.p[d] > '9')
                    return false;
            host.n = i;
        }
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    return served_index(n, host, out);
}

static bool gba_client(gba_span agent)
{
    return gba_product_token(agent, "3gpp-gba") || gba_product_token(agent, "3gpp-gba-uicc") ||
           gba_product_token(agent, "3gpp-gba-digest");
}

/* ---- what is wrong with an answer, before any key is asked for: a text, or NULL ---- */
static const char *malformed(const gba_naf_request *r, const gba_authorization *a)
{
    if (!a->username.p || !a->realm.p || !a->nonce.p)
        return "username, realm or nonce is missing";
    if (!a->uri.p || !a->response.p)
        return "uri or response is missing";
    if (a->qop != GBA_QOP_NONE && (!a->nc_given || !a->nc || !a->cnonce.p))
        return "nc or cnonce is missing beside qop";
    /* RFC 7616 3.4.6: another request's answer */
    return gba_span_eq(a->uri, r->target) ? NULL : "uri is not the request's target";
}

static const char *mismatch(const gba_naf *n, const gba_naf_result *out)
{
    const gba_authorization *a = &out->authorization;
    bool offered = false;
    for (size_t i = 0; i < n->c.n_algorithms; i++)
        offered = offered || a->algorithm == n->c.algorithms[i];
    if (!offered)
        return a->algorithm_given ? "algorithm is none that was offered" : "algorithm is absent, and MD5 was not offered";
    if (!(a->qop & n->c.qop))
        return a->qop == GBA_QOP_NONE ? "qop is absent" : "qop is none that was offered";
    if (a->userhash || a->opaque.n)
        return "userhash or opaque, which were not offered";
    return gba_span_eq(a->realm, gba_str(n->fqdn[out->fqdn].realm)) ? NULL : "realm is another than that of Host";
}

static bool intended_ok(const gba_naf_identity *id, gba_span v)
{
    if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
        v = gba_mem(v.p + 1, v.n - 2);
    if (!v.n)
        return false;
    if (gba_span_eq(v, gba_str(id->impi.s)) || gba_span_eq(v, gba_str(id->btid.s)))
        return true;
    for (size_t i = 0; i < id->n_uss; i++)
        for (size_t k = 0; k < id->uss[i].n_ids; k++)
            if (gba_span_eq(v, gba_str(id->uss[i].ids[k])))
                return true;
    return false;
}

/* The response is right: is it fresh, and who does it want to be? */
static void admit(gba_naf *n, const gba_naf_request *r, const nonce *o, gba_naf_result *out)
{
    int64_t age = r->now - o->issued;
    if (age > n->c.nonce_lifetime || age < -NONCE_AHEAD || !o->own) {
        challenge(n, out, r->now, GBA_NAF_WHY_STALE, true);
        return;
    }
    gba_err e = naf_nonce_use(n->cache, o->serial, out->authorization.nc);
    if (e != GBA_OK) {
        challenge(n, out, r->now, e == GBA_E_AUTH ? GBA_NAF_WHY_REPLAY : GBA_NAF_WHY_STALE, true);
        return;
    }
    if (r->intended_identity.p && !n->c.no_intended_identity && !intended_ok(out->identity, r->intended_identity)) {
        refuse(out, 403, GBA_NAF_WHY_IDENTITY);
        return;
    }
    out->verdict = GBA_NAF_OK;
    out->renew = n->c.nextnonce_always || age > n->c.nonce_lifetime / 2;
}

static void verify(gba_naf *n, const gba_naf_request *r, const nonce *o, gba_naf_result *out)
{
    const gba_authorization *a = &out->authorization;
    const naf_key *k = out->key;
    gba_digest_expect expect = {.algorithm = a->algorithm, .qop = n->c.qop};
    gba_digest_message m = {.method = r->method, .uri = r->target, .body = r->body, .body_hash = r->body_hash};
    switch (gba_digest_verify(a, &expect, &m, gba_secret_span(&k->password))) {
    case GBA_OK:
        admit(n, r, o, out);
        return;
    case GBA_E_AUTH:
        challenge(n, out, r->now, GBA_NAF_WHY_WRONG_DIGEST, false);
        return;
    case GBA_E_FORBIDDEN:
        out->detail = "not what was asked for";
        challenge(n, out, r->now, GBA_NAF_WHY_MISMATCH, false);
        return;
    default:
        refuse_malformed(out, "no response can be computed for it");
    }
}

/* Credentials are there. */
static void check_answer(gba_naf *n, const gba_naf_request *r, gba_naf_result *out)
{
    nonce o;
    const char *bad = malformed(r, &out->authorization);
    if (bad) {
        refuse_malformed(out, bad);
        return;
    }
    if ((out->detail = mismatch(n, out))) {
        challenge(n, out, r->now, GBA_NAF_WHY_MISMATCH, false);
        return;
    }
    /* None of ours, for instance from before a restart. stale (RFC 7616 3.3) spares the UE a
     * bootstrap, and no key is asked for on the word of a stranger who never took our challenge. */
    if (!nonce_open(n, out->authorization.nonce, &o)) {
        challenge(n, out, r->now, GBA_NAF_WHY_STALE, true);
        return;
    }
    if (gba_btid_parse(out->authorization.username, &out->query.btid) != GBA_OK) {
        challenge(n, out, r->now, GBA_NAF_WHY_UNKNOWN_BTID, false);
        return;
    }
    out->query.naf.fqdn = n->fqdn[out->fqdn].fqdn;
    out->query.naf.ua = gba_ua_id_digest(r->transport, r->suite);
    gba_naf_why why = find_key(n, r->source, r->now, r->fetched, out);
    if (why != GBA_NAF_WHY_OK)
        refuse_key(n, out, r->now, why);
    else if (out->key)
        verify(n, r, &o, out);
}

void gba_naf_check(gba_naf *n, const gba_naf_request *r, gba_naf_result *out)
{
    result_begin(out);
    if (!r->host.n) {
        refuse_malformed(out, "Host is missing or empty");
        return;
    }
    if (!host_index(n, r->host, &out->fqdn)) {
        refuse(out, 421, GBA_NAF_WHY_HOST);
        return;
    }
    if (n->c.require_product_token && !gba_client(r->user_agent)) {
        refuse(out, 403, GBA_NAF_WHY_NO_TOKEN);
        return;
    }
    if (!r->n_authorization) {
        challenge(n, out, r->now, GBA_NAF_WHY_CHALLENGE, false);
        return;
    }
    bool twice = r->n_authorization > 1;
    gba_err e = twice ? GBA_E_SYNTAX : gba_authorization_parse(r->authorization[0], &out->authorization);
    if (e == GBA_OK)
        check_answer(n, r, out);
    else if (e == GBA_E_UNSUPPORTED) /* another scheme */
        challenge(n, out, r->now, GBA_NAF_WHY_CHALLENGE, false);
    else
        refuse_malformed(out, twice               ? "Authorization stands there twice"
                              : e == GBA_E_RANGE ? "Authorization is too long"
                                                 : "Authorization is no well-formed Digest answer");
    if (out->verdict == GBA_NAF_REFUSE)
        gba_naf_result_clear(out);
}

void gba_naf_result_clear(gba_naf_result *r)
{
    naf_key_release(r->key);
    r->key = NULL;
    r->identity = NULL;
    gba_secret_wipe(&r->psk);
}

void gba_naf_check_blocking(gba_naf *n, const gba_naf_request *request, gba_naf_source *source, void *ctx,
                            gba_naf_result *out)
{
    gba_naf_request r = *request;
    gba_naf_check(n, &r, out);
    if (out->verdict != GBA_NAF_WAIT)
        return;
    gba_naf_keys keys = {0};
    r.fetched = source(ctx, &out->query, &keys);
    gba_naf_learn(n, &out->query, r.fetched, &keys, r.now);
    gba_naf_keys_clear(&keys);
    gba_naf_check(n, &r, out);
    if (out->verdict == GBA_NAF_WAIT) { /* learned and at once evicted: no room */
        gba_naf_learn(n, &out->query, GBA_E_BUSY, NULL, r.now);
        unavailable(n, out, GBA_NAF_WHY_UNREACHABLE);
    }
}

void gba_naf_keys_clear(gba_naf_keys *k)
{
    gba_secret_wipe(&k->me);
    gba_secret_wipe(&k->uicc);
    free(k->uss);
    *k = (gba_naf_keys){0};
}

const char *gba_naf_asserted(const gba_naf_identity *id)
{
    for (size_t i = 0; i < id->n_uss; i++)
        if (id->uss[i].n_ids)
            return id->uss[i].ids[0];
    return id->impi.s[0] ? id->impi.s : id->btid.s;
}

bool gba_naf_wants_body(const gba_naf_result *r)
{
    return r->key && r->authorization.qop == GBA_QOP_AUTH_INT;
}

/* ---- the answer ---- */
static gba_err rspauth(const gba_authorization *a, gba_span body, gba_span password, char hex[65])
{
    gba_digest_message m = {.uri = a->uri, .body = body};
    return gba_digest_rspauth(a, &m, password, hex);
}

gba_err gba_naf_answer(gba_naf *n, const gba_naf_result *r, gba_span body, int64_t now, char *out, size_t *len)
{
    const naf_key *k = r->key;
    const gba_authorization *a = &r->authorization;
    if (!k || r->verdict != GBA_NAF_OK || !a->response.p) /* over PSK there is nothing to prove in a field */
        return GBA_E_ARG;
    char hex[65], fresh[NONCE_LEN + 1];
    gba_err e;
    unsigned qop = a->qop;
    if (qop == GBA_QOP_AUTH_INT && !body.p) {
        gba_authorization plain = *a; /* its spans stay in a->store, which lives on */
        plain.qop = qop = GBA_QOP_AUTH;
        e = rspauth(&plain, (gba_span){0}, gba_secret_span(&k->password), hex);
    } else {
        e = rspauth(a, body, gba_secret_span(&k->password), hex);
    }
    gba_authinfo i;
    i.qop = qop;
    i.nc = a->nc;
    i.nc_given = true;
    i.rspauth = gba_mem(hex, strlen(hex));
    i.cnonce = a->cnonce;
    i.nextnonce = (gba_span){0};
    if (e == GBA_OK && r->renew) {
        e = nonce_make(n, now, fresh);
        i.nextnonce = gba_str(fresh);
    }
    return e == GBA_OK ? gba_authinfo_print(&i, out, len) : e;
}

/* ---- TLS-PSK ---- */
static void refuse_psk(gba_naf *n, gba_naf_result *out, gba_naf_why why)
{
    if (why == GBA_NAF_WHY_LIMITED || why == GBA_NAF_WHY_UNREACHABLE)
        unavailable(n, out, why);
    else /* a request came on a session whose key is gone: RFC 9110 15.5.20, another session may do */
        refuse(out, why == GBA_NAF_WHY_FORBIDDEN || why == GBA_NAF_WHY_KEY_CHOICE || why == GBA_NAF_WHY_IDENTITY ? 403 : 421,
               why);
}

/* Who it is and where to, before any key is asked for. */
static gba_naf_why judge_psk(const gba_naf *n, const gba_naf_psk_request *r, gba_naf_result *out)
{
    size_t prefix = sizeof PSK_PREFIX - 1;
    uint8_t host;
    if (r->identity.n <= prefix || !gba_span_eq(gba_mem(r->identity.p, prefix), gba_str(PSK_PREFIX)))
        return GBA_NAF_WHY_NOT_GBA;
    if (r->fqdn.n && !host_index(n, r->fqdn, &out->fqdn))
        return GBA_NAF_WHY_HOST;
    if (r->host.p && (!host_index(n, r->host, &host) || host != out->fqdn))
        return GBA_NAF_WHY_HOST;
    if (gba_btid_parse(gba_mem(r->identity.p + prefix, r->identity.n - prefix), &out->query.btid) != GBA_OK)
        return GBA_NAF_WHY_UNKNOWN_BTID;
    return GBA_NAF_WHY_OK;
}

void gba_naf_psk(gba_naf *n, const gba_naf_psk_request *r, gba_naf_result *out)
{
    result_begin(out);
    gba_naf_why why = judge_psk(n, r, out);
    if (why == GBA_NAF_WHY_OK) {
        out->query.naf.fqdn = n->fqdn[out->fqdn].fqdn;
        out->query.naf.ua = gba_ua_id_psk(r->transport, r->suite);
        why = find_key(n, r->source, r->now, r->fetched, out);
    }
    if (out->key && r->intended_identity.p && !n->c.no_intended_identity &&
        !intended_ok(out->identity, r->intended_identity))
        why = GBA_NAF_WHY_IDENTITY;
    if (why != GBA_NAF_WHY_OK) {
        refuse_psk(n, out, why);
        gba_naf_result_clear(out);
    } else if (out->key) {
        out->psk = ((naf_key *)out->key)->ks_naf;
        out->verdict = GBA_NAF_OK;
    }
}
