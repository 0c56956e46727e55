/* SPDX-License-Identifier: Apache-2.0 */
/* milenage.c - the Milenage algorithm set (TS 35.206). */
#include <string.h>
#include <libgba/aka_set.h>
#include <libgba/crypt.h>

#define BLOCK 16

/* TS 35.206 4.1: the rotations r1..r5 in octets and the constants c1..c5, which are zero
 * but for the last octet. */
enum { OUT1, OUT2, OUT3, OUT4, OUT5 };
static const struct {
    uint8_t rotate, last;
} out_constants[] = {[OUT1] = {8, 0}, [OUT2] = {0, 1}, [OUT3] = {4, 2}, [OUT4] = {8, 4}, [OUT5] = {12, 8}};

typedef struct milenage {
    crypt_aes128 aes;
    const uint8_t *opc;
    uint8_t temp[BLOCK];
} milenage;

static void xor_block(uint8_t *d, const uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < BLOCK; i++)
        d[i] = a[i] ^ b[i];
}

/* TEMP = E_K(RAND xor OPc) */
static void milenage_begin(milenage *m, const gba_aka_key *k, const uint8_t rand[BLOCK])
{
    m->opc = k->opc.o;
    crypt_aes128_key(&m->aes, k->k.o);
    xor_block(m->temp, rand, m->opc);
    crypt_aes128_block(&m->aes, m->temp, m->temp);
}

/* OUTn = E_K(rot(in xor OPc, rn) xor cn xor extra) xor OPc */
static void milenage_out(const milenage *m, int which, const uint8_t in[BLOCK], const uint8_t extra[BLOCK],
                         uint8_t out[BLOCK])
{
    uint8_t x[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        int from = (i + out_constants[which].rotate) % BLOCK;
        x[i] = in[from] ^ m->opc[from];
    }
    x[BLOCK - 1] ^= out_constants[which].last;
    if (extra)
        xor_block(x, x, extra);
    crypt_aes128_block(&m->aes, x, out);
    xor_block(out, out, m->opc);
    gba_wipe(x, sizeof x);
}

static gba_err milenage_check(gba_aka_key *k)
{
    if (k->k.n != 16 || k->opc.n != 16 || k->keccak_iterations != 0)
        return GBA_E_RANGE;
    if (!aka_default(&k->mac_len, 8) || !aka_default(&k->res_len, 8) || !aka_default(&k->ck_len, 16) ||
        !aka_default(&k->ik_len, 16))
        return GBA_E_RANGE;
    return GBA_OK;
}

/* OPc = E_K(OP) xor OP */
static void milenage_opc(const gba_secret *k, const gba_secret *op, uint8_t iterations, gba_secret *opc)
{
    crypt_aes128 aes;
    (void)iterations;
    crypt_aes128_key(&aes, k->o);
    crypt_aes128_block(&aes, op->o, opc->o);
    xor_block(opc->o, opc->o, op->o);
    opc->n = BLOCK;
    gba_wipe(&aes, sizeof aes);
}

static void milenage_f1(const gba_aka_key *k, const uint8_t rand[16], const uint8_t sqn[6], const uint8_t amf[2],
                        bool star, uint8_t *mac)
{
    milenage m;
    uint8_t in1[BLOCK], out1[BLOCK];
    milenage_begin(&m, k, rand);
    /* IN1 = SQN || AMF || SQN || AMF */
    memcpy(in1, sqn, 6);
    memcpy(in1 + 6, amf, 2);
    memcpy(in1 + 8, in1, 8);
    milenage_out(&m, OUT1, in1, m.temp, out1);
    memcpy(mac, star ? out1 + 8 : out1, 8);
    gba_wipe(&m, sizeof m);
    gba_wipe(out1, sizeof out1);
}

static void milenage_f2345(const gba_aka_key *k, const uint8_t rand[16], gba_secret *res, gba_secret *ck,
                           gba_secret *ik, uint8_t ak[6])
{
    milenage m;
    uint8_t out2[BLOCK];
    milenage_begin(&m, k, rand);
    milenage_out(&m, OUT2, m.temp, NULL, out2);
    memcpy(res->o, out2 + 8, 8);
    res->n = 8;
    memcpy(ak, out2, 6);
    milenage_out(&m, OUT3, m.temp, NULL, ck->o);
    ck->n = BLOCK;
    milenage_out(&m, OUT4, m.temp, NULL, ik->o);
    ik->n = BLOCK;
    gba_wipe(&m, sizeof m);
    gba_wipe(out2, sizeof out2);
}

static void milenage_f5_star(const gba_aka_key *k, const uint8_t rand[16], uint8_t ak[6])
{
    milenage m;
    uint8_t out5[BLOCK];
    milenage_begin(&m, k, rand);
    milenage_out(&m, OUT5, m.temp, NULL, out5);
    memcpy(ak, out5, 6);
    gba_wipe(&m, sizeof m);
    gba_wipe(out5, sizeof out5);
}

const aka_set milenage_set = {
    .name = "milenage",
    .check = milenage_check,
    .opc = milenage_opc,
    .op_len = 16,
    .f1 = milenage_f1,
    .f2345 = milenage_f2345,
    .f5_star = milenage_f5_star,
};
