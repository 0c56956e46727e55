/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.c - a server program from its arguments to its end. */
#include "config.h"
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include "service/daemon.h"
#include "service/http.h"
#include "service/metrics.h"
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#define REASONS_MAX 2048
#define STOP_MAX_S 60 /* a stop that hangs ends so */

const char *const daemon_log_levels[] = {"debug", "info", "warn", "error", NULL};
const char *const daemon_log_formats[] = {"text", "json", NULL};

/* One reading of the configuration. */
typedef struct reading {
    conf *conf;
    void *settings;
} reading;

typedef struct daemon_run {
    const daemon_spec *spec;
    const char *file;
    reading *first, *now; /* of the start; the last that was taken over */
    bool reloading;
    unsigned faults;
    http_server *admin, *health;
    pthread_mutex_t lock; /* phase and state, against /readyz */
    enum { STARTING, READY, STOPPING } phase;
    void *state;
    metric *reloads, *refusals;
} daemon_run;

static const daemon_conf *common(const daemon_run *d)
{
    return (const daemon_conf *)(const void *)((const char *)d->now->settings + d->spec->daemon_conf_offset);
}

static void notify(const char *text)
{
#ifdef HAVE_SYSTEMD
    (void)sd_notify(0, text); /* does nothing without NOTIFY_SOCKET */
#else
    (void)text;
#endif
}

/* ---- configuration ---- */
static void report(void *ctx, const char *line)
{
    daemon_run *d = ctx;
    d->faults++;
    if (d->reloading)
        log_event(LOG_LEVEL_ERROR, "daemon.config_fault", "text", line, NULL);
    else
        fprintf(stderr, "%s\n", line);
}

static void reading_free(reading *r)
{
    if (!r)
        return;
    conf_free(&r->conf);
    free(r->settings);
    free(r);
}

/* The file against the table and the program's own checks; NULL when anything is wrong. */
static reading *read_config(daemon_run *d)
{
    reading *r = calloc(1, sizeof *r);
    if (r)
        r->settings = calloc(1, d->spec->conf_size);
    gba_err e = r && r->settings ? conf_load(d->spec->name, d->file, d->spec->table, r->settings, report, d, &r->conf)
                                 : GBA_E_NOMEM;
    if (e == GBA_E_NOMEM && !d->faults)
        report(d, "out of memory: the configuration was not read");
    if (e == GBA_OK && d->spec->check)
        d->spec->check(r->conf, r->settings);
    if (e == GBA_OK && conf_ok(r->conf))
        return r;
    reading_free(r);
    return NULL;
}

/* The start's settings stay to the end; of later ones only the last. */
static void adopt(daemon_run *d, reading *r)
{
    if (d->now && d->now != d->first)
        reading_free(d->now);
    d->now = r;
    if (!d->first)
        d->first = r;
    log_setup(d->spec->name, (log_level)common(d)->log_level, (log_format)common(d)->log_format);
}

/* ---- admin and health listeners ---- */
void daemon_reason(char *why, size_t why_n, const char *fmt, ...)
{
    size_t n = strlen(why);
    va_list ap;
    if (n + 1 >= why_n)
        return;
    if (n)
        why[n++] = '\n';
    va_start(ap, fmt);
    int more = vsnprintf(why + n, why_n - n, fmt, ap);
    va_end(ap);
    if (more < 0 || (size_t)more >= why_n - n) /* no half reason */
        why[n ? n - 1 : 0] = 0;
}

static void state_reply(http_req *r, bool good, const char *text)
{
    static const http_field type[] = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};
    char line[REASONS_MAX + 1];
    snprintf(line, sizeof line, "%s\n", text);
    http_reply(r, good ? 200 : 503, type, 2, gba_str(line));
}

static void readyz(daemon_run *d, http_req *r)
{
    char why[REASONS_MAX] = "";
    gba_err e = GBA_E_BUSY;
    pthread_mutex_lock(&d->lock);
    if (d->phase == READY)
        e = d->spec->ready ? d->spec->ready(d->state, why, sizeof why) : GBA_OK;
    else
        snprintf(why, sizeof why, "%s", d->phase == STARTING ? "starting" : "stopping");
    pthread_mutex_unlock(&d->lock);
    state_reply(r, e == GBA_OK, e == GBA_OK ? "ok" : *why ? why : gba_err_text(e));
}

