/* SPDX-License-Identifier: Apache-2.0 */
/* test_digest.c - HTTP Digest: published examples, the three fields both ways, all refusals. */
#include <stdio.h>
#include <string.h>

#include <gba/digest.h>

#include "t_main.h"

#define IS(span, text) CU_ASSERT_TRUE((span).p != NULL && gba_span_eq((span), gba_str(text)))
#define ERR(expr, want) CU_ASSERT_EQUAL((expr), (want))

static gba_authorization auth, auth2;
static gba_challenge chal;
static gba_authinfo info;
static char field[2 * GBA_DIGEST_HEADER_MAX];

static gba_err parse(const char *text)
{
    return gba_authorization_parse(gba_str(text), &auth);
}

static gba_err next(const char *text)
{
    gba_span rest = gba_str(text);
    return gba_challenge_next(&rest, &chal);
}

static gba_err parse_info(const char *text)
{
    return gba_authinfo_parse(gba_str(text), &info);
}

/* ---- published examples ---- */

#define RFC2617                                                                                                \
    "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", " \
    "uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", "                                    \
    "response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""

static void test_rfc2617(void)
{
    gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/dir/index.html")};
    gba_digest_expect x = {.algorithm = GBA_DIGEST_MD5,
                           .qop = GBA_QOP_AUTH | GBA_QOP_AUTH_INT,
                           .realm = gba_str("testrealm@host.com"),
                           .nonce = gba_str("dcd98b7102dd2f0e8b11d0f600bfb0c093"),
                           .opaque = gba_str("5ccc069c403ebaf9f0171e9517f40e41")};
    char hex[65];
    ERR(parse(RFC2617), GBA_OK);
    IS(auth.username, "Mufasa");
    IS(auth.cnonce, "0a4f113b");
    CU_ASSERT_PTR_NULL(auth.auts.p);
    CU_ASSERT_FALSE(auth.algorithm_given);
    CU_ASSERT_EQUAL(auth.algorithm, GBA_DIGEST_MD5);
    ERR(gba_digest_verify(&auth, &x, &m, gba_str("Circle Of Life")), GBA_OK);
    ERR(gba_digest_verify(&auth, &x, &m, gba_str("Circle of Life")), GBA_E_AUTH);
    ERR(gba_digest_ha1(&auth, gba_str("Circle Of Life"), hex), GBA_OK);
    CU_ASSERT_STRING_EQUAL(hex, "939e7578ed9e3c518a452acee763bce9");
}

/* RFC 7616 3.9.1, both algorithms. */
static void rfc7616(const char *algorithm, const char *response)
{
    gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/dir/index.html")};
    gba_digest_expect x = {
        .algorithm = gba_digest_alg_parse(gba_str(algorithm)), .qop = GBA_QOP_AUTH, .require_algorithm = true};
    int n = snprintf(field, sizeof field,
                     "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", "
                     "algorithm=%s, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "
                     "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"%s\", "
                     "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
                     algorithm, response);
    ERR(gba_authorization_parse(gba_mem(field, (size_t)n), &auth), GBA_OK);
    ERR(gba_digest_verify(&auth, &x, &m, gba_str("Circle of Life")), GBA_OK);
}

