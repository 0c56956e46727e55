/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_book.c - Credential-ID -> CSE-ID, AE-ID or list of AE-IDs (TS-0003 8.2.1), as the store has it: in
 * memory, sorted, without keys. What m2m-gatectl writes is followed; what the CSE assigned is written. While
 * memory is older than the store, each credential that is asked for is read by itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "onem2m-binding/gate.h"

typedef struct row {
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    gba_m2m_bound bound;
    bool has_key;
    int64_t expiry;
    size_t n;
    gba_m2m_id ids[];
} row;
#define SEEN_NONE UINT64_MAX /* memory lacks something, whatever the count */

typedef struct page { /* one state of the book */
    row **rows;
    size_t n, room;
    gba_m2m_id *cses, *aes; /* registrees; S-type AEs */
    size_t n_cses, n_aes;
    int64_t soonest; /* expiry; 0: none expires */
    bool failed;
} page;
struct gate_book {
    store *s;
    pthread_rwlock_t lock;
    pthread_mutex_t writing; /* one who changes */
    page now;
    pthread_mutex_t turns_lock;
    pthread_cond_t turned;
    gate_turn *turns; /* registrations under way */
    _Atomic uint64_t seen; /* other processes' commits when memory was as it is; our own are in memory at once */
};

static row *row_new(const char *credential, const gate_credential *c, int64_t expiry)
{
    row *r = calloc(1, sizeof *r + c->n * sizeof *c->ids);
    if (!r)
        return NULL;
    memcpy(r->credential, credential, strlen(credential) + 1);
    r->bound = c->bound;
    r->has_key = c->key.n > 0;
    r->expiry = expiry;
    r->n = c->n;
    memcpy(r->ids, c->ids, c->n * sizeof *c->ids);
    return r;
}

static bool grow(void **v, size_t n, size_t item)
{
    if (n && (n & (n - 1)))
        return true; /* room doubles at each power of two */
    void *more = realloc(*v, (n ? 2 * n : 1) * item);
    if (more)
        *v = more;
    return more != NULL;
}

static bool add_id(gba_m2m_id **list, size_t *n, const gba_m2m_id *id)
{
    if (!grow((void **)list, *n, sizeof **list))
        return false;
    (*list)[(*n)++] = *id;
    return true;
}

static bool index_ids(page *p, const gba_m2m_id *ids, size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        if (ids[i].kind == GBA_M2M_ID_CSE)
            ok = add_id(&p->cses, &p->n_cses, &ids[i]);
        else if (ids[i].kind == GBA_M2M_ID_AE_S)
            ok = add_id(&p->aes, &p->n_aes, &ids[i]);
    return ok;
}

static void page_free(page *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->rows[i]);
    free(p->rows);
    free(p->cses);
    free(p->aes);
    memset(p, 0, sizeof *p);
}

