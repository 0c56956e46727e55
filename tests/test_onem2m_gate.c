/* SPDX-License-Identifier: Apache-2.0 */
/* test_onem2m_gate.c - the gate's records, what it reads from MAF, MEF, CSE and certificates, and the book. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "onem2m-binding/gate.h"
#include "onem2m-binding/told.h"
#include "tests/t_main.h"

static gba_m2m_id id_of(const char *text)
{
    gba_m2m_id id;
    if (gba_m2m_id_parse(gba_str(text), NULL, &id) != GBA_OK)
        abort();
    return id;
}

static void records(void)
{
    char text[GATE_RECORD_MAX];
    size_t n;
    gate_credential c = {.bound = GBA_M2M_BOUND_AE, .learned = true, .n = 2}, back;
    c.ids[0] = id_of("//sp.example.com/cse1/Ca");
    c.ids[1] = id_of("//sp.example.com/Sb");
    CU_ASSERT_EQUAL_FATAL(gba_secret_set(&c.key, "0123456789abcdef", 16), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_credential_print(&c, text, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_credential_parse(gba_mem(text, n), &back), GBA_OK);
    CU_ASSERT(gba_secret_eq(&c.key, &back.key));
    CU_ASSERT(back.learned && back.n == 2 && gba_m2m_id_eq(&back.ids[1], &c.ids[1]));
    static const char *const bad[] = {"", "v 2\nbound new\n", "v 1\n", "v 1\nbound who\n", "v 1\nbound ae\n",
                                      "v 1\nbound new\nid //sp.example.com/cse1\n", "v 1\nbound cse\nid cse1\n",
                                      "v 1\nbound new\nkey 0g\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_NOT_EQUAL(gate_credential_parse(gba_str(bad[i]), &back), GBA_OK);
    gate_entity e = {.credential = "12-a@b", .n = 1, .poa = {"https://192.0.2.1:8443/x"}, .ri = "r1", .rn = "mn1", .base = "in"}, e2;
    CU_ASSERT_EQUAL_FATAL(gate_entity_print(&e, text, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_entity_parse(gba_mem(text, n), &e2), GBA_OK);
    CU_ASSERT(e2.n == 1 && !strcmp(e2.poa[0], e.poa[0]) && !strcmp(e2.credential, "12-a@b"));
    CU_ASSERT(!strcmp(e2.ri, "r1") && !strcmp(e2.rn, "mn1") && !strcmp(e2.base, "in"));
    CU_ASSERT_EQUAL_FATAL(gate_entity_parse(gba_str("v 1\nname r1\nname mn1\n"), &e2), GBA_OK); /* as it was written before */
    CU_ASSERT(!strcmp(e2.ri, "r1") && !strcmp(e2.rn, "mn1") && !e2.base[0]);
    CU_ASSERT_EQUAL_FATAL(gate_entity_parse(gba_str("v 1\nname mn1\n"), &e2), GBA_OK);
    CU_ASSERT(!strcmp(e2.ri, "mn1") && !strcmp(e2.rn, "mn1"));
    CU_ASSERT_EQUAL(gate_entity_parse(gba_str("v 1\nname a\nname b\nname c\n"), &e2), GBA_E_CORRUPT);
}

