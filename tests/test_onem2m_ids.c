/* SPDX-License-Identifier: Apache-2.0 */
/* test_onem2m_ids.c - the frameworks' table, identifiers, PSK identities, keys from Ke, the HTTP binding. */
#include <gba/onem2m.h>
#include <stdio.h>
#include <string.h>
#include "t_main.h"

static gba_m2m_id cse;
static gba_fqdn bsf[1], maf[2], mef[1], own;

static void setup(void)
{
    CU_ASSERT_EQUAL_FATAL(gba_m2m_id_parse(gba_str("//sp.example.com/in-cse"), NULL, &cse), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str("bsf.home1.net"), &bsf[0]), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str("maf.example.com"), &maf[0]), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str("maf2.example.com"), &maf[1]), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str("mef.example.com"), &mef[0]), GBA_OK);
}

static void test_rows(void)
{
    static const char *const names[] = {"SAEF 1", "SAEF 2", "SAEF 3", "SAEF 4", "SBF 1", "SBF 2", "SBF 3"};
    for (int i = 0; i < GBA_M2M_FRAMEWORKS; i++) {
        const gba_m2m_row *r = gba_m2m_row_of((gba_m2m_framework)i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r);
        CU_ASSERT_STRING_EQUAL(r->name, names[i]);
        CU_ASSERT(r->title && r->word && r->credential_text && r->with && r->a_identifier && r->b_identifier);
        CU_ASSERT_EQUAL(r->bootstrap, i >= GBA_M2M_SBF_1);
        CU_ASSERT_PTR_NOT_NULL(gba_m2m_credential_type_text(r->credential_type));
        CU_ASSERT(*gba_m2m_teller_text(r->teller) && *gba_m2m_lifetime_text(r->lifetime));
    }
    CU_ASSERT_PTR_NULL(gba_m2m_row_of(GBA_M2M_FRAMEWORKS));
    CU_ASSERT_STRING_EQUAL(gba_m2m_row_of(GBA_M2M_SAEF_3)->export_label, "EXPORTER-oneM2M-Connection");
    CU_ASSERT_STRING_EQUAL(gba_m2m_row_of(GBA_M2M_SBF_2)->export_label, "EXPORTER-oneM2M-Bootstrap");
    CU_ASSERT_PTR_NULL(gba_m2m_row_of(GBA_M2M_SBF_3)->export_label);
}

static void test_ids(void)
{
    static const struct {
        const char *in;
        gba_m2m_id_kind kind;
        const char *absolute, *fqdn;
    } good[] = {
        {"//SP.example.com/cse1", GBA_M2M_ID_CSE, "//sp.example.com/cse1", "cse1.sp.example.com"},
        {"/cse-mn1", GBA_M2M_ID_CSE, "//sp.example.com/cse-mn1", "cse-mn1.sp.example.com"},
        {"/C123", GBA_M2M_ID_CSE, "//sp.example.com/C123", "c123.sp.example.com"},
        {"/S123", GBA_M2M_ID_AE_S, "//sp.example.com/S123", "s123.sp.example.com"},
        {"S123", GBA_M2M_ID_AE_S, "//sp.example.com/S123", "s123.sp.example.com"},
        {"Cae1", GBA_M2M_ID_AE_C, "//sp.example.com/in-cse/Cae1", "cae1.in-cse.sp.example.com"},
        {"/in-cse/Cae1", GBA_M2M_ID_AE_C, "//sp.example.com/in-cse/Cae1", "cae1.in-cse.sp.example.com"},
        {"//other.net/x/Cae1", GBA_M2M_ID_AE_C, "//other.net/x/Cae1", "cae1.x.other.net"},
    };
    static const char *const bad[] = {"", "/", "//", "///x", "//sp.example.com", "//sp.example.com/", "C", "S", "ae1", "cae",
                                      "/in-cse/", "/in-cse/x1", "/in-cse/S1", "/in-cse/C1/x", "/..", "/a b", "/a%41",
                                      "//s p/cse", "/cse\"", "//sp.example.com//C1", "S1/x"};
    char text[GBA_M2M_ID_MAX + 1];
    gba_m2m_id id, back;
    gba_fqdn f;

    setup();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CU_ASSERT_EQUAL_FATAL(gba_m2m_id_parse(gba_str(good[i].in), &cse, &id), GBA_OK);
        CU_ASSERT_EQUAL(id.kind, good[i].kind);
        CU_ASSERT_EQUAL(gba_m2m_id_print(&id, GBA_M2M_ABSOLUTE, text), GBA_OK);
        CU_ASSERT_STRING_EQUAL(text, good[i].absolute);
        CU_ASSERT_EQUAL(gba_m2m_id_fqdn(&id, &f), GBA_OK);
        CU_ASSERT_STRING_EQUAL(f.s, good[i].fqdn);
        CU_ASSERT_EQUAL(gba_m2m_id_parse(gba_str(text), NULL, &back), GBA_OK);
        CU_ASSERT_TRUE(gba_m2m_id_eq(&id, &back));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_NOT_EQUAL(gba_m2m_id_parse(gba_str(bad[i]), &cse, &id), GBA_OK);
        CU_ASSERT_EQUAL(id.kind, GBA_M2M_ID_NONE);
    }
    CU_ASSERT_NOT_EQUAL(gba_m2m_id_parse(gba_str("/cse"), NULL, &id), GBA_OK);
    CU_ASSERT_NOT_EQUAL(gba_m2m_id_parse(gba_mem("//sp.example.com/c\0d", 20), NULL, &id), GBA_OK);
    CU_ASSERT_EQUAL(gba_m2m_entity_parse(gba_str("MAF.example.com"), &id), GBA_OK);
    CU_ASSERT(id.kind == GBA_M2M_ID_FQDN && !strcmp(id.sp.s, "maf.example.com"));
    CU_ASSERT_NOT_EQUAL(gba_m2m_entity_parse(gba_str("/cse"), &id), GBA_OK);
    CU_ASSERT_FALSE(gba_m2m_id_eq(&id, &id));
}

