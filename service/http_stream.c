/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_stream.c - requests whose handler reads and writes as it goes, on a worker thread.
 *
 * Between the server's thread and the worker stand two bounded buffers. Whoever finds nothing to do
 * waits: the worker on the condition, the connection by being suspended (or, where it has a thread of
 * its own, on a condition too). The lock is held around both suspend and resume, so none can be lost.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "service/http_int.h"

#define IN_SIZE 32768
#define OUT_SIZE 65536
#define WORKER_STACK (512 * 1024)
#define WORKER_IDLE_S 30

struct http_stream {
    http_stream *next;                      /* in the pool's queue */
    http_stream *active_prev, *active_next; /* in the pool's list, until the worker is done */
    http_req *r;
    pthread_mutex_t lock;
    pthread_cond_t moved, woken; /* for the worker; for the connection */
    bool suspended;              /* the connection */
    bool gone;      /* no peer any more */
    /* request body */
    bool wants, in_done;
    struct timespec until; /* CLOCK_MONOTONIC, of http_body_read; 0: none */
    size_t in_off, in_n, in_all; /* in_all: octets that ever came */
    /* answer */
    bool begun, replied, out_done, broken, bare;
    size_t out_off, out_n, out_all;
    uint8_t in[IN_SIZE], out[OUT_SIZE];
};

static void wake(http_stream *st)
{
    if (st->suspended) {
        st->suspended = false;
        if (http_req_blocks(st->r))
            pthread_cond_signal(&st->woken);
        else
            http_req_resume(st->r);
    }
}

/* False: suspended. True: its thread waited here, and should look again. */
static bool pause_connection(http_stream *st)
{
    st->suspended = true;
    if (!http_req_blocks(st->r)) {
        http_req_suspend(st->r);
        return false;
    }
    while (st->suspended)
        pthread_cond_wait(&st->woken, &st->lock);
    return true;
}

http_stream *http_stream_new(http_req *r, bool body)
{
    http_stream *st = malloc(sizeof *st);
    if (!st)
        return NULL;
    memset(st, 0, offsetof(http_stream, in));
    st->r = r;
    st->in_done = !body;
    st->wants = !body;
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_mutex_init(&st->lock, NULL);
    pthread_cond_init(&st->moved, &a);
    pthread_condattr_destroy(&a);
    pthread_cond_init(&st->woken, NULL);
    return st;
}

void http_stream_free(http_stream *st)
{
    if (!st)
        return;
    pthread_mutex_destroy(&st->lock);
    pthread_cond_destroy(&st->moved);
    pthread_cond_destroy(&st->woken);
    gba_wipe(st->in, st->in_all < IN_SIZE ? st->in_all : IN_SIZE);
    gba_wipe(st->out, st->out_all < OUT_SIZE ? st->out_all : OUT_SIZE);
    free(st);
}

/* ---- on the server's thread ---- */
http_next http_stream_wants(http_stream *st)
{
    http_next next;
    pthread_mutex_lock(&st->lock);
    do
        next = st->gone                   ? HTTP_BEGIN
               : st->wants                ? HTTP_GO_ON
               : st->begun || st->replied ? HTTP_BEGIN
                                          : HTTP_SUSPENDED;
    while (next == HTTP_SUSPENDED && pause_connection(st));
    pthread_mutex_unlock(&st->lock);
    return next;
}

/* Moves n octets out of a ring. */
static void ring_get(const uint8_t *ring, size_t size, size_t *off, size_t *have, void *to, size_t n)
{
    size_t first = n < size - *off ? n : size - *off;
    memcpy(to, ring + *off, first);
    memcpy((uint8_t *)to + first, ring, n - first);
    *off = (*off + n) % size;
    *have -= n;
}

static size_t ring_put(uint8_t *ring, size_t size, size_t off, size_t *have, const void *from, size_t n)
{
    size_t room = size - *have, at = (off + *have) % size;
    n = n < room ? n : room;
    size_t first = n < size - at ? n : size - at;
    memcpy(ring + at, from, first);
    memcpy(ring, (const uint8_t *)from + first, n - first);
    *have += n;
    return n;
}

http_next http_stream_feed(http_stream *st, const char *data, size_t n, size_t *taken)
{
    http_next next;
    *taken = 0;
    pthread_mutex_lock(&st->lock);
    do {
        if (st->gone || st->begun || st->replied) {
            *taken = n; /* nobody reads it any more: let it pass by */
            next = HTTP_BEGIN;
            break;
        }
        size_t put = ring_put(st->in, IN_SIZE, st->in_off, &st->in_n, data + *taken, n - *taken);
        *taken += put;
        st->in_all += put;
        pthread_cond_signal(&st->moved);
        /* left-overs of a connection that goes on would hang */
        next = *taken < n ? HTTP_SUSPENDED : HTTP_GO_ON;
    } while (next == HTTP_SUSPENDED && pause_connection(st));
    pthread_mutex_unlock(&st->lock);
    return next;
}

