/* SPDX-License-Identifier: Apache-2.0 */
/* binding.c - the HTTP binding of TS-0009: header fields to an operation, an address to a target. */
#include <gba/onem2m.h>
#include <stdio.h>
#include <string.h>

static bool is(gba_span s, const char *text)
{
    return gba_span_eq(s, gba_str(text));
}

static int hexval(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* ---- the address ---- */
/* A character that every server reads alike inside a segment: RFC 3986 pchar, less what a path
 * normaliser or a rewriting proxy gives a meaning of its own (';'). */
static bool segment_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("-._~!$&'()*+,=:@", c));
}

static bool unescape(gba_span path, char *out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < path.n; i++) {
        uint8_t c = path.p[i];
        if (n + 1 >= room)
            return false;
        if (c == '%') {
            if (path.n - i < 3 || hexval(path.p[i + 1]) < 0 || hexval(path.p[i + 2]) < 0)
                return false;
            c = (uint8_t)(hexval(path.p[i + 1]) << 4 | hexval(path.p[i + 2]));
            i += 2;
            if (!segment_char(c)) /* an escaped '/' among them */
                return false;
        } else if (c != '/' && !segment_char(c)) {
            return false;
        }
        out[n++] = (char)c;
    }
    out[n] = 0;
    return n > 0;
}

