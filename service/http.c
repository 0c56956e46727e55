/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - HTTP/1.1 server on libmicrohttpd 0.9.75.
 *
 * What that library does and does not do, found by trying and reading:
 * - In epoll mode it would spin on a half-sent ClientHello: tls_hooks.c runs the handshake where it reads.
 * - Its timeout restarts at every octet: a watch thread of ours ends requests that trickle.
 * - An answer in the first call of the access handler closes the connection, so answers are given in
 *   the last call, except refusals, which must close.
 * - A connection that is suspended in the first call gets the first call again.
 * - With a thread a connection (http_each.c) the thread waits in the handler's place, and nothing is
 *   suspended.
 * - It would end a TLS handshake that fails without an alert: tls_alert in tls_io.c sends it.
 * - The session of a TLS connection is gone, and its socket still open, when its end is notified.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "service/daemon.h"
#include "service/grow.h"
#include "service/http_internal.h"
#include "service/log.h"

#define WATCH_MS 250
#define DISCARD_MAX (1024 * 1024) /* of a body nobody wants, before the connection is cut */

static const char *const reason_names[REASONS - HTTP_FAULTS] = {
    "uri_long", "header_large", "body_large", "certificate", "timeout", "malformed", "no_request", "busy", "stopping",
    "per_source"};

static http_server *servers;
static pthread_mutex_t servers_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- answers given to the library ---- */
static void count_status(http_server *s, unsigned status)
{
    metric_add(s->answered[status / 100 < 6 ? status / 100 : 5], 1);
}

/* Gives the answer to the library; the last thing a request does. */
static enum MHD_Result send_answer(http_req *r, http_conn *k)
{
    http_server *s = k->server;
    int64_t now = service_mono_ms();
    struct MHD_Response *m = atomic_exchange(&r->response, NULL);
    if (!m)
        return MHD_NO;
    if (atomic_load_explicit(&s->draining, memory_order_relaxed))
        (void)MHD_add_response_header(m, "Connection", "close");
    count_status(s, r->status);
    metric_observe(s->seconds, (double)(now - r->began) / 1000);
    atomic_store_explicit(&k->deadline, r->stream ? 0 : now + s->idle_ms, memory_order_relaxed);
    if (k->session && r->small) { /* the library sends header and body apart */
        k->gathers = true;
        tls_session_gather(k->session);
    }
    enum MHD_Result result = MHD_queue_response(k->c, r->status, m); /* may end the request: r is not touched again */
    MHD_destroy_response(m);
    return result;
}

static const char *reason_name(unsigned why)
{
    return why < HTTP_FAULTS ? http_fault_name((http_fault)why) : reason_names[why - HTTP_FAULTS];
}

/* A refusal before any handler: bare, and the connection closes. why: http_reason or http_fault. */
static enum MHD_Result refuse(http_req *r, http_conn *k, unsigned status, unsigned why)
{
    http_field f[3] = {{"Connection", "close"}};
    char from[64];
    http_source_text((const struct sockaddr *)&k->peer, from);
    metric_add(k->server->rejected[why], 1);
    log_event(LOG_LEVEL_WARN, "http.rejected", "listener", k->server->name, "reason", reason_name(why), "from", from,
              NULL);
    r->refused = true;
    r->status = status;
    size_t n = 1 + (k->server->refusal ? k->server->refusal(r, status, f + 1) : 0);
    r->response = http_response_new(f, n, gba_str(NULL));
    return send_answer(r, k);
}

