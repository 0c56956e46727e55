/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_io.c - how the octets of a session travel: in fewer system calls than GnuTLS would make.
 *
 * GnuTLS sends each record and reads each record's header by itself. Here the records of a flight are
 * gathered, and sent when the peer's turn has come: before anything is read, or with what ends the
 * handshake. TLS 1.3's tickets, which end nothing, go with the first answer. On a thread of the
 * connection's own the socket blocks and what has arrived is read ahead; elsewhere it must stay in
 * the socket, where the library's poll finds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include "service/tls_internal.h"

static ssize_t failed(const tls_hold *h)
{
    gnutls_transport_set_errno(h->session, errno);
    return -1;
}

static bool send_held(tls_io *io)
{
    while (io->out_at < io->out_n) {
        ssize_t r = send(io->fd, io->out + io->out_at, io->out_n - io->out_at, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return false;
        io->out_at += (size_t)r;
    }
    io->out_at = io->out_n = 0;
    return true;
}

static ssize_t send_now(const tls_io *io, const uint8_t *data, size_t n)
{
    size_t sent = 0;
    do {
        ssize_t r = send(io->fd, data + sent, n - sent, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -1;
        sent += (size_t)r;
    } while (io->blocks && sent < n);
    return (ssize_t)sent;
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
    size_t n = 0, sent = 0;
    io->ticket = false;
    for (int i = 0; i < parts; i++)
        n += part[i].iov_len;
    if ((hold || io->blocks) && n <= sizeof io->out - io->out_n) {
        for (int i = 0; i < parts; i++) {
            memcpy(io->out + io->out_n, part[i].iov_base, part[i].iov_len);
            io->out_n += part[i].iov_len;
        }
        return hold || send_held(io) ? (ssize_t)n : failed(h);
    }
    if (!send_held(io))
        return failed(h);
    for (int i = 0; i < parts; i++) {
        ssize_t r = send_now(io, part[i].iov_base, part[i].iov_len);
        if (r < 0)
            return sent && !io->blocks ? (ssize_t)sent : failed(h);
        sent += (size_t)r;
        if ((size_t)r < part[i].iov_len)
            break;
    }
    return (ssize_t)sent;
}

static ssize_t receive(tls_hold *h, void *data, size_t n)
{
    ssize_t r;
    do
        r = recv(h->io.fd, data, n, 0);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EAGAIN && h->io.blocks)
        errno = ETIMEDOUT; /* it has waited */
    if (r == 0 || (r < 0 && errno != EAGAIN))
        h->io.closed = true;
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
        if (!io->blocks || n >= sizeof io->in)
            return receive(h, data, n);
        ssize_t r = receive(h, io->in, sizeof io->in);
        if (r <= 0)
            return r;
        io->in_at = 0;
        io->in_n = (size_t)r;
    }
    if (n > io->in_n - io->in_at)
        n = io->in_n - io->in_at;
    memcpy(data, io->in + io->in_at, n);
    io->in_at += n;
    return (ssize_t)n;
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
    gnutls_transport_set_ptr2(h->session, h, &h->io); /* two: tls_alert tells by them which sessions are ours */
    gnutls_transport_set_vec_push_function(h->session, push);
    gnutls_transport_set_pull_function(h->session, pull);
}

static tls_hold *ours(gnutls_session_t s)
{
    tls_hold *h = gnutls_session_get_ptr(s);
    gnutls_transport_ptr_t in, out;
    gnutls_transport_get_ptr2(s, &in, &out);
    return h && in == h && out == &h->io ? h : NULL;
}

/* On a thread of its own (MHD_USE_TURBO) the library closes without a close_notify, which the peer must take for an
 * answer that was cut (RFC 8446 6.1). */
void tls_goodbye(gnutls_session_t s)
{
    tls_hold *h = ours(s);
    if (h && h->io.blocks && h->io.finished_in && h->io.finished_out && !h->io.failed && !h->io.closed &&
        fcntl(h->io.fd, F_SETFL, O_NONBLOCK) == 0)
        (void)gnutls_bye(s, GNUTLS_SHUT_WR);
}

/* The library would close without a word. Where a PSK was to be proved it was not, and a stranger may not see whether
 * that is for an unknown identity or a wrong key: decrypt_error for both (RFC 4279 2, RFC 8446 6.2), after the same
 * work (GnuTLS went on with a random key). The peer need not read it, so that nobody waits. */
void tls_alert(gnutls_session_t s, int error)
{
    tls_hold *h = ours(s);
    if (!h || h->io.failed)
        return;
    h->io.failed = true;
    if (error == GNUTLS_E_PUSH_ERROR || error == GNUTLS_E_PULL_ERROR || error == GNUTLS_E_TIMEDOUT ||
        error == GNUTLS_E_PREMATURE_TERMINATION || error == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return; /* it is gone, or has said why itself */
    if (h->io.blocks && fcntl(h->io.fd, F_SETFL, O_NONBLOCK) != 0)
        return;
    bool unproved = h->asked && !h->proved &&
                    (error == GNUTLS_E_DECRYPTION_FAILED || error == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER ||
                     error == GNUTLS_E_ERROR_IN_FINISHED_PACKET);
    if (unproved)
        (void)gnutls_alert_send(s, GNUTLS_AL_FATAL, GNUTLS_A_DECRYPT_ERROR);
    else
        (void)gnutls_alert_send_appropriate(s, error);
    (void)send_held(&h->io);
}
