/* SPDX-License-Identifier: Apache-2.0 */
/* PSK beside certificates on one TLS port: GnuTLS, openssl and curl as foreign clients. */
#include <CUnit/Basic.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include "service/daemon.h"
#include "service/http.h"
#include "service/log.h"
#include "tests/service_net.h"

#define OURS "3GPP-bootstrapping"
#define P12 "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"
#define P13 "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK"
#define CERT12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define CERT13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define WAITERS 20
#define LONG 120     /* s: where no time is measured, none is short on a busy machine */
#define ATTEMPTS 10  /* of what is measured: noise comes and goes, a fault stays */
static const char good_hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char bad_hex[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/* ---- the server ---- */
typedef struct who {
    atomic_uint refs;
    char name[64];
} who;
static char dir[] = "/tmp/psk.XXXXXX", crt[64], key_file[64];
static bool defers; /* handshakes share threads, and who waits for a key waits elsewhere */
static tls_server *tls;
static http_server *server;
static int waiting;
static bool released;
static atomic_int asked, failed, who_count, errands;
static atomic_bool revoked;
static uint16_t seen_suite;
static char seen_sni[256];
static pthread_mutex_t slow_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t slow_cond = PTHREAD_COND_INITIALIZER; /* of waiting and released */

static void who_free(void *p)
{
    who *w = p;
    if (atomic_fetch_sub(&w->refs, 1) == 1) {
        atomic_fetch_sub(&who_count, 1);
        free(w);
    }
}

static void *who_ref(void *p)
{
    atomic_fetch_add(&((who *)p)->refs, 1);
    return p;
}

static bool alive(void *ctx, void *p)
{
    (void)ctx, (void)p;
    return !atomic_load(&revoked);
}

static void on_failed(void *ctx, void *p)
{
    (void)ctx, (void)p;
    atomic_fetch_add(&failed, 1);
}

static bool ours(void *ctx, gba_span id)
{
    (void)ctx;
    return id.n >= sizeof OURS - 1 && !memcmp(id.p, OURS, sizeof OURS - 1);
}

/* ---- a key that does not come ---- */
static void slow_wait(void)
{
    pthread_mutex_lock(&slow_lock);
    waiting++;
    pthread_cond_broadcast(&slow_cond);
    while (!released)
        pthread_cond_wait(&slow_cond, &slow_lock);
    waiting--;
    pthread_cond_broadcast(&slow_cond);
    pthread_mutex_unlock(&slow_lock);
}

static void slow_release(bool now)
{
    pthread_mutex_lock(&slow_lock);
    released = now;
    pthread_cond_broadcast(&slow_cond);
    pthread_mutex_unlock(&slow_lock);
}

static int slow_waiting(void)
{
    pthread_mutex_lock(&slow_lock);
    int n = waiting;
    pthread_mutex_unlock(&slow_lock);
    return n;
}

/* Until that many wait, at most LONG. */
static bool slow_until(int n)
{
    struct timespec t;
    int r = 0;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += LONG;
    pthread_mutex_lock(&slow_lock);
    while (waiting != n && !r)
        r = pthread_cond_timedwait(&slow_cond, &slow_lock, &t);
    bool good = waiting == n;
    pthread_mutex_unlock(&slow_lock);
    return good;
}

static gba_err good_key(const char *name, size_t n, gba_secret *key, void **out)
{
    size_t room = sizeof key->o;
    who *w = calloc(1, sizeof *w);
    atomic_init(&w->refs, 1);
    atomic_fetch_add(&who_count, 1);
    memcpy(w->name, name, n);
    *out = w;
    CU_ASSERT_EQUAL(gba_hex_decode(gba_str(good_hex), key->o, &room), GBA_OK);
    key->n = room;
    return GBA_OK;
}

/* "slow...": none, once it is released; "late...": a little later. */
static gba_err wait_for(const char *name, size_t n, gba_secret *key, void **out)
{
    if (!memcmp(name, "slow", 4)) {
        slow_wait();
        return memchr(name, '!', n) ? good_key(name, n, key, out) : GBA_E_BUSY;
    }
    usleep(20000);
    return good_key(name, n, key, out);
}

typedef struct errand {
    tls_later *later;
    size_t n;
    char name[64];
} errand;

static void *run_errand(void *arg)
{
    errand *x = arg;
    gba_secret key = {0};
    void *w = NULL;
    gba_err e = wait_for(x->name, x->n, &key, &w);
    tls_later_answer(x->later, e, &key, w);
    free(x);
    atomic_fetch_sub(&errands, 1);
    return NULL;
}

static gba_err send_for(const char *name, size_t n, const tls_psk_query *q)
{
    pthread_t t;
    errand *x = calloc(1, sizeof *x);
    x->later = tls_later_new(q);
    if (!x->later) {
        free(x);
        return GBA_E_UNKNOWN;
    }
    x->n = n;
    memcpy(x->name, name, n);
    atomic_fetch_add(&errands, 1);
    if (pthread_create(&t, NULL, run_errand, x))
        abort();
    pthread_detach(t);
    return GBA_E_BUSY;
}

static gba_err find_key(void *ctx, const tls_psk_query *q, gba_secret *key, void **out)
{
    size_t prefix = sizeof OURS; /* with the ';' */
    (void)ctx;
    atomic_fetch_add(&asked, 1);
    if (q->identity.n <= prefix || q->identity.n - prefix >= sizeof((who *)0)->name)
        return GBA_E_UNKNOWN;
    const char *name = (const char *)q->identity.p + prefix;
    size_t n = q->identity.n - prefix;
    if (n < 4 || memchr(name, 0, n))
        return GBA_E_UNKNOWN;
    pthread_mutex_lock(&slow_lock);
    seen_suite = q->suite;
    snprintf(seen_sni, sizeof seen_sni, "%.*s", (int)q->sni.n, q->sni.n ? (const char *)q->sni.p : "");
    pthread_mutex_unlock(&slow_lock);
    if (!memcmp(name, "slow", 4) || !memcmp(name, "late", 4))
        return defers ? send_for(name, n, q) : wait_for(name, n, key, out);
    return memcmp(name, "good", 4) ? GBA_E_UNKNOWN : good_key(name, n, key, out);
}

static void *answer_later(void *r)
{
    usleep(50000);
    http_reply(r, 200, NULL, 0, gba_str("later"));
    return NULL;
}

static void on_request(http_req *r, void *ctx)
{
    char text[256], hex[65] = "";
    uint8_t out[32];
    pthread_t t;
    (void)ctx;
    if (!strcmp(http_target(r), "/later")) {
        pthread_create(&t, NULL, answer_later, r);
        pthread_detach(t);
        return;
    }
    const who *w = http_tls_who(r);
    gba_err e = tls_session_export(http_tls_session(r), "EXPORTER-opengba-test", out, sizeof out);
    if (e == GBA_OK)
        gba_hex_encode(out, sizeof out, hex);
    snprintf(text, sizeof text, "%s tls%d %04x %s%s", w ? w->name : "-", (int)http_transport(r), http_tls_suite(r),
             gba_err_name(e), hex);
    http_reply(r, 200, NULL, 0, gba_str(text));
}

static void begin(unsigned idle, const char *more)
{
    char why[256] = "", priority[512];
    snprintf(priority, sizeof priority, "%s%s", tls_psk_priority, more ? more : "");
    tls_server_config c = {.cert_file = crt, .key_file = key_file, .priority = priority, .psk = find_key, .psk_defers = defers,
                           .psk_who_free = who_free, .psk_ours = ours, .psk_hint = OURS, .psk_failed = on_failed,
                           .psk_who_ref = who_ref, .psk_alive = alive};
    gba_err e = tls_server_new(&c, &tls, why, sizeof why);
    if (e != GBA_OK)
        printf("%s\n", why);
    CU_ASSERT_EQUAL_FATAL(e, GBA_OK);
    http_config h = {.name = "psk", .address = "127.0.0.1", .tls = tls, .idle_s = idle, .handler = on_request};
    CU_ASSERT_EQUAL_FATAL(http_server_start(&h, &server, why, sizeof why), GBA_OK);
    atomic_store(&revoked, false);
    slow_release(false);
}

static void end(void)
{
    http_server_stop(&server, 1000);
    tls_server_free(&tls);
    for (int i = 0; atomic_load(&errands) && i < LONG * 100; i++)
        usleep(10000);
    CU_ASSERT_EQUAL(atomic_load(&who_count), 0);
}

/* ---- the GnuTLS client ---- */
typedef struct client {
    int fd;
    gnutls_session_t s;
    gnutls_certificate_credentials_t cert;
    gnutls_psk_client_credentials_t psk;
    size_t piece;       /* what is sent in the clear goes in records of this many octets; 0: as it is */
    bool sealed;        /* behind ChangeCipherSpec */
    uint8_t wire[8192]; /* what the server sent */
    size_t wire_n;
} client;

static ssize_t pull(gnutls_transport_ptr_t p, void *buf, size_t n)
{
    client *c = p;
    ssize_t r = recv(c->fd, buf, n, 0);
    for (ssize_t i = 0; i < r && c->wire_n < sizeof c->wire; i++)
        c->wire[c->wire_n++] = ((uint8_t *)buf)[i];
    return r;
}

/* RFC 5246 6.2.1: a message may be spread over records, and they over segments. */
static void send_pieces(client *c, const uint8_t *rec, size_t n)
{
    char out[5 + 256];
    for (size_t at = 5; at < n; at += c->piece) {
        size_t len = n - at < c->piece ? n - at : c->piece;
        memcpy(out, rec, 3);
        out[3] = 0;
        out[4] = (char)len;
        memcpy(out + 5, rec + at, len);
        net_send(c->fd, out, 3);
        usleep(1000);
        net_send(c->fd, out + 3, 2 + len);
    }
}

static ssize_t push(gnutls_transport_ptr_t p, const void *buf, size_t n)
{
    client *c = p;
    const uint8_t *b = buf;
    if (!c->piece)
        return send(c->fd, buf, n, MSG_NOSIGNAL);
    for (size_t at = 0; at + 5 <= n;) {
        size_t rec = 5 + ((size_t)b[at + 3] << 8 | b[at + 4]);
        c->sealed = c->sealed || b[at] == 20;
        if (b[at] == 22 && !c->sealed && rec <= n - at)
            send_pieces(c, b + at, rec);
        else
            net_send(c->fd, (const char *)b + at, rec <= n - at ? rec : n - at);
        at += rec;
    }
    return (ssize_t)n;
}

static int pull_timeout(gnutls_transport_ptr_t p, unsigned ms)
{
    struct pollfd f = {.fd = ((client *)p)->fd, .events = POLLIN};
    return poll(&f, 1, (int)ms);
}

/* identity.n == 0: no PSK. */
static void dial(client *c, const char *priority, gba_span identity, const char *hex, const gnutls_datum_t *resume)
{
    gnutls_datum_t id = {(unsigned char *)(uintptr_t)identity.p, (unsigned)identity.n};
    gnutls_datum_t k = {(unsigned char *)(uintptr_t)hex, (unsigned)strlen(hex)};
    *c = (client){.fd = net_connect(http_server_port(server))};
    gnutls_certificate_allocate_credentials(&c->cert);
    gnutls_psk_allocate_client_credentials(&c->psk);
    gnutls_init(&c->s, GNUTLS_CLIENT);
    CU_ASSERT_EQUAL(gnutls_priority_set_direct(c->s, priority, NULL), 0);
    gnutls_credentials_set(c->s, GNUTLS_CRD_CERTIFICATE, c->cert);
    if (identity.n) {
        CU_ASSERT_EQUAL(gnutls_psk_set_client_credentials2(c->psk, &id, &k, GNUTLS_PSK_KEY_HEX), 0);
        gnutls_credentials_set(c->s, GNUTLS_CRD_PSK, c->psk);
    }
    gnutls_server_name_set(c->s, GNUTLS_NAME_DNS, "naf.test", 8);
    gnutls_transport_set_ptr(c->s, c);
    gnutls_transport_set_pull_function(c->s, pull);
    gnutls_transport_set_push_function(c->s, push);
    gnutls_transport_set_pull_timeout_function(c->s, pull_timeout);
    gnutls_handshake_set_timeout(c->s, 2 * LONG * 1000);
    if (resume)
        gnutls_session_set_data(c->s, resume->data, resume->size);
}

static int shake(client *c)
{
    int r;
    do
        r = gnutls_handshake(c->s);
    while (r < 0 && !gnutls_error_is_fatal(r));
    return r;
}

static int handshake(client *c, const char *priority, const char *identity, const char *hex, const gnutls_datum_t *resume)
{
    dial(c, priority, gba_str(identity), hex, resume);
    return shake(c);
}

/* The body of the answer to GET. */
static const char *get(client *c, const char *target)
{
    static char b[4096];
    char q[128];
    size_t n = 0;
    int len = snprintf(q, sizeof q, "GET %s HTTP/1.1\r\nHost: naf.test\r\n\r\n", target);
    b[0] = 0;
    if (gnutls_record_send(c->s, q, (size_t)len) < 0)
        return "";
    gnutls_record_set_timeout(c->s, LONG * 1000);
    for (;;) {
        const char *body = strstr(b, "\r\n\r\n"), *length = strstr(b, "Content-Length: ");
        if (body && length && strlen(body + 4) >= (size_t)strtoul(length + 16, NULL, 10))
            return body + 4;
        ssize_t r = gnutls_record_recv(c->s, b + n, sizeof b - 1 - n);
        if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
            continue;
        if (r <= 0)
            return ""; /* late, or closed */
        n += (size_t)r;
        b[n] = 0;
    }
}

static void bye(client *c)
{
    gnutls_deinit(c->s);
    gnutls_certificate_free_credentials(c->cert);
    gnutls_psk_free_client_credentials(c->psk);
    close(c->fd);
}

static const char *visit(const char *priority, const char *identity, const char *hex)
{
    static char text[256];
    client c;
    text[0] = 0;
    if (handshake(&c, priority, identity, hex, NULL) == 0)
        snprintf(text, sizeof text, "%s", get(&c, "/"));
    bye(&c);
    return text;
}

#define BEGINS(text, with) check_begins(text, with, __LINE__)
static void check_begins(const char *text, const char *with, int line)
{
    bool good = !strncmp(text, with, strlen(with));
    if (!good)
        printf("\n  line %d: want '%s', got '%s'", line, with, text);
    CU_ASSERT(good);
}

/* ---- suites ---- */
static void test_suites(void)
{
    static const struct {
        const char *priority, *want;
        uint16_t suite; /* told to the PSK function */
    } rows[] = {
        {P12 ":-CIPHER-ALL:+CHACHA20-POLY1305", "good tls1 ccac ok", 0xccac},
        {P12 ":-CIPHER-ALL:+AES-128-CBC:+SHA256", "good tls1 c037 ok", 0xc037},
        {P13 ":-CIPHER-ALL:+AES-128-GCM", "good tls2 1301 ok", 0},
        {P13 ":-CIPHER-ALL:+CHACHA20-POLY1305", "good tls2 1303 ok", 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK", "", 0},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK", "", 0},
    };
    begin(LONG, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seen_suite = 0xffff;
        seen_sni[0] = 0;
        const char *got = visit(rows[i].priority, OURS ";good", good_hex);
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) || (!*rows[i].want && *got))
            printf("\n  row %zu: %s", i, got);
        CU_ASSERT(*rows[i].want ? !strncmp(got, rows[i].want, strlen(rows[i].want)) : !*got);
        if (*rows[i].want) {
            CU_ASSERT_EQUAL(seen_suite, rows[i].suite);
            CU_ASSERT_STRING_EQUAL(seen_sni, "naf.test");
        }
    }
    BEGINS(visit("NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+PSK", OURS ";good", good_hex), "- tls2"); /* psk_ke: not offered */
    BEGINS(visit(CERT12, "", good_hex), "- tls1 c02");
    BEGINS(visit(CERT13, "", good_hex), "- tls2 130");
    BEGINS(visit("NORMAL:+ECDHE-PSK", OURS ";good", good_hex), "good tls2");
    end();
    begin(LONG, ":+PSK:+DHE-PSK:+SHA1:+GROUP-FFDHE2048");
    BEGINS(visit("NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-GCM", OURS ";good", good_hex), "good tls1 00a8");
    BEGINS(visit("NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA1", OURS ";good", good_hex),
           "good tls1 008c");
    BEGINS(visit("NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK:-CIPHER-ALL:+AES-128-GCM", OURS ";good", good_hex),
           "good tls1 00aa");
    end();
}

