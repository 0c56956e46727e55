/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cse.c - a stand-in CSE that does on the wire what tinyIoT, Mobius4 and ACME were seen to do behind m2m-gate:
 *
 *   fake_cse --like tinyiot|mobius4|acme [--port N] [--cse-id /id] [--name BASE] [--proxy HOST:PORT] [--raw FILE]
 *            [--registrar HOST:PORT/BASE] [--assign AE-ID] [--slow MS]
 *
 * It listens on loopback, plain, until it is ended by a signal, and prints "listening on port N", then a line for each
 * thing that it does: "got METHOD TARGET from=ORIGIN rsc=N", "notified URL: WHAT CAME", "registrar: WHAT CAME".
 *   --proxy      its HTTP proxy (the gate's egress); Mobius4 asks it for https by CONNECT, tinyIoT has none
 *   --raw        each request that comes, octet for octet, is appended to this file
 *   --registrar  it asks there for its own remoteCSE at its start, as an MN-CSE, and registers if there is none
 *   --assign     the AE-ID that it assigns, whatever its own would be (another AE's, or one of no grammar)
 *   --slow       it waits before it creates something
 *
 * What differs between the three stands in the table `like` and where .kind is asked. What was not seen of them is as
 * simple as can be: no access control, no check of attributes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <jansson.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/raw_http.h"

#define RESOURCES 4096

typedef enum kind { TINYIOT, MOBIUS4, ACME } kind;
typedef struct manner {
    kind kind;
    const char *name, *cse_id, *base, *base_ri;
    bool floats;              /* numbers in JSON as 2.0 */
    size_t dump;              /* JSON: compact, or ": " */
    unsigned no_cbor, no_xml; /* HTTP status of such a body; 0: taken */
} manner;
static const manner like[] = {{TINYIOT, "tinyiot", "/tinyiot", "TinyIoT", "tinyiot", true, JSON_COMPACT, 400, 400},
                              {MOBIUS4, "mobius4", "/Mobius4", "Mobius", "b1onz4zfjr", false, JSON_COMPACT, 500, 500},
                              {ACME, "acme", "/id-in", "cse-in", "id-in", false, 0, 0, 400}};

typedef struct resource {
    unsigned ty;
    char path[256], ri[64]; /* "TinyIoT/x1/c1" */
    json_t *o;              /* NULL: deleted */
    char *pending;          /* of an AE: a notification for its polling channel */
} resource;

static struct {
    const manner *m;
    const char *cse_id, *base, *proxy, *raw, *registrar, *assign;
    unsigned slow_ms;
    uint16_t port;
    resource res[RESOURCES];
    size_t n;
    unsigned serial;
    pthread_mutex_t lock;
    pthread_cond_t more;
} cse = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list a;
    va_start(a, format);
    flockfile(stdout);
    vprintf(format, a);
    putchar_unlocked('\n');
    fflush(stdout);
    funlockfile(stdout);
    va_end(a);
}

/* ---- a request, as this CSE's HTTP parser reads it ---- */
typedef struct request {
    char method[16], target[2048], origin[256], ri[128], type[128], ret[64];
    size_t length;
    bool bad; /* its parser refuses the head */
} request;

static void take_field(request *q, const char *name, size_t n, const char *value, size_t n_value)
{
    struct {
        const char *name;
        char *to;
        size_t room;
    } known[] = {{"X-M2M-Origin", q->origin, sizeof q->origin},
                 {"X-M2M-RI", q->ri, sizeof q->ri},
                 {"Content-Type", q->type, sizeof q->type},
                 {"X-M2M-RET", q->ret, sizeof q->ret}};
    if (n == strlen("Content-Length") && !strncasecmp(name, "Content-Length", n))
        q->length = strtoul(value, NULL, 10);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n == strlen(known[i].name) && !strncasecmp(name, known[i].name, n))
            snprintf(known[i].to, known[i].room, "%.*s", (int)n_value, value);
}

