/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf_zn_diameter.h - a ready-made key source for gba/naf.h: Zn over Diameter (TS 29.109 clause 5) on
 * freeDiameter, which allows one object a process. Thread-safe.
 */
#ifndef GBA_NAF_ZN_DIAMETER_H
#define GBA_NAF_ZN_DIAMETER_H

#include <gba/naf.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gba_naf_zn_diameter_bsf {
    const char *domain; /* as in gba_naf_config.bsfs */
    const char *realm;  /* Destination-Realm */
    const char *host;   /* Destination-Host; NULL: any of the realm, or a Zn-Proxy's choice */
} gba_naf_zn_diameter_bsf;
typedef struct gba_naf_zn_diameter_peer { /* a BSF, a Zn-Proxy or an agent that we connect to */
    const char *identity;
    const char *address; /* to connect to; without TLS it must come from there, too. NULL: it connects to us */
    uint16_t port;       /* [5658; 3868 without TLS] */
    bool plaintext;      /* no TLS: on links that IPsec protects, or in tests */
    bool relay;          /* a Zn-Proxy or agent: requests for any realm may go there */
    bool sctp;           /* by SCTP, and by TCP where that fails; plaintext alone */
    bool passive;        /* we wait for it, though it has an address */
} gba_naf_zn_diameter_peer;
/* SCTP beside TCP: where the kernel has it; never; or not without it. */
typedef enum gba_sctp { GBA_SCTP_AUTO = 0, GBA_SCTP_NO, GBA_SCTP_YES } gba_sctp;
typedef struct gba_naf_zn_diameter_config {
    const char *identity, *realm; /* ours; the BSF knows us by the identity */
    const char *listen;           /* an address of ours, no loopback one: every Diameter node has one */
    uint16_t port, sec_port;      /* TCP and TLS; 0: closed, but not both */
    const char *cert_file, *key_file, *ca_file, *crl_file; /* PEM; needed for TLS */
    const gba_naf_zn_diameter_peer *peers;
    size_t n_peers;
    const gba_naf_zn_diameter_bsf *bsfs;
    size_t n_bsfs;
    unsigned total_ms;     /* [5000] */
    const uint32_t *gsids; /* GAA services whose user security settings are asked for, at most 16 */
    size_t n_gsids;
    bool gba_u_aware;
    gba_sctp sctp;
    /* freeDiameter's own lines (level 1 notice .. 3 fatal), and peers that come and go; may be NULL */
    void (*log)(int level, const char *line);
    void (*peer_change)(const char *identity, bool open);
} gba_naf_zn_diameter_config;

typedef struct gba_naf_zn_diameter gba_naf_zn_diameter;
/* Copies the configuration. ARG, UNSUPPORTED, IO: `why` (may be NULL) gets the operator's text. */
GBA_API gba_err gba_naf_zn_diameter_new(const gba_naf_zn_diameter_config *c, gba_naf_zn_diameter **out, char *why,
                                        size_t why_n) GBA_MUST_USE;
GBA_API void gba_naf_zn_diameter_free(gba_naf_zn_diameter **zn); /* after the last fetch */
/* A gba_naf_source; ctx is the gba_naf_zn_diameter. Blocks, at most total_ms and half a second. EXPIRED: 5403;
 * FORBIDDEN: 5402; BUSY: overloaded, or timed out; IO: no peer, or another result; SYNTAX: an answer that
 * is none. */
GBA_API gba_err gba_naf_zn_diameter_fetch(void *zn, const gba_naf_query *q, gba_naf_keys *out) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
