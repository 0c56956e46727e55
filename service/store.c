/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - the store's operations: the queue of batches and its writer thread, reading, visiting. */
#include "service/store_impl.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUEUE_MAX 16384
#define GROUP_DEFAULT 256
#define PAGE_ROWS 128
#define LINGER_STEP_US 1000
#define CROWD 8
#define READ_TRIES 4

static const store_driver *const drivers[] = {&store_driver_sqlite};

void store_fault_set(store_fault *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(f->why, sizeof f->why, fmt, ap);
    va_end(ap);
}

gba_err store_failed(store *s, gba_err e, const store_fault *f)
{
    if (e == GBA_OK || f->why[0] == '\0')
        return e;
    (void)pthread_mutex_lock(&s->fault_lock);
    s->last = *f;
    (void)pthread_mutex_unlock(&s->fault_lock);
    return e;
}

static void copy_text(char *out, size_t n, const char *text)
{
    if (out != NULL && n > 0)
        (void)snprintf(out, n, "%s", text);
}

void store_why(store *s, char *why, size_t why_n)
{
    (void)pthread_mutex_lock(&s->fault_lock);
    copy_text(why, why_n, s->last.why);
    (void)pthread_mutex_unlock(&s->fault_lock);
}

/* ---- the writer thread ---- */

static void note_commit(store *s, gba_err e, const store_fault *f)
{
    (void)pthread_mutex_lock(&s->fault_lock);
    s->commit_err = e;
    if (e != GBA_OK) {
        s->commit_why = *f;
        s->last = *f;
    }
    (void)pthread_mutex_unlock(&s->fault_lock);
}

/* ---- records read lately ---- */

static uint32_t kept_hash(store_kind kind, gba_span key)
{
    uint32_t h = 2166136261u ^ (uint32_t)kind;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ key.p[i]) * 16777619u;
    return h ^ h >> 15;
}

/* False: nobody could look lately whether another process wrote. */
static bool kept_count(store *s, uint32_t hash, uint64_t *count)
{
    bool fresh = s->driver->foreign_count(s->db, count);
    *count += atomic_load(&s->kept->written[hash % KEPT_WRITES]);
    return fresh;
}

/* The row as driver->get gives it, if it is kept and nothing has changed. */
static bool kept_find(store *s, uint32_t hash, uint64_t count, store_kind kind, gba_span key, store_row *r,
                      uint8_t **value)
{
    kept_row *k = &s->kept->row[hash % KEPT_SLOTS];
    pthread_mutex_t *lock = &s->kept->lock[hash % KEPT_LOCKS];
    (void)pthread_mutex_lock(lock);
    bool good = k->key_n == key.n && k->kind == kind && k->count == count && memcmp(k->key, key.p, key.n) == 0 &&
                (*value = malloc(k->value_n + (size_t)1)) != NULL;
    if (good) {
        memcpy(*value, k->value, k->value_n);
        *r = (store_row){.version = k->version, .expiry = k->expiry, .value = gba_mem(*value, k->value_n)};
    }
    (void)pthread_mutex_unlock(lock);
    return good;
}

static void kept_keep(store *s, uint32_t hash, uint64_t count, store_kind kind, gba_span key, const store_row *r)
{
    kept_row *k = &s->kept->row[hash % KEPT_SLOTS];
    pthread_mutex_t *lock = &s->kept->lock[hash % KEPT_LOCKS];
    if (key.n > KEPT_KEY || r->value.n > KEPT_VALUE)
        return;
    (void)pthread_mutex_lock(lock);
    k->kind = kind;
    k->count = count;
    k->version = r->version;
    k->expiry = r->expiry;
    k->key_n = (uint16_t)key.n;
    k->value_n = (uint16_t)r->value.n;
    memcpy(k->key, key.p, key.n);
    memcpy(k->value, r->value.p, r->value.n);
    (void)pthread_mutex_unlock(lock);
}

static void note_kinds(store *s, const store_batch *b)
{
    for (; b != NULL; b = b->next)
        for (size_t i = 0; i < b->n; i++) {
            const store_op *o = &b->ops[i];
            atomic_fetch_add(&s->wrote[(uint8_t)o->kind], 1);
            atomic_fetch_add(&s->kept->written[kept_hash(o->kind, o->key) % KEPT_WRITES], 1);
        }
}

