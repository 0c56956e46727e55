/* SPDX-License-Identifier: Apache-2.0 */
/* glue_mhd.c - see naf_mhd.h: a libmicrohttpd connection's request for libgbanaf, and its answer. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <gba/naf_mhd.h>

#define AMBIGUOUS "," /* in the place of a field that came twice: it is nobody's name */
#define AUTHORIZATIONS 4 /* more than one is refused by the library, which must see it */

typedef struct found {
    gba_naf_request *q;
    gba_span authorization[AUTHORIZATIONS];
    unsigned hosts, identities;
} found;

static gnutls_session_t session_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return i ? i->tls_session : NULL;
}

static const struct sockaddr *address_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return i ? i->client_addr : NULL;
}

void gba_naf_mhd_connection(void *gnutls, struct MHD_Connection *c, void **slot,
                            enum MHD_ConnectionNotificationCode what)
{
    gba_naf_gnutls_peer *p = *slot;
    gnutls_session_t s = what == MHD_CONNECTION_NOTIFY_STARTED ? session_of(c) : NULL;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED)
        gba_naf_gnutls_release(&p); /* the library has ended the session before */
    else if (s && gba_naf_gnutls_attach(gnutls, s, address_of(c), &p) != GBA_OK)
        p = NULL; /* no memory: the certificate alone */
    *slot = p;
}

/* In any spelling that the host's programs may read. */
static bool is(const char *name, const char *field)
{
    return gba_field_named(gba_str(name), gba_str(field));
}

static enum MHD_Result take(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    found *f = ctx;
    gba_naf_request *q = f->q;
    gba_span v = gba_str(value ? value : "");
    (void)kind;
    if (is(name, "Authorization") && q->n_authorization < AUTHORIZATIONS)
        f->authorization[q->n_authorization++] = v;
    else if (is(name, "Host"))
        q->host = f->hosts++ ? gba_str(AMBIGUOUS) : v;
    else if (is(name, "User-Agent"))
        q->user_agent = v;
    else if (is(name, "X-3GPP-Intended-Identity"))
        q->intended_identity = f->identities++ ? gba_str(AMBIGUOUS) : v;
    return MHD_YES;
}

static enum MHD_Result refuse(struct MHD_Connection *c, const gba_naf_result *r)
{
    struct MHD_Response *a = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    for (size_t i = 0; a && i < r->n_fields; i++)
        (void)MHD_add_response_header(a, r->fields[i].name, r->fields[i].value);
    enum MHD_Result done = a ? MHD_queue_response(c, r->status, a) : MHD_NO;
    if (a)
        MHD_destroy_response(a);
    return done;
}

static gba_naf_gnutls_peer *peer_of(struct MHD_Connection *c, bool psk)
{
    const union MHD_ConnectionInfo *i = psk ? MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT) : NULL;
    gba_naf_gnutls_peer *p = i ? i->socket_context : NULL;
    return gba_naf_gnutls_is_psk(p) ? p : NULL;
}

gba_naf_verdict gba_naf_mhd_check(gba_naf *naf, struct MHD_Connection *c, const gba_naf_mhd_request *m,
                                  gba_naf_result *r, enum MHD_Result *done)
{
    gba_naf_request q = {.method = gba_str(m->method), .target = gba_str(m->target), .body = m->body,
                         .body_hash = m->body_hash, .fetched = m->fetched, .now = time(NULL)};
    found f = {.q = &q};
    gnutls_session_t s = session_of(c);
    gba_naf_gnutls_peer *peer = peer_of(c, m->psk && s);
    q.authorization = f.authorization;
    gba_naf_gnutls_source(address_of(c), q.source);
    (void)MHD_get_connection_values(c, MHD_HEADER_KIND, take, &f);
    if (s)
        q.transport = gba_naf_gnutls_transport(s, &q.suite);
    *done = MHD_NO;
    if (peer)
        gba_naf_gnutls_check(peer, q.host, q.intended_identity, m->source != NULL, m->fetched, r);
    else if (m->source)
        gba_naf_check_blocking(naf, &q, m->source, m->source_ctx, r);
    else
        gba_naf_check(naf, &q, r);
    if (r->verdict == GBA_NAF_REFUSE)
        *done = refuse(c, r);
    return r->verdict;
}

enum MHD_Result gba_naf_mhd_reply(gba_naf *naf, struct MHD_Connection *c, unsigned status, struct MHD_Response *a,
                                  gba_span body, gba_naf_result *r)
{
    char info[1024];
    size_t n = sizeof info;
    /* ARG: over PSK there is no Digest, and nothing to prove in a field */
    if (a && gba_naf_answer(naf, r, body, time(NULL), info, &n) == GBA_OK)
        (void)MHD_add_response_header(a, "Authentication-Info", info);
    enum MHD_Result done = a ? MHD_queue_response(c, status, a) : MHD_NO;
    if (a)
        MHD_destroy_response(a);
    gba_naf_result_clear(r);
    return done;
}
