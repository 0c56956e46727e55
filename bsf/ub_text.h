/* SPDX-License-Identifier: Apache-2.0 */
/* ub_text.h - request-targets of Ub, and the date of Expires. */
#ifndef BSF_UB_TEXT_H
#define BSF_UB_TEXT_H
#include <gba/gba.h>

/* The host of an absolute http(s) URI whose path is "/" or empty (RFC 9112 3.2.2). */
bool ub_absolute_root(gba_span uri, gba_span *host);
/* "/", or such a URI. */
bool ub_is_root(gba_span target);
/* IMF-fixdate (RFC 9110 5.6.7). */
bool ub_http_date(int64_t t, char *out, size_t n);
#endif
