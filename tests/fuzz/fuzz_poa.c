/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_poa.c - points of access that become the gate's; the first octet chooses: a request's body and back again, an
 * answer's body, a stored record, a URL or a time. Octets outside the addresses are never others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "onem2m-binding/gate_poa.h"
#include "onem2m-binding/told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gate g;
static gate_settings settings = {.upstream_ms = 10000, .request_max = 60};
static gba_m2m_id cx;
static char dir[] = "/tmp/fuzz-poa-XXXXXX";

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void clean(void)
{
    char command[64];
    gate_poas_close(&g.poas);
    gate_book_close(&g.book);
    store_close(&g.store);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    must(system(command) == 0);
}

static void begin(void)
{
    char url[64], key[64], why[256];
    if (g.store)
        return;
    must(mkdtemp(dir) != NULL);
    snprintf(url, sizeof url, "sqlite:%s/db", dir);
    snprintf(key, sizeof key, "%s/key", dir);
    store_config c = {.url = url, .key_file = key, .create = true};
    must(store_key_file_create(key, why, sizeof why) == GBA_OK && store_open(&c, &g.store, why, sizeof why) == GBA_OK);
    must(gate_book_open(g.store, &g.book) == GBA_OK && gate_poas_open(g.store, &g.poas) == GBA_OK);
    must(gba_m2m_id_parse(gba_str("//sp.example.com/cse1/Cx"), NULL, &cx) == GBA_OK);
    snprintf(g.egress_url, sizeof g.egress_url, "http://127.0.0.1:8090");
    g.s = &settings;
    atexit(clean);
}

typedef struct places {
    size_t n;
    gba_span at[4096];
} places;
static places before, after;

static bool collect(void *ctx, gba_span raw)
{
    places *p = ctx;
    if (p->n < sizeof p->at / sizeof *p->at)
        p->at[p->n++] = raw;
    return true;
}

/* The same octets but where an address stands. */
static void same_elsewhere(gba_span in, gba_span out, const gate_given *v)
{
    const uint8_t *a = in.p, *b = out.p;
    size_t k = 0;
    char token[GATE_TOKEN + 1];

    before.n = after.n = 0;
    gate_json_addresses(in, collect, &before);
    gate_json_addresses(out, collect, &after);
    must(before.n == after.n);
    for (size_t i = 0; i < before.n; i++) {
        must(before.at[i].p - a == after.at[i].p - b && !memcmp(a, b, (size_t)(before.at[i].p - a)));
        a = before.at[i].p + before.at[i].n;
        b = after.at[i].p + after.at[i].n;
        if (gba_span_eq(before.at[i], after.at[i]))
            continue;
        char text[128];
        must(gate_json_text(after.at[i], text, sizeof text) == GBA_OK && gate_poa_token(text, token) && k < v->n);
        must(!strcmp(token, v->a[k++].token));
    }
    must(k == v->n && in.p + in.n - a == out.p + out.n - b && !memcmp(a, b, (size_t)(in.p + in.n - a)));
}

#define READ (JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL)
static void request(gba_span in)
{
    static gate_given v;
    json_error_t at;
    char *back;
    size_t n;

    memset(&v, 0, sizeof v);
    const char *why = gate_give(&g, &cx, "12-x@x.example", in, &v);
    must(!why || !v.body);
    must(v.n <= GATE_GIVEN_MAX);
    if (!v.body)
        return;
    same_elsewhere(in, gba_mem(v.body, v.n_body), &v);
    must(gate_give_back(&g, NULL, gba_mem(v.body, v.n_body), &back, &n));
    json_t *a = json_loadb((const char *)in.p, in.n, READ, &at), *b = json_loadb(back, n, READ, &at);
    must(a && b && json_equal(a, b));
    json_decref(a);
    json_decref(b);
    free(back);
    free(v.body);
}

static void answer(gba_span in)
{
    char *back;
    size_t n;
    before.n = 0;
    gate_json_strings(in, collect, &before);
    for (size_t i = 0; i < before.n; i++)
        must(before.at[i].p > in.p && before.at[i].p + before.at[i].n < in.p + in.n);
    if (gate_give_back(&g, NULL, in, &back, &n))
        free(back);
}

static void record(gba_span in)
{
    static gate_addresses a;
    static char text[GATE_RECORD_MAX], again[GATE_RECORD_MAX];
    size_t n = 0, m = 0;

    if (gate_addresses_parse(in, &a) != GBA_OK)
        return;
    must(a.n <= GATE_URLS_MAX);
    must(gate_addresses_print(&a, text, &n) == GBA_OK);
    must(gate_addresses_parse(gba_mem(text, n), &a) == GBA_OK && gate_addresses_print(&a, again, &m) == GBA_OK);
    must(n == m && !memcmp(text, again, n));
}

static void word(gba_span in)
{
    static const gate_entity en = {.ri = "r", .rn = "n", .base = "b"};
    char text[600], token[GATE_TOKEN + 1];

    if (in.n >= sizeof text || (in.n && memchr(in.p, 0, in.n)))
        return;
    if (in.n)
        memcpy(text, in.p, in.n);
    text[in.n] = 0;
    int64_t ms = gate_lives(&settings, text, NULL, 1796083200000);
    must(ms >= 0 && ms <= 60000);
    const char *rest = gate_poa_token(text, token), *below = gate_below_cse(text);
    must(!rest || (strlen(token) == GATE_TOKEN && rest <= text + in.n));
    must(!below || (below >= text && below < text + in.n));
    (void)gate_entity_at(&en, &cx, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parts[])(gba_span) = {request, answer, record, word};
    begin();
    if (size)
        parts[data[0] % 4](gba_mem(data + 1, size - 1));
    return 0;
}
