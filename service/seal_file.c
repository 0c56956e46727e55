/* SPDX-License-Identifier: Apache-2.0 */
/* seal_file.c - reads and makes the key file. */
#include "service/seal_file.h"
#include "service/store.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHY(...) ((void)(why != NULL && why_n > 0 && snprintf(why, why_n, __VA_ARGS__)))

void seal_keys_wipe(seal_keys *k)
{
    gba_wipe(k, sizeof *k);
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool id_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static gba_span trim(gba_span s)
{
    while (s.n > 0 && blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && (blank(s.p[s.n - 1]) || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* One trimmed, non-empty line: KEYID HEX64. The text of the key never enters a message. */
static gba_err parse_line(gba_span line, const char *name, unsigned no, seal_keys *out, char *why, size_t why_n)
{
    size_t id_n = 0;
    while (id_n < line.n && id_char(line.p[id_n]))
        id_n++;
    if (id_n == 0 || id_n > SEAL_ID_MAX || id_n == line.n || !blank(line.p[id_n])) {
        WHY("%s:%u: not \"KEYID HEX64\": a key id of 1-%d letters, digits, '.', '_', '-', a blank, 64 hex digits", name,
            no, SEAL_ID_MAX);
        return GBA_E_SYNTAX;
    }
    if (out->n == SEAL_KEYS_MAX) {
        WHY("%s:%u: more than %d keys: remove those that wrap nothing any more", name, no, SEAL_KEYS_MAX);
        return GBA_E_RANGE;
    }
    size_t at = out->n;
    memcpy(out->key[at].id, line.p, id_n);
    out->key[at].id[id_n] = '\0';
    for (size_t i = 0; i < at; i++) {
        if (strcmp(out->key[i].id, out->key[at].id) == 0) {
            WHY("%s:%u: key id %s stands twice", name, no, out->key[at].id);
            return GBA_E_SYNTAX;
        }
    }
    gba_span hex = trim(gba_mem(line.p + id_n, line.n - id_n));
    size_t n = SEAL_KEY_LEN;
    if (hex.n != 2 * SEAL_KEY_LEN || gba_hex_decode(hex, out->key[at].key.o, &n) != GBA_OK || n != SEAL_KEY_LEN) {
        WHY("%s:%u: key %s is not 64 hex digits", name, no, out->key[at].id);
        return GBA_E_SYNTAX;
    }
    out->key[at].key.n = SEAL_KEY_LEN;
    out->n++;
    return GBA_OK;
}

gba_err seal_file_parse(gba_span text, const char *name, seal_keys *out, char *why, size_t why_n)
{
    memset(out, 0, sizeof *out);
    gba_err e = GBA_OK;
    if (text.n > SEAL_FILE_MAX) {
        WHY("%s: larger than %d octets: not a key file", name, SEAL_FILE_MAX);
        return GBA_E_RANGE;
    }
    unsigned no = 0;
    for (size_t i = 0; i < text.n && e == GBA_OK;) {
        size_t end = i;
        while (end < text.n && text.p[end] != '\n')
            end++;
        no++;
        gba_span line = trim(gba_mem(text.p + i, end - i));
        if (line.n > 0 && line.p[0] != '#')
            e = parse_line(line, name, no, out, why, why_n);
        i = end + 1;
    }
    if (e == GBA_OK && out->n == 0) {
        WHY("%s: holds no key: restore the file from its copy; for a new store remove it and make another with gba-bsfctl "
            "seal create-key", name);
        e = GBA_E_SYNTAX;
    }
    if (e != GBA_OK)
        seal_keys_wipe(out);
    return e;
}

const char *seal_file_path(const char *configured, char *buf, size_t n)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (configured)
        return configured;
    return dir && snprintf(buf, n, "%s/seal.key", dir) < (int)n ? buf : NULL;
}

/* systemd gives a service its credentials as 0440 files of root, in a directory that nobody else can enter. */
static bool is_credential(const char *path, const struct stat *st)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (dir == NULL || dir[0] != '/' || st->st_uid != 0 || (st->st_mode & 037) != 0)
        return false;
    char *real_dir = realpath(dir, NULL), *real = realpath(path, NULL);
    size_t n = real_dir != NULL ? strlen(real_dir) : 0;
    struct stat again;
    bool yes = real != NULL && n > 1 && strncmp(real, real_dir, n) == 0 && real[n] == '/' && stat(real, &again) == 0 &&
               again.st_dev == st->st_dev && again.st_ino == st->st_ino;
    free(real_dir);
    free(real);
    return yes;
}

static gba_err check_file(int fd, const char *path, char *why, size_t why_n)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        WHY("%s: %s", path, strerror(errno));
        return GBA_E_IO;
    }
    if (!S_ISREG(st.st_mode)) {
        WHY("%s: not a regular file", path);
        return GBA_E_FORBIDDEN;
    }
    if (is_credential(path, &st))
        return GBA_OK;
    if ((st.st_mode & 077) != 0) {
        WHY("%s: mode %04o lets others at the key: chmod 600 %s", path, (unsigned)(st.st_mode & 07777), path);
        return GBA_E_FORBIDDEN;
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        WHY("%s: owned by uid %ju, another user: chown it to uid %ju and chmod 600 %s", path, (uintmax_t)st.st_uid,
            (uintmax_t)geteuid(), path);
        return GBA_E_FORBIDDEN;
    }
    return GBA_OK;
}

