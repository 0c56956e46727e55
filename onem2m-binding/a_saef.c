/* SPDX-License-Identifier: Apache-2.0 */
/* a_saef.c - Entity A in the four security association establishment frameworks, and its requests after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/a.h"
#include "onem2m-binding/tls.h"

typedef struct run {
    gba_m2m_a *a;
    const gba_m2m_saef *how;
    gba_m2m_server b, maf;
    char b_host[254], maf_host[254];
    gba_m2m_id b_id;
    a_auth auth; /* towards B */
    gba_m2m_sa_facts *facts;
    bool renew;  /* the second try: a new Kc, a new session with the BSF */
    bool may_renew;
} run;

static gba_err expired(run *x, const a_record *r)
{
    char until[GBA_TIME_TEXT] = "?";

    if (gba_time_print(r->h.expires, until) != GBA_OK)
        until[0] = 0;
    return a_say(x->a, GBA_E_EXPIRED, "%s %s ran out at %s: enrol again", gba_m2m_held_key(&r->h), r->h.id, until);
}

/* ---- who is B ---- */
/* The profile's public domain name, read backwards: cse1.sp.example.com is //sp.example.com/cse1. */
static gba_err b_from_name(const gba_fqdn *name, gba_m2m_id *out)
{
    char text[GBA_M2M_ID_MAX + 1];
    const char *dot = strchr(name->s, '.');

    if (!dot)
        return GBA_E_SYNTAX;
    snprintf(text, sizeof text, "//%s/%.*s", dot + 1, (int)(dot - name->s), name->s);
    gba_err e = gba_m2m_id_parse(gba_str(text), NULL, out);
    return e == GBA_OK && out->kind == GBA_M2M_ID_CSE ? e : GBA_E_SYNTAX;
}

/* The name does not say in which case its CSE-ID is written (TS-0001 7.2: it has one): an AE of that CSE knows it. */
static void spell_b(const gba_m2m_id *self, const gba_fqdn *name, gba_m2m_id *b)
{
    gba_m2m_id cse = *self;
    gba_fqdn f;

    cse.kind = GBA_M2M_ID_CSE;
    cse.form = GBA_M2M_ABSOLUTE;
    cse.stem[0] = 0;
    if (self->kind == GBA_M2M_ID_AE_C && gba_m2m_id_fqdn(&cse, &f) == GBA_OK && !strcmp(f.s, name->s))
        *b = cse;
}

static gba_err choose_b(run *x, const gba_m2m_id *from_credential)
{
    x->b = x->how->b;
    x->b_id = x->how->b_id;
    if (x->b_id.kind == GBA_M2M_ID_NONE && from_credential)
        x->b_id = *from_credential;
    if (!x->b.fqdn.s[0] && (x->b_id.kind == GBA_M2M_ID_NONE || gba_m2m_id_fqdn(&x->b_id, &x->b.fqdn) != GBA_OK))
        return a_say(x->a, GBA_E_ARG, "which name has Entity B? TLS needs its server name (SNI)");
    if (x->b_id.kind == GBA_M2M_ID_NONE)
        spell_b(&x->a->c.id, &x->b.fqdn, &x->b_id);
    if (x->b_id.kind == GBA_M2M_ID_NONE && b_from_name(&x->b.fqdn, &x->b_id) != GBA_OK)
        x->b_id = (gba_m2m_id){0};
    return GBA_OK;
}

/* ---- SAEF 1 ---- */
static void say_held(run *x, const a_record *r)
{
    a_step(x->a, &(gba_m2m_step){.phase = "Credential Configuration", .from = gba_m2m_row_of(r->h.by)->name,
                                 .to = "Entity A",
                                 .text = "enrolled", .key = gba_m2m_held_key(&r->h),
                                 .key_id_name = gba_m2m_held_id_name(&r->h),
                                 .key_id = r->h.id, .until = r->h.expires});
}

static void say_given(run *x, const char *key, const char *name, const char *id)
{
    a_step(x->a, &(gba_m2m_step){.phase = "Credential Configuration", .from = "provisioned", .to = "Entity A",
                                 .text = "by hand",
                                 .key = key, .key_id_name = name, .key_id = id});
}

