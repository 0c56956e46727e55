/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.c - the hashes of HTTP Digest and the two checks made with them
 * (RFC 7616 3.4, RFC 2617 3.2.2, RFC 3310 3.3): the maker of a response beside
 * its verifier, the maker of rspauth beside its own.
 */
#include <string.h>

#include "libgba/crypt.h"
#include "libgba/digest_field.h"

#define HEX_ROOM 65

static crypt_hash_id hash_of(gba_digest_alg a)
{
    switch (a) {
    case GBA_DIGEST_SHA256:
    case GBA_DIGEST_SHA256_SESS:
    case GBA_DIGEST_AKAV1_SHA256:
    case GBA_DIGEST_AKAV2_SHA256:
        return CRYPT_SHA256;
    default:
        return CRYPT_MD5;
    }
}

static size_t hex_len(gba_digest_alg a)
{
    return hash_of(a) == CRYPT_SHA256 ? 64 : 32;
}

static bool is_sess(gba_digest_alg a)
{
    return a == GBA_DIGEST_MD5_SESS || a == GBA_DIGEST_SHA256_SESS;
}

/* ---- H(), over parts ---- */

static void end_hex(crypt_hash *h, char hex[HEX_ROOM])
{
    uint8_t out[32];
    gba_hex_encode(out, crypt_hash_end(h, out), hex);
    gba_wipe(out, sizeof(out));
    gba_wipe(h, sizeof(*h));
}

/* H(part ":" part ":" ...) in hex. */
static void hash_joined(gba_digest_alg a, const gba_span *parts, size_t n, char hex[HEX_ROOM])
{
    crypt_hash h;
    crypt_hash_begin(&h, hash_of(a));
    for (size_t i = 0; i < n; i++) {
        if (i)
            crypt_hash_add(&h, gba_str(":"));
        crypt_hash_add(&h, parts[i]);
    }
    end_hex(&h, hex);
}

_Static_assert(sizeof(gba_body_hash) >= sizeof(crypt_hash), "gba_body_hash holds a crypt_hash");

void gba_body_hash_begin(gba_body_hash *h, gba_digest_alg a)
{
    crypt_hash_begin((crypt_hash *)h->opaque, hash_of(a));
}

void gba_body_hash_add(gba_body_hash *h, gba_span part)
{
    crypt_hash_add((crypt_hash *)h->opaque, part);
}

void gba_body_hash_end(gba_body_hash *h, char hex[65])
{
    end_hex((crypt_hash *)h->opaque, hex);
}

/* ---- A1, A2 and the response ---- */

gba_err gba_digest_ha1(const gba_authorization *a, gba_span password, char hex[65])
{
    hex[0] = 0;
    if (a->algorithm == GBA_DIGEST_UNKNOWN || a->userhash) /* userhash: A1 wants the name, not its hash */
        return GBA_E_UNSUPPORTED;
    if (!a->username.p || !a->realm.p || !a->nonce.p || (is_sess(a->algorithm) && !a->cnonce.p))
        return GBA_E_ARG;
    hash_joined(a->algorithm, (const gba_span[]){a->username, a->realm, password}, 3, hex);
    if (is_sess(a->algorithm)) {
        char base[HEX_ROOM];
        memcpy(base, hex, sizeof(base));
        hash_joined(a->algorithm, (const gba_span[]){gba_str(base), a->nonce, a->cnonce}, 3, hex);
        gba_wipe(base, sizeof(base));
    }
    return GBA_OK;
}

static gba_err body_hash(gba_digest_alg a, const gba_digest_message *m, char hex[HEX_ROOM])
{
    if (!m->body_hash) {
        hash_joined(a, &m->body, 1, hex);
        return GBA_OK;
    }
    size_t n = hex_len(a);
    if (strnlen(m->body_hash, HEX_ROOM) != n)
        return GBA_E_ARG;
    memcpy(hex, m->body_hash, n + 1);
    return GBA_OK;
}

/* RFC 7616 3.4.3; in an answer 3.5 leaves the method empty. */
static gba_err make_ha2(const gba_authorization *a, gba_span method, const gba_digest_message *m, char hex[HEX_ROOM])
{
    char body[HEX_ROOM];
    gba_span parts[3] = {method, a->uri};
    size_t n = 2;
    if (a->qop == GBA_QOP_AUTH_INT) {
        gba_err e = body_hash(a->algorithm, m, body);
        if (e)
            return e;
        parts[n++] = gba_str(body);
    }
    hash_joined(a->algorithm, parts, n, hex);
    return GBA_OK;
}

