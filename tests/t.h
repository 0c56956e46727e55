/* SPDX-License-Identifier: Apache-2.0 */
/* t.h - helpers of the tests: octets from hex, vector files. Failing to read a test's own
 * data ends the program. t_main.h adds CUnit's frame. */
#ifndef TESTS_T_H
#define TESTS_T_H
#include <jansson.h>
#include <gba/gba.h>

/* Octets of a literal: T_HEX("00ff"). Room for T_HEX_MAX octets, eight alive at a time. */
#define T_HEX_MAX 1024
gba_span t_hex(const char *hex);
gba_secret t_secret(const char *hex);
/* Fills exactly n octets. */
void t_hex_into(const char *hex, void *out, size_t n);
/* Are these the octets? Prints both when not. */
bool t_is(gba_span got, const char *hex);
bool t_secret_is(const gba_secret *got, const char *hex);

/* The cases of tests/vectors/FAMILY.json ($top_srcdir); the caller releases *root. */
json_t *t_cases(const char *family, json_t **root);
/* A member that must be there. */
const char *t_str(const json_t *o, const char *name);
/* A file of the source tree, opened. */
char *t_path(char *room, size_t n, const char *below_top);

/* Standard error into a file and back: what was said meanwhile, at most n-1 octets. */
void t_hush(void);
void t_heard(char *out, size_t n);
#endif
