/* SPDX-License-Identifier: Apache-2.0 */
/* nafd_settings.c - gba-nafd's table of settings, and the checks that span several of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "naf/nafd.h"

#define AT(field) .offset = offsetof(nafd_settings, field)

static const conf_field bsf_item[] = {
    {.path = "domain", .type = CONF_FQDN, .offset = offsetof(nafd_bsf, domain), .required = true,
     .help = "the domain behind '@' in its B-TIDs"},
    {.path = "zn_url", .type = CONF_STRING, .offset = offsetof(nafd_bsf, zn_url),
     .help = "its Zn apiRoot, https://..., before /nbsp-gba"},
    {.path = "zn_diameter.realm", .type = CONF_FQDN, .offset = offsetof(nafd_bsf, dia_realm),
     .help = "instead of zn_url: its Diameter realm, reached by the section diameter"},
    {.path = "zn_diameter.host", .type = CONF_FQDN, .offset = offsetof(nafd_bsf, dia_host),
     .help = "its DiameterIdentity, when not every BSF of the realm will do"},
    {.path = NULL},
};
static const conf_field upstream_item[] = {
    {.path = "host", .type = CONF_FQDN, .offset = offsetof(nafd_upstream, host),
     .help = "only requests to this one of naf.fqdns; default: to any, where no upstream has the host"},
    {.path = "path", .type = CONF_STRING, .offset = offsetof(nafd_upstream, path), .required = true,
     .help = "requests whose path begins so; the longest wins, of equals the first that is up"},
    {.path = "url", .type = CONF_STRING, .offset = offsetof(nafd_upstream, url), .required = true,
     .help = "where they go; the request's target is appended"},
    {.path = NULL},
};

const conf_field nafd_settings_table[] = {
    {.path = "naf.fqdns", .type = CONF_STRINGS, AT(naf.fqdns), .required = true,
     .help = "the names by which UEs reach this NAF; each is a NAF_Id of its own"},
    {.path = "naf.bsfs", .type = CONF_ITEMS, AT(naf.bsfs), .required = true, .item = bsf_item,
     .item_size = sizeof(nafd_bsf), .help = "the BSFs whose B-TIDs are accepted"},
    {.path = "naf.require_product_token", .type = CONF_BOOL, AT(naf.require_product_token), .def = "false",
     .help = "403 instead of a challenge for clients without 3gpp-gba in User-Agent (TS 24.109 5.2.2)"},
    {.path = "naf.check_identity", .type = CONF_BOOL, AT(naf.check_identity), .def = "true",
     .help = "403 when X-3GPP-Intended-Identity is not one of the user's; else it is the one asserted to upstreams"},

    {.path = "zn.cert", .type = CONF_PATH, AT(zn.cert),
     .help = "PEM client certificate; its dNSName is who we are to the BSFs"},
    {.path = "zn.key", .type = CONF_PATH, AT(zn.key), .help = "PEM private key of zn.cert"},
    {.path = "zn.ca", .type = CONF_PATH, AT(zn.ca),
     .help = "PEM certificates of the CA that signs the BSFs' Zn certificates"},
    {.path = "zn.timeout_ms", .type = CONF_INT, AT(zn.timeout_ms), .def = "5000", .min = 100, .max = 60000,
     .help = "how long a request may wait for its key, in milliseconds; then 503"},
    {.path = "zn.connect_timeout_ms", .type = CONF_INT, AT(zn.connect_timeout_ms), .def = "2000", .min = 50,
     .max = 60000, .help = "how long connecting to a BSF may take"},
    {.path = "zn.workers", .type = CONF_INT, AT(zn.workers), .def = "16", .min = 1, .max = 256,
     .help = "key queries under way at once"},
    {.path = "zn.waiting", .type = CONF_INT, AT(zn.waiting), .def = "1024", .min = 1, .max = 100000,
     .help = "requests that wait for a key at once, an equal share for each BSF; above it 503"},

    {.path = "zn.services", .type = CONF_STRINGS, AT(zn.services),
     .help = "GAA service identifiers whose user security settings are asked for"},
    FD_SETTINGS_ROWS(nafd_settings, diameter),

    {.path = "ua.listen", .type = CONF_LISTEN, AT(ua.listen), .help = "plain HTTP for UEs"},
    {.path = "ua.tls_listen", .type = CONF_LISTEN, AT(ua.tls_listen),
     .help = "HTTPS for UEs; needs ua.cert and ua.key"},
    {.path = "ua.cert", .type = CONF_PATH, AT(ua.cert), .help = "PEM certificate chain for ua.tls_listen"},
    {.path = "ua.key", .type = CONF_PATH, AT(ua.key), .help = "PEM private key for ua.tls_listen"},
    {.path = "ua.tls_priority", .type = CONF_STRING, AT(ua.tls_priority),
     .help = "GnuTLS priority string; the default takes TLS 1.2 and 1.3 with AEAD suites"},
    {.path = "ua.psk", .type = CONF_BOOL, AT(ua.psk), .def = "true",
     .help = "TLS with the GBA key as pre-shared key, beside the certificate, on ua.tls_listen"},
    {.path = "ua.psk_priority", .type = CONF_STRING, AT(ua.psk_priority),
     .help = "appended to the GnuTLS priority string; +PSK: plain PSK too, +DHE-PSK, +SHA1: older suites"},
    {.path = "ua.psk_waiting", .type = CONF_INT, AT(ua.psk_waiting), .def = "256", .min = 1, .max = 100000,
     .help = "TLS handshakes that wait for a key at once; above it they fail"},
    {.path = "ua.algorithms", .type = CONF_STRINGS, AT(ua.algorithms),
     .help = "Digest algorithms offered, in this order: SHA-256, MD5 by default; also their -sess forms"},
    {.path = "ua.qop", .type = CONF_STRINGS, AT(ua.qop), .help = "auth and auth-int by default"},
    {.path = "ua.nonce_lifetime", .type = CONF_DURATION, AT(ua.nonce_lifetime), .def = "5m", .min = 5, .max = 86400,
     .help = "how long a nonce may be used"},
    {.path = "ua.nextnonce_always", .type = CONF_BOOL, AT(ua.nextnonce_always), .def = "false",
     .help = "name the next nonce in each answer, for UEs that begin nc at 1 with each request and would bootstrap anew"},
    {.path = "ua.nonce_key_file", .type = CONF_PATH, AT(ua.nonce_key_file),
     .help = "64 hex digits, shared by replicas so that they know each other's nonces; default: drawn at start"},
    {.path = "ua.body_max", .type = CONF_SIZE, AT(ua.body_max), .def = "1M", .min = 0, .max = 1 << 30,
     .help = "largest request body; above it 413"},
    {.path = "ua.connections", .type = CONF_INT, AT(ua.connections), .def = "10000", .min = 8, .max = 1000000,
     .help = "open connections of each Ua listener at most"},
    {.path = "ua.per_source", .type = CONF_INT, AT(ua.per_source), .def = "256", .min = 0, .max = 1000000,
     .help = "open connections of one address (IPv6: of one /64) at most; 0: no limit"},
    {.path = "ua.bodies_max", .type = CONF_SIZE, AT(ua.bodies_max), .def = "64M", .min = 65536, .max = (int64_t)1 << 40,
     .help = "bodies under auth-int that are held at once before they prove who sent them; above it 503"},
    {.path = "ua.idle", .type = CONF_DURATION, AT(ua.idle), .def = "30s", .min = 1, .max = 3600,
     .help = "how long a connection may rest, and a request may take to arrive"},
    {.path = "ua.threads", .type = CONF_INT, AT(ua.threads), .def = "0", .min = 0, .max = 256,
     .help = "threads of each Ua listener; 0: one a core"},

    {.path = "cache.keys", .type = CONF_INT, AT(cache.keys), .def = "100000", .min = 16, .max = 100000000,
     .help = "keys remembered until they expire; about 1 KiB each"},
    {.path = "cache.nonces", .type = CONF_INT, AT(cache.nonces), .def = "65536", .min = 64, .max = 100000000,
     .help = "nonces whose nonce count is remembered"},
    {.path = "cache.unknown", .type = CONF_INT, AT(cache.unknown), .def = "16384", .min = 64, .max = 100000000,
     .help = "unknown B-TIDs remembered"},
    {.path = "cache.unknown_ttl", .type = CONF_DURATION, AT(cache.unknown_ttl), .def = "30s", .min = 1, .max = 3600,
     .help = "how long a B-TID that its BSF does not know, or does not give us, is not asked for again"},

    {.path = "limits.unknown_per_source", .type = CONF_INT, AT(limits.unknown_per_source), .def = "128", .min = 1,
     .max = 1000000, .help = "failed or running key queries that one source may cause in a minute; above it 503"},
    {.path = "limits.exempt", .type = CONF_STRINGS, AT(limits.exempt),
     .help = "address ranges without that limit and ua.per_source, for instance carrier NAT"},
    {.path = "limits.trusted_proxies", .type = CONF_STRINGS, AT(limits.trusted_proxies),
     .help = "address ranges whose X-Forwarded-For is believed; ua.per_source does not count them"},

    {.path = "resource.enabled", .type = CONF_BOOL, AT(resource.enabled), .def = "true",
     .help = "tell the user who they are where no upstream matches; else 404"},
    {.path = "upstreams", .type = CONF_ITEMS, AT(upstreams), .item = upstream_item, .item_size = sizeof(nafd_upstream),
     .help = "servers behind this proxy"},
    {.path = "proxy.timeout", .type = CONF_DURATION, AT(proxy.timeout), .def = "30s", .min = 1, .max = 3600,
     .help = "how long an upstream may take to begin its answer; then 504"},
    {.path = "proxy.connect_timeout", .type = CONF_DURATION, AT(proxy.connect_timeout), .def = "2s", .min = 1,
     .max = 60,
     .help = "how long connecting to an upstream may take; then 504"},
    {.path = "proxy.idle", .type = CONF_DURATION, AT(proxy.idle), .def = "30s", .min = 1, .max = 3600,
     .help = "how long an upstream may pause within its answer; then the connection is cut"},
    {.path = "proxy.requests", .type = CONF_INT, AT(proxy.requests), .def = "512", .min = 1, .max = 10000,
     .help = "requests at upstreams at once, a thread each; above it 503"},
    {.path = "proxy.body_max", .type = CONF_SIZE, AT(proxy.body_max), .def = "1G", .min = 0, .max = (int64_t)1 << 40,
     .help = "largest request body for upstreams, which passes as it comes; above it 413, 0: any. Under auth-int "
             "ua.body_max counts"},
    {.path = "proxy.answer_max", .type = CONF_SIZE, AT(proxy.answer_max), .def = "1M", .min = 0, .max = 1 << 30,
     .help = "answers to requests under auth-int are hashed up to this size; larger ones pass as they come, under "
             "auth"},
    {.path = "proxy.failures", .type = CONF_INT, AT(proxy.failures), .def = "3", .min = 0, .max = 1000,
     .help = "so many failures in a row, and an upstream is left alone for a second, then twice as long each time; "
             "0: never"},
    {.path = "proxy.down_max", .type = CONF_DURATION, AT(proxy.down_max), .def = "1m", .min = 1, .max = 3600,
     .help = "the longest such time"},
    {.path = "proxy.ca", .type = CONF_PATH, AT(proxy.ca), .help = "PEM certificates that vouch for https upstreams"},
    {.path = "decision.listen", .type = CONF_LISTEN, AT(decision.listen),
     .help = "where nginx (auth_request) or Envoy (ext_authz) ask who a request is; keep it on loopback"},
    {.path = "decision.proxies", .type = CONF_STRINGS, AT(decision.proxies),
     .help = "address ranges of those who may ask; default: 127.0.0.0/8 and ::1/128"},
    {.path = "decision.prefix", .type = CONF_STRING, AT(decision.prefix), .def = "/decide",
     .help = "path of the endpoint; behind it stands the request's own target where X-Original-URI is absent"},
    {.path = "log.access", .type = CONF_BOOL, AT(log_access), .def = "false", .help = "a line for every request"},

    DAEMON_CONF_ROWS(nafd_settings, daemon, "127.0.0.1:8082"),
    {.path = NULL},
};

static void check_cidrs(conf *c, const char *path, const conf_strings *list)
{
    size_t n;
    conf_cidrs(c, path, list, NULL, &n);
}

static void check_zn(conf *c, const nafd_settings *s, bool http)
{
    uint32_t gsids[GBA_DIA_GSIDS];
    size_t n;
    if (http && !s->zn.cert)
        conf_fault(c, "zn.cert", "is missing: zn_url needs it");
    if (http && !s->zn.key)
        conf_fault(c, "zn.key", "is missing: zn_url needs it");
    if (http && !s->zn.ca)
        conf_fault(c, "zn.ca", "is missing: zn_url needs it");
    conf_numbers(c, "zn.services", &s->zn.services, gsids, GBA_DIA_GSIDS, &n);
    if (nafd_diameter_used(s) && !fd_settings_used(&s->diameter))
        conf_fault(c, "diameter.identity", "is missing: zn_diameter needs the section diameter");
    fd_settings_check(c, &s->diameter);
}

static void check_names(conf *c, const nafd_settings *s)
{
    char item[64];
    bool http = false;
    gba_fqdn f;
    if (!s->naf.fqdns.n || s->naf.fqdns.n > GBA_NAF_FQDNS)
        conf_fault(c, "naf.fqdns", "names %zu hosts: 1 to %d are possible", s->naf.fqdns.n, GBA_NAF_FQDNS);
    for (size_t i = 0; i < s->naf.fqdns.n; i++) {
        snprintf(item, sizeof item, "naf.fqdns[%zu]", i);
        if (gba_fqdn_parse(gba_str(s->naf.fqdns.v[i]), &f) != GBA_OK)
            conf_fault(c, item, "'%s' is not a host name: give it without scheme and port", s->naf.fqdns.v[i]);
    }
    const nafd_bsf *b = s->naf.bsfs.v;
    if (!s->naf.bsfs.n || s->naf.bsfs.n > GBA_NAF_BSFS)
        conf_fault(c, "naf.bsfs", "names %zu BSFs: 1 to %d are possible", s->naf.bsfs.n, GBA_NAF_BSFS);
    for (size_t i = 0; i < s->naf.bsfs.n; i++) {
        snprintf(item, sizeof item, "naf.bsfs[%zu].zn_url", i);
        if (!b[i].zn_url == !b[i].dia_realm.s[0])
            conf_fault(c, item, "%s", b[i].zn_url ? "and zn_diameter exclude each other"
                                                  : "is missing: how is this BSF asked? (or zn_diameter.realm)");
        http |= b[i].zn_url != NULL;
        if (b[i].zn_url && strncasecmp(b[i].zn_url, "https://", 8) != 0)
            conf_fault(c, item, "'%s' does not begin with https://: keys travel under TLS only", b[i].zn_url);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(b[k].domain.s, b[i].domain.s)) {
                snprintf(item, sizeof item, "naf.bsfs[%zu].domain", i);
                conf_fault(c, item, "%s stands here twice", b[i].domain.s);
            }
    }
    check_zn(c, s, http);
}

static gba_digest_alg algorithm(const char *name)
{
    gba_digest_alg a = gba_digest_alg_parse(gba_str(name));
    return a >= GBA_DIGEST_MD5 && a <= GBA_DIGEST_SHA256_SESS ? a : GBA_DIGEST_UNKNOWN;
}

static unsigned qop(const char *name)
{
    return !strcasecmp(name, "auth") ? GBA_QOP_AUTH : !strcasecmp(name, "auth-int") ? GBA_QOP_AUTH_INT : GBA_QOP_NONE;
}

static void check_ua(conf *c, const nafd_settings *s)
{
    char item[64];
    if (!s->ua.listen.set && !s->ua.tls_listen.set)
        conf_fault(c, "ua.listen", "no UE can reach this NAF: set ua.listen or ua.tls_listen");
    if (s->ua.tls_listen.set && !s->ua.cert)
        conf_fault(c, "ua.cert", "is missing: ua.tls_listen needs it");
    if (s->ua.tls_listen.set && !s->ua.key)
        conf_fault(c, "ua.key", "is missing: ua.tls_listen needs it");
    if (s->ua.algorithms.n > GBA_NAF_ALGORITHMS)
        conf_fault(c, "ua.algorithms", "has %zu entries, at most %d are possible", s->ua.algorithms.n,
                   GBA_NAF_ALGORITHMS);
    for (size_t i = 0; i < s->ua.algorithms.n; i++) {
        snprintf(item, sizeof item, "ua.algorithms[%zu]", i);
        if (algorithm(s->ua.algorithms.v[i]) == GBA_DIGEST_UNKNOWN)
            conf_fault(c, item, "'%s' is none of SHA-256, MD5, SHA-256-sess, MD5-sess", s->ua.algorithms.v[i]);
    }
    for (size_t i = 0; i < s->ua.qop.n; i++) {
        snprintf(item, sizeof item, "ua.qop[%zu]", i);
        if (qop(s->ua.qop.v[i]) == GBA_QOP_NONE)
            conf_fault(c, item, "'%s' is neither auth nor auth-int", s->ua.qop.v[i]);
    }
}

static void check_upstreams(conf *c, const nafd_settings *s)
{
    const nafd_upstream *u = s->upstreams.v;
    char item[64];
    for (size_t i = 0; i < s->upstreams.n; i++) {
        snprintf(item, sizeof item, "upstreams[%zu].path", i);
        if (u[i].path && (u[i].path[0] != '/' || strpbrk(u[i].path, "?# ")))
            conf_fault(c, item, "'%s' is not a path such as /app/", u[i].path);
        bool served = !u[i].host.s[0];
        for (size_t k = 0; k < s->naf.fqdns.n; k++)
            served = served || !strcasecmp(s->naf.fqdns.v[k], u[i].host.s);
        snprintf(item, sizeof item, "upstreams[%zu].host", i);
        if (!served)
            conf_fault(c, item, "%s is none of naf.fqdns: no request would come here", u[i].host.s);
        snprintf(item, sizeof item, "upstreams[%zu].url", i);
        if (u[i].url && strncasecmp(u[i].url, "http://", 7) != 0 && strncasecmp(u[i].url, "https://", 8) != 0)
            conf_fault(c, item, "'%s' does not begin with http:// or https://", u[i].url);
        else if (u[i].url && strpbrk(u[i].url, "?# @\"\\"))
            conf_fault(c, item, "'%s' must be scheme, host, port and perhaps a path", u[i].url);
    }
}

void nafd_settings_check(conf *c, const void *settings)
{
    const nafd_settings *s = settings;
    check_names(c, s);
    check_ua(c, s);
    check_upstreams(c, s);
    check_cidrs(c, "limits.exempt", &s->limits.exempt);
    check_cidrs(c, "decision.proxies", &s->decision.proxies);
    if (s->decision.prefix && (s->decision.prefix[0] != '/' || strpbrk(s->decision.prefix, "?# ")))
        conf_fault(c, "decision.prefix", "'%s' is not a path such as /decide", s->decision.prefix);
    check_cidrs(c, "limits.trusted_proxies", &s->limits.trusted_proxies);
}

/* 64 hex digits and perhaps a line end. */
static gba_err read_nonce_key(const char *path, gba_secret *out)
{
    char text[80];
    size_t room = sizeof out->o;
    FILE *f = fopen(path, "re");
    if (!f)
        return GBA_E_IO;
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
        n--;
    gba_err e = n == 64 ? gba_hex_decode(gba_mem(text, n), out->o, &room) : GBA_E_SYNTAX;
    out->n = e == GBA_OK ? room : 0;
    gba_wipe(text, sizeof text);
    return e;
}

