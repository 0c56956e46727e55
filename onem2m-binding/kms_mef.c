/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_mef.c - Km from a MEF, for a KeID (TS-0003 8.3.2.1 "Use of Remotely Provisioned Credential"), inside the
 * handshake. Nothing is kept of a key: what the MEF ends has ended. What it refused is kept for a while; the same KeID
 * is asked for once at a time, and one source causes only so many queries that bring no association.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "naf/cache.h"
#include "onem2m-binding/kms.h"
#include "onem2m-binding/names.h"
#include "onem2m-binding/peer.h"
#include "onem2m-binding/told.h"
#include "service/daemon.h"
#include "service/log.h"

typedef struct asking { /* on its thread's stack */
    struct asking *next;
    const char *ke_id;
} asking;
struct kms_mefs {
    naf_cache *past; /* its tables of refusals and of sources; a KeID stands in the place of a B-TID */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    asking *now;
};

gba_err kms_mef_open(kms *k)
{
    const naf_cache_limits l = {.keys = 1,
                                .nonces = 8,
                                .unknown = 16384,
                                .per_source = k->c.unknown_per_source ? k->c.unknown_per_source : 128,
                                .unknown_ttl = k->c.unknown_ttl ? k->c.unknown_ttl : 10};
    struct kms_mefs *m = calloc(1, sizeof *m);
    pthread_condattr_t a;
    uint8_t seed[16];

    service_random(seed, sizeof seed);
    if (!m || !(m->past = naf_cache_new(&l, seed))) {
        free(m);
        return GBA_E_NOMEM;
    }
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&m->moved, &a);
    pthread_condattr_destroy(&a);
    k->asked = m;
    return GBA_OK;
}

void kms_mef_close(kms *k)
{
    struct kms_mefs *m = k->asked;

    k->asked = NULL;
    if (!m)
        return;
    naf_cache_free(&m->past);
    pthread_cond_destroy(&m->moved);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* ---- one query ---- */
static gba_err read_fetched(const m2m_answer *a, int64_t now, gba_secret *km, kms_who *w)
{
    m2m_told t = {0};
    gba_err e = a->status == 404   ? GBA_E_UNKNOWN
                : a->status == 403 ? GBA_E_FORBIDDEN
                : a->status != 200 ? GBA_E_IO
                                   : m2m_told_fetch(a->body, &t);
    if (e == GBA_OK && gba_m2m_entity_parse(gba_str(t.whose), &w->id) != GBA_OK)
        e = GBA_E_SYNTAX; /* a key of nobody */
    if (e == GBA_OK && t.expires <= now)
        e = GBA_E_EXPIRED;
    if (e == GBA_OK) {
        *km = t.key;
        w->expires = t.expires;
    }
    gba_secret_wipe(&t.key);
    return e;
}

gba_err kms_mef_ask(kms *k, const kms_mef_link *m, const char *ke_id, int64_t now, gba_secret *km, kms_who *w)
{
    m2m_peer_config pc = {
        .host = m->host,
        .port = m->port,
        .sni = m->fqdn.s,
        .psk_identity = gba_str(m->psk_id),
        .psk = m->psk_id ? &m->psk : NULL,
        .ca_file = m->psk_id ? NULL : m->ca,
        .crl_file = m->crl,
        .cert_file = m->cert,
        .key_file = m->key,
        .connect_ms = k->c.fetch_ms / 2,
        .total_ms = k->c.fetch_ms / 2,
    };
    char target[GBA_ID_MAX + 64], ri[33], why[256] = "";
    m2m_peer *p = NULL;
    m2m_answer a = {0};

    kms_random_hex(ri, 8);
    snprintf(target, sizeof target, "/%s/%s/%u", M2M_PATH_FETCH, ke_id, (unsigned)GBA_M2M_SUID_RSPF_MAF);
    const m2m_field f[] = {
        {M2M_H_ORIGIN, k->c.fqdn.s}, {M2M_H_RI, ri}, {M2M_H_RVI, M2M_RVI}, {"Accept", "application/json"}};
    gba_err e = m2m_peer_open(&pc, &p, why, sizeof why);
    if (e == GBA_OK)
        e = m2m_peer_request(p, "GET", target, f, 4, (gba_span){0}, &a);
    if (e == GBA_OK)
        e = read_fetched(&a, now, km, w);
    if (e == GBA_E_AUTH || e == GBA_E_IO || e == GBA_E_BUSY)
        log_event(LOG_LEVEL_WARN, "maf.mef_unreachable", "mef", m->fqdn.s, "error", gba_err_name(e), "reason",
                  why[0] ? why : NULL, NULL);
    m2m_answer_free(&a);
    m2m_peer_close(&p);
    return e;
}

/* Each MEF and BSF has its share of the waiting, so that a dead one leaves the others theirs. */
bool kms_ask_enter(const kms *k, _Atomic unsigned *fetching)
{
    size_t servers = k->c.n_mefs + k->c.n_bsfs, share = k->c.fetches / (servers ? servers : 1);
    return atomic_fetch_add(fetching, 1) < (share ? share : 1);
}

void kms_ask_leave(_Atomic unsigned *fetching)
{
    atomic_fetch_sub(fetching, 1);
}

void kms_identity_refused(const kms *k, const char *key, const gba_m2m_id *id)
{
    char event[32], text[GBA_M2M_ID_MAX + 1];

    snprintf(event, sizeof event, "%s.identity_refused", k->c.kind->name);
    if (gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, text) == GBA_OK)
        log_event(LOG_LEVEL_WARN, event, "key", key, "identity", text, NULL);
}

