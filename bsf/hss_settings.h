/* SPDX-License-Identifier: Apache-2.0 */
/* hss_settings.h - gba-hssd's configuration; gba-bsfctl reads it, too, to provision the HSS. */
#ifndef BSF_HSS_SETTINGS_H
#define BSF_HSS_SETTINGS_H
#include "service/daemon.h"
#include "service/fd_settings.h"
#include "service/store.h"

typedef struct hss_settings {
    struct {
        conf_strings bsfs; /* who may fetch vectors: Origin-Hosts, or "*.example.com" */
    } hss;
    fd_settings diameter;
    struct {
        char *url;
        int sync;
    } store;
    struct {
        char *key_file;
    } seal;
    struct {
        int64_t ind;
    } replica;
    daemon_conf daemon;
} hss_settings;
extern const conf_field hss_settings_table[];
void hss_settings_check(conf *c, const void *settings);
/* As in bsf/settings.h. */
void hss_settings_store(const hss_settings *s, char *buf, size_t n, store_config *out);
#endif
