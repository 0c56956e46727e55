/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vec_http.c - the vector families ub_transcripts and ua_transcripts: whole exchanges,
 * each message through our parsers, each value computed anew from the keys of the case.
 */
#include <stdio.h>
#include <string.h>
#include <gba/aka.h>
#include <gba/digest.h>
#include <gba/kdf.h>
#include <libgba/bootinfo.h>
#include "check_vectors.h"

#define TEXT_MAX 1024

/* ---- messages ---- */

typedef struct message {
    gba_span words[3]; /* of the first line */
    gba_span fields;   /* "Name: value\r\n" each */
    gba_span body;
} message;

static bool take_until(gba_span *s, const char *end, gba_span *out)
{
    size_t n = strlen(end);
    for (size_t i = 0; i + n <= s->n; i++)
        if (memcmp(s->p + i, end, n) == 0) {
            *out = gba_mem(s->p, i);
            *s = gba_mem(s->p + i + n, s->n - i - n);
            return true;
        }
    return false;
}

/* The value of a field that stands there once; an absent one is NULL. False: twice, or malformed. */
static bool find_field(const message *m, const char *name, gba_span *out)
{
    gba_span rest = m->fields, line, key;
    *out = (gba_span){0};
    while (rest.n) {
        if (!take_until(&rest, "\r\n", &line) || !take_until(&line, ":", &key))
            return false;
        while (line.n && *line.p == ' ')
            line = gba_mem(line.p + 1, line.n - 1);
        if (!gba_span_ieq(key, gba_str(name)))
            continue;
        if (out->p)
            return false;
        *out = line;
    }
    return true;
}

static bool parse_length(vec *v, const message *m)
{
    gba_span field;
    char text[16];
    if (!find_field(m, "Content-Length", &field))
        return vec_check(v, false, "message: malformed fields");
    snprintf(text, sizeof text, "%zu", m->body.n);
    return vec_check(v, field.p ? gba_span_eq(field, gba_str(text)) : m->body.n == 0, "message: Content-Length");
}

static bool parse_message(vec *v, gba_span text, message *m)
{
    gba_span line, head;
    if (!take_until(&text, "\r\n\r\n", &head))
        return vec_check(v, false, "message: no empty line");
    m->body = text;
    text = gba_mem(head.p, head.n + 2); /* with the last field's CRLF */
    if (!take_until(&text, "\r\n", &line) || !take_until(&line, " ", &m->words[0]) ||
        !take_until(&line, " ", &m->words[1]))
        return vec_check(v, false, "message: first line");
    m->words[2] = line;
    m->fields = text;
    return parse_length(v, m);
}

/* Message i of the case, which must come from this side. */
static bool read_message(vec *v, size_t i, const char *from, message *m)
{
    const json_t *o = json_array_get(json_object_get(v->o, "messages"), i);
    const json_t *text = json_object_get(o, "text");
    const char *side = json_string_value(json_object_get(o, "from"));
    if (!json_is_string(text) || !side)
        return vec_check(v, false, "messages: one is missing");
    if (!vec_check(v, strcmp(side, from) == 0, "messages: wrong side"))
        return false;
    return parse_message(v, gba_mem(json_string_value(text), json_string_length(text)), m);
}

static bool is_request(vec *v, const message *m, gba_span host)
{
    gba_span field;
    bool is_known = false;
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        is_known |= gba_span_eq(m->words[0], gba_str(methods[i]));
    return vec_check(v, is_known, "request: method") &&
           vec_check(v, gba_span_eq(m->words[2], gba_str("HTTP/1.1")), "request: version") &&
           vec_check(v, find_field(m, "Host", &field) && gba_span_ieq(field, host), "request: Host");
}

static bool is_status(vec *v, const message *m, const char *code)
{
    return vec_check(v, gba_span_eq(m->words[0], gba_str("HTTP/1.1")), "answer: version") &&
           vec_check(v, gba_span_eq(m->words[1], gba_str(code)), "answer: status");
}

