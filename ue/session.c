/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - the stored session: its record, its file, its folder. */
#include "ue/session.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ue/file.h"

#define RECORD_VERSION 1
#define FLAG_ON_CARD 1u
#define PREFIX "session-"
#define ENDING ".gba"
#define CLOCK_TOLERANCE 300 /* seconds a clock may step back */

/* ---- the record ---- */

gba_err ue_session_print(const gba_ue_session *s, uint8_t *out, size_t *n)
{
    ue_out o = {out, 0, *n, false};
    ue_put_uint(&o, RECORD_VERSION, 1);
    ue_put_uint(&o, s->ks.on_card ? FLAG_ON_CARD : 0, 1);
    ue_put_span(&o, gba_str(s->impi.s));
    ue_put_span(&o, gba_str(s->bsf.s));
    ue_put_span(&o, gba_str(s->btid.s));
    ue_put_span(&o, gba_str(s->tmpi.s));
    ue_put(&o, s->rand, sizeof s->rand);
    ue_put_uint(&o, (uint64_t)s->lifetime, 8);
    ue_put_uint(&o, (uint64_t)s->expires, 8);
    ue_put_uint(&o, (uint64_t)s->begun, 8);
    ue_put_span(&o, gba_secret_span(&s->ks.ks));
    *n = o.n;
    return o.bad ? GBA_E_SPACE : GBA_OK;
}

/* The names in a record are checked as if a peer had sent them. */
static gba_err get_names(ue_in *in, gba_ue_session *out)
{
    gba_span impi = ue_get_span(in), bsf = ue_get_span(in), btid = ue_get_span(in), tmpi = ue_get_span(in);
    gba_err e = in->bad ? GBA_E_SYNTAX : gba_impi_parse(impi, &out->impi);
    if (!e)
        e = gba_fqdn_parse(bsf, &out->bsf);
    if (!e)
        e = gba_btid_parse(btid, &out->btid);
    if (!e && tmpi.n > 0)
        e = gba_is_tmpi(tmpi) ? gba_impi_parse(tmpi, &out->tmpi) : GBA_E_SYNTAX;
    return e;
}

gba_err ue_session_parse(gba_span record, gba_ue_session *out)
{
    ue_in in = {record.p, record.n, false};
    memset(out, 0, sizeof *out);
    if (ue_get_uint(&in, 1) != RECORD_VERSION)
        return GBA_E_UNSUPPORTED;
    unsigned flags = (unsigned)ue_get_uint(&in, 1);
    gba_err e = get_names(&in, out);
    ue_get(&in, out->rand, sizeof out->rand);
    out->lifetime = (int64_t)ue_get_uint(&in, 8);
    out->expires = (int64_t)ue_get_uint(&in, 8);
    out->begun = (int64_t)ue_get_uint(&in, 8);
    gba_span ks = ue_get_span(&in);
    out->ks.on_card = flags & FLAG_ON_CARD;
    /* Ks lies either here, CK || IK of 16 to 32 octets each, or on the card */
    bool ks_ok = out->ks.on_card ? ks.n == 0 : ks.n >= 32 && ks.n <= GBA_SECRET_MAX;
    char text[GBA_TIME_TEXT];
    if (!e && (in.bad || in.n > 0 || flags > FLAG_ON_CARD || !ks_ok || gba_time_print(out->lifetime, text) ||
               gba_time_print(out->expires, text) || gba_time_print(out->begun, text)))
        e = GBA_E_SYNTAX;
    if (!e && ks.n > 0)
        e = gba_secret_set(&out->ks.ks, ks.p, ks.n);
    if (e)
        gba_ue_session_wipe(out);
    return e;
}

gba_err ue_session_good(const gba_ue_session *s, int64_t now)
{
    if (now < s->begun - CLOCK_TOLERANCE)
        return GBA_E_EXPIRED;
    return now < s->expires ? GBA_OK : GBA_E_EXPIRED;
}

/* ---- the folder ---- */