/* ---- key identifiers and PSK identities ---- */
#define HEX "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define HEXU "0F1E2D3C4B5A69788796A5B4C3D2E1F0"

static void test_key_ids(void)
{
    gba_m2m_key_id a, b;
    char text[GBA_M2M_KEY_ID_MAX + 1];

    setup();
    CU_ASSERT_EQUAL(gba_m2m_key_id_parse(gba_str(HEX "@MAF.example.com"), &a), GBA_OK);
    CU_ASSERT_TRUE(a.hex16);
    CU_ASSERT_EQUAL(gba_m2m_key_id_print(&a, text), GBA_OK);
    CU_ASSERT_STRING_EQUAL(text, HEXU "@maf.example.com");
    CU_ASSERT_EQUAL(gba_m2m_key_id_make(gba_str(HEXU), &maf[0], &b), GBA_OK);
    CU_ASSERT_TRUE(gba_m2m_key_id_eq(&a, &b));
    CU_ASSERT_EQUAL(gba_m2m_key_id_parse(gba_str("Key_1.a-b@maf.example.com"), &a), GBA_OK);
    CU_ASSERT_EQUAL(gba_m2m_key_id_parse(gba_str("key_1.A-B@maf.example.com"), &b), GBA_OK);
    CU_ASSERT_TRUE(gba_m2m_key_id_eq(&a, &b));
    static const char *const bad[] = {"", "@", "x", "@maf.example.com", "a@", "a b@x.y", "a/b@x.y", "a@b@c", "a@-x", "a@x y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_NOT_EQUAL(gba_m2m_key_id_parse(gba_str(bad[i]), &a), GBA_OK);
}

static void identify(gba_m2m_at at, const char *text, gba_err want, gba_m2m_psk form, const char *key)
{
    gba_m2m_domains d = {.at = at, .own = at == GBA_M2M_AT_CSE ? NULL : &own, .bsf = bsf, .n_bsf = 1,
                         .maf = maf, .n_maf = at == GBA_M2M_AT_CSE ? 2 : 0, .mef = mef,
                         .n_mef = at == GBA_M2M_AT_MEF ? 0 : 1};
    gba_m2m_identity id;
    gba_err e = gba_m2m_identify(&d, gba_str(text), &id);

    if (e != want || id.form != form || (key && strcmp(id.text, key) != 0))
        printf("\n%s at %d: error %s, form %d, key '%s'\n", text, at, gba_err_name(e), id.form, id.text);
    CU_ASSERT_EQUAL(e, want);
    CU_ASSERT_EQUAL(id.form, form);
    if (key)
        CU_ASSERT_STRING_EQUAL(id.text, key);
}

static void test_identify(void)
{
    const char *btid = "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net";
    gba_m2m_identity id;

    setup();
    identify(GBA_M2M_AT_CSE, btid, GBA_OK, GBA_M2M_PSK_BTID, btid);
    identify(GBA_M2M_AT_CSE, "3GPP-bootstrapping;I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net", GBA_OK, GBA_M2M_PSK_BTID, btid);
    identify(GBA_M2M_AT_CSE, "3GPP-bootstrapping;x@evil.net", GBA_E_FORBIDDEN, GBA_M2M_PSK_NONE, "");
    identify(GBA_M2M_AT_CSE, HEX "@maf2.example.com", GBA_OK, GBA_M2M_PSK_KC, HEXU "@maf2.example.com");
    identify(GBA_M2M_AT_CSE, HEXU "@MEF.example.com", GBA_OK, GBA_M2M_PSK_KE, HEXU "@mef.example.com");
    identify(GBA_M2M_AT_CSE, "name@maf.example.com", GBA_E_SYNTAX, GBA_M2M_PSK_NONE, "");
    identify(GBA_M2M_AT_CSE, "name@mef.example.com", GBA_E_SYNTAX, GBA_M2M_PSK_NONE, "");
    identify(GBA_M2M_AT_CSE, "Key-1@issuer.example.com", GBA_OK, GBA_M2M_PSK_KPSA, "Key-1@issuer.example.com");
    identify(GBA_M2M_AT_CSE, HEX "@evil.net", GBA_OK, GBA_M2M_PSK_KPSA, NULL); /* not in the store then, and no query */
    identify(GBA_M2M_AT_CSE, "nodomain", GBA_E_SYNTAX, GBA_M2M_PSK_NONE, "");
    identify(GBA_M2M_AT_CSE, "", GBA_E_SYNTAX, GBA_M2M_PSK_NONE, "");
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str("maf.example.com"), &own), GBA_OK);
    identify(GBA_M2M_AT_MAF, "Km-1@maf.example.com", GBA_OK, GBA_M2M_PSK_KM, "km-1@maf.example.com");
    identify(GBA_M2M_AT_MAF, HEX "@mef.example.com", GBA_OK, GBA_M2M_PSK_KE, HEXU "@mef.example.com");
    identify(GBA_M2M_AT_MAF, btid, GBA_OK, GBA_M2M_PSK_BTID, btid);
    identify(GBA_M2M_AT_MAF, "Km-1@maf2.example.com", GBA_E_FORBIDDEN, GBA_M2M_PSK_NONE, "");
    identify(GBA_M2M_AT_MAF, HEX "@mef2.example.com", GBA_E_FORBIDDEN, GBA_M2M_PSK_NONE, "");
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str("mef.example.com"), &own), GBA_OK);
    identify(GBA_M2M_AT_MEF, "kpm1@mef.example.com", GBA_OK, GBA_M2M_PSK_KPM, "kpm1@mef.example.com");
    identify(GBA_M2M_AT_MEF, "kpm1@maf.example.com", GBA_E_FORBIDDEN, GBA_M2M_PSK_NONE, "");
    gba_m2m_domains d = {.at = GBA_M2M_AT_CSE};
    CU_ASSERT_EQUAL(gba_m2m_identify(&d, gba_mem("a\0b@x.y", 7), &id), GBA_E_SYNTAX);
    d = (gba_m2m_domains){.at = GBA_M2M_AT_CSE, .maf = maf, .n_maf = 2, .mef = &maf[1], .n_mef = 1};
    CU_ASSERT_PTR_EQUAL(gba_m2m_domains_clash(&d), &maf[1]);
    d.n_mef = 0;
    CU_ASSERT_PTR_NULL(gba_m2m_domains_clash(&d));
}

