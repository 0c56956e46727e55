/* SPDX-License-Identifier: Apache-2.0 */
/* hss.c - Multimedia-Auth requests: who asks, the vector, the GUSS when it is newer. */
#include "bsf/hss.h"
#include "bsf/av_local.h"
#include "service/fd_stack.h"
#include "service/metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TS 29.109 6.2, TS 29.229 6.2.2; in this order in the metric. */
static const gba_dia_result results[] = {
    {GBA_DIA_SUCCESS, 0},
    {GBA_DIA_IDENTITY_UNKNOWN, GBA_DIA_VENDOR},
    {GBA_DIA_NOT_AUTHORIZED, GBA_DIA_VENDOR},
    {GBA_DIA_CX_SCHEME_NOT_SUPPORTED, GBA_DIA_VENDOR},
    {GBA_DIA_MISSING_AVP, 0},
    {GBA_DIA_INVALID_AVP_VALUE, 0},
    {GBA_DIA_TOO_BUSY, 0},
    {GBA_DIA_UNABLE_TO_COMPLY, 0},
};
enum { R_OK, R_UNKNOWN, R_FORBIDDEN, R_SCHEME, R_MISSING, R_INVALID, R_BUSY, R_FAILED, N_RESULTS };

struct hss {
    const hss_settings *s;
    store *store;
    av_source *av;
    metric *count[N_RESULTS], *seconds;
    bool up;
};

/* A request on its way; on the stack of its thread, since the own AuC answers at once. */
struct call {
    hss *h;
    fd_request *r;
    gba_mar mar;
    int64_t began_ms;
    const char *bsf;
};

static int result_of(gba_err e, bool resync)
{
    switch (e) {
    case GBA_OK:
        return R_OK;
    case GBA_E_UNKNOWN:
        return R_UNKNOWN;
    case GBA_E_FORBIDDEN:
        return R_FORBIDDEN;
    case GBA_E_AUTH:
        return resync ? R_FAILED : R_BUSY; /* a wrong AUTS: 5012, as other HSSs answer */
    case GBA_E_CORRUPT: /* this subscriber's fault: no overload, for which a BSF leaves everyone alone */
        return R_FAILED;
    default:
        return R_BUSY;
    }
}

/* The GUSS goes along only when the BSF does not hold it yet (TS 29.109 4.2). What is returned is the
 * record's; free it. */
static gba_span guss_for(const struct call *c, store_record *rec)
{
    gba_span none = {0};
    gba_guss *g = calloc(1, sizeof *g);
    gba_err e = g ? store_get(c->h->store, STORE_GUSS, gba_str(c->mar.impi.s), service_now(), rec) : GBA_E_NOMEM;
    bool newer = false;

    if (e == GBA_OK && (e = gba_guss_parse(gba_mem(rec->value, rec->n), g)) == GBA_OK)
        newer = !g->timestamp || !c->mar.guss_timestamp || g->timestamp > c->mar.guss_timestamp;
    free(g);
    if (e != GBA_OK && e != GBA_E_UNKNOWN && e != GBA_E_EXPIRED)
        log_event(LOG_LEVEL_WARN, "zh.guss_unusable", "impi", c->mar.impi.s, "error", gba_err_name(e), NULL);
    return newer ? gba_mem(rec->value, rec->n) : none;
}

static void add_vector(const av_result *v, gba_maa *m)
{
    m->vector = true;
    memcpy(m->rand, v->vector.rand, 16);
    memcpy(m->autn, v->vector.autn, 16);
    m->xres = v->vector.xres;
    m->ck = v->vector.ck;
    m->ik = v->vector.ik;
}

static bool print(const gba_maa *m, gba_dia_list *l)
{
    bool made = l && gba_maa_write(m, l) == GBA_OK;
    if (l && !made)
        gba_dia_list_wipe(l);
    return made;
}

static void answer(struct call *c, int result, const av_result *v, uint32_t missing)
{
    gba_maa m = {.result = results[result], .impi = c->mar.impi};
    gba_dia_list *l = gba_dia_list_new();
    static const gba_dia_list none;
    store_record rec = {0};

    if (v) {
        add_vector(v, &m);
        m.guss = guss_for(c, &rec);
    }
    if (!print(&m, l) && v) { /* what cannot be sent was not released */
        gba_maa_wipe(&m);
        v = NULL;
        result = R_FAILED;
        m.result = results[result];
        m.impi = c->mar.impi;
        (void)print(&m, l);
    }
    metric_add(c->h->count[result], 1);
    metric_observe(c->h->seconds, (double)(service_mono_ms() - c->began_ms) / 1e3);
    log_event(LOG_LEVEL_AUDIT, v ? "zh.vector_released" : "zh.vector_refused", "impi", c->mar.impi.s, "bsf", c->bsf,
              "resync", c->mar.resync ? "yes" : "no", "guss", m.guss.p ? "yes" : "no", "result",
              gba_dia_result_name(results[result]), NULL);
    fd_answer(c->r, l ? l : &none, missing);
    if (l)
        gba_dia_list_wipe(l);
    free(l);
    store_record_free(&rec);
    gba_maa_wipe(&m);
}

