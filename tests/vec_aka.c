/* SPDX-License-Identifier: Apache-2.0 */
/* vec_aka.c - the vector families of AKA and of the key derivations. */
#include <stdio.h>
#include <string.h>
#include <gba/aka.h>
#include <gba/kdf.h>
#include <libgba/crypt.h>
#include "check_vectors.h"

/* ---- what several families read ---- */

static uint64_t sqn_value(const uint8_t o[6])
{
    uint64_t v = 0;
    for (int i = 0; i < 6; i++)
        v = v << 8 | o[i];
    return v;
}

static gba_span sqn_octets(uint64_t sqn, uint8_t o[6])
{
    for (int i = 5; i >= 0; i--, sqn >>= 8)
        o[i] = (uint8_t)sqn;
    return gba_mem(o, 6);
}

/* OPc from "opc" (or "topc"), or from "op" (or "top"); what is given of both must agree. */
static bool read_opc(vec *v, gba_aka_key *k, const char *op_name, const char *opc_name)
{
    gba_secret op, made;
    if (!vec_has(v, op_name))
        return vec_secret(v, opc_name, &k->opc);
    if (!vec_secret(v, op_name, &op) ||
        !vec_ok(v, gba_aka_opc(k->algorithm, &k->k, &op, k->keccak_iterations, &made), op_name))
        return false;
    vec_expect_secret(v, opc_name, &made);
    k->opc = made;
    return true;
}

static bool read_key(vec *v, gba_aka_key *k)
{
    memset(k, 0, sizeof *k);
    k->algorithm = GBA_MILENAGE;
    if (vec_has(v, "algorithm")) {
        gba_span name;
        if (!vec_text(v, "algorithm", &name) ||
            !vec_ok(v, gba_aka_algorithm_parse((const char *)name.p, &k->algorithm), "algorithm"))
            return false;
    }
    bool tuak = k->algorithm == GBA_TUAK;
    return vec_secret(v, "k", &k->k) && read_opc(v, k, tuak ? "top" : "op", tuak ? "topc" : "opc") &&
           vec_ok(v, gba_aka_key_check(k), "k, opc");
}

typedef struct av_in {
    gba_aka_key key;
    uint8_t rand[16], sqn[6], amf[2];
} av_in;

static bool read_av(vec *v, av_in *in)
{
    return read_key(v, &in->key) && vec_hex_exact(v, "rand", in->rand, 16) && vec_hex_exact(v, "sqn", in->sqn, 6) &&
           vec_hex_exact(v, "amf", in->amf, 2);
}

static const char *verdict_name(gba_err e)
{
    switch (e) {
    case GBA_OK:
        return "ok";
    case GBA_E_AUTH:
        return "mac_failure";
    case GBA_E_SYNC:
        return "sync_failure";
    default:
        return gba_err_name(e);
    }
}

/* A card whose every array element stands one below the SEQ of sqn (or at 0). */
static gba_sqn_array array_before(uint64_t sqn)
{
    gba_sqn_array a;
    uint64_t seq = gba_sqn_seq(&gba_sqn_default, sqn);
    for (int i = 0; i < 256; i++)
        a.seq[i] = seq ? seq - 1 : 0;
    return a;
}

/* ---- milenage, tuak: the bare functions ---- */

static void expect_functions(vec *v, const av_in *in)
{
    gba_aka_f f;
    if (!vec_ok(v, gba_aka_functions(&in->key, in->rand, in->sqn, in->amf, &f), "f1..f5*"))
        return;
    vec_expect_hex(v, "f1", gba_mem(f.mac_a, in->key.mac_len));
    vec_expect_hex(v, "f1star", gba_mem(f.mac_s, in->key.mac_len));
    vec_expect_secret(v, "f2", &f.res);
    vec_expect_secret(v, "f3", &f.ck);
    vec_expect_secret(v, "f4", &f.ik);
    vec_expect_hex(v, "f5", GBA_SPAN(f.ak));
    vec_expect_hex(v, "f5star", GBA_SPAN(f.ak_s));
}

