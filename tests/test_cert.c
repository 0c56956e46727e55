/* SPDX-License-Identifier: Apache-2.0 */
/* test_cert.c - name constraints of URIs (RFC 5280 4.2.1.10); whole chains are in test_m2m_gate.sh. */
#include <string.h>
#include "service/cert.h"
#include "tests/t_main.h"

static void uris(void)
{
    static const struct {
        const char *uri, *constraint;
        bool in;
    } rows[] = {
        {"//sp.example.com/cse1/C1", "sp.example.com", true},
        {"//SP.example.com/cse1/C1", "sp.Example.com", true},
        {"//sp.example.com", "sp.example.com", true},
        {"//sp.example.com/cse1/C1", ".example.com", true},
        {"//a.b.example.com/x", ".example.com", true},
        {"https://sp.example.com:8443/x?y#z", "sp.example.com", true},
        {"https://user@sp.example.com/x", "sp.example.com", true},
        {"https://user:word@sp.example.com/x", "sp.example.com", true},
        {"//sp.example.com/cse1/C1", ".sp.example.com", false}, /* below it, not itself */
        {"//in.sp.example.com/cse1/C1", "sp.example.com", false}, /* that host alone */
        {"//evilsp.example.com/x", "sp.example.com", false},
        {"//sp.example.com.evil.org/x", "sp.example.com", false},
        {"//other.org/sp.example.com", "sp.example.com", false},
        {"https://sp.example.com@other.org/", "sp.example.com", false},
        {"https://sp.example.com:1@other.org/", "sp.example.com", false},
        {"//other.org?//sp.example.com/", "sp.example.com", false},
        {"/x//sp.example.com/", "sp.example.com", false},
        {"x//sp.example.com/", "sp.example.com", false},
        {"urn:onem2m:node:7", ".example.com", false},
        {"//[::1]/x", "::1", false},
        {"//", "", false},
        {"//sp.example.com/", "", false},
        {"", "sp.example.com", false},
        {"//example.com", ".", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool in = cert_uri_in(gba_str(rows[i].uri), gba_str(rows[i].constraint));
        CU_ASSERT_EQUAL(in, rows[i].in);
        if (in != rows[i].in)
            printf("\n  '%s' in '%s'", rows[i].uri, rows[i].constraint);
    }
}

T_MAIN("cert", {"URIs in name constraints", uris})
