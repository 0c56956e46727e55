/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf_gnutls.h - libgbanaf in a server that speaks TLS by GnuTLS: TLS with the GBA key beside the
 * certificate on one port (TS 33.222 5.4), and what a request over TLS needs (libgbanaf-gnutls).
 */
#ifndef GBA_NAF_GNUTLS_H
#define GBA_NAF_GNUTLS_H

#include <gba/naf.h>
#include <gnutls/gnutls.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For the server's sessions: TLS 1.2 and 1.3, ECDHE-PSK before certificates. */
#define GBA_NAF_GNUTLS_PRIORITY                                                                                        \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-PSK:+ECDHE-ECDSA:+ECDHE-RSA:-GROUP-ALL:"            \
    "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%SERVER_PRECEDENCE"

/* One a listener. The source is asked inside the handshake, and blocks that thread: give handshakes
 * threads of their own, and the source a deadline. naf and ctx are borrowed. */
typedef struct gba_naf_gnutls gba_naf_gnutls;
GBA_API gba_err gba_naf_gnutls_new(gba_naf *naf, gba_naf_source *source, void *ctx, gba_naf_gnutls **out) GBA_MUST_USE;
GBA_API void gba_naf_gnutls_free(gba_naf_gnutls **g); /* after the last session and the last peer */

/* One a session, before its handshake; the session has its certificate already, or gets it later. Takes the
 * session's pointer and its handshake hook. A PSK identity that is none of GBA's fails in TLS 1.2; in TLS 1.3
 * the certificate follows. A GBA identity without a key fails as a wrong key does; where the source could not say,
 * with an error after which gnutls_alert_send_appropriate tells internal_error: send alerts, for by them a UE knows a
 * refused key, which it replaces by a bootstrap, from an outage. Enable no tickets: a resumed session is nobody's. from: whom the limits count; NULL: nobody. */
typedef struct gba_naf_gnutls_peer gba_naf_gnutls_peer;
GBA_API gba_err gba_naf_gnutls_attach(gba_naf_gnutls *g, gnutls_session_t s, const struct sockaddr *from,
                                      gba_naf_gnutls_peer **out) GBA_MUST_USE;
GBA_API void gba_naf_gnutls_release(gba_naf_gnutls_peer **p); /* after gnutls_deinit */
/* For the log: what became of the last identity; btid may be NULL. OK and a failed handshake: a wrong key. */
GBA_API gba_naf_why gba_naf_gnutls_why(const gba_naf_gnutls_peer *p, gba_btid *btid);

/* ---- after the handshake ---- */
/* What the Ua security protocol identifier of Digest inside this session is made of. */
GBA_API gba_transport gba_naf_gnutls_transport(gnutls_session_t s, uint16_t *suite);
/* Did the peer prove that it has a GBA key? Then a request needs no Digest, but a check: */
GBA_API bool gba_naf_gnutls_is_psk(const gba_naf_gnutls_peer *p);
/* For each request on such a session: who it is, and whether the key still stands. Host must be the name that
 * the session was opened for. Blocks by the source, or, wait false, may say WAIT: learn, and call again with
 * fetched (else GBA_OK). REFUSE: see gba_naf_psk. */
GBA_API void gba_naf_gnutls_check(gba_naf_gnutls_peer *p, gba_span host, gba_span intended_identity, bool wait,
                                  gba_err fetched, gba_naf_result *out);
/* An address as the limits count it (gba_naf_request's source): IPv4 /32, IPv6 /64, mapped addresses as IPv4. */
GBA_API void gba_naf_gnutls_source(const struct sockaddr *from, uint8_t out[16]);

#ifdef __cplusplus
}
#endif
#endif
