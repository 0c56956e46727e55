/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gba.h - what every part of OpenGBA shares: errors, borrowed spans, secrets,
 * identities (TS 33.220, TS 23.003) and text rules (TS 33.220 B.2.1).
 *
 * libgba does no I/O, reads no clock, draws no randomness, takes no lock and
 * writes no log: time, random octets and keys are arguments. Every function is
 * therefore thread-safe on distinct objects.
 */
#ifndef GBA_GBA_H
#define GBA_GBA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GBA_API __attribute__((visibility("default")))
#define GBA_MUST_USE __attribute__((warn_unused_result))

/* One error enum, grouped by who must act. */
typedef enum gba_err {
    GBA_OK = 0,
    /* fix the program or the set-up */
    GBA_E_ARG,         /* an argument breaks the function's contract */
    GBA_E_SPACE,       /* the caller's buffer is too small */
    GBA_E_NOMEM,       /* out of memory */
    GBA_E_UNSUPPORTED, /* a known thing that this build or profile does not speak */
    /* reject the peer */
    GBA_E_SYNTAX,    /* malformed */
    GBA_E_RANGE,     /* well-formed, but outside a limit */
    GBA_E_AUTH,      /* a MAC, response or key does not match */
    GBA_E_FORBIDDEN, /* authenticated, but not allowed */
    /* challenge anew */
    GBA_E_STALE, /* nonce expired, unknown or already used; version raced */
    GBA_E_SYNC,  /* SQN out of range: answer with AUTS (TS 33.102 6.3.3) */
    /* bootstrap again */
    GBA_E_UNKNOWN, /* no such IMPI, B-TID or record */
    GBA_E_EXPIRED, /* it was there, its lifetime is over */
    /* retry and alarm */
    GBA_E_BUSY,    /* overload or limit: try later */
    GBA_E_IO,      /* peer, disk or card unreachable */
    GBA_E_CORRUPT, /* stored data damaged, or sealed under a lost key */
} gba_err;

/* A constant English text for logs, never for peers. */
GBA_API const char *gba_err_text(gba_err e);
/* Its stable short name for event lines: "ok", "syntax", "auth", ... */
GBA_API const char *gba_err_name(gba_err e);

/* ---- borrowed octets: never owned, never kept past the call ---- */
typedef struct gba_span {
    const uint8_t *p;
    size_t n;
} gba_span;

GBA_API gba_span gba_str(const char *s); /* s may be NULL: empty */
#define GBA_SPAN(array) ((gba_span){(const uint8_t *)(array), sizeof(array)})
static inline gba_span gba_mem(const void *p, size_t n)
{
    return (gba_span){(const uint8_t *)p, n};
}
/* Equal octets; not for secrets. */
GBA_API bool gba_span_eq(gba_span a, gba_span b);
GBA_API bool gba_span_ieq(gba_span a, gba_span b); /* ASCII case folded */
/* Is this HTTP field name `field`, as whoever is behind may read it? CGI, WSGI and their kin show '-' and '_' alike. */
GBA_API bool gba_field_named(gba_span name, gba_span field);

/* ---- secrets ---- */
#define GBA_SECRET_MAX 64 /* octets: CK||IK of 256 bits each */
/* Only this type holds K, OPc, CK||IK, RES, Ks, Ks_NAF and PSKs. */
typedef struct gba_secret {
    size_t n;
    uint8_t o[GBA_SECRET_MAX];
} gba_secret;

GBA_API void gba_secret_wipe(gba_secret *s);
/* Declares a secret that is wiped when its scope ends. */
#define GBA_SECRET_SCOPED __attribute__((cleanup(gba_secret_wipe))) gba_secret
GBA_API gba_err gba_secret_set(gba_secret *s, const void *p, size_t n) GBA_MUST_USE;
GBA_API bool gba_secret_eq(const gba_secret *a, const gba_secret *b); /* constant time in the octets */
static inline gba_span gba_secret_span(const gba_secret *s)
{
    return (gba_span){s->o, s->n};
}
GBA_API void gba_wipe(void *p, size_t n);                                  /* never optimised away */
GBA_API bool gba_equal_ct(const void *a, const void *b, size_t n);         /* constant time */

/* ---- text codings; all strict, all bounded ---- */
/* Writes 2n lower-case digits and NUL; out must hold 2n+1. */
GBA_API void gba_hex_encode(const void *p, size_t n, char *out);
/* Either case. *n: in, room in out; out, octets written. SYNTAX, SPACE. */
GBA_API gba_err gba_hex_decode(gba_span text, void *out, size_t *n) GBA_MUST_USE;
/* RFC 4648 clause 4 with padding; out must hold 4*((n+2)/3)+1. */
#define GBA_B64_LEN(n) (4 * (((n) + 2) / 3))
GBA_API void gba_b64_encode(const void *p, size_t n, char *out);
/* Refuses white space, missing or extra padding, non-canonical tails. */
GBA_API gba_err gba_b64_decode(gba_span text, void *out, size_t *n) GBA_MUST_USE;
/* UTF-8 checked and brought to NFKC (TS 33.220 B.2.1.2). NUL and controls are
 * SYNTAX, more than 4096 octets RANGE. *n: in, room; out, octets (a NUL follows when room allows). */
