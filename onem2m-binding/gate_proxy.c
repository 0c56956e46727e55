/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_proxy.c - a request of an AE or CSE: whose association is it, does the guard allow this From, then to
 * the CSE and back. Runs on the connection's own thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "onem2m-binding/cert_id.h"
#include "onem2m-binding/gate_poa.h"
#include "onem2m-binding/names.h"

#define FIELDS 64
#define CERT_NAMES 24

const char *gate_op_text(gba_m2m_op op)
{
    static const char *const text[] = {"none", "create", "retrieve", "update", "delete", "notify"};
    return op >= GBA_M2M_CREATE && op <= GBA_M2M_NOTIFY ? text[op] : text[0];
}

/* ---- header fields ---- */
/* A spelling of a field that one of both sides reads, which the other side may read as the same. */
static bool is_alias(const char *name)
{
    return strchr(name, '_') && (http_named_begin(name, "X-M2M-") || http_named(name, "Content-Type") ||
                                 http_named(name, M2M_H_LOCATION));
}

bool gate_field_drop(const char *name, const char *connection)
{
    static const char *const drop[] = {
        /* for this hop alone, what only we may say, or what would make another request of it */
        "Host", "Expect", "Forwarded", "X-Real-IP", "X-3GPP-Asserted-Identity", "X-3GPP-Intended-Identity",
        "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"};
    for (size_t i = 0; i < sizeof drop / sizeof *drop; i++)
        if (http_named(name, drop[i]))
            return true;
    return is_alias(name) || http_named_begin(name, "X-Forwarded-") || http_named_begin(name, "X-M2M-Gate-") ||
           http_named_begin(name, "X-Client-Cert") || http_named_begin(name, "X-SSL-") ||
           http_hop_by_hop(name, connection);
}

size_t gate_answer_fields(const m2m_answer *a, http_field f[M2M_ANSWER_FIELDS])
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_fields; i++) {
        const char *name = a->field[i].name;
        bool drop = !strcasecmp(name, "Date") || gate_field_drop(name, NULL);
        for (size_t k = 0; k < a->n_fields && !drop; k++)
            drop = !strcasecmp(a->field[k].name, "Connection") && http_hop_by_hop(name, a->field[k].value);
        if (!drop)
            f[n++] = (http_field){name, a->field[i].value};
    }
    return n;
}

typedef struct call {
    gate *g;
    http_req *r;
    gba_m2m_http http;
    gba_m2m_request m;
    gba_m2m_verdict v;
    gate_who cert;         /* of a certificate */
    const gate_who *who;   /* NULL: nobody */
    gate_binding bind;
    gba_m2m_association assoc;
    const char *ri, *rvi, *ret, *rqet, *encoding;
    const char *why;
    gate_given *given; /* what it registers; NULL: nothing */
    bool duplicate, full, named; /* named: X-M2M-NM */
    size_t n;
    m2m_field field[FIELDS];
    char from[64], to[GBA_M2M_TO_MAX + 4], connection[GATE_CONNECTION_MAX];
} call;

static void pick_one(call *c, gba_span *at, const char *value)
{
    c->duplicate = c->duplicate || at->p;
    *at = gba_str(value);
    if (!at->p)
        at->p = (const uint8_t *)"";
}

static void on_field(void *ctx, const char *name, const char *value)
{
    call *c = ctx;
    value = value ? value : "";
    if (!strcasecmp(name, M2M_H_ORIGIN)) {
        pick_one(c, &c->http.origin, value);
        return;
    }
    if (gate_field_drop(name, c->connection) || http_named(name, "Accept-Encoding")) /* answers are read here, too */
        return;
    c->named = c->named || !strcasecmp(name, "X-M2M-NM");
    if (!strcasecmp(name, "Content-Type")) {
        pick_one(c, &c->http.content_type, value);
    } else if (!strcasecmp(name, M2M_H_RVI)) {
        pick_one(c, &c->http.rvi, value);
    } else if (http_named(name, M2M_H_RET)) {
        c->duplicate = c->duplicate || c->ret;
        c->ret = value;
    } else if (http_named(name, M2M_H_RQET)) {
        c->duplicate = c->duplicate || c->rqet;
        c->rqet = value;
    } else if (http_named(name, "Content-Encoding")) {
        c->encoding = value;
    } else if (!strcasecmp(name, M2M_H_RI)) {
        c->duplicate = c->duplicate || c->ri;
        c->ri = value;
    }
    if (c->n < FIELDS - 4)
        c->field[c->n++] = (m2m_field){name, value};
    else
        c->full = true;
}

