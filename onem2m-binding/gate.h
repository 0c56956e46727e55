/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - m2m-gate, Entity B's security in front of a CSE: what its files share.
 *
 * A handshake gives a connection its `gate_who` (PSK) or a certificate; a request asks the book to whom
 * that credential is bound, the guard whether this From is allowed, then goes to the CSE. The egress
 * takes the CSE's own requests the other way.
 */
#ifndef ONEM2M_GATE_H
#define ONEM2M_GATE_H
#include <gba/naf.h>
#include <gba/naf_zn_http.h>
#include <gba/onem2m.h>
#include <pthread.h>
#include <stdatomic.h>
#include "onem2m-binding/peer.h"
#include "onem2m-binding/secret_file.h"
#include "service/daemon.h"
#include "service/http.h"
#include "service/metrics.h"
#include "service/store.h"

/* ---- settings (gate_settings.c) ---- */
typedef struct gate_bsf {
    gba_fqdn domain;
    char *zn_url;
    conf_strings identities; /* whom it may name, as of each below */
} gate_bsf;
typedef struct gate_kms { /* a MAF or a MEF, and how we authenticate to it */
    gba_fqdn fqdn;
    char *url, *psk_id, *psk_file, *cert, *key, *ca, *crl;
    conf_strings identities;
} gate_kms;
typedef struct gate_peer { /* whom the egress reaches without having been told by a registration */
    char *id, *url, *psk_id;
} gate_peer;
typedef struct gate_settings {
    conf_listen listen, egress;
    char *egress_url, *registrar;
    conf_strings egress_allow;
    int poa;
    char *cse_id, *upstream, *cert, *key, *ca, *crl, *ocsp, *priority;
    gba_fqdn public_name;
    conf_items bsf, maf, mef, peers;
    struct {
        char *cert, *key, *ca;
        conf_strings services;
    } zn;
    struct {
        char *url;
    } store;
    struct {
        char *key_file;
    } seal;
    conf_strings exempt;
    int64_t wait_ms, waiting, keys, unknown_ttl, unknown_per_source, connections, per_source, idle, body_max,
        upstream_ms, request_max;
    bool new_aes, onem2m_only;
    daemon_conf daemon;
} gate_settings;
extern const conf_field gate_settings_table[];
void gate_settings_check(conf *c, const void *settings);
/* seal.key_file, or the systemd credential; NULL: neither. */
const char *gate_settings_seal(const gate_settings *s, char *buf, size_t n);
#define GATE_HOST_MAX 256
#define GATE_CONNECTION_MAX 512 /* what a request's Connection fields name */
/* "http(s)://host:port/path": host without brackets; port by the scheme when absent. SYNTAX. */
gba_err gate_url(const char *url, bool *tls, char host[GATE_HOST_MAX], uint16_t *port, const char **path) GBA_MUST_USE;

/* ---- records (gate_record.c); on disk ---- */
#define GATE_CREDENTIAL (STORE_GATE + 0) /* key: Credential-ID */
#define GATE_ENTITY (STORE_GATE + 1)     /* key: absolute CSE-ID or AE-ID */
#define GATE_ENDED (STORE_GATE + 3)      /* key: Credential-ID of a certificate; since when */
#define GATE_IDS_MAX 32
#define GATE_POAS_MAX 4
#define GATE_POA_MAX 255
#define GATE_NAME_MAX 127
#define GATE_RECORD_MAX 24576
typedef struct gate_credential {
    gba_secret key;        /* n 0: another tells it, or a certificate */
    gba_m2m_bound bound;   /* CSE, AE, NEW */
    bool learned;          /* the CSE assigned the AE-ID, nobody provisioned it */
    size_t n;
    gba_m2m_id ids[GATE_IDS_MAX]; /* absolute */
} gate_credential;
gba_err gate_credential_print(const gate_credential *c, char out[GATE_RECORD_MAX], size_t *n) GBA_MUST_USE;
gba_err gate_credential_parse(gba_span text, gate_credential *out) GBA_MUST_USE;
typedef struct gate_entity {
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1]; /* of its last association */
    char identity[2 * GBA_ID_MAX]; /* and that PSK identity, where another tells the key; "" else */
    uint16_t suite;                /* of that association: it is in a NAF key's NAF_Id */
    size_t n;
    char poa[GATE_POAS_MAX][GATE_POA_MAX + 1];
    /* of the resource of its registration, "" not known: ri, rn, and the CSEBase's name */
    char ri[GATE_NAME_MAX + 1], rn[GATE_NAME_MAX + 1], base[GATE_NAME_MAX + 1];
} gate_entity;
gba_err gate_entity_print(const gate_entity *e, char out[GATE_RECORD_MAX], size_t *n) GBA_MUST_USE;
gba_err gate_entity_parse(gba_span text, gate_entity *out) GBA_MUST_USE;
/* Of an address of ours what stands behind the CSE-ID, "base/rn" or "ri"; NULL: nothing. */
const char *gate_below_cse(const char *to);
/* Is the resource of its registration at this address of ours (TS-0001 9.3.1)? */
bool gate_entity_at(const gate_entity *e, const gba_m2m_id *id, const char *to);

