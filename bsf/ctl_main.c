/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_main.c - gba-bsfctl: provisions the BSF's store, also while gba-bsfd runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bsf/ctl.h"
#include "config.h"
#include "service/log.h"

static const ctl_cmd *const tables[] = {ctl_subscriber_cmds, ctl_import_cmds, ctl_naf_cmds,
                                        ctl_session_cmds,    ctl_seal_cmds,   ctl_guss_cmds, NULL};

static int open_store(ctl *c)
{
    store_config sc;
    char buf[4096], why[512] = "";
    bsf_settings_store(&c->s, buf, sizeof buf, &sc);
    if (!sc.key_file) {
        fprintf(stderr,
                CTL_PROGRAM ": %s: seal.key_file is missing: name a key file (" CTL_PROGRAM
                            " seal create-key makes one)\n",
                c->config);
        return CTL_CONFIG;
    }
    sc.create = c->cmd->needs == CTL_CREATES_STORE;
    gba_err e = store_open(&sc, &c->store, why, sizeof why);
    if (e == GBA_OK)
        return CTL_OK;
    return ctl_fail("%s%s%s", why[0] ? why : sc.url, why[0] ? "" : ": ", why[0] ? "" : gba_err_text(e));
}

static void free_secrets(ctl *c)
{
    for (unsigned i = 0; i < c->n_values; i++)
        if (c->value[i].opt->secret && c->value[i].value) {
            gba_wipe(c->value[i].value, strlen(c->value[i].value));
            free(c->value[i].value);
        }
}

static int run(ctl *c)
{
    int rc = CTL_OK;
    if (c->cmd->needs != CTL_NEEDS_NOTHING) {
        rc = ctl_read_config(c);
        if (rc == CTL_OK)
            rc = open_store(c);
    }
    if (rc == CTL_OK)
        rc = c->cmd->run(c);
    if (c->store)
        store_close(&c->store);
    if (c->conf)
        conf_free(&c->conf);
    return rc;
}

int main(int argc, char **argv)
{
    static ctl c;
    log_setup(CTL_PROGRAM, LOG_LEVEL_WARN, LOG_TEXT);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(CTL_PROGRAM " (OpenGBA) " PACKAGE_VERSION);
        return CTL_OK;
    }
    int rc = ctl_parse(&c, tables, argc, argv);
    if (rc == CTL_OK && !c.help)
        rc = run(&c);
    free_secrets(&c);
    return rc;
}
