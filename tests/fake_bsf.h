/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_bsf.h - a BSF's Zn over mutual TLS for tests, on GnuTLS alone. The B-TID says what happens:
 * "unknown…" 404, "forbidden…" 403, "busy…" 503, "broken…" no JSON, "short…" a key too short, "huge…"
 * an answer without end, "late…" a key that is over, "brief…" one for 15 s from the first of them, and 404 then,
 * "slow…" after 3 s, "mute…" never, "drop…" the connection closes, "moved…" 307, "uss…" with user security settings,
 * "asked…" with those of GSID 1000007 if they are asked for; any other is known, for an hour.
 */
#ifndef TESTS_FAKE_BSF_H
#define TESTS_FAKE_BSF_H
#include <gba/gba.h>

typedef struct fake_bsf fake_bsf;
fake_bsf *fake_bsf_start(uint16_t port, const char *cert, const char *key, const char *client_ca);
uint16_t fake_bsf_port(const fake_bsf *f);
unsigned fake_bsf_requests(fake_bsf *f);
unsigned fake_bsf_connections(fake_bsf *f);
void fake_bsf_stop(fake_bsf **f);
/* The key it gives out. */
void fake_bsf_key(const char *btid, const gba_naf_id *naf, gba_secret *out);
#endif
