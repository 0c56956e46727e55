/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - see link.h; TLS by GnuTLS. */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libgba/gnutls_err.h"
#include "libgba/psk_alert.h"
#include "ue/file.h"
#include "ue/link.h"

_Static_assert(GNUTLS_E_MEMORY_ERROR == -25 && GNUTLS_E_RANDOM_FAILED == -206, "libgba/gnutls_err.h");

#define GBA_HINT "3GPP-bootstrapping" /* the key of the ME; -uicc and -digest are others */

/* TS 33.210 6.2: (EC)DHE and AEAD first. In TLS 1.3 a key given from outside goes with SHA-256
 * (RFC 8446 4.2.11): a suite of SHA-384 would keep a server from taking it. */
#define PSK_REST                                                                                                       \
    ":-KX-ALL:+ECDHE-PSK:+PSK:-CIPHER-ALL:+CHACHA20-POLY1305:+AES-128-GCM:+AES-128-CCM:+AES-128-CBC"                   \
    ":-MAC-ALL:+AEAD:+SHA256:+SHA1:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:%NO_TICKETS"
static const char *const psk_priorities[] = {
    [GBA_UE_TLS_ANY] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" PSK_REST,
    [GBA_UE_TLS_1_2] = "NORMAL:-VERS-ALL:+VERS-TLS1.2" PSK_REST,
    [GBA_UE_TLS_1_3] = "NORMAL:-VERS-ALL:+VERS-TLS1.3" PSK_REST,
};
static const char certificate_priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct ue_link {
    int fd;
    gnutls_session_t tls; /* NULL: plain */
    gnutls_certificate_credentials_t certificate;
    gnutls_psk_client_credentials_t key;
    gba_transport transport;
    uint16_t suite;
    /* during the handshake */
    const gba_ue_psk *psk;
    bool begun;  /* else it has no version yet, and GnuTLS cannot say goodbye */
    bool hello;  /* the ServerHello is here */
    gba_err why; /* a callback's refusal, which text explains */
    char *text;
};

/* ---- the ServerHello ---- */

static gba_span skip(gba_span s, size_t n)
{
    return n > s.n ? gba_mem(NULL, 0) : gba_mem(s.p + n, s.n - n);
}

gba_err ue_server_hello(gba_span body, gba_transport *t, uint16_t *suite)
{
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                      0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                      0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    if (body.n < 35 || body.p[34] > 32 || body.n < (size_t)35 + body.p[34] + 3)
        return GBA_E_SYNTAX;
    if (memcmp(body.p + 2, retry, sizeof retry) == 0)
        return GBA_E_UNKNOWN;
    gba_span rest = skip(body, (size_t)35 + body.p[34]);
    unsigned version = (unsigned)(body.p[0] << 8 | body.p[1]);
    *suite = (uint16_t)(rest.p[0] << 8 | rest.p[1]);
    rest = skip(rest, 5); /* suite, compression, length of the extensions */
    while (rest.n >= 4) {
        unsigned type = (unsigned)(rest.p[0] << 8 | rest.p[1]);
        size_t n = (size_t)(rest.p[2] << 8 | rest.p[3]);
        if (n > rest.n - 4)
            return GBA_E_SYNTAX;
        if (type == 43 && n == 2) /* supported_versions */
            version = (unsigned)(rest.p[4] << 8 | rest.p[5]);
        rest = skip(rest, 4 + n);
    }
    if (version != 0x0303 && version != 0x0304)
        return GBA_E_UNSUPPORTED;
    *t = version == 0x0304 ? GBA_TLS13 : GBA_TLS12;
    return GBA_OK;
}

static int on_server_hello(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *m)
{
    ue_link *l = gnutls_session_get_ptr(s);
    (void)type;
    (void)when;
    if (incoming && m && ue_server_hello(gba_mem(m->data, m->size), &l->transport, &l->suite) == GBA_OK)
        l->hello = true;
    return 0; /* what is wrong with it is GnuTLS's to find */
}

/* ---- the key ---- */

bool ue_hint_is_gba(const char *hint)
{
    while (hint && *hint) {
        hint += strspn(hint, "; ");
        size_t n = strcspn(hint, ";"), word = n;
        while (word > 0 && hint[word - 1] == ' ')
            word--;
        if (word == sizeof GBA_HINT - 1 && memcmp(hint, GBA_HINT, word) == 0)
            return true;
        hint += n;
    }
    return false;
}

static bool datum(gnutls_datum_t *out, const void *p, size_t n)
{
    out->data = gnutls_malloc(n);
    out->size = (unsigned)n;
    if (out->data)
        memcpy(out->data, p, n);
    return out->data != NULL;
}

/*
 * GnuTLS asks while it writes a ClientHello with TLS 1.3 in it, and again when the server
 * has chosen a PSK suite of TLS 1.2: then the ServerHello tells the suite, and the key is
 * that suite's (TS 33.220 H.3).
 */
