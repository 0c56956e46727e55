/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_store.c - microseconds an operation costs the store: wall clock and CPU time of the
 * whole process (writer thread and sealing included). Not a test: bench_store [RECORDS [DIR]].
 */
#include "service/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <semaphore.h>

#define VALUE 200
#define CHUNK 100000
#define GROUP 64

typedef struct stopwatch {
    struct timespec wall, cpu;
} stopwatch;

static stopwatch start(void)
{
    stopwatch w;
    (void)clock_gettime(CLOCK_MONOTONIC, &w.wall);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &w.cpu);
    return w;
}

static double us(struct timespec a, struct timespec b)
{
    return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

static void report(const char *what, const stopwatch *from, unsigned long n)
{
    stopwatch now = start();
    printf("%-44s %9lu  wall %8.2f us  cpu %8.2f us each\n", what, n, us(from->wall, now.wall) / (double)n,
           us(from->cpu, now.cpu) / (double)n);
    (void)fflush(stdout);
}

static void must(gba_err e, const char *what)
{
    if (e == GBA_OK)
        return;
    fprintf(stderr, "bench_store: %s: %s\n", what, gba_err_text(e));
    exit(1);
}

static gba_span impi(char room[64], unsigned long i)
{
    /* As long as a real one; the multiplier spreads the keys. */
    int n = snprintf(room, 64, "26201%010lu@ims.mnc001.mcc262.3gppnetwork.org", (i * 2654435761UL) % 10000000000UL);
    return gba_mem(room, (size_t)n);
}

static void fill(store *s, unsigned long records)
{
    static char keys[CHUNK][64];
    static store_op ops[CHUNK];
    static uint8_t value[VALUE];
    stopwatch w = start();
    for (unsigned long i = 0; i < records; i += CHUNK) {
        unsigned long n = records - i < CHUNK ? records - i : CHUNK;
        for (unsigned long k = 0; k < n; k++)
            ops[k] = (store_op){.type = STORE_PUT,
                                .kind = STORE_SUBSCRIBER,
                                .key = impi(keys[k], i + k),
                                .value = GBA_SPAN(value)};
        must(store_write_many(s, ops, n), "store_write_many");
    }
    report("import, random keys, chunks of 100000", &w, records);
}

static void lookups(store *s, unsigned long records, unsigned long n)
{
    char room[64];
    stopwatch w = start();
    for (unsigned long i = 0; i < n; i++) {
        store_record r;
        must(store_get(s, STORE_SUBSCRIBER, impi(room, (i * 7919) % records), 1, &r), "store_get");
        store_record_free(&r);
    }
    report("lookup, random key", &w, n);
}

static sem_t room_in_flight;
static void done(void *ctx, gba_err err, size_t failed)
{
    (void)ctx;
    (void)failed;
    must(err, "commit");
    (void)sem_post(&room_in_flight);
}

static void sessions(store *s, unsigned long records, unsigned long n, bool read_too)
{
    static uint8_t value[VALUE];
    (void)sem_init(&room_in_flight, 0, GROUP);
    stopwatch w = start();
    for (unsigned long i = 0; i < n; i++) {
        uint8_t rand[16];
        char btid[64], head[64], tmpi[64];
        service_random(rand, sizeof rand);
        char b64[GBA_B64_LEN(16) + 1];
        gba_b64_encode(rand, sizeof rand, b64);
        int bn = snprintf(btid, sizeof btid, "%s@bsf.example.org", b64);
        int tn = snprintf(tmpi, sizeof tmpi, "%.24s@tmpi.bsf.3gppnetwork.org", b64);
        gba_span who = impi(head, (i * 7919) % records);
        store_op ops[3] = {
            {.type = STORE_INSERT, .kind = STORE_SESSION, .key = gba_mem(btid, (size_t)bn), .value = GBA_SPAN(value),
             .expiry = 2000000000 + (int64_t)i / 1000},
            {.type = STORE_PUT, .kind = STORE_HEAD, .key = who, .value = gba_mem(value, 64),
             .expiry = 2000000000 + (int64_t)i / 1000},
            {.type = STORE_PUT, .kind = STORE_TMPI, .key = gba_mem(tmpi, (size_t)tn), .value = gba_mem(value, 64),
             .expiry = 2000000000 + (int64_t)i / 1000},
        };
        (void)sem_wait(&room_in_flight);
        must(store_submit(s, ops, 3, 1, done, NULL), "store_submit");
        if (read_too) {
            store_record r;
            must(store_get(s, STORE_SUBSCRIBER, who, 1, &r), "store_get");
            store_record_free(&r);
        }
    }
    for (int i = 0; i < GROUP; i++)
        (void)sem_wait(&room_in_flight);
    report(read_too ? "session write and a lookup, 64 in flight" : "session write (3 ops), 64 in flight", &w, n);
}

int main(int argc, char **argv)
{
    unsigned long records = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    char dir[512], url[600], key[600], why[512];
    (void)snprintf(dir, sizeof dir, "%s/bench_store.XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (records == 0 || mkdtemp(dir) == NULL)
        return 2;
    (void)snprintf(url, sizeof url, "sqlite:%s/store.db", dir);
    (void)snprintf(key, sizeof key, "%s/seal.key", dir);
    must(store_key_file_create(key, why, sizeof why), "store_key_file_create");
    store_config c = {.url = url, .key_file = key, .create = true, .synchronous_full = true};
    store *s;
    if (store_open(&c, &s, why, sizeof why) != GBA_OK) {
        fprintf(stderr, "bench_store: %s\n", why);
        return 1;
    }
    fill(s, records);
    lookups(s, records, 200000);
    sessions(s, records, 100000, false);
    sessions(s, records, 100000, true);
    stopwatch w = start();
    for (unsigned long i = 0; i < 1000000; i++)
        (void)store_change_count_of(s, STORE_SUBSCRIBER);
    report("store_change_count_of", &w, 1000000);
    w = start();
    must(store_rotate(s, NULL, NULL), "store_rotate");
    report("rotation, a record", &w, records);
    store_close(&s);
    const char *const names[] = {"store.db", "store.db-wal", "store.db-shm", "seal.key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[700];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir) == 0 ? 0 : 1;
}
