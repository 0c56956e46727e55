/* SPDX-License-Identifier: Apache-2.0 */
/* zn_kit.h - a fresh sealed store with sessions and grants, for the tests of Zn. */
#ifndef TESTS_ZN_KIT_H
#define TESTS_ZN_KIT_H
#include "bsf/records.h"
#include "service/store.h"

#define KIT_NOW INT64_C(1800000000)
typedef struct zn_kit {
    char dir[64];
    store *store;
} zn_kit;
/* Failing ends the program. */
void zn_kit_open(zn_kit *k);
void zn_kit_close(zn_kit *k);
void zn_kit_session(zn_kit *k, const char *btid, const rec_session *s, int64_t expiry);
/* ua: hex prefixes divided by blanks. */
void zn_kit_grant(zn_kit *k, const char *name, const char *fqdn, const char *ua, bool impi);
/* A GBA_ME session of a fixed Ks, live until KIT_NOW + 3600. */
rec_session zn_kit_sample(void);
/* Standard error into a file and back: what was said meanwhile, at most n-1 octets. */
void zn_kit_hush(zn_kit *k);
void zn_kit_heard(zn_kit *k, char *out, size_t n);
#endif
