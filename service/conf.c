/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.c - a YAML file against a table of settings. The file becomes a small tree of nodes with
 * line numbers (the only part that knows libyaml); the tree is then held against the table.
 * Faults are collected, not stopped at, so that one --check shows them all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>
#include "service/conf.h"

#define FILE_MAX (1024 * 1024)
#define DEPTH_MAX 12
#define NODES_MAX 50000
#define TEXT_MAX 4096
#define ITEMS_MAX 10000
#define FAULTS_MAX 50
#define PATH_SIZE 256

typedef enum node_type { SCALAR, NOTHING, MAPPING, SEQUENCE } node_type;
typedef struct node {
    node_type type;
    int line;
    char *key;  /* in a mapping */
    char *text; /* of a scalar */
    size_t text_n;
    struct node *first, *last, *next; /* children; sibling */
    size_t n;                         /* children */
} node;

typedef struct block {
    struct block *next;
    _Alignas(16) unsigned char o[];
} block;

struct conf {
    char *program, *file, *folder;
    conf_report *report;
    void *ctx;
    block *blocks;
    struct {
        char *path;
        int line;
    } *at;
    size_t n_at, room_at;
    size_t nodes;
    unsigned faults;
    bool nomem; /* a fault, told once, at the end */
};

/* ---- arena ---- */
static void out_of_memory(conf *c)
{
    c->faults += !c->nomem;
    c->nomem = true;
}

/* NULL: out of memory; the file is not taken then, and whoever reads on leaves out what is missing. */
static void *arena(conf *c, size_t n)
{
    block *b = calloc(1, sizeof *b + (n ? n : 1));
    if (!b) {
        out_of_memory(c);
        return NULL;
    }
    b->next = c->blocks;
    c->blocks = b;
    return b->o;
}

static char *arena_text(conf *c, const char *s, size_t n)
{
    char *p = arena(c, n + 1);
    if (p)
        memcpy(p, s, n);
    return p;
}

static void note_line(conf *c, const char *path, int line)
{
    char *copy = arena_text(c, path, strlen(path));
    if (!copy)
        return;
    if (c->n_at == c->room_at) {
        size_t room = c->room_at ? c->room_at * 2 : 64;
        void *bigger = realloc(c->at, room * sizeof *c->at);
        if (!bigger) {
            out_of_memory(c);
            return;
        }
        c->at = bigger;
        c->room_at = room;
    }
    c->at[c->n_at].path = copy;
    c->at[c->n_at++].line = line;
}

static int line_of_first(const conf *c, const char *path, size_t n, size_t from)
{
    for (size_t i = from; i < c->n_at; i++)
        if (strncmp(c->at[i].path, path, n) == 0 && !c->at[i].path[n])
            return c->at[i].line;
    return 0;
}

/* Of the setting, or of the nearest thing above it that the file has. */
static int line_of(const conf *c, const char *path)
{
    size_t n = strlen(path);
    while (n) {
        int line = line_of_first(c, path, n, 0);
        if (line)
            return line;
        while (n && path[n - 1] != '.' && path[n - 1] != '[')
            n--;
        if (n)
            n--;
    }
    return 0;
}

/* ---- faults ---- */
static void say(conf *c, int line, const char *path, const char *kind, const char *fmt, va_list ap)
    __attribute__((format(printf, 5, 0)));
static void say(conf *c, int line, const char *path, const char *kind, const char *fmt, va_list ap)
{
    char s[2048];
    size_t n = (size_t)snprintf(s, sizeof s, line ? "%s: %s:%d: " : "%s: %s: ", c->program, c->file, line);
    n = n < sizeof s ? n : sizeof s - 1;
    if (path && *path)
        n += (size_t)snprintf(s + n, sizeof s - n, "%s: ", path);
    n = n < sizeof s ? n : sizeof s - 1;
    n += (size_t)snprintf(s + n, sizeof s - n, "%s", kind);
    n = n < sizeof s ? n : sizeof s - 1;
    vsnprintf(s + n, sizeof s - n, fmt, ap);
    for (char *p = s; *p; p++) /* the file's words may hold terminal controls */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    if (c->report)
        c->report(c->ctx, s);
    else
        fprintf(stderr, "%s\n", s);
}

