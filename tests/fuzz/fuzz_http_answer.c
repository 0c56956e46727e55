/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_http_answer.c - a server's octets at the GnuTLS carrier: the same answer however they are
 * cut; and a ServerHello at the reader of its suite. The first octet: HEAD or not, and the cut.
 */
#include <stdlib.h>
#include <string.h>

#include "ue/http_answer.h"
#include "ue/link.h"

#define BODY 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gba_err take(ue_http *h, bool head, const uint8_t *p, size_t n, size_t step)
{
    gba_err e = GBA_OK;
    ue_http_begin(h, head, BODY);
    while (n > 0 && !e && h->state != UE_HTTP_DONE) {
        size_t k = n < step ? n : step, used;
        e = ue_http_feed(h, p, k, &used);
        if (used > k || (!e && used < k && h->state != UE_HTTP_DONE))
            abort();
        p += used;
        n -= used;
    }
    return e ? e : ue_http_end(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ue_http a, b;
    gba_transport t;
    uint16_t suite;
    if (size == 0)
        return 0;
    bool head = data[0] & 0x80;
    gba_err e = take(&a, head, data + 1, size - 1, SIZE_MAX), f = take(&b, head, data + 1, size - 1, (data[0] & 0x7f) + 1u);
    if (e != f)
        abort();
    if (e == GBA_OK) {
        if (a.status != b.status || a.status < 200 || a.n_fields != b.n_fields || a.body_n != b.body_n ||
            a.body_n > BODY || (a.body_n && memcmp(a.body, b.body, a.body_n) != 0))
            abort();
        for (size_t i = 0; i < a.n_fields; i++)
            if (a.fields[i].name.n == 0 || !gba_span_eq(a.fields[i].value, b.fields[i].value))
                abort();
    }
    if (ue_server_hello(gba_mem(data + 1, size - 1), &t, &suite) == GBA_OK && t != GBA_TLS12 && t != GBA_TLS13)
        abort();
    return 0;
}
