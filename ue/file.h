/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - a device's files: sealed, replaced as a whole, locked; and their octets. */
#ifndef UE_FILE_H
#define UE_FILE_H

#include <gba/seal.h>
#include <gba/uicc.h>

#define UE_FILE_MAX 16384 /* octets of a sealed file */
#define UE_KIND 4         /* a sealed file's kind: "USIM", "SESS" */
#define UE_LOCK_WAIT_S 60

/* An operator's message of GBA_UICC_TEXT octets; text may be NULL. Returns e. */
gba_err ue_say(char text[GBA_UICC_TEXT], gba_err e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

gba_err ue_random(uint8_t *out, size_t n) GBA_MUST_USE;
/* *n: in, room; out, octets. UNKNOWN: no such file. RANGE: longer than the room. */
gba_err ue_file_read(const char *path, void *out, size_t *n, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
/* Whole or not at all, mode 0600, durable on OK. FORBIDDEN: exists and !overwrite. */
gba_err ue_file_replace(const char *path, gba_span data, bool overwrite, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
/* mkdir -p, mode 0700 */
gba_err ue_folder_make(const char *path, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
/* Exclusive among processes and threads; BUSY after UE_LOCK_WAIT_S. Made if missing. */
gba_err ue_lock_take(const char *path, int *fd, char text[GBA_UICC_TEXT]) GBA_MUST_USE;
void ue_lock_drop(int *fd);

/* The sealing key: callback, file, or `beside` (made if make). */
gba_err ue_seal_key(const gba_uicc_seal *seal, const char *beside, bool make, gba_secret *out,
                    char text[GBA_UICC_TEXT]) GBA_MUST_USE;

/* Octets of a sealed file, both directions. */
gba_err ue_sealed_print(const char *kind, const gba_secret *key, const uint8_t nonce[16], gba_span plain, uint8_t *out,
                        size_t *n) GBA_MUST_USE;
/* SYNTAX: no such file of ours. UNSUPPORTED: of a newer version. AUTH: another key, or damaged. */
gba_err ue_sealed_parse(const char *kind, const gba_secret *key, gba_span file, uint8_t *plain,
                        size_t *n) GBA_MUST_USE;
gba_err ue_sealed_write(const char *path, const char *kind, const gba_secret *key, gba_span plain, bool overwrite,
                        char text[GBA_UICC_TEXT]) GBA_MUST_USE;
gba_err ue_sealed_read(const char *path, const char *kind, const gba_secret *key, uint8_t *plain, size_t *n,
                       char text[GBA_UICC_TEXT]) GBA_MUST_USE;

/* ---- sticky-error cursors over a record ---- */
typedef struct ue_out {
    uint8_t *p;
    size_t n, room;
    bool bad;
} ue_out;
void ue_put(ue_out *o, const void *p, size_t n);
void ue_put_uint(ue_out *o, uint64_t v, unsigned octets);
void ue_put_span(ue_out *o, gba_span s); /* one octet of length, then s; at most 255 */
typedef struct ue_in {
    const uint8_t *p;
    size_t n;
    bool bad;
} ue_in;
void ue_get(ue_in *i, void *out, size_t n);
uint64_t ue_get_uint(ue_in *i, unsigned octets);
gba_span ue_get_span(ue_in *i);
#endif
