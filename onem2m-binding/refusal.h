/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.h - what gate, MAF and MEF say with a refusal before any handler. */
#ifndef ONEM2M_REFUSAL_H
#define ONEM2M_REFUSAL_H
#include "service/http.h"

/* X-M2M-RSC, and X-M2M-RI where the head is in order (TS-0009 6.4): for http_config. */
size_t m2m_refusal(const http_req *r, unsigned status, http_field f[2]);
#endif
