/* SPDX-License-Identifier: Apache-2.0 */
/* test_aka.c - vectors, the card's answer, resynchronisation (TS 33.102 6.3), SQN rules (Annex C). */
#include <string.h>
#include <gba/aka.h>
#include "t_main.h"

static gba_aka_key set1(gba_aka_algorithm a)
{
    gba_aka_key k = {.algorithm = a,
                     .k = t_secret("465b5ce8b199b49faa5f0a2ee238a6bc"),
                     .opc = t_secret("cd63cb71954a9f4e48a5994e37a02baf")};
    if (a == GBA_TUAK)
        k.opc = t_secret("bd04d9530e87513c5d837ac2ad954623a8e2330c115305a73eb45d1f40cccbff");
    return k;
}

static const uint8_t rand1[16] = {0x23, 0x55, 0x3c, 0xbe, 0x96, 0x37, 0xa8, 0x9d,
                                  0x21, 0x8a, 0xe6, 0x4d, 0xae, 0x47, 0xbf, 0x35};
static const uint8_t amf0[2], amf_sep[2] = {0x80, 0};

static void names(void)
{
    gba_aka_algorithm a = 0;
    CU_ASSERT_EQUAL(gba_aka_algorithm_parse("milenage", &a), GBA_OK);
    CU_ASSERT_EQUAL(a, GBA_MILENAGE);
    CU_ASSERT_EQUAL(gba_aka_algorithm_parse("TUAK", &a), GBA_OK);
    CU_ASSERT_EQUAL(a, GBA_TUAK);
    CU_ASSERT_EQUAL(gba_aka_algorithm_parse("comp128", &a), GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(gba_aka_algorithm_parse("", &a), GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(gba_aka_algorithm_parse(NULL, &a), GBA_E_ARG);
    CU_ASSERT_STRING_EQUAL(gba_aka_algorithm_name(GBA_MILENAGE), "milenage");
    CU_ASSERT_STRING_EQUAL(gba_aka_algorithm_name(GBA_TUAK), "tuak");
    CU_ASSERT_STRING_EQUAL(gba_aka_algorithm_name((gba_aka_algorithm)0), "unknown");
    CU_ASSERT_STRING_EQUAL(gba_aka_algorithm_name((gba_aka_algorithm)9), "unknown");
}

/* TS 35.208 set 1 as a whole vector (checked with osmo-auc-gen). */
static void vector(void)
{
    gba_aka_key k = set1(GBA_MILENAGE);
    gba_vector v;
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand1, 0xff9bb4d0b607, (const uint8_t *)"\xb9\xb9", &v), GBA_OK);
    CU_ASSERT(t_is(GBA_SPAN(v.autn), "55f328b43577b9b94a9ffac354dfafb3"));
    CU_ASSERT(t_secret_is(&v.xres, "a54211d5e3ba50bf"));
    CU_ASSERT(t_is(GBA_SPAN(v.rand), "23553cbe9637a89d218ae64dae47bf35"));
    CU_ASSERT_EQUAL(gba_aka_vector(&k, v.rand, 0xff9bb4d0b607, (const uint8_t *)"\xb9\xb9", &v), GBA_OK); /* in place */
    CU_ASSERT(t_is(GBA_SPAN(v.autn), "55f328b43577b9b94a9ffac354dfafb3"));
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand1, GBA_SQN_MAX, amf0, &v), GBA_OK);
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand1, GBA_SQN_MAX + 1, amf0, &v), GBA_E_RANGE);
    CU_ASSERT(v.xres.n == 0);
    k.algorithm = (gba_aka_algorithm)7;
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand1, 1, amf0, &v), GBA_E_UNSUPPORTED);
    gba_aka_f f;
    CU_ASSERT_EQUAL(gba_aka_functions(&k, rand1, (const uint8_t[6]){0}, amf0, &f), GBA_E_UNSUPPORTED);
    gba_vector_wipe(&v);
    gba_aka_key_wipe(&k);
    CU_ASSERT(k.k.n == 0 && k.k.o[3] == 0);
}

