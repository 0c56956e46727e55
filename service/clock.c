/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the programs' time and random octets. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "service/daemon.h"
#include "service/store.h"

int64_t (*service_now_ms_hook)(void);

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts;
    if (clock_gettime(id, &ts))
        abort();
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t service_now_ms(void)
{
    return service_now_ms_hook ? service_now_ms_hook() : clock_ms(CLOCK_REALTIME);
}

int64_t service_now(void)
{
    return service_now_ms() / 1000;
}

int64_t service_mono_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

/* No fallback: keys from a poor source are worse than no service. */
static void from_kernel(void *out, size_t n)
{
    uint8_t *p = out;
    while (n) {
        ssize_t got = getrandom(p, n > 256 ? 256 : n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

/*
 * Few octets at a time come from a store of the thread's own: a system call costs more than what it brings.
 * Each octet is given once and then gone; a child process begins with empty stores.
 */
#define POOL 256
#define POOLED_MAX 16 /* a RAND; keys come from the kernel directly */
static atomic_uint forks;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void forked(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, forked))
        abort();
}

void service_random(void *out, size_t n)
{
    static _Thread_local uint8_t pool[POOL];
    static _Thread_local size_t left;
    static _Thread_local unsigned seen;
    if (n > POOLED_MAX) {
        from_kernel(out, n);
        return;
    }
    pthread_once(&fork_once, watch_forks);
    unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);
    if (left < n || seen != now) {
        from_kernel(pool, sizeof pool);
        left = sizeof pool;
        seen = now;
    }
    left -= n;
    memcpy(out, pool + left, n);
    gba_wipe(pool + left, n);
}
