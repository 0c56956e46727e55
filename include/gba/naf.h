/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf.h - the network application function as a library (TS 33.220 4.5.3, TS 33.222,
 * TS 24.109 clause 5): checks HTTP Digest on Ua and answers PSK identities.
 *
 * It opens no socket, starts no thread, reads no clock and calls nobody back. A check says
 * OK, REFUSE (send this) or WAIT (fetch this key by any key source, let the object learn the
 * outcome, check again). All functions may be called from any thread at once.
 */
#ifndef GBA_NAF_H
#define GBA_NAF_H

#include <gba/digest.h>
#include <gba/gba.h>
#include <gba/guss.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GBA_NAF_ALGORITHMS 4
#define GBA_NAF_FQDNS 256
#define GBA_NAF_BSFS 64

typedef struct gba_naf gba_naf;
/* All strings are copied. Zero or NULL means the default in brackets. */
typedef struct gba_naf_config {
    const char *const *fqdns; /* the names UEs use for this NAF; at least one */
    size_t n_fqdns;
    const char *const *bsfs; /* domains of the BSFs whose B-TIDs are accepted; at least one */
    size_t n_bsfs;
    /* Each is offered in a WWW-Authenticate field of its own, in this order [SHA-256, MD5]. */
    gba_digest_alg algorithms[GBA_NAF_ALGORITHMS];
    size_t n_algorithms;
    unsigned qop;               /* GBA_QOP_* bits offered [auth and auth-int] */
    bool require_product_token; /* no challenge (403) without 3gpp-gba in User-Agent */
    bool no_intended_identity;  /* ignore X-3GPP-Intended-Identity */
    bool nextnonce_always;      /* each Authentication-Info names the next nonce, not only when the nonce ages: for
                                   UEs that begin nc at 1 with each request. A nonce a request: mind nonces_max */
    int64_t nonce_lifetime;     /* seconds [300] */
    /* MAC key of nonces, 32 octets [drawn]. Instances with one key recognise each other's
     * nonces and answer stale=true; each accepts only its own, since only it knows their nc. */
    gba_span nonce_key;
    size_t keys_max;            /* cached keys [100000] */
    size_t nonces_max;          /* nonces whose nc is remembered [65536] */
    int64_t unknown_ttl;        /* seconds an unknown or forbidden B-TID is remembered [30] */
    size_t unknown_max;         /* remembered unknown B-TIDs, fixed size [16384] */
    unsigned unknown_per_source; /* failed and running key queries a source may cause in a minute [128] */
    int64_t retry_after;        /* seconds, in a 503 [5] */
} gba_naf_config;
/* ARG: a setting; NOMEM; IO: no random octets. *why (a constant text; may be NULL) says which. */
GBA_API gba_err gba_naf_new(const gba_naf_config *c, gba_naf **out, const char **why) GBA_MUST_USE;
GBA_API void gba_naf_free(gba_naf **naf); /* after the last check, and the last result is cleared */

/* ---- what is known about the peer ---- */
typedef enum gba_type { GBA_TYPE_3G = 0, GBA_TYPE_2G, GBA_TYPE_DIGEST } gba_type;

typedef struct gba_naf_identity {
    gba_btid btid;
    gba_naf_id naf;
    gba_impi impi;                 /* empty: the BSF did not tell */
    gba_type type;
    int64_t expires, bootstrapped; /* Unix seconds; bootstrapped 0: not told */
    const gba_uss *uss;
    size_t n_uss;
} gba_naf_identity;
/* What X-3GPP-Asserted-Identity says: the first public identity, else the IMPI, else the B-TID. */
GBA_API const char *gba_naf_asserted(const gba_naf_identity *id);

