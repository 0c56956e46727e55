/* SPDX-License-Identifier: Apache-2.0 */
/* zn_diameter.h - Zn over Diameter (TS 29.109 clause 5): a thin skin over zn_release. */
#ifndef BSF_ZN_DIAMETER_H
#define BSF_ZN_DIAMETER_H
#include "bsf/zn.h"
#include "service/fd_settings.h"

/* Between the stack's registration and its start; both are borrowed until it has stopped. */
gba_err zn_diameter_serve(zn *z, const fd_settings *s) GBA_MUST_USE;
#endif