static size_t place(const page *p, const char *credential, bool *found)
{
    size_t low = 0, high = p->n;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int d = strcmp(p->rows[mid]->credential, credential);
        if (d == 0) {
            *found = true;
            return mid;
        }
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Takes the row, whatever comes of it. */
static bool page_put(page *p, row *r)
{
    bool found;
    size_t at = place(p, r->credential, &found);

    if (!found) {
        if (!grow((void **)&p->rows, p->n, sizeof *p->rows)) {
            free(r);
            return false;
        }
        memmove(p->rows + at + 1, p->rows + at, (p->n - at) * sizeof *p->rows);
        p->n++;
    } else {
        free(p->rows[at]);
    }
    p->rows[at] = r;
    if (r->expiry && (!p->soonest || r->expiry < p->soonest))
        p->soonest = r->expiry;
    return index_ids(p, r->ids, r->n);
}

static bool on_record(void *ctx, gba_span key, const store_record *rec)
{
    page *p = ctx;
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
    gate_credential c;

    if (key.n >= sizeof credential || gate_credential_parse(gba_mem(rec->value, rec->n), &c) != GBA_OK) {
        log_event(LOG_LEVEL_ERROR, "gate.record_damaged", NULL);
        return true; /* that one binds nobody; the others go on */
    }
    memcpy(credential, key.p, key.n);
    credential[key.n] = 0;
    row *r = row_new(credential, &c, rec->expiry);
    gba_secret_wipe(&c.key);
    p->failed = !r || !page_put(p, r);
    return !p->failed;
}

/* Who has registered is a registree by whatever credential. */
static bool on_entity(void *ctx, gba_span key, const store_record *rec)
{
    page *p = ctx;
    gba_m2m_id id;

    (void)rec;
    p->failed = gba_m2m_id_parse_assigned(key, NULL, &id) == GBA_OK && !index_ids(p, &id, 1);
    return !p->failed;
}

static gba_err read_all(gate_book *b)
{
    page fresh = {0}, old;
    uint64_t seen = store_change_count_others(b->s);
    gba_err e = store_each(b->s, (store_kind)GATE_CREDENTIAL, (gba_span){0}, service_now(), on_record, &fresh);

    if (e == GBA_OK && !fresh.failed)
        e = store_each(b->s, (store_kind)GATE_ENTITY, (gba_span){0}, service_now(), on_entity, &fresh);
    if (e == GBA_OK && fresh.failed)
        e = GBA_E_NOMEM;
    if (e != GBA_OK) {
        page_free(&fresh);
        return e;
    }
    pthread_rwlock_wrlock(&b->lock);
    old = b->now;
    b->now = fresh;
    pthread_rwlock_unlock(&b->lock);
    atomic_store(&b->seen, seen);
    page_free(&old);
    return GBA_OK;
}

gba_err gate_book_open(store *s, gate_book **out)
{
    gate_book *b = calloc(1, sizeof *b);
    *out = b;
    if (!b)
        return GBA_E_NOMEM;
    b->s = s;
    pthread_rwlock_init(&b->lock, NULL);
    pthread_mutex_init(&b->writing, NULL);
    pthread_mutex_init(&b->turns_lock, NULL);
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&b->turned, &a);
    pthread_condattr_destroy(&a);
    return read_all(b);
}

void gate_book_close(gate_book **bp)
{
    gate_book *b = *bp;
    *bp = NULL;
    if (!b)
        return;
    page_free(&b->now);
    pthread_rwlock_destroy(&b->lock);
    pthread_mutex_destroy(&b->writing);
    pthread_mutex_destroy(&b->turns_lock);
    pthread_cond_destroy(&b->turned);
    free(b);
}

bool gate_book_turn(gate_book *b, gate_turn *t, const char *credential, int64_t ms)
{
    struct timespec until;
    gate_turn *other;
    int bad = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000 + 1;
    pthread_mutex_lock(&b->turns_lock);
    do {
        for (other = b->turns; other && strcmp(other->credential, credential) != 0;)
            other = other->next;
        if (other)
            bad = pthread_cond_timedwait(&b->turned, &b->turns_lock, &until);
    } while (other && bad != ETIMEDOUT);
    if (!other) {
        *t = (gate_turn){b->turns, credential};
        b->turns = t;
    }
    pthread_mutex_unlock(&b->turns_lock);
    return !other;
}

void gate_book_turn_over(gate_book *b, const gate_turn *t)
{
    gate_turn **at = &b->turns;

    pthread_mutex_lock(&b->turns_lock);
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    pthread_cond_broadcast(&b->turned);
    pthread_mutex_unlock(&b->turns_lock);
}

static bool listed(const gba_m2m_id *list, size_t n, const gba_m2m_id *id)
{
    for (size_t i = 0; i < n; i++)
        if (gba_m2m_id_eq(&list[i], id))
            return true;
    return false;
}

/* Does a row say that this is its identity, of another credential than `but` (NULL: any)? */
static bool named(const page *p, const gba_m2m_id *id, const char *but)
{
    for (size_t i = 0; i < p->n; i++)
        if ((!but || strcmp(p->rows[i]->credential, but) != 0) && listed(p->rows[i]->ids, p->rows[i]->n, id))
            return true;
    return false;
}

