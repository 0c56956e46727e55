/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nafd_zn.c - requests that wait for a key. Equal queries share one job; a few workers run the
 * jobs; a clock answers whom the BSF keeps waiting too long. All of it is bounded.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "naf/nafd.h"

#define TICK_MS 50
#define SWEEP_MS 5000
#define CLOCK_AHEAD 30 /* seconds a bootstrap may lie in our future before it is worth a word */

typedef struct job {
    gba_naf_query q; /* without a source: the waiters have theirs */
    exchange *waiters;
    struct job *next;
    bool running;
} job;

struct nafd_zn {
    nafd *d;
    gba_naf_zn_http *http;
    void *diameter;
    bool by_diameter[GBA_NAF_BSFS];
    pthread_mutex_t lock;
    pthread_cond_t work, tick;
    job *first, **last;
    size_t waiting[GBA_NAF_BSFS], max; /* max for each: a mute BSF leaves the others theirs */
    unsigned running[GBA_NAF_BSFS], share; /* what one BSF may hold of the workers */
    bool stop;
    pthread_t *worker, clock;
    size_t n_workers;
    bool clock_runs;
    metric *ok, *refused, *failed, *seconds;
};

/* Tells the NAF the outcome of each one's query and goes on with it. Without the lock. */
static void answer_all(exchange *list, gba_err outcome, const gba_naf_keys *keys)
{
    while (list) {
        exchange *e = list;
        list = e->next;
        e->next = NULL;
        gba_naf_learn(e->naf, &e->res.query, outcome, keys, service_now());
        if (e->resume)
            e->resume(e, outcome);
        else
            nafd_resume(e, outcome);
    }
}

static bool same_query(const gba_naf_query *a, const gba_naf_query *b)
{
    return !strcmp(a->btid.s, b->btid.s) && !strcmp(a->naf.fqdn.s, b->naf.fqdn.s) &&
           !memcmp(a->naf.ua.o, b->naf.ua.o, sizeof a->naf.ua.o);
}

static bool enqueue(nafd_zn *z, exchange *e)
{
    job *j = z->first;
    size_t bsf = e->res.query.bsf;
    if (z->stop || z->waiting[bsf] >= z->max)
        return false;
    while (j && !same_query(&j->q, &e->res.query))
        j = j->next;
    if (!j) {
        j = calloc(1, sizeof *j);
        if (!j)
            return false;
        j->q = e->res.query;
        memset(j->q.source, 0, sizeof j->q.source);
        *z->last = j;
        z->last = &j->next;
        pthread_cond_signal(&z->work);
        pthread_cond_signal(&z->tick);
    }
    e->next = j->waiters;
    j->waiters = e;
    z->waiting[bsf]++;
    return true;
}

void nafd_zn_wait(nafd_zn *z, exchange *e)
{
    e->next = NULL;
    pthread_mutex_lock(&z->lock);
    bool ok = enqueue(z, e);
    pthread_mutex_unlock(&z->lock);
    if (!ok)
        answer_all(e, GBA_E_BUSY, NULL);
}

static void remove_job(nafd_zn *z, job *j)
{
    job **at = &z->first;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    if (!j->next)
        z->last = at;
}

static job *pick(nafd_zn *z)
{
    for (job *j = z->first; j; j = j->next)
        if (!j->running && z->running[j->q.bsf] < z->share)
            return j;
    return NULL;
}

static const char *hint(gba_err e, bool by_diameter)
{
    if (e == GBA_E_BUSY)
        return "overloaded or slower than zn.timeout_ms";
    if (e != GBA_E_IO)
        return "it answered what TS 29.309 or TS 29.109 does not allow";
    return by_diameter
               ? "no Diameter peer leads to it, or it failed there: diameter.peer_down, diameter.peers"
               : "unreachable, or its certificate is not of zn.ca or not for the name in zn_url, or ours is not "
                 "accepted";
}

static void log_failure(const nafd_zn *z, const job *j, gba_err e)
{
    log_event(LOG_LEVEL_WARN, "zn.failed", "bsf", j->q.domain, "reason", gba_err_name(e), "hint",
              hint(e, z->by_diameter[j->q.bsf]), NULL);
}

/* Fresh keys are never over: one of the two clocks is wrong. */
static void check_clock(const job *j, gba_err outcome, const gba_naf_keys *keys)
{
    int64_t now = service_now();
    if (outcome != GBA_OK || (keys->expires > now && keys->bootstrapped <= now + CLOCK_AHEAD))
        return;
    log_event(LOG_LEVEL_WARN, "zn.clock", "bsf", j->q.domain, "btid", j->q.btid.s, "expires", log_num(keys->expires),
              "bootstrapped", log_num(keys->bootstrapped), "now", log_num(now), "hint",
              "by our clock the key is over already, or is from the future: compare our clock with the BSF's", NULL);
}

