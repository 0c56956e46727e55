/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onem2m_a.h - Entity A of oneM2M: the side of an AE's device or a field CSE in the seven frameworks. It
 * connects (blocking, each wait with a deadline; a name is resolved by a thread of its own), keeps what an
 * enrolment gave in a sealed state folder, and tells each step in the annex's words. An object is for one thread at a
 * time; processes that share a state folder exclude each other.
 */
#ifndef GBA_ONEM2M_A_H
#define GBA_ONEM2M_A_H

#include <gba/onem2m.h>
#include <gba/uicc.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GBA_M2M_TEXT 512 /* room of a message for operators */

/* ---- steps as they happen; never a key's value. NULL or 0: not in this step ---- */
typedef struct gba_m2m_step {
    const gba_m2m_row *row;
    const char *phase;           /* "Association Security Handshake" */
    const char *from, *to;       /* "Entity A", "MAF maf.example.com" */
    const char *text;            /* what was done */
    const char *from_by, *to_by; /* by what each authenticated itself to the other: "KmID a@maf.example.com", "Km" */
    const char *suite;
    const char *key, *key_id_name, *key_id, *how; /* what came out: "Kc", "KcID", its value, by what means */
    int64_t until;
    unsigned rsc;
} gba_m2m_step;

/* ---- the USIM, by whatever UE the program has (libgbaue: gba_ue_bootstrap, gba_ue_naf_key) ---- */
typedef struct gba_m2m_gba_facts {
    gba_btid btid;
    gba_impi impi;
    gba_fqdn bsf;
    int64_t expires; /* local clock */
    bool fresh;      /* Ub has just run */
} gba_m2m_gba_facts;
typedef struct gba_m2m_gba {
    gba_err (*session)(void *arg, bool renew, gba_m2m_gba_facts *out); /* by Ub if needed; renew: in any case */
    gba_err (*naf_key)(void *arg, const gba_naf_id *naf, gba_secret *out);
    const char *(*text)(void *arg); /* why the last of them failed */
    void *arg;
} gba_m2m_gba;

/* ---- Entity A ---- */
typedef struct gba_m2m_a gba_m2m_a;
typedef struct gba_m2m_a_config {
    gba_m2m_id id;         /* IdA; kind NONE: an AE that has no AE-ID yet */
    const char *state_dir; /* made with mode 0700; NULL: nothing is kept, and SBFs are UNSUPPORTED */
    gba_uicc_seal seal;    /* default: DIR/state.key */
    gba_m2m_kdf kdf;       /* of keys from Ke */
    gba_fqdn admin;        /* adminFQDN; empty: the M2M-SP of IdA */
    int64_t lifetime;      /* asked for, seconds; 0: 30 days */
    unsigned connect_ms, total_ms; /* of a TCP connection; of a handshake and of each request. 0: 5000, 15000 */
    int64_t (*now)(void *arg);     /* NULL: the system's clock */
    void (*step)(void *arg, const gba_m2m_step *s); /* NULL: none */
    void *arg;
} gba_m2m_a_config;
/* text: GBA_M2M_TEXT or NULL */
GBA_API gba_err gba_m2m_a_new(const gba_m2m_a_config *c, gba_m2m_a **out, char text[GBA_M2M_TEXT]) GBA_MUST_USE;
GBA_API void gba_m2m_a_free(gba_m2m_a **a);
GBA_API const char *gba_m2m_a_text(const gba_m2m_a *a); /* why the last call failed */

typedef struct gba_m2m_server {
    const char *host; /* address or name; NULL: the FQDN */
    uint16_t port;    /* 0: 443 */
    gba_fqdn fqdn;    /* SNI, the certificate's name, the NAF's name; empty: of the credential in store */
} gba_m2m_server;
typedef struct gba_m2m_own { /* by what A authenticates itself; borrowed */
    const char *psk_id;    /* KpsaID, KmID, KpmID with its key; NULL: of the store, or the certificate */
    const gba_secret *psk;
    const char *cert_file, *key_file, *ca_file, *crl_file; /* PEM; a key alone: a raw public key (RFC 7250) */
    const uint8_t *server_key; /* 32 octets: SHA-256 of the server's raw public key, in place of the CA; NULL */
    const gba_m2m_gba *gba;
} gba_m2m_own;

