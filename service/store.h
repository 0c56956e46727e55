/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - durable, sealed records with a kind, a key, a version and an expiry.
 *
 * Five operations in our own words: put, get, take, swap, sweep; a batch of
 * writes is atomic; many batches share one commit (group commit), and a batch's
 * callback runs only when its commit is durable. store.c seals and opens;
 * drivers (store_sqlite.c, store_pg.c) see opaque octets and know no keys.
 */
#ifndef SERVICE_STORE_H
#define SERVICE_STORE_H
#include <gba/gba.h>

/* On disk: never renumber. */
typedef enum store_kind {
    STORE_SUBSCRIBER = 1,  /* key: IMPI */
    STORE_SESSION = 2,     /* key: B-TID */
    STORE_HEAD = 3,        /* key: IMPI -> newest session and challenge time */
    STORE_TMPI = 4,        /* key: TMPI -> IMPI */
    STORE_NAF = 5,         /* key: certificate name */
    STORE_SEAL = 6,        /* challenge seal keys, key: id */
    STORE_COUNTER = 7,     /* SQN high-water marks, key: replica */
    STORE_GUSS = 8,        /* key: IMPI */
    STORE_MAF = 20, STORE_MEF = 40, STORE_GATE = 60 /* ranges for the oneM2M servers */
} store_kind;

#define STORE_KEY_MAX 255
#define STORE_VALUE_MAX 65536

typedef struct store store;
typedef struct store_config {
    const char *url;          /* "sqlite:/var/lib/opengba/bsf.db" or "postgresql://..." */
    const char *key_file;     /* seal.key_file: see docs/operations.md; never NULL */
    bool create;              /* make a missing database */
    bool read_only;
    unsigned group_max;       /* batches a commit, 0: 256 */
    unsigned group_wait_us;   /* under load, linger for company, 0: none; bounds what a commit waits */
    bool synchronous_full;    /* SQLite synchronous=FULL; the daemons say true */
} store_config;

/* Opens, checks the schema version and unwraps the data keys. `why` (may be NULL)
 * receives the operator's message. UNKNOWN: no such database. CORRUPT: damaged, or
 * the key file lacks the key. UNSUPPORTED: written by a newer version. */
gba_err store_open(const store_config *c, store **out, char *why, size_t why_n) GBA_MUST_USE;
void store_close(store **s); /* waits for submitted batches */

typedef struct store_record {
    uint64_t version; /* 1.. ; grows with each write of the key */
    int64_t expiry;   /* Unix seconds, 0: never */
    uint8_t *value;   /* opened; yours: store_record_free wipes it */
    size_t n;
} store_record;
void store_record_free(store_record *r);

/* From any thread, blocking; sees every batch whose callback has run. UNKNOWN;
 * a record past `now` is EXPIRED (and out stays empty). */
gba_err store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out) GBA_MUST_USE;
/* The same for what is asked for again and again; another process's write is seen within STORE_SETTLE_MS. */
#define STORE_SETTLE_MS 25
void store_settle(void); /* waits that long */
gba_err store_get_recent(store *s, store_kind k, gba_span key, int64_t now, store_record *out) GBA_MUST_USE;

typedef enum store_op_type {
    STORE_PUT,    /* insert or replace */
    STORE_INSERT, /* only if absent (an expired record counts as absent), else FORBIDDEN */
    STORE_SWAP,   /* only if the version is `version`, else STALE (absent: STALE, too) */
    STORE_TAKE,   /* delete; UNKNOWN if absent or expired unless `optional`; STALE if `version` is set and differs */
} store_op_type;
typedef struct store_op {
    store_op_type type;
    store_kind kind;
    gba_span key, value;
    int64_t expiry;
    uint64_t version;
    bool optional;
} store_op;
/* err: OK, or what the first failing condition gave, at index `failed`; then nothing
 * of the batch was written. IO/BUSY: the store could not commit. */
typedef void store_done(void *ctx, gba_err err, size_t failed);
/* Copies everything it needs before it returns; done runs once, on the store's own
 * thread: it must not block. At most 16 ops. BUSY when the queue is full (done then
 * does not run). */
gba_err store_submit(store *s, const store_op *ops, size_t n, int64_t now, store_done *done, void *ctx) GBA_MUST_USE;
/* A batch whose operations follow from what is stored. `plan` gets the record of this kind and key as the
 * write transaction sees it (borrowed; NULL: absent or expired) and says what to write, at most 16 ops without
 * a race against other writers; an error of its own is the batch's, at index 0. It runs on the store's own
 * thread, must not block, and may run again for the same batch; ops and what they point to live until done. */
typedef gba_err store_plan(void *ctx, const store_record *r, const store_op **ops, size_t *n);
gba_err store_submit_plan(store *s, store_kind k, gba_span key, int64_t now, store_plan *plan, store_done *done,
                          void *ctx) GBA_MUST_USE;
/* The same as store_submit, waiting. */
gba_err store_write(store *s, const store_op *ops, size_t n, int64_t now, size_t *failed) GBA_MUST_USE;
/* For imports: one transaction of any number of PUTs, without a callback. */
gba_err store_write_many(store *s, const store_op *ops, size_t n) GBA_MUST_USE;

/* Visits records of a kind in key order, from after `after` (empty: start) until visit returns
 * false. The record is borrowed. */
typedef bool store_visit(void *ctx, gba_span key, const store_record *r);
gba_err store_each(store *s, store_kind k, gba_span after, int64_t now, store_visit *visit, void *ctx) GBA_MUST_USE;
gba_err store_count(store *s, store_kind k, uint64_t *out) GBA_MUST_USE;
/* Deletes at most `limit` records that expired before `now`; *deleted. */
gba_err store_sweep(store *s, int64_t now, unsigned limit, unsigned *deleted) GBA_MUST_USE;

/* Changes when another process committed, within 10 ms; cheap. */
uint64_t store_change_count_others(store *s);
/* For caches of one kind that is seldom written: changes when this process wrote a record of that kind
 * (at once), or another process wrote anything (within 10 ms). Take it before reading what is cached. */
uint64_t store_change_count_of(store *s, store_kind k);

/* Sealing (docs/operations.md): the key file's keys wrap the store's data keys. */
gba_err store_key_file_create(const char *path, char *why, size_t why_n) GBA_MUST_USE; /* 0600, never overwrites */
typedef void store_progress(void *ctx, uint64_t done, uint64_t total);
/* New data key, every record sealed anew, the old data key destroyed; online. */
gba_err store_rotate(store *s, store_progress *p, void *ctx) GBA_MUST_USE;
/* The data keys wrapped anew under the current (first) key of the key file. */
gba_err store_rewrap(store *s) GBA_MUST_USE;
/* Online copy to a new file. */
gba_err store_backup(store *s, const char *path, store_progress *p, void *ctx) GBA_MUST_USE;
/* The operator's text of the last call that failed with anything but a condition's answer; "" if none. */
void store_why(store *s, char *why, size_t why_n);
/* Health for /readyz and alarms: last commit's result, queue depth. After a failed commit each
 * call tries an empty one in the background, so that a store whose disk recovered recovers, too. */
gba_err store_health(store *s, char *why, size_t why_n);

/* Random octets for the programs (getrandom); aborts the process if the kernel has none. */
void service_random(void *out, size_t n);
#endif
