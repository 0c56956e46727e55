/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over real sockets: what a handler sees, and what never reaches one. */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdatomic.h>
#include "service/daemon.h"
#include "service/http.h"
#include "service/log.h"
#include "service/metrics.h"
#include "service/http_internal.h"
#include "tests/heap.h"
#include "tests/service_net.h"

static http_server *server;
static uint16_t port;
static atomic_int handled;
static char got[1 << 20];

/* ---- a handler that shows what it got; /later answers from another thread ---- */
static void *answer_later(void *ctx)
{
    http_req *r = ctx;
    usleep(20000);
    http_reply(r, 202, NULL, 0, gba_str("later"));
    return NULL;
}

static void spawn(void *(*fn)(void *), void *ctx)
{
    pthread_t t;
    if (pthread_create(&t, NULL, fn, ctx))
        abort();
    pthread_detach(t);
}

static void *answer_at_once(void *ctx)
{
    http_reply(ctx, 203, NULL, 0, gba_str("raced"));
    return NULL;
}

static http_req *_Atomic kept;

static void on_request(http_req *r, void *ctx)
{
    static const http_field fields[] = {{"X-Test", "yes"}, {"X-Bad", "a\r\nb: c"}, {"Content-Length", "5"}};
    char text[4096];
    const char *auth = http_header(r, "authorization");
    CU_ASSERT_PTR_EQUAL(ctx, &server);
    handled++;
    if (!strcmp(http_target(r), "/later")) {
        spawn(answer_later, r);
        return;
    }
    if (!strcmp(http_target(r), "/race")) {
        spawn(answer_at_once, r);
        sched_yield();
        return;
    }
    if (!strcmp(http_target(r), "/never")) {
        kept = r;
        return;
    }
    if (!strcmp(http_target(r), "/hold")) { /* as a worker does that has not let go yet */
        http_req_ref(r);
        kept = r;
    }
    if (!strcmp(http_target(r), "/problem")) {
        http_problem(r, 403, "No \"way\"", "line\nbreak", NULL);
        return;
    }
    snprintf(text, sizeof text, "%s %s auth=%s hosts=%zu auths=%zu body=%zu:%.*s", http_method(r), http_target(r),
             auth ? auth : "none", http_header_n(r, "Host"), http_header_n(r, "AUTHORIZATION"), http_body(r).n,
             (int)(http_body(r).n < 64 ? http_body(r).n : 64), (const char *)http_body(r).p);
    http_reply(r, 200, fields, strncmp(http_target(r), "/a", 2) ? 1 : 3, gba_str(text));
}

static void start(const http_config *with)
{
    http_config c = *with;
    char why[256] = "";
    c.address = c.address ? c.address : "127.0.0.1";
    c.name = c.name ? c.name : "test";
    c.handler = c.handler ? c.handler : on_request;
    c.ctx = &server;
    c.threads = c.threads ? c.threads : 2;
    gba_err e = http_server_start(&c, &server, why, sizeof why);
    if (e != GBA_OK)
        printf("%s\n", why);
    CU_ASSERT_EQUAL_FATAL(e, GBA_OK);
    port = http_server_port(server);
}

static void stop(void)
{
    http_server_stop(&server, 2000);
    CU_ASSERT_PTR_NULL(server);
}

static const char *ask(const char *text)
{
    int fd = net_connect(port);
    net_send(fd, text, strlen(text));
    net_read(fd, got, sizeof got, 300);
    close(fd);
    return got;
}

static int64_t metric_of(const char *name, const char *labels)
{
    return metric_value(metric_counter(name, labels, NULL));
}

static int64_t rejected(const char *why)
{
    char labels[80];
    snprintf(labels, sizeof labels, "listener=\"test\",reason=\"%s\"", why);
    return metric_of("http_rejected_total", labels);
}

