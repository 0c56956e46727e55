/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nafd_proxy.c - an authenticated request to an upstream server and its answer back (TS 33.222 6).
 *
 * Runs on a worker thread of its own, so that it may wait: for the key, for the request's body, for the
 * upstream, for a slow reader. Bodies pass through as they come. Only those under auth-int are
 * gathered, up to a limit: a request's since it must be proved before anything goes to the upstream, an
 * answer's since rspauth stands in the header before it.
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "naf/nafd.h"
#include "service/grow.h"

#define HEADER_ROOM 32768            /* above what the HTTP server lets in */
#define SKIP_MAX (1024 * 1024)      /* of a refused body: its connection lives on, no reset loses the answer */

typedef struct buffer {
    uint8_t *p;
    size_t n, room, at; /* at: what was read again */
} buffer;

typedef struct hop {
    exchange e;
    sem_t checked;
    nafd_backend *backend;
    int64_t length; /* of the request's body; -1: chunked */
    int64_t taken;  /* of it */
    int64_t unproven; /* octets of it that count in the nafd's */
    bool expects;   /* 100-continue */
    size_t n;
    http_field fields[NAFD_FIELDS];
    buffer request, answer; /* under auth-int */
    /* the answer */
    bool begun, answered; /* its header is out; it was one of our own */
    bool gathers, peer_failed, too_large;
    unsigned status;
    char *head; /* its fields, when they must outlive the upstream's */
    size_t n_back;
    http_field back[NAFD_FIELDS + 1];
    int64_t back_length;
    char asserted[NAFD_ASSERTED], forwarded[1024];
    size_t text_n;
    char text[HEADER_ROOM];
} hop;

/* ---- buffers ---- */
static bool buffer_add(buffer *b, gba_span part)
{
    if (!service_grow(&b->p, b->n, &b->room, part.n))
        return false;
    if (part.n)
        memcpy(b->p + b->n, part.p, part.n);
    b->n += part.n;
    return true;
}

static void buffer_free(buffer *b)
{
    if (b->p)
        gba_wipe(b->p, b->n);
    free(b->p);
}

/* ---- header fields ---- */
static bool among(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (http_named(name, *list))
            return true;
    return false;
}

static const char *find(const http_field *f, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(f[i].name, name))
            return f[i].value;
    return NULL;
}

/* Also by one of several Connection fields. */
static bool dropped(const http_field *f, size_t n, const char *name)
{
    bool gone = http_hop_by_hop(name, NULL);
    for (size_t i = 0; i < n && !gone; i++)
        gone = !strcasecmp(f[i].name, "Connection") && http_hop_by_hop(name, f[i].value);
    return gone;
}

/* What only we may say, what we have judged, and credentials that are ours. */
static const char *const ours[] = {"Authorization", "X-3GPP-Asserted-Identity", "X-3GPP-Intended-Identity",
                                   "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Expect", NULL};
/* What else a proxy before us says: a stranger does not. */
static bool is_forwarded(const char *name, bool trusted)
{
    return http_named_begin(name, "X-Forwarded-") && (!trusted || strchr(name, '_'));
}

static const char *const not_back[] = {"Authentication-Info", "Date", "X-3GPP-Asserted-Identity", NULL};

/* A copy of our own, for the server's goes with the connection. */
static void keep_field(void *ctx, const char *name, const char *value)
{
    hop *h = ctx;
    size_t a = strlen(name) + 1, b = strlen(value) + 1;
    if (h->n >= NAFD_FIELDS || a + b > sizeof h->text - h->text_n) {
        h->n = NAFD_FIELDS + 1;
        return;
    }
    char *at = h->text + h->text_n;
    memcpy(at, name, a);
    memcpy(at + a, value, b);
    h->text_n += a + b;
    h->fields[h->n++] = (http_field){at, at + a};
}

static int64_t length_of(const http_field *f, size_t n)
{
    const char *v = find(f, n, "Content-Length");
    char *end;
    if (!v || *v < '0' || *v > '9')
        return -1;
    long long length = strtoll(v, &end, 10);
    return *end || length < 0 ? -1 : length;
}

