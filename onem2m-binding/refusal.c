/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c - see refusal.h */
#include "onem2m-binding/refusal.h"
#include "onem2m-binding/names.h"

size_t m2m_refusal(const http_req *r, unsigned status, http_field f[2])
{
    /* TS-0009 6.3.2 maps response status codes to HTTP; of what HTTP alone refuses, the nearest */
    const char *rsc = status == 403   ? "4107" /* no client certificate */
                      : status == 501 ? "5001"
                      : status >= 500 ? "5000"
                                      : "4000";
    const char *ri = status == 413 ? http_header(r, M2M_H_RI) : NULL; /* the head has been judged */

    f[0] = (http_field){M2M_H_RSC, rsc};
    if (ri)
        f[1] = (http_field){M2M_H_RI, ri};
    return ri ? 2 : 1;
}
