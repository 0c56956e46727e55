/* SPDX-License-Identifier: Apache-2.0 */
/* m2m_entity.c - Entity A from the options of `m2m`, and its steps for people and programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/m2m.h"

const char *state_folder(const options *o, char *room, size_t n)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (o->state)
        return o->state;
    int len = xdg && xdg[0] == '/' ? snprintf(room, n, "%s/m2m", xdg)
              : home && *home      ? snprintf(room, n, "%s/.local/state/m2m", home)
                                   : -1;
    return len > 0 && (size_t)len < n ? room : NULL;
}

/* ---- values ---- */
int take_id(const char *option, const char *text, gba_m2m_id *out)
{
    *out = (gba_m2m_id){0};
    if (!text)
        return M2M_DONE;
    if (gba_m2m_entity_parse(gba_str(text), out) == GBA_OK)
        return M2M_DONE;
    return complain(
        M2M_USAGE,
        "--%s: %s is no absolute identifier: //SP-DOMAIN/CSE, //SP-DOMAIN/CSE/Cxyz, //SP-DOMAIN/Sxyz, or a domain name",
        option, text);
}

static bool take_port(const char *s, size_t n, uint16_t *out)
{
    unsigned v = 0;

    if (n == 0 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s[i] - '0');
    }
    *out = (uint16_t)v;
    return v >= 1 && v <= 65535;
}

/* host[:port] or [IPv6][:port] */
static bool take_authority(const char *s, size_t n, char host[254], uint16_t *port)
{
    const char *at = s, *colon = memchr(s, ':', n), *end = s + n;
    size_t len = colon ? (size_t)(colon - s) : n;

    if (n && s[0] == '[') {
        const char *close = memchr(s, ']', n);
        if (!close || (close + 1 < end && close[1] != ':'))
            return false;
        at = s + 1;
        len = (size_t)(close - at);
        colon = close + 1 < end ? close + 1 : NULL;
    }
    if (len == 0 || len >= 254 || memchr(at, '@', len))
        return false;
    memcpy(host, at, len);
    host[len] = 0;
    return !colon || take_port(colon + 1, (size_t)(end - colon - 1), port);
}

/* A URL's path is a request-target of TS-0009; as an address it is "X", "/cse/X" or "//sp/cse/X". */
static bool take_path(const char *path, char *out)
{
    gba_m2m_http h = {.method = gba_str("GET"), .target = gba_str(path)};
    gba_m2m_request r;

    out[0] = 0;
    if (!strcmp(path, "") || !strcmp(path, "/"))
        return true;
    if (gba_m2m_http_parse(&h, &r) != 0 || r.query.n)
        return false;
    memcpy(out, r.to, GBA_M2M_TO_MAX + 1);
    return true;
}

static bool is_name(const char *host)
{
    const char *dot = strrchr(host, '.');
    dot = dot ? dot + 1 : host;
    return !strchr(host, ':') && strspn(dot, "0123456789") != strlen(dot);
}

int take_server(const char *option, const char *url, const char *fqdn, char host[254], gba_m2m_server *out, char *path)
{
    bool plain = !strncmp(url, "http://", 7), tls = !strncmp(url, "https://", 8);
    const char *s = url + (plain ? 7 : tls ? 8 : 0);
    size_t n = strcspn(s, "/?#");

    *out = (gba_m2m_server){.host = host, .port = plain ? 80 : 443};
    if (plain && strcmp(option, "bsf") != 0)
        return complain(M2M_USAGE, "%s: a security association needs https", url);
    if (!take_authority(s, n, host, &out->port) || (path && !take_path(s + n, path)))
        return complain(M2M_USAGE, "%s: not https://HOST[:PORT]%s", url, path ? "[/PATH]" : "");
    if (fqdn && gba_fqdn_parse(gba_str(fqdn), &out->fqdn) != GBA_OK)
        return complain(M2M_USAGE, "--%s: %s is not a domain name", option, fqdn);
    if (!fqdn && is_name(host) && gba_fqdn_parse(gba_str(host), &out->fqdn) != GBA_OK)
        return complain(M2M_USAGE, "%s: %s is not a domain name", url, host);
    return M2M_DONE;
}

