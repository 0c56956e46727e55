/* SPDX-License-Identifier: Apache-2.0 */
/* zn.c - key release, the BSF's one decision on Zn: authorise, look up, derive, answer. */
#include "bsf/zn.h"
#include <gba/kdf.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "bsf/hash.h"
#include "bsf/records.h"
#include "service/log.h"
#include "service/metrics.h"

/* Results, in the metric and as the audit line's reason. */
enum {
    R_RELEASED,
    R_UNAUTHENTICATED,
    R_UNAUTHORISED,
    R_UNKNOWN,
    R_EXPIRED,
    R_UNSUPPORTED,
    R_MALFORMED,
    R_FAILED,
    N_RESULTS
};
static const char *const result_names[N_RESULTS] = {"released", "unauthenticated", "unauthorised", "unknown",
                                                    "expired",  "unsupported",     "malformed",    "failed"};
static metric *results[N_RESULTS];
static pthread_once_t results_once = PTHREAD_ONCE_INIT;

static void register_results(void)
{
    static const char *const labels[N_RESULTS] = {
        "result=\"released\"", "result=\"unauthenticated\"", "result=\"unauthorised\"", "result=\"unknown\"",
        "result=\"expired\"",  "result=\"unsupported\"",     "result=\"malformed\"",    "result=\"failed\""};
    for (int i = 0; i < N_RESULTS; i++)
        results[i] = metric_counter("gba_zn_total", labels[i], "Key requests on Zn by their result");
}

/* What a certificate name was granted, as read last; good while nothing has written grants since. */
#define SETS 256
#define WAYS 4
#define LOCKS 64
typedef struct known_naf {
    gba_fqdn name;  /* empty: none */
    uint64_t count; /* store_change_count_of before it was read */
    int64_t expiry;
    uint64_t used; /* the set's turn when it was asked for last */
    size_t n;
    rec_grant *grant;
} known_naf;
typedef struct known_set {
    uint64_t turn;
    known_naf way[WAYS];
} known_set;

struct zn {
    store *store;
    bsf_hash_key hash;
    pthread_mutex_t lock[LOCKS]; /* over the sets; the store is read outside */
    known_set known[SETS];
};

gba_err zn_new(store *s, zn **out)
{
    *out = NULL;
    zn *z = calloc(1, sizeof *z);
    if (!z)
        return GBA_E_NOMEM;
    z->store = s;
    service_random(&z->hash, sizeof z->hash);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&z->lock[i], NULL);
    pthread_once(&results_once, register_results);
    *out = z;
    return GBA_OK;
}

void zn_free(zn **z)
{
    if (!*z)
        return;
    for (size_t i = 0; i < SETS; i++)
        for (size_t k = 0; k < WAYS; k++)
            free((*z)->known[i].way[k].grant);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&(*z)->lock[i]);
    free(*z);
    *z = NULL;
}

void zn_answer_wipe(zn_answer *a)
{
    free(a->uss);
    gba_wipe(a, sizeof *a);
}

/* ---- authorisation ---- */
/* "*.example.com" covers one label and more below example.com, never example.com itself. */
static bool fqdn_covers(const gba_fqdn *granted, const gba_fqdn *asked)
{
    if (granted->s[0] != '*' || granted->s[1] != '.')
        return strcmp(granted->s, asked->s) == 0;
    const char *suffix = granted->s + 1; /* with its dot */
    size_t n = strlen(asked->s), m = strlen(suffix);
    return n > m && strcmp(asked->s + n - m, suffix) == 0;
}

static bool ua_covers(const rec_grant *g, const gba_ua_id *asked)
{
    for (size_t i = 0; i < g->n_ua; i++)
        if (memcmp(g->ua[i].o, asked->o, g->ua[i].n) == 0)
            return true;
    return false;
}

