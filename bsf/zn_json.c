/* SPDX-License-Identifier: Apache-2.0 */
/* zn_json.c - the Nbsp_GBA documents of TS 29.309 6.1.6: the request read, the answer written. */
#include "bsf/zn_json.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static gba_err fault_is(zn_fault *f, const char *cause, const char *param, const char *reason)
{
    *f = (zn_fault){cause, param, reason};
    return GBA_E_SYNTAX;
}

/* Brackets outside strings, before a recursive parser sees them. */
static bool too_deep(gba_span body)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < body.n; i++) {
        uint8_t c = body.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > ZN_JSON_DEPTH_MAX)
                return true;
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return false;
}

/* A mandatory string; NULL with the fault set when it is missing or no string. */
static const char *mandatory_string(const json_t *object, const char *name, const char *param, zn_fault *f)
{
    const json_t *v = json_object_get(object, name);
    if (!v)
        *f = (zn_fault){"MANDATORY_IE_MISSING", param, "missing"};
    else if (!json_is_string(v))
        *f = (zn_fault){"MANDATORY_IE_INCORRECT", param, "not a string"};
    return json_string_value(v);
}

static gba_err parse_naf_id(const json_t *root, gba_naf_id *out, zn_fault *f)
{
    const json_t *o = json_object_get(root, "nafId");
    if (!o)
        return fault_is(f, "MANDATORY_IE_MISSING", "/nafId", "missing");
    if (!json_is_object(o))
        return fault_is(f, "MANDATORY_IE_INCORRECT", "/nafId", "not an object");
    const char *fqdn = mandatory_string(o, "nafFqdn", "/nafId/nafFqdn", f);
    if (!fqdn)
        return GBA_E_SYNTAX;
    const char *ua = mandatory_string(o, "uaSecProtId", "/nafId/uaSecProtId", f);
    if (!ua)
        return GBA_E_SYNTAX;
    if (gba_fqdn_parse(gba_str(fqdn), &out->fqdn) != GBA_OK)
        return fault_is(f, "MANDATORY_IE_INCORRECT", "/nafId/nafFqdn", "not an FQDN");
    if (gba_ua_id_parse(gba_str(ua), &out->ua) != GBA_OK)
        return fault_is(f, "MANDATORY_IE_INCORRECT", "/nafId/uaSecProtId", "not ten hexadecimal digits");
    return GBA_OK;
}

static gba_err parse_optional(const json_t *root, zn_query *out, zn_fault *f)
{
    const json_t *aware = json_object_get(root, "gbaUAware"), *ids = json_object_get(root, "gsIds"), *id;
    size_t i;
    if (aware && !json_is_boolean(aware))
        return fault_is(f, "OPTIONAL_IE_INCORRECT", "/gbaUAware", "not a boolean");
    out->gba_u_aware = json_is_true(aware);
    if (!ids)
        return GBA_OK;
    if (!json_is_array(ids) || json_array_size(ids) == 0)
        return fault_is(f, "OPTIONAL_IE_INCORRECT", "/gsIds", "not an array of at least one element");
    if (json_array_size(ids) > ZN_GSIDS_MAX)
        return fault_is(f, "OPTIONAL_IE_INCORRECT", "/gsIds", "too many elements");
    json_array_foreach(ids, i, id) {
        json_int_t v = json_integer_value(id);
        if (!json_is_integer(id) || v < 0 || v > UINT32_MAX)
            return fault_is(f, "OPTIONAL_IE_INCORRECT", "/gsIds", "not an unsigned number of 32 bits");
        out->gsid[out->n_gsids++] = (uint32_t)v;
    }
    return GBA_OK;
}

static gba_err parse_root(const json_t *root, zn_query *out, zn_fault *f)
{
    if (!json_is_object(root))
        return fault_is(f, "INVALID_MSG_FORMAT", NULL, "not a JSON object");
    const char *btid = mandatory_string(root, "btId", "/btId", f);
    if (!btid)
        return GBA_E_SYNTAX;
    gba_err e = parse_naf_id(root, &out->naf_id, f);
    if (e == GBA_OK && gba_btid_parse(gba_str(btid), &out->btid) != GBA_OK)
        e = fault_is(f, "MANDATORY_IE_INCORRECT", "/btId", "not a B-TID");
    return e == GBA_OK ? parse_optional(root, out, f) : e;
}

