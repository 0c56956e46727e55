/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_onem2m_ids.c - the identifiers of onem2m.h; the first octet chooses the parser. What a parser
 * takes must print, and parse again as the same thing. */
#include <gba/onem2m.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void ids(gba_span in)
{
    gba_m2m_id base, a, b;
    char text[GBA_M2M_ID_MAX + 1];
    gba_fqdn f;

    must(gba_m2m_id_parse(gba_str("//sp.example.com/in"), NULL, &base) == GBA_OK);
    if (gba_m2m_id_parse(in, &base, &a) == GBA_OK)
        for (int form = GBA_M2M_SP_RELATIVE; form <= GBA_M2M_ABSOLUTE; form++) {
            if (form == GBA_M2M_SP_RELATIVE && strcmp(a.sp.s, base.sp.s) != 0)
                continue;
            must(gba_m2m_id_print(&a, (gba_m2m_id_form)form, text) == GBA_OK);
            must(gba_m2m_id_parse(gba_str(text), &base, &b) == GBA_OK && gba_m2m_id_eq(&a, &b));
            (void)!gba_m2m_id_fqdn(&a, &f);
        }
    bool plain = gba_m2m_id_parse(in, &base, &b) == GBA_OK;
    if (gba_m2m_id_parse_assigned(in, &base, &a) == GBA_OK) {
        must(!plain || gba_m2m_id_eq(&a, &b));
        for (int form = GBA_M2M_STEM; form <= GBA_M2M_ABSOLUTE; form++) {
            if (strcmp(a.sp.s, base.sp.s) != 0 || (form == GBA_M2M_STEM && (a.kind == GBA_M2M_ID_CSE ||
                (a.kind == GBA_M2M_ID_AE_C && strcmp(a.cse, base.cse) != 0))))
                continue;
            must(gba_m2m_id_print(&a, (gba_m2m_id_form)form, text) == GBA_OK);
            must(gba_m2m_id_parse_assigned(gba_str(text), &base, &b) == GBA_OK && gba_m2m_id_eq(&a, &b));
        }
    } else {
        must(!plain);
    }
    if (gba_m2m_entity_parse(in, &a) == GBA_OK) {
        must(gba_m2m_id_print(&a, GBA_M2M_ABSOLUTE, text) == GBA_OK);
        must(gba_m2m_entity_parse(gba_str(text), &b) == GBA_OK && gba_m2m_id_eq(&a, &b));
    }
}

static void identities(gba_span in)
{
    gba_fqdn own, bsf, maf, mef;
    gba_m2m_identity a, b;

    must(gba_fqdn_parse(gba_str("own.net"), &own) == GBA_OK && gba_fqdn_parse(gba_str("bsf.net"), &bsf) == GBA_OK);
    must(gba_fqdn_parse(gba_str("maf.net"), &maf) == GBA_OK && gba_fqdn_parse(gba_str("mef.net"), &mef) == GBA_OK);
    for (int at = GBA_M2M_AT_CSE; at <= GBA_M2M_AT_MEF; at++) {
        gba_m2m_domains d = {(gba_m2m_at)at, at == GBA_M2M_AT_CSE ? NULL : &own, &bsf, &maf, &mef, 1, 1, 1};
        if (gba_m2m_identify(&d, in, &a) != GBA_OK) {
            must(a.form == GBA_M2M_PSK_NONE && !a.text[0]);
            continue;
        }
        must(a.form != GBA_M2M_PSK_NONE && a.text[0]);
        must(gba_m2m_identify(&d, gba_str(a.text), &b) == GBA_OK && b.form == a.form && !strcmp(a.text, b.text));
    }
}

static void others(gba_span in)
{
    gba_m2m_key_id k, l;
    char text[GBA_M2M_KEY_ID_MAX + 1], cid[GBA_M2M_CREDENTIAL_ID_MAX + 1], time[GBA_M2M_TIME_TEXT];
    unsigned type;
    gba_span value;
    int64_t t, u;

    if (gba_m2m_key_id_parse(in, &k) == GBA_OK) {
        must(gba_m2m_key_id_print(&k, text) == GBA_OK);
        must(gba_m2m_key_id_parse(gba_str(text), &l) == GBA_OK && gba_m2m_key_id_eq(&k, &l));
    }
    if (gba_m2m_credential_id_parse(in, &type, &value) == GBA_OK) {
        must(gba_m2m_credential_id(type, value, cid) == GBA_OK && gba_span_eq(gba_str(cid), in));
    }
    if (gba_m2m_time_parse(in, &t) == GBA_OK)
        must(gba_m2m_time_print(t, time) == GBA_OK && gba_m2m_time_parse(gba_str(time), &u) == GBA_OK && t == u);
    (void)gba_m2m_node_id_ok(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    gba_span in = gba_mem(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        ids(in);
        break;
    case 1:
        identities(in);
        break;
    default:
        others(in);
    }
    return 0;
}
