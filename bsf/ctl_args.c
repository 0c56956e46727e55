/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_args.c - gba-bsfctl's arguments: words and options in any order, and the help on them. */
#include <stdio.h>
#include <string.h>
#include "bsf/ctl.h"
#include "bsf/hss_settings.h"

#ifndef CTL_CONFIG_FILE
#define CTL_CONFIG_FILE "/etc/opengba/bsf.yaml"
#endif

static const ctl_opt globals[] = {
    {"config", "FILE", "the BSF's configuration (default: " CTL_CONFIG_FILE ")", false, false},
    {"json", NULL, "machine-readable output", false, false},
    {"quiet", NULL, "no progress, no remarks", false, false},
    {"help", NULL, "this help", false, false},
    {NULL, NULL, NULL, false, false},
};

static const ctl_opt *find_opt(const ctl_opt *list, const char *name, size_t n)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == n && strncmp(list->name, name, n) == 0)
            return list;
    return NULL;
}

/* ---- values ---- */
const char *ctl_get_nth(const ctl *c, const char *name, unsigned i)
{
    for (unsigned v = 0; v < c->n_values; v++)
        if (strcmp(c->value[v].opt->name, name) == 0 && i-- == 0)
            return c->value[v].value ? c->value[v].value : "";
    return NULL;
}

const char *ctl_get(const ctl *c, const char *name)
{
    return ctl_get_nth(c, name, 0);
}

bool ctl_has(const ctl *c, const char *name)
{
    return ctl_get(c, name) != NULL;
}

/* ---- parsing ---- */
static bool group_exists(const ctl_cmd *const *tables, const char *group)
{
    for (; *tables; tables++)
        for (const ctl_cmd *k = *tables; k->group; k++)
            if (strcmp(k->group, group) == 0)
                return true;
    return false;
}

static const ctl_cmd *find_cmd(const ctl_cmd *const *tables, const char *group, const char *name)
{
    for (; *tables; tables++)
        for (const ctl_cmd *k = *tables; k->group; k++)
            if (strcmp(k->group, group) == 0 && (!k->name || (name && strcmp(k->name, name) == 0)))
                return k;
    return NULL;
}

/* One "--name", "--name value" or "--name=value" at argv[*i]; only_globals: before the command. */
static int parse_option(ctl *c, int argc, char **argv, int *i)
{
    char *name = argv[*i] + 2, *eq = strchr(name, '=');
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    const ctl_opt *o = find_opt(globals, name, n);
    if (!o && c->cmd)
        o = find_opt(c->cmd->opts, name, n);
    if (!o)
        return ctl_usage(c, "option --%.*s is not known%s", (int)n, name, c->cmd ? " here" : " before the command");
    if (!o->metavar && eq)
        return ctl_usage(c, "option --%s takes no value", o->name);
    if (!o->repeat && ctl_has(c, o->name) && o->metavar)
        return ctl_usage(c, "option --%s is given twice", o->name);
    if (c->n_values == CTL_VALUES_MAX)
        return ctl_usage(c, "too many options");
    char *value = eq ? eq + 1 : NULL;
    if (o->metavar && !value) {
        if (*i + 1 >= argc)
            return ctl_usage(c, "option --%s needs a value: --%s %s", o->name, o->name, o->metavar);
        value = argv[++*i];
    }
    if (o->secret) { /* a key leaves the list of processes as soon as it is read */
        char *copy = strdup(value);
        if (!copy)
            return ctl_fail("out of memory");
        gba_wipe(value, strlen(value));
        value = copy;
    }
    c->value[c->n_values].opt = o;
    c->value[c->n_values++].value = value;
    return CTL_OK;
}

/* A word before the command is known: its group, then its name. */
static int parse_word(ctl *c, const ctl_cmd *const *tables, const char **group, char *word)
{
    if (c->cmd) {
        if (c->n_args == c->cmd->max_args)
            return ctl_usage(c, "'%s' is one argument too many", word);
        c->arg[c->n_args++] = word;
        return CTL_OK;
    }
    if (!*group) {
        if (!group_exists(tables, word))
            return ctl_usage(c, "there is no command '%s'", word);
        *group = word;
        c->cmd = find_cmd(tables, word, NULL);
        return CTL_OK;
    }
    c->cmd = find_cmd(tables, *group, word);
    return c->cmd ? CTL_OK : ctl_usage(c, "there is no command '%s %s'", *group, word);
}

