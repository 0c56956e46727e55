/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sqlite.c - the embedded driver, and with store_sqlite_file.c all that knows SQLite.
 *
 * WAL mode: one connection writes, under a mutex in this process and SQLite's lock between
 * processes; reads use a pool of connections and never wait for a writer.
 */
#include "service/store_sqlite.h"
#include <stdlib.h>
#include <string.h>

#define SWEEP_ROWS 500

static sqlite3_stmt *keyed(conn *c, enum statement i, int kind, gba_span key)
{
    sqlite3_stmt *st = sq_prepared(c, i);
    if (st != NULL) {
        (void)sqlite3_bind_int(st, 1, kind);
        sq_bind_span(st, 2, key);
    }
    return st;
}

/* ---- data keys ---- */

static gba_err read_deks(store_db *db, conn *c, store_keys *out, store_fault *f)
{
    sqlite3_stmt *st = sq_prepared(c, S_DEKS);
    if (st == NULL)
        return sq_fault(db, c, f);
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        gba_span master = sq_column_span(st, 1), wrapped = sq_column_span(st, 2);
        int64_t id = sqlite3_column_int64(st, 0);
        if (out->n == STORE_DEKS_MAX || id < 1 || id > UINT32_MAX || master.n > STORE_MASTER_ID_MAX ||
            wrapped.n != STORE_WRAPPED_LEN) {
            (void)sqlite3_reset(st);
            return sq_fault_of(db->path, SQLITE_CORRUPT, "malformed data keys", 0, f);
        }
        store_wrapped *w = &out->key[out->n++];
        w->id = (uint32_t)id;
        if (master.n > 0)
            memcpy(w->master, master.p, master.n);
        memcpy(w->octets, wrapped.p, STORE_WRAPPED_LEN);
    }
    (void)sqlite3_reset(st);
    return rc == SQLITE_DONE ? GBA_OK : sq_fault(db, c, f);
}

static gba_err sq_keys_get(store_db *db, store_keys *out, store_fault *f)
{
    memset(out, 0, sizeof *out);
    conn *c;
    unsigned version;
    gba_err e = sq_reader(db, &c, f);
    if (e != GBA_OK)
        return e;
    e = sq_run(db, c, sq_prepared(c, S_BEGIN_READ), f);
    if (e == GBA_OK) {
        e = sq_check_schema(db, c, &version, f);
        if (e == GBA_OK)
            e = sq_read_state(db, c, &out->generation, NULL, out->store_id, f);
        if (e == GBA_OK)
            e = read_deks(db, c, out, f);
        (void)sq_done(sq_prepared(c, S_COMMIT));
    }
    sq_give_back(db, c);
    return e;
}

/* ---- the write transaction ---- */

/*
 * SQLite's lock has no queue: another process polls for it (POLL_US). A writer that commits
 * without pause would never let it in, so it rests a millisecond in each 50.
 */
static void let_others_in(store_db *db)
{
    int64_t now = sq_mono_us(CLOCK_MONOTONIC);
    if (now - db->last_commit > 4 * POLL_US) {
        db->stretch_began = now;
    } else if (now - db->stretch_began > 50000) {
        sq_pause_us(4 * POLL_US);
        db->stretch_began = sq_mono_us(CLOCK_MONOTONIC);
    }
}

/* Takes the write lock of process and file. generation: expected, else STALE. Not OK: nothing is held. */
static gba_err begin(store_db *db, uint64_t generation, uint64_t *version, store_fault *f)
{
    (void)pthread_mutex_lock(&db->write_lock);
    let_others_in(db);
    uint64_t found = 0;
    gba_err e = sq_run(db, db->w, sq_prepared(db->w, S_BEGIN), f);
    if (e == GBA_OK)
        e = sq_read_state(db, db->w, &found, version, NULL, f);
    if (e == GBA_OK)
        sq_look_around(db);
    if (e == GBA_OK && found != generation)
        e = GBA_E_STALE;
    if (e != GBA_OK) {
        sq_rollback(db->w);
        (void)pthread_mutex_unlock(&db->write_lock);
    }
    return e;
}

