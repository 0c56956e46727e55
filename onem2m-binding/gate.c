/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - m2m-gate: the four SAEFs on one port, in front of a CSE that cannot be changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "onem2m-binding/gate_poa.h"
#include "onem2m-binding/refusal.h"

#define READY_MS 1000 /* for a connection to the CSE */
#define STOP_MS 1000 /* for the answers of those that were cut */

static gba_err open_store(gate *g, char *why, size_t why_n)
{
    char buf[4096];
    store_config c = {.url = g->s->store.url, .key_file = gate_settings_seal(g->s, buf, sizeof buf), .create = true,
                      .synchronous_full = true};
    gba_err e = store_open(&c, &g->store, why, why_n);
    if (e != GBA_OK)
        return e;
    e = gate_book_open(g->store, &g->book);
    if (e != GBA_OK)
        snprintf(why, why_n, "%s: the credentials cannot be read: %s", c.url, gba_err_text(e));
    else if ((e = gate_poas_open(g->store, &g->poas)) != GBA_OK)
        snprintf(why, why_n, "%s: the points of access cannot be read: %s", c.url, gba_err_text(e));
    return e;
}

static gba_err open_links(const char *what, const conf_items *list, gate_link *links, gba_fqdn *names, char *why,
                          size_t why_n)
{
    const gate_kms *k = list->v;
    const char *path;
    bool tls;

    for (size_t i = 0; i < list->n && i < GBA_NAF_BSFS; i++) {
        links[i].conf = &k[i];
        names[i] = k[i].fqdn;
        gba_err e = gate_url(k[i].url, &tls, links[i].host, &links[i].port, &path);
        if (e != GBA_OK)
            snprintf(why, why_n, "%s[%zu]: %s: is not https://host:port", what, i, k[i].url);
        else if (k[i].psk_file)
            e = m2m_read_secret(k[i].psk_file, &links[i].psk, why, why_n);
        if (e != GBA_OK)
            return e;
    }
    return GBA_OK;
}

static gba_err open_naf(gate *g, char *why, size_t why_n)
{
    const gate_settings *s = g->s;
    const gate_bsf *b = s->bsf.v;
    const char *bsfs[GBA_NAF_BSFS], *fqdn = g->name.s, *reason = "";
    gba_naf_zn_bsf zn[GBA_NAF_BSFS];

    for (size_t i = 0; i < s->bsf.n; i++) {
        g->bsf_fqdn[i] = b[i].domain;
        bsfs[i] = b[i].domain.s;
        zn[i] = (gba_naf_zn_bsf){.domain = b[i].domain.s, .url = b[i].zn_url};
    }
    if (!s->bsf.n)
        return GBA_OK;
    gba_naf_config c = {.fqdns = &fqdn, .n_fqdns = 1, .bsfs = bsfs, .n_bsfs = s->bsf.n, .keys_max = (size_t)s->keys,
                        .unknown_ttl = s->unknown_ttl, .unknown_per_source = (unsigned)s->unknown_per_source};
    uint32_t gsids[GBA_NAF_ZN_GSIDS];
    gba_naf_zn_http_config z = {.gsids = gsids, .bsfs = zn, .n_bsfs = s->bsf.n, .ca_file = s->zn.ca ? s->zn.ca : s->ca,
                                .cert_file = s->zn.cert ? s->zn.cert : s->cert,
                                .key_file = s->zn.key ? s->zn.key : s->key, .connect_ms = (unsigned)s->wait_ms,
                                .total_ms = (unsigned)s->wait_ms,
                                .connections = 16, .user_agent = "m2m-gate"};
    conf_numbers(NULL, "zn.services", &s->zn.services, gsids, GBA_NAF_ZN_GSIDS, &z.n_gsids);
    gba_err e = gba_naf_new(&c, &g->naf, &reason);
    if (e == GBA_OK)
        e = gba_naf_zn_http_new(&z, &g->zn, &reason);
    if (e != GBA_OK)
        snprintf(why, why_n, "bsf: %s", reason);
    return e;
}

static gba_err open_tls(gate *g, char *why, size_t why_n)
{
    const gate_settings *s = g->s;
    tls_server_config c = {.cert_file = s->cert, .key_file = s->key, .client_ca_file = s->ca, .client_optional = true,
                           .crl_file = s->crl, .ocsp_file = s->ocsp, .raw_key = gate_raw_key,
                           .cert_refused = gate_cert_refused, .cert_ctx = g, .psk_failed = gate_psk_failed,
                           .priority = s->priority ? s->priority : gba_m2m_priority(true),
                           .psk = gate_psk, .psk_ctx = g, .psk_who_free = gate_who_free,
                           .psk_hint = g->naf ? "3GPP-bootstrapping" : NULL};
    return tls_server_new(&c, &g->tls, why, why_n);
}

