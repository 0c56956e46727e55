/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue.h - the device: Ub as a step machine without I/O (TS 24.109 4), sessions and
 * their keys, and Ua with HTTP Digest (TS 24.109 5.2, TS 33.222 5.3).
 *
 * The step machine (gba_ub_*) does no I/O, reads no clock and draws no randomness.
 * gba_ue_* is the whole: it keeps the session in a sealed file, runs Ub over a
 * carrier when a key is needed, and answers a NAF's challenge. An object is used by
 * one thread at a time; processes that share a state folder or a card exclude each
 * other.
 */
#ifndef GBA_UE_H
#define GBA_UE_H

#include <gba/digest.h>
#include <gba/uicc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One header field. */
typedef struct gba_ue_field {
    gba_span name, value;
} gba_ue_field;
/* What came back over HTTP. */
typedef struct gba_ue_answer {
    int status;
    const gba_ue_field *fields;
    size_t n_fields;
    gba_span body;
    gba_transport transport; /* and what carried it: the Ua id depends on it */
    uint16_t suite;          /* the negotiated TLS cipher suite */
} gba_ue_answer;

#define GBA_UE_TEXT GBA_UICC_TEXT /* room of an operator's message */
#define GBA_UE_ENTROPY 16    /* random octets a step takes for its cnonce */
#define GBA_UE_TMPI_TOKEN "3gpp-gba-tmpi"
#define GBA_UE_GBA_TOKEN "3gpp-gba"

/* ---- Ub ---- */
typedef struct gba_ub gba_ub;
typedef struct gba_ub_config {
    gba_impi impi;
    gba_fqdn bsf;       /* the realm to expect, and the B-TID's domain */
    gba_impi tmpi;      /* empty: none is stored */
    bool no_tmpi;       /* do not announce TMPI support (TS 33.220 B.4) */
    gba_uicc *uicc;     /* borrowed */
    const char *target; /* request-target; NULL: "/" */
    const char *agent;  /* first words of User-Agent; NULL: "OpenGBA" */
} gba_ub_config;
/* The request to send: GET, no body. Spans live until the next call on the machine. */
typedef struct gba_ub_request {
    const char *method, *target;
    const gba_ue_field *fields; /* User-Agent, Accept, Authorization; Host is the carrier's */
    size_t n_fields;
} gba_ub_request;
/* What bootstrapping gave. */
typedef struct gba_ue_session {
    gba_impi impi;
    gba_fqdn bsf;
    gba_btid btid;
    uint8_t rand[16];
    int64_t lifetime; /* Unix seconds, as the BSF says */
    int64_t expires;  /* the same instant by the local clock (currenttime of TS 24.109 C.1 applied) */
    int64_t begun;    /* local clock when it was made */
    gba_impi tmpi;    /* empty: none */
    gba_uicc_ks ks;
} gba_ue_session;
GBA_API void gba_ue_session_wipe(gba_ue_session *s);

/* Here and below: whatever *out and the like held, an error leaves them NULL, empty or wiped, unless said otherwise. */
typedef enum gba_ub_next { GBA_UB_SEND = 1, GBA_UB_DONE } gba_ub_next;
GBA_API gba_err gba_ub_new(const gba_ub_config *c, gba_ub **out) GBA_MUST_USE;
GBA_API void gba_ub_free(gba_ub **u);
GBA_API gba_err gba_ub_start(gba_ub *u, gba_ub_request *out) GBA_MUST_USE;
/*
 * OK with SEND: send *out and feed what comes back. OK with DONE: gba_ub_session.
 * An error is final and gba_ub_text says why: FORBIDDEN: the BSF refused, or its
 * challenge is not one to answer. AUTH: AUTN, rspauth or our RES is wrong. SYNC: out
 * of step after a resynchronisation. SYNTAX, RANGE: the answer is malformed.
 * BUSY: 429 or 5xx, or the fourth answer in a run to a challenge that was not good any more (stale=true).
 * EXPIRED: the lifetime is over already. UNKNOWN: 404.
 */
GBA_API gba_err gba_ub_feed(gba_ub *u, const gba_ue_answer *a, const uint8_t entropy[GBA_UE_ENTROPY], int64_t now,
                            gba_ub_next *next, gba_ub_request *out) GBA_MUST_USE;
