/* SPDX-License-Identifier: Apache-2.0 */
/* bsf.c - start, housekeeping, reload, stop. */
#include "bsf/bsf.h"
#include "bsf/av_local.h"
#include "bsf/av_route.h"
#include "bsf/challenge.h"
#include "bsf/diameter.h"
#include "bsf/limits.h"
#include "bsf/session.h"
#include "bsf/ub.h"
#include "bsf/ub_http.h"
#include "bsf/zn.h"
#include "bsf/zn_http.h"
#include "service/http.h"
#include "service/metrics.h"
#include "service/tls.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SWEEP_BATCH 500
#define SWEEPS 40 /* a second at most: 20,000 records */

struct bsf {
    store *store;
    av_source *av, *local; /* local is av, or one of its routes */
    bool diameter;
    challenge_ring *ring;
    limits *limits;
    sessions *sessions;
    ub *ub;
    ub_http ub_http;
    zn *zn;
    tls_server *ub_tls, *zn_tls;
    http_server *ub_server, *ub_tls_server, *zn_server;
    int64_t tolerance_ms;
    int64_t drift; /* wall clock less monotonic clock, ms */
    pthread_t keeper;
    bool keeping, stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

/* ---- housekeeping ---- */

static void trouble(const char *what, gba_err e)
{
    if (e != GBA_OK)
        log_event(LOG_LEVEL_ERROR, "housekeeping.failed", "step", what, "error", gba_err_name(e), NULL);
}

/* A nonce must not become answerable a second time: when the clock steps back, all challenges
 * issued so far are revoked. SQNs need no care here, their ticks never go back. */
static void watch_clock(bsf *b)
{
    int64_t drift = service_now_ms() - service_mono_ms();

    if (drift < b->drift - b->tolerance_ms - 1000) {
        log_event(LOG_LEVEL_WARN, "clock.back", "by_ms", log_num(b->drift - drift), NULL);
        trouble("clock", challenge_ring_revoke(b->ring, service_now_ms()));
    }
    b->drift = drift;
}

static void sweep(bsf *b)
{
    unsigned n = SWEEP_BATCH;
    gba_err e = GBA_OK;

    for (int i = 0; i < SWEEPS && n == SWEEP_BATCH && e == GBA_OK; i++)
        e = store_sweep(b->store, service_now(), SWEEP_BATCH, &n);
    trouble("sweep", e);
}

static void *keep(void *p)
{
    bsf *b = p;
    struct timespec t;

    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        clock_gettime(CLOCK_MONOTONIC, &t); /* else a wall clock that steps back would hold this up for as long */
        t.tv_sec++;
        pthread_cond_timedwait(&b->wake, &b->lock, &t);
        if (b->stop)
            break;
        pthread_mutex_unlock(&b->lock);
        watch_clock(b);
        trouble("seal", challenge_ring_tick(b->ring, service_now_ms()));
        trouble("sqn", av_local_tick(b->local));
        if (b->av != b->local)
            av_route_watch(b->av);
        sweep(b);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- start ---- */

static limits_config limits_of(const bsf_settings *s)
{
    return (limits_config){
        .source_rate = s->limits.source_requests,
        .source_burst = s->limits.source_burst,
        .impi_challenges = s->limits.impi_challenges,
        .impi_window = s->limits.impi_window,
        .wrong_answers = s->limits.wrong_answers,
        .nonce_lifetime_ms = s->ub.nonce_lifetime * 1000,
        .tolerance_ms = s->clock.tolerance * 1000,
    };
}

static gba_err fail(gba_err e, const char *what, char *why, size_t why_n)
{
    if (e != GBA_OK)
        snprintf(why, why_n, "%s: %s", what, gba_err_text(e));
    return e;
}

static gba_err start_store(bsf *b, const bsf_settings *s, char *why, size_t why_n)
{
    char buf[4096];
    store_config c;

    bsf_settings_store(s, buf, sizeof buf, &c);
    c.create = true;
    return store_open(&c, &b->store, why, why_n);
}

/* The own AuC, and before it whatever `av` names. */
static gba_err start_vectors(bsf *b, const bsf_settings *s, char *why, size_t why_n)
{
    const bsf_av *a = s->av.v;
    av_route route[BSF_AVS_MAX];
    size_t n = 0;
    gba_err e = av_local_new(b->store, (unsigned)s->replica.ind, &b->local, why, why_n);

    if (e != GBA_OK)
        return e;
    b->av = b->local;
    if (s->av.n == 0)
        return GBA_OK;
    for (size_t i = 0; e == GBA_OK && i < s->av.n && i < BSF_AVS_MAX; i++) {
        av_source *one = NULL;
        if (a[i].source == AV_SOURCE_ZH)
            e = bsf_diameter_source(&a[i], b->store, &one);
        if (e == GBA_OK)
            route[n++] = (av_route){a[i].realm, one};
    }
    if (e == GBA_OK)
        return fail(av_route_new(route, n, b->local, &b->av), "av", why, why_n);
    while (n--)
        if (route[n].source)
            route[n].source->ops->free(route[n].source);
    return fail(e, "av", why, why_n);
}

static gba_err start_parts(bsf *b, const bsf_settings *s, char *why, size_t why_n)
{
    limits_config lc = limits_of(s);
    challenge_config cc = {
        .store = b->store,
        .realm = s->bsf.domain,
        .bsf = s->bsf.domain,
        .in_opaque = s->ub.challenge == UB_CHALLENGE_OPAQUE,
        .lifetime_ms = lc.nonce_lifetime_ms,
        .tolerance_ms = lc.tolerance_ms,
    };
    sessions_config sc = {
        .store = b->store,
        .bsf = s->bsf.domain,
        .keep_s = bsf_settings_keep_s(s),
        .tolerance_ms = lc.tolerance_ms,
    };
    gba_err e = start_vectors(b, s, why, why_n);

    if (e != GBA_OK)
        return e;
    if ((e = challenge_ring_new(&cc, service_now_ms(), &b->ring)) != GBA_OK)
        return fail(e, "challenge seal keys", why, why_n);
    if ((e = limits_new(&lc, &b->limits)) != GBA_OK)
        return fail(e, "tables of the limits", why, why_n);
    if ((e = sessions_new(&sc, &b->sessions)) != GBA_OK)
        return fail(e, "sessions", why, why_n);
    ub_config uc = {
        .store = b->store,
        .av = b->av,
        .ring = b->ring,
        .limits = b->limits,
        .sessions = b->sessions,
        .domain = s->bsf.domain,
        .lifetime = s->bsf.lifetime,
        .nonce_lifetime = s->ub.nonce_lifetime,
        .min_res_bits = s->ub.min_res_bits,
        .tmpi = s->ub.tmpi,
        .algorithm_optional = s->ub.algorithm_optional,
        .unknown_status = s->ub.unknown_status == UB_UNKNOWN_404 ? 404 : 403,
    };
    if ((e = ub_new(&uc, &b->ub)) != GBA_OK)
        return fail(e, "ub", why, why_n);
    ub_http_init(&b->ub_http, b->ub);
    ub_http_set_nets(&b->ub_http, s);
    return fail(zn_new(b->store, &b->zn), "zn", why, why_n);
}

static gba_err listen_on(const char *name, const conf_listen *at, tls_server *tls, http_handler *handler,
                         void *ctx, int64_t threads, int64_t connections, size_t body_max, http_server **out, char *why,
                         size_t why_n)
{
    http_config c = {
        .name = name,
        .address = at->address,
        .port = at->port,
        .tls = tls,
        .header_max = UB_HTTP_HEADER_MAX,
        .body_max = body_max,
        .connections = (unsigned)connections,
        .threads = (unsigned)threads,
        .handler = handler,
        .ctx = ctx,
    };
    char port[8];
    gba_err e = http_server_start(&c, out, why, why_n);

    if (e != GBA_OK)
        return e;
    snprintf(port, sizeof port, "%u", http_server_port(*out));
    log_event(LOG_LEVEL_INFO, "listening", "on", name, "address", at->address, "port", port, "tls", tls ? "yes" : "no",
              NULL);
    return GBA_OK;
}

static void set_per_source(bsf *b, const bsf_settings *s)
{
    http_server *server[] = {b->ub_server, b->ub_tls_server, b->zn_server};
    http_cidr uncounted[2 * HTTP_CIDRS];
    size_t n = ub_http_uncounted(&b->ub_http, uncounted);

    for (size_t i = 0; i < sizeof server / sizeof *server; i++)
        if (server[i])
            http_server_per_ip(server[i], (unsigned)s->limits.per_source, uncounted, n);
}

static gba_err start_listeners(bsf *b, const bsf_settings *s, char *why, size_t why_n)
{
    tls_server_config ut = {.cert_file = s->ub.cert, .key_file = s->ub.key, .no_tickets = true};
    tls_server_config zt = {
        .cert_file = s->zn.cert,
        .key_file = s->zn.key,
        .client_ca_file = s->zn.client_ca,
        .crl_file = s->zn.crl,
    };
    gba_err e = GBA_OK;

    if (s->ub.tls_listen.set)
        e = tls_server_new(&ut, &b->ub_tls, why, why_n);
    if (e == GBA_OK && s->zn.listen.set)
        e = tls_server_new(&zt, &b->zn_tls, why, why_n);
    if (e == GBA_OK && s->ub.listen.set)
        e = listen_on("ub", &s->ub.listen, NULL, ub_http_handle, &b->ub_http, s->ub.threads, s->ub.connections,
                      UB_HTTP_BODY_MAX, &b->ub_server, why, why_n);
    if (e == GBA_OK && s->ub.tls_listen.set)
        e = listen_on("ub-tls", &s->ub.tls_listen, b->ub_tls, ub_http_handle, &b->ub_http, s->ub.threads,
                      s->ub.connections, UB_HTTP_BODY_MAX, &b->ub_tls_server, why, why_n);
    if (e == GBA_OK && s->zn.listen.set)
        e = listen_on("zn", &s->zn.listen, b->zn_tls, zn_http_handle, b->zn, s->zn.threads, s->zn.connections,
                      ZN_HTTP_BODY_MAX, &b->zn_server, why, why_n);
    set_per_source(b, s);
    return e;
}

static gba_err start_diameter(bsf *b, const bsf_settings *s, char *why, size_t why_n)
{
    char port[8];
    if (!fd_settings_used(&s->diameter))
        return GBA_OK;
    gba_err e = bsf_diameter_start(s, b->zn, why, why_n);
    if (e != GBA_OK)
        return e;
    b->diameter = true;
    snprintf(port, sizeof port, "%u", (unsigned)(s->diameter.cert ? s->diameter.sec_port : s->diameter.port));
    log_event(LOG_LEVEL_INFO, "listening", "on", "diameter", "address", s->diameter.listen, "port", port, "tls",
              s->diameter.cert ? "yes" : "no", NULL);
    return GBA_OK;
}

static gba_err start_keeper(bsf *b, char *why, size_t why_n)
{
    b->drift = service_now_ms() - service_mono_ms();
    if (pthread_create(&b->keeper, NULL, keep, b) != 0)
        return fail(GBA_E_NOMEM, "housekeeping thread", why, why_n);
    b->keeping = true;
    return GBA_OK;
}

gba_err bsf_start(const bsf_settings *s, bsf **out, char *why, size_t why_n)
{
    bsf *b = calloc(1, sizeof *b);
    pthread_condattr_t a;
    gba_err e;

    *out = NULL;
    if (!b)
        return fail(GBA_E_NOMEM, "start", why, why_n);
    b->tolerance_ms = s->clock.tolerance * 1000;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &a);
    pthread_condattr_destroy(&a);
    e = start_store(b, s, why, why_n);
    if (e == GBA_OK)
        e = start_parts(b, s, why, why_n);
    if (e == GBA_OK)
        e = start_keeper(b, why, why_n);
    if (e == GBA_OK)
        e = start_diameter(b, s, why, why_n);
    if (e == GBA_OK)
        e = start_listeners(b, s, why, why_n);
    if (e != GBA_OK) {
        bsf_stop(&b);
        return e;
    }
    *out = b;
    return GBA_OK;
}

/* ---- reload ---- */

static gba_err reload_tls(tls_server *t, const char *name, char *why, size_t why_n)
{
    char reason[256] = "";
    gba_err e;

    if (!t)
        return GBA_OK;
    e = tls_server_reload(t, reason, sizeof reason);
    if (e != GBA_OK)
        snprintf(why, why_n, "%s: %s; the old certificate stays in use", name, reason);
    return e;
}

gba_err bsf_reload(bsf *b, const bsf_settings *s, char *why, size_t why_n)
{
    limits_config lc = limits_of(s);
    gba_err e, e2;

    ub_http_set_nets(&b->ub_http, s);
    set_per_source(b, s);
    limits_set(b->limits, &lc);
    e = reload_tls(b->ub_tls, "ub.cert", why, why_n);
    e2 = reload_tls(b->zn_tls, "zn.cert", why, why_n);
    return e == GBA_OK ? e2 : e;
}

/* ---- stop ---- */

void bsf_drain(bsf *b)
{
    http_server *server[] = {b->ub_server, b->ub_tls_server, b->zn_server};
    for (size_t i = 0; i < 3; i++)
        if (server[i])
            http_server_drain(server[i]);
}

/* Answers that wait for their commit still go out. */
static bool settle(const bsf *b)
{
    const struct timespec step = {.tv_nsec = 10 * 1000 * 1000};

    for (int i = 0; i < 1000; i++) {
        if (!b->ub || ub_pending(b->ub) == 0)
            return true;
        nanosleep(&step, NULL);
    }
    return false;
}

static void stop_keeper(bsf *b)
{
    if (!b->keeping)
        return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->keeper, NULL);
}