/* A batch with copies of its operations, keys and values, in one block. */
typedef struct queued {
    store_batch b; /* first: the list links these */
    size_t size;
    store_op ops[];
} queued;

/*
 * Lingers for company, lock held: a commit costs hundreds of microseconds whatever it carries. Company comes
 * when there was some: a lone client never waits for it, and nobody waits on when nothing came for a while, but
 * of a crowd as many are expected as came the last time.
 */
static void linger(store *s)
{
    const struct timespec step = {.tv_nsec = LINGER_STEP_US * 1000L};
    unsigned before = 0, expected = s->last_group >= CROWD ? s->last_group : 0;
    if (s->last_group <= 1 && s->depth <= 1)
        return;
    for (unsigned us = 0; us < s->group_wait_us && (s->depth > before || s->depth < expected) &&
                          s->depth < s->group_max && !s->stop;
         us += LINGER_STEP_US) {
        before = s->depth;
        (void)pthread_mutex_unlock(&s->lock);
        (void)nanosleep(&step, NULL);
        (void)pthread_mutex_lock(&s->lock);
    }
}

/* Takes up to group_max batches; NULL: closing and nothing is left. */
static store_batch *take_group(store *s)
{
    (void)pthread_mutex_lock(&s->lock);
    while (s->head == NULL && !s->stop)
        (void)pthread_cond_wait(&s->wake, &s->lock);
    linger(s);
    store_batch *first = s->head, **end = &first;
    unsigned n = 0;
    while (*end != NULL && n < s->group_max) {
        end = &(*end)->next;
        n++;
    }
    s->head = *end;
    *end = NULL;
    if (s->head == NULL)
        s->tail = &s->head;
    s->depth -= n;
    s->last_group = n;
    (void)pthread_mutex_unlock(&s->lock);
    return first;
}

static void *writer(void *ctx)
{
    store *s = ctx;
    store_batch *list;
    while ((list = take_group(s)) != NULL) {
        store_fault f = {{0}};
        gba_err e = seal_write(s, s->job, list, &f);
        note_commit(s, e, &f);
        if (e == GBA_OK)
            (void)store_failed(s, GBA_E_CORRUPT, &f); /* a plan's record; the commit went on without it */
        note_kinds(s, list);
        while (list != NULL) {
            queued *q = (queued *)list;
            list = list->next;
            gba_err result = e != GBA_OK ? e : q->b.err;
            q->b.done(q->b.ctx, result, e == GBA_OK && result != GBA_OK ? q->b.failed : 0);
            gba_wipe(q, q->size);
            free(q);
        }
    }
    return NULL;
}

/* ---- submitting ---- */

gba_err store_check_ops(const store_op *ops, size_t n)
{
    if (n > 0 && ops == NULL)
        return GBA_E_ARG;
    for (size_t i = 0; i < n; i++) {
        const store_op *o = &ops[i];
        bool type_ok =
            o->type == STORE_PUT || o->type == STORE_INSERT || o->type == STORE_SWAP || o->type == STORE_TAKE;
        if (!type_ok || (int)o->kind <= 0 || (int)o->kind > UINT8_MAX || o->key.n == 0 || o->expiry < 0)
            return GBA_E_ARG;
        if (o->key.n > STORE_KEY_MAX || o->value.n > STORE_VALUE_MAX)
            return GBA_E_RANGE;
    }
    return GBA_OK;
}

static gba_span copy_span(uint8_t **at, gba_span from)
{
    gba_span to = gba_mem(*at, from.n);
    if (from.n > 0)
        memcpy(*at, from.p, from.n);
    *at += from.n;
    return to;
}

