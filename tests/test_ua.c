/* SPDX-License-Identifier: Apache-2.0 */
/* test_ua.c - Ua's Digest at the UE: foreign transcripts, the choice of a challenge, rspauth. */
#include <stdio.h>
#include <string.h>
#include <gba/ue.h>
#include "tests/t_main.h"

static gba_ue_ua ua;
static gba_fqdn host;

static gba_err choose(const char *at, const char *first, const char *second)
{
    gba_ue_field f[3] = {{gba_str("Server"), gba_str("x")},
                         {gba_str("www-authenticate"), gba_str(first)},
                         {gba_str("WWW-Authenticate"), gba_str(second)}};
    const gba_ue_answer a = {.status = 401, .fields = f, .n_fields = second ? 3 : 2};
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str(at), &host), GBA_OK);
    return gba_ue_ua_choose(&ua, &host, &a);
}

static const char *field(const char *message, const char *name, char *out, size_t n)
{
    char want[64];
    snprintf(want, sizeof want, "\r\n%s: ", name);
    const char *at = strstr(message, want);
    if (!at)
        return NULL;
    at += strlen(want);
    snprintf(out, n, "%.*s", (int)strcspn(at, "\r"), at);
    return out;
}

static void run_transcript(const json_t *c)
{
    json_t *messages = json_object_get(c, "messages");
    const char *asked = t_str(json_array_get(messages, 2), "text"), *answered = t_str(json_array_get(messages, 3), "text");
    char www[2048], theirs[2048], info[1024], ours[GBA_DIGEST_HEADER_MAX], method[16], uri[256];
    static gba_authorization a, b;
    gba_btid btid;
    GBA_SECRET_SCOPED ks_naf = t_secret(t_str(c, "ks_naf"));
    uint8_t random[GBA_UE_ENTROPY];
    size_t n = sizeof ours;
    CU_ASSERT_PTR_NOT_NULL_FATAL(field(t_str(json_array_get(messages, 1), "text"), "WWW-Authenticate", www, sizeof www));
    CU_ASSERT_PTR_NOT_NULL_FATAL(field(asked, "Authorization", theirs, sizeof theirs));
    CU_ASSERT_EQUAL_FATAL(sscanf(asked, "%15s %255s", method, uri), 2);
    CU_ASSERT_EQUAL_FATAL(choose(t_str(c, "naf_fqdn"), www, NULL), GBA_OK);
    CU_ASSERT_STRING_EQUAL(ua.realm, t_str(c, "realm"));
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str(t_str(c, "b_tid")), &btid), GBA_OK);
    t_hex_into(t_str(c, "cnonce"), random, sizeof random);
    const gba_digest_message m = {.method = gba_str(method), .uri = gba_str(uri), .body = t_hex(t_str(c, "request_body"))};
    CU_ASSERT_EQUAL_FATAL(gba_ue_ua_authorize(&ua, &btid, &ks_naf, &m, 1, random, ours, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_authorization_parse(gba_str(ours), &a), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_authorization_parse(gba_str(theirs), &b), GBA_OK);
    CU_ASSERT_EQUAL(a.qop, b.qop);
    CU_ASSERT_TRUE(gba_span_eq(a.username, b.username));
    CU_ASSERT_TRUE(gba_span_eq(a.nonce, b.nonce));
    CU_ASSERT_TRUE(gba_span_eq(a.uri, b.uri));
    CU_ASSERT_TRUE(gba_span_eq(a.opaque, b.opaque));
    CU_ASSERT_TRUE(gba_span_eq(a.response, gba_str(t_str(c, "response"))));
    CU_ASSERT_PTR_NOT_NULL_FATAL(field(answered, "Authentication-Info", info, sizeof info));
    gba_ue_field f = {gba_str("Authentication-Info"), gba_str(info)};
    gba_ue_answer answer = {.status = 200, .fields = &f, .n_fields = 1, .body = t_hex(t_str(c, "response_body"))};
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &ks_naf, &m, &answer), GBA_OK);
    ks_naf.o[0] ^= 1; /* another NAF's key */
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &ks_naf, &m, &answer), GBA_E_AUTH);
    ks_naf.o[0] ^= 1;
    if (a.qop == GBA_QOP_AUTH_INT) {
        answer.body = gba_str("swapped");
        CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &ks_naf, &m, &answer), GBA_E_AUTH);
    }
}

static void transcripts(void)
{
    json_t *root, *c, *cases = t_cases("ua_transcripts", &root);
    size_t i, ran = 0;
    json_array_foreach(cases, i, c)
    {
        /* the ME's key; Ks_int_NAF is for another realm */
        if (strncmp(t_str(c, "realm"), "3GPP-bootstrapping@", 19) != 0)
            continue;
        run_transcript(c);
        ran++;
    }
    CU_ASSERT_TRUE(ran >= 9);
    json_decref(root);
}

#define C(realm, rest) "Digest realm=\"" realm "\", nonce=\"n\", " rest