/* ---- the book (gate_book.c): Credential-ID -> whom ---- */
typedef struct gate_binding {
    gba_m2m_bound bound; /* NONE: no such record */
    bool has_key;
    size_t n;
    gba_m2m_id ids[GATE_IDS_MAX];
} gate_binding;
typedef struct gate_book gate_book;
typedef struct gate_who gate_who;
gba_err gate_book_open(store *s, gate_book **out) GBA_MUST_USE;
void gate_book_close(gate_book **b);
/* Reads again what another process wrote; now and then, for the lists of the guard. */
void gate_book_follow(gate_book *b);
/* As the store has it: what another process wrote counts within STORE_SETTLE_MS, which m2m-gatectl waits. */
void gate_book_find(gate_book *b, const char *credential, gate_binding *out);
/* The AE-ID that the CSE assigned; expires, or 0: end of a credential that is new here. FORBIDDEN: the record says
 * otherwise; STALE: another credential has that AE-ID, or has registered under it; BUSY: others write it, too. */
gba_err gate_book_learn(gate_book *b, const char *credential, const gba_m2m_id *id, int64_t expires) GBA_MUST_USE;
/* A credential without AE-ID registers once at a time, so that it learns one AE-ID and not two. false: its turn has not
 * come within ms. */
typedef struct gate_turn {
    struct gate_turn *next;
    const char *credential;
} gate_turn;
bool gate_book_turn(gate_book *b, gate_turn *t, const char *credential, int64_t ms) GBA_MUST_USE;
void gate_book_turn_over(gate_book *b, const gate_turn *t);
/* It has registered: where it is reached, and whose From is another CSE's no more. */
gba_err gate_book_reach(gate_book *b, const gba_m2m_id *id, const gate_entity *e) GBA_MUST_USE;
/* Does any credential name it? As memory has it. */
bool gate_book_names(gate_book *b, const gba_m2m_id *id);
/* By which association it came last, of one that has registered; UNKNOWN: it has not. */
gba_err gate_book_came(gate_book *b, const gba_m2m_id *id, const gate_who *w) GBA_MUST_USE;
void gate_entity_by(gate_entity *e, const gate_who *w);
gba_err gate_book_leave(gate_book *b, const gba_m2m_id *id) GBA_MUST_USE; /* it has ended that */
gba_err gate_book_entity(gate_book *b, const gba_m2m_id *id, gate_entity *out) GBA_MUST_USE;
size_t gate_url_under(const char *url,
                      const char *poa); /* length of the prefix that ends where a segment does; 0: none */
/* Who says that a point of access of its own is a prefix of this URL? The longest first, one a credential. A claim
 * proves nothing: each is only whom the server there may prove to be. */
#define GATE_CLAIMS 8
size_t gate_book_at(gate_book *b, const char *url, gba_m2m_id ids[GATE_CLAIMS]);
void gate_book_guard(gate_book *b, const gba_m2m_id *cse, const gba_m2m_association *a, const gba_m2m_request *r,
                     gba_m2m_verdict *out);

