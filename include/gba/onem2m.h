/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onem2m.h - oneM2M security on GBA (TS-0003, TS-0032): the seven frameworks as one table, the
 * identifiers, and the guard that says who may speak as whom. Pure: no I/O, no clock, no state.
 */
#ifndef GBA_ONEM2M_H
#define GBA_ONEM2M_H

#include <gba/gba.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the seven frameworks (annex of 2014; TS-0003 8.2, 8.3) ---- */
typedef enum gba_m2m_framework {
    GBA_M2M_SAEF_1 = 0, /* provisioned symmetric key */
    GBA_M2M_SAEF_2,     /* certificate */
    GBA_M2M_SAEF_3,     /* MAF-based */
    GBA_M2M_SAEF_4,     /* GBA-based */
    GBA_M2M_SBF_1,      /* pre-provisioned symmetric enrolee key */
    GBA_M2M_SBF_2,      /* certificate */
    GBA_M2M_SBF_3,      /* GBA-based */
    GBA_M2M_FRAMEWORKS
} gba_m2m_framework;
typedef enum gba_m2m_credential { GBA_M2M_PSK = 0, GBA_M2M_CERT, GBA_M2M_USIM } gba_m2m_credential;
typedef enum gba_m2m_handshake { GBA_M2M_TLS_PSK = 0, GBA_M2M_TLS_MUTUAL } gba_m2m_handshake;
typedef enum gba_m2m_teller {
    GBA_M2M_TOLD_STORE = 0,
    GBA_M2M_TOLD_CERT,
    GBA_M2M_TOLD_MAF,
    GBA_M2M_TOLD_BSF,
    GBA_M2M_TOLD_MEF
} gba_m2m_teller;
typedef enum gba_m2m_lifetime {
    GBA_M2M_LIVES_PROVISIONED = 0, /* as provisioned, until removed */
    GBA_M2M_LIVES_CERT,            /* the certificate's validity */
    GBA_M2M_LIVES_REGISTERED,      /* the key registration's expirationTime */
    GBA_M2M_LIVES_KE,              /* never longer than Ke (10.7) */
    GBA_M2M_LIVES_KS,              /* the GBA key lifetime */
} gba_m2m_lifetime;
typedef struct gba_m2m_row {
    const char *name;  /* "SAEF 1" */
    const char *title;
    const char *word;  /* of --framework: "psk", "cert", "maf", "gba" */
    bool bootstrap;    /* an SBF: its key then serves SAEF 1 or 3 */
    gba_m2m_credential credential;
    const char *credential_text;           /* "Kpsa" */
    const char *with;                      /* with whom A runs the first handshake: "Entity B", "MAF", "BSF", "MEF" */
    const char *a_identifier, *b_identifier; /* by what A and that server are authenticated */
    gba_m2m_handshake first, association;  /* towards `with`; between A and B */
    const char *export_label;              /* of the first handshake, NULL: none */
    const char *key, *key_id;              /* what comes out, "Kc", "KcID"; NULL: none */
    gba_m2m_teller teller;                 /* who tells B (of an SBF: the target) */
    gba_m2m_lifetime lifetime;
    unsigned credential_type;              /* of the Credential-ID at B (TS-0003 10.4) */
} gba_m2m_row;
GBA_API const gba_m2m_row *gba_m2m_row_of(gba_m2m_framework f); /* NULL: out of range */
GBA_API const char *gba_m2m_teller_text(gba_m2m_teller t);
GBA_API const char *gba_m2m_lifetime_text(gba_m2m_lifetime l);
#define GBA_M2M_EXPORT_LEN 48 /* TS-0003 10.3.1: identifier 16, key 32 */
#define GBA_M2M_LABEL_BOOTSTRAP "EXPORTER-oneM2M-Bootstrap"
#define GBA_M2M_LABEL_CONNECTION "EXPORTER-oneM2M-Connection"
/* TLS 1.2 only (TS-0003 has no 1.3 profile), as GnuTLS priorities: C023 and 00AE are in both. */
GBA_API const char *gba_m2m_priority(bool with_cert);

