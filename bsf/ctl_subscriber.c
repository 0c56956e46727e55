/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_subscriber.c - gba-bsfctl subscriber add, list, show, remove, block, unblock. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bsf/ctl.h"
#include "bsf/seq.h"
#include "bsf/session.h"

/* ---- a subscriber from text, for add and import ---- */
bool ctl_amf_separated(const uint8_t amf[2])
{
    return amf[0] & 0x80; /* TS 33.102 Annex H: bit 0 of the AMF */
}

#define REFUSE(ERR, ...)                                                                                               \
    do {                                                                                                               \
        snprintf(why, why_n, __VA_ARGS__);                                                                             \
        return (ERR);                                                                                                  \
    } while (0)

static bool given(const char *text)
{
    return text && *text;
}

static gba_err parse_secret(const char *what, const char *text, gba_secret *out, char *why, size_t why_n)
{
    size_t digits = strlen(text);
    out->n = 32;
    if (digits != 32 && digits != 64)
        REFUSE(GBA_E_RANGE, "%s has %zu characters; it takes 32 hexadecimal digits (TUAK: K 32 or 64, TOPc and TOP 64)",
               what, digits);
    if (gba_hex_decode(gba_str(text), out->o, &out->n) != GBA_OK)
        REFUSE(GBA_E_SYNTAX, "%s holds something else than hexadecimal digits", what);
    return GBA_OK;
}

static gba_err parse_key(const ctl_subscriber_text *t, gba_aka_key *k, char *why, size_t why_n)
{
    const struct {
        const char *name, *text;
        uint8_t *into;
    } lengths[] = {{"mac-len", t->mac_len, &k->mac_len},
                   {"res-len", t->res_len, &k->res_len},
                   {"ck-len", t->ck_len, &k->ck_len},
                   {"ik-len", t->ik_len, &k->ik_len},
                   {"keccak-iterations", t->keccak_iterations, &k->keccak_iterations}};
    const char *algorithm = given(t->algorithm) ? t->algorithm : "milenage";
    GBA_SECRET_SCOPED op = {0};
    uint64_t n;

    if (gba_aka_algorithm_parse(algorithm, &k->algorithm) != GBA_OK)
        REFUSE(GBA_E_RANGE, "algorithm '%.20s' is neither milenage nor tuak", algorithm);
    if (!given(t->k))
        REFUSE(GBA_E_SYNTAX, "K is missing");
    if (given(t->opc) == given(t->op))
        REFUSE(GBA_E_SYNTAX,
               given(t->op) ? "both OPc and OP are given; one of them is enough" : "OPc or OP is missing");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        if (!given(lengths[i].text))
            continue;
        if (!ctl_number(lengths[i].text, 1, 32, &n))
            REFUSE(GBA_E_RANGE, "%s is not a number of octets of 1 to 32", lengths[i].name);
        *lengths[i].into = (uint8_t)n;
    }
    gba_err e = parse_secret("K", t->k, &k->k, why, why_n);
    if (e == GBA_OK)
        e = given(t->opc) ? parse_secret("OPc", t->opc, &k->opc, why, why_n)
                          : parse_secret("OP", t->op, &op, why, why_n);
    if (e != GBA_OK)
        return e;
    size_t want = k->algorithm == GBA_TUAK ? 32 : 16, have = given(t->opc) ? k->opc.n : op.n;
    if (have != want || (k->algorithm == GBA_MILENAGE && k->k.n != 16))
        REFUSE(GBA_E_RANGE, "K or %s has the wrong length for %s", given(t->opc) ? "OPc" : "OP",
               gba_aka_algorithm_name(k->algorithm));
    if (given(t->op) && gba_aka_opc(k->algorithm, &k->k, &op, k->keccak_iterations, &k->opc) != GBA_OK)
        REFUSE(GBA_E_RANGE, "no OPc follows from this OP");
    if (gba_aka_key_check(k) != GBA_OK)
        REFUSE(GBA_E_RANGE, "a length is not one that %s knows", gba_aka_algorithm_name(k->algorithm));
    return GBA_OK;
}

