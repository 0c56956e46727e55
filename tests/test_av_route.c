/* SPDX-License-Identifier: Apache-2.0 */
/* test_av_route.c - which source is asked for which IMPI, what the route passes on, and who frees the sources. */
#include "bsf/av_route.h"
#include "service/log.h"
#include "service/metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "t_main.h"

/* A source that notes what it was asked; its vector's first octet of RAND says whose it is. */
typedef struct source {
    av_source base;
    char name;
    unsigned fetched, recomputed, freed;
    bool resynced;
    gba_err health;
} source;

static void source_fetch(av_source *s, const gba_impi *impi, const av_resync *resync, av_done *done, void *ctx)
{
    source *o = (source *)s;
    av_result r = {.vector.rand = {(uint8_t)o->name}};
    (void)impi;
    o->fetched++;
    o->resynced = resync && resync->rand[0] == 7;
    done(ctx, GBA_OK, &r);
}

static gba_err source_recompute(av_source *s, const gba_impi *impi, const uint8_t rand[16], av_result *out)
{
    (void)impi;
    ((source *)s)->recomputed++;
    out->vector.rand[0] = rand[0];
    return GBA_OK;
}

static gba_err source_health(av_source *s, char *why, size_t why_n)
{
    source *o = (source *)s;
    if (o->health != GBA_OK)
        snprintf(why, why_n, "%c", o->name);
    return o->health;
}

static void source_free(av_source *s)
{
    ((source *)s)->freed++;
}

static const av_ops local_ops = {"local", source_fetch, source_recompute, source_health, source_free};
static const av_ops remote_ops = {"remote", source_fetch, NULL, source_health, source_free};

typedef struct outcome {
    gba_err err;
    char from;
    unsigned told;
} outcome;

static void on_done(void *ctx, gba_err e, const av_result *r)
{
    outcome *o = ctx;
    o->err = e;
    o->from = r ? (char)r->vector.rand[0] : '-';
    o->told++;
}

static char asked(av_source *s, const char *impi, const av_resync *resync)
{
    outcome o = {.from = '?'};
    gba_impi i = {{0}};
    snprintf(i.s, sizeof i.s, "%s", impi);
    s->ops->fetch(s, &i, resync, on_done, &o);
    CU_ASSERT(o.told == 1 && o.err == GBA_OK);
    return o.from;
}

static source a, b, last;
static void reset(void)
{
    a = (source){.base = {&remote_ops}, .name = 'a'};
    b = (source){.base = {&remote_ops}, .name = 'b'};
    last = (source){.base = {&local_ops}, .name = 'l'};
}

static av_source *fresh(const av_route *routes, size_t n)
{
    av_source *s = NULL;
    reset();
    CU_ASSERT_EQUAL(av_route_new(routes, n, &last.base, &s), GBA_OK);
    return s;
}

static void which(void)
{
    static const struct {
        const char *impi;
        char from;
    } rows[] = {
        {"1@home.test", 'a'},
        {"1@HOME.test", 'a'},
        {"1@x.home.test", 'b'},       /* "*.home.test" */
        {"1@a.b.home.test", 'b'},     /* at any depth */
        {"1@own.home.test", 'l'},     /* an entry of its own, with the own AuC, before the wildcard */
        {"1@nothome.test", 'l'},      /* no label boundary */
        {"1@home.test.evil.org", 'l'},
        {"a@home.test@other.test", 'l'}, /* the realm is behind the last @ */
        {"nobody", 'l'},
    };
    const av_route routes[] = {
        {"home.test", &a.base}, {"own.home.test", NULL}, {"*.home.test", &b.base}, {"home.test", NULL} /* too late */
    };
    av_source *s = fresh(routes, 4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char from = asked(s, rows[i].impi, NULL);
        if (from != rows[i].from)
            printf("\n%s: %c\n", rows[i].impi, from);
        CU_ASSERT_EQUAL(from, rows[i].from);
    }
    s->ops->free(s);
}

static void everything(void)
{
    const av_route routes[] = {{"*", &a.base}, {"home.test", &b.base}};
    av_source *s = fresh(routes, 2);
    CU_ASSERT_EQUAL(asked(s, "1@home.test", NULL), 'a'); /* the first that covers it counts */
    CU_ASSERT_EQUAL(asked(s, "nobody", NULL), 'a');
    s->ops->free(s);
}

static void passed_on(void)
{
    const av_route routes[] = {{"home.test", &a.base}};
    const av_resync rs = {.rand = {7}};
    const uint8_t rand[16] = {9};
    gba_impi home = {"1@home.test"}, own = {"1@own.test"};
    av_result r = {0};
    av_source *s = fresh(routes, 1);

    CU_ASSERT_EQUAL(asked(s, home.s, &rs), 'a');
    CU_ASSERT_TRUE(a.resynced);
    CU_ASSERT_EQUAL(s->ops->recompute(s, &home, rand, &r), GBA_E_UNSUPPORTED); /* an HSS keeps K */
    CU_ASSERT_EQUAL(s->ops->recompute(s, &own, rand, &r), GBA_OK);
    CU_ASSERT(last.recomputed == 1 && r.vector.rand[0] == 9);
    s->ops->free(s);
}

