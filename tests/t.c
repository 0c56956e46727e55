/* SPDX-License-Identifier: Apache-2.0 */
/* t.c - see t.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "t.h"

static void die(const char *what, const char *which)
{
    fprintf(stderr, "test data: %s: %.200s\n", what, which);
    exit(99);
}

gba_span t_hex(const char *hex)
{
    static _Thread_local uint8_t ring[8][T_HEX_MAX];
    static _Thread_local unsigned next;
    uint8_t *room = ring[next++ % 8];
    size_t n = T_HEX_MAX;
    if (gba_hex_decode(gba_str(hex), room, &n))
        die("bad hex", hex);
    return gba_mem(room, n);
}

gba_secret t_secret(const char *hex)
{
    gba_secret s = {0};
    gba_span o = t_hex(hex);
    if (gba_secret_set(&s, o.p, o.n))
        die("too long for a secret", hex);
    return s;
}

void t_hex_into(const char *hex, void *out, size_t n)
{
    size_t room = n;
    if (gba_hex_decode(gba_str(hex), out, &room) || room != n)
        die("not the right number of octets", hex);
}

bool t_is(gba_span got, const char *hex)
{
    char text[2 * T_HEX_MAX + 1];
    if (gba_span_eq(got, t_hex(hex)))
        return true;
    gba_hex_encode(got.p, got.n < T_HEX_MAX ? got.n : T_HEX_MAX, text);
    fprintf(stderr, "got  %s\nwant %s\n", text, hex);
    return false;
}

bool t_secret_is(const gba_secret *got, const char *hex)
{
    return t_is(gba_secret_span(got), hex);
}

char *t_path(char *room, size_t n, const char *below_top)
{
    const char *top = getenv("top_srcdir");
    snprintf(room, n, "%s/%s", top && *top ? top : ".", below_top);
    return room;
}

json_t *t_cases(const char *family, json_t **root)
{
    char path[512], name[128];
    json_error_t err;
    snprintf(name, sizeof name, "tests/vectors/%s.json", family);
    *root = json_load_file(t_path(path, sizeof path, name), JSON_REJECT_DUPLICATES, &err);
    if (!*root)
        die(err.text, path);
    json_t *cases = json_object_get(*root, "cases");
    if (!json_is_array(cases) || json_array_size(cases) == 0)
        die("no cases", path);
    return cases;
}

const char *t_str(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    if (!s)
        die("no such member", name);
    return s;
}

static FILE *hushed;
static int true_stderr = -1;

void t_hush(void)
{
    fflush(stderr);
    hushed = tmpfile();
    true_stderr = dup(STDERR_FILENO);
    if (!hushed || true_stderr < 0 || dup2(fileno(hushed), STDERR_FILENO) < 0)
        abort();
}

void t_heard(char *out, size_t n)
{
    fflush(stderr);
    if (dup2(true_stderr, STDERR_FILENO) < 0)
        abort();
    close(true_stderr);
    rewind(hushed);
    out[fread(out, 1, n - 1, hushed)] = '\0';
    fclose(hushed);
}
