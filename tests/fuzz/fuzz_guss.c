/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_guss.c - GUSS documents: what is understood is printed and understood the same. */
#include <stdlib.h>
#include <string.h>
#include <gba/guss.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gba_guss a, b;
    static char text[GBA_GUSS_XML_MAX];
    static gba_uss some[GBA_USS_MAX];
    size_t n = sizeof text;
    uint32_t ids[2] = {1, 4};

    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    if (gba_guss_parse(gba_mem(data, size), &a) != GBA_OK)
        return 0;
    gba_err e = gba_guss_print(&a, text, &n);
    if (e == GBA_E_SPACE || e == GBA_E_RANGE || e == GBA_E_ARG) /* escaped it may be longer than a document may be */
        return 0;
    if (e != GBA_OK || gba_guss_parse(gba_mem(text, n), &b) != GBA_OK)
        abort();
    if (strcmp(a.id, b.id) || a.lifetime != b.lifetime || a.timestamp != b.timestamp || a.n_uss != b.n_uss ||
        a.uicc_type != b.uicc_type || memcmp(a.uss, b.uss, a.n_uss * sizeof *a.uss) != 0)
        abort();
    n = sizeof text;
    if (gba_usslist_print(some, gba_guss_select(&a, ids, 2, "A", some), text, &n) == GBA_OK &&
        gba_guss_parse(gba_mem(text, n), &b) != GBA_OK)
        abort();
    return 0;
}
