/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - what an unauthenticated request may leave behind: entries in tables of fixed
 * size, allocated and touched at start. An entry that is pushed out loosens a limit; it never
 * tightens one, so no stranger can lock a subscriber out by filling a table.
 */
#ifndef BSF_LIMITS_H
#define BSF_LIMITS_H
#include "bsf/challenge.h"

typedef struct limits limits;
typedef struct limits_config {
    int64_t source_rate, source_burst;    /* requests a second, 0: none */
    int64_t impi_challenges, impi_window; /* window in seconds */
    int64_t wrong_answers;
    int64_t nonce_lifetime_ms, tolerance_ms;
} limits_config;
gba_err limits_new(const limits_config *c, limits **out) GBA_MUST_USE;
void limits_free(limits **l);
void limits_set(limits *l, const limits_config *c); /* at any time: reload */

/* May this source (http_source) send another request now? Otherwise *wait_s says when. */
bool limits_source(limits *l, const uint8_t source[16], int64_t now_ms, unsigned *wait_s);

/* A challenge is wanted for this IMPI. True: make a new one. False: it is over its limit, and
 * *again is its last challenge, which can still be answered. */
bool limits_impi(limits *l, const gba_impi *impi, int64_t now_ms, challenge_wire *again);
/* The issue time for a new challenge: now, or just behind the IMPI's last one in a tie. */
int64_t limits_issue_ms(limits *l, const gba_impi *impi, int64_t now_ms);
/* A challenge of a known IMPI goes out. */
void limits_issued(limits *l, const gba_impi *impi, const challenge_wire *w, int64_t issue_ms, int64_t now_ms);
/* It was answered by a right RES or a valid AUTS: it is not sent again. */
void limits_answered(limits *l, const gba_impi *impi, const uint8_t rand[16]);

/* Has this source used up its wrong answers to this challenge? */
bool limits_wrong_over(limits *l, const uint8_t rand[16], const uint8_t source[16], int64_t now_ms);
void limits_wrong_add(limits *l, const uint8_t rand[16], const uint8_t source[16], int64_t now_ms);
#endif