static void run_milenage(vec *v)
{
    av_in in;
    if (read_av(v, &in))
        expect_functions(v, &in);
}

/* A length is what the case shows of it; absent, the default. */
static bool tuak_length(vec *v, const char *name, uint8_t *len)
{
    uint8_t room[64];
    gba_span s;
    if (!vec_has(v, name))
        return true;
    if (!vec_hex(v, name, room, sizeof room, &s))
        return false;
    *len = (uint8_t)s.n;
    return vec_check(v, s.n > 0, name);
}

static void run_tuak(vec *v)
{
    av_in in = {.key = {.algorithm = GBA_TUAK}};
    int64_t iterations = 1;
    if (vec_has(v, "keccak_iterations") && !vec_int(v, "keccak_iterations", &iterations))
        return;
    if (iterations < 1 || iterations > 255) {
        vec_fail(v, "keccak_iterations: out of range");
        return;
    }
    in.key.keccak_iterations = (uint8_t)iterations;
    if (!vec_secret(v, "k", &in.key.k) || !read_opc(v, &in.key, "top", "topc") ||
        !tuak_length(v, "f1", &in.key.mac_len) || !tuak_length(v, "f2", &in.key.res_len) ||
        !tuak_length(v, "f3", &in.key.ck_len) || !tuak_length(v, "f4", &in.key.ik_len))
        return;
    if (!vec_ok(v, gba_aka_key_check(&in.key), "lengths") || !vec_hex_exact(v, "rand", in.rand, 16) ||
        !vec_hex_exact(v, "sqn", in.sqn, 6) || !vec_hex_exact(v, "amf", in.amf, 2))
        return;
    expect_functions(v, &in);
}

/* ---- aka: whole vectors ---- */

/* Compares AUTN and its parts, XRES, CK, IK; gives the vector. */
static bool expect_vector(vec *v, const av_in *in, gba_vector *av)
{
    uint8_t ak[6];
    if (!vec_ok(v, gba_aka_vector(&in->key, in->rand, sqn_value(in->sqn), in->amf, av), "vector"))
        return false;
    for (int i = 0; i < 6; i++)
        ak[i] = av->autn[i] ^ in->sqn[i];
    vec_expect_hex(v, "ak", GBA_SPAN(ak));
    vec_expect_hex(v, "mac", gba_mem(av->autn + 8, 8));
    vec_expect_hex(v, "autn", GBA_SPAN(av->autn));
    vec_expect_secret(v, "xres", &av->xres);
    vec_expect_secret(v, "ck", &av->ck);
    vec_expect_secret(v, "ik", &av->ik);
    return true;
}

/* The card must answer what the network expects. */
static void check_card(vec *v, const av_in *in, const gba_vector *av)
{
    gba_card_answer answer;
    gba_sqn_array a = array_before(sqn_value(in->sqn));
    bool fits = gba_sqn_seq(&gba_sqn_default, sqn_value(in->sqn)) > 0;
    gba_err e = gba_aka_card(&in->key, &gba_sqn_default, &a, av->rand, av->autn, false, &answer);
    if (!vec_check(v, e == (fits ? GBA_OK : GBA_E_SYNC), "the card refuses the vector") || e)
        return;
    vec_check(v,
              gba_secret_eq(&answer.res, &av->xres) && gba_secret_eq(&answer.ck, &av->ck) &&
                  gba_secret_eq(&answer.ik, &av->ik),
              "the card answers otherwise than the vector says");
}

