/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - the table of settings and the checks that span several of them. */
#include "bsf/settings.h"
#include "service/seal_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const challenge_names[] = {"nonce", "opaque", NULL};
static const char *const unknown_names[] = {"403", "404", NULL};
static const char *const sync_names[] = {"full", "normal", NULL};

#define AV_AT(field) .offset = offsetof(bsf_av, field)
static const char *const source_names[] = {"local", "zh", NULL};
static const conf_field av_table[] = {
    {.path = "realm", .type = CONF_STRING, AV_AT(realm), .required = true,
     .help = "realm of IMPIs (behind '@'): a name, *.example.com, or *"},
    {.path = "source", .type = CONF_ENUM, AV_AT(source), .required = true, .names = source_names,
     .help = "local: subscribers of this store; zh: an HSS over Diameter"},
    {.path = "hss_realm", .type = CONF_FQDN, AV_AT(hss_realm), .help = "zh: Destination-Realm"},
    {.path = "hss", .type = CONF_STRINGS, AV_AT(hss),
     .help = "zh: the realm's HSSs, of diameter.peers; one is tried after another was silent"},
    {.path = "timeout_ms", .type = CONF_INT, AV_AT(timeout_ms), .def = "2000", .min = 100, .max = 8000,
     .help = "zh: how long an HSS may take; at most two are asked"},
    {.path = NULL},
};

#define AT(field) .offset = offsetof(bsf_settings, field)