/* One line of hexadecimal digits; 16 octets at least. */
static int take_psk(const char *path, gba_secret *out)
{
    char line[2 * GBA_SECRET_MAX + 4] = "";
    FILE *f = !strcmp(path, "-") ? stdin : fopen(path, "re");

    if (!f)
        return complain(M2M_USAGE, "--psk-file: %s: %s", path, strerror(errno));
    setvbuf(f, NULL, _IONBF, 0); /* no copy of the key stays in a buffer */
    bool got = fgets(line, sizeof line, f) != NULL;
    if (f != stdin)
        fclose(f);
    out->n = sizeof out->o;
    gba_err e = got ? gba_hex_decode(gba_mem(line, strcspn(line, "\r\n")), out->o, &out->n) : GBA_E_SYNTAX;
    gba_wipe(line, sizeof line);
    if (e == GBA_OK && out->n >= 16)
        return M2M_DONE;
    gba_secret_wipe(out);
    return complain(M2M_USAGE, "--psk-file: %s: not 32 to %d hexadecimal digits in one line", path, 2 * GBA_SECRET_MAX);
}

/* ---- JSON ---- */
void put_time(json_t *o, const char *name, int64_t t)
{
    char text[GBA_TIME_TEXT];
    if (t > 0 && gba_time_print(t, text) == GBA_OK)
        json_object_set_new(o, name, json_string(text));
}

void put_id(json_t *o, const char *name, const gba_m2m_id *id)
{
    char text[GBA_M2M_ID_MAX + 1];
    if (id->kind != GBA_M2M_ID_NONE && gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, text) == GBA_OK)
        json_object_set_new(o, name, json_string(text));
}

void print_json(json_t *o)
{
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

    if (text)
        printf("%s\n", text);
    else
        complain(M2M_FAILED, "out of memory");
    free(text);
    json_decref(o);
}

/* ---- steps ---- */
static void put(json_t *o, const char *name, const char *s)
{
    if (s && *s)
        json_object_set_new(o, name, json_string(s));
}

static void keep_step(json_t *all, const gba_m2m_step *s)
{
    json_t *o = json_object();

    put(o, "framework", s->row ? s->row->name : NULL);
    put(o, "phase", s->phase);
    put(o, "from", s->from);
    put(o, "to", s->to);
    put(o, "text", s->text);
    put(o, "from_authenticated_by", s->from_by);
    put(o, "to_authenticated_by", s->to_by);
    put(o, "suite", s->suite);
    put(o, "key", s->key);
    put(o, "key_id_name", s->key ? s->key_id_name : NULL);
    put(o, "key_id", s->key ? s->key_id : NULL);
    put(o, "how", s->key ? s->how : NULL);
    put_time(o, "until", s->until);
    if (s->rsc)
        json_object_set_new(o, "rsc", json_integer(s->rsc));
    json_array_append_new(all, o);
}

static void say_step(entity *e, const gba_m2m_step *s)
{
    char until[GBA_TIME_TEXT] = "";

    if (s->row && (e->last == GBA_M2M_FRAMEWORKS || gba_m2m_row_of(e->last) != s->row)) {
        for (int f = 0; f < GBA_M2M_FRAMEWORKS; f++)
            if (gba_m2m_row_of((gba_m2m_framework)f) == s->row)
                e->last = (gba_m2m_framework)f;
        fprintf(stderr, "%s  %s\n", s->row->name, s->row->title);
    }
    fprintf(stderr, "  %-31s %s -> %s: %s", s->phase, s->from, s->to, s->text);
    if (s->rsc)
        fprintf(stderr, ": %u %s", s->rsc, gba_m2m_rsc_name(s->rsc));
    if (s->suite && *s->suite)
        fprintf(stderr, ", %s", s->suite);
    fputc('\n', stderr);
    if (s->from_by)
        fprintf(stderr, "  %-31s %s authenticated by %s\n", "", s->from, s->from_by);
    if (s->to_by)
        fprintf(stderr, "  %-31s %s authenticated by %s\n", "", s->to, s->to_by);
    if (s->key)
        fprintf(stderr, "  %-31s key: %s, %s %s%s%s\n", "", s->key, s->key_id_name, s->key_id, s->how ? ", by " : "",
                s->how ? s->how : "");
    if (s->until && gba_time_print(s->until, until) == GBA_OK)
        fprintf(stderr, "  %-31s until %s\n", "", until);
}

static void on_step(void *arg, const gba_m2m_step *s)
{
    entity *e = arg;

    say_step(e, s);
    if (e->steps)
        keep_step(e->steps, s);
}