static void fault_at(conf *c, int line, const char *path, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void fault_at(conf *c, int line, const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (c->faults++ < FAULTS_MAX)
        say(c, line, path, "", fmt, ap);
    va_end(ap);
}

void conf_fault(conf *c, const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (c->faults++ < FAULTS_MAX)
        say(c, line_of(c, path), path, "", fmt, ap);
    va_end(ap);
}

void conf_warn(conf *c, const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(c, line_of(c, path), path, "warning: ", fmt, ap);
    va_end(ap);
}

bool conf_ok(const conf *c)
{
    return c->faults == 0;
}

/* ---- YAML to nodes ---- */
static node *node_add(conf *c, node *parent, node_type type, int line, char *key)
{
    node *n = arena(c, sizeof *n);
    if (!n)
        return NULL;
    n->type = type;
    n->line = line;
    n->key = key;
    if (parent) {
        *(parent->first ? &parent->last->next : &parent->first) = n;
        parent->last = n;
        parent->n++;
    }
    return n;
}

static node_type scalar_type(const yaml_event_t *e)
{
    const char *s = (const char *)e->data.scalar.value;
    if (e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return SCALAR;
    return !*s || !strcmp(s, "~") || !strcmp(s, "null") ? NOTHING : SCALAR;
}

/* Anchors, aliases and tags are refused: no setting needs them, and aliases multiply. */
static const char *refused(const yaml_event_t *e)
{
    if (e->type == YAML_ALIAS_EVENT)
        return "aliases (*name) are not offered: write the value again";
    bool scalar = e->type == YAML_SCALAR_EVENT, seq = e->type == YAML_SEQUENCE_START_EVENT;
    if (!scalar && !seq && e->type != YAML_MAPPING_START_EVENT)
        return NULL;
    if (scalar ? !!e->data.scalar.anchor : seq ? !!e->data.sequence_start.anchor : !!e->data.mapping_start.anchor)
        return "anchors (&name) are not offered: write the value where it is needed";
    if (scalar ? !!e->data.scalar.tag : seq ? !!e->data.sequence_start.tag : !!e->data.mapping_start.tag)
        return "tags (!name) are not offered: leave the tag out";
    return NULL;
}

typedef struct builder {
    node *stack[DEPTH_MAX];
    size_t depth;
    char *key; /* of the value to come, in a mapping */
    int key_line;
    node *root;
} builder;

/* One event into the tree; false ends the parse. */
static bool build_value(conf *c, builder *b, const yaml_event_t *e, int line)
{
    node *parent = b->depth ? b->stack[b->depth - 1] : NULL;
    if (parent && parent->type == MAPPING && !b->key) {
        const char *s = (const char *)e->data.scalar.value;
        if (e->type != YAML_SCALAR_EVENT || !*s || strlen(s) != e->data.scalar.length || strlen(s) > 64) {
            fault_at(c, line, NULL, "a key must be a short word followed by a colon");
            return false;
        }
        b->key = arena_text(c, s, e->data.scalar.length);
        if (!b->key)
            return false;
        b->key[strcspn(b->key, "\n")] = 0;
        b->key_line = line;
        return true;
    }
    node_type type = e->type == YAML_MAPPING_START_EVENT    ? MAPPING
                     : e->type == YAML_SEQUENCE_START_EVENT ? SEQUENCE
                                                            : scalar_type(e);
    node *n = node_add(c, parent, type, b->key ? b->key_line : line, b->key);
    b->key = NULL;
    if (!n)
        return false;
    if (!b->root)
        b->root = n;
    if (e->type == YAML_SCALAR_EVENT) {
        n->text = arena_text(c, (const char *)e->data.scalar.value, e->data.scalar.length);
        n->text_n = e->data.scalar.length;
        if (!n->text)
            return false;
    } else if (b->depth == DEPTH_MAX) {
        fault_at(c, line, NULL, "nested too deeply: at most %d levels", DEPTH_MAX);
        return false;
    } else {
        b->stack[b->depth++] = n;
    }
    if (++c->nodes > NODES_MAX) {
        fault_at(c, line, NULL, "too many values: at most %d", NODES_MAX);
        return false;
    }
    return true;
}

static bool build(conf *c, builder *b, const yaml_event_t *e)
{
    int line = (int)e->start_mark.line + 1;
    const char *why = refused(e);
    if (why) {
        fault_at(c, line, NULL, "%s", why);
        return false;
    }
    switch (e->type) {
    case YAML_SCALAR_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return build_value(c, b, e, line);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        b->depth--;
        return true;
    case YAML_DOCUMENT_START_EVENT:
        if (b->root)
            fault_at(c, line, NULL, "a second document begins (---): one is all that is read");
        return !b->root;
    case YAML_STREAM_END_EVENT:
        return false;
    default:
        return true;
    }
}

static node *parse_yaml(conf *c, const char *text, size_t n)
{
    yaml_parser_t p;
    builder b = {0};
    bool go = true;
    if (!yaml_parser_initialize(&p)) {
        out_of_memory(c);
        return NULL;
    }
    yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
    while (go) {
        yaml_event_t e;
        if (!yaml_parser_parse(&p, &e) && p.error == YAML_MEMORY_ERROR) {
            out_of_memory(c);
            break;
        }
        if (p.error) {
            const yaml_mark_t *m = p.problem_mark.line || p.problem_mark.column ? &p.problem_mark : &p.mark;
            fault_at(c, (int)m->line + 1, NULL, "not YAML: %s (column %d)", p.problem ? p.problem : "malformed",
                     (int)m->column + 1);
            break;
        }
        go = build(c, &b, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&p);
    return b.root;
}

/* ---- text to values ---- */
static bool parse_number(const char *s, const char **end, int64_t *out)
{
    errno = 0;
    char *e;
    if (!((*s >= '0' && *s <= '9') || (*s == '-' && s[1] >= '0' && s[1] <= '9')))
        return false;
    *out = strtoll(s, &e, 10);
    *end = e;
    return errno == 0;
}

static int64_t unit_of(const char *units, const int64_t *factor, const char *end)
{
    if (!*end)
        return 1;
    const char *at = end[1] ? NULL : strchr(units, *end);
    return at ? factor[at - units] : 0;
}

static void set_number(conf *c, const conf_field *f, const char *path, int line, const char *s, int64_t *out)
{
    static const int64_t seconds[] = {1, 60, 3600, 86400, 604800};
    static const int64_t octets[] = {1024, 1024, 1048576, 1048576, 1073741824, 1073741824};
    const char *end = "x";
    int64_t v = 0, unit = 0;
    if (parse_number(s, &end, &v))
        unit = f->type == CONF_INT        ? !*end
               : f->type == CONF_DURATION ? unit_of("smhdw", seconds, end)
                                          : unit_of("kKmMgG", octets, end);
    if (!unit) {
        fault_at(c, line, path, "'%.40s' is not %s", s,
                 f->type == CONF_INT        ? "a number"
                 : f->type == CONF_DURATION ? "a duration such as 90s, 10m, 24h or 7d"
                                            : "a size such as 4096, 64k or 1M");
        return;
    }
    bool limits = f->min || f->max, over = __builtin_mul_overflow(v, unit, &v);
    int64_t min = limits ? f->min : f->type == CONF_INT ? INT64_MIN : 0, max = limits ? f->max : INT64_MAX;
    if (over || v < min || v > max) {
        const char *u = f->type == CONF_DURATION ? "s" : "";
        fault_at(c, line, path, "%.40s is out of range (%" PRId64 "%s-%" PRId64 "%s)", s, min, u, max, u);
        return;
    }
    *out = v;
}

static void set_bool(conf *c, const char *path, int line, const char *s, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < 3; i++) {
        if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
            *out = !strcmp(s, yes[i]);
            return;
        }
    }
    fault_at(c, line, path, "'%.40s' is neither true nor false", s);
}

static void join_names(const char *const *names, char *out, size_t n)
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; names[i] && at < n; i++)
        at += (size_t)snprintf(out + at, n - at, "%s%s", i ? ", " : "", names[i]);
}

