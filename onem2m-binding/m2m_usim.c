/* SPDX-License-Identifier: Apache-2.0 */
/* m2m_usim.c - the UE of `m2m`: software USIM, Ub, keys of NAFs. */
#include <ctype.h>
#include <gba/ue.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/m2m.h"

struct usim {
    gba_uicc *uicc;
    gba_ue_carrier carrier;
    gba_ue *ue;
    gba_impi impi;
    bool quiet;
};

static gba_err on_session(void *arg, bool renew, gba_m2m_gba_facts *out)
{
    usim *u = arg;
    gba_ue_session s = {0};
    bool had = !renew && gba_ue_session_load(u->ue, &s) == GBA_OK;

    gba_ue_session_wipe(&s);
    gba_err e = gba_ue_bootstrap(u->ue, renew, &s);
    if (e == GBA_OK)
        *out = (gba_m2m_gba_facts){.btid = s.btid, .impi = s.impi, .bsf = s.bsf, .expires = s.expires, .fresh = !had};
    gba_ue_session_wipe(&s);
    return e;
}

static gba_err on_naf_key(void *arg, const gba_naf_id *naf, gba_secret *out)
{
    return gba_ue_naf_key(((usim *)arg)->ue, naf, out, NULL);
}

static const char *on_text(void *arg)
{
    return gba_ue_text(((usim *)arg)->ue);
}

/* --bsf-domain; else the host of --bsf when it is a name; else what follows from the IMPI (TS 23.003 16.2). */
static int choose_domain(const options *o, const gba_impi *impi, gba_fqdn *out)
{
    gba_m2m_server s;
    char host[254];
    bool letter = false;

    if (o->bsf_domain)
        return gba_fqdn_parse(gba_str(o->bsf_domain), out) == GBA_OK
                   ? M2M_DONE
                   : complain(M2M_USAGE, "--bsf-domain: \"%s\" is not a domain name", o->bsf_domain);
    if (o->bsf && take_server("bsf", o->bsf, NULL, host, &s, NULL) == M2M_DONE) {
        for (const char *p = host; *p; p++)
            letter |= isalpha((unsigned char)*p) != 0;
        if (letter && !strchr(host, ':') && gba_fqdn_parse(gba_str(host), out) == GBA_OK)
            return M2M_DONE;
    }
    return gba_bsf_from_impi(impi, out) == GBA_OK
               ? M2M_DONE
               : complain(M2M_USAGE, "no BSF follows from %s: give --bsf and --bsf-domain", impi->s);
}

static int open_ue(const options *o, usim *u)
{
    char room[4096], text[GBA_UE_TEXT], url[300];
    gba_ue_config c = {.uicc = u->uicc, .carrier = u->carrier, .bsf_url = o->bsf,
                       .state_dir = state_folder(o, room, sizeof room),
                       .seal = {.key_file = o->key_file}};

    if (!c.state_dir)
        return complain(M2M_USAGE, "where is the state kept? give --state DIR (or M2M_STATE)");
    if (gba_uicc_impi(u->uicc, &u->impi) != GBA_OK)
        return complain(M2M_FAILED, "the UICC gives no IMPI: %s", gba_uicc_text(u->uicc));
    int code = choose_domain(o, &u->impi, &c.bsf);
    if (code)
        return code;
    snprintf(url, sizeof url, "http://%s/", c.bsf.s); /* TS 24.109 4.2 */
    if (!o->bsf)
        c.bsf_url = url;
    gba_err e = gba_ue_new(&c, &u->ue, text);
    return e == GBA_OK ? M2M_DONE
                       : complain(e == GBA_E_SYNTAX || e == GBA_E_RANGE ? M2M_USAGE : M2M_FAILED, "%s", text);
}

int usim_open(const options *o, usim **out, gba_m2m_gba *hooks)
{
    char text[GBA_UICC_TEXT];
    const gba_uicc_seal seal = {.key_file = o->key_file};
    const gba_ue_carrier_config net = {.ca_file = o->ca, .timeout_s = o->timeout};
    usim *u = calloc(1, sizeof *u);
    int code = u ? M2M_DONE : complain(M2M_FAILED, "out of memory");

    *out = u;
    if (!u)
        return code;
    if (!o->usim)
        code = complain(M2M_USAGE, "which USIM? give --usim FILE (or GBA_USIM); gba usim create makes one");
    else if (gba_uicc_soft_open(o->usim, &seal, &u->uicc, text) != GBA_OK)
        code = complain(M2M_FAILED, "%s", text);
    else if (gba_ue_carrier_gnutls(&net, &u->carrier) != GBA_OK)
        code = complain(M2M_FAILED, "no HTTP client");
    else
        code = open_ue(o, u);
    *hooks = (gba_m2m_gba){on_session, on_naf_key, on_text, u};
    return code;
}

void usim_close(usim **u)
{
    if (!*u)
        return;
    gba_ue_free(&(*u)->ue);
    gba_ue_carrier_free(&(*u)->carrier);
    gba_uicc_free(&(*u)->uicc);
    free(*u);
    *u = NULL;
}
