/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_psk.c - pre-shared keys beside the certificate, on one port (TS 33.222 5.4), and key export.
 *
 * What GnuTLS 3.7 does not say or do is read from the handshake's own messages, by its hooks: the
 * chosen suite, which enters the NAF_Id in TLS 1.2, from the ServerHello; and the identities of TLS 1.3's
 * pre_shared_key extension from the ClientHello, since a PSK function that does not know an identity
 * ends the handshake there, where a full handshake is wanted; and the name of a ticket's key, see tls_ticket.c.
 */
#include "service/tls_internal.h"
#include <gnutls/crypto.h>
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

/* What matters of a ClientHello, RFC 8446 4.1.2 and 4.2.11, RFC 5077 3.2. */
typedef struct hello {
    bool psk_suite; /* one of TLS 1.2 */
    bool psk_ids;   /* pre_shared_key is there */
    bool tickets;   /* it takes some, RFC 5077 3.2, RFC 8446 4.2.9 */
    in external;    /* the first identity with age 0; tickets have another */
    in sni;         /* RFC 6066 3, the host name */
    in ids, ticket; /* of TLS 1.3; of TLS 1.2 */
} hello;

bool tls_psk_suite(uint32_t s)
{
    return (s >= 0x8a && s <= 0x95) || (s >= 0xa8 && s <= 0xb9) || (s >= 0xc033 && s <= 0xc03b) ||
           (s >= 0xc094 && s <= 0xc09b) || (s >= 0xc0a4 && s <= 0xc0ab) || (s >= 0xccab && s <= 0xccae) ||
           (s >= 0xd001 && s <= 0xd005);
}

static void read_identities(hello *o, in body)
{
    in ids = part(&body, number(&body, 2));
    o->psk_ids = true;
    o->ids = ids;
    while (!ids.bad && ids.n) {
        in id = part(&ids, number(&ids, 2));
        uint32_t age = number(&ids, 4);
        if (!ids.bad && !age && !o->external.p)
            o->external = id;
    }
}

static in read_name(in body)
{
    in list = part(&body, number(&body, 2));
    while (!list.bad && list.n) {
        uint32_t type = number(&list, 1);
        in name = part(&list, number(&list, 2));
        if (!name.bad && type == 0)
            return name;
    }
    return (in){NULL, 0, false};
}

static hello read_hello(const gnutls_datum_t *msg)
{
    hello o = {0};
    in h = {msg->data, msg->size, false}, e;
    (void)part(&h, 2 + 32);
    (void)part(&h, number(&h, 1)); /* session id */
    in suites = part(&h, number(&h, 2));
    while (!suites.bad && suites.n)
        o.psk_suite = tls_psk_suite(number(&suites, 2)) || o.psk_suite;
    (void)part(&h, number(&h, 1)); /* compression */
    e = part(&h, number(&h, 2));
    while (!e.bad && e.n) {
        uint32_t type = number(&e, 2);
        in body = part(&e, number(&e, 2));
        if (type == 41 && !body.bad && !o.psk_ids) /* GnuTLS refuses a second one */
            read_identities(&o, body);
        else if (type == 35 && !body.bad)
            o.ticket = body;
        else if (type == 0 && !body.bad)
            o.sni = read_name(body);
        o.tickets = o.tickets || type == 35 || type == 45;
    }
    return o;
}

bool tls_psk_ours(const tls_hold *h, gba_span identity)
{
    const tls_server_config *c = &h->server->psk;
    return !c->psk_ours || c->psk_ours(c->psk_ctx, identity);
}

static bool find_ticket(tls_hold *h, in ticket)
{
    if (ticket.n <= TLS_TICKET_NAME || !tls_ticket_find(h->server->tickets, ticket.p, h->ticket_key, &h->resumed_who))
        return false;
    memcpy(h->ticket_name, ticket.p, TLS_TICKET_NAME);
    return true;
}

/* GnuTLS has one ticket key in a session, for the ticket that comes and for those that go. A second
 * ClientHello, after a HelloRetryRequest, finds it chosen: on_ticket sees to what follows. */
