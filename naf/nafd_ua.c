/* SPDX-License-Identifier: Apache-2.0 */
/* nafd_ua.c - from a request to its answer: check, log, then refuse, wait, serve or pass on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "naf/nafd.h"

static void exchange_free(exchange *e)
{
    gba_naf_result_clear(&e->res);
    nafd_who_release(e->who);
    free(e);
}

void nafd_log_access(const exchange *e, unsigned status)
{
    char from[64];
    if (!e->d->s->log_access)
        return;
    http_source_text((const struct sockaddr *)&e->from, from);
    log_event(LOG_LEVEL_INFO, "ua.access", "from", from, "method", (const char *)e->q.method.p, "host",
              (const char *)e->q.host.p, "target", (const char *)e->q.target.p, "status", log_num(status), "octets",
              log_num(e->sent), "btid", e->res.btid.s[0] ? e->res.btid.s : NULL, "result", gba_naf_why_name(e->res.why),
              "psk", e->who ? "yes" : NULL, "upstream", e->upstream, "ms", log_num(service_mono_ms() - e->begun_ms),
              NULL);
}

bool nafd_info(const exchange *e, gba_span body, char *info, size_t room)
{
    return e->res.verdict == GBA_NAF_OK && !e->who &&
           gba_naf_answer(e->naf, &e->res, body, service_now(), info, &room) == GBA_OK;
}

void nafd_reply(exchange *e, unsigned status, const http_field *fields, size_t n, gba_span body)
{
    char info[1024];
    http_field all[NAFD_FIELDS + 1];
    n = n < NAFD_FIELDS ? n : NAFD_FIELDS;
    if (fields && n)
        memcpy(all, fields, n * sizeof *fields);
    /* The answer to HEAD has no body, whatever GET would have had. */
    gba_span sent = strcmp(http_method(e->r), "HEAD") ? body : (gba_span){0};
    e->sent = (int64_t)sent.n;
    nafd_log_access(e, status);
    if (nafd_info(e, sent.p ? sent : gba_str(""), info, sizeof info))
        all[n++] = (http_field){"Authentication-Info", info};
    http_reply(e->r, status, all, n, body);
    exchange_free(e);
}

void nafd_asserted(const exchange *e, char out[NAFD_ASSERTED])
{
    gba_span v = e->q.intended_identity;
    if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
        v = gba_mem(v.p + 1, v.n - 2);
    if (!e->d->s->naf.check_identity || !v.n || v.n > GBA_ID_MAX)
        v = gba_str(gba_naf_asserted(e->res.identity));
    *out++ = '"';
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"' || v.p[i] == '\\')
            *out++ = '\\';
        *out++ = (char)v.p[i];
    }
    *out++ = '"';
    *out = 0;
}

gba_span nafd_page(const exchange *e, char *out, size_t room)
{
    const gba_naf_identity *id = e->res.identity;
    int n = snprintf(out, room, "%s knows you.\nidentity: %s\nb-tid: %s\n", id->naf.fqdn.s, gba_naf_asserted(id),
                     id->btid.s);
    return gba_mem(out, (size_t)n < room ? (size_t)n : room - 1);
}

/* The protected resource of our own. */
static void serve(exchange *e)
{
    static const http_field fields[] = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};
    char body[1024];
    nafd_reply(e, 200, fields, sizeof fields / sizeof *fields, nafd_page(e, body, sizeof body));
}

static void pass(exchange *e)
{
    if (e->d->s->resource.enabled)
        serve(e);
    else
        nafd_reply(e, 404, NULL, 0, (gba_span){0});
}

log_level nafd_level(gba_naf_why w)
{
    switch (w) {
    case GBA_NAF_WHY_OK:
    case GBA_NAF_WHY_CHALLENGE:
    case GBA_NAF_WHY_STALE:
        return LOG_LEVEL_DEBUG;
    case GBA_NAF_WHY_FORBIDDEN:
    case GBA_NAF_WHY_UNREACHABLE:
    case GBA_NAF_WHY_LIMITED:
        return LOG_LEVEL_WARN;
    default:
        return LOG_LEVEL_INFO;
    }
}

