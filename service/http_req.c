/* SPDX-License-Identifier: Apache-2.0 */
/* http_req.c - a request as its handler sees it, and the answer it gives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "service/http_internal.h"
#include "service/log.h"

#define BODY_KEEP 16384 /* a body buffer larger than this is not kept for the next request */

/* ---- requests ---- */
http_req *http_req_new(http_conn *k)
{
    http_req *r = calloc(1, sizeof *r);
    if (r) {
        atomic_init(&r->refs, 1);
        atomic_init(&r->conn, k);
        r->blocks = k->server->each != NULL;
        pthread_mutex_init(&r->lock, NULL);
        pthread_cond_init(&r->woken, NULL);
    }
    return r;
}

void http_req_ref(http_req *r)
{
    atomic_fetch_add(&r->refs, 1);
}

void http_req_unref(http_req *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    if (r->response)
        MHD_destroy_response(r->response);
    http_stream_free(r->stream);
    if (r->body)
        gba_wipe(r->body, r->body_n);
    free(r->body);
    free(r->target);
    pthread_cond_destroy(&r->woken);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* An answer that will not be sent; a streaming one holds the request. */
void http_req_drop_answer(http_req *r)
{
    struct MHD_Response *m = atomic_exchange(&r->response, NULL);
    if (m)
        MHD_destroy_response(m);
}

static void req_reset(http_req *r)
{
    http_req_drop_answer(r);
    http_stream_free(r->stream);
    r->stream = NULL;
    r->data = NULL;
    if (r->body_n)
        gba_wipe(r->body, r->body_n);
    if (r->body_room > BODY_KEEP) {
        free(r->body);
        r->body = NULL;
        r->body_room = 0;
    }
    r->body_n = r->discarded = 0;
    r->first_done = r->first_again = r->refused = r->streams = r->small = r->unread = false;
    r->status = 0;
    r->method[0] = 0;
    atomic_store_explicit(&r->state, ARRIVING, memory_order_relaxed);
}

/* The connection's request object, fresh for the next request. */
http_req *http_req_next(http_conn *k)
{
    http_req *r = k->req;
    if (r && atomic_load(&r->refs) == 1) {
        req_reset(r);
        return r;
    }
    http_req *fresh = http_req_new(k); /* the old one is still somebody's */
    if (!fresh)
        return NULL; /* the connection keeps it, and ends */
    pthread_mutex_lock(&k->server->lock);
    k->req = fresh;
    pthread_mutex_unlock(&k->server->lock);
    if (r)
        atomic_store(&r->conn, NULL);
    http_req_unref(r);
    return fresh;
}

http_conn *http_req_conn(const http_req *r)
{
    return atomic_load_explicit(&((http_req *)r)->conn, memory_order_acquire);
}

const char *http_method(const http_req *r)
{
    return r->method;
}

const char *http_target(const http_req *r)
{
    return r->target ? r->target : "";
}

const char *http_target_path(const char *t)
{
    size_t skip = !strncasecmp(t, "http://", 7) ? 7 : !strncasecmp(t, "https://", 8) ? 8 : 0;
    t += skip;
    t += skip ? strcspn(t, "/?#") : 0;
    return *t || !skip ? t : "/";
}

static enum MHD_Result look(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
    http_lookup *l = ctx;
    (void)kind;
    if (l->visit) {
        l->visit(l->ctx, key, value ? value : "");
    } else if (strcasecmp(key, l->name) == 0) {
        if (l->n++ == 0)
            l->value = value ? value : "";
    }
    return MHD_YES;
}

http_lookup http_look_up(const http_req *r, const char *name)
{
    http_lookup l = {.name = name};
    http_conn *k = http_req_conn(r);
    if (k)
        MHD_get_connection_values(k->c, MHD_HEADER_KIND, look, &l);
    return l;
}

const char *http_header(const http_req *r, const char *name)
{
    return http_look_up(r, name).value;
}

size_t http_header_n(const http_req *r, const char *name)
{
    return http_look_up(r, name).n;
}

static enum MHD_Result judge_field(void *ctx, enum MHD_ValueKind kind, const char *key, size_t key_n, const char *value,
                                   size_t value_n)
{
    (void)kind;
    http_head_field(ctx, gba_mem(key, key_n), gba_mem(value, value ? value_n : 0));
    return MHD_YES;
}

http_fault http_req_judge(const http_req *r, const char *version, http_head *out)
{
    http_conn *k = http_req_conn(r);
    http_head_begin(out, gba_str(r->method), gba_str(r->target), gba_str(version));
    if (k)
        MHD_get_connection_values_n(k->c, MHD_HEADER_KIND, judge_field, out);
    return http_head_end(out);
}

bool http_named(const char *name, const char *field)
{
    return gba_field_named(gba_str(name), gba_str(field));
}

bool http_named_begin(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strlen(name) >= n && gba_field_named(gba_mem(name, n), gba_str(prefix));
}

/* Is name one of the comma-separated tokens? */
static bool listed(const char *tokens, const char *name)
{
    for (const char *t = tokens; t && *t;) {
        size_t skip = strspn(t, ", \t"), len = strcspn(t + skip, ", \t");
        if (gba_field_named(gba_mem(t + skip, len), gba_str(name)))
            return true;
        t += skip + len;
    }
    return false;
}

typedef struct joining {
    char *out;
    size_t room, n;
} joining;

static enum MHD_Result join_connection(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
    joining *j = ctx;
    (void)kind;
    if (value && http_named(key, "Connection"))
        j->n += (size_t)snprintf(j->out + j->n, j->room - j->n, "%s%s", j->n ? "," : "", value);
    return j->n < j->room ? MHD_YES : MHD_NO;
}

bool http_connection(const http_req *r, char *out, size_t room)
{
    joining j = {.out = out, .room = room};
    http_conn *k = http_req_conn(r);
    *out = 0;
    if (k)
        MHD_get_connection_values(k->c, MHD_HEADER_KIND, join_connection, &j);
    return j.n < room;
}

bool http_hop_by_hop(const char *name, const char *connection)
{
    static const char *const fields[] = {"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
                                         "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
                                         "Content-Length"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (http_named(name, fields[i]))
            return true;
    return listed(connection, name);
}

void http_headers_each(const http_req *r, http_header_visit *v, void *ctx)
{
    http_lookup l = {.visit = v, .ctx = ctx};
    http_conn *k = http_req_conn(r);
    if (k)
        MHD_get_connection_values(k->c, MHD_HEADER_KIND, look, &l);
}

gba_span http_body(const http_req *r)
{
    return gba_mem(r->body, r->body_n);
}

const struct sockaddr *http_peer(const http_req *r)
{
    http_conn *k = http_req_conn(r);
    return k ? (const struct sockaddr *)&k->peer : NULL;
}

gba_transport http_transport(const http_req *r)
{
    http_conn *k = http_req_conn(r);
    return k ? k->transport : GBA_PLAIN;
}

uint16_t http_tls_suite(const http_req *r)
{
    http_conn *k = http_req_conn(r);
    if (!k || !k->session)
        return 0;
    if (!k->suite)
        k->suite = tls_session_suite(k->session);
    return k->suite;
}

void *http_tls_who(const http_req *r)
{
    return tls_session_who(http_tls_session(r));
}

void *http_tls_session(const http_req *r)
{
    http_conn *k = http_req_conn(r);
    return k ? k->session : NULL;
}

void http_set_data(http_req *r, void *p)
{
    r->data = p;
}

void *http_data(const http_req *r)
{
    return r->data;
}

http_stream *http_req_stream(const http_req *r)
{
    return r->stream;
}

bool http_is_streaming(const http_req *r)
{
    return r->streams;
}

void http_req_suspend(http_req *r)
{
    MHD_suspend_connection(http_req_conn(r)->c);
}

bool http_req_blocks(const http_req *r)
{
    return r->blocks;
}

void http_req_resume(http_req *r)
{
    if (r->blocks) {
        pthread_mutex_lock(&r->lock);
        pthread_cond_signal(&r->woken);
        pthread_mutex_unlock(&r->lock);
        return;
    }
    MHD_resume_connection(http_req_conn(r)->c);
}

/* ---- answers ---- */
#define SMALL 8192 /* with its header, half of the smallest send buffer that Linux begins with */

static bool ours(const char *name) /* framing is the server's */
{
    return !strcasecmp(name, "Content-Length") || !strcasecmp(name, "Transfer-Encoding") ||
           !strcasecmp(name, "Keep-Alive") || !strcasecmp(name, "Date");
}

static void add_fields(struct MHD_Response *m, const http_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fields[i].name && fields[i].value && !ours(fields[i].name) &&
            MHD_add_response_header(m, fields[i].name, fields[i].value) != MHD_YES)
            log_event(LOG_LEVEL_ERROR, "http.field_dropped", "name", fields[i].name, NULL);
}

struct MHD_Response *http_response_new(const http_field *fields, size_t n, gba_span body)
{
    struct MHD_Response *m = MHD_create_response_from_buffer(
        body.n, body.n ? (void *)(uintptr_t)body.p : (void *)(uintptr_t) "",
        body.n ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);
    if (m)
        add_fields(m, fields, n);
    return m;
}

void http_reply(http_req *r, unsigned status, const http_field *fields, size_t n, gba_span body)
{
    struct MHD_Response *m = http_response_new(fields, n, body);
    r->status = status;
    r->small = !r->stream && body.n <= SMALL;
    r->response = m;
    if (r->stream) {
        http_stream_replied(r->stream);
        return; /* the worker's wrapper lets go of r */
    }
    if (atomic_exchange(&r->state, REPLIED) == SUSPENDED)
        http_req_resume(r); /* it cannot end before it is resumed */
    http_req_unref(r);
}

static void free_stream_ref(void *r)
{
    http_req_unref(r);
}

gba_err http_req_begin(http_req *r, unsigned status, const http_field *fields, size_t n, int64_t length)
{
    struct MHD_Response *m = MHD_create_response_from_callback(length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)length, 16384,
                                                               http_stream_pull, r, free_stream_ref);
    if (!m)
        return GBA_E_NOMEM;
    http_req_ref(r); /* the response's */
    add_fields(m, fields, n);
    r->status = status;
    r->response = m;
    return GBA_OK;
}

static size_t json_text(char *out, size_t room, const char *s)
{
    size_t n = 0;
    for (; *s && n + 7 < room; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            out[n++] = '\\', out[n++] = (char)c;
        else if (c < ' ')
            n += (size_t)snprintf(out + n, room - n, "\\u%04x", c);
        else
            out[n++] = (char)c;
    }
    out[n] = 0;
    return n;
}

void http_problem(http_req *r, unsigned status, const char *title, const char *detail, const char *cause)
{
    static const http_field type = {"Content-Type", "application/problem+json"};
    char t[256], d[1024], c[256], b[2048];
    json_text(t, sizeof t, title ? title : "");
    json_text(d, sizeof d, detail ? detail : "");
    json_text(c, sizeof c, cause ? cause : "");
    int n = snprintf(b, sizeof b, "{\"title\":\"%s\",\"status\":%u%s%s%s%s%s%s}", t, status, detail ? ",\"detail\":\"" : "",
                     d, detail ? "\"" : "", cause ? ",\"cause\":\"" : "", c, cause ? "\"" : "");
    http_reply(r, status, &type, 1, gba_mem(b, (size_t)n));
}
