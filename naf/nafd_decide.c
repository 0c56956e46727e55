/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nafd_decide.c - the decision endpoint: another proxy (nginx auth_request, Envoy ext_authz) asks who a
 * request is, and passes it on itself. What the request was stands in header fields, which count only from
 * decision.proxies:
 *
 *   X-Original-Method, X-Original-URI   else the method, and the target behind decision.prefix
 *   X-Forwarded-Host                    else Host
 *   X-TLS-Version, X-TLS-Suite          as $ssl_protocol and $ssl_cipher say; absent, empty or "-": plain HTTP
 *   X-Forwarded-Proto                   https without X-TLS-Version is refused
 *   X-Forwarded-For                     whom limits count
 *
 * It answers 200, 401, 403 or 503. Bodies do not come here: qop=auth alone is offered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "naf/nafd.h"

/* OpenSSL's names, which nginx and Envoy give; a number (0xC02B) does as well. */
static const struct {
    const char *name;
    uint16_t suite;
} suites[] = {
    {"TLS_AES_128_GCM_SHA256", 0x1301},         {"TLS_AES_256_GCM_SHA384", 0x1302},
    {"TLS_CHACHA20_POLY1305_SHA256", 0x1303},   {"TLS_AES_128_CCM_SHA256", 0x1304},
    {"TLS_AES_128_CCM_8_SHA256", 0x1305},       {"AEAD-AES128-GCM-SHA256", 0x1301},
    {"AEAD-AES256-GCM-SHA384", 0x1302},         {"AEAD-CHACHA20-POLY1305-SHA256", 0x1303},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},  {"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
    {"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f},    {"ECDHE-RSA-AES256-GCM-SHA384", 0xc030},
    {"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8},    {"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
    {"DHE-RSA-CHACHA20-POLY1305", 0xccaa},      {"DHE-RSA-AES128-GCM-SHA256", 0x009e},
    {"DHE-RSA-AES256-GCM-SHA384", 0x009f},      {"ECDHE-ECDSA-AES128-CCM", 0xc0ac},
    {"ECDHE-ECDSA-AES256-CCM", 0xc0ad},         {"ECDHE-ECDSA-AES128-CCM8", 0xc0ae},
    {"ECDHE-ECDSA-AES256-CCM8", 0xc0af},        {"ECDHE-ECDSA-AES128-SHA256", 0xc023},
    {"ECDHE-ECDSA-AES256-SHA384", 0xc024},      {"ECDHE-RSA-AES128-SHA256", 0xc027},
    {"ECDHE-RSA-AES256-SHA384", 0xc028},        {"ECDHE-ECDSA-AES128-SHA", 0xc009},
    {"ECDHE-ECDSA-AES256-SHA", 0xc00a},         {"ECDHE-RSA-AES128-SHA", 0xc013},
    {"ECDHE-RSA-AES256-SHA", 0xc014},           {"DHE-RSA-AES128-SHA256", 0x0067},
    {"DHE-RSA-AES256-SHA256", 0x006b},          {"DHE-RSA-AES128-SHA", 0x0033},
    {"DHE-RSA-AES256-SHA", 0x0039},             {"AES128-GCM-SHA256", 0x009c},
    {"AES256-GCM-SHA384", 0x009d},              {"AES128-SHA256", 0x003c},
    {"AES256-SHA256", 0x003d},                  {"AES128-SHA", 0x002f},
    {"AES256-SHA", 0x0035},
};

static bool suite_of(const char *name, uint16_t *out)
{
    char *end;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (!strcmp(suites[i].name, name)) {
            *out = suites[i].suite;
            return true;
        }
    if (strlen(name) != 6 || strncasecmp(name, "0x", 2) != 0)
        return false;
    *out = (uint16_t)strtoul(name + 2, &end, 16);
    return !*end && *out;
}

typedef struct told {
    const char *method, *uri, *host, *version, *suite, *proto;
    bool twice;
} told;

static void on_field(void *ctx, const char *name, const char *value)
{
    told *t = ctx;
    const struct {
        const char *name, **to;
    } known[] = {{"X-Original-Method", &t->method}, {"X-Original-URI", &t->uri},
                 {"X-Forwarded-Host", &t->host},    {"X-TLS-Version", &t->version},
                 {"X-TLS-Suite", &t->suite},        {"X-Forwarded-Proto", &t->proto}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (http_named(name, known[i].name)) { /* in another spelling it is not the proxy's */
            t->twice = t->twice || *known[i].to || strchr(name, '_');
            *known[i].to = value;
        }
}

static bool given(const char *v)
{
    return v && *v && strcmp(v, "-") != 0;
}

/* What is wrong with the proxy's way of asking; NULL: nothing. */
static const char *take_tls(exchange *e, const told *t)
{
    e->q.transport = GBA_PLAIN;
    e->q.suite = 0;
    if (!given(t->version))
        return given(t->proto) && !strcasecmp(t->proto, "https")
                   ? "X-Forwarded-Proto says https, but X-TLS-Version is absent"
                   : NULL;
    if (!strcasecmp(t->version, "TLSv1.3"))
        e->q.transport = GBA_TLS13;
    else if (!strcasecmp(t->version, "TLSv1.2"))
        e->q.transport = GBA_TLS12;
    else
        return "X-TLS-Version is neither TLSv1.2 nor TLSv1.3";
    if (!given(t->suite))
        return "X-TLS-Suite is absent";
    return suite_of(t->suite, &e->q.suite) ? NULL : "X-TLS-Suite is unknown: give its number, such as 0xC02B";
}

static const char *take_request(exchange *e, const told *t)
{
    const char *prefix = e->d->s->decision.prefix, *target = http_target(e->r);
    size_t n = prefix ? strlen(prefix) : 0;
    if (t->twice)
        return "a field that the proxy sets came twice: does it pass on its client's?";
    while (n && prefix[n - 1] == '/')
        n--;
    if (strncmp(target, prefix ? prefix : "", n) != 0 || (target[n] && target[n] != '/' && target[n] != '?'))
        return "the path does not begin with decision.prefix";
    target = t->uri ? t->uri : target[n] ? target + n : "/";
    if (t->method && *t->method)
        e->q.method = gba_str(t->method);
    e->q.target = gba_str(target);
    if (t->host && *t->host)
        e->q.host = gba_str(t->host);
    if (!nafd_target_ok(target, (const char *)e->q.host.p)) { /* judged like one without Host, that is, malformed */
        e->q.host = (gba_span){0};
        e->no_host = "the target is no path of this Host";
    }
    return take_tls(e, t);
}

/* 401, 403 and 503 are what the askers understand. */
static unsigned status_of(const exchange *e)
{
    switch (e->res.status) {
    case 401:
    case 403:
    case 503:
        return e->res.status;
    case 400:
    case 421:
        return 403;
    default:
        return 503;
    }
}

static void decided(exchange *e)
{
    char asserted[NAFD_ASSERTED], further[GBA_NAF_ALGORITHMS + 1][40];
    http_field fields[2 * (GBA_NAF_ALGORITHMS + 1)];
    size_t n = 0;
    nafd_note(e);
    if (e->res.verdict == GBA_NAF_OK) {
        nafd_asserted(e, asserted);
        fields[n++] = (http_field){"X-3GPP-Asserted-Identity", asserted};
        nafd_reply(e, 200, fields, n, (gba_span){0});
        return;
    }
    for (size_t i = 0; i < e->res.n_fields; i++)
        fields[n++] = (http_field){e->res.fields[i].name, e->res.fields[i].value};
    /* nginx before 1.23 passes the first challenge only: the others once more, by names of their own */
    for (size_t i = 1; e->res.status == 401 && i < e->res.n_fields; i++) {
        snprintf(further[i], sizeof further[i], "X-GBA-Challenge-%zu", i + 1);
        fields[n++] = (http_field){further[i], e->res.fields[i].value};
    }
    nafd_reply(e, status_of(e), fields, n, (gba_span){0});
}

static void refuse_asker(http_req *r, const char *why)
{
    char from[64] = "";
    if (http_peer(r))
        http_source_text(http_peer(r), from);
    log_event(LOG_LEVEL_WARN, "decision.refused", "from", from, "hint", why, NULL);
    http_reply(r, 403, NULL, 0, (gba_span){0});
}

void nafd_decide(http_req *r, void *ctx)
{
    nafd *d = ctx;
    told t = {0};
    if (!http_cidr_has(d->proxies, d->n_proxies, http_peer(r))) {
        refuse_asker(r, "the asker is none of decision.proxies");
        return;
    }
    exchange *e = malloc(sizeof *e);
    if (!e) {
        http_reply(r, 503, NULL, 0, (gba_span){0});
        return;
    }
    nafd_exchange_init(e, d, r, NULL, 0);
    http_headers_each(r, on_field, &t);
    const char *wrong = take_request(e, &t);
    if (wrong) {
        refuse_asker(r, wrong);
        free(e);
        return;
    }
    http_client(r, d->proxies, d->n_proxies, &e->from);
    const struct sockaddr *from = (const struct sockaddr *)&e->from;
    memset(e->q.source, 0, sizeof e->q.source);
    http_source_counted(from, d->exempt, d->n_exempt, e->q.source);
    e->naf = d->decision_naf;
    e->go_on = decided;
    nafd_check(e);
    if (e->res.verdict == GBA_NAF_WAIT)
        nafd_zn_wait(d->zn, e);
    else
        decided(e);
}
