/* SPDX-License-Identifier: Apache-2.0 */
/* test_ue.c - the device: sessions kept and renewed, keys, NAFs answered, processes side by side. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <gba/ue_connect.h>
#include "tests/t_main.h"
#include "tests/ue_peer.h"
#include "ue/carrier.h"
#include "ue/file.h"
#include "ue/session.h"

static char dir[PATH_MAX - 256], usim[PATH_MAX - 128], state[PATH_MAX - 128], text[GBA_UE_TEXT];
static peer p;
static gba_uicc *u;
static gba_ue *ue;
static int64_t clock_now;
static char lines[16384]; /* the trace */

static int64_t now(void *arg)
{
    (void)arg;
    return clock_now;
}

static void trace(void *arg, int level, const char *line)
{
    (void)arg;
    size_t n = strlen(lines);
    snprintf(lines + n, sizeof lines - n, "%d %s\n", level, line);
}

static gba_ue_config config(void)
{
    gba_ue_config c = {.uicc = u,
                       .carrier = peer_carrier(&p),
                       .bsf_url = "http://" PEER_BSF "/",
                       .state_dir = state,
                       .now = now,
                       .trace = trace};
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str(PEER_BSF), &c.bsf), GBA_OK);
    return c;
}

static void open_ue(void)
{
    gba_ue_config c = config();
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_open(usim, NULL, &u, text), GBA_OK);
    c.uicc = u;
    CU_ASSERT_EQUAL_FATAL(gba_ue_new(&c, &ue, text), GBA_OK);
}

static void begin(void)
{
    snprintf(dir, sizeof dir, "/tmp/test_ue.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(usim, sizeof usim, "%s/usim", dir);
    snprintf(state, sizeof state, "%s/a/state", dir);
    peer_open(&p);
    clock_now = PEER_NOW;
    lines[0] = '\0';
    gba_uicc_soft_config c = {.impi = p.impi, .key = p.key};
    CU_ASSERT_EQUAL_FATAL(gba_uicc_soft_create(usim, &c, NULL, text), GBA_OK);
    open_ue();
}

static void shut(void)
{
    gba_ue_free(&ue);
    gba_uicc_free(&u);
}

static void end(void)
{
    char command[PATH_MAX];
    shut();
    peer_close(&p);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CU_ASSERT_EQUAL(system(command), 0);
}

static gba_err get(const char *url, gba_ue_answer *a)
{
    const gba_ue_request r = {.method = "GET", .url = url};
    return gba_ue_fetch(ue, &r, a);
}
#define NAF_URL "https://" PEER_NAF ":8443/x?y=1"

static void sessions(void)
{
    gba_ue_session s;
    struct stat st;
    begin();
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL_FATAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    CU_ASSERT_TRUE(gba_secret_eq(&s.ks.ks, &p.ks));
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    CU_ASSERT_EQUAL(stat(state, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0700);
    shut();
    open_ue(); /* another process, later */
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    CU_ASSERT_TRUE(gba_secret_eq(&s.ks.ks, &p.ks));
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, true, &s), GBA_OK);
    CU_ASSERT_EQUAL(p.bootstraps, 2);
    clock_now = s.expires - 1;
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_OK);
    clock_now = s.expires;
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_E_EXPIRED);
    clock_now = PEER_NOW - 3600; /* stepped back: no telling how old it is */
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_E_EXPIRED);
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    CU_ASSERT_EQUAL(p.bootstraps, 3);
    CU_ASSERT_EQUAL(gba_ue_forget(ue), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_forget(ue), GBA_E_UNKNOWN);
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_E_UNKNOWN);
    end();
}

static void failures(void)
{
    gba_ue_session s;
    begin();
    p.unreachable = true;
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_E_IO);
    CU_ASSERT_STRING_EQUAL(gba_ue_text(ue), "nobody is there");
    p.unreachable = false;
    p.wrong_rspauth = true;
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_E_AUTH);
    CU_ASSERT_EQUAL(s.ks.ks.n, 0);
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_E_UNKNOWN); /* nothing was kept */
    p.wrong_rspauth = false;
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    /* a renewal that fails leaves the old session */
    p.status = 503;
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, true, &s), GBA_E_BUSY);
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_OK);
    end();
}

