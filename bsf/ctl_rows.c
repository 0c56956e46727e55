/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_rows.c - CSV (RFC 4180 without line ends inside quotes; columns by name) and JSON (an
 * array of objects, or objects one after another) of any length, one row in hand at a time.
 */
#include "bsf/ctl_rows.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    size_t offset;
} fields[CTL_ROW_FIELDS] = {
#define FIELD(F) {#F, offsetof(ctl_subscriber_text, F)}
    FIELD(impi),      FIELD(k),       FIELD(opc),     FIELD(amf),    FIELD(sqn),    FIELD(algorithm),         FIELD(op),
    FIELD(lifetime),  FIELD(mac_len), FIELD(res_len), FIELD(ck_len), FIELD(ik_len), FIELD(keccak_iterations),
#undef FIELD
};
#define DEFAULT_COLUMNS 6 /* impi,k,opc,amf,sqn,algorithm: of a CSV file without a header */

static int field_by_name(const char *name)
{
    for (int i = 0; i < CTL_ROW_FIELDS; i++)
        if (strcasecmp(fields[i].name, name) == 0)
            return i;
    return -1;
}

static void set_field(ctl_subscriber_text *t, int field, const char *value)
{
    memcpy((char *)t + fields[field].offset, &value, sizeof value);
}