static void remove_id(gba_m2m_id *list, size_t *n, const gba_m2m_id *id)
{
    for (size_t i = 0; i < *n;)
        if (gba_m2m_id_eq(&list[i], id))
            list[i] = list[--*n];
        else
            i++;
}

/* Out of the guard's lists, where no row and no registration names it any more. */
static void unlist(gate_book *b, const gba_m2m_id *id)
{
    gate_entity en;

    if (id->kind == GBA_M2M_ID_AE_C || gate_book_entity(b, id, &en) != GBA_E_UNKNOWN)
        return; /* not in them; or a registree */
    pthread_rwlock_wrlock(&b->lock);
    if (!named(&b->now, id, NULL)) {
        remove_id(b->now.cses, &b->now.n_cses, id);
        remove_id(b->now.aes, &b->now.n_aes, id);
    }
    pthread_rwlock_unlock(&b->lock);
}

/* What has expired leaves memory; the others are not read again for that. */
static void expire(gate_book *b)
{
    int64_t now = service_now();
    row **gone = NULL;
    size_t n_gone = 0, n = 0;
    page *p = &b->now;

    pthread_rwlock_wrlock(&b->lock);
    p->soonest = 0;
    for (size_t i = 0; i < p->n; i++) {
        row *r = p->rows[i];
        bool over = r->expiry && r->expiry <= now;
        if (over && grow((void **)&gone, n_gone, sizeof *gone)) {
            gone[n_gone++] = r;
            continue;
        }
        if (r->expiry && (!p->soonest || r->expiry < p->soonest))
            p->soonest = r->expiry;
        p->rows[n++] = r;
    }
    p->n = n;
    pthread_rwlock_unlock(&b->lock);
    for (size_t i = 0; i < n_gone; i++) {
        for (size_t k = 0; k < gone[i]->n; k++)
            unlist(b, &gone[i]->ids[k]);
        free(gone[i]);
    }
    free(gone);
}

/* With `writing`. */
static gba_err follow(gate_book *b)
{
    gba_err e = GBA_OK;

    if (store_change_count_others(b->s) != atomic_load(&b->seen))
        e = read_all(b);
    else if (b->now.soonest && b->now.soonest <= service_now())
        expire(b);
    if (e != GBA_OK)
        log_event(LOG_LEVEL_ERROR, "gate.store_unreadable", "hint", "bindings stay as they were", NULL);
    return e;
}

void gate_book_follow(gate_book *b)
{
    pthread_mutex_lock(&b->writing);
    (void)!follow(b);
    pthread_mutex_unlock(&b->writing);
}

static void find_stored(gate_book *b, const char *credential, gate_binding *out)
{
    store_record rec = {0};
    gate_credential *c = calloc(1, sizeof *c);
    gba_err e =
        c ? store_get(b->s, (store_kind)GATE_CREDENTIAL, gba_str(credential), service_now(), &rec) : GBA_E_NOMEM;

    if (e == GBA_OK)
        e = gate_credential_parse(gba_mem(rec.value, rec.n), c);
    if (e == GBA_OK) {
        out->bound = c->bound;
        out->has_key = c->key.n > 0;
        out->n = c->n;
        memcpy(out->ids, c->ids, c->n * sizeof *c->ids);
    } else if (e != GBA_E_UNKNOWN && e != GBA_E_EXPIRED) {
        log_event(LOG_LEVEL_ERROR, "gate.store_unreadable", "hint", "the credential counts as unknown", NULL);
    }
    store_record_free(&rec);
    if (c)
        gba_secret_wipe(&c->key);
    free(c);
}

void gate_book_find(gate_book *b, const char *credential, gate_binding *out)
{
    bool found;

    out->bound = GBA_M2M_BOUND_NONE;
    out->has_key = false;
    out->n = 0;
    if (store_change_count_others(b->s) != atomic_load(&b->seen)) {
        find_stored(b, credential, out);
        return;
    }
    pthread_rwlock_rdlock(&b->lock);
    size_t at = place(&b->now, credential, &found);
    const row *r = found ? b->now.rows[at] : NULL;
    if (r && (!r->expiry || r->expiry > service_now())) {
        out->bound = r->bound;
        out->has_key = r->has_key;
        out->n = r->n;
        memcpy(out->ids, r->ids, r->n * sizeof *r->ids);
    }
    pthread_rwlock_unlock(&b->lock);
}

