/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ub.c - Ub (TS 24.109 clause 4, TS 33.220 4.5.2) as a step machine without I/O:
 * an answer goes in, the next request comes out.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <gba/ue.h>

#include "libgba/bootinfo.h"

#define RESYNCS 1 /* more than one resynchronisation in a run is a loop */
#define RENEWALS 3 /* so are more answers than these whose challenge was not good any more */

typedef enum ub_state { NEW, ASKED, ANSWERED, RESYNCED, DONE, FAILED } ub_state;

struct gba_ub {
    gba_ub_config c;
    char target[1024], agent[256];
    ub_state state;
    bool as_tmpi, tmpi_refused, bsf_knows_tmpi;
    unsigned resyncs, renewals;
    gba_challenge challenge; /* the one being answered */
    gba_authorization sent;
    char cnonce[2 * GBA_UE_ENTROPY + 1], response[65], auts[GBA_B64_LEN(14) + 1];
    gba_uicc_answer card;
    uint8_t rand[16];
    char value[GBA_DIGEST_HEADER_MAX + 1];
    gba_ue_field fields[3];
    gba_ue_session session;
    char text[GBA_UE_TEXT];
};

static gba_err fail(gba_ub *u, gba_err e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static gba_err fail(gba_ub *u, gba_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(u->text, sizeof u->text, fmt, ap);
    va_end(ap);
    u->state = FAILED;
    gba_uicc_answer_wipe(&u->card);
    return e;
}

/* What a peer wrote, for an operator's line: printable, short. */
typedef struct quoted {
    char s[72];
} quoted;
static quoted quote(gba_span s)
{
    quoted q = {{0}};
    size_t n = s.n < sizeof q.s - 4 ? s.n : sizeof q.s - 4;
    for (size_t i = 0; i < n; i++)
        q.s[i] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? (char)s.p[i] : '?';
    if (n < s.n)
        memcpy(q.s + n, "...", 4);
    return q;
}

void gba_ue_session_wipe(gba_ue_session *s)
{
    gba_wipe(s, sizeof *s);
}

gba_err gba_ub_new(const gba_ub_config *c, gba_ub **out)
{
    const char *target = c->target ? c->target : "/", *agent = c->agent ? c->agent : "OpenGBA";
    *out = NULL;
    if (!c->uicc || !c->impi.s[0] || !c->bsf.s[0] || target[0] != '/')
        return GBA_E_ARG;
    gba_ub *u = calloc(1, sizeof *u);
    if (!u)
        return GBA_E_NOMEM;
    u->c = *c;
    int t = snprintf(u->target, sizeof u->target, "%s", target);
    int a = snprintf(u->agent, sizeof u->agent, "%s%s%s", agent, c->no_tmpi ? "" : " ",
                     c->no_tmpi ? "" : GBA_UE_TMPI_TOKEN);
    if (t < 0 || (size_t)t >= sizeof u->target || a < 0 || (size_t)a >= sizeof u->agent) {
        gba_ub_free(&u);
        return GBA_E_RANGE;
    }
    u->as_tmpi = !c->no_tmpi && gba_is_tmpi(gba_str(c->tmpi.s));
    *out = u;
    return GBA_OK;
}

void gba_ub_free(gba_ub **u)
{
    if (!*u)
        return;
    gba_wipe(*u, sizeof **u);
    free(*u);
    *u = NULL;
}

const gba_ue_session *gba_ub_session(const gba_ub *u)
{
    return u->state == DONE ? &u->session : NULL;
}

const char *gba_ub_text(const gba_ub *u)
{
    return u->text;
}

bool gba_ub_tmpi_refused(const gba_ub *u)
{
    return u->tmpi_refused;
}

/* ---- requests out ---- */

static gba_err request(gba_ub *u, ub_state then, gba_ub_request *out)
{
    size_t n = sizeof u->value;
    gba_err e = gba_authorization_print(&u->sent, u->value, &n);
    if (e)
        return fail(u, e, "the BSF's challenge is too long to answer (%s)", gba_err_text(e));
    u->fields[0] = (gba_ue_field){gba_str("User-Agent"), gba_str(u->agent)};
    u->fields[1] = (gba_ue_field){gba_str("Accept"), gba_str("*/*")};
    u->fields[2] = (gba_ue_field){gba_str("Authorization"), gba_mem(u->value, n)};
    *out = (gba_ub_request){"GET", u->target, u->fields, 3};
    u->state = then;
    return GBA_OK;
}

static gba_span username(const gba_ub *u)
{
    return gba_str(u->as_tmpi ? u->c.tmpi.s : u->c.impi.s);
}

/* TS 24.109 4.2: who we are, and nothing more. */
static gba_err ask(gba_ub *u, gba_ub_request *out)
{
    memset(&u->sent, 0, sizeof u->sent);
    u->sent.algorithm = GBA_DIGEST_AKAV1_MD5; /* not given: not printed */
    u->sent.username = username(u);
    u->sent.realm = gba_str(u->c.bsf.s);
    u->sent.nonce = gba_str("");
    u->sent.uri = gba_str(u->target);
    u->sent.response = gba_str("");
    return request(u, ASKED, out);
}

gba_err gba_ub_start(gba_ub *u, gba_ub_request *out)
{
    *out = (gba_ub_request){0};
    return u->state == NEW ? ask(u, out) : GBA_E_ARG;
}

/* RFC 3310 3.3: the answer under RES; with AUTS under the empty password (3.4). */
static gba_err answer(gba_ub *u, gba_span password, const uint8_t *auts, const uint8_t entropy[GBA_UE_ENTROPY],
                      gba_ub_request *out)
{
    gba_hex_encode(entropy, GBA_UE_ENTROPY, u->cnonce);
    memset(&u->sent, 0, sizeof u->sent);
    u->sent.algorithm = u->challenge.algorithm;
    u->sent.algorithm_given = true;
    u->sent.qop = GBA_QOP_AUTH_INT;
    u->sent.nc = 1;
    u->sent.nc_given = true;
    u->sent.username = username(u);
    u->sent.realm = u->challenge.realm;
    u->sent.nonce = u->challenge.nonce;
    u->sent.uri = gba_str(u->target);
    u->sent.cnonce = gba_str(u->cnonce);
    u->sent.opaque = u->challenge.opaque;
    if (auts) {
        gba_b64_encode(auts, 14, u->auts);
        u->sent.auts = gba_str(u->auts);
    }
    const gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str(u->target)};
    gba_err e = gba_digest_response(&u->sent, &m, password, u->response);
    if (e)
        return fail(u, e, "cannot answer the BSF's challenge: %s", gba_err_text(e));
    u->sent.response = gba_str(u->response);
    return request(u, auts ? RESYNCED : ANSWERED, out);
}

