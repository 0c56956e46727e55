/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_egress.c - the CSE's own requests and notifications, from plain HTTP on loopback out over TLS. The
 * target is whoever gave the address that stands behind /_p/ (gate_poa.c), the entity in the path (/_/sp/cse/Cxyz,
 * /~/cse/Cxyz, /Cxyz), or whose pointOfAccess the absolute URL begins with when the CSE uses us as its HTTP proxy;
 * of what is left, the registrar. The peer is the TLS server: SA2, with the key that
 * it has with us in SA1 (TS-0003 8.2.1), else certificates.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "onem2m-binding/gate_poa.h"
#include "onem2m-binding/names.h"
#include "service/grow.h"

#define BUCKETS 4096
#define FIELDS 64
#define ARENA 20480
#define WRITES 60 /* of one entity's last association, in a minute */
#define GONE_S 60 /* a key that whoever told it does not know any more is not asked for again */

typedef struct route {
    struct route *next;
    gba_m2m_id id;
    gba_m2m_psk form;             /* NONE: by certificate or raw public key */
    char identity[2 * GBA_ID_MAX]; /* or the Credential-ID of that */
    gba_secret key;
    uint16_t suite; /* of SA1: it is in a NAF key's NAF_Id */
    int64_t expires, gone; /* gone: until then nobody is asked for its key */
    int64_t minute;
    unsigned writes; /* in that minute */
    bool unwritten;  /* the store has another as its last association */
} route;
struct gate_routes {
    pthread_mutex_t lock;
    route *bucket[BUCKETS];
};