/* ---- one request through the library's callbacks ---- */
static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    http_conn *k = info ? info->socket_context : NULL;
    http_req *r = k ? http_req_next(k) : NULL;
    (void)ctx;
    if (!r)
        return NULL;
    size_t n = strlen(uri) + 1;
    if (n > r->target_room) {
        free(r->target);
        r->target_room = n < 256 ? 256 : n;
        r->target = malloc(r->target_room);
        if (!r->target) {
            r->target_room = 0;
            return NULL;
        }
    }
    memcpy(r->target, uri, n);
    r->began = service_mono_ms();
    k->begun = k->any = true;
    k->handled = false;
    atomic_store_explicit(&k->busy, true, memory_order_relaxed);
    int64_t latest = r->began + k->server->idle_ms;
    if (k->server->each || latest < atomic_load_explicit(&k->deadline, memory_order_relaxed))
        atomic_store_explicit(&k->deadline, latest, memory_order_relaxed);
    return r;
}

static enum MHD_Result stream_step(http_req *r, http_conn *k, http_next next)
{
    if (next == HTTP_BEGIN)
        return send_answer(r, k); /* none when the server stops: the connection closes */
    return MHD_YES;
}

static enum MHD_Result stream_before_body(http_req *r, http_conn *k)
{
    http_next next = http_stream_wants(r->stream);
    r->first_again = next == HTTP_SUSPENDED;
    return stream_step(r, k, next);
}

static enum MHD_Result stream_launch(http_req *r, http_conn *k, bool body)
{
    r->stream = http_stream_new(r, body);
    atomic_store_explicit(&k->deadline, 0, memory_order_relaxed);
    if (!r->stream || http_stream_start(k->server->pool, r->stream) != GBA_OK) {
        http_stream_free(r->stream);
        r->stream = NULL;
        return refuse(r, k, 503, BUSY);
    }
    return body ? stream_before_body(r, k) : stream_step(r, k, http_stream_complete(r->stream));
}

