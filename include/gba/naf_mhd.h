/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf_mhd.h - libgbanaf in a server on libmicrohttpd: HTTP Digest, and TLS with the GBA key, in two calls
 * (libgbanaf-mhd).
 */
#ifndef GBA_NAF_MHD_H
#define GBA_NAF_MHD_H

#include <gba/naf_gnutls.h>
#include <microhttpd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* TLS-PSK on the HTTPS port: MHD_OPTION_NOTIFY_CONNECTION, gba_naf_mhd_connection, a gba_naf_gnutls; with
 * MHD_OPTION_HTTPS_PRIORITIES, GBA_NAF_GNUTLS_PRIORITY, since the library's own order would prefer the
 * certificate; and MHD_USE_THREAD_PER_CONNECTION, since a handshake may wait for a key. The connection's
 * socket_context is taken. */
GBA_API void gba_naf_mhd_connection(void *gnutls, struct MHD_Connection *c, void **slot,
                                    enum MHD_ConnectionNotificationCode what);

typedef struct gba_naf_mhd_request {
    const char *method; /* as the access handler gets it */
    const char *target; /* as MHD_OPTION_URI_LOG_CALLBACK gets it: the handler's url is decoded and has no query */
    gba_span body;      /* whole, for auth-int; p == NULL: not here */
    const char *body_hash;  /* or its hash, see gba_digest_message */
    bool psk;               /* the server has gba_naf_mhd_connection */
    gba_naf_source *source; /* asked for keys, blocking; NULL: the check may say WAIT */
    void *source_ctx;
    gba_err fetched; /* after a WAIT: the outcome that was learnt, else GBA_OK */
} gba_naf_mhd_request;
/* Between "the request is whole" and "route it". OK: r->identity says who it is; answer by
 * gba_naf_mhd_reply. REFUSE: the refusal is queued, and the handler returns *done. WAIT: run r->query anywhere,
 * gba_naf_learn, and check again with fetched. */
GBA_API gba_naf_verdict gba_naf_mhd_check(gba_naf *naf, struct MHD_Connection *c, const gba_naf_mhd_request *q,
                                          gba_naf_result *r, enum MHD_Result *done);
/* The answer to an OK request, with Authentication-Info; body as it is in a (p == NULL: too large to have whole).
 * Takes a over and clears *r. */
GBA_API enum MHD_Result gba_naf_mhd_reply(gba_naf *naf, struct MHD_Connection *c, unsigned status,
                                          struct MHD_Response *a, gba_span body, gba_naf_result *r);

#ifdef __cplusplus
}
#endif
#endif
