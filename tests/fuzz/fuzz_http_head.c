/* SPDX-License-Identifier: Apache-2.0 */
/* The judgement of request heads. Input: method, target and version, then name and value by turns, each to its NUL. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "service/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gba_span next(const uint8_t **p, size_t *left)
{
    const uint8_t *end = *left ? memchr(*p, 0, *left) : NULL;
    size_t n = end ? (size_t)(end - *p) : *left;
    gba_span s = gba_mem(*p, n);
    n += end != NULL;
    *p += n;
    *left -= n;
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    http_head h, again;
    unsigned hosts = 0;
    gba_span method = next(&data, &size), target = next(&data, &size), version = next(&data, &size);
    http_head_begin(&h, method, target, version);
    while (size) {
        gba_span name = next(&data, &size), value = next(&data, &size);
        http_head_field(&h, name, value);
        hosts += gba_field_named(name, gba_str("host"));
        if (h.fault == HTTP_FAULT_NONE) { /* what may be printed again reads as one line */
            assert(name.n && !memchr(name.p, ':', name.n) && !memchr(name.p, ' ', name.n));
            assert(!value.n || (!memchr(value.p, '\r', value.n) && !memchr(value.p, '\n', value.n)));
        }
    }
    again = h;
    http_fault f = http_head_end(&h);
    assert(f == h.fault && http_head_end(&again) == f && http_fault_name(f));
    if (f == HTTP_FAULT_NONE) {
        assert(h.hosts == hosts && (hosts == 1 || (h.http10 && !hosts)));
        assert(h.lengths + h.codings <= 1 && (!h.codings || (h.chunked && !h.http10)) && h.length < 1000000000000000u);
        assert(http_is_token(method) && target.n);
    }
    return 0;
}
