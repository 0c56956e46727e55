/* SPDX-License-Identifier: Apache-2.0 */
/* test_m2m_peer.c - the HTTP answers of the small client, whole, cut and malformed. */
#define _GNU_SOURCE 1 /* RTLD_NEXT */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <stdio.h>
#include <string.h>
#include "onem2m-binding/peer.h"
#include "t_main.h"

static gba_err parse(const char *text, bool end, m2m_answer *a)
{
    return m2m_answer_parse(gba_str(text), end, false, 4096, a);
}

static void test_whole(void)
{
    m2m_answer a;

    CU_ASSERT_EQUAL(parse("HTTP/1.1 201 Created\r\nX-M2M-RSC: 2001 \r\ncontent-length: 2\r\n\r\n{}", false, &a), GBA_OK);
    CU_ASSERT_EQUAL(a.status, 201);
    CU_ASSERT_STRING_EQUAL(m2m_answer_field(&a, "x-m2m-rsc"), "2001");
    CU_ASSERT(gba_span_eq(a.body, gba_str("{}")));
    CU_ASSERT_PTR_NULL(m2m_answer_field(&a, "X-Other"));
    m2m_answer_free(&a);
    CU_ASSERT_EQUAL(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", false, &a), GBA_OK);
    CU_ASSERT(gba_span_eq(a.body, gba_str("abcde")));
    m2m_answer_free(&a);
    CU_ASSERT_EQUAL(parse("HTTP/1.0 200 OK\r\n\r\nrest", true, &a), GBA_OK);
    CU_ASSERT(gba_span_eq(a.body, gba_str("rest")));
    m2m_answer_free(&a);
    CU_ASSERT_EQUAL(parse("HTTP/1.1 204 No Content\r\n\r\n", false, &a), GBA_OK);
    m2m_answer_free(&a);
}

static void test_cut(void)
{
    static const char *const text[] = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nabc"};
    m2m_answer a;

    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < strlen(text[t]); i++) {
            CU_ASSERT_EQUAL(m2m_answer_parse(gba_mem(text[t], i), false, false, 4096, &a), GBA_E_STALE);
            CU_ASSERT_NOT_EQUAL(m2m_answer_parse(gba_mem(text[t], i), true, false, 4096, &a), GBA_OK);
            CU_ASSERT_PTR_NULL(a.text);
        }
}

static void test_bad(void)
{
    static const char *const bad[] = {
        "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 999 OK\r\n\r\n", "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "HTTP/1.1 200 OK\r\nA b: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nabcde", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \x15\r\n\r\nabcde", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\x13\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "HTTP/1.1 200 OK\r\nX: \x7f\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length\x0b: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nX,Y: 0\r\n\r\n",
    };
    m2m_answer a;
    char big[5000];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_NOT_EQUAL(parse(bad[i], true, &a), GBA_OK);
        CU_ASSERT_PTR_NULL(a.text);
    }
    memset(big, 'a', sizeof big);
    CU_ASSERT_EQUAL(m2m_answer_parse(GBA_SPAN(big), false, false, 4096, &a), GBA_E_RANGE);
    CU_ASSERT_NOT_EQUAL(m2m_answer_parse(gba_mem("HTTP/1.1 200 OK\r\nA\0: x\r\n\r\n", 26), true, false, 4096, &a), GBA_OK);
}

static void test_arguments(void)
{
    m2m_peer_config c = {.host = "127.0.0.1", .port = 1, .sni = "x.example.com"};
    m2m_peer *p;
    char why[128];
    gba_secret k = {.n = 32};

    CU_ASSERT_EQUAL(m2m_peer_open(&c, &p, why, sizeof why), GBA_E_ARG); /* no credential */
    c.psk = &k;
    CU_ASSERT_EQUAL(m2m_peer_open(&c, &p, why, sizeof why), GBA_E_ARG); /* no identity */
    c.psk_identity = gba_str("id@x.example.com");
    CU_ASSERT_EQUAL(m2m_peer_open(&c, &p, why, sizeof why), GBA_E_IO); /* nobody listens there */
    CU_ASSERT_PTR_NULL(p);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "127.0.0.1"));
}

/* ---- requests that come to us ---- */
static gba_err arrive(const char *text, m2m_arrival *r)
{
    return m2m_arrival_parse(gba_str(text), 1000, r);
}

