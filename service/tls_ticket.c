/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_ticket.c - the keys of the tickets that PSK sessions got, and whose sessions these were.
 *
 * A ticket must not outlive the key it came from, and GnuTLS has no room in it for an identity. So each
 * PSK handshake has a ticket key of its own; its name, with which the ticket begins in clear, leads back
 * here. Who is no longer alive finds no key, and a full handshake follows; so does everyone after a
 * restart. The table is of fixed size and replaces the oldest; names are drawn by us, so that no
 * stranger chooses whose place is taken.
 */
#include "service/tls_internal.h"
#include <stdlib.h>
#include <string.h>

#define WAYS 4
#define SETS 2048
#define SWEEP 2 /* entries looked at when one comes in: what is dead does not stay until it is replaced */

typedef struct entry {
    uint8_t name[TLS_TICKET_NAME];
    uint8_t key[TLS_TICKET_KEY];
    void *who; /* NULL: free */
    uint64_t born;
} entry;

struct tls_tickets {
    tls_server_config c;
    pthread_mutex_t lock;
    uint64_t serial;
    size_t swept;
    entry e[SETS * WAYS];
};

tls_tickets *tls_tickets_new(const tls_server_config *c)
{
    tls_tickets *t = calloc(1, sizeof *t);
    if (t) {
        t->c = *c;
        pthread_mutex_init(&t->lock, NULL);
    }
    return t;
}

/* Under the lock; the reference is the caller's to free, without it. */
static void *empty(entry *e)
{
    void *who = e->who;
    gba_wipe(e->key, sizeof e->key);
    e->who = NULL;
    return who;
}

static void let_go(const tls_tickets *t, void *who)
{
    if (who && t->c.psk_who_free)
        t->c.psk_who_free(who);
}

void tls_tickets_free(tls_tickets **tp)
{
    tls_tickets *t = *tp;
    *tp = NULL;
    if (!t)
        return;
    for (size_t i = 0; i < SETS * WAYS; i++)
        if (t->e[i].who)
            let_go(t, empty(&t->e[i]));
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static entry *set_of(tls_tickets *t, const uint8_t *name)
{
    return &t->e[((size_t)name[0] << 8 | name[1]) % SETS * WAYS];
}

static entry *find(tls_tickets *t, const uint8_t *name)
{
    entry *e = set_of(t, name);
    for (size_t i = 0; i < WAYS; i++)
        if (e[i].who && gba_equal_ct(e[i].name, name, TLS_TICKET_NAME))
            return &e[i];
    return NULL;
}

void tls_ticket_drop(tls_tickets *t, const uint8_t *name)
{
    pthread_mutex_lock(&t->lock);
    entry *e = find(t, name);
    void *who = e ? empty(e) : NULL;
    pthread_mutex_unlock(&t->lock);
    let_go(t, who);
}

bool tls_ticket_find(tls_tickets *t, const uint8_t *name, uint8_t key[TLS_TICKET_KEY], void **who)
{
    *who = NULL;
    pthread_mutex_lock(&t->lock);
    entry *e = find(t, name);
    if (e) {
        memcpy(key, e->key, TLS_TICKET_KEY);
        *who = t->c.psk_who_ref(e->who);
    }
    pthread_mutex_unlock(&t->lock);
    if (!*who)
        return false;
    if (t->c.psk_alive(t->c.psk_ctx, *who))
        return true;
    tls_ticket_drop(t, name);
    let_go(t, *who);
    gba_wipe(key, TLS_TICKET_KEY);
    *who = NULL;
    return false;
}

static void sweep(tls_tickets *t)
{
    uint8_t name[SWEEP][TLS_TICKET_NAME];
    void *who[SWEEP];
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < SWEEP; i++) {
        entry *e = &t->e[t->swept++ % (SETS * WAYS)];
        who[i] = e->who ? t->c.psk_who_ref(e->who) : NULL;
        memcpy(name[i], e->name, sizeof name[i]);
    }
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < SWEEP; i++) {
        if (who[i] && !t->c.psk_alive(t->c.psk_ctx, who[i]))
            tls_ticket_drop(t, name[i]);
        let_go(t, who[i]);
    }
}

void tls_ticket_put(tls_tickets *t, const uint8_t *name, const uint8_t key[TLS_TICKET_KEY], void *who)
{
    void *mine = t->c.psk_who_ref(who), *old = NULL;
    if (!mine)
        return;
    pthread_mutex_lock(&t->lock);
    entry *set = set_of(t, name), *e = set;
    for (size_t i = 0; i < WAYS && e->who; i++)
        if (!set[i].who || set[i].born < e->born)
            e = &set[i];
    if (e->who)
        old = empty(e);
    memcpy(e->name, name, TLS_TICKET_NAME);
    memcpy(e->key, key, TLS_TICKET_KEY);
    e->who = mine;
    e->born = ++t->serial;
    pthread_mutex_unlock(&t->lock);
    let_go(t, old);
    sweep(t);
}
