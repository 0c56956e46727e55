/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zn_http.c - Nbsp_GBA of TS 29.309 over HTTP/1.1 and mutual TLS. HTTP/1.1 instead of
 * HTTP/2, and the application causes of 401, 403 and 404, are a profile of ours.
 */
#include "bsf/zn_http.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bsf/zn_json.h"
#include "service/daemon.h"
#include "service/log.h"

_Static_assert(ZN_HTTP_BODY_MAX == ZN_JSON_REQUEST_MAX, "the listener and the parser agree");

#define RETRIEVAL "/nbsp-gba/v1/bootstrapping-info-retrieval"
#define PUSH "/nbsp-gba/v1/push-info-retrieval"

/* ---- problem details (TS 29.500 5.2.7.2, RFC 9457) ---- */
/* All texts are constants without quotes: nothing of the request comes back. */
static void problem(http_req *r, unsigned status, const char *title, const zn_fault *f)
{
    char body[512], param[192] = "";
    const http_field fields[] = {{"Content-Type", "application/problem+json"},
                                 {"Cache-Control", "no-store"},
                                 {status == 405 ? "Allow" : NULL, "POST"}};
    if (f->param)
        snprintf(param, sizeof param, ",\"invalidParams\":[{\"param\":\"%s\",\"reason\":\"%s\"}]", f->param, f->reason);
    int n = snprintf(body, sizeof body, "{\"title\":\"%s\",\"status\":%u%s%s%s%s%s%s%s}", title, status,
                     f->reason ? ",\"detail\":\"" : "", f->reason ? f->reason : "", f->reason ? "\"" : "",
                     f->cause ? ",\"cause\":\"" : "", f->cause ? f->cause : "", f->cause ? "\"" : "", param);
    http_reply(r, status, fields, fields[2].name ? 3 : 2, gba_mem(body, (size_t)n));
}

static void problem_of(http_req *r, gba_err e)
{
    switch (e) {
    case GBA_E_FORBIDDEN:
        problem(r, 403, "Forbidden", &(zn_fault){.cause = "NAF_NOT_AUTHORIZED"});
        break;
    case GBA_E_UNKNOWN:
    case GBA_E_EXPIRED:
        problem(r, 404, "Not Found", &(zn_fault){.cause = "BTID_NOT_FOUND"});
        break;
    case GBA_E_UNSUPPORTED:
        problem(r, 501, "Not Implemented", &(zn_fault){0});
        break;
    case GBA_E_BUSY:
    case GBA_E_IO:
    case GBA_E_CORRUPT:
        problem(r, 503, "Service Unavailable", &(zn_fault){.cause = "SYSTEM_FAILURE"});
        break;
    default:
        problem(r, 500, "Internal Server Error", &(zn_fault){.cause = "SYSTEM_FAILURE"});
    }
}

/* ---- what HTTP asks for before the body is read ---- */
/* The path of a request-target in origin or absolute form (RFC 9112 3.2), its query left out. */
static gba_span target_path(const char *target)
{
    const char *p = http_target_path(target);
    return gba_mem(p, strcspn(p, "?"));
}

/* application/json, in any case, with or without parameters. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    if (!type || strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    type += sizeof json - 1;
    return type[strspn(type, " \t")] == '\0' || type[strspn(type, " \t")] == ';';
}

static bool acceptable(http_req *r)
{
    gba_span path = target_path(http_target(r));
    bool retrieval = gba_span_eq(path, gba_str(RETRIEVAL)), push = gba_span_eq(path, gba_str(PUSH));
    if (!retrieval && !push)
        problem(r, 404, "Not Found", &(zn_fault){.cause = "RESOURCE_URI_STRUCTURE_NOT_FOUND"});
    else if (strcmp(http_method(r), "POST") != 0)
        problem(r, 405, "Method Not Allowed", &(zn_fault){0});
    else if (push)
        problem(r, 501, "Not Implemented", &(zn_fault){.reason = "GBA Push is not offered"});
    else if (!http_header(r, "Content-Length") && !http_header(r, "Transfer-Encoding"))
        problem(r, 411, "Length Required", &(zn_fault){0});
    else if (http_body(r).n > ZN_HTTP_BODY_MAX)
        problem(r, 413, "Content Too Large", &(zn_fault){0});
    else if (http_header_n(r, "Content-Type") != 1 || !is_json(http_header(r, "Content-Type")))
        problem(r, 415, "Unsupported Media Type", &(zn_fault){.reason = "application/json is expected"});
    else
        return true;
    return false;
}

/* The peer's names by its verified certificate; none: false, answered. */
static bool authenticate(http_req *r, const char *source, gba_fqdn names[ZN_NAMES_MAX], size_t *n)
{
    void *session = http_tls_session(r);
    *n = 0;
    if (session && tls_peer_dns(session, names, ZN_NAMES_MAX, n) == GBA_OK && *n > 0)
        return true;
    zn_refused(NULL, source, "unauthenticated");
    problem(r, 403, "Forbidden",
            &(zn_fault){.cause = "NAF_NOT_AUTHENTICATED", .reason = "no verified certificate with a dNSName"});
    return false;
}

/* ---- the answer ---- */
typedef struct printed {
    char small[ZN_JSON_ANSWER_MAX];
    char *body; /* small, or of its own */
    size_t n;
} printed;

static gba_err print(void *ctx, const zn_answer *a)
{
    printed *p = ctx;

    p->body = a->n_uss ? malloc(ZN_JSON_SETTINGS_MAX) : p->small;
    p->n = a->n_uss ? ZN_JSON_SETTINGS_MAX : sizeof p->small;
    return p->body ? zn_json_print(a, p->body, &p->n) : GBA_E_NOMEM;
}

static void printed_wipe(printed *p)
{
    if (p->body && p->body != p->small) {
        gba_wipe(p->body, p->n);
        free(p->body);
    }
    gba_wipe(p->small, sizeof p->small);
}

void zn_http_handle(http_req *r, void *ctx)
{
    static const http_field released[] = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
    zn *z = ctx;
    zn_query q = {0};
    zn_answer a;
    zn_fault fault;
    gba_fqdn names[ZN_NAMES_MAX];
    char source[64];

    http_source_text(http_peer(r), source);
    if (!authenticate(r, source, names, &q.n_names) || !acceptable(r))
        return;
    q.names = names;
    q.source = source;
    gba_err e = zn_json_parse(http_body(r), &q, &fault);
    if (e == GBA_E_NOMEM) {
        problem_of(r, e);
        return;
    }
    if (e != GBA_OK) {
        zn_refused(names[0].s, source, "malformed");
        problem(r, 400, "Bad Request", &fault);
        return;
    }
    printed p = {.body = NULL};
    e = zn_release(z, &q, service_now(), &a, print, &p);
    zn_answer_wipe(&a);
    if (e == GBA_OK)
        http_reply(r, 200, released, 2, gba_mem(p.body, p.n));
    else
        problem_of(r, e);
    printed_wipe(&p);
}
