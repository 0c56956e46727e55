/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "bsf/limits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

#define T0 INT64_C(1795600800000)

static limits *make(int64_t rate, int64_t burst, int64_t challenges)
{
    limits_config c = {.source_rate = rate,
                       .source_burst = burst,
                       .impi_challenges = challenges,
                       .impi_window = 60,
                       .wrong_answers = 3,
                       .nonce_lifetime_ms = 60000,
                       .tolerance_ms = 5000};
    limits *l = NULL;
    CU_ASSERT_EQUAL_FATAL(limits_new(&c, &l), GBA_OK);
    return l;
}

static challenge_wire wire(uint32_t n)
{
    challenge_wire w = {.n = 60};
    for (int i = 0; i < 4; i++)
        w.o[i] = (uint8_t)(n >> (8 * i));
    return w;
}

/* A new challenge may be made: that ask is over again. */
static bool wants_new(limits *l, const gba_impi *impi, int64_t now_ms, challenge_wire *again)
{
    limits_ask a = {.impi = impi};
    limits_verdict v = limits_impi(l, &a, now_ms, again);

    if (v == LIMITS_NEW)
        CU_ASSERT_PTR_NULL(limits_not_issued(l, &a));
    CU_ASSERT_NOT_EQUAL(v, LIMITS_WAIT);
    return v == LIMITS_NEW;
}

static void issued(limits *l, const gba_impi *impi, const challenge_wire *w, int64_t issue_ms, int64_t now_ms)
{
    limits_ask a = {.impi = impi};
    CU_ASSERT_PTR_NULL(limits_issued(l, &a, w, issue_ms, now_ms));
}

static void sources(void)
{
    limits *l = make(10, 5, 10);
    uint8_t a[16] = {1}, b[16] = {2};
    unsigned wait = 0;

    for (int i = 0; i < 5; i++)
        CU_ASSERT_TRUE(limits_source(l, a, T0, &wait));
    CU_ASSERT_FALSE(limits_source(l, a, T0, &wait));
    CU_ASSERT_EQUAL(wait, 1);
    CU_ASSERT_TRUE(limits_source(l, b, T0, &wait));
    CU_ASSERT_FALSE(limits_source(l, a, T0 + 99, &wait));
    CU_ASSERT_TRUE(limits_source(l, a, T0 + 100, &wait)); /* a tenth of a second: one more */
    CU_ASSERT_FALSE(limits_source(l, a, T0 + 100, &wait));
    for (int i = 0; i < 5; i++) /* never more than the burst */
        CU_ASSERT_TRUE(limits_source(l, a, T0 + 3600000, &wait));
    CU_ASSERT_FALSE(limits_source(l, a, T0 + 3600000, &wait));
    /* the clock steps back: the source gets its rate on */
    CU_ASSERT_FALSE(limits_source(l, a, T0, &wait));
    CU_ASSERT_TRUE(limits_source(l, a, T0 + 200, &wait));
    limits_free(&l);

    l = make(0, 5, 10); /* no limit */
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_TRUE(limits_source(l, a, T0, &wait));
    limits_free(&l);
}

static void reloaded(void)
{
    limits *l = make(1, 1, 1);
    uint8_t a[16] = {1};
    unsigned wait;
    limits_config c = {.source_rate = 100, .source_burst = 100, .impi_challenges = 5, .impi_window = 60, .wrong_answers = 3};

    CU_ASSERT_TRUE(limits_source(l, a, T0, &wait));
    CU_ASSERT_FALSE(limits_source(l, a, T0, &wait));
    limits_set(l, &c);
    CU_ASSERT_TRUE(limits_source(l, a, T0 + 50, &wait));
    limits_free(&l);
}

static void impi_window(void)
{
    limits *l = make(0, 1, 3);
    gba_impi a = kit_impi("a@home1.net"), b = kit_impi("b@home1.net");
    challenge_wire again, w;

    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(wants_new(l, &a, T0 + i, &again));
        w = wire(i);
        issued(l, &a, &w, T0 + i, T0 + i);
    }
    CU_ASSERT_FALSE(wants_new(l, &a, T0 + 10, &again)); /* the last again */
    CU_ASSERT_EQUAL(again.o[0], 2);
    CU_ASSERT_EQUAL(again.n, 60);
    CU_ASSERT_TRUE(wants_new(l, &b, T0 + 10, &again));
    CU_ASSERT_FALSE(wants_new(l, &a, T0 + 59999, &again));
    CU_ASSERT_TRUE(wants_new(l, &a, T0 + 60000, &again)); /* a new window */

    /* answered rightly, or by a valid AUTS: never again the same */
    w = wire(7);
    issued(l, &a, &w, T0 + 60000, T0 + 60000);
    w = wire(8);
    issued(l, &a, &w, T0 + 60001, T0 + 60001);
    w = wire(9);
    issued(l, &a, &w, T0 + 60002, T0 + 60002);
    CU_ASSERT_FALSE(wants_new(l, &a, T0 + 60010, &again));
    limits_answered(l, &a, wire(8).o); /* another one: nothing changes */
    CU_ASSERT_FALSE(wants_new(l, &a, T0 + 60010, &again));
    limits_answered(l, &a, wire(9).o);
    CU_ASSERT_TRUE(wants_new(l, &a, T0 + 60010, &again));
    limits_free(&l);
}

