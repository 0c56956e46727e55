/* SPDX-License-Identifier: Apache-2.0 */
/* kms_json.c - the resources as JSON and back; names are those of names.h. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/kms.h"
#include "onem2m-binding/names.h"

void prim_wipe(prim *p)
{
    gba_wipe(p, sizeof *p);
}

/* ---- reading ---- */
typedef unsigned reader(prim *p, json_t *v);

static unsigned read_et(prim *p, json_t *v)
{
    const char *s = json_string_value(v);
    return s && gba_m2m_time_parse(gba_mem(s, json_string_length(v)), &p->et) == GBA_OK ? 0 : GBA_M2M_BAD_REQUEST;
}

static unsigned read_labels(prim *p, json_t *v)
{
    if (!json_is_array(v) || json_array_size(v) > 64)
        return GBA_M2M_BAD_REQUEST;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_array_get(v, i)))
            return GBA_M2M_BAD_REQUEST;
    char *t = json_dumps(v, JSON_COMPACT);
    bool fits = t && strlen(t) < sizeof p->labels;
    if (fits)
        memcpy(p->labels, t, strlen(t) + 1);
    free(t);
    return fits ? 0 : GBA_M2M_CONTENTS_UNACCEPTABLE;
}

static unsigned read_adfq(prim *p, json_t *v)
{
    const char *s = json_string_value(v);
    return s && gba_fqdn_parse(gba_mem(s, json_string_length(v)), &p->adfq) == GBA_OK ? 0 : GBA_M2M_BAD_REQUEST;
}

static unsigned read_number(json_t *v, unsigned max, unsigned *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
        return GBA_M2M_BAD_REQUEST;
    *out = (unsigned)json_integer_value(v);
    return 0;
}

static unsigned read_suid(prim *p, json_t *v)
{
    unsigned rsc = read_number(v, 99, &p->suid);
    return rsc || gba_m2m_suid_text(p->suid) ? rsc : GBA_M2M_CONTENTS_UNACCEPTABLE;
}

static unsigned read_cmid(prim *p, json_t *v)
{
    return read_number(v, 1000000, &p->cmid);
}

static unsigned read_cmst(prim *p, json_t *v)
{
    return read_number(v, 999, &p->cmst);
}

static unsigned read_targets(prim *p, json_t *v)
{
    size_t n = json_array_size(v);

    if (!json_is_array(v) || n == 0)
        return GBA_M2M_BAD_REQUEST;
    if (n > KMS_TARGETS)
        return GBA_M2M_CONTENTS_UNACCEPTABLE;
    for (size_t i = 0; i < n; i++) {
        json_t *t = json_array_get(v, i);
        const char *s = json_string_value(t);
        if (!s || gba_m2m_entity_parse(gba_mem(s, json_string_length(t)), &p->target[i]) != GBA_OK)
            return GBA_M2M_BAD_REQUEST;
        for (size_t j = 0; j < i; j++)
            if (gba_m2m_id_eq(&p->target[i], &p->target[j]))
                return GBA_M2M_BAD_REQUEST;
    }
    p->n_targets = (unsigned)n;
    return 0;
}

/* 16 octets at least: half of what an export gives. The text is wiped where it stands. */
static unsigned read_kv(prim *p, json_t *v)
{
    char *s = (char *)json_string_value(v);
    size_t n = sizeof p->kv.o, len = json_string_length(v);

    if (!s)
        return GBA_M2M_BAD_REQUEST;
    gba_err e = gba_b64_decode(gba_mem(s, len), p->kv.o, &n);
    gba_wipe(s, len);
    if (e == GBA_E_SYNTAX)
        return GBA_M2M_BAD_REQUEST;
    if (e != GBA_OK || n < 16)
        return GBA_M2M_CONTENTS_UNACCEPTABLE;
    p->kv.n = n;
    return 0;
}

static const struct {
    const char *name;
    unsigned bit;
    reader *read;
} attributes[] = {
    {M2M_ET, PRIM_ET, read_et},       {M2M_LBL, PRIM_LBL, read_labels},    {M2M_ADFQ, PRIM_ADFQ, read_adfq},
    {M2M_SUID, PRIM_SUID, read_suid}, {M2M_TGIS, PRIM_TGIS, read_targets}, {M2M_KV, PRIM_KV, read_kv},
    {M2M_CMID, PRIM_CMID, read_cmid}, {M2M_CMST, PRIM_CMST, read_cmst},
};

