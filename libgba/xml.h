/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.h - the one reader of XML documents: GUSS and ussList (TS 29.109 Annex A), bsf+xml (TS 24.109 Annex C).
 * Elements are known by local name, in any namespace or none, and by the element that they stand in; what is
 * unknown is passed over with all that it holds. A document type, and with it every entity, is SYNTAX.
 */
#ifndef LIBGBA_XML_H
#define LIBGBA_XML_H
#include <gba/gba.h>

#define XML_DEPTH 16                          /* what is deeper is RANGE */
#define XML_TEXT 512                          /* likewise a longer value, the white space around it included */
enum { XML_UNKNOWN = -1, XML_DOCUMENT = 31 }; /* ids of elements: 1 to 30 */

typedef struct xml_element {
    const char *name;
    int id, parent, parent2; /* parent2: 0, or another that it may stand in */
    bool value;              /* simple content: an element inside is SYNTAX */
    bool once;               /* a second one in the document is SYNTAX */
} xml_element;

typedef struct xml_document {
    const char *encoding;       /* whatever the document declares; NULL: what it declares */
    const xml_element *element; /* up to one without a name; the last that fits counts */
    /* Both borrow their texts; what is not OK ends the reading. begin may be NULL. */
    gba_err (*begin)(void *ctx, int id, const char *const *attributes);
    gba_err (*value)(void *ctx, int id, const char *text); /* white space around it is gone */
} xml_document;

gba_err gba_xml_read(const xml_document *d, gba_span xml, void *ctx) GBA_MUST_USE;
/* The attribute of that name and of no namespace, or NULL. */
const char *gba_xml_attribute(const char *const *attributes, const char *name);
#endif