/* TS 33.220 4.5.2: a TMPI that does not work is dropped, the IMPI tried once. */
static bool may_drop_tmpi(const gba_ub *u)
{
    return u->as_tmpi;
}

static gba_err again_as_impi(gba_ub *u, gba_ub_request *out)
{
    u->as_tmpi = false;
    u->tmpi_refused = true;
    gba_uicc_answer_wipe(&u->card);
    return ask(u, out);
}

/* ---- the challenge ---- */

/* Is it one to answer? OK, or why not in text. */
static gba_err judge(gba_ub *u, const gba_challenge *c, gba_aka_nonce *nonce)
{
    if (c->algorithm != GBA_DIGEST_AKAV1_MD5) {
        snprintf(u->text, sizeof u->text, "the BSF's challenge has algorithm %s, not AKAv1-MD5",
                 c->algorithm == GBA_DIGEST_UNKNOWN ? "(unknown)" : gba_digest_alg_name(c->algorithm));
        return GBA_E_FORBIDDEN;
    }
    if (!gba_span_ieq(c->realm, gba_str(u->c.bsf.s))) {
        snprintf(u->text, sizeof u->text, "the challenge's realm \"%s\" is not the BSF's domain %s",
                 quote(c->realm).s, u->c.bsf.s);
        return GBA_E_FORBIDDEN;
    }
    if (!(c->qop & GBA_QOP_AUTH_INT)) {
        snprintf(u->text, sizeof u->text, "the BSF's challenge does not offer qop auth-int");
        return GBA_E_FORBIDDEN;
    }
    if (gba_aka_nonce_parse(c->nonce, nonce)) {
        snprintf(u->text, sizeof u->text,
                 "the challenge's nonce of %zu characters is not base64 of RAND, AUTN and at most %d octets more",
                 c->nonce.n, GBA_AKA_SERVER_DATA_MAX);
        return GBA_E_SYNTAX;
    }
    return GBA_OK;
}

/* The first challenge of the answer that is one to take; a field may hold several. */
static gba_err choose(gba_ub *u, const gba_ue_answer *a, gba_aka_nonce *nonce)
{
    gba_err why = GBA_E_FORBIDDEN;
    snprintf(u->text, sizeof u->text, "the BSF's 401 carries no Digest challenge");
    for (size_t i = 0; i < a->n_fields; i++) {
        if (!gba_span_ieq(a->fields[i].name, gba_str("WWW-Authenticate")))
            continue;
        gba_span rest = a->fields[i].value;
        gba_err e;
        while ((e = gba_challenge_next(&rest, &u->challenge)) == GBA_OK) {
            why = judge(u, &u->challenge, nonce);
            if (why == GBA_OK)
                return GBA_OK;
        }
        if (e != GBA_E_UNKNOWN) {
            why = e;
            snprintf(u->text, sizeof u->text, "the BSF's WWW-Authenticate is malformed: \"%s\"",
                     quote(a->fields[i].value).s);
        }
    }
    return why;
}

