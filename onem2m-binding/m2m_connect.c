/* SPDX-License-Identifier: Apache-2.0 */
/* m2m_connect.c - m2m connect: a SAEF, then a oneM2M request. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "onem2m-binding/m2m.h"

#define BODY_MAX (1024 * 1024)

static const struct {
    const char *word;
    gba_m2m_framework framework;
} words[] = {{"psk", GBA_M2M_SAEF_1}, {"cert", GBA_M2M_SAEF_2}, {"maf", GBA_M2M_SAEF_3}, {"gba", GBA_M2M_SAEF_4}};

static int take_framework(const options *o, gba_m2m_framework *out)
{
    if (!o->framework)
        return complain(M2M_USAGE, "connect needs --framework psk, cert, maf or gba");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, o->framework)) {
            *out = words[i].framework;
            return M2M_DONE;
        }
    return complain(M2M_USAGE, "--framework: %s is none of psk, cert, maf, gba", o->framework);
}

/* ---- the request ---- */
typedef struct request {
    gba_m2m_call call;
    const char *word;
    char to[GBA_M2M_TO_MAX + 1];
    char *body;
} request;

/* TEXT, @FILE or - */
static int read_text(const char *option, const char *value, char **out)
{
    FILE *f = !strcmp(value, "-") ? stdin : value[0] == '@' ? fopen(value + 1, "re") : NULL;
    size_t n = 0;

    *out = NULL;
    if (!f && value[0] == '@')
        return complain(M2M_USAGE, "--%s: %s: %s", option, value + 1, strerror(errno));
    if (!f) {
        *out = strdup(value);
        return *out ? M2M_DONE : complain(M2M_FAILED, "out of memory");
    }
    char *text = malloc(BODY_MAX + 1);
    if (text) {
        n = fread(text, 1, BODY_MAX + 1, f);
        if (n <= BODY_MAX)
            text[n] = 0;
    }
    bool bad = !text || ferror(f) || n > BODY_MAX || memchr(text, 0, n);
    if (f != stdin)
        fclose(f);
    if (bad) {
        free(text);
        return complain(M2M_USAGE, "--%s: %s is no text of at most %d octets", option, value, BODY_MAX);
    }
    *out = text;
    return M2M_DONE;
}

static int finish(const char *root, json_t *o, request *r)
{
    json_t *doc = json_object();

    if (doc && o && json_object_set_new(doc, root, o) == 0)
        r->body = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    r->call.body = gba_str(r->body);
    return r->body ? M2M_DONE : complain(M2M_USAGE, "the request is no JSON (is its text UTF-8?)");
}

static void put_name(const options *o, json_t *v)
{
    if (o->name)
        json_object_set_new(v, "rn", json_string(o->name));
}

static int make_ae(const options *o, request *r)
{
    json_t *v =
        json_pack("{s:s,s:b,s:[s]}", "api", o->api ? o->api : "Norg.opengba.m2m", "rr", o->n_poa > 0, "srv", "3");

    r->call.ty = GBA_M2M_TY_AE;
    put_name(o, v);
    if (o->n_poa) {
        json_t *poa = json_array();
        for (size_t i = 0; i < o->n_poa; i++)
            json_array_append_new(poa, json_string(o->poa[i]));
        json_object_set_new(v, "poa", poa);
    }
    return finish("m2m:ae", v, r);
}

static int make_container(const options *o, request *r)
{
    json_t *v = json_object();

    r->call.ty = 3;
    put_name(o, v);
    return finish("m2m:cnt", v, r);
}

static int make_instance(const options *o, request *r)
{
    char *text;

    if (!o->content)
        return complain(M2M_USAGE, "instance needs --content TEXT, @FILE or -");
    int code = read_text("content", o->content, &text);
    if (code)
        return code;
    json_t *v = json_object();
    json_object_set_new(v, "con", json_string(text));
    put_name(o, v);
    free(text);
    r->call.ty = 4;
    return finish("m2m:cin", v, r);
}

static int make_nothing(const options *o, request *r)
{
    (void)o;
    (void)r;
    return M2M_DONE;
}