static enum MHD_Result header_complete(http_req *r, http_conn *k, const char *version)
{
    http_server *s = k->server;
    http_head head;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(k->c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (k->session && k->transport == GBA_PLAIN)
        k->transport = tls_session_transport(k->session);
    if (atomic_load_explicit(&s->stopping, memory_order_relaxed))
        return refuse(r, k, 503, STOPPING);
    if (http_req_judge(r, version, &head) != HTTP_FAULT_NONE)
        return refuse(r, k, 400, head.fault);
    if (k->tls && tls_server_check_peer(k->tls) != GBA_OK)
        return refuse(r, k, 403, CERTIFICATE);
    if (strlen(r->target) > s->header_max / 2)
        return refuse(r, k, 414, URI_LONG);
    if (info && info->header_size > s->header_max)
        return refuse(r, k, 431, HEADER_LARGE);
    bool body = head.chunked || head.length;
    r->streams = s->pool && (!s->stream_if || s->stream_if(r, s->ctx));
    if (r->streams)
        return body ? stream_launch(r, k, true) : MHD_YES;
    r->unread = body && s->known_bodies && !tls_session_peer_known(k->session);
    if (head.length > s->body_max) {
        /* A peer that is sending would see its connection reset, and perhaps no answer: a body that is not very
         * large is read first, unless the peer waits for our word (100-continue). */
        if (head.length >= DISCARD_MAX || http_look_up(r, "Expect").n)
            return refuse(r, k, 413, BODY_LARGE);
        r->discarded = 1;
    }
    return MHD_YES;
}

static enum MHD_Result take_body(http_req *r, http_conn *k, const char *data, size_t *n)
{
    http_server *s = k->server;
    if (r->stream) {
        size_t taken;
        http_next next = http_stream_feed(r->stream, data, *n, &taken);
        *n -= taken;
        if (next != HTTP_BEGIN)
            return MHD_YES;
        r->discarded += taken;
        if (!atomic_load_explicit(&k->deadline, memory_order_relaxed)) /* the answer waits for the rest */
            atomic_store_explicit(&k->deadline, service_mono_ms() + s->idle_ms, memory_order_relaxed);
        return r->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    if (r->unread || r->discarded || *n > s->body_max - r->body_n) { /* chunked: only now is it known */
        r->discarded += *n;
        *n = 0;
        return r->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    if (!service_grow(&r->body, r->body_n, &r->body_room, *n))
        return MHD_NO;
    memcpy(r->body + r->body_n, data, *n);
    r->body_n += *n;
    *n = 0;
    return MHD_YES;
}

/* The server stops: whoever answers a suspended request now answers nobody. */
static void abandon(http_req *r)
{
    int was = SUSPENDED;
    if (atomic_compare_exchange_strong(&r->state, &was, ABANDONED))
        http_req_resume(r);
}

static enum MHD_Result settled(http_req *r, http_conn *k)
{
    if (atomic_load(&r->state) == REPLIED)
        return send_answer(r, k);
    atomic_store(&r->conn, NULL); /* abandoned */
    return MHD_NO;
}

/* On the connection's own thread. */
static enum MHD_Result await_reply(http_req *r, http_conn *k)
{
    int was = HANDLING;
    if (atomic_compare_exchange_strong(&r->state, &was, SUSPENDED)) {
        if (atomic_load(&k->server->stopping))
            abandon(r);
        pthread_mutex_lock(&r->lock);
        while (atomic_load(&r->state) == SUSPENDED)
            pthread_cond_wait(&r->woken, &r->lock);
        pthread_mutex_unlock(&r->lock);
    }
    return settled(r, k);
}

static enum MHD_Result run_handler(http_req *r, http_conn *k)
{
    http_server *s = k->server;
    int was = HANDLING;
    atomic_store_explicit(&k->deadline, 0, memory_order_relaxed);
    atomic_store_explicit(&r->state, HANDLING, memory_order_relaxed);
    http_req_ref(r);
    s->handler(r, s->ctx);
    if (atomic_load(&r->state) == REPLIED)
        return send_answer(r, k);
    if (r->blocks)
        return await_reply(r, k);
    MHD_suspend_connection(k->c);
    if (!atomic_compare_exchange_strong(&r->state, &was, SUSPENDED))
        MHD_resume_connection(k->c); /* the answer came in between */
    else if (atomic_load(&s->stopping))
        abandon(r);
    return MHD_YES;
}

static enum MHD_Result request_complete(http_req *r, http_conn *k)
{
    if (r->streams)
        return r->stream ? stream_step(r, k, http_stream_complete(r->stream)) : stream_launch(r, k, false);
    if (r->discarded && !r->unread)
        return refuse(r, k, 413, BODY_LARGE);
    switch (atomic_load(&r->state)) {
    case ARRIVING:
        return run_handler(r, k);
    case REPLIED:
    case ABANDONED:
        return settled(r, k);
    default:
        return MHD_YES;
    }
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **req_ctx)
{
    http_req *r = *req_ctx;
    http_conn *k = r ? http_req_conn(r) : NULL;
    (void)ctx, (void)c, (void)url;
    if (!k || r->refused)
        return MHD_NO;
    k->handled = true;
    if (!r->first_done) {
        r->first_done = true;
        if (strlen(method) >= sizeof r->method)
            return refuse(r, k, 501, HTTP_FAULT_REQUEST_LINE);
        snprintf(r->method, sizeof r->method, "%s", method);
        return header_complete(r, k, version);
    }
    if (*n)
        return take_body(r, k, data, n);
    return r->first_again ? stream_before_body(r, k) : request_complete(r, k);
}

static void send_gathered(http_conn *k)
{
    if (!k->gathers)
        return;
    int off = 0;
    k->gathers = false;
    /* The library corks the socket of a TLS connection once, and opens it by TCP_NODELAY after its own sending. */
    (void)setsockopt(k->fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
    if (!tls_session_send_gathered(k->session)) /* a peer that asks and does not read */
        shutdown(k->fd, SHUT_RDWR);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **req_ctx, enum MHD_RequestTerminationCode how)
{
    http_req *r = *req_ctx;
    http_conn *k = r ? http_req_conn(r) : NULL;
    (void)ctx, (void)c;
    *req_ctx = NULL;
    if (!r)
        return;
    if (k && how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        send_gathered(k);
    if (r->stream) {
        http_stream_gone(r->stream);
        http_req_drop_answer(r);
    }
    if (!k || !k->handled)
        return; /* never was one; on_closed tells */
    k->begun = false;
    /* The library ends a connection idle for idle_s (with a thread each, its socket does); one still here
     * after twice that trickles. */
    atomic_store_explicit(&k->deadline, service_mono_ms() + 2 * k->server->idle_ms, memory_order_relaxed);
    atomic_store_explicit(&k->busy, false, memory_order_relaxed);
}

/* ---- connections ---- */
static void suspend(void *ctx)
{
    MHD_suspend_connection(((http_conn *)ctx)->c);
}

static void resume(void *ctx)
{
    MHD_resume_connection(((http_conn *)ctx)->c);
}

/* libmicrohttpd's own limit counts each IPv6 address, of which one user has many. Under the lock. */
static http_conn **source_of(http_server *s, const http_conn *k)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < sizeof k->source; i++)
        hash = (hash ^ k->source[i]) * 16777619u;
    return &s->sources[hash % HTTP_SOURCES];
}

/* False: its source has as many as it may. */
static bool enter(http_server *s, http_conn *k)
{
    unsigned same = 0;
    http_conn **head = source_of(s, k);
    for (const http_conn *o = *head; o; o = o->same_next)
        same += memcmp(o->source, k->source, sizeof k->source) == 0;
    if (same >= s->per_ip)
        return false;
    k->counted = true;
    k->same_next = *head;
    *head = k;
    return true;
}

static void leave(http_server *s, const http_conn *k)
{
    if (!k->counted)
        return;
    http_conn **at = source_of(s, k);
    while (*at != k)
        at = &(*at)->same_next;
    *at = k->same_next;
}

static void on_started(http_server *s, struct MHD_Connection *c, void **slot)
{
    int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    http_conn *k = calloc(1, sizeof *k);
    if (k)
        k->server = s;
    http_req *r = k ? http_req_new(k) : NULL;
    if (!r) {
        free(k);
        shutdown(fd, SHUT_RDWR);
        return;
    }
    const struct sockaddr *sa = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    k->c = c;
    k->fd = fd;
    k->req = r;
    if (sa)
        memcpy(&k->peer, sa, sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    http_source((struct sockaddr *)&k->peer, k->source);
    atomic_init(&k->deadline, service_mono_ms() + s->idle_ms);
    if (s->tls) {
        const tls_park park = {.suspend = suspend, .resume = resume, .ctx = k, .stopping = &s->stopping};
        const struct sockaddr *peer = (struct sockaddr *)&k->peer;
        k->session = MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
        if (!k->session || tls_server_attach(s->tls, k->session, fd, s->each ? NULL : &park, peer, &k->tls) != GBA_OK)
            shutdown(fd, SHUT_RDWR);
    }
    *slot = k;
    metric_add(s->open, 1);
    pthread_mutex_lock(&s->lock);
    k->next = s->conns;
    if (k->next)
        k->next->prev = k;
    s->conns = k;
    bool refused = s->per_ip && sa && !http_cidr_has(s->exempt, s->n_exempt, sa) && !enter(s, k);
    if (refused) {
        atomic_store(&k->killed, true);
        metric_add(s->rejected[PER_SOURCE], 1);
        shutdown(fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
    if (refused) {
        char from[64];
        http_source_text(sa, from);
        log_event(LOG_LEVEL_WARN, "http.rejected", "listener", s->name, "reason", reason_name(PER_SOURCE), "from", from,
                  NULL);
    }
}

static void on_closed(http_server *s, void **slot)
{
    http_conn *k = *slot;
    *slot = NULL;
    if (!k)
        return;
    pthread_mutex_lock(&s->lock);
    *(k->prev ? &k->prev->next : &s->conns) = k->next;
    if (k->next)
        k->next->prev = k->prev;
    leave(s, k);
    pthread_mutex_unlock(&s->lock);
    if (!atomic_load(&k->killed) && k->begun && !k->handled)
        metric_add(s->rejected[MALFORMED], 1);
    else if (!atomic_load(&k->killed) && !k->any)
        metric_add(s->rejected[NO_REQUEST], 1);
    metric_add(s->open, -1);
    tls_hold_release(&k->tls);
    atomic_store(&k->req->conn, NULL);
    http_req_unref(k->req);
    free(k);
}

void http_on_connection(void *ctx, struct MHD_Connection *c, void **slot, enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        on_started(ctx, c, slot);
    else
        on_closed(ctx, slot);
}

/* Ends what is late, and when draining what is idle. A socket is closed only after on_closed, so
 * under the lock its number is still its own. */
static void watch_once(http_server *s, int64_t now)
{
    bool draining = atomic_load(&s->draining);
    for (http_conn *k = s->conns; k; k = k->next) {
        int64_t deadline = atomic_load_explicit(&k->deadline, memory_order_relaxed);
        bool late = deadline && now > deadline;
        if (atomic_load(&k->killed) || (!late && !(draining && !atomic_load(&k->busy))))
            continue;
        atomic_store(&k->killed, true);
        if (late) /* counted before the peer can see it */
            metric_add(s->rejected[TIMEOUT], 1);
        shutdown(k->fd, SHUT_RDWR);
    }
}

static void *watch(void *ctx)
{
    http_server *s = ctx;
    pthread_mutex_lock(&s->lock);
    while (!s->watch_stop) {
        struct timespec until;
        watch_once(s, service_mono_ms());
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WATCH_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&s->watch_cond, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- start and stop ---- */
__attribute__((format(printf, 2, 0))) static void on_log(void *ctx, const char *fmt, va_list ap)
{
    char text[512];
    (void)ctx;
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = 0;
    log_event(LOG_LEVEL_DEBUG, "http.library", "text", text, NULL);
}

static gba_err open_listener(http_server *s, const http_config *c, char *why, size_t why_n)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *ai;
    struct sockaddr_storage bound;
    socklen_t bound_n = sizeof bound;
    char port[8];
    int on = 1, off = 0, seconds = 1;
    snprintf(port, sizeof port, "%u", c->port);
    if (getaddrinfo(c->address, port, &hints, &ai)) {
        snprintf(why, why_n, "%s: '%s' is not an address", c->name, c->address);
        return GBA_E_ARG;
    }
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (good && ai->ai_family == AF_INET6)
        good = !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (good && s->tls) /* accepted sockets inherit it; there is no connection before the ClientHello is there */
        good = !setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) &&
               !setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
    good = good && !bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, 4096) &&
           !getsockname(fd, (struct sockaddr *)&bound, &bound_n);
    if (!good)
        snprintf(why, why_n, "%s: cannot listen on %s port %u: %s", c->name, c->address, c->port, strerror(errno));
    freeaddrinfo(ai);
    if (!good) {
        if (fd >= 0)
            close(fd);
        return GBA_E_IO;
    }
    s->listen_fd = fd;
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)&bound)->sin_port);
    return GBA_OK;
}

static void register_metrics(http_server *s)
{
    char labels[96];
    for (unsigned i = 1; i < 6; i++) {
        snprintf(labels, sizeof labels, "listener=\"%s\",code=\"%uxx\"", s->name, i);
        s->answered[i] = metric_counter("http_requests_total", labels, "Requests answered, by class of status");
    }
    s->answered[0] = s->answered[5];
    for (unsigned i = HTTP_FAULT_NONE + 1; i < REASONS; i++) {
        snprintf(labels, sizeof labels, "listener=\"%s\",reason=\"%s\"", s->name, reason_name(i));
        s->rejected[i] = metric_counter("http_rejected_total", labels, "Requests and connections refused before a handler");
    }
    snprintf(labels, sizeof labels, "listener=\"%s\"", s->name);
    s->open = metric_gauge("http_connections", labels, "Open connections");
    s->seconds = metric_histogram("http_request_seconds", labels, "From the request line to the answer's first octet");
}

#define OPTION(name, number, pointer) o[n++] = (struct MHD_OptionItem){name, (intptr_t)(number), pointer}
size_t http_library_options(http_server *s, struct MHD_OptionItem *o)
{
    size_t n = 0;
    OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->header_max * 2 < 32768 ? 32768 : s->header_max * 2, NULL);
    /* Up to 0.9.77 it would refuse alone, and not always with an answer, what http_head.c judges; later it knows more. */
    OPTION(MHD_OPTION_STRICT_FOR_CLIENT, MHD_VERSION < 0x00097800 ? 0 : 1, NULL);
    OPTION(MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_uri, s);
    OPTION(MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s);
    if (s->tls) {
        OPTION(MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_no_certificate());
        OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_server_priority(s->tls));
    }
    return n;
}

