/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_hooks.c - functions of GnuTLS as libmicrohttpd shall find them: the linker takes these before the library's.
 * Sessions that are not ours (libcurl's, freeDiameter's) pass through; ours have their pair of transport pointers.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <string.h>
#include "service/tls_internal.h"

#define WARNINGS_MAX 16 /* alerts that end no handshake, at a stretch */

/* Also what brings this file into a program: an archive's member that nobody calls stays out. */
void tls_claim(tls_hold *h)
{
    gnutls_transport_set_ptr2(h->session, h, &h->io);
}

tls_hold *tls_ours(gnutls_session_t s)
{
    tls_hold *h = gnutls_session_get_ptr(s);
    gnutls_transport_ptr_t in, out;
    gnutls_transport_get_ptr2(s, &in, &out);
    return h && in == h && out == &h->io ? h : NULL;
}

static void *next_of(void *_Atomic *known, const char *name)
{
    void *p = atomic_load_explicit(known, memory_order_acquire);
    if (!p) {
        p = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(known, p, memory_order_release);
    }
    return p;
}

/* libmicrohttpd opens its sessions itself and has no way to ask for raw public keys, which GnuTLS negotiates only
 * where this flag was given (RFC 7250). It changes nothing for a server whose priority has no CTYPE-CLI-RAWPK. */
__attribute__((visibility("default"))) int gnutls_init(gnutls_session_t *session, unsigned flags)
{
    typedef int init_fn(gnutls_session_t *, unsigned);
    static void *_Atomic real;
    init_fn *f;
    void *p = next_of(&real, "gnutls_init");
    memcpy(&f, &p, sizeof f);
    if (!f)
        return GNUTLS_E_INTERNAL_ERROR;
    return f(session, flags & GNUTLS_SERVER ? flags | GNUTLS_ENABLE_RAWPK : flags);
}

static int shake(gnutls_session_t session)
{
    static void *_Atomic real;
    tls_handshake_fn *f;
    void *p = next_of(&real, "gnutls_handshake");
    memcpy(&f, &p, sizeof f);
    return f ? f(session) : GNUTLS_E_INTERNAL_ERROR;
}

/* Nor does it send an alert when a handshake fails, and when it tells of the end the session is gone. A session of ours
 * says why here. Where a handshake shares its thread, it is run by gnutls_record_recv below: with epoll the library
 * would ask it again and again without a pause until the peer has spoken, since only reading clears its mark that
 * there is something to read. */
__attribute__((visibility("default"))) int gnutls_handshake(gnutls_session_t session)
{
    tls_hold *h = tls_ours(session);
    if (h && !h->io.blocks)
        return 0;
    int r = shake(session);
    if (h && r < 0 && gnutls_error_is_fatal(r))
        tls_alert(h, r);
    return r;
}

/* On a thread shared with others; AGAIN, or an error after which the library closes. */
static int finish_handshake(tls_hold *h)
{
    int r, warnings = 0;
    do
        r = tls_shake(h, shake);
    while (r < 0 && r != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(r) && ++warnings < WARNINGS_MAX);
    h->shaken = r == 0;
    if (r == 0 || r == GNUTLS_E_AGAIN)
        return r;
    tls_alert(h, r);
    return GNUTLS_E_INVALID_SESSION;
}

__attribute__((visibility("default"))) ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t n)
{
    typedef ssize_t recv_fn(gnutls_session_t, void *, size_t);
    static void *_Atomic real;
    recv_fn *f;
    void *p = next_of(&real, "gnutls_record_recv");
    tls_hold *h = tls_ours(session);
    memcpy(&f, &p, sizeof f);
    if (!f)
        return GNUTLS_E_INTERNAL_ERROR;
    if (!h || h->io.blocks)
        return f(session, data, n);
    int e = h->shaken ? 0 : finish_handshake(h);
    if (e < 0)
        return e;
    for (;;) {
        uint64_t pulled = h->io.pulled;
        ssize_t r = f(session, data, n);
        if (r != GNUTLS_E_AGAIN || !tls_io_more(&h->io, pulled))
            return r;
    }
}

__attribute__((visibility("default"))) void gnutls_deinit(gnutls_session_t session)
{
    typedef void deinit_fn(gnutls_session_t);
    static void *_Atomic real;
    deinit_fn *f;
    void *p = next_of(&real, "gnutls_deinit");
    memcpy(&f, &p, sizeof f);
    if (session)
        tls_goodbye(session);
    if (f)
        f(session);
}