static gba_err on_card_refusal(gba_ub *u, gba_err e, gba_ub_request *out)
{
    const char *says = gba_uicc_text(u->c.uicc);
    /* another subscriber's TMPI yields another subscriber's AUTN */
    if (e == GBA_E_AUTH && may_drop_tmpi(u))
        return again_as_impi(u, out);
    return fail(u, e, "the UICC refused the challenge: %s", says[0] ? says : gba_err_text(e));
}

static gba_err on_challenge(gba_ub *u, const gba_ue_answer *a, const uint8_t entropy[GBA_UE_ENTROPY],
                            gba_ub_request *out)
{
    gba_aka_nonce nonce;
    gba_err e = choose(u, a, &nonce);
    if (e && may_drop_tmpi(u))
        return again_as_impi(u, out);
    if (e) {
        u->state = FAILED;
        return e;
    }
    /* expired, superseded, its key gone (RFC 7616 3.3): not the fault of UICC or TMPI, so neither is doubted */
    bool stale = u->challenge.stale && u->state != ASKED;
    if (stale && u->renewals++ == RENEWALS)
        return fail(u, GBA_E_BUSY, "the BSF takes no answer in time: it called %d challenges stale, try later",
                    RENEWALS + 1);
    if (stale && u->state == RESYNCED)
        u->resyncs--; /* the AUTS was not looked at */
    if (!stale && u->state == ANSWERED) { /* a refused RES is final */
        if (may_drop_tmpi(u))
            return again_as_impi(u, out);
        return fail(u, GBA_E_AUTH, "the BSF refused our RES: its K and OPc for %s are not the UICC's", u->c.impi.s);
    }
    memcpy(u->rand, nonce.rand, sizeof u->rand);
    gba_uicc_answer_wipe(&u->card);
    e = gba_uicc_boot(u->c.uicc, nonce.rand, nonce.autn, &u->card);
    if (e == GBA_E_SYNC && u->resyncs++ < RESYNCS) /* TS 24.109 4.5 */
        return answer(u, gba_str(""), u->card.auts, entropy, out);
    if (e == GBA_E_SYNC)
        return fail(u, e, "SQN out of range again after a resynchronisation: another AuC or a replay answers");
    if (e)
        return on_card_refusal(u, e, out);
    return answer(u, gba_secret_span(&u->card.res), NULL, entropy, out);
}

/* ---- the success ---- */

/* rspauth covers the body: before it verifies, nothing of the body counts (RFC 7616 3.5). */
static gba_err verify(gba_ub *u, const gba_ue_answer *a)
{
    gba_authinfo *info = calloc(1, sizeof *info);
    if (!info)
        return GBA_E_NOMEM;
    gba_err e = GBA_E_AUTH;
    for (size_t i = 0; i < a->n_fields && e; i++) {
        if (!gba_span_ieq(a->fields[i].name, gba_str("Authentication-Info")))
            continue;
        const gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str(u->target), .body = a->body};
        e = gba_authinfo_parse(a->fields[i].value, info);
        if (!e)
            e = gba_authinfo_verify(info, &u->sent, &m, gba_secret_span(&u->card.res));
    }
    free(info);
    return e ? GBA_E_AUTH : GBA_OK;
}

/* TS 24.109 C.1: currenttime lets a UE without a good clock know how long Ks lives. */
static gba_err take_lifetime(gba_ub *u, const gba_bootinfo *b, int64_t now)
{
    int64_t reference = b->currenttime ? b->currenttime : now;
    char until[GBA_TIME_TEXT] = "?";
    if (gba_time_print(b->lifetime, until) || b->lifetime <= reference)
        return fail(u, GBA_E_EXPIRED, "the BSF's key is over already: lifetime %s (is this clock right?)", until);
    u->session.lifetime = b->lifetime;
    u->session.expires = now + (b->lifetime - reference);
    u->session.begun = now;
    return GBA_OK;
}

