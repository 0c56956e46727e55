/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ub.c - the Ub coordinator. The steps of a request, each of which goes on or ends it:
 * admit (target, method, source), identify (header, IMPI), then
 *   an empty nonce:         challenge
 *   a nonce with auts:      resynchronise, challenge
 *   a nonce:                check RES, session, 200
 * What fails in an answer is answered by a fresh challenge, within the limits; with stale=true where it was not
 * the answer's fault: its challenge has expired, was superseded, or its key is gone.
 */
#include "bsf/ub.h"
#include <gba/digest.h>
#include <gba/kdf.h>
#include "bsf/ub_outcome.h"
#include "bsf/ub_text.h"
#include "libgba/bootinfo.h"
#include "libgba/crypt.h"
#include "service/daemon.h"
#include "service/metrics.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ub {
    ub_config c;
    metric *count[OUT_N];
    metric *seconds;
    _Atomic unsigned pending;
};

typedef struct call {
    ub *u;
    ub_request r;
    ub_done *done;
    void *ctx;
    int64_t now_ms;
    struct timespec begin;
    outcome out; /* of an answer that a fresh challenge follows, else of the challenge itself */
    bool stale;  /* the challenge says so */
    bool over;   /* its source had used up its wrong answers */
    gba_impi impi;
    limits_ask ask;
    challenge ch; /* the opened one */
    gba_secret xres;
    bool ch_set;
    size_t body_n;
    char retry[16], expires[40];
    char header[1024]; /* the printed WWW-Authenticate or Authentication-Info */
    char body[1024];
    gba_authorization a;
} call;

/* ---- the end of a request ---- */

static void note(const call *c, outcome o, const char *reason)
{
    char nonce[12] = "";

    if (outcomes[o].level == LOG_LEVEL_DEBUG && o != OUT_CHALLENGE)
        return;
    if (c->a.nonce.p)
        snprintf(nonce, sizeof nonce, "%.*s", (int)(c->a.nonce.n < 8 ? c->a.nonce.n : 8), (const char *)c->a.nonce.p);
    log_event(outcomes[o].level, outcomes[o].event, "impi", c->impi.s[0] ? c->impi.s : NULL, "source",
              c->r.source_text, "nonce", nonce[0] ? nonce : NULL, "reason", reason, NULL);
}

static void end(call *c, outcome o, ub_answer *a)
{
    ub *u = c->u;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    metric_add(u->count[o], 1);
    metric_observe(u->seconds, (double)(t.tv_sec - c->begin.tv_sec) + 1e-9 * (double)(t.tv_nsec - c->begin.tv_nsec));
    /* TS 33.220 4.5.2: the token says that this BSF assigns TMPIs */
    a->server = u->c.tmpi ? "OpenGBA 3gpp-gba-tmpi" : "OpenGBA";
    c->done(c->ctx, a);
    if (c->ch_set)
        challenge_wipe(&c->ch);
    gba_secret_wipe(&c->xres);
    free(c);
    atomic_fetch_sub(&u->pending, 1);
}

static void refuse(call *c, outcome o, unsigned status, const char *reason)
{
    ub_answer a = {.status = status};

    note(c, o, reason);
    if (status == 405)
        a.allow = "GET";
    end(c, o, &a);
}

static void refuse_later(call *c, outcome o, unsigned status, int64_t wait_s, const char *reason)
{
    ub_answer a = {.status = status, .retry_after = c->retry};

    snprintf(c->retry, sizeof c->retry, "%lld", (long long)wait_s);
    note(c, o, reason);
    end(c, o, &a);
}

static void unavailable(call *c, gba_err e)
{
    refuse_later(c, OUT_UNAVAILABLE, 503, 1, gba_err_name(e));
}

/* ---- the challenge ---- */

