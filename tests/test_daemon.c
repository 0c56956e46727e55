/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon as its operator meets it: this program started again as one, with arguments. */
#include "config.h"
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "service/daemon.h"
#include "service/http.h"
#include "tests/service_net.h"

/* ---- the daemon ---- */
typedef struct settings {
    conf_listen listen;
    int64_t answer_ms;
    bool sick, refuse;
    conf_strings words;
    daemon_conf daemon;
} settings;
static const conf_field table[] = {
    {.path = "t.listen", .type = CONF_LISTEN, .offset = offsetof(settings, listen), .def = "127.0.0.1:0", .help = "where"},
    {.path = "t.answer_ms", .type = CONF_INT, .offset = offsetof(settings, answer_ms), .def = "1", .help = "how slow"},
    {.path = "t.sick", .type = CONF_BOOL, .offset = offsetof(settings, sick), .def = "false", .help = "sick"},
    {.path = "t.words", .type = CONF_STRINGS, .offset = offsetof(settings, words), .help = "many"},
    {.path = "t.refuse", .type = CONF_BOOL, .offset = offsetof(settings, refuse), .def = "false", .help = "refuses"},
    DAEMON_CONF_ROWS(settings, daemon, "127.0.0.1:0"),
    {.path = NULL},
};

typedef struct state {
    const settings *s;
    http_server *server;
} state;

static void on_request(http_req *r, void *ctx)
{
    usleep((useconds_t)((state *)ctx)->s->answer_ms * 1000);
    http_reply(r, 200, NULL, 0, gba_str("done"));
}

static void check(conf *c, const void *settings_)
{
    const settings *s = settings_;
    if (s->answer_ms == 13)
        conf_fault(c, "t.answer_ms", "13 brings bad luck");
}

static gba_err start(const void *s, void **out, char *why, size_t why_n)
{
    state *t = calloc(1, sizeof *t);
    t->s = s;
    http_config c = {.name = "t", .address = t->s->listen.address, .port = t->s->listen.port, .threads = 1,
                     .handler = on_request, .ctx = t};
    gba_err e = http_server_start(&c, &t->server, why, why_n);
    *out = t;
    if (e != GBA_OK)
        free(t);
    else
        log_event(LOG_LEVEL_INFO, "t.up", "port", log_num(http_server_port(t->server)), NULL);
    return e;
}

static gba_err reload(void *ctx, const void *s, char *why, size_t why_n)
{
    if (((const settings *)s)->refuse) {
        snprintf(why, why_n, "refused by t");
        return GBA_E_ARG;
    }
    ((state *)ctx)->s = s;
    return GBA_OK;
}

static void drain(void *ctx)
{
    http_server_drain(((state *)ctx)->server);
}

static void stop(void **ctx)
{
    state *t = *ctx;
    *ctx = NULL;
    http_server_stop(&t->server, 0);
    free(t);
}

static gba_err ready(void *ctx, char *why, size_t why_n)
{
    if (!((state *)ctx)->s->sick)
        return GBA_OK;
    daemon_reason(why, why_n, "t is sick");
    daemon_reason(why, why_n, "and %0*d so long that no line could hold it", 4000, 1);
    daemon_reason(why, why_n, "and tired");
    return GBA_E_IO;
}

static const daemon_spec spec = {"gba-test", "A daemon to be tested.", table, sizeof(settings), offsetof(settings, daemon),
                                 check, start, reload, drain, stop, ready};

/* ---- its operator ---- */
static const char *self;
static char dir[] = "/tmp/daemon.XXXXXX", config[64], out[64], text[65536];
static pid_t child;
static uint16_t admin, port;

static void configure(const char *yaml)
{
    FILE *f = fopen(config, "w");
    fputs(yaml, f);
    fclose(f);
}

static const char *output(void)
{
    FILE *f = fopen(out, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f)
        fclose(f);
    return text;
}

static void spawn(const char *a, const char *b, const char *c)
{
    child = fork();
    if (child == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execl(self, self, a, b, c, (char *)NULL);
        _exit(99);
    }
}

