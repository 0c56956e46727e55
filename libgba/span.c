/* SPDX-License-Identifier: Apache-2.0 */
/* span.c - borrowed octets, secrets, and the text codings: hex, base64, time. */
#include <stdio.h>
#include <string.h>
#include <gba/gba.h>

/* ---- spans ---- */

gba_span gba_str(const char *s)
{
    return s ? (gba_span){(const uint8_t *)s, strlen(s)} : (gba_span){NULL, 0};
}

bool gba_span_eq(gba_span a, gba_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool gba_span_ieq(gba_span a, gba_span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (fold(a.p[i]) != fold(b.p[i]))
            return false;
    return true;
}

static uint8_t fold_field(uint8_t c)
{
    return c == '_' ? '-' : fold(c);
}

bool gba_field_named(gba_span name, gba_span field)
{
    if (name.n != field.n)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (fold_field(name.p[i]) != fold_field(field.p[i]))
            return false;
    return true;
}

/* ---- secrets ---- */

void gba_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}

bool gba_equal_ct(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < n; i++)
        diff |= x[i] ^ y[i];
    return diff == 0;
}

void gba_secret_wipe(gba_secret *s)
{
    gba_wipe(s, sizeof *s);
}

gba_err gba_secret_set(gba_secret *s, const void *p, size_t n)
{
    if (n > sizeof s->o)
        return GBA_E_RANGE;
    if (n && !p)
        return GBA_E_ARG;
    /* p may point into s itself */
    if (n)
        memmove(s->o, p, n);
    gba_wipe(s->o + n, sizeof s->o - n);
    s->n = n;
    return GBA_OK;
}

bool gba_secret_eq(const gba_secret *a, const gba_secret *b)
{
    /* a length is no secret; n never exceeds the array */
    return a->n == b->n && a->n <= sizeof a->o && gba_equal_ct(a->o, b->o, a->n);
}

/* ---- hex ---- */

