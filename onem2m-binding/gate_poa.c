/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_poa.c - which address at our egress stands for which of whom. One sealed record a registrant, and an index by
 * token in memory. A registrant that gives ever new addresses in subscriptions loses those not used for longest.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/gate_poa.h"

#define BUCKETS 16384

typedef struct entry {
    struct entry *next;
    int64_t expires;
    uint64_t used; /* a count that grows with each use of any; to be given is one */
    char token[GATE_TOKEN + 1];
    char url[]; /* and behind it whose, as an absolute ID: there may be many of these */
} entry;
struct gate_poas {
    store *s;
    pthread_mutex_t writing; /* one who changes records */
    pthread_mutex_t lock;    /* of the index */
    entry *bucket[BUCKETS];
    uint64_t uses;
    uint64_t seen; /* other processes' commits at the last look */
    int64_t looked;
};

void gate_poas_token(char out[GATE_TOKEN + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t random[17] = {0};

    service_random(random, 16);
    for (size_t i = 0; i < GATE_TOKEN; i++) {
        unsigned bit = (unsigned)i * 6, at = bit / 8;
        unsigned two = (unsigned)random[at] << 8 | random[at + 1];
        out[i] = digits[two >> (10 - bit % 8) & 63];
    }
    out[GATE_TOKEN] = 0;
}

const char *gate_poa_token(const char *url, char token[GATE_TOKEN + 1])
{
    const char *p = url;

    if (gba_span_ieq(gba_mem(url, strnlen(url, 7)), gba_str("http://")))
        p = url + 7 + strcspn(url + 7, "/?#");
    if (strncmp(p, "/_p/", 4) != 0 || strnlen(p + 4, GATE_TOKEN) != GATE_TOKEN)
        return NULL;
    memcpy(token, p + 4, GATE_TOKEN);
    token[GATE_TOKEN] = 0;
    p += 4 + GATE_TOKEN;
    return *p == 0 || *p == '/' || *p == '?' ? p : NULL;
}

/* ---- the index ---- */
static entry **place(gate_poas *p, const char *token)
{
    uint32_t h = 2166136261u;
    for (const char *c = token; *c; c++)
        h = (h ^ (uint8_t)*c) * 16777619u;
    entry **at = &p->bucket[h % BUCKETS];
    while (*at && strcmp((*at)->token, token) != 0)
        at = &(*at)->next;
    return at;
}

static void remove_one(gate_poas *p, const char *token)
{
    entry **at = place(p, token), *e = *at;
    if (!e)
        return;
    *at = e->next;
    free(e);
}

static bool put_one(gate_poas *p, const char *id, const gate_address *a, int64_t expires)
{
    entry **at = place(p, a->token), *e = *at;
    size_t n = strlen(a->url) + 1, n_id = strlen(id) + 1;
    if (!e && (e = calloc(1, sizeof *e + n + n_id)) != NULL) {
        *at = e;
        e->used = ++p->uses;
        memcpy(e->token, a->token, sizeof e->token);
        memcpy(e->url, a->url, n);
        memcpy(e->url + n, id, n_id);
    }
    if (e)
        e->expires = expires;
    return e != NULL;
}

/* `was` gives way to `is`; NULL: none. */
static bool index_change(gate_poas *p, const char *id, const gate_addresses *was, const gate_addresses *is,
                         int64_t expires)
{
    bool ok = true;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; was && i < was->n; i++) {
        bool stays = false;
        for (size_t k = 0; is && k < is->n && !stays; k++)
            stays = !strcmp(was->a[i].token, is->a[k].token);
        if (!stays)
            remove_one(p, was->a[i].token);
    }
    for (size_t i = 0; is && i < is->n; i++)
        ok = put_one(p, id, &is->a[i], expires) && ok;
    pthread_mutex_unlock(&p->lock);
    return ok;
}

gba_err gate_poas_find(gate_poas *p, const char *token, bool for_use, gba_m2m_id *id, char url[GATE_URL_MAX + 1])
{
    pthread_mutex_lock(&p->lock);
    entry *e = *place(p, token);
    size_t n = e ? strlen(e->url) + 1 : 0;
    if (e && ((e->expires && e->expires <= service_now()) ||
              (id && gba_m2m_id_parse_assigned(gba_str(e->url + n), NULL, id) != GBA_OK)))
        e = NULL;
    if (e) {
        memcpy(url, e->url, n);
        if (for_use)
            e->used = ++p->uses;
    }
    pthread_mutex_unlock(&p->lock);
    return e ? GBA_OK : GBA_E_UNKNOWN;
}

/* ---- records ---- */
typedef struct change { /* of one record, under p->writing */
    char key[GBA_M2M_ID_MAX + 1];
    gate_addresses was, is;
    int64_t expires;
    char text[GATE_RECORD_MAX];
} change;

