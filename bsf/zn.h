/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zn.h - key release: may this NAF have this key? (TS 33.220 4.5.3, 4.4.6). Knows no transport:
 * HTTP (zn_http.c) and Diameter are thin skins over zn_release. Ks never leaves.
 */
#ifndef BSF_ZN_H
#define BSF_ZN_H
#include <gba/gba.h>
#include <gba/guss.h>
#include "service/store.h"

typedef struct zn zn;
/* The store is borrowed for zn's life. */
gba_err zn_new(store *s, zn **out) GBA_MUST_USE;
void zn_free(zn **z);

#define ZN_NAMES_MAX 16
#define ZN_GSIDS_MAX 128
typedef struct zn_query {
    const gba_fqdn *names; /* of the peer, authenticated: the dNSNames of its verified certificate */
    size_t n_names;
    const char *source; /* its address, for the audit line; may be NULL */
    gba_btid btid;
    gba_naf_id naf_id;
    bool gba_u_aware;
    uint32_t gsid[ZN_GSIDS_MAX];
    size_t n_gsids;
} zn_query;

typedef struct zn_answer {
    gba_secret me_key;   /* Ks_NAF, Ks_ext_NAF */
    gba_secret uicc_key; /* Ks_int_NAF of a GBA_U session for a GBA_U aware NAF, else empty */
    int64_t expires, created;
    uint8_t gba_type; /* as in rec_session */
    gba_impi impi;    /* empty unless a grant releases it */
    gba_uss *uss;     /* settings that were asked for and that a grant covers; NULL: none */
    size_t n_uss;
} zn_answer;
void zn_answer_wipe(zn_answer *a); /* frees the settings */

/*
 * Authorisation comes first, so that a stranger learns nothing of the B-TIDs that exist.
 * AUTH: no authenticated name. FORBIDDEN: no grant covers this NAF_Id. UNKNOWN, EXPIRED: no such
 * live session. UNSUPPORTED: a session of a flavour that releases no key yet. BUSY, IO, CORRUPT:
 * the store. Before the key is told to the books `print` (may be NULL) makes the answer that will be sent of it: a key
 * that cannot be sent was not released. Writes one audit line and counts gba_zn_total{result}. Thread-safe.
 */
typedef gba_err zn_print(void *ctx, const zn_answer *a);
gba_err zn_release(zn *z, const zn_query *q, int64_t now, zn_answer *out, zn_print *print, void *ctx) GBA_MUST_USE;
/* The same line and count for a request that never became a query. */
void zn_refused(const char *naf, const char *source, const char *reason);
#endif
