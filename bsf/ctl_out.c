/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_out.c - what gba-bsfctl says: messages, results, tables, progress. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bsf/ctl.h"

/* What a file or an argument holds must not drive the operator's terminal. */
static void say(const char *what, const char *fmt, va_list ap)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, ap);
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
            *p = '?';
    fflush(stdout);
    fprintf(stderr, CTL_PROGRAM ": %s%s\n", what, text);
}

int ctl_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("", fmt, ap);
    va_end(ap);
    return CTL_FAILED;
}

int ctl_usage(const ctl *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("", fmt, ap);
    va_end(ap);
    if (c->cmd)
        fprintf(stderr, CTL_PROGRAM ": see " CTL_PROGRAM " %s%s%s --help\n", c->cmd->group, c->cmd->name ? " " : "",
                c->cmd->name ? c->cmd->name : "");
    else
        fprintf(stderr, CTL_PROGRAM ": see " CTL_PROGRAM " --help\n");
    return CTL_USAGE;
}

void ctl_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("warning: ", fmt, ap);
    va_end(ap);
}

int ctl_store_failed(const ctl *c, const char *doing, gba_err e)
{
    static const char *const ways_out[] = {
        [GBA_E_BUSY] = "another process holds it for long; try again",
        [GBA_E_IO] = "is the disk full, or may this user not write there?",
        [GBA_E_CORRUPT] = "restore a backup, or give the key file the key that sealed it",
        [GBA_E_STALE] = "it changed at the same moment; try again",
    };
    const char *way = (size_t)e < sizeof ways_out / sizeof *ways_out ? ways_out[e] : NULL;
    return ctl_fail("%s: %s: %s%s%s", c->s.store.url, doing, gba_err_text(e), way ? "; " : "", way ? way : "");
}

int ctl_result(const ctl *c, json_t *object, const char *fmt, ...)
{
    if (c->json) {
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        va_list ap;
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
        putchar('\n');
    }
    json_decref(object);
    return fflush(stdout) == 0 && !ferror(stdout) ? CTL_OK : ctl_fail("standard output: %s", strerror(errno));
}

bool ctl_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = hex ? text + 2 : text;
    if (!*digits || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
        return false;
    errno = 0;
    *out = strtoull(digits, &end, hex ? 16 : 10);
    return errno == 0 && *out >= min && *out <= max;
}

json_t *ctl_json_time(int64_t t)
{
    char text[GBA_TIME_TEXT];
    return t > 0 && gba_time_print(t, text) == GBA_OK ? json_string(text) : json_null();
}

void ctl_time_text(int64_t t, char out[GBA_TIME_TEXT])
{
    if (t <= 0 || gba_time_print(t, out) != GBA_OK)
        snprintf(out, GBA_TIME_TEXT, "-");
}

int ctl_parse_impi(const ctl *c, gba_impi *out)
{
    if (gba_impi_parse(gba_str(c->arg[0]), out) == GBA_OK)
        return CTL_OK;
    return ctl_usage(c, "'%s' is not an IMPI such as 001010000000001@ims.mnc001.mcc001.3gppnetwork.org", c->arg[0]);
}

int ctl_not_found(const ctl *c, const char *name, gba_err e, const char *what, const char *command)
{
    if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        return ctl_fail("%s: %s; " CTL_PROGRAM " %s shows them", name, what, command);
    return ctl_store_failed(c, name, e);
}

/* ---- tables ---- */
#define TABLE_HEAD_ROWS 200 /* whose widths decide */
struct ctl_table {
    bool json;
    const char *const *heads;
    unsigned columns;
    int width[CTL_COLUMNS_MAX];
    char *cell[TABLE_HEAD_ROWS][CTL_COLUMNS_MAX];
    unsigned kept;
    uint64_t rows;
};

static int text_width(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80; /* characters, not octets */
    return n;
}

static void print_row(const ctl_table *t, const char *const *cells)
{
    for (unsigned i = 0; i < t->columns; i++) {
        int pad = t->width[i] - text_width(cells[i]);
        fputs(cells[i], stdout);
        if (i + 1 < t->columns)
            printf("%*s", (pad > 0 ? pad : 0) + 2, "");
    }
    putchar('\n');
}

ctl_table *ctl_table_begin(const ctl *c, const char *const *heads)
{
    ctl_table *t = calloc(1, sizeof *t);
    if (!t)
        abort(); /* nothing to tell without memory */
    t->json = c->json;
    t->heads = heads;
    for (; heads[t->columns] && t->columns < CTL_COLUMNS_MAX; t->columns++)
        t->width[t->columns] = text_width(heads[t->columns]);
    return t;
}

static void flush_kept(ctl_table *t)
{
    if (t->rows == 0)
        return;
    print_row(t, t->heads);
    for (unsigned r = 0; r < t->kept; r++) {
        print_row(t, (const char *const *)t->cell[r]);
        for (unsigned i = 0; i < t->columns; i++)
            free(t->cell[r][i]);
    }
    t->kept = 0;
}

