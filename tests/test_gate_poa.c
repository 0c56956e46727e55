/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_gate_poa.c - points of access that become the gate's: in documents and in the store; whom the egress contacts,
 * how long a request lives.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "onem2m-binding/gate_poa.h"
#include "tests/t_main.h"

static char dir[] = "/tmp/poa-XXXXXX";
static gate g;
static gate_settings conf_of_g;
static gba_m2m_id cx, cy;
static char command[300];

static gba_m2m_id id_of(const char *text)
{
    gba_m2m_id id;
    if (gba_m2m_id_parse(gba_str(text), NULL, &id) != GBA_OK)
        abort();
    return id;
}

static store *open_store(void)
{
    char url[256], key[256], why[512] = "";
    store *s = NULL;
    snprintf(url, sizeof url, "sqlite:%s/gate.db", dir);
    snprintf(key, sizeof key, "%s/key", dir);
    store_config c = {.url = url, .key_file = key, .create = true};
    if ((access(key, F_OK) != 0 && store_key_file_create(key, why, sizeof why) != GBA_OK) ||
        store_open(&c, &s, why, sizeof why) != GBA_OK) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    return s;
}

static void begin(void)
{
    memcpy(dir, "/tmp/poa-XXXXXX", sizeof dir);
    if (!mkdtemp(dir))
        abort();
    memset(&g, 0, sizeof g);
    g.s = &conf_of_g;
    snprintf(g.egress_url, sizeof g.egress_url, "http://127.0.0.1:8090");
    g.store = open_store();
    cx = id_of("//sp.example.com/cse1/Cx");
    cy = id_of("//sp.example.com/cse1/Cy");
    if (gate_book_open(g.store, &g.book) != GBA_OK || gate_poas_open(g.store, &g.poas) != GBA_OK)
        abort();
}

