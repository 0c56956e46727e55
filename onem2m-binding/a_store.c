/* SPDX-License-Identifier: Apache-2.0 */
/* a_store.c - what Entity A holds: one sealed file a credential in the state folder. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "onem2m-binding/a.h"
#include "ue/file.h"

_Static_assert(GBA_M2M_TEXT == GBA_UICC_TEXT, "what ue/file.c writes fits where we have it written to");

#define KIND "M2MC"
#define RECORD_VERSION 1
#define PREFIX "m2m-"
#define ENDING ".gba"

const char *gba_m2m_held_key(const gba_m2m_held *h)
{
    return h->kind == GBA_M2M_HELD_KM ? "Km" : h->kind == GBA_M2M_HELD_KPSA ? "Kpsa" : "Kc";
}

const char *gba_m2m_held_id_name(const gba_m2m_held *h)
{
    if (h->kind == GBA_M2M_HELD_KC)
        return "KcID";
    if (h->by == GBA_M2M_SBF_3)
        return h->kind == GBA_M2M_HELD_KM ? "KmID = B-TID" : "KpsaID = B-TID";
    if (strcmp(h->id, h->enrolled_as) != 0)
        return "KmID";
    return h->kind == GBA_M2M_HELD_KM ? "KeID" : "KpsaID = KeID";
}

void a_record_wipe(a_record *r)
{
    gba_wipe(r, sizeof *r);
}

/* ---- the record ---- */
static void put_text(ue_out *o, const char *s)
{
    ue_put_uint(o, strlen(s), 2);
    ue_put(o, s, strlen(s));
}

static void put_id(ue_out *o, const gba_m2m_id *id)
{
    char text[GBA_M2M_ID_MAX + 1] = "";

    if (id->kind != GBA_M2M_ID_NONE && gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, text) != GBA_OK)
        o->bad = true;
    put_text(o, text);
}

gba_err a_record_print(const a_record *r, uint8_t *out, size_t *n)
{
    ue_out o = {out, 0, *n, false};

    ue_put_uint(&o, RECORD_VERSION, 1);
    ue_put_uint(&o, r->h.kind, 1);
    ue_put_uint(&o, r->h.by, 1);
    ue_put_uint(&o, r->h.kdf, 1);
    put_text(&o, r->h.id);
    put_text(&o, r->h.enrolled_as);
    put_id(&o, &r->h.self);
    put_id(&o, &r->h.target);
    put_text(&o, r->h.server.s);
    ue_put_uint(&o, (uint64_t)r->h.made, 8);
    ue_put_uint(&o, (uint64_t)r->h.expires, 8);
    put_text(&o, r->host);
    ue_put_uint(&o, r->port, 2);
    put_text(&o, r->reg);
    ue_put_uint(&o, (uint64_t)r->reg_until, 8);
    ue_put_uint(&o, r->keys.n, 1);
    for (size_t i = 0; i < r->keys.n && i < A_SUITES; i++) {
        ue_put_uint(&o, r->keys.of[i].suite, 2);
        ue_put_span(&o, gba_secret_span(&r->keys.of[i].key));
    }
    *n = o.n;
    return o.bad ? GBA_E_SPACE : GBA_OK;
}

static void get_text(ue_in *in, char *out, size_t room)
{
    size_t n = (size_t)ue_get_uint(in, 2);

    if (n >= room)
        in->bad = true;
    else
        ue_get(in, out, n);
    out[in->bad ? 0 : n] = 0;
    for (size_t i = 0; !in->bad && i < n; i++)
        in->bad = out[i] <= 0x20 || out[i] >= 0x7f;
}

static void get_id(ue_in *in, bool optional, gba_m2m_id *out)
{
    char text[GBA_M2M_ID_MAX + 1];

    get_text(in, text, sizeof text);
    if (!in->bad && (text[0] || !optional) && gba_m2m_entity_parse(gba_str(text), out) != GBA_OK)
        in->bad = true;
}

static void get_keys(ue_in *in, a_keys *k)
{
    k->n = (size_t)ue_get_uint(in, 1);
    if (k->n == 0 || k->n > A_SUITES)
        in->bad = true;
    for (size_t i = 0; !in->bad && i < k->n; i++) {
        k->of[i].suite = (uint16_t)ue_get_uint(in, 2);
        gba_span key = ue_get_span(in);
        if (key.n < 16 || key.n > GBA_SECRET_MAX || gba_secret_set(&k->of[i].key, key.p, key.n) != GBA_OK)
            in->bad = true;
    }
}

