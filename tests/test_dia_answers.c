/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dia_answers.c - what gba-hssd and gba-bsfd answer over Diameter, and tell to the books. The stack is here:
 * fd_serve and its kin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bsf/hss.h"
#include "bsf/zn_diameter.h"
#include "service/fd_stack.h"
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

/* ---- the stack ---- */

#define PEER "peer.home1.net"
static struct {
    fd_handler *handler;
    void *ctx;
    gba_dia_list *answer;
    unsigned answers;
} stack;

gba_err fd_serve(uint32_t application, uint32_t command, fd_handler *h, void *ctx)
{
    (void)application, (void)command;
    stack.handler = h;
    stack.ctx = ctx;
    return GBA_OK;
}

void fd_answer(fd_request *r, const gba_dia_list *out, uint32_t missing)
{
    (void)r, (void)missing;
    gba_dia_list_wipe(stack.answer);
    for (size_t i = 0; i < out->n; i++)
        gba_dia_add(stack.answer, out->avp[i].code, out->avp[i].vendor, out->avp[i].depth, out->avp[i].data);
    stack.answers++;
}

fd_source fd_request_source(const fd_request *r)
{
    (void)r;
    return (fd_source){.origin_host = PEER, .peer = PEER, .address = "192.0.2.1"};
}

gba_err fd_stack_start(const fd_conf *c, char *why, size_t why_n)
{
    (void)why, (void)why_n;
    return c->prepare(c->prepare_ctx);
}

void fd_stack_stop(void)
{
}

static bool cannot_write; /* an answer with a key or a vector */
gba_err __real_gba_maa_write(const gba_maa *m, gba_dia_list *out);
gba_err __wrap_gba_maa_write(const gba_maa *m, gba_dia_list *out);
gba_err __wrap_gba_maa_write(const gba_maa *m, gba_dia_list *out)
{
    return cannot_write && m->vector ? GBA_E_SPACE : __real_gba_maa_write(m, out);
}
gba_err __real_gba_bia_write(const gba_bia *b, gba_dia_list *out);
gba_err __wrap_gba_bia_write(const gba_bia *b, gba_dia_list *out);
gba_err __wrap_gba_bia_write(const gba_bia *b, gba_dia_list *out)
{
    return cannot_write && b->me.n ? GBA_E_SPACE : __real_gba_bia_write(b, out);
}

static fd_peer_settings peer = {.identity = {PEER}, .tls = true};
static char peer_name[] = PEER;
static char *peer_names[] = {peer_name};

/* What is answered to this request, and told meanwhile. */
static void ask(const gba_dia_list *request, char *heard, size_t n)
{
    stack.answer = gba_dia_list_new();
    stack.answers = 0;
    t_hush();
    stack.handler(stack.ctx, NULL, request);
    t_heard(heard, n);
    CU_ASSERT_EQUAL(stack.answers, 1);
}

static void asked(gba_dia_list *request)
{
    gba_dia_list_wipe(request);
    gba_dia_list_wipe(stack.answer);
    free(request);
    free(stack.answer);
}

/* ---- Zh ---- */

