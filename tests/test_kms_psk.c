/* SPDX-License-Identifier: Apache-2.0 */
/* test_kms_psk.c - keys in handshakes with a MAF: what strangers cost its MEFs and BSFs. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "kms_kit.h"
#include "service/log.h"
#include "t_main.h"

#define DEV "//sp.example.com/in/Cdev"
#define GOOD "0123456789ABCDEF0123456789ABCDEF@mef.example.com"
#define LIMIT 20
#define THREADS 8

static kms_mef_link mef = {.fqdn = {"mef.example.com"}, .naming = {.home = {"example.com"}, .below = true}};
static m2m_naming of_bsf;
static const gba_fqdn bsf = {"bsf.example.com"};
static atomic_uint asked, at_once, most;
static atomic_bool holding;

/* The MEF: it knows GOOD. */
static gba_err on_ask(kms *k, const kms_mef_link *m, const char *ke_id, int64_t now, gba_secret *km, kms_who *w)
{
    (void)k;
    (void)m;
    atomic_fetch_add(&asked, 1);
    unsigned n = atomic_fetch_add(&at_once, 1) + 1;
    if (n > atomic_load(&most))
        atomic_store(&most, n);
    while (atomic_load(&holding))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_fetch_sub(&at_once, 1);
    if (!strncmp(ke_id, "DEAD", 4))
        return GBA_E_IO;
    if (strcmp(ke_id, GOOD) != 0)
        return GBA_E_UNKNOWN;
    w->expires = now + 1000;
    km->n = 32;
    return gba_m2m_entity_parse(gba_str(DEV), &w->id);
}

static void open_maf(void)
{
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    kit_open(&kms_maf, "maf.example.com");
    kms_config c = kit.c;
    c.mefs = &mef;
    c.n_mefs = 1;
    c.bsfs = &bsf;
    c.bsf_naming = &of_bsf;
    c.n_bsfs = 1;
    c.fetch_ms = 60000;
    c.fetches = 2 * THREADS;
    c.unknown_ttl = 10;
    c.unknown_per_source = LIMIT;
    c.mef_ask = on_ask;
    kms_close(&kit);
    CU_ASSERT_EQUAL_FATAL(kms_init(&kit, &c), GBA_OK);
    atomic_store(&asked, 0);
    atomic_store(&most, 0);
}

/* A handshake from 192.0.2.host. prove: it ends well. */
static gba_err shake(const char *identity, unsigned host, bool prove)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000200 + host)};
    const tls_psk_query q = {.identity = gba_str(identity),
                             .sni = gba_str("maf.example.com"),
                             .transport = GBA_TLS12,
                             .suite = 0xae,
                             .peer = (struct sockaddr *)&from};
    GBA_SECRET_SCOPED key = {0};
    void *who = NULL;
    gba_err e = kms_psk(&kit, &q, &key, &who);
    if (e == GBA_OK && !prove)
        kms_psk_failed(&kit, who);
    kms_who_free(who);
    return e;
}

static const char *stranger(unsigned n)
{
    static char text[80];
    snprintf(text, sizeof text, "%032X@mef.example.com", n);
    return text;
}

/* A refused KeID is not asked for again for a while; a source has so many tries a minute, and no other pays for it. */
static void test_strangers(void)
{
    open_maf();
    for (int i = 0; i < 50; i++)
        CU_ASSERT_EQUAL(shake(stranger(1), (unsigned)i, false), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(asked, 1);
    kit_now += 10;
    CU_ASSERT_EQUAL(shake(stranger(1), 1, false), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(asked, 2);
    kit_now += 60;
    for (unsigned i = 2; i < 200; i++)
        CU_ASSERT_EQUAL(shake(stranger(i), 1, false), i < 2 + LIMIT ? GBA_E_UNKNOWN : GBA_E_BUSY);
    CU_ASSERT_EQUAL(asked, 2 + LIMIT);
    CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_E_BUSY);
    CU_ASSERT_EQUAL(shake(GOOD, 2, true), GBA_OK);
    kit_now += 60;
    CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_OK);
    kit_close();
}