static void test_rfc7616(void)
{
    rfc7616("MD5", "8ca523f5e9506fed4657c9700eebdbec");
    rfc7616("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

/* RFC 7616 3.9.1's challenges, and curl's view of the two in one field. */
static void test_rfc7616_challenges(void)
{
    gba_span rest = gba_str("Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, "
                            "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
                            "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", "
                            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, "
                            "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
                            "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"");
    ERR(gba_challenge_next(&rest, &chal), GBA_OK);
    CU_ASSERT_EQUAL(chal.algorithm, GBA_DIGEST_SHA256);
    CU_ASSERT_EQUAL(chal.qop, GBA_QOP_AUTH | GBA_QOP_AUTH_INT);
    ERR(gba_challenge_next(&rest, &chal), GBA_OK);
    CU_ASSERT_EQUAL(chal.algorithm, GBA_DIGEST_MD5);
    IS(chal.opaque, "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS");
    ERR(gba_challenge_next(&rest, &chal), GBA_E_UNKNOWN);
}

/* ---- names ---- */

static void test_algorithm_names(void)
{
    for (int a = GBA_DIGEST_MD5; a <= GBA_DIGEST_AKAV2_SHA256; a++)
        CU_ASSERT_EQUAL(gba_digest_alg_parse(gba_str(gba_digest_alg_name((gba_digest_alg)a))), (gba_digest_alg)a);
    CU_ASSERT_EQUAL(gba_digest_alg_parse(gba_str("akaV1-md5")), GBA_DIGEST_AKAV1_MD5);
    CU_ASSERT_EQUAL(gba_digest_alg_parse(gba_str("SHA-512-256")), GBA_DIGEST_UNKNOWN);
    CU_ASSERT_EQUAL(gba_digest_alg_parse(gba_str("")), GBA_DIGEST_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(gba_digest_alg_name(GBA_DIGEST_UNKNOWN), "unknown");
}

/* ---- Authorization ---- */

static void test_authorization_forms(void)
{
    ERR(parse("Digest username=\"u\", realm=\"r\", nonce=\"\", uri=\"/\", response=\"\""), GBA_OK); /* TS 24.109 A.3 */
    IS(auth.nonce, "");
    IS(auth.response, "");
    ERR(parse("\tdIGEST , UserName\t=\t\"a\\\"b\\\\c\" ,, extra=1, other=\"x\\y\", QOP=\"AUTH-INT\", nc=\"0000000a\","),
        GBA_OK);
    IS(auth.username, "a\"b\\c");
    CU_ASSERT_EQUAL(auth.qop, GBA_QOP_AUTH_INT);
    CU_ASSERT_EQUAL(auth.nc, 10);
    ERR(parse("Digest"), GBA_OK);
    CU_ASSERT_PTR_NULL(auth.username.p);
    ERR(parse("Digest qop=auth-conf, algorithm=SHA-512-256, userhash=TRUE, username=\"j\xc3\xa4s\xc3\xb8n\""), GBA_OK);
    CU_ASSERT_EQUAL(auth.qop, GBA_QOP_OTHER);
    CU_ASSERT_EQUAL(auth.algorithm, GBA_DIGEST_UNKNOWN);
    CU_ASSERT_TRUE(auth.algorithm_given && auth.userhash);
    IS(auth.username, "j\xc3\xa4s\xc3\xb8n");
}

static void test_authorization_refused(void)
{
    static const char *const syntax[] = {
        "",
        " ",
        "=",
        "Digest=1",
        "Digest,username=u",
        "Digest username",
        "Digest username=",
        "Digest username=,",
        "Digest username=\"u",
        "Digest username=\"u\\",
        "Digest username=\"u\\\"",
        "Digest username=\"u\" realm=\"r\"",
        "Digest username=\"u\"realm=\"r\"",
        "Digest username=u/",
        "Digest username=\"a\tb\"",
        "Digest username=\"a\x7f\"",
        "Digest username=\"a\nb\"",
        "Digest username=\"a\\\x01\"",
        "Digest username=\"u\"\n",
        "Digest a=\"\x01\"",
        "Digest username=\"u\", username=\"u\"",
        "Digest username=\"\", USERNAME=u",
        "Digest nc=1",
        "Digest nc=0000000A",
        "Digest nc=0000000g",
        "Digest nc=000000001",
        "Digest nc=\"\"",
        "Digest qop=\"\"",
        "Digest qop=\"auth,auth-int\"",
        "Digest qop=\"auth \"",
        "Digest username=\"u\", Basic",
        "Digest a=b=c",
        "Digest \"u\"=u",
        "Digest ;",
    };
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++)
        if (parse(syntax[i]) != GBA_E_SYNTAX)
            CU_FAIL(fprintf(stderr, "not refused: %s\n", syntax[i]));
    ERR(parse("Basic dTpw"), GBA_E_UNSUPPORTED);
    ERR(parse("Digestive username=\"u\""), GBA_E_UNSUPPORTED);
    ERR(gba_authorization_parse(gba_mem("Digest a=\"\0\"", 12), &auth), GBA_E_SYNTAX);
    memset(field, 'a', sizeof field);
    memcpy(field, "Digest username=", 16);
    ERR(gba_authorization_parse(gba_mem(field, GBA_DIGEST_HEADER_MAX + 1), &auth), GBA_E_RANGE);
    ERR(gba_authorization_parse(gba_mem(field, GBA_DIGEST_HEADER_MAX), &auth), GBA_OK);
    CU_ASSERT_EQUAL(auth.username.n, GBA_DIGEST_HEADER_MAX - 16);
}

static void fill(gba_authorization *a)
{
    memset(a, 0, sizeof *a);
    a->algorithm = GBA_DIGEST_AKAV1_MD5;
    a->algorithm_given = a->nc_given = a->userhash = true;
    a->qop = GBA_QOP_AUTH_INT;
    a->nc = 0xfedcba98;
    a->username = gba_str("u\"\\");
    a->realm = gba_str("r");
    a->nonce = gba_str("n");
    a->uri = gba_str("/");
    a->cnonce = gba_str("c");
    a->opaque = gba_str("o");
    a->response = gba_str("00");
    a->auts = gba_str("a+/=");
}

static gba_err print(const gba_authorization *a, size_t room)
{
    size_t n = room;
    gba_err e = gba_authorization_print(a, field, &n);
    CU_ASSERT_TRUE(e || (n == strlen(field) && n < room));
    return e;
}

static void test_authorization_print(void)
{
    fill(&auth);
    ERR(print(&auth, sizeof field), GBA_OK);
    CU_ASSERT_STRING_EQUAL(field, "Digest username=\"u\\\"\\\\\", realm=\"r\", nonce=\"n\", uri=\"/\", qop=auth-int, "
                                  "nc=fedcba98, cnonce=\"c\", response=\"00\", opaque=\"o\", algorithm=AKAv1-MD5, "
                                  "userhash=true, auts=\"a+/=\"");
    ERR(gba_authorization_parse(gba_str(field), &auth2), GBA_OK);
    IS(auth2.username, "u\"\\");
    IS(auth2.auts, "a+/=");
    CU_ASSERT_EQUAL(auth2.nc, 0xfedcba98);
    size_t full = strlen(field);
    for (size_t room = 0; room <= full; room++)
        ERR(print(&auth, room), GBA_E_SPACE);
    ERR(print(&auth, full + 1), GBA_OK);
}

#define BREAK(statement, want)                 \
    do {                                       \
        fill(&auth);                           \
        statement;                             \
        ERR(print(&auth, sizeof field), want); \
    } while (0)

static void test_authorization_print_refused(void)
{
    static char longest[GBA_DIGEST_HEADER_MAX];
    memset(longest, 'a', sizeof longest);
    BREAK(auth.username.p = NULL, GBA_E_ARG);
    BREAK(auth.response.p = NULL, GBA_E_ARG);
    BREAK(auth.nc_given = false, GBA_E_ARG);
    BREAK(auth.cnonce.p = NULL, GBA_E_ARG);
    BREAK(auth.qop = GBA_QOP_OTHER, GBA_E_ARG);
    BREAK(auth.qop = 3, GBA_E_ARG);
    BREAK(auth.algorithm = GBA_DIGEST_UNKNOWN, GBA_E_ARG);
    BREAK(auth.realm = gba_str("a\r\nb"), GBA_E_ARG);
    BREAK(auth.realm = gba_str("a\tb"), GBA_E_ARG);
    BREAK(auth.realm = gba_mem("\0", 1), GBA_E_ARG);
    BREAK(auth.realm = gba_mem(longest, sizeof longest), GBA_E_RANGE);
    BREAK(auth.qop = GBA_QOP_NONE; auth.nc_given = false, GBA_OK);
}

/* ---- WWW-Authenticate ---- */

static void test_challenge(void)
{
    memset(&chal, 0, sizeof chal);
    chal = (gba_challenge){.algorithm = GBA_DIGEST_AKAV1_MD5,
                           .qop = GBA_QOP_AUTH_INT,
                           .stale = true,
                           .userhash = true,
                           .charset_utf8 = true,
                           .realm = gba_str("bsf.home1.net"),
                           .nonce = gba_str("bm9uY2U="),
                           .opaque = gba_str("o"),
                           .domain = gba_str("/")};
    size_t n = sizeof field;
    ERR(gba_challenge_print(&chal, field, &n), GBA_OK);
    CU_ASSERT_STRING_EQUAL(field, "Digest realm=\"bsf.home1.net\", domain=\"/\", nonce=\"bm9uY2U=\", opaque=\"o\", "
                                  "stale=true, algorithm=AKAv1-MD5, qop=\"auth-int\", charset=UTF-8, userhash=true");
    CU_ASSERT_EQUAL(n, strlen(field));
    ERR(next(field), GBA_OK);
    CU_ASSERT_TRUE(chal.stale && chal.userhash && chal.charset_utf8);
    IS(chal.domain, "/");
    CU_ASSERT_EQUAL(chal.qop, GBA_QOP_AUTH_INT);

    chal.algorithm = GBA_DIGEST_UNKNOWN;
    ERR(gba_challenge_print(&chal, field, &n), GBA_E_ARG);
    chal.algorithm = GBA_DIGEST_MD5;
    chal.qop = GBA_QOP_OTHER;
    ERR(gba_challenge_print(&chal, field, &n), GBA_E_ARG);
    chal.qop = GBA_QOP_NONE;
    chal.nonce.p = NULL;
    ERR(gba_challenge_print(&chal, field, &n), GBA_E_ARG);
}

static void test_challenge_many_schemes(void)
{
    gba_span rest = gba_str(",Negotiate, NTLM TlRM==, Foo, Basic realm=\"x, Digest realm=y\", z = w, Bar a=, "
                            "Digest realm=\"a\", nonce=\"b\", stale=maybe, qop=\"auth-conf\", DIGEST nonce=c,realm=d");
    ERR(gba_challenge_next(&rest, &chal), GBA_OK);
    IS(chal.realm, "a");
    CU_ASSERT_FALSE(chal.stale);
    CU_ASSERT_EQUAL(chal.qop, GBA_QOP_OTHER);
    ERR(gba_challenge_next(&rest, &chal), GBA_OK);
    IS(chal.nonce, "c");
    CU_ASSERT_EQUAL(chal.qop, GBA_QOP_NONE);
    CU_ASSERT_EQUAL(chal.algorithm, GBA_DIGEST_MD5);
    ERR(gba_challenge_next(&rest, &chal), GBA_E_UNKNOWN);
    ERR(gba_challenge_next(&rest, &chal), GBA_E_UNKNOWN);
    ERR(next("Basic realm=x"), GBA_E_UNKNOWN);
}

static void test_challenge_refused(void)
{
    static const char *const syntax[] = {
        "Digest",
        "Digest realm=\"a\"",
        "Digest nonce=\"a\"",
        "Digest realm=\"a\" nonce=\"b\"",
        "\"",
        "Digest=a",
        "Digest realm=a, nonce=b, qop=\"\"",
        "Digest realm=a, nonce=b, qop=\"auth auth-int\"",
        "Digest realm=a, nonce=b, qop=\"auth;x\"",
        "Digest realm=a, nonce=b, realm=c",
        "Digest realm=\"a, nonce=b",
        "Basic realm=\"a",
        "Basic realm=\"a\" b",
        "Basic a b, Digest realm=a, nonce=b",
        "Basic \x01",
        "Foo/1",
    };
    gba_span rest = gba_str("Digest realm=a, Digest realm=c, nonce=d");
    for (size_t i = 0; i < sizeof syntax / sizeof *syntax; i++)
        if (next(syntax[i]) != GBA_E_SYNTAX)
            CU_FAIL(fprintf(stderr, "not refused: %s\n", syntax[i]));
    ERR(gba_challenge_next(&rest, &chal), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(rest.n, 0);
    /* What follows is nothing: the second call says so. */
    rest = gba_str("Digest realm=a, nonce=b, qop=");
    ERR(gba_challenge_next(&rest, &chal), GBA_E_SYNTAX);
    memset(field, ' ', sizeof field);
    rest = gba_mem(field, GBA_DIGEST_HEADER_MAX + 1);
    ERR(gba_challenge_next(&rest, &chal), GBA_E_RANGE);
}

/* ---- Authentication-Info ---- */

static void test_authinfo(void)
{
    ERR(parse_info("qop=auth-int, rspauth=\"64b1\", cnonce=\"00\\\"8f\", nc=00000001, nextnonce=\"n\""), GBA_OK);
    IS(info.rspauth, "64b1");
    IS(info.cnonce, "00\"8f");
    IS(info.nextnonce, "n");
    size_t n = sizeof field;
    ERR(gba_authinfo_print(&info, field, &n), GBA_OK);
    CU_ASSERT_STRING_EQUAL(field, "qop=auth-int, nc=00000001, rspauth=\"64b1\", cnonce=\"00\\\"8f\", nextnonce=\"n\"");
    ERR(parse_info(""), GBA_OK);
    CU_ASSERT_PTR_NULL(info.rspauth.p);
    n = sizeof field;
    ERR(gba_authinfo_print(&info, field, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 0);
    ERR(parse_info("Digest qop=auth"), GBA_E_SYNTAX);
    ERR(parse_info("qop=auth nc=1"), GBA_E_SYNTAX);
    ERR(parse_info("nc=00000001, nc=00000001"), GBA_E_SYNTAX);
    ERR(parse_info("nc=x"), GBA_E_SYNTAX);
    memset(field, ',', sizeof field);
    ERR(gba_authinfo_parse(gba_mem(field, GBA_DIGEST_HEADER_MAX + 1), &info), GBA_E_RANGE);
}

/* ---- hashes ---- */

static void test_response_arguments(void)
{
    gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/")};
    char hex[65];
    fill(&auth);
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_E_UNSUPPORTED); /* userhash */
    CU_ASSERT_EQUAL(hex[0], 0);
    auth.userhash = false;
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_OK);
    auth.cnonce.p = NULL;
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_E_ARG);
    auth.qop = GBA_QOP_NONE;
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_OK);
    auth.algorithm = GBA_DIGEST_MD5_SESS; /* H(A1) has cnonce in it */
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_E_ARG);
    auth.algorithm = GBA_DIGEST_UNKNOWN;
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_E_UNSUPPORTED);
    fill(&auth);
    auth.qop = GBA_QOP_OTHER;
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_E_UNSUPPORTED);
    ERR(gba_digest_rspauth(&auth, &m, gba_str("p"), hex), GBA_E_UNSUPPORTED);
    fill(&auth);
    auth.uri.p = NULL;
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_E_ARG);
}

