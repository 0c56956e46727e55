/* SPDX-License-Identifier: Apache-2.0 */
/* crypt.c - the only file of libgba that includes nettle. */
#include <string.h>
#include <nettle/aes.h>
#include <nettle/cmac.h>
#include <nettle/ctr.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/pbkdf2.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/sha3.h>
#include <libgba/crypt.h>

/* The opaque rooms of crypt.h hold nettle's contexts. */
_Static_assert(sizeof(struct aes128_ctx) <= sizeof((crypt_aes128){0}.opaque), "crypt_aes128 is too small");
_Static_assert(sizeof(struct md5_ctx) <= sizeof((crypt_hash){0}.opaque), "crypt_hash is too small for MD5");
_Static_assert(sizeof(struct sha256_ctx) <= sizeof((crypt_hash){0}.opaque), "crypt_hash is too small for SHA-256");

void crypt_sha1(gba_span in, uint8_t out[20])
{
    struct sha1_ctx c;
    sha1_init(&c);
    sha1_update(&c, in.n, in.p);
    sha1_digest(&c, SHA1_DIGEST_SIZE, out);
    gba_wipe(&c, sizeof c);
}

void crypt_hmac_sha256(gba_span key, const gba_span *parts, size_t n, uint8_t out[32])
{
    struct hmac_sha256_ctx c;
    hmac_sha256_set_key(&c, key.n, key.p);
    for (size_t i = 0; i < n; i++)
        hmac_sha256_update(&c, parts[i].n, parts[i].p);
    hmac_sha256_digest(&c, SHA256_DIGEST_SIZE, out);
    gba_wipe(&c, sizeof c);
}

void crypt_hmac_md5(gba_span key, gba_span in, uint8_t out[16])
{
    struct hmac_md5_ctx c;
    hmac_md5_set_key(&c, key.n, key.p);
    hmac_md5_update(&c, in.n, in.p);
    hmac_md5_digest(&c, MD5_DIGEST_SIZE, out);
    gba_wipe(&c, sizeof c);
}

void crypt_aes128_key(crypt_aes128 *c, const uint8_t key[16])
{
    aes128_set_encrypt_key((struct aes128_ctx *)c->opaque, key);
}

void crypt_aes128_block(const crypt_aes128 *c, const uint8_t in[16], uint8_t out[16])
{
    aes128_encrypt((const struct aes128_ctx *)c->opaque, AES_BLOCK_SIZE, out, in);
}

void crypt_keccak_f1600(uint64_t state[25])
{
    struct sha3_state s;
    memcpy(s.a, state, sizeof s.a);
    sha3_permute(&s);
    memcpy(state, s.a, sizeof s.a);
    gba_wipe(&s, sizeof s);
}

void crypt_hash_begin(crypt_hash *h, crypt_hash_id id)
{
    h->id = id;
    if (id == CRYPT_MD5)
        md5_init((struct md5_ctx *)h->opaque);
    else
        sha256_init((struct sha256_ctx *)h->opaque);
}

void crypt_hash_add(crypt_hash *h, gba_span part)
{
    if (!part.n)
        return;
    if (h->id == CRYPT_MD5)
        md5_update((struct md5_ctx *)h->opaque, part.n, part.p);
    else
        sha256_update((struct sha256_ctx *)h->opaque, part.n, part.p);
}

size_t crypt_hash_end(crypt_hash *h, uint8_t out[32])
{
    size_t n = h->id == CRYPT_MD5 ? MD5_DIGEST_SIZE : SHA256_DIGEST_SIZE;
    if (h->id == CRYPT_MD5)
        md5_digest((struct md5_ctx *)h->opaque, n, out);
    else
        sha256_digest((struct sha256_ctx *)h->opaque, n, out);
    /* the hash may have been over a password */
    gba_wipe(h, sizeof *h);
    return n;
}

/* ---- AES-SIV-CMAC-256 (RFC 5297). nettle's own refuses an empty nonce, so S2V
 * stands here, on nettle's CMAC and CTR. ---- */