/* Takes q over. */
static gba_err enqueue(store *s, queued *q)
{
    (void)pthread_mutex_lock(&s->lock);
    bool full = s->depth >= QUEUE_MAX || s->stop;
    if (!full) {
        *s->tail = &q->b;
        s->tail = &q->b.next;
        s->depth++;
        (void)pthread_cond_signal(&s->wake);
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (!full)
        return GBA_OK;
    gba_wipe(q, q->size);
    free(q);
    return GBA_E_BUSY;
}

gba_err store_submit(store *s, const store_op *ops, size_t n, int64_t now, store_done *done, void *ctx)
{
    if (n > STORE_OPS_MAX || done == NULL || s->read_only)
        return GBA_E_ARG;
    gba_err e = store_check_ops(ops, n);
    if (e != GBA_OK)
        return e;
    size_t size = sizeof(queued) + n * sizeof *ops;
    for (size_t i = 0; i < n; i++)
        size += ops[i].key.n + ops[i].value.n;
    queued *q = malloc(size);
    if (q == NULL)
        return GBA_E_NOMEM;
    q->b = (store_batch){.ops = q->ops, .n = n, .now = now, .done = done, .ctx = ctx};
    q->size = size;
    uint8_t *at = (uint8_t *)&q->ops[n];
    for (size_t i = 0; i < n; i++) {
        q->ops[i] = ops[i];
        q->ops[i].key = copy_span(&at, ops[i].key);
        q->ops[i].value = copy_span(&at, ops[i].value);
    }
    return enqueue(s, q);
}

gba_err store_submit_plan(store *s, store_kind k, gba_span key, int64_t now, store_plan *plan, store_done *done,
                          void *ctx)
{
    if (s->read_only || plan == NULL || done == NULL || key.n == 0)
        return GBA_E_ARG;
    if (key.n > STORE_KEY_MAX)
        return GBA_E_RANGE;
    size_t size = sizeof(queued) + key.n;
    queued *q = malloc(size);
    if (q == NULL)
        return GBA_E_NOMEM;
    uint8_t *at = (uint8_t *)q->ops;
    q->b = (store_batch){.now = now, .plan = plan, .kind = k, .key = copy_span(&at, key), .done = done, .ctx = ctx};
    q->size = size;
    return enqueue(s, q);
}

typedef struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool ready;
    gba_err err;
    size_t failed;
} waiter;

static void wake_waiter(void *ctx, gba_err err, size_t failed)
{
    waiter *w = ctx;
    (void)pthread_mutex_lock(&w->lock);
    w->err = err;
    w->failed = failed;
    w->ready = true;
    (void)pthread_cond_signal(&w->cond);
    (void)pthread_mutex_unlock(&w->lock);
}

gba_err store_write(store *s, const store_op *ops, size_t n, int64_t now, size_t *failed)
{
    if (failed != NULL)
        *failed = 0;
    if (s->thread_up && pthread_equal(pthread_self(), s->thread))
        return GBA_E_ARG; /* from a callback: it would wait for itself */
    waiter w = {.err = GBA_OK};
    (void)pthread_mutex_init(&w.lock, NULL);
    (void)pthread_cond_init(&w.cond, NULL);
    gba_err e = store_submit(s, ops, n, now, wake_waiter, &w);
    if (e == GBA_OK) {
        (void)pthread_mutex_lock(&w.lock);
        while (!w.ready)
            (void)pthread_cond_wait(&w.cond, &w.lock);
        (void)pthread_mutex_unlock(&w.lock);
        e = w.err;
        if (failed != NULL)
            *failed = w.failed;
    }
    (void)pthread_cond_destroy(&w.cond);
    (void)pthread_mutex_destroy(&w.lock);
    return e;
}

static int by_key(const void *a, const void *b)
{
    const store_op *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    int c = memcmp(x->key.p, y->key.p, x->key.n < y->key.n ? x->key.n : y->key.n);
    if (c != 0)
        return c;
    if (x->key.n != y->key.n)
        return x->key.n < y->key.n ? -1 : 1;
    return x->version < y->version ? -1 : x->version > y->version; /* the order they came in */
}

/* In key order, so that a database finds each of its pages once; of equal keys the last one wins. */
static store_op *in_key_order(const store_op *ops, size_t n)
{
    store_op *sorted = malloc((n > 0 ? n : 1) * sizeof *ops);
    if (sorted == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        sorted[i] = ops[i];
        sorted[i].version = i;
    }
    qsort(sorted, n, sizeof *sorted, by_key);
    return sorted;
}

gba_err store_write_many(store *s, const store_op *ops, size_t n)
{
    gba_err e = s->read_only ? GBA_E_ARG : store_check_ops(ops, n);
    for (size_t i = 0; e == GBA_OK && i < n; i++) {
        if (ops[i].type != STORE_PUT)
            e = GBA_E_ARG;
    }
    seal_job *j = NULL;
    if (e == GBA_OK)
        e = seal_job_new(s, &j);
    if (e != GBA_OK)
        return e;
    store_fault f = {{0}};
    store_op *sorted = in_key_order(ops, n);
    store_batch b = {.ops = sorted, .n = n};
    e = sorted != NULL ? seal_write(s, j, &b, &f) : GBA_E_NOMEM;
    if (sorted != NULL)
        note_commit(s, e, &f);
    if (sorted != NULL)
        note_kinds(s, &b);
    free(sorted);
    seal_job_free(&j);
    return e != GBA_OK ? e : b.err;
}

