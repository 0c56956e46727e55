/* SPDX-License-Identifier: Apache-2.0 */
/* fd_stack.c - see fd_stack.h: the dictionary, messages, life; who connects stands in fd_peers.c. */
#include "config.h"
#include "service/fd_internal.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct fd_request {
    struct msg *m;
    char origin_host[256], peer[256], address[FD_ADDRESS];
    const char *doubt;
};

struct service {
    uint32_t application, command;
    fd_handler *h;
    void *ctx;
};

static struct {
    fd_conf conf;
    struct dictionary *dict;
    struct dict_object *vendor, *app[2], *command[2], *answer[2], *avp[64];
    struct dict_object *vsai, *vendor_id, *auth_app, *dest_realm, *dest_host, *failed_avp;
    struct service service[2];
    fd_forward *forward;
    void *forward_ctx;
    bool registered, sctp;
    atomic_bool up;
    pthread_mutex_t lock;
    /* questions that freeDiameter still knows; how many are being sent, and that no more may be */
    struct pending *pending;
    unsigned sending;
    bool closed;
    pthread_cond_t none_sending;
    pthread_t guard;
    bool guarding;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER, .none_sending = PTHREAD_COND_INITIALIZER};

static const struct {
    uint32_t application, command;
    const char *app_name, *request, *answer;
} known[2] = {
    {GBA_DIA_ZH, GBA_DIA_MULTIMEDIA_AUTH, "3GPP Zh", "Multimedia-Auth-Request", "Multimedia-Auth-Answer"},
    /* "Boostrapping" is how TS 29.109 registered it */
    {GBA_DIA_ZN, GBA_DIA_BOOTSTRAPPING_INFO, "3GPP Zn", "Boostrapping-Info-Request", "Boostrapping-Info-Answer"},
};

static size_t known_index(uint32_t application)
{
    return application == GBA_DIA_ZH ? 0 : 1;
}

/* ---- dictionary ---- */
static struct dict_object *find_avp(const char *name)
{
    struct dict_object *o = NULL;
    return fd_dict_search(g.dict, DICT_AVP, AVP_BY_NAME, name, &o, ENOENT) ? NULL : o;
}

static bool add_avp(const gba_dia_def *d, struct dict_object **out)
{
    static const enum dict_avp_basetype base[] = {
        [GBA_DIA_OCTETS] = AVP_TYPE_OCTETSTRING,  [GBA_DIA_UTF8] = AVP_TYPE_OCTETSTRING,
        [GBA_DIA_UNSIGNED32] = AVP_TYPE_UNSIGNED32, [GBA_DIA_ENUMERATED] = AVP_TYPE_INTEGER32,
        [GBA_DIA_TIME] = AVP_TYPE_OCTETSTRING,    [GBA_DIA_GROUPED] = AVP_TYPE_GROUPED,
    };
    struct dict_avp_data data = {.avp_code = d->code, .avp_vendor = d->vendor, .avp_name = (char *)d->name,
                                 .avp_basetype = base[d->type]};
    struct dict_object *type = NULL;
    if (d->base)
        return (*out = find_avp(d->name)) != NULL;
    /* required: V as the vendor says, M as the table says */
    data.avp_flag_mask = AVP_FLAG_VENDOR | AVP_FLAG_MANDATORY;
    data.avp_flag_val = (uint8_t)((d->vendor ? AVP_FLAG_VENDOR : 0) | (d->mandatory ? AVP_FLAG_MANDATORY : 0));
    if (d->type == GBA_DIA_UTF8 || d->type == GBA_DIA_TIME) {
        const char *name = d->type == GBA_DIA_TIME ? "Time" : "UTF8String";
        if (fd_dict_search(g.dict, DICT_TYPE, TYPE_BY_NAME, name, &type, ENOENT))
            return false;
    }
    return fd_dict_new(g.dict, DICT_AVP, &data, type, out) == 0;
}

static bool add_rule(struct dict_object *parent, const char *name, enum rule_position pos, int min, int max)
{
    struct dict_rule_data r = {find_avp(name), pos, pos == RULE_FIXED_HEAD, min, max};
    return r.rule_avp && fd_dict_new(g.dict, DICT_RULE, &r, parent, NULL) == 0;
}

