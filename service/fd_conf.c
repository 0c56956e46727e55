/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd_conf.c - freeDiameter's own configuration, written from ours; what must not stand in it; whether SCTP;
 * who is believed at the other end.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "service/fd_stack.h"

void fd_conf_print(const fd_conf *c, bool sctp, FILE *f)
{
    fprintf(f, "Identity = \"%s\";\nRealm = \"%s\";\n%s", c->identity, c->realm, sctp ? "" : "No_SCTP;\n");
    fprintf(f, "Port = %u;\nSecPort = %u;\nListenOn = \"%s\";\n", c->port, c->sec_port, c->listen);
    if (!c->relay)
        fprintf(f, "NoRelay;\n");
    fprintf(f, "AppServThreads = %u;\nTcTimer = 2;\nTwTimer = 6;\n", c->threads ? c->threads : 4);
    if (c->cert) {
        fprintf(f, "TLS_Cred = \"%s\", \"%s\";\nTLS_CA = \"%s\";\n", c->cert, c->key, c->ca);
        fprintf(f, "TLS_Prio = \"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2\";\nTLS_DH_Bits = 2048;\n");
        if (c->crl)
            fprintf(f, "TLS_CRL = \"%s\";\n", c->crl);
    }
    for (size_t i = 0; i < c->n_peers; i++) {
        const fd_peer_conf *p = &c->peers[i];
        if (p->address[0] && !p->passive)
            fprintf(f, "ConnectPeer = \"%s\" { ConnectTo = \"%s\"; Port = %u; %s%s };\n", p->identity, p->address,
                    p->port, p->tls ? "" : "No_TLS; ", sctp && !p->sctp ? "No_SCTP;" : "");
    }
}

/* Nothing that ends a quoted string may enter freeDiameter's own configuration. */
static bool plain(const char *s)
{
    return !s || !s[strcspn(s, "\"\\\n\r")];
}

gba_err fd_conf_check(const fd_conf *c, char *why, size_t why_n)
{
    bool ok = plain(c->identity) && plain(c->realm) && plain(c->listen) && plain(c->cert) && plain(c->key) &&
              plain(c->ca) && plain(c->crl) && c->n_peers <= FD_PEERS;
    for (size_t i = 0; ok && i < c->n_peers; i++)
        ok = plain(c->peers[i].identity) && plain(c->peers[i].address);
    if (!ok) {
        snprintf(why, why_n, "an identity, address or path holds a quote, a backslash or a line end");
        return GBA_E_ARG;
    }
    if (!c->listen || (!c->port && !c->sec_port)) {
        snprintf(why, why_n, "a Diameter node needs a local address and a port to listen on, also as a client");
        return GBA_E_ARG;
    }
    /* freeDiameter drops a loopback ListenOn silently and then listens everywhere */
    if (!strncmp(c->listen, "127.", 4) || !strcmp(c->listen, "::1")) {
        snprintf(why, why_n, "Diameter cannot listen on loopback address %s: freeDiameter would ignore it and listen "
                             "everywhere; give another local address", c->listen);
        return GBA_E_ARG;
    }
    return GBA_OK;
}

/* ---- SCTP (RFC 6733 2.1) ---- */
bool fd_sctp_here(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

gba_err fd_sctp_choose(fd_sctp wish, bool here, bool *use, char *why, size_t why_n)
{
    *use = wish != FD_SCTP_NO && here;
    if (wish != FD_SCTP_YES || here)
        return GBA_OK;
    snprintf(why, why_n,
             "this kernel has no SCTP: load its module (modprobe sctp), or say diameter.sctp: auto, which does "
             "without it");
    return GBA_E_UNSUPPORTED;
}

/* ---- who is at the other end ---- */
static bool same_address(const char *a, const char *b)
{
    struct in6_addr x, y;
    for (int i = 0; i < 2; i++) {
        int af = i ? AF_INET6 : AF_INET;
        if (inet_pton(af, a, &x) == 1 && inet_pton(af, b, &y) == 1)
            return memcmp(&x, &y, i ? 16 : 4) == 0;
    }
    return false;
}

/* A certificate decides where there is one. freeDiameter keeps none of a connection that it opened itself: there
 * it compares the certificate with the identity in the handshake, and for a peer with TLS it opens no other. */
const char *fd_peer_doubt(const fd_peer_conf *p, const fd_link *l)
{
    if (l->certificate)
        return l->certificate > 0 ? NULL : "the peer's certificate does not say its identity";
    if (p->tls)
        return l->ours ? NULL : "the peer came without TLS";
    return same_address(p->address, l->address) ? NULL : "the peer came from another address than its own";
}
