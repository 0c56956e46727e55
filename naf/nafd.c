/* SPDX-License-Identifier: Apache-2.0 */
/* nafd.c - gba-nafd: a NAF with a resource of its own, and the authentication proxy before others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "naf/nafd.h"

static gba_err open_upstreams(nafd *d, char *why, size_t why_n)
{
    if (!d->s->upstreams.n)
        return GBA_OK;
    fetch_config c = {.ca_file = d->s->proxy.ca, .connect_ms = (unsigned)(d->s->proxy.connect_timeout * 1000),
                      .first_ms = (unsigned)(d->s->proxy.timeout * 1000),
                      .idle_ms = (unsigned)(d->s->proxy.idle * 1000)};
    gba_err e = nafd_backends_open(d);
    if (e == GBA_OK)
        e = fetch_client_new(&c, &d->fetch);
    if (e != GBA_OK)
        snprintf(why, why_n, "upstreams: %s", gba_err_text(e));
    return e;
}

static gba_err listen_on(nafd *d, const char *setting, const conf_listen *l, tls_server *tls, http_server **out,
                         char *why, size_t why_n)
{
    char reason[256] = "";
    http_cidr uncounted[2 * HTTP_CIDRS];
    if (!l->set)
        return GBA_OK;
    memcpy(uncounted, d->exempt, d->n_exempt * sizeof *uncounted);
    memcpy(uncounted + d->n_exempt, d->trusted, d->n_trusted * sizeof *uncounted);
    http_config c = {.name = "ua", .address = l->address, .port = l->port, .tls = tls,
                     .body_max = (size_t)d->s->ua.body_max, .connections = (unsigned)d->s->ua.connections,
                     .per_ip = (unsigned)d->s->ua.per_source, .exempt = uncounted,
                     .n_exempt = d->n_exempt + d->n_trusted, .idle_s = (unsigned)d->s->ua.idle,
                     .threads = (unsigned)d->s->ua.threads, .stream = true, .stream_if = nafd_streams,
                     .streams = (unsigned)(d->s->proxy.requests + d->s->zn.waiting), .handler = nafd_handle, .ctx = d};
    gba_err e = http_server_start(&c, out, reason, sizeof reason);
    if (e != GBA_OK) {
        snprintf(why, why_n, "%s: %s", setting, reason);
        return e;
    }
    log_event(LOG_LEVEL_INFO, "ua.listening", "address", l->address, "port", log_num(http_server_port(*out)), "tls",
              tls ? "yes" : "no", NULL);
    return GBA_OK;
}

/* The endpoint of nginx auth_request and Envoy ext_authz. */
static gba_err open_decision(nafd *d, char *why, size_t why_n)
{
    const conf_listen *l = &d->s->decision.listen;
    char reason[256] = "";
    if (!l->set)
        return GBA_OK;
    gba_err e = nafd_settings_naf(d->s, true, &d->decision_naf, why, why_n);
    if (e != GBA_OK)
        return e;
    http_config c = {.name = "decision", .address = l->address, .port = l->port, .body_max = 1,
                     .connections = (unsigned)d->s->ua.connections, .idle_s = (unsigned)d->s->ua.idle,
                     .threads = (unsigned)d->s->ua.threads, .handler = nafd_decide, .ctx = d};
    e = http_server_start(&c, &d->decision, reason, sizeof reason);
    if (e != GBA_OK)
        snprintf(why, why_n, "decision.listen: %s", reason);
    else
        log_event(LOG_LEVEL_INFO, "decision.listening", "address", l->address, "port",
                  log_num(http_server_port(d->decision)), NULL);
    return e;
}

static gba_err open_tls(nafd *d, char *why, size_t why_n)
{
    if (!d->s->ua.tls_listen.set)
        return GBA_OK;
    tls_server_config c = {.cert_file = d->s->ua.cert, .key_file = d->s->ua.key, .priority = d->s->ua.tls_priority};
    gba_err e = d->s->ua.psk ? nafd_psk_start(d, &c, why, why_n) : GBA_OK;
    return e == GBA_OK ? tls_server_new(&c, &d->tls, why, why_n) : e;
}

static int64_t cached_keys(void *arg)
{
    gba_naf_stats s;
    gba_naf_get_stats(arg, &s);
    return (int64_t)s.keys;
}

static int64_t proxied_now(void *arg)
{
    return atomic_load(&((nafd *)arg)->proxying);
}

static int64_t unproven_now(void *arg)
{
    return atomic_load(&((nafd *)arg)->unproven);
}

static void open_metrics(nafd *d)
{
    static const char help[] = "requests on Ua by result";
    for (int i = 0; i < GBA_NAF_WHYS; i++) {
        char label[64];
        snprintf(label, sizeof label, "result=\"%s\"", gba_naf_why_name((gba_naf_why)i));
        d->results[i] = i == GBA_NAF_WHY_NOT_GBA ? NULL : metric_counter("gba_ua_total", label, help);
    }
    static const char proxied[] = "gba_proxy_total", passed[] = "requests passed to upstreams by result";
    d->proxied_ok = metric_counter(proxied, "result=\"ok\"", passed);
    d->proxied_failed = metric_counter(proxied, "result=\"failed\"", passed);
    d->proxied_timeout = metric_counter(proxied, "result=\"timeout\"", passed);
    d->proxied_down = metric_counter(proxied, "result=\"down\"", passed);
    d->proxied_busy = metric_counter(proxied, "result=\"busy\"", passed);
    metric_gauge_fn("gba_proxy_requests", NULL, "requests at upstreams now", proxied_now, d);
    metric_gauge_fn("gba_ua_unproven_octets", NULL, "octets held of bodies under auth-int that prove nothing yet",
                    unproven_now, d);
    metric_gauge_fn("gba_naf_keys", NULL, "keys in the cache", cached_keys, d->naf);
}

