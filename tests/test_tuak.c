/* SPDX-License-Identifier: Apache-2.0 */
/* test_tuak.c - the sets of TS 35.233 and every length TS 35.231 allows. */
#include <string.h>
#include <gba/aka.h>
#include "t_main.h"

static uint8_t octets_of(const json_t *c, const char *name)
{
    return (uint8_t)(strlen(t_str(c, name)) / 2);
}

static void conformance(void)
{
    json_t *root, *cases = t_cases("tuak", &root), *c;
    size_t i;
    json_array_foreach(cases, i, c)
    {
        gba_aka_key k = {.algorithm = GBA_TUAK, .k = t_secret(t_str(c, "k"))};
        gba_secret top = t_secret(t_str(c, "top"));
        uint8_t rand[16], sqn[6], amf[2];
        gba_aka_f f;
        k.mac_len = octets_of(c, "f1");
        k.res_len = octets_of(c, "f2");
        k.ck_len = octets_of(c, "f3");
        k.ik_len = octets_of(c, "f4");
        k.keccak_iterations = (uint8_t)json_integer_value(json_object_get(c, "keccak_iterations"));
        t_hex_into(t_str(c, "rand"), rand, 16);
        t_hex_into(t_str(c, "sqn"), sqn, 6);
        t_hex_into(t_str(c, "amf"), amf, 2);
        CU_ASSERT_EQUAL(gba_aka_opc(GBA_TUAK, &k.k, &top, k.keccak_iterations, &k.opc), GBA_OK);
        CU_ASSERT(t_secret_is(&k.opc, t_str(c, "topc")));
        CU_ASSERT_EQUAL(gba_aka_functions(&k, rand, sqn, amf, &f), GBA_OK);
        CU_ASSERT(t_is(gba_mem(f.mac_a, k.mac_len), t_str(c, "f1")));
        CU_ASSERT(t_is(gba_mem(f.mac_s, k.mac_len), t_str(c, "f1star")));
        CU_ASSERT(t_secret_is(&f.res, t_str(c, "f2")));
        CU_ASSERT(t_secret_is(&f.ck, t_str(c, "f3")));
        CU_ASSERT(t_secret_is(&f.ik, t_str(c, "f4")));
        CU_ASSERT(t_is(GBA_SPAN(f.ak), t_str(c, "f5")));
        CU_ASSERT(t_is(GBA_SPAN(f.ak_s), t_str(c, "f5star")));
    }
    CU_ASSERT(i >= 10);
    json_decref(root);
}

static gba_aka_key some_key(size_t k_len)
{
    gba_aka_key k = {.algorithm = GBA_TUAK, .k = {.n = k_len}, .opc = {.n = 32}};
    for (size_t i = 0; i < k_len; i++)
        k.k.o[i] = (uint8_t)(0xa0 + i);
    for (size_t i = 0; i < 32; i++)
        k.opc.o[i] = (uint8_t)(0x30 + i);
    return k;
}

/* All 2*3*4*2*2 combinations work, the key length and each own length enter the result, and
 * a MAC does not depend on the lengths of the others. */
static void every_length(void)
{
    static const uint8_t mac[] = {8, 16, 32}, res[] = {4, 8, 16, 32}, key[] = {16, 32};
    uint8_t rand[16] = {1}, sqn[6] = {2}, amf[2] = {3}, seen[96][8];
    unsigned n = 0;
    for (unsigned c = 0; c < 96; c++) {
        gba_aka_key k = some_key(key[c % 2]);
        gba_aka_f f;
        k.ck_len = key[c / 2 % 2];
        k.ik_len = key[c / 4 % 2];
        k.mac_len = mac[c / 8 % 3];
        k.res_len = res[c / 24];
        CU_ASSERT_EQUAL(gba_aka_functions(&k, rand, sqn, amf, &f), GBA_OK);
        CU_ASSERT(f.res.n == k.res_len && f.ck.n == k.ck_len && f.ik.n == k.ik_len);
        for (unsigned o = k.mac_len; o < sizeof f.mac_a; o++)
            CU_ASSERT(f.mac_a[o] == 0 && f.mac_s[o] == 0);
        memcpy(seen[n++], f.ck.o, 8);
    }
    for (unsigned a = 0; a < 96; a++)
        for (unsigned b = 0; b < a; b++) {
            bool same_instance = a % 8 == b % 8 && a / 24 == b / 24;
            CU_ASSERT_EQUAL(!memcmp(seen[a], seen[b], 8), same_instance);
        }
}

static void lengths(void)
{
    gba_aka_key k = some_key(16);
    CU_ASSERT_EQUAL(gba_aka_key_check(&k), GBA_OK);
    CU_ASSERT(k.mac_len == 8 && k.res_len == 8 && k.ck_len == 16 && k.ik_len == 16 && k.keccak_iterations == 1);
    for (size_t n = 0; n <= GBA_SECRET_MAX; n++) {
        k = some_key(16);
        k.k.n = n;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), n == 16 || n == 32 ? GBA_OK : GBA_E_RANGE);
        k = some_key(16);
        k.opc.n = n;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), n == 32 ? GBA_OK : GBA_E_RANGE);
    }
    for (int v = 1; v < 256; v++) {
        bool key_len = v == 16 || v == 32, mac = v == 8 || key_len;
        k = some_key(16);
        k.mac_len = (uint8_t)v;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), mac ? GBA_OK : GBA_E_RANGE);
        k = some_key(16);
        k.res_len = (uint8_t)v;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), mac || v == 4 ? GBA_OK : GBA_E_RANGE);
        k = some_key(16);
        k.ck_len = (uint8_t)v;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), key_len ? GBA_OK : GBA_E_RANGE);
        k = some_key(16);
        k.ik_len = (uint8_t)v;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), key_len ? GBA_OK : GBA_E_RANGE);
    }
}

static void topc(void)
{
    gba_aka_key k = some_key(32);
    gba_secret a, b, c;
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_TUAK, &k.k, &k.opc, 0, &a), GBA_OK); /* 0 is 1 */
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_TUAK, &k.k, &k.opc, 1, &b), GBA_OK);
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_TUAK, &k.k, &k.opc, 2, &c), GBA_OK);
    CU_ASSERT(gba_secret_eq(&a, &b) && !gba_secret_eq(&a, &c));
    k.opc.n = 16;
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_TUAK, &k.k, &k.opc, 1, &a), GBA_E_RANGE);
    k.opc.n = 32;
    k.k.n = 24;
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_TUAK, &k.k, &k.opc, 1, &a), GBA_E_RANGE);
}

/* AKA carries a MAC of 8 octets and a RES of 4 to 16. */
static void in_aka(void)
{
    uint8_t rand[16] = {1}, amf[2] = {0}, auts[14] = {0};
    uint64_t sqn_ms;
    gba_vector v;
    gba_aka_key k = some_key(32);
    k.ck_len = k.ik_len = 32;
    k.res_len = 4;
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand, 32, amf, &v), GBA_OK);
    CU_ASSERT(v.xres.n == 4 && v.ck.n == 32 && v.ik.n == 32);
    k.res_len = 32;
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand, 32, amf, &v), GBA_E_RANGE);
    k.res_len = 16;
    k.mac_len = 16;
    CU_ASSERT_EQUAL(gba_aka_vector(&k, rand, 32, amf, &v), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_aka_auts_check(&k, rand, GBA_SPAN(auts), &sqn_ms), GBA_E_RANGE);
}

T_MAIN("tuak", {"TS 35.233 sets", conformance}, {"every combination", every_length}, {"lengths", lengths},
       {"TOPc", topc}, {"within AKA", in_aka})
