/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_bsf_answers.c - who is served on Ub whatever strangers do, and what is told to an answer whose challenge is not
 * good any more.
 */
#include "bsf/ub.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service/metrics.h"
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

#define NAT 7 /* one address that strangers and subscribers share */

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

static bool is_stale(const kit_reply *r)
{
    return strstr(r->www, "stale=true") != NULL;
}

/* Without its "stale=true": the challenge itself. */
static const char *challenge_of(kit_reply *r)
{
    char *at = strstr(r->www, ", stale=true");
    if (at)
        memmove(at, at + 12, strlen(at + 12) + 1);
    return r->www;
}

static void send_from(kit *k, uint8_t source, const char *authorization, kit_reply *r)
{
    kit_ask a = {.authorization = authorization, .source = source};
    kit_send(k, &a, r);
}

static void ask(kit *k, uint8_t source, kit_reply *r)
{
    char buf[1024];
    kit_initial(KIT_IMPI, buf, sizeof buf);
    send_from(k, source, buf, r);
    CU_ASSERT_EQUAL_FATAL(r->status, 401);
}

static void challenged(kit *k, kit_ue *u)
{
    kit_reply r;
    ask(k, 1, &r);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(u, &r), GBA_OK);
}

static unsigned told(kit *k, const kit_ue *u, const kit_lie *lie, uint8_t source, kit_reply *r)
{
    char buf[4096];
    kit_ue_answer(u, lie, buf, sizeof buf);
    send_from(k, source, buf, r);
    return r->status;
}

static const gba_secret no_res;
static const kit_lie wrong_res = {.password = &no_res};

/* ---- a stranger behind the subscriber's address (A4) ---- */

/* GETs with the subscriber's IMPI until its challenge repeats, then wrong answers to that one. */
static void occupy(kit *k, kit_ue *u, const kit_lie *lie, gba_err card)
{
    kit_reply r, last = {0};
    for (int i = 0; i < 10; i++) {
        last = r;
        ask(k, NAT, &r);
    }
    CU_ASSERT_STRING_EQUAL(r.www, last.www);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(u, &r), card);
    for (int i = 0; i < 8; i++) /* three are told so, further ones cost */
        CU_ASSERT_EQUAL(told(k, u, lie, NAT, &r), i < 3 ? 401 : 429);
    CU_ASSERT_STRING_EQUAL(r.retry, "60");
    for (int i = 0; i < 3; i++) { /* challenges go on */
        ask(k, NAT, &r);
        CU_ASSERT_STRING_EQUAL(r.www, last.www);
    }
}

static void shared_res(void)
{
    kit k;
    kit_ue u;
    kit_reply r, first;

    begin(&k, &u, &(kit_options){.impi_challenges = 3});
    occupy(&k, &u, &wrong_res, GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, NAT, &first), 200);
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, NAT, &r), 429);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, NAT, &r), 200); /* once more, the same */
    CU_ASSERT_STRING_EQUAL(r.body, first.body);
    ask(&k, NAT, &r); /* over the rate, no live one left: a new one */
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, NAT, &r), 200);
    finish(&k, &u);
}

static void shared_auts(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    char auts[32], broken[32];
    kit_lie lie = {.auts = auts}, bad = {.auts = broken};

    begin(&k, &u, &(kit_options){.impi_challenges = 3});
    gba_sqn_accept(&gba_sqn_default, &u.array, gba_sqn_make(&gba_sqn_default, 3000000, 0));
    snprintf(broken, sizeof broken, "AAAAAAAAAAAAAAAAAAA=");
    occupy(&k, &u, &bad, GBA_E_SYNC);
    gba_b64_encode(u.card.auts, 14, auts);
    CU_ASSERT_EQUAL(told(&k, &u, &lie, NAT, &r), 401);
    CU_ASSERT_FALSE(is_stale(&r));
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, NAT, &r), 200);
    finish(&k, &u);
}

/* A thousand wrong answers, whoever sends them: as if superseded. */
static void thousand(void)
{
    kit k;
    kit_ue u;
    kit_reply r, live;

    begin(&k, &u, &(kit_options){.impi_challenges = 1});
    ask(&k, NAT, &live);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &live), GBA_OK);
    for (int i = 0; i < 999; i++)
        (void)told(&k, &u, &wrong_res, (uint8_t)(i % 100), &r);
    ask(&k, NAT, &r);
    CU_ASSERT_STRING_EQUAL(r.www, live.www);
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, 200, &r), 401);
    CU_ASSERT_FALSE(is_stale(&r));
    CU_ASSERT_STRING_NOT_EQUAL(r.www, live.www); /* no live one is left */
    live = r;
    CU_ASSERT_EQUAL(told(&k, &u, NULL, 1, &r), 401); /* unjudged */
    CU_ASSERT_TRUE(is_stale(&r));
    CU_ASSERT_STRING_EQUAL(challenge_of(&r), live.www);
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, NAT, &r), 401);
    CU_ASSERT_TRUE(is_stale(&r));
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, NAT, &r), 200);
    finish(&k, &u);
}

