/* SPDX-License-Identifier: Apache-2.0 */
/* av_local.c - subscribers from the store, ticks from the table, vectors from libgba. */
#include "bsf/av_local.h"
#include <gba/guss.h>
#include "bsf/hash.h"
#include "bsf/records.h"
#include "bsf/seq.h"
#include "service/daemon.h"
#include "service/log.h"
#include "service/metrics.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 65536
#define MARK_FORMAT 1
#define MARK_VALUE 9
#define RESYNC_TRIES 3
#define CACHE_SLOTS 65536
#define CACHE_LOCKS 64
#define CACHE_IMPI 71    /* longer ones (an IMSI's has 47 characters) are read each time */
#define CACHE_RECORD 112 /* TUAK with the longest keys has 106 octets */

/* A subscriber as read last, good while nothing has written subscribers since. Small, for there are many. */
typedef struct cached {
    char impi[CACHE_IMPI + 1]; /* empty: none */
    uint8_t record[CACHE_RECORD];
    size_t n;
    uint64_t count; /* store_change_count_of before it was read */
    uint64_t version;
    int64_t expiry;
    uint64_t guss_count; /* store_change_count_of the GUSSs, and 1, before its lifetime was read; 0: it was not */
    int64_t guss_lifetime;
} cached;

typedef struct av_local {
    av_source base;
    store *store;
    unsigned ind;
    bsf_hash_key hash;
    /* Ticks floor <= t < mark are this process's to issue; mark is durable. */
    _Atomic uint64_t floor, mark;
    pthread_mutex_t mark_lock;
    uint64_t stored; /* the mark as it was in the store last; under mark_lock */
    _Atomic uint64_t slot[SLOTS]; /* last tick issued */
    metric *damaged;
    _Atomic uint64_t no_guss; /* store_change_count_of the GUSSs, and 1, when there was none at all */
    pthread_mutex_t cache_lock[CACHE_LOCKS];
    cached cache[CACHE_SLOTS];
} av_local;

/* ---- the mark ---- */

static void mark_key(const av_local *a, char out[16])
{
    snprintf(out, 16, "sqn-ind-%u", a->ind);
}

/* Version 0: none is stored. */
static gba_err mark_read(const av_local *a, uint64_t *mark, uint64_t *version)
{
    char key[16];
    store_record rec = {0};
    gba_err e;

    mark_key(a, key);
    *mark = 0;
    *version = 0;
    e = store_get(a->store, STORE_COUNTER, gba_str(key), 0, &rec);
    if (e == GBA_E_UNKNOWN)
        return GBA_OK;
    if (e != GBA_OK)
        return e;
    if (rec.n != MARK_VALUE || rec.value[0] != MARK_FORMAT)
        e = GBA_E_CORRUPT;
    for (size_t i = 1; e == GBA_OK && i < MARK_VALUE; i++)
        *mark = *mark << 8 | rec.value[i];
    *version = rec.version;
    store_record_free(&rec);
    return e;
}

static gba_err mark_write(av_local *a, uint64_t mark, uint64_t version)
{
    char key[16];
    uint8_t value[MARK_VALUE] = {MARK_FORMAT};
    uint64_t v = mark;
    size_t failed;

    for (int i = MARK_VALUE - 1; i > 0; i--, v >>= 8)
        value[i] = (uint8_t)v;
    mark_key(a, key);
    store_op op = {
        .type = version ? STORE_SWAP : STORE_INSERT,
        .kind = STORE_COUNTER,
        .key = gba_str(key),
        .value = GBA_SPAN(value),
        .version = version,
    };
    gba_err e = store_write(a->store, &op, 1, service_now(), &failed);
    return e == GBA_E_FORBIDDEN ? GBA_E_STALE : e;
}

/* Under mark_lock. Ranges are leased: when another process with this IND has taken one
 * meanwhile, ours begins behind it, so even a double start repeats no SQN. */
static gba_err mark_extend(av_local *a, uint64_t beyond)
{
    gba_err e = GBA_E_STALE;

    for (int i = 0; i < 5 && e == GBA_E_STALE; i++) {
        uint64_t stored, version, next;
        e = mark_read(a, &stored, &version);
        if (e != GBA_OK)
            return e;
        if (stored != a->stored) {
            log_event(LOG_LEVEL_WARN, "sqn.ind_shared", "ind", log_num(a->ind), NULL);
            atomic_store(&a->floor, stored);
            a->stored = stored;
        }
        next = (beyond > stored ? beyond : stored) + AV_RESERVE_TICKS;
        e = mark_write(a, next, version);
        if (e == GBA_OK) {
            a->stored = next;
            atomic_store(&a->mark, next);
        }
    }
    return e;
}