gba_err ctl_subscriber_parse(const ctl_subscriber_text *t, ctl_subscriber *out, char *why, size_t why_n)
{
    uint64_t n = 0;
    memset(out, 0, sizeof *out);
    if (!given(t->impi))
        REFUSE(GBA_E_SYNTAX, "the IMPI is missing");
    gba_err e = gba_impi_parse(gba_str(t->impi), &out->impi);
    if (e == GBA_E_RANGE)
        REFUSE(e, "the IMPI is longer than %d octets", GBA_ID_MAX);
    if (e != GBA_OK || gba_is_tmpi(gba_str(out->impi.s)))
        REFUSE(GBA_E_SYNTAX,
               "'%.80s' is not an IMPI: user@realm, as in 001010000000001@ims.mnc001.mcc001.3gppnetwork.org", t->impi);
    e = parse_key(t, &out->rec.key, why, why_n);
    if (e != GBA_OK)
        return e;
    size_t amf_n = sizeof out->rec.amf;
    if (given(t->amf) &&
        (strlen(t->amf) != 4 || gba_hex_decode(gba_str(t->amf), out->rec.amf, &amf_n) != GBA_OK || amf_n != 2))
        REFUSE(GBA_E_SYNTAX, "AMF '%.20s' is not four hexadecimal digits", t->amf);
    out->sqn_given = given(t->sqn);
    if (out->sqn_given && !ctl_number(t->sqn, 0, GBA_SQN_MAX, &out->rec.sqn_initial))
        REFUSE(GBA_E_RANGE, "SQN '%.20s' is not a number of 0 to 2^48-1 (decimal, or 0x and hexadecimal)", t->sqn);
    if (given(t->lifetime) && !ctl_number(t->lifetime, 60, 31536000, &n))
        REFUSE(GBA_E_RANGE, "lifetime '%.20s' is not a number of seconds of 60 to 31536000", t->lifetime);
    out->rec.lifetime = (int64_t)n;
    return GBA_OK;
}

void ctl_subscriber_sequence(ctl_subscriber *s, const rec_subscriber *old, int64_t now_ms)
{
    rec_subscriber *r = &s->rec;
    r->created = now_ms / 1000;
    r->seq_offset = seq_offset_for(r->sqn_initial, now_ms);
    if (!old || !gba_secret_eq(&old->key.k, &r->key.k))
        return;
    r->created = old->created;
    r->blocked = old->blocked;
    if (old->seq_offset >= r->seq_offset) {
        r->seq_offset = old->seq_offset;
        r->sqn_initial = old->sqn_initial;
    }
}

/* ---- add ---- */
/* A key from --NAME, or the first line of --NAME-file; "-" is standard input. buf is the caller's to wipe. */
static int key_text(const ctl *c, const char *name, char *buf, size_t n, const char **out)
{
    char file_opt[32];
    snprintf(file_opt, sizeof file_opt, "%s-file", name);
    const char *text = ctl_get(c, name), *file = ctl_get(c, file_opt);
    *out = text;
    if (text && file)
        return ctl_usage(c, "--%s and --%s are both given", name, file_opt);
    if (text && strcmp(text, "-") == 0)
        file = "-";
    if (!file)
        return CTL_OK;
    FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    if (!f)
        return ctl_fail("--%s %s: %s", file_opt, file, strerror(errno));
    if (f != stdin)
        setvbuf(f, NULL, _IONBF, 0); /* no copy of the key in a buffer */
    bool ok = fgets(buf, (int)n, f) != NULL;
    if (f != stdin)
        fclose(f);
    if (!ok)
        return ctl_fail("--%s %s: holds no line", file_opt, file);
    buf[strcspn(buf, "\r\n")] = '\0';
    char *start = buf + strspn(buf, " \t");
    start[strcspn(start, " \t")] = '\0';
    *out = start;
    return CTL_OK;
}

static gba_err load(ctl *c, const gba_impi *impi, rec_subscriber *out, uint64_t *version)
{
    store_record rec = {0};
    gba_err e = store_get(c->store, STORE_SUBSCRIBER, gba_str(impi->s), service_now(), &rec);
    if (e == GBA_OK)
        e = rec_subscriber_read(gba_mem(rec.value, rec.n), out);
    if (version)
        *version = rec.version;
    store_record_free(&rec);
    return e;
}