/* ---- CSE-ID, AE-ID (TS-0001 7.2) ---- */
#define GBA_M2M_STEM_MAX 128
#define GBA_M2M_ID_MAX 519
typedef enum gba_m2m_id_kind {
    GBA_M2M_ID_NONE = 0,
    GBA_M2M_ID_CSE,  /* //sp/cse */
    GBA_M2M_ID_AE_C, /* //sp/cse/Cxyz: unique at its registrar */
    GBA_M2M_ID_AE_S, /* //sp/Sxyz: unique in the SP's domain */
    GBA_M2M_ID_FQDN, /* MAF-ID, MEF-ID: a bare FQDN */
} gba_m2m_id_kind;
typedef enum gba_m2m_id_form { GBA_M2M_STEM = 0, GBA_M2M_SP_RELATIVE, GBA_M2M_ABSOLUTE } gba_m2m_id_form;
typedef struct gba_m2m_id {
    gba_m2m_id_kind kind;
    gba_m2m_id_form form; /* as it was written */
    gba_fqdn sp;          /* of an FQDN identity: itself */
    char cse[GBA_M2M_STEM_MAX + 1], stem[GBA_M2M_STEM_MAX + 1]; /* "" where the kind has none */
} gba_m2m_id;
/* Any form. base: the CSE-ID that completes a stem and a SP-relative form; NULL: these are SYNTAX.
 * One segment that begins with 'S' is an AE-ID, any other a CSE-ID. No FQDNs. */
GBA_API gba_err gba_m2m_id_parse(gba_span text, const gba_m2m_id *base, gba_m2m_id *out) GBA_MUST_USE;
/* The same, of an AE-ID that a CSE has assigned: its own segment may be whatever can stand in a header field (0x21 to 0x7e
 * but '/'), also against TS-0001 7.2, as tinyIoT's CAE20261201T005254,1251162. */
GBA_API gba_err gba_m2m_id_parse_assigned(gba_span text, const gba_m2m_id *base, gba_m2m_id *out) GBA_MUST_USE;
/* Absolute CSE-ID or AE-ID, or an FQDN: what MAF and MEF call a client ID or target ID. */
GBA_API gba_err gba_m2m_entity_parse(gba_span text, gba_m2m_id *out) GBA_MUST_USE;
GBA_API gba_err gba_m2m_id_print(const gba_m2m_id *id, gba_m2m_id_form form, char out[GBA_M2M_ID_MAX + 1]) GBA_MUST_USE;
GBA_API bool gba_m2m_id_eq(const gba_m2m_id *a, const gba_m2m_id *b); /* whatever their forms */
static inline bool gba_m2m_id_is_ae(const gba_m2m_id *id)
{
    return id->kind == GBA_M2M_ID_AE_C || id->kind == GBA_M2M_ID_AE_S;
}
/* The FQDN form of an absolute ID, its segments reversed before the SP's domain (profile for 10.3.7:
 * //sp.example.com/cse1 is cse1.sp.example.com; the NAF FQDN of a CSE, too). RANGE: no FQDN. */
GBA_API gba_err gba_m2m_id_fqdn(const gba_m2m_id *id, gba_fqdn *out) GBA_MUST_USE;
/* M2M-Node-ID: visible ASCII but '"' and '\', 1..255. */
GBA_API bool gba_m2m_node_id_ok(gba_span text);

/* ---- key identifiers (TS-0003 10.3.4, 10.3.5, 10.5, 10.6) ---- */
#define GBA_M2M_KEY_ID_MAX 255
typedef struct gba_m2m_key_id {
    char relative[GBA_M2M_KEY_ID_MAX + 1]; /* letters, digits, '.', '_', '-' */
    gba_fqdn domain;
    bool hex16; /* 32 hexadecimal digits: then upper case */
} gba_m2m_key_id;
GBA_API gba_err gba_m2m_key_id_parse(gba_span text, gba_m2m_key_id *out) GBA_MUST_USE;
GBA_API gba_err gba_m2m_key_id_print(const gba_m2m_key_id *id, char out[GBA_M2M_KEY_ID_MAX + 1]) GBA_MUST_USE;
GBA_API bool gba_m2m_key_id_eq(const gba_m2m_key_id *a, const gba_m2m_key_id *b); /* case does not matter */
/* "relative@fqdn" of 32 hexadecimal digits in upper case (KeID, KcID). */
GBA_API gba_err gba_m2m_key_id_make(gba_span relative, const gba_fqdn *domain, gba_m2m_key_id *out) GBA_MUST_USE;