static void only_file(void *arg, const char *path, const gba_ue_session *s)
{
    (void)s;
    snprintf(arg, PATH_MAX, "%s", path);
}

static void damaged_session(void)
{
    gba_ue_session s;
    char path[PATH_MAX] = "";
    struct stat st;
    begin();
    CU_ASSERT_EQUAL_FATAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_sessions(state, NULL, only_file, path, text), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL_FATAL(truncate(path, 50), 0);
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_E_CORRUPT);
    CU_ASSERT_EQUAL(gba_ue_sessions(state, NULL, only_file, path, text), GBA_E_CORRUPT);
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_OK); /* had anew */
    CU_ASSERT_EQUAL(p.bootstraps, 2);
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_sessions("/nonexistent", NULL, only_file, path, text), GBA_E_UNKNOWN);
    end();
}

static void session_record(void)
{
    gba_ue_session s = {.lifetime = PEER_NOW + 1, .expires = PEER_NOW + 1, .begun = PEER_NOW}, back;
    uint8_t record[UE_SESSION_MAX];
    size_t n = sizeof record;
    CU_ASSERT_EQUAL(gba_impi_parse(gba_str(PEER_IMPI), &s.impi), GBA_OK);
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str(PEER_BSF), &s.bsf), GBA_OK);
    CU_ASSERT_EQUAL(gba_btid_parse(gba_str("abc@" PEER_BSF), &s.btid), GBA_OK);
    s.ks.ks = t_secret(PEER_K PEER_K);
    CU_ASSERT_EQUAL_FATAL(ue_session_print(&s, record, &n), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(ue_session_parse(gba_mem(record, n), &back), GBA_OK);
    CU_ASSERT_EQUAL(memcmp(back.btid.s, s.btid.s, sizeof s.btid.s), 0);
    CU_ASSERT_TRUE(gba_secret_eq(&back.ks.ks, &s.ks.ks));
    for (size_t cut = 0; cut < n; cut++)
        CU_ASSERT_NOT_EQUAL(ue_session_parse(gba_mem(record, cut), &back), GBA_OK);
    s.ks.on_card = true; /* both here and on the card */
    n = sizeof record;
    CU_ASSERT_EQUAL_FATAL(ue_session_print(&s, record, &n), GBA_OK);
    CU_ASSERT_EQUAL(ue_session_parse(gba_mem(record, n), &back), GBA_E_SYNTAX);
}

static void tmpi_is_kept(void)
{
    gba_ue_session s;
    gba_impi first;
    begin();
    p.tmpi = true;
    CU_ASSERT_EQUAL_FATAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    first = s.tmpi;
    CU_ASSERT_TRUE(gba_is_tmpi(gba_str(first.s)));
    clock_now = s.expires + 10; /* the session is over, its TMPI serves once more */
    CU_ASSERT_EQUAL_FATAL(gba_ue_bootstrap(ue, false, &s), GBA_E_EXPIRED); /* the peer's clock stands still */
    CU_ASSERT_STRING_EQUAL(p.last_username.s, first.s);
    clock_now = PEER_NOW;
    p.forget_tmpi = true;
    p.status = 503;
    /* refused at first (403), then the IMPI finds the BSF overloaded: dropped all the same */
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, true, &s), GBA_E_BUSY);
    CU_ASSERT_EQUAL(gba_ue_session_load(ue, &s), GBA_OK);
    CU_ASSERT_STRING_EQUAL(s.tmpi.s, "");
    end();
}

static void naf_keys(void)
{
    gba_naf_id naf = {.ua = gba_ua_id_digest(GBA_PLAIN, 0)};
    GBA_SECRET_SCOPED got = {0}, want = {0};
    gba_ue_session s;
    begin();
    CU_ASSERT_EQUAL(gba_fqdn_parse(gba_str(PEER_NAF), &naf.fqdn), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_naf_key(ue, &naf, &got, &s), GBA_OK);
    CU_ASSERT_EQUAL(gba_ks_naf(GBA_KS_NAF, &p.ks, gba_mem(p.rand, 16), &p.impi, &naf, &want), GBA_OK);
    CU_ASSERT_TRUE(gba_secret_eq(&got, &want));
    CU_ASSERT_STRING_EQUAL(s.btid.s, p.btid.s);
    CU_ASSERT_EQUAL(gba_ue_naf_key(ue, &naf, &got, NULL), GBA_OK);
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    end();
}

