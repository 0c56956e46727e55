/* SPDX-License-Identifier: Apache-2.0 */
/* m2m_listen.c - m2m connect --listen: the second association, SA2, and what the registrar sends through it. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/m2m.h"

static atomic_bool ended; /* lock-free: a signal handler may set it */

static void on_signal(int sig)
{
    (void)sig;
    atomic_store(&ended, true);
}

/* [HOST:]PORT, [IPv6]:PORT */
static int take_place(const char *text, char host[254], gba_m2m_listen_config *c)
{
    const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
    size_t n = colon ? (size_t)(colon - text) : 0;
    char *end;

    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    unsigned long v = strtoul(port, &end, 10);
    if (*port < '0' || *port > '9' || *end || v > 65535 || n >= 254 || (colon && n == 0))
        return complain(M2M_USAGE, "--listen: %s is not [ADDRESS:]PORT", text);
    memcpy(host, text, n);
    host[n] = 0;
    c->host = n ? host : NULL;
    c->port = (uint16_t)v;
    return M2M_DONE;
}

static unsigned on_notification(void *arg, const gba_m2m_incoming *in)
{
    ears *x = arg;

    if (x->o->json) {
        json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b}", "operation", "notify", "to", in->to, "from", in->from,
                              "ri", in->ri, "address", in->address, "suite", in->suite_name, "verification",
                              in->verification);
        if (!o) /* a target or request identifier that is no UTF-8 */
            return GBA_M2M_BAD_REQUEST;
        json_object_set_new(o, "body", json_loadb(in->body, in->n, 0, NULL));
        print_json(o);
    } else {
        if (!x->o->quiet)
            fprintf(stderr, "m2m: NOTIFY %s, From %s%s, %s\n", in->to, in->from,
                    in->verification ? ", a verification" : "", in->suite_name);
        printf("%s\n", in->body);
    }
    if (x->left > 0 && --x->left == 0)
        atomic_store(&ended, true);
    return out_done() == M2M_DONE ? GBA_M2M_OK : GBA_M2M_INTERNAL_ERROR;
}

static void on_refused(void *arg, const char *address, const char *why)
{
    const ears *x = arg;
    char clean[512]; /* a stranger's identity may be in it */
    size_t n = 0;
    for (; n < sizeof clean - 1 && why[n]; n++)
        clean[n] = why[n] >= ' ' && why[n] < 0x7f ? why[n] : '?';
    clean[n] = 0;
    if (!x->o->quiet)
        fprintf(stderr, "m2m: refused %s: %s\n", address, clean);
}

static void *run(void *arg)
{
    ears *x = arg;
    gba_err e = GBA_OK;

    while (!atomic_load(&ended) && (e == GBA_OK || e == GBA_E_BUSY))
        e = gba_m2m_listener_run(x->l, 200);
    x->err = e == GBA_E_BUSY ? GBA_OK : e;
    return NULL;
}

int ears_open(entity *e, gba_m2m_sa *sa, ears *x)
{
    gba_m2m_listen_config c = {.take = on_notification, .refused = on_refused, .arg = x};
    const gba_m2m_sa_facts *f = gba_m2m_sa_info(sa);
    struct sigaction a = {.sa_handler = on_signal};
    char host[254];
    int code = take_place(e->o->listen, host, &c);

    if (code)
        return code;
    x->o = e->o;
    if (x->port)
        c.port = x->port; /* again, after the key was over */
    gba_err err = gba_m2m_listen(sa, &c, &x->l);
    if (err != GBA_OK)
        return complain(code_of(err), "%s", gba_m2m_a_text(e->a));
    x->port = gba_m2m_listener_port(x->l);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    if (!x->o->quiet)
        fprintf(stderr, "m2m: listening on port %u for Entity B %s by %s %s\n", x->port, f->b.s, f->identifier_name,
                f->identifier);
    if (pthread_create(&x->thread, NULL, run, x) != 0) {
        gba_m2m_listener_close(&x->l);
        return complain(M2M_FAILED, "no thread to listen");
    }
    return M2M_DONE;
}

int ears_close(entity *e, ears *x, bool now)
{
    if (!x->l)
        return M2M_DONE;
    if (now)
        atomic_store(&ended, true);
    pthread_join(x->thread, NULL);
    gba_m2m_listener_close(&x->l);
    x->again = x->err == GBA_E_EXPIRED && !atomic_load(&ended);
    if (x->again && !e->o->quiet)
        fprintf(stderr, "m2m: the key is over, a new association is made\n");
    if (x->err == GBA_OK || x->err == GBA_E_EXPIRED)
        return M2M_DONE;
    return complain(M2M_FAILED, "listening: %s", gba_err_text(x->err));
}
