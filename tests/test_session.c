/* SPDX-License-Identifier: Apache-2.0 */
#include "bsf/session.h"
#include <gba/kdf.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

typedef struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    gba_err err;
    session_got got;
} outcome;

static void on_done(void *ctx, gba_err e, const session_got *got)
{
    outcome *o = ctx;
    pthread_mutex_lock(&o->lock);
    o->err = e;
    if (got)
        o->got = *got;
    o->done = true;
    pthread_cond_signal(&o->cond);
    pthread_mutex_unlock(&o->lock);
}

static session_want want(uint8_t n, int64_t challenge_ms, bool tmpi)
{
    session_want w = {.impi = kit_impi(KIT_IMPI), .challenge_ms = challenge_ms, .lifetime = 3600, .tmpi = tmpi};
    memset(w.rand, n, 16);
    w.ks.n = 32;
    memset(w.ks.o, 0x40 + n, 32);
    return w;
}

static gba_err establish(kit *k, const session_want *w, session_got *got)
{
    outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    session_establish(k->sessions, w, kit_now_ms, on_done, &o);
    pthread_mutex_lock(&o.lock);
    while (!o.done)
        pthread_cond_wait(&o.cond, &o.lock);
    pthread_mutex_unlock(&o.lock);
    *got = o.got;
    return o.err;
}

/* 'L' alive, 'T' tombstone, '-' not there */
static char state(kit *k, const gba_btid *btid)
{
    store_record r = {0};
    rec_session s;
    char c = '-';
    if (store_get(k->store, STORE_SESSION, gba_str(btid->s), kit_now_ms / 1000, &r) != GBA_OK)
        return c;
    if (rec_session_read(gba_mem(r.value, r.n), &s) == GBA_OK)
        c = s.tombstone ? 'T' : 'L';
    rec_session_wipe(&s);
    store_record_free(&r);
    return c;
}

static void once_and_again(void)
{
    kit k = {0};
    session_got got, again;
    session_want w = want(1, kit_now_ms, false), other;
    gba_btid btid;

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(establish(&k, &w, &got), GBA_OK);
    CU_ASSERT_EQUAL(gba_btid_make(w.rand, &k.domain, &btid), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.btid.s, btid.s);
    CU_ASSERT_EQUAL(got.expires - got.created, 3600);
    CU_ASSERT_FALSE(got.repeated);
    kit_now_ms += 30000;
    CU_ASSERT_EQUAL(establish(&k, &w, &again), GBA_OK); /* a retransmission: the same answer */
    CU_ASSERT_TRUE(again.repeated);
    CU_ASSERT_EQUAL(again.created, got.created);
    CU_ASSERT_EQUAL(again.expires, got.expires);
    other = w;
    other.ks.o[0] ^= 1;
    CU_ASSERT_EQUAL(establish(&k, &other, &again), GBA_E_STALE);
    other = w;
    other.impi = kit_impi("user2_private@home1.net");
    CU_ASSERT_EQUAL(establish(&k, &other, &again), GBA_E_STALE);
    CU_ASSERT_EQUAL(state(&k, &btid), 'L');
    kit_close(&k, false);
    kit_now_ms -= 30000;
}