static void test_basic(void)
{
    start(&(http_config){0});
    const char *a = ask("GET /a%20b?c=%41 HTTP/1.1\r\nHost: x\r\nAuthorization: Digest x\r\nAuthorization: y\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "HTTP/1.1 200 OK\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "GET /a%20b?c=%41 auth=Digest x hosts=1 auths=2 body=0:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "X-Test: yes\r\n"));
    CU_ASSERT_PTR_NULL(strstr(a, "X-Bad"));
    CU_ASSERT_EQUAL(net_count(a, "Content-Length:"), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "Date: "));
    a = ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "POST / auth=none hosts=1 auths=0 body=5:hello"));
    a = ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "body=5:abcde"));
    a = ask("GET /problem HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "HTTP/1.1 403"));
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "Content-Type: application/problem+json\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "{\"title\":\"No \\\"way\\\"\",\"status\":403,\"detail\":\"line\\u000abreak\"}"));
    stop();
}

static void test_pipelined(void)
{
    start(&(http_config){0});
    const char *a = ask("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
                        "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /4 HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_EQUAL(net_count(a, "HTTP/1.1 20"), 4);
    const char *one = strstr(a, "GET /1"), *two = strstr(a, "body=2:hi"), *three = strstr(a, "later"),
               *four = strstr(a, "GET /4");
    CU_ASSERT(one && two && three && four && one < two && two < three && three < four);
    stop();
}

static void *racer(void *ctx)
{
    char b[65536];
    atomic_int *ok = ctx;
    int fd = net_connect(port);
    for (int i = 0; i < 200; i++) {
        const char *q = i % 3 == 1 ? "GET /race HTTP/1.1\r\nHost: x\r\n\r\n" : "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        size_t n = 0;
        net_send(fd, q, strlen(q));
        do {
            ssize_t r = recv(fd, b + n, sizeof b - n - 1, 0);
            if (r <= 0)
                break;
            n += (size_t)r;
            b[n] = 0;
        } while (!strstr(b, "\r\n\r\n") || !(strstr(b, "raced") || strstr(b, "body=0:")));
        if (strstr(b, i % 3 == 1 ? "203" : "200"))
            ++*ok;
    }
    close(fd);
    return NULL;
}

static void test_race(void)
{
    pthread_t t[6];
    atomic_int ok = 0;
    start(&(http_config){0});
    for (int i = 0; i < 6; i++)
        pthread_create(&t[i], NULL, racer, &ok);
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(ok, 1200);
    stop();
}

static char *filled(const char *before, size_t n, const char *after)
{
    size_t b = strlen(before), a = strlen(after);
    char *s = malloc(b + n + a + 1);
    memcpy(s, before, b);
    memset(s + b, 'a', n);
    memcpy(s + b + n, after, a + 1);
    return s;
}

/* libmicrohttpd 1.0 refuses some framing alone, which then counts as malformed. */
static int64_t refusals(const char *reason)
{
    return rejected(reason) + (strcmp(reason, "framing") == 0 ? rejected("malformed") : 0);
}

static void test_limits(void)
{
    static const struct {
        const char *before, *after, *status, *reason;
        size_t n;
    } rows[] = {
        {"GET /", " HTTP/1.1\r\nHost: x\r\n\r\n", "414", "uri_long", 9000},
        {"GET / HTTP/1.1\r\nHost: x\r\nX: ", "\r\n\r\n", "431", "header_large", 16400},
        {"GET /", " HTTP/1.1\r\nHost: x\r\n\r\n", "414", "no_request", 100000},
        {"GET / HTTP/1.1\r\nHost: x\r\nX: ", "\r\n\r\n", "431", "malformed", 100000},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n", "", "413", "body_large", 70000},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n", "\r\n0\r\n\r\n", "413", "body_large", 70000},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n", "", "400", "framing", 7},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n", "", "400", "framing", 7},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "", "400", "framing", 7},
    };
    start(&(http_config){0});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *q = filled(rows[i].before, rows[i].n, rows[i].after), line[32];
        int before = handled;
        int64_t count = refusals(rows[i].reason);
        int fd = net_connect(port);
        net_send(fd, q, strlen(q));
        net_read(fd, got, sizeof got, 500);
        snprintf(line, sizeof line, "HTTP/1.1 %s ", rows[i].status);
        if (strncmp(got, line, strlen(line)))
            printf("\n  row %zu wanted %s, got %.80s", i, line, got);
        CU_ASSERT_EQUAL(strncmp(got, line, strlen(line)), 0);
        CU_ASSERT(net_closed(fd, 1000));
        close(fd);
        for (int w = 0; w < 50 && refusals(rows[i].reason) == count; w++)
            usleep(10000);
        if (refusals(rows[i].reason) != count + 1)
            printf("\n  row %zu: %s is %d more", i, rows[i].reason, (int)(refusals(rows[i].reason) - count));
        CU_ASSERT_EQUAL(refusals(rows[i].reason), count + 1);
        CU_ASSERT_EQUAL(handled, before);
        free(q);
    }
    char *q = filled("GET /", 8000, " HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(ask(q), "HTTP/1.1 200 "));
    free(q);
    q = filled("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n", 65536, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(ask(q), "body=65536:aaa"));
    free(q);
    stop();
}

