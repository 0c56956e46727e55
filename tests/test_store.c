/* SPDX-License-Identifier: Apache-2.0 */
/* test_store.c - what every driver must do: one conformance test, over the table of drivers. */
#include "tests/store_world.h"
#include <signal.h>
#include <sys/wait.h>

static const test_driver *drv;

static void basics(void)
{
    world w;
    world_open(&w, drv);
    store_record r;
    size_t failed = 9;
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("a"), NOW, &r), GBA_E_UNKNOWN);
    store_op put = op_put(STORE_SESSION, "a", "one", 0);
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, &failed), GBA_OK);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("a"), NOW, &r), GBA_OK);
    CU_ASSERT(r.n == 3 && memcmp(r.value, "one", 3) == 0 && r.version >= 1 && r.expiry == 0);
    uint64_t v1 = r.version;
    store_record_free(&r);
    CU_ASSERT_PTR_NULL(r.value);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_HEAD, gba_str("a"), NOW, &r), GBA_E_UNKNOWN); /* kinds are apart */

    store_op none = op_put(STORE_SESSION, "none", "x", 0);
    none.type = STORE_SWAP; /* of what is not there: stale, also with version 0 */
    CU_ASSERT_EQUAL(store_write(w.s, &none, 1, NOW, &failed), GBA_E_STALE);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("none"), NOW, &r), GBA_E_UNKNOWN);

    store_op insert = op_put(STORE_SESSION, "a", "two", 0);
    insert.type = STORE_INSERT;
    CU_ASSERT_EQUAL(store_write(w.s, &insert, 1, NOW, &failed), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(failed, 0);
    store_op swap = op_put(STORE_SESSION, "a", "three", 0);
    swap.type = STORE_SWAP;
    swap.version = v1 + 1000;
    CU_ASSERT_EQUAL(store_write(w.s, &swap, 1, NOW, &failed), GBA_E_STALE);
    swap.version = v1;
    CU_ASSERT_EQUAL(store_write(w.s, &swap, 1, NOW, &failed), GBA_OK);
    CU_ASSERT_EQUAL(store_write(w.s, &swap, 1, NOW, &failed), GBA_E_STALE);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("a"), NOW, &r), GBA_OK);
    CU_ASSERT(r.n == 5 && r.version > v1);
    uint64_t v2 = r.version;
    store_record_free(&r);

    store_op take = {.type = STORE_TAKE, .kind = STORE_SESSION, .key = gba_str("a"), .version = v1};
    CU_ASSERT_EQUAL(store_write(w.s, &take, 1, NOW, &failed), GBA_E_STALE);
    take.version = 0;
    CU_ASSERT_EQUAL(store_write(w.s, &take, 1, NOW, &failed), GBA_OK);
    CU_ASSERT_EQUAL(store_write(w.s, &take, 1, NOW, &failed), GBA_E_UNKNOWN);
    take.optional = true;
    CU_ASSERT_EQUAL(store_write(w.s, &take, 1, NOW, &failed), GBA_OK);
    CU_ASSERT_EQUAL(store_write(w.s, &insert, 1, NOW, &failed), GBA_OK);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("a"), NOW, &r), GBA_OK);
    CU_ASSERT(r.version > v2); /* a version never comes back, not even after TAKE */
    store_record_free(&r);
    swap.version = v2;
    CU_ASSERT_EQUAL(store_write(w.s, &swap, 1, NOW, &failed), GBA_E_STALE);

    store_op empty = op_put(STORE_SESSION, "empty", "", 0);
    CU_ASSERT_EQUAL(store_write(w.s, &empty, 1, NOW, &failed), GBA_OK);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("empty"), NOW, &r), GBA_OK);
    CU_ASSERT(r.n == 0 && r.value != NULL);
    store_record_free(&r);
    world_free(&w);
}

/* ---- batches planned by what is stored ---- */
typedef struct planned {
    tally t;
    gba_err refuse, got; /* what the plan says; what done was told */
    size_t failed;
    bool there;          /* the plan was given a record */
    unsigned char value;
    int64_t expiry;
    size_t ops; /* 0: one */
    store_op op;
} planned;

static gba_err one_more(void *ctx, const store_record *r, const store_op **ops, size_t *n)
{
    planned *p = ctx;
    p->there = r != NULL;
    if (p->refuse != GBA_OK)
        return p->refuse;
    p->value = (unsigned char)(r != NULL && r->n == 1 ? r->value[0] + 1 : 1);
    p->op = (store_op){.type = STORE_PUT, .kind = STORE_HEAD, .key = gba_str("count"), .value = gba_mem(&p->value, 1),
                       .expiry = p->expiry};
    *ops = &p->op;
    *n = p->ops > 0 ? p->ops : 1;
    return GBA_OK;
}