/* AUTS from SQN_MS = that of "sqn_ms", and the network's reading of it. */
static void expect_resync(vec *v, const av_in *in)
{
    static const uint8_t amf_star[2];
    uint8_t sqn[6], auts[14];
    uint64_t read_back = 0;
    gba_aka_f f;
    if (!vec_hex_exact(v, "sqn_ms", sqn, 6) ||
        !vec_ok(v, gba_aka_functions(&in->key, in->rand, sqn, amf_star, &f), "f1*, f5*"))
        return;
    for (int i = 0; i < 6; i++)
        auts[i] = sqn[i] ^ f.ak_s[i];
    memcpy(auts + 6, f.mac_s, 8);
    vec_expect_hex(v, "amf_star", GBA_SPAN(amf_star));
    vec_expect_hex(v, "ak_star", GBA_SPAN(f.ak_s));
    vec_expect_hex(v, "mac_s", gba_mem(f.mac_s, 8));
    vec_expect_hex(v, "auts", GBA_SPAN(auts));
    if (vec_ok(v, gba_aka_auts_check(&in->key, in->rand, GBA_SPAN(auts), &read_back), "auts"))
        vec_check(v, read_back == sqn_value(sqn), "auts: reads as another SQN_MS");
}

static void run_aka(vec *v)
{
    av_in in;
    gba_vector av;
    if (!read_av(v, &in) || !expect_vector(v, &in, &av))
        return;
    check_card(v, &in, &av);
    if (vec_has(v, "sres_c2") || vec_has(v, "kc_c3")) {
        gba_secret sres, kc;
        if (vec_ok(v, gba_aka_gsm(&av.xres, &av.ck, &av.ik, &sres, &kc), "c2, c3")) {
            vec_expect_secret(v, "sres_c2", &sres);
            vec_expect_secret(v, "kc_c3", &kc);
        }
    }
    if (vec_has(v, "resync")) {
        const json_t *whole = v->o;
        v->o = json_object_get(whole, "resync");
        expect_resync(v, &in);
        v->o = whole;
    }
}

static void run_auts(vec *v)
{
    gba_aka_key k;
    uint8_t rand[16], auts[64], sqn[6];
    gba_span auts_span, expect;
    uint64_t sqn_ms = 0;
    if (!read_key(v, &k) || !vec_hex_exact(v, "rand", rand, 16) || !vec_hex(v, "auts", auts, sizeof auts, &auts_span) ||
        !vec_text(v, "expect", &expect))
        return;
    gba_err e = gba_aka_auts_check(&k, rand, auts_span, &sqn_ms);
    vec_expect_text(v, "expect", e ? "reject" : "ok");
    if (!e)
        vec_expect_hex(v, "sqn_ms", sqn_octets(sqn_ms, sqn));
    else
        vec_check(v, !vec_has(v, "sqn_ms"), "sqn_ms: given although AUTS is refused");
}

/* ---- usim_sequences ---- */

static void run_step(vec *v, const gba_aka_key *k, const gba_sqn_profile *p, gba_sqn_array *a)
{
    uint8_t rand[16], autn[64], sqn[6], shown[6];
    gba_span autn_span, expect;
    gba_card_answer answer;
    if (!vec_hex_exact(v, "rand", rand, 16) || !vec_hex(v, "autn", autn, sizeof autn, &autn_span) ||
        !vec_text(v, "expect", &expect))
        return;
    if (autn_span.n != 16) {
        vec_expect_text(v, "expect", "bad_length");
        return;
    }
    uint64_t sqn_ms = gba_sqn_ms(p, a);
    gba_err e = gba_aka_card(k, p, a, rand, autn, false, &answer);
    vec_expect_text(v, "expect", verdict_name(e));
    if (e == GBA_OK)
        vec_expect_secret(v, "res", &answer.res);
    else
        vec_check(v, !vec_has(v, "res"), "res: given although AUTN is refused");
    if (e == GBA_E_SYNC) {
        vec_expect_hex(v, "auts", GBA_SPAN(answer.auts));
        vec_expect_hex(v, "sqn_ms", sqn_octets(sqn_ms, shown));
        uint64_t read_back = 0;
        vec_check(v, !gba_aka_auts_check(k, rand, GBA_SPAN(answer.auts), &read_back) && read_back == sqn_ms,
                  "auts: the network reads another SQN_MS");
    } else {
        vec_check(v, !vec_has(v, "auts"), "auts: given although there is no synchronisation failure");
    }
    /* with a right MAC, AUTN shows the SQN it was made from */
    gba_aka_f f;
    if ((e == GBA_OK || e == GBA_E_SYNC) && vec_has(v, "sqn") && vec_hex_exact(v, "sqn", sqn, 6) &&
        vec_ok(v, gba_aka_functions(k, rand, sqn, autn + 6, &f), "f5")) {
        for (int i = 0; i < 6; i++)
            shown[i] = autn[i] ^ f.ak[i];
        vec_expect_hex(v, "sqn", GBA_SPAN(shown));
    }
}