/* RFC 6733 3.2: what every message has; all GAA AVPs are formally optional (TS 29.109 7.3). */
static bool add_rules(struct dict_object *cmd, bool request)
{
    bool ok = add_rule(cmd, "Session-Id", RULE_FIXED_HEAD, -1, 1) &&
              add_rule(cmd, "Origin-Host", RULE_REQUIRED, -1, 1) && add_rule(cmd, "Origin-Realm", RULE_REQUIRED, -1, 1);
    return ok && (!request || add_rule(cmd, "Destination-Realm", RULE_REQUIRED, -1, 1));
}

static bool add_command(size_t i)
{
    struct dict_application_data app = {known[i].application, (char *)known[i].app_name};
    struct dict_cmd_data rq = {known[i].command, (char *)known[i].request,
                               CMD_FLAG_REQUEST | CMD_FLAG_PROXIABLE | CMD_FLAG_ERROR,
                               CMD_FLAG_REQUEST | CMD_FLAG_PROXIABLE};
    struct dict_cmd_data an = {known[i].command, (char *)known[i].answer, CMD_FLAG_REQUEST | CMD_FLAG_PROXIABLE,
                               CMD_FLAG_PROXIABLE};
    return !fd_dict_new(g.dict, DICT_APPLICATION, &app, g.vendor, &g.app[i]) &&
           !fd_dict_new(g.dict, DICT_COMMAND, &rq, g.app[i], &g.command[i]) &&
           !fd_dict_new(g.dict, DICT_COMMAND, &an, g.app[i], &g.answer[i]) && add_rules(g.command[i], true) &&
           add_rules(g.answer[i], false);
}

/* Registers, then reads back: what the stack holds must be what the table says. */
static gba_err dictionary(char *why, size_t why_n)
{
    struct dict_vendor_data v = {GBA_DIA_VENDOR, (char *)"3GPP"};
    g.dict = fd_g_config->cnf_dict;
    if (fd_dict_new(g.dict, DICT_VENDOR, &v, NULL, &g.vendor)) {
        snprintf(why, why_n, "freeDiameter refuses vendor 3GPP");
        return GBA_E_UNSUPPORTED;
    }
    for (size_t i = 0; gba_dia_dictionary[i].code; i++) {
        const gba_dia_def *d = &gba_dia_dictionary[i];
        struct dict_avp_data back;
        if (i == sizeof g.avp / sizeof *g.avp || !add_avp(d, &g.avp[i]) || fd_dict_getval(g.avp[i], &back) ||
            back.avp_code != d->code || back.avp_vendor != d->vendor ||
            !(back.avp_flag_val & AVP_FLAG_MANDATORY) == (d->mandatory)) {
            snprintf(why, why_n, "freeDiameter's dictionary disagrees about AVP %u %s: load no dictionary extension",
                     (unsigned)d->code, d->name);
            return GBA_E_UNSUPPORTED;
        }
    }
    g.vsai = find_avp("Vendor-Specific-Application-Id");
    g.vendor_id = find_avp("Vendor-Id");
    g.auth_app = find_avp("Auth-Application-Id");
    g.dest_realm = find_avp("Destination-Realm");
    g.dest_host = find_avp("Destination-Host");
    g.failed_avp = find_avp("Failed-AVP");
    if (!g.vsai || !g.vendor_id || !g.auth_app || !g.dest_realm || !g.dest_host || !g.failed_avp || !add_command(0) ||
        !add_command(1)) {
        snprintf(why, why_n, "freeDiameter's dictionary lacks the base protocol, or refuses commands 303 and 310");
        return GBA_E_UNSUPPORTED;
    }
    return GBA_OK;
}

static struct dict_object *model_of(uint32_t code, uint32_t vendor, gba_dia_type *type)
{
    for (size_t i = 0; gba_dia_dictionary[i].code; i++)
        if (gba_dia_dictionary[i].code == code && gba_dia_dictionary[i].vendor == vendor) {
            *type = gba_dia_dictionary[i].type;
            return g.avp[i];
        }
    return NULL;
}

