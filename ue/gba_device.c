/* SPDX-License-Identifier: Apache-2.0 */
/* gba_device.c - a device from the options, and its sessions: bootstrap, key, session. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ue/carrier.h"
#include "ue/gba.h"

/* ---- the device ---- */

const char *state_folder(const options *o, char *room, size_t n)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (o->state)
        return o->state;
    int len = xdg && xdg[0] == '/' ? snprintf(room, n, "%s/gba", xdg)
              : home && *home      ? snprintf(room, n, "%s/.local/state/gba", home)
                                   : -1;
    return len > 0 && (size_t)len < n ? room : NULL;
}

static void show_line(void *arg, int level, const char *line)
{
    const options *o = arg;
    if (level == 1 ? !o->quiet : o->verbose)
        fprintf(stderr, "gba: %s\n", line);
}

/* A name, not an address: it has a letter. */
static bool is_name(const ue_url *u)
{
    bool letter = false;
    for (const char *p = u->host; *p; p++)
        letter |= isalpha((unsigned char)*p) != 0;
    return letter && !u->ipv6;
}

/* --bsf-domain; else the URL's host when it is a name; else what follows from the IMPI. */
static int choose_domain(const options *o, const gba_impi *impi, gba_fqdn *out)
{
    ue_url url;
    if (o->bsf_domain)
        return gba_fqdn_parse(gba_str(o->bsf_domain), out)
                   ? complain(EXIT_USAGE, "--bsf-domain: \"%s\" is not a domain name", o->bsf_domain)
                   : EXIT_DONE;
    if (o->bsf && ue_url_parse(o->bsf, &url))
        return complain(EXIT_USAGE, "--bsf: \"%s\" is not an http or https URL", o->bsf);
    if (o->bsf && is_name(&url) && !gba_fqdn_parse(gba_str(url.host), out))
        return EXIT_DONE;
    return gba_bsf_from_impi(impi, out)
               ? complain(EXIT_USAGE, "no BSF follows from %s: give --bsf and --bsf-domain", impi->s)
               : EXIT_DONE;
}

gba_ue_carrier_config network(const options *o)
{
    return (gba_ue_carrier_config){
        .ca_file = o->ca, .resolve = o->resolve, .connect = o->connect, .timeout_s = o->timeout};
}

int take_tls(const options *o, gba_ue_tls *out)
{
    *out = GBA_UE_TLS_ANY;
    if (!o->tls)
        return EXIT_DONE;
    if (!o->psk)
        return complain(EXIT_USAGE, "--tls goes with --psk");
    if (strcmp(o->tls, "1.2") != 0 && strcmp(o->tls, "1.3") != 0)
        return complain(EXIT_USAGE, "--tls: %s is neither 1.2 nor 1.3", o->tls);
    *out = o->tls[2] == '2' ? GBA_UE_TLS_1_2 : GBA_UE_TLS_1_3;
    return EXIT_DONE;
}

typedef gba_err (*make_carrier)(const gba_ue_carrier_config *c, gba_ue_carrier *out);

/* --carrier; else libcurl where it is and no PSK is asked for. */
static int choose_carrier(const options *o, make_carrier *out)
{
    gba_ue_carrier probe = {0};
    *out = o->psk ? gba_ue_carrier_gnutls : gba_ue_carrier_curl;
    if (o->carrier && strcmp(o->carrier, "gnutls") == 0)
        *out = gba_ue_carrier_gnutls;
    else if (o->carrier && strcmp(o->carrier, "curl") == 0)
        *out = gba_ue_carrier_curl;
    else if (o->carrier)
        return complain(EXIT_USAGE, "--carrier: %s is neither curl nor gnutls", o->carrier);
    if (*out != gba_ue_carrier_curl)
        return EXIT_DONE;
    const gba_ue_carrier_config c = {0};
    gba_err e = gba_ue_carrier_curl(&c, &probe);
    gba_ue_carrier_free(&probe);
    if (e == GBA_E_UNSUPPORTED && o->carrier)
        return complain(EXIT_USAGE, "--carrier: this build has no libcurl");
    if (e == GBA_E_UNSUPPORTED)
        *out = gba_ue_carrier_gnutls;
    return EXIT_DONE;
}

/* A NAF over PSK is GnuTLS's in any case; what the BSF is reached by may be another. */
static int open_carriers(const options *o, device *d)
{
    make_carrier make;
    gba_ue_carrier_config c = network(o);
    int code = choose_carrier(o, &make);
    if (code)
        return code;
    gba_err e = (o->psk ? gba_ue_carrier_gnutls : make)(&c, &d->carrier);
    if (o->bsf_ca)
        c.ca_file = o->bsf_ca;
    if (!e && (o->bsf_ca || o->psk))
        e = make(&c, &d->bsf_carrier);
    if (e == GBA_E_ARG && o->connect)
        return complain(EXIT_USAGE, "--connect: \"%s\" is not ADDR[:PORT], an IPv6 address or [IPv6][:PORT]", o->connect);
    return e ? complain(EXIT_FAILED, "no HTTP: %s", gba_err_text(e)) : EXIT_DONE;
}

