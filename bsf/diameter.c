/* SPDX-License-Identifier: Apache-2.0 */
/* diameter.c - gba-bsfd's Diameter: Zh towards HSSs, Zn for NAFs. */
#include "bsf/diameter.h"
#include "bsf/av_zh.h"
#include "bsf/zn_diameter.h"

gba_err bsf_diameter_source(const bsf_av *row, store *s, av_source **out)
{
    av_zh_config c = {.realm = row->hss_realm.s, .timeout_ms = (unsigned)row->timeout_ms, .store = s};
    for (size_t i = 0; i < row->hss.n && i < AV_ZH_HOSTS; i++)
        c.hosts[c.n_hosts++] = row->hss.v[i];
    return av_zh_new(&c, out);
}

struct part {
    zn *zn;
    const fd_settings *s;
};

static gba_err prepare(void *ctx)
{
    const struct part *p = ctx;
    return zn_diameter_serve(p->zn, p->s);
}

gba_err bsf_diameter_start(const bsf_settings *s, zn *z, char *why, size_t why_n)
{
    struct part part = {z, &s->diameter};
    fd_conf c;
    fd_settings_conf(&s->diameter, &c);
    c.applications[0] = GBA_DIA_ZH;
    c.applications[1] = GBA_DIA_ZN;
    c.prepare = prepare;
    c.prepare_ctx = &part;
    return fd_stack_start(&c, why, why_n);
}

void bsf_diameter_stop(void)
{
    fd_stack_stop();
}