static gba_err save(ctl *c, const gba_impi *impi, const rec_subscriber *r, store_op_type type, uint64_t version)
{
    uint8_t o[REC_SUBSCRIBER_MAX];
    size_t n = sizeof o, failed;
    gba_err e = rec_subscriber_write(r, o, &n);
    if (e == GBA_OK) {
        store_op op = {.type = type,
                       .kind = STORE_SUBSCRIBER,
                       .key = gba_str(impi->s),
                       .value = gba_mem(o, n),
                       .version = version};
        e = store_write(c->store, &op, 1, service_now(), &failed);
    }
    gba_wipe(o, sizeof o);
    return e;
}

static int add_parsed(ctl *c, ctl_subscriber *s)
{
    rec_subscriber old = {0};
    uint64_t version = 0;
    bool replace = ctl_has(c, "replace");
    gba_err e = load(c, &s->impi, &old, &version);
    if (e != GBA_OK && e != GBA_E_UNKNOWN && e != GBA_E_EXPIRED && !(replace && e == GBA_E_CORRUPT))
        return ctl_store_failed(c, s->impi.s, e);
    bool exists = e == GBA_OK;
    if (exists && !replace) {
        rec_subscriber_wipe(&old);
        return ctl_fail("%s: exists already; --replace overwrites it", s->impi.s);
    }
    ctl_subscriber_sequence(s, exists ? &old : NULL, service_now_ms());
    rec_subscriber_wipe(&old);
    e = save(c, &s->impi, &s->rec, exists ? STORE_SWAP : replace ? STORE_PUT : STORE_INSERT, version);
    if (e == GBA_E_FORBIDDEN)
        return ctl_fail("%s: exists already; --replace overwrites it", s->impi.s);
    if (e != GBA_OK)
        return ctl_store_failed(c, s->impi.s, e);
    if (replace)
        store_settle(); /* a BSF knows the old K */
    if (ctl_amf_separated(s->rec.amf) && !c->quiet)
        ctl_warn("%s: the AMF has its separation bit set; a GBA card refuses that (TS 33.102 Annex H); use --amf 0000",
                 s->impi.s);
    return ctl_result(c, json_pack("{s:s, s:s}", "impi", s->impi.s, "result", exists ? "replaced" : "added"), "%s %s",
                      exists ? "replaced" : "added", s->impi.s);
}

static int run_add(ctl *c)
{
    char k[160], opc[160], op[160], why[256];
    ctl_subscriber s;
    ctl_subscriber_text t = {.impi = c->arg[0],
                             .amf = ctl_get(c, "amf"),
                             .sqn = ctl_get(c, "sqn"),
                             .algorithm = ctl_get(c, "algorithm"),
                             .lifetime = ctl_get(c, "lifetime"),
                             .mac_len = ctl_get(c, "mac-len"),
                             .res_len = ctl_get(c, "res-len"),
                             .ck_len = ctl_get(c, "ck-len"),
                             .ik_len = ctl_get(c, "ik-len"),
                             .keccak_iterations = ctl_get(c, "keccak-iterations")};
    int rc = key_text(c, "k", k, sizeof k, &t.k);
    if (rc == CTL_OK)
        rc = key_text(c, "opc", opc, sizeof opc, &t.opc);
    if (rc == CTL_OK)
        rc = key_text(c, "op", op, sizeof op, &t.op);
    if (rc == CTL_OK && ctl_subscriber_parse(&t, &s, why, sizeof why) != GBA_OK)
        rc = ctl_usage(c, "%s", why);
    else if (rc == CTL_OK)
        rc = add_parsed(c, &s);
    gba_wipe(k, sizeof k);
    gba_wipe(opc, sizeof opc);
    gba_wipe(op, sizeof op);
    gba_wipe(&s, sizeof s);
    return rc;
}

/* ---- list, show ---- */
static json_t *to_json(const char *impi, const rec_subscriber *r)
{
    char amf[5];
    gba_hex_encode(r->amf, 2, amf);
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:I, s:b}", "impi", impi, "algorithm",
                     gba_aka_algorithm_name(r->key.algorithm), "amf", amf, "sqn", (json_int_t)r->sqn_initial, "created",
                     ctl_json_time(r->created), "lifetime", (json_int_t)r->lifetime, "blocked", r->blocked);
}