/* ---- what is told to an answer (C1) ---- */

static void live_or_used(void)
{
    kit k;
    kit_ue u;
    kit_reply first, r;
    gba_btid btid;
    gba_impi impi;

    begin(&k, &u, NULL);
    challenged(&k, &u);
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, 2, &r), 401); /* live, wrong */
    CU_ASSERT_FALSE(is_stale(&r));
    CU_ASSERT_EQUAL_FATAL(told(&k, &u, NULL, 1, &first), 200);
    kit_lie other = {.cnonce = "another"};
    CU_ASSERT_EQUAL(told(&k, &u, &other, 1, &r), 200); /* used, right: its session lives */
    CU_ASSERT_STRING_EQUAL(r.body, first.body);
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, 2, &r), 401); /* used, wrong */
    CU_ASSERT_FALSE(is_stale(&r));
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, 2, &r), 401);
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, 2, &r), 429); /* and counted */

    CU_ASSERT_EQUAL(gba_btid_make(u.nonce.rand, &k.domain, &btid), GBA_OK);
    CU_ASSERT_EQUAL(session_revoke(k.store, &btid, KIT_NONCE_S + 6, kit_now_ms, &impi), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, 1, &r), 401); /* used, right, revoked: not the UICC's fault */
    CU_ASSERT_TRUE(is_stale(&r));
    CU_ASSERT_EQUAL(told(&k, &u, &wrong_res, 1, &r), 401);
    CU_ASSERT_FALSE(is_stale(&r));
    finish(&k, &u);
}

static void superseded(void)
{
    kit k;
    kit_ue u, late;
    kit_reply r;
    int64_t replay = counted("replay"), wrong = counted("wrong_res");

    begin(&k, &u, NULL);
    kit_ue_new(&late, KIT_IMPI, KIT_K, KIT_OPC, 0);
    challenged(&k, &late);
    kit_now_ms += 10;
    challenged(&k, &u);
    CU_ASSERT_EQUAL_FATAL(told(&k, &u, NULL, 1, &r), 200);
    for (int i = 0; i < 10; i++) { /* unjudged and uncounted */
        CU_ASSERT_EQUAL(told(&k, &late, &wrong_res, 1, &r), 401);
        CU_ASSERT_TRUE(is_stale(&r));
    }
    CU_ASSERT_EQUAL(told(&k, &late, NULL, 1, &r), 401);
    CU_ASSERT_TRUE(is_stale(&r));
    CU_ASSERT_EQUAL(counted("replay") - replay, 11);
    CU_ASSERT_EQUAL(counted("wrong_res"), wrong);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&late, &r), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &late, NULL, 1, &r), 200);
    kit_ue_free(&late);
    finish(&k, &u);
}

/* Over the IMPI's rate its live one, with stale=true. */
static void out_of_date(bool in_opaque)
{
    kit k;
    kit_ue u;
    kit_reply r, live;
    int64_t start = kit_now_ms;
    kit_options o = {.in_opaque = in_opaque, .impi_challenges = 1};

    begin(&k, &u, &o);
    challenged(&k, &u);
    kit_now_ms += KIT_NONCE_S * 1000 + 1; /* out of time */
    ask(&k, 2, &live);
    for (int i = 0; i < 6; i++) { /* right or wrong */
        CU_ASSERT_EQUAL(told(&k, &u, i % 2 ? NULL : &wrong_res, 1, &r), 401);
        CU_ASSERT_TRUE(is_stale(&r));
        CU_ASSERT_STRING_EQUAL(challenge_of(&r), live.www);
    }
    kit_lie auts = {.auts = "AAAAAAAAAAAAAAAAAAA="};
    CU_ASSERT_EQUAL(told(&k, &u, &auts, 1, &r), 401);
    CU_ASSERT_TRUE(is_stale(&r));
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, 1, &r), 200);

    challenged(&k, &u);
    CU_ASSERT_EQUAL(challenge_ring_revoke(k.ring, kit_now_ms), GBA_OK); /* its key is gone */
    CU_ASSERT_EQUAL(told(&k, &u, NULL, 1, &r), 401);
    CU_ASSERT_TRUE(is_stale(&r));
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    kit_lie forged = {.opaque = "cf8117103f31d8ed0d469dddb908486f"};
    CU_ASSERT_EQUAL(told(&k, &u, &forged, 1, &r), 401); /* never was one */
    CU_ASSERT_FALSE(is_stale(&r));
    CU_ASSERT_EQUAL(told(&k, &u, NULL, 1, &r), 200);
    finish(&k, &u);
    kit_now_ms = start;
}

