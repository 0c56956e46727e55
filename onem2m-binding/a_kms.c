/* SPDX-License-Identifier: Apache-2.0 */
/* a_kms.c - Entity A as a client of MAF and MEF: registration, commands, key registration (TS-0003 8.3.5, 8.8.2). */
#include <gba/kdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/a.h"
#include "onem2m-binding/names.h"

#define COMMANDS_MAX 16

/* ---- the handshake ---- */
gba_err a_kms_open(a_kms *k, gba_m2m_a *a, bool mef, const gba_m2m_server *s, const a_auth *x, const gba_m2m_id *other)
{
    char by[GBA_ID_MAX + 32];
    bool psk = x->gba || x->keys.n;

    *k = (a_kms){.a = a, .mef = mef, .server = s, .admin = a_admin(a, other)};
    if (!a->id[0])
        return a_say(a, GBA_E_ARG, "the %s knows its clients by their identity: say who Entity A is",
                     mef ? "MEF" : "MAF");
    a_party(mef ? "MEF" : "MAF", s, k->party);
    gba_err e = a_open(a, mef ? "MEF" : "MAF", s, x, NULL, &k->p);
    if (e != GBA_OK)
        return e;
    snprintf(by, sizeof by, "%s %s", psk ? x->id_name : "certificate", x->id);
    a_step(a, &(gba_m2m_step){.phase = mef ? "MEF Handshake" : "MAF Handshake", .from = "Entity A", .to = k->party,
                              .text = psk ? "TLS with a pre-shared key" : "TLS with certificates", .from_by = by,
                              .to_by = psk ? x->key : "FQDN certificate", .suite = m2m_peer_suite_name(k->p)});
    return GBA_OK;
}

void a_kms_close(a_kms *k)
{
    m2m_peer_close(&k->p);
}

/* ---- answers ---- */
static gba_err refused(a_kms *k, const char *what, const m2m_answer *r)
{
    unsigned rsc = a_rsc(r);
    gba_err e = rsc >= 5000 || (!rsc && r->status >= 500) ? GBA_E_IO
                : rsc == GBA_M2M_NOT_FOUND                ? GBA_E_UNKNOWN
                                                          : GBA_E_FORBIDDEN;

    if (!rsc)
        return a_say(k->a, e, "%s answers the %s with HTTP status %u", k->party, what, r->status);
    return a_say(k->a, e, "%s refuses the %s: %u %s", k->party, what, rsc, gba_m2m_rsc_name(rsc));
}

static gba_err malformed(a_kms *k, const char *what)
{
    return a_say(k->a, GBA_E_SYNTAX, "%s answers the %s with what is none of its resources", k->party, what);
}

static const char *base_of(const a_kms *k)
{
    return k->mef ? M2M_PATH_MEF_BASE : M2M_PATH_MAF_BASE;
}

/* body is freed. */
static gba_err ask(a_kms *k, const char *method, const char *target, unsigned ty, char *body, m2m_answer *r)
{
    gba_err e = a_ask(k->a, k->p, method, target, ty, k->a->id, gba_str(body), r);

    free(body);
    return e;
}

/* ---- client registration ---- */
static bool id_ok(const char *s)
{
    return *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(s);
}

/* The last segment of Content-Location; "" when it is none of ours. */
static void take_location(const m2m_answer *r, char out[128])
{
    const char *l = m2m_answer_field(r, M2M_H_LOCATION), *last = l ? strrchr(l, '/') : NULL;

    out[0] = 0;
    if (last && id_ok(last + 1) && strlen(last + 1) < 128)
        snprintf(out, 128, "%s", last + 1);
}

