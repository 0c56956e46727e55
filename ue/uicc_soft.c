/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uicc_soft.c - the software USIM: K, OPc and the SQN array in a sealed file.
 *
 * The file is read anew under its lock for each challenge, and the raised SQN is
 * durable before RES leaves: no RAND, AUTN is answered twice, whatever dies when.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <gba/aka.h>

#include "ue/file.h"
#include "ue/uicc_soft.h"

#define KIND "USIM"
#define RECORD_VERSION 1
#define FLAG_EXPORTABLE 1u

void soft_usim_wipe(soft_usim *s)
{
    gba_wipe(s, sizeof *s);
}

/* ---- the record ---- */

gba_err soft_usim_print(const soft_usim *s, uint8_t *out, size_t *n)
{
    ue_out o = {out, 0, *n, false};
    ue_put_uint(&o, RECORD_VERSION, 1);
    ue_put_uint(&o, s->exportable ? FLAG_EXPORTABLE : 0, 1);
    ue_put_span(&o, gba_str(s->impi.s));
    ue_put_uint(&o, s->key.algorithm, 1);
    ue_put_span(&o, gba_secret_span(&s->key.k));
    ue_put_span(&o, gba_secret_span(&s->key.opc));
    const uint8_t lengths[5] = {s->key.mac_len, s->key.res_len, s->key.ck_len, s->key.ik_len, s->key.keccak_iterations};
    ue_put(&o, lengths, sizeof lengths);
    ue_put_uint(&o, s->sqn.ind_bits, 1);
    ue_put_uint(&o, s->sqn.delta, 6);
    ue_put_uint(&o, s->sqn.limit, 6);
    for (unsigned i = 0; i < 1u << s->sqn.ind_bits; i++)
        ue_put_uint(&o, s->array.seq[i], 6);
    *n = o.n;
    return o.bad ? GBA_E_SPACE : GBA_OK;
}

static void get_secret(ue_in *in, gba_secret *out)
{
    gba_span s = ue_get_span(in);
    if (s.n > GBA_SECRET_MAX || gba_secret_set(out, s.p, s.n))
        in->bad = true;
}

static void get_key(ue_in *in, gba_aka_key *k)
{
    uint8_t lengths[5];
    k->algorithm = (gba_aka_algorithm)ue_get_uint(in, 1);
    get_secret(in, &k->k);
    get_secret(in, &k->opc);
    ue_get(in, lengths, sizeof lengths);
    k->mac_len = lengths[0];
    k->res_len = lengths[1];
    k->ck_len = lengths[2];
    k->ik_len = lengths[3];
    k->keccak_iterations = lengths[4];
}

/* SEQ and IND share 48 bits. */
static bool profile_ok(const gba_sqn_profile *p)
{
    return p->ind_bits <= 8 && p->delta > 0 && p->delta <= GBA_SQN_MAX && p->limit <= GBA_SQN_MAX;
}

gba_err soft_usim_parse(gba_span record, soft_usim *out)
{
    ue_in in = {record.p, record.n, false};
    memset(out, 0, sizeof *out);
    if (ue_get_uint(&in, 1) != RECORD_VERSION)
        return GBA_E_UNSUPPORTED;
    unsigned flags = (unsigned)ue_get_uint(&in, 1);
    gba_span impi = ue_get_span(&in);
    get_key(&in, &out->key);
    out->exportable = flags & FLAG_EXPORTABLE;
    out->sqn.ind_bits = (uint8_t)ue_get_uint(&in, 1);
    out->sqn.delta = ue_get_uint(&in, 6);
    out->sqn.limit = ue_get_uint(&in, 6);
    gba_err e = in.bad || flags > FLAG_EXPORTABLE || !profile_ok(&out->sqn) ? GBA_E_SYNTAX : GBA_OK;
    for (unsigned i = 0; !e && i < 1u << out->sqn.ind_bits; i++) {
        out->array.seq[i] = ue_get_uint(&in, 6);
        if (out->array.seq[i] > GBA_SQN_MAX >> out->sqn.ind_bits)
            e = GBA_E_SYNTAX;
    }
    if (!e && (in.bad || in.n > 0))
        e = GBA_E_SYNTAX;
    if (!e)
        e = gba_impi_parse(impi, &out->impi);
    if (!e)
        e = gba_aka_key_check(&out->key);
    if (e)
        soft_usim_wipe(out);
    return e;
}

/* ---- the file ---- */