/* ---- the key query (Zn) and its outcome ---- */
typedef struct gba_naf_query {
    gba_btid btid;
    gba_naf_id naf;
    size_t bsf;         /* index into config.bsfs */
    const char *domain; /* its name; lives as long as the gba_naf */
    uint8_t source[16];
} gba_naf_query;
typedef struct gba_naf_keys {
    gba_secret me;   /* Ks_NAF or Ks_ext_NAF, 32 octets */
    gba_secret uicc; /* Ks_int_NAF; n == 0: none */
    int64_t expires, bootstrapped;
    gba_impi impi;
    gba_type type;
    gba_uss *uss; /* malloc'ed, owned */
    size_t n_uss;
} gba_naf_keys;
GBA_API void gba_naf_keys_clear(gba_naf_keys *k); /* wipes and frees what it holds */
/* outcome OK: keys are copied, unless one of the settings has GBA_KEY_UICC: then there is no key for this B-TID
 * (TS 33.220 5.3.3), which is remembered for a while. UNKNOWN and EXPIRED: no such B-TID; FORBIDDEN: the BSF refuses
 * this NAF (both remembered for a while); anything else: the BSF could not be asked, nothing
 * is remembered. Must be called once for each WAIT. */
GBA_API void gba_naf_learn(gba_naf *naf, const gba_naf_query *q, gba_err outcome, const gba_naf_keys *keys,
                           int64_t now);
/* Forget a B-TID's keys, on every NAF_Id of this NAF. */
GBA_API void gba_naf_forget(gba_naf *naf, const gba_btid *btid);
/* Wipes expired keys now, which otherwise happens when they are asked for or evicted; call it now and then. */
GBA_API void gba_naf_sweep(gba_naf *naf, int64_t now);
/* A blocking key source, such as gba_naf_zn_http_fetch. */
typedef gba_err gba_naf_source(void *ctx, const gba_naf_query *q, gba_naf_keys *out);

/* ---- the check ---- */
typedef struct gba_naf_request {
    gba_span method, target; /* as on the request line */
    gba_span host;           /* Host value, with or without port */
    gba_span body;           /* whole, for auth-int */
    const char *body_hash;   /* or its hash, see gba_digest_message */
    const gba_span *authorization; /* each Authorization value */
    size_t n_authorization;
    gba_span user_agent;
    gba_span intended_identity; /* X-3GPP-Intended-Identity, p == NULL: absent */
    gba_transport transport;
    uint16_t suite;     /* negotiated TLS suite */
    uint8_t source[16]; /* whom limits count, for instance the address; all zero: exempt */
    int64_t now;        /* Unix seconds */
    /* The outcome of the query that the same request waited for, when it could not be asked. */
    gba_err fetched;
} gba_naf_request;

typedef enum gba_naf_verdict { GBA_NAF_OK = 1, GBA_NAF_REFUSE, GBA_NAF_WAIT } gba_naf_verdict;
/* Why, for logs and metrics. */
typedef enum gba_naf_why {
    GBA_NAF_WHY_OK = 0,
    GBA_NAF_WHY_CHALLENGE,    /* 401: no credentials yet */
    GBA_NAF_WHY_NO_TOKEN,     /* 403: no GBA product token, and one is required */
    GBA_NAF_WHY_MALFORMED,    /* 400 */
    GBA_NAF_WHY_HOST,         /* 421: not a name of this NAF */
    GBA_NAF_WHY_MISMATCH,     /* 401: realm, algorithm or qop is not what was asked for */
    GBA_NAF_WHY_WRONG_DIGEST, /* 401 */
    GBA_NAF_WHY_STALE,        /* 401 stale: an old nonce, or none of ours */
    GBA_NAF_WHY_REPLAY,       /* 401 stale: the nonce count was used */
    GBA_NAF_WHY_UNKNOWN_BTID, /* 401: unknown to its BSF, or expired: bootstrap again */
    GBA_NAF_WHY_FOREIGN_BSF,  /* 401: a B-TID of no configured BSF */
    GBA_NAF_WHY_FORBIDDEN,    /* 403: the BSF does not give this NAF the key */
    GBA_NAF_WHY_IDENTITY,     /* 403: the intended identity is not this user's */
    GBA_NAF_WHY_LIMITED,      /* 503: this source caused too many failing queries */
    GBA_NAF_WHY_UNREACHABLE,  /* 503: the BSF cannot be asked now */
    GBA_NAF_WHY_NOT_GBA,      /* PSK: the identity is none of GBA's */
    GBA_NAF_WHY_KEY_CHOICE,   /* 403: a user security setting wants the key of the UICC */
    GBA_NAF_WHYS
} gba_naf_why;
GBA_API const char *gba_naf_why_name(gba_naf_why w); /* "ok", "challenge", "wrong_digest", ... */

