/* SPDX-License-Identifier: Apache-2.0 */
/* conf_print.c - the table of settings as a commented YAML file of its defaults. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "service/conf.h"

static void print_limits(const conf_field *f)
{
    const char *u = f->type == CONF_DURATION ? "s" : "";
    if (f->type == CONF_ENUM) {
        for (size_t i = 0; f->names[i]; i++)
            printf("%s%s", i ? ", " : " (", f->names[i]);
        putchar(')');
    } else if (f->min || f->max) {
        printf(" (%" PRId64 "%s-%" PRId64 "%s)", f->min, u, f->max, u);
    }
    if (f->required)
        printf(" (required)");
}

static bool plain(const char *s)
{
    return *s &&
           (strchr("/._", *s) || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')) &&
           !strstr(s, ": ") && !strstr(s, " #") && s[strlen(s) - 1] != ':';
}

static void print_leaf(const conf_field *f, const char *name, int indent)
{
    printf("%*s# %s", indent, "", f->help ? f->help : name);
    print_limits(f);
    if (f->def && plain(f->def))
        printf("\n%*s%s: %s\n", indent, "", name, f->def);
    else if (f->def)
        printf("\n%*s%s: \"%s\"\n", indent, "", name, f->def);
    else
        printf("\n%*s#%s:\n", indent, "", name);
    if (f->type != CONF_ITEMS)
        return;
    for (const conf_field *i = f->item; i->path; i++) {
        printf("%*s#%s%s:%s%s  # %s", indent, "", i == f->item ? "  - " : "    ", i->path, i->def ? " " : "",
               i->def ? i->def : "", i->help ? i->help : "");
        print_limits(i);
        putchar('\n');
    }
}

static void print_level(const conf_field *table, const char *prefix, size_t n, int indent)
{
    for (const conf_field *f = table; f->path; f++) {
        if (strncmp(f->path, prefix, n) != 0)
            continue;
        const char *name = f->path + n;
        size_t word = strcspn(name, ".");
        if (!name[word]) {
            print_leaf(f, name, indent);
            continue;
        }
        bool printed = false;
        for (const conf_field *g = table; g < f; g++)
            printed = printed || !strncmp(g->path, f->path, n + word + 1);
        if (printed)
            continue;
        printf("%*s%.*s:\n", indent, "", (int)word, name);
        print_level(table, f->path, n + word + 1, indent + 2);
    }
}

void conf_print_defaults(const conf_field *table)
{
    print_level(table, "", 0, 0);
}