/* What all grants that cover the NAF_Id allow together. */
#define PERMIT_SETS 16
typedef struct permit {
    bool allowed, impi;
    const char *name; /* that it was granted to */
    /* services whose settings may be released, each set for one NAF group */
    struct {
        char group[REC_NAF_GROUP_MAX + 1];
        size_t n;
        uint32_t service[REC_NAF_SERVICES];
    } set[PERMIT_SETS];
    size_t n_sets; /* further ones release nothing */
} permit;

static void permit_services(permit *p, const rec_grant *g)
{
    if (!g->n_service || p->n_sets == PERMIT_SETS)
        return;
    memcpy(p->set[p->n_sets].group, g->naf_group, sizeof g->naf_group);
    memcpy(p->set[p->n_sets].service, g->service, sizeof g->service);
    p->set[p->n_sets++].n = g->n_service;
}

static void permit_add(permit *p, const gba_fqdn *name, const rec_grant *grant, size_t n, const gba_naf_id *asked)
{
    for (size_t i = 0; i < n; i++) {
        const rec_grant *g = &grant[i];
        if (!fqdn_covers(&g->fqdn, &asked->fqdn) || !ua_covers(g, &asked->ua))
            continue;
        p->allowed = true;
        p->impi |= g->impi;
        permit_services(p, g);
        if (!p->name)
            p->name = name->s;
    }
}

static known_set *known_lock(zn *z, const gba_fqdn *name, pthread_mutex_t **lock)
{
    size_t i = bsf_hash(&z->hash, name->s, strlen(name->s)) % SETS;
    *lock = &z->lock[i % LOCKS];
    pthread_mutex_lock(*lock);
    return &z->known[i];
}

static known_naf *known_find(known_set *set, const gba_fqdn *name)
{
    for (size_t i = 0; i < WAYS; i++)
        if (strcmp(set->way[i].name.s, name->s) == 0)
            return &set->way[i];
    return NULL;
}

/* The name as it is known, or the one in the set that was asked for longest ago makes room. */
static void known_keep(zn *z, const gba_fqdn *name, uint64_t count, int64_t expiry, const rec_naf *naf)
{
    rec_grant *grant = naf->n ? malloc(naf->n * sizeof *grant) : NULL;
    pthread_mutex_t *lock;

    if (naf->n && !grant)
        return;
    if (grant)
        memcpy(grant, naf->grant, naf->n * sizeof *grant);
    known_set *set = known_lock(z, name, &lock);
    known_naf *at = known_find(set, name);
    for (size_t i = 0; i < WAYS && !(at && strcmp(at->name.s, name->s) == 0); i++)
        if (!at || set->way[i].used < at->used)
            at = &set->way[i];
    free(at->grant);
    *at =
        (known_naf){.name = *name, .count = count, .expiry = expiry, .used = ++set->turn, .n = naf->n, .grant = grant};
    pthread_mutex_unlock(lock);
}

/* The grants of a name from the store, none for a name that it lacks. */
static gba_err granted_read(zn *z, const gba_fqdn *name, const gba_naf_id *asked, int64_t now, permit *p)
{
    uint64_t count = store_change_count_of(z->store, STORE_NAF); /* before it is read */
    store_record rec = {0};
    rec_naf *naf = calloc(1, sizeof *naf);
    gba_err e = naf ? store_get(z->store, STORE_NAF, gba_str(name->s), now, &rec) : GBA_E_NOMEM;

    if (e == GBA_OK)
        e = rec_naf_read(gba_mem(rec.value, rec.n), naf);
    else if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        e = GBA_OK;
    if (e == GBA_OK) {
        permit_add(p, name, naf->grant, naf->n, asked);
        known_keep(z, name, count, rec.expiry, naf);
    }
    store_record_free(&rec);
    free(naf);
    return e;
}

/* FORBIDDEN is no error here, but p->allowed == false. */
static gba_err permit_of(zn *z, const gba_fqdn *name, const gba_naf_id *asked, int64_t now, permit *p)
{
    uint64_t count = store_change_count_of(z->store, STORE_NAF);
    pthread_mutex_t *lock;
    known_set *set = known_lock(z, name, &lock);
    known_naf *of = known_find(set, name);
    bool good = of && of->count == count && !(of->expiry && of->expiry <= now);

    if (good) {
        of->used = ++set->turn;
        permit_add(p, name, of->grant, of->n, asked);
    }
    pthread_mutex_unlock(lock);
    return good ? GBA_OK : granted_read(z, name, asked, now, p);
}