static void planned_done(void *ctx, gba_err err, size_t failed)
{
    planned *p = ctx;
    p->got = err;
    p->failed = failed;
    tally_done(&p->t, err, failed);
}

static gba_err plan_and_wait(store *s, planned *p, int64_t now)
{
    tally_init(&p->t);
    CU_ASSERT_EQUAL_FATAL(store_submit_plan(s, STORE_HEAD, gba_str("count"), now, one_more, planned_done, p), GBA_OK);
    tally_wait(&p->t, 1);
    return p->got;
}

static void plans(void)
{
    world w;
    world_open(&w, drv);
    planned p = {.expiry = NOW + 100}, no = {.refuse = GBA_E_STALE}, many = {.ops = 17};
    CU_ASSERT_EQUAL(plan_and_wait(w.s, &p, NOW), GBA_OK);
    CU_ASSERT(!p.there && value_is(w.s, STORE_HEAD, "count", "\1"));
    CU_ASSERT_EQUAL(plan_and_wait(w.s, &p, NOW), GBA_OK);
    CU_ASSERT(p.there && value_is(w.s, STORE_HEAD, "count", "\2"));
    CU_ASSERT_EQUAL(plan_and_wait(w.s, &no, NOW), GBA_E_STALE);
    CU_ASSERT(no.there && no.failed == 0);
    CU_ASSERT_EQUAL(plan_and_wait(w.s, &many, NOW), GBA_E_ARG);
    CU_ASSERT(value_is(w.s, STORE_HEAD, "count", "\2"));
    p.expiry = 0;
    CU_ASSERT_EQUAL(plan_and_wait(w.s, &p, NOW + 100), GBA_OK); /* it has expired */
    CU_ASSERT(!p.there && value_is(w.s, STORE_HEAD, "count", "\1"));

    uint8_t key[STORE_KEY_MAX + 1] = {1};
    CU_ASSERT_EQUAL(store_submit_plan(w.s, STORE_HEAD, gba_mem(key, 0), NOW, one_more, planned_done, &p), GBA_E_ARG);
    CU_ASSERT_EQUAL(store_submit_plan(w.s, STORE_HEAD, GBA_SPAN(key), NOW, one_more, planned_done, &p), GBA_E_RANGE);

    /* Two handles: none loses the other's count, and none is told STALE. */
    enum { EACH = 100 };
    static planned race[2 * EACH];
    store *other = world_handle(&w);
    for (unsigned i = 0; i < 2 * EACH; i++) {
        race[i] = (planned){0};
        CU_ASSERT_EQUAL(store_submit_plan(i % 2 ? w.s : other, STORE_HEAD, gba_str("count"), NOW, one_more, planned_done,
                                          (tally_init(&race[i].t), &race[i])), GBA_OK);
    }
    for (unsigned i = 0; i < 2 * EACH; i++) {
        tally_wait(&race[i].t, 1);
        CU_ASSERT_EQUAL(race[i].got, GBA_OK);
    }
    CU_ASSERT(value_is(w.s, STORE_HEAD, "count", "\311")); /* 201 */
    store_close(&other);
    world_free(&w);
}

static void limits(void)
{
    world w;
    world_open(&w, drv);
    uint8_t *big = calloc(1, STORE_VALUE_MAX + 1);
    uint8_t key[STORE_KEY_MAX + 1] = {7, 0, 0xff};
    store_op o = {.type = STORE_PUT, .kind = STORE_GUSS, .key = gba_mem(key, STORE_KEY_MAX),
                  .value = gba_mem(big, STORE_VALUE_MAX)};
    store_record r;
    CU_ASSERT_EQUAL(store_write(w.s, &o, 1, NOW, NULL), GBA_OK);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_GUSS, o.key, NOW, &r), GBA_OK);
    CU_ASSERT_EQUAL(r.n, STORE_VALUE_MAX);
    store_record_free(&r);
    o.value.n++;
    CU_ASSERT_EQUAL(store_write(w.s, &o, 1, NOW, NULL), GBA_E_RANGE);
    o.value.n = 1;
    o.key.n++;
    CU_ASSERT_EQUAL(store_write(w.s, &o, 1, NOW, NULL), GBA_E_RANGE);
    o.key.n = 0;
    CU_ASSERT_EQUAL(store_write(w.s, &o, 1, NOW, NULL), GBA_E_ARG);
    store_op many[17];
    for (int i = 0; i < 17; i++)
        many[i] = op_put(STORE_HEAD, "x", "y", 0);
    CU_ASSERT_EQUAL(store_write(w.s, many, 17, NOW, NULL), GBA_E_ARG);
    CU_ASSERT_EQUAL(store_write(w.s, many, 16, NOW, NULL), GBA_OK);
    free(big);
    world_free(&w);

    store *s = NULL;
    char why[512];
    store_config c = {.url = "mysql:x", .key_file = "/nonexistent"};
    CU_ASSERT_EQUAL(store_open(&c, &s, why, sizeof why), GBA_E_UNSUPPORTED);
    CU_ASSERT_PTR_NULL(s);
}

