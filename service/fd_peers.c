/* SPDX-License-Identifier: Apache-2.0 */
/* fd_peers.c - who connects, and whether it is believed; what freeDiameter says. See fd_internal.h. */
#include "service/fd_internal.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const fd_conf *conf;
    atomic_bool quiet;
    pthread_mutex_t lock;
    struct {
        bool open;
        const char *doubt; /* NULL: it is believed */
        char address[FD_ADDRESS];
    } peer[FD_PEERS];
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char unconnected[] = "the peer is not connected";

const fd_peer_conf *fd_peers_find(const char *id)
{
    for (size_t i = 0; i < g.conf->n_peers; i++)
        if (!strcasecmp(g.conf->peers[i].identity, id))
            return &g.conf->peers[i];
    return NULL;
}

const char *fd_peers_doubt(const fd_peer_conf *p, char address[FD_ADDRESS])
{
    const char *doubt = "the peer is not configured";
    if (address)
        address[0] = 0;
    if (!p)
        return doubt;
    pthread_mutex_lock(&g.lock);
    doubt = g.peer[p - g.conf->peers].doubt;
    if (address)
        memcpy(address, g.peer[p - g.conf->peers].address, FD_ADDRESS);
    pthread_mutex_unlock(&g.lock);
    return doubt;
}

/* ---- what freeDiameter says ---- */
__attribute__((format(printf, 2, 3))) static void say(int level, const char *format, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, format);
    if (g.conf->log && vsnprintf(line, sizeof line, format, ap) > 0)
        g.conf->log(level, line);
    va_end(ap);
}

__attribute__((format(printf, 2, 0))) static void to_log(int level, const char *format, va_list ap)
{
    char line[1024];
    /* an orderly shutdown, too, is fatal to it */
    if (g.conf->log && level >= FD_LOG_NOTICE && !atomic_load(&g.quiet) && vsnprintf(line, sizeof line, format, ap) > 0)
        g.conf->log(level >= FD_LOG_FATAL ? 3 : level >= FD_LOG_ERROR ? 2 : 1, line);
}

/* Where an event has no hook, freeDiameter writes the whole message into a buffer or its log, keys and all: each
 * has this one. `other` is its reason, or, where there is no message, the octets. */
static void on_event(enum fd_hook_type type, struct msg *msg, struct peer_hdr *peer, void *other,
                     struct fd_hook_permsgdata *pmd, void *reg)
{
    struct msg_hdr *h;
    (void)pmd, (void)reg;
    if (type == HOOK_MESSAGE_PARSING_ERROR && !msg)
        say(2, "%s sent what is no Diameter message", peer ? peer->info.pi_diamid : "somebody");
    else if ((type == HOOK_MESSAGE_PARSING_ERROR || type == HOOK_MESSAGE_ROUTING_ERROR ||
              type == HOOK_MESSAGE_DROPPED) &&
             !fd_msg_hdr(msg, &h))
        say(type == HOOK_MESSAGE_ROUTING_ERROR ? 1 : 2, "%s %u %s: %s",
            h->msg_flags & CMD_FLAG_REQUEST ? "request" : "answer", (unsigned)h->msg_code,
            type == HOOK_MESSAGE_PARSING_ERROR   ? "not understood"
            : type == HOOK_MESSAGE_ROUTING_ERROR ? "not routed"
                                                 : "dropped",
            other ? (const char *)other : "");
}

#define EVENTS                                                                                      \
    HOOK_MASK(HOOK_MESSAGE_RECEIVED, HOOK_MESSAGE_LOCAL, HOOK_MESSAGE_SENDING, HOOK_MESSAGE_SENT,   \
              HOOK_MESSAGE_FAILOVER, HOOK_MESSAGE_PARSING_ERROR, HOOK_MESSAGE_PARSING_ERROR2,       \
              HOOK_MESSAGE_ROUTING_ERROR, HOOK_MESSAGE_ROUTING_FORWARD, HOOK_MESSAGE_ROUTING_LOCAL, \
              HOOK_MESSAGE_DROPPED)

/* ---- who connects ---- */
static bool is_end(const struct fd_endpoint *ep, const struct sockaddr_storage *at)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)at;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)at;
    if (!(ep->flags & EP_FL_LL) || ep->sa.sa_family != at->ss_family)
        return false;
    if (at->ss_family == AF_INET)
        return ep->sin.sin_port == four->sin_port && ep->sin.sin_addr.s_addr == four->sin_addr.s_addr;
    return at->ss_family == AF_INET6 && ep->sin6.sin6_port == six->sin6_port &&
           memcmp(&ep->sin6.sin6_addr, &six->sin6_addr, 16) == 0;
}

static void print_address(const struct sockaddr_storage *at, char out[INET6_ADDRSTRLEN])
{
    const struct in6_addr *six = &((const struct sockaddr_in6 *)at)->sin6_addr;
    if (at->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)at)->sin_addr, out, INET6_ADDRSTRLEN);
    else if (IN6_IS_ADDR_V4MAPPED(six))
        inet_ntop(AF_INET, six->s6_addr + 12, out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, six, out, INET6_ADDRSTRLEN);
}

