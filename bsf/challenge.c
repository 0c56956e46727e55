/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge.c - seal and open, and the ring of keys.
 *
 * Token: flavour (1, high bit: a vector is sealed) | key id (4) | issue time in ms (6) | SIV.
 * SIV seals, by AES-SIV (RFC 5297: misuse-resistant, so replicas need no nonce discipline),
 * nothing, or: n|XRES n|CK n|IK lifetime(8).
 */
#include "bsf/challenge.h"
#include "bsf/records.h"
#include "libgba/crypt.h"
#include "service/daemon.h"
#include "service/log.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 11 /* octets of the token before the SIV */
#define HAS_VECTOR 0x80
#define RING_MAX 16 /* keys alive at once: rotation is slow, so few */
#define SEAL_FORMAT 1
#define SEAL_VALUE (1 + 8 + 32)
#define LATE_S 60 /* how late a rotation may come before sealing makes one itself */
#define SETTLE_S 10 /* a key seals when it has been in the store so long, by any clock: every replica has it then */

typedef struct seal_key {
    uint32_t id;
    int64_t created; /* Unix seconds */
    uint8_t key[CRYPT_SIV_KEY];
} seal_key;

struct challenge_ring {
    challenge_config c;
    pthread_rwlock_t lock; /* over key[], n */
    seal_key key[RING_MAX]; /* ascending by id */
    size_t n;
    pthread_mutex_t reload_lock; /* one reads the store, and none puts older keys over newer ones */
    uint64_t seen;               /* store_change_count_of before the last reload */
};

void challenge_wipe(challenge *c)
{
    gba_secret_wipe(&c->xres);
    gba_secret_wipe(&c->ck);
    gba_secret_wipe(&c->ik);
    gba_wipe(c, sizeof *c);
}

static void put_be(uint8_t *out, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v >>= 8)
        out[i] = (uint8_t)v;
}

static uint64_t get_be(const uint8_t *in, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | in[i];
    return v;
}

/* ---- the ring ---- */

static int64_t settle_s(const challenge_ring *r)
{
    return SETTLE_S + (r->c.tolerance_ms + 999) / 1000;
}

/* So long after its creation a key may seal. */
static int64_t seals_s(const challenge_ring *r)
{
    return CHALLENGE_ROTATE_S + settle_s(r) + LATE_S;
}

/* So long it opens. */
static int64_t opens_s(const challenge_ring *r)
{
    return seals_s(r) + (r->c.lifetime_ms + r->c.tolerance_ms + 999) / 1000;
}

typedef struct ring_load {
    challenge_ring *r;
    seal_key key[RING_MAX];
    size_t n;
} ring_load;

static bool load_key(void *ctx, gba_span key, const store_record *rec)
{
    ring_load *l = ctx;
    seal_key k;

    if (key.n != 4 || rec->n != SEAL_VALUE || rec->value[0] != SEAL_FORMAT) {
        log_event(LOG_LEVEL_WARN, "seal.unreadable", "octets", log_num((int64_t)rec->n), NULL);
        return true;
    }
    if (l->n == RING_MAX) { /* key order is id order: drop the oldest */
        memmove(l->key, l->key + 1, (RING_MAX - 1) * sizeof l->key[0]);
        l->n--;
    }
    k.id = (uint32_t)get_be(key.p, 4);
    k.created = (int64_t)get_be(rec->value + 1, 8);
    memcpy(k.key, rec->value + 9, sizeof k.key);
    l->key[l->n++] = k;
    gba_wipe(&k, sizeof k);
    return true;
}

/* Under the reload lock. */
static gba_err ring_read(challenge_ring *r, int64_t now_ms)
{
    ring_load l = {.r = r};
    uint64_t count = store_change_count_of(r->c.store, STORE_SEAL); /* before it is read */
    gba_err e = store_each(r->c.store, STORE_SEAL, gba_mem(NULL, 0), now_ms / 1000, load_key, &l);

    if (e == GBA_OK) {
        r->seen = count;
        pthread_rwlock_wrlock(&r->lock);
        gba_wipe(r->key, sizeof r->key);
        memcpy(r->key, l.key, sizeof r->key);
        r->n = l.n;
        pthread_rwlock_unlock(&r->lock);
    }
    gba_wipe(&l, sizeof l);
    return e;
}

static gba_err ring_reload(challenge_ring *r, int64_t now_ms)
{
    pthread_mutex_lock(&r->reload_lock);
    gba_err e = ring_read(r, now_ms);
    pthread_mutex_unlock(&r->reload_lock);
    return e;
}