static unsigned read_attribute(prim *p, const char *name, json_t *v, unsigned may, const char **why)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (strcmp(attributes[i].name, name) != 0)
            continue;
        if (!(attributes[i].bit & may))
            break;
        p->has |= attributes[i].bit;
        unsigned rsc = attributes[i].read(p, v);
        if (rsc)
            *why = attributes[i].name;
        return rsc;
    }
    *why = "attribute_not_permitted";
    return GBA_M2M_BAD_REQUEST;
}

unsigned prim_read(gba_span body, const char *root, unsigned may, prim *out, const char **why)
{
    unsigned rsc = 0;
    const char *name;
    json_t *v;

    memset(out, 0, sizeof *out);
    *why = "malformed_json";
    if (body.n == 0 || body.n > 65536)
        return GBA_M2M_BAD_REQUEST;
    json_t *doc = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    json_t *o = json_object_get(doc, root);
    if (!json_is_object(doc)) {
        rsc = GBA_M2M_BAD_REQUEST;
    } else if (json_object_size(doc) != 1 || !json_is_object(o)) {
        *why = "wrong_root";
        rsc = GBA_M2M_BAD_REQUEST;
    } else {
        *why = "";
        json_object_foreach(o, name, v)
        {
            if (!rsc)
                rsc = read_attribute(out, name, v, may, why);
        }
    }
    json_decref(doc);
    if (rsc)
        prim_wipe(out);
    return rsc;
}

/* ---- writing ---- */
/* jansson frees without wiping: a key's text is wiped first. */
static void wipe_text(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    if (json_is_string(v))
        gba_wipe((char *)json_string_value(v), json_string_length(v));
}

static char *finish(const char *root, json_t *o)
{
    json_t *doc = json_object();
    char *text = NULL;

    if (doc && o && json_object_set_new(doc, root, o) == 0)
        text = json_dumps(doc, JSON_COMPACT);
    wipe_text(o, M2M_KV);
    json_decref(doc);
    return text;
}

static void put_time(json_t *o, const char *name, int64_t t)
{
    char text[GBA_M2M_TIME_TEXT];
    if (t && gba_m2m_time_print(t, text) == GBA_OK)
        json_object_set_new(o, name, json_string(text));
}

static void put_text(json_t *o, const char *name, const char *s)
{
    if (s && *s)
        json_object_set_new(o, name, json_string(s));
}

static void put_json(json_t *o, const char *name, const char *s)
{
    json_t *v = s && *s ? json_loads(s, JSON_DECODE_ANY, NULL) : NULL;
    if (v)
        json_object_set_new(o, name, v);
}

static void put_head(json_t *o, unsigned ty, const char *id, const char *parent)
{
    json_object_set_new(o, M2M_TY, json_integer(ty));
    put_text(o, M2M_RI, id);
    put_text(o, M2M_RN, id);
    put_text(o, M2M_PI, parent);
}

char *prim_print_base(const kms_kind *k, const char *fqdn, const char *dcu)
{
    json_t *o = json_object();

    put_head(o, k->base_ty, k->base, NULL);
    json_object_set_new(o, M2M_LBL, json_pack("[s]", fqdn));
    put_text(o, M2M_DCU, dcu);
    return finish(k->base_root, o);
}

char *prim_print_reg(const kms_kind *k, const char *id, const kms_reg *r, unsigned what, bool cmd_waits)
{
    json_t *o = json_object();
    char uri[128];

    if (what == 0) { /* all of it */
        put_head(o, k->reg_ty, id, k->base);
        put_time(o, M2M_CT, r->ct);
        put_time(o, M2M_LT, r->lt);
        put_text(o, M2M_CR, r->creator);
        put_text(o, M2M_ADFQ, r->adfq);
    }
    if (what == 0 || what & PRIM_ET)
        put_time(o, M2M_ET, r->et);
    if (what == 0 || what & PRIM_LBL)
        put_json(o, M2M_LBL, r->labels);
    if (k->assigns)
        put_text(o, M2M_ASKI, r->aski);
    if (cmd_waits) {
        snprintf(uri, sizeof uri, "%s/%s/%s", k->base, id, M2M_PATH_CMD);
        json_object_set_new(o, M2M_CH,
                            json_pack("[{s:s,s:i,s:s}]", "nm", M2M_PATH_CMD, "typ", M2M_TY_MEF_CLIENT_CMD, "val", uri));
    }
    return finish(k->reg_root, o);
}

static void put_kv(json_t *o, const char *name, const gba_secret *kv)
{
    char b64[GBA_B64_LEN(GBA_SECRET_MAX) + 1];

    gba_b64_encode(kv->o, kv->n, b64);
    json_object_set_new(o, name, json_string(b64));
    gba_wipe(b64, sizeof b64);
}

