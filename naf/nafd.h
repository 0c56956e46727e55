/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nafd.h - gba-nafd, the authentication proxy of TS 33.222 6: what its files share.
 *
 * A request becomes an exchange. The check says at once who it is (answer, or hand to the
 * upstream), refuses, or waits for a key; then the exchange rests in a bounded list until a Zn
 * worker has the key or its deadline passes. No listener thread ever waits for a BSF.
 */
#ifndef NAF_NAFD_H
#define NAF_NAFD_H
#include <gba/naf.h>
#include <gba/naf_zn_http.h>
#include <pthread.h>
#include <stdatomic.h>
#include "service/daemon.h"
#include "service/fd_settings.h"
#include "service/fetch.h"
#include "service/http.h"
#include "service/metrics.h"

#define NAFD_FIELDS 128 /* header fields that are passed on, each way */

/* ---- settings ---- */
typedef struct nafd_bsf {
    gba_fqdn domain;
    char *zn_url;              /* Zn over HTTP, or */
    gba_fqdn dia_realm, dia_host; /* zn_diameter */
} nafd_bsf;
typedef struct nafd_upstream {
    gba_fqdn host; /* empty: any */
    char *path, *url;
} nafd_upstream;
typedef struct nafd_settings {
    struct {
        conf_strings fqdns;
        conf_items bsfs; /* nafd_bsf */
        bool require_product_token, check_identity;
    } naf;
    struct {
        char *cert, *key, *ca;
        int64_t timeout_ms, connect_timeout_ms, workers, waiting;
        conf_strings services; /* GSIDs asked for over Diameter */
    } zn;
    fd_settings diameter;
    struct {
        conf_listen listen, tls_listen;
        char *cert, *key, *tls_priority, *psk_priority, *nonce_key_file;
        bool psk, nextnonce_always;
        conf_strings algorithms, qop;
        int64_t nonce_lifetime, body_max, bodies_max, connections, per_source, idle, threads, psk_waiting;
    } ua;
    struct {
        int64_t keys, nonces, unknown, unknown_ttl;
    } cache;
    struct {
        int64_t unknown_per_source;
        conf_strings exempt, trusted_proxies;
    } limits;
    struct {
        bool enabled;
    } resource;
    conf_items upstreams; /* nafd_upstream */
    struct {
        int64_t connect_timeout, timeout, idle, requests, body_max, answer_max, failures, down_max;
        char *ca;
    } proxy;
    struct {
        conf_listen listen;
        conf_strings proxies;
        char *prefix;
    } decision;
    bool log_access;
    daemon_conf daemon;
} nafd_settings;
extern const conf_field nafd_settings_table[];
void nafd_settings_check(conf *c, const void *settings);
/* A NAF object after the settings; decision: that of the decision endpoint, which sees no bodies and so
 * offers qop=auth alone. */
gba_err nafd_settings_naf(const nafd_settings *s, bool decision, gba_naf **out, char *why, size_t why_n) GBA_MUST_USE;

/* ---- the daemon ---- */
typedef struct nafd_zn nafd_zn;
typedef struct nafd_backend nafd_backend;
typedef struct nafd_psk nafd_psk;
typedef struct nafd_who nafd_who; /* a TLS-PSK peer */
typedef struct nafd {
    const nafd_settings *s;
    gba_naf *naf;
    nafd_zn *zn;
    tls_server *tls;
    nafd_psk *psk; /* NULL: certificates only */
    http_server *plain, *secure;
    fetch_client *fetch; /* to upstreams, NULL: none */
    nafd_backend *backends; /* one for each of s->upstreams */
    bool by_host;           /* an upstream has a host of its own */
    atomic_int proxying;    /* requests at upstreams now */
    _Atomic int64_t unproven; /* octets held of bodies that prove nothing yet */
    gba_naf *decision_naf;
    http_server *decision;
    http_cidr trusted[HTTP_CIDRS], exempt[HTTP_CIDRS], proxies[HTTP_CIDRS];
    size_t n_trusted, n_exempt, n_proxies;
    metric *results[GBA_NAF_WHYS], *proxied_ok, *proxied_failed, *proxied_timeout, *proxied_down, *proxied_busy;
} nafd;

/* One request on its way; owned by whoever may answer it. */
typedef struct exchange {
    nafd *d;
    gba_naf *naf; /* who judges it */
    http_req *r;
    nafd_who *who;     /* the TLS-PSK session's; NULL: none. A reference */
    gba_naf_request q; /* its method, target and host are NUL-terminated */
    const char *no_host; /* why q.host is empty, so that it is malformed */
    gba_span authorization[2];
    struct sockaddr_storage from; /* the client, behind trusted proxies */
    int64_t begun_ms, deadline_ms; /* monotonic */
    struct exchange *next;         /* in a job's list of waiters */
    void (*resume)(struct exchange *e, gba_err outcome); /* in nafd_resume's place; NULL: that */
    void (*go_on)(struct exchange *e); /* when it has been checked again after a wait; NULL: answer it */
    const char *upstream;              /* for the access log; NULL: none */
    int64_t sent;                      /* octets of its answer's body */
    gba_naf_result res;
} exchange;