/* It is there already: its state, or a KmID for the KeID that A presents this time (8.8.2.5). */
static gba_err registered_already(a_kms *k, bool assign, a_reg *out)
{
    char target[192];
    m2m_answer r = {0};

    snprintf(target, sizeof target, "/%s/%s", base_of(k), out->id);
    char *body = assign ? a_json_reg(k->mef, a_until(k->a), NULL) : NULL;
    gba_err e = ask(k, assign ? "PUT" : "GET", target, 0, body, &r);
    unsigned rsc = a_rsc(&r);
    if (e == GBA_OK && rsc != (assign ? GBA_M2M_UPDATED : GBA_M2M_OK))
        e = refused(k, "client registration", &r);
    else if (e == GBA_OK && a_json_reg_read(r.body, k->mef, out) != GBA_OK)
        e = malformed(k, "client registration");
    m2m_answer_free(&r);
    return e;
}

gba_err a_kms_register(a_kms *k, bool assign, a_reg *out)
{
    char target[32], text[GBA_M2M_ID_MAX + 512];
    m2m_answer r = {0};

    memset(out, 0, sizeof *out);
    snprintf(target, sizeof target, "/%s", base_of(k));
    gba_err e = ask(k, "POST", target, k->mef ? M2M_TY_MEF_CLIENT_REG : M2M_TY_MAF_CLIENT_REG,
                    a_json_reg(k->mef, a_until(k->a), k->admin), &r);
    if (e != GBA_OK)
        return e;
    unsigned rsc = a_rsc(&r);
    take_location(&r, out->id);
    if (rsc == GBA_M2M_ALREADY_REGISTERED && out->id[0])
        e = registered_already(k, assign, out);
    else if (rsc != GBA_M2M_CREATED)
        e = refused(k, "client registration", &r);
    else if (!out->id[0] || a_json_reg_read(r.body, k->mef, out) != GBA_OK)
        e = malformed(k, "client registration");
    m2m_answer_free(&r);
    if (e != GBA_OK)
        return e;
    snprintf(text, sizeof text, "as %s, administered by %s: %s%s", k->a->id, k->admin, out->id,
             rsc == GBA_M2M_CREATED ? "" : " (there already)");
    a_step(k->a, &(gba_m2m_step){.phase = k->mef ? "MEF Client Registration" : "MAF Client Registration",
                                 .from = "Entity A",
                                 .to = k->party, .text = text, .rsc = rsc, .until = out->until,
                                 .key = out->assigned[0] ? "Km" : NULL, .key_id_name = "KmID", .key_id = out->assigned,
                                 .how = "the MAF's assignment"});
    return GBA_OK;
}

/* ---- MEF client commands (8.3.9): each is answered; what this device cannot do is told so ---- */
static const char *class_name(unsigned class)
{
    static const char *const name[] = {"NO_MORE_COMMANDS", "CERT_PROV", "DEV_CFG", "MO_NODE"};
    return class < sizeof name / sizeof *name ? name[class] : "unknown";
}

gba_err a_kms_commands(a_kms *k, const char *reg)
{
    char target[200], text[128];
    a_cmd cmd = {0};
    gba_err e = GBA_OK;

    snprintf(target, sizeof target, "/%s/%s/%s", base_of(k), reg, M2M_PATH_CMD);
    for (int i = 0; i < COMMANDS_MAX; i++) {
        m2m_answer r = {0};
        /* 41: MEF_CLIENT_CMD_CLASS_NOT_SUPPORTED */
        e = ask(k, i ? "PUT" : "GET", target, 0, i ? a_json_status(cmd.id, 41) : NULL, &r);
        unsigned rsc = a_rsc(&r);
        if (e == GBA_OK && rsc != (i ? GBA_M2M_UPDATED : GBA_M2M_OK))
            e = refused(k, "client command retrieval", &r);
        else if (e == GBA_OK && a_json_cmd_read(r.body, &cmd) != GBA_OK)
            e = malformed(k, "client command retrieval");
        m2m_answer_free(&r);
        if (e != GBA_OK)
            return e;
        snprintf(text, sizeof text, "%s%s", class_name(cmd.class),
                 cmd.class ? ": answered with CLASS_NOT_SUPPORTED" : "");
        a_step(k->a, &(gba_m2m_step){
                         .phase = "MEF Client Command", .from = k->party, .to = "Entity A", .text = text, .rsc = rsc});
        if (cmd.class == 0)
            return GBA_OK;
    }
    return a_say(k->a, GBA_E_RANGE, "%s sends more than %d commands", k->party, COMMANDS_MAX);
}

