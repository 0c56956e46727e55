/* SPDX-License-Identifier: Apache-2.0 */
/* kms_records.c - stored records as octets: one function a record walks its members, writing or reading. */
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/kms.h"
#include "service/daemon.h"

#define FORMAT 1

typedef struct walk {
    bool writing, bad;
    uint8_t *out;
    const uint8_t *in;
    size_t room, n; /* n: octets passed */
} walk;

static void octets(walk *w, void *p, size_t n)
{
    if (w->bad || w->room - w->n < n) {
        w->bad = true;
        return;
    }
    if (w->writing)
        memcpy(w->out + w->n, p, n);
    else
        memcpy(p, w->in + w->n, n);
    w->n += n;
}

static void number(walk *w, int64_t *v)
{
    uint8_t o[8];

    for (int i = 0; i < 8; i++)
        o[i] = (uint8_t)((uint64_t)*v >> (56 - 8 * i));
    octets(w, o, 8);
    uint64_t u = 0;
    for (int i = 0; i < 8; i++)
        u = u << 8 | o[i];
    if (!w->bad)
        *v = (int64_t)u;
}

static void small(walk *w, unsigned *v, unsigned max)
{
    int64_t n = *v;

    number(w, &n);
    if (n < 0 || n > max)
        w->bad = true;
    else
        *v = (unsigned)n;
}

static void text(walk *w, char *s, size_t room)
{
    unsigned n = w->writing ? (unsigned)strnlen(s, room) : 0;

    small(w, &n, (unsigned)room - 1);
    if (w->bad)
        return;
    octets(w, s, n);
    if (!w->writing && !w->bad) {
        s[n] = 0;
        if (memchr(s, 0, n))
            w->bad = true;
    }
}

static void secret(walk *w, gba_secret *s)
{
    unsigned n = (unsigned)s->n;

    small(w, &n, GBA_SECRET_MAX);
    if (w->bad)
        return;
    s->n = n;
    octets(w, s->o, n);
}

static void flag(walk *w, bool *b)
{
    unsigned v = *b;
    small(w, &v, 1);
    *b = v == 1;
}

static void walk_cred(walk *w, kms_cred *r)
{
    secret(w, &r->key);
    text(w, r->client, sizeof r->client);
    number(w, &r->created);
    number(w, &r->expires);
    text(w, r->source, sizeof r->source);
    text(w, r->cfg, sizeof r->cfg);
    small(w, &r->n_enrol, KMS_ENROL);
    for (unsigned i = 0; i < r->n_enrol && !w->bad; i++) {
        text(w, r->enrol[i].target, sizeof r->enrol[i].target);
        small(w, &r->enrol[i].suid, 99);
        number(w, &r->enrol[i].expires);
    }
    small(w, &r->n_cmds, KMS_CMDS);
    for (unsigned i = 0; i < r->n_cmds && !w->bad; i++)
        text(w, r->cmd[i], sizeof r->cmd[i]);
}

static void walk_reg(walk *w, kms_reg *r)
{
    text(w, r->creator, sizeof r->creator);
    text(w, r->adfq, sizeof r->adfq);
    text(w, r->labels, sizeof r->labels);
    text(w, r->aski, sizeof r->aski);
    text(w, r->cred, sizeof r->cred);
    number(w, &r->et);
    number(w, &r->ct);
    number(w, &r->lt);
    small(w, &r->cmd_at, KMS_CMDS);
    small(w, &r->cmd_issued, 1000000);
    small(w, &r->cmd_status, 999);
}

static void walk_key(walk *w, kms_key *r)
{
    text(w, r->creator, sizeof r->creator);
    text(w, r->adfq, sizeof r->adfq);
    text(w, r->labels, sizeof r->labels);
    text(w, r->reg, sizeof r->reg);
    text(w, r->credential, sizeof r->credential);
    secret(w, &r->key);
    flag(w, &r->exported);
    flag(w, &r->dead);
    small(w, &r->suid, 99);
    small(w, &r->n_targets, KMS_TARGETS);
    for (unsigned i = 0; i < r->n_targets && !w->bad; i++)
        text(w, r->target[i], sizeof r->target[i]);
    number(w, &r->et);
    number(w, &r->ct);
    number(w, &r->lt);
}

