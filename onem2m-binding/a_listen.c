/* SPDX-License-Identifier: Apache-2.0 */
/*
 * a_listen.c - SA2: Entity A as the TLS server of its registrar, by the credential of SA1 (TS-0003 8.2.1), and the
 * notifications that come in. One thread, no waiting for a single peer: each connection has a deadline.
 */
#define _GNU_SOURCE 1 /* accept4 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "onem2m-binding/a.h"
#include "onem2m-binding/names.h"
#include "onem2m-binding/tls.h"
#include "onem2m-binding/tls_accept.h"

#define CONNECTIONS 16
#define BODY_MAX 262144
#define PAUSE_MS 100
#define GRACE_MS 500 /* for a handshake, whoever else wants in */
#define PREFIX "3GPP-bootstrapping;"

typedef struct visit { /* fd -1: free */
    int fd;
    m2m_accepted *tls;
    bool open;
    int64_t since, deadline; /* of the handshake, then of each request */
    uint8_t *buf;
    size_t n, room;
    char address[64];
} visit;
struct gba_m2m_listener {
    gba_m2m_sa *sa;
    gba_m2m_listen_config c;
    m2m_acceptor *acceptor;
    int fd;
    uint16_t port;
    bool served;
    int64_t pause; /* until then nobody is let in */
    visit v[CONNECTIONS];
};

static gba_err key_of(void *ctx, gba_span identity, uint16_t suite, gba_secret *key)
{
    gba_m2m_listener *l = ctx;
    const a_auth *x = &l->sa->auth;
    size_t skip = strlen(PREFIX);

    if (identity.n > skip && gba_span_eq(gba_mem(identity.p, skip), gba_str(PREFIX)))
        identity = gba_mem(identity.p + skip, identity.n - skip);
    if (!gba_span_eq(identity, gba_str(x->id)))
        return GBA_E_UNKNOWN;
    return a_auth_key(x, suite, key);
}

/* Our own handshake with a registrar, sent back to us, would find our own key here; but it asks for that registrar,
 * which nobody on the way can change. So with a key only what is ours is served (TS-0003 10.2.1): our name, or that of
 * an AE of the same CSE, of which we may be several. Without an ID that gives a name we are called by our address. */
static bool name_of_ours(void *ctx, gba_span sni)
{
    const gba_m2m_listener *l = ctx;
    const gba_m2m_id *id = &l->sa->a->c.id;
    size_t label = 0;
    gba_fqdn own;

    if (gba_span_ieq(sni, gba_str(l->sa->facts.b.s)))
        return false;
    if (!(l->sa->auth.gba || l->sa->auth.keys.n) || gba_m2m_id_fqdn(id, &own) != GBA_OK)
        return true;
    if (id->kind != GBA_M2M_ID_AE_C)
        return gba_span_ieq(sni, gba_str(own.s));
    while (label < sni.n && sni.p[label] != '.')
        label++;
    return label && gba_span_ieq(gba_mem(sni.p + label, sni.n - label), gba_str(strchr(own.s, '.')));
}

static bool over(const gba_m2m_listener *l)
{
    return l->sa->facts.expires && l->sa->facts.expires <= a_now(l->sa->a);
}

/* ---- opening ---- */
static gba_err open_socket(gba_m2m_listener *l)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE}, *list = NULL;
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    char service[8];
    int one = 1;

    snprintf(service, sizeof service, "%u", l->c.port);
    if (getaddrinfo(l->c.host ? l->c.host : "127.0.0.1", service, &hints, &list) != 0)
        return GBA_E_ARG;
    l->fd = socket(list->ai_family, list->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, list->ai_protocol);
    bool ok = l->fd >= 0 && setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
              bind(l->fd, list->ai_addr, list->ai_addrlen) == 0 && listen(l->fd, CONNECTIONS) == 0 &&
              getsockname(l->fd, (struct sockaddr *)&at, &n) == 0;
    freeaddrinfo(list);
    if (!ok)
        return GBA_E_IO;
    l->port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                             : ((struct sockaddr_in *)&at)->sin_port);
    return GBA_OK;
}

