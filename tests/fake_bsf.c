/* SPDX-License-Identifier: Apache-2.0 */
/* fake_bsf.c - see fake_bsf.h. A thread a connection; as a program: serve, or print a Ua password. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <gba/kdf.h>
#include "tests/fake_bsf.h"

#define CONNECTIONS 64
struct fake_bsf {
    int fd;
    uint16_t port;
    gnutls_certificate_credentials_t cred;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint requests, connections, live;
};
typedef struct peer {
    fake_bsf *f;
    gnutls_session_t tls;
    int fd;
    size_t n;
    char buf[8192];
} peer;

void fake_bsf_key(const char *btid, const gba_naf_id *naf, gba_secret *out)
{
    gba_secret ks = {.n = 32};
    gba_impi impi;
    uint8_t rand[16] = {0};
    memset(ks.o, 0x42, 32);
    memcpy(rand, btid, strnlen(btid, sizeof rand)); /* each B-TID its own key */
    if (gba_impi_parse(gba_str("user@home1.net"), &impi) != GBA_OK ||
        gba_ks_naf(GBA_KS_NAF, &ks, GBA_SPAN(rand), &impi, naf, out) != GBA_OK)
        abort();
}

static bool begins(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

static void say(peer *p, const char *s, size_t n)
{
    while (n) {
        ssize_t k = gnutls_record_send(p->tls, s, n);
        if (k == GNUTLS_E_AGAIN || k == GNUTLS_E_INTERRUPTED)
            continue;
        if (k <= 0)
            return;
        s += k;
        n -= (size_t)k;
    }
}

static void reply(peer *p, const char *status, const char *type, const char *body)
{
    char head[256];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", status, type,
                     strlen(body));
    say(p, head, (size_t)n);
    say(p, body, strlen(body));
}

/* When the keys of "brief…" end, which is told when the first is given out. */
static int64_t brief_ends(int64_t now)
{
    static _Atomic int64_t ends;
    int64_t none = 0;
    if (atomic_compare_exchange_strong(&ends, &none, now + 15))
        return now + 15;
    return none;
}

/* Is this GAA service one of those that the NAF asks for? */
static bool asks(const json_t *request, json_int_t gsid)
{
    const json_t *list = json_object_get(request, "gsIds");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == gsid)
            return true;
    return false;
}

static void reply_key(peer *p, const char *btid, const gba_naf_id *naf, const json_t *request)
{
    gba_secret key = {0};
    char hex[65], made[GBA_TIME_TEXT], ends[GBA_TIME_TEXT], body[2048];
    int64_t now = time(NULL);
    fake_bsf_key(btid, naf, &key);
    gba_hex_encode(key.o, begins(btid, "short") ? 31 : 32, hex);
    int64_t end = begins(btid, "brief") ? brief_ends(now) : now + (begins(btid, "late") ? -1 : 3600);
    if (gba_time_print(now, made) != GBA_OK || gba_time_print(end, ends) != GBA_OK)
        abort();
    const char *uss = begins(btid, "uss") ? ",\"impi\":\"user@home1.net\",\"gbaType\":\"3G_GBA\",\"ussList\":[{\"uss\":{"
                                            "\"gsId\":7,\"gsType\":1,\"ueIds\":[{\"ueId\":\"sip:user@home1.net\"}],"
                                            "\"flags\":[{\"flag\":1}],\"nafGroup\":\"g\",\"keyChoice\":\"ME_BASED_KEY\"}}]"
                                          : "";
    if (begins(btid, "uicc")) /* a service for the key of the UICC alone */
        uss = ",\"ussList\":[{\"uss\":{\"gsId\":1,\"gsType\":1,\"ueIds\":[]}},{\"uss\":{\"gsId\":7,\"gsType\":1,"
              "\"ueIds\":[{\"ueId\":\"sip:user@home1.net\"}],\"keyChoice\":\"UICC_BASED_KEY\"}}]";
    if (begins(btid, "asked") && asks(request, 1000007))
        uss = ",\"ussList\":[{\"uss\":{\"gsId\":1000007,\"gsType\":1,\"ueIds\":[{\"ueId\":\"//sp.example.com/in/Casked\"}]}}]";
    snprintf(body, sizeof body,
             "{\"meKeyMaterial\":\"%s\",\"keyExpiryTime\":\"%s\",\"bootstrappingInfoCreationTime\":\"%s\"%s}", hex, ends,
             made, uss);
    reply(p, "200 OK", "application/json", body);
}