/* TS 33.220 4.5.3: the NAF's name in its certificate decides which NAF_Ids it may use. */
static gba_err authorise(zn *z, const zn_query *q, int64_t now, permit *p)
{
    if (q->n_names == 0)
        return GBA_E_AUTH;
    for (size_t i = 0; i < q->n_names; i++) {
        gba_err e = permit_of(z, &q->names[i], &q->naf_id, now, p);
        if (e != GBA_OK)
            return e;
    }
    return p->allowed ? GBA_OK : GBA_E_FORBIDDEN;
}

/* ---- session and keys ---- */
static gba_err find_session(zn *z, const gba_btid *btid, int64_t now, rec_session *out)
{
    store_record rec = {0};
    gba_err e = store_get_recent(z->store, STORE_SESSION, gba_str(btid->s), now, &rec);
    if (e == GBA_OK)
        e = rec_session_read(gba_mem(rec.value, rec.n), out);
    store_record_free(&rec);
    if (e != GBA_OK)
        return e;
    if (out->tombstone)
        return GBA_E_UNKNOWN; /* revoked or superseded */
    return out->expires <= now ? GBA_E_EXPIRED : GBA_OK;
}

static gba_err derive(const zn_query *q, const rec_session *s, zn_answer *out)
{
    gba_span rand = GBA_SPAN(s->rand);
    if (s->gba_type > 2) /* GBA_Digest derives from a nonce (TS 33.220 B.6) */
        return GBA_E_UNSUPPORTED;
    gba_err e = gba_ks_naf(GBA_KS_NAF, &s->ks, rand, &s->impi, &q->naf_id, &out->me_key);
    if (e == GBA_OK && s->gba_type == 1 && q->gba_u_aware) /* TS 33.220 5.3.3 */
        e = gba_ks_naf(GBA_KS_INT_NAF, &s->ks, rand, &s->impi, &q->naf_id, &out->uicc_key);
    return e;
}

/* ---- user security settings (TS 33.220 4.5.3) ---- */
static gba_err subscriber_guss(zn *z, const gba_impi *impi, int64_t now, gba_guss *out)
{
    store_record rec = {0};
    gba_err e = store_get(z->store, STORE_GUSS, gba_str(impi->s), now, &rec);
    if (e == GBA_OK)
        e = gba_guss_parse(gba_mem(rec.value, rec.n), out);
    store_record_free(&rec);
    return e;
}

/* Of one grant's services those that were asked for. */
static size_t wanted(const zn_query *q, const uint32_t *service, size_t n, uint32_t out[REC_NAF_SERVICES])
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < q->n_gsids; j++)
            if (service[i] == q->gsid[j]) {
                out[k++] = service[i];
                break;
            }
    return k;
}

static bool same_uss(const gba_uss *a, const gba_uss *b)
{
    return a->gsid == b->gsid && strcmp(a->naf_group, b->naf_group) == 0;
}

static void add_settings(zn_answer *out, const gba_uss *found, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < out->n_uss && !same_uss(&out->uss[k], &found[i]))
            k++;
        if (k == out->n_uss && k < GBA_USS_MAX)
            out->uss[out->n_uss++] = found[i];
    }
}

