/* SPDX-License-Identifier: Apache-2.0 */
/* test_m2m_a.c - Entity A's records, what it finds in its store, what it reads of MAF and MEF. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "broken_peer.h"
#include "onem2m-binding/a.h"
#include "t_main.h"

static int64_t clock_now = 1800000000;

static int64_t on_now(void *arg)
{
    (void)arg;
    return clock_now;
}

static void id_of(const char *text, gba_m2m_id *out)
{
    CU_ASSERT_EQUAL_FATAL(gba_m2m_entity_parse(gba_str(text), out), GBA_OK);
}

static void record(gba_m2m_held_kind kind, const char *id, const char *self, const char *target, int64_t made, int64_t expires, a_record *out)
{
    gba_secret key = {.n = 32};

    memset(key.o, (int)strlen(id), 32);
    memset(out, 0, sizeof *out);
    out->h = (gba_m2m_held){.kind = kind, .by = GBA_M2M_SBF_1, .made = made, .expires = expires};
    snprintf(out->h.id, sizeof out->h.id, "%s", id);
    snprintf(out->h.enrolled_as, sizeof out->h.enrolled_as, "%s", id);
    id_of(self, &out->h.self);
    id_of(target, &out->h.target);
    snprintf(out->h.server.s, sizeof out->h.server.s, "mef.example.com");
    a_keys_one(&out->keys, &key);
}

static void test_record(void)
{
    static a_record r, back;
    uint8_t o[A_RECORD_MAX], again[A_RECORD_MAX];
    size_t n = sizeof o, m = sizeof again;

    record(GBA_M2M_HELD_KM, "AB@mef.example.com", "//sp.example.com/in/Cdev", "maf.example.com", 1, 2, &r);
    snprintf(r.host, sizeof r.host, "127.0.0.1");
    r.port = 8443;
    snprintf(r.reg, sizeof r.reg, "R1");
    r.reg_until = 77;
    r.keys.n = 2;
    r.keys.of[0].suite = 0xAE;
    r.keys.of[1] = r.keys.of[0];
    r.keys.of[1].suite = 0xA8;
    CU_ASSERT_EQUAL_FATAL(a_record_print(&r, o, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(a_record_parse(gba_mem(o, n), &back), GBA_OK);
    CU_ASSERT_EQUAL(back.h.kind, GBA_M2M_HELD_KM);
    CU_ASSERT_STRING_EQUAL(back.h.id, "AB@mef.example.com");
    CU_ASSERT(gba_m2m_id_eq(&back.h.self, &r.h.self) && gba_m2m_id_eq(&back.h.target, &r.h.target));
    CU_ASSERT_EQUAL(back.port, 8443);
    CU_ASSERT_EQUAL(back.reg_until, 77);
    CU_ASSERT(back.keys.n == 2 && back.keys.of[1].suite == 0xA8 && gba_secret_eq(&back.keys.of[1].key, &r.keys.of[1].key));
    CU_ASSERT_EQUAL(a_record_print(&back, again, &m), GBA_OK);
    CU_ASSERT(m == n && !memcmp(o, again, n));
    for (size_t i = 0; i < n; i++) /* cut anywhere, it is none */
        CU_ASSERT_NOT_EQUAL(a_record_parse(gba_mem(o, i), &back), GBA_OK);
    o[0]++;
    CU_ASSERT_EQUAL(a_record_parse(gba_mem(o, n), &back), GBA_E_UNSUPPORTED);
    o[0]--;
    o[1] = 9;
    CU_ASSERT_EQUAL(a_record_parse(gba_mem(o, n), &back), GBA_E_SYNTAX);
    n = 20;
    CU_ASSERT_EQUAL(a_record_print(&r, again, &n), GBA_E_SPACE);
}

static char folder[] = "/tmp/test_m2m_a.XXXXXX";

static void open_a(const char *self, gba_m2m_a **a)
{
    gba_m2m_a_config c = {.state_dir = folder, .now = on_now};
    char text[GBA_M2M_TEXT];

    if (self)
        id_of(self, &c.id);
    CU_ASSERT_EQUAL_FATAL(gba_m2m_a_new(&c, a, text), GBA_OK);
}

static void count_one(void *arg, const gba_m2m_held *h)
{
    (void)h;
    ++*(size_t *)arg;
}

