/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_guss.c - gba-bsfctl guss set, show, remove: user security settings (TS 29.109 Annex A). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bsf/ctl.h"
#include <gba/guss.h>
#include "service/daemon.h"

/* *n: in, room; out, octets. One octet of room stays, so that a document that is too long shows. */
static int read_document(const char *path, char *out, size_t *n)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
    if (!f)
        return ctl_fail("%s: %s", path, strerror(errno));
    size_t got = fread(out, 1, *n, f);
    bool bad = ferror(f);
    if (f != stdin)
        fclose(f);
    if (bad)
        return ctl_fail("%s: cannot be read", path);
    if (got == *n)
        return ctl_fail("%s: longer than %d octets, which no GUSS may be", path, GBA_GUSS_XML_MAX);
    *n = got;
    return CTL_OK;
}

static int validate(const char *path, gba_span xml, const gba_impi *impi, gba_guss *g)
{
    gba_impi named;
    gba_err e = gba_guss_parse(xml, g);
    if (e != GBA_OK)
        return ctl_fail("%s: is no GUSS (TS 29.109 Annex A): %s", path,
                        e == GBA_E_RANGE
                            ? "it has more or longer entries than are possible (16 settings, 8 identities and "
                              "16 flags of each, 255 octets a text)"
                            : "an element or attribute is missing, stands twice, or is malformed");
    if (g->id[0] && (gba_impi_parse(gba_str(g->id), &named) != GBA_OK || strcmp(named.s, impi->s) != 0))
        return ctl_fail("%s: its id is %s, not %s", path, g->id, impi->s);
    return CTL_OK;
}

static json_t *guss_json(const gba_impi *impi, const gba_guss *g)
{
    json_t *ids = json_array();
    for (size_t i = 0; i < g->n_uss; i++)
        json_array_append_new(ids, json_integer(g->uss[i].gsid));
    return json_pack("{s:s, s:o, s:o, s:I}", "impi", impi->s, "timestamp", ctl_json_time(g->timestamp), "services", ids,
                     "lifetime", (json_int_t)g->lifetime);
}

static gba_err store_guss(ctl *c, const gba_impi *impi, gba_span xml)
{
    store_op op = {.type = STORE_PUT, .kind = STORE_GUSS, .key = gba_str(impi->s), .value = xml};
    size_t failed;
    return store_write(c->store, &op, 1, service_now(), &failed);
}

static int set(ctl *c, const gba_impi *impi, const char *path, char *xml, size_t room, gba_guss *g)
{
    size_t n = room;
    int rc = read_document(path, xml, &n);
    if (rc == CTL_OK)
        rc = validate(path, gba_mem(xml, n), impi, g);
    if (rc != CTL_OK)
        return rc;
    snprintf(g->id, sizeof g->id, "%s", impi->s);
    if (!g->timestamp)
        g->timestamp = service_now(); /* without one, no BSF could tell that it is new (TS 29.109 4.2) */
    n = GBA_GUSS_XML_MAX; /* stored as we write it: a BSF that fetches it gets the Rel-9 form */
    gba_err e = gba_guss_print(g, xml, &n);
    if (e != GBA_OK)
        return ctl_fail("%s: %s", path, gba_err_text(e));
    e = store_guss(c, impi, gba_mem(xml, n));
    if (e != GBA_OK)
        return ctl_store_failed(c, impi->s, e);
    store_settle(); /* a BSF knows its lifeTime */
    if (g->uicc_type == GBA_UICC_GBA_U && !c->quiet)
        ctl_warn("%s: its uiccType is GBA_U; this BSF runs GBA_ME with every card, and keeps the value for others",
                 impi->s);
    return ctl_result(c, guss_json(impi, g), "%s: %zu user security setting%s", impi->s, g->n_uss,
                      g->n_uss == 1 ? "" : "s");
}

static int run_set(ctl *c)
{
    gba_impi impi;
    const char *path = ctl_get(c, "file");
    int rc = ctl_parse_impi(c, &impi);
    if (rc != CTL_OK)
        return rc;
    if (!path)
        return ctl_usage(c, "--file is missing: the GUSS document, or - for standard input");
    char *xml = malloc(GBA_GUSS_XML_MAX + 1);
    gba_guss *g = malloc(sizeof *g);
    rc = xml && g ? set(c, &impi, path, xml, GBA_GUSS_XML_MAX + 1, g) : ctl_fail("out of memory");
    free(xml);
    free(g);
    return rc;
}

static int run_show(ctl *c)
{
    gba_impi impi;
    store_record rec = {0};
    int rc = ctl_parse_impi(c, &impi);
    if (rc != CTL_OK)
        return rc;
    gba_err e = store_get(c->store, STORE_GUSS, gba_str(impi.s), service_now(), &rec);
    if (e == GBA_E_UNKNOWN)
        return ctl_fail("%s: has no GUSS; " CTL_PROGRAM " guss set gives it one", impi.s);
    if (e != GBA_OK)
        return ctl_store_failed(c, impi.s, e);
    if (c->json) {
        gba_guss *g = malloc(sizeof *g);
        e = g ? gba_guss_parse(gba_mem(rec.value, rec.n), g) : GBA_E_NOMEM;
        rc = e == GBA_OK ? ctl_result(c, guss_json(&impi, g), "%s", "") : ctl_fail("%s: damaged GUSS", impi.s);
        free(g);
    } else {
        printf("%.*s\n", (int)rec.n, (const char *)rec.value);
    }
    store_record_free(&rec);
    return rc;
}

static int run_remove(ctl *c)
{
    gba_impi impi;
    size_t failed;
    int rc = ctl_parse_impi(c, &impi);
    if (rc != CTL_OK)
        return rc;
    store_op op = {.type = STORE_TAKE, .kind = STORE_GUSS, .key = gba_str(impi.s)};
    gba_err e = store_write(c->store, &op, 1, service_now(), &failed);
    if (e == GBA_E_UNKNOWN)
        return ctl_fail("%s: has no GUSS", impi.s);
    if (e != GBA_OK)
        return ctl_store_failed(c, impi.s, e);
    store_settle();
    return ctl_result(c, json_pack("{s:s, s:s}", "impi", impi.s, "result", "removed"), "%s: GUSS removed", impi.s);
}

static const ctl_opt set_opts[] = {
    {"file", "FILE", "the document; - reads standard input", false, false},
    {NULL, NULL, NULL, false, false},
};

const ctl_cmd ctl_guss_cmds[] = {
    {"guss", "set", "IMPI", "give a subscriber its user security settings (GUSS)",
     "FILE holds a guss document of TS 29.109 Annex A, of any release; it is checked, and stored in the Rel-9\n"
     "form with a timestamp. With vectors from an HSS the GUSS comes from there, and replaces this one.",
     set_opts, 1, 1, CTL_CREATES_STORE, run_set},
    {"guss", "show", "IMPI", "print a subscriber's GUSS", NULL, NULL, 1, 1, CTL_NEEDS_STORE, run_show},
    {"guss", "remove", "IMPI", "take a subscriber's GUSS away", NULL, NULL, 1, 1, CTL_NEEDS_STORE, run_remove},
    {NULL},
};