static void set_enum(conf *c, const conf_field *f, const char *path, int line, const char *s, int *out)
{
    char names[512];
    for (int i = 0; f->names[i]; i++) {
        if (!strcmp(f->names[i], s)) {
            *out = i;
            return;
        }
    }
    join_names(f->names, names, sizeof names);
    fault_at(c, line, path, "'%.40s' is not one of: %s", s, names);
}

static void set_listen(conf *c, const char *path, int line, const char *s, conf_listen *out)
{
    const char *colon = strrchr(s, ':'), *end;
    struct in6_addr a;
    int64_t port = 0;
    bool v6 = *s == '[';
    size_t n = colon ? (size_t)(colon - s) : 0;
    bool good = colon && n > (v6 ? 2u : 0u) && n - (v6 ? 2 : 0) < sizeof out->address && (!v6 || s[n - 1] == ']');
    if (good) {
        snprintf(out->address, sizeof out->address, "%.*s", (int)(n - (v6 ? 2 : 0)), s + v6);
        good =
            inet_pton(v6 ? AF_INET6 : AF_INET, out->address, &a) == 1 && parse_number(colon + 1, &end, &port) && !*end;
    }
    if (!good)
        fault_at(c, line, path, "'%.60s' is not ADDRESS:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080", s);
    else if (port < 0 || port > 65535)
        fault_at(c, line, path, "port %" PRId64 " is out of range (1-65535)", port);
    else
        out->port = (uint16_t)port, out->set = true;
}

