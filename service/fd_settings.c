/* SPDX-License-Identifier: Apache-2.0 */
/* fd_settings.c - the diameter section: its peers' table, its checks, whose word counts. */
#include "config.h"
#include "service/fd_settings.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "service/log.h"
#include "service/metrics.h"

#define PORT_PLAIN 3868
#define PORT_TLS 5658 /* IANA: diameters */

const char *const fd_sctp_names[] = {"auto", "no", "yes", NULL};
_Static_assert(FD_SCTP_AUTO == 0 && FD_SCTP_NO == 1 && FD_SCTP_YES == 2, "in the order of their names");

const conf_field fd_peer_table[] = {
    {.path = "identity", .type = CONF_FQDN, .offset = offsetof(fd_peer_settings, identity), .required = true,
     .help = "its DiameterIdentity"},
    {.path = "address", .type = CONF_STRING, .offset = offsetof(fd_peer_settings, address),
     .help = "its address; without TLS it must come from there"},
    {.path = "port", .type = CONF_INT, .offset = offsetof(fd_peer_settings, port), .def = "0", .min = 0, .max = 65535,
     .help = "its port; 0: 5658, or 3868 without TLS"},
    {.path = "tls", .type = CONF_BOOL, .offset = offsetof(fd_peer_settings, tls), .def = "true",
     .help = "false: plain TCP, which needs diameter.insecure_plaintext"},
    {.path = "connect", .type = CONF_BOOL, .offset = offsetof(fd_peer_settings, connect), .def = "true",
     .help = "connect to it when it has an address; false: wait for it"},
    {.path = "relay", .type = CONF_BOOL, .offset = offsetof(fd_peer_settings, relay), .def = "false",
     .help = "requests for realms that no other peer has go to it: a Zn-Proxy, a Diameter agent"},
    {.path = "sctp", .type = CONF_BOOL, .offset = offsetof(fd_peer_settings, sctp), .def = "false",
     .help = "connect to it by SCTP, and by TCP where that fails; not with tls"},
    {.path = "agent_for", .type = CONF_STRINGS, .offset = offsetof(fd_peer_settings, agent_for),
     .help = "hosts it may speak for as agent or Zn-Proxy: names, or *.example.com"},
    {.path = "nafs", .type = CONF_STRINGS, .offset = offsetof(fd_peer_settings, nafs),
     .help = "gba-znproxyd: names of NAFs it may ask keys for, or *.example.com"},
    {.path = NULL},
};

bool fd_settings_used(const fd_settings *s)
{
    return s->identity.s[0] != '\0';
}

/* ---- names ---- */
bool fd_pattern_ok(const char *pattern)
{
    gba_fqdn f;
    return strcmp(pattern, "*") == 0 ||
           gba_fqdn_parse(gba_str(strncmp(pattern, "*.", 2) ? pattern : pattern + 2), &f) == GBA_OK;
}

bool fd_pattern_covers(const char *pattern, const char *name)
{
    size_t n = strlen(name), m = strlen(pattern);
    if (strcmp(pattern, "*") == 0)
        return true;
    if (strncmp(pattern, "*.", 2) != 0)
        return strcasecmp(pattern, name) == 0;
    return n > m - 1 && strcasecmp(name + n - (m - 1), pattern + 1) == 0;
}

bool fd_settings_covers(const conf_strings *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (fd_pattern_covers(patterns->v[i], name))
            return true;
    return false;
}

const fd_peer_settings *fd_settings_peer(const fd_settings *s, const char *identity)
{
    const fd_peer_settings *p = s->peers.v;
    for (size_t i = 0; i < s->peers.n; i++)
        if (strcasecmp(p[i].identity.s, identity) == 0)
            return &p[i];
    return NULL;
}

const char *fd_settings_distrust(const fd_settings *s, const fd_source *from)
{
    const fd_peer_settings *p = fd_settings_peer(s, from->peer);
    if (!p)
        return "the peer is not configured";
    if (from->doubt)
        return from->doubt;
    if (strcasecmp(from->origin_host, from->peer) != 0 && !fd_settings_covers(&p->agent_for, from->origin_host))
        return "the peer is no agent for this Origin-Host";
    return NULL;
}

