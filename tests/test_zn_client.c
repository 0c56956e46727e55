/* SPDX-License-Identifier: Apache-2.0 */
/* test_zn_client.c - the NAF's side of Zn over HTTP: documents, and real mutual TLS with a BSF on loopback. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <CUnit/Basic.h>
#include <gba/naf_zn_http.h>
#include "tests/fake_bsf.h"

static char dir[64];
static fake_bsf *bsf;
static const char *domains = "bsf.home1.net";

static const char *in_dir(const char *name)
{
    static char path[4][128];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
    return path[i];
}

/* Two CAs, a server and a client certificate under the first, a client of the second. */
static bool make_certificates(void)
{
    static const char script[] =
        "cd %s && for ca in good bad; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=$ca -keyout $ca-ca.key -out $ca-ca.pem; done && leaf() { openssl req -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes -subj /CN=$2 -keyout $2.key -out $2.csr && echo subjectAltName=DNS:$3 >$2.ext && "
        "openssl x509 -req -in $2.csr -CA $1-ca.pem -CAkey $1-ca.key -CAcreateserial -days 2 -extfile $2.ext -out "
        "$2.pem; } && leaf good server localhost && leaf good naf naf.home1.net && leaf bad evil naf.home1.net";
    char command[2048];
    snprintf(dir, sizeof dir, "/tmp/test_zn_client.XXXXXX");
    if (!mkdtemp(dir))
        return false;
    int n = snprintf(command, sizeof command, "(");
    n += snprintf(command + n, sizeof command - (size_t)n, script, dir);
    snprintf(command + n, sizeof command - (size_t)n, ") >/dev/null 2>&1");
    return system(command) == 0;
}

static int suite_begin(void)
{
    if (!make_certificates())
        return 1;
    bsf = fake_bsf_start(0, in_dir("server.pem"), in_dir("server.key"), in_dir("good-ca.pem"));
    return !bsf;
}

static int suite_end(void)
{
    char command[128];
    fake_bsf_stop(&bsf);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) != 0;
}

static gba_naf_zn_http *client(const char *host, const char *ca, const char *cert)
{
    char url[128], key[32], pem[32];
    snprintf(url, sizeof url, "https://%s:%u/", host, fake_bsf_port(bsf));
    snprintf(key, sizeof key, "%s.key", cert ? cert : "");
    snprintf(pem, sizeof pem, "%s.pem", cert ? cert : "");
    gba_naf_zn_bsf one = {.domain = domains, .url = url};
    gba_naf_zn_http_config c = {.bsfs = &one, .n_bsfs = 1, .ca_file = in_dir(ca), .total_ms = 4000};
    if (cert)
        c.cert_file = in_dir(pem), c.key_file = in_dir(key);
    gba_naf_zn_http *z = NULL;
    CU_ASSERT_EQUAL_FATAL(gba_naf_zn_http_new(&c, &z, NULL), GBA_OK);
    return z;
}

static gba_naf_query query(const char *btid)
{
    gba_naf_query q = {.domain = domains};
    CU_ASSERT_EQUAL_FATAL(gba_btid_parse(gba_str(btid), &q.btid), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_fqdn_parse(gba_str("naf1.home1.net"), &q.naf.fqdn), GBA_OK);
    q.naf.ua = gba_ua_id_digest(GBA_TLS13, 0x1301);
    return q;
}

static gba_err fetch(gba_naf_zn_http *z, const char *btid, gba_naf_keys *k)
{
    gba_naf_query q = query(btid);
    return gba_naf_zn_http_fetch(z, &q, k);
}

