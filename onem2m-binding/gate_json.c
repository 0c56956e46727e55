/* SPDX-License-Identifier: Apache-2.0 */
/* gate_json.c - where strings stand in JSON: octets, not values, so that all others can stay as they are. */
#include <string.h>
#include "onem2m-binding/gate_poa.h"

/* The string at json.p[*at] == '"': its octets, *at behind it. false: cut off. */
static bool string_at(gba_span json, size_t *at, gba_span *raw)
{
    size_t i = *at + 1;
    while (i < json.n && json.p[i] != '"')
        i += json.p[i] == '\\' ? 2 : 1;
    if (i >= json.n)
        return false;
    *raw = gba_mem(json.p + *at + 1, i - *at - 1);
    *at = i + 1;
    return true;
}

void gate_json_strings(gba_span json, gate_json_visit *visit, void *ctx)
{
    size_t at = 0;
    gba_span raw;
    const uint8_t *q;

    while (at < json.n && (q = memchr(json.p + at, '"', json.n - at)) != NULL) {
        at = (size_t)(q - json.p);
        if (!string_at(json, &at, &raw) || !visit(ctx, raw))
            return;
    }
}

static int hex4(const uint8_t *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i] | 0x20;
        int d = p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

gba_err gate_json_text(gba_span raw, char *out, size_t room)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; i < raw.n; i++) {
        int c = raw.p[i];
        if (c == '\\') {
            const char *known = ++i < raw.n ? memchr(names, raw.p[i], sizeof names - 1) : NULL;
            c = known ? values[known - names] : raw.n - i > 4 && raw.p[i] == 'u' ? hex4(raw.p + i + 1) : -1;
            i += known ? 0 : 4;
        }
        if (c <= 0 || c >= 0x7f)
            return GBA_E_SYNTAX;
        if (n + 1 >= room)
            return GBA_E_SPACE;
        out[n++] = (char)c;
        out[n] = 0;
    }
    return GBA_OK;
}

/* ---- of a resource ---- */
#define DEEP 3 /* {"m2m:ae": {"poa": ["..."]}} */
static const struct {
    const char *root, *member;
} addresses[] = {
    {"m2m:ae", "poa"}, {"m2m:csr", "poa"}, {"m2m:sub", "nu"}, {"m2m:sub", "su"}, {"m2m:crs", "nu"},
};
#define ADDRESSES (int)(sizeof addresses / sizeof *addresses)

typedef struct walk {
    size_t depth;
    char kind[DEEP + 1]; /* of what is open at each depth: { or [ */
    bool name;           /* a member's name comes next */
    char root[16];
    bool wanted; /* the member at hand is an address */
} walk;

static void take_name(walk *w, gba_span raw)
{
    char text[16];
    bool ok = gate_json_text(raw, text, sizeof text) == GBA_OK;

    w->name = false;
    if (w->depth == 1)
        memcpy(w->root, ok ? text : "", ok ? strlen(text) + 1 : 1);
    if (w->depth > 2)
        return;
    w->wanted = false;
    for (int i = 0; ok && w->depth == 2 && i < ADDRESSES; i++)
        if (!strcmp(w->root, addresses[i].root) && !strcmp(text, addresses[i].member))
            w->wanted = true;
}

static void step(walk *w, uint8_t c)
{
    if (c == '{' || c == '[') {
        w->depth++;
        if (w->depth <= DEEP)
            w->kind[w->depth] = (char)c;
        w->name = c == '{';
    } else if ((c == '}' || c == ']') && w->depth) {
        w->depth--;
        w->name = false;
    } else if (c == ',') {
        w->name = w->depth <= DEEP && w->kind[w->depth] == '{';
    }
}

void gate_json_addresses(gba_span json, gate_json_visit *visit, void *ctx)
{
    walk w = {0};
    gba_span raw;

    for (size_t at = 0; at < json.n;) {
        if (json.p[at] != '"') {
            step(&w, json.p[at++]);
            continue;
        }
        if (!string_at(json, &at, &raw))
            return;
        if (w.name && w.depth <= DEEP)
            take_name(&w, raw);
        else if (w.wanted && w.kind[1] == '{' && w.kind[2] == '{' &&
                 (w.depth == 2 || (w.depth == 3 && w.kind[3] == '[')) && !visit(ctx, raw))
            return;
    }
}
