/* SPDX-License-Identifier: Apache-2.0 */
/*
 * av.h - the vector source: one operation, "a vector for this IMPI, perhaps after this AUTS",
 * answered once by callback. av_local.c (own AuC), av_zh.c (Diameter), av_sbi.c are behind it.
 */
#ifndef BSF_AV_H
#define BSF_AV_H
#include <gba/aka.h>

typedef struct av_source av_source;
typedef struct av_resync { /* TS 33.102 6.3.5 */
    uint8_t rand[16];      /* of the challenge that the card refused */
    uint8_t auts[14];
} av_resync;
typedef struct av_result {
    gba_vector vector;
    int64_t lifetime; /* seconds for this subscriber, 0: default; a recomputable source says it at recompute */
    /* The source can compute this vector again from RAND (own AuC): nothing of it need be
     * sealed into the challenge. */
    bool recomputable;
} av_result;
/* err: UNKNOWN no such IMPI; FORBIDDEN not allowed to bootstrap; AUTH AUTS wrong; BUSY overload;
 * IO unreachable; SYNTAX what it said is malformed. result is borrowed for the call, and NULL on error. */
typedef void av_done(void *ctx, gba_err err, const av_result *result);
typedef struct av_ops {
    const char *name;
    void (*fetch)(av_source *s, const gba_impi *impi, const av_resync *resync, av_done *done, void *ctx);
    /* XRES, CK, IK (and lifetime) for a RAND issued before, by a recomputable source; others leave
     * it NULL. Wipe out->vector. */
    gba_err (*recompute)(av_source *s, const gba_impi *impi, const uint8_t rand[16], av_result *out);
    /* Can it give vectors? UNKNOWN: it could, but has no subscriber. */
    gba_err (*health)(av_source *s, char *why, size_t why_n);
    void (*free)(av_source *s);
} av_ops;
struct av_source {
    const av_ops *ops;
};
#endif
