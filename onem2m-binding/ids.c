/* SPDX-License-Identifier: Apache-2.0 */
/* ids.c - CSE-ID, AE-ID, key identifiers, Credential-ID: parse, check, print; and what a PSK identity is. */
#include <gba/onem2m.h>
#include <stdio.h>
#include <string.h>

#define GBA_PREFIX "3GPP-bootstrapping;" /* TS 24.109 F.3 */

static bool alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static gba_span tail(gba_span s, size_t from)
{
    return gba_mem(s.p + from, s.n - from);
}

static size_t until(gba_span s, char c)
{
    const uint8_t *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

/* ---- CSE-ID and AE-ID ---- */
/* RFC 3986 unreserved, as TS-0001 7.2 asks of a stem; any: what else can stand in a header field, too. */
static gba_err segment(gba_span s, bool any, char out[GBA_M2M_STEM_MAX + 1])
{
    if (s.n == 0)
        return GBA_E_SYNTAX;
    if (s.n > GBA_M2M_STEM_MAX)
        return GBA_E_RANGE;
    for (size_t i = 0; i < s.n; i++)
        if (!alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.' && s.p[i] != '_' && s.p[i] != '~' &&
            !(any && s.p[i] > 0x20 && s.p[i] < 0x7f && s.p[i] != '/'))
            return GBA_E_SYNTAX;
    memcpy(out, s.p, s.n);
    out[s.n] = 0;
    return !strcmp(out, ".") || !strcmp(out, "..") ? GBA_E_SYNTAX : GBA_OK;
}

/* What stands behind the SP: "cse", "cse/Cxyz", "Sxyz". */
static gba_err behind_sp(gba_span s, bool any, gba_m2m_id *id)
{
    size_t n = until(s, '/');
    gba_err e;

    if (n == s.n && s.n && s.p[0] == 'S') {
        id->kind = GBA_M2M_ID_AE_S;
        return segment(s, any, id->stem);
    }
    id->kind = GBA_M2M_ID_CSE;
    e = segment(gba_mem(s.p, n), false, id->cse);
    if (e != GBA_OK || n == s.n)
        return e;
    id->kind = GBA_M2M_ID_AE_C;
    e = segment(tail(s, n + 1), any, id->stem);
    return e == GBA_OK && id->stem[0] != 'C' && (!any || id->stem[0] == 'S') ? GBA_E_SYNTAX : e;
}

static gba_err parse_id(gba_span t, const gba_m2m_id *base, bool any, gba_m2m_id *id)
{
    if (t.n >= 2 && t.p[0] == '/' && t.p[1] == '/') {
        gba_span rest = tail(t, 2);
        size_t n = until(rest, '/');
        id->form = GBA_M2M_ABSOLUTE;
        if (n == rest.n)
            return GBA_E_SYNTAX;
        gba_err e = gba_fqdn_parse(gba_mem(rest.p, n), &id->sp);
        return e == GBA_OK ? behind_sp(tail(rest, n + 1), any, id) : e;
    }
    if (!base || base->kind != GBA_M2M_ID_CSE)
        return GBA_E_SYNTAX;
    id->sp = base->sp;
    if (t.n && t.p[0] == '/') {
        id->form = GBA_M2M_SP_RELATIVE;
        return behind_sp(tail(t, 1), any, id);
    }
    id->form = GBA_M2M_STEM;
    bool typed = t.n && (t.p[0] == 'C' || t.p[0] == 'S');
    if (!t.n || (!typed && !any))
        return GBA_E_SYNTAX;
    if (typed && t.n < 2) /* "C" and "S" alone are wishes, not identities */
        return GBA_E_SYNTAX;
    id->kind = t.p[0] == 'S' ? GBA_M2M_ID_AE_S : GBA_M2M_ID_AE_C;
    if (id->kind == GBA_M2M_ID_AE_C)
        memcpy(id->cse, base->cse, sizeof id->cse);
    return segment(t, any, id->stem);
}

static gba_err parse_whole(gba_span text, const gba_m2m_id *base, bool any, gba_m2m_id *out)
{
    gba_m2m_id id = {0};
    gba_err e = text.n > GBA_M2M_ID_MAX ? GBA_E_RANGE : parse_id(text, base, any, &id);

    *out = e == GBA_OK ? id : (gba_m2m_id){0};
    return e;
}

gba_err gba_m2m_id_parse(gba_span text, const gba_m2m_id *base, gba_m2m_id *out)
{
    return parse_whole(text, base, false, out);
}

gba_err gba_m2m_id_parse_assigned(gba_span text, const gba_m2m_id *base, gba_m2m_id *out)
{
    return parse_whole(text, base, true, out);
}

gba_err gba_m2m_entity_parse(gba_span text, gba_m2m_id *out)
{
    gba_m2m_id id = {.kind = GBA_M2M_ID_FQDN, .form = GBA_M2M_ABSOLUTE};
    gba_err e;

    if (text.n && text.p[0] == '/')
        return gba_m2m_id_parse(text, NULL, out);
    e = gba_fqdn_parse(text, &id.sp);
    *out = e == GBA_OK ? id : (gba_m2m_id){0};
    return e;
}

gba_err gba_m2m_id_print(const gba_m2m_id *id, gba_m2m_id_form form, char out[GBA_M2M_ID_MAX + 1])
{
    bool absolute = form == GBA_M2M_ABSOLUTE;
    const char *slashes = absolute ? "//" : "", *sp = absolute ? id->sp.s : "";

    out[0] = 0;
    switch (id->kind) {
    case GBA_M2M_ID_FQDN:
        snprintf(out, GBA_M2M_ID_MAX + 1, "%s", id->sp.s);
        return GBA_OK;
    case GBA_M2M_ID_CSE:
        snprintf(out, GBA_M2M_ID_MAX + 1, "%s%s/%s", slashes, sp, id->cse);
        return GBA_OK;
    case GBA_M2M_ID_AE_C:
    case GBA_M2M_ID_AE_S:
        if (form == GBA_M2M_STEM)
            snprintf(out, GBA_M2M_ID_MAX + 1, "%s", id->stem);
        else
            snprintf(out, GBA_M2M_ID_MAX + 1, "%s%s%s%s/%s", slashes, sp, id->kind == GBA_M2M_ID_AE_C ? "/" : "",
                     id->cse, id->stem);
        return GBA_OK;
    default:
        return GBA_E_ARG;
    }
}

bool gba_m2m_id_eq(const gba_m2m_id *a, const gba_m2m_id *b)
{
    return a->kind != GBA_M2M_ID_NONE && a->kind == b->kind && !strcmp(a->sp.s, b->sp.s) && !strcmp(a->cse, b->cse) &&
           !strcmp(a->stem, b->stem);
}

gba_err gba_m2m_id_fqdn(const gba_m2m_id *id, gba_fqdn *out)
{
    char text[2 * GBA_M2M_STEM_MAX + 260];

    if (id->kind == GBA_M2M_ID_NONE)
        return GBA_E_ARG;
    if (strchr(id->cse, '.') || strchr(id->stem, '.')) /* two IDs would have the same */
        return GBA_E_RANGE;
    snprintf(text, sizeof text, "%s%s%s%s%s", id->stem, id->stem[0] ? "." : "", id->cse, id->cse[0] ? "." : "",
             id->sp.s);
    return gba_fqdn_parse(gba_str(text), out) == GBA_OK ? GBA_OK : GBA_E_RANGE;
}

bool gba_m2m_node_id_ok(gba_span t)
{
    if (t.n == 0 || t.n > GBA_ID_MAX)
        return false;
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] <= 0x20 || t.p[i] >= 0x7f || t.p[i] == '"' || t.p[i] == '\\')
            return false;
    return true;
}

