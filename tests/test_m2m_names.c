/* SPDX-License-Identifier: Apache-2.0 */
/* test_m2m_names.c - whom a MAF, MEF or BSF may name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/cert_id.h"
#include "onem2m-binding/gate.h"
#include "onem2m-binding/may_name.h"
#include "onem2m-binding/told.h"
#include "service/log.h"
#include "tests/t_main.h"

static gba_m2m_id id_of(const char *text)
{
    gba_m2m_id id;
    if (gba_m2m_entity_parse(gba_str(text), &id) != GBA_OK)
        abort();
    return id;
}

static void patterns(void)
{
    static const struct {
        const char *pattern, *identity;
        bool matches;
    } row[] = {
        {"//sp.example.com/**", "//sp.example.com/cse1", true},
        {"//sp.example.com/**", "//sp.example.com/cse1/Cx", true},
        {"//sp.example.com/**", "//sp.example.com/Sx", true},
        {"//SP.Example.com/**", "//sp.example.com/cse1", true}, /* a domain has no case */
        {"//sp.example.com/**", "//sp.example.org/cse1", false},
        {"//sp.example.com/**", "//xsp.example.com/cse1", false},
        {"//sp.example.com/**", "//evil.example/sp.example.com/Cx", false},
        {"//sp.example.com/*", "//sp.example.com/cse1", true},
        {"//sp.example.com/*", "//sp.example.com/cse1/Cx", false}, /* '*' ends where a part does */
        {"//*/**", "//any.example/cse/Cx", true},
        {"//*.example.com/**", "//sp.example.com/cse1", true},
        {"//*.example.com/**", "//a.b.example.com/cse1", true},
        {"//*.example.com/**", "//example.com/cse1", false},
        {"//*.example.com/**", "//evil.example/x.example.com/Cx", false},
        {"//sp.example.com/cse1/C*", "//sp.example.com/cse1/Cdev", true},
        {"//sp.example.com/cse1/C*", "//sp.example.com/cse1", false},
        {"//sp.example.com/cse1/C*", "//sp.example.com/cse2/Cdev", false},
        {"//sp.example.com/cse1/C*-*7", "//sp.example.com/cse1/Ca-b-17", true},
        {"//sp.example.com/cse1/C*-*7", "//sp.example.com/cse1/Ca-b-18", false},
        {"//sp.example.com/Mobius4", "//sp.example.com/Mobius4", true},
        {"//sp.example.com/Mobius4", "//sp.example.com/mobius4", false}, /* an ID has */
        {"//sp.example.com/mobius*", "//sp.example.com/Mobius4", false},
        {"maf.example.com", "maf.example.com", true},
        {"*.example.com", "maf.example.com", true},
        {"*.example.com", "//x.example.com/cse1", false},
        {"//*/**", "maf.example.com", false},
        {"**", "maf.example.com", true},
        {"**", "//sp.example.com/cse1/Cx", true},
        {"*@sp.example.com", "dev@sp.example.com", true},
    };
    static const char *const bad[] = {
        "",           "/",     "//",   "//sp.example.com",     "//sp.example.com/",   "///x",
        "//sp/a/b/c", "/cse1", "Cx/y", "//sp.example.com/a b", "//sp.example.com/a?", "//sp.example.com/[ab]",
        "a b"};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (m2m_pattern_matches(row[i].pattern, row[i].identity) != row[i].matches)
            printf("\n%s on %s\n", row[i].pattern, row[i].identity);
        CU_ASSERT_EQUAL(m2m_pattern_matches(row[i].pattern, row[i].identity), row[i].matches);
        CU_ASSERT(m2m_pattern_ok(row[i].pattern));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT(!m2m_pattern_ok(bad[i]));
    char stars[GBA_M2M_ID_MAX + 1] = "//sp.example.com/",
                                name[GBA_M2M_ID_MAX + 1] = "//sp.example.com/"; /* no explosion */
    for (size_t i = strlen(stars); i < 400; i += 2)
        memcpy(stars + i, "*a", 3);
    memset(name + strlen(name), 'a', 400);
    CU_ASSERT(!m2m_pattern_matches(strcat(stars, "b"), name));
}

