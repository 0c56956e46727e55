/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_keyfile.c - the text of a key file (seal.key_file). */
#include "service/seal_file.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SEAL_KEYS_SCOPED k;
    char why[256] = "";
    gba_err e = seal_file_parse(gba_mem(data, size), "fuzz", &k, why, sizeof why);
    if (e == GBA_OK) {
        if (k.n == 0 || k.n > SEAL_KEYS_MAX)
            abort();
        for (size_t i = 0; i < k.n; i++) {
            if (k.key[i].id[0] == '\0' || strlen(k.key[i].id) > SEAL_ID_MAX || k.key[i].key.n != SEAL_KEY_LEN)
                abort();
        }
    } else if (why[0] == '\0' || k.n != 0) {
        abort(); /* a refusal says why and leaves nothing */
    }
    return 0;
}