/* ---- key identifiers ---- */
static bool hex16(const char *s)
{
    return strlen(s) == 32 && strspn(s, "0123456789abcdefABCDEF") == 32;
}

gba_err gba_m2m_key_id_make(gba_span relative, const gba_fqdn *domain, gba_m2m_key_id *out)
{
    memset(out, 0, sizeof *out);
    if (relative.n == 0)
        return GBA_E_SYNTAX;
    if (relative.n + 1 + strlen(domain->s) > GBA_M2M_KEY_ID_MAX)
        return GBA_E_RANGE;
    for (size_t i = 0; i < relative.n; i++)
        if (!alnum(relative.p[i]) && relative.p[i] != '.' && relative.p[i] != '_' && relative.p[i] != '-')
            return GBA_E_SYNTAX;
    memcpy(out->relative, relative.p, relative.n);
    out->domain = *domain;
    out->hex16 = hex16(out->relative);
    if (out->hex16) /* XSD's canonical hexBinary */
        for (char *c = out->relative; *c; c++)
            if (*c >= 'a')
                *c = (char)(*c - 32);
    return GBA_OK;
}

gba_err gba_m2m_key_id_parse(gba_span text, gba_m2m_key_id *out)
{
    gba_fqdn domain;
    size_t at = until(text, '@');

    memset(out, 0, sizeof *out);
    if (at == text.n || memchr(text.p + at + 1, 0, text.n - at - 1))
        return GBA_E_SYNTAX;
    gba_err e = gba_fqdn_parse(tail(text, at + 1), &domain);
    return e == GBA_OK ? gba_m2m_key_id_make(gba_mem(text.p, at), &domain, out) : e;
}

