/* SPDX-License-Identifier: Apache-2.0 */
/* http_answer.h - an HTTP/1.1 answer (RFC 9112), read as its octets come; bounded everywhere, no I/O. */
#ifndef UE_HTTP_ANSWER_H
#define UE_HTTP_ANSWER_H

#include "ue/carrier.h"

#define UE_LINE_MAX 256   /* octets of a chunk's size line */
#define UE_INTERIM_MAX 8  /* interim answers (1xx) before the one that counts */

typedef struct ue_http {
    /* the request's */
    bool no_body; /* it was HEAD */
    size_t max_body;
    /* the answer */
    int status;
    gba_ue_field fields[UE_FIELDS_MAX];
    size_t n_fields;
    uint8_t *body;
    size_t body_n;
    bool keep_alive; /* the connection may serve again */
    /* on the way */
    enum { UE_HTTP_HEAD, UE_HTTP_COUNTED, UE_HTTP_CLOSE, UE_HTTP_SIZE, UE_HTTP_CHUNK, UE_HTTP_CHUNK_END,
           UE_HTTP_TRAILER, UE_HTTP_DONE, UE_HTTP_BAD } state;
    char *head;
    size_t head_n, head_room, body_room, line_n;
    size_t between; /* octets among and behind the chunks */
    unsigned interim;
    uint64_t left;
    char line[UE_LINE_MAX];
    const char *why; /* what is wrong with it, for an operator */
} ue_http;

/* Anew; memory is kept from answer to answer. */
void ue_http_begin(ue_http *h, bool head_request, size_t max_body);
/* Takes octets: *used of them. OK: state DONE, or more is wanted. SYNTAX, RANGE, NOMEM: final. */
gba_err ue_http_feed(ue_http *h, const void *p, size_t n, size_t *used) GBA_MUST_USE;
/* The connection ended: OK when the answer is whole. */
gba_err ue_http_end(ue_http *h) GBA_MUST_USE;
void ue_http_free(ue_http *h);
#endif
