/* SPDX-License-Identifier: Apache-2.0 */
/* ua.c - Ua with HTTP Digest (TS 24.109 5.2, TS 33.222 5.3), the UE's side. */
#include <stdio.h>
#include <string.h>
#include <gba/ue.h>

#define REALM "3GPP-bootstrapping@" /* the ME's key; -uicc@ and -digest@ are others */

/* ---- which challenge ---- */

/* SHA-256 before MD5 (RFC 7616 3.7); AKA is not Ua's. 0: not ours. */
static int rank(const gba_challenge *c)
{
    static const int ranks[] = {
        [GBA_DIGEST_MD5_SESS] = 1,
        [GBA_DIGEST_MD5] = 2,
        [GBA_DIGEST_SHA256_SESS] = 3,
        [GBA_DIGEST_SHA256] = 4,
    };
    size_t n = sizeof ranks / sizeof ranks[0];
    if (!(c->qop & (GBA_QOP_AUTH | GBA_QOP_AUTH_INT)))
        return 0;
    return (size_t)c->algorithm < n ? ranks[c->algorithm] : 0;
}

/* TS 24.109 5.2.4: one realm may list several joined by ';'. OK: ours, for this
 * host, copied out. FORBIDDEN: ours, for another host. UNKNOWN: not ours. */
static gba_err our_realm(gba_span realm, const gba_fqdn *host, char *out, size_t room)
{
    gba_err why = GBA_E_UNKNOWN;
    const size_t head = sizeof REALM - 1;
    while (realm.n > 0) {
        const uint8_t *semi = memchr(realm.p, ';', realm.n);
        size_t n = semi ? (size_t)(semi - realm.p) : realm.n;
        gba_fqdn f;
        if (n > head && memcmp(realm.p, REALM, head) == 0) {
            if (n < room && !gba_fqdn_parse(gba_mem(realm.p + head, n - head), &f) && strcmp(f.s, host->s) == 0) {
                memcpy(out, realm.p, n);
                out[n] = '\0';
                return GBA_OK;
            }
            why = GBA_E_FORBIDDEN;
        }
        size_t step = semi ? n + 1 : n;
        realm.p += step;
        realm.n -= step;
    }
    return why;
}

/* Parses the answer's challenges in order until the stop-th; the best one's number. */
static gba_err walk(gba_ue_ua *ua, const gba_ue_answer *a, size_t stop, size_t *best)
{
    gba_err why = GBA_E_UNKNOWN;
    int high = 0;
    size_t at = 0;
    for (size_t i = 0; i < a->n_fields; i++) {
        if (!gba_span_ieq(a->fields[i].name, gba_str("WWW-Authenticate")))
            continue;
        gba_span rest = a->fields[i].value;
        while (gba_challenge_next(&rest, &ua->challenge) == GBA_OK) {
            at++;
            int r = rank(&ua->challenge);
            gba_err e = our_realm(ua->challenge.realm, &ua->host, ua->realm, sizeof ua->realm);
            if (at == stop)
                return GBA_OK;
            if (!e && r > high) {
                high = r;
                *best = at;
            }
            /* the realm is ours but its algorithm or qop is not */
            if (why == GBA_E_UNKNOWN && (e == GBA_E_FORBIDDEN || (!e && r == 0)))
                why = e ? e : GBA_E_UNSUPPORTED;
        }
    }
    return high > 0 ? GBA_OK : why;
}

gba_err gba_ue_ua_choose(gba_ue_ua *ua, const gba_fqdn *host, const gba_ue_answer *a)
{
    size_t best = 0;
    memset(ua, 0, sizeof *ua);
    ua->host = *host;
    gba_err e = walk(ua, a, SIZE_MAX, &best);
    return e ? e : walk(ua, a, best, &best);
}

/* ---- the answer ---- */

/* Copies into the structure's own store: what was sent is needed for rspauth. */
static gba_span keep(gba_authorization *s, size_t *used, gba_span v, bool *ok)
{
    if (!*ok || v.n > sizeof s->store - *used) {
        *ok = false;
        return gba_mem(NULL, 0);
    }
    char *at = s->store + *used;
    if (v.n > 0)
        memcpy(at, v.p, v.n);
    *used += v.n;
    return gba_mem(at, v.n);
}

gba_err gba_ue_ua_authorize(gba_ue_ua *ua, const gba_btid *btid, const gba_secret *ks_naf, const gba_digest_message *m,
                            uint32_t nc, const uint8_t entropy[GBA_UE_ENTROPY], char *out, size_t *n)
{
    gba_authorization *s = &ua->sent;
    GBA_SECRET_SCOPED password = {0};
    char cnonce[2 * GBA_UE_ENTROPY + 1], response[65];
    size_t used = 0;
    bool ok = true;
    memset(s, 0, sizeof *s);
    gba_hex_encode(entropy, GBA_UE_ENTROPY, cnonce);
    s->algorithm = ua->challenge.algorithm;
    s->algorithm_given = true;
    s->qop = ua->challenge.qop & GBA_QOP_AUTH_INT ? GBA_QOP_AUTH_INT : GBA_QOP_AUTH;
    s->nc = nc;
    s->nc_given = true;
    s->realm = gba_str(ua->realm);
    s->nonce = ua->challenge.nonce;
    s->opaque = ua->challenge.opaque;
    s->username = keep(s, &used, gba_str(btid->s), &ok);
    s->uri = keep(s, &used, m->uri, &ok);
    s->cnonce = keep(s, &used, gba_str(cnonce), &ok);
    if (!ok)
        return GBA_E_RANGE;
    gba_err e = gba_ua_password(ks_naf, &password);
    if (!e)
        e = gba_digest_response(s, m, gba_secret_span(&password), response);
    if (e)
        return e;
    s->response = keep(s, &used, gba_str(response), &ok);
    return ok ? gba_authorization_print(s, out, n) : GBA_E_RANGE;
}

gba_err gba_ue_ua_verify(const gba_ue_ua *ua, const gba_secret *ks_naf, const gba_digest_message *m,
                         const gba_ue_answer *a)
{
    /* a refusal may come without proof; a success under auth-int may not (TS 24.109 5.2.6) */
    bool needed = ua->sent.qop == GBA_QOP_AUTH_INT && a->status < 400;
    const gba_ue_field *f = NULL;
    for (size_t i = 0; i < a->n_fields && !f; i++)
        if (gba_span_ieq(a->fields[i].name, gba_str("Authentication-Info")))
            f = &a->fields[i];
    if (!f)
        return needed ? GBA_E_AUTH : GBA_OK;
    gba_authinfo info;
    GBA_SECRET_SCOPED password = {0};
    gba_err e = gba_authinfo_parse(f->value, &info);
    if (e)
        return GBA_E_AUTH;
    if (!info.rspauth.p) /* nextnonce alone */
        return needed ? GBA_E_AUTH : GBA_OK;
    const gba_digest_message answer = {.method = m->method, .uri = m->uri, .body = a->body};
    e = gba_ua_password(ks_naf, &password);
    return e ? e : gba_authinfo_verify(&info, &ua->sent, &answer, gba_secret_span(&password));
}
