/* SPDX-License-Identifier: Apache-2.0 */
/* test_maf.c - the MAF's resources: registrations, keys by export and by value, retrieval, every refusal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kms_kit.h"
#include "t_main.h"

#define A "//sp.example.com/mn1"
#define B "//sp.example.com/in"
#define X "//sp.example.com/mn2"
#define REG "application/json;ty=60003"
#define KEY "application/json;ty=60005"
#define ET "20270101T000000"
static kms_who *a, *b, *x;
static char reg[400];

static void open_maf(void)
{
    kit_open(&kms_maf, "maf.example.com");
    a = kit_client("km-a@maf.example.com", A, 0);
    b = kit_client("km-b@maf.example.com", B, 0);
    x = kit_client("km-x@maf.example.com", X, 0);
}

static void close_maf(void)
{
    kit_close();
    free(a);
    free(b);
    free(x);
}

static void register_a(void)
{
    CU_ASSERT_EQUAL_FATAL(kit_ask(a, A, "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\",\"lbl\":[\"x\"]}}"), 2001);
    snprintf(reg, sizeof reg, "%s", kit_answer.location);
}

static void test_registration(void)
{
    open_maf();
    register_a();
    CU_ASSERT_STRING_EQUAL(kit_text("cr"), A);
    CU_ASSERT_STRING_EQUAL(kit_text("adfq"), "adm.example.com");
    CU_ASSERT_STRING_EQUAL(kit_text("et"), "20261119T145320"); /* the server's limit */
    CU_ASSERT_STRING_EQUAL(kit_text("aski"), "");
    CU_ASSERT_EQUAL(kit_number("ty"), 60003);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 4117);
    CU_ASSERT_STRING_EQUAL(kit_answer.location, reg);
    /* another stakeholder: a registration of its own (8.8.1) */
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm2.example.com\"}}"), 2001);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", reg, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(x, X, "GET", reg, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(x, X, "DELETE", reg, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", reg, "application/json", "{\"sec:macr\":{\"et\":\"20261118T200000\"}}"), 2004);
    CU_ASSERT_STRING_EQUAL(kit_text("et"), "20261118T200000");
    CU_ASSERT_PTR_NULL(json_object_get(kit_json, "cr"));
    CU_ASSERT_PTR_NULL(json_object_get(kit_json, "lbl"));
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", reg, "application/json", "{\"sec:macr\":{}}"), 4000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", reg, "application/json", "{\"sec:macr\":{\"adfq\":\"x.y\"}}"), 4000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", reg, "application/xml", "<x/>"), 4015);
    kit_now += 86400; /* past its et */
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", reg, NULL, NULL), 4004);
    close_maf();
}

static void test_bad_input(void)
{
    static const char *const bad[] = {
        NULL, "", "{", "[]", "{}", "null", "{\"sec:macr\":1}", "{\"sec:mecr\":{\"et\":\"" ET "\",\"adfq\":\"a.b\"}}",
        "{\"sec:macr\":{\"et\":\"" ET "\"}}", "{\"sec:macr\":{\"adfq\":\"a.b\"}}", "{\"sec:macr\":{\"et\":\"tomorrow\",\"adfq\":\"a.b\"}}",
        "{\"sec:macr\":{\"et\":5,\"adfq\":\"a.b\"}}", "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"a b\"}}",
        "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"a.b\",\"cr\":\"" B "\"}}", "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"a.b\",\"ri\":\"x\"}}",
        "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"a.b\",\"aski\":\"x@y\"}}", "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"a.b\",\"lbl\":\"x\"}}",
        "{\"sec:macr\":{\"et\":\"" ET "\",\"et\":\"" ET "\",\"adfq\":\"a.b\"}}", "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"a.b\"},\"y\":1}",
        "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"a.b\",\"lbl\":[1]}}", "{\"sec:macr\":{\"et\":null,\"adfq\":\"a.b\"}}",
    };
    open_maf();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", REG, bad[i]), 4000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"20200101T000000\",\"adfq\":\"a.b\"}}"), 4102);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", "application/xml;ty=60003", "<x/>"), 4015);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", "application/json;ty=60004", "{}"), 4000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", "application/json", "{}"), 4005);
    CU_ASSERT_EQUAL(kit_ask(a, A, "DELETE", "/MAFBase", NULL, NULL), 4005);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MEFBase", NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase/../MAFBase", NULL, NULL), 4000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase/nothing", NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase/a/b/c/d", NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/fetchCredentials/00112233445566778899AABBCCDDEEFF@maf.example.com/21", NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "PATCH", "/MAFBase", NULL, NULL), 4005);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase", NULL, NULL), 2000);
    close_maf();
}

