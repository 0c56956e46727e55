/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.c - certificates, client verification and cipher suites by GnuTLS.
 *
 * The credentials of a server are replaced as a whole at reload; each session holds the ones it
 * began with, so nothing is freed under a handshake. Client certificates are verified against the
 * configured CA alone: in the handshake, and again before a request when a session was resumed or
 * the credentials have changed since.
 */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "libgba/gnutls_err.h"
#include "service/cert.h"
#include "service/log.h"
#include "service/tls_internal.h"

#define PEM_MAX (4 * 1024 * 1024) /* a CRL may be large */
#define NAMES_MAX 32

/* TLS 1.2 and 1.3, AEAD with ephemeral keys only; X25519 first, it is the cheapest. */
static const char default_priority[] =
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "-MAC-ALL:+AEAD:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
    "%SERVER_PRECEDENCE";

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

/* ---- files ---- */
static void datum_free(gnutls_datum_t *d)
{
    if (d->data)
        gba_wipe(d->data, d->size);
    free(d->data);
    *d = (gnutls_datum_t){0};
}

static gba_err read_pem(const char *file, gnutls_datum_t *out, char *why, size_t why_n)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return say(why, why_n, GBA_E_IO, "%s: cannot be read: %s", file, strerror(errno));
    size_t room = 16384, n = 0;
    uint8_t *p = malloc(room + 1);
    ssize_t got = 1;
    while (p && (got = read(fd, p + n, room - n)) > 0) {
        n += (size_t)got;
        if (n < room)
            continue;
        uint8_t *bigger = room < PEM_MAX ? malloc(room * 2 + 1) : NULL;
        if (bigger)
            memcpy(bigger, p, n);
        gba_wipe(p, n);
        free(p);
        p = bigger;
        room *= 2;
    }
    close(fd);
    if (!p)
        return room > PEM_MAX ? say(why, why_n, GBA_E_RANGE, "%s: is longer than %d octets", file, PEM_MAX)
                              : say(why, why_n, GBA_E_NOMEM, "%s: out of memory", file);
    p[n] = 0;
    *out = (gnutls_datum_t){p, (unsigned)n};
    if (got < 0 || n == 0) {
        datum_free(out);
        return say(why, why_n, GBA_E_IO, "%s: %s", file, got < 0 ? strerror(errno) : "is empty");
    }
    return GBA_OK;
}

/* ---- client verification ---- */
static void tell_refusal(const tls_hold *h, const char *why, const char *name)
{
    if (!h || !h->server->cert_refused)
        return;
    tls_refusal r = {.why = why, .name = name, .peer = h->remote};
    h->server->cert_refused(h->server->cert_ctx, &r);
}

/* TS-0003 8.1.2.5: a raw key is matched by its identifier, and nobody vouches for it. */
static gba_err verify_raw(gnutls_session_t session, const tls_hold *h)
{
    uint8_t id[CERT_KEY_ID];
    char hex[2 * CERT_KEY_ID + 1] = "";
    gba_err e = cert_raw_id(session, id);
    if (e == GBA_OK && h && h->server->raw_key && h->server->raw_key(h->server->cert_ctx, id))
        return GBA_OK;
    if (e == GBA_OK)
        gba_hex_encode(id, sizeof id, hex);
    log_event(LOG_LEVEL_WARN, "tls.client_refused", "reason", "the raw public key is not known", NULL);
    tell_refusal(h, "unknown_key", hex);
    return GBA_E_AUTH;
}

static gba_err verify(gnutls_session_t session)
{
    tls_hold *h = gnutls_session_get_ptr(session);
    char text[256] = "", name[256] = "";
    if (h && h->session != session)
        h = NULL;
    if (cert_is_raw(session, false))
        return verify_raw(session, h);
    const char *why = h ? cert_check(session, h->creds->cert, false, text, sizeof text) : "invalid";
    if (!why)
        return GBA_OK;
    cert_name(session, name, sizeof name);
    log_event(LOG_LEVEL_WARN, "tls.client_refused", "reason", text, NULL);
    tell_refusal(h, why, name);
    return GBA_E_AUTH;
}