struct MHD_Daemon *http_library_start(http_server *s, unsigned flags, struct MHD_OptionItem *o)
{
    return MHD_start_daemon(flags | MHD_USE_ERROR_LOG | (s->tls ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, s,
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_ARRAY, o, MHD_OPTION_END);
}

static bool start_library(http_server *s, unsigned threads, unsigned connections)
{
    /* a PSK function that waits for a key must hold up its own connection alone */
    if (s->tls && tls_server_waits(s->tls))
        return http_each_start(s, connections);
    struct MHD_OptionItem o[HTTP_OPTIONS + 8];
    size_t n = http_library_options(s, o);
    OPTION(MHD_OPTION_LISTEN_SOCKET, s->listen_fd, NULL);
    OPTION(MHD_OPTION_CONNECTION_LIMIT, connections, NULL);
    /* of a TLS handshake that hangs our watch tells first */
    OPTION(MHD_OPTION_CONNECTION_TIMEOUT, s->idle_ms / 1000 + (s->tls ? 1 : 0), NULL);
    OPTION(MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_on_connection, s);
    if (threads > 1)
        OPTION(MHD_OPTION_THREAD_POOL_SIZE, threads, NULL);
    OPTION(MHD_OPTION_END, 0, NULL);
    s->mhd = http_library_start(s, MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, o);
    return s->mhd != NULL;
}
#undef OPTION

static http_server *server_new(const http_config *c, unsigned connections)
{
    http_server *s = calloc(1, sizeof *s);
    pthread_condattr_t a;
    if (!s)
        return NULL;
    snprintf(s->name, sizeof s->name, "%s", c->name ? c->name : "http");
    s->listen_fd = -1;
    s->tls = c->tls;
    s->header_max = c->header_max ? c->header_max : 16384;
    s->body_max = c->body_max ? c->body_max : 65536;
    s->idle_ms = (c->idle_s ? c->idle_s : 30) * 1000;
    s->handler = c->handler;
    s->refusal = c->refusal;
    s->ctx = c->ctx;
    s->known_bodies = c->known_bodies && c->tls;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&s->watch_cond, &a);
    pthread_condattr_destroy(&a);
    http_server_per_ip(s, c->per_ip, c->exempt, c->n_exempt);
    s->stream_if = c->stream_if;
    if (c->stream && !(s->pool = http_pool_new(c->streams ? c->streams : connections, c->handler, c->ctx))) {
        free(s);
        return NULL;
    }
    register_metrics(s);
    return s;
}

