/* SPDX-License-Identifier: Apache-2.0 */
/* ue_peer.c - see ue_peer.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "libgba/bootinfo.h"
#include "tests/t.h"
#include "tests/ue_peer.h"

void peer_open(peer *p)
{
    memset(p, 0, sizeof *p);
    snprintf(p->impi.s, sizeof p->impi.s, "%s", PEER_IMPI);
    p->key.algorithm = GBA_MILENAGE;
    p->key.k = t_secret(PEER_K);
    p->key.opc = t_secret(PEER_OPC);
    p->sqn = 0x1000;
    p->naf_alg = GBA_DIGEST_SHA256;
}

void peer_close(peer *p)
{
    gba_wipe(p, sizeof *p);
}

int64_t peer_now(void *arg)
{
    (void)arg;
    return PEER_NOW;
}

static gba_span find(const gba_ue_field *f, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (gba_span_ieq(f[i].name, gba_str(name)))
            return f[i].value;
    return gba_mem(NULL, 0);
}

static void say(peer *p, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(peer *p, const char *name, const char *fmt, ...)
{
    char *text = p->text[p->n_fields];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof p->text[0], fmt, ap);
    va_end(ap);
    p->fields[p->n_fields++] = (gba_ue_field){gba_str(name), gba_str(text)};
}

static void answer(peer *p, gba_ue_answer *a, int status, const char *body)
{
    *a = (gba_ue_answer){.status = status,
                         .fields = p->fields,
                         .n_fields = p->n_fields,
                         .body = gba_str(body),
                         .transport = p->transport,
                         .suite = p->suite};
}

/* ---- the BSF ---- */

static bool next_vector(peer *p)
{
    static const uint8_t amf[2];
    uint8_t rand[16];
    if (p->same_vector && p->v_ready)
        return true;
    memset(rand, 0x5a, sizeof rand);
    rand[15] = ++p->n_rand;
    bool ok = gba_aka_vector(&p->key, rand, p->sqn, amf, &p->v) == GBA_OK;
    if (p->wrong_mac)
        p->v.autn[15] ^= 1;
    if (!p->keep_sqn)
        p->sqn += 32;
    p->v_ready = ok;
    return ok;
}

static void challenge(peer *p, gba_ue_answer *a, bool stale)
{
    size_t n = sizeof p->nonce_text;
    if (!next_vector(p) || gba_aka_nonce_print(p->v.rand, p->v.autn, gba_str("more"), p->nonce_text, &n)) {
        answer(p, a, 500, "");
        return;
    }
    if (p->challenge_before)
        say(p, "WWW-Authenticate", "%s", p->challenge_before);
    if (!p->no_challenge)
        say(p, "WWW-Authenticate", "Digest realm=\"%s\", nonce=\"%s\", algorithm=%s, qop=\"%s\", opaque=\"5ccc\"%s",
            p->realm ? p->realm : PEER_BSF, p->nonce ? p->nonce : p->nonce_text,
            p->algorithm ? p->algorithm : "AKAv1-MD5", p->qop ? p->qop : "auth-int", stale ? ", stale=true" : "");
    p->challenged = true;
    answer(p, a, 401, "");
}

static void document(peer *p)
{
    char until[GBA_TIME_TEXT];
    if (gba_time_print(PEER_NOW + 3600, until))
        until[0] = '\0';
    if (p->body) {
        snprintf(p->room, sizeof p->room, "%s", p->body);
        return;
    }
    snprintf(p->room, sizeof p->room,
             "<?xml version=\"1.0\"?><BootstrappingInfo xmlns=\"uri:3gpp-gba\"><btid>%s</btid><lifetime>%s</lifetime>"
             "%s%s%s</BootstrappingInfo>",
             p->btid.s, p->lifetime ? p->lifetime : until, p->currenttime ? "<Extension><currenttime>" : "",
             p->currenttime ? p->currenttime : "", p->currenttime ? "</currenttime></Extension>" : "");
}

static void succeed(peer *p, const gba_authorization *auth, gba_ue_answer *a)
{
    char hex[65], b64[25];
    gba_fqdn domain = {PEER_BSF};
    memcpy(p->rand, p->v.rand, 16);
    gba_b64_encode(p->rand, 16, b64);
    snprintf(p->btid.s, sizeof p->btid.s, "%s@%s", b64, p->btid_domain ? p->btid_domain : PEER_BSF);
    document(p);
    const gba_digest_message m = {.method = gba_str("GET"), .uri = auth->uri, .body = gba_str(p->room)};
    if (gba_ks(&p->v.ck, &p->v.ik, &p->ks) ||
        gba_digest_rspauth(auth, &m, gba_secret_span(&p->v.xres), hex) ||
        gba_tmpi(&p->ks, p->rand, &p->impi, &domain, &p->tmpi_now)) {
        answer(p, a, 500, "");
        return;
    }
    if (p->wrong_rspauth)
        hex[0] = hex[0] == '0' ? '1' : '0';
    if (!p->no_rspauth)
        say(p, "Authentication-Info", "qop=auth-int, rspauth=\"%s\", cnonce=\"%.*s\", nc=%08x", hex,
            (int)auth->cnonce.n, (const char *)auth->cnonce.p, auth->nc);
    say(p, "Content-Type", "%s", GBA_BOOTINFO_TYPE);
    p->bootstraps++;
    answer(p, a, 200, p->room);
}

