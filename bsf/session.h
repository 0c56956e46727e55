/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - bootstrapped sessions: insert, supersession, tombstones, TMPI. All truth is in
 * the store, so that any replica, and gba-bsfctl, sees and changes the same.
 *
 * A session is written once its RES was right, if its B-TID is not there yet; the head of its
 * IMPI moves with it in one batch. The head's challenge time only grows: an answer to a
 * challenge not newer than it makes no session. What was superseded or revoked leaves a
 * tombstone for as long as its nonce could be answered.
 */
#ifndef BSF_SESSION_H
#define BSF_SESSION_H
#include "bsf/records.h"
#include "service/store.h"

typedef struct sessions sessions;
typedef struct sessions_config {
    store *store; /* borrowed */
    gba_fqdn bsf;
    int64_t keep_s;       /* of tombstones: nonce lifetime + tolerance */
    int64_t tolerance_ms; /* a head further ahead than this is from before a step of the clock */
} sessions_config;
gba_err sessions_new(const sessions_config *c, sessions **out) GBA_MUST_USE;
void sessions_free(sessions **s); /* after the store's last callback */

#define SESSION_ANSWER_LEN 32
typedef struct session_want {
    gba_impi impi;
    uint8_t rand[16];
    int64_t challenge_ms;
    gba_secret ks;
    int64_t lifetime; /* seconds */
    bool tmpi;        /* the UE speaks TMPI (TS 24.109 4.2: product token) */
    uint8_t answer[SESSION_ANSWER_LEN]; /* hash of what the UE sent */
    uint8_t rspauth[16];                /* of the 200 that it gets */
} session_want;
typedef struct session_got {
    gba_btid btid;
    int64_t created, expires;
    bool repeated; /* it was there: the answer came once more */
} session_got;
/* err: STALE the answer is a replay that makes no session; BUSY, IO, CORRUPT the store.
 * Runs once, on the caller's thread or one of the store's; must not block. */
typedef void session_done(void *ctx, gba_err err, const session_got *got);
void session_establish(sessions *s, const session_want *w, int64_t now_ms, session_done *done, void *ctx);

/* An exact retransmission when the challenge itself can be opened no more: the session made by the
 * very answer with this RAND and hash, if it lives. impi->s empty: any, told. STALE: none such. Waits. */
gba_err session_again(sessions *s, const uint8_t rand[16], const uint8_t answer[SESSION_ANSWER_LEN], int64_t now_ms,
                      gba_impi *impi, session_got *got, uint8_t rspauth[16]) GBA_MUST_USE;

/* A valid AUTS to this challenge: it is used up. STALE: it was before (a replay). Waits. */
gba_err session_resynced(sessions *s, const gba_impi *impi, int64_t challenge_ms, int64_t now_ms) GBA_MUST_USE;
/* For an early look: the IMPI's head, empty when there is none, and whether a challenge of that time is used up by it:
 * then session_resynced says STALE. */
gba_err session_head(store *s, const gba_impi *impi, int64_t now_ms, rec_head *head, uint64_t *version) GBA_MUST_USE;
bool session_head_covers(const sessions *s, const rec_head *h, int64_t challenge_ms, int64_t now_ms);
/* UNKNOWN: no such TMPI. */
gba_err session_tmpi(store *s, gba_span tmpi, int64_t now_ms, gba_impi *out) GBA_MUST_USE;
/* gba-bsfctl session revoke: the tombstone, the head without it, its TMPI, in one batch; *impi: whose it was.
 * keep_s as in sessions_config. Waits. UNKNOWN: no such live session. */
gba_err session_revoke(store *s, const gba_btid *btid, int64_t keep_s, int64_t now_ms, gba_impi *impi) GBA_MUST_USE;
/* gba-bsfctl subscriber remove: its record and GUSS, and its session as above, in one batch; no challenge that is out
 * makes another. UNKNOWN: no such subscriber. */
gba_err session_remove_subscriber(store *s, const gba_impi *impi, int64_t keep_s, int64_t now_ms) GBA_MUST_USE;
#endif
