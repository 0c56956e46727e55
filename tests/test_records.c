/* SPDX-License-Identifier: Apache-2.0 */
/* test_records.c - the BSF's stored records: there and back, damage, limits, the form on disk. */
#include "bsf/records.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

typedef union any {
    rec_subscriber subscriber;
    rec_session session;
    rec_head head;
    gba_impi tmpi;
    rec_naf naf;
} any;

/* Every kind behind one pair of functions, so that each check runs on all of them. */
#define KIND(NAME, TYPE)                                                                                               \
    static gba_err w_##NAME(const any *a, uint8_t *out, size_t *n)                                                     \
    {                                                                                                                  \
        return rec_##NAME##_write(&a->NAME, out, n);                                                                   \
    }                                                                                                                  \
    static gba_err r_##NAME(gba_span in, any *a)                                                                       \
    {                                                                                                                  \
        return rec_##NAME##_read(in, &a->NAME);                                                                        \
    }
KIND(subscriber, rec_subscriber)
KIND(session, rec_session)
KIND(head, rec_head)
KIND(tmpi, gba_impi)
KIND(naf, rec_naf)

static void fill_subscriber(any *a)
{
    rec_subscriber *s = &a->subscriber;
    s->key.algorithm = GBA_MILENAGE;
    CU_ASSERT_EQUAL(gba_secret_set(&s->key.k, "0123456789abcdef", 16), GBA_OK);
    CU_ASSERT_EQUAL(gba_secret_set(&s->key.opc, "ABCDEFGHIJKLMNOP", 16), GBA_OK);
    s->key.mac_len = 8;
    s->key.res_len = 8;
    s->key.ck_len = s->key.ik_len = 16;
    s->seq_offset = -1000;
    s->sqn_initial = 0xff9bb4d0b607;
    s->created = 1700000000;
    s->lifetime = 3600;
    s->blocked = true;
}

static void fill_session(any *a)
{
    rec_session *s = &a->session;
    strcpy(s->impi.s, "234150999999999@ims.mnc015.mcc234.3gppnetwork.org");
    CU_ASSERT_EQUAL(gba_secret_set(&s->ks, "0123456789abcdef0123456789ABCDEF", 32), GBA_OK);
    memset(s->rand, 0x5a, sizeof s->rand);
    s->created = 1700000000;
    s->expires = 1700086400;
    s->challenge_ms = 1699999999500;
    s->gba_type = 1;
}

static void fill_answered(any *a)
{
    fill_session(a);
    a->session.answered = true;
    memset(a->session.answer, 0xa5, sizeof a->session.answer);
    memset(a->session.rspauth, 0x3c, sizeof a->session.rspauth);
}

/* A session that knows the answer it was made by is of format 2; those of format 1 stay readable. */
static void test_answered(void)
{
    static uint8_t o[REC_MAX];
    static any a, b, zero;
    size_t n = sizeof o;
    memset(&a, 0, sizeof a);
    fill_answered(&a);
    CU_ASSERT_EQUAL(rec_session_write(&a.session, o, &n), GBA_OK);
    CU_ASSERT_EQUAL(o[0], 2);
    CU_ASSERT_EQUAL(rec_session_read(gba_mem(o, n), &b.session), GBA_OK);
    CU_ASSERT(memcmp(&a.session, &b.session, sizeof a.session) == 0);
    for (size_t cut = 0; cut < n; cut++) {
        CU_ASSERT_EQUAL(rec_session_read(gba_mem(o, cut), &b.session), GBA_E_CORRUPT);
        CU_ASSERT(memcmp(&b.session, &zero.session, sizeof b.session) == 0);
    }
    o[0] = 1; /* octets left over */
    CU_ASSERT_EQUAL(rec_session_read(gba_mem(o, n), &b.session), GBA_E_CORRUPT);
    a.session.tombstone = true; /* a tombstone knows none */
    n = sizeof o;
    CU_ASSERT_EQUAL(rec_session_write(&a.session, o, &n), GBA_E_ARG);
    a.session.tombstone = a.session.answered = false;
    memset(a.session.impi.s, 'i', GBA_ID_MAX);
    a.session.answered = true;
    a.session.ks.n = GBA_SECRET_MAX;
    n = REC_SESSION_MAX;
    CU_ASSERT_EQUAL(rec_session_write(&a.session, o, &n), GBA_OK);
}

static void fill_tombstone(any *a)
{
    a->session.tombstone = true;
    strcpy(a->session.impi.s, "a@b");
    a->session.challenge_ms = 7;
}

