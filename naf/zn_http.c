/* SPDX-License-Identifier: Apache-2.0 */
/* zn_http.c - Zn over HTTP (TS 29.309): one blocking query on a pool of kept-alive libcurl handles. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <strings.h>
#include <gba/naf_zn_http.h>

#define PATH "/nbsp-gba/v1/bootstrapping-info-retrieval"
#define REQUEST_MAX 2048

typedef struct bsf {
    gba_fqdn domain;
    char *url;
} bsf;
/* A handle keeps its connections alive between queries. */
typedef struct carrier {
    CURL *curl;
    struct carrier *next;
} carrier;
struct gba_naf_zn_http {
    bsf *bsfs;
    size_t n_bsfs;
    char *ca, *cert, *key, *agent;
    unsigned connect_ms, total_ms, idle_max;
    bool allow_http;
    uint32_t gsids[GBA_NAF_ZN_GSIDS];
    size_t n_gsids;
    struct curl_slist *headers;
    pthread_mutex_t lock;
    carrier *idle;
    unsigned n_idle;
    atomic_bool stopping;
};
typedef struct answer {
    uint8_t *p;
    size_t n, room;
    bool no_memory;
} answer;

static const char no_memory[] = "out of memory", no_curl[] = "libcurl cannot start";

static const char *take_bsfs(gba_naf_zn_http *z, const gba_naf_zn_http_config *c)
{
    if (!c->n_bsfs || c->n_bsfs > GBA_NAF_BSFS)
        return "one BSF at least, and 64 at most";
    z->bsfs = calloc(c->n_bsfs, sizeof *z->bsfs);
    if (!z->bsfs)
        return no_memory;
    for (; z->n_bsfs < c->n_bsfs; z->n_bsfs++) {
        const char *url = c->bsfs[z->n_bsfs].url;
        bsf *b = &z->bsfs[z->n_bsfs];
        if (gba_fqdn_parse(gba_str(c->bsfs[z->n_bsfs].domain), &b->domain) != GBA_OK)
            return "a BSF domain is no FQDN";
        if (!url || !(!strncasecmp(url, "https://", 8) || (c->allow_http && !strncasecmp(url, "http://", 7))))
            return "a BSF URL does not begin with https://";
        size_t n = strlen(url);
        while (n && url[n - 1] == '/')
            n--;
        size_t room = n + sizeof PATH;
        b->url = malloc(room);
        if (!b->url)
            return no_memory; /* [n_bsfs] holds nothing yet */
        snprintf(b->url, room, "%.*s%s", (int)n, url, PATH);
    }
    return NULL;
}

static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool add_header(gba_naf_zn_http *z, const char *line)
{
    struct curl_slist *l = curl_slist_append(z->headers, line);
    if (l)
        z->headers = l;
    return l;
}

gba_err gba_naf_zn_http_new(const gba_naf_zn_http_config *c, gba_naf_zn_http **out, const char **why)
{
    const char *none;
    if (!why)
        why = &none;
    *out = NULL;
    gba_naf_zn_http *z = calloc(1, sizeof *z);
    if (!z) {
        *why = no_memory;
        return GBA_E_NOMEM;
    }
    pthread_mutex_init(&z->lock, NULL);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* counted by libcurl: harmless when the host did it */
        *why = no_curl;
    else
        *why = NULL;
    z->connect_ms = c->connect_ms ? c->connect_ms : 2000;
    z->total_ms = c->total_ms ? c->total_ms : 5000;
    z->idle_max = c->connections ? c->connections : 8;
    z->allow_http = c->allow_http;
    for (; z->n_gsids < c->n_gsids && z->n_gsids < GBA_NAF_ZN_GSIDS; z->n_gsids++)
        z->gsids[z->n_gsids] = c->gsids[z->n_gsids];
    if (!*why && c->n_gsids > GBA_NAF_ZN_GSIDS)
        *why = "too many GAA services";
    if (!*why)
        *why = take_bsfs(z, c);
    if (!*why && (!copy(&z->ca, c->ca_file) || !copy(&z->cert, c->cert_file) || !copy(&z->key, c->key_file) ||
                  !copy(&z->agent, c->user_agent ? c->user_agent : "OpenGBA-NAF") ||
                  !add_header(z, "Content-Type: application/json") ||
                  !add_header(z, "Accept: application/json, application/problem+json") || !add_header(z, "Expect:")))
        *why = no_memory;
    if (*why) {
        gba_err e = *why == no_memory ? GBA_E_NOMEM : *why == no_curl ? GBA_E_IO : GBA_E_ARG;
        gba_naf_zn_http_free(&z);
        return e;
    }
    *out = z;
    return GBA_OK;
}

static void carrier_free(carrier *k)
{
    curl_easy_cleanup(k->curl);
    free(k);
}

void gba_naf_zn_http_free(gba_naf_zn_http **zp)
{
    gba_naf_zn_http *z = *zp;
    *zp = NULL;
    if (!z)
        return;
    for (carrier *k; (k = z->idle);) {
        z->idle = k->next;
        carrier_free(k);
    }
    for (size_t i = 0; i < z->n_bsfs; i++)
        free(z->bsfs[i].url);
    free(z->bsfs);
    curl_slist_free_all(z->headers);
    free(z->ca);
    free(z->cert);
    free(z->key);
    free(z->agent);
    pthread_mutex_destroy(&z->lock);
    free(z);
}

static void answer_free(answer *a)
{
    if (a->p)
        gba_wipe(a->p, a->room);
    free(a->p);
    *a = (answer){0};
}

