/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cse_small.c - a small CSE: CSEBase, AE, container, content instance, subscription with notification.
 *
 *   cse_small --port 8080 --cse-id //sp.example.com/cse1                    behind m2m-gate, plain HTTP on loopback
 *   cse_small --port 8443 --cse-id ... --tls --psk-id KpsaID --psk-file F [--ae-id //sp/cse/Cabc]
 *                                                  with the guard of libgbaonem2m inside: SAEF 1 by itself
 *
 * It keeps all in memory, speaks JSON, and does no access control beyond the guard: an example, not a product. In
 * the second form what matters for a CSE of your own is in three places: on_psk (which key has this KpsaID), check()
 * (to whom is this connection bound, and may it say this From), and the 4106 that check() answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <gnutls/gnutls.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <gba/onem2m.h>

#define RESOURCES 4096
#define BODY_MAX 65536

typedef struct resource {
    unsigned ty;
    char path[256]; /* "cse1/sensor/data" */
    char ri[64], owner[GBA_M2M_ID_MAX + 1];
    json_t *o; /* attributes */
} resource;

static struct {
    gba_m2m_id id;
    char sp_relative[160];
    resource res[RESOURCES];
    size_t n, serial;
    pthread_mutex_t lock;
    /* embedded form */
    bool tls;
    char psk_id[256];
    gba_secret psk;
    gba_m2m_id ae[8];
    size_t n_ae;
} cse = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct {
    unsigned ty;
    const char *root;
} types[] = {{2, "m2m:ae"}, {3, "m2m:cnt"}, {4, "m2m:cin"}, {5, "m2m:cb"}, {16, "m2m:csr"}, {23, "m2m:sub"}};

static const char *root_of(unsigned ty)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].ty == ty)
            return types[i].root;
    return NULL;
}

/* ---- resources ---- */
static resource *find(const char *path)
{
    const char *own = cse.sp_relative + 1;
    if (*path == '/') { /* SP-relative or absolute: the guard's parser left that form */
        if (path[1] == '/')
            path = strchr(path + 2, '/') ? strchr(path + 2, '/') : "/";
        path++;
    }
    if (!strncmp(path, own, strlen(own)) && path[strlen(own)] == '/' && !strchr(path + strlen(own) + 1, '/'))
        for (size_t i = 0; i < cse.n; i++) /* /cse1/ri */
            if (cse.res[i].o && !strcmp(cse.res[i].ri, path + strlen(own) + 1))
                return &cse.res[i];
    for (size_t i = 0; i < cse.n; i++)
        if (cse.res[i].o && (!strcmp(cse.res[i].path, path) || !strcmp(cse.res[i].ri, path)))
            return &cse.res[i];
    return NULL;
}

static resource *add(unsigned ty, const char *path, const char *ri, const char *pi, json_t *o)
{
    char now[GBA_M2M_TIME_TEXT];
    if (cse.n >= RESOURCES || gba_m2m_time_print(time(NULL), now) != GBA_OK || strlen(path) >= sizeof cse.res[0].path)
        return NULL;
    resource *r = &cse.res[cse.n++];
    r->ty = ty;
    r->o = o;
    snprintf(r->path, sizeof r->path, "%s", path);
    snprintf(r->ri, sizeof r->ri, "%s", ri);
    json_object_set_new(o, "ty", json_integer(ty));
    json_object_set_new(o, "ri", json_string(ri));
    json_object_set_new(o, "pi", json_string(pi));
    json_object_set_new(o, "ct", json_string(now));
    json_object_set_new(o, "lt", json_string(now));
    return r;
}

static json_t *shown(const resource *r)
{
    return json_pack("{s:O}", root_of(r->ty), r->o);
}

/* ---- notification: one POST, plain HTTP; the gate's egress makes TLS of it ---- */
typedef struct notice {
    char host[128], port[8], path[512], from[200];
    char *body;
} notice;

