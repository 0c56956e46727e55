/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - what bootstrapping gave, as a sealed file of the state folder. */
#ifndef UE_SESSION_H
#define UE_SESSION_H

#include <limits.h>
#include <gba/ue.h>

#define UE_SESSION_KIND "SESS"
#define UE_SESSION_MAX 2048

/* Both directions of the record. *n: in, room; out, octets. */
gba_err ue_session_print(const gba_ue_session *s, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err ue_session_parse(gba_span record, gba_ue_session *out) GBA_MUST_USE;

/* A state folder and its key. */
typedef struct ue_state {
    char dir[PATH_MAX - 64];
    gba_secret key;
} ue_state;
/* make: the folder and its key too. UNKNOWN: there is none. */
gba_err ue_state_open(ue_state *s, const char *dir, const gba_uicc_seal *seal, bool make, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
/* One file per IMPI and BSF; the name tells neither. */
gba_err ue_state_path(const ue_state *s, const gba_impi *impi, const gba_fqdn *bsf, char out[PATH_MAX]) GBA_MUST_USE;
gba_err ue_state_load(const ue_state *s, const char *path, gba_ue_session *out, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
gba_err ue_state_save(const ue_state *s, const char *path, const gba_ue_session *session, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
/* Is it still good? OK or EXPIRED; a clock that stands before its making cannot tell. */
gba_err ue_session_good(const gba_ue_session *s, int64_t now) GBA_MUST_USE;
#endif