static void run_usim_sequences(vec *v)
{
    gba_aka_key k;
    gba_sqn_profile p = gba_sqn_default;
    gba_sqn_array a;
    int64_t ind_bits = p.ind_bits, delta = (int64_t)p.delta, initial = 0;
    if (!read_key(v, &k) || (vec_has(v, "ind_bits") && !vec_int(v, "ind_bits", &ind_bits)) ||
        (vec_has(v, "delta") && !vec_int(v, "delta", &delta)) || !vec_int(v, "initial_seq_all_inds", &initial))
        return;
    if (ind_bits < 0 || ind_bits > 8 || delta < 0 || initial < 0) {
        vec_fail(v, "ind_bits, delta or initial_seq_all_inds: out of range");
        return;
    }
    p.ind_bits = (uint8_t)ind_bits;
    p.delta = (uint64_t)delta;
    for (int i = 0; i < 256; i++)
        a.seq[i] = (uint64_t)initial;
    const json_t *whole = v->o, *steps = json_object_get(whole, "steps");
    vec_check(v, json_array_size(steps) > 0, "has no steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        unsigned before = v->failed;
        v->o = json_array_get(steps, i);
        run_step(v, &k, &p, &a);
        if (v->failed != before)
            vec_fail(v, "that was step %zu", i + 1);
    }
    v->o = whole;
}

/* ---- amf_separation ---- */

static void run_amf_separation(vec *v)
{
    av_in in;
    gba_vector av;
    gba_card_answer answer;
    uint8_t autn[16];
    if (!read_av(v, &in) || !expect_vector(v, &in, &av))
        return;
    bool set = in.amf[0] & 0x80; /* TS 33.102 Annex H */
    vec_expect_bool(v, "separation_bit", set);
    memcpy(autn, av.autn, 16);
    if (vec_has(v, "autn") && !vec_hex_exact(v, "autn", autn, 16))
        return;
    gba_sqn_array a = array_before(sqn_value(in.sqn)), b = a;
    gba_err strict = gba_aka_card(&in.key, &gba_sqn_default, &a, in.rand, autn, true, &answer);
    gba_err lax = gba_aka_card(&in.key, &gba_sqn_default, &b, in.rand, autn, false, &answer);
    vec_expect_bool(v, "mac_valid", lax != GBA_E_AUTH);
    if (lax == GBA_OK)
        vec_check(v, strict == (set ? GBA_E_FORBIDDEN : GBA_OK), "the separation bit is not respected");
}

/* ---- kdf ---- */

#define PARAMS_MAX 16

/* One of "params": hex text, or {"repeat", "count"}; the octets go into room. */
static bool read_param(vec *v, const json_t *p, uint8_t *room, size_t max, gba_span *out)
{
    size_t n = max;
    const json_t *text = json_is_object(p) ? json_object_get(p, "repeat") : p;
    json_int_t count = json_is_object(p) ? json_integer_value(json_object_get(p, "count")) : 1;
    if (!json_is_string(text) || gba_hex_decode(gba_str(json_string_value(text)), room, &n) || count < 1 ||
        (n && (size_t)count > max / n)) {
        vec_fail(v, "params: cannot be read");
        return false;
    }
    for (json_int_t i = 1; i < count; i++)
        memcpy(room + (size_t)i * n, room, n);
    *out = gba_mem(room, n * (size_t)count);
    return true;
}