static void *deliver(void *arg)
{
    notice *n = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ai = NULL;
    char head[1024], answer[256];
    static unsigned serial;
    int fd = -1;

    if (!getaddrinfo(n->host, n->port, &hints, &ai)) {
        fd = socket(ai->ai_family, SOCK_STREAM, 0);
        if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
        freeaddrinfo(ai);
    }
    int len = snprintf(head, sizeof head,
                       "POST %s HTTP/1.1\r\nHost: %s:%s\r\nX-M2M-Origin: %s\r\nX-M2M-RI: n%u\r\nX-M2M-RVI: 3\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       n->path, n->host, n->port, n->from, __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED),
                       strlen(n->body));
    if (fd >= 0) {
        ssize_t got = -1;
        if (send(fd, head, (size_t)len, MSG_NOSIGNAL) == len &&
            send(fd, n->body, strlen(n->body), MSG_NOSIGNAL) == (ssize_t)strlen(n->body))
            got = recv(fd, answer, sizeof answer - 1, 0);
        answer[got > 0 ? got : 0] = 0;
        answer[strcspn(answer, "\r\n")] = 0;
        close(fd);
    }
    printf("notified http://%s:%s%s: %s\n", n->host, n->port, n->path, fd >= 0 ? answer : "unreachable");
    fflush(stdout);
    free(n->body);
    free(n);
    return NULL;
}

static void notify(const char *url, json_t *representation, const char *sub)
{
    notice *n = calloc(1, sizeof *n);
    pthread_t t;
    char text[640];

    /* http://host:port/path */
    if (n && sscanf(url, "http://%127[^:/]:%7[0-9]%511s", n->host, n->port, n->path) >= 2) {
        if (!n->path[0])
            n->path[0] = '/';
        snprintf(n->from, sizeof n->from, "%s", cse.sp_relative);
        snprintf(text, sizeof text, "%s/%s", cse.sp_relative, sub);
        json_t *o = json_pack("{s:{s:{s:O, s:i}, s:s}}", "m2m:sgn", "nev", "rep", representation, "net", 3, "sur", text);
        n->body = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        if (n->body && !pthread_create(&t, NULL, deliver, n)) {
            pthread_detach(t);
            return;
        }
    }
    if (n)
        free(n->body);
    free(n);
}

static void notify_all(const resource *parent, json_t *representation)
{
    for (size_t i = 0; i < cse.n; i++) {
        resource *s = &cse.res[i];
        size_t n = strlen(parent->path), k;
        json_t *url;
        if (s->o && s->ty == 23 && !strncmp(s->path, parent->path, n) && s->path[n] == '/' && !strchr(s->path + n + 1, '/'))
            json_array_foreach(json_object_get(s->o, "nu"), k, url)
                if (json_is_string(url))
                    notify(json_string_value(url), representation, s->path);
    }
}

/* ---- operations ---- */
typedef struct reply {
    unsigned rsc;
    json_t *body;
    char location[320], aei[64]; /* aei: of an AE that was created */
} reply;

/* Result content (rcn, TS-0009 6.2.2.2) 0: nothing but the response status code. */
static bool wants_nothing(gba_span query)
{
    for (size_t at = 0, n; at < query.n; at += n + 1) {
        for (n = 0; at + n < query.n && query.p[at + n] != '&';)
            n++;
        if (gba_span_eq(gba_mem(query.p + at, n), gba_str("rcn=0")))
            return true;
    }
    return false;
}

/* The AE-ID: as asked for, or assigned ("C", "S" or nothing in From). */
static bool ae_id(const char *from, char out[64])
{
    if (from[0] && strcmp(from, "C") && strcmp(from, "S")) {
        if (strlen(from) >= 64 || strchr(from, '/'))
            return false;
        snprintf(out, 64, "%s", from);
        return true;
    }
    snprintf(out, 64, "%c%08lx%04zx", from[0] ? from[0] : 'C', (unsigned long)random(), ++cse.serial);
    return true;
}