gba_err gba_m2m_listen(gba_m2m_sa *sa, const gba_m2m_listen_config *c, gba_m2m_listener **out)
{
    gba_m2m_listener *l = calloc(1, sizeof *l);
    const a_auth *x = &sa->auth;
    char why[256] = "";
    bool psk = x->gba || x->keys.n;

    *out = NULL;
    if (!l)
        return a_say(sa->a, GBA_E_NOMEM, "out of memory");
    l->sa = sa;
    l->c = *c;
    l->fd = -1;
    for (size_t i = 0; i < CONNECTIONS; i++)
        l->v[i].fd = -1;
    m2m_accept_config a = {.name = name_of_ours,
                           .name_ctx = l,
                           .priority = c->priority ? c->priority : sa->priority,
                           .client = sa->facts.b.s};
    if (psk) {
        a.psk = key_of;
        a.psk_ctx = l;
        a.hint = x->gba ? "3GPP-bootstrapping" : NULL;
    } else {
        a.cert_file = x->own->cert_file;
        a.key_file = x->own->key_file;
        a.ca_file = x->own->ca_file;
        a.crl_file = x->own->crl_file;
        a.expect_key = x->own->server_key;
    }
    gba_err e = m2m_acceptor_new(&a, &l->acceptor, why, sizeof why);
    if (e != GBA_OK)
        e = a_say(sa->a, e, "%s", why[0] ? why : gba_err_text(e));
    else if ((e = open_socket(l)) != GBA_OK)
        e = a_say(sa->a, e, "%s port %u: cannot listen: %s", c->host ? c->host : "127.0.0.1", c->port,
                  e == GBA_E_ARG ? "no such address" : strerror(errno));
    if (e == GBA_OK)
        *out = l;
    else
        gba_m2m_listener_close(&l);
    return e;
}

uint16_t gba_m2m_listener_port(const gba_m2m_listener *l)
{
    return l->port;
}

static void leave(visit *v)
{
    m2m_accepted_close(&v->tls);
    if (v->fd >= 0)
        close(v->fd);
    if (v->buf)
        gba_wipe(v->buf, v->n);
    free(v->buf);
    *v = (visit){.fd = -1};
}

void gba_m2m_listener_close(gba_m2m_listener **lp)
{
    gba_m2m_listener *l = *lp;

    *lp = NULL;
    if (!l)
        return;
    for (size_t i = 0; i < CONNECTIONS; i++)
        leave(&l->v[i]);
    if (l->fd >= 0)
        close(l->fd);
    m2m_acceptor_free(&l->acceptor);
    free(l);
}

/* ---- a request ---- */
static void refuse(const gba_m2m_listener *l, const visit *v, const char *why)
{
    if (l->c.refused)
        l->c.refused(l->c.arg, v->address, why);
}

/* False: the connection is over. */
static bool answer(visit *v, unsigned http, unsigned rsc, const char *ri, bool last)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %u %s\r\n" M2M_H_RSC ": %u\r\n" M2M_H_RVI ": " M2M_RVI "\r\n", http,
                     http == 200 ? "OK" : "Refused", rsc);

    if (ri && strlen(ri) < 256)
        n += snprintf(text + n, sizeof text - (size_t)n, M2M_H_RI ": %s\r\n", ri);
    n += snprintf(text + n, sizeof text - (size_t)n, "Content-Length: 0\r\n%s\r\n",
                  last ? "Connection: close\r\n" : "");
    return m2m_accepted_send(v->tls, text, (size_t)n) == GBA_OK && !last;
}

static bool has(gba_span text, const char *what)
{
    for (size_t n = strlen(what), i = 0; i + n <= text.n; i++)
        if (gba_span_ieq(gba_mem(text.p + i, n), gba_str(what)))
            return true;
    return false;
}

/* Not a whole primitive, which may be of any operation and originator. */
static bool is_json(gba_span type)
{
    return has(type, "json") && !has(type, "-preq+") && !has(type, "-prsp+");
}

/* Two originators are none. */
static bool repeats(const m2m_arrival *r)
{
    static const char *const once[] = {M2M_H_ORIGIN, M2M_H_RI, M2M_H_RVI, "Content-Type"};
    for (size_t k = 0; k < sizeof once / sizeof *once; k++) {
        size_t n = 0;
        for (size_t i = 0; i < r->n_fields; i++)
            n += gba_field_named(gba_str(r->field[i].name), gba_str(once[k]));
        if (n > 1)
            return true;
    }
    return false;
}

