/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_sqlite.c - the SQLite driver's faults: tampering, versions, full, locked and damaged files. */
#include "service/store_impl.h"
#include "service/store_sqlite.h"
#include "tests/store_world.h"
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *db_path(const world *w)
{
    return w->url + strlen("sqlite:");
}

/* Behind the store's back. */
static void with_sqlite(const world *w, const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(db_path(w), &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        printf("%s: %s\n", sql, error);
        CU_FAIL("sqlite3_exec");
    }
    sqlite3_free(error);
    (void)sqlite3_close(db);
}

static gba_err get_err(store *s, const char *key)
{
    store_record r;
    gba_err e = store_get(s, STORE_SESSION, gba_str(key), NOW, &r);
    store_record_free(&r);
    return e;
}

static bool never(void *ctx, gba_span key, const store_record *r)
{
    (void)key;
    (void)r;
    ++*(unsigned *)ctx;
    return true;
}

static void tampering(void)
{
    static const char *const attacks[] = {
        /* two rows' values change places */
        "CREATE TEMP TABLE t AS SELECT key, value FROM rec;"
        "UPDATE rec SET value = (SELECT value FROM t WHERE t.key <> rec.key) WHERE kind = 2",
        "UPDATE rec SET expiry = expiry + 1 WHERE kind = 2",
        "UPDATE rec SET version = version + 1 WHERE kind = 2",
        "UPDATE rec SET key = CAST(key || x'41' AS BLOB) WHERE kind = 2; UPDATE rec SET key = x'61' WHERE key = x'6141'",
        "UPDATE rec SET value = x'' WHERE kind = 2",
        "UPDATE rec SET value = x'0100000001' WHERE kind = 2",
        "UPDATE rec SET value = zeroblob(length(value)) WHERE kind = 2",
        "UPDATE rec SET value = substr(value, 1, length(value) - 1) WHERE kind = 2",
        "UPDATE rec SET value = x'0100000063' || substr(value, 6) WHERE kind = 2", /* an unknown data key */
        "UPDATE rec SET value = 'text' WHERE kind = 2",
        "UPDATE rec SET value = zeroblob(200000) WHERE kind = 2",
    };
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        world w;
        world_open(&w, &test_drivers[0]);
        store_op ops[2] = {op_put(STORE_SESSION, "a", "one", NOW + 99), op_put(STORE_SESSION, "b", "two", NOW + 99)};
        CU_ASSERT_EQUAL(store_write(w.s, ops, 2, NOW, NULL), GBA_OK);
        CU_ASSERT_EQUAL(get_err(w.s, "a"), GBA_OK);
        with_sqlite(&w, attacks[i]);
        gba_err a = get_err(w.s, "a"), b = get_err(w.s, "b");
        bool moved = i == 3; /* "a" was renamed and back: unchanged; "b" is "bA" now */
        CU_ASSERT_EQUAL(a, moved ? GBA_OK : GBA_E_CORRUPT);
        CU_ASSERT_EQUAL(b, moved ? GBA_E_UNKNOWN : GBA_E_CORRUPT);
        CU_ASSERT_EQUAL(moved ? get_err(w.s, "bA") : GBA_E_CORRUPT, GBA_E_CORRUPT);
        char why[512];
        store_why(w.s, why, sizeof why);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, db_path(&w)));
        unsigned n = 0;
        CU_ASSERT_EQUAL(store_each(w.s, STORE_SESSION, gba_mem(NULL, 0), NOW, never, &n), GBA_E_CORRUPT);
        /* A rotation does not destroy the key of a record that it could not read. */
        CU_ASSERT_EQUAL(store_rotate(w.s, NULL, NULL), GBA_E_CORRUPT);
        CU_ASSERT_EQUAL(test_drivers[0].data_keys(&w), 2);
        /* The way out: remove or replace the record. */
        CU_ASSERT_EQUAL(store_write(w.s, ops, 2, NOW, NULL), GBA_OK);
        store_op drop = {.type = STORE_TAKE, .kind = STORE_SESSION, .key = gba_str("bA"), .optional = true};
        CU_ASSERT_EQUAL(store_write(w.s, &drop, 1, NOW, NULL), GBA_OK);
        CU_ASSERT_EQUAL(store_rotate(w.s, NULL, NULL), GBA_OK);
        CU_ASSERT(value_is(w.s, STORE_SESSION, "a", "one"));
        world_free(&w);
    }
}