/* ---- reading ---- */

void store_record_free(store_record *r)
{
    if (r->value != NULL) {
        gba_wipe(r->value, r->n);
        free(r->value);
    }
    *r = (store_record){0};
}

/* `tries` left: a row may be under a data key that we have not seen yet, or no longer. */
static gba_err unreadable(store *s, const store_row *r, gba_err e, store_fault *f)
{
    if (e == GBA_E_STALE || e == GBA_E_CORRUPT) {
        char key[2 * 24 + 1];
        gba_hex_encode(r->key.p, r->key.n < 24 ? r->key.n : 24, key);
        store_fault_set(f,
                        "%s: a record of kind %d, key %s (hex) is damaged or was moved: restore a backup or remove it",
                        s->url, (int)r->kind, key);
        e = GBA_E_CORRUPT;
    }
    return e;
}

static gba_err get(store *s, store_kind k, gba_span key, int64_t now, bool keeps, store_record *out)
{
    *out = (store_record){0};
    if (key.n == 0 || key.n > STORE_KEY_MAX)
        return GBA_E_UNKNOWN;
    store_fault f = {{0}};
    gba_err e = GBA_E_STALE;
    uint32_t hash = keeps ? kept_hash(k, key) : 0;
    for (int i = 0; i < READ_TRIES && e == GBA_E_STALE; i++) {
        store_row r = {0};
        uint8_t *sealed = NULL;
        uint64_t count = 0;
        bool fresh = keeps && kept_count(s, hash, &count);
        bool kept = fresh && i == 0 && kept_find(s, hash, count, k, key, &r, &sealed);
        e = kept ? GBA_OK : s->driver->get(s->db, k, key, &r, &sealed, &f);
        if (e == GBA_OK && keeps && !kept)
            kept_keep(s, hash, count, k, key, &r);
        if (e == GBA_OK && store_expired(r.expiry, now))
            e = GBA_E_EXPIRED;
        if (e == GBA_OK) {
            r.kind = k;
            r.key = key;
            e = seal_open(s, &r, out);
            if (e == GBA_E_CORRUPT || (e == GBA_E_STALE && i + 1 == READ_TRIES))
                e = unreadable(s, &r, e, &f);
        }
        free(sealed);
        if (e == GBA_E_STALE && seal_reload(s, &f) != GBA_OK)
            e = GBA_E_CORRUPT;
    }
    return store_failed(s, e, &f);
}

gba_err store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out)
{
    return get(s, k, key, now, false, out);
}

void store_settle(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = STORE_SETTLE_MS * 1000000L}, NULL);
}

gba_err store_get_recent(store *s, store_kind k, gba_span key, int64_t now, store_record *out)
{
    return get(s, k, key, now, true, out);
}

/* A page of rows, copied so that a slow visitor holds no read transaction open. */
typedef struct page {
    store_row row[PAGE_ROWS];
    uint8_t *octets[PAGE_ROWS];
    size_t n;
    bool nomem;
} page;

static bool keep_row(void *ctx, const store_row *r)
{
    page *p = ctx;
    uint8_t *at = malloc(r->key.n + r->value.n + 1);
    if (at == NULL || p->n == PAGE_ROWS) {
        p->nomem = at == NULL;
        free(at);
        return false;
    }
    p->octets[p->n] = at;
    p->row[p->n] = *r;
    p->row[p->n].key = copy_span(&at, r->key);
    p->row[p->n].value = copy_span(&at, r->value);
    p->n++;
    return true;
}

