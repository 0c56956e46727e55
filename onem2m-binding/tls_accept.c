/* SPDX-License-Identifier: Apache-2.0 */
/* tls_accept.c - GnuTLS as a server, for one peer whose credential is known beforehand. */
#include "onem2m-binding/tls_accept.h"
#include <errno.h>
#include <gba/onem2m.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/tls.h"
#include "libgba/gnutls_err.h"
#include "service/cert.h"

#define SEND_MS 2000

struct m2m_acceptor {
    m2m_accept_config c;
    gnutls_certificate_credentials_t cert;
    gnutls_psk_server_credentials_t psk;
};
struct m2m_accepted {
    m2m_acceptor *of;
    gnutls_session_t session;
    uint16_t suite;
    int fd;
    bool open;
    char why[256];
};

static gba_err say(char *why, size_t why_n, gba_err e, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static gba_err say(char *why, size_t why_n, gba_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (why_n)
        vsnprintf(why, why_n, fmt, ap);
    va_end(ap);
    return e;
}

/* The suite that we chose: GnuTLS tells it only after the handshake, the NAF key depends on it before. */
static int on_server_hello(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming,
                           const gnutls_datum_t *msg)
{
    m2m_accepted *x = gnutls_session_get_ptr(s);
    size_t id = msg->size > 34 ? msg->data[34] : 0;

    (void)type;
    (void)when;
    if (!incoming && msg->size >= 35 + id + 2)
        x->suite = (uint16_t)(msg->data[35 + id] << 8 | msg->data[36 + id]);
    return 0;
}

/* Behind the ClientHello. */
static int on_client_hello(gnutls_session_t s)
{
    m2m_accepted *x = gnutls_session_get_ptr(s);
    const m2m_accept_config *c = &x->of->c;
    char sni[256];
    size_t n = sizeof sni;
    unsigned type;
    int r = gnutls_server_name_get(s, sni, &n, &type, 0);

    if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
        (r == 0 && type == GNUTLS_NAME_DNS && c->name(c->name_ctx, gba_mem(sni, n))))
        return 0;
    snprintf(x->why, sizeof x->why, "the client asks for another server: %.*s", r == 0 ? (int)n : 0, sni);
    return GNUTLS_E_UNRECOGNIZED_NAME;
}

static int on_psk(gnutls_session_t s, const gnutls_datum_t *username, gnutls_datum_t *key)
{
    m2m_accepted *x = gnutls_session_get_ptr(s);
    const m2m_accept_config *c = &x->of->c;
    GBA_SECRET_SCOPED k = {0};

    gba_err e = c->psk(c->psk_ctx, gba_mem(username->data, username->size), x->suite, &k);
    if (e != GBA_OK)
        snprintf(x->why, sizeof x->why, "no key for %.*s: %s", (int)(username->size < 128 ? username->size : 128),
                 (const char *)username->data, gba_err_text(e));
    if (e != GBA_OK || k.n == 0) { /* a stranger learns nothing: the handshake goes on and fails at its end */
        k.n = 32;
        if (gnutls_rnd(GNUTLS_RND_KEY, k.o, k.n) < 0)
            return -1;
    }
    key->size = (unsigned)k.n;
    key->data = gnutls_malloc(k.n);
    if (!key->data)
        return -1;
    memcpy(key->data, k.o, k.n);
    return 0;
}

