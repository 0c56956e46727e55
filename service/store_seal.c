/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_seal.c - the key hierarchy: the key file's master keys wrap the store's data keys,
 * data keys seal records; rotation and re-wrapping.
 *
 * A sealed record: format (1) || data key id (4) || AES-SIV(plain text). Its associated data
 * are kind, key, version, expiry and the data key's id, so that no record can be moved
 * to another key, given another expiry or an older version's number.
 */
#include "libgba/crypt.h"
#include "service/store_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FORMAT 1
#define SEAL_HEAD 5
#define RETRIES 16
#define RESEAL_ROWS 128

static uint8_t *put_be(uint8_t *p, uint64_t v, unsigned octets)
{
    for (unsigned i = octets; i > 0; i--)
        *p++ = (uint8_t)(v >> (8 * (i - 1)));
    return p;
}

static uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#define AD_MAX (1 + 2 + 2 + STORE_KEY_MAX + 8 + 8 + 4)
static gba_span record_ad(uint8_t out[AD_MAX], store_kind kind, gba_span key, uint64_t version, int64_t expiry,
                          uint32_t dek)
{
    uint8_t *p = put_be(out, FORMAT, 1);
    p = put_be(p, (uint64_t)kind, 2);
    p = put_be(p, key.n, 2);
    memcpy(p, key.p, key.n);
    p = put_be(p + key.n, version, 8);
    p = put_be(p, (uint64_t)expiry, 8);
    p = put_be(p, dek, 4);
    return gba_mem(out, (size_t)(p - out));
}

static const gba_secret *ring_find(const seal_ring *r, uint32_t id)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->dek[i].id == id)
            return &r->dek[i].key;
    }
    return NULL;
}

static gba_span seal_under(const seal_ring *r, uint8_t *buffer, store_kind kind, gba_span key, uint64_t version,
                           int64_t expiry, gba_span plain)
{
    uint8_t ad_room[AD_MAX];
    uint32_t id = r->dek[r->n - 1].id;
    gba_span ad = record_ad(ad_room, kind, key, version, expiry, id);
    buffer[0] = FORMAT;
    (void)put_be(buffer + 1, id, 4);
    crypt_siv_seal(r->dek[r->n - 1].key.o, gba_mem(NULL, 0), ad, plain, buffer + SEAL_HEAD);
    return gba_mem(buffer, plain.n + STORE_SEAL_OVERHEAD);
}

/* out holds row->value.n octets. STALE: no such data key. */
static gba_err open_under(const seal_ring *r, const store_row *row, uint8_t *out)
{
    if (row->value.n < STORE_SEAL_OVERHEAD || row->value.n > STORE_VALUE_MAX + STORE_SEAL_OVERHEAD ||
        row->key.n > STORE_KEY_MAX || row->value.p[0] != FORMAT)
        return GBA_E_CORRUPT;
    uint32_t id = get_be32(row->value.p + 1);
    const gba_secret *key = ring_find(r, id);
    if (key == NULL)
        return GBA_E_STALE;
    uint8_t ad_room[AD_MAX];
    gba_span ad = record_ad(ad_room, row->kind, row->key, row->version, row->expiry, id);
    gba_span sealed = gba_mem(row->value.p + SEAL_HEAD, row->value.n - SEAL_HEAD);
    return crypt_siv_open(key->o, gba_mem(NULL, 0), ad, sealed, out) == GBA_OK ? GBA_OK : GBA_E_CORRUPT;
}

gba_err seal_open(store *s, const store_row *r, store_record *out)
{
    uint8_t *value = malloc(r->value.n + 1);
    if (value == NULL)
        return GBA_E_NOMEM;
    (void)pthread_rwlock_rdlock(&s->ring_lock);
    gba_err e = open_under(&s->ring, r, value);
    (void)pthread_rwlock_unlock(&s->ring_lock);
    if (e != GBA_OK) {
        free(value);
        return e;
    }
    *out = (store_record){.version = r->version,
                          .expiry = r->expiry,
                          .value = value,
                          .n = r->value.n - STORE_SEAL_OVERHEAD};
    value[out->n] = 0;
    return GBA_OK;
}

/* ---- data keys under master keys ---- */

#define WRAP_AD_MAX (16 + 16 + 4 + STORE_MASTER_ID_MAX)
static gba_span wrap_ad(uint8_t out[WRAP_AD_MAX], const uint8_t store_id[16], uint32_t id, const char *master)
{
    memcpy(out, "opengba data key", 16);
    memcpy(out + 16, store_id, 16);
    (void)put_be(out + 32, id, 4);
    size_t n = strnlen(master, STORE_MASTER_ID_MAX);
    memcpy(out + 36, master, n);
    return gba_mem(out, 36 + n);
}

