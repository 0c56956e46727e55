/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge.h - the sealed, stateless Ub challenge. What the BSF needs to check an answer
 * travels with the UE: in the nonce behind RAND||AUTN (RFC 3310 3.2), or in opaque (RFC 7616
 * 3.3). The seal binds RAND, AUTN, IMPI, realm, BSF name, flavour, key id and issue time.
 *
 * The keys are random, lie in the store (STORE_SEAL) for all replicas, rotate every 10 minutes
 * and are deleted when the last nonce under them has expired. A new one begins to seal when every
 * replica has had the time to read it, so that a rotation refuses nobody.
 */
#ifndef BSF_CHALLENGE_H
#define BSF_CHALLENGE_H
#include <gba/aka.h>
#include <gba/digest.h>
#include "service/store.h"

#define CHALLENGE_ROTATE_S 600
/* What a vector source that cannot compute again has sealed: see challenge.c. */
#define CHALLENGE_PAYLOAD_MAX 128
#define CHALLENGE_TOKEN_MAX (11 + 16 + CHALLENGE_PAYLOAD_MAX)
/* RAND || AUTN || token: all of a challenge, as the limits keep it to send it again. */
#define CHALLENGE_WIRE_MAX (32 + CHALLENGE_TOKEN_MAX)

enum { CHALLENGE_AKA_ME = 1 }; /* flavours: GBA_ME by AKAv1-MD5 */

typedef struct challenge {
    uint8_t rand[16], autn[16];
    uint8_t flavour;
    int64_t issue_ms;
    /* The rest is sealed, and only when the source cannot compute the vector again. */
    bool has_vector;
    gba_secret xres, ck, ik;
    int64_t lifetime;
} challenge;
void challenge_wipe(challenge *c);

typedef struct challenge_wire {
    uint8_t n;
    uint8_t o[CHALLENGE_WIRE_MAX];
} challenge_wire;
typedef struct challenge_text {
    char nonce[GBA_B64_LEN(CHALLENGE_WIRE_MAX) + 1];
    char opaque[GBA_B64_LEN(CHALLENGE_TOKEN_MAX) + 1];
} challenge_text;

typedef struct challenge_ring challenge_ring;
typedef struct challenge_config {
    store *store;          /* borrowed */
    gba_fqdn realm, bsf;
    bool in_opaque;        /* ub.challenge: opaque */
    int64_t lifetime_ms;   /* of a nonce */
    int64_t tolerance_ms;  /* between the clocks of replicas */
} challenge_config;
/* Loads the keys, makes one when there is none. */
gba_err challenge_ring_new(const challenge_config *c, int64_t now_ms, challenge_ring **out) GBA_MUST_USE;
void challenge_ring_free(challenge_ring **r);
/* Housekeeping, about once a second: takes in other replicas' keys, rotates, forgets the old. */
gba_err challenge_ring_tick(challenge_ring *r, int64_t now_ms) GBA_MUST_USE;
/* The clock stepped back: no challenge issued so far may be answered, in no replica. */
gba_err challenge_ring_revoke(challenge_ring *r, int64_t now_ms) GBA_MUST_USE;

gba_err challenge_seal(challenge_ring *r, const challenge *c, const gba_impi *impi, challenge_wire *out) GBA_MUST_USE;
void challenge_print(const challenge_ring *r, const challenge_wire *w, challenge_text *out);
/* SYNTAX: not one of ours in form, or truncated. AUTH: forged, swapped, of another IMPI, opaque
 * changed. STALE: its key is gone. EXPIRED: its time is over (or lies ahead). */
gba_err challenge_open(challenge_ring *r, gba_span nonce, gba_span opaque, const gba_impi *impi, int64_t now_ms,
                       challenge *out) GBA_MUST_USE;
/* Is the key there under which it was sealed? */
bool challenge_key_known(challenge_ring *r, const challenge_wire *w);
/* Can the challenge be answered yet? */
bool challenge_live(const challenge_ring *r, int64_t issue_ms, int64_t now_ms);
#endif
