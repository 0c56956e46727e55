/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_head.h - the one judgement of a request's head, whoever parsed it: what two servers could read in two ways goes
 * no further (RFC 9110 5, RFC 9112 3 and 6). Pure: the server's listeners ask it (http.c), and the device's (peer.c).
 *
 *   http_head_begin(&h, method, target, version);
 *   for each field as it was delivered: http_head_field(&h, name, value);
 *   http_head_end(&h) == HTTP_FAULT_NONE, or it is answered 400 and the connection closes.
 */
#ifndef SERVICE_HTTP_HEAD_H
#define SERVICE_HTTP_HEAD_H
#include <gba/gba.h>

typedef enum http_fault {
    HTTP_FAULT_NONE,
    HTTP_FAULT_REQUEST_LINE, /* a method that is no token; a blank or control character in the target; no HTTP/1.x */
    HTTP_FAULT_FIELD_NAME,   /* no token (RFC 9110 5.6.2): a blank before the colon is one, too */
    HTTP_FAULT_FIELD_VALUE,  /* a control character, TAB excepted (RFC 9110 5.5) */
    HTTP_FAULT_FRAMING,      /* Content-Length and Transfer-Encoding: not one of them, once, and plain (RFC 9112 6) */
    HTTP_FAULT_HOST,         /* two, or none in HTTP/1.1 (RFC 9112 3.2) */
    HTTP_FAULTS
} http_fault;
const char *http_fault_name(http_fault f); /* "field_name": for logs and metrics */

typedef struct http_head {
    http_fault fault; /* the first */
    bool http10;
    unsigned hosts, lengths, codings;
    bool chunked;
    uint64_t length; /* of the body, unless chunked */
} http_head;

void http_head_begin(http_head *h, gba_span method, gba_span target, gba_span version);
void http_head_field(http_head *h, gba_span name, gba_span value);
http_fault http_head_end(http_head *h);

/* For whoever prints a head. */
bool http_is_token(gba_span s);
bool http_is_value(gba_span s);
#endif