/* ---- what a stranger sees ---- */
/* Record types, lengths and open alerts in their order; random octets are left out. */
static void outline(const client *c, char *out, size_t room)
{
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i + 5 <= c->wire_n && n + 40 < room;) {
        size_t len = (size_t)c->wire[i + 3] << 8 | c->wire[i + 4];
        n += (size_t)snprintf(out + n, room - n, "%u:%zu", c->wire[i], len);
        if (c->wire[i] == 21 && len == 2 && i + 7 <= c->wire_n)
            n += (size_t)snprintf(out + n, room - n, "(%u,%u)", c->wire[i + 5], c->wire[i + 6]);
        n += (size_t)snprintf(out + n, room - n, " ");
        i += 5 + len;
    }
}

/* An ECDSA signature differs in length by itself, but no certificate is sent in these. */
static void test_hidden(void)
{
    static const char *const priorities[] = {P12, P13};
    static const struct {
        const char *identity, *key;
    } rows[] = {{OURS ";good", bad_hex}, {OURS ";none", good_hex}, {OURS, good_hex}, {OURS ";none", bad_hex}};
    char first[512], other[512];
    client c;
    begin(LONG, NULL);
    int before = atomic_load(&failed);
    for (int v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            CU_ASSERT_NOT_EQUAL(handshake(&c, priorities[v], rows[i].identity, rows[i].key, NULL), 0);
            CU_ASSERT(net_closed(c.fd, LONG * 1000));
            outline(&c, i ? other : first, sizeof first);
            if (i && strcmp(first, other))
                printf("\n  %s row %zu: %s instead of %s", v ? "1.3" : "1.2", i, other, first);
            CU_ASSERT(!i || !strcmp(first, other));
            /* TLS 1.2 shows the server's flight first; then decrypt_error, RFC 4279 2, RFC 8446 6.2 */
            const char *alert = strstr(first, "21:2(2,51) ");
            CU_ASSERT(alert && !alert[11] && (v == 1) == (alert == first));
            bye(&c);
        }
    }
    end();
    CU_ASSERT_EQUAL(atomic_load(&failed) - before, 2); /* the wrong keys, and nothing else, were told to the program */
}

