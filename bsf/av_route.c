/* SPDX-License-Identifier: Apache-2.0 */
/* av_route.c - the first route whose realm covers that of the IMPI. */
#include "bsf/av_route.h"
#include "service/daemon.h"
#include "service/fd_settings.h"
#include "service/metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_TICKS 5 /* connecting to an HSS takes its time */

struct routes {
    av_source base;
    size_t n;
    struct {
        char realm[sizeof(gba_fqdn) + 2];
        av_source *source;
        metric *up;
        bool told, was_up; /* by av_route_watch */
        unsigned waits;
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

static gba_err source_health(const struct routes *t, size_t i, char *why, size_t why_n)
{
    av_source *s = t->r[i].source;
    gba_err e = s->ops->health(s, why, why_n);
    return e == GBA_E_UNKNOWN && i + 1 < t->n ? GBA_OK : e;
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

/* One route of many is enough; a last resort without subscribers is none. */
static gba_err route_health(av_source *s, char *why, size_t why_n)
{
    struct routes *t = (struct routes *)s;
    gba_err first = GBA_OK;
    for (size_t i = 0; i < t->n; i++) {
        char reason[512] = "";
        gba_err e = source_health(t, i, reason, sizeof reason);
        if (e == GBA_OK)
            return GBA_OK;
        first = first == GBA_OK ? e : first;
        daemon_reason(why, why_n, "realm %s: %s", t->r[i].realm, *reason ? reason : gba_err_text(e));
    }
    return first;
}

void av_route_watch(av_source *s)
{
    struct routes *t = (struct routes *)s;
    for (size_t i = 0; i + 1 < t->n; i++) {
        char reason[512] = "";
        gba_err e = source_health(t, i, reason, sizeof reason);
        bool up = e == GBA_OK;
        metric_set(t->r[i].up, up);
        if (t->r[i].told ? up == t->r[i].was_up : !up && ++t->r[i].waits < START_TICKS)
            continue;
        if (!up || t->r[i].told)
            log_event(up ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, up ? "av.up" : "av.down", "realm", t->r[i].realm, "reason",
                      up        ? NULL
                      : *reason ? reason
                                : gba_err_text(e),
                      NULL);
        t->r[i].told = true;
        t->r[i].was_up = up;
    }
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

static metric *realm_metric(const char *realm)
{
    char label[sizeof(gba_fqdn) + 16];
    snprintf(label, sizeof label, "realm=\"%s\"", realm);
    return metric_gauge("gba_av_up", label, "1 while vectors can be had for the realm");
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
        if (e == GBA_OK)
            t->r[i].up = realm_metric(t->r[i].realm);
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
