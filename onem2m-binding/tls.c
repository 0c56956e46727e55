/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c - GnuTLS as a client: pre-shared keys, certificates, key export. */
#include "onem2m-binding/tls.h"
#include <errno.h>
#include <gba/onem2m.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "libgba/gnutls_err.h"
#include "libgba/psk_alert.h"
#include "service/cert.h"

struct m2m_tls {
    gnutls_session_t session;
    gnutls_certificate_credentials_t cert;
    gnutls_psk_client_credentials_t psk;
    const m2m_peer_config *conf; /* during the handshake only */
    gba_err psk_err;
    uint16_t suite;
    int fd;
    char why[256]; /* the server's certificate was refused */
    bool presented; /* our identity went out */
    bool open;
};

static gba_err say(char *why, size_t why_n, gba_err e, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static gba_err say(char *why, size_t why_n, gba_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (why && why_n)
        vsnprintf(why, why_n, fmt, ap);
    va_end(ap);
    return e;
}

int64_t m2m_mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static atomic_bool stopping;

void m2m_peer_stop(void)
{
    atomic_store(&stopping, true);
}

gba_err m2m_wait(int fd, short what, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - m2m_mono_ms();
        struct pollfd p = {.fd = fd, .events = what};
        if (left <= 0 || atomic_load(&stopping))
            return GBA_E_BUSY;
        int r = poll(&p, 1, (int)(left > M2M_LOOK_MS ? M2M_LOOK_MS : left));
        if (r > 0)
            return GBA_OK;
        if (r < 0 && errno != EINTR)
            return GBA_E_IO;
    }
}

static gba_err wait_for(m2m_tls *t, int64_t deadline)
{
    return m2m_wait(t->fd, gnutls_record_get_direction(t->session) ? POLLOUT : POLLIN, deadline);
}

/* GnuTLS tells no suite before the handshake is over; the ServerHello does. */
static int on_server_hello(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming,
                           const gnutls_datum_t *msg)
{
    m2m_tls *t = gnutls_session_get_ptr(s);
    size_t id = msg->size > 34 ? msg->data[34] : 0;

    (void)type;
    (void)when;
    if (incoming && msg->size >= 35 + id + 2)
        t->suite = (uint16_t)(msg->data[35 + id] << 8 | msg->data[36 + id]);
    return 0;
}

static int on_psk(gnutls_session_t s, gnutls_datum_t *username, gnutls_datum_t *key)
{
    m2m_tls *t = gnutls_session_get_ptr(s);
    const m2m_peer_config *c = t->conf;
    GBA_SECRET_SCOPED k = {0};
    char identity[GBA_ID_MAX + 32];
    const char *hint = gnutls_psk_client_get_hint(s);

    if (c->psk_fn) {
        t->psk_err = c->psk_fn(c->psk_ctx, t->suite, hint ? hint : "", identity, sizeof identity, &k);
    } else {
        k = *c->psk;
        t->psk_err = c->psk_identity.n < sizeof identity ? GBA_OK : GBA_E_RANGE;
        if (t->psk_err == GBA_OK)
            snprintf(identity, sizeof identity, "%.*s", (int)c->psk_identity.n, (const char *)c->psk_identity.p);
    }
    if (t->psk_err != GBA_OK || k.n == 0)
        return -1;
    username->size = (unsigned)strlen(identity);
    username->data = gnutls_malloc(username->size + 1);
    key->size = (unsigned)k.n;
    key->data = gnutls_malloc(k.n);
    if (!username->data || !key->data) {
        t->psk_err = GBA_E_NOMEM;
        return -1;
    }
    memcpy(username->data, identity, username->size + 1);
    memcpy(key->data, k.o, k.n);
    t->presented = true;
    return 0;
}

