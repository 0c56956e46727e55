/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_minimal.c - a device: bootstraps with a software USIM when no session is stored, prints the
 * B-TID, and writes the key for one NAF to a file, as hexadecimal digits. See docs/linking-a-ue.md.
 *
 *   ue_minimal USIM BSF_URL BSF_DOMAIN STATE_DIR NAF_FQDN UA_ID KEY_FILE
 *
 *   cc ue_minimal.c $(pkg-config --cflags --libs gbaue)
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gba/ue.h>

static void progress(void *arg, int level, const char *line)
{
    (void)arg;
    if (level == 1)
        fprintf(stderr, "ue_minimal: %s\n", line);
}

static int write_key(const char *path, const gba_secret *key)
{
    char hex[2 * GBA_SECRET_MAX + 2];
    gba_hex_encode(key->o, key->n, hex);
    size_t n = 2 * key->n;
    hex[n++] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, hex, n) == (ssize_t)n;
    gba_wipe(hex, sizeof hex);
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    if (!ok)
        perror(path);
    return ok ? 0 : 1;
}

static int run(gba_ue *ue, const gba_naf_id *naf, const char *key_file)
{
    GBA_SECRET_SCOPED key = {0};
    gba_ue_session session;
    gba_err e = gba_ue_naf_key(ue, naf, &key, &session); /* runs Ub if needed */
    if (e != GBA_OK)
        return fprintf(stderr, "ue_minimal: %s\n", gba_ue_text(ue)), 1;
    printf("%s\n", session.btid.s);
    gba_ue_session_wipe(&session);
    return write_key(key_file, &key);
}

int main(int argc, char **argv)
{
    char text[GBA_UE_TEXT] = "";
    gba_uicc *card = NULL;
    gba_ue_carrier carrier = {0};
    gba_ue *ue = NULL;
    gba_naf_id naf;
    int rc = 1;
    if (argc != 8)
        return fprintf(stderr, "usage: ue_minimal USIM BSF_URL BSF_DOMAIN STATE_DIR NAF_FQDN UA_ID KEY_FILE\n"), 2;
    gba_ue_config c = {.bsf_url = argv[2], .state_dir = argv[4], .trace = progress};
    if (gba_fqdn_parse(gba_str(argv[3]), &c.bsf) != GBA_OK || gba_fqdn_parse(gba_str(argv[5]), &naf.fqdn) != GBA_OK ||
        gba_ua_id_parse(gba_str(argv[6]), &naf.ua) != GBA_OK)
        return fprintf(stderr, "ue_minimal: not two FQDNs and ten hexadecimal digits\n"), 2;

    const gba_uicc_seal seal = {0};                 /* a key file beside each sealed file; give a callback instead */
    const gba_ue_carrier_config net = {0};          /* the system's CA certificates */
    if (gba_uicc_soft_open(argv[1], &seal, &card, text) != GBA_OK)
        goto done;
    if (gba_ue_carrier_curl(&net, &carrier) != GBA_OK) {
        snprintf(text, sizeof text, "this build of libgbaue has no HTTP carrier");
        goto done;
    }
    c.uicc = card;
    c.carrier = carrier;
    if (gba_ue_new(&c, &ue, text) != GBA_OK)
        goto done;
    rc = run(ue, &naf, argv[7]);
done:
    if (!ue)
        fprintf(stderr, "ue_minimal: %s\n", text);
    gba_ue_free(&ue);
    gba_ue_carrier_free(&carrier);
    gba_uicc_free(&card);
    return rc;
}