static void create(const gba_m2m_request *m, const char *from, json_t *body, reply *out)
{
    char ri[64], path[256], name[64];
    json_t *o = json_object_get(body, root_of(m->ty) ? root_of(m->ty) : "");
    resource *parent = find(m->to), *r;
    const char *rn = json_string_value(json_object_get(o, "rn"));

    out->rsc = !parent ? GBA_M2M_NOT_FOUND : !json_is_object(o) ? GBA_M2M_BAD_REQUEST : 0;
    if (out->rsc)
        return;
    if (m->ty == 2 ? parent->ty != 5 : m->ty == 4 ? parent->ty != 3 : m->ty == 5) {
        out->rsc = GBA_M2M_OPERATION_NOT_ALLOWED;
        return;
    }
    if (m->ty == 2 && (!json_is_string(json_object_get(o, "api")) || !json_is_boolean(json_object_get(o, "rr")))) {
        out->rsc = GBA_M2M_BAD_REQUEST;
        return;
    }
    if (m->ty == 2 ? !ae_id(from, ri) : (snprintf(ri, sizeof ri, "r%zu", ++cse.serial), false)) {
        out->rsc = GBA_M2M_BAD_REQUEST;
        return;
    }
    snprintf(name, sizeof name, "%s", rn && *rn && !strchr(rn, '/') ? rn : ri);
    if ((size_t)snprintf(path, sizeof path, "%.180s/%s", parent->path, name) >= sizeof path || find(path) ||
        (m->ty == 2 && find(ri))) {
        out->rsc = m->ty == 2 ? GBA_M2M_ALREADY_REGISTERED : GBA_M2M_CONFLICT;
        return;
    }
    r = add(m->ty, path, ri, parent->ri, json_incref(o));
    if (!r) {
        json_decref(o);
        out->rsc = GBA_M2M_INTERNAL_ERROR;
        return;
    }
    json_object_set_new(o, "rn", json_string(name));
    if (m->ty == 2)
        json_object_set_new(o, "aei", json_string(ri));
    if (m->ty == 4)
        json_object_set_new(o, "cs", json_integer((json_int_t)json_string_length(json_object_get(o, "con"))));
    snprintf(r->owner, sizeof r->owner, "%s", m->ty == 2 ? ri : from);
    snprintf(out->location, sizeof out->location, "%s", path);
    out->body = shown(r);
    if (m->ty == 2)
        snprintf(out->aei, sizeof out->aei, "%s", ri);
    out->rsc = GBA_M2M_CREATED;
    notify_all(parent, out->body);
    if (wants_nothing(m->query)) {
        json_decref(out->body);
        out->body = NULL;
    }
}

static void update(const gba_m2m_request *m, json_t *body, reply *out)
{
    resource *r = find(m->to);
    const char *name;
    json_t *v, *o = r ? json_object_get(body, root_of(r->ty)) : NULL;

    out->rsc = !r ? GBA_M2M_NOT_FOUND : !json_is_object(o) || r->ty == 5 ? GBA_M2M_BAD_REQUEST : GBA_M2M_UPDATED;
    if (out->rsc != GBA_M2M_UPDATED)
        return;
    json_object_foreach(o, name, v)
        if (strcmp(name, "ri") && strcmp(name, "aei") && strcmp(name, "ty") && strcmp(name, "pi"))
            json_object_set(r->o, name, v);
    out->body = wants_nothing(m->query) ? NULL : shown(r);
}

static void delete(const gba_m2m_request *m, reply *out)
{
    resource *r = find(m->to);

    out->rsc = !r ? GBA_M2M_NOT_FOUND : r->ty == 5 ? GBA_M2M_OPERATION_NOT_ALLOWED : GBA_M2M_DELETED;
    if (out->rsc != GBA_M2M_DELETED)
        return;
    char path[256];
    snprintf(path, sizeof path, "%s", r->path);
    for (size_t i = 0, n = strlen(path); i < cse.n; i++)
        if (cse.res[i].o && !strncmp(cse.res[i].path, path, n) && (cse.res[i].path[n] == 0 || cse.res[i].path[n] == '/')) {
            json_decref(cse.res[i].o);
            cse.res[i].o = NULL;
        }
}

