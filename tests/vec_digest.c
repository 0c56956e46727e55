/* SPDX-License-Identifier: Apache-2.0 */
/* vec_digest.c - the vector families digest, aka_nonce and ub_digest_checks. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <gba/aka.h>
#include <gba/digest.h>
#include "check_vectors.h"

#define BODY_MAX 65536

/* ---- digest ---- */

typedef struct digest_case {
    gba_authorization a;
    gba_digest_message m;
    gba_secret password;
    uint8_t body[BODY_MAX];
} digest_case;

static bool read_optional(vec *v, const char *name, gba_span *out)
{
    return !vec_has(v, name) || vec_text(v, name, out);
}

/* qop, nc and cnonce are all there or all absent; nc goes through our parser. */
static bool read_use(vec *v, digest_case *c)
{
    static gba_authorization parsed;
    char field[64];
    gba_span qop, nc;
    if (!read_optional(v, "cnonce", &c->a.cnonce))
        return false;
    if (!vec_has(v, "qop"))
        return vec_check(v, !vec_has(v, "nc"), "nc without qop");
    if (!vec_text(v, "qop", &qop) || !vec_text(v, "nc", &nc))
        return false;
    snprintf(field, sizeof field, "Digest qop=%.*s, nc=%.*s", (int)qop.n, (const char *)qop.p, (int)nc.n,
             (const char *)nc.p);
    if (!vec_ok(v, gba_authorization_parse(gba_str(field), &parsed), "qop, nc"))
        return false;
    c->a.qop = parsed.qop;
    c->a.nc = parsed.nc;
    c->a.nc_given = true;
    return vec_check(v, parsed.qop == GBA_QOP_AUTH || parsed.qop == GBA_QOP_AUTH_INT, "qop is unknown");
}

static bool read_digest(vec *v, digest_case *c)
{
    gba_span algorithm;
    memset(c, 0, sizeof *c);
    if (!vec_text(v, "algorithm", &algorithm) || !vec_text(v, "username", &c->a.username) ||
        !vec_text(v, "realm", &c->a.realm) || !vec_text(v, "nonce", &c->a.nonce) || !vec_text(v, "uri", &c->a.uri) ||
        !vec_text(v, "method", &c->m.method) || !vec_secret(v, "password", &c->password) ||
        !vec_hex(v, "entity_body", c->body, sizeof c->body, &c->m.body) || !read_use(v, c))
        return false;
    c->a.algorithm = gba_digest_alg_parse(algorithm);
    c->a.algorithm_given = true;
    c->m.uri = c->a.uri;
    /* RFC 4169 3: an AKAv2 password is a base64 text of 16 octets, or empty with auts. */
    uint8_t mac[16];
    size_t n = sizeof mac;
    bool akav2 = c->a.algorithm == GBA_DIGEST_AKAV2_MD5 || c->a.algorithm == GBA_DIGEST_AKAV2_SHA256;
    if (akav2 && c->password.n)
        vec_ok(v, gba_b64_decode(gba_secret_span(&c->password), mac, &n), "password of AKAv2");
    return vec_check(v, c->a.algorithm != GBA_DIGEST_UNKNOWN, "algorithm is unknown");
}

/* What we print, we parse and accept; and one bit more is refused. */
static void check_roles(vec *v, digest_case *c, char *response)
{
    static gba_authorization parsed;
    char field[GBA_DIGEST_HEADER_MAX + 1];
    size_t n = sizeof field;
    gba_digest_expect x = {.algorithm = c->a.algorithm,
                           .qop = c->a.qop,
                           .realm = c->a.realm,
                           .nonce = c->a.nonce,
                           .require_algorithm = true};
    gba_span password = gba_secret_span(&c->password);
    for (unsigned bad = 0; bad < 2; bad++) {
        response[0] = (char)(response[0] ^ (bad ? 1 : 0));
        c->a.response = gba_str(response);
        n = sizeof field;
        if (!vec_ok(v, gba_authorization_print(&c->a, field, &n), "print") ||
            !vec_ok(v, gba_authorization_parse(gba_mem(field, n), &parsed), "parse"))
            return;
        gba_err e = gba_digest_verify(&parsed, &x, &c->m, password);
        vec_check(v, e == (bad ? GBA_E_AUTH : GBA_OK), bad ? "a wrong response is accepted" : "response is refused");
    }
}

/* The same with the body in two parts. */
static void check_streamed(vec *v, digest_case *c, const char *response)
{
    gba_body_hash h;
    char hash[65], got[65];
    gba_digest_message m = c->m;
    size_t half = m.body.n / 2;
    gba_body_hash_begin(&h, c->a.algorithm);
    gba_body_hash_add(&h, gba_mem(c->body, half));
    gba_body_hash_add(&h, gba_mem(c->body + half, m.body.n - half));
    gba_body_hash_end(&h, hash);
    m.body = (gba_span){0};
    m.body_hash = hash;
    if (vec_ok(v, gba_digest_response(&c->a, &m, gba_secret_span(&c->password), got), "streamed body"))
        vec_check(v, strcmp(got, response) == 0, "a streamed body gives another response");
}

