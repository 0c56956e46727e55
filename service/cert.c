/* SPDX-License-Identifier: Apache-2.0 */
/* cert.c - verification of a peer's certificate, and raw public keys. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include "service/cert.h"

#define CHAIN_MAX 16

/* ---- name constraints of URIs ---- */
/* The host of scheme://[user@]host[:port]/..., scheme and its colon left out or not. n 0: none. */
static gba_span host_of(gba_span uri)
{
    gba_span none = {0};
    size_t at = 0, end;

    while (at + 1 < uri.n && !(uri.p[at] == '/' && uri.p[at + 1] == '/'))
        if (uri.p[at++] == '/')
            return none;
    if (at + 2 >= uri.n || (at && uri.p[at - 1] != ':'))
        return none;
    at += 2;
    for (end = at; end < uri.n && uri.p[end] != '/' && uri.p[end] != '?' && uri.p[end] != '#'; end++)
        if (uri.p[end] == '@')
            at = end + 1;
    for (size_t i = at; i < end; i++)
        if (uri.p[i] == ':' || uri.p[i] == '[')
            end = i; /* an address literal has no name in it: n 0 */
    return gba_mem(uri.p + at, end - at);
}

bool cert_uri_in(gba_span uri, gba_span c)
{
    gba_span host = host_of(uri);

    if (!host.n || !c.n)
        return false;
    if (c.p[0] != '.')
        return gba_span_ieq(host, c);
    return host.n > c.n && gba_span_ieq(gba_mem(host.p + host.n - c.n, c.n), c); /* any host below, not itself */
}

/* One kind of subtree, permitted or excluded, against one name. */
static bool name_fits(gnutls_x509_name_constraints_t nc, unsigned kind, gba_span name)
{
    bool any = false, fits = false;
    gnutls_datum_t c;
    unsigned type;

    for (unsigned i = 0; gnutls_x509_name_constraints_get_permitted(nc, i, &type, &c) == 0; i++)
        if (type == kind) {
            any = true;
            fits = fits || (kind == GNUTLS_SAN_URI && cert_uri_in(name, gba_mem(c.data, c.size)));
        }
    if (any && !fits)
        return false;
    for (unsigned i = 0; gnutls_x509_name_constraints_get_excluded(nc, i, &type, &c) == 0; i++)
        if (type == kind && (kind != GNUTLS_SAN_URI || !host_of(name).n || cert_uri_in(name, gba_mem(c.data, c.size))))
            return false;
    return true;
}

/* What GnuTLS leaves out: URIs; and kinds that nobody here can compare, which RFC 5280 4.2.1.10 then refuses. */
static bool leaf_fits(gnutls_x509_crt_t leaf, gnutls_x509_name_constraints_t nc)
{
    for (unsigned i = 0;; i++) {
        char san[1024];
        size_t n = sizeof san;
        unsigned type;
        int r = gnutls_x509_crt_get_subject_alt_name2(leaf, i, san, &n, &type, NULL);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return true;
        if (r < 0)
            return false;
        if ((type == GNUTLS_SAN_URI || type == GNUTLS_SAN_OTHERNAME) && !name_fits(nc, type, gba_mem(san, n)))
            return false;
    }
}

static bool ca_allows(gnutls_x509_crt_t ca, gnutls_x509_crt_t leaf)
{
    gnutls_x509_name_constraints_t nc;
    unsigned critical;
    bool ok = false;

    if (gnutls_x509_name_constraints_init(&nc) < 0)
        return false;
    int r = gnutls_x509_crt_get_name_constraints(ca, nc, 0, &critical);
    if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        ok = true;
    else if (r == 0)
        ok = leaf_fits(leaf, nc);
    gnutls_x509_name_constraints_deinit(nc);
    return ok;
}

/* The trusted CAs above a certificate. */
static bool anchors_allow(gnutls_certificate_credentials_t cred, gnutls_x509_crt_t of, gnutls_x509_crt_t leaf)
{
    gnutls_x509_crt_t at = of, up;
    bool ok = true;

    for (int i = 0; ok && i < CHAIN_MAX && gnutls_certificate_get_issuer(cred, at, &up, GNUTLS_TL_GET_COPY) == 0; i++) {
        bool last = gnutls_x509_crt_check_issuer(up, up);
        if (at != of)
            gnutls_x509_crt_deinit(at);
        at = up;
        ok = ca_allows(up, leaf);
        if (last)
            break;
    }
    if (at != of)
        gnutls_x509_crt_deinit(at);
    return ok;
}