/* Grown by hand: realloc could leave a copy of the key behind. */
static bool answer_grow(answer *a, size_t need)
{
    size_t room = a->room ? a->room : 4096;
    while (room < need)
        room *= 2;
    if (room == a->room)
        return true;
    uint8_t *p = malloc(room);
    if (!p)
        return false;
    size_t n = a->n;
    if (n)
        memcpy(p, a->p, n);
    answer_free(a);
    *a = (answer){.p = p, .n = n, .room = room};
    return true;
}

static size_t on_body(char *p, size_t one, size_t n, void *ctx)
{
    answer *a = ctx;
    n *= one;
    if (n > GBA_NAF_ZN_ANSWER_MAX - a->n)
        return 0;
    if (!answer_grow(a, a->n + n)) {
        a->no_memory = true;
        return 0;
    }
    memcpy(a->p + a->n, p, n);
    a->n += n;
    return n;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const gba_naf_zn_http *z = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&z->stopping);
}

void gba_naf_zn_http_stop(gba_naf_zn_http *z)
{
    if (z)
        atomic_store(&z->stopping, true);
}

static bool carrier_setup(const gba_naf_zn_http *z, CURL *c)
{
    CURLcode e = CURLE_OK;
#define SET(option, value)                                                                                             \
    if (e == CURLE_OK)                                                                                                 \
    e = curl_easy_setopt(c, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, ""); /* the environment does not choose who sees keys */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, z->allow_http ? "http,https" : "https");
#else
    SET(CURLOPT_PROTOCOLS, z->allow_http ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS);
#endif
    SET(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (z->ca) {
        SET(CURLOPT_CAINFO, z->ca);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (z->cert) {
        SET(CURLOPT_SSLCERT, z->cert);
        SET(CURLOPT_SSLKEY, z->key ? z->key : z->cert);
    }
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)z->connect_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)z->total_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_USERAGENT, z->agent);
    SET(CURLOPT_HTTPHEADER, z->headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, (void *)(uintptr_t)z);
    SET(CURLOPT_WRITEFUNCTION, on_body);
#undef SET
    return e == CURLE_OK;
}

static carrier *carrier_take(gba_naf_zn_http *z)
{
    pthread_mutex_lock(&z->lock);
    carrier *k = z->idle;
    if (k) {
        z->idle = k->next;
        z->n_idle--;
    }
    pthread_mutex_unlock(&z->lock);
    if (k)
        return k;
    k = calloc(1, sizeof *k);
    if (k && !(k->curl = curl_easy_init())) {
        free(k);
        return NULL;
    }
    if (k && !carrier_setup(z, k->curl)) {
        carrier_free(k);
        return NULL;
    }
    return k;
}

static void carrier_give(gba_naf_zn_http *z, carrier *k)
{
    pthread_mutex_lock(&z->lock);
    bool keep = z->n_idle < z->idle_max;
    if (keep) {
        k->next = z->idle;
        z->idle = k;
        z->n_idle++;
    }
    pthread_mutex_unlock(&z->lock);
    if (!keep)
        carrier_free(k);
}

static gba_err of_status(long status)
{
    switch (status) {
    case 404:
        return GBA_E_UNKNOWN;
    case 401:
    case 403:
        return GBA_E_FORBIDDEN;
    case 429:
    case 503:
        return GBA_E_BUSY;
    default:
        return GBA_E_IO;
    }
}

static gba_err perform(carrier *k, const char *url, const char *body, size_t n, answer *a, long *status)
{
    if (curl_easy_setopt(k->curl, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(k->curl, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
        curl_easy_setopt(k->curl, CURLOPT_POSTFIELDSIZE, (long)n) != CURLE_OK ||
        curl_easy_setopt(k->curl, CURLOPT_WRITEDATA, a) != CURLE_OK)
        return GBA_E_NOMEM;
    CURLcode c = curl_easy_perform(k->curl);
    if (c == CURLE_OPERATION_TIMEDOUT || c == CURLE_ABORTED_BY_CALLBACK)
        return GBA_E_BUSY;
    if (c == CURLE_OUT_OF_MEMORY || a->no_memory)
        return GBA_E_NOMEM;
    if (c == CURLE_WRITE_ERROR)
        return GBA_E_RANGE;
    if (c != CURLE_OK)
        return GBA_E_IO;
    curl_easy_getinfo(k->curl, CURLINFO_RESPONSE_CODE, status);
    return GBA_OK;
}

gba_err gba_naf_zn_http_fetch(void *zn, const gba_naf_query *q, gba_naf_keys *out)
{
    gba_naf_zn_http *z = zn;
    char body[REQUEST_MAX];
    size_t n = sizeof body;
    long status = 0;
    answer a = {0};
    const bsf *b = NULL;
    *out = (gba_naf_keys){0};
    for (size_t i = 0; i < z->n_bsfs; i++)
        if (!strcmp(z->bsfs[i].domain.s, q->domain))
            b = &z->bsfs[i];
    if (!b)
        return GBA_E_ARG;
    gba_err e = gba_naf_zn_request_print_for(q, z->gsids, z->n_gsids, body, &n);
    if (e != GBA_OK)
        return e;
    carrier *k = carrier_take(z);
    if (!k)
        return GBA_E_NOMEM;
    e = perform(k, b->url, body, n, &a, &status);
    carrier_give(z, k);
    if (e == GBA_OK)
        e = status == 200 ? gba_naf_zn_answer_parse(gba_mem(a.p, a.n), out) : of_status(status);
    answer_free(&a);
    return e;
}
