/* SPDX-License-Identifier: Apache-2.0 */
/*
 * m2m_client.c - a client for scripts: m2m_client PORT SNI (psk ID HEX | cert CA [CERT KEY] | raw CA|SHA256 KEY) LABEL ORIGIN
 * {METHOD TARGET TYPE BODY}...; "-" stands for none. Prints the suite, the export in hexadecimal, and a
 * line "STATUS RSC LOCATION BODY" a request.
 */
#include <gba/onem2m.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onem2m-binding/names.h"
#include "onem2m-binding/peer.h"

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static int ask(m2m_peer *p, const char *origin, char **a)
{
    bool typed = strcmp(a[2], "-") != 0;
    m2m_field f[4] = {{M2M_H_RI, "r1"}, {M2M_H_RVI, M2M_RVI}};
    size_t n = 2;
    m2m_answer out;

    if (strcmp(origin, "-") != 0)
        f[n++] = (m2m_field){M2M_H_ORIGIN, origin};
    if (typed)
        f[n++] = (m2m_field){"Content-Type", a[2]};
    gba_err e = m2m_peer_request(p, a[0], a[1], f, n, strcmp(a[3], "-") ? gba_str(a[3]) : (gba_span){0}, &out);
    if (e != GBA_OK) {
        printf("error %s\n", gba_err_name(e));
        return 1;
    }
    printf("%u %s %s %.*s\n", out.status, or_dash(m2m_answer_field(&out, M2M_H_RSC)), or_dash(m2m_answer_field(&out, M2M_H_LOCATION)),
           out.body.n ? (int)out.body.n : 1, out.body.n ? (const char *)out.body.p : "-");
    m2m_answer_free(&out);
    return 0;
}

int main(int argc, char **argv)
{
    m2m_peer_config c = {.host = "127.0.0.1", .total_ms = 10000};
    gba_secret psk = {.n = sizeof psk.o}, exported;
    char why[256] = "", hex[2 * GBA_SECRET_MAX + 1];
    uint8_t server[32];
    m2m_peer *p;
    int at = 4;

    if (argc < 8)
        return 2;
    c.port = (uint16_t)strtoul(argv[1], NULL, 10);
    c.sni = argv[2];
    if (!strcmp(argv[3], "psk")) {
        c.psk_identity = gba_str(argv[at++]);
        if (gba_hex_decode(gba_str(argv[at++]), psk.o, &psk.n) != GBA_OK)
            return 2;
        c.psk = &psk;
    } else if (!strcmp(argv[3], "raw")) {
        size_t n = sizeof server;
        if (gba_hex_decode(gba_str(argv[at]), server, &n) == GBA_OK && n == sizeof server)
            c.expect_key = server;
        else
            c.ca_file = argv[at];
        c.key_file = argv[at + 1];
        c.raw_key = true;
        at += 2;
    } else {
        c.ca_file = argv[at++];
        if (strcmp(argv[at], "-") != 0) {
            c.cert_file = argv[at++];
            c.key_file = argv[at++];
        } else {
            at++;
        }
    }
    const char *label = argv[at++], *origin = argv[at++];
    gba_err e = m2m_peer_open(&c, &p, why, sizeof why);
    if (e != GBA_OK) {
        printf("refused %s %s\n", gba_err_name(e), why);
        return 3;
    }
    e = m2m_peer_export(p, label, &exported);
    gba_hex_encode(exported.o, exported.n, hex);
    printf("%s %s\n", m2m_peer_suite_name(p), e == GBA_OK ? hex : gba_err_name(e));
    int rc = 0;
    for (; rc == 0 && argc - at >= 4; at += 4)
        rc = ask(p, origin, argv + at);
    m2m_peer_close(&p);
    return rc;
}
