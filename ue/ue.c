/* SPDX-License-Identifier: Apache-2.0 */
/* ue.c - the device as a whole: sessions kept and renewed, keys derived, NAFs answered. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "ue/device.h"
#include "ue/file.h"
#include "ue/link.h"

#define UB_ROUNDS 10 /* more than the step machine ever asks for */

/* ---- what the host gives ---- */

int64_t ue_now(const gba_ue *u)
{
    return u->c.now ? u->c.now(u->c.arg) : (int64_t)time(NULL);
}

gba_err ue_entropy(gba_ue *u, uint8_t out[GBA_UE_ENTROPY])
{
    gba_err e = u->c.entropy ? u->c.entropy(u->c.arg, out, GBA_UE_ENTROPY) : ue_random(out, GBA_UE_ENTROPY);
    return e ? ue_say(u->text, e, "no random octets") : GBA_OK;
}

void ue_trace(gba_ue *u, int level, const char *fmt, ...)
{
    char line[GBA_DIGEST_HEADER_MAX + 256];
    if (!u->c.trace)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    u->c.trace(u->c.arg, level, line);
}

/* What proves knowledge of a key stays out of the trace. */
static void redact(char *value)
{
    static const char *const names[] = {"response=\"", "rspauth=\"", "auts=\""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *at = strcasestr(value, names[i]);
        for (at = at ? at + strlen(names[i]) : NULL; at && *at && *at != '"'; at++)
            *at = '*';
    }
}

static void trace_fields(gba_ue *u, char way, const gba_ue_field *f, size_t n)
{
    for (size_t i = 0; u->c.trace && i < n; i++) {
        char value[GBA_DIGEST_HEADER_MAX];
        snprintf(value, sizeof value, "%.*s", (int)f[i].value.n, f[i].value.n ? (const char *)f[i].value.p : "");
        redact(value);
        ue_trace(u, 2, "%c %.*s: %s", way, (int)f[i].name.n, (const char *)f[i].name.p, value);
        gba_wipe(value, sizeof value);
    }
}

/* ---- the call's time ---- */

void ue_call_begin(gba_ue *u)
{
    u->deadline = u->c.call_s ? ue_clock() + (int64_t)u->c.call_s * 1000 : UE_FOREVER;
}

int64_t ue_call_until(const gba_ue *u, int64_t ms)
{
    int64_t t = ue_clock() + ms;
    return t < u->deadline ? t : u->deadline;
}

gba_err ue_exchange(gba_ue *u, const gba_ue_carrier *carrier, const gba_ue_request *request, gba_ue_answer *a)
{
    gba_ue_request timed = *request, *r = &timed;
    memset(a, 0, sizeof *a);
    if (!carrier->ops)
        return ue_say(u->text, GBA_E_ARG, "no carrier: this device was set up for stored keys only");
    int64_t left = u->deadline == UE_FOREVER ? 0 : u->deadline - ue_clock();
    if (left < 0 || (left == 0 && u->deadline != UE_FOREVER))
        return ue_say(u->text, GBA_E_IO, "%.200s: not asked: the call's %u s are over", r->url, u->c.call_s);
    r->timeout_ms = left > INT_MAX ? INT_MAX : (unsigned)left;
    ue_trace(u, 2, "> %s %s", r->method, r->url);
    trace_fields(u, '>', r->fields, r->n_fields);
    gba_err e = carrier->ops->exchange(carrier->self, r, a);
    if (e) {
        const char *says = carrier->ops->text ? carrier->ops->text(carrier->self) : NULL;
        return ue_say(u->text, e, "%s", says && says[0] ? says : gba_err_text(e));
    }
    ue_trace(u, 2, "< HTTP %d, %zu octets of body", a->status, a->body.n);
    trace_fields(u, '<', a->fields, a->n_fields);
    return GBA_OK;
}

/* ---- making it ---- */