/* Checked with: printf '%s' ... | openssl md5 / openssl sha256. */
static void test_sha256_sess(void)
{
    gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/")};
    char hex[65];
    fill(&auth);
    auth.userhash = false;
    auth.algorithm = GBA_DIGEST_SHA256_SESS;
    auth.qop = GBA_QOP_AUTH;
    auth.nc = 1;
    auth.username = gba_str("u");
    ERR(gba_digest_ha1(&auth, gba_str("p"), hex), GBA_OK);
    CU_ASSERT_STRING_EQUAL(hex, "212229e80bb8dc6ad3421be43094bbb91ca44723e2626939d5c9bef16f0562b9");
    ERR(gba_digest_response(&auth, &m, gba_str("p"), hex), GBA_OK);
    CU_ASSERT_STRING_EQUAL(hex, "ea348c3992b38a8ab656b8bcd3589ab596820515773c2a4605013c6216e0f070");
}

/* A password with NUL in it, and the bodies' hash given or streamed. */
static void test_body_hash(void)
{
    static const gba_digest_alg algs[] = {GBA_DIGEST_AKAV1_MD5, GBA_DIGEST_AKAV2_SHA256, GBA_DIGEST_SHA256};
    gba_span password = gba_mem("\0a\0", 3);
    for (size_t i = 0; i < 3; i++) {
        gba_digest_message m = {.method = gba_str("POST"), .uri = gba_str("/"), .body = gba_str("hello")}, s = m;
        gba_body_hash h;
        char whole[65], streamed[65], other[65], hash[65];
        fill(&auth);
        auth.userhash = false;
        auth.algorithm = algs[i];
        gba_body_hash_begin(&h, algs[i]);
        gba_body_hash_add(&h, gba_str("he"));
        gba_body_hash_add(&h, gba_str(""));
        gba_body_hash_add(&h, gba_str("llo"));
        gba_body_hash_end(&h, hash);
        s.body = gba_str("something else");
        s.body_hash = hash;
        ERR(gba_digest_response(&auth, &m, password, whole), GBA_OK);
        ERR(gba_digest_response(&auth, &s, password, streamed), GBA_OK);
        CU_ASSERT_STRING_EQUAL(whole, streamed);
        ERR(gba_digest_response(&auth, &m, gba_str(""), other), GBA_OK);
        CU_ASSERT_STRING_NOT_EQUAL(whole, other);
        hash[31] = 0;
        ERR(gba_digest_response(&auth, &s, password, streamed), GBA_E_ARG);
    }
}