/* The only Digest challenge of a 401. */
static bool read_challenge(vec *v, const message *m, gba_challenge *c)
{
    static gba_challenge more;
    gba_span field;
    if (!is_status(v, m, "401") || !vec_check(v, find_field(m, "WWW-Authenticate", &field), "WWW-Authenticate") ||
        !vec_ok(v, gba_challenge_next(&field, c), "WWW-Authenticate"))
        return false;
    return vec_check(v, gba_challenge_next(&field, &more) == GBA_E_UNKNOWN, "WWW-Authenticate: a second challenge");
}

static bool read_authorization(vec *v, const message *m, gba_authorization *a)
{
    gba_span field;
    return vec_check(v, find_field(m, "Authorization", &field), "Authorization") &&
           vec_ok(v, gba_authorization_parse(field, a), "Authorization");
}

/* An input of the case against what a message says. */
static bool expect_span(vec *v, const char *name, gba_span got)
{
    gba_span want;
    if (!vec_text(v, name, &want))
        return false;
    v->compared++;
    if (gba_span_eq(want, got))
        return true;
    vec_fail(v, "%s: the message says %.*s", name, (int)got.n, (const char *)got.p);
    return false;
}

/* ---- a challenge, its answer, and the final 200: Ub and Ua alike ---- */

typedef struct exchange {
    gba_challenge c;
    gba_authorization a;
    message request;
    gba_span body; /* of the request, from the case */
} exchange;

static gba_digest_message request_of(const exchange *x)
{
    return (gba_digest_message){.method = x->request.words[0], .uri = x->request.words[1], .body = x->body};
}

/* The server's check, and the very response of the case. */
static bool check_answer(vec *v, const exchange *x, gba_span password, const char *want)
{
    gba_digest_message m = request_of(x);
    gba_digest_expect expect = {.algorithm = x->c.algorithm,
                                .qop = x->c.qop,
                                .realm = x->c.realm,
                                .nonce = x->c.nonce,
                                .opaque = x->c.opaque,
                                .require_algorithm = true};
    char hex[65];
    return vec_check(v, gba_span_eq(x->body, x->request.body), "the request has another body") &&
           vec_check(v, !x->c.opaque.p == !x->a.opaque.p, "opaque stands on one side only") &&
           vec_ok(v, gba_digest_response(&x->a, &m, password, hex), "response") &&
           vec_check(v, want && strcmp(want, hex) == 0, "response differs from the case") &&
           vec_ok(v, gba_digest_verify(&x->a, &expect, &m, password), "the answer is refused");
}

/* The client's check of the 200, and the very rspauth of the case. */
static bool check_final(vec *v, const exchange *x, const message *m, gba_span password, const char *want)
{
    static gba_authinfo info;
    gba_digest_message answer = {.uri = x->request.words[1], .body = m->body};
    gba_span field;
    char hex[65];
    return is_status(v, m, "200") &&
           vec_check(v, find_field(m, "Authentication-Info", &field) && field.p, "Authentication-Info") &&
           vec_ok(v, gba_authinfo_parse(field, &info), "Authentication-Info") &&
           vec_ok(v, gba_digest_rspauth(&x->a, &answer, password, hex), "rspauth") &&
           vec_check(v, want && strcmp(want, hex) == 0, "rspauth differs from the case") &&
           vec_ok(v, gba_authinfo_verify(&info, &x->a, &answer, password), "Authentication-Info is refused");
}

static bool expect_body(vec *v, const char *name, gba_span got)
{
    unsigned failed = v->failed;
    vec_check(v, vec_has(v, name), "a body is missing");
    vec_expect_hex(v, name, got);
    return v->failed == failed;
}

/* ---- Ub ---- */