static void fill_head(any *a)
{
    strcpy(a->head.btid.s, "I1RZdyXPTTj8GHEwLaTWqg==@bsf.example.com");
    a->head.challenge_ms = 1699999999500;
    strcpy(a->head.tmpi.s, "abcd@tmpi.bsf.3gppnetwork.org");
}

static void fill_tmpi(any *a)
{
    strcpy(a->tmpi.s, "user@example.com");
}

static void fill_naf(any *a)
{
    rec_grant *g = a->naf.grant;
    a->naf.n = 2;
    strcpy(g[0].fqdn.s, "naf.example.com");
    g[0].n_ua = 2;
    g[0].ua[0].n = 5;
    memcpy(g[0].ua[0].o, "\1\0\0\0\2", 5);
    g[0].ua[1].n = 3;
    memcpy(g[0].ua[1].o, "\1\0\1", 3);
    g[0].n_service = 1;
    g[0].service[0] = 0xdeadbeef;
    g[0].impi = true;
    strcpy(g[1].fqdn.s, "*.example.org");
    g[1].n_ua = 1;
    g[1].ua[0].n = 1;
    g[1].ua[0].o[0] = 1;
}

static const struct kind {
    const char *name;
    void (*fill)(any *a);
    gba_err (*write)(const any *a, uint8_t *out, size_t *n);
    gba_err (*read)(gba_span in, any *a);
    const char *disk; /* what stands on disk: a change here needs a new format octet */
} kinds[] = {
    {"subscriber", fill_subscriber, w_subscriber, r_subscriber,
     "010108081010001030313233343536373839616263646566104142434445464748494a4b4c4d4e4f500000ffffffffff"
     "fffc18ff9bb4d0b607000000006553f1000000000000000e1001"},
    {"session", fill_session, w_session, r_session,
     "01003132333431353039393939393939393940696d732e6d6e633031352e6d63633233342e336770706e6574776f726b"
     "2e6f72670000018bcfe5660c015a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a000000006553f1000000000065554280203031"
     "323334353637383961626364656630313233343536373839414243444546"},
    {"tombstone", fill_tombstone, w_session, r_session,
     "0101036140620000000000000007"},
    {"head", fill_head, w_head, r_head,
     "01284931525a6479585054546a38474845774c61545771673d3d406273662e6578616d706c652e636f6d0000018bcfe5"
     "660c1d6162636440746d70692e6273662e336770706e6574776f726b2e6f7267"},
    {"tmpi", fill_tmpi, w_tmpi, r_tmpi,
     "011075736572406578616d706c652e636f6d"},
    {"naf", fill_naf, w_naf, r_naf,
     "01020f6e61662e6578616d706c652e636f6d020501000000020301000101deadbeef010d2a2e6578616d706c652e6f72"
     "670101010000"},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static size_t write_kind(const struct kind *k, uint8_t *out)
{
    static any a;
    size_t n = REC_MAX;
    memset(&a, 0, sizeof a);
    k->fill(&a);
    CU_ASSERT_EQUAL_FATAL(k->write(&a, out, &n), GBA_OK);
    return n;
}

static void test_round_trip(void)
{
    static uint8_t o[REC_MAX], again[REC_MAX];
    static any a, b;
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n = write_kind(&kinds[i], o), m = sizeof again;
        memset(&a, 0, sizeof a);
        memset(&b, 0, sizeof b);
        kinds[i].fill(&a);
        CU_ASSERT_EQUAL(kinds[i].read(gba_mem(o, n), &b), GBA_OK);
        CU_ASSERT(memcmp(&a, &b, sizeof a) == 0);
        CU_ASSERT_EQUAL(kinds[i].write(&b, again, &m), GBA_OK);
        CU_ASSERT(m == n && memcmp(o, again, n) == 0);
    }
}

static void test_form_on_disk(void)
{
    static uint8_t o[REC_MAX];
    static char hex[2 * REC_MAX + 1];
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n = write_kind(&kinds[i], o);
        for (size_t j = 0; j < n; j++)
            snprintf(hex + 2 * j, 3, "%02x", o[j]);
        if (strcmp(hex, kinds[i].disk) != 0)
            printf("\n%s is %s\n", kinds[i].name, hex);
        CU_ASSERT_STRING_EQUAL(hex, kinds[i].disk);
    }
}

