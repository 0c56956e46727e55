/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - the client side of GnuTLS for peer.c: one connection, one full handshake, never resumed. */
#ifndef ONEM2M_TLS_H
#define ONEM2M_TLS_H
#include "onem2m-binding/peer.h"

typedef struct m2m_tls m2m_tls;
/* Over a connected non-blocking socket, until `deadline` (CLOCK_MONOTONIC, ms). AUTH: the server or we
 * were not accepted; BUSY: the deadline; IO: the connection broke. */
gba_err m2m_tls_open(const m2m_peer_config *c, int fd, int64_t deadline, m2m_tls **out, char *why, size_t why_n) GBA_MUST_USE;
gba_err m2m_tls_send(m2m_tls *t, const void *p, size_t n, int64_t deadline) GBA_MUST_USE;
/* *n: room; octets, 0 at the end. */
gba_err m2m_tls_recv(m2m_tls *t, void *p, size_t *n, int64_t deadline) GBA_MUST_USE;
gba_err m2m_tls_export(m2m_tls *t, const char *label, gba_secret *out) GBA_MUST_USE;
uint16_t m2m_tls_suite(const m2m_tls *t);
void m2m_tls_close(m2m_tls **t);
int64_t m2m_mono_ms(void);
#endif