static gba_err visit_row(store *s, store_row *r, store_visit *visit, void *ctx, bool *more, store_fault *f)
{
    store_record rec = {0};
    gba_err e = seal_open(s, r, &rec);
    for (int i = 0; e == GBA_E_STALE && i < READ_TRIES; i++) {
        /* Rotated since the page was read. */
        uint8_t *sealed = NULL;
        store_row again = {0};
        e = seal_reload(s, f);
        if (e == GBA_OK)
            e = s->driver->get(s->db, r->kind, r->key, &again, &sealed, f);
        if (e == GBA_OK) {
            again.kind = r->kind;
            again.key = r->key;
            e = seal_open(s, &again, &rec);
        }
        free(sealed);
    }
    if (e == GBA_E_UNKNOWN)
        return GBA_OK; /* deleted meanwhile */
    if (e != GBA_OK)
        return unreadable(s, r, e, f);
    *more = visit(ctx, r->key, &rec);
    store_record_free(&rec);
    return GBA_OK;
}

gba_err store_each(store *s, store_kind k, gba_span after, int64_t now, store_visit *visit, void *ctx)
{
    if (after.n > STORE_KEY_MAX)
        return GBA_E_ARG;
    uint8_t at[STORE_KEY_MAX];
    size_t at_n = after.n;
    if (at_n > 0)
        memcpy(at, after.p, at_n);
    page *p = calloc(1, sizeof *p);
    if (p == NULL)
        return GBA_E_NOMEM;
    store_fault f = {{0}};
    gba_err e = GBA_OK;
    bool more = true;
    while (e == GBA_OK && more) {
        p->n = 0;
        e = s->driver->page(s->db, k, gba_mem(at, at_n), PAGE_ROWS, keep_row, p, &f);
        if (e == GBA_OK && p->nomem)
            e = GBA_E_NOMEM;
        bool last = p->n < PAGE_ROWS;
        for (size_t i = 0; i < p->n; i++) {
            store_row *r = &p->row[i];
            at_n = r->key.n;
            memcpy(at, r->key.p, at_n);
            if (e == GBA_OK && more && !store_expired(r->expiry, now))
                e = visit_row(s, r, visit, ctx, &more, &f);
            free(p->octets[i]);
        }
        more = more && !last;
    }
    free(p);
    return store_failed(s, e, &f);
}

gba_err store_count(store *s, store_kind k, uint64_t *out)
{
    store_fault f = {{0}};
    *out = 0;
    return store_failed(s, s->driver->count(s->db, (int)k, out, &f), &f);
}

gba_err store_sweep(store *s, int64_t now, unsigned limit, unsigned *deleted)
{
    store_fault f = {{0}};
    *deleted = 0;
    if (s->read_only)
        return GBA_E_ARG;
    return store_failed(s, s->driver->sweep(s->db, now, limit, deleted, &f), &f);
}

uint64_t store_change_count_others(store *s)
{
    uint64_t count;
    (void)s->driver->foreign_count(s->db, &count);
    return count;
}

uint64_t store_change_count_of(store *s, store_kind k)
{
    uint64_t count;
    bool fresh = s->driver->foreign_count(s->db, &count);
    count += atomic_load(&s->wrote[(uint8_t)k]);
    /* Nobody could look whether another process wrote: a count that no cache has. */
    return fresh ? count : (UINT64_MAX >> 1) + atomic_fetch_add(&s->blind, 1);
}

gba_err store_backup(store *s, const char *path, store_progress *p, void *ctx)
{
    store_fault f = {{0}};
    return store_failed(s, s->driver->backup(s->db, path, p, ctx, &f), &f);
}

/* ---- health ---- */

static void probed(void *ctx, gba_err err, size_t failed)
{
    (void)err;
    (void)failed;
    atomic_store(&((store *)ctx)->probing, false);
}

gba_err store_health(store *s, char *why, size_t why_n)
{
    (void)pthread_mutex_lock(&s->fault_lock);
    gba_err e = s->commit_err;
    copy_text(why, why_n, e != GBA_OK ? s->commit_why.why : "");
    (void)pthread_mutex_unlock(&s->fault_lock);
    if (e != GBA_OK && !s->read_only && !atomic_exchange(&s->probing, true)) {
        if (store_submit(s, NULL, 0, 0, probed, s) != GBA_OK)
            atomic_store(&s->probing, false);
    }
    (void)pthread_mutex_lock(&s->lock);
    unsigned depth = s->depth;
    (void)pthread_mutex_unlock(&s->lock);
    if (e == GBA_OK && depth >= QUEUE_MAX) {
        if (why != NULL && why_n > 0)
            (void)snprintf(why, why_n, "%s: %u writes are waiting: the disk does not keep up", s->url, depth);
        e = GBA_E_BUSY;
    }
    return e;
}