static void read_head(const char *head, size_t n_head, request *q)
{
    const char *end = head + n_head - 2, *line = strstr(head, "\r\n") + 2;

    memset(q, 0, sizeof *q);
    if (sscanf(head, "%15s %2047s", q->method, q->target) != 2)
        q->bad = true;
    for (const char *next; line < end && !q->bad; line = next + 2) {
        next = strstr(line, "\r\n");
        const char *colon = memchr(line, ':', (size_t)(next - line));
        size_t n = colon ? (size_t)(colon - line) : 0;
        bool blank = n && (line[n - 1] == ' ' || line[n - 1] == '\t');
        if (cse.m->kind == ACME && (!colon || blank))
            break; /* Python: the header ends here */
        q->bad = cse.m->kind == MOBIUS4 && (!colon || blank);
        while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
            n--; /* tinyIoT takes it as that name */
        const char *value = colon ? colon + 1 : next;
        while (value < next && (*value == ' ' || *value == '\t'))
            value++;
        take_field(q, line, n, value, (size_t)(next - value));
    }
}

static size_t body_length(const char *head, size_t n_head)
{
    request q;
    read_head(head, n_head, &q);
    return q.length;
}

/* ---- resources ---- */
static json_t *number(long long v)
{
    return cse.m->floats ? json_real((double)v) : json_integer(v);
}

/* Now and some years on; .fraction digits after a comma. */
static void print_time(char out[48], int years, int fraction)
{
    struct timespec t;
    struct tm tm;
    size_t n;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    tm.tm_year += years;
    n = strftime(out, 48, "%Y%m%dT%H%M%S", &tm);
    if (fraction)
        snprintf(out + n, 48 - n, ",%0*ld", fraction, fraction == 3 ? t.tv_nsec / 1000000 : t.tv_nsec / 1000);
}

static void stamp(char ct[48], char et[48])
{
    int fraction = cse.m->kind == TINYIOT ? 3 : cse.m->kind == ACME ? 6 : 0;
    print_time(ct, 0, fraction);
    print_time(et, cse.m->kind == MOBIUS4 ? 1 : cse.m->kind == ACME ? 5 : 2, fraction);
}

static void random_name(char *out, size_t n)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < n; i++)
        out[i] = set[(size_t)random() % (sizeof set - 1)];
    out[n] = 0;
}

static const char *root_of(unsigned ty)
{
    return ty == 2    ? "m2m:ae"
           : ty == 3  ? "m2m:cnt"
           : ty == 4  ? "m2m:cin"
           : ty == 5  ? "m2m:cb"
           : ty == 15 ? "m2m:pch"
           : ty == 16 ? "m2m:csr"
           : ty == 23 ? "m2m:sub"
                      : NULL;
}

static void new_ri(unsigned ty, char out[64])
{
    static const char *const prefix[] = {[2] = "C", [3] = "cnt", [4] = "cin", [15] = "pch", [16] = "csr", [23] = "sub"};
    char now[48], tail[16];
    random_name(tail, 10);
    if (cse.m->kind == TINYIOT) {
        print_time(now, 0, 3);
        if (ty == 2)
            snprintf(out, 64, "CAE%s%04u", now, cse.serial++ % 10000);
        else
            snprintf(out, 64, "%u-%s%04u", ty, now, cse.serial++ % 10000);
    } else {
        snprintf(out, 64, "%s%s", cse.m->kind == ACME || ty == 2 ? prefix[ty] : "", tail);
    }
}

/* CSE-relative and structured, or a resourceID; from any of the three forms of a target. */
static const char *local(const char *target)
{
    size_t n = strlen(cse.cse_id);
    if (!strncmp(target, "/_/", 3))
        target = strchr(target + 3, '/') ? strchr(target + 3, '/') : "";
    else if (!strncmp(target, "/~/", 3))
        target += 2;
    if (!strncmp(target, cse.cse_id, n) && (target[n] == '/' || !target[n]))
        target += target[n] ? n + 1 : n;
    target += *target == '/';
    return *target ? target : cse.base;
}

