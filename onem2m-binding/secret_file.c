/* SPDX-License-Identifier: Apache-2.0 */
/* secret_file.c - a symmetric key in a file; the files of a server. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "onem2m-binding/secret_file.h"
#include "service/cert.h"
#include "service/seal_file.h"

gba_err m2m_read_secret(const char *file, gba_secret *out, char *why, size_t why_n)
{
    char text[2 * GBA_SECRET_MAX + 64];
    size_t n = 0, len = sizeof out->o;
    ssize_t r = 1;
    int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;

    gba_secret_wipe(out);
    if (fd < 0) {
        snprintf(why, why_n, "%s: cannot be read: %s", file, strerror(errno));
        return GBA_E_IO;
    }
    while (n < sizeof text - 1 && (r = read(fd, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)r;
    if (fd != STDIN_FILENO)
        close(fd);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
        n--;
    gba_err e = r < 0 ? GBA_E_IO : gba_hex_decode(gba_mem(text, n), out->o, &len);
    if (e == GBA_E_SYNTAX && n > 7 && !memcmp(text, "base64:", 7)) {
        len = sizeof out->o;
        e = gba_b64_decode(gba_mem(text + 7, n - 7), out->o, &len);
    }
    gba_wipe(text, sizeof text);
    if (e == GBA_OK && len < 16)
        e = GBA_E_RANGE;
    if (e == GBA_OK) {
        out->n = len;
        return GBA_OK;
    }
    gba_wipe(out, sizeof *out);
    snprintf(why, why_n, "%s: is no key: 16 to %d octets as hexadecimal digits, or base64: and their base64", file,
             GBA_SECRET_MAX);
    return e == GBA_E_IO ? GBA_E_IO : GBA_E_SYNTAX;
}

void m2m_check_own_files(conf *c, const char *cert_setting, const char *cert, const char *fqdn, const char *seal,
                         const char *make)
{
    SEAL_KEYS_SCOPED keys;
    char why[1024] = "";
    memset(&keys, 0, sizeof keys);

    if (cert && fqdn && cert_file_is_for(cert, fqdn, why, sizeof why) != GBA_OK)
        conf_fault(c, cert_setting, "%s", why);
    if (!seal)
        return;
    gba_err e = seal_file_load(seal, &keys, why, sizeof why);
    if (e == GBA_E_UNKNOWN) /* the text of a store that stands would frighten who begins */
        conf_fault(c, "seal.key_file", "%s: is not there: restore it, or, for a new store, make it: %s", seal, make);
    else if (e != GBA_OK)
        conf_fault(c, "seal.key_file", "%s", why);
}