static gba_err given_psk(run *x, const gba_m2m_own *own, const char *key, const char *name, a_auth *auth)
{
    if (!own->psk || own->psk->n == 0 || strlen(own->psk_id) >= sizeof auth->id)
        return a_say(x->a, GBA_E_ARG, "%s %s comes without its key", name, own->psk_id);
    auth->key = key;
    auth->id_name = name;
    snprintf(auth->id, sizeof auth->id, "%s", own->psk_id);
    a_keys_one(&auth->keys, own->psk);
    say_given(x, key, name, own->psk_id);
    return GBA_OK;
}

static void held_psk(run *x, const a_record *r, a_auth *auth)
{
    auth->key = gba_m2m_held_key(&r->h);
    auth->id_name = gba_m2m_held_id_name(&r->h);
    snprintf(auth->id, sizeof auth->id, "%s", r->h.id);
    auth->keys = r->keys;
    say_held(x, r);
}

/* An Entity A that has not said who it is, is who enrolled. */
static gba_err adopt(run *x, const a_record *r)
{
    if (x->a->c.id.kind != GBA_M2M_ID_NONE || r->h.self.kind == GBA_M2M_ID_NONE)
        return GBA_OK;
    x->a->c.id = r->h.self;
    return gba_m2m_id_print(&r->h.self, GBA_M2M_ABSOLUTE, x->a->id) == GBA_OK
               ? GBA_OK
               : a_say(x->a, GBA_E_CORRUPT, "the stored credential has no owner");
}

static gba_err saef_1(run *x)
{
    A_RECORD_SCOPED r = {0};
    gba_fqdn name = x->how->b.fqdn;
    gba_err e;

    snprintf(x->facts->key_from, sizeof x->facts->key_from, "provisioned");
    if (x->how->own.psk_id) {
        e = choose_b(x, NULL);
        return e == GBA_OK ? given_psk(x, &x->how->own, "Kpsa", "KpsaID", &x->auth) : e;
    }
    if (x->how->b_id.kind != GBA_M2M_ID_NONE && gba_m2m_id_fqdn(&x->how->b_id, &name) != GBA_OK)
        return a_say(x->a, GBA_E_ARG, "Entity B has no public domain name");
    e = a_store_find(x->a, GBA_M2M_HELD_KPSA, &name, &r);
    if (e == GBA_E_UNKNOWN)
        return a_say(x->a, e, "no Kpsa for %s: enrol, or give KpsaID and Kpsa", name.s[0] ? name.s : "any CSE");
    if (e == GBA_E_EXPIRED)
        return expired(x, &r);
    if (e == GBA_OK)
        e = choose_b(x, &r.h.target);
    if (e == GBA_OK)
        e = adopt(x, &r);
    if (e != GBA_OK)
        return e;
    held_psk(x, &r, &x->auth);
    snprintf(x->facts->key_from, sizeof x->facts->key_from, "%s", gba_m2m_row_of(r.h.by)->name);
    x->facts->expires = r.h.expires;
    return GBA_OK;
}

/* ---- SAEF 2 ---- */
static gba_err saef_2(run *x)
{
    gba_err e = choose_b(x, NULL);

    if (e != GBA_OK)
        return e;
    if (!a_own_cert(&x->how->own, &x->auth))
        return a_say(x->a, GBA_E_ARG,
                     "SAEF 2 needs a certificate with its key or a raw key, and the CA or the raw key of Entity B");
    snprintf(x->facts->key_from, sizeof x->facts->key_from, "certificate");
    a_step(x->a, &(gba_m2m_step){.phase = "Credential Configuration", .from = "provisioned", .to = "Entity A",
                                 .text = "key pair and certificate chain"});
    return GBA_OK;
}

/* ---- SAEF 3: Km with the MAF, Kc by export, B asks the MAF ---- */
static gba_err find_km(run *x, a_record *r, a_auth *auth)
{
    const gba_m2m_own *own = &x->how->own;

    if (own->psk_id)
        return given_psk(x, own, "Km", "KmID", auth);
    if (own->key_file)
        return a_own_cert(own, auth) ? GBA_OK : a_say(x->a, GBA_E_ARG, "which CA, or which raw key, has the MAF?");
    gba_err e = a_store_find(x->a, GBA_M2M_HELD_KM, &x->how->maf.fqdn, r);
    if (e == GBA_E_UNKNOWN)
        return a_say(x->a, e, "no Km for %s: enrol, or give KmID and Km, or a certificate",
                     x->how->maf.fqdn.s[0] ? x->how->maf.fqdn.s : "any MAF");
    if (e == GBA_E_EXPIRED)
        return expired(x, r);
    if (e == GBA_OK)
        held_psk(x, r, auth);
    return e;
}

