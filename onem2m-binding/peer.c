/* SPDX-License-Identifier: Apache-2.0 */
/* peer.c - connect, ask, read the answer. */
#include "onem2m-binding/peer.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "onem2m-binding/tls.h"
#include "service/http_head.h"
#include "ue/resolve.h"

struct m2m_peer {
    int fd;
    m2m_tls *tls;
    unsigned total_ms;
    size_t answer_max;
    char host[300]; /* the Host field */
};

/* ---- connecting ---- */
static int connect_one(const struct addrinfo *a, int64_t deadline)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol), one = 1, err = 0;
    socklen_t n = sizeof err;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    if (errno == EINPROGRESS) {
        if (m2m_wait(fd, POLLOUT, deadline) == GBA_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0 &&
            err == 0)
            return fd;
    }
    close(fd);
    return -1;
}

/* A dead address leaves those behind it half of the time. */
static gba_err connect_to(const m2m_peer_config *c, int64_t deadline, int *fd)
{
    struct addrinfo *list = NULL;
    const char *why;
    gba_err e = ue_resolve(c->host, c->port, deadline, m2m_wait, &list, &why);
    bool any = false;

    *fd = -1;
    for (const struct addrinfo *a = list; a && *fd < 0; a = a->ai_next) {
        int64_t now = m2m_mono_ms();
        if (c->may && !c->may(c->may_ctx, a->ai_addr)) /* of the address that is contacted, not of a name */
            continue;
        any = true;
        *fd = connect_one(a, a->ai_next && deadline > now ? now + (deadline - now) / 2 : deadline);
    }
    if (list)
        freeaddrinfo(list);
    if (e == GBA_OK && !any)
        return GBA_E_FORBIDDEN;
    return e != GBA_OK || *fd >= 0 ? e : m2m_mono_ms() >= deadline ? GBA_E_BUSY : GBA_E_IO;
}

gba_err m2m_peer_open(const m2m_peer_config *c, m2m_peer **out, char *why, size_t why_n)
{
    m2m_peer *p;
    gba_err e;

    *out = NULL;
    if (why_n)
        why[0] = 0;
    if (!c->host || !c->sni || !c->port || (!c->psk && !c->psk_fn && !c->ca_file && !c->expect_key) ||
        (c->psk && (!c->psk->n || !c->psk_identity.n)))
        return GBA_E_ARG;
    p = calloc(1, sizeof *p);
    if (!p)
        return GBA_E_NOMEM;
    p->total_ms = c->total_ms ? c->total_ms : 5000;
    p->answer_max = c->answer_max ? c->answer_max : 65536;
    snprintf(p->host, sizeof p->host, "%s%s%.0u", c->sni, c->port == 443 ? "" : ":", c->port == 443 ? 0u : c->port);
    e = connect_to(c, m2m_mono_ms() + (c->connect_ms ? c->connect_ms : 2000), &p->fd);
    if (e == GBA_OK)
        e = m2m_tls_open(c, p->fd, m2m_mono_ms() + p->total_ms, &p->tls, why, why_n);
    else if (why_n)
        snprintf(why, why_n, "%s port %u: %s%s", c->host, c->port,
                 e == GBA_E_FORBIDDEN ? "may not be contacted" : "cannot be reached",
                 e == GBA_E_BUSY ? " in time" : "");
    if (e == GBA_OK)
        *out = p;
    else
        m2m_peer_close(&p);
    return e;
}