/* create, update, notify: the resource as it is. */
static int make_data(const options *o, request *r)
{
    char *end = NULL;

    if (!o->data)
        return complain(M2M_USAGE, "%s needs --data JSON, @FILE or -", r->word);
    if (r->call.op == GBA_M2M_CREATE) {
        unsigned long ty = o->type ? strtoul(o->type, &end, 10) : 0;
        if (!o->type || *end || ty < 1 || ty > 65535)
            return complain(
                M2M_USAGE,
                "create needs --type, the number of the resource type (AE 2, container 3, contentInstance 4, ...)");
        r->call.ty = (unsigned)ty;
    }
    int code = read_text("data", o->data, &r->body);
    r->call.body = gba_str(r->body);
    return code;
}

static const struct {
    const char *word;
    gba_m2m_op op;
    bool where; /* needs an address */
    int (*make)(const options *o, request *r);
} operations[] = {
    {"retrieve", GBA_M2M_RETRIEVE, false, make_nothing}, {"ae", GBA_M2M_CREATE, false, make_ae},
    {"container", GBA_M2M_CREATE, false, make_container}, {"instance", GBA_M2M_CREATE, true, make_instance},
    {"create", GBA_M2M_CREATE, true, make_data},         {"update", GBA_M2M_UPDATE, true, make_data},
    {"delete", GBA_M2M_DELETE, true, make_nothing},      {"notify", GBA_M2M_NOTIFY, true, make_data},
};

/* word: "connect" URL [OPERATION [ADDRESS]]; base: the URL's path. */
static int make_request(const options *o, const char *base, request *r)
{
    const char *word = o->n_words > 2 ? o->word[2] : "retrieve", *to = o->n_words > 3 ? o->word[3] : NULL;

    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i].word, word) != 0)
            continue;
        if (operations[i].where && !to)
            return complain(M2M_USAGE, "%s needs the address of a resource (m2m --help)", word);
        r->word = word;
        r->call = (gba_m2m_call){.op = operations[i].op, .from = o->from};
        snprintf(r->to, sizeof r->to, "%s", to ? to : base);
        if (to && strlen(to) >= sizeof r->to)
            return complain(M2M_USAGE, "the address is too long");
        r->call.to = r->to[0] ? r->to : NULL;
        return operations[i].make(o, r);
    }
    return complain(M2M_USAGE, "%s: no such operation (m2m --help)", word);
}

/* ---- what came of it ---- */
static json_t *parties(const gba_m2m_sa_facts *f)
{
    if (f->row->with && strcmp(f->row->with, "Entity B") != 0)
        return json_pack("[s,s,s]", "Entity A", f->row->with, "Entity B");
    return json_pack("[s,s]", "Entity A", "Entity B");
}

static void put_reply(json_t *o, const gba_m2m_reply *y)
{
    json_t *body = y->n ? json_loadb(y->body, y->n, 0, NULL) : NULL;
    json_t *ae = json_object_get(json_object_get(body, "m2m:ae"), "aei");

    json_object_set_new(o, "to", json_string(y->to));
    json_object_set_new(o, "from", json_string(y->from));
    json_object_set_new(o, "http", json_integer(y->http));
    if (y->rsc) {
        json_object_set_new(o, "rsc", json_integer(y->rsc));
        json_object_set_new(o, "rsc_name", json_string(gba_m2m_rsc_name(y->rsc)));
    }
    if (y->location[0])
        json_object_set_new(o, "location", json_string(y->location));
    if (json_is_string(ae))
        json_object_set(o, "ae_id", ae);
    if (body)
        json_object_set_new(o, "body", body);
}

static void print_all(entity *e, const gba_m2m_sa_facts *f, const request *r, const gba_m2m_reply *y, unsigned total_ms)
{
    json_t *o = json_object();

    json_object_set_new(o, "framework", json_string(f->row->name));
    json_object_set_new(o, "title", json_string(f->row->title));
    json_object_set_new(o, "parties", parties(f));
    json_object_set_new(o, "identifier", json_string(f->identifier));
    json_object_set_new(o, "identifier_name", json_string(f->identifier_name));
    json_object_set_new(o, "suite", json_string(f->suite_name));
    if (f->key)
        json_object_set_new(o, "key", json_string(f->key));
    json_object_set_new(o, "key_from", json_string(f->key_from));
    put_time(o, "until", f->expires);
    json_object_set_new(o, "b", json_string(f->b.s));
    put_id(o, "b_id", &f->b_id);
    json_object_set_new(o, "operation", json_string(r->word));
    put_reply(o, y);
    json_object_set_new(o, "handshake_ms", json_integer(f->handshake_ms));
    json_object_set_new(o, "total_ms", json_integer(total_ms));
    if (e->steps)
        json_object_set(o, "steps", e->steps);
    print_json(o);
}

