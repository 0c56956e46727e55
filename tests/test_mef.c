/* SPDX-License-Identifier: Apache-2.0 */
/* test_mef.c - the MEF: enrolment instructions, Ke and the keys derived from it, commands, fetchCredentials. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kms_kit.h"
#include "t_main.h"

#define DEV "//sp.example.com/in/Cdev"
#define CSE "//sp.example.com/in"
#define MAF "maf.example.com"
#define REG "application/json;ty=60004"
#define KEY "application/json;ty=60005"
#define ET "20270101T000000"
#define REL "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF"
#define KEID REL "@mef.example.com"
#define SKR(MORE) "{\"sec:skr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"" MORE "}}"
static kms_who *dev, *maf, *cse;
static char reg[400];

static void open_mef(const char *target, unsigned suid, int64_t expires)
{
    kit_open(&kms_mef, "mef.example.com");
    for (int i = 0; i < 32; i++) /* Ke = 00..1f */
        kit_exported[16 + i] = (uint8_t)i;
    dev = kit_enrolee("kpm-dev@mef.example.com", DEV, target, suid, expires);
    maf = kit_client("kpm-maf@mef.example.com", MAF, 0);
    cse = kit_client("kpm-cse@mef.example.com", CSE, 0);
}

static void close_mef(void)
{
    kit_close();
    free(dev);
    free(maf);
    free(cse);
}

static void enrol(void)
{
    CU_ASSERT_EQUAL_FATAL(kit_ask(dev, DEV, "POST", "/MEFBase", REG, "{\"sec:mecr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 2001);
    snprintf(reg, sizeof reg, "%s", kit_answer.location);
}

static void credential_is(const char *member, const char *hex)
{
    uint8_t o[64];
    char text[129];
    size_t n = sizeof o;

    CU_ASSERT_EQUAL_FATAL(gba_b64_decode(gba_str(kit_text(member)), o, &n), GBA_OK);
    gba_hex_encode(o, n, text);
    CU_ASSERT_STRING_EQUAL(text, hex);
}

/* Km for the MAF, old style and new; Ke itself for nobody. */
static void test_km(void)
{
    open_mef(MAF, 21, KIT_T0 + 9000);
    enrol();
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":21")), 2001);
    CU_ASSERT_STRING_EQUAL(kit_text("rn"), REL);
    CU_ASSERT_STRING_EQUAL(kit_text("et"), "20261118T133640"); /* the enrolment's end */
    CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(json_object_get(kit_json, "tgis"), 0)), MAF);
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/fetchCredentials/" KEID "/21", NULL, NULL), 2000);
    CU_ASSERT(json_is_true(json_object_get(kit_json, "Status")));
    CU_ASSERT_STRING_EQUAL(kit_text("EnroleeID"), DEV);
    CU_ASSERT_STRING_EQUAL(kit_text("Lifetime"), "20261118T133640");
    credential_is("Credential", "f8610e4d1a428f72308e2941f53a1a0fdc1afa7b1dde3ec59fc52381dcbeb66a");
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/fetchCredentials/" REL "%40mef.example.com/21", NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/MEFBase/" REL, NULL, NULL), 2000);
    credential_is("kv", "f8610e4d1a428f72308e2941f53a1a0fdc1afa7b1dde3ec59fc52381dcbeb66a");
    kit.c.kdf = GBA_M2M_KDF_2014;
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/fetchCredentials/" KEID "/21", NULL, NULL), 2000);
    credential_is("Credential", "3055bf32dd9c95586aaffa2ae2e165dfeffd0803566e16bdd343171457da8a5e");
    /* refused: another SUID, another target, the enrolee itself, another MEF, malformed */
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/fetchCredentials/" KEID "/22", NULL, NULL), 4103);
    CU_ASSERT(json_is_false(json_object_get(kit_json, "Status")) && *kit_text("ErrorString"));
    CU_ASSERT_STRING_EQUAL(kit_text("Credential"), "");
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "GET", "/fetchCredentials/" KEID "/21", NULL, NULL), 4103);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "GET", "/fetchCredentials/" KEID "/21", NULL, NULL), 4103);
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/fetchCredentials/" REL "@mef2.example.com/21", NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/fetchCredentials/B" "0A1A2A3A4A5A6A7A8A9AAABACADAEAF@mef.example.com/21", NULL, NULL), 4004);
    static const char *const bad[] = {"/fetchCredentials/x@mef.example.com/21", "/fetchCredentials/" KEID "/2", "/fetchCredentials/" KEID "/xx",
                                      "/fetchCredentials/" REL "/21", "/fetchCredentials/" KEID "/211"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", bad[i], NULL, NULL), 4000);
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "DELETE", "/fetchCredentials/" KEID "/21", NULL, NULL), 4005);
    CU_ASSERT_EQUAL(kit_ask(maf, CSE, "GET", "/fetchCredentials/" KEID "/21", NULL, NULL), 4106);
    kit_now += 9000; /* the enrolment's end */
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", "/fetchCredentials/" KEID "/21", NULL, NULL), 4004);
    close_mef();
}