static void homes(void)
{
    char one[] = "//other.example/**", two[] = "//sp.example.com/cse1";
    char *list[] = {one, two};
    m2m_naming cse = {.home = {"sp.example.com"}, .never = id_of("//sp.example.com/cse1")};
    m2m_naming maf = {.home = {"example.com"}, .below = true, .never = id_of("maf.example.com")};
    const gba_m2m_id own = id_of("//sp.example.com/cse1"), ae = id_of("//sp.example.com/cse1/Cx"),
                     mn = id_of("//sp.example.com/mn"), other = id_of("//other.example/cse"),
                     near = id_of("//xsp.example.com/cse"), name = id_of("maf.example.com"),
                     second = id_of("maf2.example.com");
    CU_ASSERT(m2m_may_name(&cse, &ae) && m2m_may_name(&cse, &mn));
    CU_ASSERT(!m2m_may_name(&cse, &own) && !m2m_may_name(&cse, &other) && !m2m_may_name(&cse, &near));
    CU_ASSERT(m2m_may_name(&maf, &ae) && m2m_may_name(&maf, &near) && m2m_may_name(&maf, &second));
    CU_ASSERT(!m2m_may_name(&maf, &other) && !m2m_may_name(&maf, &name));
    cse.pattern = list;
    cse.n = 2;
    CU_ASSERT(m2m_may_name(&cse, &other) && !m2m_may_name(&cse, &ae));
    CU_ASSERT(!m2m_may_name(&cse, &own)); /* not even by its list */
    maf.home.s[0] = 0;
    CU_ASSERT(!m2m_may_name(&maf, &ae));
}

/* What a MAF or MEF tells becomes the association's, if it may tell it. */
static gba_err told(const conf_strings *list, const char *whose, gate_who *w, const char **why)
{
    static gate g;
    m2m_told t = {.key = {.n = 16}, .expires = 2000};
    g.cse = id_of("//sp.example.com/cse1");
    snprintf(t.whose, sizeof t.whose, "%s", whose);
    memset(w, 0, sizeof *w);
    gba_err e = gate_take_told(&g, list, w, &t, 12, "00112233445566778899AABBCCDDEEFF@mef.example.com", 1000, why);
    CU_ASSERT(e == GBA_OK || (!w->key.n && !w->n && !w->credential[0]));
    free(w->ids);
    return e;
}

static void tellers(void)
{
    char pattern[] = "*@sp.example.com";
    char *v[] = {pattern};
    const conf_strings none = {0}, list = {.v = v, .n = 1};
    const char *why = NULL;
    gate_who w;

    CU_ASSERT_EQUAL(told(&none, "//sp.example.com/cse1/Cx", &w, &why), GBA_OK);
    CU_ASSERT_STRING_EQUAL(w.credential, "12-00112233445566778899AABBCCDDEEFF@mef.example.com");
    CU_ASSERT_EQUAL(told(&none, "", &w, &why), GBA_OK); /* it names nobody: who it is, is yet to be learned */
    static const char *const others[] = {"//sp.example.com/cse1", "//other.example/cse", "device1@sp.example.com",
                                         "maf.example.com"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CU_ASSERT_EQUAL(told(&none, others[i], &w, &why), GBA_E_FORBIDDEN);
        CU_ASSERT_STRING_EQUAL(why, "identity_not_allowed");
    }
    CU_ASSERT_EQUAL(told(&list, "device1@sp.example.com", &w, &why), GBA_OK); /* a Credential-ID by another name */
    CU_ASSERT_STRING_EQUAL(w.credential, "12-device1@sp.example.com");
    CU_ASSERT_EQUAL(told(&list, "//sp.example.com/cse1/Cx", &w, &why), GBA_E_FORBIDDEN);
}

