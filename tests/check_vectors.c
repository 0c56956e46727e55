/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_vectors.c - `check_vectors DIR` runs every case of every family (*.json) in DIR, names
 * each failure and ends with "N passed, N failed".
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check_vectors.h"

static const vec_family *const tables[] = {vec_aka_families, vec_digest_families, vec_http_families};

#define HEX_MAX 65536 /* octets of the longest member */

/* ---- what families use ---- */

void vec_fail(vec *v, const char *fmt, ...)
{
    va_list ap;
    v->failed++;
    printf("FAIL %s/%s: ", v->family, v->id);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

bool vec_check(vec *v, bool ok, const char *what)
{
    v->compared++;
    if (!ok)
        vec_fail(v, "%s", what);
    return ok;
}

bool vec_ok(vec *v, gba_err e, const char *what)
{
    if (e)
        vec_fail(v, "%s: %s", what, gba_err_text(e));
    return e == GBA_OK;
}

static const json_t *member(const vec *v, const char *name)
{
    return json_object_get(v->o, name);
}

bool vec_has(const vec *v, const char *name)
{
    const json_t *m = member(v, name);
    return m && !json_is_null(m);
}

bool vec_text(vec *v, const char *name, gba_span *out)
{
    const json_t *m = member(v, name);
    if (!json_is_string(m)) {
        vec_fail(v, "%s: %s", name, m ? "is no string" : "is missing");
        return false;
    }
    *out = gba_mem(json_string_value(m), json_string_length(m));
    return true;
}

bool vec_hex(vec *v, const char *name, uint8_t *room, size_t max, gba_span *out)
{
    gba_span text;
    size_t n = max;
    if (!vec_text(v, name, &text))
        return false;
    gba_err e = gba_hex_decode(text, room, &n);
    if (e)
        vec_fail(v, "%s: %s", name, e == GBA_E_SPACE ? "is too long" : "is no hex");
    *out = gba_mem(room, e ? 0 : n);
    return !e;
}

bool vec_hex_exact(vec *v, const char *name, void *out, size_t n)
{
    gba_span got;
    if (!vec_hex(v, name, out, n, &got))
        return false;
    if (got.n != n)
        vec_fail(v, "%s: has %zu octets instead of %zu", name, got.n, n);
    return got.n == n;
}

bool vec_secret(vec *v, const char *name, gba_secret *out)
{
    gba_span got;
    memset(out, 0, sizeof *out);
    if (!vec_hex(v, name, out->o, sizeof out->o, &got))
        return false;
    out->n = got.n;
    return true;
}

bool vec_int(vec *v, const char *name, int64_t *out)
{
    const json_t *m = member(v, name);
    if (!json_is_integer(m)) {
        vec_fail(v, "%s: %s", name, m ? "is no integer" : "is missing");
        return false;
    }
    *out = json_integer_value(m);
    return true;
}

void vec_expect_hex(vec *v, const char *name, gba_span got)
{
    gba_span want;
    if (!vec_has(v, name))
        return;
    uint8_t *room = malloc(HEX_MAX);
    if (!room)
        abort();
    v->compared++;
    if (vec_hex(v, name, room, HEX_MAX, &want) && !gba_span_eq(want, got)) {
        char text[2 * 64 + 1];
        gba_hex_encode(got.p, got.n < 64 ? got.n : 64, text);
        vec_fail(v, "%s: computed %s%s", name, text, got.n > 64 ? "..." : "");
    }
    free(room);
}

void vec_expect_secret(vec *v, const char *name, const gba_secret *got)
{
    vec_expect_hex(v, name, gba_secret_span(got));
}

void vec_expect_text(vec *v, const char *name, const char *got)
{
    gba_span want;
    if (!vec_has(v, name))
        return;
    v->compared++;
    if (vec_text(v, name, &want) && !gba_span_eq(want, gba_str(got)))
        vec_fail(v, "%s: computed %s", name, got);
}

void vec_expect_bool(vec *v, const char *name, bool got)
{
    const json_t *m = member(v, name);
    if (!vec_has(v, name))
        return;
    v->compared++;
    /* some families write 0 and 1 */
    bool is_bit = json_is_integer(m) && (json_integer_value(m) == 0 || json_integer_value(m) == 1);
    if (!json_is_boolean(m) && !is_bit)
        vec_fail(v, "%s: is no truth value", name);
    else if ((json_is_true(m) || json_integer_value(m) == 1) != got)
        vec_fail(v, "%s: found %s", name, got ? "true" : "false");
}

/* ---- files ---- */

static struct {
    unsigned long passed, failed;
} sum;

static void file_failure(const char *path, const char *why)
{
    printf("FAIL %s: %s\n", path, why);
    sum.failed++;
}

static const vec_family *find_family(const char *name)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const vec_family *f = tables[t]; f->name; f++)
            if (!strcmp(f->name, name))
                return f;
    return NULL;
}