/* Doubling in GF(2^128) (RFC 5297 2.3), without a branch on the secret. */
static void siv_double(uint8_t d[16])
{
    uint8_t carry = (uint8_t) - (d[0] >> 7);
    for (int i = 0; i < 15; i++)
        d[i] = (uint8_t)(d[i] << 1 | d[i + 1] >> 7);
    d[15] = (uint8_t)(d[15] << 1 ^ (carry & 0x87));
}

static void siv_cmac(struct cmac_aes128_ctx *c, gba_span in, uint8_t out[16])
{
    if (in.n)
        cmac_aes128_update(c, in.n, in.p);
    cmac_aes128_digest(c, 16, out); /* and starts anew */
}

/* One more string: D = dbl(D) xor CMAC(in). */
static void siv_chain(struct cmac_aes128_ctx *c, gba_span in, uint8_t d[16])
{
    uint8_t mac[16];
    siv_double(d);
    siv_cmac(c, in, mac);
    for (int i = 0; i < 16; i++)
        d[i] ^= mac[i];
}

/* S2V over AD, the nonce unless empty, and the plaintext (RFC 5297 2.4). */
static void siv_s2v(const uint8_t key[16], gba_span nonce, gba_span ad, gba_span in, uint8_t tag[16])
{
    static const uint8_t zero[16];
    struct cmac_aes128_ctx c;
    uint8_t d[16], last[16] = {0};
    cmac_aes128_set_key(&c, key);
    siv_cmac(&c, GBA_SPAN(zero), d);
    siv_chain(&c, ad, d);
    if (nonce.n)
        siv_chain(&c, nonce, d);
    if (in.n >= 16) { /* xorend */
        cmac_aes128_update(&c, in.n - 16, in.p);
        memcpy(last, in.p + in.n - 16, 16);
    } else {
        siv_double(d);
        if (in.n)
            memcpy(last, in.p, in.n);
        last[in.n] = 0x80;
    }
    for (int i = 0; i < 16; i++)
        last[i] ^= d[i];
    siv_cmac(&c, GBA_SPAN(last), tag);
    gba_wipe(&c, sizeof c);
    gba_wipe(d, sizeof d);
    gba_wipe(last, sizeof last);
}

static void siv_ctr(const uint8_t key[16], const uint8_t tag[16], size_t n, uint8_t *out, const uint8_t *in)
{
    struct aes128_ctx c;
    uint8_t ctr[16];
    memcpy(ctr, tag, 16);
    ctr[8] &= 0x7f; /* RFC 5297 2.5 */
    ctr[12] &= 0x7f;
    aes128_set_encrypt_key(&c, key);
    if (n)
        ctr_crypt(&c, (nettle_cipher_func *)aes128_encrypt, AES_BLOCK_SIZE, ctr, n, out, in);
    gba_wipe(&c, sizeof c);
}

void crypt_siv_seal(const uint8_t key[32], gba_span nonce, gba_span ad, gba_span in, uint8_t *out)
{
    siv_s2v(key, nonce, ad, in, out);
    siv_ctr(key + 16, out, in.n, out + CRYPT_SIV_TAG, in.p);
}

gba_err crypt_siv_open(const uint8_t key[32], gba_span nonce, gba_span ad, gba_span in, uint8_t *out)
{
    if (in.n < CRYPT_SIV_TAG)
        return GBA_E_SYNTAX;
    uint8_t tag[CRYPT_SIV_TAG];
    size_t n = in.n - CRYPT_SIV_TAG;
    siv_ctr(key + 16, in.p, n, out, in.p + CRYPT_SIV_TAG);
    siv_s2v(key, nonce, ad, gba_mem(out, n), tag);
    if (gba_equal_ct(tag, in.p, sizeof tag))
        return GBA_OK;
    gba_wipe(out, n);
    return GBA_E_AUTH;
}

void crypt_pbkdf2(gba_span pass, gba_span salt, unsigned rounds, uint8_t out[32])
{
    pbkdf2_hmac_sha256(pass.n, pass.p, rounds ? rounds : 1, salt.n, salt.p, 32, out);
}
