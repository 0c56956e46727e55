/* SPDX-License-Identifier: Apache-2.0 */
/* zn_json.h - BootstrappingInfoRequest and BootstrappingInfoResponse of TS 29.309 6.1.6. */
#ifndef BSF_ZN_JSON_H
#define BSF_ZN_JSON_H
#include "bsf/zn.h"

#define ZN_JSON_REQUEST_MAX 8192 /* octets */
#define ZN_JSON_DEPTH_MAX 8
#define ZN_JSON_ANSWER_MAX 2048
#define ZN_JSON_SETTINGS_MAX 98304 /* an answer with user security settings */

/* What was wrong, in the words of TS 29.500 5.2.7.2; constants, safe to send. */
typedef struct zn_fault {
    const char *cause; /* MANDATORY_IE_MISSING, ... */
    const char *param; /* JSON pointer of the attribute, NULL: the whole body */
    const char *reason;
} zn_fault;
/* Fills btid, naf_id, gba_u_aware and gsids of out; unknown attributes are ignored. SYNTAX,
 * RANGE: *fault says what; NOMEM. */
gba_err zn_json_parse(gba_span body, zn_query *out, zn_fault *fault) GBA_MUST_USE;
/* *n: in, room; out, octets. The text holds keys: wipe it. */
gba_err zn_json_print(const zn_answer *a, char *out, size_t *n) GBA_MUST_USE;
#endif
