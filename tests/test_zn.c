/* SPDX-License-Identifier: Apache-2.0 */
/* test_zn.c - key release: who gets what, in which order it is decided, and what the books say. */
#include "bsf/zn.h"
#include <gba/kdf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "service/log.h"
#include "service/metrics.h"
#include "t_main.h"
#include "zn_kit.h"

#define BTID "zoPbxUrAJ0oVfBf4DQF71g==@bsf.home1.net"
#define KS_NAF "0d4a26a83a76a83c04e6dff0004c060b51d1b3925886c370ceb78f6eedb46e93"
#define KS_INT_NAF "6947a39b396306600b0f5508b5c795b80ec54b799d360949e4c70552866222eb"

static zn_query query(const gba_fqdn *names, size_t n, const char *btid, const char *fqdn, const char *ua)
{
    zn_query q = {.names = names, .n_names = n, .source = "192.0.2.1"};
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str(btid), &q.btid), GBA_OK);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str(fqdn), &q.naf_id.fqdn), GBA_OK);
    CU_ASSERT_EQUAL(gba_ua_id_parse(gba_str(ua), &q.naf_id.ua), GBA_OK);
    return q;
}

static bool all_zero(const void *p, size_t n)
{
    const uint8_t *o = p;
    while (n && !*o)
        o++, n--;
    return n == 0;
}

/* One row of the matrix; `who` may be several names divided by a blank, or "". */
static gba_err ask(zn *z, const char *who, const char *btid, const char *fqdn, const char *ua, zn_answer *a)
{
    gba_fqdn names[ZN_NAMES_MAX];
    size_t n = 0;
    while (*who) {
        size_t m = strcspn(who, " ");
        CU_ASSERT_EQUAL(gba_fqdn_parse(gba_mem(who, m), &names[n++]), GBA_OK);
        who += m + (who[m] == ' ');
    }
    zn_query q = query(names, n, btid, fqdn, ua);
    gba_err e = zn_release(z, &q, KIT_NOW, a, NULL, NULL);
    if (e != GBA_OK)
        CU_ASSERT(all_zero(a, sizeof *a)); /* a refusal leaves nothing behind */
    return e;
}

static void open_all(zn_kit *k, zn **z)
{
    zn_kit_open(k);
    rec_session s = zn_kit_sample();
    zn_kit_session(k, BTID, &s, s.expires);
    CU_ASSERT_EQUAL_FATAL(zn_new(k->store, z), GBA_OK);
    zn_kit_hush(k);
}

static void close_all(zn_kit *k, zn **z, char *heard, size_t n)
{
    zn_kit_heard(k, heard, n);
    zn_free(z);
    zn_kit_close(k);
}

static void test_policy(void)
{
    static const struct {
        const char *who, *fqdn, *ua;
        gba_err want;
    } rows[] = {
        {"naf1.home1.net", "naf1.home1.net", "0100000002", GBA_OK},
        {"naf1.home1.net", "NAF1.home1.net.", "0100000002", GBA_OK},
        {"naf1.home1.net", "naf1.home1.net", "0100000007", GBA_E_FORBIDDEN}, /* Ua not granted */
        {"naf1.home1.net", "naf1.home1.net", "0100010035", GBA_OK},         /* by its prefix */
        {"naf1.home1.net", "naf1.home1.net", "0100011301", GBA_OK},
        {"naf1.home1.net", "naf1.home1.net", "0100020000", GBA_E_FORBIDDEN},
        {"naf1.home1.net", "naf2.home1.net", "0100000002", GBA_E_FORBIDDEN}, /* another NAF's name */
        {"naf1.home1.net", "x.naf1.home1.net", "0100000002", GBA_E_FORBIDDEN},
        {"stranger.home1.net", "naf1.home1.net", "0100000002", GBA_E_FORBIDDEN},
        {"stranger.home1.net", "stranger.home1.net", "0100000002", GBA_E_FORBIDDEN}, /* its own name is no grant */
        {"", "naf1.home1.net", "0100000002", GBA_E_AUTH},
        {"stranger.home1.net naf1.home1.net", "naf1.home1.net", "0100000002", GBA_OK}, /* one of its names */
        {"proxy.home1.net", "a.apps.home1.net", "0100000002", GBA_OK},
        {"proxy.home1.net", "a.b.apps.home1.net", "0200000000", GBA_E_FORBIDDEN},
        {"proxy.home1.net", "a.b.apps.home1.net", "01ffffffff", GBA_OK}, /* a prefix of one octet */
        {"proxy.home1.net", "apps.home1.net", "0100000002", GBA_E_FORBIDDEN}, /* a wildcard is below */
        {"proxy.home1.net", "xapps.home1.net", "0100000002", GBA_E_FORBIDDEN},
        {"proxy.home1.net", "a.apps.home1.net.evil.com", "0100000002", GBA_E_FORBIDDEN},
        {"empty.home1.net", "naf1.home1.net", "0100000002", GBA_E_FORBIDDEN},
    };
    zn_kit k;
    zn *z;
    zn_answer a;
    char heard[16384];
    open_all(&k, &z);
    zn_kit_grant(&k, "naf1.home1.net", "naf1.home1.net", "0100000002 010001", false);
    zn_kit_grant(&k, "proxy.home1.net", "*.apps.home1.net", "01", true);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gba_err e = ask(z, rows[i].who, BTID, rows[i].fqdn, rows[i].ua, &a);
        if (e != rows[i].want)
            printf("\nrow %zu: %s\n", i, gba_err_name(e));
        CU_ASSERT_EQUAL(e, rows[i].want);
        if (e == GBA_OK)
            CU_ASSERT(a.me_key.n == 32 && a.uicc_key.n == 0 && a.expires == KIT_NOW + 3600 && a.created == KIT_NOW - 60);
    }
    close_all(&k, &z, heard, sizeof heard);
}

