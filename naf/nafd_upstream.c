/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nafd_upstream.c - which upstream takes a request, and whether it is up. Nobody probes: an upstream
 * that failed several times in a row is left alone for a while, then one request tries it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "naf/nafd.h"

#define DOWN_MS 1000 /* the first time; twice as long each further time */

gba_err nafd_backends_open(nafd *d)
{
    const nafd_upstream *u = d->s->upstreams.v;
    size_t n = d->s->upstreams.n;
    if (!n)
        return GBA_OK;
    d->backends = calloc(n, sizeof *d->backends);
    if (!d->backends)
        return GBA_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        char label[512];
        nafd_backend *b = &d->backends[i];
        b->u = &u[i];
        b->limit = d->s->proxy.failures;
        b->max_ms = d->s->proxy.down_max * 1000;
        pthread_mutex_init(&b->lock, NULL);
        snprintf(label, sizeof label, "upstream=\"%s\"", u[i].url);
        b->up = metric_gauge("gba_proxy_upstream_up", label, "1: the upstream is asked; 0: left alone after failures");
        metric_set(b->up, 1);
        d->by_host = d->by_host || u[i].host.s[0];
    }
    return GBA_OK;
}

void nafd_backends_close(nafd *d)
{
    for (size_t i = 0; d->backends && i < d->s->upstreams.n; i++)
        pthread_mutex_destroy(&d->backends[i].lock);
    free(d->backends);
    d->backends = NULL;
}

/* Down, and nobody's turn to try it. With the lock. */
static bool resting(const nafd_backend *b, int64_t now_ms)
{
    return b->limit && b->failures >= b->limit && now_ms < b->down_until;
}

static bool is_up(nafd_backend *b)
{
    pthread_mutex_lock(&b->lock);
    bool up = !resting(b, service_mono_ms());
    pthread_mutex_unlock(&b->lock);
    return up;
}

gba_err nafd_backends_ready(nafd *d, char *why, size_t why_n)
{
    for (size_t i = 0; i < d->s->upstreams.n; i++)
        if (is_up(&d->backends[i]))
            return GBA_OK;
    for (size_t i = 0; i < d->s->upstreams.n; i++)
        daemon_reason(why, why_n, "upstream %s is down", d->backends[i].u->url);
    return d->s->upstreams.n ? GBA_E_IO : GBA_OK;
}

/* host is a Host value, perhaps with a port. */
static bool host_is(const gba_fqdn *name, const char *host)
{
    size_t n = strcspn(host, ":");
    if (n && host[n - 1] == '.')
        n--;
    return n == strlen(name->s) && !strncasecmp(name->s, host, n);
}

/* One with a host before one without, then the longer path; of equals the first that is up. */
nafd_backend *nafd_backend_of(nafd *d, const char *host, const char *target)
{
    nafd_backend *best = NULL;
    size_t score = 0;
    for (size_t i = 0; i < d->s->upstreams.n; i++) {
        nafd_backend *b = &d->backends[i];
        size_t path = strlen(b->u->path), mine = path + (b->u->host.s[0] ? SIZE_MAX / 2 : 0);
        if (strncmp(target, b->u->path, path) != 0 || (b->u->host.s[0] && (!host || !host_is(&b->u->host, host))))
            continue;
        if (!best || mine > score || (mine == score && !is_up(best) && is_up(b))) {
            best = b;
            score = mine;
        }
    }
    return best;
}

bool nafd_backend_take(nafd_backend *b, int64_t *retry)
{
    pthread_mutex_lock(&b->lock);
    int64_t now_ms = service_mono_ms();
    bool down = resting(b, now_ms);
    if (down)
        *retry = (b->down_until - now_ms + 999) / 1000;
    else if (b->limit && b->failures >= b->limit)
        b->down_until = now_ms + b->down, b->trying = true; /* the others wait for its outcome */
    pthread_mutex_unlock(&b->lock);
    return !down;
}

static void failed(nafd_backend *b, gba_err e)
{
    b->failures += b->failures < UINT32_MAX;
    if (!b->limit || b->failures < b->limit || (b->failures > b->limit && !b->trying))
        return; /* up; or down, and this one was under way before */
    b->trying = false;
    b->down = b->failures == b->limit ? DOWN_MS : b->down * 2;
    if (b->down > b->max_ms)
        b->down = b->max_ms;
    b->down_until = service_mono_ms() + b->down;
    metric_set(b->up, 0);
    log_event(LOG_LEVEL_ERROR, "proxy.upstream_down", "url", b->u->url, "failures", log_num(b->failures), "reason",
              gba_err_name(e), "again_after_ms", log_num(b->down), NULL);
}

void nafd_backend_result(nafd_backend *b, gba_err e)
{
    pthread_mutex_lock(&b->lock);
    if (e != GBA_OK) {
        failed(b, e);
    } else {
        if (b->limit && b->failures >= b->limit) {
            metric_set(b->up, 1);
            log_event(LOG_LEVEL_INFO, "proxy.upstream_up", "url", b->u->url, NULL);
        }
        b->failures = 0;
        b->trying = false;
    }
    pthread_mutex_unlock(&b->lock);
}