typedef struct ub {
    gba_impi impi;
    gba_fqdn bsf;
    gba_aka_key key;
    gba_secret password, ks;
    uint8_t rand[16], autn[16], amf[2]; /* autn: as the nonce carries it */
    gba_sqn_array array;
    gba_aka_nonce nonce;
    exchange x;
} ub;

static uint64_t sqn_value(const uint8_t o[6])
{
    uint64_t n = 0;
    for (int i = 0; i < 6; i++)
        n = n << 8 | o[i];
    return n;
}

static bool read_sqn(vec *v, const char *name, uint64_t *out)
{
    uint8_t o[6];
    if (!vec_hex_exact(v, name, o, sizeof o))
        return false;
    *out = sqn_value(o);
    return true;
}

static const char *digest_of(const vec *v, const char *name)
{
    return json_string_value(json_object_get(json_object_get(v->o, "digests"), name));
}

static bool read_ub(vec *v, ub *u)
{
    gba_span impi, bsf;
    memset(u, 0, sizeof *u);
    return vec_text(v, "impi", &impi) && vec_ok(v, gba_impi_parse(impi, &u->impi), "impi") &&
           vec_text(v, "bsf_fqdn", &bsf) && vec_ok(v, gba_fqdn_parse(bsf, &u->bsf), "bsf_fqdn") &&
           vec_hex_exact(v, "rand", u->rand, 16);
}

static bool read_usim(vec *v, ub *u)
{
    u->key.algorithm = GBA_MILENAGE;
    return vec_secret(v, "k", &u->key.k) && vec_secret(v, "opc", &u->key.opc) &&
           vec_ok(v, gba_aka_key_check(&u->key), "k, opc") && vec_hex_exact(v, "amf", u->amf, 2);
}

/* The initial request (TS 24.109 A.3). */
static bool check_initial(vec *v, ub *u)
{
    static message m;
    static gba_authorization a;
    return read_message(v, 0, "ue", &m) && is_request(v, &m, gba_str(u->bsf.s)) && read_authorization(v, &m, &a) &&
           vec_check(v, gba_span_eq(m.words[0], gba_str("GET")), "initial method") &&
           expect_span(v, "impi", a.username) && expect_span(v, "bsf_fqdn", a.realm) &&
           vec_check(v, a.nonce.p && a.nonce.n == 0 && a.response.p && a.response.n == 0, "initial nonce, response") &&
           vec_check(v, gba_span_eq(a.uri, m.words[1]), "initial uri");
}

/* A 401 and the UE's answer to it, messages i and i + 1. */
static bool read_round(vec *v, ub *u, size_t i)
{
    static message m;
    exchange *x = &u->x;
    if (!read_message(v, i, "bsf", &m) || !read_challenge(v, &m, &x->c) || !read_message(v, i + 1, "ue", &x->request) ||
        !is_request(v, &x->request, gba_str(u->bsf.s)) || !read_authorization(v, &x->request, &x->a))
        return false;
    return expect_span(v, "bsf_fqdn", x->c.realm) &&
           vec_check(v, gba_span_eq(x->request.words[0], gba_str("GET")), "request: method") &&
           expect_span(v, "impi", x->a.username) &&
           vec_check(v, x->c.algorithm == GBA_DIGEST_AKAV1_MD5, "challenge: algorithm") &&
           vec_check(v, x->c.qop == GBA_QOP_AUTH_INT, "challenge: qop") &&
           vec_ok(v, gba_aka_nonce_parse(x->c.nonce, &u->nonce), "challenge: nonce");
}