/* A grant of a NAF group makes the record one of format 2; those of format 1 stay readable. */
static void test_groups(void)
{
    static uint8_t o[REC_MAX];
    static any a, b;
    size_t n = sizeof o, m;
    memset(&a, 0, sizeof a);
    fill_naf(&a);
    strcpy(a.naf.grant[1].naf_group, "A");
    CU_ASSERT_EQUAL(rec_naf_write(&a.naf, o, &n), GBA_OK);
    CU_ASSERT_EQUAL(o[0], 2);
    CU_ASSERT_EQUAL(rec_naf_read(gba_mem(o, n), &b.naf), GBA_OK);
    CU_ASSERT(memcmp(&a.naf, &b.naf, sizeof a.naf) == 0);
    for (m = 0; m < n; m++)
        CU_ASSERT_EQUAL(rec_naf_read(gba_mem(o, m), &b.naf), GBA_E_CORRUPT);
    memset(a.naf.grant[1].naf_group, 'g', sizeof a.naf.grant[1].naf_group); /* unterminated */
    n = sizeof o;
    CU_ASSERT_EQUAL(rec_naf_write(&a.naf, o, &n), GBA_E_ARG);
}

static void test_damage(void)
{
    static uint8_t o[REC_MAX + 1], again[REC_MAX];
    static any a, zero;
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n = write_kind(&kinds[i], o);
        for (size_t cut = 0; cut < n; cut++) {
            memset(&a, 0xff, sizeof a);
            CU_ASSERT_EQUAL(kinds[i].read(gba_mem(o, cut), &a), GBA_E_CORRUPT);
        }
        o[n] = 0;
        CU_ASSERT_EQUAL(kinds[i].read(gba_mem(o, n + 1), &a), GBA_E_CORRUPT);
        for (unsigned format = 0; format < 256; format++) {
            o[0] = (uint8_t)format;
            memset(&a, 0, sizeof a);
            bool groups = format == 2 && kinds[i].read != r_head && kinds[i].read != r_tmpi &&
                          kinds[i].read != r_subscriber; /* a form that this one is not */
            CU_ASSERT_EQUAL(kinds[i].read(gba_mem(o, n), &a),
                            format == 1 ? GBA_OK : groups ? GBA_E_CORRUPT : GBA_E_UNSUPPORTED);
            CU_ASSERT((format == 1) == (memcmp(&a, &zero, sizeof a) != 0));
        }
        o[0] = 1;
        /* One octet wrong: refused with nothing left behind, or another record of the one form. */
        for (size_t j = 1; j < n; j++)
            for (unsigned x = 1; x < 256; x++) {
                size_t m = sizeof again;
                o[j] ^= (uint8_t)x;
                memset(&a, 0, sizeof a);
                gba_err e = kinds[i].read(gba_mem(o, n), &a);
                if (e == GBA_OK) {
                    if (kinds[i].write(&a, again, &m) != GBA_OK || m != n || memcmp(o, again, n) != 0)
                        CU_FAIL("a second form of a record was read");
                } else if ((e != GBA_E_CORRUPT && e != GBA_E_UNSUPPORTED) || memcmp(&a, &zero, sizeof a) != 0) {
                    CU_FAIL("wrong error, or something left behind");
                }
                o[j] ^= (uint8_t)x;
            }
    }
}

static void test_room(void)
{
    static uint8_t o[REC_MAX];
    static any a;
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n = write_kind(&kinds[i], o);
        memset(&a, 0, sizeof a);
        kinds[i].fill(&a);
        for (size_t room = 0; room < n; room++) {
            size_t m = room;
            memset(o, 0, n);
            CU_ASSERT_EQUAL(kinds[i].write(&a, o, &m), GBA_E_SPACE);
            CU_ASSERT(m == 0 && (room == 0 || o[0] == 0)); /* nothing of a key stays behind */
        }
    }
}