static ctl_row list_row(void *ctx, const ctl *c, ctl_table *t, const char *impi, gba_span value)
{
    rec_subscriber r;
    char amf[5], sqn[24], created[GBA_TIME_TEXT], lifetime[24] = "default";
    (void)ctx;

    if (rec_subscriber_read(value, &r) != GBA_OK)
        return CTL_ROW_DAMAGED;
    gba_hex_encode(r.amf, 2, amf);
    snprintf(sqn, sizeof sqn, "%" PRIu64, r.sqn_initial);
    ctl_time_text(r.created, created);
    if (r.lifetime)
        snprintf(lifetime, sizeof lifetime, "%" PRId64 "s", r.lifetime);
    ctl_table_row(t, c->json ? to_json(impi, &r) : NULL,
                  (const char *const[]){impi, gba_aka_algorithm_name(r.key.algorithm), amf, sqn, lifetime, created,
                                        r.blocked ? "blocked" : "active"});
    rec_subscriber_wipe(&r);
    return CTL_ROW_SHOWN;
}

static int run_list(ctl *c)
{
    static const char *const heads[] = {"IMPI", "ALGORITHM", "AMF", "FIRST SQN", "LIFETIME", "CREATED", "STATE", NULL};
    static const ctl_list_spec spec = {
        .kind = STORE_SUBSCRIBER, .plural = "subscribers", .none = "no subscribers", .heads = heads, .row = list_row};
    return ctl_list(c, &spec, NULL);
}

static int not_found(ctl *c, const gba_impi *impi, gba_err e)
{
    return ctl_not_found(c, impi->s, e, "there is no such subscriber", "subscriber list");
}

static int run_show(ctl *c)
{
    gba_impi impi;
    rec_subscriber r;
    rec_head head = {0};
    store_record rec = {0};
    char amf[5], created[GBA_TIME_TEXT];
    int rc = ctl_parse_impi(c, &impi);
    if (rc != CTL_OK)
        return rc;
    gba_err e = load(c, &impi, &r, NULL);
    if (e != GBA_OK)
        return not_found(c, &impi, e);
    if (store_get(c->store, STORE_HEAD, gba_str(impi.s), service_now(), &rec) != GBA_OK ||
        rec_head_read(gba_mem(rec.value, rec.n), &head) != GBA_OK)
        memset(&head, 0, sizeof head);
    store_record_free(&rec);
    json_t *j = to_json(impi.s, &r);
    json_object_set_new(j, "k_bits", json_integer((json_int_t)r.key.k.n * 8));
    json_object_set_new(j, "res_len", json_integer(r.key.res_len));
    json_object_set_new(j, "seq_offset", json_integer(r.seq_offset));
    json_object_set_new(j, "btid", head.btid.s[0] ? json_string(head.btid.s) : json_null());
    gba_hex_encode(r.amf, 2, amf);
    ctl_time_text(r.created, created);
    rc = ctl_result(c, j,
                    "IMPI        %s\nalgorithm   %s, K of %zu bits, RES of %u octets\nAMF         %s%s\n"
                    "first SQN   after %" PRIu64 " (SEQ offset %" PRId64 ")\nlifetime    %" PRId64 " s%s\n"
                    "created     %s\nstate       %s\nlast B-TID  %s",
                    impi.s, gba_aka_algorithm_name(r.key.algorithm), r.key.k.n * 8, r.key.res_len, amf,
                    ctl_amf_separated(r.amf) ? " (separation bit set)" : "", r.sqn_initial, r.seq_offset, r.lifetime,
                    r.lifetime ? "" : " (the BSF's default)", created, r.blocked ? "blocked" : "active",
                    head.btid.s[0] ? head.btid.s : "none");
    rec_subscriber_wipe(&r);
    return rc;
}

/* ---- remove, block ---- */
#define RACES_MAX 8

static int run_remove(ctl *c)
{
    gba_impi impi;
    int rc = ctl_parse_impi(c, &impi);

    if (rc != CTL_OK)
        return rc;
    gba_err e = session_remove_subscriber(c->store, &impi, bsf_settings_keep_s(&c->s), service_now_ms());
    if (e != GBA_OK)
        return not_found(c, &impi, e);
    store_settle(); /* as session revoke */
    return ctl_result(c, json_pack("{s:s, s:s}", "impi", impi.s, "result", "removed"), "removed %s", impi.s);
}