/* ---- answers of our own ---- */
/* How a CSE's certificate comes to another CSE-ID than its name says, or to one at all. NULL: that is not the matter. */
static const char *hint(const call *c, char out[900])
{
    char id[GBA_M2M_ID_MAX + 1];
    const gba_m2m_id *from = &c->v.from;
    bool known = c->assoc.bound == GBA_M2M_BOUND_CSE && c->assoc.n;

    if (!c->who || c->who->form != GBA_M2M_PSK_NONE || strncmp(c->who->credential, "32-", 3) != 0 ||
        (known && !m2m_id_same_but_case(from, &c->assoc.ids[0])) || (!known && (!c->why || strcmp(c->why, "not_bound") != 0)))
        return NULL;
    if (!known || gba_m2m_id_print(from, GBA_M2M_ABSOLUTE, id) != GBA_OK)
        snprintf(id, sizeof id, "//%s/CSE", c->g->cse.sp.s);
    snprintf(out, 900, "if it is that CSE: m2m-gatectl credential add --credential-id %s --cse-id %s", c->who->credential, id);
    return out;
}

static void audit(const call *c, unsigned rsc, bool allowed)
{
    char origin[160], num[16], text[900];
    const gba_m2m_row *row = c->who ? gba_m2m_row_of(c->who->framework) : NULL;
    snprintf(origin, sizeof origin, "%.*s", (int)(c->http.origin.n < 150 ? c->http.origin.n : 150),
             c->http.origin.p ? (const char *)c->http.origin.p : "");
    snprintf(num, sizeof num, "%u", rsc);
    metric_add(c->g->requests[row ? c->who->framework : GBA_M2M_FRAMEWORKS][allowed ? GATE_ALLOWED : GATE_REFUSED], 1);
    log_event(LOG_LEVEL_AUDIT, allowed ? "gate.allowed" : "gate.refused", "framework", row ? row->name : "none",
              "credential", c->who && c->who->credential[0] ? c->who->credential : "none", "from", c->from, "origin",
              c->http.origin.p ? origin : NULL, "as", allowed && strcmp(c->v.as, origin) ? c->v.as : NULL, "op",
              gate_op_text(c->m.op), "to", c->m.to[0] ? c->m.to : http_target(c->r), "rsc", num, "why", c->why, "hint",
              allowed ? NULL : hint(c, text), NULL);
}

static void answer(call *c, unsigned rsc, unsigned http)
{
    char num[16];
    http_field f[4];
    size_t n = 0;
    snprintf(num, sizeof num, "%u", rsc);
    f[n++] = (http_field){M2M_H_RSC, num};
    if (c->ri)
        f[n++] = (http_field){M2M_H_RI, c->ri};
    if (c->rvi)
        f[n++] = (http_field){M2M_H_RVI, c->rvi};
    http_reply(c->r, http, f, n, (gba_span){0});
}

static void refuse(call *c, unsigned rsc, const char *why)
{
    c->why = why;
    audit(c, rsc, false);
    answer(c, rsc, gba_m2m_rsc_http(rsc));
}

/* ---- whose association ---- */
static bool by_certificate(call *c)
{
    char sni[256];
    tls_session_sni(http_tls_session(c->r), sni);
    if (strcasecmp(sni, c->g->name.s) != 0) { /* TS-0003 10.2.1 */
        c->why = sni[0] ? "other_sni" : "no_sni";
        return false;
    }
    tls_name *names = calloc(CERT_NAMES, sizeof *names);
    size_t n = 0;
    gba_err e = names ? tls_peer_names(http_tls_session(c->r), names, CERT_NAMES, &n) : GBA_E_NOMEM;

    if (e == GBA_OK && n) {
        gate_cert_who(&c->g->cse, names, n, &c->cert);
        c->who = &c->cert;
        c->why = c->cert.why;
    } else {
        c->why = e == GBA_OK ? "no_certificate" : "certificate_refused";
    }
    free(names);
    return c->who && !c->cert.why;
}

