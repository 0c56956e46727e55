/* SPDX-License-Identifier: Apache-2.0 */
/* store_world.h - a directory with a key file and a store, for the store's tests. */
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H
#include "service/store.h"
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define NOW 1800000000

typedef struct world world;
typedef struct test_driver {
    const char *scheme;
    void (*url)(world *w);      /* of a database that does not exist yet */
    int (*data_keys)(world *w); /* how many the database holds, asked behind the store's back */
} test_driver;
extern const test_driver test_drivers[];

struct world {
    const test_driver *driver;
    char dir[64], url[400], key[128];
    store *s;
};
void world_make(world *w, const test_driver *d); /* directory and key file only */
void world_open(world *w, const test_driver *d); /* and the store */
store *world_handle(world *w);                   /* another handle */
gba_err world_try(world *w, char why[512]);      /* opens and closes */
void world_free(world *w);

store_op op_put(store_kind k, const char *key, const char *value, int64_t expiry);
bool value_is(store *s, store_kind k, const char *key, const char *value);
/* A counter kept by SWAP; 0, or the error. */
int add_to_counter(store *s, const char *key, unsigned steps);
unsigned counter(store *s, const char *key);
/* In a child: writes batches for ever and tells each acknowledged number through the pipe. */
void acknowledge_forever(world *w, int round, int fd) __attribute__((noreturn));

typedef struct tally {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned n, ok, forbidden;
} tally;
void tally_init(tally *t);
void tally_done(void *ctx, gba_err err, size_t failed);
void tally_wait(tally *t, unsigned n);

int64_t now_ms(void);
int wait_for(pid_t child); /* its exit code, 128 + signal */
void slurp(const char *path, char *out, size_t n);
void spit(const char *path, const char *text); /* 0600 */
#endif
