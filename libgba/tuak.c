/* SPDX-License-Identifier: Apache-2.0 */
/* tuak.c - the TUAK algorithm set (TS 35.231), on Keccak-f[1600]. */
#include <string.h>
#include <libgba/aka_set.h>
#include <libgba/crypt.h>

#define TUAK_STATE 200 /* octets of Keccak-f[1600] */

/* INSTANCE (TS 35.231 6.2..6.5): the function in the two first bits, then lengths, the
 * length of K in the last. */
enum { FOR_TOPC = 0x00, FOR_F1 = 0x00, FOR_F1_STAR = 0x80, FOR_F2345 = 0x40, FOR_F5_STAR = 0xc0 };
enum { CK_256 = 0x04, IK_256 = 0x02, K_256 = 0x01 };

/* Of MAC or RES in octets: 4 -> 000, 8 -> 001, 16 -> 010, 32 -> 100. */
static uint8_t length_bits(uint8_t len)
{
    return len == 4 ? 0 : len;
}

/* TS 35.231 6.1 numbers IN and OUT from the other end: every field goes in and comes out
 * with its octets reversed. */
static void put_reversed(uint8_t *at, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = p[n - 1 - i];
}

static void get_reversed(const uint8_t *at, uint8_t *p, size_t n)
{
    put_reversed(p, at, n);
}

/* OUT = Keccak^iterations(IN); octets enter the lanes little end first (FIPS 202 B.1). */
static void permute(uint8_t s[TUAK_STATE], unsigned iterations)
{
    uint64_t lane[TUAK_STATE / 8] = {0};
    for (int i = 0; i < TUAK_STATE; i++)
        lane[i / 8] |= (uint64_t)s[i] << (8 * (i % 8));
    for (unsigned i = 0; i < iterations; i++)
        crypt_keccak_f1600(lane);
    for (int i = 0; i < TUAK_STATE; i++)
        s[i] = (uint8_t)(lane[i / 8] >> (8 * (i % 8)));
    gba_wipe(lane, sizeof lane);
}

/* What a function feeds in besides TOP(c), K and INSTANCE; NULL stands for zeros. */
typedef struct tuak_in {
    const uint8_t *rand, *amf, *sqn;
} tuak_in;

static void tuak_run(const gba_secret *top, const gba_secret *k, uint8_t instance, const tuak_in *in,
                     uint8_t iterations, uint8_t s[TUAK_STATE])
{
    static const uint8_t algoname[7] = "TUAK1.0";
    memset(s, 0, TUAK_STATE);
    put_reversed(s, top->o, 32);
    s[32] = instance | (k->n == 32 ? K_256 : 0);
    put_reversed(s + 33, algoname, 7);
    if (in->rand)
        put_reversed(s + 40, in->rand, 16);
    if (in->amf)
        put_reversed(s + 56, in->amf, 2);
    if (in->sqn)
        put_reversed(s + 58, in->sqn, 6);
    put_reversed(s + 64, k->o, k->n);
    s[96] = 0x1f; /* padding */
    s[135] = 0x80;
    permute(s, iterations);
}

static bool one_of(uint8_t v, const uint8_t *allowed)
{
    while (*allowed && *allowed != v)
        allowed++;
    return *allowed != 0;
}

static gba_err tuak_check(gba_aka_key *k)
{
    static const uint8_t mac[] = {8, 16, 32, 0}, res[] = {4, 8, 16, 32, 0}, key[] = {16, 32, 0};
    aka_default(&k->mac_len, 8);
    aka_default(&k->res_len, 8);
    aka_default(&k->ck_len, 16);
    aka_default(&k->ik_len, 16);
    aka_default(&k->keccak_iterations, 1);
    if ((k->k.n != 16 && k->k.n != 32) || k->opc.n != 32)
        return GBA_E_RANGE;
    if (!one_of(k->mac_len, mac) || !one_of(k->res_len, res) || !one_of(k->ck_len, key) || !one_of(k->ik_len, key))
        return GBA_E_RANGE;
    return GBA_OK;
}

static void tuak_opc(const gba_secret *k, const gba_secret *top, uint8_t iterations, gba_secret *topc)
{
    uint8_t s[TUAK_STATE];
    tuak_run(top, k, FOR_TOPC, &(tuak_in){0}, iterations, s);
    get_reversed(s, topc->o, 32);
    topc->n = 32;
    gba_wipe(s, sizeof s);
}

static void tuak_f1(const gba_aka_key *k, const uint8_t rand[16], const uint8_t sqn[6], const uint8_t amf[2], bool star,
                    uint8_t *mac)
{
    uint8_t s[TUAK_STATE], instance = (star ? FOR_F1_STAR : FOR_F1) | length_bits(k->mac_len);
    tuak_run(&k->opc, &k->k, instance, &(tuak_in){rand, amf, sqn}, k->keccak_iterations, s);
    get_reversed(s, mac, k->mac_len);
    gba_wipe(s, sizeof s);
}

static void tuak_f2345(const gba_aka_key *k, const uint8_t rand[16], gba_secret *res, gba_secret *ck, gba_secret *ik,
                       uint8_t ak[6])
{
    uint8_t s[TUAK_STATE], instance = FOR_F2345 | length_bits(k->res_len);
    instance |= (k->ck_len == 32 ? CK_256 : 0) | (k->ik_len == 32 ? IK_256 : 0);
    tuak_run(&k->opc, &k->k, instance, &(tuak_in){.rand = rand}, k->keccak_iterations, s);
    get_reversed(s, res->o, res->n = k->res_len);
    get_reversed(s + 32, ck->o, ck->n = k->ck_len);
    get_reversed(s + 64, ik->o, ik->n = k->ik_len);
    get_reversed(s + 96, ak, 6);
    gba_wipe(s, sizeof s);
}

static void tuak_f5_star(const gba_aka_key *k, const uint8_t rand[16], uint8_t ak[6])
{
    uint8_t s[TUAK_STATE];
    tuak_run(&k->opc, &k->k, FOR_F5_STAR, &(tuak_in){.rand = rand}, k->keccak_iterations, s);
    get_reversed(s + 96, ak, 6);
    gba_wipe(s, sizeof s);
}

const aka_set tuak_set = {
    .name = "tuak",
    .check = tuak_check,
    .opc = tuak_opc,
    .op_len = 32,
    .f1 = tuak_f1,
    .f2345 = tuak_f2345,
    .f5_star = tuak_f5_star,
};
