/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.h - the addresses of a name, within a deadline. onem2m-binding/ uses it, too. */
#ifndef UE_RESOLVE_H
#define UE_RESOLVE_H
#include <gba/gba.h>
#include <netdb.h>

/* Until fd is ready. BUSY: the deadline (of the caller's own clock), or whatever else ends the wait. */
typedef gba_err ue_wait_fn(int fd, short events, int64_t deadline);
/* BUSY: not in time. IO: no such name, or no answer about it. NOMEM. *why: a constant text on any error. *out is freed
 * by freeaddrinfo. */
gba_err ue_resolve(const char *host, unsigned port, int64_t deadline, ue_wait_fn *wait, struct addrinfo **out,
                   const char **why) GBA_MUST_USE;
#endif