static void metrics(http_req *r)
{
    static const http_field type = {"Content-Type", "text/plain; version=0.0.4; charset=utf-8"};
    size_t n = 0;
    char *page = metrics_page(&n);
    if (page)
        http_reply(r, 200, &type, 1, gba_mem(page, n));
    else
        http_reply(r, 503, NULL, 0, gba_str(NULL));
    free(page);
}

static void answer(daemon_run *d, http_req *r, bool with_metrics)
{
    static const http_field allow = {"Allow", "GET, HEAD"};
    const char *method = http_method(r), *target = http_target_path(http_target(r));
    bool live = !strcmp(target, "/healthz"), ready = !strcmp(target, "/readyz");
    if (!live && !ready && (!with_metrics || strcmp(target, "/metrics") != 0))
        http_reply(r, 404, NULL, 0, gba_str(with_metrics ? "try /healthz, /readyz or /metrics\n" : NULL));
    else if (strcmp(method, "GET") && strcmp(method, "HEAD"))
        http_reply(r, 405, &allow, 1, gba_str(NULL));
    else if (live)
        state_reply(r, true, "ok"); /* who answers lives */
    else if (ready)
        readyz(d, r);
    else
        metrics(r);
}

static void on_admin(http_req *r, void *ctx)
{
    answer(ctx, r, true);
}

/* For balancers, on whose network /metrics has no business. */
static void on_health(http_req *r, void *ctx)
{
    answer(ctx, r, false);
}

static gba_err start_listener(daemon_run *d, const char *name, const conf_listen *at, http_handler *handler,
                              http_server **out, char *why, size_t why_n)
{
    if (!at->set)
        return GBA_OK;
    http_config c = {.name = name, .address = at->address, .port = at->port, .connections = 64, .threads = 1,
                     .body_max = 1024, .idle_s = 10, .handler = handler, .ctx = d};
    return http_server_start(&c, out, why, why_n);
}

static gba_err start_listeners(daemon_run *d, char *why, size_t why_n)
{
    gba_err e = start_listener(d, "admin", &common(d)->admin, on_admin, &d->admin, why, why_n);
    return e == GBA_OK ? start_listener(d, "health", &common(d)->health, on_health, &d->health, why, why_n) : e;
}

static int64_t resident(void *ctx)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    (void)ctx;
    if (f && fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void register_metrics(daemon_run *d)
{
    char labels[96];
    snprintf(labels, sizeof labels, "program=\"%s\",version=\"%s\"", d->spec->name, PACKAGE_VERSION);
    metric_set(metric_gauge("gba_build_info", labels, "Always 1"), 1);
    metric_set(metric_gauge("process_start_time_seconds", NULL, "Unix time of the start"), service_now());
    metric_gauge_fn("process_resident_memory_bytes", NULL, "Resident memory", resident, NULL);
    d->reloads = metric_counter("daemon_reloads_total", "result=\"ok\"", "Reloads on SIGHUP, by result");
    d->refusals = metric_counter("daemon_reloads_total", "result=\"refused\"", "Reloads on SIGHUP, by result");
}

/* ---- life ---- */
/* Keys are in memory: no core dumps, no ptrace by the same user, and no file readable by others. */
static void harden(void)
{
    const struct rlimit none = {0, 0};
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    if (setrlimit(RLIMIT_CORE, &none))
        perror("setrlimit(RLIMIT_CORE)");
#ifndef GBA_SANITIZED /* the leak checker traces its own process */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        perror("prctl(PR_SET_DUMPABLE)");
#endif
}

static void set_phase(daemon_run *d, int phase)
{
    pthread_mutex_lock(&d->lock);
    d->phase = phase;
    pthread_mutex_unlock(&d->lock);
}

static bool takes_over(const char *const *live, const char *path)
{
    /* the last two have an event of their own */
    static const char *const ours[] = {"log.", "drain", "admin.listen", "health.listen", NULL};

    for (const char *const *const *list = (const char *const *const[]){ours, live, NULL}; *list; list++)
        for (const char *const *p = *list; *p; p++)
            if ((*p)[strlen(*p) - 1] == '.' ? !strncmp(path, *p, strlen(*p)) : !strcmp(path, *p))
                return true;
    return false;
}

static void name_change(void *ctx, const char *path)
{
    const daemon_run *d = ctx;
    if (!takes_over(d->spec->live, path))
        log_event(LOG_LEVEL_WARN, "config.restart_needed", "setting", path, NULL);
}

static void name_listener(const char *setting, const conf_listen *old, const conf_listen *now)
{
    if (old->set != now->set || strcmp(old->address, now->address) != 0 || old->port != now->port)
        log_event(LOG_LEVEL_WARN, "daemon.restart_needed", "setting", setting, NULL);
}

static void reload(daemon_run *d)
{
    char text[96], why[512] = "the configuration has faults";
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)service_mono_ms() * 1000);
    notify(text);
    d->reloading = true;
    d->faults = 0;
    reading *r = read_config(d);
    gba_err e = r ? GBA_OK : GBA_E_SYNTAX;
    if (r && d->spec->reload) {
        why[0] = 0;
        e = d->spec->reload(d->state, r->settings, why, sizeof why);
    }
    if (e != GBA_OK) {
        metric_add(d->refusals, 1);
        log_event(LOG_LEVEL_ERROR, "daemon.reload_refused", "reason", *why ? why : gba_err_text(e), "effect",
                  "the old configuration stays", NULL);
        reading_free(r);
    } else {
        const conf_listen admin = common(d)->admin, health = common(d)->health;
        adopt(d, r);
        name_listener("admin.listen", &admin, &common(d)->admin);
        name_listener("health.listen", &health, &common(d)->health);
        if (d->spec->live)
            conf_each_change(d->spec->table, d->first->settings, d->now->settings, name_change, d);
        metric_add(d->reloads, 1);
        log_event(LOG_LEVEL_INFO, "daemon.reloaded", "config", d->file, NULL);
    }
    notify("READY=1");
}