/* Path segments "." and ".." could lead out of the upstream's path. */
static bool path_ok(const char *target)
{
    size_t n = strcspn(target, "?");
    for (size_t i = 0; i < n;) {
        size_t dots = 0, len = 0, at = ++i; /* behind '/' */
        while (i < n && target[i] != '/') {
            if (target[i] == '\\' || (n - i >= 3 && (!strncasecmp(target + i, "%2f", 3) ||
                                                     !strncasecmp(target + i, "%5c", 3))))
                return false;
            bool encoded = n - i >= 3 && !strncasecmp(target + i, "%2e", 3);
            dots += target[i] == '.' || encoded;
            i += encoded ? 3 : 1;
            len++;
        }
        if (len && dots == len && dots <= 2 && i > at)
            return false;
    }
    return true;
}

/* ---- answers ---- */
/* One of our own. */
static void answer_body(hop *h, unsigned status, const http_field *fields, size_t n, gba_span body)
{
    char info[1024];
    http_field all[GBA_NAF_ALGORITHMS + 2];
    n = n < GBA_NAF_ALGORITHMS + 1 ? n : GBA_NAF_ALGORITHMS + 1;
    for (size_t i = 0; i < n; i++)
        all[i] = fields[i];
    gba_span sent = strcmp(http_method(h->e.r), "HEAD") && body.n ? body : gba_str("");
    if (nafd_info(&h->e, sent, info, sizeof info))
        all[n++] = (http_field){"Authentication-Info", info};
    h->e.sent = (int64_t)sent.n;
    if (h->length >= 0 && h->length <= SKIP_MAX && (h->taken || !h->expects))
        http_body_skip(h->e.r);
    h->begun = h->answered = true;
    nafd_log_access(&h->e, status);
    http_reply(h->e.r, status, all, n, body);
}

static void answer(hop *h, unsigned status, const http_field *fields, size_t n)
{
    answer_body(h, status, fields, n, (gba_span){0});
}

static void later(hop *h, unsigned status, int64_t seconds)
{
    char text[24];
    const http_field field = {"Retry-After", text};
    snprintf(text, sizeof text, "%lld", (long long)seconds);
    answer(h, status, &field, 1);
}

static void fail(hop *h, unsigned status, const char *reason)
{
    metric_add(status == 504 ? h->e.d->proxied_timeout : h->e.d->proxied_failed, 1);
    log_event(LOG_LEVEL_WARN, "proxy.failed", "upstream", h->e.upstream, "target", http_target(h->e.r), "reason",
              reason, "status", log_num(status), NULL);
    if (!h->begun)
        answer(h, status, NULL, 0);
}

/* ---- who is it ---- */
static void checked(exchange *e)
{
    sem_post(&((hop *)e)->checked);
}

/* RFC 7616 3.4.3: is the body part of what is signed? The hexadecimal digits of its hash, 0: it is not. */
static size_t signs_body(const exchange *e)
{
    gba_authorization a;
    size_t digits = 0;
    if (e->who || e->q.n_authorization != 1)
        return 0;
    if (gba_authorization_parse(e->q.authorization[0], &a) == GBA_OK && (a.qop & GBA_QOP_AUTH_INT))
        digits = a.algorithm == GBA_DIGEST_SHA256 || a.algorithm == GBA_DIGEST_SHA256_SESS ? 64 : 32;
    gba_wipe(&a, sizeof a);
    return digits;
}

/* Room for one more piece of a body that proves nothing yet. false: answered. */
static bool gather_part(hop *h, gba_span part)
{
    nafd *d = h->e.d;
    size_t before = h->request.room;
    bool added = buffer_add(&h->request, part);
    int64_t more = (int64_t)(h->request.room - before);
    h->unproven += more;
    if (atomic_fetch_add(&d->unproven, more) + more <= d->s->ua.bodies_max && added)
        return true;
    if (added)
        log_event(LOG_LEVEL_WARN, "ua.bodies_full", "hint", "ua.bodies_max", NULL);
    later(h, 503, 1);
    return false;
}

static void proven(hop *h)
{
    atomic_fetch_sub(&h->e.d->unproven, h->unproven);
    h->unproven = 0;
}

/* false: answered. */
static bool gather_request(hop *h)
{
    uint8_t part[16384];
    size_t limit = (size_t)h->e.d->s->ua.body_max;
    ssize_t got = 0;
    http_body_within(h->e.r, (unsigned)(h->e.d->s->ua.idle * 1000)); /* nobody has been authenticated */
    while (h->length <= (int64_t)limit && (got = http_body_read(h->e.r, part, sizeof part)) > 0) {
        h->taken += got;
        if ((size_t)got > limit - h->request.n)
            break;
        if (!gather_part(h, gba_mem(part, (size_t)got)))
            return false;
    }
    if (got < 0) { /* late, or the peer is gone */
        answer(h, 408, NULL, 0);
        return false;
    }
    if (got > 0 || h->length > (int64_t)limit) {
        answer(h, 413, NULL, 0);
        return false;
    }
    h->e.q.body = gba_mem(h->request.p, h->request.n);
    h->length = (int64_t)h->request.n;
    return true;
}