/* ---- checks ---- */
/* Private, link-local or loopback: where an operator keeps strangers out (RFC 1918, 4193, 4291). */
static bool is_local(const char *text)
{
    uint8_t a[16];
    if (inet_pton(AF_INET, text, a) == 1)
        return a[0] == 10 || a[0] == 127 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
               (a[0] == 169 && a[1] == 254) || (a[0] == 100 && (a[1] & 0xc0) == 64);
    if (inet_pton(AF_INET6, text, a) == 1)
        return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
               (memcmp(a, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16) == 0);
    return false;
}

/* freeDiameter keeps no such address of a peer. */
static bool is_unkept(const char *text)
{
    struct in6_addr a;
    return strncmp(text, "127.", 4) == 0 ||
           (inet_pton(AF_INET6, text, &a) == 1 && (IN6_IS_ADDR_LOOPBACK(&a) || IN6_IS_ADDR_LINKLOCAL(&a)));
}

static bool is_address(const char *text)
{
    uint8_t a[16];
    return inet_pton(AF_INET, text, a) == 1 || inet_pton(AF_INET6, text, a) == 1;
}

static void check_patterns(conf *c, size_t peer, const char *name, const conf_strings *list)
{
    char path[64];
    for (size_t i = 0; i < list->n; i++) {
        snprintf(path, sizeof path, "diameter.peers[%zu].%s[%zu]", peer, name, i);
        if (!fd_pattern_ok(list->v[i]) || strcmp(list->v[i], "*") == 0)
            conf_fault(c, path, "'%s' is neither a host name nor one of the form *.example.com", list->v[i]);
    }
}

static void check_peer(conf *c, const fd_settings *s, size_t i)
{
    const fd_peer_settings *all = s->peers.v, *p = &all[i];
    char path[64];

    snprintf(path, sizeof path, "diameter.peers[%zu].address", i);
    if (p->address && !is_address(p->address))
        conf_fault(c, path, "'%s' is not an IPv4 or IPv6 address", p->address);
    else if (!p->tls && !p->address)
        conf_fault(c, path, "is missing: a peer without TLS is known by its address alone");
    else if (!p->tls && is_unkept(p->address))
        conf_fault(c, path, "%s is a loopback or link-local address, at which no peer can be told: use another, or TLS",
                   p->address);
    else if (!p->tls && !is_local(p->address))
        conf_fault(c, path,
                   "%s is not a private address: use TLS, or an IPsec tunnel whose inner addresses are private",
                   p->address);
    snprintf(path, sizeof path, "diameter.peers[%zu].tls", i);
    if (!p->tls && !s->insecure_plaintext)
        conf_fault(c, path, "false needs diameter.insecure_plaintext: true");
    if (p->tls && !s->cert)
        conf_fault(c, path, "needs diameter.cert, diameter.key and diameter.ca");
    snprintf(path, sizeof path, "diameter.peers[%zu].sctp", i);
    if (p->sctp && p->tls)
        conf_fault(c, path, "carries no TLS here (RFC 6733 wants DTLS): use TCP, or tls: false inside IPsec");
    if (p->sctp && s->sctp == FD_SCTP_NO)
        conf_fault(c, path, "needs diameter.sctp: auto or yes");
    snprintf(path, sizeof path, "diameter.peers[%zu].identity", i);
    if (strcmp(p->identity.s, s->identity.s) == 0)
        conf_fault(c, path, "%s is our own identity", p->identity.s);
    for (size_t k = 0; k < i; k++)
        if (strcmp(all[k].identity.s, p->identity.s) == 0)
            conf_fault(c, path, "%s stands here twice", p->identity.s);
    check_patterns(c, i, "agent_for", &p->agent_for);
    check_patterns(c, i, "nafs", &p->nafs);
}

