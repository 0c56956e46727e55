/* SPDX-License-Identifier: Apache-2.0 */
/* store_world.c - see store_world.h. */
#include "tests/store_world.h"
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static void sqlite_url(world *w)
{
    (void)snprintf(w->url, sizeof w->url, "sqlite:%s/store.db", w->dir);
}

static int sqlite_data_keys(world *w)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int n = -1;
    if (sqlite3_open_v2(w->url + 7, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT count(*) FROM dek", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int(st, 0);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return n;
}

const test_driver test_drivers[] = {
    {"sqlite:", sqlite_url, sqlite_data_keys},
    {NULL, NULL, NULL},
};

void world_make(world *w, const test_driver *d)
{
    *w = (world){.driver = d};
    char why[512];
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/test_store.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->dir));
    (void)snprintf(w->key, sizeof w->key, "%s/seal.key", w->dir);
    CU_ASSERT_EQUAL_FATAL(store_key_file_create(w->key, why, sizeof why), GBA_OK);
    d->url(w);
}

gba_err world_try(world *w, char why[512])
{
    store_config c = {.url = w->url, .key_file = w->key, .create = true, .synchronous_full = true};
    store *s = NULL;
    gba_err e = store_open(&c, &s, why, 512);
    store_close(&s);
    return e;
}

store *world_handle(world *w)
{
    char why[512];
    store_config c = {.url = w->url, .key_file = w->key, .create = true, .synchronous_full = true};
    store *s = NULL;
    if (store_open(&c, &s, why, sizeof why) != GBA_OK)
        printf("store_open: %s\n", why);
    return s;
}

void world_open(world *w, const test_driver *d)
{
    world_make(w, d);
    w->s = world_handle(w);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w->s);
}

void world_free(world *w)
{
    store_close(&w->s);
    DIR *d = opendir(w->dir);
    if (d != NULL) {
        for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
            if (e->d_name[0] != '.')
                (void)unlinkat(dirfd(d), e->d_name, 0);
        }
        (void)closedir(d);
    }
    CU_ASSERT_EQUAL(rmdir(w->dir), 0);
}

store_op op_put(store_kind k, const char *key, const char *value, int64_t expiry)
{
    return (store_op){.type = STORE_PUT, .kind = k, .key = gba_str(key), .value = gba_str(value), .expiry = expiry};
}

bool value_is(store *s, store_kind k, const char *key, const char *value)
{
    store_record r;
    if (store_get(s, k, gba_str(key), NOW, &r) != GBA_OK)
        return false;
    bool same = gba_span_eq(gba_mem(r.value, r.n), gba_str(value));
    store_record_free(&r);
    return same;
}

unsigned counter(store *s, const char *key)
{
    store_record r;
    unsigned n = 0;
    if (store_get(s, STORE_COUNTER, gba_str(key), NOW, &r) != GBA_OK)
        return 0;
    if (r.n == sizeof n)
        memcpy(&n, r.value, sizeof n);
    store_record_free(&r);
    return n;
}

int add_to_counter(store *s, const char *key, unsigned steps)
{
    for (unsigned i = 0; i < steps;) {
        store_record r = {0};
        unsigned n = 0;
        gba_err e = store_get(s, STORE_COUNTER, gba_str(key), NOW, &r);
        if (e != GBA_OK && e != GBA_E_UNKNOWN)
            return (int)e;
        if (r.n == sizeof n)
            memcpy(&n, r.value, sizeof n);
        n++;
        store_op o = {.type = e == GBA_OK ? STORE_SWAP : STORE_INSERT,
                      .kind = STORE_COUNTER,
                      .key = gba_str(key),
                      .value = gba_mem(&n, sizeof n),
                      .version = r.version};
        store_record_free(&r);
        e = store_write(s, &o, 1, NOW, NULL);
        if (e == GBA_OK)
            i++;
        else if (e != GBA_E_STALE && e != GBA_E_FORBIDDEN)
            return (int)e;
    }
    return 0;
}

typedef struct told {
    int fd;
    unsigned number;
} told;

static void tell(void *ctx, gba_err err, size_t failed)
{
    told *t = ctx;
    (void)failed;
    if (err != GBA_OK || write(t->fd, &t->number, sizeof t->number) != (ssize_t)sizeof t->number)
        _exit(7);
    free(t);
}

void acknowledge_forever(world *w, int round, int fd)
{
    store *s = world_handle(w);
    if (s == NULL)
        _exit(9);
    for (unsigned i = 0;; i++) {
        char key[48];
        (void)snprintf(key, sizeof key, "r%d-%u", round, i);
        store_op ops[2] = {op_put(STORE_SESSION, key, "v", 0), op_put(STORE_TMPI, key, "v", 0)};
        ops[0].type = STORE_INSERT;
        told *t = malloc(sizeof *t);
        if (t == NULL)
            _exit(9);
        *t = (told){fd, i};
        while (store_submit(s, ops, 2, NOW, tell, t) != GBA_OK)
            (void)usleep(100);
        if (i % 32 == 31)
            (void)usleep(1000);
    }
}

void tally_init(tally *t)
{
    *t = (tally){0};
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_cond_init(&t->cond, NULL);
}

void tally_done(void *ctx, gba_err err, size_t failed)
{
    tally *t = ctx;
    (void)failed;
    (void)pthread_mutex_lock(&t->lock);
    t->n++;
    t->ok += err == GBA_OK;
    t->forbidden += err == GBA_E_FORBIDDEN;
    (void)pthread_cond_signal(&t->cond);
    (void)pthread_mutex_unlock(&t->lock);
}

void tally_wait(tally *t, unsigned n)
{
    (void)pthread_mutex_lock(&t->lock);
    while (t->n < n)
        (void)pthread_cond_wait(&t->cond, &t->lock);
    (void)pthread_mutex_unlock(&t->lock);
}

int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int wait_for(pid_t child)
{
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void slurp(const char *path, char *out, size_t n)
{
    out[0] = '\0';
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    size_t got = fread(out, 1, n - 1, f);
    out[got] = '\0';
    (void)fclose(f);
}

void spit(const char *path, const char *text)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}
