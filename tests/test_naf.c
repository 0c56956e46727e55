/* SPDX-License-Identifier: Apache-2.0 */
/* test_naf.c - the NAF's check: what it admits, every refusal, replays, caches, clocks. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <CUnit/Basic.h>
#include <gba/kdf.h>
#include <gba/naf.h>

#define BTID "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net"
#define T0 INT64_C(1795000000)

static gba_naf *naf;
static gba_naf_result res;
static int64_t now = T0;
static gba_secret ks_naf;

static void setup(void (*change)(gba_naf_config *))
{
    static const char *const fqdns[] = {"naf1.home1.net", "NAF2.home1.net."};
    static const char *const bsfs[] = {"bsf.home1.net", "bsf2.home1.net"};
    gba_naf_config c = {.fqdns = fqdns, .n_fqdns = 2, .bsfs = bsfs, .n_bsfs = 2};
    if (change)
        change(&c);
    now = T0;
    const char *why = NULL;
    CU_ASSERT_EQUAL_FATAL(gba_naf_new(&c, &naf, &why), GBA_OK);
    ks_naf.n = 32;
    memset(ks_naf.o, 0x5a, 32);
}

static void teardown(void)
{
    gba_naf_result_clear(&res);
    gba_naf_free(&naf);
}

/* ---- a UE ---- */
typedef struct ue {
    const char *username, *method, *target, *host, *body, *agent, *intended, *algorithm;
    unsigned qop;
    uint32_t nc;
    gba_digest_alg alg;
    const char *realm, *uri, *opaque;
    bool wrong;
    uint8_t source;
    gba_transport transport;
    uint16_t suite;
    gba_err fetched;
} ue;
static char nonce[128], authorization[4096];

static const ue honest = {.username = BTID, .method = "GET", .target = "/x", .host = "naf1.home1.net:8443",
                          .qop = GBA_QOP_AUTH, .nc = 1, .alg = GBA_DIGEST_SHA256};

static void ask(const ue *u, const char *value)
{
    gba_span a = gba_str(value);
    gba_naf_request r = {.method = gba_str(u->method), .target = gba_str(u->target), .host = gba_str(u->host),
                         .body = gba_str(u->body), .authorization = &a, .n_authorization = value != NULL,
                         .user_agent = gba_str(u->agent), .transport = u->transport, .suite = u->suite, .now = now,
                         .fetched = u->fetched};
    if (u->intended)
        r.intended_identity = gba_str(u->intended);
    r.source[15] = u->source;
    gba_naf_result_clear(&res);
    gba_naf_check(naf, &r, &res);
}

static void take_nonce(void)
{
    gba_challenge c;
    gba_span rest = gba_str(res.fields[0].value);
    CU_ASSERT_EQUAL_FATAL(res.status, 401);
    CU_ASSERT_EQUAL_FATAL(gba_challenge_next(&rest, &c), GBA_OK);
    snprintf(nonce, sizeof nonce, "%.*s", (int)c.nonce.n, (const char *)c.nonce.p);
}

static bool is_stale(void)
{
    gba_challenge c;
    gba_span rest = gba_str(res.fields[0].value);
    CU_ASSERT_EQUAL_FATAL(gba_challenge_next(&rest, &c), GBA_OK);
    return c.stale;
}

static void fresh(const ue *u)
{
    ask(u, NULL);
    take_nonce();
}

static const char *credentials(const ue *u)
{
    char realm[300], hex[65];
    const char *colon = strchr(u->host, ':');
    snprintf(realm, sizeof realm, "3GPP-bootstrapping@%.*s", colon ? (int)(colon - u->host) : (int)strlen(u->host),
             u->host);
    gba_authorization a = {.algorithm = u->alg, .algorithm_given = true, .qop = u->qop, .nc = u->nc, .nc_given = true,
                           .username = gba_str(u->username), .realm = gba_str(u->realm ? u->realm : realm),
                           .nonce = gba_str(nonce), .uri = gba_str(u->uri ? u->uri : u->target),
                           .cnonce = gba_str("c0ffee")};
    if (u->opaque)
        a.opaque = gba_str(u->opaque);
    gba_digest_message m = {.method = gba_str(u->method), .uri = a.uri, .body = gba_str(u->body)};
    gba_secret password = {0};
    size_t n = sizeof authorization;
    CU_ASSERT_EQUAL_FATAL(gba_ua_password(&ks_naf, &password), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_digest_response(&a, &m, gba_secret_span(&password), hex), GBA_OK);
    if (u->wrong)
        hex[0] = hex[0] == '0' ? '1' : '0';
    a.response = gba_str(hex);
    CU_ASSERT_EQUAL_FATAL(gba_authorization_print(&a, authorization, &n), GBA_OK);
    return authorization;
}

static void send(const ue *u)
{
    ask(u, credentials(u));
}

