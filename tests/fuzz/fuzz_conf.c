/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file of any octets: faults or settings, never more. */
#include <stdlib.h>
#include <string.h>
#include "service/conf.h"

typedef struct item {
    char *url;
    int64_t weight;
} item;
typedef struct settings {
    conf_listen listen;
    char *cert, *text;
    int64_t n, life, size;
    bool on;
    int mode;
    gba_fqdn name;
    conf_strings ranges;
    conf_items items;
} settings;
static const char *const modes[] = {"nonce", "opaque", NULL};
static const conf_field item_table[] = {
    {.path = "url", .type = CONF_STRING, .offset = offsetof(item, url), .required = true},
    {.path = "weight", .type = CONF_INT, .offset = offsetof(item, weight), .def = "1", .min = 1, .max = 9},
    {.path = NULL},
};
#define AT(m) .offset = offsetof(settings, m)
static const conf_field table[] = {
    {.path = "ub.name", .type = CONF_FQDN, AT(name)},
    {.path = "ub.listen", .type = CONF_LISTEN, AT(listen), .def = "127.0.0.1:8080"},
    {.path = "ub.cert", .type = CONF_PATH, AT(cert)},
    {.path = "ub.text", .type = CONF_STRING, AT(text)},
    {.path = "lim.n", .type = CONF_INT, AT(n), .min = 1, .max = 100},
    {.path = "lim.life", .type = CONF_DURATION, AT(life)},
    {.path = "lim.size", .type = CONF_SIZE, AT(size)},
    {.path = "ub.on", .type = CONF_BOOL, AT(on)},
    {.path = "ub.mode", .type = CONF_ENUM, AT(mode), .names = modes},
    {.path = "lim.ranges", .type = CONF_STRINGS, AT(ranges)},
    {.path = "naf.items", .type = CONF_ITEMS, AT(items), .item = item_table, .item_size = sizeof(item)},
    {.path = NULL},
};

static void report(void *ctx, const char *line)
{
    ++*(size_t *)ctx;
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            abort(); /* an operator's terminal is not for a file to steer */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    settings s;
    conf *c = NULL;
    size_t faults = 0;
    memset(&s, 0, sizeof s);
    gba_err e = conf_load_text("fuzz", "/etc/fuzz.yaml", gba_mem(data, n), table, &s, report, &faults, &c);
    if ((e == GBA_OK) != (faults == 0) || (e == GBA_OK) != (c != NULL))
        abort();
    for (size_t i = 0; e == GBA_OK && i < s.items.n; i++) {
        item *it = (item *)s.items.v + i;
        if (!it->url || it->weight < 1 || it->weight > 9)
            abort();
    }
    conf_free(&c);
    return 0;
}