http_next http_stream_complete(http_stream *st)
{
    http_next next;
    pthread_mutex_lock(&st->lock);
    st->in_done = true;
    pthread_cond_signal(&st->moved);
    do
        next = st->begun || st->replied || st->gone ? HTTP_BEGIN : HTTP_SUSPENDED;
    while (next == HTTP_SUSPENDED && pause_connection(st));
    pthread_mutex_unlock(&st->lock);
    return next;
}

ssize_t http_stream_pull(void *ctx, uint64_t pos, char *buf, size_t max)
{
    http_stream *st = http_req_stream(ctx);
    ssize_t got = 0;
    (void)pos;
    pthread_mutex_lock(&st->lock);
    while (!st->out_n && !st->broken && !st->gone && !st->out_done)
        if (!pause_connection(st))
            break;
    if (st->out_n) {
        size_t n = st->out_n < max ? st->out_n : max;
        ring_get(st->out, OUT_SIZE, &st->out_off, &st->out_n, buf, n);
        pthread_cond_signal(&st->moved);
        got = (ssize_t)n;
    } else if (st->broken || st->gone) {
        got = HTTP_PULL_BROKEN;
    } else if (st->out_done) {
        got = HTTP_PULL_END;
    }
    pthread_mutex_unlock(&st->lock);
    return got;
}

void http_stream_gone(http_stream *st)
{
    pthread_mutex_lock(&st->lock);
    st->gone = true;
    pthread_cond_signal(&st->moved);
    wake(st);
    pthread_mutex_unlock(&st->lock);
}

/* ---- on the worker's thread ---- */
void http_stream_replied(http_stream *st)
{
    pthread_mutex_lock(&st->lock);
    st->replied = true;
    wake(st);
    pthread_mutex_unlock(&st->lock);
}

void http_body_within(http_req *r, unsigned ms)
{
    http_stream *st = http_req_stream(r);
    if (!st)
        return;
    pthread_mutex_lock(&st->lock);
    clock_gettime(CLOCK_MONOTONIC, &st->until);
    st->until.tv_sec += ms / 1000 + (st->until.tv_nsec + ms % 1000 * 1000000L) / 1000000000L;
    st->until.tv_nsec = (st->until.tv_nsec + ms % 1000 * 1000000L) % 1000000000L;
    pthread_mutex_unlock(&st->lock);
}

/* Under the lock. */
static void want(http_stream *st)
{
    if (!st->wants) {
        st->wants = true;
        wake(st);
    }
}

void http_body_skip(http_req *r)
{
    http_stream *st = http_req_stream(r);
    if (!st)
        return;
    pthread_mutex_lock(&st->lock);
    want(st);
    pthread_mutex_unlock(&st->lock);
}

ssize_t http_body_read(http_req *r, void *buf, size_t n)
{
    http_stream *st = http_req_stream(r);
    ssize_t got = -1;
    bool late = false;
    if (!st)
        return -1;
    pthread_mutex_lock(&st->lock);
    want(st);
    while (!st->in_n && !st->in_done && !st->gone && !late) {
        if (st->until.tv_sec)
            late = pthread_cond_timedwait(&st->moved, &st->lock, &st->until) != 0;
        else
            pthread_cond_wait(&st->moved, &st->lock);
    }
    late = late && !st->in_n && !st->in_done;
    if (!st->gone && !late) {
        n = n < st->in_n ? n : st->in_n;
        ring_get(st->in, IN_SIZE, &st->in_off, &st->in_n, buf, n);
        got = (ssize_t)n;
        if (n && !st->in_done)
            wake(st);
    }
    pthread_mutex_unlock(&st->lock);
    return got;
}

gba_err http_reply_begin(http_req *r, unsigned status, const http_field *fields, size_t n, int64_t length)
{
    http_stream *st = http_req_stream(r);
    const char *method = http_method(r);
    if (!st || st->begun || st->replied)
        return GBA_E_ARG;
    st->bare = !strcmp(method, "HEAD") || status == 204 || status == 304;
    gba_err e = http_req_begin(r, status, fields, n, length);
    if (e != GBA_OK)
        return e;
    pthread_mutex_lock(&st->lock);
    st->begun = true;
    e = st->gone ? GBA_E_IO : GBA_OK;
    wake(st);
    pthread_mutex_unlock(&st->lock);
    return e;
}