static int open_ue(const options *o, device *d)
{
    char room[4096], text[GBA_UE_TEXT], url[300];
    gba_impi impi;
    gba_ue_config c = {.uicc = d->uicc,
                       .carrier = d->carrier,
                       .bsf_carrier = d->bsf_carrier,
                       .bsf_url = o->bsf,
                       .state_dir = state_folder(o, room, sizeof room),
                       .seal = {.key_file = o->key_file},
                       .no_tmpi = o->no_tmpi,
                       .call_s = o->call_timeout,
                       .trace = show_line,
                       .arg = (void *)(uintptr_t)o};
    if (!c.state_dir)
        return complain(EXIT_USAGE, "where are the sessions? give --state DIR (or GBA_STATE)");
    if (gba_uicc_impi(d->uicc, &impi))
        return complain(EXIT_FAILED, "the UICC gives no IMPI: %s", gba_uicc_text(d->uicc));
    int code = choose_domain(o, &impi, &c.bsf);
    if (code)
        return code;
    snprintf(url, sizeof url, "http://%s/", c.bsf.s); /* TS 24.109 4.2: plain HTTP, port 80 */
    if (!o->bsf)
        c.bsf_url = url;
    gba_err e = gba_ue_new(&c, &d->ue, text);
    return e ? complain(e == GBA_E_SYNTAX || e == GBA_E_RANGE ? EXIT_USAGE : EXIT_FAILED, "%s", text) : EXIT_DONE;
}

int device_open(const options *o, device *d)
{
    char text[GBA_UICC_TEXT];
    const gba_uicc_seal seal = {.key_file = o->key_file};
    memset(d, 0, sizeof *d);
    if (!o->usim)
        return complain(EXIT_USAGE, "which USIM? give --usim FILE (or GBA_USIM); gba usim create makes one");
    int code = gba_uicc_soft_open(o->usim, &seal, &d->uicc, text) ? complain(EXIT_FAILED, "%s", text) : EXIT_DONE;
    if (!code)
        code = open_carriers(o, d);
    if (!code)
        code = open_ue(o, d);
    if (code)
        device_close(d);
    return code;
}

void device_close(device *d)
{
    gba_ue_free(&d->ue);
    gba_ue_carrier_free(&d->carrier);
    gba_ue_carrier_free(&d->bsf_carrier);
    gba_uicc_free(&d->uicc);
}

/* ---- sessions ---- */

static void print_session(json_out *j, const gba_ue_session *s, int64_t now)
{
    json_text(j, "btid", s->btid.s);
    json_time(j, "lifetime", s->lifetime);
    json_text(j, "impi", s->impi.s);
    json_text(j, "bsf", s->bsf.s);
    if (s->tmpi.s[0])
        json_text(j, "tmpi", s->tmpi.s);
    json_text(j, "uicc", s->ks.on_card ? "gba-u" : "gba-me");
    json_int(j, "seconds_left", s->expires > now ? s->expires - now : 0);
}

static void say_session(const gba_ue_session *s, int64_t now)
{
    char until[GBA_TIME_TEXT];
    if (gba_time_print(s->lifetime, until))
        until[0] = '\0';
    printf("%s\n  IMPI      %s\n  BSF       %s\n  lifetime  %s%s\n", s->btid.s, s->impi.s, s->bsf.s, until,
           s->expires > now ? "" : " (over)");
    if (s->tmpi.s[0])
        printf("  TMPI      %s\n", s->tmpi.s);
}

int gba_bootstrap(options *o)
{
    device d;
    gba_ue_session s;
    json_out j;
    int code = device_open(o, &d);
    if (code)
        return code;
    /* before Ub runs: a refusal should cost nobody an SQN */
    if (o->export_ks && !gba_uicc_exportable(d.uicc)) {
        device_close(&d);
        return complain(EXIT_REFUSED, "--export-ks: %s was not created with --exportable", o->usim);
    }
    gba_err e = gba_ue_bootstrap(d.ue, !o->if_needed, &s);
    if (e) {
        code = complain(code_of(e), "%s", gba_ue_text(d.ue));
    } else if (o->json) {
        json_open(&j, stdout);
        print_session(&j, &s, (int64_t)time(NULL));
        if (o->export_ks && !s.ks.on_card)
            json_hex(&j, "ks", gba_secret_span(&s.ks.ks));
        json_close(&j);
        code = out_done();
    } else {
        say_session(&s, (int64_t)time(NULL));
        if (o->export_ks && !s.ks.on_card) {
            printf("  Ks        ");
            for (size_t i = 0; i < s.ks.ks.n; i++)
                printf("%02x", s.ks.ks.o[i]);
            putchar('\n');
        }
        code = out_done();
    }
    gba_ue_session_wipe(&s);
    device_close(&d);
    return code;
}