static int on_key(gnutls_session_t s, gnutls_datum_t *user, gnutls_datum_t *key)
{
    ue_link *l = gnutls_session_get_ptr(s);
    char identity[sizeof GBA_HINT + 1 + GBA_ID_MAX];
    GBA_SECRET_SCOPED psk = {0};
    bool tls12 = l->hello && l->transport == GBA_TLS12;
    const gba_ua_id ua = gba_ua_id_psk(tls12 ? GBA_TLS12 : GBA_TLS13, tls12 ? l->suite : 0);
    if (tls12 && !ue_hint_is_gba(gnutls_psk_client_get_hint(s))) {
        l->why = ue_say(l->text, GBA_E_FORBIDDEN, "the server's PSK hint does not name " GBA_HINT ": it is no NAF");
        return -1;
    }
    if ((l->why = l->psk->key(l->psk->arg, &ua, &psk)))
        return -1;
    int n = snprintf(identity, sizeof identity, GBA_HINT ";%s", l->psk->btid.s); /* TS 24.109 5.3.3 */
    if (n < 0 || (size_t)n >= sizeof identity)
        return -1;
    if (datum(user, identity, (size_t)n) && datum(key, psk.o, psk.n))
        return 0;
    gnutls_free(user->data);
    user->data = NULL;
    l->why = ue_say(l->text, GBA_E_NOMEM, "out of memory");
    return -1;
}

/* ---- set-up ---- */

static bool is_address(const char *host)
{
    uint8_t a[16];
    return inet_pton(AF_INET, host, a) == 1 || inet_pton(AF_INET6, host, a) == 1;
}

static gba_err say_gnutls(char text[GBA_UICC_TEXT], gba_err e, const char *what, int r)
{
    return ue_say(text, gnutls_err(r, e), "%s: %s", what, gnutls_strerror(r));
}

static gba_err arm_psk(ue_link *l)
{
    const char *wrong = NULL;
    const char *priority = l->psk->priority ? l->psk->priority : psk_priorities[l->psk->tls];
    int r = gnutls_priority_set_direct(l->tls, priority, &wrong);
    if (r)
        return ue_say(l->text, gnutls_err(r, GBA_E_ARG), "priority string: \"%.60s\": %s", wrong ? wrong : "",
                      gnutls_strerror(r));
    if (gnutls_psk_allocate_client_credentials(&l->key) || gnutls_credentials_set(l->tls, GNUTLS_CRD_PSK, l->key))
        return ue_say(l->text, GBA_E_NOMEM, "out of memory");
    gnutls_psk_set_client_credentials_function2(l->key, on_key);
    gnutls_handshake_set_hook_function(l->tls, GNUTLS_HANDSHAKE_SERVER_HELLO, GNUTLS_HOOK_PRE, on_server_hello);
    return GBA_OK;
}

static gba_err arm_certificate(ue_link *l, const char *host, const char *ca_file)
{
    if (gnutls_priority_set_direct(l->tls, certificate_priority, NULL) ||
        gnutls_certificate_allocate_credentials(&l->certificate) ||
        gnutls_credentials_set(l->tls, GNUTLS_CRD_CERTIFICATE, l->certificate))
        return ue_say(l->text, GBA_E_NOMEM, "out of memory");
    int r = ca_file ? gnutls_certificate_set_x509_trust_file(l->certificate, ca_file, GNUTLS_X509_FMT_PEM)
                    : gnutls_certificate_set_x509_system_trust(l->certificate);
    if (r < 0)
        return say_gnutls(l->text, GBA_E_IO, ca_file ? ca_file : "the system's CA certificates", r);
    gnutls_session_set_verify_cert(l->tls, host, 0);
    return GBA_OK;
}

static gba_err set_up(ue_link *l, const ue_link_config *c)
{
    int r = gnutls_init(&l->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_KEY_SHARE_TOP);
    if (r)
        return say_gnutls(l->text, GBA_E_NOMEM, "TLS", r);
    gnutls_session_set_ptr(l->tls, l);
    gnutls_transport_set_int(l->tls, l->fd);
    gnutls_handshake_set_timeout(l->tls, GNUTLS_INDEFINITE_TIMEOUT); /* the deadline is ours */
    if (!is_address(c->host) && (r = gnutls_server_name_set(l->tls, GNUTLS_NAME_DNS, c->host, strlen(c->host))))
        return say_gnutls(l->text, GBA_E_ARG, c->host, r);
    return c->psk ? arm_psk(l) : arm_certificate(l, c->host, c->net ? c->net->ca_file : NULL);
}

/* ---- the handshake ---- */

