/* SPDX-License-Identifier: Apache-2.0 */
/* uicc_soft.h - the software USIM's record, for its file and its fuzz target. */
#ifndef UE_UICC_SOFT_H
#define UE_UICC_SOFT_H

#include <gba/uicc.h>

typedef struct soft_usim {
    gba_impi impi;
    gba_aka_key key;
    gba_sqn_profile sqn;
    gba_sqn_array array;
    bool exportable;
} soft_usim;
void soft_usim_wipe(soft_usim *s);
#define SOFT_USIM_MAX 4096
/* The record inside the sealed file. *n: in, room; out, octets. */
gba_err soft_usim_print(const soft_usim *s, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err soft_usim_parse(gba_span record, soft_usim *out) GBA_MUST_USE;

/* The card behind u when its table is `ops`; else NULL. */
void *ue_uicc_card(const gba_uicc *u, const gba_uicc_ops *ops);
#endif