static void fetch(void)
{
    gba_ue_answer a;
    begin();
    p.transport = GBA_TLS13;
    p.suite = 0x1302;
    CU_ASSERT_EQUAL_FATAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(a.status, 200);
    CU_ASSERT_TRUE(gba_span_eq(a.body, gba_str("hello\n")));
    CU_ASSERT_EQUAL(p.ua_requests, 2);
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    CU_ASSERT_TRUE(gba_product_token(gba_str(p.last_agent), "3gpp-gba"));
    const gba_ue_field f[] = {{gba_str("User-Agent"), gba_str("Mine/1")}, {gba_str("X-A"), gba_str("b")}};
    const gba_ue_request post = {"POST", NAF_URL, f, 2, gba_str("body under auth-int")};
    CU_ASSERT_EQUAL(gba_ue_fetch(ue, &post, &a), GBA_OK);
    CU_ASSERT_EQUAL(p.ua_passed, 2);
    CU_ASSERT_STRING_EQUAL(p.last_agent, "Mine/1 3gpp-gba");
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    p.naf_alg = GBA_DIGEST_MD5;
    p.naf_qop = "auth";
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    p.transport = GBA_PLAIN;
    CU_ASSERT_EQUAL(get("http://" PEER_NAF "/", &a), GBA_OK);
    CU_ASSERT_EQUAL(p.ua_passed, 4);
    p.naf_status = 404; /* authenticated, and not there */
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(a.status, 404);
    p.naf_open = true; /* no challenge at all */
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_TRUE(gba_span_eq(a.body, gba_str("open\n")));
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    end();
}

static void renewal(void)
{
    gba_ue_answer a;
    gba_ue_session s;
    begin();
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    p.naf_refuse = 1; /* "bootstrap again" (TS 24.109 5.2.5) */
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(p.bootstraps, 2);
    CU_ASSERT_EQUAL(p.ua_requests, 3);
    p.naf_forgets = true; /* at most once a request */
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_AUTH);
    CU_ASSERT_EQUAL(p.bootstraps, 3);
    CU_ASSERT_EQUAL(p.ua_requests, 6);
    p.naf_forgets = false;
    p.naf_stale = 1; /* only the nonce is old */
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(p.bootstraps, 3);
    p.naf_stale = 100;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_AUTH);
    CU_ASSERT_EQUAL(p.bootstraps, 4);
    p.naf_stale = 0;
    clock_now = PEER_NOW + 3000;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(p.bootstraps, 4);
    end();
}

/* ---- the call's time: a peer that takes 400 ms to answer ---- */
#define SLOW_MS 400
static unsigned last_timeout, exchanges;

static gba_err slow_exchange(void *self, const gba_ue_request *r, gba_ue_answer *a)
{
    gba_ue_carrier quick = peer_carrier(self);
    last_timeout = r->timeout_ms;
    exchanges++;
    usleep(SLOW_MS * 1000);
    return quick.ops->exchange(quick.self, r, a);
}

static void one_deadline(void)
{
    static const gba_ue_carrier_ops slow = {.name = "slow", .exchange = slow_exchange};
    gba_ue_answer a;
    gba_ue_session s;
    begin();
    gba_ue_free(&ue);
    gba_ue_config c = config();
    c.carrier = (gba_ue_carrier){&slow, &p};
    c.call_s = 1;
    CU_ASSERT_EQUAL_FATAL(gba_ue_new(&c, &ue, text), GBA_OK);
    memset(&a, 0xa5, sizeof a);
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_IO); /* 401, Ub's two, and no time is left for the NAF's second */
    CU_ASSERT_EQUAL(exchanges, 3);
    CU_ASSERT_TRUE(last_timeout > 0 && last_timeout <= 1000 - 2 * SLOW_MS);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), "the call's 1 s are over"));
    CU_ASSERT_TRUE(a.status == 0 && !a.fields && !a.body.p); /* what came last is no answer */
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK); /* the next call has its own: the session was kept */
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, true, &s), GBA_OK);
    p.stale = 100; /* one that would go on */
    exchanges = 0;
    CU_ASSERT_NOT_EQUAL(gba_ue_bootstrap(ue, true, &s), GBA_OK);
    CU_ASSERT_TRUE(exchanges <= 3);
    end();
    begin();
    c = config();
    c.uicc = u;
    c.carrier = (gba_ue_carrier){&slow, &p};
    gba_ue_free(&ue);
    CU_ASSERT_EQUAL_FATAL(gba_ue_new(&c, &ue, text), GBA_OK);
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK); /* none is set */
    CU_ASSERT_EQUAL(last_timeout, 0);
    end();
}

