/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sqlite_file.c - the SQLite driver's file: opening, schema, connections, faults, backup.
 */
#include "service/store_sqlite.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 1195524435 /* "GBAS" */
#define IDLE_READERS 32
#define READ_WAIT_MS 5000
#define BACKUP_PAGES 256
#define WATCH_MS 10

unsigned store_sqlite_busy_ms = 10000;

const store_sqlite_schema store_sqlite_schema_current = {
    .n = 1,
    .step = {"CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), store_id BLOB NOT NULL,"
             " version INTEGER NOT NULL, generation INTEGER NOT NULL);"
             "INSERT INTO state VALUES(1, zeroblob(16), 0, 0);"
             "CREATE TABLE dek(id INTEGER PRIMARY KEY, master TEXT NOT NULL, wrapped BLOB NOT NULL);"
             "CREATE TABLE rec(kind INTEGER NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL,"
             " expiry INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID;"
             "CREATE TABLE due(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, key BLOB NOT NULL);"},
};
const store_sqlite_schema *store_sqlite_schema_used = &store_sqlite_schema_current;

static const char *const sql[S_MAX] = {
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_BEGIN_READ] = "BEGIN",
    [S_COMMIT] = "COMMIT",
    [S_STATE] = "SELECT generation, version, store_id FROM state WHERE id = 1",
    [S_SET_VERSION] = "UPDATE state SET version = ?1 WHERE id = 1",
    [S_FIND] = "SELECT version, expiry FROM rec WHERE kind = ?1 AND key = ?2",
    [S_PUT] = "REPLACE INTO rec(kind, key, version, expiry, value) VALUES(?1, ?2, ?3, ?4, ?5)",
    [S_DELETE] = "DELETE FROM rec WHERE kind = ?1 AND key = ?2",
    [S_GET] = "SELECT version, expiry, value FROM rec WHERE kind = ?1 AND key = ?2",
    [S_PAGE] = "SELECT kind, key, version, expiry, value FROM rec WHERE kind = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
    [S_NEXT] = "SELECT kind, key, version, expiry, value FROM rec WHERE (kind, key) > (?1, ?2)"
               " ORDER BY kind, key LIMIT ?3",
    [S_RESEAL] = "UPDATE rec SET value = ?3 WHERE kind = ?1 AND key = ?2",
    [S_COUNT] = "SELECT count(*) FROM rec WHERE kind = ?1",
    [S_COUNT_ALL] = "SELECT count(*) FROM rec",
    [S_DUE_ADD] = "REPLACE INTO due(id, kind, key) VALUES(?3, ?1, ?2)",
    [S_DUE_NEXT] = "SELECT id, kind, key FROM due WHERE id < ?1 ORDER BY id LIMIT ?2",
    [S_DUE_CLEAR] = "DELETE FROM due WHERE id <= ?1",
    [S_SWEEP] = "DELETE FROM rec WHERE kind = ?1 AND key = ?2 AND expiry > 0 AND expiry <= ?3",
    [S_DEKS] = "SELECT id, master, wrapped FROM dek ORDER BY id",
    [S_DEK_CLEAR] = "DELETE FROM dek",
    [S_DEK_ADD] = "INSERT INTO dek(id, master, wrapped) VALUES(?1, ?2, ?3)",
    [S_SET_KEYS] = "UPDATE state SET generation = ?1, store_id = ?2 WHERE id = 1",
    [S_SCHEMA] = "PRAGMA user_version",
    [S_WATCH] = "PRAGMA data_version",
};


int64_t sq_mono_us(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void sq_pause_us(long us)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* ---- faults ---- */

gba_err sq_fault_of(const char *path, int rc, const char *text, int os_error, store_fault *f)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        store_fault_set(f, "%s: the disk is full: make room on its file system; writing goes on by itself", path);
        return GBA_E_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        store_fault_set(f, "%s: locked by another process for too long: find it with fuser %s and end it", path, path);
        return GBA_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        store_fault_set(f, "%s: damaged (%s): stop the daemons and restore a backup", path, text);
        return GBA_E_CORRUPT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        store_fault_set(f, "%s: not writable: check the owner and mode of the file and its directory, and the mount",
                        path);
        return GBA_E_IO;
    case SQLITE_NOMEM:
        store_fault_set(f, "%s: out of memory", path);
        return GBA_E_NOMEM;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
        store_fault_set(f, "%s: not a store of this program (%s): check the path, or restore a backup", path, text);
        return GBA_E_CORRUPT;
    default:
        store_fault_set(f, "%s: %s%s%s (code %d): check the file, its directory and its disk", path, text,
                        os_error != 0 ? ": " : "", os_error != 0 ? strerror(os_error) : "", rc);
        return GBA_E_IO;
    }
}

