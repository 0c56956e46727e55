/* SPDX-License-Identifier: Apache-2.0 */
/* test_ctl_session.c - gba-bsfctl session list, show, revoke on live sessions, while the store is in use. */
#include "bsf/records.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bsf/zn.h"
#include "service/store.h"
#include "t_main.h"
#include "zn_kit.h"

#define LIVE "bGl2ZQ==@bsf.home1.net"
#define OLD "b2xk@bsf.home1.net"
#define TMPI "dGVtcA==@tmpi.bsf.3gppnetwork.org"
#define IMPI "user1_private@home1.net"

static zn_kit kit;
static char out[65536];

/* Standard output and error of gba-bsfctl into out; its exit code. */
static int ctl(const char *args)
{
    char cmd[512];
    const char *top = getenv("top_builddir");
    snprintf(cmd, sizeof cmd, "'%s/bsf/gba-bsfctl' --config '%s/bsf.yaml' %s 2>&1", top ? top : ".", kit.dir, args);
    FILE *f = popen(cmd, "r");
    if (!f)
        exit(99);
    out[fread(out, 1, sizeof out - 1, f)] = '\0';
    int rc = pclose(f);
    CU_ASSERT(!strstr(out, "e203edb3971574f5") && !strstr(out, "4gPts5cVdPW")); /* Ks, in hex or base64 */
    return rc >> 8;
}

static void put(store_kind kind, const char *key, gba_span value)
{
    size_t failed;
    const store_op op = {.type = STORE_PUT, .kind = kind, .key = gba_str(key), .value = value};
    CU_ASSERT_EQUAL(store_write(kit.store, &op, 1, time(NULL), &failed), GBA_OK);
}

static void put_head(const char *btid)
{
    uint8_t o[REC_HEAD_MAX];
    size_t n = sizeof o;
    rec_head h = {.challenge_ms = 5000};
    snprintf(h.btid.s, sizeof h.btid.s, "%s", btid);
    snprintf(h.tmpi.s, sizeof h.tmpi.s, "%s", TMPI);
    CU_ASSERT_EQUAL(rec_head_write(&h, o, &n), GBA_OK);
    put(STORE_HEAD, IMPI, gba_mem(o, n));
}

static void fill(void)
{
    char path[128];
    uint8_t o[REC_TMPI_MAX];
    size_t n = sizeof o;
    rec_session s = zn_kit_sample();
    s.created = time(NULL) - 10;
    s.expires = time(NULL) + 3600;
    s.challenge_ms = 5000;
    zn_kit_session(&kit, LIVE, &s, s.expires);
    const rec_session tomb = {.tombstone = true, .impi = s.impi, .challenge_ms = 4000};
    zn_kit_session(&kit, OLD, &tomb, time(NULL) + 60);
    put_head(LIVE);
    CU_ASSERT_EQUAL(rec_tmpi_write(&s.impi, o, &n), GBA_OK);
    put(STORE_TMPI, TMPI, gba_mem(o, n));
    snprintf(path, sizeof path, "%s/bsf.yaml", kit.dir);
    FILE *f = fopen(path, "w");
    if (!f)
        exit(99);
    fputs("bsf:\n  domain: bsf.home1.net\nstore:\n  url: sqlite:bsf.db\nseal:\n  key_file: seal.key\n"
          "ub:\n  nonce_lifetime: 40s\nclock:\n  tolerance: 3s\n",
          f);
    fclose(f);
}

static gba_err get(store_kind kind, const char *key, store_record *rec)
{
    memset(rec, 0, sizeof *rec);
    return store_get(kit.store, kind, gba_str(key), time(NULL), rec);
}

/* LIVE is a tombstone that outlives every nonce. */
static void assert_tombstone(void)
{
    store_record rec;
    rec_session s;
    CU_ASSERT_EQUAL(get(STORE_SESSION, LIVE, &rec), GBA_OK);
    CU_ASSERT_EQUAL(rec_session_read(gba_mem(rec.value, rec.n), &s), GBA_OK);
    CU_ASSERT(s.tombstone && s.challenge_ms == 5000 && s.ks.n == 0);
    CU_ASSERT(rec.expiry > time(NULL) + 40 && rec.expiry <= time(NULL) + 44);
    store_record_free(&rec);
}

/* removed: its subscriber, and with it every challenge that was out. */
static void assert_head(const char *btid, bool removed)
{
    store_record rec;
    rec_head h;
    CU_ASSERT_EQUAL(get(STORE_HEAD, IMPI, &rec), GBA_OK);
    CU_ASSERT_EQUAL(rec_head_read(gba_mem(rec.value, rec.n), &h), GBA_OK);
    CU_ASSERT_STRING_EQUAL(h.btid.s, btid);
    CU_ASSERT(removed ? h.challenge_ms > 5000 && rec.expiry > time(NULL) + 40 : h.challenge_ms == 5000 && !rec.expiry);
    CU_ASSERT((h.tmpi.s[0] != '\0') == (btid[0] != '\0'));
    store_record_free(&rec);
}

static void test_list_and_show(void)
{
    fill();
    CU_ASSERT_EQUAL(ctl("session list"), 0);
    CU_ASSERT(strstr(out, LIVE) && strstr(out, IMPI) && strstr(out, "GBA_ME") && !strstr(out, OLD));
    CU_ASSERT_EQUAL(ctl("--json session list"), 0);
    json_t *j = json_loads(out, 0, NULL);
    CU_ASSERT_EQUAL(json_array_size(j), 1);
    CU_ASSERT_STRING_EQUAL(t_str(json_array_get(j, 0), "btid"), LIVE);
    json_decref(j);
    CU_ASSERT_EQUAL(ctl("session list --impi other@home1.net --json"), 0);
    CU_ASSERT_STRING_EQUAL(out, "[]\n");
    CU_ASSERT_EQUAL(ctl("session show " LIVE " --json"), 0);
    CU_ASSERT(strstr(out, IMPI) != NULL);
    CU_ASSERT_EQUAL(ctl("session show " OLD), 1);
}

