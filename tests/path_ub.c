/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path_ub.c - whole bootstraps in one process, with a clock the test turns and, for the published
 * transcripts (tests/vectors/ub_transcripts.json, made by another implementation), a random
 * source that says their RAND. Linked with --wrap=service_random.
 */
#include <stdio.h>
#include <string.h>
#include <gba/kdf.h>
#include "libgba/bootinfo.h"
#include "tests/bsf_kit.h"
#include "tests/t_main.h"

static uint8_t next_rand[16];
static bool say_rand;
void __real_service_random(void *out, size_t n);
void __wrap_service_random(void *out, size_t n);
void __wrap_service_random(void *out, size_t n)
{
    if (say_rand && n == 16)
        memcpy(out, next_rand, 16);
    else
        __real_service_random(out, n);
}

/* The value of `name="..."` in a message. */
static void field_of(const char *text, const char *name, char *out, size_t n)
{
    char want[64];
    snprintf(want, sizeof want, "%s=\"", name);
    const char *p = strstr(text, want), *end = p ? strchr(p + strlen(want), '"') : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    p += strlen(want);
    snprintf(out, n, "%.*s", (int)(end - p), p);
}

/* "Authorization: " of a transcript's message, with our opaque in the place of theirs. */
static void authorization_of(const char *message, const char *opaque, char *out, size_t n)
{
    const char *p = strstr(message, "Authorization: "), *end = p ? strstr(p, "\r\n") : NULL;
    char theirs[128];
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    p += strlen("Authorization: ");
    if (!opaque) {
        snprintf(out, n, "%.*s", (int)(end - p), p);
        return;
    }
    field_of(message, "opaque", theirs, sizeof theirs);
    const char *at = strstr(p, theirs);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    snprintf(out, n, "%.*s%s%.*s", (int)(at - p), p, opaque, (int)(end - at - (ptrdiff_t)strlen(theirs)),
             at + strlen(theirs));
}

