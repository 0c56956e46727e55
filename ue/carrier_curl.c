/* SPDX-License-Identifier: Apache-2.0 */
/* carrier_curl.c - a UE's requests over libcurl; the one file that includes it. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ue/carrier.h"

#define BODY_MAX ((size_t)64 << 20)
#define TIMEOUT_S 30u
#define CONNECT_MS 10000L

typedef struct curl_carrier {
    CURL *easy;
    struct curl_slist *resolve, *connect_to;
    char *ca_file;
    unsigned timeout_s;
    size_t max_body;
    /* the answer being read */
    char *head;
    size_t head_n;
    gba_ue_field fields[UE_FIELDS_MAX];
    size_t n_fields;
    uint8_t *body;
    size_t body_n, body_room;
    gba_transport transport;
    uint16_t suite;
    bool tls, suite_known;
    gba_err stop; /* why a callback broke off */
    char error[CURL_ERROR_SIZE], text[GBA_UE_TEXT];
} curl_carrier;

/* ---- the answer, as it comes ---- */

/* The session is open while header lines arrive, and only then for certain. */
static void note_suite(curl_carrier *c)
{
    struct curl_tlssessioninfo *info = NULL;
    if (!c->tls || c->suite_known || curl_easy_getinfo(c->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info ||
        info->backend != CURLSSLBACKEND_GNUTLS || !info->internals)
        return;
    c->suite_known = ue_tls_suite(info->internals, &c->transport, &c->suite) == GBA_OK;
}

static gba_span trim(gba_span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
        s.n--;
    return s;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    curl_carrier *c = arg;
    n *= size;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) { /* an interim answer's fields do not count */
        c->head_n = 0;
        c->n_fields = 0;
        note_suite(c);
        return n;
    }
    const char *colon = memchr(p, ':', n);
    if (!colon)
        return n;
    if (c->n_fields == UE_FIELDS_MAX || n > UE_HEADER_MAX - c->head_n) {
        c->stop = GBA_E_RANGE;
        return 0;
    }
    char *kept = c->head + c->head_n;
    memcpy(kept, p, n);
    c->head_n += n;
    size_t name_n = (size_t)(colon - p);
    c->fields[c->n_fields++] =
        (gba_ue_field){gba_mem(kept, name_n), trim(gba_mem(kept + name_n + 1, n - name_n - 1))};
    return n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    curl_carrier *c = arg;
    n *= size;
    if (n > c->max_body - c->body_n) {
        c->stop = GBA_E_RANGE;
        return 0;
    }
    if (c->body_n + n > c->body_room) {
        size_t room = c->body_room ? c->body_room : 16384;
        while (room < c->body_n + n)
            room *= 2;
        uint8_t *grown = realloc(c->body, room);
        if (!grown) {
            c->stop = GBA_E_NOMEM;
            return 0;
        }
        c->body = grown;
        c->body_room = room;
    }
    memcpy(c->body + c->body_n, p, n);
    c->body_n += n;
    return n;
}

/* ---- one exchange ---- */

static bool add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *grown = curl_slist_append(*list, line);
    if (grown)
        *list = grown;
    return grown != NULL;
}

static gba_err make_headers(const gba_ue_request *r, struct curl_slist **out)
{
    char line[GBA_DIGEST_HEADER_MAX + 128];
    if (!add_line(out, "Expect:")) /* no 100-continue dance */
        return GBA_E_NOMEM;
    for (size_t i = 0; i < r->n_fields; i++) {
        const gba_ue_field *f = &r->fields[i];
        int n = snprintf(line, sizeof line, "%.*s%s %.*s", (int)f->name.n, (const char *)f->name.p,
                         f->value.n ? ":" : ";", (int)f->value.n, f->value.n ? (const char *)f->value.p : "");
        if (n < 0 || (size_t)n >= sizeof line)
            return GBA_E_RANGE;
        if (f->value.n == 0)
            line[n - 1] = '\0'; /* libcurl's form of an empty field: "Name;" */
        if (strpbrk(line, "\r\n"))
            return GBA_E_ARG;
        if (!add_line(out, line))
            return GBA_E_NOMEM;
    }
    return GBA_OK;
}

static bool set_method(CURL *h, const gba_ue_request *r)
{
    bool head = strcmp(r->method, "HEAD") == 0;
    CURLcode k = CURLE_OK;
    if (r->body.p) {
        k = curl_easy_setopt(h, CURLOPT_POST, 1L);
        k = k ? k : curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        k = k ? k : curl_easy_setopt(h, CURLOPT_POSTFIELDS, (const char *)r->body.p);
    } else {
        k = curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
        if (!k && head)
            k = curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    }
    return k == CURLE_OK && curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK;
}

static bool set_times(const curl_carrier *c, const gba_ue_request *r)
{
    long ms = (long)c->timeout_s * 1000;
    ms = r->timeout_ms && (long)r->timeout_ms < ms ? (long)r->timeout_ms : ms;
    return curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, ms < CONNECT_MS ? ms : CONNECT_MS) == CURLE_OK;
}

