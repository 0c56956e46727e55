/* SPDX-License-Identifier: Apache-2.0 */
/* m2m_enrol.c - m2m enrol: an SBF, its result sealed; m2m credentials: what the device holds. */
#include <string.h>
#include <time.h>
#include "onem2m-binding/m2m.h"

static const struct {
    const char *word;
    gba_m2m_framework framework;
} words[] = {{"psk", GBA_M2M_SBF_1}, {"cert", GBA_M2M_SBF_2}, {"gba", GBA_M2M_SBF_3}};

static int take_framework(const options *o, gba_m2m_framework *out)
{
    if (!o->framework)
        return complain(M2M_USAGE, "enrol needs --framework psk, cert or gba");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, o->framework)) {
            *out = words[i].framework;
            return M2M_DONE;
        }
    return complain(M2M_USAGE, "--framework: %s is none of psk, cert, gba", o->framework);
}

/* ---- one credential ---- */
static void put_held(json_t *o, const gba_m2m_held *h, int64_t now)
{
    json_object_set_new(o, "key", json_string(gba_m2m_held_key(h)));
    json_object_set_new(o, "identifier", json_string(h->id));
    json_object_set_new(o, "identifier_name", json_string(gba_m2m_held_id_name(h)));
    if (strcmp(h->id, h->enrolled_as) != 0)
        json_object_set_new(o, "enrolled_as", json_string(h->enrolled_as));
    json_object_set_new(o, "framework", json_string(gba_m2m_row_of(h->by)->name));
    json_object_set_new(o, "from", json_string(h->server.s));
    put_id(o, "entity", &h->self);
    put_id(o, "target", &h->target);
    if (h->kind != GBA_M2M_HELD_KC && h->by != GBA_M2M_SBF_3)
        json_object_set_new(o, "kdf", json_string(h->kdf == GBA_M2M_KDF_2014 ? "2014" : "usage"));
    put_time(o, "made", h->made);
    put_time(o, "until", h->expires);
    json_object_set_new(o, "seconds_left", json_integer(h->expires > now ? h->expires - now : 0));
    json_object_set_new(o, "expired", json_boolean(h->expires <= now));
}

static void say_held(const gba_m2m_held *h, int64_t now)
{
    char until[GBA_TIME_TEXT] = "?", target[GBA_M2M_ID_MAX + 1] = "";

    if (gba_time_print(h->expires, until) != GBA_OK || gba_m2m_id_print(&h->target, GBA_M2M_ABSOLUTE, target) != GBA_OK)
        until[0] = 0;
    printf("%-5s %s\n      with %s, from %s %s, until %s%s\n", gba_m2m_held_key(h), h->id, target,
           gba_m2m_row_of(h->by)->name, h->server.s, until, h->expires <= now ? " (over: enrol again)" : "");
}

/* ---- enrol ---- */
static int take_places(const options *o, char host[254], char maf_host[254], gba_m2m_sbf *how)
{
    int code = take_id("target", o->target, &how->target);

    if (!code && !o->target)
        code = complain(M2M_USAGE, "enrol needs --target: the MAF's FQDN, or a CSE-ID //SP-DOMAIN/CSE");
    if (!code && how->framework != GBA_M2M_SBF_3 && !o->mef)
        code = complain(M2M_USAGE, "which MEF? give --mef URL");
    if (!code && o->mef && how->framework != GBA_M2M_SBF_3)
        code = take_server("mef-fqdn", o->mef, o->mef_fqdn, host, &how->mef, NULL);
    if (!code && o->mef && how->framework != GBA_M2M_SBF_3 && !how->mef.fqdn.s[0])
        code = complain(M2M_USAGE, "--mef: %s has no name: give --mef-fqdn", o->mef);
    if (!code && o->maf)
        code = take_server("maf-fqdn", o->maf, o->maf_fqdn, maf_host, &how->maf, NULL);
    return code;
}

static int64_t margin(const options *o)
{
    return o->if_needed ? (o->margin > 0 ? o->margin : 60) : 0;
}

int m2m_enrol(options *o)
{
    char host[254], maf_host[254];
    gba_m2m_sbf how = {.if_less = margin(o)};
    gba_m2m_held h;
    bool done;
    entity e;
    int code = take_framework(o, &how.framework);

    if (!code)
        code = take_places(o, host, maf_host, &how);
    if (!code && !o->ae_id && !o->cse_id)
        code = complain(M2M_USAGE, "who enrols? give --ae-id or --cse-id");
    if (!code)
        code = entity_open(o, how.framework == GBA_M2M_SBF_3, false, &e);
    if (code)
        return code;
    how.own = e.own;
    gba_err err = gba_m2m_enrol(e.a, &how, &h, &done);
    if (err != GBA_OK) {
        code = complain(code_of(err), "%s", gba_m2m_a_text(e.a));
    } else if (o->json) {
        json_t *j = json_object();
        json_object_set_new(j, "enrolled", json_boolean(done));
        put_held(j, &h, time(NULL));
        if (e.steps)
            json_object_set(j, "steps", e.steps);
        print_json(j);
        code = out_done();
    } else {
        if (!done && !o->quiet)
            fprintf(stderr, "m2m: what is there is still valid\n");
        say_held(&h, time(NULL));
        code = out_done();
    }
    entity_close(&e);
    return code;
}

/* ---- credentials ---- */
typedef struct listing {
    json_t *all;
    size_t n;
    int64_t now;
} listing;

static void list_one(void *arg, const gba_m2m_held *h)
{
    listing *l = arg;

    l->n++;
    if (l->all) {
        json_t *o = json_object();
        put_held(o, h, l->now);
        json_array_append_new(l->all, o);
    } else {
        say_held(h, l->now);
    }
}

static int list(const options *o, gba_m2m_a *a)
{
    listing l = {.all = o->json ? json_array() : NULL, .now = time(NULL)};
    gba_err e = gba_m2m_held_each(a, list_one, &l);

    if (e != GBA_OK) {
        json_decref(l.all);
        return complain(code_of(e), "%s", gba_m2m_a_text(a));
    }
    if (o->json)
        print_json(json_pack("{s:o}", "credentials", l.all));
    else if (l.n == 0 && !o->quiet)
        fprintf(stderr, "m2m: no credentials\n");
    return out_done();
}

static int forget(const options *o, gba_m2m_a *a)
{
    size_t n = 0;
    const char *id = o->n_words > 2 ? o->word[2] : NULL;

    if (!id == !o->expired)
        return complain(M2M_USAGE, "credentials forget needs an identifier, or --expired");
    gba_err e = gba_m2m_held_forget(a, id, &n);
    if (e != GBA_OK)
        return complain(code_of(e), "%s", gba_m2m_a_text(a));
    if (o->json)
        print_json(json_pack("{s:I}", "forgotten", (json_int_t)n));
    else if (!o->quiet)
        fprintf(stderr, "m2m: %zu credential%s forgotten\n", n, n == 1 ? "" : "s");
    return id && n == 0 ? complain(M2M_FAILED, "%s: no such credential", id) : out_done();
}

int m2m_credentials(options *o)
{
    entity e;

    if (o->n_words > 1 && strcmp(o->word[1], "forget") != 0)
        return complain(M2M_USAGE, "credentials %s: no such command (m2m --help)", o->word[1]);
    int code = entity_open(o, false, false, &e);
    if (code)
        return code;
    code = o->n_words > 1 ? forget(o, e.a) : list(o, e.a);
    entity_close(&e);
    return code;
}