/* ---- AVP lists out and in ---- */
static bool put_octets(msg_or_avp *parent, struct dict_object *model, gba_span s)
{
    struct avp *a = NULL;
    union avp_value v = {.os = {.data = (uint8_t *)s.p, .len = s.n}};
    return model && !fd_msg_avp_new(model, 0, &a) && !fd_msg_avp_setvalue(a, &v) &&
           !fd_msg_avp_add(parent, MSG_BRW_LAST_CHILD, a);
}

static bool put_number(msg_or_avp *parent, struct dict_object *model, uint32_t n)
{
    struct avp *a = NULL;
    union avp_value v = {.u32 = n};
    return model && !fd_msg_avp_new(model, 0, &a) && !fd_msg_avp_setvalue(a, &v) &&
           !fd_msg_avp_add(parent, MSG_BRW_LAST_CHILD, a);
}

static bool put_application(struct msg *m, uint32_t application)
{
    struct avp *a = NULL;
    return !fd_msg_avp_new(g.vsai, 0, &a) && put_number(a, g.vendor_id, GBA_DIA_VENDOR) &&
           put_number(a, g.auth_app, application) && !fd_msg_avp_add(m, MSG_BRW_LAST_CHILD, a);
}

static bool put_list(struct msg *m, const gba_dia_list *l)
{
    msg_or_avp *parent[4] = {m};
    for (size_t i = 0; i < l->n; i++) {
        const gba_dia_avp *a = &l->avp[i];
        gba_dia_type type;
        struct dict_object *model = model_of(a->code, a->vendor, &type);
        struct avp *group = NULL;
        if (!model || a->depth > 2 || !parent[a->depth])
            return false;
        if (type == GBA_DIA_GROUPED) {
            if (fd_msg_avp_new(model, 0, &group) || fd_msg_avp_add(parent[a->depth], MSG_BRW_LAST_CHILD, group))
                return false;
            parent[a->depth + 1] = group;
        } else if (type == GBA_DIA_UNSIGNED32 || type == GBA_DIA_ENUMERATED) {
            const uint8_t *o = a->data.p;
            if (a->data.n != 4 || !put_number(parent[a->depth], model,
                                              (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3]))
                return false;
        } else if (!put_octets(parent[a->depth], model, a->data)) {
            return false;
        }
    }
    return true;
}

static void take(msg_or_avp *parent, unsigned depth, gba_dia_list *out)
{
    struct avp *a = NULL;
    if (depth > 2 || fd_msg_browse(parent, MSG_BRW_FIRST_CHILD, &a, NULL))
        return;
    while (a) {
        struct avp_hdr *h;
        gba_dia_type type;
        struct avp *next = NULL;
        if (!fd_msg_avp_hdr(a, &h) && model_of(h->avp_code, h->avp_vendor, &type)) {
            if (type == GBA_DIA_GROUPED) {
                gba_dia_add(out, h->avp_code, h->avp_vendor, depth, (gba_span){0});
                take(a, depth + 1, out);
            } else if (h->avp_value) {
                if (type == GBA_DIA_UNSIGNED32 || type == GBA_DIA_ENUMERATED)
                    gba_dia_add_u32(out, h->avp_code, h->avp_vendor, depth, h->avp_value->u32);
                else
                    gba_dia_add(out, h->avp_code, h->avp_vendor, depth,
                                gba_mem(h->avp_value->os.data, h->avp_value->os.len));
            }
        }
        if (fd_msg_browse(a, MSG_BRW_NEXT, &next, NULL))
            return;
        a = next;
    }
}

/* The list is large: each use takes one from the heap and wipes it (CK, IK and keys pass through). */
static gba_dia_list *list_from(struct msg *m)
{
    gba_dia_list *l = gba_dia_list_new();
    if (l)
        take(m, 0, l);
    return l;
}

static void list_free(gba_dia_list *l)
{
    if (l)
        gba_dia_list_wipe(l);
    free(l);
}

static void text_of(struct msg *m, const char *name, char out[256])
{
    struct avp *a = NULL;
    struct avp_hdr *h;
    out[0] = 0;
    if (!fd_msg_search_avp(m, find_avp(name), &a) && a && !fd_msg_avp_hdr(a, &h) && h->avp_value &&
        h->avp_value->os.len < 256 && !memchr(h->avp_value->os.data, 0, h->avp_value->os.len))
        snprintf(out, 256, "%.*s", (int)h->avp_value->os.len, (const char *)h->avp_value->os.data);
}

