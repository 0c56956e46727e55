/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_bootinfo.c - the bsf+xml document: what is understood is printed and read the same. */
#include <stdlib.h>
#include <string.h>

#include "libgba/bootinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gba_bootinfo a, b;
    static char text[GBA_BOOTINFO_MAX];
    size_t n = sizeof(text);
    if (gba_bootinfo_parse(gba_mem(data, size), &a) != GBA_OK)
        return 0;
    if (gba_bootinfo_print(&a, text, &n) != GBA_OK || gba_bootinfo_parse(gba_mem(text, n), &b) != GBA_OK)
        abort();
    if (strcmp(a.btid.s, b.btid.s) != 0 || a.lifetime != b.lifetime || a.currenttime != b.currenttime)
        abort();
    return 0;
}
