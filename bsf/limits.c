/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - three tables, each of sets of four ways under a keyed hash, each set under one of
 * 256 locks: token buckets by source, challenge windows by IMPI, wrong answers by challenge and
 * source, and by challenge alone. In a full set the entry that matters least makes room. Beside
 * the windows, under the same locks, two lists: challenges that are being made, and the requests
 * that wait for one of them.
 */
#include "bsf/limits.h"
#include "bsf/hash.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 4
#define SOURCE_SETS 4096
#define IMPI_SETS 16384
#define WRONG_SETS 4096
#define LOCKS 256

typedef struct source_entry {
    uint64_t hash;      /* 0: free */
    int64_t last_ms;
    int64_t milli;      /* tokens in thousandths */
} source_entry;
typedef struct impi_entry {
    uint64_t hash;
    int64_t window_ms;  /* its begin */
    int64_t issue_ms;   /* of the last challenge */
    uint32_t count;     /* challenges in the window */
    bool open;          /* the last challenge is neither answered nor resynchronised */
    challenge_wire wire;
} impi_entry;
typedef struct wrong_entry {
    uint64_t hash;
    int64_t last_ms;
    uint32_t count;
} wrong_entry;

struct limits {
    bsf_hash_key key;
    _Atomic int64_t source_rate, source_burst, impi_challenges, impi_window, wrong_answers;
    int64_t nonce_lifetime_ms, tolerance_ms;
    source_entry source[SOURCE_SETS][WAYS];
    impi_entry impi[IMPI_SETS][WAYS];
    wrong_entry wrong[WRONG_SETS][WAYS];
    limits_ask *under_way[LOCKS], *waiting[LOCKS]; /* under LOCK_IMPI */
    pthread_mutex_t lock[3][LOCKS];
};
enum { LOCK_SOURCE, LOCK_IMPI, LOCK_WRONG };

void limits_set(limits *l, const limits_config *c)
{
    atomic_store(&l->source_rate, c->source_rate);
    atomic_store(&l->source_burst, c->source_burst);
    atomic_store(&l->impi_challenges, c->impi_challenges);
    atomic_store(&l->impi_window, c->impi_window);
    atomic_store(&l->wrong_answers, c->wrong_answers);
}

gba_err limits_new(const limits_config *c, limits **out)
{
    limits *l = calloc(1, sizeof *l);

    *out = NULL;
    if (!l)
        return GBA_E_NOMEM;
    /* Touches every page now: the process grows no more later. */
    for (size_t i = 0; i < sizeof *l; i += 4096)
        ((volatile uint8_t *)l)[i] = 0;
    service_random(&l->key, sizeof l->key);
    l->nonce_lifetime_ms = c->nonce_lifetime_ms;
    l->tolerance_ms = c->tolerance_ms;
    limits_set(l, c);
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < LOCKS; i++)
            pthread_mutex_init(&l->lock[t][i], NULL);
    *out = l;
    return GBA_OK;
}

void limits_free(limits **lp)
{
    limits *l = *lp;
    if (!l)
        return;
    for (int t = 0; t < 3; t++)
        for (int i = 0; i < LOCKS; i++)
            pthread_mutex_destroy(&l->lock[t][i]);
    free(l);
    *lp = NULL;
}

static uint64_t hash_of(const limits *l, const void *a, size_t an, const void *b, size_t bn)
{
    uint8_t buf[2 * GBA_ID_MAX];
    uint64_t h;

    memcpy(buf, a, an);
    if (bn)
        memcpy(buf + an, b, bn);
    h = bsf_hash(&l->key, buf, an + bn);
    return h ? h : 1;
}

static uint64_t hash_impi(const limits *l, const gba_impi *impi)
{
    return hash_of(l, impi->s, strlen(impi->s), NULL, 0);
}

static pthread_mutex_t *take(limits *l, int table, size_t set)
{
    pthread_mutex_t *m = &l->lock[table][set % LOCKS];
    pthread_mutex_lock(m);
    return m;
}

/* ---- sources ---- */

static source_entry *source_find(source_entry *set, uint64_t h, int64_t burst_milli, int64_t now_ms)
{
    source_entry *oldest = &set[0];

    for (int i = 0; i < WAYS; i++) {
        if (set[i].hash == h)
            return &set[i];
        if (set[i].last_ms < oldest->last_ms)
            oldest = &set[i];
    }
    *oldest = (source_entry){.hash = h, .last_ms = now_ms, .milli = burst_milli};
    return oldest;
}

