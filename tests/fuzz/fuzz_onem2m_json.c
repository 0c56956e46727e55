/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_onem2m_json.c - the MAF's and MEF's JSON primitives and stored records; the first octet chooses. */
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/kms.h"
#include "onem2m-binding/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void primitive(gba_span in)
{
    static const char *const roots[] = {M2M_ROOT_MAF_CLIENT_REG, M2M_ROOT_SYMM_KEY_REG, M2M_ROOT_MEF_CLIENT_CMD};
    const char *why = NULL;
    prim p;

    for (size_t i = 0; i < 3; i++) {
        unsigned rsc = prim_read(in, roots[i], 255, &p, &why);
        must((rsc == 0 || rsc == 4000 || rsc == 4102) && why);
        must(p.n_targets <= KMS_TARGETS && (!(p.has & PRIM_KV) || p.kv.n >= 16));
        prim_wipe(&p);
    }
}

static void records(gba_span in)
{
    static kms_cred c;
    static kms_reg r;
    static kms_key k;
    static uint8_t o[KMS_RECORD_MAX];
    size_t n = sizeof o;

    if (kms_cred_read(in, &c) == GBA_OK)
        must(kms_cred_write(&c, o, &n) == GBA_OK && gba_span_eq(gba_mem(o, n), in));
    n = sizeof o;
    if (kms_reg_read(in, &r) == GBA_OK)
        must(kms_reg_write(&r, o, &n) == GBA_OK && gba_span_eq(gba_mem(o, n), in));
    n = sizeof o;
    if (kms_key_read(in, &k) == GBA_OK)
        must(kms_key_write(&k, o, &n) == GBA_OK && gba_span_eq(gba_mem(o, n), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char cmd[KMS_CMD_MAX];
    const char *why = NULL;

    if (size == 0)
        return 0;
    gba_span in = gba_mem(data + 1, size - 1);
    if (data[0] % 3 == 0)
        primitive(in);
    else if (data[0] % 3 == 1)
        records(in);
    else if (prim_command_ok(in, cmd, &why) == GBA_OK)
        must(prim_command_ok(gba_str(cmd), cmd, &why) == GBA_OK);
    return 0;
}
