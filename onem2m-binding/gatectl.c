/* SPDX-License-Identifier: Apache-2.0 */
/* gatectl.c - m2m-gatectl: the gate's credentials, also while m2m-gate runs (it follows within a second). */
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "onem2m-binding/cert_id.h"
#include "onem2m-binding/gate.h"

#define PROGRAM "m2m-gatectl"
enum { RC_OK = 0, RC_FAILED = 1, RC_USAGE = 2, RC_CONFIG = 78 };

typedef struct ctl {
    gate_settings s;
    conf *conf;
    store *store;
    const char *config, *kpsa_id, *credential_id, *public_key, *key_file, *expires, *ids[GATE_IDS_MAX];
    size_t n_ids;
    bool cse, json, replace;
    char credential[GBA_M2M_CREDENTIAL_ID_MAX + 1];
} ctl;

static int fail(int rc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(int rc, const char *fmt, ...)
{
    va_list ap;
    fputs(PROGRAM ": ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return rc;
}

static void help(FILE *to)
{
    fputs("usage: " PROGRAM " --config FILE COMMAND\n"
          "  credential add --kpsa-id ID --key-file FILE [--ae-id AE-ID]... | [--cse-id CSE-ID]\n"
          "  credential add --credential-id TYPE-VALUE [--ae-id AE-ID]... | [--cse-id CSE-ID]\n"
          "      who may speak as whom. Without an ID the credential may register an AE and is bound to the\n"
          "      AE-ID that the CSE assigns. Types: 11 KmID, 12 KpsaID or B-TID, 30 raw key, 31 device,\n"
          "      32 CSE-ID, 33 AE-ID, 34 Node-ID certificate. IDs: //sp.example.com/cse1/Cabc, /cse1/Cabc or Cabc\n"
          "  credential add --public-key FILE ...   a raw public key (RFC 7250): PEM of the key or of a certificate\n"
          "  credential list [--json]\n"
          "  credential remove --kpsa-id ID | --credential-id TYPE-VALUE | --public-key FILE\n"
          "  seal create-key      writes the new key file that seal.key_file names\n"
          "options: --key-file FILE  the key in hexadecimal, '-' for standard input; never shown\n"
          "         --expires TIME   YYYYMMDDThhmmss, UTC     --replace  overwrite a credential of that name\n"
          "         --json, --help, --version\n",
          to);
}

/* ---- arguments ---- */
static int take_option(ctl *c, int o)
{
    switch (o) {
    case 'c': c->config = optarg; break;
    case 'p': c->kpsa_id = optarg; break;
    case 'i': c->credential_id = optarg; break;
    case 'P': c->public_key = optarg; break;
    case 'k': c->key_file = optarg; break;
    case 'e': c->expires = optarg; break;
    case 'j': c->json = true; break;
    case 'r': c->replace = true; break;
    case 'a':
    case 's':
        if (c->n_ids >= GATE_IDS_MAX || (c->n_ids && (c->cse || o == 's')))
            return fail(RC_USAGE, "one --cse-id, or up to %d --ae-id", GATE_IDS_MAX);
        c->cse = o == 's';
        c->ids[c->n_ids++] = optarg;
        break;
    case 'h': help(stdout); return -1;
    case 'v': puts(PROGRAM " (OpenGBA) " PACKAGE_VERSION); return -1;
    default: return fail(RC_USAGE, "see " PROGRAM " --help");
    }
    return RC_OK;
}

static int parse(ctl *c, int argc, char **argv)
{
    static const struct option options[] = {{"config", 1, NULL, 'c'},
                                            {"kpsa-id", 1, NULL, 'p'},
                                            {"credential-id", 1, NULL, 'i'},
                                            {"key-file", 1, NULL, 'k'},
                                            {"public-key", 1, NULL, 'P'},
                                            {"expires", 1, NULL, 'e'},
                                            {"ae-id", 1, NULL, 'a'},
                                            {"cse-id", 1, NULL, 's'},
                                            {"json", 0, NULL, 'j'},
                                            {"replace", 0, NULL, 'r'},
                                            {"help", 0, NULL, 'h'},
                                            {"version", 0, NULL, 'v'},
                                            {0}};
    int o, rc = RC_OK;
    while (rc == RC_OK && (o = getopt_long(argc, argv, "", options, NULL)) != -1)
        rc = take_option(c, o);
    return rc;
}

/* The Credential-ID, as the gate will look it up. */
static int name_of(ctl *c)
{
    static const gba_fqdn none;
    gba_m2m_domains d = {.at = GBA_M2M_AT_CSE, .bsf = &none, .maf = &none, .mef = &none};
    gba_m2m_identity id;
    unsigned type;
    gba_span value;

    if ((c->kpsa_id != NULL) + (c->credential_id != NULL) + (c->public_key != NULL) != 1)
        return fail(RC_USAGE, "give --kpsa-id, --credential-id or --public-key");
    if (c->public_key) {
        uint8_t key[32];
        gba_err e = tls_key_id(c->public_key, key);
        if (e != GBA_OK)
            return fail(RC_FAILED, "%s: %s", c->public_key,
                        e == GBA_E_IO ? "cannot be read" : "holds no PEM key or certificate");
        return m2m_key_credential(key, c->credential) ? RC_OK : fail(RC_FAILED, "%s: no Credential-ID", c->public_key);
    }
    if (c->credential_id) {
        if (gba_m2m_credential_id_parse(gba_str(c->credential_id), &type, &value) != GBA_OK ||
            strlen(c->credential_id) >= sizeof c->credential)
            return fail(RC_USAGE, "--credential-id: '%s' is not TYPE-VALUE such as 31-0.4.0.127.1", c->credential_id);
        snprintf(c->credential, sizeof c->credential, "%s", c->credential_id);
        if (type == 32)
            m2m_fold_domain(c->credential);
        return RC_OK;
    }
    if (gba_m2m_identify(&d, gba_str(c->kpsa_id), &id) != GBA_OK || id.form != GBA_M2M_PSK_KPSA ||
        gba_m2m_credential_id(12, gba_str(id.text), c->credential) != GBA_OK)
        return fail(RC_USAGE, "--kpsa-id: '%s' is not a KpsaID such as device7@sp.example.com (TS-0003 10.5)",
                    c->kpsa_id);
    return RC_OK;
}

/* ---- commands ---- */
static int store_failed(ctl *c, const char *doing, gba_err e)
{
    char why[512] = "";
    store_why(c->store, why, sizeof why);
    return fail(RC_FAILED, "%s: %s", doing, why[0] ? why : gba_err_text(e));
}

static int read_ids(ctl *c, gate_credential *cr)
{
    gba_m2m_id cse;
    const gba_m2m_id *base = gba_m2m_id_parse(gba_str(c->s.cse_id), NULL, &cse) == GBA_OK ? &cse : NULL;

    cr->bound = c->n_ids == 0 ? GBA_M2M_BOUND_NEW : c->cse ? GBA_M2M_BOUND_CSE : GBA_M2M_BOUND_AE;
    for (size_t i = 0; i < c->n_ids; i++) {
        gba_m2m_id *id = &cr->ids[cr->n];
        if (gba_m2m_id_parse_assigned(gba_str(c->ids[i]), base, id) != GBA_OK ||
            (gba_m2m_id_is_ae(id) && !strchr("CS", id->stem[0])) ||
            (c->cse ? id->kind != GBA_M2M_ID_CSE : !gba_m2m_id_is_ae(id)))
            return fail(RC_USAGE, "--%s: '%s' is not %s", c->cse ? "cse-id" : "ae-id", c->ids[i],
                        c->cse ? "a CSE-ID such as //sp.example.com/cse1"
                               : "an AE-ID such as //sp.example.com/cse1/Cabc or Cabc");
        cr->n++;
    }
    return RC_OK;
}

static int add(ctl *c)
{
    char text[GATE_RECORD_MAX], since[24], why[512] = "";
    gate_credential cr = {0};
    size_t n = 0;
    int64_t expires = 0;
    int rc = read_ids(c, &cr);

    if (rc != RC_OK)
        return rc;
    if (c->kpsa_id && !c->key_file)
        return fail(RC_USAGE, "--kpsa-id needs --key-file (openssl rand -hex 32 makes a key)");
    if (c->expires && gba_m2m_time_parse(gba_str(c->expires), &expires) != GBA_OK)
        return fail(RC_USAGE, "--expires: '%s' is not YYYYMMDDThhmmss", c->expires);
    gba_err e = c->key_file ? m2m_read_secret(c->key_file, &cr.key, why, sizeof why) : GBA_OK;
    if (e != GBA_OK)
        return fail(RC_FAILED, "%s", why);
    e = gate_credential_print(&cr, text, &n);
    const store_op op[] = {{.type = c->replace ? STORE_PUT : STORE_INSERT, .kind = (store_kind)GATE_CREDENTIAL,
                            .key = gba_str(c->credential), .value = gba_mem(text, n), .expiry = expires},
                           gate_ended_op(c->credential, expires, since)};
    if (e == GBA_OK)
        e = strlen(c->credential) > STORE_KEY_MAX
                ? GBA_E_RANGE
                : store_write(c->store, op, gate_is_certificate(c->credential) ? 2 : 1, service_now(), NULL);
    gba_wipe(text, sizeof text);
    gba_secret_wipe(&cr.key);
    if (e == GBA_E_FORBIDDEN)
        return fail(RC_FAILED, "%s exists already: --replace overwrites it", c->credential);
    if (e != GBA_OK)
        return store_failed(c, "credential add", e);
    store_settle(); /* "added" is said when every gate on this store has seen it */
    if (c->json)
        printf("{\"credential\": \"%s\"}\n", c->credential);
    else
        printf("added %s\n", c->credential);
    return RC_OK;
}

static int remove_one(ctl *c)
{
    char since[24];
    const store_op op[] = {
        {.type = STORE_TAKE, .kind = (store_kind)GATE_CREDENTIAL, .key = gba_str(c->credential)},
        gate_ended_op(c->credential, service_now(), since),
    };
    gba_err e = store_write(c->store, op, gate_is_certificate(c->credential) ? 2 : 1, service_now(), NULL);

    if (e == GBA_E_UNKNOWN)
        return fail(RC_FAILED, "there is no credential %s: '" PROGRAM " credential list' shows them", c->credential);
    if (e != GBA_OK)
        return store_failed(c, "credential remove", e);
    store_settle();
    if (!c->json)
        printf("removed %s\n", c->credential);
    return RC_OK;
}

typedef struct listing {
    ctl *c;
    json_t *rows;
    size_t n;
} listing;

static bool show(void *ctx, gba_span key, const store_record *rec)
{
    static const char *const bound[] = {"none", "cse", "ae", "new"};
    listing *l = ctx;
    gate_credential cr;
    char name[STORE_KEY_MAX + 1], text[GBA_M2M_ID_MAX + 1], time[GBA_M2M_TIME_TEXT] = "";
    bool good = gate_credential_parse(gba_mem(rec->value, rec->n), &cr) == GBA_OK;

    snprintf(name, sizeof name, "%.*s", (int)key.n, (const char *)key.p);
    if (rec->expiry && gba_m2m_time_print(rec->expiry, time) != GBA_OK)
        time[0] = 0;
    json_t *ids = json_array();
    for (size_t i = 0; good && i < cr.n; i++)
        if (gba_m2m_id_print(&cr.ids[i], GBA_M2M_ABSOLUTE, text) == GBA_OK)
            json_array_append_new(ids, json_string(text));
    if (l->c->json) {
        json_array_append_new(l->rows, json_pack("{s:s, s:s, s:O, s:b, s:b, s:o}", "credential", name, "bound",
                                                 good ? bound[cr.bound] : "damaged", "ids", ids, "key",
                                                 good && cr.key.n > 0, "learned", good && cr.learned, "expires",
                                                 time[0] ? json_string(time) : json_null()));
    } else {
        printf("%-44s %-7s %-3s %-7s %-15s", name, good ? bound[cr.bound] : "damaged", good && cr.key.n ? "key" : "-",
               good && cr.learned ? "learned" : "-", time[0] ? time : "-");
        for (size_t i = 0; i < json_array_size(ids); i++)
            printf(" %s", json_string_value(json_array_get(ids, i)));
        putchar('\n');
    }
    json_decref(ids);
    gba_secret_wipe(&cr.key);
    l->n++;
    return true;
}

static bool show_ended(void *ctx, gba_span key, const store_record *rec)
{
    listing *l = ctx;
    char name[STORE_KEY_MAX + 1];

    snprintf(name, sizeof name, "%.*s", (int)key.n, (const char *)key.p);
    if (gate_ended_since(gba_mem(rec->value, rec->n)) > service_now())
        return true;
    if (l->c->json)
        json_array_append_new(l->rows, json_pack("{s:s, s:s, s:[], s:b, s:b, s:n}", "credential", name, "bound",
                                                 "ended", "ids", "key", 0, "learned", 0, "expires"));
    else
        printf("%-44s ended: refused until it is added again\n", name);
    l->n++;
    return true;
}

static int list(ctl *c)
{
    listing l = {.c = c, .rows = json_array()};
    gba_err e = store_each(c->store, (store_kind)GATE_CREDENTIAL, (gba_span){0}, service_now(), show, &l);
    if (e == GBA_OK)
        e = store_each(c->store, (store_kind)GATE_ENDED, (gba_span){0}, service_now(), show_ended, &l);

    if (e == GBA_OK && c->json) {
        json_dumpf(l.rows, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (e == GBA_OK && !l.n) {
        puts("no credentials");
    }
    json_decref(l.rows);
    return e == GBA_OK ? RC_OK : store_failed(c, "credential list", e);
}

static int open_all(ctl *c, bool create)
{
    char buf[4096], why[512] = "";
    if (!c->config)
        return fail(RC_USAGE, "--config FILE names m2m-gate's configuration");
    if (conf_load(PROGRAM, c->config, gate_settings_table, &c->s, NULL, NULL, &c->conf) != GBA_OK)
        return RC_CONFIG;
    store_config sc = {.url = c->s.store.url, .key_file = gate_settings_seal(&c->s, buf, sizeof buf), .create = create,
                       .synchronous_full = true};
    if (!sc.key_file)
        return fail(RC_CONFIG, "%s: seal.key_file is missing", c->config);
    gba_err e = store_open(&sc, &c->store, why, sizeof why);
    return e == GBA_OK ? RC_OK : fail(RC_FAILED, "%s", why[0] ? why : gba_err_text(e));
}

static int create_key(ctl *c)
{
    char buf[4096], why[512] = "";
    if (!c->config)
        return fail(RC_USAGE, "--config FILE names m2m-gate's configuration");
    if (conf_load(PROGRAM, c->config, gate_settings_table, &c->s, NULL, NULL, &c->conf) != GBA_OK)
        return RC_CONFIG;
    const char *path = gate_settings_seal(&c->s, buf, sizeof buf);
    if (!path)
        return fail(RC_CONFIG, "%s: seal.key_file is missing", c->config);
    gba_err e = store_key_file_create(path, why, sizeof why);
    if (e != GBA_OK)
        return fail(RC_FAILED, "%s", why[0] ? why : gba_err_text(e));
    printf("wrote %s\n", path);
    return RC_OK;
}

static int run(ctl *c, int argc, char **argv)
{
    const char *group = optind < argc ? argv[optind] : "", *verb = optind + 1 < argc ? argv[optind + 1] : "";
    bool adds = !strcmp(verb, "add");
    int rc;

    if (optind + 2 != argc)
        return fail(RC_USAGE, "give a command: see " PROGRAM " --help");
    if (!strcmp(group, "seal") && !strcmp(verb, "create-key"))
        return create_key(c);
    if (strcmp(group, "credential") != 0 || (!adds && strcmp(verb, "list") && strcmp(verb, "remove")))
        return fail(RC_USAGE, "'%s %s' is no command: see " PROGRAM " --help", group, verb);
    rc = strcmp(verb, "list") ? name_of(c) : RC_OK;
    if (rc == RC_OK)
        rc = open_all(c, adds);
    if (rc != RC_OK)
        return rc;
    return adds ? add(c) : !strcmp(verb, "list") ? list(c) : remove_one(c);
}

int main(int argc, char **argv)
{
    static ctl c;
    log_setup(PROGRAM, LOG_LEVEL_WARN, LOG_TEXT);
    int rc = parse(&c, argc, argv);
    if (rc == RC_OK)
        rc = run(&c, argc, argv);
    if (c.store)
        store_close(&c.store);
    if (c.conf)
        conf_free(&c.conf);
    return rc < 0 ? RC_OK : rc;
}
