/* SPDX-License-Identifier: Apache-2.0 */
#include "bsf/challenge.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
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
    challenge_ring *changed = NULL; /* ub.challenge has changed meanwhile */
    challenge_config cc = {.store = k.store,
                           .realm = k.domain,
                           .bsf = k.domain,
                           .in_opaque = !in_opaque,
                           .lifetime_ms = 60000,
                           .tolerance_ms = 5000};
    CU_ASSERT_EQUAL_FATAL(challenge_ring_new(&cc, kit_now_ms, &changed), GBA_OK);
    CU_ASSERT_EQUAL(open_text(changed, &t, &impi, kit_now_ms + 1000, &back), GBA_OK);
    challenge_wipe(&back);
    challenge_ring_free(&changed);
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

static uint32_t key_id(const challenge_wire *w)
{
    return (uint32_t)w->o[33] << 24 | (uint32_t)w->o[34] << 16 | (uint32_t)w->o[35] << 8 | w->o[36];
}

#define SETTLE_MS 15000 /* 10 s, and the tolerance of the clocks */

/* Ten minutes, another key, which seals when every replica has it; the old one opens what it sealed, and is then gone
 * from the store too. */
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
    CU_ASSERT_EQUAL(key_id(&w1), key_id(&w2));
    challenge_print(k.ring, &w2, &t1);

    kit_now_ms += 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    c = sample(kit_now_ms + SETTLE_MS - 1, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w2), GBA_OK);
    CU_ASSERT_EQUAL(key_id(&w1), key_id(&w2));
    c = sample(kit_now_ms + SETTLE_MS, false);
    CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w2), GBA_OK);
    CU_ASSERT_NOT_EQUAL(key_id(&w1), key_id(&w2));
    CU_ASSERT_EQUAL(open_text(k.ring, &t1, &impi, kit_now_ms, &back), GBA_OK);
    CU_ASSERT_EQUAL(store_count(k.store, STORE_SEAL, &keys), GBA_OK);
    CU_ASSERT_EQUAL(keys, 2);

    kit_now_ms = begin + SETTLE_MS + (600 + 60 + 60 + 5 + 1) * 1000;
    CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
    CU_ASSERT_EQUAL(open_text(k.ring, &t1, &impi, kit_now_ms, &back), GBA_E_STALE);
    CU_ASSERT_EQUAL(store_sweep(k.store, kit_now_ms / 1000, 100, &swept), GBA_OK);
    CU_ASSERT_EQUAL(store_count(k.store, STORE_SEAL, &keys), GBA_OK);
    CU_ASSERT_EQUAL(keys, 1);

    /* housekeeping stands still: sealing rotates by itself */
    kit_now_ms += 3600 * 1000;
    c = sample(kit_now_ms, false);
    CU_ASSERT_EQUAL(challenge_seal(k.ring, &c, &impi, &w1), GBA_OK);
    CU_ASSERT_NOT_EQUAL(key_id(&w1), key_id(&w2));
    kit_close(&k, false);
    kit_now_ms = begin;
}

/* Another replica's ring over the same store. */
static challenge_ring *ring_over(store *st, const gba_fqdn *name)
{
    challenge_config cc = {.store = st, .realm = *name, .bsf = *name, .lifetime_ms = 60000, .tolerance_ms = 5000};
    challenge_ring *r = NULL;
    CU_ASSERT_EQUAL_FATAL(challenge_ring_new(&cc, kit_now_ms, &r), GBA_OK);
    return r;
}

static void sealed(challenge_ring *r, const gba_impi *impi, challenge_text *t)
{
    challenge c = sample(kit_now_ms, false);
    challenge_wire w;
    CU_ASSERT_EQUAL_FATAL(challenge_seal(r, &c, impi, &w), GBA_OK);
    challenge_print(r, &w, t);
}

