/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_import.c - gba-bsfctl subscriber import. The file is read twice: first every row is
 * checked and every fault told; only then are rows written, in transactions of CHUNK.
 */
#include "config.h" /* _GNU_SOURCE: mremap */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bsf/ctl_rows.h"

#define CHUNK 8192
#define INPUT_MAX (UINT64_C(8) << 30)
#define LIVELY 256 /* rows between looks at the clock */

typedef struct import {
    ctl *c;
    const char *file; /* for messages */
    gba_span in;
    size_t mapped;
    bool json, replace, skip_bad, store_empty;
    uint64_t rows, bad, written, replaced, separated;
    uint8_t *is_bad; /* by row */
    size_t bad_room;
    struct seen {
        uint64_t hash;
        uint32_t line;
    } *seen; /* IMPIs of the file, open addressing */
    size_t seen_room, seen_n;
} import;

/* ---- the input, whole in memory that leaves no copies ---- */
static int read_all(import *m, int fd)
{
    size_t room = 1 << 20, n = 0;
    uint8_t *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    while (p != MAP_FAILED) {
        ssize_t got = read(fd, p + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int err = errno;
            munmap(p, room);
            return ctl_fail("%s: %s", m->file, strerror(err));
        }
        if (got == 0)
            break;
        n += (size_t)got;
        if (n < room)
            continue;
        if (room >= INPUT_MAX) {
            munmap(p, room);
            return ctl_fail("%s: is larger than 8 GiB; split it", m->file);
        }
        void *moved = mremap(p, room, 2 * room, MREMAP_MAYMOVE);
        if (moved == MAP_FAILED)
            munmap(p, room);
        p = moved;
        room *= 2;
    }
    if (p == MAP_FAILED)
        return ctl_fail("%s: does not fit into memory; split it", m->file);
    m->in = gba_mem(p, n);
    m->mapped = room;
    return CTL_OK;
}

static int open_input(import *m)
{
    const char *path = m->c->arg[0];
    bool is_stdin = strcmp(path, "-") == 0;
    m->file = is_stdin ? "standard input" : path;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ctl_fail("%s: %s", path, strerror(errno));
    int rc = read_all(m, fd);
    if (!is_stdin)
        close(fd);
    return rc;
}

/* --format, else the name's ending, else the first character. */
static int choose_format(import *m)
{
    const char *format = ctl_get(m->c, "format"), *dot = strrchr(m->c->arg[0], '.');
    if (format && strcmp(format, "json") != 0 && strcmp(format, "csv") != 0)
        return ctl_usage(m->c, "--format '%s' is neither csv nor json", format);
    size_t i = 0;
    while (i < m->in.n && strchr(" \t\r\n", m->in.p[i]) && m->in.p[i])
        i++;
    if (format)
        m->json = strcmp(format, "json") == 0;
    else if (dot && strcasecmp(dot, ".csv") == 0)
        m->json = false;
    else
        m->json = i < m->in.n && (m->in.p[i] == '{' || m->in.p[i] == '[');
    return CTL_OK;
}

/* ---- first reading: check everything ---- */
static bool grow_seen(import *m)
{
    size_t room = m->seen_room ? 2 * m->seen_room : 1 << 16;
    struct seen *bigger = calloc(room, sizeof *bigger);
    if (!bigger)
        return false;
    for (size_t i = 0; i < m->seen_room; i++) {
        if (!m->seen[i].line)
            continue;
        size_t at = m->seen[i].hash & (room - 1);
        while (bigger[at].line)
            at = (at + 1) & (room - 1);
        bigger[at] = m->seen[i];
    }
    free(m->seen);
    m->seen = bigger;
    m->seen_room = room;
    return true;
}

/* The line that had this IMPI before, 0: none (it is remembered now). 64 bits of hash tell a million
 * IMPIs apart but for a chance of 10^-8. */
static uint32_t seen_before(import *m, const gba_impi *impi, uint32_t line)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *s = impi->s; *s; s++)
        h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 32;
    if (m->seen_n * 2 >= m->seen_room && !grow_seen(m))
        return 0;
    size_t at = h & (m->seen_room - 1);
    for (; m->seen[at].line; at = (at + 1) & (m->seen_room - 1))
        if (m->seen[at].hash == h)
            return m->seen[at].line;
    m->seen[at] = (struct seen){h, line};
    m->seen_n++;
    return 0;
}

static bool mark(import *m, bool bad)
{
    if (m->rows == m->bad_room) {
        size_t room = m->bad_room ? 2 * m->bad_room : 1 << 16;
        uint8_t *p = realloc(m->is_bad, room);
        if (!p)
            return false;
        m->is_bad = p;
        m->bad_room = room;
    }
    m->is_bad[m->rows++] = bad;
    m->bad += bad;
    return true;
}