static gba_err choose_maf(run *x, const a_record *km)
{
    x->maf = x->how->maf;
    if (!x->maf.fqdn.s[0])
        x->maf.fqdn = km->h.target.sp;
    if (!x->maf.host && !x->maf.port && km->port) {
        snprintf(x->maf_host, sizeof x->maf_host, "%s", km->host);
        x->maf.host = x->maf_host;
        x->maf.port = km->port;
    }
    return x->maf.fqdn.s[0] ? GBA_OK : a_say(x->a, GBA_E_ARG, "which MAF?");
}

/* KmID in place of KeID: from now on it is what A presents (8.8.2.3). */
static gba_err keep_registration(run *x, a_record *km, const a_reg *reg)
{
    if (!km->h.id[0])
        return GBA_OK;
    if (reg->assigned[0])
        snprintf(km->h.id, sizeof km->h.id, "%s", reg->assigned);
    snprintf(km->reg, sizeof km->reg, "%s", reg->id);
    km->reg_until = reg->until;
    if (x->how->maf.port) {
        snprintf(km->host, sizeof km->host, "%s", x->how->maf.host ? x->how->maf.host : x->how->maf.fqdn.s);
        km->port = x->how->maf.port;
    }
    return a_store_save(x->a, km);
}

static gba_err register_and_key(run *x, a_kms *k, a_record *km, a_exported *kc)
{
    /* a KeID is presented once; the MAF answers with a KmID */
    bool assign = km->h.id[0] && km->h.by != GBA_M2M_SBF_3 && !strcmp(km->h.id, km->h.enrolled_as), unregistered = true;
    a_reg reg;
    gba_err e = GBA_OK;

    if (km->reg[0] && km->reg_until > a_now(x->a) && !assign) {
        e = a_kms_key(k, GBA_M2M_SUID_MAF_SAEF, &x->b_id, kc, &unregistered);
        if (e == GBA_OK || !unregistered)
            return e;
    }
    e = a_kms_register(k, assign, &reg);
    if (e == GBA_OK)
        e = keep_registration(x, km, &reg);
    return e == GBA_OK ? a_kms_key(k, GBA_M2M_SUID_MAF_SAEF, &x->b_id, kc, &unregistered) : e;
}

static gba_err keep_kc(run *x, const a_exported *kc, a_record *out)
{
    out->h = (gba_m2m_held){.kind = GBA_M2M_HELD_KC, .by = GBA_M2M_SAEF_3, .self = x->a->c.id, .target = x->b_id,
                            .server = x->maf.fqdn, .made = a_now(x->a), .expires = kc->until};
    snprintf(out->h.id, sizeof out->h.id, "%s", kc->id);
    snprintf(out->h.enrolled_as, sizeof out->h.enrolled_as, "%s", kc->id);
    a_keys_one(&out->keys, &kc->key);
    return x->a->seal.n ? a_store_save(x->a, out) : GBA_OK;
}

static gba_err fresh_kc(run *x, a_record *km, const a_auth *with_maf, a_record *out)
{
    a_exported kc = {0};
    a_kms k = {0};
    gba_err e = a_kms_open(&k, x->a, false, &x->maf, with_maf, &x->b_id);

    if (e == GBA_OK)
        e = register_and_key(x, &k, km, &kc);
    a_kms_close(&k);
    if (e == GBA_OK)
        e = keep_kc(x, &kc, out);
    gba_secret_wipe(&kc.key);
    return e;
}

/* A Kc that lives, of this MAF: fresh handshakes may use it (8.2.2.3). */
static bool live_kc(run *x, a_record *out)
{
    gba_fqdn name;

    return !x->how->fresh && !x->renew && gba_m2m_id_fqdn(&x->b_id, &name) == GBA_OK &&
           a_store_find(x->a, GBA_M2M_HELD_KC, &name, out) == GBA_OK && !strcmp(out->h.server.s, x->maf.fqdn.s) &&
           gba_m2m_id_eq(&out->h.target, &x->b_id) && /* not a CSE's whose ID differs in case alone */
           out->h.self.kind == x->a->c.id.kind;
}