static void count(nafd_zn *z, const job *j, gba_err outcome, int64_t begun_ms)
{
    bool refused = outcome == GBA_E_UNKNOWN || outcome == GBA_E_EXPIRED || outcome == GBA_E_FORBIDDEN;
    metric_add(outcome == GBA_OK ? z->ok : refused ? z->refused : z->failed, 1);
    metric_observe(z->seconds, (double)(service_mono_ms() - begun_ms) / 1000);
    if (outcome != GBA_OK && !refused)
        log_failure(z, j, outcome);
}

static void run(nafd_zn *z, job *j)
{
    gba_naf_keys keys;
    int64_t begun_ms = service_mono_ms();
    gba_err outcome = z->by_diameter[j->q.bsf] ? nafd_diameter_fetch(z->diameter, &j->q, &keys)
                                               : gba_naf_zn_http_fetch(z->http, &j->q, &keys);
    count(z, j, outcome, begun_ms);
    check_clock(j, outcome, &keys);
    gba_naf_learn(z->d->naf, &j->q, outcome, &keys, service_now()); /* before the job goes: no second query */
    pthread_mutex_lock(&z->lock);
    remove_job(z, j);
    z->running[j->q.bsf]--;
    exchange *list = j->waiters;
    for (exchange *e = list; e; e = e->next)
        z->waiting[j->q.bsf]--;
    if (z->first)
        pthread_cond_signal(&z->work);
    pthread_mutex_unlock(&z->lock);
    answer_all(list, outcome, &keys);
    gba_naf_keys_clear(&keys);
    free(j);
}

static void *work(void *arg)
{
    nafd_zn *z = arg;
    pthread_mutex_lock(&z->lock);
    while (!z->stop) {
        job *j = pick(z);
        if (!j) {
            pthread_cond_wait(&z->work, &z->lock);
            continue;
        }
        j->running = true;
        z->running[j->q.bsf]++;
        pthread_mutex_unlock(&z->lock);
        run(z, j);
        pthread_mutex_lock(&z->lock);
    }
    pthread_mutex_unlock(&z->lock);
    return NULL;
}

/* Takes the waiters whose time is over (all: everyone), and jobs that nobody waits for. With the lock. */
static exchange *overdue(nafd_zn *z, int64_t now_ms, bool all)
{
    exchange *list = NULL;
    for (job *j = z->first, *next; j; j = next) {
        next = j->next;
        for (exchange **at = &j->waiters; *at;) {
            exchange *e = *at;
            if (!all && e->deadline_ms > now_ms) {
                at = &e->next;
                continue;
            }
            *at = e->next;
            e->next = list;
            list = e;
            z->waiting[j->q.bsf]--;
        }
        if (!j->waiters && !j->running) {
            remove_job(z, j);
            free(j);
        }
    }
    return list;
}

static void sleep_ms(nafd_zn *z, int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    pthread_cond_timedwait(&z->tick, &z->lock, &t);
}

static void *watch(void *arg)
{
    nafd_zn *z = arg;
    int64_t swept = service_mono_ms();
    pthread_mutex_lock(&z->lock);
    while (!z->stop) {
        sleep_ms(z, z->first ? TICK_MS : SWEEP_MS);
        int64_t now_ms = service_mono_ms();
        exchange *list = overdue(z, now_ms, false);
        pthread_mutex_unlock(&z->lock);
        answer_all(list, GBA_E_BUSY, NULL);
        if (now_ms - swept >= SWEEP_MS) {
            gba_naf_sweep(z->d->naf, service_now());
            if (z->d->decision_naf)
                gba_naf_sweep(z->d->decision_naf, service_now());
            swept = now_ms;
        }
        pthread_mutex_lock(&z->lock);
    }
    pthread_mutex_unlock(&z->lock);
    return NULL;
}

static int64_t count_waiting(void *arg)
{
    nafd_zn *z = arg;
    int64_t n = 0;
    pthread_mutex_lock(&z->lock);
    for (size_t i = 0; i < GBA_NAF_BSFS; i++)
        n += (int64_t)z->waiting[i];
    pthread_mutex_unlock(&z->lock);
    return n;
}

static gba_err open_http(nafd_zn *z, const gba_naf_zn_bsf *bsfs, size_t n, char *why, size_t why_n)
{
    const nafd_settings *s = z->d->s;
    const char *reason = "";
    uint32_t gsids[GBA_NAF_ZN_GSIDS];
    gba_naf_zn_http_config c = {.gsids = gsids, .bsfs = bsfs, .n_bsfs = n, .ca_file = s->zn.ca, .cert_file = s->zn.cert,
                                .key_file = s->zn.key, .connect_ms = (unsigned)s->zn.connect_timeout_ms,
                                .total_ms = (unsigned)s->zn.timeout_ms, .connections = (unsigned)s->zn.workers,
                                .user_agent = "gba-nafd"};
    conf_numbers(NULL, "zn.services", &s->zn.services, gsids, GBA_NAF_ZN_GSIDS, &c.n_gsids);
    gba_err e = gba_naf_zn_http_new(&c, &z->http, &reason);
    if (e != GBA_OK)
        snprintf(why, why_n, "%s", reason);
    return e;
}