static void check(hop *h)
{
    exchange *e = &h->e;
    e->q.now = service_now();
    nafd_check(e);
    if (e->res.verdict == GBA_NAF_WAIT) {
        e->deadline_ms = service_mono_ms() + e->d->s->zn.timeout_ms;
        nafd_zn_wait(e->d->zn, e);
        while (sem_wait(&h->checked) != 0)
            ;
    }
}

/* Nobody makes us hold a body whose header is no good: it is judged first, with a hash that no body has. When that alone
 * is wrong the challenge is ours, and the B-TID has a key. false: answered. */
static bool check_with_body(hop *h, size_t digits)
{
    exchange *e = &h->e;
    char none[65] = "";
    memset(none, '-', digits);
    e->q.body_hash = none;
    check(h);
    e->q.body_hash = NULL;
    if (e->res.verdict != GBA_NAF_OK && e->res.why != GBA_NAF_WHY_WRONG_DIGEST)
        return true;
    gba_naf_result_clear(&e->res); /* OK: signed over that hash; the check with the body finds its nonce count used */
    e->res.verdict = GBA_NAF_REFUSE;
    if (!gather_request(h))
        return false;
    check(h);
    proven(h);
    return true;
}

/* false: answered. */
static bool authenticate(hop *h)
{
    exchange *e = &h->e;
    http_field fields[GBA_NAF_ALGORITHMS + 1];
    size_t digits = h->length ? signs_body(e) : 0;
    if (!digits)
        check(h);
    else if (!check_with_body(h, digits))
        return false;
    nafd_note(e);
    if (e->res.verdict == GBA_NAF_OK)
        return true;
    for (size_t i = 0; i < e->res.n_fields; i++)
        fields[i] = (http_field){e->res.fields[i].name, e->res.fields[i].value};
    size_t n = e->res.n_fields;
    if (e->who && e->res.status == 421) /* nothing more will come of this session */
        fields[n++] = (http_field){"Connection", "close"};
    answer(h, e->res.status, fields, n);
    return false;
}

/* ---- to the upstream ---- */
static ssize_t on_source(void *ctx, void *buf, size_t n)
{
    hop *h = ctx;
    buffer *b = &h->request;
    if (h->e.q.body.p || !h->length) { /* it was gathered */
        n = n < b->n - b->at ? n : b->n - b->at;
        if (n)
            memcpy(buf, b->p + b->at, n);
        b->at += n;
        return (ssize_t)n;
    }
    ssize_t got = http_body_read(h->e.r, buf, n);
    int64_t limit = h->e.d->s->proxy.body_max;
    h->peer_failed = h->peer_failed || got < 0;
    h->taken += got > 0 ? got : 0;
    if (limit && h->taken > limit) {
        h->too_large = true;
        return -1;
    }
    return got;
}

static bool add(hop *h, const char *name, const char *value)
{
    if (h->n >= NAFD_FIELDS)
        return false;
    h->fields[h->n++] = (http_field){name, value};
    return true;
}

/* The request's fields as the upstream gets them, in place. */
static bool upstream_fields(hop *h, bool trusted)
{
    exchange *e = &h->e;
    char peer[64] = "";
    const struct sockaddr *sa = http_peer(e->r);
    const char *before = trusted ? find(h->fields, h->n, "X-Forwarded-For") : NULL;
    http_field all[NAFD_FIELDS];
    size_t n = h->n;
    memcpy(all, h->fields, n * sizeof *all);
    if (sa)
        http_source_text(sa, peer);
    if (snprintf(h->forwarded, sizeof h->forwarded, "%s%s%s", before ? before : "", before ? ", " : "", peer) >=
        (int)sizeof h->forwarded)
        return false;
    nafd_asserted(e, h->asserted);
    h->n = 0;
    for (size_t i = 0; i < n; i++)
        if (!among(all[i].name, ours) && !is_forwarded(all[i].name, trusted) && !dropped(all, n, all[i].name))
            h->fields[h->n++] = all[i];
    return add(h, "X-Forwarded-For", h->forwarded) &&
           add(h, "X-Forwarded-Proto", e->q.transport == GBA_PLAIN ? "http" : "https") &&
           add(h, "X-3GPP-Asserted-Identity", h->asserted);
}

