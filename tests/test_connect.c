/* SPDX-License-Identifier: Apache-2.0 */
/* test_connect.c - a PSK connection for the application (ue_connect.h), to a NAF on GnuTLS's server side. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <gba/ue_connect.h>
#include "tests/broken_peer.h"
#include "tests/t_main.h"
#include "tests/ue_peer.h"
#include "ue/link.h"

#define LABEL "EXPORTER-test-connect"
#define S12 "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+CHACHA20-POLY1305"
#define S13 "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK:+PSK"
#define WAIT_MS 20000

/* ---- a NAF that sends back what it gets, and "bye" at the end ---- */
typedef struct naf {
    const char *priority;
    broken_how broken;
    gnutls_alert_description_t alert; /* of BROKEN_ALERT */
    gba_ua_id ua;
    bool rude; /* no close_notify */
    atomic_uint refuse, handshakes, good;
    uint8_t exported[32];
    int fd;
    unsigned port;
    pthread_t thread;
} naf;

static peer p;
static naf n;

static int on_identity(gnutls_session_t s, const gnutls_datum_t *identity, gnutls_datum_t *key)
{
    GBA_SECRET_SCOPED ks = {0};
    char want[GBA_ID_MAX + 32];
    const gba_naf_id id = {.fqdn = {PEER_NAF}, .ua = n.ua};
    (void)s;
    snprintf(want, sizeof want, "3GPP-bootstrapping;%s", p.btid.s);
    if (!gba_span_eq(gba_mem(identity->data, identity->size), gba_str(want)) ||
        gba_ks_naf(GBA_KS_NAF, &p.ks, gba_mem(p.rand, 16), &p.impi, &id, &ks) != GBA_OK)
        return 1;
    if (atomic_load(&n.refuse)) {
        atomic_fetch_sub(&n.refuse, 1);
        ks.o[0] ^= 1;
    }
    key->data = gnutls_malloc(ks.n);
    memcpy(key->data, ks.o, ks.n);
    key->size = (unsigned)ks.n;
    return 0;
}

static void talk(gnutls_session_t s)
{
    char room[16384];
    ssize_t k;
    gnutls_prf_rfc5705(s, strlen(LABEL), LABEL, 0, NULL, sizeof n.exported, (char *)n.exported);
    atomic_fetch_add(&n.good, 1);
    while ((k = gnutls_record_recv(s, room, sizeof room)) > 0)
        for (ssize_t at = 0, sent; at < k; at += sent)
            if ((sent = gnutls_record_send(s, room + at, (size_t)(k - at))) <= 0)
                return;
    if (k == 0 && gnutls_record_send(s, "bye", 3) == 3 && !n.rude)
        gnutls_bye(s, GNUTLS_SHUT_WR);
}

