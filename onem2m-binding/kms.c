/* SPDX-License-Identifier: Apache-2.0 */
/* kms.c - requests to a MAF or MEF: whose they are, client registrations, commands. */
#include "onem2m-binding/kms.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libgba/crypt.h"
#include "onem2m-binding/names.h"

const kms_kind kms_maf = {
    .name = "maf", .program = "m2m-mafd", .at = GBA_M2M_AT_MAF, .base = M2M_PATH_MAF_BASE,
    .base_root = M2M_ROOT_MAF_BASE,
    .reg_root = M2M_ROOT_MAF_CLIENT_REG, .base_ty = M2M_TY_MAF_BASE, .reg_ty = M2M_TY_MAF_CLIENT_REG,
    .label = GBA_M2M_LABEL_CONNECTION, .store = STORE_MAF, .assigns = true, .own_type = 11,
};
const kms_kind kms_mef = {
    .name = "mef", .program = "m2m-mefd", .at = GBA_M2M_AT_MEF, .base = M2M_PATH_MEF_BASE,
    .base_root = M2M_ROOT_MEF_BASE,
    .reg_root = M2M_ROOT_MEF_CLIENT_REG, .base_ty = M2M_TY_MEF_BASE, .reg_ty = M2M_TY_MEF_CLIENT_REG,
    .label = GBA_M2M_LABEL_BOOTSTRAP, .store = STORE_MEF, .enrols = true, .own_type = 10,
};

gba_err kms_init(kms *k, const kms_config *c)
{
    memset(k, 0, sizeof *k);
    k->c = *c;
    if (c->n_mefs > GBA_NAF_BSFS || c->n_bsfs > GBA_NAF_BSFS)
        return GBA_E_RANGE;
    for (size_t i = 0; i < c->n_mefs; i++)
        k->mef_names[i] = c->mefs[i].fqdn;
    k->domains = (gba_m2m_domains){.at = c->kind->at, .own = &k->c.fqdn, .bsf = c->bsfs, .n_bsf = c->n_bsfs,
                                   .mef = k->mef_names, .n_mef = c->n_mefs};
    return gba_m2m_domains_clash(&k->domains) ? GBA_E_ARG : kms_mef_open(k);
}

void kms_close(kms *k)
{
    kms_mef_close(k);
}

void kms_say(kms_call *c, unsigned rsc, const char *why)
{
    c->out->rsc = rsc;
    c->out->why = why;
}

void kms_answer_free(kms_answer *a)
{
    if (a->body)
        gba_wipe(a->body, strlen(a->body));
    free(a->body);
    a->body = NULL;
}

static store_kind kind_of(const kms *k, int which)
{
    return (store_kind)(k->c.kind->store + which);
}

static void trouble(kms_call *c, gba_err e)
{
    kms_say(c, GBA_M2M_INTERNAL_ERROR, gba_err_name(e));
}

/* ---- registrations in the store ---- */
gba_err kms_reg_load(kms *k, const char *id, int64_t now, kms_reg *out, uint64_t *version)
{
    store_record rec = {0};
    gba_err e =
        strlen(id) > STORE_KEY_MAX ? GBA_E_UNKNOWN : store_get(k->c.store, kind_of(k, KMS_REG), gba_str(id), now, &rec);

    if (e != GBA_OK)
        return e;
    e = kms_reg_read(gba_mem(rec.value, rec.n), out);
    if (version)
        *version = rec.version;
    store_record_free(&rec);
    return e;
}

/* One registration a client and administrating stakeholder (TS-0003 8.8.1): its place is this key. Too
 * long a pair is hashed by nobody: it is refused. */
static bool index_key(const char *client, const char *adfq, char out[STORE_KEY_MAX + 1])
{
    return snprintf(out, STORE_KEY_MAX + 1, "%s\n%s", client, adfq) <= STORE_KEY_MAX;
}