/* dNSNames alone. An embedded NUL is an attack on whoever compares C strings: nothing of such a
 * certificate is believed. A wildcard says no name. */
static gba_err read_names(gnutls_session_t session, gba_fqdn *out, size_t *n)
{
    unsigned chain_n = 0, type;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &chain_n);
    gnutls_x509_crt_t crt;
    gba_err e = GBA_OK;
    *n = 0;
    if (cert_is_raw(session, false))
        return GBA_OK; /* has none */
    if (!chain || !chain_n || gnutls_x509_crt_init(&crt) < 0)
        return GBA_E_AUTH;
    if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) < 0)
        e = GBA_E_AUTH;
    for (unsigned i = 0; e == GBA_OK && *n < NAMES_MAX; i++) {
        char name[256];
        size_t size = sizeof name;
        int r = gnutls_x509_crt_get_subject_alt_name2(crt, i, name, &size, &type, NULL);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (r == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue; /* longer than a host name can be */
        if (r < 0) {
            e = GBA_E_AUTH;
        } else if (r == GNUTLS_SAN_DNSNAME) {
            if (memchr(name, 0, size))
                e = GBA_E_AUTH;
            else if (!memchr(name, '*', size) && gba_fqdn_parse(gba_mem(name, size), &out[*n]) == GBA_OK)
                ++*n;
        }
    }
    gnutls_x509_crt_deinit(crt);
    if (e != GBA_OK)
        *n = 0;
    return e;
}

/* Of a handshake with a certificate suite in which the client, asked, showed none; or with a PSK. */
static bool shows_none(gnutls_session_t session)
{
    unsigned n = 0;
    return gnutls_auth_client_get_type(session) == GNUTLS_CRD_PSK || !gnutls_certificate_get_peers(session, &n) || n == 0;
}

bool tls_session_peer_known(void *session)
{
    unsigned n = 0;
    return session && (tls_session_who(session) || (gnutls_certificate_get_peers(session, &n) && n > 0));
}

static int verify_in_handshake(gnutls_session_t session)
{
    tls_hold *h = gnutls_session_get_ptr(session);
    if (h && h->session == session && h->creds->client_optional && shows_none(session))
        return 0;
    if (verify(session) != GBA_OK)
        return GNUTLS_E_CERTIFICATE_ERROR;
    if (h && h->session == session)
        h->verified = h->creds;
    return 0;
}

/* ---- credentials ---- */
static void creds_release(creds *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    if (c->cert)
        gnutls_certificate_free_credentials(c->cert);
    datum_free(&c->cert_pem);
    datum_free(&c->key_pem);
    free(c);
}

static gba_err load_client_ca(const tls_server *t, creds *c, char *why, size_t why_n)
{
    gnutls_datum_t pem = {0};
    gnutls_certificate_set_verify_function(c->cert, verify_in_handshake);
    c->client_ca = true;
    c->client_optional = t->client_optional;
    if (!t->client_ca_file)
        return GBA_OK; /* raw public keys alone */
    gba_err e = read_pem(t->client_ca_file, &pem, why, why_n);
    if (e != GBA_OK)
        return e;
    int n = gnutls_certificate_set_x509_trust_mem(c->cert, &pem, GNUTLS_X509_FMT_PEM);
    datum_free(&pem);
    if (n <= 0)
        return say(why, why_n, gnutls_err(n, GBA_E_SYNTAX), "%s: holds no PEM certificate of a CA%s%s", t->client_ca_file,
                   n < 0 ? ": " : "", n < 0 ? gnutls_strerror(n) : "");
    if (!t->crl_file)
        return GBA_OK;
    if ((e = read_pem(t->crl_file, &pem, why, why_n)) != GBA_OK)
        return e;
    n = gnutls_certificate_set_x509_crl_mem(c->cert, &pem, GNUTLS_X509_FMT_PEM);
    datum_free(&pem);
    if (n <= 0)
        return say(why, why_n, gnutls_err(n, GBA_E_SYNTAX), "%s: holds no PEM revocation list%s%s", t->crl_file, n < 0 ? ": " : "",
                   n < 0 ? gnutls_strerror(n) : "");
    return GBA_OK;
}