static void say_all(const options *o, const gba_m2m_sa_facts *f, const request *r, const gba_m2m_reply *y)
{
    if (!o->quiet)
        fprintf(stderr, "m2m: %s with %s by %s %s, %s; %s %s: %u %s\n", f->row->name, f->b.s, f->identifier_name,
                f->identifier, f->suite_name, r->word, y->to, y->rsc ? y->rsc : y->http, gba_m2m_rsc_name(y->rsc));
    if (y->n) {
        fwrite(y->body, 1, y->n, stdout);
        if (y->body[y->n - 1] != '\n')
            putchar('\n');
    }
}

/* ---- the command ---- */
static int take_places(const options *o, char host[254], char maf_host[254], char *base, gba_m2m_saef *how)
{
    int code = take_server("sni", o->word[1], o->sni, host, &how->b, base);

    if (!code && o->maf)
        code = take_server("maf-fqdn", o->maf, o->maf_fqdn, maf_host, &how->maf, NULL);
    else if (!code && o->maf_fqdn && gba_fqdn_parse(gba_str(o->maf_fqdn), &how->maf.fqdn) != GBA_OK)
        code = complain(M2M_USAGE, "--maf-fqdn: %s is not a domain name", o->maf_fqdn);
    if (!code)
        code = take_id("target", o->target, &how->b_id);
    if (!code && o->target && how->b_id.kind != GBA_M2M_ID_CSE)
        code = complain(M2M_USAGE, "--target: Entity B is a CSE: //SP-DOMAIN/CSE");
    return code;
}

static unsigned now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static int ask(entity *e, gba_m2m_sa *sa, const request *r, unsigned begun)
{
    gba_m2m_reply y = {0};
    gba_err err = gba_m2m_request_send(sa, &r->call, &y);
    int code;

    if (err != GBA_OK) {
        code = complain(code_of(err), "%s", gba_m2m_a_text(e->a));
    } else {
        if (e->o->json)
            print_all(e, gba_m2m_sa_info(sa), r, &y, now_ms() - begun);
        else
            say_all(e->o, gba_m2m_sa_info(sa), r, &y);
        code = out_done();
        if (!code && (y.rsc >= 4000 || y.http >= 400))
            code = M2M_REFUSED;
    }
    gba_m2m_reply_free(&y);
    return code;
}

/* SA1 and a request; with --listen then SA2, which is open before the request: the CSE may verify a subscription
 * while it is created. */
static int associate(entity *e, gba_m2m_saef *how, const request *r, ears *x)
{
    gba_m2m_sa *sa = NULL;
    unsigned begun = now_ms();
    gba_err err = gba_m2m_connect(e->a, how, &sa);
    int code = err == GBA_OK ? M2M_DONE : complain(code_of(err), "%s", gba_m2m_a_text(e->a));

    if (!code && e->o->listen)
        code = ears_open(e, sa, x);
    if (!code)
        code = ask(e, sa, r, begun);
    int heard = ears_close(e, x, code != M2M_DONE);
    gba_m2m_sa_close(&sa);
    return code ? code : heard;
}

static int run(entity *e, gba_m2m_saef *how, const request *r)
{
    static const request again = {.call = {.op = GBA_M2M_RETRIEVE}, .word = "retrieve"};
    ears x = {.left = e->o->count};
    int code;

    how->own = e->own;
    do {
        code = associate(e, how, r, &x);
        r = &again;
    } while (!code && x.again);
    return code;
}

int m2m_connect(options *o)
{
    char host[254], maf_host[254], base[GBA_M2M_TO_MAX + 1];
    gba_m2m_saef how = {.fresh = o->fresh, .priority = o->priority};
    request r = {0};
    entity e;
    int code = take_framework(o, &how.framework);

    if (!code)
        code = take_places(o, host, maf_host, base, &how);
    if (!code)
        code = make_request(o, base, &r);
    if (!code) {
        bool stateless = how.framework == GBA_M2M_SAEF_2 || (how.framework == GBA_M2M_SAEF_1 && o->psk_id);
        code = entity_open(o, how.framework == GBA_M2M_SAEF_4, stateless, &e);
    }
    if (!code) {
        code = run(&e, &how, &r);
        entity_close(&e);
    }
    free(r.body);
    return code;
}
