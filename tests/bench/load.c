/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - load for `make bench`: threads with blocking sockets send one kind of exchange for some
 * seconds; what counts is the server's CPU time (from /proc/PID/stat), so that the cost of this client
 * and of the shared machine stays out.
 *
 *   load ub   --port P --pids PID[,PID] --first N --count N --k HEX --opc HEX --realm FQDN
 *   load pair --port P --pids ...        the same two requests to a server that answers them from memory
 *   load challenge ...                   as ub, but never answers the challenge
 *   load ua   --port P --pids ... --host H --btid B --password P
 *   load raw  --port P --pids ... --request FILE     one fixed request again and again
 * --psk-identity I --psk-key HEX: TLS with a pre-shared key and no certificate
 * common: --ops N (stop after N instead of --seconds) --tls CAFILE --cert F --key F --priority P --threads N --seconds S --new-connections
 */
#include "config.h"
#include <gba/aka.h>
#include <gba/digest.h>
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <getopt.h>
#include <math.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *mode, *host, *realm, *btid, *password, *tls, *cert, *key, *priority, *request_file, *pids, *psk_identity;
    int port, threads;
    double seconds;
    bool fresh;
    unsigned long first, count, ops;
    gba_aka_key aka;
    gba_secret psk;
    char *request;
} o = {.host = "localhost", .realm = "bsf.example.test", .threads = 32, .seconds = 3, .count = 1};

static atomic_ulong begun, next_impi, done_ops, bad_ops, requests;
static atomic_bool go, stop;
static gnutls_certificate_credentials_t cred;
static gnutls_psk_client_credentials_t psk_cred;

struct conn {
    int fd;
    gnutls_session_t tls;
    char in[32768];
    size_t have;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void conn_close(struct conn *c)
{
    if (c->tls) {
        gnutls_deinit(c->tls);
        c->tls = NULL;
    }
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->have = 0;
}

static bool conn_open(struct conn *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o.port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval tv = {.tv_sec = 10};
    int one = 1;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct linger l = {.l_onoff = 1}; /* no TIME_WAIT: thousands of connections a second */
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a)) {
        conn_close(c);
        return false;
    }
    if (!o.tls && !o.psk_identity)
        return true;
    gnutls_init(&c->tls, GNUTLS_CLIENT | GNUTLS_NO_TICKETS); /* as nginx gives none */
    gnutls_priority_set_direct(c->tls, o.priority ? o.priority : "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
    if (o.psk_identity)
        gnutls_credentials_set(c->tls, GNUTLS_CRD_PSK, psk_cred);
    else
        gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, cred);
    gnutls_server_name_set(c->tls, GNUTLS_NAME_DNS, o.host, strlen(o.host));
    gnutls_transport_set_int(c->tls, c->fd);
    int r;
    do
        r = gnutls_handshake(c->tls);
    while (r < 0 && !gnutls_error_is_fatal(r));
    if (r < 0) {
        fprintf(stderr, "load: TLS: %s\n", gnutls_strerror(r));
        conn_close(c);
        return false;
    }
    return true;
}