static void test_revoke(void)
{
    store_record rec;
    fill();
    CU_ASSERT_EQUAL(ctl("session revoke " OLD), 1); /* superseded before */
    assert_head(LIVE, false);
    CU_ASSERT_EQUAL(ctl("session revoke " LIVE " --json"), 0);
    CU_ASSERT(strstr(out, "\"revoked\"") && strstr(out, IMPI));
    assert_tombstone();
    assert_head("", false);
    CU_ASSERT_EQUAL(get(STORE_TMPI, TMPI, &rec), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(ctl("session revoke " LIVE), 1);
    CU_ASSERT_EQUAL(ctl("session list"), 0);
    CU_ASSERT(strstr(out, "no live sessions") != NULL);
}

/* The head has moved on: it and its TMPI stay. */
static void test_revoke_beside_a_newer(void)
{
    store_record rec;
    fill();
    put_head("newer@bsf.home1.net");
    CU_ASSERT_EQUAL(ctl("session revoke " LIVE), 0);
    assert_tombstone();
    assert_head("newer@bsf.home1.net", false);
    CU_ASSERT_EQUAL(get(STORE_TMPI, TMPI, &rec), GBA_OK);
    store_record_free(&rec);
}

/* A revoked session's key is released no more, though the NAF may have it. */
static void test_zn_after_revoke(void)
{
    static char heard[16384];
    gba_fqdn name = {"naf1.home1.net"};
    zn_query q = {.names = &name, .n_names = 1, .naf_id = {{"naf1.home1.net"}, {{1, 0, 0, 0, 2}}}};
    zn_answer a;
    zn *z;
    fill();
    CU_ASSERT_EQUAL_FATAL(zn_new(kit.store, &z), GBA_OK);
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str(LIVE), &q.btid), GBA_OK);
    CU_ASSERT_EQUAL(ctl("naf allow naf1.home1.net --fqdn naf1.home1.net --ua 01"), 0);
    zn_kit_hush(&kit);
    CU_ASSERT_EQUAL(zn_release(z, &q, time(NULL), &a, NULL, NULL), GBA_OK);
    CU_ASSERT_EQUAL(ctl("session revoke " LIVE), 0);
    CU_ASSERT_EQUAL(zn_release(z, &q, time(NULL), &a, NULL, NULL), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(ctl("naf deny naf1.home1.net"), 0);
    CU_ASSERT_EQUAL(zn_release(z, &q, time(NULL), &a, NULL, NULL), GBA_E_FORBIDDEN);
    zn_kit_heard(&kit, heard, sizeof heard);
    zn_free(&z);
}

static void test_remove_ends_the_session(void)
{
    fill();
    CU_ASSERT_EQUAL(ctl("subscriber add " IMPI
                        " --k 000102030405060708090a0b0c0d0e0f --opc 000102030405060708090a0b0c0d0e0f --replace"),
                    0);
    CU_ASSERT_EQUAL(ctl("subscriber show " IMPI), 0);
    CU_ASSERT(strstr(out, LIVE) != NULL);
    CU_ASSERT_EQUAL(ctl("subscriber remove " IMPI), 0);
    assert_tombstone();
    assert_head("", true);
    fill();
    CU_ASSERT_EQUAL(ctl("subscriber remove " IMPI), 1); /* it is gone: then its session stays as it is */
    assert_head(LIVE, false);
}

/* TS 35.207 test set 1: what is stored is OPc, and the USIM's defaults. */
static void test_subscriber_record(void)
{
    store_record rec;
    rec_subscriber r;
    CU_ASSERT_EQUAL(ctl("subscriber add op@home1.net --k 465b5ce8b199b49faa5f0a2ee238a6bc "
                        "--op cdc202d5123e20f62b6d676ac72cb318"),
                    0);
    CU_ASSERT_EQUAL(get(STORE_SUBSCRIBER, "op@home1.net", &rec), GBA_OK);
    CU_ASSERT_EQUAL(rec_subscriber_read(gba_mem(rec.value, rec.n), &r), GBA_OK);
    CU_ASSERT(t_secret_is(&r.key.k, "465b5ce8b199b49faa5f0a2ee238a6bc"));
    CU_ASSERT(t_secret_is(&r.key.opc, "cd63cb71954a9f4e48a5994e37a02baf"));
    CU_ASSERT(r.key.algorithm == GBA_MILENAGE && r.key.res_len == 8 && r.amf[0] == 0 && r.amf[1] == 0 && !r.blocked);
    CU_ASSERT(rec.expiry == 0 && r.created >= time(NULL) - 10 && r.seq_offset < 0);
    store_record_free(&rec);
    rec_subscriber_wipe(&r);
}

int main(void)
{
    static const t_case cases[] = {{"list and show", test_list_and_show},
                                   {"revoke", test_revoke},
                                   {"revoke beside a newer session", test_revoke_beside_a_newer},
                                   {"Zn after revoke", test_zn_after_revoke},
                                   {"removing a subscriber", test_remove_ends_the_session},
                                   {"a subscriber's record", test_subscriber_record}};
    zn_kit_open(&kit);
    int rc = t_run("ctl_session", cases, sizeof cases / sizeof *cases);
    zn_kit_close(&kit);
    return rc;
}
