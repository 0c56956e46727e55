/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - the programs' only door to GnuTLS. */
#ifndef SERVICE_TLS_H
#define SERVICE_TLS_H
#include <gba/gba.h>

typedef struct tls_server tls_server;
typedef struct tls_server_config {
    const char *cert_file, *key_file; /* PEM; the chain in cert_file */
    const char *client_ca_file;       /* non-NULL: a client certificate is required and verified */
    const char *crl_file;             /* may be NULL */
    const char *priority;             /* NULL: our default: TLS 1.2 and 1.3, AEAD, (EC)DHE */
} tls_server_config;
gba_err tls_server_new(const tls_server_config *c, tls_server **out, char *why, size_t why_n) GBA_MUST_USE;
/* Reads the files again; the old ones stay when a new one is bad. New handshakes use the new. */
gba_err tls_server_reload(tls_server *t, char *why, size_t why_n) GBA_MUST_USE;
void tls_server_free(tls_server **t);
/* For http.c: attach credentials and verification to a fresh gnutls_session_t (its session pointer
 * is then ours). *hold keeps the credentials while the session lives: release it afterwards. */
typedef struct tls_hold tls_hold;
gba_err tls_server_attach(tls_server *t, void *session, tls_hold **hold) GBA_MUST_USE;
void tls_hold_release(tls_hold **hold);
/* Before a request of an attached session is handled: OK when no client certificate is asked for, or
 * it is verified under the credentials of today (a reload is followed also on open connections). */
gba_err tls_server_check_peer(tls_hold *hold) GBA_MUST_USE;
const char *tls_server_priority(const tls_server *t);
const char *tls_server_cert_pem(const tls_server *t);
const char *tls_server_key_pem(const tls_server *t);

/* After the handshake, of a gnutls_session_t. */
gba_transport tls_session_transport(void *session);
uint16_t tls_session_suite(void *session); /* IANA number, 0 unknown */
/* Of a session attached by tls_server_attach. Was the client's certificate verified against client_ca_file (chain, time, CRL)? Its dNSNames
 * (never the CN, no wildcards), at most max; *n. AUTH: none or not verified. Cheap: read once a
 * connection. */
gba_err tls_peer_dns(void *session, gba_fqdn *names, size_t max, size_t *n) GBA_MUST_USE;
/* IANA number by GnuTLS or IANA name, 0 unknown; and back, in GnuTLS's spelling, NULL unknown. */
uint16_t tls_suite_by_name(const char *name);
const char *tls_suite_name(uint16_t suite);
#endif