/* What a PSK identity is, at whose port. Each form belongs to exactly one framework. */
typedef enum gba_m2m_at { GBA_M2M_AT_CSE = 0, GBA_M2M_AT_MAF, GBA_M2M_AT_MEF } gba_m2m_at;
typedef enum gba_m2m_psk {
    GBA_M2M_PSK_NONE = 0, /* malformed, or of a domain that is not configured */
    GBA_M2M_PSK_KPSA,     /* CSE: own store */
    GBA_M2M_PSK_KC,       /* CSE: hex@MAF */
    GBA_M2M_PSK_KE,       /* CSE, MAF: hex@MEF */
    GBA_M2M_PSK_BTID,     /* anywhere: B-TID with or without "3GPP-bootstrapping;" */
    GBA_M2M_PSK_KM,       /* MAF: own store */
    GBA_M2M_PSK_KPM,      /* MEF: own store */
} gba_m2m_psk;
typedef struct gba_m2m_domains {
    gba_m2m_at at;
    const gba_fqdn *own; /* of a MAF or MEF; a CSE: NULL */
    const gba_fqdn *bsf, *maf, *mef;
    size_t n_bsf, n_maf, n_mef;
} gba_m2m_domains;
typedef struct gba_m2m_identity {
    gba_m2m_psk form;
    gba_m2m_framework framework; /* KE: of SBF 1 and SBF 2 alike, named SBF_1; BTID: SAEF_4 */
    size_t server;               /* index into the domains of KC, KE, BTID */
    gba_m2m_key_id key;          /* all but BTID */
    gba_btid btid;               /* BTID */
    char text[GBA_ID_MAX + 1];   /* the key of a store: hex upper case, KmID and domain lower case, no prefix */
} gba_m2m_identity;
/* SYNTAX: malformed. FORBIDDEN: of a domain that is none of ours. */
GBA_API gba_err gba_m2m_identify(const gba_m2m_domains *d, gba_span identity, gba_m2m_identity *out) GBA_MUST_USE;
/* A domain may stand in one list only; NULL: they are disjoint, else the first that is not. */
GBA_API const gba_fqdn *gba_m2m_domains_clash(const gba_m2m_domains *d);

/* ---- Credential-ID (TS-0003 10.4) ---- */
#define GBA_M2M_CREDENTIAL_ID_MAX (GBA_ID_MAX + 3)
/* Types 10..16, 30..34, 41..45, 51..55. A B-TID's '+', '/', '=' are accepted in the value. */
GBA_API gba_err gba_m2m_credential_id(unsigned type, gba_span value,
                                      char out[GBA_M2M_CREDENTIAL_ID_MAX + 1]) GBA_MUST_USE;
GBA_API gba_err gba_m2m_credential_id_parse(gba_span text, unsigned *type, gba_span *value) GBA_MUST_USE;
GBA_API const char *gba_m2m_credential_type_text(unsigned type); /* NULL: no such type */

/* ---- SUID (TS-0004 6.3.4.2.39) and keys from Ke ---- */
enum { GBA_M2M_SUID_RSPF_MAF = 21, GBA_M2M_SUID_RSPF_SAEF = 22, GBA_M2M_SUID_MAF_SAEF = 32 };
GBA_API const char *gba_m2m_suid_text(unsigned suid); /* NULL: no such SUID */
typedef enum gba_m2m_kdf { GBA_M2M_KDF_USAGE = 0, GBA_M2M_KDF_2014 } gba_m2m_kdf; /* 10.3.7; 10.3.2 and 10.3.3 */
/* The key that SUID and target get from Ke: Km, Kpsa or a usage-constrained key. UNSUPPORTED: 2014 and
 * another SUID than 21 and 22. */
GBA_API gba_err gba_m2m_key_from_ke(gba_m2m_kdf kdf, const gba_secret *ke, unsigned suid, const gba_m2m_id *target,
                                    gba_secret *out) GBA_MUST_USE;
/* TS-0003 10.7: a derived key never outlives Ke. 0 means no limit of its own. */
GBA_API int64_t gba_m2m_expiry(int64_t ke_expires, int64_t asked);
/* m2m:timestamp YYYYMMDDThhmmss, UTC, a fraction is dropped. */
#define GBA_M2M_TIME_TEXT 16
GBA_API gba_err gba_m2m_time_print(int64_t unix_s, char out[GBA_M2M_TIME_TEXT]) GBA_MUST_USE;
GBA_API gba_err gba_m2m_time_parse(gba_span text, int64_t *unix_s) GBA_MUST_USE;

/* ---- response status codes and HTTP (TS-0009 6.3.2) ---- */
enum {
    GBA_M2M_OK = 2000, GBA_M2M_CREATED = 2001, GBA_M2M_DELETED = 2002, GBA_M2M_UPDATED = 2004,
    GBA_M2M_BAD_REQUEST = 4000, GBA_M2M_RELEASE_VERSION_NOT_SUPPORTED = 4001, GBA_M2M_NOT_FOUND = 4004,
    GBA_M2M_OPERATION_NOT_ALLOWED = 4005, GBA_M2M_REQUEST_TIMEOUT = 4008, GBA_M2M_UNSUPPORTED_MEDIA_TYPE = 4015,
    GBA_M2M_CONTENTS_UNACCEPTABLE = 4102, GBA_M2M_NO_PRIVILEGE = 4103, GBA_M2M_CONFLICT = 4105,
    GBA_M2M_NOT_AUTHENTICATED = 4106, GBA_M2M_SA_REQUIRED = 4107, GBA_M2M_ALREADY_REGISTERED = 4117,
    GBA_M2M_INTERNAL_ERROR = 5000, GBA_M2M_NOT_IMPLEMENTED = 5001, GBA_M2M_NOT_REACHABLE = 5103,
    GBA_M2M_NOT_ACCEPTABLE = 5207,
};
GBA_API unsigned gba_m2m_rsc_http(unsigned rsc);      /* 500 for a code of no table */
GBA_API const char *gba_m2m_rsc_name(unsigned rsc);   /* "ORIGINATOR_NOT_AUTHENTICATED"; "" unknown */