static void superseded(void)
{
    kit k = {0};
    session_got one, two, x;
    session_want w1 = want(1, kit_now_ms, false), w2 = want(2, kit_now_ms + 10, false), w0 = want(3, kit_now_ms - 10, false);
    rec_head head;
    uint64_t version;

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(establish(&k, &w1, &one), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(establish(&k, &w2, &two), GBA_OK);
    CU_ASSERT_EQUAL(state(&k, &one.btid), 'T');
    CU_ASSERT_EQUAL(state(&k, &two.btid), 'L');
    CU_ASSERT_EQUAL(establish(&k, &w1, &x), GBA_E_STALE); /* a replay brings nothing back */
    CU_ASSERT_EQUAL(establish(&k, &w0, &x), GBA_E_STALE); /* an older challenge, answered late */
    CU_ASSERT_EQUAL(establish(&k, &w2, &x), GBA_OK);
    CU_ASSERT_EQUAL(session_head(k.store, &w1.impi, kit_now_ms, &head, &version), GBA_OK);
    CU_ASSERT_STRING_EQUAL(head.btid.s, two.btid.s);
    CU_ASSERT_EQUAL(head.challenge_ms, w2.challenge_ms);
    /* the tombstone goes when no nonce of its time lives, and the head still refuses */
    kit_now_ms += (KIT_NONCE_S + 7) * 1000;
    CU_ASSERT_EQUAL(state(&k, &one.btid), '-');
    CU_ASSERT_EQUAL(establish(&k, &w1, &x), GBA_E_STALE);
    kit_close(&k, false);
    kit_now_ms -= (KIT_NONCE_S + 7) * 1000;
}

static void revoked(void)
{
    kit k = {0};
    session_got got, x;
    session_want w = want(1, kit_now_ms, false), next = want(2, kit_now_ms + 10, false);
    gba_btid none;
    gba_impi impi;

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(establish(&k, &w, &got), GBA_OK);
    CU_ASSERT_EQUAL(session_revoke(k.store, &got.btid, 66, kit_now_ms, &impi), GBA_OK);
    CU_ASSERT_STRING_EQUAL(impi.s, KIT_IMPI);
    CU_ASSERT_EQUAL(state(&k, &got.btid), 'T');
    CU_ASSERT_EQUAL(session_revoke(k.store, &got.btid, 66, kit_now_ms, &impi), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str("x@y"), &none), GBA_OK);
    CU_ASSERT_EQUAL(session_revoke(k.store, &none, 66, kit_now_ms, &impi), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(establish(&k, &w, &x), GBA_E_STALE);
    kit_now_ms += 100000;
    CU_ASSERT_EQUAL(establish(&k, &w, &x), GBA_E_STALE);
    CU_ASSERT_EQUAL(state(&k, &got.btid), '-');
    CU_ASSERT_EQUAL(establish(&k, &next, &x), GBA_OK);
    kit_close(&k, false);
    kit_now_ms -= 100000;
}

static void guss_put(kit *k, const char *impi)
{
    store_op op = {.type = STORE_PUT, .kind = STORE_GUSS, .key = gba_str(impi), .value = gba_str("<guss/>")};
    size_t failed;
    CU_ASSERT_EQUAL(store_write(k->store, &op, 1, kit_now_ms / 1000, &failed), GBA_OK);
}

static uint64_t count(kit *k, store_kind kind)
{
    uint64_t n = 99;
    CU_ASSERT_EQUAL(store_count(k->store, kind, &n), GBA_OK);
    return n;
}

/* subscriber remove: record, GUSS, session and TMPI in one batch, and no replay brings the session back. */
static void removed(void)
{
    kit k = {0};
    session_got got, x;
    session_want w = want(1, kit_now_ms, true);
    gba_impi impi = kit_impi(KIT_IMPI), tmpi, who;
    rec_head head;
    uint64_t version;

    kit_open(&k, NULL, false);
    guss_put(&k, "another@home1.net");
    guss_put(&k, KIT_IMPI);
    CU_ASSERT_EQUAL(session_remove_subscriber(k.store, &impi, 66, kit_now_ms), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(count(&k, STORE_GUSS), 2); /* of an HSS's subscriber, perhaps */
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    CU_ASSERT_EQUAL_FATAL(establish(&k, &w, &got), GBA_OK);
    CU_ASSERT_EQUAL(gba_tmpi(&w.ks, w.rand, &w.impi, &k.domain, &tmpi), GBA_OK);
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(tmpi.s), kit_now_ms, &who), GBA_OK);
    CU_ASSERT_EQUAL(session_remove_subscriber(k.store, &impi, 66, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(count(&k, STORE_SUBSCRIBER), 0);
    CU_ASSERT_EQUAL(count(&k, STORE_GUSS), 1);
    CU_ASSERT_EQUAL(state(&k, &got.btid), 'T');
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(tmpi.s), kit_now_ms, &who), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(session_head(k.store, &impi, kit_now_ms, &head, &version), GBA_OK);
    CU_ASSERT(head.challenge_ms >= w.challenge_ms && !head.btid.s[0] && !head.tmpi.s[0]);
    CU_ASSERT_EQUAL(establish(&k, &w, &x), GBA_E_STALE);
    CU_ASSERT_EQUAL(session_remove_subscriber(k.store, &impi, 66, kit_now_ms), GBA_E_UNKNOWN);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0); /* one without a live session goes as well */
    CU_ASSERT_EQUAL(session_remove_subscriber(k.store, &impi, 66, kit_now_ms), GBA_OK);
    kit_close(&k, false);
}

/* A challenge that was out when its subscriber went may be answered while a BSF still knows the subscriber from
 * its cache, or has just looked: it makes no session, whether there was one before or not. */