/* What the handshake's server, or the certificate, said; else the book; else it is new. */
static bool bind_who(call *c)
{
    const gate_who *w = c->who;

    if (w->expires && w->form != GBA_M2M_PSK_NONE && w->expires <= service_now()) {
        c->why = "expired";
        return false;
    }
    gate_book_find(c->g->book, w->credential, &c->bind);
    if (w->form == GBA_M2M_PSK_NONE ? gate_has_ended(c->g->store, w->credential)
                                    : w->form == GBA_M2M_PSK_KPSA && !c->bind.has_key) {
        c->why = "revoked";
        return false;
    }
    /* a dNSName is of no case where it was folded: what the operator says of it counts (as of no other flavour) */
    bool granted = w->form == GBA_M2M_PSK_NONE && !strncmp(w->credential, "32-", 3) && c->bind.bound != GBA_M2M_BOUND_NONE;
    if (w->n && !granted) {
        c->assoc = (gba_m2m_association){.bound = w->bound, .ids = w->ids, .n = w->n};
        return true;
    }
    if (c->bind.bound != GBA_M2M_BOUND_NONE)
        c->assoc = (gba_m2m_association){.bound = c->bind.bound, .ids = c->bind.ids, .n = c->bind.n};
    else if (w->form == GBA_M2M_PSK_NONE && (!strncmp(w->credential, "32-", 3) || !strncmp(w->credential, "30-", 3)))
        c->assoc.bound = GBA_M2M_BOUND_NONE; /* a domain name that is no CSE of ours; a key that nobody named */
    else
        c->assoc.bound = GBA_M2M_BOUND_NEW;
    if (c->assoc.bound == GBA_M2M_BOUND_NONE || (c->assoc.bound == GBA_M2M_BOUND_NEW && !c->g->s->new_aes)) {
        c->why = "not_bound";
        return false;
    }
    return true;
}

/* ---- what the CSE's answer teaches ---- */
static bool own_id(const call *c, const gba_m2m_id *id)
{
    for (size_t i = 0; i < c->assoc.n; i++)
        if (gba_m2m_id_eq(&c->assoc.ids[i], id))
            return true;
    return false;
}