gba_err sq_fault(const store_db *db, const conn *c, store_fault *f)
{
    return sq_fault_of(db->path, sqlite3_extended_errcode(c->h), sqlite3_errmsg(c->h), sqlite3_system_errno(c->h), f);
}

/* ---- connections and statements ---- */

static int wait_a_little(void *ctx, int tries)
{
    conn *c = ctx;
    int64_t now = sq_mono_us(CLOCK_MONOTONIC);
    if (tries == 0)
        c->waiting_since = now;
    if (now - c->waiting_since > (int64_t)c->wait_ms * 1000)
        return 0;
    sq_pause_us(POLL_US);
    return 1;
}

void sq_conn_close(conn **c)
{
    if (*c == NULL)
        return;
    for (int i = 0; i < S_MAX; i++)
        (void)sqlite3_finalize((*c)->st[i]);
    (void)sqlite3_close_v2((*c)->h);
    free(*c);
    *c = NULL;
}

static int run_sql(conn *c, const char *text)
{
    return sqlite3_exec(c->h, text, NULL, NULL, NULL);
}

gba_err sq_conn_open(const store_db *db, bool write, conn **out, store_fault *f)
{
    conn *c = calloc(1, sizeof *c);
    *out = NULL;
    if (c == NULL)
        return GBA_E_NOMEM;
    c->wait_ms = write ? store_sqlite_busy_ms : READ_WAIT_MS;
    int flags = SQLITE_OPEN_NOMUTEX | (db->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    int rc = sqlite3_open_v2(db->path, &c->h, flags, write && db->full ? sq_gathering_vfs() : NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_extended_result_codes(c->h, 1);
        (void)sqlite3_busy_handler(c->h, wait_a_little, c);
        (void)sqlite3_db_config(c->h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        (void)sqlite3_db_config(c->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        rc = run_sql(c, write ? "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = FAST;"
                                "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864"
                              : "PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY; PRAGMA query_only = 1");
    }
    if (rc == SQLITE_OK && write)
        rc = run_sql(c, db->full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    if (rc != SQLITE_OK) {
        gba_err e = c->h != NULL ? sq_fault(db, c, f) : GBA_E_NOMEM;
        sq_conn_close(&c);
        return e;
    }
    *out = c;
    return GBA_OK;
}

/* The statement, prepared once a connection; NULL: see the connection's error. */
sqlite3_stmt *sq_prepared(conn *c, enum statement i)
{
    if (c->st[i] == NULL)
        (void)sqlite3_prepare_v3(c->h, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &c->st[i], NULL);
    return c->st[i];
}

void sq_bind_span(sqlite3_stmt *st, int at, gba_span s)
{
    /* SQLite reads a NULL pointer as NULL, not as an empty blob. */
    (void)sqlite3_bind_blob(st, at, s.n > 0 ? (const void *)s.p : "", (int)s.n, SQLITE_STATIC);
}

/* Runs a statement that gives no row. */
int sq_done(sqlite3_stmt *st)
{
    if (st == NULL)
        return SQLITE_ERROR;
    (void)sqlite3_step(st);
    return sqlite3_reset(st);
}

gba_err sq_run(const store_db *db, conn *c, sqlite3_stmt *st, store_fault *f)
{
    return sq_done(st) == SQLITE_OK ? GBA_OK : sq_fault(db, c, f);
}

gba_span sq_column_span(sqlite3_stmt *st, int i)
{
    const void *p = sqlite3_column_blob(st, i);
    return gba_mem(p, (size_t)sqlite3_column_bytes(st, i));
}

gba_err sq_reader(store_db *db, conn **out, store_fault *f)
{
    (void)pthread_mutex_lock(&db->read_lock);
    conn *c = db->idle;
    if (c != NULL) {
        db->idle = c->next;
        db->n_idle--;
    }
    (void)pthread_mutex_unlock(&db->read_lock);
    *out = c;
    return c != NULL ? GBA_OK : sq_conn_open(db, false, out, f);
}

void sq_give_back(store_db *db, conn *c)
{
    (void)pthread_mutex_lock(&db->read_lock);
    bool keep = db->n_idle < IDLE_READERS;
    if (keep) {
        c->next = db->idle;
        db->idle = c;
        db->n_idle++;
    }
    (void)pthread_mutex_unlock(&db->read_lock);
    if (!keep)
        sq_conn_close(&c);
}

void sq_rollback(conn *c)
{
    if (!sqlite3_get_autocommit(c->h))
        (void)run_sql(c, "ROLLBACK");
}

gba_err sq_read_state(store_db *db, conn *c, uint64_t *generation, uint64_t *version, uint8_t *store_id,
                          store_fault *f)
{
    sqlite3_stmt *st = sq_prepared(c, S_STATE);
    if (st == NULL || sqlite3_step(st) != SQLITE_ROW) {
        gba_err e = sqlite3_errcode(c->h) == SQLITE_DONE ? sq_fault_of(db->path, SQLITE_CORRUPT, "no state row", 0, f)
                                                         : sq_fault(db, c, f);
        (void)sqlite3_reset(st);
        return e;
    }
    *generation = (uint64_t)sqlite3_column_int64(st, 0);
    if (version != NULL)
        *version = (uint64_t)sqlite3_column_int64(st, 1);
    gba_span id = sq_column_span(st, 2);
    gba_err e = GBA_OK;
    if (id.n != 16)
        e = sq_fault_of(db->path, SQLITE_CORRUPT, "store id of a wrong size", 0, f);
    else if (store_id != NULL)
        memcpy(store_id, id.p, 16);
    (void)sqlite3_reset(st);
    return e;
}

/* Of a handle that only reads: any commit counts. */
static uint64_t commits(store_db *db)
{
    (void)pthread_mutex_lock(&db->watch_lock);
    if (db->watch == NULL) {
        store_fault f;
        if (sq_conn_open(db, false, &db->watch, &f) != GBA_OK)
            db->watch = NULL;
    }
    sqlite3_stmt *st = db->watch != NULL ? sq_prepared(db->watch, S_WATCH) : NULL;
    if (st != NULL) {
        if (sqlite3_step(st) == SQLITE_ROW)
            db->watched = (uint64_t)sqlite3_column_int64(st, 0);
        (void)sqlite3_reset(st);
    }
    uint64_t seen = db->watched;
    (void)pthread_mutex_unlock(&db->watch_lock);
    return seen;
}

/* A connection's data_version moves with the commits of others alone. */
void sq_look_around(store_db *db)
{
    sqlite3_stmt *st = sq_prepared(db->w, S_WATCH);
    int64_t began = sq_mono_us(CLOCK_MONOTONIC_COARSE); /* what is committed later may be missed */
    if (st == NULL)
        return;
    if (sqlite3_step(st) == SQLITE_ROW) {
        int64_t found = sqlite3_column_int64(st, 0);
        if (found != db->seen)
            atomic_fetch_add(&db->foreign, 1);
        db->seen = found;
        atomic_store_explicit(&db->foreign_at, began, memory_order_release);
    }
    (void)sqlite3_reset(st);
}

bool sq_foreign_count(store_db *db, uint64_t *count)
{
    if (db->w == NULL) {
        *count = commits(db);
        return true;
    }
    int64_t now = sq_mono_us(CLOCK_MONOTONIC_COARSE);
    int64_t last = atomic_load_explicit(&db->foreign_at, memory_order_relaxed);
    /* While this handle writes, nobody else does, and each of its writes looks around. */
    if (now - last >= WATCH_MS * 1000 && pthread_mutex_trylock(&db->write_lock) == 0) {
        sq_look_around(db);
        (void)pthread_mutex_unlock(&db->write_lock);
    }
    /* The time first: a look that ends in between must not make an older count fresh. */
    last = atomic_load_explicit(&db->foreign_at, memory_order_acquire);
    *count = atomic_load(&db->foreign);
    return now - last < 2 * WATCH_MS * 1000;
}

/* ---- backup ---- */

static gba_err copy_pages(store_db *db, conn *from, sqlite3 *to, const char *path, store_progress *p, void *ctx,
                          store_fault *f)
{
    /* A read transaction of our own holds one snapshot, so that writers never make the copy start over. */
    gba_err e = sq_run(db, from, sq_prepared(from, S_BEGIN_READ), f);
    uint64_t generation;
    if (e == GBA_OK)
        e = sq_read_state(db, from, &generation, NULL, NULL, f);
    sqlite3_backup *b = e == GBA_OK ? sqlite3_backup_init(to, "main", from->h, "main") : NULL;
    int rc = b != NULL ? SQLITE_OK : SQLITE_ERROR;
    while (b != NULL && (rc = sqlite3_backup_step(b, BACKUP_PAGES)) == SQLITE_OK) {
        if (p != NULL)
            p(ctx, (uint64_t)(sqlite3_backup_pagecount(b) - sqlite3_backup_remaining(b)),
              (uint64_t)sqlite3_backup_pagecount(b));
    }
    if (b != NULL && rc == SQLITE_DONE && p != NULL)
        p(ctx, (uint64_t)sqlite3_backup_pagecount(b), (uint64_t)sqlite3_backup_pagecount(b));
    int end = sqlite3_backup_finish(b);
    if (e == GBA_OK && (rc != SQLITE_DONE || end != SQLITE_OK))
        e = sq_fault_of(path, rc != SQLITE_DONE ? rc : end, sqlite3_errmsg(to), sqlite3_system_errno(to), f);
    (void)sq_done(sq_prepared(from, S_COMMIT));
    return e;
}

gba_err sq_backup(store_db *db, const char *path, store_progress *p, void *ctx, store_fault *f)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        bool there = errno == EEXIST;
        store_fault_set(f, "%s: %s", path, there ? "exists already; a backup goes to a new file" : strerror(errno));
        return there ? GBA_E_FORBIDDEN : GBA_E_IO;
    }
    sqlite3 *to = NULL;
    conn *from = NULL;
    gba_err e = sq_reader(db, &from, f);
    int rc = e == GBA_OK ? sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) : SQLITE_OK;
    if (rc != SQLITE_OK)
        e = sq_fault_of(path, rc, sqlite3_errstr(rc), 0, f);
    if (e == GBA_OK)
        e = copy_pages(db, from, to, path, p, ctx, f);
    (void)sqlite3_close_v2(to);
    if (from != NULL)
        sq_give_back(db, from);
    if (e == GBA_OK && fsync(fd) != 0) {
        store_fault_set(f, "%s: %s", path, strerror(errno));
        e = GBA_E_IO;
    }
    (void)close(fd);
    if (e != GBA_OK)
        (void)unlink(path);
    return e;
}

/* ---- opening ---- */

gba_err sq_check_schema(const store_db *db, conn *c, unsigned *version, store_fault *f)
{
    sqlite3_stmt *st = sq_prepared(c, S_SCHEMA);
    if (st == NULL || sqlite3_step(st) != SQLITE_ROW) {
        gba_err e = sq_fault(db, c, f);
        (void)sqlite3_reset(st);
        return e;
    }
    int64_t v = sqlite3_column_int64(st, 0);
    (void)sqlite3_reset(st);
    *version = (unsigned)v;
    if (v >= 0 && v <= store_sqlite_schema_used->n)
        return GBA_OK;
    store_fault_set(f, "%s: written by a newer program (schema %lld, this one knows %u): upgrade this program, or "
                       "restore a backup from before the upgrade", db->path, (long long)v, store_sqlite_schema_used->n);
    return GBA_E_UNSUPPORTED;
}

static gba_err make_file(const store_db *db, bool create, store_fault *f)
{
    struct stat st;
    if (stat(db->path, &st) == 0) {
        if (S_ISREG(st.st_mode))
            return GBA_OK;
        store_fault_set(f, "%s: not a regular file", db->path);
        return GBA_E_IO;
    }
    if (errno != ENOENT || !create || db->read_only) {
        bool gone = errno == ENOENT;
        store_fault_set(f, "%s: %s", db->path, gone ? "no such store: check the path, or create it" : strerror(errno));
        return gone ? GBA_E_UNKNOWN : GBA_E_IO;
    }
    int fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        store_fault_set(f, "%s: cannot create: %s", db->path, strerror(errno));
        return GBA_E_IO;
    }
    (void)close(fd);
    return GBA_OK;
}