static void test_malformed(void)
{
    static const char *const rows[] = {
        "\r\n\r\n\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "AVERYVERYLONGMETHODINDEEDTHATNOBODYUSES / HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    int before = handled;
    start(&(http_config){0});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *a = ask(rows[i]);
        if (*a && strncmp(a, "HTTP/1.1 4", 10) && strncmp(a, "HTTP/1.1 5", 10))
            printf("\n  row %zu: %.60s", i, a);
        CU_ASSERT(!*a || !strncmp(a, "HTTP/1.1 4", 10) || !strncmp(a, "HTTP/1.1 5", 10));
    }
    CU_ASSERT_EQUAL(handled, before);
    srand(1);
    for (int i = 0; i < 300; i++) { /* a good request with octets changed */
        char q[] = "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for (int j = 0; j < 3; j++)
            q[(size_t)rand() % (sizeof q - 1)] = (char)rand();
        int fd = net_connect(port);
        net_send(fd, q, sizeof q - 1);
        shutdown(fd, SHUT_WR);
        net_read(fd, got, sizeof got, 200);
        close(fd);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "200 OK"));
    stop();
}

static void trickle(int fd, const char *s, int64_t *ended)
{
    char b[512];
    for (; *s; s++) {
        net_send(fd, s, 1);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 100) == 1 && recv(fd, b, sizeof b, 0) <= 0)
            break;
    }
    *ended = service_mono_ms();
}

static void test_slow(void)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nX-Pad: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
    start(&(http_config){.idle_s = 1});
    int64_t before = rejected("timeout"), t0 = service_mono_ms(), t1;
    int fd = net_connect(port); /* header by single octets */
    trickle(fd, text, &t1);
    CU_ASSERT(t1 - t0 >= 900 && t1 - t0 < 2000);
    close(fd);
    fd = net_connect(port); /* body by single octets */
    t0 = service_mono_ms();
    net_send(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70\r\n\r\n", 48);
    trickle(fd, text, &t1);
    CU_ASSERT(t1 - t0 >= 900 && t1 - t0 < 2000);
    close(fd);
    fd = net_connect(port); /* the second request of a connection */
    net_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    net_read(fd, got, sizeof got, 100);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "200 OK"));
    t0 = service_mono_ms();
    trickle(fd, text, &t1);
    CU_ASSERT(t1 - t0 < 3000);
    close(fd);
    for (int i = 0; i < 500 && rejected("timeout") < before + 3; i++) /* counted behind the end that the client sees */
        usleep(10000);
    CU_ASSERT_EQUAL(rejected("timeout"), before + 3);
    fd = net_connect(port); /* silence */
    t0 = service_mono_ms();
    CU_ASSERT(net_closed(fd, 4000));
    CU_ASSERT(service_mono_ms() - t0 < 3000);
    close(fd);
    stop();
}