static resource *find(const char *target)
{
    char path[256];
    snprintf(path, sizeof path, "%s", local(target));
    path[strcspn(path, "?")] = 0;
    if (!strncmp(path, "-/", 2))
        snprintf(path, sizeof path, "%s/%.200s", cse.base, strchr(local(target), '/') + 1);
    for (size_t i = 0; i < cse.n; i++)
        if (cse.res[i].o && (!strcmp(cse.res[i].path, path) || !strcmp(cse.res[i].ri, path)))
            return &cse.res[i];
    return NULL;
}

static bool is_child(const resource *r, const resource *of)
{
    size_t n = strlen(of->path);
    return r->o && !strncmp(r->path, of->path, n) && r->path[n] == '/' && !strchr(r->path + n + 1, '/');
}

static resource *latest(const char *target)
{
    char path[2048];
    snprintf(path, sizeof path, "%s", target);
    char *last = strrchr(path, '/');
    resource *parent = NULL;
    if (last && (!strcmp(last, "/la") || !strcmp(last, "/latest"))) {
        *last = 0;
        parent = find(path);
    }
    for (size_t i = cse.n; parent && i-- > 0;)
        if (cse.res[i].ty == 4 && is_child(&cse.res[i], parent))
            return &cse.res[i];
    return NULL;
}

/* The attributes in the order of each CSE's answers. */
static json_t *made(unsigned ty, const char *ri, const char *rn, const char *pi, json_t *given)
{
    json_t *own = json_object(), *o = json_object(), *v;
    char ct[48], et[48];
    const char *k;

    stamp(ct, et);
    json_object_set_new(own, "ty", number(ty));
    json_object_set_new(own, "ct", json_string(ct));
    json_object_set_new(own, "ri", json_string(ri));
    if (cse.m->kind == MOBIUS4 || !json_object_get(given, "rn"))
        json_object_set_new(own, "rn", json_string(rn));
    json_object_set_new(own, "lt", json_string(ct));
    json_object_set_new(own, "pi", json_string(pi));
    json_object_set_new(own, "et", json_string(et));
    if (ty == 2)
        json_object_set_new(own, "aei", json_string(ri));
    if (ty == 4) {
        json_object_set_new(own, "cs", number((long long)json_string_length(json_object_get(given, "con"))));
        json_object_set_new(own, "st", number(0));
    }
    if (cse.m->kind == MOBIUS4) {
        json_object_update(o, own);
        json_object_foreach(given, k, v) if (!json_object_get(o, k)) json_object_set(o, k, v);
    } else {
        json_object_update(o, given);
        json_object_update_missing(o, own);
    }
    json_decref(own);
    return o;
}

static resource *add(unsigned ty, const char *path, const char *ri, json_t *o)
{
    if (cse.n >= RESOURCES)
        abort();
    resource *r = &cse.res[cse.n];
    r->ty = ty;
    r->o = o;
    snprintf(r->path, sizeof r->path, "%s", path);
    snprintf(r->ri, sizeof r->ri, "%s", ri);
    cse.n++;
    return r;
}

/* ---- going out ---- */
static int dial(const char *authority)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ai = NULL;
    char host[128] = "", port[8] = "80";
    int fd = -1;

    if (sscanf(authority, "%127[^:/]:%7[0-9]", host, port) < 1 || getaddrinfo(host, port, &hints, &ai))
        return -1;
    fd = socket(ai->ai_family, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(ai);
    return fd;
}

/* One exchange on a connection of its own; the answer, its end as the CSE sees it. RSC, else HTTP status, 0: nothing.
 */
static unsigned exchange(const char *at, const char *method, const char *target, const char *host, const char *fields,
                         const char *body, char *line, size_t n_line)
{
    char head[4096], answer[65536];
    int fd = dial(at), n;
    size_t got = 0;

    snprintf(line, n_line, "unreachable");
    if (fd < 0)
        return 0;
    n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %.*s\r\n%s", method, target, (int)strcspn(host, "/"), host,
                 fields);
    if (body)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n", strlen(body));
    n += snprintf(head + n, sizeof head - (size_t)n, "\r\n");
    if (!raw_send(fd, head, (size_t)n) && (!body || !raw_send(fd, body, strlen(body))))
        for (ssize_t k; got < sizeof answer - 1 && (k = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;) {
            got += (size_t)k;
            answer[got] = 0;
            if (strstr(answer, "\r\n\r\n"))
                break;
        }
    close(fd);
    answer[got] = 0;
    const char *rsc = strcasestr(answer, "\r\nX-M2M-RSC:"), *space = strchr(answer, ' ');
    unsigned v = rsc ? (unsigned)strtoul(rsc + 12, NULL, 10) : space ? (unsigned)strtoul(space, NULL, 10) : 0;
    snprintf(line, n_line, "%.*s rsc=%u", (int)strcspn(answer, "\r\n"), answer, v);
    return v;
}