gba_err gba_m2m_key_id_print(const gba_m2m_key_id *id, char out[GBA_M2M_KEY_ID_MAX + 1])
{
    int n = snprintf(out, GBA_M2M_KEY_ID_MAX + 1, "%s@%s", id->relative, id->domain.s);
    return n > 0 && n <= GBA_M2M_KEY_ID_MAX ? GBA_OK : GBA_E_RANGE;
}

bool gba_m2m_key_id_eq(const gba_m2m_key_id *a, const gba_m2m_key_id *b)
{
    return a->relative[0] && gba_span_ieq(gba_str(a->relative), gba_str(b->relative)) &&
           !strcmp(a->domain.s, b->domain.s);
}

/* ---- PSK identities ---- */
static bool among(const gba_fqdn *list, size_t n, const gba_fqdn *d, size_t *at)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i].s, d->s)) {
            *at = i;
            return true;
        }
    return false;
}

const gba_fqdn *gba_m2m_domains_clash(const gba_m2m_domains *d)
{
    const gba_fqdn *list[] = {d->own, d->bsf, d->maf, d->mef};
    const size_t n[] = {d->own ? 1 : 0, d->n_bsf, d->n_maf, d->n_mef};
    size_t at;

    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < n[i]; k++) {
            if (among(list[i], k, &list[i][k], &at))
                return &list[i][k];
            for (size_t j = i + 1; j < 4; j++)
                if (among(list[j], n[j], &list[i][k], &at))
                    return &list[i][k];
        }
    return NULL;
}

static gba_err as_btid(const gba_m2m_domains *d, gba_span t, gba_m2m_identity *out)
{
    gba_fqdn domain;
    gba_err e = gba_btid_parse(t, &out->btid);

    if (e == GBA_OK)
        e = gba_btid_domain(&out->btid, &domain);
    if (e != GBA_OK)
        return e;
    if (!among(d->bsf, d->n_bsf, &domain, &out->server))
        return GBA_E_FORBIDDEN;
    out->form = GBA_M2M_PSK_BTID;
    out->framework = GBA_M2M_SAEF_4;
    memcpy(out->text, out->btid.s, sizeof out->text);
    return GBA_OK;
}

/* Not a configured BSF's, MAF's or MEF's domain: a key of our own store. A MAF and a MEF know their own
 * domain alone; a CSE takes any issuer of Kpsa (10.5). */
static gba_err as_own(const gba_m2m_domains *d, gba_m2m_identity *out)
{
    if (d->at != GBA_M2M_AT_CSE && (!d->own || strcmp(d->own->s, out->key.domain.s) != 0))
        return GBA_E_FORBIDDEN;
    out->form = d->at == GBA_M2M_AT_CSE ? GBA_M2M_PSK_KPSA : d->at == GBA_M2M_AT_MAF ? GBA_M2M_PSK_KM : GBA_M2M_PSK_KPM;
    out->framework = d->at == GBA_M2M_AT_CSE   ? GBA_M2M_SAEF_1
                     : d->at == GBA_M2M_AT_MAF ? GBA_M2M_SAEF_3
                                               : GBA_M2M_SBF_1;
    return GBA_OK;
}

