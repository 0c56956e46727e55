/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_http.h - the HTTP server of fake_upstream and fake_cse: plain, kept alive, a thread a connection, on loopback. It
 * judges nothing: who includes it sees each request as it came.
 */
#ifndef TESTS_RAW_HTTP_H
#define TESTS_RAW_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_ROOM (4 << 20)

typedef struct raw_http {
    /* A whole request, with a NUL behind it; n_head counts the empty line. Nonzero: the connection is closed. */
    int (*answer)(int fd, char *request, size_t n_head, size_t n);
    /* Of a head that is complete: the length of its body. NULL: as Content-Length says. */
    size_t (*body_length)(const char *head, size_t n_head);
    /* It takes the body off the wire itself; of `buf` n octets are there. 0: it has; 1: not this one; -1: close. NULL:
     * none. */
    int (*stream)(int fd, char *buf, size_t room, size_t n_head, size_t n);
} raw_http;

int raw_send(int fd, const void *p, size_t n); /* 0: all of it */
/* Serves from now on, in threads of its own. The port, 0: it cannot. */
uint16_t raw_http_start(const raw_http *h, uint16_t port);
#endif