static void test_odd_identities(void)
{
    static uint8_t big[65535];
    static const char nul[] = OURS ";good\0evil";
    static const size_t sizes[] = {65535, 60000, 16384, 129};
    client c;
    memset(big, 'x', sizeof big);
    memcpy(big, OURS ";", sizeof OURS);
    begin(LONG, NULL);
    for (int v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            dial(&c, v ? P13 : P12, gba_mem(big, sizes[i]), good_hex, NULL);
            CU_ASSERT(shake(&c) < 0);
            bye(&c);
        }
        dial(&c, v ? P13 : P12, gba_mem(nul, sizeof nul - 1), good_hex, NULL);
        CU_ASSERT(shake(&c) < 0);
        bye(&c);
        dial(&c, v ? P13 : P12, gba_mem("\0", 1), good_hex, NULL);
        (void)shake(&c);
        bye(&c);
    }
    BEGINS(visit(P13, OURS ";good", good_hex), "good");
    BEGINS(visit(P12, OURS ";good", good_hex), "good");
    /* not ours: TLS 1.3 goes on with the certificate */
    BEGINS(visit("NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK", "somebody", good_hex), "- tls2");
    CU_ASSERT_STRING_EQUAL(visit(P12, "somebody", good_hex), "");
    end();
}

/* ---- waiting ---- */
static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The CPU that connections with half a ClientHello take until the server's deadline ends them, as a share
 * of that time. */
