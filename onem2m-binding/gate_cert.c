/* SPDX-License-Identifier: Apache-2.0 */
/* gate_cert.c - SAEF 2: what a verified client certificate's names say (TS-0003 8.1.2.5, 10.1.1, 10.4). */
#include <stdio.h>
#include <string.h>
#include "onem2m-binding/gate.h"

/* The project's profile for what TS-0003 does not spell out: a Node-ID certificate has this URI. */
#define NODE_URN "urn:onem2m:node:"

/* A DER OBJECT IDENTIFIER or RELATIVE-OID in dotted form. */
static bool dotted(const uint8_t *p, size_t n, bool relative, char *out, size_t room)
{
    size_t at = 0;
    uint64_t v = 0;
    bool first = !relative;

    for (size_t i = 0; i < n; i++) {
        if (v >> 50)
            return false;
        v = v << 7 | (p[i] & 0x7f);
        if (p[i] & 0x80)
            continue;
        if (first) {
            unsigned top = v < 40 ? 0 : v < 80 ? 1 : 2;
            at += (size_t)snprintf(out + at, room - at, "%u.", top);
            v -= 40 * top;
            first = false;
        }
        at += (size_t)snprintf(out + at, room - at, "%s%llu", at && out[at - 1] != '.' ? "." : "", (unsigned long long)v);
        if (at >= room)
            return false;
        v = 0;
    }
    return n > 0 && !(p[n - 1] & 0x80);
}

/* A device's hardware instance identifier: type-id arc, then the remaining arcs or a text; else hex. */
static bool device_value(const tls_name *name, char *out, size_t room)
{
    uint8_t der[260];
    size_t n = sizeof der, at;

    if (gba_hex_decode(gba_str(name->text), der, &n) != GBA_OK || n < 2)
        return false;
    at = (size_t)snprintf(out, room, "%s.", name->oid);
    if (at >= room)
        return false;
    if ((der[0] == 0x06 || der[0] == 0x0d) && der[1] == n - 2)
        return dotted(der + 2, n - 2, der[0] == 0x0d, out + at, room - at);
    bool text = (der[0] == 0x0c || der[0] == 0x13 || der[0] == 0x16) && der[1] == n - 2;
    if (text) {
        int len = snprintf(out + at, room - at, "%.*s", (int)(n - 2), (const char *)der + 2);
        return len > 0 && (size_t)len < room - at && (size_t)len == n - 2;
    }
    return (size_t)snprintf(out + at, room - at, "%s", name->text) < room - at;
}

static void no_one(gate_who *w, const char *why)
{
    w->why = why;
    w->n = 0;
    w->bound = GBA_M2M_BOUND_NONE;
}

static bool set_credential(gate_who *w, unsigned type, const char *value)
{
    if (w->credential[0])
        return true; /* the first of several names is who it is */
    return gba_m2m_credential_id(type, gba_str(value), w->credential) == GBA_OK;
}

/* AE-ID certificate: URI = absolute AE-ID, octet for octet. */
static bool take_uri(gate_who *w, const char *uri, gba_m2m_id *ids, size_t *n)
{
    char value[GBA_M2M_ID_MAX + 1];

    if (!strncmp(uri, NODE_URN, strlen(NODE_URN)))
        return set_credential(w, 34, uri + strlen(NODE_URN));
    if (*n >= GATE_IDS_MAX || gba_m2m_id_parse(gba_str(uri), NULL, &ids[*n]) != GBA_OK || !gba_m2m_id_is_ae(&ids[*n]))
        return false;
    /* the grammar of 10.4 has no '/': the FQDN form stands for it, if there is one */
    gba_fqdn f;
    if (gba_m2m_id_fqdn(&ids[*n], &f) == GBA_OK)
        snprintf(value, sizeof value, "%s", f.s);
    else
        snprintf(value, sizeof value, "%s", ids[*n].stem);
    ++*n;
    return set_credential(w, 33, value);
}

/* CSE-ID certificate: its public domain name, cse.sp of //sp/cse for a CSE of our SP. */
static bool take_dns(const gba_m2m_id *cse, gate_who *w, const char *dns, gba_m2m_id *ids, size_t *n)
{
    char text[GBA_M2M_ID_MAX + 1];
    const char *dot = strchr(dns, '.');

    if (!set_credential(w, 32, dns))
        return false;
    if (!dot || strcmp(dot + 1, cse->sp.s) != 0)
        return true; /* the book may know it */
    snprintf(text, sizeof text, "//%s/%.*s", cse->sp.s, (int)(dot - dns), dns);
    if (*n < GATE_IDS_MAX && gba_m2m_id_parse(gba_str(text), NULL, &ids[*n]) == GBA_OK && ids[*n].kind == GBA_M2M_ID_CSE)
        ++*n;
    return true;
}

typedef struct flavours {
    bool ae, cse, node, device;
    const tls_name *key;
} flavours;

static flavours look(const tls_name *names, size_t n)
{
    flavours f = {0};
    for (size_t i = 0; i < n; i++) {
        f.ae |= names[i].kind == TLS_NAME_URI && !strncmp(names[i].text, "//", 2);
        f.node |= names[i].kind == TLS_NAME_URI && !strncmp(names[i].text, NODE_URN, strlen(NODE_URN));
        f.cse |= names[i].kind == TLS_NAME_DNS;
        f.device |= names[i].kind == TLS_NAME_OTHER;
        if (names[i].kind == TLS_NAME_KEY)
            f.key = &names[i];
    }
    return f;
}

/* RFC 6920's sha-256, in hexadecimal: its "ni" form has characters that a Credential-ID has not */
bool gate_key_credential(const char *sha256_hex, char out[GBA_M2M_CREDENTIAL_ID_MAX + 1])
{
    char value[80];
    return snprintf(value, sizeof value, "sha-256_%.64s", sha256_hex) == 8 + 64 &&
           gba_m2m_credential_id(30, gba_str(value), out) == GBA_OK;
}

void gate_cert_who(const gba_m2m_id *cse, const tls_name *names, size_t n, gate_who *out)
{
    gba_m2m_id ids[GATE_IDS_MAX];
    char value[GBA_ID_MAX + 1];
    size_t n_ids = 0;
    flavours f = look(names, n);
    bool ok = true;

    memset(out, 0, sizeof *out);
    out->framework = GBA_M2M_SAEF_2;
    if (f.ae + f.cse + f.node + f.device > 1) {
        no_one(out, "mixed_flavours");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (names[i].kind == TLS_NAME_URI && (f.ae || f.node))
            ok = take_uri(out, names[i].text, ids, &n_ids) && ok;
        else if (names[i].kind == TLS_NAME_DNS)
            ok = take_dns(cse, out, names[i].text, ids, &n_ids) && ok;
        else if (names[i].kind == TLS_NAME_OTHER)
            ok = device_value(&names[i], value, sizeof value) && set_credential(out, 31, value) && ok;
    }
    if (!(f.ae || f.cse || f.node || f.device)) { /* a raw public key, or no name at all */
        ok = f.key && gate_key_credential(f.key->text, out->credential);
    }
    if (!ok || !out->credential[0])
        no_one(out, "wrong_flavour");
    else if (f.cse && n_ids > 1)
        no_one(out, "several_cse_ids");
    else if (n_ids && gate_who_ids(out, ids, n_ids) != GBA_OK)
        no_one(out, "no_memory");
}
