/* SPDX-License-Identifier: Apache-2.0 */
/* zn_kit.c - a fresh sealed store with sessions and grants, for the tests of Zn. */
#include "zn_kit.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "t.h"

#define MUST(E)                                                                                                        \
    do {                                                                                                               \
        if (!(E)) {                                                                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #E);                                                    \
            exit(99);                                                                                                  \
        }                                                                                                              \
    } while (0)

void zn_kit_open(zn_kit *k)
{
    char key[128], url[128], why[256] = "";
    snprintf(k->dir, sizeof k->dir, "/tmp/zn_kit.XXXXXX");
    MUST(mkdtemp(k->dir));
    snprintf(key, sizeof key, "%s/seal.key", k->dir);
    snprintf(url, sizeof url, "sqlite:%s/bsf.db", k->dir);
    MUST(store_key_file_create(key, why, sizeof why) == GBA_OK);
    const store_config c = {.url = url, .key_file = key, .create = true};
    MUST(store_open(&c, &k->store, why, sizeof why) == GBA_OK);
}

void zn_kit_close(zn_kit *k)
{
    char cmd[128];
    store_close(&k->store);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", k->dir);
    MUST(system(cmd) == 0);
}

static void put(zn_kit *k, store_kind kind, const char *key, gba_span value, int64_t expiry)
{
    size_t failed;
    const store_op op = {.type = STORE_PUT, .kind = kind, .key = gba_str(key), .value = value, .expiry = expiry};
    MUST(store_write(k->store, &op, 1, KIT_NOW, &failed) == GBA_OK);
}

void zn_kit_session(zn_kit *k, const char *btid, const rec_session *s, int64_t expiry)
{
    uint8_t o[REC_SESSION_MAX];
    size_t n = sizeof o;
    MUST(rec_session_write(s, o, &n) == GBA_OK);
    put(k, STORE_SESSION, btid, gba_mem(o, n), expiry);
}

void zn_kit_grant(zn_kit *k, const char *name, const char *fqdn, const char *ua, bool impi)
{
    static rec_naf naf;
    static uint8_t o[REC_MAX];
    size_t n = sizeof o;
    store_record rec = {0};
    memset(&naf, 0, sizeof naf);
    if (store_get(k->store, STORE_NAF, gba_str(name), KIT_NOW, &rec) == GBA_OK)
        MUST(rec_naf_read(gba_mem(rec.value, rec.n), &naf) == GBA_OK);
    store_record_free(&rec);
    rec_grant *g = &naf.grant[naf.n++];
    snprintf(g->fqdn.s, sizeof g->fqdn.s, "%s", fqdn);
    g->impi = impi;
    while (*ua) {
        size_t digits = strcspn(ua, " "), octets = sizeof g->ua[0].o;
        MUST(gba_hex_decode(gba_mem(ua, digits), g->ua[g->n_ua].o, &octets) == GBA_OK);
        g->ua[g->n_ua++].n = (uint8_t)octets;
        ua += digits + (ua[digits] == ' ');
    }
    MUST(rec_naf_write(&naf, o, &n) == GBA_OK);
    put(k, STORE_NAF, name, gba_mem(o, n), 0);
}

rec_session zn_kit_sample(void)
{
    rec_session s = {.created = KIT_NOW - 60, .expires = KIT_NOW + 3600, .challenge_ms = (KIT_NOW - 61) * 1000};
    s.ks = t_secret("e203edb3971574f5a94b0d61b816345d0c4524adeac041c4dd830d20854fc46b"); /* ksnaf-1 */
    t_hex_into("ce83dbc54ac0274a157c17f80d017bd6", s.rand, 16);
    snprintf(s.impi.s, sizeof s.impi.s, "user1_private@home1.net");
    return s;
}

void zn_kit_hush(zn_kit *k)
{
    (void)k;
    t_hush();
}

void zn_kit_heard(zn_kit *k, char *out, size_t n)
{
    (void)k;
    t_heard(out, n);
}
