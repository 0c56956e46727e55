/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_peer.h - a BSF and a NAF in memory, on libgba alone, honest or hostile: what the UE's tests
 * talk to, directly, as a carrier, or over a socket (fake_ub.c).
 */
#ifndef TESTS_UE_PEER_H
#define TESTS_UE_PEER_H
#include <gba/ue.h>

#define PEER_IMPI "001010000000001@ims.mnc001.mcc001.3gppnetwork.org"
#define PEER_BSF "bsf.example.test"
#define PEER_NAF "naf.example.test"
#define PEER_K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define PEER_OPC "cd63cb71954a9f4e48a5994e37a02baf"
#define PEER_NOW INT64_C(1795600000) /* 2026-11-25 */

typedef struct peer {
    /* the subscriber */
    gba_impi impi;
    gba_aka_key key;
    uint64_t sqn; /* of the next vector */
    /* the BSF's mood; NULL or 0: as the standard says */
    const char *realm, *nonce, *qop, *algorithm, *challenge_before; /* raw: a field value of its own, first */
    const char *body, *btid_domain, *lifetime, *currenttime;
    int status;      /* of the first answer, instead of 401 */
    int status_auth; /* of the answer to RES, instead of 200 */
    unsigned stale, stale_auts; /* so many answers to RES, to AUTS are stale */
    bool no_challenge, early_200, wrong_rspauth, no_rspauth, wrong_mac, keep_sqn, tmpi, forget_tmpi, naf_forgets;
    bool same_vector; /* the last live challenge again */
    /* the NAF's */
    const char *naf_realm, *naf_challenge; /* raw */
    gba_digest_alg naf_alg;
    const char *naf_qop;
    unsigned naf_stale, naf_refuse; /* so many of the digests it gets */
    bool naf_wrong_rspauth, naf_no_rspauth, naf_open;
    int naf_status;
    bool naf_reuse, naf_nextnonce; /* a nonce lives on, its nc must rise by one; each answer names the next */
    unsigned naf_nonce, naf_nc;
    gba_transport transport;
    uint16_t suite, suite_next; /* 0: stays; else the suite after this exchange */
    bool unreachable;
    /* what happened */
    unsigned ub_requests, bootstraps, resyncs, refusals, ua_requests, ua_digests, ua_passed;
    gba_impi last_username;
    char last_agent[512];
    /* the challenge and the session */
    uint8_t n_rand;
    gba_vector v;
    bool v_ready, challenged;
    char nonce_text[128];
    gba_btid btid;
    gba_secret ks;
    uint8_t rand[16];
    gba_impi tmpi_now;
    /* the answer being given */
    gba_ue_field fields[8];
    size_t n_fields;
    char text[8][GBA_DIGEST_HEADER_MAX + 64];
    char room[4096], said[256];
} peer;

void peer_open(peer *p);
void peer_close(peer *p);
void peer_ub(peer *p, const char *method, const char *target, const gba_ue_field *f, size_t n, gba_ue_answer *a);
void peer_ua(peer *p, const char *method, const char *target, const gba_ue_field *f, size_t n, gba_span body,
             gba_ue_answer *a);
/* http(s)://naf.example.test... is the NAF, anything else the BSF. */
gba_ue_carrier peer_carrier(peer *p);
int64_t peer_now(void *arg);
#endif
