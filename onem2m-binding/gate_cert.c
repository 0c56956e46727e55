/* SPDX-License-Identifier: Apache-2.0 */
/* gate_cert.c - SAEF 2: what a verified client certificate's names say (TS-0003 8.1.2.5, 10.1.1, 10.4). */
#include <stdio.h>
#include <string.h>
#include "onem2m-binding/cert_id.h"
#include "onem2m-binding/gate.h"

static void no_one(gate_who *w, const char *why)
{
    w->why = why;
    w->n = 0;
    w->bound = GBA_M2M_BOUND_NONE;
}

static bool set_credential(gate_who *w, const tls_name *name)
{
    char text[sizeof w->credential];

    if (!m2m_name_credential(name, text))
        return false;
    if (!w->credential[0]) /* the first of several names is who it is */
        memcpy(w->credential, text, sizeof text);
    return true;
}

/* AE-ID certificate: URI = absolute AE-ID, octet for octet. */
static bool take_uri(gate_who *w, const tls_name *name, gba_m2m_id *ids, size_t *n)
{
    if (m2m_name_is_node(name))
        return set_credential(w, name);
    if (*n >= GATE_IDS_MAX || gba_m2m_id_parse(gba_str(name->text), NULL, &ids[*n]) != GBA_OK ||
        !gba_m2m_id_is_ae(&ids[*n]))
        return false;
    ++*n;
    return set_credential(w, name);
}

/* CSE-ID certificate: its public domain name, cse.sp of //sp/cse for a CSE of our SP, in the CA's spelling. */
static bool take_dns(const gba_m2m_id *cse, gate_who *w, const tls_name *name, gba_m2m_id *ids, size_t *n)
{
    char text[GBA_M2M_ID_MAX + 1];
    const char *dns = name->text, *dot = strchr(dns, '.');

    if (!set_credential(w, name))
        return false;
    if (!dot || strcmp(dot + 1, cse->sp.s) != 0)
        return true; /* the book may know it */
    snprintf(text, sizeof text, "//%s/%.*s", cse->sp.s, (int)(dot - dns), dns);
    if (*n < GATE_IDS_MAX && gba_m2m_id_parse(gba_str(text), NULL, &ids[*n]) == GBA_OK &&
        ids[*n].kind == GBA_M2M_ID_CSE)
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
        f.node |= m2m_name_is_node(&names[i]);
        f.cse |= names[i].kind == TLS_NAME_DNS;
        f.device |= names[i].kind == TLS_NAME_OTHER;
        if (names[i].kind == TLS_NAME_KEY)
            f.key = &names[i];
    }
    return f;
}

void gate_cert_who(const gba_m2m_id *cse, const tls_name *names, size_t n, gate_who *out)
{
    gba_m2m_id ids[GATE_IDS_MAX];
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
            ok = take_uri(out, &names[i], ids, &n_ids) && ok;
        else if (names[i].kind == TLS_NAME_DNS)
            ok = take_dns(cse, out, &names[i], ids, &n_ids) && ok;
        else if (names[i].kind == TLS_NAME_OTHER)
            ok = set_credential(out, &names[i]) && ok;
    }
    if (!(f.ae || f.cse || f.node || f.device)) { /* a raw public key, or no name at all */
        ok = f.key && set_credential(out, f.key);
    }
    if (!ok || !out->credential[0])
        no_one(out, "wrong_flavour");
    else if (f.cse && n_ids > 1)
        no_one(out, "several_cse_ids");
    else if (f.cse && n_ids && gba_m2m_id_eq(&ids[0], cse))
        no_one(out, "our_cse_id");
    else if (n_ids && gate_who_ids(out, ids, n_ids) != GBA_OK)
        no_one(out, "no_memory");
}
