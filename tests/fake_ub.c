/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_ub.c - the BSF and NAF of ue_peer.c over a socket, with or without TLS, for test_gba.sh.
 *
 * fake_ub PORT_FILE [OPTION]...   listens on 127.0.0.1, writes its port, serves until its end.
 *   tls CERT KEY PRIORITY 12|13 SUITE   TLS; the suite (four hex digits) PRIORITY leads to
 *   refuse N, stale N, status N, naf-status N, tmpi, wrong-rspauth, naf-wrong-rspauth, redirect
 * A request whose Host begins with "naf" is for the NAF, any other for the BSF.
 */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tests/ue_peer.h"

static peer p;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static gnutls_certificate_credentials_t credentials;
static const char *priority;
static unsigned late_status; /* the NAF's, after the challenge */

typedef struct conn {
    int fd;
    gnutls_session_t tls;
    char in[65536];
    size_t n;
} conn;

static ssize_t get(conn *c, char *to, size_t n)
{
    return c->tls ? gnutls_record_recv(c->tls, to, n) : read(c->fd, to, n);
}

static bool put(conn *c, const char *from, size_t n)
{
    while (n > 0) {
        ssize_t k = c->tls ? gnutls_record_send(c->tls, from, n) : write(c->fd, from, n);
        if (k <= 0)
            return false;
        from += k;
        n -= (size_t)k;
    }
    return true;
}

/* Reads until the buffer holds `what` (or, what NULL, `need` octets). */
static bool fill(conn *c, const char *what, size_t need)
{
    for (;;) {
        c->in[c->n] = '\0';
        if (what ? strstr(c->in, what) != NULL : c->n >= need)
            return true;
        if (c->n + 1 >= sizeof c->in)
            return false;
        ssize_t k = get(c, c->in + c->n, sizeof c->in - 1 - c->n);
        if (k <= 0)
            return false;
        c->n += (size_t)k;
    }
}

static bool reply(conn *c, const gba_ue_answer *a)
{
    char head[16384];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s", a->status, a->body.n,
                     a->status == 302 ? "Location: http://127.0.0.1:1/\r\n" : "");
    for (size_t i = 0; i < a->n_fields; i++)
        n += snprintf(head + n, sizeof head - (size_t)n, "%.*s: %.*s\r\n", (int)a->fields[i].name.n,
                      (const char *)a->fields[i].name.p, (int)a->fields[i].value.n, (const char *)a->fields[i].value.p);
    n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    return put(c, head, (size_t)n) && put(c, (const char *)a->body.p, a->body.n);
}

static bool serve_one(conn *c)
{
    gba_ue_field f[32];
    size_t n = 0, body_n = 0;
    char method[16], target[2048];
    gba_ue_answer a;
    if (!fill(c, "\r\n\r\n", 0) || sscanf(c->in, "%15s %2047s", method, target) != 2)
        return false;
    size_t head_n = (size_t)(strstr(c->in, "\r\n\r\n") - c->in) + 4;
    bool naf = false;
    for (char *line = strstr(c->in, "\r\n") + 2; line < c->in + head_n - 2 && n < 32;) {
        char *colon = strchr(line, ':'), *eol = strstr(line, "\r\n");
        if (!colon || colon > eol)
            return false;
        char *value = colon + 1 + strspn(colon + 1, " ");
        f[n] = (gba_ue_field){gba_mem(line, (size_t)(colon - line)), gba_mem(value, (size_t)(eol - value))};
        if (gba_span_ieq(f[n].name, gba_str("Host")))
            naf = strncmp(value, "naf", 3) == 0;
        if (gba_span_ieq(f[n].name, gba_str("Content-Length")))
            body_n = strtoul(value, NULL, 10);
        n++;
        line = eol + 2;
    }
    if (!fill(c, NULL, head_n + body_n))
        return false;
    pthread_mutex_lock(&one_at_a_time);
    if (naf)
        peer_ua(&p, method, target, f, n, gba_mem(c->in + head_n, body_n), &a);
    else
        peer_ub(&p, method, target, f, n, &a);
    if (naf && late_status && a.status == 200)
        a.status = (int)late_status;
    bool ok = reply(c, &a);
    pthread_mutex_unlock(&one_at_a_time);
    c->n -= head_n + body_n;
    memmove(c->in, c->in + head_n + body_n, c->n);
    return ok;
}

static void *serve(void *arg)
{
    conn *c = arg;
    bool ok = true;
    if (priority) {
        ok = gnutls_init(&c->tls, GNUTLS_SERVER) == 0 && gnutls_priority_set_direct(c->tls, priority, NULL) == 0 &&
             gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, credentials) == 0;
        gnutls_transport_set_int(c->tls, c->fd);
        ok = ok && gnutls_handshake(c->tls) == 0;
    }
    while (ok && serve_one(c))
        ;
    if (c->tls)
        gnutls_deinit(c->tls);
    close(c->fd);
    free(c);
    return NULL;
}

static int take_options(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        const char *o = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(o, "tls") == 0 && i + 5 < argc) {
            if (gnutls_certificate_allocate_credentials(&credentials) ||
                gnutls_certificate_set_x509_key_file(credentials, argv[i + 1], argv[i + 2], GNUTLS_X509_FMT_PEM))
                return 1;
            priority = argv[i + 3];
            p.transport = strcmp(argv[i + 4], "13") == 0 ? GBA_TLS13 : GBA_TLS12;
            p.suite = (uint16_t)strtoul(argv[i + 5], NULL, 16);
            i += 5;
        } else if (strcmp(o, "tmpi") == 0) {
            p.tmpi = true;
        } else if (strcmp(o, "wrong-rspauth") == 0) {
            p.wrong_rspauth = true;
        } else if (strcmp(o, "naf-wrong-rspauth") == 0) {
            p.naf_wrong_rspauth = true;
        } else if (strcmp(o, "refuse") == 0) {
            p.naf_refuse = (unsigned)strtoul(v, NULL, 10), i++;
        } else if (strcmp(o, "stale") == 0) {
            p.naf_stale = (unsigned)strtoul(v, NULL, 10), i++;
        } else if (strcmp(o, "status") == 0) {
            p.status = (int)strtoul(v, NULL, 10), i++;
        } else if (strcmp(o, "naf-status") == 0) {
            late_status = (unsigned)strtoul(v, NULL, 10), i++;
        } else {
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    char until[GBA_TIME_TEXT];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    peer_open(&p);
    if (argc < 2 || take_options(argc, argv) || gba_time_print((int64_t)time(NULL) + 3600, until))
        return 2;
    p.lifetime = until;
    signal(SIGPIPE, SIG_IGN);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&at, len) || listen(s, 16) ||
        getsockname(s, (struct sockaddr *)&at, &len))
        return 1;
    FILE *f = fopen(argv[1], "w");
    if (!f || fprintf(f, "%u\n", (unsigned)ntohs(at.sin_port)) < 0 || fclose(f))
        return 1;
    for (;;) {
        pthread_t t;
        conn *c = calloc(1, sizeof *c);
        if (!c || (c->fd = accept(s, NULL, NULL)) < 0)
            return 1;
        if (pthread_create(&t, NULL, serve, c))
            return 1;
        pthread_detach(t);
    }
}