/* ---- SAEF ---- */
typedef struct gba_m2m_saef {
    gba_m2m_framework framework;
    gba_m2m_own own;
    gba_m2m_server b, maf;
    gba_m2m_id b_id;      /* IdB; kind NONE: of the credential in store, else from B's FQDN */
    bool fresh;           /* SAEF 3: a new Kc, though one is alive */
    const char *priority; /* GnuTLS's, towards B; NULL: gba_m2m_priority's. Borrowed while *sa lives, as own is */
} gba_m2m_saef;
typedef struct gba_m2m_sa_facts {
    const gba_m2m_row *row;
    char identifier[GBA_ID_MAX + 1]; /* the PSK identity, or the certificate's file */
    const char *identifier_name;     /* "KcID" */
    const char *key;                 /* "Kc"; NULL: none */
    char key_from[64];               /* "SBF 1", "MAF", "BSF", "provisioned", "certificate" */
    uint16_t suite;
    const char *suite_name;
    gba_fqdn b;
    gba_m2m_id b_id;
    int64_t expires; /* 0: not known */
    unsigned handshake_ms;
} gba_m2m_sa_facts;
typedef struct gba_m2m_sa gba_m2m_sa;
/* *how's own credentials stay where they are while *sa lives, and so does its priority. UNKNOWN: no credential.
 * EXPIRED: there was one (enrol again). AUTH: a handshake was refused, also with a new Kc or session. FORBIDDEN: MAF or
 * BSF refused. IO, BUSY: not reached in time, or an outage, after which no key is made anew. *sa borrows *a. */
GBA_API gba_err gba_m2m_connect(gba_m2m_a *a, const gba_m2m_saef *how, gba_m2m_sa **out) GBA_MUST_USE;
GBA_API const gba_m2m_sa_facts *gba_m2m_sa_info(const gba_m2m_sa *sa);
GBA_API void gba_m2m_sa_close(gba_m2m_sa **sa);

/* A oneM2M request over HTTP (TS-0009). */
typedef struct gba_m2m_call {
    gba_m2m_op op;
    const char *to;   /* "X", "/cse/X", "//sp/cse/X"; NULL: B's CSEBase */
    unsigned ty;      /* of Create */
    const char *from; /* NULL: IdA as an originator writes it; "": none is sent */
    gba_span body;    /* JSON; n 0: none */
} gba_m2m_call;
typedef struct gba_m2m_reply {
    unsigned http, rsc; /* rsc 0: the answer has none */
    char location[512];
    char from[GBA_M2M_ID_MAX + 1]; /* what was sent */
    char to[GBA_M2M_TO_MAX + 1];
    char *body; /* with a NUL; never NULL after OK */
    size_t n;
} gba_m2m_reply;
/* OK whatever the response status code. */
GBA_API gba_err gba_m2m_request_send(gba_m2m_sa *sa, const gba_m2m_call *c, gba_m2m_reply *out) GBA_MUST_USE;
GBA_API void gba_m2m_reply_free(gba_m2m_reply *r);

/* ---- SA2: Entity A is request-reachable, its registrar connects to it (TS-0003 8.2.1) ----
 * A TLS server by the credential of a standing association, for that one peer: notifications come in. It may
 * run in another thread than its association's requests, so that a CSE can verify a subscription while its
 * Create is under way. */
