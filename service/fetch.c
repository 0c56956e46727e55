/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - HTTP client on libcurl. Asynchronous requests run on one thread by the multi interface;
 * streaming ones on their caller's thread, with a pool of handles that keep their connections.
 * Nothing of the environment counts: no proxies, no netrc, no system trust, no redirects.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "service/daemon.h"
#include "service/fetch.h"
#include "service/grow.h"
#include "service/http_head.h"

#define FIELDS_MAX 128
#define HEADER_MAX 65536
#define UNDER_WAY_MAX 10000
#define IDLE_HANDLES 64
#define STALL_MS 30000 /* of a streaming exchange in which nothing moves */

typedef struct head {
    char text[HEADER_MAX]; /* names and values, NUL-terminated */
    size_t n, n_fields;
    http_field field[FIELDS_MAX];
    bool over;
} head;

typedef struct job {
    struct job *prev, *next;
    struct fetch_client *client;
    CURL *easy;
    struct curl_slist *headers;
    uint8_t *body, *answer;
    size_t body_n, answer_n, answer_room;
    bool too_large;
    head head;
    fetch_done *done;
    void *ctx;
} job;

struct fetch_client {
    char *ca_file, *cert_file, *key_file;
    unsigned connections;
    long connect_ms, total_ms;
    int64_t first_ms, idle_ms;
    size_t answer_max;
    atomic_bool aborted;
    CURLM *multi;
    pthread_t thread;
    job *running; /* the thread's alone */
    pthread_mutex_t lock; /* all below */
    job *queued, *queued_last;
    size_t under_way;
    bool stop;
    CURL *idle[IDLE_HANDLES], *streaming[IDLE_HANDLES];
    size_t n_idle, n_streaming;
};

/* ---- handles ---- */
static CURL *handle_take(fetch_client *c, CURL **pool, size_t *n)
{
    CURL *e = NULL;
    pthread_mutex_lock(&c->lock);
    if (*n)
        e = pool[--*n];
    pthread_mutex_unlock(&c->lock);
    return e ? e : curl_easy_init();
}

static void handle_give(fetch_client *c, CURL **pool, size_t *n, CURL *e)
{
    curl_easy_reset(e); /* its connections and TLS sessions stay */
    pthread_mutex_lock(&c->lock);
    if (*n < IDLE_HANDLES) {
        pool[(*n)++] = e;
        e = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    if (e)
        curl_easy_cleanup(e);
}

static gba_err add_header(struct curl_slist **list, const char *text)
{
    struct curl_slist *more = curl_slist_append(*list, text);
    if (!more)
        return GBA_E_NOMEM;
    *list = more;
    return GBA_OK;
}

/* libcurl adds fields of its own unless told not to, and needs a ';' to send an empty value. */
static gba_err make_headers(const http_field *f, size_t n, struct curl_slist **out)
{
    bool type = false, accept = false;
    gba_err e = add_header(out, "Expect:");
    for (size_t i = 0; e == GBA_OK && i < n; i++) {
        if (!http_is_token(gba_str(f[i].name)) || !http_is_value(gba_str(f[i].value)))
            return GBA_E_ARG;
        type = type || !strcasecmp(f[i].name, "Content-Type");
        accept = accept || !strcasecmp(f[i].name, "Accept");
        size_t room = strlen(f[i].name) + strlen(f[i].value) + 3;
        char *line = malloc(room);
        if (!line)
            return GBA_E_NOMEM;
        snprintf(line, room, *f[i].value ? "%s: %s" : "%s;", f[i].name, f[i].value);
        e = add_header(out, line);
        free(line);
    }
    if (e == GBA_OK && !type)
        e = add_header(out, "Content-Type:");
    if (e == GBA_OK && !accept)
        e = add_header(out, "Accept:");
    return e;
}

static bool good_request(const char *method, const char *url)
{
    size_t n = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
    return n > 0 && n < 24 && !method[n] && (!strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8));
}

static void set_common(const fetch_client *c, CURL *e, const char *method, const char *url, struct curl_slist *headers)
{
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file ? c->ca_file : "/dev/null"); /* no CA: nobody is believed */
    if (c->cert_file) {
        curl_easy_setopt(e, CURLOPT_SSLCERT, c->cert_file);
        curl_easy_setopt(e, CURLOPT_SSLKEY, c->key_file);
    }
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, c->connect_ms);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    if (!strcmp(method, "HEAD"))
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
}

