/* SPDX-License-Identifier: Apache-2.0 */
/* gba_usim.c - gba usim create, gba usim show. */
#include <inttypes.h>
#include <string.h>

#include "ue/gba.h"

static int choose_opc(options *o, gba_aka_key *key)
{
    if ((o->opc.n > 0) == (o->op.n > 0))
        return complain(EXIT_USAGE, "usim create needs either --opc or --op (TUAK: TOPc or TOP)");
    if (o->opc.n > 0) {
        key->opc = o->opc;
        return EXIT_DONE;
    }
    gba_err e = gba_aka_opc(key->algorithm, &key->k, &o->op, key->keccak_iterations, &key->opc);
    return e ? complain(EXIT_USAGE, "--op: it or --k has the wrong length for %s: %s",
                        gba_aka_algorithm_name(key->algorithm), gba_err_text(e))
             : EXIT_DONE;
}

static int read_config(options *o, gba_uicc_soft_config *c)
{
    if (!o->impi)
        return complain(EXIT_USAGE, "usim create needs --impi");
    gba_err e = gba_impi_parse(gba_str(o->impi), &c->impi);
    if (e)
        return complain(EXIT_USAGE, "--impi: \"%s\" is not user@realm of at most %d octets", o->impi, GBA_ID_MAX);
    if (o->k.n == 0)
        return complain(EXIT_USAGE, "usim create needs --k or --k-file");
    c->key.k = o->k;
    c->key.algorithm = GBA_MILENAGE;
    if (o->algorithm && gba_aka_algorithm_parse(o->algorithm, &c->key.algorithm))
        return complain(EXIT_USAGE, "--algorithm: %s is neither milenage nor tuak", o->algorithm);
    c->key.res_len = o->res_len;
    c->key.ck_len = o->ck_len;
    c->key.ik_len = o->ik_len;
    c->key.keccak_iterations = o->iterations;
    c->exportable = o->exportable;
    c->overwrite = o->force;
    return choose_opc(o, &c->key);
}

static void print_info(const options *o, const char *path, const gba_uicc_soft_info *i)
{
    json_out j;
    char sqn[13];
    snprintf(sqn, sizeof sqn, "%012" PRIx64, i->sqn_ms);
    if (o->json) {
        json_open(&j, stdout);
        json_text(&j, "file", path);
        json_text(&j, "impi", i->impi.s);
        json_text(&j, "algorithm", gba_aka_algorithm_name(i->algorithm));
        json_int(&j, "k_bits", (int64_t)i->k_len * 8);
        json_int(&j, "res_octets", i->res_len);
        json_text(&j, "sqn_ms", sqn);
        json_int(&j, "ind_bits", i->sqn.ind_bits);
        json_bool(&j, "exportable", i->exportable);
        json_close(&j);
        return;
    }
    printf("%s: software USIM\n  IMPI        %s\n  algorithm   %s, K of %zu bits, RES of %u octets\n"
           "  SQN         %s (the highest accepted; %u IND bits)\n  exportable  %s\n",
           path, i->impi.s, gba_aka_algorithm_name(i->algorithm), i->k_len * 8, (unsigned)i->res_len, sqn,
           (unsigned)i->sqn.ind_bits, i->exportable ? "yes: gba bootstrap --export-ks shows Ks" : "no");
}

int gba_usim_show(options *o)
{
    char text[GBA_UICC_TEXT];
    const gba_uicc_seal seal = {.key_file = o->key_file};
    gba_uicc *u = NULL;
    gba_uicc_soft_info info;
    if (gba_uicc_soft_open(o->word[0], &seal, &u, text))
        return complain(EXIT_FAILED, "%s", text);
    gba_err e = gba_uicc_soft_info_read(u, &info);
    int code = e ? complain(EXIT_FAILED, "%s", gba_uicc_text(u)) : EXIT_DONE;
    if (!e) {
        print_info(o, o->word[0], &info);
        code = out_done();
    }
    gba_uicc_free(&u);
    return code;
}

int gba_usim_create(options *o)
{
    gba_uicc_soft_config c = {0};
    char text[GBA_UICC_TEXT];
    const gba_uicc_seal seal = {.key_file = o->key_file};
    int code = read_config(o, &c);
    gba_err e = code ? GBA_OK : gba_uicc_soft_create(o->word[0], &c, &seal, text);
    if (e == GBA_E_FORBIDDEN && !o->force)
        code = complain(EXIT_FAILED, "%s (--force replaces it, and its SQN with it)", text);
    else if (e)
        code = complain(e == GBA_E_RANGE || e == GBA_E_SYNTAX ? EXIT_USAGE : EXIT_FAILED, "%s", text);
    gba_aka_key_wipe(&c.key);
    if (code)
        return code;
    if (o->json)
        return gba_usim_show(o);
    if (!o->quiet)
        fprintf(stderr, "gba: %s made for %s\n", o->word[0], c.impi.s);
    return EXIT_DONE;
}
