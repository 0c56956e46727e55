/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_session.c - gba-bsfctl session list, show, revoke; and how a session is ended. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bsf/ctl.h"

static const char *const gba_types[] = {"GBA_ME", "GBA_U", "2G_GBA", "GBA_Digest"};

static gba_err load(ctl *c, const gba_btid *btid, int64_t now, rec_session *out, uint64_t *version)
{
    store_record rec = {0};
    gba_err e = store_get(c->store, STORE_SESSION, gba_str(btid->s), now, &rec);
    if (e == GBA_OK)
        e = rec_session_read(gba_mem(rec.value, rec.n), out);
    *version = rec.version;
    store_record_free(&rec);
    return e;
}

static gba_err load_head(ctl *c, const gba_impi *impi, int64_t now, rec_head *out, store_record *meta)
{
    store_record rec = {0};
    gba_err e = store_get(c->store, STORE_HEAD, gba_str(impi->s), now, &rec);
    if (e == GBA_OK)
        e = rec_head_read(gba_mem(rec.value, rec.n), out);
    *meta = (store_record){.version = rec.version, .expiry = rec.expiry};
    store_record_free(&rec);
    return e;
}

/* The head forgets the session but keeps its challenge time, below which nothing is inserted. */
static gba_err end_head(ctl *c, int64_t now, int64_t expiry, int64_t challenge_ms, ctl_ending *e, store_op ops[],
                        size_t *n)
{
    rec_head head = {0};
    store_record meta;
    size_t room = sizeof e->head;
    gba_err err = load_head(c, &e->impi, now, &head, &meta);
    bool absent = err == GBA_E_UNKNOWN || err == GBA_E_EXPIRED;
    if (err != GBA_OK && !absent)
        return err;
    if (!absent && strcmp(head.btid.s, e->btid.s) != 0)
        return GBA_OK; /* a newer session took its place */
    e->tmpi = head.tmpi;
    memset(&head.btid, 0, sizeof head.btid);
    memset(&head.tmpi, 0, sizeof head.tmpi);
    if (head.challenge_ms < challenge_ms)
        head.challenge_ms = challenge_ms;
    err = rec_head_write(&head, e->head, &room);
    if (err != GBA_OK)
        return err;
    if (!absent)
        expiry = meta.expiry == 0 || meta.expiry > expiry ? meta.expiry : expiry;
    ops[(*n)++] = (store_op){.type = absent ? STORE_INSERT : STORE_SWAP, .kind = STORE_HEAD, .key = gba_str(e->impi.s),
                             .value = gba_mem(e->head, room), .expiry = expiry, .version = meta.version};
    if (e->tmpi.s[0])
        ops[(*n)++] =
            (store_op){.type = STORE_TAKE, .kind = STORE_TMPI, .key = gba_str(e->tmpi.s), .optional = true};
    return GBA_OK;
}

gba_err ctl_session_ending(ctl *c, const gba_impi *impi, const gba_btid *btid, int64_t now, ctl_ending *e,
                           store_op ops[], size_t *n)
{
    rec_session s = {0}, tomb = {.tombstone = true};
    rec_head head;
    store_record meta;
    uint64_t version;
    size_t room = sizeof e->tomb;
    gba_err err = GBA_OK;

    memset(e, 0, sizeof *e);
    if (btid) {
        e->btid = *btid;
    } else {
        err = load_head(c, impi, now, &head, &meta);
        if (err == GBA_OK)
            e->btid = head.btid;
        if (err == GBA_E_EXPIRED || (err == GBA_OK && !e->btid.s[0]))
            err = GBA_E_UNKNOWN;
    }
    if (err == GBA_OK)
        err = load(c, &e->btid, now, &s, &version);
    if (err == GBA_E_EXPIRED || (err == GBA_OK && s.tombstone))
        err = GBA_E_UNKNOWN;
    if (err == GBA_OK) {
        /* As long as a nonce can live, no replay brings the session back. */
        int64_t expiry = now + 1 + c->s.ub.nonce_lifetime + c->s.clock.tolerance;
        tomb.impi = e->impi = s.impi;
        tomb.challenge_ms = s.challenge_ms;
        err = rec_session_write(&tomb, e->tomb, &room);
        if (err == GBA_OK) {
            ops[(*n)++] = (store_op){.type = STORE_SWAP, .kind = STORE_SESSION, .key = gba_str(e->btid.s),
                                     .value = gba_mem(e->tomb, room), .expiry = expiry, .version = version};
            err = end_head(c, now, expiry, s.challenge_ms, e, ops, n);
        }
    }
    rec_session_wipe(&s);
    return err;
}

/* ---- the commands ---- */
static json_t *to_json(const char *btid, const rec_session *s)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "btid", btid, "impi", s->impi.s, "type", gba_types[s->gba_type],
                     "created", ctl_json_time(s->created), "expires", ctl_json_time(s->expires));
}

static void time_text(int64_t t, char out[GBA_TIME_TEXT])
{
    if (t <= 0 || gba_time_print(t, out) != GBA_OK)
        snprintf(out, GBA_TIME_TEXT, "-");
}

typedef struct listing {
    ctl *c;
    ctl_table *table;
    const char *impi;
    int64_t now;
    uint64_t left;
    unsigned damaged;
} listing;