static void batches(void)
{
    world w;
    world_open(&w, drv);
    size_t failed = 0;
    store_op first[2] = {op_put(STORE_SESSION, "s", "1", 0), op_put(STORE_HEAD, "h", "1", 0)};
    CU_ASSERT_EQUAL(store_write(w.s, first, 2, NOW, &failed), GBA_OK);
    /* The third fails: nothing of the batch is written. */
    store_op bad[3] = {op_put(STORE_SESSION, "s", "2", 0), op_put(STORE_HEAD, "h", "2", 0),
                       op_put(STORE_SESSION, "s", "3", 0)};
    bad[2].type = STORE_INSERT;
    CU_ASSERT_EQUAL(store_write(w.s, bad, 3, NOW, &failed), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(failed, 2);
    CU_ASSERT(value_is(w.s, STORE_SESSION, "s", "1"));
    CU_ASSERT(value_is(w.s, STORE_HEAD, "h", "1"));

    /* Many in flight: a failing one does not disturb its neighbours, and each sees the earlier ones. */
    tally t;
    tally_init(&t);
    for (int i = 0; i < 500; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k%d", i / 2);
        store_op o = op_put(STORE_TMPI, key, "v", 0);
        o.type = STORE_INSERT; /* each key twice: the second one must fail */
        CU_ASSERT_EQUAL(store_submit(w.s, &o, 1, NOW, tally_done, &t), GBA_OK);
    }
    tally_wait(&t, 500);
    CU_ASSERT_EQUAL(t.ok, 250);
    CU_ASSERT_EQUAL(t.forbidden, 250);
    uint64_t n;
    CU_ASSERT_EQUAL(store_count(w.s, STORE_TMPI, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 250);
    world_free(&w);
}

static void expiry(void)
{
    world w;
    world_open(&w, drv);
    store_record r;
    unsigned gone;
    for (int i = 0; i < 1300; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "e%04d", i);
        store_op o = op_put(STORE_SESSION, key, "v", NOW + 10);
        CU_ASSERT_EQUAL(store_write_many(w.s, &o, 1), GBA_OK);
    }
    store_op keep = op_put(STORE_SESSION, "e0001", "longer", NOW + 100);
    store_op forever = op_put(STORE_SESSION, "e0002", "always", 0);
    CU_ASSERT_EQUAL(store_write(w.s, &keep, 1, NOW, NULL), GBA_OK);
    CU_ASSERT_EQUAL(store_write(w.s, &forever, 1, NOW, NULL), GBA_OK);
    CU_ASSERT_EQUAL(store_sweep(w.s, NOW, 10000, &gone), GBA_OK);
    CU_ASSERT_EQUAL(gone, 0);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("e0000"), NOW + 9, &r), GBA_OK);
    store_record_free(&r);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SESSION, gba_str("e0000"), NOW + 10, &r), GBA_E_EXPIRED);
    CU_ASSERT_PTR_NULL(r.value);
    /* An expired record counts as absent: INSERT replaces it, TAKE does not find it. */
    store_op ins = op_put(STORE_SESSION, "e0000", "again", NOW + 500);
    ins.type = STORE_INSERT;
    CU_ASSERT_EQUAL(store_write(w.s, &ins, 1, NOW + 9, NULL), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(store_write(w.s, &ins, 1, NOW + 10, NULL), GBA_OK);
    store_op take = {.type = STORE_TAKE, .kind = STORE_SESSION, .key = gba_str("e0003")};
    CU_ASSERT_EQUAL(store_write(w.s, &take, 1, NOW + 10, NULL), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(store_sweep(w.s, NOW + 10, 100, &gone), GBA_OK);
    CU_ASSERT(gone > 0 && gone <= 100);
    unsigned sum = gone;
    CU_ASSERT_EQUAL(store_sweep(w.s, NOW + 10, 10000, &gone), GBA_OK);
    CU_ASSERT_EQUAL(sum + gone, 1297);
    CU_ASSERT(value_is(w.s, STORE_SESSION, "e0001", "longer"));
    CU_ASSERT(value_is(w.s, STORE_SESSION, "e0002", "always"));
    CU_ASSERT(value_is(w.s, STORE_SESSION, "e0000", "again"));
    CU_ASSERT_EQUAL(store_sweep(w.s, NOW + 1000, 10000, &gone), GBA_OK);
    CU_ASSERT_EQUAL(gone, 2);
    world_free(&w);
}

typedef struct seen {
    unsigned n, stop_at;
    char last[32];
    bool ordered;
} seen;

static bool see(void *ctx, gba_span key, const store_record *r)
{
    seen *s = ctx;
    char now[32];
    (void)snprintf(now, sizeof now, "%.*s", (int)key.n, (const char *)key.p);
    s->ordered = s->ordered && strcmp(s->last, now) < 0 && r->n == 1;
    memcpy(s->last, now, sizeof now);
    return ++s->n != s->stop_at;
}

static void visiting(void)
{
    world w;
    world_open(&w, drv);
    enum { N = 1000 };
    static char keys[N][32];
    static store_op ops[N + 1];
    for (int i = 0; i < N; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "key%04d", (i * 7) % N);
        ops[i] = op_put(STORE_SUBSCRIBER, keys[i], "v", i == 5 ? NOW : 0);
    }
    ops[N] = op_put(STORE_NAF, "zz", "v", 0);
    CU_ASSERT_EQUAL(store_write_many(w.s, ops, N + 1), GBA_OK);
    ops[0].type = STORE_INSERT;
    CU_ASSERT_EQUAL(store_write_many(w.s, ops, 1), GBA_E_ARG);
    store_op twice[3] = {op_put(STORE_HEAD, "b", "1", 0), op_put(STORE_HEAD, "a", "2", 0),
                         op_put(STORE_HEAD, "b", "3", 0)};
    CU_ASSERT_EQUAL(store_write_many(w.s, twice, 3), GBA_OK);
    CU_ASSERT(value_is(w.s, STORE_HEAD, "b", "3")); /* the last one wins */
    seen s = {.ordered = true};
    CU_ASSERT_EQUAL(store_each(w.s, STORE_SUBSCRIBER, gba_mem(NULL, 0), NOW, see, &s), GBA_OK);
    CU_ASSERT(s.n == N - 1 && s.ordered);
    s = (seen){.ordered = true};
    CU_ASSERT_EQUAL(store_each(w.s, STORE_SUBSCRIBER, gba_str("key0499"), NOW, see, &s), GBA_OK);
    CU_ASSERT(s.n == 500 && s.ordered);
    s = (seen){.ordered = true, .stop_at = 3};
    CU_ASSERT_EQUAL(store_each(w.s, STORE_SUBSCRIBER, gba_mem(NULL, 0), 0, see, &s), GBA_OK);
    CU_ASSERT_EQUAL(s.n, 3);
    uint64_t n;
    CU_ASSERT_EQUAL(store_count(w.s, STORE_SUBSCRIBER, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, N);
    world_free(&w);
}

static void changes(void)
{
    world w;
    world_open(&w, drv);
    store *other = world_handle(&w);
    uint64_t a = store_change_count_others(w.s), b = store_change_count_others(other);
    store_op put = op_put(STORE_HEAD, "a", "b", 0);
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_OK);
    (void)usleep(STORE_SETTLE_MS * 1000);
    CU_ASSERT_EQUAL(store_change_count_others(w.s), a);
    CU_ASSERT_NOT_EQUAL(store_change_count_others(other), b);
    CU_ASSERT(value_is(other, STORE_HEAD, "a", "b"));
    store_close(&other);
    world_free(&w);
}

