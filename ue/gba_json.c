/* SPDX-License-Identifier: Apache-2.0 */
/* gba_json.c - the little JSON that gba prints; a small device needs no JSON library. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ue/gba.h"

static void string(FILE *f, gba_span s)
{
    fputc('"', f);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = s.p[i];
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

static void name_of(json_out *j, const char *name)
{
    if (j->more)
        fputs(", ", j->f);
    j->more = true;
    string(j->f, gba_str(name));
    fputs(": ", j->f);
}

void json_open(json_out *j, FILE *f)
{
    *j = (json_out){f, false};
    fputc('{', f);
}

void json_octets(json_out *j, const char *name, gba_span value)
{
    name_of(j, name);
    string(j->f, value);
}

void json_text(json_out *j, const char *name, const char *value)
{
    json_octets(j, name, gba_str(value));
}

void json_hex(json_out *j, const char *name, gba_span value)
{
    name_of(j, name);
    fputc('"', j->f);
    for (size_t i = 0; i < value.n; i++)
        fprintf(j->f, "%02x", value.p[i]);
    fputc('"', j->f);
}

void json_int(json_out *j, const char *name, int64_t value)
{
    name_of(j, name);
    fprintf(j->f, "%" PRId64, value);
}

void json_bool(json_out *j, const char *name, bool value)
{
    name_of(j, name);
    fputs(value ? "true" : "false", j->f);
}

void json_time(json_out *j, const char *name, int64_t unix_s)
{
    char text[GBA_TIME_TEXT];
    json_text(j, name, gba_time_print(unix_s, text) ? "" : text);
}

void json_close(json_out *j)
{
    fputs("}\n", j->f);
}

int out_done(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return complain(EXIT_FAILED, "standard output: %s", strerror(errno));
    return EXIT_DONE;
}
