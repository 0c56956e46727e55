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

/* A request that wants a challenge; its own, until one of the two calls below has handed it back. */
typedef struct limits_ask {
    struct limits_ask *next;
    const gba_impi *impi; /* borrowed */
    void *ctx;            /* the caller's */
    bool under_way;       /* private: a new one is being made for it */
} limits_ask;
typedef enum limits_verdict {
    LIMITS_NEW,  /* make one, then call limits_issued or limits_not_issued */
    LIMITS_LAST, /* over its limit: *again is the IMPI's last challenge, which can still be answered */
    LIMITS_WAIT, /* over its limit, none can be answered, but one is under way: it will serve this one, too */
} limits_verdict;
limits_verdict limits_impi(limits *l, limits_ask *a, int64_t now_ms, challenge_wire *again) GBA_MUST_USE;
/* The issue time for a new challenge: now, or just behind the IMPI's last one in a tie. */
int64_t limits_issue_ms(limits *l, const gba_impi *impi, int64_t now_ms);
/* A challenge of a known IMPI goes out: the requests (a list by `next`) that have waited for it. After a valid AUTS
 * limits_impi was not asked: that challenge counts, and is not limited. */
limits_ask *limits_issued(limits *l, limits_ask *a, const challenge_wire *w, int64_t issue_ms,
                          int64_t now_ms) GBA_MUST_USE;
/* None could be made: those who waited for it in vain; while another is under way they go on waiting. */
limits_ask *limits_not_issued(limits *l, limits_ask *a) GBA_MUST_USE;
/* It was answered by a right RES or a valid AUTS: it is not sent again. */
void limits_answered(limits *l, const gba_impi *impi, const uint8_t rand[16]);
/* What was issued up to challenge_ms is answered by nobody any more: another replica has taken a later answer. */
void limits_superseded(limits *l, const gba_impi *impi, int64_t challenge_ms);

/* A wrong answer. True: this source had used up limits.wrong_answers to this challenge before. */
bool limits_wrong_add(limits *l, const gba_impi *impi, const uint8_t rand[16], const uint8_t source[16],
                      int64_t now_ms);
/* Has this challenge taken LIMITS_GUESSES wrong answers, from whatever sources? Then it is good for none any more. */
#define LIMITS_GUESSES 1000
bool limits_spent(limits *l, const uint8_t rand[16], int64_t now_ms);
#endif
