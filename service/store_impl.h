/* SPDX-License-Identifier: Apache-2.0 */
/* store_impl.h - what store.c (queue, records) and store_seal.c (data keys) share; private to them. */
#ifndef SERVICE_STORE_IMPL_H
#define SERVICE_STORE_IMPL_H
#include "service/seal_file.h"
#include "service/store_driver.h"
#include <pthread.h>
#include <stdatomic.h>

/* The data keys, unwrapped. */
typedef struct seal_ring {
    uint64_t generation;
    uint8_t store_id[16];
    size_t n; /* the last one is current */
    struct {
        uint32_t id;
        gba_secret key;
    } dek[STORE_DEKS_MAX];
} seal_ring;

/* A sealer for one thread: a copy of the ring, so that no lock is held during a transaction. */
typedef struct seal_job {
    store_sealer sealer;
    const char *url; /* borrowed */
    seal_ring ring;
    uint8_t *buffer, *opened;
} seal_job;

#define STORE_OPS_MAX 16 /* of a batch */

/* store_get_recent's rows, as sealed as they are stored, so that a lookup takes no lock of the file. A row is good
 * while this process has not written its key, and no other process anything. */
#define KEPT_SLOTS 2048
#define KEPT_LOCKS 16
#define KEPT_KEY 112
#define KEPT_VALUE 264
#define KEPT_WRITES 4096
typedef struct kept_row {
    store_kind kind;
    uint64_t count; /* of changes, before it was read */
    uint64_t version;
    int64_t expiry;
    uint16_t key_n, value_n;
    uint8_t key[KEPT_KEY], value[KEPT_VALUE];
} kept_row;
typedef struct kept_rows {
    pthread_mutex_t lock[KEPT_LOCKS];
    atomic_uint_fast64_t written[KEPT_WRITES]; /* by the key's hash */
    kept_row row[KEPT_SLOTS];
} kept_rows;

struct store {
    const store_driver *driver;
    store_db *db;
    char *url, *key_file;
    bool read_only;
    unsigned group_max, group_wait_us;

    pthread_rwlock_t ring_lock;
    seal_ring ring;
    pthread_mutex_t reload_lock; /* guards master, serialises reloads */
    seal_keys master;

    pthread_mutex_t lock; /* the queue */
    pthread_cond_t wake;
    store_batch *head, **tail;
    unsigned depth;
    bool stop;
    pthread_t thread;
    bool thread_up;
    seal_job *job; /* the writer thread's */

    unsigned last_group;           /* batches of the last commit; the writer thread's */
    atomic_uint_fast64_t blind;      /* times that a count could not be told */
    atomic_uint_fast64_t wrote[256]; /* by kind: commits that touched it */
    kept_rows *kept;

    pthread_mutex_t fault_lock;
    gba_err commit_err;     /* of the last commit */
    store_fault commit_why; /* its text */
    store_fault last;       /* of any call */
    atomic_bool probing;
};

/* Reads the data keys again; makes the first one of a new store. */
gba_err seal_reload(store *s, store_fault *f) GBA_MUST_USE;
gba_err seal_job_new(store *s, seal_job **out) GBA_MUST_USE;
void seal_job_free(seal_job **j);
/* driver->write and driver->reseal under the data keys of the moment. */
gba_err seal_write(store *s, seal_job *j, store_batch *list, store_fault *f) GBA_MUST_USE;
/* STALE: the ring lacks the row's data key; reload and read the row again. */
gba_err seal_open(store *s, const store_row *r, store_record *out) GBA_MUST_USE;
/* Are these operations of a form that drivers take? */
gba_err store_check_ops(const store_op *ops, size_t n) GBA_MUST_USE;
/* Keeps the text for store_why and returns e. */
gba_err store_failed(store *s, gba_err e, const store_fault *f);
#endif