static void removed_meanwhile(void)
{
    for (int i = 0; i < 6; i++) {
        int before = i / 2; /* it never bootstrapped; a session that is over; one that lives */
        kit k = {0};
        sessions_config strict = {.keep_s = 66}; /* clock.tolerance: 0 */
        session_got x;
        session_want first = want(1, kit_now_ms, true), out = want(2, kit_now_ms + 7000, true),
                     seen = want(3, kit_now_ms + 7000 + STORE_SETTLE_MS / 2, true),
                     later = want(4, kit_now_ms + 7000 + STORE_SETTLE_MS, true);
        gba_impi impi = kit_impi(KIT_IMPI), tmpi, who;

        kit_open(&k, NULL, false);
        strict.store = k.store;
        strict.bsf = k.domain;
        if (i % 2) {
            sessions_free(&k.sessions);
            CU_ASSERT_EQUAL_FATAL(sessions_new(&strict, &k.sessions), GBA_OK);
        }
        kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
        first.lifetime = before == 1 ? 5 : 3600;
        CU_ASSERT_EQUAL(gba_tmpi(&first.ks, first.rand, &first.impi, &k.domain, &tmpi), GBA_OK);
        if (before)
            CU_ASSERT_EQUAL(establish(&k, &first, &x), GBA_OK);
        kit_now_ms += 7000;
        CU_ASSERT_EQUAL(session_remove_subscriber(k.store, &impi, 66, kit_now_ms), GBA_OK);
        CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(tmpi.s), kit_now_ms, &who), GBA_E_UNKNOWN);
        CU_ASSERT_EQUAL(establish(&k, &out, &x), GBA_E_STALE);
        CU_ASSERT_EQUAL(establish(&k, &seen, &x), GBA_E_STALE);
        kit_now_ms += STORE_SETTLE_MS;
        CU_ASSERT_EQUAL(establish(&k, &seen, &x), GBA_E_STALE);
        CU_ASSERT_EQUAL(establish(&k, &later, &x), GBA_OK); /* it was added anew, and bootstraps at once */
        kit_now_ms -= STORE_SETTLE_MS;
        CU_ASSERT_EQUAL(count(&k, STORE_TMPI), 1);
        kit_now_ms -= 7000;
        kit_close(&k, false);
    }
}

/* What a subscriber that is gone leaves behind goes with the last challenge of its time. */
static void removed_wholly(void)
{
    kit k = {0};
    session_got x;
    session_want w = want(1, kit_now_ms, true);
    gba_impi impi = kit_impi(KIT_IMPI);
    unsigned n;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    CU_ASSERT_EQUAL(establish(&k, &w, &x), GBA_OK);
    CU_ASSERT_EQUAL(session_remove_subscriber(k.store, &impi, 66, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(store_sweep(k.store, kit_now_ms / 1000 + 67, 100, &n), GBA_OK);
    CU_ASSERT_EQUAL(count(&k, STORE_SESSION) + count(&k, STORE_HEAD) + count(&k, STORE_TMPI), 0);
    kit_close(&k, false);
}

/* A session shorter than a nonce's life is not made again by its own answer. */
static void expired(void)
{
    kit k = {0};
    session_got got, x;
    session_want w = want(1, kit_now_ms, false);

    w.lifetime = 5;
    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(establish(&k, &w, &got), GBA_OK);
    kit_now_ms += 6000;
    CU_ASSERT_EQUAL(establish(&k, &w, &x), GBA_E_STALE);
    kit_close(&k, false);
    kit_now_ms -= 6000;
}

static void resynced(void)
{
    kit k = {0};
    session_got x;
    session_want before = want(1, kit_now_ms, false), w = want(2, kit_now_ms + 10, false), next = want(3, kit_now_ms + 20, false);

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL(session_resynced(k.sessions, &w.impi, w.challenge_ms, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(session_resynced(k.sessions, &w.impi, w.challenge_ms, kit_now_ms), GBA_E_STALE);
    CU_ASSERT_EQUAL(session_resynced(k.sessions, &w.impi, w.challenge_ms - 1, kit_now_ms), GBA_E_STALE);
    CU_ASSERT_EQUAL(establish(&k, &before, &x), GBA_E_STALE);
    CU_ASSERT_EQUAL(establish(&k, &w, &x), GBA_E_STALE);
    CU_ASSERT_EQUAL(establish(&k, &next, &x), GBA_OK);
    CU_ASSERT_EQUAL(session_resynced(k.sessions, &w.impi, next.challenge_ms + 1, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(state(&k, &x.btid), 'L'); /* an AUTS ends no session */
    kit_close(&k, false);
}

/* After a large step back the head of the other time binds no longer. */
static void clock_back(void)
{
    kit k = {0};
    session_got one, two;
    session_want w = want(1, kit_now_ms, false);

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(establish(&k, &w, &one), GBA_OK);
    kit_now_ms -= 3600000;
    session_want later = want(2, kit_now_ms, false);
    CU_ASSERT_EQUAL(establish(&k, &later, &two), GBA_OK);
    CU_ASSERT_EQUAL(state(&k, &one.btid), 'T');
    CU_ASSERT_EQUAL(state(&k, &two.btid), 'L');
    kit_close(&k, false);
    kit_now_ms += 3600000;
}

static void tmpis(void)
{
    kit k = {0};
    session_got got;
    session_want w1 = want(1, kit_now_ms, true), w2 = want(2, kit_now_ms + 10, true), w3 = want(3, kit_now_ms + 20, false);
    gba_impi t1, t2, impi;

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL(establish(&k, &w1, &got), GBA_OK);
    CU_ASSERT_EQUAL(gba_tmpi(&w1.ks, w1.rand, &w1.impi, &k.domain, &t1), GBA_OK);
    CU_ASSERT_EQUAL(gba_tmpi(&w2.ks, w2.rand, &w2.impi, &k.domain, &t2), GBA_OK);
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(t1.s), kit_now_ms, &impi), GBA_OK);
    CU_ASSERT_STRING_EQUAL(impi.s, KIT_IMPI);
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(t2.s), kit_now_ms, &impi), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(establish(&k, &w2, &got), GBA_OK);
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(t1.s), kit_now_ms, &impi), GBA_OK); /* for a retransmission */
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(t2.s), kit_now_ms, &impi), GBA_OK);
    CU_ASSERT_EQUAL(establish(&k, &w3, &got), GBA_OK); /* this UE says nothing of TMPIs: it keeps its last */
    kit_now_ms += 100000;
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(t1.s), kit_now_ms, &impi), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(t2.s), kit_now_ms, &impi), GBA_OK);
    char longer[400];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CU_ASSERT_EQUAL(session_tmpi(k.store, gba_str(longer), kit_now_ms, &impi), GBA_E_UNKNOWN);
    kit_close(&k, false);
    kit_now_ms -= 100000;
}

