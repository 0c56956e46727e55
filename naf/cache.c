/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c - keys, unknown B-TIDs, failing sources and nonce counts, in fixed room. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <gba/kdf.h>
#include "naf/cache.h"

#define SHARDS 16
#define WAYS 8
#define NONCE_LOCKS 64
#define CLOCK_TOLERANCE 60 /* seconds a clock may be set back before keys are asked for again */
#define SOURCE_WINDOW 60

typedef struct shard {
    pthread_mutex_t lock;
    naf_key **bucket;
    size_t mask, n, max;
    naf_key *newest, *oldest;
    uint64_t hits, misses, evicted;
} shard;
typedef struct unknown {
    uint64_t tag; /* 0: free */
    int64_t until;
    gba_err outcome;
} unknown;
typedef struct source {
    uint8_t addr[16];
    int64_t since;
    unsigned n;
} source;
typedef struct nonce_slot {
    uint64_t serial; /* 0: free */
    uint64_t used;   /* bit i: nc == high - i was used */
    uint32_t high;
} nonce_slot;
typedef struct nonce_set {
    uint64_t forgotten; /* the highest serial that lost its slot: none up to it is trusted any more */
    nonce_slot slot[WAYS];
} nonce_set;

struct naf_cache {
    naf_cache_limits limits;
    uint64_t k0, k1;
    shard shard[SHARDS];
    pthread_mutex_t cold; /* unknown and source */
    unknown *unknown;
    source *source;
    size_t unknown_sets, source_sets;
    pthread_mutex_t nonce_lock[NONCE_LOCKS];
    nonce_set *nonce;
    size_t nonce_sets;
};