/* Borrowed, after DONE; NULL before. */
GBA_API const gba_ue_session *gba_ub_session(const gba_ub *u);
GBA_API const char *gba_ub_text(const gba_ub *u);
/* The BSF did not know the TMPI: whoever stored it drops it. */
GBA_API bool gba_ub_tmpi_refused(const gba_ub *u);

/* ---- how bytes travel ---- */
typedef enum gba_ue_tls { GBA_UE_TLS_ANY = 0, GBA_UE_TLS_1_2, GBA_UE_TLS_1_3 } gba_ue_tls;
/* TLS with a GBA key instead of a certificate (TS 33.222 5.4). In one ClientHello both
 * versions are offered: the key is asked for once for TLS 1.3 (01 00 00 00 07) and, when
 * the server chooses TLS 1.2, again for the suite of its ServerHello (01 00 01 yy zz). */
typedef struct gba_ue_psk {
    gba_btid btid;
    gba_err (*key)(void *arg, const gba_ua_id *ua, gba_secret *out);
    void *arg;
    gba_ue_tls tls;
    const char *priority; /* GnuTLS priority string; NULL: ours. Whatever it says: PSK only, (EC)DHE in TLS 1.3 */
} gba_ue_psk;
typedef struct gba_ue_request {
    const char *method, *url;
    const gba_ue_field *fields; /* besides Host and Content-Length */
    size_t n_fields;
    gba_span body; /* p == NULL: none */
    const gba_ue_psk *psk; /* of a carrier's request; NULL: certificate. Others leave it NULL */
    unsigned timeout_ms;   /* of a carrier's request: what is left of the call; 0: the carrier's own. Others leave it 0 */
} gba_ue_request;
typedef struct gba_ue_carrier_ops {
    const char *name; /* "curl", "gnutls" */
    /* One exchange, redirects never followed. *a is borrowed until the next call. OK
     * whatever the status; IO: not reached, TLS refused, timeout (text says). With a PSK:
     * AUTH: the server said that the key was not taken, as it does of a stale one;
     * FORBIDDEN: the server wants no GBA key; UNSUPPORTED: this carrier has no PSK. */
    gba_err (*exchange)(void *carrier, const gba_ue_request *r, gba_ue_answer *a);
    const char *(*text)(void *carrier);
    void (*close)(void *carrier);
} gba_ue_carrier_ops;
typedef struct gba_ue_carrier {
    const gba_ue_carrier_ops *ops;
    void *self;
} gba_ue_carrier;
typedef struct gba_ue_carrier_config {
    const char *ca_file;          /* PEM; NULL: the system's */
    const char *const *resolve;   /* "HOST:PORT:ADDR", NULL-terminated; may be NULL */
    const char *connect;          /* every connection goes to ADDR[:PORT], IPv6 or [IPv6][:PORT]; NULL */
    unsigned timeout_s;           /* of one exchange, name and handshake included; 0: 30 */
    size_t max_body;              /* 0: 64 MiB */
} gba_ue_carrier_config;
/* libcurl; UNSUPPORTED in a build without it. ARG: connect is none of its forms. *out is empty after an error. */
GBA_API gba_err gba_ue_carrier_curl(const gba_ue_carrier_config *c, gba_ue_carrier *out) GBA_MUST_USE;
/* GnuTLS over sockets of its own: TLS-PSK, and the smallest device. One connection is kept. */
GBA_API gba_err gba_ue_carrier_gnutls(const gba_ue_carrier_config *c, gba_ue_carrier *out) GBA_MUST_USE;
GBA_API void gba_ue_carrier_free(gba_ue_carrier *c);

