/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_ended.c - certificates that the operator has ended, by removal or from a time on. Their names would speak for
 * themselves, or a device be new once more: so a record says that they do not, until they are added again. What comes
 * by a pre-shared key is nobody's without its record.
 */
#include <stdio.h>
#include <stdlib.h>
#include "onem2m-binding/gate.h"

bool gate_is_certificate(const char *credential)
{
    return credential[0] == '3'; /* types 30 to 34 (TS-0003 10.4) */
}

store_op gate_ended_op(const char *credential, int64_t since, char text[24])
{
    snprintf(text, 24, "%lld", (long long)since);
    return (store_op){.type = since ? STORE_PUT : STORE_TAKE,
                      .kind = (store_kind)GATE_ENDED,
                      .key = gba_str(credential),
                      .value = since ? gba_str(text) : (gba_span){0},
                      .optional = true};
}

int64_t gate_ended_since(gba_span value)
{
    char text[24];
    snprintf(text, sizeof text, "%.*s", (int)(value.n < sizeof text ? value.n : sizeof text - 1),
             (const char *)value.p);
    return strtoll(text, NULL, 10); /* 0 of what is none: long ago */
}

bool gate_has_ended(store *s, const char *credential)
{
    store_record rec = {0};
    gba_err e = store_get_recent(s, (store_kind)GATE_ENDED, gba_str(credential), service_now(), &rec);
    bool ended = e == GBA_OK ? gate_ended_since(gba_mem(rec.value, rec.n)) <= service_now() : e != GBA_E_UNKNOWN;

    store_record_free(&rec);
    if (e != GBA_OK && e != GBA_E_UNKNOWN)
        log_event(LOG_LEVEL_ERROR, "gate.store_unreadable", "hint", "the certificate counts as ended", NULL);
    return ended;
}
