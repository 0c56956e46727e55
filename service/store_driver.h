/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_driver.h - what a database must do for store.c; private to the store's files.
 *
 * A driver keeps rows of opaque octets and a small table of wrapped data keys, and knows
 * no key. Sealing needs a record's version, which only the write transaction can give:
 * so the driver calls the sealer from inside it, after it has checked that the data keys
 * still have the generation the sealer works with.
 */
#ifndef SERVICE_STORE_DRIVER_H
#define SERVICE_STORE_DRIVER_H
#include "service/store.h"

/* The operator's text of a failure: names the file and the way out. */
typedef struct store_fault {
    char why[512];
} store_fault;
void store_fault_set(store_fault *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

typedef struct store_row {
    store_kind kind;
    gba_span key; /* borrowed */
    uint64_t version;
    int64_t expiry;
    gba_span value; /* sealed, borrowed */
} store_row;

/* Data keys as the database holds them. */
#define STORE_DEKS_MAX 16
#define STORE_MASTER_ID_MAX 32
#define STORE_WRAPPED_LEN 48
typedef struct store_wrapped {
    uint32_t id; /* grows; the highest is current */
    char master[STORE_MASTER_ID_MAX + 1];
    uint8_t octets[STORE_WRAPPED_LEN];
} store_wrapped;
typedef struct store_keys {
    uint8_t store_id[16];
    uint64_t generation; /* 0: a store without keys yet */
    size_t n;
    store_wrapped key[STORE_DEKS_MAX]; /* by id, ascending */
} store_keys;

typedef struct store_batch {
    struct store_batch *next;
    const store_op *ops;
    size_t n;
    int64_t now;
    gba_err err; /* out: what the first failing condition gave */
    size_t failed;
    /* With a plan the operations come from sealer->plan, which wants the row of this kind and key. */
    store_plan *plan;
    store_kind kind;
    gba_span key;
    store_done *done; /* not the driver's */
    void *ctx;
} store_batch;

#define STORE_SEAL_OVERHEAD (1 + 4 + 16)
typedef struct store_sealer {
    uint64_t generation;
    void *ctx;
    /* *sealed is valid until the next call. */
    gba_err (*seal)(void *ctx, const store_op *op, uint64_t version, gba_span *sealed);
    /* Sets b->ops and b->n, or b->err. row NULL: absent or expired. */
    void (*plan)(void *ctx, store_batch *b, const store_row *row, store_fault *f);
    /* As seal, of a row under an older data key; sealed->p NULL: it is right as it is. */
    gba_err (*reseal)(void *ctx, const store_row *row, gba_span *sealed, store_fault *f);
} store_sealer;

/* Where a pass over all rows stands; zeroed at the start. */
typedef struct store_cursor {
    int kind;
    size_t key_n;
    uint8_t key[STORE_KEY_MAX];
    uint64_t seen;
    bool end;
} store_cursor;

typedef struct store_db store_db;
/* A row visitor: false ends the visit. */
typedef bool store_row_fn(void *ctx, const store_row *r);

/* Every call may come from any thread. A fault (NOMEM, UNSUPPORTED, BUSY, IO, CORRUPT) fills f->why. */
typedef struct store_driver {
    const char *scheme; /* "sqlite:" */
    gba_err (*open)(const store_config *c, const char *where, store_db **out, store_fault *f);
    void (*close)(store_db **db);
    gba_err (*keys_get)(store_db *db, store_keys *out, store_fault *f);
    /* Replaces all data keys if the generation still is k->generation, which then grows by one; else STALE. */
    gba_err (*keys_set)(store_db *db, const store_keys *k, store_fault *f);
    /* One row, or UNKNOWN. *value: malloc'ed; r->key is not set. */
    gba_err (*get)(store_db *db, store_kind k, gba_span key, store_row *r, uint8_t **value, store_fault *f);
    /* Up to `limit` rows of a kind in key order, after `after`. */
    gba_err (*page)(store_db *db, store_kind k, gba_span after, unsigned limit, store_row_fn *fn, void *ctx,
                    store_fault *f);
    /* One durable transaction. The conditions of a batch are checked first, then its writes applied;
     * a later batch sees the writes of the earlier ones. STALE: another generation, nothing written. */
    gba_err (*write)(store_db *db, store_batch *list, const store_sealer *s, store_fault *f);
    /* One transaction: the next `limit` rows after the cursor pass through s->reseal. STALE as above. */
    gba_err (*reseal)(store_db *db, store_cursor *c, unsigned limit, const store_sealer *s, store_fault *f);
    gba_err (*count)(store_db *db, int kind, uint64_t *out, store_fault *f); /* kind 0: all */
    gba_err (*sweep)(store_db *db, int64_t now, unsigned limit, unsigned *deleted, store_fault *f);
    /* *count changes when something other than this handle's write committed, and is of the last 20 ms; false:
     * older, for a write waits for another process's lock, or somebody is just looking. */
    bool (*foreign_count)(store_db *db, uint64_t *count);
    gba_err (*backup)(store_db *db, const char *path, store_progress *p, void *ctx, store_fault *f);
} store_driver;

extern const store_driver store_driver_sqlite;

/* SQLite's schema: step[v] leads from version v to v + 1. A table of its own for the tests. */
typedef struct store_sqlite_schema {
    unsigned n;
    const char *step[8];
} store_sqlite_schema;
extern const store_sqlite_schema store_sqlite_schema_current;
extern const store_sqlite_schema *store_sqlite_schema_used;
/* How long a write waits for another process's lock, in ms (10000). */
extern unsigned store_sqlite_busy_ms;

static inline bool store_expired(int64_t expiry, int64_t now)
{
    return expiry != 0 && expiry <= now;
}
#endif