gba_err nafd_settings_naf(const nafd_settings *s, bool decision, gba_naf **out, char *why, size_t why_n)
{
    GBA_SECRET_SCOPED key = {0};
    const char *bsfs[GBA_NAF_BSFS], *reason = "";
    const nafd_bsf *b = s->naf.bsfs.v;
    *out = NULL;
    for (size_t i = 0; i < s->naf.bsfs.n && i < GBA_NAF_BSFS; i++)
        bsfs[i] = b[i].domain.s;
    gba_naf_config c = {.fqdns = (const char *const *)s->naf.fqdns.v, .n_fqdns = s->naf.fqdns.n,
                        .bsfs = bsfs, .n_bsfs = s->naf.bsfs.n,
                        .require_product_token = s->naf.require_product_token,
                        .no_intended_identity = !s->naf.check_identity,
                        .nextnonce_always = s->ua.nextnonce_always,
                        .nonce_lifetime = s->ua.nonce_lifetime,
                        .keys_max = (size_t)s->cache.keys, .nonces_max = (size_t)s->cache.nonces,
                        .unknown_max = (size_t)s->cache.unknown, .unknown_ttl = s->cache.unknown_ttl,
                        .unknown_per_source = (unsigned)s->limits.unknown_per_source};
    for (size_t i = 0; i < s->ua.algorithms.n; i++)
        c.algorithms[c.n_algorithms++] = algorithm(s->ua.algorithms.v[i]);
    for (size_t i = 0; i < s->ua.qop.n; i++)
        c.qop |= qop(s->ua.qop.v[i]);
    if (decision)
        c.qop = GBA_QOP_AUTH;
    if (s->ua.nonce_key_file) {
        gba_err e = read_nonce_key(s->ua.nonce_key_file, &key);
        if (e != GBA_OK) {
            const char *fault = "does not hold 64 hex digits (openssl rand -hex 32 makes them)";
            snprintf(why, why_n, "ua.nonce_key_file: %s: %s", s->ua.nonce_key_file,
                     e == GBA_E_IO ? "cannot be read" : fault);
            return e;
        }
        c.nonce_key = gba_secret_span(&key);
    }
    gba_err e = gba_naf_new(&c, out, &reason);
    if (e != GBA_OK)
        snprintf(why, why_n, "%s", reason);
    return e;
}
