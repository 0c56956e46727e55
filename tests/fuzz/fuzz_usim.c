/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_usim.c - a device's files: the seal around them, and the records under the right key. */
#include <stdlib.h>
#include <string.h>
#include "ue/file.h"
#include "ue/session.h"
#include "ue/uicc_soft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

/* What parses prints to a record that parses to the same. */
static void usim(gba_span in)
{
    soft_usim s, back;
    uint8_t out[SOFT_USIM_MAX];
    size_t n = sizeof out;
    if (soft_usim_parse(in, &s))
        return;
    need(soft_usim_print(&s, out, &n) == GBA_OK);
    need(soft_usim_parse(gba_mem(out, n), &back) == GBA_OK);
    need(memcmp(&s.array, &back.array, sizeof s.array) == 0 && strcmp(s.impi.s, back.impi.s) == 0);
}

static void session(gba_span in)
{
    gba_ue_session s, back;
    uint8_t out[UE_SESSION_MAX];
    size_t n = sizeof out;
    if (ue_session_parse(in, &s))
        return;
    need(ue_session_print(&s, out, &n) == GBA_OK);
    need(ue_session_parse(gba_mem(out, n), &back) == GBA_OK);
    need(s.expires == back.expires && strcmp(s.btid.s, back.btid.s) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const gba_secret key = {.n = GBA_SEAL_KEY};
    uint8_t plain[UE_FILE_MAX];
    size_t room = sizeof plain;
    gba_span in = gba_mem(data, n);
    usim(in);
    session(in);
    if (ue_sealed_parse("USIM", &key, in, plain, &room) == GBA_OK)
        usim(gba_mem(plain, room));
    return 0;
}