/* ---- the two checks ---- */

static const gba_digest_message request = {.method = {(const uint8_t *)"GET", 3}, .uri = {(const uint8_t *)"/", 1}};
static gba_digest_expect expected;

static void answer(void)
{
    static char hex[65];
    fill(&auth);
    auth.userhash = false;
    auth.nc = 1;
    expected = (gba_digest_expect){.algorithm = GBA_DIGEST_AKAV1_MD5,
                                   .qop = GBA_QOP_AUTH_INT,
                                   .realm = gba_str("r"),
                                   .nonce = gba_str("n"),
                                   .opaque = gba_str("o"),
                                   .require_algorithm = true};
    CU_ASSERT_EQUAL_FATAL(gba_digest_response(&auth, &request, gba_str("p"), hex), GBA_OK);
    auth.response = gba_str(hex);
}

#define VERIFY(statement, want)                                                 \
    do {                                                                        \
        answer();                                                               \
        statement;                                                              \
        ERR(gba_digest_verify(&auth, &expected, &request, gba_str("p")), want); \
    } while (0)

static void test_verify(void)
{
    VERIFY(, GBA_OK);
    VERIFY(auth.username.p = NULL, GBA_E_SYNTAX);
    VERIFY(auth.realm.p = NULL, GBA_E_SYNTAX);
    VERIFY(auth.nonce.p = NULL, GBA_E_SYNTAX);
    VERIFY(auth.uri.p = NULL, GBA_E_SYNTAX);
    VERIFY(auth.response.p = NULL, GBA_E_SYNTAX);
    VERIFY(auth.cnonce.p = NULL, GBA_E_SYNTAX);
    VERIFY(auth.nc_given = false, GBA_E_SYNTAX);
    VERIFY(auth.algorithm = GBA_DIGEST_MD5_SESS; auth.qop = GBA_QOP_NONE; auth.cnonce.p = NULL, GBA_E_SYNTAX);
    VERIFY(auth.algorithm = GBA_DIGEST_MD5, GBA_E_FORBIDDEN);
    VERIFY(auth.algorithm_given = false, GBA_E_FORBIDDEN);
    VERIFY(auth.algorithm_given = expected.require_algorithm = false, GBA_OK);
    VERIFY(auth.userhash = true, GBA_E_FORBIDDEN);
    VERIFY(auth.qop = GBA_QOP_AUTH, GBA_E_FORBIDDEN);
    VERIFY(auth.qop = GBA_QOP_NONE, GBA_E_FORBIDDEN);
    VERIFY(auth.qop = GBA_QOP_OTHER, GBA_E_FORBIDDEN);
    VERIFY(auth.qop = GBA_QOP_OTHER; expected.qop = 7, GBA_E_FORBIDDEN);
    VERIFY(expected.qop = GBA_QOP_NONE, GBA_E_FORBIDDEN);
    VERIFY(auth.realm = gba_str("x"), GBA_E_FORBIDDEN);
    VERIFY(expected.realm = gba_str("x"), GBA_E_FORBIDDEN);
    VERIFY(expected.realm.p = NULL, GBA_OK);
    VERIFY(auth.uri = gba_str("/x"), GBA_E_FORBIDDEN);
    VERIFY(auth.nc = 0, GBA_E_FORBIDDEN);
    VERIFY(auth.nc = 2, GBA_E_AUTH);
    VERIFY(auth.nonce = gba_str("x"), GBA_E_STALE);
    VERIFY(auth.nonce = gba_str("x"); auth.opaque = gba_str("x"), GBA_E_STALE);
    VERIFY(auth.nonce = gba_str("x"); expected.nonce.p = NULL, GBA_E_AUTH);
    VERIFY(auth.opaque = gba_str("x"), GBA_E_FORBIDDEN);
    VERIFY(auth.opaque.p = NULL, GBA_E_FORBIDDEN);
    VERIFY(expected.opaque.p = NULL, GBA_OK);
    VERIFY(auth.response.n--, GBA_E_AUTH);
    VERIFY(auth.response.n = 0, GBA_E_AUTH);
    VERIFY(auth.response = gba_str("0123456789abcdef0123456789abcdef"), GBA_E_AUTH);
    VERIFY(auth.response = gba_str("0123456789abcdef0123456789abcdef0"), GBA_E_AUTH);
}

