/* SPDX-License-Identifier: Apache-2.0 */
#include "bsf/av_local.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "service/metrics.h"
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

typedef struct got {
    gba_err err;
    uint8_t rand[16], autn[16];
    gba_secret xres;
    bool recomputable;
} got;

static void on_vector(void *ctx, gba_err e, const av_result *r)
{
    got *g = ctx;
    *g = (got){.err = e};
    if (!r)
        return;
    memcpy(g->rand, r->vector.rand, 16);
    memcpy(g->autn, r->vector.autn, 16);
    g->xres = r->vector.xres;
    g->recomputable = r->recomputable;
}

static got fetch(av_source *a, const char *impi, const av_resync *rs)
{
    got g;
    gba_impi i = kit_impi(impi);
    a->ops->fetch(a, &i, rs, on_vector, &g);
    return g;
}

static uint64_t sqn_of(const got *g)
{
    gba_aka_key key = {.algorithm = GBA_MILENAGE, .k = t_secret(KIT_K), .opc = t_secret(KIT_OPC)};
    const uint8_t zero[6] = {0}, amf[2] = {0};
    gba_aka_f f;
    uint64_t sqn = 0;
    CU_ASSERT_EQUAL_FATAL(gba_aka_key_check(&key), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_aka_functions(&key, g->rand, zero, amf, &f), GBA_OK);
    for (int i = 0; i < 6; i++)
        sqn = sqn << 8 | (uint8_t)(g->autn[i] ^ f.ak[i]);
    gba_aka_f_wipe(&f);
    return sqn;
}

static void first_sqn(void)
{
    kit k = {0};
    kit_options o = {.ind = 7};
    uint64_t sqn = gba_sqn_make(&gba_sqn_default, 1000, 31);

    kit_open(&k, &o, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", sqn);
    got g = fetch(k.av, KIT_IMPI, NULL);
    CU_ASSERT_EQUAL_FATAL(g.err, GBA_OK);
    CU_ASSERT_TRUE(g.recomputable);
    CU_ASSERT_EQUAL(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)), 1001); /* just above the provisioned one */
    CU_ASSERT_EQUAL(gba_sqn_ind(&gba_sqn_default, sqn_of(&g)), 7);
    CU_ASSERT_EQUAL(g.autn[6], 0); /* AMF: the separation bit is clear */
    g = fetch(k.av, KIT_IMPI, NULL);
    CU_ASSERT_EQUAL(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)), 1002);
    kit_now_ms += 5000;
    g = fetch(k.av, KIT_IMPI, NULL);
    CU_ASSERT_EQUAL(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)), 1051);
    kit_close(&k, false);
    kit_now_ms -= 5000;
}

static void refused(void)
{
    kit k = {0};
    rec_subscriber sub;

    kit_open(&k, NULL, false);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_E_UNKNOWN);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_OK);
    kit_subscriber_get(&k, KIT_IMPI, &sub);
    sub.blocked = true;
    kit_subscriber_put(&k, KIT_IMPI, &sub);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_E_FORBIDDEN);
    sub.blocked = false;
    sub.seq_offset = INT64_MIN / 2; /* no SEQ that could be sent */
    kit_subscriber_put(&k, KIT_IMPI, &sub);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_E_CORRUPT);
    uint8_t junk[] = {1, 2, 3};
    size_t failed;
    store_op op = {.type = STORE_PUT, .kind = STORE_SUBSCRIBER, .key = gba_str(KIT_IMPI), .value = GBA_SPAN(junk)};
    CU_ASSERT_EQUAL(store_write(k.store, &op, 1, kit_now_ms / 1000, &failed), GBA_OK);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_E_CORRUPT);
    rec_subscriber_wipe(&sub);
    kit_close(&k, false);
}

static void recompute(void)
{
    kit k = {0};
    gba_impi impi = kit_impi(KIT_IMPI), other = kit_impi("x@y");
    av_result r = {0};

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    got g = fetch(k.av, KIT_IMPI, NULL);
    CU_ASSERT_EQUAL(k.av->ops->recompute(k.av, &impi, g.rand, &r), GBA_OK);
    CU_ASSERT_TRUE(gba_secret_eq(&r.vector.xres, &g.xres));
    gba_vector_wipe(&r.vector);
    CU_ASSERT_EQUAL(k.av->ops->recompute(k.av, &other, g.rand, &r), GBA_E_UNKNOWN);
    kit_close(&k, false);
}