static void serve(int fd, gnutls_psk_server_credentials_t c)
{
    gnutls_session_t s;
    int r;
    gnutls_init(&s, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(s, n.priority, NULL);
    gnutls_credentials_set(s, GNUTLS_CRD_PSK, c);
    gnutls_transport_set_int(s, fd);
    atomic_fetch_add(&n.handshakes, 1);
    do
        r = gnutls_handshake(s);
    while (r < 0 && !gnutls_error_is_fatal(r));
    if (r == 0)
        talk(s);
    else
        gnutls_alert_send_appropriate(s, r);
    gnutls_deinit(s);
    close(fd);
}

static void *listener(void *arg)
{
    gnutls_psk_server_credentials_t c;
    int fd;
    (void)arg;
    gnutls_psk_allocate_server_credentials(&c);
    gnutls_psk_set_server_credentials_hint(c, "3GPP-bootstrapping");
    gnutls_psk_set_server_credentials_function2(c, on_identity);
    while ((fd = accept(n.fd, NULL, NULL)) >= 0)
        if (n.broken) {
            atomic_fetch_add(&n.handshakes, 1);
            broken_serve(fd, n.broken, n.alert);
        } else {
            serve(fd, c);
        }
    gnutls_psk_free_server_credentials(c);
    return NULL;
}

static int listen_on(unsigned *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, len) || listen(fd, 8) ||
                              getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* ---- the device ---- */
static char dir[PATH_MAX - 256], usim[PATH_MAX - 128], state[PATH_MAX - 128], text[GBA_UE_TEXT];
static gba_uicc *card;
static gba_ue *ue;
static int64_t moved; /* the clock */

static int64_t now(void *arg)
{
    return peer_now(arg) + moved;
}

static void begin(const char *priority, gba_ua_id ua)
{
    snprintf(dir, sizeof dir, "/tmp/test_connect.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(usim, sizeof usim, "%s/usim", dir);
    snprintf(state, sizeof state, "%s/state", dir);
    peer_open(&p);
    gba_uicc_soft_config sc = {.impi = p.impi, .key = p.key};
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_create(usim, &sc, NULL, text), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(usim, NULL, &card, text), GBA_OK);
    gba_ue_config c = {.uicc = card,
                       .carrier = peer_carrier(&p),
                       .bsf_url = "http://" PEER_BSF "/",
                       .state_dir = state,
                       .now = now};
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str(PEER_BSF), &c.bsf), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_ue_new(&c, &ue, text), GBA_OK);
    moved = 0;
    memset(&n, 0, sizeof n);
    n.priority = priority;
    n.ua = ua;
    n.fd = listen_on(&n.port);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&n.thread, NULL, listener, NULL), 0);
}