static bool segments_ok(const char *p)
{
    while (*p == '/') {
        size_t n = strcspn(p + 1, "/");
        if (n == 0 || (n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
            return false;
        p += 1 + n;
    }
    return *p == 0;
}

static bool starts(gba_span s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && gba_span_ieq(gba_mem(s.p, n), gba_str(prefix));
}

/* The path of an origin-form or absolute-form target; *query what stands behind '?'. */
static bool split_target(gba_span t, gba_span *path, gba_span *query)
{
    size_t skip = starts(t, "https://") ? 8 : starts(t, "http://") ? 7 : 0, end;

    if (!t.n)
        return false;
    if (skip)
        while (skip < t.n && t.p[skip] != '/')
            skip++;
    for (end = skip; end < t.n && t.p[end] != '?'; end++)
        if (t.p[end] == '#')
            return false;
    *path = gba_mem(t.p + skip, end - skip);
    *query = end < t.n ? gba_mem(t.p + end + 1, t.n - end - 1) : (gba_span){0};
    for (size_t i = 0; i < query->n; i++)
        if (query->p[i] <= 0x20 || query->p[i] >= 0x7f || query->p[i] == '#')
            return false;
    return path->n > 0 && path->p[0] == '/';
}

static bool read_to(gba_span target, gba_m2m_request *out)
{
    char path[GBA_M2M_TO_MAX + 1];
    gba_span raw;
    size_t n;

    if (!split_target(target, &raw, &out->query) || !unescape(raw, path, sizeof path))
        return false;
    n = strlen(path);
    if (n > 1 && path[n - 1] == '/') /* "/cse-in/" is "/cse-in" to every CSE */
        path[--n] = 0;
    if (!segments_ok(path))
        return false;
    if (!strncmp(path, "/~/", 3))
        snprintf(out->to, sizeof out->to, "%s", path + 2);
    else if (!strncmp(path, "/_/", 3))
        snprintf(out->to, sizeof out->to, "/%s", path + 2);
    else if (!strcmp(path, "/~") || !strcmp(path, "/_"))
        return false;
    else
        snprintf(out->to, sizeof out->to, "%s", path + 1);
    return true;
}

gba_err gba_m2m_http_target(gba_span to, char *out, size_t *n)
{
    char text[GBA_M2M_TO_MAX + 1], path[GBA_M2M_TO_MAX + 4];
    gba_m2m_request back;

    if (to.n == 0 || to.n > GBA_M2M_TO_MAX || memchr(to.p, 0, to.n))
        return GBA_E_SYNTAX;
    memcpy(text, to.p, to.n);
    text[to.n] = 0;
    snprintf(path, sizeof path, "%s%s", !strncmp(text, "//", 2) ? "/_" : text[0] == '/' ? "/~" : "/",
             !strncmp(text, "//", 2) ? text + 1 : text);
    if (!read_to(gba_str(path), &back) || strchr(path, '%') || strchr(path, '?'))
        return GBA_E_SYNTAX;
    if (strlen(path) >= *n)
        return GBA_E_SPACE;
    *n = strlen(path);
    memcpy(out, path, *n + 1);
    return GBA_OK;
}

/* ---- Content-Type ---- */
static gba_span trim(gba_span s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Not -preq+: such a body is a whole request with an operation, a target and an originator of its own, and whoever
 * unwraps it acts on what nobody has judged. */
static gba_m2m_media media_of(gba_span type)
{
    static const struct {
        const char *name;
        gba_m2m_media media;
    } media[] = {
        {"application/json", GBA_M2M_MEDIA_JSON},
        {"application/xml", GBA_M2M_MEDIA_XML},
        {"application/cbor", GBA_M2M_MEDIA_CBOR},
        {"application/vnd.onem2m-res+json", GBA_M2M_MEDIA_JSON},
        {"application/vnd.onem2m-res+xml", GBA_M2M_MEDIA_XML},
        {"application/vnd.onem2m-res+cbor", GBA_M2M_MEDIA_CBOR},
        {"application/vnd.onem2m-ntfy+json", GBA_M2M_MEDIA_JSON},
        {"application/vnd.onem2m-ntfy+xml", GBA_M2M_MEDIA_XML},
        {"application/vnd.onem2m-ntfy+cbor", GBA_M2M_MEDIA_CBOR},
        {"application/vnd.onem2m-prsp+json", GBA_M2M_MEDIA_JSON},
        {"application/vnd.onem2m-prsp+xml", GBA_M2M_MEDIA_XML},
        {"application/vnd.onem2m-prsp+cbor", GBA_M2M_MEDIA_CBOR},
    };
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (gba_span_ieq(type, gba_str(media[i].name)))
            return media[i].media;
    return GBA_M2M_MEDIA_NONE;
}

/* What is told, and the answer to what came by a polling channel (TS-0004, pollingChannelURI): with another operation
 * it could be read in two ways. */
static bool is_told(gba_span type)
{
    return starts(type, "application/vnd.onem2m-ntfy+") || starts(type, "application/vnd.onem2m-prsp+");
}

static bool read_ty(gba_span v, unsigned *ty)
{
    unsigned n = 0;

    if (v.n == 0 || v.n > 5)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return false;
        n = n * 10 + (unsigned)(v.p[i] - '0');
    }
    *ty = n;
    return n > 0 && n <= 65535;
}

/* 0 or the RSC. A second ty, or one in quotes, could be read in two ways. */
static unsigned read_content_type(gba_span s, gba_m2m_request *out, bool *has_ty, bool *told)
{
    bool first = true;

    *has_ty = false;
    while (s.n) {
        size_t n = 0;
        while (n < s.n && s.p[n] != ';')
            n++;
        gba_span part = trim(gba_mem(s.p, n));
        s = n < s.n ? gba_mem(s.p + n + 1, s.n - n - 1) : (gba_span){0};
        if (first) {
            out->media = media_of(part);
            if (out->media == GBA_M2M_MEDIA_NONE)
                return GBA_M2M_UNSUPPORTED_MEDIA_TYPE;
            *told = is_told(part);
        } else if (starts(part, "ty") && part.n > 2 && (part.p[2] == '=' || part.p[2] == ' ' || part.p[2] == '\t')) {
            if (*has_ty || part.p[2] != '=' || !read_ty(gba_mem(part.p + 3, part.n - 3), &out->ty))
                return GBA_M2M_BAD_REQUEST;
            *has_ty = true;
        }
        first = false;
    }
    return 0;
}

/* ---- the request ---- */
static unsigned read_op(const gba_m2m_http *h, bool has_ty, gba_m2m_request *out)
{
    if (is(h->method, "POST"))
        out->op = has_ty ? GBA_M2M_CREATE : GBA_M2M_NOTIFY; /* TS-0009 6.2.1 */
    else if (is(h->method, "GET"))
        out->op = GBA_M2M_RETRIEVE;
    else if (is(h->method, "PUT"))
        out->op = GBA_M2M_UPDATE;
    else if (is(h->method, "DELETE"))
        out->op = GBA_M2M_DELETE;
    else
        return GBA_M2M_OPERATION_NOT_ALLOWED;
    if (out->op != GBA_M2M_CREATE && has_ty)
        return GBA_M2M_BAD_REQUEST;
    return 0;
}

static unsigned read_release(gba_span rvi, gba_m2m_request *out)
{
    static const char *const known[] = {"1", "2", "2a", "3", "4", "5"};

    if (!rvi.p)
        return 0; /* a release 1 originator */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is(rvi, known[i]))
            out->release = known[i];
    return out->release ? 0 : GBA_M2M_RELEASE_VERSION_NOT_SUPPORTED;
}

unsigned gba_m2m_http_parse(const gba_m2m_http *h, gba_m2m_request *out)
{
    bool has_ty = false, told = false;
    unsigned rsc = 0;

    memset(out, 0, sizeof *out);
    if (h->content_type.p && (h->content_type.n || is(h->method, "POST") || is(h->method, "PUT")))
        rsc = read_content_type(h->content_type, out, &has_ty, &told);
    if (!rsc)
        rsc = read_op(h, has_ty, out);
    if (!rsc && told && out->op != GBA_M2M_NOTIFY)
        rsc = GBA_M2M_BAD_REQUEST;
    if (!rsc && !read_to(h->target, out))
        rsc = GBA_M2M_BAD_REQUEST;
    if (!rsc)
        rsc = read_release(h->rvi, out);
    out->has_from = h->origin.p != NULL;
    out->from = h->origin.p ? trim(h->origin) : (gba_span){0};
    for (size_t i = 0; !rsc && i < out->from.n; i++)
        if (out->from.p[i] <= 0x20 || out->from.p[i] >= 0x7f)
            rsc = GBA_M2M_BAD_REQUEST;
    return rsc;
}
