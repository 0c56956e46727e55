/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nafd_psk.c - TLS with the GBA key as pre-shared key (TS 33.222 5.4, TS 24.109 5.3).
 *
 * The TLS layer asks for a key when it has read the identity; one that is not here yet is fetched like that of a
 * request, while the handshake rests. Who the peer is stays with the session and its tickets; each request asks
 * again whether that key still stands.
 */
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "naf/nafd.h"

#define PREFIX "3GPP-bootstrapping" /* a ';' and the B-TID follow */
#define IDENTITY_MAX 1024
enum { REASON_WRONG_KEY = GBA_NAF_WHYS, REASON_WAITING, REASONS }; /* behind the library's */

struct nafd_who {
    atomic_uint refs;
    nafd *d;
    gba_secret key;
    gba_transport transport;
    uint16_t suite;
    gba_fqdn fqdn; /* of the NAF_Id */
    struct sockaddr_storage peer;
    size_t n;
    char identity[]; /* with a NUL behind it */
};

struct nafd_psk {
    nafd *d;
    atomic_int waiting;
    char *priority;
    metric *results[REASONS];
};

/* ---- who ---- */
nafd_who *nafd_who_ref(nafd_who *w)
{
    if (w)
        atomic_fetch_add(&w->refs, 1);
    return w;
}

void nafd_who_release(nafd_who *w)
{
    if (!w || atomic_fetch_sub(&w->refs, 1) != 1)
        return;
    gba_secret_wipe(&w->key);
    free(w);
}

gba_ua_id nafd_who_ua(const nafd_who *w)
{
    return gba_ua_id_psk(w->transport, w->suite);
}

/* ---- telling the operator ---- */
static const char *const wrong_key_hint =
    "the UE has another key: UE and NAF differ in FQDN or Ua security protocol identifier, or it gave up";

static const char *const waiting_hint =
    "as many handshakes as ua.psk_waiting allows wait for a key: is the BSF slow, or is somebody inventing B-TIDs?";

static const char *reason_name(unsigned result)
{
    return result == REASON_WRONG_KEY ? "wrong_key"
           : result == REASON_WAITING ? "too_many_waiting"
                                      : gba_naf_why_name((gba_naf_why)result);
}

static void note(const nafd_psk *p, unsigned result, const struct sockaddr *peer, gba_span sni, gba_ua_id id,
                 const char *btid)
{
    bool ok = result == GBA_NAF_WHY_OK, wrong = result == REASON_WRONG_KEY, full = result == REASON_WAITING;
    char from[64] = "", host[sizeof(gba_fqdn) + 1], ua[11];
    log_level level = wrong  ? LOG_LEVEL_INFO
                      : full ? LOG_LEVEL_WARN
                             : nafd_level((gba_naf_why)result);
    metric_add(p->results[result], 1);
    if (level == LOG_LEVEL_DEBUG && p->d->s->daemon.log_level != LOG_LEVEL_DEBUG)
        return;
    if (peer)
        http_source_text(peer, from);
    snprintf(host, sizeof host, "%.*s", (int)(sni.n < sizeof host ? sni.n : sizeof host - 1),
             sni.n ? (const char *)sni.p : "");
    gba_hex_encode(id.o, sizeof id.o, ua);
    log_event(level, ok ? "ua.psk_ok" : "ua.psk_refused", "reason",
              ok ? NULL : reason_name(result),
              "from", from, "sni", host[0] ? host : NULL, "ua_id", ua, "btid", btid && *btid ? btid : NULL, "hint",
              wrong  ? wrong_key_hint
              : full ? waiting_hint
                     : nafd_hint((gba_naf_why)result, true), NULL);
}

static const char *btid_of(const nafd_who *w)
{
    return w->identity + sizeof PREFIX; /* the library took it, so there is a ';' */
}

static void on_failed(void *ctx, void *who)
{
    const nafd_who *w = who;
    note(ctx, REASON_WRONG_KEY, (const struct sockaddr *)&w->peer, gba_str(w->fqdn.s), nafd_who_ua(w), btid_of(w));
}

/* ---- one handshake's question ---- */
typedef struct question {
    exchange e; /* the first, see resume */
    nafd_psk *p;
    tls_later *later;
    gba_naf_psk_request r;
    struct sockaddr_storage peer;
    bool turned_away;
    char identity[IDENTITY_MAX], sni[256];
} question;

