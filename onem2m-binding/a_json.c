/* SPDX-License-Identifier: Apache-2.0 */
/* a_json.c - what Entity A says to MAF and MEF and reads from them; names are those of names.h. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "onem2m-binding/a.h"
#include "onem2m-binding/names.h"

/* ---- writing ---- */
static void put_time(json_t *o, int64_t until)
{
    char text[GBA_M2M_TIME_TEXT];
    if (gba_m2m_time_print(until, text) == GBA_OK)
        json_object_set_new(o, M2M_ET, json_string(text));
}

static char *finish(const char *root, json_t *o)
{
    json_t *doc = json_object();
    char *text = NULL;

    if (doc && o && json_object_set_new(doc, root, o) == 0)
        text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    return text;
}

char *a_json_reg(bool mef, int64_t until, const char *admin)
{
    json_t *o = json_object();

    put_time(o, until);
    if (admin)
        json_object_set_new(o, M2M_ADFQ, json_string(admin));
    return finish(mef ? M2M_ROOT_MEF_CLIENT_REG : M2M_ROOT_MAF_CLIENT_REG, o);
}

char *a_json_key(int64_t until, const char *admin, unsigned suid, const char *target)
{
    json_t *o = json_object();

    put_time(o, until);
    json_object_set_new(o, M2M_ADFQ, json_string(admin));
    json_object_set_new(o, M2M_SUID, json_integer(suid));
    json_object_set_new(o, M2M_TGIS, json_pack("[s]", target));
    return finish(M2M_ROOT_SYMM_KEY_REG, o);
}

char *a_json_status(unsigned cmd, unsigned status)
{
    json_t *o = json_object();

    json_object_set_new(o, M2M_CMID, json_integer(cmd));
    json_object_set_new(o, M2M_CMST, json_integer(status));
    return finish(M2M_ROOT_MEF_CLIENT_CMD, o);
}

/* ---- reading ---- */
static json_t *load(gba_span body, const char *root, json_t **doc)
{
    *doc = body.n ? json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *o = json_object_get(*doc, root);
    return json_is_object(o) ? o : NULL;
}

/* Visible ASCII that fits. */
static bool take_text(json_t *o, const char *name, char *out, size_t room)
{
    const char *s = json_string_value(json_object_get(o, name));
    size_t n = json_string_length(json_object_get(o, name));

    if (!s || n == 0 || n >= room)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] <= 0x20 || s[i] >= 0x7f)
            return false;
    memcpy(out, s, n + 1);
    return true;
}

static bool take_time(json_t *o, int64_t *out)
{
    json_t *v = json_object_get(o, M2M_ET);
    return json_is_string(v) && gba_m2m_time_parse(gba_mem(json_string_value(v), json_string_length(v)), out) == GBA_OK;
}

/* et and assignedSymmKeyID are optional in an update's answer: what is not there stays. */
gba_err a_json_reg_read(gba_span body, bool mef, a_reg *out)
{
    json_t *doc, *o = load(body, mef ? M2M_ROOT_MEF_CLIENT_REG : M2M_ROOT_MAF_CLIENT_REG, &doc);
    gba_err e = o ? GBA_OK : GBA_E_SYNTAX;

    if (o && json_object_get(o, M2M_ET) && !take_time(o, &out->until))
        e = GBA_E_SYNTAX;
    if (o && json_object_get(o, M2M_ASKI) && !take_text(o, M2M_ASKI, out->assigned, sizeof out->assigned))
        e = GBA_E_SYNTAX;
    out->command = o && json_array_size(json_object_get(o, M2M_CH)) > 0;
    json_decref(doc);
    return e;
}

gba_err a_json_key_read(gba_span body, char relative[GBA_M2M_KEY_ID_MAX + 1], int64_t *until)
{
    json_t *doc, *o = load(body, M2M_ROOT_SYMM_KEY_REG, &doc);
    bool ok = o && take_text(o, M2M_RN, relative, GBA_M2M_KEY_ID_MAX + 1) && take_time(o, until);

    json_decref(doc);
    return ok ? GBA_OK : GBA_E_SYNTAX;
}

gba_err a_json_notification(gba_span body, bool *verification)
{
    json_t *doc = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    gba_err e = json_is_object(doc) ? GBA_OK : GBA_E_SYNTAX;

    *verification = json_is_true(json_object_get(json_object_get(doc, "m2m:sgn"), "vrq"));
    json_decref(doc);
    return e;
}

static bool take_number(json_t *o, const char *name, unsigned *out)
{
    json_t *v = json_object_get(o, name);

    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1000000)
        return false;
    *out = (unsigned)json_integer_value(v);
    return true;
}

gba_err a_json_cmd_read(gba_span body, a_cmd *out)
{
    json_t *doc, *o = load(body, M2M_ROOT_MEF_CLIENT_CMD, &doc);
    bool ok = o && take_number(o, M2M_CMID, &out->id) &&
              take_number(json_object_get(o, M2M_CMDE), M2M_CMD_CLASS, &out->class);

    json_decref(doc);
    return ok ? GBA_OK : GBA_E_SYNTAX;
}