static void users(void)
{
    static gate g;
    const conf_strings none = {0};
    gba_uss *uss = calloc(1, sizeof *uss);
    gba_naf_identity u = {.uss = uss, .n_uss = 1};
    const char *why = NULL;
    gate_who w = {0};

    CU_ASSERT_FATAL(uss != NULL);
    g.cse = id_of("//sp.example.com/cse1");
    snprintf(uss->ids[0], sizeof uss->ids[0], "tel:1");
    snprintf(uss->ids[1], sizeof uss->ids[1], "//other.example/cse/Cx");
    uss->n_ids = 1;
    CU_ASSERT(gate_take_user(&g, &none, &w, &u, &why) == GBA_OK && w.n == 0); /* nobody is named */
    uss->n_ids = 2;
    CU_ASSERT_EQUAL(gate_take_user(&g, &none, &w, &u, &why),
                    GBA_E_FORBIDDEN); /* another's: not one who is new, either */
    CU_ASSERT_STRING_EQUAL(why, "identity_not_allowed");
    snprintf(uss->ids[2], sizeof uss->ids[2], "//sp.example.com/cse1/Cx");
    uss->n_ids = 3;
    CU_ASSERT(gate_take_user(&g, &none, &w, &u, &why) == GBA_OK && w.n == 1 && w.bound == GBA_M2M_BOUND_AE);
    snprintf(uss->ids[2], sizeof uss->ids[2], "//sp.example.com/cse1");
    CU_ASSERT_EQUAL(gate_take_user(&g, &none, &w, &u, &why), GBA_E_FORBIDDEN);
    free(w.ids);
    free(uss);
}

/* A CSE's certificate: the CA's spelling is the ID's, octet for octet, and what differs in case alone is another's. */
static void spelling(void)
{
    static const struct {
        const char *dns, *credential, *id; /* id NULL: none by itself */
    } row[] = {
        {"Mobius4.sp.example.com", "32-Mobius4.sp.example.com", "//sp.example.com/Mobius4"},
        {"mobius4.sp.example.com", "32-mobius4.sp.example.com", "//sp.example.com/mobius4"},
        {"MOBIUS4.sp.example.com", "32-MOBIUS4.sp.example.com", "//sp.example.com/MOBIUS4"},
        {"Mobius4.sp.example.org", "32-Mobius4.sp.example.org", NULL},
        {"cse1.sp.example.com", "", NULL}, /* ourselves */
        {"Cse1.sp.example.com", "32-Cse1.sp.example.com", "//sp.example.com/Cse1"},
    };
    const gba_m2m_id cse = id_of("//sp.example.com/cse1");
    gate_who w;

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        tls_name name = {.kind = TLS_NAME_DNS};
        snprintf(name.text, sizeof name.text, "%s", row[i].dns);
        gate_cert_who(&cse, &name, 1, &w);
        CU_ASSERT_EQUAL(w.n, row[i].id ? 1 : 0);
        gba_m2m_id id = row[i].id ? id_of(row[i].id) : cse;
        CU_ASSERT(!row[i].id || (w.n && gba_m2m_id_eq(&w.ids[0], &id) && m2m_name_is_cse(&name, &id)));
        if (row[i].credential[0])
            CU_ASSERT_STRING_EQUAL(w.credential, row[i].credential);
        if (!row[i].credential[0])
            CU_ASSERT(w.why && !strcmp(w.why, "our_cse_id"));
        free(w.ids);
    }
    gba_m2m_id a = id_of("//sp.example.com/Mobius4"), b = id_of("//sp.example.com/mobius4"),
               c = id_of("//sp.example.com/Mobius4/Cx"), d = id_of("//sp.example.com/Mobius4/CX");
    CU_ASSERT(m2m_id_same_but_case(&a, &b) && m2m_id_same_but_case(&c, &d));
    CU_ASSERT(!m2m_id_same_but_case(&a, &a) && !m2m_id_same_but_case(&a, &c));
    tls_name one = {TLS_NAME_URI, "", "//sp.example.com/cse1/Cx"}, two = {TLS_NAME_URI, "", "//sp.example.com/cse1/CX"};
    char first[GBA_M2M_CREDENTIAL_ID_MAX + 1], second[GBA_M2M_CREDENTIAL_ID_MAX + 1], fold[] = "Ab.Cd.EF";
    CU_ASSERT(m2m_name_credential(&one, first) && m2m_name_credential(&two, second) && strcmp(first, second) != 0);
    m2m_fold_domain(fold);
    CU_ASSERT_STRING_EQUAL(fold, "Ab.cd.ef");
}

T_MAIN("names", {"patterns", patterns}, {"whom they name by default", homes}, {"what MAF and MEF tell", tellers},
       {"what a BSF tells", users}, {"the case of a CSE-ID", spelling})