static int64_t one_number(conn *c, const char *text)
{
    sqlite3_stmt *st = NULL;
    int64_t v = -1;
    if (sqlite3_prepare_v2(c->h, text, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return v;
}

/* In one transaction: from whatever version the file has to ours. */
static gba_err migrate(store_db *db, conn *w, store_fault *f)
{
    unsigned version = 0;
    gba_err e = sq_run(db, w, sq_prepared(w, S_BEGIN), f);
    if (e == GBA_OK)
        e = sq_check_schema(db, w, &version, f);
    if (e == GBA_OK && version == 0 && one_number(w, "SELECT count(*) FROM sqlite_schema") != 0) {
        store_fault_set(f, "%s: a database of another program: check the path", db->path);
        e = GBA_E_CORRUPT;
    }
    for (unsigned v = version; e == GBA_OK && v < store_sqlite_schema_used->n; v++) {
        if (run_sql(w, store_sqlite_schema_used->step[v]) != SQLITE_OK)
            e = sq_fault(db, w, f);
    }
    if (e == GBA_OK && version < store_sqlite_schema_used->n) {
        char text[160];
        /* A daemon of the older version that still runs reads its keys anew, and stops at the schema. */
        (void)snprintf(text, sizeof text, "PRAGMA user_version = %u; PRAGMA application_id = %d;%s",
                       store_sqlite_schema_used->n, APPLICATION_ID,
                       version > 0 ? "UPDATE state SET generation = generation + 1" : "");
        if (run_sql(w, text) != SQLITE_OK)
            e = sq_fault(db, w, f);
    }
    if (e == GBA_OK)
        e = sq_run(db, w, sq_prepared(w, S_COMMIT), f);
    sq_rollback(w);
    return e;
}

/* WAL mode stays with the file. Changing it may give BUSY without asking the busy handler. */
static gba_err set_wal(const store_db *db, conn *w, store_fault *f)
{
    int rc = SQLITE_BUSY;
    for (int i = 0; i < 400 && (rc & 0xff) == SQLITE_BUSY; i++) {
        rc = run_sql(w, "PRAGMA journal_mode = WAL");
        if ((rc & 0xff) == SQLITE_BUSY)
            sq_pause_us(10000);
    }
    return rc == SQLITE_OK ? GBA_OK : sq_fault(db, w, f);
}

static gba_err check_file(store_db *db, store_fault *f)
{
    conn *c = NULL;
    unsigned version = 0;
    gba_err e = sq_conn_open(db, !db->read_only, &c, f);
    if (e == GBA_OK)
        e = sq_check_schema(db, c, &version, f);
    if (e == GBA_OK && version > 0 && one_number(c, "PRAGMA application_id") != APPLICATION_ID) {
        store_fault_set(f, "%s: a database of another program: check the path", db->path);
        e = GBA_E_CORRUPT;
    }
    if (e == GBA_OK && version < store_sqlite_schema_used->n && db->read_only) {
        store_fault_set(f, "%s: of an older version (schema %u): open it for writing once to upgrade it", db->path,
                        version);
        e = GBA_E_UNSUPPORTED;
    }
    if (e == GBA_OK && !db->read_only)
        e = set_wal(db, c, f);
    if (e == GBA_OK && !db->read_only && version < store_sqlite_schema_used->n)
        e = migrate(db, c, f);
    if (e == GBA_OK && !db->read_only)
        db->w = c;
    else
        sq_conn_close(&c);
    return e;
}

static void set_up_sqlite(void)
{
    /* Its memory statistics would take a process-wide lock at each allocation. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_initialize();
    sq_gathering_vfs_set_up();
}

void sq_close(store_db **db)
{
    if (*db == NULL)
        return;
    while ((*db)->idle != NULL) {
        conn *c = (*db)->idle;
        (*db)->idle = c->next;
        sq_conn_close(&c);
    }
    sq_conn_close(&(*db)->watch);
    sq_conn_close(&(*db)->w);
    (void)pthread_mutex_destroy(&(*db)->write_lock);
    (void)pthread_mutex_destroy(&(*db)->read_lock);
    (void)pthread_mutex_destroy(&(*db)->watch_lock);
    free((*db)->path);
    free(*db);
    *db = NULL;
}

gba_err sq_open(const store_config *c, const char *where, store_db **out, store_fault *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_up_sqlite);
    *out = NULL;
    if (where[0] == '\0') {
        store_fault_set(f, "the store's URL names no file: sqlite:/PATH");
        return GBA_E_ARG;
    }
    store_db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return GBA_E_NOMEM;
    db->read_only = c->read_only;
    db->full = c->synchronous_full;
    (void)pthread_mutex_init(&db->write_lock, NULL);
    (void)pthread_mutex_init(&db->read_lock, NULL);
    (void)pthread_mutex_init(&db->watch_lock, NULL);
    db->path = strdup(where);
    gba_err e = db->path != NULL ? make_file(db, c->create, f) : GBA_E_NOMEM;
    if (e == GBA_OK)
        e = check_file(db, f);
    if (e != GBA_OK) {
        sq_close(&db);
        return e;
    }
    *out = db;
    return GBA_OK;
}