/* ---- SipHash-2-4: strangers choose the keys of these tables ---- */
static inline uint64_t rotl(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
    v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

static uint64_t sip(const naf_cache *c, const void *p, size_t n)
{
    const uint8_t *o = p;
    uint64_t v[4] = {c->k0 ^ 0x736f6d6570736575u, c->k1 ^ 0x646f72616e646f6du, c->k0 ^ 0x6c7967656e657261u,
                     c->k1 ^ 0x7465646279746573u};
    for (size_t left = n;; left -= 8, o += 8) {
        uint64_t m = 0;
        memcpy(&m, o, left < 8 ? left : 8);
        if (left < 8)
            m |= (uint64_t)n << 56;
        v[3] ^= m;
        sip_round(v), sip_round(v);
        v[0] ^= m;
        if (left < 8)
            break;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_btid(const naf_cache *c, const gba_btid *b)
{
    return sip(c, b->s, strlen(b->s));
}

static bool same_id(const gba_naf_id *a, const gba_naf_id *b)
{
    return !memcmp(a->ua.o, b->ua.o, sizeof a->ua.o) && !strcmp(a->fqdn.s, b->fqdn.s);
}

/* ---- keys ---- */
naf_key *naf_key_new(const gba_naf_query *q, const gba_naf_keys *k, int64_t now)
{
    naf_key *n = calloc(1, sizeof *n + k->n_uss * sizeof *n->uss);
    if (!n)
        return NULL;
    atomic_init(&n->refs, 1);
    n->learned = now;
    n->id = (gba_naf_identity){.btid = q->btid, .naf = q->naf, .impi = k->impi, .type = k->type,
                               .expires = k->expires, .bootstrapped = k->bootstrapped,
                               .uss = n->uss, .n_uss = k->n_uss};
    if (k->n_uss)
        memcpy(n->uss, k->uss, k->n_uss * sizeof *n->uss);
    n->ks_naf = k->me;
    if (gba_ua_password(&n->ks_naf, &n->password) != GBA_OK) {
        naf_key_release(n);
        return NULL;
    }
    return n;
}

void naf_key_release(naf_key *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    gba_secret_wipe(&k->ks_naf);
    gba_secret_wipe(&k->password);
    free(k);
}

static shard *shard_of(naf_cache *c, uint64_t hash)
{
    return &c->shard[hash >> 60];
}

static void lru_add(shard *s, naf_key *k)
{
    k->newer = NULL;
    k->older = s->newest;
    if (s->newest)
        s->newest->newer = k;
    else
        s->oldest = k;
    s->newest = k;
}

static void lru_remove(shard *s, naf_key *k)
{
    *(k->newer ? &k->newer->older : &s->newest) = k->older;
    *(k->older ? &k->older->newer : &s->oldest) = k->newer;
}

static void unlink_key(shard *s, naf_key *k)
{
    naf_key **at = &s->bucket[k->hash & s->mask];
    while (*at != k)
        at = &(*at)->chain;
    *at = k->chain;
    lru_remove(s, k);
    s->n--;
    naf_key_release(k);
}

static bool dead(const naf_key *k, int64_t now)
{
    return k->id.expires <= now || now < k->learned - CLOCK_TOLERANCE;
}

static naf_key *find(shard *s, uint64_t hash, const gba_btid *b, const gba_naf_id *id)
{
    for (naf_key *k = s->bucket[hash & s->mask]; k; k = k->chain)
        if (k->hash == hash && !strcmp(k->id.btid.s, b->s) && (!id || same_id(&k->id.naf, id)))
            return k;
    return NULL;
}

naf_key *naf_cache_get(naf_cache *c, const gba_btid *b, const gba_naf_id *id, int64_t now)
{
    uint64_t hash = hash_btid(c, b);
    shard *s = shard_of(c, hash);
    pthread_mutex_lock(&s->lock);
    naf_key *k = find(s, hash, b, id);
    if (k && dead(k, now)) {
        unlink_key(s, k);
        k = NULL;
    }
    if (k) {
        s->hits++;
        if (s->newest != k) {
            lru_remove(s, k);
            lru_add(s, k);
        }
        atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    } else {
        s->misses++;
    }
    pthread_mutex_unlock(&s->lock);
    return k;
}

void naf_cache_put(naf_cache *c, naf_key *k, int64_t now)
{
    k->hash = hash_btid(c, &k->id.btid);
    shard *s = shard_of(c, k->hash);
    pthread_mutex_lock(&s->lock);
    naf_key *old = find(s, k->hash, &k->id.btid, &k->id.naf);
    if (old && !dead(old, now) && old->id.expires == k->id.expires && gba_secret_eq(&old->ks_naf, &k->ks_naf)) {
        pthread_mutex_unlock(&s->lock);
        naf_key_release(k);
        return;
    }
    if (old)
        unlink_key(s, old);
    while (s->n >= s->max) {
        unlink_key(s, s->oldest);
        s->evicted++;
    }
    k->chain = s->bucket[k->hash & s->mask];
    s->bucket[k->hash & s->mask] = k;
    lru_add(s, k);
    s->n++;
    pthread_mutex_unlock(&s->lock);
}

void naf_cache_forget(naf_cache *c, const gba_btid *b)
{
    uint64_t hash = hash_btid(c, b);
    shard *s = shard_of(c, hash);
    pthread_mutex_lock(&s->lock);
    for (naf_key *k; (k = find(s, hash, b, NULL));)
        unlink_key(s, k);
    pthread_mutex_unlock(&s->lock);
}

void naf_cache_sweep(naf_cache *c, int64_t now)
{
    for (shard *s = c->shard; s < c->shard + SHARDS; s++) {
        pthread_mutex_lock(&s->lock);
        for (naf_key *k = s->oldest, *newer; k; k = newer) {
            newer = k->newer;
            if (dead(k, now))
                unlink_key(s, k);
        }
        pthread_mutex_unlock(&s->lock);
    }
}

void naf_cache_stats(naf_cache *c, gba_naf_stats *out)
{
    *out = (gba_naf_stats){0};
    for (shard *s = c->shard; s < c->shard + SHARDS; s++) {
        pthread_mutex_lock(&s->lock);
        out->keys += s->n;
        out->hits += s->hits;
        out->misses += s->misses;
        out->evicted += s->evicted;
        pthread_mutex_unlock(&s->lock);
    }
}

/* ---- unknown B-TIDs ---- */
static uint64_t unknown_tag(naf_cache *c, const gba_btid *b, const gba_naf_id *id)
{
    uint64_t part[3] = {hash_btid(c, b), sip(c, id->fqdn.s, strlen(id->fqdn.s)), 0};
    memcpy(&part[2], id->ua.o, sizeof id->ua.o);
    uint64_t tag = sip(c, part, sizeof part);
    return tag ? tag : 1;
}

/* A time too far ahead was written before the clock was set back. */
static bool unknown_live(const naf_cache *c, const unknown *u, int64_t now)
{
    return u->tag && u->until > now && u->until <= now + c->limits.unknown_ttl;
}

gba_err naf_unknown_get(naf_cache *c, const gba_btid *b, const gba_naf_id *id, int64_t now)
{
    uint64_t tag = unknown_tag(c, b, id);
    gba_err e = GBA_OK;
    pthread_mutex_lock(&c->cold);
    unknown *u = &c->unknown[tag % c->unknown_sets * WAYS];
    for (int i = 0; i < WAYS; i++)
        if (u[i].tag == tag && unknown_live(c, &u[i], now))
            e = u[i].outcome;
    pthread_mutex_unlock(&c->cold);
    return e;
}

void naf_unknown_put(naf_cache *c, const gba_btid *b, const gba_naf_id *id, gba_err outcome, int64_t now)
{
    uint64_t tag = unknown_tag(c, b, id);
    pthread_mutex_lock(&c->cold);
    unknown *u = &c->unknown[tag % c->unknown_sets * WAYS], *to = u;
    for (int i = 0; i < WAYS; i++) {
        if (u[i].tag == tag) {
            to = &u[i];
            break;
        }
        if (!unknown_live(c, &u[i], now) ? unknown_live(c, to, now) : u[i].until < to->until)
            to = &u[i];
    }
    *to = (unknown){.tag = tag, .until = now + c->limits.unknown_ttl, .outcome = outcome};
    pthread_mutex_unlock(&c->cold);
}

/* ---- sources ---- */
static bool exempt(const uint8_t addr[16])
{
    static const uint8_t none[16];
    return !memcmp(addr, none, sizeof none);
}

static source *source_find(naf_cache *c, const uint8_t addr[16], source **oldest)
{
    source *s = &c->source[sip(c, addr, 16) % c->source_sets * WAYS];
    *oldest = s;
    for (int i = 0; i < WAYS; i++) {
        if (s[i].n && !memcmp(s[i].addr, addr, 16))
            return &s[i];
        if ((*oldest)->n && (!s[i].n || s[i].since < (*oldest)->since))
            *oldest = &s[i];
    }
    return NULL;
}

bool naf_source_begin(naf_cache *c, const uint8_t addr[16], int64_t now)
{
    if (exempt(addr))
        return true;
    source *oldest;
    pthread_mutex_lock(&c->cold);
    source *s = source_find(c, addr, &oldest);
    if (!s) {
        s = oldest;
        s->n = 0;
        memcpy(s->addr, addr, 16);
    }
    if (!s->n || now < s->since || now - s->since >= SOURCE_WINDOW) {
        s->since = now;
        s->n = 0;
    }
    bool ok = s->n < c->limits.per_source;
    if (ok)
        s->n++;
    pthread_mutex_unlock(&c->cold);
    return ok;
}

void naf_source_refund(naf_cache *c, const uint8_t addr[16])
{
    if (exempt(addr))
        return;
    source *oldest;
    pthread_mutex_lock(&c->cold);
    source *s = source_find(c, addr, &oldest);
    if (s)
        s->n--;
    pthread_mutex_unlock(&c->cold);
}

/* ---- nonce counts (RFC 7616 3.4.5) ---- */
static gba_err slot_use(nonce_slot *s, uint32_t nc)
{
    if (nc > s->high) {
        uint32_t ahead = nc - s->high;
        s->used = ahead < 64 ? s->used << ahead | 1 : 1;
        s->high = nc;
        return GBA_OK;
    }
    uint32_t behind = s->high - nc;
    if (behind >= 64 || s->used >> behind & 1)
        return GBA_E_AUTH;
    s->used |= UINT64_C(1) << behind;
    return GBA_OK;
}

static gba_err set_use(nonce_set *t, uint64_t serial, uint32_t nc)
{
    nonce_slot *to = t->slot;
    for (int i = 0; i < WAYS; i++) {
        if (t->slot[i].serial == serial)
            return slot_use(&t->slot[i], nc);
        if (t->slot[i].serial < to->serial)
            to = &t->slot[i];
    }
    if (serial <= t->forgotten)
        return GBA_E_STALE;
    if (to->serial > t->forgotten)
        t->forgotten = to->serial;
    *to = (nonce_slot){.serial = serial, .used = 1, .high = nc};
    return GBA_OK;
}

gba_err naf_nonce_use(naf_cache *c, uint64_t serial, uint32_t nc)
{
    size_t i = serial % c->nonce_sets;
    pthread_mutex_t *lock = &c->nonce_lock[i % NONCE_LOCKS];
    pthread_mutex_lock(lock);
    gba_err e = set_use(&c->nonce[i], serial, nc);
    pthread_mutex_unlock(lock);
    return e;
}

/* ---- life ---- */
static bool shard_init(shard *s, size_t max)
{
    size_t buckets = 8;
    while (buckets < max)
        buckets <<= 1;
    s->max = max;
    s->mask = buckets - 1;
    s->bucket = calloc(buckets, sizeof *s->bucket);
    return s->bucket;
}

naf_cache *naf_cache_new(const naf_cache_limits *l, const uint8_t seed[16])
{
    naf_cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->limits = *l;
    memcpy(&c->k0, seed, 8);
    memcpy(&c->k1, seed + 8, 8);
    pthread_mutex_init(&c->cold, NULL);
    for (int i = 0; i < NONCE_LOCKS; i++)
        pthread_mutex_init(&c->nonce_lock[i], NULL);
    bool ok = true;
    for (shard *s = c->shard; s < c->shard + SHARDS; s++) {
        pthread_mutex_init(&s->lock, NULL);
        ok = shard_init(s, (l->keys + SHARDS - 1) / SHARDS) && ok;
    }
    c->unknown_sets = (l->unknown + WAYS - 1) / WAYS;
    c->source_sets = c->unknown_sets;
    c->nonce_sets = (l->nonces + WAYS - 1) / WAYS;
    c->unknown = calloc(c->unknown_sets * WAYS, sizeof *c->unknown);
    c->source = calloc(c->source_sets * WAYS, sizeof *c->source);
    c->nonce = calloc(c->nonce_sets, sizeof *c->nonce);
    if (!ok || !c->unknown || !c->source || !c->nonce)
        naf_cache_free(&c);
    return c;
}

void naf_cache_free(naf_cache **cp)
{
    naf_cache *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    for (shard *s = c->shard; s < c->shard + SHARDS; s++) {
        while (s->oldest)
            unlink_key(s, s->oldest);
        free(s->bucket);
        pthread_mutex_destroy(&s->lock);
    }
    for (int i = 0; i < NONCE_LOCKS; i++)
        pthread_mutex_destroy(&c->nonce_lock[i]);
    pthread_mutex_destroy(&c->cold);
    free(c->unknown);
    free(c->source);
    free(c->nonce);
    free(c);
}