static void got_vector(void *ctx, gba_err e, const av_result *v)
{
    struct call *c = ctx;
    answer(c, result_of(e, c->mar.resync), e == GBA_OK ? v : NULL, 0);
}

static void on_mar(void *ctx, fd_request *r, const gba_dia_list *in)
{
    hss *h = ctx;
    const fd_source from = fd_request_source(r);
    char bsf[256];
    struct call c = {.h = h, .r = r, .began_ms = service_mono_ms(), .bsf = bsf};
    const char *distrust = fd_settings_distrust(&h->s->diameter, &from);
    uint32_t missing = 0;
    gba_err e = in->err == GBA_OK ? gba_mar_read(in, &c.mar, &missing) : GBA_E_SYNTAX;
    av_resync rs;

    snprintf(bsf, sizeof bsf, "%s", from.origin_host); /* the request goes with its answer */
    if (!distrust && !fd_settings_covers(&h->s->hss.bsfs, from.origin_host))
        distrust = "not one of hss.bsfs";
    if (distrust) {
        log_event(LOG_LEVEL_WARN, "zh.untrusted", "origin_host", from.origin_host, "peer", from.peer, "address",
                  from.address, "reason", distrust, NULL);
        answer(&c, R_FORBIDDEN, NULL, 0);
    } else if (e != GBA_OK) {
        answer(&c, e == GBA_E_UNSUPPORTED ? R_SCHEME : missing ? R_MISSING : R_INVALID, NULL, missing);
    } else {
        memcpy(rs.rand, c.mar.rand, 16);
        memcpy(rs.auts, c.mar.auts, 14);
        h->av->ops->fetch(h->av, &c.mar.impi, c.mar.resync ? &rs : NULL, got_vector, &c);
    }
}

static gba_err prepare(void *ctx)
{
    return fd_serve(GBA_DIA_ZH, GBA_DIA_MULTIMEDIA_AUTH, on_mar, ctx);
}

static void open_metrics(hss *h)
{
    char label[96];
    for (int i = 0; i < N_RESULTS; i++) {
        snprintf(label, sizeof label, "result=\"%s\"", gba_dia_result_name(results[i]));
        h->count[i] = metric_counter("gba_hss_total", label, "Multimedia-Auth requests by result code");
    }
    h->seconds = metric_histogram("gba_hss_seconds", NULL, "time from a Multimedia-Auth request to its answer");
}

gba_err hss_start(const hss_settings *s, hss **out, char *why, size_t why_n)
{
    hss *h = calloc(1, sizeof *h);
    char buf[4096];
    store_config sc;
    fd_conf c;

    *out = h;
    if (!h)
        return GBA_E_NOMEM;
    h->s = s;
    open_metrics(h);
    hss_settings_store(s, buf, sizeof buf, &sc);
    sc.create = true;
    gba_err e = store_open(&sc, &h->store, why, why_n);
    if (e == GBA_OK)
        e = av_local_new(h->store, (unsigned)s->replica.ind, &h->av, why, why_n);
    fd_settings_conf(&s->diameter, &c);
    c.applications[0] = GBA_DIA_ZH;
    c.prepare = prepare;
    c.prepare_ctx = h;
    if (e == GBA_OK)
        e = fd_stack_start(&c, why, why_n);
    h->up = e == GBA_OK;
    if (e != GBA_OK)
        hss_stop(out);
    return e;
}

void hss_stop(hss **hp)
{
    hss *h = *hp;
    *hp = NULL;
    if (!h)
        return;
    if (h->up)
        fd_stack_stop();
    if (h->av)
        h->av->ops->free(h->av);
    store_close(&h->store);
    free(h);
}

gba_err hss_ready(hss *h, char *why, size_t why_n)
{
    gba_err e = h->av->ops->health(h->av, why, why_n);
    return e == GBA_E_UNKNOWN ? GBA_OK : e; /* a store without subscribers yet */
}