/* Checked as if a peer had sent it. */
gba_err a_record_parse(gba_span record, a_record *r)
{
    ue_in in = {record.p, record.n, false};
    gba_fqdn f;
    char server[256];

    memset(r, 0, sizeof *r);
    if (ue_get_uint(&in, 1) != RECORD_VERSION)
        return GBA_E_UNSUPPORTED;
    r->h.kind = (gba_m2m_held_kind)ue_get_uint(&in, 1);
    r->h.by = (gba_m2m_framework)ue_get_uint(&in, 1);
    r->h.kdf = (gba_m2m_kdf)ue_get_uint(&in, 1);
    get_text(&in, r->h.id, sizeof r->h.id);
    get_text(&in, r->h.enrolled_as, sizeof r->h.enrolled_as);
    get_id(&in, true, &r->h.self);
    get_id(&in, false, &r->h.target);
    get_text(&in, server, sizeof server);
    r->h.made = (int64_t)ue_get_uint(&in, 8);
    r->h.expires = (int64_t)ue_get_uint(&in, 8);
    get_text(&in, r->host, sizeof r->host);
    r->port = (uint16_t)ue_get_uint(&in, 2);
    get_text(&in, r->reg, sizeof r->reg);
    r->reg_until = (int64_t)ue_get_uint(&in, 8);
    get_keys(&in, &r->keys);
    if (in.bad || in.n || gba_fqdn_parse(gba_str(server), &f) != GBA_OK || r->h.kind < GBA_M2M_HELD_KM ||
        r->h.kind > GBA_M2M_HELD_KC || (unsigned)r->h.by >= GBA_M2M_FRAMEWORKS || r->h.kdf > GBA_M2M_KDF_2014 ||
        r->h.made < 0 || r->h.expires < 0 || !r->h.id[0]) {
        a_record_wipe(r);
        return GBA_E_SYNTAX;
    }
    r->h.server = f;
    return GBA_OK;
}

/* ---- the folder ---- */
gba_err a_store_open(gba_m2m_a *a, char text[GBA_M2M_TEXT])
{
    char path[PATH_MAX];
    gba_err e = ue_folder_make(a->c.state_dir, text);

    if (e != GBA_OK)
        return e;
    if (snprintf(a->dir, sizeof a->dir, "%s", a->c.state_dir) >= (int)sizeof a->dir)
        return ue_say(text, GBA_E_RANGE, "state folder: the path is too long");
    snprintf(path, sizeof path, "%s/state.key", a->dir);
    return ue_seal_key(&a->c.seal, path, true, &a->seal, text);
}

gba_err a_lock(gba_m2m_a *a, int *fd)
{
    char path[PATH_MAX];

    *fd = -1;
    if (!a->seal.n)
        return GBA_OK;
    snprintf(path, sizeof path, "%s/m2m.lock", a->dir);
    return ue_lock_take(path, fd, a->text);
}

void a_unlock(int *fd)
{
    ue_lock_drop(fd);
}

/* One file for what, for whom and with whom; the name tells none of them. */
static gba_err path_of(gba_m2m_a *a, const gba_m2m_held *h, char out[PATH_MAX])
{
    GBA_SECRET_SCOPED name = {0};
    char self[GBA_M2M_ID_MAX + 1] = "", target[GBA_M2M_ID_MAX + 1], hex[33];
    uint8_t kind = (uint8_t)h->kind;
    gba_err e = gba_m2m_id_print(&h->target, GBA_M2M_ABSOLUTE, target);

    if (e == GBA_OK && h->self.kind != GBA_M2M_ID_NONE)
        e = gba_m2m_id_print(&h->self, GBA_M2M_ABSOLUTE, self);
    const gba_span parts[] = {gba_mem(&kind, 1), gba_str(self), gba_str(target),
                              h->kind == GBA_M2M_HELD_KC ? gba_str(h->server.s) : gba_str("")};
    if (e == GBA_OK)
        e = gba_kdf(gba_secret_span(&a->seal), 0x01, parts, 4, &name);
    if (e != GBA_OK)
        return e;
    gba_hex_encode(name.o, 16, hex);
    int n = snprintf(out, PATH_MAX, "%s/" PREFIX "%s" ENDING, a->dir, hex);
    return n > 0 && n < PATH_MAX ? GBA_OK : GBA_E_RANGE;
}

gba_err a_store_save(gba_m2m_a *a, const a_record *r)
{
    uint8_t plain[A_RECORD_MAX];
    char path[PATH_MAX];
    size_t n = sizeof plain;
    gba_err e = a->seal.n ? path_of(a, &r->h, path) : GBA_E_UNSUPPORTED;

    if (e == GBA_OK)
        e = a_record_print(r, plain, &n);
    if (e != GBA_OK)
        return a_say(a, e, "the credential cannot be stored: %s",
                     e == GBA_E_UNSUPPORTED ? "no state folder" : gba_err_text(e));
    e = ue_sealed_write(path, KIND, &a->seal, gba_mem(plain, n), true, a->text);
    gba_wipe(plain, sizeof plain);
    return e;
}

