/* SPDX-License-Identifier: Apache-2.0 */
/* kdf.c - the derivations of TS 33.220 Annex B, I and M, the GBA_U transformations, and those of
 * oneM2M TS-0003 10.3, all over HMAC-SHA-256. */
#include <stdio.h>
#include <string.h>
#include <gba/kdf.h>
#include <libgba/crypt.h>

#define KDF_PARAMS_MAX 16
#define KDF_PARAM_MAX 65535 /* B.2.1: two octets of length */
#define KDF_OUT 32

/* The MAC's output becomes the secret. */
static gba_err hmac_into(gba_span key, const gba_span *parts, size_t n, gba_secret *out)
{
    uint8_t mac[KDF_OUT];
    crypt_hmac_sha256(key, parts, n, mac);
    gba_err e = gba_secret_set(out, mac, sizeof mac);
    gba_wipe(mac, sizeof mac);
    return e;
}

gba_err gba_kdf(gba_span key, uint16_t fc, const gba_span *params, size_t n_params, gba_secret *out)
{
    uint8_t fc_octets[2] = {(uint8_t)(fc >> 8), (uint8_t)fc}, len[KDF_PARAMS_MAX][2];
    gba_span s[1 + 2 * KDF_PARAMS_MAX];
    if (n_params > KDF_PARAMS_MAX)
        return GBA_E_RANGE;
    /* B.2.2: an FC of two octets begins with FF */
    if (fc == 0xff || (fc > 0xff && fc_octets[0] != 0xff))
        return GBA_E_RANGE;
    s[0] = fc > 0xff ? gba_mem(fc_octets, 2) : gba_mem(fc_octets + 1, 1);
    for (size_t i = 0; i < n_params; i++) {
        if (params[i].n > KDF_PARAM_MAX)
            return GBA_E_RANGE;
        len[i][0] = (uint8_t)(params[i].n >> 8);
        len[i][1] = (uint8_t)params[i].n;
        s[1 + 2 * i] = params[i];
        s[2 + 2 * i] = GBA_SPAN(len[i]); /* the length follows its parameter */
    }
    return hmac_into(key, s, 1 + 2 * n_params, out);
}

gba_err gba_ks_naf_octets(gba_ks_naf_kind kind, const gba_secret *ks, gba_span rand, gba_span impi, gba_span naf_id,
                          gba_secret *out)
{
    static const char *const label[] = {
        [GBA_KS_NAF] = "gba-me", [GBA_KS_INT_NAF] = "gba-u", [GBA_KS_DIGEST_NAF] = "gba-digest"};
    if ((unsigned)kind >= sizeof label / sizeof *label || ks->n == 0 || impi.n == 0 || naf_id.n == 0)
        return GBA_E_ARG;
    if (kind == GBA_KS_DIGEST_NAF ? rand.n == 0 : rand.n != 16)
        return GBA_E_ARG;
    const gba_span p[] = {gba_str(label[kind]), rand, impi, naf_id};
    return gba_kdf(gba_secret_span(ks), 0x01, p, 4, out);
}

gba_err gba_ks_naf(gba_ks_naf_kind kind, const gba_secret *ks, gba_span rand, const gba_impi *impi,
                   const gba_naf_id *naf, gba_secret *out)
{
    uint8_t naf_id[GBA_NAF_ID_MAX];
    size_t n = sizeof naf_id;
    gba_err e = gba_naf_id_octets(naf, naf_id, &n);
    return e ? e : gba_ks_naf_octets(kind, ks, rand, gba_str(impi->s), gba_mem(naf_id, n), out);
}

/* a || b */
static gba_err join(const gba_secret *a, const gba_secret *b, gba_secret *out)
{
    GBA_SECRET_SCOPED made = {0};
    if (a->n == 0 || b->n == 0 || a->n > sizeof made.o || b->n > sizeof made.o - a->n)
        return GBA_E_ARG;
    memcpy(made.o, a->o, a->n);
    memcpy(made.o + a->n, b->o, b->n);
    return gba_secret_set(out, made.o, a->n + b->n);
}

gba_err gba_ks(const gba_secret *ck, const gba_secret *ik, gba_secret *ks)
{
    return join(ck, ik, ks);
}

gba_err gba_tmpi(const gba_secret *ks, const uint8_t rand[16], const gba_impi *impi, const gba_fqdn *bsf, gba_impi *out)
{
    /* B.4: BSF_Id takes the place of NAF_Id, with the Ua id of H.3 */
    gba_naf_id bsf_id = {.fqdn = *bsf, .ua = {{0x01, 0x00, 0x00, 0x01, 0x00}}};
    GBA_SECRET_SCOPED key = {0};
    gba_err e = gba_ks_naf(GBA_KS_NAF, ks, gba_mem(rand, 16), impi, &bsf_id, &key);
    if (e)
        return e;
    char temp[GBA_B64_LEN(24) + 1];
    gba_b64_encode(key.o, 24, temp);
    snprintf(out->s, sizeof out->s, "%s@" GBA_TMPI_DOMAIN, temp);
    return GBA_OK;
}

gba_err gba_ua_password(const gba_secret *ks_naf, gba_secret *out)
{
    char text[GBA_UA_PASSWORD_LEN + 1];
    if (ks_naf->n != 32)
        return GBA_E_ARG;
    gba_b64_encode(ks_naf->o, ks_naf->n, text);
    gba_err e = gba_secret_set(out, text, GBA_UA_PASSWORD_LEN);
    gba_wipe(text, sizeof text);
    return e;
}

