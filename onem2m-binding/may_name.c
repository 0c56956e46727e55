/* SPDX-License-Identifier: Apache-2.0 */
/* may_name.c - patterns over identities. */
#include "onem2m-binding/may_name.h"
#include <stdio.h>
#include <string.h>

static char folded(char c, bool fold)
{
    return fold && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* One part between slashes; the last '*' takes as little as it can. */
static bool part_matches(gba_span pattern, gba_span text, bool fold)
{
    size_t p = 0, t = 0, star = pattern.n, from = 0;

    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.n && folded((char)pattern.p[p], fold) == folded((char)text.p[t], fold)) {
            p++;
            t++;
        } else if (star < pattern.n) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

static gba_span part_of(const char *s)
{
    return gba_mem(s, strcspn(s, "/"));
}

bool m2m_pattern_matches(const char *pattern, const char *identity)
{
    bool absolute = !strncmp(pattern, "//", 2), first = true;

    if (strcmp(pattern, "**") != 0 && absolute != !strncmp(identity, "//", 2))
        return false;
    if (absolute) {
        pattern += 2;
        identity += 2;
    }
    for (;; first = false) {
        gba_span p = part_of(pattern), t = part_of(identity);
        if (!pattern[p.n] && gba_span_eq(p, gba_str("**")))
            return true;
        if (!part_matches(p, t, absolute && first) || !pattern[p.n] != !identity[t.n])
            return false;
        if (!pattern[p.n])
            return true;
        pattern += p.n + 1;
        identity += t.n + 1;
    }
}

bool m2m_pattern_ok(const char *pattern)
{
    static const char of_ids[] = "-._~*", of_others[] = "-._~*@+=;";
    bool absolute = !strncmp(pattern, "//", 2);
    const char *part = absolute ? pattern + 2 : pattern;
    size_t parts = 0;

    if (strlen(pattern) > GBA_M2M_ID_MAX)
        return false;
    for (;; part++) {
        gba_span s = part_of(part);
        if (!s.n)
            return false;
        for (size_t i = 0; i < s.n; i++) {
            char c = (char)s.p[i];
            bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
            if (!alnum && !strchr(absolute ? of_ids : of_others, c))
                return false;
        }
        parts++;
        part += s.n;
        if (!*part)
            return absolute ? parts > 1 && parts < 4 : parts == 1;
    }
}

static bool listed(const m2m_naming *by, const char *text)
{
    for (size_t i = 0; i < by->n; i++)
        if (m2m_pattern_matches(by->pattern[i], text))
            return true;
    return false;
}

static bool at_home(const m2m_naming *by, const gba_m2m_id *id)
{
    size_t n = strlen(id->sp.s), m = strlen(by->home.s);

    if (!m || n < m || strcmp(id->sp.s + n - m, by->home.s) != 0)
        return false;
    return n == m || (by->below && id->sp.s[n - m - 1] == '.');
}

bool m2m_may_name(const m2m_naming *by, const gba_m2m_id *id)
{
    char text[GBA_M2M_ID_MAX + 1];

    if (gba_m2m_id_print(id, GBA_M2M_ABSOLUTE, text) != GBA_OK || gba_m2m_id_eq(id, &by->never))
        return false;
    return by->n ? listed(by, text) : at_home(by, id);
}

bool m2m_may_name_text(const m2m_naming *by, const char *text)
{
    return listed(by, text);
}

void m2m_identities_check(conf *c, const char *what, size_t i, size_t n, const conf_strings *list, const char *named,
                          const char *home)
{
    char item[64];

    snprintf(item, sizeof item, "%s[%zu].identities", what, i);
    if (!list->n && n > 1)
        conf_fault(c, item, "is missing: where several are configured each says whom it may name, %s for instance %s",
                   named, "\"//sp.example.com/**\"");
    else if (!list->n && !home[0])
        conf_fault(c, item, "is missing: whom may %s name? For instance \"//sp.example.com/**\"", named);
    for (size_t k = 0; k < list->n; k++)
        if (!m2m_pattern_ok(list->v[k]))
            conf_fault(c, item,
                       "'%s' is no pattern such as //sp.example.com/cse1/C*, //sp.example.com/** or maf.example.com",
                       list->v[k]);
}
