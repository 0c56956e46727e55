/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ub.h - Ub (TS 24.109 clause 4) without a transport: a request in, an answer out. ub_http.c
 * is the skin over service/http.h; a test drives this directly.
 */
#ifndef BSF_UB_H
#define BSF_UB_H
#include "bsf/av.h"
#include "bsf/challenge.h"
#include "bsf/limits.h"
#include "bsf/session.h"

typedef struct ub ub;
typedef struct ub_config {
    store *store; /* all borrowed */
    av_source *av;
    challenge_ring *ring;
    limits *limits;
    sessions *sessions;
    gba_fqdn domain;
    int64_t lifetime;       /* of sessions, seconds */
    int64_t nonce_lifetime; /* seconds */
    int64_t min_res_bits;
    bool tmpi;
    bool algorithm_optional; /* an answer may lack it: only AKAv1-MD5 is ever offered */
    unsigned unknown_status; /* 403 or 404 */
} ub_config;
gba_err ub_new(const ub_config *c, ub **out) GBA_MUST_USE;
void ub_free(ub **u);
unsigned ub_pending(const ub *u); /* requests without their answer yet */

/* Everything of the request that counts. Borrowed until done has run. */
typedef struct ub_request {
    const char *method, *target;
    const char *authorization; /* the first, NULL: none */
    size_t n_authorization;
    const char *user_agent; /* NULL: none */
    gba_span body;
    uint8_t source[16];     /* http_source of the client */
    const char *source_text;
    bool exempt;            /* from the limit by source */
} ub_request;

/* NULL: no such header field. Borrowed for the call of done. */
typedef struct ub_answer {
    unsigned status;
    const char *www_authenticate, *authentication_info, *expires, *allow, *retry_after, *content_type;
    const char *server; /* always */
    gba_span body;
} ub_answer;
typedef void ub_done(void *ctx, const ub_answer *a);
/* done runs once, now or later, on any thread. */
void ub_handle(ub *u, const ub_request *r, ub_done *done, void *ctx);
#endif