static int next_signal(const sigset_t *set, int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    return sigtimedwait(set, NULL, &t);
}

/* Until nothing is under way, the time is over, or a second signal comes. */
static void wait_drained(const sigset_t *set, int64_t seconds)
{
    int64_t until = service_mono_ms() + seconds * 1000;
    while (http_any_busy() && service_mono_ms() < until) {
        int sig = next_signal(set, 20);
        if (sig == SIGTERM || sig == SIGINT) {
            log_event(LOG_LEVEL_WARN, "daemon.drain_cut", "reason", "a second signal", NULL);
            return;
        }
    }
    if (http_any_busy())
        log_event(LOG_LEVEL_WARN, "daemon.drain_cut", "reason", "drain is over, requests are still under way", NULL);
}

static void shut_down(daemon_run *d, const sigset_t *set, int sig)
{
    notify("STOPPING=1");
    log_event(LOG_LEVEL_INFO, "daemon.stopping", "signal", sig == SIGINT ? "SIGINT" : "SIGTERM", NULL);
    set_phase(d, STOPPING);
    if (d->spec->drain)
        d->spec->drain(d->state);
    wait_drained(set, common(d)->drain);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    alarm(STOP_MAX_S);
    sigprocmask(SIG_UNBLOCK, set, NULL); /* one more signal ends it here and now */
    if (d->spec->stop)
        d->spec->stop(&d->state);
}

/* "off" without a server. */
static const char *print_address(const http_server *s, const conf_listen *at, char out[96])
{
    snprintf(out, 96, "off");
    if (s)
        snprintf(out, 96, strchr(at->address, ':') ? "[%s]:%u" : "%s:%u", at->address, http_server_port(s));
    return out;
}

static void serve(daemon_run *d, const sigset_t *set)
{
    char admin[96], health[96];
    set_phase(d, READY);
    log_event(LOG_LEVEL_INFO, "daemon.started", "program", d->spec->name, "version", PACKAGE_VERSION, "pid",
              log_num(getpid()), "config", d->file, "admin", print_address(d->admin, &common(d)->admin, admin), "health",
              d->health ? print_address(d->health, &common(d)->health, health) : NULL, NULL);
    notify("READY=1");
    log_gather(true);
    for (;;) {
        int sig = next_signal(set, 250);
        log_flush(false);
        if (sig == SIGHUP)
            reload(d);
        if (sig != SIGTERM && sig != SIGINT)
            continue;
        log_gather(false);
        shut_down(d, set, sig);
        return;
    }
}