static void resynchronise(peer *p, const gba_authorization *auth, gba_ue_answer *a)
{
    uint8_t auts[14];
    uint64_t sqn_ms;
    if (p->stale_auts) {
        p->stale_auts--;
        challenge(p, a, true);
        return;
    }
    if (gba_auts_parse(auth->auts, auts) || gba_aka_auts_check(&p->key, p->v.rand, GBA_SPAN(auts), &sqn_ms)) {
        p->refusals++;
        answer(p, a, 403, "");
        return;
    }
    p->resyncs++;
    p->v_ready = false;
    if (!p->keep_sqn)
        p->sqn = sqn_ms + 32;
    challenge(p, a, false);
}

static void check_res(peer *p, const char *method, const gba_authorization *auth, gba_ue_answer *a)
{
    const gba_digest_expect e = {.algorithm = GBA_DIGEST_AKAV1_MD5,
                                 .qop = GBA_QOP_AUTH_INT,
                                 .realm = gba_str(PEER_BSF),
                                 .nonce = gba_str(p->nonce_text),
                                 .opaque = gba_str("5ccc"),
                                 .require_algorithm = true};
    const gba_digest_message m = {.method = gba_str(method), .uri = auth->uri, .body = gba_str("")};
    if (p->stale > 0) {
        p->stale--;
        challenge(p, a, true);
    } else if (gba_digest_verify(auth, &e, &m, gba_secret_span(&p->v.xres)) != GBA_OK) {
        p->refusals++;
        challenge(p, a, false);
    } else if (p->status_auth) {
        answer(p, a, p->status_auth, "");
    } else {
        p->v_ready = false;
        succeed(p, auth, a);
    }
}

void peer_ub(peer *p, const char *method, const char *target, const gba_ue_field *f, size_t n, gba_ue_answer *a)
{
    static gba_authorization auth;
    p->n_fields = 0;
    p->ub_requests++;
    gba_span agent = find(f, n, "User-Agent");
    snprintf(p->last_agent, sizeof p->last_agent, "%.*s", (int)agent.n, agent.n ? (const char *)agent.p : "");
    say(p, "Server", "Bootstrapping Server; Release-17%s", p->tmpi ? " 3gpp-gba-tmpi" : "");
    if (gba_authorization_parse(find(f, n, "Authorization"), &auth) ||
        !gba_span_eq(auth.uri, gba_str(target))) {
        answer(p, a, 400, "");
        return;
    }
    snprintf(p->last_username.s, sizeof p->last_username.s, "%.*s", (int)auth.username.n,
             (const char *)auth.username.p);
    bool known = strcmp(p->last_username.s, p->impi.s) == 0 ||
                 (p->tmpi && !p->forget_tmpi && p->tmpi_now.s[0] && strcmp(p->last_username.s, p->tmpi_now.s) == 0);
    if (!known)
        answer(p, a, 403, "");
    else if (p->early_200 && next_vector(p))
        succeed(p, &auth, a);
    else if (auth.auts.p)
        resynchronise(p, &auth, a);
    else if (auth.response.n > 0 && p->challenged)
        check_res(p, method, &auth, a);
    else if (p->status)
        answer(p, a, p->status, "");
    else
        challenge(p, a, false);
}

/* ---- the NAF ---- */

static void naf_nonce(const peer *p, char *out, size_t room)
{
    snprintf(out, room, p->naf_reuse ? "r%u" : "n%u", p->naf_reuse ? p->naf_nonce : p->ua_digests);
}

static void naf_challenge(peer *p, gba_ue_answer *a, bool stale)
{
    const char *realm = p->naf_realm ? p->naf_realm : "3GPP-bootstrapping@" PEER_NAF;
    const char *qop = p->naf_qop ? p->naf_qop : "auth,auth-int";
    char nonce[32];
    p->naf_nc = 0;
    naf_nonce(p, nonce, sizeof nonce);
    if (p->naf_challenge)
        say(p, "WWW-Authenticate", "%s", p->naf_challenge);
    else
        say(p, "WWW-Authenticate", "Digest realm=\"%s\", nonce=\"%s\", algorithm=%s, qop=\"%s\", opaque=\"o\"%s", realm,
            nonce, gba_digest_alg_name(p->naf_alg), qop, stale ? ", stale=true" : "");
    if (!p->naf_challenge && p->naf_alg == GBA_DIGEST_SHA256)
        say(p, "WWW-Authenticate", "Digest realm=\"%s\", nonce=\"%s\", algorithm=MD5, qop=\"%s\", opaque=\"o\"", realm,
            nonce, qop);
    answer(p, a, 401, "challenged\n");
}

