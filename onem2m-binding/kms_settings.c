/* SPDX-License-Identifier: Apache-2.0 */
/* kms_settings.c - the settings of m2m-mafd and m2m-mefd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/kms_server.h"
#include "onem2m-binding/may_name.h"
#include "onem2m-binding/secret_file.h"
#include "service/http.h"
#include "service/seal_file.h"

static const char *const sync_names[] = {"full", "normal", NULL};
static const char *const kdf_names[] = {"usage", "2014", NULL};
#define AT(field) .offset = offsetof(kms_settings, field)

static const conf_field bsf_item[] = {
    {.path = "domain", .type = CONF_FQDN, .offset = offsetof(kms_bsf_settings, domain), .required = true,
     .help = "domain of its B-TIDs"},
    {.path = "url", .type = CONF_STRING, .offset = offsetof(kms_bsf_settings, url), .required = true,
     .help = "where its Zn is: https://host:port"},
    {.path = "identities", .type = CONF_STRINGS, .offset = offsetof(kms_bsf_settings, identities),
     .help =
         "whom its user security settings may name; default: identities of the domain that this server's name is in"},
    {.path = NULL},
};
static const conf_field mef_item[] = {
    {.path = "fqdn", .type = CONF_FQDN, .offset = offsetof(kms_mef_settings, fqdn), .required = true,
     .help = "MEF-FQDN: domain of its KeIDs"},
    {.path = "address", .type = CONF_LISTEN, .offset = offsetof(kms_mef_settings, address), .required = true,
     .help = "address:port of the MEF"},
    {.path = "psk_id", .type = CONF_STRING, .offset = offsetof(kms_mef_settings, psk_id),
     .help = "KpmID of this MAF with the MEF"},
    {.path = "psk_file", .type = CONF_PATH, .offset = offsetof(kms_mef_settings, psk_file),
     .help = "file with that Kpm in hexadecimal digits"},
    {.path = "ca", .type = CONF_PATH, .offset = offsetof(kms_mef_settings, ca),
     .help = "PEM certificates of the CA of the MEF"},
    {.path = "crl", .type = CONF_PATH, .offset = offsetof(kms_mef_settings, crl),
     .help = "PEM list of revoked MEF certificates"},
    {.path = "cert", .type = CONF_PATH, .offset = offsetof(kms_mef_settings, cert),
     .help = "PEM certificate of this MAF towards the MEF"},
    {.path = "key", .type = CONF_PATH, .offset = offsetof(kms_mef_settings, key),
     .help = "PEM private key of mefs[].cert"},
    {.path = "identities", .type = CONF_STRINGS, .offset = offsetof(kms_mef_settings, identities),
     .help = "whose keys it may tell, as //sp.example.com/**; default: identities of the domain that maf.fqdn is in"},
    {.path = NULL},
};

#define COMMON_ROWS(P, STORE, PORT, ADMIN)                                                                             \
    {.path = P ".fqdn", .type = CONF_FQDN, AT(fqdn), .required = true,                                                 \
     .help = "its name: SNI, domain of its key identifiers, NAF FQDN; clients are refused under any other"},           \
    {.path = P ".listen", .type = CONF_LISTEN, AT(listen), .def = "127.0.0.1:" PORT,                                   \
     .help = "HTTPS for clients, PSK and certificates"},                                                               \
    {.path = P ".cert", .type = CONF_PATH, AT(cert), .required = true,                                                 \
     .help = "PEM certificate chain of the server (FQDN certificate)"},                                                \
    {.path = P ".key", .type = CONF_PATH, AT(key), .required = true, .help = "PEM private key of the certificate"},    \
    {.path = P ".ocsp", .type = CONF_PATH, AT(ocsp),                                                                   \
     .help = "DER OCSP answer on the certificate, stapled in handshakes; read again by SIGHUP"},                       \
    {.path = P ".client_ca", .type = CONF_PATH, AT(client_ca),                                                         \
     .help = "PEM certificates of the CA of clients; without it pre-shared keys and known raw public keys"},           \
    {.path = P ".crl", .type = CONF_PATH, AT(crl), .help = "PEM list of revoked client certificates"},                 \
    {.path = P ".admins", .type = CONF_STRINGS, AT(admins), .help = "adminFQDNs that are served; without it any"},     \
    {.path = P ".connections", .type = CONF_INT, AT(connections), .def = "1000", .min = 8, .max = 100000,              \
     .help = "open connections at most"},                                                                              \
    {.path = "limits.per_source", .type = CONF_INT, AT(per_source), .def = "256", .min = 0, .max = 100000,             \
     .help = "open connections of one address (IPv6: of one /64) at most; 0: no limit"},                               \
    {.path = "limits.exempt", .type = CONF_STRINGS, AT(exempt),                                                        \
     .help = "address ranges without limits of a source, for instance carrier NAT"},                                   \
    {.path = "limits.registration_lifetime", .type = CONF_DURATION, AT(registration_lifetime), .def = "365d",          \
     .min = 60, .max = 315360000, .help = "longest life of a client registration, counted anew from each update"},     \
    {.path = "limits.key_lifetime", .type = CONF_DURATION, AT(key_lifetime), .def = "30d", .min = 60,                  \
     .max = 315360000, .help = "longest life of a registered key; no update prolongs it"},                             \
    {.path = "store.url", .type = CONF_PATH, AT(store_url), .def = "sqlite:/var/lib/opengba/" STORE ".db",             \
     .help = "where credentials, registrations and keys are kept"},                                                    \
    {.path = "store.sync", .type = CONF_ENUM, AT(store_sync), .def = "full", .names = sync_names,                      \
     .help = "full: what was acknowledged survives a power failure; normal: a crash of the process only"},             \
    {.path = "seal.key_file", .type = CONF_PATH, AT(key_file),                                                         \
     .help = "the key that seals the store; without it the systemd credential seal.key is used"},                      \
    {.path = "bsfs", .type = CONF_ITEMS, AT(bsfs), .item = bsf_item, .item_size = sizeof(kms_bsf_settings),            \
     .help = "BSFs whose B-TIDs are accepted"},                                                                        \
    {.path = "zn.ca", .type = CONF_PATH, AT(zn_ca), .help = "PEM certificates of the CA of the BSFs"},                 \
    {.path = "zn.cert", .type = CONF_PATH, AT(zn_cert), .help = "PEM certificate of this NAF towards the BSFs"},       \
    {.path = "zn.key", .type = CONF_PATH, AT(zn_key), .help = "PEM private key of zn.cert"},                           \
    {.path = "zn.services", .type = CONF_STRINGS, AT(zn_services),                                                     \
     .help = "GAA service identifiers whose user security settings are asked for: a UID names the client"},            \
    DAEMON_CONF_ROWS(kms_settings, daemon, ADMIN)

const conf_field kms_maf_table[] = {
    COMMON_ROWS("maf", "maf", "8444", "127.0.0.1:8084"),
    {.path = "mefs", .type = CONF_ITEMS, AT(mefs), .item = mef_item, .item_size = sizeof(kms_mef_settings),
     .help = "MEFs whose KeIDs are accepted"},
    {.path = "limits.fetch_timeout", .type = CONF_DURATION, AT(fetch_timeout), .def = "4s", .min = 1, .max = 60,
     .help = "how long a handshake waits for a MEF or BSF"},
    {.path = "limits.fetches", .type = CONF_INT, AT(fetches), .def = "32", .min = 1, .max = 1000,
     .help = "handshakes that wait for MEFs and BSFs at once, an equal share for each server"},
    {.path = "limits.unknown_ttl", .type = CONF_DURATION, AT(unknown_ttl), .def = "10s", .min = 1, .max = 3600,
     .help = "how long a KeID that its MEF refused is not asked for again"},
    {.path = "limits.unknown_per_source", .type = CONF_INT, AT(unknown_per_source), .def = "128", .min = 1,
     .max = 1000000,
     .help = "queries at MEFs without success, of one address (IPv6: of one /64) in a minute"},
    {.path = NULL},
};
const conf_field kms_mef_table[] = {
    COMMON_ROWS("mef", "mef", "8445", "127.0.0.1:8085"),
    {.path = "mef.kdf", .type = CONF_ENUM, AT(kdf), .def = "usage", .names = kdf_names,
     .help = "keys from Ke: usage (TS-0003 10.3.7) or 2014 (10.3.2, 10.3.3)"},
    {.path = "mef.device_config_uri", .type = CONF_STRING, AT(device_config),
     .help = "deviceConfigURI of the MEFBase, as 1:http://..."},
    {.path = "mef.retry", .type = CONF_DURATION, AT(retry), .def = "24h", .min = 60, .max = 31536000,
     .help = "retryDuration of NO_MORE_COMMANDS"},
    {.path = NULL},
};

const char *kms_settings_key_file(const kms_settings *s, char *buf, size_t n)
{
    return seal_file_path(s->key_file, buf, n);
}

/* "sp.example.com" of maf.sp.example.com; "": of maf.com a whole top-level domain would be home. */
const char *kms_settings_home(const kms_settings *s)
{
    const char *dot = strchr(s->fqdn.s, '.');
    return dot && strchr(dot + 1, '.') ? dot + 1 : "";
}

