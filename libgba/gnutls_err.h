/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gnutls_err.h - GnuTLS's errors that are nobody's fault outside of this machine. It says them of any call, also where
 * a file, a name or a setting is expected to be wrong. By their numbers: libgba includes no GnuTLS.
 */
#ifndef LIBGBA_GNUTLS_ERR_H
#define LIBGBA_GNUTLS_ERR_H
#include <gba/gba.h>

/* NOMEM: GNUTLS_E_MEMORY_ERROR. IO: GNUTLS_E_RANDOM_FAILED. Anything else: what it means where it came. */
static inline gba_err gnutls_err(int r, gba_err otherwise)
{
    return r == -25 ? GBA_E_NOMEM : r == -206 ? GBA_E_IO : otherwise;
}
#endif