static gba_err listen_on(gate *g, bool egress, char *why, size_t why_n)
{
    const gate_settings *s = g->s;
    const conf_listen *l = egress ? &s->egress : &s->listen;
    http_server **out = egress ? &g->egress : &g->secure;
    char reason[256] = "";
    http_config c = {.name = egress ? "egress" : "gate", .address = l->address, .port = l->port,
                     .tls = egress ? NULL : g->tls, .body_max = (size_t)s->body_max,
                     .connections = (unsigned)s->connections, .per_ip = egress ? 0 : (unsigned)s->per_source,
                     .exempt = g->exempt, .n_exempt = g->n_exempt, .known_bodies = !egress,
                     .idle_s = (unsigned)s->idle, .threads = egress ? 1 : 0, .stream = egress,
                     .handler = egress ? gate_egress_handle : gate_handle, .ctx = g,
                     .refusal = m2m_refusal};
    if (!l->set)
        return GBA_OK;
    gba_err e = http_server_start(&c, out, reason, sizeof reason);
    if (e != GBA_OK)
        snprintf(why, why_n, "%s: %s", egress ? "egress" : "listen", reason);
    return e;
}

/* The egress first: its port stands in the addresses that we give. */
static gba_err listen_on_both(gate *g, char *why, size_t why_n)
{
    const gate_settings *s = g->s;
    const char *at = s->egress.address;
    gba_err e = listen_on(g, true, why, why_n);

    if (e == GBA_OK && s->egress_url)
        snprintf(g->egress_url, sizeof g->egress_url, "%s", s->egress_url);
    else if (e == GBA_OK && g->egress)
        snprintf(g->egress_url, sizeof g->egress_url, strchr(at, ':') ? "http://[%s]:%u" : "http://%s:%u", at,
                 http_server_port(g->egress));
    if (e == GBA_OK)
        e = listen_on(g, false, why, why_n);
    if (e == GBA_OK)
        log_event(LOG_LEVEL_INFO, "gate.listening", "address", s->listen.address, "port",
                  log_num(http_server_port(g->secure)), NULL);
    if (e == GBA_OK && g->egress)
        log_event(LOG_LEVEL_INFO, "egress.listening", "address", at, "port", log_num(http_server_port(g->egress)),
                  NULL);
    return e;
}

static void open_metrics(gate *g)
{
    static const char *const results[] = {"allowed", "refused"}, *const servers[] = {"maf", "mef", "bsf"};
    char label[96];
    for (int r = 0; r < GATE_RESULTS; r++) {
        for (int f = 0; f <= GBA_M2M_FRAMEWORKS; f++) {
            const gba_m2m_row *row = f < GBA_M2M_FRAMEWORKS ? gba_m2m_row_of((gba_m2m_framework)f) : NULL;
            snprintf(label, sizeof label, "framework=\"%s\",result=\"%s\"", row ? row->name : "none", results[r]);
            g->requests[f][r] = metric_counter("m2m_gate_requests_total", label, "requests by the guard's decision");
            g->handshakes[f][r] = metric_counter("m2m_gate_keys_total", label,
                                                 "credentials in handshakes: keys found, and whatever was refused");
        }
        for (int i = 0; i < 3; i++) {
            snprintf(label, sizeof label, "server=\"%s\",result=\"%s\"", servers[i], r ? "failed" : "ok");
            g->asked[i][r] = metric_counter("m2m_gate_queries_total", label, "keys asked from MAFs, MEFs and BSFs");
        }
        snprintf(label, sizeof label, "result=\"%s\"", r ? "failed" : "ok");
        g->sent[r] = metric_counter("m2m_gate_egress_total", label, "requests of the CSE taken out");
    }
    g->learned = metric_counter("m2m_gate_learned_total", NULL, "AE-IDs learned from the CSE's answers");
}

static void sweep(gate *g)
{
    unsigned gone;
    gba_err e = store_sweep(g->store, service_now(), 500, &gone);
    if (e != GBA_OK)
        log_event(LOG_LEVEL_ERROR, "housekeeping.failed", "step", "sweep", "error", gba_err_name(e), NULL);
}

/* No key stays in memory after its end. */
static void sweep_keys(gate *g, int64_t now)
{
    gate_keys_sweep(g, now);
    gate_routes_sweep(g, now);
}

static void *tick(void *ctx)
{
    gate *g = ctx;
    for (unsigned n = 0; !atomic_load(&g->stopping); n++) {
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        if (n % 2 == 0)
            gate_book_follow(g->book);
        if (n % 5 == 0)
            gate_poas_follow(g->poas, g->book);
        if (n % 25 == 0 && g->naf)
            gba_naf_sweep(g->naf, service_now());
        if (n % 5 == 0)
            sweep_keys(g, service_now());
        if (n % 25 == 0)
            sweep(g);
    }
    return NULL;
}

static void drain(void *state)
{
    gate *g = state;
    if (g->secure)
        http_server_drain(g->secure);
    if (g->egress)
        http_server_drain(g->egress);
}