/* TS 33.102 6.3.5: the card refuses the first vector, its AUTS gives SQN_MS. */
static bool check_resync(vec *v, ub *u)
{
    uint8_t rand[16], autn[16], auts[14];
    uint64_t first, sqn_ms, got;
    gba_vector av;
    gba_card_answer card;
    if (!vec_hex_exact(v, "first_rand", rand, 16) || !vec_hex_exact(v, "first_autn", autn, 16) ||
        !read_sqn(v, "first_sqn", &first) || !read_sqn(v, "sqn_ms", &sqn_ms) ||
        !vec_ok(v, gba_aka_vector(&u->key, rand, first, u->amf, &av), "the first vector"))
        return false;
    vec_expect_hex(v, "first_autn", GBA_SPAN(av.autn));
    vec_check(v, gba_span_eq(GBA_SPAN(u->nonce.rand), GBA_SPAN(rand)), "the first nonce has another RAND");
    vec_check(v, gba_span_eq(GBA_SPAN(u->nonce.autn), GBA_SPAN(autn)), "the first nonce has another AUTN");
    /* A card long in use: every IND just below its highest. */
    gba_sqn_array array = {0};
    uint64_t seq = gba_sqn_seq(&gba_sqn_default, sqn_ms);
    for (unsigned i = 0; seq && i < 1u << gba_sqn_default.ind_bits; i++)
        array.seq[i] = seq - 1;
    gba_sqn_accept(&gba_sqn_default, &array, sqn_ms);
    gba_err e = gba_aka_card(&u->key, &gba_sqn_default, &array, rand, autn, false, &card);
    if (!vec_check(v, e == GBA_E_SYNC, "the card does not ask for resynchronisation"))
        return false;
    vec_check(v, vec_has(v, "auts"), "auts is missing");
    vec_expect_hex(v, "auts", GBA_SPAN(card.auts));
    if (!vec_ok(v, gba_auts_parse(u->x.a.auts, auts), "auts of the message") ||
        !vec_ok(v, gba_aka_auts_check(&u->key, rand, GBA_SPAN(auts), &got), "auts of the message"))
        return false;
    vec_expect_hex(v, "auts", GBA_SPAN(auts));
    return vec_check(v, got == sqn_ms, "sqn_ms differs") && expect_span(v, "cnonce_auts", u->x.a.cnonce) &&
           check_answer(v, &u->x, gba_str(""), digest_of(v, "response_auts"));
}

/* What the network sends and the card answers; both sides must come to the same. */
static bool run_aka(vec *v, ub *u, bool gba_u)
{
    gba_vector av;
    gba_card_answer card;
    gba_secret res, card_res;
    uint64_t sqn, before;
    uint8_t autn[16], plain[16];
    if (!read_usim(v, u) || !read_sqn(v, "sqn", &sqn) || !read_sqn(v, "usim_sqn_ms_before", &before) ||
        !vec_ok(v, gba_aka_vector(&u->key, u->rand, sqn, u->amf, &av), "the vector"))
        return false;
    memcpy(autn, av.autn, sizeof autn);
    res = av.xres;
    if (gba_u &&
        (!vec_ok(v, gba_u_autn(av.autn, &av.ik, autn), "AUTN*") || !vec_ok(v, gba_u_res(&av.xres, &res), "RES")))
        return false;
    memcpy(u->autn, autn, sizeof autn);
    memcpy(plain, autn, sizeof plain);
    if (gba_u && !vec_ok(v, gba_u_autn(autn, &av.ik, plain), "AUTN* back"))
        return false;
    gba_sqn_accept(&gba_sqn_default, &u->array, before);
    if (!vec_check(v, gba_sqn_ms(&gba_sqn_default, &u->array) == before, "usim_sqn_ms_before") ||
        !vec_ok(v, gba_aka_card(&u->key, &gba_sqn_default, &u->array, u->rand, plain, false, &card), "the card"))
        return false;
    card_res = card.res;
    if (gba_u && !vec_ok(v, gba_u_res(&card.res, &card_res), "the card's RES"))
        return false;
    vec_check(v, gba_secret_eq(&card_res, &res), "card and network have another RES");
    vec_check(v, gba_secret_eq(&card.ck, &av.ck) && gba_secret_eq(&card.ik, &av.ik), "card and network: CK, IK");
    vec_expect_secret(v, "ck", &card.ck);
    vec_expect_secret(v, "ik", &card.ik);
    u->password = card_res;
    return vec_ok(v, gba_ks(&card.ck, &card.ik, &u->ks), "Ks");
}

