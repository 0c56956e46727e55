/* SPDX-License-Identifier: Apache-2.0 */
/* test_gate_routes.c - the keys that the egress holds for its peers, and no longer than they live. */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/gate.h"
#include "t_main.h"

/* None of these has registered: the book, which this test does without, has nothing to write. */
gba_err __wrap_gate_book_came(gate_book *b, const gba_m2m_id *id, const gate_who *w);
gba_err __wrap_gate_book_came(gate_book *b, const gba_m2m_id *id, const gate_who *w)
{
    (void)b, (void)id, (void)w;
    return GBA_E_UNKNOWN;
}

/* Is the key in the heap? The test's own copy stands on the stack. */
static bool in_heap(const gba_secret *key)
{
    char line[512];
    unsigned long from, to;
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f))
        if (strstr(line, "[heap]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
            for (const char *p = (const char *)from; p + key->n <= (const char *)to && !found; p++)
                found = *p == (char)key->o[0] && !memcmp(p, key->o, key->n);
    if (f)
        fclose(f);
    return found;
}

static void note(gate *g, const char *id, gba_m2m_psk form, int64_t expires, gba_secret *key)
{
    gate_who w = {.form = form, .identity = "x@sp.example.com", .expires = expires};
    gba_m2m_id to;
    for (size_t i = 0; i < 32; i++)
        key->o[i] = (uint8_t)(i * 7 + (size_t)form * 31 + (size_t)expires * 3 + 129);
    key->n = 32;
    w.key = *key;
    CU_ASSERT_EQUAL_FATAL(gba_m2m_id_parse(gba_str(id), NULL, &to), GBA_OK);
    gate_routes_note(g, &to, &w);
    gba_secret_wipe(&w.key);
}

static void ended(void)
{
    static gate g;
#ifdef GBA_SANITIZED
    return; /* whose heap is elsewhere, and keeps what was freed */
#endif
    if (getenv("UNDER_VALGRIND"))
        return;
    gba_secret a = {0}, b = {0}, c = {0}, d = {0}, renewed = {0};
    CU_ASSERT_EQUAL_FATAL(gate_routes_open(&g), GBA_OK);
    note(&g, "//sp.example.com/cse1/Ca", GBA_M2M_PSK_BTID, 100, &a);
    note(&g, "//sp.example.com/cse1/Cb", GBA_M2M_PSK_BTID, 200, &b);
    note(&g, "//sp.example.com/cse1/Cc", GBA_M2M_PSK_BTID, 0, &c);
    note(&g, "//sp.example.com/cse1/Cd", GBA_M2M_PSK_KPSA, 150, &d);
    CU_ASSERT(in_heap(&a) && in_heap(&b) && in_heap(&c));
    CU_ASSERT(!in_heap(&d)); /* the store has it */
    gate_routes_sweep(&g, 99);
    CU_ASSERT(in_heap(&a) && in_heap(&b) && in_heap(&c));
    gate_routes_sweep(&g, 100);
    CU_ASSERT(!in_heap(&a) && in_heap(&b) && in_heap(&c));
    note(&g, "//sp.example.com/cse1/Ca", GBA_M2M_PSK_BTID, 300, &renewed);
    CU_ASSERT(in_heap(&renewed));
    gate_routes_sweep(&g, 300);
    CU_ASSERT(!in_heap(&renewed) && !in_heap(&b) && in_heap(&c)); /* open: until the gate ends */
    gate_routes_close(&g);
    CU_ASSERT(!in_heap(&c));
}

T_MAIN("gate_routes", {"keys that have ended", ended})
