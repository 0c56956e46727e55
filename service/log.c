/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - event lines: escaped, bounded, one write each; storms are thinned out. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "service/daemon.h"
#include "service/log.h"

#define LINE_MAX_OCTETS 8192
#define TAIL_ROOM 64 /* for the mark of a cut line, the closing brace and the newline */
#define STORM_SLOTS 64
#define STORM_LINES 20 /* of one event in one second */

static atomic_int lowest = LOG_LEVEL_INFO;
static atomic_int format = LOG_TEXT;
static char program_name[32] = "gba";

void log_setup(const char *program, log_level level, log_format f)
{
    snprintf(program_name, sizeof program_name, "%s", program);
    atomic_store(&lowest, (int)level);
    atomic_store(&format, (int)f);
}

/* ---- a line under construction ---- */
typedef struct line {
    char s[LINE_MAX_OCTETS];
    size_t n;
    bool cut, json;
    log_level level;
} line;

static bool line_room(line *l, size_t n)
{
    if (l->cut || l->n + n > sizeof l->s - TAIL_ROOM)
        l->cut = true;
    return !l->cut;
}

static void line_put(line *l, const char *s, size_t n)
{
    if (!line_room(l, n))
        return;
    memcpy(l->s + l->n, s, n);
    l->n += n;
}

static void line_puts(line *l, const char *s)
{
    line_put(l, s, strlen(s));
}

/* One UTF-8 character: its octets, or 0 when it is malformed. */
static size_t utf8_char(const uint8_t *p, uint32_t *out)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    bool two = p[0] >= 0xc2 && p[0] < 0xe0;
    size_t n = p[0] < 0x80 ? 1 : two ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
    if (n == 0)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *out = c;
    return n;
}