static question *question_new(nafd_psk *p, const tls_psk_query *q)
{
    nafd *d = p->d;
    question *w = q->identity.n <= sizeof w->identity && q->sni.n <= sizeof w->sni ? malloc(sizeof *w) : NULL;
    if (!w)
        return NULL;
    memset(w, 0, offsetof(question, e.res));
    w->e.d = d;
    w->e.naf = d->naf;
    w->e.begun_ms = service_mono_ms();
    w->e.deadline_ms = w->e.begun_ms + d->s->zn.timeout_ms;
    w->p = p;
    w->later = NULL;
    w->turned_away = false;
    w->peer = (struct sockaddr_storage){0};
    if (q->peer)
        memcpy(&w->peer, q->peer,
               q->peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    if (q->identity.n)
        memcpy(w->identity, q->identity.p, q->identity.n);
    if (q->sni.n)
        memcpy(w->sni, q->sni.p, q->sni.n);
    w->r = (gba_naf_psk_request){.identity = gba_mem(w->identity, q->identity.n), .fqdn = gba_mem(w->sni, q->sni.n),
                                 .transport = q->transport, .suite = q->suite, .now = service_now()};
    const struct sockaddr *peer = (const struct sockaddr *)&w->peer;
    if (q->peer)
        http_source_counted(peer, d->exempt, d->n_exempt, w->r.source);
    return w;
}

static void question_free(question *w)
{
    gba_naf_result_clear(&w->e.res);
    free(w);
}

static nafd_who *who_new(const question *q, const gba_naf_result *res)
{
    nafd_who *w = calloc(1, sizeof *w + q->r.identity.n + 1);
    if (!w)
        return NULL;
    atomic_init(&w->refs, 1);
    w->d = q->e.d;
    w->key = res->psk;
    w->transport = q->r.transport;
    w->suite = q->r.suite;
    w->fqdn = res->query.naf.fqdn;
    w->peer = q->peer;
    w->n = q->r.identity.n;
    memcpy(w->identity, q->identity, w->n);
    return w;
}

static gba_err judge(question *w, gba_secret *key, void **who)
{
    const gba_naf_result *res = &w->e.res;
    bool outage = res->why == GBA_NAF_WHY_UNREACHABLE || res->why == GBA_NAF_WHY_LIMITED;
    /* the UE may not take ours for its key's fault, and bootstrap anew */
    gba_err e = res->verdict == GBA_NAF_OK ? GBA_OK : outage ? GBA_E_IO : GBA_E_UNKNOWN;
    if (e == GBA_OK && !(*who = who_new(w, res)))
        e = GBA_E_NOMEM;
    if (e == GBA_OK)
        *key = res->psk;
    note(w->p, w->turned_away ? REASON_WAITING : (unsigned)res->why,
         w->peer.ss_family ? (const struct sockaddr *)&w->peer : NULL, w->r.fqdn,
         gba_ua_id_psk(w->r.transport, w->r.suite), res->btid.s);
    return e;
}

/* The outcome was learned. */
static void ask_again(question *w, gba_err outcome)
{
    w->r.fetched = outcome;
    w->r.now = service_now();
    gba_naf_psk(w->e.naf, &w->r, &w->e.res);
    if (w->e.res.verdict != GBA_NAF_WAIT)
        return;
    gba_naf_learn(w->e.naf, &w->e.res.query, GBA_E_BUSY, NULL, w->r.now); /* at once evicted: no second round */
    w->r.fetched = GBA_E_BUSY;
    gba_naf_psk(w->e.naf, &w->r, &w->e.res);
}

static void resume(exchange *e, gba_err outcome)
{
    question *w = (question *)e;
    gba_secret key = {0};
    void *who = NULL;
    tls_later *later = w->later;
    atomic_fetch_sub(&w->p->waiting, 1);
    ask_again(w, outcome);
    gba_err r = judge(w, &key, &who);
    question_free(w);
    tls_later_answer(later, r, &key, who);
}

/* False: it may not wait, and knows now. Otherwise w is nafd_zn.c's, which ends it at the deadline at the latest. */
static bool wait_for_key(question *w, const tls_psk_query *q)
{
    nafd_psk *p = w->p;
    bool full = atomic_fetch_add(&p->waiting, 1) >= p->d->s->ua.psk_waiting;
    if (!full && (w->later = tls_later_new(q))) {
        w->e.resume = resume;
        nafd_zn_wait(p->d->zn, &w->e);
        return true;
    }
    atomic_fetch_sub(&p->waiting, 1);
    w->turned_away = full;
    gba_naf_learn(w->e.naf, &w->e.res.query, GBA_E_BUSY, NULL, w->r.now);
    ask_again(w, GBA_E_BUSY);
    return false;
}

/* ---- what the TLS layer asks ---- */
static bool ours(void *ctx, gba_span identity)
{
    (void)ctx;
    return identity.n >= sizeof PREFIX - 1 && gba_span_eq(gba_mem(identity.p, sizeof PREFIX - 1), gba_str(PREFIX));
}

static gba_err on_identity(void *ctx, const tls_psk_query *q, gba_secret *key, void **who)
{
    question *w = question_new(ctx, q);
    if (!w)
        return GBA_E_NOMEM;
    gba_naf_psk(w->e.naf, &w->r, &w->e.res);
    if (w->e.res.verdict == GBA_NAF_WAIT && wait_for_key(w, q))
        return GBA_E_BUSY;
    gba_err e = judge(w, key, who);
    question_free(w);
    return e;
}

static gba_naf_psk_request request_of(const nafd_who *w)
{
    return (gba_naf_psk_request){.identity = gba_mem(w->identity, w->n),
                                 .fqdn = gba_str(w->fqdn.s),
                                 .transport = w->transport,
                                 .suite = w->suite,
                                 .now = service_now()};
}

/* The same key as then? Another one cannot be this session's. */
static void compare(const nafd_who *w, gba_naf_result *res)
{
    if (res->verdict != GBA_NAF_OK || gba_secret_eq(&res->psk, &w->key))
        return;
    gba_naf_result_clear(res);
    res->verdict = GBA_NAF_REFUSE;
    res->why = GBA_NAF_WHY_UNKNOWN_BTID;
    res->status = 421;
}

void nafd_psk_check(exchange *e)
{
    gba_naf_psk_request r = request_of(e->who);
    memcpy(r.source, e->q.source, sizeof r.source);
    r.fetched = e->q.fetched;
    r.host = e->q.host.p ? e->q.host : gba_str("");
    r.intended_identity = e->q.intended_identity;
    gba_naf_psk(e->d->naf, &r, &e->res);
    compare(e->who, &e->res);
    gba_secret_wipe(&e->res.psk);
}

/* Only a key that is here: whoever resumes after it went must show it anew. */
static bool alive(void *ctx, void *who)
{
    nafd_psk *p = ctx;
    nafd_who *w = who;
    gba_naf_psk_request r = request_of(w);
    gba_naf_result *res = malloc(sizeof *res);
    if (!res)
        return false;
    gba_naf_psk(p->d->naf, &r, res);
    if (res->verdict == GBA_NAF_WAIT)
        gba_naf_learn(p->d->naf, &res->query, GBA_E_BUSY, NULL, r.now);
    compare(w, res);
    bool ok = res->verdict == GBA_NAF_OK;
    gba_naf_result_clear(res);
    free(res);
    return ok;
}

static void *who_ref(void *w)
{
    return nafd_who_ref(w);
}

static void who_release(void *w)
{
    nafd_who_release(w);
}

gba_err nafd_psk_start(nafd *d, tls_server_config *c, char *why, size_t why_n)
{
    static const char name[] = "gba_ua_psk_total", help[] = "PSK identities in TLS handshakes by result";
    nafd_psk *p = calloc(1, sizeof *p);
    const char *base = c->priority ? c->priority : tls_psk_priority, *more = d->s->ua.psk_priority;
    size_t n = strlen(base) + (more ? strlen(more) : 0) + 2;
    d->psk = p;
    if (!p || !(p->priority = malloc(n))) {
        snprintf(why, why_n, "out of memory");
        return GBA_E_NOMEM;
    }
    snprintf(p->priority, n, "%s%s%s", base, more ? ":" : "", more ? more : "");
    p->d = d;
    for (unsigned i = 0; i < REASONS; i++) {
        char label[64];
        snprintf(label, sizeof label, "result=\"%s\"", reason_name(i));
        p->results[i] = metric_counter(name, label, help);
    }
    c->priority = p->priority;
    c->psk = on_identity;
    c->psk_defers = true;
    c->psk_ctx = p;
    c->psk_who_free = who_release;
    c->psk_who_ref = who_ref;
    c->psk_alive = alive;
    c->psk_failed = on_failed;
    c->psk_ours = ours;
    c->psk_hint = PREFIX;
    return GBA_OK;
}

void nafd_psk_free(nafd_psk **pp)
{
    nafd_psk *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    free(p->priority);
    free(p);
}
