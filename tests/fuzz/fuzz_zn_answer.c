/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_zn_answer.c - the BSF's answer at the NAF: a whole key with its end, or nothing kept. */
#include <stdlib.h>
#include <string.h>
#include <gba/naf_zn_http.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gba_naf_keys k;
    gba_err e = gba_naf_zn_answer_parse(gba_mem(data, size), &k);
    if (e != GBA_OK) {
        if (k.me.n || k.uicc.n || k.uss)
            abort();
        return 0;
    }
    if (k.me.n != 32 || k.n_uss > GBA_USS_MAX || !k.n_uss != !k.uss)
        abort();
    for (size_t i = 0; i < k.n_uss; i++)
        for (size_t j = 0; j < k.uss[i].n_ids; j++)
            if (strpbrk(k.uss[i].ids[j], "\r\n\"\\"))
                abort();
    gba_naf_keys_clear(&k);
    return 0;
}
