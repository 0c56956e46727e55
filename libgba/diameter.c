/* SPDX-License-Identifier: Apache-2.0 */
/* diameter.c - the dictionary and the four messages of Zh and Zn (TS 29.109). */
#include <gba/diameter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V3 GBA_DIA_VENDOR
enum {
    USER_NAME = 1, AUTH_SESSION_STATE = 277, VENDOR_ID = 266, RESULT_CODE = 268, EXPERIMENTAL_RESULT = 297,
    EXPERIMENTAL_RESULT_CODE = 298,
    USS = 400, TRANSACTION_ID = 401, NAF_ID = 402, GSID = 403, KEY_EXPIRY = 404, ME_KEY = 405, UICC_KEY = 406,
    GBA_U_AWARE = 407, CREATED = 408, GUSS_TIMESTAMP = 409, GBA_TYPE = 410,
    AUTH_DATA_ITEM = 612, AUTH_SCHEME = 608, AUTHENTICATE = 609, AUTHORIZATION = 610, CK = 625, IK = 626,
};

/* 29.109 V15 Table 6.1; 407 is GBA_U-Awareness-Indicator there, a name RFC 6733 does not allow. */
const gba_dia_def gba_dia_dictionary[] = {
    {USER_NAME, 0, "User-Name", GBA_DIA_UTF8, true, true},
    {VENDOR_ID, 0, "Vendor-Id", GBA_DIA_UNSIGNED32, true, true},
    {RESULT_CODE, 0, "Result-Code", GBA_DIA_UNSIGNED32, true, true},
    {AUTH_SESSION_STATE, 0, "Auth-Session-State", GBA_DIA_ENUMERATED, true, true},
    {EXPERIMENTAL_RESULT, 0, "Experimental-Result", GBA_DIA_GROUPED, true, true},
    {EXPERIMENTAL_RESULT_CODE, 0, "Experimental-Result-Code", GBA_DIA_UNSIGNED32, true, true},
    {USS, V3, "GBA-UserSecSettings", GBA_DIA_OCTETS, true, false},
    {TRANSACTION_ID, V3, "Transaction-Identifier", GBA_DIA_OCTETS, true, false},
    {NAF_ID, V3, "NAF-Id", GBA_DIA_OCTETS, true, false},
    {GSID, V3, "GAA-Service-Identifier", GBA_DIA_OCTETS, true, false},
    {KEY_EXPIRY, V3, "Key-ExpiryTime", GBA_DIA_TIME, true, false},
    {ME_KEY, V3, "ME-Key-Material", GBA_DIA_OCTETS, true, false},
    {UICC_KEY, V3, "UICC-Key-Material", GBA_DIA_OCTETS, true, false},
    {GBA_U_AWARE, V3, "GBA-U-Awareness-Indicator", GBA_DIA_ENUMERATED, true, false},
    {CREATED, V3, "BootstrapInfoCreationTime", GBA_DIA_TIME, true, false},
    {GUSS_TIMESTAMP, V3, "GUSS-Timestamp", GBA_DIA_TIME, false, false},
    {GBA_TYPE, V3, "GBA-Type", GBA_DIA_ENUMERATED, true, false},
    {411, V3, "UE-Id", GBA_DIA_OCTETS, true, false},
    {412, V3, "UE-Id-Type", GBA_DIA_ENUMERATED, true, false},
    {413, V3, "UICC-App-Label", GBA_DIA_OCTETS, true, false},
    {414, V3, "UICC-ME", GBA_DIA_ENUMERATED, true, false},
    {415, V3, "Requested-Key-Lifetime", GBA_DIA_TIME, true, false},
    {416, V3, "Private-Identity-Request", GBA_DIA_ENUMERATED, true, false},
    {417, V3, "GBA-Push-Info", GBA_DIA_OCTETS, true, false},
    {418, V3, "NAF-SA-Identifier", GBA_DIA_OCTETS, true, false},
    {419, V3, "Security-Feature-Request", GBA_DIA_OCTETS, true, false},
    {420, V3, "Security-Feature-Response", GBA_DIA_OCTETS, true, false},
    {601, V3, "Public-Identity", GBA_DIA_UTF8, true, false},
    {607, V3, "SIP-Number-Auth-Items", GBA_DIA_UNSIGNED32, true, false},
    {AUTH_SCHEME, V3, "SIP-Authentication-Scheme", GBA_DIA_UTF8, true, false},
    {AUTHENTICATE, V3, "SIP-Authenticate", GBA_DIA_OCTETS, true, false},
    {AUTHORIZATION, V3, "SIP-Authorization", GBA_DIA_OCTETS, true, false},
    {611, V3, "SIP-Authentication-Context", GBA_DIA_OCTETS, true, false},
    {AUTH_DATA_ITEM, V3, "SIP-Auth-Data-Item", GBA_DIA_GROUPED, true, false},
    {613, V3, "SIP-Item-Number", GBA_DIA_UNSIGNED32, true, false},
    {CK, V3, "Confidentiality-Key", GBA_DIA_OCTETS, true, false},
    {IK, V3, "Integrity-Key", GBA_DIA_OCTETS, true, false},
    {635, V3, "SIP-Digest-Authenticate", GBA_DIA_GROUPED, false, false},
    {0},
};

