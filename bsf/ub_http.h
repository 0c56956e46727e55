/* SPDX-License-Identifier: Apache-2.0 */
/* ub_http.h - Ub over service/http.h: a skin over ub_handle. */
#ifndef BSF_UB_HTTP_H
#define BSF_UB_HTTP_H
#include "bsf/settings.h"
#include "bsf/ub.h"

/* For http_config of the Ub listeners: a UE sends a header and no body. */
#define UB_HTTP_HEADER_MAX 16384
#define UB_HTTP_BODY_MAX 4096

/* Whose addresses mean something else. Immutable once it is in use. */
typedef struct ub_http_nets {
    struct ub_http_nets *older; /* kept, for a request may still read it */
    http_cidr exempt[BSF_CIDRS_MAX], trusted[BSF_CIDRS_MAX];
    size_t n_exempt, n_trusted;
} ub_http_nets;

typedef struct ub_http {
    ub *ub;
    _Atomic(ub_http_nets *) nets;
} ub_http;
gba_err ub_http_set_nets(ub_http *h, const bsf_settings *s) GBA_MUST_USE;
void ub_http_free_nets(ub_http *h);
/* An http_handler; ctx is the ub_http. */
void ub_http_handle(http_req *r, void *ctx);
#endif
