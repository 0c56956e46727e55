/* SPDX-License-Identifier: Apache-2.0 */
/* service_net.h - raw sockets for the tests of servers and clients. */
#ifndef TESTS_SERVICE_NET_H
#define TESTS_SERVICE_NET_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int net_connect(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline void net_send(int fd, const char *s, size_t n)
{
    while (n) {
        ssize_t w = send(fd, s, n, MSG_NOSIGNAL);
        if (w <= 0)
            return;
        s += w;
        n -= (size_t)w;
    }
}

/* Reads until the peer closes, or nothing more came for `ms` (ten times that for the first octet, on a
 * busy machine), or `room` is full; NUL-terminated. */
static inline size_t net_read(int fd, char *out, size_t room, int ms)
{
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (n + 1 < room && poll(&p, 1, n ? ms : 10 * ms) == 1) {
        ssize_t r = recv(fd, out + n, room - 1 - n, 0);
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    out[n] = 0;
    return n;
}

/* Did the peer close within ms? */
static inline int net_closed(int fd, int ms)
{
    char b[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, ms) == 1)
        if (recv(fd, b, sizeof b, 0) <= 0)
            return 1;
    return 0;
}

static inline int net_count(const char *hay, const char *needle)
{
    int n = 0;
    for (; (hay = strstr(hay, needle)); hay += strlen(needle))
        n++;
    return n;
}
#endif
