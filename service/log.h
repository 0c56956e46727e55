/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - event lines on stderr: "2026-11-25T10:00:00.123Z level event key=value ...", or
 * one JSON object a line (log.format: text|json). Event names are stable and listed in
 * docs/operations.md. Values are escaped here; no secret is ever passed.
 */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H
#include <gba/gba.h>

typedef enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_AUDIT } log_level;
typedef enum log_format { LOG_TEXT, LOG_JSON } log_format;
void log_setup(const char *program, log_level lowest, log_format f);
/* key, value, key, value, ..., NULL; a NULL value is skipped. AUDIT always prints. WARN and
 * ERROR lines of one event are rate-limited (a line tells how many were left out). */
void log_event(log_level l, const char *event, ...) __attribute__((sentinel));
/* Says now how many lines were left out in seconds gone by (all: also in this one); the
 * daemon calls it each second and at its end. */
void log_flush(bool all);
/* A busy daemon's INFO lines may wait for each other, at most until the next log_flush. */
void log_gather(bool on);
/* Decimal text in a small ring of thread-local buffers, for log_event's values. */
const char *log_num(int64_t v);
#endif