static void fields_of(char *out, size_t n)
{
    if (cse.m->kind == TINYIOT)
        snprintf(out, n, "X-M2M-Origin: %s\r\nX-M2M-RI: notify\r\nContent-Type: application/json\r\nX-M2M-RVI: 3\r\n",
                 cse.cse_id);
    else
        snprintf(out, n,
                 "X-M2M-Origin: %s\r\nX-M2M-RI: n%u\r\nX-M2M-RVI: 3\r\nContent-Type: application/json\r\nConnection: "
                 "close\r\n",
                 cse.cse_id, __atomic_add_fetch(&cse.serial, 1, __ATOMIC_RELAXED));
}

/* To an http or https URL, in this CSE's way. true: it was taken. */
static bool post_url(const char *url, const char *target, const char *body)
{
    char fields[512], line[256];
    bool tls = !strncmp(url, "https://", 8), via = cse.proxy && cse.m->kind != TINYIOT;
    const char *at = url + (tls ? 8 : 7), *path = strchr(at, '/') ? strchr(at, '/') : "/";
    unsigned v;

    fields_of(fields, sizeof fields);
    if (tls && cse.m->kind == TINYIOT)
        return false; /* dropped, silently */
    if (tls && !via) {
        say("notified %s: https without a proxy, which this stand-in does not speak", url);
        return false;
    }
    if (tls)
        v = exchange(cse.proxy, "CONNECT", at, at, "", NULL, line, sizeof line);
    else
        v = exchange(via ? cse.proxy : at, "POST",
                     via      ? url
                     : target ? target
                              : path,
                     at, fields, body, line, sizeof line);
    say("notified %s: %s%s", url, tls ? "CONNECT " : "", line);
    return !tls && (v / 1000 == 2 || v / 100 == 2);
}

/* To a resource: at the points of access of the AE that it is, or below which it is. */
static bool post_resource(const char *to, const char *target, const char *body)
{
    char path[256];
    snprintf(path, sizeof path, "%s", to);
    char urls[8][256];
    size_t n = 0, i;
    json_t *v;

    pthread_mutex_lock(&cse.lock);
    resource *r = find(path);
    for (; r && r->ty != 2 && r->ty != 16 && strrchr(path, '/'); r = find(path))
        *strrchr(path, '/') = 0;
    json_array_foreach(r ? json_object_get(r->o, "poa") : NULL, i, v) if (n < 8 && json_is_string(v))
        snprintf(urls[n++], sizeof urls[0], "%s", json_string_value(v));
    if (r && cse.m->kind == ACME)
        for (i = 0; i < cse.n; i++)
            if (cse.res[i].ty == 15 && is_child(&cse.res[i], r)) {
                free(r->pending);
                r->pending = strdup(body);
                pthread_cond_broadcast(&cse.more);
            }
    pthread_mutex_unlock(&cse.lock);
    for (i = 0; i < n; i++)
        if (strncmp(urls[i], "https://", 8) ? !strncmp(urls[i], "http://", 7) : cse.m->kind != TINYIOT)
            if (post_url(urls[i], target, body) || cse.m->kind == TINYIOT)
                return true;
    return false;
}

static bool post(const char *nu, const char *target, const char *body)
{
    return !strncmp(nu, "http://", 7) || !strncmp(nu, "https://", 8) ? post_url(nu, target, body)
                                                                     : post_resource(nu, target, body);
}

typedef struct notice {
    char nu[256];
    char *body;
} notice;

static void *deliver(void *arg)
{
    notice *n = arg;
    (void)post(n->nu, NULL, n->body);
    free(n->body);
    free(n);
    return NULL;
}

