/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf_openssl_host.c - a server on OpenSSL whose clients are SIMs: TLS-PSK with GBA keys (TS 33.222 5.4),
 * TLS 1.2 and 1.3, libgbanaf, and Zn over HTTP as the key source. What a host adds to its own OpenSSL code
 * are the two callbacks and find(); the rest is a small server around them. A thread for each
 * connection, so the callbacks may wait for the BSF.
 *
 *   naf_openssl_host PORT NAF_FQDN BSF_DOMAIN ZN_URL ZN_CA ZN_CERT ZN_KEY
 *
 * Serves on 127.0.0.1 (PORT 0: a free one, printed) until its standard input ends.
 *
 *   cc naf_openssl_host.c -pthread $(pkg-config --cflags --libs gbanaf gbanaf-zn-http openssl)
 */
#include <arpa/inet.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <gba/naf.h>
#include <gba/naf_zn_http.h>

#define HINT "3GPP-bootstrapping" /* TS 33.222 5.4.0.1 */
#define KEY_LEN 32

static gba_naf *naf;
static gba_naf_zn_http *zn;
static SSL_CTX *ctx;

typedef struct connection {
    int fd;
    uint8_t source[16]; /* whom limits count */
    char who[GBA_ID_MAX + 1], btid[GBA_ID_MAX + 1];
} connection;

/* The key of a PSK identity, and whose it is. An unknown one of GBA's gets a key by lot: the handshake
 * then fails just as one with a wrong key, and tells strangers nothing. false: none of GBA's. */
static bool find(SSL *ssl, gba_span identity, gba_transport transport, uint16_t suite, uint8_t key[KEY_LEN])
{
    connection *c = SSL_get_app_data(ssl);
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    gba_naf_psk_request q = {.identity = identity, .fqdn = gba_str(sni ? sni : ""), .transport = transport,
                             .suite = suite, .now = time(NULL)};
    gba_naf_result r;
    memcpy(q.source, c->source, sizeof q.source);
    if (identity.n < strlen(HINT) || memcmp(identity.p, HINT, strlen(HINT)) != 0)
        return false;
    gba_naf_psk(naf, &q, &r);
    if (r.verdict == GBA_NAF_WAIT) { /* not seen before: ask its BSF, then look again */
        gba_naf_keys keys;
        q.fetched = gba_naf_zn_http_fetch(zn, &r.query, &keys);
        q.now = time(NULL);
        gba_naf_learn(naf, &r.query, q.fetched, &keys, q.now);
        gba_naf_keys_clear(&keys);
        gba_naf_psk(naf, &q, &r);
    }
    if (r.verdict == GBA_NAF_WAIT) /* learned, and at once evicted by others */
        gba_naf_learn(naf, &r.query, GBA_E_BUSY, NULL, q.now);
    c->who[0] = 0;
    if (r.verdict == GBA_NAF_OK && r.psk.n == KEY_LEN) {
        memcpy(key, r.psk.o, KEY_LEN);
        snprintf(c->who, sizeof c->who, "%s", gba_naf_asserted(r.identity));
        snprintf(c->btid, sizeof c->btid, "%s", r.identity->btid.s);
    } else if (RAND_bytes(key, KEY_LEN) != 1) {
        abort();
    }
    /* Its BSF could not be asked. A UE whose key is refused bootstraps anew, and all of them would: close instead. */
    if (r.verdict == GBA_NAF_REFUSE && r.status == 503)
        shutdown(c->fd, SHUT_RDWR);
    if (r.verdict == GBA_NAF_OK)
        gba_naf_result_clear(&r);
    return true;
}

/* TLS 1.2: the suite is known by now, and part of the NAF_Id. */
static unsigned on_psk12(SSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
    const SSL_CIPHER *suite = SSL_get_pending_cipher(ssl);
    if (SSL_version(ssl) != TLS1_2_VERSION || !suite || room < KEY_LEN)
        return 0;
    return find(ssl, gba_str(identity), GBA_TLS12, SSL_CIPHER_get_protocol_id(suite), key) ? KEY_LEN : 0;
}