static bool list_one(void *ctx, gba_span key, const store_record *rec)
{
    listing *l = ctx;
    rec_session s;
    char btid[GBA_ID_MAX + 1], created[GBA_TIME_TEXT], expires[GBA_TIME_TEXT];
    snprintf(btid, sizeof btid, "%.*s", (int)key.n, (const char *)key.p);
    if (rec_session_read(gba_mem(rec->value, rec->n), &s) != GBA_OK) {
        ctl_warn("%s: damaged record", btid);
        l->damaged++;
        return true;
    }
    bool wanted = !s.tombstone && s.expires > l->now && (!l->impi || strcmp(l->impi, s.impi.s) == 0);
    if (wanted) {
        time_text(s.created, created);
        time_text(s.expires, expires);
        ctl_table_row(l->table, l->c->json ? to_json(btid, &s) : NULL,
                      (const char *const[]){btid, s.impi.s, gba_types[s.gba_type], created, expires});
        l->left--;
    }
    rec_session_wipe(&s);
    return l->left > 0;
}

static int run_list(ctl *c)
{
    static const char *const heads[] = {"B-TID", "IMPI", "TYPE", "CREATED", "EXPIRES", NULL};
    listing l = {.c = c, .left = UINT64_MAX, .now = service_now()};
    gba_impi impi;
    const char *limit = ctl_get(c, "limit"), *who = ctl_get(c, "impi");
    if (limit && !ctl_number(limit, 1, UINT64_MAX, &l.left))
        return ctl_usage(c, "--limit '%s' is not a number above 0", limit);
    if (who && gba_impi_parse(gba_str(who), &impi) != GBA_OK)
        return ctl_usage(c, "--impi '%s' is not an IMPI (user@realm)", who);
    l.impi = who ? impi.s : NULL;
    l.table = ctl_table_begin(c, heads);
    gba_err e = store_each(c->store, STORE_SESSION, gba_str(ctl_get(c, "after")), l.now, list_one, &l);
    int rc = ctl_table_end(&l.table, "no live sessions");
    if (e != GBA_OK)
        return ctl_store_failed(c, "listing sessions", e);
    return l.damaged ? CTL_FAILED : rc;
}

static int parse_btid(ctl *c, gba_btid *out)
{
    if (gba_btid_parse(gba_str(c->arg[0]), out) == GBA_OK)
        return CTL_OK;
    return ctl_usage(c, "'%s' is not a B-TID (base64@BSF's name)", c->arg[0]);
}

static int not_found(ctl *c, const gba_btid *btid, gba_err e)
{
    if (e == GBA_E_UNKNOWN || e == GBA_E_EXPIRED)
        return ctl_fail("%s: no such live session; " CTL_PROGRAM " session list shows them", btid->s);
    return ctl_store_failed(c, btid->s, e);
}

static int run_show(ctl *c)
{
    gba_btid btid;
    rec_session s;
    uint64_t version;
    char created[GBA_TIME_TEXT], expires[GBA_TIME_TEXT];
    int rc = parse_btid(c, &btid);
    if (rc != CTL_OK)
        return rc;
    int64_t now = service_now();
    gba_err e = load(c, &btid, now, &s, &version);
    if (e == GBA_OK && (s.tombstone || s.expires <= now)) {
        rec_session_wipe(&s);
        e = GBA_E_UNKNOWN;
    }
    if (e != GBA_OK)
        return not_found(c, &btid, e);
    time_text(s.created, created);
    time_text(s.expires, expires);
    rc = ctl_result(c, to_json(btid.s, &s), "B-TID    %s\nIMPI     %s\ntype     %s\ncreated  %s\nexpires  %s", btid.s,
                    s.impi.s, gba_types[s.gba_type], created, expires);
    rec_session_wipe(&s);
    return rc;
}

#define RACES_MAX 8

static int run_revoke(ctl *c)
{
    gba_btid btid;
    ctl_ending end;
    int rc = parse_btid(c, &btid);
    if (rc != CTL_OK)
        return rc;
    gba_err e = GBA_E_STALE;
    for (int i = 0; e == GBA_E_STALE && i < RACES_MAX; i++) {
        store_op ops[4];
        size_t n = 0, failed;
        int64_t now = service_now();
        e = ctl_session_ending(c, NULL, &btid, now, &end, ops, &n);
        if (e == GBA_OK)
            e = store_write(c->store, ops, n, now, &failed);
    }
    if (e != GBA_OK)
        return not_found(c, &btid, e);
    return ctl_result(c, json_pack("{s:s, s:s, s:s}", "btid", btid.s, "impi", end.impi.s, "result", "revoked"),
                      "revoked %s of %s", btid.s, end.impi.s);
}

static const ctl_opt list_opts[] = {
    {"impi", "IMPI", "of this subscriber alone", false, false},
    {"after", "BTID", "begin behind this one", false, false},
    {"limit", "N", "at most so many", false, false},
    {NULL, NULL, NULL, false, false},
};

const ctl_cmd ctl_session_cmds[] = {
    {"session", "list", "", "list live sessions, without their keys", NULL, list_opts, 0, 0, CTL_NEEDS_STORE, run_list},
    {"session", "show", "BTID", "show one session, without its keys", NULL, NULL, 1, 1, CTL_NEEDS_STORE, run_show},
    {"session", "revoke", "BTID", "end a session at once",
     "The BSF releases none of its keys from now on, and no replayed answer brings it back. NAFs that\n"
     "have fetched a key keep it until it expires there: shorten bsf.lifetime if that is too long.",
     NULL, 1, 1, CTL_NEEDS_STORE, run_revoke},
    {NULL},
};
