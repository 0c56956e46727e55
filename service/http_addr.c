/* SPDX-License-Identifier: Apache-2.0 */
/* http_addr.c - addresses: sources for limits, ranges, and the client behind trusted proxies. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service/http.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Every address as 16 octets, IPv4 as ::ffff:a.b.c.d. */
static bool octets(const struct sockaddr *sa, uint8_t out[16])
{
    if (sa && sa->sa_family == AF_INET) {
        memcpy(out, mapped, 12);
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        return true;
    }
    if (sa && sa->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
        return true;
    }
    memset(out, 0, 16);
    return false;
}

static bool is_mapped(const uint8_t a[16])
{
    for (int i = 0; i < 12; i++)
        if (a[i] != mapped[i])
            return false;
    return true;
}

void http_source(const struct sockaddr *sa, uint8_t out[16])
{
    static const uint8_t special[8]; /* of ::1, which is one machine's, and must not become "nobody" */
    if (octets(sa, out) && !is_mapped(out) && memcmp(out, special, sizeof special) != 0)
        memset(out + 8, 0, 8); /* an IPv6 user holds a /64 */
}

void http_source_counted(const struct sockaddr *sa, const http_cidr *exempt, size_t n, uint8_t out[16])
{
    if (http_cidr_has(exempt, n, sa))
        memset(out, 0, 16);
    else
        http_source(sa, out);
}

void http_source_text(const struct sockaddr *sa, char out[64])
{
    uint8_t a[16];
    bool known = octets(sa, a);
    bool v4 = is_mapped(a);
    if (!known || !inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a + 12 : a, out, 64))
        snprintf(out, 64, "unknown");
}

gba_err http_cidr_parse(const char *text, http_cidr *out)
{
    char host[64];
    size_t n = strcspn(text, "/");
    unsigned long bits;
    memset(out, 0, sizeof *out);
    if (n == 0 || n >= sizeof host)
        return GBA_E_SYNTAX;
    memcpy(host, text, n);
    host[n] = 0;
    bool v4 = inet_pton(AF_INET, host, out->addr + 12) == 1;
    if (v4)
        memcpy(out->addr, mapped, 12);
    else if (inet_pton(AF_INET6, host, out->addr) != 1)
        return GBA_E_SYNTAX;
    bits = v4 ? 32 : 128;
    if (text[n] == '/') {
        char *end;
        if (text[n + 1] < '0' || text[n + 1] > '9' || strlen(text + n + 1) > 3)
            return GBA_E_SYNTAX;
        unsigned long given = strtoul(text + n + 1, &end, 10);
        if (*end)
            return GBA_E_SYNTAX;
        if (given > bits)
            return GBA_E_RANGE;
        bits = given;
    }
    out->bits = (unsigned)bits + (v4 ? 96 : 0);
    return GBA_OK;
}

bool http_cidr_has(const http_cidr *list, size_t n, const struct sockaddr *sa)
{
    uint8_t a[16];
    if (!octets(sa, a))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned whole = list[i].bits / 8, rest = list[i].bits % 8, o = 0;
        while (o < whole && a[o] == list[i].addr[o])
            o++;
        if (o == whole && (!rest || !((a[o] ^ list[i].addr[o]) >> (8 - rest))))
            return true;
    }
    return false;
}

/* ---- X-Forwarded-For ---- */
typedef struct hops {
    char text[1024]; /* the last of all hops, in order, by commas */
    size_t n;
    bool cut; /* the first one may be a piece */
} hops;

static void gather(void *ctx, const char *name, const char *value)
{
    hops *h = ctx;
    if (!gba_span_ieq(gba_str(name), gba_str("X-Forwarded-For")))
        return;
    size_t n = strlen(value), room = sizeof h->text - 2;
    if (n > room) { /* the nearest hops stand at the end */
        value += n - room;
        n = room;
        h->cut = true;
    }
    if (h->n + n + 1 > room) {
        size_t drop = h->n + n + 1 - room;
        drop = drop > h->n ? h->n : drop;
        memmove(h->text, h->text + drop, h->n - drop);
        h->n -= drop;
        h->cut = true;
    }
    if (h->n)
        h->text[h->n++] = ',';
    memcpy(h->text + h->n, value, n);
    h->n += n;
    h->text[h->n] = 0;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80" */
static bool parse_hop(char *s, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    char *colon = strchr(s, ':');
    memset(out, 0, sizeof *out);
    if (*s == '[') {
        s++;
        s[strcspn(s, "]")] = 0;
    } else if (colon && !strchr(colon + 1, ':')) {
        *colon = 0;
    }
    if (inet_pton(AF_INET, s, &v4->sin_addr) == 1) {
        out->ss_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, s, &v6->sin6_addr) == 1) {
        out->ss_family = AF_INET6;
        return true;
    }
    return false;
}

void http_client(const http_req *r, const http_cidr *trusted, size_t n, struct sockaddr_storage *out)
{
    const struct sockaddr *peer = http_peer(r);
    struct sockaddr_storage hop;
    hops h = {.n = 0};
    memset(out, 0, sizeof *out);
    if (peer)
        memcpy(out, peer, peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    if (!n || !http_cidr_has(trusted, n, (const struct sockaddr *)out))
        return;
    http_headers_each(r, gather, &h);
    /* from the nearest hop outwards, as far as those who vouch for it are trusted */
    while (h.n) {
        h.text[h.n] = 0;
        char *comma = strrchr(h.text, ','), *s = comma ? comma + 1 : h.text;
        if (!comma && h.cut)
            return;
        h.n = comma ? (size_t)(comma - h.text) : 0;
        s += strspn(s, " \t");
        s[strcspn(s, " \t,")] = 0;
        if (!parse_hop(s, &hop))
            return; /* a hop that says nothing: the one before it is all that is known */
        *out = hop;
        if (!http_cidr_has(trusted, n, (const struct sockaddr *)&hop))
            return;
    }
}
