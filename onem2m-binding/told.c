/* SPDX-License-Identifier: Apache-2.0 */
/* told.c - the key that a MAF or MEF tells in JSON. */
#include <string.h>
#include "onem2m-binding/names.h"
#include "onem2m-binding/told.h"

json_t *m2m_json_load(gba_span json)
{
    json_error_t at;
    return json.n ? json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &at) : NULL;
}

bool m2m_json_text(const json_t *o, const char *name, char *out, size_t room)
{
    const char *s = json_string_value(json_object_get(o, name));
    size_t n = json_string_length(json_object_get(o, name));

    if (!s || !n || n >= room || memchr(s, 0, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= 0x20 || (unsigned char)s[i] >= 0x7f)
            return false;
    memcpy(out, s, n + 1);
    return true;
}

/* The octets of a JSON string are wiped: jansson frees them as they are. */
static bool key_of(json_t *o, const char *name, gba_secret *out)
{
    json_t *v = json_object_get(o, name);
    const char *s = json_string_value(v);
    size_t room = sizeof out->o, n = json_string_length(v);

    if (!s)
        return false;
    bool ok = gba_b64_decode(gba_mem(s, n), out->o, &room) == GBA_OK && room >= 16;
    out->n = ok ? room : 0;
    gba_wipe((char *)(uintptr_t)s, n);
    return ok;
}

static bool time_of(const json_t *o, const char *name, int64_t *out)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s && gba_m2m_time_parse(gba_str(s), out) == GBA_OK;
}

gba_err m2m_told_key(gba_span json, m2m_told *out)
{
    json_t *root = m2m_json_load(json), *o = json_object_get(root, M2M_ROOT_SYMM_KEY_REG),
           *suid = json_object_get(o, M2M_SUID);

    memset(out, 0, sizeof *out);
    bool ok = key_of(o, M2M_KV, &out->key) && time_of(o, M2M_ET, &out->expires) &&
              m2m_json_text(o, M2M_CR, out->whose, sizeof out->whose) && json_is_integer(suid) &&
              json_integer_value(suid) > 0 && json_integer_value(suid) < 1000;
    if (ok)
        out->suid = (unsigned)json_integer_value(suid);
    else
        gba_secret_wipe(&out->key);
    json_decref(root);
    return ok ? GBA_OK : GBA_E_SYNTAX;
}

gba_err m2m_told_fetch(gba_span json, m2m_told *out)
{
    json_t *root = m2m_json_load(json);
    gba_err e = GBA_E_SYNTAX;

    memset(out, 0, sizeof *out);
    if (json_is_false(json_object_get(root, M2M_FETCH_STATUS)))
        e = GBA_E_FORBIDDEN;
    else if (json_is_true(json_object_get(root, M2M_FETCH_STATUS)) && key_of(root, M2M_FETCH_CREDENTIAL, &out->key) &&
             time_of(root, M2M_FETCH_LIFETIME, &out->expires)) {
        e = GBA_OK;
        if (!m2m_json_text(root, M2M_FETCH_ENROLEE, out->whose, sizeof out->whose))
            out->whose[0] = 0;
    } else {
        gba_secret_wipe(&out->key);
    }
    json_decref(root);
    return e;
}
