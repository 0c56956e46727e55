/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - HTTP Digest access authentication (RFC 7616, RFC 2617) and Digest
 * AKA (RFC 3310, RFC 4169): all four roles. The server prints a challenge and
 * verifies an answer; the client parses the challenge and prints the answer; and
 * the two again for Authentication-Info.
 */
#ifndef GBA_DIGEST_H
#define GBA_DIGEST_H

#include <gba/gba.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GBA_DIGEST_HEADER_MAX 4096 /* a longer field value is RANGE */

typedef enum gba_digest_alg {
    GBA_DIGEST_UNKNOWN = 0,
    GBA_DIGEST_MD5,
    GBA_DIGEST_MD5_SESS,
    GBA_DIGEST_SHA256,
    GBA_DIGEST_SHA256_SESS,
    GBA_DIGEST_AKAV1_MD5,
    GBA_DIGEST_AKAV2_MD5,
    GBA_DIGEST_AKAV1_SHA256,
    GBA_DIGEST_AKAV2_SHA256,
} gba_digest_alg;
GBA_API const char *gba_digest_alg_name(gba_digest_alg a);
GBA_API gba_digest_alg gba_digest_alg_parse(gba_span name); /* case-insensitive; UNKNOWN */

/* qop as a set of bits */
#define GBA_QOP_NONE 0u /* RFC 2069: no qop at all */
#define GBA_QOP_AUTH 1u
#define GBA_QOP_AUTH_INT 2u
/* Set by the parsers when another qop than these stands there, so that it is not taken for
 * none. Cannot be printed or hashed. */
#define GBA_QOP_OTHER 4u

/* The spans of the three structures below point into `store` when a parser filled
 * them (so do not copy such a structure by assignment) and anywhere when a
 * printer reads them. An absent parameter has p == NULL. */

/* WWW-Authenticate: Digest ... (RFC 7616 3.3) */
typedef struct gba_challenge {
    gba_digest_alg algorithm; /* absent: MD5; one we do not know: UNKNOWN */
    unsigned qop;             /* offered */
    bool stale, userhash, charset_utf8;
    gba_span realm, nonce, opaque, domain;
    char store[GBA_DIGEST_HEADER_MAX];
} gba_challenge;

/* Authorization: Digest ... (RFC 7616 3.4, RFC 3310 3.3) */
typedef struct gba_authorization {
    gba_digest_alg algorithm;
    bool algorithm_given;
    unsigned qop; /* exactly one bit, or NONE */
    uint32_t nc;
    bool nc_given, userhash;
    gba_span username, realm, nonce, uri, cnonce, opaque, response, auts;
    char store[GBA_DIGEST_HEADER_MAX];
} gba_authorization;

/* Authentication-Info: ... (RFC 7615, RFC 7616 3.5) */
typedef struct gba_authinfo {
    unsigned qop;
    uint32_t nc;
    bool nc_given;
    gba_span rspauth, cnonce, nextnonce;
    char store[GBA_DIGEST_HEADER_MAX];
} gba_authinfo;

/* Printers write a field value and NUL. *n: in, room; out, length without NUL.
 * A value that cannot be quoted (control octets) is ARG. */
GBA_API gba_err gba_challenge_print(const gba_challenge *c, char *out, size_t *n) GBA_MUST_USE;
GBA_API gba_err gba_authorization_print(const gba_authorization *a, char *out, size_t *n) GBA_MUST_USE;
GBA_API gba_err gba_authinfo_print(const gba_authinfo *i, char *out, size_t *n) GBA_MUST_USE;

/* Parsers: case-insensitive scheme and names, blanks around '=' and ',', token or
 * quoted values, unknown parameters ignored; a parameter given twice, a missing
 * comma, an open quote, a control octet is SYNTAX; too long is RANGE.
 * The challenge parser takes the next Digest challenge from *rest and advances it
 * (a field may hold several, of several schemes); UNKNOWN when none is left. Without
 * realm or nonce it is SYNTAX; after any error *rest is empty. */
GBA_API gba_err gba_challenge_next(gba_span *rest, gba_challenge *out) GBA_MUST_USE;
/* Another scheme than Digest is UNSUPPORTED. Only the syntax is judged here. */
GBA_API gba_err gba_authorization_parse(gba_span value, gba_authorization *out) GBA_MUST_USE;
GBA_API gba_err gba_authinfo_parse(gba_span value, gba_authinfo *out) GBA_MUST_USE;