/* LHEX: the same digits in upper case are no answer. */
static void test_verify_upper_case(void)
{
    char upper[65];
    answer();
    for (size_t i = 0; i <= auth.response.n; i++)
        upper[i] = (char)(auth.response.p[i] >= 'a' ? auth.response.p[i] - 32 : auth.response.p[i]);
    CU_ASSERT_STRING_NOT_EQUAL(upper, (const char *)auth.response.p);
    auth.response = gba_str(upper);
    ERR(gba_digest_verify(&auth, &expected, &request, gba_str("p")), GBA_E_AUTH);
}

static gba_err answered(const char *info_text, gba_span body)
{
    gba_digest_message m = {.uri = gba_str("/"), .body = body};
    ERR(parse_info(info_text), GBA_OK);
    return gba_authinfo_verify(&info, &auth, &m, gba_str("p"));
}

static void test_authinfo_verify(void)
{
    gba_digest_message m = {.uri = gba_str("/"), .body = gba_str("<x/>")};
    char rspauth[65];
    answer();
    ERR(gba_digest_rspauth(&auth, &m, gba_str("p"), rspauth), GBA_OK);
#define INFO(format) (snprintf(field, sizeof field, format, rspauth), field)
    ERR(answered(INFO("qop=auth-int, rspauth=\"%s\", cnonce=\"c\", nc=00000001"), m.body), GBA_OK);
    ERR(answered(INFO("qop=auth-int, rspauth=\"%s\", cnonce=\"c\", nc=00000001"), gba_str("<y/>")), GBA_E_AUTH);
    ERR(answered(INFO("qop=auth-int, rspauth=\"%s0\", cnonce=\"c\", nc=00000001"), m.body), GBA_E_AUTH);
    ERR(answered(INFO("qop=auth, rspauth=\"%s\", cnonce=\"c\", nc=00000001"), m.body), GBA_E_AUTH);
    ERR(answered(INFO("rspauth=\"%s\", cnonce=\"c\", nc=00000001"), m.body), GBA_E_AUTH);
    ERR(answered(INFO("qop=auth-int, rspauth=\"%s\", cnonce=\"d\", nc=00000001"), m.body), GBA_E_AUTH);
    ERR(answered(INFO("qop=auth-int, rspauth=\"%s\", nc=00000001"), m.body), GBA_E_AUTH);
    ERR(answered(INFO("qop=auth-int, rspauth=\"%s\", cnonce=\"c\", nc=00000002"), m.body), GBA_E_AUTH);
    ERR(answered(INFO("qop=auth-int, rspauth=\"%s\", cnonce=\"c\""), m.body), GBA_E_AUTH);
    ERR(answered("qop=auth-int, cnonce=\"c\", nc=00000001", m.body), GBA_E_AUTH);
    auth.qop = GBA_QOP_NONE;
    ERR(gba_digest_rspauth(&auth, &m, gba_str("p"), rspauth), GBA_OK);
    ERR(answered(INFO("rspauth=\"%s\""), m.body), GBA_OK);
    auth.uri.p = NULL;
    ERR(answered(INFO("rspauth=\"%s\""), m.body), GBA_E_ARG);
#undef INFO
}

