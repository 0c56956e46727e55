/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_seal.c - gba-bsfctl seal create-key, rotate, rewrap; backup. */
#include <stdio.h>
#include "bsf/ctl.h"

static void show(void *ctx, uint64_t done, uint64_t total)
{
    ctl_progress_show(ctx, done, total);
}

static int run_create_key(ctl *c)
{
    char buf[4096], why[512] = "";
    const char *path = c->n_args ? c->arg[0] : NULL;
    if (!path) {
        int rc = ctl_read_config(c);
        if (rc != CTL_OK)
            return rc;
        path = bsf_settings_key_file(&c->s, buf, sizeof buf);
        if (!path)
            return ctl_usage(c, "%s names no seal.key_file; name the new file here", c->config);
    }
    gba_err e = store_key_file_create(path, why, sizeof why);
    if (e != GBA_OK)
        return ctl_fail("%s%s%s", why[0] ? why : path, why[0] ? "" : ": ", why[0] ? "" : gba_err_text(e));
    return ctl_result(c, json_pack("{s:s, s:s}", "key_file", path, "result", "created"),
                      "created %s; keep a copy apart from the store: without it the store cannot be read", path);
}

static int run_rotate(ctl *c)
{
    ctl_progress p;
    ctl_progress_begin(&p, c, "sealing anew");
    gba_err e = store_rotate(c->store, show, &p);
    ctl_progress_end(&p, p.done);
    if (e != GBA_OK)
        return ctl_store_failed(c, "rotating the data key", e);
    return ctl_result(c, json_pack("{s:s}", "result", "rotated"),
                      "rotated: every record is sealed under a new data key, the old one is destroyed");
}

static int run_rewrap(ctl *c)
{
    gba_err e = store_rewrap(c->store);
    if (e != GBA_OK)
        return ctl_store_failed(c, "wrapping the data keys", e);
    return ctl_result(c, json_pack("{s:s}", "result", "rewrapped"),
                      "rewrapped: the data keys are wrapped under the first key of the key file");
}

static int run_backup(ctl *c)
{
    ctl_progress p;
    ctl_progress_begin(&p, c, "copying");
    gba_err e = store_backup(c->store, c->arg[0], show, &p);
    ctl_progress_end(&p, p.done);
    if (e != GBA_OK)
        return ctl_fail("%s: %s; the file must not exist, and its folder must be writable", c->arg[0], gba_err_text(e));
    return ctl_result(c, json_pack("{s:s, s:s}", "file", c->arg[0], "result", "written"),
                      "wrote %s; it opens with the key file of today", c->arg[0]);
}

const ctl_cmd ctl_seal_cmds[] = {
    {"seal", "create-key", "[FILE]", "make the key file that seals the store (default: seal.key_file)",
     "The file is made with mode 0600 and never overwritten.", NULL, 0, 1, CTL_NEEDS_NOTHING, run_create_key},
    {"seal", "rotate", "", "seal every record under a new data key, while the BSF runs", NULL, NULL, 0, 0,
     CTL_NEEDS_STORE, run_rotate},
    {"seal", "rewrap", "", "wrap the data keys under the first key of the key file",
     "To change the key file's key: put a new key first in the file, keep the old one below it, rewrap,\n"
     "then take the old one out.",
     NULL, 0, 0, CTL_NEEDS_STORE, run_rewrap},
    {"backup", NULL, "FILE", "copy the store to a new file, while the BSF runs",
     "The copy is sealed like the store: keep the key file too, and apart from it.", NULL, 1, 1, CTL_NEEDS_STORE,
     run_backup},
    {NULL},
};