static void test_credential_id(void)
{
    char text[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    unsigned type;
    gba_span value;

    CU_ASSERT_EQUAL(gba_m2m_credential_id(10, gba_str("thiskey@mymef.com"), text), GBA_OK);
    CU_ASSERT_STRING_EQUAL(text, "10-thiskey@mymef.com"); /* the example of TS-0003 10.4 */
    CU_ASSERT_EQUAL(gba_m2m_credential_id_parse(gba_str(text), &type, &value), GBA_OK);
    CU_ASSERT(type == 10 && gba_span_eq(value, gba_str("thiskey@mymef.com")));
    CU_ASSERT_NOT_EQUAL(gba_m2m_credential_id(17, gba_str("x"), text), GBA_OK);
    CU_ASSERT_NOT_EQUAL(gba_m2m_credential_id(12, gba_str("a b"), text), GBA_OK);
    CU_ASSERT_NOT_EQUAL(gba_m2m_credential_id(12, gba_str(""), text), GBA_OK);
    CU_ASSERT_NOT_EQUAL(gba_m2m_credential_id_parse(gba_str("99-x"), &type, &value), GBA_OK);
    CU_ASSERT_NOT_EQUAL(gba_m2m_credential_id_parse(gba_str("12x"), &type, &value), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(gba_m2m_suid_text(32));
    CU_ASSERT_PTR_NULL(gba_m2m_suid_text(20));
    CU_ASSERT_PTR_NULL(gba_m2m_suid_text(31));
}

/* ---- keys ---- */
static void key_is(gba_m2m_kdf kdf, unsigned suid, const char *target, const char *hex)
{
    gba_secret ke = {.n = 32}, key = {0};
    gba_m2m_id id;
    char text[65];

    for (int i = 0; i < 32; i++)
        ke.o[i] = (uint8_t)i;
    CU_ASSERT_EQUAL_FATAL(gba_m2m_entity_parse(gba_str(target), &id), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_m2m_key_from_ke(kdf, &ke, suid, &id, &key), GBA_OK);
    gba_hex_encode(key.o, key.n, text);
    CU_ASSERT_STRING_EQUAL(text, hex);
}

static void test_keys(void)
{
    gba_secret ke = {.n = 32}, key;
    gba_m2m_id id;

    setup();
    /* computed outside this project with Python's hmac */
    key_is(GBA_M2M_KDF_2014, 21, "maf.example.com", "3055bf32dd9c95586aaffa2ae2e165dfeffd0803566e16bdd343171457da8a5e");
    key_is(GBA_M2M_KDF_2014, 22, "//sp.example.com/cse1",
           "0aa013cc8b374f98de90055eeb9f59c2e2d322af64888b8d3459433fc03639a3");
    key_is(GBA_M2M_KDF_USAGE, 21, "maf.example.com", "f8610e4d1a428f72308e2941f53a1a0fdc1afa7b1dde3ec59fc52381dcbeb66a");
    key_is(GBA_M2M_KDF_USAGE, 22, "//in.sp.example.com/cse1",
           "3258bf3daa9969cd69486937926eca9b8bf74558562c088272648929d3ba0bc6");
    CU_ASSERT_EQUAL_FATAL(gba_m2m_entity_parse(gba_str("maf.example.com"), &id), GBA_OK);
    CU_ASSERT_EQUAL(gba_m2m_key_from_ke(GBA_M2M_KDF_2014, &ke, 24, &id, &key), GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(gba_m2m_key_from_ke(GBA_M2M_KDF_USAGE, &ke, 31, &id, &key), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_m2m_expiry(100, 0), 100);
    CU_ASSERT_EQUAL(gba_m2m_expiry(100, 99), 99);
    CU_ASSERT_EQUAL(gba_m2m_expiry(100, 101), 100);
    CU_ASSERT_EQUAL(gba_m2m_expiry(0, 7), 7);
}

static void test_time(void)
{
    char text[GBA_M2M_TIME_TEXT];
    int64_t t = 0;

    CU_ASSERT_EQUAL(gba_m2m_time_parse(gba_str("20270101T000000"), &t), GBA_OK);
    CU_ASSERT_EQUAL(t, 1798761600);
    CU_ASSERT_EQUAL(gba_m2m_time_print(t, text), GBA_OK);
    CU_ASSERT_STRING_EQUAL(text, "20270101T000000");
    CU_ASSERT_EQUAL(gba_m2m_time_parse(gba_str("20270101T000000,123456"), &t), GBA_OK);
    static const char *const bad[] = {"", "20270101", "20270101 000000", "20271301T000000", "20270101T000000Z",
                                      "20270101T000000,", "2027010xT000000", "20270101T000000,1234567", "20270101T250000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_NOT_EQUAL(gba_m2m_time_parse(gba_str(bad[i]), &t), GBA_OK);
}

/* ---- HTTP ---- */
static unsigned parse(const char *method, const char *target, const char *type, gba_m2m_request *r)
{
    gba_m2m_http h = {.method = gba_str(method), .target = gba_str(target), .origin = gba_str("Cae1"), .rvi = gba_str("3")};
    if (type)
        h.content_type = gba_str(type);
    return gba_m2m_http_parse(&h, r);
}

static void test_http(void)
{
    static const struct {
        const char *target, *to;
    } good[] = {{"/cse-in", "cse-in"}, {"/cse-in/", "cse-in"}, {"/~/in-cse/x", "/in-cse/x"}, {"/_/sp.net/cse/x?rcn=1", "//sp.net/cse/x"},
                {"/%63se-in", "cse-in"}, {"/%7E/other/x", "/other/x"}, {"https://h:1/cse-in/a?x=1", "cse-in/a"}, {"/-/cnt/la", "-/cnt/la"}};
    static const char *const bad[] = {"", "*", "cse", "/", "//", "//x", "/a//b", "/a/./b", "/a/../b", "/..", "/a%2fb", "/a%00", "/a%2",
                                      "/a%zz", "/a b", "/a\\b", "/~", "/_", "/~//x", "/a#b", "/a;b", "/a?b c", "/%2e%2e/x", "/a?b#c"};
    gba_m2m_request r;
    char out[64];
    size_t n = sizeof out;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CU_ASSERT_EQUAL(parse("GET", good[i].target, NULL, &r), 0);
        CU_ASSERT_STRING_EQUAL(r.to, good[i].to);
        CU_ASSERT_EQUAL(r.op, GBA_M2M_RETRIEVE);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(parse("GET", bad[i], NULL, &r), 4000);
    CU_ASSERT_EQUAL(parse("POST", "/x", "application/json;ty=2", &r), 0);
    CU_ASSERT(r.op == GBA_M2M_CREATE && r.ty == 2 && r.media == GBA_M2M_MEDIA_JSON);
    CU_ASSERT_EQUAL(parse("POST", "/x", "application/vnd.onem2m-res+json; charset=utf-8; ty=60005", &r), 0);
    CU_ASSERT(r.op == GBA_M2M_CREATE && r.ty == 60005);
    CU_ASSERT_EQUAL(parse("POST", "/x", "application/vnd.onem2m-ntfy+xml", &r), 0);
    CU_ASSERT(r.op == GBA_M2M_NOTIFY && r.media == GBA_M2M_MEDIA_XML);
    CU_ASSERT_EQUAL(parse("PUT", "/x", "application/json", &r), 0);
    CU_ASSERT_EQUAL(r.op, GBA_M2M_UPDATE);
    CU_ASSERT_EQUAL(parse("DELETE", "/x", NULL, &r), 0);
    CU_ASSERT_EQUAL(r.op, GBA_M2M_DELETE);
    CU_ASSERT_EQUAL(parse("PATCH", "/x", NULL, &r), 4005);
    CU_ASSERT_EQUAL(parse("POST", "/x", "text/plain;ty=2", &r), 4015);
    /* a whole request primitive is nothing that the guard could judge; a response is told, nothing else */
    static const char *const media[] = {"json", "xml", "cbor"};
    for (size_t i = 0; i < 3; i++) {
        char type[64];
        snprintf(type, sizeof type, "Application/VND.onem2m-Preq+%s", media[i]);
        CU_ASSERT_EQUAL(parse("POST", "/x", type, &r), 4015);
        CU_ASSERT_EQUAL(parse("PUT", "/x", type, &r), 4015);
        CU_ASSERT_EQUAL(parse("GET", "/x", type, &r), 4015);
        snprintf(type, sizeof type, "application/vnd.onem2m-preq+%s; ty=2", media[i]);
        CU_ASSERT_EQUAL(parse("POST", "/x", type, &r), 4015);
        snprintf(type, sizeof type, "application/vnd.onem2m-prsp+%s", media[i]);
        CU_ASSERT_EQUAL(parse("POST", "/x", type, &r), 0);
        CU_ASSERT_EQUAL(r.op, GBA_M2M_NOTIFY);
        CU_ASSERT_EQUAL(parse("PUT", "/x", type, &r), 4000);
        snprintf(type, sizeof type, "application/vnd.onem2m-prsp+%s;ty=2", media[i]);
        CU_ASSERT_EQUAL(parse("POST", "/x", type, &r), 4000);
        snprintf(type, sizeof type, "application/vnd.onem2m-ntfy+%s;ty=2", media[i]);
        CU_ASSERT_EQUAL(parse("POST", "/x", type, &r), 4000);
    }
    static const char *const types[] = {"application/json;ty=", "application/json;ty=2;ty=3", "application/json;ty=\"2\"",
                                        "application/json;ty=0", "application/json;ty=99999", "application/json;ty =2"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        CU_ASSERT_EQUAL(parse("POST", "/x", types[i], &r), 4000);
    CU_ASSERT_EQUAL(parse("PUT", "/x", "application/json;ty=2", &r), 4000);
    gba_m2m_http h = {.method = gba_str("GET"), .target = gba_str("/x"), .rvi = gba_str("9")};
    CU_ASSERT_EQUAL(gba_m2m_http_parse(&h, &r), 4001);
    h.rvi = gba_str("2a");
    CU_ASSERT_EQUAL(gba_m2m_http_parse(&h, &r), 0);
    CU_ASSERT(!r.has_from && !strcmp(r.release, "2a"));
    h.origin = gba_str("C ae");
    CU_ASSERT_EQUAL(gba_m2m_http_parse(&h, &r), 4000);
    static const char *const tos[][2] = {{"cse-in/x", "/cse-in/x"}, {"/cse/x", "/~/cse/x"}, {"//sp.net/cse/x", "/_/sp.net/cse/x"}};
    for (size_t i = 0; i < 3; i++) {
        n = sizeof out;
        CU_ASSERT_EQUAL(gba_m2m_http_target(gba_str(tos[i][0]), out, &n), GBA_OK);
        CU_ASSERT_STRING_EQUAL(out, tos[i][1]);
    }
    n = sizeof out;
    CU_ASSERT_NOT_EQUAL(gba_m2m_http_target(gba_str("a/../b"), out, &n), GBA_OK);
}

static void test_rsc(void)
{
    static const unsigned pairs[][2] = {{2000, 200}, {2001, 201}, {2002, 200}, {2004, 200}, {4000, 400}, {4001, 501},
                                        {4004, 404}, {4005, 405}, {4008, 504}, {4015, 415}, {4102, 400}, {4103, 403},
                                        {4105, 409}, {4106, 403}, {4107, 403}, {4117, 403}, {5000, 500}, {5001, 501},
                                        {5103, 404}, {5207, 406}, {9999, 500}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        CU_ASSERT_EQUAL(gba_m2m_rsc_http(pairs[i][0]), pairs[i][1]);
    CU_ASSERT_STRING_EQUAL(gba_m2m_rsc_name(4106), "ORIGINATOR_NOT_AUTHENTICATED");
}

/* E5: what a CSE assigned, also against TS-0001 7.2. */
static void assigned(void)
{
    static const struct {
        const char *in, *absolute; /* NULL: it cannot be a From */
    } rows[] = {{"CAE20261201T005254,1251162", "//sp.example.com/in-cse/CAE20261201T005254,1251162"},
                {"S;x", "//sp.example.com/S;x"},
                {"AE-7\"%?#", "//sp.example.com/in-cse/AE-7\"%?#"},
                {"//sp.example.com/in-cse/C,1", "//sp.example.com/in-cse/C,1"},
                {"/in-cse/C,1", "//sp.example.com/in-cse/C,1"},
                {"Cabc", "//sp.example.com/in-cse/Cabc"},
                {"C", NULL}, {"S", NULL}, {"", NULL}, {"C x", NULL}, {"C/x", NULL}, {"Cx\r\nX: y", NULL}, {"C\x7f", NULL},
                {"C\xc3\xa4", NULL}, {"..", NULL}, {"/in-cse/Sx", NULL}, {"/in,cse", NULL}, {"//sp.example.com/in,cse/Cx", NULL}};
    gba_m2m_id ours, id;
    char text[GBA_M2M_ID_MAX + 1];

    CU_ASSERT_EQUAL_FATAL(gba_m2m_id_parse(gba_str("//sp.example.com/in-cse"), NULL, &ours), GBA_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gba_err e = gba_m2m_id_parse_assigned(gba_str(rows[i].in), &ours, &id);
        CU_ASSERT_EQUAL(e == GBA_OK, rows[i].absolute != NULL);
        if (e == GBA_OK && rows[i].absolute)
            CU_ASSERT(gba_m2m_id_print(&id, GBA_M2M_ABSOLUTE, text) == GBA_OK && !strcmp(text, rows[i].absolute));
    }
}

T_MAIN("oneM2M identifiers", {"E5: an AE-ID as a CSE assigned it", assigned}, {"frameworks", test_rows}, {"CSE-ID and AE-ID", test_ids}, {"key identifiers", test_key_ids},
       {"PSK identities", test_identify}, {"Credential-ID and SUID", test_credential_id}, {"keys from Ke", test_keys},
       {"timestamps", test_time}, {"HTTP binding", test_http}, {"response status codes", test_rsc})