static int run(daemon_run *d)
{
    char why[1024] = "";
    sigset_t set;
    harden();
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL); /* inherited by every thread: only this one takes signals */
    register_metrics(d);
    gba_err e = start_listeners(d, why, sizeof why);
    if (e == GBA_OK && d->spec->start)
        e = d->spec->start(d->now->settings, &d->state, why, sizeof why);
    if (e == GBA_OK)
        serve(d, &set);
    else
        fprintf(stderr, "%s: cannot start: %s\n", d->spec->name, *why ? why : gba_err_text(e));
    set_phase(d, STOPPING);
    http_server_stop(&d->admin, 500);
    http_server_stop(&d->health, 500);
    if (e == GBA_OK)
        log_event(LOG_LEVEL_INFO, "daemon.stopped", NULL);
    log_flush(true);
    return e == GBA_OK ? 0 : 1;
}

/* ---- arguments ---- */
static void usage(const daemon_spec *s, FILE *to)
{
    fprintf(to,
            "Usage: %s --config FILE [--check]\n"
            "%s\n\n"
            "  --config FILE      the configuration (YAML); the program stays in the foreground\n"
            "  --check            check the configuration and end: 0 when valid, 78 when not\n"
            "  --print-defaults   print a configuration file of all settings and their defaults\n"
            "  --version          print the version\n"
            "  --help             print this\n\n"
            "SIGTERM ends it after requests under way have finished, SIGHUP reloads the configuration.\n",
            s->name, s->summary ? s->summary : "");
}

static int with_config(daemon_run *d, bool check_only)
{
    reading *r = read_config(d);
    int code = EX_CONFIG;
    if (r) {
        adopt(d, r);
        if (check_only)
            printf("%s: %s: configuration is valid\n", d->spec->name, d->file);
        code = check_only ? 0 : run(d);
    }
    if (d->now != d->first)
        reading_free(d->now);
    reading_free(d->first);
    return code;
}

/* Each request allocates blocks of some kilobytes, and glibc walks all fast bins at each large block; its
 * per-thread caches serve the small ones anyway. What is free goes back to the kernel as ever. */
static void set_up_memory(void)
{
#ifdef M_MXFAST
    (void)mallopt(M_MXFAST, 0);
#endif
}

int daemon_main(const daemon_spec *spec, int argc, char **argv)
{
    enum { CONFIG = 'c', CHECK = 256, DEFAULTS, SHOW_VERSION, HELP };
    static const struct option options[] = {{"config", required_argument, NULL, CONFIG},
                                            {"check", no_argument, NULL, CHECK},
                                            {"print-defaults", no_argument, NULL, DEFAULTS},
                                            {"version", no_argument, NULL, SHOW_VERSION},
                                            {"help", no_argument, NULL, HELP},
                                            {0}};
    static daemon_run d = {.lock = PTHREAD_MUTEX_INITIALIZER};
    bool check = false;
    d.spec = spec;
    set_up_memory();
    argv[0] = (char *)(uintptr_t)spec->name; /* for getopt's messages */
    for (int o; (o = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
        switch (o) {
        case CONFIG:
            d.file = optarg;
            break;
        case CHECK:
            check = true;
            break;
        case DEFAULTS:
            printf("# %s: every setting and its default; settings without one are commented out\n", spec->name);
            conf_print_defaults(spec->table);
            return fflush(stdout) ? 1 : 0;
        case SHOW_VERSION:
            printf("%s (OpenGBA) %s\n", spec->name, PACKAGE_VERSION);
            return 0;
        case HELP:
            usage(spec, stdout);
            return 0;
        default:
            fprintf(stderr, "Try '%s --help'.\n", spec->name);
            return 2;
        }
    }
    if (optind < argc || !d.file) {
        if (optind < argc)
            fprintf(stderr, "%s: unexpected argument '%s'\n", spec->name, argv[optind]);
        else
            fprintf(stderr, "%s: --config FILE is missing\n", spec->name);
        fprintf(stderr, "Try '%s --help'.\n", spec->name);
        return 2;
    }
    return with_config(&d, check);
}