static void test_per_ip(void)
{
    int64_t before = rejected("per_source");
    start(&(http_config){.per_ip = 2, .threads = 1});
    int a = net_connect(port), b = net_connect(port);
    usleep(50000);
    int c = net_connect(port);
    CU_ASSERT(net_closed(c, 1000));
    CU_ASSERT_EQUAL(rejected("per_source"), before + 1);
    close(a);
    close(b);
    close(c);
    stop();
}

/* Exempt ranges are not counted, a reload changes limit and ranges. */
static void test_per_ip_exempt(void)
{
    http_cidr loopback[2];
    CU_ASSERT_EQUAL(http_cidr_parse("192.0.2.0/24", &loopback[0]), GBA_OK);
    CU_ASSERT_EQUAL(http_cidr_parse("127.0.0.0/8", &loopback[1]), GBA_OK);
    start(&(http_config){.per_ip = 2, .exempt = loopback, .n_exempt = 2, .threads = 1});
    int fd[8], n = 0;
    while (n < 6)
        fd[n++] = net_connect(port);
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "200 OK"));
    http_server_per_ip(server, 1, loopback, 1); /* those that are open stay, and were not counted */
    fd[n++] = net_connect(port);
    usleep(50000);
    fd[n++] = net_connect(port);
    CU_ASSERT(net_closed(fd[n - 1], 1000));
    net_send(fd[0], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    net_read(fd[0], got, sizeof got, 300);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "200 OK"));
    http_server_per_ip(server, 0, NULL, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "200 OK"));
    while (n)
        close(fd[--n]);
    stop();
}

static void test_drain(void)
{
    start(&(http_config){0});
    int idle = net_connect(port), busy = net_connect(port);
    net_send(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    net_read(idle, got, sizeof got, 100);
    net_send(busy, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    for (int i = 0; i < 1000 && !http_any_busy(); i++)
        usleep(1000);
    http_server_drain(server);
    CU_ASSERT_EQUAL(net_connect(port), -1);
    net_read(busy, got, sizeof got, 500);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "202"));
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "Connection: close"));
    CU_ASSERT(net_closed(idle, 1000));
    close(idle);
    close(busy);
    int64_t t0 = service_mono_ms();
    stop();
    CU_ASSERT(service_mono_ms() - t0 < 1000);
}