static void operate(const gba_m2m_request *m, const char *from, gba_span octets, reply *out)
{
    json_t *body = octets.n ? json_loadb((const char *)octets.p, octets.n, JSON_REJECT_DUPLICATES, NULL) : NULL;

    pthread_mutex_lock(&cse.lock);
    if (m->op == GBA_M2M_RETRIEVE) {
        resource *r = find(m->to);
        out->rsc = r ? GBA_M2M_OK : GBA_M2M_NOT_FOUND;
        out->body = r ? shown(r) : NULL;
    } else if (m->op == GBA_M2M_DELETE) {
        delete(m, out);
    } else if (!json_is_object(body)) {
        out->rsc = GBA_M2M_BAD_REQUEST;
    } else if (m->op == GBA_M2M_CREATE) {
        create(m, from, body, out);
    } else if (m->op == GBA_M2M_UPDATE) {
        update(m, body, out);
    } else {
        out->rsc = find(m->to) ? GBA_M2M_OK : GBA_M2M_NOT_FOUND;
    }
    pthread_mutex_unlock(&cse.lock);
    json_decref(body);
}

/* ---- the embedded guard ---- */
/* The server asks for the key of a KpsaID inside the handshake; -1: no such. */
static int on_psk(void *ctx, const struct MHD_Connection *c, const char *identity, void **key, size_t *n)
{
    (void)ctx, (void)c;
    if (strcmp(identity, cse.psk_id) != 0 || !(*key = malloc(cse.psk.n)))
        return -1;
    memcpy(*key, cse.psk.o, cse.psk.n);
    *n = cse.psk.n;
    return 0;
}

/* Was it us whom the client asked for (SNI, TS-0003 10.2.1)? */
static bool ours(gnutls_session_t s)
{
    char name[256];
    size_t n = sizeof name;
    unsigned type;
    gba_fqdn own;

    return gnutls_server_name_get(s, name, &n, &type, 0) == 0 && type == GNUTLS_NAME_DNS &&
           gba_m2m_id_fqdn(&cse.id, &own) == GBA_OK && gba_span_ieq(gba_str(name), gba_str(own.s));
}

/* 0, or the RSC. from: what From is to be from here on. */
static unsigned check(struct MHD_Connection *c, const gba_m2m_request *m, char from[GBA_M2M_ID_MAX + 1])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gba_m2m_guard g = {.cse = cse.id};
    gba_m2m_association a = {.bound = GBA_M2M_BOUND_NONE};
    gba_m2m_id ids[8];
    gba_m2m_verdict v;

    if (!cse.tls) { /* the gate has checked it */
        snprintf(from, GBA_M2M_ID_MAX + 1, "%.*s", (int)m->from.n, m->from.n ? (const char *)m->from.p : "");
        return 0;
    }
    const char *who = info && ours(info->tls_session) ? gnutls_psk_server_get_username(info->tls_session) : NULL;
    if (who && !strcmp(who, cse.psk_id)) {
        pthread_mutex_lock(&cse.lock); /* another connection may learn */
        memcpy(ids, cse.ae, sizeof ids);
        a.n = cse.n_ae;
        pthread_mutex_unlock(&cse.lock);
        a.ids = ids;
        a.bound = a.n ? GBA_M2M_BOUND_AE : GBA_M2M_BOUND_NEW;
    }
    gba_m2m_guard_check(&g, &a, m, &v);
    printf("%s credential=%s to=%s why=%s rsc=%u\n", v.rsc ? "refused" : "allowed", who ? who : "none", m->to, v.why, v.rsc);
    fflush(stdout);
    snprintf(from, GBA_M2M_ID_MAX + 1, "%s", v.as);
    return v.rsc;
}