static const char *last_segment(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

/* The CSEBase's name: of the new resource's address, else of the one that was asked. */
static const char *base_of(const call *c, const char *location)
{
    const char *const from[] = {location, c->m.to};
    for (size_t i = 0; i < 2; i++) {
        const char *at = gate_below_cse(from[i]), *slash = at ? strchr(at, '/') : NULL;
        if (at && (slash ? i == 0 && !strchr(slash + 1, '/') : i == 1))
            return at;
    }
    return c->g->cse.cse;
}

/* A registree: where it is reached, and by which names its registration may be ended. location: NULL with an update. */
static void remember(call *c, const gba_m2m_id *id, const gate_made *made, const gate_made *asked, const char *location)
{
    gate_entity en;
    const gate_made *from = made->n ? made : asked;

    if (!from->n && !location)
        return;
    if (gate_book_entity(c->g->book, id, &en) != GBA_OK)
        memset(&en, 0, sizeof en);
    if (from->n) {
        en.n = from->n;
        memcpy(en.poa, from->poa, sizeof en.poa);
    }
    if (location) {
        const char *rn = made->rn[0] ? made->rn : last_segment(location), *base = base_of(c, location);
        memcpy(en.ri, made->ri, sizeof en.ri);
        snprintf(en.rn, sizeof en.rn, "%s", strlen(rn) <= GATE_NAME_MAX ? rn : "");
        snprintf(en.base, sizeof en.base, "%.*s", GATE_NAME_MAX, base);
        en.base[strcspn(en.base, "/")] = 0;
    }
    gate_entity_by(&en, c->who);
    if (gate_book_reach(c->g->book, id, &en) != GBA_OK)
        log_event(LOG_LEVEL_ERROR, "gate.store_failed", "what", "registration", NULL);
}

/* Is it the resource of its own registration that is asked for? */
static bool at_own(const call *c)
{
    gate_entity en;

    if (!own_id(c, &c->v.from))
        return false;
    if (gate_book_entity(c->g->book, &c->v.from, &en) != GBA_OK)
        memset(&en, 0, sizeof en);
    return gate_entity_at(&en, &c->v.from, c->m.to);
}

static void forget(call *c)
{
    if (at_own(c) && (gate_book_leave(c->g->book, &c->v.from) != GBA_OK ||
                      (c->g->poas && gate_poas_drop(c->g->poas, &c->v.from) != GBA_OK)))
        log_event(LOG_LEVEL_ERROR, "gate.store_failed", "what", "end of a registration", NULL);
}

/* The last segment of Content-Location, where the body tells no AE-ID: a CSE that names AEs by it. Only where the name
 * is the CSE's choice: else a client says rcn=0, and has registered under whatever AE-ID it likes. */
static void id_by_location(const m2m_answer *a, gate_made *made)
{
    const char *last = last_segment(m2m_answer_field(a, M2M_H_LOCATION));
    if (last && (last[0] == 'C' || last[0] == 'S') && strlen(last) < sizeof made->id)
        snprintf(made->id, sizeof made->id, "%s", last);
}

/* ---- a registration that cannot be used ---- */
/* What the CSE has just made, as a target. */
static bool made_target(const call *c, const gate_made *made, const char *location, char *out, size_t room)
{
    char at[GBA_M2M_TO_MAX + GATE_NAME_MAX + 2];
    size_t n = room;

    if (made->ri[0] && gba_m2m_http_target(gba_str(made->ri), out, &n) == GBA_OK)
        return true;
    if (location && (!strncmp(location, "/~/", 3) || !strncmp(location, "/_/", 3)))
        return (size_t)snprintf(out, room, "%s", location) < room && !strpbrk(out, "?# ");
    n = room;
    if (location && gba_m2m_http_target(gba_str(location), out, &n) == GBA_OK)
        return true;
    n = room;
    return made->rn[0] && (size_t)snprintf(at, sizeof at, "%s/%s", c->m.to, made->rn) < sizeof at &&
           gba_m2m_http_target(gba_str(at), out, &n) == GBA_OK;
}

static unsigned undo_as(call *c, const char *target, const char *from)
{
    const m2m_field f[] = {{M2M_H_ORIGIN, from}, {M2M_H_RI, "gate-undo"}, {M2M_H_RVI, c->rvi ? c->rvi : M2M_RVI}};
    m2m_answer a;

    if (gate_upstream_ask(c->g->upstream, "DELETE", target, f, sizeof f / sizeof *f, (gba_span){0},
                          c->g->s->upstream_ms, &a) != GBA_OK)
        return 0;
    const char *rsc = m2m_answer_field(&a, M2M_H_RSC);
    unsigned v = rsc ? (unsigned)strtoul(rsc, NULL, 10) : 0;
    m2m_answer_free(&a);
    return v;
}

/* The AE that nobody can be bound to is deleted at the CSE: as the AE where it has a name, else as the CSE itself. */
static void undo(call *c, const gate_made *made, const char *location)
{
    char target[GBA_M2M_TO_MAX + 8], own[GBA_M2M_ID_MAX + 1] = "", us[GBA_M2M_ID_MAX + 1] = "";
    gba_m2m_id id;
    unsigned rsc = 0;
    bool named = made_target(c, made, location, target, sizeof target);

    if (gba_m2m_id_parse_assigned(gba_str(made->id), &c->g->cse, &id) != GBA_OK ||
        gba_m2m_id_print(&id, GBA_M2M_STEM, own) != GBA_OK)
        own[0] = 0;
    if (named && own[0])
        rsc = undo_as(c, target, own);
    if (named && rsc != GBA_M2M_DELETED && gba_m2m_id_print(&c->g->cse, GBA_M2M_SP_RELATIVE, us) == GBA_OK)
        rsc = undo_as(c, target, us);
    bool done = rsc == GBA_M2M_DELETED;
    log_event(done ? LOG_LEVEL_AUDIT : LOG_LEVEL_ERROR, done ? "gate.registration_undone" : "gate.undo_failed",
              "credential", c->who->credential, "ae", made->id[0] ? made->id : NULL, "resource", named ? target : NULL,
              "rsc", log_num(rsc), "hint", done ? NULL : "an AE that nobody can use stands at the CSE: delete it there",
              NULL);
}

/* 0, or with which RSC the registration is refused that the CSE has accepted. */
static unsigned not_learned(call *c, const gate_made *made, const char *location, const char *ae, gba_err e)
{
    bool taken = e == GBA_E_STALE; /* what the CSE names is another's: that one stays */
    const char *why = taken                    ? "ae_id_taken"
                      : e == GBA_E_UNKNOWN     ? "no_ae_id"
                      : e == GBA_E_SYNTAX      ? "ae_id_unusable"
                      : e == GBA_E_FORBIDDEN   ? "bound_already"
                                               : "store_failed";

    log_event(LOG_LEVEL_AUDIT, "gate.learning_failed", "credential", c->who->credential, "ae", ae, "why", why, "hint",
              taken ? "the CSE answered with the AE-ID of another: m2m-gatectl credential add --ae-id binds by hand"
                    : NULL,
              NULL);
    if (!taken)
        undo(c, made, location);
    c->v.why = why;
    return e == GBA_E_FORBIDDEN                                        ? GBA_M2M_NOT_AUTHENTICATED
           : taken || e == GBA_E_UNKNOWN || e == GBA_E_SYNTAX          ? GBA_M2M_NOT_ACCEPTABLE
                                                                       : GBA_M2M_INTERNAL_ERROR;
}

/* The AE-ID that the CSE has assigned to a credential without one, and which is bound to it from now on. */
static unsigned learn_new(call *c, const gate_made *made, const char *location, gba_m2m_id *id)
{
    char text[GBA_M2M_ID_MAX + 1];

    if (!made->id[0])
        return not_learned(c, made, location, NULL, made->unreadable ? GBA_E_SYNTAX : GBA_E_UNKNOWN);
    /* as it is, also against TS-0001 7.2, where it can be a From */
    if (gba_m2m_id_parse_assigned(gba_str(made->id), &c->g->cse, id) != GBA_OK || !gba_m2m_id_is_ae(id) ||
        gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, text) != GBA_OK)
        return not_learned(c, made, location, made->id, GBA_E_SYNTAX);
    /* a B-TID ends with its key, and the next bootstrap has another */
    gba_err e = gate_book_learn(c->g->book, c->who->credential, id,
                                c->who->form == GBA_M2M_PSK_BTID ? c->who->expires : 0);
    if (e != GBA_OK)
        return not_learned(c, made, location, text, e);
    log_event(LOG_LEVEL_AUDIT, "gate.learned", "credential", c->who->credential, "ae", text, NULL);
    metric_add(c->g->learned, 1);
    return 0;
}