/* A key of its own id, which another replica may have taken first: then that one serves. */
static gba_err ring_rotate(challenge_ring *r, int64_t now_ms)
{
    int64_t now = now_ms / 1000;
    uint8_t id[4], value[SEAL_VALUE] = {SEAL_FORMAT};
    uint32_t newest = 0;
    size_t failed;

    pthread_rwlock_rdlock(&r->lock);
    if (r->n)
        newest = r->key[r->n - 1].id;
    pthread_rwlock_unlock(&r->lock);
    /* By time, so that an id is not used again when the store has forgotten the old ones. */
    put_be(id, (uint32_t)now > newest ? (uint32_t)now : newest + 1, 4);
    put_be(value + 1, (uint64_t)now, 8);
    service_random(value + 9, 32);
    store_op op = {
        .type = STORE_INSERT,
        .kind = STORE_SEAL,
        .key = GBA_SPAN(id),
        .value = GBA_SPAN(value),
        .expiry = now + opens_s(r),
    };
    gba_err e = store_write(r->c.store, &op, 1, now, &failed);
    gba_wipe(value, sizeof value);
    if (e != GBA_OK && e != GBA_E_FORBIDDEN)
        return e;
    log_event(LOG_LEVEL_INFO, "seal.rotated", "key", log_num((int64_t)get_be(id, 4)), NULL);
    return ring_reload(r, now_ms);
}

static bool ring_due(challenge_ring *r, int64_t now_ms, int64_t late_s)
{
    pthread_rwlock_rdlock(&r->lock);
    int64_t age = r->n ? now_ms / 1000 - r->key[r->n - 1].created : INT64_MAX;
    pthread_rwlock_unlock(&r->lock);
    return age >= CHALLENGE_ROTATE_S + late_s;
}

gba_err challenge_ring_new(const challenge_config *c, int64_t now_ms, challenge_ring **out)
{
    challenge_ring *r = calloc(1, sizeof *r);
    gba_err e;

    *out = NULL;
    if (!r)
        return GBA_E_NOMEM;
    r->c = *c;
    pthread_rwlock_init(&r->lock, NULL);
    pthread_mutex_init(&r->reload_lock, NULL);
    e = challenge_ring_tick(r, now_ms);
    if (e == GBA_OK) {
        int64_t newest = r->n ? r->key[r->n - 1].created * 1000 : 0;
        if (newest > now_ms + c->tolerance_ms + 1000) /* made before the clock stepped back */
            e = challenge_ring_revoke(r, now_ms);
    }
    if (e != GBA_OK) {
        challenge_ring_free(&r);
        return e;
    }
    *out = r;
    return GBA_OK;
}

void challenge_ring_free(challenge_ring **rp)
{
    challenge_ring *r = *rp;
    if (!r)
        return;
    pthread_rwlock_destroy(&r->lock);
    pthread_mutex_destroy(&r->reload_lock);
    gba_wipe(r->key, sizeof r->key);
    free(r);
    *rp = NULL;
}

gba_err challenge_ring_tick(challenge_ring *r, int64_t now_ms)
{
    gba_err e = ring_reload(r, now_ms);
    if (e != GBA_OK || !ring_due(r, now_ms, 0))
        return e;
    return ring_rotate(r, now_ms);
}

gba_err challenge_ring_revoke(challenge_ring *r, int64_t now_ms)
{
    seal_key old[RING_MAX];
    size_t n, failed;
    gba_err e = ring_reload(r, 0); /* also those that have expired under the other clock */

    if (e != GBA_OK)
        return e;
    pthread_rwlock_rdlock(&r->lock);
    n = r->n;
    memcpy(old, r->key, sizeof old);
    pthread_rwlock_unlock(&r->lock);
    for (size_t i = 0; i < n && e == GBA_OK; i++) {
        uint8_t id[4];
        put_be(id, old[i].id, 4);
        store_op op = {.type = STORE_TAKE, .kind = STORE_SEAL, .key = GBA_SPAN(id), .optional = true};
        e = store_write(r->c.store, &op, 1, now_ms / 1000, &failed);
    }
    gba_wipe(old, sizeof old);
    return e == GBA_OK ? ring_rotate(r, now_ms) : e;
}

static bool ring_find(challenge_ring *r, uint32_t id, uint8_t key[CRYPT_SIV_KEY])
{
    bool found = false;
    pthread_rwlock_rdlock(&r->lock);
    for (size_t i = r->n; i > 0 && !found; i--) {
        if (r->key[i - 1].id == id) {
            memcpy(key, r->key[i - 1].key, CRYPT_SIV_KEY);
            found = true;
        }
    }
    pthread_rwlock_unlock(&r->lock);
    return found;
}

/* Another process may have made the key a moment ago (a first start, a revocation: they do not wait for SETTLE_S).
 * A stranger can name any id: so the store is read only when something was written since, and one reads for all. */
