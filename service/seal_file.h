/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal_file.h - the key file (seal.key_file): master keys that wrap a store's data keys.
 *
 *     # comment
 *     KEYID HEX64
 *
 * The first key is current; the others only open what they once wrapped.
 */
#ifndef SERVICE_SEAL_FILE_H
#define SERVICE_SEAL_FILE_H
#include <gba/gba.h>

#define SEAL_KEYS_MAX 16
#define SEAL_ID_MAX 32 /* letters, digits, '.', '_', '-' */
#define SEAL_KEY_LEN 32
#define SEAL_FILE_MAX 16384
typedef struct seal_keys {
    size_t n;
    struct {
        char id[SEAL_ID_MAX + 1];
        gba_secret key;
    } key[SEAL_KEYS_MAX];
} seal_keys;
void seal_keys_wipe(seal_keys *k);
#define SEAL_KEYS_SCOPED __attribute__((cleanup(seal_keys_wipe))) seal_keys

/* `name` stands in the messages. SYNTAX, RANGE. */
gba_err seal_file_parse(gba_span text, const char *name, seal_keys *out, char *why, size_t why_n) GBA_MUST_USE;
/* Refuses a file that group or others may read, unless it is a systemd credential. FORBIDDEN, UNKNOWN, IO. */
gba_err seal_file_load(const char *path, seal_keys *out, char *why, size_t why_n) GBA_MUST_USE;
/* The configured file, else seal.key among systemd's credentials; NULL: neither. */
const char *seal_file_path(const char *configured, char *buf, size_t n);
/* store_key_file_create of store.h is the writer. */
#endif