gba_err kms_reg_find(kms *k, const char *client, const char *adfq, int64_t now, char id[64], kms_reg *out)
{
    char key[STORE_KEY_MAX + 1];
    store_record rec = {0};

    if (!index_key(client, adfq, key))
        return GBA_E_UNKNOWN;
    gba_err e = store_get(k->c.store, kind_of(k, KMS_REG_INDEX), gba_str(key), now, &rec);
    if (e != GBA_OK)
        return e;
    e = rec.n < 64 ? GBA_OK : GBA_E_CORRUPT;
    if (e == GBA_OK)
        snprintf(id, 64, "%.*s", (int)rec.n, (const char *)rec.value);
    store_record_free(&rec);
    return e == GBA_OK ? kms_reg_load(k, id, now, out, NULL) : e;
}

/* A KmID that the server assigned with the registration, and the one before it, which ends. */
typedef struct assigned {
    kms_cred *km;
    char key[256], before[256]; /* "": none */
} assigned;

/* version 0: a new one; km may be NULL. */
static gba_err reg_save(kms_call *c, const char *id, kms_reg *r, uint64_t version, const assigned *km)
{
    uint8_t *o = malloc(2 * (size_t)KMS_RECORD_MAX);
    size_t n = KMS_RECORD_MAX, m = KMS_RECORD_MAX, n_ops = 2, failed;
    char key[STORE_KEY_MAX + 1];
    gba_err e = !o ? GBA_E_NOMEM : index_key(r->creator, r->adfq, key) ? kms_reg_write(r, o, &n) : GBA_E_RANGE;

    if (e == GBA_OK && km && km->km)
        e = kms_cred_write(km->km, o + KMS_RECORD_MAX, &m);
    if (e == GBA_OK) {
        store_op op[4] = {
            {.type = version ? STORE_SWAP : STORE_INSERT, .kind = kind_of(c->f, KMS_REG), .key = gba_str(id),
             .value = gba_mem(o, n),
             .expiry = r->et, .version = version},
            {.type = version ? STORE_PUT : STORE_INSERT, .kind = kind_of(c->f, KMS_REG_INDEX), .key = gba_str(key),
             .value = gba_str(id),
             .expiry = r->et},
        };
        if (km && km->km)
            op[n_ops++] = (store_op){.type = STORE_PUT, .kind = kind_of(c->f, KMS_CRED), .key = gba_str(km->key),
                                     .value = gba_mem(o + KMS_RECORD_MAX, m), .expiry = km->km->expires};
        if (km && km->km && km->before[0] && strcmp(km->before, km->key) != 0)
            op[n_ops++] = (store_op){.type = STORE_TAKE, .kind = kind_of(c->f, KMS_CRED), .key = gba_str(km->before),
                                     .optional = true};
        e = store_write(c->f->c.store, op, n_ops, c->r->now, &failed);
    }
    if (o)
        gba_wipe(o, 2 * (size_t)KMS_RECORD_MAX);
    free(o);
    return e;
}

gba_err kms_reg_follow(kms_call *c, const char *id, kms_reg *r)
{
    const kms_who *w = c->r->who;
    uint64_t version;

    if (w->form == GBA_M2M_PSK_KM || w->form == GBA_M2M_PSK_KPM || !strcmp(r->cred, w->record))
        return GBA_OK;
    gba_err e = kms_reg_load(c->f, id, c->r->now, r, &version);
    snprintf(r->cred, sizeof r->cred, "%s", w->record);
    return e == GBA_OK ? reg_save(c, id, r, version, NULL) : e;
}

/* ---- assignedSymmKeyID (TS-0003 8.8.2.3): a KmID of the MAF's own for a Km from a MEF ---- */
/* A KeID gives a client's registration one KmID, however often it is asked for, and the KmID of the KeID before ends.
 */