static void teach(gba_err outcome, int64_t lifetime)
{
    gba_naf_keys k = {.me = ks_naf, .expires = now + lifetime, .bootstrapped = now};
    gba_uss *uss = calloc(1, sizeof *uss);
    strncpy(k.impi.s, "user1_private@home1.net", sizeof k.impi.s - 1);
    strncpy(uss->ids[0], "sip:user1@home1.net", sizeof uss->ids[0] - 1);
    uss->gsid = 7, uss->n_ids = 1;
    k.uss = uss, k.n_uss = 1;
    gba_naf_learn(naf, &res.query, outcome, &k, now);
    gba_naf_keys_clear(&k);
    CU_ASSERT_PTR_NULL(k.uss);
}

static void warm(const ue *u)
{
    fresh(u);
    send(u);
    CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
    teach(GBA_OK, 3600);
}

static void psk(const char *identity, size_t n, const char *sni, gba_transport t)
{
    gba_naf_psk_request r = {.identity = gba_mem(identity, n), .fqdn = gba_str(sni), .transport = t, .suite = 0xd001,
                             .now = now};
    gba_naf_result_clear(&res);
    gba_naf_psk(naf, &r, &res);
}

#define DETAIL(text) CU_ASSERT_STRING_EQUAL(res.detail ? res.detail : "none", text)
#define REFUSED(code, reason)                                                                                          \
    do {                                                                                                               \
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_REFUSE);                                                                  \
        CU_ASSERT_EQUAL(res.status, code);                                                                             \
        CU_ASSERT_STRING_EQUAL(gba_naf_why_name(res.why), reason);                                                     \
        CU_ASSERT_PTR_NULL(res.key);                                                                                   \
    } while (0)

/* ---- tests ---- */
static void test_admits(void)
{
    setup(NULL);
    ue u = honest;
    fresh(&u);
    REFUSED(401, "challenge");
    CU_ASSERT_EQUAL(res.n_fields, 2);
    CU_ASSERT_STRING_EQUAL(res.fields[0].name, "WWW-Authenticate");
    CU_ASSERT_PTR_NOT_NULL(strstr(res.fields[0].value, "realm=\"3GPP-bootstrapping@naf1.home1.net\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(res.fields[0].value, "SHA-256"));
    CU_ASSERT_PTR_NOT_NULL(strstr(res.fields[1].value, "MD5"));
    CU_ASSERT_FALSE(is_stale());
    send(&u);
    CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
    CU_ASSERT_STRING_EQUAL(res.query.btid.s, BTID);
    CU_ASSERT_STRING_EQUAL(res.query.domain, "bsf.home1.net");
    CU_ASSERT_STRING_EQUAL(res.query.naf.fqdn.s, "naf1.home1.net");
    CU_ASSERT_EQUAL(res.query.naf.ua.o[4], 2);
    teach(GBA_OK, 3600);
    send(&u);
    CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_OK);
    CU_ASSERT_STRING_EQUAL(res.identity->impi.s, "user1_private@home1.net");
    CU_ASSERT_STRING_EQUAL(gba_naf_asserted(res.identity), "sip:user1@home1.net");
    CU_ASSERT_EQUAL(res.identity->uss[0].gsid, 7);
    for (int i = 0; i < 8; i++) { /* both algorithms, both qops, another method and body */
        u.alg = i & 1 ? GBA_DIGEST_MD5 : GBA_DIGEST_SHA256;
        u.qop = i & 2 ? GBA_QOP_AUTH_INT : GBA_QOP_AUTH;
        u.method = i & 4 ? "POST" : "GET";
        u.body = i & 4 ? "hello" : "";
        u.nc++;
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
        CU_ASSERT_EQUAL(gba_naf_wants_body(&res), !!(i & 2));
    }
    teardown();
}

/* One key a NAF_Id: another name, another transport or suite is another query. */
static void test_naf_ids(void)
{
    setup(NULL);
    ue u = honest;
    warm(&u);
    u.host = "naf2.home1.net";
    fresh(&u);
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    CU_ASSERT_STRING_EQUAL(res.query.naf.fqdn.s, "naf2.home1.net");
    u = honest;
    u.transport = GBA_TLS13, u.suite = 0x1301;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    static const uint8_t tls[] = {1, 0, 1, 0x13, 1};
    CU_ASSERT_EQUAL(memcmp(res.query.naf.ua.o, tls, 5), 0);
    u.transport = GBA_TLS12, u.suite = 0xc02f;
    send(&u);
    CU_ASSERT_EQUAL(res.query.naf.ua.o[3], 0xc0);
    u = honest;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    teardown();
}

static void test_hosts(void)
{
    setup(NULL);
    static const char *const good[] = {"naf1.home1.net", "NAF1.home1.net:80", "naf1.home1.net.", "naf2.home1.net.:8"};
    static const char *const bad[] = {"naf3.home1.net", "127.0.0.1", "naf1.home1.net:x", "naf1.home1.net:123456", ":80",
                                      "[::1]:80", "naf1.home1.net:80:80", "naf1.home1.ne", "user@naf1.home1.net"};
    ue u = honest;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        u.host = good[i];
        ask(&u, NULL);
        REFUSED(401, "challenge");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        u.host = bad[i];
        ask(&u, NULL);
        REFUSED(421, "wrong_host");
    }
    u.host = "";
    ask(&u, NULL);
    REFUSED(400, "malformed");
    teardown();
}

