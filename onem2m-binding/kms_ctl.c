/* SPDX-License-Identifier: Apache-2.0 */
/* kms_ctl.c - m2m-mafctl and m2m-mefctl: credentials of the clients, also while the server runs. */
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "onem2m-binding/cert_id.h"
#include "onem2m-binding/kms_server.h"

#define EXIT_USAGE 2
#define EXIT_CONF 78

typedef struct ctl {
    const kms_kind *kind;
    const char *program, *config;
    bool json, replace;
    const char *id, *key_file, *client, *cert_dns, *cert_uri, *cert_other, *cert_key, *impi, *expires, *cfg_file;
    const char *enrol[KMS_ENROL], *cmd_file[KMS_CMDS];
    unsigned n_enrol, n_cmds;
    kms_settings s;
    store *store;
} ctl;

static int say(const ctl *c, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(const ctl *c, int rc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "%s: ", c->program);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return rc;
}

static const char *id_option(const ctl *c)
{
    return c->kind->enrols ? "--kpm-id" : "--km-id";
}

static void usage(const ctl *c, FILE *to)
{
    const char *id = id_option(c);
    fprintf(to,
            "Usage: %s --config FILE [--json] credential add WHO CREDENTIAL [OPTIONS]\n"
            "       %s --config FILE [--json] credential list\n"
            "       %s --config FILE [--json] credential remove CREDENTIAL\n\n"
            "WHO (absolute):\n"
            "  --cse-id //SP/CSE, --ae-id //SP/CSE/CSTEM, --ae-id //SP/SSTEM, --fqdn NAME (a MAF)\n"
            "CREDENTIAL:\n"
            "  %s ID@FQDN --key-file FILE    a pre-shared key: hexadecimal digits or base64:...; - is stdin\n"
            "  --cert-dns NAME                 a certificate by its dNSName (CSE-ID or FQDN certificate)\n"
            "  --cert-uri URI                  ... by its URI (AE-ID certificate)\n"
            "  --cert-other OID:HEX            ... by an otherName (device certificate, Node-ID)\n"
            "  --cert-key SHA256HEX            ... by the SHA-256 of its public key\n"
            "  --impi IMPI                     a GBA subscriber whose USS names no CSE-ID or AE-ID\n"
            "OPTIONS:\n"
            "  --enrol TARGET,SUID[,EXPIRES]   what its keys may be for; repeatable, at most %d\n"
            "  --expires TIME                  end of the credential: 20270101T000000 (UTC)\n"
            "  --client-config FILE            clientCfg, a JSON object\n"
            "  --command FILE                  %s; repeatable, at most %d\n"
            "  --replace                       overwrite the credential of this identifier\n",
            c->program, c->program, c->program, id, KMS_ENROL,
            c->kind->enrols ? "cmdDescription for the client, JSON" : "(MEF only)", KMS_CMDS);
}

/* ---- arguments ---- */
static bool read_file(const char *file, char *out, size_t *n)
{
    FILE *f = strcmp(file, "-") ? fopen(file, "re") : stdin;
    if (!f)
        return false;
    size_t got = fread(out, 1, *n, f);
    bool ok = !ferror(f) && got < *n;
    if (f != stdin)
        fclose(f);
    *n = got;
    return ok;
}