int ctl_parse(ctl *c, const ctl_cmd *const *tables, int argc, char **argv)
{
    const char *group = NULL;
    bool words_only = false;
    for (int i = 1; i < argc; i++) {
        int rc = CTL_OK;
        if (!words_only && strcmp(argv[i], "--") == 0)
            words_only = true;
        else if (!words_only && strncmp(argv[i], "--", 2) == 0)
            rc = parse_option(c, argc, argv, &i);
        else if (!words_only && strcmp(argv[i], "-h") == 0)
            c->help = true;
        else if (!words_only && argv[i][0] == '-' && argv[i][1])
            rc = ctl_usage(c, "option %s is not known", argv[i]);
        else
            rc = parse_word(c, tables, &group, argv[i]);
        if (rc != CTL_OK)
            return rc;
    }
    c->json = ctl_has(c, "json");
    c->quiet = ctl_has(c, "quiet");
    c->help |= ctl_has(c, "help");
    c->config = ctl_get(c, "config");
    if (c->help) {
        ctl_help(c, tables, group);
        return CTL_OK;
    }
    if (!c->cmd)
        return group ? ctl_usage(c, "'%s' needs to be told what to do", group) : ctl_usage(c, "a command is missing");
    if (c->n_args < c->cmd->min_args)
        return ctl_usage(c, "something is missing: %s%s%s %s", c->cmd->group, c->cmd->name ? " " : "",
                         c->cmd->name ? c->cmd->name : "", c->cmd->args);
    return CTL_OK;
}

/* ---- help ---- */
static void help_opts(const ctl_opt *o)
{
    for (; o && o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s%s", o->name, o->metavar ? " " : "", o->metavar ? o->metavar : "",
                 o->repeat ? " ..." : "");
        printf("  %-24s %s\n", left, o->help);
    }
}

static void help_cmd(const ctl_cmd *k)
{
    printf("usage: " CTL_PROGRAM " [--config FILE] %s%s%s %s%s\n\n%s\n", k->group, k->name ? " " : "",
           k->name ? k->name : "", k->args, k->opts ? " [options]" : "", k->summary);
    if (k->details)
        printf("\n%s\n", k->details);
    printf("\nOptions:\n");
    help_opts(k->opts);
    help_opts(globals);
}

void ctl_help(const ctl *c, const ctl_cmd *const *tables, const char *group)
{
    if (c->cmd) {
        help_cmd(c->cmd);
        return;
    }
    printf("usage: " CTL_PROGRAM " [--config FILE] COMMAND [arguments] [options]\n\n"
           "Provisions a BSF: subscribers, NAF authorisations, sessions, seal keys. Works while gba-bsfd runs.\n\n");
    for (; *tables; tables++)
        for (const ctl_cmd *k = *tables; k->group; k++) {
            char left[80];
            if (group && strcmp(group, k->group) != 0)
                continue;
            snprintf(left, sizeof left, "%s%s%s %s", k->group, k->name ? " " : "", k->name ? k->name : "", k->args);
            printf("  %-36s %s\n", left, k->summary);
        }
    printf("\nOptions, before or after the command:\n");
    help_opts(globals);
    printf("\n" CTL_PROGRAM " COMMAND --help tells more. Exit codes: 0 done; 1 failed; 2 usage; 78 configuration.\n");
}

/* A gba-hssd's configuration begins a section "hss" somewhere; its store is provisioned alike. */
static bool is_hss(const char *file)
{
    char line[256];
    bool hss = false;
    FILE *f = fopen(file, "re");
    if (!f)
        return false;
    while (!hss && fgets(line, sizeof line, f))
        hss = strncmp(line, "hss:", 4) == 0;
    fclose(f);
    return hss;
}

static gba_err read_hss(ctl *c)
{
    static hss_settings h;
    gba_err e = conf_load(CTL_PROGRAM, c->config, hss_settings_table, &h, NULL, NULL, &c->conf);
    c->s.store.url = h.store.url; /* the texts live as long as c->conf */
    c->s.store.sync = h.store.sync;
    c->s.seal.key_file = h.seal.key_file;
    c->s.replica.ind = h.replica.ind;
    return e;
}

int ctl_read_config(ctl *c)
{
    if (!c->config)
        c->config = CTL_CONFIG_FILE;
    gba_err e = is_hss(c->config) ? read_hss(c)
                                  : conf_load(CTL_PROGRAM, c->config, bsf_settings_table, &c->s, NULL, NULL, &c->conf);
    return e == GBA_OK && conf_ok(c->conf) ? CTL_OK : CTL_CONFIG;
}