char *prim_print_key(const kms_kind *k, const char *id, const kms_key *r, unsigned what, const gba_secret *kv)
{
    json_t *o = json_object(), *targets = json_array();

    for (unsigned i = 0; i < r->n_targets; i++)
        json_array_append_new(targets, json_string(r->target[i]));
    if (what == 0) {
        put_head(o, M2M_TY_SYMM_KEY_REG, id, k->base);
        put_time(o, M2M_CT, r->ct);
        put_time(o, M2M_LT, r->lt);
        put_text(o, M2M_CR, r->creator);
        put_text(o, M2M_ADFQ, r->adfq);
        json_object_set_new(o, M2M_SUID, json_integer(r->suid));
    }
    if (what == 0 || what & PRIM_ET)
        put_time(o, M2M_ET, r->et);
    if (what == 0 || what & PRIM_LBL)
        put_json(o, M2M_LBL, r->labels);
    if (what == 0 || what & PRIM_TGIS)
        json_object_set(o, M2M_TGIS, targets);
    json_decref(targets);
    if (kv)
        put_kv(o, M2M_KV, kv);
    char *text = finish(M2M_ROOT_SYMM_KEY_REG, o);
    return text;
}

char *prim_print_cmd(unsigned cmid, const char *description, unsigned status)
{
    json_t *o = json_object();

    json_object_set_new(o, M2M_TY, json_integer(M2M_TY_MEF_CLIENT_CMD));
    json_object_set_new(o, M2M_CMID, json_integer(cmid));
    put_json(o, M2M_CMDE, description);
    json_object_set_new(o, M2M_CMST, json_integer(status));
    return finish(M2M_ROOT_MEF_CLIENT_CMD, o);
}

char *prim_print_fetch(const gba_secret *key, const char *enrolee, int64_t lifetime, const char *error)
{
    json_t *o = json_object();

    json_object_set_new(o, M2M_FETCH_STATUS, json_boolean(!error));
    if (error) {
        put_text(o, M2M_FETCH_ERROR, error);
    } else {
        put_kv(o, M2M_FETCH_CREDENTIAL, key);
        put_text(o, M2M_FETCH_ENROLEE, enrolee);
        put_time(o, M2M_FETCH_LIFETIME, lifetime);
    }
    char *text = json_dumps(o, JSON_COMPACT);
    wipe_text(o, M2M_FETCH_CREDENTIAL);
    json_decref(o);
    return text;
}

char *prim_print_cfg(const char *cfg)
{
    return finish(M2M_ROOT_CLIENT_CFG, json_loads(cfg, 0, NULL));
}

/* ---- what operators give ---- */
gba_err prim_cfg_ok(gba_span text, char out[KMS_CFG_MAX])
{
    json_t *o = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    char *t = json_is_object(o) ? json_dumps(o, JSON_COMPACT) : NULL;
    gba_err e = !t ? GBA_E_SYNTAX : strlen(t) >= KMS_CFG_MAX ? GBA_E_RANGE : GBA_OK;

    if (e == GBA_OK)
        memcpy(out, t, strlen(t) + 1);
    free(t);
    json_decref(o);
    return e;
}

gba_err prim_command_ok(gba_span text, char out[KMS_CMD_MAX], const char **why)
{
    static const char *const member[] = {NULL, "certProvCmdArgs", "devCfgCmdArgs", "MONodeCmdArgs"};
    json_t *o = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    json_t *class = json_object_get(o, M2M_CMD_CLASS), *args = json_object_get(o, M2M_CMD_ARGS);
    json_int_t c = json_integer_value(class);
    gba_err e = GBA_E_SYNTAX;

    if (!json_is_object(o))
        *why = "no JSON object";
    else if (!json_is_integer(class) || c < 1 || c > 3)
        *why = "cmdClassID is not 1 (CERT_PROV), 2 (DEV_CFG) or 3 (MO_NODE)";
    else if (json_object_size(args) != 1 || !json_is_object(json_object_get(args, member[c])))
        *why = "cmdArgs lacks the member of its class: certProvCmdArgs, devCfgCmdArgs or MONodeCmdArgs";
    else
        e = GBA_OK;
    char *t = e == GBA_OK ? json_dumps(o, JSON_COMPACT) : NULL;
    if (e == GBA_OK && (!t || strlen(t) >= KMS_CMD_MAX)) {
        *why = "it is too long";
        e = GBA_E_RANGE;
    }
    if (e == GBA_OK)
        memcpy(out, t, strlen(t) + 1);
    free(t);
    json_decref(o);
    return e;
}
