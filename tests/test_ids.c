/* SPDX-License-Identifier: Apache-2.0 */
/* test_ids.c - NFKC, IMPI, FQDN, BSF names, B-TID, TMPI, Ua ids, NAF_Id. */
#include <string.h>
#include "t_main.h"

static char x300[301];

static const char *long_text(void)
{
    memset(x300, 'x', 300);
    return x300;
}

static void nfkc(void)
{
    char out[64];
    size_t n = sizeof out;
    CU_ASSERT_EQUAL(gba_nfkc(gba_str("use\xcc\x81r"), out, &n), GBA_OK); /* combining acute */
    CU_ASSERT_STRING_EQUAL(out, "us\xc3\xa9r");
    CU_ASSERT_EQUAL(n, 5);
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_nfkc(gba_str("\xef\xbd\x95\xef\xbc\xa0"), out, &n), GBA_OK); /* full width u@ */
    CU_ASSERT_STRING_EQUAL(out, "u@");
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_nfkc(gba_str("plain"), out, &n), GBA_OK);
    CU_ASSERT_STRING_EQUAL(out, "plain");
    n = 5; /* no room for NUL: still right */
    out[5] = '!';
    CU_ASSERT_EQUAL(gba_nfkc(gba_str("plain"), out, &n), GBA_OK);
    CU_ASSERT(n == 5 && out[5] == '!');
    n = 4;
    CU_ASSERT_EQUAL(gba_nfkc(gba_str("plain"), out, &n), GBA_E_SPACE);
    n = 2;
    CU_ASSERT_EQUAL(gba_nfkc(gba_str("\xc3\xa9\xc3\xa9"), out, &n), GBA_E_SPACE);
    n = 0;
    CU_ASSERT_EQUAL(gba_nfkc(gba_str(""), out, &n), GBA_OK);
    /* grows out of the small room: U+FDFA becomes 33 octets */
    char many[3 * 40 + 1] = "", grown[40 * 33 + 1];
    for (int i = 0; i < 40; i++)
        memcpy(many + 3 * i, "\xef\xb7\xba", 3);
    n = sizeof grown;
    CU_ASSERT_EQUAL(gba_nfkc(gba_mem(many, 120), grown, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 40 * 33);
}

static void nfkc_refuses(void)
{
    static const char *const bad[] = {
        "a\x01", "\n",       "a\x7f",        "\xc2\x80", "\xc2\x9f",     "\x80",
        "\xc3",  "\xc0\xaf", "\xed\xa0\x80", "\xff",     "\xe2\x82\x28", "\xf4\x90\x80\x80",
    };
    char out[64], longer[4097];
    size_t n;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        n = sizeof out;
        CU_ASSERT_EQUAL(gba_nfkc(gba_str(bad[i]), out, &n), GBA_E_SYNTAX);
    }
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_nfkc(gba_mem("a\0b", 3), out, &n), GBA_E_SYNTAX);
    memset(longer, 'a', sizeof longer);
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_nfkc(GBA_SPAN(longer), out, &n), GBA_E_RANGE);
}

static void impi(void)
{
    gba_impi i;
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("user1_private@home1.net"), &i), GBA_OK);
    CU_ASSERT_STRING_EQUAL(i.s, "user1_private@home1.net");
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("use\xcc\x81r@home1.net"), &i), GBA_OK);
    CU_ASSERT_STRING_EQUAL(i.s, "us\xc3\xa9r@home1.net");
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("a@b"), &i), GBA_OK);
    /* full-width '@' is one */
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("a\xef\xbc\xa0"
                                           "b"),
                                   &i),
                    GBA_OK);
    CU_ASSERT_STRING_EQUAL(i.s, "a@b");
    /* case is kept */
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("User@Home1.net"), &i), GBA_OK);
    CU_ASSERT_STRING_EQUAL(i.s, "User@Home1.net");
}