static gba_err mark_reach(av_local *a, uint64_t tick)
{
    gba_err e = GBA_OK;

    pthread_mutex_lock(&a->mark_lock);
    if (tick >= atomic_load(&a->mark))
        e = mark_extend(a, tick);
    pthread_mutex_unlock(&a->mark_lock);
    return e;
}

gba_err av_local_tick(av_source *s)
{
    av_local *a = (av_local *)s;
    uint64_t now = seq_tick(service_now_ms());
    gba_err e = GBA_OK;

    pthread_mutex_lock(&a->mark_lock);
    if (now + AV_RESERVE_TICKS / 2 >= atomic_load(&a->mark))
        e = mark_extend(a, now);
    pthread_mutex_unlock(&a->mark_lock);
    return e;
}

/* A tick that no challenge of this IMPI has had or will have. */
static gba_err take_tick(av_local *a, const gba_impi *impi, uint64_t *out)
{
    _Atomic uint64_t *slot = &a->slot[bsf_hash(&a->hash, impi->s, strlen(impi->s)) % SLOTS];
    uint64_t now = seq_tick(service_now_ms());

    for (;;) {
        uint64_t last = atomic_load(slot), floor = atomic_load(&a->floor);
        uint64_t next = last + 1 > now ? last + 1 : now;
        if (next < floor)
            next = floor;
        if (!atomic_compare_exchange_weak(slot, &last, next))
            continue;
        if (next >= atomic_load(&a->mark)) {
            gba_err e = mark_reach(a, next);
            if (e != GBA_OK)
                return e == GBA_E_CORRUPT ? GBA_E_IO : e; /* the store's fault, no subscriber's */
        }
        if (next < atomic_load(&a->floor))
            continue; /* the range was lost meanwhile */
        *out = next;
        return GBA_OK;
    }
}

/* ---- subscribers ---- */

static cached *cache_slot(av_local *a, const gba_impi *impi, pthread_mutex_t **lock)
{
    size_t i = (bsf_hash(&a->hash, impi->s, strlen(impi->s)) >> 32) % CACHE_SLOTS;
    *lock = &a->cache_lock[i % CACHE_LOCKS];
    return &a->cache[i];
}

static bool cache_find(av_local *a, const gba_impi *impi, uint64_t count, rec_subscriber *sub, uint64_t *version)
{
    pthread_mutex_t *lock;
    cached *c = cache_slot(a, impi, &lock);

    pthread_mutex_lock(lock);
    bool good = c->count == count && (!c->expiry || c->expiry > service_now()) && strcmp(c->impi, impi->s) == 0 &&
                rec_subscriber_read(gba_mem(c->record, c->n), sub) == GBA_OK;
    if (good)
        *version = c->version;
    pthread_mutex_unlock(lock);
    return good;
}

static void cache_keep(av_local *a, const gba_impi *impi, uint64_t count, const store_record *rec)
{
    pthread_mutex_t *lock;
    cached *c = cache_slot(a, impi, &lock);
    size_t n = strlen(impi->s);

    if (n > CACHE_IMPI || rec->n > CACHE_RECORD)
        return;
    pthread_mutex_lock(lock);
    memset(c->record, 0, sizeof c->record); /* no octet of the one before */
    memcpy(c->record, rec->value, rec->n);
    c->n = rec->n;
    memcpy(c->impi, impi->s, n + 1);
    c->count = count;
    c->version = rec->version;
    c->expiry = rec->expiry;
    c->guss_count = 0;
    pthread_mutex_unlock(lock);
}

/* It is gone, or cannot be read: so is its K. */
static void cache_forget(av_local *a, const gba_impi *impi)
{
    pthread_mutex_t *lock;
    cached *c = cache_slot(a, impi, &lock);

    pthread_mutex_lock(lock);
    if (strcmp(c->impi, impi->s) == 0) {
        gba_wipe(c->record, sizeof c->record);
        c->n = 0;
        c->impi[0] = 0;
    }
    pthread_mutex_unlock(lock);
}

