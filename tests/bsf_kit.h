/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bsf_kit.h - for the BSF's tests: its parts over a real store in a folder of their own, under
 * a clock the test turns, and a UE that answers (by libgba's other half).
 */
#ifndef TESTS_BSF_KIT_H
#define TESTS_BSF_KIT_H
#include "bsf/av_local.h"
#include "bsf/challenge.h"
#include "bsf/limits.h"
#include "bsf/records.h"
#include "bsf/seq.h"
#include "bsf/session.h"
#include "bsf/ub.h"
#include "service/daemon.h"

#define KIT_DOMAIN "bsf.home1.net"
#define KIT_K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define KIT_OPC "cd63cb71954a9f4e48a5994e37a02baf"
#define KIT_IMPI "user1_private@home1.net"
#define KIT_NONCE_S 60

extern int64_t kit_now_ms; /* the clock, 2026-11-25T10:00:00Z at first */

typedef struct kit_options {
    const char *domain; /* NULL: KIT_DOMAIN */
    bool in_opaque, no_tmpi, not_found, algorithm_optional;
    unsigned ind;
    int64_t impi_challenges; /* 0: 1000 */
    int64_t source_rate;     /* 0: none */
    int64_t min_res_bits;    /* 0: 64 */
} kit_options;

typedef struct kit {
    char dir[64];
    gba_fqdn domain;
    store *store;
    av_source *av;
    challenge_ring *ring;
    limits *limits;
    sessions *sessions;
    ub *ub;
} kit;
/* A fresh folder, or with `again` the one that k names (a restart). */
void kit_open(kit *k, const kit_options *o, bool again);
void kit_close(kit *k, bool keep_folder);
void kit_remove(kit *k); /* the folder */

gba_impi kit_impi(const char *text);
/* SQN: what the card accepted last. */
void kit_subscriber(kit *k, const char *impi, const char *key, const char *opc, const char *amf, uint64_t sqn);
/* The record as it is, changed by the test and written back. */
void kit_subscriber_get(kit *k, const char *impi, rec_subscriber *out);
void kit_subscriber_put(kit *k, const char *impi, const rec_subscriber *sub);

/* ---- requests ---- */
typedef struct kit_reply {
    unsigned status;
    char www[1100], info[1100], expires[64], allow[16], retry[16], type[64], server[64];
    char body[2048];
    size_t body_n;
} kit_reply;
typedef struct kit_ask {
    const char *method, *target, *authorization, *user_agent, *body;
    size_t n_authorization; /* 0: 1 when authorization is given */
    uint8_t source;         /* last octet of the address */
    bool exempt;
} kit_ask;
void kit_send(kit *k, const kit_ask *a, kit_reply *out);
/* A GET of "/" with this Authorization. */
void kit_get(kit *k, const char *authorization, kit_reply *out);

/* ---- the UE ---- */
typedef struct kit_ue {
    char username[GBA_ID_MAX + 1];
    gba_aka_key key;
    gba_sqn_array array;
    gba_challenge ch;      /* the last challenge */
    gba_card_answer card;  /* the card's answer to it */
    gba_aka_nonce nonce;
} kit_ue;
void kit_ue_new(kit_ue *u, const char *impi, const char *key, const char *opc, uint64_t sqn_ms);
void kit_ue_free(kit_ue *u);
void kit_initial(const char *username, char *out, size_t n);
/* Reads the 401; the card's verdict. */
gba_err kit_ue_challenge(kit_ue *u, const kit_reply *r);
/* What may be falsified; NULL or 0: as it should be. */
typedef struct kit_lie {
    const char *username, *realm, *nonce, *opaque, *uri, *cnonce, *method, *body, *auts;
    gba_digest_alg algorithm;
    unsigned qop;
    uint32_t nc;
    const gba_secret *password;
} kit_lie;
void kit_ue_answer(const kit_ue *u, const kit_lie *lie, char *out, size_t n);
/* Challenge and right answer; *r is the last reply, `answer` (may be NULL) what was sent. */
void kit_bootstrap(kit *k, kit_ue *u, const char *user_agent, kit_reply *r, char *answer, size_t n);
#endif