static void out_of_date_nonce(void)
{
    out_of_date(false);
}

static void out_of_date_opaque(void)
{
    out_of_date(true);
}

/* C3: the head is from before the clock stepped back; an AUTS of today is none the worse. */
static void auts_clock_back(void)
{
    kit k;
    kit_ue u;
    kit_reply r;
    char auts[32];
    kit_lie lie = {.auts = auts};
    int64_t start = kit_now_ms;

    begin(&k, &u, NULL);
    kit_bootstrap(&k, &u, NULL, &r, NULL, 0);
    CU_ASSERT_EQUAL_FATAL(r.status, 200);
    kit_now_ms -= 3600 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_revoke(k.ring, kit_now_ms), GBA_OK);
    gba_sqn_accept(&gba_sqn_default, &u.array, gba_sqn_make(&gba_sqn_default, INT64_C(1) << 40, 0));
    ask(&k, 1, &r);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_E_SYNC);
    gba_b64_encode(u.card.auts, 14, auts);
    CU_ASSERT_EQUAL(told(&k, &u, &lie, 1, &r), 401);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    CU_ASSERT_EQUAL(told(&k, &u, NULL, 1, &r), 200);
    finish(&k, &u);
    kit_now_ms = start;
}

/* ---- no algorithm in the answer (D1) ---- */

static void algorithm(bool optional)
{
    static const char given[] = ", algorithm=AKAv1-MD5";
    kit k;
    kit_ue u;
    kit_reply r;
    char good[2048], bad[2048];

    begin(&k, &u, &(kit_options){.algorithm_optional = optional});
    challenged(&k, &u);
    kit_ue_answer(&u, NULL, good, sizeof good);
    for (int other = 0; other < 2; other++) { /* plain MD5 and AKAv2 stay refused */
        kit_lie lie = {.algorithm = other ? GBA_DIGEST_AKAV2_MD5 : GBA_DIGEST_MD5};
        CU_ASSERT_EQUAL(told(&k, &u, &lie, 1, &r), 400);
    }
    kit_ue_answer(&u, &wrong_res, bad, sizeof bad);
    for (int i = 0; i < 2; i++) {
        char *text = i ? good : bad, *at = strstr(text, given);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        memmove(at, at + sizeof given - 1, strlen(at + sizeof given - 1) + 1);
        send_from(&k, 1, text, &r);
        CU_ASSERT_EQUAL(r.status, !optional ? 400 : i ? 200 : 401);
    }
    finish(&k, &u);
}

/* D3: and the log says what is missing, and which setting would take it. */
static void algorithm_required(void)
{
    char heard[4096];

    t_hush();
    setenv("KIT_LOG", "yes", 1);
    algorithm(false);
    unsetenv("KIT_LOG");
    t_heard(heard, sizeof heard);
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "reason=algorithm\n")); /* another one */
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "reason=\"algorithm absent: see ub.algorithm_optional\""));
}

static void algorithm_optional(void)
{
    algorithm(true);
}

/* ---- a slow source of vectors (C6) ---- */

#define CROWD_N 30
static struct {
    av_ops ops;
    const av_ops *real;
    av_source *source;
    size_t n;
    struct {
        gba_impi impi;
        av_done *done;
        void *ctx;
    } held[CROWD_N];
} slow;

static void slow_fetch(av_source *s, const gba_impi *impi, const av_resync *rs, av_done *done, void *ctx)
{
    (void)s, (void)rs;
    CU_ASSERT_TRUE_FATAL(slow.n < CROWD_N);
    slow.held[slow.n].impi = *impi;
    slow.held[slow.n].done = done;
    slow.held[slow.n++].ctx = ctx;
}

/* Its answer comes: err, or a vector. */
static void slow_answer(size_t i, gba_err err)
{
    if (err == GBA_OK)
        slow.real->fetch(slow.source, &slow.held[i].impi, NULL, slow.held[i].done, slow.held[i].ctx);
    else
        slow.held[i].done(slow.held[i].ctx, err, NULL);
}

typedef struct got {
    unsigned status;
    char www[1100];
} got;

static void on_answer(void *ctx, const ub_answer *a)
{
    got *g = ctx;
    g->status = a->status;
    snprintf(g->www, sizeof g->www, "%s", a->www_authenticate ? a->www_authenticate : "");
}