static void run_kdf(vec *v)
{
    static uint8_t room[PARAMS_MAX][70000];
    uint8_t fc[2], key[256];
    gba_span fc_span, key_span, expect, params[PARAMS_MAX];
    gba_secret out;
    const json_t *list = json_object_get(v->o, "params");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > PARAMS_MAX) {
        vec_fail(v, "params: is no array of at most %d", PARAMS_MAX);
        return;
    }
    if (!vec_hex(v, "key", key, sizeof key, &key_span) || !vec_hex(v, "fc", fc, sizeof fc, &fc_span) ||
        !vec_text(v, "expect", &expect))
        return;
    if (!vec_check(v, fc_span.n > 0, "fc: is empty"))
        return;
    for (size_t i = 0; i < n; i++)
        if (!read_param(v, json_array_get(list, i), room[i], sizeof room[i], &params[i]))
            return;
    uint16_t code = fc_span.n == 2 ? (uint16_t)(fc[0] << 8 | fc[1]) : fc[0];
    gba_err e = gba_kdf(key_span, code, params, n, &out);
    vec_expect_text(v, "expect", e ? "reject" : "ok");
    if (e)
        vec_check(v, !vec_has(v, "output"), "output: given although the input is refused");
    else
        vec_expect_secret(v, "output", &out);
}

/* ---- ks_naf ---- */

#define NAME_MAX_TEST 4096

/* The names as the KDF takes them: the IMPI in NFKC, the FQDN as it is. A case's IMPI may be
 * longer than any that travels. */
static bool read_impi(vec *v, char room[NAME_MAX_TEST], gba_span *impi)
{
    gba_span text;
    size_t n = NAME_MAX_TEST;
    if (!vec_text(v, "impi", &text) || !vec_ok(v, gba_nfkc(text, room, &n), "impi"))
        return false;
    *impi = gba_mem(room, n);
    vec_expect_hex(v, "impi_utf8_as_given", text);
    vec_expect_hex(v, "impi_encoded_nfkc", *impi);
    vec_expect_bool(v, "needs_nfkc", !gba_span_eq(text, *impi));
    gba_impi parsed;
    if (n <= GBA_ID_MAX && memchr(room, '@', n) && vec_ok(v, gba_impi_parse(text, &parsed), "impi"))
        vec_check(v, gba_span_eq(gba_str(parsed.s), *impi), "impi: parses as something else");
    return true;
}

/* As an IMPI, when it fits one. */
static bool short_impi(gba_span impi, gba_impi *out)
{
    memset(out, 0, sizeof *out);
    if (impi.n > GBA_ID_MAX)
        return false;
    memcpy(out->s, impi.p, impi.n);
    return true;
}

static bool read_fqdn(vec *v, const char *name, gba_fqdn *fqdn)
{
    gba_span text;
    gba_fqdn parsed;
    memset(fqdn, 0, sizeof *fqdn);
    if (!vec_text(v, name, &text) || !vec_ok(v, gba_fqdn_parse(text, &parsed), name))
        return false;
    if (!vec_check(v, text.n < sizeof fqdn->s && gba_span_ieq(text, gba_str(parsed.s)), name))
        return false;
    memcpy(fqdn->s, text.p, text.n); /* B.2.1.2 folds no case */
    return true;
}

/* S of TS 33.220 B.3, written out here a second time: FC, then each parameter and its length. */
static gba_span s_string(const char *label, gba_span rand, gba_span impi, gba_span naf_id, uint8_t *room)
{
    const gba_span p[] = {gba_str(label), rand, impi, naf_id};
    size_t n = 0;
    room[n++] = 0x01;
    for (int i = 0; i < 4; i++) {
        memcpy(room + n, p[i].p, p[i].n);
        n += p[i].n;
        room[n++] = (uint8_t)(p[i].n >> 8);
        room[n++] = (uint8_t)p[i].n;
    }
    return gba_mem(room, n);
}