static void put_guss(kit *k, const char *xml)
{
    store_op op = {.type = xml ? STORE_PUT : STORE_TAKE, .kind = STORE_GUSS, .key = gba_str(KIT_IMPI), .value = gba_str(xml)};
    CU_ASSERT_EQUAL(store_write(k->store, &op, 1, kit_now_ms / 1000, NULL), GBA_OK);
}

static int64_t lifetime(kit *k)
{
    gba_impi impi = kit_impi(KIT_IMPI);
    const uint8_t rand[16] = {1};
    av_result r = {.lifetime = -1};
    CU_ASSERT_EQUAL(k->av->ops->recompute(k->av, &impi, rand, &r), GBA_OK);
    gba_vector_wipe(&r.vector);
    return r.lifetime;
}

/* TS 33.220 4.2.3: the GUSS's key lifetime, then the record's, then (0) the BSF's. A change shows at once. */
static void lifetimes(void)
{
    kit k = {0};
    rec_subscriber sub;
    got g;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    CU_ASSERT_EQUAL(lifetime(&k), 0);
    kit_subscriber_get(&k, KIT_IMPI, &sub);
    sub.lifetime = 600;
    kit_subscriber_put(&k, KIT_IMPI, &sub);
    CU_ASSERT_EQUAL(lifetime(&k), 600);
    put_guss(&k, "<guss><bsfInfo><lifeTime>7200</lifeTime></bsfInfo><ussList/></guss>");
    CU_ASSERT_EQUAL(lifetime(&k), 7200);
    CU_ASSERT_EQUAL(lifetime(&k), 7200);
    put_guss(&k, "<guss><bsfInfo><lifeTime>60</lifeTime></bsfInfo><ussList/></guss>");
    CU_ASSERT_EQUAL(lifetime(&k), 60);
    put_guss(&k, "<guss><ussList/></guss>");
    CU_ASSERT_EQUAL(lifetime(&k), 600);
    put_guss(&k, "<guss><bsfInfo>"); /* a damaged one keeps nobody from bootstrapping */
    CU_ASSERT_EQUAL(lifetime(&k), 600);
    put_guss(&k, "<guss><bsfInfo><lifeTime>61</lifeTime></bsfInfo><ussList/></guss>");
    CU_ASSERT_EQUAL(lifetime(&k), 61);
    g = fetch(k.av, KIT_IMPI, NULL); /* which does not write it into the record */
    CU_ASSERT_EQUAL(g.err, GBA_OK);
    put_guss(&k, NULL);
    CU_ASSERT_EQUAL(lifetime(&k), 600);
    rec_subscriber_wipe(&sub);
    kit_close(&k, false);
}

/* ---- no SQN twice ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static size_t repeats(uint64_t *v, size_t n)
{
    size_t same = 0;
    qsort(v, n, sizeof *v, by_value);
    for (size_t i = 1; i < n; i++)
        same += v[i] == v[i - 1];
    return same;
}

/* Each "process" goes away without a word, and the next comes up over the same folder. */
static void restarts(void)
{
    enum { LIVES = 8, EACH = 40 };
    static const int64_t step_ms[LIVES] = {0, 0, 50, -3600000, 0, 3600000, -10, 100};
    uint64_t seen[LIVES * EACH];
    kit k = {0};
    size_t n = 0;
    int64_t begin = kit_now_ms;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", gba_sqn_make(&gba_sqn_default, 10000000, 0));
    for (int life = 0; life < LIVES; life++) {
        kit_now_ms += step_ms[life];
        for (int i = 0; i < EACH; i++) {
            got g = fetch(k.av, KIT_IMPI, NULL);
            CU_ASSERT_EQUAL_FATAL(g.err, GBA_OK);
            seen[n++] = sqn_of(&g);
            if (n > 1)
                CU_ASSERT_TRUE(seen[n - 1] > seen[n - 2]); /* the card accepts each */
        }
        kit_close(&k, true);
        kit_open(&k, NULL, true);
    }
    CU_ASSERT_EQUAL(repeats(seen, n), 0);
    kit_close(&k, false);
    kit_now_ms = begin;
}

