/* SPDX-License-Identifier: Apache-2.0 */
/* kms_server.h - settings and life of m2m-mafd and m2m-mefd. */
#ifndef ONEM2M_KMS_SERVER_H
#define ONEM2M_KMS_SERVER_H
#include "onem2m-binding/kms.h"
#include "onem2m-binding/secret_file.h"
#include "service/daemon.h"

typedef struct kms_mef_settings {
    gba_fqdn fqdn;
    conf_listen address;
    char *psk_id, *psk_file, *ca, *crl, *cert, *key;
    conf_strings identities;
} kms_mef_settings;
typedef struct kms_bsf_settings {
    gba_fqdn domain;
    char *url;
    conf_strings identities;
} kms_bsf_settings;
typedef struct kms_settings {
    gba_fqdn fqdn;
    conf_listen listen;
    char *cert, *key, *client_ca, *crl, *ocsp;
    conf_strings admins;
    int64_t registration_lifetime, key_lifetime, connections, per_source;
    conf_strings exempt;
    char *store_url, *key_file;
    int store_sync;
    conf_items bsfs, mefs;
    char *zn_ca, *zn_cert, *zn_key;
    conf_strings zn_services;
    int64_t fetch_timeout, fetches, unknown_ttl, unknown_per_source; /* seconds */
    int kdf;
    char *device_config;
    int64_t retry;
    daemon_conf daemon;
} kms_settings;
extern const conf_field kms_maf_table[], kms_mef_table[];
void kms_settings_check(conf *c, const void *settings);
const char *kms_settings_home(const kms_settings *s); /* the domain that its name is in; "" none of its own */
const char *kms_settings_key_file(const kms_settings *s, char *buf, size_t n);
int kms_main(const kms_kind *kind, const conf_field *table, const char *summary, int argc, char **argv);
/* m2m-mafctl, m2m-mefctl */
int kms_ctl_main(const kms_kind *kind, const conf_field *table, const char *program, int argc, char **argv);
#endif
