/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records.h - what the BSF stores, as octets and back. A record begins with a format
 * octet; a reader refuses what it does not know (UNSUPPORTED) and what is damaged (CORRUPT).
 */
#ifndef BSF_RECORDS_H
#define BSF_RECORDS_H
#include <gba/aka.h>
#include <gba/gba.h>

/* STORE_SUBSCRIBER, key IMPI */
typedef struct rec_subscriber {
    gba_aka_key key;
    uint8_t amf[2];       /* separation bit clear by default: 0000 */
    int64_t seq_offset;   /* DIF of TS 33.102 C.1.1.3: SEQ = clock ticks + DIF */
    uint64_t sqn_initial; /* what the operator gave, for show */
    int64_t created;      /* Unix seconds */
    int64_t lifetime;     /* of sessions, seconds; 0: the BSF's default */
    bool blocked;
} rec_subscriber;
void rec_subscriber_wipe(rec_subscriber *r);

/* STORE_SESSION, key B-TID; expiry = expires (a tombstone: nonce lifetime + tolerance) */
typedef struct rec_session {
    bool tombstone; /* revoked or superseded: nothing below but impi and challenge_ms */
    gba_impi impi;
    gba_secret ks;
    uint8_t rand[16];
    int64_t created, expires; /* Unix seconds */
    int64_t challenge_ms;     /* issue time of the answered challenge */
    uint8_t gba_type;         /* 0 GBA_ME, 1 GBA_U, 2 2G, 3 GBA_Digest */
    bool answered;            /* what was answered is known: */
    uint8_t answer[32];       /* hash of the accepted Authorization and body */
    uint8_t rspauth[16];      /* what the 200 said */
} rec_session;
void rec_session_wipe(rec_session *r);

/* STORE_HEAD, key IMPI */
typedef struct rec_head {
    gba_btid btid;        /* the live session, empty: none */
    int64_t challenge_ms; /* newest that was answered rightly or resynchronised */
    gba_impi tmpi;        /* empty: none */
} rec_head;

/* STORE_TMPI, key TMPI: value is the IMPI text behind a format octet */

/* STORE_NAF, key: dNSName of the NAF's certificate */
#define REC_NAF_GRANTS 64
#define REC_NAF_UAS 16
#define REC_NAF_SERVICES 16
#define REC_NAF_GROUP_MAX 63
typedef struct rec_grant {
    gba_fqdn fqdn; /* exact, or "*.example.com": one label and more below */
    struct {
        uint8_t n; /* octets given, 1..5 */
        uint8_t o[5];
    } ua[REC_NAF_UAS];
    size_t n_ua;
    uint32_t service[REC_NAF_SERVICES]; /* GSIDs whose USS may be released */
    size_t n_service;
    bool impi; /* may learn the IMPI */
    char naf_group[REC_NAF_GROUP_MAX + 1]; /* its group in nafGroup of USSs, empty: none (TS 29.109 Annex A) */
} rec_grant;
typedef struct rec_naf {
    rec_grant grant[REC_NAF_GRANTS];
    size_t n;
} rec_naf;

/* Room that always suffices. */
#define REC_SUBSCRIBER_MAX 256
#define REC_SESSION_MAX 512
#define REC_HEAD_MAX 1024
#define REC_TMPI_MAX 320
#define REC_MAX 32768 /* of any record */
/* *n: in, room; out, octets. Writers: ARG when the record itself is wrong (an empty name, too
 * many grants), SPACE. Readers wipe *out on error. */
gba_err rec_subscriber_write(const rec_subscriber *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err rec_subscriber_read(gba_span in, rec_subscriber *out) GBA_MUST_USE;
gba_err rec_session_write(const rec_session *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err rec_session_read(gba_span in, rec_session *out) GBA_MUST_USE;
gba_err rec_head_write(const rec_head *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err rec_head_read(gba_span in, rec_head *out) GBA_MUST_USE;
gba_err rec_naf_write(const rec_naf *r, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err rec_naf_read(gba_span in, rec_naf *out) GBA_MUST_USE;
gba_err rec_tmpi_write(const gba_impi *impi, uint8_t *out, size_t *n) GBA_MUST_USE;
gba_err rec_tmpi_read(gba_span in, gba_impi *out) GBA_MUST_USE;
#endif