bool limits_source(limits *l, const uint8_t source[16], int64_t now_ms, unsigned *wait_s)
{
    int64_t rate = atomic_load(&l->source_rate), burst = atomic_load(&l->source_burst) * 1000;
    uint64_t h;
    bool ok;

    if (rate <= 0)
        return true;
    h = hash_of(l, source, 16, NULL, 0);
    pthread_mutex_t *m = take(l, LOCK_SOURCE, h % SOURCE_SETS);
    source_entry *s = source_find(l->source[h % SOURCE_SETS], h, burst, now_ms);
    if (now_ms > s->last_ms) {
        int64_t gain = now_ms - s->last_ms; /* ms times tokens a second: thousandths of tokens */
        s->milli = gain > burst / rate ? burst : s->milli + gain * rate;
    }
    s->last_ms = now_ms; /* also backwards: a clock that stepped back stops no refill */
    if (s->milli > burst)
        s->milli = burst;
    ok = s->milli >= 1000;
    if (ok)
        s->milli -= 1000;
    else
        *wait_s = (unsigned)((1000 - s->milli) / (rate * 1000) + 1);
    pthread_mutex_unlock(m);
    return ok;
}

/* ---- IMPIs ---- */

static impi_entry *impi_find(limits *l, uint64_t h)
{
    impi_entry *set = l->impi[h % IMPI_SETS];
    for (int i = 0; i < WAYS; i++)
        if (set[i].hash == h)
            return &set[i];
    return NULL;
}

static bool impi_live(const limits *l, const impi_entry *e, int64_t now_ms)
{
    return e->open && e->issue_ms <= now_ms + l->tolerance_ms && now_ms - e->issue_ms < l->nonce_lifetime_ms;
}

static bool same_impi(const limits_ask *a, const gba_impi *impi)
{
    return strcmp(a->impi->s, impi->s) == 0;
}

/* So many new ones are being made for this IMPI: they count before they are there. */
static uint64_t count_under_way(const limits *l, uint64_t h, const gba_impi *impi)
{
    uint64_t n = 0;
    for (const limits_ask *a = l->under_way[h % IMPI_SETS % LOCKS]; a; a = a->next)
        n += same_impi(a, impi);
    return n;
}

static limits_verdict decide(const limits *l, uint64_t h, const limits_ask *a, const impi_entry *e, int64_t now_ms)
{
    int64_t window = atomic_load(&l->impi_window) * 1000;
    uint64_t coming = count_under_way(l, h, a->impi), count = coming;

    if (e && now_ms >= e->window_ms && now_ms - e->window_ms < window)
        count += e->count;
    if (count < (uint64_t)atomic_load(&l->impi_challenges))
        return LIMITS_NEW;
    if (e && impi_live(l, e, now_ms))
        return LIMITS_LAST;
    return coming ? LIMITS_WAIT : LIMITS_NEW;
}

static void push(limits_ask **list, limits_ask *a)
{
    a->next = *list;
    *list = a;
}

limits_verdict limits_impi(limits *l, limits_ask *a, int64_t now_ms, challenge_wire *again)
{
    uint64_t h = hash_impi(l, a->impi);
    size_t list = h % IMPI_SETS % LOCKS;
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);
    const impi_entry *e = impi_find(l, h);
    limits_verdict v = decide(l, h, a, e, now_ms);

    a->under_way = v == LIMITS_NEW;
    if (v == LIMITS_LAST)
        *again = e->wire;
    else
        push(v == LIMITS_NEW ? &l->under_way[list] : &l->waiting[list], a);
    pthread_mutex_unlock(m);
    return v;
}

static void land(limits *l, uint64_t h, limits_ask *a)
{
    limits_ask **at = &l->under_way[h % IMPI_SETS % LOCKS];

    if (!a->under_way)
        return;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    a->under_way = false;
}

static limits_ask *take_waiting(limits *l, uint64_t h, const gba_impi *impi)
{
    limits_ask *out = NULL, **at = &l->waiting[h % IMPI_SETS % LOCKS];

    while (*at) {
        limits_ask *a = *at;
        if (same_impi(a, impi)) {
            *at = a->next;
            push(&out, a);
        } else {
            at = &a->next;
        }
    }
    return out;
}

limits_ask *limits_not_issued(limits *l, limits_ask *a)
{
    uint64_t h = hash_impi(l, a->impi);
    limits_ask *waited = NULL;
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);

    land(l, h, a);
    if (!count_under_way(l, h, a->impi))
        waited = take_waiting(l, h, a->impi);
    pthread_mutex_unlock(m);
    return waited;
}

