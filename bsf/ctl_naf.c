/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_naf.c - gba-bsfctl naf allow, list, deny: which NAF may ask for which keys. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bsf/ctl.h"

/* ---- arguments ---- */
/* An FQDN, or "*." and one. */
static bool parse_pattern(const char *text, gba_fqdn *out)
{
    gba_fqdn rest;
    if (strncmp(text, "*.", 2) != 0)
        return gba_fqdn_parse(gba_str(text), out) == GBA_OK;
    return gba_fqdn_parse(gba_str(text + 2), &rest) == GBA_OK &&
           snprintf(out->s, sizeof out->s, "*.%s", rest.s) < (int)sizeof out->s;
}

static int parse_name(ctl *c, gba_fqdn *out)
{
    if (gba_fqdn_parse(gba_str(c->arg[0]), out) == GBA_OK)
        return CTL_OK;
    return ctl_usage(c, "'%s' is not a DNS name as it stands in a certificate (subjectAltName)", c->arg[0]);
}

static int add_ua(ctl *c, rec_grant *g, const char *text)
{
    uint8_t o[5];
    size_t n = sizeof o;
    if (gba_hex_decode(gba_str(text), o, &n) != GBA_OK || n == 0)
        return ctl_usage(c,
                         "--ua '%s' is not a Ua security protocol identifier: ten hexadecimal digits such as "
                         "0100000002, or a prefix of whole octets such as 010001 (every TLS suite)",
                         text);
    for (size_t i = 0; i < g->n_ua; i++)
        if (g->ua[i].n == n && memcmp(g->ua[i].o, o, n) == 0)
            return CTL_OK;
    if (g->n_ua == REC_NAF_UAS)
        return ctl_fail("%s: has %d Ua identifiers already, more are not possible; grant a prefix instead", g->fqdn.s,
                        REC_NAF_UAS);
    g->ua[g->n_ua].n = (uint8_t)n;
    memcpy(g->ua[g->n_ua++].o, o, n);
    return CTL_OK;
}

static int add_service(ctl *c, rec_grant *g, const char *text)
{
    uint64_t v;
    if (!ctl_number(text, 0, UINT32_MAX, &v))
        return ctl_usage(c, "--service '%s' is not a GAA service identifier (a number of 0 to 4294967295)", text);
    for (size_t i = 0; i < g->n_service; i++)
        if (g->service[i] == v)
            return CTL_OK;
    if (g->n_service == REC_NAF_SERVICES)
        return ctl_fail("%s: has %d services already, more are not possible", g->fqdn.s, REC_NAF_SERVICES);
    g->service[g->n_service++] = (uint32_t)v;
    return CTL_OK;
}

/* nafGroup of a USS (TS 29.109 Annex A): plain text. */
static int set_group(ctl *c, rec_grant *g, const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == '"' || *p == '\\' || *p == 0x7f)
            return ctl_usage(c, "--naf-group '%s' holds a blank, a quote or a control character", text);
    if (snprintf(g->naf_group, sizeof g->naf_group, "%s", text) >= (int)sizeof g->naf_group)
        return ctl_usage(c, "--naf-group is too long: at most %d octets", REC_NAF_GROUP_MAX);
    return CTL_OK;
}

/* ---- the record ---- */
static gba_err load(ctl *c, const gba_fqdn *name, rec_naf *out, uint64_t *version)
{
    store_record rec = {0};
    gba_err e = store_get(c->store, STORE_NAF, gba_str(name->s), service_now(), &rec);
    memset(out, 0, sizeof *out);
    if (e == GBA_OK)
        e = rec_naf_read(gba_mem(rec.value, rec.n), out);
    *version = rec.version;
    store_record_free(&rec);
    return e;
}

/* version 0: it must not exist. No grant left: the record goes. */
static gba_err save(ctl *c, const gba_fqdn *name, const rec_naf *naf, uint64_t version)
{
    size_t n = REC_MAX, failed;
    uint8_t *o = malloc(n);
    if (!o)
        return GBA_E_NOMEM;
    gba_err e = rec_naf_write(naf, o, &n);
    if (e == GBA_OK) {
        store_op op = {.type = version ? STORE_SWAP : STORE_INSERT,
                       .kind = STORE_NAF,
                       .key = gba_str(name->s),
                       .value = gba_mem(o, n),
                       .version = version};
        if (naf->n == 0)
            op = (store_op){.type = STORE_TAKE, .kind = STORE_NAF, .key = gba_str(name->s)};
        e = store_write(c->store, &op, 1, service_now(), &failed);
    }
    free(o);
    return e == GBA_E_FORBIDDEN ? GBA_E_STALE : e;
}

static rec_grant *find_grant(rec_naf *naf, const gba_fqdn *fqdn)
{
    for (size_t i = 0; i < naf->n; i++)
        if (strcmp(naf->grant[i].fqdn.s, fqdn->s) == 0)
            return &naf->grant[i];
    return NULL;
}