/* By kind: this handle's writes of other kinds do not count, another's do, whatever they are. */
static void changes_of_a_kind(void)
{
    world w;
    world_open(&w, drv);
    store *other = world_handle(&w);
    store_op head = op_put(STORE_HEAD, "a", "b", 0), sub = op_put(STORE_SUBSCRIBER, "a", "b", 0);
    uint64_t a = store_change_count_of(w.s, STORE_SUBSCRIBER);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(store_write(w.s, &head, 1, NOW, NULL), GBA_OK);
        (void)usleep(15000);
        CU_ASSERT_EQUAL(store_change_count_of(w.s, STORE_SUBSCRIBER), a);
    }
    CU_ASSERT_EQUAL(store_write(w.s, &sub, 1, NOW, NULL), GBA_OK);
    CU_ASSERT_NOT_EQUAL(store_change_count_of(w.s, STORE_SUBSCRIBER), a); /* at once */
    a = store_change_count_of(w.s, STORE_SUBSCRIBER);
    CU_ASSERT_EQUAL(store_write_many(w.s, &sub, 1), GBA_OK);
    CU_ASSERT_NOT_EQUAL(store_change_count_of(w.s, STORE_SUBSCRIBER), a);
    a = store_change_count_of(w.s, STORE_SUBSCRIBER);
    CU_ASSERT_EQUAL(store_write(other, &sub, 1, NOW, NULL), GBA_OK);
    (void)usleep(40000);
    CU_ASSERT_NOT_EQUAL(store_change_count_of(w.s, STORE_SUBSCRIBER), a); /* without a write of ours */
    a = store_change_count_of(w.s, STORE_SUBSCRIBER);
    CU_ASSERT_EQUAL(store_write(other, &sub, 1, NOW, NULL), GBA_OK);
    CU_ASSERT_EQUAL(store_write(w.s, &head, 1, NOW, NULL), GBA_OK); /* and with one that hides it */
    (void)usleep(40000);
    CU_ASSERT_NOT_EQUAL(store_change_count_of(w.s, STORE_SUBSCRIBER), a);
    store_close(&other);
    world_free(&w);
}

