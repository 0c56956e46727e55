/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - the BSF's configuration: one table for gba-bsfd and gba-bsfctl, which reads the
 * same file and needs of it the bsf, store, seal and replica sections alone.
 */
#ifndef BSF_SETTINGS_H
#define BSF_SETTINGS_H
#include "service/daemon.h"
#include "service/fd_settings.h"
#include "service/http.h"
#include "service/store.h"

enum { UB_CHALLENGE_NONCE, UB_CHALLENGE_OPAQUE };   /* ub.challenge */
enum { UB_UNKNOWN_403, UB_UNKNOWN_404 };            /* ub.unknown_status */
enum { STORE_SYNC_FULL, STORE_SYNC_NORMAL };        /* store.sync */

enum { AV_SOURCE_LOCAL, AV_SOURCE_ZH }; /* av[].source */
#define BSF_AVS_MAX 32
#define BSF_HSS_MAX 8
/* Where the vectors of an IMPI realm come from; the first that covers the realm counts. */
typedef struct bsf_av {
    char *realm; /* "ims.mnc001.mcc001.3gppnetwork.org", "*.3gppnetwork.org", "*" */
    int source;
    gba_fqdn hss_realm;
    conf_strings hss;
    int64_t timeout_ms;
} bsf_av;

typedef struct bsf_settings {
    struct {
        gba_fqdn domain; /* realm, B-TID, TMPI: never the Host header */
        int64_t lifetime;
    } bsf;
    struct {
        conf_listen listen, tls_listen;
        char *cert, *key;
        int challenge;
        int64_t nonce_lifetime;
        int64_t min_res_bits;
        bool tmpi, algorithm_optional;
        int unknown_status;
        int64_t threads, connections;
    } ub;
    struct {
        conf_listen listen;
        char *cert, *key, *client_ca, *crl;
        int64_t threads, connections;
    } zn;
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
    struct {
        int64_t impi_challenges, impi_window;
        int64_t source_requests, source_burst, per_source;
        int64_t wrong_answers;
        conf_strings exempt, trusted_proxies;
    } limits;
    struct {
        int64_t tolerance;
    } clock;
    conf_items av; /* bsf_av */
    fd_settings diameter;
    daemon_conf daemon;
} bsf_settings;

extern const conf_field bsf_settings_table[];
/* What the table cannot say: pairs that belong together, ranges of addresses. */
void bsf_settings_check(conf *c, const void *settings);
/* seal.key_file, or the systemd credential "seal.key"; NULL: neither is given. `buf` holds the text. */
const char *bsf_settings_key_file(const bsf_settings *s, char *buf, size_t n);
/* How gba-bsfd and gba-bsfctl open the store; the spans point into s and buf. */
void bsf_settings_store(const bsf_settings *s, char *buf, size_t n, store_config *out);
/* How long tombstones are kept: as long as a nonce can be answered. */
int64_t bsf_settings_keep_s(const bsf_settings *s);
#endif
