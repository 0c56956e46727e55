/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diameter.h - the messages of Zh and Zn (TS 29.109 clauses 4 to 6, RFC 6733) as structures and
 * as AVP lists, and the dictionary they need. Pure: how messages travel is fd_stack.c's business.
 */
#ifndef GBA_DIAMETER_H
#define GBA_DIAMETER_H

#include <gba/gba.h>
#include <gba/guss.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GBA_DIA_VENDOR 10415u    /* 3GPP */
#define GBA_DIA_ZH 16777221u     /* TS 29.230 4.1 */
#define GBA_DIA_ZN 16777220u
#define GBA_DIA_MULTIMEDIA_AUTH 303u
#define GBA_DIA_BOOTSTRAPPING_INFO 310u /* registered as "Boostrapping-Info" */
#define GBA_DIA_USER_NAME 1u     /* RFC 6733 8.14: the AVP */

/* RFC 6733 7.1 */
#define GBA_DIA_SUCCESS 2001u
#define GBA_DIA_UNABLE_TO_DELIVER 3002u
#define GBA_DIA_TOO_BUSY 3004u
#define GBA_DIA_MISSING_AVP 5005u
#define GBA_DIA_INVALID_AVP_VALUE 5004u
#define GBA_DIA_UNABLE_TO_COMPLY 5012u
/* TS 29.109 6.2.2, Experimental-Result of vendor 3GPP */
#define GBA_DIA_IDENTITY_UNKNOWN 5401u
#define GBA_DIA_NOT_AUTHORIZED 5402u
#define GBA_DIA_TRANSACTION_IDENTIFIER_INVALID 5403u
#define GBA_DIA_CX_USER_UNKNOWN 5001u          /* TS 29.229, sent by some HSSs on Zh */
#define GBA_DIA_CX_SCHEME_NOT_SUPPORTED 5006u

/* ---- the dictionary, TS 29.109 Table 6.1 and what is reused ---- */
typedef enum gba_dia_type {
    GBA_DIA_OCTETS, GBA_DIA_UTF8, GBA_DIA_UNSIGNED32, GBA_DIA_ENUMERATED, GBA_DIA_TIME, GBA_DIA_GROUPED
} gba_dia_type;
typedef struct gba_dia_def {
    uint32_t code, vendor;
    const char *name;
    gba_dia_type type;
    bool mandatory; /* the M flag; V follows from the vendor */
    bool base;      /* RFC 6733's own: every stack knows it */
} gba_dia_def;
/* Ended by code 0. */
GBA_API extern const gba_dia_def gba_dia_dictionary[];
GBA_API const gba_dia_def *gba_dia_find(uint32_t code, uint32_t vendor);

/* ---- a message's AVPs as a flat list ---- */
#define GBA_DIA_AVPS 64
typedef struct gba_dia_avp {
    uint32_t code, vendor;
    uint8_t depth;  /* 0: in the message; 1: in the Grouped AVP before it; ... */
    gba_span data;  /* Unsigned32, Enumerated and Time as four octets, big-endian; Grouped: empty */
} gba_dia_avp;
typedef struct gba_dia_list {
    size_t n;
    gba_err err; /* sticky: SPACE when something did not fit */
    gba_dia_avp avp[GBA_DIA_AVPS];
    /* octets that writers made up; wiped by gba_dia_list_wipe */
    size_t used;
    uint8_t store[GBA_GUSS_XML_MAX + 4096];
} gba_dia_list;
/* On the heap, empty; NULL: no memory. End it with gba_dia_list_wipe and free. */
GBA_API gba_dia_list *gba_dia_list_new(void) GBA_MUST_USE;
GBA_API void gba_dia_list_wipe(gba_dia_list *l);
/* Appends a copy. */
GBA_API void gba_dia_add(gba_dia_list *l, uint32_t code, uint32_t vendor, unsigned depth, gba_span data);
GBA_API void gba_dia_add_u32(gba_dia_list *l, uint32_t code, uint32_t vendor, unsigned depth, uint32_t v);

