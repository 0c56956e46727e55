/* SPDX-License-Identifier: Apache-2.0 */
#include "bsf/challenge.h"
#include <string.h>
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

static challenge sample(int64_t issue_ms, bool with_vector)
{
    challenge c = {.flavour = CHALLENGE_AKA_ME, .issue_ms = issue_ms};
    t_hex_into("23553cbe9637a89d218ae64dae47bf35", c.rand, 16);
    t_hex_into("55f328b43577b9b94a9ffac354dfafb3", c.autn, 16);
    if (with_vector) {
        c.has_vector = true;
        c.xres = t_secret("a54211d5e3ba50bf");
        c.ck = t_secret("b40ba9a3c58b2a05bbf0d987b21bf8cb");
        c.ik = t_secret("f769bcd751044604127672711c6d3441");
        c.lifetime = 3600;
    }
    return c;
}

static gba_err open_text(challenge_ring *r, const challenge_text *t, const gba_impi *impi, int64_t now_ms, challenge *out)
{
    return challenge_open(r, gba_str(t->nonce), gba_str(t->opaque), impi, now_ms, out);
}

static void there_and_back(bool in_opaque, bool with_vector)
{
    kit k = {0};
    kit_options o = {.in_opaque = in_opaque};
    gba_impi impi = kit_impi(KIT_IMPI);
    challenge_wire w;
    challenge_text t;
    challenge c = sample(kit_now_ms, with_vector), back;

    kit_open(&k, &o, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    challenge_print(k.ring, &w, &t);
    CU_ASSERT_EQUAL(strlen(t.nonce) == 44, in_opaque); /* exactly 32 octets */
    CU_ASSERT_TRUE(strlen(t.opaque) >= 32);
    CU_ASSERT_EQUAL_FATAL(open_text(k.ring, &t, &impi, kit_now_ms + 1000, &back), GBA_OK);
    CU_ASSERT_EQUAL(memcmp(back.rand, c.rand, 16), 0);
    CU_ASSERT_EQUAL(memcmp(back.autn, c.autn, 16), 0);
    CU_ASSERT_EQUAL(back.issue_ms, c.issue_ms);
    CU_ASSERT_EQUAL(back.has_vector, with_vector);
    CU_ASSERT_TRUE(gba_secret_eq(&back.xres, &c.xres) && gba_secret_eq(&back.ck, &c.ck) && gba_secret_eq(&back.ik, &c.ik));
    CU_ASSERT_EQUAL(back.lifetime, c.lifetime);
    challenge_wipe(&back);
    kit_close(&k, false);
}

static void round_trip(void)
{
    there_and_back(false, false);
    there_and_back(false, true);
    there_and_back(true, false);
    there_and_back(true, true);
}

/* Not one octet of it can be another, and nothing it is bound to. */
static void tampered(bool in_opaque)
{
    kit k = {0}, other = {0};
    kit_options o = {.in_opaque = in_opaque};
    gba_impi impi = kit_impi(KIT_IMPI), stranger = kit_impi("user2_private@home1.net");
    challenge c = sample(kit_now_ms, true), back;
    challenge_wire w;
    challenge_text t;

    kit_open(&k, &o, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    for (unsigned i = 0; i < w.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            challenge_wire bad = w;
            bad.o[i] ^= (uint8_t)(1 << bit);
            challenge_print(k.ring, &bad, &t);
            CU_ASSERT_NOT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms, &back), GBA_OK);
        }
    }
    for (uint8_t n = 32; n < w.n; n++) {
        challenge_wire bad = w;
        bad.n = n;
        challenge_print(k.ring, &bad, &t);
        CU_ASSERT_NOT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms, &back), GBA_OK);
    }
    challenge_print(k.ring, &w, &t);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &stranger, kit_now_ms, &back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms, &back), GBA_OK);
    challenge_wipe(&back);

    /* the same store and keys, another name */
    challenge_config cc = {.store = k.store, .in_opaque = in_opaque, .lifetime_ms = 60000, .tolerance_ms = 5000};
    cc.realm = k.domain;
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("bsf2.home1.net"), &cc.bsf), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(challenge_ring_new(&cc, kit_now_ms, &other.ring), GBA_OK);
    CU_ASSERT_EQUAL(open_text(other.ring, &t, &impi, kit_now_ms, &back), GBA_E_AUTH);
    challenge_ring_free(&other.ring);
    cc.bsf = k.domain;
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("bsf2.home1.net"), &cc.realm), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(challenge_ring_new(&cc, kit_now_ms, &other.ring), GBA_OK);
    CU_ASSERT_EQUAL(open_text(other.ring, &t, &impi, kit_now_ms, &back), GBA_E_AUTH);
    challenge_ring_free(&other.ring);
    kit_close(&k, false);
}