typedef struct soft_card {
    char path[PATH_MAX], lock_path[PATH_MAX];
    gba_secret seal; /* the file's key */
    soft_usim usim;  /* as last read */
    int lock_fd;
    unsigned locked; /* depth */
    char text[GBA_UICC_TEXT];
} soft_card;

static gba_err soft_read(soft_card *c)
{
    uint8_t record[SOFT_USIM_MAX];
    size_t n = sizeof record;
    gba_err e = ue_sealed_read(c->path, KIND, &c->seal, record, &n, c->text);
    if (!e) {
        soft_usim fresh;
        e = soft_usim_parse(gba_mem(record, n), &fresh);
        if (e)
            e = ue_say(c->text, GBA_E_CORRUPT, "%s: its record is not a USIM's: %s", c->path, gba_err_text(e));
        else
            c->usim = fresh;
        soft_usim_wipe(&fresh);
    }
    gba_wipe(record, sizeof record);
    return e;
}

static gba_err soft_write(const char *path, const gba_secret *seal, const soft_usim *s, bool overwrite, char text[GBA_UICC_TEXT])
{
    uint8_t record[SOFT_USIM_MAX];
    size_t n = sizeof record;
    gba_err e = soft_usim_print(s, record, &n);
    if (!e)
        e = ue_sealed_write(path, KIND, seal, gba_mem(record, n), overwrite, text);
    gba_wipe(record, sizeof record);
    return e;
}

/* ---- the card ---- */

static gba_err soft_impi(void *card, gba_impi *out)
{
    *out = ((soft_card *)card)->usim.impi;
    return GBA_OK;
}

static gba_err soft_lock(void *card)
{
    soft_card *c = card;
    if (c->locked == 0) {
        gba_err e = ue_lock_take(c->lock_path, &c->lock_fd, c->text);
        if (e)
            return e;
    }
    c->locked++;
    return GBA_OK;
}

static void soft_unlock(void *card)
{
    soft_card *c = card;
    if (c->locked > 0 && --c->locked == 0)
        ue_lock_drop(&c->lock_fd);
}

/* What the card says is for the operator; the peer gets the protocol's answer alone. */
static void say_refusal(soft_card *c, gba_err e)
{
    if (e == GBA_E_AUTH)
        ue_say(c->text, e, "%s: AUTN's MAC is wrong: this network does not share the USIM's K and OPc", c->path);
    else if (e == GBA_E_SYNC)
        ue_say(c->text, e, "%s: SQN out of range: resynchronising", c->path);
    else if (e)
        ue_say(c->text, e, "%s: AKA failed: %s", c->path, gba_err_text(e));
}

static gba_err soft_boot_locked(soft_card *c, const uint8_t rand[16], const uint8_t autn[16], gba_uicc_answer *out)
{
    gba_card_answer a = {0};
    gba_err e = soft_read(c);
    if (e)
        return e;
    /* a USIM does not judge the AMF separation bit (TS 33.102 Annex H: the ME of E-UTRAN does) */
    e = gba_aka_card(&c->usim.key, &c->usim.sqn, &c->usim.array, rand, autn, false, &a);
    say_refusal(c, e);
    if (e == GBA_E_SYNC)
        memcpy(out->auts, a.auts, sizeof out->auts);
    if (!e) /* durable before RES leaves */
        e = soft_write(c->path, &c->seal, &c->usim, true, c->text);
    if (!e)
        e = gba_ks(&a.ck, &a.ik, &out->ks.ks);
    if (!e)
        e = gba_secret_set(&out->res, a.res.o, a.res.n);
    gba_card_answer_wipe(&a);
    return e;
}

static gba_err soft_boot(void *card, const uint8_t rand[16], const uint8_t autn[16], gba_uicc_answer *out)
{
    gba_err e = soft_lock(card);
    if (e)
        return e;
    e = soft_boot_locked(card, rand, autn, out);
    soft_unlock(card);
    return e;
}

static bool soft_exportable(void *card)
{
    return ((soft_card *)card)->usim.exportable;
}

static const char *soft_text(void *card)
{
    return ((soft_card *)card)->text;
}

static void soft_close(void *card)
{
    soft_card *c = card;
    ue_lock_drop(&c->lock_fd);
    gba_wipe(c, sizeof *c);
    free(c);
}

static const gba_uicc_ops soft_ops = {
    .name = "soft",
    .impi = soft_impi,
    .boot = soft_boot,
    .lock = soft_lock,
    .unlock = soft_unlock,
    .exportable = soft_exportable,
    .text = soft_text,
    .close = soft_close,
};

