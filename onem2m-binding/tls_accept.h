/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_accept.h - the server side of GnuTLS for Entity A that is reached by its registrar (SA2, TS-0003
 * 8.2.1): the credentials of SA1 with the roles reversed. Never blocks but in sending, and that not for long.
 */
#ifndef ONEM2M_TLS_ACCEPT_H
#define ONEM2M_TLS_ACCEPT_H
#include <gba/gba.h>

/* The key of an identity, for the suite of this handshake. Not OK: the handshake fails as with a wrong key. */
typedef gba_err m2m_accept_psk_fn(void *ctx, gba_span identity, uint16_t suite, gba_secret *key);
typedef struct m2m_accept_config {
    bool (*name)(void *ctx, gba_span sni); /* may this server name be asked for? Not called where none is. NULL: any */
    void *name_ctx;
    m2m_accept_psk_fn *psk; /* NULL: by certificates or raw keys */
    void *psk_ctx;
    const char *hint;       /* of a PSK; NULL: none */
    const char *cert_file, *key_file, *ca_file, *crl_file; /* PEM; no cert_file: our raw public key (RFC 7250) */
    const uint8_t *expect_key; /* 32 octets: SHA-256 of the client's raw public key, in place of ca_file */
    const char *client;        /* dNSName of the client's certificate */
    const char *priority;      /* NULL: by the credential */
} m2m_accept_config;
typedef struct m2m_acceptor m2m_acceptor;
/* The strings live as long as it does. IO, SYNTAX: a file. */
gba_err m2m_acceptor_new(const m2m_accept_config *c, m2m_acceptor **out, char *why, size_t why_n) GBA_MUST_USE;
void m2m_acceptor_free(m2m_acceptor **a);

typedef struct m2m_accepted m2m_accepted;
/* fd stays the caller's, connected and non-blocking. */
gba_err m2m_accept(m2m_acceptor *a, int fd, m2m_accepted **out) GBA_MUST_USE;
void m2m_accepted_close(m2m_accepted **x);
/* STALE: more must arrive, or, m2m_accepted_writes, go out. AUTH: refused; text in m2m_accepted_why. */
gba_err m2m_accept_shake(m2m_accepted *x) GBA_MUST_USE;
bool m2m_accepted_writes(const m2m_accepted *x);
const char *m2m_accepted_why(const m2m_accepted *x);
uint16_t m2m_accepted_suite(const m2m_accepted *x);
bool m2m_accepted_pending(const m2m_accepted *x); /* octets that poll does not see */
/* *n: room; octets. STALE: none yet. IO: the connection is over. */
gba_err m2m_accepted_recv(m2m_accepted *x, void *p, size_t *n) GBA_MUST_USE;
gba_err m2m_accepted_send(m2m_accepted *x, const void *p, size_t n) GBA_MUST_USE;
#endif
