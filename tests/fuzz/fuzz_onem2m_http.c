/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_onem2m_http.c - the HTTP binding and the guard behind it. The input is lines: method, target,
 * Content-Type, X-M2M-Origin, X-M2M-RVI; an absent line is an absent field. */
#include <gba/onem2m.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static gba_span line(gba_span *rest)
{
    gba_span out = {0};
    if (!rest->p)
        return out;
    const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    out = end ? gba_mem(rest->p, (size_t)(end - rest->p)) : *rest;
    *rest = end ? gba_mem(end + 1, rest->n - out.n - 1) : (gba_span){0};
    return out;
}

static void guarded(const gba_m2m_request *r)
{
    gba_m2m_guard g = {.sa_optional = true};
    gba_m2m_id cse[2], ae;
    gba_m2m_verdict v;

    must(gba_m2m_id_parse(gba_str("//sp.net/in"), NULL, &g.cse) == GBA_OK);
    must(gba_m2m_id_parse(gba_str("/mn1"), &g.cse, &cse[0]) == GBA_OK && gba_m2m_id_parse(gba_str("/mn2"), &g.cse, &cse[1]) == GBA_OK);
    must(gba_m2m_id_parse(gba_str("Cae"), &g.cse, &ae) == GBA_OK);
    g.registrees = cse;
    g.n_registrees = 2;
    g.aes = &ae;
    g.n_aes = 1;
    const gba_m2m_association a[] = {{GBA_M2M_BOUND_NONE, NULL, 0}, {GBA_M2M_BOUND_NEW, NULL, 0},
                                     {GBA_M2M_BOUND_AE, &ae, 1}, {GBA_M2M_BOUND_CSE, cse, 1}};
    for (size_t i = 0; i < 4; i++) {
        gba_m2m_guard_check(&g, &a[i], r, &v);
        must(v.why && *v.why && (v.rsc == 0) == (v.http == 0));
        if (v.rsc == 0 && i == 2) /* an AE goes on as itself */
            must(!strcmp(v.as, "Cae"));
        if (v.rsc == 0 && i == 3) /* a CSE never as the other registree, us or our AE */
            must(v.from.kind != GBA_M2M_ID_NONE && !gba_m2m_id_eq(&v.from, &cse[1]) && !gba_m2m_id_eq(&v.from, &g.cse) &&
                 !gba_m2m_id_eq(&v.from, &ae));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gba_span rest = gba_mem(data, size);
    gba_m2m_http h = {0};
    gba_m2m_request r, again;
    char target[2 * GBA_M2M_TO_MAX];
    size_t n = sizeof target;

    h.method = line(&rest);
    h.target = line(&rest);
    h.content_type = line(&rest);
    h.origin = line(&rest);
    h.rvi = line(&rest);
    if (gba_m2m_http_parse(&h, &r) != 0)
        return 0;
    must(r.op >= GBA_M2M_CREATE && r.op <= GBA_M2M_NOTIFY && r.to[0] && (r.op == GBA_M2M_CREATE) == (r.ty != 0));
    if (gba_m2m_http_target(gba_str(r.to), target, &n) == GBA_OK) {
        h.target = gba_mem(target, n);
        must(gba_m2m_http_parse(&h, &again) == 0 && !strcmp(r.to, again.to));
    }
    guarded(&r);
    return 0;
}