void ctl_rows_begin(ctl_rows *r, gba_span in, bool json)
{
    memset(r, 0, sizeof *r);
    r->in = in;
    r->json = json;
    r->line = 1;
    if (in.n >= 3 && memcmp(in.p, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        r->at = 3;
}

static void row_done(ctl_rows *r)
{
    json_decref(r->object);
    r->object = NULL;
    gba_wipe(r->text, sizeof r->text);
}

void ctl_rows_end(ctl_rows *r)
{
    row_done(r);
    gba_wipe(r->number, sizeof r->number);
}

/* ---- CSV ---- */
static gba_span next_line(ctl_rows *r)
{
    const uint8_t *p = r->in.p + r->at, *nl = memchr(p, '\n', r->in.n - r->at);
    size_t n = nl ? (size_t)(nl - p) : r->in.n - r->at;
    r->row_line = r->line;
    r->at += n + (nl != NULL);
    r->line += nl != NULL;
    if (n && p[n - 1] == '\r')
        n--;
    return gba_mem(p, n);
}

/* Cuts r->text into its fields in place; 0: an open quote or something behind a closing one. */
static unsigned cut_line(char *text, char *cell[], unsigned max)
{
    unsigned n = 0;
    char *in = text;
    for (;;) {
        in += strspn(in, " \t");
        char *out = in, *start = in;
        if (*in == '"') {
            for (in++; *in && !(in[0] == '"' && in[1] != '"'); in++) {
                in += *in == '"';
                *out++ = *in;
            }
            if (*in++ != '"')
                return 0;
            in += strspn(in, " \t");
            if (*in && *in != ',')
                return 0;
        } else {
            in += strcspn(in, ",");
            for (out = in; out > start && (out[-1] == ' ' || out[-1] == '\t'); out--)
                ;
        }
        bool last = *in == '\0';
        *out = '\0';
        if (n < max)
            cell[n] = start;
        n++;
        if (last)
            return n;
        in++;
    }
}

#define CELLS_MAX 32

static ctl_row_status read_header(ctl_rows *r, char *cell[], unsigned n, char *why, size_t why_n)
{
    unsigned seen = 0;
    r->n_columns = n;
    if (n > CTL_ROW_FIELDS) {
        snprintf(why, why_n, "has %u columns, at most %d are known", n, CTL_ROW_FIELDS);
        return CTL_ROW_FATAL;
    }
    for (unsigned i = 0; i < n; i++) {
        r->column[i] = field_by_name(cell[i]);
        if (r->column[i] < 0) {
            snprintf(
                why, why_n,
                "column %u of the header is not known; columns are impi, k, opc or op, amf, sqn, algorithm, lifetime, "
                "mac_len, res_len, ck_len, ik_len, keccak_iterations",
                i + 1);
            return CTL_ROW_FATAL;
        }
        if (seen & 1u << r->column[i]) {
            snprintf(why, why_n, "column %s stands twice in the header", fields[r->column[i]].name);
            return CTL_ROW_FATAL;
        }
        seen |= 1u << r->column[i];
    }
    return CTL_ROW_OK;
}

/* One non-empty line into cells; END at the end. */
static ctl_row_status csv_cells(ctl_rows *r, char *cell[], unsigned *n, char *why, size_t why_n)
{
    gba_span line;
    do {
        if (r->at >= r->in.n)
            return CTL_ROW_END;
        line = next_line(r);
    } while (line.n == 0 || line.p[0] == '#');
    if (line.n > CTL_ROW_MAX) {
        snprintf(why, why_n, "is longer than %d octets", CTL_ROW_MAX);
        return CTL_ROW_BAD;
    }
    if (memchr(line.p, 0, line.n)) {
        snprintf(why, why_n, "holds a NUL octet");
        return CTL_ROW_BAD;
    }
    memcpy(r->text, line.p, line.n);
    r->text[line.n] = '\0';
    *n = cut_line(r->text, cell, CELLS_MAX);
    if (*n == 0 || *n > CELLS_MAX) {
        snprintf(why, why_n, *n ? "has too many fields" : "has a quote that is not closed");
        return CTL_ROW_BAD;
    }
    return CTL_ROW_OK;
}

static ctl_row_status csv_next(ctl_rows *r, ctl_subscriber_text *out, char *why, size_t why_n)
{
    char *cell[CELLS_MAX] = {0};
    unsigned n = 0;
    ctl_row_status s = csv_cells(r, cell, &n, why, why_n);
    if (!r->begun && s == CTL_ROW_BAD)
        return CTL_ROW_FATAL;
    if (!r->begun && s == CTL_ROW_OK) {
        r->begun = true;
        if (!strchr(cell[0], '@')) {
            s = read_header(r, cell, n, why, why_n);
            return s == CTL_ROW_OK ? csv_next(r, out, why, why_n) : s;
        }
        r->n_columns = DEFAULT_COLUMNS;
        for (int i = 0; i < DEFAULT_COLUMNS; i++)
            r->column[i] = i;
    }
    if (s != CTL_ROW_OK)
        return s;
    if (n > r->n_columns) {
        snprintf(why, why_n, "has %u fields, the header %u", n, r->n_columns);
        return CTL_ROW_BAD;
    }
    for (unsigned i = 0; i < n; i++)
        set_field(out, r->column[i], cell[i]);
    return CTL_ROW_OK;
}

/* ---- JSON ---- */
static int skip_blanks(ctl_rows *r)
{
    for (; r->at < r->in.n; r->at++) {
        uint8_t c = r->in.p[r->at];
        if (c == '\n')
            r->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            return c;
    }
    return -1;
}

/* The octets of the object at r->at up to its closing brace; 0: it does not end within CTL_ROW_MAX. */
static size_t object_length(const ctl_rows *r)
{
    const uint8_t *p = r->in.p + r->at;
    size_t left = r->in.n - r->at, depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < left && i < CTL_ROW_MAX; i++) {
        if (in_string) {
            if (p[i] == '\\')
                i++;
            else if (p[i] == '"')
                in_string = false;
        } else if (p[i] == '"') {
            in_string = true;
        } else if (p[i] == '{' || p[i] == '[') {
            depth++;
        } else if ((p[i] == '}' || p[i] == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static ctl_row_status json_fields(ctl_rows *r, ctl_subscriber_text *out, char *why, size_t why_n)
{
    const char *name;
    json_t *v;
    json_object_foreach(r->object, name, v) {
        int field = field_by_name(name);
        if (field < 0) {
            snprintf(why, why_n, "attribute '%.40s' is not known", name);
            return CTL_ROW_BAD;
        }
        if (json_is_integer(v)) {
            snprintf(r->number[field], sizeof r->number[field], "%" JSON_INTEGER_FORMAT, json_integer_value(v));
            set_field(out, field, r->number[field]);
        } else if (json_is_string(v)) {
            set_field(out, field, json_string_value(v));
        } else if (!json_is_null(v)) {
            snprintf(why, why_n, "attribute %s is neither text nor a whole number", fields[field].name);
            return CTL_ROW_BAD;
        }
    }
    return CTL_ROW_OK;
}

static ctl_row_status json_fatal(char *why, size_t why_n, const char *what)
{
    snprintf(why, why_n, "%s", what);
    return CTL_ROW_FATAL;
}

/* What stands between two objects; OK when r->at is at the next. */
static ctl_row_status json_between(ctl_rows *r, char *why, size_t why_n)
{
    int c = skip_blanks(r);
    bool first = !r->begun;
    r->begun = true;
    if (first && c == '[') {
        r->array = true;
        r->at++;
        c = skip_blanks(r);
    } else if (!first && r->array && c == ',') {
        r->at++;
        c = skip_blanks(r);
        first = true; /* an object must follow */
    } else if (!first && r->array && c != ']') {
        r->row_line = r->line;
        return json_fatal(why, why_n, c < 0 ? "the array is not closed" : "a comma is missing before this");
    }
    r->row_line = r->line;
    if (r->array && c == ']') {
        if (r->in.p[r->at - 1] == ',')
            return json_fatal(why, why_n, "an object is missing behind the comma");
        r->at++;
        return skip_blanks(r) < 0 ? CTL_ROW_END : json_fatal(why, why_n, "something stands behind the array");
    }
    if (c < 0)
        return r->array ? json_fatal(why, why_n, "the array is not closed") : CTL_ROW_END;
    return c == '{' ? CTL_ROW_OK : json_fatal(why, why_n, "an object of a subscriber is expected here");
}

static ctl_row_status json_next(ctl_rows *r, ctl_subscriber_text *out, char *why, size_t why_n)
{
    json_error_t err;
    ctl_row_status s = json_between(r, why, why_n);
    if (s != CTL_ROW_OK)
        return s;
    size_t n = object_length(r);
    if (n == 0) {
        snprintf(why, why_n, "the object does not end within %d octets", CTL_ROW_MAX);
        if (r->array)
            return CTL_ROW_FATAL;
        unsigned long at = r->row_line;
        next_line(r);
        r->row_line = at;
        return CTL_ROW_BAD;
    }
    const char *p = (const char *)r->in.p + r->at;
    for (size_t i = 0; i < n; i++)
        r->line += p[i] == '\n';
    r->at += n;
    r->object = json_loadb(p, n, JSON_REJECT_DUPLICATES, &err);
    if (!r->object) {
        snprintf(why, why_n,
                 json_error_code(&err) == json_error_duplicate_key ? "an attribute stands twice"
                                                                   : "is not well-formed JSON");
        return CTL_ROW_BAD;
    }
    return json_fields(r, out, why, why_n);
}

ctl_row_status ctl_rows_next(ctl_rows *r, ctl_subscriber_text *out, char *why, size_t why_n)
{
    row_done(r);
    memset(out, 0, sizeof *out);
    return r->json ? json_next(r, out, why, why_n) : csv_next(r, out, why, why_n);
}
