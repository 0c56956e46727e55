/* SPDX-License-Identifier: Apache-2.0 */
/* http_head.c - see http_head.h. */
#include <string.h>
#include "service/http_head.h"

#define LENGTH_DIGITS 15

const char *http_fault_name(http_fault f)
{
    static const char *const names[HTTP_FAULTS] = {"none",        "request_line", "field_name",
                                                   "field_value", "framing",      "host"};
    return f < HTTP_FAULTS ? names[f] : names[0];
}

/* RFC 9110 5.6.2 */
bool http_is_token(gba_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (!c || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return s.n > 0;
}

/* RFC 9110 5.5, with the octets above 0x7f that it calls obsolete */
bool http_is_value(gba_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

static void fail(http_head *h, http_fault f)
{
    if (h->fault == HTTP_FAULT_NONE)
        h->fault = f;
}

void http_head_begin(http_head *h, gba_span method, gba_span target, gba_span version)
{
    *h = (http_head){.http10 = gba_span_eq(version, gba_str("HTTP/1.0"))};
    bool good = http_is_token(method) && target.n && version.n == 8 && !memcmp(version.p, "HTTP/1.", 7) &&
                version.p[7] >= '0' && version.p[7] <= '9';
    for (size_t i = 0; good && i < target.n; i++)
        good = target.p[i] > 0x20 && target.p[i] != 0x7f;
    if (!good)
        fail(h, HTTP_FAULT_REQUEST_LINE);
}

static bool read_length(gba_span v, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(v.p[i] - '0');
    }
    return v.n > 0 && v.n <= LENGTH_DIGITS;
}

void http_head_field(http_head *h, gba_span name, gba_span value)
{
    if (!http_is_token(name))
        fail(h, HTTP_FAULT_FIELD_NAME);
    else if (!http_is_value(value))
        fail(h, HTTP_FAULT_FIELD_VALUE);
    else if (gba_span_ieq(name, gba_str("Host")))
        h->hosts++;
    else if (gba_span_ieq(name, gba_str("Content-Length"))) {
        if (h->lengths++ || !read_length(value, &h->length))
            fail(h, HTTP_FAULT_FRAMING);
    } else if (gba_span_ieq(name, gba_str("Transfer-Encoding"))) {
        h->chunked = gba_span_ieq(value, gba_str("chunked"));
        if (h->codings++ || !h->chunked)
            fail(h, HTTP_FAULT_FRAMING);
    }
}

http_fault http_head_end(http_head *h)
{
    if (h->codings && (h->lengths || h->http10)) /* RFC 9112 6.1 */
        fail(h, HTTP_FAULT_FRAMING);
    if (h->hosts > 1 || (!h->hosts && !h->http10))
        fail(h, HTTP_FAULT_HOST);
    return h->fault;
}