static void test_malformed(void)
{
    setup(NULL);
    static const char *const bad[] = {
        "", "Digest", "Digest ", "Digest username", "Digest username=\"x", "Digest username=x username=y",
        "Digest username=\"a\", username=\"b\"", "Digest realm=\"r\"", "Digest \x01", "Digest =",
        "Digest username=\"a\", realm=\"b\", nonce=\"c\", uri=\"/x\", response=\"d\", qop=auth, nc=zz, cnonce=\"e\""};
    ue u = honest;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ask(&u, bad[i]);
        REFUSED(400, "malformed");
        CU_ASSERT_PTR_NOT_NULL(res.detail);
        CU_ASSERT_EQUAL(res.n_fields, 0);
    }
    char *huge = malloc(GBA_DIGEST_HEADER_MAX + 100);
    memset(huge, 'a', GBA_DIGEST_HEADER_MAX + 99);
    memcpy(huge, "Digest x=", 9);
    huge[GBA_DIGEST_HEADER_MAX + 99] = 0;
    ask(&u, huge);
    REFUSED(400, "malformed");
    DETAIL("Authorization is too long");
    free(huge);
    ask(&u, "Basic dXNlcjpwYXNz");
    REFUSED(401, "challenge");
    gba_span two[2] = {gba_str("Digest a=b"), gba_str("Digest a=b")};
    gba_naf_request r = {.method = gba_str("GET"), .target = gba_str("/x"), .host = gba_str(u.host),
                         .authorization = two, .n_authorization = 2, .now = now};
    gba_naf_check(naf, &r, &res);
    REFUSED(400, "malformed");
    teardown();
}

static void test_mismatch(void)
{
    setup(NULL);
    ue u = honest;
    warm(&u);
    ue v = u;
    v.uri = "/other";
    send(&v);
    REFUSED(400, "malformed");
    DETAIL("uri is not the request's target");
    v = u;
    v.realm = "3GPP-bootstrapping@naf2.home1.net";
    send(&v);
    REFUSED(401, "mismatch");
    DETAIL("realm is another than that of Host");
    v = u;
    v.alg = GBA_DIGEST_MD5_SESS;
    send(&v);
    REFUSED(401, "mismatch");
    v = u;
    v.alg = GBA_DIGEST_AKAV1_MD5;
    send(&v);
    REFUSED(401, "mismatch");
    DETAIL("algorithm is none that was offered");
    v = u;
    v.opaque = "x";
    send(&v);
    REFUSED(401, "mismatch");
    v = u;
    v.qop = GBA_QOP_NONE;
    send(&v);
    REFUSED(401, "mismatch");
    DETAIL("qop is absent");
    v = u;
    v.nc = 0;
    send(&v);
    REFUSED(400, "malformed");
    DETAIL("nc or cnonce is missing beside qop");
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    CU_ASSERT_PTR_NULL(res.detail);
    teardown();
}

static void test_wrong_digest(void)
{
    setup(NULL);
    ue u = honest;
    warm(&u);
    u.wrong = true;
    send(&u);
    REFUSED(401, "wrong_digest");
    CU_ASSERT_FALSE(is_stale());
    u.wrong = false;
    send(&u); /* the wrong answer used nothing up */
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    u.nc++, u.qop = GBA_QOP_AUTH_INT, u.body = "one";
    const char *a = credentials(&u);
    u.body = "two";
    ask(&u, a);
    REFUSED(401, "wrong_digest");
    u.body = "one";
    ask(&u, a);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    teardown();
}

static void test_replay(void)
{
    setup(NULL);
    ue u = honest;
    warm(&u);
    static const uint32_t order[] = {1, 3, 2, 70, 7, 69, 71, 0xffffffff, 0xfffffff0};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        u.nc = order[i];
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
        send(&u);
        REFUSED(401, "replay");
        CU_ASSERT_TRUE(is_stale());
    }
    static const uint32_t gone[] = {1, 4, 70, 72, 0xfffffff0};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        u.nc = gone[i];
        send(&u);
        REFUSED(401, "replay");
    }
    teardown();
}

static void few_nonces(gba_naf_config *c)
{
    c->nonces_max = 8;
}

