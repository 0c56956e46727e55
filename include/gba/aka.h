/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aka.h - UMTS AKA (TS 33.102): the two algorithm sets, vectors, the card's
 * answer, resynchronisation, the SQN rules of Annex C.
 */
#ifndef GBA_AKA_H
#define GBA_AKA_H

#include <gba/gba.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gba_aka_algorithm { GBA_MILENAGE = 1, GBA_TUAK = 2 } gba_aka_algorithm;
GBA_API gba_err gba_aka_algorithm_parse(const char *name, gba_aka_algorithm *out) GBA_MUST_USE; /* "milenage", "tuak" */
GBA_API const char *gba_aka_algorithm_name(gba_aka_algorithm a);

/* What USIM and AuC share. Lengths in octets. */
typedef struct gba_aka_key {
    gba_aka_algorithm algorithm;
    gba_secret k;   /* 16; TUAK also 32 */
    gba_secret opc; /* Milenage OPc, 16; TUAK TOPc, 32 */
    /* TS 35.231; Milenage: 8, 8, 16, 16, 0. 0 stands for the default. */
    uint8_t mac_len;  /* TUAK 8, 16, 32 (AUTN carries 8: others only via gba_aka_f) */
    uint8_t res_len;  /* TUAK 4, 8, 16, 32; RES in AKA is 4..16 */
    uint8_t ck_len;   /* TUAK 16, 32 */
    uint8_t ik_len;   /* TUAK 16, 32 */
    uint8_t keccak_iterations; /* TUAK: 1 by default */
} gba_aka_key;
GBA_API void gba_aka_key_wipe(gba_aka_key *k);
/* Checks every length; fills defaults. RANGE names a bad one. */
GBA_API gba_err gba_aka_key_check(gba_aka_key *k) GBA_MUST_USE;
/* OPc from OP (TS 35.206) or TOPc from TOP (TS 35.231). */
GBA_API gba_err gba_aka_opc(gba_aka_algorithm a, const gba_secret *k, const gba_secret *op, uint8_t keccak_iterations,
                            gba_secret *opc) GBA_MUST_USE;

/* The bare functions f1, f1*, f2..f5, f5* (TS 33.102 6.3). */
typedef struct gba_aka_f {
    uint8_t mac_a[32], mac_s[32]; /* mac_len octets */
    gba_secret res, ck, ik;
    uint8_t ak[6], ak_s[6];
} gba_aka_f;
GBA_API void gba_aka_f_wipe(gba_aka_f *f);
GBA_API gba_err gba_aka_functions(const gba_aka_key *k, const uint8_t rand[16], const uint8_t sqn[6],
                                  const uint8_t amf[2], gba_aka_f *out) GBA_MUST_USE;

/* ---- network side ---- */
typedef struct gba_vector {
    uint8_t rand[16], autn[16];
    gba_secret xres; /* 4..16 octets */
    gba_secret ck, ik;
} gba_vector;
GBA_API void gba_vector_wipe(gba_vector *v);
/* sqn: 48 bits. */
GBA_API gba_err gba_aka_vector(const gba_aka_key *k, const uint8_t rand[16], uint64_t sqn, const uint8_t amf[2],
                               gba_vector *out) GBA_MUST_USE;
/* AUTS of 14 octets with AMF* = 0000 (TS 33.102 6.3.3, 6.3.5) -> SQN_MS. AUTH: MAC-S wrong. */
GBA_API gba_err gba_aka_auts_check(const gba_aka_key *k, const uint8_t rand[16], gba_span auts,
                                   uint64_t *sqn_ms) GBA_MUST_USE;

/* ---- SQN (TS 33.102 Annex C.2; the profile: 5 IND bits, delta 2^28, no age limit) ---- */
#define GBA_SQN_MAX ((UINT64_C(1) << 48) - 1)
typedef struct gba_sqn_profile {
    uint8_t ind_bits; /* 0..8 */
    uint64_t delta;   /* largest jump of SEQ */
    uint64_t limit;   /* L: largest age of SEQ below the highest; 0: none */
} gba_sqn_profile;
GBA_API extern const gba_sqn_profile gba_sqn_default; /* 5, 2^28, 0 */
GBA_API uint64_t gba_sqn_make(const gba_sqn_profile *p, uint64_t seq, unsigned ind);
GBA_API uint64_t gba_sqn_seq(const gba_sqn_profile *p, uint64_t sqn);
GBA_API unsigned gba_sqn_ind(const gba_sqn_profile *p, uint64_t sqn);

/* The USIM's array: the highest accepted SEQ per IND. */
typedef struct gba_sqn_array {
    uint64_t seq[256]; /* the first 2^ind_bits are used */
} gba_sqn_array;
/* Highest accepted SQN, what AUTS carries. */
GBA_API uint64_t gba_sqn_ms(const gba_sqn_profile *p, const gba_sqn_array *a);
/* Would the USIM take it? OK or SYNC; changes nothing. */
GBA_API gba_err gba_sqn_fresh(const gba_sqn_profile *p, const gba_sqn_array *a, uint64_t sqn) GBA_MUST_USE;
GBA_API void gba_sqn_accept(const gba_sqn_profile *p, gba_sqn_array *a, uint64_t sqn);
/* TS 33.102 6.3.5: with SQN_MS the highest the USIM has accepted, would it accept
 * `next`? The AuC changes SQN_HE only if not. */
GBA_API bool gba_sqn_next_ok(const gba_sqn_profile *p, uint64_t sqn_ms, uint64_t next);

/* ---- card side ---- */
typedef struct gba_card_answer {
    gba_secret res, ck, ik; /* set when OK */
    uint8_t auts[14];       /* set when SYNC */
} gba_card_answer;
GBA_API void gba_card_answer_wipe(gba_card_answer *a);
/* Checks MAC, then SQN against the array, which it updates on OK only.
 * AUTH: wrong MAC. FORBIDDEN: the AMF separation bit is set (TS 33.102 Annex H) and
 * require_separation_clear asks for refusal. SYNC: auts is filled. */
GBA_API gba_err gba_aka_card(const gba_aka_key *k, const gba_sqn_profile *p, gba_sqn_array *array,
                             const uint8_t rand[16], const uint8_t autn[16], bool require_separation_clear,
                             gba_card_answer *out) GBA_MUST_USE;

/* SRES (4) and Kc (8) from RES, CK and IK: c2 and c3 (TS 33.102 6.8.1.2). */
GBA_API gba_err gba_aka_gsm(const gba_secret *res, const gba_secret *ck, const gba_secret *ik, gba_secret *sres,
                            gba_secret *kc) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
