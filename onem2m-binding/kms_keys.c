/* SPDX-License-Identifier: Apache-2.0 */
/* kms_keys.c - key registration by export or by value, retrieval by the targets, old-style fetch. */
#include <gba/kdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/kms.h"
#include "onem2m-binding/names.h"

/* How long an expired or removed key's identifier stays taken, so that no session can register the same
 * export a second time. */
#define TOMBSTONE 604800

static store_kind kind_of(const kms *k, int which)
{
    return (store_kind)(k->c.kind->store + which);
}

static void trouble(kms_call *c, gba_err e)
{
    kms_say(c, GBA_M2M_INTERNAL_ERROR, gba_err_name(e));
}

/* ---- in the store ---- */
/* UNKNOWN: the operator has removed the credential that registered the key: a pre-shared key of ours, else that of
 * the client's registration. A KeID's Km is its MEF's to revoke; a certificate that no record names, its CA's. */
static gba_err still_there(kms *k, const kms_key *r, const kms_reg *reg, int64_t now)
{
    const char *at = strchr(r->credential, '@'), *record = reg->cred;
    char own[4], text[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    kms_cred *c = NULL;

    snprintf(own, sizeof own, "%u-", k->c.kind->own_type);
    if (!strncmp(r->credential, own, 3) && at && !strcmp(at + 1, k->c.fqdn.s)) {
        snprintf(text, sizeof text, "%s", r->credential + 3);
        kms_lower(text);
        record = text;
    } else if (!strncmp(r->credential, own, 3)) {
        return GBA_OK;
    }
    gba_err e = record[0] ? kms_cred_get(k->c.store, k->c.kind, record, now, &c) : GBA_OK;
    kms_cred_free(&c);
    return e == GBA_E_FORBIDDEN ? GBA_E_UNKNOWN : e;
}

static gba_err key_load(kms *k, const char *id, int64_t now, kms_key *out, uint64_t *version)
{
    store_record rec = {0};
    char upper[33];
    kms_reg reg;
    gba_err e;

    for (int i = 0; i <= 32; i++)
        upper[i] = id[i] >= 'a' && id[i] <= 'f' ? (char)(id[i] - 32) : id[i];
    e = store_get(k->c.store, kind_of(k, KMS_KEY), gba_str(upper), now, &rec);
    if (e != GBA_OK)
        return e;
    e = kms_key_read(gba_mem(rec.value, rec.n), out);
    *version = rec.version;
    store_record_free(&rec);
    if (e == GBA_OK && out->dead)
        e = GBA_E_UNKNOWN;
    if (e == GBA_OK && out->et <= now)
        e = GBA_E_EXPIRED;
    if (e == GBA_OK && kms_reg_load(k, out->reg, now, &reg, NULL) != GBA_OK)
        e = GBA_E_EXPIRED; /* a key needs its client's registration (8.8.2.7) */
    if (e == GBA_OK)
        e = still_there(k, out, &reg, now);
    if (e != GBA_OK)
        gba_wipe(out, sizeof *out);
    return e;
}

static gba_err key_save(kms *k, const char *id, kms_key *r, uint64_t version, int64_t now)
{
    uint8_t *o = malloc(KMS_RECORD_MAX);
    size_t n = KMS_RECORD_MAX, failed;
    char index[STORE_KEY_MAX + 1];
    gba_err e = o ? kms_key_write(r, o, &n) : GBA_E_NOMEM;

    snprintf(index, sizeof index, "%.63s/%s", r->reg, id);
    if (e == GBA_OK) {
        const store_op op[] = {
            {.type = version ? STORE_SWAP : STORE_INSERT, .kind = kind_of(k, KMS_KEY), .key = gba_str(id),
             .value = gba_mem(o, n),
             .expiry = r->et + TOMBSTONE, .version = version},
            {.type = STORE_PUT, .kind = kind_of(k, KMS_KEY_INDEX), .key = gba_str(index), .value = gba_str("1"),
             .expiry = r->et + TOMBSTONE},
        };
        e = store_write(k->c.store, op, 2, now, &failed);
    }
    if (o)
        gba_wipe(o, KMS_RECORD_MAX);
    free(o);
    return e;
}

static void bury(kms_key *r, int64_t now)
{
    gba_secret_wipe(&r->key);
    r->dead = true;
    r->et = now;
}

typedef struct dropping {
    const char *reg;
    char id[64][33];
    size_t n;
} dropping;

static bool note_key(void *ctx, gba_span key, const store_record *rec)
{
    dropping *d = ctx;
    size_t n = strlen(d->reg);

    (void)rec;
    if (key.n != n + 33 || memcmp(key.p, d->reg, n) != 0 || key.p[n] != '/')
        return false;
    snprintf(d->id[d->n++], 33, "%.32s", (const char *)key.p + n + 1);
    return d->n < 64;
}

void kms_keys_drop(kms *k, const char *reg, int64_t now)
{
    dropping d = {.reg = reg};
    char after[STORE_KEY_MAX + 1];
    kms_key *r = malloc(sizeof *r);

    snprintf(after, sizeof after, "%.63s/", reg);
    while (r &&
           (d.n = 0, store_each(k->c.store, kind_of(k, KMS_KEY_INDEX), gba_str(after), now, note_key, &d)) == GBA_OK &&
           d.n) {
        for (size_t i = 0; i < d.n; i++) {
            store_record rec = {0};
            if (store_get(k->c.store, kind_of(k, KMS_KEY), gba_str(d.id[i]), now, &rec) == GBA_OK &&
                kms_key_read(gba_mem(rec.value, rec.n), r) == GBA_OK && !r->dead) {
                bury(r, now);
                /* what a racing update wins stays behind a registration that is gone */
                if (key_save(k, d.id[i], r, rec.version, now) != GBA_OK)
                    gba_secret_wipe(&r->key);
            }
            store_record_free(&rec);
        }
        snprintf(after, sizeof after, "%.63s/%.32s", reg, d.id[d.n - 1]);
    }
    if (r)
        gba_wipe(r, sizeof *r);
    free(r);
}

/* ---- what may be registered ---- */
static bool one_target_only(unsigned suid)
{
    unsigned scope = suid % 10;
    return scope <= 3; /* towards a MEF or MAF, SAEF, ESPrim (8.8.2.7, 8.3.5.2.7) */
}

static bool suid_ok(const kms_kind *k, unsigned suid)
{
    return k->enrols ? suid >= 21 && suid <= 25 : suid >= 32 && suid <= 35;
}

/* A credential's enrolment instructions limit what its keys are for. A MEF hands out nothing without. */
static const char *instructed(kms_call *c, prim *p, int64_t *expires)
{
    const kms_cred *cred = c->cred;
    unsigned n = cred ? cred->n_enrol : 0;

    *expires = 0;
    if (n == 0)
        return c->f->c.kind->enrols ? "no_instruction" : p->n_targets ? NULL : "targets_missing";
    if (p->n_targets == 0) { /* the server makes the list */
        for (unsigned i = 0; i < n && p->n_targets < KMS_TARGETS; i++)
            if (cred->enrol[i].suid == p->suid && (!cred->enrol[i].expires || cred->enrol[i].expires > c->r->now) &&
                gba_m2m_entity_parse(gba_str(cred->enrol[i].target), &p->target[p->n_targets]) == GBA_OK) {
                p->n_targets++;
                if (one_target_only(p->suid))
                    break;
            }
        if (p->n_targets == 0)
            return "not_instructed";
    }
    for (unsigned t = 0; t < p->n_targets; t++) {
        bool found = false;
        for (unsigned i = 0; i < n && !found; i++) {
            gba_m2m_id id;
            found = cred->enrol[i].suid == p->suid &&
                    gba_m2m_entity_parse(gba_str(cred->enrol[i].target), &id) == GBA_OK &&
                    gba_m2m_id_eq(&id, &p->target[t]);
            if (found && cred->enrol[i].expires && cred->enrol[i].expires <= c->r->now)
                return "enrolment_expired";
            if (found)
                *expires = gba_m2m_expiry(*expires, cred->enrol[i].expires);
        }
        if (!found)
            return "not_instructed";
    }
    return NULL;
}

static bool key_wanted(kms_call *c, prim *p, int64_t *expires)
{
    const char *why = NULL;
    unsigned rsc = prim_read(c->r->body, M2M_ROOT_SYMM_KEY_REG,
                             PRIM_ET | PRIM_LBL | PRIM_ADFQ | PRIM_SUID | PRIM_TGIS | PRIM_KV, p, &why);
    const unsigned must = PRIM_ET | PRIM_ADFQ | PRIM_SUID;

    if (!rsc && (p->has & must) != must) {
        rsc = GBA_M2M_BAD_REQUEST;
        why = "attribute_missing";
    } else if (!rsc && p->et <= c->r->now) {
        rsc = GBA_M2M_CONTENTS_UNACCEPTABLE;
        why = "et_past";
    } else if (!rsc && !suid_ok(c->f->c.kind, p->suid)) {
        rsc = GBA_M2M_CONTENTS_UNACCEPTABLE;
        why = "suid_of_another_use";
    } else if (!rsc && p->n_targets > 1 && one_target_only(p->suid)) {
        rsc = GBA_M2M_CONTENTS_UNACCEPTABLE;
        why = "more_than_one_target";
    }
    if (!rsc && (why = instructed(c, p, expires)) != NULL)
        rsc = !strcmp(why, "targets_missing") ? GBA_M2M_CONTENTS_UNACCEPTABLE : GBA_M2M_NO_PRIVILEGE;
    if (rsc)
        kms_say(c, rsc, why);
    return rsc == 0;
}

/* ---- the key ---- */
/* By export (TS-0003 10.3.1), or the given one under an identifier of ours (8.8.2.7). */
static gba_err make_key(kms_call *c, const prim *p, char id[33], kms_key *r)
{
    GBA_SECRET_SCOPED exported = {.n = GBA_M2M_EXPORT_LEN};
    gba_err e;

    if (p->has & PRIM_KV) {
        kms_random_hex(id, 16);
        r->key = p->kv;
        return GBA_OK;
    }
    if (!c->r->export)
        return GBA_E_FORBIDDEN;
    e = c->r->export(c->r->export_ctx, c->f->c.kind->label, exported.o, GBA_M2M_EXPORT_LEN);
    r->exported = true;
    return e == GBA_OK ? gba_onem2m_export_split(&exported, id, &r->key) : e;
}

static void fill(kms_call *c, const prim *p, int64_t expires, const char *reg, kms_key *r)
{
    snprintf(r->creator, sizeof r->creator, "%s", c->client);
    snprintf(r->adfq, sizeof r->adfq, "%s", p->adfq.s);
    snprintf(r->labels, sizeof r->labels, "%s", p->labels);
    snprintf(r->reg, sizeof r->reg, "%s", reg);
    snprintf(r->credential, sizeof r->credential, "%s", c->r->who->credential);
    r->suid = p->suid;
    r->et = gba_m2m_expiry(c->r->now + c->f->c.key_lifetime, p->et);
    r->et = gba_m2m_expiry(expires, gba_m2m_expiry(c->r->who->expires, r->et));
    r->ct = r->lt = c->r->now;
}

static void store_key(kms_call *c, const prim *p, int64_t expires, const char *reg)
{
    kms_key *r = calloc(1, sizeof *r);
    char id[33] = "";
    gba_err e = r ? make_key(c, p, id, r) : GBA_E_NOMEM;

    if (e == GBA_E_FORBIDDEN) {
        kms_say(c, GBA_M2M_SA_REQUIRED, "no_export"); /* a resumed session, or no extended master secret */
    } else if (e == GBA_OK) {
        fill(c, p, expires, reg, r);
        r->n_targets = p->n_targets;
        for (unsigned i = 0; i < p->n_targets && e == GBA_OK; i++)
            e = gba_m2m_id_print(&p->target[i], GBA_M2M_ABSOLUTE, r->target[i]);
        if (e == GBA_OK)
            e = key_save(c->f, id, r, 0, c->r->now);
        if (e == GBA_E_FORBIDDEN) /* this session's export has been registered before */
            kms_say(c, GBA_M2M_CONFLICT, "export_used");
    }
    if (e == GBA_OK) {
        snprintf(c->out->location, sizeof c->out->location, "/%s/%s", c->f->c.kind->base, id);
        snprintf(c->out->resource, sizeof c->out->resource, "%s", id);
        c->out->body = prim_print_key(c->f->c.kind, id, r, 0, NULL); /* the key itself is never returned */
        kms_say(c, GBA_M2M_CREATED, r->exported ? "exported" : "given");
    } else if (e != GBA_E_FORBIDDEN) {
        trouble(c, e);
    }
    if (r)
        gba_wipe(r, sizeof *r);
    free(r);
}

void kms_key_create(kms_call *c)
{
    prim p;
    kms_reg reg;
    char reg_id[64];
    int64_t expires;

    c->out->op = "key_register";
    if (key_wanted(c, &p, &expires)) {
        gba_err e = kms_reg_find(c->f, c->client, p.adfq.s, c->r->now, reg_id, &reg);
        if (e != GBA_OK)
            kms_say(c, GBA_M2M_NO_PRIVILEGE, "no_client_registration");
        else if ((e = kms_reg_follow(c, reg_id, &reg)) == GBA_OK)
            store_key(c, &p, expires, reg_id);
        else if (e == GBA_E_STALE)
            kms_say(c, GBA_M2M_CONFLICT, "changed_meanwhile");
        else
            trouble(c, e);
    }
    prim_wipe(&p);
}

static bool is_target(const kms_key *r, const char *client)
{
    for (unsigned i = 0; i < r->n_targets; i++)
        if (!strcmp(r->target[i], client))
            return true;
    return false;
}

/* What the target gets: Ke itself never leaves the MEF (8.3.2.1 step f). */
static gba_err released(kms_call *c, const kms_key *r, gba_secret *out)
{
    if (!c->f->c.kind->enrols || !r->exported) {
        *out = r->key;
        return GBA_OK;
    }
    return gba_m2m_key_from_ke(c->f->c.kdf, &r->key, r->suid, &c->from, out);
}

static void key_retrieve(kms_call *c, const char *id, const kms_key *r)
{
    GBA_SECRET_SCOPED kv = {0};
    gba_err e;

    c->out->op = "key_retrieve";
    if (!strcmp(r->creator, c->client)) {
        c->out->body = prim_print_key(c->f->c.kind, id, r, 0, NULL);
        kms_say(c, GBA_M2M_OK, "creator");
    } else if (!is_target(r, c->client)) {
        kms_say(c, GBA_M2M_NO_PRIVILEGE, "not_a_target");
    } else if ((e = released(c, r, &kv)) != GBA_OK) {
        kms_say(c, e == GBA_E_UNSUPPORTED ? GBA_M2M_NOT_IMPLEMENTED : GBA_M2M_INTERNAL_ERROR, gba_err_name(e));
    } else {
        c->out->body = prim_print_key(c->f->c.kind, id, r, 0, &kv);
        kms_say(c, GBA_M2M_OK, "released");
    }
}

static void key_update(kms_call *c, const char *id, kms_key *r, uint64_t version)
{
    prim p;
    const char *why = NULL;
    int64_t expires = 0;
    unsigned rsc = prim_read(c->r->body, M2M_ROOT_SYMM_KEY_REG, PRIM_ET | PRIM_LBL | PRIM_TGIS, &p, &why);

    c->out->op = "key_update";
    if (!rsc && !p.has) {
        rsc = GBA_M2M_BAD_REQUEST;
        why = "nothing_to_update";
    }
    if (!rsc && ((p.has & PRIM_ET && p.et <= c->r->now) || (p.n_targets > 1 && one_target_only(r->suid)))) {
        rsc = GBA_M2M_CONTENTS_UNACCEPTABLE;
        why = p.n_targets > 1 ? "more_than_one_target" : "et_past";
    }
    if (!rsc) {
        unsigned had = p.n_targets;
        p.suid = r->suid;
        for (unsigned i = 0; had == 0 && i < r->n_targets; i++) /* the instructions hold for the old ones, too */
            if (gba_m2m_entity_parse(gba_str(r->target[i]), &p.target[p.n_targets]) == GBA_OK)
                p.n_targets++;
        why = instructed(c, &p, &expires);
        rsc = why ? GBA_M2M_NO_PRIVILEGE : 0;
    }
    if (rsc) {
        kms_say(c, rsc, why);
        return;
    }
    if (p.has & PRIM_ET) /* no update prolongs it beyond the longest life that it had when it was registered */
        r->et = gba_m2m_expiry(c->r->who->expires, gba_m2m_expiry(r->ct + c->f->c.key_lifetime, p.et));
    r->et = gba_m2m_expiry(expires, r->et); /* of other targets the instructions may end earlier */
    if (p.has & PRIM_LBL)
        snprintf(r->labels, sizeof r->labels, "%s", p.labels);
    gba_err e = GBA_OK;
    if (p.has & PRIM_TGIS) {
        r->n_targets = p.n_targets;
        for (unsigned i = 0; i < p.n_targets && e == GBA_OK; i++)
            e = gba_m2m_id_print(&p.target[i], GBA_M2M_ABSOLUTE, r->target[i]);
    }
    r->lt = c->r->now;
    if (e == GBA_OK)
        e = key_save(c->f, id, r, version, c->r->now);
    if (e == GBA_E_STALE) {
        kms_say(c, GBA_M2M_CONFLICT, "changed_meanwhile");
    } else if (e != GBA_OK) {
        trouble(c, e);
    } else {
        c->out->body = prim_print_key(c->f->c.kind, id, r, p.has, NULL);
        kms_say(c, GBA_M2M_UPDATED, "updated");
    }
}

static void key_delete(kms_call *c, const char *id, kms_key *r, uint64_t version)
{
    c->out->op = "key_deregister";
    bury(r, c->r->now);
    gba_err e = key_save(c->f, id, r, version, c->r->now);
    if (e == GBA_E_STALE)
        kms_say(c, GBA_M2M_CONFLICT, "changed_meanwhile");
    else if (e != GBA_OK)
        trouble(c, e);
    else
        kms_say(c, GBA_M2M_DELETED, "deregistered");
}

void kms_key_resource(kms_call *c, const char *id)
{
    kms_key *r = malloc(sizeof *r);
    uint64_t version = 0;
    char upper[33];
    gba_err e = r ? key_load(c->f, id, c->r->now, r, &version) : GBA_E_NOMEM;

    c->out->op = "key_retrieve";
    for (int i = 0; i <= 32; i++)
        upper[i] = id[i] >= 'a' && id[i] <= 'f' ? (char)(id[i] - 32) : id[i];
    snprintf(c->out->resource, sizeof c->out->resource, "%s", upper);
    if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        kms_say(c, GBA_M2M_NOT_FOUND, e == GBA_E_EXPIRED ? "expired" : "unknown");
    else if (e != GBA_OK)
        trouble(c, e);
    else if (c->m.op == GBA_M2M_RETRIEVE)
        key_retrieve(c, upper, r);
    else if (c->m.op != GBA_M2M_UPDATE && c->m.op != GBA_M2M_DELETE)
        kms_say(c, GBA_M2M_OPERATION_NOT_ALLOWED, "operation");
    else if (strcmp(r->creator, c->client) != 0) /* a target knows of it already; a stranger may not */
        kms_say(c, is_target(r, c->client) ? GBA_M2M_NO_PRIVILEGE : GBA_M2M_NOT_FOUND, "not_the_creator");
    else if (c->m.op == GBA_M2M_UPDATE)
        key_update(c, upper, r, version);
    else
        key_delete(c, upper, r, version);
    if (r)
        gba_wipe(r, sizeof *r);
    free(r);
}

/* ---- /fetchCredentials/<KeID>/<SUID> (TS-0003 8.3.2.1) ---- */
static unsigned fetch(kms_call *c, const char *ke_id, const char *suid, kms_key *r, gba_secret *out, const char **why)
{
    gba_m2m_key_id id;
    uint64_t version;
    gba_err e;

    if (c->m.op != GBA_M2M_RETRIEVE) {
        *why = "operation";
        return GBA_M2M_OPERATION_NOT_ALLOWED;
    }
    if (gba_m2m_key_id_parse(gba_str(ke_id), &id) != GBA_OK || !id.hex16 || strlen(suid) != 2 ||
        strspn(suid, "0123456789") != 2) {
        *why = "malformed";
        return GBA_M2M_BAD_REQUEST;
    }
    snprintf(c->out->resource, sizeof c->out->resource, "%s", id.relative);
    if (strcmp(id.domain.s, c->f->c.fqdn.s) != 0) {
        *why = "other_mef";
        return GBA_M2M_NOT_FOUND;
    }
    e = key_load(c->f, id.relative, c->r->now, r, &version);
    if (e != GBA_OK) {
        *why = gba_err_name(e);
        return e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED ? GBA_M2M_NOT_FOUND : GBA_M2M_INTERNAL_ERROR;
    }
    *why = !is_target(r, c->client)                                       ? "not_a_target"
           : r->suid != (unsigned)((suid[0] - '0') * 10 + (suid[1] - '0')) ? "suid_of_another_use"
                                                                           : "released";
    if (strcmp(*why, "released") != 0)
        return GBA_M2M_NO_PRIVILEGE;
    e = released(c, r, out);
    return e == GBA_OK ? GBA_M2M_OK : e == GBA_E_UNSUPPORTED ? GBA_M2M_NOT_IMPLEMENTED : GBA_M2M_INTERNAL_ERROR;
}

void kms_fetch_credentials(kms_call *c, const char *ke_id, const char *suid)
{
    GBA_SECRET_SCOPED key = {0};
    kms_key *r = malloc(sizeof *r);
    const char *why = "no_memory";
    unsigned rsc = r ? fetch(c, ke_id, suid, r, &key, &why) : GBA_M2M_INTERNAL_ERROR;

    c->out->op = "fetch_credentials";
    c->out->body = rsc == GBA_M2M_OK ? prim_print_fetch(&key, r->creator, r->et, NULL)
                                     : prim_print_fetch(NULL, NULL, 0, gba_m2m_rsc_name(rsc));
    kms_say(c, rsc, why);
    if (r)
        gba_wipe(r, sizeof *r);
    free(r);
}
