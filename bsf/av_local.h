/* SPDX-License-Identifier: Apache-2.0 */
/*
 * av_local.h - the BSF's own AuC over the store. SQN without a write per challenge: TS 33.102
 * C.1.1.3 time-based, SEQ = tick + the subscriber's offset, IND = replica.ind. Ticks are taken
 * from a fixed table (one slot a hash of the IMPI), so that no IMPI sees one twice, and lie
 * below a mark that is durable before it is reached: after kill -9 or a step of the clock the
 * next process begins at the mark.
 */
#ifndef BSF_AV_LOCAL_H
#define BSF_AV_LOCAL_H
#include "bsf/av.h"
#include "service/store.h"

#define AV_RESERVE_TICKS 600 /* 60 s */

gba_err av_local_new(store *s, unsigned ind, av_source **out, char *why, size_t why_n) GBA_MUST_USE;
/* Housekeeping, about once a second: moves the mark ahead of time. */
gba_err av_local_tick(av_source *s) GBA_MUST_USE;
#endif