gba_err http_server_start(const http_config *c, http_server **out, char *why, size_t why_n)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = c->threads ? c->threads : cores > 0 ? (unsigned)cores : 1;
    unsigned connections = c->connections ? c->connections : 10000;
    http_server *s = server_new(c, connections);
    *out = NULL;
    if (!s) {
        snprintf(why, why_n, "out of memory");
        return GBA_E_NOMEM;
    }
    gba_err e = open_listener(s, c, why, why_n);
    threads = threads > connections ? connections : threads;
    if (e == GBA_OK && !start_library(s, threads, connections)) {
        snprintf(why, why_n, "%s: the HTTP server did not start (threads, connections or memory: see the log)", s->name);
        e = GBA_E_IO;
    }
    if (e == GBA_OK && pthread_create(&s->watch, NULL, watch, s) == 0)
        s->watching = true;
    else if (e == GBA_OK) {
        snprintf(why, why_n, "%s: no thread to watch it with: out of memory, or the system's limit of threads", s->name);
        e = GBA_E_NOMEM;
    }
    if (e != GBA_OK) {
        if (!s->mhd && !s->each && s->listen_fd >= 0)
            close(s->listen_fd);
        http_server_stop(&s, 0);
        return e;
    }
    pthread_mutex_lock(&servers_lock);
    s->next = servers;
    servers = s;
    pthread_mutex_unlock(&servers_lock);
    *out = s;
    return GBA_OK;
}

