/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_nonce.c - the AKA nonce (read and written back octet by octet), auts, product tokens. */
#include <stdlib.h>
#include <string.h>

#include <gba/digest.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nonce(gba_span in)
{
    static gba_aka_nonce a;
    char text[GBA_B64_LEN(32 + GBA_AKA_SERVER_DATA_MAX) + 1];
    size_t n = sizeof(text);
    if (gba_aka_nonce_parse(in, &a) != GBA_OK)
        return;
    gba_err e = gba_aka_nonce_print(a.rand, a.autn, gba_mem(a.server_data, a.n), text, &n);
    if (e || n != in.n || memcmp(text, in.p, n) != 0)
        abort();
}

static void auts(gba_span in)
{
    uint8_t a[14], b[14];
    char text[GBA_B64_LEN(14) + 1];
    if (gba_auts_parse(in, a) != GBA_OK)
        return;
    gba_b64_encode(a, sizeof(a), text);
    if (gba_auts_parse(gba_str(text), b) != GBA_OK || memcmp(a, b, sizeof(a)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gba_span in = gba_mem(data, size);
    nonce(in);
    auts(in);
    if (gba_product_token(in, "3gpp-gba") && size < strlen("3gpp-gba"))
        abort();
    return 0;
}
