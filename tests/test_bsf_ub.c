/* SPDX-License-Identifier: Apache-2.0 */
/* test_bsf_ub.c - what Ub does with everything that is not as it should be. */
#include "bsf/ub.h"
#include <gba/kdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service/metrics.h"
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

static uint64_t sessions_stored(kit *k)
{
    uint64_t n = 0;
    CU_ASSERT_EQUAL(store_count(k->store, STORE_SESSION, &n), GBA_OK);
    return n;
}

static int64_t counted(const char *result)
{
    char label[64];
    snprintf(label, sizeof label, "result=\"%s\"", result);
    return metric_value(metric_counter("gba_ub_total", label, ""));
}

static void begin(kit *k, kit_ue *u, const kit_options *o)
{
    memset(k, 0, sizeof *k);
    kit_open(k, o, false);
    kit_subscriber(k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    kit_ue_new(u, KIT_IMPI, KIT_K, KIT_OPC, 0);
}

static void finish(kit *k, kit_ue *u)
{
    kit_ue_free(u);
    kit_close(k, false);
}

/* Asks for a challenge and has the card answer it. */
static void challenged(kit *k, kit_ue *u)
{
    char buf[1024];
    kit_reply r;
    kit_initial(u->username, buf, sizeof buf);
    kit_get(k, buf, &r);
    CU_ASSERT_EQUAL_FATAL(r.status, 401);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(u, &r), GBA_OK);
}

static unsigned told(kit *k, const kit_ue *u, const kit_lie *lie, kit_reply *r)
{
    char buf[4096];
    kit_ue_answer(u, lie, buf, sizeof buf);
    kit_get(k, buf, r);
    return r->status;
}

/* ---- the request itself ---- */

static void malformed(void)
{
    static const char *const bad[] = {
        "Basic dXNlcjpwYXNz", "Digest", "Digest ", "Digest username", "Digest username=", "Digest username=\"a@b",
        "Digest username=\"a@b\"",                                     /* no uri */
        "Digest username=\"a@b\", username=\"a@b\", uri=\"/\"",          /* twice */
        "Digest username=\"a@b\" uri=\"/\"",                            /* no comma */
        "Digest uri=\"/\", nonce=\"\", response=\"\"",                    /* no username */
        "Digest username=\"\", uri=\"/\"", "Digest username=\"ab\", uri=\"/\"", "Digest username=\"a@b@c\", uri=\"/\"",
        "Digest username=\"@b\", uri=\"/\"", "Digest username=\"a b@c\", uri=\"/\"",
        "Digest username=\"\xff\xfe@home1.net\", uri=\"/\"",           /* not UTF-8 */
        "Digest username=\"a@b\", uri=\"/other\"", "Digest username=\"a@b\", uri=\"http://elsewhere/\"",
        "Digest username=\"a@b\", uri=\"/\", userhash=true",
        "Digest username=\"a@b\", uri=\"/\", nonce=\"\", auts=\"AAAA\"",
        "\x01\x02", "",
    };
    kit k;
    kit_ue u;
    kit_reply r;
    char buf[9000];

    begin(&k, &u, NULL);
    int64_t before = counted("malformed");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kit_get(&k, bad[i], &r);
        if (r.status != 400)
            fprintf(stderr, "[%s] -> %u\n", bad[i], r.status);
        CU_ASSERT_EQUAL(r.status, 400);
        CU_ASSERT_EQUAL(r.body_n, 0);
        CU_ASSERT_STRING_EQUAL(r.www, "");
    }
    CU_ASSERT_EQUAL(counted("malformed") - before, (int64_t)(sizeof bad / sizeof bad[0]));
    kit_ask none = {0}, two = {.authorization = buf, .n_authorization = 2};
    kit_send(&k, &none, &r);
    CU_ASSERT_EQUAL(r.status, 400);
    kit_initial(KIT_IMPI, buf, sizeof buf);
    kit_send(&k, &two, &r);
    CU_ASSERT_EQUAL(r.status, 400);

    char name[8000]; /* longer than an IMPI, and longer than a header field */
    for (size_t n = 256; n < sizeof name; n += 7000) {
        memset(name, 'a', n);
        memcpy(name + n - 2, "@b", 3);
        kit_initial(name, buf, sizeof buf);
        kit_get(&k, buf, &r);
        CU_ASSERT_EQUAL(r.status, 400);
    }
    CU_ASSERT_EQUAL(sessions_stored(&k), 0);
    finish(&k, &u);
}

