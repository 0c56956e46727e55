/* SPDX-License-Identifier: Apache-2.0 */
/* av_zh.c - Multimedia-Auth towards the HSS, with a second attempt at another peer. */
#include "bsf/av_zh.h"
#include "service/daemon.h"
#include "service/fd_stack.h"
#include "service/metrics.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 2000
#define ATTEMPTS 2

struct zh {
    av_source base;
    store *store;
    gba_fqdn realm;
    gba_fqdn host[AV_ZH_HOSTS];
    size_t n_hosts;
    unsigned timeout_ms;
    atomic_uint busy_until; /* monotonic s: the HSS said TOO_BUSY */
    metric *results[7];
    metric *seconds;
};

enum { R_OK, R_UNKNOWN, R_REFUSED, R_AUTS, R_BUSY, R_TIMEOUT, R_ERROR };
static const char *const result_names[] = {"ok", "unknown", "refused", "auts_wrong", "busy", "timeout", "error"};

/* One question to the HSS, freed when its answer has been told. */
struct ask {
    struct zh *zh;
    gba_mar mar;
    unsigned attempt;
    int64_t began_ms;
    bool silent;     /* the last one asked did not answer */
    char tried[256]; /* the peer that did not answer */
    av_done *done;
    void *ctx;
};

static void on_answer(void *ctx, gba_err err, const gba_dia_list *in, const char *peer);

/* The other peer, when the first one was silent; NULL: by realm. */
static const char *alternate(const struct ask *a)
{
    if (!a->tried[0])
        return NULL;
    for (size_t i = 0; i < a->zh->n_hosts; i++)
        if (strcasecmp(a->zh->host[i].s, a->tried))
            return a->zh->host[i].s;
    return NULL;
}

static gba_err send_mar(struct ask *a)
{
    gba_dia_list *l = gba_dia_list_new();
    gba_err e;

    if (!l)
        return GBA_E_NOMEM;
    e = gba_mar_write(&a->mar, l);
    if (e == GBA_OK)
        e = fd_send(GBA_DIA_ZH, GBA_DIA_MULTIMEDIA_AUTH, a->zh->realm.s, alternate(a), l, a->zh->timeout_ms, on_answer,
                    a);
    gba_dia_list_wipe(l);
    free(l);
    return e;
}

static void finish(struct ask *a, gba_err e, const av_result *r)
{
    int k = e == GBA_OK            ? R_OK
            : e == GBA_E_UNKNOWN   ? R_UNKNOWN
            : e == GBA_E_FORBIDDEN ? R_REFUSED
            : e == GBA_E_AUTH      ? R_AUTS
            : e == GBA_E_BUSY      ? R_BUSY
            : a->silent            ? R_TIMEOUT
                                   : R_ERROR;
    metric_add(a->zh->results[k], 1);
    metric_observe(a->zh->seconds, (double)(service_mono_ms() - a->began_ms) / 1e3);
    a->done(a->ctx, e, r);
    gba_wipe(a, sizeof *a);
    free(a);
}

static void guss_kept(void *ctx, gba_err e, size_t failed)
{
    (void)ctx, (void)failed;
    if (e != GBA_OK)
        log_event(LOG_LEVEL_WARN, "zh.guss_not_stored", "error", gba_err_name(e), NULL);
}

/* A GUSS that came along replaces the one we hold; a damaged one is left aside, and said. */
static int64_t keep_guss(struct zh *zh, const gba_impi *impi, gba_span xml)
{
    gba_guss *g = calloc(1, sizeof *g);
    int64_t lifetime = 0;
    gba_err e = g ? gba_guss_parse(xml, g) : GBA_E_NOMEM;
    store_op op = {.type = STORE_PUT, .kind = STORE_GUSS, .key = gba_str(impi->s), .value = xml};

    if (e == GBA_OK) {
        lifetime = g->lifetime;
        e = store_submit(zh->store, &op, 1, service_now(), guss_kept, NULL);
    }
    if (e != GBA_OK)
        log_event(LOG_LEVEL_WARN, "zh.guss_unusable", "impi", impi->s, "error", gba_err_name(e), NULL);
    free(g);
    return lifetime;
}

