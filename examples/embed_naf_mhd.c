/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed_naf_mhd.c - a web server of one's own that trusts SIMs: libmicrohttpd, libgbanaf, and Zn
 * over HTTP as the key source. What a host changes is the one block in handle() between "the
 * request is whole" and "route it"; see docs/embedding-a-naf.md.
 *
 *   embed_naf_mhd PORT NAF_FQDN CERT KEY BSF_DOMAIN ZN_URL ZN_CA ZN_CERT ZN_KEY
 *
 * Serves HTTPS on 127.0.0.1 (PORT 0: a free one, printed) until its standard input ends.
 *
 *   cc embed_naf_mhd.c $(pkg-config --cflags --libs gbanaf gbanaf-zn-http libmicrohttpd gnutls)
 */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gba/naf.h>
#include <gba/naf_zn_http.h>

#define BODY_MAX 65536

typedef struct app {
    gba_naf *naf;
    gba_naf_zn_http *zn;
} app;
typedef struct exchange {
    bool begun, too_large;
    size_t n;
    uint8_t body[BODY_MAX];
    char target[]; /* as on the request line: libmicrohttpd's url is decoded, which Digest must not be */
} exchange;

static void *begin(void *unused, const char *uri, struct MHD_Connection *c)
{
    size_t n = strlen(uri) + 1;
    exchange *x = calloc(1, sizeof *x + n);
    (void)unused, (void)c;
    if (x)
        memcpy(x->target, uri, n);
    return x;
}

static void end(void *unused, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
    (void)unused, (void)c, (void)why;
    free(*state);
    *state = NULL;
}

/* The Ua security protocol identifier depends on what carries the request (TS 33.220 Annex H). */
static void take_tls(struct MHD_Connection *c, gba_naf_request *q)
{
    gnutls_session_t s = MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    bool tls13 = gnutls_protocol_get_version(s) == GNUTLS_TLS1_3;
    gnutls_kx_algorithm_t kx;
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t mac;
    gnutls_protocol_t since;
    unsigned char id[2];
    q->transport = tls13 ? GBA_TLS13 : GBA_TLS12;
    for (size_t i = 0; gnutls_cipher_suite_info(i, id, &kx, &cipher, &mac, &since); i++)
        if (cipher == gnutls_cipher_get(s) && mac == gnutls_mac_get(s) &&
            (tls13 ? since == GNUTLS_TLS1_3 : since != GNUTLS_TLS1_3 && kx == gnutls_kx_get(s)))
            q->suite = (uint16_t)(id[0] << 8 | id[1]);
}

/* Whom the limits count; here IPv4 alone, as this example listens on 127.0.0.1. */
static void take_source(struct MHD_Connection *c, gba_naf_request *q)
{
    const struct sockaddr_in *a = (const void *)MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    memset(q->source + 10, 0xff, 2);
    memcpy(q->source + 12, &a->sin_addr, 4);
}

static gba_span header(struct MHD_Connection *c, const char *name)
{
    return gba_str(MHD_lookup_connection_value(c, MHD_HEADER_KIND, name));
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const gba_naf_field *fields, size_t n,
                             const char *body)
{
    struct MHD_Response *a = MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body,
                                                             MHD_RESPMEM_MUST_COPY);
    for (size_t i = 0; a && i < n; i++)
        MHD_add_response_header(a, fields[i].name, fields[i].value);
    enum MHD_Result done = a ? MHD_queue_response(c, status, a) : MHD_NO;
    if (a)
        MHD_destroy_response(a);
    return done;
}

