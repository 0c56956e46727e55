/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf_zn_http.h - a ready-made key source for gba/naf.h: Zn over HTTP (TS 29.309, Nbsp_GBA
 * bootstrapping-info-retrieval) behind mutual TLS, on libcurl. Thread-safe.
 */
#ifndef GBA_NAF_ZN_HTTP_H
#define GBA_NAF_ZN_HTTP_H

#include <gba/naf.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gba_naf_zn_bsf {
    const char *domain; /* as in gba_naf_config.bsfs */
    const char *url;    /* apiRoot: "https://bsf.example.com:8443", before /nbsp-gba; no secret in it */
} gba_naf_zn_bsf;
#define GBA_NAF_ZN_GSIDS 16
typedef struct gba_naf_zn_http_config {
    const gba_naf_zn_bsf *bsfs;
    size_t n_bsfs;
    const char *ca_file;              /* PEM: who signs the BSFs' server certificates */
    const char *cert_file, *key_file; /* PEM: our client certificate, whose dNSName the BSF knows */
    unsigned connect_ms, total_ms;    /* [2000, 5000] */
    unsigned connections;             /* idle connections kept [8] */
    const char *user_agent;           /* [OpenGBA-NAF] */
    bool allow_http;                  /* http:// URLs, for tests on loopback only */
    const uint32_t *gsids;            /* GAA services whose user security settings are wanted */
    size_t n_gsids;                   /* at most GBA_NAF_ZN_GSIDS */
} gba_naf_zn_http_config;

typedef struct gba_naf_zn_http gba_naf_zn_http;
/* ARG: see *why (constant text; may be NULL). Calls curl_global_init, so make it before other threads use libcurl. */
GBA_API gba_err gba_naf_zn_http_new(const gba_naf_zn_http_config *c, gba_naf_zn_http **out,
                                    const char **why) GBA_MUST_USE;
GBA_API void gba_naf_zn_http_free(gba_naf_zn_http **zn);
/* The process ends: fetches under way in other threads give up within a second (BUSY). NULL is nothing. */
GBA_API void gba_naf_zn_http_stop(gba_naf_zn_http *zn);
/* A gba_naf_source; ctx is the gba_naf_zn_http. Blocks, at most total_ms. UNKNOWN: 404; FORBIDDEN:
 * 403, 401; BUSY: 429, 503, or timed out; IO: unreachable, not trusted or another status; SYNTAX:
 * an answer that is none. */
GBA_API gba_err gba_naf_zn_http_fetch(void *zn, const gba_naf_query *q, gba_naf_keys *out) GBA_MUST_USE;

/* The body of a 200 (BootstrappingInfoResponse). */
#define GBA_NAF_ZN_ANSWER_MAX 65536
GBA_API gba_err gba_naf_zn_answer_parse(gba_span json, gba_naf_keys *out) GBA_MUST_USE;
/* The request's body, BootstrappingInfoRequest. *n: in, room; out, octets. */
GBA_API gba_err gba_naf_zn_request_print(const gba_naf_query *q, char *out, size_t *n) GBA_MUST_USE;
/* The same with gsIds, when there are any. */
GBA_API gba_err gba_naf_zn_request_print_for(const gba_naf_query *q, const uint32_t *gsids, size_t n_gsids, char *out,
                                             size_t *n) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