static void run_digest(vec *v)
{
    static digest_case c;
    char ha1[65], response[65], rspauth[65];
    if (!read_digest(v, &c))
        return;
    gba_span password = gba_secret_span(&c.password);
    if (!vec_ok(v, gba_digest_ha1(&c.a, password, ha1), "H(A1)") ||
        !vec_ok(v, gba_digest_response(&c.a, &c.m, password, response), "response") ||
        !vec_ok(v, gba_digest_rspauth(&c.a, &c.m, password, rspauth), "rspauth"))
        return;
    vec_expect_text(v, "ha1", ha1);
    vec_check(v, vec_has(v, "response"), "response is missing");
    vec_expect_text(v, "response", response);
    vec_expect_text(v, "rspauth_same_body", rspauth);
    check_streamed(v, &c, response);
    check_roles(v, &c, response);
}

/* ---- aka_nonce ---- */

static bool read_verdict(vec *v, const char *const *names, size_t n, size_t *verdict)
{
    gba_span text;
    if (!vec_text(v, "expect", &text))
        return false;
    for (*verdict = 0; *verdict < n; (*verdict)++)
        if (gba_span_eq(text, gba_str(names[*verdict])))
            return true;
    return vec_check(v, false, "expect: unknown verdict");
}

static void run_aka_nonce(vec *v)
{
    static const char *const verdicts[] = {"ok", "reject"};
    gba_aka_nonce got;
    gba_span nonce;
    size_t want;
    char again[GBA_B64_LEN(32 + GBA_AKA_SERVER_DATA_MAX) + 1];
    size_t n = sizeof again;
    if (!vec_text(v, "nonce", &nonce) || !read_verdict(v, verdicts, 2, &want))
        return;
    gba_err e = gba_aka_nonce_parse(nonce, &got);
    if (!vec_check(v, (e == GBA_OK) == (want == 0), e ? "is rejected" : "is not rejected") || e)
        return;
    vec_check(v, vec_has(v, "rand") && vec_has(v, "autn") && vec_has(v, "server_data"), "a value is missing");
    vec_expect_hex(v, "rand", GBA_SPAN(got.rand));
    vec_expect_hex(v, "autn", GBA_SPAN(got.autn));
    vec_expect_hex(v, "server_data", gba_mem(got.server_data, got.n));
    if (vec_ok(v, gba_aka_nonce_print(got.rand, got.autn, gba_mem(got.server_data, got.n), again, &n), "print"))
        vec_check(v, gba_span_eq(nonce, gba_mem(again, n)), "is printed differently");
}

/* ---- ub_digest_checks ---- */

/* A resynchronisation needs MAC-S checked, and so K. What the BSF remembers has none: its
 * vector source looks it up. Here the subscriber is looked for, by RAND and XRES, among the
 * other families of the same folder and then among the published test sets. */
static const struct {
    const char *k, *opc;
} published[] = {
    /* TS 35.208 4.3 */
    {"465b5ce8b199b49faa5f0a2ee238a6bc", "cd63cb71954a9f4e48a5994e37a02baf"},
    {"fec86ba6eb707ed08905757b1bb44b8f", "1006020f0a478bf6b699f15c062e42b3"},
    {"9e5944aea94b81165c82fbf9f32db751", "a64a507ae1a2a98bb88eb4210135dc87"},
    {"4ab1deb05ca6ceb051fc98e77d026a84", "dcf07cbd51855290b92a07a9891e523e"},
    {"6c38a116ac280c454f59332ee35c8c4f", "3803ef5363b947c6aaa225e58fae3934"},
};

typedef struct subscriber {
    uint8_t rand[16];
    gba_secret xres;
    gba_aka_key key;
} subscriber;

static bool is_subscriber(subscriber *s, const char *k, const char *opc)
{
    static const uint8_t zero[6];
    gba_aka_f f;
    s->key = (gba_aka_key){.algorithm = GBA_MILENAGE};
    s->key.k.n = s->key.opc.n = GBA_SECRET_MAX;
    if (!k || !opc || gba_hex_decode(gba_str(k), s->key.k.o, &s->key.k.n) ||
        gba_hex_decode(gba_str(opc), s->key.opc.o, &s->key.opc.n) || gba_aka_key_check(&s->key))
        return false;
    return gba_aka_functions(&s->key, s->rand, zero, zero, &f) == GBA_OK && gba_secret_eq(&f.res, &s->xres);
}

static bool is_in(subscriber *s, const json_t *o)
{
    return is_subscriber(s, json_string_value(json_object_get(o, "k")), json_string_value(json_object_get(o, "opc")));
}

static bool is_in_file(subscriber *s, const char *path)
{
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, NULL);
    const json_t *cases = json_object_get(root, "cases");
    bool found = false;
    for (size_t i = 0; !found && i < json_array_size(cases); i++)
        found = is_in(s, json_array_get(cases, i));
    json_decref(root);
    return found;
}

