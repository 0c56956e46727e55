/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest_field.c - the three header fields of HTTP Digest, reader and writer side
 * by side: WWW-Authenticate, Authorization (RFC 7616 3.3, 3.4; RFC 3310 3.2 to 3.4) and
 * Authentication-Info (RFC 7615, RFC 7616 3.5).
 *
 * The reader copies each value it knows, without its quotes and escapes, into the
 * structure's store: a value is never longer than the field, so it always fits.
 */
#include <string.h>

#include "libgba/digest_field.h"

/* ---- names ---- */

static const struct {
    gba_digest_alg alg;
    const char *name;
} algorithms[] = {
    {GBA_DIGEST_MD5, "MD5"},
    {GBA_DIGEST_MD5_SESS, "MD5-sess"},
    {GBA_DIGEST_SHA256, "SHA-256"},
    {GBA_DIGEST_SHA256_SESS, "SHA-256-sess"},
    {GBA_DIGEST_AKAV1_MD5, "AKAv1-MD5"},
    {GBA_DIGEST_AKAV2_MD5, "AKAv2-MD5"},
    {GBA_DIGEST_AKAV1_SHA256, "AKAv1-SHA-256"},
    {GBA_DIGEST_AKAV2_SHA256, "AKAv2-SHA-256"},
};
#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

const char *gba_digest_alg_name(gba_digest_alg a)
{
    for (size_t i = 0; i < N_ALGORITHMS; i++)
        if (algorithms[i].alg == a)
            return algorithms[i].name;
    return "unknown";
}

gba_digest_alg gba_digest_alg_parse(gba_span name)
{
    for (size_t i = 0; i < N_ALGORITHMS; i++)
        if (gba_span_ieq(name, gba_str(algorithms[i].name)))
            return algorithms[i].alg;
    return GBA_DIGEST_UNKNOWN;
}

const char *digest_qop_name(unsigned qop)
{
    return qop == GBA_QOP_AUTH ? "auth" : qop == GBA_QOP_AUTH_INT ? "auth-int" : NULL;
}

void digest_nc_text(uint32_t nc, char out[9])
{
    uint8_t o[4] = {(uint8_t)(nc >> 24), (uint8_t)(nc >> 16), (uint8_t)(nc >> 8), (uint8_t)nc};
    gba_hex_encode(o, sizeof(o), out);
}