static void targets(void)
{
    static const struct {
        const char *method, *target;
        unsigned status;
    } t[] = {
        {"GET", "/", 401},          {"POST", "/", 405},      {"HEAD", "/", 405},
        {"OPTIONS", "*", 404},      {"GET", "/admin", 404},  {"GET", "/?x=1", 404},
        {"GET", "//", 404},         {"GET", "", 404},        {"GET", "http://bsf.home1.net/", 401},
        {"GET", "HTTP://any", 401}, {"GET", "http://", 404}, {"GET", "http://bsf.home1.net/x", 404},
        {"GET", "https://[::1]:8443/", 401},
    };
    kit k;
    kit_ue u;
    kit_reply r;
    char buf[1024];

    begin(&k, &u, NULL);
    kit_initial(KIT_IMPI, buf, sizeof buf);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        kit_ask a = {.method = t[i].method, .target = t[i].target, .authorization = buf};
        kit_send(&k, &a, &r);
        CU_ASSERT_EQUAL(r.status, t[i].status);
        CU_ASSERT_EQUAL(strcmp(r.allow, "GET") == 0, t[i].status == 405);
    }
    /* an absolute uri is the same when it names this BSF */
    kit_get(&k, "Digest username=\"" KIT_IMPI "\", uri=\"http://BSF.home1.net:8080/\", nonce=\"\", response=\"\"", &r);
    CU_ASSERT_EQUAL(r.status, 401);
    finish(&k, &u);
}