static void held_guss(struct zh *zh, const gba_impi *impi, int64_t *timestamp, int64_t *lifetime)
{
    store_record r = {0};
    gba_guss *g = calloc(1, sizeof *g);

    *timestamp = *lifetime = 0;
    if (g && store_get(zh->store, STORE_GUSS, gba_str(impi->s), service_now(), &r) == GBA_OK) {
        if (gba_guss_parse(gba_mem(r.value, r.n), g) == GBA_OK) {
            *timestamp = g->timestamp;
            *lifetime = g->lifetime;
        }
        store_record_free(&r);
    }
    free(g);
}

static void use_answer(struct ask *a, gba_maa *m)
{
    av_result r = {0};
    int64_t held;

    memcpy(r.vector.rand, m->rand, 16);
    memcpy(r.vector.autn, m->autn, 16);
    r.vector.xres = m->xres;
    r.vector.ck = m->ck;
    r.vector.ik = m->ik;
    held_guss(a->zh, &a->mar.impi, &held, &r.lifetime);
    if (m->guss.p)
        r.lifetime = keep_guss(a->zh, &a->mar.impi, m->guss);
    finish(a, GBA_OK, &r);
    gba_vector_wipe(&r.vector);
}

/* What made an answer malformed, for the operator's line; NULL: nothing that has a name. */
static const char *avp_name(uint32_t code)
{
    const gba_dia_def *d = gba_dia_find(code, GBA_DIA_VENDOR);
    if (!d)
        d = gba_dia_find(code, 0);
    return d ? d->name : NULL;
}

/* What an HSS's word means here; `again`: another peer may know better. */
static gba_err judge(struct ask *a, gba_err e, const gba_maa *m, const char *peer, bool *again)
{
    gba_err meaning = e == GBA_OK ? gba_dia_meaning(m->result) : e;

    *again = false;
    if (meaning == GBA_E_AUTH && !a->mar.resync)
        meaning = GBA_E_IO; /* 5012 without an AUTS: it cannot, for a reason of its own */
    if (meaning == GBA_OK || meaning == GBA_E_UNKNOWN || meaning == GBA_E_FORBIDDEN || meaning == GBA_E_AUTH)
        return meaning;
    if (meaning == GBA_E_BUSY && e == GBA_OK)
        return GBA_E_BUSY; /* overload: do not add to it */
    *again = true;
    log_event(LOG_LEVEL_WARN, a->silent ? "zh.timeout" : "zh.failed", "peer", peer, "result",
              e == GBA_OK ? gba_dia_result_name(m->result) : gba_err_name(e), "avp",
              e == GBA_E_SYNTAX ? avp_name(m->fault) : NULL, "impi", a->mar.impi.s, NULL);
    return meaning == GBA_E_SYNTAX ? GBA_E_SYNTAX : GBA_E_IO;
}

static gba_err read_answer(const struct ask *a, const gba_dia_list *in, gba_maa *m)
{
    gba_err e = gba_maa_read(in, m);

    if (e == GBA_OK && m->impi.s[0] && strcmp(m->impi.s, a->mar.impi.s)) {
        m->fault = GBA_DIA_USER_NAME; /* a vector of somebody else */
        e = GBA_E_SYNTAX;
    }
    return e;
}

