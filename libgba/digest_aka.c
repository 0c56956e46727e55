/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest_aka.c - what AKA adds to Digest: the nonce and auts (RFC 3310 3.2, 3.4), the
 * AKAv2 password (RFC 4169 3), and the product tokens by which the peers of TS 24.109
 * know each other.
 */
#include <string.h>

#include <gba/digest.h>

#include "libgba/crypt.h"

#define AUTS_LEN 14
#define AKA_NONCE_MIN 32
#define AKA_NONCE_MAX (AKA_NONCE_MIN + GBA_AKA_SERVER_DATA_MAX)

gba_err gba_akav2_password(const gba_secret *res, const gba_secret *ik, const gba_secret *ck, gba_secret *out)
{
    static const char text[] = "http-digest-akav2-password";
    const gba_secret *const parts[] = {res, ik, ck};
    uint8_t key[3 * GBA_SECRET_MAX], mac[16];
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        if (parts[i]->n == 0 || parts[i]->n > GBA_SECRET_MAX)
            return GBA_E_ARG;
        memcpy(key + n, parts[i]->o, parts[i]->n);
        n += parts[i]->n;
    }
    crypt_hmac_md5(gba_mem(key, n), gba_str(text), mac);
    gba_wipe(key, sizeof(key));

    char base64[GBA_B64_LEN(sizeof(mac)) + 1];
    gba_b64_encode(mac, sizeof(mac), base64);
    gba_wipe(mac, sizeof(mac));
    gba_err e = gba_secret_set(out, base64, sizeof(base64) - 1);
    gba_wipe(base64, sizeof(base64));
    return e;
}

gba_err gba_aka_nonce_print(const uint8_t rand[16], const uint8_t autn[16], gba_span server_data, char *out, size_t *n)
{
    uint8_t raw[AKA_NONCE_MAX];
    if (server_data.n > GBA_AKA_SERVER_DATA_MAX)
        return GBA_E_RANGE;
    size_t len = AKA_NONCE_MIN + server_data.n;
    if (*n <= GBA_B64_LEN(len))
        return GBA_E_SPACE;
    memcpy(raw, rand, 16);
    memcpy(raw + 16, autn, 16);
    if (server_data.n)
        memcpy(raw + AKA_NONCE_MIN, server_data.p, server_data.n);
    gba_b64_encode(raw, len, out);
    *n = GBA_B64_LEN(len);
    return GBA_OK;
}

gba_err gba_aka_nonce_parse(gba_span nonce, gba_aka_nonce *out)
{
    uint8_t raw[AKA_NONCE_MAX];
    size_t n = sizeof(raw);
    if (nonce.n > GBA_B64_LEN(AKA_NONCE_MAX))
        return GBA_E_RANGE;
    gba_err e = gba_b64_decode(nonce, raw, &n);
    if (e)
        return e;
    if (n < AKA_NONCE_MIN)
        return GBA_E_SYNTAX;
    memcpy(out->rand, raw, 16);
    memcpy(out->autn, raw + 16, 16);
    out->n = n - AKA_NONCE_MIN;
    memcpy(out->server_data, raw + AKA_NONCE_MIN, out->n);
    return GBA_OK;
}

/* Handsets break the line inside auts, or leave a blank: those octets are dropped. */
gba_err gba_auts_parse(gba_span text, uint8_t out[14])
{
    uint8_t base64[GBA_B64_LEN(AUTS_LEN)], raw[AUTS_LEN + 1];
    size_t n = 0, len = AUTS_LEN;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        if (n == sizeof(base64))
            return GBA_E_SYNTAX;
        base64[n++] = c;
    }
    if (n != sizeof(base64))
        return GBA_E_SYNTAX;
    len = sizeof(raw);
    gba_err e = gba_b64_decode(gba_mem(base64, n), raw, &len);
    if (e || len != AUTS_LEN)
        return GBA_E_SYNTAX;
    memcpy(out, raw, AUTS_LEN);
    return GBA_OK;
}

/* Tokens stand between blanks, ';' and ','; what is inside a comment is none. A
 * version behind '/' (RFC 9110 10.1.5) belongs to the token before it. */
bool gba_product_token(gba_span value, const char *token)
{
    size_t want = strlen(token), depth = 0, i = 0;
    while (i < value.n) {
        uint8_t c = value.p[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        size_t start = i;
        while (i < value.n && !strchr(" \t;,()", value.p[i] ? value.p[i] : 1))
            i++;
        size_t n = i - start;
        if (depth == 0 && want && n >= want && memcmp(value.p + start, token, want) == 0 &&
            (n == want || value.p[start + want] == '/'))
            return true;
        if (n == 0)
            i++;
    }
    return false;
}