static bool find_subscriber(const vec *v, const json_t *server, subscriber *s)
{
    char path[4096];
    if (is_in(s, server) || is_in(s, v->o))
        return true;
    DIR *d = opendir(v->dir);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n > 5 && strcmp(e->d_name + n - 5, ".json") == 0 &&
            snprintf(path, sizeof path, "%s/%s", v->dir, e->d_name) < (int)sizeof path)
            found = is_in_file(s, path);
    }
    if (d)
        closedir(d);
    for (size_t i = 0; !found && i < sizeof published / sizeof *published; i++)
        found = is_subscriber(s, published[i].k, published[i].opc);
    return found;
}

typedef struct ub_check {
    gba_authorization a;
    gba_challenge c; /* what the server sent, through our parser */
    gba_digest_message m;
    gba_digest_expect x;
    gba_span impi;
    subscriber s;
    uint8_t body[BODY_MAX];
} ub_check;

enum { ACCEPT, REJECT, RESYNC };

static bool read_server(vec *v, ub_check *u)
{
    char field[GBA_DIGEST_HEADER_MAX];
    gba_span realm, nonce, opaque, qop, algorithm;
    gba_aka_nonce aka;
    if (!vec_text(v, "realm", &realm) || !vec_text(v, "nonce", &nonce) || !vec_text(v, "opaque", &opaque) ||
        !vec_text(v, "qop_offered", &qop) || !vec_text(v, "algorithm", &algorithm) || !vec_text(v, "impi", &u->impi) ||
        !vec_secret(v, "xres", &u->s.xres) || !vec_hex_exact(v, "rand", u->s.rand, 16))
        return false;
    int n =
        snprintf(field, sizeof field,
                 "Digest realm=\"%.*s\", nonce=\"%.*s\", opaque=\"%.*s\", qop=\"%.*s\", "
                 "algorithm=\"%.*s\"",
                 (int)realm.n, (const char *)realm.p, (int)nonce.n, (const char *)nonce.p, (int)opaque.n,
                 (const char *)opaque.p, (int)qop.n, (const char *)qop.p, (int)algorithm.n, (const char *)algorithm.p);
    gba_span rest = gba_mem(field, (size_t)n < sizeof field ? (size_t)n : 0);
    if (!vec_ok(v, gba_challenge_next(&rest, &u->c), "the server's challenge"))
        return false;
    u->x = (gba_digest_expect){.algorithm = u->c.algorithm,
                               .qop = u->c.qop,
                               .realm = u->c.realm,
                               .nonce = u->c.nonce,
                               .opaque = u->c.opaque,
                               .require_algorithm = true};
    return vec_ok(v, gba_aka_nonce_parse(nonce, &aka), "the server's nonce") &&
           vec_check(v, gba_span_eq(GBA_SPAN(aka.rand), GBA_SPAN(u->s.rand)), "the server's nonce has another RAND");
}

/* The verdict on an answer that carries auts: never acceptance (RFC 3310 3.4). */
static int judge_auts(vec *v, ub_check *u, const json_t *server)
{
    uint8_t auts[14];
    uint64_t sqn_ms;
    if (gba_auts_parse(u->a.auts, auts) || gba_digest_verify(&u->a, &u->x, &u->m, gba_str("")))
        return REJECT;
    if (!find_subscriber(v, server, &u->s)) {
        vec_fail(v, "no key for this RAND and XRES: MAC-S cannot be checked");
        return REJECT;
    }
    return gba_aka_auts_check(&u->s.key, u->s.rand, GBA_SPAN(auts), &sqn_ms) ? REJECT : RESYNC;
}

static int judge(vec *v, ub_check *u, gba_span authorization, const json_t *server)
{
    if (gba_authorization_parse(authorization, &u->a) || !u->a.username.p || !gba_span_eq(u->a.username, u->impi))
        return REJECT;
    if (u->a.auts.p)
        return judge_auts(v, u, server);
    return gba_digest_verify(&u->a, &u->x, &u->m, gba_secret_span(&u->s.xres)) ? REJECT : ACCEPT;
}

static void run_ub_digest_check(vec *v)
{
    static const char *const verdicts[] = {"accept", "reject", "resync"};
    static ub_check u;
    const json_t *whole = v->o, *server = json_object_get(whole, "server");
    gba_span authorization;
    size_t want;
    memset(&u, 0, sizeof u);
    if (!vec_text(v, "request_method", &u.m.method) || !vec_text(v, "request_uri", &u.m.uri) ||
        !vec_text(v, "authorization", &authorization) || !read_verdict(v, verdicts, 3, &want) ||
        !vec_hex(v, "request_body", u.body, sizeof u.body, &u.m.body))
        return;
    v->o = server;
    bool ok = read_server(v, &u);
    v->o = whole;
    if (!ok)
        return;
    int got = judge(v, &u, authorization, server);
    v->compared++;
    if (got != (int)want)
        vec_fail(v, "the verdict is %s", verdicts[got]);
}

const vec_family vec_digest_families[] = {
    {"digest", run_digest},
    {"aka_nonce", run_aka_nonce},
    {"ub_digest_checks", run_ub_digest_check},
    {NULL, NULL},
};