/* What this server is for. It is called for users that are known, and for nobody else. */
static void route(const gba_naf_identity *who, const char *target, char *body, size_t room)
{
    snprintf(body, room, "Hello %s, this is %s.\n", gba_naf_asserted(who), target);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *n, void **state)
{
    const app *my = cls;
    exchange *x = *state;
    (void)url, (void)version;
    if (!x)
        return MHD_NO;
    if (!x->begun) {
        x->begun = true;
        return MHD_YES;
    }
    if (*n) { /* a part of the body */
        x->too_large |= *n > sizeof x->body - x->n;
        if (!x->too_large) {
            memcpy(x->body + x->n, data, *n);
            x->n += *n;
        }
        *n = 0;
        return MHD_YES;
    }
    if (x->too_large)
        return reply(c, 413, NULL, 0, "");

    /* ---- the block: between "the request is whole" and "route it" ---- */
    const gba_span authorization = header(c, "Authorization");
    gba_naf_request q = {.method = gba_str(method), .target = gba_str(x->target), .host = header(c, "Host"),
                         .body = gba_mem(x->body, x->n), .authorization = &authorization,
                         .n_authorization = authorization.p ? 1 : 0, .user_agent = header(c, "User-Agent"),
                         .intended_identity = header(c, "X-3GPP-Intended-Identity"), .now = time(NULL)};
    gba_naf_result r;
    take_tls(c, &q);
    take_source(c, &q);
    gba_naf_check_blocking(my->naf, &q, gba_naf_zn_http_fetch, my->zn, &r);
    if (r.verdict != GBA_NAF_OK)
        return reply(c, r.status, r.fields, r.n_fields, "");
    /* ---- the user is known ---- */

    char body[4096], info[1024];
    size_t len = sizeof info;
    route(r.identity, x->target, body, sizeof body);
    bool proved = gba_naf_answer(my->naf, &r, gba_str(body), time(NULL), info, &len) == GBA_OK;
    const gba_naf_field proof = {"Authentication-Info", info};
    enum MHD_Result done = reply(c, 200, &proof, proved ? 1 : 0, body);
    gba_naf_result_clear(&r);
    return done;
}

static char *read_file(const char *path)
{
    static char room[2][65536];
    static unsigned used;
    FILE *f = used < 2 ? fopen(path, "re") : NULL;
    if (f) {
        room[used][fread(room[used], 1, sizeof room[0] - 1, f)] = '\0';
        fclose(f);
    }
    return f ? room[used++] : NULL;
}

int main(int argc, char **argv)
{
    const char *why = "";
    app my = {0};
    if (argc != 10)
        return fprintf(stderr, "usage: embed_naf_mhd PORT NAF_FQDN CERT KEY BSF_DOMAIN ZN_URL ZN_CA ZN_CERT ZN_KEY\n"), 2;
    const char *fqdns[] = {argv[2]}, *bsfs[] = {argv[5]};
    const gba_naf_config nc = {.fqdns = fqdns, .n_fqdns = 1, .bsfs = bsfs, .n_bsfs = 1};
    const gba_naf_zn_bsf bsf = {.domain = argv[5], .url = argv[6]};
    const gba_naf_zn_http_config zc = {.bsfs = &bsf, .n_bsfs = 1, .ca_file = argv[7], .cert_file = argv[8],
                                       .key_file = argv[9]};
    char *cert = read_file(argv[3]), *key = read_file(argv[4]);
    if (gba_naf_new(&nc, &my.naf, &why) != GBA_OK || gba_naf_zn_http_new(&zc, &my.zn, &why) != GBA_OK)
        return fprintf(stderr, "embed_naf_mhd: %s\n", why), 1;
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* A thread a connection: a handler may wait for Zn, and nobody else waits with it. */
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS,
                                            0, NULL, NULL, handle, &my, MHD_OPTION_SOCK_ADDR, &at,
                                            MHD_OPTION_URI_LOG_CALLBACK, begin, NULL, MHD_OPTION_NOTIFY_COMPLETED, end,
                                            NULL, MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_HTTPS_MEM_KEY, key,
                                            MHD_OPTION_CONNECTION_LIMIT, 1000u, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                                            MHD_OPTION_END);
    if (!d)
        return fprintf(stderr, "embed_naf_mhd: cannot serve: check the port, %s and %s\n", argv[3], argv[4]), 1;
    printf("%u\n", MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    for (char c; read(STDIN_FILENO, &c, 1) > 0;)
        gba_naf_sweep(my.naf, time(NULL));
    MHD_stop_daemon(d);
    gba_naf_zn_http_free(&my.zn);
    gba_naf_free(&my.naf);
    return 0;
}
