/* SPDX-License-Identifier: Apache-2.0 */
/* aka_set.h - an AKA algorithm set: a row of the table in aka.c. */
#ifndef LIBGBA_AKA_SET_H
#define LIBGBA_AKA_SET_H
#include <gba/aka.h>

/* Keys come checked (gba_aka_key_check), with every length filled in. */
typedef struct aka_set {
    const char *name;
    gba_err (*check)(gba_aka_key *k); /* lengths; fills defaults */
    void (*opc)(const gba_secret *k, const gba_secret *op, uint8_t iterations, gba_secret *opc);
    size_t op_len;
    /* f1, or f1* when star; mac: k->mac_len octets */
    void (*f1)(const gba_aka_key *k, const uint8_t rand[16], const uint8_t sqn[6], const uint8_t amf[2], bool star,
               uint8_t *mac);
    void (*f2345)(const gba_aka_key *k, const uint8_t rand[16], gba_secret *res, gba_secret *ck, gba_secret *ik,
                  uint8_t ak[6]);
    void (*f5_star)(const gba_aka_key *k, const uint8_t rand[16], uint8_t ak[6]);
} aka_set;

extern const aka_set milenage_set, tuak_set;

/* Takes 0 for the default. */
static inline bool aka_default(uint8_t *v, uint8_t normal)
{
    if (*v == 0)
        *v = normal;
    return *v == normal;
}
#endif