static void test_store(void)
{
    static a_record r, got;
    gba_m2m_a *a;
    gba_fqdn maf = {"maf.example.com"}, b = {"in.sp.example.com"}, other = {"maf2.example.com"};
    size_t n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    open_a("//sp.example.com/in/Cdev", &a);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KM, &maf, &got), GBA_E_UNKNOWN);
    record(GBA_M2M_HELD_KM, "A1@mef.example.com", "//sp.example.com/in/Cdev", "maf.example.com", 1, clock_now + 100, &r);
    CU_ASSERT_EQUAL(a_store_save(a, &r), GBA_OK);
    record(GBA_M2M_HELD_KPSA, "A22@mef.example.com", "//sp.example.com/in/Cdev", "//sp.example.com/in", 1, clock_now + 50, &r);
    CU_ASSERT_EQUAL(a_store_save(a, &r), GBA_OK);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KM, &maf, &got), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.h.id, "A1@mef.example.com");
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KPSA, &b, &got), GBA_OK); /* by the public domain name of the CSE */
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KPSA, NULL, &got), GBA_OK);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KM, &other, &got), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KC, NULL, &got), GBA_E_UNKNOWN);
    /* an enrolment anew takes the place of the old one */
    record(GBA_M2M_HELD_KM, "A333@mef.example.com", "//sp.example.com/in/Cdev", "maf.example.com", 2, clock_now + 200, &r);
    CU_ASSERT_EQUAL(a_store_save(a, &r), GBA_OK);
    CU_ASSERT_EQUAL(gba_m2m_held_each(a, count_one, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KM, &maf, &got), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.h.id, "A333@mef.example.com");
    gba_m2m_a_free(&a);
    /* another entity does not find it, one without identity does */
    open_a("//sp.example.com/in/Cother", &a);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KM, &maf, &got), GBA_E_UNKNOWN);
    gba_m2m_a_free(&a);
    open_a(NULL, &a);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KM, &maf, &got), GBA_OK);
    clock_now += 60; /* Kpsa is over */
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KPSA, &b, &got), GBA_E_EXPIRED);
    CU_ASSERT_STRING_EQUAL(got.h.id, "A22@mef.example.com");
    CU_ASSERT_EQUAL(gba_m2m_held_forget(a, NULL, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(a_store_find(a, GBA_M2M_HELD_KPSA, &b, &got), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(gba_m2m_held_forget(a, "A333@mef.example.com", &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 1);
    n = 0;
    CU_ASSERT_EQUAL(gba_m2m_held_each(a, count_one, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 0);
    gba_m2m_a_free(&a);
    char path[128];
    snprintf(path, sizeof path, "%s/state.key", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/m2m.lock", folder);
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void test_json(void)
{
    a_reg reg = {.until = 5};
    a_cmd cmd;
    char relative[GBA_M2M_KEY_ID_MAX + 1];
    int64_t until = 0;

    CU_ASSERT_EQUAL(a_json_reg_read(gba_str("{\"sec:macr\":{\"et\":\"20270101T000000\",\"aski\":\"Km-1@maf.example.com\"}}"), false, &reg), GBA_OK);
    CU_ASSERT_EQUAL(reg.until, 1798761600);
    CU_ASSERT_STRING_EQUAL(reg.assigned, "Km-1@maf.example.com");
    CU_ASSERT_FALSE(reg.command);
    CU_ASSERT_EQUAL(a_json_reg_read(gba_str("{\"sec:mecr\":{\"ch\":[{\"nm\":\"cmd\"}]}}"), true, &reg), GBA_OK);
    CU_ASSERT_TRUE(reg.command);
    static const char *const bad[] = {"", "{", "[]", "{\"sec:macr\":1}", "{\"sec:mecr\":{}}", "{\"sec:macr\":{\"et\":\"soon\"}}",
                                      "{\"sec:macr\":{\"aski\":\"a b\"}}", "{\"sec:macr\":{\"aski\":7}}", "{\"sec:macr\":{},\"sec:macr\":{}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(a_json_reg_read(gba_str(bad[i]), false, &reg), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(a_json_key_read(gba_str("{\"sec:skr\":{\"rn\":\"AB\",\"et\":\"20270101T000000\"}}"), relative, &until), GBA_OK);
    CU_ASSERT_STRING_EQUAL(relative, "AB");
    CU_ASSERT_EQUAL(a_json_key_read(gba_str("{\"sec:skr\":{\"rn\":\"AB\"}}"), relative, &until), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(a_json_cmd_read(gba_str("{\"sec:mecc\":{\"cmid\":3,\"cmde\":{\"cmdClassID\":2}}}"), &cmd), GBA_OK);
    CU_ASSERT(cmd.id == 3 && cmd.class == 2);
    CU_ASSERT_EQUAL(a_json_cmd_read(gba_str("{\"sec:mecc\":{\"cmid\":-3,\"cmde\":{\"cmdClassID\":2}}}"), &cmd), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(a_json_cmd_read(gba_str("{\"sec:mecc\":{\"cmid\":3,\"cmde\":7}}"), &cmd), GBA_E_SYNTAX);
    char *text = a_json_key(1798761600, "adm.example.com", 32, "//sp.example.com/in");
    CU_ASSERT_STRING_EQUAL(text, "{\"sec:skr\":{\"et\":\"20270101T000000\",\"adfq\":\"adm.example.com\",\"suid\":32,\"tgis\":[\"//sp.example.com/in\"]}}");
    free(text);
}

static void test_arguments(void)
{
    gba_m2m_a_config c = {.now = on_now};
    gba_m2m_saef how = {.framework = GBA_M2M_SBF_1};
    gba_m2m_sbf sbf = {.framework = GBA_M2M_SAEF_1};
    gba_m2m_held h;
    gba_m2m_sa *sa;
    gba_m2m_a *a;
    bool done;

    CU_ASSERT_EQUAL_FATAL(gba_m2m_a_new(&c, &a, NULL), GBA_OK);
    CU_ASSERT_EQUAL(gba_m2m_connect(a, &how, &sa), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_m2m_enrol(a, &sbf, &h, &done), GBA_E_ARG);
    sbf.framework = GBA_M2M_SBF_1;
    CU_ASSERT_EQUAL(gba_m2m_enrol(a, &sbf, &h, &done), GBA_E_UNSUPPORTED); /* no state folder */
    how.framework = GBA_M2M_SAEF_1;
    CU_ASSERT_EQUAL(gba_m2m_connect(a, &how, &sa), GBA_E_UNKNOWN);
    CU_ASSERT_PTR_NULL(sa);
    how.framework = GBA_M2M_SAEF_4;
    snprintf(how.b.fqdn.s, sizeof how.b.fqdn.s, "in.sp.example.com");
    CU_ASSERT_EQUAL(gba_m2m_connect(a, &how, &sa), GBA_E_ARG); /* no USIM */
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_m2m_a_text(a), "USIM"));
    gba_m2m_a_free(&a);
    CU_ASSERT_PTR_NULL(a);
}

/* ---- SA2's listener and strangers ---- */
#define PLACES 16
typedef struct ear {
    gba_m2m_a *a;
    gba_m2m_sa sa;
    gba_m2m_listener *l;
    char why[128]; /* of the last refusal */
    unsigned refused;
    atomic_bool end;
} ear;

static void on_refused(void *arg, const char *address, const char *why)
{
    ear *x = arg;
    (void)address;
    x->refused++;
    snprintf(x->why, sizeof x->why, "%s", why);
}

static const gba_secret kpsa = {.n = 32, .o = {1, 2, 3}};

/* A listener as of an association by the key of dev@sp.example.com, its deadlines total_ms. */
static void open_ear(ear *x, unsigned total_ms)
{
    gba_m2m_a_config c = {.now = on_now, .total_ms = total_ms};
    gba_m2m_listen_config lc = {.refused = on_refused, .arg = x};

    memset(x, 0, sizeof *x);
    CU_ASSERT_EQUAL_FATAL(gba_m2m_a_new(&c, &x->a, NULL), GBA_OK);
    x->sa.a = x->a;
    snprintf(x->sa.auth.id, sizeof x->sa.auth.id, "dev@sp.example.com");
    a_keys_one(&x->sa.auth.keys, &kpsa);
    CU_ASSERT_EQUAL_FATAL(gba_m2m_listen(&x->sa, &lc, &x->l), GBA_OK);
}

static void close_ear(ear *x)
{
    gba_m2m_listener_close(&x->l);
    a_auth_wipe(&x->sa.auth);
    gba_m2m_a_free(&x->a);
}

static int call(const ear *x)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(gba_m2m_listener_port(x->l))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static bool hung_up(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void *serve_on(void *arg)
{
    ear *x = arg;
    while (!atomic_load(&x->end) && gba_m2m_listener_run(x->l, 50) != GBA_E_IO)
        ;
    return NULL;
}

/* All places are held by callers who say nothing: the registrar is let in, soon, and the oldest of them goes. */
static void test_silent(void)
{
    const m2m_field f[] = {{"X-M2M-Origin", "/cse1"}, {"X-M2M-RI", "1"}, {"X-M2M-RVI", "3"},
                           {"Content-Type", "application/json"}};
    char why[256] = "";
    int fd[PLACES];
    m2m_answer answer;
    m2m_peer *p;
    pthread_t t;
    ear x;

    open_ear(&x, 30000);
    for (size_t i = 0; i < PLACES; i++) {
        fd[i] = call(&x);
        CU_ASSERT_EQUAL(gba_m2m_listener_run(x.l, 5), GBA_E_BUSY);
    }
    CU_ASSERT_EQUAL(x.refused, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, serve_on, &x), 0);
    m2m_peer_config c = {.host = "127.0.0.1", .port = gba_m2m_listener_port(x.l), .sni = "cdev.example.com",
                         .psk_identity = gba_str("dev@sp.example.com"), .psk = &kpsa, .connect_ms = 10000,
                         .total_ms = 10000};
    CU_ASSERT_EQUAL_FATAL(m2m_peer_open(&c, &p, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(m2m_peer_request(p, "POST", "/", f, 4, gba_str("{}"), &answer), GBA_OK);
    CU_ASSERT_EQUAL(answer.status, 200);
    m2m_answer_free(&answer);
    CU_ASSERT(hung_up(fd[0]));
    for (size_t i = 1; i < PLACES; i++)
        CU_ASSERT(!hung_up(fd[i]));
    /* one more caller: the association stays, the next of the silent goes */
    int late = call(&x);
    for (int i = 0; i < 500 && !hung_up(fd[1]); i++)
        usleep(10000);
    CU_ASSERT(hung_up(fd[1]) && !hung_up(late));
    CU_ASSERT_EQUAL(m2m_peer_request(p, "POST", "/", f, 4, gba_str("{}"), &answer), GBA_OK);
    m2m_answer_free(&answer);
    m2m_peer_close(&p);
    atomic_store(&x.end, true);
    pthread_join(t, NULL);
    CU_ASSERT_EQUAL(x.refused, 2);
    CU_ASSERT_STRING_EQUAL(x.why, "made room for another");
    for (size_t i = 0; i < PLACES; i++)
        close(fd[i]);
    close(late);
    close_ear(&x);
}

static gba_err visit(ear *x, const char *sni)
{
    char why[256] = "";
    m2m_peer *p = NULL;
    pthread_t t;
    m2m_peer_config c = {.host = "127.0.0.1", .port = gba_m2m_listener_port(x->l), .sni = sni,
                         .psk_identity = gba_str("dev@sp.example.com"), .psk = &kpsa, .connect_ms = 10000,
                         .total_ms = 10000};
    atomic_store(&x->end, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, serve_on, x), 0);
    gba_err e = m2m_peer_open(&c, &p, why, sizeof why);
    m2m_peer_close(&p);
    atomic_store(&x->end, true);
    pthread_join(t, NULL);
    return e;
}

/* The device's own handshake with its registrar, sent back to it: the identity and the key are right, the name is not. */
static void test_reflected(void)
{
    static const struct {
        const char *id, *sni;
        bool ours;
    } row[] = {
        {NULL, "cse1.sp.example.com", false},
        {NULL, "CSE1.sp.example.com", false},
        {NULL, "device.example.net", true}, /* its address is all the name that it has */
        {"//sp.example.com/cse1/Cdev", "cse1.sp.example.com", false},
        {"//sp.example.com/cse1/Cdev", "cdev.cse1.sp.example.com", true},
        {"//sp.example.com/cse1/Cdev", "cother.cse1.sp.example.com", true},
        {"//sp.example.com/cse1/Cdev", "cse2.sp.example.com", false}, /* by the same Kpsa */
        {"//sp.example.com/cse1/Cdev", "cdev.cse2.sp.example.com", false},
        {"//sp.example.com/cse1/Cdev", ".cse1.sp.example.com", false},
        {"//sp.example.com/Sdev", "sdev.sp.example.com", true},
        {"//sp.example.com/Sdev", "cse2.sp.example.com", false},
        {"//sp.example.com/mn1", "mn1.sp.example.com", true},
        {"//sp.example.com/mn1", "cse2.sp.example.com", false},
    };
    ear x;

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        open_ear(&x, 10000);
        snprintf(x.sa.facts.b.s, sizeof x.sa.facts.b.s, "cse1.sp.example.com");
        if (row[i].id)
            CU_ASSERT_EQUAL(gba_m2m_id_parse(gba_str(row[i].id), NULL, &x.a->c.id), GBA_OK);
        gba_err e = visit(&x, row[i].sni);
        if ((e == GBA_OK) != row[i].ours)
            printf("\n%s asked for %s: %s\n", row[i].id ? row[i].id : "nobody", row[i].sni, gba_err_name(e));
        CU_ASSERT_EQUAL(e, row[i].ours ? GBA_OK : GBA_E_IO); /* unrecognized_name: nothing was said about the key */
        CU_ASSERT(row[i].ours || strstr(x.why, "asks for another server"));
        close_ear(&x);
    }
}

/* ---- SAEF 4 towards a CSE that is down ---- */
typedef struct down {
    int fd;
    broken_how how;
    unsigned alert, renewed;
} down;

static void *fail_on(void *arg)
{
    const down *d = arg;
    for (int fd; (fd = accept(d->fd, NULL, NULL)) >= 0;)
        broken_serve(fd, d->how, d->alert);
    return NULL;
}

static gba_err on_session(void *arg, bool renew, gba_m2m_gba_facts *out)
{
    ((down *)arg)->renewed += renew;
    *out = (gba_m2m_gba_facts){.expires = clock_now + 1000};
    snprintf(out->btid.s, sizeof out->btid.s, "x@bsf.example.com");
    snprintf(out->impi.s, sizeof out->impi.s, "dev@example.com");
    snprintf(out->bsf.s, sizeof out->bsf.s, "bsf.example.com");
    return GBA_OK;
}

static gba_err on_naf_key(void *arg, const gba_naf_id *naf, gba_secret *out)
{
    (void)arg, (void)naf;
    *out = kpsa;
    return GBA_OK;
}

static const char *on_text(void *arg)
{
    (void)arg;
    return "";
}

/* C2: a CSE that is down says nothing about the key, so no session is made anew at the BSF. */
static void test_outage(void)
{
    static const struct {
        broken_how how;
        unsigned alert;
        gba_err e;
    } rows[] = {{BROKEN_RESETS, 0, GBA_E_IO},        {BROKEN_RESETS_LATER, 0, GBA_E_IO}, {BROKEN_CLOSES, 0, GBA_E_IO},
                {BROKEN_CLOSES_LATER, 0, GBA_E_IO},  {BROKEN_GARBAGE, 0, GBA_E_IO},      {BROKEN_NO_TLS, 0, GBA_E_IO},
                {BROKEN_ALERT, 80, GBA_E_IO},        {BROKEN_ALERT, 70, GBA_E_FORBIDDEN},
                {BROKEN_ALERT, 51, GBA_E_FORBIDDEN}}; /* internal_error, protocol_version; decrypt_error of no key of ours */
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    down d = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    const gba_m2m_gba gba = {on_session, on_naf_key, on_text, &d};
    gba_m2m_a_config c = {.now = on_now, .total_ms = 10000};
    gba_m2m_a *a;
    gba_m2m_sa *sa;
    pthread_t t;

    CU_ASSERT_EQUAL_FATAL(bind(d.fd, (struct sockaddr *)&at, len) || listen(d.fd, 8) ||
                              getsockname(d.fd, (struct sockaddr *)&at, &len), 0);
    id_of("//sp.example.com/in/Cdev", &c.id);
    CU_ASSERT_EQUAL_FATAL(gba_m2m_a_new(&c, &a, NULL), GBA_OK);
    gba_m2m_saef how = {.framework = GBA_M2M_SAEF_4, .own.gba = &gba,
                        .b = {.host = "127.0.0.1", .port = ntohs(at.sin_port), .fqdn = {"in.sp.example.com"}}};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, fail_on, &d), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        d.how = rows[i].how;
        d.alert = rows[i].alert;
        d.renewed = 0;
        for (int again = 0; again < 10; again++) {
            CU_ASSERT_EQUAL(gba_m2m_connect(a, &how, &sa), rows[i].e);
            CU_ASSERT_PTR_NULL(sa);
        }
        CU_ASSERT_EQUAL(d.renewed, 0); /* after a refused key it is: test_m2m.sh */
    }
    shutdown(d.fd, SHUT_RDWR);
    pthread_join(t, NULL);
    close(d.fd);
    gba_m2m_a_free(&a);
}

T_MAIN("Entity A", {"record", test_record}, {"store", test_store}, {"JSON", test_json}, {"arguments", test_arguments},
       {"silent callers of SA2", test_silent}, {"SA1 reflected to SA2", test_reflected},
       {"a CSE that is down", test_outage})
