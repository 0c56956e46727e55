/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against our server, and against raw sockets that misbehave. */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdatomic.h>
#include "service/daemon.h"
#include "service/fetch.h"
#include "service/log.h"
#include "tests/heap.h"
#include "tests/service_net.h"

static http_server *server;
static fetch_client *client;
static char url[128];
static uint16_t port;

static void on_request(http_req *r, void *ctx)
{
    static const http_field fields[] = {{"X-One", "1"}, {"Location", "http://127.0.0.1:1/"}};
    char text[512];
    const char *x = http_header(r, "X-Sent"), *type = http_header(r, "Content-Type");
    (void)ctx;
    if (!strcmp(http_target(r), "/large")) {
        char *big = malloc(200000);
        memset(big, 'l', 200000);
        http_reply(r, 200, NULL, 0, gba_mem(big, 200000));
        free(big);
        return;
    }
    if (!strcmp(http_target(r), "/slow"))
        usleep(1500000);
    snprintf(text, sizeof text, "%s %s x=%s type=%s body=%.*s", http_method(r), http_target(r), x ? x : "none",
             type ? type : "none", (int)http_body(r).n, (const char *)http_body(r).p);
    http_reply(r, !strcmp(http_target(r), "/moved") ? 302 : 200, fields, 2, gba_str(text));
}

static void begin(unsigned total_ms)
{
    char why[256];
    http_config c = {.name = "f", .address = "127.0.0.1", .threads = 1, .handler = on_request};
    fetch_config f = {.total_ms = total_ms, .answer_max = 100000};
    setenv("http_proxy", "http://127.0.0.1:1/", 1); /* must not count */
    CU_ASSERT_EQUAL_FATAL(http_server_start(&c, &server, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(fetch_client_new(&f, &client), GBA_OK);
    port = http_server_port(server);
}

static void end(void)
{
    fetch_client_free(&client);
    http_server_stop(&server, 1000);
}

static const char *at(const char *target)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, target);
    return url;
}

/* ---- one answer, waited for ---- */
static struct result {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    gba_err err;
    unsigned status;
    char body[4096], one[16];
} got = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void on_done(void *ctx, gba_err err, const fetch_answer *a)
{
    CU_ASSERT_PTR_EQUAL(ctx, &got);
    pthread_mutex_lock(&got.lock);
    got.done = true;
    got.err = err;
    got.status = a ? a->status : 0;
    got.body[0] = got.one[0] = 0;
    if (a)
        snprintf(got.body, sizeof got.body, "%.*s", (int)a->body.n, (const char *)a->body.p);
    for (size_t i = 0; a && i < a->n_fields; i++)
        if (!strcmp(a->fields[i].name, "X-One"))
            snprintf(got.one, sizeof got.one, "%s", a->fields[i].value);
    CU_ASSERT_EQUAL(err == GBA_OK, a != NULL);
    pthread_cond_signal(&got.cond);
    pthread_mutex_unlock(&got.lock);
}

static gba_err fetch(const char *method, const char *where, const http_field *f, size_t n, const char *body)
{
    got.done = false;
    gba_err e = fetch_submit(client, method, where, f, n, gba_str(body), on_done, &got);
    if (e != GBA_OK)
        return e;
    pthread_mutex_lock(&got.lock);
    while (!got.done)
        pthread_cond_wait(&got.cond, &got.lock);
    pthread_mutex_unlock(&got.lock);
    return got.err;
}

/* Neither a request's body nor an answer's stays behind in what is given back. */
static void test_wiped(void)
{
    static const char mark[] = "a key in a body";
    char body[3000] = "";
    for (size_t i = 0; i + sizeof mark < sizeof body; i += sizeof mark - 1)
        memcpy(body + i, mark, sizeof mark);
    begin(1000);
    heap_watch(mark);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(fetch("POST", at("/"), NULL, 0, body), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.body, mark));
    CU_ASSERT_EQUAL(fetch("POST", "http://127.0.0.1:1/", NULL, 0, body), GBA_E_IO);
    end();
    CU_ASSERT_EQUAL(heap_left(), 0);
    heap_watch(NULL);
}

