/* SPDX-License-Identifier: Apache-2.0 */
/* gba_connect.c - gba connect: standard input and output over a connection secured by the GBA key. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <gba/ue_connect.h>

#include "ue/gba.h"

static bool write_out(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(STDOUT_FILENO, p, n);
        if (k < 0 && errno != EINTR)
            return false;
        if (k > 0) {
            p += k;
            n -= (size_t)k;
        }
    }
    return true;
}

static gba_err send_all(gba_ue_conn *c, const char *p, size_t n)
{
    while (n > 0) {
        size_t k = n;
        gba_err e = gba_ue_conn_write(c, p, &k, -1);
        if (e)
            return e;
        p += k;
        n -= k;
    }
    return GBA_OK;
}

/* Standard input to the connection; *open false at its end. */
static gba_err from_input(gba_ue_conn *c, bool *open)
{
    char room[4096];
    ssize_t n = read(STDIN_FILENO, room, sizeof room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return GBA_OK;
    if (n > 0)
        return send_all(c, room, (size_t)n);
    *open = false;
    return gba_ue_conn_end(c);
}

/* The connection to standard output, as much as is there. */
static int to_output(gba_ue_conn *c, bool *open)
{
    char room[4096];
    for (;;) {
        size_t n = sizeof room;
        gba_err e = gba_ue_conn_read(c, room, &n, 0);
        if (e == GBA_E_BUSY)
            return EXIT_DONE;
        if (e)
            return complain(code_of(e), "%s", gba_ue_conn_text(c));
        if (n == 0) {
            *open = false;
            return EXIT_DONE;
        }
        if (!write_out(room, n))
            return complain(EXIT_FAILED, "standard output: %s", strerror(errno));
    }
}

static int pump(gba_ue_conn *c)
{
    bool in = true, out = true;
    int code = EXIT_DONE;
    while (out && !code) {
        struct pollfd p[2] = {{.fd = gba_ue_conn_fd(c), .events = POLLIN},
                              {.fd = in ? STDIN_FILENO : -1, .events = POLLIN}};
        if (gba_ue_conn_pending(c) == 0 && poll(p, 2, -1) < 0 && errno != EINTR)
            return complain(EXIT_FAILED, "poll: %s", strerror(errno));
        if (in && p[1].revents && from_input(c, &in))
            return complain(EXIT_NETWORK, "%s", gba_ue_conn_text(c));
        code = to_output(c, &out);
    }
    return code;
}

/* HOST:PORT */
static int take_place(const options *o, char *host, size_t room, unsigned *port)
{
    const char *word = o->word[0], *colon = strrchr(word, ':');
    char *end = NULL;
    unsigned long v = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || colon == word || (size_t)(colon - word) >= room || !end || *end || v < 1 || v > 65535)
        return complain(EXIT_USAGE, "%s is not HOST:PORT", word);
    memcpy(host, word, (size_t)(colon - word));
    host[colon - word] = '\0';
    *port = (unsigned)v;
    return EXIT_DONE;
}

int gba_connect(options *o)
{
    char host[254];
    device d;
    gba_ue_conn *conn = NULL;
    gba_ue_carrier_config net = network(o);
    gba_ue_connect_config c = {.host = host, .priority = o->priority, .net = &net};
    if (!o->psk)
        return complain(EXIT_USAGE, "connect is for TLS-PSK: say --psk");
    int code = take_tls(o, &c.tls);
    if (!code)
        code = take_place(o, host, sizeof host, &c.port);
    if (!code)
        code = device_open(o, &d);
    if (code)
        return code;
    gba_err e = gba_ue_connect(d.ue, &c, &conn);
    code = e ? complain(code_of(e), "%s", gba_ue_text(d.ue)) : pump(conn);
    gba_ue_conn_close(&conn);
    device_close(&d);
    return code;
}