/* ---- key lifetimes ---- */

static bool one_is_there(void *ctx, gba_span key, const store_record *rec)
{
    (void)key, (void)rec;
    *(bool *)ctx = true;
    return false;
}

/* Many networks have no GUSS: then none is looked up for each bootstrap. */
static bool guss_none(av_local *a, uint64_t count)
{
    bool any = false;

    if (atomic_load(&a->no_guss) == count)
        return true;
    if (store_each(a->store, STORE_GUSS, gba_str(NULL), service_now(), one_is_there, &any) != GBA_OK || any)
        return false;
    atomic_store(&a->no_guss, count);
    return true;
}

static int64_t guss_read(av_local *a, const gba_impi *impi, uint64_t count)
{
    store_record rec = {0};
    gba_guss *g = NULL;
    int64_t lifetime = 0;

    if (guss_none(a, count))
        return 0;
    gba_err e = store_get(a->store, STORE_GUSS, gba_str(impi->s), service_now(), &rec);

    if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        return 0;
    if (e == GBA_OK)
        e = (g = calloc(1, sizeof *g)) ? gba_guss_parse(gba_mem(rec.value, rec.n), g) : GBA_E_NOMEM;
    if (e == GBA_OK)
        lifetime = g->lifetime;
    else
        log_event(LOG_LEVEL_WARN, "av.guss_unusable", "impi", impi->s, "error", gba_err_name(e), NULL);
    free(g);
    store_record_free(&rec);
    return lifetime;
}

/* TS 33.220 4.2.3: the lifetime in the subscriber's GUSS comes before the one of its record; 0: the BSF's own. */
static int64_t lifetime_of(av_local *a, const gba_impi *impi, const rec_subscriber *sub)
{
    uint64_t count = store_change_count_of(a->store, STORE_GUSS) + 1;
    pthread_mutex_t *lock;
    cached *c = cache_slot(a, impi, &lock);
    int64_t lifetime;

    pthread_mutex_lock(lock);
    bool known = c->guss_count == count && strcmp(c->impi, impi->s) == 0;
    lifetime = c->guss_lifetime;
    pthread_mutex_unlock(lock);
    if (!known) {
        lifetime = guss_read(a, impi, count);
        pthread_mutex_lock(lock);
        if (strcmp(c->impi, impi->s) == 0) {
            c->guss_count = count;
            c->guss_lifetime = lifetime;
        }
        pthread_mutex_unlock(lock);
    }
    return lifetime ? lifetime : sub->lifetime;
}

static gba_err subscriber_read(av_local *a, const gba_impi *impi, rec_subscriber *sub, uint64_t *version)
{
    uint64_t count = store_change_count_of(a->store, STORE_SUBSCRIBER);
    store_record rec = {0};

    if (cache_find(a, impi, count, sub, version))
        return GBA_OK;
    gba_err e = store_get(a->store, STORE_SUBSCRIBER, gba_str(impi->s), service_now(), &rec);
    if (e == GBA_E_EXPIRED)
        e = GBA_E_UNKNOWN;
    if (e != GBA_OK) {
        cache_forget(a, impi);
        return e;
    }
    e = rec_subscriber_read(gba_mem(rec.value, rec.n), sub);
    *version = rec.version;
    if (e == GBA_OK)
        cache_keep(a, impi, count, &rec);
    store_record_free(&rec);
    return e == GBA_E_SYNTAX || e == GBA_E_RANGE ? GBA_E_CORRUPT : e;
}

static gba_err subscriber_get(av_local *a, const gba_impi *impi, rec_subscriber *sub, uint64_t *version)
{
    uint64_t v = 0;
    gba_err e = subscriber_read(a, impi, sub, &v);

    if (version)
        *version = v;
    if (e == GBA_OK && sub->blocked) {
        rec_subscriber_wipe(sub);
        e = GBA_E_FORBIDDEN;
    }
    return e;
}

static gba_err sqn_at(const av_local *a, const rec_subscriber *sub, uint64_t tick, uint64_t *sqn)
{
    int64_t seq = (int64_t)tick + sub->seq_offset;

    if (seq <= 0 || (uint64_t)seq > GBA_SQN_MAX >> gba_sqn_default.ind_bits)
        return GBA_E_RANGE;
    *sqn = gba_sqn_make(&gba_sqn_default, (uint64_t)seq, a->ind);
    return GBA_OK;
}

