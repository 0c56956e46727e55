/* SPDX-License-Identifier: Apache-2.0 */
/* ub_http.c - request to ub_request, ub_answer to reply. */
#include "bsf/ub_http.h"
#include <stdatomic.h>
#include <stdlib.h>

gba_err ub_http_set_nets(ub_http *h, const bsf_settings *s)
{
    ub_http_nets *n = calloc(1, sizeof *n);
    gba_err e;

    if (!n)
        return GBA_E_NOMEM;
    e = bsf_settings_cidrs(&s->limits.exempt, n->exempt, &n->n_exempt);
    if (e == GBA_OK)
        e = bsf_settings_cidrs(&s->limits.trusted_proxies, n->trusted, &n->n_trusted);
    if (e != GBA_OK) {
        free(n);
        return e;
    }
    n->older = atomic_load(&h->nets);
    atomic_store(&h->nets, n);
    return GBA_OK;
}

void ub_http_free_nets(ub_http *h)
{
    for (ub_http_nets *n = atomic_load(&h->nets), *older; n; n = older) {
        older = n->older;
        free(n);
    }
    atomic_store(&h->nets, NULL);
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
    const ub_http_nets *nets = atomic_load(&h->nets);
    struct sockaddr_storage client;
    const struct sockaddr *from = http_peer(r);
    skin *s = malloc(sizeof *s);

    if (!s) {
        http_reply(r, 503, NULL, 0, gba_mem(NULL, 0));
        return;
    }
    if (nets->n_trusted) {
        http_client(r, nets->trusted, nets->n_trusted, &client);
        from = (const struct sockaddr *)&client;
    }
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
        .exempt = nets->n_exempt && http_cidr_has(nets->exempt, nets->n_exempt, from),
    };
    http_source(from, q.source);
    ub_handle(h->ub, &q, reply, s);
}
