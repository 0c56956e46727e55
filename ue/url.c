/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - the few URLs a UE speaks, taken apart once for carrier and Digest alike. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ue/carrier.h"

static gba_err take_port(const char *s, size_t n, unsigned *port)
{
    *port = 0;
    if (n == 0 || n > 5)
        return GBA_E_SYNTAX;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return GBA_E_SYNTAX;
        *port = *port * 10 + (unsigned)(s[i] - '0');
    }
    return *port >= 1 && *port <= 65535 ? GBA_OK : GBA_E_RANGE;
}

/* host, [IPv6], each with or without :port */
static gba_err take_authority(const char *s, size_t n, ue_url *out)
{
    const char *host = s, *end = memchr(s, ':', n);
    size_t host_n = end ? (size_t)(end - s) : n;
    if (n > 0 && s[0] == '[') {
        const char *close = memchr(s, ']', n);
        if (!close)
            return GBA_E_SYNTAX;
        host = s + 1;
        host_n = (size_t)(close - host);
        out->ipv6 = true;
        end = close + 1 < s + n ? close + 1 : NULL;
        if (end && *end != ':')
            return GBA_E_SYNTAX;
    }
    if (host_n == 0 || host_n >= sizeof out->host || memchr(s, '@', n))
        return GBA_E_SYNTAX;
    memcpy(out->host, host, host_n);
    out->port = out->tls ? 443 : 80;
    return end ? take_port(end + 1, (size_t)(s + n - end - 1), &out->port) : GBA_OK;
}

gba_err ue_url_parse(const char *text, ue_url *out)
{
    memset(out, 0, sizeof *out);
    size_t all = strlen(text);
    if (all >= UE_URL_MAX)
        return GBA_E_RANGE;
    for (size_t i = 0; i < all; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '#' || text[i] == '"' || text[i] == '\\')
            return GBA_E_SYNTAX;
    out->tls = strncasecmp(text, "https://", 8) == 0;
    if (!out->tls && strncasecmp(text, "http://", 7) != 0)
        return GBA_E_SYNTAX;
    const char *authority = text + (out->tls ? 8 : 7);
    size_t n = strcspn(authority, "/?");
    gba_err e = take_authority(authority, n, out);
    if (e)
        return e;
    const char *target = authority + n;
    if (snprintf(out->origin, sizeof out->origin, "%.*s", (int)(target - text), text) >= (int)sizeof out->origin ||
        snprintf(out->target, sizeof out->target, "%s%s", *target == '/' ? "" : "/", target) >=
            (int)sizeof out->target)
        return GBA_E_RANGE;
    return GBA_OK;
}

bool ue_place_parse(const char *text, ue_place *out)
{
    size_t n;
    const char *host = text, *port = NULL;
    uint8_t address[16];
    bool ipv6 = text[0] == '[';
    if (ipv6) {
        const char *close = strchr(text, ']');
        if (!close || (close[1] && close[1] != ':'))
            return false;
        host = text + 1;
        n = (size_t)(close - host);
        port = close[1] ? close + 2 : NULL;
    } else {
        const char *colon = strchr(text, ':');
        ipv6 = colon && strchr(colon + 1, ':');
        n = colon && !ipv6 ? (size_t)(colon - text) : strlen(text);
        port = colon && !ipv6 ? colon + 1 : NULL;
    }
    if (n == 0 || n >= sizeof out->host ||
        (port && (!*port || strlen(port) >= sizeof out->port || port[strspn(port, "0123456789")])))
        return false;
    memcpy(out->host, host, n);
    out->host[n] = '\0';
    if (ipv6 && !strchr(out->host, '%') && inet_pton(AF_INET6, out->host, address) != 1)
        return false;
    if (port)
        snprintf(out->port, sizeof out->port, "%s", port);
    return true;
}
