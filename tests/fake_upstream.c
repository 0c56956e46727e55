/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_upstream.c - a plain HTTP server for tests: answers each request with its own head and body,
 * and with fields that a proxy must not pass on; some targets do otherwise. Prints its port (which may be
 * given); serves until standard input ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
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

/* N blocks of 64 KiB, chunked or with their length: GET /app/chunks/N, /app/length/N. */
static int blocks(int fd, const char *number, bool head_only, bool chunked)
{
    static char block[65536];
    char head[256];
    size_t n = strtoul(number, NULL, 10);
    memset(block, 'b', sizeof block);
    int k = chunked ? snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    : snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n * sizeof block);
    int bad = send_all(fd, head, (size_t)k);
    if (head_only)
        return bad;
    for (size_t i = 0; i < n && !bad; i++) {
        bad = (chunked && send_all(fd, "10000\r\n", 7)) || send_all(fd, block, sizeof block) ||
              (chunked && send_all(fd, "\r\n", 2));
    }
    return bad || (chunked && send_all(fd, "0\r\n\r\n", 5));
}

/* A header and ten octets of a hundred, then nothing (stall) or the end (cut). */
static int piece(int fd, bool stall)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
    if (!send_all(fd, text, sizeof text - 1) && stall)
        sleep(8);
    return -1;
}

/* PUT /app/sink: counts a body of any size as it comes; have: what of it is in buf already. */
static int sink(int fd, char *buf, size_t room, size_t have, bool chunked, size_t length)
{
    char head[256], text[64];
    size_t n = have;
    ssize_t k = 1;
    char tail[8] = "";
    while ((chunked ? strcmp(tail, "0\r\n\r\n") != 0 : n < length) && k > 0) {
        if (have >= 5) {
            memcpy(tail, buf + have - 5, 5);
            if (chunked && !strcmp(tail, "0\r\n\r\n"))
                break;
        }
        k = recv(fd, buf, room, 0);
        have = k > 0 ? (size_t)k : 0;
        n += have;
    }
    int m = snprintf(text, sizeof text, "%s %zu\n", chunked ? "chunked" : "length", n);
    int h = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", m);
    return k <= 0 || send_all(fd, head, (size_t)h) || send_all(fd, text, (size_t)m);
}

static int answer(int fd, const char *request, size_t n)
{
    const char *target = strchr(request, ' ');
    if (target && !strncmp(target, " /app/chunks/", 13))
        return blocks(fd, target + 13, !strncmp(request, "HEAD ", 5), true);
    if (target && !strncmp(target, " /app/length/", 13))
        return blocks(fd, target + 13, !strncmp(request, "HEAD ", 5), false);
    if (target && (!strncmp(target, " /app/stall", 11) || !strncmp(target, " /app/cut", 9)))
        return piece(fd, target[6] == 's');
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
        if (!strncmp(buf, "PUT /app/sink", 13)) {
            if (sink(fd, buf, ROOM, n - (size_t)(end + 4 - buf), !length || length > end,
                     length && length < end ? strtoul(length + 17, NULL, 10) : 0) != 0)
                break;
            n = 0;
            continue;
        }
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

int main(int argc, char **argv)
{
    int on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    pthread_t t;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = htons(argc > 1 ? (uint16_t)atoi(argv[1]) : 0);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0 ||
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