static change *begin(gate_poas *p, const gba_m2m_id *id, gba_err *err)
{
    store_record rec = {0};
    change *c = calloc(1, sizeof *c);

    pthread_mutex_lock(&p->writing);
    *err = c ? gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, c->key) : GBA_E_NOMEM;
    if (!c)
        return NULL;
    if (*err == GBA_OK && strlen(c->key) > STORE_KEY_MAX)
        *err = GBA_E_RANGE;
    if (*err == GBA_OK)
        *err = store_get(p->s, (store_kind)GATE_ADDRESSES, gba_str(c->key), service_now(), &rec);
    if (*err == GBA_OK)
        *err = gate_addresses_parse(gba_mem(rec.value, rec.n), &c->was);
    else if (*err == GBA_E_UNKNOWN || *err == GBA_E_EXPIRED)
        *err = GBA_OK;
    c->expires = rec.expiry;
    c->is = c->was;
    store_record_free(&rec);
    return c;
}

static gba_err end(gate_poas *p, change *c, gba_err e, bool differs)
{
    size_t n = 0;

    if (e == GBA_OK && differs) {
        store_op op = {.type = c->is.n ? STORE_PUT : STORE_TAKE,
                       .optional = true,
                       .kind = (store_kind)GATE_ADDRESSES,
                       .key = gba_str(c->key),
                       .expiry = c->expires};
        e = gate_addresses_print(&c->is, c->text, &n);
        op.value = gba_mem(c->text, n);
        if (e == GBA_OK)
            e = store_write(p->s, &op, 1, service_now(), NULL);
        if (e == GBA_OK && !index_change(p, c->key, &c->was, &c->is, c->expires))
            e = GBA_E_NOMEM;
    }
    pthread_mutex_unlock(&p->writing);
    free(c);
    return e;
}

static void take_out(gate_addresses *a, size_t i)
{
    memmove(&a->a[i], &a->a[i + 1], (a->n - i - 1) * sizeof *a->a);
    a->n--;
}

/* used: now. What the request at hand gives is not in the index yet, and stays. */
static uint64_t last_use(gate_poas *p, const char *token, bool used_now)
{
    pthread_mutex_lock(&p->lock);
    entry *e = *place(p, token);
    if (e && used_now)
        e->used = ++p->uses;
    uint64_t used = e ? e->used : UINT64_MAX;
    pthread_mutex_unlock(&p->lock);
    return used;
}

/* Room for one more; false: all are its registration's. */
static bool make_room(gate_poas *p, gate_addresses *a)
{
    size_t worst = a->n;
    uint64_t least = UINT64_MAX;

    if (a->n < GATE_URLS_MAX)
        return true;
    for (size_t i = 0; i < a->n; i++) {
        uint64_t used = a->a[i].poa ? UINT64_MAX : last_use(p, a->a[i].token, false);
        if (used < least) {
            least = used;
            worst = i;
        }
    }
    if (worst < a->n)
        take_out(a, worst);
    return worst < a->n || a->n < GATE_URLS_MAX;
}

static gba_err give_one(gate_poas *p, gate_addresses *is, gate_address *a, bool *differs)
{
    for (size_t i = 0; !a->token[0] && i < is->n; i++)
        if (!strcmp(is->a[i].url, a->url)) { /* known: it goes behind those that may leave sooner */
            gate_address same = is->a[i];
            take_out(is, i);
            is->a[is->n++] = same;
            memcpy(a->token, same.token, sizeof a->token);
            (void)last_use(p, a->token, true);
            return GBA_OK;
        }
    if (!make_room(p, is))
        return GBA_E_RANGE;
    if (!a->token[0])
        gate_poas_token(a->token);
    is->a[is->n] = *a;
    is->a[is->n++].poa = false; /* until it has registered */
    *differs = true;
    return GBA_OK;
}

gba_err gate_poas_give(gate_poas *p, gate_book *b, const gba_m2m_id *id, const char *credential, gate_address *a,
                       size_t n)
{
    gba_err e = GBA_OK;
    bool differs = false;
    gate_binding *bind = malloc(sizeof *bind);

    if (!bind)
        return GBA_E_NOMEM;
    gate_book_find(b, credential, bind);
    bool stored = bind->bound != GBA_M2M_BOUND_NONE;
    free(bind);
    change *c = begin(p, id, &e);
    if (c && (strcmp(c->is.credential, credential) != 0 || c->is.stored != stored)) {
        memcpy(c->is.credential, credential, strlen(credential) + 1);
        c->is.stored = stored;
        differs = true;
    }
    for (size_t i = 0; e == GBA_OK && i < n; i++)
        e = give_one(p, &c->is, &a[i], &differs);
    return end(p, c, e, differs);
}

