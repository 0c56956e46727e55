/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_upstream.c - plain HTTP to the CSE behind the gate: kept-alive connections, used by whoever handles
 * a request, on its own thread; every wait has a deadline, every answer a limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "onem2m-binding/gate.h"
#include "onem2m-binding/tls.h"
#include "service/http_head.h"

#define IDLE_MAX 256
#define HEAD_MAX 32768
#define PIECE 8192

struct gate_upstream {
    char host[GATE_HOST_MAX];
    struct sockaddr_storage address;
    socklen_t address_n;
    int family;
    size_t answer_max;
    pthread_mutex_t lock;
    int idle[IDLE_MAX];
    size_t n_idle;
};

gba_err gate_upstream_open(const gate_settings *s, gate_upstream **out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *ai;
    char host[GATE_HOST_MAX], service[8];
    const char *path;
    uint16_t port;
    bool tls;
    gate_upstream *u = calloc(1, sizeof *u);

    *out = u;
    if (!u)
        return GBA_E_NOMEM;
    pthread_mutex_init(&u->lock, NULL);
    if (gate_url(s->upstream, &tls, host, &port, &path) != GBA_OK)
        return GBA_E_SYNTAX;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &ai))
        return GBA_E_UNKNOWN;
    memcpy(&u->address, ai->ai_addr, ai->ai_addrlen);
    u->address_n = ai->ai_addrlen;
    u->family = ai->ai_family;
    freeaddrinfo(ai);
    snprintf(u->host, sizeof u->host, strchr(host, ':') ? "[%.200s]:%u" : "%.200s:%u", host, port);
    u->answer_max = (size_t)s->body_max;
    return GBA_OK;
}

void gate_upstream_close(gate_upstream **up)
{
    gate_upstream *u = *up;
    *up = NULL;
    if (!u)
        return;
    for (size_t i = 0; i < u->n_idle; i++)
        close(u->idle[i]);
    pthread_mutex_destroy(&u->lock);
    free(u);
}

static gba_err dial(const gate_upstream *u, int64_t deadline, int *out)
{
    int fd = socket(u->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, fault = 0;
    socklen_t n = sizeof fault;

    *out = -1;
    if (fd < 0)
        return GBA_E_IO;
    const struct timeval t = {.tv_usec = M2M_LOOK_MS * 1000L};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    gba_err e = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) ? GBA_E_IO : GBA_OK;
    if (e == GBA_OK && connect(fd, (const struct sockaddr *)&u->address, u->address_n) < 0) {
        e = errno == EINPROGRESS ? m2m_wait(fd, POLLOUT, deadline) : GBA_E_IO;
        if (e == GBA_OK && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &n) < 0 || fault))
            e = GBA_E_IO;
    }
    if (e == GBA_OK && fcntl(fd, F_SETFL, 0)) /* recv() waits a moment by itself: most answers come in it */
        e = GBA_E_IO;
    if (e != GBA_OK)
        close(fd);
    else
        *out = fd;
    return e;
}

/* A resting connection that the CSE has not closed; -1: none. */
static int resting(gate_upstream *u)
{
    char c;
    for (;;) {
        pthread_mutex_lock(&u->lock);
        int fd = u->n_idle ? u->idle[--u->n_idle] : -1;
        pthread_mutex_unlock(&u->lock);
        if (fd < 0 || (recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)))
            return fd;
        close(fd);
    }
}

static void rest(gate_upstream *u, int fd)
{
    pthread_mutex_lock(&u->lock);
    bool room = u->n_idle < IDLE_MAX;
    if (room)
        u->idle[u->n_idle++] = fd;
    pthread_mutex_unlock(&u->lock);
    if (!room)
        close(fd);
}

bool gate_upstream_reachable(gate_upstream *u, unsigned ms)
{
    int fd = resting(u);
    if (fd < 0 && dial(u, service_mono_ms() + ms, &fd) != GBA_OK)
        return false;
    rest(u, fd);
    return true;
}

/* What became of a request that got no answer. */
typedef struct fate {
    size_t sent; /* octets of it that our system took */
    bool any;    /* something of an answer came */
    bool closed; /* the CSE's end of the connection, in order */
} fate;

static gba_err send_all(int fd, const void *p, size_t n, int64_t deadline, fate *f)
{
    const char *at = p;
    while (n) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            at += sent;
            n -= (size_t)sent;
            f->sent += (size_t)sent;
            continue;
        }
        f->closed = errno == EPIPE;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return GBA_E_IO;
        gba_err e = m2m_wait(fd, POLLOUT, deadline);
        if (e != GBA_OK)
            return e;
    }
    return GBA_OK;
}

static gba_err print_head(const gate_upstream *u, const char *method, const char *target, const m2m_field *f, size_t n,
                          gba_span body, char *out, size_t *len)
{
    size_t at = (size_t)snprintf(out, HEAD_MAX, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, u->host);

    for (size_t i = 0; i < n && at < HEAD_MAX; i++) {
        if (!http_is_token(gba_str(f[i].name)) || !http_is_value(gba_str(f[i].value)))
            return GBA_E_SYNTAX;
        at += (size_t)snprintf(out + at, HEAD_MAX - at, "%s: %s\r\n", f[i].name, f[i].value);
    }
    if (at < HEAD_MAX && (body.n || strcmp(method, "GET")))
        at += (size_t)snprintf(out + at, HEAD_MAX - at, "Content-Length: %zu\r\n", body.n);
    if (at < HEAD_MAX)
        at += (size_t)snprintf(out + at, HEAD_MAX - at, "\r\n");
    *len = at;
    return at < HEAD_MAX ? GBA_OK : GBA_E_RANGE;
}