/* ---- races ---- */

#define STEPS 150

typedef struct racer {
    store *s;
    unsigned done;
    int error;
} racer;

static void *count_up(void *ctx)
{
    racer *r = ctx;
    r->error = add_to_counter(r->s, "counter", STEPS);
    return NULL;
}

static void race_threads(void)
{
    world w;
    world_open(&w, drv);
    store *other = world_handle(&w);
    racer r[4] = {{.s = w.s}, {.s = w.s}, {.s = other}, {.s = other}};
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, count_up, &r[i]), 0);
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(t[i], NULL);
        CU_ASSERT_EQUAL(r[i].error, 0);
    }
    CU_ASSERT_EQUAL(counter(w.s, "counter"), 4 * STEPS);
    store_close(&other);
    world_free(&w);
}

static void race_processes(void)
{
    world w;
    world_make(&w, drv);
    pid_t child[2];
    for (int i = 0; i < 2; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            store *s = world_handle(&w);
            _exit(s != NULL ? add_to_counter(s, "counter", STEPS) : 9);
        }
    }
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(wait_for(child[i]), 0);
    w.s = world_handle(&w);
    CU_ASSERT_EQUAL(counter(w.s, "counter"), 2 * STEPS);
    world_free(&w);
}

/* A writer that rests never must not lock the other process out. */
static void fairness(void)
{
    world w;
    world_make(&w, drv);
    pid_t child = fork();
    if (child == 0) {
        store *s = world_handle(&w);
        tally t;
        tally_init(&t);
        for (int i = 0;; i++) {
            store_op o = op_put(STORE_HEAD, "busy", "v", 0);
            if (store_submit(s, &o, 1, NOW, tally_done, &t) != GBA_OK)
                (void)usleep(100);
        }
    }
    (void)usleep(300000);
    w.s = world_handle(&w);
    int64_t from = now_ms();
    for (int i = 0; i < 10; i++) {
        store_op o = op_put(STORE_TMPI, "mine", "v", 0);
        CU_ASSERT_EQUAL(store_write(w.s, &o, 1, NOW, NULL), GBA_OK);
    }
    CU_ASSERT(now_ms() - from < 8000);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    world_free(&w);
}

static void kill_rounds(void)
{
    world w;
    world_make(&w, drv);
    unsigned total = 0;
    for (int round = 0; round < 20; round++) {
        int out[2];
        CU_ASSERT_EQUAL_FATAL(pipe(out), 0);
        pid_t child = fork();
        if (child == 0) {
            (void)close(out[0]);
            acknowledge_forever(&w, round, out[1]);
        }
        (void)close(out[1]);
        unsigned got = 0, number, max = 0;
        int64_t until = 0;
        /* Kill once some are acknowledged; read what it still said before it died. */
        while (read(out[0], &number, sizeof number) == (ssize_t)sizeof number) {
            max = number;
            if (got++ == 0)
                until = now_ms() + 5 + round * 4;
            if (until != 0 && now_ms() >= until) {
                (void)kill(child, SIGKILL);
                until = 0;
            }
        }
        (void)waitpid(child, NULL, 0);
        (void)close(out[0]);
        CU_ASSERT(got > 0 && max + 1 == got); /* in order */
        store *s = world_handle(&w);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        unsigned lost = 0, halves = 0;
        for (unsigned i = 0; i < got; i++) {
            char key[48];
            (void)snprintf(key, sizeof key, "r%d-%u", round, i);
            bool a = value_is(s, STORE_SESSION, key, "v"), b = value_is(s, STORE_TMPI, key, "v");
            lost += !a;
            halves += a != b;
        }
        CU_ASSERT_EQUAL(lost, 0);
        CU_ASSERT_EQUAL(halves, 0);
        total += got;
        store_close(&s);
    }
    printf("(%u acknowledged batches) ", total);
    world_free(&w);
}

