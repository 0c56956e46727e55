/* SPDX-License-Identifier: Apache-2.0 */
/* sqn.c - sequence numbers after TS 33.102 Annex C: SQN = SEQ || IND. */
#include <gba/aka.h>

const gba_sqn_profile gba_sqn_default = {.ind_bits = 5, .delta = UINT64_C(1) << 28, .limit = 0};

static uint64_t ind_mask(const gba_sqn_profile *p)
{
    return (UINT64_C(1) << p->ind_bits) - 1;
}

uint64_t gba_sqn_make(const gba_sqn_profile *p, uint64_t seq, unsigned ind)
{
    return (seq << p->ind_bits | (ind & ind_mask(p))) & GBA_SQN_MAX;
}

uint64_t gba_sqn_seq(const gba_sqn_profile *p, uint64_t sqn)
{
    return (sqn & GBA_SQN_MAX) >> p->ind_bits;
}

unsigned gba_sqn_ind(const gba_sqn_profile *p, uint64_t sqn)
{
    return (unsigned)(sqn & ind_mask(p));
}

uint64_t gba_sqn_ms(const gba_sqn_profile *p, const gba_sqn_array *a)
{
    uint64_t highest = 0;
    for (unsigned ind = 0; ind <= ind_mask(p); ind++) {
        uint64_t sqn = gba_sqn_make(p, a->seq[ind], ind);
        if (sqn > highest)
            highest = sqn;
    }
    return highest;
}

gba_err gba_sqn_fresh(const gba_sqn_profile *p, const gba_sqn_array *a, uint64_t sqn)
{
    uint64_t seq = gba_sqn_seq(p, sqn), seq_ms = gba_sqn_seq(p, gba_sqn_ms(p, a));
    /* C.2.1: no jump beyond delta, so that a faulty AuC cannot force a wrap-around */
    if (seq > seq_ms && seq - seq_ms > p->delta)
        return GBA_E_SYNC;
    /* C.2.2: the age limit L, before the array is looked at */
    if (p->limit && seq_ms > seq && seq_ms - seq >= p->limit)
        return GBA_E_SYNC;
    return seq > a->seq[gba_sqn_ind(p, sqn)] ? GBA_OK : GBA_E_SYNC;
}

void gba_sqn_accept(const gba_sqn_profile *p, gba_sqn_array *a, uint64_t sqn)
{
    a->seq[gba_sqn_ind(p, sqn)] = gba_sqn_seq(p, sqn);
}

bool gba_sqn_next_ok(const gba_sqn_profile *p, uint64_t sqn_ms, uint64_t next)
{
    uint64_t seq = gba_sqn_seq(p, next), seq_ms = gba_sqn_seq(p, sqn_ms);
    return next <= GBA_SQN_MAX && seq > seq_ms && seq - seq_ms <= p->delta;
}