static void impi_refuses(void)
{
    static const char *const bad[] = {
        "",
        "user",
        "@",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        " a@b",
        "a@b ",
        "a\"@b",
        "a\t@b",
        "a\r\n@b",
        "a\x7f@b",
        "a\xc2\x85@b",     /* C1 */
        "a\xff@b",         /* no UTF-8 */
        "a\xef\xbc\x82@b", /* full-width quote */
        "a\xe3\x80\x80@b", /* ideographic space */
        "a\xc2\xa0@b",     /* no-break space */
        "a\xe2\x80\xa8@b", /* line separator */
        "a\xe1\x9a\x80@b", /* ogham space */
        "a@b\xef\xbc\xa0"
        "c", /* a second '@' after NFKC */
    };
    gba_impi i = {"kept"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        if (gba_impi_parse(gba_str(bad[k]), &i) != GBA_E_SYNTAX)
            CU_FAIL("taken although malformed");
    CU_ASSERT_EQUAL(gba_impi_parse(gba_mem("a\0@b", 4), &i), GBA_E_SYNTAX);
    CU_ASSERT_STRING_EQUAL(i.s, "kept");
    char edge[258];
    memcpy(edge, long_text(), 258);
    edge[1] = '@';
    CU_ASSERT_EQUAL(gba_impi_parse(gba_mem(edge, 255), &i), GBA_OK);
    CU_ASSERT_EQUAL(strlen(i.s), 255);
    CU_ASSERT_EQUAL(gba_impi_parse(gba_mem(edge, 256), &i), GBA_E_RANGE);
    /* short as given, too long in NFKC */
    char grows[1 + 1 + 3 * 8];
    memcpy(grows, "a@", 2);
    for (int k = 0; k < 8; k++)
        memcpy(grows + 2 + 3 * k, "\xef\xb7\xba", 3);
    CU_ASSERT_NOT_EQUAL(gba_impi_parse(GBA_SPAN(grows), &i), GBA_OK);
}

static void from_imsi(void)
{
    gba_impi i;
    gba_fqdn f;
    CU_ASSERT_EQUAL(gba_impi_from_imsi("208930000000003", 2, &i), GBA_OK);
    CU_ASSERT_STRING_EQUAL(i.s, "208930000000003@ims.mnc093.mcc208.3gppnetwork.org");
    CU_ASSERT_EQUAL(gba_impi_from_imsi("310410123456789", 3, &i), GBA_OK);
    CU_ASSERT_STRING_EQUAL(i.s, "310410123456789@ims.mnc410.mcc310.3gppnetwork.org");
    CU_ASSERT_EQUAL(gba_bsf_from_imsi("234150999999999", 2, &f), GBA_OK);
    CU_ASSERT_STRING_EQUAL(f.s, "bsf.mnc015.mcc234.pub.3gppnetwork.org");
    CU_ASSERT_EQUAL(gba_impi_from_imsi(NULL, 2, &i), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_impi_from_imsi("208930000000003", 4, &i), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_impi_from_imsi("", 2, &i), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_impi_from_imsi("20893000000000x", 2, &i), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_impi_from_imsi("2089300000000031", 2, &i), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_impi_from_imsi("20893", 2, &i), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_bsf_from_imsi("310410", 3, &f), GBA_E_RANGE);
}

static void bsf_from_impi(void)
{
    static const char *const known[][2] = {
        {"user@ims.mnc015.mcc234.3gppnetwork.org", "bsf.ims.mnc015.mcc234.pub.3gppnetwork.org"},
        {"user@ims.mnc015.mcc234.pub.3gppnetwork.org", "bsf.ims.mnc015.mcc234.pub.3gppnetwork.org"},
        {"user1_private@home1.net", "bsf.home1.net"},
        {"user@Home1.NET", "bsf.home1.net"},
        {"user@3gppnetwork.org", "bsf.3gppnetwork.org"},
        {"user@x3gppnetwork.org", "bsf.x3gppnetwork.org"},
    };
    gba_impi i;
    gba_fqdn f;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        CU_ASSERT_EQUAL(gba_impi_parse(gba_str(known[k][0]), &i), GBA_OK);
        CU_ASSERT_EQUAL(gba_bsf_from_impi(&i, &f), GBA_OK);
        CU_ASSERT_STRING_EQUAL(f.s, known[k][1]);
    }
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str("user@h\xc3\xb6me"), &i), GBA_OK);
    CU_ASSERT_EQUAL(gba_bsf_from_impi(&i, &f), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_bsf_from_impi(&(gba_impi){"user"}, &f), GBA_E_SYNTAX);
}

