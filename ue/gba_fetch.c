/* SPDX-License-Identifier: Apache-2.0 */
/* gba_fetch.c - gba get, gba post: a NAF's resource, Ub and Ua done on the way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ue/gba.h"

#define DATA_MAX ((size_t)64 << 20)

static int read_stream(FILE *f, const char *name, uint8_t **out, size_t *n)
{
    size_t room = 65536, have = 0;
    uint8_t *p = malloc(room);
    while (p && !feof(f) && !ferror(f) && have <= DATA_MAX) {
        if (have == room) {
            uint8_t *grown = realloc(p, room *= 2);
            if (!grown)
                free(p);
            p = grown;
            continue;
        }
        have += fread(p + have, 1, room - have, f);
    }
    if (!p || ferror(f) || have > DATA_MAX) {
        int code = complain(EXIT_FAILED, "--data: %s: %s", name,
                            !p ? "out of memory" : ferror(f) ? strerror(errno) : "more than 64 MiB");
        free(p);
        return code;
    }
    *out = p;
    *n = have;
    return EXIT_DONE;
}

/* TEXT, @FILE, - or @- (standard input) */
static int read_data(const char *data, uint8_t **out, size_t *n)
{
    if (!data || (data[0] != '@' && strcmp(data, "-") != 0)) {
        *n = data ? strlen(data) : 0;
        *out = (uint8_t *)strdup(data ? data : "");
        return *out ? EXIT_DONE : complain(EXIT_FAILED, "out of memory");
    }
    const char *path = data[0] == '@' ? data + 1 : data;
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input", out, n);
    FILE *f = fopen(path, "rbe");
    if (!f)
        return complain(EXIT_USAGE, "--data: %s: %s", path, strerror(errno));
    int code = read_stream(f, path, out, n);
    fclose(f);
    return code;
}

static int take_headers(const options *o, gba_ue_field *f, size_t *n, bool *typed)
{
    for (size_t i = 0; i < o->n_header; i++) {
        const char *h = o->header[i], *colon = strchr(h, ':');
        size_t name_n = colon ? (size_t)(colon - h) : 0;
        if (name_n == 0 || strpbrk(h, "\r\n") || strcspn(h, " \t") < name_n)
            return complain(EXIT_USAGE, "--header: \"%s\" is not 'NAME: VALUE'", h);
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        f[*n] = (gba_ue_field){gba_mem(h, name_n), gba_str(value)};
        if (gba_span_ieq(f[*n].name, gba_str("Content-Type")))
            *typed = true;
        (*n)++;
    }
    return EXIT_DONE;
}

static gba_span field(const gba_ue_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n_fields; i++)
        if (gba_span_ieq(a->fields[i].name, gba_str(name)))
            return a->fields[i].value;
    return gba_mem(NULL, 0);
}

static bool is_ascii(gba_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 0x80)
            return false;
    return true;
}

static int print_json(const options *o, const gba_ue_answer *a)
{
    json_out j;
    char suite[5];
    gba_ua_id ua = o->psk ? gba_ua_id_psk(a->transport, a->suite) : gba_ua_id_digest(a->transport, a->suite);
    char *b64 = malloc(GBA_B64_LEN(a->body.n) + 1);
    if (!b64)
        return complain(EXIT_FAILED, "out of memory");
    gba_b64_encode(a->body.p, a->body.n, b64);
    gba_span type = field(a, "Content-Type");
    json_open(&j, stdout);
    json_int(&j, "status", a->status);
    json_hex(&j, "ua", GBA_SPAN(ua.o));
    if (a->transport != GBA_PLAIN) {
        snprintf(suite, sizeof suite, "%04x", a->suite);
        json_text(&j, "tls", a->transport == GBA_TLS13 ? "1.3" : "1.2");
        json_text(&j, "suite", suite);
    }
    if (type.p && is_ascii(type))
        json_octets(&j, "content_type", type);
    if (is_ascii(a->body))
        json_octets(&j, "body", a->body);
    json_text(&j, "body_base64", b64);
    json_close(&j);
    free(b64);
    return out_done();
}

static int write_body(const options *o, const gba_ue_answer *a)
{
    FILE *f = o->output ? fopen(o->output, "wbe") : stdout;
    if (!f)
        return complain(EXIT_FAILED, "--output: %s: %s", o->output, strerror(errno));
    bool ok = a->body.n == 0 || fwrite(a->body.p, 1, a->body.n, f) == a->body.n;
    if (!o->output)
        return ok ? out_done() : complain(EXIT_FAILED, "standard output: %s", strerror(errno));
    if (fclose(f) != 0 || !ok)
        return complain(EXIT_FAILED, "--output: %s: %s", o->output, strerror(errno));
    return EXIT_DONE;
}

static int finish(const options *o, const gba_ue_answer *a)
{
    int code = o->json && !o->output ? print_json(o, a) : write_body(o, a);
    if (code)
        return code;
    if (a->status >= 300) /* redirects are not followed: the key is for this host */
        return complain(a->status == 403 ? EXIT_REFUSED : EXIT_FAILED, "%s answered HTTP %d", o->word[0], a->status);
    if (!o->quiet)
        fprintf(stderr, "gba: HTTP %d, %zu octets\n", a->status, a->body.n);
    return EXIT_DONE;
}

static int fetch(const options *o, const char *method, gba_span body)
{
    gba_ue_field fields[LIST_MAX + 2];
    gba_ue_answer a;
    device d;
    size_t n = 0;
    bool typed = false;
    gba_ue_tls tls;
    int code = take_tls(o, &tls);
    if (!code)
        code = take_headers(o, fields, &n, &typed);
    if (code)
        return code;
    if (body.p && !typed)
        fields[n++] = (gba_ue_field){gba_str("Content-Type"), gba_str("application/octet-stream")};
    if ((code = device_open(o, &d)))
        return code;
    const gba_ue_request r = {method, o->word[0], fields, n, body, NULL};
    gba_err e = o->psk ? gba_ue_fetch_psk(d.ue, &r, tls, &a) : gba_ue_fetch(d.ue, &r, &a);
    code = e ? complain(code_of(e), "%s", gba_ue_text(d.ue)) : finish(o, &a);
    device_close(&d);
    return code;
}

int gba_get(options *o)
{
    if (o->data)
        return complain(EXIT_USAGE, "--data goes with gba post");
    return fetch(o, "GET", gba_mem(NULL, 0));
}

int gba_post(options *o)
{
    uint8_t *data = NULL;
    size_t n = 0;
    int code = read_data(o->data, &data, &n);
    if (!code)
        code = fetch(o, "POST", gba_mem(data, n));
    free(data);
    return code;
}
