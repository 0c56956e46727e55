/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - the names and texts of gba_err. */
#include <gba/gba.h>

static const struct {
    const char *name, *text;
} errs[] = {
    [GBA_OK] = {"ok", "success"},
    [GBA_E_ARG] = {"arg", "wrong argument"},
    [GBA_E_SPACE] = {"space", "buffer too small"},
    [GBA_E_NOMEM] = {"nomem", "out of memory"},
    [GBA_E_UNSUPPORTED] = {"unsupported", "not supported"},
    [GBA_E_SYNTAX] = {"syntax", "malformed"},
    [GBA_E_RANGE] = {"range", "outside the allowed range"},
    [GBA_E_AUTH] = {"auth", "authentication failed"},
    [GBA_E_FORBIDDEN] = {"forbidden", "not allowed"},
    [GBA_E_STALE] = {"stale", "expired, used or outdated"},
    [GBA_E_SYNC] = {"sync", "SQN out of range"},
    [GBA_E_UNKNOWN] = {"unknown", "not found"},
    [GBA_E_EXPIRED] = {"expired", "lifetime is over"},
    [GBA_E_BUSY] = {"busy", "overloaded or timed out"},
    [GBA_E_IO] = {"io", "unreachable or failed input/output"},
    [GBA_E_CORRUPT] = {"corrupt", "damaged data or missing key"},
};

const char *gba_err_text(gba_err e)
{
    return (unsigned)e < sizeof errs / sizeof *errs ? errs[e].text : "unknown error";
}

const char *gba_err_name(gba_err e)
{
    return (unsigned)e < sizeof errs / sizeof *errs ? errs[e].name : "unknown-error";
}
