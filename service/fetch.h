/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h - HTTP client on libcurl: asynchronous, bounded, kept-alive. */
#ifndef SERVICE_FETCH_H
#define SERVICE_FETCH_H
#include <gba/gba.h>
#include "service/http.h"

typedef struct fetch_client fetch_client;
typedef struct fetch_config {
    const char *ca_file, *cert_file, *key_file; /* for https; may be NULL */
    unsigned connections;                       /* per host, 0: 64 */
    unsigned connect_ms, total_ms;              /* 0: 2000, 5000; total: of fetch_submit */
    /* Of fetch_stream: from the last octet sent to the answer's header, and how long nothing may move in its
     * body; 0: 30000. Kept to the second. */
    unsigned first_ms, idle_ms;
    size_t answer_max;                          /* 0: 1 MiB; larger is RANGE */
} fetch_config;
gba_err fetch_client_new(const fetch_config *c, fetch_client **out) GBA_MUST_USE;
/* Streaming calls end with IO within a second, now and from now on. */
void fetch_client_abort(fetch_client *c);
/* What is under way ends with IO; no streaming call may be. Not from a fetch_done. */
void fetch_client_free(fetch_client **c);

typedef struct fetch_answer {
    unsigned status;
    const http_field *fields;
    size_t n_fields;
    gba_span body;
} fetch_answer;
/* On the client's own thread: must not block. err IO: unreachable; BUSY: timed out;
 * AUTH: the server's certificate; RANGE: the answer is too large. a is NULL on error. */
typedef void fetch_done(void *ctx, gba_err err, const fetch_answer *a);
gba_err fetch_submit(fetch_client *c, const char *method, const char *url, const http_field *fields, size_t n,
                     gba_span body, fetch_done *done, void *ctx) GBA_MUST_USE;

/* Streaming, blocking, for the proxy's worker threads. length: of the request body, -1 chunked, 0 none.
 * BUSY: connecting took too long, or a time above went by. What a function of the caller said is returned. */
typedef ssize_t fetch_source(void *ctx, void *buf, size_t n); /* request body, 0 end, -1 abort */
typedef gba_err fetch_head(void *ctx, unsigned status, const http_field *f, size_t n); /* answer's header */
typedef gba_err fetch_sink(void *ctx, gba_span part);
gba_err fetch_stream(fetch_client *c, const char *method, const char *url, const http_field *fields, size_t n,
                     int64_t length, fetch_source *src, fetch_head *head, fetch_sink *sink, void *ctx) GBA_MUST_USE;
#endif
