/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show_av.c - `show_av ALGORITHM K (op|opc) OP(C) RAND AMF SQN SQN_MS`: our vector and AUTS in
 * osmo-auc-gen's words, for check_osmo.sh. Numbers in decimal, the rest in hex.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <gba/aka.h>

static void need(gba_err e, const char *what)
{
    if (e) {
        fprintf(stderr, "show_av: %s: %s\n", what, gba_err_text(e));
        exit(1);
    }
}

static void line(const char *name, gba_span o)
{
    char text[2 * GBA_SECRET_MAX + 1];
    gba_hex_encode(o.p, o.n, text);
    printf("%s:\t%s\n", name, text);
}

static void secret(const char *hex, gba_secret *out, const char *what)
{
    out->n = sizeof out->o;
    need(gba_hex_decode(gba_str(hex), out->o, &out->n), what);
}

/* AUTS as the card makes it when its highest SQN is sqn_ms: it is shown that SQN once more. */
static void auts(const gba_aka_key *k, const uint8_t rand[16], uint64_t sqn_ms, uint8_t out[14])
{
    static const uint8_t amf[2];
    gba_sqn_array a = {{0}};
    gba_vector v;
    gba_card_answer c;
    need(gba_aka_vector(k, rand, sqn_ms, amf, &v), "vector");
    gba_sqn_accept(&gba_sqn_default, &a, sqn_ms);
    need(gba_aka_card(k, &gba_sqn_default, &a, rand, v.autn, false, &c) == GBA_E_SYNC ? GBA_OK : GBA_E_ARG, "card");
    memcpy(out, c.auts, 14);
}

int main(int argc, char **argv)
{
    gba_aka_key k = {0};
    gba_vector v;
    gba_secret sres, kc;
    uint8_t rand[16], amf[2], a[14];
    size_t n = sizeof rand, m = sizeof amf;
    if (argc != 9)
        return 2;
    need(gba_aka_algorithm_parse(argv[1], &k.algorithm), "algorithm");
    secret(argv[2], &k.k, "K");
    secret(argv[4], &k.opc, "OP(c)");
    if (!strcmp(argv[3], "op"))
        need(gba_aka_opc(k.algorithm, &k.k, &k.opc, 0, &k.opc), "OP");
    need(gba_hex_decode(gba_str(argv[5]), rand, &n), "RAND");
    need(gba_hex_decode(gba_str(argv[6]), amf, &m), "AMF");
    need(gba_aka_vector(&k, rand, strtoull(argv[7], NULL, 10), amf, &v), "vector");
    need(gba_aka_gsm(&v.xres, &v.ck, &v.ik, &sres, &kc), "c2, c3");
    auts(&k, rand, strtoull(argv[8], NULL, 10), a);
    line("AUTN", GBA_SPAN(v.autn));
    line("IK", gba_secret_span(&v.ik));
    line("CK", gba_secret_span(&v.ck));
    line("RES", gba_secret_span(&v.xres));
    line("SRES", gba_secret_span(&sres));
    line("Kc", gba_secret_span(&kc));
    line("AUTS", GBA_SPAN(a));
    return 0;
}
