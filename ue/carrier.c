/* SPDX-License-Identifier: Apache-2.0 */
/* carrier.c - which carriers this build has: the one place that asks. */
#include "config.h"

#include "ue/carrier.h"

void gba_ue_carrier_free(gba_ue_carrier *c)
{
    if (c->ops && c->ops->close)
        c->ops->close(c->self);
    *c = (gba_ue_carrier){0};
}

#ifndef HAVE_CURL
gba_err gba_ue_carrier_curl(const gba_ue_carrier_config *c, gba_ue_carrier *out)
{
    (void)c;
    *out = (gba_ue_carrier){0};
    return GBA_E_UNSUPPORTED;
}
#endif