static void end(void)
{
    char command[PATH_MAX];
    shutdown(n.fd, SHUT_RDWR);
    pthread_join(n.thread, NULL);
    close(n.fd);
    gba_ue_free(&ue);
    gba_uicc_free(&card);
    peer_close(&p);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

static gba_err dial(unsigned port, gba_ue_tls tls, unsigned seconds, gba_ue_conn **out)
{
    char entry[64];
    const char *const list[] = {entry, NULL};
    const gba_ue_carrier_config net = {.resolve = list, .timeout_s = seconds};
    const gba_ue_connect_config c = {.host = PEER_NAF, .port = port, .tls = tls, .net = &net};
    snprintf(entry, sizeof entry, PEER_NAF ":%u:127.0.0.1", port);
    return gba_ue_connect(ue, &c, out);
}

/* Reads until there are that many octets, or the end. */
static size_t read_all(gba_ue_conn *c, uint8_t *out, size_t want)
{
    size_t have = 0, k = 1;
    while (have < want && k > 0) {
        k = want - have;
        if (gba_ue_conn_read(c, out + have, &k, WAIT_MS) != GBA_OK)
            break;
        have += k;
    }
    return have;
}

static bool write_all(gba_ue_conn *c, const uint8_t *in, size_t size)
{
    while (size) {
        size_t k = size;
        if (gba_ue_conn_write(c, in, &k, WAIT_MS) != GBA_OK)
            return false;
        in += k;
        size -= k;
    }
    return true;
}

/* ---- the tests ---- */
static void exporters(gba_ue_conn *c)
{
    GBA_SECRET_SCOPED mine = {0}, other = {0};
    CU_ASSERT_EQUAL(gba_ue_conn_export(c, LABEL, 32, &mine), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(gba_secret_span(&mine), gba_mem(n.exported, 32)));
    CU_ASSERT_EQUAL(gba_ue_conn_export(c, LABEL "2", 32, &other), GBA_OK);
    CU_ASSERT_FALSE(gba_secret_eq(&mine, &other));
    CU_ASSERT_NOT_EQUAL(gba_ue_conn_export(c, LABEL, GBA_SECRET_MAX + 1, &other), GBA_OK);
}

static void conversation(const char *priority, gba_ue_tls tls, gba_transport transport, uint16_t suite)
{
    static uint8_t out[100000], in[sizeof out];
    gba_ue_conn *c;
    size_t k = sizeof in;
    begin(priority, gba_ua_id_psk(transport, suite));
    CU_ASSERT_EQUAL_FATAL(dial(n.port, tls, 0, &c), GBA_OK);
    const gba_ue_conn_facts *f = gba_ue_conn_info(c);
    CU_ASSERT_EQUAL(f->transport, transport);
    CU_ASSERT_TRUE(transport == GBA_TLS13 || f->suite == suite);
    CU_ASSERT_STRING_EQUAL(f->naf.fqdn.s, PEER_NAF);
    CU_ASSERT_EQUAL(memcmp(f->naf.ua.o, n.ua.o, sizeof n.ua.o), 0);
    CU_ASSERT_STRING_EQUAL(f->btid.s, p.btid.s);
    gba_ue_free(&ue); /* the connection outlives it */
    CU_ASSERT_EQUAL(gba_ue_conn_read(c, in, &k, 0), GBA_E_BUSY);
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (uint8_t)(i * 7 + i / 251);
    CU_ASSERT_TRUE(write_all(c, out, 5));
    CU_ASSERT_EQUAL(ue_wait(gba_ue_conn_fd(c), POLLIN, ue_clock() + WAIT_MS), GBA_OK);
    CU_ASSERT_EQUAL(read_all(c, in, 1), 1);
    CU_ASSERT_EQUAL(gba_ue_conn_pending(c), 4); /* of the record that was read */
    CU_ASSERT_EQUAL(read_all(c, in + 1, 4), 4);
    CU_ASSERT_EQUAL(memcmp(in, out, 5), 0);
    exporters(c);
    CU_ASSERT_TRUE(write_all(c, out, sizeof out));
    CU_ASSERT_EQUAL(read_all(c, in, sizeof in), sizeof in);
    CU_ASSERT_EQUAL(memcmp(in, out, sizeof out), 0);
    CU_ASSERT_EQUAL(gba_ue_conn_end(c), GBA_OK);
    CU_ASSERT_EQUAL(read_all(c, in, 100), 3); /* and then the end */
    CU_ASSERT_EQUAL(memcmp(in, "bye", 3), 0);
    gba_ue_conn_close(&c);
    CU_ASSERT_PTR_NULL(c);
    gba_ue_conn_close(&c);
    CU_ASSERT_TRUE(p.bootstraps == 1 && atomic_load(&n.handshakes) == 1 && atomic_load(&n.good) == 1);
    end();
}

static void tls12(void)
{
    conversation(S12, GBA_UE_TLS_1_2, GBA_TLS12, 0xccac);
    conversation(S12, GBA_UE_TLS_ANY, GBA_TLS12, 0xccac);
}

static void tls13(void)
{
    conversation(S13, GBA_UE_TLS_1_3, GBA_TLS13, 0);
    conversation(S13, GBA_UE_TLS_ANY, GBA_TLS13, 0);
}

/* A refused key counts as stale: one bootstrap, one more try. */
static void refused(void)
{
    static const struct {
        const char *priority;
        gba_ue_tls tls;
        gba_transport transport;
        uint16_t suite;
    } rows[] = {{S12, GBA_UE_TLS_1_2, GBA_TLS12, 0xccac}, {S13, GBA_UE_TLS_1_3, GBA_TLS13, 0}};
    for (size_t i = 0; i < 2; i++) {
        gba_ue_conn *c;
        uint8_t room[4];
        begin(rows[i].priority, gba_ua_id_psk(rows[i].transport, rows[i].suite));
        atomic_store(&n.refuse, 1);
        CU_ASSERT_EQUAL_FATAL(dial(n.port, rows[i].tls, 0, &c), GBA_OK);
        CU_ASSERT_TRUE(p.bootstraps == 2 && atomic_load(&n.handshakes) == 2);
        CU_ASSERT_STRING_EQUAL(gba_ue_conn_info(c)->btid.s, p.btid.s); /* the new one */
        CU_ASSERT_TRUE(write_all(c, (const uint8_t *)"ping", 4) && read_all(c, room, 4) == 4);
        gba_ue_conn_close(&c);
        atomic_store(&n.refuse, 9);
        CU_ASSERT_EQUAL(dial(n.port, rows[i].tls, 0, &c), GBA_E_AUTH);
        CU_ASSERT_PTR_NULL(c);
        CU_ASSERT_TRUE(p.bootstraps == 3 && atomic_load(&n.handshakes) == 4);
        CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), "with the key of a fresh bootstrap"));
        end();
    }
}