static gba_err set_up(gba_ue *u, const gba_ue_config *c)
{
    gba_err e = gba_uicc_impi(c->uicc, &u->impi);
    if (e)
        return ue_say(u->text, e, "the UICC gives no IMPI: %s", gba_uicc_text(c->uicc));
    u->c = *c;
    if (!c->bsf.s[0] && (e = gba_bsf_from_impi(&u->impi, &u->c.bsf)))
        return ue_say(u->text, e, "no BSF domain follows from %s: name it", u->impi.s);
    if (c->bsf_url && (e = ue_url_parse(c->bsf_url, &u->bsf_url)))
        return ue_say(u->text, e, "BSF: \"%.200s\" is not an http or https URL", c->bsf_url);
    u->c.bsf_url = NULL; /* taken apart; the caller's string is not kept */
    e = ue_state_open(&u->state, c->state_dir, &c->seal, true, u->text);
    u->c.state_dir = u->state.dir;
    u->c.seal = (gba_uicc_seal){0};
    if (!e && (e = ue_state_path(&u->state, &u->impi, &u->c.bsf, u->path)))
        ue_say(u->text, e, "%s: no file name for the session: %s", u->state.dir, gba_err_text(e));
    return e;
}

gba_err gba_ue_new(const gba_ue_config *c, gba_ue **out, char text[GBA_UICC_TEXT])
{
    *out = NULL;
    if (!c->uicc || !c->state_dir)
        return ue_say(text, GBA_E_ARG, "a UE needs a UICC and a state folder");
    gba_ue *u = calloc(1, sizeof *u);
    if (!u)
        return ue_say(text, GBA_E_NOMEM, "out of memory");
    gba_err e = set_up(u, c);
    if (e) {
        ue_say(text, e, "%s", u->text);
        gba_ue_free(&u);
    }
    *out = u;
    return e;
}

void gba_ue_free(gba_ue **u)
{
    if (!*u)
        return;
    gba_wipe(*u, sizeof **u);
    free(*u);
    *u = NULL;
}

const char *gba_ue_text(const gba_ue *u)
{
    return u->text;
}

/* ---- sessions ---- */

gba_err gba_ue_session_load(gba_ue *u, gba_ue_session *out)
{
    memset(out, 0, sizeof *out);
    gba_err e = ue_state_load(&u->state, u->path, out, u->text);
    if (e == GBA_E_UNKNOWN)
        return ue_say(u->text, e, "no session of %s with %s: bootstrap first", u->impi.s, u->c.bsf.s);
    if (!e && (strcmp(out->impi.s, u->impi.s) != 0 || strcmp(out->bsf.s, u->c.bsf.s) != 0)) {
        gba_ue_session_wipe(out);
        return ue_say(u->text, GBA_E_CORRUPT, "%s: belongs to another IMPI or BSF", u->path);
    }
    if (!e && (e = ue_session_good(out, ue_now(u))))
        ue_say(u->text, e, "the session of %s with %s has expired", u->impi.s, u->c.bsf.s);
    return e;
}

/* A damaged file is no reason to stand still: what it held can be had anew. */
static gba_err load_or_renew(gba_ue *u, gba_ue_session *s)
{
    gba_err e = gba_ue_session_load(u, s);
    if (e == GBA_E_CORRUPT)
        ue_trace(u, 1, "%s; bootstrapping anew", u->text);
    return e == GBA_E_CORRUPT ? GBA_E_UNKNOWN : e;
}

static gba_err run_ub(gba_ue *u, gba_ub *ub)
{
    gba_ub_request want;
    gba_ub_next next = GBA_UB_SEND;
    char url[sizeof u->bsf_url.origin + sizeof u->bsf_url.target];
    const gba_ue_carrier *carrier = u->c.bsf_carrier.ops ? &u->c.bsf_carrier : &u->c.carrier;
    gba_err e = gba_ub_start(ub, &want);
    for (int i = 0; !e && next == GBA_UB_SEND; i++) {
        gba_ue_answer a;
        uint8_t random[GBA_UE_ENTROPY];
        if (i == UB_ROUNDS)
            return ue_say(u->text, GBA_E_FORBIDDEN, "the BSF never comes to an end");
        snprintf(url, sizeof url, "%s%s", u->bsf_url.origin, want.target);
        const gba_ue_request r = {
            .method = want.method, .url = url, .fields = want.fields, .n_fields = want.n_fields};
        if ((e = ue_exchange(u, carrier, &r, &a)) || (e = ue_entropy(u, random)))
            return e;
        e = gba_ub_feed(ub, &a, random, ue_now(u), &next, &want);
    }
    return e ? ue_say(u->text, e, "%s", gba_ub_text(ub)[0] ? gba_ub_text(ub) : gba_err_text(e)) : GBA_OK;
}