/* With the lock held; takes sgn. */
static void notify(const resource *sub, json_t *sgn)
{
    json_t *o = json_pack("{s:o}", "m2m:sgn", sgn), *nu;
    size_t i;
    json_array_foreach(json_object_get(sub->o, "nu"), i, nu)
    {
        notice *n = calloc(1, sizeof *n);
        pthread_t t;
        snprintf(n->nu, sizeof n->nu, "%s", json_string_value(nu) ? json_string_value(nu) : "");
        n->body = json_dumps(o, cse.m->dump | JSON_REAL_PRECISION(15));
        if (pthread_create(&t, NULL, deliver, n) == 0)
            pthread_detach(t);
    }
    json_decref(o);
}

static json_t *sur_of(const resource *sub)
{
    return cse.m->kind == ACME ? json_sprintf("%s/%s", cse.cse_id, sub->ri) : json_string(sub->path);
}

static void notify_all(const resource *parent, const resource *child)
{
    for (size_t i = 0; i < cse.n; i++)
        if (cse.res[i].ty == 23 && is_child(&cse.res[i], parent) && &cse.res[i] != child)
            notify(&cse.res[i], json_pack("{s:{s:o, s:{s:O}}, s:o}", "nev", "net", number(3), "rep", root_of(child->ty),
                                          child->o, "sur", sur_of(&cse.res[i])));
}

/* The verification of a new subscription; of parent, without the lock. false: ACME refuses the subscription. */
static bool verify(const resource *parent, json_t *given, const char *origin)
{
    json_t *nu, *o = json_pack("{s:{s:b, s:s, s:s}}", "m2m:sgn", "vrq", 1, "sur", parent->path, "cr", origin);
    char *body = json_dumps(o, cse.m->dump);
    bool good = true;
    size_t i;

    json_array_foreach(json_object_get(given, "nu"), i, nu)
    {
        const char *to = json_string_value(nu) ? json_string_value(nu) : "";
        if (cse.m->kind == ACME)
            good = post(to, NULL, body) && good;
        else if (cse.m->kind == TINYIOT && strncmp(to, "http", 4) != 0)
            (void)post(to, parent->path, body); /* no slash before that path: its fault */
    }
    free(body);
    json_decref(o);
    return good;
}

/* ---- operations ---- */
typedef struct reply {
    unsigned http, rsc;
    json_t *body;
    char *text; /* in place of body */
    char location[300];
} reply;

static void create(const request *q, json_t *body, reply *out)
{
    const char *at = strstr(q->type, "ty="), *rn;
    unsigned ty = at ? (unsigned)strtoul(at + 3, NULL, 10) : 0;
    json_t *given = json_object_get(body, root_of(ty) ? root_of(ty) : "");
    char ri[64], name[80], path[256];

    pthread_mutex_lock(&cse.lock);
    resource *parent = find(q->target), copy = parent ? *parent : (resource){0};
    pthread_mutex_unlock(&cse.lock);
    out->rsc = !parent ? 4004 : !json_is_object(given) ? 4000 : 0;
    if (!out->rsc && ty == 23 && !verify(&copy, given, q->origin))
        out->rsc = 5204;
    if (out->rsc)
        return;
    usleep(cse.slow_ms * 1000);
    pthread_mutex_lock(&cse.lock);
    new_ri(ty, ri);
    if (ty == 2 && q->origin[0] && strcmp(q->origin, "C") && strcmp(q->origin, "S"))
        snprintf(ri, sizeof ri, "%.63s", q->origin);
    else if (ty == 2 && cse.assign)
        snprintf(ri, sizeof ri, "%s", cse.assign);
    rn = json_string_value(json_object_get(given, "rn"));
    if (!rn && ty == 2 && cse.assign)
        random_name(name, 12);
    else if (rn || cse.m->kind != ACME || ty == 2)
        snprintf(name, sizeof name, "%s", rn ? rn : ri);
    else
        snprintf(name, sizeof name, "%.3s_%s", ri, ri + 3);
    snprintf(path, sizeof path, "%.150s/%s", copy.path, name);
    if (find(path) || (ty == 2 && !cse.assign && find(ri))) {
        out->rsc = 4105;
    } else {
        resource *r = add(ty, path, ri, made(ty, ri, name, copy.ri, given));
        out->body = json_pack("{s:O}", root_of(ty), r->o);
        out->rsc = 2001;
        snprintf(out->location, sizeof out->location, "%s", path);
        notify_all(&copy, r);
    }
    pthread_mutex_unlock(&cse.lock);
}

