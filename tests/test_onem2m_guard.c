/* SPDX-License-Identifier: Apache-2.0 */
/* test_onem2m_guard.c - who may speak as whom: a matrix of associations, originators and requests. */
#include <gba/onem2m.h>
#include <stdio.h>
#include <string.h>
#include "t_main.h"

enum { PLAIN, AE_C, AE_S, AES, NEW, CSE, UNBOUND_CSE };
static gba_m2m_id ours, mn1, mn2, ae_c, ae_s, list[3], registered[3];

static gba_m2m_id id(const char *text)
{
    gba_m2m_id out;
    CU_ASSERT_EQUAL_FATAL(gba_m2m_id_parse(gba_str(text), ours.kind ? &ours : NULL, &out), GBA_OK);
    return out;
}

static void setup(void)
{
    ours = (gba_m2m_id){0};
    ours = id("//sp.example.com/in");
    mn1 = id("/mn1");
    mn2 = id("/mn2");
    ae_c = id("Cone");
    ae_s = id("Sone");
    list[0] = id("Ca");
    list[1] = id("Cb");
    list[2] = id("Sa");
    registered[0] = ae_c;
    registered[1] = ae_s;
    registered[2] = list[0];
}

typedef struct row {
    int who;
    gba_m2m_op op;
    unsigned ty;
    const char *to, *from;
    unsigned rsc;
    const char *as; /* of an allowed one */
} row;
#define NO_FROM NULL
#define C GBA_M2M_CREATE
#define R GBA_M2M_RETRIEVE
#define N GBA_M2M_NOTIFY