/* ---- who is it ---- */
struct gate_who {
    gba_m2m_framework framework;
    gba_m2m_psk form; /* NONE: a certificate */
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    char identity[2 * GBA_ID_MAX]; /* PSK identity as sent */
    char from[64];                 /* whose handshake it was */
    gba_secret key;
    uint16_t suite;
    int64_t expires;      /* of the key, 0: open */
    gba_m2m_bound bound;  /* by MAF, MEF, BSF or certificate; NONE: the book says */
    size_t n;
    gba_m2m_id *ids;
    const char *why;      /* of a certificate that names nobody: constant, else NULL */
};
void gate_who_free(void *who);
gba_err gate_who_ids(gate_who *w, const gba_m2m_id *ids, size_t n) GBA_MUST_USE; /* sets bound, too */

/* gate_made.c. From the answer to a Create or Update: the entity, its aei or csi, and poa. STALE: poa alone; UNKNOWN:
 * none. */
typedef struct gate_made {
    char id[GBA_M2M_ID_MAX + 1];
    bool cse, unreadable; /* unreadable: it says an id, which is not visible ASCII or too long */
    char ri[GATE_NAME_MAX + 1], rn[GATE_NAME_MAX + 1];
    bool unnamed; /* an AE in JSON, and whose resource is to have which name it does not say */
    int64_t expires; /* et, 0: not told */
    size_t n;
    char poa[GATE_POAS_MAX][GATE_POA_MAX + 1];
} gate_made;
/* Of the characters that a URL may have. */
bool gate_poa_ok(const char *url);
gba_err gate_made_parse(gba_span json, gate_made *out) GBA_MUST_USE;

/* ---- the daemon ---- */
typedef struct gate_link { /* a MAF or MEF, ready to be asked */
    const gate_kms *conf;
    char host[GATE_HOST_MAX];
    uint16_t port;
    gba_secret psk;
    atomic_uint asking; /* handshakes that wait for it */
} gate_link;
typedef struct gate_keys gate_keys;
typedef struct gate_upstream gate_upstream;
typedef struct gate_routes gate_routes;
enum { GATE_ALLOWED, GATE_REFUSED, GATE_RESULTS };
typedef struct gate {
    const gate_settings *s;
    gba_m2m_id cse;
    char cse_text[GBA_M2M_ID_MAX + 1];
    gba_fqdn name;
    store *store;
    gate_book *book;
    struct gate_poas *poas;              /* gate_poa.h; NULL: none are given */
    char egress_url[GATE_HOST_MAX + 16]; /* before /_p/ */
    gba_naf *naf; /* NULL: no BSF */
    gba_naf_zn_http *zn;
    gate_link maf[GBA_NAF_BSFS], mef[GBA_NAF_BSFS];
    gba_fqdn maf_fqdn[GBA_NAF_BSFS], mef_fqdn[GBA_NAF_BSFS], bsf_fqdn[GBA_NAF_BSFS];
    gba_m2m_domains domains;
    gate_keys *keys;
    http_cidr exempt[HTTP_CIDRS];
    size_t n_exempt;
    gate_upstream *upstream;
    gate_routes *routes; /* SA1's keys, for SA2 */
    tls_server *tls;
    http_server *secure, *egress;
    pthread_t clock;
    bool clock_runs;
    atomic_bool stopping;
    atomic_uint bsf_asking[GBA_NAF_BSFS];
    metric *requests[GBA_M2M_FRAMEWORKS + 1][GATE_RESULTS]; /* the last: none */
    metric *handshakes[GBA_M2M_FRAMEWORKS + 1][GATE_RESULTS];
    metric *asked[3][GATE_RESULTS]; /* MAF, MEF, BSF */
    metric *sent[GATE_RESULTS];     /* egress */
    metric *learned;
} gate;

