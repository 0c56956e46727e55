/* SPDX-License-Identifier: Apache-2.0 */
/* av_route.c - the first route whose realm covers that of the IMPI. */
#include "bsf/av_route.h"
#include "service/fd_settings.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct routes {
    av_source base;
    size_t n;
    struct {
        char realm[sizeof(gba_fqdn) + 2];
        av_source *source;
    } r[AV_ROUTES + 1]; /* the last resort stands last, as "*" */
};

static av_source *pick(av_source *s, const gba_impi *impi)
{
    struct routes *t = (struct routes *)s;
    const char *at = strrchr(impi->s, '@'), *realm = at ? at + 1 : "";
    for (size_t i = 0; i < t->n; i++)
        if (fd_pattern_covers(t->r[i].realm, realm))
            return t->r[i].source;
    return t->r[t->n - 1].source;
}

static void route_fetch(av_source *s, const gba_impi *impi, const av_resync *resync, av_done *done, void *ctx)
{
    av_source *to = pick(s, impi);
    to->ops->fetch(to, impi, resync, done, ctx);
}

static gba_err route_recompute(av_source *s, const gba_impi *impi, const uint8_t rand[16], av_result *out)
{
    av_source *to = pick(s, impi);
    return to->ops->recompute ? to->ops->recompute(to, impi, rand, out) : GBA_E_UNSUPPORTED;
}

/* Healthy when each source is: a load balancer sees the one that cannot serve its realm. */
static gba_err route_health(av_source *s, char *why, size_t why_n)
{
    struct routes *t = (struct routes *)s;
    gba_err e = GBA_OK;
    for (size_t i = 0; e == GBA_OK && i < t->n; i++)
        e = t->r[i].source->ops->health(t->r[i].source, why, why_n);
    return e;
}

static void route_free(av_source *s)
{
    struct routes *t = (struct routes *)s;
    av_source *last = t->r[t->n - 1].source;
    for (size_t i = 0; i < t->n; i++)
        if (t->r[i].source != last)
            t->r[i].source->ops->free(t->r[i].source);
    last->ops->free(last);
    free(t);
}

static const av_ops ops = {"route", route_fetch, route_recompute, route_health, route_free};

gba_err av_route_new(const av_route *routes, size_t n, av_source *last_resort, av_source **out)
{
    struct routes *t = calloc(1, sizeof *t);
    gba_err e = !t ? GBA_E_NOMEM : n > AV_ROUTES ? GBA_E_RANGE : GBA_OK;

    *out = NULL;
    for (size_t i = 0; e == GBA_OK && i < n; i++) {
        if (snprintf(t->r[i].realm, sizeof t->r[i].realm, "%s", routes[i].realm) >= (int)sizeof t->r[i].realm)
            e = GBA_E_RANGE;
        t->r[i].source = routes[i].source ? routes[i].source : last_resort;
    }
    if (e != GBA_OK) {
        for (size_t i = 0; i < n; i++)
            if (routes[i].source)
                routes[i].source->ops->free(routes[i].source);
        last_resort->ops->free(last_resort);
        free(t);
        return e;
    }
    t->base.ops = &ops;
    snprintf(t->r[n].realm, sizeof t->r[n].realm, "*");
    t->r[n].source = last_resort;
    t->n = n + 1;
    *out = &t->base;
    return GBA_OK;
}