static void send_challenge(call *c, const challenge_wire *w)
{
    challenge_text t;
    gba_challenge h;
    size_t n = sizeof c->header;
    ub_answer a = {.status = 401, .www_authenticate = c->header};

    challenge_print(c->u->c.ring, w, &t);
    memset(&h, 0, offsetof(gba_challenge, store));
    h.algorithm = GBA_DIGEST_AKAV1_MD5;
    h.qop = GBA_QOP_AUTH_INT;
    h.stale = c->stale;
    h.realm = gba_str(c->u->c.domain.s);
    h.nonce = gba_str(t.nonce);
    h.opaque = gba_str(t.opaque);
    gba_err e = gba_challenge_print(&h, c->header, &n);
    if (e != GBA_OK) {
        unavailable(c, e);
        return;
    }
    end(c, c->out, &a);
}

static gba_err seal(call *c, const av_result *r, int64_t issue_ms, challenge_wire *w)
{
    challenge ch = {.flavour = CHALLENGE_AKA_ME, .issue_ms = issue_ms};

    memcpy(ch.rand, r->vector.rand, 16);
    memcpy(ch.autn, r->vector.autn, 16);
    if (!r->recomputable) {
        ch.has_vector = true;
        ch.xres = r->vector.xres;
        ch.ck = r->vector.ck;
        ch.ik = r->vector.ik;
        ch.lifetime = r->lifetime;
    }
    gba_err e = challenge_seal(c->u->c.ring, &ch, &c->impi, w);
    if (ch.has_vector)
        challenge_wipe(&ch);
    return e;
}

static bool res_long_enough(const call *c, const gba_secret *xres)
{
    return (int64_t)xres->n * 8 >= c->u->c.min_res_bits;
}

static void refuse_short(call *c)
{
    refuse(c, OUT_RES_SHORT, c->u->c.unknown_status, "RES is shorter than ub.min_res_bits");
}

/* The store has its own words (unavailable); these send an operator to where the vectors come from. */
static const char *source_fault(gba_err e)
{
    switch (e) {
    case GBA_E_IO:
        return "vector source: unreachable or silent";
    case GBA_E_BUSY:
        return "vector source: overloaded";
    case GBA_E_SYNTAX:
        return "vector source: malformed answer";
    case GBA_E_CORRUPT:
        return "vector source: damaged subscriber";
    default:
        return "vector source: failed";
    }
}

/* What the vector source refused. */
static void refuse_source(call *c, gba_err e)
{
    if (e == GBA_E_UNKNOWN)
        refuse(c, OUT_UNKNOWN_IMPI, c->u->c.unknown_status, NULL);
    else if (e == GBA_E_FORBIDDEN)
        refuse(c, OUT_BLOCKED, c->u->c.unknown_status, NULL);
    else if (e == GBA_E_RANGE)
        refuse_short(c);
    else
        refuse_later(c, OUT_UNAVAILABLE, 503, 1, source_fault(e));
}

/* A challenge again that was sent before, or to another. */
static void send_again(call *c, const challenge_wire *w)
{
    if (c->out == OUT_CHALLENGE) {
        c->out = OUT_REPEATED;
        note(c, OUT_REPEATED, "limits.impi_challenges");
    }
    send_challenge(c, w);
}

/* Those who waited for the same get the same; w NULL: that is the refusal e. */
static void serve_waiting(limits_ask *waiting, gba_err e, const challenge_wire *w)
{
    while (waiting) {
        call *c = waiting->ctx;
        waiting = waiting->next;
        if (w)
            send_again(c, w);
        else
            refuse_source(c, e);
    }
}

static void got_vector(void *ctx, gba_err e, const av_result *r)
{
    call *c = ctx;
    limits *l = c->u->c.limits;
    challenge_wire w = {.n = 0};
    int64_t issue_ms = limits_issue_ms(l, &c->impi, c->now_ms);

    bool is_short = e == GBA_OK && !res_long_enough(c, &r->vector.xres);

    if (e == GBA_OK && !is_short)
        e = seal(c, r, issue_ms, &w);
    if (is_short)
        e = GBA_E_RANGE; /* which refuse_source takes for just that */
    else if (e == GBA_E_RANGE)
        e = GBA_E_CORRUPT;
    if (e != GBA_OK) {
        limits_ask *waiting = limits_not_issued(l, &c->ask);
        refuse_source(c, e);
        serve_waiting(waiting, e, NULL);
        return;
    }
    limits_ask *waiting = limits_issued(l, &c->ask, &w, issue_ms, c->now_ms);
    if (c->out == OUT_CHALLENGE)
        note(c, OUT_CHALLENGE, NULL);
    send_challenge(c, &w);
    serve_waiting(waiting, GBA_OK, &w);
}