/* C2: a NAF that is down says nothing about the key: whoever goes on asking does not bootstrap anew. */
static void outage(void)
{
    static const struct {
        broken_how how;
        gnutls_alert_description_t alert;
    } rows[] = {{BROKEN_RESETS, 0}, {BROKEN_RESETS_LATER, 0}, {BROKEN_CLOSES, 0}, {BROKEN_CLOSES_LATER, 0}, {BROKEN_GARBAGE, 0}, {BROKEN_NO_TLS, 0},
                {BROKEN_ALERT, GNUTLS_A_INTERNAL_ERROR}, {BROKEN_ALERT, GNUTLS_A_USER_CANCELED}, {BROKEN_ALERT, GNUTLS_A_CLOSE_NOTIFY},
                {BROKEN_ALERT, GNUTLS_A_UNEXPECTED_MESSAGE}, {BROKEN_ALERT, GNUTLS_A_DECODE_ERROR}};
    static const gba_ue_tls versions[] = {GBA_UE_TLS_ANY, GBA_UE_TLS_1_2, GBA_UE_TLS_1_3};
    gba_ue_conn *c;
    gba_ue_session s;
    begin(S13, gba_ua_id_psk(GBA_TLS13, 0));
    CU_ASSERT_EQUAL_FATAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < 3; k++) {
            n.broken = rows[i].how;
            n.alert = rows[i].alert;
            for (int again = 0; again < 3; again++)
                CU_ASSERT_EQUAL(dial(n.port, versions[k], 5, &c), GBA_E_IO);
            CU_ASSERT_PTR_NULL(c);
        }
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    n.broken = BROKEN_NOT;
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_OK); /* and then it goes on with the key that it has */
    gba_ue_conn_close(&c);
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    end();
}

/* ---- a hundred devices ---- */
#define DEVICES 100
typedef struct device {
    gba_uicc *card;
    gba_ue_carrier carrier;
    gba_ue *ue;
} device;

static void device_open(device *d, unsigned number)
{
    static char to_naf[32];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/usim%u", dir, number);
    gba_uicc_soft_config sc = {.impi = p.impi, .key = p.key};
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_create(path, &sc, NULL, text), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &d->card, text), GBA_OK);
    snprintf(to_naf, sizeof to_naf, "127.0.0.1:%u", n.port);
    const gba_ue_carrier_config net = {.connect = to_naf, .timeout_s = 5};
    CU_ASSERT_EQUAL_FATAL(gba_ue_carrier_gnutls(&net, &d->carrier), GBA_OK);
    snprintf(path, sizeof path, "%s/state%u", dir, number);
    gba_ue_config c = {.uicc = d->card, .carrier = d->carrier, .bsf_carrier = peer_carrier(&p),
                       .bsf_url = "http://" PEER_BSF "/", .state_dir = path, .now = now};
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str(PEER_BSF), &c.bsf), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_ue_new(&c, &d->ue, text), GBA_OK);
}