static void tampered_nonce(void)
{
    tampered(false);
}

static void tampered_opaque(void)
{
    tampered(true);
}

static void other_forms(void)
{
    kit k = {0};
    gba_impi impi = kit_impi(KIT_IMPI);
    challenge c = sample(kit_now_ms, false), back;
    challenge_wire w;
    challenge_text t;
    static const char *const junk[] = {"", "x", "====", "AAAA", "I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7M=", "\xff\xfe"};

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    challenge_print(k.ring, &w, &t);
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        CU_ASSERT_EQUAL(challenge_open(k.ring, gba_str(junk[i]), gba_str(t.opaque), &impi, kit_now_ms, &back), GBA_E_SYNTAX);
        CU_ASSERT_EQUAL(challenge_open(k.ring, gba_str(t.nonce), gba_str(junk[i]), &impi, kit_now_ms, &back), GBA_E_AUTH);
    }
    CU_ASSERT_EQUAL(challenge_open(k.ring, gba_str(t.nonce), gba_mem(NULL, 0), &impi, kit_now_ms, &back), GBA_E_AUTH);
    char longer[600];
    memset(longer, 'A', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CU_ASSERT_EQUAL(challenge_open(k.ring, gba_str(longer), gba_str(t.opaque), &impi, kit_now_ms, &back), GBA_E_SYNTAX);
    kit_close(&k, false);
}

static void time_is_over(void)
{
    kit k = {0};
    gba_impi impi = kit_impi(KIT_IMPI);
    challenge c = sample(kit_now_ms, false), back;
    challenge_wire w;
    challenge_text t;

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    challenge_print(k.ring, &w, &t);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms + 60000, &back), GBA_OK);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms + 60001, &back), GBA_E_EXPIRED);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms - 5000, &back), GBA_OK);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms - 5001, &back), GBA_E_EXPIRED);
    kit_close(&k, false);
}

/* Ten minutes, another key; the old one opens what it sealed, and is then gone from the store too. */
static void rotation(void)
{
    kit k = {0};
    gba_impi impi = kit_impi(KIT_IMPI);
    int64_t begin = kit_now_ms;
    challenge c, back;
    challenge_wire w1, w2;
    challenge_text t1;
    uint64_t keys;
    unsigned swept;

    kit_open(&k, NULL, false);
    c = sample(begin, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w1), GBA_OK);
    kit_now_ms += 599 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    c = sample(kit_now_ms, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w2), GBA_OK);
    CU_ASSERT_EQUAL(memcmp(w1.o + 33, w2.o + 33, 4), 0); /* the key id */
    challenge_print(k.ring, &w2, &t1);

    kit_now_ms += 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    c = sample(kit_now_ms, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w2), GBA_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(w1.o + 33, w2.o + 33, 4), 0);
    CU_ASSERT_EQUAL(open_text(k.ring, &t1, &impi, kit_now_ms, &back), GBA_OK);
    CU_ASSERT_EQUAL(store_count(k.store, STORE_SEAL, &keys), GBA_OK);
    CU_ASSERT_EQUAL(keys, 2);

    kit_now_ms = begin + (600 + 60 + 60 + 5 + 1) * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(open_text(k.ring, &t1, &impi, kit_now_ms, &back), GBA_E_STALE);
    CU_ASSERT_EQUAL(store_sweep(k.store, kit_now_ms / 1000, 100, &swept), GBA_OK);
    CU_ASSERT_EQUAL(store_count(k.store, STORE_SEAL, &keys), GBA_OK);
    CU_ASSERT_EQUAL(keys, 1);

    /* housekeeping stands still: sealing rotates by itself */
    kit_now_ms += 3600 * 1000;
    c = sample(kit_now_ms, false);
    CU_ASSERT_EQUAL(challenge_seal(k.ring, &c, &impi, &w1), GBA_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(w1.o + 33, w2.o + 33, 4), 0);
    kit_close(&k, false);
    kit_now_ms = begin;
}