void ctl_table_row(ctl_table *t, json_t *object, const char *const *cells)
{
    if (t->json) {
        fputs(t->rows++ ? ",\n" : "[\n", stdout);
        json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        json_decref(object);
        return;
    }
    json_decref(object);
    if (t->rows++ >= TABLE_HEAD_ROWS) {
        if (t->kept)
            flush_kept(t);
        print_row(t, cells);
        return;
    }
    for (unsigned i = 0; i < t->columns; i++) {
        int w = text_width(cells[i]);
        t->width[i] = w > t->width[i] ? w : t->width[i];
        if (!(t->cell[t->kept][i] = strdup(cells[i])))
            abort();
    }
    t->kept++;
}

int ctl_table_end(ctl_table **tp, const char *none)
{
    ctl_table *t = *tp;
    if (t->json)
        fputs(t->rows ? "\n]\n" : "[]\n", stdout);
    else if (t->kept)
        flush_kept(t);
    else if (t->rows == 0)
        printf("%s\n", none);
    free(t);
    *tp = NULL;
    return fflush(stdout) == 0 && !ferror(stdout) ? CTL_OK : ctl_fail("standard output: %s", strerror(errno));
}

typedef struct listing {
    const ctl *c;
    const ctl_list_spec *spec;
    void *ctx;
    ctl_table *table;
    uint64_t left;
    bool damaged;
} listing;

static bool list_one(void *ctx, gba_span key, const store_record *rec)
{
    listing *l = ctx;
    char name[STORE_KEY_MAX + 1];

    snprintf(name, sizeof name, "%.*s", (int)key.n, (const char *)key.p);
    ctl_row row = l->spec->row(l->ctx, l->c, l->table, name, gba_mem(rec->value, rec->n));
    if (row == CTL_ROW_DAMAGED) {
        ctl_warn("%s: damaged record%s", name, l->spec->mend ? l->spec->mend : "");
        l->damaged = true;
    } else if (row == CTL_ROW_SHOWN) {
        l->left--;
    }
    return l->left > 0;
}

int ctl_list(ctl *c, const ctl_list_spec *spec, void *ctx)
{
    listing l = {.c = c, .spec = spec, .ctx = ctx, .left = UINT64_MAX};
    const char *limit = ctl_get(c, "limit");
    char doing[64];

    if (limit && !ctl_number(limit, 1, UINT64_MAX, &l.left))
        return ctl_usage(c, "--limit '%s' is not a number above 0", limit);
    l.table = ctl_table_begin(c, spec->heads);
    gba_err e = store_each(c->store, spec->kind, gba_str(ctl_get(c, "after")), service_now(), list_one, &l);
    int rc = ctl_table_end(&l.table, spec->none);
    snprintf(doing, sizeof doing, "listing %s", spec->plural);
    if (e != GBA_OK)
        return ctl_store_failed(c, doing, e);
    return l.damaged ? CTL_FAILED : rc;
}

/* ---- progress ---- */
#define BAR_EVERY_MS 100
#define LINE_EVERY_MS 5000

void ctl_progress_begin(ctl_progress *p, const ctl *c, const char *doing)
{
    *p = (ctl_progress){.doing = doing, .bar = isatty(STDERR_FILENO), .silent = c->quiet};
    p->started_ms = p->shown_ms = service_mono_ms();
}

void ctl_progress_show(ctl_progress *p, uint64_t done, uint64_t total)
{
    int64_t now = service_mono_ms(), took = now - p->started_ms;
    p->done = done;
    if (p->silent || now - p->shown_ms < (p->bar ? BAR_EVERY_MS : LINE_EVERY_MS))
        return;
    p->shown_ms = now;
    uint64_t rate = took > 0 ? done * 1000 / (uint64_t)took : 0;
    uint64_t left = rate && total > done ? (total - done) / rate : 0;
    unsigned percent = total ? (unsigned)(done * 100 / total) : 0;
    if (!p->bar) {
        fprintf(stderr, CTL_PROGRAM ": %s: %" PRIu64 " of %" PRIu64 ", %" PRIu64 "/s, %" PRIu64 " s left\n", p->doing,
                done, total, rate, left);
        return;
    }
    char bar[31];
    for (unsigned i = 0; i < 30; i++)
        bar[i] = i < percent * 30 / 100 ? '#' : '.';
    bar[30] = '\0';
    fprintf(stderr, "\r%s [%s] %3u%%  %" PRIu64 "/%" PRIu64 "  %" PRIu64 "/s  ETA %" PRIu64 ":%02" PRIu64 " \033[K",
            p->doing, bar, percent, done, total, rate, left / 60, left % 60);
    p->shown = done;
}

void ctl_progress_end(ctl_progress *p, uint64_t done)
{
    if (p->silent)
        return;
    if (p->bar && p->shown)
        fputs("\r\033[K", stderr);
    int64_t took = service_mono_ms() - p->started_ms;
    if (took >= LINE_EVERY_MS || (p->bar && p->shown))
        fprintf(stderr, CTL_PROGRAM ": %s: %" PRIu64 " in %" PRId64 ".%" PRId64 " s\n", p->doing, done, took / 1000,
                took % 1000 / 100);
}