typedef enum gba_m2m_op {
    GBA_M2M_CREATE = 1,
    GBA_M2M_RETRIEVE,
    GBA_M2M_UPDATE,
    GBA_M2M_DELETE,
    GBA_M2M_NOTIFY
} gba_m2m_op;
enum { GBA_M2M_TY_AE = 2, GBA_M2M_TY_CSEBASE = 5, GBA_M2M_TY_REMOTE_CSE = 16 };
typedef enum gba_m2m_media {
    GBA_M2M_MEDIA_NONE = 0,
    GBA_M2M_MEDIA_JSON,
    GBA_M2M_MEDIA_XML,
    GBA_M2M_MEDIA_CBOR
} gba_m2m_media;
/* Header values as they came; p NULL: absent. A field that came twice, or also with '_' (gba_field_named), is for the
 * host to refuse: whoever is behind may read the other one. */
typedef struct gba_m2m_http {
    gba_span method, target, content_type, origin, rvi;
} gba_m2m_http;
#define GBA_M2M_TO_MAX 1023
typedef struct gba_m2m_request {
    gba_m2m_op op;
    char to[GBA_M2M_TO_MAX + 1];    /* "X", "/cse/X", "//sp/cse/X"; unescaped, no query */
    unsigned ty;                    /* of Create, else 0 */
    gba_m2m_media media;
    bool has_from;
    gba_span from, query;           /* borrowed from the input */
    const char *release;            /* "1", "2", "2a", "3", "4", "5"; NULL: not told */
} gba_m2m_request;
/* 0, or the RSC of the refusal: 4000, 4001, 4005, 4015. `~` and `_` path forms become SP-relative and
 * absolute addresses; what another server could read in another way (empty or dot segments, escaped
 * '/', controls) is 4000. A whole request primitive in the body (Content-Type vnd.onem2m-preq+) is 4015: it has an
 * originator of its own. */
GBA_API unsigned gba_m2m_http_parse(const gba_m2m_http *h, gba_m2m_request *out) GBA_MUST_USE;
/* The way back, for a client: the request-target of an address. SYNTAX, SPACE. */
GBA_API gba_err gba_m2m_http_target(gba_span to, char *out, size_t *n) GBA_MUST_USE;

/* ---- the guard (TS-0003 7.2.1, TS-0004 7.3.2.1) ---- */
typedef enum gba_m2m_bound {
    GBA_M2M_BOUND_NONE = 0, /* outside a security association */
    GBA_M2M_BOUND_CSE,      /* one CSE-ID */
    GBA_M2M_BOUND_AE,       /* one AE-ID, or a list of them */
    GBA_M2M_BOUND_NEW,      /* authenticated, no AE-ID yet: may only register */
} gba_m2m_bound;
typedef struct gba_m2m_association {
    gba_m2m_bound bound;
    const gba_m2m_id *ids; /* absolute */
    size_t n;
} gba_m2m_association;
typedef struct gba_m2m_guard {
    gba_m2m_id cse;              /* ours, absolute */
    const gba_m2m_id *registrees; /* CSEs registered with us */
    size_t n_registrees;
    const gba_m2m_id *aes;       /* AEs registered with us: S-type ones are guarded against CSEs by this list */
    size_t n_aes;
    bool sa_optional;            /* a plain port beside TLS: else BOUND_NONE gets 4107 */
} gba_m2m_guard;
typedef struct gba_m2m_verdict {
    unsigned rsc;     /* 0: allowed */
    unsigned http;
    const char *why;  /* constant, for the audit line: "own", "forwarded", "other_ae", ... */
    bool local;       /* `to` is a resource of ours, else the request is retargeted */
    bool registration; /* Create of an AE or remoteCSE with us */
    gba_m2m_id from;  /* kind NONE: absent, "C" or "S" of a registration */
    /* What From is to be when it goes on: a bound AE that registers with "C", "S" or nothing gets the
     * AE-ID it is bound to. "" : none is sent. */
    char as[GBA_M2M_ID_MAX + 1];
} gba_m2m_verdict;
GBA_API void gba_m2m_guard_check(const gba_m2m_guard *g, const gba_m2m_association *a, const gba_m2m_request *r,
                                 gba_m2m_verdict *out);

#ifdef __cplusplus
}
#endif
#endif