/* ---- the answer back ---- */
/* Sends the header; body as in gba_naf_answer. */
static gba_err begin(hop *h, gba_span body, int64_t length)
{
    char info[1024];
    size_t n = h->n_back;
    if (nafd_info(&h->e, body, info, sizeof info))
        h->back[n++] = (http_field){"Authentication-Info", info};
    h->gathers = false;
    gba_err e = http_reply_begin(h->e.r, h->status, h->back, n, length);
    h->begun = h->begun || e == GBA_OK || e == GBA_E_IO;
    h->peer_failed = h->peer_failed || e != GBA_OK;
    return e;
}

/* The fields of a gathered answer stay until it is complete. */
static bool keep_back(hop *h)
{
    size_t need = 0, used = 0;
    for (size_t i = 0; i < h->n_back; i++)
        need += strlen(h->back[i].name) + strlen(h->back[i].value) + 2;
    h->head = malloc(need + 1);
    for (size_t i = 0; h->head && i < h->n_back; i++) {
        size_t a = strlen(h->back[i].name) + 1, b = strlen(h->back[i].value) + 1;
        char *at = h->head + used;
        memcpy(at, h->back[i].name, a);
        memcpy(at + a, h->back[i].value, b);
        h->back[i] = (http_field){at, at + a};
        used += a + b;
    }
    return h->head != NULL;
}

static gba_err on_head(void *ctx, unsigned status, const http_field *f, size_t n)
{
    hop *h = ctx;
    const char *type = find(f, n, "Content-Type");
    bool events = type && !strncasecmp(type, "text/event-stream", 17); /* has no end to wait for */
    bool bare = !strcmp(http_method(h->e.r), "HEAD") || status == 204 || status == 304;
    if (status < 200 || status > 599)
        return GBA_E_SYNTAX;
    h->status = status;
    h->back_length = length_of(f, n);
    for (size_t i = 0; i < n; i++)
        if (!among(f[i].name, not_back) && !dropped(f, n, f[i].name)) {
            if (h->n_back == NAFD_FIELDS) /* one more has room, for Authentication-Info */
                return GBA_E_RANGE;
            h->back[h->n_back++] = f[i];
        }
    if (bare)
        return begin(h, gba_str(""), h->back_length);
    h->gathers = !h->e.who && gba_naf_wants_body(&h->e.res) && h->back_length <= h->e.d->s->proxy.answer_max && !events;
    if (!h->gathers)
        return begin(h, (gba_span){0}, h->back_length);
    return keep_back(h) ? GBA_OK : GBA_E_NOMEM;
}

static gba_err send_on(hop *h, gba_span part)
{
    gba_err e = http_reply_write(h->e.r, part);
    h->peer_failed = h->peer_failed || e != GBA_OK;
    h->e.sent += e == GBA_OK ? (int64_t)part.n : 0;
    return e;
}

static gba_err on_part(void *ctx, gba_span part)
{
    hop *h = ctx;
    if (!h->gathers)
        return send_on(h, part);
    if (part.n <= (size_t)h->e.d->s->proxy.answer_max - h->answer.n)
        return buffer_add(&h->answer, part) ? GBA_OK : GBA_E_NOMEM;
    gba_err e = begin(h, (gba_span){0}, h->back_length); /* too large to hash: told by qop=auth */
    if (e == GBA_OK)
        e = send_on(h, gba_mem(h->answer.p, h->answer.n));
    return e == GBA_OK ? send_on(h, part) : e;
}

/* The upstream's answer is complete, or why not. */
static void finish(hop *h, gba_err e)
{
    if (e == GBA_OK && h->gathers) {
        gba_span body = h->answer.n ? gba_mem(h->answer.p, h->answer.n) : gba_str("");
        e = begin(h, body, (int64_t)body.n);
        if (e == GBA_OK)
            e = send_on(h, body);
    }
    if (h->too_large && !h->begun) {
        answer(h, 413, NULL, 0);
        return;
    }
    if (!h->peer_failed && !h->too_large)
        nafd_backend_result(h->backend, e);
    if (e == GBA_OK) {
        metric_add(h->e.d->proxied_ok, 1);
        http_reply_end(h->e.r);
    } else if (!h->peer_failed) {
        fail(h, e == GBA_E_BUSY ? 504 : 502,
             e == GBA_E_BUSY   ? "timeout"
             : e == GBA_E_AUTH ? "its certificate is not trusted: proxy.ca"
                               : gba_err_name(e));
    }
    if (!h->answered)
        nafd_log_access(&h->e, h->begun ? h->status : 499); /* the client went */
}

