/* SPDX-License-Identifier: Apache-2.0 */
/* gate_record.c - the gate's records as lines of text inside the sealed store: "name value". */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "onem2m-binding/gate_poa.h"

static const char *const bound_words[] = {"none", "cse", "ae", "new"};

typedef struct writer {
    char *out;
    size_t n;
    bool full;
} writer;

static void put(writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(writer *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(w->out + w->n, GATE_RECORD_MAX - w->n, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= GATE_RECORD_MAX - w->n)
        w->full = true;
    else
        w->n += (size_t)n;
}

/* The next "name value" line; false at the end. */
static bool next_line(gba_span *text, gba_span *name, gba_span *value)
{
    if (!text->n)
        return false;
    const uint8_t *end = memchr(text->p, '\n', text->n);
    size_t n = end ? (size_t)(end - text->p) : text->n, at = 0;
    while (at < n && text->p[at] != ' ')
        at++;
    *name = gba_mem(text->p, at);
    *value = at < n ? gba_mem(text->p + at + 1, n - at - 1) : (gba_span){0};
    *text = end ? gba_mem(end + 1, text->n - n - 1) : (gba_span){0};
    return true;
}

static bool is(gba_span s, const char *text)
{
    return gba_span_eq(s, gba_str(text));
}

static bool copy(gba_span from, char *to, size_t room)
{
    if (from.n >= room || !from.n || memchr(from.p, 0, from.n))
        return false;
    memcpy(to, from.p, from.n);
    to[from.n] = 0;
    return true;
}

gba_err gate_credential_print(const gate_credential *c, char out[GATE_RECORD_MAX], size_t *n)
{
    writer w = {.out = out};
    char text[GBA_M2M_ID_MAX + 1], hex[2 * GBA_SECRET_MAX + 1];

    if (c->n > GATE_IDS_MAX || c->bound > GBA_M2M_BOUND_NEW)
        return GBA_E_ARG;
    put(&w, "v 1\nbound %s\n", bound_words[c->bound]);
    if (c->learned)
        put(&w, "learned 1\n");
    for (size_t i = 0; i < c->n; i++) {
        gba_err e = gba_m2m_id_print(&c->ids[i], GBA_M2M_ABSOLUTE, text);
        if (e != GBA_OK)
            return e;
        put(&w, "id %s\n", text);
    }
    if (c->key.n) {
        gba_hex_encode(c->key.o, c->key.n, hex);
        put(&w, "key %s\n", hex);
        gba_wipe(hex, sizeof hex);
    }
    *n = w.n;
    return w.full ? GBA_E_SPACE : GBA_OK;
}

static gba_err credential_line(gba_span name, gba_span v, gate_credential *out)
{
    size_t room = sizeof out->key.o;

    if (is(name, "bound")) {
        for (int i = 0; i <= GBA_M2M_BOUND_NEW; i++)
            if (is(v, bound_words[i])) {
                out->bound = (gba_m2m_bound)i;
                return GBA_OK;
            }
        return GBA_E_CORRUPT;
    }
    if (is(name, "learned"))
        out->learned = true;
    else if (is(name, "id"))
        return out->n < GATE_IDS_MAX && gba_m2m_id_parse_assigned(v, NULL, &out->ids[out->n]) == GBA_OK
                   ? (out->n++, GBA_OK)
                   : GBA_E_CORRUPT;
    else if (is(name, "key")) {
        if (gba_hex_decode(v, out->key.o, &room) != GBA_OK)
            return GBA_E_CORRUPT;
        out->key.n = room;
    }
    return GBA_OK;
}

gba_err gate_credential_parse(gba_span text, gate_credential *out)
{
    gba_span name, v;
    gba_err e = GBA_OK;

    memset(out, 0, sizeof *out);
    if (!next_line(&text, &name, &v) || !is(name, "v") || !is(v, "1"))
        return GBA_E_CORRUPT;
    while (e == GBA_OK && next_line(&text, &name, &v))
        e = credential_line(name, v, out);
    bool fits = out->bound == GBA_M2M_BOUND_NEW   ? out->n == 0
                : out->bound == GBA_M2M_BOUND_CSE ? out->n == 1
                                                  : out->n > 0;
    if (e == GBA_OK && (out->bound == GBA_M2M_BOUND_NONE || !fits))
        e = GBA_E_CORRUPT;
    if (e != GBA_OK)
        gba_secret_wipe(&out->key);
    return e;
}

void gate_entity_by(gate_entity *en, const gate_who *w)
{
    bool told = w->form == GBA_M2M_PSK_KC || w->form == GBA_M2M_PSK_KE || w->form == GBA_M2M_PSK_BTID;

    snprintf(en->credential, sizeof en->credential, "%s", w->credential);
    snprintf(en->identity, sizeof en->identity, "%s", told ? w->identity : "");
    en->suite = told ? w->suite : 0;
}

gba_err gate_entity_print(const gate_entity *en, char out[GATE_RECORD_MAX], size_t *n)
{
    writer w = {.out = out};

    if (en->n > GATE_POAS_MAX)
        return GBA_E_ARG;
    put(&w, "v 1\n");
    if (en->credential[0])
        put(&w, "credential %s\n", en->credential);
    if (en->identity[0])
        put(&w, "psk %s\nsuite %u\n", en->identity, (unsigned)en->suite);
    for (size_t i = 0; i < en->n; i++)
        put(&w, "poa %s\n", en->poa[i]);
    if (en->ri[0])
        put(&w, "ri %s\n", en->ri);
    if (en->rn[0])
        put(&w, "rn %s\n", en->rn);
    if (en->base[0])
        put(&w, "base %s\n", en->base);
    *n = w.n;
    return w.full ? GBA_E_SPACE : GBA_OK;
}

static bool suite_of(gba_span v, uint16_t *out)
{
    unsigned n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9' || n > 65535)
            return false;
        n = 10 * n + (v.p[i] - '0');
    }
    *out = (uint16_t)n;
    return v.n && n <= 65535;
}