static gba_err error_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return GBA_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return GBA_E_BUSY;
    case CURLE_PEER_FAILED_VERIFICATION:
        return GBA_E_AUTH;
    case CURLE_URL_MALFORMAT:
        return GBA_E_ARG;
    case CURLE_OUT_OF_MEMORY:
        return GBA_E_NOMEM;
    default:
        return GBA_E_IO;
    }
}

/* ---- the answer's header ---- */
static char *head_text(head *h, const char *s, size_t n)
{
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r' || s[n - 1] == '\n'))
        n--;
    while (n && (*s == ' ' || *s == '\t'))
        s++, n--;
    if (n + 1 > sizeof h->text - h->n)
        return NULL;
    char *at = h->text + h->n;
    memcpy(at, s, n);
    at[n] = 0;
    h->n += n + 1;
    return at;
}

/* One line; false: beyond the limits. A status line begins anew (after a 100, for instance). */
static bool head_line(head *h, const char *s, size_t n)
{
    if (h->over)
        return true; /* trailers */
    if (n >= 5 && !memcmp(s, "HTTP/", 5)) {
        h->n = h->n_fields = 0;
        return true;
    }
    const char *colon = memchr(s, ':', n);
    if (!colon)
        return true; /* the empty line, or one that is no field */
    if (h->n_fields == FIELDS_MAX)
        return false;
    http_field *f = &h->field[h->n_fields];
    f->name = head_text(h, s, (size_t)(colon - s));
    f->value = head_text(h, colon + 1, n - (size_t)(colon + 1 - s));
    h->n_fields++;
    return f->name && f->value;
}

/* ---- asynchronous ---- */
static size_t on_header(char *s, size_t size, size_t n, void *ctx)
{
    job *j = ctx;
    if (head_line(&j->head, s, size * n))
        return size * n;
    j->too_large = true;
    return 0;
}

static size_t on_body(char *s, size_t size, size_t n, void *ctx)
{
    job *j = ctx;
    n *= size;
    if (n > j->client->answer_max - j->answer_n) {
        j->too_large = true;
        return 0;
    }
    if (!service_grow(&j->answer, j->answer_n, &j->answer_room, n))
        return 0;
    memcpy(j->answer + j->answer_n, s, n);
    j->answer_n += n;
    return n;
}

static void job_free(job *j)
{
    if (j->easy)
        handle_give(j->client, j->client->idle, &j->client->n_idle, j->easy);
    curl_slist_free_all(j->headers);
    if (j->answer)
        gba_wipe(j->answer, j->answer_n);
    free(j->answer);
    if (j->body)
        gba_wipe(j->body, j->body_n);
    free(j->body);
    gba_wipe(j->head.text, j->head.n);
    free(j);
}

static void job_finish(job *j, gba_err e)
{
    fetch_client *c = j->client;
    fetch_answer a = {.fields = j->head.field, .n_fields = j->head.n_fields, .body = gba_mem(j->answer, j->answer_n)};
    long status = 0;
    curl_easy_getinfo(j->easy, CURLINFO_RESPONSE_CODE, &status);
    a.status = (unsigned)status;
    j->done(j->ctx, j->too_large ? GBA_E_RANGE : e, e == GBA_OK && !j->too_large ? &a : NULL);
    job_free(j);
    pthread_mutex_lock(&c->lock);
    c->under_way--;
    pthread_mutex_unlock(&c->lock);
}

static void unlink_running(fetch_client *c, job *j)
{
    *(j->prev ? &j->prev->next : &c->running) = j->next;
    if (j->next)
        j->next->prev = j->prev;
    curl_multi_remove_handle(c->multi, j->easy);
}

static void finish_done(fetch_client *c)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(c->multi, &left))) {
        job *j = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&j);
        unlink_running(c, j);
        job_finish(j, error_of(code));
    }
}

static bool take_queued(fetch_client *c)
{
    pthread_mutex_lock(&c->lock);
    job *j = c->queued;
    c->queued = c->queued_last = NULL;
    bool stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    for (job *next; j; j = next) {
        next = j->next;
        if (stop || curl_multi_add_handle(c->multi, j->easy) != CURLM_OK) {
            job_finish(j, GBA_E_IO);
            continue;
        }
        j->prev = NULL;
        j->next = c->running;
        if (c->running)
            c->running->prev = j;
        c->running = j;
    }
    return !stop;
}

