/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - what a NAF remembers, all of it bounded: keys until they expire, unknown B-TIDs for a
 * short while, failing sources for a minute, and the nonce counts of authenticated requests.
 */
#ifndef NAF_CACHE_H
#define NAF_CACHE_H
#include <stdatomic.h>
#include <gba/naf.h>

/* A key and whose it is; immutable but for the counter and the links. */
typedef struct naf_key {
    atomic_uint refs;
    uint64_t hash;
    int64_t learned;
    gba_naf_identity id; /* id.uss points to uss below */
    gba_secret ks_naf, password;
    struct naf_key *chain, *newer, *older;
    gba_uss uss[];
} naf_key;
naf_key *naf_key_new(const gba_naf_query *q, const gba_naf_keys *k, int64_t now);
void naf_key_release(naf_key *k);

typedef struct naf_cache naf_cache;
typedef struct naf_cache_limits {
    size_t keys, nonces, unknown;
    unsigned per_source;
    int64_t unknown_ttl;
} naf_cache_limits;
naf_cache *naf_cache_new(const naf_cache_limits *l, const uint8_t seed[16]);
void naf_cache_free(naf_cache **c);

/* The caller's reference, or NULL. Expired keys, and keys learned in what is now the future (the
 * clock was set back, so that their expiry cannot be judged), are dropped. */
naf_key *naf_cache_get(naf_cache *c, const gba_btid *b, const gba_naf_id *id, int64_t now);
/* Takes the caller's reference; replaces, evicts the least recently used. */
void naf_cache_put(naf_cache *c, naf_key *k, int64_t now);
void naf_cache_forget(naf_cache *c, const gba_btid *b);
void naf_cache_sweep(naf_cache *c, int64_t now);
void naf_cache_stats(naf_cache *c, gba_naf_stats *out);

/* OK: nothing known; else the remembered outcome. */
gba_err naf_unknown_get(naf_cache *c, const gba_btid *b, const gba_naf_id *id, int64_t now);
void naf_unknown_put(naf_cache *c, const gba_btid *b, const gba_naf_id *id, gba_err outcome, int64_t now);

/* A query begins: false when the source has too many running or failed ones. */
bool naf_source_begin(naf_cache *c, const uint8_t source[16], int64_t now);
void naf_source_refund(naf_cache *c, const uint8_t source[16]);

/* First use of this nonce count? serial grows with each nonce issued. OK, STALE (the nonce was
 * forgotten), AUTH (used before, or too far behind). Only call for authenticated requests. */
gba_err naf_nonce_use(naf_cache *c, uint64_t serial, uint32_t nc);
#endif
