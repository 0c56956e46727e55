/* SPDX-License-Identifier: Apache-2.0 */
/* ids.c - the names of TS 33.220 and TS 23.003: NFKC, IMPI, FQDN, B-TID, TMPI, Ua id, NAF_Id.
 * The only file of libgba that includes libunistring. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>
#include <gba/gba.h>

#define NETWORK_DOMAIN "3gppnetwork.org"

/* ---- NFKC (TS 33.220 B.2.1.2) ---- */

#define NFKC_INPUT_MAX 4096 /* no name of ours is a tenth of that; bounds the work of a hostile one */

static bool has_control(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            return true;
        /* C1: U+0080..U+009F */
        if (p[i] == 0xc2 && i + 1 < n && p[i + 1] < 0xa0)
            return true;
    }
    return false;
}

static bool is_ascii(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] > 0x7f)
            return false;
    return true;
}

static gba_err put_text(const uint8_t *p, size_t len, char *out, size_t *n)
{
    if (len > *n)
        return GBA_E_SPACE;
    if (len)
        memcpy(out, p, len);
    if (len < *n)
        out[len] = '\0';
    *n = len;
    return GBA_OK;
}

gba_err gba_nfkc(gba_span utf8, char *out, size_t *n)
{
    if (utf8.n > NFKC_INPUT_MAX)
        return GBA_E_RANGE;
    if (has_control(utf8.p, utf8.n))
        return GBA_E_SYNTAX;
    if (is_ascii(utf8.p, utf8.n))
        return put_text(utf8.p, utf8.n, out, n);
    if (u8_check(utf8.p, utf8.n))
        return GBA_E_SYNTAX;
    uint8_t room[512];
    size_t len = sizeof room;
    uint8_t *norm = u8_normalize(UNINORM_NFKC, utf8.p, utf8.n, room, &len);
    if (!norm)
        return errno == ENOMEM ? GBA_E_NOMEM : GBA_E_SYNTAX;
    gba_err e = put_text(norm, len, out, n);
    if (norm != room)
        free(norm);
    return e;
}

/* ---- names with an '@' ---- */

/* Where the last '@' is; n when there is none. */
static size_t last_at(gba_span s)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '@')
            return i - 1;
    return s.n;
}

static gba_span span_from(gba_span s, size_t at)
{
    return gba_mem(s.p + at, s.n - at);
}

/* ---- IMPI (TS 23.003 13.3) ---- */

/* Blanks of any script and the quote would break the Digest header or hide a name in a log. */
static bool impi_character(ucs4_t c)
{
    return c != '"' && !uc_is_property_white_space(c);
}

static gba_err impi_check(gba_span s)
{
    size_t ats = 0;
    for (size_t i = 0; i < s.n;) {
        ucs4_t c;
        int len = u8_mbtouc(&c, s.p + i, s.n - i);
        if (!impi_character(c))
            return GBA_E_SYNTAX;
        ats += c == '@';
        i += (size_t)len;
    }
    if (ats != 1 || s.p[0] == '@' || s.p[s.n - 1] == '@')
        return GBA_E_SYNTAX;
    return GBA_OK;
}

gba_err gba_impi_parse(gba_span text, gba_impi *out)
{
    gba_impi made = {{0}};
    size_t n = GBA_ID_MAX;
    /* normalise first: a full-width '@' or quote becomes the plain one */
    gba_err e = gba_nfkc(text, made.s, &n);
    if (e == GBA_E_SPACE)
        return GBA_E_RANGE;
    if (!e)
        e = impi_check(gba_mem(made.s, n));
    if (!e)
        *out = made;
    return e;
}

/* An IMSI split as MCC, MNC in three digits, and checked (TS 23.003 2.2). */
struct imsi_parts {
    char mcc[4], mnc[4];
};

