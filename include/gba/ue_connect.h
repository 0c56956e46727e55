/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_connect.h - a connection to a NAF secured by the GBA key (TS 33.222 5.4), handed to
 * the application: whatever protocol it likes rides on it.
 */
#ifndef GBA_UE_CONNECT_H
#define GBA_UE_CONNECT_H

#include <gba/ue.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gba_ue_conn gba_ue_conn;
typedef struct gba_ue_connect_config {
    const char *host; /* the NAF's FQDN: server name and NAF_Id */
    unsigned port;
    gba_ue_tls tls;
    const char *priority; /* see gba_ue_psk */
    const gba_ue_carrier_config *net; /* resolve, connect, timeout_s of the handshake; NULL: none */
} gba_ue_connect_config;
/* Bootstraps if needed; a failed handshake counts as a stale key, as in gba_ue_fetch_psk.
 * gba_ue_text says why. The connection does not borrow from *u and outlives it. */
GBA_API gba_err gba_ue_connect(gba_ue *u, const gba_ue_connect_config *c, gba_ue_conn **out) GBA_MUST_USE;

/* timeout_ms: 0: do not wait, -1: without end. BUSY: nothing (yet) within it. IO: broken.
 * *n: in, room or octets to send; out, octets moved. A read of OK with 0 is the peer's end.
 * After BUSY a write is repeated with the same octets. */
GBA_API gba_err gba_ue_conn_read(gba_ue_conn *c, void *p, size_t *n, int timeout_ms) GBA_MUST_USE;
GBA_API gba_err gba_ue_conn_write(gba_ue_conn *c, const void *p, size_t *n, int timeout_ms) GBA_MUST_USE;
/* For poll(), owned by the connection; look at pending before waiting for input. */
GBA_API int gba_ue_conn_fd(const gba_ue_conn *c);
GBA_API size_t gba_ue_conn_pending(const gba_ue_conn *c);
/* Tells the peer that no more comes from here; reading goes on. */
GBA_API gba_err gba_ue_conn_end(gba_ue_conn *c) GBA_MUST_USE;
GBA_API void gba_ue_conn_close(gba_ue_conn **c);
GBA_API const char *gba_ue_conn_text(const gba_ue_conn *c); /* why the last call failed */

/* What was agreed; borrowed. */
typedef struct gba_ue_conn_facts {
    gba_transport transport;
    uint16_t suite;
    gba_naf_id naf;
    gba_btid btid;
} gba_ue_conn_facts;
GBA_API const gba_ue_conn_facts *gba_ue_conn_info(const gba_ue_conn *c);
/* RFC 5705 without context (RFC 8446 7.5 with an empty one). n: at most GBA_SECRET_MAX.
 * FORBIDDEN: a resumed session, or TLS 1.2 without extended master secret (RFC 7627): its
 * exporter does not bind the peers. */
GBA_API gba_err gba_ue_conn_export(gba_ue_conn *c, const char *label, size_t n, gba_secret *out) GBA_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