/* Both directions of each record. */
#define RECORD(NAME)                                                                     \
    gba_err kms_##NAME##_write(kms_##NAME *r, uint8_t *out, size_t *n)                   \
    {                                                                                    \
        walk w = {.writing = true, .out = out, .room = *n};                              \
        uint8_t format = FORMAT;                                                         \
        octets(&w, &format, 1);                                                          \
        walk_##NAME(&w, r);                                                              \
        *n = w.n;                                                                        \
        return w.bad ? GBA_E_SPACE : GBA_OK;                                             \
    }                                                                                    \
    gba_err kms_##NAME##_read(gba_span in, kms_##NAME *out)                              \
    {                                                                                    \
        walk w = {.in = in.p, .room = in.n};                                             \
        uint8_t format = 0;                                                              \
        memset(out, 0, sizeof *out);                                                     \
        octets(&w, &format, 1);                                                          \
        if (!w.bad && format != FORMAT)                                                  \
            return GBA_E_UNSUPPORTED;                                                    \
        walk_##NAME(&w, out);                                                            \
        if (!w.bad && w.n == in.n)                                                       \
            return GBA_OK;                                                               \
        gba_wipe(out, sizeof *out);                                                      \
        return GBA_E_CORRUPT;                                                            \
    }
RECORD(cred)
RECORD(reg)
RECORD(key)

void kms_hex(const uint8_t *o, size_t n, char *out)
{
    gba_hex_encode(o, n, out);
    for (; *out; out++)
        if (*out >= 'a')
            *out = (char)(*out - 32);
}

void kms_random_hex(char *out, size_t n)
{
    uint8_t o[32];

    service_random(o, n);
    kms_hex(o, n, out);
}

void kms_lower(char *s)
{
    for (; *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s + 32);
}

/* A certificate's record stays in the store when it has expired or is removed, for good: without one the certificate's
 * names would speak for themselves. Keys and IMPIs are nobody's without a record. */
static bool outlives(const char *key)
{
    static const char *const kind[] = {"dns:", "uri:", "other:", "key:"};

    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++)
        if (!strncmp(key, kind[i], strlen(kind[i])))
            return true;
    return false;
}

gba_err kms_cred_get(store *s, const kms_kind *k, const char *key, int64_t now, kms_cred **out)
{
    store_record rec = {0};
    gba_err e = store_get(s, (store_kind)(k->store + KMS_CRED), gba_str(key), now, &rec);

    *out = NULL;
    if (e != GBA_OK)
        return e;
    kms_cred *c = malloc(sizeof *c);
    e = c ? kms_cred_read(gba_mem(rec.value, rec.n), c) : GBA_E_NOMEM;
    store_record_free(&rec);
    if (e == GBA_OK && !c->client[0])
        e = GBA_E_FORBIDDEN; /* removed */
    if (e == GBA_OK && c->expires && c->expires <= now)
        e = GBA_E_EXPIRED;
    if (e == GBA_OK)
        *out = c;
    else if (c)
        kms_cred_free(&c);
    return e;
}

gba_err kms_cred_put(store *s, const kms_kind *k, const char *key, kms_cred *c, bool replace)
{
    size_t n = KMS_RECORD_MAX, failed;
    uint8_t *o = malloc(n);
    gba_err e = o ? kms_cred_write(c, o, &n) : GBA_E_NOMEM;

    if (e == GBA_OK) {
        store_op op = {.type = replace ? STORE_PUT : STORE_INSERT, .kind = (store_kind)(k->store + KMS_CRED),
                       .key = gba_str(key), .value = gba_mem(o, n), .expiry = outlives(key) ? 0 : c->expires};
        e = store_write(s, &op, 1, c->created, &failed);
    }
    if (o)
        gba_wipe(o, KMS_RECORD_MAX);
    free(o);
    if (e == GBA_E_FORBIDDEN && outlives(key)) { /* what has ended is in nobody's way */
        kms_cred *old = NULL;
        gba_err was = kms_cred_get(s, k, key, c->created, &old);
        kms_cred_free(&old);
        if (was == GBA_E_EXPIRED || was == GBA_E_FORBIDDEN)
            return kms_cred_put(s, k, key, c, true);
    }
    return e;
}

gba_err kms_cred_remove(store *s, const kms_kind *k, const char *key, int64_t now)
{
    const store_op op = {.type = STORE_TAKE, .kind = (store_kind)(k->store + KMS_CRED), .key = gba_str(key)};
    kms_cred *c = NULL;

    if (!outlives(key))
        return store_write(s, &op, 1, now, NULL);
    gba_err e = kms_cred_get(s, k, key, now, &c);
    kms_cred_free(&c);
    if (e == GBA_E_FORBIDDEN || e == GBA_E_UNKNOWN)
        return GBA_E_UNKNOWN;
    if (!(c = calloc(1, sizeof *c)))
        return GBA_E_NOMEM;
    c->created = now;
    e = kms_cred_put(s, k, key, c, true);
    kms_cred_free(&c);
    return e;
}

void kms_cred_free(kms_cred **c)
{
    if (*c)
        gba_wipe(*c, sizeof **c);
    free(*c);
    *c = NULL;
}
