/* SPDX-License-Identifier: Apache-2.0 */
/* http_internal.h - what http.c (connections) and http_req.c (requests and answers) share. */
#ifndef SERVICE_HTTP_INTERNAL_H
#define SERVICE_HTTP_INTERNAL_H
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include "service/http_head.h"
#include "service/http_int.h"
#include "service/metrics.h"

typedef enum http_reason { /* below: each http_fault */
    URI_LONG = HTTP_FAULTS,
    HEADER_LARGE,
    BODY_LARGE,
    CERTIFICATE,
    TIMEOUT,
    MALFORMED,  /* or cut off: the library answered, if anyone did */
    NO_REQUEST, /* a connection that never sent a request line */
    BUSY,
    STOPPING,
    PER_SOURCE, /* a connection too many of one address */
    REASONS
} http_reason;

typedef struct http_conn {
    struct http_conn *prev, *next;
    struct http_conn *same_next; /* of those whose source has the same hash; counted: it is among them */
    bool counted;
    uint8_t source[16];
    http_server *server;
    struct MHD_Connection *c;
    int fd;
    bool begun, handled; /* of this request: the line was read; our side saw its header */
    bool any;            /* a request line came at all */
    bool gathers;        /* the answer is held back until it is complete */
    atomic_bool busy;    /* a request is under way */
    atomic_bool killed;
    _Atomic int64_t deadline; /* monotonic ms, 0: none */
    struct sockaddr_storage peer;
    tls_hold *tls;
    void *session;
    gba_transport transport;
    uint16_t suite;
    http_req *req; /* changed under the server's lock */
} http_conn;

/* ARRIVING -> HANDLING -> SUSPENDED -> REPLIED; HANDLING -> REPLIED at once; SUSPENDED -> ABANDONED when
 * the server stops, and the late answer goes nowhere. */
typedef enum http_state { ARRIVING, HANDLING, SUSPENDED, REPLIED, ABANDONED } http_state;
struct http_req {
    atomic_uint refs; /* the connection's; the handler's until it answered */
    bool blocks;      /* of a server with a thread a connection: that thread waits itself */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    _Atomic int state;
    http_conn *_Atomic conn;
    char *target;
    size_t target_room;
    char method[24]; /* the library's own goes with the connection */
    uint8_t *body;
    size_t body_n, body_room, discarded;
    bool first_done, first_again, refused, streams;
    bool unread; /* its body passes by */
    bool small; /* an empty socket buffer takes this answer whole */
    unsigned status;
    struct MHD_Response *_Atomic response;
    http_stream *stream;
    void *data;
    int64_t began;
};

#define HTTP_SOURCES 1024
typedef struct http_each http_each; /* http_each.c */
struct http_server {
    http_server *next; /* of all in the process */
    struct MHD_Daemon *mhd;
    http_each *each; /* in its place: a thread a connection */
    int listen_fd;   /* until quiesced */
    uint16_t port;
    tls_server *tls;
    char name[32];
    size_t header_max, body_max;
    int64_t idle_ms;
    http_handler *handler;
    size_t (*refusal)(const http_req *r, unsigned status, http_field f[2]);
    void *ctx;
    http_pool *pool; /* streaming */
    bool (*stream_if)(const http_req *r, void *ctx);
    pthread_mutex_t lock; /* conns, sources, watch */
    pthread_cond_t watch_cond;
    pthread_t watch;
    bool watching, watch_stop;
    http_conn *conns;
    unsigned per_ip;
    http_cidr exempt[2 * HTTP_CIDRS];
    size_t n_exempt;
    bool known_bodies;
    http_conn *sources[HTTP_SOURCES];
    atomic_bool draining, stopping;
    metric *rejected[REASONS], *answered[6], *open, *seconds;
};

/* ---- http.c ---- */
#define HTTP_OPTIONS 6
size_t http_library_options(http_server *s, struct MHD_OptionItem *o); /* at most HTTP_OPTIONS, without an end */
struct MHD_Daemon *http_library_start(http_server *s, unsigned flags, struct MHD_OptionItem *o);
void http_on_connection(void *server, struct MHD_Connection *c, void **slot, enum MHD_ConnectionNotificationCode what);

/* ---- http_each.c: a kept thread for each connection ---- */
bool http_each_start(http_server *s, unsigned connections);
void http_each_drain(http_server *s); /* no more connections */
void http_each_stop(http_server *s);  /* waits for those that are left, and closes the listening socket */

/* ---- http_req.c ---- */
http_req *http_req_new(http_conn *k);
http_req *http_req_next(http_conn *k); /* the connection's request object, fresh for the next request */
http_conn *http_req_conn(const http_req *r); /* NULL once it is gone */
/* The first value and the number of a header field. */
typedef struct http_lookup {
    const char *name, *value;
    size_t n;
    http_header_visit *visit;
    void *ctx;
} http_lookup;
http_lookup http_look_up(const http_req *r, const char *name);
http_fault http_req_judge(const http_req *r, const char *version, http_head *out);
struct MHD_Response *http_response_new(const http_field *fields, size_t n, gba_span body);
#endif