static void fqdn(void)
{
    gba_fqdn f;
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("NAF1.Home1.net."), &f), GBA_OK);
    CU_ASSERT_STRING_EQUAL(f.s, "naf1.home1.net");
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("localhost"), &f), GBA_OK);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("_srv.x-y.z0"), &f), GBA_OK);
    static const char *const bad[] = {
        "",    ".",    "..",   "a..",  ".a",   "a..b",      "a b", "a:80",  "a/b",
        "a@b", "-a.b", "a-.b", "a.b-", "a.-b", "h\xc3\xb6", "a*b", "[::1]", "a\n",
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        if (gba_fqdn_parse(gba_str(bad[k]), &f) != GBA_E_SYNTAX)
            CU_FAIL("taken although malformed");
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_mem("a\0b", 3), &f), GBA_E_SYNTAX);
    char name[256];
    memcpy(name, long_text(), 256);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_mem(name, 63), &f), GBA_OK);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_mem(name, 64), &f), GBA_E_RANGE);
    name[63] = name[127] = name[191] = '.';
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_mem(name, 253), &f), GBA_OK);
    CU_ASSERT_EQUAL(strlen(f.s), 253);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_mem(name, 254), &f), GBA_E_RANGE);
    name[253] = '.';
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_mem(name, 254), &f), GBA_OK);
}

static void btid(void)
{
    gba_btid b;
    gba_fqdn f;
    uint8_t rand[16];
    t_hex_into("15866ee09efe617df08344980861c29e", rand, 16);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("bsf.home1.net"), &f), GBA_OK);
    CU_ASSERT_EQUAL(gba_btid_make(rand, &f, &b), GBA_OK);
    CU_ASSERT_STRING_EQUAL(b.s, "FYZu4J7+YX3wg0SYCGHCng==@bsf.home1.net");
    CU_ASSERT_EQUAL(gba_btid_domain(&b, &f), GBA_OK);
    CU_ASSERT_STRING_EQUAL(f.s, "bsf.home1.net");
    /* opaque: two '@', not base64, kept as it is; the domain is behind the last */
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str("any@thing@BSF.x"), &b), GBA_OK);
    CU_ASSERT_STRING_EQUAL(b.s, "any@thing@BSF.x");
    CU_ASSERT_EQUAL(gba_btid_domain(&b, &f), GBA_OK);
    CU_ASSERT_STRING_EQUAL(f.s, "bsf.x");
    static const char *const bad[] = {"",      "a",     "@bsf", "a@",     "a b@bsf", "a\"@bsf",
                                      "a\\@b", "a\n@b", "a@b/", "a@b:80", "\x7f@b",  "\xc3\xa9@b"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        if (gba_btid_parse(gba_str(bad[k]), &b) != GBA_E_SYNTAX)
            CU_FAIL("taken although malformed");
    char text[257];
    memcpy(text, long_text(), 257);
    memcpy(text + 100, "@bsf.", 5);
    CU_ASSERT_EQUAL(gba_btid_parse(gba_mem(text, 256), &b), GBA_E_RANGE);
    text[150] = text[200] = '.';
    CU_ASSERT_EQUAL(gba_btid_parse(gba_mem(text, 255), &b), GBA_OK);
    CU_ASSERT_EQUAL(gba_btid_domain(&(gba_btid){"nothing"}, &f), GBA_E_SYNTAX);
    /* a BSF name that leaves no room */
    memset(f.s, 0, sizeof f.s);
    for (int k = 0; k < 253; k++)
        f.s[k] = k % 50 == 49 ? '.' : 'b';
    CU_ASSERT_EQUAL(gba_btid_make(rand, &f, &b), GBA_E_RANGE);
}