/* The record's key of the credential named on the command line. */
static int record_key(ctl *c, char key[256])
{
    const struct {
        const char *value;
        tls_name_kind kind;
    } cert[] = {{c->cert_dns, TLS_NAME_DNS}, {c->cert_uri, TLS_NAME_URI}, {c->cert_key, TLS_NAME_KEY}};
    unsigned given = (c->id != NULL) + (c->cert_dns != NULL) + (c->cert_uri != NULL) + (c->cert_other != NULL) +
                     (c->cert_key != NULL) + (c->impi != NULL);
    gba_m2m_key_id kid;

    if (given != 1)
        return say(c, EXIT_USAGE, "name one credential: %s, --cert-dns, --cert-uri, --cert-other, --cert-key or --impi",
                   id_option(c));
    if (c->id) {
        if (gba_m2m_key_id_parse(gba_str(c->id), &kid) != GBA_OK)
            return say(c, EXIT_USAGE, "%s '%s' is not letters, digits, '.', '_', '-' before @ and an FQDN",
                       id_option(c), c->id);
        if (strcmp(kid.domain.s, c->s.fqdn.s) != 0)
            return say(c, EXIT_USAGE, "%s '%s': its domain must be this server's name, %s", id_option(c), c->id,
                       c->s.fqdn.s);
        if (gba_m2m_key_id_print(&kid, key) != GBA_OK)
            return say(c, EXIT_USAGE, "%s '%s' is too long", id_option(c), c->id);
        kms_lower(key);
        return 0;
    }
    if (c->impi) {
        gba_impi impi;
        if (gba_impi_parse(gba_str(c->impi), &impi) != GBA_OK || snprintf(key, 256, "impi:%s", impi.s) >= 256)
            return say(c, EXIT_USAGE, "--impi '%s' is not an IMPI such as 001010000000001@ims.example.com", c->impi);
        return 0;
    }
    tls_name n = {0};
    for (size_t i = 0; i < 3; i++)
        if (cert[i].value) {
            n.kind = cert[i].kind;
            snprintf(n.text, sizeof n.text, "%s", cert[i].value);
        }
    if (c->cert_other) {
        const char *colon = strchr(c->cert_other, ':');
        if (!colon || (size_t)(colon - c->cert_other) >= sizeof n.oid)
            return say(c, EXIT_USAGE, "--cert-other '%s' is not OID:HEX", c->cert_other);
        n.kind = TLS_NAME_OTHER;
        snprintf(n.oid, sizeof n.oid, "%.*s", (int)(colon - c->cert_other), c->cert_other);
        snprintf(n.text, sizeof n.text, "%s", colon + 1);
    }
    if (n.kind == TLS_NAME_DNS)
        m2m_fold_domain(n.text);
    else if (n.kind != TLS_NAME_URI)
        kms_lower(n.text);
    return kms_name_key(&n, key) ? 0 : say(c, EXIT_USAGE, "the certificate's name is too long");
}

static int read_enrol(ctl *c, kms_cred *r)
{
    for (unsigned i = 0; i < c->n_enrol; i++) {
        char text[KMS_ID + 64], *suid, *until;
        gba_m2m_id id;
        snprintf(text, sizeof text, "%s", c->enrol[i]);
        suid = strchr(text, ',');
        if (suid)
            *suid++ = 0;
        until = suid ? strchr(suid, ',') : NULL;
        if (until)
            *until++ = 0;
        unsigned n = suid && strlen(suid) == 2 && strspn(suid, "0123456789") == 2
                         ? (unsigned)((suid[0] - '0') * 10 + suid[1] - '0')
                         : 0;
        if (gba_m2m_entity_parse(gba_str(text), &id) != GBA_OK ||
            gba_m2m_id_print(&id, GBA_M2M_ABSOLUTE, r->enrol[i].target) != GBA_OK)
            return say(c, EXIT_USAGE, "--enrol '%s': the target is not an absolute CSE-ID or AE-ID, nor a MAF's FQDN",
                       c->enrol[i]);
        if (!gba_m2m_suid_text(n))
            return say(
                c, EXIT_USAGE,
                "--enrol '%s': no SUID of TS-0004 follows the target; for instance 21 (key with a MAF) or 22 (SAEF)",
                c->enrol[i]);
        if (until && gba_m2m_time_parse(gba_str(until), &r->enrol[i].expires) != GBA_OK)
            return say(c, EXIT_USAGE, "--enrol '%s': its end is not a time such as 20270101T000000", c->enrol[i]);
        r->enrol[i].suid = n;
        r->n_enrol = i + 1;
    }
    return 0;
}