static gba_err load_own(const tls_server *t, creds *c, char *why, size_t why_n)
{
    gba_err e = read_pem(t->cert_file, &c->cert_pem, why, why_n);
    if (e == GBA_OK)
        e = read_pem(t->key_file, &c->key_pem, why, why_n);
    if (e != GBA_OK)
        return e;
    int r = gnutls_certificate_set_x509_key_mem2(c->cert, &c->cert_pem, &c->key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return say(why, why_n, GBA_E_ARG, "%s: is not the key of the certificate in %s", t->key_file, t->cert_file);
    if (r < 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "%s and %s: no PEM certificate with its key: %s", t->cert_file,
                   t->key_file, gnutls_strerror(r));
    if (t->raw_key && cert_set_raw(c->cert, c->key_pem.data, c->key_pem.size) != GBA_OK)
        return say(why, why_n, GBA_E_SYNTAX, "%s: cannot be offered as a raw public key", t->key_file);
    if (!t->ocsp_file)
        return GBA_OK;
    /* GnuTLS looks whether it is about our certificate, and leaves it out when it has run out */
    r = gnutls_certificate_set_ocsp_status_request_file(c->cert, t->ocsp_file, 0);
    if (r == GNUTLS_E_EXPIRED) { /* or it says revoked: serving without is better than not at all */
        log_event(LOG_LEVEL_ERROR, "tls.ocsp_not_stapled", "file", t->ocsp_file, "reason", "it has run out, or does not say good", NULL);
        return GBA_OK;
    }
    return r >= 0 ? GBA_OK
                  : say(why, why_n, r == GNUTLS_E_FILE_ERROR ? GBA_E_IO : gnutls_err(r, GBA_E_SYNTAX),
                        "%s: no OCSP answer (DER) on the certificate in %s: %s", t->ocsp_file, t->cert_file, gnutls_strerror(r));
}

static gba_err creds_load(const tls_server *t, creds **out, char *why, size_t why_n)
{
    creds *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c || gnutls_certificate_allocate_credentials(&c->cert) < 0) {
        free(c);
        return say(why, why_n, GBA_E_NOMEM, "out of memory");
    }
    atomic_init(&c->refs, 1);
    gba_err e = load_own(t, c, why, why_n);
    if (e == GBA_OK && (t->client_ca_file || t->raw_key))
        e = load_client_ca(t, c, why, why_n);
    if (e == GBA_OK)
        *out = c;
    else
        creds_release(c);
    return e;
}

/* ---- the server ---- */
static char *copy(const char *s)
{
    return s ? strdup(s) : NULL;
}

static char *priority_text(const tls_server_config *c)
{
    const char *p = c->priority ? c->priority : c->psk ? tls_psk_priority : default_priority;
    static const char raw[] = ":+CTYPE-CLI-X509:+CTYPE-CLI-RAWPK:+CTYPE-SRV-X509:+CTYPE-SRV-RAWPK";
    size_t n = strlen(p) + sizeof raw;
    char *out = malloc(n);
    if (out)
        snprintf(out, n, "%s%s", p, c->raw_key ? raw : "");
    return out;
}

static gba_err check_priority(tls_server *t, char *why, size_t why_n)
{
    gnutls_priority_t p;
    const unsigned *versions;
    const char *at = t->priority;
    int r = gnutls_priority_init(&p, t->priority, &at);
    if (r < 0)
        return say(why, why_n, gnutls_err(r, GBA_E_SYNTAX), "the TLS priority is wrong at '%.40s'", at);
    for (int n = gnutls_priority_protocol_list(p, &versions); n-- > 0;)
        t->tls13 = t->tls13 || versions[n] == GNUTLS_TLS1_3;
    gnutls_priority_deinit(p);
    return GBA_OK;
}