/* What one replica sealed, another opens, also under a key it has not seen yet, whatever ids a stranger names. */
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
    two = ring_over(k.store, &k.domain);
    for (int i = 0; i < 3; i++) { /* two's housekeeping stands still */
        kit_now_ms += 600 * 1000;
        CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
        kit_now_ms += SETTLE_MS;
        c = sample(kit_now_ms, false);
        CU_ASSERT_EQUAL_FATAL(challenge_seal(k.ring, &c, &impi, &w), GBA_OK);
        challenge_print(k.ring, &w, &t);
        w.o[33] ^= 0x55;
        challenge_print(k.ring, &w, &bogus);
        CU_ASSERT_EQUAL(open_text(two, &bogus, &impi, kit_now_ms, &back), GBA_E_STALE);
        CU_ASSERT_EQUAL(open_text(two, &t, &impi, kit_now_ms, &back), GBA_OK);
    }
    for (int i = 0; i < 3; i++) { /* a stranger asks first, each time */
        CU_ASSERT_EQUAL(challenge_ring_revoke(k.ring, kit_now_ms), GBA_OK);
        CU_ASSERT_EQUAL(open_text(two, &bogus, &impi, kit_now_ms, &back), GBA_E_STALE);
        CU_ASSERT_EQUAL(challenge_ring_revoke(k.ring, kit_now_ms), GBA_OK);
        sealed(k.ring, &impi, &t); /* at once: there is no other key */
        CU_ASSERT_EQUAL(open_text(two, &t, &impi, kit_now_ms, &back), GBA_OK);
    }
    challenge_ring_free(&two);
    kit_close(&k, false);
    kit_now_ms = begin;
}

/* ---- rotations under load ---- */

/* A stranger's: octets 33 to 36 are the key id, of which these characters change the last. */
static challenge_text unknown_key(const challenge_text *t)
{
    challenge_text bad = *t;
    bad.nonce[48] = bad.nonce[48] == 'A' ? 'B' : 'A';
    return bad;
}

#define OPENERS 8
#define ROUNDS 40
typedef struct load {
    challenge_ring *ring;
    gba_impi impi;
    challenge_text text;
    pthread_barrier_t ready, opened;
    _Atomic unsigned refused;
    bool stop;
} load;

static void *open_each(void *arg)
{
    load *l = arg;
    challenge back;
    challenge_text bogus;

    for (;;) {
        pthread_barrier_wait(&l->ready);
        if (l->stop)
            return NULL;
        bogus = unknown_key(&l->text);
        (void)open_text(l->ring, &bogus, &l->impi, kit_now_ms, &back);
        if (open_text(l->ring, &l->text, &l->impi, kit_now_ms, &back) != GBA_OK)
            l->refused++;
        pthread_barrier_wait(&l->opened);
    }
}

/* Many threads answer at once under a key that their ring has not seen. */
static void rotation_threads(void)
{
    kit k = {0};
    int64_t begin = kit_now_ms;
    load l = {.impi = kit_impi(KIT_IMPI)};
    pthread_t t[OPENERS];

    kit_open(&k, NULL, false);
    l.ring = ring_over(k.store, &k.domain);
    pthread_barrier_init(&l.ready, NULL, OPENERS + 1);
    pthread_barrier_init(&l.opened, NULL, OPENERS + 1);
    for (int i = 0; i < OPENERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, open_each, &l), 0);
    for (int i = 0; i < ROUNDS; i++) {
        kit_now_ms += 601 * 1000;
        CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
        if (i % 2)
            kit_now_ms += SETTLE_MS;
        sealed(k.ring, &l.impi, &l.text);
        pthread_barrier_wait(&l.ready);
        pthread_barrier_wait(&l.opened);
    }
    l.stop = true;
    pthread_barrier_wait(&l.ready);
    for (int i = 0; i < OPENERS; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(l.refused, 0);
    pthread_barrier_destroy(&l.ready);
    pthread_barrier_destroy(&l.opened);
    challenge_ring_free(&l.ring);
    kit_close(&k, false);
    kit_now_ms = begin;
}