/* A nonce that lost its slot is stale, never new again. */
static void test_nonce_eviction(void)
{
    setup(few_nonces);
    ue u = honest;
    warm(&u);
    char kept[20][128];
    for (int i = 0; i < 20; i++) {
        if (i)
            fresh(&u);
        memcpy(kept[i], nonce, sizeof nonce);
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    }
    for (int i = 0; i < 20; i++) {
        memcpy(nonce, kept[i], sizeof nonce);
        u.nc = 1;
        send(&u);
        REFUSED(401, i < 12 ? "stale" : "replay");
        u.nc = 2;
        send(&u);
        if (i < 12)
            REFUSED(401, "stale");
        else
            CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    }
    teardown();
}

static void test_stale(void)
{
    setup(NULL);
    ue u = honest;
    warm(&u);
    now += 301;
    send(&u);
    REFUSED(401, "stale");
    CU_ASSERT_TRUE(is_stale());
    u.wrong = true; /* an old nonce does not excuse a wrong response */
    send(&u);
    REFUSED(401, "wrong_digest");
    CU_ASSERT_FALSE(is_stale());
    u.wrong = false;
    fresh(&u);
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    for (size_t i = 0; i < strlen(nonce); i++) { /* every octet of a nonce counts */
        char was = nonce[i];
        nonce[i] = was == 'A' ? 'B' : 'A';
        send(&u);
        REFUSED(401, "stale");
        nonce[i] = was;
    }
    static const char *const alien[] = {"x", "dcd98b7102dd2f0e8b11d0f600bfb0c093",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    u.username = "bm9ib2R5@bsf.home1.net"; /* and nobody's key is asked for by one who took no challenge */
    for (size_t i = 0; i < sizeof alien / sizeof *alien; i++) {
        snprintf(nonce, sizeof nonce, "%s", alien[i]);
        send(&u);
        REFUSED(401, "stale");
    }
    teardown();
}

static uint8_t shared[32] = {1, 2, 3};
static void share_key(gba_naf_config *c)
{
    c->nonce_key = gba_mem(shared, sizeof shared);
}

/* Another instance's nonce: right, but its counts are known there. */
static void test_instances(void)
{
    setup(share_key);
    ue u = honest;
    fresh(&u);
    gba_naf *other = naf;
    setup(share_key);
    send(&u);
    CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
    teach(GBA_OK, 100);
    send(&u);
    REFUSED(401, "stale");
    CU_ASSERT_TRUE(is_stale());
    teardown();
    gba_naf_free(&other);
}

static void test_btids(void)
{
    setup(NULL);
    ue u = honest;
    fresh(&u);
    static const char *const foreign[] = {"abc@bsf.evil.net", "abc@localhost", "abc@bsf.home1.net.evil.net",
                                          "abc@127.0.0.1"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        u.username = foreign[i];
        send(&u);
        REFUSED(401, "foreign_bsf");
        CU_ASSERT_STRING_EQUAL(res.btid.s, foreign[i]);
    }
    u.username = "nobody";
    send(&u);
    REFUSED(401, "unknown_btid");
    u.username = "abc@BSF2.home1.net";
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    CU_ASSERT_EQUAL(res.query.bsf, 1);
    teardown();
}

static void test_outcomes(void)
{
    setup(NULL);
    ue u = honest;
    static const struct {
        gba_err e;
        unsigned status;
        const char *why;
        bool remembered;
    } cases[] = {{GBA_E_UNKNOWN, 401, "unknown_btid", true}, {GBA_E_EXPIRED, 401, "unknown_btid", true},
                 {GBA_E_FORBIDDEN, 403, "forbidden", true},  {GBA_E_IO, 503, "bsf_unreachable", false},
                 {GBA_E_BUSY, 503, "bsf_unreachable", false}, {GBA_E_SYNTAX, 503, "bsf_unreachable", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        snprintf(name, sizeof name, "u%zu@bsf.home1.net", i);
        u.username = name;
        u.fetched = GBA_OK;
        fresh(&u);
        send(&u);
        CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
        teach(cases[i].e, 100);
        u.fetched = cases[i].e;
        send(&u);
        REFUSED(cases[i].status, cases[i].why);
        if (cases[i].status == 503) {
            CU_ASSERT_STRING_EQUAL(res.fields[0].name, "Retry-After");
            CU_ASSERT_STRING_EQUAL(res.fields[0].value, "5");
        }
        u.fetched = GBA_OK;
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, cases[i].remembered ? GBA_NAF_REFUSE : GBA_NAF_WAIT);
        now += 31;
        send(&u); /* remembered for a short time only */
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
        now -= 1000; /* and not longer for a clock set back */
        fresh(&u);
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    }
    teardown();
}

/* The settings of a BSF's answer, as they come over Diameter; over HTTP: test_zn_client.c. */
static void teach_settings(const char *xml)
{
    gba_guss *g = calloc(1, sizeof *g);
    gba_naf_keys k = {.me = ks_naf, .expires = now + 3600, .bootstrapped = now};
    CU_ASSERT_EQUAL_FATAL(gba_guss_parse(gba_str(xml), g), GBA_OK);
    k.uss = g->uss, k.n_uss = g->n_uss;
    gba_naf_learn(naf, &res.query, GBA_OK, &k, now);
    free(g);
}

#define USS(id, choice) "<uss id=\"" id "\" type=\"1\"><uids><uid>sip:a@b</uid></uids>" choice "</uss>"
#define CHOICE(k) "<keyChoice>" k "</keyChoice>"
static void test_key_choice(void)
{
    static const struct {
        const char *settings;
        bool served;
    } cases[] = {
        {"<ussList>" USS("1", "") "</ussList>", true},
        {"<ussList>" USS("1", CHOICE("ME-based-key")) USS("2", CHOICE("ME-UICC-based-keys")) "</ussList>", true},
        {"<ussList>" USS("1", CHOICE("UICC-based-key")) "</ussList>", false},
        {"<ussList>" USS("1", CHOICE("ME-based-key")) USS("2", CHOICE("UICC-based-key")) "</ussList>", false},
    };
    static const char id[] = "3GPP-bootstrapping;" BTID;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ue u = honest;
        setup(NULL);
        fresh(&u);
        send(&u);
        CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
        teach_settings(cases[i].settings);
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, cases[i].served ? GBA_NAF_OK : GBA_NAF_REFUSE);
        if (!cases[i].served)
            REFUSED(403, "key_choice");
        u.nc = 2;
        send(&u); /* remembered like the BSF's own refusals, since a setting may change */
        CU_ASSERT_EQUAL(res.verdict, cases[i].served ? GBA_NAF_OK : GBA_NAF_REFUSE);
        psk(id, sizeof id - 1, "naf1.home1.net", GBA_TLS13);
        CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
        teach_settings(cases[i].settings);
        psk(id, sizeof id - 1, "naf1.home1.net", GBA_TLS13);
        CU_ASSERT_EQUAL(res.psk.n, cases[i].served ? 32 : 0);
        if (!cases[i].served)
            REFUSED(403, "key_choice");
        now += 31;
        fresh(&u);
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, cases[i].served ? GBA_NAF_OK : GBA_NAF_WAIT);
        teardown();
    }
}

