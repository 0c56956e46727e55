/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed_naf_mhd.c - a web server of one's own that trusts SIMs: libmicrohttpd, libgbanaf, and Zn
 * over HTTP as the key source. HTTP Digest with the certificate and TLS with the GBA key, on one port.
 * What a host changes is the one block in handle() between "the request is whole" and "route it"; see
 * docs/embedding-a-naf.md.
 *
 *   embed_naf_mhd PORT NAF_FQDN CERT KEY BSF_DOMAIN ZN_URL ZN_CA ZN_CERT ZN_KEY
 *
 * Serves HTTPS on 127.0.0.1 (PORT 0: a free one, printed) until its standard input ends.
 *
 *   cc embed_naf_mhd.c $(pkg-config --cflags --libs gbanaf-mhd gbanaf-zn-http)
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gba/naf_mhd.h>
#include <gba/naf_zn_http.h>

#define BODY_MAX 65536

typedef struct app {
    gba_naf *naf;
    gba_naf_zn_http *zn;
    gba_naf_gnutls *tls;
    struct MHD_Response *empty;
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
    gba_naf_result r;
    enum MHD_Result done;
    if (x->too_large)
        return MHD_queue_response(c, 413, my->empty);

    /* ---- the block: between "the request is whole" and "route it" ---- */
    const gba_naf_mhd_request q = {.method = method, .target = x->target, .body = gba_mem(x->body, x->n), .psk = true,
                                   .source = gba_naf_zn_http_fetch, .source_ctx = my->zn};
    if (gba_naf_mhd_check(my->naf, c, &q, &r, &done) != GBA_NAF_OK)
        return done;
    /* ---- the user is known ---- */

    char body[4096];
    route(r.identity, x->target, body, sizeof body);
    return gba_naf_mhd_reply(my->naf, c, 200, MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_COPY),
                             gba_str(body), &r);
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
    if (gba_naf_new(&nc, &my.naf, &why) != GBA_OK || gba_naf_zn_http_new(&zc, &my.zn, &why) != GBA_OK ||
        gba_naf_gnutls_new(my.naf, gba_naf_zn_http_fetch, my.zn, &my.tls) != GBA_OK)
        return fprintf(stderr, "embed_naf_mhd: %s\n", why), 1;
    my.empty = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* A thread a connection: a handshake or a handler may wait for Zn, and nobody else waits with it. */
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS,
                                            0, NULL, NULL, handle, &my, MHD_OPTION_SOCK_ADDR, &at,
                                            MHD_OPTION_URI_LOG_CALLBACK, begin, NULL, MHD_OPTION_NOTIFY_COMPLETED, end,
                                            NULL, MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_HTTPS_MEM_KEY, key,
                                            MHD_OPTION_HTTPS_PRIORITIES, GBA_NAF_GNUTLS_PRIORITY,
                                            MHD_OPTION_NOTIFY_CONNECTION, gba_naf_mhd_connection, my.tls,
                                            MHD_OPTION_CONNECTION_LIMIT, 1000u, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                                            MHD_OPTION_END);
    if (!d)
        return fprintf(stderr, "embed_naf_mhd: cannot serve: check the port, %s and %s\n", argv[3], argv[4]), 1;
    printf("%u\n", MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    for (char c; read(STDIN_FILENO, &c, 1) > 0;)
        gba_naf_sweep(my.naf, time(NULL));
    MHD_stop_daemon(d);
    MHD_destroy_response(my.empty);
    gba_naf_gnutls_free(&my.tls);
    gba_naf_zn_http_free(&my.zn);
    gba_naf_free(&my.naf);
    return 0;
}
