/* SPDX-License-Identifier: Apache-2.0 */
/* hssd.c - gba-hssd: a small HSS for GBA (Zh of TS 29.109). */
#include "bsf/hss.h"

static gba_err start(const void *settings, void **state, char *why, size_t why_n)
{
    return hss_start(settings, (hss **)state, why, why_n);
}

static gba_err reload(void *state, const void *settings, char *why, size_t why_n)
{
    (void)state, (void)settings, (void)why, (void)why_n;
    return GBA_OK; /* the event config.restart_needed names what differs */
}

static void drain(void *state)
{
    (void)state; /* peers learn of it by a Disconnect-Peer-Request when it stops */
}

static void stop(void **state)
{
    hss_stop((hss **)state);
}

static gba_err ready(void *state, char *why, size_t why_n)
{
    return hss_ready(state, why, why_n);
}

int main(int argc, char **argv)
{
    static const char *const live[] = {NULL};
    static const daemon_spec spec = {
        .name = "gba-hssd",
        .summary = "gives BSFs vectors and user security settings over Zh (TS 29.109)",
        .table = hss_settings_table,
        .conf_size = sizeof(hss_settings),
        .daemon_conf_offset = offsetof(hss_settings, daemon),
        .check = hss_settings_check,
        .start = start,
        .reload = reload,
        .live = live,
        .drain = drain,
        .stop = stop,
        .ready = ready,
    };
    return daemon_main(&spec, argc, argv);
}
