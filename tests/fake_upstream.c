/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_upstream.c - a plain HTTP server for tests: answers each request with its own head and body,
 * and with fields that a proxy must not pass on. Prints its port; serves until standard input ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (4 << 20)

static int send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return -1;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static int answer(int fd, const char *request, size_t n)
{
    char head[512];
    if (!strncmp(request, "GET /app/slow", 13))
        sleep(3);
    int k = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: keep-alive, X-Hop\r\n"
                     "X-Hop: dropped\r\nX-Up: kept\r\nAuthentication-Info: rspauth=\"forged\"\r\n\r\n",
                     strncmp(request, "GET /app/teapot", 15) ? "200 OK" : "418 Teapot", n);
    if (send_all(fd, head, (size_t)k) != 0)
        return -1;
    return strncmp(request, "HEAD ", 5) ? send_all(fd, request, n) : 0;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char *buf = malloc(ROOM + 1);
    size_t n = 0;
    ssize_t k;
    while (buf && n < ROOM && (k = recv(fd, buf + n, ROOM - n, 0)) > 0) {
        n += (size_t)k;
        buf[n] = 0;
        char *end = strstr(buf, "\r\n\r\n");
        char *length = end ? strcasestr(buf, "\r\ncontent-length:") : NULL;
        if (!end)
            continue;
        size_t whole = (size_t)(end + 4 - buf) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
        if (n < whole)
            continue;
        if (answer(fd, buf, whole) != 0)
            break;
        n = 0; /* a proxy does not pipeline */
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

int main(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    pthread_t t;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0 ||
        pthread_create(&t, NULL, listener, (void *)(intptr_t)fd) != 0)
        return 1;
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    char c;
    while (read(0, &c, 1) > 0)
        ;
    return 0;
}
