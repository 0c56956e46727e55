/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kdf.h - the key derivations of TS 33.220 Annex B, I and M, and the GBA_U
 * transformations of clause 5.3.2.
 */
#ifndef GBA_KDF_H
#define GBA_KDF_H

#include <gba/gba.h>

#ifdef __cplusplus
extern "C" {
#endif

/* TS 33.220 B.2: HMAC-SHA-256(key, FC || P0 || L0 || ...). Parameters up to 65535
 * octets each, else RANGE; at most 16. FC: 00..FE one octet, FF00..FFFF two (B.2.2),
 * else RANGE. out: 32 octets. */
GBA_API gba_err gba_kdf(gba_span key, uint16_t fc, const gba_span *params, size_t n_params,
                        gba_secret *out) GBA_MUST_USE;

typedef enum gba_ks_naf_kind {
    GBA_KS_NAF = 0,     /* "gba-me": Ks_NAF, Ks_ext_NAF (B.3) */
    GBA_KS_INT_NAF,     /* "gba-u": Ks_int_NAF (B.3) */
    GBA_KS_DIGEST_NAF,  /* "gba-digest" (B.6): rand is then the nonce */
} gba_ks_naf_kind;
/* impi is normalised (NFKC) as given by gba_impi_parse. out: 32 octets. */
GBA_API gba_err gba_ks_naf(gba_ks_naf_kind kind, const gba_secret *ks, gba_span rand, const gba_impi *impi,
                           const gba_naf_id *naf, gba_secret *out) GBA_MUST_USE;

/* The same over octets, for names that gba_impi or gba_naf_id cannot hold. impi: in NFKC. */
GBA_API gba_err gba_ks_naf_octets(gba_ks_naf_kind kind, const gba_secret *ks, gba_span rand, gba_span impi,
                                  gba_span naf_id, gba_secret *out) GBA_MUST_USE;

/* Ks = CK || IK (4.5.2). */
GBA_API gba_err gba_ks(const gba_secret *ck, const gba_secret *ik, gba_secret *ks) GBA_MUST_USE;

/* B.4: "base64(24 octets)@tmpi.bsf.3gppnetwork.org". */
GBA_API gba_err gba_tmpi(const gba_secret *ks, const uint8_t rand[16], const gba_impi *impi, const gba_fqdn *bsf,
                         gba_impi *out) GBA_MUST_USE;

/* The Ua Digest password: base64 text of the 32-octet NAF key (TS 24.109 5.2). */
#define GBA_UA_PASSWORD_LEN 44
GBA_API gba_err gba_ua_password(const gba_secret *ks_naf, gba_secret *out) GBA_MUST_USE;

/* GBA_U (5.3.2; recalled, not read: kept behind these two names). */
/* Its own inverse. */
GBA_API gba_err gba_u_autn(const uint8_t autn[16], const gba_secret *ik, uint8_t out[16]) GBA_MUST_USE;
GBA_API gba_err gba_u_res(const gba_secret *res, gba_secret *out) GBA_MUST_USE; /* last bit flipped */

/* 2G GBA (Annex I). kc 8, sres 4, rand 16, ks_input 16 octets; res 16, ks 32. */
GBA_API gba_err gba_2g(gba_span kc, gba_span sres, gba_span rand, gba_span ks_input, gba_secret *res,
                       gba_secret *ks) GBA_MUST_USE;

/* GBA_Digest (B.5). ha1: raw H(A1); tls_mk 48; passwd and ks 32 octets. */
GBA_API gba_err gba_digest_passwd(gba_span ha1, gba_span tls_mk, gba_secret *passwd) GBA_MUST_USE;
GBA_API gba_err gba_digest_ks(gba_span ha1, gba_span tls_mk, gba_span resp, gba_secret *ks) GBA_MUST_USE;

/* oneM2M TS-0003 10.3: keys from an enrolment key Ke. Identifiers are brought to NFKC. */
/* 10.3.2 */
GBA_API gba_err gba_onem2m_km(const gba_secret *ke, gba_span maf_id, gba_secret *km) GBA_MUST_USE;
/* 10.3.3 */
GBA_API gba_err gba_onem2m_kpsa(const gba_secret *ke, gba_span enrolee_b_id, gba_secret *kpsa) GBA_MUST_USE;
/* 10.3.7; the SUID enters as decimal ASCII (a profile: the text leaves it open). */
GBA_API gba_err gba_onem2m_usage_key(const gba_secret *ke, unsigned suid, gba_span target_id,
                                     gba_secret *key) GBA_MUST_USE;
/* 10.3.1: 48 exported octets -> RelativeKeyID (16 octets as 32 upper-case digits) and a key of 32. */
GBA_API gba_err gba_onem2m_export_split(const gba_secret *exported, char relative_key_id[33],
                                        gba_secret *key) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
