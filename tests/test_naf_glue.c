/* SPDX-License-Identifier: Apache-2.0 */
/* test_naf_glue.c - libgbanaf-gnutls against GnuTLS's client, over a pair of sockets; end to end: test_examples.sh. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <gnutls/x509.h>
#include <gba/naf_gnutls.h>
#include "tests/t_main.h"

#define BTID "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net"
#define OURS "3GPP-bootstrapping;" BTID
#define CLIENT "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK:+PSK"

/* ---- a listener, its certificate, a BSF ---- */
static gba_naf *naf;
static gba_naf_gnutls *g;
static gnutls_certificate_credentials_t cert;
static unsigned asked;
static gba_err outcome;

static gba_err source(void *ctx, const gba_naf_query *q, gba_naf_keys *out)
{
    (void)ctx, (void)q;
    asked++;
    *out = (gba_naf_keys){.me = {.n = 32}, .expires = time(NULL) + 600};
    memset(out->me.o, 0x5a, 32);
    return outcome;
}

static void make_certificate(void)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    CU_ASSERT_FATAL(gnutls_x509_privkey_init(&key) == 0 && gnutls_x509_crt_init(&crt) == 0);
    CU_ASSERT_FATAL(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                                 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, "\1", 1);
    gnutls_x509_crt_set_activation_time(crt, time(NULL) - 60);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600);
    gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, "naf1", 4);
    gnutls_x509_crt_set_key(crt, key);
    CU_ASSERT_FATAL(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) == 0);
    CU_ASSERT_FATAL(gnutls_certificate_allocate_credentials(&cert) == 0);
    CU_ASSERT_FATAL(gnutls_certificate_set_x509_key(cert, &crt, 1, key) == 0);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

static void setup(void)
{
    static const char *const fqdns[] = {"naf1.home1.net", "naf2.home1.net"}, *const bsfs[] = {"bsf.home1.net"};
    const gba_naf_config c = {.fqdns = fqdns, .n_fqdns = 2, .bsfs = bsfs, .n_bsfs = 1, .unknown_per_source = 4};
    const char *why;
    CU_ASSERT_EQUAL_FATAL(gba_naf_new(&c, &naf, &why), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_naf_gnutls_new(naf, source, NULL, &g), GBA_OK);
    make_certificate();
    asked = 0;
    outcome = GBA_OK;
}

static void teardown(void)
{
    gba_naf_gnutls_free(&g);
    gba_naf_free(&naf);
    gnutls_certificate_free_credentials(cert);
}

/* ---- a client in a thread of its own ---- */
typedef struct client {
    const char *priority, *identity, *sni;
    size_t identity_n; /* 0: strlen */
    bool wrong;
    int fd, result, alert;
} client;

static void *connect_to(void *ctx)
{
    client *c = ctx;
    uint8_t key[32];
    gnutls_session_t s;
    gnutls_psk_client_credentials_t psk;
    gnutls_certificate_credentials_t none;
    const char *id = c->identity ? c->identity : "";
    const gnutls_datum_t user = {(unsigned char *)(uintptr_t)id,
                                 (unsigned)(c->identity_n ? c->identity_n : strlen(id))},
                         k = {key, sizeof key};
    memset(key, c->wrong ? 0x5b : 0x5a, sizeof key);
    gnutls_init(&s, GNUTLS_CLIENT);
    gnutls_psk_allocate_client_credentials(&psk);
    gnutls_certificate_allocate_credentials(&none);
    gnutls_psk_set_client_credentials2(psk, &user, &k, GNUTLS_PSK_KEY_RAW);
    gnutls_priority_set_direct(s, c->priority ? c->priority : CLIENT, NULL);
    if (c->identity)
        gnutls_credentials_set(s, GNUTLS_CRD_PSK, psk);
    gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, none);
    if (c->sni)
        gnutls_server_name_set(s, GNUTLS_NAME_DNS, c->sni, strlen(c->sni));
    gnutls_transport_set_int(s, c->fd);
    do
        c->result = gnutls_handshake(s);
    while (c->result < 0 && !gnutls_error_is_fatal(c->result));
    c->alert = c->result == GNUTLS_E_FATAL_ALERT_RECEIVED ? (int)gnutls_alert_get(s) : -1;
    shutdown(c->fd, SHUT_WR);
    gnutls_deinit(s);
    gnutls_psk_free_client_credentials(psk);
    gnutls_certificate_free_credentials(none);
    return NULL;
}

typedef struct server {
    gnutls_session_t s;
    gba_naf_gnutls_peer *p;
    int result;
} server;