static void test_answers(void)
{
    static const http_field f[] = {{"X-Sent", "yes"}, {"Content-Type", "a/b"}}, bad[] = {{"X", "a\r\nb: c"}}, bad2[] = {{"X y", "a"}};
    begin(1000);
    CU_ASSERT_EQUAL(fetch("GET", at("/a?b=%41"), f, 1, NULL), GBA_OK);
    CU_ASSERT_EQUAL(got.status, 200);
    CU_ASSERT_STRING_EQUAL(got.body, "GET /a?b=%41 x=yes type=none body=");
    CU_ASSERT_STRING_EQUAL(got.one, "1");
    CU_ASSERT_EQUAL(fetch("POST", at("/"), f, 2, "hello"), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.body, "POST / x=yes type=a/b body=hello");
    CU_ASSERT_EQUAL(fetch("POST", at("/"), NULL, 0, NULL), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.body, "POST / x=none type=none body=");
    CU_ASSERT_EQUAL(fetch("HEAD", at("/"), NULL, 0, NULL), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.body, "");
    CU_ASSERT_EQUAL(fetch("GET", at("/"), NULL, 0, NULL), GBA_OK); /* the handle of the HEAD again */
    CU_ASSERT_STRING_EQUAL(got.body, "GET / x=none type=none body=");
    CU_ASSERT_EQUAL(fetch("GET", at("/moved"), NULL, 0, NULL), GBA_OK);
    CU_ASSERT_EQUAL(got.status, 302);
    CU_ASSERT_EQUAL(fetch("GET", at("/large"), NULL, 0, NULL), GBA_E_RANGE);
    CU_ASSERT_EQUAL(fetch("GET", at("/slow"), NULL, 0, NULL), GBA_E_BUSY);
    CU_ASSERT_EQUAL(fetch("GET", "http://127.0.0.1:1/", NULL, 0, NULL), GBA_E_IO);
    CU_ASSERT_EQUAL(fetch("GET", "file:///etc/passwd", NULL, 0, NULL), GBA_E_ARG);
    CU_ASSERT_EQUAL(fetch("G T", at("/"), NULL, 0, NULL), GBA_E_ARG);
    CU_ASSERT_EQUAL(fetch("GET", at("/"), bad, 1, NULL), GBA_E_ARG);
    CU_ASSERT_EQUAL(fetch("GET", at("/"), bad2, 1, NULL), GBA_E_ARG);
    end();
}

static atomic_int ok, over;
static void count(void *ctx, gba_err err, const fetch_answer *a)
{
    (void)ctx;
    if (err == GBA_OK && a->status == 200)
        ok++;
    over++;
}

static void test_many(void)
{
    begin(120000);
    ok = over = 0;
    for (int i = 0; i < 500; i++)
        CU_ASSERT_EQUAL(fetch_submit(client, "GET", at("/x"), NULL, 0, gba_str(NULL), count, NULL), GBA_OK);
    for (int i = 0; i < 6000 && over < 500; i++)
        usleep(20000);
    CU_ASSERT_EQUAL(ok, 500);
    end();
}

static void test_stop_under_way(void)
{
    begin(1000);
    ok = over = 0;
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(fetch_submit(client, "GET", at("/slow"), NULL, 0, gba_str(NULL), count, NULL), GBA_OK);
    usleep(50000);
    fetch_client_free(&client);
    CU_ASSERT_EQUAL(over, 20);
    http_server_stop(&server, 2000);
}

/* ---- a server that answers with given octets and closes ---- */
static void *liar(void *ctx)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    char b[4096];
    if (bind(fd, (struct sockaddr *)&a, n) || listen(fd, 1) || getsockname(fd, (struct sockaddr *)&a, &n))
        abort();
    port = ntohs(a.sin_port);
    *(atomic_bool *)((void **)ctx)[1] = true;
    int c = accept(fd, NULL, NULL);
    if (recv(c, b, sizeof b, 0) > 0)
        net_send(c, ((char **)ctx)[0], strlen(((char **)ctx)[0]));
    close(c);
    close(fd);
    return NULL;
}

static gba_err lied_to(char *answer)
{
    atomic_bool up = false;
    void *ctx[2] = {answer, &up};
    pthread_t t;
    pthread_create(&t, NULL, liar, ctx);
    while (!up)
        usleep(1000);
    gba_err e = fetch("GET", at("/"), NULL, 0, NULL);
    pthread_join(t, NULL);
    return e;
}

