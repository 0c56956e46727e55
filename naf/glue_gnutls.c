/* SPDX-License-Identifier: Apache-2.0 */
/* glue_gnutls.c - see naf_gnutls.h: PSK credentials for a host's GnuTLS sessions, and who their peers are. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <gba/naf_gnutls.h>

#define HINT "3GPP-bootstrapping" /* TS 33.222 5.4.0.1; identities are the same, ';' and the B-TID */
#define IDENTITY_MAX 512
#define PRE_SHARED_KEY 41

struct gba_naf_gnutls {
    gba_naf *naf;
    gba_naf_source *source;
    void *ctx;
    gnutls_psk_server_credentials_t cred;
};

struct gba_naf_gnutls_peer {
    gba_naf_gnutls *g;
    gnutls_session_t session;
    uint8_t source[16];
    uint16_t hello; /* the suite of the ServerHello: GnuTLS tells it when the handshake is over */
    uint16_t suite; /* the same in TLS 1.2, else 0: there the key is needed before it is known */
    bool proved;
    gba_secret key;
    gba_transport transport;
    gba_fqdn fqdn;
    gba_naf_why why;
    gba_btid btid;
    size_t n;
    uint8_t identity[IDENTITY_MAX];
};

static gba_naf_gnutls_peer *peer_of(gnutls_session_t s)
{
    gba_naf_gnutls_peer *p = gnutls_session_get_ptr(s);
    return p && p->session == s ? p : NULL;
}

static bool is_ours(const uint8_t *p, size_t n)
{
    return n >= sizeof HINT - 1 && gba_span_eq(gba_mem(p, sizeof HINT - 1), gba_str(HINT));
}

/* ---- one question ---- */
static void ask(gba_naf_gnutls *g, gba_naf_psk_request *r, bool wait, gba_naf_result *out)
{
    gba_naf_psk(g->naf, r, out);
    for (int i = 0; wait && out->verdict == GBA_NAF_WAIT; i++) {
        gba_naf_keys keys = {0};
        /* learnt and at once evicted: no second round */
        r->fetched = i == 0 ? g->source(g->ctx, &out->query, &keys) : GBA_E_BUSY;
        r->now = time(NULL);
        gba_naf_learn(g->naf, &out->query, r->fetched, &keys, r->now);
        gba_naf_keys_clear(&keys);
        gba_naf_psk(g->naf, r, out);
    }
}

static gba_naf_psk_request request_of(const gba_naf_gnutls_peer *p)
{
    gba_naf_psk_request r = {.identity = gba_mem(p->identity, p->n), .fqdn = gba_str(p->fqdn.s),
                             .transport = p->transport, .suite = p->suite, .now = time(NULL)};
    memcpy(r.source, p->source, sizeof r.source);
    return r;
}

/* ---- in the handshake ---- */
static void look_up(gba_naf_gnutls_peer *p)
{
    gba_naf_result *out = malloc(sizeof *out);
    gba_naf_psk_request r = request_of(p);
    p->why = GBA_NAF_WHY_UNREACHABLE; /* no memory, for one */
    if (!out)
        return;
    ask(p->g, &r, true, out);
    p->why = out->why;
    p->btid = out->btid;
    if (out->verdict == GBA_NAF_OK) {
        p->key = out->psk;
        p->fqdn = out->query.naf.fqdn;
    }
    gba_naf_result_clear(out);
    free(out);
}

/* 1: GnuTLS goes on with a random key, so that this looks like a wrong one. -1: the handshake ends with
 * internal_error, since the UE may not take an outage for its key's fault, and bootstrap anew. */
