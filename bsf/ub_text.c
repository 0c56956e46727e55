/* SPDX-License-Identifier: Apache-2.0 */
#include "bsf/ub_text.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

bool ub_absolute_root(gba_span uri, gba_span *host)
{
    const char *s = (const char *)uri.p;
    size_t skip, n;

    if (uri.n > 7 && strncasecmp(s, "http://", 7) == 0)
        skip = 7;
    else if (uri.n > 8 && strncasecmp(s, "https://", 8) == 0)
        skip = 8;
    else
        return false;
    s += skip;
    n = uri.n - skip;
    if (s[n - 1] == '/')
        n--;
    if (n == 0 || memchr(s, '/', n) || memchr(s, '?', n) || memchr(s, '#', n) || memchr(s, '@', n))
        return false;
    const char *port = memchr(s, ':', n);
    *host = gba_mem(s, port ? (size_t)(port - s) : n);
    return true;
}

bool ub_is_root(gba_span target)
{
    gba_span host;
    return gba_span_eq(target, gba_str("/")) || ub_absolute_root(target, &host);
}

bool ub_http_date(int64_t t, char *out, size_t n)
{
    static const char day[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t tt = (time_t)t;
    struct tm tm;

    if (!gmtime_r(&tt, &tm))
        return false;
    snprintf(out, n, "%s, %02d %s %04d %02d:%02d:%02d GMT", day[tm.tm_wday % 7], tm.tm_mday, month[tm.tm_mon % 12],
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return true;
}
