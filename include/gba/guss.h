/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guss.h - GBA user security settings (TS 33.220 4.2.3, TS 29.109 Annex A): the GUSS of a
 * subscriber, the ussList that a NAF gets, both ways, and the rule that filters one into the other.
 */
#ifndef GBA_GUSS_H
#define GBA_GUSS_H

#include <gba/gba.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gba_key_choice { GBA_KEY_ANY = 0, GBA_KEY_ME, GBA_KEY_UICC, GBA_KEY_BOTH } gba_key_choice;

#define GBA_USS_MAX 16
#define GBA_USS_IDS 8
#define GBA_USS_FLAGS 16
/* A user security setting (TS 29.109 Annex A, TS 29.309 Uss). */
typedef struct gba_uss {
    uint32_t gsid, type; /* GAA service identifier and service type code (Annex B) */
    gba_key_choice key_choice;
    size_t n_flags, n_ids;
    uint32_t flags[GBA_USS_FLAGS];
    char ids[GBA_USS_IDS][GBA_ID_MAX + 1]; /* UTF-8 without control octets or quotes */
    char naf_group[GBA_ID_MAX + 1];        /* empty: fits every NAF */
} gba_uss;

typedef enum gba_uicc_type { GBA_UICC_GBA = 0, GBA_UICC_GBA_U } gba_uicc_type;
typedef struct gba_guss {
    char id[GBA_ID_MAX + 1]; /* the IMPI, or empty */
    gba_uicc_type uicc_type;
    int64_t lifetime;  /* of keys, seconds; 0: the BSF's default */
    int64_t timestamp; /* Unix seconds; 0: none */
    char security_features[GBA_ID_MAX + 1];
    size_t n_uss;
    gba_uss uss[GBA_USS_MAX];
} gba_guss;

#define GBA_GUSS_XML_MAX 65536 /* a longer document is RANGE */
/* A `guss` document (Zh) or a bare `ussList` (Zn). By local name: the Rel-9, the Rel-6 and no
 * namespace, elements in any order, unknown ones skipped. A DTD, a second guss or bsfInfo, a uss
 * without id or type is SYNTAX; more entries than fit is RANGE: nothing is cut off silently. */
GBA_API gba_err gba_guss_parse(gba_span xml, gba_guss *out) GBA_MUST_USE;
/* Rel-9 namespace. *n: in, room; out, octets. */
GBA_API gba_err gba_guss_print(const gba_guss *g, char *out, size_t *n) GBA_MUST_USE;
/* The ussList element of these settings alone, as a NAF gets it. */
GBA_API gba_err gba_usslist_print(const gba_uss *uss, size_t n_uss, char *out, size_t *n) GBA_MUST_USE;
/* Which settings this NAF may see: those whose GSID was asked for, and whose nafGroup is absent or
 * `group` (TS 33.220 4.5.3). Copies at most GBA_USS_MAX into `out`; returns how many. */
GBA_API size_t gba_guss_select(const gba_guss *g, const uint32_t *gsids, size_t n_gsids, const char *group,
                               gba_uss out[GBA_USS_MAX]);
GBA_API const char *gba_key_choice_name(gba_key_choice k); /* "ME-based-key" ...; NULL for ANY */

#ifdef __cplusplus
}
#endif
#endif