/* ---- sealing ---- */

typedef struct rotor {
    store *s;
    atomic_bool stop;
    int error;
    unsigned n;
} rotor;

static void *keep_counting(void *ctx)
{
    rotor *r = ctx;
    while (r->error == 0 && !atomic_load(&r->stop)) {
        r->error = add_to_counter(r->s, "thread", 1);
        r->n++;
    }
    return NULL;
}

static void progress(void *ctx, uint64_t at, uint64_t total)
{
    uint64_t *last = ctx;
    CU_ASSERT(at >= *last || at <= total);
    *last = at;
}

static void rotation(void)
{
    world w;
    world_make(&w, drv);
    pid_t child = fork();
    if (child == 0) { /* writes and reads all the time, also while the keys change */
        store *s = world_handle(&w);
        int bad = s == NULL ? 9 : 0;
        for (int i = 0; bad == 0 && i < 400; i++) {
            bad = add_to_counter(s, "process", 1);
            if (bad == 0 && i > 0 && counter(s, "process") != (unsigned)i + 1)
                bad = 8;
        }
        store_close(&s);
        _exit(bad);
    }
    w.s = world_handle(&w);
    enum { N = 2000 };
    static char keys[N][32];
    static store_op ops[N];
    for (int i = 0; i < N; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "key%04d", i);
        ops[i] = op_put(STORE_SUBSCRIBER, keys[i], "v", 0);
    }
    CU_ASSERT_EQUAL(store_write_many(w.s, ops, N), GBA_OK);
    store *idle = world_handle(&w);
    CU_ASSERT(value_is(idle, STORE_SUBSCRIBER, "key0000", "v"));
    rotor r = {.s = world_handle(&w)};
    pthread_t t;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, keep_counting, &r), 0);
    store_record before, after;
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SUBSCRIBER, gba_str("key0007"), NOW, &before), GBA_OK);
    for (int i = 0; i < 4; i++) {
        uint64_t last = 0;
        CU_ASSERT_EQUAL(store_rotate(w.s, progress, &last), GBA_OK);
        CU_ASSERT(last >= N);
    }
    atomic_store(&r.stop, true);
    (void)pthread_join(t, NULL);
    CU_ASSERT_EQUAL(r.error, 0);
    CU_ASSERT_EQUAL(wait_for(child), 0);
    CU_ASSERT_EQUAL(counter(w.s, "thread"), r.n);
    CU_ASSERT_EQUAL(counter(w.s, "process"), 400);
    CU_ASSERT_EQUAL(store_get(w.s, STORE_SUBSCRIBER, gba_str("key0007"), NOW, &after), GBA_OK);
    CU_ASSERT_EQUAL(before.version, after.version); /* a SWAP that raced stays right */
    store_record_free(&before);
    store_record_free(&after);
    seen s = {.ordered = true}; /* a handle that slept through it all */
    CU_ASSERT_EQUAL(store_each(idle, STORE_SUBSCRIBER, gba_mem(NULL, 0), NOW, see, &s), GBA_OK);
    CU_ASSERT(s.n == N && s.ordered);
    CU_ASSERT_EQUAL(drv->data_keys(&w), 1); /* the old ones are destroyed */
    store_op put = op_put(STORE_HEAD, "late", "v", 0);
    CU_ASSERT_EQUAL(store_write(idle, &put, 1, NOW, NULL), GBA_OK);
    CU_ASSERT(value_is(w.s, STORE_HEAD, "late", "v"));
    store_close(&r.s);
    store_close(&idle);
    world_free(&w);
}

static void *rotate_it(void *ctx)
{
    rotor *r = ctx;
    r->error = (int)store_rotate(r->s, NULL, NULL);
    return NULL;
}

static void two_rotations(void)
{
    world w;
    world_open(&w, drv);
    for (int i = 0; i < 600; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k%d", i);
        store_op o = op_put(STORE_NAF, key, "v", 0);
        CU_ASSERT_EQUAL(store_write_many(w.s, &o, 1), GBA_OK);
    }
    rotor r[2] = {{.s = w.s}, {.s = world_handle(&w)}};
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, rotate_it, &r[i]), 0);
    for (int i = 0; i < 2; i++) {
        (void)pthread_join(t[i], NULL);
        CU_ASSERT_EQUAL(r[i].error, GBA_OK);
    }
    CU_ASSERT_EQUAL(drv->data_keys(&w), 1);
    for (int i = 0; i < 600; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k%d", i);
        CU_ASSERT(value_is(w.s, STORE_NAF, key, "v"));
    }
    store_close(&r[1].s);
    world_free(&w);
}