/* X-M2M-Origin is whom TLS authenticated, and nobody else. */
static void test_originator(void)
{
    open_maf();
    CU_ASSERT_EQUAL(kit_ask(a, B, "GET", "/MAFBase", NULL, NULL), 4106);
    CU_ASSERT_EQUAL(kit_ask(a, A "/Cx", "GET", "/MAFBase", NULL, NULL), 4106);
    CU_ASSERT_EQUAL(kit_ask(a, "maf.example.com", "GET", "/MAFBase", NULL, NULL), 4106);
    CU_ASSERT_EQUAL(kit_ask(a, "/mn1", "GET", "/MAFBase", NULL, NULL), 4000);
    CU_ASSERT_EQUAL(kit_ask(a, NULL, "GET", "/MAFBase", NULL, NULL), 4000);
    CU_ASSERT_EQUAL(kit_ask(NULL, A, "GET", "/MAFBase", NULL, NULL), 4107);
    /* an AE may speak as on Mca, by its stem */
    kms_who *ae = kit_client("ae@maf.example.com", "//sp.example.com/in/Cd", 0);
    CU_ASSERT_EQUAL(kit_ask(ae, "Cd", "GET", "/MAFBase", NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(ae, "/in/Cd", "GET", "/MAFBase", NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(ae, "Ce", "GET", "/MAFBase", NULL, NULL), 4106);
    CU_ASSERT_EQUAL(kit_ask(ae, "/mn1/Cd", "GET", "/MAFBase", NULL, NULL), 4000);
    kms_who_free(ae);
    /* names of a certificate */
    kms_who w = {.n_names = 3};
    w.name[0] = (tls_name){.kind = TLS_NAME_DNS, .text = "mn1.sp.example.com"};
    w.name[1] = (tls_name){.kind = TLS_NAME_URI, .text = "//sp.example.com/in/Cae"};
    w.name[2] = (tls_name){.kind = TLS_NAME_KEY, .text = "00"};
    CU_ASSERT_EQUAL(kit_ask(&w, A, "GET", "/MAFBase", NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(&w, "//sp.example.com/in/Cae", "GET", "/MAFBase", NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(&w, "mn1.sp.example.com", "GET", "/MAFBase", NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(&w, B, "GET", "/MAFBase", NULL, NULL), 4106);
    CU_ASSERT_EQUAL(kit_ask(&w, "//sp.example.com/in/Cother", "GET", "/MAFBase", NULL, NULL), 4106);
    CU_ASSERT_EQUAL(kit_ask(&w, "//sp.example.com/MN1", "GET", "/MAFBase", NULL, NULL), 4106);
    CU_ASSERT_EQUAL(kit_ask(&w, "//example.com/mn1.sp", "GET", "/MAFBase", NULL, NULL), 4106);
    /* a credential that is removed, or runs out, ends open connections */
    a->expires = kit_now + 10;
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase", NULL, NULL), 2000);
    kit_now += 10;
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase", NULL, NULL), 4106);
    size_t failed;
    store_op op = {.type = STORE_TAKE, .kind = STORE_MAF, .key = gba_str("km-b@maf.example.com")};
    CU_ASSERT_EQUAL(store_write(kit_store, &op, 1, kit_now, &failed), GBA_OK);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", "/MAFBase", NULL, NULL), 4106);
    close_maf();
}

#define SKR(MORE) "{\"sec:skr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"" MORE "}}"
#define SAEF ",\"suid\":32,\"tgis\":[\"" B "\"]"
#define REL "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"

static void test_export(void)
{
    char b64[64];

    open_maf();
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 4103); /* no client registration */
    register_a();
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    CU_ASSERT_STRING_EQUAL(kit_answer.location, "/MAFBase/" REL);
    CU_ASSERT_STRING_EQUAL(kit_text("rn"), REL);
    CU_ASSERT_PTR_NULL(json_object_get(kit_json, "kv"));
    CU_ASSERT_EQUAL(kit_number("suid"), 32);
    /* the same export again: in the same session, or whoever has it */
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 4105);
    kit_export_err = GBA_E_FORBIDDEN; /* a resumed session */
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 4107);
    kit_export_err = GBA_OK;
    /* retrieval: the target with the key, the creator without, nobody else */
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", "/MAFBase/" REL, NULL, NULL), 2000);
    gba_b64_encode(kit_exported + 16, 32, b64);
    CU_ASSERT_STRING_EQUAL(kit_text("kv"), b64);
    CU_ASSERT_STRING_EQUAL(kit_text("cr"), A);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", "/MAFBase/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf", NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase/" REL, NULL, NULL), 2000);
    CU_ASSERT_PTR_NULL(json_object_get(kit_json, "kv"));
    CU_ASSERT_EQUAL(kit_ask(x, X, "GET", "/MAFBase/" REL, NULL, NULL), 4103);
    CU_ASSERT_PTR_NULL(kit_answer.body);
    CU_ASSERT_EQUAL(kit_ask(x, X, "DELETE", "/MAFBase/" REL, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(b, B, "DELETE", "/MAFBase/" REL, NULL, NULL), 4103);
    CU_ASSERT_EQUAL(kit_ask(b, B, "PUT", "/MAFBase/" REL, "application/json", "{\"sec:skr\":{\"tgis\":[\"" X "\"]}}"), 4103);
    /* update: another target */
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", "/MAFBase/" REL, "application/json", "{\"sec:skr\":{\"tgis\":[\"" X "\"]}}"), 2004);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", "/MAFBase/" REL, NULL, NULL), 4103);
    CU_ASSERT_EQUAL(kit_ask(x, X, "GET", "/MAFBase/" REL, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", "/MAFBase/" REL, "application/json", "{\"sec:skr\":{\"tgis\":[\"" X "\",\"" B "\"]}}"), 4102);
    /* de-registered: gone, and its export stays used */
    CU_ASSERT_EQUAL(kit_ask(a, A, "DELETE", "/MAFBase/" REL, NULL, NULL), 2002);
    CU_ASSERT_EQUAL(kit_ask(x, X, "GET", "/MAFBase/" REL, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 4105);
    kit_exported[0] ^= 1; /* a new session */
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    close_maf();
}

static void test_expiry(void)
{
    open_maf();
    register_a();
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, "{\"sec:skr\":{\"et\":\"20261118T140000\",\"adfq\":\"adm.example.com\"" SAEF "}}"), 2001);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", "/MAFBase/" REL, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(gba_m2m_time_parse(gba_str("20261118T140000"), &kit_now), GBA_OK);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", "/MAFBase/" REL, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase/" REL, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", "/MAFBase/" REL, "application/json", "{\"sec:skr\":{\"et\":\"" ET "\"}}"), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 4105);
    /* no update prolongs a key beyond the longest life that it has, however often */
    kit_exported[3] ^= 1;
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    char longest[32], at[400];
    snprintf(longest, sizeof longest, "%s", kit_text("et"));
    snprintf(at, sizeof at, "%s", kit_answer.location);
    CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", at, "application/json", "{\"sec:skr\":{\"et\":\"20261118T150000\"}}"), 2004);
    CU_ASSERT_STRING_EQUAL(kit_text("et"), "20261118T150000");
    for (int i = 0; i < 3; i++) {
        kit_now += 900;
        CU_ASSERT_EQUAL(kit_ask(a, A, "PUT", at, "application/json", "{\"sec:skr\":{\"et\":\"" ET "\"}}"), 2004);
        CU_ASSERT_STRING_EQUAL(kit_text("et"), longest);
    }
    kit_now -= 2700;
    /* the credential's end is the key's, too */
    a->expires = kit_now + 100;
    kit_exported[1] ^= 1;
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    CU_ASSERT_STRING_EQUAL(kit_text("et"), "20261118T140140");
    close_maf();
}