const char *nafd_hint(gba_naf_why w, bool psk)
{
    switch (w) {
    case GBA_NAF_WHY_HOST:
        return psk ? "the UE's server name (SNI) is none of naf.fqdns, or the request's Host is another"
                   : "the Host is none of naf.fqdns";
    case GBA_NAF_WHY_FOREIGN_BSF:
        return "the B-TID's domain is none of naf.bsfs";
    case GBA_NAF_WHY_FORBIDDEN:
        return "the BSF does not give us this FQDN with this Ua security protocol identifier: gba-bsfctl naf allow";
    case GBA_NAF_WHY_WRONG_DIGEST:
        return "wrong key, or UE and NAF differ in FQDN or Ua security protocol identifier";
    case GBA_NAF_WHY_LIMITED:
        return "limits.unknown_per_source";
    case GBA_NAF_WHY_KEY_CHOICE:
        return "a setting of this user (USS) wants the key of the UICC, which we do not use: gba-bsfctl guss show";
    default:
        return NULL;
    }
}

void nafd_note(const exchange *e)
{
    gba_naf_why w = e->res.why;
    log_level level = nafd_level(w);
    metric_add(e->d->results[w], 1);
    if (level == LOG_LEVEL_DEBUG && e->d->s->daemon.log_level != LOG_LEVEL_DEBUG)
        return;
    char event[40], from[64], ua[11];
    snprintf(event, sizeof event, "ua.%s", gba_naf_why_name(w));
    http_source_text((const struct sockaddr *)&e->from, from);
    gba_ua_id id = e->who ? nafd_who_ua(e->who) : gba_ua_id_digest(e->q.transport, e->q.suite);
    gba_hex_encode(id.o, sizeof id.o, ua);
    log_event(level, event, "from", from, "host", (const char *)e->q.host.p, "ua_id", ua, "btid",
              e->res.btid.s[0] ? e->res.btid.s : NULL, "reason",
              w == GBA_NAF_WHY_MALFORMED && !e->q.host.n && e->no_host ? e->no_host : e->res.detail, "hint",
              nafd_hint(w, e->who), NULL);
}

static void act(exchange *e)
{
    http_field fields[GBA_NAF_ALGORITHMS + 1];
    if (e->res.verdict == GBA_NAF_WAIT) {
        nafd_zn_wait(e->d->zn, e);
        return;
    }
    nafd_note(e);
    if (e->res.verdict == GBA_NAF_OK) {
        pass(e);
        return;
    }
    size_t n = e->res.n_fields;
    for (size_t i = 0; i < n; i++)
        fields[i] = (http_field){e->res.fields[i].name, e->res.fields[i].value};
    if (e->who && e->res.status == 421) /* nothing more will come of this session */
        fields[n++] = (http_field){"Connection", "close"};
    nafd_reply(e, e->res.status, fields, n, (gba_span){0});
}

void nafd_check(exchange *e)
{
    if (e->who)
        nafd_psk_check(e);
    else
        gba_naf_check(e->naf, &e->q, &e->res);
}

void nafd_resume(exchange *e, gba_err outcome)
{
    e->q.fetched = outcome;
    e->q.now = service_now();
    nafd_check(e);
    if (e->res.verdict == GBA_NAF_WAIT) { /* learned and at once evicted: no second round */
        gba_naf_learn(e->naf, &e->res.query, GBA_E_BUSY, NULL, e->q.now);
        e->q.fetched = GBA_E_BUSY;
        nafd_check(e);
    }
    if (e->go_on)
        e->go_on(e);
    else
        act(e);
}