static gba_err assign(kms_call *c, kms_reg *r, assigned *out)
{
    const kms_who *w = c->r->who;
    const gba_span part[] = {gba_str(w->credential), gba_mem("", 1), gba_str(c->client), gba_mem("", 1),
                             gba_str(r->adfq)};
    uint8_t mac[32];
    char hex[33];

    kms_cred *km = out->km = calloc(1, sizeof *km);
    if (!km)
        return GBA_E_NOMEM;
    snprintf(out->before, sizeof out->before, "%s", r->aski);
    kms_lower(out->before);
    crypt_hmac_sha256(gba_str(c->f->c.fqdn.s), part, sizeof part / sizeof *part, mac);
    kms_hex(mac, 12, hex);
    if (snprintf(r->aski, sizeof r->aski, "Km-%.24s@%s", hex, c->f->c.fqdn.s) >= (int)sizeof r->aski)
        return GBA_E_RANGE;
    memcpy(out->key, r->aski, sizeof out->key);
    kms_lower(out->key);
    km->key = w->km;
    km->created = c->r->now;
    km->expires = w->expires; /* never longer than Ke (TS-0003 10.7) */
    snprintf(km->client, KMS_ID, "%s", c->client);
    snprintf(km->source, sizeof km->source, "%s", w->credential + 3);
    return GBA_OK;
}

static int64_t reg_expiry(const kms_call *c, int64_t asked)
{
    int64_t e = gba_m2m_expiry(c->r->now + c->f->c.reg_lifetime, asked);
    return gba_m2m_expiry(c->r->who->expires, e);
}

static bool admin_ok(const kms *k, const gba_fqdn *adfq)
{
    for (size_t i = 0; i < k->c.n_admins; i++)
        if (!strcmp(k->c.admins[i].s, adfq->s))
            return true;
    return k->c.n_admins == 0;
}

static bool cmd_waits(const kms_call *c, const kms_reg *r)
{
    return c->f->c.kind->enrols && c->cred && r->cmd_at < c->cred->n_cmds;
}

static void location(kms_call *c, const char *id)
{
    snprintf(c->out->location, sizeof c->out->location, "/%s/%s", c->f->c.kind->base, id);
    snprintf(c->out->resource, sizeof c->out->resource, "%s", id);
}

static void reg_create(kms_call *c)
{
    prim p;
    kms_reg r = {0}, old;
    assigned km = {0};
    char id[64] = "R", had[64];
    const char *why;
    gba_err e = GBA_OK;

    c->out->op = "client_register";
    unsigned rsc = prim_read(c->r->body, c->f->c.kind->reg_root, PRIM_ET | PRIM_LBL | PRIM_ADFQ, &p, &why);
    if (rsc || (p.has & (PRIM_ET | PRIM_ADFQ)) != (PRIM_ET | PRIM_ADFQ)) {
        kms_say(c, rsc ? rsc : GBA_M2M_BAD_REQUEST, rsc ? why : "attribute_missing");
        return;
    }
    if (p.et <= c->r->now || !admin_ok(c->f, &p.adfq)) {
        kms_say(c, p.et <= c->r->now ? GBA_M2M_CONTENTS_UNACCEPTABLE : GBA_M2M_NO_PRIVILEGE,
                p.et <= c->r->now ? "et_past" : "admin_unknown");
        return;
    }
    if (kms_reg_find(c->f, c->client, p.adfq.s, c->r->now, had, &old) == GBA_OK) {
        location(c, had); /* its own: it may have lost the answer */
        kms_say(c, GBA_M2M_ALREADY_REGISTERED, "already_registered");
        return;
    }
    kms_random_hex(id + 1, 12);
    snprintf(r.creator, sizeof r.creator, "%s", c->client);
    snprintf(r.adfq, sizeof r.adfq, "%s", p.adfq.s);
    snprintf(r.labels, sizeof r.labels, "%s", p.labels);
    snprintf(r.cred, sizeof r.cred, "%s", c->r->who->record);
    r.et = reg_expiry(c, p.et);
    r.ct = r.lt = c->r->now;
    if (c->f->c.kind->assigns && c->r->who->form == GBA_M2M_PSK_KE)
        e = assign(c, &r, &km);
    if (e == GBA_OK)
        e = reg_save(c, id, &r, 0, &km);
    kms_cred_free(&km.km);
    if (e == GBA_E_FORBIDDEN) {
        kms_say(c, GBA_M2M_ALREADY_REGISTERED, "already_registered");
    } else if (e == GBA_E_RANGE) {
        kms_say(c, GBA_M2M_CONTENTS_UNACCEPTABLE, "names_too_long");
    } else if (e != GBA_OK) {
        trouble(c, e);
    } else {
        location(c, id);
        c->out->body = prim_print_reg(c->f->c.kind, id, &r, 0, cmd_waits(c, &r));
        kms_say(c, GBA_M2M_CREATED, r.aski[0] ? "km_assigned" : "registered");
    }
}