static void test_expiry(void)
{
    setup(NULL);
    ue u = honest;
    fresh(&u);
    send(&u);
    teach(GBA_OK, 100);
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    now += 99;
    u.nc++;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    now += 1;
    u.nc++;
    send(&u);
    CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
    teach(GBA_OK, 0); /* the BSF sends a key that is over: bootstrap again */
    send(&u);
    REFUSED(401, "unknown_btid");
    now += 31;
    send(&u);
    teach(GBA_OK, 100);
    now -= 3600; /* the clock goes back an hour: when the key ends is for the BSF to say */
    fresh(&u);
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    teach(GBA_OK, 100);
    gba_naf_stats s;
    gba_naf_get_stats(naf, &s);
    CU_ASSERT_EQUAL(s.keys, 1);
    gba_naf_sweep(naf, now + 100);
    gba_naf_get_stats(naf, &s);
    CU_ASSERT_EQUAL(s.keys, 0);
    teardown();
}

static void few_keys(gba_naf_config *c)
{
    c->keys_max = 32;
    c->unknown_max = 16;
    c->unknown_per_source = 5;
}

static void test_caps(void)
{
    setup(few_keys);
    ue u = honest;
    char name[64];
    u.username = name;
    fresh(&u);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "k%d@bsf.home1.net", i);
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
        teach(GBA_OK, 100);
        u.nc = (uint32_t)i + 1;
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    }
    gba_naf_stats s;
    gba_naf_get_stats(naf, &s);
    CU_ASSERT_TRUE(s.keys <= 32 && s.keys > 8);
    CU_ASSERT_TRUE(s.evicted >= 468);
    gba_btid b;
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str(name), &b), GBA_OK);
    u.nc++;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    gba_naf_forget(naf, &b);
    u.nc++;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    teardown();
}

static void test_source_cap(void)
{
    setup(few_keys);
    ue u = honest;
    char name[64];
    u.username = name;
    u.source = 9;
    fresh(&u);
    for (int i = 0; i < 20; i++) { /* success and a silent BSF count nothing */
        snprintf(name, sizeof name, "g%d@bsf.home1.net", i);
        send(&u);
        CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
        teach(i & 1 ? GBA_OK : GBA_E_IO, 100);
    }
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "b%d@bsf.home1.net", i);
        send(&u);
        if (i < 5) {
            CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
            teach(GBA_E_UNKNOWN, 0);
        } else {
            REFUSED(503, "limited");
        }
    }
    snprintf(name, sizeof name, "g19@bsf.home1.net"); /* a known key still works */
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    snprintf(name, sizeof name, "c@bsf.home1.net");
    u.source = 10; /* others are not touched */
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    u.source = 9;
    now += 60;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    teardown();
}