/* 2G GBA (TS 33.220 Annex I): AUTN is zero, Ks-input follows it. */
static bool run_2g(vec *v, ub *u)
{
    uint8_t kc[8], sres[4], ks_input[16];
    if (!vec_hex_exact(v, "kc", kc, 8) || !vec_hex_exact(v, "sres", sres, 4) ||
        !vec_hex_exact(v, "ks_input", ks_input, 16))
        return false;
    vec_expect_hex(v, "ks_input", gba_mem(u->nonce.server_data, u->nonce.n));
    return vec_ok(v, gba_2g(GBA_SPAN(kc), GBA_SPAN(sres), GBA_SPAN(u->rand), GBA_SPAN(ks_input), &u->password, &u->ks),
                  "2G key");
}

/* The document of the 200, and the names that follow from the bootstrap. */
static bool check_document(vec *v, ub *u, const message *m)
{
    gba_bootinfo info;
    gba_btid btid;
    gba_impi tmpi;
    gba_span type;
    char time[GBA_TIME_TEXT];
    if (!vec_check(v, find_field(m, "Content-Type", &type) && gba_span_ieq(type, gba_str(GBA_BOOTINFO_TYPE)),
                   "Content-Type") ||
        !expect_body(v, "body", m->body) || !vec_ok(v, gba_bootinfo_parse(m->body, &info), "bsf+xml") ||
        !vec_ok(v, gba_time_print(info.lifetime, time), "lifetime") ||
        !vec_ok(v, gba_btid_make(u->rand, &u->bsf, &btid), "B-TID") ||
        !vec_ok(v, gba_tmpi(&u->ks, u->rand, &u->impi, &u->bsf, &tmpi), "TMPI"))
        return false;
    vec_check(v, strcmp(info.btid.s, btid.s) == 0, "the document has another B-TID");
    vec_check(v, vec_has(v, "b_tid") && vec_has(v, "lifetime") && vec_has(v, "ks"), "b_tid, lifetime or ks is missing");
    vec_expect_text(v, "b_tid", btid.s);
    vec_expect_text(v, "lifetime", time);
    vec_expect_text(v, "tmpi", tmpi.s);
    vec_expect_secret(v, "ks", &u->ks);
    return true;
}

static void run_ub(vec *v)
{
    static ub u;
    static message last;
    gba_span mode;
    if (!read_ub(v, &u) || !vec_text(v, "mode", &mode) || !check_initial(v, &u))
        return;
    bool resync = gba_span_eq(mode, gba_str("resync")), is_2g = gba_span_eq(mode, gba_str("2g")),
         is_u = gba_span_eq(mode, gba_str("u"));
    size_t i = resync ? 3 : 1;
    if (!vec_check(v, resync || is_2g || is_u || gba_span_eq(mode, gba_str("me")), "mode is unknown") ||
        !vec_check(v, json_array_size(json_object_get(v->o, "messages")) == i + 3, "messages: another number"))
        return;
    if (resync && (!read_usim(v, &u) || !read_round(v, &u, 1) || !check_resync(v, &u)))
        return;
    if (!read_round(v, &u, i) || !(is_2g ? run_2g(v, &u) : run_aka(v, &u, is_u)))
        return;
    vec_expect_hex(v, "rand", GBA_SPAN(u.nonce.rand));
    vec_expect_hex(v, "autn", GBA_SPAN(u.nonce.autn));
    vec_check(v, gba_span_eq(GBA_SPAN(u.autn), GBA_SPAN(u.nonce.autn)), "the nonce has another AUTN");
    vec_check(v, is_2g || u.nonce.n == 0, "the nonce has server data");
    vec_check(v, !u.x.a.auts.p, "the answer has auts");
    vec_expect_secret(v, "password", &u.password);
    if (expect_span(v, "nonce", u.x.c.nonce) && expect_span(v, "opaque", u.x.c.opaque) &&
        expect_span(v, "cnonce", u.x.a.cnonce) &&
        check_answer(v, &u.x, gba_secret_span(&u.password), digest_of(v, "response")) &&
        read_message(v, i + 2, "bsf", &last) &&
        check_final(v, &u.x, &last, gba_secret_span(&u.password), digest_of(v, "rspauth")))
        check_document(v, &u, &last);
}

