/* SPDX-License-Identifier: Apache-2.0 */
/* test_bootinfo.c - the bsf+xml document (TS 24.109 Annex C), both ways, and what is refused. */
#include <stdio.h>
#include <string.h>

#include "libgba/bootinfo.h"
#include "t_main.h"

#define ERR(expr, want) CU_ASSERT_EQUAL((expr), (want))
#define OPEN "<BootstrappingInfo xmlns=\"uri:3gpp-gba\">"
#define CLOSE "</BootstrappingInfo>"
#define BTID "<btid>I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net</btid>"
#define LIFETIME "<lifetime>2026-12-24T12:00:00Z</lifetime>"
#define CURRENT "<currenttime>2026-11-24T12:00:00Z</currenttime>"
#define UNIX_LIFETIME 1798113600 /* date -u -d 2026-12-24T12:00:00Z +%s */
#define UNIX_CURRENT 1795521600

static gba_bootinfo got;
static char text[GBA_BOOTINFO_MAX + 64];

static gba_err parse(const char *xml)
{
    return gba_bootinfo_parse(gba_str(xml), &got);
}

static void check(const char *xml, int64_t currenttime)
{
    gba_err e = parse(xml);
    if (e)
        fprintf(stderr, "%s: %s\n", gba_err_text(e), xml);
    ERR(e, GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.btid.s, "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net");
    CU_ASSERT_EQUAL(got.lifetime, UNIX_LIFETIME);
    CU_ASSERT_EQUAL(got.currenttime, currenttime);
}

static void test_accepted(void)
{
    check(OPEN BTID LIFETIME CLOSE, 0);
    check("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" OPEN LIFETIME "\n" BTID CLOSE "\n", 0);
    check("\xef\xbb\xbf" OPEN BTID LIFETIME CLOSE, 0);
    check(OPEN BTID LIFETIME "<Extension>" CURRENT "</Extension>" CLOSE, UNIX_CURRENT);
    check("<BootstrappingInfo>" BTID LIFETIME CLOSE, 0); /* no namespace */
    check("<BootstrappingInfo xmlns=\"urn:other\">" BTID LIFETIME CLOSE, 0);
    check("<g:BootstrappingInfo xmlns:g=\"uri:3gpp-gba\" g:x=\"1\"><g:btid y='2'> "
          "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net\n"
          "</g:btid><g:lifetime>2026-12-24T12:00:00.999+00:00</g:lifetime><g:Extension/></g:BootstrappingInfo>",
          0);
    /* unknown elements, known names in other places, comments, CDATA, character references */
    check(OPEN "<more><btid>x</btid><a><lifetime/></a></more>" CURRENT "<!-- <btid/> --><?pi?>"
               "<btid>I1U8vpY3qJ0hiuZNrke/NQ==<![CDATA[@bsf]]>&#x2e;home1.net</btid>" LIFETIME
               "<Extension><other>" CURRENT "</other></Extension>" CLOSE,
          0);
}

static void test_syntax(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "x",
        "<",
        OPEN,
        OPEN BTID LIFETIME,
        OPEN CLOSE,
        OPEN BTID CLOSE,
        OPEN LIFETIME CLOSE,
        OPEN BTID BTID LIFETIME CLOSE,
        OPEN BTID LIFETIME LIFETIME CLOSE,
        OPEN BTID LIFETIME CLOSE "x",
        OPEN BTID LIFETIME "<Extension>" CURRENT CURRENT "</Extension>" CLOSE,
        OPEN BTID LIFETIME "<Extension>" CURRENT "</Extension><Extension>" CURRENT "</Extension>" CLOSE,
        OPEN "<btid/>" LIFETIME CLOSE,
        OPEN "<btid>no domain</btid>" LIFETIME CLOSE,
        OPEN "<btid>a<x/>@b</btid>" LIFETIME CLOSE,
        OPEN "<btid>a&x;@b</btid>" LIFETIME CLOSE,
        OPEN BTID "<lifetime/>" CLOSE,
        OPEN BTID "<lifetime>3600</lifetime>" CLOSE,
        OPEN BTID "<lifetime>2026-12-24T12:00:00</lifetime>" CLOSE,
        OPEN BTID "<lifetime>2026-12-24T12:00:00+01:00</lifetime>" CLOSE,
        OPEN BTID LIFETIME "<Extension><currenttime>now</currenttime></Extension>" CLOSE,
        "<Other>" BTID LIFETIME "</Other>",
        "<g:BootstrappingInfo>" BTID LIFETIME "</g:BootstrappingInfo>",
        "<BootstrappingInfo><BootstrappingInfo>" BTID LIFETIME CLOSE CLOSE,
        "<!DOCTYPE BootstrappingInfo>" OPEN BTID LIFETIME CLOSE,
        "<!DOCTYPE b [<!ENTITY e \"x\">]>" OPEN "<btid>&e;@b</btid>" LIFETIME CLOSE,
        "<!DOCTYPE b SYSTEM \"file:///etc/passwd\">" OPEN BTID LIFETIME CLOSE,
        "<!DOCTYPE b [<!ENTITY % p SYSTEM \"http://127.0.0.1/\"> %p;]>" OPEN BTID LIFETIME CLOSE,
        OPEN "<btid>\xff@b</btid>" LIFETIME CLOSE,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (parse(bad[i]) != GBA_E_SYNTAX)
            CU_FAIL(fprintf(stderr, "not refused: %s\n", bad[i]));
        CU_ASSERT_TRUE(got.btid.s[0] == 0 && got.lifetime == 0);
    }
    ERR(gba_bootinfo_parse(gba_mem("<BootstrappingInfo>\0</BootstrappingInfo>", 40), &got), GBA_E_SYNTAX);
}

