/* SPDX-License-Identifier: Apache-2.0 */
/*
 * av_zh.h - vectors from an HSS over Zh (TS 29.109 clause 4). The caller has started fd_stack. A
 * GUSS that comes along is kept in the store (STORE_GUSS), and its timestamp sent with the next
 * request, so that the HSS sends it only when it has changed.
 */
#ifndef BSF_AV_ZH_H
#define BSF_AV_ZH_H
#include "bsf/av.h"
#include "service/store.h"

#define AV_ZH_HOSTS 8
typedef struct av_zh_config {
    const char *realm;               /* Destination-Realm */
    const char *hosts[AV_ZH_HOSTS];  /* peers to try by name when one stays silent; may be none */
    size_t n_hosts;
    unsigned timeout_ms;             /* for one attempt, 0: 2000 */
    store *store;                    /* borrowed */
} av_zh_config;
gba_err av_zh_new(const av_zh_config *c, av_source **out) GBA_MUST_USE;
#endif
