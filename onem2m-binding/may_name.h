/* SPDX-License-Identifier: Apache-2.0 */
/*
 * may_name.h - whom a MAF, a MEF or a BSF may name (the settings `identities`), for the gate, MAF and MEF. A pattern is
 * an absolute CSE-ID or AE-ID: '*' in it stands for any run of octets but '/', its last part '**' for all that may
 * follow. Or it is a domain name (of a MAF), or another identifier. Case counts, but in the domain of an ID.
 */
#ifndef ONEM2M_MAY_NAME_H
#define ONEM2M_MAY_NAME_H
#include <gba/onem2m.h>
#include "service/conf.h"

bool m2m_pattern_ok(const char *pattern);
bool m2m_pattern_matches(const char *pattern, const char *identity);

typedef struct m2m_naming {
    char *const *pattern; /* n 0: the identities of `home` */
    size_t n;
    gba_fqdn home;        /* domain of our own service provider */
    bool below;           /* and of the domains below it */
    gba_m2m_id never;     /* ourselves */
} m2m_naming;
bool m2m_may_name(const m2m_naming *by, const gba_m2m_id *id);
/* What is no CSE-ID, AE-ID or domain name: only what a pattern of its own says. */
bool m2m_may_name_text(const m2m_naming *by, const char *text);

/* Faults of one item's `identities`: item i of n of the list `what`. `named`: of that server; home "": no default. */
void m2m_identities_check(conf *c, const char *what, size_t i, size_t n, const conf_strings *list, const char *named,
                          const char *home);
#endif