static void test_arrivals(void)
{
    static const char whole[] = "POST /told HTTP/1.1\r\nHost: x\r\nX-M2M-RI:  r1 \r\nContent-Length: 3\r\n\r\nabcGET";
    m2m_arrival r;
    CU_ASSERT_EQUAL_FATAL(arrive(whole, &r), GBA_OK);
    CU_ASSERT(!strcmp(r.method, "POST") && !strcmp(r.target, "/told") && !r.last && gba_span_eq(r.body, gba_str("abc")));
    CU_ASSERT(!strcmp(m2m_arrival_field(&r, "x-m2m-ri"), "r1") && r.used == strlen(whole) - 3);
    m2m_arrival_free(&r);
    for (size_t n = 0; n < strlen(whole) - 3; n++)
        CU_ASSERT(m2m_arrival_parse(gba_mem(whole, n), 1000, &r) == GBA_E_STALE && !r.text);
    CU_ASSERT(arrive("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &r) == GBA_OK && r.last && r.body.n == 0);
    m2m_arrival_free(&r);
    CU_ASSERT(arrive("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", &r) == GBA_OK && r.last &&
              gba_span_eq(r.body, gba_str("abc")));
    m2m_arrival_free(&r);
    static const char *const bad[] = {
        "\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2\r\n\r\n", " / HTTP/1.1\r\nHost: x\r\n\r\n", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT(arrive(bad[i], &r) == GBA_E_SYNTAX && !r.text);
    CU_ASSERT_EQUAL(arrive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", &r), GBA_E_RANGE);
    char big[M2M_HEAD_MAX + 10];
    memset(big, 'a', sizeof big);
    CU_ASSERT_EQUAL(m2m_arrival_parse(gba_mem(big, sizeof big), 1000, &r), GBA_E_RANGE);
}

/* ---- names ---- */
typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static atomic_uint looked_up, given_up;
static uint16_t full_port; /* of an address that takes no more connections */

/* In libc's place: "slow.test" is not known, which takes a second; "two.test" has two addresses, the first dead. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    resolver *real = (resolver *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    char port[8];
    struct addrinfo *second;
    atomic_fetch_add(&looked_up, 1);
    if (!host || (hints && hints->ai_flags & AI_NUMERICHOST))
        return real(host, service, hints, list);
    if (!strcmp(host, "slow.test")) {
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        atomic_fetch_add(&given_up, 1);
        return EAI_AGAIN;
    }
    if (strcmp(host, "two.test") != 0)
        return real(host, service, hints, list);
    snprintf(port, sizeof port, "%u", full_port);
    if (real("127.0.0.1", port, hints, list) || real("127.0.0.1", service, hints, &second))
        return EAI_FAIL;
    (*list)->ai_next = second;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int listen_at(int backlog, uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, backlog) == 0 &&
                    getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static m2m_peer_config config_of(const char *host, uint16_t port, unsigned connect_ms)
{
    static const gba_secret key = {.n = 16};
    return (m2m_peer_config){.host = host, .port = port, .sni = "x.example.com", .psk_identity = gba_str("id@x.example.com"),
                             .psk = &key, .connect_ms = connect_ms, .total_ms = 300};
}

/* Resolving a name is no longer waited for than anything else. */
static void test_slow_name(void)
{
    char why[256];
    m2m_peer *p;
    m2m_peer_config c = config_of("slow.test", 1, 200);
    int64_t begun = now_ms();

    CU_ASSERT_EQUAL(m2m_peer_open(&c, &p, why, sizeof why), GBA_E_BUSY);
    CU_ASSERT(now_ms() - begun < 800);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "slow.test"));
    c = config_of("localhost", 1, 2000);
    CU_ASSERT_EQUAL(m2m_peer_open(&c, &p, why, sizeof why), GBA_E_IO); /* resolved, nobody listens */
    CU_ASSERT(atomic_load(&looked_up) > 0);
    while (!atomic_load(&given_up))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* and the thread has ended */
}

/* A dead address leaves the next one some time. */
static void test_dead_address(void)
{
    char why[256];
    m2m_peer *p;
    uint16_t port;
    int filler[8], good = listen_at(8, &port), full = listen_at(0, &full_port);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(full_port)};

    for (size_t i = 0; i < 8; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(filler[i], (struct sockaddr *)&a, sizeof a);
    }
    m2m_peer_config c = config_of("two.test", port, 1000);
    CU_ASSERT_EQUAL(m2m_peer_open(&c, &p, why, sizeof why), GBA_E_BUSY); /* of the handshake: it was connected */
    fcntl(good, F_SETFL, O_NONBLOCK);
    int fd = accept(good, NULL, NULL);
    CU_ASSERT(fd >= 0);
    if (fd >= 0)
        close(fd);
    for (size_t i = 0; i < 8; i++)
        close(filler[i]);
    close(full);
    close(good);
}

T_MAIN("oneM2M peer", {"whole answers", test_whole}, {"cut answers", test_cut}, {"bad answers", test_bad},
       {"arguments", test_arguments},
       {"requests that come", test_arrivals}, {"a name that is slow to resolve", test_slow_name},
       {"a dead address before a live one", test_dead_address})
