/* SPDX-License-Identifier: Apache-2.0 */
/* zn_diameter.c - Zn over Diameter as the NAF speaks it: one blocking question on fd_stack. */
#include <gba/naf_zn_diameter.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service/fd_stack.h" /* compiled into this library; it needs nothing else of that floor */

typedef struct bsf {
    gba_fqdn domain, realm, host;
} bsf;
struct gba_naf_zn_diameter {
    size_t n_bsfs, n_gsids;
    bsf bsfs[GBA_NAF_BSFS];
    uint32_t gsids[GBA_DIA_GSIDS];
    bool gba_u_aware;
    unsigned total_ms;
    char *text[7]; /* what fd_conf borrows */
};

static gba_err say(char *why, size_t n, gba_err e, const char *text)
{
    if (why && n)
        snprintf(why, n, "%s", text);
    return e;
}

static bool name(const char *from, gba_fqdn *to)
{
    return gba_fqdn_parse(gba_str(from), to) == GBA_OK;
}

static gba_err take_bsfs(gba_naf_zn_diameter *z, const gba_naf_zn_diameter_config *c, char *why, size_t why_n)
{
    if (!c->n_bsfs || c->n_bsfs > GBA_NAF_BSFS)
        return say(why, why_n, GBA_E_ARG, "one BSF at least, and 64 at most");
    for (; z->n_bsfs < c->n_bsfs; z->n_bsfs++) {
        const gba_naf_zn_diameter_bsf *b = &c->bsfs[z->n_bsfs];
        bsf *o = &z->bsfs[z->n_bsfs];
        if (!b->domain || !name(b->domain, &o->domain) || !b->realm || !name(b->realm, &o->realm) ||
            (b->host && !name(b->host, &o->host)))
            return say(why, why_n, GBA_E_ARG, "a BSF's domain, realm or host is no FQDN");
    }
    if (c->n_gsids > GBA_DIA_GSIDS)
        return say(why, why_n, GBA_E_ARG, "at most 16 GAA services");
    z->n_gsids = c->n_gsids;
    for (size_t i = 0; i < c->n_gsids; i++)
        z->gsids[i] = c->gsids[i];
    z->gba_u_aware = c->gba_u_aware;
    z->total_ms = c->total_ms ? c->total_ms : 5000;
    return GBA_OK;
}

static bool copies(gba_naf_zn_diameter *z, const gba_naf_zn_diameter_config *c)
{
    const char *from[7] = {c->identity, c->realm, c->listen, c->cert_file, c->key_file, c->ca_file, c->crl_file};
    for (size_t i = 0; i < 7; i++)
        if (from[i] && !(z->text[i] = strdup(from[i])))
            return false;
    return true;
}

static gba_err start(gba_naf_zn_diameter *z, const gba_naf_zn_diameter_config *c, char *why, size_t why_n)
{
    fd_conf f = {.identity = z->text[0], .realm = z->text[1], .listen = z->text[2], .cert = z->text[3],
                 .key = z->text[4], .ca = z->text[5], .crl = z->text[6], .port = c->port, .sec_port = c->sec_port,
                 .applications = {GBA_DIA_ZN}, .sctp = (fd_sctp)c->sctp, .log = c->log, .peer_change = c->peer_change};
    char reason[256] = "";

    if (!c->n_peers || c->n_peers > FD_PEERS)
        return say(why, why_n, GBA_E_ARG, "one peer at least, and 32 at most");
    for (; f.n_peers < c->n_peers; f.n_peers++) {
        const gba_naf_zn_diameter_peer *p = &c->peers[f.n_peers];
        fd_peer_conf *o = &f.peers[f.n_peers];
        if (!p->identity || snprintf(o->identity, sizeof o->identity, "%s", p->identity) >= (int)sizeof o->identity ||
            snprintf(o->address, sizeof o->address, "%s", p->address ? p->address : "") >= (int)sizeof o->address)
            return say(why, why_n, GBA_E_ARG, "a peer's identity or address is too long");
        o->passive = p->passive;
        o->tls = !p->plaintext;
        o->relay = p->relay;
        o->sctp = p->sctp && p->plaintext;
        o->port = p->port ? p->port : p->plaintext ? 3868 : 5658;
    }
    gba_err e = fd_stack_start(&f, reason, sizeof reason);
    return e == GBA_OK ? e : say(why, why_n, e, reason);
}

static void drop(gba_naf_zn_diameter *z)
{
    for (size_t i = 0; i < 7; i++)
        free(z->text[i]);
    free(z);
}

