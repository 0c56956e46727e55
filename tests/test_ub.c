/* SPDX-License-Identifier: Apache-2.0 */
/* test_ub.c - the Ub step machine: foreign transcripts, and every hostile BSF. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/t_main.h"
#include "tests/ue_peer.h"

/* ---- a card in memory ---- */

typedef struct card {
    gba_aka_key key;
    gba_sqn_array array;
    gba_err fault; /* answered instead */
    unsigned kept;
} card;

static gba_err card_impi(void *c, gba_impi *out)
{
    (void)c;
    return gba_impi_parse(gba_str(PEER_IMPI), out);
}

static gba_err card_boot(void *self, const uint8_t rand[16], const uint8_t autn[16], gba_uicc_answer *out)
{
    card *c = self;
    gba_card_answer a = {0};
    if (c->fault)
        return c->fault;
    gba_err e = gba_aka_card(&c->key, &gba_sqn_default, &c->array, rand, autn, false, &a);
    if (e == GBA_E_SYNC)
        memcpy(out->auts, a.auts, 14);
    if (!e)
        e = gba_ks(&a.ck, &a.ik, &out->ks.ks);
    if (!e)
        e = gba_secret_set(&out->res, a.res.o, a.res.n);
    gba_card_answer_wipe(&a);
    return e;
}

static gba_err card_keep(void *self, const gba_btid *btid, const char *lifetime)
{
    card *c = self;
    c->kept += btid->s[0] && lifetime[0];
    return GBA_OK;
}

static void card_close(void *self)
{
    (void)self;
}

static const gba_uicc_ops card_ops = {
    .name = "memory", .impi = card_impi, .boot = card_boot, .keep = card_keep, .close = card_close};

/* ---- transcripts ---- */

/* sqn is the highest it has accepted. */
static void set_all(card *c, uint64_t sqn)
{
    for (int i = 0; i < 32; i++)
        c->array.seq[i] = gba_sqn_seq(&gba_sqn_default, sqn) - 1;
    gba_sqn_accept(&gba_sqn_default, &c->array, sqn);
}

/* The peer's message of a transcript, taken apart. */
static void read_message(const char *text, gba_ue_answer *a, gba_ue_field *f, size_t room)
{
    const char *end = strstr(text, "\r\n\r\n"), *line = strstr(text, "\r\n") + 2;
    a->status = (int)strtol(text + 9, NULL, 10);
    a->fields = f;
    a->n_fields = 0;
    while (line < end + 2 && a->n_fields < room) {
        const char *colon = strchr(line, ':'), *eol = strstr(line, "\r\n");
        f[a->n_fields++] = (gba_ue_field){gba_mem(line, (size_t)(colon - line)),
                                          gba_mem(colon + 2, (size_t)(eol - colon - 2))};
        line = eol + 2;
    }
    a->body = gba_str(end + 4);
}

static gba_span value_of(const gba_ub_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (gba_span_ieq(r->fields[i].name, gba_str(name)))
            return r->fields[i].value;
    return gba_mem(NULL, 0);
}

