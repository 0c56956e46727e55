/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_hss.c - an HSS that behaves badly, for the BSF's deadline: Diameter octets by hand, no stack.
 *   raw_hss MODE ADDRESS IDENTITY REALM
 *     noise  random octets to whoever connects     cut    half of each answer, then nothing
 *     mute   never answers a MAR                   late   a good answer, three seconds late
 *     avp    an AVP that is longer than its message  short  RAND||AUTN of 31 octets
 *     other  a vector for another subscriber       none   2001 without a vector
 *     flood  random octets in answer to a MAR
 *   raw_hss taker ADDRESS IDENTITY REALM tcp OWN_ADDRESS PEER_ADDRESS
 *   raw_hss taker ADDRESS IDENTITY REALM COMMAND...
 *     connects, or has COMMAND connect, whose standard input and output are the connection (openssl s_client),
 *     under an identity that may be another's, and gives vectors of its own
 * Prints "ready" when it listens and "asked" for each MAR. Ends by a signal.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define ZH 16777221
#define VENDOR 10415
static const char *mode, *identity, *realm, *address;

typedef struct message {
    uint8_t o[4096];
    size_t n;
} message;

static void put(message *m, uint32_t v, size_t octets)
{
    while (octets--)
        m->o[m->n++] = (uint8_t)(v >> 8 * octets);
}

/* vendor 0: none. Returns where the AVP begins, for avp_end of a group. */
static size_t avp_begin(message *m, uint32_t code, uint32_t vendor)
{
    size_t at = m->n;
    put(m, code, 4);
    put(m, vendor ? 0xc0 : 0x40, 1);
    put(m, 0, 3);
    if (vendor)
        put(m, vendor, 4);
    return at;
}

static void avp_end(message *m, size_t at)
{
    size_t n = m->n - at;
    for (int i = 0; i < 3; i++)
        m->o[at + 5 + (size_t)i] = (uint8_t)(n >> 8 * (2 - i));
    while (m->n % 4)
        m->o[m->n++] = 0;
}

static void avp(message *m, uint32_t code, uint32_t vendor, const void *data, size_t n)
{
    size_t at = avp_begin(m, code, vendor);
    memcpy(m->o + m->n, data, n);
    m->n += n;
    avp_end(m, at);
}

static void avp_text(message *m, uint32_t code, const char *text)
{
    avp(m, code, 0, text, strlen(text));
}

static void avp_number(message *m, uint32_t code, uint32_t v)
{
    size_t at = avp_begin(m, code, 0);
    put(m, v, 4);
    avp_end(m, at);
}

static void avp_application(message *m)
{
    size_t at = avp_begin(m, 260, 0);
    avp_number(m, 266, VENDOR);
    avp_number(m, 258, ZH);
    avp_end(m, at);
}

/* The answer to a request: same code, application, hop-by-hop and end-to-end identifiers. */
static void answer_begin(message *m, const uint8_t *request)
{
    m->n = 20;
    memcpy(m->o, request, 20);
    m->o[4] &= 0x7f;
}

