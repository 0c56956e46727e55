/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_session.c - gba-bsfctl session list, show, revoke. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bsf/ctl.h"
#include "bsf/session.h"

static const char *const gba_types[] = {"GBA_ME", "GBA_U", "2G_GBA", "GBA_Digest"};

static json_t *to_json(const char *btid, const rec_session *s)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "btid", btid, "impi", s->impi.s, "type", gba_types[s->gba_type],
                     "created", ctl_json_time(s->created), "expires", ctl_json_time(s->expires));
}

typedef struct wanted {
    const char *impi; /* NULL: all */
    int64_t now;
} wanted;

static ctl_row list_row(void *ctx, const ctl *c, ctl_table *t, const char *btid, gba_span value)
{
    const wanted *w = ctx;
    rec_session s;
    char created[GBA_TIME_TEXT], expires[GBA_TIME_TEXT];

    if (rec_session_read(value, &s) != GBA_OK)
        return CTL_ROW_DAMAGED;
    bool shown = !s.tombstone && s.expires > w->now && (!w->impi || strcmp(w->impi, s.impi.s) == 0);
    if (shown) {
        ctl_time_text(s.created, created);
        ctl_time_text(s.expires, expires);
        ctl_table_row(t, c->json ? to_json(btid, &s) : NULL,
                      (const char *const[]){btid, s.impi.s, gba_types[s.gba_type], created, expires});
    }
    rec_session_wipe(&s);
    return shown ? CTL_ROW_SHOWN : CTL_ROW_SKIPPED;
}

static int run_list(ctl *c)
{
    static const char *const heads[] = {"B-TID", "IMPI", "TYPE", "CREATED", "EXPIRES", NULL};
    static const ctl_list_spec spec = {
        .kind = STORE_SESSION, .plural = "sessions", .none = "no live sessions", .heads = heads, .row = list_row};
    wanted w = {.now = service_now()};
    gba_impi impi;
    const char *who = ctl_get(c, "impi");

    if (who && gba_impi_parse(gba_str(who), &impi) != GBA_OK)
        return ctl_usage(c, "--impi '%s' is not an IMPI (user@realm)", who);
    w.impi = who ? impi.s : NULL;
    return ctl_list(c, &spec, &w);
}

static int parse_btid(ctl *c, gba_btid *out)
{
    if (gba_btid_parse(gba_str(c->arg[0]), out) == GBA_OK)
        return CTL_OK;
    return ctl_usage(c, "'%s' is not a B-TID (base64@BSF's name)", c->arg[0]);
}

static int not_found(ctl *c, const gba_btid *btid, gba_err e)
{
    return ctl_not_found(c, btid->s, e, "no such live session", "session list");
}

static gba_err load(ctl *c, const gba_btid *btid, int64_t now, rec_session *out)
{
    store_record rec = {0};
    gba_err e = store_get(c->store, STORE_SESSION, gba_str(btid->s), now, &rec);

    if (e == GBA_OK)
        e = rec_session_read(gba_mem(rec.value, rec.n), out);
    store_record_free(&rec);
    return e;
}

static int run_show(ctl *c)
{
    gba_btid btid;
    rec_session s;
    char created[GBA_TIME_TEXT], expires[GBA_TIME_TEXT];
    int rc = parse_btid(c, &btid);
    if (rc != CTL_OK)
        return rc;
    int64_t now = service_now();
    gba_err e = load(c, &btid, now, &s);
    if (e == GBA_OK && (s.tombstone || s.expires <= now)) {
        rec_session_wipe(&s);
        e = GBA_E_UNKNOWN;
    }
    if (e != GBA_OK)
        return not_found(c, &btid, e);
    ctl_time_text(s.created, created);
    ctl_time_text(s.expires, expires);
    rc = ctl_result(c, to_json(btid.s, &s), "B-TID    %s\nIMPI     %s\ntype     %s\ncreated  %s\nexpires  %s", btid.s,
                    s.impi.s, gba_types[s.gba_type], created, expires);
    rec_session_wipe(&s);
    return rc;
}

static int run_revoke(ctl *c)
{
    gba_btid btid;
    gba_impi impi;
    int rc = parse_btid(c, &btid);

    if (rc != CTL_OK)
        return rc;
    gba_err e = session_revoke(c->store, &btid, bsf_settings_keep_s(&c->s), service_now_ms(), &impi);
    if (e != GBA_OK)
        return not_found(c, &btid, e);
    /* "From now on" is said when every BSF on this store has seen it. */
    store_settle();
    return ctl_result(c, json_pack("{s:s, s:s, s:s}", "btid", btid.s, "impi", impi.s, "result", "revoked"),
                      "revoked %s of %s", btid.s, impi.s);
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
