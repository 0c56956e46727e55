/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - a session is decided inside the store's write transaction, by the head as it is there;
 * when it makes none (an old challenge, or the B-TID is there) a worker of its own looks why, for the
 * store's callbacks must not block.
 */
#include "bsf/session.h"
#include <gba/kdf.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 4 /* the first and three more */
#define REVOKE_TRIES 8 /* an operator's word counts: it may race longer */

#define BATCH_OCTETS (2 * REC_SESSION_MAX + REC_HEAD_MAX + 2 * REC_TMPI_MAX)
typedef struct batch {
    size_t n, used;
    gba_err err;
    store_op op[5];
    uint8_t octets[BATCH_OCTETS]; /* the values, one after another */
} batch;

typedef struct call {
    struct call *next;
    sessions *s;
    session_want w;
    session_got got;
    int64_t now_ms;
    session_done *done;
    void *ctx;
    gba_impi tmpi, old_tmpi;
    gba_btid old_btid;
    batch b; /* last: its octets are not cleared */
} call;

struct sessions {
    sessions_config c;
    pthread_t worker;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    call *first, **last; /* to be looked into */
    bool stop;
};

static void finish(call *c, gba_err e)
{
    c->done(c->ctx, e, e == GBA_OK ? &c->got : NULL);
    gba_secret_wipe(&c->w.ks);
    gba_wipe(c->b.octets, c->b.used);
    free(c);
}

gba_err session_head(store *s, const gba_impi *impi, int64_t now_ms, rec_head *head, uint64_t *version)
{
    store_record rec = {0};
    gba_err e = store_get(s, STORE_HEAD, gba_str(impi->s), now_ms / 1000, &rec);

    memset(head, 0, sizeof *head);
    *version = 0;
    if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        return GBA_OK;
    if (e != GBA_OK)
        return e;
    e = rec_head_read(gba_mem(rec.value, rec.n), head);
    *version = rec.version;
    store_record_free(&rec);
    return e;
}

/* Not newer than what was answered already? A head from the future (further ahead than add_removal puts it) is from
 * before the clock stepped back: the challenges of that time are dead (their keys are gone). */
bool session_head_covers(const sessions *s, const rec_head *h, int64_t challenge_ms, int64_t now_ms)
{
    return h->challenge_ms <= now_ms + s->c.tolerance_ms + STORE_SETTLE_MS && challenge_ms <= h->challenge_ms;
}

/* The session is there already: the same one, alive, is answered once more; else it is a replay. */
static gba_err look(call *c)
{
    store_record rec = {0};
    rec_session have;
    gba_err e = store_get(c->s->c.store, STORE_SESSION, gba_str(c->got.btid.s), c->now_ms / 1000, &rec);

    if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        return GBA_E_STALE;
    if (e != GBA_OK)
        return e;
    e = rec_session_read(gba_mem(rec.value, rec.n), &have);
    store_record_free(&rec);
    if (e != GBA_OK)
        return e;
    if (have.tombstone || strcmp(have.impi.s, c->w.impi.s) != 0 || !gba_secret_eq(&have.ks, &c->w.ks))
        e = GBA_E_STALE;
    c->got.created = have.created;
    c->got.expires = have.expires;
    c->got.repeated = true;
    rec_session_wipe(&have);
    return e;
}

gba_err session_again(sessions *s, const uint8_t rand[16], const uint8_t answer[SESSION_ANSWER_LEN], int64_t now_ms,
                      gba_impi *impi, session_got *got, uint8_t rspauth[16])
{
    store_record rec = {0};
    rec_session have;
    gba_err e = gba_btid_make(rand, &s->c.bsf, &got->btid);

    if (e == GBA_OK)
        e = store_get(s->c.store, STORE_SESSION, gba_str(got->btid.s), now_ms / 1000, &rec);
    if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        return GBA_E_STALE;
    if (e != GBA_OK)
        return e;
    e = rec_session_read(gba_mem(rec.value, rec.n), &have);
    store_record_free(&rec);
    if (e != GBA_OK)
        return e;
    if (!have.answered || have.tombstone || have.expires <= now_ms / 1000 ||
        (impi->s[0] && strcmp(have.impi.s, impi->s) != 0) || !gba_equal_ct(have.answer, answer, SESSION_ANSWER_LEN)) {
        e = GBA_E_STALE;
    } else {
        *impi = have.impi;
        got->created = have.created;
        got->expires = have.expires;
        got->repeated = true;
        memcpy(rspauth, have.rspauth, sizeof have.rspauth);
    }
    rec_session_wipe(&have);
    return e;
}