void http_server_per_ip(http_server *s, unsigned per_ip, const http_cidr *exempt, size_t n_exempt)
{
    pthread_mutex_lock(&s->lock);
    s->per_ip = per_ip;
    s->n_exempt = n_exempt < 2 * HTTP_CIDRS ? n_exempt : 2 * HTTP_CIDRS;
    for (size_t i = 0; i < s->n_exempt; i++)
        s->exempt[i] = exempt[i];
    pthread_mutex_unlock(&s->lock);
}

uint16_t http_server_port(const http_server *s)
{
    return s->port;
}

void http_server_drain(http_server *s)
{
    if (!s || (!s->mhd && !s->each) || atomic_exchange(&s->draining, true))
        return;
    if (s->each)
        http_each_drain(s);
    MHD_socket fd = s->mhd ? MHD_quiesce_daemon(s->mhd) : MHD_INVALID_SOCKET;
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    pthread_mutex_lock(&s->lock);
    watch_once(s, service_mono_ms());
    pthread_mutex_unlock(&s->lock);
}

static bool any_busy(http_server *s)
{
    bool busy = false;
    pthread_mutex_lock(&s->lock);
    for (http_conn *k = s->conns; k && !busy; k = k->next)
        busy = atomic_load(&k->busy);
    pthread_mutex_unlock(&s->lock);
    return busy;
}