static void test_identity(void)
{
    setup(NULL);
    ue u = honest;
    warm(&u);
    static const char *const good[] = {"\"user1_private@home1.net\"", "\"sip:user1@home1.net\"", "sip:user1@home1.net",
                                       "\"" BTID "\""};
    static const char *const bad[] = {"\"sip:user2@home1.net\"", "\"\"", "", "\"", "sip:user1@home1.ne"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        u.intended = good[i];
        u.nc++;
        send(&u);
        CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        u.intended = bad[i];
        u.nc++;
        send(&u);
        REFUSED(403, "wrong_identity");
    }
    teardown();
}

static void need_token(gba_naf_config *c)
{
    c->require_product_token = true;
}

static void test_product_token(void)
{
    setup(need_token);
    ue u = honest;
    ask(&u, NULL);
    REFUSED(403, "no_token");
    u.agent = "App 3gpp-gbax";
    ask(&u, NULL);
    REFUSED(403, "no_token");
    u.agent = "NAF1 Application Agent; Release-6 3gpp-gba";
    ask(&u, NULL);
    REFUSED(401, "challenge");
    teardown();
}

static void check_info(const ue *u, gba_span body, unsigned qop)
{
    char value[1024];
    size_t n = sizeof value;
    gba_authinfo i;
    gba_authorization sent;
    gba_secret password = {0};
    CU_ASSERT_EQUAL_FATAL(gba_naf_answer(naf, &res, body, now, value, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_authinfo_parse(gba_mem(value, n), &i), GBA_OK);
    CU_ASSERT_EQUAL(i.qop, qop);
    CU_ASSERT_EQUAL_FATAL(gba_authorization_parse(gba_str(authorization), &sent), GBA_OK);
    sent.qop = qop;
    CU_ASSERT_EQUAL_FATAL(gba_ua_password(&ks_naf, &password), GBA_OK);
    gba_digest_message m = {.uri = gba_str(u->target), .body = body};
    CU_ASSERT_EQUAL(gba_authinfo_verify(&i, &sent, &m, gba_secret_span(&password)), GBA_OK);
    if (i.nextnonce.p)
        snprintf(nonce, sizeof nonce, "%.*s", (int)i.nextnonce.n, (const char *)i.nextnonce.p);
    else
        nonce[0] = 0;
}

static void test_answer(void)
{
    setup(NULL);
    ue u = honest;
    warm(&u);
    send(&u);
    check_info(&u, gba_str("whatever"), GBA_QOP_AUTH);
    CU_ASSERT_EQUAL(nonce[0], 0);
    fresh(&u);
    u.qop = GBA_QOP_AUTH_INT;
    send(&u);
    check_info(&u, gba_str("page"), GBA_QOP_AUTH_INT);
    fresh(&u);
    now += 200;
    send(&u);
    check_info(&u, (gba_span){0}, GBA_QOP_AUTH); /* too large to hash */
    CU_ASSERT_TRUE(nonce[0]);                    /* an ageing nonce has a successor, which works */
    now += 200;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    char value[16];
    size_t n = sizeof value;
    CU_ASSERT_EQUAL(gba_naf_answer(naf, &res, gba_str(""), now, value, &n), GBA_E_SPACE);
    ask(&u, NULL);
    n = sizeof value;
    CU_ASSERT_EQUAL(gba_naf_answer(naf, &res, gba_str(""), now, value, &n), GBA_E_ARG);
    teardown();
}

static void always_next(gba_naf_config *c)
{
    c->nextnonce_always = true;
}

/* D2: a UE that begins nc at 1 with each request needs a nonce with each answer; one that counts on needs none. */
static void test_nextnonce_always(void)
{
    setup(always_next);
    ue u = honest;
    char first[sizeof nonce];
    warm(&u);
    for (int i = 0; i < 5; i++) {
        send(&u);
        CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_OK);
        snprintf(first, sizeof first, "%s", nonce);
        check_info(&u, gba_str("page"), GBA_QOP_AUTH);
        CU_ASSERT_TRUE(nonce[0] && strcmp(nonce, first) != 0);
        u.nc = 1;
    }
    snprintf(nonce, sizeof nonce, "%s", first);
    u.nc++;
    send(&u);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    teardown();
}

static gba_err source(void *ctx, const gba_naf_query *q, gba_naf_keys *out)
{
    (void)q;
    *out = (gba_naf_keys){.me = ks_naf, .expires = now + 10};
    return *(gba_err *)ctx;
}

