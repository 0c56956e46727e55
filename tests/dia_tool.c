/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dia_tool.c - one Diameter node for tests and measurements:
 *   dia_tool [--tls FOLDER] IDENTITY REALM ADDRESS PEER PEER_ADDRESS COMMAND...
 *     mar DEST_REALM IMPI [RAND AUTS [GUSS_TIMESTAMP]]     one Multimedia-Auth-Request
 *     bir DEST_REALM BTID FQDN UA [GSID...]                one Bootstrapping-Info-Request; BTID -: without one
 *     load DEST_REALM BTID FQDN UA WINDOW SECONDS          BIRs, WINDOW of them under way
 *     echo                                                 answers BIRs from memory, until a signal
 *     vector                                               connects and answers MARs with a vector of its own, likewise
 *     stop DEST_REALM IMPI                                 stops the stack while a MAR is being sent: is its end told?
 * PEER_ADDRESS -: the peer connects to us.
 * Prints one line of result. TLS files are FOLDER/dia-IDENTITY.pem, .key and FOLDER/dia-ca.pem.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "service/fd_stack.h"

struct msg; /* freeDiameter's */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool done;
static int status = 1;

static void die(const char *what)
{
    fprintf(stderr, "dia_tool: %s\n", what);
    exit(2);
}

