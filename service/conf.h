/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - YAML configuration checked against a table. One row a setting: path, type,
 * where it lands in the program's struct, default, limits, help. From the same table come
 * the parser, --check, --print-defaults and the man page's list.
 */
#ifndef SERVICE_CONF_H
#define SERVICE_CONF_H
#include <gba/gba.h>

typedef enum conf_type {
    CONF_STRING,   /* char *, NULL when absent and no default */
    CONF_PATH,     /* char *; relative to the configuration file's folder, also behind "sqlite:"; a URL stays */
    CONF_INT,      /* int64_t, min..max */
    CONF_BOOL,     /* bool */
    CONF_DURATION, /* int64_t seconds; "90", "90s", "10m", "24h", "7d" */
    CONF_SIZE,     /* int64_t octets; "64k", "1M" */
    CONF_ENUM,     /* int, index into names */
    CONF_LISTEN,   /* conf_listen; "127.0.0.1:8080", "[::1]:8080"; port 0..65535 */
    CONF_FQDN,     /* gba_fqdn */
    CONF_STRINGS,  /* conf_strings: a list of scalars */
    CONF_ITEMS,    /* conf_items: a list of mappings, by a table of its own */
} conf_type;

typedef struct conf_listen {
    char address[64];
    uint16_t port;
    bool set;
} conf_listen;
typedef struct conf_strings {
    char **v;
    int *line; /* of each */
    size_t n;
} conf_strings;
typedef struct conf_items {
    void *v; /* n structs of item_size */
    size_t n;
} conf_items;

typedef struct conf_field {
    const char *path; /* "ub.listen" */
    conf_type type;
    size_t offset;
    const char *def; /* text as in YAML, NULL: none */
    bool required;
    int64_t min, max;              /* CONF_INT, DURATION, SIZE; both 0: any */
    const char *const *names;      /* CONF_ENUM, NULL-terminated */
    const struct conf_field *item; /* CONF_ITEMS: its table, ended by path NULL */
    size_t item_size;
    const char *help; /* one line */
} conf_field;

typedef struct conf conf; /* the parsed file: lines of settings, and the arena of strings */
/* Fills `into` (zeroed here). Each fault is one line on stderr, or in `report`:
 * "PROGRAM: FILE:LINE: PATH: what is wrong, and the way out". All faults, not the first.
 * SYNTAX and *out NULL when there was one, IO when the file cannot be read, NOMEM. null turns off a
 * default of CONF_STRING, CONF_PATH, CONF_LISTEN and CONF_FQDN. */
typedef void conf_report(void *ctx, const char *line);
gba_err conf_load(const char *program, const char *file, const conf_field *table, void *into, conf_report *report,
                  void *ctx, conf **out) GBA_MUST_USE;
/* The same of octets in memory, into zeroed settings; `file` names them and gives the folder. */
gba_err conf_load_text(const char *program, const char *file, gba_span text, const conf_field *table, void *into,
                       conf_report *report, void *ctx, conf **out) GBA_MUST_USE;
void conf_free(conf **c); /* the settings' strings go with it */
/* For the program's own checks, same form: names the line of `path` ("naf.upstreams[2].url"). */
/* A list of unsigned numbers of 32 bits, at most `max`; *n of them. c NULL: checked before, no faults told. */
void conf_numbers(conf *c, const char *path, const conf_strings *list, uint32_t *out, size_t max, size_t *n);
void conf_fault(conf *c, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void conf_warn(conf *c, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool conf_ok(const conf *c); /* no fault so far */
/* Calls visit for each setting that differs between two readings: "ub.listen", "diameter.peers[1].address", or the
 * list itself when it grew or shrank. */
typedef void conf_change(void *ctx, const char *path);
void conf_each_change(const conf_field *table, const void *a, const void *b, conf_change *visit, void *ctx);
/* A commented YAML file of all defaults, on stdout. */
void conf_print_defaults(const conf_field *table);
#endif
