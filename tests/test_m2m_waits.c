/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_m2m_waits.c - m2m-gate and m2m-mafd as processes while MAF, MEF and BSF are dead: handshakes that wait for a
 * key hold up nobody else, are no more than the server's share of the cap, and end by their deadline. The dead server is a
 * listener of this program that takes connections and never says a word.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include "onem2m-binding/names.h"
#include "onem2m-binding/peer.h"
#include "service/http.h"
#include "service/log.h"
#include "tests/service_net.h"
#include "tests/t_main.h"

#define WAITERS 20
#define ATTEMPTS 6
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NAME "cse1.sp.example.com" /* of the gate and of the MAF: one certificate */

static char dir[] = "/tmp/m2m-waits-XXXXXX";
static http_server *cse;
static _Atomic(http_req *) slow_one;

/* ---- small tools ---- */
static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *fmt, ...)
{
    char command[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    if (system(command) != 0) {
        printf("failed: %s\n", command);
        exit(99);
    }
}

static const char *top(void)
{
    const char *t = getenv("top_builddir");
    return t ? t : ".";
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void on_request(http_req *r, void *ctx)
{
    static const http_field f = {M2M_H_RSC, "2000"};
    (void)ctx;
    if (!strcmp(http_target(r), "/cse1/slow")) { /* answered when the test says so */
        atomic_store(&slow_one, r);
        return;
    }
    http_reply(r, 200, &f, 1, gba_str("{}"));
}

/* ---- the dead server ---- */
static int dead_fd;
static uint16_t dead_port;
static atomic_uint held;
static atomic_bool letting_go;

static void *hold(void *arg)
{
    int fd[4 * WAITERS], n = 0;
    (void)arg;
    for (;;) {
        struct pollfd p = {.fd = dead_fd, .events = POLLIN};
        if (poll(&p, 1, 20) < 0)
            return NULL;
        int c = p.revents ? accept(dead_fd, NULL, NULL) : -1;
        if (c >= 0 && n < 4 * WAITERS)
            fd[n++] = c;
        else if (c >= 0)
            close(c);
        while (atomic_load(&letting_go) && n)
            close(fd[--n]);
        atomic_store(&held, (unsigned)n);
    }
}

static void open_dead(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    pthread_t t;
    dead_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(dead_fd, (struct sockaddr *)&a, sizeof a) || listen(dead_fd, 128) ||
        getsockname(dead_fd, (struct sockaddr *)&a, &n) || pthread_create(&t, NULL, hold, NULL))
        exit(99);
    dead_port = ntohs(a.sin_port);
    pthread_detach(t);
}

static bool holds(unsigned n)
{
    for (int i = 0; i < 3000 && atomic_load(&held) != n; i++)
        nap();
    return atomic_load(&held) == n;
}

/* ---- the server that waits for it ---- */
typedef struct program {
    pid_t pid;
    uint16_t port;
    char log[256];
} program;

static bool logged(const program *p, const char *what, char line[512])
{
    FILE *f = fopen(p->log, "r");
    bool found = false;
    while (f && !found && fgets(line, 512, f))
        found = strstr(line, what) != NULL;
    if (f)
        fclose(f);
    return found;
}

static void begin(program *p, const char *name, const char *listening)
{
    char path[512], config[300], line[512];
    snprintf(path, sizeof path, "%s/onem2m-binding/%s", top(), name);
    snprintf(config, sizeof config, "%s/%s.yaml", dir, name);
    snprintf(p->log, sizeof p->log, "%s/%s.log", dir, name);
    (void)unlink(p->log); /* of the one before */
    p->pid = fork();
    if (p->pid == 0) {
        int fd = open(p->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, 2);
        execl(path, path, "--config", config, (char *)NULL);
        _exit(99);
    }
    for (int i = 0; i < 3000 && !logged(p, listening, line); i++)
        nap();
    const char *at = logged(p, listening, line) ? strstr(line, "port=") : NULL;
    if (!at) {
        printf("%s does not start\n", name);
        exit(99);
    }
    p->port = (uint16_t)strtoul(at + 5, NULL, 10);
}

static void end(program *p)
{
    int status = -1;
    kill(p->pid, SIGTERM);
    CU_ASSERT_EQUAL(waitpid(p->pid, &status, 0), p->pid);
    CU_ASSERT_EQUAL(status, 0);
}

static FILE *config(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s.yaml", dir, name);
    FILE *f = fopen(path, "w");
    if (!f)
        exit(99);
    return f;
}

static void ctl(const char *tool, const char *of, const char *rest)
{
    run("'%s/onem2m-binding/%s' --config '%s/%s.yaml' %s >/dev/null", top(), tool, dir, of, rest);
}

static void begin_gate(program *p, unsigned wait_ms)
{
    FILE *f = config("m2m-gate");
    run("rm -f '%s'/gate.db* '%s'/gate.seal", dir, dir);
    fprintf(f, "listen: 127.0.0.1:0\ncse_id: //sp.example.com/cse1\ncert: crt.pem\nkey: key.pem\nca: crt.pem\n"
               "upstream: http://127.0.0.1:%u\nstore: {url: \"sqlite:gate.db\"}\nseal: {key_file: gate.seal}\n"
               "admin: {listen: \"127.0.0.1:0\"}\ndrain: 1s\nlimits: {upstream_ms: 600000}\nkeys: {wait_ms: %u, waiting: %d, unknown_per_source: 100000}\n"
               "bsf: [{domain: bsf.example.com, zn_url: \"https://127.0.0.1:%u\"}]\n"
               "maf: [{fqdn: maf.example.com, url: \"https://127.0.0.1:%u\", psk_id: g@maf.example.com, psk_file: kpsa}]\n"
               "mef: [{fqdn: mef.example.com, url: \"https://127.0.0.1:%u\", psk_id: g@mef.example.com, psk_file: kpsa}]\n",
            http_server_port(cse), wait_ms, 3 * WAITERS, dead_port, dead_port, dead_port);
    fclose(f);
    ctl("m2m-gatectl", "m2m-gate", "seal create-key");
    char rest[400];
    snprintf(rest, sizeof rest, "credential add --kpsa-id warm@sp.example.com --key-file '%s/kpsa' --ae-id //sp.example.com/cse1/Cwarm", dir);
    ctl("m2m-gatectl", "m2m-gate", rest);
    begin(p, "m2m-gate", "gate.listening");
}

static void begin_maf(program *p)
{
    FILE *f = config("m2m-mafd");
    run("rm -f '%s'/maf.db*; printf 'k1 %s\\n' >'%s/maf.seal'; chmod 600 '%s/maf.seal'", dir, KEY, dir, dir);
    fprintf(f, "maf: {fqdn: " NAME ", listen: \"127.0.0.1:0\", cert: crt.pem, key: key.pem}\n"
               "store: {url: \"sqlite:maf.db\"}\nseal: {key_file: maf.seal}\nadmin: {listen: \"127.0.0.1:0\"}\n"
               "limits: {fetch_timeout: 60s, fetches: %d, unknown_per_source: 100000}\nzn: {ca: crt.pem, cert: crt.pem, key: key.pem}\n"
               "bsfs: [{domain: bsf.example.com, url: \"https://127.0.0.1:%u\"}]\n"
               "mefs: [{fqdn: mef.example.com, address: \"127.0.0.1:%u\", psk_id: m@mef.example.com, psk_file: kpsa}]\n",
            2 * WAITERS, dead_port, dead_port);
    fclose(f);
    char rest[400];
    snprintf(rest, sizeof rest, "credential add --ae-id //sp.example.com/cse1/Cwarm --km-id warm@" NAME " --key-file '%s/kpsa'", dir);
    ctl("m2m-mafctl", "m2m-mafd", rest);
    begin(p, "m2m-mafd", "listening on=maf");
}

/* ---- clients ---- */
static gba_err dial(const program *p, const char *identity, m2m_peer **out)
{
    gba_secret key = {.n = sizeof key.o};
    char why[256];
    if (gba_hex_decode(gba_str(KEY), key.o, &key.n) != GBA_OK)
        abort();
    const m2m_peer_config c = {.host = "127.0.0.1", .port = p->port, .sni = NAME, .psk_identity = gba_str(identity), .psk = &key,
                               .connect_ms = 120000, .total_ms = 120000};
    return m2m_peer_open(&c, out, why, sizeof why);
}

static bool ask(m2m_peer *p, bool maf)
{
    const m2m_field f[] = {{M2M_H_ORIGIN, maf ? "//sp.example.com/cse1/Cwarm" : "Cwarm"}, {M2M_H_RI, "r"}, {M2M_H_RVI, M2M_RVI}};
    m2m_answer a;
    if (m2m_peer_request(p, "GET", maf ? "/MAFBase" : "/cse1", f, 3, (gba_span){0}, &a) != GBA_OK)
        return false;
    bool good = a.status == 200;
    m2m_answer_free(&a);
    return good;
}

static bool visit(const program *p, const char *identity, bool maf)
{
    m2m_peer *peer = NULL;
    bool good = dial(p, identity, &peer) == GBA_OK && ask(peer, maf);
    m2m_peer_close(&peer);
    return good;
}

typedef struct waiter {
    const program *to;
    char identity[128];
    pthread_t thread;
    gba_err e;
} waiter;

static void *wait_for_key(void *arg)
{
    waiter *w = arg;
    m2m_peer *p = NULL;
    w->e = dial(w->to, w->identity, &p);
    m2m_peer_close(&p);
    return NULL;
}

static void identity(const char *form, char out[128])
{
    static unsigned n;
    char hex[33];
    snprintf(hex, sizeof hex, "%032X", ++n);
    snprintf(out, 128, "%s@%s.example.com", hex, form);
}

static void start_waiters(waiter w[WAITERS], const program *p, const char *form)
{
    atomic_store(&letting_go, false);
    for (int i = 0; i < WAITERS; i++) {
        w[i].to = p;
        identity(form, w[i].identity);
        pthread_create(&w[i].thread, NULL, wait_for_key, &w[i]);
    }
}

static void join_waiters(waiter w[WAITERS])
{
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(w[i].thread, NULL);
        CU_ASSERT_NOT_EQUAL(w[i].e, GBA_OK);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ms of new connections with a warm key, and of requests on one that stands. */
static double p99(const program *p, m2m_peer *open, const char *warm, bool maf)
{
    enum { N = 200 };
    static double ms[N];
    for (int i = 0; i < N; i++) {
        double t = now_ms();
        CU_ASSERT(i % 2 ? ask(open, maf) : visit(p, warm, maf));
        ms[i] = now_ms() - t;
    }
    qsort(ms, N, sizeof *ms, by_value);
    return ms[N * 99 / 100];
}

/* 20 handshakes wait for the dead server: warm ones do not feel it, and the 21st is turned away. */
static void stall(const program *p, bool maf, const char *form)
{
    static waiter w[WAITERS], over;
    const char *warm = maf ? "warm@" NAME : "warm@sp.example.com";
    m2m_peer *open = NULL;
    double calm = 0, busy = 0;
    bool good = false;

    CU_ASSERT_EQUAL_FATAL(dial(p, warm, &open), GBA_OK);
    for (int i = 0; i < ATTEMPTS && !good; i++) { /* a busy machine may disturb either of them */
        calm = p99(p, open, warm, maf);
        start_waiters(w, p, form);
        CU_ASSERT(holds(WAITERS));
        busy = p99(p, open, warm, maf);
        over = (waiter){.to = p};
        identity(form, over.identity);
        wait_for_key(&over);
        CU_ASSERT_NOT_EQUAL(over.e, GBA_OK);
        CU_ASSERT_EQUAL(atomic_load(&held), WAITERS); /* all the while */
        atomic_store(&letting_go, true);
        join_waiters(w);
        CU_ASSERT(holds(0));
        good = busy <= 2 * calm;
    }
    printf(" %s: p99 %.1f ms undisturbed, %.1f ms with %d handshakes waiting;", form, calm, busy, WAITERS);
    CU_ASSERT(good);
    m2m_peer_close(&open);
}

/* A dead server's share is full: the handshakes of another still get theirs, all of it. */
static void shares(const program *p, const char *const forms[], unsigned n)
{
    static waiter w[3][WAITERS], over;
    for (unsigned i = 0; i < n; i++) {
        start_waiters(w[i], p, forms[i]);
        CU_ASSERT(holds((i + 1) * WAITERS));
        over = (waiter){.to = p};
        identity(forms[i], over.identity);
        wait_for_key(&over);
        CU_ASSERT_NOT_EQUAL(over.e, GBA_OK);
        CU_ASSERT_EQUAL(atomic_load(&held), (i + 1) * WAITERS);
    }
    atomic_store(&letting_go, true);
    for (unsigned i = 0; i < n; i++)
        join_waiters(w[i]);
    CU_ASSERT(holds(0));
}

static void gate_waits(void)
{
    program p;
    char line[512];
    begin_gate(&p, 60000);
    stall(&p, false, "maf");
    stall(&p, false, "mef");
    stall(&p, false, "bsf");
    shares(&p, (const char *const[]){"maf", "mef", "bsf"}, 3);
    CU_ASSERT(logged(&p, "why=too_many_queries", line));
    CU_ASSERT(logged(&p, "why=server_broken", line) || logged(&p, "why=server_unreachable", line));
    end(&p);
}

static void maf_waits(void)
{
    program p;
    char line[512];
    begin_maf(&p);
    stall(&p, true, "mef");
    stall(&p, true, "bsf");
    shares(&p, (const char *const[]){"bsf", "mef"}, 2);
    CU_ASSERT(logged(&p, "reason=busy", line));
    end(&p);
}

/* Nobody lets go: the gate does. */
static void deadline(void)
{
    static const char *const forms[] = {"maf", "mef", "bsf"};
    static waiter w[WAITERS];
    program p;
    char line[512];
    begin_gate(&p, 900);
    for (size_t i = 0; i < 3; i++) {
        start_waiters(w, &p, forms[i]);
        join_waiters(w);
        CU_ASSERT(visit(&p, "warm@sp.example.com", false));
        atomic_store(&letting_go, true);
        CU_ASSERT(holds(0));
    }
    CU_ASSERT(logged(&p, "SAEF 3", line) && strstr(line, "why=server_timeout"));
    CU_ASSERT(logged(&p, "SAEF 4", line) && strstr(line, "gate.handshake_refused"));
    end(&p);
}

static void *slow_request(void *arg)
{
    waiter *w = arg;
    m2m_peer *p = NULL;
    m2m_answer a;
    const m2m_field f[] = {{M2M_H_ORIGIN, "Cwarm"}, {M2M_H_RI, "r"}, {M2M_H_RVI, M2M_RVI}};
    w->e = dial(w->to, "warm@sp.example.com", &p);
    if (w->e == GBA_OK && m2m_peer_request(p, "GET", "/cse1/slow", f, 3, (gba_span){0}, &a) == GBA_OK) {
        w->e = a.status == 504 ? GBA_OK : GBA_E_IO;
        m2m_answer_free(&a);
    }
    m2m_peer_close(&p);
    return NULL;
}

/* While handshakes wait, for a minute if it were for them, and a request for ten, each ends as it is told to. */
static void ends(void)
{
    static waiter w[3][WAITERS];
    static const char *const forms[] = {"maf", "mef", "bsf"};
    waiter slow;
    program p;
    begin_gate(&p, 60000);
    slow = (waiter){.to = &p};
    pthread_create(&slow.thread, NULL, slow_request, &slow);
    for (int i = 0; i < 3000 && !atomic_load(&slow_one); i++)
        nap();
    CU_ASSERT_PTR_NOT_NULL(atomic_load(&slow_one));
    for (int i = 0; i < 3; i++)
        start_waiters(w[i], &p, forms[i]);
    CU_ASSERT(holds(3 * WAITERS));
    double t = now_ms();
    end(&p);
    t = now_ms() - t;
    printf(" gate: %.1f s with a drain of 1 s;", t / 1e3);
    CU_ASSERT(t < 30e3);
    for (int i = 0; i < 3; i++)
        join_waiters(w[i]);
    pthread_join(slow.thread, NULL);
    http_reply(atomic_load(&slow_one), 200, NULL, 0, (gba_span){0});
    atomic_store(&letting_go, true);
    CU_ASSERT(holds(0));
    begin_maf(&p);
    start_waiters(w[0], &p, "mef");
    start_waiters(w[1], &p, "bsf");
    CU_ASSERT(holds(2 * WAITERS));
    t = now_ms();
    end(&p);
    t = now_ms() - t;
    printf(" MAF: %.1f s;", t / 1e3);
    CU_ASSERT(t < 30e3);
    join_waiters(w[0]);
    join_waiters(w[1]);
    atomic_store(&letting_go, true);
    CU_ASSERT(holds(0));
}

int main(void)
{
    static const t_case cases[] = {{"the gate waits for a dead MAF, MEF, BSF", gate_waits},
                                   {"the MAF waits for a dead MEF, BSF", maf_waits},
                                   {"the deadline", deadline}, {"the end", ends}};
    const http_config c = {.name = "cse", .address = "127.0.0.1", .handler = on_request};
    char why[256];

    setvbuf(stdout, NULL, _IONBF, 0);
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(dir) || http_server_start(&c, &cse, why, sizeof why) != GBA_OK)
        return 99;
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=x -addext subjectAltName=DNS:" NAME
        " -keyout '%s/key.pem' -out '%s/crt.pem' 2>/dev/null; echo %s >'%s/kpsa'", dir, dir, KEY, dir);
    open_dead();
    int rc = t_run("m2m waits", cases, sizeof cases / sizeof *cases);
    http_server_stop(&cse, 1000);
    run("rm -r '%s'", dir);
    return rc;
}