/* What the limits say; a last one whose key is gone (a revocation) can be answered by nobody. */
static limits_verdict verdict_of(call *c, challenge_wire *again)
{
    const ub_config *u = &c->u->c;
    limits_verdict v;

    while ((v = limits_impi(u->limits, &c->ask, c->now_ms, again)) == LIMITS_LAST &&
           !challenge_key_known(u->ring, again))
        limits_answered(u->limits, &c->impi, again->o);
    return v;
}

/* A challenge by the limits: a new one, or over the IMPI's limit its last one again. */
static void challenge_anew(call *c)
{
    const ub_config *u = &c->u->c;
    challenge_wire again;

    switch (verdict_of(c, &again)) {
    case LIMITS_NEW:
        u->av->ops->fetch(u->av, &c->impi, NULL, got_vector, c);
        break;
    case LIMITS_LAST:
        send_again(c, &again);
        break;
    case LIMITS_WAIT: /* got_vector of another call goes on with it; it may have, already */
        break;
    }
}

/* The answer is refused for reason o; a fresh challenge lets an honest UE go on. */
static void challenge_after(call *c, outcome o, const char *reason)
{
    note(c, o, reason);
    c->out = o;
    challenge_anew(c);
}

/* The answer was not judged, or was right: a UE goes on with a fresh challenge, and doubts no key. */
static void challenge_stale(call *c, outcome o, const char *reason)
{
    c->stale = true;
    challenge_after(c, o, reason);
}

/* ---- an answer judged ---- */

static bool verify(const call *c, gba_span password, gba_err *e)
{
    gba_digest_expect x = {
        .algorithm = GBA_DIGEST_AKAV1_MD5,
        .qop = GBA_QOP_AUTH_INT,
        .realm = gba_str(c->u->c.domain.s),
        .require_algorithm = !c->u->c.algorithm_optional,
    };
    gba_digest_message m = {.method = gba_str(c->r.method), .uri = c->a.uri, .body = c->r.body};

    *e = gba_digest_verify(&c->a, &x, &m, password);
    return *e == GBA_OK;
}

/* Where a challenge that can be opened stands, by the IMPI's head. */
typedef enum standing {
    OPEN,
    USED,       /* the last that was answered rightly */
    SUPERSEDED, /* a later one was */
} standing;

static gba_err standing_of(const call *c, standing *out)
{
    const ub_config *u = &c->u->c;
    rec_head head;
    uint64_t version;
    gba_err e = session_head(u->store, &c->impi, c->now_ms, &head, &version);

    *out = OPEN;
    if (e != GBA_OK || !session_head_covers(u->sessions, &head, c->ch.issue_ms, c->now_ms))
        return e;
    *out = c->ch.issue_ms == head.challenge_ms ? USED : SUPERSEDED;
    limits_superseded(u->limits, &c->impi, head.challenge_ms);
    return GBA_OK;
}

static void count_wrong(call *c)
{
    c->over = limits_wrong_add(c->u->c.limits, &c->impi, c->ch.rand, c->r.source, c->now_ms);
}

/* A counted wrong answer. Only now the limit is asked: what strangers at the same address have sent cannot refuse
 * the subscriber's right answer. */
static void refuse_wrong(call *c, outcome o, const char *reason)
{
    if (c->over)
        refuse_later(c, OUT_LIMITED, 429, c->u->c.nonce_lifetime, "limits.wrong_answers");
    else
        challenge_after(c, o, reason);
}

static void wrong_answer(call *c, outcome o, const char *reason)
{
    standing s;
    gba_err e = standing_of(c, &s);

    if (e != GBA_OK) {
        unavailable(c, e);
    } else if (s == SUPERSEDED) {
        challenge_stale(c, OUT_REPLAY, "superseded");
    } else {
        count_wrong(c);
        refuse_wrong(c, o, reason);
    }
}