/* What the CSE assigned is from now on this credential's AE-ID. */
static void learn(const gba_m2m_request *m, const reply *r)
{
    gba_m2m_id id;
    if (!cse.tls || m->ty != 2 || r->rsc != GBA_M2M_CREATED || gba_m2m_id_parse(gba_str(r->aei), &cse.id, &id) != GBA_OK)
        return;
    pthread_mutex_lock(&cse.lock);
    if (!cse.n_ae)
        cse.ae[cse.n_ae++] = id;
    pthread_mutex_unlock(&cse.lock);
}

/* ---- HTTP ---- */
typedef struct request {
    size_t n;
    bool begun, too_long;
    char body[BODY_MAX], target[2048];
} request;

static gba_span header(struct MHD_Connection *c, const char *name)
{
    const char *v = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
    return v ? gba_mem(v, strlen(v)) : (gba_span){0};
}

static enum MHD_Result answer(struct MHD_Connection *c, reply *r)
{
    char *text = r->body ? json_dumps(r->body, JSON_COMPACT) : NULL, num[16], none[1] = "";
    struct MHD_Response *h = MHD_create_response_from_buffer(text ? strlen(text) : 0, text ? text : none,
                                                             text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY);
    const char *ri = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-M2M-RI");

    snprintf(num, sizeof num, "%u", r->rsc);
    MHD_add_response_header(h, "X-M2M-RSC", num);
    MHD_add_response_header(h, "X-M2M-RVI", "3");
    if (ri)
        MHD_add_response_header(h, "X-M2M-RI", ri);
    if (text)
        MHD_add_response_header(h, "Content-Type", "application/json");
    if (r->location[0])
        MHD_add_response_header(h, "Content-Location", r->location);
    enum MHD_Result ok = MHD_queue_response(c, gba_m2m_rsc_http(r->rsc), h);
    MHD_destroy_response(h);
    json_decref(r->body);
    return ok;
}

static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *c)
{
    request *q = calloc(1, sizeof *q);
    (void)ctx, (void)c;
    if (q)
        snprintf(q->target, sizeof q->target, "%s", uri);
    return q;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **slot)
{
    request *q = *slot;
    gba_m2m_request m;
    char from[GBA_M2M_ID_MAX + 1] = "";
    reply r = {0};
    (void)ctx, (void)url, (void)version;

    if (!q)
        return MHD_NO;
    if (!q->begun) { /* the first call has the header alone */
        q->begun = true;
        return MHD_YES;
    }
    if (*n) {
        q->too_long = q->too_long || *n >= BODY_MAX - 1 - q->n;
        if (!q->too_long) {
            memcpy(q->body + q->n, data, *n);
            q->n += *n;
        }
        *n = 0;
        return MHD_YES;
    }
    gba_m2m_http h = {gba_str(method), gba_str(q->target), header(c, "Content-Type"), header(c, "X-M2M-Origin"),
                      header(c, "X-M2M-RVI")};
    r.rsc = q->too_long ? GBA_M2M_BAD_REQUEST : gba_m2m_http_parse(&h, &m);
    if (!r.rsc)
        r.rsc = check(c, &m, from);
    if (!r.rsc) {
        operate(&m, from, gba_mem(q->body, q->n), &r);
        learn(&m, &r);
    }
    return answer(c, &r);
}

static void on_done(void *ctx, struct MHD_Connection *c, void **slot, enum MHD_RequestTerminationCode why)
{
    (void)ctx, (void)c, (void)why;
    free(*slot);
    *slot = NULL;
}

/* ---- start ---- */
static char *slurp(const char *path)
{
    FILE *f = path ? fopen(path, "re") : NULL;
    char *text = f ? calloc(1, 65536) : NULL;
    if (!text || !fread(text, 1, 65535, f)) {
        fprintf(stderr, "cse_small: %s: cannot be read\n", path ? path : "--psk-file");
        exit(78);
    }
    fclose(f);
    return text;
}