typedef struct gba_m2m_incoming {
    gba_m2m_op op;               /* NOTIFY */
    const char *to;              /* the request-target */
    const char *from, *ri;       /* originator and request identifier */
    bool verification;           /* of a subscription ("vrq") */
    const char *body;            /* JSON, with a NUL */
    size_t n;
    const char *suite_name, *address; /* the peer's */
} gba_m2m_incoming;
/* The response status code to answer with; 2000 OK. */
typedef unsigned gba_m2m_incoming_fn(void *arg, const gba_m2m_incoming *in);
typedef struct gba_m2m_listen_config {
    const char *host; /* address to listen at; NULL: 127.0.0.1 */
    uint16_t port;    /* 0: any, see gba_m2m_listener_port */
    const char *priority; /* GnuTLS's, borrowed while the listener lives; NULL: as of gba_m2m_connect */
    gba_m2m_incoming_fn *take;
    void (*refused)(void *arg, const char *address, const char *why); /* a handshake or a request; NULL */
    void *arg;
} gba_m2m_listen_config;
typedef struct gba_m2m_listener gba_m2m_listener;
/* *sa outlives it. IO: the address; why: gba_m2m_a_text. 16 connections at once; a caller who has shown no credential
 * yet makes room for a newer one. */
GBA_API gba_err gba_m2m_listen(gba_m2m_sa *sa, const gba_m2m_listen_config *c, gba_m2m_listener **out) GBA_MUST_USE;
GBA_API uint16_t gba_m2m_listener_port(const gba_m2m_listener *l);
/* Serves for ms at most, and returns earlier when a request was answered (OK). BUSY: none was. EXPIRED: the
 * association's key is over, associate again. IO: the listener is broken. */
GBA_API gba_err gba_m2m_listener_run(gba_m2m_listener *l, unsigned ms) GBA_MUST_USE;
GBA_API void gba_m2m_listener_close(gba_m2m_listener **l);

/* ---- SBF: the result stands in the state folder, and gba_m2m_connect finds it ---- */
typedef enum gba_m2m_held_kind { GBA_M2M_HELD_KM = 1, GBA_M2M_HELD_KPSA, GBA_M2M_HELD_KC } gba_m2m_held_kind;
typedef struct gba_m2m_held {
    gba_m2m_held_kind kind;
    gba_m2m_framework by;            /* SBF 1..3; of a Kc: SAEF 3 */
    char id[GBA_ID_MAX + 1];         /* PSK identity: KeID, B-TID, the KmID that the MAF assigned, KcID */
    char enrolled_as[GBA_ID_MAX + 1]; /* KeID or B-TID */
    gba_m2m_id self, target;         /* target: MAF or CSE */
    gba_fqdn server;                 /* MEF, BSF or MAF it came from */
    gba_m2m_kdf kdf;
    int64_t made, expires;
} gba_m2m_held;
GBA_API const char *gba_m2m_held_key(const gba_m2m_held *h);    /* "Km" */
GBA_API const char *gba_m2m_held_id_name(const gba_m2m_held *h); /* "KeID" */
typedef struct gba_m2m_sbf {
    gba_m2m_framework framework;
    gba_m2m_own own;
    gba_m2m_server mef;
    gba_m2m_id target;   /* MAF: an FQDN; CSE: its absolute CSE-ID */
    gba_m2m_server maf;  /* where a target MAF is, for later; port 0: not said */
    int64_t if_less;     /* seconds: nothing is done while the stored one lives that long; 0: always */
} gba_m2m_sbf;
/* *done: false when the stored one is good enough. */
GBA_API gba_err gba_m2m_enrol(gba_m2m_a *a, const gba_m2m_sbf *how, gba_m2m_held *out, bool *done) GBA_MUST_USE;
/* All that the state folder holds, expired ones included. */
GBA_API gba_err gba_m2m_held_each(gba_m2m_a *a, void (*each)(void *arg, const gba_m2m_held *h), void *arg) GBA_MUST_USE;
/* id: key identifier or KeID; NULL: all that have expired. *n: how many. */
GBA_API gba_err gba_m2m_held_forget(gba_m2m_a *a, const char *id, size_t *n) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
