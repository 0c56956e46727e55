/* SPDX-License-Identifier: Apache-2.0 */
/* grow.c - blocks that grow; realloc would leave copies behind. */
#include <gba/gba.h>
#include <stdlib.h>
#include <string.h>
#include "service/grow.h"

#define FIRST 1024

bool service_grow(uint8_t **p, size_t n, size_t *room, size_t more)
{
    size_t want = *room ? *room : FIRST;
    if (more > SIZE_MAX / 4 || n > SIZE_MAX / 4)
        return false;
    while (want < n + more)
        want *= 2;
    if (want == *room)
        return true;
    uint8_t *bigger = malloc(want);
    if (!bigger)
        return false;
    if (n)
        memcpy(bigger, *p, n);
    if (*room)
        gba_wipe(*p, *room);
    free(*p);
    *p = bigger;
    *room = want;
    return true;
}