gba_err gba_naf_zn_diameter_new(const gba_naf_zn_diameter_config *c, gba_naf_zn_diameter **out, char *why, size_t why_n)
{
    gba_naf_zn_diameter *z = calloc(1, sizeof *z);

    *out = NULL;
    if (!z)
        return say(why, why_n, GBA_E_NOMEM, "out of memory");
    gba_err e = !c->identity || !c->realm ? say(why, why_n, GBA_E_ARG, "an identity and a realm are needed")
                                          : take_bsfs(z, c, why, why_n);
    if (e == GBA_OK && !copies(z, c))
        e = say(why, why_n, GBA_E_NOMEM, "out of memory");
    if (e == GBA_OK)
        e = start(z, c, why, why_n);
    if (e != GBA_OK) {
        drop(z);
        return e;
    }
    *out = z;
    return GBA_OK;
}

void gba_naf_zn_diameter_free(gba_naf_zn_diameter **zp)
{
    if (!*zp)
        return;
    fd_stack_stop();
    drop(*zp);
    *zp = NULL;
}

/* ---- one question ---- */
typedef struct question {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    gba_err e;
    gba_naf_keys *out;
} question;

static gba_err take_settings(gba_span xml, gba_naf_keys *out)
{
    gba_guss *g = calloc(1, sizeof *g);
    gba_err e = g ? gba_guss_parse(xml, g) : GBA_E_NOMEM;
    if (e == GBA_OK && g->n_uss) {
        out->uss = calloc(g->n_uss, sizeof *out->uss);
        e = out->uss ? GBA_OK : GBA_E_NOMEM;
    }
    if (e == GBA_OK && g->n_uss) {
        memcpy(out->uss, g->uss, g->n_uss * sizeof *g->uss);
        out->n_uss = g->n_uss;
    }
    free(g);
    return e;
}

static gba_err take_answer(const gba_dia_list *in, gba_naf_keys *out)
{
    gba_bia b;
    gba_err e = gba_bia_read(in, &b);
    if (e != GBA_OK)
        return e;
    e = gba_dia_meaning(b.result);
    if (e == GBA_OK) {
        out->me = b.me;
        out->uicc = b.uicc;
        out->expires = b.expires;
        out->bootstrapped = b.created;
        out->impi = b.impi;
        out->type = (gba_type)b.gba_type;
        if (b.uss_list.p)
            e = take_settings(b.uss_list, out);
    } else if (e != GBA_E_EXPIRED && e != GBA_E_UNKNOWN && e != GBA_E_FORBIDDEN && e != GBA_E_BUSY) {
        e = GBA_E_IO; /* whatever it means on Zh: the BSF could not be asked */
    }
    gba_bia_wipe(&b);
    return e;
}

static void on_bia(void *ctx, gba_err e, const gba_dia_list *in, const char *peer)
{
    question *q = ctx;
    (void)peer;
    if (e == GBA_OK)
        e = in->err == GBA_OK ? take_answer(in, q->out) : GBA_E_SYNTAX;
    pthread_mutex_lock(&q->lock);
    q->e = e;
    q->done = true;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
}

static const bsf *bsf_of(const gba_naf_zn_diameter *z, const char *domain)
{
    for (size_t i = 0; i < z->n_bsfs; i++)
        if (strcmp(z->bsfs[i].domain.s, domain) == 0)
            return &z->bsfs[i];
    return NULL;
}

static gba_err send_bir(const gba_naf_zn_diameter *z, const bsf *b, const gba_naf_query *q, question *w)
{
    gba_bir r = {.btid = q->btid, .naf = q->naf, .n_gsids = z->n_gsids, .gba_u_aware = z->gba_u_aware};
    gba_dia_list *l = gba_dia_list_new();
    if (!l)
        return GBA_E_NOMEM;
    memcpy(r.gsids, z->gsids, sizeof r.gsids);
    gba_err e = gba_bir_write(&r, l);
    if (e == GBA_OK)
        e = fd_send(GBA_DIA_ZN, GBA_DIA_BOOTSTRAPPING_INFO, b->realm.s, b->host.s[0] ? b->host.s : NULL, l, z->total_ms,
                    on_bia, w);
    free(l);
    return e;
}

gba_err gba_naf_zn_diameter_fetch(void *zn, const gba_naf_query *q, gba_naf_keys *out)
{
    gba_naf_zn_diameter *z = zn;
    const bsf *b = q->domain ? bsf_of(z, q->domain) : NULL;
    question w = {.lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER, .out = out};

    memset(out, 0, sizeof *out);
    if (!b)
        return GBA_E_ARG;
    gba_err e = send_bir(z, b, q, &w);
    if (e == GBA_OK) {
        pthread_mutex_lock(&w.lock);
        while (!w.done)
            pthread_cond_wait(&w.answered, &w.lock);
        pthread_mutex_unlock(&w.lock);
        e = w.e;
    }
    if (e != GBA_OK)
        gba_naf_keys_clear(out);
    pthread_cond_destroy(&w.answered);
    pthread_mutex_destroy(&w.lock);
    return e;
}
