/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - the main() of a fuzz target in a normal build: feeds every file of the
 * folders (or every file) named in argv to the target and says how many. A crash, or the
 * target's own abort(), is the failure.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *me;

static int fail(const char *path)
{
    fprintf(stderr, "%s: %s: %s\n", me, path, strerror(errno));
    return -1;
}

/* A block of exactly the file's size, so that a sanitizer sees each octet read too much. */
static int replay_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    int ok = f && data && fread(data, 1, size, f) == size;
    if (ok)
        (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    if (f)
        (void)fclose(f);
    return ok ? 1 : fail(path);
}

static int replay(const char *path);

static int replay_folder(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    if (!d)
        return fail(path);
    for (struct dirent *e; (e = readdir(d));) {
        char sub[4096];
        if (e->d_name[0] == '.')
            continue;
        int len = snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        int k = len < (int)sizeof(sub) ? replay(sub) : -1;
        if (k < 0) {
            n = -1;
            break;
        }
        n += k;
    }
    (void)closedir(d);
    return n;
}

static int replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail(path);
    return S_ISDIR(st.st_mode) ? replay_folder(path) : replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    int total = 0;
    me = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n < 0)
            return 1;
        total += n;
    }
    printf("%s: %d inputs replayed\n", me, total);
    return total ? 0 : 1; /* no input proves nothing */
}