/* ---- outcome: Result-Code or Experimental-Result (exactly one) ---- */
typedef struct gba_dia_result {
    uint32_t code;
    uint32_t vendor; /* 0: Result-Code */
} gba_dia_result;
/* What it means to us: OK; UNKNOWN (5401, and Cx 5001); FORBIDDEN (5402, 5006); EXPIRED (5403: B-TID);
 * BUSY (3004); AUTH (5012 to a resynchronisation is the HSS's word for a wrong MAC-S; the
 * caller knows); IO anything transient (3xxx, 4xxx); CORRUPT: permanent and not ours (5xxx). */
GBA_API gba_err gba_dia_meaning(gba_dia_result r);
GBA_API const char *gba_dia_result_name(gba_dia_result r); /* "DIAMETER_ERROR_IDENTITY_UNKNOWN", "5012" ... */

/* ---- Zh: Multimedia-Auth (clause 4.2) ---- */
#define GBA_DIA_SCHEME "Digest-AKAv1-MD5"
typedef struct gba_mar {
    gba_impi impi;
    bool resync; /* SIP-Authorization = RAND || AUTS */
    uint8_t rand[16], auts[14];
    int64_t guss_timestamp; /* of the GUSS the BSF holds, Unix seconds; 0: none */
} gba_mar;
typedef struct gba_maa {
    gba_dia_result result;
    gba_impi impi;        /* empty: absent */
    bool vector;          /* RAND, AUTN, XRES, CK, IK are all there */
    uint8_t rand[16], autn[16];
    gba_secret xres, ck, ik;
    gba_span guss;        /* XML, borrowed from the list; p == NULL: absent, which is no error */
    uint32_t fault;       /* after SYNTAX alone: code of the AVP that is missing, malformed or there twice */
} gba_maa;
GBA_API void gba_maa_wipe(gba_maa *m);
GBA_API gba_err gba_mar_write(const gba_mar *m, gba_dia_list *out) GBA_MUST_USE;
/* SYNTAX: a wrong length or a missing AVP, whose code is then in *missing (0: not missing, bad). */
GBA_API gba_err gba_mar_read(const gba_dia_list *in, gba_mar *out, uint32_t *missing) GBA_MUST_USE;
GBA_API gba_err gba_maa_write(const gba_maa *m, gba_dia_list *out) GBA_MUST_USE;
GBA_API gba_err gba_maa_read(const gba_dia_list *in, gba_maa *out) GBA_MUST_USE;

/* ---- Zn: Bootstrapping-Info (clause 5.2) ---- */
#define GBA_DIA_GSIDS 16
typedef struct gba_bir {
    gba_btid btid;
    gba_naf_id naf;
    size_t n_gsids;
    uint32_t gsids[GBA_DIA_GSIDS];
    bool gba_u_aware;
} gba_bir;
typedef struct gba_bia {
    gba_dia_result result;
    gba_impi impi;          /* empty: the NAF may not know */
    gba_secret me, uicc;    /* ME-Key-Material; UICC-Key-Material n == 0: none */
    int64_t expires, created; /* Unix seconds; 0: absent */
    uint32_t gba_type;      /* 0 3G, 1 2G, 2 GBA_Digest (our reading) */
    gba_span uss_list;      /* XML; p == NULL: absent */
} gba_bia;
GBA_API void gba_bia_wipe(gba_bia *b);
GBA_API gba_err gba_bir_write(const gba_bir *b, gba_dia_list *out) GBA_MUST_USE;
GBA_API gba_err gba_bir_read(const gba_dia_list *in, gba_bir *out, uint32_t *missing) GBA_MUST_USE;
GBA_API gba_err gba_bia_write(const gba_bia *b, gba_dia_list *out) GBA_MUST_USE;
GBA_API gba_err gba_bia_read(const gba_dia_list *in, gba_bia *out) GBA_MUST_USE;

/* Diameter Time: seconds since 1900, wrapping in 2036 (RFC 6733 4.3.1, RFC 5905 era by the nearest to now = 2026..). */
GBA_API uint32_t gba_dia_time(int64_t unix_s);
GBA_API int64_t gba_dia_unix(uint32_t t);

#ifdef __cplusplus
}
#endif
#endif