/* In origin-form, or in absolute-form (RFC 9112 3.2.2) with an authority that does not contradict Host. */
bool nafd_target_ok(const char *t, const char *host)
{
    const char *path = http_target_path(t), *authority = *t == '/' ? NULL : strstr(t, "://");
    if (*path != '/')
        return false;
    if (authority) {
        size_t n = strcspn(authority += 3, "/?#");
        if (!host || strlen(host) != n || strncasecmp(host, authority, n) != 0)
            return false;
    }
    for (; *t; t++)
        if (*t <= 0x20 || *t >= 0x7f || *t == '#')
            return false;
    return true;
}

static void take_source(exchange *e)
{
    http_client(e->r, e->d->trusted, e->d->n_trusted, &e->from);
    const struct sockaddr *from = (const struct sockaddr *)&e->from;
    http_source_counted(from, e->d->exempt, e->d->n_exempt, e->q.source);
}

/* The fields that matter, in any spelling that what is behind may read, in one pass. */
typedef struct picked {
    const char *host, *authorization, *intended, *agent;
    size_t n_host, n_authorization, n_intended;
} picked;

static void pick(void *ctx, const char *name, const char *value)
{
    picked *p = ctx;
    switch (strlen(name)) {
    case 4:
        if (http_named(name, "Host"))
            p->host = value, p->n_host++;
        break;
    case 10:
        if (http_named(name, "User-Agent"))
            p->agent = value;
        break;
    case 13:
        if (http_named(name, "Authorization"))
            p->authorization = value, p->n_authorization++;
        break;
    case 24:
        if (http_named(name, "X-3GPP-Intended-Identity"))
            p->intended = value, p->n_intended++;
        break;
    default:
        break;
    }
}

static void take_fields(exchange *e, const http_field *fields, size_t n)
{
    picked p = {0};
    if (!fields)
        http_headers_each(e->r, pick, &p);
    for (size_t i = 0; fields && i < n; i++)
        pick(&p, fields[i].name, fields[i].value);
    e->q.user_agent = gba_str(p.agent);
    if (p.n_intended) /* two of them are nobody's identity */
        e->q.intended_identity = gba_str(p.n_intended == 1 ? p.intended : "");
    if (p.n_authorization) {
        e->authorization[0] = gba_str(p.authorization);
        e->q.authorization = e->authorization;
        e->q.n_authorization = p.n_authorization > 1 ? 2 : 1;
    }
    /* Without exactly one Host, or with a target that is no path below it, it is malformed like one without. */
    if (p.n_host == 1 && nafd_target_ok(http_target(e->r), p.host))
        e->q.host = gba_str(p.host);
    else
        e->no_host = p.n_host > 1 ? "Host stands there twice"
                     : p.n_host   ? "the target is no path of this Host"
                                  : "Host is missing";
}

void nafd_exchange_init(exchange *e, nafd *d, http_req *r, const http_field *fields, size_t n)
{
    memset(e, 0, offsetof(exchange, res));
    e->d = d;
    e->naf = d->naf;
    e->r = r;
    e->who = nafd_who_ref(http_tls_who(r));
    e->begun_ms = service_mono_ms();
    e->deadline_ms = e->begun_ms + d->s->zn.timeout_ms;
    e->q.method = gba_str(http_method(r));
    e->q.target = gba_str(http_target(r));
    e->q.transport = http_transport(r);
    e->q.suite = http_tls_suite(r);
    e->q.now = service_now();
    take_source(e);
    take_fields(e, fields, n);
}

void nafd_handle(http_req *r, void *ctx)
{
    nafd *d = ctx;
    if (http_is_streaming(r)) {
        nafd_proxy(r, d);
        return;
    }
    exchange *e = malloc(sizeof *e);
    if (!e) {
        http_reply(r, 503, NULL, 0, (gba_span){0});
        return;
    }
    nafd_exchange_init(e, d, r, NULL, 0);
    e->q.body = http_body(r);
    nafd_check(e);
    act(e);
}
