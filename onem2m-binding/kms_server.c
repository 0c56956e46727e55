/* SPDX-License-Identifier: Apache-2.0 */
/* kms_server.c - m2m-mafd and m2m-mefd: listener, housekeeping, reload, stop. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "onem2m-binding/kms_server.h"
#include "onem2m-binding/names.h"
#include "onem2m-binding/peer.h"
#include "onem2m-binding/refusal.h"
#include "service/http.h"
#include "service/metrics.h"

typedef struct server {
    const kms_kind *kind;
    kms f;
    store *store;
    tls_server *tls;
    http_server *http;
    gba_naf *naf;
    gba_naf_zn_http *zn;
    kms_mef_link mef[GBA_NAF_BSFS];
    gba_fqdn bsf[GBA_NAF_BSFS], *admin;
    m2m_naming naming[GBA_NAF_BSFS]; /* of each BSF */
    http_cidr exempt[HTTP_CIDRS];
    size_t n_exempt;
    pthread_t keeper;
    bool keeping, stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} server;

static const kms_kind *this_kind; /* one program is one of the two */

/* ---- a request ---- */
static gba_span field(http_req *r, const char *name)
{
    const char *v = http_header(r, name);
    return v ? gba_str(v) : (gba_span){0};
}

static gba_err do_export(void *session, const char *label, void *out, size_t n)
{
    return tls_session_export(session, label, out, n);
}

static void report(const server *s, const kms_answer *a, const kms_who *w, const char *source)
{
    char event[32], name[64], labels[96], rsc[8];

    snprintf(rsc, sizeof rsc, "%u", a->rsc);
    snprintf(event, sizeof event, "%s.request", s->kind->name);
    log_event(LOG_LEVEL_AUDIT, event, "op", a->op, "rsc", rsc, "why", a->why, "client", a->client[0] ? a->client : NULL,
              "credential", w && w->credential[0] ? w->credential : NULL, "resource",
              a->resource[0] ? a->resource : NULL, "source", source, "hint", a->hint[0] ? a->hint : NULL, NULL);
    snprintf(name, sizeof name, "m2m_%s_requests_total", s->kind->name);
    snprintf(labels, sizeof labels, "op=\"%s\",rsc=\"%s\"", a->op, rsc);
    metric_add(metric_counter(name, labels, "requests by operation and response status code"), 1);
}

static void answer(http_req *r, const kms_answer *a)
{
    char rsc[8];
    http_field f[6];
    size_t n = 0;
    const char *ri = http_header(r, M2M_H_RI);

    snprintf(rsc, sizeof rsc, "%u", a->rsc);
    f[n++] = (http_field){M2M_H_RSC, rsc};
    f[n++] = (http_field){M2M_H_RVI, M2M_RVI};
    f[n++] = (http_field){"Cache-Control", "no-store"};
    if (ri && strlen(ri) <= 128)
        f[n++] = (http_field){M2M_H_RI, ri};
    if (a->location[0])
        f[n++] = (http_field){M2M_H_LOCATION, a->location};
    if (a->body)
        f[n++] = (http_field){"Content-Type", "application/json"};
    http_reply(r, gba_m2m_rsc_http(a->rsc), f, n, gba_str(a->body));
}

/* SNI is mandatory (TS-0003 10.2.1); with a pre-shared key the handshake has seen to it. */
static const char *sni_fault(const server *s, http_req *r)
{
    char sni[256];

    tls_session_sni(http_tls_session(r), sni);
    return !strcasecmp(sni, s->f.c.fqdn.s) ? NULL : sni[0] ? "other_sni" : "no_sni";
}