/* Our Authorization says what the transcript's does. */
static void same_authorization(const gba_ub_request *r, const char *message)
{
    static gba_authorization ours, theirs;
    const char *at = strstr(message, "Authorization: ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    at += 15;
    CU_ASSERT_EQUAL_FATAL(gba_authorization_parse(gba_mem(at, (size_t)(strstr(at, "\r\n") - at)), &theirs), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_authorization_parse(value_of(r, "Authorization"), &ours), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(ours.username, theirs.username));
    CU_ASSERT_TRUE(gba_span_eq(ours.realm, theirs.realm));
    CU_ASSERT_TRUE(gba_span_eq(ours.nonce, theirs.nonce));
    CU_ASSERT_TRUE(gba_span_eq(ours.uri, theirs.uri));
    CU_ASSERT_TRUE(gba_span_eq(ours.response, theirs.response));
    CU_ASSERT_TRUE(gba_span_eq(ours.opaque, theirs.opaque));
    CU_ASSERT_TRUE(gba_span_eq(ours.cnonce, theirs.cnonce));
    CU_ASSERT_TRUE(gba_span_eq(ours.auts, theirs.auts));
    CU_ASSERT_EQUAL(ours.qop, theirs.qop);
    CU_ASSERT_EQUAL(ours.nc_given, theirs.nc_given);
}

/* cnonce="<32 hex digits>" of the message: the entropy of the step that made it. */
static void entropy_of(const char *message, uint8_t out[GBA_UE_ENTROPY])
{
    const char *at = strstr(message, "cnonce=\"");
    memset(out, 0, GBA_UE_ENTROPY);
    if (at)
        CU_ASSERT_EQUAL_FATAL(gba_hex_decode(gba_mem(at + 8, 32), out, &(size_t){GBA_UE_ENTROPY}), GBA_OK);
}

static void check_transcript_end(const gba_ub *ub, const json_t *c)
{
    char until[GBA_TIME_TEXT];
    const gba_ue_session *s = gba_ub_session(ub);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_TRUE(t_secret_is(&s->ks.ks, t_str(c, "ks")));
    CU_ASSERT_STRING_EQUAL(s->btid.s, t_str(c, "b_tid"));
    CU_ASSERT_TRUE(t_is(GBA_SPAN(s->rand), t_str(c, "rand")));
    CU_ASSERT_EQUAL(gba_time_print(s->lifetime, until), GBA_OK);
    CU_ASSERT_STRING_EQUAL(until, t_str(c, "lifetime"));
}

static void run_transcript(const json_t *c)
{
    json_t *messages = json_object_get(c, "messages");
    card k = {.key.algorithm = GBA_MILENAGE, .key.k = t_secret(t_str(c, "k")), .key.opc = t_secret(t_str(c, "opc"))};
    gba_uicc *u;
    gba_ub *ub;
    gba_ub_request r;
    gba_ub_next next = GBA_UB_SEND;
    gba_ue_field f[16];
    gba_ub_config cfg = {0};
    uint8_t random[GBA_UE_ENTROPY];
    set_all(&k, strtoull(t_str(c, "usim_sqn_ms_before"), NULL, 16));
    CU_ASSERT_EQUAL_FATAL(gba_uicc_new(&card_ops, &k, &u), GBA_OK);
    cfg.uicc = u;
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str(t_str(c, "impi")), &cfg.impi), GBA_OK);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str(t_str(c, "bsf_fqdn")), &cfg.bsf), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_ub_new(&cfg, &ub), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_ub_start(ub, &r), GBA_OK);
    for (size_t i = 0; i + 1 < json_array_size(messages); i += 2) {
        gba_ue_answer a = {0};
        CU_ASSERT_EQUAL(next, GBA_UB_SEND);
        same_authorization(&r, t_str(json_array_get(messages, i), "text"));
        read_message(t_str(json_array_get(messages, i + 1), "text"), &a, f, 16);
        if (i + 2 < json_array_size(messages))
            entropy_of(t_str(json_array_get(messages, i + 2), "text"), random);
        CU_ASSERT_EQUAL_FATAL(gba_ub_feed(ub, &a, random, PEER_NOW, &next, &r), GBA_OK);
    }
    CU_ASSERT_EQUAL(next, GBA_UB_DONE);
    CU_ASSERT_EQUAL(k.kept, 1);
    check_transcript_end(ub, c);
    gba_ub_free(&ub);
    gba_uicc_free(&u);
}

static void transcripts(void)
{
    json_t *root, *c, *cases = t_cases("ub_transcripts", &root);
    size_t i, ran = 0;
    json_array_foreach(cases, i, c)
    {
        const char *mode = t_str(c, "mode");
        if (strcmp(mode, "u") == 0 || strcmp(mode, "2g") == 0)
            continue; /* other cards */
        run_transcript(c);
        ran++;
    }
    CU_ASSERT_TRUE(ran >= 3);
    json_decref(root);
}

/* ---- against the peer ---- */

typedef struct bench {
    peer p;
    card k;
    gba_uicc *u;
    gba_ub_config c;
    gba_ub *ub;
    unsigned steps;
    char text[GBA_UE_TEXT];
} bench;
static bench b;

static void begin(void)
{
    memset(&b, 0, sizeof b);
    peer_open(&b.p);
    b.k.key = b.p.key;
    CU_ASSERT_EQUAL_FATAL(gba_uicc_new(&card_ops, &b.k, &b.u), GBA_OK);
    b.c = (gba_ub_config){.impi = b.p.impi, .uicc = b.u};
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str(PEER_BSF), &b.c.bsf), GBA_OK);
}

