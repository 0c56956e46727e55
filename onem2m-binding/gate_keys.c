/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_keys.c - the key of a PSK identity, inside the handshake. Each form of identity is one framework's
 * (gba_m2m_identify); keys of MAF and MEF are kept until they expire, refusals for a while, and one source
 * may cause only so many failing queries. Nobody waits for another's query but whoever asks the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "onem2m-binding/cert_id.h"
#include "onem2m-binding/gate.h"

#define BUCKETS 4096
#define UNKNOWN_SLOTS 16384
#define SOURCE_SLOTS 4096
#define AUDIT_PER_SECOND 200 /* refusals of strangers; the metric counts them all */

typedef struct entry {
    struct entry *next;
    char identity[GBA_ID_MAX + 1];
    bool pending;
    unsigned waiters;
    gate_who who;
} entry;
struct gate_keys {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    entry *bucket[BUCKETS];
    size_t n, clock;
    uint64_t seed;
    struct {
        uint64_t hash;
        int64_t until;
    } unknown[UNKNOWN_SLOTS];
    struct {
        uint64_t hash;
        int64_t minute;
        unsigned n;
    } source[SOURCE_SLOTS];
    int64_t audit_second;
    unsigned audit_n;
};

static uint64_t hash_of(const gate_keys *k, const void *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u ^ k->seed;
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const uint8_t *)p)[i]) * 0x100000001b3u;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u ^ k->seed;
    return h ^ h >> 32;
}

gba_err gate_keys_open(gate *g)
{
    pthread_condattr_t a;
    gate_keys *k = calloc(1, sizeof *k);
    g->keys = k;
    if (!k)
        return GBA_E_NOMEM;
    service_random(&k->seed, sizeof k->seed);
    k->seed |= 1;
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&k->moved, &a);
    pthread_condattr_destroy(&a);
    return GBA_OK;
}

static void entry_free(entry *e)
{
    gba_secret_wipe(&e->who.key);
    free(e->who.ids);
    free(e);
}

