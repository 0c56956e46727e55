/* SPDX-License-Identifier: Apache-2.0 */
/* nafd_diameter.c - gba-nafd's BSFs that are asked over Diameter. */
#include <stdlib.h>
#include <gba/naf_zn_diameter.h>
#include "naf/nafd.h"

bool nafd_diameter_used(const nafd_settings *s)
{
    const nafd_bsf *b = s->naf.bsfs.v;
    for (size_t i = 0; i < s->naf.bsfs.n; i++)
        if (b[i].dia_realm.s[0])
            return true;
    return false;
}

gba_err nafd_diameter_start(const nafd_settings *s, void **out, char *why, size_t why_n)
{
    gba_naf_zn_diameter_bsf bsfs[GBA_NAF_BSFS];
    gba_naf_zn_diameter_peer peers[FD_PEERS];
    uint32_t gsids[GBA_DIA_GSIDS];
    gba_naf_zn_diameter *zn = NULL;
    const nafd_bsf *b = s->naf.bsfs.v;
    fd_conf f;

    fd_settings_conf(&s->diameter, &f); /* the log, the gauge and the ports as everywhere */
    gba_naf_zn_diameter_config c = {.identity = f.identity, .realm = f.realm, .listen = f.listen, .port = f.port,
                                    .sec_port = f.sec_port, .cert_file = f.cert, .key_file = f.key, .ca_file = f.ca,
                                    .crl_file = f.crl, .peers = peers, .bsfs = bsfs, .gsids = gsids,
                                    .total_ms = (unsigned)s->zn.timeout_ms,
                                    .sctp = (gba_sctp)f.sctp, .log = f.log, .peer_change = f.peer_change};
    for (; c.n_peers < f.n_peers; c.n_peers++) {
        const fd_peer_conf *p = &f.peers[c.n_peers];
        peers[c.n_peers] = (gba_naf_zn_diameter_peer){
            .identity = p->identity, .address = p->address[0] ? p->address : NULL, .port = p->port,
            .plaintext = !p->tls, .relay = p->relay, .sctp = p->sctp, .passive = p->passive};
    }
    for (size_t i = 0; i < s->naf.bsfs.n; i++)
        if (b[i].dia_realm.s[0])
            bsfs[c.n_bsfs++] = (gba_naf_zn_diameter_bsf){b[i].domain.s, b[i].dia_realm.s,
                                                         b[i].dia_host.s[0] ? b[i].dia_host.s : NULL};
    conf_numbers(NULL, "zn.services", &s->zn.services, gsids, GBA_DIA_GSIDS, &c.n_gsids);
    gba_err e = gba_naf_zn_diameter_new(&c, &zn, why, why_n);
    *out = zn;
    return e;
}

bool nafd_diameter_reaches(const nafd_bsf *b)
{
    return fd_stack_reaches(b->dia_realm.s, b->dia_host.s[0] ? b->dia_host.s : NULL);
}

gba_err nafd_diameter_fetch(void *zn, const gba_naf_query *q, gba_naf_keys *out)
{
    return gba_naf_zn_diameter_fetch(zn, q, out);
}

void nafd_diameter_stop(void **zn)
{
    gba_naf_zn_diameter *z = *zn;
    gba_naf_zn_diameter_free(&z);
    *zn = NULL;
}