static void slow_crowd(kit *k, const char *impi, got *g, size_t n)
{
    char buf[1024];
    ub_request r = {.method = "GET", .target = "/", .authorization = buf, .n_authorization = 1, .source_text = "x"};
    kit_initial(impi, buf, sizeof buf);
    memset(g, 0, n * sizeof *g);
    for (size_t i = 0; i < n; i++)
        ub_handle(k->ub, &r, on_answer, &g[i]);
}

static void slow_begin(kit *k, kit_ue *u)
{
    begin(k, u, &(kit_options){.impi_challenges = 3});
    memset(&slow, 0, sizeof slow);
    slow.real = k->av->ops;
    slow.ops = *k->av->ops;
    slow.ops.fetch = slow_fetch;
    slow.source = k->av;
    k->av->ops = &slow.ops;
}

static void slow_end(kit *k, kit_ue *u)
{
    CU_ASSERT_EQUAL(ub_pending(k->ub), 0);
    k->av->ops = slow.real;
    finish(k, u);
}

static void slow_source(void)
{
    static got g[CROWD_N], other;
    kit k;
    kit_ue u;

    slow_begin(&k, &u);
    kit_subscriber(&k, "user2_private@home1.net", KIT_K, KIT_OPC, "0000", 0);
    slow_crowd(&k, KIT_IMPI, g, CROWD_N);
    CU_ASSERT_EQUAL_FATAL(slow.n, 3); /* not thirty vectors */
    slow_crowd(&k, "user2_private@home1.net", &other, 1);
    CU_ASSERT_EQUAL_FATAL(slow.n, 4);
    slow_answer(0, GBA_OK);
    CU_ASSERT_EQUAL(other.status, 0);
    for (int i = 0; i < CROWD_N; i++) { /* who waited has the first that came */
        CU_ASSERT_EQUAL(g[i].status, i == 1 || i == 2 ? 0 : 401);
        if (i > 2)
            CU_ASSERT_STRING_EQUAL(g[i].www, g[0].www);
    }
    slow_answer(1, GBA_OK);
    slow_answer(2, GBA_E_IO);
    slow_answer(3, GBA_OK);
    CU_ASSERT_EQUAL(g[1].status, 401);
    CU_ASSERT_EQUAL(g[2].status, 503);
    CU_ASSERT_EQUAL(other.status, 401);
    CU_ASSERT_STRING_NOT_EQUAL(g[1].www, g[0].www);

    kit_now_ms += 120 * 1000; /* the source is down: who waits is told so with the last */
    slow.n = 0;
    slow_crowd(&k, KIT_IMPI, g, 5);
    CU_ASSERT_EQUAL_FATAL(slow.n, 3);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(g[4].status, 0);
        slow_answer(i, i == 2 ? GBA_E_BUSY : GBA_E_IO);
    }
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(g[i].status, 503);
    kit_now_ms -= 120 * 1000;
    slow_end(&k, &u);
}

/* D3: the reason leads to the vectors' source, not to the store. */
static void source_faults(void)
{
    static const gba_err faults[] = {GBA_E_IO, GBA_E_BUSY, GBA_E_SYNTAX, GBA_E_CORRUPT, GBA_E_RANGE};
    kit k;
    kit_ue u;
    got g;
    char heard[8192];

    slow_begin(&k, &u);
    t_hush();
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        slow.n = 0;
        slow_crowd(&k, KIT_IMPI, &g, 1);
        slow_answer(0, faults[i]);
        CU_ASSERT_EQUAL(g.status, 503);
    }
    log_setup("test", LOG_LEVEL_AUDIT, LOG_TEXT);
    t_heard(heard, sizeof heard);
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "reason=\"vector source: unreachable or silent\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "reason=\"vector source: overloaded\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "reason=\"vector source: malformed answer\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "reason=\"vector source: damaged subscriber\""));
    slow_end(&k, &u);
}

T_MAIN("bsf_answers", {"A4: right RES behind a stranger's address", shared_res},
       {"A4: valid AUTS behind a stranger's address", shared_auts}, {"A4: a thousand wrong answers", thousand},
       {"C1: answers to a live and to a used challenge", live_or_used},
       {"C1: answers to a superseded challenge", superseded},
       {"C1: out of time, key gone; data in the nonce", out_of_date_nonce},
       {"C1: out of time, key gone; data in opaque", out_of_date_opaque},
       {"D1: algorithm must be there", algorithm_required}, {"D1: algorithm may be absent", algorithm_optional},
       {"C3: AUTS after the clock stepped back", auts_clock_back}, {"C6: a slow source of vectors", slow_source},
       {"D3: faults of the source of vectors", source_faults})