/* ---- reading: octets ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* tchar of RFC 9110 5.6.2 */
static bool is_tchar(uint8_t c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token68(uint8_t c)
{
    return is_tchar(c) ? strchr("!#$%&'*^`|", c) == NULL : c == '/' || c == '=';
}

static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

static void skip(gba_span *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static void skip_blanks(gba_span *s)
{
    while (s->n && is_blank(*s->p))
        skip(s, 1);
}

/* Blanks and empty list elements (RFC 9110 5.6.1.2). */
static void skip_commas(gba_span *s)
{
    while (s->n && (is_blank(*s->p) || *s->p == ','))
        skip(s, 1);
}

static gba_span read_while(gba_span *s, bool (*is)(uint8_t))
{
    gba_span t = {s->p, 0};
    while (s->n && is(*s->p)) {
        t.n++;
        skip(s, 1);
    }
    return t;
}

/* ---- reading: parameters ---- */

/* Where a parameter's value goes. */
typedef struct param {
    const char *name;
    gba_span *value;
} param;

typedef struct store {
    uint8_t *p;
    size_t n;
} store;

/* After the open quote: the text without escapes goes to the store, if one is given.
 * A tab is a control octet here too, since the writer could not give it back. */
static gba_err read_quoted(gba_span *s, store *to, gba_span *value)
{
    gba_span v = {to ? to->p + to->n : s->p, 0};
    while (s->n && *s->p != '"') {
        if (*s->p == '\\')
            skip(s, 1);
        if (s->n == 0 || is_control(*s->p))
            return GBA_E_SYNTAX;
        if (to)
            to->p[to->n++] = *s->p;
        v.n++;
        skip(s, 1);
    }
    if (s->n == 0)
        return GBA_E_SYNTAX;
    skip(s, 1);
    *value = v;
    return GBA_OK;
}

static gba_err read_value(gba_span *s, store *to, gba_span *value)
{
    if (s->n && *s->p == '"') {
        skip(s, 1);
        return read_quoted(s, to, value);
    }
    gba_span t = read_while(s, is_tchar);
    if (t.n == 0)
        return GBA_E_SYNTAX;
    if (to) {
        memcpy(to->p + to->n, t.p, t.n);
        t.p = to->p + to->n;
        to->n += t.n;
    }
    *value = t;
    return GBA_OK;
}

static gba_span *find_param(const param *params, size_t n, gba_span name)
{
    for (size_t i = 0; i < n; i++)
        if (gba_span_ieq(name, gba_str(params[i].name)))
            return params[i].value;
    return NULL;
}

/* Is a `name =` next, and not the name of a scheme? */
static bool at_param(gba_span s)
{
    if (read_while(&s, is_tchar).n == 0)
        return false;
    skip_blanks(&s);
    return s.n && *s.p == '=';
}

/* name = value, then a comma or the end. */
static gba_err read_param(gba_span *s, const param *params, size_t n, store *to)
{
    gba_span name = read_while(s, is_tchar), ignored, *value = find_param(params, n, name);
    if (value && value->p)
        return GBA_E_SYNTAX; /* given twice */
    skip_blanks(s);
    skip(s, 1); /* '=': at_param() saw it */
    skip_blanks(s);
    gba_err e = value ? read_value(s, to, value) : read_value(s, NULL, &ignored);
    if (e)
        return e;
    skip_blanks(s);
    return s->n == 0 || *s->p == ',' ? GBA_OK : GBA_E_SYNTAX;
}

/* Parameters until the end, or until something that is none: the next scheme. */
static gba_err read_params(gba_span *s, const param *params, size_t n, store *to)
{
    for (skip_commas(s); s->n && at_param(*s); skip_commas(s)) {
        gba_err e = read_param(s, params, n, to);
        if (e)
            return e;
    }
    return GBA_OK;
}

/* Parameters that must fill the whole rest. */
static gba_err read_all_params(gba_span s, const param *params, size_t n, store *to)
{
    gba_err e = read_params(&s, params, n, to);
    return e ? e : s.n ? GBA_E_SYNTAX : GBA_OK;
}

static bool is_true(gba_span v)
{
    return gba_span_ieq(v, gba_str("true"));
}

static unsigned qop_bit(gba_span name)
{
    if (gba_span_ieq(name, gba_str("auth")))
        return GBA_QOP_AUTH;
    return gba_span_ieq(name, gba_str("auth-int")) ? GBA_QOP_AUTH_INT : GBA_QOP_OTHER;
}

/* One or more tokens with commas between them (RFC 7616 3.3). */
static gba_err parse_qop_list(gba_span v, unsigned *qop)
{
    unsigned bits = 0;
    for (skip_commas(&v); v.n; skip_commas(&v)) {
        gba_span t = read_while(&v, is_tchar);
        skip_blanks(&v);
        if (t.n == 0 || (v.n && *v.p != ','))
            return GBA_E_SYNTAX;
        bits |= qop_bit(t);
    }
    *qop = bits;
    return bits ? GBA_OK : GBA_E_SYNTAX;
}

static gba_err parse_qop_one(gba_span v, unsigned *qop)
{
    gba_span rest = v;
    if (read_while(&rest, is_tchar).n == 0 || rest.n)
        return GBA_E_SYNTAX;
    *qop = qop_bit(v);
    return GBA_OK;
}

/* 8LHEX. Upper-case digits would be hashed as sent and come out wrong here: refuse them. */
static gba_err parse_nc(gba_span v, uint32_t *nc)
{
    uint32_t x = 0;
    if (v.n != 8)
        return GBA_E_SYNTAX;
    for (size_t i = 0; i < 8; i++) {
        uint8_t c = v.p[i];
        if (c >= '0' && c <= '9')
            x = x << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            x = x << 4 | (uint32_t)(c - 'a' + 10);
        else
            return GBA_E_SYNTAX;
    }
    *nc = x;
    return GBA_OK;
}

/* qop and nc as Authorization and Authentication-Info carry them. */
static gba_err parse_use(gba_span qop_text, gba_span nc_text, unsigned *qop, uint32_t *nc, bool *nc_given)
{
    gba_err e = qop_text.p ? parse_qop_one(qop_text, qop) : GBA_OK;
    if (e || !nc_text.p)
        return e;
    *nc_given = true;
    return parse_nc(nc_text, nc);
}

/* ---- writing ---- */

/* Sticky: after the first error nothing more is written. */
typedef struct writer {
    char *p;
    size_t room, n;
    gba_err e;
    const char *sep;
} writer;

static void put(writer *w, const void *p, size_t n)
{
    if (w->e)
        return;
    if (n >= w->room - w->n) { /* NUL included */
        w->e = GBA_E_SPACE;
        return;
    }
    memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void put_text(writer *w, const char *s)
{
    put(w, s, strlen(s));
}

static void put_name(writer *w, const char *name)
{
    put_text(w, w->sep);
    put_text(w, name);
    put_text(w, "=");
    w->sep = ", ";
}

static void put_token(writer *w, const char *name, const char *value)
{
    put_name(w, name);
    put_text(w, value);
}

/* Absent: nothing. */
static void put_quoted(writer *w, const char *name, gba_span v)
{
    if (!v.p)
        return;
    put_name(w, name);
    put_text(w, "\"");
    for (size_t i = 0; i < v.n; i++) {
        if (is_control(v.p[i]))
            w->e = GBA_E_ARG;
        if (v.p[i] == '"' || v.p[i] == '\\')
            put_text(w, "\\");
        put(w, v.p + i, 1);
    }
    put_text(w, "\"");
}

/* Required. */
static void put_needed(writer *w, const char *name, gba_span v)
{
    if (!v.p && !w->e)
        w->e = GBA_E_ARG;
    put_quoted(w, name, v);
}

static void put_use(writer *w, unsigned qop, bool nc_given, uint32_t nc)
{
    char text[9];
    if (qop != GBA_QOP_NONE) {
        const char *name = digest_qop_name(qop);
        if (!name)
            w->e = GBA_E_ARG;
        put_token(w, "qop", name ? name : "");
    }
    if (nc_given) {
        digest_nc_text(nc, text);
        put_token(w, "nc", text);
    }
}

static writer writer_on(char *out, size_t room, const char *scheme)
{
    return (writer){out, room, 0, room ? GBA_OK : GBA_E_SPACE, scheme};
}

static gba_err writer_end(writer *w, size_t *n)
{
    if (!w->e && w->n > GBA_DIGEST_HEADER_MAX)
        w->e = GBA_E_RANGE;
    if (w->e)
        return w->e;
    w->p[w->n] = 0;
    *n = w->n;
    return GBA_OK;
}

/* ---- WWW-Authenticate ---- */

gba_err gba_challenge_print(const gba_challenge *c, char *out, size_t *n)
{
    static const char *const sets[] = {NULL, "\"auth\"", "\"auth-int\"", "\"auth,auth-int\""};
    if (c->algorithm == GBA_DIGEST_UNKNOWN || c->qop > 3)
        return GBA_E_ARG;
    writer w = writer_on(out, *n, "Digest ");
    put_needed(&w, "realm", c->realm);
    put_quoted(&w, "domain", c->domain);
    put_needed(&w, "nonce", c->nonce);
    put_quoted(&w, "opaque", c->opaque);
    if (c->stale)
        put_token(&w, "stale", "true");
    put_token(&w, "algorithm", gba_digest_alg_name(c->algorithm));
    if (c->qop)
        put_token(&w, "qop", sets[c->qop]);
    if (c->charset_utf8)
        put_token(&w, "charset", "UTF-8");
    if (c->userhash)
        put_token(&w, "userhash", "true");
    return writer_end(&w, n);
}

static gba_err read_challenge(gba_span *s, gba_challenge *c)
{
    gba_span stale = {0}, algorithm = {0}, qop = {0}, charset = {0}, userhash = {0};
    const param params[] = {
        {"realm", &c->realm},   {"domain", &c->domain}, {"nonce", &c->nonce},
        {"opaque", &c->opaque}, {"stale", &stale},      {"algorithm", &algorithm},
        {"qop", &qop},          {"charset", &charset},  {"userhash", &userhash},
    };
    store to = {(uint8_t *)c->store, 0};
    gba_err e = read_params(s, params, sizeof(params) / sizeof(params[0]), &to);
    if (e)
        return e;
    c->algorithm = algorithm.p ? gba_digest_alg_parse(algorithm) : GBA_DIGEST_MD5;
    c->stale = is_true(stale);
    c->userhash = is_true(userhash);
    c->charset_utf8 = gba_span_ieq(charset, gba_str("UTF-8"));
    if (!c->realm.p || !c->nonce.p)
        return GBA_E_SYNTAX;
    return qop.p ? parse_qop_list(qop, &c->qop) : GBA_OK;
}

/* Another scheme's token68 or parameters (RFC 9110 11.3): "YII=" is the former, "a=b" is not. */
static gba_err skip_challenge(gba_span *s)
{
    skip_blanks(s);
    gba_span t = *s, name = read_while(&t, is_tchar);
    skip_blanks(&t);
    if (name.n && t.n && *t.p == '=') {
        skip(&t, 1);
        skip_blanks(&t);
        if (t.n && (is_tchar(*t.p) || *t.p == '"'))
            return read_params(s, NULL, 0, NULL);
    }
    read_while(s, is_token68);
    skip_blanks(s);
    return s->n == 0 || *s->p == ',' ? GBA_OK : GBA_E_SYNTAX;
}

static gba_err next_challenge(gba_span *s, gba_challenge *out)
{
    for (skip_commas(s); s->n; skip_commas(s)) {
        gba_span scheme = read_while(s, is_tchar);
        if (scheme.n == 0 || (s->n && !is_blank(*s->p) && *s->p != ','))
            return GBA_E_SYNTAX;
        if (gba_span_ieq(scheme, gba_str("Digest")))
            return read_challenge(s, out);
        gba_err e = skip_challenge(s);
        if (e)
            return e;
    }
    return GBA_E_UNKNOWN;
}

gba_err gba_challenge_next(gba_span *rest, gba_challenge *out)
{
    gba_span s = *rest;
    memset(out, 0, offsetof(gba_challenge, store));
    gba_err e = s.n > GBA_DIGEST_HEADER_MAX ? GBA_E_RANGE : next_challenge(&s, out);
    /* After an error nothing behind it can be trusted, and a caller's loop must end. */
    *rest = e ? (gba_span){0} : s;
    return e;
}

/* ---- Authorization ---- */

gba_err gba_authorization_print(const gba_authorization *a, char *out, size_t *n)
{
    if (a->qop != GBA_QOP_NONE && (!a->nc_given || !a->cnonce.p))
        return GBA_E_ARG;
    if (a->algorithm_given && a->algorithm == GBA_DIGEST_UNKNOWN)
        return GBA_E_ARG;
    writer w = writer_on(out, *n, "Digest ");
    put_needed(&w, "username", a->username);
    put_needed(&w, "realm", a->realm);
    put_needed(&w, "nonce", a->nonce);
    put_needed(&w, "uri", a->uri);
    put_use(&w, a->qop, a->nc_given, a->nc);
    put_quoted(&w, "cnonce", a->cnonce);
    put_needed(&w, "response", a->response);
    put_quoted(&w, "opaque", a->opaque);
    if (a->algorithm_given)
        put_token(&w, "algorithm", gba_digest_alg_name(a->algorithm));
    if (a->userhash)
        put_token(&w, "userhash", "true");
    put_quoted(&w, "auts", a->auts);
    return writer_end(&w, n);
}

gba_err gba_authorization_parse(gba_span value, gba_authorization *a)
{
    gba_span algorithm = {0}, qop = {0}, nc = {0}, userhash = {0};
    const param params[] = {
        {"username", &a->username},
        {"realm", &a->realm},
        {"nonce", &a->nonce},
        {"uri", &a->uri},
        {"cnonce", &a->cnonce},
        {"opaque", &a->opaque},
        {"response", &a->response},
        {"auts", &a->auts},
        {"algorithm", &algorithm},
        {"qop", &qop},
        {"nc", &nc},
        {"userhash", &userhash},
    };
    memset(a, 0, offsetof(gba_authorization, store));
    a->algorithm = GBA_DIGEST_MD5;
    if (value.n > GBA_DIGEST_HEADER_MAX)
        return GBA_E_RANGE;
    skip_blanks(&value);
    gba_span scheme = read_while(&value, is_tchar);
    if (scheme.n == 0)
        return GBA_E_SYNTAX;
    if (!gba_span_ieq(scheme, gba_str("Digest")))
        return GBA_E_UNSUPPORTED;
    if (value.n && !is_blank(*value.p))
        return GBA_E_SYNTAX;
    store to = {(uint8_t *)a->store, 0};
    gba_err e = read_all_params(value, params, sizeof(params) / sizeof(params[0]), &to);
    if (e)
        return e;
    a->algorithm_given = algorithm.p != NULL;
    if (algorithm.p)
        a->algorithm = gba_digest_alg_parse(algorithm);
    a->userhash = is_true(userhash);
    return parse_use(qop, nc, &a->qop, &a->nc, &a->nc_given);
}

/* ---- Authentication-Info ---- */

gba_err gba_authinfo_print(const gba_authinfo *i, char *out, size_t *n)
{
    writer w = writer_on(out, *n, "");
    put_use(&w, i->qop, i->nc_given, i->nc);
    put_quoted(&w, "rspauth", i->rspauth);
    put_quoted(&w, "cnonce", i->cnonce);
    put_quoted(&w, "nextnonce", i->nextnonce);
    return writer_end(&w, n);
}

gba_err gba_authinfo_parse(gba_span value, gba_authinfo *i)
{
    gba_span qop = {0}, nc = {0};
    const param params[] = {
        {"rspauth", &i->rspauth}, {"cnonce", &i->cnonce}, {"nextnonce", &i->nextnonce}, {"qop", &qop}, {"nc", &nc},
    };
    memset(i, 0, offsetof(gba_authinfo, store));
    if (value.n > GBA_DIGEST_HEADER_MAX)
        return GBA_E_RANGE;
    store to = {(uint8_t *)i->store, 0};
    gba_err e = read_all_params(value, params, sizeof(params) / sizeof(params[0]), &to);
    return e ? e : parse_use(qop, nc, &i->qop, &i->nc, &i->nc_given);
}