static void *run(void *ctx)
{
    fetch_client *c = ctx;
    int active;
    while (take_queued(c)) {
        curl_multi_perform(c->multi, &active);
        finish_done(c);
        curl_multi_poll(c->multi, NULL, 0, 1000, NULL);
    }
    for (job *j; (j = c->running);) {
        unlink_running(c, j);
        job_finish(j, GBA_E_IO);
    }
    return NULL;
}

static job *job_new(fetch_client *c, const char *method, const char *url, const http_field *fields, size_t n,
                    gba_span body, gba_err *e)
{
    job *j = calloc(1, sizeof *j);
    *e = GBA_E_NOMEM;
    if (!j)
        return NULL;
    j->client = c;
    j->easy = handle_take(c, c->idle, &c->n_idle);
    j->body = body.n ? malloc(body.n) : NULL;
    if (j->body)
        memcpy(j->body, body.p, j->body_n = body.n);
    if (j->easy && (j->body || !body.n))
        *e = make_headers(fields, n, &j->headers);
    if (*e != GBA_OK) {
        job_free(j);
        return NULL;
    }
    set_common(c, j->easy, method, url, j->headers);
    if (body.n || !strcmp(method, "POST") || !strcmp(method, "PUT")) {
        curl_easy_setopt(j->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        curl_easy_setopt(j->easy, CURLOPT_POSTFIELDS, body.n ? (const char *)j->body : "");
        curl_easy_setopt(j->easy, CURLOPT_CUSTOMREQUEST, method);
    }
    curl_easy_setopt(j->easy, CURLOPT_TIMEOUT_MS, c->total_ms);
    curl_easy_setopt(j->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(j->easy, CURLOPT_HEADERDATA, j);
    curl_easy_setopt(j->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(j->easy, CURLOPT_WRITEDATA, j);
    curl_easy_setopt(j->easy, CURLOPT_PRIVATE, j);
    return j;
}

gba_err fetch_submit(fetch_client *c, const char *method, const char *url, const http_field *fields, size_t n,
                     gba_span body, fetch_done *done, void *ctx)
{
    gba_err e;
    if (!good_request(method, url))
        return GBA_E_ARG;
    job *j = job_new(c, method, url, fields, n, body, &e);
    if (!j)
        return e;
    j->done = done;
    j->ctx = ctx;
    pthread_mutex_lock(&c->lock);
    if (c->stop || c->under_way >= UNDER_WAY_MAX) {
        e = GBA_E_BUSY;
    } else {
        *(c->queued ? &c->queued_last->next : &c->queued) = j;
        c->queued_last = j;
        c->under_way++;
    }
    pthread_mutex_unlock(&c->lock);
    if (e != GBA_OK)
        job_free(j);
    else
        curl_multi_wakeup(c->multi);
    return e;
}

/* ---- streaming ---- */
typedef struct stream {
    const fetch_client *client;
    CURL *easy;
    int64_t moved_ms; /* when the last of the caller's functions ended */
    bool late;
    head head;
    fetch_source *src;
    fetch_head *on_head;
    fetch_sink *sink;
    void *ctx;
    gba_err err; /* what the caller's functions said */
    bool too_large;
} stream;

static size_t stream_header(char *s, size_t size, size_t n, void *ctx)
{
    stream *t = ctx;
    long status = 0;
    n *= size;
    if (!head_line(&t->head, s, n)) {
        t->too_large = true;
        return 0;
    }
    bool empty = n == 0 || (n <= 2 && (s[0] == '\r' || s[0] == '\n'));
    if (!empty || t->head.over)
        return n;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return n;
    t->head.over = true;
    t->err = t->on_head(t->ctx, (unsigned)status, t->head.field, t->head.n_fields);
    t->moved_ms = service_mono_ms();
    return t->err == GBA_OK ? n : 0;
}

static size_t stream_body(char *s, size_t size, size_t n, void *ctx)
{
    stream *t = ctx;
    t->err = t->sink(t->ctx, gba_mem(s, size * n));
    t->moved_ms = service_mono_ms(); /* the time the caller took is not the upstream's */
    return t->err == GBA_OK ? size * n : 0;
}

static size_t stream_source(char *to, size_t size, size_t n, void *ctx)
{
    stream *t = ctx;
    ssize_t got = t->src(t->ctx, to, size * n);
    t->moved_ms = service_mono_ms();
    if (got >= 0)
        return (size_t)got;
    t->err = GBA_E_IO;
    return CURL_READFUNC_ABORT;
}

/* Called at each movement and once a second. */
static int stream_watch(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    stream *t = ctx;
    int64_t limit = t->head.over ? t->client->idle_ms : t->client->first_ms;
    (void)down_all, (void)down, (void)up_all, (void)up;
    t->late = service_mono_ms() - t->moved_ms > limit;
    return t->late || atomic_load(&t->client->aborted);
}

static void set_stream(stream *t, int64_t length)
{
    CURL *e = t->easy;
    if (t->src && length != 0) {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, stream_source);
        curl_easy_setopt(e, CURLOPT_READDATA, t);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)length); /* -1: chunked */
    }
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, stream_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, stream_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, stream_watch);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, t);
}