GBA_API gba_err gba_nfkc(gba_span utf8, char *out, size_t *n) GBA_MUST_USE;
/* RFC 3339 UTC with Z: "2026-11-25T10:00:00Z", 20 characters and NUL. */
#define GBA_TIME_TEXT 21
GBA_API gba_err gba_time_print(int64_t unix_s, char out[GBA_TIME_TEXT]) GBA_MUST_USE;
/* xs:dateTime in UTC: fraction dropped, "Z" or "+00:00" required. */
GBA_API gba_err gba_time_parse(gba_span text, int64_t *unix_s) GBA_MUST_USE;

/* ---- identities ---- */
#define GBA_ID_MAX 255 /* octets: the one-octet lengths of TS 31.102 7.1.2 and 4.2.79 */

/* IMPI (TS 23.003 13.3): a NAI user@realm, UTF-8, at most GBA_ID_MAX octets. */
typedef struct gba_impi {
    char s[GBA_ID_MAX + 1];
} gba_impi;
/* NFKC applied; control characters, blanks, quotes, a missing or second '@', an
 * empty part are SYNTAX; too long is RANGE. */
GBA_API gba_err gba_impi_parse(gba_span text, gba_impi *out) GBA_MUST_USE;
/* <IMSI>@ims.mnc<MNC>.mcc<MCC>.3gppnetwork.org; mnc_digits 2 or 3. */
GBA_API gba_err gba_impi_from_imsi(const char *imsi, int mnc_digits, gba_impi *out) GBA_MUST_USE;

/* FQDN: lower-case, no trailing dot, no port; letters, digits, '-', '_' and dots;
 * labels 1..63 that neither begin nor end with '-', at most 253. A single label is
 * accepted (test networks). */
typedef struct gba_fqdn {
    char s[254];
} gba_fqdn;
/* Folds ASCII case and drops one trailing dot. */
GBA_API gba_err gba_fqdn_parse(gba_span text, gba_fqdn *out) GBA_MUST_USE;
/* TS 23.003 16.2 from an IMPI's realm: x.3gppnetwork.org -> bsf.x.pub.3gppnetwork.org
 * ("ims." kept), any other realm -> bsf.realm. */
GBA_API gba_err gba_bsf_from_impi(const gba_impi *impi, gba_fqdn *out) GBA_MUST_USE;
/* TS 23.003 16.2 from the IMSI: bsf.mnc<MNC>.mcc<MCC>.pub.3gppnetwork.org. */
GBA_API gba_err gba_bsf_from_imsi(const char *imsi, int mnc_digits, gba_fqdn *out) GBA_MUST_USE;

/* B-TID (TS 33.220 4.5.2): base64(RAND)@BSF name; opaque to UE and NAF, which
 * only split at the last '@': visible ASCII but quote and backslash, and behind the
 * '@' an FQDN. */
typedef struct gba_btid {
    char s[GBA_ID_MAX + 1];
} gba_btid;
GBA_API gba_err gba_btid_parse(gba_span text, gba_btid *out) GBA_MUST_USE;
GBA_API gba_err gba_btid_make(const uint8_t rand[16], const gba_fqdn *bsf, gba_btid *out) GBA_MUST_USE;
/* The domain behind the last '@'. */
GBA_API gba_err gba_btid_domain(const gba_btid *b, gba_fqdn *out) GBA_MUST_USE;

/* TMPI (TS 33.220 B.4): TEMP@tmpi.bsf.3gppnetwork.org */
#define GBA_TMPI_DOMAIN "tmpi.bsf.3gppnetwork.org"
GBA_API bool gba_is_tmpi(gba_span username);

/* Ua security protocol identifier (TS 33.220 Annex H) */
typedef struct gba_ua_id {
    uint8_t o[5];
} gba_ua_id;
typedef enum gba_transport { GBA_PLAIN = 0, GBA_TLS12, GBA_TLS13 } gba_transport;
/* The Ua id of HTTP Digest (TS 33.222 5.3): 01 00 00 00 02 in the clear, 01 00 01
 * yy zz inside TLS with the negotiated suite (TLS 1.3 likewise: our profile). */
GBA_API gba_ua_id gba_ua_id_digest(gba_transport t, uint16_t suite);
/* The Ua id of PSK-TLS (TS 33.222 5.4): 01 00 01 yy zz in TLS 1.2, 01 00 00 00 07
 * in TLS 1.3. */
GBA_API gba_ua_id gba_ua_id_psk(gba_transport t, uint16_t suite);
GBA_API gba_err gba_ua_id_parse(gba_span hex10, gba_ua_id *out) GBA_MUST_USE;

/* NAF_Id = FQDN || Ua id (TS 33.220 4.5.3) */
typedef struct gba_naf_id {
    gba_fqdn fqdn;
    gba_ua_id ua;
} gba_naf_id;
#define GBA_NAF_ID_MAX (253 + 5)
/* The octets that enter the KDF and the Zn messages. *n: in, room; out, octets. */
GBA_API gba_err gba_naf_id_octets(const gba_naf_id *id, uint8_t *out, size_t *n) GBA_MUST_USE;
GBA_API gba_err gba_naf_id_parse(gba_span octets, gba_naf_id *out) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