static void on_answer(void *ctx, gba_err err, const gba_dia_list *in, const char *peer)
{
    struct ask *a = ctx;
    gba_maa m = {0};
    bool again;

    a->silent = err == GBA_E_BUSY;
    gba_err e = judge(a, err == GBA_OK ? read_answer(a, in, &m) : err, &m, peer, &again);
    if (e == GBA_OK) {
        use_answer(a, &m);
    } else if (again && ++a->attempt < ATTEMPTS) {
        snprintf(a->tried, sizeof a->tried, "%s", peer ? peer : "");
        if (send_mar(a) != GBA_OK)
            finish(a, GBA_E_IO, NULL);
    } else {
        if (e == GBA_E_BUSY)
            atomic_store(&a->zh->busy_until, (unsigned)(service_mono_ms() / 1000 + 1));
        finish(a, e, NULL);
    }
    gba_maa_wipe(&m);
}

static void zh_fetch(av_source *s, const gba_impi *impi, const av_resync *resync, av_done *done, void *ctx)
{
    struct zh *zh = (struct zh *)s;
    struct ask *a = calloc(1, sizeof *a);
    int64_t lifetime;
    gba_err e = GBA_E_BUSY;

    if (!a) {
        done(ctx, GBA_E_NOMEM, NULL);
        return;
    }
    a->zh = zh;
    a->mar.impi = *impi;
    a->done = done;
    a->ctx = ctx;
    a->began_ms = service_mono_ms();
    if (resync) {
        a->mar.resync = true;
        memcpy(a->mar.rand, resync->rand, 16);
        memcpy(a->mar.auts, resync->auts, 14);
    }
    if (atomic_load(&zh->busy_until) <= (unsigned)(service_mono_ms() / 1000)) {
        held_guss(zh, impi, &a->mar.guss_timestamp, &lifetime);
        e = send_mar(a);
    }
    if (e != GBA_OK)
        finish(a, e, NULL);
}

static gba_err zh_recompute(av_source *s, const gba_impi *impi, const uint8_t rand[16], av_result *out)
{
    (void)s, (void)impi, (void)rand, (void)out;
    return GBA_E_UNSUPPORTED; /* K stays in the HSS: the challenge carries XRES and Ks, sealed */
}

static gba_err zh_health(av_source *s, char *why, size_t why_n)
{
    struct zh *zh = (struct zh *)s;
    bool open = !zh->n_hosts && fd_stack_reaches(zh->realm.s, NULL);
    for (size_t i = 0; i < zh->n_hosts && !open; i++)
        open = fd_stack_reaches(zh->realm.s, zh->host[i].s);
    if (open)
        return GBA_OK;
    snprintf(why, why_n,
             "no HSS is connected: look for diameter.peer_up and diameter.peer_down events, and at diameter.peers in "
             "the configuration");
    return GBA_E_IO;
}

static void zh_free(av_source *s)
{
    free(s);
}

static const av_ops ops = {"zh", zh_fetch, zh_recompute, zh_health, zh_free};

gba_err av_zh_new(const av_zh_config *c, av_source **out)
{
    struct zh *zh = calloc(1, sizeof *zh);
    char label[64];
    gba_err e;

    *out = NULL;
    if (!zh)
        return GBA_E_NOMEM;
    zh->base.ops = &ops;
    zh->store = c->store;
    zh->timeout_ms = c->timeout_ms ? c->timeout_ms : TIMEOUT_MS;
    e = gba_fqdn_parse(gba_str(c->realm), &zh->realm);
    for (size_t i = 0; e == GBA_OK && i < c->n_hosts && i < AV_ZH_HOSTS; i++)
        e = gba_fqdn_parse(gba_str(c->hosts[i]), &zh->host[zh->n_hosts++]);
    if (e != GBA_OK) {
        free(zh);
        return e;
    }
    for (size_t i = 0; i < sizeof result_names / sizeof *result_names; i++) {
        snprintf(label, sizeof label, "result=\"%s\"", result_names[i]);
        zh->results[i] = metric_counter("gba_zh_total", label, "Multimedia-Auth requests to the HSS by outcome");
    }
    zh->seconds = metric_histogram("gba_zh_seconds", NULL, "time until the HSS's outcome was known");
    *out = &zh->base;
    return GBA_OK;
}