static gba_err with_maf(run *x)
{
    A_RECORD_SCOPED km = {0};
    A_RECORD_SCOPED kc = {0};
    A_AUTH_SCOPED auth = {0};
    gba_err e = find_km(x, &km, &auth);

    if (e == GBA_OK)
        e = choose_maf(x, &km);
    if (e == GBA_OK)
        e = adopt(x, &km);
    if (e != GBA_OK)
        return e;
    x->may_renew = live_kc(x, &kc);
    if (!x->may_renew)
        e = fresh_kc(x, &km, &auth, &kc);
    if (e != GBA_OK)
        return e;
    if (x->may_renew)
        say_held(x, &kc);
    x->auth.key = "Kc";
    x->auth.id_name = "KcID";
    snprintf(x->auth.id, sizeof x->auth.id, "%s", kc.h.id);
    x->auth.keys = kc.keys;
    x->facts->expires = kc.h.expires;
    snprintf(x->facts->key_from, sizeof x->facts->key_from, "MAF");
    return GBA_OK;
}

static gba_err saef_3(run *x)
{
    int fd;
    gba_err e = choose_b(x, NULL);

    if (e == GBA_OK && x->b_id.kind == GBA_M2M_ID_NONE)
        e = a_say(x->a, GBA_E_ARG, "which CSE-ID has Entity B? The MAF gives Kc to that one alone");
    if (e == GBA_OK)
        e = a_lock(x->a, &fd);
    if (e != GBA_OK)
        return e;
    e = with_maf(x);
    a_unlock(&fd);
    return e;
}

/* ---- SAEF 4: B is a NAF ---- */
static gba_err saef_4(run *x)
{
    const gba_m2m_gba *g = x->how->own.gba;
    gba_m2m_gba_facts f = {0};
    char bsf[300], by[GBA_ID_MAX + 8];
    gba_err e = choose_b(x, NULL);

    if (e == GBA_OK && !g)
        e = a_say(x->a, GBA_E_ARG, "SAEF 4 needs a USIM");
    if (e != GBA_OK)
        return e;
    e = g->session(g->arg, x->renew, &f);
    if (e != GBA_OK)
        return a_say(x->a, e, "%s", g->text(g->arg));
    snprintf(bsf, sizeof bsf, "BSF %s", f.bsf.s);
    snprintf(by, sizeof by, "IMPI %s", f.impi.s);
    a_step(x->a, &(gba_m2m_step){.phase = "Bootstrapping", .from = "Entity A", .to = bsf,
                                 .text = f.fresh ? "Ub" : "a session that is still valid",
                                 .from_by = f.fresh ? by : NULL, .to_by = f.fresh ? "AUTN" : NULL, .key = "Ks",
                                 .key_id_name = "B-TID",
                                 .key_id = f.btid.s, .how = "AKA", .until = f.expires});
    x->may_renew = !f.fresh;
    x->auth.key = "Ks_(ext)_NAF";
    x->auth.id_name = "B-TID";
    snprintf(x->auth.id, sizeof x->auth.id, "%s", f.btid.s);
    x->auth.gba = g;
    x->auth.naf = x->b.fqdn;
    x->facts->expires = f.expires;
    snprintf(x->facts->key_from, sizeof x->facts->key_from, "BSF");
    return GBA_OK;
}

/* ---- the association ---- */
static gba_err (*const frameworks[GBA_M2M_FRAMEWORKS])(run *x) = {
    [GBA_M2M_SAEF_1] = saef_1, [GBA_M2M_SAEF_2] = saef_2, [GBA_M2M_SAEF_3] = saef_3, [GBA_M2M_SAEF_4] = saef_4};

static void say_associated(run *x, m2m_peer *p)
{
    static const char *const told[] = {"Entity B has it in its own store",
                                       "Entity B reads the names in the certificate", "Entity B asks the MAF",
                                       "Entity B asks the BSF", "Entity B asks the MEF"};
    char b[300], by[GBA_ID_MAX + 32], self[GBA_M2M_ID_MAX + 1] = "";
    bool psk = x->auth.gba || x->auth.keys.n;
    const gba_m2m_row *row = x->a->row;
    gba_m2m_teller teller = row->teller;

    if (!strncmp(x->facts->key_from, "SBF", 3)) /* an enrolment's Kpsa: its target is told by MEF or BSF */
        teller = strcmp(x->facts->key_from, "SBF 3") ? GBA_M2M_TOLD_MEF : GBA_M2M_TOLD_BSF;
    a_party("Entity B", &x->b, b);
    if (x->b_id.kind != GBA_M2M_ID_NONE && gba_m2m_id_print(&x->b_id, GBA_M2M_ABSOLUTE, self) != GBA_OK)
        self[0] = 0;
    snprintf(by, sizeof by, "%s %s", psk ? x->auth.id_name : "certificate", x->auth.id);
    a_step(x->a, &(gba_m2m_step){.phase = "Association Security Handshake", .from = "Entity A", .to = b,
                                 .text = told[teller],
                                 .from_by = by, .to_by = psk ? x->auth.key : "certificate with its name",
                                 .suite = m2m_peer_suite_name(p),
                                 .until = x->facts->expires});
}

