/* SPDX-License-Identifier: Apache-2.0 */
/* test_seal_file.c - the key file: text, permissions, creation. */
#include "service/seal_file.h"
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include "service/store.h"
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define K1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define K2 "202122232425262728292A2B2C2D2E2F303132333435363738393a3b3c3d3e3f"

static char dir[64], path[128], why[512];

static gba_err parse(const char *text, seal_keys *k)
{
    why[0] = '\0';
    return seal_file_parse(gba_str(text), "seal.key", k, why, sizeof why);
}

static void text(void)
{
    SEAL_KEYS_SCOPED k;
    CU_ASSERT_EQUAL(parse("# c\n\n  k1 " K1 "  \r\n\tk.2_-\t " K2, &k), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(k.n, 2);
    CU_ASSERT_STRING_EQUAL(k.key[0].id, "k1");
    CU_ASSERT_STRING_EQUAL(k.key[1].id, "k.2_-");
    CU_ASSERT(k.key[0].key.n == 32 && k.key[0].key.o[31] == 0x1f && k.key[1].key.o[10] == 0x2a);

    static const struct {
        const char *text;
        gba_err err;
        const char *says;
    } bad[] = {
        {"", GBA_E_SYNTAX, "no key"},
        {"# only\n", GBA_E_SYNTAX, "remove it and make another"},
        {"k1\n", GBA_E_SYNTAX, "seal.key:1:"},
        {"\nk1 " K1 "00\n", GBA_E_SYNTAX, "seal.key:2:"},
        {"k1 0" K1 "\n", GBA_E_SYNTAX, "64 hex"},
        {"k1 zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", GBA_E_SYNTAX, "64 hex"},
        {"k1 " K1 " more\n", GBA_E_SYNTAX, "64 hex"},
        {"k/1 " K1 "\n", GBA_E_SYNTAX, "KEYID"},
        {K1 "\n", GBA_E_SYNTAX, "KEYID"},
        {"k1 " K1 "\nk1 " K2 "\n", GBA_E_SYNTAX, "twice"},
        {"k12345678901234567890123456789012 " K1 "\n", GBA_E_SYNTAX, "KEYID"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_EQUAL(parse(bad[i].text, &k), bad[i].err);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, bad[i].says));
        CU_ASSERT_EQUAL(k.n, 0);
        CU_ASSERT_PTR_NULL(strstr(why, "0a0b0c")); /* never the key */
    }
    char many[(SEAL_KEYS_MAX + 1) * 80] = "";
    size_t at = 0;
    for (int i = 0; i <= SEAL_KEYS_MAX; i++) {
        if (i == SEAL_KEYS_MAX)
            CU_ASSERT_EQUAL(parse(many, &k), GBA_OK);
        at += (size_t)snprintf(many + at, sizeof many - at, "k%d " K1 "\n", i);
    }
    CU_ASSERT_EQUAL(parse(many, &k), GBA_E_RANGE);
    char *long_text = malloc(SEAL_FILE_MAX + 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(long_text);
    memset(long_text, '\n', SEAL_FILE_MAX + 1);
    CU_ASSERT_EQUAL(seal_file_parse(gba_mem(long_text, SEAL_FILE_MAX + 1), "x", &k, why, sizeof why), GBA_E_RANGE);
    free(long_text);
}

static void write_file(const char *name, mode_t mode)
{
    (void)unlink(name);
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, "k1 " K1 "\n", 68), 68);
    CU_ASSERT_EQUAL(fchmod(fd, mode), 0);
    (void)close(fd);
}

