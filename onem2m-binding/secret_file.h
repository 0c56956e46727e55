/* SPDX-License-Identifier: Apache-2.0 */
/* secret_file.h - symmetric keys in files, for the servers and their tools. */
#ifndef ONEM2M_SECRET_FILE_H
#define ONEM2M_SECRET_FILE_H
#include <gba/gba.h>

/* A key from a file ("-": stdin): hex, or base64:..., or raw octets with raw:; 16..64 octets. why: the
 * operator's text. */
gba_err m2m_read_secret(const char *file, gba_secret *out, char *why, size_t why_n) GBA_MUST_USE;
#endif