static void fill_facts(run *x, m2m_peer *p, int64_t begun)
{
    gba_m2m_sa_facts *f = x->facts;

    f->row = x->a->row;
    snprintf(f->identifier, sizeof f->identifier, "%s", x->auth.id);
    f->identifier_name = x->auth.id_name ? x->auth.id_name : "certificate";
    f->key = x->auth.key;
    f->suite = m2m_peer_suite(p);
    f->suite_name = m2m_peer_suite_name(p);
    f->b = x->b.fqdn;
    f->b_id = x->b_id;
    f->handshake_ms = (unsigned)(m2m_mono_ms() - begun);
}

/* One try: the credential, then B. */
static gba_err attempt(run *x, m2m_peer **out)
{
    gba_err e = frameworks[x->how->framework](x);

    if (e != GBA_OK)
        return e;
    int64_t begun = m2m_mono_ms();
    e = a_open(x->a, "Entity B", &x->b, &x->auth, x->how->priority, out);
    if (e != GBA_OK)
        return e;
    fill_facts(x, *out, begun);
    say_associated(x, *out);
    return GBA_OK;
}

gba_err gba_m2m_connect(gba_m2m_a *a, const gba_m2m_saef *how, gba_m2m_sa **out)
{
    gba_m2m_sa *sa = calloc(1, sizeof *sa);
    run x = {.a = a, .how = how};
    gba_err e;

    *out = NULL;
    a->row = gba_m2m_row_of(how->framework);
    if (!sa || !a->row || !frameworks[how->framework]) {
        bool memory = sa != NULL;
        free(sa);
        return a_say(a, memory ? GBA_E_ARG : GBA_E_NOMEM,
                     memory ? "no security association establishment framework" : "out of memory");
    }
    x.facts = &sa->facts;
    sa->a = a;
    e = attempt(&x, &sa->peer);
    /* a refused handshake tells A that Kc, or the session with the BSF, is over (8.2.2.3): one new one */
    if (e == GBA_E_AUTH && x.may_renew) {
        a_step(a, &(gba_m2m_step){.phase = "Association Security Handshake", .from = "Entity B", .to = "Entity A",
                                  .text = "refused: the key is over, a new one is made"});
        a_auth_wipe(&x.auth);
        x = (run){.a = a, .how = how, .facts = &sa->facts, .renew = true};
        e = attempt(&x, &sa->peer);
    }
    if (e == GBA_OK) { /* for SA2 */
        sa->own = how->own;
        sa->auth = x.auth;
        if (sa->auth.own)
            sa->auth.own = &sa->own;
        sa->priority = how->priority;
    }
    a_auth_wipe(&x.auth);
    size_t said = strlen(a->text);
    if (e == GBA_E_AUTH && !strncmp(sa->facts.key_from, "SBF", 3)) /* revoked, or its server is down: B does not tell */
        snprintf(a->text + said, sizeof a->text - said, "; if it was revoked, enrol again");
    if (e == GBA_OK)
        *out = sa;
    else
        gba_m2m_sa_close(&sa);
    return e;
}

const gba_m2m_sa_facts *gba_m2m_sa_info(const gba_m2m_sa *sa)
{
    return &sa->facts;
}

void gba_m2m_sa_close(gba_m2m_sa **sa)
{
    if (*sa) {
        m2m_peer_close(&(*sa)->peer);
        a_auth_wipe(&(*sa)->auth);
    }
    free(*sa);
    *sa = NULL;
}

