/* SPDX-License-Identifier: Apache-2.0 */
/* test_fd_settings.c - the diameter section: what --check says of it, and whose Origin-Host counts. */
#include <stdio.h>
#include <string.h>
#include "config.h"
#include "service/fd_settings.h"
#include "t_main.h"

#ifdef HAVE_DIAMETER
#define HAVE_DIAMETER_HERE true
#else
#define HAVE_DIAMETER_HERE false
#endif

typedef struct settings {
    fd_settings d;
} settings;
static const conf_field table[] = {FD_SETTINGS_ROWS(settings, d), {.path = NULL}};

static char said[4096];
static void hear(void *ctx, const char *line)
{
    (void)ctx;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

static conf *load(const char *yaml, settings *s)
{
    conf *c = NULL;
    said[0] = '\0';
    memset(s, 0, sizeof *s);
    if (conf_load_text("test", "t.yaml", gba_str(yaml), table, s, hear, NULL, &c) != GBA_OK)
        return NULL;
    fd_settings_check(c, &s->d);
    return c;
}

static bool faulty(const char *yaml, const char *words)
{
    settings s;
    conf *c = load(yaml, &s);
    bool yes = c && !conf_ok(c) && strstr(said, words);
    if (!yes)
        printf("\n'%s' is not in: %s\n", words, said);
    conf_free(&c);
    return yes;
}

#define HEAD "diameter:\n  identity: bsf.home.test\n  realm: home.test\n"
#define PLAIN HEAD "  listen: 10.0.0.2\n  insecure_plaintext: true\n  peers:\n"
#define TLS HEAD "  listen: 10.0.0.2\n  cert: c\n  key: k\n  ca: a\n  peers:\n"

static void test_faults(void)
{
    CU_ASSERT(faulty(HEAD "  listen: 127.0.0.1\n  insecure_plaintext: true\n", "loopback"));
    CU_ASSERT(faulty(HEAD "  listen: 0.0.0.0\n  insecure_plaintext: true\n", "every address"));
    CU_ASSERT(faulty(HEAD "  listen: bsf\n  insecure_plaintext: true\n", "not an IPv4 or IPv6 address"));
    CU_ASSERT(faulty(HEAD "  listen: 10.0.0.2\n", "without TLS nobody can connect"));
    CU_ASSERT(faulty(HEAD "  listen: 10.0.0.2\n  cert: c\n", "diameter.key"));
    CU_ASSERT(faulty("diameter:\n  identity: a.test\n", "diameter.realm"));
    CU_ASSERT(faulty("diameter:\n  peers:\n    - identity: a.test\n", "diameter.identity"));
    CU_ASSERT(faulty(PLAIN "    - identity: naf.test\n      tls: false\n", "known by its address"));
    CU_ASSERT(faulty(PLAIN "    - identity: naf.test\n      tls: false\n      address: 192.0.2.1\n", "not a private address"));
    CU_ASSERT(faulty(PLAIN "    - identity: naf.test\n      tls: false\n      address: 127.0.0.2\n", "no peer can be told"));
    CU_ASSERT(faulty(PLAIN "    - identity: naf.test\n      tls: false\n      address: fe80::1\n", "no peer can be told"));
    CU_ASSERT(faulty(PLAIN "    - identity: naf.test\n      address: 10.0.0.3\n", "needs diameter.cert"));
    CU_ASSERT(faulty(TLS "    - identity: naf.test\n      tls: false\n      address: 10.0.0.3\n", "insecure_plaintext: true"));
    CU_ASSERT(faulty(TLS "    - identity: naf.test\n    - identity: naf.test\n", "twice"));
    CU_ASSERT(faulty(TLS "    - identity: bsf.home.test\n", "own identity"));
    CU_ASSERT(faulty(TLS "    - identity: p.test\n      sctp: true\n", "peers[0].sctp: carries no TLS"));
    CU_ASSERT(faulty(HEAD "  listen: 10.0.0.2\n  insecure_plaintext: true\n  sctp: no\n  peers:\n    - identity: p.test\n"
                          "      address: 10.0.0.3\n      tls: false\n      sctp: true\n", "needs diameter.sctp"));
    CU_ASSERT(faulty(TLS "    - identity: p.test\n      agent_for: [\"*\"]\n", "agent_for[0]"));
}

static void test_warning(void)
{
    settings s;
    conf *c = load(PLAIN "    - identity: naf.test\n      tls: false\n      address: 10.0.0.3\n", &s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(conf_ok(c) == HAVE_DIAMETER_HERE);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "diameter.insecure_plaintext: warning:"));
    conf_free(&c);
    c = load(TLS "    - identity: naf.test\n", &s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(conf_ok(c) == HAVE_DIAMETER_HERE);
    fd_conf f;
    fd_settings_conf(&s.d, &f);
    CU_ASSERT(f.port == 0 && f.sec_port == 5658 && f.peers[0].tls && f.peers[0].port == 5658); /* plain TCP stays closed */
    conf_free(&c);
}

/* Whose connection it is: a certificate decides where there is one, else the address, and a peer with TLS never
 * comes without. */
static void test_doubt(void)
{
    static const struct {
        bool tls, ours;
        int certificate;
        const char *address;
        bool believed;
    } rows[] = {
        {true, false, 1, "10.0.0.4", true},   {true, false, 1, "192.0.2.1", true},  {true, true, 1, "", true},
        {true, false, -1, "10.0.0.4", false}, {true, true, -1, "10.0.0.4", false},  {true, false, 0, "10.0.0.4", false},
        {true, true, 0, "10.0.0.4", true}, /* freeDiameter compared its certificate */
        {false, false, 0, "10.0.0.4", true},  {false, true, 0, "10.0.0.4", true},   {false, false, 0, "10.0.0.5", false},
        {false, false, 0, "", false},         {false, true, 0, "10.0.0.5", false},
        {false, false, 0, "10.0.0.4 or 10.0.0.5", false}, {false, true, 0, "10.0.0.5 or 10.0.0.4", false},
        {false, false, 1, "10.0.0.5", true}, /* more than it must show */
        {false, false, -1, "10.0.0.4", false}, {false, false, 0, "::ffff:10.0.0.4", false},
    };
    fd_peer_conf p = {.identity = "p.test", .address = "10.0.0.4"}, six = {.identity = "q.test", .address = "FD00::4"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const fd_link l = {rows[i].ours, rows[i].certificate, rows[i].address};
        p.tls = rows[i].tls;
        const char *doubt = fd_peer_doubt(&p, &l);
        if (!doubt != rows[i].believed)
            printf("\nrow %zu: %s\n", i, doubt ? doubt : "believed");
        CU_ASSERT_EQUAL(!doubt, rows[i].believed);
    }
    CU_ASSERT_PTR_NULL(fd_peer_doubt(&six, &(fd_link){false, 0, "fd00:0:0::4"}));
    CU_ASSERT_PTR_NOT_NULL(fd_peer_doubt(&six, &(fd_link){false, 0, "fd00::5"}));
    six.address[0] = '\0';
    CU_ASSERT_PTR_NOT_NULL(fd_peer_doubt(&six, &(fd_link){false, 0, ""}));
}

/* Origin-Host counts only for the peer that is believed, or its agent. */
static void test_trust(void)
{
    static const struct {
        const char *origin, *peer, *doubt;
        bool counts;
    } rows[] = {
        {"naf.home.test", "naf.home.test", NULL, true},
        {"NAF.home.test", "naf.home.test", NULL, true},
        {"naf.home.test", "naf.home.test", "the peer came without TLS", false},
        {"naf.home.test", "plain.test", NULL, false},
        {"plain.test", "plain.test", NULL, true},
        {"naf.visited.test", "proxy.visited.test", NULL, true},
        {"naf.visited.test", "proxy.visited.test", "x", false},
        {"a.b.visited.test", "proxy.visited.test", NULL, true},
        {"visited.test", "proxy.visited.test", NULL, false},
        {"evilvisited.test", "proxy.visited.test", NULL, false},
        {"naf.home.test", "proxy.visited.test", NULL, false},
        {"stranger.test", "stranger.test", NULL, false},
    };
    settings s;
    conf *c = load(HEAD "  listen: 10.0.0.2\n  cert: c\n  key: k\n  ca: a\n  insecure_plaintext: true\n  peers:\n"
                        "    - identity: naf.home.test\n      address: 10.0.0.3\n"
                        "    - identity: plain.test\n      address: 10.0.0.4\n      tls: false\n"
                        "    - identity: proxy.visited.test\n      agent_for: [\"*.visited.test\"]\n", &s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const fd_source from = {rows[i].origin, rows[i].peer, "", rows[i].doubt};
        const char *why = fd_settings_distrust(&s.d, &from);
        if (!why != rows[i].counts)
            printf("\nrow %zu: %s\n", i, why ? why : "trusted");
        CU_ASSERT_EQUAL(!why, rows[i].counts);
    }
    conf_free(&c);
}

static const char *printed(const fd_conf *f, bool sctp)
{
    static char text[4096];
    FILE *o = fmemopen(text, sizeof text, "w");
    if (!o)
        return "";
    fd_conf_print(f, sctp, o);
    fclose(o);
    return text;
}

/* What freeDiameter is told; SCTP only where it is there, and only for the peers that ask for it. */
static void test_freediameter_conf(void)
{
    settings s;
    char why[512] = "";
    bool use;
    fd_conf f;
    conf *c = load(HEAD "  listen: 10.0.0.2\n  insecure_plaintext: true\n  cert: c\n  key: k\n  ca: a\n  peers:\n"
                        "    - identity: s.test\n      address: 10.0.0.3\n      tls: false\n      sctp: true\n"
                        "    - identity: t.test\n      address: 10.0.0.4\n      tls: false\n"
                        "    - identity: u.test\n      address: 10.0.0.5\n"
                        "    - identity: w.test\n      address: 10.0.0.6\n      connect: false\n", &s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    fd_settings_conf(&s.d, &f);
    CU_ASSERT(f.sctp == FD_SCTP_AUTO && f.peers[0].sctp && !f.peers[1].sctp);
    CU_ASSERT_EQUAL(fd_conf_check(&f, why, sizeof why), GBA_OK);
    const char *text = printed(&f, true);
    CU_ASSERT_PTR_NULL(strstr(text, "No_SCTP;\nPort"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"s.test\" { ConnectTo = \"10.0.0.3\"; Port = 3868; No_TLS;  };"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"t.test\" { ConnectTo = \"10.0.0.4\"; Port = 3868; No_TLS; No_SCTP; };"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"u.test\" { ConnectTo = \"10.0.0.5\"; Port = 5658; No_SCTP; };"));
    CU_ASSERT_PTR_NULL(strstr(text, "w.test"));
    CU_ASSERT(f.peers[3].passive && !strcmp(f.peers[3].address, "10.0.0.6"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "NoRelay;"));
    text = printed(&f, false);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "No_SCTP;\nPort = 3868;\nSecPort = 5658;\nListenOn = \"10.0.0.2\";"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Port = 3868; No_TLS;  };"));

    CU_ASSERT(fd_sctp_choose(FD_SCTP_AUTO, true, &use, why, sizeof why) == GBA_OK && use);
    CU_ASSERT(fd_sctp_choose(FD_SCTP_AUTO, false, &use, why, sizeof why) == GBA_OK && !use);
    CU_ASSERT(fd_sctp_choose(FD_SCTP_NO, true, &use, why, sizeof why) == GBA_OK && !use);
    CU_ASSERT(fd_sctp_choose(FD_SCTP_YES, true, &use, why, sizeof why) == GBA_OK && use);
    CU_ASSERT_EQUAL(fd_sctp_choose(FD_SCTP_YES, false, &use, why, sizeof why), GBA_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "modprobe sctp"));
    printf("this kernel has %s SCTP ", fd_sctp_here() ? "" : "no");

    f.identity = "a\"; LoadExtension = \"x"; /* nothing leaves its quotes */
    CU_ASSERT_EQUAL(fd_conf_check(&f, why, sizeof why), GBA_E_ARG);
    f.identity = "a.test";
    f.listen = "127.0.0.1";
    CU_ASSERT_EQUAL(fd_conf_check(&f, why, sizeof why), GBA_E_ARG);
    conf_free(&c);
}

