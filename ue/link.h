/* SPDX-License-Identifier: Apache-2.0 */
/* link.h - octets to a host and back: TCP, TLS with a certificate, TLS-PSK; every wait has an end. */
#ifndef UE_LINK_H
#define UE_LINK_H

#include "ue/carrier.h"

#define UE_EXCHANGE_S 30u
#define UE_CONNECT_S 10u

/* Milliseconds of the monotonic clock. */
int64_t ue_clock(void);
#define UE_FOREVER INT64_MAX
/* OK: ready. BUSY: deadline passed. */
gba_err ue_wait(int fd, short events, int64_t deadline) GBA_MUST_USE;
/* A connected, non-blocking socket; resolve and connect of the configuration applied. */
gba_err ue_tcp_connect(const char *host, unsigned port, const gba_ue_carrier_config *net, int64_t deadline, int *fd,
                       char text[GBA_UICC_TEXT]) GBA_MUST_USE;

typedef struct ue_link ue_link;
typedef struct ue_link_config {
    const char *host;
    unsigned port;
    bool tls;
    const gba_ue_psk *psk; /* NULL: certificate */
    const gba_ue_carrier_config *net;
} ue_link_config;
/* IO: not reached, certificate refused, timeout. With a PSK: AUTH, FORBIDDEN as gba_ue_carrier_ops say. */
gba_err ue_link_open(const ue_link_config *c, int64_t deadline, ue_link **out, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
void ue_link_close(ue_link **l);
/* *n: in, room or octets; out, octets moved. Read: OK and 0 is the end. BUSY: deadline. */
gba_err ue_link_read(ue_link *l, void *p, size_t *n, int64_t deadline, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
gba_err ue_link_write(ue_link *l, const void *p, size_t *n, int64_t deadline, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
gba_err ue_link_end(ue_link *l, int64_t deadline, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
int ue_link_fd(const ue_link *l);
size_t ue_link_pending(const ue_link *l);
void ue_link_facts(const ue_link *l, gba_transport *t, uint16_t *suite);
gba_err ue_link_export(ue_link *l, const char *label, size_t n, gba_secret *out, char text[GBA_UICC_TEXT]) GBA_MUST_USE;

/* A ServerHello's body (RFC 5246 7.4.1.3, RFC 8446 4.1.3). UNKNOWN: a HelloRetryRequest. */
gba_err ue_server_hello(gba_span body, gba_transport *t, uint16_t *suite) GBA_MUST_USE;
/* TS 24.109 5.3.3.1.2: does the list name `3GPP-bootstrapping`? */
bool ue_hint_is_gba(const char *hint);
#endif
