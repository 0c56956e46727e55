/* SPDX-License-Identifier: Apache-2.0 */
/* store_sqlite.h - what the SQLite driver's files share; private to them. */
#ifndef SERVICE_STORE_SQLITE_H
#define SERVICE_STORE_SQLITE_H
#include "service/store_driver.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <time.h>

#define POLL_US 250 /* how often a waiting writer asks for the lock */

enum statement {
    S_BEGIN,
    S_BEGIN_READ,
    S_COMMIT,
    S_STATE,
    S_SET_VERSION,
    S_FIND,
    S_PUT,
    S_DELETE,
    S_GET,
    S_PAGE,
    S_NEXT,
    S_RESEAL,
    S_COUNT,
    S_COUNT_ALL,
    S_DUE_ADD,
    S_DUE_NEXT,
    S_DUE_CLEAR,
    S_SWEEP,
    S_DEKS,
    S_DEK_CLEAR,
    S_DEK_ADD,
    S_SET_KEYS,
    S_SCHEMA,
    S_WATCH,
    S_MAX,
};

typedef struct conn {
    sqlite3 *h;
    sqlite3_stmt *st[S_MAX];
    struct conn *next;
    unsigned wait_ms;
    int64_t waiting_since;
} conn;

struct store_db {
    char *path;
    bool read_only, full;
    pthread_mutex_t write_lock;
    conn *w;
    int64_t stretch_began, last_commit; /* microseconds; see let_others_in */
    pthread_mutex_t read_lock;
    conn *idle;
    unsigned n_idle;
    pthread_mutex_t watch_lock;
    conn *watch;
    uint64_t watched;
    atomic_uint_fast64_t foreign; /* times that commits of others were found */
    atomic_int_fast64_t foreign_at;
    int64_t seen; /* the writing connection's data_version; under write_lock */
};

/* The fault's error and text, of a result code or of what the connection did last. */
gba_err sq_fault_of(const char *path, int rc, const char *text, int os_error, store_fault *f);
gba_err sq_fault(const store_db *db, const conn *c, store_fault *f);
gba_err sq_conn_open(const store_db *db, bool write, conn **out, store_fault *f) GBA_MUST_USE;
void sq_conn_close(conn **c);
/* A pooled connection for reading. */
gba_err sq_reader(store_db *db, conn **out, store_fault *f) GBA_MUST_USE;
void sq_give_back(store_db *db, conn *c);
/* The statement, prepared once a connection; NULL: see the connection's error. */
sqlite3_stmt *sq_prepared(conn *c, enum statement i);
void sq_bind_span(sqlite3_stmt *st, int at, gba_span s);
gba_span sq_column_span(sqlite3_stmt *st, int i);
/* Runs a statement that gives no row. */
int sq_done(sqlite3_stmt *st);
gba_err sq_run(const store_db *db, conn *c, sqlite3_stmt *st, store_fault *f);
void sq_rollback(conn *c);
/* UNSUPPORTED: a newer schema than ours. */
gba_err sq_check_schema(const store_db *db, conn *c, unsigned *version, store_fault *f) GBA_MUST_USE;
gba_err sq_read_state(store_db *db, conn *c, uint64_t *generation, uint64_t *version, uint8_t *store_id,
                      store_fault *f) GBA_MUST_USE;
int64_t sq_mono_us(clockid_t clock);
void sq_pause_us(long us);

/* The file layer of store_sqlite_vfs.c; once, after sqlite3_initialize. */
const char *sq_gathering_vfs(void);
void sq_gathering_vfs_set_up(void);

/* Rows of the driver's table that store_sqlite_file.c implements. */
gba_err sq_open(const store_config *c, const char *where, store_db **out, store_fault *f);
void sq_close(store_db **db);
/* Under write_lock: looks whether another connection has committed. */
void sq_look_around(store_db *db);
bool sq_foreign_count(store_db *db, uint64_t *count);
gba_err sq_backup(store_db *db, const char *path, store_progress *p, void *ctx, store_fault *f);
#endif