/* Over its limit an IMPI gets no dead challenge: then a new one. */
static void impi_expired(void)
{
    limits *l = make(0, 1, 1);
    gba_impi a = kit_impi("a@home1.net");
    challenge_wire again, w = wire(1);
    limits_config c = {.source_rate = 0, .source_burst = 1, .impi_challenges = 1, .impi_window = 3600, .wrong_answers = 3};

    limits_set(l, &c);
    issued(l, &a, &w, T0, T0);
    CU_ASSERT_FALSE(wants_new(l, &a, T0 + 59000, &again));
    CU_ASSERT_TRUE(wants_new(l, &a, T0 + 60000, &again));
    CU_ASSERT_TRUE(wants_new(l, &a, T0 - 3600000, &again)); /* the clock stepped back: from the future */
    limits_free(&l);
}

static void issue_times(void)
{
    limits *l = make(0, 1, 100);
    gba_impi a = kit_impi("a@home1.net");
    challenge_wire w = wire(1);

    CU_ASSERT_EQUAL(limits_issue_ms(l, &a, T0), T0);
    issued(l, &a, &w, T0, T0);
    CU_ASSERT_EQUAL(limits_issue_ms(l, &a, T0), T0 + 1);
    issued(l, &a, &w, T0 + 1, T0);
    CU_ASSERT_EQUAL(limits_issue_ms(l, &a, T0), T0 + 2);
    CU_ASSERT_EQUAL(limits_issue_ms(l, &a, T0 + 100), T0 + 100);
    CU_ASSERT_EQUAL(limits_issue_ms(l, &a, T0 - 1000), T0 + 2);         /* a small step back */
    CU_ASSERT_EQUAL(limits_issue_ms(l, &a, T0 - 9000000), T0 - 9000000); /* a large one */
    limits_free(&l);
}

/* C6: what is being made counts already; who comes over the limit meanwhile waits for it. */
static void under_way(void)
{
    limits *l = make(0, 1, 2);
    gba_impi a = kit_impi("a@home1.net"), b = kit_impi("b@home1.net");
    limits_ask ask[5], other = {.impi = &b}, *waited;
    challenge_wire again, w = wire(5);
    static const limits_verdict want[5] = {LIMITS_NEW, LIMITS_NEW, LIMITS_WAIT, LIMITS_WAIT, LIMITS_WAIT};

    for (int i = 0; i < 5; i++) {
        ask[i] = (limits_ask){.impi = &a};
        CU_ASSERT_EQUAL(limits_impi(l, &ask[i], T0, &again), want[i]);
    }
    CU_ASSERT_EQUAL(limits_impi(l, &other, T0, &again), LIMITS_NEW);
    CU_ASSERT_PTR_NULL(limits_not_issued(l, &other));
    CU_ASSERT_PTR_NULL(limits_not_issued(l, &ask[0])); /* another is still under way */
    waited = limits_issued(l, &ask[1], &w, T0, T0);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(waited);
        CU_ASSERT_TRUE(waited >= &ask[2] && waited <= &ask[4]);
        waited = waited->next;
    }
    CU_ASSERT_PTR_NULL(waited);
    CU_ASSERT_TRUE(wants_new(l, &a, T0, &again)); /* the one that failed counts for nothing */
    issued(l, &a, &w, T0 + 1, T0 + 1);
    CU_ASSERT_FALSE(wants_new(l, &a, T0 + 1, &again));

    limits_answered(l, &a, w.o); /* over the limit, none left: one is made, the rest waits, in vain */
    for (int i = 0; i < 2; i++) {
        ask[i] = (limits_ask){.impi = &a};
        CU_ASSERT_EQUAL(limits_impi(l, &ask[i], T0 + 2, &again), i ? LIMITS_WAIT : LIMITS_NEW);
    }
    CU_ASSERT_PTR_EQUAL(limits_not_issued(l, &ask[0]), &ask[1]);
    limits_free(&l);
}

