/* SPDX-License-Identifier: Apache-2.0 */
/* tls_suite.c - the number of the cipher suite a GnuTLS session negotiated (TS 33.220 H.3: yy zz). */
#include <gnutls/gnutls.h>

#include "ue/carrier.h"

gba_err ue_tls_suite(void *gnutls_session, gba_transport *t, uint16_t *suite)
{
    gnutls_session_t s = gnutls_session;
    gnutls_protocol_t version = gnutls_protocol_get_version(s);
    if (version != GNUTLS_TLS1_2 && version != GNUTLS_TLS1_3)
        return GBA_E_UNSUPPORTED;
    gnutls_kx_algorithm_t kx;
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t mac;
    gnutls_protocol_t since;
    unsigned char id[2];
    /* a TLS 1.3 suite names no key exchange; one of TLS 1.2 does */
    for (size_t i = 0; gnutls_cipher_suite_info(i, id, &kx, &cipher, &mac, &since); i++) {
        if (cipher != gnutls_cipher_get(s) || mac != gnutls_mac_get(s))
            continue;
        if (version == GNUTLS_TLS1_3 ? since != GNUTLS_TLS1_3 : since == GNUTLS_TLS1_3 || kx != gnutls_kx_get(s))
            continue;
        *t = version == GNUTLS_TLS1_3 ? GBA_TLS13 : GBA_TLS12;
        *suite = (uint16_t)(id[0] << 8 | id[1]);
        return GBA_OK;
    }
    return GBA_E_UNSUPPORTED;
}