/* Runs to the end; what it ends with. */
static gba_err go(void)
{
    gba_ub_request r;
    gba_ub_next next = GBA_UB_SEND;
    uint8_t random[GBA_UE_ENTROPY] = {7};
    CU_ASSERT_EQUAL_FATAL(gba_ub_new(&b.c, &b.ub), GBA_OK);
    gba_err e = gba_ub_start(b.ub, &r);
    for (b.steps = 0; !e && next == GBA_UB_SEND && b.steps < 20; b.steps++) {
        gba_ue_answer a;
        peer_ub(&b.p, r.method, r.target, r.fields, r.n_fields, &a);
        random[0]++;
        e = gba_ub_feed(b.ub, &a, random, PEER_NOW, &next, &r);
    }
    CU_ASSERT_TRUE(b.steps < 20);
    snprintf(b.text, sizeof b.text, "%s", gba_ub_text(b.ub));
    CU_ASSERT_EQUAL(gba_ub_session(b.ub) != NULL, e == GBA_OK);
    CU_ASSERT_EQUAL(b.text[0] != '\0', e != GBA_OK);
    return e;
}

static void end(void)
{
    gba_ub_free(&b.ub);
    gba_uicc_free(&b.u);
    peer_close(&b.p);
}

static void plain_success(void)
{
    begin();
    CU_ASSERT_EQUAL_FATAL(go(), GBA_OK);
    const gba_ue_session *s = gba_ub_session(b.ub);
    CU_ASSERT_EQUAL(b.steps, 2);
    CU_ASSERT_TRUE(gba_secret_eq(&s->ks.ks, &b.p.ks));
    CU_ASSERT_STRING_EQUAL(s->btid.s, b.p.btid.s);
    CU_ASSERT_STRING_EQUAL(s->impi.s, PEER_IMPI);
    CU_ASSERT_STRING_EQUAL(s->tmpi.s, ""); /* this BSF announces none */
    CU_ASSERT_EQUAL(s->lifetime, PEER_NOW + 3600);
    CU_ASSERT_EQUAL(s->expires, PEER_NOW + 3600);
    CU_ASSERT_TRUE(gba_product_token(gba_str(b.p.last_agent), "3gpp-gba-tmpi"));
    gba_ub_request r;
    gba_ub_next next;
    gba_ue_answer again = {.status = 401};
    uint8_t random[GBA_UE_ENTROPY] = {0};
    CU_ASSERT_EQUAL(gba_ub_feed(b.ub, &again, random, PEER_NOW, &next, &r), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_ub_start(b.ub, &r), GBA_E_ARG);
    end();
}