static gba_err grow(char **buf, size_t *room, size_t n, size_t max)
{
    if (*room - n >= PIECE)
        return GBA_OK;
    if (*room >= max)
        return *room > n ? GBA_OK : GBA_E_RANGE;
    size_t more = *room ? 2 * *room : PIECE;
    char *p = realloc(*buf, more < max ? more : max);
    if (!p)
        return GBA_E_NOMEM;
    *buf = p;
    *room = more < max ? more : max;
    return GBA_OK;
}

/* Is what came the answer and not an octet more? What follows one answer would pass for the next one's. */
static bool is_exact(gba_span text, const m2m_answer *a)
{
    m2m_answer less;

    if (!m2m_answer_field(a, "Transfer-Encoding"))
        return a->body.p && (const char *)a->body.p + a->body.n == (const char *)a->text + a->text_n;
    if (m2m_answer_parse(gba_mem(text.p, text.n - 1), false, false, text.n, &less) == GBA_E_STALE)
        return true;
    m2m_answer_free(&less);
    return false;
}

/* *exact: the answer came, and no more. */
static gba_err read_answer(const gate_upstream *u, int fd, int64_t deadline, m2m_answer *out, fate *f, bool *exact)
{
    char *buf = NULL;
    size_t n = 0, room = 0, max = u->answer_max + HEAD_MAX;
    gba_err e = GBA_E_STALE;
    bool waits = false; /* the first recv() does so itself */

    while (e == GBA_E_STALE) {
        gba_err g = grow(&buf, &room, n, max);
        if (g == GBA_OK && waits)
            g = m2m_wait(fd, POLLIN, deadline);
        waits = true;
        if (g != GBA_OK) {
            e = g;
            break;
        }
        ssize_t got = recv(fd, buf + n, room - n, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        f->closed = got == 0 || (got < 0 && errno == EPIPE);
        if (got < 0) {
            e = GBA_E_IO;
            break;
        }
        n += (size_t)got;
        f->any = f->any || got > 0;
        e = m2m_answer_parse(gba_mem(buf, n), got == 0, false, max, out);
    }
    *exact = e == GBA_OK && is_exact(gba_mem(buf, n), out);
    free(buf);
    return e;
}

static bool stays_open(const m2m_answer *a)
{
    const char *c = m2m_answer_field(a, "Connection");
    return (m2m_answer_field(a, "Content-Length") || m2m_answer_field(a, "Transfer-Encoding")) &&
           (!c || !strcasecmp(c, "keep-alive"));
}

/* Has nobody read an octet of the request? Then it can be sent again, whatever it asks (RFC 9110 9.2.2): the connection
 * was closed in order, and what the CSE's system said last acknowledges nothing of it, so it came after the close. A
 * reset proves nothing. */
static bool unread(int fd, const fate *f)
{
    int waiting = -1; /* octets not acknowledged */
    return !f->any && (f->closed || !f->sent) && ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting >= 0 &&
           (size_t)waiting == f->sent;
}

/* *again: a fresh connection may try. */
static gba_err once(gate_upstream *u, int fd, const char *head, size_t len, gba_span body, int64_t deadline,
                    m2m_answer *out, bool idempotent, bool *again)
{
    fate f = {0};
    bool exact = false;
    gba_err e = send_all(fd, head, len, deadline, &f);
    if (e == GBA_OK && body.n)
        e = send_all(fd, body.p, body.n, deadline, &f);
    if (e == GBA_OK)
        e = read_answer(u, fd, deadline, out, &f, &exact);
    *again = e == GBA_E_IO && !f.any && (idempotent || unread(fd, &f));
    if (e == GBA_OK && out->status < 200) {
        m2m_answer_free(out);
        e = GBA_E_SYNTAX;
    }
    if (e == GBA_OK && exact && stays_open(out))
        rest(u, fd);
    else
        close(fd);
    return e;
}

gba_err gate_upstream_ask(gate_upstream *u, const char *method, const char *target, const m2m_field *f, size_t n,
                          gba_span body, int64_t ms, m2m_answer *out)
{
    int64_t deadline = service_mono_ms() + ms;
    char head[HEAD_MAX];
    size_t len;
    bool again = false, idempotent = !strcmp(method, "GET") || !strcmp(method, "PUT") || !strcmp(method, "DELETE");
    gba_err e = print_head(u, method, target, f, n, body, head, &len);

    memset(out, 0, sizeof *out);
    if (e != GBA_OK)
        return e;
    int fd = resting(u);
    if (fd >= 0) {
        e = once(u, fd, head, len, body, deadline, out, idempotent, &again);
        if (!again) /* else it was closed while it rested */
            return e;
    }
    e = dial(u, deadline, &fd);
    return e == GBA_OK ? once(u, fd, head, len, body, deadline, out, idempotent, &again) : e;
}