static void test_key(void)
{
    gba_naf_zn_http *z = client("localhost", "good-ca.pem", "naf");
    gba_naf_keys k;
    gba_naf_query q = query("uss1/+==@bsf.home1.net");
    gba_secret want = {0};
    unsigned before = fake_bsf_connections(bsf);
    CU_ASSERT_EQUAL_FATAL(gba_naf_zn_http_fetch(z, &q, &k), GBA_OK);
    fake_bsf_key(q.btid.s, &q.naf, &want);
    CU_ASSERT_TRUE(gba_secret_eq(&k.me, &want));
    CU_ASSERT_TRUE(k.expires > time(NULL) + 3500 && k.bootstrapped > time(NULL) - 100);
    CU_ASSERT_STRING_EQUAL(k.impi.s, "user@home1.net");
    CU_ASSERT_EQUAL_FATAL(k.n_uss, 1);
    CU_ASSERT_EQUAL(k.uss[0].gsid, 7);
    CU_ASSERT_STRING_EQUAL(k.uss[0].ids[0], "sip:user@home1.net");
    CU_ASSERT_EQUAL(k.uss[0].key_choice, GBA_KEY_ME);
    CU_ASSERT_EQUAL(k.uss[0].n_flags, 1);
    gba_naf_keys_clear(&k);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(fetch(z, "plain@bsf.home1.net", &k), GBA_OK);
        gba_naf_keys_clear(&k);
    }
    CU_ASSERT_EQUAL(fake_bsf_connections(bsf) - before, 1); /* kept alive */
    gba_naf_zn_http_free(&z);
    CU_ASSERT_PTR_NULL(z);
}

/* Two settings, and one of them wants the key of the UICC. */
static void test_key_choice(void)
{
    gba_naf_zn_http *z = client("localhost", "good-ca.pem", "naf");
    static const char *const fqdns[] = {"naf1.home1.net"};
    const gba_naf_config c = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = &domains, .n_bsfs = 1};
    gba_naf_psk_request p = {.identity = gba_str("3GPP-bootstrapping;uicc1@bsf.home1.net"), .transport = GBA_TLS13,
                             .now = time(NULL)};
    static gba_naf_result r;
    gba_naf_keys k;
    gba_naf *naf;
    CU_ASSERT_EQUAL_FATAL(gba_naf_new(&c, &naf, NULL), GBA_OK);
    gba_naf_psk(naf, &p, &r);
    CU_ASSERT_EQUAL_FATAL(r.verdict, GBA_NAF_WAIT);
    CU_ASSERT_EQUAL_FATAL(gba_naf_zn_http_fetch(z, &r.query, &k), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(k.n_uss, 2);
    CU_ASSERT_EQUAL(k.uss[1].key_choice, GBA_KEY_UICC);
    gba_naf_learn(naf, &r.query, GBA_OK, &k, p.now);
    gba_naf_keys_clear(&k);
    gba_naf_psk(naf, &p, &r);
    CU_ASSERT(r.verdict == GBA_NAF_REFUSE && r.status == 403 && r.psk.n == 0);
    CU_ASSERT_STRING_EQUAL(gba_naf_why_name(r.why), "key_choice");
    gba_naf_free(&naf);
    gba_naf_zn_http_free(&z);
}

