/* SPDX-License-Identifier: Apache-2.0 */
/* bsf.h - the service object: what gba-bsfd is made of, brought up in order and down in reverse. */
#ifndef BSF_BSF_H
#define BSF_BSF_H
#include "bsf/settings.h"

typedef struct bsf bsf;
gba_err bsf_start(const bsf_settings *s, bsf **out, char *why, size_t why_n) GBA_MUST_USE;
/* Limits, address ranges and certificates change; the rest is named in the log. */
gba_err bsf_reload(bsf *b, const bsf_settings *s, char *why, size_t why_n) GBA_MUST_USE;
void bsf_drain(bsf *b);
void bsf_stop(bsf **b);
/* OK while somebody can bootstrap. */
gba_err bsf_ready(bsf *b, char *why, size_t why_n) GBA_MUST_USE;
#endif
