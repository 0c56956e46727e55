/* SPDX-License-Identifier: Apache-2.0 */
/* guard.c - the originator check (TS-0003 7.2.1; TS-0004 7.3.2.1; TS-0001 10.2.2.2). */
#include <gba/onem2m.h>
#include <stdio.h>
#include <string.h>

typedef struct check {
    const gba_m2m_guard *g;
    const gba_m2m_association *a;
    const gba_m2m_request *r;
    gba_m2m_verdict *v;
    bool is_create_ae;
} check;

static void refuse(check *c, unsigned rsc, const char *why)
{
    c->v->rsc = rsc;
    c->v->http = gba_m2m_rsc_http(rsc);
    c->v->why = why;
    c->v->as[0] = 0;
}

static void allow(check *c, const char *why)
{
    c->v->why = why;
}

static bool listed(const gba_m2m_id *list, size_t n, const gba_m2m_id *id)
{
    for (size_t i = 0; i < n; i++)
        if (gba_m2m_id_eq(&list[i], id))
            return true;
    return false;
}

static bool same_cse(const gba_m2m_id *cse, const gba_m2m_id *ae)
{
    return !strcmp(cse->sp.s, ae->sp.s) && !strcmp(cse->cse, ae->cse);
}

/* Is `to` a resource of ours? CSE-relative addresses are; others name their CSE. */
static bool is_local(const gba_m2m_guard *g, const char *to)
{
    const char *p = to;
    size_t n;

    if (p[0] != '/')
        return true;
    if (p[1] == '/') {
        n = strcspn(p + 2, "/");
        gba_fqdn sp;
        if (gba_fqdn_parse(gba_mem(p + 2, n), &sp) != GBA_OK || strcmp(sp.s, g->cse.sp.s) != 0)
            return false;
        p += 2 + n;
    }
    n = strcspn(p + 1, "/");
    return strlen(g->cse.cse) == n && !memcmp(p + 1, g->cse.cse, n);
}

/* ---- From of a registration that asks for an AE-ID ---- */
/* 'C', 'S', or 0 for none. */
static bool asks_for_id(const gba_m2m_request *r, char *type)
{
    *type = 0;
    if (!r->has_from || r->from.n == 0)
        return true;
    if (r->from.n != 1 || (r->from.p[0] != 'C' && r->from.p[0] != 'S'))
        return false;
    *type = (char)r->from.p[0];
    return true;
}

/* The AE-ID this association is bound to takes the place of the wish, so that the CSE assigns no other. */
static void register_bound(check *c, char type)
{
    const gba_m2m_id *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < c->a->n; i++)
        if (!type || (type == 'C') == (c->a->ids[i].kind == GBA_M2M_ID_AE_C)) {
            found = &c->a->ids[i];
            n++;
        }
    if (n != 1) {
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, n ? "ambiguous_ae" : "other_ae_type");
        return;
    }
    c->v->from = *found;
    if (gba_m2m_id_print(found, GBA_M2M_STEM, c->v->as) != GBA_OK)
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, "not_bound");
    else
        allow(c, "registers_bound");
}

static void pass_wish(check *c, char type, const char *why)
{
    c->v->as[0] = type;
    c->v->as[1] = 0;
    allow(c, why);
}

/* ---- an AE, bound to one AE-ID or a list ---- */
static void from_ae(check *c)
{
    char type;

    if (c->is_create_ae && c->v->local && asks_for_id(c->r, &type)) {
        register_bound(c, type);
    } else if (!c->r->has_from || c->r->from.n == 0) {
        refuse(c, GBA_M2M_BAD_REQUEST, "no_from");
    } else if (c->v->from.kind == GBA_M2M_ID_NONE) {
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, "from_malformed");
    } else if (!listed(c->a->ids, c->a->n, &c->v->from)) {
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, gba_m2m_id_is_ae(&c->v->from) ? "other_ae" : "not_an_ae");
    } else if (c->v->from.form != GBA_M2M_STEM) {
        refuse(c, GBA_M2M_BAD_REQUEST, "not_a_stem"); /* TS-0004 7.3.2.1 */
    } else if (c->r->op == GBA_M2M_CREATE && c->r->ty == GBA_M2M_TY_REMOTE_CSE) {
        refuse(c, GBA_M2M_OPERATION_NOT_ALLOWED, "ae_registers_cse"); /* TS-0004 7.4.4 */
    } else {
        allow(c, "own");
    }
}

/* Authenticated, but its AE-ID is not known: all it may do is get one. */
static void from_new(check *c)
{
    char type;

    if (c->is_create_ae && c->v->local && asks_for_id(c->r, &type))
        pass_wish(c, type, "registers_new");
    else if (!c->r->has_from || c->r->from.n == 0)
        refuse(c, GBA_M2M_BAD_REQUEST, "no_from");
    else
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, "not_registered");
}