static void end(int s)
{
    pthread_mutex_lock(&lock);
    done = true;
    status = s;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static int wait_end(void)
{
    pthread_mutex_lock(&lock);
    while (!done)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return status;
}

/* ---- single questions ---- */
static void on_maa(void *ctx, gba_err e, const gba_dia_list *in, const char *peer)
{
    gba_maa m;
    (void)ctx;
    if (e != GBA_OK) {
        printf("error=%s peer=%s\n", gba_err_name(e), peer);
    } else if ((e = gba_maa_read(in, &m)) != GBA_OK) {
        printf("error=%s peer=%s\n", gba_err_name(e), peer);
    } else {
        printf("code=%u vendor=%u vector=%s xres=%zu guss=%zu peer=%s\n", m.result.code, m.result.vendor,
               m.vector ? "yes" : "no", m.xres.n, m.guss.n, peer);
        gba_maa_wipe(&m);
    }
    end(e != GBA_OK);
}

static void on_bia(void *ctx, gba_err e, const gba_dia_list *in, const char *peer)
{
    static gba_guss g;
    gba_bia b;
    (void)ctx;
    if (e == GBA_OK)
        e = gba_bia_read(in, &b);
    if (e != GBA_OK) {
        printf("error=%s peer=%s\n", gba_err_name(e), peer);
    } else {
        size_t n = b.uss_list.p && gba_guss_parse(b.uss_list, &g) == GBA_OK ? g.n_uss : 0;
        printf("code=%u vendor=%u key=%zu impi=%s uss=%zu peer=%s\n", b.result.code, b.result.vendor, b.me.n,
               b.impi.s[0] ? b.impi.s : "-", n, peer);
        gba_bia_wipe(&b);
    }
    end(e != GBA_OK);
}

static void mar(int argc, char **argv)
{
    static gba_dia_list l;
    gba_mar m = {0};
    size_t n = 16, k = 14;
    if (argc < 3 || gba_impi_parse(gba_str(argv[2]), &m.impi) != GBA_OK)
        die("mar DEST_REALM IMPI [RAND AUTS]");
    m.resync = argc > 4;
    if (m.resync && (gba_hex_decode(gba_str(argv[3]), m.rand, &n) != GBA_OK || gba_hex_decode(gba_str(argv[4]), m.auts, &k) != GBA_OK))
        die("RAND or AUTS is not hexadecimal");
    if (argc > 5)
        m.guss_timestamp = strtoll(argv[5], NULL, 10);
    if (gba_mar_write(&m, &l) != GBA_OK ||
        fd_send(GBA_DIA_ZH, GBA_DIA_MULTIMEDIA_AUTH, argv[1], NULL, &l, 5000, on_maa, NULL) != GBA_OK)
        die("cannot send");
}

static gba_bir bir_of(int argc, char **argv)
{
    gba_bir b = {0};
    if (argc < 5 || (strcmp(argv[2], "-") && gba_btid_parse(gba_str(argv[2]), &b.btid) != GBA_OK) ||
        gba_fqdn_parse(gba_str(argv[3]), &b.naf.fqdn) != GBA_OK || gba_ua_id_parse(gba_str(argv[4]), &b.naf.ua) != GBA_OK)
        die("DEST_REALM BTID FQDN UA");
    return b;
}

static void bir(int argc, char **argv)
{
    static gba_dia_list all, l;
    gba_bir b = bir_of(argc, argv);
    for (int i = 5; i < argc && b.n_gsids < GBA_DIA_GSIDS; i++)
        b.gsids[b.n_gsids++] = (uint32_t)strtoul(argv[i], NULL, 10);
    if (gba_bir_write(&b, &all) != GBA_OK)
        die("cannot write the request");
    for (size_t i = 0; i < all.n; i++)
        if (b.btid.s[0] || all.avp[i].code != 401)
            gba_dia_add(&l, all.avp[i].code, all.avp[i].vendor, all.avp[i].depth, all.avp[i].data);
    if (fd_send(GBA_DIA_ZN, GBA_DIA_BOOTSTRAPPING_INFO, argv[1], NULL, &l, 5000, on_bia, NULL) != GBA_OK)
        die("cannot send");
}

/* ---- load ---- */
static gba_dia_list load_list;
static const char *load_realm;
static atomic_uint flying, ok, failed;
static atomic_bool over;

static void next(void);
static void on_load(void *ctx, gba_err e, const gba_dia_list *in, const char *peer)
{
    gba_bia b;
    (void)ctx, (void)peer;
    if (e == GBA_OK && gba_bia_read(in, &b) == GBA_OK && b.result.code == GBA_DIA_SUCCESS) {
        atomic_fetch_add(&ok, 1);
        gba_bia_wipe(&b);
    } else {
        atomic_fetch_add(&failed, 1);
    }
    atomic_fetch_sub(&flying, 1);
    if (!atomic_load(&over))
        next();
    else if (!atomic_load(&flying))
        end(atomic_load(&failed) != 0);
}

static void next(void)
{
    atomic_fetch_add(&flying, 1);
    if (fd_send(GBA_DIA_ZN, GBA_DIA_BOOTSTRAPPING_INFO, load_realm, NULL, &load_list, 5000, on_load, NULL) != GBA_OK) {
        atomic_fetch_sub(&flying, 1);
        atomic_fetch_add(&failed, 1);
    }
}

static int load(int argc, char **argv)
{
    gba_bir b = bir_of(argc, argv);
    if (argc < 7 || gba_bir_write(&b, &load_list) != GBA_OK)
        die("load DEST_REALM BTID FQDN UA WINDOW SECONDS");
    load_realm = argv[1];
    for (int i = (int)strtol(argv[5], NULL, 10); i > 0; i--)
        next();
    sleep((unsigned)strtoul(argv[6], NULL, 10));
    atomic_store(&over, true);
    int s = wait_end();
    printf("ops=%u failed=%u\n", atomic_load(&ok), atomic_load(&failed));
    return s;
}

/* ---- the end of the stack while fd_send runs: the linker puts these before freeDiameter's own ---- */
int __real_fd_msg_new_session(struct msg *m, uint8_t *opt, size_t n);
int __wrap_fd_msg_new_session(struct msg *m, uint8_t *opt, size_t n);
int __real_fd_core_shutdown(void);
int __wrap_fd_core_shutdown(void);
static atomic_bool slow;
static atomic_int told;
static gba_dia_list slow_list;

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

int __wrap_fd_msg_new_session(struct msg *m, uint8_t *opt, size_t n)
{
    if (atomic_load(&slow))
        pause_ms(500);
    return __real_fd_msg_new_session(m, opt, n);
}

int __wrap_fd_core_shutdown(void)
{
    if (atomic_load(&slow))
        pause_ms(700);
    return __real_fd_core_shutdown();
}

static void on_end(void *ctx, gba_err e, const gba_dia_list *in, const char *peer)
{
    (void)ctx, (void)e, (void)in, (void)peer;
    atomic_fetch_add(&told, 1);
}

static bool send_mar(const char *realm)
{
    return fd_send(GBA_DIA_ZH, GBA_DIA_MULTIMEDIA_AUTH, realm, NULL, &slow_list, 5000, on_end, NULL) == GBA_OK;
}

static void *send_slowly(void *realm)
{
    return send_mar(realm) ? realm : NULL;
}

static int stop(int argc, char **argv)
{
    gba_mar m = {0};
    pthread_t t;
    void *sent = NULL;
    if (argc < 3 || gba_impi_parse(gba_str(argv[2]), &m.impi) != GBA_OK || gba_mar_write(&m, &slow_list) != GBA_OK)
        die("stop DEST_REALM IMPI");
    atomic_store(&slow, true);
    if (pthread_create(&t, NULL, send_slowly, argv[1]))
        die("no thread");
    pause_ms(200);
    fd_stack_stop();
    pthread_join(t, &sent);
    bool late = send_mar(argv[1]);
    printf("sent=%d told=%d late=%d\n", sent != NULL, atomic_load(&told), late);
    return atomic_load(&told) != (sent != NULL) || late;
}

/* ---- the bare echo ---- */
static void on_echo(void *ctx, fd_request *r, const gba_dia_list *in)
{
    gba_dia_list *l = gba_dia_list_new();
    (void)in;
    if (!l || gba_bia_write(ctx, l) != GBA_OK)
        die("echo");
    fd_answer(r, l, 0);
    free(l);
}

/* An HSS that gives a made-up vector to whoever asks. */
static void on_mar(void *ctx, fd_request *r, const gba_dia_list *in)
{
    static const uint8_t o[16] = "0123456789abcdef";
    gba_maa m = {.result = {GBA_DIA_SUCCESS, 0}, .vector = true};
    gba_dia_list *l = gba_dia_list_new();
    (void)ctx, (void)in;
    puts("asked");
    fflush(stdout);
    memcpy(m.rand, o, 16);
    if (!l || gba_secret_set(&m.xres, o, 8) != GBA_OK || gba_secret_set(&m.ck, o, 16) != GBA_OK ||
        gba_secret_set(&m.ik, o, 16) != GBA_OK || gba_maa_write(&m, l) != GBA_OK)
        die("vector");
    fd_answer(r, l, 0);
    free(l);
}

static gba_err prepare_vector(void *ctx)
{
    return fd_serve(GBA_DIA_ZH, GBA_DIA_MULTIMEDIA_AUTH, on_mar, ctx);
}

static gba_err prepare(void *ctx)
{
    static gba_bia b = {.result = {GBA_DIA_SUCCESS, 0}, .expires = 1800003600, .created = 1800000000};
    b.me.n = 32;
    return ctx ? fd_serve(GBA_DIA_ZN, GBA_DIA_BOOTSTRAPPING_INFO, on_echo, &b) : GBA_OK;
}

static void say(int level, const char *line)
{
    if (level >= 2)
        fprintf(stderr, "dia_tool: %s\n", line);
}

static int run(int argc, char **argv, const char *peer)
{
    for (int i = 0; i < 150 && !fd_stack_peer_open(peer); i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    if (!fd_stack_peer_open(peer)) {
        printf("error=no_connection\n");
        return 3;
    }
    if (strcmp(argv[0], "mar") == 0)
        mar(argc, argv);
    else if (strcmp(argv[0], "bir") == 0)
        bir(argc, argv);
    else if (strcmp(argv[0], "load") == 0)
        return load(argc, argv);
    else if (strcmp(argv[0], "stop") == 0)
        return stop(argc, argv);
    else
        die("no such command");
    return wait_end();
}

int main(int argc, char **argv)
{
    static char cert[512], key[512], ca[512];
    bool tls = argc > 2 && strcmp(argv[1], "--tls") == 0;
    char why[512] = "";
    const char *folder = tls ? argv[2] : "";
    if (tls)
        argv += 2, argc -= 2;
    if (argc < 7)
        die("IDENTITY REALM ADDRESS PEER PEER_ADDRESS COMMAND...");
    bool echo = strcmp(argv[6], "echo") == 0, vector = strcmp(argv[6], "vector") == 0;
    fd_conf c = {.identity = argv[1], .realm = argv[2], .listen = argv[3], .port = tls ? 0 : 3868, .sec_port = tls ? 5658 : 0,
                 .applications = {GBA_DIA_ZH, GBA_DIA_ZN}, .n_peers = 1, .log = say,
                 .prepare = vector ? prepare_vector : prepare, .prepare_ctx = echo ? why : NULL};
    snprintf(c.peers[0].identity, sizeof c.peers[0].identity, "%s", argv[4]);
    snprintf(c.peers[0].address, sizeof c.peers[0].address, "%s", echo || !strcmp(argv[5], "-") ? "" : argv[5]);
    c.peers[0].tls = tls;
    c.peers[0].relay = true;
    c.peers[0].port = tls ? 5658 : 3868;
    if (tls) {
        snprintf(cert, sizeof cert, "%s/dia-%s.pem", folder, argv[1]);
        snprintf(key, sizeof key, "%s/dia-%s.key", folder, argv[1]);
        snprintf(ca, sizeof ca, "%s/dia-ca.pem", folder);
        c.cert = cert, c.key = key, c.ca = ca;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (fd_stack_start(&c, why, sizeof why) != GBA_OK)
        die(why);
    int s = 0, sig;
    if (echo || vector)
        sigwait(&set, &sig);
    else
        s = run(argc - 6, argv + 6, argv[4]);
    fd_stack_stop();
    return s;
}