/* Its lifetime is asked for when the answer comes (local_recompute): it does not travel with the challenge. */
static gba_err make_vector(const rec_subscriber *sub, uint64_t sqn, av_result *r)
{
    uint8_t rand[16];

    service_random(rand, sizeof rand);
    r->recomputable = true;
    return gba_aka_vector(&sub->key, rand, sqn, sub->amf, &r->vector);
}

/* What its record says cannot be used, nor an SQN be counted on from it: this subscriber's fault alone, told here
 * whoever asks. */
static gba_err outward(av_local *a, const gba_impi *impi, gba_err e)
{
    switch (e) {
    case GBA_OK:
    case GBA_E_UNKNOWN:
    case GBA_E_FORBIDDEN:
    case GBA_E_AUTH:
    case GBA_E_BUSY:
    case GBA_E_IO:
    case GBA_E_NOMEM:
        return e;
    default:
        metric_add(a->damaged, 1);
        log_event(LOG_LEVEL_ERROR, "av.subscriber_damaged", "impi", impi->s, "error", gba_err_name(e), NULL);
        return GBA_E_CORRUPT;
    }
}

static void fetch_plain(av_local *a, const gba_impi *impi, av_done *done, void *ctx)
{
    rec_subscriber sub;
    av_result r = {0};
    uint64_t tick, sqn;
    gba_err e = subscriber_get(a, impi, &sub, NULL);

    if (e == GBA_OK) {
        e = take_tick(a, impi, &tick);
        if (e == GBA_OK)
            e = sqn_at(a, &sub, tick, &sqn);
        if (e == GBA_OK)
            e = make_vector(&sub, sqn, &r);
        rec_subscriber_wipe(&sub);
    }
    done(ctx, outward(a, impi, e), e == GBA_OK ? &r : NULL);
    gba_vector_wipe(&r.vector);
}

/* ---- resynchronisation (TS 33.102 6.3.5) ---- */

/* True: *r is ready. A changed offset is durable before the vector goes out. */
static gba_err resync_once(av_local *a, const gba_impi *impi, const av_resync *rs, rec_subscriber *sub, av_result *r)
{
    uint64_t version, sqn_ms, tick, sqn;
    gba_err e = subscriber_get(a, impi, sub, &version);

    if (e != GBA_OK)
        return e;
    e = gba_aka_auts_check(&sub->key, rs->rand, GBA_SPAN(rs->auts), &sqn_ms);
    if (e == GBA_OK)
        e = take_tick(a, impi, &tick);
    if (e != GBA_OK)
        return e;
    e = sqn_at(a, sub, tick, &sqn);
    if (e == GBA_OK && gba_sqn_next_ok(&gba_sqn_default, sqn_ms, sqn))
        return make_vector(sub, sqn, r); /* the card would accept our next: SQN_HE stays */

    uint8_t value[REC_MAX];
    size_t n = sizeof value, failed;
    sub->seq_offset = seq_offset_at(sqn_ms, tick);
    e = sqn_at(a, sub, tick, &sqn);
    if (e == GBA_OK)
        e = rec_subscriber_write(sub, value, &n);
    if (e != GBA_OK)
        return e;
    store_op op = {
        .type = STORE_SWAP,
        .kind = STORE_SUBSCRIBER,
        .key = gba_str(impi->s),
        .value = gba_mem(value, n),
        .version = version,
    };
    e = store_write(a->store, &op, 1, service_now(), &failed);
    gba_wipe(value, n);
    return e == GBA_OK ? make_vector(sub, sqn, r) : e;
}

/* Waits for the store: a changed offset is rare (a card that another AuC served), and only who
 * knows K can ask for it. */
static void fetch_resync(av_local *a, const gba_impi *impi, const av_resync *rs, av_done *done, void *ctx)
{
    av_result r = {0};
    gba_err e = GBA_E_STALE;

    for (int i = 0; i < RESYNC_TRIES && e == GBA_E_STALE; i++) {
        rec_subscriber sub = {0};
        e = resync_once(a, impi, rs, &sub, &r);
        rec_subscriber_wipe(&sub);
    }
    if (e == GBA_E_STALE)
        e = GBA_E_BUSY;
    done(ctx, outward(a, impi, e), e == GBA_OK ? &r : NULL);
    gba_vector_wipe(&r.vector);
}

