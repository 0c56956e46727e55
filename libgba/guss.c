/* SPDX-License-Identifier: Apache-2.0 */
/* guss.c - GUSS and ussList documents (TS 29.109 Annex A), reader and writer. */
#include <gba/guss.h>
#include <expat.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names of Rel-9; the placement of keyChoice inside uss is our reading (profile). */
#define NAMESPACE "urn:3gpp:gba:GBAGUSSSchema-R9:2010-02"
#define DEPTH_MAX 16

static const char *const choices[] = {[GBA_KEY_ME] = "ME-based-key",
                                      [GBA_KEY_UICC] = "UICC-based-key",
                                      [GBA_KEY_BOTH] = "ME-UICC-based-keys"};

const char *gba_key_choice_name(gba_key_choice k)
{
    return (unsigned)k < sizeof choices / sizeof *choices ? choices[k] : NULL;
}

/* ---- reader ---- */
typedef enum elem {
    E_OTHER = 0, E_GUSS, E_BSFINFO, E_UICCTYPE, E_LIFETIME, E_FEATURES, E_EXTENSION, E_TIMESTAMP, E_USSLIST, E_USS,
    E_UIDS, E_UID, E_FLAGS, E_FLAG, E_KEYCHOICE, E_ROOT
} elem;
/* Which element is known below which: order does not matter (TS 29.109 Annex A, both schemas). */
static const struct {
    const char *name;
    elem id, parent, parent2;
} elems[] = {
    {"guss", E_GUSS, E_ROOT, E_ROOT},           {"bsfInfo", E_BSFINFO, E_GUSS, E_GUSS},
    {"uiccType", E_UICCTYPE, E_BSFINFO, E_BSFINFO}, {"lifeTime", E_LIFETIME, E_BSFINFO, E_BSFINFO},
    {"securityFeatures", E_FEATURES, E_BSFINFO, E_EXTENSION}, {"Extension", E_EXTENSION, E_GUSS, E_BSFINFO},
    {"timestamp", E_TIMESTAMP, E_EXTENSION, E_GUSS}, {"ussList", E_USSLIST, E_GUSS, E_ROOT},
    {"uss", E_USS, E_USSLIST, E_USSLIST},       {"uids", E_UIDS, E_USS, E_USS},
    {"uid", E_UID, E_UIDS, E_UIDS},             {"flags", E_FLAGS, E_USS, E_USS},
    {"flag", E_FLAG, E_FLAGS, E_FLAGS},         {"keyChoice", E_KEYCHOICE, E_USS, E_EXTENSION},
};

struct reader {
    XML_Parser p;
    gba_guss *g;
    gba_err err;
    elem stack[DEPTH_MAX];
    size_t depth;
    bool seen_bsfinfo, seen_list, in_uss;
    size_t n; /* text of the current leaf */
    char text[GBA_ID_MAX + 1];
};

static void fail(struct reader *r, gba_err e)
{
    if (r->err == GBA_OK)
        r->err = e;
    XML_StopParser(r->p, XML_FALSE);
}

static bool number(const char *s, uint32_t *out)
{
    uint64_t v = 0;
    if (!*s || strlen(s) > 10)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *out = (uint32_t)v;
    return v <= UINT32_MAX;
}

/* Copies an attribute or a leaf: no control octets, no quotes (it goes into header fields). */
static bool text_copy(const char *s, char *out, size_t room)
{
    size_t n = strlen(s);
    if (n >= room)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == '"')
            return false;
    memcpy(out, s, n + 1);
    return true;
}