static bool ring_find_again(challenge_ring *r, uint32_t id, int64_t now_ms, uint8_t key[CRYPT_SIV_KEY])
{
    pthread_mutex_lock(&r->reload_lock);
    bool found = ring_find(r, id, key);
    if (!found && store_change_count_of(r->c.store, STORE_SEAL) != r->seen)
        found = ring_read(r, now_ms) == GBA_OK && ring_find(r, id, key);
    pthread_mutex_unlock(&r->reload_lock);
    return found;
}

/* Under the lock. The newest key that every replica has; before there is one (a first start, a revocation, a stall),
 * the oldest that may seal. NULL: none may. */
static const seal_key *ring_sealing(const challenge_ring *r, int64_t now)
{
    const seal_key *oldest = NULL;

    for (size_t i = r->n; i > 0; i--) {
        const seal_key *k = &r->key[i - 1];
        if (now - k->created >= seals_s(r))
            continue;
        if (now - k->created >= settle_s(r))
            return k;
        oldest = k;
    }
    return oldest;
}

/* ---- seal and open ---- */

typedef struct ad_buf {
    size_t n;
    uint8_t o[32 + 16 + 3 * (GBA_ID_MAX + 2)];
} ad_buf;

static void ad_add(ad_buf *b, const void *p, size_t n)
{
    b->o[b->n++] = (uint8_t)(n >> 8);
    b->o[b->n++] = (uint8_t)n;
    memcpy(b->o + b->n, p, n);
    b->n += n;
}

/* All that a challenge is bound to; each part with its length, so that none runs into the next. */
static void ad_build(const challenge_ring *r, const uint8_t rand_autn[32], const uint8_t head[HEAD],
                     const gba_impi *impi, ad_buf *b)
{
    b->n = 0;
    ad_add(b, rand_autn, 32);
    ad_add(b, head, HEAD);
    ad_add(b, impi->s, strlen(impi->s));
    ad_add(b, r->c.realm.s, strlen(r->c.realm.s));
    ad_add(b, r->c.bsf.s, strlen(r->c.bsf.s));
}

static size_t payload_write(const challenge *c, uint8_t out[CHALLENGE_PAYLOAD_MAX])
{
    const gba_secret *part[3] = {&c->xres, &c->ck, &c->ik};
    size_t n = 0;

    if (!c->has_vector)
        return 0;
    for (int i = 0; i < 3; i++) {
        if (n + 1 + part[i]->n + 8 > CHALLENGE_PAYLOAD_MAX)
            return SIZE_MAX;
        out[n++] = (uint8_t)part[i]->n;
        memcpy(out + n, part[i]->o, part[i]->n);
        n += part[i]->n;
    }
    put_be(out + n, (uint64_t)c->lifetime, 8);
    return n + 8;
}

static gba_err payload_read(const uint8_t *in, size_t n, challenge *c)
{
    gba_secret *part[3] = {&c->xres, &c->ck, &c->ik};
    size_t at = 0;

    for (int i = 0; i < 3; i++) {
        if (at >= n || in[at] > n - at - 1 || gba_secret_set(part[i], in + at + 1, in[at]) != GBA_OK)
            return GBA_E_CORRUPT;
        at += 1u + in[at];
    }
    if (n - at != 8)
        return GBA_E_CORRUPT;
    c->lifetime = (int64_t)get_be(in + at, 8);
    return GBA_OK;
}

gba_err challenge_seal(challenge_ring *r, const challenge *c, const gba_impi *impi, challenge_wire *out)
{
    uint8_t key[CRYPT_SIV_KEY], payload[CHALLENGE_PAYLOAD_MAX];
    uint8_t *head = out->o + 32;
    size_t n = payload_write(c, payload);
    bool have = false;
    ad_buf ad;

    if (n == SIZE_MAX)
        return GBA_E_RANGE;
    if (ring_due(r, c->issue_ms, LATE_S)) { /* housekeeping has not come by: a key lives its time, not longer */
        gba_err e = challenge_ring_tick(r, c->issue_ms);
        if (e != GBA_OK)
            return e;
    }
    memcpy(out->o, c->rand, 16);
    memcpy(out->o + 16, c->autn, 16);
    head[0] = c->flavour | (c->has_vector ? HAS_VECTOR : 0);
    put_be(head + 5, (uint64_t)c->issue_ms, 6);
    pthread_rwlock_rdlock(&r->lock);
    const seal_key *k = ring_sealing(r, c->issue_ms / 1000);
    if (k) {
        put_be(head + 1, k->id, 4);
        memcpy(key, k->key, sizeof key);
        have = true;
    }
    pthread_rwlock_unlock(&r->lock);
    if (!have)
        return GBA_E_IO;
    ad_build(r, out->o, head, impi, &ad);
    crypt_siv_seal(key, gba_mem(NULL, 0), gba_mem(ad.o, ad.n), gba_mem(payload, n), head + HEAD);
    out->n = (uint8_t)(32 + HEAD + CRYPT_SIV_TAG + n);
    gba_wipe(key, sizeof key);
    gba_wipe(payload, n);
    return GBA_OK;
}