int64_t limits_issue_ms(limits *l, const gba_impi *impi, int64_t now_ms)
{
    uint64_t h = hash_impi(l, impi);
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);
    impi_entry *e = impi_find(l, h);
    int64_t t = now_ms;

    /* The order of one IMPI's challenges is by issue time. After a large step of the clock the
     * old ones are revoked, and time counts again. */
    if (e && e->issue_ms >= now_ms && e->issue_ms + 1 - now_ms <= l->tolerance_ms / 2)
        t = e->issue_ms + 1;
    pthread_mutex_unlock(m);
    return t;
}

/* Its entry; without one, that of the set's IMPI whose last challenge is the oldest. */
static impi_entry *impi_make(limits *l, uint64_t h, int64_t now_ms)
{
    impi_entry *set = l->impi[h % IMPI_SETS], *e = impi_find(l, h);

    if (e)
        return e;
    e = &set[0];
    for (int i = 1; i < WAYS; i++)
        if (set[i].issue_ms < e->issue_ms)
            e = &set[i];
    memset(e, 0, sizeof *e);
    e->hash = h;
    e->window_ms = now_ms;
    return e;
}

limits_ask *limits_issued(limits *l, limits_ask *a, const challenge_wire *w, int64_t issue_ms, int64_t now_ms)
{
    int64_t window = atomic_load(&l->impi_window) * 1000;
    uint64_t h = hash_impi(l, a->impi);
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);
    impi_entry *e = impi_make(l, h, now_ms);

    if (now_ms < e->window_ms || now_ms - e->window_ms >= window) {
        e->window_ms = now_ms;
        e->count = 0;
    }
    e->count++;
    e->open = true;
    e->issue_ms = issue_ms;
    e->wire = *w;
    land(l, h, a);
    limits_ask *waited = take_waiting(l, h, a->impi);
    pthread_mutex_unlock(m);
    return waited;
}

void limits_answered(limits *l, const gba_impi *impi, const uint8_t rand[16])
{
    uint64_t h = hash_impi(l, impi);
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);
    impi_entry *e = impi_find(l, h);

    if (e && gba_span_eq(gba_mem(e->wire.o, 16), gba_mem(rand, 16)))
        e->open = false;
    pthread_mutex_unlock(m);
}

void limits_superseded(limits *l, const gba_impi *impi, int64_t challenge_ms)
{
    uint64_t h = hash_impi(l, impi);
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);
    impi_entry *e = impi_find(l, h);

    if (e && e->issue_ms <= challenge_ms)
        e->open = false;
    pthread_mutex_unlock(m);
}

/* ---- wrong answers ---- */

/* How many there were, with this one where it is to be added; the entry that was added to longest ago makes room. */
static uint32_t wrong_count(limits *l, uint64_t h, int64_t now_ms, bool add)
{
    wrong_entry *set = l->wrong[h % WRONG_SETS], *e = NULL, *oldest = &set[0];
    uint32_t n = 0;
    pthread_mutex_t *m = take(l, LOCK_WRONG, h % WRONG_SETS);

    for (int i = 0; i < WAYS; i++) {
        if (set[i].hash == h)
            e = &set[i];
        if (set[i].last_ms < oldest->last_ms)
            oldest = &set[i];
    }
    if (!e && add) {
        e = oldest;
        *e = (wrong_entry){.hash = h};
    }
    if (e && now_ms - e->last_ms > l->nonce_lifetime_ms + l->tolerance_ms)
        e->count = 0; /* of a challenge that has died since */
    if (e && add) {
        e->count += e->count < UINT32_MAX;
        e->last_ms = now_ms;
    }
    if (e)
        n = e->count;
    pthread_mutex_unlock(m);
    return n;
}

bool limits_wrong_add(limits *l, const gba_impi *impi, const uint8_t rand[16], const uint8_t source[16], int64_t now_ms)
{
    if (wrong_count(l, hash_of(l, rand, 16, NULL, 0), now_ms, true) >= LIMITS_GUESSES)
        limits_answered(l, impi, rand);
    return wrong_count(l, hash_of(l, rand, 16, source, 16), now_ms, true) > (uint64_t)atomic_load(&l->wrong_answers);
}

bool limits_spent(limits *l, const uint8_t rand[16], int64_t now_ms)
{
    return wrong_count(l, hash_of(l, rand, 16, NULL, 0), now_ms, false) >= LIMITS_GUESSES;
}