static int read_texts(ctl *c, kms_cred *r)
{
    static char text[KMS_CFG_MAX * 2];
    const char *why = "";
    size_t n = sizeof text;

    if (c->cfg_file && (!read_file(c->cfg_file, text, &n) || prim_cfg_ok(gba_mem(text, n), r->cfg) != GBA_OK))
        return say(c, EXIT_FAILURE, "%s: is no JSON object of at most %d octets", c->cfg_file, KMS_CFG_MAX - 1);
    if (c->n_cmds && !c->kind->enrols)
        return say(c, EXIT_USAGE, "--command: only a MEF has commands");
    for (unsigned i = 0; i < c->n_cmds; i++) {
        n = sizeof text;
        if (!read_file(c->cmd_file[i], text, &n))
            return say(c, EXIT_FAILURE, "%s: cannot be read, or is too long", c->cmd_file[i]);
        if (prim_command_ok(gba_mem(text, n), r->cmd[i], &why) != GBA_OK)
            return say(c, EXIT_FAILURE, "%s: is no cmdDescription: %s", c->cmd_file[i], why);
        r->n_cmds = i + 1;
    }
    return 0;
}

static int add(ctl *c, const char *key, kms_cred *r)
{
    gba_m2m_id id;
    char why[256];
    int rc;

    if (!c->client || gba_m2m_entity_parse(gba_str(c->client), &id) != GBA_OK ||
        gba_m2m_id_print(&id, GBA_M2M_ABSOLUTE, r->client) != GBA_OK)
        return say(c, EXIT_USAGE,
                   "%s%s%s: name the client by --cse-id //sp.example.com/cse, --ae-id //sp.example.com/cse/Cae or "
                   "--fqdn maf.example.com",
                   c->client ? "'" : "", c->client ? c->client : "no client",
                   c->client ? "' is no absolute identifier" : "");
    if ((c->id != NULL) != (c->key_file != NULL))
        return say(c, EXIT_USAGE, "%s and --key-file go together", id_option(c));
    if (c->key_file && m2m_read_secret(c->key_file, &r->key, why, sizeof why) != GBA_OK)
        return say(c, EXIT_FAILURE, "%s", why);
    r->created = service_now();
    if (c->expires && (gba_m2m_time_parse(gba_str(c->expires), &r->expires) != GBA_OK || r->expires <= r->created))
        return say(c, EXIT_USAGE, "--expires '%s' is not a time to come, such as 20270101T000000 (UTC)", c->expires);
    if ((rc = read_enrol(c, r)) != 0 || (rc = read_texts(c, r)) != 0)
        return rc;
    gba_err e = kms_cred_put(c->store, c->kind, key, r, c->replace);
    if (e == GBA_E_FORBIDDEN)
        return say(c, EXIT_FAILURE, "%s: is there already; --replace overwrites it", key);
    if (e != GBA_OK)
        return say(c, EXIT_FAILURE, "%s: cannot be stored: %s", key, gba_err_text(e));
    if (c->json)
        printf("{\"credential\": \"%s\", \"client\": \"%s\"}\n", key, r->client);
    else
        printf("added %s for %s\n", key, r->client);
    return 0;
}

/* ---- list, remove ---- */
typedef struct listing {
    ctl *c;
    json_t *all;
    unsigned n;
} listing;

static json_t *time_json(int64_t t)
{
    char text[GBA_M2M_TIME_TEXT];
    return t && gba_m2m_time_print(t, text) == GBA_OK ? json_string(text) : json_null();
}

static void list_removed(listing *l, const char *name)
{
    if (l->c->json)
        json_array_append_new(l->all, json_pack("{s:s,s:s,s:n}", "credential", name, "kind", "removed", "client"));
    else
        printf("%-48s removed: refused until it is added again\n", name);
}