static bool send_all(struct conn *c, const char *p, size_t n)
{
    while (n) {
        ssize_t r = c->tls ? gnutls_record_send(c->tls, p, n) : send(c->fd, p, n, MSG_NOSIGNAL);
        if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
            continue;
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    atomic_fetch_add(&requests, 1);
    return true;
}

/* Reads one answer; header text NUL-terminated in c->in. Returns the status, 0 on failure. */
static int answer(struct conn *c, bool *closes)
{
    size_t head = 0, body = 0;
    for (;;) {
        if (!head) {
            char *e = c->have ? memmem(c->in, c->have, "\r\n\r\n", 4) : NULL;
            if (e) {
                head = (size_t)(e - c->in) + 4;
                e[2] = 0;
                const char *l = strcasestr(c->in, "\r\ncontent-length:");
                body = l ? strtoul(l + 17, NULL, 10) : 0;
                *closes = strcasestr(c->in, "\r\nconnection: close") != NULL;
            }
        }
        if (head && c->have >= head + body) {
            c->have = 0; /* one request at a time: nothing follows */
            return atoi(c->in + 9);
        }
        if (c->have + 1 >= sizeof c->in)
            return 0;
        ssize_t r = c->tls ? gnutls_record_recv(c->tls, c->in + c->have, sizeof c->in - 1 - c->have)
                           : recv(c->fd, c->in + c->have, sizeof c->in - 1 - c->have, 0);
        if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
            continue;
        if (r <= 0)
            return 0;
        c->have += (size_t)r;
        c->in[c->have] = 0;
    }
}

static int exchange(struct conn *c, const char *path, const char *authorization)
{
    char req[4096];
    int n = snprintf(req, sizeof req,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: load; Release-17 3gpp-gba\r\nAccept: */*\r\n"
                     "Authorization: %s\r\n\r\n",
                     path, o.host, o.port, authorization);
    bool closes = false;
    if (c->fd < 0 && !conn_open(c))
        return 0;
    int st = send_all(c, req, (size_t)n) ? answer(c, &closes) : 0;
    if (!st || closes)
        conn_close(c);
    return st;
}

static bool header_value(const struct conn *c, const char *name, gba_span *out)
{
    char want[64];
    snprintf(want, sizeof want, "\r\n%s: ", name);
    const char *p = strcasestr(c->in, want);
    if (!p)
        return false;
    p += strlen(want);
    *out = gba_mem(p, strcspn(p, "\r\n"));
    return true;
}

static void initial_authorization(char *out, size_t n, unsigned long i)
{
    snprintf(out, n,
             "Digest username=\"00101%010lu@ims.mnc001.mcc001.3gppnetwork.org\", realm=\"%s\", nonce=\"\", uri=\"/\", "
             "response=\"\"",
             i, o.realm);
}

static bool op_ub(struct conn *c)
{
    char auth[4096], user[128], cnonce[33], hex[65];
    unsigned long i = o.first + atomic_fetch_add(&next_impi, 1) % o.count;
    static __thread gba_challenge ch;
    static __thread gba_authorization a;
    gba_aka_nonce nonce;
    gba_aka_f f;
    uint8_t rnd[16];
    gba_span v;

    initial_authorization(auth, sizeof auth, i);
    if (exchange(c, "/", auth) != 401 || !header_value(c, "WWW-Authenticate", &v))
        return false;
    if (gba_challenge_next(&v, &ch) || gba_aka_nonce_parse(ch.nonce, &nonce))
        return false;
    if (gba_aka_functions(&o.aka, nonce.rand, (const uint8_t[6]){0}, nonce.autn + 6, &f))
        return false;
    if (getrandom(rnd, sizeof rnd, 0) != sizeof rnd)
        return false;
    gba_hex_encode(rnd, sizeof rnd, cnonce);
    snprintf(user, sizeof user, "00101%010lu@ims.mnc001.mcc001.3gppnetwork.org", i);
    a = (gba_authorization){.algorithm = ch.algorithm, .algorithm_given = true, .qop = GBA_QOP_AUTH_INT, .nc = 1,
                            .nc_given = true, .username = gba_str(user), .realm = ch.realm, .nonce = ch.nonce,
                            .uri = gba_str("/"), .cnonce = gba_str(cnonce), .opaque = ch.opaque};
    gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/"), .body = gba_str("")};
    if (gba_digest_response(&a, &m, gba_secret_span(&f.res), hex))
        return false;
    a.response = gba_str(hex);
    size_t n = sizeof auth;
    if (gba_authorization_print(&a, auth, &n))
        return false;
    return exchange(c, "/", auth) == 200;
}

static bool op_challenge(struct conn *c)
{
    char auth[512];
    initial_authorization(auth, sizeof auth, o.first + atomic_fetch_add(&next_impi, 1) % o.count);
    return exchange(c, "/", auth) == 401;
}

static bool op_pair(struct conn *c)
{
    static const char second[] =
        "Digest username=\"001010000000001@ims.mnc001.mcc001.3gppnetwork.org\", realm=\"bsf.example.test\", "
        "nonce=\"I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7MAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\", uri=\"/\", "
        "response=\"3f14c52f9c9ebcdfe7cbd31e0d5f9665\", opaque=\"130c243e3290e34a190a91507d70bad8\", "
        "algorithm=AKAv1-MD5, qop=auth-int, nc=00000001, cnonce=\"008f1eb6809e6d0d6072e8e49ca0008c\"";
    char auth[1024];
    initial_authorization(auth, sizeof auth, 1);
    return exchange(c, "/challenge", auth) == 401 && exchange(c, "/ok", second) == 200;
}

/* Ua: one challenge a thread, then nc counts up. */
static bool op_ua(struct conn *c)
{
    static __thread gba_challenge ch;
    static __thread gba_authorization a;
    static __thread uint32_t nc;
    static __thread char nonce[512], opaque[512], realm[300];
    char auth[4096], hex[65];
    gba_span v;

    if (!nc || nc > 10000) {
        if (exchange(c, "/", "Digest username=\"\", realm=\"\", nonce=\"\", uri=\"/\", response=\"\"") != 401 ||
            !header_value(c, "WWW-Authenticate", &v) || gba_challenge_next(&v, &ch))
            return false;
        snprintf(nonce, sizeof nonce, "%.*s", (int)ch.nonce.n, (const char *)ch.nonce.p);
        snprintf(opaque, sizeof opaque, "%.*s", (int)ch.opaque.n, (const char *)ch.opaque.p);
        snprintf(realm, sizeof realm, "%.*s", (int)ch.realm.n, (const char *)ch.realm.p);
        nc = 0;
    }
    a = (gba_authorization){.algorithm = ch.algorithm, .algorithm_given = true, .qop = GBA_QOP_AUTH, .nc = ++nc,
                            .nc_given = true, .username = gba_str(o.btid), .realm = gba_str(realm),
                            .nonce = gba_str(nonce), .uri = gba_str("/"), .cnonce = gba_str("0a4f113b0a4f113b"),
                            .opaque = ch.opaque.p ? gba_str(opaque) : (gba_span){0}};
    gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/"), .body = gba_str("")};
    size_t n = sizeof auth;
    if (gba_digest_response(&a, &m, gba_str(o.password), hex))
        return false;
    a.response = gba_str(hex);
    if (gba_authorization_print(&a, auth, &n))
        return false;
    int st = exchange(c, "/", auth);
    if (st != 200)
        nc = 0;
    return st == 200;
}

static bool op_raw(struct conn *c)
{
    bool closes = false;
    if (c->fd < 0 && !conn_open(c))
        return false;
    int st = send_all(c, o.request, strlen(o.request)) ? answer(c, &closes) : 0;
    if (!st || closes)
        conn_close(c);
    return st == 200;
}

static bool (*op)(struct conn *);

/* Latencies of operations, in steps of a ninth: eight to the octave of microseconds. */
#define STEPS 256
static atomic_ulong took[STEPS];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void note_latency(double seconds)
{
    double step = seconds > 1e-6 ? log2(seconds * 1e6) * 8 : 0;
    atomic_fetch_add(&took[step < STEPS ? (size_t)step : STEPS - 1], 1);
}

static double percentile_ms(double share)
{
    unsigned long sum = 0, below = 0;
    size_t i;
    for (i = 0; i < STEPS; i++)
        sum += atomic_load(&took[i]);
    for (i = 0; i < STEPS && (double)below < share * (double)sum; i++)
        below += atomic_load(&took[i]);
    return exp2((double)i / 8) / 1e3;
}

static void *worker(void *unused)
{
    static __thread struct conn c;
    (void)unused;
    c.fd = -1;
    if (!o.fresh)
        conn_open(&c);
    while (!atomic_load(&go))
        usleep(1000);
    while (!atomic_load(&stop) && (!o.ops || atomic_fetch_add(&begun, 1) < o.ops)) {
        double began = now();
        atomic_fetch_add(op(&c) ? &done_ops : &bad_ops, 1);
        note_latency(now() - began);
        if (o.fresh)
            conn_close(&c);
    }
    conn_close(&c);
    return NULL;
}

static double server_cpu(void)
{
    double sum = 0;
    char list[256], *save = NULL;
    snprintf(list, sizeof list, "%s", o.pids);
    for (char *p = strtok_r(list, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        char path[64], buf[1024];
        unsigned long u, s;
        snprintf(path, sizeof path, "/proc/%s/stat", p);
        FILE *f = fopen(path, "r");
        if (!f || !fgets(buf, sizeof buf, f))
            die(path);
        fclose(f);
        if (sscanf(strrchr(buf, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s) != 2)
            die(path);
        sum += (double)(u + s) / (double)sysconf(_SC_CLK_TCK);
    }
    return sum;
}

static void hex_secret(const char *hex, gba_secret *s)
{
    uint8_t b[GBA_SECRET_MAX];
    size_t n = sizeof b;
    if (gba_hex_decode(gba_str(hex), b, &n) || gba_secret_set(s, b, n)) {
        fprintf(stderr, "load: not hex: a key\n");
        exit(2);
    }
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    char *p = calloc(1, 65536);
    if (!f || !p || !fread(p, 1, 65535, f))
        die(path);
    fclose(f);
    return p;
}

static void options(int argc, char **argv)
{
    static const struct option opts[] = {
        {"port", 1, 0, 'p'},     {"pids", 1, 0, 'P'}, {"first", 1, 0, 'f'},    {"count", 1, 0, 'c'},
        {"k", 1, 0, 'k'},        {"opc", 1, 0, 'o'},  {"realm", 1, 0, 'r'},    {"host", 1, 0, 'h'},
        {"btid", 1, 0, 'b'},     {"password", 1, 0, 'w'}, {"tls", 1, 0, 't'},  {"cert", 1, 0, 'C'},
        {"key", 1, 0, 'K'},      {"priority", 1, 0, 'y'}, {"threads", 1, 0, 'n'}, {"seconds", 1, 0, 's'},
        {"new-connections", 0, 0, 'N'}, {"request", 1, 0, 'q'}, {"ops", 1, 0, 'O'},
        {"psk-identity", 1, 0, 'I'}, {"psk-key", 1, 0, 'S'}, {0}};
    int x;
    while ((x = getopt_long(argc, argv, "", opts, NULL)) != -1) {
        switch (x) {
        case 'p': o.port = atoi(optarg); break;
        case 'P': o.pids = optarg; break;
        case 'f': o.first = strtoul(optarg, NULL, 10); break;
        case 'c': o.count = strtoul(optarg, NULL, 10); break;
        case 'k': hex_secret(optarg, &o.aka.k); break;
        case 'o': hex_secret(optarg, &o.aka.opc); break;
        case 'r': o.realm = optarg; break;
        case 'h': o.host = optarg; break;
        case 'b': o.btid = optarg; break;
        case 'w': o.password = optarg; break;
        case 't': o.tls = optarg; break;
        case 'C': o.cert = optarg; break;
        case 'K': o.key = optarg; break;
        case 'y': o.priority = optarg; break;
        case 'n': o.threads = atoi(optarg); break;
        case 's': o.seconds = atof(optarg); break;
        case 'O': o.ops = strtoul(optarg, NULL, 10); break;
        case 'N': o.fresh = true; break;
        case 'I': o.psk_identity = optarg; break;
        case 'S': hex_secret(optarg, &o.psk); break;
        case 'q': o.request = slurp(optarg); break;
        default: exit(2);
        }
    }
    o.mode = optind < argc ? argv[optind] : "";
    static const struct {
        const char *name;
        bool (*op)(struct conn *);
    } modes[] = {{"ub", op_ub}, {"challenge", op_challenge}, {"pair", op_pair}, {"ua", op_ua}, {"raw", op_raw}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(modes[i].name, o.mode))
            op = modes[i].op;
    if (!op || !o.port || !o.pids || !o.count) {
        fprintf(stderr, "usage: load MODE --port P --pids PID[,PID] ...: see the head of load.c\n");
        exit(2);
    }
    o.aka.algorithm = GBA_MILENAGE;
    if (op == op_ub && gba_aka_key_check(&o.aka))
        exit(2);
}

int main(int argc, char **argv)
{
    options(argc, argv);
    if (o.tls) {
        gnutls_certificate_allocate_credentials(&cred);
        gnutls_certificate_set_x509_trust_file(cred, o.tls, GNUTLS_X509_FMT_PEM);
        if (o.cert && gnutls_certificate_set_x509_key_file(cred, o.cert, o.key, GNUTLS_X509_FMT_PEM))
            die(o.cert);
    }
    if (o.psk_identity) {
        gnutls_datum_t k = {o.psk.o, (unsigned)o.psk.n};
        if (gnutls_psk_allocate_client_credentials(&psk_cred) ||
            gnutls_psk_set_client_credentials(psk_cred, o.psk_identity, &k, GNUTLS_PSK_KEY_RAW))
            die("psk");
    }
    pthread_t t[512];
    if (o.threads > 512)
        o.threads = 512;
    for (int i = 0; i < o.threads; i++)
        if (pthread_create(&t[i], NULL, worker, NULL))
            die("thread");
    usleep(200000);
    double cpu = server_cpu(), wall = now();
    atomic_store(&go, true);
    if (o.ops)
        while (atomic_load(&done_ops) + atomic_load(&bad_ops) < o.ops)
            usleep(10000);
    else
        usleep((useconds_t)(o.seconds * 1e6));
    unsigned long ops = atomic_load(&done_ops), reqs = atomic_load(&requests);
    cpu = server_cpu() - cpu;
    wall = now() - wall;
    atomic_store(&stop, true);
    for (int i = 0; i < o.threads; i++)
        pthread_join(t[i], NULL);
    printf("ops=%lu bad=%lu requests=%lu wall_s=%.2f server_cpu_s=%.2f ops_per_s=%.0f ops_per_cpu_s=%.0f p50_ms=%.2f p99_ms=%.2f\n", ops,
           atomic_load(&bad_ops), reqs, wall, cpu, (double)ops / wall, cpu > 0 ? (double)ops / cpu : 0,
           percentile_ms(0.5), percentile_ms(0.99));
    return atomic_load(&bad_ops) > ops / 100;
}