static void permissions(void)
{
    SEAL_KEYS_SCOPED k;
    static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0660, 0444, 0666};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(path, bad[i]);
        CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_FORBIDDEN);
        CU_ASSERT(strstr(why, path) != NULL && strstr(why, "chmod 600") != NULL);
    }
    write_file(path, 0400);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_OK);
    write_file(path, 0600);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(seal_file_load(dir, &k, why, sizeof why), GBA_E_FORBIDDEN);
    (void)unlink(path);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_UNKNOWN);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, path));
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_FORBIDDEN); /* and does not hang */
    (void)unlink(path);
    if (geteuid() == 0) {
        write_file(path, 0600);
        CU_ASSERT_EQUAL(chown(path, 65534, 65534), 0);
        CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_FORBIDDEN);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "chown"));
        (void)unlink(path);
    }
}

/* A systemd credential is root's, mode 0440, reached directly or by a symbolic link. */
static void credential(void)
{
    if (geteuid() != 0) {
        printf("(not root: left out) ");
        return;
    }
    SEAL_KEYS_SCOPED k;
    char creds[96], file[160];
    (void)snprintf(creds, sizeof creds, "%s/creds", dir);
    (void)snprintf(file, sizeof file, "%s/seal", creds);
    CU_ASSERT_EQUAL(mkdir(creds, 0700), 0);
    write_file(file, 0440);
    CU_ASSERT_EQUAL(symlink(file, path), 0);
    CU_ASSERT_EQUAL(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(setenv("CREDENTIALS_DIRECTORY", creds, 1), 0);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(seal_file_load(file, &k, why, sizeof why), GBA_OK);
    write_file(file, 0444);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_FORBIDDEN);
    write_file(file, 0440);
    CU_ASSERT_EQUAL(chown(file, 65534, 0), 0);
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_FORBIDDEN);
    (void)unlink(path);
    write_file(path, 0440); /* not inside the directory */
    CU_ASSERT_EQUAL(seal_file_load(path, &k, why, sizeof why), GBA_E_FORBIDDEN);
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    (void)unlink(path);
    (void)unlink(file);
    (void)rmdir(creds);
}

static void creation(void)
{
    SEAL_KEYS_SCOPED a;
    SEAL_KEYS_SCOPED b;
    struct stat st;
    mode_t old = umask(0);
    CU_ASSERT_EQUAL(store_key_file_create(path, why, sizeof why), GBA_OK);
    (void)umask(old);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    CU_ASSERT_EQUAL(seal_file_load(path, &a, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(a.n, 1);
    CU_ASSERT_EQUAL(store_key_file_create(path, why, sizeof why), GBA_E_FORBIDDEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, path));
    (void)unlink(path);
    CU_ASSERT_EQUAL(store_key_file_create(path, why, sizeof why), GBA_OK);
    CU_ASSERT_EQUAL(seal_file_load(path, &b, why, sizeof why), GBA_OK);
    CU_ASSERT_FALSE(gba_secret_eq(&a.key[0].key, &b.key[0].key));
    (void)unlink(path);
    CU_ASSERT_EQUAL(symlink("/nonexistent/target", path), 0); /* not through a link */
    CU_ASSERT_NOT_EQUAL(store_key_file_create(path, why, sizeof why), GBA_OK);
    (void)unlink(path);
    CU_ASSERT_EQUAL(store_key_file_create("/nonexistent/seal.key", why, sizeof why), GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "/nonexistent/seal.key"));
}

/* The reason that is told is that of the write, and the file that was begun is gone. */
static void no_room(void)
{
    struct rlimit before, few = {10, 10};
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    few.rlim_max = before.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &few), 0);
    errno = 0;
    gba_err e = store_key_file_create(path, why, sizeof why);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_EQUAL(e, GBA_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "No space left"));
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    (void)signal(SIGXFSZ, SIG_DFL);
}

int main(void)
{
    (void)snprintf(dir, sizeof dir, "/tmp/test_seal.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 2;
    (void)snprintf(path, sizeof path, "%s/seal.key", dir);
    CU_TestInfo tests[] = {
        {"text", text},         {"permissions", permissions}, {"systemd credential", credential},
        {"creation", creation}, {"no room", no_room}, CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"seal_file", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
        return 2;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return rmdir(dir) == 0 && failures == 0 ? 0 : 1;
}
