/* SPDX-License-Identifier: Apache-2.0 */
/* test_kdf.c - the derivations; their values stand in the vector families, here limits and refusals. */
#include <string.h>
#include <gba/kdf.h>
#include "t_main.h"

static void kdf(void)
{
    gba_secret out;
    gba_span key = t_hex("37d617bc919299a3fc8573b825da6f5868832d98626c234153b84df3f2b27f54");
    gba_span p[17] = {gba_str("a"), gba_str("bc")};
    CU_ASSERT_EQUAL(gba_kdf(key, 0xff01, p, 2, &out), GBA_OK);
    CU_ASSERT(t_secret_is(&out, "a6653e03cfa585a333a10632fd770754ae4195b451ebf5a0474a4f3f09a1fc4b"));
    CU_ASSERT_EQUAL(gba_kdf(key, 0x00, p, 16, &out), GBA_OK);
    CU_ASSERT_EQUAL(gba_kdf(key, 0x00, p, 17, &out), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_kdf(key, 0xfe, NULL, 0, &out), GBA_OK);
    CU_ASSERT_EQUAL(gba_kdf(key, 0xff, p, 1, &out), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_kdf(key, 0x0100, p, 1, &out), GBA_E_RANGE);
    static uint8_t big[65536];
    p[1] = gba_mem(big, 65535);
    CU_ASSERT_EQUAL(gba_kdf(key, 0x01, p, 2, &out), GBA_OK);
    p[1] = gba_mem(big, 65536);
    CU_ASSERT_EQUAL(gba_kdf(key, 0x01, p, 2, &out), GBA_E_RANGE);
}

/* ksnaf-1 of the vectors. */
static void ks_naf(void)
{
    gba_secret ck = t_secret("e203edb3971574f5a94b0d61b816345d"), ik = t_secret("0c4524adeac041c4dd830d20854fc46b");
    gba_secret ks, key, other, password, none = {0};
    gba_impi impi, empty = {{0}};
    gba_naf_id naf;
    gba_span rand = t_hex("ce83dbc54ac0274a157c17f80d017bd6");
    CU_ASSERT_EQUAL(gba_ks(&ck, &ik, &ks), GBA_OK);
    CU_ASSERT(t_secret_is(&ks, "e203edb3971574f5a94b0d61b816345d0c4524adeac041c4dd830d20854fc46b"));
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("user1_private@home1.net"), &impi), GBA_OK);
    CU_ASSERT_EQUAL(gba_naf_id_parse(t_hex("6e6166312e686f6d65312e6e65740100000002"), &naf), GBA_OK);
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_NAF, &ks, rand, &impi, &naf, &key), GBA_OK);
    CU_ASSERT(t_secret_is(&key, "0d4a26a83a76a83c04e6dff0004c060b51d1b3925886c370ceb78f6eedb46e93"));
    CU_ASSERT_EQUAL(gba_ua_password(&key, &password), GBA_OK);
    CU_ASSERT(gba_span_eq(gba_secret_span(&password), gba_str("DUomqDp2qDwE5t/wAEwGC1HRs5JYhsNwzrePbu20bpM=")));
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_INT_NAF, &ks, rand, &impi, &naf, &key), GBA_OK);
    CU_ASSERT(t_secret_is(&key, "6947a39b396306600b0f5508b5c795b80ec54b799d360949e4c70552866222eb"));
    /* GBA_Digest: B.6 is B.2 over "gba-digest" and a nonce of any length */
    gba_span nonce = gba_str("a nonce"),
             p[] = {gba_str("gba-digest"), nonce, gba_str(impi.s), t_hex("6e6166312e686f6d65312e6e65740100000002")};
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_DIGEST_NAF, &ks, nonce, &impi, &naf, &key), GBA_OK);
    CU_ASSERT_EQUAL(gba_kdf(gba_secret_span(&ks), 0x01, p, 4, &other), GBA_OK);
    CU_ASSERT(gba_secret_eq(&key, &other));
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_DIGEST_NAF, &ks, gba_str(""), &impi, &naf, &key), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_NAF, &ks, gba_mem(rand.p, 15), &impi, &naf, &key), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks_naf((gba_ks_naf_kind)3, &ks, rand, &impi, &naf, &key), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_NAF, &none, rand, &impi, &naf, &key), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_NAF, &ks, rand, &empty, &naf, &key), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_NAF, &ks, rand, &impi, &(gba_naf_id){0}, &key), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks_naf_octets(GBA_KS_NAF, &ks, rand, gba_str("x"), gba_str(""), &key), GBA_E_ARG);
    key.n = 31;
    CU_ASSERT_EQUAL(gba_ua_password(&key, &password), GBA_E_ARG);
}

