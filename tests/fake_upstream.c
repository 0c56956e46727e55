/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_upstream.c - a plain HTTP server for tests: answers each request with its own head and body,
 * and with fields that a proxy must not pass on; some targets do otherwise. Prints its port (which may be
 * given); serves until standard input ends.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/raw_http.h"

/* N blocks of 64 KiB, chunked or with their length: GET /app/chunks/N, /app/length/N. */
static int blocks(int fd, const char *number, bool head_only, bool chunked)
{
    static char block[65536];
    char head[256];
    size_t n = strtoul(number, NULL, 10);
    memset(block, 'b', sizeof block);
    int k = chunked ? snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    : snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n * sizeof block);
    int bad = raw_send(fd, head, (size_t)k);
    if (head_only)
        return bad;
    for (size_t i = 0; i < n && !bad; i++) {
        bad = (chunked && raw_send(fd, "10000\r\n", 7)) || raw_send(fd, block, sizeof block) ||
              (chunked && raw_send(fd, "\r\n", 2));
    }
    return bad || (chunked && raw_send(fd, "0\r\n\r\n", 5));
}

/* A header and ten octets of a hundred, then nothing (stall) or the end (cut). */
static int piece(int fd, bool stall)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
    if (!raw_send(fd, text, sizeof text - 1) && stall)
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
    return k <= 0 || raw_send(fd, head, (size_t)h) || raw_send(fd, text, (size_t)m);
}

/* N header fields and no body: GET /app/fields/N. */
static int fields(int fd, const char *number)
{
    char line[64];
    size_t n = strtoul(number, NULL, 10);
    int bad = raw_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", 36);
    for (size_t i = 1; i < n && !bad; i++)
        bad = raw_send(fd, line, (size_t)snprintf(line, sizeof line, "X-Field-%zu: %zu\r\n", i, i));
    return bad || raw_send(fd, "\r\n", 2);
}

static int answer(int fd, char *request, size_t n_head, size_t n)
{
    (void)n_head;
    const char *target = strchr(request, ' ');
    if (target && !strncmp(target, " /app/fields/", 13))
        return fields(fd, target + 13);
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
    if (raw_send(fd, head, (size_t)k) != 0)
        return -1;
    return strncmp(request, "HEAD ", 5) ? raw_send(fd, request, n) : 0;
}

static int stream(int fd, char *buf, size_t room, size_t n_head, size_t n)
{
    const char *length = strcasestr(buf, "\r\ncontent-length:");
    bool counted = length && length < buf + n_head;

    if (strncmp(buf, "PUT /app/sink", 13) != 0)
        return 1;
    return sink(fd, buf, room, n - n_head, !counted, counted ? strtoul(length + 17, NULL, 10) : 0) ? -1 : 0;
}

int main(int argc, char **argv)
{
    static const raw_http how = {.answer = answer, .stream = stream};
    uint16_t port = raw_http_start(&how, argc > 1 ? (uint16_t)atoi(argv[1]) : 0);
    char c;

    if (!port)
        return 1;
    printf("%u\n", port);
    fflush(stdout);
    while (read(0, &c, 1) > 0)
        ;
    return 0;
}
