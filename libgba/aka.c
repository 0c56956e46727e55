/* SPDX-License-Identifier: Apache-2.0 */
/* aka.c - UMTS AKA (TS 33.102 6.3) over either algorithm set: vectors, the card's answer,
 * resynchronisation from both ends. */
#include <string.h>
#include <libgba/aka_set.h>

#define MAC_LEN 8           /* of AUTN and AUTS */
#define SEPARATION_BIT 0x80 /* the first of AMF (TS 33.102 Annex H) */

static const aka_set *const sets[] = {[GBA_MILENAGE] = &milenage_set, [GBA_TUAK] = &tuak_set};
#define N_SETS (sizeof sets / sizeof *sets)

static const aka_set *set_of(gba_aka_algorithm a)
{
    return (unsigned)a < N_SETS ? sets[a] : NULL;
}

gba_err gba_aka_algorithm_parse(const char *name, gba_aka_algorithm *out)
{
    if (!name)
        return GBA_E_ARG;
    for (unsigned a = 0; a < N_SETS; a++)
        if (sets[a] && gba_span_ieq(gba_str(name), gba_str(sets[a]->name))) {
            *out = (gba_aka_algorithm)a;
            return GBA_OK;
        }
    return GBA_E_UNSUPPORTED;
}

const char *gba_aka_algorithm_name(gba_aka_algorithm a)
{
    const aka_set *set = set_of(a);
    return set ? set->name : "unknown";
}

/* ---- wiping ---- */

void gba_aka_key_wipe(gba_aka_key *k)
{
    gba_wipe(k, sizeof *k);
}

void gba_aka_f_wipe(gba_aka_f *f)
{
    gba_wipe(f, sizeof *f);
}

void gba_vector_wipe(gba_vector *v)
{
    gba_wipe(v, sizeof *v);
}

void gba_card_answer_wipe(gba_card_answer *a)
{
    gba_wipe(a, sizeof *a);
}

/* ---- keys ---- */

gba_err gba_aka_key_check(gba_aka_key *k)
{
    const aka_set *set = set_of(k->algorithm);
    return set ? set->check(k) : GBA_E_UNSUPPORTED;
}

/* A checked copy with its defaults, wiped at scope exit. */
#define KEY_SCOPED __attribute__((cleanup(gba_aka_key_wipe))) gba_aka_key

static gba_err key_ready(const gba_aka_key *k, gba_aka_key *out, const aka_set **set)
{
    *out = *k;
    gba_err e = gba_aka_key_check(out);
    *set = e ? NULL : set_of(k->algorithm);
    return e;
}

/* AUTN and AUTS have room for a MAC of 8 octets; RES is 4..16 (TS 33.102 6.3.7). */
static gba_err key_ready_for_aka(const gba_aka_key *k, gba_aka_key *out, const aka_set **set)
{
    gba_err e = key_ready(k, out, set);
    if (!e && (out->mac_len != MAC_LEN || out->res_len > 16))
        e = GBA_E_RANGE;
    return e;
}

gba_err gba_aka_opc(gba_aka_algorithm a, const gba_secret *k, const gba_secret *op, uint8_t keccak_iterations,
                    gba_secret *opc)
{
    const aka_set *set = set_of(a);
    if (!set)
        return GBA_E_UNSUPPORTED;
    if (op->n != set->op_len)
        return GBA_E_RANGE;
    /* the lengths of K and the iterations are judged as in a whole key; OP is as long as OPc */
    KEY_SCOPED key = {.algorithm = a, .k = *k, .opc = *op, .keccak_iterations = keccak_iterations};
    gba_err e = set->check(&key);
    if (e)
        return e;
    GBA_SECRET_SCOPED made = {0};
    set->opc(&key.k, &key.opc, key.keccak_iterations, &made);
    return gba_secret_set(opc, made.o, made.n);
}

gba_err gba_aka_functions(const gba_aka_key *k, const uint8_t rand[16], const uint8_t sqn[6], const uint8_t amf[2],
                          gba_aka_f *out)
{
    const aka_set *set;
    KEY_SCOPED key;
    gba_aka_f_wipe(out);
    gba_err e = key_ready(k, &key, &set);
    if (e)
        return e;
    set->f1(&key, rand, sqn, amf, false, out->mac_a);
    set->f1(&key, rand, sqn, amf, true, out->mac_s);
    set->f2345(&key, rand, &out->res, &out->ck, &out->ik, out->ak);
    set->f5_star(&key, rand, out->ak_s);
    return GBA_OK;
}

/* ---- SQN as octets, under its anonymity key ---- */

static void sqn_put(uint64_t sqn, uint8_t o[6])
{
    for (int i = 5; i >= 0; i--, sqn >>= 8)
        o[i] = (uint8_t)sqn;
}

static uint64_t sqn_get(const uint8_t o[6])
{
    uint64_t sqn = 0;
    for (int i = 0; i < 6; i++)
        sqn = sqn << 8 | o[i];
    return sqn;
}

static void xor6(uint8_t *d, const uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < 6; i++)
        d[i] = a[i] ^ b[i];
}

/* ---- network side ---- */