static void test_blocking(void)
{
    setup(NULL);
    ue u = honest;
    fresh(&u);
    gba_span a = gba_str(credentials(&u));
    gba_naf_request r = {.method = gba_str("GET"), .target = gba_str(u.target), .host = gba_str(u.host),
                         .authorization = &a, .n_authorization = 1, .now = now};
    gba_err e = GBA_E_IO;
    gba_naf_check_blocking(naf, &r, source, &e, &res);
    REFUSED(503, "bsf_unreachable");
    e = GBA_OK;
    gba_naf_check_blocking(naf, &r, source, &e, &res);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    CU_ASSERT_STRING_EQUAL(gba_naf_asserted(res.identity), BTID);
    teardown();
}

static void test_psk(void)
{
    setup(NULL);
    static const char id[] = "3GPP-bootstrapping;" BTID, nul[] = "3GPP-bootstrapping;a\0b@bsf.home1.net";
    psk(id, sizeof id - 1, "naf2.home1.net", GBA_TLS12);
    CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_WAIT);
    CU_ASSERT_EQUAL(res.query.naf.ua.o[3], 0xd0);
    CU_ASSERT_STRING_EQUAL(res.query.naf.fqdn.s, "naf2.home1.net");
    teach(GBA_OK, 100);
    psk(id, sizeof id - 1, "naf2.home1.net", GBA_TLS12);
    CU_ASSERT_EQUAL_FATAL(res.verdict, GBA_NAF_OK);
    CU_ASSERT_TRUE(gba_secret_eq(&res.psk, &ks_naf));
    /* requests on that session */
    gba_naf_result_clear(&res);
    gba_naf_psk_request r = {.identity = gba_mem(id, sizeof id - 1), .fqdn = gba_str("naf2.home1.net"),
                             .transport = GBA_TLS12, .suite = 0xd001, .now = now,
                             .host = gba_str("NAF2.home1.net:443")};
    gba_naf_psk(naf, &r, &res);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_OK);
    gba_naf_result_clear(&res);
    r.intended_identity = gba_str("\"nobody@home1.net\"");
    gba_naf_psk(naf, &r, &res);
    REFUSED(403, "wrong_identity");
    r.host = gba_str("naf1.home1.net"); /* ours, but not the session's */
    gba_naf_psk(naf, &r, &res);
    REFUSED(421, "wrong_host");
    r.host = gba_str("");
    gba_naf_psk(naf, &r, &res);
    REFUSED(421, "wrong_host");
    psk(id, sizeof id - 1, "", GBA_TLS13);
    CU_ASSERT_EQUAL(res.verdict, GBA_NAF_WAIT);
    CU_ASSERT_EQUAL(res.query.naf.ua.o[4], 7);
    CU_ASSERT_STRING_EQUAL(res.query.naf.fqdn.s, "naf1.home1.net");
    psk(id, sizeof id - 1, "else.home1.net", GBA_TLS13);
    REFUSED(421, "wrong_host");
    psk(nul, sizeof nul - 1, "", GBA_TLS13);
    REFUSED(421, "unknown_btid");
    psk("ticket", 6, "", GBA_TLS13);
    REFUSED(421, "not_gba");
    char *huge = malloc(65535);
    memset(huge, 'x', 65535);
    memcpy(huge, id, 19);
    psk(huge, 65535, "", GBA_TLS13);
    REFUSED(421, "unknown_btid");
    free(huge);
    teardown();
}

/* Whatever the result held: what comes out is what the check wrote. */
static void test_any_result(void)
{
    setup(NULL);
    static const char id[] = "3GPP-bootstrapping;" BTID;
    static gba_naf_result zero, r;
    const gba_naf_psk_request p = {.identity = gba_mem(id, sizeof id - 1), .transport = GBA_TLS13, .now = now};
    const gba_naf_request none = {.method = gba_str("GET"), .target = gba_str("/"), .host = gba_str("naf1.home1.net"),
                                  .now = now};
    char value[512];
    psk(id, sizeof id - 1, "", GBA_TLS13);
    teach(GBA_OK, 100);
    for (int octet = 0xa5; octet <= 0xff; octet += 0x5a) {
        size_t n = sizeof value;
        memset(&r, octet, sizeof r);
        gba_naf_psk(naf, &p, &r);
        CU_ASSERT_EQUAL_FATAL(r.verdict, GBA_NAF_OK);
        CU_ASSERT(memcmp(&r.authorization, &zero.authorization, offsetof(gba_authorization, store)) == 0);
        CU_ASSERT_FALSE(gba_naf_wants_body(&r));
        CU_ASSERT_EQUAL(gba_naf_answer(naf, &r, gba_str("page"), now, value, &n), GBA_E_ARG);
        gba_naf_result_clear(&r);
        memset(&r, octet, sizeof r);
        gba_naf_check(naf, &none, &r);
        CU_ASSERT_EQUAL(r.status, 401);
        CU_ASSERT_EQUAL(r.n_fields, 2);
        CU_ASSERT(r.query.bsf == 0 && !r.query.domain && !r.fields[2].name && !r.renew);
        CU_ASSERT(memcmp(&r.authorization, &zero.authorization, offsetof(gba_authorization, store)) == 0);
    }
    teardown();
}