gba_err gate_poas_registered(gate_poas *p, const gba_m2m_id *id, const gate_address *a, size_t n, int64_t expires)
{
    gba_err e;
    change *c = begin(p, id, &e);
    bool differs = c && expires && expires != c->expires;

    for (size_t i = 0; e == GBA_OK && i < c->is.n;) {
        gate_address *at = &c->is.a[i];
        bool named = !a && at->poa;
        for (size_t k = 0; a && k < n && !named; k++)
            named = !strcmp(at->token, a[k].token);
        differs = differs || named != at->poa;
        if (at->poa && !named) {
            take_out(&c->is, i);
            continue;
        }
        at->poa = named;
        i++;
    }
    if (c && expires)
        c->expires = expires;
    return end(p, c, e, differs && c->was.n);
}

/* credential NULL: whatever it gave them with. */
static gba_err drop(gate_poas *p, const gba_m2m_id *id, const char *credential)
{
    gba_err e;
    change *c = begin(p, id, &e);
    bool meant = c && c->was.n && (!credential || !strcmp(credential, c->was.credential));
    if (meant)
        c->is.n = 0;
    return end(p, c, e, meant);
}

gba_err gate_poas_drop(gate_poas *p, const gba_m2m_id *id)
{
    return drop(p, id, NULL);
}

/* ---- from the store, and with others who write it ---- */
static bool load_visit(void *ctx, gba_span key, const store_record *rec)
{
    gate_poas *p = ctx;
    char id[STORE_KEY_MAX + 1];
    gate_addresses *a = malloc(sizeof *a);

    snprintf(id, sizeof id, "%.*s", (int)key.n, (const char *)key.p);
    if (a && gate_addresses_parse(gba_mem(rec->value, rec->n), a) == GBA_OK)
        (void)index_change(p, id, NULL, a, rec->expiry);
    else
        log_event(LOG_LEVEL_ERROR, "gate.record_damaged", NULL);
    free(a);
    return true;
}

gba_err gate_poas_open(store *s, gate_poas **out)
{
    gate_poas *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return GBA_E_NOMEM;
    p->s = s;
    pthread_mutex_init(&p->writing, NULL);
    pthread_mutex_init(&p->lock, NULL);
    p->seen = UINT64_MAX;
    return store_each(s, (store_kind)GATE_ADDRESSES, (gba_span){0}, service_now(), load_visit, p);
}

void gate_poas_close(gate_poas **pp)
{
    gate_poas *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (entry *e = p->bucket[i], *next; e; e = next) {
            next = e->next;
            free(e);
        }
    pthread_mutex_destroy(&p->writing);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

typedef struct owner {
    struct owner *next;
    gba_m2m_id id;
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
} owner;

static bool owner_visit(void *ctx, gba_span key, const store_record *rec)
{
    owner **list = ctx, *o = calloc(1, sizeof *o);
    gate_addresses *a = malloc(sizeof *a);
    bool ok = a && o && gba_m2m_id_parse_assigned(key, NULL, &o->id) == GBA_OK &&
              gate_addresses_parse(gba_mem(rec->value, rec->n), a) == GBA_OK && a->stored;

    if (ok) {
        memcpy(o->credential, a->credential, sizeof o->credential);
        o->next = *list;
        *list = o;
    } else {
        free(o);
    }
    free(a);
    return true;
}

/* Entries whose time is over; their records, the store sweeps. */
static void expire(gate_poas *p, int64_t now)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < BUCKETS; i++)
        for (entry **at = &p->bucket[i], *e; (e = *at) != NULL;) {
            if (!e->expires || e->expires > now) {
                at = &e->next;
                continue;
            }
            *at = e->next;
            free(e);
        }
    pthread_mutex_unlock(&p->lock);
}

#define LOOK_S 600 /* credentials end by themselves, too */

void gate_poas_follow(gate_poas *p, gate_book *b)
{
    owner *list = NULL;
    uint64_t seen = store_change_count_others(p->s);
    int64_t now = service_now();
    gate_binding *bind;

    if ((seen == p->seen && now - p->looked < LOOK_S && now >= p->looked) || !(bind = malloc(sizeof *bind)))
        return;
    expire(p, now);
    gate_book_follow(b); /* whom its credentials name now */
    if (store_each(p->s, (store_kind)GATE_ADDRESSES, (gba_span){0}, now, owner_visit, &list) == GBA_OK) {
        p->seen = seen;
        p->looked = now;
    }
    for (owner *next; list; list = next) {
        next = list->next;
        gate_book_find(b, list->credential, bind);
        if (bind->bound == GBA_M2M_BOUND_NONE && !gate_book_names(b, &list->id) &&
            drop(p, &list->id, list->credential) != GBA_OK)
            log_event(LOG_LEVEL_ERROR, "gate.store_failed", "what", "end of points of access", NULL);
        free(list);
    }
    free(bind);
}