gba_err http_reply_write(http_req *r, gba_span part)
{
    http_stream *st = http_req_stream(r);
    gba_err e = GBA_OK;
    if (!st || !st->begun)
        return GBA_E_ARG;
    if (st->bare)
        return GBA_OK;
    pthread_mutex_lock(&st->lock);
    while (part.n && !st->gone) {
        size_t put = ring_put(st->out, OUT_SIZE, st->out_off, &st->out_n, part.p, part.n);
        part.p += put;
        part.n -= put;
        st->out_all += put;
        if (put)
            wake(st);
        else
            pthread_cond_wait(&st->moved, &st->lock);
    }
    if (st->gone)
        e = GBA_E_IO;
    pthread_mutex_unlock(&st->lock);
    return e;
}

void http_reply_end(http_req *r)
{
    http_stream *st = http_req_stream(r);
    if (!st)
        return;
    pthread_mutex_lock(&st->lock);
    st->out_done = true;
    wake(st);
    pthread_mutex_unlock(&st->lock);
}

/* ---- the workers ---- */
struct http_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, ended;
    http_stream *first, *last, *active;
    unsigned max, threads, idle, queued;
    bool stop;
    http_handler *handler;
    void *ctx;
};

static void serve(http_pool *p, http_stream *st)
{
    http_req *r = st->r;
    p->handler(r, p->ctx);
    pthread_mutex_lock(&st->lock);
    bool silent = !st->begun && !st->replied, gone = st->gone;
    if (st->begun && !st->out_done) { /* cut off: the peer must not take it for the whole */
        st->broken = true;
        wake(st);
    }
    pthread_mutex_unlock(&st->lock);
    if (silent && !gone)
        http_reply(r, 500, NULL, 0, gba_str(NULL));
    if (gone)
        http_req_drop_answer(r);
    pthread_mutex_lock(&p->lock);
    *(st->active_prev ? &st->active_prev->active_next : &p->active) = st->active_next;
    if (st->active_next)
        st->active_next->active_prev = st->active_prev;
    pthread_mutex_unlock(&p->lock);
    http_req_unref(r);
}

static http_stream *next_stream(http_pool *p)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WORKER_IDLE_S;
    p->idle++;
    while (!p->first && !p->stop)
        if (pthread_cond_timedwait(&p->work, &p->lock, &until))
            break;
    p->idle--;
    http_stream *st = p->first;
    if (st) {
        p->first = st->next;
        p->queued--;
    }
    return st;
}

static void *worker(void *ctx)
{
    http_pool *p = ctx;
    http_stream *st;
    pthread_mutex_lock(&p->lock);
    while ((st = next_stream(p))) {
        pthread_mutex_unlock(&p->lock);
        serve(p, st);
        pthread_mutex_lock(&p->lock);
    }
    p->threads--;
    pthread_cond_broadcast(&p->ended);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

http_pool *http_pool_new(unsigned max, http_handler *handler, void *ctx)
{
    http_pool *p = calloc(1, sizeof *p);
    pthread_condattr_t a;
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&p->work, &a);
    pthread_condattr_destroy(&a);
    pthread_cond_init(&p->ended, NULL);
    p->max = max;
    p->handler = handler;
    p->ctx = ctx;
    return p;
}

void http_pool_stop(http_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    for (http_stream *st = p->active; st; st = st->active_next)
        http_stream_gone(st);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void http_pool_free(http_pool **pp)
{
    http_pool *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    http_pool_stop(p);
    pthread_mutex_lock(&p->lock);
    while (p->threads)
        pthread_cond_wait(&p->ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static bool add_worker(http_pool *p)
{
    pthread_attr_t a;
    pthread_t t;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&a, WORKER_STACK);
    bool made = p->threads < p->max && pthread_create(&t, &a, worker, p) == 0;
    pthread_attr_destroy(&a);
    if (made)
        p->threads++;
    return made;
}

gba_err http_stream_start(http_pool *p, http_stream *st)
{
    gba_err e = GBA_OK;
    pthread_mutex_lock(&p->lock);
    if (p->stop || (p->idle <= p->queued && !add_worker(p))) {
        e = GBA_E_BUSY;
    } else {
        http_req_ref(st->r);
        st->next = NULL;
        *(p->first ? &p->last->next : &p->first) = st;
        p->last = st;
        p->queued++;
        st->active_prev = NULL;
        st->active_next = p->active;
        if (p->active)
            p->active->active_prev = st;
        p->active = st;
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return e;
}
