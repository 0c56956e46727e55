/* SPDX-License-Identifier: Apache-2.0 */
/* test_span.c - spans, secrets, hex, base64 (RFC 4648 clause 10), time, error names. */
#include <string.h>
#include "t_main.h"

static void spans(void)
{
    CU_ASSERT(gba_str(NULL).n == 0);
    CU_ASSERT(gba_span_eq(gba_str("abc"), gba_str("abc")));
    CU_ASSERT(!gba_span_eq(gba_str("abc"), gba_str("abd")));
    CU_ASSERT(!gba_span_eq(gba_str("abc"), gba_str("ab")));
    CU_ASSERT(gba_span_eq(gba_str(NULL), gba_str("")));
    CU_ASSERT(gba_span_ieq(gba_str("AbZ@["), gba_str("aBz@[")));
    CU_ASSERT(!gba_span_ieq(gba_str("@"), gba_str("`"))); /* one bit apart, no letters */
    CU_ASSERT(!gba_span_ieq(gba_str("["), gba_str("{")));
    CU_ASSERT(!gba_span_ieq(gba_str("a"), gba_str("ab")));
}

static void secrets(void)
{
    gba_secret a = {0}, b = {0};
    uint8_t big[GBA_SECRET_MAX + 1] = {1};
    CU_ASSERT_EQUAL(gba_secret_set(&a, big, sizeof big), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_secret_set(&a, NULL, 1), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_secret_set(&a, NULL, 0), GBA_OK);
    CU_ASSERT_EQUAL(gba_secret_set(&a, "0123456789", 10), GBA_OK);
    CU_ASSERT_EQUAL(gba_secret_set(&b, "0123456789", 10), GBA_OK);
    CU_ASSERT(gba_secret_eq(&a, &b));
    CU_ASSERT_EQUAL(gba_secret_set(&a, a.o + 2, 4), GBA_OK); /* from within itself */
    CU_ASSERT(t_secret_is(&a, "32333435"));
    CU_ASSERT(a.o[4] == 0 && a.o[9] == 0); /* nothing of the longer one stays */
    CU_ASSERT(!gba_secret_eq(&a, &b));
    b.o[9] ^= 1;
    CU_ASSERT(gba_secret_span(&b).n == 10);
    gba_secret_wipe(&b);
    uint8_t sum = 0;
    for (size_t i = 0; i < sizeof b; i++)
        sum |= ((uint8_t *)&b)[i];
    CU_ASSERT(sum == 0);
    a.n = b.n = GBA_SECRET_MAX + 1; /* a broken one equals nothing */
    CU_ASSERT(!gba_secret_eq(&a, &b));
    gba_wipe(NULL, 0);
}

static void constant_time(void)
{
    uint8_t x[32] = {0}, y[32] = {0};
    CU_ASSERT(gba_equal_ct(x, y, 32));
    for (int i = 0; i < 32; i++) {
        y[i] = 0x80;
        CU_ASSERT(!gba_equal_ct(x, y, 32));
        y[i] = 0;
    }
    CU_ASSERT(gba_equal_ct(x, y, 0));
}

static void hex(void)
{
    char out[9];
    uint8_t o[4];
    size_t n = sizeof o;
    gba_hex_encode("\x00\x9a\xbf\xff", 4, out);
    CU_ASSERT_STRING_EQUAL(out, "009abfff");
    CU_ASSERT_EQUAL(gba_hex_decode(gba_str("009AbfFf"), o, &n), GBA_OK);
    CU_ASSERT(n == 4 && !memcmp(o, "\x00\x9a\xbf\xff", 4));
    n = 4;
    CU_ASSERT_EQUAL(gba_hex_decode(gba_str(""), o, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 0);
    static const char *const bad[] = {"0", "0g", "g0", "0 ", " 0", "0x", "/0", ":0", "@0", "`0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        n = 4;
        CU_ASSERT_EQUAL(gba_hex_decode(gba_str(bad[i]), o, &n), GBA_E_SYNTAX);
    }
    n = 1;
    CU_ASSERT_EQUAL(gba_hex_decode(gba_str("0011"), o, &n), GBA_E_SPACE);
}

static void base64(void)
{
    static const char *const known[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff\xbf", "+/+/"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[GBA_B64_LEN(6) + 1];
        uint8_t back[6];
        size_t n = sizeof back;
        gba_b64_encode(known[i][0], strlen(known[i][0]), text);
        CU_ASSERT_STRING_EQUAL(text, known[i][1]);
        CU_ASSERT_EQUAL(gba_b64_decode(gba_str(known[i][1]), back, &n), GBA_OK);
        CU_ASSERT(gba_span_eq(gba_mem(back, n), gba_str(known[i][0])));
    }
}

static void base64_strict(void)
{
    static const char *const bad[] = {
        "Zg",   "Zg=",    "Z===", "====",  "=",     "Zg==Zg==",     "Zm8=Zm8=", "Zm=v",    "Z=9v",
        "=m9v", "Zm9v\n", "Zm9 ", " Zm9v", "Zm9v ", "Zm 9v===",     "Zm9v====", "Zm9-",    "Zm9_",
        "Zh==", "Zn==",   "Zm9=", "Zm8==", "Zm9*",  "Zm9v\r\nZm9v", "Zg=a",     "Z\x80==", "Zm9v=",
    };
    uint8_t o[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t n = sizeof o;
        if (gba_b64_decode(gba_str(bad[i]), o, &n) != GBA_E_SYNTAX)
            CU_FAIL_FATAL("taken although malformed");
    }
    size_t n = sizeof o;
    CU_ASSERT_EQUAL(gba_b64_decode(gba_mem("Zm\0v", 4), o, &n), GBA_E_SYNTAX);
    n = 2;
    CU_ASSERT_EQUAL(gba_b64_decode(gba_str("Zm9v"), o, &n), GBA_E_SPACE);
    n = 2;
    CU_ASSERT_EQUAL(gba_b64_decode(gba_str("Zm8="), o, &n), GBA_OK);
    n = 0;
    CU_ASSERT_EQUAL(gba_b64_decode(gba_str(""), o, &n), GBA_OK);
}

/* Every tail of one and two octets: exactly one spelling of each decodes. */
static void base64_canonical(void)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned two = 0, three = 0;
    for (int i = 0; i < 64; i++) {
        char t[5] = {'Q', digit[i], '=', '=', 0}, u[5] = {'Q', 'Q', digit[i], '=', 0};
        uint8_t o[3];
        size_t n = 3, m = 3;
        two += gba_b64_decode(gba_str(t), o, &n) == GBA_OK;
        three += gba_b64_decode(gba_str(u), o, &m) == GBA_OK;
    }
    CU_ASSERT_EQUAL(two, 4);
    CU_ASSERT_EQUAL(three, 16);
}