static void choice(void)
{
    /* the ME's realm among several */
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping-uicc@naf.a;3GPP-bootstrapping@naf.a", "qop=\"auth\""), NULL),
                    GBA_OK);
    CU_ASSERT_STRING_EQUAL(ua.realm, "3GPP-bootstrapping@naf.a");
    /* SHA-256 before MD5, in either order; auth-int before auth */
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.a", "algorithm=MD5, qop=\"auth\""),
                           C("3GPP-bootstrapping@naf.a", "algorithm=SHA-256, qop=\"auth,auth-int\"")),
                    GBA_OK);
    CU_ASSERT_EQUAL(ua.challenge.algorithm, GBA_DIGEST_SHA256);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.a", "algorithm=SHA-256, qop=\"auth\""),
                           C("3GPP-bootstrapping@naf.a", "algorithm=MD5, qop=\"auth\"")),
                    GBA_OK);
    CU_ASSERT_EQUAL(ua.challenge.algorithm, GBA_DIGEST_SHA256);
    /* two in one field, and another scheme before */
    CU_ASSERT_EQUAL(choose("naf.a",
                           "Basic realm=\"b\", " C("3GPP-bootstrapping@naf.a",
                                                   "qop=\"auth\"") ", " C("x", "algorithm=SHA-256, qop=\"auth\""),
                           NULL),
                    GBA_OK);
    CU_ASSERT_STRING_EQUAL(ua.realm, "3GPP-bootstrapping@naf.a");
    CU_ASSERT_EQUAL(ua.challenge.algorithm, GBA_DIGEST_MD5);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@NAF.A", "qop=auth"), NULL), GBA_OK);
}

static void refusals(void)
{
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.evil", "qop=\"auth\""), NULL), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@", "qop=\"auth\""), NULL), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.a:443", "qop=\"auth\""), NULL), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.a.evil", "qop=\"auth\""), NULL), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping-uicc@naf.a", "qop=\"auth\""), NULL), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(choose("naf.a", C("members only", "qop=\"auth\""), NULL), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.a", "algorithm=AKAv1-MD5, qop=\"auth\""), NULL),
                    GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.a", "algorithm=SHA-512, qop=\"auth\""), NULL),
                    GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(choose("naf.a", C("3GPP-bootstrapping@naf.a", "algorithm=MD5"), NULL), GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(choose("naf.a", "Digest realm=\"3GPP-bootstrapping@naf.a", NULL), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(choose("naf.a", "", NULL), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(choose("naf.a", C(";;;", "qop=\"auth\""), NULL), GBA_E_UNKNOWN);
}

static void proof_needed(void)
{
    char out[GBA_DIGEST_HEADER_MAX], nextnonce[] = "nextnonce=\"x\"", garbage[] = "rspauth=\"";
    const gba_btid btid = {"a@b"};
    GBA_SECRET_SCOPED key = t_secret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    const uint8_t random[GBA_UE_ENTROPY] = {1};
    const gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/")};
    size_t n = sizeof out;
    gba_ue_field f = {gba_str("Authentication-Info"), gba_str(nextnonce)};
    gba_ue_answer none = {.status = 200}, refusal = {.status = 403};
    gba_ue_answer next = {.status = 200, .fields = &f, .n_fields = 1};
    CU_ASSERT_EQUAL_FATAL(choose("naf.a", C("3GPP-bootstrapping@naf.a", "qop=\"auth\""), NULL), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_ua_authorize(&ua, &btid, &key, &m, 1, random, out, &n), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &key, &m, &none), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &key, &m, &next), GBA_OK);
    f.value = gba_str(garbage);
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &key, &m, &next), GBA_E_AUTH);
    f.value = gba_str(nextnonce);
    CU_ASSERT_EQUAL_FATAL(choose("naf.a", C("3GPP-bootstrapping@naf.a", "qop=\"auth,auth-int\""), NULL), GBA_OK);
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_ue_ua_authorize(&ua, &btid, &key, &m, 1, random, out, &n), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "qop=auth-int"));
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &key, &m, &none), GBA_E_AUTH);
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &key, &m, &next), GBA_E_AUTH);
    CU_ASSERT_EQUAL(gba_ue_ua_verify(&ua, &key, &m, &refusal), GBA_OK);
    n = 20; /* no room */
    CU_ASSERT_NOT_EQUAL(gba_ue_ua_authorize(&ua, &btid, &key, &m, 1, random, out, &n), GBA_OK);
    static char huge[GBA_DIGEST_HEADER_MAX + 1];
    memset(huge, 'a', sizeof huge - 1);
    const gba_digest_message far = {.method = gba_str("GET"), .uri = gba_str(huge)};
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_ue_ua_authorize(&ua, &btid, &key, &far, 1, random, out, &n), GBA_E_RANGE);
}

T_MAIN("ua", {"foreign transcripts", transcripts}, {"choice", choice}, {"refusals", refusals},
       {"proof needed", proof_needed})
