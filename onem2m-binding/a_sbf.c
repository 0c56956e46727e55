/* SPDX-License-Identifier: Apache-2.0 */
/* a_sbf.c - Entity A as the enrolee of the three security bootstrap frameworks (TS-0003 8.3.2). */
#include <stdio.h>
#include <string.h>
#include "onem2m-binding/a.h"

/* Every suite of pre-shared keys that gba_m2m_priority offers: the key of a NAF depends on it. */
static const uint16_t suites[] = {0x00AE, 0x00A8, 0xCCAB, 0xC037, 0xD001, 0xCCAC};

typedef struct run {
    gba_m2m_a *a;
    const gba_m2m_sbf *how;
    char target[GBA_M2M_ID_MAX + 1], with[GBA_M2M_ID_MAX + 8]; /* "MAF maf.example.com" */
    bool maf;                                                  /* the target */
} run;

/* ---- SBF 1 and 2: Ke from a session with the MEF, then Km or Kpsa from Ke ---- */
static gba_err by_kpm(run *x, a_auth *auth)
{
    const gba_m2m_own *own = &x->how->own;

    if (!own->psk_id || !own->psk || strlen(own->psk_id) >= sizeof auth->id)
        return a_say(x->a, GBA_E_ARG, "SBF 1 needs KpmID and Kpm");
    auth->key = "Kpm";
    auth->id_name = "KpmID";
    snprintf(auth->id, sizeof auth->id, "%s", own->psk_id);
    a_keys_one(&auth->keys, own->psk);
    return GBA_OK;
}

static gba_err by_cert(run *x, a_auth *auth)
{
    return a_own_cert(&x->how->own, auth)
               ? GBA_OK
               : a_say(x->a, GBA_E_ARG,
                       "SBF 2 needs a certificate with its key or a raw key, and the CA or the raw key of the MEF");
}

static gba_err exchange(run *x, a_kms *k, a_exported *ke)
{
    a_reg reg;
    bool unregistered;
    gba_err e = a_kms_register(k, false, &reg);

    if (e == GBA_OK)
        e = a_kms_commands(k, reg.id); /* after each registration (8.3.4.6) */
    return e == GBA_OK ? a_kms_key(k, x->maf ? GBA_M2M_SUID_RSPF_MAF : GBA_M2M_SUID_RSPF_SAEF, &x->how->target, ke,
                                   &unregistered)
                       : e;
}

static gba_err derive(run *x, const a_exported *ke, a_record *out)
{
    GBA_SECRET_SCOPED key = {0};
    unsigned suid = x->maf ? GBA_M2M_SUID_RSPF_MAF : GBA_M2M_SUID_RSPF_SAEF;
    gba_err e = gba_m2m_key_from_ke(x->a->c.kdf, &ke->key, suid, &x->how->target, &key);

    if (e != GBA_OK)
        return a_say(x->a, e, "no key for %s from Ke: %s", x->target, gba_err_text(e));
    a_keys_one(&out->keys, &key);
    snprintf(out->h.id, sizeof out->h.id, "%s", ke->id);
    out->h.expires = ke->until; /* never longer than Ke (10.7) */
    out->h.server = x->how->mef.fqdn;
    a_step(x->a, &(gba_m2m_step){.phase = "Key derivation", .from = "Entity A", .to = x->with,
                                 .text = x->a->c.kdf == GBA_M2M_KDF_2014 ? (x->maf ? "10.3.2" : "10.3.3") : "10.3.7",
                                 .key = x->maf ? "Km" : "Kpsa", .key_id_name = "KeID", .key_id = ke->id,
                                 .how = "HMAC-SHA-256 of Ke",
                                 .until = ke->until});
    return GBA_OK;
}

static gba_err with_mef(run *x, gba_err (*credential)(run *x, a_auth *auth), a_record *out)
{
    A_AUTH_SCOPED auth = {0};
    a_exported ke = {0};
    a_kms k = {0};
    gba_err e = credential(x, &auth);

    if (e == GBA_OK && !x->how->mef.fqdn.s[0])
        e = a_say(x->a, GBA_E_ARG, "which MEF?");
    if (e == GBA_OK)
        e = a_kms_open(&k, x->a, true, &x->how->mef, &auth, &x->how->target);
    if (e == GBA_OK)
        e = exchange(x, &k, &ke);
    a_kms_close(&k);
    if (e == GBA_OK)
        e = derive(x, &ke, out);
    gba_secret_wipe(&ke.key);
    return e;
}

static gba_err sbf_1(run *x, a_record *out)
{
    return with_mef(x, by_kpm, out);
}

static gba_err sbf_2(run *x, a_record *out)
{
    return with_mef(x, by_cert, out);
}

