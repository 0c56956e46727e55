/* SPDX-License-Identifier: Apache-2.0 */
/* conf_diff.c - which settings differ between two readings of a configuration. */
#include <stdio.h>
#include <string.h>
#include "service/conf.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_strings(const conf_strings *a, const conf_strings *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = same_text(a->v[i], b->v[i]);
    return same;
}

static bool same_listen(const conf_listen *a, const conf_listen *b)
{
    return a->set == b->set && a->port == b->port && strcmp(a->address, b->address) == 0;
}

static bool same_value(const conf_field *f, const void *x, const void *y)
{
    switch (f->type) {
    case CONF_STRING:
    case CONF_PATH:
        return same_text(*(char *const *)x, *(char *const *)y);
    case CONF_INT:
    case CONF_DURATION:
    case CONF_SIZE:
        return *(const int64_t *)x == *(const int64_t *)y;
    case CONF_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case CONF_ENUM:
        return *(const int *)x == *(const int *)y;
    case CONF_LISTEN:
        return same_listen(x, y);
    case CONF_FQDN:
        return strcmp(((const gba_fqdn *)x)->s, ((const gba_fqdn *)y)->s) == 0;
    case CONF_STRINGS:
        return same_strings(x, y);
    case CONF_ITEMS: /* item by item, below */
        break;
    }
    return ((const conf_items *)x)->n == ((const conf_items *)y)->n;
}

static void each(const conf_field *table, const char *prefix, const void *a, const void *b, conf_change *visit,
                 void *ctx)
{
    char path[160];

    for (const conf_field *f = table; f->path; f++) {
        const char *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
        snprintf(path, sizeof path, "%s%s", prefix, f->path);
        if (!same_value(f, x, y)) {
            visit(ctx, path);
            continue;
        }
        if (f->type != CONF_ITEMS)
            continue;
        const conf_items *l = (const void *)x, *m = (const void *)y;
        for (size_t i = 0; i < l->n; i++) {
            snprintf(path, sizeof path, "%s%s[%zu].", prefix, f->path, i);
            each(f->item, path, (const char *)l->v + i * f->item_size, (const char *)m->v + i * f->item_size, visit,
                 ctx);
        }
    }
}

void conf_each_change(const conf_field *table, const void *a, const void *b, conf_change *visit, void *ctx)
{
    each(table, "", a, b, visit, ctx);
}