static json_t *grant_json(const rec_grant *g)
{
    json_t *uas = json_array(), *services = json_array();
    char hex[11];
    for (size_t i = 0; i < g->n_ua; i++) {
        gba_hex_encode(g->ua[i].o, g->ua[i].n, hex);
        json_array_append_new(uas, json_string(hex));
    }
    for (size_t i = 0; i < g->n_service; i++)
        json_array_append_new(services, json_integer(g->service[i]));
    json_t *o = json_pack("{s:s, s:o, s:o, s:b}", "fqdn", g->fqdn.s, "ua", uas, "services", services, "impi", g->impi);
    if (o && g->naf_group[0])
        json_object_set_new(o, "nafGroup", json_string(g->naf_group));
    return o;
}

static json_t *naf_json(const char *name, const rec_naf *naf)
{
    json_t *grants = json_array();
    for (size_t i = 0; i < naf->n; i++)
        json_array_append_new(grants, grant_json(&naf->grant[i]));
    return json_pack("{s:s, s:o}", "name", name, "grants", grants);
}

#define RACES_MAX 8

/* ---- allow ---- */
static int merge(ctl *c, rec_naf *naf)
{
    gba_fqdn fqdn;
    const char *text;
    for (unsigned f = 0; (text = ctl_get_nth(c, "fqdn", f)); f++) {
        if (!parse_pattern(text, &fqdn))
            return ctl_usage(c, "--fqdn '%s' is not an FQDN, or *. and an FQDN", text);
        rec_grant *g = find_grant(naf, &fqdn);
        if (!g) {
            if (naf->n == REC_NAF_GRANTS)
                return ctl_fail("%s: has %d grants already; use a wildcard such as *.example.com", c->arg[0],
                                REC_NAF_GRANTS);
            g = &naf->grant[naf->n++];
            memset(g, 0, sizeof *g);
            g->fqdn = fqdn;
        }
        int rc = CTL_OK;
        for (unsigned i = 0; rc == CTL_OK && (text = ctl_get_nth(c, "ua", i)); i++)
            rc = add_ua(c, g, text);
        for (unsigned i = 0; rc == CTL_OK && (text = ctl_get_nth(c, "service", i)); i++)
            rc = add_service(c, g, text);
        if (rc != CTL_OK)
            return rc;
        g->impi |= ctl_has(c, "impi");
        if ((text = ctl_get(c, "naf-group")) && (rc = set_group(c, g, text)) != CTL_OK)
            return rc;
    }
    return CTL_OK;
}

static int run_allow(ctl *c)
{
    static rec_naf naf;
    gba_fqdn name;
    uint64_t version = 0;
    int rc = parse_name(c, &name);
    if (rc == CTL_OK && !ctl_has(c, "fqdn"))
        rc = ctl_usage(c, "--fqdn is missing: the NAF's name as UEs use it");
    if (rc == CTL_OK && !ctl_has(c, "ua"))
        rc = ctl_usage(c, "--ua is missing: the Ua security protocol identifiers the NAF may use");
    gba_err e = GBA_E_STALE;
    for (int i = 0; rc == CTL_OK && e == GBA_E_STALE && i < RACES_MAX; i++) {
        e = load(c, &name, &naf, &version);
        if (e != GBA_OK && e != GBA_E_UNKNOWN)
            break;
        rc = merge(c, &naf);
        if (rc == CTL_OK)
            e = save(c, &name, &naf, version);
    }
    if (rc != CTL_OK)
        return rc;
    if (e != GBA_OK)
        return ctl_store_failed(c, name.s, e);
    store_settle(); /* as deny: a BSF knows a name without grants, too */
    return ctl_result(c, naf_json(name.s, &naf), "allowed %s; " CTL_PROGRAM " naf list %s shows what", name.s, name.s);
}

/* ---- deny ---- */
static int remove_grants(ctl *c, rec_naf *naf, const gba_fqdn *name)
{
    gba_fqdn fqdn;
    const char *text;
    if (!ctl_has(c, "fqdn"))
        naf->n = 0;
    for (unsigned f = 0; (text = ctl_get_nth(c, "fqdn", f)); f++) {
        if (!parse_pattern(text, &fqdn))
            return ctl_usage(c, "--fqdn '%s' is not an FQDN, or *. and an FQDN", text);
        rec_grant *g = find_grant(naf, &fqdn);
        if (!g)
            return ctl_fail("%s: has no grant for %s; " CTL_PROGRAM " naf list %s shows its grants", name->s, fqdn.s,
                            name->s);
        memmove(g, g + 1, (size_t)(naf->grant + naf->n - (g + 1)) * sizeof *g);
        naf->n--;
    }
    return CTL_OK;
}

static int unknown_name(ctl *c, const gba_fqdn *name, gba_err e)
{
    return ctl_not_found(c, name->s, e, "no NAF of this certificate name is allowed anything", "naf list");
}

