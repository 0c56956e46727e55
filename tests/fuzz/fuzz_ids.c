/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_ids.c - the text codings and names of gba.h; the first octet chooses the parser. What a
 * parser takes must print, and parse again as the same thing. */
#include <stdlib.h>
#include <string.h>

#include <gba/gba.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void impi(gba_span in)
{
    gba_impi a, b;
    gba_fqdn bsf;
    if (gba_impi_parse(in, &a) != GBA_OK)
        return;
    must(strlen(a.s) <= GBA_ID_MAX && strchr(a.s, '@') && !strchr(a.s, '"'));
    must(gba_impi_parse(gba_str(a.s), &b) == GBA_OK && !strcmp(a.s, b.s)); /* NFKC twice is NFKC */
    if (gba_bsf_from_impi(&a, &bsf) == GBA_OK)
        must(!strncmp(bsf.s, "bsf.", 4));
}

static void fqdn(gba_span in)
{
    gba_fqdn a, b;
    if (gba_fqdn_parse(in, &a) != GBA_OK)
        return;
    size_t n = strlen(a.s);
    must(n > 0 && (n == in.n || n + 1 == in.n) && gba_span_ieq(gba_str(a.s), gba_mem(in.p, n)));
    must(gba_fqdn_parse(gba_str(a.s), &b) == GBA_OK && !strcmp(a.s, b.s));
}

static void btid(gba_span in)
{
    gba_btid b;
    gba_fqdn domain;
    if (gba_btid_parse(in, &b) != GBA_OK)
        return;
    must(gba_span_eq(gba_str(b.s), in)); /* opaque */
    must(gba_btid_domain(&b, &domain) == GBA_OK);
    (void)gba_is_tmpi(in);
}

static void naf_id(gba_span in)
{
    gba_naf_id a, b;
    uint8_t out[GBA_NAF_ID_MAX];
    size_t n = sizeof out;
    if (gba_naf_id_parse(in, &a) != GBA_OK)
        return;
    must(gba_naf_id_octets(&a, out, &n) == GBA_OK && n <= in.n);
    must(gba_naf_id_parse(gba_mem(out, n), &b) == GBA_OK && !strcmp(a.fqdn.s, b.fqdn.s));
    must(!memcmp(a.ua.o, b.ua.o, sizeof a.ua.o) && !memcmp(a.ua.o, in.p + in.n - 5, 5));
}

#define TEXT_MAX 4096

static void hex(gba_span in)
{
    uint8_t out[TEXT_MAX / 2];
    char text[TEXT_MAX + 1];
    gba_ua_id ua;
    size_t n = sizeof out;
    if (in.n <= TEXT_MAX && gba_hex_decode(in, out, &n) == GBA_OK) {
        gba_hex_encode(out, n, text);
        must(gba_span_ieq(gba_str(text), in));
    }
    must((gba_ua_id_parse(in, &ua) == GBA_OK) == (in.n == 10 && n == 5));
}

static void base64(gba_span in)
{
    uint8_t out[TEXT_MAX];
    char text[GBA_B64_LEN(sizeof out) + 1];
    size_t n = sizeof out;
    if (gba_b64_decode(in, out, &n) != GBA_OK)
        return;
    gba_b64_encode(out, n, text);
    must(gba_span_eq(gba_str(text), in)); /* one spelling each */
}

static void time_text(gba_span in)
{
    char text[GBA_TIME_TEXT];
    int64_t a, b;
    if (gba_time_parse(in, &a) != GBA_OK)
        return;
    must(gba_time_print(a, text) == GBA_OK && !memcmp(text, in.p, 19));
    must(gba_time_parse(gba_str(text), &b) == GBA_OK && a == b);
}

static void nfkc(gba_span in)
{
    char a[TEXT_MAX], b[TEXT_MAX];
    size_t n = sizeof a, m = sizeof b;
    if (gba_nfkc(in, a, &n) != GBA_OK)
        return;
    must(gba_nfkc(gba_mem(a, n), b, &m) == GBA_OK && gba_span_eq(gba_mem(a, n), gba_mem(b, m)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parser[])(gba_span) = {impi, fqdn, btid, naf_id, hex, base64, time_text, nfkc};
    if (size > 0)
        parser[data[0] % (sizeof parser / sizeof *parser)](gba_mem(data + 1, size - 1));
    return 0;
}