/* ---- AUTS (TS 33.102 6.3.5, RFC 3310 3.4) ---- */

static void got_resynced(void *ctx, gba_err e, const av_result *r)
{
    call *c = ctx;
    const ub_config *u = &c->u->c;

    if (e == GBA_E_AUTH) {
        refuse_wrong(c, OUT_AUTS_WRONG, "MAC-S");
        return;
    }
    if (e == GBA_OK)
        e = session_resynced(u->sessions, &c->impi, c->ch.issue_ms, c->now_ms);
    if (e == GBA_E_STALE) {
        challenge_stale(c, OUT_REPLAY, "auts");
        return;
    }
    if (e != GBA_OK) {
        refuse_source(c, e);
        return;
    }
    limits_answered(u->limits, &c->impi, c->ch.rand);
    note(c, OUT_RESYNC, NULL);
    c->out = OUT_RESYNC;
    got_vector(c, GBA_OK, r);
}

static void answer_auts(call *c)
{
    const ub_config *u = &c->u->c;
    av_resync rs;
    standing s;
    gba_err e;

    if (gba_auts_parse(c->a.auts, rs.auts) != GBA_OK) {
        refuse(c, OUT_MALFORMED, 400, "auts");
        return;
    }
    memcpy(rs.rand, c->ch.rand, 16);
    if (!verify(c, gba_mem(NULL, 0), &e)) {
        wrong_answer(c, OUT_AUTS_WRONG, "response");
        return;
    }
    e = standing_of(c, &s);
    if (e != GBA_OK) {
        unavailable(c, e);
    } else if (s != OPEN) { /* used up: it changes nothing now */
        challenge_stale(c, OUT_REPLAY, "auts");
    } else {
        count_wrong(c); /* before the source says so, else many at once would count for nothing */
        u->av->ops->fetch(u->av, &c->impi, &rs, got_resynced, c);
    }
}

/* ---- RES ---- */

static gba_err print_body(call *c, const session_got *got)
{
    /* currenttime is the session's, so that the same answer gets the same octets again */
    gba_bootinfo info = {.btid = got->btid, .lifetime = got->expires, .currenttime = got->created};

    c->body_n = sizeof c->body;
    return gba_bootinfo_print(&info, c->body, &c->body_n);
}

static gba_err print_header(call *c, const session_got *got, const char *rspauth)
{
    gba_authinfo i;
    size_t hn = sizeof c->header;

    memset(&i, 0, offsetof(gba_authinfo, store));
    i.qop = GBA_QOP_AUTH_INT;
    i.nc = c->a.nc;
    i.nc_given = true;
    i.cnonce = c->a.cnonce;
    i.rspauth = gba_str(rspauth);
    gba_err e = gba_authinfo_print(&i, c->header, &hn);
    if (e == GBA_OK && !ub_http_date(got->expires, c->expires, sizeof c->expires))
        e = GBA_E_RANGE;
    return e;
}

static gba_err print_success(call *c, const session_got *got, char rspauth[65])
{
    gba_err e = print_body(c, got);

    if (e != GBA_OK)
        return e;
    gba_digest_message m = {.method = gba_str(c->r.method), .uri = c->a.uri, .body = gba_mem(c->body, c->body_n)};
    e = gba_digest_rspauth(&c->a, &m, gba_secret_span(&c->xres), rspauth);
    return e == GBA_OK ? print_header(c, got, rspauth) : e;
}

static void send_success(call *c, const session_got *got)
{
    outcome o = got->repeated ? OUT_RETRANSMISSION : OUT_SUCCESS;
    ub_answer a = {.status = 200,
                   .authentication_info = c->header,
                   .expires = c->expires,
                   .content_type = GBA_BOOTINFO_TYPE,
                   .body = gba_mem(c->body, c->body_n)};

    log_event(outcomes[o].level, outcomes[o].event, "impi", c->impi.s, "btid", got->btid.s, "source", c->r.source_text,
              NULL);
    end(c, o, &a);
}