static void update(resource *r, json_t *body, reply *out)
{
    json_t *given = json_object_get(body, root_of(r->ty));
    out->rsc = json_is_object(given) ? 2004 : 4000;
    if (given)
        json_object_update(r->o, given);
    out->body = json_pack("{s:O}", root_of(r->ty), r->o);
}

static void delete (const resource *r, reply *out)
{
    char path[256];
    size_t n = strlen(r->path);
    snprintf(path, sizeof path, "%s", r->path);
    out->rsc = 2002;
    for (size_t i = 0; i < cse.n; i++) {
        resource *d = &cse.res[i];
        if (!d->o || strncmp(d->path, path, n) || (d->path[n] && d->path[n] != '/'))
            continue;
        if (d->ty == 23 && cse.m->kind == TINYIOT) /* the deletion notice */
            notify(d, json_pack("{s:{s:o, s:o}, s:b}", "nev", "net", number(2), "sur", sur_of(d), "sud", 1));
        json_decref(d->o);
        d->o = NULL;
    }
}

/* fu=1: the paths below. */
static void discover(const resource *r, reply *out)
{
    json_t *list = json_array();
    size_t n = strlen(r->path);
    for (size_t i = 0; i < cse.n && cse.m->kind != TINYIOT; i++)
        if (cse.res[i].o && !strncmp(cse.res[i].path, r->path, n) && cse.res[i].path[n] == '/')
            json_array_append_new(list, json_string(cse.res[i].path));
    out->rsc = 2000;
    out->body = json_pack("{s:o}", "m2m:uril", list);
}

/* ACME's polling channel: <pch>/pcu holds the request up to X-M2M-RET, or until something is there. With the lock. */
static void poll_channel(const request *q, reply *out)
{
    char path[2048];
    struct timespec until;
    long ms = q->ret[0] ? atol(q->ret) : 10000;
    snprintf(path, sizeof path, "%s", q->target);
    *strrchr(path, '/') = 0; /* the pch; its parent is the AE */
    resource *pch = find(path), *ae = NULL;
    for (size_t i = 0; i < cse.n && pch; i++)
        if (cse.res[i].ty == 2 && is_child(pch, &cse.res[i]))
            ae = &cse.res[i];
    out->rsc = ae ? 4008 : 4004;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    while (ae && !ae->pending && pthread_cond_timedwait(&cse.more, &cse.lock, &until) == 0)
        ;
    if (ae && ae->pending) {
        json_t *pc = json_loads(ae->pending, 0, NULL);
        out->rsc = 2000;
        out->body = json_pack("{s:{s:i, s:s, s:s, s:s, s:s, s:o}}", "m2m:rqp", "op", 5, "to", ae->ri, "fr", cse.cse_id,
                              "rqi", "poll", "rvi", "3", "pc", pc ? pc : json_null());
        free(ae->pending);
        ae->pending = NULL;
    }
}

static bool is_pcu(const char *target)
{
    const char *last = strrchr(target, '/');
    return cse.m->kind == ACME && last && !strcmp(last, "/pcu");
}

static void operate(const request *q, const char *octets, reply *out)
{
    json_t *body = json_loads(octets, 0, NULL);
    bool get = !strcmp(q->method, "GET");

    if (!strcmp(q->method, "POST") && strstr(q->type, "ty=")) {
        create(q, body, out);
        json_decref(body);
        return;
    }
    pthread_mutex_lock(&cse.lock);
    resource *r = find(q->target);
    if (!r && get)
        r = latest(q->target);
    if (get && is_pcu(q->target))
        poll_channel(q, out);
    else if (!r)
        out->rsc = 4004;
    else if (get && strstr(q->target, "fu=1"))
        discover(r, out);
    else if (get)
        out->rsc = 2000, out->body = json_pack("{s:O}", root_of(r->ty), r->o);
    else if (!strcmp(q->method, "PUT"))
        update(r, body, out);
    else if (!strcmp(q->method, "DELETE") && r->ty != 5)
        delete (r, out);
    else
        out->rsc = 4005;
    pthread_mutex_unlock(&cse.lock);
    json_decref(body);
}