/* Compares the key and the HMAC over the very S. */
static void expect_naf_key(vec *v, gba_ks_naf_kind kind, const char *s_name, gba_span s, const gba_secret *ks,
                           const gba_secret *key)
{
    uint8_t mac[32];
    crypt_hmac_sha256(gba_secret_span(ks), &s, 1, mac);
    vec_check(v, gba_equal_ct(mac, key->o, 32), s_name);
    vec_expect_hex(v, s_name, s);
    if (kind == GBA_KS_INT_NAF) {
        vec_expect_secret(v, "ks_int_naf", key);
        return;
    }
    gba_secret password;
    vec_expect_secret(v, "ks_naf", key);
    vec_expect_secret(v, "ks_ext_naf", key);
    if (vec_ok(v, gba_ua_password(key, &password), "password")) {
        password.o[password.n] = '\0';
        vec_expect_text(v, "ua_digest_password", (const char *)password.o);
    }
}

/* Ks, from CK and IK when they are given; both must agree. */
static bool read_ks(vec *v, gba_secret *ks)
{
    gba_secret ck, ik;
    if (!vec_has(v, "ck") || !vec_has(v, "ik"))
        return vec_secret(v, "ks", ks);
    if (!vec_secret(v, "ck", &ck) || !vec_secret(v, "ik", &ik) || !vec_ok(v, gba_ks(&ck, &ik, ks), "ck, ik"))
        return false;
    vec_expect_secret(v, "ks", ks);
    return true;
}

/* Both ways to derive, when the IMPI fits the typed one. */
static bool naf_key(vec *v, gba_ks_naf_kind kind, const gba_secret *ks, gba_span rand, gba_span impi,
                    const gba_naf_id *naf, gba_span naf_id, gba_secret *key)
{
    gba_secret typed;
    gba_impi name;
    if (!vec_ok(v, gba_ks_naf_octets(kind, ks, rand, impi, naf_id, key), "NAF key"))
        return false;
    if (short_impi(impi, &name) && vec_ok(v, gba_ks_naf(kind, ks, rand, &name, naf, &typed), "NAF key"))
        vec_check(v, gba_secret_eq(key, &typed), "gba_ks_naf and gba_ks_naf_octets differ");
    return true;
}

static void run_ks_naf(vec *v)
{
    gba_secret ks, key;
    gba_naf_id naf;
    gba_span ua, impi;
    char impi_room[NAME_MAX_TEST];
    uint8_t rand[16], naf_id[GBA_NAF_ID_MAX], room[2 * NAME_MAX_TEST];
    size_t n = sizeof naf_id;
    if (!read_ks(v, &ks) || !vec_hex_exact(v, "rand", rand, 16) || !read_impi(v, impi_room, &impi) ||
        !read_fqdn(v, "naf_fqdn", &naf.fqdn) || !vec_text(v, "ua_security_protocol_id", &ua) ||
        !vec_ok(v, gba_ua_id_parse(ua, &naf.ua), "ua_security_protocol_id") ||
        !vec_ok(v, gba_naf_id_octets(&naf, naf_id, &n), "naf_id"))
        return;
    gba_span id = gba_mem(naf_id, n), nonce = GBA_SPAN(rand);
    vec_expect_hex(v, "naf_id", id);
    if (naf_key(v, GBA_KS_NAF, &ks, nonce, impi, &naf, id, &key))
        expect_naf_key(v, GBA_KS_NAF, "s_gba_me", s_string("gba-me", nonce, impi, id, room), &ks, &key);
    if (naf_key(v, GBA_KS_INT_NAF, &ks, nonce, impi, &naf, id, &key))
        expect_naf_key(v, GBA_KS_INT_NAF, "s_gba_u", s_string("gba-u", nonce, impi, id, room), &ks, &key);
}

/* ---- tmpi_btid ---- */