static gba_err as_key(const gba_m2m_domains *d, gba_span t, gba_m2m_identity *out)
{
    gba_err e = gba_m2m_key_id_parse(t, &out->key);

    if (e != GBA_OK)
        return e;
    if (d->at == GBA_M2M_AT_CSE && among(d->maf, d->n_maf, &out->key.domain, &out->server)) {
        out->form = GBA_M2M_PSK_KC;
        out->framework = GBA_M2M_SAEF_3;
    } else if (d->at != GBA_M2M_AT_MEF && among(d->mef, d->n_mef, &out->key.domain, &out->server)) {
        out->form = GBA_M2M_PSK_KE;
        out->framework = GBA_M2M_SBF_1;
    } else if ((e = as_own(d, out)) != GBA_OK) {
        return e;
    }
    if ((out->form == GBA_M2M_PSK_KC || out->form == GBA_M2M_PSK_KE) && !out->key.hex16)
        return GBA_E_SYNTAX;
    e = gba_m2m_key_id_print(&out->key, out->text);
    if (out->form == GBA_M2M_PSK_KM && !out->key.hex16) /* 10.6: not case sensitive */
        for (char *c = out->text; *c; c++)
            *c = lower(*c);
    return e;
}

gba_err gba_m2m_identify(const gba_m2m_domains *d, gba_span t, gba_m2m_identity *out)
{
    const size_t prefix = sizeof GBA_PREFIX - 1;
    gba_fqdn domain;
    size_t at = t.n, unused;
    gba_err e;

    memset(out, 0, sizeof *out);
    if (t.n == 0 || memchr(t.p, 0, t.n) || t.n > GBA_ID_MAX + prefix)
        return GBA_E_SYNTAX;
    if (t.n > prefix && !memcmp(t.p, GBA_PREFIX, prefix)) {
        e = as_btid(d, tail(t, prefix), out);
    } else {
        while (at > 0 && t.p[at - 1] != '@')
            at--;
        if (at == 0 || gba_fqdn_parse(tail(t, at), &domain) != GBA_OK)
            e = GBA_E_SYNTAX;
        else
            e = among(d->bsf, d->n_bsf, &domain, &unused) ? as_btid(d, t, out) : as_key(d, t, out);
    }
    if (e != GBA_OK)
        memset(out, 0, sizeof *out);
    return e;
}

/* ---- Credential-ID ---- */
static const struct {
    unsigned type;
    const char *text;
} types[] = {
    {10, "KpmID"},
    {11, "KmID"},
    {12, "KpsaID or B-TID"},
    {13, "pairwiseESPrimKeyID"},
    {14, "ESData direct encryption key"},
    {15, "ESData key-wrap key"},
    {16, "ESData HMAC key"},
    {30, "raw public key"},
    {31, "device certificate"},
    {32, "CSE-ID certificate"},
    {33, "AE-ID certificate"},
    {34, "Node-ID certificate"},
    {41, "raw public key, ESData encryption"},
    {42, "device certificate, ESData encryption"},
    {43, "CSE-ID certificate, ESData encryption"},
    {44, "AE-ID certificate, ESData encryption"},
    {45, "Node-ID certificate, ESData encryption"},
    {51, "raw public key, ESData signature"},
    {52, "device certificate, ESData signature"},
    {53, "CSE-ID certificate, ESData signature"},
    {54, "AE-ID certificate, ESData signature"},
    {55, "Node-ID certificate, ESData signature"},
};

const char *gba_m2m_credential_type_text(unsigned type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].text;
    return NULL;
}

static bool value_ok(gba_span v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!alnum(v.p[i]) && !memchr("._-@+/=;", v.p[i], 8))
            return false;
    return v.n > 0 && v.n <= GBA_ID_MAX;
}

gba_err gba_m2m_credential_id(unsigned type, gba_span value, char out[GBA_M2M_CREDENTIAL_ID_MAX + 1])
{
    out[0] = 0;
    if (!gba_m2m_credential_type_text(type))
        return GBA_E_ARG;
    if (!value_ok(value))
        return GBA_E_SYNTAX;
    snprintf(out, GBA_M2M_CREDENTIAL_ID_MAX + 1, "%u-%.*s", type, (int)value.n, (const char *)value.p);
    return GBA_OK;
}

gba_err gba_m2m_credential_id_parse(gba_span text, unsigned *type, gba_span *value)
{
    if (text.n < 4 || text.p[2] != '-' || text.p[0] < '1' || text.p[0] > '9' || text.p[1] < '0' || text.p[1] > '9')
        return GBA_E_SYNTAX;
    *type = (unsigned)(text.p[0] - '0') * 10 + (unsigned)(text.p[1] - '0');
    *value = tail(text, 3);
    return gba_m2m_credential_type_text(*type) && value_ok(*value) ? GBA_OK : GBA_E_SYNTAX;
}
