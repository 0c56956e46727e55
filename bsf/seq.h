/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seq.h - time-based sequence numbers (TS 33.102 C.1.1.3): SEQ = ticks of a clock + an offset
 * that belongs to the subscriber. av_local.c issues them; gba-bsfctl sets the offset.
 */
#ifndef BSF_SEQ_H
#define BSF_SEQ_H
#include <gba/aka.h>

#define SEQ_TICK_MS 100 /* C.3.2's unit: 0.1 s */
static inline uint64_t seq_tick(int64_t now_ms)
{
    return now_ms > 0 ? (uint64_t)now_ms / SEQ_TICK_MS : 0;
}
/* The offset with which the SEQ issued at `tick` is the one after SQN `sqn`. */
static inline int64_t seq_offset_at(uint64_t sqn, uint64_t tick)
{
    return (int64_t)gba_sqn_seq(&gba_sqn_default, sqn) + 1 - (int64_t)tick;
}
/* For a new subscriber whose card has accepted `sqn` last (0: a new card). */
static inline int64_t seq_offset_for(uint64_t sqn, int64_t now_ms)
{
    return seq_offset_at(sqn, seq_tick(now_ms));
}
#endif