static void key_table(void)
{
    static const char *const attacks[] = {
        "DELETE FROM dek",
        "UPDATE dek SET wrapped = zeroblob(48)",
        "UPDATE dek SET wrapped = zeroblob(7)",
        "UPDATE dek SET id = 2",
        "UPDATE state SET store_id = zeroblob(16)",
        "UPDATE state SET store_id = zeroblob(15)",
        "DELETE FROM state",
        "DROP TABLE rec; DROP TABLE dek; DROP TABLE state",
    };
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        world w;
        char why[512];
        world_open(&w, &test_drivers[0]);
        store_close(&w.s);
        with_sqlite(&w, attacks[i]);
        CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, db_path(&w)));
        world_free(&w);
    }
}

static void schema(void)
{
    world w;
    char why[512];
    world_open(&w, &test_drivers[0]);
    store_op put = op_put(STORE_SESSION, "a", "one", 0);
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_OK);
    store *old_daemon = w.s;
    w.s = NULL;

    /* Today's version becomes the older one of a program two steps ahead. */
    store_sqlite_schema ahead = store_sqlite_schema_current;
    ahead.step[ahead.n++] = "CREATE TABLE extra(id INTEGER PRIMARY KEY, note TEXT); INSERT INTO extra VALUES(1, 'x')";
    ahead.step[ahead.n++] = "UPDATE extra SET note = note || 'y'";
    store_sqlite_schema_used = &ahead;
    store_config c = {.url = w.url, .key_file = w.key, .read_only = true};
    CU_ASSERT_EQUAL(store_open(&c, &w.s, why, sizeof why), GBA_E_UNSUPPORTED); /* cannot upgrade */
    w.s = world_handle(&w);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.s);
    CU_ASSERT(value_is(w.s, STORE_SESSION, "a", "one"));
    store_close(&w.s);
    with_sqlite(&w, "UPDATE extra SET note = 'z' WHERE note = 'xy'");
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_OK); /* the steps run once */
    with_sqlite(&w, "INSERT INTO extra SELECT 2, note FROM extra WHERE note = 'z';"
                    "CREATE UNIQUE INDEX two ON extra((note = 'z' AND id = 2)) WHERE id = 2");

    /* A failing step leaves the file as it was. */
    ahead.step[ahead.n++] = "CREATE TABLE half(x); INSERT INTO nowhere VALUES(1)";
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
    ahead.n--;
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_OK);
    with_sqlite(&w, "CREATE TABLE half(x)"); /* it does not exist */

    /* The program of today refuses it, and one that still runs stops writing. */
    store_sqlite_schema_used = &store_sqlite_schema_current;
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_UNSUPPORTED);
    CU_ASSERT(strstr(why, db_path(&w)) != NULL && strstr(why, "newer") != NULL);
    CU_ASSERT_EQUAL(store_write(old_daemon, &put, 1, NOW, NULL), GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(store_health(old_daemon, why, sizeof why), GBA_E_UNSUPPORTED);
    store_close(&old_daemon);
    world_free(&w);
}

static void foreign_files(void)
{
    world w;
    char why[512];
    world_make(&w, &test_drivers[0]);
    with_sqlite(&w, "CREATE TABLE theirs(x)");
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "another program"));
    with_sqlite(&w, "PRAGMA user_version = 1");
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
    (void)unlink(db_path(&w));
    spit(db_path(&w), "this is no database, but it is long enough to be taken for one .............................."
                      "................................................................................................");
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "damaged"));
    (void)unlink(db_path(&w));
    CU_ASSERT_EQUAL(mkdir(db_path(&w), 0700), 0);
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_IO);
    (void)rmdir(db_path(&w));
    (void)snprintf(w.url, sizeof w.url, "sqlite:%s/missing/store.db", w.dir);
    CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, db_path(&w)));
    world_free(&w);
}

