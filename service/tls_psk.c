/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_psk.c - pre-shared keys beside the certificate, on one port (TS 33.222 5.4), and key export.
 *
 * What GnuTLS 3.7 does not say or do is read from the handshake's own messages, by its hooks: the
 * chosen suite, which enters the NAF_Id in TLS 1.2, from the ServerHello; and the identities of TLS 1.3's
 * pre_shared_key extension from the ClientHello, since a PSK function that does not know an identity
 * ends the handshake there, where a full handshake is wanted.
 */
#include "service/tls_internal.h"
#include "service/log.h"
#include <stdio.h>
#include <string.h>

const char tls_psk_priority[] =
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM:"
    "+AES-128-CBC:-MAC-ALL:+AEAD:+SHA256:-KX-ALL:+ECDHE-PSK:+ECDHE-ECDSA:+ECDHE-RSA:-GROUP-ALL:+GROUP-X25519:"
    "+GROUP-SECP256R1:+GROUP-SECP384R1:%SERVER_PRECEDENCE";

static tls_hold *hold_of(gnutls_session_t s)
{
    tls_hold *h = s ? gnutls_session_get_ptr(s) : NULL;
    return h && h->session == s ? h : NULL;
}

/* ---- a bounded reader of handshake messages ---- */
typedef struct in {
    const uint8_t *p;
    size_t n;
    bool bad;
} in;

static uint32_t number(in *i, size_t octets)
{
    uint32_t v = 0;
    if (i->bad || i->n < octets) {
        i->bad = true;
        return 0;
    }
    for (size_t k = 0; k < octets; k++)
        v = v << 8 | i->p[k];
    i->p += octets;
    i->n -= octets;
    return v;
}

static in part(in *i, size_t n)
{
    in out = {i->p, n, false};
    if (i->bad || i->n < n) {
        i->bad = true;
        return (in){NULL, 0, true};
    }
    i->p += n;
    i->n -= n;
    return out;
}

/* RFC 8446 4.1.2 and 4.2.11: is the first external PSK (age 0; tickets have another) one of ours? */
static bool offers_ours(const tls_server *t, const gnutls_datum_t *hello)
{
    in h = {hello->data, hello->size, false}, e;
    (void)part(&h, 2 + 32);
    (void)part(&h, number(&h, 1)); /* session id */
    (void)part(&h, number(&h, 2)); /* suites */
    (void)part(&h, number(&h, 1)); /* compression */
    e = part(&h, number(&h, 2));
    while (!e.bad && e.n) {
        uint32_t type = number(&e, 2);
        in body = part(&e, number(&e, 2));
        if (type != 41)
            continue;
        in ids = part(&body, number(&body, 2));
        while (!ids.bad && ids.n) {
            in id = part(&ids, number(&ids, 2));
            uint32_t age = number(&ids, 4);
            if (!ids.bad && !age)
                return !t->psk.psk_ours || t->psk.psk_ours(t->psk.psk_ctx, gba_mem(id.p, id.n));
        }
        return false;
    }
    return true; /* no such extension: TLS 1.2 tells the identity later */
}

static int on_hello(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *msg)
{
    tls_hold *h = hold_of(s);
    if (!h)
        return GNUTLS_E_INTERNAL_ERROR;
    if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && incoming && when == GNUTLS_HOOK_PRE) {
        if (offers_ours(h->server, msg))
            return gnutls_credentials_set(s, GNUTLS_CRD_PSK, h->server->psk_cred);
        gnutls_credentials_clear(s); /* no PSK for this handshake */
        return gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, h->creds->cert);
    }
    if (type == GNUTLS_HANDSHAKE_SERVER_HELLO && !incoming) {
        in i = {msg->data, msg->size, false};
        (void)part(&i, 2 + 32);
        (void)part(&i, number(&i, 1));
        h->suite = (uint16_t)number(&i, 2);
        return i.bad ? GNUTLS_E_INTERNAL_ERROR : 0;
    }
    return 0;
}

