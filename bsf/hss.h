/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hss.h - a Zh server (TS 29.109 clause 4) over the own AuC and the GUSS store, for networks
 * without an HSS that speaks Zh.
 */
#ifndef BSF_HSS_H
#define BSF_HSS_H
#include "bsf/hss_settings.h"

typedef struct hss hss;
gba_err hss_start(const hss_settings *s, hss **out, char *why, size_t why_n) GBA_MUST_USE;
void hss_stop(hss **h);
gba_err hss_ready(hss *h, char *why, size_t why_n);
#endif