static gba_err open_client(nafd_zn *z, char *why, size_t why_n)
{
    const nafd_settings *s = z->d->s;
    gba_naf_zn_bsf bsfs[GBA_NAF_BSFS];
    const nafd_bsf *b = s->naf.bsfs.v;
    size_t http = 0;
    for (size_t i = 0; i < s->naf.bsfs.n; i++) {
        z->by_diameter[i] = b[i].zn_url == NULL;
        if (b[i].zn_url)
            bsfs[http++] = (gba_naf_zn_bsf){.domain = b[i].domain.s, .url = b[i].zn_url};
    }
    gba_err e = http ? open_http(z, bsfs, http, why, why_n) : GBA_OK;
    return e == GBA_OK && http < s->naf.bsfs.n ? nafd_diameter_start(s, &z->diameter, why, why_n) : e;
}

static void init(nafd_zn *z, nafd *d)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_mutex_init(&z->lock, NULL);
    pthread_cond_init(&z->work, NULL);
    pthread_cond_init(&z->tick, &a);
    pthread_condattr_destroy(&a);
    z->d = d;
    z->last = &z->first;
    z->max = (size_t)d->s->zn.waiting / (d->s->naf.bsfs.n ? d->s->naf.bsfs.n : 1);
    z->max = z->max ? z->max : 1;
    unsigned workers = (unsigned)d->s->zn.workers;
    z->share =
        d->s->naf.bsfs.n > 1 && workers > 1 ? (workers * 3 + 3) / 4 : workers; /* a mute BSF does not stop others */
    if (z->share == workers && d->s->naf.bsfs.n > 1 && workers > 1)
        z->share--;
    static const char name[] = "gba_naf_zn_total", help[] = "key queries to BSFs by outcome";
    z->ok = metric_counter(name, "result=\"ok\"", help);
    z->refused = metric_counter(name, "result=\"refused\"", help);
    z->failed = metric_counter(name, "result=\"failed\"", help);
    z->seconds = metric_histogram("gba_naf_zn_seconds", NULL, "how long key queries take");
    metric_gauge_fn("gba_naf_waiting", NULL, "requests that wait for a key", count_waiting, z);
}

gba_err nafd_zn_start(nafd *d, nafd_zn **out, char *why, size_t why_n)
{
    nafd_zn *z = calloc(1, sizeof *z);
    *out = z;
    if (!z)
        return GBA_E_NOMEM;
    init(z, d);
    gba_err e = open_client(z, why, why_n);
    if (e != GBA_OK)
        return e;
    size_t n = (size_t)d->s->zn.workers;
    z->worker = calloc(n, sizeof *z->worker);
    while (z->worker && z->n_workers < n && !pthread_create(&z->worker[z->n_workers], NULL, work, z))
        z->n_workers++;
    z->clock_runs = z->n_workers == n && !pthread_create(&z->clock, NULL, watch, z);
    if (z->clock_runs)
        return GBA_OK;
    snprintf(why, why_n, "zn.workers: %zu threads cannot be started", n);
    return GBA_E_NOMEM;
}

static int64_t nothing(void *unused)
{
    (void)unused;
    return 0;
}

void nafd_zn_stop(nafd_zn *z)
{
    if (!z)
        return;
    metric_gauge_fn("gba_naf_waiting", NULL, "", nothing, NULL);
    pthread_mutex_lock(&z->lock);
    z->stop = true;
    pthread_cond_broadcast(&z->work);
    pthread_cond_broadcast(&z->tick);
    exchange *list = overdue(z, 0, true);
    pthread_mutex_unlock(&z->lock);
    answer_all(list, GBA_E_BUSY, NULL);
    gba_naf_zn_http_stop(z->http);
}

void nafd_zn_free(nafd_zn **zp)
{
    nafd_zn *z = *zp;
    *zp = NULL;
    if (!z)
        return;
    for (size_t i = 0; i < z->n_workers; i++)
        pthread_join(z->worker[i], NULL);
    if (z->clock_runs)
        pthread_join(z->clock, NULL);
    gba_naf_zn_http_free(&z->http);
    nafd_diameter_stop(&z->diameter);
    pthread_cond_destroy(&z->work);
    pthread_cond_destroy(&z->tick);
    pthread_mutex_destroy(&z->lock);
    free(z->worker);
    free(z);
}