/* ---- the server's certificate ---- */
/* A dNSName or the URI, exactly; never the CN, no wildcard (TS-0003 8.1.2.5). */
bool m2m_tls_peer_named(void *session, bool uri, const char *want)
{
    unsigned n = 0, type;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
    gnutls_x509_crt_t crt;
    char name[GBA_M2M_ID_MAX + 1];
    bool ok = false;

    if (!chain || !n || gnutls_x509_crt_init(&crt) < 0)
        return false;
    if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) == 0)
        for (unsigned i = 0; !ok; i++) {
            size_t size = sizeof name;
            int r = gnutls_x509_crt_get_subject_alt_name2(crt, i, name, &size, &type, NULL);
            if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                break;
            ok = r >= 0 && (uri ? type == GNUTLS_SAN_URI && gba_span_eq(gba_mem(name, size), gba_str(want))
                                : type == GNUTLS_SAN_DNSNAME && gba_span_ieq(gba_mem(name, size), gba_str(want)));
        }
    gnutls_x509_crt_deinit(crt);
    return ok;
}

static int on_certificate(gnutls_session_t s)
{
    m2m_tls *t = gnutls_session_get_ptr(s);
    const m2m_peer_config *c = t->conf;
    uint8_t id[CERT_KEY_ID];

    if (cert_is_raw(s, true)) {
        bool good = c->expect_key && cert_raw_id(s, id) == GBA_OK && gba_equal_ct(id, c->expect_key, sizeof id);
        snprintf(t->why, sizeof t->why, "%s", good ? "" : "the server's raw public key is another");
        return good ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
    }
    t->why[0] = 0;
    if (c->expect_key)
        snprintf(t->why, sizeof t->why, "the server shows a certificate, not a raw public key");
    else if (!cert_check(s, t->cert, true, t->why, sizeof t->why) &&
             !m2m_tls_peer_named(s, c->expect_uri != NULL, c->expect_uri ? c->expect_uri : c->sni))
        snprintf(t->why, sizeof t->why, "the server's certificate is not for %s",
                 c->expect_uri ? c->expect_uri : c->sni);
    return t->why[0] ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

/* ---- opening ---- */
static gba_err load_raw(m2m_tls *t, const m2m_peer_config *c, char *why, size_t why_n)
{
    gnutls_datum_t pem = {0};
    const char *file = c->key_file ? c->key_file : "(no key file)";

    if (gnutls_load_file(file, &pem) < 0)
        return say(why, why_n, GBA_E_IO, "%s: cannot be read", file);
    gba_err e = cert_set_raw(t->cert, pem.data, pem.size);
    gba_wipe(pem.data, pem.size);
    gnutls_free(pem.data);
    return e == GBA_OK ? e : say(why, why_n, e, "%s: no private key in PEM", file);
}

static gba_err load(m2m_tls *t, const m2m_peer_config *c, char *why, size_t why_n)
{
    gba_err e;
    int r;

    if (c->psk || c->psk_fn) {
        if (gnutls_psk_allocate_client_credentials(&t->psk) < 0)
            return GBA_E_NOMEM;
        gnutls_psk_set_client_credentials_function2(t->psk, on_psk);
    }
    if (!c->ca_file && !c->expect_key)
        return GBA_OK;
    if (gnutls_certificate_allocate_credentials(&t->cert) < 0)
        return GBA_E_NOMEM;
    gnutls_certificate_set_verify_function(t->cert, on_certificate);
    if (c->raw_key && (e = load_raw(t, c, why, why_n)) != GBA_OK)
        return e;
    if (c->ca_file && (r = gnutls_certificate_set_x509_trust_file(t->cert, c->ca_file, GNUTLS_X509_FMT_PEM)) <= 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "%s: no CA certificate: %s", c->ca_file, r ? gnutls_strerror(r) : "empty");
    if (c->crl_file && (r = gnutls_certificate_set_x509_crl_file(t->cert, c->crl_file, GNUTLS_X509_FMT_PEM)) <= 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "%s: no revocation list: %s", c->crl_file,
                   r ? gnutls_strerror(r) : "empty");
    if (c->cert_file && !c->raw_key &&
        (r = gnutls_certificate_set_x509_key_file(t->cert, c->cert_file, c->key_file, GNUTLS_X509_FMT_PEM)) < 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "%s and %s: no certificate with its key: %s", c->cert_file,
                   c->key_file ? c->key_file : "(no key file)", gnutls_strerror(r));
    return GBA_OK;
}

/* With a pre-shared key the certificate suites are left out, and the other way round: what authenticates is
 * the caller's choice, not the server's. So are the certificate types. */
static const char *priority_of(const m2m_peer_config *c)
{
    static const char *const certs[2][2] = {
        {M2M_CERT_PRIORITY ":+CTYPE-X509", M2M_CERT_PRIORITY ":+CTYPE-CLI-X509:+CTYPE-SRV-RAWPK"},
        {M2M_CERT_PRIORITY ":+CTYPE-CLI-RAWPK:+CTYPE-SRV-X509",
         M2M_CERT_PRIORITY ":+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"}};
    if (c->priority)
        return c->priority;
    return c->psk || c->psk_fn ? gba_m2m_priority(false) : certs[c->raw_key][c->expect_key != NULL];
}

static gba_err start(m2m_tls *t, const m2m_peer_config *c, int fd, char *why, size_t why_n)
{
    gba_err e = load(t, c, why, why_n);

    if (e != GBA_OK)
        return e;
    if (gnutls_init(&t->session,
                    GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL | GNUTLS_ENABLE_RAWPK) < 0)
        return GBA_E_NOMEM;
    const char *at = NULL;
    int r = gnutls_priority_set_direct(t->session, priority_of(c), &at);
    if (r < 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "the TLS priority is wrong at '%.40s'", at ? at : "");
    gnutls_session_set_ptr(t->session, t);
    gnutls_handshake_set_hook_function(t->session, GNUTLS_HANDSHAKE_SERVER_HELLO, GNUTLS_HOOK_PRE, on_server_hello);
    if (gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, c->sni, strlen(c->sni)) < 0 ||
        (t->psk && gnutls_credentials_set(t->session, GNUTLS_CRD_PSK, t->psk) < 0) ||
        (t->cert && gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->cert) < 0))
        return GBA_E_NOMEM;
    gnutls_transport_set_int(t->session, fd);
    return GBA_OK;
}