static void test_largest(void)
{
    static uint8_t o[REC_MAX];
    static any a, b;
    size_t n = REC_NAF_GRANTS;
    memset(&a, 0, sizeof a);
    a.naf.n = n;
    for (size_t i = 0; i < n; i++) {
        rec_grant *g = &a.naf.grant[i];
        memset(g->fqdn.s, 'a', sizeof g->fqdn.s - 1);
        g->n_ua = REC_NAF_UAS;
        for (size_t j = 0; j < REC_NAF_UAS; j++)
            g->ua[j].n = 5;
        g->n_service = REC_NAF_SERVICES;
    }
    n = sizeof o;
    CU_ASSERT_EQUAL(rec_naf_write(&a.naf, o, &n), GBA_OK);
    CU_ASSERT_EQUAL(rec_naf_read(gba_mem(o, n), &b.naf), GBA_OK);
    CU_ASSERT(memcmp(&a.naf, &b.naf, sizeof a.naf) == 0);

    memset(&a, 0, sizeof a);
    memset(a.head.btid.s, 'b', GBA_ID_MAX);
    memset(a.head.tmpi.s, 't', GBA_ID_MAX);
    n = REC_HEAD_MAX;
    CU_ASSERT_EQUAL(rec_head_write(&a.head, o, &n), GBA_OK);
    memset(&a, 0, sizeof a);
    memset(a.session.impi.s, 'i', GBA_ID_MAX);
    a.session.ks.n = GBA_SECRET_MAX;
    n = REC_SESSION_MAX;
    CU_ASSERT_EQUAL(rec_session_write(&a.session, o, &n), GBA_OK);
    n = REC_TMPI_MAX;
    CU_ASSERT_EQUAL(rec_tmpi_write(&a.session.impi, o, &n), GBA_OK);
    memset(&a, 0, sizeof a);
    a.subscriber.key.algorithm = GBA_TUAK;
    a.subscriber.key.k.n = a.subscriber.key.opc.n = 32;
    n = REC_SUBSCRIBER_MAX;
    CU_ASSERT_EQUAL(rec_subscriber_write(&a.subscriber, o, &n), GBA_OK);
}

#define REFUSED(KIND_, CHANGE)                                                                                         \
    do {                                                                                                               \
        size_t n_ = sizeof o;                                                                                          \
        memset(&a, 0, sizeof a);                                                                                       \
        fill_##KIND_(&a);                                                                                              \
        CHANGE;                                                                                                        \
        CU_ASSERT_EQUAL(w_##KIND_(&a, o, &n_), GBA_E_ARG);                                                             \
        CU_ASSERT_EQUAL(n_, 0);                                                                                        \
    } while (0)

static void test_writer_refuses(void)
{
    static uint8_t o[REC_MAX];
    static any a;
    REFUSED(subscriber, a.subscriber.key.algorithm = 3);
    REFUSED(subscriber, a.subscriber.key.k.n = 0);
    REFUSED(subscriber, a.subscriber.key.opc.n = 33);
    REFUSED(subscriber, a.subscriber.sqn_initial = GBA_SQN_MAX + 1);
    REFUSED(subscriber, a.subscriber.created = -1);
    REFUSED(subscriber, a.subscriber.lifetime = -1);
    REFUSED(session, a.session.impi.s[0] = '\0');
    REFUSED(session, memset(a.session.impi.s, 'x', sizeof a.session.impi.s));
    REFUSED(session, a.session.gba_type = 4);
    REFUSED(session, a.session.ks.n = 0);
    REFUSED(session, a.session.ks.n = GBA_SECRET_MAX + 1);
    REFUSED(session, a.session.expires = -1);
    REFUSED(session, a.session.challenge_ms = -1);
    REFUSED(head, memset(a.head.btid.s, 'x', sizeof a.head.btid.s));
    REFUSED(head, a.head.challenge_ms = -1);
    REFUSED(tmpi, a.tmpi.s[0] = '\0');
    REFUSED(naf, a.naf.n = REC_NAF_GRANTS + 1);
    REFUSED(naf, a.naf.grant[0].n_ua = 0);
    REFUSED(naf, a.naf.grant[0].n_ua = REC_NAF_UAS + 1);
    REFUSED(naf, a.naf.grant[1].ua[0].n = 0);
    REFUSED(naf, a.naf.grant[1].ua[0].n = 6);
    REFUSED(naf, a.naf.grant[0].n_service = REC_NAF_SERVICES + 1);
    REFUSED(naf, a.naf.grant[0].fqdn.s[0] = '\0');
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("records", NULL, NULL);
    CU_add_test(s, "there and back", test_round_trip);
    CU_add_test(s, "form on disk", test_form_on_disk);
    CU_add_test(s, "damage is refused", test_damage);
    CU_add_test(s, "NAF groups", test_groups);
    CU_add_test(s, "sessions that know their answer", test_answered);
    CU_add_test(s, "too little room", test_room);
    CU_add_test(s, "the largest fit", test_largest);
    CU_add_test(s, "the writer refuses nonsense", test_writer_refuses);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