void gate_keys_close(gate *g)
{
    gate_keys *k = g->keys;
    g->keys = NULL;
    if (!k)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (entry *e = k->bucket[i], *next; e; e = next) {
            next = e->next;
            entry_free(e);
        }
    pthread_cond_destroy(&k->moved);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* ---- limits ---- */
static bool source_full(gate *g, const uint8_t source[16], bool failed)
{
    static const uint8_t nobody[16]; /* limits.exempt */
    gate_keys *k = g->keys;
    uint64_t h = hash_of(k, source, 16);
    size_t i = h % SOURCE_SLOTS;
    int64_t minute = service_now() / 60;

    if (!memcmp(source, nobody, sizeof nobody))
        return false;
    if (k->source[i].hash != h || k->source[i].minute != minute) {
        if (!failed)
            return false;
        k->source[i].hash = h;
        k->source[i].minute = minute;
        k->source[i].n = 0;
    }
    k->source[i].n += failed;
    return k->source[i].n >= (unsigned)g->s->unknown_per_source;
}

static bool refused_lately(gate_keys *k, const char *identity, int64_t now)
{
    uint64_t h = hash_of(k, identity, strlen(identity));
    return k->unknown[h % UNKNOWN_SLOTS].hash == h && k->unknown[h % UNKNOWN_SLOTS].until > now;
}

static void refuse_for_a_while(gate_keys *k, const char *identity, int64_t until)
{
    uint64_t h = hash_of(k, identity, strlen(identity));
    k->unknown[h % UNKNOWN_SLOTS].hash = h;
    k->unknown[h % UNKNOWN_SLOTS].until = until;
}

/* ---- the cache ---- */
static entry **find(gate_keys *k, const char *identity)
{
    entry **at = &k->bucket[hash_of(k, identity, strlen(identity)) % BUCKETS];
    while (*at && strcmp((*at)->identity, identity) != 0)
        at = &(*at)->next;
    return at;
}

static void drop(gate_keys *k, entry **at)
{
    entry *e = *at;
    *at = e->next;
    k->n--;
    entry_free(e);
}

/* Room for one more: the expired of some buckets, else one that nobody uses. */
static void make_room(gate *g, int64_t now)
{
    gate_keys *k = g->keys;
    for (size_t tried = 0; k->n >= (size_t)g->s->keys && tried < BUCKETS; tried++) {
        entry **at = &k->bucket[k->clock++ % BUCKETS];
        bool any = false;
        while (*at)
            if (!(*at)->pending && !(*at)->waiters && ((*at)->who.expires <= now || !any)) {
                any = true;
                drop(k, at);
            } else {
                at = &(*at)->next;
            }
    }
}

void gate_keys_sweep(gate *g, int64_t now)
{
    gate_keys *k = g->keys;

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (entry **at = &k->bucket[i]; *at;)
            if (!(*at)->pending && !(*at)->waiters && (*at)->who.expires <= now)
                drop(k, at);
            else
                at = &(*at)->next;
    pthread_mutex_unlock(&k->lock);
}

static gba_err copy_who(const gate_who *from, gate_who *to)
{
    gba_m2m_framework f = to->framework;
    gba_m2m_psk form = to->form;
    char identity[sizeof to->identity];

    memcpy(identity, to->identity, sizeof identity);
    *to = *from;
    to->ids = NULL;
    to->n = 0;
    to->framework = f;
    to->form = form;
    memcpy(to->identity, identity, sizeof identity);
    return gate_who_ids(to, from->ids, from->n);
}

static gba_err ask(gate *g, const gba_m2m_identity *id, gate_who *who, const char **why)
{
    bool maf = id->form == GBA_M2M_PSK_KC;
    atomic_uint *asking = maf ? &g->maf[id->server].asking : &g->mef[id->server].asking;

    if (!gate_ask_enter(g, asking)) {
        *why = "too_many_queries";
        return GBA_E_BUSY;
    }
    gba_err e = maf ? gate_ask_maf(g, id->server, &id->key, who, why) : gate_ask_mef(g, id->server, &id->key, who, why);
    gate_ask_leave(asking);
    return e;
}

/* The same query is under way: wait for its outcome, at most as long as a query may take. */
static gba_err join(gate *g, entry *e, const char *identity, gate_who *who, const char **why)
{
    gate_keys *k = g->keys;
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += g->s->wait_ms / 1000 + 1;
    e->waiters++;
    while (e->pending)
        if (pthread_cond_timedwait(&k->moved, &k->lock, &until) != 0)
            break;
    e->waiters--;
    if (!e->pending && e->who.key.n)
        return copy_who(&e->who, who);
    *why = e->pending ? "server_timeout" : "server_does_not_know";
    if (!e->pending && !e->waiters)
        drop(k, find(k, identity));
    return GBA_E_BUSY;
}

/* With the lock; it is released while the server is asked. */
static gba_err query(gate *g, const gba_m2m_identity *id, const uint8_t source[16], gate_who *who, const char **why)
{
    gate_keys *k = g->keys;
    gate_who fresh = {0};

    if (source_full(g, source, false)) {
        *why = "limited";
        return GBA_E_BUSY;
    }
    make_room(g, service_now());
    entry *e = calloc(1, sizeof *e);
    if (!e)
        return GBA_E_NOMEM;
    snprintf(e->identity, sizeof e->identity, "%s", id->text);
    e->pending = true;
    entry **at = find(k, id->text);
    e->next = *at;
    *at = e;
    k->n++;
    pthread_mutex_unlock(&k->lock);
    gba_err err = ask(g, id, &fresh, why);
    pthread_mutex_lock(&k->lock);
    e->pending = false;
    pthread_cond_broadcast(&k->moved);
    if (err == GBA_OK) {
        e->who = fresh;
        return copy_who(&fresh, who);
    }
    gba_secret_wipe(&fresh.key);
    free(fresh.ids);
    (void)source_full(g, source, true);
    if (err == GBA_E_UNKNOWN || err == GBA_E_FORBIDDEN || err == GBA_E_EXPIRED)
        refuse_for_a_while(k, id->text, service_now() + g->s->unknown_ttl);
    if (!e->waiters)
        drop(k, find(k, id->text));
    return err;
}

static gba_err told(gate *g, const gba_m2m_identity *id, const uint8_t source[16], gate_who *who, const char **why)
{
    gate_keys *k = g->keys;
    gba_err e;

    pthread_mutex_lock(&k->lock);
    entry **at = find(k, id->text);
    int64_t now = service_now();
    if (*at && !(*at)->pending && !(*at)->waiters && (*at)->who.expires <= now) {
        drop(k, at); /* it may have been prolonged */
        at = find(k, id->text); /* what stands there now is another identity's */
    }
    if (*at && (*at)->pending) {
        e = join(g, *at, id->text, who, why);
    } else if (*at && (*at)->who.key.n && (*at)->who.expires > now) {
        e = copy_who(&(*at)->who, who);
    } else if (*at) {
        *why = "busy";
        e = GBA_E_BUSY;
    } else if (refused_lately(k, id->text, now)) {
        *why = "server_does_not_know";
        e = GBA_E_UNKNOWN;
    } else {
        e = query(g, id, source, who, why);
    }
    pthread_mutex_unlock(&k->lock);
    return e;
}

/* ---- SAEF 1: our own store ---- */
static gba_err stored(gate *g, const gba_m2m_identity *id, gate_who *who, const char **why)
{
    store_record rec = {0};
    gate_credential c;
    gba_err e = gba_m2m_credential_id(12, gba_str(id->text), who->credential);

    *why = "unknown_identity";
    if (e == GBA_OK)
        e = store_get_recent(g->store, (store_kind)GATE_CREDENTIAL, gba_str(who->credential), service_now(), &rec);
    if (e == GBA_E_EXPIRED)
        *why = "expired";
    else if (e != GBA_OK && e != GBA_E_UNKNOWN)
        *why = "store";
    if (e == GBA_OK)
        e = gate_credential_parse(gba_mem(rec.value, rec.n), &c);
    if (e == GBA_OK) {
        who->key = c.key;
        who->expires = rec.expiry;
        gba_secret_wipe(&c.key);
        e = who->key.n ? GBA_OK : GBA_E_UNKNOWN;
    }
    store_record_free(&rec);
    return e;
}

/* ---- the handshake ---- */
static bool sni_ok(const gate *g, gba_span sni, const char **why)
{
    *why = !sni.n ? "no_sni" : "other_sni"; /* TS-0003 10.2.1 */
    return gba_span_ieq(sni, gba_str(g->name.s));
}

static gba_err key_of(gate *g, const tls_psk_query *q, gate_who *who, const char **why)
{
    gba_m2m_identity id;
    uint8_t source[16] = {0};

    if (!sni_ok(g, q->sni, why))
        return GBA_E_FORBIDDEN;
    gba_err e = gba_m2m_identify(&g->domains, q->identity, &id);
    if (e != GBA_OK) {
        *why = e == GBA_E_FORBIDDEN ? "foreign_domain" : "malformed_identity";
        return e;
    }
    who->framework = id.framework;
    who->form = id.form;
    if (q->peer)
        http_source_counted(q->peer, g->exempt, g->n_exempt, source);
    switch (id.form) {
    case GBA_M2M_PSK_KPSA:
        return stored(g, &id, who, why);
    case GBA_M2M_PSK_KC:
    case GBA_M2M_PSK_KE:
        return told(g, &id, source, who, why);
    case GBA_M2M_PSK_BTID:
        return gate_ask_bsf(g, q, &id, who, why);
    default:
        *why = "foreign_domain";
        return GBA_E_FORBIDDEN;
    }
}

gba_err gate_psk_again(gate *g, const char *identity, uint16_t suite, gate_who **out, const char **why)
{
    const tls_psk_query q = {.identity = gba_str(identity), .sni = gba_str(g->name.s), .transport = GBA_TLS12, .suite = suite};
    gate_who *w = calloc(1, sizeof *w);
    gba_err e = w ? GBA_OK : GBA_E_NOMEM;

    *out = NULL;
    *why = "no_memory";
    if (e == GBA_OK) {
        snprintf(w->identity, sizeof w->identity, "%s", identity);
        w->suite = suite;
        e = key_of(g, &q, w, why);
    }
    if (e == GBA_OK && w->expires && w->expires <= service_now()) {
        *why = "expired";
        e = GBA_E_EXPIRED;
    }
    if (e == GBA_OK)
        *out = w;
    else
        gate_who_free(w);
    return e;
}

/* Strangers shall not fill the log. */
static bool may_audit(gate_keys *k)
{
    int64_t now = service_now();
    pthread_mutex_lock(&k->lock);
    if (k->audit_second != now) {
        k->audit_second = now;
        k->audit_n = 0;
    }
    bool ok = k->audit_n++ < AUDIT_PER_SECOND;
    pthread_mutex_unlock(&k->lock);
    return ok;
}

/* f: GBA_M2M_FRAMEWORKS where none is known */
static void note_refusal(gate *g, gba_m2m_framework f, const char *identity, const char *from, const char *why)
{
    const gba_m2m_row *row = f < GBA_M2M_FRAMEWORKS ? gba_m2m_row_of(f) : NULL;

    metric_add(g->handshakes[f][GATE_REFUSED], 1);
    if (may_audit(g->keys))
        log_event(LOG_LEVEL_AUDIT, "gate.handshake_refused", "framework", row ? row->name : "none", "identity",
                  identity, "from", from, "why", why, NULL);
}

void gate_psk_failed(void *ctx, void *who)
{
    const gate_who *w = who;
    note_refusal(ctx, w->framework, w->identity, w->from, "key_not_proved");
}

void gate_cert_refused(void *ctx, const tls_refusal *r)
{
    char from[64] = "";

    if (r->peer)
        http_source_text(r->peer, from);
    note_refusal(ctx, GBA_M2M_SAEF_2, r->name, from, r->why);
}

bool gate_raw_key(void *ctx, const uint8_t id[32])
{
    gate *g = ctx;
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    gate_binding b;

    if (!m2m_key_credential(id, credential))
        return false;
    gate_book_find(g->book, credential, &b);
    return b.bound != GBA_M2M_BOUND_NONE;
}

gba_err gate_psk(void *ctx, const tls_psk_query *q, gba_secret *key, void **out)
{
    gate *g = ctx;
    const char *why = "failed";
    gate_who *w = calloc(1, sizeof *w);

    if (!w)
        return GBA_E_NOMEM;
    snprintf(w->identity, sizeof w->identity, "%.*s",
             (int)(q->identity.n < sizeof w->identity ? q->identity.n : sizeof w->identity - 1),
             (const char *)q->identity.p);
    gba_err e = key_of(g, q, w, &why);
    if (e == GBA_OK && w->expires && w->expires <= service_now()) {
        why = "expired";
        e = GBA_E_EXPIRED;
    }
    w->suite = q->suite;
    if (q->peer)
        http_source_text(q->peer, w->from);
    if (e == GBA_OK) {
        metric_add(g->handshakes[w->framework][GATE_ALLOWED], 1);
        *key = w->key;
        *out = w;
    } else {
        note_refusal(g, w->form == GBA_M2M_PSK_NONE ? GBA_M2M_FRAMEWORKS : w->framework, w->identity, w->from,
                     why ? why : gba_err_name(e));
        gate_who_free(w);
    }
    return e;
}
