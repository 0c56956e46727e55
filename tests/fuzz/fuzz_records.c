/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_records.c - what is read from the store: refused, or written back octet by octet. */
#include "bsf/records.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(TYPE, READ, WRITE)                                                                                         \
    do {                                                                                                               \
        static TYPE r;                                                                                                 \
        if (READ(in, &r) == GBA_OK && (WRITE(&r, out, &n) != GBA_OK || n != in.n || memcmp(out, in.p, n) != 0))        \
            abort();                                                                                                   \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[REC_MAX];
    size_t n = sizeof out;
    if (size == 0)
        return 0;
    gba_span in = gba_mem(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        TRY(rec_subscriber, rec_subscriber_read, rec_subscriber_write);
        break;
    case 1:
        TRY(rec_session, rec_session_read, rec_session_write);
        break;
    case 2:
        TRY(rec_head, rec_head_read, rec_head_write);
        break;
    case 3:
        TRY(gba_impi, rec_tmpi_read, rec_tmpi_write);
        break;
    default:
        TRY(rec_naf, rec_naf_read, rec_naf_write);
    }
    return 0;
}