/* More challenges than ticks: the mark is moved in time, and is above what was issued. */
static void beyond_the_mark(void)
{
    enum { N = 3 * AV_RESERVE_TICKS };
    static uint64_t seen[2 * N];
    kit k = {0};
    size_t n = 0;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    for (int life = 0; life < 2; life++) {
        for (int i = 0; i < N; i++) {
            got g = fetch(k.av, KIT_IMPI, NULL);
            CU_ASSERT_EQUAL_FATAL(g.err, GBA_OK);
            seen[n++] = sqn_of(&g);
        }
        kit_close(&k, true);
        kit_open(&k, NULL, true);
    }
    CU_ASSERT_EQUAL(repeats(seen, n), 0);
    kit_close(&k, false);
}

typedef struct issuer {
    av_source *av;
    uint64_t *seen;
    size_t n;
} issuer;

static void *issue(void *p)
{
    issuer *i = p;
    for (size_t n = 0; n < i->n; n++) {
        got g = fetch(i->av, KIT_IMPI, NULL);
        i->seen[n] = g.err == GBA_OK ? sqn_of(&g) : 0;
    }
    return NULL;
}

/* Threads, and two processes that were given the same IND by mistake. */
static void threads_and_a_twin(void)
{
    enum { THREADS = 8, EACH = 500 };
    static uint64_t seen[THREADS * EACH];
    kit k = {0};
    av_source *twin;
    issuer job[THREADS];
    pthread_t t[THREADS];
    char why[128];

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    CU_ASSERT_EQUAL_FATAL(av_local_new(k.store, 0, &twin, why, sizeof why), GBA_OK);
    for (int i = 0; i < THREADS; i++) {
        job[i] = (issuer){i % 2 ? twin : k.av, seen + i * EACH, EACH};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, issue, &job[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(repeats(seen, THREADS * EACH), 0);
    CU_ASSERT_NOT_EQUAL(seen[0], 0);
    twin->ops->free(twin);
    kit_close(&k, false);
}

/* ---- AUTS ---- */

static av_resync auts_of(const got *g, kit_ue *u)
{
    av_resync rs;
    gba_card_answer_wipe(&u->card);
    CU_ASSERT_EQUAL_FATAL(gba_aka_card(&u->key, &gba_sqn_default, &u->array, g->rand, g->autn, false, &u->card), GBA_E_SYNC);
    memcpy(rs.rand, g->rand, 16);
    memcpy(rs.auts, u->card.auts, 14);
    return rs;
}

static int64_t offset_of(kit *k)
{
    rec_subscriber sub;
    kit_subscriber_get(k, KIT_IMPI, &sub);
    int64_t o = sub.seq_offset;
    rec_subscriber_wipe(&sub);
    return o;
}

static void resync(void)
{
    kit k = {0};
    kit_ue u;
    uint64_t ms = gba_sqn_make(&gba_sqn_default, 5000000, 0);
    int64_t before, after;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    kit_ue_new(&u, KIT_IMPI, KIT_K, KIT_OPC, ms);
    got g = fetch(k.av, KIT_IMPI, NULL);
    av_resync rs = auts_of(&g, &u);
    before = offset_of(&k);
    g = fetch(k.av, KIT_IMPI, &rs);
    CU_ASSERT_EQUAL_FATAL(g.err, GBA_OK);
    CU_ASSERT_EQUAL(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)), 5000001); /* SEQ_MS + 1 */
    after = offset_of(&k);
    CU_ASSERT_NOT_EQUAL(after, before);
    CU_ASSERT_EQUAL(gba_aka_card(&u.key, &gba_sqn_default, &u.array, g.rand, g.autn, false, &u.card), GBA_OK);

    g = fetch(k.av, KIT_IMPI, &rs); /* the same AUTS once more: our next would be accepted, nothing changes */
    CU_ASSERT_EQUAL(g.err, GBA_OK);
    CU_ASSERT_EQUAL(offset_of(&k), after);
    CU_ASSERT_EQUAL(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)), 5000002);

    rs.auts[13] ^= 1;
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, &rs).err, GBA_E_AUTH);
    rs.auts[13] ^= 1;
    rs.rand[0] ^= 1;
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, &rs).err, GBA_E_AUTH);
    CU_ASSERT_EQUAL(offset_of(&k), after);
    CU_ASSERT_EQUAL(fetch(k.av, "nobody@home1.net", &rs).err, GBA_E_UNKNOWN);
    kit_ue_free(&u);
    kit_close(&k, false);
}