static void stop(void **state)
{
    gate *g = *state;
    *state = NULL;
    if (!g)
        return;
    drain(g);
    m2m_peer_stop(); /* the time to drain is over: whoever waits for a CSE, MAF, MEF or BSF waits no more */
    gba_naf_zn_http_stop(g->zn);
    if (g->secure)
        http_server_stop(&g->secure, STOP_MS);
    if (g->egress)
        http_server_stop(&g->egress, STOP_MS);
    atomic_store(&g->stopping, true);
    if (g->clock_runs)
        pthread_join(g->clock, NULL);
    tls_server_free(&g->tls);
    gate_routes_close(g);
    gate_upstream_close(&g->upstream);
    gate_keys_close(g);
    gba_naf_zn_http_free(&g->zn);
    gba_naf_free(&g->naf);
    gate_poas_close(&g->poas);
    gate_book_close(&g->book);
    if (g->store)
        store_close(&g->store);
    for (size_t i = 0; i < GBA_NAF_BSFS; i++) {
        gba_secret_wipe(&g->maf[i].psk);
        gba_secret_wipe(&g->mef[i].psk);
    }
    free(g);
}

/* Names, and what can be opened without a listener. */
static gba_err prepare(gate *g, char *why, size_t why_n)
{
    const gate_settings *s = g->s;
    gba_err e = gba_m2m_id_parse(gba_str(s->cse_id), NULL, &g->cse);

    if (e == GBA_OK)
        e = gba_m2m_id_print(&g->cse, GBA_M2M_ABSOLUTE, g->cse_text);
    g->name = s->public_name;
    conf_cidrs(NULL, "", &s->exempt, g->exempt, &g->n_exempt);
    if (e == GBA_OK && !g->name.s[0])
        e = gba_m2m_id_fqdn(&g->cse, &g->name);
    if (e != GBA_OK) {
        snprintf(why, why_n, "cse_id: %s", gba_err_text(e));
        return e;
    }
    e = open_store(g, why, why_n);
    if (e == GBA_OK)
        e = open_links("maf", &s->maf, g->maf, g->maf_fqdn, why, why_n);
    if (e == GBA_OK)
        e = open_links("mef", &s->mef, g->mef, g->mef_fqdn, why, why_n);
    if (e == GBA_OK)
        e = open_naf(g, why, why_n);
    g->domains = (gba_m2m_domains){.at = GBA_M2M_AT_CSE, .bsf = g->bsf_fqdn, .maf = g->maf_fqdn, .mef = g->mef_fqdn,
                                   .n_bsf = s->bsf.n, .n_maf = s->maf.n, .n_mef = s->mef.n};
    return e;
}

static gba_err start(const void *settings, void **state, char *why, size_t why_n)
{
    gate *g = calloc(1, sizeof *g);
    *state = g;
    if (!g)
        return GBA_E_NOMEM;
    g->s = settings;
    open_metrics(g);
    gba_err e = prepare(g, why, why_n);
    if (e == GBA_OK)
        e = gate_keys_open(g);
    if (e == GBA_OK)
        e = gate_routes_open(g);
    if (e == GBA_OK && (e = gate_upstream_open(g->s, &g->upstream)) != GBA_OK)
        snprintf(why, why_n, "upstream: %s: %s", g->s->upstream, gba_err_text(e));
    if (e == GBA_OK)
        e = open_tls(g, why, why_n);
    if (e == GBA_OK)
        e = listen_on_both(g, why, why_n);
    if (e == GBA_OK)
        g->clock_runs = pthread_create(&g->clock, NULL, tick, g) == 0;
    if (e != GBA_OK)
        stop(state);
    return e;
}

static gba_err reload(void *state, const void *settings, char *why, size_t why_n)
{
    gate *g = state;
    (void)settings;
    gba_err e = tls_server_reload(g->tls, why, why_n);
    log_event(e == GBA_OK ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "gate.reloaded", "certificates",
              e == GBA_OK ? "read again" : "kept", NULL);
    return e;
}

static gba_err ready(void *state, char *why, size_t why_n)
{
    gate *g = state;
    gba_err e = store_health(g->store, why, why_n);
    if (e != GBA_OK || gate_upstream_reachable(g->upstream, READY_MS))
        return e;
    daemon_reason(why, why_n, "the CSE at %s takes no connection", g->s->upstream);
    return GBA_E_IO;
}

int main(int argc, char **argv)
{
    static const char *const live[] = {NULL};
    static const daemon_spec spec = {.name = "m2m-gate",
                                     .summary = "oneM2M security associations (SAEF 1 to 4) in front of a CSE",
                                     .table = gate_settings_table,
                                     .conf_size = sizeof(gate_settings),
                                     .daemon_conf_offset = offsetof(gate_settings, daemon),
                                     .check = gate_settings_check,
                                     .start = start,
                                     .reload = reload,
                                     .drain = drain,
                                     .stop = stop,
                                     .ready = ready,
                                     .live = live};
    return daemon_main(&spec, argc, argv);
}
