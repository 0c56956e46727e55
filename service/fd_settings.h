/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd_settings.h - the diameter section of a configuration: our identity, where we listen, which peers
 * there are and whose word counts. One table for every program that speaks Diameter.
 */
#ifndef SERVICE_FD_SETTINGS_H
#define SERVICE_FD_SETTINGS_H
#include "service/conf.h"
#include "service/fd_stack.h"

typedef struct fd_peer_settings {
    gba_fqdn identity;
    char *address;
    int64_t port; /* 0: 3868, 5658 with TLS */
    bool tls, connect, relay, sctp;
    conf_strings agent_for; /* Origin-Hosts it may speak for: names, or "*.example.com" */
    conf_strings nafs;      /* gba-znproxyd: FQDNs it may ask keys for, likewise */
} fd_peer_settings;
typedef struct fd_settings {
    gba_fqdn identity, realm;
    char *listen;
    int64_t port, sec_port, threads;
    char *cert, *key, *ca, *crl;
    bool insecure_plaintext;
    int sctp; /* fd_sctp */
    conf_items peers; /* fd_peer_settings */
} fd_settings;
extern const conf_field fd_peer_table[];
extern const char *const fd_sctp_names[];

#define FD_SETTINGS_ROWS(S, M)                                                                                         \
    {.path = "diameter.identity", .type = CONF_FQDN, .offset = offsetof(S, M.identity),                                \
     .help = "our DiameterIdentity (Origin-Host); without it no Diameter is spoken"},                                  \
        {.path = "diameter.realm", .type = CONF_FQDN, .offset = offsetof(S, M.realm), .help = "our realm"},            \
        {.path = "diameter.listen", .type = CONF_STRING, .offset = offsetof(S, M.listen),                              \
         .help = "our address, never a loopback one; clients need one, too"},                                          \
        {.path = "diameter.port", .type = CONF_INT, .offset = offsetof(S, M.port), .def = "3868", .min = 1,            \
         .max = 65535, .help = "plain TCP; closed without diameter.insecure_plaintext"},                               \
        {.path = "diameter.sec_port", .type = CONF_INT, .offset = offsetof(S, M.sec_port), .def = "5658", .min = 1,    \
         .max = 65535, .help = "TLS; closed without diameter.cert"},                                                   \
        {.path = "diameter.threads", .type = CONF_INT, .offset = offsetof(S, M.threads), .def = "4", .min = 1,         \
         .max = 64, .help = "threads that answer requests"},                                                           \
        {.path = "diameter.cert", .type = CONF_PATH, .offset = offsetof(S, M.cert),                                    \
         .help = "PEM certificate chain; its dNSName is diameter.identity"},                                           \
        {.path = "diameter.key", .type = CONF_PATH, .offset = offsetof(S, M.key), .help = "PEM private key"},          \
        {.path = "diameter.ca", .type = CONF_PATH, .offset = offsetof(S, M.ca),                                        \
         .help = "PEM certificates of the CA that vouches for peers"},                                                 \
        {.path = "diameter.crl", .type = CONF_PATH, .offset = offsetof(S, M.crl),                                      \
         .help = "PEM list of revoked peer certificates"},                                                             \
        {.path = "diameter.insecure_plaintext", .type = CONF_BOOL, .offset = offsetof(S, M.insecure_plaintext),        \
         .def = "false", .help = "peers with tls: false may connect, from their address; keys then travel in clear"},  \
        {.path = "diameter.sctp", .type = CONF_ENUM, .offset = offsetof(S, M.sctp), .def = "auto",                     \
         .names = fd_sctp_names, .help = "SCTP beside TCP: auto, where the kernel has it; no; yes, not without it"},   \
    {                                                                                                                  \
        .path = "diameter.peers", .type = CONF_ITEMS, .offset = offsetof(S, M.peers), .item = fd_peer_table,           \
        .item_size = sizeof(fd_peer_settings), .help = "who may connect to us, or we to them"                          \
    }

/* Is there a diameter section that is used? */
bool fd_settings_used(const fd_settings *s);
void fd_settings_check(conf *c, const fd_settings *s);
/* For fd_stack_start; the texts are borrowed from s. Log lines, diameter.peer_up and .peer_down events and
 * the gauge gba_diameter_peers come with it. */
void fd_settings_conf(const fd_settings *s, fd_conf *out);
const fd_peer_settings *fd_settings_peer(const fd_settings *s, const char *identity);
/* Does Origin-Host count? NULL, or why not: only when TLS (or, where plain TCP is allowed, the peer's
 * listed address) vouches for the peer, and the peer is that host or its configured agent. */
const char *fd_settings_distrust(const fd_settings *s, const fd_source *from);
/* name is "*" or equal to, or below, one of the patterns. */
bool fd_settings_covers(const conf_strings *patterns, const char *name);
bool fd_pattern_covers(const char *pattern, const char *name);
bool fd_pattern_ok(const char *pattern);
#endif
