/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - SipHash-2-4 under a random key of the process: where a stranger chooses what is
 * hashed, the place in a fixed table must not be his to choose.
 */
#ifndef BSF_HASH_H
#define BSF_HASH_H
#include <gba/gba.h>
#include <string.h>

typedef struct bsf_hash_key {
    uint64_t k0, k1;
} bsf_hash_key;

static inline uint64_t bsf_rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static inline void bsf_sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = bsf_rotl(v[1], 13) ^ v[0];
    v[0] = bsf_rotl(v[0], 32);
    v[2] += v[3];
    v[3] = bsf_rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = bsf_rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = bsf_rotl(v[1], 17) ^ v[2];
    v[2] = bsf_rotl(v[2], 32);
}

static inline uint64_t bsf_hash(const bsf_hash_key *k, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t v[4] = {k->k0 ^ UINT64_C(0x736f6d6570736575), k->k1 ^ UINT64_C(0x646f72616e646f6d),
                     k->k0 ^ UINT64_C(0x6c7967656e657261), k->k1 ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)n << 56;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t m = 0;
        for (int i = 7; i >= 0; i--)
            m = m << 8 | p[i];
        v[3] ^= m;
        bsf_sip_round(v);
        bsf_sip_round(v);
        v[0] ^= m;
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    bsf_sip_round(v);
    bsf_sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        bsf_sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
#endif
