/* SPDX-License-Identifier: Apache-2.0 */
#include "bsf/ub_outcome.h"

const outcome_names outcomes[OUT_N] = {
    [OUT_CHALLENGE] = {"challenge", "ub.challenge", LOG_LEVEL_DEBUG},
    [OUT_REPEATED] = {"repeated", "ub.repeated", LOG_LEVEL_WARN},
    [OUT_SUCCESS] = {"success", "ub.success", LOG_LEVEL_INFO},
    [OUT_RETRANSMISSION] = {"retransmission", "ub.retransmission", LOG_LEVEL_INFO},
    [OUT_RESYNC] = {"resync", "ub.resync", LOG_LEVEL_INFO},
    [OUT_WRONG_RES] = {"wrong_res", "ub.wrong_res", LOG_LEVEL_WARN},
    [OUT_AUTS_WRONG] = {"auts_wrong", "ub.auts_wrong", LOG_LEVEL_WARN},
    [OUT_REPLAY] = {"replay", "ub.replay", LOG_LEVEL_WARN},
    [OUT_STALE_NONCE] = {"stale_nonce", "ub.stale_nonce", LOG_LEVEL_WARN},
    [OUT_FORGED_NONCE] = {"forged_nonce", "ub.forged_nonce", LOG_LEVEL_WARN},
    [OUT_UNKNOWN_IMPI] = {"unknown_impi", "ub.unknown_impi", LOG_LEVEL_WARN},
    [OUT_UNKNOWN_TMPI] = {"unknown_tmpi", "ub.unknown_tmpi", LOG_LEVEL_WARN},
    [OUT_BLOCKED] = {"blocked", "ub.blocked", LOG_LEVEL_WARN},
    [OUT_RES_SHORT] = {"res_short", "ub.res_short", LOG_LEVEL_WARN},
    [OUT_MALFORMED] = {"malformed", "ub.malformed", LOG_LEVEL_WARN},
    [OUT_MISMATCH] = {"mismatch", "ub.mismatch", LOG_LEVEL_WARN},
    [OUT_LIMITED] = {"limited", "ub.limited", LOG_LEVEL_WARN},
    [OUT_METHOD] = {"method", "ub.method", LOG_LEVEL_WARN},
    [OUT_PATH] = {"path", "ub.path", LOG_LEVEL_WARN},
    [OUT_UNAVAILABLE] = {"unavailable", "ub.unavailable", LOG_LEVEL_ERROR},
};