gba_err seal_file_load(const char *path, seal_keys *out, char *why, size_t why_n)
{
    memset(out, 0, sizeof *out);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        bool gone = errno == ENOENT;
        WHY("%s: %s%s", path, strerror(errno),
            gone ? ": restore the key file; without it the store cannot be read" : "");
        return gone ? GBA_E_UNKNOWN : GBA_E_IO;
    }
    gba_err e = check_file(fd, path, why, why_n);
    uint8_t text[SEAL_FILE_MAX + 1];
    size_t n = 0;
    while (e == GBA_OK && n < sizeof text) {
        ssize_t got = read(fd, text + n, sizeof text - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            WHY("%s: %s", path, strerror(errno));
            e = GBA_E_IO;
        }
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    (void)close(fd);
    if (e == GBA_OK)
        e = seal_file_parse(gba_mem(text, n), path, out, why, why_n);
    gba_wipe(text, sizeof text);
    return e;
}

/* The name of the file must survive a power cut, too. */
static gba_err sync_directory(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        (void)snprintf(dir, sizeof dir, ".");
    else
        (void)snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return GBA_E_IO;
    int bad = fsync(fd);
    (void)close(fd);
    return bad != 0 ? GBA_E_IO : GBA_OK;
}

gba_err store_key_file_create(const char *path, char *why, size_t why_n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        bool there = errno == EEXIST;
        WHY("%s: %s", path, there ? "exists already; a key file is never overwritten" : strerror(errno));
        return there ? GBA_E_FORBIDDEN : GBA_E_IO;
    }
    uint8_t id[4], key[SEAL_KEY_LEN];
    service_random(id, sizeof id);
    service_random(key, sizeof key);
    char id_hex[2 * sizeof id + 1], key_hex[2 * sizeof key + 1], text[512];
    gba_hex_encode(id, sizeof id, id_hex);
    gba_hex_encode(key, sizeof key, key_hex);
    int n = snprintf(text, sizeof text,
                     "# Master keys of the store: KEYID HEX64. The first line is current.\n"
                     "# Keep a copy in a safe place: without it the store cannot be read.\n"
                     "k%s %s\n",
                     id_hex, key_hex);
    ssize_t put = n > 0 ? write(fd, text, (size_t)n) : 0;
    int error = put < 0 || (put == n && fsync(fd)) ? errno : put == n ? 0 : ENOSPC; /* the first fault of them */
    if (close(fd) && !error)
        error = errno;
    if (!error && sync_directory(path) != GBA_OK)
        error = errno ? errno : EIO;
    gba_wipe(key, sizeof key);
    gba_wipe(key_hex, sizeof key_hex);
    gba_wipe(text, sizeof text);
    if (!error)
        return GBA_OK;
    WHY("%s: cannot write: %s", path, strerror(error));
    (void)unlink(path);
    return GBA_E_IO;
}