/* Network and card agree; the card learns; a replay yields AUTS, which the network reads. */
static void round_trip(gba_aka_algorithm alg)
{
    gba_aka_key k = set1(alg);
    gba_sqn_array a = {{0}};
    gba_vector v;
    gba_card_answer c;
    uint64_t sqn = gba_sqn_make(&gba_sqn_default, 77, 3), sqn_ms = 0;
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand1, sqn, amf0, &v), GBA_OK);
    CU_ASSERT_EQUAL(gba_aka_card(&k, &gba_sqn_default, &a, v.rand, v.autn, true, &c), GBA_OK);
    CU_ASSERT(gba_secret_eq(&c.res, &v.xres) && gba_secret_eq(&c.ck, &v.ck) && gba_secret_eq(&c.ik, &v.ik));
    CU_ASSERT_EQUAL(a.seq[3], 77);
    CU_ASSERT_EQUAL(gba_sqn_ms(&gba_sqn_default, &a), sqn);
    CU_ASSERT_EQUAL(gba_aka_card(&k, &gba_sqn_default, &a, v.rand, v.autn, true, &c), GBA_E_SYNC);
    CU_ASSERT(c.res.n == 0 && c.ck.n == 0 && c.ik.n == 0);
    CU_ASSERT_EQUAL(gba_aka_auts_check(&k, rand1, GBA_SPAN(c.auts), &sqn_ms), GBA_OK);
    CU_ASSERT_EQUAL(sqn_ms, sqn);
    for (int bit = 0; bit < 14 * 8; bit++) {
        c.auts[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_EQUAL(gba_aka_auts_check(&k, rand1, GBA_SPAN(c.auts), &sqn_ms), GBA_E_AUTH);
        c.auts[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CU_ASSERT_EQUAL(sqn_ms, sqn); /* untouched by refusals */
    CU_ASSERT_EQUAL(gba_aka_auts_check(&k, rand1, gba_mem(c.auts, 13), &sqn_ms), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_aka_auts_check(&k, rand1, gba_str(NULL), &sqn_ms), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_aka_auts_check(&k, v.autn, GBA_SPAN(c.auts), &sqn_ms), GBA_E_AUTH); /* other RAND */
    gba_card_answer_wipe(&c);
    CU_ASSERT(c.auts[0] == 0 && c.auts[13] == 0);
    k.opc.n = 5;
    CU_ASSERT_EQUAL(gba_aka_auts_check(&k, rand1, GBA_SPAN(c.auts), &sqn_ms), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_aka_card(&k, &gba_sqn_default, &a, v.rand, v.autn, true, &c), GBA_E_RANGE);
}

static void both_ways(void)
{
    round_trip(GBA_MILENAGE);
    round_trip(GBA_TUAK);
}

static void card_refuses(void)
{
    gba_aka_key k = set1(GBA_MILENAGE);
    gba_sqn_array a = {{0}}, before = a;
    gba_vector v;
    gba_card_answer c;
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand1, 32, amf_sep, &v), GBA_OK);
    for (int bit = 0; bit < 128; bit++) { /* any bit of AUTN: MAC failure, no AUTS, array as before */
        v.autn[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_EQUAL(gba_aka_card(&k, &gba_sqn_default, &a, v.rand, v.autn, false, &c), GBA_E_AUTH);
        CU_ASSERT(c.res.n == 0 && c.ck.o[0] == 0 && c.auts[0] == 0 && !memcmp(&a, &before, sizeof a));
        v.autn[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CU_ASSERT_EQUAL(gba_aka_card(&k, &gba_sqn_default, &a, v.rand, v.autn, true, &c), GBA_E_FORBIDDEN);
    CU_ASSERT(c.res.n == 0 && !memcmp(&a, &before, sizeof a));
    CU_ASSERT_EQUAL(gba_aka_card(&k, &gba_sqn_default, &a, v.rand, v.autn, false, &c), GBA_OK);
    CU_ASSERT_EQUAL(a.seq[0], 1);
}

/* The families aka, auts and usim_sequences run in check_vectors; here the rules one by one. */
static void sqn_parts(void)
{
    const gba_sqn_profile *p = &gba_sqn_default;
    CU_ASSERT(p->ind_bits == 5 && p->delta == 268435456 && p->limit == 0);
    CU_ASSERT_EQUAL(gba_sqn_make(p, 4096, 31), 0x2001f);
    CU_ASSERT_EQUAL(gba_sqn_make(p, 4096, 32), 0x20000); /* IND stays within its bits */
    CU_ASSERT_EQUAL(gba_sqn_make(p, UINT64_C(1) << 43, 1), 1);
    CU_ASSERT_EQUAL(gba_sqn_seq(p, 0x2001f), 4096);
    CU_ASSERT_EQUAL(gba_sqn_ind(p, 0x2001f), 31);
    gba_sqn_profile none = {.ind_bits = 0, .delta = 10}, eight = {.ind_bits = 8, .delta = 10};
    CU_ASSERT_EQUAL(gba_sqn_make(&none, 99, 7), 99);
    CU_ASSERT_EQUAL(gba_sqn_ind(&none, 99), 0);
    gba_sqn_array a = {{0}};
    a.seq[255] = 5;
    CU_ASSERT_EQUAL(gba_sqn_ms(&eight, &a), 5 * 256 + 255);
    CU_ASSERT_EQUAL(gba_sqn_ms(p, &a), 31); /* only 32 elements count */
}

static void sqn_rules(void)
{
    gba_sqn_profile p = {.ind_bits = 2, .delta = 100, .limit = 10};
    gba_sqn_array a = {{1000, 995, 0, 0}};
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 1100, 0)), GBA_OK);
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 1101, 0)), GBA_E_SYNC); /* beyond delta */
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 1000, 0)), GBA_E_SYNC); /* again */
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 996, 1)), GBA_OK);      /* older, another IND */
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 995, 1)), GBA_E_SYNC);
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 991, 2)), GBA_OK);     /* age 9 < L */
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 990, 2)), GBA_E_SYNC); /* age 10 */
    p.limit = 0;
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 1, 2)), GBA_OK);
    CU_ASSERT_EQUAL(gba_sqn_fresh(&p, &a, gba_sqn_make(&p, 0, 2)), GBA_E_SYNC);
    gba_sqn_accept(&p, &a, gba_sqn_make(&p, 1, 2));
    CU_ASSERT(a.seq[2] == 1 && a.seq[0] == 1000);
}