static bool list_one(void *ctx, gba_span key, const store_record *rec)
{
    static kms_cred r;
    listing *l = ctx;
    char name[STORE_KEY_MAX + 1], text[GBA_M2M_TIME_TEXT] = "never";

    snprintf(name, sizeof name, "%.*s", (int)key.n, (const char *)key.p);
    if (kms_cred_read(gba_mem(rec->value, rec->n), &r) != GBA_OK) {
        say(l->c, 0, "%s: damaged record", name);
        return true;
    }
    l->n++;
    if (!r.client[0]) {
        list_removed(l, name);
        return true;
    }
    const char *kind = r.key.n ? "psk" : !strncmp(name, "impi:", 5) ? "gba" : "cert";
    if (l->c->json) {
        json_t *enrol = json_array();
        for (unsigned i = 0; i < r.n_enrol; i++)
            json_array_append_new(enrol, json_pack("{s:s,s:i,s:o}", "target", r.enrol[i].target, "suid",
                                                   (int)r.enrol[i].suid, "expires", time_json(r.enrol[i].expires)));
        json_array_append_new(l->all, json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:i}", "credential", name, "kind", kind,
                                                "client", r.client, "expires", time_json(r.expires), "from",
                                                r.source[0] ? json_string(r.source) : json_null(), "enrol", enrol,
                                                "commands", (int)r.n_cmds));
    } else {
        if (r.expires && gba_m2m_time_print(r.expires, text) != GBA_OK)
            snprintf(text, sizeof text, "?");
        printf("%-48s %-5s %-44s until %s%s%s\n", name, kind, r.client, text, r.source[0] ? ", from " : "", r.source);
        for (unsigned i = 0; i < r.n_enrol; i++)
            printf("    for %s, SUID %u (%s)\n", r.enrol[i].target, r.enrol[i].suid,
                   gba_m2m_suid_text(r.enrol[i].suid));
    }
    gba_wipe(&r, sizeof r);
    return true;
}