static const row rows[] = {
    /* an AE with its own AE-ID, in stem form and no other */
    {AE_C, R, 0, "cse-in", "Cone", 0, "Cone"},
    {AE_C, R, 0, "/mn1/x", "Cone", 0, "Cone"}, /* retargeted: still its own */
    {AE_C, R, 0, "//sp.example.com/in/x", "Cone", 0, "Cone"},
    {AE_C, N, 0, "cse-in", "Cone", 0, "Cone"},
    {AE_C, R, 0, "cse-in", "/in/Cone", 4000, ""},
    {AE_C, R, 0, "cse-in", "//sp.example.com/in/Cone", 4000, ""},
    {AE_S, R, 0, "cse-in", "Sone", 0, "Sone"},
    {AE_S, R, 0, "cse-in", "/Sone", 4000, ""},
    {AE_C, R, 0, "cse-in", NO_FROM, 4000, ""},
    {AE_C, R, 0, "cse-in", "", 4000, ""},
    /* another's, in every form */
    {AE_C, R, 0, "cse-in", "Cother", 4106, ""},
    {AE_C, R, 0, "cse-in", "Ca", 4106, ""},
    {AE_C, R, 0, "cse-in", "Sone", 4106, ""},
    {AE_C, R, 0, "cse-in", "cone", 4106, ""},
    {AE_C, R, 0, "cse-in", "/mn1/Cone", 4106, ""},
    {AE_C, R, 0, "cse-in", "//other.net/in/Cone", 4106, ""},
    {AE_C, R, 0, "/mn1/x", "Cother", 4106, ""},
    {AE_C, R, 0, "cse-in", "/in", 4106, ""},
    {AE_C, R, 0, "cse-in", "/mn1", 4106, ""},
    {AE_C, R, 0, "cse-in", "admin:admin", 4106, ""},
    {AE_C, R, 0, "cse-in", "C", 4106, ""},
    {AE_C, N, 0, "cse-in", "Cother", 4106, ""},
    /* an AE registers */
    {AE_C, C, 2, "cse-in", "Cone", 0, "Cone"},
    {AE_C, C, 2, "cse-in", "C", 0, "Cone"},
    {AE_C, C, 2, "cse-in", NO_FROM, 0, "Cone"},
    {AE_C, C, 2, "cse-in", "", 0, "Cone"},
    {AE_C, C, 2, "/in", "C", 0, "Cone"},
    {AE_C, C, 2, "//sp.example.com/in", "C", 0, "Cone"},
    {AE_C, C, 2, "cse-in", "S", 4106, ""},
    {AE_S, C, 2, "cse-in", "S", 0, "Sone"},
    {AE_S, C, 2, "cse-in", "C", 4106, ""},
    {AE_C, C, 2, "cse-in", "Cother", 4106, ""},
    {AE_C, C, 2, "cse-in", "Sother", 4106, ""},
    {AE_C, C, 2, "/mn1", "C", 4106, ""},
    {AE_C, C, 2, "//other.net/in", "C", 4106, ""},
    {AE_C, C, 2, "/mn1", NO_FROM, 4000, ""},
    {AE_C, C, 3, "cse-in", "C", 4106, ""},
    {AE_C, C, 3, "cse-in", NO_FROM, 4000, ""},
    {AE_C, C, 16, "cse-in", "Cone", 4005, ""},
    /* a list of AE-IDs */
    {AES, R, 0, "cse-in", "Ca", 0, "Ca"},
    {AES, R, 0, "cse-in", "Cb", 0, "Cb"},
    {AES, R, 0, "cse-in", "Sa", 0, "Sa"},
    {AES, R, 0, "cse-in", "Cone", 4106, ""},
    {AES, C, 2, "cse-in", "Cb", 0, "Cb"},
    {AES, C, 2, "cse-in", "S", 0, "Sa"},
    {AES, C, 2, "cse-in", "C", 4106, ""},
    {AES, C, 2, "cse-in", NO_FROM, 4106, ""},
    /* authenticated, no AE-ID yet */
    {NEW, C, 2, "cse-in", "C", 0, "C"},
    {NEW, C, 2, "cse-in", "S", 0, "S"},
    {NEW, C, 2, "cse-in", NO_FROM, 0, ""},
    {NEW, C, 2, "cse-in", "Cone", 4106, ""},
    {NEW, C, 2, "cse-in", "Cfree", 4106, ""},
    {NEW, C, 2, "/mn1", "C", 4106, ""},
    {NEW, R, 0, "cse-in", "Cone", 4106, ""},
    {NEW, R, 0, "cse-in", "/mn1", 4106, ""},
    {NEW, R, 0, "cse-in", NO_FROM, 4000, ""},
    {NEW, C, 16, "cse-in", "/mn3", 4106, ""},
    /* a CSE: itself and third parties */
    {CSE, R, 0, "cse-in", "/mn1", 0, "/mn1"},
    {CSE, R, 0, "cse-in", "//sp.example.com/mn1", 0, "//sp.example.com/mn1"},
    {CSE, R, 0, "/mn2/x", "/mn1", 0, "/mn1"},
    {CSE, R, 0, "cse-in", "/mn9", 0, "/mn9"},
    {CSE, R, 0, "cse-in", "//other.net/in", 0, "//other.net/in"},
    {CSE, R, 0, "cse-in", "/mn1/Cx", 0, "/mn1/Cx"},
    {CSE, R, 0, "cse-in", "/mn9/Cx", 0, "/mn9/Cx"},
    {CSE, R, 0, "cse-in", "/Sx", 0, "/Sx"},
    {CSE, N, 0, "/in/Cone", "/mn1/Cx", 0, "/mn1/Cx"},
    {CSE, C, 3, "cse-in", "/mn1/Cx", 0, "/mn1/Cx"},
    /* ... but not these */
    {CSE, R, 0, "cse-in", "/mn2", 4106, ""},
    {CSE, R, 0, "cse-in", "//sp.example.com/mn2", 4106, ""},
    {CSE, R, 0, "cse-in", "/mn2/Cx", 4106, ""},
    {CSE, R, 0, "cse-in", "/in", 4106, ""},
    {CSE, R, 0, "cse-in", "//sp.example.com/in", 4106, ""},
    {CSE, R, 0, "cse-in", "Cone", 4106, ""},
    {CSE, R, 0, "cse-in", "Cx", 4106, ""},
    {CSE, R, 0, "cse-in", "Sx", 4106, ""},
    {CSE, R, 0, "cse-in", "/in/Cone", 4106, ""},
    {CSE, R, 0, "cse-in", "/in/Cx", 4106, ""},
    {CSE, R, 0, "cse-in", "//sp.example.com/in/Cx", 4106, ""},
    {CSE, R, 0, "cse-in", "/Sone", 4106, ""},
    {CSE, R, 0, "cse-in", "C", 4106, ""},
    {CSE, R, 0, "cse-in", "whoever", 4106, ""},
    {CSE, R, 0, "cse-in", NO_FROM, 4000, ""},
    {CSE, R, 0, "/mn2/x", "/in/Cone", 4106, ""},
    /* registration by a CSE */
    {CSE, C, 16, "cse-in", "/mn1", 0, "/mn1"},
    {CSE, C, 16, "cse-in", "/mn9", 4106, ""},
    {CSE, C, 16, "cse-in", "/mn2", 4106, ""},
    {CSE, C, 16, "/mn2", "/mn9", 0, "/mn9"}, /* forwarded: theirs to decide */
    {CSE, C, 2, "cse-in", "C", 4106, ""},
    {CSE, C, 2, "cse-in", "/mn9/Cx", 4106, ""},
    {CSE, C, 2, "cse-in", NO_FROM, 4000, ""},
    {UNBOUND_CSE, R, 0, "cse-in", "/mn1", 4106, ""},
    /* no association, where that is allowed */
    {PLAIN, R, 0, "cse-in", "Cone", 0, "Cone"},
    {PLAIN, R, 0, "cse-in", "Cother", 4106, ""},
    {PLAIN, R, 0, "cse-in", "/mn1", 4107, ""},
    {PLAIN, R, 0, "cse-in", "/mn9", 4107, ""},
    {PLAIN, R, 0, "cse-in", NO_FROM, 4000, ""},
    {PLAIN, C, 2, "cse-in", NO_FROM, 0, ""},
    {PLAIN, C, 2, "cse-in", "C", 0, "C"},
    {PLAIN, C, 2, "cse-in", "Cnew", 0, "Cnew"},
    {PLAIN, C, 16, "cse-in", "/mn9", 4107, ""},
};

