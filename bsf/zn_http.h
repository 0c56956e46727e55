/* SPDX-License-Identifier: Apache-2.0 */
/* zn_http.h - Nbsp_GBA (TS 29.309) over HTTP/1.1 behind mutual TLS: a skin over zn_release. */
#ifndef BSF_ZN_HTTP_H
#define BSF_ZN_HTTP_H
#include "bsf/zn.h"
#include "service/http.h"

/* For http_config.body_max of the Zn listener. */
#define ZN_HTTP_BODY_MAX 8192
/* An http_handler; ctx is the zn. */
void zn_http_handle(http_req *r, void *ctx);
#endif
