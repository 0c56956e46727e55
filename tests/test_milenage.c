/* SPDX-License-Identifier: Apache-2.0 */
/* test_milenage.c - the conformance sets of TS 35.208 4.3 and what Milenage refuses. */
#include <string.h>
#include <gba/aka.h>
#include "t_main.h"

static void conformance(void)
{
    json_t *root, *cases = t_cases("milenage", &root), *c;
    size_t i;
    json_array_foreach(cases, i, c)
    {
        gba_aka_key k = {.algorithm = GBA_MILENAGE, .k = t_secret(t_str(c, "k"))};
        gba_secret op = t_secret(t_str(c, "op"));
        uint8_t rand[16], sqn[6], amf[2];
        gba_aka_f f;
        t_hex_into(t_str(c, "rand"), rand, 16);
        t_hex_into(t_str(c, "sqn"), sqn, 6);
        t_hex_into(t_str(c, "amf"), amf, 2);
        CU_ASSERT_EQUAL(gba_aka_opc(GBA_MILENAGE, &k.k, &op, 0, &k.opc), GBA_OK);
        CU_ASSERT(t_secret_is(&k.opc, t_str(c, "opc")));
        CU_ASSERT_EQUAL(gba_aka_functions(&k, rand, sqn, amf, &f), GBA_OK);
        CU_ASSERT(t_is(gba_mem(f.mac_a, 8), t_str(c, "f1")));
        CU_ASSERT(t_is(gba_mem(f.mac_s, 8), t_str(c, "f1star")));
        CU_ASSERT(t_secret_is(&f.res, t_str(c, "f2")));
        CU_ASSERT(t_secret_is(&f.ck, t_str(c, "f3")));
        CU_ASSERT(t_secret_is(&f.ik, t_str(c, "f4")));
        CU_ASSERT(t_is(GBA_SPAN(f.ak), t_str(c, "f5")));
        CU_ASSERT(t_is(GBA_SPAN(f.ak_s), t_str(c, "f5star")));
        gba_aka_f_wipe(&f);
        CU_ASSERT(f.ck.n == 0 && f.ck.o[0] == 0);
    }
    CU_ASSERT(i >= 12);
    json_decref(root);
}

static gba_aka_key set1(void)
{
    return (gba_aka_key){.algorithm = GBA_MILENAGE,
                         .k = t_secret("465b5ce8b199b49faa5f0a2ee238a6bc"),
                         .opc = t_secret("cd63cb71954a9f4e48a5994e37a02baf")};
}

static void lengths(void)
{
    gba_aka_key k = set1();
    CU_ASSERT_EQUAL(gba_aka_key_check(&k), GBA_OK);
    CU_ASSERT(k.mac_len == 8 && k.res_len == 8 && k.ck_len == 16 && k.ik_len == 16 && k.keccak_iterations == 0);
    CU_ASSERT_EQUAL(gba_aka_key_check(&k), GBA_OK);
    /* every other length of every part is refused */
    for (size_t n = 0; n <= GBA_SECRET_MAX; n++) {
        k = set1();
        k.k.n = n;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), n == 16 ? GBA_OK : GBA_E_RANGE);
        k = set1();
        k.opc.n = n;
        CU_ASSERT_EQUAL(gba_aka_key_check(&k), n == 16 ? GBA_OK : GBA_E_RANGE);
    }
    uint8_t *const part[] = {&k.mac_len, &k.res_len, &k.ck_len, &k.ik_len, &k.keccak_iterations};
    static const uint8_t only[] = {8, 8, 16, 16, 0};
    for (int p = 0; p < 5; p++)
        for (int v = 1; v < 256; v++) {
            k = set1();
            *part[p] = (uint8_t)v;
            CU_ASSERT_EQUAL(gba_aka_key_check(&k), v == only[p] ? GBA_OK : GBA_E_RANGE);
        }
}

static void opc(void)
{
    gba_aka_key k = set1();
    gba_secret op = t_secret("cdc202d5123e20f62b6d676ac72cb318"), out;
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_MILENAGE, &k.k, &op, 0, &op), GBA_OK); /* in place */
    CU_ASSERT(gba_secret_eq(&op, &k.opc));
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_MILENAGE, &k.k, &op, 1, &out), GBA_E_RANGE);
    op.n = 15;
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_MILENAGE, &k.k, &op, 0, &out), GBA_E_RANGE);
    op.n = 16;
    k.k.n = 32;
    CU_ASSERT_EQUAL(gba_aka_opc(GBA_MILENAGE, &k.k, &op, 0, &out), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_aka_opc((gba_aka_algorithm)0, &k.k, &op, 0, &out), GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(gba_aka_opc((gba_aka_algorithm)3, &k.k, &op, 0, &out), GBA_E_UNSUPPORTED);
}

T_MAIN("milenage", {"TS 35.208 sets", conformance}, {"lengths", lengths}, {"OPc", opc})