static void damaged(void)
{
    world w;
    world_open(&w, &test_drivers[0]);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "k%d", i);
        store_op o = op_put(STORE_SESSION, key, "a value of some length, so that pages fill up", 0);
        CU_ASSERT_EQUAL(store_write_many(w.s, &o, 1), GBA_OK);
    }
    store_close(&w.s);
    int fd = open(db_path(&w), O_RDWR);
    struct stat st;
    CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 40000);
    uint8_t garbage[4096];
    memset(garbage, 0x5a, sizeof garbage);
    for (off_t at = 5 * 4096; at < st.st_size; at += 4096)
        CU_ASSERT_EQUAL(pwrite(fd, garbage, sizeof garbage, at), (ssize_t)sizeof garbage);
    (void)close(fd);
    char why[512];
    gba_err e = world_try(&w, why);
    if (e == GBA_OK) {
        w.s = world_handle(&w);
        unsigned n = 0;
        CU_ASSERT_EQUAL(store_each(w.s, STORE_SESSION, gba_mem(NULL, 0), NOW, never, &n), GBA_E_CORRUPT);
        store_why(w.s, why, sizeof why);
        CU_ASSERT_EQUAL(get_err(w.s, "k77"), GBA_E_CORRUPT);
        store_op put = op_put(STORE_SESSION, "k77", "x", 0);
        CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_E_CORRUPT);
        CU_ASSERT_EQUAL(store_health(w.s, why, sizeof why), GBA_E_CORRUPT);
    } else {
        CU_ASSERT_EQUAL(e, GBA_E_CORRUPT);
    }
    CU_ASSERT(strstr(why, db_path(&w)) != NULL && strstr(why, "backup") != NULL);
    world_free(&w);
}

static void locked(void)
{
    world w;
    world_open(&w, &test_drivers[0]);
    store_close(&w.s);
    store_sqlite_busy_ms = 300;
    w.s = world_handle(&w);
    store_sqlite_busy_ms = 10000;
    sqlite3 *db = NULL;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(db_path(&w), &db), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    store_op put = op_put(STORE_SESSION, "a", "one", 0);
    int64_t from = now_ms();
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_E_BUSY);
    CU_ASSERT(now_ms() - from >= 250 && now_ms() - from < 5000);
    char why[512];
    CU_ASSERT_EQUAL(store_health(w.s, why, sizeof why), GBA_E_BUSY);
    CU_ASSERT(strstr(why, db_path(&w)) != NULL && strstr(why, "locked") != NULL);
    CU_ASSERT_EQUAL(get_err(w.s, "a"), GBA_E_UNKNOWN); /* reading goes on */
    CU_ASSERT_EQUAL(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    /* Health finds out by itself that it is over. */
    gba_err e = GBA_E_BUSY;
    for (int i = 0; i < 200 && e != GBA_OK; i++) {
        (void)usleep(10000);
        e = store_health(w.s, why, sizeof why);
    }
    CU_ASSERT_EQUAL(e, GBA_OK);
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_OK);
    world_free(&w);
}

/* Fills until it fails, frees by `relief`, and goes on. Returns 0 or the line of what went wrong. */
#define EXPECT(x)                                                                                                      \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            return __LINE__ % 250 + 1;                                                                                 \
    } while (0)
static int fill_and_recover(store *s, const char *path, void (*relief)(void *), void *ctx)
{
    char value[2001], key[32], why[512];
    memset(value, 'v', 2000);
    value[2000] = '\0';
    gba_err e = GBA_OK;
    unsigned n = 0;
    for (; n < 100000 && e == GBA_OK; n++) {
        (void)snprintf(key, sizeof key, "k%u", n);
        store_op o = op_put(STORE_SESSION, key, value, 0);
        e = store_write(s, &o, 1, NOW, NULL);
    }
    EXPECT(e == GBA_E_IO && n > 10);
    EXPECT(store_health(s, why, sizeof why) == GBA_E_IO && strstr(why, path) != NULL);
    EXPECT(get_err(s, key) == GBA_E_UNKNOWN); /* the failed one left nothing */
    EXPECT(value_is(s, STORE_SESSION, "k0", value));
    relief(ctx);
    store_op o = op_put(STORE_SESSION, key, value, 0);
    EXPECT(store_write(s, &o, 1, NOW, NULL) == GBA_OK);
    EXPECT(store_health(s, why, sizeof why) == GBA_OK);
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        EXPECT(value_is(s, STORE_SESSION, key, value));
    }
    return 0;
}

