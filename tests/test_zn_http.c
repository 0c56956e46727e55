/* SPDX-License-Identifier: Apache-2.0 */
/* test_zn_http.c - Nbsp_GBA over real sockets and mutual TLS, asked by curl. */
#include "bsf/zn_http.h"
#include "bsf/zn_json.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "service/daemon.h"
#include "t_main.h"
#include "zn_kit.h"

#define BTID "zoPbxUrAJ0oVfBf4DQF71g==@bsf.home1.net"
#define KS_NAF "0d4a26a83a76a83c04e6dff0004c060b51d1b3925886c370ceb78f6eedb46e93"
#define RETRIEVAL "/nbsp-gba/v1/bootstrapping-info-retrieval"
#define PUSH "/nbsp-gba/v1/push-info-retrieval"
#define JSON "-H", "Content-Type: application/json"
#define ASK(BTID_, FQDN_, UA_)                                                                                         \
    "{\"btId\":\"" BTID_ "\",\"nafId\":{\"nafFqdn\":\"" FQDN_ "\",\"uaSecProtId\":\"" UA_ "\"}}"
#define GOOD ASK(BTID, "naf1.home1.net", "0100000002")

static zn_kit kit;
static zn *z;
static tls_server *tls;
static http_server *server;
static char answer[65536];

static int64_t fixed_now(void)
{
    return KIT_NOW * 1000;
}

/* Runs a program without a shell; its standard output into answer. */
static int run(char *const argv[])
{
    int fds[2], status;
    size_t n = 0;
    ssize_t got;
    if (pipe(fds) != 0)
        exit(99);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(fds[1], 1);
        dup2(null, 2);
        close(fds[0]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(fds[1]);
    while (n < sizeof answer - 1 && (got = read(fds[0], answer + n, sizeof answer - 1 - n)) > 0)
        n += (size_t)got;
    answer[n] = '\0';
    close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        exit(99);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

#define ARGS_MAX 24
/* The status that curl got, 0: no answer (the handshake failed). answer: header, body, status.
 * cert NULL: none. more ends with NULL. */
static int curl(const char *cert, const char *path, const char *const *more)
{
    char ca[128], pem[128], key[128], url[256];
    const char *argv[ARGS_MAX + 8] = {"curl", "-s", "-i", "-m", "10", "-w", "\n%{http_code}", "--cacert", ca};
    size_t n = 9;
    snprintf(ca, sizeof ca, "%s/zn-ca.pem", kit.dir);
    snprintf(url, sizeof url, "https://127.0.0.1:%u%s", http_server_port(server), path);
    if (cert) {
        snprintf(pem, sizeof pem, "%s/%s.pem", kit.dir, cert);
        snprintf(key, sizeof key, "%s/%s.key", kit.dir, cert);
        argv[n++] = "--cert", argv[n++] = pem, argv[n++] = "--key", argv[n++] = key;
    }
    while (*more && n < ARGS_MAX)
        argv[n++] = *more++;
    argv[n++] = url;
    int rc = run((char *const *)argv);
    CU_ASSERT(rc != 127 && rc < 128);
    const char *last = strrchr(answer, '\n');
    int status = last ? atoi(last + 1) : 0;
    /* No answer but 200 holds a key. */
    if (status != 200)
        CU_ASSERT(!strstr(answer, KS_NAF) && !strstr(answer, "meKeyMaterial"));
    return status;
}

#define CURL(CERT, PATH, ...) curl(CERT, PATH, (const char *const[]){__VA_ARGS__, NULL})

static json_t *body_json(void)
{
    char *body = strstr(answer, "\r\n\r\n"), *end = strrchr(answer, '\n');
    json_t *j = body && end > body ? json_loadb(body + 4, (size_t)(end - body - 4), 0, NULL) : NULL;
    CU_ASSERT_PTR_NOT_NULL(j);
    return j;
}

/* Status and cause of a problem+json, both as they must be. */
static bool is_problem(int got, int status, const char *cause)
{
    json_t *j = body_json();
    const char *c = json_string_value(json_object_get(j, "cause"));
    bool ok = got == status && json_integer_value(json_object_get(j, "status")) == status &&
              strstr(answer, "application/problem+json") && (cause ? c && strcmp(c, cause) == 0 : !c);
    if (!ok)
        printf("\nwanted %d %s, got %s\n", status, cause ? cause : "", answer);
    json_decref(j);
    return ok;
}

static void start(void)
{
    char cmd[512], cert[128], key[128], ca[128], why[256] = "";
    char script[256];
    zn_kit_open(&kit);
    snprintf(cmd, sizeof cmd, "'%s' '%s'", t_path(script, sizeof script, "tests/zn_certs.sh"), kit.dir);
    if (system(cmd) != 0)
        exit(99);
    rec_session s = zn_kit_sample(), tomb = {.tombstone = true, .impi = s.impi, .challenge_ms = 1};
    zn_kit_session(&kit, BTID, &s, s.expires);
    zn_kit_session(&kit, "tomb@bsf.home1.net", &tomb, KIT_NOW + 60);
    s.expires = KIT_NOW - 1;
    zn_kit_session(&kit, "over@bsf.home1.net", &s, 0);
    zn_kit_grant(&kit, "naf1.home1.net", "naf1.home1.net", "0100000002", true);
    snprintf(cert, sizeof cert, "%s/server.pem", kit.dir);
    snprintf(key, sizeof key, "%s/server.key", kit.dir);
    snprintf(ca, sizeof ca, "%s/zn-ca.pem", kit.dir);
    const tls_server_config tc = {.cert_file = cert, .key_file = key, .client_ca_file = ca};
    service_now_ms_hook = fixed_now;
    if (zn_new(kit.store, &z) != GBA_OK || tls_server_new(&tc, &tls, why, sizeof why) != GBA_OK) {
        fprintf(stderr, "%s\n", why);
        exit(99);
    }
    const http_config hc = {.name = "zn", .address = "127.0.0.1", .tls = tls, .body_max = ZN_HTTP_BODY_MAX,
                            .handler = zn_http_handle, .ctx = z, .threads = 1};
    if (http_server_start(&hc, &server, why, sizeof why) != GBA_OK) {
        fprintf(stderr, "%s\n", why);
        exit(99);
    }
}

static void test_release(void)
{
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL, JSON, "-d", GOOD), 200);
    CU_ASSERT(strstr(answer, "Content-Type: application/json\r\n") != NULL);
    CU_ASSERT(strstr(answer, "no-store") != NULL);
    json_t *j = body_json();
    CU_ASSERT_STRING_EQUAL(t_str(j, "meKeyMaterial"), KS_NAF);
    CU_ASSERT_STRING_EQUAL(t_str(j, "keyExpiryTime"), "2027-01-15T09:00:00Z");
    CU_ASSERT_STRING_EQUAL(t_str(j, "bootstrappingInfoCreationTime"), "2027-01-15T07:59:00Z");
    CU_ASSERT_STRING_EQUAL(t_str(j, "gbaType"), "3G_GBA");
    CU_ASSERT_STRING_EQUAL(t_str(j, "impi"), "user1_private@home1.net");
    CU_ASSERT_EQUAL(json_object_size(j), 5);
    json_decref(j);
    CU_ASSERT_EQUAL(CURL("several", RETRIEVAL, JSON, "-d", GOOD), 200);
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL, "-H", "content-type: APPLICATION/JSON; charset=utf-8", "-d", GOOD), 200);
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL "?x=1", JSON, "-d", GOOD), 200);
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL, JSON, "-H", "Transfer-Encoding: chunked", "-d", GOOD), 200);
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL, JSON, "--tls-max", "1.2", "-d", GOOD), 200);
}