static int ended(void)
{
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(const char *a, const char *b, const char *c)
{
    spawn(a, b, c);
    return ended();
}

static bool wait_for(const char *words)
{
    for (int i = 0; i < 500; i++) {
        if (strstr(output(), words))
            return true;
        usleep(20000);
    }
    return false;
}

static void up(const char *yaml)
{
    configure(yaml);
    unlink(out);
    spawn("--config", config, NULL);
    CU_ASSERT_FATAL(wait_for("daemon.started"));
    port = (uint16_t)atoi(strstr(text, "t.up port=") + 10);
    admin = (uint16_t)atoi(strstr(text, "admin=127.0.0.1:") + 16);
}

static const char *get(uint16_t to, const char *target)
{
    static char answer[65536];
    char q[128];
    int fd = net_connect(to);
    snprintf(q, sizeof q, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target);
    net_send(fd, q, strlen(q));
    net_read(fd, answer, sizeof answer, 3000);
    close(fd);
    return answer;
}

static void test_arguments(void)
{
    configure("{}\n");
    CU_ASSERT_EQUAL(run("--help", NULL, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), "Usage: gba-test --config FILE [--check]\nA daemon to be tested.\n"));
    CU_ASSERT_EQUAL(run("--version", NULL, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), "gba-test (OpenGBA) "));
    CU_ASSERT_EQUAL(run("--print-defaults", NULL, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), "log:\n  # debug, info, warn or error; audit lines always appear (debug, info, warn, error)\n  level: info\n"));
    CU_ASSERT_EQUAL(run("--nonsense", NULL, NULL), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), "gba-test: unrecognized option '--nonsense'\nTry 'gba-test --help'.\n"));
    CU_ASSERT_EQUAL(run("--check", NULL, NULL), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), "gba-test: --config FILE is missing\n"));
    CU_ASSERT_EQUAL(run("--config", config, "more"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), "gba-test: unexpected argument 'more'\n"));
}

static void test_check(void)
{
    char want[512];
    configure("t.answer_ms: 3\n");
    CU_ASSERT_EQUAL(run("--config", config, "--check"), 0);
    snprintf(want, sizeof want, "gba-test: %s: configuration is valid\n", config);
    CU_ASSERT_STRING_EQUAL(output(), want);
    configure("\nt.answer_ms: 13\n");
    CU_ASSERT_EQUAL(run("--config", config, "--check"), 78);
    snprintf(want, sizeof want, "gba-test: %s:2: t.answer_ms: 13 brings bad luck\n", config);
    CU_ASSERT_STRING_EQUAL(output(), want);
    configure("t:\n  listen: 127.0.0.1:70000\n  anser_ms: 1\n");
    CU_ASSERT_EQUAL(run("--config", config, NULL), 78);
    snprintf(want, sizeof want, "gba-test: %s:2: t.listen: port 70000 is out of range (1-65535)\n"
             "gba-test: %s:3: t.anser_ms: is not a setting; did you mean t.answer_ms?\n", config, config);
    CU_ASSERT_STRING_EQUAL(output(), want);
    CU_ASSERT_EQUAL(run("--config", "/nonexistent/x.yaml", NULL), 78);
    CU_ASSERT_STRING_EQUAL(output(), "gba-test: /nonexistent/x.yaml: cannot be read: No such file or directory\n");
}

