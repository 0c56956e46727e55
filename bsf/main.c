/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - gba-bsfd: the Bootstrapping Server Function (TS 33.220). */
#include "bsf/bsf.h"

static gba_err start(const void *settings, void **state, char *why, size_t why_n)
{
    return bsf_start(settings, (bsf **)state, why, why_n);
}

static gba_err reload(void *state, const void *settings, char *why, size_t why_n)
{
    return bsf_reload(state, settings, why, why_n);
}

static void drain(void *state)
{
    bsf_drain(state);
}

static void stop(void **state)
{
    bsf_stop((bsf **)state);
}

static gba_err ready(void *state, char *why, size_t why_n)
{
    return bsf_ready(state, why, why_n);
}

int main(int argc, char **argv)
{
    static const char *const live[] = {"limits.", NULL};
    static const daemon_spec spec = {
        .name = "gba-bsfd",
        .summary = "bootstraps SIMs over Ub (TS 24.109) and releases NAF keys over Zn (TS 29.309)",
        .table = bsf_settings_table,
        .conf_size = sizeof(bsf_settings),
        .daemon_conf_offset = offsetof(bsf_settings, daemon),
        .check = bsf_settings_check,
        .start = start,
        .reload = reload,
        .live = live,
        .drain = drain,
        .stop = stop,
        .ready = ready,
    };
    return daemon_main(&spec, argc, argv);
}