static void reg_update(kms_call *c, const char *id, kms_reg *r, uint64_t version)
{
    prim p;
    assigned km = {0};
    char aski[256];
    const char *why;
    gba_err e = GBA_OK;

    c->out->op = "client_update";
    unsigned rsc = prim_read(c->r->body, c->f->c.kind->reg_root, PRIM_ET | PRIM_LBL, &p, &why);
    bool renew = c->f->c.kind->assigns && c->r->who->form == GBA_M2M_PSK_KE;
    if (!rsc && !p.has && !renew) {
        rsc = GBA_M2M_BAD_REQUEST;
        why = "nothing_to_update";
    }
    if (!rsc && p.has & PRIM_ET && p.et <= c->r->now) {
        rsc = GBA_M2M_CONTENTS_UNACCEPTABLE;
        why = "et_past";
    }
    if (rsc) {
        kms_say(c, rsc, why);
        return;
    }
    if (p.has & PRIM_ET)
        r->et = reg_expiry(c, p.et);
    if (p.has & PRIM_LBL)
        snprintf(r->labels, sizeof r->labels, "%s", p.labels);
    r->lt = c->r->now;
    if (renew)
        e = assign(c, r, &km);
    if (e == GBA_OK)
        e = reg_save(c, id, r, version, &km);
    kms_cred_free(&km.km);
    if (e != GBA_OK) {
        if (e == GBA_E_STALE || e == GBA_E_FORBIDDEN)
            kms_say(c, GBA_M2M_CONFLICT, "changed_meanwhile");
        else
            trouble(c, e);
        return;
    }
    snprintf(aski, sizeof aski, "%s", r->aski);
    if (!renew)
        r->aski[0] = 0; /* only what changed */
    c->out->body = prim_print_reg(c->f->c.kind, id, r, p.has ? p.has : 256, false);
    snprintf(r->aski, sizeof r->aski, "%s", aski);
    kms_say(c, GBA_M2M_UPDATED, renew ? "km_assigned" : "updated");
}

/* Its keys go with it, and a KmID that was assigned to it. */
static void reg_delete(kms_call *c, const char *id, const kms_reg *r)
{
    char key[STORE_KEY_MAX + 1], km[256];
    size_t failed, n = 2;

    c->out->op = "client_deregister";
    if (!index_key(r->creator, r->adfq, key)) {
        trouble(c, GBA_E_CORRUPT);
        return;
    }
    store_op op[3] = {
        {.type = STORE_TAKE, .kind = kind_of(c->f, KMS_REG), .key = gba_str(id)},
        {.type = STORE_TAKE, .kind = kind_of(c->f, KMS_REG_INDEX), .key = gba_str(key), .optional = true},
    };
    if (r->aski[0]) {
        snprintf(km, sizeof km, "%s", r->aski);
        kms_lower(km);
        op[n++] = (store_op){.type = STORE_TAKE, .kind = kind_of(c->f, KMS_CRED), .key = gba_str(km), .optional = true};
    }
    gba_err e = store_write(c->f->c.store, op, n, c->r->now, &failed);
    if (e == GBA_E_UNKNOWN) {
        kms_say(c, GBA_M2M_NOT_FOUND, "unknown");
        return;
    }
    if (e != GBA_OK) {
        trouble(c, e);
        return;
    }
    kms_keys_drop(c->f, id, c->r->now);
    kms_say(c, GBA_M2M_DELETED, "deregistered");
}

