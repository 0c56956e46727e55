/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_vectors.h - what the families of test vectors share. A family's function looks at one
 * case: reads inputs with vec_hex() and friends, computes, and compares with vec_expect_*().
 */
#ifndef TESTS_CHECK_VECTORS_H
#define TESTS_CHECK_VECTORS_H
#include <jansson.h>
#include <gba/gba.h>

typedef struct vec {
    const char *dir, *family, *id;
    const json_t *root; /* the family's whole file */
    const json_t *o;    /* the case; a function may point it at a part of it for a while */
    unsigned compared, failed;
} vec;

typedef struct vec_family {
    const char *name;
    void (*run)(vec *v);
} vec_family;

/* Each ends with a nameless row. */
extern const vec_family vec_aka_families[], vec_digest_families[], vec_http_families[];

/* One more reason why the case fails. */
void vec_fail(vec *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One more thing compared: fails with the message unless ok. Returns ok. */
bool vec_check(vec *v, bool ok, const char *what);
/* GBA_OK? Fails with the error's text otherwise. */
bool vec_ok(vec *v, gba_err e, const char *what);

/* Present and not null? */
bool vec_has(const vec *v, const char *name);
/* Inputs: a missing or malformed one fails the case and returns false. */
bool vec_text(vec *v, const char *name, gba_span *out);
bool vec_hex(vec *v, const char *name, uint8_t *room, size_t max, gba_span *out);
bool vec_hex_exact(vec *v, const char *name, void *out, size_t n);
bool vec_secret(vec *v, const char *name, gba_secret *out);
bool vec_int(vec *v, const char *name, int64_t *out);

/* Comparisons: an absent or null member is passed over. */
void vec_expect_hex(vec *v, const char *name, gba_span got);
void vec_expect_secret(vec *v, const char *name, const gba_secret *got);
void vec_expect_text(vec *v, const char *name, const char *got);
void vec_expect_bool(vec *v, const char *name, bool got);
#endif
