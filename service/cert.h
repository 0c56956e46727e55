/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert.h - is the peer's certificate good? GnuTLS answers most of it; it does not check a URI against a
 * CA's name constraints, and says bits where an audit line wants a word. For the servers' tls.c and the
 * oneM2M binding's alike, compiled into both: it needs nothing but GnuTLS.
 */
#ifndef SERVICE_CERT_H
#define SERVICE_CERT_H
#include <gba/gba.h>

#define CERT_KEY_ID 32
/* The chain of a gnutls_session_t's peer under its gnutls_certificate_credentials_t: RFC 5280 with the
 * revocation lists of the credentials, a stapled OCSP answer (and that a must-staple certificate has one)
 * and name constraints, URIs included. NULL: good; else one word that stays, and in text a line for
 * operators. server: the peer is a server. */
const char *cert_check(void *session, void *credentials, bool server, char *text, size_t text_n);
/* Is the peer's a raw public key (RFC 7250)? Then its identifier, SHA-256 of the SubjectPublicKeyInfo
 * (RFC 6920, TS-0003 10.1.2). */
bool cert_is_raw(void *session, bool server);
gba_err cert_raw_id(void *session, uint8_t id[CERT_KEY_ID]) GBA_MUST_USE;
/* The first subject alternative name, else the subject: for logs alone. "" none. */
void cert_name(void *session, char *out, size_t n);
/* Does a name constraint of type URI (RFC 5280 4.2.1.10) hold the host of this URI? Also of one without a
 * scheme, as an absolute AE-ID is ("//sp.example.com/cse/C1"). */
bool cert_uri_in(gba_span uri, gba_span constraint);
/* Is the first certificate of this PEM file one for this host name, as a client looks? IO, SYNTAX; FORBIDDEN: it is for
 * others. why: for operators. */
gba_err cert_file_is_for(const char *path, const char *fqdn, char *why, size_t why_n) GBA_MUST_USE;
/* The key file's public key as a raw public key of these credentials, PEM. */
gba_err cert_set_raw(void *credentials, const void *key_pem, size_t n) GBA_MUST_USE;
#endif
