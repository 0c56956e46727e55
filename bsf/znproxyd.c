/* SPDX-License-Identifier: Apache-2.0 */
/*
 * znproxyd.c - gba-znproxyd, the Zn-Proxy of TS 33.220 4.2.2a: lets a network's NAFs ask the BSFs of
 * other networks' subscribers, and vouches that each asks only for the names that are its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include "service/daemon.h"
#include "service/fd_settings.h"
#include "service/metrics.h"

typedef struct proxy_settings {
    fd_settings diameter;
    daemon_conf daemon;
} proxy_settings;

static const conf_field table[] = {
    FD_SETTINGS_ROWS(proxy_settings, diameter),
    DAEMON_CONF_ROWS(proxy_settings, daemon, "127.0.0.1:8084"),
    {.path = NULL},
};

static struct {
    const proxy_settings *s;
    metric *forwarded, *refused;
} g;

static void check(conf *c, const void *settings)
{
    const proxy_settings *s = settings;
    const fd_peer_settings *p = s->diameter.peers.v;
    size_t nafs = 0;

    if (!fd_settings_used(&s->diameter))
        conf_fault(c, "diameter.identity", "is missing: Zn is Diameter");
    fd_settings_check(c, &s->diameter);
    for (size_t i = 0; i < s->diameter.peers.n; i++)
        nafs += p[i].nafs.n;
    if (s->diameter.peers.n && !nafs)
        conf_fault(c, "diameter.peers", "none has nafs: nobody could ask for a key");
}

/* NULL, or why it goes no further. */
static const char *objection(const fd_source *from, uint32_t application, uint32_t command, const gba_dia_list *in,
                             gba_bir *b)
{
    const char *distrust = fd_settings_distrust(&g.s->diameter, from);
    const fd_peer_settings *p = fd_settings_peer(&g.s->diameter, from->peer);
    uint32_t missing;

    if (distrust)
        return distrust;
    if (application != GBA_DIA_ZN || command != GBA_DIA_BOOTSTRAPPING_INFO)
        return "not Zn";
    if (in->err != GBA_OK || gba_bir_read(in, b, &missing) != GBA_OK)
        return "malformed";
    return fd_settings_covers(&p->nafs, b->naf.fqdn.s) ? NULL : "the NAF may not ask for this name";
}

static gba_err forward(void *ctx, const fd_source *from, const char *realm, uint32_t application, uint32_t command,
                       const gba_dia_list *in)
{
    gba_bir b = {0};
    char ua[2 * sizeof b.naf.ua.o + 1];
    const char *no = objection(from, application, command, in, &b);
    (void)ctx;

    gba_hex_encode(b.naf.ua.o, sizeof b.naf.ua.o, ua);
    log_event(LOG_LEVEL_AUDIT, no ? "znproxy.refused" : "znproxy.forwarded", "naf", from->origin_host, "peer",
              from->peer, "naf_id", b.naf.fqdn.s, "ua", ua, "btid", b.btid.s, "realm", realm, "reason", no, NULL);
    metric_add(no ? g.refused : g.forwarded, 1);
    return no ? GBA_E_FORBIDDEN : GBA_OK;
}

static gba_err prepare(void *ctx)
{
    return fd_proxy(forward, ctx);
}

static gba_err start(const void *settings, void **state, char *why, size_t why_n)
{
    static fd_conf c;
    g.s = settings;
    g.forwarded = metric_counter("gba_znproxy_total", "result=\"forwarded\"", "Zn requests by what became of them");
    g.refused = metric_counter("gba_znproxy_total", "result=\"refused\"", "Zn requests by what became of them");
    fd_settings_conf(&g.s->diameter, &c);
    c.relay = true;
    c.prepare = prepare;
    *state = &g;
    return fd_stack_start(&c, why, why_n);
}

static gba_err reload(void *state, const void *settings, char *why, size_t why_n)
{
    (void)state, (void)settings, (void)why, (void)why_n;
    return GBA_OK; /* the event config.restart_needed names what differs */
}

static void drain(void *state)
{
    (void)state;
}

static void stop(void **state)
{
    *state = NULL;
    fd_stack_stop();
}

/* A NAF alone is nobody to forward to. */
static gba_err ready(void *state, char *why, size_t why_n)
{
    const fd_peer_settings *p = g.s->diameter.peers.v;
    (void)state;
    for (size_t i = 0; i < g.s->diameter.peers.n; i++) {
        if (p[i].nafs.n)
            continue;
        if (fd_stack_peer_open(p[i].identity.s))
            return GBA_OK;
        daemon_reason(why, why_n, "no connection to %s, a BSF's or proxy's", p[i].identity.s);
    }
    if (!*why && fd_stack_open_peers())
        return GBA_OK; /* every peer has nafs, and may be a proxy too */
    if (!*why)
        daemon_reason(why, why_n, "no peer is connected");
    return GBA_E_IO;
}

int main(int argc, char **argv)
{
    static const char *const live[] = {NULL};
    static const daemon_spec spec = {
        .name = "gba-znproxyd",
        .summary = "Zn-Proxy: forwards the key queries of this network's NAFs to other networks' BSFs (TS 33.220)",
        .table = table,
        .conf_size = sizeof(proxy_settings),
        .daemon_conf_offset = offsetof(proxy_settings, daemon),
        .check = check,
        .start = start,
        .reload = reload,
        .live = live,
        .drain = drain,
        .stop = stop,
        .ready = ready,
    };
    return daemon_main(&spec, argc, argv);
}