/* Does a fatal alert refuse our key or certificate? Before our identity went out it cannot mean the key. */
static gba_err alert_means(const m2m_tls *t, unsigned alert)
{
    gba_err e = psk_alert_means(alert);
    if (!t->psk)
        return alert == GNUTLS_A_INTERNAL_ERROR || alert == GNUTLS_A_USER_CANCELED ? GBA_E_IO : GBA_E_AUTH;
    return e == GBA_E_AUTH && !t->presented ? GBA_E_FORBIDDEN : e;
}

static gba_err say_failure(const m2m_tls *t, int r, char *why, size_t why_n)
{
    if (t->psk_err != GBA_OK)
        return say(why, why_n, t->psk_err, "no pre-shared key for this handshake: %s", gba_err_text(t->psk_err));
    if (t->why[0])
        return say(why, why_n, GBA_E_AUTH, "the server is not accepted: %s", t->why);
    if (r == GNUTLS_E_MEMORY_ERROR || r == GNUTLS_E_RANDOM_FAILED)
        return say(why, why_n, gnutls_err(r, GBA_E_IO), "%s", gnutls_strerror(r));
    if (r == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        unsigned alert = gnutls_alert_get(t->session);
        const char *name = gnutls_alert_get_name(alert);
        return say(why, why_n, alert_means(t, alert), "the server ended the TLS handshake: %s", name ? name : "an alert");
    }
    if (r == GNUTLS_E_PREMATURE_TERMINATION && t->presented) /* some servers refuse a key so: a person may tell */
        return say(why, why_n, GBA_E_IO, "the server closed the connection when it had our identity");
    if (r == GNUTLS_E_PREMATURE_TERMINATION || r == GNUTLS_E_PULL_ERROR || r == GNUTLS_E_PUSH_ERROR)
        return say(why, why_n, GBA_E_IO, "the connection broke during the TLS handshake");
    return say(why, why_n, GBA_E_IO, "the TLS handshake failed: %s", gnutls_strerror(r));
}