static void wrap(const seal_keys *master, const uint8_t store_id[16], uint32_t id, const gba_secret *dek,
                 store_wrapped *out)
{
    uint8_t room[WRAP_AD_MAX];
    *out = (store_wrapped){.id = id};
    (void)snprintf(out->master, sizeof out->master, "%s", master->key[0].id);
    gba_span ad = wrap_ad(room, store_id, id, out->master);
    crypt_siv_seal(master->key[0].key.o, gba_mem(NULL, 0), ad, gba_secret_span(dek), out->octets);
}

/* UNKNOWN: the key file lacks the key. */
static gba_err unwrap(const seal_keys *master, const uint8_t store_id[16], const store_wrapped *w, gba_secret *dek)
{
    for (size_t i = 0; i < master->n; i++) {
        if (strcmp(master->key[i].id, w->master) != 0)
            continue;
        uint8_t room[WRAP_AD_MAX];
        gba_span ad = wrap_ad(room, store_id, w->id, w->master);
        gba_err e = crypt_siv_open(master->key[i].key.o, gba_mem(NULL, 0), ad, GBA_SPAN(w->octets), dek->o);
        dek->n = e == GBA_OK ? SEAL_KEY_LEN : 0;
        return e;
    }
    return GBA_E_UNKNOWN;
}

static gba_err load_master(store *s, store_fault *f)
{
    SEAL_KEYS_SCOPED fresh = {0};
    gba_err e = seal_file_load(s->key_file, &fresh, f->why, sizeof f->why);
    if (e == GBA_OK)
        s->master = fresh;
    return e;
}

static gba_err ring_from(store *s, const store_keys *k, seal_ring *out, store_fault *f)
{
    *out = (seal_ring){.generation = k->generation};
    memcpy(out->store_id, k->store_id, sizeof out->store_id);
    for (size_t i = 0; i < k->n; i++) {
        gba_err e = unwrap(&s->master, k->store_id, &k->key[i], &out->dek[i].key);
        if (e != GBA_OK) {
            /* Rows may have been wrapped anew since the key file was read. */
            if (load_master(s, f) != GBA_OK)
                return GBA_E_CORRUPT;
            e = unwrap(&s->master, k->store_id, &k->key[i], &out->dek[i].key);
        }
        if (e == GBA_E_UNKNOWN)
            store_fault_set(f, "%s: lacks the key %s under which %s is sealed: restore that line, no record can be "
                               "read without it", s->key_file, k->key[i].master, s->url);
        else if (e != GBA_OK)
            store_fault_set(f, "%s: its key %s is not the one under which %s is sealed: restore the right key file",
                            s->key_file, k->key[i].master, s->url);
        if (e != GBA_OK)
            return GBA_E_CORRUPT;
        out->dek[i].id = k->key[i].id;
        out->n++;
    }
    return GBA_OK;
}

static gba_err first_key(store *s, store_fault *f)
{
    GBA_SECRET_SCOPED dek = {.n = SEAL_KEY_LEN};
    store_keys k = {.n = 1};
    service_random(k.store_id, sizeof k.store_id);
    service_random(dek.o, dek.n);
    wrap(&s->master, k.store_id, 1, &dek, &k.key[0]);
    gba_err e = s->driver->keys_set(s->db, &k, f);
    return e == GBA_E_STALE ? GBA_OK : e; /* another process was first */
}

/* The data keys of the moment, as wrapped and as a ring. */
static gba_err keys_now(store *s, store_keys *k, seal_ring *ring, store_fault *f)
{
    gba_err e = s->master.n > 0 ? GBA_OK : load_master(s, f);
    if (e == GBA_OK)
        e = s->driver->keys_get(s->db, k, f);
    if (e == GBA_OK && k->generation == 0) {
        if (s->read_only) {
            store_fault_set(f, "%s: a store without keys: open it for writing once", s->url);
            return GBA_E_CORRUPT;
        }
        e = first_key(s, f);
        if (e == GBA_OK)
            e = s->driver->keys_get(s->db, k, f);
    }
    if (e == GBA_OK && k->n == 0) {
        store_fault_set(f, "%s: its data keys are gone: restore a backup", s->url);
        e = GBA_E_CORRUPT;
    }
    return e == GBA_OK ? ring_from(s, k, ring, f) : e;
}

gba_err seal_reload(store *s, store_fault *f)
{
    store_keys k;
    seal_ring fresh = {0};
    (void)pthread_mutex_lock(&s->reload_lock);
    gba_err e = keys_now(s, &k, &fresh, f);
    if (e == GBA_OK) {
        (void)pthread_rwlock_wrlock(&s->ring_lock);
        s->ring = fresh;
        (void)pthread_rwlock_unlock(&s->ring_lock);
    }
    (void)pthread_mutex_unlock(&s->reload_lock);
    gba_wipe(&fresh, sizeof fresh);
    return e;
}