gba_err fetch_stream(fetch_client *c, const char *method, const char *url, const http_field *fields, size_t n,
                     int64_t length, fetch_source *src, fetch_head *on_head, fetch_sink *sink, void *ctx)
{
    if (!good_request(method, url))
        return GBA_E_ARG;
    stream *t = calloc(1, sizeof *t);
    CURL *easy = t ? handle_take(c, c->streaming, &c->n_streaming) : NULL;
    struct curl_slist *headers = NULL;
    gba_err e = easy ? make_headers(fields, n, &headers) : GBA_E_NOMEM;
    if (e == GBA_OK) {
        *t = (stream){.client = c, .easy = easy, .src = src, .on_head = on_head, .sink = sink, .ctx = ctx,
                      .moved_ms = service_mono_ms()};
        set_common(c, easy, method, url, headers);
        set_stream(t, length);
        if (length == 0 && (!strcmp(method, "POST") || !strcmp(method, "PUT"))) {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
            curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
        }
        e = error_of(curl_easy_perform(easy));
        e = t->too_large ? GBA_E_RANGE : t->late ? GBA_E_BUSY : t->err != GBA_OK ? t->err : e;
    }
    if (easy)
        handle_give(c, c->streaming, &c->n_streaming, easy);
    curl_slist_free_all(headers);
    free(t);
    return e;
}

/* ---- the client ---- */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void init_library(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        abort();
}

static bool copy(const char *s, char **out)
{
    *out = s ? strdup(s) : NULL;
    return !s == !*out;
}

static void client_free(fetch_client *c)
{
    while (c->n_idle)
        curl_easy_cleanup(c->idle[--c->n_idle]);
    while (c->n_streaming)
        curl_easy_cleanup(c->streaming[--c->n_streaming]);
    if (c->multi)
        curl_multi_cleanup(c->multi);
    free(c->ca_file);
    free(c->cert_file);
    free(c->key_file);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

gba_err fetch_client_new(const fetch_config *f, fetch_client **out)
{
    pthread_once(&once, init_library);
    *out = NULL;
    if (!f->cert_file != !f->key_file)
        return GBA_E_ARG;
    fetch_client *c = calloc(1, sizeof *c);
    if (!c)
        return GBA_E_NOMEM;
    pthread_mutex_init(&c->lock, NULL);
    c->connections = f->connections ? f->connections : 64;
    c->connect_ms = f->connect_ms ? (long)f->connect_ms : 2000;
    c->total_ms = f->total_ms ? (long)f->total_ms : 5000;
    c->first_ms = f->first_ms ? f->first_ms : STALL_MS;
    c->idle_ms = f->idle_ms ? f->idle_ms : STALL_MS;
    c->answer_max = f->answer_max ? f->answer_max : 1024 * 1024;
    c->multi = curl_multi_init();
    bool good = copy(f->ca_file, &c->ca_file) && copy(f->cert_file, &c->cert_file) && copy(f->key_file, &c->key_file);
    if (good && c->multi) {
        curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->connections);
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->connections * 4);
        if (pthread_create(&c->thread, NULL, run, c) == 0) {
            *out = c;
            return GBA_OK;
        }
    }
    client_free(c);
    return GBA_E_NOMEM;
}

void fetch_client_abort(fetch_client *c)
{
    if (c)
        atomic_store(&c->aborted, true);
}

void fetch_client_free(fetch_client **cp)
{
    fetch_client *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
    pthread_join(c->thread, NULL);
    client_free(c);
}
