/* SPDX-License-Identifier: Apache-2.0 */
/* TLS listeners with client certificates made here, by a GnuTLS client. */
#define _GNU_SOURCE /* memmem */
#include <CUnit/Basic.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include "service/daemon.h"
#include "service/http.h"
#include "service/log.h"
#include "tests/service_net.h"

/* ---- certificates ---- */
typedef struct ident {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
} ident;
static ident ca, other_ca, server_id, server_id2;
static char dir[] = "/tmp/tls.XXXXXX";
static char ca_pem[64], crt_pem[64], key_pem[64], crl_pem[64];

typedef struct spec {
    const char *cn, *san;
    size_t san_n;
    const char *purpose;
    int days; /* from now; negative: over */
} spec;

static ident make(const spec *s, const ident *by)
{
    static unsigned char serial = 1;
    ident i;
    gnutls_x509_privkey_init(&i.key);
    gnutls_x509_privkey_generate(i.key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    gnutls_x509_crt_init(&i.crt);
    gnutls_x509_crt_set_version(i.crt, 3);
    gnutls_x509_crt_set_serial(i.crt, &serial, 1);
    serial++;
    gnutls_x509_crt_set_activation_time(i.crt, time(NULL) - 864000);
    gnutls_x509_crt_set_expiration_time(i.crt, time(NULL) + s->days * 86400);
    gnutls_x509_crt_set_dn_by_oid(i.crt, GNUTLS_OID_X520_COMMON_NAME, 0, s->cn, (unsigned)strlen(s->cn));
    gnutls_x509_crt_set_key(i.crt, i.key);
    gnutls_x509_crt_set_basic_constraints(i.crt, by ? 0 : 1, -1);
    gnutls_x509_crt_set_key_usage(i.crt, by ? GNUTLS_KEY_DIGITAL_SIGNATURE : GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    if (s->purpose)
        gnutls_x509_crt_set_key_purpose_oid(i.crt, s->purpose, 0);
    if (s->san && memchr(s->san, 0, s->san_n)) { /* GnuTLS would cut it: the extension octet by octet */
        unsigned char der[64] = {0x30, (unsigned char)(s->san_n + 2), 0x82, (unsigned char)s->san_n};
        memcpy(der + 4, s->san, s->san_n);
        gnutls_x509_crt_set_extension_by_oid(i.crt, "2.5.29.17", der, s->san_n + 4, 0);
    } else if (s->san)
        gnutls_x509_crt_set_subject_alt_name(i.crt, GNUTLS_SAN_DNSNAME, s->san, (unsigned)s->san_n, GNUTLS_FSAN_SET);
    if (gnutls_x509_crt_sign2(i.crt, by ? by->crt : i.crt, by ? by->key : i.key, GNUTLS_DIG_SHA256, 0) < 0)
        abort();
    return i;
}

static void drop(ident *i)
{
    gnutls_x509_crt_deinit(i->crt);
    gnutls_x509_privkey_deinit(i->key);
}

static void write_file(const char *file, const gnutls_datum_t *d)
{
    FILE *f = fopen(file, "w");
    fwrite(d->data, 1, d->size, f);
    fclose(f);
    gnutls_free(d->data);
}

static void export(const ident *i, const char *crt, const char *key)
{
    gnutls_datum_t d;
    gnutls_x509_crt_export2(i->crt, GNUTLS_X509_FMT_PEM, &d);
    write_file(crt, &d);
    if (!key)
        return;
    gnutls_x509_privkey_export2(i->key, GNUTLS_X509_FMT_PEM, &d);
    write_file(key, &d);
}

static void write_crl(const ident *revoked)
{
    gnutls_x509_crl_t crl;
    gnutls_datum_t d;
    gnutls_x509_crl_init(&crl);
    gnutls_x509_crl_set_version(crl, 2);
    gnutls_x509_crl_set_this_update(crl, time(NULL) - 10);
    gnutls_x509_crl_set_next_update(crl, time(NULL) + 86400);
    if (revoked)
        gnutls_x509_crl_set_crt(crl, revoked->crt, time(NULL) - 5);
    CU_ASSERT_EQUAL_FATAL(gnutls_x509_crl_sign2(crl, ca.crt, ca.key, GNUTLS_DIG_SHA256, 0), 0);
    gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &d);
    write_file(crl_pem, &d);
    gnutls_x509_crl_deinit(crl);
}

/* ---- the server ---- */
static tls_server *tls;
static http_server *server;
static int handled;
#define LARGE ((size_t)16 << 20) /* more than the buffers of two sockets hold */

static void answer_large(http_req *r)
{
    uint8_t *body = malloc(LARGE);
    for (size_t i = 0; body && i < LARGE; i++)
        body[i] = (uint8_t)(i ^ i >> 12);
    http_reply(r, body ? 200 : 500, NULL, 0, gba_mem(body, body ? LARGE : 0));
    free(body);
}

static size_t body_n; /* of the last request */

static void on_request(http_req *r, void *ctx)
{
    body_n = http_body(r).n;
    gba_fqdn names[4];
    size_t n = 0;
    char text[512];
    (void)ctx;
    handled++;
    if (!strcmp(http_target(r), "/large")) {
        answer_large(r);
        return;
    }
    gba_err e = tls_peer_dns(http_tls_session(r), names, 4, &n);
    snprintf(text, sizeof text, "%s %zu %s tls%d %04x", gba_err_name(e), n, n ? names[0].s : "-", (int)http_transport(r),
             http_tls_suite(r));
    http_reply(r, 200, NULL, 0, gba_str(text));
}

static bool optional; /* a client may come without a certificate, and its bodies are not kept then */
static unsigned idle_s = 30; /* no test but that of the deadline should meet it, however slow the machine */

static void begin(bool clients, bool crl)
{
    char why[256] = "";
    tls_server_config c = {.cert_file = crt_pem, .key_file = key_pem, .client_ca_file = clients ? ca_pem : NULL,
                           .crl_file = crl ? crl_pem : NULL, .client_optional = optional};
    gba_err e = tls_server_new(&c, &tls, why, sizeof why);
    if (e != GBA_OK)
        printf("%s\n", why);
    CU_ASSERT_EQUAL_FATAL(e, GBA_OK);
    http_config h = {.name = "tls", .address = "127.0.0.1", .tls = tls, .threads = 2, .idle_s = idle_s, .handler = on_request,
                     .known_bodies = optional};
    CU_ASSERT_EQUAL_FATAL(http_server_start(&h, &server, why, sizeof why), GBA_OK);
}

static void end(void)
{
    http_server_stop(&server, 1000);
    tls_server_free(&tls);
}

/* ---- the client ---- */
typedef struct client {
    int fd;
    gnutls_session_t s;
    gnutls_certificate_credentials_t cred;
} client;

static int handshake(client *c, const ident *with, const char *priority, const gnutls_datum_t *resume)
{
    int r;
    c->fd = net_connect(http_server_port(server));
    gnutls_certificate_allocate_credentials(&c->cred);
    if (with)
        gnutls_certificate_set_x509_key(c->cred, &((ident *)(uintptr_t)with)->crt, 1, with->key);
    gnutls_init(&c->s, GNUTLS_CLIENT);
    gnutls_priority_set_direct(c->s, priority ? priority : "NORMAL", NULL);
    gnutls_credentials_set(c->s, GNUTLS_CRD_CERTIFICATE, c->cred);
    gnutls_transport_set_int(c->s, c->fd);
    gnutls_handshake_set_timeout(c->s, 20000);
    if (resume)
        gnutls_session_set_data(c->s, resume->data, resume->size);
    do
        r = gnutls_handshake(c->s);
    while (r < 0 && !gnutls_error_is_fatal(r));
    return r;
}

static const char *ask_for = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
static const char *request(client *c)
{
    static char b[4096];
    size_t n = 0, all = strlen(ask_for);
    b[0] = 0;
    for (size_t sent = 0; sent < all;) {
        ssize_t r = gnutls_record_send(c->s, ask_for + sent, all - sent);
        if (r < 0)
            return b;
        sent += (size_t)r;
    }
    while (!strstr(b, "tls") && !strstr(b, "403")) {
        ssize_t r = gnutls_record_recv(c->s, b + n, sizeof b - 1 - n);
        if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
            continue;
        if (r <= 0)
            break;
        n += (size_t)r;
        b[n] = 0;
    }
    return b;
}

static void bye(client *c)
{
    gnutls_deinit(c->s);
    gnutls_certificate_free_credentials(c->cred);
    close(c->fd);
}

/* The body of the answer, or NULL when none came. */
static const char *visit(const ident *with, const char *priority)
{
    static char text[512];
    client c;
    const char *body = NULL;
    if (handshake(&c, with, priority, NULL) == 0)
        body = strstr(request(&c), "\r\n\r\n");
    if (body)
        snprintf(text, sizeof text, "%s", body + 4);
    bye(&c);
    return body ? text : NULL;
}

static void test_versions_and_suites(void)
{
    static const struct {
        const char *priority, *want;
    } rows[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM", "auth 0 - tls2 1301"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM", "auth 0 - tls2 1302"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305", "auth 0 - tls2 1303"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM", "auth 0 - tls1 c02b"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM", "auth 0 - tls1 c02c"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305", "auth 0 - tls1 cca9"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", NULL},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0", NULL},
    };
    begin(false, false);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = visit(NULL, rows[i].priority);
        if (rows[i].want && (!got || strcmp(got, rows[i].want)))
            printf("\n  row %zu: %s", i, got ? got : "nothing");
        CU_ASSERT(rows[i].want ? got && !strcmp(got, rows[i].want) : !got);
    }
    end();
}