gba_err ue_state_open(ue_state *s, const char *dir, const gba_uicc_seal *seal, bool make, char text[GBA_UICC_TEXT])
{
    char key_path[PATH_MAX];
    memset(s, 0, sizeof *s);
    int n = snprintf(s->dir, sizeof s->dir, "%s", dir);
    if (n <= 0 || (size_t)n >= sizeof s->dir)
        return ue_say(text, GBA_E_RANGE, "state folder: the path is empty or too long");
    if (make) {
        gba_err e = ue_folder_make(dir, text);
        if (e)
            return e;
    } else {
        DIR *d = opendir(dir);
        if (!d)
            return ue_say(text, errno == ENOENT ? GBA_E_UNKNOWN : GBA_E_IO, "%s: %s", dir, strerror(errno));
        closedir(d);
    }
    snprintf(key_path, sizeof key_path, "%s/state.key", s->dir);
    return ue_seal_key(seal, key_path, true, &s->key, text);
}

gba_err ue_state_path(const ue_state *s, const gba_impi *impi, const gba_fqdn *bsf, char out[PATH_MAX])
{
    GBA_SECRET_SCOPED name = {0};
    char hex[33];
    const gba_span parts[2] = {gba_str(impi->s), gba_str(bsf->s)};
    gba_err e = gba_kdf(gba_secret_span(&s->key), 0x00, parts, 2, &name);
    if (e)
        return e;
    gba_hex_encode(name.o, 16, hex);
    int n = snprintf(out, PATH_MAX, "%s/" PREFIX "%s" ENDING, s->dir, hex);
    return n > 0 && n < PATH_MAX ? GBA_OK : GBA_E_RANGE;
}

gba_err ue_state_load(const ue_state *s, const char *path, gba_ue_session *out, char text[GBA_UICC_TEXT])
{
    uint8_t record[UE_SESSION_MAX];
    size_t n = sizeof record;
    gba_err e = ue_sealed_read(path, UE_SESSION_KIND, &s->key, record, &n, text);
    if (!e && (e = ue_session_parse(gba_mem(record, n), out)))
        e = ue_say(text, GBA_E_CORRUPT, "%s: its record is not a session's: %s", path, gba_err_text(e));
    gba_wipe(record, sizeof record);
    return e;
}

gba_err ue_state_save(const ue_state *s, const char *path, const gba_ue_session *session, char text[GBA_UICC_TEXT])
{
    uint8_t record[UE_SESSION_MAX];
    size_t n = sizeof record;
    gba_err e = ue_session_print(session, record, &n);
    if (!e)
        e = ue_sealed_write(path, UE_SESSION_KIND, &s->key, gba_mem(record, n), true, text);
    else
        ue_say(text, e, "%s: the session does not fit its record", path);
    gba_wipe(record, sizeof record);
    return e;
}

static bool is_session(const char *name)
{
    size_t n = strlen(name), p = strlen(PREFIX), x = strlen(ENDING);
    return n == p + 32 + x && strncmp(name, PREFIX, p) == 0 && strcmp(name + n - x, ENDING) == 0;
}

gba_err gba_ue_sessions(const char *state_dir, const gba_uicc_seal *seal,
                        void (*each)(void *arg, const char *path, const gba_ue_session *s), void *arg, char text[GBA_UICC_TEXT])
{
    ue_state state;
    gba_err e = ue_state_open(&state, state_dir, seal, false, text);
    DIR *d = e ? NULL : opendir(state_dir);
    if (!e && !d)
        e = ue_say(text, GBA_E_IO, "%s: %s", state_dir, strerror(errno));
    for (struct dirent *f; !e && (f = readdir(d));) {
        if (!is_session(f->d_name))
            continue;
        char path[PATH_MAX];
        gba_ue_session s;
        int n = snprintf(path, sizeof path, "%s/%s", state.dir, f->d_name);
        if (n < 0 || (size_t)n >= sizeof path)
            continue;
        gba_err one = ue_state_load(&state, path, &s, text);
        if (one == GBA_E_UNKNOWN) /* gone meanwhile */
            continue;
        e = one;
        if (!e)
            each(arg, path, &s);
        gba_ue_session_wipe(&s);
    }
    if (d)
        closedir(d);
    gba_secret_wipe(&state.key);
    return e;
}
