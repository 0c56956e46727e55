/* SPDX-License-Identifier: Apache-2.0 */
/* a.c - Entity A: the object, its steps, its connections. */
#include "onem2m-binding/a.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "onem2m-binding/names.h"

#define LIFETIME (30 * 86400)

/* ---- the object ---- */
gba_err a_say(gba_m2m_a *a, gba_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->text, sizeof a->text, fmt, ap);
    va_end(ap);
    return e;
}

int64_t a_now(const gba_m2m_a *a)
{
    return a->c.now ? a->c.now(a->c.arg) : (int64_t)time(NULL);
}

int64_t a_until(const gba_m2m_a *a)
{
    return a_now(a) + (a->c.lifetime > 0 ? a->c.lifetime : LIFETIME);
}

void a_step(gba_m2m_a *a, const gba_m2m_step *s)
{
    gba_m2m_step whole = *s;

    whole.row = a->row;
    if (a->c.step)
        a->c.step(a->c.arg, &whole);
}

const char *a_admin(const gba_m2m_a *a, const gba_m2m_id *other)
{
    if (a->c.admin.s[0])
        return a->c.admin.s;
    return a->c.id.kind != GBA_M2M_ID_NONE ? a->c.id.sp.s : other->sp.s;
}

gba_err gba_m2m_a_new(const gba_m2m_a_config *c, gba_m2m_a **out, char text[GBA_M2M_TEXT])
{
    gba_m2m_a *a = calloc(1, sizeof *a);
    gba_err e = a ? GBA_OK : GBA_E_NOMEM;

    *out = NULL;
    if (text)
        text[0] = 0;
    if (!a)
        return e;
    a->c = *c;
    if (!a->c.connect_ms)
        a->c.connect_ms = 5000;
    if (!a->c.total_ms)
        a->c.total_ms = 15000;
    if (c->id.kind != GBA_M2M_ID_NONE)
        e = gba_m2m_id_print(&c->id, GBA_M2M_ABSOLUTE, a->id);
    if (e != GBA_OK && text)
        snprintf(text, GBA_M2M_TEXT, "Entity A has no absolute identifier");
    if (e == GBA_OK && c->state_dir)
        e = a_store_open(a, text);
    if (e == GBA_OK)
        *out = a;
    else
        gba_m2m_a_free(&a);
    return e;
}

void gba_m2m_a_free(gba_m2m_a **a)
{
    if (*a)
        gba_wipe(*a, sizeof **a);
    free(*a);
    *a = NULL;
}

const char *gba_m2m_a_text(const gba_m2m_a *a)
{
    return a->text;
}

/* ---- keys ---- */
void a_keys_wipe(a_keys *k)
{
    gba_wipe(k, sizeof *k);
}

void a_keys_one(a_keys *k, const gba_secret *key)
{
    k->n = 1;
    k->of[0].suite = 0;
    k->of[0].key = *key;
}

void a_auth_wipe(a_auth *x)
{
    gba_wipe(x, sizeof *x);
}

bool a_own_cert(const gba_m2m_own *own, a_auth *x)
{
    x->own = own;
    if (!own->key_file || (!own->ca_file && !own->server_key))
        return false;
    snprintf(x->id, sizeof x->id, "%s", own->cert_file ? own->cert_file : own->key_file);
    return true;
}

/* ---- connections ---- */
void a_party(const char *who, const gba_m2m_server *s, char out[300])
{
    snprintf(out, 300, "%s %s", who, s->fqdn.s);
}

/* A B-TID goes bare (TS-0003 8.3.2.3), or in 3GPP's form where the server's hint asks for it (TS 24.109
 * F.3). */
static gba_err print_identity(const a_auth *x, const char *hint, char *identity, size_t room)
{
    bool prefix = (x->gba || x->keys.of[0].suite) && strstr(hint, "3GPP-bootstrapping");
    int n = snprintf(identity, room, "%s%s", prefix ? "3GPP-bootstrapping;" : "", x->id);

    return n > 0 && (size_t)n < room ? GBA_OK : GBA_E_RANGE;
}