/* ---- AKA ---- */

/* printf http-digest-akav2-password | openssl md5 -mac HMAC -macopt hexkey:RES||IK||CK -binary | base64 */
static void test_akav2_password(void)
{
    gba_secret res = t_secret("a54211d5e3ba50bf"), ik = t_secret("f769bcd751044604127672711c6d3441"),
               ck = t_secret("b40ba9a3c58b2a05bbf0d987b21bf8cb"), out, none = {0};
    ERR(gba_akav2_password(&res, &ik, &ck, &out), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(gba_secret_span(&out), gba_str("shzt3q8CWaZnCAWqs3WmEQ==")));
    ERR(gba_akav2_password(&none, &ik, &ck, &out), GBA_E_ARG);
    ck.n = GBA_SECRET_MAX + 1;
    ERR(gba_akav2_password(&res, &ik, &ck, &out), GBA_E_ARG);
}

static void test_aka_nonce(void)
{
    static uint8_t rand[16], autn[16], data[GBA_AKA_SERVER_DATA_MAX + 1];
    static gba_aka_nonce got;
    char text[GBA_B64_LEN(32 + GBA_AKA_SERVER_DATA_MAX) + 5];
    size_t n;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    memset(rand, 1, sizeof rand);
    memset(autn, 2, sizeof autn);
    for (size_t k = 0; k < sizeof data; k++) {
        n = sizeof text;
        CU_ASSERT_EQUAL_FATAL(gba_aka_nonce_print(rand, autn, gba_mem(data, k), text, &n), GBA_OK);
        CU_ASSERT_EQUAL(n, strlen(text));
        CU_ASSERT_EQUAL_FATAL(gba_aka_nonce_parse(gba_mem(text, n), &got), GBA_OK);
        CU_ASSERT_TRUE(got.n == k && memcmp(got.server_data, data, k) == 0 && got.rand[15] == 1 && got.autn[0] == 2);
    }
    n = sizeof text;
    ERR(gba_aka_nonce_print(rand, autn, gba_mem(data, sizeof data), text, &n), GBA_E_RANGE);
    n = 44;
    ERR(gba_aka_nonce_print(rand, autn, gba_str(""), text, &n), GBA_E_SPACE);
    memset(text, 'A', sizeof text);
    ERR(gba_aka_nonce_parse(gba_mem(text, GBA_B64_LEN(32 + GBA_AKA_SERVER_DATA_MAX) + 4), &got), GBA_E_RANGE);
    ERR(gba_aka_nonce_parse(gba_mem(text, 40), &got), GBA_E_SYNTAX); /* 30 octets */
    ERR(gba_aka_nonce_parse(gba_mem(text, 41), &got), GBA_E_SYNTAX);
}

