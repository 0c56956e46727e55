/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h - a small blocking HTTP/1.1 client over TLS 1.2 with a pre-shared key or certificates, for
 * whoever speaks to a MAF, a MEF or a CSE: MAF, gate and Entity A alike. Each connection is a full
 * handshake of its own, so that its export is (TS-0003 10.3.1); every wait has a deadline, every answer
 * a limit. Objects are for one thread at a time.
 */
#ifndef ONEM2M_PEER_H
#define ONEM2M_PEER_H
#include <gba/gba.h>
#include <sys/socket.h>

/* The key for a suite known only now (GBA: the suite is in the NAF_Id). hint: of the server, "" none.
 * Fills identity (room octets, *n) and key. */
typedef gba_err m2m_peer_psk_fn(void *ctx, uint16_t suite, const char *hint, char *identity, size_t room,
                                gba_secret *key);
typedef struct m2m_peer_config {
    const char *host; /* address or name to connect to */
    uint16_t port;
    const char *sni; /* the server's name: SNI, and dNSName of its certificate; never NULL */
    /* pre-shared key: both, or psk_fn */
    gba_span psk_identity;
    const gba_secret *psk;
    m2m_peer_psk_fn *psk_fn;
    void *psk_ctx;
    /* certificates: ca_file, or expect_key, at least; PEM */
    const char *ca_file, *crl_file, *cert_file, *key_file;
    bool raw_key;           /* show the key of key_file as a raw public key (RFC 7250), no certificate */
    const uint8_t *expect_key; /* 32 octets: the server shows the raw public key with this SHA-256, no certificate */
    const char *expect_uri; /* the server's certificate has this URI (an AE-ID) in place of the dNSName */
    const char *priority;   /* NULL: gba_m2m_priority's, by the credential */
    unsigned connect_ms, total_ms; /* TCP; handshake, and each request anew. 0: 2000, 5000 */
    size_t answer_max;             /* 0: 65536 */
    bool (*may)(void *ctx, const struct sockaddr *address); /* may it be contacted? NULL: all */
    void *may_ctx;
} m2m_peer_config;

typedef struct m2m_peer m2m_peer;
/* IO: unreachable or broken; BUSY: timed out; FORBIDDEN: none of its addresses may be contacted; AUTH: not accepted by
 * either side; ARG, SYNTAX: the configuration. why: one line for operators, no secret. */
gba_err m2m_peer_open(const m2m_peer_config *c, m2m_peer **out, char *why, size_t why_n) GBA_MUST_USE;
void m2m_peer_close(m2m_peer **p);
void m2m_peer_within(m2m_peer *p, unsigned ms); /* total_ms of the requests that follow */
/* The process ends: what waits for a peer, in any thread, gets BUSY within a moment, and so does all that follows. */
void m2m_peer_stop(void);
/* TS-0003 10.3.1: 48 octets, no context. FORBIDDEN: no extended master secret. The same each time. */
gba_err m2m_peer_export(m2m_peer *p, const char *label, gba_secret *out) GBA_MUST_USE;
uint16_t m2m_peer_suite(const m2m_peer *p); /* IANA number */
const char *m2m_peer_suite_name(const m2m_peer *p);
const char *m2m_suite_name(uint16_t suite); /* "" unknown */

typedef struct m2m_field {
    const char *name, *value;
} m2m_field;
#define M2M_ANSWER_FIELDS 64
typedef struct m2m_answer {
    unsigned status;
    m2m_field field[M2M_ANSWER_FIELDS];
    size_t n_fields;
    gba_span body;
    char *text; /* what the fields point into, wiped and freed by m2m_answer_free */
    size_t text_n;
} m2m_answer;
/* Adds Host and Content-Length. BUSY, IO; SYNTAX, RANGE: the answer. After an error, or an answer with
 * Connection: close, the connection is of no use. */
gba_err m2m_peer_request(m2m_peer *p, const char *method, const char *target, const m2m_field *fields, size_t n,
                         gba_span body, m2m_answer *out) GBA_MUST_USE;
const char *m2m_answer_field(const m2m_answer *a, const char *name); /* NULL: none; any case */
void m2m_answer_free(m2m_answer *a);

/* The parser alone. text: the octets so far, `end`: no more will come. *out points into a copy. STALE:
 * more is needed. */
gba_err m2m_answer_parse(gba_span text, bool end, bool head, size_t max, m2m_answer *out) GBA_MUST_USE;

/* ---- a request that comes to us ---- */
#define M2M_HEAD_MAX 16384
typedef struct m2m_arrival {
    const char *method, *target;
    m2m_field field[M2M_ANSWER_FIELDS];
    size_t n_fields, used; /* octets of the input that were it */
    bool last;             /* nothing of this connection after it */
    gba_span body;
    char *text;
    size_t text_n;
} m2m_arrival;
/* STALE: more is needed. SYNTAX: no HTTP/1.1 request, or one that two could read in two ways. RANGE: head
 * above M2M_HEAD_MAX, or body above max. *out points into a copy. */
gba_err m2m_arrival_parse(gba_span text, size_t max, m2m_arrival *out) GBA_MUST_USE;
const char *m2m_arrival_field(const m2m_arrival *r, const char *name);
void m2m_arrival_free(m2m_arrival *r);
#endif
