/* SPDX-License-Identifier: Apache-2.0 */
/* tls_internal.h - what the files of tls.h share. */
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
    bool tls13; /* the priority has it */
    /* PSK clients on the same port, see tls_psk.c; psk.psk NULL: none */
    tls_server_config psk;
    gnutls_psk_server_credentials_t psk_cred;
    tls_tickets *tickets; /* of PSK sessions; NULL: none */
};

#define TLS_RECORD_MAX (5 + 16384 + 2048) /* RFC 5246 6.2.3, the larger one */
#define TLS_IDENTITY_MAX 1024

/* tls_io.c */
typedef struct tls_io {
    int fd;
    bool blocks;                    /* a thread of the connection's own */
    bool dry;                       /* there was nothing to read, or the end */
    uint64_t pulled;                /* octets given to GnuTLS */
    bool finished_in, finished_out; /* both: the handshake is over */
    bool ticket;                    /* what goes out next is one */
    bool failed;                    /* the handshake, and the peer was told */
    bool closed;                    /* by the peer, or broken */
    size_t in_at, in_n, out_at, out_n;
    uint8_t in[TLS_RECORD_MAX], out[4096]; /* read ahead; held back. Not zeroed. */
} tls_io;

/* tls_early.c: which message's identity is asked for before GnuTLS gets to it */
typedef enum tls_stage { TLS_HELLO, TLS_HELLO_ANSWERED, TLS_KEY_EXCHANGE, TLS_NONE } tls_stage;
typedef struct tls_early {
    bool done; /* the answer for id is here */
    gba_err e;
    gba_secret key;
    void *who;
    size_t n;
    uint8_t id[TLS_IDENTITY_MAX];
} tls_early;

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
    tls_park park;  /* not where io.blocks */
    bool shaken;    /* the handshake is over */
    tls_stage stage;
    tls_later *_Atomic later;
    tls_early early;
    tls_io io; /* the last, for its size */
};
void tls_io_attach(tls_hold *h, int fd, bool blocks);
ssize_t tls_io_receive(tls_hold *h, void *data, size_t n); /* as recv() */
/* GnuTLS says AGAIN after each part of a long message, too, and at an end inside a record: has it read since, and is
 * there more, or the end? The edge is over, so nobody would call it again. */
bool tls_io_more(const tls_io *io, uint64_t pulled_before);
void tls_io_note(tls_hold *h, unsigned type, unsigned incoming); /* a handshake message, from the hook */
void tls_alert(tls_hold *h, int error);        /* its handshake has failed */
void tls_goodbye(gnutls_session_t s);          /* s, if it is one of ours, ends */

typedef int tls_handshake_fn(gnutls_session_t s);

/* tls_hooks.c */
void tls_claim(tls_hold *h);            /* its session is ours from now on: its transport pointers say so */
tls_hold *tls_ours(gnutls_session_t s); /* NULL: it is libcurl's, freeDiameter's ... */

/* tls_early.c */
int tls_shake(tls_hold *h, tls_handshake_fn *f); /* the handshake on a shared thread, as far as it gets */
/* The answer for this identity, which is the caller's then; false: it was not asked for. */
bool tls_early_take(tls_hold *h, gba_span identity, gba_err *e, gba_secret *key, void **who);
void tls_early_release(tls_hold *h);

/* tls_psk.c */
bool tls_psk_suite(uint32_t suite);
/* The external PSK's identity in a TLS 1.3 ClientHello, and its server name (n 0: none); false: there is none, or the
 * ticket beside it opens a session. */
bool tls_hello_identity(tls_hold *h, const gnutls_datum_t *msg, gba_span *identity, gba_span *sni);
bool tls_psk_ours(const tls_hold *h, gba_span identity);
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