static void test_auts(void)
{
    uint8_t auts[14];
    ERR(gba_auts_parse(gba_str("jKwOCb/504lCD0egYUc="), auts), GBA_OK);
    CU_ASSERT_TRUE(t_is(GBA_SPAN(auts), "8cac0e09bff9d389420f47a06147"));
    ERR(gba_auts_parse(gba_str(" jKwOCb/5\r\n 04lC\tD0egYUc=\n"), auts), GBA_OK);
    ERR(gba_auts_parse(gba_str("jKwOCb/504lCD0egYQ=="), auts), GBA_E_SYNTAX); /* 13 octets */
    ERR(gba_auts_parse(gba_str("jKwOCb/504lCD0egYUdH"), auts), GBA_E_SYNTAX); /* 15 octets */
    ERR(gba_auts_parse(gba_str("jKwOCb/504lCD0egYUc=A"), auts), GBA_E_SYNTAX);
    ERR(gba_auts_parse(gba_str("jKwOCb/504lCD0egYUd="), auts), GBA_E_SYNTAX); /* non-canonical tail */
    ERR(gba_auts_parse(gba_str("jKwOCb-504lCD0egYUc="), auts), GBA_E_SYNTAX);
    ERR(gba_auts_parse(gba_str("!!!!"), auts), GBA_E_SYNTAX);
    ERR(gba_auts_parse(gba_str(""), auts), GBA_E_SYNTAX);
}

