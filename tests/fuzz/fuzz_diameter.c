/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_diameter.c - AVP lists as a peer might send them: code (2 octets), vendor and depth (1), length
 * (2), data, again and again. All four readers see each list; what one understands is written and
 * read the same.
 */
#include <stdlib.h>
#include <string.h>
#include <gba/diameter.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gba_dia_list list, again;

static void fill(const uint8_t *p, size_t n)
{
    gba_dia_list_wipe(&list);
    while (n >= 5 && list.err == GBA_OK) {
        size_t len = (size_t)p[3] << 8 | p[4], have = n - 5;
        gba_dia_add(&list, (uint32_t)p[0] << 8 | p[1], p[2] & 0x80 ? GBA_DIA_VENDOR : 0, p[2] & 3,
                    gba_mem(p + 5, len < have ? len : have));
        p += 5 + (len < have ? len : have);
        n -= 5 + (len < have ? len : have);
    }
}

static void requests(void)
{
    gba_mar m, m2;
    gba_bir b, b2;
    uint32_t missing;

    gba_dia_list_wipe(&again);
    if (gba_mar_read(&list, &m, &missing) == GBA_OK &&
        (gba_mar_write(&m, &again) != GBA_OK || gba_mar_read(&again, &m2, &missing) != GBA_OK ||
         memcmp(&m, &m2, sizeof m) != 0))
        abort();
    gba_dia_list_wipe(&again);
    if (gba_bir_read(&list, &b, &missing) == GBA_OK &&
        (gba_bir_write(&b, &again) != GBA_OK || gba_bir_read(&again, &b2, &missing) != GBA_OK ||
         strcmp(b.btid.s, b2.btid.s) || strcmp(b.naf.fqdn.s, b2.naf.fqdn.s) || b.n_gsids != b2.n_gsids))
        abort();
}

static void answers(void)
{
    gba_maa m, m2;
    gba_bia b, b2;

    gba_dia_list_wipe(&again);
    if (gba_maa_read(&list, &m) == GBA_OK) {
        if (gba_maa_write(&m, &again) != GBA_OK || gba_maa_read(&again, &m2) != GBA_OK ||
            m.result.code != m2.result.code || m.vector != m2.vector || !gba_span_eq(m.guss, m2.guss))
            abort();
        gba_maa_wipe(&m);
        gba_maa_wipe(&m2);
    }
    gba_dia_list_wipe(&again);
    if (gba_bia_read(&list, &b) == GBA_OK) {
        if (gba_bia_write(&b, &again) != GBA_OK || gba_bia_read(&again, &b2) != GBA_OK ||
            b.result.code != b2.result.code || b.expires != b2.expires)
            abort();
        gba_bia_wipe(&b);
        gba_bia_wipe(&b2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fill(data, size);
    requests();
    answers();
    return 0;
}