/* A request nobody answers: the server stops all the same, and the late answer harms nobody. */
static void test_abandoned(void)
{
    start(&(http_config){0});
    kept = NULL;
    int fd = net_connect(port);
    net_send(fd, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    while (!kept)
        usleep(1000);
    http_server_stop(&server, 100);
    CU_ASSERT(net_closed(fd, 1000));
    close(fd);
    http_reply(kept, 200, NULL, 0, gba_str("late"));
}

static void test_gone_before_answer(void)
{
    start(&(http_config){0});
    for (int i = 0; i < 50; i++) {
        int fd = net_connect(port);
        net_send(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n", 32);
        usleep(200);
        close(fd);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "200 OK"));
    stop();
}

/* The next request of a connection whose last one is still held needs memory; without it the connection ends, no more. */
static void test_no_memory(void)
{
    start(&(http_config){.threads = 1});
    for (int stops = 0; stops < 2; stops++) {
        kept = NULL;
        int fd = net_connect(port);
        net_send(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n", 31);
        net_read(fd, got, sizeof got, 300);
        CU_ASSERT_PTR_NOT_NULL(strstr(got, "200 OK"));
        heap_fail(0, sizeof(http_req), 1);
        net_send(fd, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", 28);
        if (!stops)
            net_read(fd, got, sizeof got, 1000);
        usleep(50000);
        CU_ASSERT_EQUAL(heap_failed(), 1);
        heap_fail(-1, 0, 0);
        if (stops)
            http_server_drain(server); /* looks at each connection */
        http_req_unref(kept);
        close(fd);
        if (!stops)
            CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET /b HTTP/1.1\r\nHost: x\r\n\r\n"), "200 OK"));
    }
    stop();
}

static void test_start_fails(void)
{
    http_server *s;
    char why[256], want[128];
    start(&(http_config){0});
    http_config c = {.name = "two", .address = "127.0.0.1", .port = port, .handler = on_request};
    CU_ASSERT_EQUAL(http_server_start(&c, &s, why, sizeof why), GBA_E_IO);
    snprintf(want, sizeof want, "two: cannot listen on 127.0.0.1 port %u: Address already in use", port);
    CU_ASSERT_STRING_EQUAL(why, want);
    c.address = "nonsense";
    CU_ASSERT_EQUAL(http_server_start(&c, &s, why, sizeof why), GBA_E_ARG);
    stop();
}

/* ---- streaming ---- */
static atomic_int broken_reads, broken_writes;
static void on_stream(http_req *r, void *ctx)
{
    char b[5000];
    ssize_t n;
    (void)ctx;
    if (!strcmp(http_target(r), "/refuse")) {
        http_reply(r, 401, NULL, 0, gba_str("no"));
        return;
    }
    if (!strcmp(http_target(r), "/skip")) {
        http_body_skip(r);
        http_reply(r, 401, NULL, 0, gba_str("no"));
        return;
    }
    if (!strcmp(http_target(r), "/within")) {
        http_body_within(r, 200);
        while ((n = http_body_read(r, b, sizeof b)) > 0)
            ;
        broken_reads += n < 0;
        http_reply(r, n < 0 ? 408 : 200, NULL, 0, gba_str(""));
        return;
    }
    if (!strcmp(http_target(r), "/silent"))
        return;
    if (!strcmp(http_target(r), "/endless")) {
        memset(b, 'e', sizeof b);
        if (http_reply_begin(r, 200, NULL, 0, -1) != GBA_OK)
            return;
        while (http_reply_write(r, gba_mem(b, sizeof b)) == GBA_OK)
            ;
        broken_writes++;
        return;
    }
    bool cut = !strcmp(http_target(r), "/cut"), known = !strcmp(http_target(r), "/known");
    size_t total = 0;
    bool begun = false;
    while ((n = http_body_read(r, b, sizeof b)) > 0) {
        total += (size_t)n;
        if (!begun && !cut && !known) /* echo once it is all there */
            continue;
    }
    if (n < 0) {
        broken_reads++;
        return;
    }
    if (http_reply_begin(r, 200, NULL, 0, known ? (int64_t)total : -1) != GBA_OK)
        return;
    memset(b, 'x', sizeof b);
    for (size_t sent = 0; sent < total;) {
        size_t part = total - sent < sizeof b ? total - sent : sizeof b;
        if (http_reply_write(r, gba_mem(b, part)) != GBA_OK)
            return;
        sent += part;
    }
    if (!cut)
        http_reply_end(r);
}

static const char *post(const char *target, const char *method, size_t n)
{
    char head[128];
    char *body = malloc(n + 1);
    int fd = net_connect(port);
    memset(body, 'b', n + 1);
    snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", method, target, n);
    net_send(fd, head, strlen(head));
    net_send(fd, body, n);
    net_read(fd, got, sizeof got, 1000);
    close(fd);
    free(body);
    return got;
}

/* No body leaves a copy behind: whole, streamed, given up. */
static void test_bodies_wiped(void)
{
    static const char mark[] = "a key in a body";
    static char body[200000], q[210000];
    for (size_t i = 0; i + sizeof mark < sizeof body; i += sizeof mark - 1)
        memcpy(body + i, mark, sizeof mark - 1);
    for (int streams = 0; streams < 2; streams++) {
        start(&(http_config){.body_max = sizeof body, .threads = 1, .stream = streams,
                             .handler = streams ? on_stream : NULL});
        heap_watch(mark);
        for (int i = 0; i < 3; i++) {
            int n = snprintf(q, sizeof q, "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                             strlen(body), body);
            int fd = net_connect(port);
            net_send(fd, q, (size_t)n - (i == 2 ? 100000 : 0)); /* the last one goes away in the middle */
            if (i < 2) {
                net_read(fd, got, sizeof got, 2000);
                CU_ASSERT_PTR_NOT_NULL(strstr(got, "200 OK"));
            } else {
                usleep(100000);
            }
            close(fd);
        }
        stop();
        CU_ASSERT_EQUAL(heap_left(), 0);
        heap_watch(NULL);
    }
}

static void test_stream(void)
{
    start(&(http_config){.stream = true, .handler = on_stream, .connections = 20});
    const char *a = post("/", "POST", 300000);
    if (strlen(a) < 300000)
        printf("\n  %zu octets: %.300s\n", strlen(a), a);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "HTTP/1.1 200"));
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "Transfer-Encoding: chunked"));
    CU_ASSERT(strlen(a) > 300000);
    a = post("/known", "POST", 200000);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "Content-Length: 200000\r\n"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(strstr(a, "\r\n\r\n"));
    CU_ASSERT_EQUAL(strlen(strstr(a, "\r\n\r\n") + 4), 200000);
    a = post("/known", "HEAD", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "HTTP/1.1 200"));
    a = post("/known", "GET", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "Content-Length: 0\r\n"));
    a = post("/refuse", "POST", 100);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "HTTP/1.1 401"));
    a = post("/silent", "POST", 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "HTTP/1.1 500"));
    a = post("/cut", "POST", 1000);
    CU_ASSERT_PTR_NOT_NULL(strstr(a, "HTTP/1.1 200"));
    CU_ASSERT_PTR_NULL(strstr(a, "\r\n0\r\n\r\n"));
    /* kept alive */
    a = ask("GET /known HTTP/1.1\r\nHost: x\r\n\r\nPOST /known HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
            "GET /known HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_EQUAL(net_count(a, "HTTP/1.1 200"), 3);
    stop();
}

