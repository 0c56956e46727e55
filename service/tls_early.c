/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_early.c - a PSK is asked for before GnuTLS wants it.
 *
 * GnuTLS's PSK function must have the key when it returns. On a thread that serves many connections it may not
 * wait for one, so the message with the identity, still in the clear, is read before GnuTLS gets it: the
 * ClientHello of TLS 1.3, the ClientKeyExchange of TLS 1.2. While a key that is not here is being fetched the
 * connection rests without a thread; then GnuTLS reads on and finds it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "service/tls_internal.h"

enum { RECORD_HANDSHAKE = 22, HELLO = 1, KEY_EXCHANGE = 16 };

/* ---- the answer ---- */
typedef enum later_state { ASKED, RESTS, ANSWERED, TAKEN, GIVEN_UP } later_state;
struct tls_later {
    atomic_uint refs; /* the session's; whoever answers */
    pthread_mutex_t lock;
    later_state state;
    tls_park park;
    void (*who_free)(void *who);
    gba_err e;
    gba_secret key;
    void *who;
};

static void later_unref(tls_later *l)
{
    if (atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    if (l->who && l->who_free)
        l->who_free(l->who);
    gba_secret_wipe(&l->key);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

tls_later *tls_later_new(const tls_psk_query *q)
{
    tls_hold *h = q->hold;
    tls_later *l = h && !atomic_load(&h->later) ? calloc(1, sizeof *l) : NULL;
    if (!l)
        return NULL;
    atomic_init(&l->refs, 2);
    pthread_mutex_init(&l->lock, NULL);
    l->park = h->park;
    l->who_free = h->server->psk.psk_who_free;
    atomic_store(&h->later, l);
    return l;
}

void tls_later_answer(tls_later *l, gba_err e, gba_secret *key, void *who)
{
    pthread_mutex_lock(&l->lock);
    later_state was = l->state;
    l->who = who;
    if (was != GIVEN_UP) {
        l->e = e;
        l->key = *key;
        l->state = ANSWERED;
    }
    if (was == RESTS)
        l->park.resume(l->park.ctx); /* under the lock: the connection cannot end meanwhile, see give_up */
    pthread_mutex_unlock(&l->lock);
    gba_secret_wipe(key);
    later_unref(l);
}

/* True: it rested. */
static bool give_up(tls_later *l)
{
    pthread_mutex_lock(&l->lock);
    bool rested = l->state == RESTS;
    if (l->state < ANSWERED)
        l->state = GIVEN_UP;
    pthread_mutex_unlock(&l->lock);
    return rested;
}

void tls_hold_unpark(tls_hold *h)
{
    tls_later *l = h ? atomic_load(&h->later) : NULL;
    if (l && give_up(l))
        h->park.resume(h->park.ctx);
}

static void forget(tls_hold *h)
{
    tls_early *y = &h->early;
    if (y->who && h->server->psk.psk_who_free)
        h->server->psk.psk_who_free(y->who);
    gba_secret_wipe(&y->key);
    y->who = NULL;
    y->done = false;
}

void tls_early_release(tls_hold *h)
{
    tls_later *l = atomic_exchange(&h->later, NULL);
    if (l) {
        (void)give_up(l);
        later_unref(l);
    }
    forget(h);
}

bool tls_early_take(tls_hold *h, gba_span identity, gba_err *e, gba_secret *key, void **who)
{
    tls_early *y = &h->early;
    if (!y->done || !gba_span_eq(identity, gba_mem(y->id, y->n)))
        return false;
    *e = y->e;
    *key = y->key;
    *who = y->who;
    gba_secret_wipe(&y->key);
    y->who = NULL;
    y->done = false;
    return true;
}

/* ---- the question ---- */
/* False: the answer is not here. */
static bool learn(tls_hold *h, tls_later *l)
{
    tls_early *y = &h->early;
    pthread_mutex_lock(&l->lock);
    later_state s = l->state;
    if (s == ANSWERED) {
        y->e = l->e;
        y->key = l->key;
        y->who = l->who;
        gba_secret_wipe(&l->key);
        l->who = NULL;
        l->state = TAKEN;
    } else if (s == GIVEN_UP) {
        y->e = GBA_E_BUSY;
    }
    pthread_mutex_unlock(&l->lock);
    y->done = y->done || s == ANSWERED || s == GIVEN_UP;
    return s >= ANSWERED;
}

/* Until it is. */
static int rest(tls_hold *h, tls_later *l)
{
    h->park.suspend(h->park.ctx);
    pthread_mutex_lock(&l->lock);
    bool rests = l->state == ASKED;
    if (rests)
        l->state = RESTS;
    pthread_mutex_unlock(&l->lock);
    if (!rests)
        h->park.resume(h->park.ctx);
    else if (atomic_load(h->park.stopping))
        tls_hold_unpark(h);
    return GNUTLS_E_AGAIN;
}

static int ask(tls_hold *h, tls_psk_query *q)
{
    const tls_server_config *c = &h->server->psk;
    tls_early *y = &h->early;
    tls_later *before = atomic_load(&h->later), *l;
    if (q->identity.n > sizeof y->id || !tls_psk_ours(h, q->identity))
        return 0;
    y->n = q->identity.n;
    memcpy(y->id, q->identity.p, y->n);
    q->identity = gba_mem(y->id, y->n);
    q->peer = h->remote;
    q->hold = h;
    y->e = c->psk(c->psk_ctx, q, &y->key, &y->who);
    l = atomic_load(&h->later);
    y->done = l == before;
    return y->done || learn(h, l) ? 0 : rest(h, l);
}

/* ---- what arrives ---- */
typedef enum flight { MORE, WHOLE, OTHER } flight;

/* The first handshake message of records that begin at buf, without its header, in room[n]; OTHER: not this one, or
 * no record. RFC 5246 6.2.1, 7.4. */
static flight first_message(const uint8_t *buf, size_t n, uint8_t type, uint8_t *room, gnutls_datum_t *msg)
{
    size_t have = 0, want = 4;
    for (size_t at = 0;;) {
        if (at < n && buf[at] != RECORD_HANDSHAKE)
            return OTHER;
        if (n - at < 5)
            return MORE;
        size_t len = (size_t)buf[at + 3] << 8 | buf[at + 4], here = n - at - 5 < len ? n - at - 5 : len;
        if (len == 0 || len > TLS_RECORD_MAX - 5)
            return OTHER;
        memcpy(room + have, buf + at + 5, here);
        have += here;
        if (have && room[0] != type)
            return OTHER;
        if (have >= 4)
            want = 4 + ((size_t)room[1] << 16 | (size_t)room[2] << 8 | room[3]);
        if (have >= want) {
            *msg = (gnutls_datum_t){room + 4, (unsigned)(want - 4)};
            return WHOLE;
        }
        if (here < len)
            return MORE;
        at += 5 + len;
    }
}

/* What does not fit GnuTLS judges alone, and a key that is not here is refused. */
static flight await_message(tls_hold *h, uint8_t type, uint8_t room[TLS_RECORD_MAX], gnutls_datum_t *msg)
{
    tls_io *io = &h->io;
    if (io->in_at == io->in_n)
        io->in_at = io->in_n = 0;
    for (;;) {
        flight f = first_message(io->in + io->in_at, io->in_n - io->in_at, type, room, msg);
        if (f != MORE || io->in_n == sizeof io->in)
            return f == MORE ? OTHER : f;
        ssize_t r = tls_io_receive(h, io->in + io->in_n, sizeof io->in - io->in_n);
        if (r <= 0)
            return r < 0 && errno == EAGAIN ? MORE : OTHER;
        io->in_n += (size_t)r;
    }
}

/* RFC 4279 2, RFC 5489 2: it begins with the identity. */
static bool exchanged_identity(const gnutls_datum_t *msg, gba_span *identity)
{
    size_t n = msg->size < 2 ? 0 : (size_t)msg->data[0] << 8 | msg->data[1];
    *identity = gba_mem(msg->data + 2, n);
    return msg->size >= 2 && n <= msg->size - 2U;
}

static int before_hello(tls_hold *h)
{
    uint8_t room[TLS_RECORD_MAX];
    gnutls_datum_t msg;
    tls_psk_query q = {.transport = GBA_TLS13};
    flight f = await_message(h, HELLO, room, &msg);
    if (f == MORE)
        return GNUTLS_E_AGAIN;
    h->stage = TLS_HELLO_ANSWERED;
    return f == WHOLE && h->server->tls13 && tls_hello_identity(h, &msg, &q.identity, &q.sni) ? ask(h, &q) : 0;
}

static int before_key_exchange(tls_hold *h)
{
    uint8_t room[TLS_RECORD_MAX];
    gnutls_datum_t msg;
    char sni[256];
    tls_psk_query q = {.transport = GBA_TLS12, .suite = h->suite};
    flight f = await_message(h, KEY_EXCHANGE, room, &msg);
    if (f == MORE)
        return GNUTLS_E_AGAIN;
    h->stage = TLS_NONE;
    tls_session_sni(h->session, sni);
    q.sni = gba_str(sni);
    return f == WHOLE && exchanged_identity(&msg, &q.identity) ? ask(h, &q) : 0;
}

static int before(tls_hold *h)
{
    tls_later *l = atomic_load(&h->later);
    if (l && !learn(h, l))
        return GNUTLS_E_AGAIN;
    return h->stage == TLS_HELLO ? before_hello(h) : h->stage == TLS_KEY_EXCHANGE ? before_key_exchange(h) : 0;
}

/* A resumed session comes without a ClientKeyExchange: its first message is another. What was asked for TLS 1.3 is no
 * answer for TLS 1.2, whose key is another (TS 33.220 Annex H). */
static void after(tls_hold *h, int r)
{
    bool exchange = gnutls_protocol_get_version(h->session) == GNUTLS_TLS1_2 && tls_psk_suite(h->suite);
    bool answered = h->stage == TLS_HELLO_ANSWERED && h->suite;
    if (answered)
        h->stage = exchange ? TLS_KEY_EXCHANGE : TLS_NONE;
    if (answered || r == 0)
        forget(h);
}

int tls_shake(tls_hold *h, tls_handshake_fn *f)
{
    for (;;) {
        uint64_t pulled = h->io.pulled;
        int r = before(h);
        if (r)
            return r;
        r = f(h->session);
        after(h, r);
        if (r != GNUTLS_E_AGAIN || !tls_io_more(&h->io, pulled))
            return r;
    }
}
