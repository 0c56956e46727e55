/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records.c - the BSF's records as octets and back, writer and reader of each side by side.
 * Integers are big-endian; texts and keys stand behind a length octet; octets left over are
 * damage. A record has one form only: what is read and written again is the same.
 */
#include "bsf/records.h"
#include <string.h>

#define FORMAT 1         /* of every record */
#define FORMAT_GROUPS 2  /* of a NAF's record whose grants name NAF groups */
#define FORMAT_ANSWER 2  /* of a session that knows the answer it was made by */

/* ---- sticky cursors: write or read everything, then look at err once ---- */
typedef struct wr {
    uint8_t *p;
    size_t n, room;
    gba_err err;
} wr;

static void w_octets(wr *w, const void *p, size_t n)
{
    if (w->err != GBA_OK)
        return;
    if (n > w->room - w->n) {
        w->err = GBA_E_SPACE;
        return;
    }
    if (n)
        memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void w_uint(wr *w, uint64_t v, unsigned octets)
{
    uint8_t o[8];
    for (unsigned i = 0; i < octets; i++)
        o[i] = (uint8_t)(v >> (8 * (octets - 1 - i)));
    w_octets(w, o, octets);
}

static void w_need(wr *w, bool ok)
{
    if (!ok && w->err == GBA_OK)
        w->err = GBA_E_ARG;
}

static void w_block(wr *w, const void *p, size_t n)
{
    w_need(w, n <= 255);
    w_uint(w, n, 1);
    w_octets(w, p, n);
}

/* `s` stands in an array of `room` characters. */
static void w_text(wr *w, const char *s, size_t room, bool may_be_empty)
{
    size_t n = strnlen(s, room);
    w_need(w, n < room && (n || may_be_empty));
    w_block(w, s, n);
}

static wr w_begin_as(uint8_t format, uint8_t *out, const size_t *n)
{
    wr w = {.p = out, .room = *n};
    w_uint(&w, format, 1);
    return w;
}

static wr w_begin(uint8_t *out, const size_t *n)
{
    return w_begin_as(FORMAT, out, n);
}

static gba_err w_end(wr *w, size_t *n)
{
    if (w->err != GBA_OK)
        gba_wipe(w->p, w->n); /* half a record may hold half a key */
    *n = w->err == GBA_OK ? w->n : 0;
    return w->err;
}

typedef struct rd {
    const uint8_t *p;
    size_t n;
    gba_err err;
} rd;

static void r_need(rd *r, bool ok)
{
    if (!ok && r->err == GBA_OK)
        r->err = GBA_E_CORRUPT;
}

static const uint8_t *r_octets(rd *r, size_t n)
{
    const uint8_t *p = r->p;
    r_need(r, n <= r->n);
    if (r->err != GBA_OK)
        return NULL;
    r->p += n;
    r->n -= n;
    return p;
}

static uint64_t r_uint(rd *r, unsigned octets)
{
    const uint8_t *p = r_octets(r, octets);
    uint64_t v = 0;
    for (unsigned i = 0; p && i < octets; i++)
        v = v << 8 | p[i];
    return v;
}

/* A number that is never negative: a time, a duration. */
static int64_t r_time(rd *r)
{
    uint64_t v = r_uint(r, 8);
    r_need(r, v <= INT64_MAX);
    return r->err == GBA_OK ? (int64_t)v : 0;
}

static bool r_bool(rd *r)
{
    uint64_t v = r_uint(r, 1);
    r_need(r, v <= 1);
    return v == 1;
}

static void r_into(rd *r, void *out, size_t n)
{
    const uint8_t *p = r_octets(r, n);
    if (p)
        memcpy(out, p, n);
}

static void r_text(rd *r, char *out, size_t room, bool may_be_empty)
{
    size_t n = (size_t)r_uint(r, 1);
    const uint8_t *p = r_octets(r, n);
    r_need(r, n < room && (n || may_be_empty));
    if (r->err != GBA_OK)
        return;
    r_need(r, !memchr(p, 0, n));
    memcpy(out, p, n);
    out[n] = '\0';
}

static void r_secret(rd *r, gba_secret *out, size_t min)
{
    size_t n = (size_t)r_uint(r, 1);
    const uint8_t *p = r_octets(r, n);
    r_need(r, n >= min && n <= GBA_SECRET_MAX);
    if (r->err == GBA_OK && gba_secret_set(out, p, n) != GBA_OK)
        r->err = GBA_E_CORRUPT;
}

static rd r_begin(gba_span in)
{
    rd r = {.p = in.p, .n = in.n};
    uint64_t format = r_uint(&r, 1);
    if (r.err == GBA_OK && format != FORMAT)
        r.err = GBA_E_UNSUPPORTED;
    return r;
}

static gba_err r_end(rd *r)
{
    r_need(r, r->n == 0);
    return r->err;
}

/* ---- subscriber ---- */
void rec_subscriber_wipe(rec_subscriber *r)
{
    gba_wipe(r, sizeof *r);
}

gba_err rec_subscriber_write(const rec_subscriber *s, uint8_t *out, size_t *n)
{
    const gba_aka_key *k = &s->key;
    wr w = w_begin(out, n);
    w_need(&w, k->algorithm == GBA_MILENAGE || k->algorithm == GBA_TUAK);
    w_need(&w, k->k.n >= 16 && k->k.n <= 32 && k->opc.n >= 16 && k->opc.n <= 32);
    w_need(&w, s->sqn_initial <= GBA_SQN_MAX && s->created >= 0 && s->lifetime >= 0);
    w_uint(&w, k->algorithm, 1);
    w_uint(&w, k->mac_len, 1);
    w_uint(&w, k->res_len, 1);
    w_uint(&w, k->ck_len, 1);
    w_uint(&w, k->ik_len, 1);
    w_uint(&w, k->keccak_iterations, 1);
    w_block(&w, k->k.o, k->k.n);
    w_block(&w, k->opc.o, k->opc.n);
    w_octets(&w, s->amf, sizeof s->amf);
    w_uint(&w, (uint64_t)s->seq_offset, 8);
    w_uint(&w, s->sqn_initial, 6);
    w_uint(&w, (uint64_t)s->created, 8);
    w_uint(&w, (uint64_t)s->lifetime, 8);
    w_uint(&w, s->blocked, 1);
    return w_end(&w, n);
}

gba_err rec_subscriber_read(gba_span in, rec_subscriber *out)
{
    rd r = r_begin(in);
    memset(out, 0, sizeof *out);
    uint64_t algorithm = r_uint(&r, 1);
    if (r.err == GBA_OK && algorithm != GBA_MILENAGE && algorithm != GBA_TUAK)
        r.err = GBA_E_UNSUPPORTED;
    out->key.algorithm = (gba_aka_algorithm)algorithm;
    out->key.mac_len = (uint8_t)r_uint(&r, 1);
    out->key.res_len = (uint8_t)r_uint(&r, 1);
    out->key.ck_len = (uint8_t)r_uint(&r, 1);
    out->key.ik_len = (uint8_t)r_uint(&r, 1);
    out->key.keccak_iterations = (uint8_t)r_uint(&r, 1);
    r_secret(&r, &out->key.k, 16);
    r_secret(&r, &out->key.opc, 16);
    r_need(&r, out->key.k.n <= 32 && out->key.opc.n <= 32);
    r_into(&r, out->amf, sizeof out->amf);
    out->seq_offset = (int64_t)r_uint(&r, 8);
    out->sqn_initial = r_uint(&r, 6);
    out->created = r_time(&r);
    out->lifetime = r_time(&r);
    out->blocked = r_bool(&r);
    gba_err e = r_end(&r);
    if (e != GBA_OK)
        rec_subscriber_wipe(out);
    return e;
}

/* ---- session ---- */
void rec_session_wipe(rec_session *r)
{
    gba_wipe(r, sizeof *r);
}

gba_err rec_session_write(const rec_session *s, uint8_t *out, size_t *n)
{
    wr w = w_begin_as(s->answered ? FORMAT_ANSWER : FORMAT, out, n);
    w_need(&w, s->challenge_ms >= 0 && !(s->tombstone && s->answered));
    w_uint(&w, s->tombstone, 1);
    w_text(&w, s->impi.s, sizeof s->impi.s, false);
    w_uint(&w, (uint64_t)s->challenge_ms, 8);
    if (!s->tombstone) {
        w_need(&w, s->created >= 0 && s->expires >= 0 && s->gba_type <= 3);
        w_need(&w, s->ks.n >= 16 && s->ks.n <= GBA_SECRET_MAX);
        w_uint(&w, s->gba_type, 1);
        w_octets(&w, s->rand, sizeof s->rand);
        w_uint(&w, (uint64_t)s->created, 8);
        w_uint(&w, (uint64_t)s->expires, 8);
        w_block(&w, s->ks.o, s->ks.n);
        if (s->answered) {
            w_octets(&w, s->answer, sizeof s->answer);
            w_octets(&w, s->rspauth, sizeof s->rspauth);
        }
    }
    return w_end(&w, n);
}

gba_err rec_session_read(gba_span in, rec_session *out)
{
    bool answered = in.n && in.p[0] == FORMAT_ANSWER;
    rd r = answered ? (rd){.p = in.p + 1, .n = in.n - 1} : r_begin(in);
    memset(out, 0, sizeof *out);
    out->answered = answered;
    out->tombstone = r_bool(&r);
    r_text(&r, out->impi.s, sizeof out->impi.s, false);
    out->challenge_ms = r_time(&r);
    if (!out->tombstone) {
        out->gba_type = (uint8_t)r_uint(&r, 1);
        r_need(&r, out->gba_type <= 3);
        r_into(&r, out->rand, sizeof out->rand);
        out->created = r_time(&r);
        out->expires = r_time(&r);
        r_secret(&r, &out->ks, 16);
        if (answered) {
            r_into(&r, out->answer, sizeof out->answer);
            r_into(&r, out->rspauth, sizeof out->rspauth);
        }
    }
    r_need(&r, !(out->tombstone && answered)); /* one form only */
    gba_err e = r_end(&r);
    if (e != GBA_OK)
        rec_session_wipe(out);
    return e;
}

/* ---- head ---- */
gba_err rec_head_write(const rec_head *h, uint8_t *out, size_t *n)
{
    wr w = w_begin(out, n);
    w_need(&w, h->challenge_ms >= 0);
    w_text(&w, h->btid.s, sizeof h->btid.s, true);
    w_uint(&w, (uint64_t)h->challenge_ms, 8);
    w_text(&w, h->tmpi.s, sizeof h->tmpi.s, true);
    return w_end(&w, n);
}

gba_err rec_head_read(gba_span in, rec_head *out)
{
    rd r = r_begin(in);
    memset(out, 0, sizeof *out);
    r_text(&r, out->btid.s, sizeof out->btid.s, true);
    out->challenge_ms = r_time(&r);
    r_text(&r, out->tmpi.s, sizeof out->tmpi.s, true);
    gba_err e = r_end(&r);
    if (e != GBA_OK)
        memset(out, 0, sizeof *out);
    return e;
}

/* ---- TMPI ---- */
gba_err rec_tmpi_write(const gba_impi *impi, uint8_t *out, size_t *n)
{
    wr w = w_begin(out, n);
    w_text(&w, impi->s, sizeof impi->s, false);
    return w_end(&w, n);
}

gba_err rec_tmpi_read(gba_span in, gba_impi *out)
{
    rd r = r_begin(in);
    memset(out, 0, sizeof *out);
    r_text(&r, out->s, sizeof out->s, false);
    gba_err e = r_end(&r);
    if (e != GBA_OK)
        memset(out, 0, sizeof *out);
    return e;
}

/* ---- what a NAF may ask for ---- */
static void w_grant(wr *w, const rec_grant *g, bool groups)
{
    w_need(w, g->n_ua >= 1 && g->n_ua <= REC_NAF_UAS && g->n_service <= REC_NAF_SERVICES);
    if (w->err != GBA_OK)
        return;
    w_text(w, g->fqdn.s, sizeof g->fqdn.s, false);
    w_uint(w, g->n_ua, 1);
    for (size_t i = 0; i < g->n_ua; i++) {
        w_need(w, g->ua[i].n >= 1 && g->ua[i].n <= sizeof g->ua[i].o);
        if (w->err == GBA_OK)
            w_block(w, g->ua[i].o, g->ua[i].n);
    }
    w_uint(w, g->n_service, 1);
    for (size_t i = 0; i < g->n_service; i++)
        w_uint(w, g->service[i], 4);
    w_uint(w, g->impi, 1);
    if (groups)
        w_text(w, g->naf_group, sizeof g->naf_group, true);
}

static bool any_group(const rec_naf *naf)
{
    for (size_t i = 0; i < naf->n && i < REC_NAF_GRANTS; i++)
        if (naf->grant[i].naf_group[0])
            return true;
    return false;
}

gba_err rec_naf_write(const rec_naf *naf, uint8_t *out, size_t *n)
{
    bool groups = any_group(naf);
    wr w = w_begin_as(groups ? FORMAT_GROUPS : FORMAT, out, n);
    w_need(&w, naf->n <= REC_NAF_GRANTS);
    if (w.err == GBA_OK)
        w_uint(&w, naf->n, 1);
    for (size_t i = 0; i < naf->n && w.err == GBA_OK; i++)
        w_grant(&w, &naf->grant[i], groups);
    return w_end(&w, n);
}

static void r_grant(rd *r, rec_grant *g, bool groups)
{
    r_text(r, g->fqdn.s, sizeof g->fqdn.s, false);
    size_t n = (size_t)r_uint(r, 1);
    r_need(r, n >= 1 && n <= REC_NAF_UAS);
    for (size_t i = 0; i < n && r->err == GBA_OK; i++) {
        g->ua[i].n = (uint8_t)r_uint(r, 1);
        r_need(r, g->ua[i].n >= 1 && g->ua[i].n <= sizeof g->ua[i].o);
        if (r->err == GBA_OK)
            r_into(r, g->ua[i].o, g->ua[i].n);
    }
    g->n_ua = n;
    n = (size_t)r_uint(r, 1);
    r_need(r, n <= REC_NAF_SERVICES);
    for (size_t i = 0; i < n && r->err == GBA_OK; i++)
        g->service[i] = (uint32_t)r_uint(r, 4);
    g->n_service = n;
    g->impi = r_bool(r);
    if (groups)
        r_text(r, g->naf_group, sizeof g->naf_group, true);
}

gba_err rec_naf_read(gba_span in, rec_naf *out)
{
    bool groups = in.n && in.p[0] == FORMAT_GROUPS;
    rd r = groups ? (rd){.p = in.p + 1, .n = in.n - 1} : r_begin(in);
    memset(out, 0, sizeof *out);
    size_t n = (size_t)r_uint(&r, 1);
    r_need(&r, n <= REC_NAF_GRANTS);
    for (size_t i = 0; i < n && r.err == GBA_OK; i++)
        r_grant(&r, &out->grant[i], groups);
    out->n = n;
    r_need(&r, groups == (r.err == GBA_OK && any_group(out))); /* one form only */
    gba_err e = r_end(&r);
    if (e != GBA_OK)
        memset(out, 0, sizeof *out);
    return e;
}
