/* SPDX-License-Identifier: Apache-2.0 */
/* device.h - the inside of gba_ue, for the files that make it up. */
#ifndef UE_DEVICE_H
#define UE_DEVICE_H

#include "ue/carrier.h"
#include "ue/session.h"

#define UE_AGENT "OpenGBA/" PACKAGE_VERSION

struct gba_ue {
    gba_ue_config c;
    gba_impi impi;
    ue_url bsf_url; /* origin empty: none given */
    ue_state state;
    char path[PATH_MAX]; /* the session's file */
    int64_t deadline;    /* of the call (ue_clock); UE_FOREVER: none */
    /* the NAF answered last: its nonce serves again (RFC 7616 3.3: nc, nextnonce) */
    gba_ue_ua ua;
    struct {
        char origin[300]; /* empty: none */
        gba_naf_id naf;
        gba_btid btid;
        uint32_t nc;
        char nonce[512]; /* a nextnonce */
    } last;
    /* a NAF that refused the key of a fresh bootstrap: while it stands, no NAF's refusal makes another */
    struct {
        gba_fqdn host;
        gba_btid btid;
        int64_t since;
        unsigned times;
    } refused;
    char auth[GBA_DIGEST_HEADER_MAX + 1], agent[512];
    char text[GBA_UE_TEXT];
};

int64_t ue_now(const gba_ue *u);
void ue_call_begin(gba_ue *u); /* of each function that an application calls, and that may wait */
/* The end of something that begins now and may take ms: of the call at the latest. */
int64_t ue_call_until(const gba_ue *u, int64_t ms);
gba_err ue_bootstrap(gba_ue *u, bool renew, gba_ue_session *out) GBA_MUST_USE; /* within a call */
gba_err ue_entropy(gba_ue *u, uint8_t out[GBA_UE_ENTROPY]) GBA_MUST_USE;
void ue_trace(gba_ue *u, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
gba_err ue_exchange(gba_ue *u, const gba_ue_carrier *carrier, const gba_ue_request *r, gba_ue_answer *a) GBA_MUST_USE;
gba_err ue_derive(gba_ue *u, const gba_ue_session *s, const gba_naf_id *naf, gba_secret *out) GBA_MUST_USE;

/* A NAF has refused the session's key: a new session into *s, unless *renewed says that this one is new, or another
 * such was refused a short while ago: AUTH then, with u->text behind what it holds. */
gba_err ue_renew(gba_ue *u, const gba_fqdn *host, bool *renewed, gba_ue_session *s) GBA_MUST_USE;
void ue_key_taken(gba_ue *u, const gba_fqdn *host);

/* TLS-PSK with the session's keys: `attempt` under a psk, once more after a new bootstrap when it
 * returns AUTH. */
typedef struct ue_psk_run {
    gba_fqdn host;
    gba_ue_session session;
    gba_ue_psk psk;
    gba_err (*attempt)(gba_ue *u, struct ue_psk_run *x);
    void *arg;
    gba_ue *u;
} ue_psk_run;
gba_err ue_psk_go(gba_ue *u, ue_psk_run *x) GBA_MUST_USE;
/* One line of progress: what was agreed. */
void ue_psk_tell(gba_ue *u, const ue_psk_run *x, gba_transport t, uint16_t suite);
#endif
