/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_naf.c - requests of strangers at the NAF: host, target, credentials and PSK identity. None may get in. */
#include <stdlib.h>
#include <string.h>
#include <gba/naf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gba_span line(gba_span *rest)
{
    const uint8_t *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    gba_span l = gba_mem(rest->p, nl ? (size_t)(nl - rest->p) : rest->n);
    rest->p += l.n + !!nl;
    rest->n -= l.n + !!nl;
    return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const fqdns[] = {"naf1.home1.net"}, *const bsfs[] = {"bsf.home1.net"};
    static gba_naf *naf;
    static gba_naf_result r;
    gba_naf_config c = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = bsfs, .n_bsfs = 1, .keys_max = 16};
    if (!naf && gba_naf_new(&c, &naf, NULL) != GBA_OK)
        abort();
    gba_span rest = gba_mem(data, size);
    gba_span host = line(&rest), target = line(&rest), credentials = line(&rest), intended = line(&rest);
    gba_naf_request q = {.method = gba_str("GET"), .host = host, .target = target, .authorization = &credentials,
                         .n_authorization = credentials.n != 0, .intended_identity = intended, .body = rest,
                         .now = 1795000000};
    gba_naf_check(naf, &q, &r);
    if (r.verdict != GBA_NAF_REFUSE || !r.status || r.key) /* without our nonce not even a query */
        abort();
    gba_naf_psk_request p = {.identity = credentials, .fqdn = host, .transport = GBA_TLS13, .now = 1795000000};
    gba_naf_psk(naf, &p, &r);
    if (r.verdict == GBA_NAF_OK)
        abort();
    if (r.verdict == GBA_NAF_WAIT)
        gba_naf_learn(naf, &r.query, GBA_E_IO, NULL, 1795000000);
    return 0;
}