gba_err tls_server_new(const tls_server_config *c, tls_server **out, char *why, size_t why_n)
{
    *out = NULL;
    if (!c->cert_file || !c->key_file)
        return say(why, why_n, GBA_E_ARG, "TLS needs a certificate and its key");
    tls_server *t = calloc(1, sizeof *t);
    if (!t)
        return say(why, why_n, GBA_E_NOMEM, "out of memory");
    pthread_mutex_init(&t->lock, NULL);
    t->cert_file = copy(c->cert_file);
    t->key_file = copy(c->key_file);
    t->client_ca_file = copy(c->client_ca_file);
    t->crl_file = copy(c->crl_file);
    t->ocsp_file = copy(c->ocsp_file);
    t->client_optional = c->client_optional;
    t->no_tickets = c->no_tickets;
    t->raw_key = c->raw_key;
    t->cert_refused = c->cert_refused;
    t->cert_ctx = c->cert_ctx;
    t->priority = priority_text(c);
    gba_err e = t->cert_file && t->key_file && t->priority && !!t->client_ca_file == !!c->client_ca_file &&
                        !!t->crl_file == !!c->crl_file && !!t->ocsp_file == !!c->ocsp_file && gnutls_session_ticket_key_generate(&t->ticket_key) == 0
                    ? GBA_OK
                    : say(why, why_n, GBA_E_NOMEM, "out of memory");
    if (e == GBA_OK && c->psk)
        e = tls_psk_start(t, c, why, why_n);
    if (e == GBA_OK)
        e = check_priority(t, why, why_n);
    creds *first = NULL;
    if (e == GBA_OK)
        e = creds_load(t, &first, why, why_n);
    atomic_init(&t->now, first);
    if (e == GBA_OK)
        *out = t;
    else
        tls_server_free(&t);
    return e;
}

gba_err tls_server_reload(tls_server *t, char *why, size_t why_n)
{
    creds *fresh;
    gba_err e = creds_load(t, &fresh, why, why_n);
    if (e != GBA_OK)
        return e;
    pthread_mutex_lock(&t->lock);
    creds *old = t->now;
    t->now = fresh;
    pthread_mutex_unlock(&t->lock);
    creds_release(old);
    return GBA_OK;
}

void tls_server_free(tls_server **tp)
{
    tls_server *t = *tp;
    *tp = NULL;
    if (!t)
        return;
    creds_release(t->now);
    tls_psk_end(t);
    if (t->ticket_key.data) {
        gba_wipe(t->ticket_key.data, t->ticket_key.size);
        gnutls_free(t->ticket_key.data);
    }
    pthread_mutex_destroy(&t->lock);
    free(t->cert_file);
    free(t->key_file);
    free(t->client_ca_file);
    free(t->crl_file);
    free(t->ocsp_file);
    free(t->priority);
    free(t);
}

static creds *creds_now(tls_server *t)
{
    pthread_mutex_lock(&t->lock);
    creds *c = t->now;
    atomic_fetch_add(&c->refs, 1);
    pthread_mutex_unlock(&t->lock);
    return c;
}

static int hand_over(gnutls_session_t session, const creds *c)
{
    int r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->cert);
    gnutls_certificate_server_set_request(session, !c->client_ca        ? GNUTLS_CERT_IGNORE
                                                  : c->client_optional ? GNUTLS_CERT_REQUEST
                                                                       : GNUTLS_CERT_REQUIRE);
    return r;
}

static int on_message(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *msg)
{
    tls_hold *h = gnutls_session_get_ptr(s);
    (void)when, (void)msg;
    if (h && h->session == s)
        tls_io_note(h, type, incoming);
    return 0;
}