static void handle(http_req *r, void *ctx)
{
    server *s = ctx;
    kms_who *w = http_tls_who(r), cert;
    kms_answer a;
    char source[64];
    kms_request q = {
        .nobody = w ? NULL : sni_fault(s, r),
        .http = {.method = gba_str(http_method(r)), .target = gba_str(http_target(r)),
                 .content_type = field(r, "Content-Type"), .origin = field(r, M2M_H_ORIGIN),
                 .rvi = field(r, M2M_H_RVI)},
        .body = http_body(r), .source = source, .now = service_now(), .export = do_export,
        .export_ctx = http_tls_session(r),
    };

    http_source_text(http_peer(r), source);
    memset(&cert, 0, sizeof cert);
    if (!w && !q.nobody) {
        gba_err e = kms_cert_who(&s->f, http_tls_session(r), &cert);
        w = e == GBA_OK ? &cert : NULL;
        q.nobody = e == GBA_E_RANGE ? "too_many_names" : e == GBA_E_FORBIDDEN ? "other_spelling" : NULL;
    }
    q.who = w;
    if (http_header_n(r, M2M_H_ORIGIN) > 1 || http_header_n(r, "Content-Type") > 1 || http_header_n(r, M2M_H_RVI) > 1)
        q.http.target = gba_str(""); /* two originators are none: 4000 */
    kms_handle(&s->f, &q, &a);
    report(s, &a, w, source);
    answer(r, &a);
    kms_answer_free(&a);
}

/* ---- housekeeping ---- */
static void *keep(void *p)
{
    server *s = p;
    struct timespec t;
    unsigned n;

    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec++;
        pthread_cond_timedwait(&s->wake, &s->lock, &t);
        if (s->stop)
            break;
        pthread_mutex_unlock(&s->lock);
        gba_err e = store_sweep(s->store, service_now(), 500, &n);
        if (e != GBA_OK)
            log_event(LOG_LEVEL_ERROR, "housekeeping.failed", "step", "sweep", "error", gba_err_name(e), NULL);
        if (s->naf)
            gba_naf_sweep(s->naf, service_now());
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- start ---- */
static gba_err fail(gba_err e, const char *what, const char *text, char *why, size_t why_n)
{
    if (e != GBA_OK && !why[0])
        snprintf(why, why_n, "%s: %s", what, text ? text : gba_err_text(e));
    return e;
}

/* Copies, for the settings may be read anew. */
static gba_err take_identities(const kms_settings *c, const conf_strings *list, m2m_naming *out)
{
    char **copy = calloc(list->n + 1, sizeof *copy);

    *out = (m2m_naming){.pattern = copy, .below = true, .never = {.kind = GBA_M2M_ID_FQDN, .sp = c->fqdn}};
    snprintf(out->home.s, sizeof out->home.s, "%s", kms_settings_home(c));
    for (; copy && out->n < list->n; out->n++)
        if (!(copy[out->n] = strdup(list->v[out->n])))
            return GBA_E_NOMEM;
    return copy ? GBA_OK : GBA_E_NOMEM;
}

static void free_identities(m2m_naming *n)
{
    for (size_t i = 0; i < n->n; i++)
        free(n->pattern[i]);
    free((void *)(uintptr_t)n->pattern);
}

static gba_err start_mefs(server *s, const kms_settings *c, char *why, size_t why_n)
{
    const kms_mef_settings *m = c->mefs.v;
    gba_err e = GBA_OK;

    for (size_t i = 0; i < c->mefs.n && e == GBA_OK; i++) {
        s->mef[i] = (kms_mef_link){.fqdn = m[i].fqdn, .host = strdup(m[i].address.address), .port = m[i].address.port,
                                   .psk_id = m[i].psk_id ? strdup(m[i].psk_id) : NULL,
                                   .ca = m[i].ca ? strdup(m[i].ca) : NULL,
                                   .crl = m[i].crl ? strdup(m[i].crl) : NULL,
                                   .cert = m[i].cert ? strdup(m[i].cert) : NULL,
                                   .key = m[i].key ? strdup(m[i].key) : NULL};
        e = take_identities(c, &m[i].identities, &s->mef[i].naming);
        if (e == GBA_OK && m[i].psk_file)
            e = m2m_read_secret(m[i].psk_file, &s->mef[i].psk, why, why_n);
    }
    return e;
}

static gba_err start_bsfs(server *s, const kms_settings *c, char *why, size_t why_n)
{
    const kms_bsf_settings *b = c->bsfs.v;
    const char *fqdns[1] = {c->fqdn.s}, *domains[GBA_NAF_BSFS], *text = NULL;
    gba_naf_zn_bsf zn[GBA_NAF_BSFS];

    if (c->bsfs.n == 0)
        return GBA_OK;
    for (size_t i = 0; i < c->bsfs.n; i++) {
        gba_err taken = take_identities(c, &b[i].identities, &s->naming[i]);
        if (taken != GBA_OK)
            return taken;
        s->bsf[i] = b[i].domain;
        domains[i] = b[i].domain.s;
        zn[i] = (gba_naf_zn_bsf){b[i].domain.s, b[i].url};
    }
    gba_naf_config nc = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = domains, .n_bsfs = c->bsfs.n};
    uint32_t gsids[GBA_NAF_ZN_GSIDS];
    gba_naf_zn_http_config zc = {.gsids = gsids, .bsfs = zn, .n_bsfs = c->bsfs.n, .ca_file = c->zn_ca,
                                 .cert_file = c->zn_cert, .key_file = c->zn_key,
                                 .connect_ms = (unsigned)(c->fetch_timeout ? c->fetch_timeout : 4) * 1000,
                                 .total_ms = (unsigned)(c->fetch_timeout ? c->fetch_timeout : 4) * 1000,
                                 .user_agent = s->kind->program};
    conf_numbers(NULL, "zn.services", &c->zn_services, gsids, GBA_NAF_ZN_GSIDS, &zc.n_gsids);
    gba_err e = fail(gba_naf_new(&nc, &s->naf, &text), "bsfs", text, why, why_n);
    return e == GBA_OK ? fail(gba_naf_zn_http_new(&zc, &s->zn, &text), "bsfs", text, why, why_n) : e;
}

