/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gate.c - what m2m-gate reads of others; the first octet chooses: the keys that MAFs and MEFs tell, what a CSE's
 * answer teaches, stored records, a certificate's names (a letter and a name a line), URLs, header names.
 */
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/gate.h"
#include "onem2m-binding/told.h"
#include "service/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void told(gba_span in)
{
    m2m_told t;
    gba_err e = m2m_told_key(in, &t);

    must(e == GBA_OK || e == GBA_E_SYNTAX);
    must((e == GBA_OK) == (t.key.n >= 16) && (e != GBA_OK || (t.suid > 0 && t.suid < 1000 && t.whose[0])));
    gba_secret_wipe(&t.key);
    e = m2m_told_fetch(in, &t);
    must(e == GBA_OK || e == GBA_E_SYNTAX || e == GBA_E_FORBIDDEN);
    must((e == GBA_OK) == (t.key.n >= 16));
    gba_secret_wipe(&t.key);
}

static void visible(const char *s)
{
    for (; *s; s++)
        must((unsigned char)*s > 0x20 && (unsigned char)*s < 0x7f);
}

static void made(gba_span in)
{
    gate_made m;
    gba_err e = gate_made_parse(in, &m);

    must(e == GBA_OK || e == GBA_E_STALE || e == GBA_E_UNKNOWN);
    must((e == GBA_OK) == (m.id[0] != 0) && m.n <= GATE_POAS_MAX && (e != GBA_E_STALE || m.n));
    visible(m.id);
    for (size_t i = 0; i < m.n; i++) {
        must(m.poa[i][0] != 0);
        visible(m.poa[i]);
    }
}

static void records(gba_span in)
{
    static char text[GATE_RECORD_MAX], again[GATE_RECORD_MAX];
    static gate_credential c;
    static gate_entity en;
    size_t n = 0, m = 0;

    if (gate_credential_parse(in, &c) == GBA_OK) {
        must(c.bound != GBA_M2M_BOUND_NONE && c.n <= GATE_IDS_MAX);
        must(gate_credential_print(&c, text, &n) == GBA_OK);
        must(gate_credential_parse(gba_mem(text, n), &c) == GBA_OK && gate_credential_print(&c, again, &m) == GBA_OK);
        must(n == m && !memcmp(text, again, n));
    }
    gba_secret_wipe(&c.key);
    if (gate_entity_parse(in, &en) == GBA_OK) {
        must(gate_entity_print(&en, text, &n) == GBA_OK);
        must(gate_entity_parse(gba_mem(text, n), &en) == GBA_OK && gate_entity_print(&en, again, &m) == GBA_OK);
        must(n == m && !memcmp(text, again, n));
    }
}

/* As tls.c gives them: dNSNames are checked names, an otherName's value is hex under an OID. */
static size_t names_of(gba_span in, tls_name *names, size_t max)
{
    size_t n = 0;
    while (in.n && n < max) {
        const uint8_t *end = memchr(in.p, '\n', in.n);
        gba_span line = gba_mem(in.p, end ? (size_t)(end - in.p) : in.n);
        in = end ? gba_mem(end + 1, in.n - line.n - 1) : (gba_span){0};
        if (line.n < 2 || line.n > 200 || memchr(line.p, 0, line.n))
            continue;
        tls_name *t = &names[n];
        gba_fqdn f;
        memset(t, 0, sizeof *t);
        gba_span v = gba_mem(line.p + 1, line.n - 1);
        if (line.p[0] == 'd' && gba_fqdn_parse(v, &f) == GBA_OK) {
            memcpy(t->text, f.s, strlen(f.s) + 1);
        } else if (line.p[0] == 'o') {
            t->kind = TLS_NAME_OTHER;
            memcpy(t->oid, "1.2.3", 6);
            gba_hex_encode(v.p, v.n, t->text);
        } else if (line.p[0] == 'u') {
            t->kind = TLS_NAME_URI;
            memcpy(t->text, v.p, v.n);
        } else if (line.p[0] == 'k' && v.n >= 32) {
            t->kind = TLS_NAME_KEY;
            gba_hex_encode(v.p, 32, t->text);
        } else {
            continue;
        }
        n++;
    }
    return n;
}

static void certificate(gba_span in)
{
    static tls_name names[24];
    gba_m2m_id cse;
    gate_who w;
    unsigned type;
    gba_span value;
    size_t n = names_of(in, names, 24);

    must(gba_m2m_id_parse(gba_str("//sp.example.com/cse1"), NULL, &cse) == GBA_OK);
    gate_cert_who(&cse, names, n, &w);
    must(w.why || (w.credential[0] && gba_m2m_credential_id_parse(gba_str(w.credential), &type, &value) == GBA_OK && type >= 30 && type <= 34));
    must(!w.why || (w.n == 0 && w.bound == GBA_M2M_BOUND_NONE));
    size_t uris = 0;
    for (size_t i = 0; i < n; i++)
        uris += names[i].kind == TLS_NAME_URI;
    for (size_t i = 0; i < w.n; i++) /* one CSE, or AEs; an AE is named by a URI, letter by letter */
        must(w.ids[i].kind == GBA_M2M_ID_CSE ? w.n == 1 : gba_m2m_id_is_ae(&w.ids[i]) && w.n <= uris);
    free(w.ids);
}

static void url(gba_span in)
{
    char text[600], host[GATE_HOST_MAX];
    const char *path;
    uint16_t port;
    bool tls;

    if (in.n >= sizeof text || (in.n && memchr(in.p, 0, in.n)))
        return;
    if (in.n)
        memcpy(text, in.p, in.n);
    text[in.n] = 0;
    if (gate_url(text, &tls, host, &port, &path) == GBA_OK)
        must(host[0] && port && path >= text && path <= text + in.n && (*path == 0 || *path == '/') && !strchr(host, '/'));
    (void)gate_field_drop(text, NULL);
    (void)gate_field_drop("X-A", text);
    for (size_t i = 0; i < in.n; i++)
        if (text[i] == '\n') { /* a URI and a constraint */
            bool fits = cert_uri_in(gba_mem(text, i), gba_str(text + i + 1));
            must(!fits || text[i + 1]);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parts[])(gba_span) = {told, made, records, certificate, url};
    if (size)
        parts[data[0] % 5](gba_mem(data + 1, size - 1));
    return 0;
}
