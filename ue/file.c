/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - a device's files: sealed, replaced as a whole, locked. */
#include "config.h"

#include "ue/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

gba_err ue_say(char text[GBA_UICC_TEXT], gba_err e, const char *fmt, ...)
{
    if (!text)
        return e;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, GBA_UICC_TEXT, fmt, ap);
    va_end(ap);
    return e;
}

gba_err ue_random(uint8_t *out, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);
        if (got < 0 && errno != EINTR)
            return GBA_E_IO;
        if (got > 0) {
            out += got;
            n -= (size_t)got;
        }
    }
    return GBA_OK;
}

/* ---- plain files ---- */

/* Reads to the end; false: errno says why (EFBIG: longer than the room). */
static bool read_all(int fd, uint8_t *out, size_t *n)
{
    size_t have = 0;
    for (;;) {
        uint8_t spare;
        bool full = have == *n;
        ssize_t got = read(fd, full ? &spare : out + have, full ? 1 : *n - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        if (full) {
            errno = EFBIG;
            return false;
        }
        have += (size_t)got;
    }
    *n = have;
    return true;
}

static bool write_all(int fd, gba_span data)
{
    while (data.n > 0) {
        ssize_t put = write(fd, data.p, data.n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        data.p += put;
        data.n -= (size_t)put;
    }
    return true;
}

gba_err ue_file_read(const char *path, void *out, size_t *n, char text[GBA_UICC_TEXT])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return ue_say(text, errno == ENOENT ? GBA_E_UNKNOWN : GBA_E_IO, "%s: %s", path, strerror(errno));
    struct stat st;
    gba_err e = GBA_OK;
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
        e = ue_say(text, GBA_E_SYNTAX, "%s: not a regular file", path);
    else if (!read_all(fd, out, n))
        e = ue_say(text, errno == EFBIG ? GBA_E_RANGE : GBA_E_IO, "%s: %s", path, strerror(errno));
    close(fd);
    return e;
}

/* A rename or link is durable once its folder is. */
static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(folder, sizeof folder, ".");
    else
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    /* some file systems cannot sync a folder: then the rename is as durable as it gets */
    bool ok = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    close(fd);
    return ok;
}

gba_err ue_file_replace(const char *path, gba_span data, bool overwrite, char text[GBA_UICC_TEXT])
{
    char fresh[PATH_MAX];
    int n = snprintf(fresh, sizeof fresh, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof fresh)
        return ue_say(text, GBA_E_RANGE, "%.200s...: the path is too long", path);
    int fd = mkostemp(fresh, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return ue_say(text, GBA_E_IO, "%s: cannot write beside it: %s", path, strerror(errno));
    bool ok = write_all(fd, data) && fsync(fd) == 0;
    int why = ok ? 0 : errno;
    close(fd);
    if (ok && (overwrite ? rename(fresh, path) : link(fresh, path)) != 0) {
        ok = false;
        why = errno;
    }
    if (!ok || !overwrite)
        unlink(fresh);
    if (!ok && why == EEXIST)
        return ue_say(text, GBA_E_FORBIDDEN, "%s exists already", path);
    if (!ok)
        return ue_say(text, GBA_E_IO, "%s: cannot write: %s", path, strerror(why));
    if (!sync_folder_of(path))
        return ue_say(text, GBA_E_IO, "%s: cannot sync its folder: %s", path, strerror(errno));
    return GBA_OK;
}

gba_err ue_folder_make(const char *path, char text[GBA_UICC_TEXT])
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return ue_say(text, GBA_E_RANGE, "state folder: the path is empty or too long");
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return ue_say(text, GBA_E_IO, "%s: cannot make the folder: %s", part, strerror(errno));
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return ue_say(text, GBA_E_IO, "%s: not a folder", path);
    return GBA_OK;
}

gba_err ue_lock_take(const char *path, int *fd, char text[GBA_UICC_TEXT])
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (*fd < 0)
        return ue_say(text, GBA_E_IO, "%s: cannot lock: %s", path, strerror(errno));
    const struct timespec pause = {0, 20 * 1000 * 1000};
    for (int i = 0; i < UE_LOCK_WAIT_S * 50; i++) {
        if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
            return GBA_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        nanosleep(&pause, NULL);
    }
    gba_err e = ue_say(text, errno == EWOULDBLOCK ? GBA_E_BUSY : GBA_E_IO, "%s: another process holds it: %s", path,
                       strerror(errno));
    ue_lock_drop(fd);
    return e;
}

