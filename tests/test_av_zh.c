/* SPDX-License-Identifier: Apache-2.0 */
/* test_av_zh.c - vectors from an HSS, whose answers this test gives: fd_send and its kin are here. */
#include "bsf/av_zh.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "service/fd_stack.h"
#include "service/metrics.h"
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

/* ---- the stack ---- */

static struct {
    fd_done *done;
    void *ctx;
    unsigned asked;
} hss;

gba_err fd_send(uint32_t application, uint32_t command, const char *realm, const char *host, const gba_dia_list *out,
                unsigned timeout_ms, fd_done *done, void *ctx)
{
    (void)application, (void)command, (void)realm, (void)host, (void)out, (void)timeout_ms;
    hss.done = done;
    hss.ctx = ctx;
    hss.asked++;
    return GBA_OK;
}

bool fd_stack_reaches(const char *realm, const char *host)
{
    (void)realm, (void)host;
    return true;
}

static unsigned reads;
gba_err __real_store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out);
gba_err __wrap_store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out);
gba_err __wrap_store_get(store *s, store_kind k, gba_span key, int64_t now, store_record *out)
{
    reads++;
    return __real_store_get(s, k, key, now, out);
}

/* ---- the bench ---- */

static kit k;
static av_source *zh;
static struct {
    unsigned n;
    gba_err err;
} told;

static void on_vector(void *ctx, gba_err e, const av_result *r)
{
    (void)ctx, (void)r;
    told.n++;
    told.err = e;
}

static void begin(void)
{
    av_zh_config c = {.realm = "home1.net"};

    memset(&k, 0, sizeof k);
    memset(&hss, 0, sizeof hss);
    memset(&told, 0, sizeof told);
    kit_open(&k, NULL, false);
    c.store = k.store;
    CU_ASSERT_EQUAL_FATAL(av_zh_new(&c, &zh), GBA_OK);
}

static void finish(void)
{
    zh->ops->free(zh);
    kit_close(&k, false);
}

static void fetch(void)
{
    gba_impi impi = kit_impi(KIT_IMPI);
    zh->ops->fetch(zh, &impi, NULL, on_vector, NULL);
}

static int64_t counted(const char *result)
{
    char label[64];
    snprintf(label, sizeof label, "result=\"%s\"", result);
    return metric_value(metric_counter("gba_zh_total", label, ""));
}

static int64_t all_counted(void)
{
    static const char *const names[] = {"ok", "unknown", "refused", "auts_wrong", "busy", "timeout", "error"};
    int64_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        n += counted(names[i]);
    return n;
}

static gba_maa vector(void)
{
    gba_maa m = {.result = {GBA_DIA_SUCCESS, 0}, .vector = true, .impi = kit_impi(KIT_IMPI)};
    m.xres = t_secret("0102030405060708");
    m.ck = t_secret("b40ba9a3c58b2a05bbf0d987b21bf8cb");
    m.ik = t_secret("f769bcd751044604127672711c6d3441");
    return m;
}

/* drop: the code of an AVP that it forgets, 0 none. */
static void says(const gba_maa *m, uint32_t drop)
{
    gba_dia_list *l = gba_dia_list_new(), *cut = gba_dia_list_new();

    CU_ASSERT_EQUAL_FATAL(gba_maa_write(m, l), GBA_OK);
    for (size_t i = 0; i < l->n; i++)
        if (l->avp[i].code != drop)
            gba_dia_add(cut, l->avp[i].code, l->avp[i].vendor, l->avp[i].depth, l->avp[i].data);
    hss.done(hss.ctx, GBA_OK, cut, "hss.home1.net");
    gba_dia_list_wipe(l);
    gba_dia_list_wipe(cut);
    free(l);
    free(cut);
}

static void is_silent(void)
{
    hss.done(hss.ctx, GBA_E_BUSY, NULL, "hss.home1.net");
}

/* ---- the cases ---- */

/* C12: one outcome a vector, also when the first HSS was silent. */
static void one_outcome(void)
{
    int64_t before, silent, error;
    gba_maa m = vector();

    begin();
    before = all_counted(), silent = counted("timeout"), error = counted("error");
    fetch();
    is_silent();
    says(&m, 0);
    CU_ASSERT_EQUAL(told.n, 1);
    CU_ASSERT_EQUAL(told.err, GBA_OK);
    CU_ASSERT_EQUAL(all_counted() - before, 1);
    CU_ASSERT_EQUAL(counted("timeout"), silent);

    fetch();
    is_silent();
    is_silent();
    CU_ASSERT_EQUAL(told.n, 2);
    CU_ASSERT_EQUAL(told.err, GBA_E_IO);
    CU_ASSERT_EQUAL(all_counted() - before, 2);
    CU_ASSERT_EQUAL(counted("timeout") - silent, 1);

    fetch();
    is_silent();
    says(&m, 610);
    CU_ASSERT_EQUAL(all_counted() - before, 3);
    CU_ASSERT_EQUAL(counted("error") - error, 1);
    CU_ASSERT_EQUAL(hss.asked, 6);
    finish();
}

/* C6: while the HSS is overloaded nothing is read or parsed for it. */
static void overloaded(void)
{
    gba_maa busy = {.result = {GBA_DIA_TOO_BUSY, 0}};

    begin();
    reads = 0;
    fetch();
    CU_ASSERT_EQUAL(reads, 1);
    says(&busy, 0);
    CU_ASSERT_EQUAL(told.err, GBA_E_BUSY);
    for (int i = 0; i < 100; i++)
        fetch();
    CU_ASSERT_EQUAL(told.n, 101);
    CU_ASSERT_EQUAL(told.err, GBA_E_BUSY);
    CU_ASSERT_EQUAL(hss.asked, 1);
    CU_ASSERT_EQUAL(reads, 1);
    finish();
}

/* What the log says of two answers without this AVP. */
static void heard_without(const gba_maa *m, uint32_t drop, const char *want)
{
    char line[1024];

    fetch();
    t_hush();
    log_setup("test", LOG_LEVEL_WARN, LOG_TEXT);
    says(m, drop);
    says(m, drop);
    log_setup("test", LOG_LEVEL_AUDIT, LOG_TEXT);
    t_heard(line, sizeof line);
    if (!strstr(line, want))
        fprintf(stderr, "\n  %s lacks %s\n", line, want);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, want));
    CU_ASSERT_EQUAL(told.err, GBA_E_SYNTAX); /* not "unreachable" */
}

/* D3: the AVP at fault is named. */
static void malformed(void)
{
    gba_maa m = vector(), other = vector(), refusal = {.result = {GBA_DIA_SUCCESS, 0}};

    begin();
    heard_without(&m, 610, "avp=SIP-Authorization");
    heard_without(&m, 625, "avp=Confidentiality-Key");
    heard_without(&m, 268, "avp=Result-Code");
    heard_without(&refusal, 0, "avp=SIP-Auth-Data-Item");
    other.impi = kit_impi("somebody@home1.net");
    heard_without(&other, 0, "avp=User-Name");
    m.xres = t_secret("0102");
    heard_without(&m, 0, "avp=SIP-Authorization");
    finish();
}

T_MAIN("av_zh", {"C12: one outcome a vector", one_outcome}, {"C6: overloaded", overloaded},
       {"D3: malformed answers", malformed})