static void end(void)
{
    gate_poas_close(&g.poas);
    gate_book_close(&g.book);
    store_close(&g.store);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

static void again(void) /* as after a restart */
{
    gate_poas_close(&g.poas);
    CU_ASSERT_EQUAL_FATAL(gate_poas_open(g.store, &g.poas), GBA_OK);
}

/* ---- documents ---- */
static char found[2048];

static bool note(void *ctx, gba_span raw)
{
    size_t n = strlen(found);
    (void)ctx;
    snprintf(found + n, sizeof found - n, "[%.*s]", (int)raw.n, (const char *)raw.p);
    return true;
}

static const char *addresses_of(const char *json)
{
    found[0] = 0;
    gate_json_addresses(gba_str(json), note, NULL);
    return found;
}

static void positions(void)
{
    static const char *const is[][2] = {
        {"{\"m2m:ae\":{\"poa\":[\"a\",\"b\"]}}", "[a][b]"},
        {"{\"m2m:ae\": {\"rn\": \"poa\", \"poa\" :\t[ \"a\" , \"b\" ] , \"x\":\"c\"} }", "[a][b]"},
        {"{\"m2m:csr\":{\"poa\":\"a\"}}", "[a]"},
        {"{\"m2m:sub\":{\"nu\":[\"a\"],\"enc\":{\"net\":[1,\"x\"],\"nu\":[\"y\"]},\"su\":\"b\"}}", "[a][b]"},
        {"{\"m2m:crs\":{\"nu\":[\"a\"]}}", "[a]"},
        {"{\"m2m:ae\":{\"p\\u006fa\":[\"a\"]}}", "[a]"},
        {"{\"m2m\\u003aae\":{\"poa\":[\"a\\\"]}\"]}}", "[a\\\"]}]"},
        {"{\"m2m:ae\":{\"poa\":[\"a\"],\"poa\":[\"b\"]}}", "[a][b]"},
        {"{\"m2m:ae\":{\"poa\":[[\"a\"],{\"poa\":[\"b\"]},\"c\"]}}", "[c]"},
        {"{\"m2m:ae\":{\"nu\":[\"a\"]}}", ""},
        {"{\"m2m:sub\":{\"poa\":[\"a\"]}}", ""},
        {"{\"hd:ae\":{\"poa\":[\"a\"]}}", ""},
        {"{\"m2m:cin\":{\"con\":{\"m2m:ae\":{\"poa\":[\"a\"]}}}}", ""},
        {"{\"m2m:cin\":{\"con\":\"{\\\"m2m:ae\\\":{\\\"poa\\\":[\\\"a\\\"]}}\"}}", ""},
        {"[{\"m2m:ae\":{\"poa\":[\"a\"]}}]", ""},
        {"{\"m2m:ae\":[\"poa\",\"a\"],\"poa\":[\"b\"]}", ""},
        {"{\"poa\":[\"a\"]}", ""},
        {"{\"m2m:ae\":{},\"x\":{\"poa\":[\"a\"]}}", ""},
        {"{\"m2m:ae\":{\"a\":{\"b\":{\"c\":{\"d\":[\"x\"]}}},\"poa\":[\"a\"]}}", "[a]"},
        {"{\"m2m:ae\":{\"poa\":[\"a", ""},
        {"{\"m2m:ae\":{\"poa\":[\"a\\", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        CU_ASSERT_STRING_EQUAL(addresses_of(is[i][0]), is[i][1]);
    char text[16];
    CU_ASSERT(gate_json_text(gba_str("\\u0068t\\/\\\"\\n"), text, sizeof text) == GBA_OK && !strcmp(text, "ht/\"\n"));
    static const char *const bad[] = {"ht\\u00e4", "ht\\u000", "ht\\x", "ht\xc3\xa4", "ht\\u0000", "ht\\"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT(gate_json_text(gba_str(bad[i]), text, sizeof text) == GBA_E_SYNTAX && !strcmp(text, "ht"));
    CU_ASSERT(gate_json_text(gba_str("0123456789abcdef"), text, sizeof text) == GBA_E_SPACE && strlen(text) == 15);
}

/* A format in which each %s is an address of the egress; the tokens that stand there. */
static bool same_but(const char *body, size_t n, const char *fmt, char token[][GATE_TOKEN + 1])
{
    const char *p = body, *end = body + n;
    size_t k = 0;
    for (; *fmt; fmt++) {
        if (*fmt != '@') {
            if (p == end || *p++ != *fmt)
                return false;
            continue;
        }
        const size_t base = strlen("http://127.0.0.1:8090/_p/");
        if ((size_t)(end - p) < base + GATE_TOKEN || memcmp(p, "http://127.0.0.1:8090/_p/", base) != 0)
            return false;
        memcpy(token[k], p + base, GATE_TOKEN);
        token[k++][GATE_TOKEN] = 0;
        p += base + GATE_TOKEN;
    }
    return p == end;
}

static void requests(void)
{
    static const char *const is[][2] = {
        {"{\"m2m:ae\":{\"api\":\"N\\u00e4\",\"poa\":[\"https://h:1/x\",\"mqtt://m:1883\",\"HTTP://g\"],\"rr\":true}}",
         "{\"m2m:ae\":{\"api\":\"N\\u00e4\",\"poa\":[\"@\",\"mqtt://m:1883\",\"@\"],\"rr\":true}}"},
        {" { \"m2m:sub\" : { \"nu\" : [ \"https:\\/\\/h:1\\/\\u0061?ct=json\" , \"/cse1/Cy\" ] , "
         "\"su\":\"https://h:2\" } }\r\n",
         " { \"m2m:sub\" : { \"nu\" : [ \"@\" , \"/cse1/Cy\" ] , \"su\":\"@\" } }\r\n"},
        {"{\"m2m:csr\":{\"poa\":[\"https://[2001:db8::1]:443\"]}}", "{\"m2m:csr\":{\"poa\":[\"@\"]}}"},
    };
    char token[4][GATE_TOKEN + 1], url[GATE_URL_MAX + 1];
    gate_given *v = calloc(1, sizeof *v);
    gba_m2m_id id;
    begin();
    for (size_t i = 0; i < sizeof is / sizeof *is; i++) {
        CU_ASSERT_PTR_NULL_FATAL(gate_give(&g, &cx, "12-x@x.example", gba_str(is[i][0]), v));
        CU_ASSERT_FATAL(v->body && same_but(v->body, v->n_body, is[i][1], token));
        CU_ASSERT_EQUAL(v->registers, i != 1);
        for (size_t k = 0; k < v->n; k++) {
            CU_ASSERT_STRING_EQUAL(token[k], v->a[k].token);
            CU_ASSERT_EQUAL(strspn(token[k], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 22);
            CU_ASSERT(gate_poas_find(g.poas, token[k], false, &id, url) == GBA_OK && gba_m2m_id_eq(&id, &cx));
        }
        free(v->body);
    }
    free(v);
    end();
}

static void unchanged(void)
{
    gate_given *v = calloc(1, sizeof *v);
    begin();
    /* at the egress already; nothing there */
    static const char *const stays[] = {"{\"m2m:sub\":{\"nu\":[\"http://127.0.0.1:8090/_/sp.example.com/cse1/Cy/n\"]}}",
                                        "{\"m2m:sub\":{\"nu\":[\"http://127.0.0.1:8090\"]}}",
                                        "5",
                                        "{\"m2m:cin\":{\"con\":123456789012345678901234567890}}",
                                        "[\"https://h\"]",
                                        "{\"m2m:cin\":{\"con\":\"\\u0000\"}}",
                                        "{\"m2m:ae\":{}}",
                                        "{\"m2m:ae\":{\"poa\":[]}}",
                                        "{\"m2m:cnt\":{\"poa\":[\"https://h\"]}}",
                                        "{\"m2m:sub\":{\"nu\":[\"/cse1/Cx\",5,null]}}"};
    for (size_t i = 0; i < sizeof stays / sizeof *stays; i++)
        CU_ASSERT(!gate_give(&g, &cx, "12-x@x.example", gba_str(stays[i]), v) && !v->body && !v->n);
    free(v);
    end();
}

static void refused(void)
{
    char token[GATE_TOKEN + 1];
    gate_given *v = calloc(1, sizeof *v);
    begin();
    static const char *const bad[] = {"https://",
                                      "http://u@h",
                                      "https://h:0",
                                      "https://h:70000",
                                      "https://h/a b",
                                      "https://h\\u0000",
                                      "https://h/\xc3\xa4",
                                      "https://h/\\u00e4",
                                      "https://h/#f",
                                      "https://h?x",
                                      " https://h",
                                      "https://h/\\\"x",
                                      "http://127.0.0.1:8090/_p/x",
                                      "http://127.0.0.1:8090/_p/AAAAAAAAAAAAAAAAAAAAAA"};
    char body[2 * GATE_URL_MAX];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body, "{\"m2m:ae\":{\"poa\":[\"%s\"]}}", bad[i]);
        CU_ASSERT_EQUAL(gate_give(&g, &cx, "12-x@x.example", gba_str(body), v) != NULL, true);
        CU_ASSERT_PTR_NULL(v->body);
    }
    /* what a CSE may take for JSON and we do not */
    static const char *const none[] = {"<m2m:ae/>",
                                       "{\"m2m:ae\":{\"poa\":[",
                                       "{\"m2m:ae\":{\"poa\":[\"https://h\"]}} /* */",
                                       "{\"m2m:ae\":{/* \" */\"poa\":[\"https://h\"]}}",
                                       "{\"m2m:ae\":{\"poa\":[\"https://h\"],\"lbl\":[\"\xff\"]}}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CU_ASSERT_STRING_EQUAL(gate_give(&g, &cx, "12-x@x.example", gba_str(none[i]), v), "json_malformed");
    CU_ASSERT(gate_is_json(NULL, NULL, gba_str(" \n{}")) && !gate_is_json(NULL, NULL, gba_str(" \n")));
    CU_ASSERT_PTR_NULL(gate_give(&g, &cx, "12-x@x.example",
                                 gba_str("{\"m2m:ae\":{\"poa\":[\"https://h\"],\"lbl\":[\"\\u0000\"]}}"), v));
    CU_ASSERT_PTR_NOT_NULL(v->body);
    free(v->body);
    snprintf(body, sizeof body, "{\"m2m:ae\":{\"poa\":[\"https://h/%0*d\"]}}", GATE_URL_MAX - 9, 0);
    CU_ASSERT_STRING_EQUAL(gate_give(&g, &cx, "12-x@x.example", gba_str(body), v), "address_too_long");
    snprintf(body, sizeof body, "{\"m2m:ae\":{\"poa\":[\"https://h/%0*d\"]}}", GATE_URL_MAX - 10, 0);
    CU_ASSERT_PTR_NULL(gate_give(&g, &cx, "12-x@x.example", gba_str(body), v));
    free(v->body);
    memcpy(token, v->a[0].token, sizeof token);
    size_t n = (size_t)snprintf(body, sizeof body, "{\"m2m:ae\":{\"poa\":[\"https://a\"");
    for (int i = 0; i < GATE_GIVEN_MAX; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, ",\"https://h%d\"", i);
    snprintf(body + n, sizeof body - n, "]}}");
    CU_ASSERT_STRING_EQUAL(gate_give(&g, &cx, "12-x@x.example", gba_str(body), v), "too_many_addresses");
    /* a foreign token is no address of one's own */
    snprintf(body, sizeof body, "{\"m2m:sub\":{\"nu\":[\"http://127.0.0.1:8090/_p/%s\"]}}", token);
    CU_ASSERT_PTR_NULL(gate_give(&g, &cx, "12-x@x.example", gba_str(body), v));
    CU_ASSERT_STRING_EQUAL(gate_give(&g, &cy, "12-y@x.example", gba_str(body), v), "address_of_another");
    CU_ASSERT_STRING_EQUAL(gate_give(&g, NULL, "12-y@x.example", gba_str(body), v), "address_of_another");
    free(v);
    end();
}

static void answers(void)
{
    gate_address a[2] = {{.url = "https://h:1/x?y=1"}, {.url = "https://[2001:db8::1]"}};
    char body[1024], want[1024], *got, *t;
    size_t n;
    begin();
    CU_ASSERT_EQUAL_FATAL(gate_poas_give(g.poas, g.book, &cx, "12-x@x.example", a, 2), GBA_OK);
    t = a[0].token;
    /* @: an address of ours, in whatever spelling; nothing else changes */
    snprintf(body, sizeof body,
             "{\"a\" : [\"http://127.0.0.1:8090/_p/%s\",\"http:\\/\\/gate:1\\/_p\\/%s\\/\"],\n\"x\":2.0, "
             "\"\\u00fc\":\"\\u005fp\","
             "\"c\":{\"d\":\"\\u0068ttp://h\\u002f_p/%s?q\",\"http://h/_p/%s\":\"http://h/_p/%.21s\"}}",
             t, t, a[1].token, t, t);
    snprintf(want, sizeof want,
             "{\"a\" : [\"https://h:1/x?y=1\",\"https://h:1/x?y=1/\"],\n\"x\":2.0, \"\\u00fc\":\"\\u005fp\","
             "\"c\":{\"d\":\"https://[2001:db8::1]?q\",\"https://h:1/x?y=1\":\"http://h/_p/%.21s\"}}",
             t);
    CU_ASSERT_FATAL(gate_give_back(&g, NULL, gba_str(body), &got, &n));
    CU_ASSERT(n == strlen(want) && !memcmp(got, want, n));
    free(got);
    static const char *const stays[] = {"",
                                        "{\"poa\":[\"https://h:1/x\"]}",
                                        "{\"a\":\"http://127.0.0.1:8090/_p/AAAAAAAAAAAAAAAAAAAAAA\"}",
                                        "_p",
                                        "{\"_p\":\"",
                                        "{\"a\":\"_p\\",
                                        "{\"a\":\"http:///_p/\"}"};
    for (size_t i = 0; i < sizeof stays / sizeof *stays; i++)
        CU_ASSERT(!gate_give_back(&g, NULL, gba_str(stays[i]), &got, &n));
    static const char *const longer[][2] = {{"https://127.0.0.1:8090/_p/", ""},
                                            {"http://h/x/_p/", ""},
                                            {"http://h/_p/", "x"},
                                            {"x http://h/_p/", ""},
                                            {"http://h?/_p/", ""},
                                            {"http://h/_p/", "#f"}};
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++) {
        snprintf(body, sizeof body, "{\"con\":\"%s%s%s\"}", longer[i][0], t, longer[i][1]);
        CU_ASSERT(!gate_give_back(&g, NULL, gba_str(body), &got, &n));
    }
    gate_given *v = calloc(1, sizeof *v); /* before it is known whose they are */
    CU_ASSERT_PTR_NULL_FATAL(
        gate_give(&g, NULL, "12-x@x.example", gba_str("{\"m2m:ae\":{\"poa\":[\"https://new\"]}}"), v));
    CU_ASSERT(!gate_give_back(&g, NULL, gba_mem(v->body, v->n_body), &got, &n));
    CU_ASSERT_FATAL(gate_give_back(&g, v, gba_mem(v->body, v->n_body), &got, &n));
    CU_ASSERT(gba_span_eq(gba_mem(got, n), gba_str("{\"m2m:ae\":{\"poa\":[\"https://new\"]}}")));
    free(got);
    CU_ASSERT(gate_poas_give(g.poas, g.book, &cy, "12-x@x.example", v->a, v->n) == GBA_OK &&
              gate_give_back(&g, NULL, gba_mem(v->body, v->n_body), &got, &n));
    free(got);
    gate_given_free(v);
    CU_ASSERT(gate_is_json("application/json", NULL, gba_str("{}")) &&
              gate_is_json("application/vnd.onem2m-res+json;ty=2", "identity", gba_str("{}")));
    CU_ASSERT(gate_is_json(NULL, NULL, gba_str("{}")) && !gate_is_json(NULL, NULL, gba_str("<a/>")) &&
              !gate_is_json("application/xml", NULL, gba_str("{}")));
    CU_ASSERT(!gate_is_json("application/cbor", NULL, gba_str("{}")) &&
              !gate_is_json("application/json", "gzip", gba_str("{}")));
    end();
}

/* ---- rows ---- */
static bool holds(const char *token)
{
    char url[GATE_URL_MAX + 1];
    return gate_poas_find(g.poas, token, false, NULL, url) == GBA_OK;
}

static void give_one(const gba_m2m_id *id, const char *url, char token[GATE_TOKEN + 1])
{
    gate_address a = {.token = ""};
    snprintf(a.url, sizeof a.url, "%s", url);
    CU_ASSERT_EQUAL(gate_poas_give(g.poas, g.book, id, "12-x@x.example", &a, 1), GBA_OK);
    memcpy(token, a.token, sizeof a.token);
}

static void rows(void)
{
    char one[GATE_TOKEN + 1], same[GATE_TOKEN + 1], other[GATE_TOKEN + 1], url[GATE_URL_MAX + 1],
        t[100][GATE_TOKEN + 1];
    gba_m2m_id id;
    begin();
    give_one(&cx, "https://h:1", one);
    give_one(&cx, "https://h:1", same);
    give_one(&cy, "https://h:1", other);
    CU_ASSERT(!strcmp(one, same) && strcmp(one, other) != 0);
    again();
    CU_ASSERT(gate_poas_find(g.poas, one, false, &id, url) == GBA_OK && gba_m2m_id_eq(&id, &cx) &&
              !strcmp(url, "https://h:1"));
    CU_ASSERT(gate_poas_find(g.poas, other, false, &id, url) == GBA_OK && gba_m2m_id_eq(&id, &cy));
    /* what a registration names stays; of the rest the one not used for longest goes */
    gate_address poa = {.url = "https://h:1"};
    memcpy(poa.token, one, sizeof one);
    CU_ASSERT_EQUAL(gate_poas_registered(g.poas, &cx, &poa, 1, 0), GBA_OK);
    for (int i = 0; i < 100; i++) {
        snprintf(url, sizeof url, "https://h:2/%d", i);
        give_one(&cx, url, t[i]);
        CU_ASSERT(gate_poas_find(g.poas, t[0], true, NULL, url) == GBA_OK);
    }
    CU_ASSERT(holds(one) && holds(t[0]) && !holds(t[1]) && !holds(t[60]) && holds(t[99]) &&
              holds(t[100 - GATE_URLS_MAX + 3]));
    /* those of one request do not take each other's room, though all others have been used */
    gate_address two[2] = {{.url = "https://h:4/1"}, {.url = "https://h:4/2"}};
    for (int i = 0; i < 100; i++)
        (void)!gate_poas_find(g.poas, t[i], true, NULL, url);
    (void)!gate_poas_find(g.poas, t[0], true, NULL, url);
    CU_ASSERT_EQUAL(gate_poas_give(g.poas, g.book, &cx, "12-x@x.example", two, 2), GBA_OK);
    CU_ASSERT(holds(two[0].token) && holds(two[1].token) && holds(one));
    again();
    CU_ASSERT(holds(one) && holds(t[0]) && holds(t[99]) && !holds(t[1]));
    /* another point of access: the former is none any more */
    give_one(&cx, "https://h:3", poa.token);
    CU_ASSERT_EQUAL(gate_poas_registered(g.poas, &cx, &poa, 1, 0), GBA_OK);
    CU_ASSERT(!holds(one) && holds(poa.token) && holds(t[99]) && holds(other));
    CU_ASSERT_EQUAL(gate_poas_registered(g.poas, &cx, NULL, 0, 0), GBA_OK); /* an update of something else */
    CU_ASSERT(holds(poa.token));
    CU_ASSERT_EQUAL(gate_poas_drop(g.poas, &cx), GBA_OK);
    CU_ASSERT(!holds(poa.token) && !holds(t[99]) && !holds(t[0]) && holds(other));
    again();
    CU_ASSERT(!holds(poa.token) && !holds(t[0]) && holds(other));
    /* a registration that ends by itself */
    CU_ASSERT_EQUAL(gate_poas_registered(g.poas, &cy, NULL, 0, service_now() + 2), GBA_OK);
    CU_ASSERT(holds(other));
    while (holds(other))
        usleep(50000);
    again();
    CU_ASSERT(!holds(other));
    give_one(&cy, "https://h:1", same);
    CU_ASSERT(holds(same) && strcmp(same, other) != 0);
    end();
}

/* They end with the credential that gave them, unless another one names the same AE. */
static void credentials(void)
{
    char text[GATE_RECORD_MAX], x[GATE_TOKEN + 1], y[GATE_TOKEN + 1];
    gate_credential c = {.bound = GBA_M2M_BOUND_AE, .n = 1};
    size_t n;
    begin();
    store *ctl = open_store();
    CU_ASSERT_EQUAL_FATAL(gba_secret_set(&c.key, "0123456789abcdef", 16), GBA_OK);
    static const char *const names[] = {"12-x@x.example", "12-x2@x.example"};
    c.ids[0] = cx;
    CU_ASSERT_EQUAL_FATAL(gate_credential_print(&c, text, &n), GBA_OK);
    for (int i = 0; i < 2; i++) {
        store_op put = {.type = STORE_PUT,
                        .kind = (store_kind)GATE_CREDENTIAL,
                        .key = gba_str(names[i]),
                        .value = gba_mem(text, n)};
        CU_ASSERT_EQUAL(store_write(ctl, &put, 1, 1, NULL), GBA_OK);
    }
    usleep(STORE_SETTLE_MS * 1000);
    gate_book_follow(g.book);
    give_one(&cx, "https://h:1", x);
    gate_address a = {.url = "https://h:1"};
    CU_ASSERT_EQUAL(gate_poas_give(g.poas, g.book, &cy, "33-cy.cse1.sp.example.com", &a, 1), GBA_OK); /* in no store */
    memcpy(y, a.token, sizeof y);
    for (int i = 0; i < 2; i++) {
        store_op take = {.type = STORE_TAKE, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str(names[i])};
        CU_ASSERT_EQUAL(store_write(ctl, &take, 1, 1, NULL), GBA_OK);
        usleep(STORE_SETTLE_MS * 1000);
        gate_book_follow(g.book);
        gate_poas_follow(g.poas, g.book);
        CU_ASSERT(holds(x) == (i == 0) && holds(y));
    }
    again();
    CU_ASSERT(!holds(x) && holds(y));
    store_close(&ctl);
    end();
}

static void records(void)
{
    static gate_addresses a, b;
    static char text[GATE_RECORD_MAX];
    size_t n;
    a.n = GATE_URLS_MAX;
    a.stored = true;
    memset(a.credential, 'c', sizeof a.credential - 1);
    for (size_t i = 0; i < a.n; i++) { /* all as long as they may be: it fits */
        gate_poas_token(a.a[i].token);
        memset(a.a[i].url, 'u', GATE_URL_MAX);
        a.a[i].poa = i % 2;
    }
    CU_ASSERT_EQUAL_FATAL(gate_addresses_print(&a, text, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_addresses_parse(gba_mem(text, n), &b), GBA_OK);
    CU_ASSERT(!memcmp(&a, &b, sizeof a));
    static const char *const bad[] = {"",
                                      "v 2\n",
                                      "v 1\npoa x https://h\n",
                                      "v 1\nnu AAAAAAAAAAAAAAAAAAAAAA\n",
                                      "v 1\ncredential \n",
                                      "v 1\nnu AAAAAAAAAAAAAAAAAAAAA/ https://h\n",
                                      "v 1\nnu AAAAAAAAAAAAAAAAAAAAAA \n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(gate_addresses_parse(gba_str(bad[i]), &b), GBA_E_CORRUPT);
}

/* ---- whom, and how long ---- */
static bool may(const char *listen, const char *allow, bool configured, const char *address)
{
    gate_settings s = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char range[64], *list[] = {range};
    snprintf(s.listen.address, sizeof s.listen.address, "%s", listen);
    snprintf(range, sizeof range, "%s", allow ? allow : "");
    s.egress_allow = (conf_strings){.v = list, .n = allow ? 1 : 0};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return gate_may_reach(&s, configured, (struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
        abort();
    return gate_may_reach(&s, configured, (struct sockaddr *)&v6);
}

static void reach(void)
{
    static const char *const never[] = {"169.254.169.254",
                                        "169.254.0.1",
                                        "::ffff:169.254.169.254",
                                        "64:ff9b::a9fe:a9fe",
                                        "::a9fe:a9fe",
                                        "fe80::1",
                                        "fd00:ec2::254",
                                        "100.100.100.200",
                                        "168.63.129.16",
                                        "192.0.0.192",
                                        "0.0.0.0",
                                        "0.1.2.3",
                                        "::",
                                        "::ffff:0.0.0.0",
                                        "64:ff9b::",
                                        "224.0.0.1",
                                        "255.255.255.255",
                                        "ff02::1",
                                        "fec0::1"},
                             *const others[] = {"192.0.2.1", "10.0.0.1",        "100.64.0.1",       "2001:db8::1",
                                                "fd00::1",   "::ffff:10.0.0.1", "64:ff9b::c000:201"},
                             *const here[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        CU_ASSERT(!may("127.0.0.1", NULL, false, never[i]) && !may("0.0.0.0", "0.0.0.0/0", false, never[i]) &&
                  !may("::", "::/0", false, never[i]) && !may("127.0.0.1", NULL, true, never[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CU_ASSERT(may("0.0.0.0", NULL, false, others[i]) && may("127.0.0.1", NULL, false, others[i]) &&
                  !may("0.0.0.0", "198.51.100.0/24", false, others[i]) &&
                  may("0.0.0.0", "198.51.100.0/24", true, others[i]));
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        CU_ASSERT(!may("0.0.0.0", NULL, false, here[i]) && !may("192.0.2.1", NULL, false, here[i]) &&
                  !may("::", NULL, false, here[i]) && may("::1", NULL, false, here[i]) &&
                  may("127.0.0.1", NULL, false, here[i]) && may("0.0.0.0", NULL, true, here[i]));
    CU_ASSERT(may("0.0.0.0", "127.0.0.0/8", false, "127.0.0.1") && !may("127.0.0.1", "10.0.0.0/8", false, "127.0.0.1"));
    CU_ASSERT(may("0.0.0.0", "10.0.0.0/8", false, "10.1.2.3") && !may("0.0.0.0", "10.0.0.0/8", false, "11.1.2.3"));
}

static const char *registrar_of(const char *word, size_t n)
{
    static gate_peer p[] = {{.id = (char *)"//sp.example.com/in1"},
                            {.id = (char *)"//sp.example.com/mn2"},
                            {.id = (char *)"//sp.example.com/cse1/Cx"}};
    gate_settings s = {.registrar = (char *)(uintptr_t)word, .peers = {.v = p, .n = n}};
    const gate_peer *r = gate_registrar(&s);
    return r ? r->id : "";
}

static void registrar(void)
{
    CU_ASSERT_STRING_EQUAL(registrar_of(NULL, 0), "");
    CU_ASSERT_STRING_EQUAL(registrar_of(NULL, 1), "//sp.example.com/in1");
    CU_ASSERT_STRING_EQUAL(registrar_of(NULL, 2), "");
    CU_ASSERT_STRING_EQUAL(registrar_of("//sp.example.com/mn2", 3), "//sp.example.com/mn2");
    CU_ASSERT_STRING_EQUAL(registrar_of("none", 1), "");
    CU_ASSERT_STRING_EQUAL(registrar_of("//sp.example.com/other", 3), "");
    CU_ASSERT_STRING_EQUAL(registrar_of("//sp.example.com/cse1/Cx", 3), ""); /* an AE is none */
}

static void lives(void)
{
    const gate_settings s = {.upstream_ms = 10000, .request_max = 60};
    const int64_t now = 1796083200000; /* 20261201T000000 */
    static const struct {
        const char *ret, *rqet;
        int64_t ms;
    } is[] = {{NULL, NULL, 10000},
              {"20000", NULL, 20000},
              {"5000", NULL, 5000},
              {"1", NULL, 1},
              {"0", NULL, 0},
              {"-5", NULL, 0},
              {"90000", NULL, 60000},
              {"999999999999999999", NULL, 60000},
              {"99999999999999999999", NULL, 10000},
              {"20261201T000030", NULL, 30000},
              {"20261201T000030,5", NULL, 30500},
              {"20261201T000030,123456", NULL, 30123},
              {"20261201T000000", NULL, 0},
              {"20261130T235959", NULL, 0},
              {"20271201T000000", NULL, 60000},
              {NULL, "7000", 7000},
              {"8000", "7000", 7000},
              {"7000", "8000", 7000},
              {"", NULL, 10000},
              {"-", NULL, 10000},
              {"soon", NULL, 10000},
              {"5 000", NULL, 10000},
              {"+5000", NULL, 10000},
              {"5000.5", NULL, 10000},
              {"PT20S", NULL, 10000},
              {"20261301T000000", NULL, 10000},
              {"soon", "7000", 7000},
              {"20261201T000030,", NULL, 10000}};
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        CU_ASSERT_EQUAL(gate_lives(&s, is[i].ret, is[i].rqet, now), is[i].ms);
}

T_MAIN("points of access", {"where addresses stand", positions}, {"requests", requests}, {"what stays", unchanged},
       {"what is refused", refused}, {"answers", answers}, {"rows", rows}, {"with their credential", credentials},
       {"records", records}, {"whom the egress contacts", reach}, {"the registrar", registrar},
       {"how long a request lives", lives})