/* The other process: rotates when told to, and seals one with its newest key that may; tells its text. */
static void seal_for(kit *k, int in, int out)
{
    char url[96], key[96];
    gba_impi impi = kit_impi(KIT_IMPI);
    store *st = NULL;
    challenge_text t;

    if (read(in, k->dir, sizeof k->dir) != sizeof k->dir || gba_fqdn_parse(gba_str(KIT_DOMAIN), &k->domain) != GBA_OK)
        _exit(1);
    snprintf(url, sizeof url, "sqlite:%s/bsf.db", k->dir);
    snprintf(key, sizeof key, "%s/seal", k->dir);
    store_config c = {.url = url, .key_file = key};
    if (store_open(&c, &st, NULL, 0) != GBA_OK)
        _exit(2);
    challenge_ring *r = ring_over(st, &k->domain);
    while (read(in, &kit_now_ms, sizeof kit_now_ms) == sizeof kit_now_ms) {
        if (challenge_ring_tick(r, kit_now_ms) != GBA_OK)
            _exit(3);
        sealed(r, &impi, &t);
        if (write(out, &t, sizeof t) != sizeof t)
            _exit(4);
    }
    challenge_ring_free(&r);
    store_close(&st);
    _exit(0);
}

/* Two processes on one store, half an hour in steps of half a second. The other always rotates, and this one's
 * housekeeping comes half a second later; strangers name unknown keys all the time. */
static void rotation_processes(void)
{
    kit k = {0};
    int64_t begin = kit_now_ms;
    int to[2], from[2], status = -1;
    unsigned refused = 0, keys = 0;
    gba_impi impi = kit_impi(KIT_IMPI);
    challenge_text t = {{0}, {0}};
    challenge back;
    char last[8] = "";

    CU_ASSERT_EQUAL_FATAL(pipe(to) | pipe(from), 0);
    pid_t other = fork(); /* before there is a store, or a thread */
    if (other == 0) {
        close(to[1]);
        close(from[0]);
        seal_for(&k, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL_FATAL(write(to[1], k.dir, sizeof k.dir), (ssize_t)sizeof k.dir);
    for (int i = 0; i < 2 * 1900; i++, kit_now_ms += 500) {
        if (i % 2)
            CU_ASSERT_EQUAL(challenge_ring_tick(k.ring, kit_now_ms), GBA_OK);
        challenge_text stranger = unknown_key(&t);
        if (i)
            CU_ASSERT_EQUAL(open_text(k.ring, &stranger, &impi, kit_now_ms, &back), GBA_E_STALE);
        CU_ASSERT_EQUAL_FATAL(write(to[1], &kit_now_ms, sizeof kit_now_ms), (ssize_t)sizeof kit_now_ms);
        CU_ASSERT_EQUAL_FATAL(read(from[0], &t, sizeof t), (ssize_t)sizeof t);
        keys += memcmp(last, t.nonce + 44, 6) != 0;
        memcpy(last, t.nonce + 44, 6);
        refused += open_text(k.ring, &t, &impi, kit_now_ms, &back) != GBA_OK;
    }
    CU_ASSERT_EQUAL(refused, 0);
    CU_ASSERT_EQUAL(keys, 4);
    close(to[1]);
    close(from[0]);
    CU_ASSERT_EQUAL(waitpid(other, &status, 0), other);
    CU_ASSERT_EQUAL(status, 0);
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
       {"every bit and every bond, in the nonce", tampered_nonce},
       {"every bit and every bond, in opaque", tampered_opaque}, {"other forms", other_forms},
       {"its time is over", time_is_over}, {"rotation", rotation}, {"two replicas", replicas},
       {"rotation, many threads", rotation_threads}, {"rotation, two processes", rotation_processes},
       {"the clock steps back", clock_steps_back})