/* Who handed us this message; what doubt there is of that. */
static const char *source_of(struct msg *m, char peer[256], char address[FD_ADDRESS])
{
    DiamId_t id = NULL;
    size_t n = 0;
    peer[0] = 0;
    if (!fd_msg_source_get(m, &id, &n) && id && n < 256)
        snprintf(peer, 256, "%.*s", (int)n, id);
    return fd_peers_doubt(fd_peers_find(peer), address);
}

/* ---- server ---- */
static int dispatch(struct msg **msg, struct avp *avp, struct session *sess, void *opaque, enum disp_action *act)
{
    struct service *s = opaque;
    fd_request *r = calloc(1, sizeof *r);
    gba_dia_list *l = list_from(*msg);
    (void)avp, (void)sess;
    *act = DISP_ACT_CONT;
    if (!r || !l) {
        free(r);
        list_free(l);
        return ENOMEM;
    }
    r->m = *msg;
    *msg = NULL; /* ours until fd_answer */
    text_of(r->m, "Origin-Host", r->origin_host);
    r->doubt = source_of(r->m, r->peer, r->address);
    s->h(s->ctx, r, l);
    list_free(l);
    return 0;
}

gba_err fd_serve(uint32_t application, uint32_t command, fd_handler *h, void *ctx)
{
    size_t i = known_index(application);
    struct disp_when when = {.app = g.app[i], .command = g.command[i]};
    if (!g.registered || known[i].application != application || known[i].command != command)
        return GBA_E_ARG;
    g.service[i] = (struct service){application, command, h, ctx};
    return fd_disp_register(dispatch, DISP_HOW_CC, &when, &g.service[i], NULL) ? GBA_E_NOMEM : GBA_OK;
}

fd_source fd_request_source(const fd_request *r)
{
    return (fd_source){r->origin_host, r->peer, r->address, r->doubt};
}

static bool put_failed(struct msg *m, uint32_t code)
{
    struct avp *failed = NULL, *empty = NULL;
    gba_dia_type type;
    struct dict_object *model = NULL;
    static const uint8_t none[32];
    union avp_value v = {.os = {.data = (uint8_t *)none, .len = 1}};
    if (!(model = model_of(code, GBA_DIA_VENDOR, &type)))
        model = model_of(code, 0, &type);
    /* RFC 6733 7.5: an example AVP with the lacking code; its value means nothing */
    return model && !fd_msg_avp_new(g.failed_avp, 0, &failed) && !fd_msg_avp_new(model, 0, &empty) &&
           (type == GBA_DIA_GROUPED || !fd_msg_avp_setvalue(empty, &v)) &&
           !fd_msg_avp_add(failed, MSG_BRW_LAST_CHILD, empty) && !fd_msg_avp_add(m, MSG_BRW_LAST_CHILD, failed);
}

static void answer_message(struct msg *m, const gba_dia_list *out, uint32_t missing)
{
    struct msg_hdr *h;
    bool ok = !fd_msg_new_answer_from_req(g.dict, &m, 0) && !fd_msg_hdr(m, &h) && put_application(m, h->msg_appl) &&
              put_list(m, out) && !fd_msg_add_origin(m, 0);
    if (ok && missing)
        ok = put_failed(m, missing);
    for (size_t i = 0; ok && i < out->n; i++) /* RFC 6733 7.1.3: protocol errors carry the E bit */
        if (out->avp[i].code == 268 && !out->avp[i].vendor && out->avp[i].data.n == 4 &&
            out->avp[i].data.p[2] == 3000 >> 8)
            h->msg_flags |= CMD_FLAG_ERROR;
    if (ok)
        ok = !fd_msg_send(&m, NULL, NULL);
    if (!ok && m)
        fd_msg_free(m);
}

void fd_answer(fd_request *r, const gba_dia_list *out, uint32_t missing)
{
    answer_message(r->m, out, missing);
    free(r);
}

/* ---- client ---- */
/* freeDiameter tells of an answer or of the time being over, but not when a socket takes no more, and
 * never once it shuts down: a guard of our own keeps the promise that each question gets its end. */
