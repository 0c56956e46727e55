/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.h - sealing of what a device keeps in files: AES-SIV-CMAC-256 (RFC 5297),
 * which stays safe should a nonce ever repeat.
 */
#ifndef GBA_SEAL_H
#define GBA_SEAL_H

#include <gba/gba.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GBA_SEAL_KEY 32      /* octets of the key */
#define GBA_SEAL_OVERHEAD 16 /* what sealing adds */

/* ad: associated data, bound but not hidden. *n: in, room; out, in.n + 16. */
GBA_API gba_err gba_seal(const gba_secret *key, gba_span nonce, gba_span ad, gba_span in, uint8_t *out,
                         size_t *n) GBA_MUST_USE;
/* *n: in, room; out, in.n - 16. SYNTAX: too short. AUTH: another key, nonce or ad, or damaged. */
GBA_API gba_err gba_unseal(const gba_secret *key, gba_span nonce, gba_span ad, gba_span in, uint8_t *out,
                           size_t *n) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