/* ---- MEF client commands (TS-0003 8.3.9) ---- */
static char *print_command(kms_call *c, const kms_reg *r)
{
    char none[160];

    if (cmd_waits(c, r))
        return prim_print_cmd(r->cmd_at + 1, c->cred->cmd[r->cmd_at], r->cmd_issued > 1 ? 11 : 10);
    snprintf(none, sizeof none, "{\"cmdClassID\":0,\"cmdArgs\":{\"noMoreCmdArgs\":{\"retryDuration\":\"PT%lldS\"}}}",
             (long long)c->f->c.retry);
    return prim_print_cmd(r->cmd_at + 1, none, 10);
}

static void cmd_next(kms_call *c, const char *id, kms_reg *r, uint64_t version, unsigned rsc, const char *why)
{
    gba_err e;

    if (r->cmd_issued < 1000000)
        r->cmd_issued++;
    r->lt = c->r->now;
    e = reg_save(c, id, r, version, NULL);
    if (e == GBA_E_STALE) {
        kms_say(c, GBA_M2M_CONFLICT, "changed_meanwhile");
    } else if (e != GBA_OK) {
        trouble(c, e);
    } else {
        c->out->body = print_command(c, r);
        kms_say(c, rsc, why);
    }
}

static void cmd_update(kms_call *c, const char *id, kms_reg *r, uint64_t version)
{
    prim p;
    const char *why;

    c->out->op = "command_update";
    unsigned rsc = prim_read(c->r->body, M2M_ROOT_MEF_CLIENT_CMD, PRIM_CMID | PRIM_CMST, &p, &why);
    if (rsc || p.has != (PRIM_CMID | PRIM_CMST)) {
        kms_say(c, rsc ? rsc : GBA_M2M_BAD_REQUEST, rsc ? why : "attribute_missing");
        return;
    }
    why = "unknown_command"; /* its status is discarded, the next command sent (8.3.9.3) */
    if (p.cmid == r->cmd_at + 1 && cmd_waits(c, r)) {
        r->cmd_at++;
        r->cmd_issued = 0;
        r->cmd_status = p.cmst;
        why = p.cmst == 20 ? "command_done" : "command_failed";
    }
    cmd_next(c, id, r, version, GBA_M2M_UPDATED, why);
}

static void cmd_resource(kms_call *c, const char *id, kms_reg *r, uint64_t version)
{
    if (c->m.op == GBA_M2M_RETRIEVE) {
        c->out->op = "command_retrieve";
        cmd_next(c, id, r, version, GBA_M2M_OK, cmd_waits(c, r) ? "command" : "no_more_commands");
    } else if (c->m.op == GBA_M2M_UPDATE) {
        cmd_update(c, id, r, version);
    } else {
        kms_say(c, GBA_M2M_OPERATION_NOT_ALLOWED, "operation");
    }
}

/* ---- routes ---- */
static void cfg_retrieve(kms_call *c)
{
    c->out->op = "config_retrieve";
    if (c->m.op != GBA_M2M_RETRIEVE)
        kms_say(c, GBA_M2M_OPERATION_NOT_ALLOWED, "operation");
    else if (!c->cred || !c->cred->cfg[0])
        kms_say(c, GBA_M2M_NOT_FOUND, "no_config");
    else {
        c->out->body = prim_print_cfg(c->cred->cfg);
        kms_say(c, GBA_M2M_OK, "config");
    }
}