static void test_stream_broken(void)
{
    start(&(http_config){.stream = true, .handler = on_stream, .connections = 20, .idle_s = 5});
    broken_reads = broken_writes = 0;
    int fd = net_connect(port);
    net_send(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 52);
    usleep(50000);
    close(fd);
    for (int i = 0; i < 300 && !broken_reads; i++)
        usleep(10000);
    CU_ASSERT_EQUAL(broken_reads, 1);
    fd = net_connect(port);
    net_send(fd, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n", 34);
    usleep(50000);
    close(fd);
    for (int i = 0; i < 300 && !broken_writes; i++)
        usleep(10000);
    CU_ASSERT_EQUAL(broken_writes, 1);
    /* under way when the server stops */
    fd = net_connect(port);
    net_send(fd, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n", 34);
    int other = net_connect(port);
    net_send(other, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 52);
    usleep(50000);
    int64_t t0 = service_mono_ms();
    http_server_stop(&server, 100);
    CU_ASSERT(service_mono_ms() - t0 < 2000);
    CU_ASSERT_EQUAL(broken_writes, 2);
    close(fd);
    close(other);
}

static void test_stream_busy(void)
{
    start(&(http_config){.stream = true, .handler = on_stream, .connections = 2, .threads = 1});
    int a = net_connect(port);
    net_send(a, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 52);
    usleep(50000);
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("GET /refuse HTTP/1.1\r\nHost: x\r\n\r\n"), "401"));
    close(a);
    stop();
}

/* Until the server ends it: an octet now and then. In ms. */
static int64_t octet_by_octet(int fd)
{
    int64_t t0 = service_mono_ms();
    while (!net_closed(fd, 100) && service_mono_ms() - t0 < 60000)
        net_send(fd, "x", 1);
    return service_mono_ms() - t0;
}

