/* SPDX-License-Identifier: Apache-2.0 */
/* told.h - what MAF and MEF answer, as their clients read it: the gate, and a MAF of its MEFs. */
#ifndef ONEM2M_TOLD_H
#define ONEM2M_TOLD_H
#include <gba/onem2m.h>
#include <jansson.h>

typedef struct m2m_told {
    gba_secret key;
    int64_t expires;
    unsigned suid; /* of a symmKeyReg */
    char whose[GBA_M2M_ID_MAX + 1];
} m2m_told;
/* SYNTAX; of fetchCredentials FORBIDDEN, too: Status false. */
gba_err m2m_told_key(gba_span json, m2m_told *out) GBA_MUST_USE;   /* symmKeyReg with its key */
gba_err m2m_told_fetch(gba_span json, m2m_told *out) GBA_MUST_USE; /* of fetchCredentials */

/* A member that is visible ASCII and fits; NULL: no JSON, or a name twice. */
json_t *m2m_json_load(gba_span json);
bool m2m_json_text(const json_t *o, const char *name, char *out, size_t room);
#endif
