/* SPDX-License-Identifier: Apache-2.0 */
/* http_answer.c - see http_answer.h. */
#include <stdlib.h>
#include <string.h>

#include "ue/http_answer.h"

static gba_err bad(ue_http *h, gba_err e, const char *why)
{
    h->state = UE_HTTP_BAD;
    h->why = why;
    return e;
}

void ue_http_begin(ue_http *h, bool head_request, size_t max_body)
{
    h->no_body = head_request;
    h->max_body = max_body;
    h->status = 0;
    h->n_fields = h->body_n = h->head_n = h->line_n = h->between = 0;
    h->keep_alive = false;
    h->state = UE_HTTP_HEAD;
    h->interim = 0;
    h->left = 0;
    h->why = NULL;
}

void ue_http_free(ue_http *h)
{
    free(h->head);
    free(h->body);
    memset(h, 0, sizeof *h);
}

/* Makes room for n more octets; false: out of memory. */
static bool grow(void **p, size_t *room, size_t have, size_t n, size_t first)
{
    size_t want = *room ? *room : first;
    while (want - have < n)
        want *= 2;
    if (want == *room)
        return true;
    void *grown = realloc(*p, want);
    if (!grown)
        return false;
    *p = grown;
    *room = want;
    return true;
}

/* ---- header fields ---- */

static bool is_token(gba_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return s.n > 0;
}