static void run_tmpi_btid(vec *v)
{
    gba_secret ks;
    gba_span name;
    gba_impi impi, tmpi;
    gba_naf_id bsf = {.ua = {{0x01, 0x00, 0x00, 0x01, 0x00}}};
    gba_btid btid;
    gba_fqdn domain;
    char room[NAME_MAX_TEST];
    uint8_t rand[16], bsf_id[GBA_NAF_ID_MAX];
    size_t n = sizeof bsf_id;
    if (!read_ks(v, &ks) || !vec_hex_exact(v, "rand", rand, 16) || !read_impi(v, room, &name) ||
        !read_fqdn(v, "bsf_fqdn", &bsf.fqdn) || !vec_ok(v, gba_naf_id_octets(&bsf, bsf_id, &n), "bsf_id") ||
        !vec_ok(v, short_impi(name, &impi) ? GBA_OK : GBA_E_RANGE, "impi"))
        return;
    vec_expect_hex(v, "bsf_id", gba_mem(bsf_id, n));
    if (vec_ok(v, gba_tmpi(&ks, rand, &impi, &bsf.fqdn, &tmpi), "tmpi")) {
        vec_expect_text(v, "tmpi", tmpi.s);
        vec_check(v, gba_is_tmpi(gba_str(tmpi.s)), "tmpi: is not taken for one");
    }
    if (vec_ok(v, gba_btid_make(rand, &bsf.fqdn, &btid), "b_tid")) {
        vec_expect_text(v, "b_tid", btid.s);
        vec_check(v, !gba_btid_domain(&btid, &domain) && gba_span_ieq(gba_str(domain.s), gba_str(bsf.fqdn.s)),
                  "b_tid: has another domain");
    }
}

/* ---- gba_u ---- */

static void run_gba_u(vec *v)
{
    av_in in;
    gba_vector av;
    gba_secret ks, flipped;
    gba_card_answer answer;
    uint8_t star[16], back[16], hash[20];
    if (!read_av(v, &in) || !expect_vector(v, &in, &av) || !vec_ok(v, gba_u_autn(av.autn, &av.ik, star), "autn_star"))
        return;
    crypt_sha1(gba_secret_span(&av.ik), hash);
    vec_expect_hex(v, "sha1_ik_first8", gba_mem(hash, 8));
    vec_expect_hex(v, "mac_star", gba_mem(star + 8, 8));
    vec_expect_hex(v, "autn_star", GBA_SPAN(star));
    vec_check(v, !gba_u_autn(star, &av.ik, back) && !memcmp(back, av.autn, 16), "autn_star: does not turn back");
    if (vec_ok(v, gba_u_res(&av.xres, &flipped), "xres_flipped"))
        vec_expect_secret(v, "xres_flipped", &flipped);
    if (vec_ok(v, gba_ks(&av.ck, &av.ik, &ks), "ks"))
        vec_expect_secret(v, "ks", &ks);
    gba_sqn_array a = array_before(sqn_value(in.sqn));
    gba_err e = gba_aka_card(&in.key, &gba_sqn_default, &a, in.rand, star, false, &answer);
    vec_expect_text(v, "plain_aka_verdict_on_autn_star", verdict_name(e));
}

/* ---- gba_2g, gba_digest ---- */

static void run_gba_2g(vec *v)
{
    uint8_t kc[8], sres[4], challenge[48] = {0}, key[32]; /* RAND, 16 zero octets, Ks-input (TS 24.109 H.2) */
    uint8_t *rand = challenge, *ks_input = challenge + 32;
    char nonce[GBA_B64_LEN(sizeof challenge) + 1];
    gba_secret res, ks;
    if (!vec_hex_exact(v, "kc", kc, 8) || !vec_hex_exact(v, "sres", sres, 4) || !vec_hex_exact(v, "rand", rand, 16) ||
        !vec_hex_exact(v, "ks_input", ks_input, 16))
        return;
    memcpy(key, kc, 8);
    memcpy(key + 8, kc, 8);
    memcpy(key + 16, rand, 16);
    vec_expect_hex(v, "key", GBA_SPAN(key));
    gba_b64_encode(challenge, sizeof challenge, nonce);
    vec_expect_text(v, "nonce", nonce);
    if (!vec_ok(v, gba_2g(GBA_SPAN(kc), GBA_SPAN(sres), gba_mem(rand, 16), gba_mem(ks_input, 16), &res, &ks), "2G"))
        return;
    vec_expect_secret(v, "res", &res);
    vec_expect_secret(v, "ks", &ks);
}