static void sqn_next(void)
{
    const gba_sqn_profile *p = &gba_sqn_default;
    uint64_t ms = gba_sqn_make(p, 5000, 7);
    CU_ASSERT(gba_sqn_next_ok(p, ms, gba_sqn_make(p, 5001, 0)));
    CU_ASSERT(!gba_sqn_next_ok(p, ms, gba_sqn_make(p, 5000, 31)));
    CU_ASSERT(!gba_sqn_next_ok(p, ms, ms));
    CU_ASSERT(!gba_sqn_next_ok(p, ms, 0));
    CU_ASSERT(gba_sqn_next_ok(p, ms, gba_sqn_make(p, 5000 + p->delta, 0)));
    CU_ASSERT(!gba_sqn_next_ok(p, ms, gba_sqn_make(p, 5001 + p->delta, 0)));
    CU_ASSERT(!gba_sqn_next_ok(p, GBA_SQN_MAX, GBA_SQN_MAX + 33));
    CU_ASSERT(!gba_sqn_next_ok(p, GBA_SQN_MAX, 0)); /* no wrap-around */
}

static void gsm(void)
{
    gba_secret res = t_secret("a54211d5e3ba50bf"), ck = t_secret("b40ba9a3c58b2a05bbf0d987b21bf8cb"),
               ik = t_secret("f769bcd751044604127672711c6d3441"), sres, kc;
    CU_ASSERT_EQUAL(gba_aka_gsm(&res, &ck, &ik, &sres, &kc), GBA_OK);
    CU_ASSERT(t_secret_is(&sres, "46f8416a"));
    CU_ASSERT(t_secret_is(&kc, "eae4be823af9a08b"));
    res.n = 3;
    CU_ASSERT_EQUAL(gba_aka_gsm(&res, &ck, &ik, &sres, &kc), GBA_E_ARG);
    res.n = 4;
    ck.n = 32;
    CU_ASSERT_EQUAL(gba_aka_gsm(&res, &ck, &ik, &sres, &kc), GBA_E_ARG);
}

T_MAIN("aka", {"algorithm names", names}, {"a vector", vector}, {"both ways, both algorithms", both_ways},
       {"the card refuses", card_refuses}, {"SQN parts", sqn_parts}, {"SQN rules", sqn_rules},
       {"SQN after a resynchronisation", sqn_next}, {"2G triplet", gsm})