/* ---- Ua ---- */

/* The bootstrap a case stands on, if its family lies in the same folder. */
static void check_after(vec *v)
{
    static const char *const shared[] = {"ks", "rand", "impi", "b_tid"};
    char path[4096];
    gba_span after;
    if (!vec_text(v, "after", &after) ||
        snprintf(path, sizeof path, "%s/ub_transcripts.json", v->dir) >= (int)sizeof path)
        return;
    json_t *root = json_load_file(path, 0, NULL);
    const json_t *cases = json_object_get(root, "cases"), *o = NULL;
    for (size_t i = 0; !o && i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        if (gba_span_eq(after, gba_str(json_string_value(json_object_get(c, "id")))))
            o = c;
    }
    if (root && vec_check(v, o != NULL, "after: no such bootstrap"))
        for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
            vec_check(v, json_equal(json_object_get(v->o, shared[i]), json_object_get(o, shared[i])), shared[i]);
    json_decref(root);
}

typedef struct ua {
    gba_impi impi;
    gba_naf_id naf;
    bool uicc; /* Ks_int_NAF */
    gba_secret ks, ks_naf, password;
    uint8_t rand[16];
    exchange x;
    uint8_t body[4096];
} ua;

static bool read_naf(vec *v, ua *u)
{
    uint8_t id[GBA_NAF_ID_MAX], again[GBA_NAF_ID_MAX];
    gba_span octets;
    size_t n = sizeof again;
    if (!vec_hex(v, "naf_id", id, sizeof id, &octets) || !vec_ok(v, gba_naf_id_parse(octets, &u->naf), "naf_id"))
        return false;
    vec_check(v, vec_has(v, "naf_fqdn"), "naf_fqdn is missing");
    vec_expect_text(v, "naf_fqdn", u->naf.fqdn.s);
    return vec_ok(v, gba_naf_id_octets(&u->naf, again, &n), "naf_id") &&
           vec_check(v, gba_span_eq(octets, gba_mem(again, n)), "naf_id is printed differently");
}

/* The key, the password and the realm (TS 24.109 5.2). */
static bool make_key(vec *v, ua *u)
{
    gba_span impi, key, btid_text, password;
    gba_btid btid, made;
    gba_fqdn domain;
    char realm[TEXT_MAX];
    if (!vec_text(v, "impi", &impi) || !vec_ok(v, gba_impi_parse(impi, &u->impi), "impi") ||
        !vec_secret(v, "ks", &u->ks) || !vec_hex_exact(v, "rand", u->rand, 16) || !vec_text(v, "key", &key) ||
        !vec_text(v, "b_tid", &btid_text) || !vec_ok(v, gba_btid_parse(btid_text, &btid), "b_tid") ||
        !vec_ok(v, gba_btid_domain(&btid, &domain), "b_tid") ||
        !vec_ok(v, gba_btid_make(u->rand, &domain, &made), "b_tid") || !read_naf(v, u))
        return false;
    vec_expect_text(v, "b_tid", made.s);
    u->uicc = gba_span_eq(key, gba_str("ks_int_naf"));
    if (!vec_check(v, u->uicc || gba_span_eq(key, gba_str("ks_naf")) || gba_span_eq(key, gba_str("ks_ext_naf")),
                   "key is unknown") ||
        !vec_ok(
            v,
            gba_ks_naf(u->uicc ? GBA_KS_INT_NAF : GBA_KS_NAF, &u->ks, GBA_SPAN(u->rand), &u->impi, &u->naf, &u->ks_naf),
            "Ks_NAF") ||
        !vec_ok(v, gba_ua_password(&u->ks_naf, &u->password), "password") || !vec_text(v, "password", &password))
        return false;
    vec_expect_secret(v, "ks_naf", &u->ks_naf);
    vec_check(v, gba_span_eq(password, gba_secret_span(&u->password)), "password differs");
    snprintf(realm, sizeof realm, "3GPP-bootstrapping%s@%s", u->uicc ? "-uicc" : "", u->naf.fqdn.s);
    vec_check(v, vec_has(v, "realm"), "realm is missing");
    vec_expect_text(v, "realm", realm);
    return true;
}