static void check_identities(conf *c, const kms_settings *s)
{
    const kms_mef_settings *m = s->mefs.v;
    const kms_bsf_settings *b = s->bsfs.v;

    for (size_t i = 0; i < s->mefs.n; i++)
        m2m_identities_check(c, "mefs", i, s->mefs.n, &m[i].identities, m[i].fqdn.s, kms_settings_home(s));
    for (size_t i = 0; i < s->bsfs.n; i++)
        m2m_identities_check(c, "bsfs", i, s->bsfs.n, &b[i].identities, b[i].domain.s, kms_settings_home(s));
}

static void check_mefs(conf *c, const kms_settings *s)
{
    const kms_mef_settings *m = s->mefs.v;
    char path[64];

    for (size_t i = 0; i < s->mefs.n; i++) {
        snprintf(path, sizeof path, "mefs[%zu].psk_id", i);
        if (!m[i].psk_id != !m[i].psk_file || (m[i].psk_id != NULL) == (m[i].cert != NULL))
            conf_fault(c, path, "give psk_id with psk_file, or cert with key and ca, for %s", m[i].fqdn.s);
        else if (m[i].cert && (!m[i].key || !m[i].ca))
            conf_fault(c, path, "cert needs key and ca for %s", m[i].fqdn.s);
    }
}