static gba_err perform(curl_carrier *c, const gba_ue_request *r, const ue_url *url)
{
    CURLcode k = curl_easy_perform(c->easy);
    if (c->stop == GBA_E_NOMEM)
        return GBA_E_NOMEM;
    if (c->stop) {
        snprintf(c->text, sizeof c->text, "%.300s: the answer is larger than allowed", r->url);
        return c->stop;
    }
    if (k != CURLE_OK) {
        snprintf(c->text, sizeof c->text, "%.200s: %s", r->url, c->error[0] ? c->error : curl_easy_strerror(k));
        return k == CURLE_OUT_OF_MEMORY ? GBA_E_NOMEM : GBA_E_IO;
    }
    if (url->tls && !c->suite_known) {
        snprintf(c->text, sizeof c->text,
                 "%.200s: libcurl does not tell the TLS cipher suite (a libcurl on GnuTLS does)", r->url);
        return GBA_E_UNSUPPORTED;
    }
    return GBA_OK;
}

static gba_err exchange(void *carrier, const gba_ue_request *r, gba_ue_answer *a)
{
    curl_carrier *c = carrier;
    ue_url *url = malloc(sizeof *url);
    struct curl_slist *headers = NULL;
    if (!url)
        return GBA_E_NOMEM;
    if (r->psk) {
        snprintf(c->text, sizeof c->text, "libcurl has no TLS-PSK: the GnuTLS carrier has");
        free(url);
        return GBA_E_UNSUPPORTED;
    }
    gba_err e = ue_url_parse(r->url, url);
    if (e)
        snprintf(c->text, sizeof c->text, "%.300s: not an http or https URL that can be fetched", r->url);
    c->head_n = c->n_fields = c->body_n = 0;
    c->suite_known = false;
    c->transport = GBA_PLAIN;
    c->suite = 0;
    c->stop = GBA_OK;
    c->error[0] = '\0';
    c->tls = url->tls;
    if (!e)
        e = make_headers(r, &headers);
    /* the request-target is hashed by Digest: it goes out as it was given */
    if (!e && (curl_easy_setopt(c->easy, CURLOPT_URL, r->url) || !set_method(c->easy, r) || !set_times(c, r) ||
               curl_easy_setopt(c->easy, CURLOPT_REQUEST_TARGET, url->target) ||
               curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, headers)))
        e = GBA_E_NOMEM;
    if (!e)
        e = perform(c, r, url);
    long status = 0;
    if (!e && curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status))
        e = GBA_E_IO;
    if (!e)
        *a = (gba_ue_answer){(int)status, c->fields, c->n_fields, gba_mem(c->body, c->body_n), c->transport, c->suite};
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    free(url);
    return e;
}

/* ---- making it ---- */

static const char *carrier_text(void *carrier)
{
    return ((curl_carrier *)carrier)->text;
}

static void carrier_close(void *carrier)
{
    curl_carrier *c = carrier;
    if (c->easy)
        curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->resolve);
    curl_slist_free_all(c->connect_to);
    free(c->ca_file);
    free(c->head);
    free(c->body);
    free(c);
}

static const gba_ue_carrier_ops curl_ops = {"curl", exchange, carrier_text, carrier_close};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static gba_err set_options(curl_carrier *c)
{
    CURL *h = c->easy;
    CURLcode k = CURLE_OK;
#define SET(option, value) k = k ? k : curl_easy_setopt(h, option, value)
    SET(CURLOPT_ERRORBUFFER, c->error);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROXY, ""); /* B-TIDs and keys are between UE, BSF and NAF */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, c);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, c);
    if (c->resolve)
        SET(CURLOPT_RESOLVE, c->resolve);
    if (c->connect_to)
        SET(CURLOPT_CONNECT_TO, c->connect_to);
    if (c->ca_file) {
        SET(CURLOPT_CAINFO, c->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
#undef SET
    /* anything but memory: this libcurl lacks what we need of it */
    return k == CURLE_OK ? GBA_OK : k == CURLE_OUT_OF_MEMORY ? GBA_E_NOMEM : GBA_E_UNSUPPORTED;
}

/* Every host's connections go there. */
static gba_err set_connect(curl_carrier *c, const char *to)
{
    char line[320];
    ue_place at = {.port = ""};
    if (!ue_place_parse(to, &at))
        return GBA_E_ARG;
    const char *ipv6 = strchr(at.host, ':');
    snprintf(line, sizeof line, "::%s%s%s:%s", ipv6 ? "[" : "", at.host, ipv6 ? "]" : "", at.port);
    return add_line(&c->connect_to, line) ? GBA_OK : GBA_E_NOMEM;
}

static gba_err set_up(curl_carrier *c, const gba_ue_carrier_config *cfg)
{
    c->easy = curl_easy_init();
    c->head = malloc(UE_HEADER_MAX);
    c->timeout_s = cfg->timeout_s ? cfg->timeout_s : TIMEOUT_S;
    c->max_body = cfg->max_body ? cfg->max_body : BODY_MAX;
    if (!c->easy || !c->head || (cfg->ca_file && !(c->ca_file = strdup(cfg->ca_file))))
        return GBA_E_NOMEM;
    for (size_t i = 0; cfg->resolve && cfg->resolve[i]; i++)
        if (!add_line(&c->resolve, cfg->resolve[i]))
            return GBA_E_NOMEM;
    gba_err e = cfg->connect ? set_connect(c, cfg->connect) : GBA_OK;
    return e ? e : set_options(c);
}

gba_err gba_ue_carrier_curl(const gba_ue_carrier_config *cfg, gba_ue_carrier *out)
{
    *out = (gba_ue_carrier){0};
    pthread_once(&once, start_curl);
    curl_carrier *c = calloc(1, sizeof *c);
    if (!c)
        return GBA_E_NOMEM;
    gba_err e = set_up(c, cfg);
    if (e)
        carrier_close(c);
    else
        *out = (gba_ue_carrier){&curl_ops, c};
    return e;
}