/* ---- opening ---- */
static int take_kdf(const options *o, gba_m2m_kdf *out)
{
    *out = GBA_M2M_KDF_USAGE;
    if (!o->kdf || !strcmp(o->kdf, "usage"))
        return M2M_DONE;
    *out = GBA_M2M_KDF_2014;
    return !strcmp(o->kdf, "2014")
               ? M2M_DONE
               : complain(M2M_USAGE, "--kdf: %s is neither usage (TS-0003 10.3.7) nor 2014 (10.3.2, 10.3.3)", o->kdf);
}

static int take_own_id(const options *o, gba_m2m_id *out)
{
    int code = o->ae_id ? take_id("ae-id", o->ae_id, out) : take_id("cse-id", o->cse_id, out);

    if (code)
        return code;
    if (o->ae_id && o->cse_id)
        return complain(M2M_USAGE, "Entity A is an AE or a CSE: --ae-id or --cse-id, not both");
    if (o->ae_id && !gba_m2m_id_is_ae(out))
        return complain(M2M_USAGE, "--ae-id: %s is no AE-ID: //SP-DOMAIN/CSE/Cxyz or //SP-DOMAIN/Sxyz", o->ae_id);
    if (o->cse_id && out->kind != GBA_M2M_ID_CSE)
        return complain(M2M_USAGE, "--cse-id: %s is no CSE-ID: //SP-DOMAIN/CSE", o->cse_id);
    return M2M_DONE;
}

static int take_own(const options *o, entity *e)
{
    if (!o->psk_id != !o->psk_file)
        return complain(M2M_USAGE, "--psk-id and --psk-file go together");
    if (o->cert && !o->key)
        return complain(M2M_USAGE, "--cert needs its --key");
    size_t n = sizeof e->server_key;
    if (o->server_key &&
        (gba_hex_decode(gba_str(o->server_key), e->server_key, &n) != GBA_OK || n != sizeof e->server_key))
        return complain(M2M_USAGE, "--server-key: %s is not 64 hexadecimal digits", o->server_key);
    int code = o->psk_file ? take_psk(o->psk_file, &e->psk) : M2M_DONE;
    e->own = (gba_m2m_own){.psk_id = o->psk_id, .psk = o->psk_id ? &e->psk : NULL, .cert_file = o->cert,
                           .key_file = o->key,
                           .ca_file = o->ca, .crl_file = o->crl, .server_key = o->server_key ? e->server_key : NULL,
                           .gba = e->card ? &e->gba : NULL};
    return code;
}

static int open_a(const options *o, bool stateless, entity *e)
{
    char room[4096], text[GBA_M2M_TEXT];
    gba_m2m_a_config c = {.seal = {.key_file = o->key_file}, .lifetime = o->lifetime, .total_ms = o->timeout * 1000,
                          .step = o->explain ? on_step : NULL, .arg = e};
    int code = take_kdf(o, &c.kdf);

    if (!code)
        code = take_own_id(o, &c.id);
    if (code)
        return code;
    if (o->admin && gba_fqdn_parse(gba_str(o->admin), &c.admin) != GBA_OK)
        return complain(M2M_USAGE, "--admin: %s is not a domain name", o->admin);
    if (!stateless && !(c.state_dir = state_folder(o, room, sizeof room)))
        return complain(M2M_USAGE, "where are the credentials kept? give --state DIR (or M2M_STATE)");
    gba_err err = gba_m2m_a_new(&c, &e->a, text);
    return err == GBA_OK ? M2M_DONE : complain(code_of(err), "%s", text);
}

int entity_open(const options *o, bool usim_wanted, bool stateless, entity *e)
{
    *e = (entity){.o = o, .last = GBA_M2M_FRAMEWORKS, .steps = o->explain && o->json ? json_array() : NULL};
    int code = usim_wanted ? usim_open(o, &e->card, &e->gba) : M2M_DONE;

    if (!code)
        code = take_own(o, e);
    if (!code)
        code = open_a(o, stateless, e);
    if (code)
        entity_close(e);
    return code;
}

void entity_close(entity *e)
{
    gba_m2m_a_free(&e->a);
    usim_close(&e->card);
    gba_secret_wipe(&e->psk);
    json_decref(e->steps);
    e->steps = NULL;
}