/* The NAF's nonce serves again: one request a page, until the NAF wants another. */
static void nonce_lives_on(void)
{
    gba_ue_answer a;
    begin();
    p.naf_reuse = true;
    for (unsigned i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
        CU_ASSERT_EQUAL(p.naf_nc, i);
        CU_ASSERT_EQUAL(p.ua_requests, i + 1);
    }
    p.naf_nextnonce = true;
    for (unsigned i = 1; i <= 3; i++) {
        CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
        CU_ASSERT_EQUAL(p.naf_nonce, i);
        CU_ASSERT_EQUAL(p.ua_requests, i + 4);
    }
    p.naf_nextnonce = false;
    p.naf_stale = 1;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(p.ua_requests, 9);
    p.naf_nonce = 77; /* restarted: it knows no old nonce and does not say stale */
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(p.ua_requests, 11);
    CU_ASSERT_EQUAL(p.bootstraps, 1);
    CU_ASSERT_EQUAL(get("http://" PEER_NAF ":81/", &a), GBA_OK); /* another port is another NAF */
    CU_ASSERT_EQUAL(p.ua_requests, 13);
    gba_ue_session s;
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, true, &s), GBA_OK);
    CU_ASSERT_EQUAL(get("http://" PEER_NAF ":81/", &a), GBA_OK); /* a new B-TID asks anew */
    CU_ASSERT_EQUAL(p.ua_requests, 15);
    end();
}

/* A new connection may bring another suite, and with it another key. */
static void suite_changes(void)
{
    gba_ue_answer a;
    begin();
    p.transport = GBA_TLS12;
    p.suite = 0xc02b;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    p.suite_next = 0xc02c;
    p.ua_requests = 0;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(p.ua_requests, 2);
    end();
}

/* ... between the challenge and our answer to it. */
static unsigned exchanges;
static gba_err flapping(void *self, const gba_ue_request *r, gba_ue_answer *a)
{
    gba_ue_carrier c = peer_carrier(self);
    if (strstr(r->url, "naf") && ++exchanges == 2)
        p.suite_next = 0xcca9;
    return c.ops->exchange(self, r, a);
}
static const char *no_text(void *self)
{
    (void)self;
    return NULL;
}

static void suite_changes_midway(void)
{
    static const gba_ue_carrier_ops ops = {"flapping", flapping, no_text, NULL};
    gba_ue_answer a;
    begin();
    gba_ue_free(&ue);
    gba_ue_config c = config();
    c.carrier = (gba_ue_carrier){&ops, &p};
    CU_ASSERT_EQUAL_FATAL(gba_ue_new(&c, &ue, text), GBA_OK);
    p.transport = GBA_TLS12;
    p.suite = 0xc02b;
    exchanges = 0;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_EQUAL(exchanges, 3);
    CU_ASSERT_EQUAL(p.bootstraps, 1); /* the suite was it, not the key's age */
    end();
}

static void hostile_nafs(void)
{
    gba_ue_answer a;
    begin();
    p.naf_realm = "3GPP-bootstrapping@naf.evil.test";
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_FORBIDDEN);
    CU_ASSERT_EQUAL(p.bootstraps, 0);
    p.naf_realm = "members only";
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_FORBIDDEN);
    p.naf_realm = NULL;
    p.naf_challenge = "Negotiate";
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_FORBIDDEN);
    p.naf_challenge = NULL;
    p.naf_wrong_rspauth = true;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_AUTH);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(ue), "rspauth"));
    p.naf_wrong_rspauth = false;
    p.naf_no_rspauth = true;
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_E_AUTH);
    end();
}