/* Sixteen answers of one IMPI at once, each twice: at the end one session lives, the newest. */
#define RACERS 16
typedef struct racer {
    kit *k;
    session_want w;
    gba_err err[2];
    session_got got[2];
} racer;

static void *race(void *p)
{
    racer *r = p;
    for (int i = 0; i < 2; i++)
        r->err[i] = establish(r->k, &r->w, &r->got[i]);
    return NULL;
}

static void races(void)
{
    kit k = {0};
    racer r[RACERS];
    pthread_t t[RACERS];
    int alive = 0, stale = 0;

    kit_open(&k, NULL, false);
    for (int i = 0; i < RACERS; i++) {
        r[i] = (racer){.k = &k, .w = want((uint8_t)(i + 1), kit_now_ms + i, true)};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, race, &r[i]), 0);
    }
    for (int i = 0; i < RACERS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < RACERS; i++) {
        gba_btid b;
        CU_ASSERT_EQUAL(gba_btid_make(r[i].w.rand, &k.domain, &b), GBA_OK);
        alive += state(&k, &b) == 'L';
        for (int n = 0; n < 2; n++) {
            /* BUSY is a lost race too often: the UE tries again */
            CU_ASSERT_TRUE(r[i].err[n] == GBA_OK || r[i].err[n] == GBA_E_STALE || r[i].err[n] == GBA_E_BUSY);
            stale += r[i].err[n] == GBA_E_STALE;
        }
    }
    CU_ASSERT_EQUAL(alive, 1);
    rec_head head;
    uint64_t version;
    gba_impi impi = kit_impi(KIT_IMPI);
    CU_ASSERT_EQUAL(session_head(k.store, &impi, kit_now_ms, &head, &version), GBA_OK);
    CU_ASSERT_EQUAL(state(&k, &head.btid), 'L');
    kit_close(&k, false);
}

/* The same answer eight times at once: one session, every reply the same. */
static void retransmissions(void)
{
    kit k = {0};
    racer r[8];
    pthread_t t[8];

    kit_open(&k, NULL, false);
    for (int i = 0; i < 8; i++) {
        r[i] = (racer){.k = &k, .w = want(1, kit_now_ms, false)};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, race, &r[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], NULL);
        CU_ASSERT_EQUAL(r[i].err[0], GBA_OK);
        CU_ASSERT_EQUAL(r[i].err[1], GBA_OK);
        CU_ASSERT_STRING_EQUAL(r[i].got[0].btid.s, r[0].got[0].btid.s);
        CU_ASSERT_EQUAL(r[i].got[0].expires, r[0].got[0].expires);
    }
    kit_close(&k, false);
}

T_MAIN("session", {"once, and the same answer again", once_and_again}, {"superseded", superseded},
       {"revoked", revoked}, {"a subscriber removed", removed},
       {"removed between challenge and answer", removed_meanwhile}, {"removed wholly", removed_wholly},
       {"expired", expired}, {"resynchronised", resynced}, {"the clock steps back", clock_back}, {"TMPIs", tmpis},
       {"races of one IMPI", races}, {"retransmissions at once", retransmissions})
