/* SPDX-License-Identifier: Apache-2.0 */
/* diameter_none.c - a build without freeDiameter: fd_settings_check has refused the settings before. */
#include "bsf/diameter.h"
#include <stdio.h>

gba_err bsf_diameter_source(const bsf_av *row, store *s, av_source **out)
{
    (void)row, (void)s;
    *out = NULL;
    return GBA_E_UNSUPPORTED;
}

gba_err bsf_diameter_start(const bsf_settings *s, zn *z, char *why, size_t why_n)
{
    (void)s, (void)z;
    snprintf(why, why_n, "this program was built without Diameter");
    return GBA_E_UNSUPPORTED;
}

void bsf_diameter_stop(void)
{
}