/* TS 33.220 B.4: TMPI is the first 24 octets of the NAF key of the BSF itself. */
static gba_err take_tmpi(gba_ub *u, const gba_ue_answer *a)
{
    GBA_SECRET_SCOPED key = {0};
    gba_naf_id bsf = {.fqdn = u->c.bsf, .ua = {{1, 0, 0, 1, 0}}};
    char temp[GBA_B64_LEN(24) + 1];
    for (size_t i = 0; i < a->n_fields; i++)
        if (gba_span_ieq(a->fields[i].name, gba_str("Server")) &&
            gba_product_token(a->fields[i].value, GBA_UE_TMPI_TOKEN))
            u->bsf_knows_tmpi = true;
    if (u->c.no_tmpi || !(u->bsf_knows_tmpi || u->as_tmpi))
        return GBA_OK;
    gba_err e = gba_btid_domain(&u->session.btid, &bsf.fqdn);
    if (!e)
        e = gba_uicc_naf_key(u->c.uicc, &u->session.ks, u->rand, &u->c.impi, &bsf, &key);
    if (e || key.n < 24)
        return e ? e : GBA_E_RANGE;
    gba_b64_encode(key.o, 24, temp);
    snprintf(u->session.tmpi.s, sizeof u->session.tmpi.s, "%s@%s", temp, GBA_TMPI_DOMAIN);
    return GBA_OK;
}

static gba_err take_document(gba_ub *u, const gba_ue_answer *a, int64_t now)
{
    gba_bootinfo b = {0};
    gba_fqdn domain;
    gba_err e = gba_bootinfo_parse(a->body, &b);
    if (e)
        return fail(u, e, "the BSF's answer is not a BootstrappingInfo document: %s", gba_err_text(e));
    if (gba_btid_domain(&b.btid, &domain) || strcmp(domain.s, u->c.bsf.s) != 0)
        return fail(u, GBA_E_FORBIDDEN, "the B-TID \"%s\" is not of the BSF's domain %s",
                    quote(gba_str(b.btid.s)).s, u->c.bsf.s);
    u->session.btid = b.btid;
    return take_lifetime(u, &b, now);
}

static gba_err on_success(gba_ub *u, const gba_ue_answer *a, int64_t now)
{
    if (u->state != ANSWERED) /* AUTS is no authentication, still less is silence */
        return fail(u, GBA_E_FORBIDDEN, "the BSF said 200 before we were authenticated");
    gba_err e = verify(u, a);
    if (e == GBA_E_NOMEM)
        return fail(u, e, "out of memory");
    if (e)
        return fail(u, e, "the BSF's 200 is not authenticated: rspauth is wrong or absent");
    memset(&u->session, 0, sizeof u->session);
    if ((e = take_document(u, a, now)))
        return e;
    u->session.impi = u->c.impi;
    u->session.bsf = u->c.bsf;
    memcpy(u->session.rand, u->rand, sizeof u->session.rand);
    u->session.ks = u->card.ks;
    if ((e = take_tmpi(u, a)))
        return fail(u, e, "cannot derive the TMPI: %s", gba_err_text(e));
    char until[GBA_TIME_TEXT];
    e = gba_time_print(u->session.lifetime, until);
    if (!e)
        e = gba_uicc_keep(u->c.uicc, &u->session.btid, until);
    if (e)
        return fail(u, e, "the UICC did not keep the B-TID: %s", gba_uicc_text(u->c.uicc));
    gba_uicc_answer_wipe(&u->card);
    u->text[0] = '\0';
    u->state = DONE;
    return GBA_OK;
}

/* ---- answers in ---- */

static gba_err on_refusal(gba_ub *u, int status, gba_ub_request *out)
{
    if (status == 429 || status >= 500)
        return fail(u, GBA_E_BUSY, "the BSF is overloaded or its AuC is out of reach (HTTP %d): try later", status);
    if (status >= 400 && may_drop_tmpi(u))
        return again_as_impi(u, out);
    if (status == 403)
        return fail(u, GBA_E_FORBIDDEN, "the BSF does not bootstrap %s (HTTP 403)", u->c.impi.s);
    if (status == 404)
        return fail(u, GBA_E_UNKNOWN, "the BSF does not know %s, or Ub is not at %s (HTTP 404)", u->c.impi.s,
                    u->target);
    if (status >= 300 && status < 400)
        return fail(u, GBA_E_FORBIDDEN, "the BSF redirects (HTTP %d): not followed, give its own URL", status);
    return fail(u, GBA_E_SYNTAX, "the BSF answered HTTP %d, which Ub has no use for", status);
}

gba_err gba_ub_feed(gba_ub *u, const gba_ue_answer *a, const uint8_t entropy[GBA_UE_ENTROPY], int64_t now,
                    gba_ub_next *next, gba_ub_request *out)
{
    *next = (gba_ub_next)0;
    *out = (gba_ub_request){0};
    if (u->state != ASKED && u->state != ANSWERED && u->state != RESYNCED)
        return GBA_E_ARG;
    gba_err e;
    if (a->status == 401)
        e = on_challenge(u, a, entropy, out);
    else if (a->status == 200)
        e = on_success(u, a, now);
    else
        e = on_refusal(u, a->status, out);
    if (!e)
        *next = u->state == DONE ? GBA_UB_DONE : GBA_UB_SEND;
    return e;
}