static gba_err start_core(server *s, const kms_settings *c, char *why, size_t why_n)
{
    char buf[4096];
    store_config sc = {.url = c->store_url, .key_file = kms_settings_key_file(c, buf, sizeof buf), .create = true,
                       .synchronous_full = c->store_sync == 0};
    gba_err e = store_open(&sc, &s->store, why, why_n);

    if (e == GBA_OK)
        e = start_mefs(s, c, why, why_n);
    if (e == GBA_OK)
        e = start_bsfs(s, c, why, why_n);
    conf_cidrs(NULL, "", &c->exempt, s->exempt, &s->n_exempt);
    s->admin = calloc(c->admins.n + 1, sizeof *s->admin);
    for (size_t i = 0; s->admin && i < c->admins.n && e == GBA_OK; i++)
        e = gba_fqdn_parse(gba_str(c->admins.v[i]), &s->admin[i]);
    if (e != GBA_OK)
        return e;
    const kms_config kc = {
        .kind = s->kind,
        .store = s->store,
        .fqdn = c->fqdn,
        .admins = s->admin,
        .n_admins = c->admins.n,
        .reg_lifetime = c->registration_lifetime,
        .key_lifetime = c->key_lifetime,
        .kdf = c->kdf ? GBA_M2M_KDF_2014 : GBA_M2M_KDF_USAGE,
        .device_config_uri = c->device_config ? strdup(c->device_config) : NULL,
        .retry = c->retry ? c->retry : 86400,
        .mefs = s->mef,
        .n_mefs = c->mefs.n,
        .bsfs = s->bsf,
        .bsf_naming = s->naming,
        .n_bsfs = c->bsfs.n,
        .naf = s->naf,
        .exempt = s->exempt,
        .n_exempt = s->n_exempt,
        .zn = gba_naf_zn_http_fetch,
        .zn_ctx = s->zn,
        .fetch_ms = (unsigned)(c->fetch_timeout ? c->fetch_timeout : 4) * 1000,
        .fetches = (unsigned)(c->fetches ? c->fetches : 32),
        .unknown_ttl = c->unknown_ttl,
        .unknown_per_source = (unsigned)c->unknown_per_source,
    };
    return fail(kms_init(&s->f, &kc), "domains", NULL, why, why_n);
}