typedef struct gba_naf_field {
    const char *name, *value;
} gba_naf_field;
#define GBA_NAF_TEXT (GBA_NAF_ALGORITHMS * 640)
typedef struct gba_naf_result {
    gba_naf_verdict verdict;
    gba_naf_why why;
    const char *detail; /* MALFORMED, MISMATCH: what of it, a constant text; else NULL */
    /* OK: valid until gba_naf_result_clear */
    const gba_naf_identity *identity;
    /* REFUSE */
    unsigned status;
    size_t n_fields;
    gba_naf_field fields[GBA_NAF_ALGORITHMS + 1];
    gba_btid btid; /* the one that was claimed, for the log; empty: none */
    /* WAIT */
    gba_naf_query query;
    /* PSK only: the key of an OK */
    gba_secret psk;
    /* the library's own */
    void *key;
    bool renew;
    uint8_t fqdn;
    gba_authorization authorization;
    char text[GBA_NAF_TEXT];
} gba_naf_result;
/* Writes *out wholly, whatever it was, as every call with a result does: what an OK holds (key, identity) is
 * lost unless it was cleared. Clear an OK result when it has been answered. */
GBA_API void gba_naf_check(gba_naf *naf, const gba_naf_request *r, gba_naf_result *out);
GBA_API void gba_naf_result_clear(gba_naf_result *r);
/* The whole loop: check, source, learn, check. Never leaves WAIT. */
GBA_API void gba_naf_check_blocking(gba_naf *naf, const gba_naf_request *r, gba_naf_source *source, void *ctx,
                                    gba_naf_result *out);
/* The Authentication-Info value for the answer to an OK request (RFC 7615, TS 24.109 5.2): rspauth
 * over the answer's body when the request was under auth-int, over none under auth; body p == NULL
 * under auth-int: too large to hash, so qop=auth. *n: in, room; out, length. ARG: no OK result, or one of
 * gba_naf_psk, whose answer carries no such field. */
GBA_API gba_err gba_naf_answer(gba_naf *naf, const gba_naf_result *r, gba_span body, int64_t now, char *out,
                               size_t *n) GBA_MUST_USE;
/* Was the OK request under auth-int, so that its answer's body is wanted? */
GBA_API bool gba_naf_wants_body(const gba_naf_result *r);

/* ---- TLS-PSK (TS 33.222 5.4) ---- */
typedef struct gba_naf_psk_request {
    gba_span identity;  /* "3GPP-bootstrapping;B-TID" */
    gba_span fqdn;      /* SNI; empty: the first of config.fqdns */
    gba_transport transport; /* GBA_TLS12 or GBA_TLS13 */
    uint16_t suite;     /* of TLS 1.2 */
    uint8_t source[16];
    int64_t now;
    gba_err fetched;
    /* For each HTTP request on that session; p == NULL, as in the handshake: not looked at. */
    gba_span host;              /* must be the session's FQDN, with or without port */
    gba_span intended_identity; /* as in gba_naf_request */
} gba_naf_psk_request;
/* OK: out->psk is the key, 32 octets, and out->identity tells whose; REFUSE: no such key, or not for
 * this request (out->why and status; there are no fields but Retry-After); WAIT as above. Called again
 * for each request, with the same identity, FQDN, transport and suite, it tells whether the session may
 * go on: OK with the same key. */
GBA_API void gba_naf_psk(gba_naf *naf, const gba_naf_psk_request *r, gba_naf_result *out);

/* ---- numbers for gauges ---- */
typedef struct gba_naf_stats {
    size_t keys;
    uint64_t hits, misses, evicted; /* of the key cache */
} gba_naf_stats;
GBA_API void gba_naf_get_stats(gba_naf *naf, gba_naf_stats *out);

#ifdef __cplusplus
}
#endif
#endif