void m2m_peer_close(m2m_peer **pp)
{
    m2m_peer *p = *pp;

    *pp = NULL;
    if (!p)
        return;
    m2m_tls_close(&p->tls);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

void m2m_peer_within(m2m_peer *p, unsigned ms)
{
    p->total_ms = ms ? ms : 1;
}

gba_err m2m_peer_export(m2m_peer *p, const char *label, gba_secret *out)
{
    return m2m_tls_export(p->tls, label, out);
}

uint16_t m2m_peer_suite(const m2m_peer *p)
{
    return m2m_tls_suite(p->tls);
}

const char *m2m_suite_name(uint16_t suite)
{
    static const struct {
        uint16_t number;
        const char *name;
    } suites[] = {
        {0x00AE, "TLS_PSK_WITH_AES_128_CBC_SHA256"},
        {0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256"},
        {0xCCAB, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256"},
        {0xC037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256"},
        {0xD001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"},
        {0xCCAC, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"},
        {0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
        {0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
        {0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
        {0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
        {0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
        {0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    };
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (suites[i].number == suite)
            return suites[i].name;
    return "";
}

const char *m2m_peer_suite_name(const m2m_peer *p)
{
    return m2m_suite_name(m2m_peer_suite(p));
}

/* ---- the answer ---- */
static bool number(const char *s, int base, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = 0;

    for (; s[n]; n++) {
        int c = s[n] | 0x20;
        int d = s[n] >= '0' && s[n] <= '9' ? c - '0' : base == 16 && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0 || n >= 15)
            return false;
        v = v * (unsigned)base + (unsigned)d;
    }
    *out = v;
    return n > 0;
}

static char *line_end(char *p)
{
    char *e = strstr(p, "\r\n");
    if (e)
        *e = 0;
    return e;
}

/* What others could read as another name, or as a line of its own, is neither read nor printed. */
static bool field_ok(const char *name, const char *value)
{
    return http_is_token(gba_str(name)) && http_is_value(gba_str(value));
}

/* Header fields, each with its CRLF; text is cut into strings. */
static gba_err read_fields(char *p, m2m_field *field, size_t *n)
{
    for (char *e; *p; p = e + 2) {
        e = line_end(p);
        char *colon = strchr(p, ':');
        if (!e || !colon)
            return GBA_E_SYNTAX;
        if (*n == M2M_ANSWER_FIELDS)
            return GBA_E_RANGE;
        *colon++ = 0;
        colon += strspn(colon, " \t");
        for (char *t = e; t > colon && (t[-1] == ' ' || t[-1] == '\t');)
            *--t = 0;
        if (!field_ok(p, colon))
            return GBA_E_SYNTAX;
        field[(*n)++] = (m2m_field){p, colon};
    }
    return GBA_OK;
}

/* "HTTP/1.1 201 Created", then fields. */
static gba_err read_head(char *p, m2m_answer *a)
{
    char *e = line_end(p);

    if (!e || strncmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != ' ' || strlen(p) < 12 ||
        p[9] < '1' || p[9] > '5' || p[10] < '0' || p[10] > '9' || p[11] < '0' || p[11] > '9' || (p[12] && p[12] != ' '))
        return GBA_E_SYNTAX;
    a->status = (unsigned)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    return read_fields(e + 2, a->field, &a->n_fields);
}

const char *m2m_answer_field(const m2m_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (!strcasecmp(a->field[i].name, name))
            return a->field[i].value;
    return NULL;
}

void m2m_answer_free(m2m_answer *a)
{
    if (a->text)
        gba_wipe(a->text, a->text_n);
    free(a->text);
    *a = (m2m_answer){0};
}

/* Chunks joined in place. STALE: more is needed. */
static gba_err join_chunks(char *p, size_t n, size_t *out)
{
    char *to = p, *end = p + n, line[24];

    for (;;) {
        char *e = memchr(p, '\n', (size_t)(end - p));
        uint64_t size;
        size_t len;
        if (!e)
            return end - p > 64 ? GBA_E_SYNTAX : GBA_E_STALE;
        len = strcspn(p, ";\r\n");
        if (len >= sizeof line || e == p || e[-1] != '\r')
            return GBA_E_SYNTAX;
        snprintf(line, sizeof line, "%.*s", (int)len, p);
        if (!number(line, 16, &size) || size > UINT32_MAX)
            return GBA_E_SYNTAX;
        p = e + 1;
        if ((uint64_t)(end - p) < size + 2)
            return GBA_E_STALE;
        if (size == 0) { /* no trailers wanted */
            *out = (size_t)(to - (end - n));
            return !memcmp(p, "\r\n", 2) ? GBA_OK : GBA_E_SYNTAX;
        }
        if (memcmp(p + size, "\r\n", 2) != 0)
            return GBA_E_SYNTAX;
        memmove(to, p, size);
        to += size;
        p += size + 2;
    }
}

static gba_err read_body(m2m_answer *a, char *body, size_t n, bool end, bool head)
{
    const char *length = m2m_answer_field(a, "Content-Length"), *coding = m2m_answer_field(a, "Transfer-Encoding");
    uint64_t want = 0;
    size_t joined = 0;
    gba_err e;

    if (length && coding)
        return GBA_E_SYNTAX;
    if (head || a->status == 204 || a->status == 304)
        return GBA_OK;
    if (coding) {
        if (strcasecmp(coding, "chunked") != 0)
            return GBA_E_UNSUPPORTED;
        e = join_chunks(body, n, &joined);
        if (e != GBA_OK)
            return e == GBA_E_STALE && end ? GBA_E_IO : e;
        a->body = gba_mem(body, joined);
        return GBA_OK;
    }
    if (!length) {
        a->body = gba_mem(body, n);
        return end ? GBA_OK : GBA_E_STALE;
    }
    if (!number(length, 10, &want))
        return GBA_E_SYNTAX;
    if (n < want)
        return end ? GBA_E_IO : GBA_E_STALE;
    a->body = gba_mem(body, (size_t)want);
    return GBA_OK;
}

gba_err m2m_answer_parse(gba_span text, bool end, bool head, size_t max, m2m_answer *out)
{
    gba_err e;

    memset(out, 0, sizeof *out);
    if (text.n > max)
        return GBA_E_RANGE;
    char *copy = malloc(text.n + 1);
    if (!copy)
        return GBA_E_NOMEM;
    if (text.n)
        memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    out->text = copy;
    out->text_n = text.n;
    char *gap = strstr(copy, "\r\n\r\n");
    if (!gap) {
        e = memchr(copy, 0, text.n) ? GBA_E_SYNTAX : end ? GBA_E_IO : GBA_E_STALE;
    } else {
        gap[2] = 0; /* the head ends with the last field's CRLF */
        e = read_head(copy, out);
        if (e == GBA_OK)
            e = read_body(out, gap + 4, text.n - (size_t)(gap + 4 - copy), end, head);
    }
    if (e != GBA_OK)
        m2m_answer_free(out);
    return e;
}

/* ---- a request that comes to us ---- */
static bool token_ok(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
            return false;
    return true;
}

const char *m2m_arrival_field(const m2m_arrival *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (!strcasecmp(r->field[i].name, name))
            return r->field[i].value;
    return NULL;
}

static gba_err read_request_line(char *p, m2m_arrival *r)
{
    char *e = line_end(p), *a = strchr(p, ' '), *b = a ? strchr(a + 1, ' ') : NULL;
    http_head h;

    if (!e || !b)
        return GBA_E_SYNTAX;
    *a = *b = 0;
    r->method = p;
    r->target = a + 1;
    http_head_begin(&h, gba_str(p), gba_str(a + 1), gba_str(b + 1));
    r->last = h.http10;
    gba_err err = read_fields(e + 2, r->field, &r->n_fields);
    for (size_t i = 0; i < r->n_fields; i++)
        http_head_field(&h, gba_str(r->field[i].name), gba_str(r->field[i].value));
    return err == GBA_OK && http_head_end(&h) != HTTP_FAULT_NONE ? GBA_E_SYNTAX : err;
}

static gba_err read_request_body(m2m_arrival *r, char *body, size_t n, size_t max)
{
    const char *length = m2m_arrival_field(r, "Content-Length"), *coding = m2m_arrival_field(r, "Transfer-Encoding");
    uint64_t want = 0;
    size_t joined = 0;

    r->last = r->last || coding;
    for (size_t i = 0; i < r->n_fields; i++)
        if (!strcasecmp(r->field[i].name, "Connection") && strcasecmp(r->field[i].value, "keep-alive") != 0)
            r->last = true;
    if (coding) {
        gba_err e = join_chunks(body, n, &joined);
        r->body = gba_mem(body, joined);
        return e == GBA_OK && joined > max ? GBA_E_RANGE : e;
    }
    if (length && !number(length, 10, &want))
        return GBA_E_SYNTAX;
    if (want > max)
        return GBA_E_RANGE;
    r->body = gba_mem(body, (size_t)want);
    return n < want ? GBA_E_STALE : GBA_OK;
}

gba_err m2m_arrival_parse(gba_span text, size_t max, m2m_arrival *out)
{
    gba_err e = GBA_E_STALE;

    memset(out, 0, sizeof *out);
    char *copy = malloc(text.n + 1);
    if (!copy)
        return GBA_E_NOMEM;
    if (text.n)
        memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    out->text = copy;
    out->text_n = text.n;
    char *gap = strstr(copy, "\r\n\r\n");
    if (!gap) {
        e = memchr(copy, 0, text.n) ? GBA_E_SYNTAX : text.n > M2M_HEAD_MAX ? GBA_E_RANGE : GBA_E_STALE;
    } else if (gap - copy > M2M_HEAD_MAX) {
        e = GBA_E_RANGE;
    } else {
        gap[2] = 0;
        e = read_request_line(copy, out);
        if (e == GBA_OK)
            e = read_request_body(out, gap + 4, text.n - (size_t)(gap + 4 - copy), max);
        out->used = out->last ? text.n : (size_t)(gap + 4 - copy) + out->body.n;
    }
    if (e != GBA_OK)
        m2m_arrival_free(out);
    return e;
}

void m2m_arrival_free(m2m_arrival *r)
{
    if (r->text)
        gba_wipe(r->text, r->text_n);
    free(r->text);
    *r = (m2m_arrival){0};
}

/* ---- the request ---- */
static gba_err print_head(const m2m_peer *p, const char *method, const char *target, const m2m_field *f, size_t n,
                          size_t body, char *out, size_t room, size_t *len)
{
    int at = snprintf(out, room, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, p->host);

    if (!token_ok(method) || !token_ok(target) || !*target)
        return GBA_E_ARG;
    for (size_t i = 0; i < n && at > 0 && (size_t)at < room; i++) {
        if (!field_ok(f[i].name, f[i].value))
            return GBA_E_ARG;
        at += snprintf(out + at, room - (size_t)at, "%s: %s\r\n", f[i].name, f[i].value);
    }
    if (at > 0 && (size_t)at < room && (body || !strcmp(method, "POST") || !strcmp(method, "PUT")))
        at += snprintf(out + at, room - (size_t)at, "Content-Length: %zu\r\n", body);
    if (at > 0 && (size_t)at < room)
        at += snprintf(out + at, room - (size_t)at, "\r\n");
    if (at < 0 || (size_t)at >= room)
        return GBA_E_RANGE;
    *len = (size_t)at;
    return GBA_OK;
}

static gba_err read_answer(m2m_peer *p, bool head, int64_t deadline, m2m_answer *out)
{
    size_t room = p->answer_max + 16384, n = 0, got;
    uint8_t *buf = malloc(room);
    gba_err e = buf ? GBA_E_STALE : GBA_E_NOMEM;

    while (e == GBA_E_STALE) {
        got = room - n;
        if (got == 0) {
            e = GBA_E_RANGE;
            break;
        }
        gba_err r = m2m_tls_recv(p->tls, buf + n, &got, deadline);
        if (r != GBA_OK) {
            e = r;
            break;
        }
        n += got;
        e = m2m_answer_parse(gba_mem(buf, n), got == 0, head, room, out);
        if (e == GBA_OK && out->body.n > p->answer_max) {
            m2m_answer_free(out);
            e = GBA_E_RANGE;
        }
        if (e == GBA_OK && out->status < 200) { /* 100 Continue and the like were not asked for */
            m2m_answer_free(out);
            e = GBA_E_SYNTAX;
        }
    }
    if (buf)
        gba_wipe(buf, n);
    free(buf);
    return e;
}

gba_err m2m_peer_request(m2m_peer *p, const char *method, const char *target, const m2m_field *fields, size_t n,
                         gba_span body, m2m_answer *out)
{
    char head[8192];
    size_t len = 0;
    int64_t deadline = m2m_mono_ms() + p->total_ms;
    gba_err e = print_head(p, method, target, fields, n, body.n, head, sizeof head, &len);

    memset(out, 0, sizeof *out);
    if (e == GBA_OK)
        e = m2m_tls_send(p->tls, head, len, deadline);
    if (e == GBA_OK && body.n)
        e = m2m_tls_send(p->tls, body.p, body.n, deadline);
    return e == GBA_OK ? read_answer(p, !strcmp(method, "HEAD"), deadline, out) : e;
}