static void established(void *ctx, gba_err e, const session_got *got)
{
    call *c = ctx;
    char rspauth[65];

    if (e == GBA_E_STALE) {
        challenge_stale(c, OUT_REPLAY, "session");
        return;
    }
    if (e == GBA_OK && got->repeated) /* else it was printed before the session was written */
        e = print_success(c, got, rspauth);
    if (e != GBA_OK)
        unavailable(c, e);
    else
        send_success(c, got);
}

/* What makes a retransmission exact: all that the UE's Digest covers. */
static void hash_answer(const call *c, uint8_t out[SESSION_ANSWER_LEN])
{
    crypt_hash h;

    crypt_hash_begin(&h, CRYPT_SHA256);
    crypt_hash_add(&h, gba_str(c->r.authorization));
    crypt_hash_add(&h, gba_mem("", 1));
    crypt_hash_add(&h, c->r.body);
    (void)crypt_hash_end(&h, out);
}

/* The answer goes into the session as it will be sent, so that it can be sent again without XRES. */
static gba_err foresee(call *c, session_want *w)
{
    session_got got = {.created = c->now_ms / 1000, .expires = c->now_ms / 1000 + w->lifetime};
    char rspauth[65];
    size_t n = sizeof w->rspauth;
    gba_err e = gba_btid_make(w->rand, &c->u->c.domain, &got.btid);

    if (e == GBA_OK)
        e = print_success(c, &got, rspauth);
    if (e == GBA_OK)
        e = gba_hex_decode(gba_str(rspauth), w->rspauth, &n);
    hash_answer(c, w->answer);
    return e;
}

static void accept_answer(call *c, const av_result *r)
{
    const ub_config *u = &c->u->c;
    session_want w = {
        .impi = c->impi,
        .challenge_ms = c->ch.issue_ms,
        .lifetime = r->lifetime > 0 ? r->lifetime : u->lifetime,
        .tmpi = u->tmpi && c->r.user_agent && gba_product_token(gba_str(c->r.user_agent), "3gpp-gba-tmpi"),
    };

    limits_answered(u->limits, &c->impi, c->ch.rand);
    memcpy(w.rand, c->ch.rand, 16);
    gba_err e = gba_ks(&r->vector.ck, &r->vector.ik, &w.ks);
    c->xres = r->vector.xres;
    if (e == GBA_OK)
        e = foresee(c, &w);
    if (e != GBA_OK)
        unavailable(c, e);
    else
        session_establish(u->sessions, &w, c->now_ms, established, c);
    gba_secret_wipe(&w.ks);
}

/* XRES and the keys: sealed in the challenge, or computed again from RAND. */
static gba_err vector_again(call *c, av_result *r)
{
    av_source *av = c->u->c.av;

    if (!c->ch.has_vector)
        return av->ops->recompute ? av->ops->recompute(av, &c->impi, c->ch.rand, r) : GBA_E_UNSUPPORTED;
    r->vector.xres = c->ch.xres;
    r->vector.ck = c->ch.ck;
    r->vector.ik = c->ch.ik;
    r->lifetime = c->ch.lifetime;
    return GBA_OK;
}

static void answer_res(call *c)
{
    av_result r = {0};
    gba_err e = vector_again(c, &r);

    if (e != GBA_OK) {
        refuse_source(c, e);
    } else if (!res_long_enough(c, &r.vector.xres)) {
        refuse_short(c);
    } else if (verify(c, gba_secret_span(&r.vector.xres), &e)) {
        accept_answer(c, &r);
    } else if (e == GBA_E_AUTH) {
        wrong_answer(c, OUT_WRONG_RES, NULL);
    } else {
        refuse(c, OUT_MISMATCH, 400, gba_err_name(e));
    }
    gba_vector_wipe(&r.vector);
}

/* A subscriber blocked or removed since then gets nothing again; only the own AuC can tell. */
static gba_err still_welcome(const call *c, const uint8_t rand[16])
{
    av_source *av = c->u->c.av;
    av_result r = {0};
    gba_err e = av->ops->recompute ? av->ops->recompute(av, &c->impi, rand, &r) : GBA_E_UNSUPPORTED;

    gba_vector_wipe(&r.vector);
    return e == GBA_E_UNSUPPORTED ? GBA_OK : e;
}