static void backup(void)
{
    world w;
    world_open(&w, drv);
    CU_ASSERT_EQUAL(add_to_counter(w.s, "counter", 20), 0);
    rotor r = {.s = w.s};
    pthread_t t;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, keep_counting, &r), 0);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/backup.db", w.dir);
    uint64_t last = 0;
    CU_ASSERT_EQUAL(store_backup(w.s, path, progress, &last), GBA_OK);
    CU_ASSERT_EQUAL(store_backup(w.s, path, NULL, NULL), GBA_E_FORBIDDEN); /* never overwrites */
    char why[512];
    store_why(w.s, why, sizeof why);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, path));
    atomic_store(&r.stop, true);
    (void)pthread_join(t, NULL);
    CU_ASSERT_EQUAL(r.error, 0);
    /* The store may rotate afterwards: the backup keeps its own data keys. */
    CU_ASSERT_EQUAL(store_rotate(w.s, NULL, NULL), GBA_OK);
    world copy = w;
    (void)snprintf(copy.url, sizeof copy.url, "%s%s", drv->scheme, path);
    store *s = world_handle(&copy);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(counter(s, "counter"), 20);
    CU_ASSERT_EQUAL(add_to_counter(s, "counter", 1), 0);
    store_close(&s);
    world_free(&w);
}

static void keys_lost_and_changed(void)
{
    world w;
    world_open(&w, drv);
    CU_ASSERT_EQUAL(add_to_counter(w.s, "counter", 3), 0);
    store_close(&w.s);
    char original[4096], changed[8192], why[512];
    slurp(w.key, original, sizeof original);
    char *id = strstr(original, "\nk");
    CU_ASSERT_PTR_NOT_NULL_FATAL(id);
    char old_line[128], old_id[40];
    CU_ASSERT_EQUAL_FATAL(sscanf(id + 1, "%39s", old_id), 1);
    (void)snprintf(old_line, sizeof old_line, "%.*s", (int)strcspn(id + 1, "\n"), id + 1);

    /* Another key: the message names the file and the key that is missing. */
    const char *other = "new 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    spit(w.key, other);
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
    CU_ASSERT(strstr(why, w.key) != NULL && strstr(why, old_id) != NULL);
    /* The right id, wrong octets. */
    (void)snprintf(changed, sizeof changed, "%s %s", old_id, other + 4);
    spit(w.key, changed);
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "not the one"));
    (void)unlink(w.key);
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, w.key));

    /* A new first line; rewrap; the old line can go. A daemon that runs meanwhile goes on. */
    spit(w.key, original);
    store *daemon = world_handle(&w);
    (void)snprintf(changed, sizeof changed, "# rotated\n%s%s\n", other, old_line);
    spit(w.key, changed);
    w.s = world_handle(&w);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.s);
    CU_ASSERT_EQUAL(store_rewrap(w.s), GBA_OK);
    CU_ASSERT_EQUAL(add_to_counter(daemon, "counter", 1), 0);
    store_close(&w.s);
    spit(w.key, other);
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_OK);
    w.s = world_handle(&w);
    CU_ASSERT_EQUAL(counter(w.s, "counter"), 4);
    CU_ASSERT_EQUAL(store_rotate(w.s, NULL, NULL), GBA_OK);
    CU_ASSERT_EQUAL(add_to_counter(daemon, "counter", 1), 0);
    store_close(&daemon);
    world_free(&w);
}

