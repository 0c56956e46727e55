/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - a grow-only list of series; values are atomics, only the page takes the lock. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service/metrics.h"

static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
#define BOUNDS (sizeof bounds / sizeof *bounds)

typedef enum metric_type { COUNTER, GAUGE, GAUGE_FN, HISTOGRAM } metric_type;
struct metric {
    metric *next;
    char *name, *labels, *help;
    metric_type type;
    _Atomic int64_t value; /* a histogram: the sum in microseconds */
    _Atomic int64_t *bucket; /* BOUNDS + 1 */
    int64_t (*fn)(void *);
    void *fn_ctx;
};

static metric *all; /* by name, then labels */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What is counted without memory for a series of its own; on no page. */
static metric *nowhere(metric_type type)
{
    static _Atomic int64_t bucket[BOUNDS + 1];
    static metric lost[] = {{.type = COUNTER}, {.type = GAUGE}, {.type = GAUGE_FN}, {.type = HISTOGRAM, .bucket = bucket}};
    return &lost[type];
}

static metric *metric_new(const char *name, const char *labels, const char *help, metric_type type)
{
    metric *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->name = strdup(name);
    m->labels = strdup(labels);
    m->help = strdup(help ? help : "");
    m->type = type;
    if (type == HISTOGRAM)
        m->bucket = calloc(BOUNDS + 1, sizeof *m->bucket);
    if (m->name && m->labels && m->help && (m->bucket || type != HISTOGRAM))
        return m;
    free(m->name);
    free(m->labels);
    free(m->help);
    free(m->bucket);
    free(m);
    return NULL;
}

/* The series of that name and labels, made when it is new; lock held. */
static metric *metric_get(const char *name, const char *labels, const char *help, metric_type type)
{
    metric **at = &all;
    labels = labels ? labels : "";
    for (; *at; at = &(*at)->next) {
        int d = strcmp((*at)->name, name);
        if (d == 0)
            d = strcmp((*at)->labels, labels);
        if (d == 0 && (*at)->type == type)
            return *at;
        if (d > 0)
            break;
    }
    metric *m = metric_new(name, labels, help, type);
    if (!m)
        return nowhere(type);
    m->next = *at;
    *at = m;
    return m;
}

static metric *metric_locked(const char *name, const char *labels, const char *help, metric_type type)
{
    pthread_mutex_lock(&lock);
    metric *m = metric_get(name, labels, help, type);
    pthread_mutex_unlock(&lock);
    return m;
}

metric *metric_counter(const char *name, const char *labels, const char *help)
{
    return metric_locked(name, labels, help, COUNTER);
}

metric *metric_gauge(const char *name, const char *labels, const char *help)
{
    return metric_locked(name, labels, help, GAUGE);
}

metric *metric_histogram(const char *name, const char *labels, const char *help)
{
    return metric_locked(name, labels, help, HISTOGRAM);
}

void metric_gauge_fn(const char *name, const char *labels, const char *help, int64_t (*fn)(void *), void *ctx)
{
    pthread_mutex_lock(&lock);
    metric *m = metric_get(name, labels, help, GAUGE_FN);
    m->fn = fn;
    m->fn_ctx = ctx;
    pthread_mutex_unlock(&lock);
}

void metric_add(metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(metric *m, int64_t v)
{
    atomic_store_explicit(&m->value, v, memory_order_relaxed);
}

int64_t metric_value(const metric *m)
{
    if (m->type != HISTOGRAM)
        return atomic_load_explicit(&((metric *)m)->value, memory_order_relaxed);
    int64_t n = 0;
    for (size_t i = 0; i <= BOUNDS; i++)
        n += atomic_load_explicit(&m->bucket[i], memory_order_relaxed);
    return n;
}

void metric_observe(metric *m, double seconds)
{
    size_t i = 0;
    if (!(seconds >= 0)) /* a clock that stepped back, or NaN */
        seconds = 0;
    if (seconds > 1e6)
        seconds = 1e6;
    while (i < BOUNDS && seconds > bounds[i])
        i++;
    atomic_fetch_add_explicit(&m->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value, (int64_t)(seconds * 1e6), memory_order_relaxed);
}

/* ---- the page (Prometheus text format 0.0.4) ---- */
static void page_help(FILE *f, const metric *m)
{
    static const char *const types[] = {"counter", "gauge", "gauge", "histogram"};
    fprintf(f, "# HELP %s ", m->name);
    for (const char *p = m->help; *p; p++) {
        if (*p == '\n')
            fputs("\\n", f);
        else if (*p == '\\')
            fputs("\\\\", f);
        else
            fputc(*p, f);
    }
    fprintf(f, "\n# TYPE %s %s\n", m->name, types[m->type]);
}

static void page_value(FILE *f, const metric *m, int64_t v)
{
    if (*m->labels)
        fprintf(f, "%s{%s} %" PRId64 "\n", m->name, m->labels, v);
    else
        fprintf(f, "%s %" PRId64 "\n", m->name, v);
}

static void page_histogram(FILE *f, const metric *m)
{
    int64_t n = 0, sum = atomic_load_explicit(&((metric *)m)->value, memory_order_relaxed);
    const char *comma = *m->labels ? "," : "";
    for (size_t i = 0; i < BOUNDS; i++) {
        n += atomic_load_explicit(&m->bucket[i], memory_order_relaxed);
        fprintf(f, "%s_bucket{%s%sle=\"%g\"} %" PRId64 "\n", m->name, m->labels, comma, bounds[i], n);
    }
    n += atomic_load_explicit(&m->bucket[BOUNDS], memory_order_relaxed);
    fprintf(f, "%s_bucket{%s%sle=\"+Inf\"} %" PRId64 "\n", m->name, m->labels, comma, n);
    const char *open = *m->labels ? "{" : "", *close = *m->labels ? "}" : "";
    fprintf(f, "%s_sum%s%s%s %" PRId64 ".%06d\n", m->name, open, m->labels, close, sum / 1000000, (int)(sum % 1000000));
    fprintf(f, "%s_count%s%s%s %" PRId64 "\n", m->name, open, m->labels, close, n);
}

char *metrics_page(size_t *n)
{
    char *page = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&page, &size);
    if (!f)
        return NULL;
    pthread_mutex_lock(&lock);
    const char *family = "";
    for (const metric *m = all; m; m = m->next) {
        if (m->type == GAUGE_FN && !m->fn)
            continue;
        if (strcmp(family, m->name) != 0)
            page_help(f, m);
        family = m->name;
        if (m->type == HISTOGRAM)
            page_histogram(f, m);
        else
            page_value(f, m, m->type == GAUGE_FN ? m->fn(m->fn_ctx) : metric_value(m));
    }
    pthread_mutex_unlock(&lock);
    if (fclose(f) != 0) {
        free(page);
        return NULL;
    }
    *n = size;
    return page;
}