static void ks_lengths(void)
{
    gba_secret a = {.n = 32}, b = {.n = 32}, out;
    CU_ASSERT_EQUAL(gba_ks(&a, &b, &out), GBA_OK);
    CU_ASSERT_EQUAL(out.n, 64);
    CU_ASSERT_EQUAL(gba_ks(&a, &b, &a), GBA_OK); /* in place */
    CU_ASSERT_EQUAL(a.n, 64);
    CU_ASSERT_EQUAL(gba_ks(&a, &b, &out), GBA_E_ARG);
    a.n = 0;
    CU_ASSERT_EQUAL(gba_ks(&a, &b, &out), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks(&b, &a, &out), GBA_E_ARG);
    a.n = SIZE_MAX; /* broken: refused, not read */
    CU_ASSERT_EQUAL(gba_ks(&a, &b, &out), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ks(&b, &a, &out), GBA_E_ARG);
}

static void tmpi(void)
{
    gba_secret ks = t_secret("f04a61e7ba3f95283073001ca5d4b71bae03f705db6c717264513bb522a649bd"), none = {0};
    uint8_t rand[16];
    gba_impi impi, out;
    gba_fqdn bsf;
    t_hex_into("15866ee09efe617df08344980861c29e", rand, 16);
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("user1_private@home1.net"), &impi), GBA_OK);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("bsf.home1.net"), &bsf), GBA_OK);
    CU_ASSERT_EQUAL(gba_tmpi(&ks, rand, &impi, &bsf, &out), GBA_OK);
    CU_ASSERT_STRING_EQUAL(out.s, "HRhGrtSl3OmG0yfzBD+uPHskdyLBIbBG@tmpi.bsf.3gppnetwork.org");
    CU_ASSERT_EQUAL(gba_tmpi(&ks, rand, &impi, &bsf, &impi), GBA_OK); /* in place */
    CU_ASSERT_STRING_EQUAL(impi.s, out.s);
    CU_ASSERT_EQUAL(gba_tmpi(&none, rand, &impi, &bsf, &out), GBA_E_ARG);
}

/* gbau-1 of the vectors. */
static void gba_u(void)
{
    gba_secret ik = t_secret("f769bcd751044604127672711c6d3441"), res = t_secret("a54211d5e3ba50bf"), none = {0}, out;
    uint8_t autn[16], star[16];
    t_hex_into("55f328b43577b9b94a9ffac354dfafb3", autn, 16);
    CU_ASSERT_EQUAL(gba_u_autn(autn, &ik, star), GBA_OK);
    CU_ASSERT(t_is(GBA_SPAN(star), "55f328b43577b9b98c7f3f0d723fb244"));
    CU_ASSERT_EQUAL(gba_u_autn(star, &ik, star), GBA_OK); /* in place, and back */
    CU_ASSERT(gba_span_eq(GBA_SPAN(star), GBA_SPAN(autn)));
    CU_ASSERT_EQUAL(gba_u_autn(autn, &none, star), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_u_res(&res, &out), GBA_OK);
    CU_ASSERT(t_secret_is(&out, "a54211d5e3ba50be"));
    CU_ASSERT_EQUAL(gba_u_res(&none, &out), GBA_E_ARG);
    res.n = 65;
    CU_ASSERT_EQUAL(gba_u_res(&res, &out), GBA_E_RANGE);
}