static void check_session(kit *k, const char *btid, const char *impi, const char *ks)
{
    store_record rec = {0};
    rec_session s;
    CU_ASSERT_EQUAL_FATAL(store_get(k->store, STORE_SESSION, gba_str(btid), kit_now_ms / 1000, &rec), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(rec_session_read(gba_mem(rec.value, rec.n), &s), GBA_OK);
    CU_ASSERT_STRING_EQUAL(s.impi.s, impi);
    CU_ASSERT_FALSE(s.tombstone);
    CU_ASSERT_TRUE(t_secret_is(&s.ks, ks));
    rec_session_wipe(&s);
    store_record_free(&rec);
}

/* The foreign UE's own messages lead to its keys. */
static void run_transcript(json_t *c)
{
    json_t *messages = json_object_get(c, "messages");
    const char *impi = t_str(c, "impi");
    uint8_t sqn6[6];
    uint64_t sqn = 0;
    char buf[2048], nonce[128], opaque[256];
    kit k = {0};
    kit_reply r;
    kit_options o = {.domain = t_str(c, "bsf_fqdn"), .in_opaque = true, .no_tmpi = true};

    t_hex_into(t_str(c, "sqn"), sqn6, 6);
    for (int i = 0; i < 6; i++)
        sqn = sqn << 8 | sqn6[i];
    o.ind = gba_sqn_ind(&gba_sqn_default, sqn);
    t_hex_into(t_str(c, "rand"), next_rand, 16);
    kit_open(&k, &o, false);
    /* the first SQN is SEQ + 1 of what was provisioned: the transcript's */
    kit_subscriber(&k, impi, t_str(c, "k"), t_str(c, "opc"), t_str(c, "amf"), sqn - 32);

    say_rand = true;
    authorization_of(t_str(json_array_get(messages, 0), "text"), NULL, buf, sizeof buf);
    kit_get(&k, buf, &r);
    say_rand = false;
    CU_ASSERT_EQUAL_FATAL(r.status, 401);
    field_of(r.www, "nonce", nonce, sizeof nonce);
    CU_ASSERT_STRING_EQUAL(nonce, t_str(c, "nonce"));
    field_of(r.www, "opaque", opaque, sizeof opaque);

    authorization_of(t_str(json_array_get(messages, 2), "text"), opaque, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_STRING_EQUAL(r.type, "application/vnd.3gpp.bsf+xml");
    check_session(&k, t_str(c, "b_tid"), impi, t_str(c, "ks"));
    kit_close(&k, false);
}

static void transcripts(void)
{
    json_t *root, *c, *cases = t_cases("ub_transcripts", &root);
    size_t i, ran = 0;

    json_array_foreach(cases, i, c)
    {
        /* 2G, GBA_U and those with a resynchronisation have other shapes */
        if (strcmp(t_str(c, "mode"), "me") != 0 || json_array_size(json_object_get(c, "messages")) != 4)
            continue;
        run_transcript(c);
        ran++;
    }
    CU_ASSERT_TRUE(ran >= 2);
    json_decref(root);
}

static void check_success(kit *k, kit_ue *u, const char *answer, const kit_reply *r, bool tmpi)
{
    gba_authinfo info;
    gba_authorization sent;
    gba_bootinfo b;
    gba_btid want;
    gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/"), .body = gba_mem(r->body, r->body_n)};

    CU_ASSERT_EQUAL_FATAL(r->status, 200);
    CU_ASSERT_EQUAL(gba_product_token(gba_str(r->server), "3gpp-gba-tmpi"), tmpi);
    CU_ASSERT_EQUAL_FATAL(gba_bootinfo_parse(gba_mem(r->body, r->body_n), &b), GBA_OK);
    CU_ASSERT_EQUAL(gba_btid_make(u->nonce.rand, &k->domain, &want), GBA_OK);
    CU_ASSERT_STRING_EQUAL(b.btid.s, want.s);
    CU_ASSERT_EQUAL(b.lifetime, kit_now_ms / 1000 + 86400);
    CU_ASSERT_EQUAL(b.currenttime, kit_now_ms / 1000);
    CU_ASSERT_STRING_EQUAL(r->expires, "Thu, 26 Nov 2026 10:00:00 GMT");
    CU_ASSERT_EQUAL_FATAL(gba_authinfo_parse(gba_str(r->info), &info), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_authorization_parse(gba_str(answer), &sent), GBA_OK);
    CU_ASSERT_EQUAL(gba_authinfo_verify(&info, &sent, &m, gba_secret_span(&u->card.res)), GBA_OK);
    CU_ASSERT_PTR_NULL(info.nextnonce.p);
}

static void bootstrap(bool in_opaque)
{
    kit k = {0};
    kit_ue u;
    kit_reply r;
    kit_options o = {.in_opaque = in_opaque, .ind = 3};
    char answer[2048];

    kit_open(&k, &o, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    kit_ue_new(&u, KIT_IMPI, KIT_K, KIT_OPC, 0);
    kit_bootstrap(&k, &u, "UE; 3gpp-gba-tmpi", &r, answer, sizeof answer);
    check_success(&k, &u, answer, &r, true);
    CU_ASSERT_EQUAL(u.nonce.n == 0, in_opaque);
    CU_ASSERT_EQUAL(u.ch.qop, GBA_QOP_AUTH_INT);
    CU_ASSERT_EQUAL(u.ch.algorithm, GBA_DIGEST_AKAV1_MD5);
    CU_ASSERT_TRUE(gba_span_eq(u.ch.realm, gba_str(KIT_DOMAIN)));
    kit_ue_free(&u);
    kit_close(&k, false);
}

static void bootstrap_nonce(void)
{
    bootstrap(false);
}

static void bootstrap_opaque(void)
{
    bootstrap(true);
}

/* TS 33.220 B.4: the TMPI of both sides is the same, serves once more, and is then replaced. */
static void tmpi(void)
{
    kit k = {0};
    kit_ue u;
    kit_reply r;
    gba_impi impi = kit_impi(KIT_IMPI), first, second;
    gba_secret ks;
    char buf[2048];

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    kit_ue_new(&u, KIT_IMPI, KIT_K, KIT_OPC, 0);
    kit_bootstrap(&k, &u, "UE 3gpp-gba-tmpi", &r, NULL, 0);
    CU_ASSERT_EQUAL_FATAL(r.status, 200);
    CU_ASSERT_EQUAL(gba_ks(&u.card.ck, &u.card.ik, &ks), GBA_OK);
    CU_ASSERT_EQUAL(gba_tmpi(&ks, u.nonce.rand, &impi, &k.domain, &first), GBA_OK);

    kit_now_ms += 1000;
    snprintf(u.username, sizeof u.username, "%s", first.s);
    kit_bootstrap(&k, &u, "UE 3gpp-gba-tmpi", &r, buf, sizeof buf);
    CU_ASSERT_EQUAL_FATAL(r.status, 200);
    CU_ASSERT_EQUAL(gba_ks(&u.card.ck, &u.card.ik, &ks), GBA_OK);
    CU_ASSERT_EQUAL(gba_tmpi(&ks, u.nonce.rand, &impi, &k.domain, &second), GBA_OK);
    CU_ASSERT_STRING_NOT_EQUAL(first.s, second.s);
    kit_get(&k, buf, &r); /* once more, under the TMPI that was replaced by it */
    CU_ASSERT_EQUAL(r.status, 200);

    kit_now_ms += 1000 * (KIT_NONCE_S + 10);
    kit_initial(first.s, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 403);
    CU_ASSERT_STRING_EQUAL(r.www, "");
    kit_initial(second.s, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 401);
    kit_ue_free(&u);
    kit_close(&k, false);
    kit_now_ms -= 1000 * (KIT_NONCE_S + 12);
}

/* A card whose SQN another AuC has driven on: AUTS, a challenge above it, success. */
static void resynchronisation(void)
{
    uint64_t ahead = gba_sqn_make(&gba_sqn_default, 4000000, 9);
    kit k = {0};
    kit_ue u;
    kit_reply r;
    char buf[2048], auts[32];

    kit_open(&k, NULL, false);
    kit_subscriber(&k, KIT_IMPI, KIT_K, KIT_OPC, "0000", 0);
    kit_ue_new(&u, KIT_IMPI, KIT_K, KIT_OPC, ahead);
    gba_sqn_accept(&gba_sqn_default, &u.array, gba_sqn_make(&gba_sqn_default, 4000000, 0));
    kit_initial(u.username, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL_FATAL(r.status, 401);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_E_SYNC);
    gba_b64_encode(u.card.auts, 14, auts);
    kit_lie lie = {.auts = auts};
    kit_ue_answer(&u, &lie, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL_FATAL(r.status, 401);
    CU_ASSERT_EQUAL_FATAL(kit_ue_challenge(&u, &r), GBA_OK);
    kit_ue_answer(&u, NULL, buf, sizeof buf);
    kit_get(&k, buf, &r);
    CU_ASSERT_EQUAL(r.status, 200);
    kit_ue_free(&u);
    kit_close(&k, false);
}

T_MAIN("path_ub", {"transcripts of another implementation", transcripts}, {"bootstrap, data in the nonce", bootstrap_nonce},
       {"bootstrap, data in opaque", bootstrap_opaque}, {"TMPI", tmpi}, {"resynchronisation", resynchronisation})