/* gate_keys.c: the tls_psk_fn */
gba_err gate_keys_open(gate *g) GBA_MUST_USE;
void gate_keys_close(gate *g);
void gate_keys_sweep(gate *g, int64_t now); /* drops, and wipes, those that have ended */
gba_err gate_psk(void *g, const tls_psk_query *q, gba_secret *key, void **who);
/* The key of an association that stood before our restart, told once more by whoever told it; the gate's side of what
 * gate_psk is in a handshake. */
gba_err gate_psk_again(gate *g, const char *identity, uint16_t suite, gate_who **out, const char **why) GBA_MUST_USE;
void gate_psk_failed(void *g, void *who);
void gate_cert_refused(void *g, const tls_refusal *r);
bool gate_raw_key(void *g, const uint8_t id[32]); /* is its Credential-ID in the book? */
/* gate_ask.c: blocking, under deadline. *why: constant, for the audit line. UNKNOWN, EXPIRED, FORBIDDEN: a
 * definite no; else it could not be asked. */
gba_err gate_ask_maf(gate *g, size_t i, const gba_m2m_key_id *key, gate_who *who, const char **why) GBA_MUST_USE;
gba_err gate_ask_mef(gate *g, size_t i, const gba_m2m_key_id *key, gate_who *who, const char **why) GBA_MUST_USE;
gba_err gate_ask_bsf(gate *g, const tls_psk_query *q, const gba_m2m_identity *id, gate_who *who,
                     const char **why) GBA_MUST_USE;

/* What a MAF or MEF, and a BSF, said. FORBIDDEN: it named somebody whom it may not (by its `identities`). */
struct m2m_told;
gba_err gate_take_told(const gate *g, const conf_strings *identities, gate_who *who, struct m2m_told *t,
                       unsigned type_of_other, const char *key_id, int64_t now, const char **why) GBA_MUST_USE;
gba_err gate_take_user(const gate *g, const conf_strings *identities, gate_who *who, const gba_naf_identity *u,
                       const char **why) GBA_MUST_USE;

bool gate_ask_enter(gate *g, atomic_uint *asking); /* false: as many as may be */
void gate_ask_leave(atomic_uint *asking);

/* gate_cert.c: the flavour, Credential-ID and identities of a certificate's names (TS-0003 8.1.2.5). */
void gate_cert_who(const gba_m2m_id *cse, const tls_name *names, size_t n, gate_who *out);

/* gate_ended.c: certificates that the operator has ended. since 0: it is there again. */
bool gate_is_certificate(const char *credential);
store_op gate_ended_op(const char *credential, int64_t since, char text[24]);
int64_t gate_ended_since(gba_span value);
bool gate_has_ended(store *s, const char *credential);

/* gate_proxy.c */
void gate_handle(http_req *r, void *g);
const char *gate_op_text(gba_m2m_op op);
/* Is the field one that ends at each hop, or that only we may set? */
bool gate_field_drop(const char *name, const char *connection);
size_t gate_answer_fields(const m2m_answer *a, http_field f[M2M_ANSWER_FIELDS]); /* those that go back */

/* gate_upstream.c: kept-alive plain connections to the CSE, blocking. */
gba_err gate_upstream_open(const gate_settings *s, gate_upstream **out) GBA_MUST_USE;
bool gate_upstream_reachable(gate_upstream *u, unsigned ms); /* has, or makes, a connection */
void gate_upstream_close(gate_upstream **u);
/* BUSY: timed out; IO, SYNTAX, RANGE. */
gba_err gate_upstream_ask(gate_upstream *u, const char *method, const char *target, const m2m_field *f, size_t n,
                          gba_span body, int64_t ms, m2m_answer *out) GBA_MUST_USE;

/* gate_egress.c */
void gate_egress_handle(http_req *r, void *g);
gba_err gate_routes_open(gate *g) GBA_MUST_USE;
void gate_routes_close(gate *g);
/* The association that this entity has with us now: its key serves SA2 (TS-0003 8.2.1). */
void gate_routes_note(gate *g, const gba_m2m_id *id, const gate_who *w);
void gate_routes_sweep(gate *g, int64_t now); /* wipes the keys that have ended */
#endif
