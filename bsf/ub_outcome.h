/* SPDX-License-Identifier: Apache-2.0 */
/* ub_outcome.h - how a request on Ub can end: its metric's label, its event and that one's level. */
#ifndef BSF_UB_OUTCOME_H
#define BSF_UB_OUTCOME_H
#include "service/log.h"

typedef enum outcome {
    OUT_CHALLENGE,
    OUT_REPEATED,
    OUT_SUCCESS,
    OUT_RETRANSMISSION,
    OUT_RESYNC,
    OUT_WRONG_RES,
    OUT_AUTS_WRONG,
    OUT_REPLAY,
    OUT_STALE_NONCE,
    OUT_FORGED_NONCE,
    OUT_UNKNOWN_IMPI,
    OUT_UNKNOWN_TMPI,
    OUT_BLOCKED,
    OUT_RES_SHORT,
    OUT_MALFORMED,
    OUT_MISMATCH,
    OUT_LIMITED,
    OUT_METHOD,
    OUT_PATH,
    OUT_UNAVAILABLE,
    OUT_N
} outcome;

typedef struct outcome_names {
    const char *label, *event;
    log_level level;
} outcome_names;
extern const outcome_names outcomes[OUT_N];
#endif
