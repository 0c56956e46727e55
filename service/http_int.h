/* SPDX-License-Identifier: Apache-2.0 */
/* http_int.h - between http.c (libmicrohttpd) and http_stream.c (threads and buffers). */
#ifndef SERVICE_HTTP_INT_H
#define SERVICE_HTTP_INT_H
#include <pthread.h>
#include "service/http.h"

/* ---- http_stream.c ---- */
typedef struct http_stream http_stream; /* one request being streamed */
typedef struct http_pool http_pool;     /* the worker threads of a server */

http_pool *http_pool_new(unsigned max, http_handler *handler, void *ctx);
void http_pool_stop(http_pool *p); /* no new requests; those under way find their peers gone */
void http_pool_free(http_pool **p); /* waits for the workers */

/* The stream of a request; body: one follows. The request is the worker's too until it is done
 * with it. NULL: no memory. */
http_stream *http_stream_new(http_req *r, bool body);
/* Hands the request to a worker; BUSY when there is none to be had. */
gba_err http_stream_start(http_pool *p, http_stream *st);
void http_stream_free(http_stream *st);

/* On the server's thread. What the connection should do next: */
typedef enum http_next { HTTP_GO_ON, HTTP_SUSPENDED, HTTP_BEGIN } http_next;
/* Before the body: suspended until the worker wants the body (GO_ON) or answers without (BEGIN). */
http_next http_stream_wants(http_stream *st);
/* Takes what there is room for; SUSPENDED when that was not all; BEGIN: taken and thrown away. */
http_next http_stream_feed(http_stream *st, const char *data, size_t n, size_t *taken);
/* The body is complete; suspended until the worker answers. */
http_next http_stream_complete(http_stream *st);
#define HTTP_PULL_END (-1)   /* MHD_CONTENT_READER_END_OF_STREAM */
#define HTTP_PULL_BROKEN (-2) /* MHD_CONTENT_READER_END_WITH_ERROR */
ssize_t http_stream_pull(void *st, uint64_t pos, char *buf, size_t max);
/* The peer is gone or the server stops: the worker finds out at its next step. */
void http_stream_gone(http_stream *st);
/* The worker answered in one piece by http_reply. */
void http_stream_replied(http_stream *st);

/* ---- http.c ---- */
http_stream *http_req_stream(const http_req *r);
void http_req_ref(http_req *r);
void http_req_unref(http_req *r);
void http_req_drop_answer(http_req *r);
bool http_req_blocks(const http_req *r); /* neither suspended nor resumed: its thread waits itself */
void http_req_suspend(http_req *r);
void http_req_resume(http_req *r);
/* Builds the streaming answer that http_stream_pull feeds. */
gba_err http_req_begin(http_req *r, unsigned status, const http_field *fields, size_t n, int64_t length);
#endif
