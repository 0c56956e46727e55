/* SPDX-License-Identifier: Apache-2.0 */
/* test_guss.c - GUSS and ussList documents (TS 29.109 Annex A). */
#include <gba/guss.h>
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shape that deployed HSSs send: Rel-9 namespace, Extension between bsfInfo and ussList. */
static const char r9[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<guss id=\"234150999999999@ims.mnc015.mcc234.3gppnetwork.org\" xmlns=\"urn:3gpp:gba:GBAGUSSSchema-R9:2010-02\">\n"
    "  <bsfInfo><uiccType> GBA_U </uiccType><lifeTime>86400</lifeTime></bsfInfo>\n"
    "  <Extension><timestamp>2008-09-10T11:12:13Z</timestamp><foreign><uid>x</uid></foreign></Extension>\n"
    "  <ussList>\n"
    "    <uss id=\"1\" type=\"1\" nafGroup=\"A\"><uids><uid>sip:alice@home.example</uid><uid>tel:+441632960000</uid></uids>"
    "<flags><flag>1</flag><flag>2</flag></flags><keyChoice>ME-based-key</keyChoice></uss>\n"
    "    <uss type=\"0\" id=\"1000001\"><uids><uid>//sp.example.com/cse1/C1&amp;2</uid></uids></uss>\n"
    "  </ussList>\n"
    "</guss>\n";

static void test_read(void)
{
    static gba_guss g;
    CU_ASSERT_EQUAL_FATAL(gba_guss_parse(gba_str(r9), &g), GBA_OK);
    CU_ASSERT_STRING_EQUAL(g.id, "234150999999999@ims.mnc015.mcc234.3gppnetwork.org");
    CU_ASSERT_EQUAL(g.uicc_type, GBA_UICC_GBA_U);
    CU_ASSERT_EQUAL(g.lifetime, 86400);
    CU_ASSERT_EQUAL(g.timestamp, 1221045133);
    CU_ASSERT_EQUAL_FATAL(g.n_uss, 2);
    CU_ASSERT_EQUAL(g.uss[0].gsid, 1);
    CU_ASSERT_EQUAL(g.uss[0].type, 1);
    CU_ASSERT_STRING_EQUAL(g.uss[0].naf_group, "A");
    CU_ASSERT_EQUAL(g.uss[0].n_ids, 2);
    CU_ASSERT_STRING_EQUAL(g.uss[0].ids[1], "tel:+441632960000");
    CU_ASSERT_EQUAL(g.uss[0].n_flags, 2);
    CU_ASSERT_EQUAL(g.uss[0].flags[1], 2);
    CU_ASSERT_EQUAL(g.uss[0].key_choice, GBA_KEY_ME);
    CU_ASSERT_EQUAL(g.uss[1].gsid, 1000001);
    CU_ASSERT_STRING_EQUAL(g.uss[1].ids[0], "//sp.example.com/cse1/C1&2");
}

/* Rel-6 namespace by prefix, none at all, another order: all the same to us. */
static void test_tolerance(void)
{
    static gba_guss g;
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str("<g:guss xmlns:g=\"guss-schema-of-3gpp-gaa\" id=\"a@b\"><g:ussList><g:uss id=\"4\" "
                                           "type=\"4\"><g:flags/><g:uids><g:uid>x</g:uid></g:uids></g:uss></g:ussList>"
                                           "<g:bsfInfo><g:lifeTime>5</g:lifeTime></g:bsfInfo></g:guss>"),
                                   &g), GBA_OK);
    CU_ASSERT_EQUAL(g.n_uss, 1);
    CU_ASSERT_EQUAL(g.lifetime, 5);
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str("<guss><new a=\"1\"><uss id=\"x\"/></new><ussList/></guss>"), &g), GBA_OK);
    CU_ASSERT_EQUAL(g.n_uss, 0);
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str("<ussList><uss id=\"4\" type=\"4\"><uids><uid>x</uid></uids></uss></ussList>"), &g), GBA_OK);
    CU_ASSERT_EQUAL(g.n_uss, 1);
}