static void test_kpsa(void)
{
    open_mef(CSE, 22, 0);
    enrol();
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":22,\"tgis\":[\"" CSE "\"]")), 2001);
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "GET", "/fetchCredentials/" KEID "/22", NULL, NULL), 2000);
    char usage[64];
    snprintf(usage, sizeof usage, "%s", kit_text("Credential"));
    kit.c.kdf = GBA_M2M_KDF_2014;
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "GET", "/fetchCredentials/" KEID "/22", NULL, NULL), 2000);
    CU_ASSERT_STRING_NOT_EQUAL(kit_text("Credential"), usage);
    close_mef();
}

/* Whose Kpm is removed has enrolled in vain: Ke goes with it, for targets that have not asked yet. */
static void test_revoked(void)
{
    open_mef(CSE, 22, 0);
    enrol();
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":22,\"tgis\":[\"" CSE "\"]")), 2001);
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "GET", "/fetchCredentials/" KEID "/22", NULL, NULL), 2000);
    kit_remove("kpm-dev@mef.example.com");
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "GET", "/fetchCredentials/" KEID "/22", NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "GET", "/MEFBase/" REL, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "GET", "/MEFBase/" REL, NULL, NULL), 4106);
    close_mef();
}

/* What an enrolee may have keys for is the operator's to say. */
static void test_instructions(void)
{
    open_mef(MAF, 21, 0);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":21")), 4103); /* no registration */
    enrol();
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":22,\"tgis\":[\"" CSE "\"]")), 4103);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":21,\"tgis\":[\"maf2.example.com\"]")), 4103);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":21,\"tgis\":[\"" MAF "\",\"maf2.example.com\"]")), 4102);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":32,\"tgis\":[\"" MAF "\"]")), 4102);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":21,\"tgis\":[\"" MAF "\"]")), 2001);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "PUT", "/MEFBase/" REL, "application/json", "{\"sec:skr\":{\"tgis\":[\"" CSE "\"]}}"), 4103);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "POST", "/MEFBase", KEY, SKR(",\"suid\":21")), 4105); /* the same session */
    /* none at all */
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "POST", "/MEFBase", REG, "{\"sec:mecr\":{\"et\":\"" ET "\",\"adfq\":\"adm.example.com\"}}"), 2001);
    kit_exported[0] ^= 1;
    CU_ASSERT_EQUAL(kit_ask(cse, CSE, "POST", "/MEFBase", KEY, SKR(",\"suid\":21,\"tgis\":[\"" MAF "\"]")), 4103);
    close_mef();
}

