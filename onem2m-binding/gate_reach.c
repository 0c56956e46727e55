/* SPDX-License-Identifier: Apache-2.0 */
/* gate_reach.c - whom the egress contacts, and for how long a request lives. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/gate_poa.h"

/* Link-local, and where clouds answer for the machine itself; "this host" and many at once besides. */
static const char *const never[] = {"0.0.0.0/8",        "169.254.0.0/16", "224.0.0.0/3",      "100.100.100.200/32",
                                    "168.63.129.16/32", "192.0.0.192/32", "::/128",           "fe80::/10",
                                    "ff00::/8",         "fec0::/10",      "fd00:ec2::254/128"};
static const char *const loopback[] = {"127.0.0.0/8", "::1/128"};

static bool among(const char *const *list, size_t n, const struct sockaddr *sa)
{
    http_cidr c;
    for (size_t i = 0; i < n; i++)
        if (http_cidr_parse(list[i], &c) == GBA_OK && http_cidr_has(&c, 1, sa))
            return true;
    return false;
}

static bool is_loopback(const struct sockaddr *sa)
{
    return among(loopback, sizeof loopback / sizeof *loopback, sa);
}

/* The IPv4 address that a translator takes this for (RFC 6052 2.1), or one that is IPv4-compatible. */
static bool embedded(const struct sockaddr *sa, struct sockaddr_in *out)
{
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b}, none[12];
    const uint8_t *a =
        sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr : NULL;

    if (!a || (memcmp(a, nat64, sizeof nat64) != 0 && memcmp(a, none, sizeof none) != 0) || is_loopback(sa))
        return false;
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    memcpy(&out->sin_addr, a + 12, 4);
    return true;
}

bool gate_may_reach(const gate_settings *s, bool configured, const struct sockaddr *sa)
{
    struct sockaddr_in v4, listening = {.sin_family = AF_INET};
    struct sockaddr_in6 listening6 = {.sin6_family = AF_INET6};

    if (among(never, sizeof never / sizeof *never, sa))
        return false;
    if (embedded(sa, &v4) && !gate_may_reach(s, configured, (const struct sockaddr *)&v4))
        return false;
    if (configured)
        return true;
    if (s->egress_allow.n)
        return among((const char *const *)s->egress_allow.v, s->egress_allow.n, sa);
    if (!is_loopback(sa))
        return true;
    return (inet_pton(AF_INET, s->listen.address, &listening.sin_addr) == 1 &&
            is_loopback((const struct sockaddr *)&listening)) ||
           (inet_pton(AF_INET6, s->listen.address, &listening6.sin6_addr) == 1 &&
            is_loopback((const struct sockaddr *)&listening6));
}

const gate_peer *gate_registrar(const gate_settings *s)
{
    const gate_peer *p = s->peers.v;
    gba_m2m_id want, id;
    bool named = s->registrar && gba_m2m_id_parse(gba_str(s->registrar), NULL, &want) == GBA_OK;

    if (s->registrar && !named) /* "none" */
        return NULL;
    for (size_t i = 0; i < s->peers.n; i++)
        if (gba_m2m_id_parse(gba_str(p[i].id), NULL, &id) == GBA_OK && id.kind == GBA_M2M_ID_CSE &&
            (named ? gba_m2m_id_eq(&id, &want) : s->peers.n == 1))
            return &p[i];
    return NULL;
}

void gate_reach_check(conf *c, const gate_settings *s)
{
    char host[GATE_HOST_MAX];
    const char *path;
    size_t n;
    uint16_t port;
    bool tls;

    if (s->registrar && strcmp(s->registrar, "none") != 0 && !gate_registrar(s))
        conf_fault(c, "registrar", "'%s' is the id of no CSE of peers; none: there is no registrar", s->registrar);
    if (s->egress_url && (gate_url(s->egress_url, &tls, host, &port, &path) != GBA_OK || tls || *path ||
                          strncmp(s->egress_url, "http://", 7) != 0 || strlen(s->egress_url) > GATE_POA_MAX / 2))
        conf_fault(c, "egress_url", "'%s' is not http://host:port, by which the CSE reaches the egress", s->egress_url);
    if (!s->egress.set && (s->egress_url || s->egress_allow.n || s->registrar))
        conf_fault(c, "egress", "is missing: %s has no use without it",
                   s->egress_url  ? "egress_url"
                   : s->registrar ? "registrar"
                                  : "egress_allow");
    conf_cidrs(c, "egress_allow", &s->egress_allow, NULL, &n);
}

/* ---- how long ---- */
/* m2m:absRelTimestamp (TS-0004 6.3.3): a time, or milliseconds from now. false: neither. */
static bool until(const char *text, int64_t now_ms, int64_t *left)
{
    size_t n = strlen(text), digits = strspn(text + (*text == '-'), "0123456789") + (*text == '-');
    int64_t at, fraction = 0, unit = 100;

    if (digits == n && n > (size_t)(*text == '-') && n <= 18) {
        *left = strtoll(text, NULL, 10);
        return true;
    }
    if (gba_m2m_time_parse(gba_str(text), &at) != GBA_OK)
        return false;
    for (const char *p = n > 16 ? text + 16 : ""; *p && unit; p++, unit /= 10)
        fraction += (*p - '0') * unit;
    *left = at * 1000 + fraction - now_ms;
    return true;
}

int64_t gate_lives(const gate_settings *s, const char *ret, const char *rqet, int64_t now_ms)
{
    const char *const both[] = {ret, rqet};
    int64_t most = s->request_max * 1000, least = INT64_MAX, left;

    for (size_t i = 0; i < 2; i++)
        if (both[i] && until(both[i], now_ms, &left) && left < least)
            least = left;
    if (least == INT64_MAX)
        return s->upstream_ms;
    return least <= 0 ? 0 : least < most ? least : most;
}