static int run_deny(ctl *c)
{
    static rec_naf naf;
    gba_fqdn name;
    uint64_t version = 0;
    int rc = parse_name(c, &name);
    gba_err e = GBA_E_STALE;
    for (int i = 0; rc == CTL_OK && e == GBA_E_STALE && i < RACES_MAX; i++) {
        e = load(c, &name, &naf, &version);
        if (e == GBA_OK)
            rc = remove_grants(c, &naf, &name);
        else if (e == GBA_E_CORRUPT && !ctl_has(c, "fqdn"))
            naf.n = 0; /* what cannot be read can still be denied */
        else
            break;
        if (rc == CTL_OK)
            e = save(c, &name, &naf, version);
    }
    if (rc != CTL_OK)
        return rc;
    if (e != GBA_OK)
        return unknown_name(c, &name, e);
    store_settle(); /* "at once" is said when every BSF on this store has seen it */
    return ctl_result(c, naf_json(name.s, &naf), naf.n ? "denied; %s has grants left" : "denied %s", name.s);
}

/* ---- list ---- */
static void list_grants(const ctl *c, ctl_table *t, const char *name, const rec_naf *naf)
{
    if (c->json) {
        ctl_table_row(t, naf_json(name, naf), NULL);
        return;
    }
    for (size_t i = 0; i < naf->n; i++) {
        const rec_grant *g = &naf->grant[i];
        char uas[12 * REC_NAF_UAS + 1] = "", services[12 * REC_NAF_SERVICES + REC_NAF_GROUP_MAX + 12] = "-";
        size_t at = 0;
        for (size_t u = 0; u < g->n_ua; u++) {
            if (u)
                uas[at++] = ',';
            gba_hex_encode(g->ua[u].o, g->ua[u].n, uas + at);
            at += 2u * g->ua[u].n;
        }
        at = 0;
        for (size_t s = 0; s < g->n_service; s++)
            at += (size_t)snprintf(services + at, sizeof services - at, "%s%" PRIu32, s ? "," : "", g->service[s]);
        if (g->naf_group[0])
            snprintf(services + strlen(services), sizeof services - strlen(services), " (group %s)", g->naf_group);
        ctl_table_row(t, NULL,
                      (const char *const[]){name, g->fqdn.s, uas, services, g->impi ? "released" : "withheld"});
    }
}

static ctl_row list_row(void *ctx, const ctl *c, ctl_table *t, const char *name, gba_span value)
{
    static rec_naf naf;
    (void)ctx;
    if (rec_naf_read(value, &naf) != GBA_OK)
        return CTL_ROW_DAMAGED;
    list_grants(c, t, name, &naf);
    return CTL_ROW_SHOWN;
}

static int run_list(ctl *c)
{
    static const char *const heads[] = {"CERTIFICATE NAME", "NAF FQDN", "UA", "SERVICES", "IMPI", NULL};
    static const ctl_list_spec spec = {.kind = STORE_NAF,
                                       .plural = "NAFs",
                                       .none = "no NAF is allowed anything",
                                       .mend = "; " CTL_PROGRAM " naf deny removes it",
                                       .heads = heads,
                                       .row = list_row};
    static rec_naf naf;
    gba_fqdn name;
    uint64_t version;

    if (!c->n_args)
        return ctl_list(c, &spec, NULL);
    int rc = parse_name(c, &name);
    if (rc != CTL_OK)
        return rc;
    gba_err e = load(c, &name, &naf, &version);
    if (e != GBA_OK)
        return unknown_name(c, &name, e);
    ctl_table *t = ctl_table_begin(c, heads);
    list_grants(c, t, name.s, &naf);
    return ctl_table_end(&t, spec.none);
}

static const ctl_opt allow_opts[] = {
    {"fqdn", "FQDN", "the NAF's name as UEs use it; *.example.com: all names below it", true, false},
    {"ua", "HEX", "Ua security protocol identifier, ten digits or a prefix of whole octets", true, false},
    {"service", "GSID", "GAA service whose user security settings it may get", true, false},
    {"naf-group", "GROUP", "its NAF group: of several settings of a service it gets those of this nafGroup", false,
     false},
    {"impi", NULL, "it may learn the subscriber's IMPI", false, false},
    {NULL, NULL, NULL, false, false},
};
static const ctl_opt deny_opts[] = {
    {"fqdn", "FQDN", "take this grant alone (default: all)", true, false},
    {NULL, NULL, NULL, false, false},
};

const ctl_cmd ctl_naf_cmds[] = {
    {"naf", "allow", "CERT_NAME", "let the NAF with this certificate name fetch keys",
     "CERT_NAME is a dNSName of the NAF's certificate from the Zn CA (never its CN). A further allow adds\n"
     "to what stands. Ua identifiers in use (TS 33.220 Annex H): 0100000002 HTTP Digest in the clear,\n"
     "010001 every TLS 1.2 and 1.3 suite, 0100000007 PSK-TLS 1.3.",
     allow_opts, 1, 1, CTL_CREATES_STORE, run_allow},
    {"naf", "list", "[CERT_NAME]", "show who may fetch which keys", NULL, NULL, 0, 1, CTL_NEEDS_STORE, run_list},
    {"naf", "deny", "CERT_NAME", "take a NAF's grants away, at once", NULL, deny_opts, 1, 1, CTL_NEEDS_STORE, run_deny},
    {NULL},
};