static const struct {
    int64_t s;
    const char *text; /* numbers by date(1) */
} times[] = {
    {0, "1970-01-01T00:00:00Z"},
    {-1, "1969-12-31T23:59:59Z"},
    {951782400, "2000-02-29T00:00:00Z"},
    {951868800, "2000-03-01T00:00:00Z"},
    {1795600800, "2026-11-25T10:00:00Z"},
    {4107542400, "2100-03-01T00:00:00Z"},
    {1709164799, "2024-02-28T23:59:59Z"},
    {253402300799, "9999-12-31T23:59:59Z"},
    {-62135596800, "0001-01-01T00:00:00Z"},
    {2147483648, "2038-01-19T03:14:08Z"},
};

static void time_text(void)
{
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char out[GBA_TIME_TEXT];
        int64_t s = 42;
        CU_ASSERT_EQUAL(gba_time_print(times[i].s, out), GBA_OK);
        CU_ASSERT_STRING_EQUAL(out, times[i].text);
        CU_ASSERT_EQUAL(gba_time_parse(gba_str(times[i].text), &s), GBA_OK);
        CU_ASSERT_EQUAL(s, times[i].s);
    }
    /* every day of 800 years, there and back */
    bool same = true;
    for (int64_t d = -146097; d < 146097; d++) {
        char out[GBA_TIME_TEXT];
        int64_t s = 0;
        same = same && !gba_time_print(d * 86400 + 43199, out) && !gba_time_parse(gba_str(out), &s) &&
               s == d * 86400 + 43199;
    }
    CU_ASSERT(same);
}

static void time_limits(void)
{
    char out[GBA_TIME_TEXT];
    int64_t s = 0;
    CU_ASSERT_EQUAL(gba_time_print(INT64_MAX, out), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_time_print(INT64_MIN, out), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_time_print(253402300800, out), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_time_print(-62135596801, out), GBA_E_RANGE);
    CU_ASSERT_EQUAL(gba_time_parse(gba_str("2026-11-25T10:00:00.999Z"), &s), GBA_OK);
    CU_ASSERT_EQUAL(s, 1795600800);
    CU_ASSERT_EQUAL(gba_time_parse(gba_str("2026-11-25T10:00:00+00:00"), &s), GBA_OK);
    CU_ASSERT_EQUAL(gba_time_parse(gba_str("2026-11-25T10:00:00.5+00:00"), &s), GBA_OK);
    static const char *const malformed[] = {
        "",
        "2026-11-25",
        "2026-11-25T10:00:00",
        "2026-11-25T10:00:00z",
        "2026-11-25t10:00:00Z",
        "2026-11-25 10:00:00Z",
        "2026-11-25T10:00:00.Z",
        "2026-11-25T10:00:00.5",
        "2026-11-25T10:00:00+01:00",
        "2026-11-25T10:00:00-00:00",
        "2026-11-25T10:00:00ZZ",
        " 2026-11-25T10:00:00Z",
        "2026-1-25T10:00:000Z",
        "+026-11-25T10:00:00Z",
        "12026-11-25T10:00:00Z",
        "2026-11-25T10:00:0aZ",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        CU_ASSERT_EQUAL(gba_time_parse(gba_str(malformed[i]), &s), GBA_E_SYNTAX);
    static const char *const outside[] = {
        "0000-01-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z",
        "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-02-30T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z",
    };
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        CU_ASSERT_EQUAL(gba_time_parse(gba_str(outside[i]), &s), GBA_E_RANGE);
}

static void errors(void)
{
    for (int e = GBA_OK; e <= GBA_E_CORRUPT; e++) {
        CU_ASSERT(strlen(gba_err_text((gba_err)e)) > 0 && strlen(gba_err_name((gba_err)e)) > 0);
        for (int f = GBA_OK; f < e; f++)
            CU_ASSERT(strcmp(gba_err_name((gba_err)e), gba_err_name((gba_err)f)) != 0);
    }
    CU_ASSERT_STRING_EQUAL(gba_err_name(GBA_E_SYNC), "sync");
    CU_ASSERT_STRING_EQUAL(gba_err_name((gba_err)99), "unknown-error");
    CU_ASSERT_STRING_EQUAL(gba_err_text((gba_err)-1), "unknown error");
}

T_MAIN("span", {"spans", spans}, {"secrets", secrets}, {"constant time", constant_time}, {"hex", hex},
       {"base64 known answers", base64}, {"base64 is strict", base64_strict}, {"base64 tails", base64_canonical},
       {"time", time_text}, {"time limits", time_limits}, {"errors", errors})