bool http_any_busy(void)
{
    bool busy = false;
    pthread_mutex_lock(&servers_lock);
    for (http_server *s = servers; s && !busy; s = s->next)
        busy = any_busy(s);
    pthread_mutex_unlock(&servers_lock);
    return busy;
}

static void unlist(http_server *s)
{
    pthread_mutex_lock(&servers_lock);
    for (http_server **at = &servers; *at; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    pthread_mutex_unlock(&servers_lock);
}

static void abandon_all(http_server *s)
{
    atomic_store(&s->stopping, true);
    if (s->pool)
        http_pool_stop(s->pool);
    pthread_mutex_lock(&s->lock);
    for (http_conn *k = s->conns; k; k = k->next) {
        abandon(k->req);
        tls_hold_unpark(k->tls);
        if (s->each) /* its thread may wait for it */
            shutdown(k->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
}

void http_server_stop(http_server **sp, unsigned ms)
{
    http_server *s = *sp;
    *sp = NULL;
    if (!s)
        return;
    unlist(s);
    http_server_drain(s);
    for (int64_t until = service_mono_ms() + ms; any_busy(s) && service_mono_ms() < until;)
        usleep(5000);
    if (s->mhd || s->each)
        abandon_all(s);
    if (s->mhd)
        MHD_stop_daemon(s->mhd);
    if (s->each)
        http_each_stop(s);
    if (s->watching) {
        pthread_mutex_lock(&s->lock);
        s->watch_stop = true;
        pthread_cond_signal(&s->watch_cond);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->watch, NULL);
    }
    http_pool_free(&s->pool);
    pthread_cond_destroy(&s->watch_cond);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