/* ---- requests ---- */
/* An AE writes its stem, a CSE its SP-relative CSE-ID (TS-0001 7.2); an AE without one asks for any ("C"). */
static gba_err choose_from(const gba_m2m_sa *sa, const gba_m2m_call *c, gba_m2m_reply *out)
{
    const gba_m2m_id *id = &sa->a->c.id;

    if (c->from) {
        int n = snprintf(out->from, sizeof out->from, "%s", c->from);
        return n >= 0 && (size_t)n < sizeof out->from ? GBA_OK : GBA_E_RANGE;
    }
    if (id->kind == GBA_M2M_ID_NONE) {
        if (c->op == GBA_M2M_CREATE && c->ty == GBA_M2M_TY_AE)
            snprintf(out->from, sizeof out->from, "C");
        return out->from[0] ? GBA_OK : GBA_E_UNKNOWN;
    }
    return gba_m2m_id_print(id, gba_m2m_id_is_ae(id) ? GBA_M2M_STEM : GBA_M2M_SP_RELATIVE, out->from);
}

static gba_err choose_to(const gba_m2m_sa *sa, const gba_m2m_call *c, gba_m2m_reply *out, char *target, size_t room)
{
    gba_err e = GBA_OK;

    if (c->to)
        e = snprintf(out->to, sizeof out->to, "%s", c->to) < (int)sizeof out->to ? GBA_OK : GBA_E_RANGE;
    else if (sa->facts.b_id.kind == GBA_M2M_ID_CSE)
        e = gba_m2m_id_print(&sa->facts.b_id, GBA_M2M_SP_RELATIVE, out->to);
    else
        e = GBA_E_UNKNOWN;
    return e == GBA_OK ? gba_m2m_http_target(gba_str(out->to), target, &room) : e;
}

static gba_err take_reply(gba_m2m_a *a, const m2m_answer *r, gba_m2m_reply *out)
{
    const char *location = m2m_answer_field(r, "Content-Location");

    out->http = r->status;
    out->rsc = a_rsc(r);
    if (location && strlen(location) < sizeof out->location)
        snprintf(out->location, sizeof out->location, "%s", location);
    out->body = malloc(r->body.n + 1);
    if (!out->body)
        return a_say(a, GBA_E_NOMEM, "out of memory");
    if (r->body.n)
        memcpy(out->body, r->body.p, r->body.n);
    out->body[r->body.n] = 0;
    out->n = r->body.n;
    return GBA_OK;
}

gba_err gba_m2m_request_send(gba_m2m_sa *sa, const gba_m2m_call *c, gba_m2m_reply *out)
{
    static const char *const methods[] = {NULL, "POST", "GET", "PUT", "DELETE", "POST"};
    static const char *const ops[] = {"", "CREATE", "RETRIEVE", "UPDATE", "DELETE", "NOTIFY"};
    gba_m2m_a *a = sa->a;
    char target[3 * GBA_M2M_TO_MAX + 8], text[GBA_M2M_TO_MAX + 64 + GBA_M2M_ID_MAX], b[300];
    m2m_answer r = {0};

    memset(out, 0, sizeof *out);
    if (c->op < GBA_M2M_CREATE || c->op > GBA_M2M_NOTIFY)
        return a_say(a, GBA_E_ARG, "no such operation");
    gba_err e = choose_to(sa, c, out, target, sizeof target);
    if (e != GBA_OK)
        return a_say(a, GBA_E_ARG, e == GBA_E_UNKNOWN ? "which resource?" : "\"%.100s\" is no resource's address",
                     out->to);
    e = choose_from(sa, c, out);
    if (e != GBA_OK)
        return a_say(a, GBA_E_ARG, "who is the originator? Entity A has no identity yet");
    e = a_ask(a, sa->peer, methods[c->op], target, c->op == GBA_M2M_CREATE ? c->ty : 0, out->from, c->body, &r);
    if (e == GBA_OK)
        e = take_reply(a, &r, out);
    m2m_answer_free(&r);
    if (e != GBA_OK)
        return e;
    snprintf(b, sizeof b, "Entity B %s", sa->facts.b.s);
    snprintf(text, sizeof text, "%s %s%s%s", ops[c->op], out->to, out->from[0] ? ", From " : "", out->from);
    a_step(a, &(gba_m2m_step){.phase = "oneM2M request", .from = "Entity A", .to = b, .text = text, .rsc = out->rsc});
    return GBA_OK;
}

void gba_m2m_reply_free(gba_m2m_reply *r)
{
    free(r->body);
    *r = (gba_m2m_reply){0};
}