static void test_life(void)
{
    up("{}\n");
    for (int i = 0; i < 2; i++) {
        const char *page = i ? "/healthz" : "/readyz";
        CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, page), "HTTP/1.1 200 OK"));
        CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, page), "\r\n\r\nok\n"));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(get(port, "/"), "done"));
    const char *m = get(admin, "/metrics");
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "http_requests_total{listener=\"t\",code=\"2xx\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "process_resident_memory_bytes "));
    CU_ASSERT_PTR_NOT_NULL(strstr(m, "gba_build_info{program=\"gba-test\",version=\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, "/"), "HTTP/1.1 404"));
    configure("t.sick: true\n");
    kill(child, SIGHUP);
    CU_ASSERT(wait_for("daemon.reloaded"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, "/readyz"), "HTTP/1.1 503"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, "/readyz"), "\r\n\r\nt is sick\nand tired\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, "/healthz"), "HTTP/1.1 200 OK")); /* it lives */
    configure("t.sick: fals\n");
    kill(child, SIGHUP);
    CU_ASSERT(wait_for("daemon.reload_refused reason=\"the configuration has faults\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "'fals' is neither true nor false"));
    configure("t.refuse: true\n");
    kill(child, SIGHUP);
    CU_ASSERT(wait_for("daemon.reload_refused reason=\"refused by t\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, "/readyz"), "503"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(admin, "/metrics"), "daemon_reloads_total{result=\"refused\"} 2\n"));
    kill(child, SIGTERM);
    CU_ASSERT_EQUAL(ended(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), "daemon.stopped"));
}

/* For a balancer: two pages, on a listener of their own. */
static void test_health_listener(void)
{
    up("{}\n");
    CU_ASSERT_PTR_NULL(strstr(text, "health="));
    kill(child, SIGTERM);
    CU_ASSERT_EQUAL(ended(), 0);
    up("{health.listen: \"127.0.0.1:0\", t.sick: true, drain: 5s, t.answer_ms: 1500}\n");
    const char *at = strstr(text, " health=127.0.0.1:");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    uint16_t health = (uint16_t)atoi(at + 18);
    CU_ASSERT_PTR_NOT_NULL(strstr(get(health, "/healthz"), "HTTP/1.1 200 OK"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(health, "/readyz"), "HTTP/1.1 503"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(health, "/readyz"), "\r\n\r\nt is sick\nand tired\n"));
    static const char *const others[] = {"/metrics", "/", "/healthz/", "/readyz?x", "/healthz/../metrics", "/Healthz", "*"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(get(health, others[i]), "HTTP/1.1 404"));
        CU_ASSERT_PTR_NOT_NULL(strstr(get(health, others[i]), "\r\n\r\n"));
        CU_ASSERT_STRING_EQUAL(strstr(get(health, others[i]), "\r\n\r\n"), "\r\n\r\n"); /* and says nothing */
    }
    configure("{health.listen: \"127.0.0.1:1\"}\n");
    kill(child, SIGHUP);
    CU_ASSERT(wait_for("daemon.restart_needed setting=health.listen"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(health, "/readyz"), "HTTP/1.1 200 OK"));
    configure("{health.listen: \"127.0.0.1:0\", drain: 5s, t.answer_ms: 1500}\n");
    kill(child, SIGHUP);
    for (int i = 0; i < 100 && !strstr(strstr(output(), "daemon.reloaded") + 1, "daemon.reloaded"); i++)
        usleep(20000);
    int fd = net_connect(port); /* drains: it lives, but is no place to go */
    net_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    usleep(100000);
    kill(child, SIGTERM);
    CU_ASSERT(wait_for("daemon.stopping"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(health, "/readyz"), "\r\n\r\nstopping\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(get(health, "/healthz"), "HTTP/1.1 200 OK"));
    close(fd);
    CU_ASSERT_EQUAL(ended(), 0);
}

static void test_drain(void)
{
    char answer[4096];
    up("t.answer_ms: 700\n");
    int fd = net_connect(port);
    net_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    usleep(200000);
    kill(child, SIGTERM);
    net_read(fd, answer, sizeof answer, 3000);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "done"));
    CU_ASSERT_EQUAL(ended(), 0);
    close(fd);
}

static void test_drain_is_over(void)
{
    up("{t.answer_ms: 3000, drain: 1s}\n");
    int fd = net_connect(port);
    net_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    usleep(200000);
    kill(child, SIGINT);
    CU_ASSERT(wait_for("daemon.drain_cut reason=\"drain is over"));
    CU_ASSERT_EQUAL(ended(), 0);
    close(fd);
}

static int64_t resident(void)
{
    const char *at = strstr(get(admin, "/metrics"), "\nprocess_resident_memory_bytes ");
    return at ? atoll(at + 31) : -1;
}

/* A configuration of half a megabyte, read again and again: only two of them are kept, whatever became of them. */
static void test_reloads_keep_nothing(void)
{
    static char yaml[600000];
    size_t n = (size_t)snprintf(yaml, sizeof yaml, "t:\n  words:\n");
    for (int i = 0; i < 5000; i++)
        n += (size_t)snprintf(yaml + n, sizeof yaml - n, "    - %0100d\n", i);
    up(yaml);
    int64_t after[3] = {0};
    for (int i = 1; i <= 60; i++) {
        char result[64];
        snprintf(yaml + n, sizeof yaml - n, "  refuse: %s\n", i % 3 ? "false" : "true");
        configure(yaml);
        kill(child, SIGHUP);
        snprintf(result, sizeof result, "daemon_reloads_total{result=\"%s\"} %d\n", i % 3 ? "ok" : "refused",
                 i % 3 ? i - i / 3 : i / 3);
        for (int k = 0; k < 500 && !strstr(get(admin, "/metrics"), result); k++)
            usleep(10000);
        if (i % 20 == 0)
            after[i / 20 - 1] = resident();
    }
    if (after[2] > after[0] + 8000000)
        printf("\nafter 20, 40 and 60 reloads: %ld, %ld, %ld octets\n", (long)after[0], (long)after[1], (long)after[2]);
#ifndef GBA_SANITIZED /* which keeps for a while what was freed */
    CU_ASSERT(after[0] > 0 && after[2] < after[0] + 8000000);
#endif
    kill(child, SIGTERM);
    CU_ASSERT_EQUAL(ended(), 0);
}

static void test_second_signal(void)
{
    up("{t.answer_ms: 5000, drain: 60s}\n");
    int fd = net_connect(port);
    net_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    usleep(200000);
    kill(child, SIGTERM);
    CU_ASSERT(wait_for("daemon.stopping"));
    kill(child, SIGTERM);
    CU_ASSERT(wait_for("daemon.drain_cut reason=\"a second signal\""));
    kill(child, SIGTERM);
    int code = ended();
    CU_ASSERT(code == -SIGTERM || code == 0);
    close(fd);
}

static void test_cannot_start(void)
{
    char yaml[64], want[256];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&a, n), 0);
    listen(fd, 1);
    getsockname(fd, (struct sockaddr *)&a, &n);
    snprintf(yaml, sizeof yaml, "t.listen: 127.0.0.1:%u\n", ntohs(a.sin_port));
    configure(yaml);
    CU_ASSERT_EQUAL(run("--config", config, NULL), 1);
    snprintf(want, sizeof want, "gba-test: cannot start: t: cannot listen on 127.0.0.1 port %u: Address already in use\n",
             ntohs(a.sin_port));
    CU_ASSERT_PTR_NOT_NULL(strstr(output(), want));
    close(fd);
}