static void read_psk(const char *path)
{
    char *text = slurp(path);
    size_t room = sizeof cse.psk.o;
    text[strcspn(text, " \r\n")] = 0;
    if (gba_hex_decode(gba_str(text), cse.psk.o, &room) != GBA_OK || room < 16) {
        fprintf(stderr, "cse_small: %s: holds no key of 16 to 64 octets in hexadecimal\n", path);
        exit(78);
    }
    cse.psk.n = room;
    gba_wipe(text, strlen(text));
    free(text);
}

typedef struct args {
    unsigned long port;
    const char *cse_id, *psk_file;
} args;

static bool read_args(int argc, char **argv, args *a)
{
    static const struct option o[] = {{"port", 1, NULL, 'p'}, {"cse-id", 1, NULL, 'i'}, {"tls", 0, NULL, 't'},
                                      {"psk-id", 1, NULL, 'n'}, {"psk-file", 1, NULL, 'f'}, {"ae-id", 1, NULL, 'a'}, {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", o, NULL)) != -1)
        switch (c) {
        case 'p': a->port = strtoul(optarg, NULL, 10); break;
        case 'i': a->cse_id = optarg; break;
        case 't': cse.tls = true; break;
        case 'n': snprintf(cse.psk_id, sizeof cse.psk_id, "%s", optarg); break;
        case 'f': a->psk_file = optarg; break;
        case 'a':
            if (cse.n_ae < 8 && gba_m2m_id_parse(gba_str(optarg), NULL, &cse.ae[cse.n_ae]) == GBA_OK)
                cse.n_ae++;
            break;
        default: return false;
        }
    return a->port <= 65535 && gba_m2m_id_parse(gba_str(a->cse_id), NULL, &cse.id) == GBA_OK &&
           cse.id.kind == GBA_M2M_ID_CSE && (!cse.tls || (a->psk_file && cse.psk_id[0]));
}

static struct MHD_Daemon *listen_on(const args *a)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
    struct MHD_OptionItem o[8];
    size_t n = 0;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | (cse.tls ? MHD_USE_TLS | MHD_USE_THREAD_PER_CONNECTION : MHD_USE_EPOLL);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (cse.tls) {
        read_psk(a->psk_file);
        o[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CRED_TYPE, GNUTLS_CRD_PSK, NULL};
        o[n++] = (struct MHD_OptionItem){MHD_OPTION_GNUTLS_PSK_CRED_HANDLER, (intptr_t)on_psk, NULL};
        o[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)gba_m2m_priority(false)};
    }
    o[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_URI_LOG_CALLBACK,
                            on_uri, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30U,
                            MHD_OPTION_ARRAY, o, MHD_OPTION_END);
}

int main(int argc, char **argv)
{
    args a = {.cse_id = "//sp.example.com/cse1"};
    sigset_t stop;
    int got;

    if (!read_args(argc, argv, &a)) {
        fputs("usage: cse_small --port N --cse-id //sp/cse [--tls --psk-id ID --psk-file F [--ae-id ID]...]\n",
              stderr);
        return 2;
    }
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    srandom((unsigned)time(NULL) ^ (unsigned)getpid() << 8);
    snprintf(cse.sp_relative, sizeof cse.sp_relative, "/%s", cse.id.cse);
    add(5, cse.id.cse, cse.id.cse, "",
        json_pack("{s:s, s:s, s:i, s:[i,i,i,i,i], s:[s]}", "rn", cse.id.cse, "csi", cse.sp_relative, "cst", 2, "srt", 2, 3, 4, 5,
                  23, "srv", "3"));
    struct MHD_Daemon *d = listen_on(&a);
    if (!d) {
        fprintf(stderr, "cse_small: cannot listen on 127.0.0.1 port %lu: %s\n", a.port, strerror(errno));
        return 1;
    }
    printf("cse_small: listening on port %u\n", MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    sigwait(&stop, &got);
    MHD_stop_daemon(d);
    return 0;
}
