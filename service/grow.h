/* SPDX-License-Identifier: Apache-2.0 */
/* grow.h - octets that come piece by piece: keys travel in bodies, so what grows out of its block leaves it wiped. */
#ifndef SERVICE_GROW_H
#define SERVICE_GROW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for `more` octets behind the first n of *p, whose block has *room (NULL and 0 before the first call). False: out
 * of memory, and all is as before. */
bool service_grow(uint8_t **p, size_t n, size_t *room, size_t more) __attribute__((warn_unused_result));
#endif