const conf_field bsf_settings_table[] = {
    {.path = "bsf.domain", .type = CONF_FQDN, AT(bsf.domain), .required = true,
     .help = "the BSF's name: realm on Ub, domain of every B-TID and TMPI; changing it ends all sessions"},
    {.path = "bsf.lifetime", .type = CONF_DURATION, AT(bsf.lifetime), .def = "24h", .min = 60, .max = 31536000,
     .help = "how long a bootstrapped key lives, unless the subscriber has a lifetime of its own"},

    {.path = "ub.listen", .type = CONF_LISTEN, AT(ub.listen), .def = "127.0.0.1:8080",
     .help = "plain HTTP for UEs (TS 24.109 4.2: port 80)"},
    {.path = "ub.tls_listen", .type = CONF_LISTEN, AT(ub.tls_listen),
     .help = "HTTPS for UEs; needs ub.cert and ub.key"},
    {.path = "ub.cert", .type = CONF_PATH, AT(ub.cert), .help = "PEM certificate chain for ub.tls_listen"},
    {.path = "ub.key", .type = CONF_PATH, AT(ub.key), .help = "PEM private key for ub.tls_listen"},
    {.path = "ub.challenge", .type = CONF_ENUM, AT(ub.challenge), .def = "nonce", .names = challenge_names,
     .help = "where the sealed challenge state travels: nonce, or opaque (a nonce of exactly 32 octets)"},
    {.path = "ub.algorithm_optional", .type = CONF_BOOL, AT(ub.algorithm_optional), .def = "false",
     .help = "an answer without the parameter algorithm is taken for AKAv1-MD5; some handsets leave it out"},
    {.path = "ub.nonce_lifetime", .type = CONF_DURATION, AT(ub.nonce_lifetime), .def = "60s", .min = 5, .max = 600,
     .help = "how long a challenge may be answered"},
    {.path = "ub.min_res_bits", .type = CONF_INT, AT(ub.min_res_bits), .def = "64", .min = 32, .max = 128,
     .help = "subscribers whose RES is shorter are refused"},
    {.path = "ub.tmpi", .type = CONF_BOOL, AT(ub.tmpi), .def = "true",
     .help = "temporary identities for UEs that send the product token 3gpp-gba-tmpi"},
    {.path = "ub.unknown_status", .type = CONF_ENUM, AT(ub.unknown_status), .def = "403", .names = unknown_names,
     .help = "status for an IMPI or TMPI that may not bootstrap: 403 or 404"},
    {.path = "ub.threads", .type = CONF_INT, AT(ub.threads), .def = "0", .min = 0, .max = 256,
     .help = "threads of each Ub listener; 0: one a core"},
    {.path = "ub.connections", .type = CONF_INT, AT(ub.connections), .def = "10000", .min = 8, .max = 1000000,
     .help = "open connections of each Ub listener at most"},

    {.path = "zn.listen", .type = CONF_LISTEN, AT(zn.listen), .help = "HTTPS for NAFs, with client certificates"},
    {.path = "zn.cert", .type = CONF_PATH, AT(zn.cert), .help = "PEM certificate chain for zn.listen"},
    {.path = "zn.key", .type = CONF_PATH, AT(zn.key), .help = "PEM private key for zn.listen"},
    {.path = "zn.client_ca", .type = CONF_PATH, AT(zn.client_ca),
     .help = "PEM certificates of the CA that vouches for NAFs"},
    {.path = "zn.crl", .type = CONF_PATH, AT(zn.crl), .help = "PEM list of revoked NAF certificates"},
    {.path = "zn.threads", .type = CONF_INT, AT(zn.threads), .def = "0", .min = 0, .max = 256,
     .help = "threads of the Zn listener; 0: one a core"},
    {.path = "zn.connections", .type = CONF_INT, AT(zn.connections), .def = "10000", .min = 8, .max = 1000000,
     .help = "open connections of the Zn listener at most"},

    {.path = "store.url", .type = CONF_PATH, AT(store.url), .def = "sqlite:/var/lib/opengba/bsf.db",
     .help = "where subscribers and sessions are kept"},
    {.path = "store.sync", .type = CONF_ENUM, AT(store.sync), .def = "full", .names = sync_names,
     .help = "full: an acknowledged session survives a power failure; normal: a crash of the process only"},
    {.path = "seal.key_file", .type = CONF_PATH, AT(seal.key_file),
     .help = "the key that seals the store; without it the systemd credential seal.key is used"},
    {.path = "replica.ind", .type = CONF_INT, AT(replica.ind), .def = "0", .min = 0, .max = 31,
     .help = "IND of this BSF's sequence numbers (TS 33.102 C.3.4); each replica, and a live HSS, needs its own"},

    {.path = "limits.impi_challenges", .type = CONF_INT, AT(limits.impi_challenges), .def = "10", .min = 1,
     .max = 1000000,
     .help = "new challenges an IMPI gets within limits.impi_window; above it the last one again"},
    {.path = "limits.impi_window", .type = CONF_DURATION, AT(limits.impi_window), .def = "60s", .min = 1, .max = 3600,
     .help = "the window of limits.impi_challenges"},
    {.path = "limits.source_requests", .type = CONF_INT, AT(limits.source_requests), .def = "50", .min = 0,
     .max = 1000000,
     .help = "requests a second from one source (IPv4 /32, IPv6 /64); 0: no limit"},
    {.path = "limits.source_burst", .type = CONF_INT, AT(limits.source_burst), .def = "200", .min = 1, .max = 1000000,
     .help = "requests a source may send at once"},
    {.path = "limits.per_source", .type = CONF_INT, AT(limits.per_source), .def = "256", .min = 0, .max = 1000000,
     .help = "open connections of one source to each listener at most; 0: no limit"},
    {.path = "limits.wrong_answers", .type = CONF_INT, AT(limits.wrong_answers), .def = "3", .min = 1, .max = 15,
     .help = "wrong answers to one challenge from one source before that source is refused"},
    {.path = "limits.exempt", .type = CONF_STRINGS, AT(limits.exempt),
     .help = "address ranges without per_source and source_requests, for instance carrier NAT"},
    {.path = "limits.trusted_proxies", .type = CONF_STRINGS, AT(limits.trusted_proxies),
     .help = "address ranges whose X-Forwarded-For is believed; limits.per_source does not count them"},
    {.path = "clock.tolerance", .type = CONF_DURATION, AT(clock.tolerance), .def = "5s", .min = 0, .max = 300,
     .help = "how far the clocks of replicas may differ"},

    {.path = "av", .type = CONF_ITEMS, AT(av), .item = av_table, .item_size = sizeof(bsf_av),
     .help = "where vectors come from, by realm; the first that covers it counts, else the subscribers of this store"},
    FD_SETTINGS_ROWS(bsf_settings, diameter),

    DAEMON_CONF_ROWS(bsf_settings, daemon, "127.0.0.1:8081"),
    {.path = NULL},
};

static void check_pair(conf *c, const char *listener, bool listens, const char *path, const char *value)
{
    if (listens && !value)
        conf_fault(c, path, "is missing: %s needs it", listener);
}