static void health(void)
{
    const av_route routes[] = {{"home.test", &a.base}, {"other.test", &b.base}, {"own.test", NULL}};
    char why[256] = "";
    av_source *s = fresh(routes, 3);

    CU_ASSERT_EQUAL(s->ops->health(s, why, sizeof why), GBA_OK);
    b.health = GBA_E_IO; /* one realm's HSS is down: the rest is served */
    CU_ASSERT_EQUAL(s->ops->health(s, why, sizeof why), GBA_OK);
    b.health = GBA_OK;
    last.health = GBA_E_CORRUPT;
    CU_ASSERT_EQUAL(s->ops->health(s, why, sizeof why), GBA_OK);
    a.health = b.health = GBA_E_IO;
    CU_ASSERT_EQUAL(s->ops->health(s, why, sizeof why), GBA_E_IO);
    CU_ASSERT_STRING_EQUAL(why, "realm home.test: a\nrealm other.test: b\nrealm own.test: l\nrealm *: l");
    last.health = GBA_E_UNKNOWN; /* no subscribers yet: good for a realm that names it */
    CU_ASSERT_EQUAL(s->ops->health(s, why, sizeof why), GBA_OK);
    s->ops->free(s);
    const av_route one[] = {{"home.test", &a.base}};
    s = fresh(one, 1);
    why[0] = 0;
    a.health = GBA_E_IO;
    last.health = GBA_E_UNKNOWN; /* but nobody's last resort */
    CU_ASSERT_EQUAL(s->ops->health(s, why, sizeof why), GBA_E_IO);
    CU_ASSERT_STRING_EQUAL(why, "realm home.test: a\nrealm *: l");
    s->ops->free(s);
}

static int64_t up(const char *realm)
{
    char label[64];
    snprintf(label, sizeof label, "realm=\"%s\"", realm);
    return metric_value(metric_gauge("gba_av_up", label, ""));
}

static void watched(void)
{
    const av_route routes[] = {{"home.test", &a.base}, {"other.test", &b.base}};
    char text[4096] = "";
    FILE *f = tmpfile();
    int err = dup(2);
    av_source *s = fresh(routes, 2);
    CU_ASSERT_FATAL(f && dup2(fileno(f), 2) == 2);
    b.health = GBA_E_IO;
    for (int i = 0; i < 5; i++)
        av_route_watch(s);
    CU_ASSERT(up("home.test") == 1 && up("other.test") == 0);
    for (int i = 0; i < 5; i++)
        av_route_watch(s);
    b.health = GBA_OK;
    av_route_watch(s);
    CU_ASSERT(up("home.test") == 1 && up("other.test") == 1);
    a.health = GBA_E_IO;
    av_route_watch(s);
    CU_ASSERT(up("home.test") == 0 && up("other.test") == 1);
    log_flush(true);
    dup2(err, 2);
    close(err);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    const char *down = strstr(text, "error av.down realm=other.test reason=b\n");
    const char *back = down ? strstr(down + 9, "info av.up realm=other.test\n") : NULL;
    CU_ASSERT(down && back && strstr(back, "error av.down realm=home.test reason=a\n"));
    int lines = 0;
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    CU_ASSERT_EQUAL(lines, 3);
    s->ops->free(s);
}

static void freed(void)
{
    const av_route routes[] = {{"home.test", &a.base}, {"own.test", NULL}, {"other.test", &b.base}};
    av_source *s = fresh(routes, 3);
    s->ops->free(s);
    CU_ASSERT(a.freed == 1 && b.freed == 1 && last.freed == 1);
}

/* Sources are taken, and freed, also when it fails. */
static void impossible(void)
{
    char longest[400];
    av_route many[AV_ROUTES + 1];
    av_source *s = &a.base;

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const av_route bad[] = {{"home.test", &a.base}, {longest, &b.base}, {"own.test", NULL}};
    reset();
    CU_ASSERT_EQUAL(av_route_new(bad, 3, &last.base, &s), GBA_E_RANGE);
    CU_ASSERT(!s && a.freed == 1 && b.freed == 1 && last.freed == 1);
    for (size_t i = 0; i <= AV_ROUTES; i++)
        many[i] = (av_route){"home.test", i ? NULL : &a.base};
    reset();
    CU_ASSERT_EQUAL(av_route_new(many, AV_ROUTES + 1, &last.base, &s), GBA_E_RANGE);
    CU_ASSERT(!s && a.freed == 1 && last.freed == 1);
    CU_ASSERT_EQUAL(av_route_new(many, AV_ROUTES, &last.base, &s), GBA_OK);
    s->ops->free(s);
}

T_MAIN("av_route", {"which source", which}, {"every realm", everything}, {"passed on", passed_on}, {"health", health}, {"watched", watched},
       {"freed once", freed}, {"impossible routes", impossible})