/* ---- the batch ---- */

static void batch_begin(batch *b)
{
    b->n = b->used = 0;
    b->err = GBA_OK;
}

/* Where the next value goes; *n: the room. */
static uint8_t *batch_at(batch *b, size_t *n)
{
    *n = sizeof b->octets - b->used;
    return b->octets + b->used;
}

static void batch_add(batch *b, store_op op, gba_err e, size_t n)
{
    if (b->err == GBA_OK)
        b->err = e;
    if (b->err != GBA_OK)
        return;
    op.value = gba_mem(b->octets + b->used, n);
    b->used += n;
    b->op[b->n++] = op;
}

static void add_session(batch *b, const call *c)
{
    size_t n;
    uint8_t *at = batch_at(b, &n);
    rec_session r = {
        .impi = c->w.impi,
        .ks = c->w.ks,
        .created = c->got.created,
        .expires = c->got.expires,
        .challenge_ms = c->w.challenge_ms,
    };
    r.answered = true;
    memcpy(r.rand, c->w.rand, sizeof r.rand);
    memcpy(r.answer, c->w.answer, sizeof r.answer);
    memcpy(r.rspauth, c->w.rspauth, sizeof r.rspauth);
    gba_err e = rec_session_write(&r, at, &n);
    rec_session_wipe(&r);
    batch_add(b,
              (store_op){.type = STORE_INSERT,
                         .kind = STORE_SESSION,
                         .key = gba_str(c->got.btid.s),
                         .expiry = c->got.expires},
              e, n);
}

static void add_tombstone(batch *b, const gba_btid *btid, const gba_impi *impi, int64_t challenge_ms, int64_t until,
                          uint64_t version)
{
    size_t n;
    uint8_t *at = batch_at(b, &n);
    rec_session r = {.tombstone = true, .impi = *impi, .challenge_ms = challenge_ms};
    gba_err e = rec_session_write(&r, at, &n);
    batch_add(b,
              (store_op){.type = version ? STORE_SWAP : STORE_PUT,
                         .kind = STORE_SESSION,
                         .key = gba_str(btid->s),
                         .expiry = until,
                         .version = version},
              e, n);
}

static void add_head(batch *b, const gba_impi *impi, const rec_head *h, store_op_type type, uint64_t version,
                     int64_t expiry)
{
    size_t n;
    uint8_t *at = batch_at(b, &n);
    gba_err e = rec_head_write(h, at, &n);
    batch_add(b,
              (store_op){.type = type,
                         .kind = STORE_HEAD,
                         .key = gba_str(impi->s),
                         .expiry = expiry,
                         .version = version},
              e, n);
}

static void add_tmpi(batch *b, const gba_impi *tmpi, const gba_impi *impi, int64_t expiry)
{
    size_t n;
    uint8_t *at = batch_at(b, &n);
    gba_err e = rec_tmpi_write(impi, at, &n);
    batch_add(b, (store_op){.type = STORE_PUT, .kind = STORE_TMPI, .key = gba_str(tmpi->s), .expiry = expiry}, e, n);
}

/* The old head's names are kept in c: operations point to them. */
static void batch_build(call *c, const rec_head *old)
{
    batch *b = &c->b;
    int64_t until = c->now_ms / 1000 + c->s->c.keep_s;
    rec_head head = {.btid = c->got.btid, .challenge_ms = c->w.challenge_ms, .tmpi = old->tmpi};

    batch_begin(b);
    c->old_btid = old->btid;
    c->old_tmpi = old->tmpi;
    if (c->w.tmpi) {
        b->err = gba_tmpi(&c->w.ks, c->w.rand, &c->w.impi, &c->s->c.bsf, &c->tmpi);
        head.tmpi = c->tmpi;
    }
    add_session(b, c);
    add_head(b, &c->w.impi, &head, STORE_PUT, 0, 0); /* what it was is known: this is the transaction */
    if (old->btid.s[0] && strcmp(old->btid.s, c->got.btid.s) != 0)
        add_tombstone(b, &c->old_btid, &c->w.impi, old->challenge_ms, until, 0);
    if (c->w.tmpi) {
        add_tmpi(b, &c->tmpi, &c->w.impi, 0);
        /* The one before answers a little longer: the UE may have to send its answer again. */
        if (old->tmpi.s[0] && strcmp(old->tmpi.s, c->tmpi.s) != 0)
            add_tmpi(b, &c->old_tmpi, &c->w.impi, until);
    }
}