static int set_blocked(ctl *c, bool blocked)
{
    gba_impi impi;
    rec_subscriber r;
    uint64_t version;
    const char *result = blocked ? "blocked" : "unblocked";
    int rc = ctl_parse_impi(c, &impi);
    gba_err e = GBA_E_STALE;
    for (int i = 0; rc == CTL_OK && e == GBA_E_STALE && i < RACES_MAX; i++) {
        e = load(c, &impi, &r, &version);
        if (e == GBA_OK) {
            r.blocked = blocked;
            e = save(c, &impi, &r, STORE_SWAP, version);
        }
        rec_subscriber_wipe(&r);
    }
    if (rc != CTL_OK)
        return rc;
    if (e != GBA_OK)
        return not_found(c, &impi, e);
    store_settle();
    return ctl_result(c, json_pack("{s:s, s:s}", "impi", impi.s, "result", result), "%s %s", result, impi.s);
}

static int run_block(ctl *c)
{
    return set_blocked(c, true);
}

static int run_unblock(ctl *c)
{
    return set_blocked(c, false);
}

static const ctl_opt add_opts[] = {
    {"k", "HEX", "the subscriber key K; '-' reads a line of standard input", false, true},
    {"k-file", "FILE", "K from the first line of a file; '-' is standard input", false, false},
    {"opc", "HEX", "OPc (TUAK: TOPc); '-' reads a line of standard input", false, true},
    {"opc-file", "FILE", "OPc from a file", false, false},
    {"op", "HEX", "the operator's OP (TUAK: TOP), instead of OPc; only OPc is kept", false, true},
    {"op-file", "FILE", "OP from a file", false, false},
    {"amf", "HEX", "authentication management field, four digits (default: 0000)", false, false},
    {"sqn", "N", "the highest SQN the card has accepted (default: 0, a new card)", false, false},
    {"algorithm", "NAME", "milenage (default) or tuak", false, false},
    {"lifetime", "SECONDS", "of this subscriber's sessions (default: bsf.lifetime)", false, false},
    {"mac-len", "N", "TUAK: octets of MAC", false, false},
    {"res-len", "N", "TUAK: octets of RES", false, false},
    {"ck-len", "N", "TUAK: octets of CK", false, false},
    {"ik-len", "N", "TUAK: octets of IK", false, false},
    {"keccak-iterations", "N", "TUAK: iterations of Keccak (default: 1)", false, false},
    {"replace", NULL, "overwrite a subscriber that exists", false, false},
    {NULL, NULL, NULL, false, false},
};
static const ctl_opt list_opts[] = {
    {"after", "IMPI", "begin behind this one", false, false},
    {"limit", "N", "at most so many", false, false},
    {NULL, NULL, NULL, false, false},
};

#define IND_NOTE                                                                                                       \
    "A K that a live HSS uses too needs an IND of its own here (replica.ind), and an SQN scheme that\n"               \
    "both keep to (TS 33.102 C.3.4); else each makes the card refuse the other's challenges. The AMF's\n"             \
    "separation bit stays clear for GBA (TS 33.102 Annex H): leave --amf at 0000 unless you know better."

const ctl_cmd ctl_subscriber_cmds[] = {
    {"subscriber", "add", "IMPI", "add one subscriber",
     "K and OPc (or OP) may come from files or standard input, which keeps them out of the shell's\n"
     "history; when several come from standard input, it gives a line each: K, OPc, OP.\n\n" IND_NOTE "\n\n"
     "With --replace and the same K, sequence numbers go on: none is issued twice.",
     add_opts, 1, 1, CTL_CREATES_STORE, run_add},
    {"subscriber", "list", "", "list subscribers, without their keys", NULL, list_opts, 0, 0, CTL_NEEDS_STORE,
     run_list},
    {"subscriber", "show", "IMPI", "show one subscriber, without its keys", NULL, NULL, 1, 1, CTL_NEEDS_STORE,
     run_show},
    {"subscriber", "remove", "IMPI", "remove a subscriber and its GUSS, and end its session", NULL, NULL, 1, 1,
     CTL_NEEDS_STORE, run_remove},
    {"subscriber", "block", "IMPI", "refuse its bootstraps from now on; a session lives on until revoked", NULL, NULL,
     1, 1, CTL_NEEDS_STORE, run_block},
    {"subscriber", "unblock", "IMPI", "let it bootstrap again", NULL, NULL, 1, 1, CTL_NEEDS_STORE, run_unblock},
    {NULL},
};
