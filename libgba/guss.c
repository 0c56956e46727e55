/* SPDX-License-Identifier: Apache-2.0 */
/* guss.c - GUSS and ussList documents (TS 29.109 Annex A), reader and writer. */
#include <gba/guss.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "libgba/xml.h"

/* Names of Rel-9; the placement of keyChoice inside uss is our reading (profile). */
#define NAMESPACE "urn:3gpp:gba:GBAGUSSSchema-R9:2010-02"

static const char *const choices[] = {[GBA_KEY_ME] = "ME-based-key",
                                      [GBA_KEY_UICC] = "UICC-based-key",
                                      [GBA_KEY_BOTH] = "ME-UICC-based-keys"};

const char *gba_key_choice_name(gba_key_choice k)
{
    return (unsigned)k < sizeof choices / sizeof *choices ? choices[k] : NULL;
}

/* ---- reader ---- */
enum {
    GUSS = 1, BSFINFO, UICCTYPE, LIFETIME, FEATURES, EXTENSION, TIMESTAMP, USSLIST, USS, USS_EXTENSION, UIDS, UID,
    FLAGS, FLAG, KEYCHOICE
};
/* Which element is known in which: order does not matter (TS 29.109 Annex A, both schemas). */
static const xml_element elements[] = {
    {.name = "guss", .id = GUSS, .parent = XML_DOCUMENT},
    {.name = "bsfInfo", .id = BSFINFO, .parent = GUSS, .once = true},
    {.name = "uiccType", .id = UICCTYPE, .parent = BSFINFO, .value = true, .once = true},
    {.name = "lifeTime", .id = LIFETIME, .parent = BSFINFO, .value = true, .once = true},
    {.name = "securityFeatures", .id = FEATURES, .parent = BSFINFO, .parent2 = EXTENSION, .value = true, .once = true},
    {.name = "Extension", .id = EXTENSION, .parent = GUSS, .parent2 = BSFINFO},
    {.name = "timestamp", .id = TIMESTAMP, .parent = EXTENSION, .parent2 = GUSS, .value = true, .once = true},
    {.name = "ussList", .id = USSLIST, .parent = GUSS, .parent2 = XML_DOCUMENT, .once = true},
    {.name = "uss", .id = USS, .parent = USSLIST},
    {.name = "Extension", .id = USS_EXTENSION, .parent = USS},
    {.name = "uids", .id = UIDS, .parent = USS},
    {.name = "uid", .id = UID, .parent = UIDS, .value = true},
    {.name = "flags", .id = FLAGS, .parent = USS},
    {.name = "flag", .id = FLAG, .parent = FLAGS, .value = true},
    {.name = "keyChoice", .id = KEYCHOICE, .parent = USS, .parent2 = USS_EXTENSION, .value = true},
    {0},
};

static bool number(const char *s, uint32_t *out)
{
    uint64_t v = 0;
    if (!s || !*s || strlen(s) > 10)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *out = (uint32_t)v;
    return v <= UINT32_MAX;
}

/* Copies a value, or an attribute, which may be absent: no control octets, no quotes (it goes into header fields). */
static gba_err text_copy(const char *s, char out[GBA_ID_MAX + 1])
{
    size_t n = s ? strlen(s) : 0;
    if (n > GBA_ID_MAX)
        return GBA_E_RANGE;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == '"')
            return GBA_E_SYNTAX;
    memcpy(out, s ? s : "", n + 1);
    return GBA_OK;
}

static gba_err begin(void *ctx, int id, const char *const *attributes)
{
    gba_guss *g = ctx;
    gba_uss *u = &g->uss[g->n_uss];

    if (id == GUSS)
        return text_copy(gba_xml_attribute(attributes, "id"), g->id);
    if (id != USS)
        return GBA_OK;
    if (g->n_uss == GBA_USS_MAX)
        return GBA_E_RANGE;
    g->n_uss++;
    if (!number(gba_xml_attribute(attributes, "id"), &u->gsid) ||
        !number(gba_xml_attribute(attributes, "type"), &u->type))
        return GBA_E_SYNTAX;
    return text_copy(gba_xml_attribute(attributes, "nafGroup"), u->naf_group);
}

/* They stand in a uss alone: there is one. */
static gba_err value_uss(gba_uss *u, int id, const char *t)
{
    if (id == UID) {
        if (u->n_ids == GBA_USS_IDS)
            return GBA_E_RANGE;
        return *t ? text_copy(t, u->ids[u->n_ids++]) : GBA_E_SYNTAX;
    }
    if (id == FLAG) {
        if (u->n_flags == GBA_USS_FLAGS)
            return GBA_E_RANGE;
        return number(t, &u->flags[u->n_flags++]) ? GBA_OK : GBA_E_SYNTAX;
    }
    for (int k = GBA_KEY_ME; k <= GBA_KEY_BOTH && u->key_choice == GBA_KEY_ANY; k++)
        if (!strcmp(t, choices[k])) {
            u->key_choice = (gba_key_choice)k;
            return GBA_OK;
        }
    return GBA_E_SYNTAX;
}

static gba_err value(void *ctx, int id, const char *t)
{
    gba_guss *g = ctx;
    uint32_t v;

    switch (id) {
    case UICCTYPE:
        if (strcmp(t, "GBA") && strcmp(t, "GBA_U"))
            return GBA_E_SYNTAX;
        g->uicc_type = strcmp(t, "GBA_U") ? GBA_UICC_GBA : GBA_UICC_GBA_U;
        return GBA_OK;
    case LIFETIME:
        if (!number(t, &v))
            return GBA_E_SYNTAX;
        g->lifetime = v;
        return GBA_OK;
    case FEATURES:
        return text_copy(t, g->security_features);
    case TIMESTAMP:
        return gba_time_parse(gba_str(t), &g->timestamp);
    default:
        return value_uss(&g->uss[g->n_uss - 1], id, t);
    }
}

gba_err gba_guss_parse(gba_span xml, gba_guss *out)
{
    static const xml_document d = {.element = elements, .begin = begin, .value = value};
    gba_err e = GBA_E_RANGE;

    memset(out, 0, sizeof *out);
    if (xml.n <= GBA_GUSS_XML_MAX)
        e = gba_xml_read(&d, xml, out);
    if (e != GBA_OK)
        memset(out, 0, sizeof *out);
    return e;
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