/* TS 33.102 C.2.1: a jump beyond delta is refused by the card; then, and only then, SQN_HE goes down. */
static void resync_down(void)
{
    kit k = {0};
    kit_ue u;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", gba_sqn_make(&gba_sqn_default, UINT64_C(1) << 30, 0));
    kit_ue_new(&u, KIT_IMPI, KIT_K, KIT_OPC, gba_sqn_make(&gba_sqn_default, 100, 0));
    got g = fetch(k.av, KIT_IMPI, NULL);
    av_resync rs = auts_of(&g, &u);
    g = fetch(k.av, KIT_IMPI, &rs);
    CU_ASSERT_EQUAL_FATAL(g.err, GBA_OK);
    CU_ASSERT_EQUAL(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)), 101);
    CU_ASSERT_EQUAL(gba_aka_card(&u.key, &gba_sqn_default, &u.array, g.rand, g.autn, false, &u.card), GBA_OK);
    kit_ue_free(&u);
    kit_close(&k, false);
}

/* A record that cannot be read is its subscriber's fault, told and counted; the others are served. */
static void record_is_damaged(void)
{
    kit k = {0};
    gba_impi impi = kit_impi("b@ims.test");
    metric *m = metric_counter("gba_av_damaged_total", NULL, "");
    av_result r = {0};
    uint8_t junk[] = {1, 7}, rand[16] = {0};
    av_resync rs = {{0}, {0}};
    size_t failed;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    store_op op = {.type = STORE_PUT, .kind = STORE_SUBSCRIBER, .key = gba_str(impi.s), .value = GBA_SPAN(junk)};
    CU_ASSERT_EQUAL(store_write(k.store, &op, 1, kit_now_ms / 1000, &failed), GBA_OK);
    int64_t before = metric_value(m);
    CU_ASSERT_EQUAL(fetch(k.av, impi.s, NULL).err, GBA_E_CORRUPT);
    CU_ASSERT_EQUAL(fetch(k.av, impi.s, &rs).err, GBA_E_CORRUPT);
    CU_ASSERT_EQUAL(k.av->ops->recompute(k.av, &impi, rand, &r), GBA_E_CORRUPT);
    CU_ASSERT_EQUAL(metric_value(m) - before, 3);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_OK);
    CU_ASSERT_EQUAL(fetch(k.av, "nobody@ims.test", NULL).err, GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(metric_value(m) - before, 3);
    kit_close(&k, false);
}

/* Whoever asks whether vectors can be had is not told of one row that cannot be opened, wherever it stands. */
static void damaged_row_and_health(void)
{
    kit k = {0};
    char path[96], sql[96], why[256] = "";
    sqlite3 *db = NULL;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, "a@ims.test", KIT_K, KIT_OPC, "0000", 0);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    CU_ASSERT_EQUAL(k.av->ops->health(k.av, why, sizeof why), GBA_OK);
    snprintf(path, sizeof path, "%s/bsf.db", k.dir);
    snprintf(sql, sizeof sql, "UPDATE rec SET version = version + 1 WHERE kind = %d AND key = x'6140696d732e74657374'",
             (int)STORE_SUBSCRIBER);
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_changes(db), 1);
    (void)sqlite3_close(db);
    CU_ASSERT_EQUAL(k.av->ops->health(k.av, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_OK);
    kit_close(&k, false);
}

