/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - the programs' only door to GnuTLS. */
#ifndef SERVICE_TLS_H
#define SERVICE_TLS_H
#include <gba/gba.h>

#include <stdatomic.h>
#include <sys/socket.h>

/* ---- PSK (TS 33.222 5.4; oneM2M TS-0003 10.2.2) ---- */
typedef struct tls_psk_query {
    gba_span identity;
    gba_span sni;            /* lower case as sent; n == 0: none */
    gba_transport transport; /* GBA_TLS12 or GBA_TLS13 */
    uint16_t suite;          /* TLS 1.2: chosen already; TLS 1.3: 0 */
    const struct sockaddr *peer;
    struct tls_hold *hold;   /* for tls_later_new */
} tls_psk_query;
/*
 * OK: *key is the PSK and *who what http_tls_who shall say. IO, BUSY, NOMEM: it could not be found out, and the peer
 * gets internal_error. Anything else: the handshake fails just as with a wrong key, so that a stranger cannot tell
 * which identities exist. Of a server that defers (psk_defers) it must
 * not wait, and takes what it needs later; of any other it runs inside the handshake, on that connection's own
 * thread, and may wait under its own deadline and cap.
 */
typedef gba_err tls_psk_fn(void *ctx, const tls_psk_query *q, gba_secret *key, void **who);
/* Of a server that defers: the key is not here yet. BUSY is returned then, the connection rests without a thread, and
 * tls_later_answer follows exactly once, from any thread, perhaps before that return; q is not valid by then. NULL:
 * not this time (asked again, or no memory), and the function refuses. */
typedef struct tls_later tls_later;
tls_later *tls_later_new(const tls_psk_query *q) GBA_MUST_USE;
/* As the function would have returned; the key is wiped, who taken over. */
void tls_later_answer(tls_later *l, gba_err e, gba_secret *key, void *who);
/* ECDHE-PSK and PSK before certificates, AEAD before CBC: a client that offers both gets PSK. */
extern const char tls_psk_priority[];

typedef struct tls_refusal {
    const char *why;  /* one word: revoked, expired, issuer, name_constraints, unknown_key, ... */
    const char *name; /* the certificate's first name or subject, the raw key's identifier; for logs */
    const struct sockaddr *peer;
} tls_refusal;

typedef struct tls_server tls_server;
typedef struct tls_server_config {
    const char *cert_file, *key_file; /* PEM; the chain in cert_file */
    const char *client_ca_file;       /* non-NULL: a client certificate is required and verified */
    bool client_optional;             /* with client_ca_file: asked for; none is let in, a wrong one is not */
    const char *crl_file;             /* may be NULL */
    const char *ocsp_file;            /* DER OCSP answer on our certificate, stapled; NULL: none */
    /* Raw public keys (RFC 7250) in place of client certificates: is this one of ours (SHA-256 of its
     * SubjectPublicKeyInfo)? Ours is offered as one, too. NULL: none are taken. */
    bool (*raw_key)(void *ctx, const uint8_t id[32]);
    void (*cert_refused)(void *ctx, const tls_refusal *r); /* a client's certificate or raw key, in the handshake or later */
    void *cert_ctx;                                        /* of these two */
    const char *priority;             /* NULL: our default: TLS 1.2 and 1.3, AEAD, (EC)DHE */
    bool no_tickets;                  /* clients that come once in hours do not resume; PSK sessions: see below */
    /* PSK clients on the same port; NULL: certificates only */
    tls_psk_fn *psk;
    bool psk_defers; /* psk never waits, so that handshakes can share threads */
    void *psk_ctx;
    void (*psk_who_free)(void *who);
    /* Is it an identity of ours? NULL: all are. Others get no PSK in TLS 1.3 (a full handshake follows,
     * as for a ticket of a former life) and the failure of an unknown identity in TLS 1.2. */
    bool (*psk_ours)(void *ctx, gba_span identity);
    const char *psk_hint; /* TLS 1.2; NULL: none */
    /* The key was given out, but the handshake ended before the peer had proved that it has it. */
    void (*psk_failed)(void *ctx, void *who);
    /* Resumption of PSK sessions: another reference to who (psk_who_free gives it back), and whether who
     * may resume now; no waiting here. Either NULL: PSK sessions get no tickets. */
    void *(*psk_who_ref)(void *who);
    bool (*psk_alive)(void *ctx, void *who);
} tls_server_config;
gba_err tls_server_new(const tls_server_config *c, tls_server **out, char *why, size_t why_n) GBA_MUST_USE;
/* Reads the files again; the old ones stay when a new one is bad. New handshakes use the new. */
gba_err tls_server_reload(tls_server *t, char *why, size_t why_n) GBA_MUST_USE;
void tls_server_free(tls_server **t);
/* For http.c: attach credentials, verification and the socket to a fresh gnutls_session_t (its session
 * pointer is then ours). peer lives as long as *hold, which keeps the credentials while the session lives: release
 * it afterwards. */