/* Commits if e is OK so far, else rolls back; gives the locks back. */
static gba_err finish(store_db *db, gba_err e, store_fault *f)
{
    if (e == GBA_OK)
        e = sq_run(db, db->w, sq_prepared(db->w, S_COMMIT), f);
    sq_rollback(db->w);
    db->last_commit = sq_mono_us(CLOCK_MONOTONIC);
    (void)pthread_mutex_unlock(&db->write_lock);
    return e;
}

/* *cond: what the operation's condition gives. */
static gba_err check_op(store_db *db, const store_op *o, int64_t now, gba_err *cond, store_fault *f)
{
    *cond = GBA_OK;
    if (o->type == STORE_PUT || (o->type == STORE_TAKE && o->optional && o->version == 0))
        return GBA_OK;
    sqlite3_stmt *st = keyed(db->w, S_FIND, (int)o->kind, o->key);
    int rc = st != NULL ? sqlite3_step(st) : SQLITE_ERROR;
    bool there = rc == SQLITE_ROW;
    uint64_t version = there ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    bool live = there && !store_expired(sqlite3_column_int64(st, 1), now);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        gba_err e = sq_fault(db, db->w, f);
        (void)sqlite3_reset(st);
        return e;
    }
    (void)sqlite3_reset(st);
    if (o->type == STORE_INSERT && live)
        *cond = GBA_E_FORBIDDEN;
    else if (o->type == STORE_SWAP && (!there || version != o->version))
        *cond = GBA_E_STALE;
    else if (o->type == STORE_TAKE && !live && !o->optional)
        *cond = GBA_E_UNKNOWN;
    else if (o->type == STORE_TAKE && there && o->version != 0 && version != o->version)
        *cond = GBA_E_STALE;
    return GBA_OK;
}

/*
 * Table `due` says which records to look at when a time has come. Its ids grow with the
 * expiry, so that daemons append to it, where an index on rec would dirty a page a record.
 * Entries of records that were renewed or taken meanwhile stay until their time and then do nothing.
 */
#define DUE_BITS 28
static sqlite3_int64 due_id(int64_t expiry, uint64_t version)
{
    const int64_t last = (INT64_C(1) << (63 - DUE_BITS)) - 1;
    return (expiry < last ? expiry : last) << DUE_BITS | (int64_t)(version & ((1U << DUE_BITS) - 1));
}

static gba_err apply_op(store_db *db, const store_op *o, uint64_t *version, const store_sealer *s, store_fault *f)
{
    if (o->type == STORE_TAKE)
        return sq_run(db, db->w, keyed(db->w, S_DELETE, (int)o->kind, o->key), f);
    gba_span sealed;
    gba_err e = s->seal(s->ctx, o, ++*version, &sealed);
    if (e != GBA_OK)
        return e;
    sqlite3_stmt *st = keyed(db->w, S_PUT, (int)o->kind, o->key);
    if (st == NULL)
        return sq_fault(db, db->w, f);
    (void)sqlite3_bind_int64(st, 3, (sqlite3_int64)*version);
    (void)sqlite3_bind_int64(st, 4, o->expiry);
    sq_bind_span(st, 5, sealed);
    e = sq_run(db, db->w, st, f);
    if (e != GBA_OK || o->expiry == 0)
        return e;
    st = keyed(db->w, S_DUE_ADD, (int)o->kind, o->key);
    (void)sqlite3_bind_int64(st, 3, due_id(o->expiry, *version));
    return sq_run(db, db->w, st, f);
}

static gba_err plan_batch(store_db *db, store_batch *b, const store_sealer *s, store_fault *f)
{
    sqlite3_stmt *st = keyed(db->w, S_GET, (int)b->kind, b->key);
    int rc = st != NULL ? sqlite3_step(st) : SQLITE_ERROR;
    gba_err e = rc == SQLITE_ROW || rc == SQLITE_DONE ? GBA_OK : sq_fault(db, db->w, f);
    store_row r = {.kind = b->kind, .key = b->key};
    if (rc == SQLITE_ROW) {
        r.version = (uint64_t)sqlite3_column_int64(st, 0);
        r.expiry = sqlite3_column_int64(st, 1);
        r.value = sq_column_span(st, 2);
    }
    if (e == GBA_OK)
        s->plan(s->ctx, b, rc == SQLITE_ROW && !store_expired(r.expiry, b->now) ? &r : NULL, f);
    (void)sqlite3_reset(st);
    return e;
}