gba_err a_auth_key(const a_auth *x, uint16_t suite, gba_secret *key)
{
    gba_naf_id naf = {.fqdn = x->naf, .ua = gba_ua_id_psk(GBA_TLS12, suite)};

    if (x->gba)
        return x->gba->naf_key(x->gba->arg, &naf, key);
    for (size_t i = 0; i < x->keys.n; i++)
        if (x->keys.of[i].suite == 0 || x->keys.of[i].suite == suite) {
            *key = x->keys.of[i].key;
            return GBA_OK;
        }
    return GBA_E_UNSUPPORTED;
}

static gba_err on_psk(void *ctx, uint16_t suite, const char *hint, char *identity, size_t room, gba_secret *key)
{
    const a_auth *x = ctx;
    gba_err e = print_identity(x, hint, identity, room);
    return e == GBA_OK ? a_auth_key(x, suite, key) : e;
}

gba_err a_open(gba_m2m_a *a, const char *who, const gba_m2m_server *s, const a_auth *x, const char *priority,
               m2m_peer **out)
{
    char why[300] = "";
    bool psk = x->gba || x->keys.n;
    m2m_peer_config c = {.host = s->host ? s->host : s->fqdn.s, .port = s->port ? s->port : 443, .sni = s->fqdn.s,
                         .priority = priority, .connect_ms = a->c.connect_ms, .total_ms = a->c.total_ms,
                         .answer_max = 1048576};

    if (psk) {
        c.psk_fn = on_psk;
        c.psk_ctx = (void *)(uintptr_t)x;
    } else {
        c.ca_file = x->own->ca_file;
        c.crl_file = x->own->crl_file;
        c.cert_file = x->own->cert_file;
        c.key_file = x->own->key_file;
        c.raw_key = !x->own->cert_file;
        c.expect_key = x->own->server_key;
    }
    gba_err e = m2m_peer_open(&c, out, why, sizeof why);
    if (e == GBA_E_AUTH)
        return a_say(a, e, "%s %s does not accept us by %s%s%s, or we not it: %s", who, s->fqdn.s,
                     psk ? x->id_name : "certificate", psk ? " " : "", psk ? x->id : "", why);
    if (e != GBA_OK)
        return a_say(a, e, "%s %s: %s", who, s->fqdn.s, why[0] ? why : gba_err_text(e));
    return e;
}

/* ---- requests ---- */
static gba_err make_rqi(char out[17])
{
    uint8_t o[8];

    if (getrandom(o, sizeof o, 0) != sizeof o)
        return GBA_E_IO;
    gba_hex_encode(o, sizeof o, out);
    return GBA_OK;
}

gba_err a_ask(gba_m2m_a *a, m2m_peer *p, const char *method, const char *target, unsigned ty, const char *from,
              gba_span body, m2m_answer *out)
{
    char ri[17], type[48];
    m2m_field f[6] = {{M2M_H_RI, ri}, {M2M_H_RVI, M2M_RVI}, {"Accept", "application/json"}};
    size_t n = 3;

    memset(out, 0, sizeof *out);
    gba_err e = make_rqi(ri);
    if (e != GBA_OK)
        return a_say(a, e, "no random octets");
    if (from && *from)
        f[n++] = (m2m_field){M2M_H_ORIGIN, from};
    snprintf(type, sizeof type, ty ? "application/json;ty=%u" : "application/json", ty);
    if (body.n)
        f[n++] = (m2m_field){"Content-Type", type};
    e = m2m_peer_request(p, method, target, f, n, body, out);
    return e == GBA_OK ? e : a_say(a, e == GBA_E_ARG ? e : GBA_E_IO, "%s %s: no answer: %s", method, target,
                                   e == GBA_E_BUSY ? "it took too long" : gba_err_text(e));
}

unsigned a_rsc(const m2m_answer *r)
{
    const char *s = m2m_answer_field(r, M2M_H_RSC);
    unsigned v = 0;

    for (; s && *s >= '0' && *s <= '9' && v < 10000; s++)
        v = v * 10 + (unsigned)(*s - '0');
    return s && !*s && v >= 1000 && v < 10000 ? v : 0;
}
