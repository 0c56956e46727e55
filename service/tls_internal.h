/* SPDX-License-Identifier: Apache-2.0 */
/* tls_internal.h - what tls.c and tls_psk.c share. */
#ifndef SERVICE_TLS_INTERNAL_H
#define SERVICE_TLS_INTERNAL_H
#include "service/tls.h"
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdatomic.h>

/* One reading of the files; shared by the server and its sessions. */
typedef struct creds {
    atomic_uint refs;
    gnutls_certificate_credentials_t cert;
    gnutls_datum_t cert_pem, key_pem;
    bool client_ca, client_optional; /* client_ca: a certificate or a raw key is asked for */
} creds;

#define TLS_TICKET_KEY 64  /* GnuTLS's, of which it derives another every 18 hours */
#define TLS_TICKET_NAME 16 /* of the derived key; each ticket begins with it */
typedef struct tls_tickets tls_tickets;

struct tls_server {
    char *cert_file, *key_file, *client_ca_file, *crl_file, *ocsp_file, *priority;
    bool client_optional, no_tickets;
    bool (*raw_key)(void *ctx, const uint8_t id[32]);
    void (*cert_refused)(void *ctx, const tls_refusal *r);
    void *cert_ctx;
    pthread_mutex_t lock;
    _Atomic(creds *) now; /* changed under the lock */
    gnutls_datum_t ticket_key;
    /* PSK clients on the same port, see tls_psk.c; psk.psk NULL: none */
    tls_server_config psk;
    gnutls_psk_server_credentials_t psk_cred;
    tls_tickets *tickets; /* of PSK sessions; NULL: none */
};

/* tls_io.c */
typedef struct tls_io {
    int fd;
    bool blocks;                    /* a thread of the connection's own */
    bool finished_in, finished_out; /* both: the handshake is over */
    bool ticket;                    /* what goes out next is one */
    bool failed;                    /* the handshake, and the peer was told */
    bool closed;                    /* by the peer, or broken */
    size_t in_at, in_n, out_at, out_n;
    uint8_t in[4096], out[4096]; /* read ahead; held back. Not zeroed. */
} tls_io;

struct tls_hold {
    tls_server *server;
    creds *creds;
    gnutls_session_t session;
    const creds *verified; /* under which the handshake found the peer good; NULL: it was not asked */
    bool checked; /* the peer, under `creds` */
    gba_err peer;
    gba_fqdn *names;
    size_t n_names;
    uint16_t suite; /* from the ServerHello: GnuTLS tells none before the handshake is over */
    void *who;      /* what the PSK function said about the peer */
    bool asked;     /* the PSK function was, or would have been if the identity were ours */
    bool proved;    /* the peer has the key: our Finished went out */
    bool opened, fresh, found; /* tickets: the key was chosen; it is this session's own; it is that of a ticket */
    uint8_t ticket_key[TLS_TICKET_KEY], ticket_name[TLS_TICKET_NAME];
    void *resumed_who; /* of the ticket found, believed if the session is resumed */
    const struct sockaddr *remote;
    tls_io io; /* the last, for its size */
};
void tls_io_attach(tls_hold *h, int fd, bool blocks);
void tls_io_note(tls_hold *h, unsigned type, unsigned incoming); /* a handshake message, from the hook */
void tls_alert(gnutls_session_t s, int error); /* the handshake of s, if it is one of ours, has failed */
void tls_goodbye(gnutls_session_t s);          /* s, if it is one of ours, ends */

/* tls_psk.c */
gba_err tls_psk_start(tls_server *t, const tls_server_config *c, char *why, size_t why_n) GBA_MUST_USE;
void tls_psk_end(tls_server *t);
int tls_psk_attach(tls_hold *h);
void tls_psk_release(tls_hold *h);

/* tls_ticket.c */
tls_tickets *tls_tickets_new(const tls_server_config *c);
void tls_tickets_free(tls_tickets **t);
/* The key of a ticket so named, and a reference to whose it is, who may resume now. */
bool tls_ticket_find(tls_tickets *t, const uint8_t *name, uint8_t key[TLS_TICKET_KEY], void **who);
void tls_ticket_put(tls_tickets *t, const uint8_t *name, const uint8_t key[TLS_TICKET_KEY], void *who);
void tls_ticket_drop(tls_tickets *t, const uint8_t *name);
#endif