static void trace_tells_no_secret(void)
{
    gba_ue_answer a;
    char hex[2 * GBA_SECRET_MAX + 1];
    begin();
    CU_ASSERT_EQUAL(get(NAF_URL, &a), GBA_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "2 > Authorization: Digest"));
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "response=\"****"));
    CU_ASSERT_PTR_NOT_NULL(strstr(lines, "rspauth=\"****"));
    gba_hex_encode(p.ks.o, p.ks.n, hex);
    CU_ASSERT_PTR_NULL(strstr(lines, hex));
    for (const char *at = lines; (at = strstr(at, "response=\"")); at += 10)
        CU_ASSERT_TRUE(at[10] == '*' || at[10] == '"');
    end();
}

static void arguments(void)
{
    gba_ue_answer a;
    gba_ue *other = NULL;
    const gba_ue_field f = {gba_str("Authorization"), gba_str("Basic x")};
    begin();
    CU_ASSERT_EQUAL(get("ftp://x/", &a), GBA_E_SYNTAX);
    CU_ASSERT_EQUAL(get("http://[::1]/", &a), GBA_E_SYNTAX); /* a NAF has a name */
    const gba_ue_request r = {"GET", NAF_URL, &f, 1, {NULL, 0}};
    CU_ASSERT_EQUAL(gba_ue_fetch(ue, &r, &a), GBA_E_ARG);
    gba_ue_config c = config();
    c.bsf_url = "nonsense";
    CU_ASSERT_EQUAL(gba_ue_new(&c, &other, text), GBA_E_SYNTAX);
    CU_ASSERT_PTR_NULL(other);
    c = config();
    c.state_dir = "/proc/nonexistent/x";
    CU_ASSERT_EQUAL(gba_ue_new(&c, &other, text), GBA_E_IO);
    c.uicc = NULL;
    CU_ASSERT_EQUAL(gba_ue_new(&c, &other, text), GBA_E_ARG);
    /* no domain: from the IMPI (TS 23.003 16.2), which is not this BSF's */
    gba_ue_session s;
    c = config();
    memset(&c.bsf, 0, sizeof c.bsf);
    CU_ASSERT_EQUAL_FATAL(gba_ue_new(&c, &other, text), GBA_OK);
    CU_ASSERT_EQUAL(gba_ue_bootstrap(other, false, &s), GBA_E_FORBIDDEN);
    CU_ASSERT_PTR_NOT_NULL(strstr(gba_ue_text(other), "bsf.ims.mnc001.mcc001.pub.3gppnetwork.org"));
    gba_ue_free(&other);
    end();
}

/* B10, B1: whatever stood in *out, an error leaves nothing in it that could be used or freed. */
#define GARBAGE(x) memset(&(x), 0xa5, sizeof(x))
static bool zeroed(const void *from, size_t n)
{
    const uint8_t *o = from;
    while (n && !*o)
        o++, n--;
    return n == 0;
}

static void constructors(void)
{
    static const gba_uicc_ops none = {.name = "none"};
    gba_ue_config c;
    gba_ub_config uc = {.uicc = NULL};
    gba_ue *o;
    gba_uicc *card;
    gba_ub *ub;
    gba_ue_conn *conn;
    begin();
    for (int i = 0; i < 5; i++) {
        c = config();
        c.uicc = i == 0 ? NULL : u;
        c.state_dir = i == 1 ? NULL : i == 2 ? "/proc/nonexistent/x" : state;
        c.bsf_url = i == 3 ? "nonsense" : c.bsf_url;
        if (i == 4)
            c.seal.key_file = "/proc/nonexistent/key";
        GARBAGE(o);
        CU_ASSERT_NOT_EQUAL(gba_ue_new(&c, &o, i == 4 ? NULL : text), GBA_OK);
        CU_ASSERT_PTR_NULL(o);
    }
    for (int i = 0; i < 2; i++) { /* no UICC; a target that is too long */
        static char target[3000];
        memset(target, '/', sizeof target - 1);
        uc = (gba_ub_config){.uicc = i ? u : NULL, .impi = p.impi, .bsf = {PEER_BSF}, .target = target};
        GARBAGE(ub);
        CU_ASSERT_NOT_EQUAL(gba_ub_new(&uc, &ub), GBA_OK);
        CU_ASSERT_PTR_NULL(ub);
    }
    GARBAGE(card);
    CU_ASSERT_EQUAL(gba_uicc_new(&none, NULL, &card), GBA_E_ARG);
    CU_ASSERT_PTR_NULL(card);
    GARBAGE(card);
    CU_ASSERT_EQUAL(gba_uicc_new(NULL, NULL, &card), GBA_E_ARG);
    CU_ASSERT_PTR_NULL(card);
    GARBAGE(card);
    CU_ASSERT_EQUAL(gba_uicc_soft_open("/nonexistent/usim", NULL, &card, NULL), GBA_E_UNKNOWN);
    CU_ASSERT_PTR_NULL(card);
    const gba_ue_connect_config cc = {.host = "no host", .port = 443};
    GARBAGE(conn);
    CU_ASSERT_EQUAL(gba_ue_connect(ue, &cc, &conn), GBA_E_ARG);
    CU_ASSERT_PTR_NULL(conn);
    end();
}

