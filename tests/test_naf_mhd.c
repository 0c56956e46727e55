/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_naf_mhd.c - libgbanaf-mhd's answer, with libmicrohttpd's functions played by the test: what goes out
 * depends on the check alone, never on what the result held before. End to end: test_examples.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <gba/kdf.h>
#include <gba/naf_mhd.h>
#include "tests/t_main.h"

#define BTID "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net"
#define OURS "3GPP-bootstrapping;" BTID

/* ---- libmicrohttpd: one connection, one answer ---- */
static char added[1024];
static unsigned n_added;
static const char *authorization; /* the request's */

struct MHD_Response {
    int unused;
};
static struct MHD_Response the_response;

enum MHD_Result MHD_add_response_header(struct MHD_Response *r, const char *name, const char *value)
{
    (void)r;
    n_added++;
    snprintf(added, sizeof added, "%s: %s", name, value);
    return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *r)
{
    (void)c, (void)status, (void)r;
    return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *r)
{
    (void)r;
}

struct MHD_Response *MHD_create_response_from_buffer(size_t n, void *p, enum MHD_ResponseMemoryMode mode)
{
    (void)n, (void)p, (void)mode;
    return &the_response;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *c, enum MHD_ConnectionInfoType what, ...)
{
    (void)c, (void)what;
    return NULL;
}

int MHD_get_connection_values(struct MHD_Connection *c, enum MHD_ValueKind kind, MHD_KeyValueIterator each, void *ctx)
{
    (void)c;
    each(ctx, kind, "Host", "naf1.home1.net");
    if (authorization)
        each(ctx, kind, "Authorization", authorization);
    return 2;
}

/* ---- a NAF, a BSF, two users ---- */
static gba_naf *naf;

static gba_err source(void *ctx, const gba_naf_query *q, gba_naf_keys *out)
{
    (void)ctx, (void)q;
    *out = (gba_naf_keys){.me = {.n = 32}, .expires = time(NULL) + 600};
    memset(out->me.o, 0x5a, 32);
    return GBA_OK;
}

static void setup(void)
{
    static const char *const fqdns[] = {"naf1.home1.net"}, *const bsfs[] = {"bsf.home1.net"};
    const gba_naf_config c = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = bsfs, .n_bsfs = 1};
    CU_ASSERT_EQUAL_FATAL(gba_naf_new(&c, &naf, NULL), GBA_OK);
    authorization = NULL;
    n_added = 0;
    added[0] = '\0';
}

static void over_psk(gba_naf_result *r)
{
    gba_naf_psk_request q = {.identity = gba_str(OURS), .transport = GBA_TLS13, .now = time(NULL)};
    gba_naf_keys k = {0};
    gba_naf_psk(naf, &q, r);
    if (r->verdict == GBA_NAF_WAIT) {
        CU_ASSERT_EQUAL_FATAL(source(NULL, &r->query, &k), GBA_OK);
        gba_naf_learn(naf, &r->query, GBA_OK, &k, q.now);
        gba_naf_psk(naf, &q, r);
    }
    CU_ASSERT_EQUAL_FATAL(r->verdict, GBA_NAF_OK);
}

static void reply(gba_naf_result *r)
{
    n_added = 0;
    CU_ASSERT_EQUAL(gba_naf_mhd_reply(naf, NULL, 200, &the_response, gba_str("page"), r), MHD_YES);
}

static void stack_garbage(void)
{
    setup();
    gba_naf_result *r = malloc(sizeof *r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    for (int octet = 0; octet < 256; octet += 51) {
        memset(r, octet, sizeof *r); /* with what looks like an answer under Digest, and leads nowhere */
        r->authorization.algorithm = GBA_DIGEST_SHA256;
        r->authorization.qop = GBA_QOP_AUTH;
        over_psk(r);
        CU_ASSERT_FALSE(gba_naf_wants_body(r));
        reply(r);
        CU_ASSERT_EQUAL(n_added, 0);
    }
    free(r);
    gba_naf_free(&naf);
}

/* One object for a Digest request of one user, then for another's over PSK. */
static void reused(void)
{
    const gba_naf_mhd_request q = {.method = "GET", .target = "/x", .source = source};
    gba_naf_result *r = calloc(1, sizeof *r);
    enum MHD_Result done;
    char hex[65], value[1024], nonce[128];
    gba_challenge c;
    setup();
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_EQUAL(gba_naf_mhd_check(naf, NULL, &q, r, &done), GBA_NAF_REFUSE);
    gba_span rest = gba_str(r->fields[0].value);
    CU_ASSERT_EQUAL_FATAL(gba_challenge_next(&rest, &c), GBA_OK);
    snprintf(nonce, sizeof nonce, "%.*s", (int)c.nonce.n, (const char *)c.nonce.p);
    gba_authorization a = {.algorithm = GBA_DIGEST_SHA256, .algorithm_given = true, .qop = GBA_QOP_AUTH, .nc = 1,
                           .nc_given = true, .username = gba_str(BTID),
                           .realm = gba_str("3GPP-bootstrapping@naf1.home1.net"), .nonce = gba_str(nonce),
                           .uri = gba_str("/x"), .cnonce = gba_str("of-user-a")};
    const gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/x")};
    gba_secret key = {.n = 32}, password = {0};
    size_t n = sizeof value;
    memset(key.o, 0x5a, 32);
    CU_ASSERT_EQUAL_FATAL(gba_ua_password(&key, &password), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_digest_response(&a, &m, gba_secret_span(&password), hex), GBA_OK);
    a.response = gba_str(hex);
    CU_ASSERT_EQUAL_FATAL(gba_authorization_print(&a, value, &n), GBA_OK);
    authorization = value;
    CU_ASSERT_EQUAL_FATAL(gba_naf_mhd_check(naf, NULL, &q, r, &done), GBA_NAF_OK);
    reply(r);
    CU_ASSERT_EQUAL(n_added, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(added, "of-user-a")); /* his own answer has it */

    over_psk(r);
    n = sizeof value;
    CU_ASSERT_EQUAL(gba_naf_answer(naf, r, gba_str("page"), time(NULL), value, &n), GBA_E_ARG);
    CU_ASSERT_FALSE(gba_naf_wants_body(r));
    reply(r);
    CU_ASSERT_EQUAL(n_added, 0); /* and the other's none of it */
    free(r);
    gba_naf_free(&naf);
}

T_MAIN("naf_mhd", {"a result of garbage", stack_garbage}, {"a result used before", reused})
