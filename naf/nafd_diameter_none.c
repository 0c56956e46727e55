/* SPDX-License-Identifier: Apache-2.0 */
/* nafd_diameter_none.c - a build without freeDiameter: fd_settings_check has refused the settings before. */
#include <stdio.h>
#include <string.h>
#include "naf/nafd.h"

bool nafd_diameter_used(const nafd_settings *s)
{
    const nafd_bsf *b = s->naf.bsfs.v;
    for (size_t i = 0; i < s->naf.bsfs.n; i++)
        if (b[i].dia_realm.s[0])
            return true;
    return false;
}

gba_err nafd_diameter_start(const nafd_settings *s, void **out, char *why, size_t why_n)
{
    (void)s;
    *out = NULL;
    snprintf(why, why_n, "this program was built without Diameter");
    return GBA_E_UNSUPPORTED;
}

bool nafd_diameter_reaches(const nafd_bsf *b)
{
    (void)b;
    return false;
}

gba_err nafd_diameter_fetch(void *zn, const gba_naf_query *q, gba_naf_keys *out)
{
    (void)zn, (void)q;
    memset(out, 0, sizeof *out);
    return GBA_E_UNSUPPORTED;
}

void nafd_diameter_stop(void **zn)
{
    *zn = NULL;
}
