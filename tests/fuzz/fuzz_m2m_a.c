/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_m2m_a.c - what Entity A reads: its records, and the JSON of MAF and MEF; the first octet chooses. */
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/a.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void records(gba_span in)
{
    static a_record r, again;
    uint8_t out[A_RECORD_MAX];
    size_t n = sizeof out;

    if (a_record_parse(in, &r) != GBA_OK)
        return;
    must(r.keys.n > 0 && r.keys.n <= A_SUITES && r.h.id[0]);
    must(a_record_print(&r, out, &n) == GBA_OK);
    must(a_record_parse(gba_mem(out, n), &again) == GBA_OK && again.keys.n == r.keys.n && !strcmp(again.h.id, r.h.id));
    a_record_wipe(&r);
    a_record_wipe(&again);
}

static void json(gba_span in)
{
    a_reg reg = {0};
    a_cmd cmd;
    char relative[GBA_M2M_KEY_ID_MAX + 1];
    int64_t until;

    for (int mef = 0; mef < 2; mef++) {
        gba_err e = a_json_reg_read(in, mef, &reg);
        must((e == GBA_OK || e == GBA_E_SYNTAX) && strlen(reg.assigned) <= GBA_ID_MAX);
    }
    must(a_json_key_read(in, relative, &until) != GBA_OK || relative[0]);
    must(a_json_cmd_read(in, &cmd) != GBA_OK || (cmd.id <= 1000000 && cmd.class <= 1000000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    (data[0] & 1 ? records : json)(gba_mem(data + 1, size - 1));
    return 0;
}