static bool is_ua_request(vec *v, const ua *u, const message *m)
{
    gba_span agent;
    return is_request(v, m, gba_str(u->naf.fqdn.s)) && expect_body(v, "request_body", m->body) &&
           vec_check(v,
                     find_field(m, "User-Agent", &agent) &&
                         gba_product_token(agent, u->uicc ? "3gpp-gba-uicc" : "3gpp-gba"),
                     "User-Agent: product token");
}

static bool check_ua_round(vec *v, ua *u)
{
    static message first, challenge;
    exchange *x = &u->x;
    gba_span field, qop;
    if (!read_message(v, 0, "ue", &first) || !is_ua_request(v, u, &first) ||
        !vec_check(v, find_field(&first, "Authorization", &field) && !field.p, "the first request has Authorization") ||
        !read_message(v, 1, "naf", &challenge) || !read_challenge(v, &challenge, &x->c) ||
        !read_message(v, 2, "ue", &x->request) || !is_ua_request(v, u, &x->request) ||
        !read_authorization(v, &x->request, &x->a) || !vec_hex(v, "request_body", u->body, sizeof u->body, &x->body) ||
        !vec_text(v, "qop", &qop))
        return false;
    vec_check(v, gba_span_eq(first.words[0], x->request.words[0]) && gba_span_eq(first.words[1], x->request.words[1]),
              "the second request is another");
    vec_check(v, vec_has(v, "algorithm"), "algorithm is missing");
    vec_expect_text(v, "algorithm", gba_digest_alg_name(x->c.algorithm));
    vec_check(v,
              x->a.qop == (gba_span_eq(qop, gba_str("auth-int")) ? GBA_QOP_AUTH_INT : GBA_QOP_AUTH) &&
                  (gba_span_eq(qop, gba_str("auth")) || gba_span_eq(qop, gba_str("auth-int"))),
              "qop differs");
    return expect_span(v, "b_tid", x->a.username) && expect_span(v, "realm", x->c.realm) &&
           expect_span(v, "nonce", x->c.nonce) && expect_span(v, "opaque", x->c.opaque) &&
           expect_span(v, "cnonce", x->a.cnonce);
}

static const char *text_of(const vec *v, const char *name)
{
    return json_string_value(json_object_get(v->o, name));
}

static void run_ua(vec *v)
{
    static ua u;
    static message last;
    memset(&u, 0, sizeof u);
    check_after(v);
    if (!vec_check(v, json_array_size(json_object_get(v->o, "messages")) == 4, "messages: another number") ||
        !make_key(v, &u) || !check_ua_round(v, &u))
        return;
    gba_span password = gba_secret_span(&u.password);
    if (check_answer(v, &u.x, password, text_of(v, "response")) && read_message(v, 3, "naf", &last) &&
        expect_body(v, "response_body", last.body))
        check_final(v, &u.x, &last, password, text_of(v, "rspauth"));
}

const vec_family vec_http_families[] = {
    {"ub_transcripts", run_ub},
    {"ua_transcripts", run_ua},
    {NULL, NULL},
};
