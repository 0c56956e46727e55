/* SPDX-License-Identifier: Apache-2.0 */
/* test_carrier_gnutls.c - answers taken apart, hostile ones refused; exchanges over a socket; ServerHello and hint. */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/t_main.h"
#include "ue/http_answer.h"
#include "ue/link.h"

#define ROOM 1024

static gba_err take(ue_http *h, const char *text, bool head)
{
    size_t used, n = strlen(text);
    gba_err e = GBA_OK;
    ue_http_begin(h, head, ROOM);
    for (size_t i = 0; i < n && !e && h->state != UE_HTTP_DONE; i++)
        e = ue_http_feed(h, text + i, 1, &used);
    return e ? e : ue_http_end(h);
}

static void good_answers(void)
{
    static const struct {
        const char *text;
        bool head, keep;
        int status;
        const char *body;
    } t[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, true, 200, "hello"},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, true, 200, ""},
        {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false, true, 200, "ok"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", false, true, 200, "ok"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n03;x=y\r\nllo\r\n0\r\nT: u\r\n\r\n", false, true, 200, "hello"},
        {"HTTP/1.0 404 no\r\n\r\nto the end", false, false, 404, "to the end"},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1", false, false, 200, "1"},
        {"HTTP/1.1 100 Go on\r\nX: y\r\n\r\nHTTP/1.1 204 none\r\n\r\n", false, true, 204, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", true, true, 200, ""},
    };
    ue_http h = {0};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        CU_ASSERT_EQUAL(take(&h, t[i].text, t[i].head), GBA_OK);
        CU_ASSERT_EQUAL(h.status, t[i].status);
        CU_ASSERT_EQUAL(h.keep_alive, t[i].keep);
        CU_ASSERT_TRUE(gba_span_eq(gba_mem(h.body, h.body_n), gba_str(t[i].body)));
    }
    CU_ASSERT_EQUAL(take(&h, "HTTP/1.1 200 OK\r\nServer:  a b \t\r\nContent-Length: 0\r\n\r\n", false), GBA_OK);
    CU_ASSERT_TRUE(h.n_fields == 2 && gba_span_eq(h.fields[0].value, gba_str("a b")));
    ue_http_free(&h);
}