static gba_err shake(m2m_tls *t, int64_t deadline, char *why, size_t why_n)
{
    int r;
    gba_err e;

    while ((r = gnutls_handshake(t->session)) < 0 && !gnutls_error_is_fatal(r))
        if ((r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED) && (e = wait_for(t, deadline)) != GBA_OK)
            return say(why, why_n, e, "%s",
                       e == GBA_E_BUSY ? "the TLS handshake took too long" : "the connection broke");
    t->open = r == 0;
    return r == 0 ? GBA_OK : say_failure(t, r, why, why_n);
}

gba_err m2m_tls_open(const m2m_peer_config *c, int fd, int64_t deadline, m2m_tls **out, char *why, size_t why_n)
{
    m2m_tls *t = calloc(1, sizeof *t);
    gba_err e;

    *out = NULL;
    if (!t)
        return GBA_E_NOMEM;
    t->conf = c;
    t->fd = fd;
    e = start(t, c, fd, why, why_n);
    if (e == GBA_OK)
        e = shake(t, deadline, why, why_n);
    t->conf = NULL;
    if (e == GBA_OK)
        *out = t;
    else
        m2m_tls_close(&t);
    return e;
}

void m2m_tls_close(m2m_tls **tp)
{
    m2m_tls *t = *tp;

    *tp = NULL;
    if (!t)
        return;
    if (t->session) {
        if (t->open)
            (void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
        gnutls_deinit(t->session);
    }
    if (t->psk)
        gnutls_psk_free_client_credentials(t->psk);
    if (t->cert)
        gnutls_certificate_free_credentials(t->cert);
    free(t);
}

/* ---- an open session ---- */
gba_err m2m_tls_send(m2m_tls *t, const void *p, size_t n, int64_t deadline)
{
    const uint8_t *o = p;

    while (n) {
        ssize_t r = gnutls_record_send(t->session, o, n);
        if (r >= 0) {
            o += r;
            n -= (size_t)r;
            continue;
        }
        gba_err e = r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ? wait_for(t, deadline) : GBA_E_IO;
        if (e != GBA_OK)
            return e;
    }
    return GBA_OK;
}

gba_err m2m_tls_recv(m2m_tls *t, void *p, size_t *n, int64_t deadline)
{
    for (;;) {
        ssize_t r = gnutls_record_recv(t->session, p, *n);
        if (r >= 0) {
            *n = (size_t)r;
            return GBA_OK;
        }
        if (r == GNUTLS_E_PREMATURE_TERMINATION) { /* without close_notify: only a length can tell it is whole */
            *n = 0;
            return GBA_E_IO;
        }
        gba_err e = r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ? wait_for(t, deadline) : GBA_E_IO;
        if (e != GBA_OK)
            return e;
    }
}

gba_err m2m_tls_export(m2m_tls *t, const char *label, gba_secret *out)
{
    memset(out, 0, sizeof *out);
    if (gnutls_session_is_resumed(t->session) || !gnutls_session_ext_master_secret_status(t->session))
        return GBA_E_FORBIDDEN;
    if (gnutls_prf_rfc5705(t->session, strlen(label), label, 0, NULL, GBA_M2M_EXPORT_LEN, (char *)out->o) < 0)
        return GBA_E_IO;
    out->n = GBA_M2M_EXPORT_LEN;
    return GBA_OK;
}

uint16_t m2m_tls_suite(const m2m_tls *t)
{
    return t->suite;
}