static void check_transport(conf *c, const fd_settings *s)
{
    if (!s->listen)
        conf_fault(c, "diameter.listen", "is missing: a Diameter node listens, also as a client");
    else if (!is_address(s->listen))
        conf_fault(c, "diameter.listen", "'%s' is not an IPv4 or IPv6 address", s->listen);
    else if (!strncmp(s->listen, "127.", 4) || !strcmp(s->listen, "::1"))
        conf_fault(c, "diameter.listen",
                   "%s is a loopback address, which freeDiameter ignores: it would listen everywhere; "
                   "use another local address, or a network namespace",
                   s->listen);
    else if (!strcmp(s->listen, "0.0.0.0") || !strcmp(s->listen, "::"))
        conf_fault(c, "diameter.listen", "%s is every address: name the one on which peers reach us", s->listen);
    if (s->cert && !s->key)
        conf_fault(c, "diameter.key", "is missing: diameter.cert needs it");
    if (s->cert && !s->ca)
        conf_fault(c, "diameter.ca", "is missing: who vouches for the peers?");
    if (!s->cert && !s->insecure_plaintext)
        conf_fault(c, "diameter.cert",
                   "is missing: without TLS nobody can connect, unless diameter.insecure_plaintext: true");
    if (s->insecure_plaintext)
        conf_warn(c, "diameter.insecure_plaintext",
                  "Zh and Zn carry keys, and peers with tls: false get them in clear: protect these links by IPsec "
                  "(TS 33.210), or use this on a test bench alone");
}

void fd_settings_check(conf *c, const fd_settings *s)
{
    if (!fd_settings_used(s)) {
        if (s->peers.n)
            conf_fault(c, "diameter.identity", "is missing: diameter.peers needs it");
        return;
    }
#ifndef HAVE_DIAMETER
    conf_fault(c, "diameter.identity", "this program was built without Diameter (--without-diameter)");
#endif
    if (!s->realm.s[0])
        conf_fault(c, "diameter.realm", "is missing: diameter.identity needs it");
    check_transport(c, s);
    if (s->peers.n == 0)
        conf_fault(c, "diameter.peers", "is missing: nobody else may connect");
    if (s->peers.n > FD_PEERS)
        conf_fault(c, "diameter.peers", "has %zu peers, at most %d are possible", s->peers.n, FD_PEERS);
    for (size_t i = 0; i < s->peers.n; i++)
        check_peer(c, s, i);
}

/* ---- for the stack ---- */
static metric *open_peers;

static void stack_log(int level, const char *line)
{
    static const log_level levels[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, LOG_LEVEL_WARN, LOG_LEVEL_ERROR};
    log_event(levels[level & 3], "diameter.stack", "text", line, NULL);
}

static void peer_change(const char *identity, bool open)
{
    metric_add(open_peers, open ? 1 : -1);
    log_event(open ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, open ? "diameter.peer_up" : "diameter.peer_down", "peer",
              identity, NULL);
}

void fd_settings_conf(const fd_settings *s, fd_conf *out)
{
    const fd_peer_settings *p = s->peers.v;
    open_peers = metric_gauge("gba_diameter_peers", NULL, "Diameter peers with an open connection");
    *out = (fd_conf){
        .identity = s->identity.s,
        .realm = s->realm.s,
        .listen = s->listen,
        .port = (uint16_t)(s->insecure_plaintext ? s->port : 0),
        .sec_port = (uint16_t)(s->cert ? s->sec_port : 0),
        .cert = s->cert,
        .key = s->key,
        .ca = s->ca,
        .crl = s->crl,
        .threads = (unsigned)s->threads,
        .sctp = (fd_sctp)s->sctp,
        .log = stack_log,
        .peer_change = peer_change,
    };
    for (size_t i = 0; i < s->peers.n && i < FD_PEERS; i++) {
        fd_peer_conf *o = &out->peers[out->n_peers++];
        snprintf(o->identity, sizeof o->identity, "%s", p[i].identity.s);
        if (p[i].address)
            snprintf(o->address, sizeof o->address, "%s", p[i].address);
        o->passive = !p[i].connect;
        o->tls = p[i].tls;
        o->relay = p[i].relay;
        o->sctp = p[i].sctp;
        o->port = (uint16_t)(p[i].port ? p[i].port : p[i].tls ? PORT_TLS : PORT_PLAIN);
    }
}
