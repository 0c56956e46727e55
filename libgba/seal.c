/* SPDX-License-Identifier: Apache-2.0 */
#include <gba/seal.h>

#include "libgba/crypt.h"

gba_err gba_seal(const gba_secret *key, gba_span nonce, gba_span ad, gba_span in, uint8_t *out, size_t *n)
{
    if (key->n != GBA_SEAL_KEY)
        return GBA_E_ARG;
    if (in.n > SIZE_MAX - CRYPT_SIV_TAG || *n < in.n + CRYPT_SIV_TAG)
        return GBA_E_SPACE;
    crypt_siv_seal(key->o, nonce, ad, in, out);
    *n = in.n + CRYPT_SIV_TAG;
    return GBA_OK;
}

gba_err gba_unseal(const gba_secret *key, gba_span nonce, gba_span ad, gba_span in, uint8_t *out, size_t *n)
{
    if (key->n != GBA_SEAL_KEY)
        return GBA_E_ARG;
    if (in.n < CRYPT_SIV_TAG)
        return GBA_E_SYNTAX;
    if (*n < in.n - CRYPT_SIV_TAG)
        return GBA_E_SPACE;
    gba_err e = crypt_siv_open(key->o, nonce, ad, in, out);
    if (e == GBA_OK)
        *n = in.n - CRYPT_SIV_TAG;
    return e;
}