static void superseded(void)
{
    limits *l = make(0, 1, 1);
    gba_impi a = kit_impi("a@home1.net");
    challenge_wire again, w = wire(1);

    issued(l, &a, &w, T0, T0);
    limits_superseded(l, &a, T0 - 1);
    CU_ASSERT_FALSE(wants_new(l, &a, T0, &again));
    limits_superseded(l, &a, T0);
    CU_ASSERT_TRUE(wants_new(l, &a, T0, &again));
    limits_free(&l);
}

static void wrong_answers(void)
{
    limits *l = make(0, 1, 10);
    gba_impi a = kit_impi("a@home1.net");
    uint8_t rand1[16] = {1}, rand2[16] = {2}, owner[16] = {10}, stranger[16] = {11};

    for (int i = 0; i < 3; i++)
        CU_ASSERT_FALSE(limits_wrong_add(l, &a, rand1, stranger, T0));
    CU_ASSERT_TRUE(limits_wrong_add(l, &a, rand1, stranger, T0));
    CU_ASSERT_FALSE(limits_wrong_add(l, &a, rand1, owner, T0)); /* the challenge lives on */
    CU_ASSERT_FALSE(limits_wrong_add(l, &a, rand2, stranger, T0));
    CU_ASSERT_TRUE(limits_wrong_add(l, &a, rand1, stranger, T0 + 60000));
    CU_ASSERT_FALSE(limits_wrong_add(l, &a, rand1, stranger, T0 + 125001));
    limits_free(&l);
}

/* A4: so many guesses, whoever made them, and the challenge is good for nobody. */
static void guesses(void)
{
    limits *l = make(0, 1, 1);
    gba_impi a = kit_impi("a@home1.net");
    challenge_wire again, w = wire(1);
    uint8_t source[16] = {0};

    issued(l, &a, &w, T0, T0);
    for (int i = 0; i < LIMITS_GUESSES; i++) {
        CU_ASSERT_FALSE(limits_spent(l, w.o, T0));
        CU_ASSERT_FALSE(wants_new(l, &a, T0, &again));
        source[0] = (uint8_t)i;
        (void)limits_wrong_add(l, &a, w.o, source, T0);
    }
    CU_ASSERT_TRUE(limits_spent(l, w.o, T0));
    CU_ASSERT_FALSE(limits_spent(l, wire(2).o, T0));
    CU_ASSERT_TRUE(wants_new(l, &a, T0, &again)); /* over the limit, and none is left */
    limits_free(&l);
}

static long rss_pages(void)
{
    long size = 0, rss = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%ld %ld", &size, &rss) != 2)
            rss = 0;
        fclose(f);
    }
    return rss;
}

/* A flood leaves no memory behind, and the one it pushes out is not locked out. */
static void flood(void)
{
    limits *l = make(10, 5, 2);
    gba_impi victim = kit_impi("victim@home1.net"), any;
    challenge_wire again, w = wire(1);
    uint8_t source[16] = {0}, rand[16] = {0};
    unsigned wait;
    long before = rss_pages();
    CU_ASSERT_TRUE(before > 0);

    issued(l, &victim, &w, T0, T0);
    issued(l, &victim, &w, T0 + 1, T0 + 1);
    CU_ASSERT_FALSE(wants_new(l, &victim, T0 + 2, &again));
    for (uint32_t i = 0; i < 300000; i++) {
        snprintf(any.s, sizeof any.s, "%u@home1.net", i);
        (void)wants_new(l, &any, T0 + 10 + i / 100, &again);
        issued(l, &any, &w, T0 + 10 + i / 100, T0 + 10 + i / 100);
        memcpy(source, &i, 4);
        memcpy(rand, &i, 4);
        (void)limits_source(l, source, T0 + 10, &wait);
        (void)limits_wrong_add(l, &any, rand, source, T0 + 10);
    }
    CU_ASSERT_TRUE(wants_new(l, &victim, T0 + 3010, &again)); /* pushed out: a new challenge */
#ifndef GBA_SANITIZED /* a sanitizer's shadow memory grows, as valgrind's does */
    CU_ASSERT_TRUE((rss_pages() - before) * sysconf(_SC_PAGESIZE) < 256 * 1024 || getenv("UNDER_VALGRIND"));
#endif
    limits_free(&l);
}

T_MAIN("limits", {"a flood", flood}, {"sources", sources}, {"reloaded", reloaded}, {"IMPI window", impi_window},
       {"IMPI over its limit, the last challenge dead", impi_expired}, {"issue times", issue_times},
       {"wrong answers", wrong_answers}, {"a thousand guesses", guesses}, {"superseded elsewhere", superseded},
       {"challenges under way", under_way})