/* What belongs to another namespace, or stands elsewhere, changes nothing of ours. */
static void test_places(void)
{
    static gba_guss g;
    CU_ASSERT_EQUAL_FATAL(gba_guss_parse(gba_str("<guss xmlns:o=\"urn:o\" o:id=\"x@y\" id=\"a@b\"><Extension><keyChoice>UICC-based-key"
                                                 "</keyChoice></Extension><ussList><uss o:type=\"9\" o:id=\"9\" id=\"4\" type=\"5\" "
                                                 "o:nafGroup=\"B\"><Extension><keyChoice>ME-based-key</keyChoice></Extension>"
                                                 "</uss><uss id=\"1\" type=\"1\" xmlns:nafGroup=\"A\"><uids><uid>al<!-- bob -->"
                                                 "i<![CDATA[c]]>e</uid></uids></uss></ussList>"
                                                 "<Extension><keyChoice>ME-based-key</keyChoice></Extension></guss>"),
                                         &g), GBA_OK);
    CU_ASSERT_STRING_EQUAL(g.id, "a@b");
    CU_ASSERT_EQUAL_FATAL(g.n_uss, 2);
    CU_ASSERT_EQUAL(g.uss[0].gsid, 4);
    CU_ASSERT_EQUAL(g.uss[0].type, 5);
    CU_ASSERT_STRING_EQUAL(g.uss[0].naf_group, "");
    CU_ASSERT_EQUAL(g.uss[0].key_choice, GBA_KEY_ME);
    CU_ASSERT_EQUAL(g.uss[1].key_choice, 0);
    CU_ASSERT_STRING_EQUAL(g.uss[1].naf_group, "");
    CU_ASSERT_STRING_EQUAL(g.uss[1].ids[0], "alice");
}

static void test_refusals(void)
{
    static gba_guss g;
    static const char *const bad[] = {
        "", "x", "<guss>", "<other/>", "<guss><ussList><uss type=\"1\"/></ussList></guss>",
        "<guss><ussList><uss id=\"1\"/></ussList></guss>", "<guss><ussList><uss id=\"-1\" type=\"1\"/></ussList></guss>",
        "<guss><ussList><uss id=\"4294967296\" type=\"1\"/></ussList></guss>", "<guss><ussList/><ussList/></guss>",
        "<guss><bsfInfo/><bsfInfo/></guss>", "<guss><bsfInfo><uiccType>SIM</uiccType></bsfInfo></guss>",
        "<guss><bsfInfo><lifeTime>1h</lifeTime></bsfInfo></guss>",
        "<!DOCTYPE guss [<!ENTITY a \"b\">]><guss id=\"&a;\"/>", "<guss id=\"a&#34;b\"/>", "<guss/><guss/>",
        "<guss><Extension><timestamp>yesterday</timestamp></Extension></guss>",
        "<ussList><uss id=\"1\" type=\"1\"><keyChoice>mine</keyChoice></uss></ussList>",
        "<ussList><uss id=\"1\" type=\"1\"><flags><flag>one</flag></flags></uss></ussList>",
        "<ussList><uss id=\"1\" type=\"1\"><uids><uid></uid></uids></uss></ussList>",
        /* an element in a simple value: whose words would count? */
        "<ussList><uss id=\"1\" type=\"1\"><uids><uid>alice<x/>bob</uid></uids></uss></ussList>",
        "<ussList><uss id=\"1\" type=\"1\"><uids><uid>alice<uid/></uid></uids></uss></ussList>",
        "<ussList><uss id=\"1\" type=\"1\"><flags><flag>1<!-- 2 --><x>3</x></flag></flags></uss></ussList>",
        "<guss><bsfInfo><lifeTime><x/>86400</lifeTime></bsfInfo></guss>",
        /* what may stand once, twice: the last one must not win, nor the first */
        "<guss><bsfInfo><lifeTime>5</lifeTime><lifeTime>86400</lifeTime></bsfInfo></guss>",
        "<guss><bsfInfo><uiccType>GBA_U</uiccType><uiccType>GBA</uiccType></bsfInfo></guss>",
        "<guss><Extension><timestamp>2008-09-10T11:12:13Z</timestamp></Extension><timestamp>2009-09-10T11:12:13Z</timestamp></guss>",
        "<ussList><uss id=\"1\" type=\"1\"><keyChoice>UICC-based-key</keyChoice><keyChoice>ME-based-key</keyChoice></uss></ussList>",
        /* a declaration, or an attribute of another namespace, is not our attribute */
        "<ussList><uss xmlns:id=\"7\" type=\"1\"/></ussList>",
        "<ussList xmlns:o=\"urn:o\"><uss o:id=\"7\" type=\"1\"/></ussList>",
        "<ussList><uss xml:id=\"7\" type=\"1\"/></ussList>",
        "<ussList><uss o:id=\"7\" type=\"1\"/></ussList>", "<g:guss/>", "<guss g:a=\"1\"/>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gba_guss_parse(gba_str(bad[i]), &g) != GBA_E_SYNTAX) {
            fprintf(stderr, "not refused: %s\n", bad[i]);
            CU_FAIL("not refused");
        }
    /* nothing is cut off silently */
    char big[8192] = "<ussList>";
    for (int i = 0; i <= GBA_USS_MAX; i++)
        strcat(big, "<uss id=\"1\" type=\"1\"/>");
    strcat(big, "</ussList>");
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str(big), &g), GBA_E_RANGE);
    strcpy(big, "<ussList><uss id=\"1\" type=\"1\"><uids>");
    for (int i = 0; i <= GBA_USS_IDS; i++)
        strcat(big, "<uid>a</uid>");
    strcat(big, "</uids></uss></ussList>");
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str(big), &g), GBA_E_RANGE);
    strcpy(big, "<ussList><uss id=\"1\" type=\"1\"><flags>");
    for (int i = 0; i <= GBA_USS_FLAGS; i++)
        strcat(big, "<flag>1</flag>");
    strcat(big, "</flags></uss></ussList>");
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str(big), &g), GBA_E_RANGE);
    for (int n = 300; n <= 600; n += 300) {
        snprintf(big, sizeof big, "<guss><bsfInfo><securityFeatures>%0*d</securityFeatures></bsfInfo></guss>", n, 0);
        CU_ASSERT_EQUAL(gba_guss_parse(gba_str(big), &g), GBA_E_RANGE);
    }
    strcpy(big, "");
    for (int i = 0; i < 40; i++)
        strcat(big, "<guss>");
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str(big), &g), GBA_E_RANGE);
    char *huge = calloc(1, GBA_GUSS_XML_MAX + 2);
    memset(huge, ' ', GBA_GUSS_XML_MAX + 1);
    CU_ASSERT_EQUAL(gba_guss_parse(gba_str(huge), &g), GBA_E_RANGE);
    free(huge);
}