/* by_certificate: with Digest inside; it loads the system's CAs each time */
static bool device_asks(device *d, bool by_certificate)
{
    const gba_ue_carrier_config net = {.connect = "127.0.0.1", .timeout_s = 5};
    const gba_ue_connect_config cc = {.host = PEER_NAF, .port = n.port, .net = &net};
    const gba_ue_request plain = {.method = "GET", .url = "http://" PEER_NAF "/"},
                         tls = {.method = "GET", .url = "https://" PEER_NAF "/"};
    gba_ue_answer a;
    gba_ue_conn *c;
    bool failed = gba_ue_connect(d->ue, &cc, &c) != GBA_OK && !c;
    failed = gba_ue_fetch_psk(d->ue, &tls, GBA_UE_TLS_ANY, &a) != GBA_OK && failed;
    failed = (!by_certificate || gba_ue_fetch(d->ue, &tls, &a) != GBA_OK) && failed;
    /* what speaks no TLS may speak HTTP: a 502 is an answer */
    return (gba_ue_fetch(d->ue, &plain, &a) != GBA_OK || a.status == 502) && failed;
}

/* C2: the BSF hears nothing of a NAF's outage. */
static void hundred(void)
{
    static const broken_how down[] = {BROKEN_RESETS,       BROKEN_RESETS_LATER, BROKEN_CLOSES,
                                      BROKEN_CLOSES_LATER, BROKEN_GARBAGE,      BROKEN_NO_TLS};
    static device d[DEVICES];
    gba_ue_session s;
    begin(S13, gba_ua_id_psk(GBA_TLS13, 0));
    for (unsigned i = 0; i < DEVICES; i++) {
        device_open(&d[i], i);
        CU_ASSERT_EQUAL_FATAL(gba_ue_bootstrap(d[i].ue, false, &s), GBA_OK);
    }
    CU_ASSERT_EQUAL(p.bootstraps, DEVICES);
    unsigned asked = p.ub_requests;
    for (size_t m = 0; m < sizeof down / sizeof *down; m++) {
        n.broken = down[m];
        for (int again = 0; again < 2; again++)
            for (unsigned i = 0; i < DEVICES; i++)
                CU_ASSERT_TRUE(device_asks(&d[i], i % 25 == 0));
    }
    CU_ASSERT_TRUE(atomic_load(&n.handshakes) >= 6 * 2 * 3 * DEVICES);
    CU_ASSERT_EQUAL(p.ub_requests, asked);
    for (unsigned i = 0; i < DEVICES; i++) {
        gba_ue_free(&d[i].ue);
        gba_ue_carrier_free(&d[i].carrier);
        gba_uicc_free(&d[i].card);
    }
    end();
}

/* What says that the key was not taken: the alerts of GnuTLS, OpenSSL and RFC 4279 2, and a handshake that goes on
 * by certificate. */
static void refusals(void)
{
    static const gnutls_alert_description_t alerts[] = {
        GNUTLS_A_UNKNOWN_PSK_IDENTITY, GNUTLS_A_DECRYPT_ERROR, GNUTLS_A_BAD_RECORD_MAC, GNUTLS_A_ILLEGAL_PARAMETER,
        GNUTLS_A_HANDSHAKE_FAILURE,    GNUTLS_A_ACCESS_DENIED};
    gba_ue_conn *c;
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
        begin(S13, gba_ua_id_psk(GBA_TLS13, 0));
        n.broken = BROKEN_ALERT;
        n.alert = alerts[i];
        CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_1_3, 5, &c), GBA_E_AUTH);
        CU_ASSERT_EQUAL(p.bootstraps, 2);
        end();
    }
    begin(S13, gba_ua_id_psk(GBA_TLS13, 0));
    n.broken = BROKEN_ALERT;
    n.alert = GNUTLS_A_PROTOCOL_VERSION;
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_1_3, 5, &c), GBA_E_FORBIDDEN);
    n.alert = GNUTLS_A_INSUFFICIENT_SECURITY;
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_1_3, 5, &c), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    end();
}

