/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_io.c - how the octets of a session travel: in fewer system calls than GnuTLS would make.
 *
 * GnuTLS sends each record and reads each record's header by itself. Here the records of a flight are
 * gathered, and sent when the peer's turn has come: before anything is read, or with what ends the
 * handshake. TLS 1.3's tickets, which end nothing, go with the first answer. What has arrived is read
 * ahead: on a thread of the connection's own the socket blocks, and elsewhere libmicrohttpd's epoll is
 * edge-triggered, so that it reads until nothing is left here either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include "service/tls_internal.h"

#define PARTS_MAX 32 /* GnuTLS's own */

static ssize_t failed(const tls_hold *h)
{
    gnutls_transport_set_errno(h->session, errno);
    return -1;
}

/* The parts, behind what is held, by one call of the kernel; how many octets of the parts it took. */
static ssize_t send_parts(tls_io *io, const giovec_t *part, int parts)
{
    struct iovec v[1 + PARTS_MAX] = {{io->out + io->out_at, io->out_n - io->out_at}}, *at = v, *end = v + 1;
    size_t sent = 0;
    while (parts-- > 0 && end < v + 1 + PARTS_MAX)
        *end++ = *part++;
    for (;;) {
        while (at < end && !at->iov_len)
            at++;
        if (at == end)
            break;
        struct msghdr m = {.msg_iov = at, .msg_iovlen = (size_t)(end - at)};
        ssize_t r = sendmsg(io->fd, &m, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return sent ? (ssize_t)sent : -1;
        for (size_t left = (size_t)r; left;) {
            size_t n = left < at->iov_len ? left : at->iov_len;
            *(at == v ? &io->out_at : &sent) += n;
            at->iov_base = (uint8_t *)at->iov_base + n;
            at->iov_len -= n;
            left -= n;
            at += at->iov_len == 0;
        }
    }
    io->out_at = io->out_n = 0;
    return (ssize_t)sent;
}

static bool send_held(tls_io *io)
{
    return send_parts(io, NULL, 0) >= 0;
}

/* What GnuTLS flushes at once; p is NULL where tls_server_attach failed. What is held belongs to the
 * handshake, so that elsewhere than on a thread of its own nothing said to be sent waits for a next call
 * that may not come. */
static ssize_t push(gnutls_transport_ptr_t p, const giovec_t *part, int parts)
{
    if (!p)
        return -1;
    tls_io *io = p;
    tls_hold *h = (tls_hold *)((char *)p - offsetof(tls_hold, io));
    bool hold = !(io->finished_in && io->finished_out) || io->ticket;
    size_t n = 0;
    io->ticket = false;
    for (int i = 0; i < parts; i++)
        n += part[i].iov_len;
    if (io->failed)
        return (ssize_t)n; /* the peer was told, or is gone: the library's close_notify would be a word too many */
    if (hold && n <= sizeof io->out - io->out_n) {
        for (int i = 0; i < parts; i++) {
            memcpy(io->out + io->out_n, part[i].iov_base, part[i].iov_len);
            io->out_n += part[i].iov_len;
        }
        return (ssize_t)n;
    }
    ssize_t sent = send_parts(io, part, parts);
    return sent < 0 ? failed(h) : sent;
}

ssize_t tls_io_receive(tls_hold *h, void *data, size_t n)
{
    ssize_t r;
    do
        r = recv(h->io.fd, data, n, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EAGAIN && h->io.blocks)
        errno = ETIMEDOUT; /* it has waited */
    bool broken = r < 0 && errno != EAGAIN && errno != ETIMEDOUT;
    h->io.closed = r == 0 || broken;
    h->io.failed = h->io.failed || broken;
    h->io.dry = r <= 0;
    return r < 0 ? failed(h) : r;
}

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t n)
{
    tls_hold *h = p;
    if (!h)
        return 0;
    tls_io *io = &h->io;
    if (io->in_at == io->in_n) {
        if (!(io->finished_in && io->finished_out) && !send_held(io))
            return failed(h);
        if (h->stage == TLS_HELLO_ANSWERED && h->suite) { /* what follows tls_early.c looks at first */
            io->dry = false;
            errno = EAGAIN;
            return failed(h);
        }
        ssize_t r = tls_io_receive(h, io->in, sizeof io->in);
        if (r <= 0)
            return r;
        io->in_at = 0;
        io->in_n = (size_t)r;
    }
    if (n > io->in_n - io->in_at)
        n = io->in_n - io->in_at;
    memcpy(data, io->in + io->in_at, n);
    io->in_at += n;
    io->pulled += n;
    return (ssize_t)n;
}

bool tls_io_more(const tls_io *io, uint64_t before)
{
    return io->pulled != before && (io->in_at < io->in_n || !io->dry || io->closed);
}

void tls_io_note(tls_hold *h, unsigned type, unsigned incoming)
{
    if (type == GNUTLS_HANDSHAKE_FINISHED) {
        *(incoming ? &h->io.finished_in : &h->io.finished_out) = true;
        h->io.ticket = false; /* TLS 1.2: it goes in the flight that this ends */
    } else if (type == GNUTLS_HANDSHAKE_NEW_SESSION_TICKET && !incoming)
        h->io.ticket = true;
}

void tls_io_attach(tls_hold *h, int fd, bool blocks)
{
    h->io.fd = fd;
    h->io.blocks = blocks && fcntl(fd, F_SETFL, 0) == 0; /* the library has set O_NONBLOCK */
    tls_claim(h);
    gnutls_transport_set_vec_push_function(h->session, push);
    gnutls_transport_set_pull_function(h->session, pull);
}

/* On a thread of its own (MHD_USE_TURBO) the library closes without a close_notify, which the peer must take for an
 * answer that was cut (RFC 8446 6.1). */
void tls_goodbye(gnutls_session_t s)
{
    tls_hold *h = tls_ours(s);
    if (h && h->io.blocks && h->io.finished_in && h->io.finished_out && !h->io.failed && !h->io.closed &&
        fcntl(h->io.fd, F_SETFL, O_NONBLOCK) == 0)
        (void)gnutls_bye(s, GNUTLS_SHUT_WR);
}

static bool gone(int error)
{
    return error == GNUTLS_E_PUSH_ERROR || error == GNUTLS_E_PULL_ERROR || error == GNUTLS_E_TIMEDOUT ||
           error == GNUTLS_E_PREMATURE_TERMINATION || error == GNUTLS_E_FATAL_ALERT_RECEIVED; /* or has said why itself */
}

/* The library would close without a word. Where a PSK was to be proved it was not, and a stranger may not see whether
 * that is for an unknown identity or a wrong key: decrypt_error for both (RFC 4279 2, RFC 8446 6.2), after the same
 * work (GnuTLS went on with a random key). The peer need not read it, so that nobody waits. */
void tls_alert(tls_hold *h, int error)
{
    bool unproved = h->asked && !h->proved &&
                    (error == GNUTLS_E_DECRYPTION_FAILED || error == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER ||
                     error == GNUTLS_E_ERROR_IN_FINISHED_PACKET);
    if (h->io.failed)
        return;
    if (!gone(error) && (!h->io.blocks || fcntl(h->io.fd, F_SETFL, O_NONBLOCK) == 0)) {
        if (unproved)
            (void)gnutls_alert_send(h->session, GNUTLS_AL_FATAL, GNUTLS_A_DECRYPT_ERROR);
        else
            (void)gnutls_alert_send_appropriate(h->session, error);
        (void)send_held(&h->io);
    }
    h->io.failed = true;
}
