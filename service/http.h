/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - HTTP/1.1 server on libmicrohttpd. A handler gets a complete, bounded
 * request and replies exactly once, now or later, from any thread; suspend and resume
 * are hidden here.
 */
#ifndef SERVICE_HTTP_H
#define SERVICE_HTTP_H
#include <gba/gba.h>
#include <sys/socket.h>
#include "service/conf.h"
#include "service/tls.h"

typedef struct http_server http_server;
typedef struct http_req http_req;
typedef void http_handler(http_req *r, void *ctx);

typedef struct http_field {
    const char *name, *value;
} http_field;

/* A range of addresses. */
typedef struct http_cidr {
    uint8_t addr[16];
    unsigned bits; /* of the mapped form, 0..128 */
} http_cidr;
#define HTTP_CIDRS 64 /* in one setting */
gba_err http_cidr_parse(const char *text, http_cidr *out) GBA_MUST_USE;
bool http_cidr_has(const http_cidr *list, size_t n, const struct sockaddr *sa);
/* A setting that lists ranges: at most HTTP_CIDRS into out (NULL: they are checked alone); *n of them. c NULL: checked
 * before, no faults told. */
void conf_cidrs(conf *c, const char *path, const conf_strings *list, http_cidr *out, size_t *n);

typedef struct http_config {
    const char *name;         /* for logs and metrics: "ub", "zn", "ua", "admin" */
    const char *address;      /* "127.0.0.1", "::", a unix path is not offered */
    uint16_t port;            /* 0: any, see http_server_port */
    tls_server *tls;          /* NULL: plain; borrowed for the server's life */
    size_t header_max;        /* request line and header fields together, 0: 16384 -> 431 / 414 */
    size_t body_max;          /* 0: 65536 -> 413 */
    unsigned connections;     /* 0: 10000 */
    unsigned per_ip;          /* connections of one http_source, 0: any number */
    const http_cidr *exempt;  /* from per_ip; copied, the first 2 * HTTP_CIDRS */
    size_t n_exempt;
    bool known_bodies; /* with tls: the body of a peer that showed neither key nor certificate passes unread */
    unsigned idle_s;          /* 0: 30; also the time a request may take to arrive (slow loris) */
    unsigned threads;         /* 0: one per core */
    bool stream;              /* the handler runs when the header is complete: see http_body_read */
    /* With stream: which requests, asked when the header is complete; NULL: all. The others come whole, as
     * on a server that does not stream. */
    bool (*stream_if)(const http_req *r, void *ctx);
    unsigned streams; /* at once, 0: as many as connections; above it 503 */
    http_handler *handler;
    void *ctx;
    /* Fields of a refusal before any handler, at most two, beside ours; NULL: none. */
    size_t (*refusal)(const http_req *r, unsigned status, http_field f[2]);
} http_config;

gba_err http_server_start(const http_config *c, http_server **out, char *why, size_t why_n) GBA_MUST_USE;
uint16_t http_server_port(const http_server *s);
/* Other limits from now on; connections that are open stay. */
void http_server_per_ip(http_server *s, unsigned per_ip, const http_cidr *exempt, size_t n_exempt);
/* Accept no more, finish what is under way, at most `ms`; then stop and free. */
void http_server_drain(http_server *s);
void http_server_stop(http_server **s, unsigned ms);
/* Is a request under way on any server of the process? For whoever drains. */
bool http_any_busy(void);

/* ---- the request: valid until the reply; when streaming, what comes from the header only until
 * the first http_body_read or http_reply_begin, for then the peer may vanish ---- */
const char *http_method(const http_req *r);
const char *http_target(const http_req *r); /* request-target as sent, never unescaped */
/* What stands behind scheme and authority of a target in absolute-form (RFC 9112 3.2.2); of another, all. */
const char *http_target_path(const char *target);
/* First value or NULL; names are case-insensitive. http_header_n counts occurrences. */
const char *http_header(const http_req *r, const char *name);
size_t http_header_n(const http_req *r, const char *name);
typedef void http_header_visit(void *ctx, const char *name, const char *value);
void http_headers_each(const http_req *r, http_header_visit *v, void *ctx);
/* For proxies: is it this field's name, or does it begin so ('_' for '-' too: gba_field_named)? Does it end at each hop
 * (RFC 9110 7.6.1), frame a body, or stand in this Connection value (NULL: none)? */
bool http_named(const char *name, const char *field);
bool http_named_begin(const char *name, const char *prefix);
bool http_hop_by_hop(const char *name, const char *connection);
/* All Connection fields of the request as one value; false: longer than room. */
bool http_connection(const http_req *r, char *out, size_t room);
gba_span http_body(const http_req *r);
const struct sockaddr *http_peer(const http_req *r); /* the TCP peer */
gba_transport http_transport(const http_req *r);
uint16_t http_tls_suite(const http_req *r);
void *http_tls_session(const http_req *r); /* gnutls_session_t, NULL when plain */
void *http_tls_who(const http_req *r);     /* what tls_psk_fn said about the peer; NULL: no PSK */
/* A pointer of the handler's own that lives with the request. */
void http_set_data(http_req *r, void *p);
void *http_data(const http_req *r);

/* ---- the reply ---- */
/* Exactly once per request, from any thread; copies. Adds Date and Content-Length. A handler that
 * answers later still owes its answer when the server stops (it then goes nowhere). */
void http_reply(http_req *r, unsigned status, const http_field *fields, size_t n, gba_span body);
/* application/problem+json (RFC 9457) in one call. cause may be NULL. */
void http_problem(http_req *r, unsigned status, const char *title, const char *detail, const char *cause);

/* ---- streaming, for proxies (config.stream) ---- */
/* Does this request come on a worker thread, its body not yet read? */
bool http_is_streaming(const http_req *r);
/* Reads the request body as it arrives, blocking: 0 at the end, -1 on a broken peer. The
 * handler of a streaming server runs on a worker thread of its own and may block. */
ssize_t http_body_read(http_req *r, void *buf, size_t n);
/* The rest of the body must come within ms from now, or reading it ends with -1. */
void http_body_within(http_req *r, unsigned ms);
/* Before http_reply: nobody reads the rest of the body. A peer that sends it before it looks for an answer may go on, for
 * as long as a request may take to arrive; else the connection would have to close. */
void http_body_skip(http_req *r);
/* Begins a reply whose body follows; length -1: chunked. */
gba_err http_reply_begin(http_req *r, unsigned status, const http_field *fields, size_t n, int64_t length) GBA_MUST_USE;
gba_err http_reply_write(http_req *r, gba_span part) GBA_MUST_USE; /* blocks for back-pressure; IO: peer gone */
void http_reply_end(http_req *r);

/* Source prefix for limits: IPv4 /32, IPv6 /64 (::1 whole), mapped addresses as IPv4. 16 octets. */
void http_source(const struct sockaddr *sa, uint8_t out[16]);
/* The same for who keeps count: nobody (zeros) when it is exempt. */
void http_source_counted(const struct sockaddr *sa, const http_cidr *exempt, size_t n, uint8_t out[16]);
/* Text of an address without port. */
void http_source_text(const struct sockaddr *sa, char out[64]);
/* The client's address behind trusted proxies: the last X-Forwarded-For hop that is not in
 * `trusted`; the peer itself when the peer is not trusted. */
void http_client(const http_req *r, const http_cidr *trusted, size_t n, struct sockaddr_storage *out);
#endif