static void reg_resource(kms_call *c, const char *id, const char *child)
{
    kms_reg r;
    uint64_t version = 0;
    gba_err e = kms_reg_load(c->f, id, c->r->now, &r, &version);

    c->out->op = "client_retrieve";
    snprintf(c->out->resource, sizeof c->out->resource, "%.200s", id);
    if (e != GBA_OK && e != GBA_E_UNKNOWN && e != GBA_E_EXPIRED) {
        trouble(c, e);
    } else if (e != GBA_OK || strcmp(r.creator, c->client) != 0) {
        kms_say(c, GBA_M2M_NOT_FOUND, e == GBA_OK ? "other_client" : e == GBA_E_EXPIRED ? "expired" : "unknown");
    } else if (child && !strcmp(child, M2M_PATH_CFG)) {
        cfg_retrieve(c);
    } else if (child && !strcmp(child, M2M_PATH_CMD) && c->f->c.kind->enrols) {
        cmd_resource(c, id, &r, version);
    } else if (child) {
        kms_say(c, GBA_M2M_NOT_FOUND, "unknown");
    } else if (c->m.op == GBA_M2M_RETRIEVE) {
        c->out->body = prim_print_reg(c->f->c.kind, id, &r, 0, cmd_waits(c, &r));
        kms_say(c, GBA_M2M_OK, "registration");
    } else if (c->m.op == GBA_M2M_UPDATE) {
        reg_update(c, id, &r, version);
    } else if (c->m.op == GBA_M2M_DELETE) {
        reg_delete(c, id, &r);
    } else {
        kms_say(c, GBA_M2M_OPERATION_NOT_ALLOWED, "operation");
    }
}

static void base_resource(kms_call *c)
{
    c->out->op = "base";
    if (c->m.op == GBA_M2M_RETRIEVE) {
        c->out->body =
            prim_print_base(c->f->c.kind, c->f->c.fqdn.s, c->f->c.kind->enrols ? c->f->c.device_config_uri : NULL);
        kms_say(c, GBA_M2M_OK, "base");
    } else if (c->m.op != GBA_M2M_CREATE) {
        kms_say(c, GBA_M2M_OPERATION_NOT_ALLOWED, "operation");
    } else if (c->m.media != GBA_M2M_MEDIA_JSON) {
        kms_say(c, GBA_M2M_UNSUPPORTED_MEDIA_TYPE, "media");
    } else if (c->m.ty == c->f->c.kind->reg_ty) {
        reg_create(c);
    } else if (c->m.ty == M2M_TY_SYMM_KEY_REG) {
        kms_key_create(c);
    } else {
        kms_say(c, GBA_M2M_BAD_REQUEST, "type_unknown");
    }
}

static bool is_hex16(const char *s)
{
    return strlen(s) == 32 && strspn(s, "0123456789abcdefABCDEF") == 32;
}

static void route(kms_call *c)
{
    char path[GBA_M2M_TO_MAX + 1], *seg[4] = {0}, *at = path;
    size_t n = 0;

    if (c->m.op == GBA_M2M_UPDATE && c->m.media != GBA_M2M_MEDIA_JSON) {
        kms_say(c, GBA_M2M_UNSUPPORTED_MEDIA_TYPE, "media");
        return;
    }
    memcpy(path, c->m.to, sizeof path);
    while (at && n < 4) {
        seg[n++] = at;
        at = strchr(at, '/');
        if (at)
            *at++ = 0;
    }
    if (at || path[0] == 0)
        kms_say(c, GBA_M2M_NOT_FOUND, "unknown");
    else if (n == 1 && !strcmp(seg[0], c->f->c.kind->base))
        base_resource(c);
    else if (n == 2 && !strcmp(seg[0], c->f->c.kind->base) && is_hex16(seg[1]))
        kms_key_resource(c, seg[1]);
    else if ((n == 2 || n == 3) && !strcmp(seg[0], c->f->c.kind->base))
        reg_resource(c, seg[1], n == 3 ? seg[2] : NULL);
    else if (n == 3 && !strcmp(seg[0], M2M_PATH_FETCH) && c->f->c.kind->enrols)
        kms_fetch_credentials(c, seg[1], seg[2]);
    else
        kms_say(c, GBA_M2M_NOT_FOUND, "unknown");
}

