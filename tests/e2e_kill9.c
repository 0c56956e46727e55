/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2e_kill9.c - gba-bsfd as a process under load, killed by SIGKILL twenty times: no acknowledged
 * session is lost, no SQN is issued twice. Then once by SIGTERM, which lets every request finish.
 */
#include "config.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "libgba/bootinfo.h"
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

#define ROUNDS 20
#define THREADS 4
#define PER_THREAD 4
#define IMPIS (THREADS * PER_THREAD)
#define SQNS_MAX 400000

static struct {
    char dir[64], config[96];
    int port, admin;
    pid_t pid;
    atomic_bool stop;
} d;

static struct subscriber {
    kit_ue ue;
    char btid[GBA_ID_MAX + 1]; /* the last one acknowledged, "": none */
    bool in_flight;            /* an answer went out after it whose fate is not known */
    unsigned acknowledged, refused;
} sub[IMPIS];

static struct {
    uint64_t v[SQNS_MAX]; /* IMPI's number, SQN */
    _Atomic size_t n;
} sqns;

/* ---- the process ---- */

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || getsockname(fd, (struct sockaddr *)&a, &n))
        abort();
    close(fd);
    return ntohs(a.sin_port);
}

static int dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        abort();
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* One exchange on a kept-alive connection: status, 0 when the server is gone. *body points into in. */
static int exchange(int fd, const char *target, const char *authorization, char *in, size_t room, char **body)
{
    char out[4096];
    size_t have = 0, length = 0;
    char *end = NULL;
    int n = snprintf(out, sizeof out, "GET %s HTTP/1.1\r\nHost: bsf.example\r\n%s%s%s\r\n", target,
                     authorization ? "Authorization: " : "", authorization ? authorization : "", authorization ? "\r\n" : "");

    if (send(fd, out, (size_t)n, MSG_NOSIGNAL) != n)
        return 0;
    while (!end || have < (size_t)(end - in) + length) {
        ssize_t got = recv(fd, in + have, room - have - 1, 0);
        if (got <= 0)
            return 0;
        have += (size_t)got;
        in[have] = '\0';
        if (!end && (end = strstr(in, "\r\n\r\n"))) {
            const char *l = strcasestr(in, "\r\nContent-Length:");
            end += 4;
            length = l ? strtoul(l + 17, NULL, 10) : 0;
        }
    }
    *body = end;
    return atoi(in + 9);
}