static void unknown(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    kit_options o = {.not_found = true};
    char buf[1024];
    rec_subscriber sub;

    begin(&k, &u, NULL);
    kit_initial("nobody@home1.net", buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    CU_ASSERT_STRING_EQUAL(r.www, "");
    kit_initial("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@" GBA_TMPI_DOMAIN, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    CU_ASSERT_STRING_EQUAL(r.www, "");
    kit_subscriber_get(&k, KIT_IMPI, &sub);
    sub.blocked = true;
    challenged(&k, &u);
    kit_subscriber_put(&k, KIT_IMPI, &sub);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 403); /* blocked between challenge and answer */
    kit_initial(KIT_IMPI, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    finish(&k, &u);

    begin(&k, &u, &o);
    kit_initial("nobody@home1.net", buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 404);
    finish(&k, &u);
}

/* ---- the answer ---- */

/* The manipulations of tests/vectors/ub_digest_checks.json against live challenges: none is a 200. */
static void manipulated(bool in_opaque)
{
    kit k;
    kit_ue u;
    kit_reply r;
    kit_options o = {.in_opaque = in_opaque};
    char hex[65], b64[65];
    gba_secret as_hex, as_b64, none = {0};

    begin(&k, &u, &o);
    kit_subscriber(&k, "user2_private@home1.net", KIT_K, KIT_OPC, "0000", 0);
    challenged(&k, &u);
    gba_hex_encode(u.card.res.o, u.card.res.n, hex);
    gba_b64_encode(u.card.res.o, u.card.res.n, b64);
    CU_ASSERT_EQUAL(gba_secret_set(&as_hex, hex, strlen(hex)), GBA_OK);
    CU_ASSERT_EQUAL(gba_secret_set(&as_b64, b64, strlen(b64)), GBA_OK);
    const struct {
        const char *what;
        kit_lie lie;
        unsigned status;
    } lies[] = {
        {"username", {.username = "user2_private@home1.net"}, 401},
        {"unknown username", {.username = "user3_private@home1.net"}, 401}, /* forged: then unknown */
        {"realm", {.realm = "bsf.elsewhere.net"}, 400},
        {"nonce never issued", {.nonce = "zoPbxUrAJ0oVfBf4DQF71vvZigs8hgAAjcx4V/D9YVA="}, 401},
        {"opaque", {.opaque = "cf8117103f31d8ed0d469dddb908486f"}, 401},
        {"uri", {.uri = "/other"}, 400},
        {"method", {.method = "POST"}, 401},
        {"body", {.body = "x"}, 401},
        {"qop auth", {.qop = GBA_QOP_AUTH}, 400},
        {"MD5", {.algorithm = GBA_DIGEST_MD5}, 400},
        {"SHA-256", {.algorithm = GBA_DIGEST_SHA256}, 400},
        {"AKAv2-MD5", {.algorithm = GBA_DIGEST_AKAV2_MD5}, 400},
        {"empty password", {.password = &none}, 401},
        {"RES as hex", {.password = &as_hex}, 401},
        {"RES as base64", {.password = &as_b64}, 401},
        {"auts under RES", {.auts = "AAAAAAAAAAAAAAAAAAA=", .password = &u.card.res}, 401},
        {"auts with a wrong MAC-S", {.auts = "AAAAAAAAAAAAAAAAAAA="}, 401},
        {"auts of 13 octets", {.auts = "AAAAAAAAAAAAAAAAAA=="}, 400},
        {"auts not base64", {.auts = "!"}, 400},
        {"auts empty", {.auts = ""}, 400},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char buf[4096];
        kit_ask a = {.authorization = buf, .source = (uint8_t)i};
        kit_ue_answer(&u, &lies[i].lie, buf, sizeof buf);
        kit_send(&k, &a, &r);
        unsigned want = i == 1 ? 403 : lies[i].status;
        if (r.status != want)
            fprintf(stderr, "%s -> %u\n", lies[i].what, r.status);
        CU_ASSERT_EQUAL(r.status, want);
        CU_ASSERT_EQUAL(r.www[0] != '\0', want == 401); /* a fresh challenge, or none */
        CU_ASSERT_EQUAL(r.body_n, 0);
    }
    CU_ASSERT_EQUAL(sessions_stored(&k), 0);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 200); /* it lived on for its owner */
    finish(&k, &u);
}

static void manipulated_nonce(void)
{
    manipulated(false);
}

static void manipulated_opaque(void)
{
    manipulated(true);
}

/* The same at the level of the header's text. */
static void rewritten(void)
{
    static const struct {
        const char *from, *to;
        unsigned status;
    } edit[] = {
        {"nc=00000001", "nc=00000002", 401},    {"nc=00000001", "nc=1", 400},          {"nc=00000001", "nc=0000000g", 400},
        {"nc=00000001", "nc=00000000", 400},    {", nc=00000001", "", 400},            {", cnonce=\"008f1eb6809e6d0d\"", "", 400},
        {"cnonce=\"008f", "cnonce=\"108f", 401}, {"qop=auth-int, ", "", 400},           {"qop=auth-int", "qop=auth-conf", 400},
        {"algorithm=AKAv1-MD5", "x=y", 400},    {"response=\"", "response=\"0", 401},   {"response=\"", "response=\"\", r=\"", 400},
        {"opaque=\"", "o=\"", 401},              {"nonce=\"", "nonce=\"A", 401},
    };
    kit k;
    kit_ue u;
    kit_reply r;
    char good[2048], bad[2100];

    begin(&k, &u, NULL);
    challenged(&k, &u);
    kit_ue_answer(&u, NULL, good, sizeof good);
    for (size_t i = 0; i < sizeof edit / sizeof edit[0]; i++) {
        const char *at = strstr(good, edit[i].from);
        kit_ask a = {.authorization = bad, .source = (uint8_t)i};
        if (strcmp(edit[i].from, "nonce=\"") == 0)
            at = strstr(good, ", nonce=\"") + 2;
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - good), good, edit[i].to, at + strlen(edit[i].from));
        kit_send(&k, &a, &r);
        if (r.status != edit[i].status)
            fprintf(stderr, "%s -> %s: %u\n", edit[i].from, edit[i].to, r.status);
        CU_ASSERT_EQUAL(r.status, edit[i].status);
    }
    CU_ASSERT_EQUAL(sessions_stored(&k), 0);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 200);
    finish(&k, &u);
}

