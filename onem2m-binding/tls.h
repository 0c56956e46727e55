/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - the client side of GnuTLS for peer.c: one connection, one full handshake, never resumed. */
#ifndef ONEM2M_TLS_H
#define ONEM2M_TLS_H
#include "onem2m-binding/peer.h"

typedef struct m2m_tls m2m_tls;
/* Over a connected non-blocking socket, until `deadline` (CLOCK_MONOTONIC, ms). AUTH: the server or we
 * were not accepted; FORBIDDEN: it speaks no suite of ours; BUSY: the deadline; IO: the connection broke, or what came
 * says nothing about our key. */
gba_err m2m_tls_open(const m2m_peer_config *c, int fd, int64_t deadline, m2m_tls **out, char *why,
                     size_t why_n) GBA_MUST_USE;
gba_err m2m_tls_send(m2m_tls *t, const void *p, size_t n, int64_t deadline) GBA_MUST_USE;
/* *n: room; octets, 0 at the end. */
gba_err m2m_tls_recv(m2m_tls *t, void *p, size_t *n, int64_t deadline) GBA_MUST_USE;
gba_err m2m_tls_export(m2m_tls *t, const char *label, gba_secret *out) GBA_MUST_USE;
uint16_t m2m_tls_suite(const m2m_tls *t);
void m2m_tls_close(m2m_tls **t);
int64_t m2m_mono_ms(void);
/* Until the socket is ready. BUSY: the deadline, or m2m_peer_stop, which is looked for every so often. */
#define M2M_LOOK_MS 100
gba_err m2m_wait(int fd, short what, int64_t deadline) GBA_MUST_USE;
/* Of a gnutls_session_t's peer: a dNSName of its certificate, or the URI. */
bool m2m_tls_peer_named(void *session, bool uri, const char *want);
/* Certificates and raw public keys (TS-0003 10.2.3); which of them is for the caller to add. */
#define M2M_CERT_PRIORITY                                                                                              \
    "NONE:+VERS-TLS1.2:+AES-128-GCM:+CHACHA20-POLY1305:+AES-128-CBC:+AEAD:+SHA256:+ECDHE-ECDSA:+ECDHE-RSA:"        \
    "+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256:"                  \
    "+SIGN-ECDSA-SHA384:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+COMP-NULL"
#endif
