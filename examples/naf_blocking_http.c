/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naf_blocking_http.c - the smallest host: plain HTTP on blocking sockets, no HTTP library, one request at
 * a time, HTTP Digest with GBA keys by gba_naf_check_blocking (TS 33.222 5.3). Behind a TLS terminator
 * the transport and suite in take() are those of the terminator.
 *
 *   naf_blocking_http PORT NAF_FQDN BSF_DOMAIN ZN_URL ZN_CA ZN_CERT ZN_KEY
 *
 * Serves on 127.0.0.1 (PORT 0: a free one, printed) until its standard input ends.
 *
 *   cc naf_blocking_http.c $(pkg-config --cflags --libs gbanaf gbanaf-zn-http)
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strcasestr */
#endif
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <gba/naf.h>
#include <gba/naf_zn_http.h>

#define ROOM 65536

typedef struct request {
    size_t n;
    char text[ROOM + 1];
    const char *method, *target, *body;
    size_t body_n;
    gba_span authorization[2];
    gba_naf_request q;
} request;

/* A header and the body that Content-Length tells; false: not one we understand. */
static bool receive(int fd, request *r)
{
    char *end = NULL, *length;
    size_t whole = 0;
    ssize_t k = 1;
    r->n = 0;
    while (!end || r->n < whole) {
        if (r->n == ROOM || (k = recv(fd, r->text + r->n, ROOM - r->n, 0)) <= 0)
            return false;
        r->text[r->n += (size_t)k] = 0;
        if (!end && (end = strstr(r->text, "\r\n\r\n"))) {
            length = strcasestr(r->text, "\r\nContent-Length:");
            whole = (size_t)(end + 4 - r->text) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
            if (whole > ROOM)
                return false;
        }
    }
    end[2] = 0;
    r->body = end + 4;
    r->body_n = whole - (size_t)(end + 4 - r->text);
    return true;
}

static void field(request *r, const char *name, char *value)
{
    gba_naf_request *q = &r->q;
    gba_span n = gba_str(name);
    if (gba_field_named(n, gba_str("Host")))
        q->host = gba_str(value);
    else if (gba_field_named(n, gba_str("User-Agent")))
        q->user_agent = gba_str(value);
    else if (gba_field_named(n, gba_str("X-3GPP-Intended-Identity")))
        q->intended_identity = gba_str(value);
    else if (gba_field_named(n, gba_str("Authorization")) && q->n_authorization < 2)
        r->authorization[q->n_authorization++] = gba_str(value);
}

/* Cuts the header into what the library asks for. */
static bool take(request *r)
{
    char *line = r->text, *next = strstr(line, "\r\n"), *space = strchr(line, ' ');
    char *space2 = space ? strchr(space + 1, ' ') : NULL;
    memset(&r->q, 0, sizeof r->q);
    if (!next || !space2 || space2 > next)
        return false;
    *space = *space2 = 0;
    r->method = line;
    r->target = space + 1;
    for (line = next + 2; *line; line = next + 2) {
        next = strstr(line, "\r\n");
        char *colon = next ? strchr(line, ':') : NULL;
        if (!colon || colon > next)
            return false;
        *next = *colon = 0;
        field(r, line, colon + 1 + strspn(colon + 1, " \t"));
    }
    r->q.method = gba_str(r->method);
    r->q.target = gba_str(r->target);
    r->q.body = gba_mem(r->body, r->body_n);
    r->q.authorization = r->authorization;
    r->q.transport = GBA_PLAIN;
    r->q.now = time(NULL);
    return true;
}

static void send_all(int fd, const char *s, size_t n)
{
    ssize_t k;
    while (n && (k = send(fd, s, n, 0)) > 0) {
        s += k;
        n -= (size_t)k;
    }
}

static void answer(int fd, gba_naf *naf, const request *r, const gba_naf_result *a)
{
    char head[GBA_NAF_TEXT + 2048], body[1024] = "", info[1024];
    size_t room = sizeof info;
    int n;
    if (a->verdict == GBA_NAF_OK) {
        snprintf(body, sizeof body, "you are %s\nb-tid: %s\n", gba_naf_asserted(a->identity), a->identity->btid.s);
        gba_span sent = strcmp(r->method, "HEAD") ? gba_str(body) : gba_str("");
        if (gba_naf_answer(naf, a, sent, time(NULL), info, &room) != GBA_OK)
            snprintf(info, sizeof info, "none");
        n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nAuthentication-Info: %s\r\n", info);
    } else {
        n = snprintf(head, sizeof head, "HTTP/1.1 %u No\r\n", a->status);
        for (size_t i = 0; i < a->n_fields; i++)
            n += snprintf(head + n, sizeof head - (size_t)n, "%s: %s\r\n", a->fields[i].name, a->fields[i].value);
    }
    n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\nConnection: close\r\n\r\n", strlen(body));
    send_all(fd, head, (size_t)n);
    if (strcmp(r->method, "HEAD"))
        send_all(fd, body, strlen(body));
}

static void serve(int fd, const struct sockaddr_in *from, gba_naf *naf, gba_naf_zn_http *zn)
{
    static request r; /* one at a time */
    static gba_naf_result a;
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!receive(fd, &r) || !take(&r)) {
        send_all(fd, "HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 58);
        return;
    }
    memcpy(r.q.source, &from->sin_addr, sizeof from->sin_addr);
    gba_naf_check_blocking(naf, &r.q, gba_naf_zn_http_fetch, zn, &a);
    answer(fd, naf, &r, &a);
    if (a.verdict == GBA_NAF_OK)
        gba_naf_result_clear(&a);
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

static void loop(int fd, gba_naf *naf, gba_naf_zn_http *zn)
{
    struct pollfd p[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    char c;
    while (poll(p, 2, -1) >= 0) {
        struct sockaddr_in from;
        socklen_t n = sizeof from;
        if (p[0].revents && read(0, &c, 1) <= 0)
            return;
        int k = p[1].revents ? accept(fd, (struct sockaddr *)&from, &n) : -1;
        if (k >= 0) {
            serve(k, &from, naf, zn);
            close(k);
        }
    }
}

int main(int argc, char **argv)
{
    const char *why = "usage: naf_blocking_http PORT NAF_FQDN BSF_DOMAIN ZN_URL ZN_CA ZN_CERT ZN_KEY";
    gba_naf *naf = NULL;
    gba_naf_zn_http *zn = NULL;
    int fd = -1;
    signal(SIGPIPE, SIG_IGN);
    if (argc == 8) {
        const char *fqdn = argv[2], *bsf = argv[3];
        gba_naf_config n = {.fqdns = &fqdn, .n_fqdns = 1, .bsfs = &bsf, .n_bsfs = 1};
        gba_naf_zn_bsf b = {.domain = argv[3], .url = argv[4]};
        gba_naf_zn_http_config z = {.bsfs = &b, .n_bsfs = 1, .ca_file = argv[5], .cert_file = argv[6], .key_file = argv[7]};
        if (gba_naf_new(&n, &naf, &why) == GBA_OK && gba_naf_zn_http_new(&z, &zn, &why) == GBA_OK) {
            fd = listen_on((uint16_t)atoi(argv[1]));
            why = "the port is taken";
        }
    }
    if (fd < 0)
        fprintf(stderr, "naf_blocking_http: %s\n", why);
    else
        loop(fd, naf, zn);
    gba_naf_zn_http_free(&zn);
    gba_naf_free(&naf);
    return fd < 0;
}
