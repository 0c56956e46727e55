/* SPDX-License-Identifier: Apache-2.0 */
/* gate_made.c - what the CSE says in JSON about who registered. */
#include <string.h>
#include "onem2m-binding/gate.h"
#include "onem2m-binding/told.h"

bool gate_poa_ok(const char *s)
{
    return !s[strspn(s, "!#$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~")];
}

static void poas_of(const json_t *o, gate_made *out)
{
    const json_t *list = json_object_get(o, "poa");

    for (size_t i = 0; i < json_array_size(list) && out->n < GATE_POAS_MAX; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        size_t n = s ? strlen(s) : 0;
        if (n && n <= GATE_POA_MAX && gate_poa_ok(s))
            memcpy(out->poa[out->n++], s, n + 1);
    }
}

gba_err gate_made_parse(gba_span json, gate_made *out)
{
    json_t *root = m2m_json_load(json);
    const json_t *ae = json_object_get(root, "m2m:ae"), *csr = json_object_get(root, "m2m:csr");

    memset(out, 0, sizeof *out);
    out->cse = !ae && csr;
    out->unnamed = json_is_object(ae) && !json_object_get(ae, "rn") && !json_object_get(ae, "resourceName");
    const json_t *given = ae ? json_object_get(ae, "aei") : json_object_get(csr, "csi");
    bool ok = ae ? m2m_json_text(ae, "aei", out->id, sizeof out->id)
                 : csr && m2m_json_text(csr, "csi", out->id, sizeof out->id);
    out->unreadable = given && !ok;
    if (!m2m_json_text(ae ? ae : csr, "ri", out->ri, sizeof out->ri))
        out->ri[0] = 0;
    if (!m2m_json_text(ae ? ae : csr, "rn", out->rn, sizeof out->rn))
        out->rn[0] = 0;
    char et[GBA_M2M_TIME_TEXT + 8];
    if (!m2m_json_text(ae ? ae : csr, "et", et, sizeof et) || gba_m2m_time_parse(gba_str(et), &out->expires) != GBA_OK)
        out->expires = 0;
    poas_of(ae ? ae : csr, out);
    json_decref(root);
    return ok ? GBA_OK : out->n ? GBA_E_STALE : GBA_E_UNKNOWN;
}
