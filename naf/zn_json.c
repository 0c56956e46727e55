/* SPDX-License-Identifier: Apache-2.0 */
/* zn_json.c - the two documents of Zn over HTTP, as the NAF sees them (TS 29.309, Nbsp_GBA). */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <gba/naf_zn_http.h>

gba_err gba_naf_zn_request_print(const gba_naf_query *q, char *out, size_t *n)
{
    return gba_naf_zn_request_print_for(q, NULL, 0, out, n);
}

gba_err gba_naf_zn_request_print_for(const gba_naf_query *q, const uint32_t *gsids, size_t n_gsids, char *out,
                                     size_t *n)
{
    char ua[2 * sizeof q->naf.ua.o + 1];
    gba_hex_encode(q->naf.ua.o, sizeof q->naf.ua.o, ua);
    json_t *j =
        json_pack("{s:s, s:{s:s, s:s}}", "btId", q->btid.s, "nafId", "nafFqdn", q->naf.fqdn.s, "uaSecProtId", ua);
    if (!j)
        return GBA_E_NOMEM; /* names and B-TIDs are ASCII */
    json_t *ids = n_gsids ? json_array() : NULL;
    for (size_t i = 0; i < n_gsids; i++)
        json_array_append_new(ids, json_integer(gsids[i]));
    if (n_gsids && json_object_set_new(j, "gsIds", ids) != 0) {
        json_decref(j);
        return GBA_E_NOMEM;
    }
    size_t need = json_dumpb(j, out, *n, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(j);
    if (!need || need > *n)
        return need ? GBA_E_SPACE : GBA_E_NOMEM;
    *n = need;
    return GBA_OK;
}

/* Text that may stand in a header field later on: no control octets, no quotes. */
static gba_err take_text(const json_t *v, char *out, size_t room)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (!s || !n)
        return GBA_E_SYNTAX;
    if (n >= room)
        return GBA_E_RANGE;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == '"' || s[i] == '\\')
            return GBA_E_SYNTAX;
    memcpy(out, s, n + 1);
    return GBA_OK;
}

static gba_err take_u32(const json_t *v, uint32_t *out)
{
    if (!json_is_integer(v))
        return GBA_E_SYNTAX;
    json_int_t i = json_integer_value(v);
    if (i < 0 || i > UINT32_MAX)
        return GBA_E_RANGE;
    *out = (uint32_t)i;
    return GBA_OK;
}

static gba_err take_key(json_t *v, gba_secret *out)
{
    size_t n = 32;
    if (!json_is_string(v) || json_string_length(v) != 64)
        return GBA_E_SYNTAX;
    gba_err e = gba_hex_decode(gba_mem(json_string_value(v), 64), out->o, &n);
    out->n = 32;
    gba_wipe((char *)(uintptr_t)json_string_value(v), 64); /* jansson would free it as it is */
    return e;
}

static gba_err take_time(const json_t *v, int64_t *out)
{
    if (!json_is_string(v))
        return GBA_E_SYNTAX;
    return gba_time_parse(gba_mem(json_string_value(v), json_string_length(v)), out);
}

static gba_err take_choice(const json_t *v, gba_key_choice *out)
{
    static const char *const names[] = {[GBA_KEY_ME] = "ME_BASED_KEY", [GBA_KEY_UICC] = "UICC_BASED_KEY",
                                        [GBA_KEY_BOTH] = "ME_UICC_BASED_KEYS"};
    if (!json_is_string(v))
        return GBA_E_SYNTAX;
    for (int i = GBA_KEY_ME; i <= GBA_KEY_BOTH; i++)
        if (!strcmp(json_string_value(v), names[i])) {
            *out = (gba_key_choice)i;
            return GBA_OK;
        }
    return GBA_E_UNSUPPORTED;
}

static gba_err take_ids(const json_t *list, gba_uss *u)
{
    if (!json_is_array(list))
        return GBA_E_SYNTAX;
    if (json_array_size(list) > GBA_USS_IDS)
        return GBA_E_RANGE;
    for (; u->n_ids < json_array_size(list); u->n_ids++) {
        gba_err e = take_text(json_object_get(json_array_get(list, u->n_ids), "ueId"), u->ids[u->n_ids],
                              sizeof u->ids[0]);
        if (e != GBA_OK)
            return e;
    }
    return GBA_OK;
}