static void test_refusals(void)
{
    gba_naf_zn_http *z = client("localhost", "good-ca.pem", "naf");
    static const struct {
        const char *btid;
        gba_err e;
    } cases[] = {{"unknown@x", GBA_E_UNKNOWN}, {"forbidden@x", GBA_E_FORBIDDEN}, {"busy@x", GBA_E_BUSY},
                 {"broken@x", GBA_E_SYNTAX},   {"short@x", GBA_E_SYNTAX},        {"huge@x", GBA_E_RANGE},
                 {"drop@x", GBA_E_IO},         {"moved@x", GBA_E_IO},            {"slow@x", GBA_E_BUSY},
                 {"fine@x", GBA_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gba_naf_keys k;
        CU_ASSERT_EQUAL(fetch(z, cases[i].btid, &k), cases[i].e);
        CU_ASSERT_EQUAL(k.me.n, cases[i].e ? 0 : 32);
        gba_naf_keys_clear(&k);
    }
    gba_naf_query q = query("fine@x");
    gba_naf_keys k;
    q.domain = "elsewhere.net";
    CU_ASSERT_EQUAL(gba_naf_zn_http_fetch(z, &q, &k), GBA_E_ARG);
    gba_naf_zn_http_free(&z);
}

static void test_trust(void)
{
    static const struct {
        const char *host, *ca, *cert;
    } bad[] = {{"localhost", "bad-ca.pem", "naf"},   /* a server we do not trust */
               {"127.0.0.1", "good-ca.pem", "naf"},  /* not its name */
               {"localhost", "good-ca.pem", "evil"}, /* it does not trust us */
               {"localhost", "good-ca.pem", NULL},
               {"localhost", "missing.pem", "naf"},
               {"localhost", "good-ca.pem", "missing"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gba_naf_zn_http *z = client(bad[i].host, bad[i].ca, bad[i].cert);
        gba_naf_keys k;
        CU_ASSERT_EQUAL(fetch(z, "fine@x", &k), GBA_E_IO);
        gba_naf_zn_http_free(&z);
    }
}

static void test_restart(void)
{
    gba_naf_zn_http *z = client("localhost", "good-ca.pem", "naf");
    gba_naf_keys k;
    uint16_t port = fake_bsf_port(bsf);
    CU_ASSERT_EQUAL(fetch(z, "fine@x", &k), GBA_OK);
    fake_bsf_stop(&bsf);
    CU_ASSERT_EQUAL(fetch(z, "fine@x", &k), GBA_E_IO);
    bsf = fake_bsf_start(port, in_dir("server.pem"), in_dir("server.key"), in_dir("good-ca.pem"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(bsf);
    CU_ASSERT_EQUAL(fetch(z, "fine@x", &k), GBA_OK);
    gba_naf_keys_clear(&k);
    gba_naf_zn_http_free(&z);
}

static atomic_int good;
static void *fetcher(void *z)
{
    for (int i = 0; i < 20; i++) {
        gba_naf_keys k;
        if (fetch(z, "fine@x", &k) == GBA_OK)
            atomic_fetch_add(&good, 1);
        gba_naf_keys_clear(&k);
    }
    return NULL;
}

static void test_threads(void)
{
    gba_naf_zn_http *z = client("localhost", "good-ca.pem", "naf");
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, fetcher, z), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&good), 120);
    gba_naf_zn_http_free(&z);
}

#define KEY "\"meKeyMaterial\":\"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\""
#define END "\"keyExpiryTime\":\"2026-11-25T10:00:00Z\""
#define USS(x) "{" KEY "," END ",\"ussList\":[{\"uss\":{" x "}}]}"
#define FINE "\"gsId\":1,\"gsType\":2,\"ueIds\":[{\"ueId\":\"a\"}]"

static void test_parser(void)
{
    static const struct {
        const char *json;
        gba_err e;
    } cases[] = {
        {"{" KEY "," END "}", GBA_OK},
        {"{" KEY "," END ",\"more\":[1,{}]}", GBA_OK},
        {"{" KEY "," END ",\"uiccKeyMaterial\":\"\"}", GBA_E_SYNTAX},
        {"{" KEY "," END ",\"impi\":\"nobody\"}", GBA_E_SYNTAX},
        {"{" KEY "," END ",\"impi\":1}", GBA_E_SYNTAX},
        {"{" KEY "," END ",\"gbaType\":\"2G_GBA\"}", GBA_OK},
        {"{" KEY "," END ",\"gbaType\":\"6G\"}", GBA_E_UNSUPPORTED},
        {"{" KEY "," END "," KEY "}", GBA_E_SYNTAX}, /* given twice */
        {"{" KEY "," END "} ", GBA_OK},
        {"{" KEY "," END "}x", GBA_E_SYNTAX},
        {"{" KEY "}", GBA_E_SYNTAX},
        {"{" END "}", GBA_E_SYNTAX},
        {"{" KEY ",\"keyExpiryTime\":\"2026-11-25T10:00:00\"}", GBA_E_SYNTAX},
        {"{" KEY ",\"keyExpiryTime\":1795000000}", GBA_E_SYNTAX},
        {"{\"meKeyMaterial\":\"0g112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\"," END "}", GBA_E_SYNTAX},
        {"{\"meKeyMaterial\":null," END "}", GBA_E_SYNTAX},
        {"[]", GBA_E_SYNTAX},
        {"\"x\"", GBA_E_SYNTAX},
        {"", GBA_E_SYNTAX},
        {USS(FINE), GBA_OK},
        {USS(FINE ",\"keyChoice\":\"UICC_BASED_KEY\",\"flags\":[]"), GBA_OK},
        {USS(FINE ",\"flags\":[{\"flag\":4294967296}]"), GBA_E_RANGE},
        {USS(FINE ",\"flags\":{}"), GBA_E_SYNTAX},
        {USS("\"gsId\":-1,\"gsType\":2,\"ueIds\":[]"), GBA_E_RANGE},
        {USS("\"gsId\":1,\"gsType\":2,\"ueIds\":[{\"ueId\":\"a\\u000ab\"}]"), GBA_E_SYNTAX},
        {USS("\"gsId\":1,\"gsType\":2,\"ueIds\":[{\"ueId\":\"a\\\"b\"}]"), GBA_E_SYNTAX},
        {USS("\"gsId\":1,\"gsType\":2,\"ueIds\":[{\"ueId\":\"\"}]"), GBA_E_SYNTAX},
        {USS("\"gsId\":1,\"gsType\":2"), GBA_E_SYNTAX},
        {"{" KEY "," END ",\"ussList\":[{}]}", GBA_E_SYNTAX},
        {"{" KEY "," END ",\"ussList\":[]}", GBA_OK},
        {"{" KEY "," END ",\"ussList\":[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6]}", GBA_E_RANGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gba_naf_keys k;
        gba_err e = gba_naf_zn_answer_parse(gba_str(cases[i].json), &k);
        if (e != cases[i].e)
            printf("\n%s: %s\n", cases[i].json, gba_err_name(e));
        CU_ASSERT_EQUAL(e, cases[i].e);
        CU_ASSERT_EQUAL(k.me.n, e ? 0 : 32);
        if (!e)
            CU_ASSERT_EQUAL(k.me.o[31], 0xff);
        gba_naf_keys_clear(&k);
    }
}

static void test_request(void)
{
    gba_naf_query q = query("a+/b==@bsf.home1.net");
    char out[256];
    size_t n = sizeof out;
    CU_ASSERT_EQUAL(gba_naf_zn_request_print(&q, out, &n), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(gba_mem(out, n),
                               gba_str("{\"btId\":\"a+/b==@bsf.home1.net\",\"nafId\":{\"nafFqdn\":\"naf1.home1.net\","
                                       "\"uaSecProtId\":\"0100011301\"}}")));
    n = 20;
    CU_ASSERT_EQUAL(gba_naf_zn_request_print(&q, out, &n), GBA_E_SPACE);
    const uint32_t gsids[] = {1, 4294967295u};
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_naf_zn_request_print_for(&q, gsids, 2, out, &n), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(gba_mem(out, n),
                               gba_str("{\"btId\":\"a+/b==@bsf.home1.net\",\"nafId\":{\"nafFqdn\":\"naf1.home1.net\","
                                       "\"uaSecProtId\":\"0100011301\"},\"gsIds\":[1,4294967295]}")));
}

static void test_config(void)
{
    gba_naf_zn_http *z = NULL;
    const char *why = NULL;
    gba_naf_zn_bsf one = {.domain = "bsf.home1.net", .url = "http://localhost:1"};
    gba_naf_zn_http_config c = {.bsfs = &one, .n_bsfs = 1};
    CU_ASSERT_EQUAL(gba_naf_zn_http_new(&c, &z, &why), GBA_E_ARG);
    CU_ASSERT_PTR_NOT_NULL(why);
    one.url = NULL;
    CU_ASSERT_EQUAL(gba_naf_zn_http_new(&c, &z, &why), GBA_E_ARG);
    c.n_bsfs = 0;
    CU_ASSERT_EQUAL(gba_naf_zn_http_new(&c, &z, NULL), GBA_E_ARG);
    CU_ASSERT_PTR_NULL(z);
    gba_naf_zn_http_free(&z);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite s = CU_add_suite("zn client", suite_begin, suite_end);
    if (!s || !CU_add_test(s, "a key", test_key) || !CU_add_test(s, "the key of the UICC alone", test_key_choice) || !CU_add_test(s, "refusals", test_refusals) ||
        !CU_add_test(s, "trust", test_trust) || !CU_add_test(s, "restart of the BSF", test_restart) ||
        !CU_add_test(s, "threads", test_threads) || !CU_add_test(s, "answers", test_parser) ||
        !CU_add_test(s, "requests", test_request) || !CU_add_test(s, "configuration", test_config))
        return 1;
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failed != 0;
}