/* TLS 1.3: an external PSK, of SHA-256. */
static int on_psk13(SSL *ssl, const unsigned char *identity, size_t n, SSL_SESSION **out)
{
    static const unsigned char aes128[] = {0x13, 0x01};
    uint8_t key[KEY_LEN];
    *out = NULL;
    if (!find(ssl, gba_mem(identity, n), GBA_TLS13, 0, key))
        return 1; /* perhaps a ticket: go on without */
    SSL_SESSION *s = SSL_SESSION_new();
    if (s && SSL_SESSION_set1_master_key(s, key, sizeof key) && SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, aes128)) &&
        SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION))
        *out = s;
    else
        SSL_SESSION_free(s);
    OPENSSL_cleanse(key, sizeof key);
    return *out != NULL;
}

static SSL_CTX *context(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (!c || !SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(c, "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256") ||
        !SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") ||
        !SSL_CTX_use_psk_identity_hint(c, HINT))
        return NULL;
    SSL_CTX_set_psk_server_callback(c, on_psk12);
    SSL_CTX_set_psk_find_session_callback(c, on_psk13);
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET); /* a ticket would outlive its key */
    SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    return c;
}

static void serve(SSL *ssl, const connection *c)
{
    char request[8192], body[2 * GBA_ID_MAX + 64], answer[sizeof body + 256];
    int n = 0, k;
    while (n < (int)sizeof request - 1 && (k = SSL_read(ssl, request + n, (int)sizeof request - 1 - n)) > 0) {
        request[n += k] = 0;
        if (!strstr(request, "\r\n\r\n"))
            continue;
        snprintf(body, sizeof body, "you are %s\nb-tid: %s\n", c->who, c->btid);
        k = snprintf(answer, sizeof answer,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     strlen(body), body);
        SSL_write(ssl, answer, k);
        return;
    }
}

static void *run(void *arg)
{
    connection *c = arg;
    SSL *ssl = SSL_new(ctx);
    if (ssl && SSL_set_fd(ssl, c->fd) && SSL_set_app_data(ssl, c) && SSL_accept(ssl) == 1 && c->who[0])
        serve(ssl, c);
    if (ssl)
        SSL_shutdown(ssl);
    SSL_free(ssl);
    close(c->fd);
    free(c);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct sockaddr_in from;
    struct timeval patience = {.tv_sec = 10};
    for (;;) {
        socklen_t n = sizeof from;
        pthread_t t;
        connection *c = calloc(1, sizeof *c);
        if (!c || (c->fd = accept(*(int *)arg, (struct sockaddr *)&from, &n)) < 0) {
            free(c);
            continue;
        }
        memcpy(c->source, &from.sin_addr, sizeof from.sin_addr);
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (pthread_create(&t, NULL, run, c) == 0) {
            pthread_detach(t);
        } else {
            close(c->fd);
            free(c);
        }
    }
    return NULL;
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 64) || getsockname(fd, (struct sockaddr *)&a, &n))
        return -1;
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    const char *why = "usage: naf_openssl_host PORT NAF_FQDN BSF_DOMAIN ZN_URL ZN_CA ZN_CERT ZN_KEY";
    static int fd;
    pthread_t t;
    char c;
    signal(SIGPIPE, SIG_IGN);
    if (argc == 8) {
        const char *fqdn = argv[2], *bsf = argv[3];
        gba_naf_config n = {.fqdns = &fqdn, .n_fqdns = 1, .bsfs = &bsf, .n_bsfs = 1};
        gba_naf_zn_bsf b = {.domain = argv[3], .url = argv[4]};
        gba_naf_zn_http_config z = {.bsfs = &b, .n_bsfs = 1, .ca_file = argv[5], .cert_file = argv[6], .key_file = argv[7]};
        if (gba_naf_new(&n, &naf, &why) == GBA_OK && gba_naf_zn_http_new(&z, &zn, &why) == GBA_OK) {
            why = "OpenSSL cannot be set up, or the port is taken";
            ctx = context();
            fd = ctx ? listen_on((uint16_t)atoi(argv[1])) : -1;
            if (fd >= 0 && pthread_create(&t, NULL, accept_all, &fd) == 0)
                why = NULL;
        }
    }
    if (why) {
        fprintf(stderr, "naf_openssl_host: %s\n", why);
        return 1;
    }
    while (read(0, &c, 1) > 0)
        ;
    return 0; /* connections may be under way: nothing is freed under them */
}
