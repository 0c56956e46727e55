/* SPDX-License-Identifier: Apache-2.0 */
/* test_zn_settings.c - which user security settings a NAF gets (TS 33.220 4.5.3), and in which words. */
#include <stdlib.h>
#include <string.h>
#include <gba/naf_zn_http.h>
#include "bsf/zn.h"
#include "bsf/zn_json.h"
#include "service/log.h"
#include "t_main.h"
#include "zn_kit.h"

#define BTID "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.home1.net"
static const char guss[] =
    "<guss xmlns=\"urn:3gpp:gba:GBAGUSSSchema-R9:2010-02\"><ussList>"
    "<uss id=\"1\" type=\"1\" nafGroup=\"A\"><uids><uid>sip:a@home1.net</uid></uids><flags><flag>1</flag></flags></uss>"
    "<uss id=\"1\" type=\"1\" nafGroup=\"B\"><uids><uid>sip:b@home1.net</uid></uids></uss>"
    "<uss id=\"4\" type=\"4\"><uids><uid>sip:c@home1.net</uid><uid>tel:+1</uid></uids><keyChoice>ME-based-key</keyChoice></uss>"
    "<uss id=\"1000001\" type=\"0\"><uids><uid>x</uid></uids></uss></ussList></guss>";

static void put(zn_kit *k, store_kind kind, const char *key, gba_span value)
{
    size_t failed;
    store_op op = {.type = STORE_PUT, .kind = kind, .key = gba_str(key), .value = value};
    CU_ASSERT_EQUAL_FATAL(store_write(k->store, &op, 1, KIT_NOW, &failed), GBA_OK);
}

static void grant(zn_kit *k, const char *name, const char *group, uint32_t a, uint32_t b)
{
    static rec_naf naf;
    static uint8_t o[REC_MAX];
    size_t n = sizeof o;
    memset(&naf, 0, sizeof naf);
    naf.n = 1;
    strcpy(naf.grant[0].fqdn.s, "*.home1.net");
    naf.grant[0].n_ua = 1;
    naf.grant[0].ua[0].n = 1;
    naf.grant[0].ua[0].o[0] = 1;
    strcpy(naf.grant[0].naf_group, group);
    naf.grant[0].service[naf.grant[0].n_service++] = a;
    naf.grant[0].service[naf.grant[0].n_service++] = b;
    CU_ASSERT_EQUAL_FATAL(rec_naf_write(&naf, o, &n), GBA_OK);
    put(k, STORE_NAF, name, gba_mem(o, n));
}

/* who: "1", "2" or "12", the names that the peer's certificate has. */
static gba_err ask(zn *z, const char *who, const uint32_t *gsids, size_t n, zn_answer *a)
{
    gba_fqdn name[2] = {{"naf1.home1.net"}, {"naf2.home1.net"}};
    zn_query q = {.names = who[0] == '2' ? name + 1 : name, .n_names = strlen(who)};
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str(BTID), &q.btid), GBA_OK);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str("naf.home1.net"), &q.naf_id.fqdn), GBA_OK);
    memcpy(q.naf_id.ua.o, "\x01\x00\x00\x00\x02", 5);
    memcpy(q.gsid, gsids, n * sizeof *gsids);
    q.n_gsids = n;
    return zn_release(z, &q, KIT_NOW, a, NULL, NULL);
}

static rec_session session;

static void set_up(zn_kit *k, zn **z)
{
    zn_kit_open(k);
    zn_kit_hush(k);
    log_setup("test", LOG_LEVEL_ERROR, LOG_TEXT);
    session = zn_kit_sample();
    zn_kit_session(k, BTID, &session, session.expires);
    put(k, STORE_GUSS, session.impi.s, gba_str(guss));
    grant(k, "naf1.home1.net", "A", 1, 4);
    grant(k, "naf2.home1.net", "", 1, 1000001);
    CU_ASSERT_EQUAL_FATAL(zn_new(k->store, z), GBA_OK);
}

static void tear_down(zn_kit *k, zn **z)
{
    static char heard[65536];
    zn_free(z);
    zn_kit_heard(k, heard, sizeof heard);
    zn_kit_close(k);
}

static void test_select(void)
{
    static const uint32_t all[] = {1, 4, 1000001, 77};
    zn_kit k;
    zn *z;
    zn_answer a;
    set_up(&k, &z);
    CU_ASSERT_EQUAL(ask(z, "1", all, 0, &a), GBA_OK); /* nothing asked for, nothing sent */
    CU_ASSERT(a.n_uss == 0 && a.uss == NULL);
    zn_answer_wipe(&a);
    CU_ASSERT_EQUAL(ask(z, "1", all, 4, &a), GBA_OK); /* its group's of service 1, and service 4 */
    CU_ASSERT_EQUAL_FATAL(a.n_uss, 2);
    CU_ASSERT(a.uss[0].gsid == 1 && !strcmp(a.uss[0].naf_group, "A") && a.uss[1].gsid == 4);
    zn_answer_wipe(&a);
    CU_ASSERT_EQUAL(ask(z, "1", all, 1, &a), GBA_OK);
    CU_ASSERT_EQUAL(a.n_uss, 1);
    zn_answer_wipe(&a);
    CU_ASSERT_EQUAL(ask(z, "2", all, 4, &a), GBA_OK); /* no group: none of a group's */
    CU_ASSERT_EQUAL_FATAL(a.n_uss, 1);
    CU_ASSERT_EQUAL(a.uss[0].gsid, 1000001);
    zn_answer_wipe(&a);
    CU_ASSERT_EQUAL(ask(z, "12", all, 4, &a), GBA_OK); /* both names' grants, each setting once */
    CU_ASSERT_EQUAL(a.n_uss, 3);
    zn_answer_wipe(&a);
    put(&k, STORE_GUSS, session.impi.s, gba_str("<broken"));
    CU_ASSERT_EQUAL(ask(z, "1", all, 4, &a), GBA_OK); /* the key stands on its own */
    CU_ASSERT(a.n_uss == 0 && a.me_key.n == 32);
    zn_answer_wipe(&a);
    tear_down(&k, &z);
}

/* The JSON that the BSF writes, read by the NAF's own parser. */
static void test_json(void)
{
    static const uint32_t all[] = {1, 4};
    static char text[ZN_JSON_SETTINGS_MAX];
    size_t n = sizeof text;
    zn_kit k;
    zn *z;
    zn_answer a;
    gba_naf_keys keys;
    set_up(&k, &z);
    CU_ASSERT_EQUAL(ask(z, "1", all, 2, &a), GBA_OK);
    CU_ASSERT_EQUAL(zn_json_print(&a, text, &n), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"ussList\":[{\"uss\":{\"gsId\":1,\"gsType\":1,\"ueIds\":[{\"ueId\":\"sip:a@home1.net\"}],"
                                        "\"nafGroup\":\"A\",\"flags\":[{\"flag\":1}]}},"));
    CU_ASSERT_EQUAL_FATAL(gba_naf_zn_answer_parse(gba_mem(text, n), &keys), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(keys.n_uss, 2);
    CU_ASSERT(memcmp(keys.uss, a.uss, 2 * sizeof *a.uss) == 0);
    gba_naf_keys_clear(&keys);
    n = 400;
    CU_ASSERT_EQUAL(zn_json_print(&a, text, &n), GBA_E_SPACE);
    zn_answer_wipe(&a);
    tear_down(&k, &z);
}

T_MAIN("zn settings", {"which settings", test_select}, {"as JSON", test_json})