/* False: close the connection. */
static bool serve(peer *p, const char *head, gba_span body)
{
    json_t *j = json_loadb((const char *)body.p, body.n, 0, NULL);
    const char *btid = json_string_value(json_object_get(j, "btId"));
    json_t *id = json_object_get(j, "nafId");
    const char *fqdn = json_string_value(json_object_get(id, "nafFqdn"));
    const char *ua = json_string_value(json_object_get(id, "uaSecProtId"));
    gba_naf_id naf;
    bool go_on = true;
    atomic_fetch_add(&p->f->requests, 1);
    if (!begins(head, "POST /nbsp-gba/v1/bootstrapping-info-retrieval HTTP/1.1\r\n") ||
        !strcasestr(head, "\r\ncontent-type: application/json\r\n") || !btid || !fqdn || !ua ||
        gba_fqdn_parse(gba_str(fqdn), &naf.fqdn) != GBA_OK || gba_ua_id_parse(gba_str(ua), &naf.ua) != GBA_OK) {
        reply(p, "400 Bad Request", "application/problem+json", "{\"status\":400}");
    } else if (begins(btid, "unknown") || (begins(btid, "brief") && brief_ends(time(NULL)) <= time(NULL))) {
        reply(p, "404 Not Found", "application/problem+json", "{\"status\":404}");
    } else if (begins(btid, "forbidden")) {
        reply(p, "403 Forbidden", "application/problem+json", "{\"status\":403}");
    } else if (begins(btid, "busy")) {
        reply(p, "503 Service Unavailable", "application/problem+json", "{\"status\":503}");
    } else if (begins(btid, "moved")) {
        reply(p, "307 Temporary Redirect\r\nLocation: https://localhost:1/", "text/plain", "");
    } else if (begins(btid, "broken")) {
        reply(p, "200 OK", "application/json", "{\"meKeyMaterial\":");
    } else if (begins(btid, "drop")) {
        go_on = false;
    } else if (begins(btid, "huge")) {
        say(p, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 38);
        for (int i = 0; i < 4096 && !atomic_load(&p->f->stop); i++)
            say(p, "                                                                ", 64);
        go_on = false;
    } else {
        int wait = begins(btid, "slow") ? 100 : begins(btid, "mute") ? 100000 : 0;
        while (wait-- > 0 && !atomic_load(&p->f->stop))
            usleep(100000);
        reply_key(p, btid, &naf, j);
    }
    json_decref(j);
    return go_on;
}

/* Whole requests in the buffer; -1: enough of this peer. */
static int take(peer *p)
{
    p->buf[p->n] = 0;
    char *end = strstr(p->buf, "\r\n\r\n"), *length = strcasestr(p->buf, "\r\ncontent-length:");
    if (!end)
        return p->n < sizeof p->buf - 1 ? 0 : -1;
    size_t head = (size_t)(end + 4 - p->buf), body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (body > sizeof p->buf - 1 - head)
        return -1;
    if (p->n < head + body)
        return 0;
    if (!serve(p, p->buf, gba_mem(p->buf + head, body)))
        return -1;
    p->n -= head + body;
    memmove(p->buf, p->buf + head + body, p->n);
    return 1;
}

static void *on_peer(void *arg)
{
    peer *p = arg;
    int e;
    gnutls_init(&p->tls, GNUTLS_SERVER);
    gnutls_set_default_priority(p->tls);
    gnutls_credentials_set(p->tls, GNUTLS_CRD_CERTIFICATE, p->f->cred);
    gnutls_certificate_server_set_request(p->tls, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_cert(p->tls, NULL, 0);
    gnutls_transport_set_int(p->tls, p->fd);
    gnutls_handshake_set_timeout(p->tls, 5000);
    do
        e = gnutls_handshake(p->tls);
    while (e < 0 && !gnutls_error_is_fatal(e));
    while (e == 0 && !atomic_load(&p->f->stop)) {
        struct pollfd w = {.fd = p->fd, .events = POLLIN};
        if (!gnutls_record_check_pending(p->tls) && poll(&w, 1, 100) == 0)
            continue;
        ssize_t n = gnutls_record_recv(p->tls, p->buf + p->n, sizeof p->buf - 1 - p->n);
        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
            continue;
        if (n <= 0)
            break;
        p->n += (size_t)n;
        int more;
        while ((more = take(p)) > 0)
            ;
        if (more < 0)
            break;
    }
    gnutls_deinit(p->tls);
    close(p->fd);
    atomic_fetch_sub(&p->f->live, 1);
    free(p);
    return NULL;
}

static void *on_listen(void *arg)
{
    fake_bsf *f = arg;
    while (!atomic_load(&f->stop)) {
        struct pollfd w = {.fd = f->fd, .events = POLLIN};
        if (poll(&w, 1, 100) <= 0)
            continue;
        int fd = accept(f->fd, NULL, NULL);
        if (fd < 0)
            continue;
        pthread_t t;
        peer *p = calloc(1, sizeof *p);
        p->f = f;
        p->fd = fd;
        atomic_fetch_add(&f->connections, 1);
        atomic_fetch_add(&f->live, 1);
        if (pthread_create(&t, NULL, on_peer, p) != 0)
            abort();
        pthread_detach(t);
    }
    return NULL;
}

fake_bsf *fake_bsf_start(uint16_t port, const char *cert, const char *key, const char *client_ca)
{
    fake_bsf *f = calloc(1, sizeof *f);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int on = 1;
    gnutls_certificate_allocate_credentials(&f->cred);
    f->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (gnutls_certificate_set_x509_key_file(f->cred, cert, key, GNUTLS_X509_FMT_PEM) < 0 ||
        gnutls_certificate_set_x509_trust_file(f->cred, client_ca, GNUTLS_X509_FMT_PEM) < 1 ||
        bind(f->fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(f->fd, CONNECTIONS) != 0 ||
        getsockname(f->fd, (struct sockaddr *)&a, &n) != 0 || pthread_create(&f->thread, NULL, on_listen, f) != 0) {
        close(f->fd);
        gnutls_certificate_free_credentials(f->cred);
        free(f);
        return NULL;
    }
    f->port = ntohs(a.sin_port);
    return f;
}

uint16_t fake_bsf_port(const fake_bsf *f)
{
    return f->port;
}

unsigned fake_bsf_requests(fake_bsf *f)
{
    return atomic_load(&f->requests);
}

unsigned fake_bsf_connections(fake_bsf *f)
{
    return atomic_load(&f->connections);
}

void fake_bsf_stop(fake_bsf **fp)
{
    fake_bsf *f = *fp;
    *fp = NULL;
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    while (atomic_load(&f->live))
        usleep(10000);
    close(f->fd);
    gnutls_certificate_free_credentials(f->cred);
    free(f);
}