static void counts(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    kit_lie lie = {.nc = 2};

    begin(&k, &u, NULL);
    challenged(&k, &u);
    CU_ASSERT_EQUAL(told(&k, &u, &lie, &r), 200); /* deployed UEs count on over both requests */
    CU_ASSERT_PTR_NOT_NULL(strstr(r.info, "nc=00000002"));
    finish(&k, &u);
}

static void swapped(void)
{
    kit k;
    kit_ue u, two;
    kit_reply r;
    uint8_t a[300], b[300];
    size_t an = sizeof a, bn = sizeof b;
    char nonce[420], opaque[64];

    begin(&k, &u, NULL);
    kit_ue_new(&two, KIT_IMPI, KIT_K, KIT_OPC, 0);
    challenged(&k, &u);
    challenged(&k, &two);
    CU_ASSERT_EQUAL(gba_b64_decode(u.ch.nonce, a, &an), GBA_OK);
    CU_ASSERT_EQUAL(gba_b64_decode(two.ch.nonce, b, &bn), GBA_OK);
    snprintf(opaque, sizeof opaque, "%.*s", (int)two.ch.opaque.n, (const char *)two.ch.opaque.p);
    for (int part = 0; part < 3; part++) { /* RAND, AUTN, server data of another challenge of ours */
        uint8_t mixed[300];
        size_t from = (size_t)part * 16, n = part == 2 ? an - 32 : 16;
        memcpy(mixed, a, an);
        memcpy(mixed + from, b + from, n);
        gba_b64_encode(mixed, an, nonce);
        kit_lie lie = {.nonce = nonce, .opaque = part == 2 ? opaque : NULL};
        CU_ASSERT_EQUAL(told(&k, &u, &lie, &r), 401);
    }
    CU_ASSERT_EQUAL(sessions_stored(&k), 0);
    kit_ue_free(&two);
    finish(&k, &u);
}

static void in_time(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    int64_t start = kit_now_ms;

    begin(&k, &u, NULL);
    challenged(&k, &u);
    kit_now_ms += KIT_NONCE_S * 1000 + 1;
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 401);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK); /* and that one serves */
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 200);

    challenged(&k, &u); /* its key is rotated out */
    kit_now_ms += 1000 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 401);
    finish(&k, &u);
    kit_now_ms = start;
}

static void replayed(void)
{
    kit k;
    kit_ue u;
    kit_reply first, r;
    char answer[2048];
    gba_btid btid;
    gba_impi impi;
    int64_t start = kit_now_ms;

    begin(&k, &u, NULL);
    kit_bootstrap(&k, &u, NULL, &first, answer, sizeof answer);
    CU_ASSERT_EQUAL_FATAL(first.status, 200);
    CU_ASSERT_EQUAL(gba_btid_make(u.nonce.rand, &k.domain, &btid), GBA_OK);
    kit_now_ms += 20000;
    kit_get(&k, answer, &r); /* an exact retransmission: the same 200 */
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_STRING_EQUAL(r.body, first.body);
    CU_ASSERT_STRING_EQUAL(r.info, first.info);
    CU_ASSERT_STRING_EQUAL(r.expires, first.expires);
    CU_ASSERT_EQUAL(sessions_stored(&k), 1);

    CU_ASSERT_EQUAL(session_revoke(k.store, &btid, KIT_NONCE_S + 6, kit_now_ms, &impi), GBA_OK);
    kit_get(&k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 401);

    kit_bootstrap(&k, &u, NULL, &r, answer, sizeof answer);
    CU_ASSERT_EQUAL_FATAL(r.status, 200);
    CU_ASSERT_EQUAL(gba_btid_make(u.nonce.rand, &k.domain, &btid), GBA_OK);
    char newer[2048];
    kit_bootstrap(&k, &u, NULL, &r, newer, sizeof newer);
    CU_ASSERT_EQUAL(r.status, 200);
    kit_get(&k, answer, &r); /* after a newer bootstrap */
    CU_ASSERT_EQUAL(r.status, 401);
    store_record rec = {0};
    rec_session s;
    CU_ASSERT_EQUAL_FATAL(store_get(k.store, STORE_SESSION, gba_str(btid.s), kit_now_ms / 1000, &rec), GBA_OK);
    CU_ASSERT_EQUAL(rec_session_read(gba_mem(rec.value, rec.n), &s), GBA_OK);
    CU_ASSERT_TRUE(s.tombstone);
    store_record_free(&rec);
    kit_get(&k, newer, &r);
    CU_ASSERT_EQUAL(r.status, 200);
    finish(&k, &u);
    kit_now_ms = start;
}