gba_err a_store_drop(gba_m2m_a *a, const a_record *r)
{
    char path[PATH_MAX];
    gba_err e = path_of(a, &r->h, path);

    if (e == GBA_OK && unlink(path) != 0 && errno != ENOENT)
        e = a_say(a, GBA_E_IO, "%s: %s", path, strerror(errno));
    return e;
}

static bool is_ours(const char *name)
{
    size_t n = strlen(name), p = strlen(PREFIX), x = strlen(ENDING);
    return n == p + 32 + x && !strncmp(name, PREFIX, p) && !strcmp(name + n - x, ENDING);
}

static gba_err load(gba_m2m_a *a, const char *path, a_record *out)
{
    uint8_t plain[A_RECORD_MAX];
    size_t n = sizeof plain;
    gba_err e = ue_sealed_read(path, KIND, &a->seal, plain, &n, a->text);

    if (e == GBA_OK && a_record_parse(gba_mem(plain, n), out) != GBA_OK)
        e = a_say(a, GBA_E_CORRUPT, "%s: its record is not a credential's", path);
    gba_wipe(plain, sizeof plain);
    return e;
}

/* each: false ends it. */
static gba_err walk(gba_m2m_a *a, bool (*each)(void *arg, a_record *r), void *arg)
{
    A_RECORD_SCOPED r = {0};
    char path[PATH_MAX];
    gba_err e = GBA_OK;
    bool more = true;

    if (!a->seal.n)
        return GBA_OK;
    DIR *d = opendir(a->dir);
    if (!d)
        return a_say(a, GBA_E_IO, "%s: %s", a->dir, strerror(errno));
    for (struct dirent *f; more && e == GBA_OK && (f = readdir(d));) {
        if (!is_ours(f->d_name) || snprintf(path, sizeof path, "%s/%s", a->dir, f->d_name) >= (int)sizeof path)
            continue;
        e = load(a, path, &r);
        if (e == GBA_OK)
            more = each(arg, &r);
        else if (e == GBA_E_UNKNOWN) /* gone meanwhile */
            e = GBA_OK;
    }
    closedir(d);
    return e;
}

/* ---- finding ---- */
typedef struct search {
    gba_m2m_held_kind kind;
    const gba_m2m_id *self;
    const gba_fqdn *target;
    int64_t now;
    bool found, live;
    a_record *out;
} search;

static bool compare(void *arg, a_record *r)
{
    search *s = arg;
    gba_fqdn name;

    if (r->h.kind != s->kind)
        return true;
    if (s->self->kind != GBA_M2M_ID_NONE && r->h.self.kind != GBA_M2M_ID_NONE && !gba_m2m_id_eq(s->self, &r->h.self))
        return true;
    if (s->target && (gba_m2m_id_fqdn(&r->h.target, &name) != GBA_OK || strcmp(name.s, s->target->s) != 0))
        return true;
    bool live = r->h.expires > s->now;
    if (s->found && (s->live > live || (s->live == live && s->out->h.made >= r->h.made)))
        return true;
    s->found = true;
    s->live = live;
    *s->out = *r;
    return true;
}

gba_err a_store_find(gba_m2m_a *a, gba_m2m_held_kind kind, const gba_fqdn *target, a_record *out)
{
    search s = {
        .kind = kind, .self = &a->c.id, .target = target && target->s[0] ? target : NULL, .now = a_now(a), .out = out};
    gba_err e = walk(a, compare, &s);

    if (e != GBA_OK)
        return e;
    return !s.found ? GBA_E_UNKNOWN : s.live ? GBA_OK : GBA_E_EXPIRED;
}

/* ---- for people ---- */
typedef struct listing {
    gba_m2m_a *a;
    void (*each)(void *arg, const gba_m2m_held *h);
    void *arg;
    const char *id;
    size_t n;
    gba_err e;
} listing;

static bool show(void *arg, a_record *r)
{
    listing *l = arg;
    l->each(l->arg, &r->h);
    return true;
}

gba_err gba_m2m_held_each(gba_m2m_a *a, void (*each)(void *arg, const gba_m2m_held *h), void *arg)
{
    listing l = {.each = each, .arg = arg};
    return walk(a, show, &l);
}

static bool drop(void *arg, a_record *r)
{
    listing *l = arg;

    if (l->id ? strcmp(l->id, r->h.id) != 0 && strcmp(l->id, r->h.enrolled_as) != 0 : r->h.expires > a_now(l->a))
        return true;
    l->e = a_store_drop(l->a, r);
    l->n += l->e == GBA_OK;
    return l->e == GBA_OK;
}

gba_err gba_m2m_held_forget(gba_m2m_a *a, const char *id, size_t *n)
{
    listing l = {.a = a, .id = id};
    int fd;
    gba_err e = a_lock(a, &fd);

    if (e == GBA_OK)
        e = walk(a, drop, &l);
    a_unlock(&fd);
    *n = l.n;
    return e != GBA_OK ? e : l.e;
}