static gba_err apply_batch(store_db *db, store_batch *b, uint64_t *version, const store_sealer *s, store_fault *f)
{
    b->err = GBA_OK;
    b->failed = 0;
    gba_err e = b->plan != NULL ? plan_batch(db, b, s, f) : GBA_OK;
    for (size_t i = 0; e == GBA_OK && b->err == GBA_OK && i < b->n; i++) {
        b->failed = i;
        e = check_op(db, &b->ops[i], b->now, &b->err, f);
    }
    for (size_t i = 0; e == GBA_OK && b->err == GBA_OK && i < b->n; i++)
        e = apply_op(db, &b->ops[i], version, s, f);
    return e;
}

static gba_err sq_write(store_db *db, store_batch *list, const store_sealer *s, store_fault *f)
{
    uint64_t version;
    gba_err e = begin(db, s->generation, &version, f);
    if (e != GBA_OK)
        return e;
    for (store_batch *b = list; e == GBA_OK && b != NULL; b = b->next)
        e = apply_batch(db, b, &version, s, f);
    if (e == GBA_OK) {
        sqlite3_stmt *st = sq_prepared(db->w, S_SET_VERSION);
        (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)version);
        e = sq_run(db, db->w, st, f);
    }
    return finish(db, e, f);
}

static gba_err sq_keys_set(store_db *db, const store_keys *k, store_fault *f)
{
    gba_err e = begin(db, k->generation, NULL, f);
    if (e != GBA_OK)
        return e;
    conn *w = db->w;
    e = sq_run(db, w, sq_prepared(w, S_DEK_CLEAR), f);
    for (size_t i = 0; e == GBA_OK && i < k->n; i++) {
        sqlite3_stmt *st = sq_prepared(w, S_DEK_ADD);
        if (st != NULL) {
            (void)sqlite3_bind_int64(st, 1, k->key[i].id);
            (void)sqlite3_bind_text(st, 2, k->key[i].master, -1, SQLITE_STATIC);
            sq_bind_span(st, 3, GBA_SPAN(k->key[i].octets));
        }
        e = sq_run(db, w, st, f);
    }
    if (e == GBA_OK) {
        sqlite3_stmt *st = sq_prepared(w, S_SET_KEYS);
        (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)(k->generation + 1));
        sq_bind_span(st, 2, GBA_SPAN(k->store_id));
        e = sq_run(db, w, st, f);
    }
    e = finish(db, e, f);
    if (e == GBA_OK) {
        /* An old data key must not linger in the log; a reader may hold it back: the next checkpoint does it then. */
        (void)pthread_mutex_lock(&db->write_lock);
        (void)sqlite3_wal_checkpoint_v2(w->h, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        (void)pthread_mutex_unlock(&db->write_lock);
    }
    return e;
}

/* ---- re-sealing ---- */

typedef struct changed {
    struct changed *next;
    int kind;
    size_t key_n, value_n;
    uint8_t octets[];
} changed;

static bool keep_change(changed ***tail, const store_row *r, gba_span sealed)
{
    changed *c = malloc(sizeof *c + r->key.n + sealed.n);
    if (c == NULL)
        return false;
    *c = (changed){.kind = (int)r->kind, .key_n = r->key.n, .value_n = sealed.n};
    memcpy(c->octets, r->key.p, r->key.n);
    memcpy(c->octets + r->key.n, sealed.p, sealed.n);
    **tail = c;
    *tail = &c->next;
    return true;
}

static store_row row_at(sqlite3_stmt *st)
{
    return (store_row){.kind = (store_kind)sqlite3_column_int(st, 0),
                       .key = sq_column_span(st, 1),
                       .version = (uint64_t)sqlite3_column_int64(st, 2),
                       .expiry = sqlite3_column_int64(st, 3),
                       .value = sq_column_span(st, 4)};
}