/* A NAF that takes no key, whatever it is (no Zn, no PSK any more): who goes on asking bootstraps seldom. */
static void refuses_all(void)
{
    gba_ue_conn *c;
    begin(S13, gba_ua_id_psk(GBA_TLS13, 0));
    atomic_store(&n.refuse, 1000);
    for (int i = 0; i < 50; i++)
        CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_E_AUTH);
    CU_ASSERT_EQUAL(p.bootstraps, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), "no new bootstrap before"));
    moved += 61; /* s */
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_E_AUTH);
    CU_ASSERT_EQUAL(p.bootstraps, 3);
    moved += 61; /* then twice as long */
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_E_AUTH);
    CU_ASSERT_EQUAL(p.bootstraps, 3);
    moved += 60;
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_E_AUTH);
    CU_ASSERT_EQUAL(p.bootstraps, 4);
    atomic_store(&n.refuse, 0);
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_OK);
    gba_ue_conn_close(&c);
    atomic_store(&n.refuse, 1); /* it is well: a key that it does not take is a stale one again */
    CU_ASSERT_EQUAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_OK);
    gba_ue_conn_close(&c);
    CU_ASSERT_EQUAL(p.bootstraps, 5);
    end();
}

static void mistakes(void)
{
    static const struct {
        const char *host;
        unsigned port;
    } rows[] = {{NULL, 443}, {"", 443}, {"no host", 443}, {"naf..test", 443}, {PEER_NAF, 0}, {PEER_NAF, 65536}};
    gba_ue_conn *c;
    unsigned port;
    begin(S13, gba_ua_id_psk(GBA_TLS13, 0));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const gba_ue_connect_config wrong = {.host = rows[i].host, .port = rows[i].port};
        CU_ASSERT_EQUAL(gba_ue_connect(ue, &wrong, &c), GBA_E_ARG);
        CU_ASSERT_PTR_NULL(c);
        CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), i < 4 ? "named by its FQDN" : "out of range (1-65535)"));
    }
    CU_ASSERT_EQUAL(p.bootstraps, 0); /* nothing was asked for such */
    const gba_ue_carrier_config net = {.connect = "127.0.0.1"};
    const gba_ue_connect_config odd = {.host = PEER_NAF, .port = n.port, .priority = "NORMAL:+NONSENSE", .net = &net};
    CU_ASSERT_EQUAL(gba_ue_connect(ue, &odd, &c), GBA_E_ARG);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), "priority string"));
    /* a port that is ours and where nobody listens; one where nobody answers */
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len), 0);
    CU_ASSERT_EQUAL(dial(ntohs(at.sin_port), GBA_UE_TLS_ANY, 0, &c), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), "refused"));
    close(fd);
    fd = listen_on(&port);
    CU_ASSERT_EQUAL(dial(port, GBA_UE_TLS_ANY, 1, &c), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), "in time"));
    close(fd);
    CU_ASSERT_PTR_NULL(c);
    CU_ASSERT_EQUAL(p.bootstraps, 1); /* none of these says anything about the key */
    end();
}

/* An end without close_notify may be a cut: it is no end. */
static void cut(void)
{
    gba_ue_conn *c;
    uint8_t room[16];
    size_t k = 3, more = sizeof room;
    begin(S13, gba_ua_id_psk(GBA_TLS13, 0));
    n.rude = true;
    CU_ASSERT_EQUAL_FATAL(dial(n.port, GBA_UE_TLS_ANY, 0, &c), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_conn_end(c), GBA_OK);
    k = read_all(c, room, 3);
    CU_ASSERT_EQUAL(k, 3);
    CU_ASSERT_EQUAL(gba_ue_conn_read(c, room, &more, WAIT_MS), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(gba_ue_conn_text(c));
    CU_ASSERT_TRUE(gba_ue_conn_text(c)[0] != '\0');
    gba_ue_conn_close(&c);
    end();
}

T_MAIN("connect", {"TLS 1.2", tls12}, {"TLS 1.3", tls13}, {"a refused key", refused}, {"outage", outage},
       {"an outage and 100 devices", hundred},
       {"refusals", refusals}, {"a NAF that takes no key", refuses_all}, {"mistakes", mistakes},
       {"a connection that is cut", cut})