/* As the first time, octet for octet. */
static void same_again(kit *k, const char *answer, const kit_reply *first)
{
    kit_reply r;

    kit_get(k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_STRING_EQUAL(r.body, first->body);
    CU_ASSERT_STRING_EQUAL(r.info, first->info);
    CU_ASSERT_STRING_EQUAL(r.expires, first->expires);
    CU_ASSERT_STRING_EQUAL(r.type, first->type);
}

/* Exact retransmissions live as long as the session, not as long as the seal's key. */
static void retransmitted_late(const kit_options *o)
{
    kit k;
    kit_ue u;
    kit_reply first, newer, r;
    char answer[2048], other[2048], tmpi[2048];
    int64_t start = kit_now_ms, retransmissions;
    gba_btid btid;
    gba_impi impi;

    begin(&k, &u, o);
    kit_bootstrap(&k, &u, NULL, &first, answer, sizeof answer);
    CU_ASSERT_EQUAL_FATAL(first.status, 200);
    kit_ue_answer(&u, &(kit_lie){.cnonce = "another"}, other, sizeof other);
    retransmissions = counted("retransmission");
    kit_now_ms += KIT_NONCE_S * 1000 + 1000; /* out of time */
    same_again(&k, answer, &first);
    kit_now_ms += 1000 * 1000; /* its key is gone */
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    same_again(&k, answer, &first);
    CU_ASSERT_EQUAL(counted("retransmission"), retransmissions + 2);
    kit_get(&k, other, &r); /* right, but not the accepted one */
    CU_ASSERT_EQUAL(r.status, 401);
    kit_ask body = {.authorization = answer, .body = "x", .source = 1};
    kit_send(&k, &body, &r);
    CU_ASSERT_EQUAL(r.status, 401);
    CU_ASSERT_EQUAL(sessions_stored(&k), 1);

    /* A newer bootstrap ends it; that one's answer holds, also under the TMPI it replaced. */
    kit_bootstrap(&k, &u, "UE 3gpp-gba-tmpi", &newer, tmpi, sizeof tmpi);
    CU_ASSERT_EQUAL_FATAL(newer.status, 200);
    kit_get(&k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 401);
    CU_ASSERT_EQUAL(gba_btid_make(u.nonce.rand, &k.domain, &btid), GBA_OK);
    kit_now_ms += 1000 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    same_again(&k, tmpi, &newer);
    kit_get(&k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 401);

    CU_ASSERT_EQUAL(session_revoke(k.store, &btid, KIT_NONCE_S + 6, kit_now_ms, &impi), GBA_OK);
    kit_get(&k, tmpi, &r);
    CU_ASSERT_EQUAL(r.status, 401);
    finish(&k, &u);
    kit_now_ms = start;
}

static void retransmitted_nonce(void)
{
    retransmitted_late(NULL);
}

static void retransmitted_opaque(void)
{
    retransmitted_late(&(kit_options){.in_opaque = true});
}

/* The session's own end is the end of it. */
static void retransmitted_too_late(void)
{
    kit k;
    kit_ue u;
    kit_reply first, r;
    char answer[2048];
    int64_t start = kit_now_ms;

    begin(&k, &u, NULL);
    kit_bootstrap(&k, &u, NULL, &first, answer, sizeof answer);
    CU_ASSERT_EQUAL_FATAL(first.status, 200);
    kit_now_ms += INT64_C(400) * 86400 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    kit_get(&k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 401);
    finish(&k, &u);
    kit_now_ms = start;
}

/* Who was blocked or removed meanwhile gets no 200 any more, whether the challenge can still be opened or not. */
static void retransmitted_blocked(void)
{
    kit k;
    kit_ue u;
    kit_reply first, r;
    rec_subscriber sub;
    char answer[2048];
    int64_t start = kit_now_ms;
    store_op take = {.type = STORE_TAKE, .kind = STORE_SUBSCRIBER, .key = gba_str(KIT_IMPI)};

    begin(&k, &u, NULL);
    kit_bootstrap(&k, &u, NULL, &first, answer, sizeof answer);
    CU_ASSERT_EQUAL_FATAL(first.status, 200);
    kit_subscriber_get(&k, KIT_IMPI, &sub);
    sub.blocked = true;
    kit_subscriber_put(&k, KIT_IMPI, &sub);
    kit_get(&k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    kit_now_ms += 1000 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    kit_get(&k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    CU_ASSERT_STRING_EQUAL(r.body, "");
    CU_ASSERT_STRING_EQUAL(r.info, "");
    sub.blocked = false; /* the session lived on, as gba-bsfctl says of block */
    kit_subscriber_put(&k, KIT_IMPI, &sub);
    same_again(&k, answer, &first);
    CU_ASSERT_EQUAL(store_write(k.store, &take, 1, kit_now_ms / 1000, NULL), GBA_OK);
    kit_get(&k, answer, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    rec_subscriber_wipe(&sub);
    finish(&k, &u);
    kit_now_ms = start;
}

static void late_answer(void)
{
    kit k;
    kit_ue u, late;
    kit_reply r;

    begin(&k, &u, NULL);
    kit_ue_new(&late, KIT_IMPI, KIT_K, KIT_OPC, 0);
    challenged(&k, &late);
    kit_now_ms += 10;
    kit_bootstrap(&k, &u, NULL, &r, NULL, 0);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_EQUAL(told(&k, &late, NULL, &r), 401); /* an older challenge never inserts */
    CU_ASSERT_EQUAL(sessions_stored(&k), 1);
    kit_ue_free(&late);
    finish(&k, &u);
}

/* ---- limits ---- */

static void wrong_answers(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    gba_secret none = {0};
    kit_lie lie = {.password = &none};
    char bad[2048], good[2048];

    begin(&k, &u, NULL);
    challenged(&k, &u);
    kit_ue_answer(&u, &lie, bad, sizeof bad);
    kit_ue_answer(&u, NULL, good, sizeof good);
    kit_ask stranger = {.authorization = bad, .source = 66}, owner = {.authorization = good, .source = 1};
    for (int i = 0; i < 3; i++) {
        kit_send(&k, &stranger, &r);
        CU_ASSERT_EQUAL(r.status, 401);
    }
    kit_send(&k, &stranger, &r);
    CU_ASSERT_EQUAL(r.status, 429);
    CU_ASSERT_STRING_EQUAL(r.retry, "60");
    kit_send(&k, &owner, &r); /* whoever has the right one, from wherever: tests/test_bsf_answers.c */
    CU_ASSERT_EQUAL(r.status, 200);
    finish(&k, &u);
}

static void by_source(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    kit_options o = {.source_rate = 1};
    char buf[1024];
    kit_ask a = {.authorization = buf, .source = 9};

    begin(&k, &u, &o);
    kit_initial(KIT_IMPI, buf, sizeof buf);
    for (int i = 0; i < 5; i++) {
        kit_send(&k, &a, &r);
        CU_ASSERT_EQUAL(r.status, 401);
    }
    kit_send(&k, &a, &r);
    CU_ASSERT_EQUAL(r.status, 429);
    CU_ASSERT_TRUE(atoi(r.retry) >= 1);
    a.exempt = true; /* carrier NAT */
    kit_send(&k, &a, &r);
    CU_ASSERT_EQUAL(r.status, 401);
    a.exempt = false;
    a.source = 10;
    kit_send(&k, &a, &r);
    CU_ASSERT_EQUAL(r.status, 401);
    finish(&k, &u);
}

static void by_impi(void)
{
    kit k;
    kit_ue u;
    kit_reply r, last = {0};
    kit_options o = {.impi_challenges = 3};
    char buf[1024];

    begin(&k, &u, &o);
    kit_initial(KIT_IMPI, buf, sizeof buf);
    for (int i = 0; i < 3; i++) {
        kit_get(&k, buf, &r);
        CU_ASSERT_STRING_NOT_EQUAL(r.www, last.www);
        last = r;
    }
    for (int i = 0; i < 20; i++) { /* over the limit: its last live one, no new SQN */
        kit_get(&k, buf, &r);
        CU_ASSERT_EQUAL(r.status, 401);
        CU_ASSERT_STRING_EQUAL(r.www, last.www);
    }
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK); /* and the subscriber gets in by it */
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 200);
    kit_get(&k, buf, &r); /* it was answered: a new one */
    CU_ASSERT_STRING_NOT_EQUAL(r.www, last.www);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 200);
    finish(&k, &u);
}

/* ---- AUTS ---- */

static int64_t offset_of(kit *k)
{
    rec_subscriber sub;
    kit_subscriber_get(k, KIT_IMPI, &sub);
    int64_t o = sub.seq_offset;
    rec_subscriber_wipe(&sub);
    return o;
}

static void auts(void)
{
    kit k;
    kit_ue u;
    kit_reply r, fresh;
    kit_options o = {.impi_challenges = 1};
    char buf[2048], text[32], wrapped[40];
    int64_t before, after;

    begin(&k, &u, &o);
    gba_sqn_accept(&gba_sqn_default, &u.array, gba_sqn_make(&gba_sqn_default, 3000000, 0));
    kit_initial(KIT_IMPI, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_E_SYNC);
    gba_b64_encode(u.card.auts, 14, text);
    before = offset_of(&k);

    char broken[32]; /* MAC-S wrong: nothing changes */
    snprintf(broken, sizeof broken, "%s", text);
    broken[0] = broken[0] == 'A' ? 'B' : 'A';
    kit_lie lie = {.auts = broken};
    CU_ASSERT_EQUAL(told(&k, &u, &lie, &r), 401);
    CU_ASSERT_EQUAL(offset_of(&k), before);

    snprintf(wrapped, sizeof wrapped, "%.10s %s", text, text + 10); /* base64 with a fold in it */
    lie.auts = wrapped;
    CU_ASSERT_EQUAL(told(&k, &u, &lie, &fresh), 401); /* valid: exempt from the limit of one */
    after = offset_of(&k);
    CU_ASSERT_NOT_EQUAL(after, before);

    lie.auts = text;
    for (int i = 0; i < 5; i++) { /* replayed: no resynchronisation, the challenge it led to again */
        CU_ASSERT_EQUAL(told(&k, &u, &lie, &r), 401);
        char *stale = strstr(r.www, ", stale=true");
        CU_ASSERT_PTR_NOT_NULL_FATAL(stale);
        memmove(stale, stale + 12, strlen(stale + 12) + 1);
        CU_ASSERT_STRING_EQUAL(r.www, fresh.www);
        CU_ASSERT_EQUAL(offset_of(&k), after);
    }
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &fresh), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 200);
    finish(&k, &u);
}