static gba_err start_listener(server *s, const kms_settings *c, char *why, size_t why_n)
{
    const tls_server_config tc = {
        .cert_file = c->cert, .key_file = c->key, .client_ca_file = c->client_ca, .client_optional = true,
        .crl_file = c->crl,
        .ocsp_file = c->ocsp, .raw_key = kms_raw_key, .cert_refused = kms_cert_refused, .cert_ctx = &s->f,
        .priority = gba_m2m_priority(true), .psk = kms_psk, .psk_ctx = &s->f, .psk_who_free = kms_who_free,
        .psk_failed = kms_psk_failed,
        .psk_hint = c->bsfs.n ? "3GPP-bootstrapping" : NULL,
    };
    char port[8];
    gba_err e = tls_server_new(&tc, &s->tls, why, why_n);

    if (e != GBA_OK)
        return e;
    const http_config hc = {.name = s->kind->name, .address = c->listen.address, .port = c->listen.port, .tls = s->tls,
                            .connections = (unsigned)c->connections, .per_ip = (unsigned)c->per_source,
                            .exempt = s->exempt, .n_exempt = s->n_exempt, .known_bodies = true, .handler = handle, .ctx = s,
                            .refusal = m2m_refusal};
    if ((e = http_server_start(&hc, &s->http, why, why_n)) != GBA_OK)
        return e;
    snprintf(port, sizeof port, "%u", http_server_port(s->http));
    log_event(LOG_LEVEL_INFO, "listening", "on", s->kind->name, "address", c->listen.address, "port", port, "tls",
              "yes", NULL);
    return GBA_OK;
}

static void stop(void **state);

static gba_err start(const void *settings, void **state, char *why, size_t why_n)
{
    const kms_settings *c = settings;
    server *s = calloc(1, sizeof *s);
    void *self = s;
    pthread_condattr_t a;
    gba_err e;

    *state = NULL;
    if (!s)
        return GBA_E_NOMEM;
    why[0] = 0;
    s->kind = this_kind;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &a);
    pthread_condattr_destroy(&a);
    e = start_core(s, c, why, why_n);
    if (e == GBA_OK && pthread_create(&s->keeper, NULL, keep, s) == 0)
        s->keeping = true;
    if (e == GBA_OK)
        e = start_listener(s, c, why, why_n);
    if (e != GBA_OK) {
        (void)fail(e, "start", NULL, why, why_n);
        stop(&self);
        return e;
    }
    *state = s;
    return GBA_OK;
}

static gba_err reload(void *state, const void *settings, char *why, size_t why_n)
{
    server *s = state;

    (void)settings;
    return tls_server_reload(s->tls, why, why_n);
}

static void drain(void *state)
{
    http_server_drain(((server *)state)->http);
}

static void free_links(server *s)
{
    for (size_t i = 0; i < GBA_NAF_BSFS; i++) {
        kms_mef_link *m = &s->mef[i];
        char *text[] = {m->host, m->psk_id, m->ca, m->crl, m->cert, m->key};
        for (size_t t = 0; t < sizeof text / sizeof *text; t++)
            free(text[t]);
        gba_secret_wipe(&m->psk);
        free_identities(&m->naming);
        free_identities(&s->naming[i]);
    }
    free((char *)s->f.c.device_config_uri);
    free(s->admin);
}

static void stop(void **state)
{
    server *s = *state;

    *state = NULL;
    if (!s)
        return;
    m2m_peer_stop(); /* a handshake that waits for a MEF or BSF waits no more */
    gba_naf_zn_http_stop(s->zn);
    if (s->http)
        http_server_stop(&s->http, 1000);
    if (s->keeping) {
        pthread_mutex_lock(&s->lock);
        s->stop = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->keeper, NULL);
    }
    tls_server_free(&s->tls);
    kms_close(&s->f);
    gba_naf_zn_http_free(&s->zn);
    gba_naf_free(&s->naf);
    if (s->store)
        store_close(&s->store);
    free_links(s);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    free(s);
}

static gba_err ready(void *state, char *why, size_t why_n)
{
    return store_health(((server *)state)->store, why, why_n);
}

int kms_main(const kms_kind *kind, const conf_field *table, const char *summary, int argc, char **argv)
{
    static const char *const live[] = {NULL};
    const daemon_spec spec = {
        .name = kind->program, .summary = summary, .table = table, .conf_size = sizeof(kms_settings),
        .daemon_conf_offset = offsetof(kms_settings, daemon), .check = kms_settings_check, .start = start,
        .reload = reload,
        .drain = drain, .stop = stop, .ready = ready, .live = live,
    };
    this_kind = kind;
    return daemon_main(&spec, argc, argv);
}