/* ---- SBF 3: the target is a NAF, its key is Km or Kpsa (8.3.2.3) ---- */
static gba_err sbf_3(run *x, a_record *out)
{
    const gba_m2m_gba *g = x->how->own.gba;
    gba_m2m_gba_facts f = {0};
    gba_naf_id naf = {0};
    char bsf[300];

    if (!g)
        return a_say(x->a, GBA_E_ARG, "SBF 3 needs a USIM");
    gba_err e = gba_m2m_id_fqdn(&x->how->target, &naf.fqdn);
    if (e != GBA_OK)
        return a_say(x->a, e, "%s has no public domain name: it cannot be a NAF", x->target);
    e = g->session(g->arg, false, &f);
    if (e != GBA_OK)
        return a_say(x->a, e, "%s", g->text(g->arg));
    snprintf(bsf, sizeof bsf, "BSF %s", f.bsf.s);
    char by[GBA_ID_MAX + 8];
    snprintf(by, sizeof by, "IMPI %s", f.impi.s);
    a_step(x->a, &(gba_m2m_step){.phase = "Bootstrap Enrolment Handshake", .from = "Entity A", .to = bsf,
                                 .text = f.fresh ? "Ub" : "a session that is still valid",
                                 .from_by = f.fresh ? by : NULL,
                                 .to_by = f.fresh ? "AUTN" : NULL, .key = "Ke = Ks", .key_id_name = "KeID = B-TID",
                                 .key_id = f.btid.s,
                                 .how = "AKA", .until = f.expires});
    for (size_t i = 0; e == GBA_OK && i < sizeof suites / sizeof *suites; i++) {
        naf.ua = gba_ua_id_psk(GBA_TLS12, suites[i]);
        out->keys.of[i].suite = suites[i];
        e = g->naf_key(g->arg, &naf, &out->keys.of[i].key);
        out->keys.n = i + 1;
    }
    if (e != GBA_OK)
        return a_say(x->a, e, "no key for %s: %s", naf.fqdn.s, g->text(g->arg));
    snprintf(out->h.id, sizeof out->h.id, "%s", f.btid.s);
    out->h.expires = f.expires;
    out->h.server = f.bsf;
    a_step(x->a, &(gba_m2m_step){.phase = "Integration", .from = "Entity A", .to = x->with,
                                 .text = "the target is the NAF",
                                 .key = x->maf ? "Km = Ks_(ext)_NAF" : "Kpsa = Ks_(ext)_NAF",
                                 .key_id_name = x->maf ? "KmID = B-TID" : "KpsaID = B-TID", .key_id = f.btid.s,
                                 .how = "TS 33.220 key derivation", .until = f.expires});
    return GBA_OK;
}

/* ---- which framework: rows by gba_m2m_row_of ---- */
static gba_err (*const frameworks[GBA_M2M_FRAMEWORKS])(run *x, a_record *out) = {
    [GBA_M2M_SBF_1] = sbf_1, [GBA_M2M_SBF_2] = sbf_2, [GBA_M2M_SBF_3] = sbf_3};

static gba_err prepare(gba_m2m_a *a, const gba_m2m_sbf *how, run *x)
{
    *x = (run){.a = a, .how = how, .maf = how->target.kind == GBA_M2M_ID_FQDN};
    a->row = gba_m2m_row_of(how->framework);
    if (!a->row || !frameworks[how->framework])
        return a_say(a, GBA_E_ARG, "no security bootstrap framework");
    if (!a->seal.n)
        return a_say(a, GBA_E_UNSUPPORTED, "an enrolment needs a state folder for what it gives");
    if (how->target.kind != GBA_M2M_ID_FQDN && how->target.kind != GBA_M2M_ID_CSE)
        return a_say(a, GBA_E_ARG, "the enrolment target is a MAF (its FQDN) or a CSE (its absolute CSE-ID)");
    if (gba_m2m_id_print(&how->target, GBA_M2M_ABSOLUTE, x->target) != GBA_OK)
        return a_say(a, GBA_E_ARG, "the enrolment target has no absolute identifier");
    snprintf(x->with, sizeof x->with, "%s %s", x->maf ? "MAF" : "CSE", x->target);
    return GBA_OK;
}

static bool good_enough(run *x, gba_m2m_held *out)
{
    A_RECORD_SCOPED had = {0};
    gba_fqdn name;

    if (x->how->if_less <= 0 || gba_m2m_id_fqdn(&x->how->target, &name) != GBA_OK ||
        a_store_find(x->a, x->maf ? GBA_M2M_HELD_KM : GBA_M2M_HELD_KPSA, &name, &had) != GBA_OK ||
        had.h.expires <= a_now(x->a) + x->how->if_less)
        return false;
    *out = had.h;
    return true;
}

/* Where the MAF is stays known from the enrolment before. */
static void keep_place(run *x, a_record *r)
{
    A_RECORD_SCOPED had = {0};
    gba_fqdn name;

    if (x->how->maf.port) {
        snprintf(r->host, sizeof r->host, "%s", x->how->maf.host ? x->how->maf.host : x->how->maf.fqdn.s);
        r->port = x->how->maf.port;
    } else if (x->maf && gba_m2m_id_fqdn(&x->how->target, &name) == GBA_OK) {
        gba_err e = a_store_find(x->a, GBA_M2M_HELD_KM, &name, &had);
        if (e == GBA_OK || e == GBA_E_EXPIRED) {
            snprintf(r->host, sizeof r->host, "%s", had.host);
            r->port = had.port;
        }
    }
}

gba_err gba_m2m_enrol(gba_m2m_a *a, const gba_m2m_sbf *how, gba_m2m_held *out, bool *done)
{
    A_RECORD_SCOPED r = {0};
    run x;
    int fd = -1;
    gba_err e = prepare(a, how, &x);

    memset(out, 0, sizeof *out);
    *done = false;
    if (e == GBA_OK)
        e = a_lock(a, &fd);
    if (e != GBA_OK)
        return e;
    if (!good_enough(&x, out)) {
        r.h = (gba_m2m_held){.kind = x.maf ? GBA_M2M_HELD_KM : GBA_M2M_HELD_KPSA, .by = how->framework, .self = a->c.id,
                             .target = how->target, .kdf = a->c.kdf, .made = a_now(a)};
        e = frameworks[how->framework](&x, &r);
        snprintf(r.h.enrolled_as, sizeof r.h.enrolled_as, "%s", r.h.id);
        keep_place(&x, &r);
        if (e == GBA_OK)
            e = a_store_save(a, &r);
        *done = e == GBA_OK;
        *out = r.h;
    }
    a_unlock(&fd);
    return e;
}
