/* SPDX-License-Identifier: Apache-2.0 */
/* bootinfo.h - the application/vnd.3gpp.bsf+xml document (TS 24.109 Annex C). */
#ifndef LIBGBA_BOOTINFO_H
#define LIBGBA_BOOTINFO_H
#include <gba/gba.h>

#define GBA_BOOTINFO_TYPE "application/vnd.3gpp.bsf+xml"
#define GBA_BOOTINFO_MAX 16384 /* a longer document is RANGE */

typedef struct gba_bootinfo {
    gba_btid btid;
    int64_t lifetime;    /* Unix seconds, UTC */
    int64_t currenttime; /* 0: absent */
} gba_bootinfo;

/* *n: in, room; out, octets. */
gba_err gba_bootinfo_print(const gba_bootinfo *b, char *out, size_t *n) GBA_MUST_USE;
/* By local name, any or no namespace; unknown elements and attributes ignored; a DTD or
 * entity declaration, a second btid or lifetime, is SYNTAX. */
gba_err gba_bootinfo_parse(gba_span xml, gba_bootinfo *out) GBA_MUST_USE;
#endif