/* Its registration names what it gave just now. */
static void registered(call *c, const gba_m2m_id *id, bool create, int64_t expires)
{
    static gate_address none;
    gate_poas *p = c->g->poas;
    const gate_given *given = c->given;
    bool names = create || (given && given->registers);
    gba_err e = GBA_OK;

    if (!p)
        return;
    if (given && given->n && c->assoc.bound == GBA_M2M_BOUND_NEW) /* whose they are, the answer says */
        e = gate_poas_give(p, c->g->book, id, c->who->credential, c->given->a, given->n);
    if (e == GBA_OK)
        e = gate_poas_registered(p, id, !names ? NULL : given ? given->a : &none, given ? given->n : 0,
                                 expires > service_now() ? expires : 0);
    if (e != GBA_OK)
        log_event(LOG_LEVEL_ERROR, "gate.store_failed", "what", "points of access", NULL);
}

/* 0, or the RSC with which it is refused after all. */
static unsigned learn(call *c, const m2m_answer *a, unsigned rsc, gba_span body)
{
    gate_made made, asked;
    gba_m2m_id id;
    bool create = c->v.registration && rsc == GBA_M2M_CREATED, fresh = create && c->assoc.bound == GBA_M2M_BOUND_NEW;
    const char *location = m2m_answer_field(a, M2M_H_LOCATION);

    if (c->v.local && c->m.op == GBA_M2M_DELETE && rsc == GBA_M2M_DELETED)
        forget(c);
    if (!c->v.local || (!create && !(c->m.op == GBA_M2M_UPDATE && rsc == GBA_M2M_UPDATED)))
        return 0;
    (void)!gate_made_parse(a->body, &made);
    (void)!gate_made_parse(body, &asked);
    if (!made.id[0] && !made.unreadable && create && c->m.ty == GBA_M2M_TY_AE && asked.unnamed && !c->named)
        id_by_location(a, &made);
    if (fresh) {
        unsigned refused = learn_new(c, &made, location, &id);
        if (refused)
            return refused;
    } else if (!made.id[0]) { /* an update tells what changed; of whom, From does */
        if (!create && !at_own(c)) /* another's, which it may change */
            return 0;
        id = c->v.from;
    } else if (gba_m2m_id_parse_assigned(gba_str(made.id), &c->g->cse, &id) != GBA_OK) {
        log_event(LOG_LEVEL_WARN, "gate.answer_strange", "id", made.id, NULL);
        return 0;
    }
    if (!fresh && !own_id(c, &id))
        return 0;
    remember(c, &id, &made, &asked, !create ? NULL : location ? location : "");
    gate_routes_note(c->g, &id, c->who);
    registered(c, &id, create, made.expires ? made.expires : asked.expires);
    return 0;
}