/* ---- GBA_U (TS 33.220 5.3.2) ---- */

gba_err gba_u_autn(const uint8_t autn[16], const gba_secret *ik, uint8_t out[16])
{
    uint8_t trunc[20];
    if (ik->n == 0)
        return GBA_E_ARG;
    crypt_sha1(gba_secret_span(ik), trunc);
    memmove(out, autn, 16);
    /* MAC* = MAC xor Trunc(SHA-1(IK)) */
    for (int i = 0; i < 8; i++)
        out[8 + i] ^= trunc[i];
    gba_wipe(trunc, sizeof trunc);
    return GBA_OK;
}

gba_err gba_u_res(const gba_secret *res, gba_secret *out)
{
    if (res->n == 0)
        return GBA_E_ARG;
    gba_err e = gba_secret_set(out, res->o, res->n);
    if (!e)
        out->o[out->n - 1] ^= 1;
    return e;
}

/* ---- 2G GBA (Annex I) ---- */

gba_err gba_2g(gba_span kc, gba_span sres, gba_span rand, gba_span ks_input, gba_secret *res, gba_secret *ks)
{
    GBA_SECRET_SCOPED key = {0};
    if (kc.n != 8 || sres.n != 4 || rand.n != 16 || ks_input.n != 16)
        return GBA_E_ARG;
    /* I.5.2: Kc || Kc || RAND */
    memcpy(key.o, kc.p, 8);
    memcpy(key.o + 8, kc.p, 8);
    memcpy(key.o + 16, rand.p, 16);
    key.n = 32;
    const gba_span for_res[] = {gba_str("3gpp-gba-res"), sres};
    const gba_span for_ks[] = {ks_input, gba_str("3gpp-gba-ks"), sres};
    GBA_SECRET_SCOPED whole = {0};
    gba_err e = gba_kdf(gba_secret_span(&key), 0x01, for_res, 2, &whole);
    if (!e)
        e = gba_kdf(gba_secret_span(&key), 0x01, for_ks, 3, ks);
    return e ? e : gba_secret_set(res, whole.o, 16);
}

/* ---- GBA_Digest (B.5) ---- */

gba_err gba_digest_passwd(gba_span ha1, gba_span tls_mk, gba_secret *passwd)
{
    const gba_span p[] = {gba_str("GBA_Digest_RESP"), tls_mk};
    if (ha1.n == 0 || tls_mk.n != 48)
        return GBA_E_ARG;
    return gba_kdf(ha1, 0x01, p, 2, passwd);
}

gba_err gba_digest_ks(gba_span ha1, gba_span tls_mk, gba_span resp, gba_secret *ks)
{
    const gba_span p[] = {gba_str("GBA_Digest_Ks"), tls_mk, resp};
    if (ha1.n == 0 || tls_mk.n != 48 || resp.n == 0)
        return GBA_E_ARG;
    return gba_kdf(ha1, 0x01, p, 3, ks);
}

/* ---- oneM2M TS-0003 10.3: HMAC-SHA-256(Ke, label || what it is for), no lengths ---- */

#define ONEM2M_ID_MAX 1024

static gba_err onem2m_derive(const gba_secret *ke, const char *label, gba_span suid, gba_span id, gba_secret *out)
{
    char norm[ONEM2M_ID_MAX];
    size_t n = sizeof norm;
    if (ke->n == 0 || id.n == 0)
        return GBA_E_ARG;
    gba_err e = gba_nfkc(id, norm, &n);
    if (e)
        return e == GBA_E_SPACE ? GBA_E_RANGE : e;
    const gba_span parts[] = {gba_str(label), suid, gba_mem(norm, n)};
    return hmac_into(gba_secret_span(ke), parts, 3, out);
}

gba_err gba_onem2m_km(const gba_secret *ke, gba_span maf_id, gba_secret *km)
{
    return onem2m_derive(ke, "oneM2M Enrolment Key to Master Credential derivation", gba_str(NULL), maf_id, km);
}

gba_err gba_onem2m_kpsa(const gba_secret *ke, gba_span enrolee_b_id, gba_secret *kpsa)
{
    return onem2m_derive(ke, "oneM2M Enrolment Key to Provisioned Secure Connection Key derivation", gba_str(NULL),
                         enrolee_b_id, kpsa);
}

gba_err gba_onem2m_usage_key(const gba_secret *ke, unsigned suid, gba_span target_id, gba_secret *key)
{
    char text[16];
    snprintf(text, sizeof text, "%u", suid);
    return onem2m_derive(ke, "oneM2M Enrolment Key to Usage-Constrained Symmetric Key derivation", gba_str(text),
                         target_id, key);
}

gba_err gba_onem2m_export_split(const gba_secret *exported, char relative_key_id[33], gba_secret *key)
{
    static const char digit[] = "0123456789ABCDEF";
    if (exported->n != 48)
        return GBA_E_ARG;
    for (int i = 0; i < 16; i++) {
        relative_key_id[2 * i] = digit[exported->o[i] >> 4];
        relative_key_id[2 * i + 1] = digit[exported->o[i] & 15];
    }
    relative_key_id[32] = '\0';
    return gba_secret_set(key, exported->o + 16, 32);
}