typedef struct tls_hold tls_hold;
/* A connection that shares its thread with others: how it rests, and goes on, while its key is being fetched. */
typedef struct tls_park {
    void (*suspend)(void *ctx); /* on that thread */
    void (*resume)(void *ctx);  /* from any; gnutls_record_recv follows on that thread */
    void *ctx;
    const atomic_bool *stopping; /* nobody rests any more */
} tls_park;
/* park NULL: the calling thread is the connection's own, and may wait in reading and writing as long as the socket's
 * SO_RCVTIMEO and SO_SNDTIMEO say. */
gba_err tls_server_attach(tls_server *t, void *session, int fd, const tls_park *park, const struct sockaddr *peer,
                          tls_hold **hold) GBA_MUST_USE;
void tls_hold_unpark(tls_hold *hold); /* the server stops: whoever rests goes on, without a key */
void tls_hold_release(tls_hold **hold);
/* Before a request of an attached session is handled: OK when no client certificate is asked for, or
 * it is verified under the credentials of today (a reload is followed also on open connections). */
gba_err tls_server_check_peer(tls_hold *hold) GBA_MUST_USE;
bool tls_server_waits(const tls_server *t); /* its handshakes may block: a thread for each connection */
const char *tls_server_priority(const tls_server *t);
/* For the library's MHD_OPTION_HTTPS_CERT_CALLBACK: it wants a certificate before tls_server_attach gives one. */
void *tls_no_certificate(void);

/* After the handshake, of a gnutls_session_t. */
gba_transport tls_session_transport(void *session);
uint16_t tls_session_suite(void *session); /* IANA number, 0 unknown */
/* The name that the client asked for (SNI), "" none. */
void tls_session_sni(void *session, char out[256]);
/* What is sent from the first call on waits for the second, and goes out in full records with one call of the
 * kernel. False: it could not go out at once; the connection is of no more use. */
void tls_session_gather(void *session);
bool tls_session_send_gathered(void *session);
/* Did the peer show a key or a certificate? */
bool tls_session_peer_known(void *session);
void *tls_session_who(void *session);      /* of a PSK session attached here, else NULL */
/* RFC 5705 exporter without a context. FORBIDDEN: the session was resumed, or TLS 1.2 without the
 * extended master secret (RFC 7627): its export would not be this peer's alone. */
gba_err tls_session_export(void *session, const char *label, void *out, size_t n) GBA_MUST_USE;
/* Of a session attached by tls_server_attach. Was the client's certificate verified against
 * client_ca_file (chain, time, CRL)? Its dNSNames (never the CN, no wildcards), at most max; *n. AUTH:
 * none or not verified. Cheap: read once a connection. */
gba_err tls_peer_dns(void *session, gba_fqdn *names, size_t max, size_t *n) GBA_MUST_USE;
/* The same certificate's other names, and its key (of a raw public key that alone); n 0 and OK: no certificate (PSK, or optional and none). */
typedef enum tls_name_kind { TLS_NAME_DNS = 0, TLS_NAME_URI, TLS_NAME_OTHER, TLS_NAME_KEY } tls_name_kind;
typedef struct tls_name {
    tls_name_kind kind;
    char oid[64];     /* of OTHER */
    char text[520];   /* DNS (as signed up to the first dot, lower case behind it), URI; OTHER: the DER value in hex; KEY: SHA-256 of the public key in hex */
} tls_name;
gba_err tls_peer_names(void *session, tls_name *names, size_t max, size_t *n) GBA_MUST_USE;
/* SHA-256 of the public key in a PEM file: a certificate, a public or a private key. IO, SYNTAX. */
gba_err tls_key_id(const char *file, uint8_t id[32]) GBA_MUST_USE;
/* IANA number by GnuTLS or IANA name, 0 unknown; and back, in GnuTLS's spelling, NULL unknown. */
uint16_t tls_suite_by_name(const char *name);
const char *tls_suite_name(uint16_t suite);
#endif