/* Whether a B-TID exists shows only to those who may have its key. */
static void test_order(void)
{
    zn_kit k;
    zn *z;
    zn_answer a;
    char heard[16384];
    rec_session s = zn_kit_sample(), tomb = {.tombstone = true, .impi = s.impi, .challenge_ms = 1};
    open_all(&k, &z);
    zn_kit_grant(&k, "naf1.home1.net", "naf1.home1.net", "0100000002", false);
    zn_kit_session(&k, "tomb@bsf.home1.net", &tomb, KIT_NOW + 60);
    zn_kit_session(&k, "gone@bsf.home1.net", &s, KIT_NOW - 1); /* by the store's expiry */
    s.expires = KIT_NOW;                                       /* by its own, to the second */
    zn_kit_session(&k, "over@bsf.home1.net", &s, 0);
    static const struct {
        const char *btid;
        gba_err want;
    } rows[] = {{BTID, GBA_OK},
                {"nobody@bsf.home1.net", GBA_E_UNKNOWN},
                {"tomb@bsf.home1.net", GBA_E_UNKNOWN},
                {"gone@bsf.home1.net", GBA_E_EXPIRED},
                {"over@bsf.home1.net", GBA_E_EXPIRED}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(ask(z, "naf1.home1.net", rows[i].btid, "naf1.home1.net", "0100000002", &a), rows[i].want);
        CU_ASSERT_EQUAL(ask(z, "naf2.home1.net", rows[i].btid, "naf1.home1.net", "0100000002", &a), GBA_E_FORBIDDEN);
        CU_ASSERT_EQUAL(ask(z, "naf1.home1.net", rows[i].btid, "naf2.home1.net", "0100000002", &a), GBA_E_FORBIDDEN);
        CU_ASSERT_EQUAL(ask(z, "", rows[i].btid, "naf1.home1.net", "0100000002", &a), GBA_E_AUTH);
    }
    close_all(&k, &z, heard, sizeof heard);
}

static void test_flavours_and_impi(void)
{
    zn_kit k;
    zn *z;
    zn_answer a;
    gba_fqdn name = {"naf1.home1.net"};
    char heard[16384];
    rec_session s = zn_kit_sample();
    open_all(&k, &z);
    zn_kit_grant(&k, "naf1.home1.net", "naf1.home1.net", "0100000002", false);
    CU_ASSERT_EQUAL(ask(z, "naf1.home1.net", BTID, "naf1.home1.net", "0100000002", &a), GBA_OK);
    CU_ASSERT(t_secret_is(&a.me_key, KS_NAF));
    CU_ASSERT_STRING_EQUAL(a.impi.s, ""); /* not granted */
    CU_ASSERT_EQUAL(a.gba_type, 0);

    zn_kit_grant(&k, "naf1.home1.net", "*.home1.net", "0100000002", true); /* grants add up */
    CU_ASSERT_EQUAL(ask(z, "naf1.home1.net", BTID, "naf1.home1.net", "0100000002", &a), GBA_OK);
    CU_ASSERT_STRING_EQUAL(a.impi.s, "user1_private@home1.net");

    zn_query q = query(&name, 1, BTID, "naf1.home1.net", "0100000002");
    q.gba_u_aware = true;
    CU_ASSERT_EQUAL(zn_release(z, &q, KIT_NOW, &a, NULL, NULL), GBA_OK);
    CU_ASSERT_EQUAL(a.uicc_key.n, 0); /* a GBA_ME session has none */
    s.gba_type = 1;
    zn_kit_session(&k, BTID, &s, s.expires);
    CU_ASSERT_EQUAL(zn_release(z, &q, KIT_NOW, &a, NULL, NULL), GBA_OK);
    CU_ASSERT(t_secret_is(&a.me_key, KS_NAF) && t_secret_is(&a.uicc_key, KS_INT_NAF));
    q.gba_u_aware = false;
    CU_ASSERT_EQUAL(zn_release(z, &q, KIT_NOW, &a, NULL, NULL), GBA_OK);
    CU_ASSERT(a.uicc_key.n == 0 && a.gba_type == 1);
    s.gba_type = 3;
    zn_kit_session(&k, BTID, &s, s.expires);
    CU_ASSERT_EQUAL(zn_release(z, &q, KIT_NOW, &a, NULL, NULL), GBA_E_UNSUPPORTED);
    zn_answer_wipe(&a);
    CU_ASSERT(all_zero(&a, sizeof a));
    close_all(&k, &z, heard, sizeof heard);
}