/* ---- sessions, keys, Ua ---- */
typedef struct gba_ue gba_ue;
typedef struct gba_ue_config {
    gba_uicc *uicc;         /* borrowed */
    gba_ue_carrier carrier; /* borrowed; may be empty when only stored keys are used */
    gba_ue_carrier bsf_carrier; /* borrowed; for Ub when it trusts another CA; empty: carrier */
    const char *bsf_url;    /* http or https */
    gba_fqdn bsf;           /* the BSF's domain; empty: from the IMPI (TS 23.003 16.2) */
    const char *state_dir;  /* made with mode 0700 */
    gba_uicc_seal seal;     /* default: DIR/state.key */
    bool no_tmpi;           /* always bootstrap under the IMPI */
    /* Seconds that one call may take: Ub and Ua with all their exchanges, from resolving names to the answer. IO when
     * it is over. The wait for a card that another process holds is its own. 0: each exchange's limit alone. */
    unsigned call_s;
    int64_t (*now)(void *arg);                            /* NULL: the system's clock */
    gba_err (*entropy)(void *arg, uint8_t *out, size_t n); /* NULL: getrandom */
    /* One line of progress (level 1) or of the exchange with secrets left out (2). */
    void (*trace)(void *arg, int level, const char *line);
    void *arg;
} gba_ue_config;
/* text: GBA_UE_TEXT or NULL */
GBA_API gba_err gba_ue_new(const gba_ue_config *c, gba_ue **out, char text[GBA_UE_TEXT]) GBA_MUST_USE;
GBA_API void gba_ue_free(gba_ue **u);
GBA_API const char *gba_ue_text(const gba_ue *u); /* why the last call failed */
/* The stored session: UNKNOWN none, EXPIRED over (it is filled all the same). */
GBA_API gba_err gba_ue_session_load(gba_ue *u, gba_ue_session *out) GBA_MUST_USE;
/* A valid session, by Ub if needed; renew: by Ub in any case. */
GBA_API gba_err gba_ue_bootstrap(gba_ue *u, bool renew, gba_ue_session *out) GBA_MUST_USE;
/* The key of a NAF_Id from a valid session (by Ub if needed; *s may be NULL). */
GBA_API gba_err gba_ue_naf_key(gba_ue *u, const gba_naf_id *naf, gba_secret *out, gba_ue_session *s) GBA_MUST_USE;
/* The request with Ub and Ua done on the way. OK whatever the final status but 401;
 * *a is borrowed until the next call. */
GBA_API gba_err gba_ue_fetch(gba_ue *u, const gba_ue_request *r, gba_ue_answer *a) GBA_MUST_USE;
/* The same over TLS-PSK (the GnuTLS carrier): no Digest, no certificate, OK whatever the
 * status. A refused key counts as a stale one: one new bootstrap, one more try; then
 * AUTH, and a while without a bootstrap for a refusal's sake. IO: an outage, or a server that
 * refuses keys without an alert. FORBIDDEN: the server is no NAF for PSK. */
GBA_API gba_err gba_ue_fetch_psk(gba_ue *u, const gba_ue_request *r, gba_ue_tls tls, gba_ue_answer *a) GBA_MUST_USE;
GBA_API gba_err gba_ue_forget(gba_ue *u) GBA_MUST_USE;
/* Every session of a state folder, without a card. */
GBA_API gba_err gba_ue_sessions(const char *state_dir, const gba_uicc_seal *seal,
                                void (*each)(void *arg, const char *path, const gba_ue_session *s), void *arg,
                                char text[GBA_UE_TEXT]) GBA_MUST_USE;

/* ---- Ua by itself, for a device with an HTTP stack of its own ---- */
/* From the NAF's 401 (its field values one by one) to the Authorization value.
 * host: the contacted FQDN. */
typedef struct gba_ue_ua {
    gba_fqdn host;
    gba_challenge challenge; /* chosen */
    char realm[GBA_ID_MAX + 32];
    gba_authorization sent;
} gba_ue_ua;
/* Chooses among a 401's challenges. UNKNOWN: none of GBA's. FORBIDDEN: its realm names another host. */
GBA_API gba_err gba_ue_ua_choose(gba_ue_ua *ua, const gba_fqdn *host, const gba_ue_answer *a) GBA_MUST_USE;
/* *n: in, room; out, length. nc counts the uses of the nonce. */
GBA_API gba_err gba_ue_ua_authorize(gba_ue_ua *ua, const gba_btid *btid, const gba_secret *ks_naf,
                                    const gba_digest_message *m, uint32_t nc, const uint8_t entropy[GBA_UE_ENTROPY],
                                    char *out, size_t *n) GBA_MUST_USE;
/* rspauth of the NAF's answer: AUTH when it is wrong, or absent although qop is auth-int. */
GBA_API gba_err gba_ue_ua_verify(const gba_ue_ua *ua, const gba_secret *ks_naf, const gba_digest_message *m,
                                 const gba_ue_answer *a) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