static void test_stream_trickle(void)
{
    static const char skip[] = "POST /skip HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
    static const char slow[] = "POST /skip HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx";
    static const char within[] = "POST /within HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx";
    char twice[256];
    start(&(http_config){.stream = true, .handler = on_stream, .connections = 20, .streams = 1, .idle_s = 2});
    snprintf(twice, sizeof twice, "%s%s", skip, skip);
    CU_ASSERT_EQUAL(net_count(ask(twice), "HTTP/1.1 401"), 2); /* the connection lives on */
    /* whoever is slow with a body that nobody reads holds no worker, and has as long as a request may take */
    int fd = net_connect(port);
    net_send(fd, slow, sizeof slow - 1);
    for (int i = 0; i < 500 && !strstr(ask(skip), "HTTP/1.1 401"); i++)
        usleep(10000);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "HTTP/1.1 401"));
    CU_ASSERT(octet_by_octet(fd) < 30000);
    close(fd);
    /* one who is slow with a body that somebody reads */
    broken_reads = 0;
    fd = net_connect(port);
    net_send(fd, within, sizeof within - 1);
    CU_ASSERT(octet_by_octet(fd) < 30000);
    CU_ASSERT_EQUAL(broken_reads, 1);
    close(fd);
    stop();
}

/* ---- addresses ---- */
static struct sockaddr_storage address(const char *s)
{
    struct sockaddr_storage a = {0};
    if (inet_pton(AF_INET, s, &((struct sockaddr_in *)&a)->sin_addr) == 1)
        a.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, s, &((struct sockaddr_in6 *)&a)->sin6_addr) == 1)
        a.ss_family = AF_INET6;
    return a;
}

static bool has(const char *range, const char *a)
{
    http_cidr c;
    struct sockaddr_storage sa = address(a);
    CU_ASSERT_EQUAL_FATAL(http_cidr_parse(range, &c), GBA_OK);
    return http_cidr_has(&c, 1, (struct sockaddr *)&sa);
}

static void test_addresses(void)
{
    static const char *const bad[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "::1/-1", "10.0.0.0/8x",
                                      "host", "10.0.0.0/ 8"};
    http_cidr c;
    uint8_t a[16], b[16];
    char text[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_NOT_EQUAL(http_cidr_parse(bad[i], &c), GBA_OK);
    CU_ASSERT(has("10.0.0.0/8", "10.255.1.2") && !has("10.0.0.0/8", "11.0.0.0"));
    CU_ASSERT(has("10.0.0.0/8", "::ffff:10.1.1.1") && !has("10.0.0.0/8", "::a00:1"));
    CU_ASSERT(has("192.0.2.128/25", "192.0.2.200") && !has("192.0.2.128/25", "192.0.2.127"));
    CU_ASSERT(has("2001:db8::/32", "2001:db8:1::1") && !has("2001:db8::/32", "2001:db9::1"));
    CU_ASSERT(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "2001:db8::1") && has("::/0", "1.2.3.4"));
    struct sockaddr_storage x = address("2001:db8::1"), y = address("2001:db8::2:0:0:1"), z = address("::ffff:1.2.3.4");
    http_source((struct sockaddr *)&x, a);
    http_source((struct sockaddr *)&y, b);
    CU_ASSERT_EQUAL(memcmp(a, b, 16), 0);
    http_source_text((struct sockaddr *)&z, text);
    CU_ASSERT_STRING_EQUAL(text, "1.2.3.4");
    z = address("1.2.3.4");
    http_source((struct sockaddr *)&z, a);
    CU_ASSERT_EQUAL(a[15], 4);
    http_source_text((struct sockaddr *)&x, text);
    CU_ASSERT_STRING_EQUAL(text, "2001:db8::1");
    z = address("::1");
    http_source((struct sockaddr *)&z, a);
    CU_ASSERT_EQUAL(a[15], 1); /* 16 zeros would be nobody's, whom no limit counts */
}

static http_cidr trusted[2];
static size_t n_trusted;
static void on_forwarded(http_req *r, void *ctx)
{
    struct sockaddr_storage a;
    char text[64];
    (void)ctx;
    http_client(r, trusted, n_trusted, &a);
    http_source_text((struct sockaddr *)&a, text);
    http_reply(r, 200, NULL, 0, gba_str(text));
}