static const char *local(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

static void begin_uss(struct reader *r, const XML_Char **attr)
{
    gba_uss *u = &r->g->uss[r->g->n_uss];
    bool id = false, type = false;

    if (r->g->n_uss == GBA_USS_MAX) {
        fail(r, GBA_E_RANGE);
        return;
    }
    memset(u, 0, sizeof *u);
    for (; *attr; attr += 2) {
        const char *a = local(attr[0]);
        if (!strcmp(a, "id"))
            id = number(attr[1], &u->gsid);
        else if (!strcmp(a, "type"))
            type = number(attr[1], &u->type);
        else if (!strcmp(a, "nafGroup") && !text_copy(attr[1], u->naf_group, sizeof u->naf_group)) {
            fail(r, GBA_E_SYNTAX);
            return;
        }
    }
    if (!id || !type) {
        fail(r, GBA_E_SYNTAX);
        return;
    }
    r->g->n_uss++;
}

static void begin(void *ctx, const XML_Char *name, const XML_Char **attr)
{
    struct reader *r = ctx;
    elem parent = r->depth ? r->stack[r->depth - 1] : E_ROOT, id = E_OTHER;

    if (r->depth == DEPTH_MAX) {
        fail(r, GBA_E_RANGE);
        return;
    }
    for (size_t i = 0; i < sizeof elems / sizeof *elems; i++)
        if (!strcmp(local(name), elems[i].name) && (parent == elems[i].parent || parent == elems[i].parent2))
            id = elems[i].id;
    if (parent == E_ROOT && id == E_OTHER) {
        fail(r, GBA_E_SYNTAX);
        return;
    }
    r->stack[r->depth++] = id;
    r->n = 0;
    if (id == E_GUSS) {
        for (; *attr; attr += 2)
            if (!strcmp(local(attr[0]), "id") && !text_copy(attr[1], r->g->id, sizeof r->g->id)) {
                fail(r, GBA_E_SYNTAX);
                return;
            }
    } else if (id == E_BSFINFO || id == E_USSLIST) {
        bool *seen = id == E_BSFINFO ? &r->seen_bsfinfo : &r->seen_list;
        if (*seen)
            fail(r, GBA_E_SYNTAX);
        *seen = true;
    } else if (id == E_USS) {
        begin_uss(r, attr);
    }
}

static void chars(void *ctx, const XML_Char *s, int len)
{
    struct reader *r = ctx;
    switch (r->depth ? r->stack[r->depth - 1] : E_ROOT) {
    case E_UICCTYPE: case E_LIFETIME: case E_FEATURES: case E_TIMESTAMP: case E_UID: case E_FLAG: case E_KEYCHOICE:
        if (r->n + (size_t)len >= sizeof r->text) {
            fail(r, GBA_E_RANGE);
            return;
        }
        memcpy(r->text + r->n, s, (size_t)len);
        r->n += (size_t)len;
        break;
    default:
        break;
    }
}

static gba_err leaf_uss(gba_uss *u, elem id, const char *t)
{
    if (id == E_UID) {
        if (u->n_ids == GBA_USS_IDS)
            return GBA_E_RANGE;
        return *t && text_copy(t, u->ids[u->n_ids++], sizeof u->ids[0]) ? GBA_OK : GBA_E_SYNTAX;
    }
    if (id == E_FLAG) {
        if (u->n_flags == GBA_USS_FLAGS)
            return GBA_E_RANGE;
        return number(t, &u->flags[u->n_flags++]) ? GBA_OK : GBA_E_SYNTAX;
    }
    for (int k = GBA_KEY_ME; k <= GBA_KEY_BOTH; k++)
        if (!strcmp(t, choices[k])) {
            u->key_choice = (gba_key_choice)k;
            return GBA_OK;
        }
    return GBA_E_SYNTAX;
}

static gba_err leaf(struct reader *r, elem id, const char *t)
{
    gba_guss *g = r->g;
    uint32_t v;

    switch (id) {
    case E_UICCTYPE:
        if (strcmp(t, "GBA") && strcmp(t, "GBA_U"))
            return GBA_E_SYNTAX;
        g->uicc_type = strcmp(t, "GBA_U") ? GBA_UICC_GBA : GBA_UICC_GBA_U;
        return GBA_OK;
    case E_LIFETIME:
        if (!number(t, &v))
            return GBA_E_SYNTAX;
        g->lifetime = v;
        return GBA_OK;
    case E_FEATURES:
        return text_copy(t, g->security_features, sizeof g->security_features) ? GBA_OK : GBA_E_SYNTAX;
    case E_TIMESTAMP:
        return gba_time_parse(gba_str(t), &g->timestamp);
    case E_UID: case E_FLAG: case E_KEYCHOICE:
        return g->n_uss ? leaf_uss(&g->uss[g->n_uss - 1], id, t) : GBA_E_SYNTAX;
    default:
        return GBA_OK;
    }
}

static void end(void *ctx, const XML_Char *name)
{
    struct reader *r = ctx;
    char *t = r->text;
    gba_err e;

    (void)name;
    if (!r->depth)
        return;
    while (r->n && strchr(" \t\r\n", r->text[r->n - 1]))
        r->n--;
    r->text[r->n] = 0;
    t += strspn(t, " \t\r\n");
    e = leaf(r, r->stack[--r->depth], t);
    r->n = 0;
    if (e != GBA_OK)
        fail(r, e);
}

static void doctype(void *ctx, const XML_Char *a, const XML_Char *b, const XML_Char *c, int d)
{
    (void)a, (void)b, (void)c, (void)d;
    fail(ctx, GBA_E_SYNTAX);
}

gba_err gba_guss_parse(gba_span xml, gba_guss *out)
{
    struct reader r = {.g = out};

    memset(out, 0, sizeof *out);
    if (xml.n > GBA_GUSS_XML_MAX)
        return GBA_E_RANGE;
    r.p = XML_ParserCreate(NULL);
    if (!r.p)
        return GBA_E_NOMEM;
    XML_SetUserData(r.p, &r);
    XML_SetElementHandler(r.p, begin, end);
    XML_SetCharacterDataHandler(r.p, chars);
    XML_SetStartDoctypeDeclHandler(r.p, doctype);
    if (XML_Parse(r.p, (const char *)xml.p, (int)xml.n, 1) != XML_STATUS_OK && r.err == GBA_OK)
        r.err = GBA_E_SYNTAX;
    XML_ParserFree(r.p);
    if (r.err != GBA_OK)
        memset(out, 0, sizeof *out);
    return r.err;
}

/* ---- writer ---- */
struct writer {
    char *p;
    size_t room, n;
    bool full;
};

static void put(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct writer *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int k = vsnprintf(w->full ? NULL : w->p + w->n, w->full ? 0 : w->room - w->n, fmt, ap);
    va_end(ap);
    if (k < 0 || w->full || (size_t)k >= w->room - w->n)
        w->full = true;
    else
        w->n += (size_t)k;
}

static void put_escaped(struct writer *w, const char *s)
{
    for (; *s; s++) {
        if (*s == '&')
            put(w, "&amp;");
        else if (*s == '<')
            put(w, "&lt;");
        else if (*s == '>')
            put(w, "&gt;");
        else if (*s == '"')
            put(w, "&quot;");
        else
            put(w, "%c", *s);
    }
}

static void put_leaf(struct writer *w, const char *name, const char *text)
{
    put(w, "<%s>", name);
    put_escaped(w, text);
    put(w, "</%s>", name);
}

static void put_uss(struct writer *w, const gba_uss *u)
{
    put(w, "<uss id=\"%" PRIu32 "\" type=\"%" PRIu32 "\"", u->gsid, u->type);
    if (u->naf_group[0]) {
        put(w, " nafGroup=\"");
        put_escaped(w, u->naf_group);
        put(w, "\"");
    }
    put(w, "><uids>");
    for (size_t i = 0; i < u->n_ids; i++)
        put_leaf(w, "uid", u->ids[i]);
    put(w, "</uids><flags>");
    for (size_t i = 0; i < u->n_flags; i++)
        put(w, "<flag>%" PRIu32 "</flag>", u->flags[i]);
    put(w, "</flags>");
    if (gba_key_choice_name(u->key_choice))
        put_leaf(w, "keyChoice", gba_key_choice_name(u->key_choice));
    put(w, "</uss>");
}

static gba_err finish(const struct writer *w, size_t *n)
{
    if (w->full)
        return GBA_E_SPACE;
    *n = w->n;
    return GBA_OK;
}

gba_err gba_usslist_print(const gba_uss *uss, size_t n_uss, char *out, size_t *n)
{
    struct writer w = {.p = out, .room = *n, .full = *n == 0};
    put(&w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ussList xmlns=\"" NAMESPACE "\">");
    for (size_t i = 0; i < n_uss; i++)
        put_uss(&w, &uss[i]);
    put(&w, "</ussList>");
    return finish(&w, n);
}

gba_err gba_guss_print(const gba_guss *g, char *out, size_t *n)
{
    struct writer w = {.p = out, .room = *n, .full = *n == 0};
    char time[GBA_TIME_TEXT];

    put(&w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><guss");
    if (g->id[0]) {
        put(&w, " id=\"");
        put_escaped(&w, g->id);
        put(&w, "\"");
    }
    put(&w, " xmlns=\"" NAMESPACE "\"><bsfInfo><uiccType>%s</uiccType>",
        g->uicc_type == GBA_UICC_GBA_U ? "GBA_U" : "GBA");
    if (g->lifetime > 0)
        put(&w, "<lifeTime>%" PRId64 "</lifeTime>", g->lifetime);
    if (g->security_features[0])
        put_leaf(&w, "securityFeatures", g->security_features);
    put(&w, "</bsfInfo>");
    if (g->timestamp) {
        gba_err e = gba_time_print(g->timestamp, time);
        if (e != GBA_OK)
            return e;
        put(&w, "<Extension><timestamp>%s</timestamp></Extension>", time);
    }
    put(&w, "<ussList>");
    for (size_t i = 0; i < g->n_uss; i++)
        put_uss(&w, &g->uss[i]);
    put(&w, "</ussList></guss>");
    return finish(&w, n);
}

size_t gba_guss_select(const gba_guss *g, const uint32_t *gsids, size_t n_gsids, const char *group,
                       gba_uss out[GBA_USS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_uss; i++) {
        const gba_uss *u = &g->uss[i];
        bool asked = false;
        for (size_t k = 0; k < n_gsids; k++)
            asked |= gsids[k] == u->gsid;
        if (asked && (!u->naf_group[0] || (group && !strcmp(group, u->naf_group))))
            out[n++] = *u;
    }
    return n;
}