static void test_matrix(void)
{
    setup();
    gba_m2m_id cses[2] = {mn1, mn2};
    gba_m2m_guard g = {.cse = ours, .registrees = cses, .n_registrees = 2, .aes = registered, .n_aes = 3, .sa_optional = true};
    const gba_m2m_association assoc[] = {
        [PLAIN] = {GBA_M2M_BOUND_NONE, NULL, 0}, [AE_C] = {GBA_M2M_BOUND_AE, &ae_c, 1}, [AE_S] = {GBA_M2M_BOUND_AE, &ae_s, 1},
        [AES] = {GBA_M2M_BOUND_AE, list, 3},     [NEW] = {GBA_M2M_BOUND_NEW, NULL, 0},  [CSE] = {GBA_M2M_BOUND_CSE, &mn1, 1},
        [UNBOUND_CSE] = {GBA_M2M_BOUND_CSE, NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gba_m2m_request r = {.op = rows[i].op, .ty = rows[i].ty, .has_from = rows[i].from != NULL, .from = gba_str(rows[i].from)};
        gba_m2m_verdict v;
        snprintf(r.to, sizeof r.to, "%s", rows[i].to);
        gba_m2m_guard_check(&g, &assoc[rows[i].who], &r, &v);
        bool ok = v.rsc == rows[i].rsc && !strcmp(v.as, rows[i].as) && v.why && *v.why &&
                  (v.rsc == 0 || v.http == gba_m2m_rsc_http(v.rsc));
        if (!ok)
            printf("\nrow %zu (who %d, from %s, to %s): got %u '%s' as '%s'\n", i, rows[i].who,
                   rows[i].from ? rows[i].from : "-", rows[i].to, v.rsc, v.why, v.as);
        CU_ASSERT_TRUE(ok);
    }
    printf("(%zu rows) ", sizeof rows / sizeof *rows);
}

/* Nothing at all without an association, unless a plain port is wanted. */
static void test_sa_required(void)
{
    setup();
    gba_m2m_guard g = {.cse = ours, .aes = registered, .n_aes = 3};
    gba_m2m_association none = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gba_m2m_request r = {.op = rows[i].op, .ty = rows[i].ty, .has_from = rows[i].from != NULL, .from = gba_str(rows[i].from)};
        gba_m2m_verdict v;
        snprintf(r.to, sizeof r.to, "%s", rows[i].to);
        gba_m2m_guard_check(&g, &none, &r, &v);
        CU_ASSERT(v.rsc == 4107 && v.http == 403);
    }
}