struct pending {
    fd_done *done;
    void *ctx;
    int64_t deadline_ms;
    bool told;
    struct pending *next, **at;
};
enum { GUARD_STEP_MS = 100, GUARD_GRACE_MS = 250, GUARD_BATCH = 64 };

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* fd_send is entered and left: fd_stack_stop waits for those within, and lets no more in. */
static bool sending_begin(void)
{
    pthread_mutex_lock(&g.lock);
    bool open = !g.closed;
    g.sending += open;
    pthread_mutex_unlock(&g.lock);
    return open;
}

static void sending_end(void)
{
    pthread_mutex_lock(&g.lock);
    if (!--g.sending)
        pthread_cond_broadcast(&g.none_sending);
    pthread_mutex_unlock(&g.lock);
}

static void sending_close(void)
{
    pthread_mutex_lock(&g.lock);
    g.closed = true;
    while (g.sending)
        pthread_cond_wait(&g.none_sending, &g.lock);
    pthread_mutex_unlock(&g.lock);
}

static void pending_add(struct pending *p)
{
    pthread_mutex_lock(&g.lock);
    p->next = g.pending;
    p->at = &g.pending;
    if (p->next)
        p->next->at = &p->next;
    g.pending = p;
    pthread_mutex_unlock(&g.lock);
}

/* freeDiameter is done with it. True: nobody was told yet. */
static bool pending_end(struct pending *p)
{
    pthread_mutex_lock(&g.lock);
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    bool first = !p->told;
    pthread_mutex_unlock(&g.lock);
    return first;
}

/* Tells those whose time is over (all: everyone) and leaves them to freeDiameter. */
static void pending_expire(bool all)
{
    struct pending due[GUARD_BATCH];
    size_t n;
    do {
        int64_t now = mono_ms();
        n = 0;
        pthread_mutex_lock(&g.lock);
        for (struct pending *p = g.pending; p && n < GUARD_BATCH; p = p->next)
            if (!p->told && (all || p->deadline_ms <= now)) {
                p->told = true;
                due[n++] = *p;
            }
        pthread_mutex_unlock(&g.lock);
        for (size_t i = 0; i < n; i++)
            due[i].done(due[i].ctx, all ? GBA_E_IO : GBA_E_BUSY, NULL, "");
    } while (n == GUARD_BATCH);
}

static void *guard(void *unused)
{
    const struct timespec step = {.tv_nsec = GUARD_STEP_MS * 1000000};
    while (atomic_load(&g.up)) {
        nanosleep(&step, NULL);
        pending_expire(false);
    }
    return unused;
}

static void on_answer(void *data, struct msg **msg)
{
    struct pending *p = data;
    char peer[256];
    if (pending_end(p)) {
        bool believed = !source_of(*msg, peer, NULL) || !peer[0]; /* no peer: an error of freeDiameter's own */
        gba_dia_list *l = believed ? list_from(*msg) : NULL;
        p->done(p->ctx, l ? GBA_OK : believed ? GBA_E_NOMEM : GBA_E_IO, l, peer);
        list_free(l);
    }
    fd_msg_free(*msg);
    *msg = NULL;
    free(p);
}

static void on_expiry(void *data, DiamId_t sent_to, size_t n, struct msg **msg)
{
    struct pending *p = data;
    char peer[256];
    snprintf(peer, sizeof peer, "%.*s", (int)n, sent_to ? sent_to : "");
    if (pending_end(p))
        p->done(p->ctx, GBA_E_BUSY, NULL, peer);
    fd_msg_free(*msg);
    *msg = NULL;
    free(p);
}

static gba_err send_pending(size_t i, const char *realm, const char *host, const gba_dia_list *out,
                            unsigned timeout_ms, struct pending *p)
{
    struct msg *m = NULL;
    struct msg_hdr *h;
    struct timespec t;
    bool ok = !fd_msg_new(g.command[i], MSGFL_ALLOC_ETEID, &m) && !fd_msg_hdr(m, &h) &&
              !fd_msg_new_session(m, NULL, 0) && put_application(m, known[i].application) && put_list(m, out) &&
              !fd_msg_add_origin(m, 0) && put_octets(m, g.dest_realm, gba_str(realm)) &&
              (!host || put_octets(m, g.dest_host, gba_str(host)));
    if (ok) {
        h->msg_appl = known[i].application;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
        t.tv_sec += timeout_ms / 1000 + t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pending_add(p);
        if (!fd_msg_send_timeout(&m, on_answer, p, on_expiry, &t))
            return GBA_OK;
        ok = !pending_end(p); /* the guard was faster: it has told */
    }
    if (m)
        fd_msg_free(m);
    free(p);
    return ok ? GBA_OK : GBA_E_IO;
}