static void test_product_tokens(void)
{
    static const struct {
        const char *value, *token;
        bool found;
    } cases[] = {
        {"NAF1 Application Agent; Release-6 3gpp-gba", "3gpp-gba", true}, /* TS 24.109 B.3 */
        {"Bootstrapping Client Agent; Release-6; 3gpp-gba-tmpi", "3gpp-gba-tmpi", true},
        {"Bootstrapping Client Agent; Release-6; 3gpp-gba-tmpi", "3gpp-gba", false},
        {"GBA-service; 0.1; 3gpp-gba-uicc", "3gpp-gba-uicc", true},
        {"GBA-service; 0.1; 3gpp-gba-uicc", "3gpp-gba", false},
        {"3gpp-gba-uicc 3gpp-gba", "3gpp-gba", true},
        {"3gpp-gba;3gpp-gba-uicc", "3gpp-gba", true},
        {"a,3gpp-gba", "3gpp-gba", true},
        {"x3gpp-gba", "3gpp-gba", false},
        {"3gpp-gb", "3gpp-gba", false},
        {"3gpp-gba/1.0", "3gpp-gba", true},
        {"1/3gpp-gba", "3gpp-gba", false},
        {"Mozilla/5.0 (X11; 3gpp-gba)", "3gpp-gba", false},
        {"Mozilla/5.0 (X11 (a) 3gpp-gba) 3gpp-gba", "3gpp-gba", true},
        {") 3gpp-gba", "3gpp-gba", true},
        {"3GPP-GBA", "3gpp-gba", false},
        {"", "3gpp-gba", false},
        {"a b", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_EQUAL(gba_product_token(gba_str(cases[i].value), cases[i].token), cases[i].found);
    CU_ASSERT_FALSE(gba_product_token(gba_mem("3gpp-gba\0", 9), "3gpp-gba"));
}

T_MAIN("digest", {"RFC 2617 3.5", test_rfc2617}, {"RFC 7616 3.9.1", test_rfc7616},
       {"RFC 7616 3.9.1, challenges", test_rfc7616_challenges}, {"algorithm names", test_algorithm_names},
       {"Authorization: forms", test_authorization_forms}, {"Authorization: refused", test_authorization_refused},
       {"Authorization: printed", test_authorization_print},
       {"Authorization: not printed", test_authorization_print_refused}, {"challenge", test_challenge},
       {"challenges of many schemes", test_challenge_many_schemes}, {"challenge: refused", test_challenge_refused},
       {"Authentication-Info", test_authinfo}, {"response: arguments", test_response_arguments},
       {"SHA-256-sess", test_sha256_sess}, {"body hash", test_body_hash}, {"verify", test_verify},
       {"verify: upper case", test_verify_upper_case}, {"Authentication-Info: verify", test_authinfo_verify},
       {"AKAv2 password", test_akav2_password}, {"AKA nonce", test_aka_nonce}, {"auts", test_auts},
       {"product tokens", test_product_tokens})