static void test_local(void)
{
    static const struct {
        const char *to;
        bool local;
    } t[] = {{"cse-in", true}, {"in", true}, {"-/x", true}, {"/in", true}, {"/in/x", true}, {"/inx", false}, {"/mn1/in", false},
             {"/Sone", false}, {"//sp.example.com/in/x", true}, {"//SP.example.com/in", true}, {"//sp.example.com/mn1", false},
             {"//other.net/in", false}, {"//", false}};
    setup();
    gba_m2m_guard g = {.cse = ours};
    gba_m2m_association a = {GBA_M2M_BOUND_AE, &ae_c, 1};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        gba_m2m_request r = {.op = GBA_M2M_RETRIEVE, .has_from = true, .from = gba_str("Cone")};
        gba_m2m_verdict v;
        snprintf(r.to, sizeof r.to, "%s", t[i].to);
        gba_m2m_guard_check(&g, &a, &r, &v);
        CU_ASSERT_EQUAL(v.local, t[i].local);
    }
}

/* E5: an AE-ID against TS-0001 7.2 is From of whom it is bound to, and forwarded by whose AE it is. */
static void assigned(void)
{
    setup();
    gba_m2m_id odd[1], ae = id("Cone");
    CU_ASSERT_EQUAL_FATAL(gba_m2m_id_parse_assigned(gba_str("CAE2026,1"), &ours, &odd[0]), GBA_OK);
    const struct {
        gba_m2m_bound bound;
        const gba_m2m_id *ids;
        const char *from;
        unsigned rsc;
    } said[] = {{GBA_M2M_BOUND_AE, odd, "CAE2026,1", 0},        {GBA_M2M_BOUND_AE, odd, "CAE2026,2", 4106},
                {GBA_M2M_BOUND_AE, odd, "CAE2026", 4106},       {GBA_M2M_BOUND_AE, odd, "/in/CAE2026,1", 4000},
                {GBA_M2M_BOUND_AE, &ae, "CAE2026,1", 4106},     {GBA_M2M_BOUND_NEW, NULL, "CAE2026,1", 4106},
                {GBA_M2M_BOUND_CSE, &mn1, "/mn1/CAE2026,1", 0}, {GBA_M2M_BOUND_CSE, &mn1, "/mn2/CAE2026,1", 4106},
                {GBA_M2M_BOUND_CSE, &mn1, "/in/CAE2026,1", 4106}, {GBA_M2M_BOUND_CSE, &mn1, "CAE2026,1", 4106}};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        gba_m2m_guard g = {.cse = ours};
        gba_m2m_association a = {.bound = said[i].bound, .ids = said[i].ids, .n = said[i].ids ? 1 : 0};
        gba_m2m_request r = {.op = GBA_M2M_RETRIEVE, .to = "cse-in", .has_from = true, .from = gba_str(said[i].from)};
        gba_m2m_verdict v;
        gba_m2m_guard_check(&g, &a, &r, &v);
        CU_ASSERT_EQUAL(v.rsc, said[i].rsc);
        if (!said[i].rsc)
            CU_ASSERT_STRING_EQUAL(v.as, said[i].from);
    }
}

T_MAIN("oneM2M guard", {"E5: an AE-ID against the grammar", assigned}, {"the matrix", test_matrix}, {"association required", test_sa_required}, {"ours or retargeted", test_local})
