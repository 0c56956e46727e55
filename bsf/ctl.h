/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - the frame of gba-bsfctl: a table of commands, their options, and how they speak to
 * people (tables, messages that name the way out) and to programs (--json).
 */
#ifndef BSF_CTL_H
#define BSF_CTL_H
#include <jansson.h>
#include "bsf/records.h"
#include "bsf/settings.h"

#define CTL_PROGRAM "gba-bsfctl"
#define CTL_OK 0
#define CTL_FAILED 1
#define CTL_USAGE 2
#define CTL_CONFIG 78 /* EX_CONFIG */

typedef struct ctl ctl;
typedef struct ctl_opt {
    const char *name;    /* without its dashes; NULL ends a list */
    const char *metavar; /* NULL: a flag */
    const char *help;
    bool repeat, secret; /* a secret is wiped from the argument list */
} ctl_opt;
typedef enum ctl_needs {
    CTL_NEEDS_NOTHING,
    CTL_NEEDS_STORE,  /* an existing one */
    CTL_CREATES_STORE /* makes a missing one */
} ctl_needs;
typedef struct ctl_cmd {
    const char *group, *name; /* name NULL: the group is the command */
    const char *args;         /* of the usage line */
    const char *summary;      /* one line */
    const char *details;      /* for --help; may be NULL */
    const ctl_opt *opts;      /* may be NULL */
    unsigned min_args, max_args;
    ctl_needs needs;
    int (*run)(ctl *c);
} ctl_cmd;
/* Each file's commands, ended by group NULL. */
extern const ctl_cmd ctl_subscriber_cmds[], ctl_import_cmds[], ctl_naf_cmds[], ctl_session_cmds[], ctl_seal_cmds[],
    ctl_guss_cmds[];

#define CTL_VALUES_MAX 256
struct ctl {
    const ctl_cmd *cmd;
    const char *config;
    bool json, quiet, help;
    bsf_settings s; /* when a configuration was read */
    conf *conf;
    store *store;
    char *arg[8]; /* positional */
    unsigned n_args;
    struct {
        const ctl_opt *opt;
        char *value;
    } value[CTL_VALUES_MAX];
    unsigned n_values;
};

/* ---- ctl_args.c ---- */
/* CTL_OK or CTL_USAGE, explained on stderr. */
int ctl_parse(ctl *c, const ctl_cmd *const *tables, int argc, char **argv);
void ctl_help(const ctl *c, const ctl_cmd *const *tables, const char *group);
const char *ctl_get(const ctl *c, const char *name); /* NULL: not given; a flag: "" */
bool ctl_has(const ctl *c, const char *name);
/* The i-th value of a repeatable option, NULL behind the last. */
const char *ctl_get_nth(const ctl *c, const char *name, unsigned i);
int ctl_read_config(ctl *c); /* CTL_OK or CTL_CONFIG */

/* ---- ctl_out.c ---- */
/* "gba-bsfctl: ..." on stderr; returns CTL_FAILED, CTL_USAGE. */
int ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int ctl_usage(const ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctl_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A store error in words. */
int ctl_store_failed(const ctl *c, const char *doing, gba_err e);
/* Prints and frees; or, without --json, nothing but the text of fmt. */
int ctl_result(const ctl *c, json_t *object, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A number of `min`..`max`, decimal or 0x...; false when it is none. */
bool ctl_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);
/* A time for programs, null when it is 0 or out of range; and for people, "-" then. */
json_t *ctl_json_time(int64_t t);
void ctl_time_text(int64_t t, char out[GBA_TIME_TEXT]);
/* The first argument as an IMPI; CTL_OK or CTL_USAGE. */
int ctl_parse_impi(const ctl *c, gba_impi *out);
/* For UNKNOWN and EXPIRED: "NAME: WHAT; gba-bsfctl COMMAND shows them"; other errors in words of the store. */
int ctl_not_found(const ctl *c, const char *name, gba_err e, const char *what, const char *command);

/* Rows of a listing as they come: a JSON array of the objects, or an aligned table of their cells.
 * Any number of rows in little memory: widths follow from the first rows. */
#define CTL_COLUMNS_MAX 8
typedef struct ctl_table ctl_table;
ctl_table *ctl_table_begin(const ctl *c, const char *const *heads); /* heads end with NULL */
/* Takes the object, which only --json needs (else NULL); cells are copied. */
void ctl_table_row(ctl_table *t, json_t *object, const char *const *cells);
int ctl_table_end(ctl_table **t, const char *none); /* `none`: said when there was no row */

/* `list` of a kind of record, with its options --after and --limit. `row` shows one in the table that it is
 * given: CTL_ROW_DAMAGED is told and makes the command fail. */
typedef enum ctl_row { CTL_ROW_SHOWN, CTL_ROW_SKIPPED, CTL_ROW_DAMAGED } ctl_row;
typedef struct ctl_list_spec {
    store_kind kind;
    const char *plural; /* "subscribers" */
    const char *none;   /* said when there is none */
    const char *mend;   /* what to do about a damaged record, behind its key; may be NULL */
    const char *const *heads;
    ctl_row (*row)(void *ctx, const ctl *c, ctl_table *t, const char *key, gba_span value);
} ctl_list_spec;
int ctl_list(ctl *c, const ctl_list_spec *spec, void *ctx);

/* On stderr: a bar on a terminal, a line now and then elsewhere, nothing with --quiet. */
typedef struct ctl_progress {
    const char *doing;
    bool bar, silent;
    int64_t started_ms, shown_ms;
    uint64_t shown, done; /* the bar's last; of the last step */
} ctl_progress;
void ctl_progress_begin(ctl_progress *p, const ctl *c, const char *doing);
void ctl_progress_show(ctl_progress *p, uint64_t done, uint64_t total);
void ctl_progress_end(ctl_progress *p, uint64_t done);

/* ---- ctl_subscriber.c, shared with the import ---- */
typedef struct ctl_subscriber {
    gba_impi impi;
    rec_subscriber rec; /* its seq_offset follows from sqn at writing */
    bool sqn_given;
} ctl_subscriber;
/* Fields as text, NULL or "": not given. why: what is wrong, without the value of any key. */
typedef struct ctl_subscriber_text {
    const char *impi, *k, *opc, *op, *amf, *sqn, *algorithm, *lifetime;
    const char *mac_len, *res_len, *ck_len, *ik_len, *keccak_iterations;
} ctl_subscriber_text;
gba_err ctl_subscriber_parse(const ctl_subscriber_text *t, ctl_subscriber *out, char *why, size_t why_n) GBA_MUST_USE;
/* Sets created and seq_offset. With the record that is replaced (else NULL): the same K never gets
 * an SQN twice. */
void ctl_subscriber_sequence(ctl_subscriber *s, const rec_subscriber *old, int64_t now_ms);
bool ctl_amf_separated(const uint8_t amf[2]); /* TS 33.102 Annex H: the separation bit */
#endif
