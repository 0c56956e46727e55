/* SPDX-License-Identifier: Apache-2.0 */
/* digest_field.h - what the field half and the hash half of Digest share. */
#ifndef LIBGBA_DIGEST_FIELD_H
#define LIBGBA_DIGEST_FIELD_H
#include <gba/digest.h>

/* "auth", "auth-int"; NULL for anything but one of the two bits. */
const char *digest_qop_name(unsigned qop);
/* Eight lower-case digits and NUL, as hashed and sent (RFC 7616 3.4). */
void digest_nc_text(uint32_t nc, char out[9]);
#endif
