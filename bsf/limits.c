/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - three tables, each of sets of four ways under a keyed hash, each set under one of
 * 256 locks: token buckets by source, challenge windows by IMPI, wrong answers by challenge and
 * source. In a full set the entry that matters least makes room.
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

bool limits_impi(limits *l, const gba_impi *impi, int64_t now_ms, challenge_wire *again)
{
    int64_t window = atomic_load(&l->impi_window) * 1000;
    uint64_t h = hash_impi(l, impi);
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);
    impi_entry *e = impi_find(l, h);
    bool fresh = true;

    if (e && now_ms >= e->window_ms && now_ms - e->window_ms < window &&
        e->count >= (uint64_t)atomic_load(&l->impi_challenges) && impi_live(l, e, now_ms)) {
        *again = e->wire;
        fresh = false;
    }
    pthread_mutex_unlock(m);
    return fresh;
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

void limits_issued(limits *l, const gba_impi *impi, const challenge_wire *w, int64_t issue_ms, int64_t now_ms)
{
    int64_t window = atomic_load(&l->impi_window) * 1000;
    uint64_t h = hash_impi(l, impi);
    pthread_mutex_t *m = take(l, LOCK_IMPI, h % IMPI_SETS);
    impi_entry *e = impi_find(l, h);

    if (!e) {
        impi_entry *set = l->impi[h % IMPI_SETS];
        e = &set[0];
        for (int i = 1; i < WAYS; i++)
            if (set[i].issue_ms < e->issue_ms)
                e = &set[i];
        memset(e, 0, sizeof *e);
        e->hash = h;
        e->window_ms = now_ms;
    }
    if (now_ms < e->window_ms || now_ms - e->window_ms >= window) {
        e->window_ms = now_ms;
        e->count = 0;
    }
    e->count++;
    e->open = true;
    e->issue_ms = issue_ms;
    e->wire = *w;
    pthread_mutex_unlock(m);
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

/* ---- wrong answers ---- */

static wrong_entry *wrong_find(limits *l, uint64_t h)
{
    wrong_entry *set = l->wrong[h % WRONG_SETS];
    for (int i = 0; i < WAYS; i++)
        if (set[i].hash == h)
            return &set[i];
    return NULL;
}

bool limits_wrong_over(limits *l, const uint8_t rand[16], const uint8_t source[16], int64_t now_ms)
{
    uint64_t h = hash_of(l, rand, 16, source, 16);
    pthread_mutex_t *m = take(l, LOCK_WRONG, h % WRONG_SETS);
    wrong_entry *e = wrong_find(l, h);
    bool over = e && e->count >= (uint64_t)atomic_load(&l->wrong_answers) &&
                now_ms - e->last_ms <= l->nonce_lifetime_ms + l->tolerance_ms;

    pthread_mutex_unlock(m);
    return over;
}

void limits_wrong_add(limits *l, const uint8_t rand[16], const uint8_t source[16], int64_t now_ms)
{
    uint64_t h = hash_of(l, rand, 16, source, 16);
    pthread_mutex_t *m = take(l, LOCK_WRONG, h % WRONG_SETS);
    wrong_entry *e = wrong_find(l, h);

    if (!e) {
        wrong_entry *set = l->wrong[h % WRONG_SETS];
        e = &set[0];
        for (int i = 1; i < WAYS; i++)
            if (set[i].last_ms < e->last_ms)
                e = &set[i];
        *e = (wrong_entry){.hash = h};
    }
    e->count++;
    e->last_ms = now_ms;
    pthread_mutex_unlock(m);
}
