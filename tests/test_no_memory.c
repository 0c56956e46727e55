/* SPDX-License-Identifier: Apache-2.0 */
/* test_no_memory.c - memory that fails at each place in turn, and no random octets: told as what they are, to a host
 * that may free some or try later, and not as a fault of its settings or of the BSF's answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <gba/naf_zn_http.h>
#include "tests/t_main.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0 /* the sanitizer's */
#else
#define OWN_MALLOC 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
#endif

static unsigned left; /* that many may still be had, and one; 0: all */
static bool no_random;

#if OWN_MALLOC
static bool fails(void)
{
    if (left > 1) {
        left--;
        return false;
    }
    return left == 1;
}
#define OURS __attribute__((visibility("default"))) /* for the libraries, too */
OURS void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}
OURS void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}
OURS void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}
#endif

ssize_t getrandom(void *out, size_t n, unsigned flags)
{
    (void)flags;
    if (no_random) {
        errno = ENOSYS;
        return -1;
    }
    memset(out, 0x5a, n);
    return (ssize_t)n;
}

#define NAF_MAX 200 /* places, far more than there are */
static const char *const fqdns[] = {"naf1.home1.net"}, *const bsfs[] = {"bsf.home1.net"};

static void naf(void)
{
    const gba_naf_config c = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = bsfs, .n_bsfs = 1, .keys_max = 10, .nonces_max = 10,
                              .unknown_max = 10};
    const char *why;
    gba_naf *n;
    gba_err e = GBA_E_NOMEM;
    unsigned at = 1;
    for (; OWN_MALLOC && e != GBA_OK && at < NAF_MAX; at++) {
        memset(&n, 0xa5, sizeof n);
        left = at;
        e = gba_naf_new(&c, &n, &why);
        left = 0;
        CU_ASSERT(e == GBA_OK || (e == GBA_E_NOMEM && !n && !strcmp(why, "out of memory")));
    }
    CU_ASSERT(!OWN_MALLOC || (at > 3 && at < NAF_MAX));
    if (e == GBA_OK)
        gba_naf_free(&n);
    no_random = true;
    CU_ASSERT_EQUAL(gba_naf_new(&c, &n, &why), GBA_E_IO);
    CU_ASSERT_STRING_EQUAL(why, "the system gives no random octets");
    no_random = false;
}

static void zn_http(void)
{
    const gba_naf_zn_bsf bsf = {.domain = "bsf.home1.net", .url = "https://bsf.home1.net/"};
    const gba_naf_zn_http_config c = {.bsfs = &bsf, .n_bsfs = 1, .ca_file = "ca.pem", .cert_file = "c", .key_file = "k"};
    const char *why;
    gba_naf_zn_http *z;
    gba_err e = GBA_E_NOMEM;
    unsigned at = 1;
    CU_ASSERT_EQUAL_FATAL(gba_naf_zn_http_new(&c, &z, &why), GBA_OK); /* libcurl has started */
    gba_naf_zn_http_free(&z);
    for (; OWN_MALLOC && e != GBA_OK && at < NAF_MAX; at++) {
        memset(&z, 0xa5, sizeof z);
        left = at;
        e = gba_naf_zn_http_new(&c, &z, &why);
        left = 0;
        CU_ASSERT(e == GBA_OK || (e == GBA_E_NOMEM && !z && !strcmp(why, "out of memory")));
    }
    CU_ASSERT(!OWN_MALLOC || (at > 3 && at < NAF_MAX));
    if (e == GBA_OK)
        gba_naf_zn_http_free(&z);
}

static void zn_json(void)
{
    static const char text[] =
        "{\"meKeyMaterial\":\"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\","
        "\"keyExpiryTime\":\"2026-11-25T10:00:00Z\",\"impi\":\"a@b.net\",\"ussList\":[{\"uss\":{\"gsId\":1,\"gsType\":2,"
        "\"ueIds\":[{\"ueId\":\"sip:a@b.net\"}],\"flags\":[{\"flag\":1}]}}]}";
    gba_naf_query q = {.btid = {"a@bsf.home1.net"}, .naf = {.fqdn = {"naf1.home1.net"}}};
    char out[512];
    gba_naf_keys k;
    gba_err e = GBA_E_NOMEM;
    unsigned at = 1, without = 0;
    for (; OWN_MALLOC && e != GBA_OK && at < NAF_MAX; at++) {
        left = at;
        e = gba_naf_zn_answer_parse(gba_str(text), &k);
        left = 0;
        /* of a string jansson says that it is no token */
        CU_ASSERT(e == GBA_OK || ((e == GBA_E_NOMEM || (e == GBA_E_SYNTAX && at > 1)) && k.me.n == 0 && !k.uss));
        without += e == GBA_E_NOMEM;
    }
    CU_ASSERT(!OWN_MALLOC || without > at / 2);
    CU_ASSERT(!OWN_MALLOC || (at > 10 && at < NAF_MAX));
    gba_naf_keys_clear(&k);
    e = GBA_E_NOMEM;
    for (at = 1; OWN_MALLOC && e != GBA_OK && at < NAF_MAX; at++) {
        size_t n = sizeof out;
        left = at;
        e = gba_naf_zn_request_print_for(&q, (const uint32_t[]){1, 2}, 2, out, &n);
        left = 0;
        CU_ASSERT(e == GBA_OK || e == GBA_E_NOMEM);
        if (e == GBA_OK)
            CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"gsIds\":[1,2]"));
    }
    CU_ASSERT(!OWN_MALLOC || at < NAF_MAX);
}

T_MAIN("no memory", {"gba_naf_new", naf}, {"gba_naf_zn_http_new", zn_http}, {"the BSF's documents", zn_json})