/* One hostile answer each: no RES may have left the card's side for the first group. */
#define REFUSED(member, value, err, word)                                                                              \
    do {                                                                                                               \
        begin();                                                                                                       \
        b.p.member = value;                                                                                            \
        CU_ASSERT_EQUAL(go(), err);                                                                                    \
        if (!strstr(b.text, word))                                                                                     \
            printf("\n  %s: \"%s\" lacks \"%s\"", #member, b.text, word);                                              \
        CU_ASSERT_PTR_NOT_NULL(strstr(b.text, word));                                                                  \
        CU_ASSERT_EQUAL(b.p.ub_requests, 1);                                                                           \
        end();                                                                                                         \
    } while (0)

static void hostile_challenges(void)
{
    REFUSED(realm, "bsf.evil.test", GBA_E_FORBIDDEN, "realm");
    REFUSED(realm, "", GBA_E_FORBIDDEN, "realm");
    REFUSED(nonce, "", GBA_E_SYNTAX, "nonce of 0 characters");
    REFUSED(nonce, "AAAA", GBA_E_SYNTAX, "nonce of 4 characters");
    char long_one[400];
    memset(long_one, 'A', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    REFUSED(nonce, long_one, GBA_E_SYNTAX, "nonce of 399 characters is not base64 of RAND, AUTN and at most");
    /* 31 octets, and no base64 at all */
    REFUSED(nonce, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", GBA_E_SYNTAX, "nonce");
    REFUSED(nonce, "not*base64*not*base64*not*base64*not*base64*", GBA_E_SYNTAX, "nonce");
    REFUSED(qop, "auth", GBA_E_FORBIDDEN, "auth-int");
    REFUSED(algorithm, "MD5", GBA_E_FORBIDDEN, "AKAv1-MD5");
    REFUSED(algorithm, "AKAv2-MD5", GBA_E_FORBIDDEN, "AKAv1-MD5");
    REFUSED(algorithm, "SHA-256", GBA_E_FORBIDDEN, "AKAv1-MD5");
    REFUSED(algorithm, "AKAv9-MD5", GBA_E_FORBIDDEN, "AKAv1-MD5");
    REFUSED(no_challenge, true, GBA_E_FORBIDDEN, "no Digest challenge");
    REFUSED(wrong_mac, true, GBA_E_AUTH, "UICC");
    REFUSED(early_200, true, GBA_E_FORBIDDEN, "200");
    REFUSED(status, 403, GBA_E_FORBIDDEN, "403");
    REFUSED(status, 404, GBA_E_UNKNOWN, "404");
    REFUSED(status, 302, GBA_E_FORBIDDEN, "redirect");
    REFUSED(status, 400, GBA_E_SYNTAX, "400");
    REFUSED(status, 204, GBA_E_SYNTAX, "204");
    REFUSED(status, 429, GBA_E_BUSY, "429");
    REFUSED(status, 503, GBA_E_BUSY, "503");
}

static void malformed_challenge(void)
{
    begin();
    b.p.no_challenge = true;
    b.p.challenge_before = "Digest realm=\"bsf.example.test, nonce=";
    CU_ASSERT_EQUAL(go(), GBA_E_SYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "malformed"));
    end();
}

static void several_challenges(void)
{
    begin();
    b.p.challenge_before = "Basic realm=\"x\", Digest realm=\"bsf.example.test\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"";
    b.p.qop = "auth,auth-int";
    CU_ASSERT_EQUAL(go(), GBA_OK);
    end();
    begin(); /* a broken field does not hide the right one */
    b.p.challenge_before = "Digest realm=\"";
    CU_ASSERT_EQUAL(go(), GBA_OK);
    end();
}

/* ... and these come after our RES: the session is not made. */
#define NOT_BELIEVED(member, value, err, word)                                                                         \
    do {                                                                                                               \
        begin();                                                                                                       \
        b.p.member = value;                                                                                            \
        CU_ASSERT_EQUAL(go(), err);                                                                                    \
        CU_ASSERT_PTR_NOT_NULL(strstr(b.text, word));                                                                  \
        CU_ASSERT_EQUAL(b.p.ub_requests, 2);                                                                           \
        CU_ASSERT_EQUAL(b.k.kept, 0);                                                                                  \
        end();                                                                                                         \
    } while (0)

static void hostile_successes(void)
{
    NOT_BELIEVED(wrong_rspauth, true, GBA_E_AUTH, "rspauth");
    NOT_BELIEVED(no_rspauth, true, GBA_E_AUTH, "rspauth");
    NOT_BELIEVED(btid_domain, "bsf.evil.test", GBA_E_FORBIDDEN, "B-TID");
    NOT_BELIEVED(body, "", GBA_E_SYNTAX, "BootstrappingInfo");
    NOT_BELIEVED(body, "<BootstrappingInfo", GBA_E_SYNTAX, "BootstrappingInfo");
    NOT_BELIEVED(lifetime, "2020-01-01T00:00:00Z", GBA_E_EXPIRED, "2020");
    NOT_BELIEVED(status_auth, 403, GBA_E_FORBIDDEN, "403");
    NOT_BELIEVED(status_auth, 500, GBA_E_BUSY, "500");
    NOT_BELIEVED(status_auth, 301, GBA_E_FORBIDDEN, "redirect");
}

/* A body swapped on the way is noticed before any of it counts. */
static void swapped_body(void)
{
    gba_ub_request r;
    gba_ub_next next;
    gba_ue_answer a;
    uint8_t random[GBA_UE_ENTROPY] = {1};
    begin();
    CU_ASSERT_EQUAL_FATAL(gba_ub_new(&b.c, &b.ub), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_ub_start(b.ub, &r), GBA_OK);
    peer_ub(&b.p, r.method, r.target, r.fields, r.n_fields, &a);
    CU_ASSERT_EQUAL_FATAL(gba_ub_feed(b.ub, &a, random, PEER_NOW, &next, &r), GBA_OK);
    peer_ub(&b.p, r.method, r.target, r.fields, r.n_fields, &a);
    char *lifetime = strstr(b.p.room, "<lifetime>20");
    CU_ASSERT_PTR_NOT_NULL_FATAL(lifetime);
    lifetime[11] = '9';
    CU_ASSERT_EQUAL(gba_ub_feed(b.ub, &a, random, PEER_NOW, &next, &r), GBA_E_AUTH);
    CU_ASSERT_PTR_NULL(gba_ub_session(b.ub));
    end();
}

static void wrong_res(void)
{
    begin();
    b.k.key.k = t_secret("00112233445566778899aabbccddeeff");
    CU_ASSERT_EQUAL(go(), GBA_E_AUTH); /* another K: AUTN's MAC first */
    CU_ASSERT_EQUAL(b.p.ub_requests, 1);
    end();
    begin(); /* the BSF refuses RES: it is not tried again */
    b.p.realm = "BSF.example.test"; /* the same name, but another A1 than it computes */
    CU_ASSERT_EQUAL(go(), GBA_E_AUTH);
    CU_ASSERT_EQUAL(b.p.ub_requests, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "refused our RES"));
    end();
}

/* C1: the UE goes on, a bounded number of times, and blames neither its card nor its TMPI. */
static void stale_nonce(void)
{
    for (unsigned n = 1; n <= 3; n++) {
        begin();
        b.p.stale = n;
        CU_ASSERT_EQUAL(go(), GBA_OK);
        CU_ASSERT_EQUAL(b.steps, 2 + n);
        end();
    }
    begin();
    b.p.stale = 1000;
    CU_ASSERT_EQUAL(go(), GBA_E_BUSY);
    CU_ASSERT_EQUAL(b.p.ub_requests, 5);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "stale"));
    CU_ASSERT_PTR_NULL(strstr(b.text, "K and OPc"));
    end();
}

