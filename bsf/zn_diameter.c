/* SPDX-License-Identifier: Apache-2.0 */
/* zn_diameter.c - Bootstrapping-Info: who asks, zn_release, the answer. */
#include "bsf/zn_diameter.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service/daemon.h"
#include "service/log.h"
#include "service/metrics.h"

_Static_assert(GBA_DIA_GSIDS <= ZN_GSIDS_MAX, "every GSID of a request fits a query");

/* TS 29.109 6.2, RFC 6733 7.1; in this order in the metric. */
static const gba_dia_result results[] = {
    {GBA_DIA_SUCCESS, 0},
    {GBA_DIA_NOT_AUTHORIZED, GBA_DIA_VENDOR},
    {GBA_DIA_TRANSACTION_IDENTIFIER_INVALID, GBA_DIA_VENDOR},
    {GBA_DIA_MISSING_AVP, 0},
    {GBA_DIA_INVALID_AVP_VALUE, 0},
    {GBA_DIA_TOO_BUSY, 0},
    {GBA_DIA_UNABLE_TO_COMPLY, 0},
};
enum { R_OK, R_NOT_AUTHORIZED, R_BTID, R_MISSING, R_INVALID, R_BUSY, R_FAILED, N_RESULTS };

static struct {
    zn *zn;
    const fd_settings *s;
    metric *count[N_RESULTS], *seconds;
} g;

static int result_of(gba_err e)
{
    switch (e) {
    case GBA_OK:
        return R_OK;
    case GBA_E_AUTH:
    case GBA_E_FORBIDDEN:
        return R_NOT_AUTHORIZED;
    case GBA_E_UNKNOWN:
    case GBA_E_EXPIRED:
        return R_BTID;
    case GBA_E_BUSY:
    case GBA_E_IO: /* the store, for a while: the NAF may ask again, or another replica */
    case GBA_E_NOMEM:
        return R_BUSY;
    default:
        return R_FAILED;
    }
}

static gba_err fill(const zn_answer *a, gba_bia *b, char *xml, size_t room)
{
    size_t n = room;
    b->me = a->me_key;
    b->uicc = a->uicc_key;
    b->expires = a->expires;
    b->created = a->created;
    b->impi = a->impi;
    b->gba_type = a->gba_type == 3 ? 2 : a->gba_type == 2 ? 1 : 0; /* GBA_ME and GBA_U are both 3G GBA */
    if (!a->n_uss)
        return GBA_OK;
    gba_err e = gba_usslist_print(a->uss, a->n_uss, xml, &n);
    b->uss_list = gba_mem(xml, n);
    return e;
}

/* A released key as AVPs. */
static gba_err print(void *ctx, const zn_answer *a)
{
    gba_dia_list *l = ctx;
    gba_bia b = {.result = results[R_OK]};
    char *xml = a->n_uss ? malloc(GBA_GUSS_XML_MAX) : NULL;
    gba_err e = a->n_uss && !xml ? GBA_E_NOMEM : fill(a, &b, xml, GBA_GUSS_XML_MAX);

    if (e == GBA_OK)
        e = gba_bia_write(&b, l);
    if (e != GBA_OK)
        gba_dia_list_wipe(l);
    free(xml);
    gba_bia_wipe(&b);
    return e;
}

static gba_err without_memory(void *ctx, const zn_answer *a)
{
    (void)ctx, (void)a;
    return GBA_E_NOMEM;
}

static void send(fd_request *r, int result, const gba_dia_list *l, uint32_t missing)
{
    metric_add(g.count[result], 1);
    fd_answer(r, l, missing);
}

static void refuse(fd_request *r, int result, uint32_t missing)
{
    static gba_dia_list none; /* without memory: an answer without AVPs of ours, which the NAF takes as none */
    gba_bia b = {.result = results[result]};
    gba_dia_list *l = gba_dia_list_new();

    if (l && gba_bia_write(&b, l) != GBA_OK)
        gba_dia_list_wipe(l);
    send(r, result, l ? l : &none, missing);
    free(l);
}

static void query_of(const gba_bir *b, zn_query *q)
{
    q->btid = b->btid;
    q->naf_id = b->naf;
    q->gba_u_aware = b->gba_u_aware;
    q->n_gsids = b->n_gsids;
    memcpy(q->gsid, b->gsids, b->n_gsids * sizeof *b->gsids);
}

static void serve(fd_request *r, const gba_dia_list *in)
{
    const fd_source from = fd_request_source(r);
    const char *distrust = fd_settings_distrust(g.s, &from);
    char source[340];
    gba_fqdn name;
    gba_bir b;
    zn_query q = {.names = &name, .n_names = 1, .source = source};
    zn_answer a;
    uint32_t missing;

    snprintf(source, sizeof source, "diameter:%s%s%s", from.peer, from.address[0] ? "/" : "", from.address);
    if (!distrust && gba_fqdn_parse(gba_str(from.origin_host), &name) != GBA_OK)
        distrust = "Origin-Host is no FQDN";
    if (distrust) {
        log_event(LOG_LEVEL_WARN, "zn.untrusted", "origin_host", from.origin_host, "peer", from.peer, "address",
                  from.address, "reason", distrust, NULL);
        zn_refused(NULL, source, "unauthenticated");
        refuse(r, R_NOT_AUTHORIZED, 0);
        return;
    }
    if (in->err != GBA_OK || gba_bir_read(in, &b, &missing) != GBA_OK) {
        missing = in->err == GBA_OK ? missing : 0;
        zn_refused(name.s, source, "malformed");
        refuse(r, missing ? R_MISSING : R_INVALID, missing);
        return;
    }
    query_of(&b, &q);
    gba_dia_list *l = gba_dia_list_new();
    gba_err e = zn_release(g.zn, &q, service_now(), &a, l ? print : without_memory, l);
    zn_answer_wipe(&a);
    if (e == GBA_OK)
        send(r, R_OK, l, 0);
    else
        refuse(r, result_of(e), 0);
    if (l)
        gba_dia_list_wipe(l);
    free(l);
}

static void on_bir(void *ctx, fd_request *r, const gba_dia_list *in)
{
    int64_t began = service_mono_ms();
    (void)ctx;
    serve(r, in);
    metric_observe(g.seconds, (double)(service_mono_ms() - began) / 1e3);
}

gba_err zn_diameter_serve(zn *z, const fd_settings *s)
{
    char label[96];
    g.zn = z;
    g.s = s;
    for (int i = 0; i < N_RESULTS; i++) {
        snprintf(label, sizeof label, "result=\"%s\"", gba_dia_result_name(results[i]));
        g.count[i] = metric_counter("gba_zn_diameter_total", label, "Bootstrapping-Info requests by result code");
    }
    g.seconds =
        metric_histogram("gba_zn_diameter_seconds", NULL, "time from a Bootstrapping-Info request to its answer");
    return fd_serve(GBA_DIA_ZN, GBA_DIA_BOOTSTRAPPING_INFO, on_bir, NULL);
}