/* A client that is slow to read gets all of a large answer. */
static void test_large_answer(void)
{
    static const char q[] = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    static uint8_t b[16384];
    client c;
    size_t at = 0, bad = 0;
    ssize_t r, from;
    begin(false, false);
    CU_ASSERT_EQUAL_FATAL(handshake(&c, NULL, NULL, NULL), 0);
    CU_ASSERT(gnutls_record_send(c.s, q, sizeof q - 1) > 0);
    usleep(300000); /* the server's buffers are full by then; if they are not, less is proved, and nothing fails */
    do /* a ticket comes first */
        r = gnutls_record_recv(c.s, b, sizeof b);
    while (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED);
    uint8_t *body = r > 0 ? memmem(b, (size_t)r, "\r\n\r\n", 4) : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(body);
    for (from = body + 4 - b; r > 0 && at < LARGE; from = 0) {
        for (ssize_t i = from; i < r; i++, at++)
            bad += b[i] != (uint8_t)(at ^ at >> 12);
        if (at < LARGE)
            do
                r = gnutls_record_recv(c.s, b, sizeof b);
            while (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED);
    }
    CU_ASSERT_EQUAL(at, LARGE);
    CU_ASSERT_EQUAL(bad, 0);
    bye(&c);
    end();
}

static void test_clients(void)
{
    static const char nul[] = "good.example\0.evil.example";
    static const struct {
        spec s;
        bool foreign;
        const char *want;
    } rows[] = {
        {{"cn.example", "Naf1.Example", 12, NULL, 10}, false, "ok 1 naf1.example tls2 1301"},
        {{"cn.example", "naf1.example", 12, GNUTLS_KP_TLS_WWW_CLIENT, 10}, false, "ok 1 naf1.example tls2 1301"},
        {{"naf1.example", NULL, 0, NULL, 10}, false, "ok 0 - tls2 1301"}, /* the CN is no name */
        {{"w", "*.example", 9, NULL, 10}, false, "ok 0 - tls2 1301"},
        {{"s", "naf1.example", 12, GNUTLS_KP_TLS_WWW_SERVER, 10}, false, NULL},
        {{"old", "naf1.example", 12, NULL, -1}, false, NULL},
        {{"foreign", "naf1.example", 12, NULL, 10}, true, NULL},
        {{"nul", nul, sizeof nul - 1, NULL, 10}, false, "403"},
    };
    begin(true, false);
    CU_ASSERT_PTR_NULL(visit(NULL, NULL));
    CU_ASSERT_PTR_NULL(visit(NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ident id = make(&rows[i].s, rows[i].foreign ? &other_ca : &ca);
        int before = handled;
        for (int v = 2; v <= 3; v++) {
            const char *got = visit(&id, v == 3 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM" : "NORMAL:-VERS-ALL:+VERS-TLS1.2");
            bool reached = rows[i].want && strcmp(rows[i].want, "403");
            if (v == 3 && reached && (!got || strcmp(got, rows[i].want)))
                printf("\n  row %zu: %s", i, got ? got : "nothing");
            CU_ASSERT(v == 2 || !reached || (got && !strcmp(got, rows[i].want)));
            if (!reached && got && *got)
                printf("\n  row %zu reached a handler: %s", i, got);
            CU_ASSERT(reached || !got || !*got);
        }
        CU_ASSERT_EQUAL(handled - before, rows[i].want && strcmp(rows[i].want, "403") ? 2 : 0);
        drop(&id);
    }
    end();
}

/* A certificate revoked after the handshake: the open connection and a resumption are refused too. */
/* Whoever showed no certificate is answered, but nothing of a body is kept for him; a known one's is there. */
static void test_strangers_bodies(void)
{
    static char with_body[70000];
    static const char *const framing[] = {"Content-Length: 60000", "Transfer-Encoding: chunked"};
    const char *plain = ask_for;
    ident naf = make(&(spec){"x", "naf1.example", 12, NULL, 10}, &ca);
    optional = true;
    begin(true, false);
    ask_for = with_body;
    for (int chunked = 0; chunked < 2; chunked++) {
        int n = snprintf(with_body, sizeof with_body, "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s%060000d%s", framing[chunked],
                         chunked ? "ea60\r\n" : "", 1, chunked ? "\r\n0\r\n\r\n" : "");
        CU_ASSERT_FATAL(n > 0 && (size_t)n < sizeof with_body);
        body_n = 1;
        CU_ASSERT_PTR_NOT_NULL(visit(NULL, NULL));
        CU_ASSERT_EQUAL(body_n, 0);
        CU_ASSERT_PTR_NOT_NULL(visit(&naf, NULL));
        CU_ASSERT_EQUAL(body_n, 60000);
    }
    ask_for = plain;
    end();
    optional = false;
    drop(&naf);
}

static void test_revoked(void)
{
    char why[256];
    client c, d;
    gnutls_datum_t data = {0};
    ident naf = make(&(spec){"x", "naf1.example", 12, NULL, 10}, &ca);
    write_crl(NULL);
    begin(true, true);
    CU_ASSERT_EQUAL(handshake(&c, &naf, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(request(&c), "ok 1 naf1.example"));
    gnutls_session_get_data2(c.s, &data);
    CU_ASSERT_EQUAL(handshake(&d, &naf, "NORMAL:-VERS-ALL:+VERS-TLS1.2", &data), 0);
    CU_ASSERT(gnutls_session_is_resumed(d.s));
    CU_ASSERT_PTR_NOT_NULL(strstr(request(&d), "ok 1 naf1.example"));
    bye(&d);
    write_crl(&naf);
    CU_ASSERT_EQUAL(tls_server_reload(tls, why, sizeof why), GBA_OK);
    int before = handled;
    CU_ASSERT_PTR_NOT_NULL(strstr(request(&c), "HTTP/1.1 403"));
    CU_ASSERT_PTR_NULL(visit(&naf, NULL));
    if (handshake(&d, &naf, "NORMAL:-VERS-ALL:+VERS-TLS1.2", &data) == 0)
        CU_ASSERT_PTR_NOT_NULL(strstr(request(&d), "HTTP/1.1 403"));
    CU_ASSERT_EQUAL(handled, before);
    bye(&d);
    bye(&c);
    gnutls_free(data.data);
    drop(&naf);
    end();
}

static void test_reload(void)
{
    char why[256] = "";
    client c;
    unsigned n;
    begin(false, false);
    export(&server_id2, crt_pem, NULL); /* the key does not match yet */
    CU_ASSERT_EQUAL(tls_server_reload(tls, why, sizeof why), GBA_E_ARG);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "is not the key of the certificate in"));
    CU_ASSERT_PTR_NOT_NULL(visit(NULL, NULL));
    export(&server_id2, crt_pem, key_pem);
    CU_ASSERT_EQUAL(tls_server_reload(tls, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(handshake(&c, NULL, NULL, NULL), 0);
    const gnutls_datum_t *got = gnutls_certificate_get_peers(c.s, &n);
    gnutls_datum_t want;
    gnutls_x509_crt_export2(server_id2.crt, GNUTLS_X509_FMT_DER, &want);
    CU_ASSERT(got && got[0].size == want.size && !memcmp(got[0].data, want.data, want.size));
    gnutls_free(want.data);
    bye(&c);
    export(&server_id, crt_pem, key_pem);
    end();
}

static void test_bad_files(void)
{
    tls_server *t;
    char why[256], none[80];
    snprintf(none, sizeof none, "%s/none.pem", dir);
    tls_server_config c = {.cert_file = none, .key_file = key_pem};
    CU_ASSERT_EQUAL(tls_server_new(&c, &t, why, sizeof why), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "none.pem: cannot be read: No such file or directory"));
    c = (tls_server_config){.cert_file = key_pem, .key_file = key_pem};
    CU_ASSERT_EQUAL(tls_server_new(&c, &t, why, sizeof why), GBA_E_SYNTAX);
    c = (tls_server_config){.cert_file = crt_pem, .key_file = key_pem, .client_ca_file = key_pem};
    CU_ASSERT_EQUAL(tls_server_new(&c, &t, why, sizeof why), GBA_E_SYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "holds no PEM certificate of a CA"));
    c = (tls_server_config){.cert_file = crt_pem, .key_file = key_pem, .priority = "NORMAL:+NONSENSE"};
    CU_ASSERT_EQUAL(tls_server_new(&c, &t, why, sizeof why), GBA_E_SYNTAX);
}

/* Half a ClientHello: ends at the deadline, and costs no processor meanwhile. */
static void test_half_open(void)
{
    struct rusage a, b;
    int fd[20];
    idle_s = 2;
    begin(false, false);
    idle_s = 30;
    int64_t t0 = service_mono_ms();
    for (int i = 0; i < 20; i++) {
        fd[i] = net_connect(http_server_port(server));
        net_send(fd[i], "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    }
    getrusage(RUSAGE_SELF, &a);
    for (int i = 0; i < 20; i++)
        CU_ASSERT(net_closed(fd[i], 5000));
    getrusage(RUSAGE_SELF, &b);
    CU_ASSERT(service_mono_ms() - t0 < 4500);
    double cpu = (double)(b.ru_utime.tv_sec - a.ru_utime.tv_sec) + (double)(b.ru_utime.tv_usec - a.ru_utime.tv_usec) / 1e6 +
                 (double)(b.ru_stime.tv_sec - a.ru_stime.tv_sec) + (double)(b.ru_stime.tv_usec - a.ru_stime.tv_usec) / 1e6;
    CU_ASSERT(cpu < 0.5);
    for (int i = 0; i < 20; i++)
        close(fd[i]);
    end();
}

static void test_suite_names(void)
{
    CU_ASSERT_EQUAL(tls_suite_by_name("TLS_AES_128_GCM_SHA256"), 0x1301);
    CU_ASSERT_EQUAL(tls_suite_by_name("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), 0xc02f);
    CU_ASSERT_EQUAL(tls_suite_by_name("TLS_ECDHE_RSA_AES_128_GCM_SHA256"), 0xc02f);
    CU_ASSERT_EQUAL(tls_suite_by_name("TLS_RSA_WITH_AES_128_CBC_SHA"), 0x002f);
    CU_ASSERT_EQUAL(tls_suite_by_name("TLS_PSK_WITH_AES_128_GCM_SHA256"), 0x00a8);
    CU_ASSERT_EQUAL(tls_suite_by_name("nonsense"), 0);
    CU_ASSERT_EQUAL(tls_suite_by_name(tls_suite_name(0xc02b)), 0xc02b);
    CU_ASSERT_PTR_NULL(tls_suite_name(0xfafa));
}

static void prepare(void)
{
    snprintf(ca_pem, sizeof ca_pem, "%s/ca.pem", dir);
    snprintf(crt_pem, sizeof crt_pem, "%s/crt.pem", dir);
    snprintf(key_pem, sizeof key_pem, "%s/key.pem", dir);
    snprintf(crl_pem, sizeof crl_pem, "%s/crl.pem", dir);
    ca = make(&(spec){"CA", NULL, 0, NULL, 100}, NULL);
    other_ca = make(&(spec){"Other CA", NULL, 0, NULL, 100}, NULL);
    server_id = make(&(spec){"s", "localhost", 9, NULL, 50}, &ca);
    server_id2 = make(&(spec){"s2", "localhost", 9, NULL, 50}, &ca);
    export(&ca, ca_pem, NULL);
    export(&server_id, crt_pem, key_pem);
}

static void clean(void)
{
    drop(&ca), drop(&other_ca), drop(&server_id), drop(&server_id2);
    unlink(ca_pem), unlink(crt_pem), unlink(key_pem), unlink(crl_pem);
    rmdir(dir);
}

int main(void)
{
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(dir))
        return 1;
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("tls", NULL, NULL);
    prepare();
    CU_add_test(s, "versions and suites", test_versions_and_suites);
    CU_add_test(s, "a large answer", test_large_answer);
    CU_add_test(s, "clients", test_clients);
    CU_add_test(s, "strangers' bodies", test_strangers_bodies);
    CU_add_test(s, "revoked", test_revoked);
    CU_add_test(s, "reload", test_reload);
    CU_add_test(s, "bad files", test_bad_files);
    CU_add_test(s, "half open", test_half_open);
    CU_add_test(s, "suite names", test_suite_names);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    clean();
    return failed != 0;
}