static gba_err take_flags(const json_t *list, gba_uss *u)
{
    if (!json_is_array(list))
        return GBA_E_SYNTAX;
    if (json_array_size(list) > GBA_USS_FLAGS)
        return GBA_E_RANGE;
    for (; u->n_flags < json_array_size(list); u->n_flags++) {
        gba_err e = take_u32(json_object_get(json_array_get(list, u->n_flags), "flag"), &u->flags[u->n_flags]);
        if (e != GBA_OK)
            return e;
    }
    return GBA_OK;
}

static gba_err take_uss(const json_t *j, gba_uss *u)
{
    const json_t *v;
    gba_err e = take_u32(json_object_get(j, "gsId"), &u->gsid);
    if (e == GBA_OK)
        e = take_u32(json_object_get(j, "gsType"), &u->type);
    if (e == GBA_OK)
        e = take_ids(json_object_get(j, "ueIds"), u);
    if (e == GBA_OK && (v = json_object_get(j, "flags")))
        e = take_flags(v, u);
    if (e == GBA_OK && (v = json_object_get(j, "keyChoice")))
        e = take_choice(v, &u->key_choice);
    if (e == GBA_OK && (v = json_object_get(j, "nafGroup")))
        e = take_text(v, u->naf_group, sizeof u->naf_group);
    return e;
}

static gba_err take_uss_list(const json_t *list, gba_naf_keys *out)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return GBA_E_SYNTAX;
    if (n > GBA_USS_MAX)
        return GBA_E_RANGE;
    if (!n)
        return GBA_OK;
    out->uss = calloc(n, sizeof *out->uss);
    if (!out->uss)
        return GBA_E_NOMEM;
    for (; out->n_uss < n; out->n_uss++) {
        gba_err e = take_uss(json_object_get(json_array_get(list, out->n_uss), "uss"), &out->uss[out->n_uss]);
        if (e != GBA_OK)
            return e;
    }
    return GBA_OK;
}

static gba_err take_type(const json_t *v, gba_type *out)
{
    static const char *const names[] = {[GBA_TYPE_3G] = "3G_GBA", [GBA_TYPE_2G] = "2G_GBA",
                                        [GBA_TYPE_DIGEST] = "GBA_DIGEST"};
    if (!json_is_string(v))
        return GBA_E_SYNTAX;
    for (int i = GBA_TYPE_3G; i <= GBA_TYPE_DIGEST; i++)
        if (!strcmp(json_string_value(v), names[i])) {
            *out = (gba_type)i;
            return GBA_OK;
        }
    return GBA_E_UNSUPPORTED;
}

static gba_err take_answer(json_t *j, gba_naf_keys *out)
{
    json_t *v;
    gba_err e = take_key(json_object_get(j, "meKeyMaterial"), &out->me);
    if (e == GBA_OK && (v = json_object_get(j, "uiccKeyMaterial")))
        e = take_key(v, &out->uicc);
    /* Optional in the schema, but a key without an end must not be cached, and we cache. */
    if (e == GBA_OK)
        e = take_time(json_object_get(j, "keyExpiryTime"), &out->expires);
    if (e == GBA_OK && (v = json_object_get(j, "bootstrappingInfoCreationTime")))
        e = take_time(v, &out->bootstrapped);
    if (e == GBA_OK && (v = json_object_get(j, "gbaType")))
        e = take_type(v, &out->type);
    if (e == GBA_OK && (v = json_object_get(j, "impi")))
        e = json_is_string(v) ? gba_impi_parse(gba_mem(json_string_value(v), json_string_length(v)), &out->impi)
                              : GBA_E_SYNTAX;
    if (e == GBA_OK && (v = json_object_get(j, "ussList")))
        e = take_uss_list(v, out);
    return e;
}

gba_err gba_naf_zn_answer_parse(gba_span json, gba_naf_keys *out)
{
    *out = (gba_naf_keys){0};
    if (json.n > GBA_NAF_ZN_ANSWER_MAX)
        return GBA_E_RANGE;
    json_error_t why = {0}; /* jansson leaves its code as it is where it has none */
    json_t *j = json.n ? json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (!j) /* without a reason it was memory; of a string's jansson says "invalid token" all the same */
        return json.n && json_error_code(&why) == json_error_unknown ? GBA_E_NOMEM : GBA_E_SYNTAX;
    gba_err e = take_answer(j, out);
    json_decref(j);
    if (e != GBA_OK)
        gba_naf_keys_clear(out);
    return e;
}
