/* SPDX-License-Identifier: Apache-2.0 */
/* av_route.h - several vector sources as one: which one is asked follows from the IMPI's realm. */
#ifndef BSF_AV_ROUTE_H
#define BSF_AV_ROUTE_H
#include "bsf/av.h"

#define AV_ROUTES 32
typedef struct av_route {
    const char *realm; /* a realm, "*.example.com" (all below), or "*" */
    av_source *source; /* NULL: the last resort */
} av_route;
/* The first route that covers the realm, else the last resort. Takes the sources (each stands once),
 * also when it fails. */
gba_err av_route_new(const av_route *routes, size_t n, av_source *last_resort, av_source **out) GBA_MUST_USE;
/* Once a second, from one thread: gba_av_up{realm} of each route, and av.down and av.up when it changes. */
void av_route_watch(av_source *routes);
#endif
