/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - counters, gauges and histograms, and their Prometheus page. */
#ifndef SERVICE_METRICS_H
#define SERVICE_METRICS_H
#include <gba/gba.h>

typedef struct metric metric;
/* Never NULL, never freed; same name, other labels: another series. Without memory what is counted is lost.
 * labels: "result=\"ok\"" or NULL. */
metric *metric_counter(const char *name, const char *labels, const char *help);
metric *metric_gauge(const char *name, const char *labels, const char *help);
void metric_add(metric *m, int64_t n); /* lock-free */
void metric_set(metric *m, int64_t v);
int64_t metric_value(const metric *m);
/* A gauge whose value is asked for at each page; fn must not register metrics. A second call
 * replaces fn, NULL takes the series off the page: after it returns fn runs no more. */
void metric_gauge_fn(const char *name, const char *labels, const char *help, int64_t (*fn)(void *), void *ctx);
/* Seconds, fixed buckets 100 us .. 10 s. */
metric *metric_histogram(const char *name, const char *labels, const char *help);
void metric_observe(metric *m, double seconds);
/* The page, malloc'ed. */
char *metrics_page(size_t *n);
#endif
