/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_digest.c - the three Digest fields: what is understood can be printed, and
 * what was printed is understood the same. The first octet chooses the field.
 */
#include <stdlib.h>
#include <string.h>

#include <gba/digest.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool ok)
{
    if (!ok)
        abort();
}

static bool same(gba_span a, gba_span b)
{
    return (a.p != NULL) == (b.p != NULL) && gba_span_eq(a, b);
}

/* A quoted value may grow past the limit when all of it needs escapes. */
static bool printed(gba_err e, bool printable)
{
    demand(e == GBA_OK || e == GBA_E_RANGE || e == GBA_E_SPACE || !printable);
    return e == GBA_OK;
}

static char text[3 * GBA_DIGEST_HEADER_MAX];

static void challenges(gba_span in)
{
    static gba_challenge a, b;
    unsigned rounds = 0;
    while (gba_challenge_next(&in, &a) == GBA_OK) {
        size_t n = sizeof(text);
        demand(++rounds <= GBA_DIGEST_HEADER_MAX);
        demand(a.realm.p && a.nonce.p);
        if (!printed(gba_challenge_print(&a, text, &n), a.algorithm != GBA_DIGEST_UNKNOWN && a.qop < GBA_QOP_OTHER))
            continue;
        gba_span again = gba_mem(text, n);
        demand(gba_challenge_next(&again, &b) == GBA_OK);
        demand(same(a.realm, b.realm) && same(a.nonce, b.nonce) && same(a.opaque, b.opaque));
        demand(same(a.domain, b.domain) && a.algorithm == b.algorithm && a.qop == b.qop);
        demand(a.stale == b.stale && a.userhash == b.userhash && a.charset_utf8 == b.charset_utf8);
        demand(gba_challenge_next(&again, &b) == GBA_E_UNKNOWN);
    }
}

static void check_response(const gba_authorization *a)
{
    gba_digest_message m = {.method = gba_str("GET"), .uri = a->uri};
    gba_digest_expect x = {.algorithm = a->algorithm, .qop = a->qop};
    char hex[65];
    gba_err e = gba_digest_response(a, &m, gba_str("p"), hex);
    demand(e == GBA_OK ? strlen(hex) == 32 || strlen(hex) == 64 : hex[0] == 0);
    e = gba_digest_verify(a, &x, &m, gba_str("p"));
    demand(e != GBA_OK || (a->response.n == strlen(hex) && memcmp(a->response.p, hex, a->response.n) == 0));
}

static void authorization(gba_span in)
{
    static gba_authorization a, b;
    size_t n = sizeof(text);
    if (gba_authorization_parse(in, &a) != GBA_OK)
        return;
    check_response(&a);
    bool complete = a.username.p && a.realm.p && a.nonce.p && a.uri.p && a.response.p &&
                    a.algorithm != GBA_DIGEST_UNKNOWN && a.qop < GBA_QOP_OTHER &&
                    (a.qop == GBA_QOP_NONE || (a.nc_given && a.cnonce.p));
    if (!printed(gba_authorization_print(&a, text, &n), complete))
        return;
    demand(gba_authorization_parse(gba_mem(text, n), &b) == GBA_OK);
    demand(same(a.username, b.username) && same(a.realm, b.realm) && same(a.nonce, b.nonce) && same(a.uri, b.uri));
    demand(same(a.cnonce, b.cnonce) && same(a.opaque, b.opaque) && same(a.response, b.response));
    demand(same(a.auts, b.auts) && a.algorithm == b.algorithm && a.algorithm_given == b.algorithm_given);
    demand(a.qop == b.qop && a.nc == b.nc && a.nc_given == b.nc_given && a.userhash == b.userhash);
}

static void authinfo(gba_span in)
{
    static gba_authinfo a, b;
    size_t n = sizeof(text);
    if (gba_authinfo_parse(in, &a) != GBA_OK || !printed(gba_authinfo_print(&a, text, &n), a.qop < GBA_QOP_OTHER))
        return;
    demand(gba_authinfo_parse(gba_mem(text, n), &b) == GBA_OK);
    demand(same(a.rspauth, b.rspauth) && same(a.cnonce, b.cnonce) && same(a.nextnonce, b.nextnonce));
    demand(a.qop == b.qop && a.nc == b.nc && a.nc_given == b.nc_given);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    gba_span in = gba_mem(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        authorization(in);
        break;
    case 1:
        challenges(in);
        break;
    default:
        authinfo(in);
    }
    return 0;
}