static void set_fqdn(conf *c, const char *path, int line, const char *s, gba_fqdn *out)
{
    if (gba_fqdn_parse(gba_str(s), out) != GBA_OK)
        fault_at(c, line, path, "'%.60s' is not a host name such as bsf.example.org", s);
}

static char *absolute(conf *c, const char *s)
{
    const char *path = strncmp(s, "sqlite:", 7) == 0 ? s + 7 : s;
    if (*path == '/' || !c->folder || strstr(s, "://"))
        return arena_text(c, s, strlen(s));
    size_t n = strlen(c->folder) + strlen(s) + 2;
    char *p = arena(c, n);
    if (p)
        snprintf(p, n, "%.*s%s/%s", (int)(path - s), s, c->folder, path);
    return p;
}

/* line 0: the table's default. */
static void set_scalar(conf *c, const conf_field *f, const char *path, int line, const char *s, void *to)
{
    switch (f->type) {
    case CONF_STRING:
        *(char **)to = arena_text(c, s, strlen(s));
        break;
    case CONF_PATH:
        if (!*s)
            fault_at(c, line, path, "is empty: name a file, or leave the setting out");
        else
            *(char **)to = absolute(c, s);
        break;
    case CONF_INT:
    case CONF_DURATION:
    case CONF_SIZE:
        set_number(c, f, path, line, s, to);
        break;
    case CONF_BOOL:
        set_bool(c, path, line, s, to);
        break;
    case CONF_ENUM:
        set_enum(c, f, path, line, s, to);
        break;
    case CONF_LISTEN:
        set_listen(c, path, line, s, to);
        break;
    case CONF_FQDN:
        set_fqdn(c, path, line, s, to);
        break;
    case CONF_STRINGS:
    case CONF_ITEMS:
        break;
    }
}