void ue_lock_drop(int *fd)
{
    if (*fd >= 0) {
        flock(*fd, LOCK_UN); /* a forked child may hold the same description open */
        close(*fd);
    }
    *fd = -1;
}

/* ---- the sealing key ---- */

static gba_err key_from_file(const char *path, gba_secret *out, char text[GBA_UICC_TEXT])
{
    char hex[2 * GBA_SEAL_KEY + 8];
    size_t n = sizeof hex;
    struct stat st;
    gba_err e = ue_file_read(path, hex, &n, text);
    if (e == GBA_E_RANGE)
        e = ue_say(text, GBA_E_SYNTAX, "%s: a key file holds 64 hexadecimal digits", path);
    if (e)
        return e;
    if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO))
        e = ue_say(text, GBA_E_FORBIDDEN, "%s: others may read this key (mode %03o): chmod 600 %s", path,
                   (unsigned)st.st_mode & 0777, path);
    while (n > 0 && (hex[n - 1] == '\n' || hex[n - 1] == '\r'))
        n--;
    size_t room = GBA_SEAL_KEY;
    if (!e && (gba_hex_decode(gba_mem(hex, n), out->o, &room) || room != GBA_SEAL_KEY))
        e = ue_say(text, GBA_E_SYNTAX, "%s: a key file holds 64 hexadecimal digits", path);
    out->n = e ? 0 : GBA_SEAL_KEY;
    gba_wipe(hex, sizeof hex);
    return e;
}

static gba_err key_file_make(const char *path, char text[GBA_UICC_TEXT])
{
    uint8_t key[GBA_SEAL_KEY];
    char hex[2 * GBA_SEAL_KEY + 2];
    if (ue_random(key, sizeof key))
        return ue_say(text, GBA_E_IO, "no random octets: %s", strerror(errno));
    gba_hex_encode(key, sizeof key, hex);
    hex[2 * GBA_SEAL_KEY] = '\n';
    gba_err e = ue_file_replace(path, gba_mem(hex, 2 * GBA_SEAL_KEY + 1), false, text);
    gba_wipe(key, sizeof key);
    gba_wipe(hex, sizeof hex);
    return e == GBA_E_FORBIDDEN ? GBA_OK : e; /* another process was first: its key counts */
}

gba_err ue_seal_key(const gba_uicc_seal *seal, const char *beside, bool make, gba_secret *out, char text[GBA_UICC_TEXT])
{
    if (seal && seal->key) {
        gba_err e = seal->key(seal->arg, out);
        if (!e && out->n != GBA_SEAL_KEY)
            e = GBA_E_ARG;
        return e ? ue_say(text, e, "the sealing key's callback failed: %s", gba_err_text(e)) : GBA_OK;
    }
    const char *path = seal && seal->key_file ? seal->key_file : beside;
    gba_err e = key_from_file(path, out, text);
    /* only the default is made: a named key file that is missing is a mistake */
    if (e != GBA_E_UNKNOWN)
        return e;
    if (path != beside || !make)
        return ue_say(text, GBA_E_IO,
                      "%s: the key that seals this device's files is missing; give the right --key-file", path);
    e = key_file_make(path, text);
    return e ? e : key_from_file(path, out, text);
}

/* ---- sealed files ---- */

#define MAGIC "OGBA"
#define FILE_VERSION 1
#define HEAD (4 + UE_KIND + 1)
#define NONCE 16

gba_err ue_sealed_print(const char *kind, const gba_secret *key, const uint8_t nonce[16], gba_span plain, uint8_t *out,
                        size_t *n)
{
    if (*n < HEAD + NONCE)
        return GBA_E_SPACE;
    memcpy(out, MAGIC, 4);
    memcpy(out + 4, kind, UE_KIND);
    out[4 + UE_KIND] = FILE_VERSION;
    memcpy(out + HEAD, nonce, NONCE);
    size_t room = *n - HEAD - NONCE;
    gba_err e = gba_seal(key, gba_mem(nonce, NONCE), gba_mem(out, HEAD), plain, out + HEAD + NONCE, &room);
    if (!e)
        *n = HEAD + NONCE + room;
    return e;
}