/* What its HTTP server does apart from oneM2M: Mobius4's /health, ACME's pages. */
static bool is_page(const request *q, reply *out)
{
    bool health = cse.m->kind == MOBIUS4 && !strcmp(q->target, "/health");
    bool page = cse.m->kind == ACME && (!strcmp(q->target, "/") || !strncmp(q->target, "/webui", 6));
    if (health || page) {
        out->http = 200;
        out->text = strdup(health ? "{\"status\":\"ok\"}" : "<!doctype html><title>a CSE's page</title>\n");
    }
    return health || page;
}

static unsigned http_of(unsigned rsc)
{
    return rsc == 2001       ? 201
           : rsc / 1000 == 2 ? 200
           : rsc == 4004     ? 404
           : rsc == 4005     ? 405
           : rsc == 4105     ? 403
           : rsc == 4008     ? 504
           : rsc / 1000 == 5 ? 500
                             : 400;
}

static int answer(int fd, char *text, size_t n_head, size_t n)
{
    static pthread_mutex_t raw = PTHREAD_MUTEX_INITIALIZER;
    char head[1024], rsc[32] = "", location[340] = "";
    request q;
    reply r = {0};

    if (cse.raw) {
        pthread_mutex_lock(&raw);
        FILE *f = fopen(cse.raw, "ae");
        if (f && fwrite(text, 1, n, f) == n)
            (void)fclose(f);
        pthread_mutex_unlock(&raw);
    }
    read_head(text, n_head, &q);
    const char *cbor = strstr(q.type, "cbor"), *xml = strstr(q.type, "xml");
    if (q.bad)
        r.http = 400;
    else if (is_page(&q, &r))
        ;
    else if ((cbor && cse.m->no_cbor) || (xml && cse.m->no_xml))
        r.http = cbor ? cse.m->no_cbor : cse.m->no_xml;
    else if (cbor && !strcmp(q.method, "POST"))
        r.rsc = 2001;
    else
        operate(&q, text + n_head, &r);
    r.http = r.http ? r.http : http_of(r.rsc);
    say("got %s %s from=%s rsc=%u http=%u", q.method, q.target, q.origin, r.rsc, r.http);
    char *body = r.text ? r.text : r.body ? json_dumps(r.body, cse.m->dump | JSON_REAL_PRECISION(15)) : NULL;
    if (r.rsc)
        snprintf(rsc, sizeof rsc, "X-M2M-RSC: %u\r\n", r.rsc);
    if (r.location[0])
        snprintf(location, sizeof location, "Content-Location: %s\r\n", r.location);
    int k = snprintf(head, sizeof head, "HTTP/1.1 %u %s\r\n%s%s%s%s%s%sContent-Length: %zu\r\n%s\r\n", r.http,
                     r.http < 300 ? "OK" : "No", rsc, r.rsc && q.ri[0] ? "X-M2M-RI: " : "", r.rsc ? q.ri : "",
                     r.rsc && q.ri[0] ? "\r\nX-M2M-RVI: 3\r\n" : "", location,
                     r.text ? "Content-Type: text/html\r\n"
                     : body ? "Content-Type: application/json\r\n"
                            : "",
                     body ? strlen(body) : 0, q.bad ? "Connection: close\r\n" : "");
    int bad = raw_send(fd, head, (size_t)k) || (body && raw_send(fd, body, strlen(body)));
    free(body);
    json_decref(r.body);
    return bad || q.bad;
}

