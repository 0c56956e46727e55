/* SPDX-License-Identifier: Apache-2.0 */
/* gate_settings.c - m2m-gate's table of settings, and the checks that span several of them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "onem2m-binding/gate_poa.h"
#include "onem2m-binding/gate.h"
#include "onem2m-binding/may_name.h"
#include "service/seal_file.h"

#define AT(field) .offset = offsetof(gate_settings, field)
#define KMS(field) .offset = offsetof(gate_kms, field)

static const conf_field bsf_item[] = {
    {.path = "domain", .type = CONF_FQDN, .offset = offsetof(gate_bsf, domain), .required = true,
     .help = "the domain behind '@' in its B-TIDs"},
    {.path = "zn_url", .type = CONF_STRING, .offset = offsetof(gate_bsf, zn_url), .required = true,
     .help = "its Zn apiRoot, https://..., before /nbsp-gba"},
    {.path = "identities", .type = CONF_STRINGS, .offset = offsetof(gate_bsf, identities),
     .help = "whom its user security settings may name; default: identities of cse_id's domain"},
    {.path = NULL},
};
static const conf_field kms_item[] = {
    {.path = "fqdn", .type = CONF_FQDN, KMS(fqdn), .required = true,
     .help = "the FQDN behind '@' in its key identifiers"},
    {.path = "url", .type = CONF_STRING, KMS(url), .required = true, .help = "https://address:port, where it listens"},
    {.path = "psk_id", .type = CONF_STRING, KMS(psk_id), .help = "who we are to it: KmID of a MAF, KpmID of a MEF"},
    {.path = "psk_file", .type = CONF_PATH, KMS(psk_file), .help = "the key of psk_id, hexadecimal"},
    {.path = "cert", .type = CONF_PATH, KMS(cert), .help = "PEM client certificate in place of psk_id; default: cert"},
    {.path = "key", .type = CONF_PATH, KMS(key), .help = "PEM private key of that certificate; default: key"},
    {.path = "ca", .type = CONF_PATH, KMS(ca), .help = "PEM CA of its server certificate; default: ca"},
    {.path = "crl", .type = CONF_PATH, KMS(crl), .help = "PEM revocation list of that CA"},
    {.path = "identities", .type = CONF_STRINGS, KMS(identities),
     .help = "whose keys it may tell, as //sp.example.com/**; default: identities of cse_id's domain"},
    {.path = NULL},
};
static const conf_field peer_item[] = {
    {.path = "id", .type = CONF_STRING, .offset = offsetof(gate_peer, id), .required = true,
     .help = "absolute CSE-ID or AE-ID"},
    {.path = "url", .type = CONF_STRING, .offset = offsetof(gate_peer, url), .required = true,
     .help = "https://host:port, its point of access"},
    {.path = "psk_id", .type = CONF_STRING, .offset = offsetof(gate_peer, psk_id),
     .help = "KpsaID in our store; default: the key of its association with us, else our certificate"},
    {.path = NULL},
};

static const char *const poa_words[] = {"rewrite", "keep", NULL};
const conf_field gate_settings_table[] = {
    {.path = "listen", .type = CONF_LISTEN, AT(listen), .required = true,
     .help = "TLS for AEs and CSEs: all four SAEFs"},
    {.path = "egress", .type = CONF_LISTEN, AT(egress),
     .help = "plain HTTP on loopback, where the CSE sends its own requests and notifications"},
    {.path = "egress_url", .type = CONF_STRING, AT(egress_url),
     .help = "by what the CSE reaches the egress, http://host:port; default: the address of egress"},
    {.path = "egress_allow", .type = CONF_STRINGS, AT(egress_allow),
     .help = "address ranges in which registrants are contacted; default: all but link-local and metadata addresses, "
             "loopback only where listen is on loopback"},
    {.path = "registrar", .type = CONF_STRING, AT(registrar),
     .help = "id of the peer that gets what the CSE asks of nobody else known; default: the only peer; none: nobody"},
    {.path = "poa", .type = CONF_ENUM, AT(poa), .def = "rewrite", .names = poa_words,
     .help = "whether addresses that AEs and CSEs register become ones at the egress, and theirs again in what "
             "is read"},
    {.path = "cse_id", .type = CONF_STRING, AT(cse_id), .required = true,
     .help = "absolute CSE-ID of the CSE behind the gate"},
    {.path = "public_name", .type = CONF_FQDN, AT(public_name),
     .help = "its public domain name: SNI and NAF FQDN; default: cse.sp of //sp/cse"},
    {.path = "upstream", .type = CONF_STRING, AT(upstream), .required = true,
     .help = "http://127.0.0.1:PORT, the CSE's plain HTTP listener"},
    {.path = "cert", .type = CONF_PATH, AT(cert), .required = true, .help = "PEM certificate chain of the CSE-ID"},
    {.path = "key", .type = CONF_PATH, AT(key), .required = true, .help = "PEM private key of cert"},
    {.path = "ocsp", .type = CONF_PATH, AT(ocsp),
     .help = "DER OCSP answer on cert, stapled in handshakes; read again by SIGHUP"},
    {.path = "ca", .type = CONF_PATH, AT(ca),
     .help = "PEM CAs of client certificates (SAEF 2); without it PSK and known raw public keys"},
    {.path = "crl", .type = CONF_PATH, AT(crl), .help = "PEM revocation list of these CAs"},
    {.path = "tls_priority", .type = CONF_STRING, AT(priority),
     .help = "GnuTLS priority; the default is TLS 1.2 after TS-0003 10.2"},
    {.path = "bsf", .type = CONF_ITEMS, AT(bsf), .item = bsf_item, .item_size = sizeof(gate_bsf),
     .help = "BSFs whose B-TIDs are accepted (SAEF 4, SBF 3)"},
    {.path = "maf", .type = CONF_ITEMS, AT(maf), .item = kms_item, .item_size = sizeof(gate_kms),
     .help = "MAFs whose KcIDs are accepted (SAEF 3)"},
    {.path = "mef", .type = CONF_ITEMS, AT(mef), .item = kms_item, .item_size = sizeof(gate_kms),
     .help = "MEFs whose KeIDs are accepted (SBF 1, SBF 2)"},
    {.path = "peers", .type = CONF_ITEMS, AT(peers), .item = peer_item, .item_size = sizeof(gate_peer),
     .help = "whom the egress reaches beside those that registered with a pointOfAccess"},
    {.path = "zn.cert", .type = CONF_PATH, AT(zn.cert),
     .help = "PEM client certificate towards the BSFs; default: cert"},
    {.path = "zn.key", .type = CONF_PATH, AT(zn.key), .help = "PEM private key of zn.cert; default: key"},
    {.path = "zn.ca", .type = CONF_PATH, AT(zn.ca), .help = "PEM CA of the BSFs' Zn certificates; default: ca"},
    {.path = "zn.services", .type = CONF_STRINGS, AT(zn.services),
     .help = "GAA service identifiers whose user security settings are asked for: their UIDs name AE-IDs or a CSE-ID"},
    {.path = "store.url", .type = CONF_PATH, AT(store.url), .def = "sqlite:/var/lib/opengba/gate.db",
     .help = "where credentials and learned AE-IDs are kept"},
    {.path = "seal.key_file", .type = CONF_PATH, AT(seal.key_file),
     .help = "the key that seals the store; without it the systemd credential seal.key is used"},
    {.path = "new_aes", .type = CONF_BOOL, AT(new_aes), .def = "true",
     .help = "a credential without AE-ID may register an AE and is bound to the AE-ID that the CSE assigns"},
    {.path = "onem2m_only", .type = CONF_BOOL, AT(onem2m_only), .def = "true",
     .help = "no request without X-M2M-RI goes to the CSE, and no answer without X-M2M-RSC comes back: not its web pages"},
    {.path = "keys.wait_ms", .type = CONF_INT, AT(wait_ms), .def = "5000", .min = 100, .max = 60000,
     .help = "how long a handshake may wait for MAF, MEF or BSF"},
    {.path = "keys.waiting", .type = CONF_INT, AT(waiting), .def = "64", .min = 1, .max = 10000,
     .help = "handshakes that wait for MAFs, MEFs and BSFs at once, an equal share for each server; "
             "above it they fail"},
    {.path = "keys.cached", .type = CONF_INT, AT(keys), .def = "100000", .min = 16, .max = 10000000,
     .help = "keys remembered until they expire"},
    {.path = "keys.unknown_ttl", .type = CONF_DURATION, AT(unknown_ttl), .def = "10s", .min = 1, .max = 3600,
     .help = "how long an identity that its server refused is not asked for again"},
    {.path = "keys.unknown_per_source", .type = CONF_INT, AT(unknown_per_source), .def = "128", .min = 1,
     .max = 1000000,
     .help = "queries that fail, of one address in a minute"},
    {.path = "limits.connections", .type = CONF_INT, AT(connections), .def = "2000", .min = 8, .max = 100000,
     .help = "open connections at most; each has a thread"},
    {.path = "limits.per_source", .type = CONF_INT, AT(per_source), .def = "256", .min = 0, .max = 100000,
     .help = "open connections of one address (IPv6: of one /64) at most; 0: no limit"},
    {.path = "limits.exempt", .type = CONF_STRINGS, AT(exempt),
     .help = "address ranges without limits.per_source and keys.unknown_per_source, for instance carrier NAT"},
    {.path = "limits.idle", .type = CONF_DURATION, AT(idle), .def = "30s", .min = 1, .max = 3600,
     .help = "how long a connection may rest, and a request may take to arrive"},
    {.path = "limits.body", .type = CONF_SIZE, AT(body_max), .def = "1M", .min = 1024, .max = 1 << 26,
     .help = "largest body, each way; above it 413"},
    {.path = "limits.upstream_ms", .type = CONF_INT, AT(upstream_ms), .def = "10000", .min = 100, .max = 600000,
     .help = "how long the CSE, or the egress's peer, may take for a request that does not say when it expires"},
    {.path = "limits.request_max", .type = CONF_DURATION, AT(request_max), .def = "60s", .min = 1, .max = 3600,
     .help = "how long a request lives at most that says when it expires (X-M2M-RET, X-M2M-RQET)"},

    DAEMON_CONF_ROWS(gate_settings, daemon, "127.0.0.1:8086"),
    {.path = NULL},
};

gba_err gate_url(const char *url, bool *tls, char host[GATE_HOST_MAX], uint16_t *port, const char **path)
{
    bool secure = !strncasecmp(url, "https://", 8);
    const char *p = secure ? url + 8 : !strncasecmp(url, "http://", 7) ? url + 7 : NULL;
    size_t n;

    if (!p)
        return GBA_E_SYNTAX;
    bool v6 = *p == '[';
    n = v6 ? strcspn(++p, "]/") : strcspn(p, ":/?#@");
    if (!n || n >= GATE_HOST_MAX || (v6 && p[n] != ']') || memchr(p, ' ', n))
        return GBA_E_SYNTAX;
    memcpy(host, p, n);
    host[n] = 0;
    p += n + v6;
    unsigned long number = secure ? 443 : 80;
    if (*p == ':') {
        char *end;
        if (p[1] < '0' || p[1] > '9')
            return GBA_E_SYNTAX;
        number = strtoul(p + 1, &end, 10);
        p = end;
    }
    if (!number || number > 65535 || (*p && *p != '/'))
        return GBA_E_SYNTAX;
    *tls = secure;
    *port = (uint16_t)number;
    *path = p;
    return GBA_OK;
}

const char *gate_settings_seal(const gate_settings *s, char *buf, size_t n)
{
    return seal_file_path(s->seal.key_file, buf, n);
}

static bool loopback(const char *host)
{
    struct in_addr a;
    return !strcmp(host, "::1") || !strcmp(host, "localhost") ||
           (inet_pton(AF_INET, host, &a) == 1 && ntohl(a.s_addr) >> 24 == 127);
}

static void check_kms(conf *c, const gate_settings *s, const char *what, const char *title, const conf_items *list)
{
    const gate_kms *k = list->v;
    char item[64], host[GATE_HOST_MAX];
    const char *path;
    uint16_t port;
    bool tls;

    if (list->n > GBA_NAF_BSFS)
        conf_fault(c, what, "names %zu servers, at most %d are possible", list->n, GBA_NAF_BSFS);
    for (size_t i = 0; i < list->n; i++) {
        snprintf(item, sizeof item, "%s[%zu].url", what, i);
        if (k[i].url &&
            (gate_url(k[i].url, &tls, host, &port, &path) != GBA_OK || !tls || (*path && strcmp(path, "/") != 0)))
            conf_fault(c, item, "'%s' is not https://host:port", k[i].url);
        snprintf(item, sizeof item, "%s[%zu].psk_id", what, i);
        if (!!k[i].psk_id != !!k[i].psk_file)
            conf_fault(c, item, "psk_id and psk_file go together");
        if (!!k[i].cert != !!k[i].key)
            conf_fault(c, item, "cert and key of a %s go together", title);
        m2m_identities_check(c, what, i, list->n, &k[i].identities, k[i].fqdn.s, "ours");
        if (!k[i].psk_id && !k[i].ca && !s->ca)
            conf_fault(c, item, "by what does the gate know this %s? give psk_id and psk_file, or ca", title);
    }
}

static void check_peers(conf *c, const gate_settings *s)
{
    const gate_peer *p = s->peers.v;
    char item[64], host[GATE_HOST_MAX];
    const char *path;
    uint16_t port;
    gba_m2m_id id;
    bool tls;

    for (size_t i = 0; i < s->peers.n; i++) {
        snprintf(item, sizeof item, "peers[%zu].id", i);
        if (p[i].id && (gba_m2m_id_parse(gba_str(p[i].id), NULL, &id) != GBA_OK))
            conf_fault(c, item, "'%s' is not an absolute CSE-ID or AE-ID such as //sp.example.com/cse1", p[i].id);
        snprintf(item, sizeof item, "peers[%zu].url", i);
        if (p[i].url && (gate_url(p[i].url, &tls, host, &port, &path) != GBA_OK || !tls))
            conf_fault(c, item, "'%s' is not https://host:port", p[i].url);
    }
}

static void check_domains(conf *c, const gate_settings *s)
{
    static gba_fqdn bsf[GBA_NAF_BSFS], maf[GBA_NAF_BSFS], mef[GBA_NAF_BSFS];
    const gate_bsf *b = s->bsf.v;
    const gate_kms *a = s->maf.v, *e = s->mef.v;
    gba_m2m_domains d = {.at = GBA_M2M_AT_CSE, .bsf = bsf, .maf = maf, .mef = mef};
    char item[64];

    for (; d.n_bsf < s->bsf.n && d.n_bsf < GBA_NAF_BSFS; d.n_bsf++) {
        bsf[d.n_bsf] = b[d.n_bsf].domain;
        m2m_identities_check(c, "bsf", d.n_bsf, s->bsf.n, &b[d.n_bsf].identities, b[d.n_bsf].domain.s, "ours");
        snprintf(item, sizeof item, "bsf[%zu].zn_url", d.n_bsf);
        if (b[d.n_bsf].zn_url && strncasecmp(b[d.n_bsf].zn_url, "https://", 8) != 0)
            conf_fault(c, item, "'%s' does not begin with https://: keys travel under TLS only", b[d.n_bsf].zn_url);
    }
    for (; d.n_maf < s->maf.n && d.n_maf < GBA_NAF_BSFS; d.n_maf++)
        maf[d.n_maf] = a[d.n_maf].fqdn;
    for (; d.n_mef < s->mef.n && d.n_mef < GBA_NAF_BSFS; d.n_mef++)
        mef[d.n_mef] = e[d.n_mef].fqdn;
    const gba_fqdn *clash = gba_m2m_domains_clash(&d);
    if (clash)
        conf_fault(c, "maf", "%s stands twice among bsf, maf and mef: a PSK identity could not be told apart",
                   clash->s);
    uint32_t gsids[GBA_NAF_ZN_GSIDS];
    size_t n;
    conf_numbers(c, "zn.services", &s->zn.services, gsids, GBA_NAF_ZN_GSIDS, &n);
    if (s->bsf.n && (!(s->zn.ca || s->ca)))
        conf_fault(c, "zn.ca", "is missing: the BSFs' Zn certificates cannot be checked without it");
}

void gate_settings_check(conf *c, const void *settings)
{
    const gate_settings *s = settings;
    char host[GATE_HOST_MAX], buf[4096];
    const char *path;
    gba_m2m_id id;
    gba_fqdn f;
    uint16_t port;
    size_t n_exempt;
    bool tls;

    if (s->cse_id && (gba_m2m_id_parse(gba_str(s->cse_id), NULL, &id) != GBA_OK || id.kind != GBA_M2M_ID_CSE))
        conf_fault(c, "cse_id", "'%s' is not an absolute CSE-ID such as //sp.example.com/cse1", s->cse_id);
    else if (s->cse_id && !s->public_name.s[0] && gba_m2m_id_fqdn(&id, &f) != GBA_OK)
        conf_fault(c, "public_name", "is missing: '%s' gives no domain name by itself", s->cse_id);
    if (s->upstream &&
        (gate_url(s->upstream, &tls, host, &port, &path) != GBA_OK || tls || (*path && strcmp(path, "/") != 0)))
        conf_fault(c, "upstream", "'%s' is not http://127.0.0.1:PORT", s->upstream);
    else if (s->upstream && !loopback(host))
        conf_warn(c, "upstream", "%s is not loopback: whoever is on the way can speak as anyone", host);
    if (s->egress.set && !loopback(s->egress.address))
        conf_fault(c, "egress", "%s is not loopback: whoever reaches the egress speaks as the CSE", s->egress.address);
    if (s->crl && !s->ca)
        conf_fault(c, "crl", "has no use without ca");
    if (!gate_settings_seal(s, buf, sizeof buf))
        conf_fault(c, "seal.key_file",
                   "is missing: name a key file (m2m-gatectl seal create-key makes one), or give the "
                   "systemd credential seal.key");
    const char *name = s->public_name.s[0] ? s->public_name.s : NULL;
    if (!name && s->cse_id && gba_m2m_id_parse(gba_str(s->cse_id), NULL, &id) == GBA_OK && gba_m2m_id_fqdn(&id, &f) == GBA_OK)
        name = f.s;
    m2m_check_own_files(c, "cert", s->cert, name, gate_settings_seal(s, buf, sizeof buf),
                        "m2m-gatectl --config FILE seal create-key");
    check_kms(c, s, "maf", "MAF", &s->maf);
    check_kms(c, s, "mef", "MEF", &s->mef);
    check_peers(c, s);
    gate_reach_check(c, s);
    conf_cidrs(c, "limits.exempt", &s->exempt, NULL, &n_exempt);
    check_domains(c, s);
}