static void zh(bool sent)
{
    kit k = {0};
    hss *h = NULL;
    char url[96], key[96], why[256] = "", heard[4096];
    gba_mar mar = {.impi = kit_impi(KIT_IMPI)};
    gba_maa maa;
    hss_settings s = {.hss.bsfs = {.v = peer_names, .n = 1}, .diameter.peers = {.v = &peer, .n = 1}};
    gba_dia_list *request = gba_dia_list_new();

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    kit_close(&k, true);
    snprintf(url, sizeof url, "sqlite:%s/bsf.db", k.dir);
    snprintf(key, sizeof key, "%s/seal", k.dir);
    s.store.url = url;
    s.seal.key_file = key;
    CU_ASSERT_EQUAL_FATAL(hss_start(&s, &h, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_mar_write(&mar, request), GBA_OK);
    cannot_write = !sent;
    ask(request, heard, sizeof heard);
    cannot_write = false;
    CU_ASSERT_EQUAL_FATAL(gba_maa_read(stack.answer, &maa), GBA_OK);
    CU_ASSERT_EQUAL(maa.vector, sent);
    CU_ASSERT_EQUAL(maa.result.code, sent ? GBA_DIA_SUCCESS : GBA_DIA_UNABLE_TO_COMPLY);
    CU_ASSERT_EQUAL(strstr(heard, "zh.vector_released") != NULL, sent);
    CU_ASSERT_EQUAL(strstr(heard, "zh.vector_refused") != NULL, !sent);
    gba_maa_wipe(&maa);
    asked(request);
    hss_stop(&h);
    kit_remove(&k);
}

/* ---- Zn ---- */

static void grant_all(kit *k)
{
    static rec_naf naf;
    uint8_t o[REC_MAX];
    size_t n = sizeof o, failed;

    memset(&naf, 0, sizeof naf);
    naf.n = 1;
    snprintf(naf.grant[0].fqdn.s, sizeof naf.grant[0].fqdn.s, PEER);
    naf.grant[0].n_ua = 1;
    naf.grant[0].ua[0].n = 1;
    naf.grant[0].ua[0].o[0] = 1;
    CU_ASSERT_EQUAL_FATAL(rec_naf_write(&naf, o, &n), GBA_OK);
    store_op op = {.type = STORE_PUT, .kind = STORE_NAF, .key = gba_str(PEER), .value = gba_mem(o, n)};
    CU_ASSERT_EQUAL_FATAL(store_write(k->store, &op, 1, kit_now_ms / 1000, &failed), GBA_OK);
}

static void zn_key(bool sent)
{
    kit k = {0};
    kit_ue u;
    kit_reply r;
    zn *z = NULL;
    char heard[4096];
    fd_settings s = {.peers = {.v = &peer, .n = 1}};
    gba_bir bir = {.naf.fqdn = {PEER}, .naf.ua = {{1, 0, 0, 0, 2}}};
    gba_bia bia;
    gba_dia_list *request = gba_dia_list_new();

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    grant_all(&k);
    kit_ue_new(&u, KIT_IMPI, KIT_K, KIT_OPC, 0);
    kit_bootstrap(&k, &u, NULL, &r, NULL, 0);
    CU_ASSERT_EQUAL(gba_btid_make(u.nonce.rand, &k.domain, &bir.btid), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(zn_new(k.store, &z), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(zn_diameter_serve(z, &s), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_bir_write(&bir, request), GBA_OK);
    cannot_write = !sent;
    ask(request, heard, sizeof heard);
    cannot_write = false;
    CU_ASSERT_EQUAL_FATAL(gba_bia_read(stack.answer, &bia), GBA_OK);
    CU_ASSERT_EQUAL(bia.me.n, sent ? 32 : 0);
    CU_ASSERT_EQUAL(bia.result.code, sent ? GBA_DIA_SUCCESS : GBA_DIA_UNABLE_TO_COMPLY);
    CU_ASSERT_EQUAL(strstr(heard, "zn.key_released") != NULL, sent);
    CU_ASSERT_EQUAL(strstr(heard, "zn.key_refused") != NULL, !sent);
    gba_bia_wipe(&bia);
    asked(request);
    zn_free(&z);
    kit_ue_free(&u);
    kit_close(&k, false);
}

static void zh_sent(void)
{
    zh(true);
}

static void zh_not_sent(void)
{
    zh(false);
}

static void zn_sent(void)
{
    zn_key(true);
}

static void zn_not_sent(void)
{
    zn_key(false);
}

T_MAIN("dia_answers", {"Zh: a vector is released", zh_sent}, {"C12: Zh: one that cannot be sent is not", zh_not_sent},
       {"Zn: a key is released", zn_sent}, {"C12: Zn: one that cannot be sent is not", zn_not_sent})
