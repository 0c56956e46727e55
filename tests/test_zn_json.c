/* SPDX-License-Identifier: Apache-2.0 */
/* test_zn_json.c - the documents of TS 29.309 6.1.6. */
#include "bsf/zn_json.h"
#include <stdio.h>
#include <string.h>
#include "t_main.h"

#define GOOD                                                                                                           \
    "\"btId\":\"I1RZdyXPTTj8GHEwLaTWqg==@bsf.example.com\","                                                           \
    "\"nafId\":{\"nafFqdn\":\"NAF.example.com\",\"uaSecProtId\":\"0100010aFF\"}"
#define NAF "\"nafId\":{\"nafFqdn\":\"n\",\"uaSecProtId\":\"0100000002\"}"

static void test_good(void)
{
    zn_query q = {0};
    zn_fault f;
    CU_ASSERT_EQUAL(zn_json_parse(gba_str("{" GOOD "}"), &q, &f), GBA_OK);
    CU_ASSERT_STRING_EQUAL(q.btid.s, "I1RZdyXPTTj8GHEwLaTWqg==@bsf.example.com");
    CU_ASSERT_STRING_EQUAL(q.naf_id.fqdn.s, "naf.example.com");
    CU_ASSERT(t_is(GBA_SPAN(q.naf_id.ua.o), "0100010aff"));
    CU_ASSERT(!q.gba_u_aware && q.n_gsids == 0);
    CU_ASSERT_EQUAL(zn_json_parse(gba_str(" {" GOOD ",\"gbaUAware\":true,\"gsIds\":[0,4294967295],\"new\":[{}]} "), &q, &f),
                    GBA_OK);
    CU_ASSERT(q.gba_u_aware && q.n_gsids == 2 && q.gsid[0] == 0 && q.gsid[1] == UINT32_MAX);
    CU_ASSERT_EQUAL(zn_json_parse(gba_str("{" GOOD ",\"gbaUAware\":false}"), &q, &f), GBA_OK);
    CU_ASSERT(!q.gba_u_aware && q.n_gsids == 0); /* nothing of the request before */
}