/* ---- who asks ---- */
/* A credential that was removed or ran out ends the client's open connections, too. */
static bool still_valid(kms_call *c)
{
    const kms_who *w = c->r->who;
    gba_err e;

    if (w->expires && w->expires <= c->r->now) {
        kms_say(c, GBA_M2M_NOT_AUTHENTICATED, "credential_expired");
        return false;
    }
    if (!w->record[0])
        return true;
    e = kms_cred_get(c->f->c.store, c->f->c.kind, w->record, c->r->now, &c->cred);
    if (e == GBA_OK)
        return true;
    if (e == GBA_E_UNKNOWN || e == GBA_E_FORBIDDEN || e == GBA_E_EXPIRED)
        kms_say(c, GBA_M2M_NOT_AUTHENTICATED, e == GBA_E_EXPIRED ? "credential_expired" : "credential_removed");
    else
        trouble(c, e);
    return false;
}

/* The stem or SP-relative form, completed by the CSE of the AE that the credential names. */
static bool relative_from(kms_call *c)
{
    gba_m2m_id cse = c->r->who->id;

    if (cse.kind != GBA_M2M_ID_AE_C)
        return false;
    cse.kind = GBA_M2M_ID_CSE;
    cse.stem[0] = 0;
    return gba_m2m_id_parse(c->m.from, &cse, &c->from) == GBA_OK && gba_m2m_id_eq(&c->from, &c->r->who->id);
}

/* A CSE whose CA folded its name: what makes its certificate that CSE-ID's? */
static void spelled_otherwise(kms_call *c)
{
    const tls_name *n = kms_who_but_case(c->r->who, &c->from);
    char id[GBA_M2M_ID_MAX + 1];

    if (n && gba_m2m_id_print(&c->from, GBA_M2M_ABSOLUTE, id) == GBA_OK)
        snprintf(c->out->hint, sizeof c->out->hint,
                 "if it is that CSE: m2m-%sctl credential add --cert-dns %.255s --cse-id %s", c->f->c.kind->name,
                 n->text, id);
}

static bool authenticated(kms_call *c)
{
    if (!c->r->who) {
        kms_say(c, GBA_M2M_SA_REQUIRED, c->r->nobody ? c->r->nobody : "no_credential");
    } else if (!still_valid(c)) {
        return false;
    } else if (!c->m.has_from || c->m.from.n == 0) {
        kms_say(c, GBA_M2M_BAD_REQUEST, "no_from");
    } else if (!relative_from(c) && gba_m2m_entity_parse(c->m.from, &c->from) != GBA_OK) {
        kms_say(c, GBA_M2M_BAD_REQUEST, "from_malformed");
    } else if (!kms_who_is(c->r->who, &c->from)) {
        kms_say(c, GBA_M2M_NOT_AUTHENTICATED, "other_originator");
        spelled_otherwise(c);
    } else if (gba_m2m_id_print(&c->from, GBA_M2M_ABSOLUTE, c->client) != GBA_OK) {
        kms_say(c, GBA_M2M_BAD_REQUEST, "from_malformed");
    } else {
        memcpy(c->out->client, c->client, sizeof c->client);
        return true;
    }
    return false;
}

void kms_handle(kms *k, const kms_request *r, kms_answer *out)
{
    kms_call c = {.f = k, .r = r, .out = out};
    unsigned rsc;

    memset(out, 0, sizeof *out);
    out->op = "request";
    out->why = "";
    rsc = gba_m2m_http_parse(&r->http, &c.m);
    if (rsc)
        kms_say(&c, rsc, "malformed");
    else if (authenticated(&c))
        route(&c);
    if (out->rsc < 3000 && !out->body && out->rsc != GBA_M2M_DELETED)
        kms_say(&c, GBA_M2M_INTERNAL_ERROR, "no_memory");
    kms_cred_free(&c.cred);
}