static gba_err no_impi(void *card, gba_impi *out)
{
    (void)card, (void)out;
    return GBA_E_IO;
}
static gba_err no_boot(void *card, const uint8_t r[16], const uint8_t autn[16], gba_uicc_answer *out)
{
    (void)card, (void)r, (void)autn, (void)out;
    return GBA_E_IO;
}
static void no_close(void *card)
{
    (void)card;
}

static void results(void)
{
    static const gba_uicc_ops dead = {.name = "dead", .impi = no_impi, .boot = no_boot, .close = no_close};
    const gba_naf_id naf = {.fqdn = {PEER_NAF}, .ua = {{1, 0, 0, 0, 2}}};
    const gba_uicc_ks on_card = {.on_card = true};
    const gba_ub_config uc = {.uicc = u, .impi = {PEER_IMPI}, .bsf = {PEER_BSF}};
    gba_ue_session s;
    gba_secret key;
    gba_impi impi;
    gba_uicc_soft_info info;
    gba_uicc_answer answer;
    gba_ub_request want;
    gba_ub_next next;
    gba_ue_answer a;
    gba_uicc *card;
    gba_ub *ub;
    begin();
    CU_ASSERT_EQUAL_FATAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    clock_now = s.expires + 1;
    p.unreachable = true;
    GARBAGE(s);
    CU_ASSERT_NOT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_OK); /* not the expired one's Ks, either */
    CU_ASSERT_TRUE(zeroed(&s, sizeof s));
    GARBAGE(s);
    GARBAGE(key);
    CU_ASSERT_NOT_EQUAL(gba_ue_naf_key(ue, &naf, &key, &s), GBA_OK);
    CU_ASSERT_TRUE(zeroed(&s, sizeof s) && zeroed(&key, sizeof key));
    GARBAGE(a);
    CU_ASSERT_NOT_EQUAL(get("ftp://x/", &a), GBA_OK);
    CU_ASSERT_TRUE(zeroed(&a, sizeof a));
    const gba_ue_request r = {.method = "GET", .url = "http://" PEER_NAF "/"};
    GARBAGE(a);
    CU_ASSERT_NOT_EQUAL(gba_ue_fetch_psk(ue, &r, GBA_UE_TLS_ANY, &a), GBA_OK);
    CU_ASSERT_TRUE(zeroed(&a, sizeof a));
    CU_ASSERT_EQUAL_FATAL(gba_uicc_new(&dead, NULL, &card), GBA_OK);
    GARBAGE(impi);
    CU_ASSERT_EQUAL(gba_uicc_impi(card, &impi), GBA_E_IO);
    CU_ASSERT_TRUE(zeroed(&impi, sizeof impi));
    GARBAGE(info);
    CU_ASSERT_EQUAL(gba_uicc_soft_info_read(card, &info), GBA_E_UNSUPPORTED);
    CU_ASSERT_TRUE(zeroed(&info, sizeof info));
    GARBAGE(answer);
    CU_ASSERT_EQUAL(gba_uicc_boot(card, p.rand, p.rand, &answer), GBA_E_IO);
    CU_ASSERT_TRUE(zeroed(&answer, sizeof answer));
    GARBAGE(key);
    CU_ASSERT_EQUAL(gba_uicc_naf_key(card, &on_card, p.rand, &p.impi, &naf, &key), GBA_E_UNSUPPORTED);
    CU_ASSERT_TRUE(zeroed(&key, sizeof key));
    gba_uicc_free(&card);
    gba_ub_config real = uc;
    real.uicc = u;
    CU_ASSERT_EQUAL_FATAL(gba_ub_new(&real, &ub), GBA_OK);
    CU_ASSERT_EQUAL_FATAL(gba_ub_start(ub, &want), GBA_OK);
    GARBAGE(want);
    CU_ASSERT_EQUAL(gba_ub_start(ub, &want), GBA_E_ARG);
    CU_ASSERT_TRUE(zeroed(&want, sizeof want));
    const gba_ue_answer no = {.status = 503};
    GARBAGE(want);
    GARBAGE(next);
    CU_ASSERT_EQUAL(gba_ub_feed(ub, &no, p.rand, clock_now, &next, &want), GBA_E_BUSY);
    CU_ASSERT_TRUE(zeroed(&want, sizeof want) && next != GBA_UB_SEND && next != GBA_UB_DONE);
    gba_ub_free(&ub);
    end();
}

