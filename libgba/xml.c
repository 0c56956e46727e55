/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.c - see xml.h; the only file that includes expat. A document type is refused when its first octets are
 * seen, so no entity expands and nothing external is ever asked for.
 */
#include "libgba/xml.h"
#include <expat.h>
#include <limits.h>
#include <string.h>

#define NS_SEP '\n'

struct reader {
    const xml_document *d;
    void *ctx;
    XML_Parser p;
    gba_err err;
    size_t depth;
    const xml_element *stack[XML_DEPTH]; /* NULL: an unknown one */
    uint32_t seen;                       /* a bit an id */
    size_t n;                            /* text of the open value */
    char text[XML_TEXT + 1];
};

static void fail(struct reader *r, gba_err e)
{
    if (r->err == GBA_OK)
        r->err = e;
    XML_StopParser(r->p, XML_FALSE);
}

const char *gba_xml_attribute(const char *const *attributes, const char *name)
{
    for (; *attributes; attributes += 2)
        if (strcmp(attributes[0], name) == 0) /* one of a namespace carries its URI before the name */
            return attributes[1];
    return NULL;
}

static const xml_element *known(const struct reader *r, const char *name, int parent)
{
    const char *sep = strrchr(name, NS_SEP);
    const xml_element *found = NULL;

    for (const xml_element *e = r->d->element; e->name; e++)
        if (strcmp(sep ? sep + 1 : name, e->name) == 0 && (parent == e->parent || parent == e->parent2))
            found = e;
    return found;
}

static gba_err opened(struct reader *r, const char *name, const char *const *attributes)
{
    const xml_element *above = r->depth ? r->stack[r->depth - 1] : NULL, *e;
    gba_err err = GBA_OK;

    if (r->depth == XML_DEPTH)
        return GBA_E_RANGE;
    if (above && above->value)
        return GBA_E_SYNTAX;
    e = known(r, name, !r->depth ? XML_DOCUMENT : above ? above->id : XML_UNKNOWN);
    if (!r->depth && !e)
        return GBA_E_SYNTAX;
    r->stack[r->depth++] = e;
    r->n = 0;
    if (!e)
        return GBA_OK;
    if (e->once && r->seen & UINT32_C(1) << e->id)
        err = GBA_E_SYNTAX;
    r->seen |= UINT32_C(1) << e->id;
    return err == GBA_OK && r->d->begin ? r->d->begin(r->ctx, e->id, attributes) : err;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = user;
    gba_err e = r->err == GBA_OK ? opened(r, name, (const char *const *)attributes) : r->err;
    if (e != GBA_OK)
        fail(r, e);
}

static void on_text(void *user, const XML_Char *s, int len)
{
    struct reader *r = user;
    const xml_element *e = r->depth ? r->stack[r->depth - 1] : NULL;

    if (r->err != GBA_OK || !e || !e->value)
        return;
    if ((size_t)len > XML_TEXT - r->n) {
        fail(r, GBA_E_RANGE);
        return;
    }
    memcpy(r->text + r->n, s, (size_t)len);
    r->n += (size_t)len;
}

static void on_end(void *user, const XML_Char *name)
{
    struct reader *r = user;
    const xml_element *e;
    gba_err err;

    (void)name;
    if (r->err != GBA_OK)
        return;
    e = r->stack[--r->depth];
    if (!e || !e->value)
        return;
    while (r->n && strchr(" \t\r\n", r->text[r->n - 1]))
        r->n--;
    r->text[r->n] = 0;
    err = r->d->value(r->ctx, e->id, r->text + strspn(r->text, " \t\r\n"));
    if (err != GBA_OK)
        fail(r, err);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int internal)
{
    (void)name, (void)sysid, (void)pubid, (void)internal;
    fail(user, GBA_E_SYNTAX);
}

gba_err gba_xml_read(const xml_document *d, gba_span xml, void *ctx)
{
    struct reader r = {.d = d, .ctx = ctx};

    if (xml.n > INT_MAX)
        return GBA_E_RANGE;
    if (!(r.p = XML_ParserCreateNS(d->encoding, NS_SEP)))
        return GBA_E_NOMEM;
    XML_SetUserData(r.p, &r);
    XML_SetElementHandler(r.p, on_start, on_end);
    XML_SetCharacterDataHandler(r.p, on_text);
    XML_SetStartDoctypeDeclHandler(r.p, on_doctype);
    XML_SetParamEntityParsing(r.p, XML_PARAM_ENTITY_PARSING_NEVER);
    if (XML_Parse(r.p, (const char *)xml.p, (int)xml.n, XML_TRUE) != XML_STATUS_OK && r.err == GBA_OK)
        r.err = XML_GetErrorCode(r.p) == XML_ERROR_NO_MEMORY ? GBA_E_NOMEM : GBA_E_SYNTAX;
    XML_ParserFree(r.p);
    return r.err;
}