/* The record with `id` in it. FORBIDDEN: it is another's. */
static gba_err add_learned(gate_credential *c, const gba_m2m_id *id)
{
    if (c->bound == GBA_M2M_BOUND_CSE)
        return GBA_E_FORBIDDEN;
    for (size_t i = 0; i < c->n; i++)
        if (gba_m2m_id_eq(&c->ids[i], id))
            return GBA_E_STALE; /* known */
    if (c->bound == GBA_M2M_BOUND_AE || c->n)
        return GBA_E_FORBIDDEN; /* a bound credential gets no further AE-ID by registering */
    c->bound = GBA_M2M_BOUND_AE;
    c->learned = true;
    c->ids[c->n++] = *id;
    return GBA_OK;
}

/* Only what nobody else has is learned: a CSE may answer with an AE-ID that stands (A credential that an operator gives
 * an AE-ID has it whoever else does.) GBA_OK, with an insertion for `ops` where no registration stands; STALE: taken. */
static gba_err claim(gate_book *b, const char *credential, const gba_m2m_id *id, store_op *op, bool *inserts)
{
    gate_entity en;
    gba_err e = gate_book_entity(b, id, &en);

    *inserts = e == GBA_E_UNKNOWN;
    if (e == GBA_OK && strcmp(en.credential, credential) != 0)
        return GBA_E_STALE;
    if (e != GBA_OK && e != GBA_E_UNKNOWN)
        return e;
    pthread_rwlock_rdlock(&b->lock);
    bool taken = named(&b->now, id, credential);
    pthread_rwlock_unlock(&b->lock);
    *op = (store_op){.type = STORE_INSERT, .kind = (store_kind)GATE_ENTITY};
    return taken ? GBA_E_STALE : GBA_OK;
}

/* The credential's record, and the registration, which no second credential can insert: one batch. */
static gba_err write_learned(gate_book *b, const char *credential, const gba_m2m_id *id, store_op ops[2], bool *again)
{
    gate_entity en = {0};
    char text[GATE_RECORD_MAX], key[GBA_M2M_ID_MAX + 1];
    size_t n = 0, failed = 0;
    bool inserts;
    gba_err e = claim(b, credential, id, &ops[1], &inserts);

    if (e == GBA_OK && inserts) {
        snprintf(en.credential, sizeof en.credential, "%s", credential);
        e = gate_entity_print(&en, text, &n);
        if (e == GBA_OK)
            e = gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, key);
        if (e == GBA_OK && strlen(key) > STORE_KEY_MAX)
            e = GBA_E_RANGE;
        ops[1].key = gba_str(key);
        ops[1].value = gba_mem(text, n);
    }
    if (e != GBA_OK)
        return e;
    e = store_write(b->s, ops, inserts ? 2 : 1, service_now(), &failed);
    *again = e == (failed || ops[0].type == STORE_INSERT ? GBA_E_FORBIDDEN : GBA_E_STALE);
    return e;
}

/* *again: somebody wrote one of these records in between. */
static gba_err learn(gate_book *b, const char *credential, const gba_m2m_id *id, int64_t expires, bool *again)
{
    char text[GATE_RECORD_MAX];
    gate_credential c = {.bound = GBA_M2M_BOUND_NEW};
    store_record rec = {0};
    size_t n = 0;

    gba_err e = store_get(b->s, (store_kind)GATE_CREDENTIAL, gba_str(credential), service_now(), &rec);
    store_op ops[2] = {{.type = e == GBA_OK ? STORE_SWAP : STORE_INSERT, .kind = (store_kind)GATE_CREDENTIAL,
                        .key = gba_str(credential), .expiry = e == GBA_OK ? rec.expiry : expires,
                        .version = rec.version}};
    if (e == GBA_OK)
        e = gate_credential_parse(gba_mem(rec.value, rec.n), &c);
    else if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        e = GBA_OK;
    store_record_free(&rec);
    if (e == GBA_OK)
        e = add_learned(&c, id);
    bool known = e == GBA_E_STALE;
    if (e == GBA_OK)
        e = gate_credential_print(&c, text, &n);
    ops[0].value = gba_mem(text, n);
    *again = false;
    if (e == GBA_OK)
        e = write_learned(b, credential, id, ops, again);
    if (e == GBA_OK) {
        row *r = row_new(credential, &c, ops[0].expiry);
        pthread_rwlock_wrlock(&b->lock);
        if (!r || !page_put(&b->now, r))
            atomic_store(&b->seen, SEEN_NONE); /* the store has it: it is asked until memory is read again */
        pthread_rwlock_unlock(&b->lock);
    }
    gba_secret_wipe(&c.key);
    gba_wipe(text, sizeof text);
    return known ? GBA_OK : e;
}

