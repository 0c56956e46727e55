/* SPDX-License-Identifier: Apache-2.0 */
/* test_uicc_soft.c - the software USIM: its verdicts, and what its file survives. */
#define _GNU_SOURCE /* memmem */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/t_main.h"
#include "ue/file.h"
#include "ue/uicc_soft.h"

#define IMPI "001010000000001@ims.mnc001.mcc001.3gppnetwork.org"
#define K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define OPC "cd63cb71954a9f4e48a5994e37a02baf"

static char dir[] = "/tmp/test_uicc.XXXXXX", path[PATH_MAX], key_path[PATH_MAX];
static char text[GBA_UICC_TEXT];

static gba_uicc_soft_config config(void)
{
    gba_uicc_soft_config c = {.key.algorithm = GBA_MILENAGE, .key.k = t_secret(K), .key.opc = t_secret(OPC)};
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str(IMPI), &c.impi), GBA_OK);
    return c;
}

static void fresh(void)
{
    gba_uicc_soft_config c = config();
    c.overwrite = true;
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_create(path, &c, NULL, text), GBA_OK);
}

static gba_err boot_sqn(gba_uicc *u, uint64_t sqn, uint8_t tag, gba_uicc_answer *a, gba_vector *v)
{
    static const uint8_t amf[2];
    gba_aka_key k = {.algorithm = GBA_MILENAGE, .k = t_secret(K), .opc = t_secret(OPC)};
    uint8_t rand[16];
    memset(rand, tag, sizeof rand);
    CU_ASSERT_EQUAL_FATAL(gba_aka_vector(&k, rand, sqn, amf, v), GBA_OK);
    return gba_uicc_boot(u, v->rand, v->autn, a);
}

static mode_t mode_of(const char *p)
{
    struct stat st;
    CU_ASSERT_EQUAL_FATAL(stat(p, &st), 0);
    return st.st_mode & 07777;
}

static void create(void)
{
    gba_uicc_soft_config c = config();
    unlink(path);
    CU_ASSERT_EQUAL(gba_uicc_soft_create(path, &c, NULL, text), GBA_OK);
    CU_ASSERT_EQUAL(mode_of(path), 0600);
    CU_ASSERT_EQUAL(mode_of(key_path), 0600);
    CU_ASSERT_EQUAL(gba_uicc_soft_create(path, &c, NULL, text), GBA_E_FORBIDDEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "exists"));
    c.overwrite = true;
    CU_ASSERT_EQUAL(gba_uicc_soft_create(path, &c, NULL, NULL), GBA_OK);
    c.key.k.n = 15;
    CU_ASSERT_NOT_EQUAL(gba_uicc_soft_create(path, &c, NULL, text), GBA_OK);
    c = config();
    c.impi.s[0] = '@';
    CU_ASSERT_NOT_EQUAL(gba_uicc_soft_create(path, &c, NULL, text), GBA_OK);
    c = config();
    c.sqn = (gba_sqn_profile){9, 1, 0};
    CU_ASSERT_EQUAL(gba_uicc_soft_create(path, &c, NULL, text), GBA_E_RANGE);
    c = config();
    CU_ASSERT_EQUAL(gba_uicc_soft_create("/nonexistent/folder/u", &c, NULL, text), GBA_E_IO);
}

static void secrets_are_hidden(void)
{
    uint8_t file[UE_FILE_MAX];
    size_t n = sizeof file;
    fresh();
    CU_ASSERT_EQUAL_FATAL(ue_file_read(path, file, &n, text), GBA_OK);
    gba_span k = t_hex(K);
    for (size_t i = 0; i + 16 <= n; i++)
        CU_ASSERT_TRUE_FATAL(memcmp(file + i, k.p, 16) != 0);
    CU_ASSERT_PTR_NULL(memmem(file, n, "001010000000001", 15));
}

