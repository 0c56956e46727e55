/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - the life of a server program: arguments, configuration, log, admin listener
 * (/healthz, /readyz, /metrics), health listener (the first two), SIGTERM drains, SIGHUP reloads.
 */
#ifndef SERVICE_DAEMON_H
#define SERVICE_DAEMON_H
#include "service/conf.h"
#include "service/log.h"

/* The settings every daemon has; rows for the program's table: DAEMON_CONF_ROWS(struct, member). */
typedef struct daemon_conf {
    conf_listen admin;  /* loopback by default */
    conf_listen health; /* for balancers; none by default */
    int log_level, log_format;
    int64_t drain; /* seconds */
} daemon_conf;
extern const char *const daemon_log_levels[], *const daemon_log_formats[];
#define DAEMON_CONF_ROWS(S, M, ADMIN_DEFAULT)                                                                          \
    {.path = "admin.listen", .type = CONF_LISTEN, .offset = offsetof(S, M.admin), .def = ADMIN_DEFAULT,                \
     .help = "health and metrics; keep it on loopback"},                                                               \
        {.path = "health.listen", .type = CONF_LISTEN, .offset = offsetof(S, M.health),                                \
         .help = "/healthz and /readyz for a load balancer, and nothing else"},                                        \
        {.path = "log.level", .type = CONF_ENUM, .offset = offsetof(S, M.log_level), .def = "info",                    \
         .names = daemon_log_levels, .help = "debug, info, warn or error; audit lines always appear"},                 \
        {.path = "log.format", .type = CONF_ENUM, .offset = offsetof(S, M.log_format), .def = "text",                  \
         .names = daemon_log_formats, .help = "text or json"},                                                         \
        {.path = "drain", .type = CONF_DURATION, .offset = offsetof(S, M.drain), .def = "10s", .min = 0, .max = 600,   \
         .help = "how long SIGTERM lets requests finish"}

typedef struct daemon_spec {
    const char *name; /* "gba-bsfd" */
    const char *summary;
    const conf_field *table;
    size_t conf_size;
    size_t daemon_conf_offset;
    /* The program's own checks, by conf_fault and conf_warn; also at --check. */
    void (*check)(conf *c, const void *settings);
    /* Everything up and listening, or a fault text. settings live until stop. */
    gba_err (*start)(const void *settings, void **state, char *why, size_t why_n);
    /* SIGHUP: new settings were checked already; applies what can change, logs what cannot. They live until the next
     * ones are taken over, or these refused: who keeps one of their pointers replaces it here. */
    gba_err (*reload)(void *state, const void *settings, char *why, size_t why_n);
    void (*drain)(void *state); /* accept no more */
    void (*stop)(void **state); /* after drain or its deadline */
    /* /readyz: OK while anything can be served, else why, by daemon_reason. Asked each second, under a lock: it must
     * not wait long. */
    gba_err (*ready)(void *state, char *why, size_t why_n);
    /* What reload takes over: paths, or with a "." at their end sections; NULL ends it. Every other setting that
     * differs from the ones of the start is named by the event config.restart_needed. NULL: none is named. */
    const char *const *live;
} daemon_spec;
/* --config F [--check] | --print-defaults | --version | --help. Returns the exit code:
 * 0; 1 failed at run time; 2 usage; 78 (EX_CONFIG) configuration. */
int daemon_main(const daemon_spec *spec, int argc, char **argv);
/* Adds a line to what a daemon_spec's ready gives, if it fits whole. */
void daemon_reason(char *why, size_t why_n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Wall clock in Unix seconds and milliseconds, monotonic in ms. Overridable in tests. */
int64_t service_now(void);
int64_t service_now_ms(void);
int64_t service_mono_ms(void);
extern int64_t (*service_now_ms_hook)(void); /* NULL: the real clock */
#endif
