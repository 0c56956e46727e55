/* SPDX-License-Identifier: Apache-2.0 */
/* test_diameter.c - the dictionary and the messages of Zh and Zn against TS 29.109 as other
 * implementations read it. */
#include <gba/diameter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "t_main.h"

static gba_dia_list *fresh(void)
{
    static gba_dia_list l;
    gba_dia_list_wipe(&l);
    return &l;
}

static const gba_dia_avp *nth(const gba_dia_list *l, uint32_t code, unsigned i)
{
    for (size_t k = 0; k < l->n; k++)
        if (l->avp[k].code == code && i-- == 0)
            return &l->avp[k];
    return NULL;
}

/* Table 6.1 of TS 29.109 V15.0.0 and 6.3.x of TS 29.229: code, M, type. */
static void test_dictionary(void)
{
    static const struct {
        uint32_t code;
        bool m;
        gba_dia_type type;
    } table[] = {
        {400, 1, GBA_DIA_OCTETS},     {401, 1, GBA_DIA_OCTETS},     {402, 1, GBA_DIA_OCTETS},
        {403, 1, GBA_DIA_OCTETS},     {404, 1, GBA_DIA_TIME},       {405, 1, GBA_DIA_OCTETS},
        {406, 1, GBA_DIA_OCTETS},     {407, 1, GBA_DIA_ENUMERATED}, {408, 1, GBA_DIA_TIME},
        {409, 0, GBA_DIA_TIME},       {410, 1, GBA_DIA_ENUMERATED}, {411, 1, GBA_DIA_OCTETS},
        {412, 1, GBA_DIA_ENUMERATED}, {413, 1, GBA_DIA_OCTETS},     {414, 1, GBA_DIA_ENUMERATED},
        {415, 1, GBA_DIA_TIME},       {416, 1, GBA_DIA_ENUMERATED}, {417, 1, GBA_DIA_OCTETS},
        {418, 1, GBA_DIA_OCTETS},     {419, 1, GBA_DIA_OCTETS},     {420, 1, GBA_DIA_OCTETS},
        {601, 1, GBA_DIA_UTF8},       {608, 1, GBA_DIA_UTF8},       {609, 1, GBA_DIA_OCTETS},
        {610, 1, GBA_DIA_OCTETS},     {611, 1, GBA_DIA_OCTETS},     {612, 1, GBA_DIA_GROUPED},
        {613, 1, GBA_DIA_UNSIGNED32}, {625, 1, GBA_DIA_OCTETS},     {626, 1, GBA_DIA_OCTETS},
        {635, 0, GBA_DIA_GROUPED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const gba_dia_def *d = gba_dia_find(table[i].code, 10415);
        CU_ASSERT_PTR_NOT_NULL_FATAL(d);
        CU_ASSERT(d->mandatory == table[i].m && d->type == table[i].type && !d->base);
        CU_ASSERT_PTR_NULL(gba_dia_find(table[i].code, 0)); /* RFC 4740 has the same names, other AVPs */
    }
    size_t n = 0;
    for (const gba_dia_def *d = gba_dia_dictionary; d->code; d++, n++)
        for (const gba_dia_def *o = d + 1; o->code; o++)
            CU_ASSERT(strcmp(d->name, o->name) != 0 && (d->code != o->code || d->vendor != o->vendor));
    CU_ASSERT(n >= 38);
    CU_ASSERT_EQUAL(GBA_DIA_ZH, 16777221);
    CU_ASSERT_EQUAL(GBA_DIA_ZN, 16777220);
}

static void test_mar(void)
{
    gba_mar m = {.guss_timestamp = 1221045133}, back;
    gba_dia_list *l = fresh();
    uint32_t missing;
    strcpy(m.impi.s, "user1_private@home1.net");
    CU_ASSERT_EQUAL(gba_mar_write(&m, l), GBA_OK);
    CU_ASSERT(gba_span_eq(nth(l, 1, 0)->data, gba_str("user1_private@home1.net")));
    CU_ASSERT(nth(l, 608, 0)->depth == 1 && gba_span_eq(nth(l, 608, 0)->data, gba_str("Digest-AKAv1-MD5")));
    CU_ASSERT(t_is(nth(l, 277, 0)->data, "00000001"));
    CU_ASSERT(t_is(nth(l, 409, 0)->data, "cc722a0d")); /* 1221045133 + 2208988800 */
    CU_ASSERT_PTR_NULL(nth(l, 610, 0));
    CU_ASSERT_EQUAL(gba_mar_read(l, &back, &missing), GBA_OK);
    CU_ASSERT(!strcmp(back.impi.s, m.impi.s) && back.guss_timestamp == m.guss_timestamp && !back.resync);

    m.resync = true;
    memset(m.rand, 0x11, 16);
    memset(m.auts, 0x22, 14);
    l = fresh();
    CU_ASSERT_EQUAL(gba_mar_write(&m, l), GBA_OK);
    CU_ASSERT(t_is(nth(l, 610, 0)->data, "111111111111111111111111111111112222222222222222222222222222"));
    CU_ASSERT_EQUAL(gba_mar_read(l, &back, &missing), GBA_OK);
    CU_ASSERT(back.resync && !memcmp(back.rand, m.rand, 16) && !memcmp(back.auts, m.auts, 14));
}

static void test_mar_refusals(void)
{
    gba_mar m;
    uint32_t missing = 0;
    gba_dia_list *l = fresh();
    gba_dia_add_u32(l, 277, 0, 0, 1);
    CU_ASSERT_EQUAL(gba_mar_read(l, &m, &missing), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(missing, 1);
    gba_dia_add(l, 1, 0, 0, gba_str("a@b"));
    CU_ASSERT_EQUAL(gba_mar_read(l, &m, &missing), GBA_OK); /* no scheme named: AKA */
    gba_dia_add(l, 612, 10415, 0, (gba_span){0});
    gba_dia_add(l, 610, 10415, 1, t_hex("00"));
    CU_ASSERT_EQUAL(gba_mar_read(l, &m, &missing), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(missing, 0);
    l = fresh();
    gba_dia_add(l, 1, 0, 0, gba_str("a@b"));
    gba_dia_add(l, 612, 10415, 0, (gba_span){0});
    gba_dia_add(l, 608, 10415, 1, gba_str("SIP Digest"));
    CU_ASSERT_EQUAL(gba_mar_read(l, &m, &missing), GBA_E_UNSUPPORTED);
}

static gba_maa vector_maa(void)
{
    gba_maa m = {.result = {2001, 0}, .vector = true};
    memset(m.rand, 0xaa, 16);
    memset(m.autn, 0xbb, 16);
    m.xres = t_secret("0102030405060708");
    m.ck = t_secret("b40ba9a3c58b2a05bbf0d987b21bf8cb");
    m.ik = t_secret("f769bcd751044604127672711c6d3441");
    m.guss = gba_str("<guss/>");
    return m;
}

static void test_maa(void)
{
    gba_maa m = vector_maa(), back;
    gba_dia_list *l = fresh();
    CU_ASSERT_EQUAL(gba_maa_write(&m, l), GBA_OK);
    CU_ASSERT_EQUAL(nth(l, 609, 0)->data.n, 32); /* RAND || AUTN */
    CU_ASSERT(t_is(nth(l, 610, 0)->data, "0102030405060708"));
    CU_ASSERT(t_is(nth(l, 268, 0)->data, "000007d1"));
    CU_ASSERT_EQUAL(gba_maa_read(l, &back), GBA_OK);
    CU_ASSERT(back.vector && gba_secret_eq(&back.ck, &m.ck) && gba_secret_eq(&back.ik, &m.ik));
    CU_ASSERT(back.autn[15] == 0xbb && gba_span_eq(back.guss, gba_str("<guss/>")));
    /* each part is needed, and no second vector is taken for the first */
    for (size_t drop = 0; drop < l->n; drop++) {
        gba_dia_list *copy = malloc(sizeof *copy);
        uint32_t code = l->avp[drop].code;
        memset(copy, 0, sizeof *copy);
        for (size_t i = 0; i < l->n; i++)
            if (i != drop)
                gba_dia_add(copy, l->avp[i].code, l->avp[i].vendor, l->avp[i].depth, l->avp[i].data);
        bool needed = code == 609 || code == 610 || code == 625 || code == 626 || code == 268 || code == 612;
        CU_ASSERT_EQUAL(gba_maa_read(copy, &back), needed ? GBA_E_SYNTAX : GBA_OK);
        gba_dia_list_wipe(copy);
        free(copy);
    }
    gba_dia_add(l, 612, 10415, 0, (gba_span){0});
    CU_ASSERT_EQUAL(gba_maa_read(l, &back), GBA_E_SYNTAX);
}

static void test_results(void)
{
    static const struct {
        gba_dia_result r;
        gba_err e;
    } cases[] = {
        {{2001, 0}, GBA_OK},          {{2002, 0}, GBA_OK},        {{5401, 10415}, GBA_E_UNKNOWN},
        {{5001, 10415}, GBA_E_UNKNOWN}, {{5402, 10415}, GBA_E_FORBIDDEN}, {{5403, 10415}, GBA_E_EXPIRED},
        {{5006, 10415}, GBA_E_FORBIDDEN}, {{3004, 0}, GBA_E_BUSY}, {{5012, 0}, GBA_E_AUTH},
        {{3002, 0}, GBA_E_IO},        {{4001, 0}, GBA_E_IO},      {{5001, 0}, GBA_E_CORRUPT},
        {{5003, 0}, GBA_E_CORRUPT},   {{5401, 0}, GBA_E_CORRUPT}, {{2001, 9}, GBA_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_EQUAL(gba_dia_meaning(cases[i].r), cases[i].e);
    gba_maa m = {.result = {5401, 10415}}, back;
    gba_dia_list *l = fresh();
    CU_ASSERT_EQUAL(gba_maa_write(&m, l), GBA_OK);
    CU_ASSERT_PTR_NULL(nth(l, 268, 0)); /* exactly one of the two */
    CU_ASSERT(t_is(nth(l, 266, 0)->data, "000028af") && nth(l, 266, 0)->depth == 1);
    CU_ASSERT(t_is(nth(l, 298, 0)->data, "00001519"));
    CU_ASSERT_EQUAL(gba_maa_read(l, &back), GBA_OK);
    CU_ASSERT(back.result.code == 5401 && back.result.vendor == 10415 && !back.vector);
    CU_ASSERT_STRING_EQUAL(gba_dia_result_name(back.result), "DIAMETER_ERROR_IDENTITY_UNKNOWN");
}

static void add_result(gba_dia_list *l, uint32_t code)
{
    gba_dia_add_u32(l, 268, 0, 0, code);
}

static void add_experimental(gba_dia_list *l, uint32_t code)
{
    gba_dia_add(l, 297, 0, 0, (gba_span){0});
    gba_dia_add_u32(l, 266, 0, 1, 10415);
    gba_dia_add_u32(l, 298, 0, 1, code);
}

/* RFC 6733 7.1, 7.6: exactly one of Result-Code and Experimental-Result, this with its vendor and its code. */
static void test_one_result(void)
{
    gba_dia_list *key = gba_dia_list_new();
    gba_bia b = {.result = {2001, 0}, .expires = 1800003600}, bia;
    gba_maa m = vector_maa(), maa;

    b.me = t_secret("1cff4c7f43f9ad1f9be2ccd3c7ca4db77d65a3bb35a5d2dbbb9b8b3d5a5c7f00");
    for (int i = 0; i < 6; i++) {
        gba_dia_list *l = fresh();
        gba_dia_list_wipe(key);
        CU_ASSERT(gba_maa_write(&m, l) == GBA_OK && gba_bia_write(&b, key) == GBA_OK);
        for (int k = 0; k < 2; k++) {
            gba_dia_list *to = k ? key : l;
            if (i == 1)
                add_experimental(to, 5401);
            else if (i == 2)
                add_experimental(to, 2001);
            else if (i == 3)
                add_result(to, 2001);
            else if (i == 4)
                gba_dia_add(to, 297, 0, 0, (gba_span){0});
            else if (i == 5)
                gba_dia_add_u32(to, 266, 0, 0, 10415); /* one at the top is no part of a result */
        }
        bool one = i == 0 || i == 5;
        CU_ASSERT_EQUAL(gba_maa_read(l, &maa), one ? GBA_OK : GBA_E_SYNTAX);
        CU_ASSERT_EQUAL(gba_bia_read(key, &bia), one ? GBA_OK : GBA_E_SYNTAX);
    }
    /* the refusal first: it must not turn into a success by what follows, nor the other way round */
    gba_dia_list *l = fresh();
    add_experimental(l, 5402);
    add_result(l, 2001);
    CU_ASSERT(gba_maa_read(l, &maa) == GBA_E_SYNTAX && gba_bia_read(l, &bia) == GBA_E_SYNTAX);
    l = fresh();
    add_experimental(l, 5402);
    add_experimental(l, 5403);
    CU_ASSERT(gba_maa_read(l, &maa) == GBA_E_SYNTAX && gba_bia_read(l, &bia) == GBA_E_SYNTAX);
    for (int part = 0; part < 2; part++) { /* without its vendor, or its code */
        l = fresh();
        gba_dia_add(l, 297, 0, 0, (gba_span){0});
        gba_dia_add_u32(l, part ? 266 : 298, 0, 1, part ? 10415 : 5403);
        CU_ASSERT(gba_maa_read(l, &maa) == GBA_E_SYNTAX && gba_bia_read(l, &bia) == GBA_E_SYNTAX);
    }
    l = fresh();
    gba_dia_add(l, 297, 0, 0, (gba_span){0});
    gba_dia_add_u32(l, 266, 0, 1, 0); /* a vendor that is none: Result-Code under another name */
    gba_dia_add_u32(l, 298, 0, 1, 5403);
    CU_ASSERT(gba_maa_read(l, &maa) == GBA_E_SYNTAX && gba_bia_read(l, &bia) == GBA_E_SYNTAX);
    gba_dia_list_wipe(key);
    free(key);
}

/* What may stand once, twice: SYNTAX in each of the four messages; GAA-Service-Identifier may repeat. */
static void test_repeated(void)
{
    gba_mar r = {.guss_timestamp = 1221045133, .resync = true}, mar;
    gba_maa m = vector_maa(), maa;
    gba_bir q = {.n_gsids = 2, .gsids = {1, 4}, .gba_u_aware = true}, bir;
    gba_bia b = {.result = {2001, 0}, .expires = 1800003600, .created = 1800000000}, bia;
    uint32_t missing;

    strcpy(r.impi.s, "a@b");
    m.impi = b.impi = r.impi;
    strcpy(q.btid.s, "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.example.test");
    strcpy(q.naf.fqdn.s, "naf.example.test");
    b.me = t_secret("1cff4c7f43f9ad1f9be2ccd3c7ca4db77d65a3bb35a5d2dbbb9b8b3d5a5c7f00");
    b.uss_list = gba_str("<ussList/>");
    for (int which = 0; which < 4; which++) {
        size_t n = 1;
        for (size_t twice = 0; twice < n; twice++) {
            gba_dia_list *l = fresh(), *two = gba_dia_list_new();
            gba_err e = which == 0   ? gba_mar_write(&r, l)
                        : which == 1 ? gba_maa_write(&m, l)
                        : which == 2 ? gba_bir_write(&q, l)
                                     : gba_bia_write(&b, l);
            CU_ASSERT_EQUAL(e, GBA_OK);
            n = l->n;
            for (size_t i = 0; i < n; i++)
                for (int k = 0; k < (i == twice ? 2 : 1); k++)
                    gba_dia_add(two, l->avp[i].code, l->avp[i].vendor, l->avp[i].depth, l->avp[i].data);
            bool may = l->avp[twice].code == 403 || l->avp[twice].code == 277; /* 277: none of ours to read */
            e = which == 0   ? gba_mar_read(two, &mar, &missing)
                : which == 1 ? gba_maa_read(two, &maa)
                : which == 2 ? gba_bir_read(two, &bir, &missing)
                             : gba_bia_read(two, &bia);
            if (e != (may ? GBA_OK : GBA_E_SYNTAX))
                CU_FAIL(fprintf(stderr, "message %d, AVP %u twice: %s\n", which, l->avp[twice].code, gba_err_name(e)));
            gba_dia_list_wipe(two);
            free(two);
        }
    }
}

static void test_bir(void)
{
    gba_bir b = {.n_gsids = 2, .gsids = {1, 4294967295u}, .gba_u_aware = true}, back;
    gba_dia_list *l = fresh();
    uint32_t missing;
    strcpy(b.btid.s, "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.example.test");
    strcpy(b.naf.fqdn.s, "naf.example.test");
    memcpy(b.naf.ua.o, "\x01\x00\x00\x00\x02", 5);
    CU_ASSERT_EQUAL(gba_bir_write(&b, l), GBA_OK);
    CU_ASSERT(t_is(nth(l, 402, 0)->data, "6e61662e6578616d706c652e746573740100000002"));
    CU_ASSERT(gba_span_eq(nth(l, 403, 1)->data, gba_str("4294967295"))); /* decimal text */
    CU_ASSERT(gba_span_eq(nth(l, 401, 0)->data, gba_str(b.btid.s)));
    CU_ASSERT_EQUAL(gba_bir_read(l, &back, &missing), GBA_OK);
    CU_ASSERT(back.n_gsids == 2 && back.gsids[1] == 4294967295u && back.gba_u_aware && back.naf.ua.o[4] == 2);
    gba_dia_add(l, 403, 10415, 0, gba_str("4294967296"));
    CU_ASSERT_EQUAL(gba_bir_read(l, &back, &missing), GBA_E_SYNTAX);

    l = fresh();
    gba_dia_add(l, 401, 10415, 0, gba_str(b.btid.s));
    CU_ASSERT(gba_bir_read(l, &back, &missing) == GBA_E_SYNTAX && missing == 402);
    l = fresh();
    gba_dia_add(l, 402, 10415, 0, t_hex("6e61662e6578616d706c652e746573740100000002"));
    CU_ASSERT(gba_bir_read(l, &back, &missing) == GBA_E_SYNTAX && missing == 401);
    gba_dia_add(l, 401, 10415, 0, gba_str("two words"));
    CU_ASSERT(gba_bir_read(l, &back, &missing) == GBA_E_SYNTAX && missing == 0);
}

static void test_bia(void)
{
    gba_bia b = {.result = {2001, 0}, .expires = 1800003600, .created = 1800000000, .gba_type = 0}, back;
    gba_dia_list *l = fresh();
    b.me = t_secret("1cff4c7f43f9ad1f9be2ccd3c7ca4db77d65a3bb35a5d2dbbb9b8b3d5a5c7f00");
    b.uss_list = gba_str("<ussList/>");
    CU_ASSERT_EQUAL(gba_bia_write(&b, l), GBA_OK);
    CU_ASSERT_PTR_NULL(nth(l, 1, 0)); /* no IMPI unless it is released */
    CU_ASSERT_PTR_NULL(nth(l, 406, 0));
    CU_ASSERT_EQUAL(gba_bia_read(l, &back), GBA_OK);
    CU_ASSERT(gba_secret_eq(&back.me, &b.me) && back.expires == b.expires && back.created == b.created);
    gba_bia_wipe(&back);
    l = fresh();
    gba_dia_add_u32(l, 268, 0, 0, 2001);
    CU_ASSERT_EQUAL(gba_bia_read(l, &back), GBA_E_SYNTAX); /* success without a key is none */
    l = fresh();
    gba_dia_add(l, 297, 0, 0, (gba_span){0});
    gba_dia_add_u32(l, 266, 0, 1, 10415);
    gba_dia_add_u32(l, 298, 0, 1, 5403);
    CU_ASSERT_EQUAL(gba_bia_read(l, &back), GBA_OK);
    CU_ASSERT_EQUAL(gba_dia_meaning(back.result), GBA_E_EXPIRED);
}

/* RFC 6733 4.3.1: 2036-02-07T06:28:16Z is 0 again. */
static void test_time(void)
{
    CU_ASSERT_EQUAL(gba_dia_time(0), 2208988800u);
    CU_ASSERT_EQUAL(gba_dia_time(2085978495), 4294967295u);
    CU_ASSERT_EQUAL(gba_dia_time(2085978496), 0);
    CU_ASSERT_EQUAL(gba_dia_unix(0), 2085978496);
    CU_ASSERT_EQUAL(gba_dia_unix(4294967295u), 2085978495);
    for (int64_t t = 0; t < 4000000000; t += 86399987)
        CU_ASSERT_EQUAL(gba_dia_unix(gba_dia_time(t)), t);
}

/* More than fits is an error of the whole, never a cut. */
static void test_bounds(void)
{
    gba_dia_list *l = fresh();
    for (int i = 0; i < GBA_DIA_AVPS; i++)
        gba_dia_add_u32(l, 277, 0, 0, 1);
    CU_ASSERT_EQUAL(l->err, GBA_OK);
    gba_dia_add_u32(l, 277, 0, 0, 1);
    CU_ASSERT(l->err == GBA_E_SPACE && l->n == GBA_DIA_AVPS);
    l = fresh();
    static uint8_t big[sizeof l->store + 1];
    gba_dia_add(l, 400, 10415, 0, GBA_SPAN(big));
    CU_ASSERT(l->err == GBA_E_SPACE && l->n == 0);
}

T_MAIN("diameter", {"dictionary", test_dictionary}, {"MAR", test_mar}, {"MAR refused", test_mar_refusals},
       {"MAA", test_maa}, {"results", test_results}, {"one result", test_one_result}, {"repeated AVPs", test_repeated},
       {"BIR", test_bir}, {"BIA", test_bia}, {"Time", test_time}, {"bounds", test_bounds})
