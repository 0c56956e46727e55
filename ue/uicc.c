/* SPDX-License-Identifier: Apache-2.0 */
/* uicc.c - the card's seam: one table of functions a kind of card. */
#include <gba/uicc.h>

#include <stdlib.h>
#include <string.h>

#include "ue/uicc_soft.h"

struct gba_uicc {
    const gba_uicc_ops *ops;
    void *card;
};

void gba_uicc_answer_wipe(gba_uicc_answer *a)
{
    gba_wipe(a, sizeof *a);
}

gba_err gba_uicc_new(const gba_uicc_ops *ops, void *card, gba_uicc **out)
{
    *out = NULL;
    if (!ops || !ops->impi || !ops->boot || !ops->close || !ops->lock != !ops->unlock)
        return GBA_E_ARG;
    gba_uicc *u = calloc(1, sizeof *u);
    if (!u)
        return GBA_E_NOMEM;
    u->ops = ops;
    u->card = card;
    *out = u;
    return GBA_OK;
}

void gba_uicc_free(gba_uicc **u)
{
    if (!*u)
        return;
    (*u)->ops->close((*u)->card);
    free(*u);
    *u = NULL;
}

const char *gba_uicc_name(const gba_uicc *u)
{
    return u->ops->name;
}

gba_err gba_uicc_impi(gba_uicc *u, gba_impi *out)
{
    memset(out, 0, sizeof *out);
    return u->ops->impi(u->card, out);
}

gba_err gba_uicc_boot(gba_uicc *u, const uint8_t rand[16], const uint8_t autn[16], gba_uicc_answer *out)
{
    memset(out, 0, sizeof *out);
    gba_err e = u->ops->boot(u->card, rand, autn, out);
    if (e && e != GBA_E_SYNC)
        gba_uicc_answer_wipe(out);
    return e;
}

gba_err gba_uicc_keep(gba_uicc *u, const gba_btid *btid, const char *lifetime)
{
    return u->ops->keep ? u->ops->keep(u->card, btid, lifetime) : GBA_OK;
}

gba_err gba_uicc_naf_key(gba_uicc *u, const gba_uicc_ks *ks, const uint8_t rand[16], const gba_impi *impi,
                         const gba_naf_id *naf, gba_secret *out)
{
    gba_secret_wipe(out);
    if (!ks->on_card) /* TS 33.220 B.3, in the ME */
        return gba_ks_naf(GBA_KS_NAF, &ks->ks, gba_mem(rand, 16), impi, naf, out);
    if (!u || !u->ops->derive)
        return GBA_E_UNSUPPORTED;
    return u->ops->derive(u->card, naf, impi, out);
}

gba_err gba_uicc_lock(gba_uicc *u)
{
    return u->ops->lock ? u->ops->lock(u->card) : GBA_OK;
}

void gba_uicc_unlock(gba_uicc *u)
{
    if (u->ops->unlock)
        u->ops->unlock(u->card);
}

bool gba_uicc_exportable(const gba_uicc *u)
{
    return u->ops->exportable && u->ops->exportable(u->card);
}

const char *gba_uicc_text(const gba_uicc *u)
{
    const char *text = u->ops->text ? u->ops->text(u->card) : NULL;
    return text ? text : "";
}

void *ue_uicc_card(const gba_uicc *u, const gba_uicc_ops *ops)
{
    return u->ops == ops ? u->card : NULL;
}