static bool peer_of(gnutls_session_t s, struct sockaddr_storage *out)
{
    socklen_t n = sizeof *out;
    int fd = gnutls_transport_get_int(s);
    return fd >= 0 && getpeername(fd, (struct sockaddr *)out, &n) == 0;
}

/* 0: a key; 1: GnuTLS goes on with a random key, so that this looks like a wrong key. */
static int on_identity(gnutls_session_t s, const gnutls_datum_t *identity, gnutls_datum_t *key)
{
    tls_hold *h = hold_of(s);
    char sni[256];
    size_t n = sizeof sni;
    unsigned type;
    struct sockaddr_storage peer;
    GBA_SECRET_SCOPED psk = {0};
    tls_psk_query q = {.identity = gba_mem(identity->data, identity->size), .transport = tls_session_transport(s)};
    gba_err e;

    if (!h || (h->server->psk.psk_ours && !h->server->psk.psk_ours(h->server->psk.psk_ctx, q.identity)))
        return 1;
    if (gnutls_server_name_get(s, sni, &n, &type, 0) == 0 && type == GNUTLS_NAME_DNS)
        q.sni = gba_mem(sni, strnlen(sni, sizeof sni));
    if (peer_of(s, &peer))
        q.peer = (struct sockaddr *)&peer;
    q.suite = q.transport == GBA_TLS12 ? h->suite : 0;
    if (h->who && h->server->psk.psk_who_free)
        h->server->psk.psk_who_free(h->who);
    h->who = NULL;
    e = h->server->psk.psk(h->server->psk.psk_ctx, &q, &psk, &h->who);
    if (e != GBA_OK || !psk.n) /* an empty key would crash GnuTLS */
        return 1;
    key->data = gnutls_malloc(psk.n);
    if (!key->data)
        return 1;
    memcpy(key->data, psk.o, psk.n);
    key->size = (unsigned)psk.n;
    return 0;
}

/* ---- of a server ---- */
gba_err tls_psk_start(tls_server *t, const tls_server_config *c, char *why, size_t why_n)
{
    t->psk = *c;
    t->psk.psk_hint = NULL;
    if (gnutls_psk_allocate_server_credentials(&t->psk_cred) < 0 ||
        (c->psk_hint && gnutls_psk_set_server_credentials_hint(t->psk_cred, c->psk_hint) < 0)) {
        if (why_n)
            snprintf(why, why_n, "out of memory");
        return GBA_E_NOMEM;
    }
    /* the older function would cut an identity at its first NUL */
    gnutls_psk_set_server_credentials_function2(t->psk_cred, on_identity);
    return GBA_OK;
}

void tls_psk_end(tls_server *t)
{
    if (t->psk_cred)
        gnutls_psk_free_server_credentials(t->psk_cred);
}

int tls_psk_attach(tls_hold *h)
{
    if (!h->server->psk_cred)
        return 0;
    gnutls_handshake_set_hook_function(h->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_hello);
    return gnutls_credentials_set(h->session, GNUTLS_CRD_PSK, h->server->psk_cred);
}

bool tls_server_waits(const tls_server *t)
{
    return t->psk_cred != NULL;
}

/* ---- of a session ---- */
void *tls_session_who(void *session)
{
    tls_hold *h = hold_of(session);
    return h && gnutls_auth_get_type(session) == GNUTLS_CRD_PSK ? h->who : NULL;
}

gba_err tls_session_export(void *session, const char *label, void *out, size_t n)
{
    gnutls_session_t s = session;
    if (!s)
        return GBA_E_ARG;
    if (gnutls_session_is_resumed(s) ||
        (gnutls_protocol_get_version(s) == GNUTLS_TLS1_2 && !gnutls_session_ext_master_secret_status(s)))
        return GBA_E_FORBIDDEN;
    return gnutls_prf_rfc5705(s, strlen(label), label, 0, NULL, n, out) < 0 ? GBA_E_IO : GBA_OK;
}