static void lift_limit(void *ctx)
{
    (void)ctx;
    struct rlimit l;
    (void)getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = l.rlim_max;
    (void)setrlimit(RLIMIT_FSIZE, &l);
}

static void file_limit(void)
{
    world w;
    world_make(&w, &test_drivers[0]);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        store *s = world_handle(&w);
        struct rlimit l;
        (void)getrlimit(RLIMIT_FSIZE, &l);
        l.rlim_cur = 300000;
        if (s == NULL || setrlimit(RLIMIT_FSIZE, &l) != 0)
            _exit(255);
        int bad = fill_and_recover(s, db_path(&w), lift_limit, NULL);
        store_close(&s);
        _exit(bad);
    }
    CU_ASSERT_EQUAL(wait_for(child), 0);
    w.s = world_handle(&w);
    CU_ASSERT_PTR_NOT_NULL(w.s);
    world_free(&w);
}

static void free_ballast(void *ctx)
{
    (void)unlink(ctx);
}

/* A real full disk, where the test may mount one. */
static void disk_full(void)
{
    world w;
    world_make(&w, &test_drivers[0]);
    char disk[128], ballast[160];
    (void)snprintf(disk, sizeof disk, "%s/disk", w.dir);
    (void)snprintf(ballast, sizeof ballast, "%s/ballast", disk);
    CU_ASSERT_EQUAL(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=2m") != 0) {
        printf("(no right to mount a tmpfs: left out) ");
        (void)rmdir(disk);
        world_free(&w);
        return;
    }
    (void)snprintf(w.url, sizeof w.url, "sqlite:%s/store.db", disk);
    int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
    CU_ASSERT_EQUAL(posix_fallocate(fd, 0, 1000000), 0);
    (void)close(fd);
    w.s = world_handle(&w);
    CU_ASSERT_EQUAL(fill_and_recover(w.s, db_path(&w), free_ballast, ballast), 0);
    store_close(&w.s);
    CU_ASSERT_EQUAL(umount(disk), 0);
    (void)rmdir(disk);
    world_free(&w);
}

static void not_writable(void)
{
    world w;
    world_open(&w, &test_drivers[0]);
    store_close(&w.s);
    if (geteuid() == 0) {
        /* Root writes where it wants, except on a file system mounted read-only. */
        if (mount(w.dir, w.dir, NULL, MS_BIND, NULL) == 0) {
            char why[512];
            if (mount(NULL, w.dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0) {
                CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_IO);
                CU_ASSERT_PTR_NOT_NULL(strstr(why, db_path(&w)));
            }
            CU_ASSERT_EQUAL(umount(w.dir), 0);
        }
    } else {
        char why[512];
        CU_ASSERT_EQUAL(chmod(db_path(&w), 0400), 0);
        CU_ASSERT_EQUAL(world_try(&w, why), GBA_E_IO);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, db_path(&w)));
    }
    world_free(&w);
}

/* ---- one looks for other processes' commits, another comes in between ---- */
static sem_t looking, look;

static int stand_still(unsigned what, void *ctx, void *p, void *x)
{
    (void)what, (void)ctx, (void)p, (void)x;
    (void)sem_post(&looking);
    (void)sem_wait(&look);
    return 0;
}

static void *look_around(void *ctx)
{
    (void)store_change_count_others(ctx);
    return NULL;
}

typedef struct late {
    store *s;
    gba_err err;
} late;

static void *come_late(void *ctx)
{
    late *l = ctx;
    store_record r;
    l->err = store_get_recent(l->s, STORE_SESSION, gba_str("a"), NOW, &r);
    store_record_free(&r);
    return NULL;
}