static gba_err load_old(import *m, const gba_impi *impi, rec_subscriber *out)
{
    store_record rec = {0};
    if (m->store_empty)
        return GBA_E_UNKNOWN;
    gba_err e = store_get(m->c->store, STORE_SUBSCRIBER, gba_str(impi->s), service_now(), &rec);
    if (e == GBA_OK)
        e = rec_subscriber_read(gba_mem(rec.value, rec.n), out);
    store_record_free(&rec);
    return e == GBA_E_EXPIRED ? GBA_E_UNKNOWN : e;
}

/* A good row, or why not. */
static bool check_row(import *m, const ctl_rows *r, const ctl_subscriber_text *t, char *why, size_t why_n)
{
    ctl_subscriber s;
    rec_subscriber old = {0};
    bool ok = ctl_subscriber_parse(t, &s, why, why_n) == GBA_OK;
    if (ok) {
        uint32_t before = seen_before(m, &s.impi, (uint32_t)r->row_line);
        if (before) {
            snprintf(why, why_n, "%s stands on line %" PRIu32 " already", s.impi.s, before);
            ok = false;
        }
    }
    if (ok && !m->replace) {
        gba_err e = load_old(m, &s.impi, &old);
        if (e == GBA_OK)
            snprintf(why, why_n, "%s exists already; --replace overwrites it", s.impi.s);
        else if (e != GBA_E_UNKNOWN)
            snprintf(why, why_n, "%s: %s", s.impi.s, gba_err_text(e));
        ok = e == GBA_E_UNKNOWN;
    }
    m->separated += ok && ctl_amf_separated(s.rec.amf);
    rec_subscriber_wipe(&old);
    gba_wipe(&s, sizeof s);
    return ok;
}

static int check_all(import *m)
{
    static ctl_rows r;
    ctl_subscriber_text t;
    ctl_progress p;
    ctl_row_status s;
    char why[512];
    ctl_progress_begin(&p, m->c, "checking");
    ctl_rows_begin(&r, m->in, m->json);
    while ((s = ctl_rows_next(&r, &t, why, sizeof why)) != CTL_ROW_END) {
        bool ok = s == CTL_ROW_OK && check_row(m, &r, &t, why, sizeof why);
        if (!ok)
            ctl_fail("%s:%lu: %s", m->file, r.row_line, why);
        if (s == CTL_ROW_FATAL) {
            ctl_rows_end(&r);
            return ctl_fail("nothing was imported");
        }
        if (!mark(m, !ok)) {
            ctl_rows_end(&r);
            return ctl_fail("out of memory; nothing was imported");
        }
        if (m->rows % LIVELY == 0)
            ctl_progress_show(&p, m->rows, m->rows * m->in.n / (r.at ? r.at : 1));
    }
    ctl_rows_end(&r);
    ctl_progress_end(&p, m->rows);
    return CTL_OK;
}

/* ---- second reading: write ---- */
typedef struct chunk {
    store_op op[CHUNK];
    gba_impi key[CHUNK];
    uint8_t value[CHUNK][REC_SUBSCRIBER_MAX];
    size_t n;
} chunk;

static gba_err add_to_chunk(import *m, chunk *k, ctl_subscriber *s)
{
    rec_subscriber old = {0};
    size_t n = sizeof k->value[0];
    bool exists = false;
    if (m->replace) {
        gba_err e = load_old(m, &s->impi, &old);
        if (e != GBA_OK && e != GBA_E_UNKNOWN && e != GBA_E_CORRUPT)
            return e;
        exists = e == GBA_OK;
    }
    ctl_subscriber_sequence(s, exists ? &old : NULL, service_now_ms());
    rec_subscriber_wipe(&old);
    gba_err e = rec_subscriber_write(&s->rec, k->value[k->n], &n);
    if (e != GBA_OK)
        return e;
    k->key[k->n] = s->impi;
    k->op[k->n] = (store_op){.type = STORE_PUT,
                             .kind = STORE_SUBSCRIBER,
                             .key = gba_str(k->key[k->n].s),
                             .value = gba_mem(k->value[k->n], n)};
    k->n++;
    m->replaced += exists;
    return GBA_OK;
}

static gba_err flush_chunk(import *m, chunk *k)
{
    if (k->n == 0)
        return GBA_OK;
    gba_err e = store_write_many(m->c->store, k->op, k->n);
    if (e == GBA_OK)
        m->written += k->n;
    gba_wipe(k->value, k->n * sizeof k->value[0]);
    k->n = 0;
    return e;
}