static void bad_answers(void)
{
    static const struct {
        gba_err e;
        const char *text;
    } t[] = {
        {GBA_E_IO, ""},
        {GBA_E_IO, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"},
        {GBA_E_IO, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"},
        {GBA_E_IO, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"},
        {GBA_E_SYNTAX, "SSH-2.0-OpenSSH\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/2 200 OK\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 20 OK\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 2000 OK\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 101 Switching\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokmore\r\n"},
        {GBA_E_RANGE, "HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n"},
        {GBA_E_SYNTAX, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"},
        {GBA_E_RANGE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n"},
        {GBA_E_RANGE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"},
    };
    ue_http h = {0};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        CU_ASSERT_EQUAL(take(&h, t[i].text, false), t[i].e);
        CU_ASSERT_PTR_NOT_NULL(h.why);
    }
    ue_http_free(&h);
}

/* `head` once, then `again` without end: it must break off. */
static gba_err endless(ue_http *h, const char *head, const char *again)
{
    size_t used;
    ue_http_begin(h, false, ROOM);
    gba_err e = ue_http_feed(h, head, strlen(head), &used);
    for (size_t i = 0; i < 1000000 && !e && h->state != UE_HTTP_DONE; i++)
        e = ue_http_feed(h, again, strlen(again), &used);
    return e;
}

static void endless_answers(void)
{
    ue_http h = {0};
    CU_ASSERT_EQUAL(endless(&h, "HTTP/1.1 200 OK\r\n", "A: b\r\n"), GBA_E_RANGE);
    CU_ASSERT_EQUAL(endless(&h, "HTTP/1.1 200 OK\r\nA: ", "bbbbbbbb"), GBA_E_RANGE);
    CU_ASSERT_TRUE(h.head_n <= UE_HEADER_MAX);
    CU_ASSERT_EQUAL(endless(&h, "", "HTTP/1.1 100 Continue\r\n\r\n"), GBA_E_RANGE);
    CU_ASSERT_EQUAL(endless(&h, "HTTP/1.1 200 OK\r\n\r\n", "body"), GBA_E_RANGE);
    CU_ASSERT_EQUAL(endless(&h, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), GBA_E_RANGE);
    CU_ASSERT_EQUAL(endless(&h, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1", ";ext"), GBA_E_RANGE);
    CU_ASSERT_EQUAL(endless(&h, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "T: u\r\n"), GBA_E_RANGE);
    ue_http_free(&h);
}

/* ---- over a socket ---- */

typedef struct server {
    int fd;
    const char *const *answers; /* one a request; NULL ends; "" closes the connection */
    unsigned connections, requests;
    char last[4096];
    pthread_t thread;
} server;

static void *serve(void *arg)
{
    server *s = arg;
    size_t next = 0;
    int fd = -1;
    while (s->answers[next]) {
        if (fd < 0 && (fd = accept(s->fd, NULL, NULL)) >= 0)
            s->connections++;
        size_t n = 0;
        ssize_t k;
        while ((k = read(fd, s->last + n, sizeof s->last - 1 - n)) > 0) {
            n += (size_t)k;
            s->last[n] = '\0';
            if (strstr(s->last, strncmp(s->last, "POST", 4) == 0 ? "\r\n\r\ndata" : "\r\n\r\n"))
                break;
        }
        if (k <= 0) { /* the client went: it comes again */
            close(fd);
            fd = -1;
            continue;
        }
        s->requests++;
        const char *a = s->answers[next++];
        if (*a && write(fd, a, strlen(a)) != (ssize_t)strlen(a))
            return NULL;
        if (!*a || strstr(a, "close")) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static unsigned start(server *s, const char *const *answers)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    memset(s, 0, sizeof *s);
    s->answers = answers;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(s->fd, (struct sockaddr *)&at, len) || listen(s->fd, 8), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, serve, s), 0);
    return ntohs(at.sin_port);
}

static void exchanges(void)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo", "",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthree", "nonsense\r\n\r\nclose", NULL};
    server s;
    char url[64], entry[64];
    gba_ue_answer a;
    gba_ue_carrier c;
    unsigned port = start(&s, answers);
    snprintf(url, sizeof url, "http://naf.example.test:%u/x?y", port);
    snprintf(entry, sizeof entry, "NAF.example.test:%u:127.0.0.1", port);
    const char *const list[] = {"other:1:127.0.0.2", entry, NULL};
    const gba_ue_carrier_config cfg = {.resolve = list, .timeout_s = 20};
    CU_ASSERT_EQUAL_FATAL(gba_ue_carrier_gnutls(&cfg, &c), GBA_OK);
    const gba_ue_field f = {gba_str("X-A"), gba_str("b")}, evil = {gba_str("X-A"), gba_str("b\r\nX: y")};
    gba_ue_request r = {.method = "POST", .url = url, .fields = &f, .n_fields = 1, .body = gba_str("data")};
    CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_OK);
    CU_ASSERT_TRUE(a.status == 200 && a.transport == GBA_PLAIN && gba_span_eq(a.body, gba_str("one")));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.last, "POST /x?y HTTP/1.1\r\nHost: naf.example.test:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.last, "\r\nX-A: b\r\nContent-Length: 4\r\n\r\ndata"));
    r.body = gba_mem(NULL, 0);
    r.method = "GET";
    CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(a.body, gba_str("two")));
    CU_ASSERT_EQUAL(s.connections, 1); /* kept */
    CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_OK); /* closed under us: opened anew, once */
    CU_ASSERT_TRUE(gba_span_eq(a.body, gba_str("three")));
    CU_ASSERT_EQUAL(s.connections, 2);
    CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_E_SYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.ops->text(c.self), "no HTTP/1.1 answer"));
    r.fields = &evil;
    CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_E_ARG); /* no field within a field */
    gba_ue_carrier_free(&c);
    pthread_join(s.thread, NULL);
    close(s.fd);
}