static void test_bounds(void)
{
    char *p = text;
    p += sprintf(p, OPEN);
    for (int i = 0; i < 16; i++)
        p += sprintf(p, "<a>");
    ERR(parse(text), GBA_E_RANGE); /* too deep */
    p = text + sprintf(text, OPEN "<btid>");
    memset(p, 'a', 600);
    strcpy(p + 600, "@b</btid>" LIFETIME CLOSE);
    ERR(parse(text), GBA_E_RANGE);
    memset(p, 'a', 300);
    strcpy(p + 300, "@b</btid>" LIFETIME CLOSE);
    ERR(parse(text), GBA_E_RANGE); /* longer than a B-TID may be */
    int n = sprintf(text, OPEN BTID LIFETIME CLOSE);
    memset(text + n, ' ', sizeof text - (size_t)n);
    ERR(gba_bootinfo_parse(gba_mem(text, GBA_BOOTINFO_MAX), &got), GBA_OK);
    ERR(gba_bootinfo_parse(gba_mem(text, GBA_BOOTINFO_MAX + 1), &got), GBA_E_RANGE);
}

static void test_print(void)
{
    gba_bootinfo b = {.lifetime = UNIX_LIFETIME, .currenttime = UNIX_CURRENT}, none = {.lifetime = 1};
    size_t n = sizeof text;
    strcpy(b.btid.s, "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net");
    ERR(gba_bootinfo_print(&b, text, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, strlen(text));
    check(text, UNIX_CURRENT);
    size_t full = n;
    for (size_t room = 0; room <= full; room++) {
        n = room;
        ERR(gba_bootinfo_print(&b, text, &n), GBA_E_SPACE);
    }
    n = full + 1;
    ERR(gba_bootinfo_print(&b, text, &n), GBA_OK);
    b.currenttime = 0;
    n = sizeof text;
    ERR(gba_bootinfo_print(&b, text, &n), GBA_OK);
    CU_ASSERT_STRING_EQUAL(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" OPEN "\n  " BTID "\n  " LIFETIME
                                 "\n" CLOSE "\n");
    n = sizeof text;
    ERR(gba_bootinfo_print(&none, text, &n), GBA_E_ARG);
    b.lifetime = INT64_MAX;
    ERR(gba_bootinfo_print(&b, text, &n), GBA_E_RANGE);
    n = 1; /* the first error stays */
    ERR(gba_bootinfo_print(&b, text, &n), GBA_E_SPACE);
}

static void test_escapes(void)
{
    gba_bootinfo b = {.lifetime = UNIX_LIFETIME};
    size_t n = sizeof text;
    strcpy(b.btid.s, "a&b@bsf.home1.net");
    ERR(gba_bootinfo_print(&b, text, &n), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<btid>a&amp;b@bsf.home1.net</btid>"));
    ERR(gba_bootinfo_parse(gba_mem(text, n), &got), GBA_OK);
    CU_ASSERT_STRING_EQUAL(got.btid.s, b.btid.s);
    strcpy(b.btid.s, "<>@x");
    n = sizeof text;
    ERR(gba_bootinfo_print(&b, text, &n), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<btid>&lt;&gt;@x</btid>"));
}

T_MAIN("bootinfo", {"accepted", test_accepted}, {"refused", test_syntax}, {"bounds", test_bounds},
       {"printed", test_print}, {"escapes", test_escapes})