void bsf_stop(bsf **bp)
{
    bsf *b = *bp;

    if (!b)
        return;
    *bp = NULL;
    bsf_drain(b);
    (void)settle(b);
    http_server_stop(&b->ub_server, 1000);
    http_server_stop(&b->ub_tls_server, 1000);
    http_server_stop(&b->zn_server, 1000);
    if (b->diameter)
        bsf_diameter_stop();
    stop_keeper(b);
    if (!settle(b)) { /* again: a request whose end came late may have asked the store while the servers ended */
        log_event(LOG_LEVEL_ERROR, "stop.unsettled", "requests", log_num(ub_pending(b->ub)), NULL);
        return; /* their store calls still hold these parts */
    }
    ub_free(&b->ub);
    ub_http_end(&b->ub_http);
    zn_free(&b->zn);
    sessions_free(&b->sessions);
    limits_free(&b->limits);
    challenge_ring_free(&b->ring);
    if (b->av)
        b->av->ops->free(b->av);
    store_close(&b->store);
    tls_server_free(&b->ub_tls);
    tls_server_free(&b->zn_tls);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
    free(b);
}

gba_err bsf_ready(bsf *b, char *why, size_t why_n)
{
    gba_err e = store_health(b->store, why, why_n); /* sessions of every realm are written there */
    if (e == GBA_OK)
        e = b->av->ops->health(b->av, why, why_n);
    return e == GBA_E_UNKNOWN ? GBA_OK : e; /* a store without subscribers yet */
}