static int write_all(import *m, chunk *k)
{
    static ctl_rows r;
    ctl_subscriber_text t;
    ctl_subscriber s;
    ctl_progress p;
    ctl_row_status status;
    char why[512];
    uint64_t row = 0;
    gba_err e = GBA_OK;
    ctl_progress_begin(&p, m->c, "importing");
    ctl_rows_begin(&r, m->in, m->json);
    while (e == GBA_OK && row < m->rows && (status = ctl_rows_next(&r, &t, why, sizeof why)) < CTL_ROW_END) {
        if (!m->is_bad[row++]) {
            e = ctl_subscriber_parse(&t, &s, why, sizeof why);
            if (e == GBA_OK)
                e = add_to_chunk(m, k, &s);
        }
        if (e == GBA_OK && k->n == CHUNK)
            e = flush_chunk(m, k);
        if (row % LIVELY == 0)
            ctl_progress_show(&p, m->written, m->rows - m->bad);
    }
    if (e == GBA_OK)
        e = flush_chunk(m, k);
    gba_wipe(&s, sizeof s);
    gba_wipe(k->value, sizeof k->value);
    ctl_rows_end(&r);
    ctl_progress_end(&p, m->written);
    if (e == GBA_OK)
        return CTL_OK;
    ctl_store_failed(m->c, "importing", e);
    return ctl_fail("%" PRIu64 " of %" PRIu64 " subscribers were imported; the same command with --replace goes on",
                    m->written, m->rows - m->bad);
}

static int import_all(import *m)
{
    uint64_t count = 0;
    gba_err e = store_count(m->c->store, STORE_SUBSCRIBER, &count);
    if (e != GBA_OK)
        return ctl_store_failed(m->c, "counting subscribers", e);
    m->store_empty = count == 0;
    int rc = check_all(m);
    if (rc != CTL_OK)
        return rc;
    if (m->bad && !m->skip_bad)
        return ctl_fail("%" PRIu64 " of %" PRIu64
                        " rows are bad, nothing was imported; mend them, or --skip-bad imports the others",
                        m->bad, m->rows);
    chunk *k = calloc(1, sizeof *k);
    rc = k ? write_all(m, k) : ctl_fail("out of memory; nothing was imported");
    free(k);
    if (rc != CTL_OK)
        return rc;
    if (m->replaced)
        store_settle(); /* as subscriber add --replace */
    if (m->separated && !m->c->quiet)
        ctl_warn("%" PRIu64 " subscribers have an AMF with its separation bit set; a GBA card refuses that "
                 "(TS 33.102 Annex H)",
                 m->separated);
    return ctl_result(m->c,
                      json_pack("{s:I, s:I, s:I}", "imported", (json_int_t)m->written, "replaced",
                                (json_int_t)m->replaced, "skipped", (json_int_t)m->bad),
                      "imported %" PRIu64 " subscribers (%" PRIu64 " of them replaced), skipped %" PRIu64, m->written,
                      m->replaced, m->bad);
}

static int run_import(ctl *c)
{
    import m = {.c = c, .replace = ctl_has(c, "replace"), .skip_bad = ctl_has(c, "skip-bad")};
    int rc = open_input(&m);
    if (rc == CTL_OK)
        rc = choose_format(&m);
    if (rc == CTL_OK)
        rc = import_all(&m);
    if (m.mapped)
        munmap((void *)(uintptr_t)m.in.p, m.mapped);
    free(m.is_bad);
    free(m.seen);
    return rc;
}

static const ctl_opt import_opts[] = {
    {"format", "NAME", "csv or json (default: by the file's name and first character)", false, false},
    {"replace", NULL, "overwrite subscribers that exist; the same K keeps its sequence numbers", false, false},
    {"skip-bad", NULL, "import the good rows although others are bad", false, false},
    {NULL, NULL, NULL, false, false},
};

const ctl_cmd ctl_import_cmds[] = {
    {"subscriber", "import", "FILE", "add many subscribers from CSV or JSON; '-' is standard input",
     "CSV: the first line names the columns, in any order: impi, k, opc or op, and at will amf, sqn,\n"
     "algorithm, lifetime, mac_len, res_len, ck_len, ik_len, keccak_iterations. Without such a line the\n"
     "columns are impi,k,opc,amf,sqn,algorithm. JSON: an array of objects with these attributes, or\n"
     "objects one after another.\n\n"
     "Every row is checked before the first is written: if one is bad, each bad one is told as\n"
     "FILE:LINE: reason, and nothing is imported (but see --skip-bad). Keys are never shown. Rows are\n"
     "written in transactions of 8192; an import that was cut off goes on with --replace.",
     import_opts, 1, 1, CTL_CREATES_STORE, run_import},
    {NULL},
};