static int list(ctl *c)
{
    listing l = {.c = c, .all = c->json ? json_array() : NULL};
    gba_err e =
        store_each(c->store, (store_kind)(c->kind->store + KMS_CRED), (gba_span){0}, service_now(), list_one, &l);

    if (c->json) {
        json_dumpf(l.all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(l.all);
    } else if (e == GBA_OK && l.n == 0) {
        puts("no credentials");
    }
    return e == GBA_OK ? 0 : say(c, EXIT_FAILURE, "the store cannot be read: %s", gba_err_text(e));
}

static int remove_one(ctl *c, const char *key)
{
    gba_err e = kms_cred_remove(c->store, c->kind, key, service_now());

    if (e == GBA_E_UNKNOWN)
        return say(c, EXIT_FAILURE, "%s: no such credential; credential list shows them", key);
    if (e != GBA_OK)
        return say(c, EXIT_FAILURE, "%s: cannot be removed: %s", key, gba_err_text(e));
    if (c->json)
        printf("{\"removed\": \"%s\"}\n", key);
    else
        printf("removed %s; open connections of it end with their next request\n", key);
    return 0;
}

/* ---- the command line ---- */
enum { O_CONFIG = 256, O_JSON, O_ID, O_KEY, O_CLIENT, O_DNS, O_URI, O_OTHER, O_CKEY, O_IMPI, O_EXPIRES, O_CFG, O_CMD,
       O_ENROL, O_REPLACE, O_HELP, O_VERSION };

static int option(ctl *c, int o, char *v)
{
    switch (o) {
    case O_CONFIG: c->config = v; break;
    case O_JSON: c->json = true; break;
    case O_ID: c->id = v; break;
    case O_KEY: c->key_file = v; break;
    case O_CLIENT: c->client = v; break;
    case O_DNS: c->cert_dns = v; break;
    case O_URI: c->cert_uri = v; break;
    case O_OTHER: c->cert_other = v; break;
    case O_CKEY: c->cert_key = v; break;
    case O_IMPI: c->impi = v; break;
    case O_EXPIRES: c->expires = v; break;
    case O_CFG: c->cfg_file = v; break;
    case O_REPLACE: c->replace = true; break;
    case O_CMD:
        if (c->n_cmds == KMS_CMDS)
            return say(c, EXIT_USAGE, "--command: at most %d", KMS_CMDS);
        c->cmd_file[c->n_cmds++] = v;
        break;
    case O_ENROL:
        if (c->n_enrol == KMS_ENROL)
            return say(c, EXIT_USAGE, "--enrol: at most %d", KMS_ENROL);
        c->enrol[c->n_enrol++] = v;
        break;
    case O_HELP: usage(c, stdout); return -1;
    case O_VERSION: printf("%s (OpenGBA) %s\n", c->program, PACKAGE_VERSION); return -1;
    default: usage(c, stderr); return EXIT_USAGE;
    }
    return 0;
}

static int run(ctl *c, const conf_field *table, const char *verb)
{
    conf *cf = NULL;
    char buf[4096], why[512] = "", key[256];
    int rc = EXIT_CONF;
    bool adding = !strcmp(verb, "add");

    if (conf_load(c->program, c->config, table, &c->s, NULL, NULL, &cf) != GBA_OK)
        return EXIT_CONF;
    store_config sc = {.url = c->s.store_url, .key_file = kms_settings_key_file(&c->s, buf, sizeof buf),
                       .create = adding, .synchronous_full = true};
    kms_cred *r = calloc(1, sizeof *r);
    if (!sc.key_file)
        say(c, 0, "%s: seal.key_file is missing: name a key file (gba-bsfctl seal create-key makes one)", c->config);
    else if (!r || store_open(&sc, &c->store, why, sizeof why) != GBA_OK)
        rc = say(c, EXIT_FAILURE, "%s", why[0] ? why : "out of memory");
    else if (!strcmp(verb, "list"))
        rc = list(c);
    else if ((rc = record_key(c, key)) == 0)
        rc = adding ? add(c, key, r) : remove_one(c, key);
    if (c->store)
        store_close(&c->store);
    kms_cred_free(&r);
    conf_free(&cf);
    return rc;
}

int kms_ctl_main(const kms_kind *kind, const conf_field *table, const char *program, int argc, char **argv)
{
    static ctl c;
    const struct option opts[] = {
        {"config", 1, NULL, O_CONFIG}, {"json", 0, NULL, O_JSON}, {kind->enrols ? "kpm-id" : "km-id", 1, NULL, O_ID},
        {"key-file", 1, NULL, O_KEY}, {"cse-id", 1, NULL, O_CLIENT}, {"ae-id", 1, NULL, O_CLIENT},
        {"fqdn", 1, NULL, O_CLIENT},
        {"cert-dns", 1, NULL, O_DNS}, {"cert-uri", 1, NULL, O_URI}, {"cert-other", 1, NULL, O_OTHER},
        {"cert-key", 1, NULL, O_CKEY},
        {"impi", 1, NULL, O_IMPI}, {"expires", 1, NULL, O_EXPIRES}, {"client-config", 1, NULL, O_CFG},
        {"command", 1, NULL, O_CMD},
        {"enrol", 1, NULL, O_ENROL}, {"replace", 0, NULL, O_REPLACE}, {"help", 0, NULL, O_HELP},
        {"version", 0, NULL, O_VERSION}, {0},
    };
    int o, rc;

    c.kind = kind;
    c.program = program;
    log_setup(program, LOG_LEVEL_WARN, LOG_TEXT);
    while ((o = getopt_long(argc, argv, "", opts, NULL)) != -1)
        if ((rc = option(&c, o, optarg)) != 0)
            return rc < 0 ? 0 : rc;
    const char *verb = argc - optind == 2 && !strcmp(argv[optind], "credential") ? argv[optind + 1] : "";
    if (!c.config || (strcmp(verb, "add") && strcmp(verb, "list") && strcmp(verb, "remove"))) {
        usage(&c, stderr);
        return EXIT_USAGE;
    }
    return run(&c, table, verb);
}