static gba_span trim(gba_span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool is_value(gba_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

/* The next line without its end; false: none is whole. */
static bool next_line(gba_span *rest, gba_span *line)
{
    const uint8_t *lf = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    if (!lf)
        return false;
    size_t n = (size_t)(lf - rest->p);
    *line = gba_mem(rest->p, n > 0 && lf[-1] == '\r' ? n - 1 : n);
    *rest = gba_mem(lf + 1, rest->n - n - 1);
    return true;
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.x SP status SP reason (RFC 9112 4) */
static gba_err status_line(ue_http *h, gba_span s)
{
    if (s.n < 12 || memcmp(s.p, "HTTP/1.", 7) != 0 || !digit(s.p[7]) || s.p[8] != ' ' || !digit(s.p[9]) ||
        !digit(s.p[10]) || !digit(s.p[11]) || (s.n > 12 && s.p[12] != ' ') || !is_value(s))
        return bad(h, GBA_E_SYNTAX, "this is no HTTP/1.1 answer");
    h->status = (s.p[9] - '0') * 100 + (s.p[10] - '0') * 10 + (s.p[11] - '0');
    h->keep_alive = s.p[7] != '0';
    return h->status >= 100 && h->status < 600 && h->status != 101
               ? GBA_OK
               : bad(h, GBA_E_SYNTAX, "its status is none that was asked for");
}

static gba_err field_line(ue_http *h, gba_span s)
{
    const uint8_t *colon = memchr(s.p, ':', s.n);
    size_t name_n = colon ? (size_t)(colon - s.p) : 0;
    gba_span name = gba_mem(s.p, name_n);
    if (!colon || !is_token(name)) /* folded lines too: RFC 9112 5.2 */
        return bad(h, GBA_E_SYNTAX, "a header field is malformed");
    gba_span value = trim(gba_mem(colon + 1, s.n - name_n - 1));
    if (!is_value(value))
        return bad(h, GBA_E_SYNTAX, "a header field holds control octets");
    if (h->n_fields == UE_FIELDS_MAX)
        return bad(h, GBA_E_RANGE, "it has too many header fields");
    h->fields[h->n_fields++] = (gba_ue_field){name, value};
    return GBA_OK;
}

static gba_err take_length(ue_http *h, gba_span v, bool *given)
{
    uint64_t n = 0;
    if (v.n == 0 || v.n > 18)
        return bad(h, GBA_E_SYNTAX, "its Content-Length is no number");
    for (size_t i = 0; i < v.n; i++) {
        if (!digit(v.p[i]))
            return bad(h, GBA_E_SYNTAX, "its Content-Length is no number");
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    if (*given && n != h->left)
        return bad(h, GBA_E_SYNTAX, "it has two lengths");
    *given = true;
    h->left = n;
    return GBA_OK;
}

/* How the body ends (RFC 9112 6.3); two ways at once are refused. */
static gba_err framing(ue_http *h)
{
    bool counted = false, chunked = false;
    gba_err e = GBA_OK;
    for (size_t i = 0; i < h->n_fields && !e; i++) {
        const gba_ue_field *f = &h->fields[i];
        if (gba_span_ieq(f->name, gba_str("Content-Length"))) {
            e = take_length(h, f->value, &counted);
        } else if (gba_span_ieq(f->name, gba_str("Transfer-Encoding"))) {
            if (chunked || !gba_span_ieq(f->value, gba_str("chunked")))
                e = bad(h, GBA_E_SYNTAX, "its Transfer-Encoding is not chunked alone");
            chunked = true;
        } else if (gba_span_ieq(f->name, gba_str("Connection")) && !gba_span_ieq(f->value, gba_str("keep-alive"))) {
            h->keep_alive = false;
        }
    }
    if (e)
        return e;
    if (chunked && counted)
        return bad(h, GBA_E_SYNTAX, "it has two lengths");
    if (h->no_body || h->status == 204 || h->status == 304)
        h->state = UE_HTTP_DONE;
    else if (chunked)
        h->state = UE_HTTP_SIZE;
    else if (counted)
        h->state = h->left ? UE_HTTP_COUNTED : UE_HTTP_DONE;
    else
        h->state = UE_HTTP_CLOSE;
    if (h->state == UE_HTTP_CLOSE)
        h->keep_alive = false;
    if (h->state == UE_HTTP_COUNTED && h->left > h->max_body)
        return bad(h, GBA_E_RANGE, "its body is larger than allowed");
    return GBA_OK;
}

static gba_err take_header(ue_http *h)
{
    gba_span rest = gba_mem(h->head, h->head_n), line;
    gba_err e = next_line(&rest, &line) ? status_line(h, line) : bad(h, GBA_E_SYNTAX, "this is no HTTP/1.1 answer");
    h->n_fields = 0;
    while (!e && next_line(&rest, &line) && line.n > 0)
        e = field_line(h, line);
    if (e || h->status >= 200)
        return e ? e : framing(h);
    h->head_n = h->n_fields = 0; /* an interim answer's fields do not count */
    return ++h->interim > UE_INTERIM_MAX ? bad(h, GBA_E_RANGE, "interim answers never end") : GBA_OK;
}

/* One octet of the header block, whose end is an empty line. */
static gba_err on_head(ue_http *h, char c)
{
    if (h->head_n == UE_HEADER_MAX)
        return bad(h, GBA_E_RANGE, "its header is larger than allowed");
    if (!grow((void **)&h->head, &h->head_room, h->head_n, 1, 1024))
        return bad(h, GBA_E_NOMEM, "out of memory");
    h->head[h->head_n++] = c;
    const char *end = h->head + h->head_n;
    bool empty = c == '\n' && ((h->head_n >= 2 && end[-2] == '\n') ||
                               (h->head_n >= 3 && end[-2] == '\r' && end[-3] == '\n'));
    return empty ? take_header(h) : GBA_OK;
}

/* ---- chunks (RFC 9112 7.1) ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static gba_err take_size(ue_http *h)
{
    size_t i = 0;
    uint64_t n = 0;
    for (; i < h->line_n && hex(h->line[i]) >= 0; i++) {
        if (i == 15)
            return bad(h, GBA_E_RANGE, "a chunk is larger than allowed");
        n = n * 16 + (uint64_t)hex(h->line[i]);
    }
    if (i == 0 || (i < h->line_n && !strchr("; \t", h->line[i])) || !is_value(gba_mem(h->line, h->line_n)))
        return bad(h, GBA_E_SYNTAX, "a chunk's size is malformed");
    if (n > h->max_body - h->body_n)
        return bad(h, GBA_E_RANGE, "its body is larger than allowed");
    h->left = n;
    h->state = n ? UE_HTTP_CHUNK : UE_HTTP_TRAILER;
    return GBA_OK;
}

/* One octet of a line between chunks or behind the last. */
static gba_err on_line(ue_http *h, char c)
{
    if (c != '\n') {
        if (h->line_n == sizeof h->line || (h->state == UE_HTTP_TRAILER && ++h->between > UE_HEADER_MAX))
            return bad(h, GBA_E_RANGE, "a line among its chunks is larger than allowed");
        h->line[h->line_n++] = c;
        return GBA_OK;
    }
    if (h->line_n > 0 && h->line[h->line_n - 1] == '\r')
        h->line_n--;
    gba_err e = GBA_OK;
    if (h->state == UE_HTTP_SIZE)
        e = take_size(h);
    else if (h->state == UE_HTTP_CHUNK_END && h->line_n)
        e = bad(h, GBA_E_SYNTAX, "a chunk is longer than its size");
    else if (h->state == UE_HTTP_CHUNK_END)
        h->state = UE_HTTP_SIZE;
    else if (h->line_n == 0)
        h->state = UE_HTTP_DONE; /* trailer fields are read and dropped */
    h->line_n = 0;
    return e;
}

/* ---- the body ---- */

static gba_err on_body(ue_http *h, const uint8_t *p, size_t n)
{
    if (n > h->max_body - h->body_n)
        return bad(h, GBA_E_RANGE, "its body is larger than allowed");
    if (!grow((void **)&h->body, &h->body_room, h->body_n, n, 4096))
        return bad(h, GBA_E_NOMEM, "out of memory");
    memcpy(h->body + h->body_n, p, n);
    h->body_n += n;
    if (h->state == UE_HTTP_CLOSE)
        return GBA_OK;
    h->left -= n;
    if (h->left == 0)
        h->state = h->state == UE_HTTP_CHUNK ? UE_HTTP_CHUNK_END : UE_HTTP_DONE;
    return GBA_OK;
}

gba_err ue_http_feed(ue_http *h, const void *octets, size_t n, size_t *used)
{
    const uint8_t *p = octets;
    gba_err e = h->state == UE_HTTP_BAD ? GBA_E_ARG : GBA_OK;
    size_t at = 0;
    while (!e && at < n && h->state != UE_HTTP_DONE) {
        size_t step = 1;
        if (h->state == UE_HTTP_HEAD) {
            e = on_head(h, (char)p[at]);
        } else if (h->state == UE_HTTP_COUNTED || h->state == UE_HTTP_CHUNK || h->state == UE_HTTP_CLOSE) {
            step = h->state == UE_HTTP_CLOSE || n - at < h->left ? n - at : (size_t)h->left;
            e = on_body(h, p + at, step);
        } else {
            e = on_line(h, (char)p[at]);
        }
        at += step;
    }
    *used = at;
    return e;
}

gba_err ue_http_end(ue_http *h)
{
    if (h->state == UE_HTTP_CLOSE)
        h->state = UE_HTTP_DONE;
    return h->state == UE_HTTP_DONE ? GBA_OK : bad(h, GBA_E_IO, "the connection ended before the answer did");
}