/* ---- the tree against the table ---- */
static const char *const shapes[] = {
    [SCALAR] = "a value", [NOTHING] = "nothing", [MAPPING] = "a section", [SEQUENCE] = "a list"};

static bool good_text(conf *c, const node *n, const char *path)
{
    if (n->type != SCALAR) {
        fault_at(c, n->line, path, "needs a single value, but has %s", shapes[n->type]);
        return false;
    }
    if (n->text_n > TEXT_MAX || strlen(n->text) != n->text_n) {
        fault_at(c, n->line, path, "is too long (at most %d octets) or holds a NUL", TEXT_MAX);
        return false;
    }
    return true;
}

static void take_strings(conf *c, const node *n, const char *path, conf_strings *out)
{
    const node *from = n->type == SEQUENCE ? n->first : n;
    size_t many = n->type == SEQUENCE ? n->n : n->type == NOTHING ? 0 : 1;
    char item[PATH_SIZE + 24];
    *out = (conf_strings){arena(c, many * sizeof *out->v), arena(c, many * sizeof *out->line), 0};
    for (; out->v && out->line && out->n < many && from; from = from->next, out->n++) {
        snprintf(item, sizeof item, "%s[%zu]", path, out->n);
        out->v[out->n] = good_text(c, from, item) ? from->text : arena_text(c, "", 0);
        out->line[out->n] = from->line;
        if (many < 1000) /* lines of a longer list are found in conf_strings */
            note_line(c, item, from->line);
    }
}

static void take_section(conf *c, const conf_field *table, const node *n, const char *prefix, size_t own, bool *seen,
                         void *into);
static void take_table(conf *c, const conf_field *table, const node *n, const char *prefix, void *into);

static void take_items(conf *c, const conf_field *f, const node *n, const char *path, conf_items *out)
{
    char item[PATH_SIZE];
    size_t i = 0;
    if (n->type != SEQUENCE && n->type != NOTHING) {
        fault_at(c, n->line, path, "needs a list of sections (lines that begin with '- '), but has %s",
                 shapes[n->type]);
        return;
    }
    if (n->n > ITEMS_MAX) {
        fault_at(c, n->line, path, "has %zu items, at most %d are possible", n->n, ITEMS_MAX);
        return;
    }
    *out = (conf_items){arena(c, n->n * f->item_size), n->n};
    for (const node *m = out->v ? n->first : NULL; m; m = m->next, i++) {
        snprintf(item, sizeof item, "%.230s[%zu]", path, i);
        note_line(c, item, m->line);
        if (m->type != MAPPING)
            fault_at(c, m->line, item, "needs a section, but has %s", shapes[m->type]);
        else
            take_table(c, f->item, m, item, (char *)out->v + i * f->item_size);
    }
}

static void take_field(conf *c, const conf_field *f, const node *n, const char *path, void *into)
{
    void *to = (char *)into + f->offset;
    if (f->type == CONF_STRINGS) {
        if (n->type == MAPPING)
            fault_at(c, n->line, path, "needs a list of values, but has a section");
        else
            take_strings(c, n, path, to);
    } else if (f->type == CONF_ITEMS) {
        take_items(c, f, n, path, to);
    } else if (n->type == NOTHING) {
        bool may = f->type == CONF_STRING || f->type == CONF_PATH || f->type == CONF_LISTEN || f->type == CONF_FQDN;
        if (!n->text_n) /* "ub.listen:" and no more is a slip, not a wish */
            fault_at(c, n->line, path, may ? "has no value (null turns it off)" : "has no value");
        else if (!may || f->required)
            fault_at(c, n->line, path, "cannot be null");
    } else if (good_text(c, n, path)) {
        set_scalar(c, f, path, n->line, n->text, to);
    }
}

static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b), row[66];
    if (la > 64 || lb > 64)
        return 64;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t d = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            d = row[j] + 1 < d ? row[j] + 1 : d;
            row[j] = row[j - 1] + 1 < d ? row[j - 1] + 1 : d;
        }
    }
    return row[lb];
}