static void stale_for_tmpi(void)
{
    gba_impi first;
    begin();
    b.p.tmpi = true;
    CU_ASSERT_EQUAL_FATAL(go(), GBA_OK);
    first = b.c.tmpi = b.p.tmpi_now;
    for (unsigned n = 2; n < 1000; n += 500) {
        gba_ub_free(&b.ub);
        b.p.stale = n;
        CU_ASSERT_EQUAL(go(), n == 2 ? GBA_OK : GBA_E_BUSY);
        CU_ASSERT_STRING_EQUAL(b.p.last_username.s, first.s); /* never the IMPI in clear */
        CU_ASSERT_FALSE(gba_ub_tmpi_refused(b.ub));
        first = b.c.tmpi = b.p.tmpi_now;
    }
    end();
}

static void stale_auts(void)
{
    begin();
    set_all(&b.k, 0x800000);
    b.p.stale_auts = 2;
    CU_ASSERT_EQUAL(go(), GBA_OK);
    CU_ASSERT_EQUAL(b.p.resyncs, 1);
    CU_ASSERT_EQUAL(b.steps, 5);
    end();
    begin();
    set_all(&b.k, 0x800000);
    b.p.stale_auts = 1000;
    CU_ASSERT_EQUAL(go(), GBA_E_BUSY);
    CU_ASSERT_EQUAL(b.p.ub_requests, 5);
    end();
}

static void resynchronisation(void)
{
    begin();
    set_all(&b.k, 0x800000);
    CU_ASSERT_EQUAL(go(), GBA_OK);
    CU_ASSERT_EQUAL(b.p.resyncs, 1);
    CU_ASSERT_EQUAL(b.steps, 3);
    end();
    begin(); /* an AuC that does not learn */
    set_all(&b.k, 0x800000);
    b.p.keep_sqn = true;
    CU_ASSERT_EQUAL(go(), GBA_E_SYNC);
    CU_ASSERT_EQUAL(b.p.resyncs, 1);
    CU_ASSERT_EQUAL(b.p.ub_requests, 2);
    end();
    begin(); /* 200 in answer to AUTS */
    set_all(&b.k, 0x800000);
    gba_ub_request r;
    gba_ub_next next;
    gba_ue_answer a;
    uint8_t random[GBA_UE_ENTROPY] = {1};
    CU_ASSERT_EQUAL_FATAL(gba_ub_new(&b.c, &b.ub), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_ub_start(b.ub, &r), GBA_OK);
    peer_ub(&b.p, r.method, r.target, r.fields, r.n_fields, &a);
    CU_ASSERT_EQUAL_FATAL(gba_ub_feed(b.ub, &a, random, PEER_NOW, &next, &r), GBA_OK);
    b.p.early_200 = true;
    peer_ub(&b.p, r.method, r.target, r.fields, r.n_fields, &a);
    CU_ASSERT_EQUAL(gba_ub_feed(b.ub, &a, random, PEER_NOW, &next, &r), GBA_E_FORBIDDEN);
    end();
}

static void card_faults(void)
{
    static const gba_err faults[] = {GBA_E_IO, GBA_E_CORRUPT, GBA_E_FORBIDDEN, GBA_E_BUSY};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        begin();
        b.k.fault = faults[i];
        CU_ASSERT_EQUAL(go(), faults[i]);
        CU_ASSERT_EQUAL(b.p.ub_requests, 1);
        end();
    }
}