/* What one replica sealed, another opens, also under a key it has not seen yet. */
static void replicas(void)
{
    kit k = {0};
    gba_impi impi = kit_impi(KIT_IMPI);
    int64_t begin = kit_now_ms;
    challenge c, back;
    challenge_wire w;
    challenge_text t, bogus;
    challenge_ring *two;

    kit_open(&k, NULL, false);
    challenge_config cc = {.store = k.store, .realm = k.domain, .bsf = k.domain, .lifetime_ms = 60000, .tolerance_ms = 5000};
    CU_ASSERT_EQUAL_FATAL(challenge_ring_new(&cc, kit_now_ms, &two), GBA_OK);
    kit_now_ms += 600 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    c = sample(kit_now_ms, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    challenge_print(k.ring, &w, &t);

    /* a stranger's key id uses up this second's look at the store ... */
    w.o[33] ^= 0x55;
    challenge_print(k.ring, &w, &bogus);
    CU_ASSERT_EQUAL(open_text(two, &bogus, &impi, kit_now_ms - 600 * 1000, &back), GBA_E_STALE);
    kit_now_ms += 600;
    CU_ASSERT_EQUAL(open_text(two, &bogus, &impi, kit_now_ms, &back), GBA_E_STALE); /* looks: now t's key is known */
    CU_ASSERT_EQUAL(open_text(two, &t, &impi, kit_now_ms, &back), GBA_OK);

    /* ... so that a key made after it is seen a second later */
    kit_now_ms += 600 * 1000;
    CU_ASSERT_EQUAL(open_text(two, &bogus, &impi, kit_now_ms, &back), GBA_E_STALE);
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    c = sample(kit_now_ms, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    challenge_print(k.ring, &w, &t);
    CU_ASSERT_EQUAL(open_text(two, &t, &impi, kit_now_ms + 999, &back), GBA_E_STALE);
    CU_ASSERT_EQUAL(open_text(two, &t, &impi, kit_now_ms + 1000, &back), GBA_OK);
    challenge_ring_free(&two);
    kit_close(&k, false);
    kit_now_ms = begin;
}

static void clock_steps_back(void)
{
    kit k = {0};
    gba_impi impi = kit_impi(KIT_IMPI);
    int64_t begin = kit_now_ms;
    challenge c = sample(begin, false), back;
    challenge_wire w;
    challenge_text t;
    challenge_ring *later;

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    challenge_print(k.ring, &w, &t);
    kit_now_ms -= 3600 * 1000;
    CU_ASSERT_EQUAL(challenge_ring_revoke(k.ring, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &impi, begin + 1, &back), GBA_E_STALE); /* not even when its time comes again */
    c = sample(kit_now_ms, false);
    CU_ASSERT_EQUAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
    challenge_print(k.ring, &w, &t);
    CU_ASSERT_EQUAL(open_text(k.ring, &t, &impi, kit_now_ms, &back), GBA_OK);

    /* the same at start: the newest key is from the future */
    kit_now_ms -= 3600 * 1000;
    challenge_config cc = {.store = k.store, .realm = k.domain, .bsf = k.domain, .lifetime_ms = 60000, .tolerance_ms = 5000};
    CU_ASSERT_EQUAL_FATAL(challenge_ring_new(&cc, kit_now_ms, &later), GBA_OK);
    CU_ASSERT_EQUAL(open_text(later, &t, &impi, kit_now_ms + 3600 * 1000, &back), GBA_E_STALE);
    challenge_ring_free(&later);
    kit_close(&k, false);
    kit_now_ms = begin;
}

T_MAIN("challenge", {"there and back, both ways, with and without a vector", round_trip},
       {"every bit and every bond, in the nonce", tampered_nonce}, {"every bit and every bond, in opaque", tampered_opaque},
       {"other forms", other_forms}, {"its time is over", time_is_over}, {"rotation", rotation},
       {"two replicas", replicas}, {"the clock steps back", clock_steps_back})