static void answers(void)
{
    gba_uicc *u;
    gba_uicc_answer a;
    gba_vector v;
    gba_secret ks;
    fresh();
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_OK);
    CU_ASSERT_STRING_EQUAL(gba_uicc_name(u), "soft");
    CU_ASSERT_EQUAL(boot_sqn(u, 0x1000, 1, &a, &v), GBA_OK);
    CU_ASSERT_TRUE(gba_secret_eq(&a.res, &v.xres));
    CU_ASSERT_EQUAL(gba_ks(&v.ck, &v.ik, &ks), GBA_OK);
    CU_ASSERT_TRUE(gba_secret_eq(&a.ks.ks, &ks));
    CU_ASSERT_FALSE(a.ks.on_card);
    CU_ASSERT_EQUAL(boot_sqn(u, 0x1000, 1, &a, &v), GBA_E_SYNC); /* a replay */
    CU_ASSERT_EQUAL(a.res.n, 0);
    v.autn[15] ^= 1;
    CU_ASSERT_EQUAL(gba_uicc_boot(u, v.rand, v.autn, &a), GBA_E_AUTH);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_uicc_text(u), "MAC"));
    CU_ASSERT_FALSE(gba_uicc_exportable(u));
    gba_uicc_free(&u);
    CU_ASSERT_PTR_NULL(u);
}

/* What another SQN implementation says of each AUTN in turn, over one file. */
static void run_sequence(const json_t *c)
{
    gba_uicc_soft_config cfg = config();
    json_t *step, *steps = json_object_get(c, "steps");
    size_t i;
    cfg.overwrite = true;
    cfg.key.k = t_secret(t_str(c, "k"));
    cfg.key.opc = t_secret(t_str(c, "opc"));
    cfg.sqn.ind_bits = (uint8_t)json_integer_value(json_object_get(c, "ind_bits"));
    cfg.sqn.delta = (uint64_t)json_integer_value(json_object_get(c, "delta"));
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_create(path, &cfg, NULL, text), GBA_OK);
    /* the sequence's start, written as the USIM writes it */
    soft_usim s = {.impi = cfg.impi, .key = cfg.key, .sqn = cfg.sqn};
    uint8_t record[SOFT_USIM_MAX];
    size_t n = sizeof record;
    GBA_SECRET_SCOPED seal = {0};
    for (unsigned k = 0; k < 1u << s.sqn.ind_bits; k++)
        s.array.seq[k] = (uint64_t)json_integer_value(json_object_get(c, "initial_seq_all_inds"));
    CU_ASSERT_EQUAL(gba_aka_key_check(&s.key), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(soft_usim_print(&s, record, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(ue_seal_key(NULL, key_path, false, &seal, text), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(ue_sealed_write(path, "USIM", &seal, gba_mem(record, n), true, text), GBA_OK);
    json_array_foreach(steps, i, step)
    {
        gba_uicc *u; /* opened anew: what counts is in the file */
        gba_uicc_answer a;
        uint8_t rand[16], autn[16];
        const char *want = t_str(step, "expect");
        if (strlen(t_str(step, "autn")) != 32) { /* the seam takes 16 octets, the nonce parser refuses less */
            CU_ASSERT_STRING_NOT_EQUAL(want, "ok");
            continue;
        }
        t_hex_into(t_str(step, "rand"), rand, 16);
        t_hex_into(t_str(step, "autn"), autn, 16);
        CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_OK);
        gba_err e = gba_uicc_boot(u, rand, autn, &a);
        if (strcmp(want, "ok") == 0) {
            CU_ASSERT_EQUAL(e, GBA_OK);
            CU_ASSERT_TRUE(t_secret_is(&a.res, t_str(step, "res")));
        } else if (strcmp(want, "sync_failure") == 0) {
            CU_ASSERT_EQUAL(e, GBA_E_SYNC);
            CU_ASSERT_TRUE(t_is(GBA_SPAN(a.auts), t_str(step, "auts")));
        } else {
            CU_ASSERT_EQUAL(e, GBA_E_AUTH);
        }
        gba_uicc_free(&u);
    }
}

static void sequences(void)
{
    json_t *root, *c, *cases = t_cases("usim_sequences", &root);
    size_t i;
    json_array_foreach(cases, i, c)
    {
        run_sequence(c);
    }
    CU_ASSERT_TRUE(i >= 5);
    json_decref(root);
}

static void sqn_persists(void)
{
    gba_uicc *u;
    gba_uicc_answer a;
    gba_vector v;
    gba_uicc_soft_info info;
    fresh();
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_OK);
    CU_ASSERT_EQUAL(boot_sqn(u, 0x2003, 1, &a, &v), GBA_OK);
    gba_uicc_free(&u);
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_OK);
    CU_ASSERT_EQUAL(gba_uicc_soft_info_read(u, &info), GBA_OK);
    CU_ASSERT_EQUAL(info.sqn_ms, 0x2003);
    CU_ASSERT_EQUAL(boot_sqn(u, 0x2003, 2, &a, &v), GBA_E_SYNC);
    gba_uicc_free(&u);
}