static void clock_is_off(void)
{
    begin(); /* our clock is years ahead: currenttime tells */
    b.p.lifetime = "2020-01-01T01:00:00Z";
    b.p.currenttime = "2020-01-01T00:00:00Z";
    CU_ASSERT_EQUAL_FATAL(go(), GBA_OK);
    CU_ASSERT_EQUAL(gba_ub_session(b.ub)->expires, PEER_NOW + 3600);
    CU_ASSERT_EQUAL(gba_ub_session(b.ub)->lifetime, 1577840400);
    end();
    begin();
    b.p.lifetime = "2030-01-01T01:00:00Z";
    b.p.currenttime = "2030-01-01T01:00:00Z";
    CU_ASSERT_EQUAL(go(), GBA_E_EXPIRED);
    end();
}

static void tmpi(void)
{
    gba_impi first;
    begin();
    b.p.tmpi = true;
    CU_ASSERT_EQUAL_FATAL(go(), GBA_OK);
    CU_ASSERT_STRING_EQUAL(gba_ub_session(b.ub)->tmpi.s, b.p.tmpi_now.s);
    first = b.p.tmpi_now;
    gba_ub_free(&b.ub);
    b.c.tmpi = first; /* used */
    CU_ASSERT_EQUAL_FATAL(go(), GBA_OK);
    CU_ASSERT_STRING_EQUAL(b.p.last_username.s, first.s);
    CU_ASSERT_FALSE(gba_ub_tmpi_refused(b.ub));
    CU_ASSERT_STRING_NOT_EQUAL(gba_ub_session(b.ub)->tmpi.s, first.s);
    CU_ASSERT_STRING_EQUAL(gba_ub_session(b.ub)->impi.s, PEER_IMPI);
    gba_ub_free(&b.ub);
    b.p.forget_tmpi = true; /* unknown: the IMPI, once */
    CU_ASSERT_EQUAL_FATAL(go(), GBA_OK);
    CU_ASSERT_TRUE(gba_ub_tmpi_refused(b.ub));
    CU_ASSERT_STRING_EQUAL(b.p.last_username.s, PEER_IMPI);
    CU_ASSERT_EQUAL(b.steps, 3);
    gba_ub_free(&b.ub);
    b.p.status = 403; /* and the IMPI is refused, too */
    CU_ASSERT_EQUAL(go(), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(b.steps, 2);
    gba_ub_free(&b.ub);
    b.p.status = 0;
    b.c.no_tmpi = true;
    CU_ASSERT_EQUAL(go(), GBA_OK);
    CU_ASSERT_FALSE(gba_product_token(gba_str(b.p.last_agent), "3gpp-gba-tmpi"));
    CU_ASSERT_STRING_EQUAL(gba_ub_session(b.ub)->tmpi.s, "");
    end();
}

static void arguments(void)
{
    gba_ub *ub = NULL;
    char long_target[1100];
    begin();
    gba_ub_config c = b.c;
    c.uicc = NULL;
    CU_ASSERT_EQUAL(gba_ub_new(&c, &ub), GBA_E_ARG);
    c = b.c;
    c.target = "no-slash";
    CU_ASSERT_EQUAL(gba_ub_new(&c, &ub), GBA_E_ARG);
    memset(long_target, 'a', sizeof long_target - 1);
    long_target[0] = '/';
    long_target[sizeof long_target - 1] = '\0';
    c.target = long_target;
    CU_ASSERT_EQUAL(gba_ub_new(&c, &ub), GBA_E_RANGE);
    b.c.target = "/ub?x=1"; /* a BSF elsewhere than at / */
    CU_ASSERT_EQUAL(go(), GBA_OK);
    gba_ub_free(&ub);
    end();
}

T_MAIN("ub", {"foreign transcripts", transcripts}, {"success", plain_success},
       {"challenges not to answer", hostile_challenges}, {"malformed challenge", malformed_challenge},
       {"several challenges", several_challenges}, {"successes not to believe", hostile_successes},
       {"body swapped", swapped_body}, {"wrong RES", wrong_res}, {"stale nonce", stale_nonce},
       {"stale nonce under a TMPI", stale_for_tmpi}, {"stale nonce after AUTS", stale_auts},
       {"resynchronisation", resynchronisation}, {"card faults", card_faults}, {"clock is off", clock_is_off},
       {"TMPI", tmpi}, {"arguments", arguments})