static void test_round_trip(void)
{
    static gba_guss a, b;
    char xml[8192];
    size_t n = sizeof xml;
    CU_ASSERT_EQUAL_FATAL(gba_guss_parse(gba_str(r9), &a), GBA_OK);
    snprintf(a.security_features, sizeof a.security_features, "GPL_U<&>");
    CU_ASSERT_EQUAL_FATAL(gba_guss_print(&a, xml, &n), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(xml, "xmlns=\"urn:3gpp:gba:GBAGUSSSchema-R9:2010-02\""));
    CU_ASSERT_EQUAL_FATAL(gba_guss_parse(gba_mem(xml, n), &b), GBA_OK);
    CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
    for (size_t room = 0; room < n; room++) {
        size_t small = room;
        CU_ASSERT_EQUAL(gba_guss_print(&a, xml, &small), GBA_E_SPACE);
    }
    n = sizeof xml;
    CU_ASSERT_EQUAL_FATAL(gba_usslist_print(a.uss, a.n_uss, xml, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_guss_parse(gba_mem(xml, n), &b), GBA_OK);
    CU_ASSERT_EQUAL(b.n_uss, 2);
    CU_ASSERT_EQUAL(memcmp(a.uss, b.uss, sizeof a.uss), 0);
}

static void test_select(void)
{
    static gba_guss g;
    static gba_uss out[GBA_USS_MAX];
    CU_ASSERT_EQUAL_FATAL(gba_guss_parse(gba_str(r9), &g), GBA_OK);
    CU_ASSERT_EQUAL(gba_guss_select(&g, NULL, 0, "A", out), 0); /* nothing asked, nothing told */
    CU_ASSERT_EQUAL(gba_guss_select(&g, (const uint32_t[]){1, 1000001}, 2, "A", out), 2);
    CU_ASSERT_EQUAL(gba_guss_select(&g, (const uint32_t[]){1, 1000001}, 2, "B", out), 1);
    CU_ASSERT_EQUAL(out[0].gsid, 1000001);
    CU_ASSERT_EQUAL(gba_guss_select(&g, (const uint32_t[]){1}, 1, NULL, out), 0);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("guss", NULL, NULL);
    CU_add_test(s, "a Rel-9 document", test_read);
    CU_add_test(s, "other namespaces and orders", test_tolerance);
    CU_add_test(s, "places and namespaces", test_places);
    CU_add_test(s, "refusals", test_refusals);
    CU_add_test(s, "round trip", test_round_trip);
    CU_add_test(s, "selection for a NAF", test_select);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