/* ---- a CSE ---- */
/* A third party's From, which the CSE forwards: whose it may not be. */
static void forwarded(check *c, const gba_m2m_id *own)
{
    const gba_m2m_id *from = &c->v->from;
    const gba_m2m_guard *g = c->g;

    if (from->kind == GBA_M2M_ID_CSE) {
        if (gba_m2m_id_eq(from, &g->cse))
            refuse(c, GBA_M2M_NOT_AUTHENTICATED, "our_cse_id");
        else if (listed(g->registrees, g->n_registrees, from))
            refuse(c, GBA_M2M_NOT_AUTHENTICATED, "other_registree");
        else
            allow(c, "forwarded");
        return;
    }
    if (from->form == GBA_M2M_STEM || listed(g->aes, g->n_aes, from) || same_cse(&g->cse, from)) {
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, from->form == GBA_M2M_STEM ? "bare_ae_id" : "our_ae_id");
        return;
    }
    if (from->kind == GBA_M2M_ID_AE_C && !same_cse(own, from))
        for (size_t i = 0; i < g->n_registrees; i++)
            if (same_cse(&g->registrees[i], from)) {
                refuse(c, GBA_M2M_NOT_AUTHENTICATED, "ae_of_other_registree");
                return;
            }
    allow(c, "forwarded");
}

static void from_cse(check *c)
{
    const gba_m2m_id *own = &c->a->ids[0];

    if (!c->r->has_from || c->r->from.n == 0)
        refuse(c, GBA_M2M_BAD_REQUEST, "no_from");
    else if (c->v->from.kind == GBA_M2M_ID_NONE) /* also "C" and "S": bare */
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, "from_malformed");
    else if (gba_m2m_id_eq(&c->v->from, own))
        allow(c, "own");
    else if (c->v->registration) /* whoever registers here registers itself */
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, "registers_other");
    else
        forwarded(c, own);
}

/* ---- outside a security association ---- */
static void from_none(check *c)
{
    char type;

    if (!c->g->sa_optional)
        refuse(c, GBA_M2M_SA_REQUIRED, "no_association");
    else if (c->is_create_ae && c->v->local && asks_for_id(c->r, &type))
        pass_wish(c, type, "registers_plain");
    else if (!c->r->has_from || c->r->from.n == 0)
        refuse(c, GBA_M2M_BAD_REQUEST, "no_from");
    else if (c->v->from.kind == GBA_M2M_ID_NONE)
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, "from_malformed");
    else if (c->v->from.kind == GBA_M2M_ID_CSE || c->v->from.kind == GBA_M2M_ID_FQDN)
        refuse(c, GBA_M2M_SA_REQUIRED, "cse_without_association");
    else if (!(c->is_create_ae && c->v->local) && !listed(c->g->aes, c->g->n_aes, &c->v->from))
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, "not_registered");
    else
        allow(c, "plain");
}

/* From, and what it says as an identity. An AE-ID that the CSE assigned against TS-0001 7.2 is one where it is bound to
 * this association, or the AE is another CSE's, whose association it is. */
static bool read_from(check *c)
{
    gba_m2m_id *from = &c->v->from;
    const gba_m2m_association *a = c->a;

    if (!c->r->has_from || !c->r->from.n)
        return false;
    if (gba_m2m_id_parse(c->r->from, &c->g->cse, from) == GBA_OK)
        return true;
    if (gba_m2m_id_parse_assigned(c->r->from, &c->g->cse, from) == GBA_OK && gba_m2m_id_is_ae(from) &&
        (a->bound == GBA_M2M_BOUND_AE ? listed(a->ids, a->n, from)
                                      : a->bound == GBA_M2M_BOUND_CSE && a->n && from->form != GBA_M2M_STEM &&
                                            from->kind == GBA_M2M_ID_AE_C && same_cse(&a->ids[0], from)))
        return true;
    *from = (gba_m2m_id){0};
    return false;
}

void gba_m2m_guard_check(const gba_m2m_guard *g, const gba_m2m_association *a, const gba_m2m_request *r,
                         gba_m2m_verdict *out)
{
    check c = {g, a, r, out, r->op == GBA_M2M_CREATE && r->ty == GBA_M2M_TY_AE};

    *out = (gba_m2m_verdict){.why = ""};
    out->local = is_local(g, r->to);
    out->registration = out->local && (c.is_create_ae || (r->op == GBA_M2M_CREATE && r->ty == GBA_M2M_TY_REMOTE_CSE));
    if (read_from(&c))
        snprintf(out->as, sizeof out->as, "%.*s", (int)r->from.n, (const char *)r->from.p);
    if (a->bound != GBA_M2M_BOUND_NONE && a->bound != GBA_M2M_BOUND_NEW && a->n == 0)
        refuse(&c, GBA_M2M_NOT_AUTHENTICATED, "not_bound");
    else if (a->bound == GBA_M2M_BOUND_AE)
        from_ae(&c);
    else if (a->bound == GBA_M2M_BOUND_CSE)
        from_cse(&c);
    else if (a->bound == GBA_M2M_BOUND_NEW)
        from_new(&c);
    else
        from_none(&c);
}