static void serve(server *v, client *c, const char *from)
{
    struct sockaddr_in6 peer = {.sin6_family = AF_INET6};
    pthread_t t;
    int fd[2];
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
    c->fd = fd[1];
    CU_ASSERT_FATAL(gnutls_init(&v->s, GNUTLS_SERVER) == 0);
    gnutls_priority_set_direct(v->s, GBA_NAF_GNUTLS_PRIORITY, NULL);
    gnutls_credentials_set(v->s, GNUTLS_CRD_CERTIFICATE, cert);
    gnutls_transport_set_int(v->s, fd[0]);
    if (from)
        CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET6, from, &peer.sin6_addr), 1);
    CU_ASSERT_EQUAL_FATAL(gba_naf_gnutls_attach(g, v->s, from ? (struct sockaddr *)&peer : NULL, &v->p), GBA_OK);
    CU_ASSERT_FATAL(pthread_create(&t, NULL, connect_to, c) == 0);
    do
        v->result = gnutls_handshake(v->s);
    while (v->result < 0 && !gnutls_error_is_fatal(v->result));
    if (v->result < 0)
        gnutls_alert_send_appropriate(v->s, v->result);
    shutdown(fd[0], SHUT_WR);
    pthread_join(t, NULL);
    close(fd[0]);
    close(fd[1]);
}

static void end(server *v)
{
    gnutls_deinit(v->s);
    gba_naf_gnutls_release(&v->p);
}

/* How a handshake ends: 'P' with the GBA key, 'C' with the certificate, '-' not. */
static char handshake(client c, const char *from)
{
    server v;
    serve(&v, &c, from);
    char how = v.result < 0 ? '-' : gba_naf_gnutls_is_psk(v.p) ? 'P' : 'C';
    if (how == 'C')
        CU_ASSERT_EQUAL(gnutls_auth_client_get_type(v.s), GNUTLS_CRD_CERTIFICATE);
    end(&v);
    return how;
}