static double half_hello_share(void)
{
    enum { MANY = 20 };
    int fd[MANY];
    double cpu = cpu_s();
    int64_t t0 = service_mono_ms();
    for (int i = 0; i < MANY; i++) {
        fd[i] = net_connect(http_server_port(server));
        net_send(fd[i], "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    }
    for (int i = 0; i < MANY; i++) {
        CU_ASSERT(net_closed(fd[i], LONG * 1000));
        close(fd[i]);
    }
    int64_t took = service_mono_ms() - t0;
    CU_ASSERT(took >= 1900); /* the deadline ended them */
    return (cpu_s() - cpu) * 1000 / (double)took;
}

/* A spin takes a processor of its own, or what a busy machine leaves of it: each time. */
static void test_half_hello(void)
{
    double share = 1;
    begin(2, NULL);
    for (int i = 0; i < ATTEMPTS && share >= 0.2; i++)
        share = half_hello_share();
    printf(" %.0f %% of a processor ", share * 100);
    CU_ASSERT(share < 0.2);
    end();
}

static long rss_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmRSS:", 6))
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

/* As many as the machine's limits let this process have: a socket at each side, and a thread. */
static int idle_many(void)
{
    struct rlimit l;
    unsigned long most = 1000, n;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    if (l.rlim_cur < 2 * most + 200)
        most = l.rlim_cur > 400 ? (l.rlim_cur - 200) / 2 : 100;
    FILE *f = fopen("/sys/fs/cgroup/pids.max", "r");
    if (f && fscanf(f, "%lu", &n) == 1 && n < 2 * most)
        most = n / 2;
    if (f)
        fclose(f);
    return (int)most;
}

/* 0: close_notify. */
static ssize_t end_of(client *c)
{
    char b[4096];
    ssize_t r;
    do
        r = gnutls_record_recv(c->s, b, sizeof b);
    while (r > 0 || r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED);
    return r;
}

/* An answer that ends with the connection ends with close_notify: it was not cut (RFC 8446 6.1). */
static void test_goodbye(void)
{
    static const char *const priorities[] = {P12, P13};
    static const char q[] = "GET / HTTP/1.1\r\nHost: naf.test\r\nConnection: close\r\n\r\n";
    begin(4, NULL);
    for (size_t i = 0; i < 2; i++) {
        client c;
        CU_ASSERT_EQUAL_FATAL(handshake(&c, priorities[i], OURS ";good", good_hex, NULL), 0);
        CU_ASSERT(gnutls_record_send(c.s, q, sizeof q - 1) > 0);
        gnutls_record_set_timeout(c.s, LONG * 1000);
        CU_ASSERT_EQUAL(end_of(&c), 0);
        bye(&c);
    }
    end();
    begin(2, NULL); /* nothing comes any more */
    for (size_t i = 0; i < 2; i++) {
        client c;
        CU_ASSERT_EQUAL_FATAL(handshake(&c, priorities[i], OURS ";good", good_hex, NULL), 0);
        BEGINS(get(&c, "/"), "good");
        CU_ASSERT_EQUAL(end_of(&c), 0);
        bye(&c);
    }
    end();
}

/* Whoever leaves before a record is whole is not kept until the deadline. */
static void test_leaves(void)
{
    static const char part[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    client c;
    begin(10 * LONG, NULL);
    for (size_t n = 0; n < sizeof part; n += 2) {
        int fd = net_connect(http_server_port(server));
        net_send(fd, part, n);
        shutdown(fd, SHUT_WR);
        CU_ASSERT(net_closed(fd, LONG * 1000));
        close(fd);
    }
    for (int v = 0; v < 2; v++) {
        CU_ASSERT_EQUAL_FATAL(handshake(&c, v ? P13 : P12, OURS ";good", good_hex, NULL), 0);
        BEGINS(get(&c, "/"), "good");
        net_send(c.fd, "\x17\x03\x03\x01\x00zzzz", 9);
        shutdown(c.fd, SHUT_WR);
        CU_ASSERT(net_closed(c.fd, LONG * 1000));
        bye(&c);
    }
    end();
}

/* ---- messages made by hand ---- */
typedef struct writer {
    size_t n;
    uint8_t o[512];
} writer;

static void put(writer *w, size_t octets, size_t v)
{
    while (octets--)
        w->o[w->n++] = (uint8_t)(v >> 8 * octets);
}

static void put_text(writer *w, const char *s)
{
    put(w, 2, strlen(s));
    memcpy(w->o + w->n, s, strlen(s));
    w->n += strlen(s);
}

static void fill(writer *w, size_t n)
{
    put(w, 1, n);
    memset(w->o + w->n, 9, n);
    w->n += n;
}

static void send_message(int fd, uint8_t type, const writer *body)
{
    writer w = {0};
    put(&w, 1, 22);
    put(&w, 2, 0x0303);
    put(&w, 2, 4 + body->n);
    put(&w, 1, type);
    put(&w, 3, body->n);
    net_send(fd, (const char *)w.o, w.n);
    net_send(fd, (const char *)body->o, body->n);
}

/* TLS 1.2, and yet a pre_shared_key extension: GnuTLS ignores it. */
static void send_mixed_hello(int fd, const char *identity)
{
    writer e = {0}, w = {0};
    put(&e, 4, 10 << 16 | 4); /* supported_groups: X25519 */
    put(&e, 4, 2 << 16 | 0x1d);
    put(&e, 4, 45 << 16 | 2); /* psk_key_exchange_modes */
    put(&e, 2, 0x101);
    put(&e, 2, 41);
    put(&e, 2, 2 + 2 + strlen(identity) + 4 + 2 + 33);
    put(&e, 2, 2 + strlen(identity) + 4);
    put_text(&e, identity);
    put(&e, 4, 0);
    put(&e, 2, 33);
    fill(&e, 32);
    put(&w, 2, 0x0303);
    w.n += 32;
    put(&w, 1, 0);
    put(&w, 4, 2 << 16 | 0xccac);
    put(&w, 2, 0x100);
    put(&w, 2, e.n);
    memcpy(w.o + w.n, e.o, e.n);
    w.n += e.n;
    send_message(fd, 1, &w);
}

static void send_exchange(int fd, const char *identity)
{
    writer w = {0};
    put_text(&w, identity);
    fill(&w, 32);
    send_message(fd, 16, &w);
}

/* A key asked for in the name of TLS 1.3 is none for TLS 1.2 (TS 33.220 Annex H), and is not left behind. */
static void test_mixed_versions(void)
{
    begin(LONG, NULL);
    for (int alert = 0; alert < 2; alert++) {
        char flight[2048];
        int fd = net_connect(http_server_port(server));
        seen_suite = 0xffff;
        send_mixed_hello(fd, OURS ";good");
        CU_ASSERT(net_read(fd, flight, 100, LONG * 1000) > 50);
        if (alert) /* a warning, so that the ClientKeyExchange is not what comes next */
            net_send(fd, "\x15\x03\x03\x00\x02\x01\x5a", 7);
        send_exchange(fd, OURS ";good");
        net_send(fd, "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x20 no Finished that anyone has sealed", 6 + 37);
        CU_ASSERT(net_closed(fd, LONG * 1000));
        CU_ASSERT(seen_suite == 0xccac || (alert && !defers)); /* there the library ends it at the warning */
        close(fd);
    }
    end(); /* and counts who is left */
}

/* A machine that has a thousand threads to start may take longer than the server's deadline. */
static bool gets_in(const char *priority)
{
    for (int i = 0; i < ATTEMPTS; i++)
        if (!strncmp(visit(priority, OURS ";good", good_hex), "good", 4))
            return true;
    return false;
}

static void test_idle_handshakes(void)
{
    static int fd[1000];
    int many = idle_many(), opened = 0;
    begin(4, NULL);
    long before = rss_kb();
    for (; opened < many && (fd[opened] = net_connect(http_server_port(server))) >= 0; opened++)
        net_send(fd[opened], "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", opened % 12);
    CU_ASSERT_EQUAL(opened, many);
    CU_ASSERT(gets_in(P13));
    long used = rss_kb() - before;
    double t = cpu_s();
    for (int i = 0; i < opened; i++)
        CU_ASSERT(net_closed(fd[i], LONG * 1000));
    printf(" %d: %ld KiB each, %.2f s of CPU until all had ended ", many, used / many, cpu_s() - t);
    for (int i = 0; i < opened; i++)
        close(fd[i]);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    CU_ASSERT(used < 128L * many || getenv("UNDER_VALGRIND"));
#endif
    CU_ASSERT(gets_in(P12));
    end();
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* p99 in ms of new connections with a warm key, and of requests on one that stands. */
static double p99(client *open)
{
    enum { N = 200 };
    static double ms[N];
    for (int i = 0; i < N; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        if (i % 2)
            BEGINS(get(open, "/"), "good");
        else
            BEGINS(visit(P13, OURS ";good", good_hex), "good");
        clock_gettime(CLOCK_MONOTONIC, &b);
        ms[i] = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    }
    qsort(ms, N, sizeof *ms, by_value);
    return ms[N * 99 / 100];
}

static void *dial_slow(void *arg)
{
    client *c = arg;
    (void)handshake(c, P13, OURS ";slow", good_hex, NULL);
    return NULL;
}

static void test_cold_keys(void)
{
    static client slow[WAITERS];
    pthread_t t[WAITERS];
    client open;
    double calm = 0, busy = 0;
    bool good = false;
    begin(10 * LONG, NULL);
    CU_ASSERT_EQUAL(handshake(&open, P12, OURS ";good", good_hex, NULL), 0);
    for (int i = 0; i < ATTEMPTS && !good; i++) { /* a busy machine may disturb either of them */
        calm = p99(&open);
        slow_release(false);
        for (int k = 0; k < WAITERS; k++)
            pthread_create(&t[k], NULL, dial_slow, &slow[k]);
        CU_ASSERT(slow_until(WAITERS));
        busy = p99(&open);
        CU_ASSERT_EQUAL(slow_waiting(), WAITERS); /* all the while */
        slow_release(true);
        for (int k = 0; k < WAITERS; k++) {
            pthread_join(t[k], NULL);
            bye(&slow[k]);
        }
        CU_ASSERT(slow_until(0));
        good = busy <= 2 * calm;
    }
    printf(" p99 %.1f ms undisturbed, %.1f ms with %d handshakes waiting ", calm, busy, WAITERS);
    CU_ASSERT(good);
    bye(&open);
    end();
}

/* The server's own deadline, though the PSK function goes on. */
static void test_deadline(void)
{
    client c;
    begin(2, NULL);
    int64_t t0 = service_mono_ms();
    CU_ASSERT(handshake(&c, P13, OURS ";slow", good_hex, NULL) < 0);
    int64_t took = service_mono_ms() - t0;
    CU_ASSERT(took >= 1900 && took < LONG * 1000);
    CU_ASSERT_EQUAL(slow_waiting(), 1);
    bye(&c);
    slow_release(true);
    end();
}

/* A key that comes later, for a client whose messages come in pieces, and one for whom it comes too late. */
static void test_late_keys(void)
{
    static const char *const priorities[] = {P12, P13};
    client c;
    begin(LONG, NULL);
    for (int v = 0; v < 2; v++) {
        int before = atomic_load(&asked);
        BEGINS(visit(priorities[v], OURS ";late", good_hex), v ? "late tls2" : "late tls1");
        CU_ASSERT_EQUAL(atomic_load(&asked) - before, 1);
        CU_ASSERT_STRING_EQUAL(visit(priorities[v], OURS ";late", bad_hex), "");
        for (size_t piece = 1; piece < 200; piece = piece * 5 + 2) {
            dial(&c, priorities[v], gba_str(piece % 2 ? OURS ";late" : OURS ";good"), good_hex, NULL);
            c.piece = piece;
            CU_ASSERT_EQUAL(shake(&c), 0);
            BEGINS(get(&c, "/"), piece % 2 ? "late" : "good");
            bye(&c);
        }
        dial(&c, priorities[v], gba_str(OURS ";late"), good_hex, NULL); /* gone before the key is here */
        gnutls_handshake_set_timeout(c.s, 5);
        (void)shake(&c);
        struct linger reset = {.l_onoff = 1};
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        bye(&c);
    }
    BEGINS(visit(P13, OURS ";good", good_hex), "good");
    end();
}

static void *shake_slow(void *arg)
{
    (void)shake(arg);
    return NULL;
}

/* The server stops while handshakes wait; their keys come when it is gone. */
static void test_stop(void)
{
    enum { MANY = 4 };
    client c[MANY];
    pthread_t t[MANY];
    if (!defers)
        return; /* its PSK function must end first */
    begin(LONG, NULL);
    for (int i = 0; i < MANY; i++) {
        dial(&c[i], i % 2 ? P13 : P12, gba_str(OURS ";slow!"), good_hex, NULL);
        pthread_create(&t[i], NULL, shake_slow, &c[i]);
    }
    CU_ASSERT(slow_until(MANY));
    http_server_stop(&server, 0);
    for (int i = 0; i < MANY; i++) {
        pthread_join(t[i], NULL);
        bye(&c[i]);
    }
    slow_release(true);
    end();
}

static void test_later(void)
{
    client c;
    begin(LONG, NULL);
    for (int v = 0; v < 2; v++) {
        CU_ASSERT_EQUAL(handshake(&c, v ? P13 : P12, OURS ";good", good_hex, NULL), 0);
        for (int i = 0; i < 5; i++) {
            CU_ASSERT_STRING_EQUAL(get(&c, "/later"), "later");
            BEGINS(get(&c, "/"), "good");
        }
        bye(&c);
    }
    /* and one whose peer does not wait */
    CU_ASSERT_EQUAL(handshake(&c, P13, OURS ";good", good_hex, NULL), 0);
    gnutls_record_send(c.s, "GET /later HTTP/1.1\r\nHost: naf.test\r\n\r\n", 38);
    bye(&c);
    end();
}

/* ---- resumption ---- */
static gnutls_datum_t session_of(const char *priority, const char *identity, char body[256])
{
    client c;
    gnutls_datum_t d = {0};
    CU_ASSERT_EQUAL(handshake(&c, priority, identity, good_hex, NULL), 0);
    snprintf(body, 256, "%s", get(&c, "/"));
    gnutls_session_get_data2(c.s, &d);
    bye(&c);
    return d;
}

/* "resumed BODY", "full BODY" or "failed". */
static const char *again(const char *priority, const char *identity, const char *hex, const gnutls_datum_t *d)
{
    static char text[300];
    client c;
    if (handshake(&c, priority, identity, hex, d) < 0)
        snprintf(text, sizeof text, "failed");
    else
        snprintf(text, sizeof text, "%s %s", gnutls_session_is_resumed(c.s) ? "resumed" : "full", get(&c, "/"));
    bye(&c);
    return text;
}

static void test_tickets(void)
{
    static const char *const psk[] = {P12, P13}, *const cert[] = {CERT12, CERT13};
    char body[256];
    for (int v = 0; v < 2; v++) {
        begin(LONG, NULL);
        gnutls_datum_t d = session_of(psk[v], OURS ";good1", body);
        BEGINS(body, "good1 ");
        CU_ASSERT_PTR_NOT_NULL(strstr(body, " ok")); /* exported */
        int before = atomic_load(&asked);
        BEGINS(again(psk[v], OURS ";good1", good_hex, &d), "resumed good1 ");
        CU_ASSERT_PTR_NOT_NULL(strstr(again(psk[v], OURS ";good1", good_hex, &d), " forbidden")); /* export */
        CU_ASSERT_EQUAL(atomic_load(&asked), before);
        /* the identity is the ticket's, whatever else the client offers */
        BEGINS(again(psk[v], OURS ";good2", bad_hex, &d), "resumed good1 ");
        gnutls_datum_t c = session_of(cert[v], "", body);
        BEGINS(again(cert[v], "", good_hex, &c), "resumed - ");
        gnutls_free(c.data);
        /* revoked: a full handshake, with the key or without */
        atomic_store(&revoked, true);
        BEGINS(again(psk[v], OURS ";good1", good_hex, &d), "full good1 ");
        BEGINS(again(psk[v], OURS ";good1", bad_hex, &d), "failed");
        if (v) /* nothing but the ticket: the certificate is left */
            BEGINS(again(CERT13, "", good_hex, &d), "full - ");
        end();
        begin(LONG, NULL); /* a restart: all are forgotten */
        BEGINS(again(psk[v], OURS ";good1", good_hex, &d), "full good1 ");
        if (v)
            BEGINS(again(CERT13, "", good_hex, &d), "full - ");
        gnutls_free(d.data);
        end();
    }
}

/* ---- other people's clients ---- */
static const char *run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *run(const char *fmt, ...)
{
    static char out[16384];
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    FILE *f = popen(command, "r");
    size_t n = f ? fread(out, 1, sizeof out - 1, f) : 0;
    out[n] = 0;
    if (f)
        pclose(f);
    return out;
}

static bool has(const char *program)
{
    return strstr(run("command -v %s", program), program) != NULL;
}

static bool openssl(const char *options, const char *hex, const char *want)
{
    const char *out = run("(printf 'GET / HTTP/1.1\\r\\nHost: naf.test\\r\\nConnection: close\\r\\n\\r\\n'; sleep 2) | "
                          "timeout 120 openssl s_client -connect 127.0.0.1:%u -servername naf.test -psk_identity '" OURS
                          ";good' -psk %s -quiet %s 2>&1",
                          http_server_port(server), hex, options);
    bool good = strstr(out, want) != NULL;
    if (!good)
        printf("\n  openssl %s: %s", options, out);
    return good;
}

static void test_openssl(void)
{
    if (!has("openssl")) {
        printf(" (no openssl: left out) ");
        return;
    }
    begin(LONG, NULL);
    CU_ASSERT(openssl("-tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305", good_hex, "good tls1 ccac"));
    CU_ASSERT(openssl("-tls1_2 -cipher ECDHE-PSK-AES128-CBC-SHA256", good_hex, "good tls1 c037"));
    CU_ASSERT(openssl("-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256", good_hex, "good tls2 1301"));
    CU_ASSERT(openssl("-tls1_3", good_hex, "good tls2 13"));
    CU_ASSERT(openssl("-tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305", bad_hex, "error"));
    CU_ASSERT(openssl("-tls1_3", bad_hex, "error"));
    const char *out = run("timeout 120 openssl s_client -connect 127.0.0.1:%u -tls1_2 -psk_identity x -psk %s -msg "
                          "-cipher ECDHE-PSK-CHACHA20-POLY1305 </dev/null 2>&1", http_server_port(server), good_hex);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "PSK identity hint: " OURS));
    end();
}

static void test_curl(void)
{
    if (!has("curl")) {
        printf(" (no curl: left out) ");
        return;
    }
    begin(LONG, NULL);
    for (int v = 2; v <= 3; v++) {
        const char *out = run("curl -s -m 120 --noproxy '*' --tlsv1.%d --tls-max 1.%d --cacert %s --resolve naf.test:%u:127.0.0.1 "
                              "https://naf.test:%u/", v, v, crt, http_server_port(server), http_server_port(server));
        BEGINS(out, v == 2 ? "- tls1 c02" : "- tls2 130");
    }
    end();
}

static int own_threads(void)
{
    defers = false;
    return 0;
}

static int shared_threads(void)
{
    defers = true;
    return 0;
}

static void add_suite(const char *name, CU_InitializeFunc init)
{
    CU_pSuite s = CU_add_suite(name, init, NULL);
    CU_add_test(s, "suites", test_suites);
    CU_add_test(s, "hidden failure", test_hidden);
    CU_add_test(s, "goodbye", test_goodbye);
    CU_add_test(s, "odd identities", test_odd_identities);
    CU_add_test(s, "leaves inside a record", test_leaves);
    CU_add_test(s, "mixed versions", test_mixed_versions);
    CU_add_test(s, "late keys", test_late_keys);
    CU_add_test(s, "stop", test_stop);
    CU_add_test(s, "deferred answers", test_later);
    CU_add_test(s, "tickets", test_tickets);
    CU_add_test(s, "half a ClientHello", test_half_hello);
    CU_add_test(s, "1000 idle handshakes", test_idle_handshakes);
    CU_add_test(s, "cold keys do not stall warm ones", test_cold_keys);
    CU_add_test(s, "deadline of a waiting handshake", test_deadline);
    CU_add_test(s, "openssl", test_openssl);
    CU_add_test(s, "curl", test_curl);
}

int main(void)
{
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(dir))
        return 1;
    snprintf(crt, sizeof crt, "%s/crt.pem", dir);
    snprintf(key_file, sizeof key_file, "%s/key.pem", dir);
    CU_initialize_registry();
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=naf.test "
        "-addext subjectAltName=DNS:naf.test -keyout %s -out %s 2>&1", key_file, crt);
    add_suite("a thread a connection", own_threads);
    add_suite("shared threads", shared_threads);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned bad = CU_get_number_of_failures();
    CU_cleanup_registry();
    unlink(crt), unlink(key_file);
    rmdir(dir);
    return bad != 0;
}