/* ---- to the CSE and back ---- */
/* A digest of octets that are others now is none. */
static bool is_digest(const char *name)
{
    return http_named(name, "Content-MD5") || http_named(name, "Digest") || http_named(name, "Content-Digest") ||
           http_named(name, "Repr-Digest");
}

static void pass_back(call *c, const m2m_answer *a, bool changed)
{
    http_field f[M2M_ANSWER_FIELDS];
    size_t n = gate_answer_fields(a, f);
    for (size_t i = 0; changed && i < n;)
        if (is_digest(f[i].name))
            f[i] = f[--n];
        else
            i++;
    http_reply(c->r, a->status, f, n, a->body);
}

/* What it registers becomes ours; false: refused. */
static bool give(call *c, gba_span *body)
{
    const gba_m2m_id *id = c->assoc.bound == GBA_M2M_BOUND_NEW ? NULL
                           : own_id(c, &c->v.from)             ? &c->v.from
                                                               : &c->assoc.ids[0];

    if (!c->g->egress_url[0] || c->g->s->poa != GATE_POA_REWRITE || !c->v.local ||
        (c->m.op != GBA_M2M_CREATE && c->m.op != GBA_M2M_UPDATE) ||
        !gate_is_json((const char *)c->http.content_type.p, c->encoding, *body))
        return true;
    c->given = calloc(1, sizeof *c->given);
    const char *why = c->given ? gate_give(c->g, id, c->who->credential, *body, c->given) : "store";
    if (why)
        refuse(c, strcmp(why, "store") ? GBA_M2M_BAD_REQUEST : GBA_M2M_INTERNAL_ERROR, why);
    else if (c->given->body)
        *body = gba_mem(c->given->body, c->given->n_body);
    return !why;
}

static void forward(call *c)
{
    char target[2 * GBA_M2M_TO_MAX + 8192];
    size_t room = GBA_M2M_TO_MAX + 8, n;
    int64_t ms = gate_lives(c->g->s, c->ret, c->rqet, service_now_ms());
    m2m_answer a;
    gba_span asked = http_body(c->r), body = asked;
    char *theirs = NULL;

    if (gba_m2m_http_target(gba_str(c->m.to), target, &room) != GBA_OK ||
        (size_t)snprintf(target + room, sizeof target - room, "%s%.*s", c->m.query.n ? "?" : "", (int)c->m.query.n,
                         (const char *)c->m.query.p) >= sizeof target - room) {
        refuse(c, GBA_M2M_BAD_REQUEST, "target");
        return;
    }
    if (!ms) {
        refuse(c, GBA_M2M_REQUEST_TIMEOUT, "expired");
        return;
    }
    if (!give(c, &body))
        return;
    if (c->v.as[0])
        c->field[c->n++] = (m2m_field){M2M_H_ORIGIN, c->v.as};
    c->field[c->n++] = (m2m_field){"X-Forwarded-For", c->from};
    c->field[c->n++] = (m2m_field){"X-Forwarded-Proto", "https"};
    c->field[c->n++] = (m2m_field){"X-M2M-Gate-Credential", c->who->credential};
    gba_err e = gate_upstream_ask(c->g->upstream, http_method(c->r), target, c->field, c->n, body,
                                  ms + (c->ret || c->rqet ? GATE_GRACE_MS : 0), &a);
    if (e != GBA_OK) {
        log_event(LOG_LEVEL_ERROR, "gate.upstream_failed", "reason", gba_err_name(e), NULL);
        refuse(c, e == GBA_E_BUSY ? GBA_M2M_REQUEST_TIMEOUT : GBA_M2M_NOT_REACHABLE, "upstream");
        return;
    }
    const char *text = m2m_answer_field(&a, M2M_H_RSC);
    unsigned rsc = text ? (unsigned)strtoul(text, NULL, 10) : 0;
    if (gate_is_json(m2m_answer_field(&a, "Content-Type"), m2m_answer_field(&a, "Content-Encoding"), a.body) &&
        gate_give_back(c->g, c->given, a.body, &theirs, &n))
        a.body = gba_mem(theirs, n);
    bool page = c->g->s->onem2m_only && !text && a.status < 400; /* of the CSE's HTTP server, not of the CSE */
    unsigned refused = page ? GBA_M2M_NOT_FOUND : learn(c, &a, rsc, asked);
    if (page)
        c->v.why = "not_onem2m";
    if (refused) {
        refuse(c, refused, c->v.why);
    } else {
        c->why = c->v.why;
        audit(c, rsc, true);
        pass_back(c, &a, theirs != NULL);
    }
    m2m_answer_free(&a);
    free(theirs);
}