/* ---- the tests ---- */
static void keys(void)
{
    char id[600] = OURS;
    setup();
    CU_ASSERT_EQUAL(handshake((client){.identity = OURS}, NULL), 'P');
    CU_ASSERT_EQUAL(handshake((client){.identity = OURS, .sni = "naf2.home1.net"}, NULL), 'P');
    CU_ASSERT_EQUAL(handshake((client){.identity = OURS, .sni = "elsewhere.net"}, NULL), '-');
    CU_ASSERT_EQUAL(handshake((client){.identity = OURS, .wrong = true}, NULL), '-');
    CU_ASSERT_EQUAL(handshake((client){.identity = NULL}, NULL), 'C');
    CU_ASSERT_EQUAL(handshake((client){.identity = "somebody"}, NULL), 'C');
    CU_ASSERT_EQUAL(handshake((client){.identity = "3GPP-bootstrapping"}, NULL),
                    '-'); /* ours by its name, and nobody's */
    CU_ASSERT_EQUAL(handshake((client){.identity = id, .identity_n = sizeof OURS}, NULL), '-'); /* with its NUL */
    memset(id + sizeof OURS - 1, 'x', sizeof id - sizeof OURS);
    CU_ASSERT_EQUAL(handshake((client){.identity = id}, NULL), '-');
    /* TLS 1.2: another Ua identifier, so another key for the BSF; here it is the same */
    CU_ASSERT_EQUAL(
        handshake((client){.identity = OURS, .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"}, NULL),
        'P');
    CU_ASSERT_EQUAL(
        handshake((client){.identity = "somebody", .priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"},
                  NULL),
        '-');
    teardown();
}

/* A key that was asked for and not used makes nobody. */
static void other_hash(void)
{
    setup();
    char how = handshake((client){.identity = OURS, .priority = CLIENT ":-CIPHER-ALL:+AES-256-GCM"}, NULL);
    CU_ASSERT(how != 'P');
    CU_ASSERT_EQUAL(asked, 1);
    CU_ASSERT_EQUAL(handshake((client){.identity = OURS, .priority = CLIENT ":-CIPHER-ALL:+AES-128-GCM"}, NULL), 'P');
    teardown();
}

static void requests(void)
{
    static gba_naf_result r;
    server v;
    client c = {.identity = OURS, .sni = "naf2.home1.net"};
    gba_btid btid;
    setup();
    serve(&v, &c, NULL);
    CU_ASSERT_TRUE_FATAL(gba_naf_gnutls_is_psk(v.p));
    CU_ASSERT_EQUAL(gba_naf_gnutls_why(v.p, &btid), GBA_NAF_WHY_OK);
    CU_ASSERT_STRING_EQUAL(btid.s, BTID);
    gba_naf_gnutls_check(v.p, gba_str("NAF2.home1.net:443"), (gba_span){0}, true, GBA_OK, &r);
    CU_ASSERT_EQUAL(r.verdict, GBA_NAF_OK);
    CU_ASSERT(r.identity && r.psk.n == 0);
    gba_naf_result_clear(&r);
    gba_naf_gnutls_check(v.p, gba_str("naf1.home1.net"), (gba_span){0}, true, GBA_OK, &r);
    CU_ASSERT(r.verdict == GBA_NAF_REFUSE && r.status == 421);
    gba_naf_gnutls_check(v.p, (gba_span){0}, (gba_span){0}, true, GBA_OK, &r);
    CU_ASSERT(r.verdict == GBA_NAF_REFUSE && r.status == 421);
    gba_naf_gnutls_check(v.p, gba_str("naf2.home1.net"), gba_str("sip:another@home1.net"), true, GBA_OK, &r);
    CU_ASSERT(r.verdict == GBA_NAF_REFUSE && r.status == 403);
    CU_ASSERT_EQUAL(asked, 1);
    gba_naf_forget(naf, &btid); /* revoked, and the BSF knows it no more */
    outcome = GBA_E_UNKNOWN;
    gba_naf_gnutls_check(v.p, gba_str("naf2.home1.net"), (gba_span){0}, false, GBA_OK, &r);
    CU_ASSERT_EQUAL(r.verdict, GBA_NAF_WAIT);
    gba_naf_learn(naf, &r.query, GBA_E_BUSY, NULL, time(NULL));
    gba_naf_gnutls_check(v.p, gba_str("naf2.home1.net"), (gba_span){0}, true, GBA_OK, &r);
    CU_ASSERT(r.verdict == GBA_NAF_REFUSE && r.status == 421);
    end(&v);
    teardown();
}

/* What the client is told, -1: nothing. */
static int told(client c, const char *from)
{
    server v;
    serve(&v, &c, from);
    end(&v);
    return c.alert;
}

/* C2: where the BSF cannot be asked the client does not hear that its key is refused. */
static void outage(void)
{
    static const char *const v[] = {NULL, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK"};
    static const gba_err down[] = {GBA_E_IO, GBA_E_BUSY, GBA_E_NOMEM};
    for (size_t i = 0; i < 2; i++) {
        const client c = {.identity = OURS, .priority = v[i]};
        setup();
        for (size_t k = 0; k < 3; k++) {
            outcome = down[k];
            CU_ASSERT_EQUAL(told(c, NULL), GNUTLS_A_INTERNAL_ERROR);
        }
        outcome = GBA_E_UNKNOWN;
        int alert = told(c, NULL);
        CU_ASSERT(alert > 0 && alert != GNUTLS_A_INTERNAL_ERROR);
        outcome = GBA_OK;
        CU_ASSERT_EQUAL(told((client){.identity = OURS, .priority = v[i], .wrong = true, .sni = "naf2.home1.net"}, NULL), alert);
        teardown();
    }
}

/* Whoever tries B-TIDs is one source, with all addresses of a /64. */
static void limits(void)
{
    static const char *const from[] = {"2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:2:3:4:5:6",
                                       "2001:db8:1:2:8000::", "2001:db8:1:2::ffff", "2001:db8:1:2:f00::1"};
    char id[] = "3GPP-bootstrapping;A1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net";
    setup();
    outcome = GBA_E_UNKNOWN;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        id[19] = (char)('A' + i);
        CU_ASSERT_EQUAL(handshake((client){.identity = id}, from[i]), '-');
    }
    CU_ASSERT_EQUAL(asked, 4);
    outcome = GBA_OK;
    CU_ASSERT_EQUAL(handshake((client){.identity = OURS}, "2001:db8:1:3::1"), 'P'); /* others are let in */
    teardown();
}

static bool counts_as(const char *address, const char *as)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6}, want;
    bool four = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    uint8_t got[16];
    CU_ASSERT_FATAL(four || inet_pton(AF_INET6, address, &v6.sin6_addr) == 1);
    CU_ASSERT_FATAL(inet_pton(AF_INET6, as, &want.sin6_addr) == 1);
    gba_naf_gnutls_source(four ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, got);
    return memcmp(got, &want.sin6_addr, sizeof got) == 0;
}

static void sources(void)
{
    const struct sockaddr local = {.sa_family = AF_UNIX};
    uint8_t got[16], none[16] = {0};
    CU_ASSERT_TRUE(counts_as("192.0.2.7", "::ffff:192.0.2.7"));
    CU_ASSERT_TRUE(counts_as("::ffff:192.0.2.7", "::ffff:192.0.2.7"));
    CU_ASSERT_TRUE(counts_as("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"));
    CU_ASSERT_TRUE(counts_as("::1", "::1")); /* all zero would be nobody */
    gba_naf_gnutls_source(&local, got);
    CU_ASSERT(memcmp(got, none, sizeof got) == 0);
    gba_naf_gnutls_source(NULL, got);
    CU_ASSERT(memcmp(got, none, sizeof got) == 0);
}

T_MAIN("naf_glue", {"keys", keys}, {"a suite of another hash", other_hash}, {"requests", requests}, {"an outage", outage}, {"limits", limits},
       {"sources", sources})