/* nafd_ua.c: an http_handler; ctx is the nafd. */
void nafd_handle(http_req *r, void *ctx);
/* The key arrived or not (outcome): check again, then answer. Owns e. */
void nafd_resume(exchange *e, gba_err outcome);
/* What helps the operator, where the name of the result does not say it all; NULL: nothing. */
const char *nafd_hint(gba_naf_why w, bool psk);
log_level nafd_level(gba_naf_why w);
/* Answers and frees e. The body may be NULL: none. Adds Authentication-Info when e is authenticated. */
void nafd_reply(exchange *e, unsigned status, const http_field *fields, size_t n, gba_span body);
/* Fills what stands before res, of r and, when fields is not NULL, of these instead of r's. */
void nafd_exchange_init(exchange *e, nafd *d, http_req *r, const http_field *fields, size_t n);
/* Who is it? WAIT is for the caller. */
void nafd_check(exchange *e);
void nafd_note(const exchange *e); /* the verdict's event and metric */
void nafd_log_access(const exchange *e, unsigned status);
gba_span nafd_page(const exchange *e, char *out, size_t room); /* the resource of our own */
bool nafd_target_ok(const char *target, const char *host);
/* Who the request comes from, in quotes: the identity that it intends, when that was checked. */
#define NAFD_ASSERTED (2 * GBA_ID_MAX + 3)
void nafd_asserted(const exchange *e, char out[NAFD_ASSERTED]);
/* The Authentication-Info of e's answer; body as in gba_naf_answer. false: none belongs there. */
bool nafd_info(const exchange *e, gba_span body, char *info, size_t room);

/* nafd_diameter.c: BSFs that are asked over Diameter; nafd_diameter_none.c in a build without it. */
bool nafd_diameter_used(const nafd_settings *s);
gba_err nafd_diameter_start(const nafd_settings *s, void **out, char *why, size_t why_n) GBA_MUST_USE;
bool nafd_diameter_reaches(const nafd_bsf *b);
gba_err nafd_diameter_fetch(void *zn, const gba_naf_query *q, gba_naf_keys *out) GBA_MUST_USE; /* a gba_naf_source */
void nafd_diameter_stop(void **zn);

/* nafd_upstream.c: which upstream, and is it up. */
struct nafd_backend {
    const nafd_upstream *u;
    pthread_mutex_t lock;
    int64_t limit, max_ms;
    unsigned failures;        /* in a row */
    bool trying;              /* down, and one request finds out whether still */
    int64_t down_until, down; /* monotonic ms; how long it is down this time */
    metric *up;
};
gba_err nafd_backends_open(nafd *d) GBA_MUST_USE;
void nafd_backends_close(nafd *d);
nafd_backend *nafd_backend_of(nafd *d, const char *host, const char *target); /* NULL: none is configured */
/* May it be asked now? If not, when, in seconds. */
bool nafd_backend_take(nafd_backend *b, int64_t *retry);
void nafd_backend_result(nafd_backend *b, gba_err e);
gba_err nafd_backends_ready(nafd *d, char *why, size_t why_n) GBA_MUST_USE; /* OK while one may be asked */

/* nafd_proxy.c: a request for an upstream, or with a body, on a worker thread of a streaming listener. */
bool nafd_streams(const http_req *r, void *ctx);
void nafd_proxy(http_req *r, nafd *d);

/* nafd_decide.c: nginx auth_request and Envoy ext_authz ask; an http_handler, ctx is the nafd. */
void nafd_decide(http_req *r, void *ctx);

/* nafd_zn.c: waiting exchanges and the workers that ask the BSFs. */
gba_err nafd_zn_start(nafd *d, nafd_zn **out, char *why, size_t why_n) GBA_MUST_USE;
/* Exactly one e->resume (nafd_resume) follows, when the key arrived or not (the outcome was learned
 * already), from any thread, at once perhaps. */
void nafd_zn_wait(nafd_zn *z, exchange *e);
void nafd_zn_stop(nafd_zn *z);  /* every waiting exchange is answered, and who comes now at once */
void nafd_zn_free(nafd_zn **z); /* stopped, and nobody comes any more: the servers have ended */

/* nafd_psk.c: TLS-PSK on ua.tls_listen (TS 33.222 5.4). */
gba_err nafd_psk_start(nafd *d, tls_server_config *c, char *why, size_t why_n) GBA_MUST_USE;
void nafd_psk_free(nafd_psk **p);
nafd_who *nafd_who_ref(nafd_who *w);
void nafd_who_release(nafd_who *w);
gba_ua_id nafd_who_ua(const nafd_who *w);
/* Is a request on this peer's session all right? As gba_naf_psk says. */
void nafd_psk_check(exchange *e);
#endif