/* Ub under the card's lock. s: the old session in (its TMPI serves), the new one out. */
static gba_err bootstrap_locked(gba_ue *u, gba_ue_session *s)
{
    gba_ub *ub = NULL;
    const gba_ub_config c = {.impi = u->impi,
                             .bsf = u->c.bsf,
                             .tmpi = s->tmpi,
                             .no_tmpi = u->c.no_tmpi,
                             .uicc = u->c.uicc,
                             .target = u->bsf_url.target,
                             .agent = UE_AGENT};
    gba_err e = gba_ub_new(&c, &ub);
    if (e)
        return ue_say(u->text, e, "cannot begin Ub: %s", gba_err_text(e));
    ue_trace(u, 1, "bootstrapping %s at %s%s", u->impi.s, u->bsf_url.origin, u->bsf_url.target);
    e = run_ub(u, ub);
    /* a TMPI the BSF no longer knows is forgotten, whatever became of the run */
    if (e && gba_ub_tmpi_refused(ub) && s->impi.s[0]) {
        char kept[GBA_UE_TEXT];
        memcpy(kept, u->text, sizeof kept);
        memset(&s->tmpi, 0, sizeof s->tmpi);
        if (ue_state_save(&u->state, u->path, s, NULL))
            ue_trace(u, 1, "%s: the refused TMPI could not be dropped", u->path);
        memcpy(u->text, kept, sizeof kept);
    }
    if (!e) {
        *s = *gba_ub_session(ub);
        e = ue_state_save(&u->state, u->path, s, u->text);
    }
    if (!e) {
        char until[GBA_TIME_TEXT] = "?";
        if (gba_time_print(s->lifetime, until) == GBA_OK)
            ue_trace(u, 1, "bootstrapped: B-TID %s until %s", s->btid.s, until);
    }
    gba_ub_free(&ub);
    return e;
}

static gba_err bootstrap_if_needed(gba_ue *u, bool renew, gba_ue_session *out)
{
    gba_btid before;
    gba_err e = load_or_renew(u, out);
    before = out->btid;
    if (!e && !renew)
        return GBA_OK;
    if (e && e != GBA_E_UNKNOWN && e != GBA_E_EXPIRED)
        return e;
    if (!u->bsf_url.origin[0])
        return ue_say(u->text, GBA_E_ARG, "no BSF is given to bootstrap with");
    if ((e = gba_uicc_lock(u->c.uicc)))
        return ue_say(u->text, e, "%s", gba_uicc_text(u->c.uicc));
    /* who waited for another process's run takes what it brought */
    e = load_or_renew(u, out);
    if (!e && strcmp(before.s, out->btid.s) != 0)
        ue_trace(u, 1, "another process has bootstrapped meanwhile");
    else if (!e || e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        e = bootstrap_locked(u, out);
    gba_uicc_unlock(u->c.uicc);
    return e;
}

gba_err ue_bootstrap(gba_ue *u, bool renew, gba_ue_session *out)
{
    gba_err e = bootstrap_if_needed(u, renew, out);
    if (e) /* what was stored and is of no use stays here */
        gba_ue_session_wipe(out);
    return e;
}

gba_err gba_ue_bootstrap(gba_ue *u, bool renew, gba_ue_session *out)
{
    ue_call_begin(u);
    return ue_bootstrap(u, renew, out);
}

gba_err gba_ue_forget(gba_ue *u)
{
    if (unlink(u->path) != 0)
        return errno == ENOENT ? ue_say(u->text, GBA_E_UNKNOWN, "no session of %s with %s", u->impi.s, u->c.bsf.s)
                               : ue_say(u->text, GBA_E_IO, "%s: %s", u->path, strerror(errno));
    return GBA_OK;
}

gba_err ue_derive(gba_ue *u, const gba_ue_session *s, const gba_naf_id *naf, gba_secret *out)
{
    gba_err e = gba_uicc_naf_key(u->c.uicc, &s->ks, s->rand, &s->impi, naf, out);
    return e ? ue_say(u->text, e, "cannot derive the key of %s: %s", naf->fqdn.s, gba_err_text(e)) : GBA_OK;
}

gba_err gba_ue_naf_key(gba_ue *u, const gba_naf_id *naf, gba_secret *out, gba_ue_session *s)
{
    gba_ue_session session;
    ue_call_begin(u);
    gba_secret_wipe(out);
    if (s)
        gba_ue_session_wipe(s);
    gba_err e = ue_bootstrap(u, false, &session);
    if (!e)
        e = ue_derive(u, &session, naf, out);
    if (!e && s)
        *s = session;
    gba_ue_session_wipe(&session);
    return e;
}
