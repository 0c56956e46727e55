/* SPDX-License-Identifier: Apache-2.0 */
/* cert_id.c - a certificate's name as a Credential-ID. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "onem2m-binding/cert_id.h"

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
        at +=
            (size_t)snprintf(out + at, room - at, "%s%llu", at && out[at - 1] != '.' ? "." : "", (unsigned long long)v);
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

bool m2m_name_is_node(const tls_name *n)
{
    return n->kind == TLS_NAME_URI && !strncmp(n->text, NODE_URN, strlen(NODE_URN));
}

void m2m_fold_domain(char *dns)
{
    for (char *p = strchr(dns, '.'); p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
}

bool m2m_name_is_cse(const tls_name *n, const gba_m2m_id *cse)
{
    const char *dot = strchr(n->text, '.');

    if (n->kind != TLS_NAME_DNS || cse->kind != GBA_M2M_ID_CSE || !dot || strcmp(dot + 1, cse->sp.s) != 0)
        return false;
    return gba_span_eq(gba_mem(n->text, (size_t)(dot - n->text)), gba_str(cse->cse));
}

bool m2m_id_same_but_case(const gba_m2m_id *a, const gba_m2m_id *b)
{
    return a->kind == b->kind && !gba_m2m_id_eq(a, b) && !strcmp(a->sp.s, b->sp.s) && !strcasecmp(a->cse, b->cse) &&
           !strcasecmp(a->stem, b->stem);
}

/* The grammar of 10.4 has no '/': an AE-ID's FQDN form, in its own spelling, stands for it, if there is one. */
static bool ae_value(const char *uri, char *out, size_t room)
{
    gba_m2m_id id;
    gba_fqdn f;

    if (gba_m2m_id_parse(gba_str(uri), NULL, &id) != GBA_OK || !gba_m2m_id_is_ae(&id))
        return false;
    if (gba_m2m_id_fqdn(&id, &f) != GBA_OK)
        return (size_t)snprintf(out, room, "%s", id.stem) < room;
    return (size_t)snprintf(out, room, "%s%s%s.%s", id.stem, id.cse[0] ? "." : "", id.cse, id.sp.s) < room;
}

bool m2m_name_credential(const tls_name *n, char out[GBA_M2M_CREDENTIAL_ID_MAX + 1])
{
    char value[GBA_ID_MAX + 1];
    unsigned type = 0;
    bool ok = false;

    switch (n->kind) {
    case TLS_NAME_DNS:
        type = 32;
        ok = (size_t)snprintf(value, sizeof value, "%s", n->text) < sizeof value;
        break;
    case TLS_NAME_URI:
        type = m2m_name_is_node(n) ? 34 : 33;
        ok = type == 34 ? (size_t)snprintf(value, sizeof value, "%s", n->text + strlen(NODE_URN)) < sizeof value
                        : ae_value(n->text, value, sizeof value);
        break;
    case TLS_NAME_OTHER:
        type = 31;
        ok = device_value(n, value, sizeof value);
        break;
    case TLS_NAME_KEY: /* RFC 6920's sha-256, in hexadecimal: its "ni" form has characters that a Credential-ID has not
                        */
        type = 30;
        ok = snprintf(value, sizeof value, "sha-256_%.64s", n->text) == 8 + 64;
        break;
    }
    return ok && gba_m2m_credential_id(type, gba_str(value), out) == GBA_OK;
}

bool m2m_key_credential(const uint8_t sha256[32], char out[GBA_M2M_CREDENTIAL_ID_MAX + 1])
{
    tls_name n = {.kind = TLS_NAME_KEY};
    gba_hex_encode(sha256, 32, n.text);
    return m2m_name_credential(&n, out);
}
