/* SPDX-License-Identifier: Apache-2.0 */
/* crypt.h - the only door to nettle inside libgba. */
#ifndef LIBGBA_CRYPT_H
#define LIBGBA_CRYPT_H
#include <gba/gba.h>

void crypt_sha1(gba_span in, uint8_t out[20]);
void crypt_hmac_sha256(gba_span key, const gba_span *parts, size_t n, uint8_t out[32]);
void crypt_hmac_md5(gba_span key, gba_span in, uint8_t out[16]);
/* AES-128 of one block. */
typedef struct crypt_aes128 {
    uint32_t opaque[64];
} crypt_aes128;
void crypt_aes128_key(crypt_aes128 *c, const uint8_t key[16]);
void crypt_aes128_block(const crypt_aes128 *c, const uint8_t in[16], uint8_t out[16]);
/* Keccak-f[1600] (FIPS 202), for TUAK. */
void crypt_keccak_f1600(uint64_t state[25]);

/* MD5 or SHA-256 for Digest. */
typedef enum crypt_hash_id { CRYPT_MD5 = 1, CRYPT_SHA256 = 2 } crypt_hash_id;
typedef struct crypt_hash {
    crypt_hash_id id;
    uint64_t opaque[28];
} crypt_hash;
void crypt_hash_begin(crypt_hash *h, crypt_hash_id id);
void crypt_hash_add(crypt_hash *h, gba_span part);
size_t crypt_hash_end(crypt_hash *h, uint8_t out[32]); /* 16 or 32 */

/*
 * AES-SIV-CMAC-256 (RFC 5297), the misuse-resistant AEAD that seals challenges,
 * records and files. key: 32 octets. nonce may be empty. out: in.n + 16 octets.
 */
#define CRYPT_SIV_TAG 16
#define CRYPT_SIV_KEY 32
void crypt_siv_seal(const uint8_t key[32], gba_span nonce, gba_span ad, gba_span in, uint8_t *out);
/* in.n >= 16, else SYNTAX; AUTH when it does not verify (out is then wiped). */
gba_err crypt_siv_open(const uint8_t key[32], gba_span nonce, gba_span ad, gba_span in, uint8_t *out) GBA_MUST_USE;
/* PBKDF2-HMAC-SHA-256, for a passphrase over a device's file. */
void crypt_pbkdf2(gba_span pass, gba_span salt, unsigned rounds, uint8_t out[32]);
#endif