static void test_key_contents(void)
{
    static const struct {
        const char *body;
        unsigned rsc;
    } bad[] = {
        {SKR(""), 4000},
        {SKR(",\"suid\":32"), 4102}, /* no target, and no list of ours */
        {SKR(",\"suid\":22,\"tgis\":[\"" B "\"]"), 4102},
        {SKR(",\"suid\":31,\"tgis\":[\"" B "\"]"), 4102},
        {SKR(",\"suid\":\"32\",\"tgis\":[\"" B "\"]"), 4000},
        {SKR(",\"suid\":-1,\"tgis\":[\"" B "\"]"), 4000},
        {SKR(",\"suid\":32,\"tgis\":[]"), 4000},
        {SKR(",\"suid\":32,\"tgis\":[\"/in\"]"), 4000},
        {SKR(",\"suid\":32,\"tgis\":[\"" B "\",\"" X "\"]"), 4102},
        {SKR(",\"suid\":34,\"tgis\":[\"" B "\",\"" B "\"]"), 4000},
        {SKR(SAEF ",\"kv\":\"!!\""), 4000},
        {SKR(SAEF ",\"kv\":\"AAAA\""), 4102},
        {SKR(SAEF ",\"rn\":\"x\""), 4000},
        {"{\"sec:skr\":{\"et\":\"20200101T000000\",\"adfq\":\"adm.example.com\"" SAEF "}}", 4102},
        {"{\"sec:skr\":{\"et\":\"" ET "\",\"adfq\":\"other.example.com\"" SAEF "}}", 4103},
    };
    open_maf();
    register_a();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned rsc = kit_ask(a, A, "POST", "/MAFBase", KEY, bad[i].body);
        if (rsc != bad[i].rsc)
            printf("\n%s: %u\n", bad[i].body, rsc);
        CU_ASSERT_EQUAL(rsc, bad[i].rsc);
    }
    /* by value: an identifier of the MAF's own; ESData: several targets */
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(",\"suid\":34,\"tgis\":[\"" B "\",\"" X "\"],\"kv\":\"AAECAwQFBgcICQoLDA0ODw==\"")), 2001);
    CU_ASSERT_STRING_NOT_EQUAL(kit_text("rn"), REL);
    char at[400];
    snprintf(at, sizeof at, "%s", kit_answer.location);
    CU_ASSERT_EQUAL(kit_ask(x, X, "GET", at, NULL, NULL), 2000);
    CU_ASSERT_STRING_EQUAL(kit_text("kv"), "AAECAwQFBgcICQoLDA0ODw==");
    close_maf();
}