gba_err zn_json_parse(gba_span body, zn_query *out, zn_fault *f)
{
    json_error_t err = {0}; /* jansson leaves its code as it is where it has none */
    memset(&out->btid, 0, sizeof out->btid);
    memset(&out->naf_id, 0, sizeof out->naf_id);
    out->gba_u_aware = false;
    out->n_gsids = 0;
    *f = (zn_fault){0};
    if (body.n > ZN_JSON_REQUEST_MAX)
        return fault_is(f, "INVALID_MSG_FORMAT", NULL, "too long");
    if (too_deep(body))
        return fault_is(f, "INVALID_MSG_FORMAT", NULL, "nested too deeply");
    json_t *root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &err);
    if (!root && json_error_code(&err) == json_error_unknown)
        return GBA_E_NOMEM;
    if (!root)
        return fault_is(f, "INVALID_MSG_FORMAT", NULL,
                        json_error_code(&err) == json_error_duplicate_key ? "an attribute stands twice" : "not JSON");
    gba_err e = parse_root(root, out, f);
    json_decref(root);
    return e;
}

/* ---- the answer, written by hand so that no heap keeps a copy of a key ---- */
typedef struct text {
    char *s;
    size_t n, room;
    bool full;
} text;

static void put(text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->full || n >= t->room - t->n) {
        t->full = true;
        return;
    }
    memcpy(t->s + t->n, s, n + 1);
    t->n += n;
}

/* An IMPI has no controls, but may hold quotes' neighbours such as '\'. */
static void put_string(text *t, const char *s)
{
    char c[8];
    put(t, "\"");
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20)
            snprintf(c, sizeof c, "\\u%04x", *s);
        else
            snprintf(c, sizeof c, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
        put(t, c);
    }
    put(t, "\"");
}

static void put_key(text *t, const char *name, const gba_secret *key)
{
    char hex[2 * GBA_SECRET_MAX + 1];
    gba_hex_encode(key->o, key->n, hex);
    put(t, name);
    put(t, hex);
    put(t, "\"");
    gba_wipe(hex, sizeof hex);
}

static void put_uint(text *t, const char *before, uint32_t v)
{
    char s[16];
    put(t, before);
    snprintf(s, sizeof s, "%u", (unsigned)v);
    put(t, s);
}

/* Uss of TS 29.309 6.1.6: the JSON twin of Annex A. */
static void put_uss(text *t, const gba_uss *u)
{
    static const char *const choices[] = {NULL, "ME_BASED_KEY", "UICC_BASED_KEY", "ME_UICC_BASED_KEYS"};
    put_uint(t, "{\"uss\":{\"gsId\":", u->gsid);
    put_uint(t, ",\"gsType\":", u->type);
    put(t, ",\"ueIds\":[");
    for (size_t i = 0; i < u->n_ids; i++) {
        put(t, i ? ",{\"ueId\":" : "{\"ueId\":");
        put_string(t, u->ids[i]);
        put(t, "}");
    }
    put(t, "]");
    if (u->naf_group[0]) {
        put(t, ",\"nafGroup\":");
        put_string(t, u->naf_group);
    }
    for (size_t i = 0; i < u->n_flags; i++) {
        put_uint(t, i ? ",{\"flag\":" : ",\"flags\":[{\"flag\":", u->flags[i]);
        put(t, "}");
    }
    if (u->n_flags)
        put(t, "]");
    if (u->key_choice > GBA_KEY_ANY && u->key_choice <= GBA_KEY_BOTH) {
        put(t, ",\"keyChoice\":\"");
        put(t, choices[u->key_choice]);
        put(t, "\"");
    }
    put(t, "}}");
}

gba_err zn_json_print(const zn_answer *a, char *out, size_t *n)
{
    static const char *const types[] = {"3G_GBA", "3G_GBA", "2G_GBA", "GBA_DIGEST"};
    char expires[GBA_TIME_TEXT], created[GBA_TIME_TEXT];
    text t = {.s = out, .room = *n};

    *n = 0;
    if (t.room == 0)
        return GBA_E_SPACE;
    if (a->gba_type > 3 || gba_time_print(a->expires, expires) != GBA_OK ||
        gba_time_print(a->created, created) != GBA_OK)
        return GBA_E_ARG;
    put_key(&t, "{\"meKeyMaterial\":\"", &a->me_key);
    if (a->uicc_key.n)
        put_key(&t, ",\"uiccKeyMaterial\":\"", &a->uicc_key);
    put(&t, ",\"keyExpiryTime\":\"");
    put(&t, expires);
    put(&t, "\",\"bootstrappingInfoCreationTime\":\"");
    put(&t, created);
    put(&t, "\",\"gbaType\":\"");
    put(&t, types[a->gba_type]);
    put(&t, "\"");
    if (a->impi.s[0]) {
        put(&t, ",\"impi\":");
        put_string(&t, a->impi.s);
    }
    for (size_t i = 0; i < a->n_uss; i++) {
        put(&t, i ? "," : ",\"ussList\":[");
        put_uss(&t, &a->uss[i]);
    }
    if (a->n_uss)
        put(&t, "]");
    put(&t, "}");
    if (t.full) {
        gba_wipe(out, t.room);
        return GBA_E_SPACE;
    }
    *n = t.n;
    return GBA_OK;
}