/* ---- the registrar's certificate ---- */
static int on_certificate(gnutls_session_t s)
{
    m2m_accepted *x = gnutls_session_get_ptr(s);
    const m2m_accept_config *c = &x->of->c;
    uint8_t id[CERT_KEY_ID];

    if (cert_is_raw(s, false)) {
        bool good = c->expect_key && cert_raw_id(s, id) == GBA_OK && gba_equal_ct(id, c->expect_key, sizeof id);
        snprintf(x->why, sizeof x->why, "%s", good ? "" : "the client's raw public key is another");
        return good ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
    }
    x->why[0] = 0;
    if (c->expect_key)
        snprintf(x->why, sizeof x->why, "the client shows a certificate, not a raw public key");
    else if (!cert_check(s, x->of->cert, false, x->why, sizeof x->why) && !m2m_tls_peer_named(s, false, c->client))
        snprintf(x->why, sizeof x->why, "the client's certificate is not for %s", c->client);
    return x->why[0] ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

/* ---- credentials ---- */
static gba_err load_raw(m2m_acceptor *a, char *why, size_t why_n)
{
    gnutls_datum_t pem = {0};

    if (gnutls_load_file(a->c.key_file, &pem) < 0)
        return say(why, why_n, GBA_E_IO, "%s: cannot be read", a->c.key_file);
    gba_err e = cert_set_raw(a->cert, pem.data, pem.size);
    gba_wipe(pem.data, pem.size);
    gnutls_free(pem.data);
    return e == GBA_OK ? e : say(why, why_n, e, "%s: no private key in PEM", a->c.key_file);
}

static gba_err load(m2m_acceptor *a, char *why, size_t why_n)
{
    const m2m_accept_config *c = &a->c;
    gba_err e;
    int r;

    if (c->psk) {
        if (gnutls_psk_allocate_server_credentials(&a->psk) < 0)
            return GBA_E_NOMEM;
        gnutls_psk_set_server_credentials_function2(a->psk, on_psk);
        return !c->hint || gnutls_psk_set_server_credentials_hint(a->psk, c->hint) == 0 ? GBA_OK : GBA_E_NOMEM;
    }
    if (!c->key_file || (!c->expect_key && (!c->ca_file || !c->client)))
        return say(why, why_n, GBA_E_ARG, "neither a key nor a certificate to be reached by");
    if (gnutls_certificate_allocate_credentials(&a->cert) < 0)
        return GBA_E_NOMEM;
    gnutls_certificate_set_verify_function(a->cert, on_certificate);
    if (!c->cert_file && (e = load_raw(a, why, why_n)) != GBA_OK)
        return e;
    if (c->ca_file && (r = gnutls_certificate_set_x509_trust_file(a->cert, c->ca_file, GNUTLS_X509_FMT_PEM)) <= 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "%s: no CA certificate: %s", c->ca_file,
                   r ? gnutls_strerror(r) : "empty");
    if (c->crl_file && (r = gnutls_certificate_set_x509_crl_file(a->cert, c->crl_file, GNUTLS_X509_FMT_PEM)) <= 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "%s: no revocation list: %s", c->crl_file,
                   r ? gnutls_strerror(r) : "empty");
    if (c->cert_file &&
        (r = gnutls_certificate_set_x509_key_file(a->cert, c->cert_file, c->key_file, GNUTLS_X509_FMT_PEM)) < 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "%s and %s: no certificate with its key: %s", c->cert_file,
                   c->key_file, gnutls_strerror(r));
    return GBA_OK;
}

gba_err m2m_acceptor_new(const m2m_accept_config *c, m2m_acceptor **out, char *why, size_t why_n)
{
    m2m_acceptor *a = calloc(1, sizeof *a);

    *out = NULL;
    if (!a)
        return GBA_E_NOMEM;
    a->c = *c;
    gba_err e = load(a, why, why_n);
    if (e == GBA_OK)
        *out = a;
    else
        m2m_acceptor_free(&a);
    return e;
}

void m2m_acceptor_free(m2m_acceptor **ap)
{
    m2m_acceptor *a = *ap;

    *ap = NULL;
    if (!a)
        return;
    if (a->psk)
        gnutls_psk_free_server_credentials(a->psk);
    if (a->cert)
        gnutls_certificate_free_credentials(a->cert);
    free(a);
}

/* ---- a connection ---- */
static const char *priority_of(const m2m_accept_config *c)
{
    static const char *const certs[2][2] = {
        /* [ours is raw][theirs is raw] */
        {M2M_CERT_PRIORITY ":+CTYPE-X509", M2M_CERT_PRIORITY ":+CTYPE-CLI-RAWPK:+CTYPE-SRV-X509"},
        {M2M_CERT_PRIORITY ":+CTYPE-CLI-X509:+CTYPE-SRV-RAWPK",
         M2M_CERT_PRIORITY ":+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"}};
    if (c->priority)
        return c->priority;
    return c->psk ? gba_m2m_priority(false) : certs[!c->cert_file][c->expect_key != NULL];
}

static gba_err start(m2m_accepted *x)
{
    m2m_acceptor *a = x->of;

    if (gnutls_init(&x->session,
                    GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL | GNUTLS_ENABLE_RAWPK) < 0)
        return GBA_E_NOMEM;
    if (gnutls_priority_set_direct(x->session, priority_of(&a->c), NULL) < 0)
        return GBA_E_SYNTAX;
    gnutls_session_set_ptr(x->session, x);
    gnutls_handshake_set_hook_function(x->session, GNUTLS_HANDSHAKE_SERVER_HELLO, GNUTLS_HOOK_PRE, on_server_hello);
    if (a->c.name)
        gnutls_handshake_set_post_client_hello_function(x->session, on_client_hello);
    if ((a->psk && gnutls_credentials_set(x->session, GNUTLS_CRD_PSK, a->psk) < 0) ||
        (a->cert && gnutls_credentials_set(x->session, GNUTLS_CRD_CERTIFICATE, a->cert) < 0))
        return GBA_E_NOMEM;
    if (a->cert)
        gnutls_certificate_server_set_request(x->session, GNUTLS_CERT_REQUIRE);
    gnutls_transport_set_int(x->session, x->fd);
    return GBA_OK;
}

gba_err m2m_accept(m2m_acceptor *a, int fd, m2m_accepted **out)
{
    m2m_accepted *x = calloc(1, sizeof *x);

    *out = NULL;
    if (!x)
        return GBA_E_NOMEM;
    x->of = a;
    x->fd = fd;
    gba_err e = start(x);
    if (e == GBA_OK)
        *out = x;
    else
        m2m_accepted_close(&x);
    return e;
}

void m2m_accepted_close(m2m_accepted **xp)
{
    m2m_accepted *x = *xp;

    *xp = NULL;
    if (!x)
        return;
    if (x->session) {
        if (x->open)
            (void)gnutls_bye(x->session, GNUTLS_SHUT_WR);
        gnutls_deinit(x->session);
    }
    free(x);
}

gba_err m2m_accept_shake(m2m_accepted *x)
{
    int r;

    while ((r = gnutls_handshake(x->session)) < 0 && !gnutls_error_is_fatal(r))
        if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
            return GBA_E_STALE;
    if (r == 0) {
        x->open = true;
        return GBA_OK;
    }
    if (!x->why[0])
        snprintf(x->why, sizeof x->why, "%s",
                 r == GNUTLS_E_FATAL_ALERT_RECEIVED ? gnutls_alert_get_name(gnutls_alert_get(x->session))
                                                    : gnutls_strerror(r));
    (void)gnutls_alert_send_appropriate(x->session, r);
    return GBA_E_AUTH;
}

bool m2m_accepted_writes(const m2m_accepted *x)
{
    return gnutls_record_get_direction(x->session) != 0;
}

const char *m2m_accepted_why(const m2m_accepted *x)
{
    return x->why;
}

uint16_t m2m_accepted_suite(const m2m_accepted *x)
{
    return x->suite;
}

bool m2m_accepted_pending(const m2m_accepted *x)
{
    return gnutls_record_check_pending(x->session) > 0;
}

gba_err m2m_accepted_recv(m2m_accepted *x, void *p, size_t *n)
{
    ssize_t r = gnutls_record_recv(x->session, p, *n);

    *n = r > 0 ? (size_t)r : 0;
    if (r > 0)
        return GBA_OK;
    return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ? GBA_E_STALE : GBA_E_IO;
}

gba_err m2m_accepted_send(m2m_accepted *x, const void *p, size_t n)
{
    const uint8_t *o = p;

    while (n) {
        ssize_t r = gnutls_record_send(x->session, o, n);
        if (r >= 0) {
            o += r;
            n -= (size_t)r;
            continue;
        }
        struct pollfd f = {.fd = x->fd, .events = POLLOUT};
        if ((r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED) || poll(&f, 1, SEND_MS) <= 0)
            return GBA_E_IO;
    }
    return GBA_OK;
}