static void same_km(const char *km, const char *aski)
{
    char lower[256];

    snprintf(lower, sizeof lower, "%s", aski);
    kms_lower(lower);
    CU_ASSERT_STRING_EQUAL(lower, km);
}

/* The MAF gives a KmID to whom it knows by a KeID alone (8.8.2.3). */
static void test_assigned(void)
{
    uint64_t n = 0;
    kms_who w = {.form = GBA_M2M_PSK_KE, .km = {.n = 32}, .expires = KIT_T0 + 5000};
    kms_cred *c = NULL;
    char at[400], km[256];

    open_maf();
    CU_ASSERT_EQUAL(gba_m2m_entity_parse(gba_str("//sp.example.com/in/Cdev"), &w.id), GBA_OK);
    snprintf(w.credential, sizeof w.credential, "11-" REL "@mef.example.com");
    w.km.o[5] = 7;
    CU_ASSERT_EQUAL(kit_ask(&w, "//sp.example.com/in/Cdev", "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 2001);
    CU_ASSERT_EQUAL(strncmp(kit_text("aski"), "Km-", 3), 0);
    CU_ASSERT_STRING_EQUAL(kit_text("et"), "20261118T123000"); /* never longer than Ke */
    snprintf(km, sizeof km, "%s", kit_text("aski"));
    for (char *p = km; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    snprintf(at, sizeof at, "%s", kit_answer.location);
    CU_ASSERT_EQUAL(kms_cred_get(kit_store, &kms_maf, km, kit_now, &c), GBA_OK);
    CU_ASSERT_FATAL(c != NULL);
    CU_ASSERT(gba_secret_eq(&c->key, &w.km) && c->expires == KIT_T0 + 5000);
    CU_ASSERT_STRING_EQUAL(c->source, REL "@mef.example.com");
    kms_cred_free(&c);
    /* by the same KeID it stays the same: updated in a loop, deleted and made anew, or gone by its time */
    static const char *const how[] = {"PUT", "PUT", "PUT", "DELETE", "POST", NULL, "POST"};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        bool post = how[i] && !strcmp(how[i], "POST"), put = how[i] && !strcmp(how[i], "PUT");
        kit_now += how[i] ? 0 : 20;
        unsigned rsc = !how[i] ? 0
                               : kit_ask(&w, "//sp.example.com/in/Cdev", how[i], post ? "/MAFBase" : at, post ? REG : "application/json",
                                         post && i < 5 ? "{\"sec:macr\":{\"et\":\"20261118T110700\",\"adfq\":\"adm.example.com\"}}"
                                         : post ? "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"
                                              : "{\"sec:macr\":{\"lbl\":[\"again\"]}}");
        CU_ASSERT_EQUAL(rsc, post ? 2001 : put ? 2004 : how[i] ? 2002 : 0);
        if (post)
            snprintf(at, sizeof at, "%s", kit_answer.location);
        if (post || put)
            same_km(km, kit_text("aski"));
    }
    /* again enrolled: the update brings a new KmID, and the old one ends */
    snprintf(w.credential, sizeof w.credential, "11-B" "0A1A2A3A4A5A6A7A8A9AAABACADAEAF@mef.example.com");
    CU_ASSERT_EQUAL(kit_ask(&w, "//sp.example.com/in/Cdev", "PUT", at, "application/json", "{\"sec:macr\":{\"lbl\":[\"again\"]}}"), 2004);
    CU_ASSERT_EQUAL(strncmp(kit_text("aski"), "Km-", 3), 0);
    CU_ASSERT_EQUAL(kms_cred_get(kit_store, &kms_maf, km, kit_now, &c), GBA_E_UNKNOWN);
    snprintf(km, sizeof km, "%s", kit_text("aski"));
    kms_lower(km);
    CU_ASSERT_EQUAL(kms_cred_get(kit_store, &kms_maf, km, kit_now, &c), GBA_OK);
    kms_cred_free(&c);
    CU_ASSERT_EQUAL(store_count(kit_store, STORE_MAF + KMS_CRED, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 3 + 1); /* those of open_maf, and this one */
    close_maf();
}

/* With a credential end the keys that it registered, and no others. */
static void test_removed(void)
{
    kms_who *second, cert = {.n_names = 1}, ke = {.form = GBA_M2M_PSK_KE, .km = {.n = 32}, .expires = KIT_T0 + 5000};
    char by_first[400], by_second[400], by_cert[400], by_ke[400];

    open_maf();
    register_a();
    second = kit_client("km-a2@maf.example.com", A, 0);
    CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    snprintf(by_first, sizeof by_first, "%s", kit_answer.location);
    kit_exported[2]++;
    CU_ASSERT_EQUAL(kit_ask(second, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    snprintf(by_second, sizeof by_second, "%s", kit_answer.location);
    kit_exported[2]++;
    /* a CSE-ID certificate that no record names; a KeID whose Km is the MEF's to revoke */
    cert.name[0].kind = TLS_NAME_DNS;
    snprintf(cert.name[0].text, sizeof cert.name[0].text, "mn9.sp.example.com");
    snprintf(cert.credential, sizeof cert.credential, "32-mn9.sp.example.com");
    CU_ASSERT_EQUAL(kit_ask(&cert, "//sp.example.com/mn9", "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 2001);
    CU_ASSERT_EQUAL(kit_ask(&cert, "//sp.example.com/mn9", "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    snprintf(by_cert, sizeof by_cert, "%s", kit_answer.location);
    kit_exported[2]++;
    CU_ASSERT_EQUAL(gba_m2m_entity_parse(gba_str("//sp.example.com/in/Cdev"), &ke.id), GBA_OK);
    snprintf(ke.credential, sizeof ke.credential, "11-" REL "@mef.example.com");
    CU_ASSERT_EQUAL(kit_ask(&ke, "//sp.example.com/in/Cdev", "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 2001);
    CU_ASSERT_EQUAL(kit_ask(&ke, "//sp.example.com/in/Cdev", "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    snprintf(by_ke, sizeof by_ke, "%s", kit_answer.location);
    kit_remove("km-a@maf.example.com");
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", by_first, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", by_second, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", by_cert, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", by_ke, NULL, NULL), 2000);
    kit_remove("km-a2@maf.example.com");
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", by_second, NULL, NULL), 4004);
    free(second);
    close_maf();
}

/* A certificate whose record is replaced by another, while the registration lives on. */
static void test_rotated(void)
{
    static const char *const record[] = {"dns:old.example.net", "dns:new.example.net"};
    kms_who w = {.credential = "32-any.example.net"};
    kms_cred *c = calloc(1, sizeof *c);
    char at[2][400];

    open_maf();
    CU_ASSERT_FATAL(c != NULL);
    snprintf(c->client, sizeof c->client, "%s", A);
    c->created = kit_now;
    CU_ASSERT_EQUAL(gba_m2m_entity_parse(gba_str(A), &w.id), GBA_OK);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(kms_cred_put(kit_store, &kms_maf, record[i], c, false), GBA_OK);
        snprintf(w.record, sizeof w.record, "%s", record[i]);
        if (i == 0)
            CU_ASSERT_EQUAL(kit_ask(&w, A, "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 2001);
        kit_exported[2]++;
        CU_ASSERT_EQUAL(kit_ask(&w, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
        snprintf(at[i], sizeof at[i], "%s", kit_answer.location);
        CU_ASSERT_EQUAL(kit_ask(b, B, "GET", at[i], NULL, NULL), 2000);
        if (i == 0) {
            kit_remove(record[0]);
            CU_ASSERT_EQUAL(kit_ask(b, B, "GET", at[0], NULL, NULL), 4004);
        }
    }
    kit_remove(record[1]);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", at[1], NULL, NULL), 4004);
    kms_cred_free(&c);
    close_maf();
}

/* Who shows this certificate, as the handshake leaves it: a CSE-ID's name and its key. */
static unsigned by_cert(const char *origin, const char *method, const char *target, const char *type, const char *body)
{
    static kms_who w;

    memset(&w, 0, sizeof w);
    w.n_names = 2;
    w.name[0] = (tls_name){.kind = TLS_NAME_DNS, .text = "mn1.sp.example.com"};
    w.name[1] = (tls_name){.kind = TLS_NAME_KEY, .text = "00ff"};
    CU_ASSERT_EQUAL(kms_names_who(&kit, &w, kit_now), GBA_OK);
    return kit_ask(&w, origin, method, target, type, body);
}

static void sweep(void)
{
    unsigned n = 0;
    CU_ASSERT_EQUAL(store_sweep(kit_store, kit_now, 500, &n), GBA_OK);
}

/* A certificate's record that is removed, or has expired, ends it for good, though its names could speak for themselves;
 * so do its limits not vanish. */
static void test_ended(void)
{
    static const char *const record[] = {"dns:mn1.sp.example.com", "key:00ff"};
    kms_cred *c = calloc(1, sizeof *c);

    CU_ASSERT_FATAL(c != NULL);
    for (size_t i = 0; i < 2; i++) {
        open_maf();
        CU_ASSERT_EQUAL(by_cert(A, "GET", "/MAFBase", NULL, NULL), 2000); /* its CA vouches for it */
        snprintf(c->client, sizeof c->client, "%s", A);
        c->created = kit_now;
        c->n_enrol = 1;
        c->enrol[0].suid = 32;
        snprintf(c->enrol[0].target, sizeof c->enrol[0].target, "%s", X);
        CU_ASSERT_EQUAL(kms_cred_put(kit_store, &kms_maf, record[i], c, false), GBA_OK);
        CU_ASSERT_EQUAL(by_cert(A, "POST", "/MAFBase", REG, "{\"sec:macr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 2001);
        CU_ASSERT_EQUAL(by_cert(A, "POST", "/MAFBase", KEY, SKR(SAEF)), 4103); /* B is not instructed */
        kit_remove(record[i]);
        CU_ASSERT_EQUAL(by_cert(A, "POST", "/MAFBase", KEY, SKR(SAEF)), 4106);
        CU_ASSERT_STRING_EQUAL(kit_answer.why, "credential_removed");
        CU_ASSERT_EQUAL(kms_cred_remove(kit_store, &kms_maf, record[i], kit_now), GBA_E_UNKNOWN);
        kit_now += 315360000;
        sweep();
        CU_ASSERT_EQUAL(by_cert(A, "GET", "/MAFBase", NULL, NULL), 4106);
        CU_ASSERT_EQUAL(by_cert("//sp.example.com/mn9", "GET", "/MAFBase", NULL, NULL), 4106);
        c->created = kit_now; /* until it is added again */
        c->expires = kit_now + 10;
        CU_ASSERT_EQUAL(kms_cred_put(kit_store, &kms_maf, record[i], c, false), GBA_OK);
        CU_ASSERT_EQUAL(kms_cred_put(kit_store, &kms_maf, record[i], c, false), GBA_E_FORBIDDEN);
        CU_ASSERT_EQUAL(by_cert(A, "GET", "/MAFBase", NULL, NULL), 2000);
        for (int k = 0; k < 2; k++) {
            kit_now += 10;
            CU_ASSERT_EQUAL(by_cert(A, "GET", "/MAFBase", NULL, NULL), 4106);
            CU_ASSERT_STRING_EQUAL(kit_answer.why, "credential_expired");
            sweep();
        }
        /* another record of the same certificate lives */
        c->created = kit_now;
        c->expires = 0;
        CU_ASSERT_EQUAL(kms_cred_put(kit_store, &kms_maf, record[!i], c, false), GBA_OK);
        CU_ASSERT_EQUAL(by_cert(A, "GET", "/MAFBase", NULL, NULL), 2000);
        kit_remove(record[!i]);
        CU_ASSERT_EQUAL(by_cert(A, "GET", "/MAFBase", NULL, NULL), 4106);
        close_maf();
    }
    kms_cred_free(&c);
    kms_who many = {.n_names = KMS_NAMES}; /* one more could be there, and have ended */
    CU_ASSERT_EQUAL(kms_names_who(&kit, &many, kit_now), GBA_E_RANGE);
}

static unsigned by_name(const char *dns, const char *origin)
{
    static kms_who w;

    memset(&w, 0, sizeof w);
    w.n_names = 1;
    w.name[0].kind = TLS_NAME_DNS;
    snprintf(w.name[0].text, sizeof w.name[0].text, "%s", dns);
    gba_err e = kms_names_who(&kit, &w, kit_now);
    return e != GBA_OK ? (unsigned)e : kit_ask(&w, origin, "GET", "/MAFBase", NULL, NULL);
}

static void grant(const char *record, const char *client)
{
    kms_cred *c = calloc(1, sizeof *c);

    CU_ASSERT_FATAL(c != NULL);
    snprintf(c->client, sizeof c->client, "%s", client);
    c->created = kit_now;
    CU_ASSERT_EQUAL(kms_cred_put(kit_store, &kms_maf, record, c, false), GBA_OK);
    kms_cred_free(&c);
}

/* oneM2M's identifiers have their case, domain names have none: the CA's spelling counts, of a folded name what is granted. */
static void test_spelling(void)
{
    static const char signed_name[] = "Mobius4.sp.example.com", folded[] = "mobius4.sp.example.com";
    static const char capital[] = "//sp.example.com/Mobius4", small[] = "//sp.example.com/mobius4";

    open_maf();
    CU_ASSERT_EQUAL(by_name(signed_name, capital), 2000);
    CU_ASSERT_EQUAL(by_name(signed_name, small), 4106);
    CU_ASSERT_EQUAL(by_name(folded, small), 2000);
    CU_ASSERT_EQUAL(by_name(folded, capital), 4106);
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_answer.hint, "m2m-mafctl credential add --cert-dns mobius4.sp.example.com --cse-id //sp.example.com/Mobius4"));
    CU_ASSERT_EQUAL(by_name(folded, "//sp.example.com/mn1"), 4106);
    CU_ASSERT_STRING_EQUAL(kit_answer.hint, "");
    CU_ASSERT_EQUAL(by_name(signed_name, "MOBIUS4.sp.example.com"), 2000); /* an FQDN is an FQDN */
    grant("dns:mobius4.sp.example.com", capital);
    CU_ASSERT_EQUAL(by_name(folded, capital), 2000);
    CU_ASSERT_EQUAL(by_name(folded, small), 4106);
    CU_ASSERT_EQUAL(by_name(signed_name, capital), GBA_E_FORBIDDEN); /* is that record meant? */
    grant("dns:Mobius4.sp.example.com", small);
    CU_ASSERT_EQUAL(by_name(signed_name, small), 2000);
    CU_ASSERT_EQUAL(by_name(folded, capital), 2000);
    close_maf();
}

static void test_deregistration(void)
{
    open_maf();
    register_a();
    for (int i = 0; i < 70; i++) {
        kit_exported[2] = (uint8_t)i;
        CU_ASSERT_EQUAL(kit_ask(a, A, "POST", "/MAFBase", KEY, SKR(SAEF)), 2001);
    }
    char last[400];
    snprintf(last, sizeof last, "%s", kit_answer.location);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", last, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(a, A, "DELETE", reg, NULL, NULL), 2002);
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", last, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", reg, NULL, NULL), 4004);
    register_a(); /* and again */
    CU_ASSERT_EQUAL(kit_ask(b, B, "GET", last, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", "/MAFBase/nothing/cfg", NULL, NULL), 4004);
    char cfg[410];
    snprintf(cfg, sizeof cfg, "%s/cfg", reg);
    CU_ASSERT_EQUAL(kit_ask(a, A, "GET", cfg, NULL, NULL), 4004); /* none is stored */
    close_maf();
}

T_MAIN("MAF", {"client registration", test_registration}, {"bad input", test_bad_input}, {"originator", test_originator},
       {"key by export", test_export}, {"expiry", test_expiry}, {"contents", test_key_contents}, {"assigned KmID", test_assigned},
       {"a removed Km", test_removed},
       {"a certificate's new record", test_rotated}, {"a certificate that has ended", test_ended}, {"the case of a CSE-ID", test_spelling}, {"de-registration", test_deregistration})
