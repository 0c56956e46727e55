/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd_stack.h - Diameter transport (RFC 6733) on freeDiameter: one identity a process, AVP lists in,
 * AVP lists out. Stands on public libgba headers alone, so that libgbanaf-zn-diameter, which ships
 * without floor 2, compiles the same file.
 */
#ifndef SERVICE_FD_STACK_H
#define SERVICE_FD_STACK_H
#include <gba/diameter.h>
#include <stdio.h>

#define FD_PEERS 32
/* SCTP beside TCP: where the kernel has it (tried by a socket at start); never; or not without it. */
typedef enum fd_sctp { FD_SCTP_AUTO = 0, FD_SCTP_NO, FD_SCTP_YES } fd_sctp;
typedef struct fd_peer_conf {
    char identity[256];
    char address[64]; /* to connect to, and where it must come from without TLS; empty: it connects to us */
    uint16_t port;
    bool passive; /* we wait for it, though it has an address */
    bool tls;
    bool relay; /* requests for any realm may go there when no peer of that realm is connected */
    bool sctp;  /* we connect by SCTP, and by TCP where that fails; not with tls */
} fd_peer_conf;

typedef struct fd_conf {
    const char *identity, *realm;     /* ours */
    const char *listen;               /* local address, never loopback (freeDiameter ignores that); clients too */
    uint16_t port, sec_port;          /* TCP and TLS; 0: closed, but not both */
    const char *cert, *key, *ca, *crl; /* PEM; needed for TLS */
    bool relay;                       /* only the Zn-Proxy */
    fd_sctp sctp;
    unsigned threads;                 /* workers, 0: 4 */
    uint32_t applications[2];         /* GBA_DIA_ZH, GBA_DIA_ZN; 0: none */
    size_t n_peers;
    fd_peer_conf peers[FD_PEERS];
    /* freeDiameter's own lines: level 0 debug .. 3 fatal; may be NULL */
    void (*log)(int level, const char *line);
    /* a peer's connection came (true) or went; may be NULL */
    void (*peer_change)(const char *identity, bool open);
    /* everything is registered, no connection open yet: the time for fd_serve and fd_proxy; may be NULL */
    gba_err (*prepare)(void *ctx);
    void *prepare_ctx;
} fd_conf;

/* Once a process. The dictionary is registered and checked against gba_dia_dictionary. */
gba_err fd_stack_start(const fd_conf *c, char *why, size_t why_n) GBA_MUST_USE;
void fd_stack_stop(void);

/* ---- fd_conf.c: freeDiameter's configuration ---- */
gba_err fd_conf_check(const fd_conf *c, char *why, size_t why_n) GBA_MUST_USE;
void fd_conf_print(const fd_conf *c, bool sctp, FILE *f);
/* Does this kernel make SCTP sockets? It may load its module for that. */
bool fd_sctp_here(void);
/* What becomes of the wish: GBA_OK and *use, or UNSUPPORTED and why. */
gba_err fd_sctp_choose(fd_sctp wish, bool here, bool *use, char *why, size_t why_n) GBA_MUST_USE;
/* ---- fd_conf.c: who is at the other end ---- */
typedef struct fd_link {
    bool ours;           /* we opened the connection */
    int certificate;     /* 1: TLS verified one that says the peer's identity; -1: one that does not; 0: none known */
    const char *address; /* the peer's; "": unknown, or not one alone */
} fd_link;
/* NULL: the connection is this peer's; else why it is not believed. */
const char *fd_peer_doubt(const fd_peer_conf *p, const fd_link *l);

/* Peers with an open connection that are believed; only they are asked anything. */
unsigned fd_stack_open_peers(void);
bool fd_stack_peer_open(const char *identity);
/* Is a peer connected by which that host (NULL: any) of that realm may be reached? */
bool fd_stack_reaches(const char *realm, const char *host);

/* ---- server ---- */
typedef struct fd_request fd_request;
/* On one of freeDiameter's threads: must answer, now or later, by fd_answer exactly once. */
typedef void fd_handler(void *ctx, fd_request *r, const gba_dia_list *in);
gba_err fd_serve(uint32_t application, uint32_t command, fd_handler *h, void *ctx) GBA_MUST_USE;
/* Whom a message comes from. */
typedef struct fd_source {
    const char *origin_host; /* what the message says */
    const char *peer;        /* who handed it to us: the connection's identity */
    const char *address;     /* and its address; "": unknown */
    const char *doubt;       /* NULL: that identity is proved (fd_peer_doubt) */
} fd_source;
fd_source fd_request_source(const fd_request *r);
/* missing: code of an AVP to name in Failed-AVP, 0 none. */
void fd_answer(fd_request *r, const gba_dia_list *out, uint32_t missing);

/* ---- client ---- */
/* err: OK (an answer, whatever it says), BUSY (no answer within the time), IO (no peer, or the stack stops).
 * The list is borrowed. Runs once, at the latest half a second after the time, whatever the peer does; on
 * a thread of the stack. */
typedef void fd_done(void *ctx, gba_err err, const gba_dia_list *answer, const char *peer);
/* host may be NULL: routed by realm. */
gba_err fd_send(uint32_t application, uint32_t command, const char *realm, const char *host, const gba_dia_list *out,
                unsigned timeout_ms, fd_done *done, void *ctx) GBA_MUST_USE;

/* ---- proxy (relay on) ---- */
/* Every request that is about to be forwarded: OK lets it pass; else it is answered with
 * 3GPP's Experimental-Result NOT_AUTHORIZED. */
typedef gba_err fd_forward(void *ctx, const fd_source *from, const char *realm, uint32_t application,
                           uint32_t command, const gba_dia_list *in);
gba_err fd_proxy(fd_forward *f, void *ctx) GBA_MUST_USE;
#endif
