/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_m2m_answer.c - HTTP answers to the small client, requests to the small server; the first octet: which, and
 * whether the connection's end was seen. */
#include <stdlib.h>
#include "onem2m-binding/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    m2m_answer a;

    if (size == 0)
        return 0;
    if (data[0] & 4) {
        m2m_arrival r;
        gba_err got = m2m_arrival_parse(gba_mem(data + 1, size - 1), 65536, &r);
        if ((got == GBA_OK) != (r.text != NULL) || (got == GBA_OK && (r.used == 0 || r.used > size - 1 || r.body.n > 65536)))
            abort();
        m2m_arrival_free(&r);
        return 0;
    }
    gba_err e = m2m_answer_parse(gba_mem(data + 1, size - 1), data[0] & 1, data[0] & 2, 65536, &a);
    if ((e == GBA_OK) != (a.text != NULL) || (e == GBA_OK && (a.status < 100 || a.status > 599)))
        abort();
    if (e == GBA_E_STALE && data[0] & 1)
        abort();
    m2m_answer_free(&a);
    return 0;
}