const gba_dia_def *gba_dia_find(uint32_t code, uint32_t vendor)
{
    for (const gba_dia_def *d = gba_dia_dictionary; d->code; d++)
        if (d->code == code && d->vendor == vendor)
            return d;
    return NULL;
}

/* It is large, and nothing behind n and used is ever read: not zeroed. */
gba_dia_list *gba_dia_list_new(void)
{
    gba_dia_list *l = malloc(sizeof *l);
    if (l) {
        l->n = l->used = 0;
        l->err = GBA_OK;
    }
    return l;
}

void gba_dia_list_wipe(gba_dia_list *l)
{
    gba_wipe(l->store, l->used);
    l->n = l->used = 0;
    l->err = GBA_OK;
}

void gba_dia_add(gba_dia_list *l, uint32_t code, uint32_t vendor, unsigned depth, gba_span data)
{
    if (l->n == GBA_DIA_AVPS || data.n > sizeof l->store - l->used) {
        l->err = GBA_E_SPACE;
        return;
    }
    if (data.n)
        memcpy(l->store + l->used, data.p, data.n);
    l->avp[l->n++] = (gba_dia_avp){code, vendor, (uint8_t)depth, {l->store + l->used, data.n}};
    l->used += data.n;
}

void gba_dia_add_u32(gba_dia_list *l, uint32_t code, uint32_t vendor, unsigned depth, uint32_t v)
{
    const uint8_t o[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    gba_dia_add(l, code, vendor, depth, GBA_SPAN(o));
}

static bool u32(gba_span s, uint32_t *v)
{
    if (s.n != 4)
        return false;
    *v = (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 | s.p[3];
    return true;
}

#define ERA 2208988800u /* 1900 to 1970 */
uint32_t gba_dia_time(int64_t unix_s)
{
    return (uint32_t)((uint64_t)unix_s + ERA);
}

/* RFC 6733 4.3.1: after 2036 the count begins anew; what lies before 1968 means the next era. */
int64_t gba_dia_unix(uint32_t t)
{
    return t & 0x80000000u ? (int64_t)t - ERA : (int64_t)t + (INT64_C(1) << 32) - ERA;
}

/* ---- results ---- */
gba_err gba_dia_meaning(gba_dia_result r)
{
    if (r.vendor && r.vendor != GBA_DIA_VENDOR)
        return GBA_E_CORRUPT;
    if (r.vendor)
        switch (r.code) {
        case GBA_DIA_IDENTITY_UNKNOWN: case GBA_DIA_CX_USER_UNKNOWN: return GBA_E_UNKNOWN;
        case GBA_DIA_NOT_AUTHORIZED: case GBA_DIA_CX_SCHEME_NOT_SUPPORTED: return GBA_E_FORBIDDEN;
        case GBA_DIA_TRANSACTION_IDENTIFIER_INVALID: return GBA_E_EXPIRED;
        default: break;
        }
    if (r.code / 1000 == 2)
        return GBA_OK;
    if (r.code == GBA_DIA_TOO_BUSY)
        return GBA_E_BUSY;
    if (r.code == GBA_DIA_UNABLE_TO_COMPLY)
        return GBA_E_AUTH;
    return r.code / 1000 == 5 ? GBA_E_CORRUPT : GBA_E_IO;
}

const char *gba_dia_result_name(gba_dia_result r)
{
    static const struct {
        uint32_t vendor, code;
        const char *name;
    } names[] = {
        {0, GBA_DIA_SUCCESS, "DIAMETER_SUCCESS"},
        {0, GBA_DIA_UNABLE_TO_DELIVER, "DIAMETER_UNABLE_TO_DELIVER"},
        {0, GBA_DIA_TOO_BUSY, "DIAMETER_TOO_BUSY"},
        {0, GBA_DIA_MISSING_AVP, "DIAMETER_MISSING_AVP"},
        {0, GBA_DIA_INVALID_AVP_VALUE, "DIAMETER_INVALID_AVP_VALUE"},
        {0, GBA_DIA_UNABLE_TO_COMPLY, "DIAMETER_UNABLE_TO_COMPLY"},
        {V3, GBA_DIA_IDENTITY_UNKNOWN, "DIAMETER_ERROR_IDENTITY_UNKNOWN"},
        {V3, GBA_DIA_NOT_AUTHORIZED, "DIAMETER_ERROR_NOT_AUTHORIZED"},
        {V3, GBA_DIA_TRANSACTION_IDENTIFIER_INVALID, "DIAMETER_ERROR_TRANSACTION_IDENTIFIER_INVALID"},
        {V3, GBA_DIA_CX_USER_UNKNOWN, "DIAMETER_ERROR_USER_UNKNOWN"},
        {V3, GBA_DIA_CX_SCHEME_NOT_SUPPORTED, "DIAMETER_ERROR_AUTH_SCHEME_NOT_SUPPORTED"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].vendor == r.vendor && names[i].code == r.code)
            return names[i].name;
    switch (r.code / 1000) {
    case 2: return "another success";
    case 3: return "another protocol error";
    case 4: return "a transient failure";
    case 5: return "another permanent failure";
    default: return "an unknown result";
    }
}

static void result_write(gba_dia_result r, gba_dia_list *out)
{
    if (!r.vendor) {
        gba_dia_add_u32(out, RESULT_CODE, 0, 0, r.code);
        return;
    }
    gba_dia_add(out, EXPERIMENTAL_RESULT, 0, 0, (gba_span){0});
    gba_dia_add_u32(out, VENDOR_ID, 0, 1, r.vendor);
    gba_dia_add_u32(out, EXPERIMENTAL_RESULT_CODE, 0, 1, r.code);
}

/* ---- reading: walks the list, the parent's code known at each step ---- */
/* What a message has once at most (TS 29.109 4.2, 5.2; RFC 6733 7.6 for the parts of Experimental-Result): a
 * second one would leave open which counts. */
static const struct {
    uint32_t code, vendor, parent;
} single[] = {
    {RESULT_CODE, 0, 0}, {EXPERIMENTAL_RESULT, 0, 0}, {VENDOR_ID, 0, EXPERIMENTAL_RESULT},
    {EXPERIMENTAL_RESULT_CODE, 0, EXPERIMENTAL_RESULT},
    {USER_NAME, 0, 0}, {USS, V3, 0}, {TRANSACTION_ID, V3, 0}, {NAF_ID, V3, 0}, {KEY_EXPIRY, V3, 0}, {ME_KEY, V3, 0},
    {UICC_KEY, V3, 0}, {GBA_U_AWARE, V3, 0}, {CREATED, V3, 0}, {GUSS_TIMESTAMP, V3, 0}, {GBA_TYPE, V3, 0},
    {AUTH_DATA_ITEM, V3, 0}, {AUTH_SCHEME, V3, AUTH_DATA_ITEM}, {AUTHENTICATE, V3, AUTH_DATA_ITEM},
    {AUTHORIZATION, V3, AUTH_DATA_ITEM}, {CK, V3, AUTH_DATA_ITEM}, {IK, V3, AUTH_DATA_ITEM},
};
enum { SAW_RESULT = 1, SAW_EXPERIMENTAL = 2 + 4 + 8 }; /* bits of walk.seen, in the order above */

struct walk {
    const gba_dia_list *l;
    size_t i;
    uint32_t parent[4]; /* code of the Grouped AVP at each depth */
    uint32_t seen;      /* a bit for each of single */
    bool twice;
};

static const gba_dia_avp *next(struct walk *w, uint32_t *parent)
{
    while (w->i < w->l->n) {
        const gba_dia_avp *a = &w->l->avp[w->i++];
        if (a->depth >= 3)
            continue;
        w->parent[a->depth + 1] = a->code;
        *parent = a->depth ? w->parent[a->depth] : 0;
        for (size_t k = 0; k < sizeof single / sizeof *single; k++)
            if (a->code == single[k].code && a->vendor == single[k].vendor && *parent == single[k].parent) {
                w->twice |= w->seen >> k & 1;
                w->seen |= UINT32_C(1) << k;
            }
        return a;
    }
    return NULL;
}

static bool result_read(const gba_dia_avp *a, uint32_t parent, gba_dia_result *r, bool *ok)
{
    if (a->vendor)
        return false;
    if (a->code == RESULT_CODE && !parent) {
        *ok &= u32(a->data, &r->code);
        return true;
    }
    if (parent != EXPERIMENTAL_RESULT)
        return a->code == EXPERIMENTAL_RESULT;
    if (a->code == VENDOR_ID)
        *ok &= u32(a->data, &r->vendor);
    else if (a->code == EXPERIMENTAL_RESULT_CODE)
        *ok &= u32(a->data, &r->code);
    return true;
}

/* RFC 6733 7.1, 7.6: an answer has exactly one of Result-Code and Experimental-Result, this with its two parts. */
static bool result_ok(const struct walk *w, const gba_dia_result *r)
{
    uint32_t saw = w->seen & (SAW_RESULT | SAW_EXPERIMENTAL);
    return r->code && (saw == SAW_RESULT || (saw == SAW_EXPERIMENTAL && r->vendor));
}

static bool fixed(gba_span s, uint8_t *out, size_t n)
{
    if (s.n != n)
        return false;
    memcpy(out, s.p, n);
    return true;
}

static bool secret(gba_span s, gba_secret *out, size_t least, size_t most)
{
    return s.n >= least && s.n <= most && gba_secret_set(out, s.p, s.n) == GBA_OK;
}

/* ---- MAR ---- */
gba_err gba_mar_write(const gba_mar *m, gba_dia_list *out)
{
    uint8_t both[30];

    gba_dia_add_u32(out, AUTH_SESSION_STATE, 0, 0, 1); /* NO_STATE_MAINTAINED */
    gba_dia_add(out, USER_NAME, 0, 0, gba_str(m->impi.s));
    gba_dia_add(out, AUTH_DATA_ITEM, V3, 0, (gba_span){0});
    gba_dia_add(out, AUTH_SCHEME, V3, 1, gba_str(GBA_DIA_SCHEME));
    if (m->resync) {
        memcpy(both, m->rand, 16);
        memcpy(both + 16, m->auts, 14);
        gba_dia_add(out, AUTHORIZATION, V3, 1, GBA_SPAN(both));
    }
    if (m->guss_timestamp)
        gba_dia_add_u32(out, GUSS_TIMESTAMP, V3, 0, gba_dia_time(m->guss_timestamp));
    return out->err;
}

gba_err gba_mar_read(const gba_dia_list *in, gba_mar *out, uint32_t *missing)
{
    struct walk w = {.l = in};
    const gba_dia_avp *a;
    uint32_t parent, v;
    bool ok = true;

    memset(out, 0, sizeof *out);
    *missing = 0;
    while ((a = next(&w, &parent))) {
        if (a->code == USER_NAME && !a->vendor && !parent) {
            ok &= gba_impi_parse(a->data, &out->impi) == GBA_OK;
        } else if (a->vendor != V3) {
            continue;
        } else if (a->code == AUTH_SCHEME && parent == AUTH_DATA_ITEM) {
            if (!gba_span_eq(a->data, gba_str(GBA_DIA_SCHEME)))
                return GBA_E_UNSUPPORTED;
        } else if (a->code == AUTHORIZATION && parent == AUTH_DATA_ITEM) {
            ok &= a->data.n == 30;
            if (a->data.n == 30) {
                out->resync = true;
                memcpy(out->rand, a->data.p, 16);
                memcpy(out->auts, a->data.p + 16, 14);
            }
        } else if (a->code == GUSS_TIMESTAMP && !parent) {
            ok &= u32(a->data, &v);
            out->guss_timestamp = ok ? gba_dia_unix(v) : 0;
        }
    }
    if (!ok || w.twice)
        return GBA_E_SYNTAX;
    if (!out->impi.s[0]) {
        *missing = USER_NAME;
        return GBA_E_SYNTAX;
    }
    return GBA_OK;
}

/* ---- MAA ---- */
void gba_maa_wipe(gba_maa *m)
{
    gba_wipe(m, sizeof *m);
}

gba_err gba_maa_write(const gba_maa *m, gba_dia_list *out)
{
    uint8_t both[32];

    gba_dia_add_u32(out, AUTH_SESSION_STATE, 0, 0, 1);
    result_write(m->result, out);
    if (m->impi.s[0])
        gba_dia_add(out, USER_NAME, 0, 0, gba_str(m->impi.s));
    if (m->vector) {
        memcpy(both, m->rand, 16);
        memcpy(both + 16, m->autn, 16);
        gba_dia_add(out, AUTH_DATA_ITEM, V3, 0, (gba_span){0});
        gba_dia_add(out, AUTH_SCHEME, V3, 1, gba_str(GBA_DIA_SCHEME));
        gba_dia_add(out, AUTHENTICATE, V3, 1, GBA_SPAN(both));
        gba_dia_add(out, AUTHORIZATION, V3, 1, gba_secret_span(&m->xres));
        gba_dia_add(out, CK, V3, 1, gba_secret_span(&m->ck));
        gba_dia_add(out, IK, V3, 1, gba_secret_span(&m->ik));
    }
    if (m->guss.p)
        gba_dia_add(out, USS, V3, 0, m->guss);
    return out->err;
}

static bool maa_item(gba_maa *m, const gba_dia_avp *a, unsigned *have)
{
    switch (a->code) {
    case AUTH_SCHEME:
        return gba_span_eq(a->data, gba_str(GBA_DIA_SCHEME));
    case AUTHENTICATE:
        *have |= 1;
        return a->data.n == 32 && fixed(gba_mem(a->data.p, 16), m->rand, 16) &&
               fixed(gba_mem(a->data.p + 16, 16), m->autn, 16);
    case AUTHORIZATION: /* TS 33.102: RES of 4 to 16 octets */
        *have |= 2;
        return secret(a->data, &m->xres, 4, 16);
    case CK:
        *have |= 4;
        return secret(a->data, &m->ck, 16, 16);
    case IK:
        *have |= 8;
        return secret(a->data, &m->ik, 16, 16);
    default:
        return true;
    }
}

/* Of an answer whose AVPs are each well-formed: what it lacks; 0: nothing. */
static uint32_t maa_lacks(const struct walk *w, const gba_maa *m, unsigned have)
{
    static const uint32_t part[] = {AUTHENTICATE, AUTHORIZATION, CK, IK};

    if (!result_ok(w, &m->result))
        return RESULT_CODE;
    if (!have)
        return gba_dia_meaning(m->result) == GBA_OK ? AUTH_DATA_ITEM : 0;
    for (unsigned i = 0; i < 4; i++)
        if (!(have & 1u << i))
            return part[i];
    return 0;
}

gba_err gba_maa_read(const gba_dia_list *in, gba_maa *out)
{
    struct walk w = {.l = in};
    const gba_dia_avp *a;
    uint32_t parent, fault = 0;
    unsigned have = 0;
    bool ok = true;

    memset(out, 0, sizeof *out);
    while (ok && !w.twice && (a = next(&w, &parent))) {
        fault = a->code;
        if (result_read(a, parent, &out->result, &ok))
            continue;
        if (a->code == USER_NAME && !a->vendor && !parent)
            ok = gba_impi_parse(a->data, &out->impi) == GBA_OK;
        else if (a->vendor == V3 && parent == AUTH_DATA_ITEM)
            ok = maa_item(out, a, &have);
        else if (a->vendor == V3 && a->code == USS && !parent)
            out->guss = a->data;
    }
    out->vector = have == 15;
    if (ok && !w.twice)
        fault = maa_lacks(&w, out, have);
    if (!ok || w.twice || fault) {
        gba_maa_wipe(out);
        out->fault = fault;
        return GBA_E_SYNTAX;
    }
    return GBA_OK;
}

/* ---- BIR ---- */
gba_err gba_bir_write(const gba_bir *b, gba_dia_list *out)
{
    uint8_t id[GBA_NAF_ID_MAX];
    size_t n = sizeof id;
    char text[16];
    gba_err e = gba_naf_id_octets(&b->naf, id, &n);

    if (e != GBA_OK)
        return e;
    for (size_t i = 0; i < b->n_gsids && i < GBA_DIA_GSIDS; i++) {
        snprintf(text, sizeof text, "%u", (unsigned)b->gsids[i]);
        gba_dia_add(out, GSID, V3, 0, gba_str(text));
    }
    gba_dia_add(out, TRANSACTION_ID, V3, 0, gba_str(b->btid.s));
    gba_dia_add(out, NAF_ID, V3, 0, gba_mem(id, n));
    gba_dia_add_u32(out, GBA_U_AWARE, V3, 0, b->gba_u_aware);
    return out->err;
}

static bool gsid(gba_bir *b, gba_span s)
{
    uint64_t v = 0;
    if (b->n_gsids == GBA_DIA_GSIDS || !s.n || s.n > 10)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    b->gsids[b->n_gsids++] = (uint32_t)v;
    return v <= UINT32_MAX;
}

gba_err gba_bir_read(const gba_dia_list *in, gba_bir *out, uint32_t *missing)
{
    struct walk w = {.l = in};
    const gba_dia_avp *a;
    uint32_t parent, v;
    bool ok = true;

    memset(out, 0, sizeof *out);
    *missing = 0;
    while (ok && (a = next(&w, &parent))) {
        if (parent || a->vendor != V3)
            continue;
        if (a->code == TRANSACTION_ID)
            ok = gba_btid_parse(a->data, &out->btid) == GBA_OK;
        else if (a->code == NAF_ID)
            ok = gba_naf_id_parse(a->data, &out->naf) == GBA_OK;
        else if (a->code == GSID)
            ok = gsid(out, a->data);
        else if (a->code == GBA_U_AWARE) {
            ok = u32(a->data, &v) && v <= 1;
            out->gba_u_aware = ok && v == 1;
        }
    }
    ok &= !w.twice;
    if (ok && (!out->btid.s[0] || !out->naf.fqdn.s[0])) {
        *missing = out->btid.s[0] ? NAF_ID : TRANSACTION_ID;
        ok = false;
    }
    return ok ? GBA_OK : GBA_E_SYNTAX;
}

/* ---- BIA ---- */
void gba_bia_wipe(gba_bia *b)
{
    gba_wipe(b, sizeof *b);
}

gba_err gba_bia_write(const gba_bia *b, gba_dia_list *out)
{
    gba_dia_add_u32(out, AUTH_SESSION_STATE, 0, 0, 1);
    result_write(b->result, out);
    if (b->impi.s[0])
        gba_dia_add(out, USER_NAME, 0, 0, gba_str(b->impi.s));
    if (b->me.n)
        gba_dia_add(out, ME_KEY, V3, 0, gba_secret_span(&b->me));
    if (b->uicc.n)
        gba_dia_add(out, UICC_KEY, V3, 0, gba_secret_span(&b->uicc));
    if (b->expires)
        gba_dia_add_u32(out, KEY_EXPIRY, V3, 0, gba_dia_time(b->expires));
    if (b->created)
        gba_dia_add_u32(out, CREATED, V3, 0, gba_dia_time(b->created));
    if (b->uss_list.p)
        gba_dia_add(out, USS, V3, 0, b->uss_list);
    if (b->me.n)
        gba_dia_add_u32(out, GBA_TYPE, V3, 0, b->gba_type);
    return out->err;
}

static bool bia_avp(gba_bia *b, const gba_dia_avp *a)
{
    uint32_t v = 0;
    switch (a->code) {
    case ME_KEY:
        return secret(a->data, &b->me, 32, 32);
    case UICC_KEY:
        return secret(a->data, &b->uicc, 32, 32);
    case KEY_EXPIRY:
        if (!u32(a->data, &v))
            return false;
        b->expires = gba_dia_unix(v);
        return true;
    case CREATED:
        if (!u32(a->data, &v))
            return false;
        b->created = gba_dia_unix(v);
        return true;
    case GBA_TYPE:
        return u32(a->data, &b->gba_type) && b->gba_type <= 2;
    case USS:
        b->uss_list = a->data;
        return true;
    default:
        return true;
    }
}

gba_err gba_bia_read(const gba_dia_list *in, gba_bia *out)
{
    struct walk w = {.l = in};
    const gba_dia_avp *a;
    uint32_t parent;
    bool ok = true;

    memset(out, 0, sizeof *out);
    while (ok && (a = next(&w, &parent))) {
        if (result_read(a, parent, &out->result, &ok))
            continue;
        if (a->code == USER_NAME && !a->vendor && !parent)
            ok = gba_impi_parse(a->data, &out->impi) == GBA_OK;
        else if (a->vendor == V3 && !parent)
            ok = bia_avp(out, a);
    }
    if (!ok || w.twice || !result_ok(&w, &out->result) ||
        (gba_dia_meaning(out->result) == GBA_OK && (!out->me.n || !out->expires))) {
        gba_bia_wipe(out);
        return GBA_E_SYNTAX;
    }
    return GBA_OK;
}