static void tmpi(void)
{
    CU_ASSERT(gba_is_tmpi(gba_str("HRhGrtSl3OmG0yfzBD+uPHskdyLBIbBG@tmpi.bsf.3gppnetwork.org")));
    CU_ASSERT(gba_is_tmpi(gba_str("x@TMPI.bsf.3gppnetwork.org")));
    CU_ASSERT(!gba_is_tmpi(gba_str("@tmpi.bsf.3gppnetwork.org")));
    CU_ASSERT(!gba_is_tmpi(gba_str("tmpi.bsf.3gppnetwork.org")));
    CU_ASSERT(!gba_is_tmpi(gba_str("x@a.tmpi.bsf.3gppnetwork.org")));
    CU_ASSERT(!gba_is_tmpi(gba_str("x@tmpi.bsf.3gppnetwork.org.evil")));
    CU_ASSERT(!gba_is_tmpi(gba_str("x@")));
    CU_ASSERT(!gba_is_tmpi(gba_str("")));
}

static bool ua_is(gba_ua_id u, const char *hex)
{
    return t_is(GBA_SPAN(u.o), hex);
}

static void ua_ids(void)
{
    gba_ua_id u;
    CU_ASSERT(ua_is(gba_ua_id_digest(GBA_PLAIN, 0xc02b), "0100000002"));
    CU_ASSERT(ua_is(gba_ua_id_digest(GBA_TLS12, 0xc02b), "010001c02b"));
    CU_ASSERT(ua_is(gba_ua_id_digest(GBA_TLS13, 0x1301), "0100011301"));
    CU_ASSERT(ua_is(gba_ua_id_psk(GBA_TLS12, 0x008c), "010001008c"));
    CU_ASSERT(ua_is(gba_ua_id_psk(GBA_TLS13, 0x1301), "0100000007"));
    CU_ASSERT_EQUAL(gba_ua_id_parse(gba_str("01000000aB"), &u), GBA_OK);
    CU_ASSERT(ua_is(u, "01000000ab"));
    CU_ASSERT_EQUAL(gba_ua_id_parse(gba_str("0100000"), &u), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_ua_id_parse(gba_str("010000000200"), &u), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_ua_id_parse(gba_str("010000000x"), &u), GBA_E_SYNTAX);
}

static void naf_id(void)
{
    gba_naf_id id;
    uint8_t out[GBA_NAF_ID_MAX];
    size_t n = sizeof out;
    gba_span octets = t_hex("6e6166312e686f6d65312e6e65740100000002");
    CU_ASSERT_EQUAL(gba_naf_id_parse(octets, &id), GBA_OK);
    CU_ASSERT_STRING_EQUAL(id.fqdn.s, "naf1.home1.net");
    CU_ASSERT(ua_is(id.ua, "0100000002"));
    CU_ASSERT_EQUAL(gba_naf_id_octets(&id, out, &n), GBA_OK);
    CU_ASSERT(gba_span_eq(gba_mem(out, n), octets));
    n = octets.n - 1;
    CU_ASSERT_EQUAL(gba_naf_id_octets(&id, out, &n), GBA_E_SPACE);
    n = sizeof out;
    CU_ASSERT_EQUAL(gba_naf_id_octets(&(gba_naf_id){0}, out, &n), GBA_E_ARG);
    memset(id.fqdn.s, 'x', sizeof id.fqdn.s); /* no NUL */
    CU_ASSERT_EQUAL(gba_naf_id_octets(&id, out, &n), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_naf_id_parse(t_hex("0100000002"), &id), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_naf_id_parse(t_hex("200100000002"), &id), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_naf_id_parse(t_hex("00"), &id), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_naf_id_parse(gba_str(NULL), &id), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(gba_naf_id_parse(gba_mem(long_text(), 300), &id), GBA_E_RANGE);
}

T_MAIN("ids", {"NFKC", nfkc}, {"NFKC refuses", nfkc_refuses}, {"IMPI", impi}, {"IMPI refuses", impi_refuses},
       {"from an IMSI", from_imsi}, {"BSF from an IMPI", bsf_from_impi}, {"FQDN", fqdn}, {"B-TID", btid},
       {"TMPI", tmpi}, {"Ua ids", ua_ids}, {"NAF_Id", naf_id})