static void check_zh(conf *c, const bsf_settings *s, const bsf_av *a, size_t i)
{
    char path[64];
    snprintf(path, sizeof path, "av[%zu].source", i);
    if (!fd_settings_used(&s->diameter))
        conf_fault(c, path, "zh needs the section diameter");
    snprintf(path, sizeof path, "av[%zu].hss_realm", i);
    if (!a->hss_realm.s[0])
        conf_fault(c, path, "is missing: source zh needs it");
    snprintf(path, sizeof path, "av[%zu].hss", i);
    if (a->hss.n > BSF_HSS_MAX)
        conf_fault(c, path, "has %zu hosts, at most %d are possible", a->hss.n, BSF_HSS_MAX);
    for (size_t k = 0; k < a->hss.n; k++) {
        snprintf(path, sizeof path, "av[%zu].hss[%zu]", i, k);
        if (!fd_settings_peer(&s->diameter, a->hss.v[k]))
            conf_fault(c, path, "%s is none of diameter.peers", a->hss.v[k]);
    }
}

static void check_av(conf *c, const bsf_settings *s)
{
    const bsf_av *a = s->av.v;
    char path[64];
    if (s->av.n > BSF_AVS_MAX)
        conf_fault(c, "av", "has %zu entries, at most %d are possible", s->av.n, BSF_AVS_MAX);
    for (size_t i = 0; i < s->av.n; i++) {
        snprintf(path, sizeof path, "av[%zu].realm", i);
        if (a[i].realm && !fd_pattern_ok(a[i].realm))
            conf_fault(c, path, "'%s' is neither a realm, nor *.example.com, nor *", a[i].realm);
        if (a[i].source == AV_SOURCE_ZH)
            check_zh(c, s, &a[i], i);
    }
}

void bsf_settings_check(conf *c, const void *settings)
{
    const bsf_settings *s = settings;
    char buf[4096];
    size_t n;

    if (!s->ub.listen.set && !s->ub.tls_listen.set)
        conf_fault(c, "ub.listen", "no UE can reach this BSF: set ub.listen or ub.tls_listen");
    check_pair(c, "ub.tls_listen", s->ub.tls_listen.set, "ub.cert", s->ub.cert);
    check_pair(c, "ub.tls_listen", s->ub.tls_listen.set, "ub.key", s->ub.key);
    check_pair(c, "zn.listen", s->zn.listen.set, "zn.cert", s->zn.cert);
    check_pair(c, "zn.listen", s->zn.listen.set, "zn.key", s->zn.key);
    check_pair(c, "zn.listen", s->zn.listen.set, "zn.client_ca", s->zn.client_ca);
    if (!bsf_settings_key_file(s, buf, sizeof buf))
        conf_fault(c, "seal.key_file",
                   "is missing: name a key file (gba-bsfctl seal create-key makes one), or give the systemd "
                   "credential seal.key");
    /* base64(RAND) and '@' stand before it, and a B-TID has at most 255 octets (TS 31.102 4.2.79) */
    if (strlen(s->bsf.domain.s) > GBA_ID_MAX - 25)
        conf_fault(c, "bsf.domain", "is too long for a B-TID: at most %d characters", GBA_ID_MAX - 25);
    check_av(c, s);
    fd_settings_check(c, &s->diameter);
    conf_cidrs(c, "limits.exempt", &s->limits.exempt, NULL, &n);
    conf_cidrs(c, "limits.trusted_proxies", &s->limits.trusted_proxies, NULL, &n);
}

const char *bsf_settings_key_file(const bsf_settings *s, char *buf, size_t n)
{
    return seal_file_path(s->seal.key_file, buf, n);
}

int64_t bsf_settings_keep_s(const bsf_settings *s)
{
    return s->ub.nonce_lifetime + s->clock.tolerance + 1;
}

void bsf_settings_store(const bsf_settings *s, char *buf, size_t n, store_config *out)
{
    *out = (store_config){
        .url = s->store.url,
        .key_file = bsf_settings_key_file(s, buf, n),
        .synchronous_full = s->store.sync == STORE_SYNC_FULL,
        .group_wait_us = 6000, /* far less than a UE's way to here and back */
    };
}