void challenge_print(const challenge_ring *r, const challenge_wire *w, challenge_text *out)
{
    if (r->c.in_opaque) {
        gba_b64_encode(w->o, 32, out->nonce);
        gba_b64_encode(w->o + 32, w->n - 32u, out->opaque);
    } else { /* opaque is then the tag once more, so that it too is checked without state */
        gba_b64_encode(w->o, w->n, out->nonce);
        gba_hex_encode(w->o + 32 + HEAD, CRYPT_SIV_TAG, out->opaque);
    }
}

/* RAND||AUTN||token from the two parameters. Either form is taken: ub.challenge may have changed since it went out. */
static gba_err wire_read(gba_span nonce, gba_span opaque, challenge_wire *w)
{
    size_t n = sizeof w->o, m;
    uint8_t tag[CRYPT_SIV_TAG];

    if (nonce.n > GBA_B64_LEN(CHALLENGE_WIRE_MAX) || gba_b64_decode(nonce, w->o, &n) != GBA_OK || n < 32)
        return GBA_E_SYNTAX;
    bool in_opaque = n == 32;
    if (in_opaque) {
        m = CHALLENGE_TOKEN_MAX;
        if (opaque.n > GBA_B64_LEN(CHALLENGE_TOKEN_MAX) || gba_b64_decode(opaque, w->o + 32, &m) != GBA_OK)
            return GBA_E_SYNTAX;
        n += m;
    }
    if (n < 32 + HEAD + CRYPT_SIV_TAG)
        return GBA_E_SYNTAX;
    if (!in_opaque) {
        m = sizeof tag;
        if (opaque.n != 2 * sizeof tag || gba_hex_decode(opaque, tag, &m) != GBA_OK || m != sizeof tag ||
            !gba_equal_ct(tag, w->o + 32 + HEAD, sizeof tag))
            return GBA_E_AUTH;
    }
    w->n = (uint8_t)n;
    return GBA_OK;
}

bool challenge_key_known(challenge_ring *r, const challenge_wire *w)
{
    uint8_t key[CRYPT_SIV_KEY];
    bool known = ring_find(r, (uint32_t)get_be(w->o + 33, 4), key);

    gba_wipe(key, sizeof key);
    return known;
}

bool challenge_live(const challenge_ring *r, int64_t issue_ms, int64_t now_ms)
{
    return issue_ms <= now_ms + r->c.tolerance_ms && now_ms - issue_ms <= r->c.lifetime_ms;
}

gba_err challenge_open(challenge_ring *r, gba_span nonce, gba_span opaque, const gba_impi *impi, int64_t now_ms,
                       challenge *out)
{
    challenge_wire w;
    uint8_t key[CRYPT_SIV_KEY], payload[CHALLENGE_WIRE_MAX];
    const uint8_t *head = w.o + 32;
    ad_buf ad;
    uint32_t id;
    gba_err e;

    memset(out, 0, sizeof *out);
    e = wire_read(nonce, opaque, &w);
    if (e != GBA_OK)
        return e;
    if ((head[0] & ~HAS_VECTOR) != CHALLENGE_AKA_ME)
        return GBA_E_AUTH;
    id = (uint32_t)get_be(head + 1, 4);
    if (!ring_find(r, id, key) && !ring_find_again(r, id, now_ms, key))
        return GBA_E_STALE;
    ad_build(r, w.o, head, impi, &ad);
    e = crypt_siv_open(key, gba_mem(NULL, 0), gba_mem(ad.o, ad.n), gba_mem(head + HEAD, w.n - 32u - HEAD), payload);
    gba_wipe(key, sizeof key);
    if (e != GBA_OK)
        return GBA_E_AUTH;
    memcpy(out->rand, w.o, 16);
    memcpy(out->autn, w.o + 16, 16);
    out->flavour = head[0] & (uint8_t)~HAS_VECTOR;
    out->issue_ms = (int64_t)get_be(head + 5, 6);
    out->has_vector = head[0] & HAS_VECTOR;
    if (out->has_vector)
        e = payload_read(payload, w.n - 32u - HEAD - CRYPT_SIV_TAG, out);
    gba_wipe(payload, sizeof payload);
    if (e == GBA_OK && !challenge_live(r, out->issue_ms, now_ms))
        e = GBA_E_EXPIRED;
    return e;
}
