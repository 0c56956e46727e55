/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootinfo.c - the application/vnd.3gpp.bsf+xml document (TS 24.109 Annex C), writer
 * and reader. The reader is the only place where OpenGBA touches XML: a document type, and
 * with it every entity, is refused when its first octets are seen, so nothing
 * expands and nothing external is ever asked for.
 */
#include <expat.h>
#include <string.h>

#include "libgba/bootinfo.h"

#define NAMESPACE "uri:3gpp-gba"
#define DEPTH_MAX 16
#define TEXT_MAX 512 /* a B-TID and some white space around it */
#define NS_SEP '\n'

/* ---- writer ---- */

typedef struct writer {
    char *p;
    size_t room, n;
    gba_err e;
} writer;

static void put(writer *w, const char *s)
{
    size_t n = strlen(s);
    if (w->e)
        return;
    if (n >= w->room - w->n) { /* NUL included */
        w->e = GBA_E_SPACE;
        return;
    }
    memcpy(w->p + w->n, s, n + 1);
    w->n += n;
}

static void put_escaped(writer *w, const char *s)
{
    for (; *s; s++) {
        char one[2] = {*s, 0};
        put(w, *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : one);
    }
}

static void put_time(writer *w, const char *open, int64_t t, const char *close)
{
    char text[GBA_TIME_TEXT];
    gba_err e = gba_time_print(t, text);
    if (e) {
        w->e = w->e ? w->e : e;
        return;
    }
    put(w, open);
    put(w, text);
    put(w, close);
}

gba_err gba_bootinfo_print(const gba_bootinfo *b, char *out, size_t *n)
{
    writer w = {out, *n, 0, *n ? GBA_OK : GBA_E_SPACE};
    if (!b->btid.s[0])
        return GBA_E_ARG;
    put(&w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BootstrappingInfo xmlns=\"" NAMESPACE "\">\n  <btid>");
    put_escaped(&w, b->btid.s);
    put(&w, "</btid>\n");
    put_time(&w, "  <lifetime>", b->lifetime, "</lifetime>\n");
    if (b->currenttime)
        put_time(&w, "  <Extension>\n    <currenttime>", b->currenttime, "</currenttime>\n  </Extension>\n");
    put(&w, "</BootstrappingInfo>\n");
    if (!w.e)
        *n = w.n;
    return w.e;
}

/* ---- reader ---- */

typedef enum field { NONE = 0, BTID, LIFETIME, CURRENTTIME, N_FIELDS } field;

typedef struct reader {
    XML_Parser xml;
    gba_err e;
    unsigned depth;
    bool in_extension;
    field field; /* whose text is being collected */
    bool seen[N_FIELDS];
    char text[TEXT_MAX];
    size_t n;
    gba_bootinfo *out;
} reader;

static void fail(reader *r, gba_err e)
{
    if (!r->e)
        r->e = e;
    XML_StopParser(r->xml, XML_FALSE);
}

static bool is_local(const XML_Char *name, const char *local)
{
    const char *sep = strrchr(name, NS_SEP);
    return strcmp(sep ? sep + 1 : name, local) == 0;
}

/* An element's place decides, too: btid inside an unknown element is none of ours. */
static field field_of(const reader *r, const XML_Char *name)
{
    if (r->depth == 2 && is_local(name, "btid"))
        return BTID;
    if (r->depth == 2 && is_local(name, "lifetime"))
        return LIFETIME;
    return r->depth == 3 && r->in_extension && is_local(name, "currenttime") ? CURRENTTIME : NONE;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    reader *r = user;
    (void)attributes;
    if (r->e)
        return;
    r->depth++;
    if (r->depth > DEPTH_MAX)
        fail(r, GBA_E_RANGE);
    else if (r->field != NONE) /* an element inside a simple value */
        fail(r, GBA_E_SYNTAX);
    else if (r->depth == 1 && !is_local(name, "BootstrappingInfo"))
        fail(r, GBA_E_SYNTAX);
    if (r->e)
        return;
    if (r->depth == 2)
        r->in_extension = is_local(name, "Extension");
    r->field = field_of(r, name);
    r->n = 0;
    if (r->field == NONE)
        return;
    if (r->seen[r->field])
        fail(r, GBA_E_SYNTAX);
    r->seen[r->field] = true;
}

static void on_text(void *user, const XML_Char *s, int len)
{
    reader *r = user;
    if (r->e || r->field == NONE)
        return;
    if ((size_t)len > sizeof(r->text) - r->n) {
        fail(r, GBA_E_RANGE);
        return;
    }
    memcpy(r->text + r->n, s, (size_t)len);
    r->n += (size_t)len;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static gba_err take(reader *r)
{
    gba_span t = gba_mem(r->text, r->n);
    while (t.n && is_space(*t.p)) {
        t.p++;
        t.n--;
    }
    while (t.n && is_space(t.p[t.n - 1]))
        t.n--;
    switch (r->field) {
    case BTID:
        return gba_btid_parse(t, &r->out->btid);
    case LIFETIME:
        return gba_time_parse(t, &r->out->lifetime);
    default:
        return gba_time_parse(t, &r->out->currenttime);
    }
}

static void on_end(void *user, const XML_Char *name)
{
    reader *r = user;
    (void)name;
    if (r->e)
        return;
    if (r->field != NONE) {
        gba_err e = take(r);
        if (e)
            fail(r, e);
        r->field = NONE;
    }
    r->depth--;
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int internal)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)internal;
    fail(user, GBA_E_SYNTAX);
}

static gba_err run(reader *r, gba_span xml)
{
    XML_SetUserData(r->xml, r);
    XML_SetElementHandler(r->xml, on_start, on_end);
    XML_SetCharacterDataHandler(r->xml, on_text);
    XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
    XML_SetParamEntityParsing(r->xml, XML_PARAM_ENTITY_PARSING_NEVER);
    if (XML_Parse(r->xml, (const char *)xml.p, (int)xml.n, XML_TRUE) != XML_STATUS_OK) {
        if (r->e)
            return r->e;
        return XML_GetErrorCode(r->xml) == XML_ERROR_NO_MEMORY ? GBA_E_NOMEM : GBA_E_SYNTAX;
    }
    return r->seen[BTID] && r->seen[LIFETIME] ? GBA_OK : GBA_E_SYNTAX;
}

gba_err gba_bootinfo_parse(gba_span xml, gba_bootinfo *out)
{
    memset(out, 0, sizeof(*out));
    if (xml.n > GBA_BOOTINFO_MAX)
        return GBA_E_RANGE;
    /* UTF-8 whatever the document declares (Annex C.1). */
    reader r = {.xml = XML_ParserCreateNS("UTF-8", NS_SEP), .out = out};
    if (!r.xml)
        return GBA_E_NOMEM;
    gba_err e = run(&r, xml);
    XML_ParserFree(r.xml);
    if (e)
        memset(out, 0, sizeof(*out));
    return e;
}