static void naf_serve(peer *p, const gba_authorization *auth, const gba_digest_message *m, gba_span password,
                      gba_ue_answer *a)
{
    char hex[65];
    snprintf(p->room, sizeof p->room, "%s", "hello\n");
    const gba_digest_message back = {.method = m->method, .uri = m->uri, .body = gba_str(p->room)};
    if (gba_digest_rspauth(auth, &back, password, hex)) {
        answer(p, a, 500, "");
        return;
    }
    if (p->naf_wrong_rspauth)
        hex[0] = hex[0] == '0' ? '1' : '0';
    char next[48] = "";
    if (p->naf_nextnonce) {
        p->naf_nc = 0;
        snprintf(next, sizeof next, ", nextnonce=\"r%u\"", ++p->naf_nonce);
    }
    if (!p->naf_no_rspauth)
        say(p, "Authentication-Info", "qop=%s, rspauth=\"%s\", cnonce=\"%.*s\", nc=%08x%s",
            auth->qop == GBA_QOP_AUTH_INT ? "auth-int" : "auth", hex, (int)auth->cnonce.n,
            (const char *)auth->cnonce.p, auth->nc, next);
    p->ua_passed++;
    answer(p, a, p->naf_status ? p->naf_status : 200, p->room);
}

/* The key over Zn, as it were: by this peer's own session. */
static bool naf_password(peer *p, const gba_authorization *auth, gba_secret *password)
{
    GBA_SECRET_SCOPED key = {0};
    const gba_naf_id id = {.fqdn = {PEER_NAF}, .ua = gba_ua_id_digest(p->transport, p->suite)};
    return !p->naf_forgets && p->ks.n > 0 && gba_span_eq(auth->username, gba_str(p->btid.s)) &&
           gba_ks_naf(GBA_KS_NAF, &p->ks, gba_mem(p->rand, 16), &p->impi, &id, &key) == GBA_OK &&
           gba_ua_password(&key, password) == GBA_OK;
}

void peer_ua(peer *p, const char *method, const char *target, const gba_ue_field *f, size_t n, gba_span body,
             gba_ue_answer *a)
{
    static gba_authorization auth;
    GBA_SECRET_SCOPED password = {0};
    p->n_fields = 0;
    p->ua_requests++;
    gba_span agent = find(f, n, "User-Agent"), given = find(f, n, "Authorization");
    snprintf(p->last_agent, sizeof p->last_agent, "%.*s", (int)agent.n, agent.n ? (const char *)agent.p : "");
    if (p->naf_open) {
        answer(p, a, 200, "open\n");
        return;
    }
    if (!gba_product_token(agent, "3gpp-gba")) {
        answer(p, a, 403, "");
        return;
    }
    if (!given.p || gba_authorization_parse(given, &auth)) {
        naf_challenge(p, a, false);
        return;
    }
    char nonce[32];
    naf_nonce(p, nonce, sizeof nonce);
    p->ua_digests++;
    const gba_digest_expect e = {.algorithm = p->naf_alg,
                                 .qop = GBA_QOP_AUTH | GBA_QOP_AUTH_INT,
                                 .realm = gba_str("3GPP-bootstrapping@" PEER_NAF),
                                 .nonce = gba_str(nonce),
                                 .opaque = gba_str("o")};
    const gba_digest_message m = {.method = gba_str(method), .uri = gba_str(target), .body = body};
    if (p->naf_stale > 0) {
        p->naf_stale--;
        naf_challenge(p, a, true);
    } else if (p->naf_refuse > 0) {
        p->naf_refuse--;
        naf_challenge(p, a, false);
    } else if (p->naf_reuse && auth.nc != ++p->naf_nc) { /* a count that does not rise is a replay */
        naf_challenge(p, a, true);
    } else if (!naf_password(p, &auth, &password) ||
               gba_digest_verify(&auth, &e, &m, gba_secret_span(&password)) != GBA_OK) {
        naf_challenge(p, a, false);
    } else {
        naf_serve(p, &auth, &m, gba_secret_span(&password), a);
    }
}

/* ---- as a carrier ---- */

static gba_err exchange(void *self, const gba_ue_request *r, gba_ue_answer *a)
{
    peer *p = self;
    const char *host = strstr(r->url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    if (p->unreachable || !host)
        return GBA_E_IO;
    if (strncmp(host + 3, "naf", 3) != 0) {
        peer_ub(p, r->method, path ? path : "/", r->fields, r->n_fields, a);
        return GBA_OK;
    }
    if (p->suite_next) {
        p->suite = p->suite_next;
        p->suite_next = 0;
    }
    peer_ua(p, r->method, path ? path : "/", r->fields, r->n_fields, r->body, a);
    return GBA_OK;
}

static const char *text(void *self)
{
    return ((peer *)self)->unreachable ? "nobody is there" : "";
}

static void close_nothing(void *self)
{
    (void)self;
}

gba_ue_carrier peer_carrier(peer *p)
{
    static const gba_ue_carrier_ops ops = {"peer", exchange, text, close_nothing};
    return (gba_ue_carrier){&ops, p};
}
