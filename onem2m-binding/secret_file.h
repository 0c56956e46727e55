/* SPDX-License-Identifier: Apache-2.0 */
/* secret_file.h - symmetric keys in files, for the servers and their tools; whether the files of a server are its own. */
#ifndef ONEM2M_SECRET_FILE_H
#define ONEM2M_SECRET_FILE_H
#include <gba/gba.h>
#include "service/conf.h"

/* A key from a file ("-": stdin): hex, or base64:..., or raw octets with raw:; 16..64 octets. why: the
 * operator's text. */
gba_err m2m_read_secret(const char *file, gba_secret *out, char *why, size_t why_n) GBA_MUST_USE;
/* Faults of two files without which a start would be in vain: the certificate that we show must have our name in it, and
 * the seal file be readable. Either may be NULL; make: the command that makes a seal file. */
void m2m_check_own_files(conf *c, const char *cert_setting, const char *cert, const char *fqdn, const char *seal,
                         const char *make);
#endif
