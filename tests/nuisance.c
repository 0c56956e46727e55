/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nuisance.c - an attacker without a key: nuisance SECONDS PORT... sends nonsense to each loopback port at once, by
 * eight threads a port: random octets, halves of TLS handshakes, requests octet by octet, endless headers and bodies,
 * connections that say nothing. Prints how many connections it made; it fails when a port took none.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define PORTS 16
static time_t until;
static struct target {
    uint16_t port;
    atomic_uint made;
} targets[PORTS];
static struct work {
    struct target *t;
    unsigned kind;
} works[PORTS * THREADS];

static bool over(void)
{
    return time(NULL) >= until;
}

static void random_octets(void *o, size_t n)
{
    for (size_t at = 0; at < n; at += 256)
        if (getrandom((uint8_t *)o + at, n - at < 256 ? n - at : 256, 0) < 0)
            abort();
}

static bool put(int fd, const void *o, size_t n)
{
    return send(fd, o, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool text(int fd, const char *s)
{
    return put(fd, s, strlen(s));
}

static int dial(struct target *t)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(t->port)};
    struct timeval wait = {.tv_sec = 1};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        close(fd);
        return -1;
    }
    atomic_fetch_add(&t->made, 1);
    return fd;
}

/* One octet every 50 ms, until the server has enough of it. */
static void drip(int fd, const char *s)
{
    for (; *s && !over() && put(fd, s, 1); s++)
        usleep(50000);
}

static void endless(int fd, const char *begin, const char *part)
{
    bool ok = text(fd, begin);
    for (int i = 0; ok && i < 20000 && !over(); i++)
        ok = text(fd, part);
}

static void one(int fd, unsigned kind)
{
    /* the head of a ClientHello, of 512 octets that do not come, or come as noise */
    static const uint8_t hello[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    uint8_t noise[2048];

    random_octets(noise, sizeof noise);
    switch (kind) {
    case 0:
        put(fd, noise, sizeof noise);
        break;
    case 1: /* half a handshake, then silence */
        put(fd, hello, sizeof hello);
        recv(fd, noise, sizeof noise, 0);
        break;
    case 2:
        put(fd, hello, sizeof hello);
        put(fd, noise, 505);
        recv(fd, noise, sizeof noise, 0);
        break;
    case 3:
        drip(fd, "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Digest username=\"a@b\", realm=\"x\"\r\n");
        break;
    case 4:
        endless(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n", "X-Padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        break;
    case 5:
        endless(fd, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\naaaaa\r\n");
        break;
    case 6: /* requests one upon another, of which no answer is read */
        endless(fd, "", "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Digest username=\"\xff\", nonce=\"AA==\", response=\"\"\r\n\r\n");
        break;
    default: /* says nothing */
        recv(fd, noise, sizeof noise, 0);
    }
}

static void *attack(void *p)
{
    struct work *w = p;
    while (!over()) {
        int fd = dial(w->t);
        if (fd >= 0) {
            one(fd, w->kind);
            close(fd);
        } else {
            usleep(10000);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[PORTS * THREADS];
    int n = 0, bad = 0;

    if (argc < 3 || argc > PORTS + 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    until = time(NULL) + atoi(argv[1]);
    for (int i = 2; i < argc; i++) {
        targets[i - 2].port = (uint16_t)atoi(argv[i]);
        for (unsigned k = 0; k < THREADS; k++, n++) {
            works[n] = (struct work){&targets[i - 2], k};
            if (pthread_create(&threads[n], NULL, attack, &works[n]))
                abort();
        }
    }
    while (n--)
        pthread_join(threads[n], NULL);
    for (int i = 2; i < argc; i++) {
        printf("%s: %u connections\n", argv[i], atomic_load(&targets[i - 2].made));
        bad |= !atomic_load(&targets[i - 2].made);
    }
    return bad;
}