/* The published derivations, through store, record and release. */
static void test_vectors(void)
{
    zn_kit k;
    zn *z;
    zn_answer a;
    json_t *root, *c;
    size_t i, done = 0;
    char heard[65536];
    gba_fqdn name = {"proxy.home1.net"};
    json_t *cases = t_cases("ks_naf", &root);
    open_all(&k, &z);
    json_array_foreach(cases, i, c) {
        rec_session s = zn_kit_sample();
        zn_query q = {.names = &name, .n_names = 1};
        uint8_t utf8[1024];
        size_t n = sizeof utf8;
        if (!json_object_get(c, "ks_naf"))
            continue;
        CU_ASSERT_EQUAL(gba_hex_decode(gba_str(t_str(c, "impi_utf8_as_given")), utf8, &n), GBA_OK);
        if (gba_impi_parse(gba_mem(utf8, n), &s.impi) != GBA_OK)
            continue;
        s.ks = t_secret(t_str(c, "ks"));
        t_hex_into(t_str(c, "rand"), s.rand, 16);
        CU_ASSERT_EQUAL(gba_btid_parse(gba_str(BTID), &q.btid), GBA_OK);
        CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str(t_str(c, "naf_fqdn")), &q.naf_id.fqdn), GBA_OK);
        CU_ASSERT_EQUAL(gba_ua_id_parse(gba_str(t_str(c, "ua_security_protocol_id")), &q.naf_id.ua), GBA_OK);
        zn_kit_session(&k, BTID, &s, s.expires);
        zn_kit_grant(&k, name.s, q.naf_id.fqdn.s, t_str(c, "ua_security_protocol_id"), false);
        CU_ASSERT_EQUAL(zn_release(z, &q, KIT_NOW, &a, NULL, NULL), GBA_OK);
        CU_ASSERT(t_secret_is(&a.me_key, t_str(c, "ks_naf")));
        done++;
    }
    CU_ASSERT(done >= 3);
    json_decref(root);
    close_all(&k, &z, heard, sizeof heard);
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static void test_books(void)
{
    zn_kit k;
    zn *z;
    zn_answer a;
    char heard[16384];
    metric *released = metric_counter("gba_zn_total", "result=\"released\"", "");
    metric *unauthorised = metric_counter("gba_zn_total", "result=\"unauthorised\"", "");
    metric *malformed = metric_counter("gba_zn_total", "result=\"malformed\"", "");
    open_all(&k, &z);
    log_setup("test_zn", LOG_LEVEL_ERROR, LOG_TEXT); /* audit lines appear all the same */
    zn_kit_grant(&k, "naf1.home1.net", "naf1.home1.net", "0100000002", false);
    int64_t r = metric_value(released), u = metric_value(unauthorised), m = metric_value(malformed);
    CU_ASSERT_EQUAL(ask(z, "first.home1.net naf1.home1.net", BTID, "naf1.home1.net", "0100000002", &a), GBA_OK);
    CU_ASSERT_EQUAL(ask(z, "evil.home1.net", BTID, "naf1.home1.net", "0100000002", &a), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(ask(z, "naf1.home1.net", "no@bsf.home1.net", "naf1.home1.net", "0100000002", &a), GBA_E_UNKNOWN);
    zn_refused("naf1.home1.net", "192.0.2.7", "malformed");
    close_all(&k, &z, heard, sizeof heard);
    CU_ASSERT_EQUAL(metric_value(released) - r, 1);
    CU_ASSERT_EQUAL(metric_value(unauthorised) - u, 1);
    CU_ASSERT_EQUAL(metric_value(malformed) - m, 1);
    CU_ASSERT_EQUAL(count(heard, "\n"), 4);
    CU_ASSERT_EQUAL(count(heard, "audit"), 4);
    CU_ASSERT(strstr(heard, "zn.key_released naf=naf1.home1.net naf_id=naf1.home1.net ua=0100000002") != NULL);
    CU_ASSERT(strstr(heard, "zn.key_refused naf=evil.home1.net") != NULL);
    CU_ASSERT_EQUAL(count(heard, "reason=unauthorised"), 1);
    CU_ASSERT_EQUAL(count(heard, "reason=unknown"), 1);
    CU_ASSERT_EQUAL(count(heard, "reason=malformed"), 1);
    CU_ASSERT_EQUAL(count(heard, "zoPbxUrAJ0oVfBf4DQF71g=="), 2); /* the B-TID, released and refused */
    CU_ASSERT(!strstr(heard, KS_NAF) && !strstr(heard, "e203edb3971574f5"));
}

/* ---- many NAFs at once (C11) ---- */

static _Atomic unsigned grant_reads;
gba_err __real_store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out);
gba_err __wrap_store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out);
gba_err __wrap_store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out)
{
    grant_reads += k == STORE_NAF;
    return __real_store_get(s, k, key, now, out);
}

