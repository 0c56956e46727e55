/* SPDX-License-Identifier: Apache-2.0 */
/* test_crypt.c - known answers for what libgba takes from nettle. */
#include <string.h>
#include <libgba/crypt.h>
#include "t_main.h"

static void hashes(void)
{
    uint8_t out[32];
    crypt_hash h;
    crypt_sha1(gba_str("abc"), out); /* FIPS 180 */
    CU_ASSERT(t_is(gba_mem(out, 20), "a9993e364706816aba3e25717850c26c9cd0d89d"));
    crypt_hash_begin(&h, CRYPT_MD5); /* RFC 1321 */
    crypt_hash_add(&h, gba_str("message "));
    crypt_hash_add(&h, gba_str(NULL));
    crypt_hash_add(&h, gba_str("digest"));
    CU_ASSERT_EQUAL(crypt_hash_end(&h, out), 16);
    CU_ASSERT(t_is(gba_mem(out, 16), "f96b697d7cb7938d525a2f31aaf161d0"));
    crypt_hash_begin(&h, CRYPT_SHA256);
    crypt_hash_add(&h, gba_str("ab"));
    crypt_hash_add(&h, gba_str("c"));
    CU_ASSERT_EQUAL(crypt_hash_end(&h, out), 32);
    CU_ASSERT(t_is(GBA_SPAN(out), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

static void macs(void)
{
    uint8_t out[32];
    gba_span parts[] = {gba_str("what do ya want "), gba_str(""), gba_str("for nothing?")};
    crypt_hmac_sha256(gba_str("Jefe"), parts, 3, out); /* RFC 4231 4.3 */
    CU_ASSERT(t_is(GBA_SPAN(out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    crypt_hmac_md5(gba_str("Jefe"), gba_str("what do ya want for nothing?"), out); /* RFC 2202 */
    CU_ASSERT(t_is(gba_mem(out, 16), "750c783e6ab0b503eaa86e310a5db738"));
    /* RFC 7914 11 */
    crypt_pbkdf2(gba_str("passwd"), gba_str("salt"), 1, out);
    CU_ASSERT(t_is(GBA_SPAN(out), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"));
    crypt_pbkdf2(gba_str("Password"), gba_str("NaCl"), 80000, out);
    CU_ASSERT(t_is(GBA_SPAN(out), "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"));
    crypt_pbkdf2(gba_str("passwd"), gba_str("salt"), 0, out); /* 0 rounds are 1 */
    CU_ASSERT(t_is(gba_mem(out, 4), "55ac046e"));
}

static void aes(void)
{
    crypt_aes128 c;
    uint8_t key[16], b[16];
    t_hex_into("000102030405060708090a0b0c0d0e0f", key, 16); /* FIPS 197 C.1 */
    t_hex_into("00112233445566778899aabbccddeeff", b, 16);
    crypt_aes128_key(&c, key);
    crypt_aes128_block(&c, b, b);
    CU_ASSERT(t_is(GBA_SPAN(b), "69c4e0d86a7b0430d8cdb78070b4c55a"));
}

/* SHA3-256 of nothing, built on the bare permutation (FIPS 202). */
static void keccak(void)
{
    uint64_t s[25] = {0};
    crypt_keccak_f1600(s);
    CU_ASSERT_EQUAL(s[0], UINT64_C(0xf1258f7940e1dde7));
    CU_ASSERT_EQUAL(s[24], UINT64_C(0xeaf1ff7b5ceca249));
    uint64_t t[25] = {0};
    t[0] = 0x06;
    t[16] = UINT64_C(0x80) << 56;
    crypt_keccak_f1600(t);
    uint8_t out[32];
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)(t[i / 8] >> (8 * (i % 8)));
    CU_ASSERT(t_is(GBA_SPAN(out), "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"));
}

/* RFC 5297 A.1: no nonce. */
static void siv_rfc(void)
{
    uint8_t key[32], out[14 + 16], back[14];
    t_hex_into("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", key, 32);
    gba_span ad = t_hex("101112131415161718191a1b1c1d1e1f2021222324252627");
    gba_span in = t_hex("112233445566778899aabbccddee");
    crypt_siv_seal(key, gba_str(NULL), ad, in, out);
    CU_ASSERT(t_is(GBA_SPAN(out), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"));
    CU_ASSERT_EQUAL(crypt_siv_open(key, gba_str(NULL), ad, GBA_SPAN(out), back), GBA_OK);
    CU_ASSERT(gba_span_eq(GBA_SPAN(back), in));
}

/* With a nonce, against nettle's siv_cmac_aes128 (which takes no empty one). key 00.., nonce
 * a0.., AD 10.., plaintext 50... */
static void siv_nonce(void)
{
    static const struct {
        size_t nonce, ad, in;
        const char *out;
    } known[] = {
        {16, 24, 0, "e8ac71f3566333a3af408f6cfd8ebdfe"},
        {12, 0, 1, "33b87e7b74da334b7c69beb9cf5085023b"},
        {16, 24, 15, "c12da93995031ae9ed043714bccc544061e36c5097e15efbcad3843d28527b"},
        {16, 24, 16, "105ed42046448a6a3841848a8b0a6997156c567b49a64517c2e46b091298a839"},
        {1, 5, 17, "a4fc6f62b0945614163d3641776ec6779dcf079b5b7a9d15dde6f6158d0660d04f"},
        {16, 32, 48,
         "3859a954ea755d1e5f12a6119297561d9d75b9fad8e60ca94f6b2fdade8b377dda1be6185fe0727586f3eb9da81471ab8d95f1483d6e7"
         "7"
         "e2db2d87d341d37759"},
    };
    uint8_t key[32], nonce[64], ad[64], in[64], out[80], back[64];
    for (int i = 0; i < 64; i++) {
        key[i % 32] = (uint8_t)(i % 32);
        nonce[i] = (uint8_t)(0xa0 + i);
        ad[i] = (uint8_t)(0x10 + i);
        in[i] = (uint8_t)(0x50 + i);
    }
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        gba_span n = gba_mem(nonce, known[k].nonce), a = gba_mem(ad, known[k].ad), p = gba_mem(in, known[k].in);
        crypt_siv_seal(key, n, a, p, out);
        CU_ASSERT(t_is(gba_mem(out, p.n + 16), known[k].out));
        CU_ASSERT_EQUAL(crypt_siv_open(key, n, a, gba_mem(out, p.n + 16), back), GBA_OK);
        CU_ASSERT(gba_span_eq(gba_mem(back, p.n), p));
    }
}

static void siv_refuses(void)
{
    uint8_t key[32] = {7}, out[16 + 20], back[20];
    static const uint8_t nothing[20];
    gba_span n = gba_str("nonce"), a = gba_str("ad"), p = gba_str("twenty octets of text");
    p.n = 20;
    crypt_siv_seal(key, n, a, p, out);
    CU_ASSERT_EQUAL(crypt_siv_open(key, n, a, gba_mem(out, 15), back), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(crypt_siv_open(key, n, a, gba_mem(out, 35), back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(crypt_siv_open(key, gba_str("noncf"), a, GBA_SPAN(out), back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(crypt_siv_open(key, gba_str(""), a, GBA_SPAN(out), back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(crypt_siv_open(key, n, gba_str("ae"), GBA_SPAN(out), back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(crypt_siv_open(key, a, n, GBA_SPAN(out), back), GBA_E_AUTH); /* swapped */
    for (size_t bit = 0; bit < 8 * sizeof out; bit++) {
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        memset(back, 0xee, sizeof back);
        CU_ASSERT_EQUAL(crypt_siv_open(key, n, a, GBA_SPAN(out), back), GBA_E_AUTH);
        CU_ASSERT(!memcmp(back, nothing, sizeof back)); /* no unverified text gets out */
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    key[31] ^= 1;
    CU_ASSERT_EQUAL(crypt_siv_open(key, n, a, GBA_SPAN(out), back), GBA_E_AUTH);
}

T_MAIN("crypt", {"hashes", hashes}, {"MACs", macs}, {"AES", aes}, {"Keccak", keccak}, {"SIV, RFC 5297", siv_rfc},
       {"SIV with a nonce", siv_nonce}, {"SIV refuses", siv_refuses})
