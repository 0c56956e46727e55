/* SPDX-License-Identifier: Apache-2.0 */
/*
 * carrier_gnutls.c - a UE's requests over sockets and GnuTLS (link.c): certificates, TLS-PSK, and
 * devices without libcurl. One connection is kept, for the challenge and its answer go over one.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ue/file.h"
#include "ue/http_answer.h"
#include "ue/link.h"

#define BODY_MAX ((size_t)64 << 20)
#define READ_SIZE 4096

typedef struct gnutls_carrier {
    gba_ue_carrier_config c; /* its texts are ours */
    char **resolve;
    ue_link *link;
    char origin[300], identity[GBA_ID_MAX + 1]; /* where the link leads, under which B-TID */
    gba_ue_tls tls;
    ue_http in;
    char text[GBA_UE_TEXT];
} gnutls_carrier;

/* ---- the request ---- */

typedef struct text_out {
    char *p;
    size_t n, room;
    bool bad;
} text_out;
static void put(text_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(text_out *o, const char *fmt, ...)
{
    va_list ap;
    if (o->bad)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(o->p + o->n, o->room - o->n, fmt, ap);
    va_end(ap);
    o->bad = n < 0 || (size_t)n >= o->room - o->n;
    if (!o->bad)
        o->n += (size_t)n;
}

/* No octet that would end a line, and no NUL that would cut it. */
static bool is_line(gba_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

static gba_err print_request(const gba_ue_request *r, const ue_url *url, char **out, size_t *n)
{
    size_t room = sizeof url->target + sizeof url->host + 256;
    bool accepts = false;
    for (size_t i = 0; i < r->n_fields; i++) {
        const gba_ue_field *f = &r->fields[i];
        if (f->name.n == 0 || f->name.n > UE_HEADER_MAX || f->value.n > UE_HEADER_MAX || !is_line(f->name) ||
            !is_line(f->value))
            return GBA_E_ARG;
        room += f->name.n + f->value.n + 4;
        accepts |= gba_span_ieq(f->name, gba_str("Accept"));
    }
    text_out o = {.p = malloc(room), .room = room};
    if (!o.p)
        return GBA_E_NOMEM;
    bool own_port = url->port != (url->tls ? 443u : 80u);
    put(&o, "%s %s HTTP/1.1\r\nHost: %s%s%s", r->method, url->target, url->ipv6 ? "[" : "", url->host,
        url->ipv6 ? "]" : "");
    if (own_port)
        put(&o, ":%u", url->port);
    put(&o, "\r\n%s", accepts ? "" : "Accept: */*\r\n");
    for (size_t i = 0; i < r->n_fields; i++)
        put(&o, "%.*s: %.*s\r\n", (int)r->fields[i].name.n, (const char *)r->fields[i].name.p,
            (int)r->fields[i].value.n, r->fields[i].value.n ? (const char *)r->fields[i].value.p : "");
    if (r->body.p)
        put(&o, "Content-Length: %zu\r\n", r->body.n);
    put(&o, "\r\n");
    *out = o.p;
    *n = o.n;
    return o.bad ? GBA_E_RANGE : GBA_OK;
}

/* ---- the connection ---- */

static bool serves(const gnutls_carrier *c, const gba_ue_request *r, const ue_url *url)
{
    const char *identity = r->psk ? r->psk->btid.s : "";
    return c->link && strcmp(c->origin, url->origin) == 0 && strcmp(c->identity, identity) == 0 &&
           (!r->psk || (r->psk->tls == c->tls && !r->psk->priority));
}

static gba_err reach(gnutls_carrier *c, const gba_ue_request *r, const ue_url *url, int64_t deadline)
{
    const ue_link_config l = {.host = url->host, .port = url->port, .tls = url->tls, .psk = r->psk, .net = &c->c};
    ue_link_close(&c->link);
    gba_err e = ue_link_open(&l, deadline, &c->link, c->text);
    if (e)
        return e;
    memcpy(c->origin, url->origin, sizeof c->origin);
    snprintf(c->identity, sizeof c->identity, "%s", r->psk ? r->psk->btid.s : "");
    c->tls = r->psk ? r->psk->tls : GBA_UE_TLS_ANY;
    return GBA_OK;
}

static gba_err send_all(gnutls_carrier *c, const void *p, size_t n, int64_t deadline)
{
    size_t sent = 0;
    while (sent < n) {
        size_t k = n - sent;
        gba_err e = ue_link_write(c->link, (const uint8_t *)p + sent, &k, deadline, c->text);
        if (e)
            return e;
        sent += k;
    }
    return GBA_OK;
}

/* *heard: an octet of the answer came. */
static gba_err hear(gnutls_carrier *c, int64_t deadline, bool *heard)
{
    uint8_t room[READ_SIZE];
    gba_err e = GBA_OK;
    while (!e && c->in.state != UE_HTTP_DONE) {
        size_t n = sizeof room, used;
        if (ue_clock() > deadline)
            return ue_say(c->text, GBA_E_IO, "the answer does not end in time");
        if ((e = ue_link_read(c->link, room, &n, deadline, c->text)))
            return e == GBA_E_BUSY ? GBA_E_IO : e;
        *heard |= n > 0;
        e = n ? ue_http_feed(&c->in, room, n, &used) : ue_http_end(&c->in);
        if (e)
            return ue_say(c->text, e, "%s", c->in.why ? c->in.why : gba_err_text(e));
        if (n > 0 && used < n)
            c->in.keep_alive = false; /* octets that nobody asked for */
    }
    return e;
}

static gba_err converse(gnutls_carrier *c, const gba_ue_request *r, gba_span head, int64_t deadline, bool *heard)
{
    char said[GBA_UE_TEXT];
    ue_http_begin(&c->in, strcmp(r->method, "HEAD") == 0, c->c.max_body);
    *heard = false;
    gba_err e = send_all(c, head.p, head.n, deadline);
    if (!e && r->body.n)
        e = send_all(c, r->body.p, r->body.n, deadline);
    if (!e)
        return hear(c, deadline, heard);
    /* a server may refuse a body before it has read it all: its answer counts */
    memcpy(said, c->text, sizeof said);
    if (hear(c, deadline, heard) == GBA_OK) {
        c->in.keep_alive = false;
        return GBA_OK;
    }
    memcpy(c->text, said, sizeof said);
    return GBA_E_IO;
}

/* A kept connection that the server has closed meanwhile is opened anew, once. */
static gba_err perform(gnutls_carrier *c, const gba_ue_request *r, const ue_url *url, gba_span head)
{
    int64_t ms = (int64_t)c->c.timeout_s * 1000;
    int64_t deadline = ue_clock() + (r->timeout_ms && r->timeout_ms < ms ? (int64_t)r->timeout_ms : ms);
    bool kept = serves(c, r, url), heard;
    for (;;) {
        gba_err e = kept ? GBA_OK : reach(c, r, url, deadline);
        if (e)
            return e;
        e = converse(c, r, head, deadline, &heard);
        if (!e || !kept || heard)
            return e;
        kept = false;
    }
}

static gba_err exchange(void *carrier, const gba_ue_request *r, gba_ue_answer *a)
{
    gnutls_carrier *c = carrier;
    char *head = NULL, why[GBA_UE_TEXT];
    size_t n = 0;
    c->text[0] = '\0';
    ue_url *url = malloc(sizeof *url);
    if (!url)
        return GBA_E_NOMEM;
    gba_err e = ue_url_parse(r->url, url);
    if (e)
        ue_say(c->text, e, "not an http or https URL that can be fetched");
    else if (r->psk && !url->tls)
        e = ue_say(c->text, GBA_E_ARG, "PSK goes with https URLs alone");
    if (!e)
        e = print_request(r, url, &head, &n);
    if (!e)
        e = perform(c, r, url, gba_mem(head, n));
    if (!e) {
        *a = (gba_ue_answer){.status = c->in.status, .fields = c->in.fields, .n_fields = c->in.n_fields,
                             .body = gba_mem(c->in.body, c->in.body_n)};
        ue_link_facts(c->link, &a->transport, &a->suite);
    }
    if (e || !c->in.keep_alive)
        ue_link_close(&c->link);
    if (e) {
        memcpy(why, c->text, sizeof why);
        ue_say(c->text, e, "%.200s: %.280s", r->url, why[0] ? why : gba_err_text(e));
    }
    if (head)
        gba_wipe(head, n); /* Authorization and cookies */
    free(head);
    free(url);
    return e;
}

/* ---- making it ---- */

static const char *carrier_text(void *carrier)
{
    return ((gnutls_carrier *)carrier)->text;
}

static void carrier_close(void *carrier)
{
    gnutls_carrier *c = carrier;
    ue_link_close(&c->link);
    ue_http_free(&c->in);
    for (size_t i = 0; c->resolve && c->resolve[i]; i++)
        free(c->resolve[i]);
    free(c->resolve);
    free((char *)(uintptr_t)c->c.ca_file);
    free((char *)(uintptr_t)c->c.connect);
    free(c);
}

static const gba_ue_carrier_ops gnutls_ops = {"gnutls", exchange, carrier_text, carrier_close};

static bool keep_text(const char *from, const char **to)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool keep_config(gnutls_carrier *c, const gba_ue_carrier_config *cfg)
{
    size_t n = 0;
    c->c.timeout_s = cfg->timeout_s ? cfg->timeout_s : UE_EXCHANGE_S;
    c->c.max_body = cfg->max_body ? cfg->max_body : BODY_MAX;
    if (!keep_text(cfg->ca_file, &c->c.ca_file) || !keep_text(cfg->connect, &c->c.connect))
        return false;
    while (cfg->resolve && cfg->resolve[n])
        n++;
    if (!(c->resolve = calloc(n + 1, sizeof *c->resolve)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(c->resolve[i] = strdup(cfg->resolve[i])))
            return false;
    c->c.resolve = (const char *const *)c->resolve;
    return true;
}

gba_err gba_ue_carrier_gnutls(const gba_ue_carrier_config *cfg, gba_ue_carrier *out)
{
    ue_place at;
    *out = (gba_ue_carrier){0};
    if (cfg->connect && !ue_place_parse(cfg->connect, &at))
        return GBA_E_ARG;
    gnutls_carrier *c = calloc(1, sizeof *c);
    if (!c)
        return GBA_E_NOMEM;
    if (!keep_config(c, cfg)) {
        carrier_close(c);
        return GBA_E_NOMEM;
    }
    *out = (gba_ue_carrier){&gnutls_ops, c};
    return GBA_OK;
}