/* Who is not vouched for by the Zn CA, or has no dNSName there, gets no key whatever it says. */
static void test_unauthenticated(void)
{
    static const char *const nobody[] = {NULL, "foreign", "expired"};
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        int status = CURL(nobody[i], RETRIEVAL, JSON, "-d", GOOD);
        CU_ASSERT(status == 0 || status == 403);
        status = CURL(nobody[i], RETRIEVAL, JSON, "--tls-max", "1.2", "-d", GOOD);
        CU_ASSERT(status == 0 || status == 403);
    }
    CU_ASSERT(is_problem(CURL("cn-only", RETRIEVAL, JSON, "-d", GOOD), 403, "NAF_NOT_AUTHENTICATED"));
    CU_ASSERT(is_problem(CURL("uri-only", RETRIEVAL, JSON, "-d", GOOD), 403, "NAF_NOT_AUTHENTICATED"));
}

static void test_unauthorised(void)
{
    static const char *const bodies[] = {GOOD, ASK("nobody@bsf.home1.net", "naf1.home1.net", "0100000002"),
                                         ASK(BTID, "naf2.home1.net", "0100000002")};
    char first[sizeof answer];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        CU_ASSERT(is_problem(CURL("powerless", RETRIEVAL, JSON, "-d", bodies[i]), 403, "NAF_NOT_AUTHORIZED"));
        const char *body = strstr(answer, "\r\n\r\n");
        if (i == 0)
            snprintf(first, sizeof first, "%s", body);
        CU_ASSERT_STRING_EQUAL(body, first); /* the same, whether the B-TID exists or not */
    }
    CU_ASSERT(is_problem(CURL("cn-trick", RETRIEVAL, JSON, "-d", GOOD), 403, "NAF_NOT_AUTHORIZED"));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", ASK(BTID, "naf2.home1.net", "0100000002")), 403,
                         "NAF_NOT_AUTHORIZED"));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", ASK(BTID, "naf1.home1.net", "0100010035")), 403,
                         "NAF_NOT_AUTHORIZED"));
}

static void test_not_found(void)
{
    static const char *const bodies[] = {ASK("nobody@bsf.home1.net", "naf1.home1.net", "0100000002"),
                                         ASK("tomb@bsf.home1.net", "naf1.home1.net", "0100000002"),
                                         ASK("over@bsf.home1.net", "naf1.home1.net", "0100000002")};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", bodies[i]), 404, "BTID_NOT_FOUND"));
}