gba_err fd_send(uint32_t application, uint32_t command, const char *realm, const char *host, const gba_dia_list *out,
                unsigned timeout_ms, fd_done *done, void *ctx)
{
    size_t i = known_index(application);
    struct pending *p;
    gba_err e = GBA_E_IO;
    if (!atomic_load(&g.up) || known[i].command != command || !sending_begin())
        return GBA_E_IO;
    if (!(p = malloc(sizeof *p))) {
        e = GBA_E_NOMEM;
    } else {
        *p = (struct pending){.done = done, .ctx = ctx, .deadline_ms = mono_ms() + timeout_ms + GUARD_GRACE_MS};
        e = send_pending(i, realm, host, out, timeout_ms, p);
    }
    sending_end();
    return e;
}

/* ---- proxy ---- */
static int on_forward(void *data, struct msg **msg)
{
    struct msg_hdr *h;
    struct fd_pei fault; /* without it freeDiameter writes into its log what it does not understand */
    char origin[256], realm[256], peer[256], address[FD_ADDRESS];
    const char *doubt;
    gba_dia_list *l, *no;
    (void)data;
    if (fd_msg_hdr(*msg, &h) || fd_msg_parse_dict(*msg, g.dict, &fault))
        return EINVAL;
    text_of(*msg, "Origin-Host", origin);
    text_of(*msg, "Destination-Realm", realm);
    doubt = source_of(*msg, peer, address);
    const fd_source from = {origin, peer, address, doubt};
    l = list_from(*msg);
    gba_err e = l ? g.forward(g.forward_ctx, &from, realm, h->msg_appl, h->msg_code, l) : GBA_E_NOMEM;
    list_free(l);
    if (e == GBA_OK)
        return 0;
    if (!(no = calloc(1, sizeof *no)))
        return ENOMEM;
    gba_dia_add(no, 297, 0, 0, (gba_span){0});
    gba_dia_add_u32(no, 266, 0, 1, GBA_DIA_VENDOR);
    gba_dia_add_u32(no, 298, 0, 1, GBA_DIA_NOT_AUTHORIZED);
    answer_message(*msg, no, 0);
    free(no);
    *msg = NULL;
    return 0;
}

gba_err fd_proxy(fd_forward *f, void *ctx)
{
    struct fd_rt_fwd_hdl *h;
    g.forward = f;
    g.forward_ctx = ctx;
    return fd_rt_fwd_register(on_forward, NULL, RT_FWD_REQ, &h) ? GBA_E_NOMEM : GBA_OK;
}

/* Where requests go whose realm no connected peer has; and to nobody whose connection is not believed. */
static int route_out(void *unused, struct msg **msg, struct fd_list *candidates)
{
    (void)unused, (void)msg;
    for (struct fd_list *li = candidates->next; li != candidates; li = li->next) {
        struct rtd_candidate *c = (struct rtd_candidate *)li;
        const fd_peer_conf *p = fd_peers_find(c->diamid);
        if (fd_peers_doubt(p, NULL))
            c->score += 10 * FD_SCORE_NO_DELIVERY; /* whatever else speaks for it */
        else if (p->relay)
            c->score += FD_SCORE_DEFAULT;
    }
    return 0;
}

/* ---- life ---- */
static gba_err parse_configuration(char *why, size_t why_n)
{
    char path[64];
    int fd = memfd_create("freediameter.conf", MFD_CLOEXEC);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    gba_err e = GBA_E_IO;
    if (!f) {
        snprintf(why, why_n, "no memory file for freeDiameter's configuration");
        if (fd >= 0)
            close(fd);
        return e;
    }
    fd_conf_print(&g.conf, g.sctp, f);
    fflush(f);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd_core_parseconf(path))
        snprintf(why, why_n, "freeDiameter refuses the configuration: certificate files readable? address %s local?",
                 g.conf.listen);
    else
        e = GBA_OK;
    fclose(f);
    return e;
}