/* SQN that cannot be made durable: RES stays inside. */
static void no_res_without_disk(void)
{
    gba_uicc *u;
    gba_uicc_answer a;
    gba_vector v;
    fresh();
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_uicc_lock(u), GBA_OK); /* its lock file exists by now */
    pid_t pid = fork();
    if (pid == 0) { /* root ignores folder modes: a child without the right to write */
        bool ok = chmod(dir, 0555) == 0 && chmod(key_path, 0600) == 0;
        if (geteuid() == 0)
            ok = ok && chown(path, 65534, 65534) == 0 && setegid(65534) == 0 && seteuid(65534) == 0;
        gba_err e = boot_sqn(u, 0x3000, 3, &a, &v);
        _exit(!(ok && e == GBA_E_IO && a.res.n == 0));
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT_EQUAL(chmod(dir, 0700), 0);
    CU_ASSERT_EQUAL(boot_sqn(u, 0x3000, 3, &a, &v), GBA_OK); /* it was not used up */
    gba_uicc_unlock(u);
    gba_uicc_free(&u);
}

/* Many processes, the same challenges: each SQN is answered once among them. */
static void processes_race(void)
{
    enum { PROCESSES = 4, CHALLENGES = 24 };
    int pipes[2];
    uint8_t seen[CHALLENGES] = {0};
    fresh();
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    for (int p = 0; p < PROCESSES; p++) {
        if (fork() != 0)
            continue;
        gba_uicc *u;
        gba_uicc_answer a;
        gba_vector v;
        if (gba_uicc_soft_open(path, NULL, &u, text))
            _exit(1);
        for (uint8_t i = 0; i < CHALLENGES; i++)
            if (boot_sqn(u, 0x4000 + 32u * i, i, &a, &v) == GBA_OK && write(pipes[1], &i, 1) != 1)
                _exit(1);
        _exit(0);
    }
    close(pipes[1]);
    uint8_t i;
    while (read(pipes[0], &i, 1) == 1)
        seen[i]++;
    close(pipes[0]);
    for (int p = 0, status; p < PROCESSES; p++) {
        CU_ASSERT_TRUE(wait(&status) > 0);
        CU_ASSERT_EQUAL(status, 0);
    }
    for (int k = 0; k < CHALLENGES; k++)
        CU_ASSERT_TRUE(seen[k] <= 1);
    CU_ASSERT_EQUAL(seen[CHALLENGES - 1], 1);
}

static void locks_exclude(void)
{
    gba_uicc *u;
    int got[2], go[2];
    char c = 0;
    fresh();
    CU_ASSERT_EQUAL_FATAL(pipe(got), 0);
    CU_ASSERT_EQUAL_FATAL(pipe(go), 0);
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_OK);
    CU_ASSERT_EQUAL(gba_uicc_lock(u), GBA_OK);
    CU_ASSERT_EQUAL(gba_uicc_lock(u), GBA_OK); /* nests */
    gba_uicc_unlock(u);
    pid_t pid = fork();
    if (pid == 0) {
        gba_uicc *other;
        char link_path[PATH_MAX + 8]; /* by another name */
        snprintf(link_path, sizeof link_path, "%s.link", path);
        unlink(link_path);
        if (symlink(path, link_path) || gba_uicc_soft_open(link_path, NULL, &other, text) || write(go[1], "g", 1) != 1)
            _exit(1);
        gba_err e = gba_uicc_lock(other);
        _exit(write(got[1], "x", 1) != 1 || e);
    }
    CU_ASSERT_EQUAL(read(go[0], &c, 1), 1);
    usleep(100 * 1000);
    CU_ASSERT_EQUAL(fcntl(got[0], F_SETFL, O_NONBLOCK), 0);
    CU_ASSERT_EQUAL(read(got[0], &c, 1), -1); /* still waits */
    gba_uicc_unlock(u);
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(read(got[0], &c, 1), 1);
    gba_uicc_free(&u);
}