/* ---- making and opening ---- */

static gba_err beside(const char *path, const char *ending, char out[PATH_MAX], char text[GBA_UICC_TEXT])
{
    int n = snprintf(out, PATH_MAX, "%s%s", path, ending);
    if (n < 0 || n >= PATH_MAX)
        return ue_say(text, GBA_E_RANGE, "%.200s...: the path is too long", path);
    return GBA_OK;
}

/* TS 33.102 6.3.7: AUTN has room for a MAC of 8 octets, RES is 4 to 16. */
static gba_err check_key(gba_aka_key *k, char text[GBA_UICC_TEXT])
{
    gba_err e = gba_aka_key_check(k);
    if (!e && k->mac_len == 8 && k->res_len <= 16)
        return GBA_OK;
    return ue_say(text, e ? e : GBA_E_RANGE, "a length is not one that %s knows (Milenage: K and OPc 16 octets, RES 8; "
                  "TUAK: K 16 or 32, TOPc 32, RES 4, 8 or 16, CK and IK 16 or 32)", gba_aka_algorithm_name(k->algorithm));
}

gba_err gba_uicc_soft_create(const char *path, const gba_uicc_soft_config *c, const gba_uicc_seal *seal, char text[GBA_UICC_TEXT])
{
    soft_usim s = {.impi = c->impi, .key = c->key, .sqn = c->sqn, .exportable = c->exportable};
    GBA_SECRET_SCOPED key = {0};
    char key_path[PATH_MAX];
    static const gba_sqn_profile none;
    if (s.sqn.ind_bits == none.ind_bits && s.sqn.delta == none.delta && s.sqn.limit == none.limit)
        s.sqn = gba_sqn_default;
    gba_err e = gba_impi_parse(gba_str(c->impi.s), &s.impi);
    if (e)
        e = ue_say(text, e, "IMPI \"%s\": not user@realm of at most %d octets", c->impi.s, GBA_ID_MAX);
    if (!e && !profile_ok(&s.sqn))
        e = ue_say(text, GBA_E_RANGE, "SQN profile: at most 8 IND bits, delta from 1 to 2^48-1");
    if (!e)
        e = check_key(&s.key, text);
    if (!e)
        e = beside(path, ".key", key_path, text);
    if (!e)
        e = ue_seal_key(seal, key_path, true, &key, text);
    if (!e)
        e = soft_write(path, &key, &s, c->overwrite, text);
    soft_usim_wipe(&s);
    return e;
}

static gba_err soft_open(soft_card *c, const char *path, const gba_uicc_seal *seal)
{
    char key_path[PATH_MAX];
    /* one lock for one file, by whatever name it is reached */
    if (!realpath(path, c->path))
        return ue_say(c->text, errno == ENOENT ? GBA_E_UNKNOWN : GBA_E_IO,
                      "%s: %s (make one: gba usim create)", path, strerror(errno));
    gba_err e = beside(c->path, ".key", key_path, c->text);
    if (!e)
        e = beside(c->path, ".lock", c->lock_path, c->text);
    if (!e)
        e = ue_seal_key(seal, key_path, false, &c->seal, c->text);
    return e ? e : soft_read(c);
}

gba_err gba_uicc_soft_open(const char *path, const gba_uicc_seal *seal, gba_uicc **out, char text[GBA_UICC_TEXT])
{
    soft_card *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return ue_say(text, GBA_E_NOMEM, "out of memory");
    c->lock_fd = -1;
    gba_err e = soft_open(c, path, seal);
    if (!e)
        e = gba_uicc_new(&soft_ops, c, out);
    if (e) {
        ue_say(text, e, "%s", c->text);
        soft_close(c);
    }
    return e;
}

gba_err gba_uicc_soft_info_read(gba_uicc *u, gba_uicc_soft_info *out)
{
    soft_card *c = ue_uicc_card(u, &soft_ops);
    memset(out, 0, sizeof *out);
    if (!c)
        return GBA_E_UNSUPPORTED;
    gba_err e = soft_read(c);
    if (e)
        return e;
    *out = (gba_uicc_soft_info){
        .impi = c->usim.impi,
        .algorithm = c->usim.key.algorithm,
        .k_len = c->usim.key.k.n,
        .res_len = c->usim.key.res_len,
        .sqn = c->usim.sqn,
        .sqn_ms = gba_sqn_ms(&c->usim.sqn, &c->usim.array),
        .exportable = c->usim.exportable,
    };
    return GBA_OK;
}
