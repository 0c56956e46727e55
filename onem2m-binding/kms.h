/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms.h - what MAF and MEF have in common (TS-0032 by the project's profile): clients, their
 * registrations and keys on the sealed store. Which of the two it is, is a const row.
 */
#ifndef ONEM2M_KMS_H
#define ONEM2M_KMS_H
#include <gba/naf.h>
#include <gba/naf_zn_http.h>
#include <gba/onem2m.h>
#include "onem2m-binding/may_name.h"
#include "service/http.h"
#include "service/store.h"
#include "service/tls.h"

typedef struct kms_kind {
    const char *name;    /* "maf" */
    const char *program; /* "m2m-mafd" */
    gba_m2m_at at;
    const char *base, *base_root, *reg_root; /* path and JSON roots */
    unsigned base_ty, reg_ty;
    const char *label;   /* RFC 5705 */
    int store;           /* first store kind */
    bool assigns;        /* assignedSymmKeyID */
    bool enrols;         /* commands, fetchCredentials, keys derived from Ke */
    unsigned own_type;   /* Credential-ID type of its own PSKs */
} kms_kind;
extern const kms_kind kms_maf, kms_mef;

/* ---- records (kms_records.c); each begins with a format octet ---- */
enum { KMS_CRED = 0, KMS_REG, KMS_KEY, KMS_REG_INDEX, KMS_KEY_INDEX }; /* offsets to kind->store; on disk */
#define KMS_TARGETS 16
#define KMS_ENROL 8
#define KMS_CMDS 4
#define KMS_CMD_MAX 1024
#define KMS_CFG_MAX 4096
#define KMS_LABELS_MAX 1024
#define KMS_ID (GBA_M2M_ID_MAX + 1)
/* Key: "kmid@fqdn" in lower case, "dns:NAME", "uri:URI", "other:OID:HEX", "key:SHA256HEX", "impi:IMPI". */
typedef struct kms_cred {
    gba_secret key; /* n 0: a certificate or a GBA user */
    char client[KMS_ID];      /* "": removed */
    int64_t created, expires; /* 0: never */
    char source[256];         /* KeID a Km came from; "" provisioned */
    char cfg[KMS_CFG_MAX];    /* clientCfg, JSON; "" none */
    unsigned n_enrol, n_cmds;
    struct {
        char target[KMS_ID];
        unsigned suid;
        int64_t expires;
    } enrol[KMS_ENROL];
    char cmd[KMS_CMDS][KMS_CMD_MAX]; /* cmdDescription, JSON */
} kms_cred;
typedef struct kms_reg { /* key: its resource ID */
    char creator[KMS_ID], adfq[256], labels[KMS_LABELS_MAX], aski[256], cred[256];
    int64_t et, ct, lt;
    unsigned cmd_at, cmd_issued, cmd_status; /* the command under way; how often it was sent; status of the last */
} kms_reg;
typedef struct kms_key { /* key: RelativeKeyID */
    char creator[KMS_ID], adfq[256], labels[KMS_LABELS_MAX], reg[64], credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    gba_secret key; /* Ke of an export to a MEF, else the key itself */
    bool exported, dead; /* dead: a tombstone, so that one export is never used twice */
    unsigned suid, n_targets;
    char target[KMS_TARGETS][KMS_ID];
    int64_t et, ct, lt;
} kms_key;
#define KMS_RECORD_MAX 32768
gba_err kms_cred_write(kms_cred *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err kms_cred_read(gba_span in, kms_cred *out) GBA_MUST_USE;
gba_err kms_reg_write(kms_reg *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err kms_reg_read(gba_span in, kms_reg *out) GBA_MUST_USE;
gba_err kms_key_write(kms_key *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err kms_key_read(gba_span in, kms_key *out) GBA_MUST_USE;
/* Heap copies, for they are large; the frees wipe. UNKNOWN, EXPIRED, FORBIDDEN (a certificate's, removed), CORRUPT. */
gba_err kms_cred_get(store *s, const kms_kind *k, const char *key, int64_t now, kms_cred **out) GBA_MUST_USE;
/* FORBIDDEN: without `replace` one is there that has not ended. */
gba_err kms_cred_put(store *s, const kms_kind *k, const char *key, kms_cred *c, bool replace) GBA_MUST_USE;
/* For good: of a certificate a record stays that says so. UNKNOWN: none, or removed before. */
gba_err kms_cred_remove(store *s, const kms_kind *k, const char *key, int64_t now) GBA_MUST_USE;
void kms_cred_free(kms_cred **c);
void kms_hex(const uint8_t *o, size_t octets, char *out); /* upper case */
void kms_random_hex(char *out, size_t octets);
void kms_lower(char *s); /* KmID and KpmID are not case sensitive (TS-0003 10.6): records stand under lower case */

/* ---- JSON (kms_json.c) ---- */
enum { /* attributes present */
       PRIM_ET = 1,
       PRIM_LBL = 2,
       PRIM_ADFQ = 4,
       PRIM_SUID = 8,
       PRIM_TGIS = 16,
       PRIM_KV = 32,
       PRIM_CMID = 64,
       PRIM_CMST = 128
};
typedef struct prim {
    unsigned has;
    int64_t et;
    char labels[KMS_LABELS_MAX]; /* JSON array */
    gba_fqdn adfq;
    unsigned suid, cmid, cmst;
    unsigned n_targets;
    gba_m2m_id target[KMS_TARGETS];
    gba_secret kv;
} prim;
void prim_wipe(prim *p);
/* Exactly {root: {...}} with attributes of `may`. 0, 4000 or 4102; *why a constant. */
unsigned prim_read(gba_span body, const char *root, unsigned may, prim *out, const char **why);
/* malloc'ed texts; NULL: out of memory */
char *prim_print_base(const kms_kind *k, const char *fqdn, const char *dcu);
char *prim_print_reg(const kms_kind *k, const char *id, const kms_reg *r, unsigned what, bool cmd_waits);
char *prim_print_key(const kms_kind *k, const char *id, const kms_key *r, unsigned what, const gba_secret *kv);
char *prim_print_cmd(unsigned cmid, const char *description, unsigned status);
char *prim_print_fetch(const gba_secret *key, const char *enrolee, int64_t lifetime, const char *error);
char *prim_print_cfg(const char *cfg);
/* Is it a cmdDescription (TS-0003 12.4.4)? Canonical text into out. why: a constant. */
gba_err prim_command_ok(gba_span text, char out[KMS_CMD_MAX], const char **why) GBA_MUST_USE;
gba_err prim_cfg_ok(gba_span text, char out[KMS_CFG_MAX]) GBA_MUST_USE;

/* ---- the server (kms.c, kms_keys.c) ---- */
#define KMS_NAMES 16
typedef struct kms_who {
    gba_m2m_psk form;      /* NONE: by certificate */
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    char record[256];      /* its kms_cred; "" none */
    char identity[128], source[64]; /* of a PSK handshake, for its audit line */
    const char *why;       /* it failed: a constant, more than the error says; NULL */
    uint8_t from[16];      /* http_source; zero: not known */
    gba_m2m_id id;         /* kind NONE: whoever the certificate's names are */
    gba_secret km;         /* of a KeID: Km as the MEF gave it */
    int64_t expires;       /* of the credential, 0: open */
    size_t n_names;
    tls_name name[KMS_NAMES];
} kms_who;
void kms_who_free(void *who);

typedef struct kms_mef {
    gba_fqdn fqdn;
    char *host;
    uint16_t port;
    char *psk_id;
    gba_secret psk;
    char *ca, *crl, *cert, *key;
    m2m_naming naming; /* whom it may name */
} kms_mef_link;
typedef struct kms kms;
/* Km by KeID of this MEF, whose it is into *w. UNKNOWN, FORBIDDEN, EXPIRED: it says no; else it could not be asked. */
typedef gba_err kms_mef_ask_fn(kms *k, const kms_mef_link *m, const char *ke_id, int64_t now, gba_secret *km,
                               kms_who *w);
typedef struct kms_config {
    const kms_kind *kind;
    store *store;
    gba_fqdn fqdn;
    const gba_fqdn *admins; /* adminFQDNs served; none: any */
    size_t n_admins;
    int64_t reg_lifetime, key_lifetime;
    gba_m2m_kdf kdf;
    const char *device_config_uri; /* may be NULL */
    int64_t retry; /* seconds, of NO_MORE_COMMANDS */
    const kms_mef_link *mefs;
    size_t n_mefs;
    const gba_fqdn *bsfs;
    const m2m_naming *bsf_naming; /* of each */
    size_t n_bsfs;
    gba_naf *naf; /* NULL without BSFs */
    gba_naf_source *zn;
    void *zn_ctx;
    const http_cidr *exempt; /* from limits of a source */
    size_t n_exempt;
    unsigned fetch_ms, fetches; /* towards a MEF: deadline, at once at most */
    int64_t unknown_ttl;         /* seconds that a MEF's refusal is remembered; 0: 10 */
    unsigned unknown_per_source; /* queries at a MEF without success, of one source in a minute; 0: 128 */
    kms_mef_ask_fn *mef_ask;     /* NULL: kms_mef_ask */
} kms_config;
struct kms {
    kms_config c;
    gba_m2m_domains domains;
    gba_fqdn mef_names[GBA_NAF_BSFS];
    _Atomic unsigned mef_fetching[GBA_NAF_BSFS], bsf_fetching[GBA_NAF_BSFS];
    struct kms_mefs *asked;
};
/* Arrays are borrowed. */
gba_err kms_init(kms *k, const kms_config *c) GBA_MUST_USE;
void kms_close(kms *k);

typedef struct kms_request {
    const kms_who *who; /* NULL: nobody */
    const char *nobody; /* then: why, a constant; NULL: no credential */
    gba_m2m_http http;
    gba_span body;
    const char *source;
    int64_t now;
    gba_err (*export)(void *ctx, const char *label, void *out, size_t n);
    void *export_ctx;
} kms_request;
typedef struct kms_answer {
    unsigned rsc;
    const char *op, *why;   /* for the audit line; constants */
    char location[400];     /* Content-Location; "" none */
    char client[KMS_ID], resource[300];
    char hint[900];         /* for the audit line; "" none */
    char *body;             /* malloc'ed JSON, may hold a key; kms_answer_free wipes */
} kms_answer;
void kms_handle(kms *k, const kms_request *r, kms_answer *out);
void kms_answer_free(kms_answer *a);

/* Shared by kms.c and kms_keys.c. */
typedef struct kms_call {
    kms *f; /* whose call it is */
    const kms_request *r;
    gba_m2m_request m;
    gba_m2m_id from;
    char client[KMS_ID];
    kms_cred *cred; /* NULL: the certificate speaks for itself */
    kms_answer *out;
} kms_call;
void kms_say(kms_call *c, unsigned rsc, const char *why);
gba_err kms_reg_find(kms *k, const char *client, const char *adfq, int64_t now, char id[64], kms_reg *out) GBA_MUST_USE;
gba_err kms_reg_load(kms *k, const char *id, int64_t now, kms_reg *out, uint64_t *version) GBA_MUST_USE;
/* Before a key is registered: by which record's credential, if its Credential-ID does not say so. STALE: try again. */
gba_err kms_reg_follow(kms_call *c, const char *id, kms_reg *r) GBA_MUST_USE;
void kms_key_create(kms_call *c);
void kms_key_resource(kms_call *c, const char *id);
void kms_fetch_credentials(kms_call *c, const char *ke_id, const char *suid);
void kms_keys_drop(kms *k, const char *reg, int64_t now);

/* ---- keys from MEFs (kms_mef.c) ---- */
gba_err kms_mef_open(kms *k) GBA_MUST_USE;
void kms_mef_close(kms *k);
kms_mef_ask_fn kms_mef_ask;
gba_err kms_mef_key(kms *k, const gba_m2m_identity *id, int64_t now, gba_secret *key, kms_who *w) GBA_MUST_USE;
void kms_mef_failed(kms *k, const kms_who *w); /* it had no key for what it presented */
/* Tells that a MEF or BSF named somebody whom it may not. */
void kms_identity_refused(const kms *k, const char *key, const gba_m2m_id *id);
/* May one more wait for this MEF or BSF? Either way kms_ask_leave follows. */
bool kms_ask_enter(const kms *k, _Atomic unsigned *fetching);
void kms_ask_leave(_Atomic unsigned *fetching);

/* ---- who is it (kms_auth.c) ---- */
gba_err kms_psk(void *ctx, const tls_psk_query *q, gba_secret *key, void **who);
void kms_psk_failed(void *ctx, void *who);
void kms_cert_refused(void *ctx, const tls_refusal *r);
bool kms_raw_key(void *ctx, const uint8_t id[32]); /* a raw public key with a record of its own */
/* Of a session with a certificate; of its names. RANGE: more of them than are read; FORBIDDEN: a record in another
 * spelling. */
gba_err kms_cert_who(kms *k, void *session, kms_who *out) GBA_MUST_USE;
gba_err kms_names_who(kms *k, kms_who *w, int64_t now) GBA_MUST_USE;
bool kms_who_is(const kms_who *w, const gba_m2m_id *claimed);
/* Its dNSName that differs from this CSE-ID's in case alone; NULL: none. */
const tls_name *kms_who_but_case(const kms_who *w, const gba_m2m_id *claimed);
/* The store's key of a certificate's name; false: none. */
bool kms_name_key(const tls_name *n, char out[256]);
#endif