void gba_hex_encode(const void *p, size_t n, char *out)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *o = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digit[o[i] >> 4];
        out[2 * i + 1] = digit[o[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = fold(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

gba_err gba_hex_decode(gba_span text, void *out, size_t *n)
{
    uint8_t *o = out;
    if (text.n % 2)
        return GBA_E_SYNTAX;
    if (text.n / 2 > *n)
        return GBA_E_SPACE;
    for (size_t i = 0; i < text.n / 2; i++) {
        int hi = hex_digit(text.p[2 * i]), lo = hex_digit(text.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return GBA_E_SYNTAX;
        o[i] = (uint8_t)(hi << 4 | lo);
    }
    *n = text.n / 2;
    return GBA_OK;
}

/* ---- base64 (RFC 4648 clause 4) ---- */

static const char b64_digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void gba_b64_encode(const void *p, size_t n, char *out)
{
    const uint8_t *o = p;
    while (n) {
        size_t take = n < 3 ? n : 3;
        uint32_t v = (uint32_t)o[0] << 16 | (take > 1 ? (uint32_t)o[1] << 8 : 0) | (take > 2 ? o[2] : 0);
        out[0] = b64_digit[v >> 18];
        out[1] = b64_digit[v >> 12 & 63];
        out[2] = take > 1 ? b64_digit[v >> 6 & 63] : '=';
        out[3] = take > 2 ? b64_digit[v & 63] : '=';
        out += 4;
        o += take;
        n -= take;
    }
    *out = '\0';
}

static int b64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four digits, of which the last `pad` are '='. */
static gba_err b64_group(const uint8_t *q, size_t pad, uint8_t *o)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int d = i < 4 - pad ? b64_value(q[i]) : 0;
        if (d < 0)
            return GBA_E_SYNTAX;
        v = v << 6 | (uint32_t)d;
    }
    /* the bits behind the last octet must be zero (RFC 4648 3.5) */
    if (v & ((1u << (8 * pad)) - 1))
        return GBA_E_SYNTAX;
    for (size_t i = 0; i < 3 - pad; i++)
        o[i] = (uint8_t)(v >> (16 - 8 * i));
    return GBA_OK;
}

gba_err gba_b64_decode(gba_span text, void *out, size_t *n)
{
    uint8_t *o = out;
    if (text.n % 4)
        return GBA_E_SYNTAX;
    size_t pad = 0;
    if (text.n && text.p[text.n - 1] == '=')
        pad = text.p[text.n - 2] == '=' ? 2 : 1;
    size_t len = text.n / 4 * 3 - pad;
    if (len > *n)
        return GBA_E_SPACE;
    for (size_t i = 0; i < text.n; i += 4) {
        gba_err e = b64_group(text.p + i, i + 4 == text.n ? pad : 0, o + i / 4 * 3);
        if (e)
            return e;
    }
    *n = len;
    return GBA_OK;
}

/* ---- time ---- */

#define YEAR_MAX 9999

static bool leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days from 0000-03-01 to the 1st of March of year y (proleptic Gregorian). */
static int64_t march_days(int64_t y)
{
    return 365 * y + y / 4 - y / 100 + y / 400;
}

#define EPOCH_DAYS 719468 /* 0000-03-01 to 1970-01-01 */

static int64_t days_from_civil(int64_t y, int m, int d)
{
    /* years that begin in March put the leap day last */
    int64_t shifted = m > 2 ? y : y - 1;
    int mp = (m + 9) % 12;
    return march_days(shifted) + (153 * mp + 2) / 5 + d - 1 - EPOCH_DAYS;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

gba_err gba_time_print(int64_t unix_s, char out[GBA_TIME_TEXT])
{
    static const int64_t day_s = 86400;
    int64_t days = floor_div(unix_s, day_s), s = unix_s - days * day_s;
    if (days < days_from_civil(1, 1, 1) || days > days_from_civil(YEAR_MAX, 12, 31))
        return GBA_E_RANGE;
    int64_t z = days + EPOCH_DAYS;
    int64_t y = z / 365; /* at most a few years too high */
    while (march_days(y) > z)
        y--;
    int doy = (int)(z - march_days(y)), mp = (5 * doy + 2) / 153;
    int d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;
    unsigned year = (unsigned)(m <= 2 ? y + 1 : y);
    snprintf(out, GBA_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02uZ", year % 10000, (unsigned)m % 100, (unsigned)d % 100,
             (unsigned)(s / 3600) % 100, (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    return GBA_OK;
}

/* "0000-00-00T00:00:00": '0' stands for any digit. Gives the six numbers. */
static bool time_fields(const uint8_t *p, int v[6])
{
    static const char shape[] = "0000-00-00T00:00:00";
    int f = 0;
    memset(v, 0, 6 * sizeof *v);
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        if (shape[i] != '0') {
            if (p[i] != (uint8_t)shape[i])
                return false;
            f++;
        } else {
            if (p[i] < '0' || p[i] > '9')
                return false;
            v[f] = v[f] * 10 + (p[i] - '0');
        }
    }
    return true;
}

static bool time_in_range(const int v[6])
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (v[0] < 1 || v[1] < 1 || v[1] > 12)
        return false;
    int last = month_days[v[1] - 1] + (v[1] == 2 && leap(v[0]));
    return v[2] >= 1 && v[2] <= last && v[3] <= 23 && v[4] <= 59 && v[5] <= 59;
}

gba_err gba_time_parse(gba_span text, int64_t *unix_s)
{
    int v[6];
    size_t i = 19;
    if (text.n < i || !time_fields(text.p, v))
        return GBA_E_SYNTAX;
    if (i < text.n && text.p[i] == '.') {
        size_t first = ++i;
        while (i < text.n && text.p[i] >= '0' && text.p[i] <= '9')
            i++;
        if (i == first)
            return GBA_E_SYNTAX;
    }
    gba_span zone = {text.p + i, text.n - i};
    if (!gba_span_eq(zone, gba_str("Z")) && !gba_span_eq(zone, gba_str("+00:00")))
        return GBA_E_SYNTAX;
    if (!time_in_range(v))
        return GBA_E_RANGE;
    *unix_s = days_from_civil(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
    return GBA_OK;
}