static void local_fetch(av_source *s, const gba_impi *impi, const av_resync *resync, av_done *done, void *ctx)
{
    if (resync)
        fetch_resync((av_local *)s, impi, resync, done, ctx);
    else
        fetch_plain((av_local *)s, impi, done, ctx);
}

static gba_err local_recompute(av_source *s, const gba_impi *impi, const uint8_t rand[16], av_result *out)
{
    av_local *a = (av_local *)s;
    rec_subscriber sub;
    gba_err e = subscriber_get(a, impi, &sub, NULL);

    if (e != GBA_OK)
        return outward(a, impi, e);
    out->lifetime = lifetime_of(a, impi, &sub);
    out->recomputable = true;
    e = gba_aka_vector(&sub.key, rand, 0, sub.amf, &out->vector); /* f2, f3, f4 see neither SQN nor AMF */
    rec_subscriber_wipe(&sub);
    return outward(a, impi, e);
}

static bool one_is_enough(void *ctx, gba_span key, const store_record *r)
{
    (void)key, (void)r;
    *(bool *)ctx = true;
    return false;
}

static gba_err local_health(av_source *s, char *why, size_t why_n)
{
    store *st = ((av_local *)s)->store;
    bool any = false;
    gba_err e = store_health(st, why, why_n);
    if (e != GBA_OK)
        return e;
    e = store_each(st, STORE_SUBSCRIBER, gba_str(NULL), service_now(), one_is_enough, &any);
    if (e == GBA_E_CORRUPT) { /* the first is damaged: its fault alone, and nothing is said about the others */
        e = GBA_OK;
        any = true;
    }
    if (e != GBA_OK)
        store_why(st, why, why_n);
    else if (!any)
        snprintf(why, why_n, "no subscriber is in this store");
    return e == GBA_OK && !any ? GBA_E_UNKNOWN : e;
}

static void local_free(av_source *s)
{
    av_local *a = (av_local *)s;
    pthread_mutex_destroy(&a->mark_lock);
    for (size_t i = 0; i < CACHE_LOCKS; i++)
        pthread_mutex_destroy(&a->cache_lock[i]);
    gba_wipe(a->cache, sizeof a->cache);
    free(a);
}

static const av_ops local_ops = {
    .name = "local",
    .fetch = local_fetch,
    .recompute = local_recompute,
    .health = local_health,
    .free = local_free,
};

gba_err av_local_new(store *s, unsigned ind, av_source **out, char *why, size_t why_n)
{
    av_local *a = calloc(1, sizeof *a);
    uint64_t mark, version, now = seq_tick(service_now_ms());
    gba_err e;

    *out = NULL;
    if (!a)
        return GBA_E_NOMEM;
    a->base.ops = &local_ops;
    a->store = s;
    a->ind = ind;
    a->damaged = metric_counter("gba_av_damaged_total", NULL,
                                "requests for a vector or a key of a subscriber whose record is damaged");
    service_random(&a->hash, sizeof a->hash);
    pthread_mutex_init(&a->mark_lock, NULL);
    for (size_t i = 0; i < CACHE_LOCKS; i++)
        pthread_mutex_init(&a->cache_lock[i], NULL);
    /* Touches every page now: the process grows no more later. */
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        *(volatile char *)a->cache[i].impi = '\0';
    e = mark_read(a, &mark, &version);
    if (e == GBA_OK) {
        a->stored = mark;
        if (mark > now + 2 * AV_RESERVE_TICKS)
            log_event(LOG_LEVEL_WARN, "sqn.clock_back", "ahead_s", log_num((int64_t)(mark - now) * SEQ_TICK_MS / 1000),
                      NULL);
        atomic_store(&a->floor, mark);
        for (size_t i = 0; i < SLOTS; i++)
            atomic_store_explicit(&a->slot[i], mark, memory_order_relaxed);
        e = mark_extend(a, mark > now ? mark : now);
    }
    if (e != GBA_OK) {
        snprintf(why, why_n, "the SQN mark of replica.ind %u cannot be read or written: %s", ind, gba_err_text(e));
        local_free(&a->base);
        return e;
    }
    *out = &a->base;
    return GBA_OK;
}