/* The peer's end of the connection. freeDiameter leaves it among the peer's endpoints (EP_FL_LL), where those of
 * earlier connections stay, too: it is the one at which a socket of this process is connected. Two addresses, of a
 * connection that comes while another is open, are "A or B", which is nobody's. */
static void remote_address(struct peer_info *info, char out[FD_ADDRESS])
{
    char first[INET6_ADDRSTRLEN] = "", one[INET6_ADDRSTRLEN];
    DIR *d = opendir("/proc/self/fd");
    out[0] = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        struct sockaddr_storage at;
        socklen_t n = sizeof at;
        if (getpeername((int)strtol(e->d_name, NULL, 10), (struct sockaddr *)&at, &n))
            continue;
        for (struct fd_list *li = info->pi_endpoints.next; li && li != &info->pi_endpoints; li = li->next) {
            if (!is_end((const struct fd_endpoint *)li, &at))
                continue;
            print_address(&at, one);
            if (!first[0])
                memcpy(first, one, sizeof first), snprintf(out, FD_ADDRESS, "%s", first);
            else if (strcmp(first, one) != 0)
                snprintf(out, FD_ADDRESS, "%s or %s", first, one);
        }
    }
    if (d)
        closedir(d);
}

/* Does the certificate that TLS verified carry the peer's identity? */
static bool certificate_names(const gnutls_datum_t *der, const char *id)
{
    gnutls_x509_crt_t crt;
    bool ok;
    if (gnutls_x509_crt_init(&crt))
        return false;
    ok = !gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) &&
         gnutls_x509_crt_check_hostname2(crt, id, GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS);
    gnutls_x509_crt_deinit(crt);
    return ok;
}

/* What is known of a connection, and the doubt of it. */
static const char *judge(const fd_peer_conf *p, struct peer_info *info, bool ours, char address[FD_ADDRESS])
{
    const gnutls_datum_t *certs = info->runtime.pir_cert_list;
    fd_link l = {.ours = ours, .address = address};
    remote_address(info, address);
    if (info->runtime.pir_cert_list_size)
        l.certificate = certificate_names(&certs[0], p->identity) ? 1 : -1;
    const char *doubt = fd_peer_doubt(p, &l);
    if (doubt)
        say(2, "%s at %s is not believed, asked nothing and told nothing: %s", p->identity,
            address[0] ? address : "an address that is not known", doubt);
    return doubt;
}

static void on_peer(enum fd_hook_type type, struct msg *msg, struct peer_hdr *peer, void *other,
                    struct fd_hook_permsgdata *pmd, void *reg)
{
    const fd_peer_conf *p = peer ? fd_peers_find(peer->info.pi_diamid) : NULL;
    const char *doubt = unconnected;
    DiamId_t from = NULL;
    char address[FD_ADDRESS] = "";
    (void)pmd, (void)reg;
    if (type == HOOK_PEER_CONNECT_FAILED)
        say(1, "no connection with %s: %s", peer ? peer->info.pi_diamid : "somebody", other ? (const char *)other : "");
    if (!p)
        return;
    if (type == HOOK_PEER_CONNECT_SUCCESS) /* a CEA that came to us answers a connection that we opened */
        doubt = judge(p, &peer->info, !fd_msg_source_get(msg, &from, NULL) && from, address);
    size_t i = (size_t)(p - g.conf->peers);
    pthread_mutex_lock(&g.lock);
    bool changed = g.peer[i].open != !doubt;
    g.peer[i].open = !doubt;
    g.peer[i].doubt = doubt;
    memcpy(g.peer[i].address, address, FD_ADDRESS);
    pthread_mutex_unlock(&g.lock);
    if (changed && g.conf->peer_change)
        g.conf->peer_change(p->identity, !doubt);
}

/* Whoever connects must be configured, and be believed. freeDiameter asks this for the peers that we wait for
 * alone: on_peer judges them all. */
static int validate(struct peer_info *info, int *auth, int (**cb2)(struct peer_info *))
{
    const fd_peer_conf *p = fd_peers_find(info->pi_diamid);
    char address[FD_ADDRESS];
    (void)cb2;
    *auth = -1;
    if (!p || judge(p, info, false, address))
        return 0;
    if (!p->tls)
        info->config.pic_flags.sec = PI_SEC_NONE;
    *auth = 1;
    return 0;
}

/* ---- life ---- */
void fd_peers_begin(const fd_conf *c)
{
    g.conf = c;
    for (size_t i = 0; i < FD_PEERS; i++)
        g.peer[i].doubt = unconnected;
    fd_log_handler_register(to_log);
}

bool fd_peers_register(void)
{
    struct fd_hook_hdl *peers, *events;
    return !fd_peer_validate_register(validate) &&
           !fd_hook_register(HOOK_MASK(HOOK_PEER_CONNECT_SUCCESS, HOOK_PEER_CONNECT_FAILED), on_peer, NULL, NULL,
                             &peers) &&
           !fd_hook_register(EVENTS, on_event, NULL, NULL, &events);
}

void fd_peers_quiet(void)
{
    atomic_store(&g.quiet, true);
}