/* Is an earlier case called the same? */
static bool id_taken(const json_t *cases, size_t before, const char *id)
{
    for (size_t i = 0; i < before; i++) {
        const char *other = json_string_value(json_object_get(json_array_get(cases, i), "id"));
        if (other && !strcmp(other, id))
            return true;
    }
    return false;
}

static void run_case(const char *dir, const vec_family *f, const json_t *root, const json_t *cases, size_t i)
{
    const json_t *c = json_array_get(cases, i);
    const char *id = json_string_value(json_object_get(c, "id"));
    char number[32];
    snprintf(number, sizeof number, "case %zu", i + 1);
    vec v = {.dir = dir, .family = f->name, .id = id ? id : number, .root = root, .o = c};
    if (!id)
        vec_fail(&v, "has no id");
    else if (id_taken(cases, i, id))
        vec_fail(&v, "the id is taken by an earlier case");
    f->run(&v);
    if (!v.failed && !v.compared)
        vec_fail(&v, "has nothing to compare");
    if (v.failed)
        sum.failed++;
    else
        sum.passed++;
}

static void run_root(const char *dir, const char *path, const json_t *root)
{
    const char *name = json_string_value(json_object_get(root, "family"));
    const json_t *cases = json_object_get(root, "cases");
    if (!name) {
        file_failure(path, "names no family");
        return;
    }
    const vec_family *f = find_family(name);
    if (!f) {
        printf("FAIL %s: unknown family %s\n", path, name);
        sum.failed++;
    } else if (json_array_size(cases) == 0) {
        file_failure(path, "has no cases");
    } else {
        for (size_t i = 0; i < json_array_size(cases); i++)
            run_case(dir, f, root, cases, i);
    }
}

static void run_file(const char *dir, const char *file)
{
    char path[4096];
    json_error_t err;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, file) >= sizeof path) {
        file_failure(file, "the path is too long");
        return;
    }
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);
    if (!root) {
        printf("FAIL %s:%d: %s\n", path, err.line, err.text);
        sum.failed++;
        return;
    }
    run_root(dir, path, root);
    json_decref(root);
}

static int is_json(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 5 && e->d_name[0] != '.' && !strcmp(e->d_name + n - 5, ".json");
}

int main(int argc, char **argv)
{
    struct dirent **files;
    if (argc != 2) {
        fprintf(stderr, "usage: check_vectors DIR\n");
        return 2;
    }
    int n = scandir(argv[1], &files, is_json, alphasort);
    if (n < 0)
        file_failure(argv[1], "cannot be read");
    else if (n == 0)
        file_failure(argv[1], "holds no *.json");
    for (int i = 0; i < n; i++) {
        run_file(argv[1], files[i]->d_name);
        free(files[i]);
    }
    if (n >= 0)
        free(files);
    printf("%lu passed, %lu failed\n", sum.passed, sum.failed);
    return sum.failed ? 1 : 0;
}