static void test_config(void)
{
    static const char *const fqdns[] = {"naf1.home1.net"}, *const bad[] = {"a b"};
    const char *why = NULL;
    gba_naf *n = NULL;
    gba_naf_config good = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = fqdns, .n_bsfs = 1}, c = good;
    c.n_fqdns = 0;
    CU_ASSERT_EQUAL(gba_naf_new(&c, &n, &why), GBA_E_ARG);
    CU_ASSERT_PTR_NOT_NULL(why);
    c = good, c.bsfs = bad;
    CU_ASSERT_EQUAL(gba_naf_new(&c, &n, NULL), GBA_E_ARG);
    c = good, c.fqdns = bad;
    CU_ASSERT_EQUAL(gba_naf_new(&c, &n, NULL), GBA_E_ARG);
    c = good, c.algorithms[0] = GBA_DIGEST_AKAV1_MD5, c.n_algorithms = 1;
    CU_ASSERT_EQUAL(gba_naf_new(&c, &n, NULL), GBA_E_ARG);
    c = good, c.nonce_key = gba_str("short");
    CU_ASSERT_EQUAL(gba_naf_new(&c, &n, NULL), GBA_E_ARG);
    c = good, c.qop = 8;
    CU_ASSERT_EQUAL(gba_naf_new(&c, &n, NULL), GBA_E_ARG);
    CU_ASSERT_PTR_NULL(n);
    gba_naf_free(&n);
}

/* Eight threads over few keys and nonces: each nonce count is admitted once. */
static atomic_int admitted;
static char shared_value[200][1024];
static void *racer(void *unused)
{
    gba_naf_result *r = malloc(sizeof *r);
    for (int i = 0; i < 200; i++) {
        gba_span a = gba_str(shared_value[i]);
        gba_naf_request q = {.method = gba_str("GET"), .target = gba_str("/x"), .host = gba_str("naf1.home1.net"),
                             .authorization = &a, .n_authorization = 1, .now = now};
        gba_err e = GBA_OK;
        gba_naf_check_blocking(naf, &q, source, &e, r);
        if (r->verdict == GBA_NAF_OK)
            atomic_fetch_add(&admitted, 1);
        gba_naf_result_clear(r);
        if (i % 16 == 0)
            gba_naf_sweep(naf, now + (i % 32 ? 0 : 100));
    }
    free(r);
    return unused;
}

static void test_threads(void)
{
    setup(NULL);
    ue u = honest;
    u.host = "naf1.home1.net";
    for (int i = 0; i < 200; i++) {
        if (i % 50 == 0)
            fresh(&u);
        u.nc = (uint32_t)(i % 50) + 1;
        snprintf(shared_value[i], sizeof shared_value[i], "%s", credentials(&u));
    }
    pthread_t t[8];
    atomic_store(&admitted, 0);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, racer, NULL), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&admitted), 200);
    teardown();
}

int main(void)
{
    static const struct {
        const char *name;
        CU_TestFunc f;
    } tests[] = {{"admits", test_admits},
                 {"one key a NAF_Id", test_naf_ids},
                 {"hosts", test_hosts},
                 {"malformed credentials", test_malformed},
                 {"mismatches", test_mismatch},
                 {"wrong digest", test_wrong_digest},
                 {"replays", test_replay},
                 {"forgotten nonces", test_nonce_eviction},
                 {"stale nonces", test_stale},
                 {"instances with one key", test_instances},
                 {"foreign B-TIDs", test_btids},
                 {"outcomes of a query", test_outcomes},
                 {"the key of the UICC alone", test_key_choice},
                 {"expiry and clocks", test_expiry},
                 {"cache limits", test_caps},
                 {"limit of a source", test_source_cap},
                 {"intended identity", test_identity},
                 {"product token", test_product_token},
                 {"Authentication-Info", test_answer},
                 {"D2: nextnonce in each answer", test_nextnonce_always},
                 {"the blocking loop", test_blocking},
                 {"PSK identities", test_psk},
                 {"a result of garbage", test_any_result},
                 {"configuration", test_config},
                 {"threads", test_threads}};
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite s = CU_add_suite("naf", NULL, NULL);
    for (size_t i = 0; s && i < sizeof tests / sizeof *tests; i++)
        if (!CU_add_test(s, tests[i].name, tests[i].f))
            return 1;
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