static void run_gba_digest(vec *v)
{
    gba_secret ha1, tls_mk, resp, passwd, ks;
    if (!vec_secret(v, "ha1", &ha1) || !vec_secret(v, "tls_mk_extr", &tls_mk) || !vec_secret(v, "resp", &resp))
        return;
    gba_span h = gba_secret_span(&ha1), mk = gba_secret_span(&tls_mk);
    if (vec_ok(v, gba_digest_passwd(h, mk, &passwd), "passwd"))
        vec_expect_secret(v, "passwd", &passwd);
    if (vec_ok(v, gba_digest_ks(h, mk, gba_secret_span(&resp), &ks), "ks"))
        vec_expect_secret(v, "ks", &ks);
}

/* ---- onem2m_kdf ---- */

static void onem2m_export(vec *v)
{
    gba_secret exported, key;
    char id[33];
    if (!vec_secret(v, "exported", &exported) || !vec_ok(v, gba_onem2m_export_split(&exported, id, &key), "exported"))
        return;
    vec_expect_text(v, "relative_key_id", id);
    vec_expect_secret(v, "key_out", &key);
}

static void onem2m_usage(vec *v, const gba_secret *key, gba_span target)
{
    gba_span text;
    gba_secret out;
    unsigned suid = 0;
    if (!vec_text(v, "suid", &text))
        return;
    bool decimal = text.n > 0 && text.n < 9;
    for (size_t i = 0; decimal && i < text.n; i++) {
        decimal = text.p[i] >= '0' && text.p[i] <= '9' && !(i == 0 && text.p[0] == '0' && text.n > 1);
        suid = suid * 10 + (text.p[i] - '0');
    }
    if (vec_check(v, decimal, "suid: is no decimal number") &&
        vec_ok(v, gba_onem2m_usage_key(key, suid, target, &out), "usage"))
        vec_expect_secret(v, "out", &out);
}

static void run_onem2m_kdf(vec *v)
{
    gba_span kind, target;
    gba_secret key, out;
    if (!vec_text(v, "kind", &kind))
        return;
    if (gba_span_eq(kind, gba_str("export"))) {
        onem2m_export(v);
        return;
    }
    if (!vec_secret(v, "key", &key) || !vec_text(v, "target", &target))
        return;
    if (gba_span_eq(kind, gba_str("km"))) {
        if (vec_ok(v, gba_onem2m_km(&key, target, &out), "km"))
            vec_expect_secret(v, "out", &out);
    } else if (gba_span_eq(kind, gba_str("kpsa"))) {
        if (vec_ok(v, gba_onem2m_kpsa(&key, target, &out), "kpsa"))
            vec_expect_secret(v, "out", &out);
    } else if (gba_span_eq(kind, gba_str("usage"))) {
        onem2m_usage(v, &key, target);
    } else {
        vec_fail(v, "kind: is unknown");
    }
}

const vec_family vec_aka_families[] = {
    {"milenage", run_milenage},
    {"tuak", run_tuak},
    {"aka", run_aka},
    {"auts", run_auts},
    {"usim_sequences", run_usim_sequences},
    {"amf_separation", run_amf_separation},
    {"kdf", run_kdf},
    {"ks_naf", run_ks_naf},
    {"tmpi_btid", run_tmpi_btid},
    {"gba_u", run_gba_u},
    {"gba_2g", run_gba_2g},
    {"gba_digest", run_gba_digest},
    {"onem2m_kdf", run_onem2m_kdf},
    {NULL, NULL},
};