static void gba_2g_lengths(void)
{
    uint8_t o[17] = {0};
    gba_secret res, ks;
    gba_span kc = {o, 8}, sres = {o, 4}, rand = {o, 16}, ksi = {o, 16};
    CU_ASSERT_EQUAL(gba_2g(kc, sres, rand, ksi, &res, &ks), GBA_OK);
    CU_ASSERT(res.n == 16 && ks.n == 32);
    gba_span *const all[] = {&kc, &sres, &rand, &ksi};
    for (int i = 0; i < 4; i++) {
        all[i]->n--;
        CU_ASSERT_EQUAL(gba_2g(kc, sres, rand, ksi, &res, &ks), GBA_E_ARG);
        all[i]->n += 2;
        CU_ASSERT_EQUAL(gba_2g(kc, sres, rand, ksi, &res, &ks), GBA_E_ARG);
        all[i]->n--;
    }
}

static void gba_digest(void)
{
    uint8_t o[49] = {0};
    gba_secret out;
    gba_span ha1 = {o, 32}, mk = {o, 48}, resp = {o, 32}, none = {o, 0};
    CU_ASSERT_EQUAL(gba_digest_passwd(ha1, mk, &out), GBA_OK);
    CU_ASSERT_EQUAL(gba_digest_ks(ha1, mk, resp, &out), GBA_OK);
    CU_ASSERT_EQUAL(gba_digest_passwd(none, mk, &out), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_digest_passwd(ha1, gba_mem(o, 47), &out), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_digest_ks(none, mk, resp, &out), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_digest_ks(ha1, gba_mem(o, 49), resp, &out), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_digest_ks(ha1, mk, none, &out), GBA_E_ARG);
}

static void onem2m(void)
{
    gba_secret ke = t_secret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), none = {0}, a, b;
    char id[33], long_id[1100];
    CU_ASSERT_EQUAL(gba_onem2m_km(&ke, gba_str("maf.example.com"), &a), GBA_OK);
    CU_ASSERT(t_secret_is(&a, "3055bf32dd9c95586aaffa2ae2e165dfeffd0803566e16bdd343171457da8a5e"));
    /* NFKC: full width 'm' is m */
    CU_ASSERT_EQUAL(gba_onem2m_km(&ke,
                                  gba_str("\xef\xbd\x8d"
                                          "af.example.com"),
                                  &b),
                    GBA_OK);
    CU_ASSERT(gba_secret_eq(&a, &b));
    CU_ASSERT_EQUAL(gba_onem2m_kpsa(&ke, gba_str("maf.example.com"), &b), GBA_OK);
    CU_ASSERT(!gba_secret_eq(&a, &b));
    CU_ASSERT_EQUAL(gba_onem2m_usage_key(&ke, 21, gba_str("maf.example.com"), &b), GBA_OK);
    CU_ASSERT(t_secret_is(&b, "f8610e4d1a428f72308e2941f53a1a0fdc1afa7b1dde3ec59fc52381dcbeb66a"));
    CU_ASSERT_EQUAL(gba_onem2m_km(&none, gba_str("x"), &a), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_onem2m_km(&ke, gba_str(""), &a), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_onem2m_km(&ke, gba_str("\xff"), &a), GBA_E_SYNTAX);
    memset(long_id, 'x', sizeof long_id);
    CU_ASSERT_EQUAL(gba_onem2m_km(&ke, GBA_SPAN(long_id), &a), GBA_E_RANGE);
    gba_secret exported = {.n = 48};
    for (int i = 0; i < 48; i++)
        exported.o[i] = (uint8_t)(0xa0 + i);
    CU_ASSERT_EQUAL(gba_onem2m_export_split(&exported, id, &a), GBA_OK);
    CU_ASSERT_STRING_EQUAL(id, "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF");
    CU_ASSERT(t_secret_is(&a, "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"));
    CU_ASSERT_EQUAL(gba_onem2m_export_split(&ke, id, &a), GBA_E_ARG);
}

T_MAIN("kdf", {"KDF", kdf}, {"NAF keys", ks_naf}, {"Ks", ks_lengths}, {"TMPI", tmpi}, {"GBA_U", gba_u},
       {"2G", gba_2g_lengths}, {"GBA_Digest", gba_digest}, {"oneM2M", onem2m})