static void test_liars(void)
{
    static char many[200000];
    begin(1000);
    CU_ASSERT_EQUAL(lied_to((char[]){"nonsense\r\n\r\n"}), GBA_E_IO);
    CU_ASSERT_EQUAL(lied_to((char[]){"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}), GBA_E_IO);
    CU_ASSERT_EQUAL(lied_to((char[]){"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}), GBA_E_IO);
    CU_ASSERT_EQUAL(lied_to((char[]){""}), GBA_E_IO);
    CU_ASSERT_EQUAL(lied_to((char[]){"HTTP/1.1 100 Continue\r\nX-One: 9\r\n\r\nHTTP/1.1 204 No\r\nX-One: 2\r\n\r\n"}), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.one, "2");
    strcpy(many, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 500; i++)
        strcat(many, "X-Many: field\r\n");
    strcat(many, "\r\n");
    CU_ASSERT_EQUAL(lied_to(many), GBA_E_RANGE);
    end();
}

/* ---- streaming, both ends ---- */
static void on_stream(http_req *r, void *ctx)
{
    char b[3000];
    ssize_t n;
    size_t total = 0;
    (void)ctx;
    while ((n = http_body_read(r, b, sizeof b)) > 0)
        total += (size_t)n;
    if (n < 0 || http_reply_begin(r, 201, &(http_field){"X-One", "s"}, 1, (int64_t)total) != GBA_OK)
        return;
    memset(b, 'z', sizeof b);
    for (size_t left = total; left;) {
        size_t part = left < sizeof b ? left : sizeof b;
        if (http_reply_write(r, gba_mem(b, part)) != GBA_OK)
            return;
        left -= part;
    }
    http_reply_end(r);
}

typedef struct flow {
    size_t to_send, received, heads;
    unsigned status;
    gba_err refuse;
} flow;

static ssize_t flow_source(void *ctx, void *buf, size_t n)
{
    flow *f = ctx;
    n = n < f->to_send ? n : f->to_send;
    memset(buf, 'y', n);
    f->to_send -= n;
    return (ssize_t)n;
}

static ssize_t flow_abort(void *ctx, void *buf, size_t n)
{
    (void)ctx, (void)buf, (void)n;
    return -1;
}

static gba_err flow_head(void *ctx, unsigned status, const http_field *h, size_t n)
{
    flow *f = ctx;
    f->status = status;
    f->heads += n > 0 && h != NULL;
    return f->refuse;
}

static gba_err flow_sink(void *ctx, gba_span part)
{
    ((flow *)ctx)->received += part.n;
    return GBA_OK;
}

static void *streamer(void *ctx)
{
    atomic_int *good = ctx;
    for (int i = 0; i < 10; i++) {
        flow f = {.to_send = 150000};
        if (fetch_stream(client, "POST", url, NULL, 0, i % 2 ? 150000 : -1, flow_source, flow_head, flow_sink, &f) == GBA_OK &&
            f.status == 201 && f.received == 150000 && f.heads == 1)
            ++*good;
    }
    return NULL;
}

static void test_streaming(void)
{
    char why[256];
    http_config c = {.name = "fs", .address = "127.0.0.1", .threads = 1, .handler = on_stream, .stream = true, .connections = 40};
    atomic_int good = 0;
    pthread_t t[4];
    begin(1000);
    http_server_stop(&server, 100);
    CU_ASSERT_EQUAL_FATAL(http_server_start(&c, &server, why, sizeof why), GBA_OK);
    port = http_server_port(server);
    at("/");
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, streamer, &good);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(good, 40);
    flow f = {0};
    CU_ASSERT_EQUAL(fetch_stream(client, "GET", url, NULL, 0, 0, NULL, flow_head, flow_sink, &f), GBA_OK);
    CU_ASSERT(f.status == 201 && f.received == 0);
    CU_ASSERT_EQUAL(fetch_stream(client, "POST", url, NULL, 0, 0, NULL, flow_head, flow_sink, &f), GBA_OK);
    CU_ASSERT_EQUAL(fetch_stream(client, "POST", url, NULL, 0, 100, flow_abort, flow_head, flow_sink, &f), GBA_E_IO);
    f = (flow){.refuse = GBA_E_FORBIDDEN, .to_send = 10};
    CU_ASSERT_EQUAL(fetch_stream(client, "POST", url, NULL, 0, 10, flow_source, flow_head, flow_sink, &f), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(fetch_stream(client, "GET", "http://127.0.0.1:1/", NULL, 0, 0, NULL, flow_head, flow_sink, &f), GBA_E_IO);
    end();
}

int main(void)
{
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("fetch", NULL, NULL);
    CU_add_test(s, "answers", test_answers);
    CU_add_test(s, "wiped", test_wiped);
    CU_add_test(s, "many", test_many);
    CU_add_test(s, "stop under way", test_stop_under_way);
    CU_add_test(s, "liars", test_liars);
    CU_add_test(s, "streaming", test_streaming);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