/* Only what a request-reachable AE or CSE is told: notifications. Anything else has no resource here. */
static unsigned judge(const gba_m2m_listener *l, const visit *v, const m2m_arrival *r, const char **why)
{
    const char *origin = m2m_arrival_field(r, M2M_H_ORIGIN), *type = m2m_arrival_field(r, "Content-Type");
    const char *rvi = m2m_arrival_field(r, M2M_H_RVI), *ri = m2m_arrival_field(r, M2M_H_RI);
    /* the target is our own point of access, whatever its path; it names no resource of oneM2M */
    gba_m2m_http h = {.method = gba_str(r->method), .target = gba_str("/here")};
    gba_m2m_request m;
    bool verification = false;

    if (type)
        h.content_type = gba_str(type);
    if (origin)
        h.origin = gba_str(origin);
    if (rvi)
        h.rvi = gba_str(rvi);
    unsigned rsc = gba_m2m_http_parse(&h, &m);
    *why = "malformed";
    if (!rsc && repeats(r)) {
        *why = "a field that came twice";
        rsc = GBA_M2M_BAD_REQUEST;
    }
    if (!rsc && m.op != GBA_M2M_NOTIFY) {
        *why = "not a notification";
        rsc = GBA_M2M_OPERATION_NOT_ALLOWED;
    }
    if (!rsc && (!ri || !*ri || !origin || !*origin)) {
        *why = "without originator or request identifier";
        rsc = GBA_M2M_BAD_REQUEST;
    }
    if (!rsc && !is_json(h.content_type)) {
        *why = "not a notification in JSON by its type";
        rsc = GBA_M2M_UNSUPPORTED_MEDIA_TYPE;
    }
    if (!rsc && a_json_notification(r->body, &verification) != GBA_OK) {
        *why = "no JSON object";
        rsc = GBA_M2M_BAD_REQUEST;
    }
    if (rsc)
        return rsc;
    *why = "by the application";
    char *body = strndup((const char *)r->body.p, r->body.n);
    gba_m2m_incoming in = {.op = m.op, .to = r->target, .from = origin, .ri = ri, .verification = verification,
                           .body = body, .n = r->body.n, .suite_name = m2m_suite_name(m2m_accepted_suite(v->tls)),
                           .address = v->address};
    rsc = !body ? GBA_M2M_INTERNAL_ERROR : l->c.take ? l->c.take(l->c.arg, &in) : GBA_M2M_OK;
    if (body)
        gba_wipe(body, r->body.n);
    free(body);
    return rsc;
}

/* All whole requests in the buffer; false: the connection is over. */
static bool serve(gba_m2m_listener *l, visit *v)
{
    m2m_arrival r;
    bool open = true;

    while (open && v->n) {
        const char *why = "malformed";
        gba_err e = m2m_arrival_parse(gba_mem(v->buf, v->n), BODY_MAX, &r);
        if (e == GBA_E_STALE)
            return true;
        if (e != GBA_OK) {
            refuse(l, v, e == GBA_E_RANGE ? "a request that is too long" : why);
            (void)answer(v, e == GBA_E_RANGE ? 413 : 400, GBA_M2M_BAD_REQUEST, NULL, true);
            return false;
        }
        unsigned rsc = judge(l, v, &r, &why);
        if (rsc >= 4000)
            refuse(l, v, why);
        l->served = true;
        open = answer(v, gba_m2m_rsc_http(rsc), rsc, m2m_arrival_field(&r, M2M_H_RI), r.last);
        gba_wipe(v->buf, r.used);
        memmove(v->buf, v->buf + r.used, v->n - r.used);
        v->n -= r.used;
        v->deadline = m2m_mono_ms() + l->sa->a->c.total_ms;
        m2m_arrival_free(&r);
    }
    return open;
}

/* ---- connections ---- */
/* A free place, else that of the oldest caller who has proved nothing yet: silent ones keep no registrar out. NULL: all
 * are held by associations. */
static visit *place(gba_m2m_listener *l)
{
    visit *oldest = NULL;

    for (size_t i = 0; i < CONNECTIONS; i++) {
        visit *v = &l->v[i];
        if (v->fd < 0)
            return v;
        if (!v->open && (!oldest || v->since < oldest->since))
            oldest = v;
    }
    return oldest;
}

/* When the next caller may be let in; INT64_MAX: when a connection has ended. */
static int64_t room_at(gba_m2m_listener *l)
{
    const visit *v = place(l);
    return !v ? INT64_MAX : v->fd < 0 ? l->pause : v->since + GRACE_MS > l->pause ? v->since + GRACE_MS : l->pause;
}

