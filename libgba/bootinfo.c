/* SPDX-License-Identifier: Apache-2.0 */
/* bootinfo.c - the application/vnd.3gpp.bsf+xml document (TS 24.109 Annex C), writer and reader. */
#include "libgba/bootinfo.h"
#include <string.h>
#include "libgba/xml.h"

#define NAMESPACE "uri:3gpp-gba"

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
enum { INFO = 1, BTID, LIFETIME, EXTENSION, CURRENTTIME };
/* An element's place decides, too: btid inside an unknown element is none of ours. */
static const xml_element elements[] = {
    {.name = "BootstrappingInfo", .id = INFO, .parent = XML_DOCUMENT},
    {.name = "btid", .id = BTID, .parent = INFO, .value = true, .once = true},
    {.name = "lifetime", .id = LIFETIME, .parent = INFO, .value = true, .once = true},
    {.name = "Extension", .id = EXTENSION, .parent = INFO},
    {.name = "currenttime", .id = CURRENTTIME, .parent = EXTENSION, .value = true, .once = true},
    {0},
};

typedef struct found {
    gba_bootinfo *out;
    bool lifetime;
} found;

static gba_err value(void *ctx, int id, const char *t)
{
    found *f = ctx;
    if (id == BTID)
        return gba_btid_parse(gba_str(t), &f->out->btid);
    f->lifetime |= id == LIFETIME;
    return gba_time_parse(gba_str(t), id == LIFETIME ? &f->out->lifetime : &f->out->currenttime);
}

gba_err gba_bootinfo_parse(gba_span xml, gba_bootinfo *out)
{
    /* UTF-8 whatever the document declares (Annex C.1). */
    static const xml_document d = {.encoding = "UTF-8", .element = elements, .value = value};
    found f = {.out = out};
    gba_err e = GBA_E_RANGE;

    memset(out, 0, sizeof(*out));
    if (xml.n <= GBA_BOOTINFO_MAX)
        e = gba_xml_read(&d, xml, &f);
    if (e == GBA_OK && (!out->btid.s[0] || !f.lifetime))
        e = GBA_E_SYNTAX;
    if (e != GBA_OK)
        memset(out, 0, sizeof(*out));
    return e;
}