gba_err gate_book_learn(gate_book *b, const char *credential, const gba_m2m_id *id, int64_t expires)
{
    bool again = true;
    pthread_mutex_lock(&b->writing);
    gba_err e = GBA_OK;
    for (int i = 0; i < 3 && again; i++) {
        e = follow(b); /* whom other processes have bound counts, too */
        again = false;
        if (e == GBA_OK)
            e = learn(b, credential, id, expires, &again);
    }
    pthread_mutex_unlock(&b->writing);
    return again ? GBA_E_BUSY : e;
}

/* ---- where they are reached ---- */
/* Into the guard's lists at once. */
static void list_now(gate_book *b, const gba_m2m_id *id)
{
    pthread_rwlock_wrlock(&b->lock);
    const page *p = &b->now;
    if (!listed(p->cses, p->n_cses, id) && !listed(p->aes, p->n_aes, id) && !index_ids(&b->now, id, 1))
        atomic_store(&b->seen, SEEN_NONE);
    pthread_rwlock_unlock(&b->lock);
}

static gba_err write_entity(gate_book *b, const gba_m2m_id *id, store_op op)
{
    char key[GBA_M2M_ID_MAX + 1];
    gba_err e = gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, key);

    if (e == GBA_OK && strlen(key) > STORE_KEY_MAX)
        e = GBA_E_RANGE;
    op.kind = (store_kind)GATE_ENTITY;
    op.key = gba_str(key);
    return e == GBA_OK ? store_write(b->s, &op, 1, service_now(), NULL) : e;
}

gba_err gate_book_reach(gate_book *b, const gba_m2m_id *id, const gate_entity *en)
{
    char text[GATE_RECORD_MAX];
    size_t n = 0;
    gba_err e = gate_entity_print(en, text, &n);

    pthread_mutex_lock(&b->writing); /* who reads all again does not miss it */
    if (e == GBA_OK)
        e = write_entity(b, id, (store_op){.type = STORE_PUT, .value = gba_mem(text, n)});
    if (e == GBA_OK)
        list_now(b, id);
    pthread_mutex_unlock(&b->writing);
    return e;
}

gba_err gate_book_leave(gate_book *b, const gba_m2m_id *id)
{
    pthread_mutex_lock(&b->writing);
    gba_err e = write_entity(b, id, (store_op){.type = STORE_TAKE, .optional = true});
    if (e == GBA_OK)
        unlist(b, id);
    pthread_mutex_unlock(&b->writing);
    return e;
}

gba_err gate_book_entity(gate_book *b, const gba_m2m_id *id, gate_entity *out)
{
    char key[GBA_M2M_ID_MAX + 1];
    store_record rec = {0};
    gba_err e = gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, key);

    if (e == GBA_OK && strlen(key) > STORE_KEY_MAX)
        e = GBA_E_UNKNOWN;
    if (e == GBA_OK)
        e = store_get(b->s, (store_kind)GATE_ENTITY, gba_str(key), service_now(), &rec);
    if (e == GBA_OK)
        e = gate_entity_parse(gba_mem(rec.value, rec.n), out);
    store_record_free(&rec);
    return e;
}

