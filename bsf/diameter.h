/* SPDX-License-Identifier: Apache-2.0 */
/* diameter.h - what of gba-bsfd speaks Diameter; diameter_none.c stands in for a build without it. */
#ifndef BSF_DIAMETER_H
#define BSF_DIAMETER_H
#include "bsf/av.h"
#include "bsf/settings.h"
#include "bsf/zn.h"

/* The vector source of one entry of `av`. */
gba_err bsf_diameter_source(const bsf_av *row, store *s, av_source **out) GBA_MUST_USE;
/* Connects and serves; the settings' diameter section must be used. Copies it. */
gba_err bsf_diameter_start(const bsf_settings *s, zn *z, char *why, size_t why_n) GBA_MUST_USE;
void bsf_diameter_stop(void); /* every question to an HSS has its end then */
#endif