static void mark_is_damaged(void)
{
    kit k = {0};
    av_source *a = NULL;
    uint8_t junk[] = {9};
    char why[256] = "";
    size_t failed;

    kit_open(&k, NULL, false);
    store_op op = {.type = STORE_PUT, .kind = STORE_COUNTER, .key = gba_str("sqn-ind-5"), .value = GBA_SPAN(junk)};
    CU_ASSERT_EQUAL(store_write(k.store, &op, 1, kit_now_ms / 1000, &failed), GBA_OK);
    CU_ASSERT_EQUAL(av_local_new(k.store, 5, &a, why, sizeof why), GBA_E_CORRUPT);
    CU_ASSERT_PTR_NULL(a);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "replica.ind 5"));
    kit_close(&k, false);
}

static void housekeeping(void)
{
    kit k = {0};
    int64_t begin = kit_now_ms;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    for (int i = 0; i < 200; i++) {
        kit_now_ms += 1000;
        CU_ASSERT_EQUAL(av_local_tick(k.av), GBA_OK);
    }
    got g = fetch(k.av, KIT_IMPI, NULL);
    CU_ASSERT_EQUAL(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)), 2001);
    kit_close(&k, true);
    kit_open(&k, NULL, true); /* at most the reserve ahead */
    g = fetch(k.av, KIT_IMPI, NULL);
    CU_ASSERT_TRUE(gba_sqn_seq(&gba_sqn_default, sqn_of(&g)) <= 2001 + AV_RESERVE_TICKS + 1);
    kit_close(&k, false);
    kit_now_ms = begin;
}

/* gba-bsfctl is another process: what it changes is seen although subscribers are cached. */
static void changed_elsewhere(void)
{
    kit k = {0};
    char url[96], key[96];
    store *other;
    store_record rec = {0};
    rec_subscriber sub;
    uint8_t value[REC_SUBSCRIBER_MAX];
    size_t n = sizeof value;

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_OK);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_OK);
    snprintf(url, sizeof url, "sqlite:%s/bsf.db", k.dir);
    snprintf(key, sizeof key, "%s/seal", k.dir);
    CU_ASSERT_EQUAL_FATAL(store_open(&(store_config){.url = url, .key_file = key}, &other, NULL, 0), GBA_OK);
    CU_ASSERT_EQUAL(store_get(other, STORE_SUBSCRIBER, gba_str(KIT_IMPI), 0, &rec), GBA_OK);
    CU_ASSERT_EQUAL(rec_subscriber_read(gba_mem(rec.value, rec.n), &sub), GBA_OK);
    sub.blocked = true;
    CU_ASSERT_EQUAL(rec_subscriber_write(&sub, value, &n), GBA_OK);
    store_op put = {.type = STORE_PUT, .kind = STORE_SUBSCRIBER, .key = gba_str(KIT_IMPI), .value = gba_mem(value, n)};
    CU_ASSERT_EQUAL(store_write(other, &put, 1, 0, NULL), GBA_OK);
    (void)usleep(40000);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_E_FORBIDDEN);
    store_op take = {.type = STORE_TAKE, .kind = STORE_SUBSCRIBER, .key = gba_str(KIT_IMPI)};
    CU_ASSERT_EQUAL(store_write(other, &take, 1, 0, NULL), GBA_OK);
    (void)usleep(40000);
    CU_ASSERT_EQUAL(fetch(k.av, KIT_IMPI, NULL).err, GBA_E_UNKNOWN);
    store_record_free(&rec);
    rec_subscriber_wipe(&sub);
    store_close(&other);
    kit_close(&k, false);
}

T_MAIN("av_local", {"the first SQN", first_sqn}, {"refused", refused}, {"recompute", recompute}, {"key lifetimes", lifetimes},
       {"restarts and steps of the clock: no SQN twice", restarts}, {"beyond the mark", beyond_the_mark},
       {"threads and a twin with the same IND", threads_and_a_twin}, {"AUTS", resync}, {"AUTS, downwards", resync_down},
       {"a record is damaged", record_is_damaged},
       {"a damaged row and health", damaged_row_and_health}, {"the mark is damaged", mark_is_damaged},
       {"housekeeping", housekeeping},
       {"changed by another process", changed_elsewhere})
