/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_bsf PORT CERT KEY CLIENT_CA: serves until standard input ends; prints its port.
 * fake_bsf password BTID FQDN UA_HEX: the Ua Digest password of the key it would give out.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <gba/kdf.h>
#include "tests/fake_bsf.h"

static int password(char **v)
{
    gba_naf_id naf;
    gba_secret key = {0}, pw = {0};
    if (gba_fqdn_parse(gba_str(v[1]), &naf.fqdn) != GBA_OK || gba_ua_id_parse(gba_str(v[2]), &naf.ua) != GBA_OK)
        return 2;
    fake_bsf_key(v[0], &naf, &key);
    if (gba_ua_password(&key, &pw) != GBA_OK)
        return 1;
    printf("%.*s\n", (int)pw.n, (const char *)pw.o);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "password"))
        return password(argv + 2);
    if (argc != 5)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    fake_bsf *f = fake_bsf_start((uint16_t)strtoul(argv[1], NULL, 10), argv[2], argv[3], argv[4]);
    if (!f)
        return 1;
    printf("%u\n", fake_bsf_port(f));
    fflush(stdout);
    char c;
    while (read(0, &c, 1) > 0)
        ;
    fake_bsf_stop(&f);
    return 0;
}