static void urls(void)
{
    char host[GATE_HOST_MAX];
    const char *path;
    uint16_t port;
    bool tls;
    CU_ASSERT(gate_url("https://[::1]:8443/x", &tls, host, &port, &path) == GBA_OK && tls && port == 8443 &&
              !strcmp(host, "::1") && !strcmp(path, "/x"));
    CU_ASSERT(gate_url("http://cse", &tls, host, &port, &path) == GBA_OK && !tls && port == 80);
    static const char *const bad[] = {"ftp://x", "https://", "https://x:0", "https://x:70000", "https://x:-1",
                                      "https://u@x:1", "http://[::1", "https://x:1?q", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_NOT_EQUAL(gate_url(bad[i], &tls, host, &port, &path), GBA_OK);
}

static void answers(void)
{
    m2m_told t;
    gate_made m;
    CU_ASSERT_EQUAL(m2m_told_key(gba_str("{\"sec:skr\":{\"et\":\"20400101T000000\",\"cr\":\"//sp.example.com/cse2\","
                                          "\"suid\":32,\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}}"), &t), GBA_OK);
    CU_ASSERT(t.suid == 32 && t.key.n == 16 && !strcmp(t.whose, "//sp.example.com/cse2") && t.expires == 2208988800);
    static const char *const bad[] = {
        "", "{", "[]", "{\"sec:skr\":{}}",
        "{\"sec:skr\":{\"et\":\"20400101T000000\",\"cr\":\"x\",\"suid\":32,\"kv\":\"MDEy\"}}",
        "{\"sec:skr\":{\"et\":\"20400101T000000\",\"cr\":\"x\",\"suid\":\"32\",\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}}",
        "{\"sec:skr\":{\"et\":\"2040\",\"cr\":\"x\",\"suid\":32,\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}}",
        "{\"sec:skr\":{\"et\":\"20400101T000000\",\"cr\":\"a b\",\"suid\":32,\"kv\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT(m2m_told_key(gba_str(bad[i]), &t) == GBA_E_SYNTAX && t.key.n == 0);
    CU_ASSERT_EQUAL(m2m_told_fetch(gba_str("{\"Status\":true,\"Credential\":\"MDEyMzQ1Njc4OWFiY2RlZg==\",\"EnroleeID\":"
                                            "\"//sp.example.com/cse1/Cx\",\"Lifetime\":\"20400101T000000\"}"), &t), GBA_OK);
    CU_ASSERT(t.key.n == 16 && !strcmp(t.whose, "//sp.example.com/cse1/Cx"));
    CU_ASSERT_EQUAL(m2m_told_fetch(gba_str("{\"Status\":false,\"ErrorString\":\"no\"}"), &t), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(m2m_told_fetch(gba_str("{\"Status\":1}"), &t), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gate_made_parse(gba_str("{\"m2m:ae\":{\"aei\":\"Cx\",\"poa\":[\"https://h:1\",5,\"a b\"]}}"), &m), GBA_OK);
    CU_ASSERT(!m.cse && !strcmp(m.id, "Cx") && m.n == 1);
    CU_ASSERT(gate_made_parse(gba_str("{\"m2m:csr\":{\"csi\":\"/mn\"}}"), &m) == GBA_OK && m.cse);
    CU_ASSERT_EQUAL(gate_made_parse(gba_str("{\"m2m:cnt\":{}}"), &m), GBA_E_UNKNOWN);
    CU_ASSERT(!m.unnamed);
    static const char *const named[] = {"", "<m2m:ae/>", "{\"m2m:ae\":5}", "{\"m2m:ae\":{\"rn\":\"Cx\"}}",
                                        "{\"m2m:ae\":{\"resourceName\":\"Cx\"}}", "{\"m2m:ae\":{},\"m2m:ae\":{}}",
                                        "{\"ae\":{}}"};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        (void)!gate_made_parse(gba_str(named[i]), &m);
        CU_ASSERT(!m.unnamed);
    }
    (void)!gate_made_parse(gba_str("{\"m2m:ae\":{\"api\":\"Nx\"}}"), &m);
    CU_ASSERT(m.unnamed);
}

static const char *who_of(const tls_name *names, size_t n, gate_who *w)
{
    gba_m2m_id cse = id_of("//sp.example.com/cse1");
    gate_cert_who(&cse, names, n, w);
    return w->credential;
}

static void certificates(void)
{
    gate_who w;
    static const tls_name key = {TLS_NAME_KEY, "", "00ff"};
    tls_name ae[] = {{TLS_NAME_URI, "", "//sp.example.com/cse1/Cx"}, {TLS_NAME_URI, "", "//sp.example.com/cse1/Cy"}, key};
    CU_ASSERT_STRING_EQUAL(who_of(ae, 3, &w), "33-Cx.cse1.sp.example.com");
    CU_ASSERT(w.bound == GBA_M2M_BOUND_AE && w.n == 2 && !w.why && w.framework == GBA_M2M_SAEF_2);
    free(w.ids);
    tls_name cse[] = {{TLS_NAME_DNS, "", "mn1.sp.example.com"}, key};
    CU_ASSERT_STRING_EQUAL(who_of(cse, 2, &w), "32-mn1.sp.example.com");
    CU_ASSERT(w.bound == GBA_M2M_BOUND_CSE && w.n == 1 && !w.why);
    free(w.ids);
    tls_name other[] = {{TLS_NAME_DNS, "", "www.example.org"}, key};
    CU_ASSERT(!strcmp(who_of(other, 2, &w), "32-www.example.org") && w.n == 0);
    tls_name device[] = {{TLS_NAME_OTHER, "2.999.1", "0d0401028f01"}, key}; /* RELATIVE-OID 1.2.1921 */
    CU_ASSERT_STRING_EQUAL(who_of(device, 2, &w), "31-2.999.1.1.2.1921");
    tls_name text[] = {{TLS_NAME_OTHER, "2.999.1", "0c03612e62"}, key};
    CU_ASSERT_STRING_EQUAL(who_of(text, 2, &w), "31-2.999.1.a.b");
    tls_name evil[] = {{TLS_NAME_OTHER, "2.999.1", "0c03612062"}, key}; /* "a b" */
    (void)who_of(evil, 2, &w);
    CU_ASSERT_PTR_NOT_NULL(w.why);
    tls_name node[] = {{TLS_NAME_URI, "", "urn:onem2m:node:n-7"}, key};
    CU_ASSERT_STRING_EQUAL(who_of(node, 2, &w), "34-n-7");
    (void)who_of(&key, 1, &w);
    CU_ASSERT_PTR_NOT_NULL(w.why); /* no SHA-256 */
    tls_name raw = {TLS_NAME_KEY, "", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
    CU_ASSERT_STRING_EQUAL(who_of(&raw, 1, &w), "30-sha-256_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    tls_name mixed[] = {ae[0], cse[0], key};
    (void)who_of(mixed, 3, &w);
    CU_ASSERT(w.why && !strcmp(w.why, "mixed_flavours") && w.n == 0);
    tls_name wrong[] = {{TLS_NAME_URI, "", "//sp.example.com/cse1"}, key}; /* a CSE-ID as URI */
    (void)who_of(wrong, 2, &w);
    CU_ASSERT(w.why && !strcmp(w.why, "wrong_flavour"));
}

static void fields(void)
{
    static const char *const gone[] = {"Host", "x-forwarded-for", "X_Forwarded_Host", "X-3GPP-Asserted-Identity",
                                       "X-M2M-Gate-Credential", "x_m2m_gate_x", "Transfer-Encoding", "Secret",
                                       "X-HTTP-Method-Override"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        CU_ASSERT(gate_field_drop(gone[i], "close, secret"));
    CU_ASSERT(!gate_field_drop("X-M2M-RI", "close") && !gate_field_drop("Accept", NULL) && !gate_field_drop("X-M2M-Gat", NULL));
}

static store *open_store(const char *dir)
{
    char url[256], key[256], why[512] = "";
    store *s = NULL;
    snprintf(url, sizeof url, "sqlite:%s/gate.db", dir);
    snprintf(key, sizeof key, "%s/key", dir);
    store_config c = {.url = url, .key_file = key, .create = true};
    if (access(key, F_OK) != 0 && store_key_file_create(key, why, sizeof why) != GBA_OK)
        abort();
    if (store_open(&c, &s, why, sizeof why) != GBA_OK) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    return s;
}

static void book(void)
{
    char dir[] = "/tmp/gate-XXXXXX", command[300];
    gate_book *b = NULL;
    gate_binding *f = malloc(sizeof *f);
    gate_entity en = {.credential = "12-a@x.example", .n = 1, .poa = {"https://h:1/in/"}}, got;
    gba_m2m_id x = id_of("//sp.example.com/cse1/Cx"), y = id_of("//sp.example.com/cse1/Cy"), found[GATE_CLAIMS];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    store *s = open_store(dir);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
    gate_book_find(b, "12-a@x.example", f);
    CU_ASSERT_EQUAL(f->bound, GBA_M2M_BOUND_NONE);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-a@x.example", &x, 0), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-a@x.example", &x, 0), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-a@x.example", &y, 0), GBA_E_FORBIDDEN); /* one AE-ID, not more and more */
    gate_book_find(b, "12-a@x.example", f);
    CU_ASSERT(f->bound == GBA_M2M_BOUND_AE && f->n == 1 && gba_m2m_id_eq(&f->ids[0], &x));
    for (int i = 0; i < 100; i++) {
        char name[64], ae[64];
        snprintf(name, sizeof name, "12-n%d@x.example", i * 37 % 100);
        snprintf(ae, sizeof ae, "//sp.example.com/cse1/Cn%d", i);
        gba_m2m_id own = id_of(ae);
        CU_ASSERT_EQUAL(gate_book_learn(b, name, &own, 0), GBA_OK);
    }
    gate_book_find(b, "12-n77@x.example", f);
    CU_ASSERT_EQUAL(f->bound, GBA_M2M_BOUND_AE);
    CU_ASSERT_EQUAL(gate_book_reach(b, &x, &en), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_entity(b, &x, &got), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_entity(b, &y, &got), GBA_E_UNKNOWN);
    CU_ASSERT(gate_book_at(b, "https://h:1/in/a", found) == 1 && gba_m2m_id_eq(&found[0], &x));
    CU_ASSERT_EQUAL(gate_book_at(b, "https://h:1/inside", found), 0);
    CU_ASSERT_EQUAL(gate_book_at(b, "https://h:12/in", found), 0);
    store_op take = {.type = STORE_TAKE, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str("12-a@x.example")};
    CU_ASSERT_EQUAL(store_write(s, &take, 1, 1, NULL), GBA_OK);
    gate_book_close(&b);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK); /* as after a restart */
    gate_book_find(b, "12-a@x.example", f);
    CU_ASSERT_EQUAL(f->bound, GBA_M2M_BOUND_NONE);
    gate_book_find(b, "12-n3@x.example", f);
    CU_ASSERT_EQUAL(f->bound, GBA_M2M_BOUND_AE);
    gate_book_close(&b);
    store_close(&s);
    free(f);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* Who has registered, by whatever credential, is another CSE's From no more, until it has left. */
static unsigned as_forwarded(gate_book *b, const char *from)
{
    gba_m2m_id cse = id_of("//sp.example.com/cse1"), mn2 = id_of("//sp.example.com/mn2");
    const gba_m2m_association a = {.bound = GBA_M2M_BOUND_CSE, .ids = &mn2, .n = 1};
    gba_m2m_request r = {.op = GBA_M2M_RETRIEVE, .to = "cse1", .has_from = true, .from = gba_str(from)};
    gba_m2m_verdict v;
    gate_book_guard(b, &cse, &a, &r, &v);
    return v.rsc;
}

static void registrees(void)
{
    char dir[] = "/tmp/gate-XXXXXX", command[300];
    gate_book *b = NULL;
    gate_entity en = {.credential = "32-mn1.sp.example.com"};
    gba_m2m_id mn1 = id_of("//sp.example.com/mn1"), s1 = id_of("//sp.example.com/Sone");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    store *s = open_store(dir);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
    CU_ASSERT(as_forwarded(b, "/mn1") == 0 && as_forwarded(b, "/Sone") == 0 && as_forwarded(b, "/mn1/Cx") == 0);
    CU_ASSERT(gate_book_reach(b, &mn1, &en) == GBA_OK && gate_book_reach(b, &s1, &en) == GBA_OK);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(as_forwarded(b, "/mn1"), GBA_M2M_NOT_AUTHENTICATED);
        CU_ASSERT_EQUAL(as_forwarded(b, "/Sone"), GBA_M2M_NOT_AUTHENTICATED);
        CU_ASSERT_EQUAL(as_forwarded(b, "/mn1/Cx"), GBA_M2M_NOT_AUTHENTICATED);
        if (i == 0) { /* as after a restart */
            gate_book_close(&b);
            CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
        } else {
            CU_ASSERT_EQUAL(gate_book_reach(b, &mn1, &en), GBA_OK); /* again */
        }
    }
    CU_ASSERT(gate_book_leave(b, &mn1) == GBA_OK && gate_book_leave(b, &mn1) == GBA_OK);
    gate_book_follow(b);
    CU_ASSERT(as_forwarded(b, "/mn1") == 0 && as_forwarded(b, "/mn1/Cx") == 0);
    CU_ASSERT_EQUAL(as_forwarded(b, "/Sone"), GBA_M2M_NOT_AUTHENTICATED);
    gate_book_close(&b);
    store_close(&s);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* As m2m-gatectl does. */
static void write_and_settle(store *ctl, const store_op *op)
{
    CU_ASSERT_EQUAL(store_write(ctl, op, 1, 1, NULL), GBA_OK);
    usleep(STORE_SETTLE_MS * 1000);
}

/* Another process adds and removes: each is seen once it has said so, nobody waits for a look around. */
static void book_at_once(void)
{
    char dir[] = "/tmp/gate-XXXXXX", command[300], text[GATE_RECORD_MAX], name[64];
    gate_book *b = NULL;
    gate_binding *f = malloc(sizeof *f);
    gate_credential c = {.bound = GBA_M2M_BOUND_AE, .n = 1};
    gba_m2m_id other = id_of("//sp.example.com/cse1/Cother");
    size_t n;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    store *s = open_store(dir), *ctl = open_store(dir);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_secret_set(&c.key, "0123456789abcdef", 16), GBA_OK);
    c.ids[0] = id_of("//sp.example.com/cse1/Cx");
    CU_ASSERT_EQUAL_FATAL(gate_credential_print(&c, text, &n), GBA_OK);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "12-at%d@x.example", i);
        store_op put = {.type = STORE_PUT, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str(name), .value = gba_mem(text, n)};
        store_op take = {.type = STORE_TAKE, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str(name)};
        write_and_settle(ctl, &put);
        gate_book_find(b, name, f);
        CU_ASSERT(f->bound == GBA_M2M_BOUND_AE && f->has_key && f->n == 1 && gba_m2m_id_eq(&f->ids[0], &c.ids[0]));
        if (i % 3 == 0)
            gate_book_follow(b);
        if (i % 4 == 0)
            CU_ASSERT_EQUAL(gate_book_learn(b, "12-own@x.example", &other, 0), GBA_OK);
        write_and_settle(ctl, &take);
        gate_book_find(b, name, f);
        CU_ASSERT(f->bound == GBA_M2M_BOUND_NONE && !f->has_key);
        if (i % 5 == 0)
            gate_book_follow(b);
    }
    gate_book_find(b, "12-own@x.example", f);
    CU_ASSERT(f->bound == GBA_M2M_BOUND_AE && gba_m2m_id_eq(&f->ids[0], &other));
    gate_book_close(&b);
    store_close(&ctl);
    store_close(&s);
    free(f);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* What expired leaves the guard's lists without anybody writing. */
static void book_expiry(void)
{
    char dir[] = "/tmp/gate-XXXXXX", command[300], text[GATE_RECORD_MAX];
    gate_book *b = NULL;
    gate_credential c = {.bound = GBA_M2M_BOUND_CSE, .n = 1};
    gba_m2m_id cse = id_of("//sp.example.com/cse1"), mn1 = id_of("//sp.example.com/mn1");
    gba_m2m_association a = {.bound = GBA_M2M_BOUND_CSE, .ids = &mn1, .n = 1};
    gba_m2m_http h = {.method = gba_str("GET"), .target = gba_str("/cse1"), .origin = gba_str("/mn2"),
                      .rvi = gba_str("3")};
    gba_m2m_request r;
    gba_m2m_verdict v;
    size_t n;
    int64_t expiry = service_now() + 2;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    store *s = open_store(dir);
    c.ids[0] = id_of("//sp.example.com/mn2");
    CU_ASSERT_EQUAL_FATAL(gate_credential_print(&c, text, &n), GBA_OK);
    store_op put = {.type = STORE_PUT, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str("32-mn2.sp.example.com"),
                    .value = gba_mem(text, n), .expiry = expiry};
    CU_ASSERT_EQUAL_FATAL(store_write(s, &put, 1, 1, NULL), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_m2m_http_parse(&h, &r), 0);
    gate_book_guard(b, &cse, &a, &r, &v);
    CU_ASSERT(v.rsc && !strcmp(v.why, "other_registree"));
    gate_binding *f = malloc(sizeof *f); /* learned of a B-TID, which ends with its key */
    gba_m2m_id cx = id_of("//sp.example.com/cse1/Cx");
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-AAAA@bsf.example.com", &cx, expiry), GBA_OK);
    gate_book_find(b, "12-AAAA@bsf.example.com", f);
    CU_ASSERT(f->bound == GBA_M2M_BOUND_AE && f->n == 1);
    while (service_now() <= expiry)
        usleep(50000);
    gate_book_follow(b);
    gate_book_find(b, "12-AAAA@bsf.example.com", f);
    CU_ASSERT_EQUAL(f->bound, GBA_M2M_BOUND_NONE);
    free(f);
    gate_book_guard(b, &cse, &a, &r, &v);
    CU_ASSERT(!v.rsc && !strcmp(v.why, "forwarded"));
    gate_book_close(&b);
    store_close(&s);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* C10: a CSE that closes a resting connection just as the gate takes it, and others that die with a request. */
enum { CLOSES_RESTING, READS_AND_CLOSES, READS_AND_RESETS };
static struct {
    int how, listener, requests[8]; /* on each connection */
    int connections;
    atomic_int resting, close_now; /* descriptors; -1: none */
} dying = {.resting = -1, .close_now = -1};

/* In place of the library's: between the gate's look at a resting connection and its first octet the CSE closes it. */
ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    ssize_t got = recvfrom(fd, buf, n, flags, NULL, NULL);
    int saved = errno, other = atomic_exchange(&dying.close_now, -1);
    if (!(flags & MSG_PEEK))
        atomic_store(&dying.close_now, other);
    else if (other >= 0) {
        close(other);
        (void)poll(&(struct pollfd){.fd = fd, .events = POLLRDHUP}, 1, 5000);
    }
    errno = saved;
    return got;
}

static void *dies(void *unused)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    char buf[4096];
    (void)unused;
    for (int c = 0; c < 2; c++) {
        int fd = accept(dying.listener, NULL, NULL);
        dying.connections++;
        size_t n = 0;
        for (ssize_t k; (k = recvfrom(fd, buf + n, sizeof buf - 1 - n, 0, NULL, NULL)) > 0;) {
            n += (size_t)k;
            buf[n] = 0;
            if (!strstr(buf, "}}")) /* the body's end */
                continue;
            n = 0;
            if (++dying.requests[c] == 2 && !c && dying.how != CLOSES_RESTING) {
                if (dying.how == READS_AND_RESETS)
                    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
                break;
            }
            (void)!send(fd, ok, sizeof ok - 1, MSG_NOSIGNAL);
            (void)!send(fd, c ? "2" : "1", 1, MSG_NOSIGNAL);
            if (!c && dying.how == CLOSES_RESTING) {
                atomic_store(&dying.close_now, fd);
                fd = -1;
                break;
            }
        }
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

static void resend(int how, const char *method, const char *want, int on_first, int on_second)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char url[64];
    gate_settings *g = calloc(1, sizeof *g);
    gate_upstream *u = NULL;
    pthread_t t;
    m2m_answer a;
    memset(dying.requests, 0, sizeof dying.requests);
    dying.how = how;
    dying.connections = 0;
    dying.listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(bind(dying.listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(dying.listener, 8) == 0 &&
                    getsockname(dying.listener, (struct sockaddr *)&at, &len) == 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, dies, NULL), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    g->upstream = url;
    g->body_max = 65536;
    CU_ASSERT_EQUAL_FATAL(gate_upstream_open(g, &u), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_upstream_ask(u, "GET", "/", NULL, 0, gba_str("{\"m2m:cin\":{}}"), 5000, &a), GBA_OK);
    m2m_answer_free(&a);
    while (how == CLOSES_RESTING && atomic_load(&dying.close_now) < 0)
        usleep(1000);
    gba_err e = gate_upstream_ask(u, method, "/", NULL, 0, gba_str("{\"m2m:cin\":{}}"), 5000, &a);
    CU_ASSERT_EQUAL(e, want ? GBA_OK : GBA_E_IO);
    if (e == GBA_OK && want)
        CU_ASSERT(a.body.n == 1 && a.body.p[0] == (uint8_t)*want);
    m2m_answer_free(&a);
    gate_upstream_close(&u);
    if (dying.connections < 2) { /* let it end */
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
        close(fd);
    }
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(dying.requests[0], on_first);
    CU_ASSERT_EQUAL(dying.requests[1], on_second);
    close(dying.listener);
    free(g);
}

static void closed_resting(void)
{
    resend(CLOSES_RESTING, "POST", "2", 1, 1);   /* nobody has read it: sent again */
    resend(CLOSES_RESTING, "GET", "2", 1, 1);
    resend(READS_AND_CLOSES, "POST", NULL, 2, 0); /* it may have been done: not a second time */
    resend(READS_AND_RESETS, "POST", NULL, 2, 0);
    resend(READS_AND_CLOSES, "PUT", "2", 2, 1);
}

/* A5: what a CSE's answer says is learned only where nobody else has it. */
static void learn_taken(void)
{
    char dir[] = "/tmp/gate-XXXXXX", command[300], text[GATE_RECORD_MAX];
    gate_book *b = NULL;
    gate_binding *f = malloc(sizeof *f);
    gate_credential c = {.bound = GBA_M2M_BOUND_AE, .n = 1};
    gate_entity en = {.credential = "33-cy.cse1.sp.example.com", .n = 1, .poa = {"https://h:1"}};
    gba_m2m_id x = id_of("//sp.example.com/cse1/Cx"), y = id_of("//sp.example.com/cse1/Cy"), z = id_of("//sp.example.com/cse1/Cz");
    size_t n;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    store *s = open_store(dir), *ctl = open_store(dir);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-a@x.example", &x, 0), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-b@x.example", &x, 0), GBA_E_STALE); /* another has learned it */
    CU_ASSERT_EQUAL(gate_book_reach(b, &y, &en), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-b@x.example", &y, 0), GBA_E_STALE); /* another has registered under it */
    c.ids[0] = z;
    CU_ASSERT_EQUAL_FATAL(gate_credential_print(&c, text, &n), GBA_OK);
    store_op put = {.type = STORE_PUT, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str("12-op@x.example"), .value = gba_mem(text, n)};
    write_and_settle(ctl, &put);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-b@x.example", &z, 0), GBA_E_STALE); /* another was given it, in this moment */
    gate_book_find(b, "12-b@x.example", f);
    CU_ASSERT_EQUAL(f->bound, GBA_M2M_BOUND_NONE);
    /* but an operator may give it to as many as he likes */
    c.ids[0] = x;
    CU_ASSERT_EQUAL_FATAL(gate_credential_print(&c, text, &n), GBA_OK);
    put.value = gba_mem(text, n);
    write_and_settle(ctl, &put);
    gate_book_find(b, "12-op@x.example", f);
    CU_ASSERT(f->bound == GBA_M2M_BOUND_AE && gba_m2m_id_eq(&f->ids[0], &x));
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-a@x.example", &x, 0), GBA_OK); /* who has it keeps it */
    /* its registration has ended, its binding stands */
    CU_ASSERT_EQUAL(gate_book_leave(b, &x), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-b@x.example", &x, 0), GBA_E_STALE);
    /* two gates on one store, at once: the second finds the registration of the first */
    gate_book *b2 = NULL;
    gba_m2m_id w = id_of("//sp.example.com/cse1/Cw");
    CU_ASSERT_EQUAL_FATAL(gate_book_open(ctl, &b2), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b2, "12-c@x.example", &w, 0), GBA_OK);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-d@x.example", &w, 0), GBA_E_STALE);
    gate_book_close(&b2);
    gate_book_close(&b);
    store_close(&ctl);
    store_close(&s);
    free(f);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* How often the log, on standard error, says this while fn runs. */
static unsigned told_in(const char *what, void (*fn)(gate_book *b), gate_book *b)
{
    char name[] = "/tmp/gate-log-XXXXXX", line[1024];
    unsigned n = 0;
    int fd = mkstemp(name), kept = dup(2);
    CU_ASSERT_FATAL(fd >= 0 && kept >= 0 && dup2(fd, 2) == 2);
    fn(b);
    fflush(stderr);
    CU_ASSERT_EQUAL_FATAL(dup2(kept, 2), 2);
    close(kept);
    close(fd);
    FILE *f = fopen(name, "r");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, what) != NULL;
    if (f)
        fclose(f);
    unlink(name);
    return n;
}

static void come_and_go(gate_book *b)
{
    gate_entity en = {.credential = "12-a@x.example"};
    gba_m2m_id ae = id_of("//sp.example.com/cse1/Cx"), mn1 = id_of("//sp.example.com/mn1"), s1 = id_of("//sp.example.com/Sone");
    for (int i = 0; i < 20; i++) {
        CU_ASSERT(gate_book_reach(b, &ae, &en) == GBA_OK && gate_book_leave(b, &ae) == GBA_OK);
        CU_ASSERT(gate_book_reach(b, &mn1, &en) == GBA_OK && gate_book_leave(b, &mn1) == GBA_OK);
        CU_ASSERT(gate_book_reach(b, &s1, &en) == GBA_OK && gate_book_leave(b, &s1) == GBA_OK);
        gate_book_follow(b);
    }
}

static void expire_one(gate_book *b)
{
    gba_m2m_id s2 = id_of("//sp.example.com/Stwo");
    CU_ASSERT_EQUAL(as_forwarded(b, "/Stwo"), GBA_M2M_NOT_AUTHENTICATED);
    usleep(2100000);
    gate_book_follow(b);
    /* it has registered, so it is a registree still */
    CU_ASSERT_EQUAL(as_forwarded(b, "/Stwo"), GBA_M2M_NOT_AUTHENTICATED);
    CU_ASSERT_EQUAL(gate_book_leave(b, &s2), GBA_OK);
    CU_ASSERT_EQUAL(as_forwarded(b, "/Stwo"), 0);
}

/* C10: registrations that come and go, and bindings that expire, are no cause to read the whole store again. What a whole
 * reading says of a damaged record counts the readings. */
static void no_reading(void)
{
    char dir[] = "/tmp/gate-XXXXXX", command[300];
    gate_book *b = NULL;
    gba_m2m_id s2 = id_of("//sp.example.com/Stwo");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    store *s = open_store(dir);
    store_op put = {.type = STORE_PUT, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str("12-damaged@x.example"),
                    .value = gba_str("v 1\nbound damaged\n")};
    CU_ASSERT_EQUAL_FATAL(store_write(s, &put, 1, 1, NULL), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
    CU_ASSERT_EQUAL(told_in("record_damaged", come_and_go, b), 0);
    CU_ASSERT(as_forwarded(b, "/mn1") == 0 && as_forwarded(b, "/Sone") == 0);
    CU_ASSERT_EQUAL(gate_book_learn(b, "12-two@x.example", &s2, service_now() + 2), GBA_OK);
    CU_ASSERT_EQUAL(told_in("record_damaged", expire_one, b), 0);
    gate_book_close(&b);
    store_close(&s);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* A stranger may say that it is reached below another's address: then both are named, and the longest is no more than the
 * first. One credential counts once (A6). */
static void claims(void)
{
    char dir[] = "/tmp/gate-XXXXXX", command[300], name[64];
    gate_book *b = NULL;
    gate_entity victim = {.credential = "12-v@x.example", .n = 1, .poa = {"https://h:1"}},
                sly = {.credential = "12-s@x.example", .n = 1, .poa = {"https://h:1/a/b"}}, got;
    gba_m2m_id v = id_of("//sp.example.com/cse1/Cv"), s1 = id_of("//sp.example.com/cse1/Cs1"),
               s2 = id_of("//sp.example.com/cse1/Cs2"), ids[GATE_CLAIMS];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    store *s = open_store(dir);
    CU_ASSERT_EQUAL_FATAL(gate_book_open(s, &b), GBA_OK);
    CU_ASSERT(gate_book_reach(b, &v, &victim) == GBA_OK && gate_book_reach(b, &s1, &sly) == GBA_OK);
    snprintf(sly.poa[0], sizeof sly.poa[0], "https://h:1/a/b/c");
    CU_ASSERT_EQUAL(gate_book_reach(b, &s2, &sly), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_book_at(b, "https://h:1/a/b/c", ids), 2);
    CU_ASSERT(gba_m2m_id_eq(&ids[0], &s2) && gba_m2m_id_eq(&ids[1], &v));
    CU_ASSERT_EQUAL_FATAL(gate_book_at(b, "https://h:1/a/b", ids), 2);
    CU_ASSERT(gba_m2m_id_eq(&ids[0], &s1) && gba_m2m_id_eq(&ids[1], &v));
    CU_ASSERT(gate_book_at(b, "https://h:1/a", ids) == 1 && gba_m2m_id_eq(&ids[0], &v));
    for (int i = 0; i < 2 * GATE_CLAIMS; i++) { /* bounded, in order */
        gba_m2m_id id;
        snprintf(name, sizeof name, "//sp.example.com/cse1/Cn%d", i);
        id = id_of(name);
        snprintf(sly.credential, sizeof sly.credential, "12-n%d@x.example", i);
        snprintf(sly.poa[0], sizeof sly.poa[0], "https://h:1/a%.*s", i % 5 * 2, "/b/c/d/e/f");
        CU_ASSERT_EQUAL(gate_book_reach(b, &id, &sly), GBA_OK);
    }
    CU_ASSERT_EQUAL_FATAL(gate_book_at(b, "https://h:1/a/b/c/d/e", ids), GATE_CLAIMS);
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < GATE_CLAIMS; i++) {
        CU_ASSERT_EQUAL_FATAL(gate_book_entity(b, &ids[i], &got), GBA_OK);
        CU_ASSERT(strlen(got.poa[0]) <= last);
        last = strlen(got.poa[0]);
    }
    gate_book_close(&b);
    store_close(&s);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* E5: an AE-ID against TS-0001 7.2 is kept octet for octet, over a restart, too. */
static void strange_id(void)
{
    char text[GATE_RECORD_MAX], out[GBA_M2M_ID_MAX + 1];
    gate_credential c = {.bound = GBA_M2M_BOUND_AE, .learned = true, .n = 1}, back;
    gba_m2m_id cse = id_of("//sp.example.com/tinyiot");
    size_t n;
    CU_ASSERT_EQUAL_FATAL(gba_m2m_id_parse_assigned(gba_str("CAE20261201T005254,1251162"), &cse, &c.ids[0]), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_credential_print(&c, text, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gate_credential_parse(gba_mem(text, n), &back), GBA_OK);
    CU_ASSERT(gba_m2m_id_print(&back.ids[0], GBA_M2M_STEM, out) == GBA_OK && !strcmp(out, "CAE20261201T005254,1251162"));
}

/* Which addresses are those of a registration (A6). */
static void registrations(void)
{
    const gate_entity en = {.ri = "r1", .rn = "dev", .base = "TinyIoT"};
    gba_m2m_id id = id_of("//sp.example.com/cse1/Cdev"), mn = id_of("//sp.example.com/mn1");
    static const char *const at[] = {"r1", "/cse1/r1", "//sp.example.com/cse1/r1", "TinyIoT/dev", "-/dev",
                                     "/cse1/TinyIoT/dev", "//sp.example.com/cse1/-/dev"},
                      *const not_at[] = {"", "/cse1", "//sp.example.com/cse1", "TinyIoT", "dev", "TinyIoT/dev/dev",
                                         "TinyIoT/data/dev", "/cse1/TinyIoT/data/dev", "r1/dev", "r2/dev", "TinyIoT/r1",
                                         "/cse1/TinyIoT/dev/r1"};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        CU_ASSERT(gate_entity_at(&en, &mn, at[i]));
    for (size_t i = 0; i < sizeof not_at / sizeof *not_at; i++)
        CU_ASSERT(!gate_entity_at(&en, &id, not_at[i]));
    CU_ASSERT(gate_entity_at(&en, &id, "/cse1/Cdev") && !gate_entity_at(&en, &id, "TinyIoT/Cdev"));
}

/* A CSE that says more than it was asked, whatever the connection: the i-th request gets said[i]. */
static const char *const said[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nd", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ne"};
#define SAID (sizeof said / sizeof *said)
static int accepted;

static void *talks_too_much(void *listener)
{
    char buf[4096];
    int fd = -1;
    for (size_t i = 0; i < SAID;) {
        if (fd < 0) {
            fd = accept(*(int *)listener, NULL, NULL);
            accepted++;
        }
        if (recv(fd, buf, sizeof buf, 0) <= 0) {
            close(fd);
            fd = -1;
        } else {
            (void)!send(fd, said[i], strlen(said[i]), MSG_NOSIGNAL);
            i++;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void surplus(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char url[64];
    gate_settings *g = calloc(1, sizeof *g);
    gate_upstream *u = NULL;
    pthread_t t;
    m2m_answer a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0 &&
                    getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, talks_too_much, &fd), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    g->upstream = url;
    g->body_max = 65536;
    CU_ASSERT_EQUAL_FATAL(gate_upstream_open(g, &u), GBA_OK);
    for (size_t i = 0; i < SAID; i++) {
        CU_ASSERT_EQUAL_FATAL(gate_upstream_ask(u, "GET", "/", NULL, 0, (gba_span){0}, 5000, &a), GBA_OK);
        CU_ASSERT(a.body.n == 1 && a.body.p[0] == "abcde"[i]);
        m2m_answer_free(&a);
    }
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(accepted, 3); /* after each of the first two another; then one for all */
    gate_upstream_close(&u);
    close(fd);
    free(g);
}

T_MAIN("m2m-gate", {"records", records}, {"urls", urls}, {"answers of MAF, MEF and CSE", answers},
       {"certificates", certificates}, {"header fields", fields}, {"the book", book}, {"claims of addresses", claims},
       {"whose registration", registrations}, {"registrees", registrees},
       {"the book at once", book_at_once}, {"expired bindings", book_expiry}, {"a CSE that says too much", surplus},
       {"C10: a resting connection that is closed", closed_resting}, {"A5: an AE-ID that another has", learn_taken}, {"C10: what comes and goes", no_reading},
       {"E5: an AE-ID against the grammar", strange_id})