static gba_err say_certificate(ue_link *l, const char *host)
{
    gnutls_datum_t why = {0};
    unsigned status = gnutls_session_get_verify_cert_status(l->tls);
    int r = gnutls_certificate_verification_status_print(status, gnutls_certificate_type_get(l->tls), &why, 0);
    ue_say(l->text, GBA_E_IO, "%s: certificate refused: %s", host,
           r == 0 ? (const char *)why.data : "it does not verify");
    gnutls_free(why.data);
    return GBA_E_IO;
}

/* With a PSK: what does the end of the handshake say about the key? */
static gba_err psk_failure(const ue_link *l, int r)
{
    bool tls12 = l->psk->tls == GBA_UE_TLS_1_2;
    if (r == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        unsigned alert = gnutls_alert_get(l->tls);
        /* only TLS 1.2 was offered, and no suite of ours was taken: the key played no part */
        return tls12 && !l->hello && alert == GNUTLS_A_HANDSHAKE_FAILURE ? GBA_E_FORBIDDEN : psk_alert_means(alert);
    }
    /* TLS 1.3: the server goes on with its certificate, for it has no such key (RFC 8446 4.2.11) */
    return r == GNUTLS_E_INSUFFICIENT_CREDENTIALS && l->hello && l->transport == GBA_TLS13 ? GBA_E_AUTH : GBA_E_IO;
}

