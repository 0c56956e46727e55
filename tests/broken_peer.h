/* SPDX-License-Identifier: Apache-2.0 */
/* broken_peer.h - a server that is down: what it does with a connection in place of a TLS handshake. */
#ifndef TESTS_BROKEN_PEER_H
#define TESTS_BROKEN_PEER_H
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

/* LATER: when the ClientHello is there, with the identity in TLS 1.3 */
typedef enum broken_how {
    BROKEN_NOT,
    BROKEN_RESETS,
    BROKEN_RESETS_LATER,
    BROKEN_CLOSES,
    BROKEN_CLOSES_LATER,
    BROKEN_GARBAGE,
    BROKEN_NO_TLS,
    BROKEN_ALERT, /* one fatal alert */
} broken_how;

static inline void broken_serve(int fd, broken_how how, unsigned alert)
{
    static const struct linger at_once = {1, 0};
    static const char html[] = "HTTP/1.1 502 Bad Gateway\r\n\r\n";
    const uint8_t fatal[] = {21, 3, 3, 0, 2, 2, (uint8_t)alert};
    uint8_t room[4096];
    if (how != BROKEN_RESETS && how != BROKEN_CLOSES)
        (void)!recv(fd, room, sizeof room, 0);
    if (how == BROKEN_RESETS || how == BROKEN_RESETS_LATER)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = (uint8_t)(i * 167 + 13);
    if (how == BROKEN_GARBAGE)
        (void)!send(fd, room, sizeof room, MSG_NOSIGNAL);
    else if (how == BROKEN_NO_TLS)
        (void)!send(fd, html, sizeof html - 1, MSG_NOSIGNAL);
    else if (how == BROKEN_ALERT)
        (void)!send(fd, fatal, sizeof fatal, MSG_NOSIGNAL);
    if (how != BROKEN_RESETS && how != BROKEN_RESETS_LATER)
        shutdown(fd, SHUT_WR);
    close(fd);
}
#endif