/* ---- an MN-CSE and its registrar ---- */
static void register_there(void)
{
    char fields[512], line[256], target[200], *body;
    const char *base = strchr(cse.registrar, '/') ? strchr(cse.registrar, '/') : "";

    snprintf(target, sizeof target, "%s%s", base, cse.cse_id);
    snprintf(fields, sizeof fields, "X-M2M-Origin: %s\r\nX-M2M-RI: reg1\r\nX-M2M-RVI: 3\r\n", cse.cse_id);
    unsigned rsc = exchange(cse.registrar, "GET", target, cse.registrar, fields, NULL, line, sizeof line);
    say("registrar: GET %s: %s", target, line);
    if (rsc == 2000)
        return;
    json_t *o = json_pack("{s:{s:s, s:s, s:s, s:b, s:[s], s:[o]}}", "m2m:csr", "rn", cse.cse_id + 1, "csi", cse.cse_id,
                          "cb", cse.base, "rr", 1, "srv", "3", "poa", json_sprintf("http://127.0.0.1:%u", cse.port));
    body = json_dumps(o, cse.m->dump);
    json_decref(o);
    snprintf(fields, sizeof fields,
             "X-M2M-Origin: %s\r\nX-M2M-RI: reg2\r\nX-M2M-RVI: 3\r\nContent-Type: application/json;ty=16\r\n",
             cse.cse_id);
    (void)exchange(cse.registrar, "POST", base, cse.registrar, fields, body, line, sizeof line);
    say("registrar: POST %s: %s", base, line);
    free(body);
}

static bool read_args(int argc, char **argv)
{
    static const struct option o[] = {{"like", 1, NULL, 0},   {"port", 1, NULL, 1},
                                      {"cse-id", 1, NULL, 2}, {"name", 1, NULL, 3},
                                      {"proxy", 1, NULL, 4},  {"raw", 1, NULL, 5},
                                      {"assign", 1, NULL, 6}, {"registrar", 1, NULL, 7},
                                      {"slow", 1, NULL, 8},   {0}};
    const char *name = "", *port = "0", *slow = "0";
    const char **to[] = {&name,    &port,       &cse.cse_id,    &cse.base, &cse.proxy,
                         &cse.raw, &cse.assign, &cse.registrar, &slow};
    int c;
    while ((c = getopt_long(argc, argv, "", o, NULL)) != -1) {
        if (c == '?')
            return false;
        *to[c] = optarg;
    }
    for (size_t i = 0; i < sizeof like / sizeof *like; i++)
        if (!strcmp(name, like[i].name))
            cse.m = &like[i];
    cse.port = (uint16_t)atoi(port);
    cse.slow_ms = (unsigned)atoi(slow);
    return cse.m != NULL;
}

static void own_base(void)
{
    json_t *o = json_pack("{s:s, s:o, s:s, s:s, s:s, s:[i,i,i,i,i,i,i], s:[s,s,s], s:[o]}", "ri", cse.m->base_ri, "ty",
                          number(5), "rn", cse.base, "pi", "", "csi", cse.cse_id, "srt", 1, 2, 3, 4, 5, 16, 23, "srv",
                          "4", "3", "2a", "poa", json_sprintf("http://127.0.0.1:%u", cse.port));
    add(5, cse.base, cse.m->kind == MOBIUS4 ? cse.m->base_ri : cse.cse_id + 1, o);
    if (cse.m->kind != MOBIUS4)
        json_object_set_new(o, "ri", json_string(cse.cse_id + 1));
}

int main(int argc, char **argv)
{
    static const raw_http how = {.answer = answer, .body_length = body_length};

    if (!read_args(argc, argv)) {
        fprintf(stderr, "fake_cse --like tinyiot|mobius4|acme [--port N] ...: see the head of fake_cse.c\n");
        return 2;
    }
    cse.cse_id = cse.cse_id ? cse.cse_id : cse.m->cse_id;
    cse.base = cse.base ? cse.base : cse.m->base;
    srandom((unsigned)time(NULL) ^ (unsigned)getpid());
    cse.port = raw_http_start(&how, cse.port);
    if (!cse.port)
        return 1;
    own_base(); /* before anybody can know the port */
    say("listening on port %u", cse.port);
    if (cse.registrar)
        register_there();
    pause();
    return 0;
}
