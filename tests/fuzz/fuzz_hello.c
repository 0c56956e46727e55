/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_hello.c - the ClientHello, the ServerHello's suite and tickets as tls_psk.c reads them beside GnuTLS, from a
 * stranger's octets: whatever is read lies inside what came, and a message that breaks off yields nothing
 * behind the break.
 */
#include "service/tls_psk.c" /* NOLINT: its readers are static */
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool ok)
{
    if (!ok)
        abort();
}

static void inside(in i, const uint8_t *data, size_t size)
{
    demand(i.bad ? !i.p || !i.n || (i.p >= data && i.p + i.n <= data + size)
                 : !i.n || (i.p >= data && i.p + i.n <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1); /* so that a step beyond it is seen */
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    gnutls_datum_t msg = {copy, (unsigned)size};
    hello o = read_hello(&msg), again = read_hello(&msg);
    inside(o.external, copy, size);
    inside(o.ids, copy, size);
    inside(o.ticket, copy, size);
    inside(o.sni, copy, size);
    demand(o.psk_ids || (!o.ids.p && !o.external.p));
    demand(o.external.p == again.external.p && o.external.n == again.external.n && o.psk_suite == again.psk_suite);
    if (o.external.p) { /* it stands among the identities, whole */
        demand(!o.external.bad && !o.ids.bad);
        demand(o.external.p >= o.ids.p && o.external.p + o.external.n + 4 <= o.ids.p + o.ids.n);
    }
    size_t n = 0;
    for (in ids = o.ids; !ids.bad && ids.n; n++) {
        in id = part(&ids, number(&ids, 2));
        (void)number(&ids, 4);
        inside(id, copy, size);
    }
    demand(n <= size / 6 + 1);
    free(copy);
    return 0;
}
