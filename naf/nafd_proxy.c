/* SPDX-License-Identifier: Apache-2.0 */
/* nafd_proxy.c - an authenticated request to an upstream server and its answer back (TS 33.222 6). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "naf/nafd.h"

typedef struct hop {
    exchange *e;
    const char *connection; /* the request's, which names more hop-by-hop fields */
    bool trusted;           /* the peer is a proxy of ours */
    size_t n;
    http_field fields[NAFD_FIELDS];
    char asserted[2 * GBA_ID_MAX + 3];
    char forwarded[1024];
    char url[];
} hop;

const nafd_upstream *nafd_upstream_of(const nafd *d, const char *target)
{
    const nafd_upstream *u = d->s->upstreams.v, *best = NULL;
    for (size_t i = 0; i < d->s->upstreams.n; i++)
        if (!strncmp(target, u[i].path, strlen(u[i].path)) && (!best || strlen(u[i].path) > strlen(best->path)))
            best = &u[i];
    return best;
}

/* '_' for '-' too: many servers show both alike to their programs. */
static bool named(const char *name, const char *field)
{
    while (*name && *field) {
        char a = *name == '_' ? '-' : *name, b = *field;
        if ((a | 0x20) != (b | 0x20))
            return false;
        name++;
        field++;
    }
    return *name == *field;
}

static bool among(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (named(name, *list))
            return true;
    return false;
}

/* Is name one of the comma-separated tokens? */
static bool listed(const char *tokens, const char *name)
{
    size_t n = strlen(name);
    for (const char *t = tokens; t && *t;) {
        size_t skip = strspn(t, ", \t"), len = strcspn(t + skip, ", \t");
        if (len == n && !strncasecmp(t + skip, name, n))
            return true;
        t += skip + len;
    }
    return false;
}

static const char *const hop_by_hop[] = {"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
                                         "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
                                         "Content-Length", NULL};
/* What only we may say, and credentials that are ours. */
static const char *const ours[] = {"Authorization", "X-3GPP-Asserted-Identity", "X-Forwarded-For", "X-Forwarded-Proto",
                                   "Forwarded", "Expect", NULL};
static const char *const not_back[] = {"Authentication-Info", "Date", "X-3GPP-Asserted-Identity", NULL};

static bool add(hop *h, const char *name, const char *value)
{
    if (h->n >= NAFD_FIELDS)
        return false;
    h->fields[h->n++] = (http_field){name, value};
    return true;
}

static void on_field(void *ctx, const char *name, const char *value)
{
    hop *h = ctx;
    if (among(name, hop_by_hop) || among(name, ours) || listed(h->connection, name))
        return;
    if (!add(h, name, value ? value : ""))
        h->n = NAFD_FIELDS + 1; /* too many */
}

static void quote(const char *s, char *out)
{
    *out++ = '"';
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            *out++ = '\\';
        *out++ = *s;
    }
    *out++ = '"';
    *out = 0;
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

static bool take_fields(hop *h)
{
    exchange *e = h->e;
    char peer[64];
    const char *before = h->trusted ? http_header(e->r, "X-Forwarded-For") : NULL;
    http_headers_each(e->r, on_field, h);
    http_source_text(http_peer(e->r), peer);
    if (snprintf(h->forwarded, sizeof h->forwarded, "%s%s%s", before ? before : "", before ? ", " : "", peer) >=
        (int)sizeof h->forwarded)
        return false;
    quote(gba_naf_asserted(e->res.identity), h->asserted);
    return h->n <= NAFD_FIELDS && add(h, "X-Forwarded-For", h->forwarded) &&
           add(h, "X-Forwarded-Proto", e->q.transport == GBA_PLAIN ? "http" : "https") &&
           add(h, "X-3GPP-Asserted-Identity", h->asserted);
}

static void fail(hop *h, unsigned status, const char *reason)
{
    exchange *e = h->e;
    metric_add(e->d->proxied_failed, 1);
    log_event(LOG_LEVEL_WARN, "proxy.failed", "url", h->url, "reason", reason, "status", log_num(status), NULL);
    free(h);
    nafd_reply(e, status, NULL, 0, (gba_span){0});
}

static const char *find(const fetch_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (!strcasecmp(a->fields[i].name, name))
            return a->fields[i].value;
    return NULL;
}

static void on_answer(void *ctx, gba_err err, const fetch_answer *a)
{
    hop *h = ctx;
    exchange *e = h->e;
    if (err != GBA_OK || a->status < 200 || a->status > 599) {
        fail(h, err == GBA_E_BUSY ? 504 : 502, err == GBA_OK ? "status" : gba_err_name(err));
        return;
    }
    const char *connection = find(a, "Connection");
    h->n = 0;
    for (size_t i = 0; i < a->n_fields; i++)
        if (!among(a->fields[i].name, hop_by_hop) && !among(a->fields[i].name, not_back) &&
            !listed(connection, a->fields[i].name) && !add(h, a->fields[i].name, a->fields[i].value)) {
            fail(h, 502, "too many header fields");
            return;
        }
    metric_add(e->d->proxied_ok, 1);
    nafd_reply(e, a->status, h->fields, h->n, a->body);
    free(h);
}

void nafd_proxy(exchange *e, const nafd_upstream *u)
{
    const char *target = http_target(e->r);
    size_t base = strlen(u->url), room;
    while (base && u->url[base - 1] == '/')
        base--;
    if (!path_ok(target)) {
        nafd_reply(e, 400, NULL, 0, (gba_span){0});
        return;
    }
    room = base + strlen(target) + 1;
    hop *h = malloc(sizeof *h + room);
    if (!h) {
        nafd_reply(e, 503, NULL, 0, (gba_span){0});
        return;
    }
    h->e = e;
    h->n = 0;
    h->connection = http_header(e->r, "Connection");
    h->trusted = e->d->n_trusted && http_cidr_has(e->d->trusted, e->d->n_trusted, http_peer(e->r));
    snprintf(h->url, room, "%.*s%s", (int)base, u->url, target);
    if (!take_fields(h)) {
        free(h);
        nafd_reply(e, 431, NULL, 0, (gba_span){0});
        return;
    }
    if (fetch_submit(e->d->fetch, http_method(e->r), h->url, h->fields, h->n, e->q.body, on_answer, h) != GBA_OK)
        fail(h, 503, "busy");
}