/* A count from before a look is not made fresh by that look. */
static void count_and_look(void)
{
    world w;
    world_open(&w, &test_drivers[0]);
    store *other = world_handle(&w);
    late before = {.s = w.s}, l = {.s = w.s};
    pthread_t one, two;
    store_op put = op_put(STORE_SESSION, "a", "one", 0);
    store_op take = {.type = STORE_TAKE, .kind = STORE_SESSION, .key = gba_str("a")};
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_OK);
    for (int i = 0; i < 2; i++)
        (void)come_late(&before);
    CU_ASSERT_EQUAL(before.err, GBA_OK); /* kept from now on */
    CU_ASSERT_EQUAL(store_write(other, &take, 1, NOW, NULL), GBA_OK);
    (void)usleep(2 * STORE_SETTLE_MS * 1000);
    (void)sem_init(&looking, 0, 0);
    (void)sem_init(&look, 0, 0);
    (void)sqlite3_trace_v2(w.s->db->w->h, SQLITE_TRACE_STMT, stand_still, NULL);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&one, NULL, look_around, w.s), 0);
    (void)sem_wait(&looking);
    for (int i = 0; i < KEPT_LOCKS; i++)
        (void)pthread_mutex_lock(&w.s->kept->lock[i]);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&two, NULL, come_late, &l), 0);
    (void)usleep(2 * STORE_SETTLE_MS * 1000); /* it has its count, and no row yet */
    (void)sem_post(&look);
    (void)pthread_join(one, NULL);
    (void)sqlite3_trace_v2(w.s->db->w->h, 0, NULL, NULL);
    for (int i = 0; i < KEPT_LOCKS; i++)
        (void)pthread_mutex_unlock(&w.s->kept->lock[i]);
    (void)pthread_join(two, NULL);
    CU_ASSERT_EQUAL(l.err, GBA_E_UNKNOWN);
    (void)sem_destroy(&looking);
    (void)sem_destroy(&look);
    store_close(&other);
    world_free(&w);
}

/* A look is as old as its beginning, however long it took. */
static void slow_look(void)
{
    world w;
    world_open(&w, &test_drivers[0]);
    store *other = world_handle(&w);
    late l = {.s = w.s};
    pthread_t one;
    store_op put = op_put(STORE_SESSION, "a", "one", 0);
    store_op take = {.type = STORE_TAKE, .kind = STORE_SESSION, .key = gba_str("a")};
    CU_ASSERT_EQUAL(store_write(w.s, &put, 1, NOW, NULL), GBA_OK);
    for (int i = 0; i < 2; i++)
        (void)come_late(&l);
    CU_ASSERT_EQUAL(l.err, GBA_OK);
    (void)usleep(2 * STORE_SETTLE_MS * 1000);
    (void)sem_init(&looking, 0, 0);
    (void)sem_init(&look, 0, 0);
    (void)sqlite3_trace_v2(w.s->db->w->h, SQLITE_TRACE_ROW, stand_still, NULL);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&one, NULL, look_around, w.s), 0);
    (void)sem_wait(&looking);
    CU_ASSERT_EQUAL(store_write(other, &take, 1, NOW, NULL), GBA_OK);
    (void)usleep(2 * STORE_SETTLE_MS * 1000);
    (void)sem_post(&look);
    (void)pthread_join(one, NULL);
    (void)sqlite3_trace_v2(w.s->db->w->h, 0, NULL, NULL);
    (void)come_late(&l);
    CU_ASSERT_EQUAL(l.err, GBA_E_UNKNOWN);
    (void)sem_destroy(&looking);
    (void)sem_destroy(&look);
    store_close(&other);
    world_free(&w);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"tampered records", tampering},
        {"tampered data keys", key_table},
        {"schema: upgrade, newer version", schema},
        {"files of others", foreign_files},
        {"damaged pages", damaged},
        {"locked for too long", locked},
        {"file size limit", file_limit},
        {"disk full", disk_full},
        {"not writable", not_writable},
        {"a count and a look between", count_and_look},
        {"a slow look", slow_look},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"store_sqlite", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
        return 2;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures == 0 ? 0 : 1;
}