/* ---- RES, vectors of another source, faults ---- */

static void short_res(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    kit_options o = {.min_res_bits = 128};
    char buf[1024];

    begin(&k, &u, &o);
    kit_initial(KIT_IMPI, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    CU_ASSERT_STRING_EQUAL(r.www, "");
    CU_ASSERT_EQUAL(counted("res_short"), 1);
    finish(&k, &u);
}

/* A source that cannot compute again (an HSS over Zh): XRES and Ks travel sealed. */
static struct {
    av_ops ops;
    const av_ops *real;
    gba_err err;
} remote;

static void remote_done(void *ctx, gba_err e, const av_result *r)
{
    void **p = ctx;
    av_result changed;
    if (!r) {
        ((av_done *)p[0])(p[1], e, NULL);
        return;
    }
    changed = *r;
    changed.recomputable = false;
    changed.lifetime = 7200;
    ((av_done *)p[0])(p[1], e, &changed);
    gba_vector_wipe(&changed.vector);
}

static void remote_fetch(av_source *s, const gba_impi *impi, const av_resync *rs, av_done *done, void *ctx)
{
    void *p[2] = {(void *)done, ctx};
    if (remote.err != GBA_OK)
        done(ctx, remote.err, NULL);
    else
        remote.real->fetch(s, impi, rs, remote_done, p);
}

static void remote_source(bool in_opaque)
{
    static const gba_err down[] = {GBA_E_IO, GBA_E_BUSY, GBA_E_CORRUPT};
    kit k;
    kit_ue u;
    kit_reply r;
    kit_options o = {.in_opaque = in_opaque};
    char buf[1024];
    gba_secret none = {0};
    kit_lie lie = {.password = &none};

    begin(&k, &u, &o);
    remote.real = k.av->ops;
    remote.ops = *k.av->ops;
    remote.ops.fetch = remote_fetch;
    remote.ops.recompute = NULL;
    remote.err = GBA_OK;
    k.av->ops = &remote.ops;
    challenged(&k, &u);
    CU_ASSERT_EQUAL(told(&k, &u, &lie, &r), 401);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, &r), 200);
    CU_ASSERT_STRING_EQUAL(r.expires, "Wed, 25 Nov 2026 12:00:00 GMT"); /* the source's lifetime */
    for (size_t i = 0; i < sizeof down / sizeof down[0]; i++) {
        remote.err = down[i];
        kit_initial(KIT_IMPI, buf, sizeof buf);
        kit_get(&k, buf, &r);
        CU_ASSERT_EQUAL(r.status, 503);
        CU_ASSERT_STRING_EQUAL(r.retry, "1");
    }
    k.av->ops = remote.real;
    finish(&k, &u);
}