static int on_identity(gnutls_session_t s, const gnutls_datum_t *identity, gnutls_datum_t *key)
{
    gba_naf_gnutls_peer *p = peer_of(s);
    char sni[256];
    size_t n = sizeof sni;
    unsigned type;
    if (!p)
        return 1;
    gba_secret_wipe(&p->key);
    if (identity->size > sizeof p->identity)
        return 1;
    memcpy(p->identity, identity->data, identity->size);
    p->n = identity->size;
    p->transport = gnutls_protocol_get_version(s) == GNUTLS_TLS1_3 ? GBA_TLS13 : GBA_TLS12;
    p->suite = p->transport == GBA_TLS12 ? p->hello : 0;
    p->fqdn.s[0] = '\0';
    p->why = GBA_NAF_WHY_HOST;
    if (gnutls_server_name_get(s, sni, &n, &type, 0) == 0 && type == GNUTLS_NAME_DNS &&
        gba_fqdn_parse(gba_mem(sni, strnlen(sni, sizeof sni)), &p->fqdn) != GBA_OK)
        return 1;
    look_up(p);
    if (!p->key.n)
        return p->why == GBA_NAF_WHY_UNREACHABLE || p->why == GBA_NAF_WHY_LIMITED ? -1 : 1;
    if (!(key->data = gnutls_malloc(p->key.n)))
        return -1;
    memcpy(key->data, p->key.o, p->key.n);
    key->size = (unsigned)p->key.n;
    return 0;
}

/* RFC 8446 4.2.11: identities of two-octet length and four of age. */
static int find_ours(void *ctx, unsigned type, const unsigned char *d, unsigned size)
{
    int *found = ctx; /* 0: no such extension; 1: ours; -1: others alone */
    size_t end = size >= 2 ? 2 + ((size_t)d[0] << 8 | d[1]) : 0;
    if (type != PRE_SHARED_KEY || end > size)
        return 0;
    *found = -1;
    for (size_t at = 2, n; at + 2 <= end; at += n + 6) {
        n = (size_t)d[at] << 8 | d[at + 1];
        if (at + 6 + n > end)
            break;
        if (is_ours(d + at + 2, n))
            *found = 1;
    }
    return 0;
}

static int on_message(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *msg)
{
    gba_naf_gnutls_peer *p = peer_of(s);
    int found = 0;
    if (!p)
        return GNUTLS_E_INTERNAL_ERROR;
    if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && incoming && when == GNUTLS_HOOK_PRE) {
        (void)gnutls_ext_raw_parse(&found, find_ours, msg, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
        /* a PSK function that does not know an identity would end the handshake there */
        return gnutls_credentials_set(s, GNUTLS_CRD_PSK, found < 0 ? NULL : p->g->cred);
    }
    /* session id behind version and random, then the suite */
    if (type == GNUTLS_HANDSHAKE_SERVER_HELLO && !incoming && msg->size > 34 && msg->size >= 37u + msg->data[34])
        p->hello = (uint16_t)(msg->data[35 + msg->data[34]] << 8 | msg->data[36 + msg->data[34]]);
    if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && incoming)
        p->proved = false; /* TLS 1.2 may begin again */
    if (type == GNUTLS_HANDSHAKE_FINISHED && !incoming)
        p->proved = true; /* TLS 1.2: the client's was right; TLS 1.3: its binder was */
    return 0;
}

/* ---- a listener, a session ---- */
gba_err gba_naf_gnutls_new(gba_naf *naf, gba_naf_source *source, void *ctx, gba_naf_gnutls **out)
{
    gba_naf_gnutls *g = *out = naf && source ? calloc(1, sizeof *g) : NULL;
    if (!g)
        return naf && source ? GBA_E_NOMEM : GBA_E_ARG;
    *g = (gba_naf_gnutls){.naf = naf, .source = source, .ctx = ctx};
    if (gnutls_psk_allocate_server_credentials(&g->cred) < 0 ||
        gnutls_psk_set_server_credentials_hint(g->cred, HINT) < 0) {
        gba_naf_gnutls_free(out);
        return GBA_E_NOMEM;
    }
    /* the older function would cut an identity at its first NUL */
    gnutls_psk_set_server_credentials_function2(g->cred, on_identity);
    return GBA_OK;
}

