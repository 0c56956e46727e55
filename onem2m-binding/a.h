/* SPDX-License-Identifier: Apache-2.0 */
/* a.h - the inside of Entity A (gba/onem2m_a.h): steps, connections, records, and talking to MAF and MEF. */
#ifndef ONEM2M_A_H
#define ONEM2M_A_H
#include <gba/onem2m_a.h>
#include "onem2m-binding/peer.h"

struct gba_m2m_a {
    gba_m2m_a_config c;
    gba_secret seal;     /* n 0: no state folder */
    char dir[3500];
    char id[GBA_M2M_ID_MAX + 1]; /* IdA, absolute; "" none */
    const gba_m2m_row *row; /* the framework that runs */
    char text[GBA_M2M_TEXT];
};

gba_err a_say(gba_m2m_a *a, gba_err e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int64_t a_now(const gba_m2m_a *a);
void a_step(gba_m2m_a *a, const gba_m2m_step *s); /* row is filled in */
/* adminFQDN (TS-0003 8.8.1): given, else the SP of IdA, else of `other`. */
const char *a_admin(const gba_m2m_a *a, const gba_m2m_id *other);
int64_t a_until(const gba_m2m_a *a); /* expirationTime to ask for */

/* ---- keys: one for any suite (suite 0), or Ks_NAF by suite ---- */
#define A_SUITES 8
typedef struct a_keys {
    size_t n;
    struct {
        uint16_t suite;
        gba_secret key;
    } of[A_SUITES];
} a_keys;
void a_keys_wipe(a_keys *k);
void a_keys_one(a_keys *k, const gba_secret *key);

/* ---- a connection, and by what A authenticates itself on it ---- */
typedef struct a_auth {
    const char *key, *id_name;   /* "Km", "KmID"; of a certificate: NULL */
    char id[GBA_ID_MAX + 1];     /* PSK identity; of a certificate its file */
    a_keys keys;                 /* n 0 and no gba: by certificate */
    const gba_m2m_own *own;      /* certificates */
    const gba_m2m_gba *gba;      /* keys on demand, for the NAF `naf` */
    gba_fqdn naf;
} a_auth;
void a_auth_wipe(a_auth *x);
#define A_AUTH_SCOPED __attribute__((cleanup(a_auth_wipe))) a_auth
/* What B needs to be let in as SA2; *a is not touched. */
struct gba_m2m_sa {
    gba_m2m_a *a;
    m2m_peer *peer;
    gba_m2m_sa_facts facts;
    gba_m2m_own own;
    a_auth auth; /* of SA1 */
    const char *priority;
};
gba_err a_auth_key(const a_auth *x, uint16_t suite, gba_secret *key) GBA_MUST_USE;
/* The row's handshake with `who` ("MAF", "Entity B"); priority may be NULL. */
gba_err a_open(gba_m2m_a *a, const char *who, const gba_m2m_server *s, const a_auth *x, const char *priority,
               m2m_peer **out) GBA_MUST_USE;
/* Is it enough for a handshake with certificates or raw keys? id: what shows it. */
bool a_own_cert(const gba_m2m_own *own, a_auth *x);
void a_party(const char *who, const gba_m2m_server *s, char out[300]); /* "MAF maf.example.com" */
/* One request; the answer's status and RSC are the caller's to judge. */
gba_err a_ask(gba_m2m_a *a, m2m_peer *p, const char *method, const char *target, unsigned ty, const char *from,
              gba_span body, m2m_answer *out) GBA_MUST_USE;
unsigned a_rsc(const m2m_answer *r); /* X-M2M-RSC; 0: none */

/* ---- the store (a_store.c) ---- */
typedef struct a_record {
    gba_m2m_held h;
    a_keys keys;
    char host[254]; /* the target MAF; "" not said */
    uint16_t port;
    char reg[128];  /* client registration with the MAF */
    int64_t reg_until;
} a_record;
void a_record_wipe(a_record *r);
#define A_RECORD_SCOPED __attribute__((cleanup(a_record_wipe))) a_record
#define A_RECORD_MAX 8192
gba_err a_record_print(const a_record *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err a_record_parse(gba_span in, a_record *out) GBA_MUST_USE;
gba_err a_store_open(gba_m2m_a *a, char text[GBA_M2M_TEXT]) GBA_MUST_USE;
gba_err a_store_save(gba_m2m_a *a, const a_record *r) GBA_MUST_USE;
/* The newest of this kind that lives: target NULL: any, as an FQDN (CSE: its public domain name). UNKNOWN,
 * EXPIRED (*out is the one that was). */
gba_err a_store_find(gba_m2m_a *a, gba_m2m_held_kind kind, const gba_fqdn *target, a_record *out) GBA_MUST_USE;
gba_err a_store_drop(gba_m2m_a *a, const a_record *r) GBA_MUST_USE;
gba_err a_lock(gba_m2m_a *a, int *fd) GBA_MUST_USE; /* *fd -1 without a state folder */
void a_unlock(int *fd);

/* ---- MAF and MEF (a_kms.c) ---- */
typedef struct a_kms {
    gba_m2m_a *a;
    bool mef;
    const gba_m2m_server *server;
    m2m_peer *p;
    char party[300];
    const char *admin;
} a_kms;
gba_err a_kms_open(a_kms *k, gba_m2m_a *a, bool mef, const gba_m2m_server *s, const a_auth *x,
                   const gba_m2m_id *other) GBA_MUST_USE;
void a_kms_close(a_kms *k);
typedef struct a_reg {
    char id[128];
    int64_t until;
    char assigned[GBA_ID_MAX + 1]; /* KmID; "" none */
    bool command;
} a_reg;
/* assign: A has presented a KeID, and a KmID is wanted (8.8.2.3). */
gba_err a_kms_register(a_kms *k, bool assign, a_reg *out) GBA_MUST_USE;
gba_err a_kms_commands(a_kms *k, const char *reg) GBA_MUST_USE;
typedef struct a_exported {
    char id[GBA_M2M_KEY_ID_MAX + 1]; /* KcID or KeID with its domain */
    gba_secret key;                  /* Kc or Ke */
    int64_t until;
} a_exported;
/* FORBIDDEN and *unregistered: there is no client registration. */
gba_err a_kms_key(a_kms *k, unsigned suid, const gba_m2m_id *target, a_exported *out, bool *unregistered) GBA_MUST_USE;

/* ---- JSON (a_json.c); texts are malloc'ed, NULL: out of memory ---- */
char *a_json_reg(bool mef, int64_t until, const char *admin); /* admin NULL: of an update */
char *a_json_key(int64_t until, const char *admin, unsigned suid, const char *target);
char *a_json_status(unsigned cmd, unsigned status);
gba_err a_json_reg_read(gba_span body, bool mef, a_reg *out) GBA_MUST_USE;
gba_err a_json_key_read(gba_span body, char relative[GBA_M2M_KEY_ID_MAX + 1], int64_t *until) GBA_MUST_USE;
typedef struct a_cmd {
    unsigned id, class;
} a_cmd;
/* A notification: a JSON object. *verification: m2m:sgn with vrq. */
gba_err a_json_notification(gba_span body, bool *verification) GBA_MUST_USE;
gba_err a_json_cmd_read(gba_span body, a_cmd *out) GBA_MUST_USE;
#endif