/* The key that sealed the challenge may be gone while the session lives: then the session itself knows
 * which answer made it. True: it was that one, and is answered, as it was while its subscriber is welcome. */
static bool answered_again(call *c)
{
    gba_aka_nonce n;
    session_got got = {0};
    uint8_t hash[SESSION_ANSWER_LEN], rspauth[16];
    char hex[33];

    if (c->a.auts.p || gba_aka_nonce_parse(c->a.nonce, &n) != GBA_OK)
        return false;
    hash_answer(c, hash);
    gba_err e = session_again(c->u->c.sessions, n.rand, hash, c->now_ms, &c->impi, &got, rspauth), welcome;
    if (e == GBA_OK && (welcome = still_welcome(c, n.rand)) != GBA_OK) {
        refuse_source(c, welcome);
        return true;
    }
    if (e == GBA_OK) {
        gba_hex_encode(rspauth, sizeof rspauth, hex);
        e = print_body(c, &got);
    }
    if (e == GBA_OK)
        e = print_header(c, &got, hex);
    if (e == GBA_OK)
        send_success(c, &got);
    return e == GBA_OK;
}

/* NULL: it has the form of an answer to our challenge. An absent algorithm means MD5 (RFC 7616 3.4), which here is the
 * same computation under RES: there is nothing to bid down to. */
static const char *form_fault(const call *c)
{
    const gba_authorization *a = &c->a;

    if (!a->algorithm_given && !c->u->c.algorithm_optional)
        return "algorithm absent: see ub.algorithm_optional";
    if (a->algorithm_given && a->algorithm != GBA_DIGEST_AKAV1_MD5)
        return "algorithm"; /* no downgrade to MD5, and no AKAv2 (RFC 4169 1) */
    if (a->qop != GBA_QOP_AUTH_INT)
        return "qop";
    if (!a->nc_given || a->nc == 0) /* any other count: deployed UEs go on counting over nonces */
        return "nc";
    if (a->cnonce.n == 0)
        return "cnonce";
    if (a->response.n == 0)
        return "response";
    if (!gba_span_eq(a->realm, gba_str(c->u->c.domain.s)))
        return "realm";
    return NULL;
}

/* NULL: the challenge may be answered, or never was one of ours. */
static const char *why_stale(const call *c, gba_err opened)
{
    if (opened == GBA_E_STALE)
        return "key";
    if (opened == GBA_E_EXPIRED)
        return "time";
    return opened == GBA_OK && limits_spent(c->u->c.limits, c->ch.rand, c->now_ms) ? "guesses" : NULL;
}

static void answer(call *c)
{
    const ub_config *u = &c->u->c;
    const char *fault = form_fault(c);
    gba_err e;

    if (fault) {
        refuse(c, OUT_MISMATCH, 400, fault);
        return;
    }
    c->a.algorithm = GBA_DIGEST_AKAV1_MD5; /* also where it is absent */
    c->ch_set = true;
    e = challenge_open(u->ring, c->a.nonce, c->a.opaque, &c->impi, c->now_ms, &c->ch);
    const char *stale = why_stale(c, e);
    if (stale && answered_again(c))
        return;
    if (stale)
        challenge_stale(c, OUT_STALE_NONCE, stale);
    else if (e != GBA_OK)
        challenge_after(c, OUT_FORGED_NONCE, gba_err_name(e));
    else if (c->a.auts.p)
        answer_auts(c); /* never leads to 200 */
    else
        answer_res(c);
}

/* ---- who asks ---- */

/* RFC 7616 3.4.6: uri names the same resource as the request-target. */
static bool same_resource(const call *c)
{
    gba_span host, uri = c->a.uri;

    if (gba_span_eq(uri, gba_str(c->r.target)) || gba_span_eq(uri, gba_str("/")))
        return true;
    return ub_absolute_root(uri, &host) && gba_span_ieq(host, gba_str(c->u->c.domain.s));
}