gba_err tls_server_attach(tls_server *t, void *session, int fd, const tls_park *park, const struct sockaddr *peer,
                          tls_hold **out)
{
    tls_hold *h = malloc(sizeof *h);
    *out = h;
    if (!h)
        return GBA_E_NOMEM;
    memset(h, 0, offsetof(tls_hold, io.in));
    h->remote = peer;
    h->server = t;
    h->session = session;
    h->creds = creds_now(t);
    gnutls_session_set_ptr(h->session, h);
    h->stage = t->psk.psk_defers && park ? TLS_HELLO : TLS_NONE;
    if (park)
        h->park = *park;
    tls_io_attach(h, fd, !park);
    gnutls_handshake_set_hook_function(h->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
    /* where PSKs are, tls_psk.c chooses the ticket's key when it has seen the ClientHello */
    if (hand_over(h->session, h->creds) < 0 || tls_psk_attach(h) < 0 ||
        (!t->psk.psk && !t->no_tickets &&
         gnutls_session_ticket_enable_server(h->session, &t->ticket_key) < 0)) {
        gnutls_session_set_ptr(h->session, NULL);
        gnutls_transport_set_ptr(h->session, NULL);
        tls_hold_release(out);
        return GBA_E_NOMEM;
    }
    return GBA_OK;
}

void tls_hold_release(tls_hold **hp)
{
    tls_hold *h = *hp;
    *hp = NULL;
    if (!h)
        return;
    tls_psk_release(h);
    creds_release(h->creds);
    free(h->names);
    free(h);
}

static gba_err check_anew(tls_hold *h)
{
    gba_fqdn names[NAMES_MAX];
    size_t n = 0;
    free(h->names);
    h->names = NULL;
    h->n_names = 0;
    if (!h->creds->client_ca || (h->creds->client_optional && shows_none(h->session)))
        return GBA_OK;
    gba_err e = h->verified == h->creds ? GBA_OK : verify(h->session); /* a handshake that was full has just done it */
    if (e == GBA_OK)
        e = read_names(h->session, names, &n);
    if (e != GBA_OK || n == 0)
        return e;
    h->names = malloc(n * sizeof *names);
    if (!h->names)
        return GBA_E_NOMEM;
    memcpy(h->names, names, n * sizeof *names);
    h->n_names = n;
    return GBA_OK;
}

gba_err tls_server_check_peer(tls_hold *h)
{
    /* h holds its credentials, so no others can stand at their address */
    if (atomic_load(&h->server->now) != h->creds) {
        creds *old = h->creds;
        h->creds = creds_now(h->server);
        (void)hand_over(h->session, h->creds);
        creds_release(old);
        h->checked = false;
    }
    if (!h->checked) {
        h->peer = check_anew(h);
        h->checked = true;
    }
    return h->peer;
}

const char *tls_server_priority(const tls_server *t)
{
    return t->priority;
}

/* Never asked: each session gets its credentials by tls_server_attach. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *ca, int n, const gnutls_pk_algorithm_t *algorithms,
                          int algorithms_n, gnutls_pcert_st **chain, unsigned *chain_n, gnutls_privkey_t *key)
{
    (void)session, (void)ca, (void)n, (void)algorithms, (void)algorithms_n, (void)chain, (void)chain_n, (void)key;
    return -1;
}

void *tls_no_certificate(void)
{
    return (void *)(intptr_t)no_certificate;
}

/* ---- of a session ---- */
gba_transport tls_session_transport(void *session)
{
    gnutls_protocol_t v = gnutls_protocol_get_version(session);
    return v == GNUTLS_TLS1_3 ? GBA_TLS13 : v == GNUTLS_TLS1_2 ? GBA_TLS12 : GBA_PLAIN;
}

void tls_session_gather(void *session)
{
    gnutls_record_cork(session);
}

bool tls_session_send_gathered(void *session)
{
    return gnutls_record_uncork(session, 0) >= 0;
}

gba_err tls_peer_dns(void *session, gba_fqdn *names, size_t max, size_t *n)
{
    const tls_hold *h = session ? gnutls_session_get_ptr(session) : NULL;
    *n = 0;
    if (!h || h->session != session || !h->creds->client_ca || !h->checked || h->peer != GBA_OK)
        return GBA_E_AUTH;
    for (; *n < h->n_names && *n < max; ++*n)
        names[*n] = h->names[*n];
    return GBA_OK;
}

/* One name of the certificate; false: it is none of these kinds, or too long. */
static bool read_name(gnutls_x509_crt_t crt, unsigned i, const char *san, size_t n, unsigned type, tls_name *out)
{
    char oid[sizeof out->oid];
    size_t oid_n = sizeof oid;
    gba_fqdn fqdn;

    *out = (tls_name){.kind = TLS_NAME_DNS};
    if (type == GNUTLS_SAN_DNSNAME && !memchr(san, 0, n) && !memchr(san, '*', n) &&
        gba_fqdn_parse(gba_mem(san, n), &fqdn) == GBA_OK) {
        memcpy(out->text, fqdn.s, strlen(fqdn.s) + 1);
        memcpy(out->text, san, strcspn(fqdn.s, ".")); /* a name of oneM2M may stand there, which has its case */
        return true;
    }
    if (type == GNUTLS_SAN_URI && n < sizeof out->text && !memchr(san, 0, n)) {
        out->kind = TLS_NAME_URI;
        memcpy(out->text, san, n);
        return true;
    }
    if (type == GNUTLS_SAN_OTHERNAME && 2 * n < sizeof out->text &&
        gnutls_x509_crt_get_subject_alt_othername_oid(crt, i, oid, &oid_n) == GNUTLS_SAN_OTHERNAME) {
        out->kind = TLS_NAME_OTHER;
        snprintf(out->oid, sizeof out->oid, "%.*s", (int)oid_n, oid);
        gba_hex_encode(san, n, out->text);
        return true;
    }
    return false;
}

static bool read_key(gnutls_x509_crt_t crt, tls_name *out)
{
    unsigned char id[32];
    size_t n = sizeof id;

    *out = (tls_name){.kind = TLS_NAME_KEY};
    if (gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, id, &n) < 0)
        return false;
    gba_hex_encode(id, n, out->text);
    return true;
}