static gba_err imsi_split(const char *imsi, int mnc_digits, struct imsi_parts *out)
{
    if (!imsi || (mnc_digits != 2 && mnc_digits != 3))
        return GBA_E_ARG;
    size_t n = strlen(imsi);
    if (n == 0 || strspn(imsi, "0123456789") != n)
        return GBA_E_SYNTAX;
    if (n > 15 || n < 3 + (size_t)mnc_digits + 1)
        return GBA_E_RANGE;
    snprintf(out->mcc, sizeof out->mcc, "%.3s", imsi);
    /* TS 23.003 13.2: a two-digit MNC gets a leading zero */
    snprintf(out->mnc, sizeof out->mnc, "%s%.*s", mnc_digits == 2 ? "0" : "", mnc_digits, imsi + 3);
    return GBA_OK;
}

gba_err gba_impi_from_imsi(const char *imsi, int mnc_digits, gba_impi *out)
{
    struct imsi_parts p;
    gba_err e = imsi_split(imsi, mnc_digits, &p);
    if (e)
        return e;
    snprintf(out->s, sizeof out->s, "%s@ims.mnc%s.mcc%s." NETWORK_DOMAIN, imsi, p.mnc, p.mcc);
    return GBA_OK;
}

/* ---- FQDN ---- */

static bool fqdn_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

gba_err gba_fqdn_parse(gba_span text, gba_fqdn *out)
{
    gba_fqdn made = {{0}};
    size_t n = text.n, label = 0;
    if (n && text.p[n - 1] == '.')
        n--;
    if (n == 0)
        return GBA_E_SYNTAX;
    if (n > sizeof made.s - 1)
        return GBA_E_RANGE;
    for (size_t i = 0; i < n; i++) {
        char c = (char)text.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        bool at_edge = label == 0 || i + 1 == n || text.p[i + 1] == '.';
        if (c == '.' ? label == 0 : !fqdn_character(c) || (c == '-' && at_edge))
            return GBA_E_SYNTAX;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return GBA_E_RANGE;
        made.s[i] = c;
    }
    /* the dropped dot was not alone: "a.." */
    if (made.s[n - 1] == '.')
        return GBA_E_SYNTAX;
    *out = made;
    return GBA_OK;
}

gba_err gba_bsf_from_impi(const gba_impi *impi, gba_fqdn *out)
{
    gba_span s = gba_str(impi->s);
    size_t at = last_at(s);
    gba_fqdn realm;
    if (at == s.n)
        return GBA_E_SYNTAX;
    gba_err e = gba_fqdn_parse(span_from(s, at + 1), &realm);
    if (e)
        return e;
    char name[sizeof realm.s + sizeof "bsf..pub"];
    static const char net[] = "." NETWORK_DOMAIN, pub[] = ".pub." NETWORK_DOMAIN;
    size_t n = strlen(realm.s);
    bool is_net = n > sizeof net - 1 && !strcmp(realm.s + n - (sizeof net - 1), net);
    bool is_pub = n > sizeof pub - 1 && !strcmp(realm.s + n - (sizeof pub - 1), pub);
    if (is_net && !is_pub)
        snprintf(name, sizeof name, "bsf.%.*s%s", (int)(n - (sizeof net - 1)), realm.s, pub);
    else
        snprintf(name, sizeof name, "bsf.%s", realm.s);
    return gba_fqdn_parse(gba_str(name), out);
}

gba_err gba_bsf_from_imsi(const char *imsi, int mnc_digits, gba_fqdn *out)
{
    struct imsi_parts p;
    gba_err e = imsi_split(imsi, mnc_digits, &p);
    if (e)
        return e;
    snprintf(out->s, sizeof out->s, "bsf.mnc%s.mcc%s.pub." NETWORK_DOMAIN, p.mnc, p.mcc);
    return GBA_OK;
}

/* ---- B-TID (TS 33.220 4.5.2) and TMPI (B.4) ---- */