static void test_forwarded(void)
{
    static const struct {
        size_t trust;
        const char *fields, *want;
    } rows[] = {
        {0, "X-Forwarded-For: 1.1.1.1\r\n", "127.0.0.1"},
        {1, "", "127.0.0.1"},
        {1, "X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
        {1, "X-Forwarded-For: 6.6.6.6, 1.1.1.1\r\n", "1.1.1.1"},
        {1, "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1:4444\r\n", "1.1.1.1"},
        {2, "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.1.1.1\r\n", "1.1.1.1"},
        {2, "X-Forwarded-For: 1.1.1.1, nonsense, 10.1.1.1\r\n", "10.1.1.1"},
        {2, "X-Forwarded-For: [2001:db8::7]:99 ,10.1.1.1\r\n", "2001:db8::7"},
        {2, "X-Forwarded-For: 10.2.2.2, 10.1.1.1\r\n", "10.2.2.2"},
        {1, "X-Forwarded-For: ,,\r\n", "127.0.0.1"},
    };
    CU_ASSERT_EQUAL(http_cidr_parse("127.0.0.0/8", &trusted[0]), GBA_OK);
    CU_ASSERT_EQUAL(http_cidr_parse("10.0.0.0/8", &trusted[1]), GBA_OK);
    start(&(http_config){.handler = on_forwarded});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char q[512];
        n_trusted = rows[i].trust;
        snprintf(q, sizeof q, "GET / HTTP/1.0\r\nHost: x\r\n%s\r\n", rows[i].fields);
        const char *body = strstr(ask(q), "\r\n\r\n");
        CU_ASSERT_PTR_NOT_NULL_FATAL(body);
        CU_ASSERT_STRING_EQUAL(body + 4, rows[i].want);
    }
    stop();
}

/* With an argument: that test alone. */
static void test_hop_by_hop(void)
{
    static const char *const gone[] = {"connection", "Transfer-Encoding", "transfer_encoding", "Content-Length", "TE",
                                       "X-Hop", "x-hop", "Upgrade"};
    static const char *const stays[] = {"X-Ho", "X-Hopp", "Content-Type", "T", "Host", "", "Content--Length"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        CU_ASSERT(http_hop_by_hop(gone[i], "close,\tX-Hop ,other"));
    for (size_t i = 0; i < sizeof stays / sizeof *stays; i++)
        CU_ASSERT(!http_hop_by_hop(stays[i], "close,\tX-Hop ,other"));
    CU_ASSERT(!http_hop_by_hop("X-Hop", NULL) && !http_hop_by_hop("X-Hop", "") && !http_hop_by_hop("X-Hop", ", ,"));
    CU_ASSERT(http_named("X_M2M_Origin", "X-M2M-Origin") && !http_named("X-M2M", "X-M2M-Origin"));
}

int main(int argc, char **argv)
{
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    setvbuf(stdout, NULL, _IOLBF, 0);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("http", NULL, NULL);
    CU_add_test(s, "basic", test_basic);
    CU_add_test(s, "pipelined", test_pipelined);
    CU_add_test(s, "race", test_race);
    CU_add_test(s, "limits", test_limits);
    CU_add_test(s, "malformed", test_malformed);
    CU_add_test(s, "slow", test_slow);
    CU_add_test(s, "per ip", test_per_ip);
    CU_add_test(s, "per ip exempt", test_per_ip_exempt);
    CU_add_test(s, "drain", test_drain);
    CU_add_test(s, "abandoned", test_abandoned);
    CU_add_test(s, "gone before the answer", test_gone_before_answer);
    CU_add_test(s, "no memory", test_no_memory);
    CU_add_test(s, "bodies are wiped", test_bodies_wiped);
    CU_add_test(s, "start fails", test_start_fails);
    CU_add_test(s, "stream", test_stream);
    CU_add_test(s, "stream broken", test_stream_broken);
    CU_add_test(s, "stream busy", test_stream_busy);
    CU_add_test(s, "stream trickle", test_stream_trickle);
    CU_add_test(s, "addresses", test_addresses);
    CU_add_test(s, "forwarded", test_forwarded);
    CU_add_test(s, "hop by hop", test_hop_by_hop);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    if (argc > 1)
        CU_basic_run_test(s, CU_get_test_by_name(argv[1], s));
    else
        CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