static void start_daemon(void)
{
    char program[512], in[8192], *body;
    const char *top = getenv("top_builddir");

    snprintf(program, sizeof program, "%s/bsf/gba-bsfd", top ? top : ".");
    d.pid = fork();
    if (d.pid == 0) {
        if (!getenv("KIT_LOG") && !freopen("/dev/null", "w", stderr))
            _exit(126);
        execl(program, "gba-bsfd", "--config", d.config, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        int fd = dial(d.admin);
        if (fd >= 0) {
            int status = exchange(fd, "/readyz", NULL, in, sizeof in, &body);
            close(fd);
            if (status == 200)
                return;
        }
        usleep(20000);
    }
    CU_FAIL_FATAL("gba-bsfd did not become ready");
}

static int end_daemon(int sig)
{
    int status = 0;
    kill(d.pid, sig);
    CU_ASSERT_EQUAL(waitpid(d.pid, &status, 0), d.pid);
    return status;
}

/* ---- the clients ---- */

static void note_sqn(size_t i, kit_ue *u)
{
    const uint8_t zero[6] = {0}, amf[2] = {0};
    gba_aka_f f;
    uint64_t sqn = 0;
    size_t at = atomic_fetch_add(&sqns.n, 1);

    if (at >= SQNS_MAX || gba_aka_functions(&u->key, u->nonce.rand, zero, amf, &f) != GBA_OK)
        abort();
    for (int o = 0; o < 6; o++)
        sqn = sqn << 8 | (uint8_t)(u->nonce.autn[o] ^ f.ak[o]);
    sqns.v[at] = (uint64_t)i << 48 | sqn;
    gba_aka_f_wipe(&f);
}

static bool header_of(const char *message, const char *name, char *out, size_t n)
{
    char want[64];
    snprintf(want, sizeof want, "\r\n%s: ", name);
    const char *p = strcasestr(message, want), *end = p ? strstr(p + 2, "\r\n") : NULL;
    if (!end)
        return false;
    p += strlen(want);
    snprintf(out, n, "%.*s", (int)(end - p), p);
    return true;
}

/* False: the server is gone. */
static bool bootstrap_once(int fd, size_t i)
{
    struct subscriber *s = &sub[i];
    char buf[4096], in[16384], *body;
    kit_reply r = {0};
    gba_bootinfo info;
    int status;

    kit_initial(s->ue.username, buf, sizeof buf);
    status = exchange(fd, "/", buf, in, sizeof in, &body);
    if (status == 0)
        return false;
    if (status != 401 || !header_of(in, "WWW-Authenticate", r.www, sizeof r.www)) {
        s->refused++;
        return true;
    }
    gba_err e = kit_ue_challenge(&s->ue, &r);
    note_sqn(i, &s->ue);
    if (e != GBA_OK) { /* the card took it for old */
        s->refused++;
        return true;
    }
    kit_ue_answer(&s->ue, NULL, buf, sizeof buf);
    s->in_flight = true;
    status = exchange(fd, "/", buf, in, sizeof in, &body);
    if (status == 0)
        return false;
    s->in_flight = false;
    if (status != 200 || gba_bootinfo_parse(gba_str(body), &info) != GBA_OK) {
        s->refused++;
        return true;
    }
    snprintf(s->btid, sizeof s->btid, "%s", info.btid.s);
    s->acknowledged++;
    return true;
}

static void *client(void *p)
{
    size_t first = (size_t)(uintptr_t)p * PER_THREAD;
    int fd = dial(d.port);

    for (size_t i = 0; fd >= 0 && !atomic_load(&d.stop); i++)
        if (!bootstrap_once(fd, first + i % PER_THREAD))
            break;
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void load_and_end(unsigned ms, int sig, int *status)
{
    pthread_t t[THREADS];

    atomic_store(&d.stop, false);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, client, (void *)(uintptr_t)i))
            abort();
    usleep(ms * 1000);
    *status = end_daemon(sig);
    atomic_store(&d.stop, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

/* Every acknowledged session is there; one that an answer in flight superseded left its tombstone. */
static void check_sessions(kit *k)
{
    char url[128], key[128], why[256] = "";
    snprintf(url, sizeof url, "sqlite:%s/bsf.db", d.dir);
    snprintf(key, sizeof key, "%s/seal", d.dir);
    store_config c = {.url = url, .key_file = key};
    CU_ASSERT_EQUAL_FATAL(store_open(&c, &k->store, why, sizeof why), GBA_OK);
    for (size_t i = 0; i < IMPIS; i++) {
        store_record rec = {0};
        rec_session s;
        if (!sub[i].btid[0])
            continue;
        gba_err e = store_get(k->store, STORE_SESSION, gba_str(sub[i].btid), service_now(), &rec);
        CU_ASSERT_EQUAL(e, GBA_OK);
        if (e != GBA_OK)
            continue;
        CU_ASSERT_EQUAL(rec_session_read(gba_mem(rec.value, rec.n), &s), GBA_OK);
        CU_ASSERT_STRING_EQUAL(s.impi.s, sub[i].ue.username);
        CU_ASSERT_TRUE(!s.tombstone || sub[i].in_flight);
        if (s.tombstone)
            sub[i].btid[0] = '\0';
        sub[i].in_flight = false;
        rec_session_wipe(&s);
        store_record_free(&rec);
    }
    store_close(&k->store);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void prepare(kit *k)
{
    kit_open(k, NULL, false);
    service_now_ms_hook = NULL;
    kit_now_ms = service_now_ms();
    for (size_t i = 0; i < IMPIS; i++) {
        char impi[64];
        snprintf(impi, sizeof impi, "user%zu@home1.net", i);
        kit_subscriber(k, impi, KIT_K, KIT_OPC, "0000", 0);
        kit_ue_new(&sub[i].ue, impi, KIT_K, KIT_OPC, 0);
    }
    snprintf(d.dir, sizeof d.dir, "%s", k->dir);
    snprintf(d.config, sizeof d.config, "%s/bsf.yaml", d.dir);
    d.port = free_port();
    do
        d.admin = free_port();
    while (d.admin == d.port);
    FILE *f = fopen(d.config, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fprintf(f,
            "bsf:\n  domain: %s\nub:\n  listen: 127.0.0.1:%d\nadmin:\n  listen: 127.0.0.1:%d\nstore:\n  url: sqlite:bsf.db\n"
            "seal:\n  key_file: seal\nlimits:\n  exempt: [127.0.0.0/8]\n  impi_challenges: 1000000\nlog:\n  level: warn\n",
            KIT_DOMAIN, d.port, d.admin);
    fclose(f);
    kit_close(k, true);
}

static void killed(void)
{
    kit k = {0};
    unsigned acknowledged = 0, refused = 0;
    size_t twice = 0, n;
    int status;

    prepare(&k);
    for (unsigned round = 0; round < ROUNDS; round++) {
        start_daemon();
        load_and_end(150 + round * 23 % 200, SIGKILL, &status);
        CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_sessions(&k);
    }
    start_daemon();
    load_and_end(200, SIGTERM, &status);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check_sessions(&k);

    for (size_t i = 0; i < IMPIS; i++) {
        acknowledged += sub[i].acknowledged;
        refused += sub[i].refused;
        kit_ue_free(&sub[i].ue);
    }
    n = sqns.n;
    qsort(sqns.v, n, sizeof sqns.v[0], by_value);
    for (size_t i = 1; i < n; i++)
        twice += sqns.v[i] == sqns.v[i - 1];
    printf("%d rounds, %zu challenges, %u sessions acknowledged, %u requests refused, %zu SQNs twice ... ", ROUNDS, n,
           acknowledged, refused, twice);
    CU_ASSERT_EQUAL(twice, 0);
    CU_ASSERT_EQUAL(refused, 0);
    CU_ASSERT_TRUE(acknowledged > 100);
    kit_remove(&k);
}

T_MAIN("e2e_kill9", {"kill -9 under load", killed})