/* ---- who may cause one ---- */
static bool under_way(const struct kms_mefs *m, const char *ke_id)
{
    const asking *a = m->now;
    while (a && strcmp(a->ke_id, ke_id) != 0)
        a = a->next;
    return a != NULL;
}

/* False: another's query for the same KeID took longer than any may. */
static bool begin(kms *k, asking *self)
{
    struct kms_mefs *m = k->asked;
    struct timespec until;
    int r = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += k->c.fetch_ms / 1000 + 1;
    pthread_mutex_lock(&m->lock);
    while (r == 0 && under_way(m, self->ke_id))
        r = pthread_cond_timedwait(&m->moved, &m->lock, &until);
    if (r == 0) {
        self->next = m->now;
        m->now = self;
    }
    pthread_mutex_unlock(&m->lock);
    return r == 0;
}

static void end(struct kms_mefs *m, const asking *self)
{
    pthread_mutex_lock(&m->lock);
    asking **at = &m->now;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    pthread_cond_broadcast(&m->moved);
    pthread_mutex_unlock(&m->lock);
}

static bool is_no(gba_err e)
{
    return e == GBA_E_UNKNOWN || e == GBA_E_FORBIDDEN || e == GBA_E_EXPIRED;
}

/* As the only one who asks for this KeID. */
static gba_err ask(kms *k, const gba_m2m_identity *id, const gba_btid *name, int64_t now, gba_secret *key, kms_who *w)
{
    static const gba_naf_id any;
    struct kms_mefs *m = k->asked;
    _Atomic unsigned *fetching = &k->mef_fetching[id->server];
    const kms_mef_link *mef = &k->c.mefs[id->server];
    gba_err e = naf_unknown_get(m->past, name, &any, now); /* whom we waited for may have been refused */

    if (e != GBA_OK)
        return e;
    if (!naf_source_begin(m->past, w->from, now)) {
        w->why = "limited";
        return GBA_E_BUSY;
    }
    bool room = kms_ask_enter(k, fetching);
    e = room ? (k->c.mef_ask ? k->c.mef_ask : kms_mef_ask)(k, mef, id->text, now, key, w) : GBA_E_BUSY;
    if (e == GBA_OK && !m2m_may_name(&mef->naming, &w->id)) {
        kms_identity_refused(k, id->text, &w->id);
        w->why = "identity_not_allowed";
        e = GBA_E_FORBIDDEN;
    }
    kms_ask_leave(fetching);
    if (is_no(e))
        naf_unknown_put(m->past, name, &any, e, now);
    if (e == GBA_OK || !room)
        naf_source_refund(m->past, w->from);
    return e;
}

gba_err kms_mef_key(kms *k, const gba_m2m_identity *id, int64_t now, gba_secret *key, kms_who *w)
{
    static const gba_naf_id any;
    asking self = {.ke_id = id->text};
    gba_btid name;

    memcpy(name.s, id->text, sizeof name.s);
    gba_err e = naf_unknown_get(k->asked->past, &name, &any, now);
    if (e != GBA_OK)
        return e;
    if (!begin(k, &self))
        return GBA_E_BUSY;
    e = ask(k, id, &name, now, key, w);
    end(k->asked, &self);
    if (e == GBA_OK)
        e = gba_m2m_credential_id(11, gba_str(id->text), w->credential);
    if (e == GBA_OK)
        w->km = *key;
    return e;
}

void kms_mef_failed(kms *k, const kms_who *w)
{
    if (w->form == GBA_M2M_PSK_KE) /* the KeID is one that its MEF knows, and this is not whose it is */
        (void)naf_source_begin(k->asked->past, w->from, service_now());
}