static void test_faults(void)
{
    static const struct {
        const char *body, *cause, *param;
    } rows[] = {
        {"", "INVALID_MSG_FORMAT", NULL},
        {"x", "INVALID_MSG_FORMAT", NULL},
        {"[]", "INVALID_MSG_FORMAT", NULL},
        {"{" GOOD, "INVALID_MSG_FORMAT", NULL},
        {"{" GOOD "}{", "INVALID_MSG_FORMAT", NULL},
        {"{" GOOD ",\"btId\":\"x@y\"}", "INVALID_MSG_FORMAT", NULL},
        {"{" GOOD ",\"nafId\":{\"nafFqdn\":\"a\",\"nafFqdn\":\"b\"}}", "INVALID_MSG_FORMAT", NULL},
        {"{\"a\":[[[[[[[[[]]]]]]]]]," GOOD "}", "INVALID_MSG_FORMAT", NULL},
        {"{\"btId\":\"a\\u0000@b\"," NAF "}", "INVALID_MSG_FORMAT", NULL},
        {"{\"btId\":\"\xff@b\"," NAF "}", "INVALID_MSG_FORMAT", NULL},
        {"{}", "MANDATORY_IE_MISSING", "/btId"},
        {"{" NAF "}", "MANDATORY_IE_MISSING", "/btId"},
        {"{\"btId\":\"a@b\"}", "MANDATORY_IE_MISSING", "/nafId"},
        {"{\"btId\":\"a@b\",\"nafId\":{}}", "MANDATORY_IE_MISSING", "/nafId/nafFqdn"},
        {"{\"btId\":\"a@b\",\"nafId\":{\"nafFqdn\":\"n\"}}", "MANDATORY_IE_MISSING", "/nafId/uaSecProtId"},
        {"{\"btId\":null," NAF "}", "MANDATORY_IE_INCORRECT", "/btId"},
        {"{\"btId\":\"\"," NAF "}", "MANDATORY_IE_INCORRECT", "/btId"},
        {"{\"btId\":\"no-at\"," NAF "}", "MANDATORY_IE_INCORRECT", "/btId"},
        {"{\"btId\":\"a@b\",\"nafId\":\"n\"}", "MANDATORY_IE_INCORRECT", "/nafId"},
        {"{\"btId\":\"a@b\",\"nafId\":{\"nafFqdn\":1,\"uaSecProtId\":\"0100000002\"}}", "MANDATORY_IE_INCORRECT",
         "/nafId/nafFqdn"},
        {"{\"btId\":\"a@b\",\"nafId\":{\"nafFqdn\":\"a b\",\"uaSecProtId\":\"0100000002\"}}", "MANDATORY_IE_INCORRECT",
         "/nafId/nafFqdn"},
        {"{\"btId\":\"a@b\",\"nafId\":{\"nafFqdn\":\"*.b\",\"uaSecProtId\":\"0100000002\"}}", "MANDATORY_IE_INCORRECT",
         "/nafId/nafFqdn"},
        {"{\"btId\":\"a@b\",\"nafId\":{\"nafFqdn\":\"n\",\"uaSecProtId\":\"010000000\"}}", "MANDATORY_IE_INCORRECT",
         "/nafId/uaSecProtId"},
        {"{\"btId\":\"a@b\",\"nafId\":{\"nafFqdn\":\"n\",\"uaSecProtId\":\"01000000020\"}}", "MANDATORY_IE_INCORRECT",
         "/nafId/uaSecProtId"},
        {"{\"btId\":\"a@b\",\"nafId\":{\"nafFqdn\":\"n\",\"uaSecProtId\":\"010000000g\"}}", "MANDATORY_IE_INCORRECT",
         "/nafId/uaSecProtId"},
        {"{" GOOD ",\"gbaUAware\":\"true\"}", "OPTIONAL_IE_INCORRECT", "/gbaUAware"},
        {"{" GOOD ",\"gsIds\":7}", "OPTIONAL_IE_INCORRECT", "/gsIds"},
        {"{" GOOD ",\"gsIds\":[]}", "OPTIONAL_IE_INCORRECT", "/gsIds"},
        {"{" GOOD ",\"gsIds\":[-1]}", "OPTIONAL_IE_INCORRECT", "/gsIds"},
        {"{" GOOD ",\"gsIds\":[4294967296]}", "OPTIONAL_IE_INCORRECT", "/gsIds"},
        {"{" GOOD ",\"gsIds\":[1.0]}", "OPTIONAL_IE_INCORRECT", "/gsIds"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        zn_query q = {0};
        zn_fault f;
        CU_ASSERT_EQUAL(zn_json_parse(gba_str(rows[i].body), &q, &f), GBA_E_SYNTAX);
        if (!f.cause || strcmp(f.cause, rows[i].cause) != 0)
            printf("\nrow %zu: %s\n", i, f.cause ? f.cause : "no cause");
        CU_ASSERT(f.cause && strcmp(f.cause, rows[i].cause) == 0);
        CU_ASSERT(f.reason != NULL);
        CU_ASSERT(rows[i].param ? f.param && strcmp(f.param, rows[i].param) == 0 : f.param == NULL);
    }
}

static void test_limits(void)
{
    static char body[ZN_JSON_REQUEST_MAX + 64];
    zn_query q = {0};
    zn_fault f;
    size_t n = (size_t)snprintf(body, sizeof body, "{" GOOD ",\"gsIds\":[1");
    for (size_t i = 1; i < ZN_GSIDS_MAX; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, ",1");
    snprintf(body + n, sizeof body - n, "]}");
    CU_ASSERT_EQUAL(zn_json_parse(gba_str(body), &q, &f), GBA_OK);
    CU_ASSERT_EQUAL(q.n_gsids, ZN_GSIDS_MAX);
    snprintf(body + n, sizeof body - n, ",1]}");
    CU_ASSERT_EQUAL(zn_json_parse(gba_str(body), &q, &f), GBA_E_SYNTAX);
    CU_ASSERT_STRING_EQUAL(f.cause, "OPTIONAL_IE_INCORRECT");
    snprintf(body, sizeof body, "{" GOOD "}");
    size_t used = strlen(body);
    memset(body + used, ' ', sizeof body - used);
    CU_ASSERT_EQUAL(zn_json_parse(gba_mem(body, ZN_JSON_REQUEST_MAX), &q, &f), GBA_OK);
    CU_ASSERT_EQUAL(zn_json_parse(gba_mem(body, ZN_JSON_REQUEST_MAX + 1), &q, &f), GBA_E_SYNTAX);
    memset(body, '[', sizeof body);
    CU_ASSERT_EQUAL(zn_json_parse(gba_mem(body, ZN_JSON_REQUEST_MAX), &q, &f), GBA_E_SYNTAX);
}

static void test_answer(void)
{
    char out[ZN_JSON_ANSWER_MAX];
    zn_answer a = {.expires = 1800003600, .created = 1799999940};
    size_t n = sizeof out;
    json_t *j;
    a.me_key = t_secret("0d4a26a83a76a83c04e6dff0004c060b51d1b3925886c370ceb78f6eedb46e93");
    CU_ASSERT_EQUAL(zn_json_print(&a, out, &n), GBA_OK);
    out[n] = '\0';
    CU_ASSERT_STRING_EQUAL(out, "{\"meKeyMaterial\":\"0d4a26a83a76a83c04e6dff0004c060b51d1b3925886c370ceb78f6eedb46e93\","
                                "\"keyExpiryTime\":\"2027-01-15T09:00:00Z\","
                                "\"bootstrappingInfoCreationTime\":\"2027-01-15T07:59:00Z\",\"gbaType\":\"3G_GBA\"}");
    for (size_t room = 0; room <= n; room++) {
        size_t m = room;
        CU_ASSERT_EQUAL(zn_json_print(&a, out, &m), GBA_E_SPACE);
        CU_ASSERT_EQUAL(m, 0);
    }
    /* The longest, with everything that JSON must escape. */
    a.uicc_key = t_secret("6947a39b396306600b0f5508b5c795b80ec54b799d360949e4c70552866222eb");
    a.gba_type = 1;
    memset(a.impi.s, '\\', GBA_ID_MAX);
    memcpy(a.impi.s, "\"\x01\xc3\xa9@", 5);
    n = sizeof out;
    CU_ASSERT_EQUAL(zn_json_print(&a, out, &n), GBA_OK);
    j = json_loadb(out, n, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(j);
    CU_ASSERT_STRING_EQUAL(t_str(j, "impi"), a.impi.s);
    CU_ASSERT_STRING_EQUAL(t_str(j, "gbaType"), "3G_GBA");
    CU_ASSERT_STRING_EQUAL(t_str(j, "uiccKeyMaterial"), "6947a39b396306600b0f5508b5c795b80ec54b799d360949e4c70552866222eb");
    json_decref(j);
    n = sizeof out;
    a.expires = INT64_MAX;
    CU_ASSERT_EQUAL(zn_json_print(&a, out, &n), GBA_E_ARG);
}

T_MAIN("zn_json", {"good requests", test_good}, {"faults and their causes", test_faults}, {"limits", test_limits},
       {"the answer", test_answer})