static void answer_end(message *m)
{
    size_t n = m->n;
    m->o[1] = (uint8_t)(n >> 16), m->o[2] = (uint8_t)(n >> 8), m->o[3] = (uint8_t)n;
}

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static bool send_all(int fd, const void *o, size_t n)
{
    return send(fd, o, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool base_answer(int fd, const uint8_t *request, bool capabilities)
{
    message m;
    uint8_t host[6] = {0, 1};
    answer_begin(&m, request);
    avp_number(&m, 268, 2001);
    avp_text(&m, 264, identity);
    avp_text(&m, 296, realm);
    if (capabilities) {
        inet_pton(AF_INET, address, host + 2);
        avp(&m, 257, 0, host, sizeof host);
        avp_number(&m, 266, VENDOR);
        avp_text(&m, 269, "raw_hss");
        avp_application(&m);
    }
    answer_end(&m);
    return send_all(fd, m.o, m.n);
}

/* The AVP of this code in a request, as it stands there. */
static const uint8_t *find(const uint8_t *o, size_t n, uint32_t code, size_t *len)
{
    for (size_t at = 20; at + 8 <= n;) {
        size_t l = (size_t)o[at + 5] << 16 | (size_t)o[at + 6] << 8 | o[at + 7];
        if (l < 8 || at + l > n)
            break;
        if (((uint32_t)o[at] << 24 | (uint32_t)o[at + 1] << 16 | (uint32_t)o[at + 2] << 8 | o[at + 3]) == code) {
            *len = l - 8;
            return o + at + 8;
        }
        at += (l + 3) & ~(size_t)3;
    }
    *len = 0;
    return o;
}

static bool flood(int fd)
{
    uint8_t o[4096];
    bool ok = getrandom(o, sizeof o, 0) == sizeof o;
    for (int i = 0; ok && i < 16; i++)
        ok = send_all(fd, o, sizeof o);
    return ok;
}

static bool mar_answer(int fd, const uint8_t *request, size_t n)
{
    message m;
    uint8_t o[32];
    size_t len;

    puts("asked");
    fflush(stdout);
    if (is("mute"))
        return true;
    if (is("flood"))
        return flood(fd);
    if (is("late"))
        sleep(3);
    answer_begin(&m, request);
    const uint8_t *id = find(request, n, 263, &len);
    avp(&m, 263, 0, id, len);
    avp_application(&m);
    avp_number(&m, 268, 2001);
    avp_number(&m, 277, 1);
    avp_text(&m, 264, identity);
    avp_text(&m, 296, realm);
    const uint8_t *user = find(request, n, 1, &len);
    if (is("other"))
        avp_text(&m, 1, "somebody@else.test");
    else
        avp(&m, 1, 0, user, len);
    if (!is("none")) {
        size_t at = avp_begin(&m, 612, VENDOR);
        memset(o, 0x55, sizeof o);
        avp(&m, 608, VENDOR, "Digest-AKAv1-MD5", 16);
        avp(&m, 609, VENDOR, o, is("short") ? 31 : 32);
        avp(&m, 610, VENDOR, o, 8);
        avp(&m, 625, VENDOR, o, 16);
        avp(&m, 626, VENDOR, o, 16);
        avp_end(&m, at);
        if (is("avp"))
            m.o[at + 5] = 0x7f; /* its length */
    }
    answer_end(&m);
    return send_all(fd, m.o, is("cut") ? m.n / 2 : m.n);
}

static bool read_all(int fd, uint8_t *o, size_t n)
{
    for (ssize_t got; n; o += got, n -= (size_t)got)
        if ((got = recv(fd, o, n, 0)) <= 0)
            return false;
    return true;
}

static void serve(int fd)
{
    static uint8_t o[65536];

    while (is("noise") ? flood(fd) && read_all(fd, o, 1) : read_all(fd, o, 20)) {
        if (is("noise"))
            continue;
        size_t n = (size_t)o[1] << 16 | (size_t)o[2] << 8 | o[3];
        uint32_t code = (uint32_t)o[5] << 16 | (uint32_t)o[6] << 8 | o[7];
        if (n < 20 || n > sizeof o || !read_all(fd, o + 20, n - 20))
            break;
        if (!(o[4] & 0x80))
            continue;
        if (!(code == 303 ? mar_answer(fd, o, n) : base_answer(fd, o, code == 257)))
            break;
    }
}

static bool capabilities(int fd)
{
    static const uint8_t request[20] = {1, 0, 0, 0, 0x80, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 7};
    message m = {.n = 20};
    uint8_t host[6] = {0, 1};
    memcpy(m.o, request, 20);
    inet_pton(AF_INET, address, host + 2);
    avp_text(&m, 264, identity);
    avp_text(&m, 296, realm);
    avp(&m, 257, 0, host, sizeof host);
    avp_number(&m, 266, VENDOR);
    avp_text(&m, 269, "raw_hss");
    avp_application(&m);
    answer_end(&m);
    return send_all(fd, m.o, m.n);
}

static int from_to(const char *own, const char *peer)
{
    struct sockaddr_in a = {.sin_family = AF_INET}, b = {.sin_family = AF_INET, .sin_port = htons(3868)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, own, &a.sin_addr) != 1 || inet_pton(AF_INET, peer, &b.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) || connect(fd, (struct sockaddr *)&b, sizeof b))
        return -1;
    return fd;
}

static int by_command(char **command)
{
    int s[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
        return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(s[1], 0), dup2(s[1], 1);
        close(s[0]), close(s[1]);
        execvp(command[0], command);
        _exit(1);
    }
    close(s[1]);
    return child < 0 ? -1 : s[0];
}

static int taker(int n, char **how)
{
    int fd = n == 3 && !strcmp(how[0], "tcp") ? from_to(how[1], how[2]) : by_command(how);
    if (fd < 0) {
        perror("raw_hss");
        return 1;
    }
    if (capabilities(fd))
        serve(fd);
    puts("closed");
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(3868)};
    int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);

    if (argc < 5 || inet_pton(AF_INET, argv[2], &sa.sin_addr) != 1)
        return 2;
    mode = argv[1], address = argv[2], identity = argv[3], realm = argv[4];
    if (argc > 5)
        return taker(argc - 5, argv + 5);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(l, (struct sockaddr *)&sa, sizeof sa) || listen(l, 8)) {
        perror("raw_hss");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int fd = accept(l, NULL, NULL);
        if (fd < 0)
            return 1;
        serve(fd);
        close(fd);
    }
}