gba_err gba_btid_parse(gba_span text, gba_btid *out)
{
    gba_fqdn domain;
    if (text.n > GBA_ID_MAX)
        return GBA_E_RANGE;
    size_t at = last_at(text);
    if (at == text.n || at == 0)
        return GBA_E_SYNTAX;
    /* it travels inside a quoted string and a URI: visible ASCII, no quote, no escape */
    for (size_t i = 0; i < at; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '"' || text.p[i] == '\\')
            return GBA_E_SYNTAX;
    gba_err e = gba_fqdn_parse(span_from(text, at + 1), &domain);
    if (e)
        return e;
    memcpy(out->s, text.p, text.n);
    memset(out->s + text.n, 0, sizeof out->s - text.n);
    return GBA_OK;
}

gba_err gba_btid_make(const uint8_t rand[16], const gba_fqdn *bsf, gba_btid *out)
{
    char b64[GBA_B64_LEN(16) + 1], text[sizeof b64 + 1 + sizeof bsf->s];
    gba_b64_encode(rand, 16, b64);
    snprintf(text, sizeof text, "%s@%s", b64, bsf->s);
    return gba_btid_parse(gba_str(text), out);
}

gba_err gba_btid_domain(const gba_btid *b, gba_fqdn *out)
{
    gba_span s = gba_str(b->s);
    size_t at = last_at(s);
    return at == s.n ? GBA_E_SYNTAX : gba_fqdn_parse(span_from(s, at + 1), out);
}

bool gba_is_tmpi(gba_span username)
{
    size_t at = last_at(username);
    return at > 0 && at < username.n && gba_span_ieq(span_from(username, at + 1), gba_str(GBA_TMPI_DOMAIN));
}

/* ---- Ua security protocol identifier (TS 33.220 Annex H) ---- */

static gba_ua_id ua_3gpp(uint8_t third, uint8_t fourth, uint8_t fifth)
{
    return (gba_ua_id){{0x01, 0x00, third, fourth, fifth}};
}

static gba_ua_id ua_tls_suite(uint16_t suite)
{
    return ua_3gpp(0x01, (uint8_t)(suite >> 8), (uint8_t)suite);
}

gba_ua_id gba_ua_id_digest(gba_transport t, uint16_t suite)
{
    return t == GBA_PLAIN ? ua_3gpp(0x00, 0x00, 0x02) : ua_tls_suite(suite);
}

gba_ua_id gba_ua_id_psk(gba_transport t, uint16_t suite)
{
    return t == GBA_TLS13 ? ua_3gpp(0x00, 0x00, 0x07) : ua_tls_suite(suite);
}

gba_err gba_ua_id_parse(gba_span hex10, gba_ua_id *out)
{
    gba_ua_id made = {{0}};
    size_t n = sizeof made.o;
    if (hex10.n != 2 * sizeof made.o)
        return GBA_E_SYNTAX;
    gba_err e = gba_hex_decode(hex10, made.o, &n);
    if (!e)
        *out = made;
    return e;
}

/* ---- NAF_Id (TS 33.220 4.5.3) ---- */

gba_err gba_naf_id_octets(const gba_naf_id *id, uint8_t *out, size_t *n)
{
    size_t len = strnlen(id->fqdn.s, sizeof id->fqdn.s);
    if (len == 0 || len == sizeof id->fqdn.s)
        return GBA_E_ARG;
    if (len + sizeof id->ua.o > *n)
        return GBA_E_SPACE;
    memcpy(out, id->fqdn.s, len);
    memcpy(out + len, id->ua.o, sizeof id->ua.o);
    *n = len + sizeof id->ua.o;
    return GBA_OK;
}

gba_err gba_naf_id_parse(gba_span octets, gba_naf_id *out)
{
    gba_naf_id made;
    if (octets.n <= sizeof made.ua.o)
        return GBA_E_SYNTAX;
    size_t len = octets.n - sizeof made.ua.o;
    gba_err e = gba_fqdn_parse(gba_mem(octets.p, len), &made.fqdn);
    if (e)
        return e;
    memcpy(made.ua.o, octets.p + len, sizeof made.ua.o);
    *out = made;
    return GBA_OK;
}