/* Speaks for whoever is inside the primitive, which the guard does not see. */
static bool is_wrapped(gba_span type)
{
    for (size_t i = 0; i + 6 <= type.n; i++)
        if (gba_span_ieq(gba_mem(type.p + i, 6), gba_str("-preq+")))
            return true;
    return false;
}

/* The guard's word, then to the CSE; *again: as soon as another registration of this credential is through. */
static void judge(call *c, bool my_turn, bool *again)
{
    gate_book_guard(c->g->book, &c->g->cse, &c->assoc, &c->m, &c->v);
    *again = !c->v.rsc && !my_turn && c->v.registration && c->assoc.bound == GBA_M2M_BOUND_NEW;
    if (*again)
        return;
    if (c->v.rsc) {
        refuse(c, c->v.rsc, c->v.why);
        return;
    }
    for (size_t i = 0; c->assoc.bound != GBA_M2M_BOUND_NEW && i < c->assoc.n; i++)
        gate_routes_note(c->g, &c->assoc.ids[i], c->who);
    forward(c);
}

static void judge_in_turn(call *c)
{
    gate_turn turn;
    bool again;

    judge(c, false, &again);
    if (!again)
        return;
    if (!gate_book_turn(c->g->book, &turn, c->who->credential, c->g->s->upstream_ms)) {
        refuse(c, GBA_M2M_REQUEST_TIMEOUT, "registers_already");
        return;
    }
    if (bind_who(c))
        judge(c, true, &again);
    else
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, c->why);
    gate_book_turn_over(c->g->book, &turn);
}

static void decide(call *c)
{
    unsigned rsc = gba_m2m_http_parse(&c->http, &c->m);

    c->rvi = c->m.release;
    c->who = http_tls_who(c->r);
    if (!c->who && !by_certificate(c)) {
        refuse(c, c->who ? GBA_M2M_NOT_AUTHENTICATED : GBA_M2M_SA_REQUIRED, c->why);
    } else if (!bind_who(c)) {
        refuse(c, GBA_M2M_NOT_AUTHENTICATED, c->why);
    } else if (c->duplicate || c->full) {
        refuse(c, GBA_M2M_BAD_REQUEST, c->full ? "too_many_fields" : "repeated_field");
    } else if (c->g->s->onem2m_only && (!c->ri || !*c->ri)) { /* TS-0009 6.4.3: mandatory */
        refuse(c, GBA_M2M_BAD_REQUEST, "not_onem2m");
    } else if (is_wrapped(c->http.content_type)) {
        refuse(c, GBA_M2M_UNSUPPORTED_MEDIA_TYPE, "wrapped_primitive");
    } else if (rsc) {
        refuse(c, rsc, "malformed");
    } else {
        judge_in_turn(c);
    }
}

void gate_handle(http_req *r, void *ctx)
{
    call *c = malloc(sizeof *c);

    if (!c) {
        http_reply(r, 503, NULL, 0, (gba_span){0});
        return;
    }
    memset(c, 0, offsetof(call, field));
    memset(c->from, 0, sizeof c->from);
    c->g = ctx;
    c->r = r;
    c->full = !http_connection(r, c->connection, sizeof c->connection);
    c->http.method = gba_str(http_method(r));
    c->http.target = gba_str(http_target(r));
    http_headers_each(r, on_field, c);
    if (http_peer(r))
        http_source_text(http_peer(r), c->from);
    decide(c);
    free(c->cert.ids);
    gate_given_free(c->given);
    free(c);
}
