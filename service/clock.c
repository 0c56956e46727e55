/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the programs' time and random octets. */
#include <errno.h>
#include <stdlib.h>
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
void service_random(void *out, size_t n)
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