static int choose_ticket_key(tls_hold *h, const hello *o)
{
    tls_server *t = h->server;
    gnutls_datum_t key = {h->ticket_key, sizeof h->ticket_key};
    if (h->opened)
        return 0;
    h->opened = true;
    if (!o->tickets)
        return 0;
    if (t->tickets) {
        h->found = find_ticket(h, o->ticket);
        for (in ids = o->ids; !h->found && !ids.bad && ids.n;) {
            in id = part(&ids, number(&ids, 2));
            (void)number(&ids, 4);
            h->found = !ids.bad && find_ticket(h, id);
        }
    }
    if (h->found)
        return gnutls_session_ticket_enable_server(h->session, &key);
    if (!o->psk_suite && !o->external.p)
        return gnutls_session_ticket_enable_server(h->session, &t->ticket_key);
    h->fresh = t->tickets && gnutls_rnd(GNUTLS_RND_RANDOM, h->ticket_key, sizeof h->ticket_key) == 0;
    return h->fresh ? gnutls_session_ticket_enable_server(h->session, &key) : 0;
}

bool tls_hello_identity(tls_hold *h, const gnutls_datum_t *msg, gba_span *identity, gba_span *sni)
{
    hello o = read_hello(msg);
    *identity = gba_mem(o.external.p, o.external.n);
    *sni = gba_mem(o.sni.p, o.sni.n);
    return o.external.p && choose_ticket_key(h, &o) >= 0 && !h->found;
}

/* RFC 8446 4.6.1, RFC 5077 3.3 */
static in ticket_of(gnutls_session_t s, const gnutls_datum_t *msg)
{
    in i = {msg->data, msg->size, false};
    (void)part(&i, 4);
    if (gnutls_protocol_get_version(s) == GNUTLS_TLS1_3) {
        (void)part(&i, 4);
        (void)part(&i, number(&i, 1));
    }
    return part(&i, number(&i, 2));
}

/* A ticket goes out. Under a ticket key of our own it must be of the one whom the table names; a key is
 * entered once, so that it can be dropped. */
static void on_ticket(tls_hold *h, const gnutls_datum_t *msg)
{
    in ticket = ticket_of(h->session, msg);
    if (h->fresh && !ticket.bad && ticket.n > TLS_TICKET_NAME && h->who &&
        gnutls_auth_get_type(h->session) == GNUTLS_CRD_PSK)
        tls_ticket_put(h->server->tickets, ticket.p, h->ticket_key, h->who);
    else if (h->found && !gnutls_session_is_resumed(h->session))
        tls_ticket_drop(h->server->tickets, h->ticket_name); /* this one and its siblings open nothing */
    h->fresh = h->found = false;
}

static void forget_who(tls_hold *h)
{
    if (h->who && h->server->psk.psk_who_free)
        h->server->psk.psk_who_free(h->who);
    h->who = NULL;
}

static int on_client_hello(tls_hold *h, const gnutls_datum_t *msg)
{
    const tls_server *t = h->server;
    hello o = read_hello(msg);
    bool ours = o.external.p && tls_psk_ours(h, gba_mem(o.external.p, o.external.n));
    int r = choose_ticket_key(h, &o);
    forget_who(h);
    if (r < 0)
        return r;
    if (!o.psk_ids || ours) /* TLS 1.2 tells the identity later */
        return gnutls_credentials_set(h->session, GNUTLS_CRD_PSK, t->psk_cred);
    gnutls_credentials_clear(h->session); /* no PSK for this handshake */
    return gnutls_credentials_set(h->session, GNUTLS_CRD_CERTIFICATE, h->creds->cert);
}

static int on_message(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *msg)
{
    tls_hold *h = hold_of(s);
    if (!h)
        return GNUTLS_E_INTERNAL_ERROR;
    if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && incoming && when == GNUTLS_HOOK_PRE)
        return on_client_hello(h, msg);
    tls_io_note(h, type, incoming);
    if (incoming)
        return 0;
    if (type == GNUTLS_HANDSHAKE_SERVER_HELLO) {
        in i = {msg->data, msg->size, false};
        (void)part(&i, 2 + 32);
        (void)part(&i, number(&i, 1));
        h->suite = (uint16_t)number(&i, 2);
        return i.bad ? GNUTLS_E_INTERNAL_ERROR : 0;
    }
    if (type == GNUTLS_HANDSHAKE_FINISHED)
        h->proved = true; /* TLS 1.2: the client's was right; TLS 1.3: its binder was */
    if (type == GNUTLS_HANDSHAKE_NEW_SESSION_TICKET && when == GNUTLS_HOOK_PRE)
        on_ticket(h, msg);
    return 0;
}

