/* SPDX-License-Identifier: Apache-2.0 */
/* carrier.h - URLs and TLS facts, which every carrier needs (the seam itself is in gba/ue.h). */
#ifndef UE_CARRIER_H
#define UE_CARRIER_H

#include <gba/ue.h>

#define UE_URL_MAX 2048
#define UE_FIELDS_MAX 128           /* header fields of an answer */
#define UE_HEADER_MAX (64 * 1024)   /* and their octets */

/* http[s]://host[:port][/path][?query]; no user, no fragment, printable ASCII without blanks. */
typedef struct ue_url {
    bool tls;
    char host[254];          /* without brackets, as given */
    bool ipv6;
    unsigned port;           /* the scheme's when none is given */
    char origin[300];        /* scheme://authority */
    char target[UE_URL_MAX]; /* request-target: "/" at least */
} ue_url;
gba_err ue_url_parse(const char *text, ue_url *out) GBA_MUST_USE;

/* Where to connect: ADDR, IPv6, [IPv6], all but the bare IPv6 with or without :PORT. Brackets are dropped; without a port
 * out->port stays. false: none of these. */
typedef struct ue_place {
    char host[254], port[6];
} ue_place;
bool ue_place_parse(const char *text, ue_place *out) GBA_MUST_USE;

/* Of a gnutls_session_t: what enters the Ua id. UNSUPPORTED: neither TLS 1.2 nor 1.3. */
gba_err ue_tls_suite(void *gnutls_session, gba_transport *t, uint16_t *suite) GBA_MUST_USE;
#endif