/* The request was answered when false. */
static bool admit(call *c)
{
    unsigned wait_s = 1;

    if (!c->r.exempt && !limits_source(c->u->c.limits, c->r.source, c->now_ms, &wait_s)) {
        refuse_later(c, OUT_LIMITED, 429, wait_s, "limits.source_requests");
        return false;
    }
    if (!ub_is_root(gba_str(c->r.target))) {
        refuse(c, OUT_PATH, 404, NULL);
        return false;
    }
    if (strcmp(c->r.method, "GET") != 0) {
        refuse(c, OUT_METHOD, 405, NULL);
        return false;
    }
    return true;
}

static const char *header_fault(call *c)
{
    if (c->r.n_authorization != 1)
        return c->r.n_authorization ? "two Authorization fields" : "no Authorization field";
    gba_err e = gba_authorization_parse(gba_str(c->r.authorization), &c->a);
    if (e != GBA_OK) {
        c->a.nonce = gba_mem(NULL, 0);
        return e == GBA_E_UNSUPPORTED ? "scheme" : e == GBA_E_RANGE ? "length" : "syntax";
    }
    if (c->a.username.n == 0 || c->a.userhash)
        return "username";
    if (c->a.nonce.n == 0 && c->a.auts.p)
        return "auts without nonce";
    return same_resource(c) ? NULL : "uri";
}

static bool identify(call *c)
{
    const ub_config *u = &c->u->c;
    const char *fault = header_fault(c);
    gba_err e;

    if (fault) {
        refuse(c, OUT_MALFORMED, 400, fault);
        return false;
    }
    if (!gba_is_tmpi(c->a.username)) {
        e = gba_impi_parse(c->a.username, &c->impi);
        if (e == GBA_OK)
            return true;
        c->impi.s[0] = '\0';
        refuse(c, OUT_MALFORMED, 400, "username");
        return false;
    }
    e = u->tmpi ? session_tmpi(u->store, c->a.username, c->now_ms, &c->impi) : GBA_E_UNKNOWN;
    if (e == GBA_E_UNKNOWN && c->a.nonce.n && !form_fault(c) && answered_again(c))
        return false; /* the TMPI has gone out of use by this very answer */
    if (e == GBA_E_UNKNOWN)
        refuse(c, OUT_UNKNOWN_TMPI, u->unknown_status, NULL);
    else if (e != GBA_OK)
        unavailable(c, e);
    return e == GBA_OK;
}

void ub_handle(ub *u, const ub_request *r, ub_done *done, void *ctx)
{
    call *c = malloc(sizeof *c);

    if (!c) {
        done(ctx, &(ub_answer){.status = 503, .server = "OpenGBA"});
        return;
    }
    memset(c, 0, offsetof(call, retry));
    c->ask = (limits_ask){.impi = &c->impi, .ctx = c};
    c->a.nonce = gba_mem(NULL, 0);
    c->u = u;
    c->r = *r;
    c->done = done;
    c->ctx = ctx;
    c->now_ms = service_now_ms();
    clock_gettime(CLOCK_MONOTONIC, &c->begin);
    atomic_fetch_add(&u->pending, 1);
    if (!admit(c) || !identify(c))
        return;
    if (c->a.nonce.n == 0)
        challenge_anew(c);
    else
        answer(c);
}

gba_err ub_new(const ub_config *c, ub **out)
{
    ub *u = calloc(1, sizeof *u);

    *out = NULL;
    if (!u)
        return GBA_E_NOMEM;
    u->c = *c;
    for (int i = 0; i < OUT_N; i++) {
        char label[64];
        snprintf(label, sizeof label, "result=\"%s\"", outcomes[i].label);
        u->count[i] = metric_counter("gba_ub_total", label, "Ub requests by result");
    }
    u->seconds = metric_histogram("gba_ub_seconds", NULL, "time from a Ub request to its answer");
    *out = u;
    return GBA_OK;
}

void ub_free(ub **up)
{
    free(*up);
    *up = NULL;
}

unsigned ub_pending(const ub *u)
{
    return atomic_load(&u->pending);
}