static gba_err raw_name(gnutls_session_t session, tls_name *out, size_t *n)
{
    uint8_t id[CERT_KEY_ID];
    gba_err e = cert_raw_id(session, id);
    if (e != GBA_OK)
        return e;
    *out = (tls_name){.kind = TLS_NAME_KEY};
    gba_hex_encode(id, sizeof id, out->text);
    *n = 1;
    return GBA_OK;
}

gba_err tls_peer_names(void *session, tls_name *names, size_t max, size_t *n)
{
    const tls_hold *h = session ? gnutls_session_get_ptr(session) : NULL;
    unsigned chain_n = 0, type;
    gnutls_x509_crt_t crt;
    gba_err e = GBA_OK;

    *n = 0;
    if (!h || h->session != session || !h->checked || h->peer != GBA_OK)
        return GBA_E_AUTH;
    if (!h->creds->client_ca || shows_none(session))
        return GBA_OK;
    if (cert_is_raw(session, false))
        return max ? raw_name(session, names, n) : GBA_OK;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &chain_n);
    if (gnutls_x509_crt_init(&crt) < 0)
        return GBA_E_NOMEM;
    if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) < 0)
        e = GBA_E_AUTH;
    for (unsigned i = 0; e == GBA_OK && *n < max && i < NAMES_MAX; i++) {
        char san[512];
        size_t size = sizeof san;
        int r = gnutls_x509_crt_get_subject_alt_name2(crt, i, san, &size, &type, NULL);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (r >= 0 && read_name(crt, i, san, size, type, &names[*n]))
            ++*n;
    }
    if (e == GBA_OK && *n < max && read_key(crt, &names[*n]))
        ++*n;
    gnutls_x509_crt_deinit(crt);
    return e;
}