gba_err ue_sealed_parse(const char *kind, const gba_secret *key, gba_span file, uint8_t *plain, size_t *n)
{
    if (file.n < HEAD + NONCE || memcmp(file.p, MAGIC, 4) != 0 || memcmp(file.p + 4, kind, UE_KIND) != 0)
        return GBA_E_SYNTAX;
    if (file.p[4 + UE_KIND] != FILE_VERSION)
        return GBA_E_UNSUPPORTED;
    gba_span sealed = gba_mem(file.p + HEAD + NONCE, file.n - HEAD - NONCE);
    return gba_unseal(key, gba_mem(file.p + HEAD, NONCE), gba_mem(file.p, HEAD), sealed, plain, n);
}

gba_err ue_sealed_write(const char *path, const char *kind, const gba_secret *key, gba_span plain, bool overwrite,
                        char text[GBA_UICC_TEXT])
{
    uint8_t file[UE_FILE_MAX], nonce[NONCE];
    size_t n = sizeof file;
    if (ue_random(nonce, sizeof nonce))
        return ue_say(text, GBA_E_IO, "no random octets: %s", strerror(errno));
    gba_err e = ue_sealed_print(kind, key, nonce, plain, file, &n);
    if (e)
        return ue_say(text, e, "%s: cannot seal: %s", path, gba_err_text(e));
    return ue_file_replace(path, gba_mem(file, n), overwrite, text);
}

gba_err ue_sealed_read(const char *path, const char *kind, const gba_secret *key, uint8_t *plain, size_t *n,
                       char text[GBA_UICC_TEXT])
{
    uint8_t file[UE_FILE_MAX];
    size_t have = sizeof file;
    gba_err e = ue_file_read(path, file, &have, text);
    if (e)
        return e == GBA_E_RANGE ? GBA_E_CORRUPT : e;
    switch (ue_sealed_parse(kind, key, gba_mem(file, have), plain, n)) {
    case GBA_OK:
        return GBA_OK;
    case GBA_E_SYNTAX:
        return ue_say(text, GBA_E_CORRUPT, "%s: not an OpenGBA file of kind %s, or cut short", path, kind);
    case GBA_E_UNSUPPORTED:
        return ue_say(text, GBA_E_UNSUPPORTED, "%s: written by a newer OpenGBA: use that version", path);
    default:
        return ue_say(text, GBA_E_CORRUPT, "%s: damaged, or sealed under another key: give the right --key-file", path);
    }
}

/* ---- cursors ---- */

void ue_put(ue_out *o, const void *p, size_t n)
{
    if (o->bad || n > o->room - o->n) {
        o->bad = true;
        return;
    }
    if (n > 0)
        memcpy(o->p + o->n, p, n);
    o->n += n;
}

void ue_put_uint(ue_out *o, uint64_t v, unsigned octets)
{
    uint8_t b[8];
    for (unsigned i = 0; i < octets; i++)
        b[i] = (uint8_t)(v >> (8 * (octets - 1 - i)));
    ue_put(o, b, octets);
}

void ue_put_span(ue_out *o, gba_span s)
{
    if (s.n > 255)
        o->bad = true;
    ue_put_uint(o, s.n, 1);
    ue_put(o, s.p, s.n);
}

void ue_get(ue_in *i, void *out, size_t n)
{
    if (i->bad || n > i->n) {
        i->bad = true;
        memset(out, 0, n);
        return;
    }
    if (n > 0)
        memcpy(out, i->p, n);
    i->p += n;
    i->n -= n;
}

uint64_t ue_get_uint(ue_in *i, unsigned octets)
{
    uint8_t b[8];
    uint64_t v = 0;
    ue_get(i, b, octets);
    for (unsigned k = 0; k < octets; k++)
        v = v << 8 | b[k];
    return v;
}

gba_span ue_get_span(ue_in *i)
{
    size_t n = (size_t)ue_get_uint(i, 1);
    if (i->bad || n > i->n) {
        i->bad = true;
        return gba_mem(NULL, 0);
    }
    gba_span s = gba_mem(i->p, n);
    i->p += n;
    i->n -= n;
    return s;
}