static gba_err say_failure(ue_link *l, const char *host, int r)
{
    const char *what = gnutls_strerror(r), *by = "";
    if (l->why)
        return l->why;
    if (r == GNUTLS_E_MEMORY_ERROR || r == GNUTLS_E_RANDOM_FAILED)
        return say_gnutls(l->text, GBA_E_IO, host, r);
    if (r == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
        return say_certificate(l, host);
    if (r == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        what = gnutls_alert_get_name(gnutls_alert_get(l->tls));
        by = "the server says: ";
    }
    what = what ? what : "a fatal alert";
    gba_err e = l->psk ? psk_failure(l, r) : GBA_E_IO;
    if (e == GBA_E_IO) /* some servers refuse a key so: only a person can tell that from an outage */
        return ue_say(l->text, e, "%s: TLS: %s%s%s", host, by, what,
                      l->psk && r == GNUTLS_E_PREMATURE_TERMINATION ? " If this goes on: bootstrap anew." : "");
    if (e == GBA_E_FORBIDDEN)
        return ue_say(l->text, e, "%s: offers no %sPSK suite of ours (%s%s)", host,
                      l->psk->tls == GBA_UE_TLS_1_2 ? "TLS 1.2 " : "", by, what);
    return ue_say(l->text, e, "%s: TLS-PSK failed: %s%s", host, by, what);
}

static gba_err handshake(ue_link *l, const char *host, int64_t deadline)
{
    int r;
    l->begun = true;
    while ((r = gnutls_handshake(l->tls)) != 0) {
        if (r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED && gnutls_error_is_fatal(r))
            return say_failure(l, host, r);
        if (r == GNUTLS_E_AGAIN && ue_wait(l->fd, gnutls_record_get_direction(l->tls) ? POLLOUT : POLLIN, deadline))
            return ue_say(l->text, GBA_E_IO, "%s: no end of the TLS handshake in time", host);
        if (ue_clock() > deadline) /* warning alerts without end */
            return ue_say(l->text, GBA_E_IO, "%s: no end of the TLS handshake in time", host);
    }
    const uint16_t said = l->suite;
    gba_err e = ue_tls_suite(l->tls, &l->transport, &l->suite);
    if (e)
        return ue_say(l->text, e, "%s: an unknown TLS cipher suite", host);
    if (!l->psk)
        return GBA_OK;
    gnutls_kx_algorithm_t kx = gnutls_kx_get(l->tls);
    bool dhe = kx == GNUTLS_KX_ECDHE_PSK || kx == GNUTLS_KX_DHE_PSK;
    if (!dhe && !(kx == GNUTLS_KX_PSK && l->transport == GBA_TLS12))
        return ue_say(l->text, GBA_E_FORBIDDEN, "%s: took no PSK with (EC)DHE", host);
    if (l->transport == GBA_TLS12 && said != l->suite)
        return ue_say(l->text, GBA_E_FORBIDDEN, "%s: ended in another suite than it chose", host);
    return GBA_OK;
}

gba_err ue_link_open(const ue_link_config *c, int64_t deadline, ue_link **out, char text[GBA_UICC_TEXT])
{
    *out = NULL;
    ue_link *l = calloc(1, sizeof *l);
    if (!l)
        return ue_say(text, GBA_E_NOMEM, "out of memory");
    l->fd = -1;
    l->psk = c->psk;
    l->text = text;
    gba_err e = ue_tcp_connect(c->host, c->port, c->net, deadline, &l->fd, text);
    if (!e && c->tls)
        e = set_up(l, c);
    if (!e && c->tls)
        e = handshake(l, c->host, deadline);
    l->psk = NULL;
    l->text = NULL;
    if (e)
        ue_link_close(&l);
    *out = l;
    return e;
}

void ue_link_close(ue_link **link)
{
    ue_link *l = *link;
    if (!l)
        return;
    if (l->tls) {
        if (l->begun)
            (void)gnutls_bye(l->tls, GNUTLS_SHUT_WR); /* a courtesy: not waited for */
        gnutls_deinit(l->tls);
    }
    if (l->certificate)
        gnutls_certificate_free_credentials(l->certificate);
    if (l->key)
        gnutls_psk_free_client_credentials(l->key);
    if (l->fd >= 0)
        close(l->fd);
    free(l);
    *link = NULL;
}

/* ---- octets ---- */

gba_err ue_link_read(ue_link *l, void *p, size_t *n, int64_t deadline, char text[GBA_UICC_TEXT])
{
    size_t room = *n;
    *n = 0;
    for (;;) {
        ssize_t r = l->tls ? gnutls_record_recv(l->tls, p, room) : recv(l->fd, p, room, 0);
        if (r >= 0) {
            *n = (size_t)r;
            return GBA_OK;
        }
        bool again = l->tls ? r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED : errno == EAGAIN || errno == EINTR;
        if (l->tls && !again && (gnutls_error_is_fatal((int)r) || r == GNUTLS_E_REHANDSHAKE))
            return say_gnutls(text, GBA_E_IO, "reading", (int)r);
        if (!l->tls && !again)
            return ue_say(text, GBA_E_IO, "reading: %s", strerror(errno));
        if (ue_wait(l->fd, POLLIN, deadline))
            return ue_say(text, GBA_E_BUSY, "no answer in time");
    }
}

gba_err ue_link_write(ue_link *l, const void *p, size_t *n, int64_t deadline, char text[GBA_UICC_TEXT])
{
    size_t want = *n;
    *n = 0;
    while (*n < want) {
        const uint8_t *at = (const uint8_t *)p + *n;
        ssize_t r = l->tls ? gnutls_record_send(l->tls, at, want - *n) : send(l->fd, at, want - *n, MSG_NOSIGNAL);
        if (r >= 0) {
            *n += (size_t)r;
            continue;
        }
        bool again = l->tls ? r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED : errno == EAGAIN || errno == EINTR;
        if (!again)
            return l->tls ? say_gnutls(text, GBA_E_IO, "sending", (int)r)
                          : ue_say(text, GBA_E_IO, "sending: %s", strerror(errno));
        if (ue_wait(l->fd, POLLOUT, deadline))
            return *n > 0 ? GBA_OK : ue_say(text, GBA_E_BUSY, "the server takes no more octets");
    }
    return GBA_OK;
}

gba_err ue_link_end(ue_link *l, int64_t deadline, char text[GBA_UICC_TEXT])
{
    int r;
    if (!l->tls)
        return shutdown(l->fd, SHUT_WR) ? ue_say(text, GBA_E_IO, "ending: %s", strerror(errno)) : GBA_OK;
    while ((r = gnutls_bye(l->tls, GNUTLS_SHUT_WR)) != 0) {
        if (r != GNUTLS_E_AGAIN && r != GNUTLS_E_INTERRUPTED)
            return say_gnutls(text, GBA_E_IO, "ending", r);
        if (ue_wait(l->fd, POLLOUT, deadline))
            return ue_say(text, GBA_E_BUSY, "the server takes no more octets");
    }
    return GBA_OK;
}

int ue_link_fd(const ue_link *l)
{
    return l->fd;
}

size_t ue_link_pending(const ue_link *l)
{
    return l->tls ? gnutls_record_check_pending(l->tls) : 0;
}

void ue_link_facts(const ue_link *l, gba_transport *t, uint16_t *suite)
{
    *t = l->transport;
    *suite = l->suite;
}

gba_err ue_link_export(ue_link *l, const char *label, size_t n, gba_secret *out, char text[GBA_UICC_TEXT])
{
    gba_secret_wipe(out);
    if (!l->tls || n > sizeof out->o || n == 0)
        return ue_say(text, GBA_E_ARG, "an export is of 1 to %d octets of a TLS session", GBA_SECRET_MAX);
    if (gnutls_session_is_resumed(l->tls) ||
        (l->transport == GBA_TLS12 && !gnutls_session_ext_master_secret_status(l->tls)))
        return ue_say(text, GBA_E_FORBIDDEN, "the session is resumed or lacks the extended master secret: no export");
    int r = gnutls_prf_rfc5705(l->tls, strlen(label), label, 0, NULL, n, (char *)out->o);
    if (r)
        return say_gnutls(text, GBA_E_UNSUPPORTED, "export", r);
    out->n = n;
    return GBA_OK;
}