/* ---- sealing inside the driver's transactions ---- */

static gba_err job_seal(void *ctx, const store_op *op, uint64_t version, gba_span *sealed)
{
    seal_job *j = ctx;
    *sealed = seal_under(&j->ring, j->buffer, op->kind, op->key, version, op->expiry, op->value);
    return GBA_OK;
}

static gba_err job_reseal(void *ctx, const store_row *row, gba_span *sealed, store_fault *f)
{
    seal_job *j = ctx;
    *sealed = gba_mem(NULL, 0);
    if (row->value.n >= SEAL_HEAD && get_be32(row->value.p + 1) == j->ring.dek[j->ring.n - 1].id)
        return GBA_OK;
    if (open_under(&j->ring, row, j->opened) != GBA_OK) {
        char key[2 * 24 + 1];
        gba_hex_encode(row->key.p, row->key.n < 24 ? row->key.n : 24, key);
        store_fault_set(f, "%s: a record of kind %d, key %s (hex) does not open: the old data key is kept; restore or "
                           "remove the record", j->url, (int)row->kind, key);
        return GBA_E_CORRUPT;
    }
    gba_span plain = gba_mem(j->opened, row->value.n - STORE_SEAL_OVERHEAD);
    *sealed = seal_under(&j->ring, j->buffer, row->kind, row->key, row->version, row->expiry, plain);
    gba_wipe(j->opened, plain.n);
    return GBA_OK;
}

static void job_plan(void *ctx, store_batch *b, const store_row *row, store_fault *f)
{
    seal_job *j = ctx;
    store_record rec = {0};
    b->ops = NULL;
    b->n = 0;
    if (row != NULL && open_under(&j->ring, row, j->opened) != GBA_OK) {
        char key[2 * 24 + 1];
        gba_hex_encode(row->key.p, row->key.n < 24 ? row->key.n : 24, key);
        store_fault_set(f, "%s: a record of kind %d, key %s (hex) is damaged or was moved: restore a backup or remove "
                           "it",
                        j->url, (int)row->kind, key);
        b->err = GBA_E_CORRUPT;
        return;
    }
    if (row != NULL)
        rec = (store_record){.version = row->version,
                             .expiry = row->expiry,
                             .value = j->opened,
                             .n = row->value.n - STORE_SEAL_OVERHEAD};
    b->err = b->plan(b->ctx, row != NULL ? &rec : NULL, &b->ops, &b->n);
    if (b->err == GBA_OK)
        b->err = b->n > STORE_OPS_MAX ? GBA_E_ARG : store_check_ops(b->ops, b->n);
    if (b->err != GBA_OK)
        b->n = 0;
    gba_wipe(j->opened, rec.n);
}

gba_err seal_job_new(store *s, seal_job **out)
{
    seal_job *j = calloc(1, sizeof *j);
    *out = NULL;
    if (j == NULL)
        return GBA_E_NOMEM;
    j->url = s->url;
    j->buffer = malloc(STORE_VALUE_MAX + STORE_SEAL_OVERHEAD);
    j->opened = malloc(STORE_VALUE_MAX + STORE_SEAL_OVERHEAD);
    j->sealer = (store_sealer){.ctx = j, .seal = job_seal, .plan = job_plan, .reseal = job_reseal};
    if (j->buffer == NULL || j->opened == NULL) {
        seal_job_free(&j);
        return GBA_E_NOMEM;
    }
    *out = j;
    return GBA_OK;
}

void seal_job_free(seal_job **j)
{
    if (*j == NULL)
        return;
    free((*j)->buffer);
    free((*j)->opened);
    gba_wipe(*j, sizeof **j);
    free(*j);
    *j = NULL;
}

static void job_refresh(store *s, seal_job *j)
{
    (void)pthread_rwlock_rdlock(&s->ring_lock);
    if (j->ring.n == 0 || j->ring.generation != s->ring.generation)
        j->ring = s->ring;
    (void)pthread_rwlock_unlock(&s->ring_lock);
    j->sealer.generation = j->ring.generation;
}

gba_err seal_write(store *s, seal_job *j, store_batch *list, store_fault *f)
{
    gba_err e = GBA_E_STALE;
    for (int i = 0; i < RETRIES && e == GBA_E_STALE; i++) {
        job_refresh(s, j);
        e = s->driver->write(s->db, list, &j->sealer, f);
        /* The data keys changed under us: nothing was written. */
        if (e == GBA_E_STALE) {
            gba_err r = seal_reload(s, f);
            if (r != GBA_OK)
                return r;
        }
    }
    if (e == GBA_E_STALE) {
        store_fault_set(f, "%s: its data keys change all the time: let one rotation finish", s->url);
        e = GBA_E_BUSY;
    }
    return e;
}