/* The setting that was meant, perhaps: a near spelling at this place, else the same word elsewhere. */
static void fault_unknown(conf *c, const conf_field *table, const node *n, const char *path, const char *local)
{
    const char *best = NULL, *dot = strrchr(local, '.'), *word = dot ? dot + 1 : local;
    size_t stem = dot ? (size_t)(dot + 1 - local) : 0, nearest = strlen(word) / 3 + 2;
    char near[PATH_SIZE];
    for (const conf_field *f = table; f->path; f++) {
        if (strncmp(f->path, local, stem) != 0)
            continue;
        snprintf(near, sizeof near, "%.*s", (int)strcspn(f->path + stem, "."), f->path + stem);
        size_t d = distance(near, word);
        if (d < nearest) {
            nearest = d;
            best = f->path;
        }
    }
    for (const conf_field *f = table; !best && f->path; f++) {
        const char *last = strrchr(f->path, '.');
        if (!strcmp(last ? last + 1 : f->path, word))
            best = f->path, stem = strlen(f->path);
    }
    if (best)
        fault_at(c, n->line, path, "is not a setting; did you mean %.*s?",
                 (int)(stem + strcspn(best + stem, ".")), best);
    else
        fault_at(c, n->line, path, "is not a setting; --print-defaults lists them all");
}

static const conf_field *field_of(const conf_field *table, const char *local, bool *section)
{
    size_t n = strlen(local);
    *section = false;
    for (const conf_field *f = table; f->path; f++) {
        if (!strcmp(f->path, local))
            return f;
        if (!strncmp(f->path, local, n) && f->path[n] == '.')
            *section = true;
    }
    return NULL;
}

/* prefix: the whole path so far; its first `own` characters stand before the table's names. */
static void take_section(conf *c, const conf_field *table, const node *n, const char *prefix, size_t own, bool *seen,
                         void *into)
{
    char path[PATH_SIZE];
    for (const node *m = n->first; m; m = m->next) {
        bool section;
        if (snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", m->key) >= (int)sizeof path) {
            fault_at(c, m->line, prefix, "a name below it is too long");
            continue;
        }
        const char *local = path + own;
        const conf_field *f = field_of(table, local, &section);
        if (f && seen[f - table]) {
            fault_at(c, m->line, path, "is given twice; it stands already in line %d", line_of(c, path));
        } else if (f) {
            seen[f - table] = true;
            note_line(c, path, m->line);
            take_field(c, f, m, path, into);
        } else if (!section) {
            fault_unknown(c, table, m, path, local);
        } else if (m->type != MAPPING && m->type != NOTHING) {
            fault_at(c, m->line, path, "is a section: its settings belong below it, indented");
        } else {
            if (!line_of_first(c, path, strlen(path), 0))
                note_line(c, path, m->line);
            take_section(c, table, m, path, own, seen, into);
        }
    }
}

static void take_table(conf *c, const conf_field *table, const node *n, const char *prefix, void *into)
{
    char path[PATH_SIZE];
    size_t rows = 0;
    while (table[rows].path)
        rows++;
    bool *seen = arena(c, rows * sizeof *seen);
    if (!seen)
        return;
    if (n)
        take_section(c, table, n, prefix, *prefix ? strlen(prefix) + 1 : 0, seen, into);
    for (size_t i = 0; i < rows; i++) {
        const conf_field *f = &table[i];
        if (seen[i])
            continue;
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", f->path);
        if (f->def)
            set_scalar(c, f, path, 0, f->def, (char *)into + f->offset);
        else if (f->required)
            conf_fault(c, path, "is missing: %s", f->help ? f->help : "it is required");
    }
}

