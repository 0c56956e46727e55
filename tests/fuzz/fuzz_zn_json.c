/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_zn_json.c - Zn requests: a whole query, or a fault with its cause. */
#include "bsf/zn_json.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static zn_query q;
    static zn_answer a;
    char out[ZN_JSON_ANSWER_MAX];
    zn_fault f;
    size_t n = sizeof out;
    gba_err e = zn_json_parse(gba_mem(data, size), &q, &f);
    if (e != GBA_OK) {
        if (!f.cause || !f.reason)
            abort();
        return 0;
    }
    if (!q.btid.s[0] || !q.naf_id.fqdn.s[0] || q.n_gsids > ZN_GSIDS_MAX)
        abort();
    /* What came in as a B-TID goes out again as an IMPI: well-formed JSON, whatever it holds. */
    memset(&a, 0, sizeof a);
    memcpy(a.impi.s, q.btid.s, sizeof a.impi.s);
    if (zn_json_print(&a, out, &n) != GBA_OK)
        abort();
    return 0;
}