gba_err gba_aka_vector(const gba_aka_key *k, const uint8_t rand[16], uint64_t sqn, const uint8_t amf[2],
                       gba_vector *out)
{
    const aka_set *set;
    KEY_SCOPED key;
    uint8_t sqn_o[6], ak[6], drawn[16];
    memcpy(drawn, rand, 16); /* rand may stand in out */
    gba_vector_wipe(out);
    if (sqn > GBA_SQN_MAX)
        return GBA_E_RANGE;
    gba_err e = key_ready_for_aka(k, &key, &set);
    if (e)
        return e;
    sqn_put(sqn, sqn_o);
    memcpy(out->rand, drawn, 16);
    set->f2345(&key, drawn, &out->xres, &out->ck, &out->ik, ak);
    /* AUTN = SQN xor AK || AMF || MAC (6.3.2) */
    xor6(out->autn, sqn_o, ak);
    memcpy(out->autn + 6, amf, 2);
    set->f1(&key, drawn, sqn_o, amf, false, out->autn + 8);
    gba_wipe(ak, sizeof ak);
    return GBA_OK;
}

/* 6.3.3: MAC-S is computed with a dummy AMF of all zeros. */
static const uint8_t amf_star[2];

gba_err gba_aka_auts_check(const gba_aka_key *k, const uint8_t rand[16], gba_span auts, uint64_t *sqn_ms)
{
    const aka_set *set;
    KEY_SCOPED key;
    uint8_t ak[6], sqn[6], mac[MAC_LEN];
    gba_err e = key_ready_for_aka(k, &key, &set);
    if (e)
        return e;
    if (auts.n != 14)
        return GBA_E_SYNTAX;
    set->f5_star(&key, rand, ak);
    xor6(sqn, auts.p, ak);
    set->f1(&key, rand, sqn, amf_star, true, mac);
    bool ok = gba_equal_ct(mac, auts.p + 6, MAC_LEN);
    if (ok)
        *sqn_ms = sqn_get(sqn);
    gba_wipe(ak, sizeof ak);
    gba_wipe(mac, sizeof mac);
    return ok ? GBA_OK : GBA_E_AUTH;
}

/* ---- card side ---- */

/* AUTS = SQN_MS xor AK* || MAC-S */
static void make_auts(const aka_set *set, const gba_aka_key *k, const uint8_t rand[16], uint64_t sqn_ms,
                      uint8_t auts[14])
{
    uint8_t ak[6], sqn[6];
    sqn_put(sqn_ms, sqn);
    set->f5_star(k, rand, ak);
    xor6(auts, sqn, ak);
    set->f1(k, rand, sqn, amf_star, true, auts + 6);
    gba_wipe(ak, sizeof ak);
}

gba_err gba_aka_card(const gba_aka_key *k, const gba_sqn_profile *p, gba_sqn_array *array, const uint8_t rand[16],
                     const uint8_t autn[16], bool require_separation_clear, gba_card_answer *out)
{
    const aka_set *set;
    KEY_SCOPED key;
    uint8_t ak[6], sqn_o[6], mac[MAC_LEN];
    gba_card_answer_wipe(out);
    gba_err e = key_ready_for_aka(k, &key, &set);
    if (e)
        return e;
    set->f2345(&key, rand, &out->res, &out->ck, &out->ik, ak);
    xor6(sqn_o, autn, ak);
    set->f1(&key, rand, sqn_o, autn + 6, false, mac);
    uint64_t sqn = sqn_get(sqn_o);
    /* the MAC first: without it nothing else in AUTN says anything (6.3.3) */
    if (!gba_equal_ct(mac, autn + 8, MAC_LEN))
        e = GBA_E_AUTH;
    else if (require_separation_clear && (autn[6] & SEPARATION_BIT))
        e = GBA_E_FORBIDDEN;
    else
        e = gba_sqn_fresh(p, array, sqn);
    gba_wipe(ak, sizeof ak);
    gba_wipe(mac, sizeof mac);
    if (e)
        gba_card_answer_wipe(out);
    if (e == GBA_E_SYNC)
        make_auts(set, &key, rand, gba_sqn_ms(p, array), out->auts);
    if (!e)
        gba_sqn_accept(p, array, sqn);
    return e;
}

/* ---- 2G keys from 3G ones (TS 33.102 6.8.1.2) ---- */

gba_err gba_aka_gsm(const gba_secret *res, const gba_secret *ck, const gba_secret *ik, gba_secret *sres, gba_secret *kc)
{
    if (res->n < 4 || res->n > 16 || ck->n != 16 || ik->n != 16)
        return GBA_E_ARG;
    GBA_SECRET_SCOPED s = {.n = 4};
    GBA_SECRET_SCOPED c = {.n = 8};
    /* c2: SRES = XRES*_1 xor .. xor XRES*_4 of XRES padded with zeros to 16 octets */
    for (size_t i = 0; i < res->n; i++)
        s.o[i % 4] ^= res->o[i];
    /* c3: Kc = CK_1 xor CK_2 xor IK_1 xor IK_2 */
    for (size_t i = 0; i < 16; i++)
        c.o[i % 8] ^= ck->o[i] ^ ik->o[i];
    gba_err e = gba_secret_set(sres, s.o, s.n);
    return e ? e : gba_secret_set(kc, c.o, c.n);
}
