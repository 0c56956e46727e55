/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_flight.c - the first handshake message of a stranger's records, and the identity in a ClientKeyExchange, as
 * tls_early.c reads them before GnuTLS does: nothing outside what came, and what was said of the beginning still holds
 * when more has come.
 */
#include "service/tls_early.c" /* NOLINT: its readers are static */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool ok)
{
    if (!ok)
        abort();
}

static flight read_copy(const uint8_t *data, size_t n, uint8_t type, uint8_t *room, gnutls_datum_t *msg)
{
    uint8_t *copy = malloc(n ? n : 1); /* so that a step beyond it is seen */
    if (!copy)
        exit(0);
    if (n)
        memcpy(copy, data, n);
    flight f = first_message(copy, n, type, room, msg);
    free(copy);
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[TLS_RECORD_MAX], other[TLS_RECORD_MAX];
    gnutls_datum_t msg = {0}, before = {0};
    gba_span id;
    if (size < 1 || size > TLS_RECORD_MAX)
        return 0;
    uint8_t type = data[0] % 2 ? HELLO : KEY_EXCHANGE;
    size_t n = size - 1, cut = n ? data[n] % n : 0;
    flight f = read_copy(data + 1, n, type, room, &msg), g = read_copy(data + 1, cut, type, other, &before);
    demand(g == MORE || g == f);
    if (f != WHOLE)
        return 0;
    demand(msg.data == room + 4 && msg.size + 4 <= n && room[0] == type);
    demand(g != WHOLE || (before.size == msg.size && !memcmp(before.data, msg.data, msg.size)));
    if (exchanged_identity(&msg, &id))
        demand(id.p == msg.data + 2 && id.n + 2 <= msg.size);
    return 0;
}