static int64_t nothing(void *unused)
{
    (void)unused;
    return 0;
}

static void stop(void **state)
{
    nafd *d = *state;
    *state = NULL;
    if (!d)
        return;
    if (d->plain)
        http_server_drain(d->plain);
    if (d->secure)
        http_server_drain(d->secure);
    if (d->decision)
        http_server_drain(d->decision);
    fetch_client_abort(d->fetch);
    nafd_zn_stop(d->zn); /* whose requests are under way still asks it */
    unsigned ms = (unsigned)(d->s->daemon.drain * 1000);
    if (d->plain)
        http_server_stop(&d->plain, ms);
    if (d->secure)
        http_server_stop(&d->secure, ms);
    if (d->decision)
        http_server_stop(&d->decision, ms);
    nafd_zn_free(&d->zn);
    fetch_client_free(&d->fetch);
    nafd_backends_close(d);
    tls_server_free(&d->tls);
    nafd_psk_free(&d->psk);
    metric_gauge_fn("gba_naf_keys", NULL, "", nothing, NULL);
    metric_gauge_fn("gba_proxy_requests", NULL, "", nothing, NULL);
    metric_gauge_fn("gba_ua_unproven_octets", NULL, "", nothing, NULL);
    gba_naf_free(&d->decision_naf);
    gba_naf_free(&d->naf);
    free(d);
}

static gba_err start(const void *settings, void **state, char *why, size_t why_n)
{
    nafd *d = calloc(1, sizeof *d);
    *state = d;
    if (!d)
        return GBA_E_NOMEM;
    d->s = settings;
    conf_cidrs(NULL, "", &d->s->limits.trusted_proxies, d->trusted, &d->n_trusted);
    conf_cidrs(NULL, "", &d->s->limits.exempt, d->exempt, &d->n_exempt);
    char *loopback[] = {(char[]){"127.0.0.0/8"}, (char[]){"::1/128"}};
    conf_strings askers = d->s->decision.proxies;
    if (!askers.n)
        askers = (conf_strings){.v = loopback, .n = 2};
    conf_cidrs(NULL, "", &askers, d->proxies, &d->n_proxies);
    gba_err e = nafd_settings_naf(d->s, false, &d->naf, why, why_n);
    if (e == GBA_OK) {
        open_metrics(d);
        e = open_tls(d, why, why_n);
    }
    if (e == GBA_OK)
        e = open_upstreams(d, why, why_n);
    if (e == GBA_OK)
        e = nafd_zn_start(d, &d->zn, why, why_n);
    if (e == GBA_OK)
        e = open_decision(d, why, why_n);
    if (e == GBA_OK)
        e = listen_on(d, "ua.listen", &d->s->ua.listen, NULL, &d->plain, why, why_n);
    if (e == GBA_OK)
        e = listen_on(d, "ua.tls_listen", &d->s->ua.tls_listen, d->tls, &d->secure, why, why_n);
    if (e != GBA_OK)
        stop(state);
    return e;
}

static gba_err reload(void *state, const void *settings, char *why, size_t why_n)
{
    nafd *d = state;
    (void)settings; /* the rest of them takes a restart: config.restart_needed names what differs */
    gba_err e = d->tls ? tls_server_reload(d->tls, why, why_n) : GBA_OK;
    log_event(e == GBA_OK ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "nafd.reloaded", "certificates",
              e == GBA_OK ? "read again" : "kept", NULL);
    return e;
}

static void drain(void *state)
{
    nafd *d = state;
    if (d->plain)
        http_server_drain(d->plain);
    if (d->secure)
        http_server_drain(d->secure);
    if (d->decision)
        http_server_drain(d->decision);
}

/* Can a BSF be asked? Without one those are served whose keys are here. */
static gba_err keys_ready(nafd *d, char *why, size_t why_n)
{
    const nafd_bsf *b = d->s->naf.bsfs.v;
    for (size_t i = 0; i < d->s->naf.bsfs.n; i++)
        if (!b[i].dia_realm.s[0] || nafd_diameter_reaches(&b[i]))
            return GBA_OK;
    if (cached_keys(d->naf) > 0 || (d->decision_naf && cached_keys(d->decision_naf) > 0))
        return GBA_OK;
    for (size_t i = 0; i < d->s->naf.bsfs.n; i++)
        daemon_reason(why, why_n, "BSF %s: no Diameter peer is connected that leads there", b[i].domain.s);
    return GBA_E_IO;
}

static gba_err ready(void *state, char *why, size_t why_n)
{
    nafd *d = state;
    gba_err e = keys_ready(d, why, why_n);
    if (e == GBA_OK && !d->s->resource.enabled && !d->decision)
        e = nafd_backends_ready(d, why, why_n);
    return e;
}

int main(int argc, char **argv)
{
    static const char *const live[] = {NULL};
    static const daemon_spec spec = {.name = "gba-nafd",
                                     .summary = "GBA network application function and authentication proxy",
                                     .table = nafd_settings_table,
                                     .conf_size = sizeof(nafd_settings),
                                     .daemon_conf_offset = offsetof(nafd_settings, daemon),
                                     .check = nafd_settings_check,
                                     .start = start,
                                     .reload = reload,
                                     .live = live,
                                     .drain = drain,
                                     .stop = stop,
                                     .ready = ready};
    return daemon_main(&spec, argc, argv);
}