/* ---- load ---- */
static char *read_file(conf *c, size_t *n)
{
    int fd = open(c->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) || S_ISDIR(st.st_mode)) {
        fault_at(c, 0, NULL, "cannot be read: %s", fd < 0 ? strerror(errno) : "it is a folder");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = malloc(FILE_MAX + 1);
    ssize_t got = 0;
    *n = 0;
    while (text && *n <= FILE_MAX && (got = read(fd, text + *n, FILE_MAX + 1 - *n)) > 0)
        *n += (size_t)got;
    if (!text || got < 0 || *n > FILE_MAX) {
        if (*n > FILE_MAX)
            fault_at(c, 0, NULL, "is larger than 1 MiB: not a configuration");
        else
            fault_at(c, 0, NULL, "cannot be read: %s", strerror(errno));
        free(text);
        text = NULL;
    }
    close(fd);
    return text;
}

static conf *conf_new(const char *program, const char *file, conf_report *report, void *ctx)
{
    conf *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    const char *slash = strrchr(file, '/');
    c->program = arena_text(c, program, strlen(program));
    c->file = arena_text(c, file, strlen(file));
    c->folder = slash ? arena_text(c, file, slash == file ? 1 : (size_t)(slash - file)) : NULL;
    c->report = report;
    c->ctx = ctx;
    if (c->nomem)
        conf_free(&c);
    return c;
}

gba_err conf_load_text(const char *program, const char *file, gba_span text, const conf_field *table, void *into,
                       conf_report *report, void *ctx, conf **out)
{
    conf *c = conf_new(program, file, report, ctx);
    *out = NULL;
    if (!c)
        return GBA_E_NOMEM;
    node *root = parse_yaml(c, (const char *)text.p, text.n);
    if (root && root->type != MAPPING && root->type != NOTHING)
        fault_at(c, root->line, NULL, "needs settings such as 'log.level: info', but has %s", shapes[root->type]);
    if (conf_ok(c))
        take_table(c, table, root, "", into);
    if (conf_ok(c)) {
        *out = c;
        return GBA_OK;
    }
    unsigned more = c->faults > FAULTS_MAX ? c->faults - FAULTS_MAX : 0;
    c->faults = 0;
    bool nomem = c->nomem;
    if (nomem)
        fault_at(c, 0, NULL, "out of memory while it was read");
    else if (more)
        fault_at(c, 0, NULL, "%u more faults are not shown", more);
    conf_free(&c);
    return nomem ? GBA_E_NOMEM : GBA_E_SYNTAX;
}

static size_t struct_size(const conf_field *table)
{
    static const size_t sizes[] = {
        [CONF_STRING] = sizeof(char *),    [CONF_PATH] = sizeof(char *),        [CONF_INT] = sizeof(int64_t),
        [CONF_BOOL] = sizeof(bool),        [CONF_DURATION] = sizeof(int64_t),   [CONF_SIZE] = sizeof(int64_t),
        [CONF_ENUM] = sizeof(int),         [CONF_LISTEN] = sizeof(conf_listen), [CONF_FQDN] = sizeof(gba_fqdn),
        [CONF_STRINGS] = sizeof(conf_strings), [CONF_ITEMS] = sizeof(conf_items)};
    size_t n = 0;
    for (const conf_field *f = table; f->path; f++)
        n = f->offset + sizes[f->type] > n ? f->offset + sizes[f->type] : n;
    return n;
}

gba_err conf_load(const char *program, const char *file, const conf_field *table, void *into, conf_report *report,
                  void *ctx, conf **out)
{
    size_t n;
    *out = NULL;
    memset(into, 0, struct_size(table));
    conf *c = conf_new(program, file, report, ctx);
    if (!c)
        return GBA_E_NOMEM;
    char *text = read_file(c, &n);
    conf_free(&c);
    if (!text)
        return GBA_E_IO;
    gba_err e = conf_load_text(program, file, gba_mem(text, n), table, into, report, ctx, out);
    free(text);
    return e;
}

void conf_free(conf **cp)
{
    conf *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    for (block *b = c->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(c->at);
    free(c);
}