static size_t bucket_of(const gba_m2m_id *id)
{
    uint32_t h = 2166136261u;
    for (const char *p = id->stem; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    for (const char *p = id->cse; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    return h % BUCKETS;
}

gba_err gate_routes_open(gate *g)
{
    g->routes = calloc(1, sizeof *g->routes);
    if (!g->routes)
        return GBA_E_NOMEM;
    pthread_mutex_init(&g->routes->lock, NULL);
    return GBA_OK;
}

void gate_routes_close(gate *g)
{
    gate_routes *t = g->routes;
    g->routes = NULL;
    if (!t)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (route *r = t->bucket[i], *next; r; r = next) {
            next = r->next;
            gba_secret_wipe(&r->key);
            free(r);
        }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static route *route_of(gate_routes *t, const gba_m2m_id *id)
{
    route *r = t->bucket[bucket_of(id)];
    while (r && !gba_m2m_id_eq(&r->id, id))
        r = r->next;
    return r;
}

/* With the lock. May this association be written into the store now, as the last of its entity? */
static bool may_write(route *r, int64_t now)
{
    if (!r->unwritten)
        return false;
    if (r->minute != now / 60) {
        r->minute = now / 60;
        r->writes = 0;
    }
    r->unwritten = r->writes >= WRITES;
    r->writes += !r->unwritten;
    return !r->unwritten;
}

/* With the lock. */
static void take_over(route *r, const gate_who *w)
{
    char identity[sizeof r->identity];

    snprintf(identity, sizeof identity, "%s", w->form == GBA_M2M_PSK_NONE ? w->credential : w->identity);
    r->unwritten = r->unwritten || r->form != w->form || strcmp(r->identity, identity) != 0 || r->suite != w->suite;
    r->form = w->form;
    memcpy(r->identity, identity, sizeof r->identity);
    gba_secret_wipe(&r->key);
    if (w->form != GBA_M2M_PSK_KPSA) /* which the store has */
        r->key = w->key;
    r->suite = w->suite;
    r->expires = w->expires;
    r->gone = 0;
}

static route *route_made(gate_routes *t, const gba_m2m_id *id)
{
    route *r = route_of(t, id);

    if (!r && (r = calloc(1, sizeof *r))) {
        size_t b = bucket_of(id);
        r->id = *id;
        r->unwritten = true; /* not known yet what the store has */
        r->next = t->bucket[b];
        t->bucket[b] = r;
    }
    return r;
}

void gate_routes_note(gate *g, const gba_m2m_id *id, const gate_who *w)
{
    gate_routes *t = g->routes;
    bool write = false;

    pthread_mutex_lock(&t->lock);
    route *r = route_made(t, id);
    if (r) {
        take_over(r, w);
        write = may_write(r, service_now());
    }
    pthread_mutex_unlock(&t->lock);
    gba_err e = write ? gate_book_came(g->book, id, w) : GBA_OK;
    if (e != GBA_OK && e != GBA_E_UNKNOWN)
        log_event(LOG_LEVEL_ERROR, "gate.store_failed", "what", "last association", NULL);
}

void gate_routes_sweep(gate *g, int64_t now)
{
    gate_routes *t = g->routes;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (route *r = t->bucket[i]; r; r = r->next)
            if (r->key.n && r->expires && r->expires <= now)
                gba_secret_wipe(&r->key);
    pthread_mutex_unlock(&t->lock);
}

/* ---- one request going out ---- */
typedef struct out {
    gate *g;
    http_req *r;
    gba_m2m_id to, claims[GATE_CLAIMS]; /* the others that it may be, in order */
    size_t n_claims;
    bool configured; /* where it is, the operator says */
    int64_t ms;      /* that it lives */
    char host[GATE_HOST_MAX], target[4096];
    uint16_t port;
    const char *psk_id;         /* of the configuration */
    char identity[2 * GBA_ID_MAX];
    gba_secret key;
    uint16_t suite;             /* nonzero: the key is for this one alone */
    uint8_t raw[32];            /* with is_raw: the peer's raw public key (RFC 7250) in place of a certificate */
    bool is_raw;
    uint8_t *body;
    size_t n_body, body_room, n, n_arena;
    m2m_field field[FIELDS];
    const char *method, *asked, *ri, *origin, *type, *ret, *rqet, *why;
    char connection[GATE_CONNECTION_MAX];
    bool full;
    char to_text[GBA_M2M_ID_MAX + 1];
    char arena[ARENA]; /* the header, which is the server's only until the body is read */
} out;

static const gate_peer *peer_of(const gate *g, const gba_m2m_id *id)
{
    const gate_peer *p = g->s->peers.v;
    gba_m2m_id other;
    for (size_t i = 0; i < g->s->peers.n; i++)
        if (gba_m2m_id_parse(gba_str(p[i].id), NULL, &other) == GBA_OK && gba_m2m_id_eq(&other, id))
            return &p[i];
    return NULL;
}

static void is_peer(out *o, const gate_peer *p)
{
    o->psk_id = p->psk_id;
    o->configured = true;
}

/* The whole URL: http(s)://authority/path, as a proxy is asked. */
static bool by_url(out *o, const char *url)
{
    const gate_peer *p = o->g->s->peers.v;
    const char *path = "";
    bool tls;

    if (gate_url(url, &tls, o->host, &o->port, &path) != GBA_OK || !tls ||
        (size_t)snprintf(o->target, sizeof o->target, "%s", *path ? path : "/") >= sizeof o->target)
        return false;
    for (size_t i = 0; i < o->g->s->peers.n; i++)
        if (gate_url_under(url, p[i].url) && gba_m2m_id_parse(gba_str(p[i].id), NULL, &o->to) == GBA_OK) {
            is_peer(o, &p[i]);
            return true;
        }
    o->n_claims = gate_book_at(o->g->book, url, o->claims);
    if (o->n_claims)
        o->to = o->claims[0];
    return o->n_claims > 0;
}

/* An address that we gave: what stands for it, and what the CSE put behind ours. false: none of ours. */
static bool by_token(out *o, const char *below)
{
    char token[GATE_TOKEN + 1], url[GATE_URL_MAX + 1];
    const char *rest = gate_poa_token(below, token), *path;
    bool tls;

    if (!rest || gate_poas_find(o->g->poas, token, true, &o->to, url) != GBA_OK ||
        gate_url(url, &tls, o->host, &o->port, &path) != GBA_OK)
        return false;
    if (!tls)
        o->why = "plain_http"; /* nobody proves there who it is */
    (void)!gba_m2m_id_print(&o->to, GBA_M2M_ABSOLUTE, o->to_text);
    size_t base = strcspn(path, "?"), more = strcspn(rest, "?");
    const char *query = path + base, *asked = rest + more;
    while (more && base && path[base - 1] == '/')
        base--;
    return (size_t)snprintf(o->target, sizeof o->target, "%.*s%.*s%s%s%s%s", (int)base, path, (int)more, rest,
                            base + more ? "" : "/", query, *query && *asked ? "&" : "",
                            *query && *asked ? asked + 1 : asked) < sizeof o->target;
}

/* An entity's resource at its point of access. An AE takes it there itself; a CSE reads the address. */
static bool reach(out *o, const char *url, const gba_m2m_request *m, const char *rest)
{
    char room[GBA_M2M_TO_MAX + 8];
    size_t n = sizeof room;
    const char *path;
    bool tls;

    if (gate_url(url, &tls, o->host, &o->port, &path) != GBA_OK)
        return false;
    size_t base = strlen(path);
    while (base && path[base - 1] == '/')
        base--;
    if (gba_m2m_id_is_ae(&o->to))
        snprintf(room, sizeof room, "%s", *rest ? rest : base ? "" : "/");
    else if (gba_m2m_http_target(gba_str(m->to), room, &n) != GBA_OK)
        return false;
    return (size_t)snprintf(o->target, sizeof o->target, "%.*s%s%s%.*s", (int)base, path, room, m->query.n ? "?" : "",
                            (int)m->query.n, m->query.n ? (const char *)m->query.p : "") < sizeof o->target;
}

/* The entity that the path names, and where it is. */
static bool by_path(out *o, const gba_m2m_request *m)
{
    char id[GBA_M2M_TO_MAX + 1];
    gate_entity en;
    const char *url = NULL;
    const gate_peer *p;

    for (snprintf(id, sizeof id, "%s", m->to); id[0]; *strrchr(id, '/') = 0) { /* the longest that is known */
        if (gba_m2m_id_parse_assigned(gba_str(id), &o->g->cse, &o->to) == GBA_OK && !gba_m2m_id_eq(&o->to, &o->g->cse)) {
            if ((p = peer_of(o->g, &o->to)) != NULL) {
                url = p->url;
                is_peer(o, p);
                break;
            }
            for (size_t i = 0; gate_book_entity(o->g->book, &o->to, &en) == GBA_OK && i < en.n && !url; i++)
                if (!strncasecmp(en.poa[i], "https://", 8))
                    url = en.poa[i];
            if (url)
                break;
        }
        if (!strrchr(id, '/'))
            break;
    }
    return url && reach(o, url, m, m->to + strlen(id));
}

/* Who knows what nobody here does; not what our own CSE should have known. */
static bool by_registrar(out *o, const gba_m2m_request *m)
{
    const gate_peer *p = gate_registrar(o->g->s);
    const size_t slashes = strspn(m->to, "/"); /* "/cse", "//sp/cse" */
    size_t n = slashes;
    gba_m2m_id whose;

    if (!p || gba_m2m_id_parse(gba_str(p->id), NULL, &o->to) != GBA_OK)
        return false;
    for (size_t i = 0; i < slashes; i++) {
        n += i && m->to[n] ? 1 : 0;
        n += strcspn(m->to + n, "/");
    }
    if (slashes && gba_m2m_id_parse(gba_mem(m->to, n), &o->g->cse, &whose) == GBA_OK &&
        gba_m2m_id_eq(&whose, &o->g->cse))
        return false;
    is_peer(o, p);
    return reach(o, p->url, m, "");
}

/* ---- with which credential ---- */
static bool key_of_store(out *o, const char *credential)
{
    store_record rec = {0};
    gate_credential c;
    gba_err e = store_get(o->g->store, (store_kind)GATE_CREDENTIAL, gba_str(credential), service_now(), &rec);

    if (e == GBA_OK)
        e = gate_credential_parse(gba_mem(rec.value, rec.n), &c);
    store_record_free(&rec);
    if (e != GBA_OK)
        return false;
    o->key = c.key;
    gba_secret_wipe(&c.key);
    snprintf(o->identity, sizeof o->identity, "%s", strchr(credential, '-') + 1);
    return o->key.n > 0;
}

/* Of a peer that showed a raw public key in SA1: that one is expected, and it must still be known here. */
static void choose_raw(out *o, const char *credential)
{
    const char *hex = credential + strlen("30-sha-256_");
    size_t n = sizeof o->raw;

    if (gate_is_certificate(credential) && gate_has_ended(o->g->store, credential))
        o->why = "revoked";
    if (strncmp(credential, "30-sha-256_", strlen("30-sha-256_")) != 0)
        return;
    o->is_raw = gba_hex_decode(gba_str(hex), o->raw, &n) == GBA_OK && n == sizeof o->raw;
    if (!o->is_raw || !gate_raw_key(o->g, o->raw))
        o->why = "revoked";
}

/* Is the key, as it is told now, that of this peer? */
static bool is_of(out *o, const gate_who *w)
{
    gate_binding *b = malloc(sizeof *b);
    const gba_m2m_id *ids = w->ids;
    size_t n = w->n;
    bool found = false;

    if (!n && b) { /* told without a name: the book says whose it is */
        gate_book_find(o->g->book, w->credential, b);
        ids = b->ids;
        n = b->n;
    }
    for (size_t i = 0; i < n && !found; i++)
        found = gba_m2m_id_eq(&ids[i], &o->to);
    free(b);
    return found;
}

static bool is_gone(out *o, const char *identity, int64_t until)
{
    gate_routes *t = o->g->routes;
    int64_t now = service_now();

    pthread_mutex_lock(&t->lock);
    route *r = until ? route_made(t, &o->to) : route_of(t, &o->to);
    if (r && until && !r->identity[0]) { /* new: told, and without a key */
        r->form = GBA_M2M_PSK_KC;
        snprintf(r->identity, sizeof r->identity, "%s", identity);
    }
    if (r && until && !strcmp(r->identity, identity))
        r->gone = until;
    bool gone = r && r->gone > now && !strcmp(r->identity, identity);
    pthread_mutex_unlock(&t->lock);
    return gone;
}

/* After our restart MAF, MEF or BSF tell the key of SA1 once more. */
static void ask_again(out *o, const gate_entity *en)
{
    gate_who *w = NULL;
    const char *why = NULL;

    if (is_gone(o, en->identity, 0)) {
        o->why = "key_gone";
        return;
    }
    gba_err e = gate_psk_again(o->g, en->identity, en->suite, &w, &why);
    if (e == GBA_OK && !is_of(o, w)) {
        why = "other_identity";
        e = GBA_E_FORBIDDEN;
    }
    if (e == GBA_OK) {
        memcpy(o->identity, w->identity, sizeof o->identity);
        o->key = w->key;
        o->suite = w->form == GBA_M2M_PSK_BTID ? w->suite : 0;
        gate_routes_note(o->g, &o->to, w);
    } else {
        if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED || e == GBA_E_FORBIDDEN)
            (void)is_gone(o, en->identity, service_now() + GONE_S);
        o->why = why ? why : gba_err_name(e);
    }
    gate_who_free(w);
}

/* The key of SA1, when it still lives; after our restart a provisioned one, or what is told once more. */
static void choose_key(out *o)
{
    gate_routes *t = o->g->routes;
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    gate_entity en;

    if (o->psk_id) {
        if (gba_m2m_credential_id(12, gba_str(o->psk_id), credential) != GBA_OK || !key_of_store(o, credential))
            o->why = "no_key";
        return;
    }
    pthread_mutex_lock(&t->lock);
    const route *r = route_of(t, &o->to);
    bool ours = r && r->form == GBA_M2M_PSK_KPSA; /* the store has it, or no longer */
    bool certificate = r && r->form == GBA_M2M_PSK_NONE;
    if (certificate)
        snprintf(credential, sizeof credential, "%.*s", GBA_M2M_CREDENTIAL_ID_MAX, r->identity);
    /* ours: the store's expiry counts, which may have moved since SA1; another's key lives as long as SA1 was told */
    else if (r && (ours || !r->expires || r->expires > service_now())) {
        memcpy(o->identity, r->identity, sizeof o->identity);
        if (!ours)
            o->key = r->key;
        o->suite = r->form == GBA_M2M_PSK_BTID ? r->suite : 0;
    }
    pthread_mutex_unlock(&t->lock);
    if (certificate) { /* as it came last, whatever it registered with */
        choose_raw(o, credential);
        return;
    }
    if (ours) {
        if (gba_m2m_credential_id(12, gba_str(o->identity), credential) != GBA_OK || !key_of_store(o, credential))
            o->why = "revoked";
        return;
    }
    if (o->key.n || gate_book_entity(o->g->book, &o->to, &en) != GBA_OK)
        return;
    if (en.identity[0])
        ask_again(o, &en);
    else if (!strncmp(en.credential, "12-", 3))
        (void)key_of_store(o, en.credential);
    else
        choose_raw(o, en.credential);
}

static gba_err give_key(void *ctx, uint16_t suite, const char *hint, char *identity, size_t room, gba_secret *key)
{
    out *o = ctx;
    (void)hint;
    if (o->suite && suite != o->suite) /* another suite is another NAF_Id, whose key we do not hold */
        return GBA_E_UNSUPPORTED;
    if ((size_t)snprintf(identity, room, "%s", o->identity) >= room)
        return GBA_E_SPACE;
    *key = o->key;
    return GBA_OK;
}

static bool may_reach(void *ctx, const struct sockaddr *address)
{
    const out *o = ctx;
    return gate_may_reach(o->g->s, o->configured, address);
}

static gba_err go(out *o, m2m_answer *a, char *why, size_t why_n)
{
    const gate_settings *s = o->g->s;
    gba_fqdn name;
    m2m_peer *p = NULL;
    unsigned third = (unsigned)(o->ms < s->upstream_ms ? o->ms : s->upstream_ms) / 3;
    int64_t deadline = service_mono_ms() + o->ms;
    m2m_peer_config c = {.host = o->host, .port = o->port, .connect_ms = third + 1, .total_ms = third + 1,
                         .answer_max = (size_t)s->body_max, .may = may_reach, .may_ctx = o};

    if (gba_m2m_id_fqdn(&o->to, &name) != GBA_OK && gba_fqdn_parse(gba_str(o->host), &name) != GBA_OK)
        return GBA_E_ARG;
    c.sni = name.s;
    if (o->key.n) {
        c.psk_fn = give_key;
        c.psk_ctx = o;
    } else {
        c.ca_file = s->ca;
        c.crl_file = s->crl;
        c.cert_file = s->cert;
        c.key_file = s->key;
        if (o->is_raw)
            c.expect_key = o->raw;
        else if (gba_m2m_id_is_ae(&o->to))
            c.expect_uri = o->to_text;
        if (!s->ca && !o->is_raw) {
            snprintf(why, why_n, "neither a key nor ca");
            return GBA_E_AUTH;
        }
    }
    gba_err e = m2m_peer_open(&c, &p, why, why_n);
    int64_t left = deadline - service_mono_ms();
    if (e == GBA_OK)
        m2m_peer_within(p, left > 0 ? (unsigned)left : 1);
    if (e == GBA_OK)
        e = m2m_peer_request(p, o->method, o->target, o->field, o->n, gba_mem(o->body, o->n_body), a);
    m2m_peer_close(&p);
    return e;
}

static const char *keep(out *o, const char *text)
{
    size_t n = strlen(text) + 1;
    if (sizeof o->arena - o->n_arena < n) {
        o->full = true;
        return "";
    }
    memcpy(o->arena + o->n_arena, text, n);
    o->n_arena += n;
    return o->arena + o->n_arena - n;
}

static void on_field(void *ctx, const char *name, const char *value)
{
    out *o = ctx;
    if (gate_field_drop(name, o->connection) || !value)
        return;
    if (o->n >= FIELDS) {
        o->full = true;
        return;
    }
    const char *kept = keep(o, value);
    o->field[o->n++] = (m2m_field){keep(o, name), kept};
    if (!strcasecmp(name, M2M_H_RI))
        o->ri = kept;
    else if (!strcasecmp(name, M2M_H_ORIGIN))
        o->origin = kept;
    else if (!strcasecmp(name, "Content-Type"))
        o->type = kept;
    else if (http_named(name, M2M_H_RET))
        o->ret = kept;
    else if (http_named(name, M2M_H_RQET))
        o->rqet = kept;
}

static void note(const out *o, bool ok, unsigned rsc, const char *reason)
{
    metric_add(o->g->sent[ok ? GATE_ALLOWED : GATE_REFUSED], 1);
    log_event(LOG_LEVEL_AUDIT, ok ? "gate.sent" : "gate.not_sent", "peer",
              o->to_text[0] ? o->to_text : "none", "host", o->host[0] ? o->host : NULL, "with",
              o->key.n ? o->identity : o->to_text[0] ? "certificate" : NULL, "origin", o->origin, "target",
              o->target[0] ? o->target : o->asked, "rsc", log_num(rsc), "why", o->why, "reason", reason && *reason ? reason : NULL, NULL);
}

static void fail(out *o, unsigned rsc, const char *why, const char *reason)
{
    char num[16];
    http_field f[2] = {{M2M_H_RSC, num}};
    size_t n = 1;

    o->why = why;
    snprintf(num, sizeof num, "%u", rsc);
    note(o, false, rsc, reason);
    if (o->ri)
        f[n++] = (http_field){M2M_H_RI, o->ri};
    http_reply(o->r, gba_m2m_rsc_http(rsc), f, n, (gba_span){0});
}

/* To one of those who may be there; false: it is not, or we have no key of it. */
static bool try_one(out *o, m2m_answer *a, gba_err *e, char *why, size_t why_n)
{
    gba_secret_wipe(&o->key);
    o->identity[0] = why[0] = 0;
    o->suite = 0;
    o->is_raw = false;
    o->why = gba_m2m_id_print(&o->to, GBA_M2M_ABSOLUTE, o->to_text) == GBA_OK ? NULL : "no_point_of_access";
    if (!o->why)
        choose_key(o);
    *e = o->why ? GBA_E_UNKNOWN : go(o, a, why, why_n);
    if (*e == GBA_OK || o->why)
        return *e == GBA_OK;
    o->why = *e == GBA_E_AUTH        ? "peer_not_trusted"
             : *e == GBA_E_BUSY      ? "peer_timeout"
             : *e == GBA_E_FORBIDDEN ? "address_not_allowed"
                                     : "peer_unreachable";
    return *e != GBA_E_AUTH;
}

static void send_out(out *o)
{
    http_field f[M2M_ANSWER_FIELDS];
    char why[256] = "";
    m2m_answer a = {0};
    gba_err e;

    for (size_t i = 1; !try_one(o, &a, &e, why, sizeof why) && i < o->n_claims; i++) {
        log_event(LOG_LEVEL_WARN, "gate.claim_unproved", "peer", o->to_text, "host", o->host, "why", o->why, NULL);
        o->to = o->claims[i];
    }
    if (e != GBA_OK) {
        fail(o, e == GBA_E_BUSY ? GBA_M2M_REQUEST_TIMEOUT : GBA_M2M_NOT_REACHABLE, o->why, why);
        return;
    }
    const char *rsc = m2m_answer_field(&a, M2M_H_RSC);
    size_t n = gate_answer_fields(&a, f);
    note(o, true, rsc ? (unsigned)strtoul(rsc, NULL, 10) : 0, NULL);
    http_reply(o->r, a.status, f, n, a.body);
    m2m_answer_free(&a);
}

/* What the oneM2M address names. */
static void by_address(out *o, bool elsewhere)
{
    gba_m2m_http h = {.method = gba_str(o->method), .target = gba_str(o->asked)};
    gba_m2m_request m;

    if (o->type)
        h.content_type = gba_str(o->type);
    unsigned rsc = gba_m2m_http_parse(&h, &m);
    if (rsc && !elsewhere)
        fail(o, rsc, "malformed", NULL);
    else if (rsc || (!by_path(o, &m) && (elsewhere || !by_registrar(o, &m))))
        fail(o, GBA_M2M_NOT_REACHABLE, "no_point_of_access", NULL);
    else
        send_out(o);
}

static void route_request(out *o)
{
    const char *at = o->asked;
    size_t ours = strlen(o->g->egress_url);
    bool absolute = !strncasecmp(at, "http://", 7) || !strncasecmp(at, "https://", 8);

    if (ours && !strncasecmp(at, o->g->egress_url, ours) && (at[ours] == '/' || !at[ours]))
        at += ours; /* we are its proxy, too */
    o->ms = gate_lives(o->g->s, o->ret, o->rqet, service_now_ms());
    if (!o->ms)
        fail(o, GBA_M2M_REQUEST_TIMEOUT, "expired", NULL);
    else if (!strncmp(at, "/_p/", 4) && !by_token(o, at))
        fail(o, GBA_M2M_NOT_FOUND, "no_such_address", NULL);
    else if (o->why)
        fail(o, GBA_M2M_NOT_REACHABLE, o->why, NULL);
    else if (!strncmp(at, "/_p/", 4) || (absolute && by_url(o, o->asked)))
        send_out(o);
    else
        by_address(o, absolute && at == o->asked);
}

/* With the body collected; false: too long, or the CSE went away. */
static bool collect(out *o, size_t max)
{
    for (;;) {
        if (!service_grow(&o->body, o->n_body, &o->body_room, 1024))
            return false;
        ssize_t n = http_body_read(o->r, o->body + o->n_body, o->body_room - o->n_body);
        if (n <= 0)
            return n == 0;
        o->n_body += (size_t)n;
        if (o->n_body > max)
            return false;
    }
}

/* What it tells of addresses that we gave: theirs. */
static void tell_theirs(out *o)
{
    char *body;
    size_t n;

    if (!gate_is_json(o->type, NULL, gba_mem(o->body, o->n_body)) ||
        !gate_give_back(o->g, NULL, gba_mem(o->body, o->n_body), &body, &n))
        return;
    gba_wipe(o->body, o->n_body);
    free(o->body);
    o->body = (uint8_t *)body;
    o->n_body = o->body_room = n;
}

void gate_egress_handle(http_req *r, void *ctx)
{
    out *o = calloc(1, sizeof *o);

    if (!o) {
        http_reply(r, 503, NULL, 0, (gba_span){0});
        return;
    }
    o->g = ctx;
    o->r = r;
    o->full = !http_connection(r, o->connection, sizeof o->connection);
    o->method = keep(o, http_method(r));
    o->asked = keep(o, http_target(r));
    http_headers_each(r, on_field, o);
    if (o->full || !collect(o, (size_t)o->g->s->body_max))
        fail(o, GBA_M2M_BAD_REQUEST, "too_long", NULL);
    else {
        tell_theirs(o);
        route_request(o);
    }
    gba_secret_wipe(&o->key);
    if (o->body)
        gba_wipe(o->body, o->n_body);
    free(o->body);
    free(o);
}