gba_err gate_book_came(gate_book *b, const gba_m2m_id *id, const gate_who *w)
{
    gate_entity en, now;
    char text[GATE_RECORD_MAX];
    size_t n = 0;

    pthread_mutex_lock(&b->writing);
    gba_err e = gate_book_entity(b, id, &en);
    if (e == GBA_OK) {
        now = en;
        gate_entity_by(&now, w);
        bool same = !strcmp(now.credential, en.credential) && !strcmp(now.identity, en.identity) && now.suite == en.suite;
        e = same ? GBA_OK : gate_entity_print(&now, text, &n);
        if (e == GBA_OK && !same)
            e = write_entity(b, id, (store_op){.type = STORE_PUT, .value = gba_mem(text, n)});
    }
    pthread_mutex_unlock(&b->writing);
    return e;
}

typedef struct search {
    const char *url;
    gba_m2m_id *ids;
    size_t n, prefix[GATE_CLAIMS];
    char credential[GATE_CLAIMS][GBA_M2M_CREDENTIAL_ID_MAX + 1];
} search;

size_t gate_url_under(const char *url, const char *poa)
{
    size_t n = strlen(poa);
    while (n && poa[n - 1] == '/')
        n--;
    return !strncmp(url, poa, n) && (url[n] == 0 || url[n] == '/' || url[n] == '?') ? n : 0;
}

static void search_move(search *s, size_t to, size_t from)
{
    s->ids[to] = s->ids[from];
    s->prefix[to] = s->prefix[from];
    memcpy(s->credential[to], s->credential[from], sizeof s->credential[to]);
}

/* Into its place by length; of one credential the longest. */
static void rank(search *s, const gba_m2m_id *id, const char *credential, size_t prefix)
{
    size_t at = 0, last = 0;

    while (last < s->n && (!credential[0] || strcmp(s->credential[last], credential) != 0))
        last++;
    if (last < s->n && s->prefix[last] >= prefix)
        return;
    while (at < s->n && s->prefix[at] >= prefix)
        at++;
    if (at == GATE_CLAIMS)
        return;
    if (last == s->n && s->n < GATE_CLAIMS)
        s->n++;
    for (size_t i = last < s->n ? last : s->n - 1; i > at; i--)
        search_move(s, i, i - 1);
    s->ids[at] = *id;
    s->prefix[at] = prefix;
    memcpy(s->credential[at], credential, strlen(credential) + 1);
}

static bool at_visit(void *ctx, gba_span key, const store_record *rec)
{
    search *s = ctx;
    gate_entity en;
    gba_m2m_id id;
    size_t best = 0;

    if (gate_entity_parse(gba_mem(rec->value, rec->n), &en) != GBA_OK)
        return true;
    for (size_t i = 0; i < en.n; i++) {
        size_t n = gate_url_under(s->url, en.poa[i]);
        best = n > best ? n : best;
    }
    if (best && gba_m2m_id_parse_assigned(key, NULL, &id) == GBA_OK)
        rank(s, &id, en.credential, best);
    return true;
}

size_t gate_book_at(gate_book *b, const char *url, gba_m2m_id ids[GATE_CLAIMS])
{
    search s = {.url = url, .ids = ids};
    gba_err e = store_each(b->s, (store_kind)GATE_ENTITY, (gba_span){0}, service_now(), at_visit, &s);
    return e == GBA_OK ? s.n : 0;
}

bool gate_book_names(gate_book *b, const gba_m2m_id *id)
{
    pthread_rwlock_rdlock(&b->lock);
    bool found = named(&b->now, id, NULL);
    pthread_rwlock_unlock(&b->lock);
    return found;
}

void gate_book_guard(gate_book *b, const gba_m2m_id *cse, const gba_m2m_association *a, const gba_m2m_request *r,
                     gba_m2m_verdict *out)
{
    pthread_rwlock_rdlock(&b->lock);
    gba_m2m_guard g = {.cse = *cse, .registrees = b->now.cses, .n_registrees = b->now.n_cses, .aes = b->now.aes,
                       .n_aes = b->now.n_aes};
    gba_m2m_guard_check(&g, a, r, out);
    pthread_rwlock_unlock(&b->lock);
}
