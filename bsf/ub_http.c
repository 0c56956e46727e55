/* SPDX-License-Identifier: Apache-2.0 */
/* ub_http.c - request to ub_request, ub_answer to reply. */
#include "bsf/ub_http.h"
#include <stdlib.h>
#include <string.h>

void ub_http_init(ub_http *h, ub *u)
{
    h->ub = u;
    pthread_rwlock_init(&h->lock, NULL);
}

void ub_http_end(ub_http *h)
{
    if (h->ub)
        pthread_rwlock_destroy(&h->lock);
    h->ub = NULL;
}

void ub_http_set_nets(ub_http *h, const bsf_settings *s)
{
    pthread_rwlock_wrlock(&h->lock);
    conf_cidrs(NULL, "", &s->limits.exempt, h->nets.exempt, &h->nets.n_exempt);
    conf_cidrs(NULL, "", &s->limits.trusted_proxies, h->nets.trusted, &h->nets.n_trusted);
    pthread_rwlock_unlock(&h->lock);
}

size_t ub_http_uncounted(const ub_http *h, http_cidr *out)
{
    memcpy(out, h->nets.exempt, h->nets.n_exempt * sizeof *out);
    memcpy(out + h->nets.n_exempt, h->nets.trusted, h->nets.n_trusted * sizeof *out);
    return h->nets.n_exempt + h->nets.n_trusted;
}

/* Where the request comes from, and whether its source has no limit. */
static bool source_of(ub_http *h, const http_req *r, struct sockaddr_storage *client, const struct sockaddr **from)
{
    const ub_http_nets *nets = &h->nets;
    pthread_rwlock_rdlock(&h->lock);
    *from = http_peer(r);
    if (nets->n_trusted) {
        http_client(r, nets->trusted, nets->n_trusted, client);
        *from = (const struct sockaddr *)client;
    }
    bool exempt = nets->n_exempt && http_cidr_has(nets->exempt, nets->n_exempt, *from);
    pthread_rwlock_unlock(&h->lock);
    return exempt;
}

typedef struct skin {
    http_req *r;
    char source[64];
} skin;

static void reply(void *ctx, const ub_answer *a)
{
    skin *s = ctx;
    const http_field all[] = {
        {"Server", a->server},
        {"Cache-Control", "no-store"}, /* RFC 9111 5.2.2.5: a key's lifetime is nothing to keep */
        {"WWW-Authenticate", a->www_authenticate},
        {"Authentication-Info", a->authentication_info},
        {"Content-Type", a->content_type},
        {"Expires", a->expires},
        {"Allow", a->allow},
        {"Retry-After", a->retry_after},
    };
    http_field given[sizeof all / sizeof all[0]];
    size_t n = 0;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].value)
            given[n++] = all[i];
    http_reply(s->r, a->status, given, n, a->body);
    free(s);
}

void ub_http_handle(http_req *r, void *ctx)
{
    ub_http *h = ctx;
    struct sockaddr_storage client;
    const struct sockaddr *from;
    skin *s = malloc(sizeof *s);

    if (!s) {
        http_reply(r, 503, NULL, 0, gba_mem(NULL, 0));
        return;
    }
    bool exempt = source_of(h, r, &client, &from);
    s->r = r;
    http_source_text(from, s->source);
    ub_request q = {
        .method = http_method(r),
        .target = http_target(r),
        .authorization = http_header(r, "Authorization"),
        .n_authorization = http_header_n(r, "Authorization"),
        .user_agent = http_header(r, "User-Agent"),
        .body = http_body(r),
        .source_text = s->source,
        .exempt = exempt,
    };
    http_source(from, q.source);
    ub_handle(h->ub, &q, reply, s);
}