static void test_commands(void)
{
    kms_cred *c = NULL;
    char cmd[410], body[100];
    const char *why;

    open_mef(MAF, 21, 0);
    CU_ASSERT_EQUAL_FATAL(kms_cred_get(kit_store, &kms_mef, "kpm-dev@mef.example.com", kit_now, &c), GBA_OK);
    CU_ASSERT_EQUAL(prim_command_ok(gba_str("{\"cmdClassID\":3,\"cmdArgs\":{\"MONodeCmdArgs\":{\"objectPath\":\"/x\",\"objectTypeID\":3}}}"), c->cmd[0], &why), GBA_OK);
    CU_ASSERT_EQUAL(prim_command_ok(gba_str("{\"cmdClassID\":2,\"cmdArgs\":{\"devCfgCmdArgs\":{\"deviceConfigURI\":\"3:coap://d\"}}}"), c->cmd[1], &why), GBA_OK);
    CU_ASSERT_NOT_EQUAL(prim_command_ok(gba_str("{\"cmdClassID\":0,\"cmdArgs\":{\"noMoreCmdArgs\":{}}}"), c->cmd[2], &why), GBA_OK);
    CU_ASSERT_NOT_EQUAL(prim_command_ok(gba_str("{\"cmdClassID\":3,\"cmdArgs\":{\"devCfgCmdArgs\":{}}}"), c->cmd[2], &why), GBA_OK);
    CU_ASSERT_NOT_EQUAL(prim_command_ok(gba_str("[3]"), c->cmd[2], &why), GBA_OK);
    c->n_cmds = 2;
    snprintf(c->cfg, sizeof c->cfg, "{\"a\":1}");
    CU_ASSERT_EQUAL(kms_cred_put(kit_store, &kms_mef, "kpm-dev@mef.example.com", c, true), GBA_OK);
    kms_cred_free(&c);
    enrol();
    CU_ASSERT_PTR_NOT_NULL(json_object_get(kit_json, "ch"));
    snprintf(cmd, sizeof cmd, "%s/cmd", reg);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "GET", cmd, NULL, NULL), 2000);
    CU_ASSERT(kit_number("cmid") == 1 && kit_number("cmst") == 10);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(kit_json, "cmde"), "cmdClassID")), 3);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "GET", cmd, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_number("cmst"), 11); /* reissued */
    CU_ASSERT_EQUAL(kit_ask(maf, MAF, "GET", cmd, NULL, NULL), 4004);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "PUT", cmd, "application/json", "{\"sec:mecc\":{\"cmid\":7,\"cmst\":20}}"), 2004);
    CU_ASSERT_EQUAL(kit_number("cmid"), 1); /* unknown: discarded */
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "PUT", cmd, "application/json", "{\"sec:mecc\":{\"cmid\":1}}"), 4000);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "PUT", cmd, "application/json", "rubbish"), 4000);
    for (int i = 1; i <= 2; i++) {
        snprintf(body, sizeof body, "{\"sec:mecc\":{\"cmid\":%d,\"cmst\":20}}", i);
        CU_ASSERT_EQUAL(kit_ask(dev, DEV, "PUT", cmd, "application/json", body), 2004);
        CU_ASSERT_EQUAL(kit_number("cmid"), i + 1);
    }
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(kit_json, "cmde"), "cmdClassID")), 0); /* NO_MORE_COMMANDS */
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "DELETE", cmd, NULL, NULL), 4005);
    snprintf(cmd, sizeof cmd, "%s/cfg", reg);
    CU_ASSERT_EQUAL(kit_ask(dev, DEV, "GET", cmd, NULL, NULL), 2000);
    CU_ASSERT_EQUAL(kit_number("a"), 1);
    close_mef();
}

/* Records: what is cut short or of another format is never read. */
static void test_records(void)
{
    static kms_cred c, d;
    static uint8_t o[KMS_RECORD_MAX];
    size_t n = sizeof o, small = 10;

    memset(&c, 0, sizeof c);
    c.key.n = 32;
    snprintf(c.client, sizeof c.client, DEV);
    c.n_enrol = 1;
    snprintf(c.enrol[0].target, sizeof c.enrol[0].target, MAF);
    c.enrol[0].suid = 21;
    CU_ASSERT_EQUAL_FATAL(kms_cred_write(&c, o, &n), GBA_OK);
    CU_ASSERT_EQUAL(kms_cred_read(gba_mem(o, n), &d), GBA_OK);
    CU_ASSERT_EQUAL(memcmp(&c, &d, sizeof c), 0);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_NOT_EQUAL(kms_cred_read(gba_mem(o, i), &d), GBA_OK);
    CU_ASSERT_EQUAL(kms_cred_read(gba_mem(o, n + 1), &d), GBA_E_CORRUPT);
    o[0] = 9;
    CU_ASSERT_EQUAL(kms_cred_read(gba_mem(o, n), &d), GBA_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(kms_cred_write(&c, o, &small), GBA_E_SPACE);
}

T_MAIN("MEF", {"Km from Ke", test_km}, {"Kpsa from Ke", test_kpsa}, {"a removed Kpm", test_revoked}, {"enrolment instructions", test_instructions},
       {"commands", test_commands}, {"records", test_records})