/* Reads the next rows and keeps those that must change; moves the cursor. */
static gba_err read_chunk(store_db *db, store_cursor *at, unsigned limit, const store_sealer *s, changed **list,
                          store_fault *f)
{
    sqlite3_stmt *st = keyed(db->w, S_NEXT, at->kind, gba_mem(at->key, at->key_n));
    if (st == NULL)
        return sq_fault(db, db->w, f);
    (void)sqlite3_bind_int64(st, 3, limit);
    store_cursor next = *at;
    unsigned n = 0;
    int rc;
    gba_err e = GBA_OK;
    while (e == GBA_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        store_row r = row_at(st);
        gba_span sealed = {0};
        if (r.key.n == 0 || r.key.n > STORE_KEY_MAX)
            e = sq_fault_of(db->path, SQLITE_CORRUPT, "a key of a wrong size", 0, f);
        if (e == GBA_OK)
            e = s->reseal(s->ctx, &r, &sealed, f);
        if (e == GBA_OK && sealed.p != NULL && !keep_change(&list, &r, sealed))
            e = GBA_E_NOMEM;
        if (e != GBA_OK)
            break;
        next.kind = (int)r.kind;
        next.key_n = r.key.n;
        memcpy(next.key, r.key.p, r.key.n);
        n++;
    }
    if (e == GBA_OK && rc != SQLITE_DONE)
        e = sq_fault(db, db->w, f);
    (void)sqlite3_reset(st);
    next.seen += n;
    next.end = n < limit;
    if (e == GBA_OK)
        *at = next;
    return e;
}

static gba_err sq_reseal(store_db *db, store_cursor *at, unsigned limit, const store_sealer *s, store_fault *f)
{
    gba_err e = begin(db, s->generation, NULL, f);
    if (e != GBA_OK)
        return e;
    changed *list = NULL;
    store_cursor next = *at;
    e = read_chunk(db, &next, limit, s, &list, f);
    while (list != NULL) {
        changed *c = list;
        list = c->next;
        sqlite3_stmt *st = e == GBA_OK ? keyed(db->w, S_RESEAL, c->kind, gba_mem(c->octets, c->key_n)) : NULL;
        if (st != NULL)
            sq_bind_span(st, 3, gba_mem(c->octets + c->key_n, c->value_n));
        if (e == GBA_OK)
            e = sq_run(db, db->w, st, f);
        free(c);
    }
    e = finish(db, e, f);
    if (e == GBA_OK)
        *at = next;
    return e;
}

/* ---- reading ---- */

static gba_err sq_get(store_db *db, store_kind k, gba_span key, store_row *r, uint8_t **value, store_fault *f)
{
    conn *c;
    gba_err e = sq_reader(db, &c, f);
    if (e != GBA_OK)
        return e;
    sqlite3_stmt *st = keyed(c, S_GET, (int)k, key);
    int rc = st != NULL ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW) {
        gba_span v = sq_column_span(st, 2);
        *value = malloc(v.n + 1);
        if (*value == NULL) {
            e = GBA_E_NOMEM;
        } else {
            if (v.n > 0)
                memcpy(*value, v.p, v.n);
            *r = (store_row){.kind = k,
                             .version = (uint64_t)sqlite3_column_int64(st, 0),
                             .expiry = sqlite3_column_int64(st, 1),
                             .value = gba_mem(*value, v.n)};
        }
    } else {
        e = rc == SQLITE_DONE ? GBA_E_UNKNOWN : sq_fault(db, c, f);
    }
    (void)sqlite3_reset(st);
    sq_give_back(db, c);
    return e;
}

static gba_err sq_page(store_db *db, store_kind k, gba_span after, unsigned limit, store_row_fn *fn, void *ctx,
                       store_fault *f)
{
    conn *c;
    gba_err e = sq_reader(db, &c, f);
    if (e != GBA_OK)
        return e;
    sqlite3_stmt *st = keyed(c, S_PAGE, (int)k, after);
    int rc = SQLITE_ERROR;
    bool more = true;
    if (st != NULL) {
        (void)sqlite3_bind_int64(st, 3, limit);
        while (more && (rc = sqlite3_step(st)) == SQLITE_ROW) {
            store_row r = row_at(st);
            if (r.key.n > 0 && r.key.n <= STORE_KEY_MAX)
                more = fn(ctx, &r);
        }
    }
    if (more && rc != SQLITE_DONE)
        e = sq_fault(db, c, f);
    (void)sqlite3_reset(st);
    sq_give_back(db, c);
    return e;
}