void kms_settings_check(conf *c, const void *settings)
{
    const kms_settings *s = settings;
    const kms_bsf_settings *b = s->bsfs.v;
    const kms_mef_settings *m = s->mefs.v;
    gba_fqdn names[2 * GBA_NAF_BSFS];
    char buf[4096], item[64];
    gba_fqdn f;

    if (!kms_settings_key_file(s, buf, sizeof buf))
        conf_fault(c, "seal.key_file",
                   "is missing: name a key file (gba-bsfctl seal create-key makes one), or give the systemd credential "
                   "seal.key");
    m2m_check_own_files(c, "cert", s->cert, s->fqdn.s[0] ? s->fqdn.s : NULL, kms_settings_key_file(s, buf, sizeof buf),
                        "gba-bsfctl seal create-key FILE");
    for (size_t i = 0; i < s->admins.n; i++) {
        snprintf(item, sizeof item, "admins[%zu]", i);
        if (gba_fqdn_parse(gba_str(s->admins.v[i]), &f) != GBA_OK)
            conf_fault(c, item, "'%s' is not an FQDN", s->admins.v[i]);
    }
    uint32_t gsids[GBA_NAF_ZN_GSIDS];
    size_t n_gsids, n_exempt;
    conf_cidrs(c, "limits.exempt", &s->exempt, NULL, &n_exempt);
    conf_numbers(c, "zn.services", &s->zn_services, gsids, GBA_NAF_ZN_GSIDS, &n_gsids);
    if (s->bsfs.n && (!s->zn_ca || !s->zn_cert || !s->zn_key))
        conf_fault(c, "zn.cert", "bsfs needs zn.ca, zn.cert and zn.key");
    if (s->bsfs.n > GBA_NAF_BSFS || s->mefs.n > GBA_NAF_BSFS) {
        conf_fault(c, "bsfs", "at most %d BSFs and %d MEFs are possible", GBA_NAF_BSFS, GBA_NAF_BSFS);
        return;
    }
    check_mefs(c, s);
    check_identities(c, s);
    for (size_t i = 0; i < s->bsfs.n; i++)
        names[i] = b[i].domain;
    for (size_t i = 0; i < s->mefs.n; i++)
        names[s->bsfs.n + i] = m[i].fqdn;
    gba_m2m_domains d = {.at = GBA_M2M_AT_MAF, .own = &s->fqdn, .bsf = names, .n_bsf = s->bsfs.n,
                         .mef = names + s->bsfs.n, .n_mef = s->mefs.n};
    const gba_fqdn *clash = gba_m2m_domains_clash(&d);
    if (clash)
        conf_fault(c, "bsfs", "%s stands for two things; a key identifier's domain must tell one BSF or MEF", clash->s);
}