gba_err gate_entity_parse(gba_span text, gate_entity *out)
{
    gba_span name, v;
    size_t names = 0;

    memset(out, 0, sizeof *out);
    if (!next_line(&text, &name, &v) || !is(name, "v") || !is(v, "1"))
        return GBA_E_CORRUPT;
    while (next_line(&text, &name, &v)) {
        if (is(name, "name")) { /* of former versions: ri, rn, or one of them */
            if (names >= 2 || (!names && !copy(v, out->ri, sizeof out->ri)) || !copy(v, out->rn, sizeof out->rn))
                return GBA_E_CORRUPT;
            names++;
        }
        if ((is(name, "ri") && !copy(v, out->ri, sizeof out->ri)) ||
            (is(name, "rn") && !copy(v, out->rn, sizeof out->rn)) ||
            (is(name, "base") && !copy(v, out->base, sizeof out->base)))
            return GBA_E_CORRUPT;
        if (is(name, "credential") && !copy(v, out->credential, sizeof out->credential))
            return GBA_E_CORRUPT;
        if (is(name, "psk") && !copy(v, out->identity, sizeof out->identity))
            return GBA_E_CORRUPT;
        if (is(name, "suite") && !suite_of(v, &out->suite))
            return GBA_E_CORRUPT;
        if (is(name, "poa") && (out->n >= GATE_POAS_MAX || !copy(v, out->poa[out->n++], sizeof out->poa[0])))
            return GBA_E_CORRUPT;
    }
    return GBA_OK;
}

const char *gate_below_cse(const char *to)
{
    for (size_t skip = strspn(to, "/"); skip; skip--) {
        to += strspn(to, "/");
        to += strcspn(to, "/");
    }
    to += *to == '/';
    return *to ? to : NULL;
}

bool gate_entity_at(const gate_entity *en, const gba_m2m_id *id, const char *to)
{
    const char *at = gate_below_cse(to), *slash = at ? strchr(at, '/') : NULL;
    size_t n = slash ? (size_t)(slash - at) : 0;

    if (!at || (slash && strchr(slash + 1, '/')))
        return false;
    if (!slash) /* an AE's resource ID is its AE-ID's stem when that begins with 'C' (TS-0001 7.2) */
        return (en->ri[0] && !strcmp(at, en->ri)) || (id->kind == GBA_M2M_ID_AE_C && !strcmp(at, id->stem));
    if (!en->rn[0] || strcmp(slash + 1, en->rn) != 0)
        return false;
    return (n == 1 && *at == '-') || (en->base[0] && strlen(en->base) == n && !memcmp(at, en->base, n));
}

gba_err gate_addresses_print(const gate_addresses *a, char out[GATE_RECORD_MAX], size_t *n)
{
    writer w = {.out = out};

    if (a->n > GATE_URLS_MAX)
        return GBA_E_ARG;
    put(&w, "v 1\n");
    if (a->credential[0])
        put(&w, "credential %s\n", a->credential);
    if (a->stored)
        put(&w, "stored 1\n");
    for (size_t i = 0; i < a->n; i++)
        put(&w, "%s %s %s\n", a->a[i].poa ? "poa" : "nu", a->a[i].token, a->a[i].url);
    *n = w.n;
    return w.full ? GBA_E_SPACE : GBA_OK;
}

static bool address_line(gba_span v, bool poa, gate_address *out)
{
    out->poa = poa;
    return v.n > GATE_TOKEN + 1 && v.p[GATE_TOKEN] == ' ' &&
           copy(gba_mem(v.p, GATE_TOKEN), out->token, sizeof out->token) && !strpbrk(out->token, " /") &&
           copy(gba_mem(v.p + GATE_TOKEN + 1, v.n - GATE_TOKEN - 1), out->url, sizeof out->url);
}

gba_err gate_addresses_parse(gba_span text, gate_addresses *out)
{
    gba_span name, v;

    memset(out, 0, sizeof *out);
    if (!next_line(&text, &name, &v) || !is(name, "v") || !is(v, "1"))
        return GBA_E_CORRUPT;
    while (next_line(&text, &name, &v)) {
        bool poa = is(name, "poa");
        if (is(name, "credential") && !copy(v, out->credential, sizeof out->credential))
            return GBA_E_CORRUPT;
        if ((poa || is(name, "nu")) && (out->n >= GATE_URLS_MAX || !address_line(v, poa, &out->a[out->n++])))
            return GBA_E_CORRUPT;
        out->stored = out->stored || is(name, "stored");
    }
    return GBA_OK;
}