static gba_err sq_count(store_db *db, int kind, uint64_t *out, store_fault *f)
{
    conn *c;
    gba_err e = sq_reader(db, &c, f);
    if (e != GBA_OK)
        return e;
    sqlite3_stmt *st = sq_prepared(c, kind != 0 ? S_COUNT : S_COUNT_ALL);
    if (st != NULL && kind != 0)
        (void)sqlite3_bind_int(st, 1, kind);
    if (st != NULL && sqlite3_step(st) == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(st, 0);
    else
        e = sq_fault(db, c, f);
    (void)sqlite3_reset(st);
    sq_give_back(db, c);
    return e;
}

/* Up to `want` due entries in one transaction. *seen: entries; *deleted: the records that had expired. */
static gba_err sweep_chunk(store_db *db, int64_t now, unsigned want, unsigned *seen, unsigned *deleted, store_fault *f)
{
    *seen = *deleted = 0;
    (void)pthread_mutex_lock(&db->write_lock);
    let_others_in(db);
    conn *w = db->w;
    gba_err e = sq_run(db, w, sq_prepared(w, S_BEGIN), f);
    sqlite3_stmt *next = e == GBA_OK ? sq_prepared(w, S_DUE_NEXT) : NULL;
    if (e == GBA_OK && next == NULL)
        e = sq_fault(db, w, f);
    (void)sqlite3_bind_int64(next, 1, due_id(now + 1, 0));
    (void)sqlite3_bind_int64(next, 2, want);
    int rc = SQLITE_DONE;
    sqlite3_int64 last = 0;
    while (e == GBA_OK && (rc = sqlite3_step(next)) == SQLITE_ROW) {
        last = sqlite3_column_int64(next, 0);
        sqlite3_stmt *st = keyed(w, S_SWEEP, sqlite3_column_int(next, 1), sq_column_span(next, 2));
        (void)sqlite3_bind_int64(st, 3, now);
        e = sq_run(db, w, st, f);
        *deleted += e == GBA_OK ? (unsigned)sqlite3_changes(w->h) : 0;
        ++*seen;
    }
    if (e == GBA_OK && rc != SQLITE_DONE)
        e = sq_fault(db, w, f);
    (void)sqlite3_reset(next);
    if (e == GBA_OK && *seen > 0) {
        sqlite3_stmt *st = sq_prepared(w, S_DUE_CLEAR);
        (void)sqlite3_bind_int64(st, 1, last);
        e = sq_run(db, w, st, f);
    }
    return finish(db, e, f);
}

static gba_err sq_sweep(store_db *db, int64_t now, unsigned limit, unsigned *deleted, store_fault *f)
{
    gba_err e = GBA_OK;
    *deleted = 0;
    for (bool more = true; e == GBA_OK && more && *deleted < limit;) {
        unsigned want = limit - *deleted < SWEEP_ROWS ? limit - *deleted : SWEEP_ROWS, seen, gone;
        e = sweep_chunk(db, now, want, &seen, &gone, f);
        if (e == GBA_OK)
            *deleted += gone;
        more = seen == want;
        if (more)
            sq_pause_us(4 * POLL_US); /* the batches that wait come first */
    }
    return e;
}

const store_driver store_driver_sqlite = {
    .scheme = "sqlite:",
    .open = sq_open,
    .close = sq_close,
    .keys_get = sq_keys_get,
    .keys_set = sq_keys_set,
    .get = sq_get,
    .page = sq_page,
    .write = sq_write,
    .reseal = sq_reseal,
    .count = sq_count,
    .sweep = sq_sweep,
    .foreign_count = sq_foreign_count,
    .backup = sq_backup,
};