gba_err fd_stack_start(const fd_conf *c, char *why, size_t why_n)
{
    gba_err e = fd_conf_check(c, why, why_n);
    if (e == GBA_OK)
        e = fd_sctp_choose(c->sctp, c->sctp != FD_SCTP_NO && fd_sctp_here(), &g.sctp, why, why_n);
    struct fd_rt_out_hdl *routes;
    if (e != GBA_OK)
        return e;
    g.conf = *c;
    fd_peers_begin(&g.conf);
    if (fd_core_initialize()) {
        snprintf(why, why_n, "freeDiameter does not start (only once a process)");
        return GBA_E_IO;
    }
    e = dictionary(why, why_n);
    for (size_t i = 0; e == GBA_OK && i < 2; i++)
        if (c->applications[i] && fd_disp_app_support(g.app[known_index(c->applications[i])], g.vendor, 1, 0))
            e = GBA_E_NOMEM;
    if (e == GBA_OK)
        e = parse_configuration(why, why_n);
    g.registered = e == GBA_OK;
    if (e == GBA_OK && c->prepare)
        e = c->prepare(c->prepare_ctx);
    if (e == GBA_OK &&
        (!fd_peers_register() || fd_rt_out_register(route_out, NULL, 10, &routes) ||
         fd_core_start() || fd_core_waitstartcomplete())) {
        snprintf(why, why_n, "freeDiameter does not start: is %s:%u free?", c->listen,
                 (unsigned)(c->port ? c->port : c->sec_port));
        e = GBA_E_IO;
    }
    atomic_store(&g.up, e == GBA_OK);
    g.guarding = e == GBA_OK && !pthread_create(&g.guard, NULL, guard, NULL);
    if (e == GBA_OK && !g.guarding) {
        atomic_store(&g.up, false);
        e = GBA_E_NOMEM;
    }
    if (e != GBA_OK) {
        fd_peers_quiet();
        fd_core_shutdown();
        fd_core_wait_shutdown_complete();
    }
    return e;
}

void fd_stack_stop(void)
{
    if (!atomic_exchange(&g.up, false))
        return;
    fd_peers_quiet();
    sending_close(); /* from here on the list only gets shorter */
    pthread_join(g.guard, NULL);
    pending_expire(true);
    fd_core_shutdown();
    fd_core_wait_shutdown_complete();
    while (g.pending) { /* those of which freeDiameter will not tell any more */
        struct pending *p = g.pending;
        pending_end(p);
        free(p);
    }
}

bool fd_stack_peer_open(const char *identity)
{
    struct peer_hdr *p = NULL;
    if (!atomic_load(&g.up) || fd_peers_doubt(fd_peers_find(identity), NULL) ||
        fd_peer_getbyid((DiamId_t)(uintptr_t)identity, strlen(identity), 0, &p) || !p)
        return false;
    int s = fd_peer_get_state(p);
    return s == STATE_OPEN || s == STATE_OPEN_NEW;
}

unsigned fd_stack_open_peers(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < g.conf.n_peers; i++)
        n += fd_stack_peer_open(g.conf.peers[i].identity);
    return n;
}

/* Does the identity stand in the realm, as most do? */
static bool stands_in(const char *identity, const char *realm)
{
    size_t n = strlen(identity), m = strlen(realm);
    return n >= m && !strcasecmp(identity + n - m, realm) && (n == m || identity[n - m - 1] == '.');
}

bool fd_stack_reaches(const char *realm, const char *host)
{
    bool any_fits = host != NULL;
    for (size_t i = 0; i < g.conf.n_peers; i++) {
        const fd_peer_conf *p = &g.conf.peers[i];
        bool fits = p->relay || (host ? !strcasecmp(p->identity, host) : stands_in(p->identity, realm));
        if (fits && fd_stack_peer_open(p->identity))
            return true;
        any_fits = any_fits || fits;
    }
    return !any_fits && fd_stack_open_peers();
}
