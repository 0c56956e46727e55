/* SPDX-License-Identifier: Apache-2.0 */
/* raw_http.c - see raw_http.h */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/raw_http.h"

static const raw_http *how;

int raw_send(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static size_t content_length(const char *head, size_t n_head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at && at < head + n_head ? strtoul(at + 17, NULL, 10) : 0;
}

/* The request at the beginning of the n octets; what it took of them. 0: it is not all there; -1: close. */
static ssize_t one(int fd, char *buf, size_t n)
{
    const char *end = strstr(buf, "\r\n\r\n");
    size_t n_head = end ? (size_t)(end + 4 - buf) : 0;

    if (!end)
        return 0;
    int streamed = how->stream ? how->stream(fd, buf, RAW_ROOM, n_head, n) : 1;
    if (streamed <= 0)
        return streamed ? -1 : (ssize_t)n;
    size_t whole = n_head + (how->body_length ? how->body_length : content_length)(buf, n_head);
    if (n < whole)
        return 0;
    char next = buf[whole];
    buf[whole] = 0;
    int bad = how->answer(fd, buf, n_head, whole);
    buf[whole] = next;
    return bad ? -1 : (ssize_t)whole;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char *buf = malloc(RAW_ROOM + 1);
    size_t n = 0;
    ssize_t k = 1, took = 0;
    while (buf && n < RAW_ROOM && took >= 0 && (k = recv(fd, buf + n, RAW_ROOM - n, 0)) > 0) {
        n += (size_t)k;
        buf[n] = 0;
        while (n && (took = one(fd, buf, n)) > 0) {
            n -= (size_t)took;
            memmove(buf, buf + took, n);
            buf[n] = 0;
        }
    }
    close(fd);
    free(buf);
    return NULL;
}

static void *listener(void *arg)
{
    for (;;) {
        pthread_t t;
        int fd = accept((int)(intptr_t)arg, NULL, NULL);
        if (fd >= 0 && pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(t);
    }
    return NULL;
}

uint16_t raw_http_start(const raw_http *h, uint16_t port)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    pthread_t t;

    how = h;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0 ||
        pthread_create(&t, NULL, listener, (void *)(intptr_t)fd) != 0)
        return 0;
    pthread_detach(t);
    return ntohs(a.sin_port);
}