static void write_file(const char *p, const char *what, mode_t mode)
{
    FILE *f = fopen(p, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(what, f);
    fclose(f);
    CU_ASSERT_EQUAL(chmod(p, mode), 0);
}

static gba_err key_callback(void *arg, gba_secret *out)
{
    *out = t_secret(arg);
    return GBA_OK;
}

static void keys(void)
{
    static const char one[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    static const char two[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    char file[PATH_MAX + 8], other[PATH_MAX + 8];
    gba_uicc *u = NULL;
    gba_uicc_soft_config c = config();
    c.overwrite = true;
    snprintf(file, sizeof file, "%s.k1", path);
    snprintf(other, sizeof other, "%s.k2", path);
    write_file(file, one, 0600);
    write_file(other, two, 0400);
    gba_uicc_seal seal = {.key_file = file};
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_create(path, &c, &seal, text), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_OK);
    gba_uicc_free(&u);
    seal.key_file = other;
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--key-file"));
    seal = (gba_uicc_seal){.key = key_callback, .arg = (void *)(uintptr_t)one};
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_OK);
    gba_uicc_free(&u);
    seal.arg = (void *)(uintptr_t)"00";
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_E_ARG);
    seal = (gba_uicc_seal){.key_file = file};
    CU_ASSERT_EQUAL(chmod(file, 0644), 0);
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_E_FORBIDDEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "chmod 600"));
    write_file(file, "0001", 0600);
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_E_SYNTAX);
    write_file(file, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00112233445566778899", 0600);
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_E_SYNTAX);
    unlink(file);
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, &seal, &u, text), GBA_E_IO); /* a named key file is not made */
    CU_ASSERT_NOT_EQUAL(access(file, F_OK), 0);
    unlink(key_path);
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_E_IO); /* nor is the default, on opening */
    CU_ASSERT_NOT_EQUAL(access(key_path, F_OK), 0);
}

static void damage(void)
{
    uint8_t file[UE_FILE_MAX];
    size_t n = sizeof file;
    gba_uicc *u = NULL;
    fresh();
    CU_ASSERT_EQUAL_FATAL(ue_file_read(path, file, &n, text), GBA_OK);
    for (size_t i = 0; i < n; i += 7) { /* a bit anywhere */
        file[i] ^= 0x10;
        CU_ASSERT_EQUAL_FATAL(ue_file_replace(path, gba_mem(file, n), true, text), GBA_OK);
        gba_err e = gba_uicc_soft_open(path, NULL, &u, text);
        CU_ASSERT_TRUE_FATAL(e == GBA_E_CORRUPT || e == GBA_E_UNSUPPORTED);
        file[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < n; cut += 11) {
        CU_ASSERT_EQUAL_FATAL(ue_file_replace(path, gba_mem(file, cut), true, text), GBA_OK);
        CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_E_CORRUPT);
    }
    memset(file, 0, sizeof file);
    CU_ASSERT_EQUAL(ue_file_replace(path, GBA_SPAN(file), true, text), GBA_OK);
    CU_ASSERT_EQUAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_E_CORRUPT);
    CU_ASSERT_EQUAL(gba_uicc_soft_open("/nonexistent/u", NULL, &u, text), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(gba_uicc_soft_open(dir, NULL, &u, text), GBA_E_IO); /* no key beside a folder */
}

/* A record under the right key that is no USIM's. */
static void bad_records(void)
{
    soft_usim s = {.key.algorithm = GBA_MILENAGE, .key.k = t_secret(K), .key.opc = t_secret(OPC)}, back;
    uint8_t record[SOFT_USIM_MAX];
    size_t n = sizeof record, few = 40;
    s.sqn = gba_sqn_default;
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str(IMPI), &s.impi), GBA_OK);
    CU_ASSERT_EQUAL(gba_aka_key_check(&s.key), GBA_OK);
    CU_ASSERT_EQUAL(soft_usim_print(&s, record, &few), GBA_E_SPACE);
    CU_ASSERT_EQUAL_FATAL(soft_usim_print(&s, record, &n), GBA_OK);
    CU_ASSERT_EQUAL(soft_usim_parse(gba_mem(record, n), &back), GBA_OK);
    CU_ASSERT_STRING_EQUAL(back.impi.s, IMPI);
    CU_ASSERT_TRUE(gba_secret_eq(&back.key.k, &s.key.k));
    for (size_t cut = 0; cut < n; cut++)
        CU_ASSERT_NOT_EQUAL(soft_usim_parse(gba_mem(record, cut), &back), GBA_OK);
    record[n] = 0;
    CU_ASSERT_EQUAL(soft_usim_parse(gba_mem(record, n + 1), &back), GBA_E_SYNTAX);
    record[1] = 0x80; /* an unknown flag */
    CU_ASSERT_EQUAL(soft_usim_parse(gba_mem(record, n), &back), GBA_E_SYNTAX);
    record[0] = 2;
    CU_ASSERT_EQUAL(soft_usim_parse(gba_mem(record, n), &back), GBA_E_UNSUPPORTED);
}