static void urls(void)
{
    static const char *const bad[] = {"", "http://", "http:///x", "http://a b/", "http://u@h/", "http://h:0/", "http://h:65536/",
                                      "http://h:x/", "http://h:/", "http://[::1/", "http://[::1]x/", "http://h/#f",
                                      "http://h/\n", "http://h/\"", "gopher://h/", "http://h\\x/"};
    ue_url url;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_NOT_EQUAL(ue_url_parse(bad[i], &url), GBA_OK);
    CU_ASSERT_EQUAL(ue_url_parse("HTTPS://H.x:8443?q", &url), GBA_OK);
    CU_ASSERT_TRUE(url.tls && url.port == 8443);
    CU_ASSERT_STRING_EQUAL(url.host, "H.x");
    CU_ASSERT_STRING_EQUAL(url.target, "/?q");
    CU_ASSERT_STRING_EQUAL(url.origin, "HTTPS://H.x:8443");
    CU_ASSERT_EQUAL(ue_url_parse("http://[::1]:80/a/../b", &url), GBA_OK);
    CU_ASSERT_TRUE(url.ipv6 && url.port == 80);
    CU_ASSERT_STRING_EQUAL(url.target, "/a/../b");
    CU_ASSERT_EQUAL(ue_url_parse("http://h", &url), GBA_OK);
    CU_ASSERT_STRING_EQUAL(url.target, "/");
}

/* A session that another process makes while we wait for the card is ours, too. */
static void processes_share(void)
{
    gba_ue_session s;
    int ready[2];
    char c;
    begin();
    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    pid_t pid = fork(); /* both have the same peer, at the same state */
    if (pid == 0) {
        shut();
        open_ue();
        if (gba_uicc_lock(u) || write(ready[1], "r", 1) != 1)
            _exit(1);
        usleep(200 * 1000);
        gba_err e = gba_ue_bootstrap(ue, false, &s);
        gba_uicc_unlock(u);
        _exit(e != GBA_OK);
    }
    CU_ASSERT_EQUAL(read(ready[0], &c, 1), 1);
    CU_ASSERT_EQUAL(gba_ue_bootstrap(ue, false, &s), GBA_OK);
    CU_ASSERT_EQUAL(p.ub_requests, 0); /* in this process */
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
    close(ready[0]);
    close(ready[1]);
    end();
}

T_MAIN("ue", {"sessions", sessions}, {"failures", failures}, {"damaged session", damaged_session},
       {"session record", session_record}, {"TMPI is kept", tmpi_is_kept}, {"NAF keys", naf_keys}, {"fetch", fetch},
       {"renewal", renewal}, {"a call's deadline", one_deadline}, {"nonce lives on", nonce_lives_on}, {"suite changes", suite_changes}, {"suite changes midway", suite_changes_midway},
       {"hostile NAFs", hostile_nafs}, {"trace tells no secret", trace_tells_no_secret}, {"arguments", arguments}, {"constructors", constructors}, {"results", results},
       {"URLs", urls}, {"processes share", processes_share})
