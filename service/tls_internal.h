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
    bool client_ca, client_optional;
} creds;

struct tls_server {
    char *cert_file, *key_file, *client_ca_file, *crl_file, *priority;
    bool client_optional;
    pthread_mutex_t lock;
    _Atomic(creds *) now; /* changed under the lock */
    gnutls_datum_t ticket_key;
    /* PSK clients on the same port, see tls_psk.c; psk.psk NULL: none */
    tls_server_config psk;
    gnutls_psk_server_credentials_t psk_cred;
};

struct tls_hold {
    tls_server *server;
    creds *creds;
    gnutls_session_t session;
    bool checked; /* the peer, under `creds` */
    gba_err peer;
    gba_fqdn *names;
    size_t n_names;
    uint16_t suite; /* from the ServerHello: GnuTLS tells none before the handshake is over */
    void *who;      /* what the PSK function said about the peer */
};

/* tls_psk.c */
gba_err tls_psk_start(tls_server *t, const tls_server_config *c, char *why, size_t why_n) GBA_MUST_USE;
void tls_psk_end(tls_server *t);
int tls_psk_attach(tls_hold *h);
#endif