static void tuak(void)
{
    gba_uicc_soft_config c = config();
    gba_uicc *u;
    gba_uicc_soft_info info;
    c.overwrite = c.exportable = true;
    c.key = (gba_aka_key){.algorithm = GBA_TUAK,
                          .k = t_secret(K K),
                          .opc = t_secret("bd04d9530e87513c5d837ac2ad954623a8e2330c115305a73eb45d1f40cccbff")};
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_create(path, &c, NULL, text), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(path, NULL, &u, text), GBA_OK);
    CU_ASSERT_EQUAL(gba_uicc_soft_info_read(u, &info), GBA_OK);
    CU_ASSERT_EQUAL(info.algorithm, GBA_TUAK);
    CU_ASSERT_EQUAL(info.k_len, 32);
    CU_ASSERT_TRUE(gba_uicc_exportable(u));
    gba_vector v;
    gba_uicc_answer a;
    static const uint8_t rand[16] = {9}, amf[2];
    CU_ASSERT_EQUAL(gba_aka_vector(&c.key, rand, 0x5000, amf, &v), GBA_OK);
    CU_ASSERT_EQUAL(gba_uicc_boot(u, v.rand, v.autn, &a), GBA_OK);
    CU_ASSERT_TRUE(gba_secret_eq(&a.res, &v.xres));
    gba_uicc_free(&u);
}

/* gba/seal.h by itself: what it refuses. */
static void seal(void)
{
    gba_secret key = {.n = GBA_SEAL_KEY}, short_key = {.n = 16}, other = {.n = GBA_SEAL_KEY, .o = {1}};
    uint8_t sealed[64], plain[64];
    size_t n = sizeof sealed, few = 18, back = sizeof plain;
    const gba_span nonce = gba_str("nonce"), ad = gba_str("ad"), in = gba_str("hello");
    CU_ASSERT_EQUAL(gba_seal(&short_key, nonce, ad, in, sealed, &n), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_seal(&key, nonce, ad, in, sealed, &few), GBA_E_SPACE);
    CU_ASSERT_EQUAL_FATAL(gba_seal(&key, nonce, ad, in, sealed, &n), GBA_OK);
    CU_ASSERT_EQUAL(n, 5 + GBA_SEAL_OVERHEAD);
    CU_ASSERT_EQUAL(gba_unseal(&key, nonce, ad, gba_mem(sealed, n), plain, &back), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(gba_mem(plain, back), in));
    back = 4;
    CU_ASSERT_EQUAL(gba_unseal(&key, nonce, ad, gba_mem(sealed, n), plain, &back), GBA_E_SPACE);
    back = sizeof plain;
    CU_ASSERT_EQUAL(gba_unseal(&short_key, nonce, ad, gba_mem(sealed, n), plain, &back), GBA_E_ARG);
    CU_ASSERT_EQUAL(gba_unseal(&other, nonce, ad, gba_mem(sealed, n), plain, &back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(gba_unseal(&key, ad, ad, gba_mem(sealed, n), plain, &back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(gba_unseal(&key, nonce, nonce, gba_mem(sealed, n), plain, &back), GBA_E_AUTH);
    CU_ASSERT_EQUAL(gba_unseal(&key, nonce, ad, gba_mem(sealed, 15), plain, &back), GBA_E_SYNTAX);
}

static void tidy(void)
{
    char command[sizeof dir + 16];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

int main(void)
{
    static const t_case cases[] = {{"create", create},
                                   {"secrets are hidden", secrets_are_hidden},
                                   {"answers", answers},
                                   {"sequences of another implementation", sequences},
                                   {"SQN persists", sqn_persists},
                                   {"no RES without a disk", no_res_without_disk},
                                   {"processes race", processes_race},
                                   {"locks exclude", locks_exclude},
                                   {"keys", keys},
                                   {"damage", damage},
                                   {"bad records", bad_records},
                                   {"TUAK", tuak},
                                   {"seal", seal},
                                   {"tidy", tidy}};
    if (!mkdtemp(dir))
        return 99;
    snprintf(path, sizeof path, "%s/u", dir);
    snprintf(key_path, sizeof key_path, "%s/u.key", dir);
    return t_run("uicc_soft", cases, sizeof cases / sizeof *cases);
}