/* A server that takes the connection and says nothing: the deadline holds. */
static void silence(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char url[64], text[GBA_UE_TEXT];
    gba_ue_answer a;
    gba_ue_carrier c;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, len) || listen(fd, 8) ||
                              getsockname(fd, (struct sockaddr *)&at, &len), 0);
    const gba_ue_carrier_config cfg = {.connect = "127.0.0.1", .timeout_s = 1};
    CU_ASSERT_EQUAL_FATAL(gba_ue_carrier_gnutls(&cfg, &c), GBA_OK);
    for (int tls = 0; tls < 2; tls++) {
        snprintf(url, sizeof url, "http%s://naf.example.test:%u/", tls ? "s" : "", ntohs(at.sin_port));
        const gba_ue_request r = {.method = "GET", .url = url};
        int64_t t = ue_clock();
        CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_E_IO);
        CU_ASSERT_TRUE(ue_clock() - t < 8000);
    }
    gba_ue_carrier_free(&c);
    close(fd);
    /* a port that is ours and that nobody listens on */
    at.sin_port = 0;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len), 0);
    ue_link *l;
    const ue_link_config gone = {.host = "127.0.0.1", .port = ntohs(at.sin_port)};
    CU_ASSERT_EQUAL(ue_link_open(&gone, ue_clock() + 5000, &l, text), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "refused"));
    close(fd);
}

/* ---- names ---- */
#define SLOW_MS 3000
static atomic_uint asked, gave_up;

/* In libc's place: a DNS server that is silent about "slow.test". */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    resolver *real = (resolver *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || strcmp(host, "slow.test") != 0 || (hints && hints->ai_flags & AI_NUMERICHOST))
        return real(host, service, hints, list);
    atomic_fetch_add(&asked, 1);
    nanosleep(&(struct timespec){.tv_sec = SLOW_MS / 1000}, NULL);
    atomic_fetch_add(&gave_up, 1);
    return EAI_AGAIN;
}

/* D4: a bare IPv6 address has no port, whatever its last group looks like; with either carrier. */
static void connect_to_ipv6(void)
{
    static const char *const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nv6";
    static const char *const answers[] = {ok, ok, ok, ok, ok, ok, NULL};
    gba_err (*const make[])(const gba_ue_carrier_config *, gba_ue_carrier *) = {gba_ue_carrier_gnutls,
                                                                               gba_ue_carrier_curl};
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof at;
    char url[64], with_port[32];
    server s = {.answers = answers, .fd = socket(AF_INET6, SOCK_STREAM, 0)};
    if (s.fd < 0 || bind(s.fd, (struct sockaddr *)&at, len)) {
        printf("no IPv6 here: skipped ");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(listen(s.fd, 8) || getsockname(s.fd, (struct sockaddr *)&at, &len), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&s.thread, NULL, serve, &s), 0);
    snprintf(url, sizeof url, "http://naf.example.test:%u/", ntohs(at.sin6_port));
    snprintf(with_port, sizeof with_port, "[::1]:%u", ntohs(at.sin6_port));
    const char *const to[] = {"::1", "[::1]", with_port};
    unsigned asked_for = 0;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 3; k++) {
            const gba_ue_carrier_config cfg = {.connect = to[k], .timeout_s = 20};
            const gba_ue_request r = {.method = "GET", .url = url};
            gba_ue_carrier c;
            gba_ue_answer a;
            gba_err e = make[i](&cfg, &c);
            if (e == GBA_E_UNSUPPORTED)
                continue;
            CU_ASSERT_EQUAL_FATAL(e, GBA_OK);
            CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_OK);
            asked_for++;
            gba_ue_carrier_free(&c);
        }
    CU_ASSERT_EQUAL(s.connections, asked_for);
    for (size_t i = 0; i < 2; i++) {
        const gba_ue_carrier_config cfg = {.connect = "[::1"};
        gba_ue_carrier c;
        memset(&c, 0xa5, sizeof c);
        gba_err e = make[i](&cfg, &c);
        CU_ASSERT(e == GBA_E_ARG || e == GBA_E_UNSUPPORTED);
        CU_ASSERT(!c.ops && !c.self);
    }
    shutdown(s.fd, SHUT_RDWR); /* those that a build without libcurl leaves */
    if (asked_for < 6)
        pthread_cancel(s.thread);
    pthread_join(s.thread, NULL);
    close(s.fd);
}