/* ---- opening and closing ---- */

static void free_store(store *s)
{
    if (s->db != NULL)
        s->driver->close(&s->db);
    seal_job_free(&s->job);
    gba_wipe(&s->ring, sizeof s->ring);
    seal_keys_wipe(&s->master);
    (void)pthread_rwlock_destroy(&s->ring_lock);
    (void)pthread_mutex_destroy(&s->reload_lock);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->fault_lock);
    for (int i = 0; s->kept != NULL && i < KEPT_LOCKS; i++)
        (void)pthread_mutex_destroy(&s->kept->lock[i]);
    free(s->kept);
    free(s->url);
    free(s->key_file);
    free(s);
}

static store *new_store(const store_config *c, const store_driver *d)
{
    store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->driver = d;
    s->read_only = c->read_only;
    s->group_max = c->group_max > 0 ? c->group_max : GROUP_DEFAULT;
    s->group_wait_us = c->group_wait_us;
    s->tail = &s->head;
    (void)pthread_rwlock_init(&s->ring_lock, NULL);
    (void)pthread_mutex_init(&s->reload_lock, NULL);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->wake, NULL);
    (void)pthread_mutex_init(&s->fault_lock, NULL);
    s->kept = calloc(1, sizeof *s->kept);
    for (int i = 0; s->kept != NULL && i < KEPT_LOCKS; i++)
        (void)pthread_mutex_init(&s->kept->lock[i], NULL);
    s->url = strdup(c->url + strlen(d->scheme));
    s->key_file = strdup(c->key_file);
    if (s->kept == NULL || s->url == NULL || s->key_file == NULL) {
        free_store(s);
        return NULL;
    }
    return s;
}

static gba_err start_writer(store *s, store_fault *f)
{
    gba_err e = seal_job_new(s, &s->job);
    if (e != GBA_OK)
        return e;
    int error = pthread_create(&s->thread, NULL, writer, s);
    if (error != 0) {
        store_fault_set(f, "%s: cannot start the writer thread: %s", s->url, strerror(error));
        return GBA_E_NOMEM;
    }
    s->thread_up = true;
    return GBA_OK;
}

gba_err store_open(const store_config *c, store **out, char *why, size_t why_n)
{
    *out = NULL;
    copy_text(why, why_n, "");
    const store_driver *d = NULL;
    for (size_t i = 0; c->url != NULL && i < sizeof drivers / sizeof *drivers; i++) {
        if (strncmp(c->url, drivers[i]->scheme, strlen(drivers[i]->scheme)) == 0)
            d = drivers[i];
    }
    store_fault f = {{0}};
    if (d == NULL || c->key_file == NULL) {
        store_fault_set(&f, "%s: not the URL of a store (sqlite:/PATH), or no key file is given", c->url ? c->url : "");
        copy_text(why, why_n, f.why);
        return d == NULL ? GBA_E_UNSUPPORTED : GBA_E_ARG;
    }
    store *s = new_store(c, d);
    if (s == NULL)
        return GBA_E_NOMEM;
    /* The key file first: a faulty one must not leave a new database behind. */
    gba_err e = seal_file_load(s->key_file, &s->master, f.why, sizeof f.why);
    if (e == GBA_E_UNKNOWN)
        e = GBA_E_CORRUPT; /* of a key file: UNKNOWN is about the database */
    if (e == GBA_OK)
        e = d->open(c, s->url, &s->db, &f);
    if (e == GBA_OK)
        e = seal_reload(s, &f);
    if (e == GBA_OK && !s->read_only)
        e = start_writer(s, &f);
    if (e != GBA_OK) {
        copy_text(why, why_n, f.why[0] != '\0' ? f.why : gba_err_text(e));
        free_store(s);
        return e;
    }
    *out = s;
    return GBA_OK;
}

void store_close(store **s)
{
    if (*s == NULL)
        return;
    if ((*s)->thread_up) {
        (void)pthread_mutex_lock(&(*s)->lock);
        (*s)->stop = true;
        (void)pthread_cond_signal(&(*s)->wake);
        (void)pthread_mutex_unlock(&(*s)->lock);
        (void)pthread_join((*s)->thread, NULL);
    }
    free_store(*s);
    *s = NULL;
}