/* What the hash covers besides the header. */
typedef struct gba_digest_message {
    gba_span method;
    gba_span uri;  /* request-target as sent */
    gba_span body; /* for auth-int */
    /* or, for a streamed body, its hash under the algorithm's hash function: 32 or 64
     * hex digits; overrides body */
    const char *body_hash;
} gba_digest_message;
/* Incremental hash of a streamed body; opaque, no allocation. */
typedef struct gba_body_hash {
    uint64_t opaque[32];
} gba_body_hash;
GBA_API void gba_body_hash_begin(gba_body_hash *h, gba_digest_alg a);
GBA_API void gba_body_hash_add(gba_body_hash *h, gba_span part);
GBA_API void gba_body_hash_end(gba_body_hash *h, char hex[65]);

/* H(A1) in hex, of -sess with the nonces in it: a secret, as good as the password for this
 * realm. Wipe it. */
GBA_API gba_err gba_digest_ha1(const gba_authorization *a, gba_span password, char hex[65]) GBA_MUST_USE;
/* Fills `hex` (32 or 64 digits and NUL) with the response of a (its algorithm, qop,
 * nc, cnonce, nonce, uri, realm, username) under the password octets. */
GBA_API gba_err gba_digest_response(const gba_authorization *a, const gba_digest_message *m, gba_span password,
                                    char hex[65]) GBA_MUST_USE;
/* rspauth: A2 without the method (RFC 7616 3.5); m->body is the answer's body. */
GBA_API gba_err gba_digest_rspauth(const gba_authorization *a, const gba_digest_message *m, gba_span password,
                                   char hex[65]) GBA_MUST_USE;

/* What the server challenged with. */
typedef struct gba_digest_expect {
    gba_digest_alg algorithm;
    unsigned qop;         /* offered bits; the answer must choose one of them */
    gba_span realm;       /* NULL span: any (already checked) */
    gba_span nonce;       /* NULL span: already checked */
    gba_span opaque;      /* NULL span: none was sent or already checked */
    bool require_algorithm; /* an absent algorithm parameter is no AKA (RFC 3310) */
} gba_digest_expect;
/* The server's check, in constant time over the response. AUTH: response wrong.
 * FORBIDDEN: qop, algorithm, realm, opaque, uri or nc is not what was asked.
 * SYNTAX: a needed parameter is missing. STALE: another nonce. The response must be
 * lower-case hex of exactly the digest's length (LHEX, RFC 7616 3.4), else AUTH. */
GBA_API gba_err gba_digest_verify(const gba_authorization *a, const gba_digest_expect *e, const gba_digest_message *m,
                                  gba_span password) GBA_MUST_USE;
/* The client's check of Authentication-Info against what it sent. AUTH: wrong or
 * absent rspauth, cnonce, nc or qop. */
GBA_API gba_err gba_authinfo_verify(const gba_authinfo *i, const gba_authorization *sent, const gba_digest_message *m,
                                    gba_span password) GBA_MUST_USE;

/* AKAv2 password: base64(HMAC-MD5(RES||IK||CK, "http-digest-akav2-password")) (RFC 4169 3). */
GBA_API gba_err gba_akav2_password(const gba_secret *res, const gba_secret *ik, const gba_secret *ck,
                                   gba_secret *out) GBA_MUST_USE;

/* The AKA nonce: base64(RAND || AUTN || server data) (RFC 3310 3.2). */
#define GBA_AKA_SERVER_DATA_MAX 256
GBA_API gba_err gba_aka_nonce_print(const uint8_t rand[16], const uint8_t autn[16], gba_span server_data, char *out,
                                    size_t *n) GBA_MUST_USE;
typedef struct gba_aka_nonce {
    uint8_t rand[16], autn[16];
    size_t n;
    uint8_t server_data[GBA_AKA_SERVER_DATA_MAX];
} gba_aka_nonce;
GBA_API gba_err gba_aka_nonce_parse(gba_span nonce, gba_aka_nonce *out) GBA_MUST_USE;
/* auts parameter, blanks and line ends inside it dropped (field behaviour): 14 octets. */
GBA_API gba_err gba_auts_parse(gba_span text, uint8_t out[14]) GBA_MUST_USE;

/* Product tokens (TS 24.109 5.2.2): is `token` a whole token of a User-Agent or Server value? */
GBA_API bool gba_product_token(gba_span value, const char *token);

#ifdef __cplusplus
}
#endif
#endif
