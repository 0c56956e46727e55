/* SPDX-License-Identifier: Apache-2.0 */
/* ub_http.h - Ub over service/http.h: a skin over ub_handle. */
#ifndef BSF_UB_HTTP_H
#define BSF_UB_HTTP_H
#include "bsf/settings.h"
#include "bsf/ub.h"
#include <pthread.h>

/* For http_config of the Ub listeners: a UE sends a header and no body. */
#define UB_HTTP_HEADER_MAX 16384
#define UB_HTTP_BODY_MAX 4096

/* Whose addresses mean something else. */
typedef struct ub_http_nets {
    http_cidr exempt[HTTP_CIDRS], trusted[HTTP_CIDRS];
    size_t n_exempt, n_trusted;
} ub_http_nets;

typedef struct ub_http {
    ub *ub;
    pthread_rwlock_t lock;
    ub_http_nets nets;
} ub_http;
void ub_http_init(ub_http *h, ub *u);
void ub_http_end(ub_http *h);
void ub_http_set_nets(ub_http *h, const bsf_settings *s);
/* Whose connections are not counted; room for 2 * HTTP_CIDRS. */
size_t ub_http_uncounted(const ub_http *h, http_cidr *out);
/* An http_handler; ctx is the ub_http. */
void ub_http_handle(http_req *r, void *ctx);
#endif