static void test_hardened(void)
{
    char path[64], line[256];
    bool core = false;
    up("{}\n");
    snprintf(path, sizeof path, "/proc/%d/limits", (int)child);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        core = core || !strncmp(line, "Max core file size        0                    0 ", 49);
    if (f)
        fclose(f);
    CU_ASSERT(core);
    kill(child, SIGTERM);
    CU_ASSERT_EQUAL(ended(), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return daemon_main(&spec, argc, argv);
    self = argv[0]; /* and not /proc/self/exe, which under valgrind is valgrind */
    if (!mkdtemp(dir))
        return 1;
    snprintf(config, sizeof config, "%s/t.yaml", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("daemon", NULL, NULL);
    CU_add_test(s, "arguments", test_arguments);
    CU_add_test(s, "check", test_check);
    CU_add_test(s, "life", test_life);
    CU_add_test(s, "drain", test_drain);
    CU_add_test(s, "drain is over", test_drain_is_over);
    CU_add_test(s, "health listener", test_health_listener);
    CU_add_test(s, "reloads keep nothing", test_reloads_keep_nothing);
    CU_add_test(s, "second signal", test_second_signal);
    CU_add_test(s, "cannot start", test_cannot_start);
    CU_add_test(s, "hardened", test_hardened);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    unlink(config);
    unlink(out);
    rmdir(dir);
    return failed != 0;
}