/* A GUSS that cannot be read releases nothing, and withholds no key. */
static gba_err settings(zn *z, const zn_query *q, const permit *p, const gba_impi *impi, int64_t now, zn_answer *out)
{
    if (!q->n_gsids || !p->n_sets)
        return GBA_OK;
    gba_guss *g = calloc(1, sizeof *g);
    gba_uss *found = calloc(GBA_USS_MAX, sizeof *found);
    out->uss = calloc(GBA_USS_MAX, sizeof *out->uss);
    gba_err e = g && found && out->uss ? subscriber_guss(z, impi, now, g) : GBA_E_NOMEM;
    for (size_t i = 0; e == GBA_OK && i < p->n_sets; i++) {
        uint32_t gsid[REC_NAF_SERVICES];
        size_t n = wanted(q, p->set[i].service, p->set[i].n, gsid);
        if (n)
            add_settings(out, found, gba_guss_select(g, gsid, n, p->set[i].group, found));
    }
    free(g);
    free(found);
    if (!out->n_uss) {
        free(out->uss);
        out->uss = NULL;
    }
    if (e == GBA_E_SYNTAX || e == GBA_E_RANGE || e == GBA_E_CORRUPT)
        log_event(LOG_LEVEL_WARN, "zn.guss_unusable", "impi", impi->s, "error", gba_err_name(e), NULL);
    return e == GBA_E_NOMEM || e == GBA_E_IO || e == GBA_E_BUSY ? e : GBA_OK;
}

static gba_err release(zn *z, const zn_query *q, int64_t now, permit *p, zn_answer *out)
{
    rec_session s = {0};
    gba_err e = authorise(z, q, now, p);
    if (e == GBA_OK)
        e = find_session(z, &q->btid, now, &s);
    if (e == GBA_OK)
        e = derive(q, &s, out);
    if (e == GBA_OK) {
        out->created = s.created;
        out->expires = s.expires;
        out->gba_type = s.gba_type;
        if (p->impi)
            out->impi = s.impi;
        e = settings(z, q, p, &s.impi, now, out);
    }
    rec_session_wipe(&s);
    return e;
}

/* ---- the books ---- */
static int result_of(gba_err e)
{
    switch (e) {
    case GBA_OK:
        return R_RELEASED;
    case GBA_E_AUTH:
        return R_UNAUTHENTICATED;
    case GBA_E_FORBIDDEN:
        return R_UNAUTHORISED;
    case GBA_E_UNKNOWN:
        return R_UNKNOWN;
    case GBA_E_EXPIRED:
        return R_EXPIRED;
    case GBA_E_UNSUPPORTED:
        return R_UNSUPPORTED;
    default:
        return R_FAILED;
    }
}

gba_err zn_release(zn *z, const zn_query *q, int64_t now, zn_answer *out, zn_print *print, void *ctx)
{
    permit p = {0};
    char ua[2 * sizeof q->naf_id.ua.o + 1];

    memset(out, 0, sizeof *out);
    gba_err e = release(z, q, now, &p, out);
    int r = result_of(e);
    if (e == GBA_OK && print && (e = print(ctx, out)) != GBA_OK)
        r = R_FAILED;
    if (e != GBA_OK)
        zn_answer_wipe(out);

    const char *naf = p.name ? p.name : q->n_names ? q->names[0].s : NULL;
    gba_hex_encode(q->naf_id.ua.o, sizeof q->naf_id.ua.o, ua);
    log_event(LOG_LEVEL_AUDIT, e == GBA_OK ? "zn.key_released" : "zn.key_refused", "naf", naf ? naf : "", "naf_id",
              q->naf_id.fqdn.s, "ua", ua, "btid", q->btid.s, "source", q->source ? q->source : "", "reason",
              e == GBA_OK ? NULL : result_names[r], NULL);
    if (r == R_FAILED)
        log_event(LOG_LEVEL_ERROR, "zn.failed", "error", gba_err_name(e), "text", gba_err_text(e), NULL);
    metric_add(results[r], 1);
    return e;
}

void zn_refused(const char *naf, const char *source, const char *reason)
{
    int r = R_MALFORMED;
    pthread_once(&results_once, register_results);
    for (int i = 0; i < N_RESULTS; i++)
        if (strcmp(reason, result_names[i]) == 0)
            r = i;
    log_event(LOG_LEVEL_AUDIT, "zn.key_refused", "naf", naf ? naf : "", "source", source ? source : "", "reason",
              result_names[r], NULL);
    metric_add(results[r], 1);
}
