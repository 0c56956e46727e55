/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_poa.h - points of access in front of a CSE that speaks plain HTTP: each http(s) address that a registrant gives
 * becomes one at our egress, bound to that registrant, and what it gave comes back in whatever is read. Octets are
 * changed where these strings stand, nowhere else. Besides: which addresses the egress contacts, how long a request
 * lives.
 */
#ifndef ONEM2M_GATE_POA_H
#define ONEM2M_GATE_POA_H
#include <sys/socket.h>
#include "onem2m-binding/gate.h"

/* ---- strings in JSON, where they stand (gate_json.c) ---- */
/* The octets between the quotes; false: no more, please. */
typedef bool gate_json_visit(void *ctx, gba_span raw);
/* Every string, also names of members; ends where the document is none. */
void gate_json_strings(gba_span json, gate_json_visit *visit, void *ctx);
/* Of a resource: poa of m2m:ae and m2m:csr, nu and su of m2m:sub, nu of m2m:crs. json: a well-formed document. */
void gate_json_addresses(gba_span json, gate_json_visit *visit, void *ctx);
/* Without its escapes. SPACE; SYNTAX: no such escape, or not ASCII; out then holds what comes before. */
gba_err gate_json_text(gba_span raw, char *out, size_t room) GBA_MUST_USE;

/* ---- one registrant's addresses (gate_record.c); on disk ---- */
#define GATE_ADDRESSES (STORE_GATE + 2) /* key: absolute CSE-ID or AE-ID */
#define GATE_TOKEN 22                   /* 16 random octets in base64url */
#define GATE_URL_MAX 511
#define GATE_URLS_MAX 40  /* of one registrant */
#define GATE_GIVEN_MAX 16 /* in one request */
typedef struct gate_address {
    char token[GATE_TOKEN + 1];
    bool poa; /* of its registration, which names them all; else of a subscription */
    char url[GATE_URL_MAX + 1];
} gate_address;
typedef struct gate_addresses {
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    bool stored; /* that credential stood in our store: they end with it */
    size_t n;
    gate_address a[GATE_URLS_MAX]; /* the oldest first */
} gate_addresses;
gba_err gate_addresses_print(const gate_addresses *a, char out[GATE_RECORD_MAX], size_t *n) GBA_MUST_USE;
gba_err gate_addresses_parse(gba_span text, gate_addresses *out) GBA_MUST_USE;

/* ---- all of them (gate_poa.c) ---- */
typedef struct gate_poas gate_poas;
gba_err gate_poas_open(store *s, gate_poas **out) GBA_MUST_USE;
void gate_poas_close(gate_poas **p);
/* Tokens of these addresses, as before or new; in the store when it returns. With tokens already there (token[0] set)
 * these are kept. */
gba_err gate_poas_give(gate_poas *p, gate_book *b, const gba_m2m_id *id, const char *credential, gate_address *a,
                       size_t n) GBA_MUST_USE;
void gate_poas_token(char out[GATE_TOKEN + 1]);
/* Its registration names these and no others; a NULL: what it did. expires: of the registration, 0: as it was. */
gba_err gate_poas_registered(gate_poas *p, const gba_m2m_id *id, const gate_address *a, size_t n,
                             int64_t expires) GBA_MUST_USE;
gba_err gate_poas_drop(gate_poas *p, const gba_m2m_id *id) GBA_MUST_USE;
/* Those whose credential has been removed, or has expired, and no other names that registrant. */
void gate_poas_follow(gate_poas *p, gate_book *b);
/* UNKNOWN. for_use: it is about to be used. id may be NULL. */
gba_err gate_poas_find(gate_poas *p, const char *token, bool for_use, gba_m2m_id *id,
                       char url[GATE_URL_MAX + 1]) GBA_MUST_USE;
/* Behind "http://authority/_p/" the token, and what follows it; NULL: no such address. */
const char *gate_poa_token(const char *url, char token[GATE_TOKEN + 1]);

/* ---- in requests and answers (gate_swap.c) ---- */
typedef struct gate_given { /* what a request registers */
    bool registers;         /* poa, be it empty */
    size_t n;
    gate_address a[GATE_GIVEN_MAX];
    char *body; /* with our addresses; NULL: as it came */
    size_t n_body;
} gate_given;
/* NULL, or why it is refused. id NULL: not known before the CSE answers; then nothing is stored yet. */
const char *gate_give(gate *g, const gba_m2m_id *id, const char *credential, gba_span body, gate_given *out);
void gate_given_free(gate_given *g);
/* Our addresses become theirs; true: *out is a new body, yours to free. given: of the request that is answered, which
 * may not be stored yet; NULL: none. */
bool gate_give_back(gate *g, const gate_given *given, gba_span body, char **out, size_t *n);
bool gate_is_json(const char *content_type, const char *content_encoding, gba_span body);

/* ---- gate_reach.c ---- */
void gate_reach_check(conf *c, const gate_settings *s);
/* May the egress contact it? configured: of `peers`, not a registrant's word. */
bool gate_may_reach(const gate_settings *s, bool configured, const struct sockaddr *sa);
/* The peer that is asked what nobody else is named for; NULL: none. */
const gate_peer *gate_registrar(const gate_settings *s);
/* Milliseconds that a request lives; 0: it has expired. ret: X-M2M-RET, rqet: the earlier one counts; NULL: none. */
int64_t gate_lives(const gate_settings *s, const char *ret, const char *rqet, int64_t now_ms);
enum { GATE_POA_REWRITE = 0, GATE_POA_KEEP };
#define GATE_GRACE_MS 500 /* the CSE's own answer at the end of that time still comes */
#endif