/* C13: resolving is no longer waited for than anything else, with either carrier. */
static void slow_name(void)
{
    gba_err (*const make[])(const gba_ue_carrier_config *, gba_ue_carrier *) = {gba_ue_carrier_gnutls,
                                                                               gba_ue_carrier_curl};
    for (size_t i = 0; i < 2; i++)
        for (int left = 0; left < 2; left++) {
            const gba_ue_carrier_config cfg = {.timeout_s = left ? 30 : 1};
            gba_ue_request r = {.method = "GET", .url = "http://slow.test:1/", .timeout_ms = left ? 500 : 0};
            gba_ue_answer a;
            gba_ue_carrier c;
            gba_err e = make[i](&cfg, &c);
            if (e == GBA_E_UNSUPPORTED)
                continue;
            CU_ASSERT_EQUAL_FATAL(e, GBA_OK);
            int64_t t = ue_clock();
            CU_ASSERT_EQUAL(c.ops->exchange(c.self, &r, &a), GBA_E_IO);
            CU_ASSERT_TRUE(ue_clock() - t < SLOW_MS - 1000);
            CU_ASSERT_PTR_NOT_NULL(strstr(c.ops->text(c.self), "slow.test"));
            gba_ue_carrier_free(&c);
            CU_ASSERT_TRUE(ue_clock() - t < SLOW_MS - 500);
        }
    while (atomic_load(&gave_up) < atomic_load(&asked))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* and the threads have ended */
}

/* ---- TLS facts ---- */

static void server_hellos(void)
{
    uint8_t m[64] = {3, 3};
    gba_transport t = GBA_PLAIN;
    uint16_t suite = 0;
    m[35] = 0xcc;
    m[36] = 0xac;
    CU_ASSERT_EQUAL(ue_server_hello(gba_mem(m, 38), &t, &suite), GBA_OK); /* no extensions */
    CU_ASSERT_TRUE(t == GBA_TLS12 && suite == 0xccac);
    static const uint8_t versions[] = {0, 6, 0, 43, 0, 2, 3, 4};
    memcpy(m + 38, versions, sizeof versions);
    CU_ASSERT_EQUAL(ue_server_hello(gba_mem(m, 46), &t, &suite), GBA_OK);
    CU_ASSERT_EQUAL(t, GBA_TLS13);
    CU_ASSERT_EQUAL(ue_server_hello(gba_mem(m, 45), &t, &suite), GBA_E_SYNTAX);
    for (size_t n = 0; n < 38; n++)
        CU_ASSERT_EQUAL(ue_server_hello(gba_mem(m, n), &t, &suite), GBA_E_SYNTAX);
    m[34] = 33; /* a session-id longer than there are */
    CU_ASSERT_EQUAL(ue_server_hello(gba_mem(m, 64), &t, &suite), GBA_E_SYNTAX);
}

static void hints(void)
{
    static const char *const ours[] = {"3GPP-bootstrapping", "3GPP-bootstrapping-uicc;3GPP-bootstrapping",
                                       "x; 3GPP-bootstrapping ;y"};
    static const char *const others[] = {"", ";", "3GPP-bootstrapping-uicc", "3GPP-AKMA", "3gpp-bootstrapping",
                                         "3GPP-bootstrappin"};
    CU_ASSERT_FALSE(ue_hint_is_gba(NULL));
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        CU_ASSERT_TRUE(ue_hint_is_gba(ours[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CU_ASSERT_FALSE(ue_hint_is_gba(others[i]));
}

T_MAIN("carrier_gnutls", {"good answers", good_answers}, {"bad answers", bad_answers},
       {"endless answers", endless_answers}, {"exchanges", exchanges}, {"silence", silence},
       {"a name that is slow to resolve", slow_name},
       {"an IPv6 address to connect to", connect_to_ipv6},
       {"ServerHello", server_hellos}, {"hints", hints})