/* In the transaction: what to write, given the head as it is. */
static gba_err plan(void *ctx, const store_record *r, const store_op **ops, size_t *n)
{
    call *c = ctx;
    rec_head head = {0};
    gba_err e = r ? rec_head_read(gba_mem(r->value, r->n), &head) : GBA_OK;

    if (e != GBA_OK)
        return e;
    if (session_head_covers(c->s, &head, c->w.challenge_ms, c->now_ms))
        return GBA_E_STALE;
    batch_build(c, &head);
    *ops = c->b.op;
    *n = c->b.n;
    return c->b.err;
}

static void look_later(call *c)
{
    sessions *s = c->s;
    c->next = NULL;
    pthread_mutex_lock(&s->lock);
    *s->last = c;
    s->last = &c->next;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static void committed(void *ctx, gba_err e, size_t failed)
{
    if (failed == 0 && (e == GBA_E_STALE || e == GBA_E_FORBIDDEN)) /* a challenge used up; the B-TID is there */
        look_later(ctx);
    else
        finish(ctx, e);
}

void session_establish(sessions *s, const session_want *w, int64_t now_ms, session_done *done, void *ctx)
{
    call *c = malloc(sizeof *c);

    if (!c) {
        done(ctx, GBA_E_NOMEM, NULL);
        return;
    }
    memset(c, 0, offsetof(call, b) + offsetof(batch, octets));
    c->s = s;
    c->w = *w;
    c->now_ms = now_ms;
    c->done = done;
    c->ctx = ctx;
    c->got.created = now_ms / 1000;
    c->got.expires = c->got.created + w->lifetime;
    gba_err e = gba_btid_make(w->rand, &s->c.bsf, &c->got.btid);
    if (e == GBA_OK)
        e = store_submit_plan(s->c.store, STORE_HEAD, gba_str(c->w.impi.s), now_ms / 1000, plan, committed, c);
    if (e != GBA_OK)
        finish(c, e);
}

static void *work(void *p)
{
    sessions *s = p;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->first && !s->stop)
            pthread_cond_wait(&s->wake, &s->lock);
        call *c = s->first;
        if (!c)
            break;
        s->first = c->next;
        if (!s->first)
            s->last = &s->first;
        pthread_mutex_unlock(&s->lock);
        finish(c, look(c));
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

gba_err sessions_new(const sessions_config *c, sessions **out)
{
    sessions *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return GBA_E_NOMEM;
    s->c = *c;
    s->last = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    if (pthread_create(&s->worker, NULL, work, s) != 0) {
        free(s);
        return GBA_E_NOMEM;
    }
    *out = s;
    return GBA_OK;
}

void sessions_free(sessions **sp)
{
    sessions *s = *sp;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->worker, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    free(s);
    *sp = NULL;
}

/* ---- AUTS, TMPI, revocation ---- */

gba_err session_resynced(sessions *s, const gba_impi *impi, int64_t challenge_ms, int64_t now_ms)
{
    gba_err e = GBA_E_STALE;

    for (int i = 0; i < TRIES && e == GBA_E_STALE; i++) {
        rec_head head;
        uint64_t version;
        size_t failed;
        batch b;
        batch_begin(&b);
        e = session_head(s->c.store, impi, now_ms, &head, &version);
        if (e != GBA_OK)
            return e;
        if (session_head_covers(s, &head, challenge_ms, now_ms))
            return GBA_E_STALE;
        head.challenge_ms = challenge_ms;
        add_head(&b, impi, &head, version ? STORE_SWAP : STORE_INSERT, version, 0);
        e = b.err;
        if (e == GBA_OK)
            e = store_write(s->c.store, b.op, b.n, now_ms / 1000, &failed);
        if (e == GBA_E_FORBIDDEN)
            e = GBA_E_STALE;
    }
    return e == GBA_E_STALE ? GBA_E_BUSY : e;
}

gba_err session_tmpi(store *s, gba_span tmpi, int64_t now_ms, gba_impi *out)
{
    store_record rec = {0};
    gba_err e;

    if (tmpi.n > GBA_ID_MAX)
        return GBA_E_UNKNOWN;
    e = store_get(s, STORE_TMPI, tmpi, now_ms / 1000, &rec);
    if (e == GBA_E_EXPIRED)
        e = GBA_E_UNKNOWN;
    if (e != GBA_OK)
        return e;
    e = rec_tmpi_read(gba_mem(rec.value, rec.n), out);
    store_record_free(&rec);
    return e;
}

/* UNKNOWN: it does not live. */
static gba_err add_ending(batch *b, store *s, const gba_btid *btid, int64_t keep_s, int64_t now_ms, gba_impi *impi)
{
    store_record rec = {0};
    rec_session have;
    gba_err e = store_get(s, STORE_SESSION, gba_str(btid->s), now_ms / 1000, &rec);

    if (e != GBA_OK)
        return e == GBA_E_EXPIRED ? GBA_E_UNKNOWN : e;
    uint64_t version = rec.version;
    e = rec_session_read(gba_mem(rec.value, rec.n), &have);
    store_record_free(&rec);
    if (e != GBA_OK)
        return e;
    *impi = have.impi;
    if (have.tombstone)
        e = GBA_E_UNKNOWN;
    else
        add_tombstone(b, btid, impi, have.challenge_ms, now_ms / 1000 + keep_s, version);
    rec_session_wipe(&have);
    return e == GBA_OK ? b->err : e;
}

/* The head names neither session nor TMPI any more, and the TMPI goes. Operations point to old's names. */
static void add_bare_head(batch *b, const gba_impi *impi, const rec_head *old, int64_t challenge_ms, uint64_t version,
                          int64_t expiry)
{
    rec_head bare = {.challenge_ms = challenge_ms};
    add_head(b, impi, &bare, version ? STORE_SWAP : STORE_INSERT, version, expiry);
    if (old->tmpi.s[0])
        b->op[b->n++] =
            (store_op){.type = STORE_TAKE, .kind = STORE_TMPI, .key = gba_str(old->tmpi.s), .optional = true};
}

/* The head keeps its challenge time, below which nothing is inserted; one that has moved on to a newer session
 * stays. */
gba_err session_revoke(store *s, const gba_btid *btid, int64_t keep_s, int64_t now_ms, gba_impi *impi)
{
    gba_err e = GBA_E_STALE;

    for (int i = 0; i < REVOKE_TRIES && e == GBA_E_STALE; i++) {
        rec_head head = {0};
        uint64_t version = 0;
        size_t failed;
        batch b;
        batch_begin(&b);
        e = add_ending(&b, s, btid, keep_s, now_ms, impi);
        if (e == GBA_OK)
            e = session_head(s, impi, now_ms, &head, &version);
        if (e == GBA_OK && version && strcmp(head.btid.s, btid->s) == 0)
            add_bare_head(&b, impi, &head, head.challenge_ms, version, 0);
        if (e == GBA_OK)
            e = b.err;
        if (e == GBA_OK)
            e = store_write(s, b.op, b.n, now_ms / 1000, &failed);
    }
    return e == GBA_E_STALE ? GBA_E_BUSY : e;
}

/* A challenge that is out may be answered to a BSF that knows the subscriber a little longer (STORE_SETTLE_MS), or
 * has just looked. So the head refuses the challenges of that time, until the last of them has died. */
static gba_err add_removal(batch *b, store *s, const gba_impi *impi, int64_t keep_s, int64_t now_ms, rec_head *head)
{
    uint64_t version;
    gba_impi whose;
    int64_t settled = now_ms + STORE_SETTLE_MS - 1;
    gba_err e = session_head(s, impi, now_ms, head, &version);

    if (e == GBA_OK && head->btid.s[0])
        e = add_ending(b, s, &head->btid, keep_s, now_ms, &whose);
    if (e != GBA_OK && e != GBA_E_UNKNOWN) /* UNKNOWN: its last session is over already */
        return e;
    add_bare_head(b, impi, head, head->challenge_ms > settled ? head->challenge_ms : settled, version,
                  now_ms / 1000 + keep_s);
    b->op[b->n++] = (store_op){.type = STORE_TAKE, .kind = STORE_GUSS, .key = gba_str(impi->s), .optional = true};
    return b->err;
}

gba_err session_remove_subscriber(store *s, const gba_impi *impi, int64_t keep_s, int64_t now_ms)
{
    gba_err e = GBA_E_STALE;

    for (int i = 0; i < REVOKE_TRIES && e == GBA_E_STALE; i++) {
        rec_head head;
        size_t failed;
        batch b = {.op = {{.type = STORE_TAKE, .kind = STORE_SUBSCRIBER, .key = gba_str(impi->s)}}, .n = 1};
        e = add_removal(&b, s, impi, keep_s, now_ms, &head);
        if (e == GBA_OK)
            e = store_write(s, b.op, b.n, now_ms / 1000, &failed);
        if (e == GBA_E_FORBIDDEN) /* a head came meanwhile */
            e = GBA_E_STALE;
    }
    return e == GBA_E_STALE ? GBA_E_BUSY : e;
}