static void test_malformed(void)
{
    char big[ZN_HTTP_BODY_MAX + 16];
    memset(big, ' ', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", "{"), 400, "INVALID_MSG_FORMAT"));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", "{}"), 400, "MANDATORY_IE_MISSING"));
    json_t *j = body_json();
    CU_ASSERT_STRING_EQUAL(t_str(json_array_get(json_object_get(j, "invalidParams"), 0), "param"), "/btId");
    json_decref(j);
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", ASK(BTID, "naf1.home1.net", "01")), 400,
                         "MANDATORY_IE_INCORRECT"));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", ""), 400, "INVALID_MSG_FORMAT"));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, "-d", GOOD), 415, NULL)); /* curl's own type */
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, "-H", "Content-Type: application/jsonx", "-d", GOOD), 415, NULL));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, "-H", "Content-Type:", "-d", GOOD), 415, NULL));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, "-X", "POST"), 411, NULL));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, "-X", "GET"), 405, NULL));
    CU_ASSERT(strstr(answer, "Allow: POST\r\n") != NULL);
    CU_ASSERT(is_problem(CURL("naf", PUSH, JSON, "-d", "{}"), 501, NULL));
    CU_ASSERT(is_problem(CURL("naf", "/", JSON, "-d", GOOD), 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"));
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL "/", JSON, "-d", GOOD), 404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"));
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL, JSON, "-d", big), 413);
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL, JSON, "-d", GOOD), 200); /* it lives on */
}

static void test_reload_of_rights(void)
{
    size_t failed;
    const store_op deny = {.type = STORE_TAKE, .kind = STORE_NAF, .key = gba_str("naf1.home1.net")};
    CU_ASSERT_EQUAL(store_write(kit.store, &deny, 1, KIT_NOW, &failed), GBA_OK);
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", GOOD), 403, "NAF_NOT_AUTHORIZED"));
    zn_kit_grant(&kit, "naf1.home1.net", "naf1.home1.net", "0100000002", false);
    CU_ASSERT_EQUAL(CURL("naf", RETRIEVAL, JSON, "-d", GOOD), 200);
    CU_ASSERT(!strstr(answer, "impi"));
}

static void test_audit(void)
{
    static char heard[65536];
    zn_kit_heard(&kit, heard, sizeof heard);
    CU_ASSERT(strstr(heard, "zn.key_released") && strstr(heard, "reason=unauthenticated"));
    CU_ASSERT(strstr(heard, "reason=unauthorised") && strstr(heard, "reason=unknown") && strstr(heard, "reason=expired"));
    CU_ASSERT(strstr(heard, "reason=malformed") && strstr(heard, "source=127.0.0.1"));
    CU_ASSERT(!strstr(heard, KS_NAF));
    zn_kit_hush(&kit);
}

static bool cannot_print;
gba_err __real_zn_json_print(const zn_answer *a, char *out, size_t *n);
gba_err __wrap_zn_json_print(const zn_answer *a, char *out, size_t *n);
gba_err __wrap_zn_json_print(const zn_answer *a, char *out, size_t *n)
{
    return cannot_print ? GBA_E_NOMEM : __real_zn_json_print(a, out, n);
}

/* C12: a key that did not go out was not released, by the books. */
static void test_not_sent(void)
{
    static char heard[65536];
    zn_kit_heard(&kit, heard, sizeof heard);
    zn_kit_hush(&kit);
    cannot_print = true;
    CU_ASSERT(is_problem(CURL("naf", RETRIEVAL, JSON, "-d", GOOD), 500, "SYSTEM_FAILURE"));
    cannot_print = false;
    zn_kit_heard(&kit, heard, sizeof heard);
    CU_ASSERT_PTR_NULL(strstr(heard, "zn.key_released"));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "zn.key_refused naf=naf1.home1.net"));
    CU_ASSERT_PTR_NOT_NULL(strstr(heard, "reason=failed"));
    zn_kit_hush(&kit);
}

int main(void)
{
    static const t_case cases[] = {{"a key is released", test_release},
                                   {"not authenticated", test_unauthenticated},
                                   {"not authorised", test_unauthorised},
                                   {"unknown or expired", test_not_found},
                                   {"malformed requests", test_malformed},
                                   {"rights change at once", test_reload_of_rights},
                                   {"audit", test_audit},
                                   {"C12: the answer cannot be made", test_not_sent}};
    static char heard[1 << 20];
    start();
    zn_kit_hush(&kit);
    int rc = t_run("zn_http", cases, sizeof cases / sizeof *cases);
    zn_kit_heard(&kit, heard, sizeof heard);
    if (rc)
        fputs(heard, stderr);
    http_server_stop(&server, 1000);
    tls_server_free(&tls);
    zn_free(&z);
    zn_kit_close(&kit);
    return rc;
}