static void read_only(void)
{
    world w;
    world_make(&w, drv);
    char why[512];
    store_config c = {.url = w.url, .key_file = w.key};
    CU_ASSERT_EQUAL(store_open(&c, &w.s, why, sizeof why), GBA_E_UNKNOWN);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, w.url + strlen(drv->scheme)));
    w.s = world_handle(&w);
    CU_ASSERT_EQUAL(add_to_counter(w.s, "counter", 2), 0);
    c.read_only = true;
    store *s = NULL;
    CU_ASSERT_EQUAL_FATAL(store_open(&c, &s, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(counter(s, "counter"), 2);
    store_op put = op_put(STORE_HEAD, "a", "b", 0);
    CU_ASSERT_EQUAL(store_write(s, &put, 1, NOW, NULL), GBA_E_ARG);
    CU_ASSERT_EQUAL(store_write_many(s, &put, 1), GBA_E_ARG);
    CU_ASSERT_EQUAL(store_rotate(s, NULL, NULL), GBA_E_ARG);
    CU_ASSERT_EQUAL(add_to_counter(w.s, "counter", 1), 0);
    CU_ASSERT_EQUAL(counter(s, "counter"), 3);
    CU_ASSERT_EQUAL(store_health(s, why, sizeof why), GBA_OK);
    store_close(&s);
    world_free(&w);
}

static bool recent_is(store *s, const char *key, const char *value)
{
    store_record r;
    gba_err e = store_get_recent(s, STORE_SESSION, gba_str(key), NOW, &r);
    bool same = e == GBA_OK ? value && r.n == strlen(value) && memcmp(r.value, value, r.n) == 0
                            : e == GBA_E_UNKNOWN && !value;
    if (e == GBA_OK)
        store_record_free(&r);
    return same;
}

/* What this handle writes is seen at once, what others write after a moment. */
static void recent(void)
{
    world w;
    world_open(&w, drv);
    store *other = world_handle(&w);
    store_record r;
    store_op put = op_put(STORE_SESSION, "a", "one", NOW + 10);
    store_op take = {.type = STORE_TAKE, .kind = STORE_SESSION, .key = gba_str("a")};
    CU_ASSERT(recent_is(w.s, "a", NULL));
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_OK);
    for (int i = 0; i < 3; i++)
        CU_ASSERT(recent_is(w.s, "a", "one"));
    CU_ASSERT_EQUAL(store_get_recent(w.s, STORE_HEAD, gba_str("a"), NOW, &r), GBA_E_UNKNOWN); /* another kind */
    CU_ASSERT_EQUAL(store_get_recent(w.s, STORE_SESSION, gba_str("a"), NOW + 10, &r), GBA_E_EXPIRED);
    put.value = gba_str("two");
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_OK);
    CU_ASSERT(recent_is(w.s, "a", "two"));
    CU_ASSERT(recent_is(w.s, "a", "two"));
    put.value = gba_str("three");
    CU_ASSERT_EQUAL(store_write(other, &put, 1, NOW, NULL), GBA_OK);
    (void)usleep(STORE_SETTLE_MS * 1000);
    CU_ASSERT(recent_is(w.s, "a", "three"));
    CU_ASSERT_EQUAL(store_rotate(w.s, NULL, NULL), GBA_OK); /* what is kept is sealed under the old key */
    CU_ASSERT(recent_is(w.s, "a", "three"));
    CU_ASSERT_EQUAL(store_write(other, &take, 1, NOW, NULL), GBA_OK);
    (void)usleep(STORE_SETTLE_MS * 1000);
    CU_ASSERT(recent_is(w.s, "a", NULL));
    CU_ASSERT_EQUAL(store_write(other, &put, 1, NOW, NULL), GBA_OK);
    CU_ASSERT_EQUAL(store_write(w.s, &take, 1, NOW, NULL), GBA_OK);
    CU_ASSERT(recent_is(w.s, "a", NULL));
    store_close(&other);
    world_free(&w);
}

int main(void)
{
    static const CU_TestInfo tests[] = {
        {"put, get, insert, swap, take", basics},
        {"limits", limits},
        {"read lately", recent},
        {"planned batches", plans},
        {"batches are atomic and apart", batches},
        {"expiry, tombstones, sweep", expiry},
        {"visiting in key order, imports", visiting},
        {"change count", changes}, {"changes of a kind", changes_of_a_kind},
        {"two handles, four threads", race_threads},
        {"two processes", race_processes},
        {"a busy process lets others in", fairness},
        {"kill -9, 20 rounds", kill_rounds},
        {"rotation under writes", rotation},
        {"two rotations at once", two_rotations},
        {"backup and restore", backup},
        {"lost and wrong keys, rewrap", keys_lost_and_changed},
        {"read only", read_only},
        CU_TEST_INFO_NULL,
    };
    unsigned failures = 0;
    for (const test_driver *d = test_drivers; d->scheme != NULL; d++) {
        drv = d;
        CU_SuiteInfo suites[] = {{d->scheme, NULL, NULL, NULL, NULL, (CU_TestInfo *)tests}, CU_SUITE_INFO_NULL};
        if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
            return 2;
        CU_basic_set_mode(CU_BRM_VERBOSE);
        (void)CU_basic_run_tests();
        failures += CU_get_number_of_failures();
        CU_cleanup_registry();
    }
    return failures == 0 ? 0 : 1;
}
