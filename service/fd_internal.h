/* SPDX-License-Identifier: Apache-2.0 */
/* fd_internal.h - between fd_stack.c and fd_peers.c, the two files that know freeDiameter. */
#ifndef SERVICE_FD_INTERNAL_H
#define SERVICE_FD_INTERNAL_H
#include "service/fd_stack.h"
#include <freeDiameter/freeDiameter-host.h>
#include <freeDiameter/libfdcore.h>

#define FD_ADDRESS 100 /* an address, or two: "A or B" */

/* Keeps c. Before fd_core_initialize: freeDiameter's lines go to c->log from here on. */
void fd_peers_begin(const fd_conf *c);
/* Before fd_core_start: the connections of the peers are judged. */
bool fd_peers_register(void);
/* We end it: freeDiameter's lines are heard no more. */
void fd_peers_quiet(void);

const fd_peer_conf *fd_peers_find(const char *identity);
/* NULL: its connection is believed (fd_peer_doubt); address, which may be NULL, gets where it is. p NULL: a doubt. */
const char *fd_peers_doubt(const fd_peer_conf *p, char address[FD_ADDRESS]);
#endif