void gba_naf_gnutls_free(gba_naf_gnutls **gp)
{
    gba_naf_gnutls *g = *gp;
    *gp = NULL;
    if (g && g->cred)
        gnutls_psk_free_server_credentials(g->cred);
    free(g);
}

gba_err gba_naf_gnutls_attach(gba_naf_gnutls *g, gnutls_session_t s, const struct sockaddr *from,
                              gba_naf_gnutls_peer **out)
{
    gba_naf_gnutls_peer *p = *out = calloc(1, sizeof *p);
    if (!p)
        return GBA_E_NOMEM;
    p->g = g;
    p->session = s;
    p->why = GBA_NAF_WHY_NOT_GBA;
    gba_naf_gnutls_source(from, p->source);
    if (gnutls_credentials_set(s, GNUTLS_CRD_PSK, g->cred) < 0) {
        gba_naf_gnutls_release(out);
        return GBA_E_NOMEM;
    }
    gnutls_session_set_ptr(s, p);
    gnutls_handshake_set_hook_function(s, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
    return GBA_OK;
}

void gba_naf_gnutls_release(gba_naf_gnutls_peer **pp)
{
    gba_naf_gnutls_peer *p = *pp;
    *pp = NULL;
    if (p)
        gba_wipe(p, sizeof *p);
    free(p);
}

gba_naf_why gba_naf_gnutls_why(const gba_naf_gnutls_peer *p, gba_btid *btid)
{
    if (btid)
        *btid = p->btid;
    return p->why;
}

/* ---- after it ---- */
gba_transport gba_naf_gnutls_transport(gnutls_session_t s, uint16_t *suite)
{
    bool tls13 = gnutls_protocol_get_version(s) == GNUTLS_TLS1_3;
    gnutls_kx_algorithm_t kx;
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t mac;
    gnutls_protocol_t since;
    unsigned char id[2];
    *suite = 0;
    for (size_t i = 0; gnutls_cipher_suite_info(i, id, &kx, &cipher, &mac, &since); i++)
        if (cipher == gnutls_cipher_get(s) && mac == gnutls_mac_get(s) &&
            (tls13 ? since == GNUTLS_TLS1_3 : since != GNUTLS_TLS1_3 && kx == gnutls_kx_get(s)))
            *suite = (uint16_t)(id[0] << 8 | id[1]);
    return tls13 ? GBA_TLS13 : GBA_TLS12;
}

bool gba_naf_gnutls_is_psk(const gba_naf_gnutls_peer *p)
{
    return p && p->proved && p->key.n && !gnutls_session_is_resumed(p->session) &&
           gnutls_auth_client_get_type(p->session) == GNUTLS_CRD_PSK;
}

void gba_naf_gnutls_check(gba_naf_gnutls_peer *p, gba_span host, gba_span intended_identity, bool wait, gba_err fetched,
                          gba_naf_result *out)
{
    gba_naf_psk_request r = request_of(p);
    r.host = host.p ? host : gba_str("");
    r.intended_identity = intended_identity;
    r.fetched = fetched;
    ask(p->g, &r, wait, out);
    if (out->verdict == GBA_NAF_OK && !gba_secret_eq(&out->psk, &p->key)) { /* another one cannot be this session's */
        gba_naf_result_clear(out);
        out->verdict = GBA_NAF_REFUSE;
        out->why = GBA_NAF_WHY_UNKNOWN_BTID;
        out->status = 421;
    }
    gba_secret_wipe(&out->psk);
}

void gba_naf_gnutls_source(const struct sockaddr *from, uint8_t out[16])
{
    memset(out, 0, 16);
    if (from && from->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
        /* an IPv6 user holds a /64; all zero would be nobody */
        memcpy(out, a, IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_LOOPBACK(a) ? 16 : 8);
    } else if (from && from->sa_family == AF_INET) {
        memset(out + 10, 0xff, 2);
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    }
}
