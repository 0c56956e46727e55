/* SPDX-License-Identifier: Apache-2.0 */
/* gate_swap.c - a registrant's addresses in a request become ours, and ours become its own again in what is read. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "onem2m-binding/gate_poa.h"
#include "onem2m-binding/told.h"

/* ---- a document with some of its octets changed ---- */
typedef struct text {
    char *p;
    size_t n, room;
    bool failed;
} text;

static void add(text *t, const void *p, size_t n)
{
    if (t->failed || !n)
        return;
    if (t->room - t->n < n) {
        size_t room = t->room ? 2 * t->room : 4096;
        while (room - t->n < n)
            room *= 2;
        char *more = realloc(t->p, room);
        if (!more) {
            t->failed = true;
            return;
        }
        t->p = more;
        t->room = room;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

/* Up to `raw`, then what takes its place. */
static void replace(text *t, gba_span body, size_t *done, gba_span raw, const char *with, const char *rest)
{
    size_t at = (size_t)(raw.p - body.p);
    add(t, body.p + *done, at - *done);
    add(t, with, strlen(with));
    add(t, rest, strlen(rest));
    *done = at + raw.n;
}

static bool finish(text *t, gba_span body, size_t done)
{
    if (t->n)
        add(t, body.p + done, body.n - done);
    if (t->failed || !t->n) {
        free(t->p);
        return false;
    }
    return true;
}

bool gate_is_json(const char *type, const char *encoding, gba_span body)
{
    size_t n = type ? strcspn(type, "; \t") : 0;

    if (!body.n || (encoding && *encoding && strcasecmp(encoding, "identity") != 0))
        return false;
    if (!type) {
        size_t blank = 0;
        while (blank < body.n && memchr(" \t\r\n", body.p[blank], 4))
            blank++;
        return blank < body.n && body.p[blank] == '{';
    }
    return (n >= 5 && !strncasecmp(type + n - 5, "/json", 5)) || (n >= 5 && !strncasecmp(type + n - 5, "+json", 5));
}

/* ---- into requests ---- */
typedef struct giving {
    gate *g;
    const gba_m2m_id *id;
    gate_given *out;
    gba_span body, raw[GATE_GIVEN_MAX];
    const char *why;
} giving;

/* Is it at our egress already? Below /_p/ that is so of its own alone. */
static bool is_ours(giving *v, const char *url, bool *foreign)
{
    size_t n = strlen(v->g->egress_url);
    char token[GATE_TOKEN + 1], was[GATE_URL_MAX + 1];
    gba_m2m_id whose;

    if (strncasecmp(url, v->g->egress_url, n) != 0 || (url[n] && url[n] != '/'))
        return false;
    if (!strncmp(url + n, "/_p/", 4))
        *foreign = !gate_poa_token(url, token) || !v->id ||
                   gate_poas_find(v->g->poas, token, false, &whose, was) != GBA_OK || !gba_m2m_id_eq(&whose, v->id);
    return true;
}

static bool give_visit(void *ctx, gba_span raw)
{
    giving *v = ctx;
    gate_address *a = &v->out->a[v->out->n];
    char url[GATE_URL_MAX + 1], host[GATE_HOST_MAX];
    const char *path, *from;
    uint16_t port;
    bool tls, foreign = false;
    gba_err e = gate_json_text(raw, url, sizeof url);

    from = url + strspn(url, " \t\r\n");
    if (strncasecmp(from, "http://", 7) != 0 && strncasecmp(from, "https://", 8) != 0)
        return true; /* a resource, or another protocol */
    if (e != GBA_OK || !gate_poa_ok(url) || strchr(url, '#') || gate_url(url, &tls, host, &port, &path) != GBA_OK)
        v->why = e == GBA_E_SPACE ? "address_too_long" : "address_malformed";
    else if (is_ours(v, url, &foreign))
        v->why = foreign ? "address_of_another" : NULL;
    else if (v->out->n == GATE_GIVEN_MAX)
        v->why = "too_many_addresses";
    else {
        memset(a, 0, sizeof *a);
        memcpy(a->url, url, strlen(url) + 1);
        v->raw[v->out->n++] = raw;
    }
    return v->why == NULL;
}

/* Twice the same in one request is one address. */
static gba_err tokens(giving *v, const char *credential)
{
    gate_given *out = v->out;

    if (v->id)
        return gate_poas_give(v->g->poas, v->g->book, v->id, credential, out->a, out->n);
    for (size_t i = 0; i < out->n; i++)
        gate_poas_token(out->a[i].token);
    return GBA_OK;
}

const char *gate_give(gate *g, const gba_m2m_id *id, const char *credential, gba_span body, gate_given *out)
{
    json_error_t at;
    giving v = {.g = g, .id = id, .out = out, .body = body};
    text t = {0};
    size_t done = 0;
    const size_t how = JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL; /* all that is JSON */
    json_t *root = json_loadb((const char *)body.p, body.n, how, &at);

    out->n = 0;
    out->body = NULL;
    if (!root) /* a CSE that takes it all the same (comments, say) could see addresses where we see none */
        return "json_malformed";
    out->registers = json_object_get(json_object_get(root, "m2m:ae"), "poa") ||
                     json_object_get(json_object_get(root, "m2m:csr"), "poa");
    json_decref(root);
    gate_json_addresses(body, give_visit, &v);
    if (v.why || !out->n)
        return v.why;
    gba_err e = tokens(&v, credential);
    if (e != GBA_OK)
        return e == GBA_E_RANGE ? "too_many_addresses" : "store";
    for (size_t i = 0; i < out->n; i++) {
        replace(&t, body, &done, v.raw[i], g->egress_url, "/_p/");
        add(&t, out->a[i].token, GATE_TOKEN);
    }
    if (!finish(&t, body, done))
        return "store";
    out->body = t.p;
    out->n_body = t.n;
    return NULL;
}

void gate_given_free(gate_given *g)
{
    if (g)
        free(g->body);
    free(g);
}

/* ---- out of what is read ---- */
typedef struct returning {
    gate *g;
    const gate_given *given;
    gba_span body;
    text t;
    size_t done;
} returning;

static bool theirs(const returning *v, const char *token, char url[GATE_URL_MAX + 1])
{
    for (size_t i = 0; v->given && i < v->given->n; i++)
        if (!strcmp(v->given->a[i].token, token)) {
            memcpy(url, v->given->a[i].url, GATE_URL_MAX + 1);
            return true;
        }
    return gate_poas_find(v->g->poas, token, false, NULL, url) == GBA_OK;
}

static bool back_visit(void *ctx, gba_span raw)
{
    returning *v = ctx;
    char at[GATE_URL_MAX + GATE_HOST_MAX], token[GATE_TOKEN + 1], url[GATE_URL_MAX + 1];
    const char *rest;

    if (raw.n < GATE_TOKEN || gate_json_text(raw, at, sizeof at) != GBA_OK || strncasecmp(at, "http://", 7) != 0 ||
        !(rest = gate_poa_token(at, token)) || !theirs(v, token, url))
        return true;
    if (!*rest || gate_poa_ok(rest))
        replace(&v->t, v->body, &v->done, raw, url, rest);
    return true;
}

static bool has(gba_span body, const char *what)
{
    const size_t n = strlen(what);
    const uint8_t *at = body.p, *end = body.p + body.n;
    while ((size_t)(end - at) >= n && (at = memchr(at, what[0], (size_t)(end - at) - n + 1)) != NULL) {
        if (!memcmp(at, what, n))
            return true;
        at++;
    }
    return false;
}

bool gate_give_back(gate *g, const gate_given *given, gba_span body, char **out, size_t *n)
{
    returning v = {.g = g, .given = given, .body = body};

    if (!g->poas || (!has(body, "_p") && !has(body, "\\u00"))) /* most documents */
        return false;
    gate_json_strings(body, back_visit, &v);
    if (!finish(&v.t, body, v.done))
        return false;
    *out = v.t.p;
    *n = v.t.n;
    return true;
}