static void welcome(gba_m2m_listener *l)
{
    struct sockaddr_storage from;
    socklen_t n = sizeof from;
    int fd = accept4(l->fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
    visit *v = place(l);

    if (fd < 0) {
        /* of descriptors or memory there is none: the caller stays in the queue, which polled would make us spin */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            l->pause = m2m_mono_ms() + PAUSE_MS;
        return;
    }
    if (!v) { /* cannot be: no place, no accept */
        close(fd);
        return;
    }
    if (v->fd >= 0) {
        refuse(l, v, "made room for another");
        leave(v);
    }
    v->fd = fd;
    v->since = m2m_mono_ms();
    v->deadline = v->since + l->sa->a->c.total_ms;
    if (getnameinfo((struct sockaddr *)&from, n, v->address, sizeof v->address, NULL, 0, NI_NUMERICHOST) != 0)
        v->address[0] = 0;
    if (m2m_accept(l->acceptor, fd, &v->tls) != GBA_OK)
        leave(v);
}

static bool read_some(gba_m2m_listener *l, visit *v)
{
    do {
        if (v->room - v->n < 4096) {
            size_t room = v->room ? 2 * v->room : 16384;
            uint8_t *more = room <= 4 * BODY_MAX ? malloc(room) : NULL; /* not realloc: it would leave a copy */
            if (!more)
                return false;
            if (v->n)
                memcpy(more, v->buf, v->n);
            if (v->buf)
                gba_wipe(v->buf, v->n);
            free(v->buf);
            v->buf = more;
            v->room = room;
        }
        size_t n = v->room - v->n;
        gba_err e = m2m_accepted_recv(v->tls, v->buf + v->n, &n);
        if (e == GBA_E_STALE)
            return true;
        if (e != GBA_OK)
            return false;
        v->n += n;
        if (!serve(l, v))
            return false;
    } while (m2m_accepted_pending(v->tls));
    return true;
}

static void progress(gba_m2m_listener *l, visit *v)
{
    if (!v->open) {
        gba_err e = m2m_accept_shake(v->tls);
        if (e == GBA_E_STALE)
            return;
        if (e == GBA_OK && over(l))
            e = GBA_E_EXPIRED;
        if (e != GBA_OK) {
            refuse(l, v, e == GBA_E_EXPIRED ? "the key is over" : m2m_accepted_why(v->tls));
            leave(v);
            return;
        }
        v->open = true;
        v->deadline = m2m_mono_ms() + l->sa->a->c.total_ms;
    }
    if (!read_some(l, v))
        leave(v);
}

/* One round: up to `deadline`. */
static gba_err round_of(gba_m2m_listener *l, int64_t deadline)
{
    struct pollfd p[CONNECTIONS + 1];
    size_t of[CONNECTIONS], n = 0;
    int64_t now = m2m_mono_ms(), left = deadline - now;

    for (size_t i = 0; i < CONNECTIONS; i++) {
        visit *v = &l->v[i];
        if (v->fd >= 0 && v->deadline <= now) {
            if (!v->open)
                refuse(l, v, "the handshake took too long");
            leave(v);
        }
        if (v->fd < 0)
            continue;
        if (v->deadline - now < left)
            left = v->deadline - now;
        of[n] = i;
        p[n++] = (struct pollfd){.fd = v->fd, .events = !v->open && m2m_accepted_writes(v->tls) ? POLLOUT : POLLIN};
    }
    int64_t room = room_at(l);
    if (room > now && room - now < left)
        left = room - now;
    p[n] = (struct pollfd){.fd = l->fd, .events = room <= now ? POLLIN : 0};
    if (poll(p, n + 1, (int)(left < 0 ? 0 : left > 1000 ? 1000 : left)) < 0)
        return errno == EINTR ? GBA_OK : GBA_E_IO;
    for (size_t i = 0; i < n; i++)
        if (p[i].revents)
            progress(l, &l->v[of[i]]);
    if (p[n].revents & (POLLERR | POLLNVAL))
        return GBA_E_IO;
    if (p[n].revents && room_at(l) <= m2m_mono_ms())
        welcome(l);
    return GBA_OK;
}

gba_err gba_m2m_listener_run(gba_m2m_listener *l, unsigned ms)
{
    int64_t deadline = m2m_mono_ms() + ms;

    l->served = false;
    do {
        if (over(l))
            return GBA_E_EXPIRED;
        gba_err e = round_of(l, deadline);
        if (e != GBA_OK)
            return e;
    } while (!l->served && m2m_mono_ms() < deadline);
    return l->served ? GBA_OK : GBA_E_BUSY;
}
