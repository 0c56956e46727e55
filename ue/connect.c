/* SPDX-License-Identifier: Apache-2.0 */
/* connect.c - a PSK-secured connection handed to the application (ue_connect.h). */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <gba/ue_connect.h>

#include "ue/device.h"
#include "ue/file.h"
#include "ue/link.h"

struct gba_ue_conn {
    ue_link *link;
    gba_ue_conn_facts facts;
    char text[GBA_UE_TEXT];
};

typedef struct attempt {
    const gba_ue_connect_config *c;
    ue_link *link;
} attempt;

static gba_err try_connect(gba_ue *u, ue_psk_run *x)
{
    attempt *t = x->arg;
    unsigned seconds = t->c->net && t->c->net->timeout_s ? t->c->net->timeout_s : UE_EXCHANGE_S;
    const ue_link_config l = {.host = x->host.s, .port = t->c->port, .tls = true, .psk = &x->psk, .net = t->c->net};
    return ue_link_open(&l, ue_call_until(u, (int64_t)seconds * 1000), &t->link, u->text);
}

gba_err gba_ue_connect(gba_ue *u, const gba_ue_connect_config *c, gba_ue_conn **out)
{
    attempt t = {.c = c};
    ue_psk_run x = {.attempt = try_connect, .arg = &t, .psk = {.tls = c->tls, .priority = c->priority}};
    *out = NULL;
    if (!c->host || gba_fqdn_parse(gba_str(c->host), &x.host))
        return ue_say(u->text, GBA_E_ARG, "\"%.200s\": a NAF is named by its FQDN", c->host ? c->host : "");
    if (c->port == 0 || c->port > 65535)
        return ue_say(u->text, GBA_E_ARG, "port %u is out of range (1-65535)", c->port);
    gba_ue_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return ue_say(u->text, GBA_E_NOMEM, "out of memory");
    ue_call_begin(u);
    gba_err e = ue_psk_go(u, &x);
    if (e) {
        free(conn);
    } else {
        conn->link = t.link;
        ue_link_facts(t.link, &conn->facts.transport, &conn->facts.suite);
        conn->facts.naf.fqdn = x.host;
        conn->facts.naf.ua = gba_ua_id_psk(conn->facts.transport, conn->facts.suite);
        conn->facts.btid = x.session.btid;
        ue_psk_tell(u, &x, conn->facts.transport, conn->facts.suite);
        *out = conn;
    }
    gba_ue_session_wipe(&x.session);
    return e;
}

static int64_t until(int timeout_ms)
{
    return timeout_ms < 0 ? UE_FOREVER : ue_clock() + timeout_ms;
}

gba_err gba_ue_conn_read(gba_ue_conn *c, void *p, size_t *n, int timeout_ms)
{
    return ue_link_read(c->link, p, n, until(timeout_ms), c->text);
}

gba_err gba_ue_conn_write(gba_ue_conn *c, const void *p, size_t *n, int timeout_ms)
{
    return ue_link_write(c->link, p, n, until(timeout_ms), c->text);
}

gba_err gba_ue_conn_end(gba_ue_conn *c)
{
    return ue_link_end(c->link, ue_clock() + UE_CONNECT_S * 1000, c->text);
}

int gba_ue_conn_fd(const gba_ue_conn *c)
{
    return ue_link_fd(c->link);
}

size_t gba_ue_conn_pending(const gba_ue_conn *c)
{
    return ue_link_pending(c->link);
}

const char *gba_ue_conn_text(const gba_ue_conn *c)
{
    return c->text;
}

const gba_ue_conn_facts *gba_ue_conn_info(const gba_ue_conn *c)
{
    return &c->facts;
}

gba_err gba_ue_conn_export(gba_ue_conn *c, const char *label, size_t n, gba_secret *out)
{
    return ue_link_export(c->link, label, n, out, c->text);
}

void gba_ue_conn_close(gba_ue_conn **c)
{
    if (!*c)
        return;
    ue_link_close(&(*c)->link);
    free(*c);
    *c = NULL;
}