/* ---- key registration by export (8.8.2.7, 8.3.5.2.7, 10.3.1) ---- */
static gba_err take_key(a_kms *k, const m2m_answer *r, a_exported *out)
{
    GBA_SECRET_SCOPED exported = {0};
    char relative[GBA_M2M_KEY_ID_MAX + 1], own[33];
    gba_m2m_key_id id;

    if (a_json_key_read(r->body, relative, &out->until) != GBA_OK)
        return malformed(k, "key registration");
    gba_err e = m2m_peer_export(k->p, k->mef ? GBA_M2M_LABEL_BOOTSTRAP : GBA_M2M_LABEL_CONNECTION, &exported);
    if (e == GBA_OK)
        e = gba_onem2m_export_split(&exported, own, &out->key);
    if (e != GBA_OK)
        return a_say(k->a, e, "%s: this TLS session gives no key: %s", k->party,
                     e == GBA_E_FORBIDDEN ? "it is resumed or has no extended master secret" : gba_err_text(e));
    /* RelativeKeyID of the response (8.8.2.7); it is the export's (10.3.5) */
    e = gba_m2m_key_id_make(gba_str(relative), &k->server->fqdn, &id);
    if (e == GBA_OK)
        e = gba_m2m_key_id_print(&id, out->id);
    if (e != GBA_OK || strcmp(id.relative, own) != 0) {
        gba_secret_wipe(&out->key);
        return a_say(k->a, GBA_E_AUTH,
                     "%s names the key %.64s, but the export gave %s: it is not the same TLS session at both ends",
                     k->party, relative, own);
    }
    return out->until > a_now(k->a)
               ? GBA_OK
               : a_say(k->a, GBA_E_EXPIRED, "%s gives a key whose lifetime is over (is this device's clock right?)",
                       k->party);
}

gba_err a_kms_key(a_kms *k, unsigned suid, const gba_m2m_id *target, a_exported *out, bool *unregistered)
{
    char to[GBA_M2M_ID_MAX + 1], path[32], text[GBA_M2M_ID_MAX + 64];
    m2m_answer r = {0};
    gba_err e = gba_m2m_id_print(target, GBA_M2M_ABSOLUTE, to);

    memset(out, 0, sizeof *out);
    *unregistered = false;
    snprintf(path, sizeof path, "/%s", base_of(k));
    if (e == GBA_OK)
        e = ask(k, "POST", path, M2M_TY_SYMM_KEY_REG, a_json_key(a_until(k->a), k->admin, suid, to), &r);
    if (e != GBA_OK)
        return e;
    unsigned rsc = a_rsc(&r);
    *unregistered = rsc == GBA_M2M_NO_PRIVILEGE;
    e = rsc == GBA_M2M_CREATED ? take_key(k, &r, out) : refused(k, "key registration", &r);
    m2m_answer_free(&r);
    if (e != GBA_OK)
        return e;
    snprintf(text, sizeof text, "SUID %u, targetID %s", suid, to);
    a_step(k->a, &(gba_m2m_step){.phase = k->mef ? "Enrolment Key Generation" : "MAF Key Registration",
                                 .from = "Entity A",
                                 .to = k->party,
                                 .text = text,
                                 .rsc = rsc,
                                 .key = k->mef ? "Ke" : "Kc",
                                 .key_id_name = k->mef ? "KeID" : "KcID",
                                 .key_id = out->id,
                                 .how = k->mef ? "TLS export " GBA_M2M_LABEL_BOOTSTRAP
                                               : "TLS export " GBA_M2M_LABEL_CONNECTION,
                                 .until = out->until});
    return GBA_OK;
}
