/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.h - the addresses of a name, within a deadline. */
#ifndef ONEM2M_RESOLVE_H
#define ONEM2M_RESOLVE_H
#include <gba/gba.h>
#include <netdb.h>

/* BUSY: not in time, or m2m_peer_stop. IO: no such name. *out is freed by freeaddrinfo. */
gba_err m2m_resolve(const char *host, uint16_t port, int64_t deadline, struct addrinfo **out) GBA_MUST_USE;
#endif