static void note(void *ctx, const char *path)
{
    (void)ctx;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s ", path);
}

/* What a reload would have to tell. */
static void test_changes(void)
{
    settings a, b;
    conf *x = load(TLS "    - identity: naf.test\n      agent_for: [a.test]\n    - identity: b.test\n", &a);
    conf *y = load(HEAD "  listen: 10.0.0.9\n  cert: c2\n  key: k\n  ca: a\n  threads: 5\n  sctp: no\n  peers:\n"
                        "    - identity: naf.test\n      agent_for: [a.test, b.test]\n    - identity: b.test\n      port: 1\n", &b);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_PTR_NOT_NULL_FATAL(y);
    said[0] = '\0';
    conf_each_change(table, &a, &a, note, NULL);
    CU_ASSERT_STRING_EQUAL(said, "");
    conf_each_change(table, &a, &b, note, NULL);
    CU_ASSERT_STRING_EQUAL(said, "diameter.listen diameter.threads diameter.cert diameter.sctp "
                                 "diameter.peers[0].agent_for diameter.peers[1].port ");
    conf_free(&y);
    y = load(HEAD "  listen: 10.0.0.2\n  cert: c\n  key: k\n  ca: a\n  peers:\n    - identity: naf.test\n", &b);
    CU_ASSERT_PTR_NOT_NULL_FATAL(y);
    said[0] = '\0';
    conf_each_change(table, &a, &b, note, NULL);
    CU_ASSERT_STRING_EQUAL(said, "diameter.peers ");
    conf_free(&x);
    conf_free(&y);
}

T_MAIN("fd_settings", {"freeDiameter's configuration", test_freediameter_conf}, {"changes", test_changes}, {"faults", test_faults}, {"a warning", test_warning}, {"whose connection it is", test_doubt},
       {"whose word counts", test_trust})