/* KD (RFC 7616 3.4.1; without qop RFC 2617 3.2.2.1) */
static gba_err respond(const gba_authorization *a, gba_span method, const gba_digest_message *m, gba_span password,
                       char hex[HEX_ROOM])
{
    char ha1[HEX_ROOM], ha2[HEX_ROOM], nc[9];
    hex[0] = 0;
    if (a->qop != GBA_QOP_NONE && !digest_qop_name(a->qop))
        return GBA_E_UNSUPPORTED;
    if (!a->uri.p || (a->qop != GBA_QOP_NONE && (!a->nc_given || !a->cnonce.p)))
        return GBA_E_ARG;
    gba_err e = make_ha2(a, method, m, ha2);
    if (!e)
        e = gba_digest_ha1(a, password, ha1);
    if (e)
        return e;
    if (a->qop == GBA_QOP_NONE) {
        hash_joined(a->algorithm, (const gba_span[]){gba_str(ha1), a->nonce, gba_str(ha2)}, 3, hex);
    } else {
        digest_nc_text(a->nc, nc);
        hash_joined(a->algorithm,
                    (const gba_span[]){gba_str(ha1), a->nonce, gba_str(nc), a->cnonce, gba_str(digest_qop_name(a->qop)),
                                       gba_str(ha2)},
                    6, hex);
    }
    gba_wipe(ha1, sizeof(ha1));
    return GBA_OK;
}

gba_err gba_digest_response(const gba_authorization *a, const gba_digest_message *m, gba_span password, char hex[65])
{
    return respond(a, m->method, m, password, hex);
}

gba_err gba_digest_rspauth(const gba_authorization *a, const gba_digest_message *m, gba_span password, char hex[65])
{
    return respond(a, gba_str(""), m, password, hex);
}

/* ---- the server's check ---- */

/* LHEX of exactly the digest's length: an upper-case response is a wrong one. */
static bool same_hex(gba_span given, const char *hex)
{
    size_t n = strlen(hex);
    return given.n == n && gba_equal_ct(given.p, hex, n);
}

static bool asked(gba_span want, gba_span got)
{
    return !want.p || (got.p && gba_span_eq(want, got));
}

static gba_err check_complete(const gba_authorization *a)
{
    if (!a->username.p || !a->realm.p || !a->nonce.p || !a->uri.p || !a->response.p)
        return GBA_E_SYNTAX;
    if (a->qop != GBA_QOP_NONE && (!a->nc_given || !a->cnonce.p))
        return GBA_E_SYNTAX;
    return is_sess(a->algorithm) && !a->cnonce.p ? GBA_E_SYNTAX : GBA_OK;
}

static gba_err check_asked(const gba_authorization *a, const gba_digest_expect *e, const gba_digest_message *m)
{
    if (a->algorithm != e->algorithm || (e->require_algorithm && !a->algorithm_given) || a->userhash)
        return GBA_E_FORBIDDEN;
    /* Offered qop is a set, the answer one of it; none at all only if none was offered. */
    if (e->qop == GBA_QOP_NONE ? a->qop != GBA_QOP_NONE : !digest_qop_name(a->qop) || !(a->qop & e->qop))
        return GBA_E_FORBIDDEN;
    if (!asked(e->realm, a->realm) || !gba_span_eq(m->uri, a->uri))
        return GBA_E_FORBIDDEN;
    if (a->qop != GBA_QOP_NONE && a->nc == 0) /* the first is 00000001 (RFC 7616 3.4) */
        return GBA_E_FORBIDDEN;
    /* Before opaque: an answer to an older challenge has both of the older one. */
    if (!asked(e->nonce, a->nonce))
        return GBA_E_STALE;
    return asked(e->opaque, a->opaque) ? GBA_OK : GBA_E_FORBIDDEN;
}

gba_err gba_digest_verify(const gba_authorization *a, const gba_digest_expect *e, const gba_digest_message *m,
                          gba_span password)
{
    char hex[HEX_ROOM];
    gba_err err = check_complete(a);
    if (!err)
        err = check_asked(a, e, m);
    if (!err)
        err = gba_digest_response(a, m, password, hex);
    if (!err && !same_hex(a->response, hex))
        err = GBA_E_AUTH;
    return err;
}

/* ---- the client's check ---- */

gba_err gba_authinfo_verify(const gba_authinfo *i, const gba_authorization *sent, const gba_digest_message *m,
                            gba_span password)
{
    char hex[HEX_ROOM];
    if (!i->rspauth.p || i->qop != sent->qop)
        return GBA_E_AUTH;
    if (sent->qop != GBA_QOP_NONE &&
        (!i->nc_given || i->nc != sent->nc || !i->cnonce.p || !gba_span_eq(i->cnonce, sent->cnonce)))
        return GBA_E_AUTH;
    gba_err e = gba_digest_rspauth(sent, m, password, hex);
    if (e)
        return e;
    return same_hex(i->rspauth, hex) ? GBA_OK : GBA_E_AUTH;
}