/* It could not be found out: that is no refusal, after which clients would make new keys (internal_error). */
static bool unavailable(gba_err e)
{
    return e == GBA_E_IO || e == GBA_E_BUSY || e == GBA_E_NOMEM;
}

/* 0: a key; 1: GnuTLS goes on with a random key, so that this looks like a wrong key; -1: the handshake ends. */
static int on_identity(gnutls_session_t s, const gnutls_datum_t *identity, gnutls_datum_t *key)
{
    tls_hold *h = hold_of(s);
    char sni[256];
    size_t n = sizeof sni;
    unsigned type;
    GBA_SECRET_SCOPED psk = {0};
    tls_psk_query q = {.identity = gba_mem(identity->data, identity->size), .transport = tls_session_transport(s)};
    gba_err e;

    if (h) {
        q.peer = h->remote;
        h->asked = true;
    }
    if (!h || !tls_psk_ours(h, q.identity))
        return 1;
    if (gnutls_server_name_get(s, sni, &n, &type, 0) == 0 && type == GNUTLS_NAME_DNS)
        q.sni = gba_mem(sni, strnlen(sni, sizeof sni));
    q.suite = q.transport == GBA_TLS12 ? h->suite : 0;
    forget_who(h);
    if (!tls_early_take(h, q.identity, &e, &psk, &h->who))
        e = h->server->psk.psk(h->server->psk.psk_ctx, &q, &psk, &h->who);
    if (e != GBA_OK || !psk.n) /* an empty key would crash GnuTLS */
        return unavailable(e) ? -1 : 1;
    key->data = gnutls_malloc(psk.n);
    if (!key->data)
        return -1;
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
    if (c->psk_who_ref && c->psk_alive && !(t->tickets = tls_tickets_new(&t->psk)))
        return GBA_E_NOMEM;
    /* the older function would cut an identity at its first NUL */
    gnutls_psk_set_server_credentials_function2(t->psk_cred, on_identity);
    return GBA_OK;
}

void tls_psk_end(tls_server *t)
{
    if (t->psk_cred)
        gnutls_psk_free_server_credentials(t->psk_cred);
    tls_tickets_free(&t->tickets);
}

int tls_psk_attach(tls_hold *h)
{
    if (!h->server->psk_cred)
        return 0;
    gnutls_handshake_set_hook_function(h->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
    return gnutls_credentials_set(h->session, GNUTLS_CRD_PSK, h->server->psk_cred);
}

void tls_psk_release(tls_hold *h)
{
    const tls_server_config *c = &h->server->psk;
    if (h->who && !h->proved && c->psk_failed)
        c->psk_failed(c->psk_ctx, h->who);
    forget_who(h);
    tls_early_release(h);
    if (h->resumed_who && c->psk_who_free)
        c->psk_who_free(h->resumed_who);
    gba_wipe(h->ticket_key, sizeof h->ticket_key);
}

bool tls_server_waits(const tls_server *t)
{
    return t->psk_cred && !t->psk.psk_defers;
}

/* ---- of a session ---- */
void *tls_session_who(void *session)
{
    tls_hold *h = hold_of(session);
    if (!h)
        return NULL;
    if (gnutls_session_is_resumed(session))
        return h->resumed_who;
    return gnutls_auth_get_type(session) == GNUTLS_CRD_PSK ? h->who : NULL;
}

void tls_session_sni(void *session, char out[256])
{
    size_t n = 256;
    unsigned type;
    if (!session || gnutls_server_name_get(session, out, &n, &type, 0) != 0 || type != GNUTLS_NAME_DNS)
        out[0] = 0;
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