static void remote_nonce(void)
{
    remote_source(false);
}

static void remote_opaque(void)
{
    remote_source(true);
}

/* A flood of every kind leaves nothing in the store. */
static void nothing_left(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    char buf[1024], impi[64];
    uint64_t n;

    begin(&k, &u, NULL);
    for (int i = 0; i < 500; i++) {
        snprintf(impi, sizeof impi, "flood%d@home1.net", i);
        kit_initial(i % 2 ? impi : KIT_IMPI, buf, sizeof buf);
        kit_get(&k, buf, &r);
    }
    for (int kind = STORE_SESSION; kind <= STORE_TMPI; kind++) {
        CU_ASSERT_EQUAL(store_count(k.store, (store_kind)kind, &n), GBA_OK);
        CU_ASSERT_EQUAL(n, 0);
    }
    finish(&k, &u);
}

T_MAIN("bsf_ub", {"malformed", malformed}, {"methods and targets", targets}, {"unknown and blocked", unknown},
       {"manipulated, data in the nonce", manipulated_nonce}, {"manipulated, data in opaque", manipulated_opaque},
       {"rewritten header", rewritten}, {"nonce counts", counts}, {"parts of two challenges", swapped},
       {"out of time", in_time}, {"replayed", replayed}, {"retransmitted late, data in the nonce", retransmitted_nonce},
       {"retransmitted late, data in opaque", retransmitted_opaque}, {"retransmitted too late", retransmitted_too_late},
       {"retransmitted by one blocked since", retransmitted_blocked},
       {"an older challenge", late_answer},
       {"more than three wrong answers", wrong_answers}, {"limit by source", by_source}, {"limit by IMPI", by_impi},
       {"AUTS", auts}, {"short RES", short_res}, {"vectors that cannot be computed again, nonce", remote_nonce},
       {"vectors that cannot be computed again, opaque", remote_opaque}, {"nothing is left", nothing_left})
