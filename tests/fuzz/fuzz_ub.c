/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ub.c - HTTP answers to the Ub step machine and to the chooser of Ua.
 *
 * Input: answers one after another, each a status line's three digits, LF, header fields, an
 * empty line, and a body that ends at an octet 00. The card takes any AUTN; its RES is known, so
 * that a seed with a right rspauth gets through.
 */
#include <stdlib.h>
#include <string.h>
#include <gba/ue.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static gba_err impi_of(void *card, gba_impi *out)
{
    (void)card;
    return gba_impi_parse(gba_str("user@home.test"), out);
}

/* The first octet of RAND chooses: success, AUTS, refusal. */
static gba_err boot(void *card, const uint8_t rand[16], const uint8_t autn[16], gba_uicc_answer *out)
{
    (void)card;
    (void)autn;
    if (rand[0] == 1)
        return GBA_E_SYNC;
    if (rand[0] == 2)
        return GBA_E_AUTH;
    memset(out->res.o, 0x42, 8);
    out->res.n = 8;
    memset(out->ks.ks.o, 0x43, 32);
    out->ks.ks.n = 32;
    return GBA_OK;
}

static void close_card(void *card)
{
    (void)card;
}
static const gba_uicc_ops ops = {.name = "fuzz", .impi = impi_of, .boot = boot, .close = close_card};

/* Takes one answer off the input; false: nothing left. */
static bool take(gba_span *in, gba_ue_answer *a, gba_ue_field *f, size_t room)
{
    if (in->n < 3)
        return false;
    *a = (gba_ue_answer){.fields = f};
    for (int i = 0; i < 3; i++)
        a->status = a->status * 10 + (in->p[i] % 10);
    *in = gba_mem(in->p + 3, in->n - 3);
    if (in->n > 0 && in->p[0] == '\n')
        *in = gba_mem(in->p + 1, in->n - 1);
    while (in->n > 0 && a->n_fields < room) {
        const uint8_t *eol = memchr(in->p, '\n', in->n);
        size_t line_n = eol ? (size_t)(eol - in->p) : in->n;
        const uint8_t *line = in->p, *colon = memchr(line, ':', line_n);
        size_t step = eol ? line_n + 1 : line_n;
        *in = gba_mem(in->p + step, in->n - step);
        if (!colon)
            break;
        f[a->n_fields++] = (gba_ue_field){gba_mem(line, (size_t)(colon - line)),
                                          gba_mem(colon + 1, (size_t)(line + line_n - colon - 1))};
    }
    const uint8_t *nul = in->n ? memchr(in->p, 0, in->n) : NULL;
    a->body = gba_mem(in->p, nul ? (size_t)(nul - in->p) : in->n);
    size_t step = nul ? a->body.n + 1 : in->n;
    *in = gba_mem(in->p + step, in->n - step);
    return true;
}

static void ub(gba_span in, const char *tmpi)
{
    static const uint8_t random[GBA_UE_ENTROPY];
    gba_uicc *u;
    gba_ub *machine;
    gba_ub_request r;
    gba_ub_next next;
    gba_ue_answer a;
    gba_ue_field f[16];
    gba_ub_config c = {.impi = {"user@home.test"}, .bsf = {"bsf.home.test"}};
    if (gba_uicc_new(&ops, NULL, &u))
        return;
    c.uicc = u;
    memcpy(c.tmpi.s, tmpi, strlen(tmpi));
    if (gba_ub_new(&c, &machine) || gba_ub_start(machine, &r))
        abort();
    while (take(&in, &a, f, 16)) {
        gba_err e = gba_ub_feed(machine, &a, random, 1795600000, &next, &r);
        if ((gba_ub_session(machine) != NULL) != (e == GBA_OK && next == GBA_UB_DONE))
            abort();
        if (e || next == GBA_UB_DONE)
            break;
    }
    gba_ub_free(&machine);
    gba_uicc_free(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const gba_fqdn host = {"naf.home.test"};
    static gba_ue_ua ua;
    static const gba_btid btid = {"abc@bsf.home.test"};
    static const gba_secret key = {.n = 32};
    static const uint8_t random[GBA_UE_ENTROPY];
    gba_ue_answer a;
    gba_ue_field f[16];
    gba_span in = gba_mem(data, n);
    ub(in, "");
    ub(in, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@" GBA_TMPI_DOMAIN);
    if (!take(&in, &a, f, 16) || gba_ue_ua_choose(&ua, &host, &a))
        return 0;
    char out[GBA_DIGEST_HEADER_MAX];
    size_t room = sizeof out;
    const gba_digest_message m = {.method = gba_str("GET"), .uri = gba_str("/")};
    if (gba_ue_ua_authorize(&ua, &btid, &key, &m, 1, random, out, &room) == GBA_OK && take(&in, &a, f, 16) &&
        gba_ue_ua_verify(&ua, &key, &m, &a) == GBA_OK && ua.sent.qop == 0)
        abort();
    return 0;
}