/* A MEF that fails costs as much; who has the key costs nothing, who has heard its KeID does. */
static void test_charged(void)
{
    char dead[80];

    open_maf();
    for (unsigned i = 0; i < 5 * LIMIT; i++)
        CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_OK);
    CU_ASSERT_EQUAL(asked, 5 * LIMIT); /* nothing is kept: what the MEF ends has ended */
    for (unsigned i = 0; i < 5 * LIMIT; i++)
        CU_ASSERT_EQUAL(shake(GOOD, 2, false), i < LIMIT ? GBA_OK : GBA_E_BUSY);
    CU_ASSERT_EQUAL(asked, 6 * LIMIT);
    for (unsigned i = 0; i < 5 * LIMIT; i++) {
        snprintf(dead, sizeof dead, "DEAD%028X@mef.example.com", i);
        CU_ASSERT_EQUAL(shake(dead, 3, false), i < LIMIT ? GBA_E_IO : GBA_E_BUSY);
    }
    CU_ASSERT_EQUAL(asked, 7 * LIMIT);
    kit_close();
}

static void *shake_on(void *identity)
{
    return (void *)(intptr_t)shake(identity, 1, true);
}

/* One KeID is asked for once at a time. */
static void test_single_flight(void)
{
    static char unknown[80], known[] = GOOD;
    pthread_t t[2 * THREADS];
    void *e;

    open_maf();
    snprintf(unknown, sizeof unknown, "%s", stranger(7));
    atomic_store(&holding, true);
    for (size_t i = 0; i < 2 * THREADS; i++)
        pthread_create(&t[i], NULL, shake_on, i % 2 ? unknown : known);
    while (atomic_load(&at_once) < 2)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    CU_ASSERT_EQUAL(asked, 2);
    atomic_store(&holding, false);
    for (size_t i = 0; i < 2 * THREADS; i++) {
        pthread_join(t[i], &e);
        CU_ASSERT_EQUAL((intptr_t)e, i % 2 ? GBA_E_UNKNOWN : GBA_OK);
    }
    CU_ASSERT(most == 2 && asked == 1 + THREADS);
    kit_close();
}

/* A MEF names whom it may, and nobody else. */
static void test_named(void)
{
    char of_mn[] = "//sp.example.com/mn*";
    char *list[] = {of_mn};

    open_maf();
    CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_OK);
    mef.naming.pattern = list;
    mef.naming.n = 1;
    CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(asked, 2); /* remembered as a refusal of the MEF's */
    mef.naming.pattern = NULL;
    mef.naming.n = 0;
    snprintf(mef.naming.home.s, sizeof mef.naming.home.s, "other.example");
    kit_now += 10;
    CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_E_FORBIDDEN);
    snprintf(mef.naming.home.s, sizeof mef.naming.home.s, "example.com");
    mef.naming.never = (gba_m2m_id){0};
    kit_now += 10;
    CU_ASSERT_EQUAL(shake(GOOD, 1, true), GBA_OK);
    kit_close();
}

static unsigned fetched;

/* A BSF whose answer is of no use. */
static gba_err on_fetch(void *ctx, const gba_naf_query *q, gba_naf_keys *out)
{
    (void)ctx;
    (void)q;
    *out = (gba_naf_keys){0};
    fetched++;
    return GBA_OK;
}

/* Each query has its end told: else the source that caused it stays charged, and is locked out. */
static void test_learned(void)
{
    static const char *const fqdns[] = {"maf.example.com"}, *const domains[] = {"bsf.example.com"};
    const gba_naf_config nc = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = domains, .n_bsfs = 1, .unknown_per_source = 4};
    const char *text;

    open_maf();
    CU_ASSERT_EQUAL_FATAL(gba_naf_new(&nc, &kit.c.naf, &text), GBA_OK);
    kit.c.zn = on_fetch;
    fetched = 0;
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(shake("3GPP-bootstrapping;YWJj@bsf.example.com", 1, false), GBA_E_BUSY);
    CU_ASSERT_EQUAL(fetched, 20);
    gba_naf_free(&kit.c.naf);
    kit_close();
}

T_MAIN("keys at the MAF", {"strangers at a MEF", test_strangers}, {"what counts against a source", test_charged},
       {"whom a MEF names", test_named}, {"one query for a KeID", test_single_flight},
       {"each query at a BSF is told its end", test_learned})