gba_err tls_key_id(const char *file, uint8_t id[32])
{
    gnutls_datum_t pem = {0};
    gnutls_pubkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_privkey_t priv;
    size_t n = 32;
    gba_err e = read_pem(file, &pem, NULL, 0);
    if (e != GBA_OK)
        return e;
    if (gnutls_pubkey_init(&key) < 0 || gnutls_x509_crt_init(&crt) < 0 || gnutls_privkey_init(&priv) < 0)
        abort(); /* of an empty object: there is no memory at all */
    int r = gnutls_pubkey_import(key, &pem, GNUTLS_X509_FMT_PEM);
    if (r < 0 && gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) == 0)
        r = gnutls_pubkey_import_x509(key, crt, 0);
    if (r < 0 && gnutls_privkey_import_x509_raw(priv, &pem, GNUTLS_X509_FMT_PEM, NULL, 0) == 0)
        r = gnutls_pubkey_import_privkey(key, priv, 0, 0);
    if (r >= 0)
        r = gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &n);
    gnutls_privkey_deinit(priv);
    gnutls_x509_crt_deinit(crt);
    gnutls_pubkey_deinit(key);
    datum_free(&pem);
    return r >= 0 && n == 32 ? GBA_OK : GBA_E_SYNTAX;
}

/* ---- cipher suites ---- */
typedef struct suite {
    const char *name;
    uint16_t number;
    gnutls_kx_algorithm_t kx;
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t mac;
    gnutls_protocol_t version;
} suite;

static bool suite_at(size_t i, suite *s)
{
    unsigned char id[2];
    s->name = gnutls_cipher_suite_info(i, id, &s->kx, &s->cipher, &s->mac, &s->version);
    s->number = (uint16_t)(id[0] << 8 | id[1]);
    return s->name != NULL;
}

/* GnuTLS tells the parts of a suite; the number is found by them (TS 33.220 Annex H needs it). */
uint16_t tls_session_suite(void *session)
{
    const tls_hold *h = gnutls_session_get_ptr(session);
    if (h && h->session == session && h->suite)
        return h->suite;
    bool tls13 = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3;
    gnutls_kx_algorithm_t kx = gnutls_kx_get(session);
    gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(session);
    gnutls_mac_algorithm_t mac = gnutls_mac_get(session);
    suite s;
    for (size_t i = 0; suite_at(i, &s); i++)
        if ((s.version == GNUTLS_TLS1_3) == tls13 && s.cipher == cipher && (tls13 || (s.kx == kx && s.mac == mac)))
            return s.number;
    return 0;
}

/* IANA's names have _WITH_ and end in _SHA where GnuTLS says _SHA1. */
static void plain_name(const char *name, char out[80])
{
    const char *with = strstr(name, "_WITH_");
    if (with)
        snprintf(out, 80, "%.*s%s", (int)(with - name), name, with + 5);
    else
        snprintf(out, 80, "%s", name);
    size_t n = strlen(out);
    if (n > 5 && !strcmp(out + n - 5, "_SHA1"))
        out[n - 1] = 0;
}

uint16_t tls_suite_by_name(const char *name)
{
    char want[80], have[80];
    suite s;
    if (strlen(name) >= sizeof want)
        return 0;
    if (!strncmp(name, "GNUTLS_", 7))
        name += 3; /* GNUTLS_X is TLS_X */
    plain_name(name, want);
    for (size_t i = 0; suite_at(i, &s); i++) {
        plain_name(s.name, have);
        if (!strcmp(want, have))
            return s.number;
    }
    return 0;
}

const char *tls_suite_name(uint16_t number)
{
    suite s;
    for (size_t i = 0; suite_at(i, &s); i++)
        if (s.number == number)
            return s.name;
    return NULL;
}
