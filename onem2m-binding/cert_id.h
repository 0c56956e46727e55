/* SPDX-License-Identifier: Apache-2.0 */
/* cert_id.h - Credential-IDs of certificates (TS-0003 10.1.1, 10.4), for the gate, MAF and MEF. */
#ifndef ONEM2M_CERT_ID_H
#define ONEM2M_CERT_ID_H
#include <gba/onem2m.h>
#include "service/tls.h"

/* 30 raw public key, 31 device, 32 CSE-ID, 33 AE-ID, 34 Node-ID certificate. false: a name of none of these. */
bool m2m_name_credential(const tls_name *n, char out[GBA_M2M_CREDENTIAL_ID_MAX + 1]);
bool m2m_name_is_node(const tls_name *n);
/* Lower case behind the first dot, as tls_name has a dNSName. */
void m2m_fold_domain(char *dns);
/* Is the dNSName this CSE-ID's public domain name, in the spelling that the CA signed? Several CSE-IDs could be spelt
 * so that a folded name is theirs: of it only the lower-case one is. */
bool m2m_name_is_cse(const tls_name *n, const gba_m2m_id *cse);
bool m2m_id_same_but_case(const gba_m2m_id *a, const gba_m2m_id *b);
bool m2m_key_credential(const uint8_t sha256[32], char out[GBA_M2M_CREDENTIAL_ID_MAX + 1]);
#endif