#define NAFS 200
#define ASKERS 4
#define TURNS 20
static zn *asked_zn;
static _Atomic unsigned wrong;

static void *ask_all(void *arg)
{
    zn_answer a;
    char name[64];
    for (unsigned i = 0; i < TURNS * NAFS; i++) {
        snprintf(name, sizeof name, "naf%u.home1.net", (i + *(unsigned *)arg) % NAFS);
        wrong += ask(asked_zn, name, BTID, name, "0100000002", &a) != GBA_OK;
        zn_answer_wipe(&a);
    }
    return NULL;
}

/* Each is read about once, and is then known; what it costs is told with ZN_BENCH set. */
static void test_many(void)
{
    zn_kit k;
    char name[64];
    pthread_t t[ASKERS];
    unsigned from[ASKERS];
    clock_t cpu;
    char heard[64];

    open_all(&k, &asked_zn);
    log_setup("test_zn", LOG_LEVEL_ERROR, LOG_TEXT);
    for (unsigned i = 0; i < NAFS; i++) {
        snprintf(name, sizeof name, "naf%u.home1.net", i);
        zn_kit_grant(&k, name, name, "0100000002", false);
    }
    grant_reads = 0;
    cpu = clock();
    for (unsigned i = 0; i < ASKERS; i++) {
        from[i] = i * NAFS / ASKERS;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, ask_all, &from[i]), 0);
    }
    for (unsigned i = 0; i < ASKERS; i++)
        pthread_join(t[i], NULL);
    cpu = clock() - cpu;
    close_all(&k, &asked_zn, heard, sizeof heard);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(grant_reads >= NAFS && grant_reads < ASKERS * NAFS);
    if (getenv("ZN_BENCH"))
        printf("\n  %d lookups of %d NAFs in %d threads: %u reads of the store, %.0f ms of CPU\n",
               ASKERS * TURNS * NAFS, NAFS, ASKERS, grant_reads, 1e3 * (double)cpu / CLOCKS_PER_SEC);
}

/* A damaged record releases nothing. */
static void test_damaged(void)
{
    zn_kit k;
    zn *z;
    zn_answer a;
    char heard[16384];
    size_t failed;
    open_all(&k, &z);
    zn_kit_grant(&k, "naf1.home1.net", "naf1.home1.net", "0100000002", false);
    const store_op bad[] = {
        {.type = STORE_PUT, .kind = STORE_NAF, .key = gba_str("naf2.home1.net"), .value = gba_str("\1\7")},
        {.type = STORE_PUT, .kind = STORE_SESSION, .key = gba_str("bad@bsf.home1.net"), .value = gba_str("\1\7")}};
    CU_ASSERT_EQUAL(store_write(k.store, bad, 2, KIT_NOW, &failed), GBA_OK);
    CU_ASSERT_EQUAL(ask(z, "naf2.home1.net", BTID, "naf1.home1.net", "0100000002", &a), GBA_E_CORRUPT);
    CU_ASSERT_EQUAL(ask(z, "naf1.home1.net", "bad@bsf.home1.net", "naf1.home1.net", "0100000002", &a), GBA_E_CORRUPT);
    close_all(&k, &z, heard, sizeof heard);
    CU_ASSERT_EQUAL(count(heard, "zn.failed"), 2);
    CU_ASSERT_EQUAL(count(heard, "reason=failed"), 2);
}

T_MAIN("zn", {"who gets which key", test_policy}, {"authorisation before existence", test_order},
       {"flavours, IMPI", test_flavours_and_impi}, {"vectors", test_vectors}, {"audit and metrics", test_books},
       {"damaged records", test_damaged}, {"C11: many NAFs at once", test_many})
