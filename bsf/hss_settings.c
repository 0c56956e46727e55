/* SPDX-License-Identifier: Apache-2.0 */
/* hss_settings.c - gba-hssd's table of settings. */
#include "bsf/hss_settings.h"
#include "bsf/settings.h"
#include <stdio.h>
#include <string.h>

static const char *const sync_names[] = {"full", "normal", NULL};
#define AT(field) .offset = offsetof(hss_settings, field)

const conf_field hss_settings_table[] = {
    {.path = "hss.bsfs", .type = CONF_STRINGS, AT(hss.bsfs), .required = true,
     .help = "BSFs that may fetch vectors: their DiameterIdentities, or *.example.com"},
    FD_SETTINGS_ROWS(hss_settings, diameter),
    {.path = "store.url", .type = CONF_PATH, AT(store.url), .def = "sqlite:/var/lib/opengba/hss.db",
     .help = "where subscribers and their GUSSs are kept"},
    {.path = "store.sync", .type = CONF_ENUM, AT(store.sync), .def = "full", .names = sync_names,
     .help = "full: what is written survives a power failure; normal: a crash of the process only"},
    {.path = "seal.key_file", .type = CONF_PATH, AT(seal.key_file),
     .help = "the key that seals the store; without it the systemd credential seal.key is used"},
    {.path = "replica.ind", .type = CONF_INT, AT(replica.ind), .def = "0", .min = 0, .max = 31,
     .help = "IND of this HSS's sequence numbers (TS 33.102 C.3.4); each replica needs its own"},
    DAEMON_CONF_ROWS(hss_settings, daemon, "127.0.0.1:8083"),
    {.path = NULL},
};

void hss_settings_check(conf *c, const void *settings)
{
    const hss_settings *s = settings;
    char path[64];

    if (!fd_settings_used(&s->diameter))
        conf_fault(c, "diameter.identity", "is missing: Zh is Diameter");
    fd_settings_check(c, &s->diameter);
    if (s->hss.bsfs.n == 0)
        conf_fault(c, "hss.bsfs", "names nobody: no BSF could fetch a vector");
    for (size_t i = 0; i < s->hss.bsfs.n; i++) {
        snprintf(path, sizeof path, "hss.bsfs[%zu]", i);
        if (!fd_pattern_ok(s->hss.bsfs.v[i]))
            conf_fault(c, path, "'%s' is neither a host name nor one of the form *.example.com", s->hss.bsfs.v[i]);
    }
    store_config sc;
    char buf[4096];
    hss_settings_store(s, buf, sizeof buf, &sc);
    if (!sc.key_file)
        conf_fault(c, "seal.key_file",
                   "is missing: name a key file (gba-bsfctl seal create-key makes one), or give the systemd "
                   "credential seal.key");
}

void hss_settings_store(const hss_settings *s, char *buf, size_t n, store_config *out)
{
    bsf_settings b = {0}; /* the same rules */
    b.store.url = s->store.url;
    b.store.sync = s->store.sync;
    b.seal.key_file = s->seal.key_file;
    bsf_settings_store(&b, buf, n, out);
}