static void forward(hop *h, bool trusted)
{
    exchange *e = &h->e;
    const char *target = http_target_path(http_target(e->r)), *method = http_method(e->r);
    size_t base = strlen(h->backend->u->url), room = base + strlen(target) + 1;
    while (base && h->backend->u->url[base - 1] == '/')
        base--;
    char *url = malloc(room);
    if (!url || !upstream_fields(h, trusted)) {
        answer(h, url ? 431 : 503, NULL, 0);
        free(url);
        return;
    }
    e->upstream = h->backend->u->url;
    snprintf(url, room, "%.*s%s", (int)base, h->backend->u->url, target);
    int64_t length = strcmp(method, "HEAD") ? h->length : 0;
    finish(h, fetch_stream(e->d->fetch, method, url, h->fields, h->n, length, on_source, on_head, on_part, h));
    free(url);
}

/* Proven who it is; may it go on? */
static void admit(hop *h, bool trusted)
{
    nafd *d = h->e.d;
    int64_t limit = d->s->proxy.body_max, retry = 1;
    if (!path_ok(http_target_path(http_target(h->e.r)))) {
        answer(h, 400, NULL, 0);
    } else if (limit && h->length > limit) {
        answer(h, 413, NULL, 0);
    } else if (atomic_fetch_add(&d->proxying, 1) >= d->s->proxy.requests) {
        atomic_fetch_sub(&d->proxying, 1);
        metric_add(d->proxied_busy, 1);
        log_event(LOG_LEVEL_WARN, "proxy.busy", "hint", "proxy.requests are under way", NULL);
        later(h, 503, 1);
    } else {
        if (nafd_backend_take(h->backend, &retry)) {
            forward(h, trusted);
        } else {
            metric_add(d->proxied_down, 1);
            later(h, 502, retry);
        }
        atomic_fetch_sub(&d->proxying, 1);
    }
}

/* The resource of our own, asked for with a body; without one nafd_ua.c gives it. */
static void serve_own(hop *h)
{
    static const http_field fields[] = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};
    char page[1024];
    if (h->e.d->s->resource.enabled)
        answer_body(h, 200, fields, 2, nafd_page(&h->e, page, sizeof page));
    else
        answer(h, 404, NULL, 0);
}

static void hop_free(hop *h)
{
    proven(h);
    gba_naf_result_clear(&h->e.res);
    nafd_who_release(h->e.who);
    sem_destroy(&h->checked);
    buffer_free(&h->request);
    buffer_free(&h->answer);
    free(h->head);
    free(h);
}

bool nafd_streams(const http_req *r, void *ctx)
{
    nafd *d = ctx;
    const char *length = http_header(r, "Content-Length");
    return (length && strcmp(length, "0") != 0) || http_header(r, "Transfer-Encoding") ||
           nafd_backend_of(d, d->by_host ? http_header(r, "Host") : NULL, http_target_path(http_target(r)));
}

void nafd_proxy(http_req *r, nafd *d)
{
    hop *h = malloc(sizeof *h);
    if (!h) {
        http_reply(r, 503, NULL, 0, (gba_span){0});
        return;
    }
    memset(h, 0, offsetof(hop, text));
    sem_init(&h->checked, 0, 0);
    http_headers_each(r, keep_field, h);
    bool fits = h->n <= NAFD_FIELDS, trusted = http_cidr_has(d->trusted, d->n_trusted, http_peer(r));
    h->n = fits ? h->n : 0;
    nafd_exchange_init(&h->e, d, r, h->fields, h->n);
    h->e.go_on = checked;
    h->backend = nafd_backend_of(d, find(h->fields, h->n, "Host"), http_target_path(http_target(r)));
    h->length = find(h->fields, h->n, "Transfer-Encoding") ? -1 : length_of(h->fields, h->n);
    if (h->length < 0 && !find(h->fields, h->n, "Transfer-Encoding"))
        h->length = 0;
    h->expects = find(h->fields, h->n, "Expect") != NULL;
    if (!fits)
        answer(h, 431, NULL, 0);
    else if (!h->backend && h->length > d->s->ua.body_max)
        answer(h, 413, NULL, 0);
    else if (!authenticate(h))
        ;
    else if (h->backend)
        admit(h, trusted);
    else
        serve_own(h);
    hop_free(h);
}
