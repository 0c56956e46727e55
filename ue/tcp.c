/* SPDX-License-Identifier: Apache-2.0 */
/* tcp.c - a socket to a host before a deadline. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ue/file.h"
#include "ue/link.h"
#include "ue/resolve.h"

int64_t ue_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

gba_err ue_wait(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left = deadline == UE_FOREVER ? -1 : deadline - ue_clock();
        if (deadline != UE_FOREVER && left < 0)
            left = 0;
        int r = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (r > 0)
            return GBA_OK; /* an error, too, shows in the next call */
        if (r == 0)
            return GBA_E_BUSY;
        if (errno != EINTR)
            return GBA_E_IO;
    }
}

/* ---- where to ---- */

/* "HOST:PORT:ADDR" of the list that fits; NULL: none. */
static const char *resolved(const gba_ue_carrier_config *net, const ue_place *at)
{
    size_t host_n = strlen(at->host), port_n = strlen(at->port);
    for (size_t i = 0; net && net->resolve && net->resolve[i]; i++) {
        const char *r = net->resolve[i];
        if (strncasecmp(r, at->host, host_n) == 0 && r[host_n] == ':' &&
            strncmp(r + host_n + 1, at->port, port_n) == 0 && r[host_n + 1 + port_n] == ':')
            return r + host_n + 2 + port_n;
    }
    return NULL;
}

static gba_err locate(const char *host, unsigned port, const gba_ue_carrier_config *net, ue_place *out, char text[GBA_UICC_TEXT])
{
    snprintf(out->host, sizeof out->host, "%s", host);
    snprintf(out->port, sizeof out->port, "%u", port);
    if (net && net->connect && !ue_place_parse(net->connect, out))
        return ue_say(text, GBA_E_ARG, "\"%.100s\" is not ADDR[:PORT] to connect to", net->connect);
    const char *said = net && net->connect ? NULL : resolved(net, out);
    if (!said)
        return GBA_OK;
    size_t n = strlen(said);
    if (said[0] == '[' && n > 2 && said[n - 1] == ']') {
        said++;
        n -= 2;
    }
    if (n == 0 || n >= sizeof out->host)
        return ue_say(text, GBA_E_ARG, "\"%.100s\" is not an address to resolve %s to", said, host);
    memcpy(out->host, said, n);
    out->host[n] = '\0';
    return GBA_OK;
}

/* ---- there ---- */

static int try_one(const struct sockaddr *a, socklen_t a_n, int64_t deadline, int *why)
{
    int one = 1, error = 0;
    socklen_t len = sizeof error;
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *why = errno;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, a, a_n) == 0)
        return fd;
    if (errno != EINPROGRESS)
        error = errno;
    else if (ue_wait(fd, POLLOUT, deadline))
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        error = errno;
    if (error == 0)
        return fd;
    *why = error;
    close(fd);
    return -1;
}

static int64_t soon(int64_t deadline)
{
    int64_t t = ue_clock() + UE_CONNECT_S * 1000;
    return t < deadline ? t : deadline;
}

/* An address as such: no resolver, which on a small device is half of libc. -2: it is a name. */
static int try_address(const ue_place *at, int64_t deadline, int *why)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
    uint16_t port = htons((uint16_t)strtoul(at->port, NULL, 10));
    memset(&a, 0, sizeof a);
    if (inet_pton(AF_INET, at->host, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = port;
        return try_one(&a.any, sizeof a.v4, deadline, why);
    }
    if (inet_pton(AF_INET6, at->host, &a.v6.sin6_addr) != 1)
        return -2;
    a.v6.sin6_family = AF_INET6;
    a.v6.sin6_port = port;
    return try_one(&a.any, sizeof a.v6, deadline, why);
}

gba_err ue_tcp_connect(const char *host, unsigned port, const gba_ue_carrier_config *net, int64_t deadline, int *fd,
                       char text[GBA_UICC_TEXT])
{
    ue_place at;
    int why = 0;
    struct addrinfo *list = NULL;
    const char *said;
    *fd = -1;
    gba_err e = locate(host, port, net, &at, text);
    if (e)
        return e;
    *fd = try_address(&at, soon(deadline), &why);
    if (*fd == -2) {
        e = ue_resolve(at.host, (unsigned)strtoul(at.port, NULL, 10), deadline, ue_wait, &list, &said);
        if (e)
            return ue_say(text, e == GBA_E_NOMEM ? e : GBA_E_IO, "%s: %s", at.host, said);
    }
    for (const struct addrinfo *a = list; a && *fd < 0; a = a->ai_next)
        *fd = try_one(a->ai_addr, a->ai_addrlen, soon(deadline), &why);
    if (list)
        freeaddrinfo(list);
    if (*fd < 0)
        return ue_say(text, GBA_E_IO, "%s port %s: %s", at.host, at.port, strerror(why));
    return GBA_OK;
}