static int print_key(const options *o, const gba_naf_id *naf, const gba_secret *key, const gba_ue_session *s)
{
    GBA_SECRET_SCOPED password = {0};
    json_out j;
    if (!o->json) {
        for (size_t i = 0; i < key->n; i++)
            printf("%02x", key->o[i]);
        putchar('\n');
        return out_done();
    }
    gba_err e = gba_ua_password(key, &password);
    if (e)
        return complain(EXIT_FAILED, "%s", gba_err_text(e));
    json_open(&j, stdout);
    json_text(&j, "naf", naf->fqdn.s);
    json_hex(&j, "ua", GBA_SPAN(naf->ua.o));
    json_text(&j, "btid", s->btid.s);
    json_hex(&j, "ks_naf", gba_secret_span(key));
    json_octets(&j, "password", gba_secret_span(&password));
    json_time(&j, "lifetime", s->lifetime);
    json_close(&j);
    return out_done();
}

int gba_key(options *o)
{
    gba_naf_id naf;
    GBA_SECRET_SCOPED key = {0};
    gba_ue_session s = {0};
    device d;
    if (gba_fqdn_parse(gba_str(o->word[0]), &naf.fqdn))
        return complain(EXIT_USAGE, "%s is not a NAF's domain name", o->word[0]);
    if (!o->ua || gba_ua_id_parse(gba_str(o->ua), &naf.ua))
        return complain(EXIT_USAGE, "key needs --ua: ten hexadecimal digits, for instance 0100000002 (HTTP Digest)");
    int code = device_open(o, &d);
    if (code)
        return code;
    gba_err e = gba_ue_naf_key(d.ue, &naf, &key, &s);
    code = e ? complain(code_of(e), "%s", gba_ue_text(d.ue)) : print_key(o, &naf, &key, &s);
    gba_ue_session_wipe(&s);
    device_close(&d);
    return code;
}

typedef struct listing {
    const options *o;
    json_out j;
    size_t n;
    bool failed;
} listing;

static void show_one(void *arg, const char *path, const gba_ue_session *s)
{
    listing *l = arg;
    if (l->o->impi && strcmp(l->o->impi, s->impi.s) != 0)
        return;
    if (l->o->json) {
        fputs(l->n ? ", " : "", stdout);
        json_out j = {stdout, false};
        fputc('{', stdout);
        print_session(&j, s, (int64_t)time(NULL));
        json_text(&j, "file", path);
        fputc('}', stdout);
    } else {
        say_session(s, (int64_t)time(NULL));
    }
    l->n++;
}

static void forget_one(void *arg, const char *path, const gba_ue_session *s)
{
    listing *l = arg;
    if (l->o->impi && strcmp(l->o->impi, s->impi.s) != 0)
        return;
    if (unlink(path) != 0 && errno != ENOENT) {
        complain(EXIT_FAILED, "%s: %s", path, strerror(errno));
        l->failed = true;
        return;
    }
    l->n++;
}

static int each_session(const options *o, void (*each)(void *, const char *, const gba_ue_session *), listing *l)
{
    char room[4096], text[GBA_UE_TEXT];
    const gba_uicc_seal seal = {.key_file = o->key_file};
    const char *dir = state_folder(o, room, sizeof room);
    if (!dir)
        return complain(EXIT_USAGE, "where are the sessions? give --state DIR (or GBA_STATE)");
    gba_err e = gba_ue_sessions(dir, &seal, each, l, text);
    if (e == GBA_E_UNKNOWN) /* no folder yet: no session */
        return EXIT_DONE;
    return e ? complain(EXIT_FAILED, "%s", text) : EXIT_DONE;
}

int gba_session_show(options *o)
{
    listing l = {.o = o};
    if (o->json)
        fputs("{\"sessions\": [", stdout);
    int code = each_session(o, show_one, &l);
    if (o->json)
        fputs("]}\n", stdout);
    else if (!code && l.n == 0 && !o->quiet)
        fputs("gba: no session\n", stderr);
    return code ? code : out_done();
}

int gba_session_forget(options *o)
{
    listing l = {.o = o};
    int code = each_session(o, forget_one, &l);
    if (code || l.failed)
        return code ? code : EXIT_FAILED;
    if (o->json) {
        json_open(&l.j, stdout);
        json_int(&l.j, "forgotten", (int64_t)l.n);
        json_close(&l.j);
        return out_done();
    }
    if (!o->quiet)
        fprintf(stderr, "gba: %zu session%s forgotten\n", l.n, l.n == 1 ? "" : "s");
    return EXIT_DONE;
}
