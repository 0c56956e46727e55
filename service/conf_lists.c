/* SPDX-License-Identifier: Apache-2.0 */
/* conf_lists.c - lists of words that mean something: numbers, address ranges. */
#include <stdio.h>
#include <stdlib.h>
#include "service/http.h"

void conf_numbers(conf *c, const char *path, const conf_strings *list, uint32_t *out, size_t max, size_t *n)
{
    char item[128], *end;

    *n = 0;
    if (c && list->n > max)
        conf_fault(c, path, "has %zu entries, at most %zu are possible", list->n, max);
    for (size_t i = 0; i < list->n && i < max; i++) {
        unsigned long long v = strtoull(list->v[i], &end, 10);
        snprintf(item, sizeof item, "%s[%zu]", path, i);
        if (list->v[i][0] >= '0' && list->v[i][0] <= '9' && !*end && v <= UINT32_MAX)
            out[(*n)++] = (uint32_t)v;
        else if (c)
            conf_fault(c, item, "'%s' is not a number of 0 to 4294967295", list->v[i]);
    }
}

void conf_cidrs(conf *c, const char *path, const conf_strings *list, http_cidr *out, size_t *n)
{
    char item[128];
    http_cidr one;

    *n = 0;
    if (c && list->n > HTTP_CIDRS)
        conf_fault(c, path, "has %zu ranges, at most %d are possible", list->n, HTTP_CIDRS);
    for (size_t i = 0; i < list->n && i < HTTP_CIDRS; i++) {
        snprintf(item, sizeof item, "%s[%zu]", path, i);
        if (http_cidr_parse(list->v[i], out ? &out[*n] : &one) == GBA_OK)
            ++*n;
        else if (c)
            conf_fault(c, item, "'%s' is not an address range such as 192.0.2.0/24 or 2001:db8::/32", list->v[i]);
    }
}
