/* SPDX-License-Identifier: Apache-2.0 */
/*
 * psk_alert.h - what an alert of the peer's says in a TLS-PSK handshake. Whoever takes every end of a handshake for
 * a refused key makes a new key each time that the peer is down, and its key server pays for the outage.
 */
#ifndef LIBGBA_PSK_ALERT_H
#define LIBGBA_PSK_ALERT_H
#include <gba/gba.h>

/* AUTH: the key was not taken. FORBIDDEN: no PSK of ours is spoken there. IO: nothing was said about the key. */
static inline gba_err psk_alert_means(unsigned alert)
{
    switch (alert) {
    case 20:  /* bad_record_mac: a wrong key in TLS 1.2 (RFC 4279 2) */
    case 21:  /* decryption_failed, the same of old */
    case 40:  /* handshake_failure: OpenSSL's word for an unknown identity */
    case 47:  /* illegal_parameter: a binder that does not verify, at OpenSSL and GnuTLS */
    case 49:  /* access_denied */
    case 51:  /* decrypt_error (RFC 4279 2, RFC 8446 4.2.11) */
    case 115: /* unknown_psk_identity */
        return GBA_E_AUTH;
    case 70: /* protocol_version */
    case 71: /* insufficient_security */
        return GBA_E_FORBIDDEN;
    default: /* internal_error, and whatever else goes wrong at a server */
        return GBA_E_IO;
    }
}
#endif