/* ---- rotation ---- */

/* Adds a data key, or with `prune` removes all but the current one if none came meanwhile (else STALE). */
static gba_err change_keys(store *s, bool prune, uint64_t generation, store_fault *f)
{
    store_keys k;
    seal_ring ring = {0};
    GBA_SECRET_SCOPED dek = {.n = SEAL_KEY_LEN};
    (void)pthread_mutex_lock(&s->reload_lock);
    gba_err e = keys_now(s, &k, &ring, f);
    if (e == GBA_OK && prune && k.generation != generation)
        e = GBA_E_STALE;
    if (e == GBA_OK && prune) {
        k.key[0] = k.key[k.n - 1];
        k.n = 1;
    } else if (e == GBA_OK && k.n < STORE_DEKS_MAX) { /* else: rotations that never finished; finish with the newest */
        service_random(dek.o, dek.n);
        wrap(&s->master, k.store_id, k.key[k.n - 1].id + 1, &dek, &k.key[k.n]);
        k.n++;
    }
    if (e == GBA_OK)
        e = s->driver->keys_set(s->db, &k, f);
    (void)pthread_mutex_unlock(&s->reload_lock);
    gba_wipe(&ring, sizeof ring);
    return e;
}

static void breathe(void)
{
    /* Lets the daemons' commits in between two chunks. */
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* One pass over all rows: afterwards none is sealed under a key older than the one that was current
 * when the pass began, since every transaction seals under the current one. */
static gba_err reseal_all(store *s, seal_job *j, store_progress *p, void *ctx, uint64_t *generation, store_fault *f)
{
    uint64_t total = 0;
    store_cursor at = {0};
    gba_err e = s->driver->count(s->db, 0, &total, f);
    if (e == GBA_OK)
        e = seal_reload(s, f);
    job_refresh(s, j);
    *generation = j->ring.generation;
    while (e == GBA_OK && !at.end) {
        e = s->driver->reseal(s->db, &at, RESEAL_ROWS, &j->sealer, f);
        if (e == GBA_OK && p != NULL)
            p(ctx, at.seen, at.seen > total ? at.seen : total);
        breathe();
    }
    return e;
}

gba_err store_rotate(store *s, store_progress *p, void *ctx)
{
    store_fault f = {{0}};
    seal_job *j = NULL;
    if (s->read_only)
        return GBA_E_ARG;
    gba_err e = seal_job_new(s, &j);
    if (e != GBA_OK)
        return e;
    for (int i = 0; i < RETRIES; i++) {
        e = change_keys(s, false, 0, &f);
        if (e != GBA_E_STALE)
            break;
    }
    /* A rotation from elsewhere may add a key at any time: then the pass starts over. */
    for (int i = 0; e == GBA_OK && i < RETRIES; i++) {
        uint64_t generation = 0;
        e = reseal_all(s, j, p, ctx, &generation, &f);
        if (e == GBA_OK)
            e = change_keys(s, true, generation, &f);
        if (e != GBA_E_STALE)
            break;
        e = i + 1 < RETRIES ? GBA_OK : GBA_E_BUSY;
    }
    seal_job_free(&j);
    if (e == GBA_OK)
        e = seal_reload(s, &f);
    return store_failed(s, e == GBA_E_STALE ? GBA_E_BUSY : e, &f);
}

gba_err store_rewrap(store *s)
{
    store_fault f = {{0}};
    if (s->read_only)
        return GBA_E_ARG;
    gba_err e = GBA_E_STALE;
    for (int i = 0; i < RETRIES && e == GBA_E_STALE; i++) {
        store_keys k;
        seal_ring ring = {0};
        (void)pthread_mutex_lock(&s->reload_lock);
        e = load_master(s, &f);
        if (e == GBA_OK)
            e = keys_now(s, &k, &ring, &f);
        for (size_t n = 0; e == GBA_OK && n < k.n; n++)
            wrap(&s->master, k.store_id, ring.dek[n].id, &ring.dek[n].key, &k.key[n]);
        if (e == GBA_OK)
            e = s->driver->keys_set(s->db, &k, &f);
        (void)pthread_mutex_unlock(&s->reload_lock);
        gba_wipe(&ring, sizeof ring);
    }
    if (e == GBA_OK)
        e = seal_reload(s, &f);
    return store_failed(s, e, &f);
}