/* Every certificate sent counts, and every trusted one above any of them: whichever of them the chain that
 * GnuTLS found good consists of, none of its constraints is passed over. */
static bool constraints_hold(gnutls_session_t s, gnutls_certificate_credentials_t cred)
{
    unsigned n = 0, have = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(s, &n);
    gnutls_x509_crt_t crt[CHAIN_MAX];
    bool ok = der && n > 0 && n <= CHAIN_MAX;

    for (; ok && have < n; have++)
        if (gnutls_x509_crt_init(&crt[have]) < 0)
            break;
        else if (gnutls_x509_crt_import(crt[have], &der[have], GNUTLS_X509_FMT_DER) < 0)
            ok = false;
    ok = ok && have == n;
    for (unsigned i = 0; ok && i < n; i++)
        ok = (i == 0 || ca_allows(crt[i], crt[0])) && anchors_allow(cred, crt[i], crt[0]);
    while (have)
        gnutls_x509_crt_deinit(crt[--have]);
    return ok;
}

/* ---- the verdict ---- */
static const char *word_of(unsigned status)
{
    static const struct {
        unsigned bit;
        const char *word;
    } rows[] = {
        {GNUTLS_CERT_REVOKED, "revoked"},
        {GNUTLS_CERT_SIGNER_NOT_FOUND, "issuer"},
        {GNUTLS_CERT_SIGNER_NOT_CA, "issuer"},
        {GNUTLS_CERT_SIGNATURE_FAILURE, "signature"},
        {GNUTLS_CERT_EXPIRED, "expired"},
        {GNUTLS_CERT_NOT_ACTIVATED, "not_yet_valid"},
        {GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, "name_constraints"},
        {GNUTLS_CERT_PURPOSE_MISMATCH, "purpose"},
        {GNUTLS_CERT_MISSING_OCSP_STATUS, "ocsp_missing"},
        {GNUTLS_CERT_INVALID_OCSP_STATUS, "ocsp_invalid"},
        {GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED, "crl_outdated"},
        {GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE, "crl_outdated"},
        {GNUTLS_CERT_INSECURE_ALGORITHM, "weak"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (status & rows[i].bit)
            return rows[i].word;
    return "invalid";
}

const char *cert_check(void *session, void *credentials, bool server, char *text, size_t text_n)
{
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)(server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT)};
    unsigned status = 0;
    gnutls_datum_t line = {0};
    int r = gnutls_certificate_verify_peers(session, &purpose, 1, &status);

    if (r == GNUTLS_E_NO_CERTIFICATE_FOUND) {
        snprintf(text, text_n, "there is no certificate");
        return "none";
    }
    if (r < 0) {
        snprintf(text, text_n, "%s", gnutls_strerror(r));
        return "invalid";
    }
    if (status == 0) {
        if (constraints_hold(session, credentials))
            return NULL;
        snprintf(text, text_n, "a name of the certificate is outside what its CA may sign for");
        return "name_constraints";
    }
    (void)gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &line, 0);
    snprintf(text, text_n, "%s", line.data ? (const char *)line.data : word_of(status));
    gnutls_free(line.data);
    return word_of(status);
}

void cert_name(void *session, char *out, size_t room)
{
    unsigned n = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &n);
    gnutls_x509_crt_t crt;
    size_t len = room;
    unsigned type;

    out[0] = 0;
    if (!der || !n || gnutls_x509_crt_init(&crt) < 0)
        return;
    if (gnutls_x509_crt_import(crt, &der[0], GNUTLS_X509_FMT_DER) == 0) {
        int r = gnutls_x509_crt_get_subject_alt_name2(crt, 0, out, &len, &type, NULL);
        if (r != GNUTLS_SAN_DNSNAME && r != GNUTLS_SAN_URI) {
            len = room;
            if (gnutls_x509_crt_get_dn(crt, out, &len) < 0)
                len = 0;
        }
        out[len < room ? len : room - 1] = 0;
    }
    for (char *p = out; *p; p++) /* it is a stranger's */
        if (*p <= 0x20 || *p >= 0x7f)
            *p = '?';
    gnutls_x509_crt_deinit(crt);
}