/* Controls and what turns a terminal's text around: never to an operator's screen. */
static bool unprintable(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void line_escaped(line *l, const char *value)
{
    const uint8_t *p = (const uint8_t *)value;
    char b[16];
    while (*p && !l->cut) {
        uint32_t c = 0;
        size_t n = utf8_char(p, &c);
        if (n == 0) { /* a stray octet; JSON text must stay UTF-8, so it shows as \xHH there too */
            snprintf(b, sizeof b, l->json ? "\\\\x%02x" : "\\x%02x", *p);
            line_puts(l, b);
            n = 1;
        } else if (c == '"' || c == '\\') {
            b[0] = '\\', b[1] = (char)c;
            line_put(l, b, 2);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            line_puts(l, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        } else if (unprintable(c)) {
            snprintf(b, sizeof b, "\\u%04" PRIx32, c);
            line_puts(l, b);
        } else {
            line_put(l, (const char *)p, n);
        }
        p += n;
    }
}

static bool needs_quotes(const char *v)
{
    if (!*v)
        return true;
    for (const uint8_t *p = (const uint8_t *)v; *p; p++)
        if (*p <= ' ' || *p == '"' || *p == '\\' || *p == '=' || *p >= 0x7f)
            return true;
    return false;
}

static void line_pair(line *l, const char *key, const char *value)
{
    size_t before = l->n;
    bool quotes = l->json || needs_quotes(value);
    line_puts(l, l->json ? ",\"" : " ");
    line_puts(l, key);
    line_puts(l, l->json ? "\":" : "=");
    if (quotes)
        line_puts(l, "\"");
    if (l->cut) { /* not half a key, nor a quote that nothing closes or opens */
        l->n = before;
        return;
    }
    line_escaped(l, value);
    if (quotes)
        l->s[l->n++] = '"'; /* a cut value is closed within the tail's room */
}

static const char *level_name(log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "audit"};
    return (unsigned)level < 5 ? names[level] : "error";
}

/* A thread's lines come many a second: all but the milliseconds is made once. */
static void stamp_at(int64_t ms, char out[64])
{
    static _Thread_local time_t made;
    static _Thread_local char text[40];
    time_t t = (time_t)(ms / 1000);
    unsigned rest = (unsigned)(ms % 1000);
    if (t != made || !text[0]) {
        struct tm tm;
        gmtime_r(&t, &tm);
        snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        made = t;
    }
    size_t n = strlen(text);
    memcpy(out, text, n);
    out[n++] = (char)('0' + rest / 100);
    out[n++] = (char)('0' + rest / 10 % 10);
    out[n++] = (char)('0' + rest % 10);
    out[n++] = 'Z';
    out[n] = 0;
}

static void line_begin(line *l, log_level level, const char *event)
{
    int64_t ms = service_now_ms();
    char stamp[64];
    l->n = 0;
    l->level = level;
    l->cut = false;
    l->json = atomic_load_explicit(&format, memory_order_relaxed) == LOG_JSON;
    stamp_at(ms, stamp);
    if (!l->json) {
        line_puts(l, stamp);
        line_puts(l, " ");
        line_puts(l, level_name(level));
        line_puts(l, " ");
        line_puts(l, event);
        return;
    }
    line_puts(l, "{\"time\":\"");
    line_puts(l, stamp);
    line_puts(l, "\",\"level\":\"");
    line_puts(l, level_name(level));
    line_puts(l, "\",\"program\":\"");
    line_puts(l, program_name);
    line_puts(l, "\",\"event\":\"");
    line_puts(l, event);
    line_puts(l, "\"");
}

/*
 * INFO lines that come fast are gathered: a line is written at once unless another one was less than
 * GATHER_MS ago; then it waits for the next that is not, for any line of another level, or for
 * log_flush. So order is kept, and nothing but the last moment's INFO lines is lost with a process.
 */
#define GATHER_MS 5
#define GATHER_MAX 32768
static char gathered[GATHER_MAX];
static size_t gathered_n;
static int64_t written_ms;
static bool gathering; /* somebody calls log_flush each second */
static pthread_mutex_t gather_lock = PTHREAD_MUTEX_INITIALIZER;

static void write_out(const char *s, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t w = write(STDERR_FILENO, s + done, n - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break; /* nobody listens: there is nowhere to say so */
        done += (size_t)w;
    }
}

static void gather(const char *s, size_t n, bool may_wait)
{
    pthread_mutex_lock(&gather_lock);
    int64_t now = gathering && may_wait ? service_mono_ms() : 0;
    bool waits = now && now - written_ms < GATHER_MS;
    if (gathered_n && (!waits || gathered_n + n > sizeof gathered)) {
        write_out(gathered, gathered_n);
        gathered_n = 0;
    }
    if (waits) {
        memcpy(gathered + gathered_n, s, n);
        gathered_n += n;
    } else {
        write_out(s, n);
        written_ms = now;
    }
    pthread_mutex_unlock(&gather_lock);
}

void log_gather(bool on)
{
    pthread_mutex_lock(&gather_lock);
    gathering = on;
    pthread_mutex_unlock(&gather_lock);
    log_flush(false);
}

/* One write a line, or many lines: lines of several threads and processes do not mix. */
static void line_end(line *l)
{
    int saved = errno;
    if (l->cut) {
        const char *mark = l->json ? ",\"cut\":\"yes\"" : " cut=yes";
        memcpy(l->s + l->n, mark, strlen(mark));
        l->n += strlen(mark);
    }
    if (l->json)
        l->s[l->n++] = '}';
    l->s[l->n++] = '\n';
    gather(l->s, l->n, l->level == LOG_LEVEL_INFO);
    errno = saved;
}

/* ---- storms ---- */
static struct storm {
    char event[48];
    int64_t second;
    unsigned lines, left_out;
} storms[STORM_SLOTS];
static pthread_mutex_t storm_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t storm_swept;

static void storm_report(struct storm *s)
{
    line l;
    char n[16];
    snprintf(n, sizeof n, "%u", s->left_out);
    s->left_out = 0;
    line_begin(&l, LOG_LEVEL_WARN, "log.left_out");
    line_pair(&l, "of", s->event);
    line_pair(&l, "lines", n);
    line_end(&l);
}

static void storm_sweep(int64_t second)
{
    if (second == storm_swept)
        return;
    storm_swept = second;
    for (size_t i = 0; i < STORM_SLOTS; i++)
        if (storms[i].left_out && storms[i].second != second)
            storm_report(&storms[i]);
}

static struct storm *storm_of(const char *event, int64_t second)
{
    struct storm *oldest = &storms[0];
    for (size_t i = 0; i < STORM_SLOTS; i++) {
        if (strncmp(storms[i].event, event, sizeof storms[i].event - 1) == 0)
            return &storms[i];
        if (storms[i].second < oldest->second)
            oldest = &storms[i];
    }
    if (oldest->left_out)
        storm_report(oldest);
    *oldest = (struct storm){.second = second};
    snprintf(oldest->event, sizeof oldest->event, "%s", event);
    return oldest;
}

static bool storm_passes(log_level level, const char *event)
{
    if (level != LOG_LEVEL_WARN && level != LOG_LEVEL_ERROR)
        return true;
    int64_t second = service_mono_ms() / 1000;
    pthread_mutex_lock(&storm_lock);
    storm_sweep(second);
    struct storm *s = storm_of(event, second);
    if (s->second != second) {
        s->second = second;
        s->lines = 0;
    }
    bool pass = s->lines < STORM_LINES;
    if (pass)
        s->lines++;
    else
        s->left_out++;
    pthread_mutex_unlock(&storm_lock);
    return pass;
}

void log_flush(bool all)
{
    pthread_mutex_lock(&storm_lock);
    storm_sweep(service_mono_ms() / 1000);
    for (size_t i = 0; all && i < STORM_SLOTS; i++)
        if (storms[i].left_out)
            storm_report(&storms[i]);
    pthread_mutex_unlock(&storm_lock);
    gather("", 0, false);
}

void log_event(log_level level, const char *event, ...)
{
    if (level != LOG_LEVEL_AUDIT && (int)level < atomic_load_explicit(&lowest, memory_order_relaxed))
        return;
    if (!storm_passes(level, event))
        return;
    line l;
    va_list ap;
    line_begin(&l, level, event);
    va_start(ap, event);
    for (const char *key; (key = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        if (value)
            line_pair(&l, key, value);
    }
    va_end(ap);
    line_end(&l);
}

const char *log_num(int64_t v)
{
    static _Thread_local char ring[8][24];
    static _Thread_local unsigned next;
    char *b = ring[next++ % 8];
    snprintf(b, sizeof ring[0], "%" PRId64, v);
    return b;
}
