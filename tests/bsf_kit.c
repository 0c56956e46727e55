/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bsf_kit.h"
#include <dirent.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/t.h"

int64_t kit_now_ms = INT64_C(1795600800000);

static int64_t now_hook(void)
{
    return __atomic_load_n(&kit_now_ms, __ATOMIC_RELAXED);
}

static void must(gba_err e, const char *what)
{
    if (e == GBA_OK)
        return;
    fprintf(stderr, "bsf_kit: %s: %s\n", what, gba_err_text(e));
    abort();
}

static void open_store(kit *k, bool again)
{
    char url[96], key[96], why[256] = "";

    if (!again) {
        snprintf(k->dir, sizeof k->dir, "/tmp/gba-bsf-XXXXXX");
        if (!mkdtemp(k->dir))
            abort();
    }
    snprintf(url, sizeof url, "sqlite:%s/bsf.db", k->dir);
    snprintf(key, sizeof key, "%s/seal", k->dir);
    if (!again)
        must(store_key_file_create(key, why, sizeof why), why);
    store_config c = {.url = url, .key_file = key, .create = true};
    must(store_open(&c, &k->store, why, sizeof why), why);
}

void kit_open(kit *k, const kit_options *o, bool again)
{
    static const kit_options none;
    char why[256] = "";
    kit was = *k;

    if (!o)
        o = &none;
    memset(k, 0, sizeof *k);
    if (again)
        memcpy(k->dir, was.dir, sizeof k->dir);
    service_now_ms_hook = now_hook;
    log_setup("test", getenv("KIT_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_AUDIT, LOG_TEXT);
    must(gba_fqdn_parse(gba_str(o->domain ? o->domain : KIT_DOMAIN), &k->domain), "domain");
    open_store(k, again);
    must(av_local_new(k->store, o->ind, &k->av, why, sizeof why), why);
    challenge_config cc = {.store = k->store,
                           .realm = k->domain,
                           .bsf = k->domain,
                           .in_opaque = o->in_opaque,
                           .lifetime_ms = KIT_NONCE_S * 1000,
                           .tolerance_ms = 5000};
    must(challenge_ring_new(&cc, kit_now_ms, &k->ring), "ring");
    limits_config lc = {.source_rate = o->source_rate,
                        .source_burst = 5,
                        .impi_challenges = o->impi_challenges ? o->impi_challenges : 1000,
                        .impi_window = 60,
                        .wrong_answers = 3,
                        .nonce_lifetime_ms = KIT_NONCE_S * 1000,
                        .tolerance_ms = 5000};
    must(limits_new(&lc, &k->limits), "limits");
    sessions_config sc = {.store = k->store, .bsf = k->domain, .keep_s = KIT_NONCE_S + 6, .tolerance_ms = 5000};
    must(sessions_new(&sc, &k->sessions), "sessions");
    ub_config uc = {.store = k->store,
                    .av = k->av,
                    .ring = k->ring,
                    .limits = k->limits,
                    .sessions = k->sessions,
                    .domain = k->domain,
                    .lifetime = 86400,
                    .nonce_lifetime = KIT_NONCE_S,
                    .min_res_bits = o->min_res_bits ? o->min_res_bits : 64,
                    .tmpi = !o->no_tmpi,
                    .algorithm_optional = o->algorithm_optional,
                    .unknown_status = o->not_found ? 404 : 403};
    must(ub_new(&uc, &k->ub), "ub");
}

void kit_remove(kit *k)
{
    DIR *d = opendir(k->dir);
    struct dirent *e;
    char path[512];

    while (d && (e = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", k->dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(k->dir);
}

void kit_close(kit *k, bool keep_folder)
{
    while (ub_pending(k->ub))
        usleep(1000);
    ub_free(&k->ub);
    sessions_free(&k->sessions);
    limits_free(&k->limits);
    challenge_ring_free(&k->ring);
    k->av->ops->free(k->av);
    store_close(&k->store);
    if (!keep_folder)
        kit_remove(k);
}

gba_impi kit_impi(const char *text)
{
    gba_impi i;
    must(gba_impi_parse(gba_str(text), &i), text);
    return i;
}

/* ---- subscribers ---- */

static void key_of(gba_aka_key *key, const char *k, const char *opc)
{
    memset(key, 0, sizeof *key);
    key->algorithm = GBA_MILENAGE;
    key->k = t_secret(k);
    key->opc = t_secret(opc);
    must(gba_aka_key_check(key), "key");
}

void kit_subscriber_put(kit *k, const char *impi, const rec_subscriber *sub)
{
    uint8_t value[REC_MAX];
    size_t n = sizeof value, failed;
    must(rec_subscriber_write(sub, value, &n), "record");
    store_op op = {.type = STORE_PUT, .kind = STORE_SUBSCRIBER, .key = gba_str(impi), .value = gba_mem(value, n)};
    must(store_write(k->store, &op, 1, kit_now_ms / 1000, &failed), "store");
}

void kit_subscriber_get(kit *k, const char *impi, rec_subscriber *out)
{
    store_record r = {0};
    must(store_get(k->store, STORE_SUBSCRIBER, gba_str(impi), kit_now_ms / 1000, &r), "subscriber");
    must(rec_subscriber_read(gba_mem(r.value, r.n), out), "record");
    store_record_free(&r);
}

void kit_subscriber(kit *k, const char *impi, const char *key, const char *opc, const char *amf, uint64_t sqn)
{
    rec_subscriber sub = {.sqn_initial = sqn, .seq_offset = seq_offset_for(sqn, kit_now_ms), .created = kit_now_ms / 1000};
    key_of(&sub.key, key, opc);
    t_hex_into(amf, sub.amf, 2);
    kit_subscriber_put(k, impi, &sub);
    rec_subscriber_wipe(&sub);
}

/* ---- requests ---- */

typedef struct wait {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    kit_reply *out;
} wait;

static void copy(char *to, size_t n, const char *from)
{
    if (from && strlen(from) >= n)
        abort();
    snprintf(to, n, "%s", from ? from : "");
}

static void on_reply(void *ctx, const ub_answer *a)
{
    wait *w = ctx;
    kit_reply *r = w->out;

    memset(r, 0, sizeof *r);
    r->status = a->status;
    copy(r->www, sizeof r->www, a->www_authenticate);
    copy(r->info, sizeof r->info, a->authentication_info);
    copy(r->expires, sizeof r->expires, a->expires);
    copy(r->allow, sizeof r->allow, a->allow);
    copy(r->retry, sizeof r->retry, a->retry_after);
    copy(r->type, sizeof r->type, a->content_type);
    copy(r->server, sizeof r->server, a->server);
    if (a->body.n >= sizeof r->body)
        abort();
    if (a->body.n)
        memcpy(r->body, a->body.p, a->body.n);
    r->body_n = a->body.n;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

void kit_send(kit *k, const kit_ask *a, kit_reply *out)
{
    wait w = {.out = out};
    ub_request r = {
        .method = a->method ? a->method : "GET",
        .target = a->target ? a->target : "/",
        .authorization = a->authorization,
        .n_authorization = a->n_authorization ? a->n_authorization : a->authorization != NULL,
        .user_agent = a->user_agent,
        .body = gba_str(a->body),
        .source_text = "192.0.2.1",
        .exempt = a->exempt,
    };
    r.source[10] = r.source[11] = 0xff;
    r.source[15] = a->source;
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.cond, NULL);
    ub_handle(k->ub, &r, on_reply, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_mutex_destroy(&w.lock);
    pthread_cond_destroy(&w.cond);
}

void kit_get(kit *k, const char *authorization, kit_reply *out)
{
    kit_ask a = {.authorization = authorization};
    kit_send(k, &a, out);
}

/* ---- the UE ---- */

void kit_ue_new(kit_ue *u, const char *impi, const char *key, const char *opc, uint64_t sqn_ms)
{
    memset(u, 0, sizeof *u);
    copy(u->username, sizeof u->username, impi);
    key_of(&u->key, key, opc);
    gba_sqn_accept(&gba_sqn_default, &u->array, sqn_ms);
}

void kit_ue_free(kit_ue *u)
{
    gba_aka_key_wipe(&u->key);
    gba_card_answer_wipe(&u->card);
}

void kit_initial(const char *username, char *out, size_t n)
{
    snprintf(out, n, "Digest username=\"%s\", realm=\"%s\", nonce=\"\", uri=\"/\", response=\"\"", username, KIT_DOMAIN);
}

gba_err kit_ue_challenge(kit_ue *u, const kit_reply *r)
{
    gba_span rest = gba_str(r->www);
    gba_err e = gba_challenge_next(&rest, &u->ch);

    if (e == GBA_OK)
        e = gba_aka_nonce_parse(u->ch.nonce, &u->nonce);
    if (e != GBA_OK)
        return e;
    gba_card_answer_wipe(&u->card);
    return gba_aka_card(&u->key, &gba_sqn_default, &u->array, u->nonce.rand, u->nonce.autn, false, &u->card);
}

static gba_span or(const char *lie, gba_span truth)
{
    return lie ? gba_str(lie) : truth;
}

void kit_ue_answer(const kit_ue *u, const kit_lie *lie, char *out, size_t n)
{
    static const kit_lie honest;
    gba_authorization a;
    char hex[65];
    gba_secret none = {0};

    if (!lie)
        lie = &honest;
    memset(&a, 0, offsetof(gba_authorization, store));
    a.algorithm = lie->algorithm ? lie->algorithm : GBA_DIGEST_AKAV1_MD5;
    a.algorithm_given = true;
    a.qop = lie->qop ? lie->qop : GBA_QOP_AUTH_INT;
    a.nc = lie->nc ? lie->nc : 1;
    a.nc_given = true;
    a.username = or(lie->username, gba_str(u->username));
    a.realm = or(lie->realm, u->ch.realm);
    a.nonce = or(lie->nonce, u->ch.nonce);
    a.opaque = or(lie->opaque, u->ch.opaque);
    a.uri = or(lie->uri, gba_str("/"));
    a.cnonce = or(lie->cnonce, gba_str("008f1eb6809e6d0d"));
    if (lie->auts)
        a.auts = gba_str(lie->auts);
    gba_digest_message m = {.method = gba_str(lie->method ? lie->method : "GET"), .uri = a.uri, .body = gba_str(lie->body)};
    const gba_secret *password = lie->password ? lie->password : lie->auts ? &none : &u->card.res;
    must(gba_digest_response(&a, &m, gba_secret_span(password), hex), "response");
    a.response = gba_str(hex);
    must(gba_authorization_print(&a, out, &n), "authorization");
}

void kit_bootstrap(kit *k, kit_ue *u, const char *user_agent, kit_reply *r, char *answer, size_t n)
{
    char buf[2048];
    kit_ask a = {.authorization = buf, .user_agent = user_agent};

    kit_initial(u->username, buf, sizeof buf);
    kit_send(k, &a, r);
    if (r->status != 401 || kit_ue_challenge(u, r) != GBA_OK)
        return;
    kit_ue_answer(u, NULL, buf, sizeof buf);
    if (answer)
        copy(answer, n, buf);
    kit_send(k, &a, r);
}