/* ---- raw public keys ---- */
bool cert_is_raw(void *session, bool server)
{
    return gnutls_certificate_type_get2(session, server ? GNUTLS_CTYPE_SERVER : GNUTLS_CTYPE_CLIENT) ==
           GNUTLS_CRT_RAWPK;
}

gba_err cert_raw_id(void *session, uint8_t id[CERT_KEY_ID])
{
    unsigned n = 0;
    const gnutls_datum_t *spki = gnutls_certificate_get_peers(session, &n);
    size_t len = CERT_KEY_ID;
    gnutls_pubkey_t key;

    if (!spki || n != 1)
        return GBA_E_AUTH;
    if (gnutls_pubkey_init(&key) < 0)
        return GBA_E_NOMEM;
    int r = gnutls_pubkey_import(key, &spki[0], GNUTLS_X509_FMT_DER);
    if (r == 0)
        r = gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &len);
    gnutls_pubkey_deinit(key);
    return r == 0 && len == CERT_KEY_ID ? GBA_OK : GBA_E_AUTH;
}

gba_err cert_set_raw(void *credentials, const void *pem, size_t n)
{
    gnutls_datum_t key = {(unsigned char *)pem, (unsigned)n}, spki = {0};
    gnutls_privkey_t priv = NULL;
    gnutls_pubkey_t pub = NULL;
    int r = gnutls_privkey_init(&priv);

    if (r == 0)
        r = gnutls_pubkey_init(&pub);
    if (r == 0)
        r = gnutls_privkey_import_x509_raw(priv, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (r == 0)
        r = gnutls_pubkey_import_privkey(pub, priv, 0, 0);
    if (r == 0)
        r = gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_PEM, &spki);
    if (r == 0)
        r = gnutls_certificate_set_rawpk_key_mem(credentials, &spki, &key, GNUTLS_X509_FMT_PEM, NULL, 0, NULL, 0, 0);
    gnutls_free(spki.data);
    if (pub)
        gnutls_pubkey_deinit(pub);
    if (priv)
        gnutls_privkey_deinit(priv);
    return r >= 0 ? GBA_OK : GBA_E_SYNTAX;
}

/* ---- a file of ours ---- */
/* The names in a certificate, for a text. */
static void list_names(gnutls_x509_crt_t crt, char *out, size_t room)
{
    char san[256];
    size_t at = 0;

    out[0] = 0;
    for (unsigned i = 0; at + 1 < room; i++) {
        size_t n = sizeof san - 1;
        int type = gnutls_x509_crt_get_subject_alt_name(crt, i, san, &n, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_URI)
            continue;
        san[n] = 0;
        int k = snprintf(out + at, room - at, "%s%s", at ? ", " : "", san);
        at += k > 0 ? (size_t)k : 0;
    }
}

gba_err cert_file_is_for(const char *path, const char *fqdn, char *why, size_t why_n)
{
    gnutls_datum_t pem = {0};
    gnutls_x509_crt_t crt = NULL;
    char names[256];
    gba_err e = GBA_OK;

    if (gnutls_load_file(path, &pem) < 0) {
        snprintf(why, why_n, "%s: cannot be read", path);
        return GBA_E_IO;
    }
    if (gnutls_x509_crt_init(&crt) < 0)
        e = GBA_E_NOMEM;
    else if (gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) < 0)
        e = GBA_E_SYNTAX;
    if (e != GBA_OK) {
        snprintf(why, why_n, "%s: %s", path, e == GBA_E_SYNTAX ? "holds no PEM certificate" : "no memory");
    } else if (!gnutls_x509_crt_check_hostname(crt, fqdn)) {
        e = GBA_E_FORBIDDEN;
        list_names(crt, names, sizeof names);
        snprintf(why, why_n, "%s: is the certificate of %s, not of %s (dNSName in subjectAltName): no peer would trust it",
                 path, names[0] ? names : "nobody", fqdn);
    }
    if (crt)
        gnutls_x509_crt_deinit(crt);
    gnutls_free(pem.data);
    return e;
}
