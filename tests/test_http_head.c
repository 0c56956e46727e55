/* SPDX-License-Identifier: Apache-2.0 */
/* The judgement of request heads, and names that are read alike. At the listeners: tests/heads.py. */
#include <string.h>
#include "service/http.h"
#include "service/http_head.h"
#include "tests/t_main.h"

#define HOST "Host", "a"
typedef struct row {
    http_fault want;
    const char *method, *target, *version, *field[8]; /* name and value by turns */
} row;

static http_fault judge(const row *r, http_head *h)
{
    http_head_begin(h, gba_str(r->method), gba_str(r->target), gba_str(r->version));
    for (size_t i = 0; i + 1 < 8 && r->field[i]; i += 2)
        http_head_field(h, gba_str(r->field[i]), gba_str(r->field[i + 1]));
    return http_head_end(h);
}

static void test_rows(void)
{
    static const row rows[] = {
        {HTTP_FAULT_NONE, "GET", "/", "HTTP/1.1", {HOST}},
        {HTTP_FAULT_NONE, "GET", "/", "HTTP/1.0", {0}},
        {HTTP_FAULT_NONE, "GET", "/", "HTTP/1.9", {HOST}},
        {HTTP_FAULT_NONE, "M-SEARCH", "http://a/x?y", "HTTP/1.1", {HOST, "X-A", "\t\x80\xff"}},
        {HTTP_FAULT_NONE, "POST", "/", "HTTP/1.1", {HOST, "content-length", "5"}},
        {HTTP_FAULT_NONE, "POST", "/", "HTTP/1.1", {HOST, "TRANSFER-ENCODING", "Chunked"}},
        {HTTP_FAULT_NONE, "GET", "/", "HTTP/1.1", {HOST, "!#$%&'*+-.^_`|~", ""}},
        {HTTP_FAULT_REQUEST_LINE, "", "/", "HTTP/1.1", {HOST}},
        {HTTP_FAULT_REQUEST_LINE, "G T", "/", "HTTP/1.1", {HOST}},
        {HTTP_FAULT_REQUEST_LINE, "GET", "", "HTTP/1.1", {HOST}},
        {HTTP_FAULT_REQUEST_LINE, "GET", "/a b", "HTTP/1.1", {HOST}},
        {HTTP_FAULT_REQUEST_LINE, "GET", "/\x7f", "HTTP/1.1", {HOST}},
        {HTTP_FAULT_REQUEST_LINE, "GET", "/", "HTTP/2.0", {HOST}},
        {HTTP_FAULT_REQUEST_LINE, "GET", "/", "HTTP/1.x", {HOST}},
        {HTTP_FAULT_REQUEST_LINE, "GET", "/", "", {HOST}},
        {HTTP_FAULT_FIELD_NAME, "GET", "/", "HTTP/1.1", {HOST, "X-M2M-Origin ", "Cvictim"}},
        {HTTP_FAULT_FIELD_NAME, "GET", "/", "HTTP/1.1", {HOST, "X-M2M-Origin\t", "Cvictim"}},
        {HTTP_FAULT_FIELD_NAME, "GET", "/", "HTTP/1.1", {HOST, "", "x"}},
        {HTTP_FAULT_FIELD_NAME, "GET", "/", "HTTP/1.1", {HOST, "X:A", "x"}},
        {HTTP_FAULT_FIELD_NAME, "GET", "/", "HTTP/1.1", {HOST, "X\xc4", "x"}},
        {HTTP_FAULT_FIELD_NAME, "GET", "/", "HTTP/1.1", {"Host ", "a"}},
        {HTTP_FAULT_FIELD_VALUE, "GET", "/", "HTTP/1.1", {HOST, "X", "a\rb"}},
        {HTTP_FAULT_FIELD_VALUE, "GET", "/", "HTTP/1.1", {HOST, "X", "a\nb"}},
        {HTTP_FAULT_FIELD_VALUE, "GET", "/", "HTTP/1.1", {HOST, "X", "\x01"}},
        {HTTP_FAULT_FIELD_VALUE, "GET", "/", "HTTP/1.1", {HOST, "X", "\x7f"}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.1", {HOST, "Content-Length", ""}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.1", {HOST, "Content-Length", "5 "}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.1", {HOST, "Content-Length", "1000000000000000"}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.1", {HOST, "Content-Length", "5", "Content-length", "5"}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.1", {HOST, "Content-Length", "5", "Transfer-Encoding", "chunked"}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.1", {HOST, "Transfer-Encoding", "chunked", "Content-Length", "5"}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.1", {HOST, "Transfer-Encoding", "gzip, chunked"}},
        {HTTP_FAULT_FRAMING,
         "POST",
         "/",
         "HTTP/1.1",
         {HOST, "Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"}},
        {HTTP_FAULT_FRAMING, "POST", "/", "HTTP/1.0", {"Transfer-Encoding", "chunked"}},
        {HTTP_FAULT_HOST, "GET", "/", "HTTP/1.1", {0}},
        {HTTP_FAULT_HOST, "GET", "/", "HTTP/1.1", {HOST, "host", "a"}},
        {HTTP_FAULT_HOST, "GET", "/", "HTTP/1.0", {HOST, HOST}},
    };
    http_head h;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        http_fault got = judge(&rows[i], &h);
        if (got != rows[i].want)
            printf("\n  row %zu: want %s, got %s", i, http_fault_name(rows[i].want), http_fault_name(got));
        CU_ASSERT_EQUAL(got, rows[i].want);
    }
    CU_ASSERT_EQUAL(judge(&rows[4], &h), HTTP_FAULT_NONE);
    CU_ASSERT(h.length == 5 && !h.chunked);
    CU_ASSERT_EQUAL(judge(&rows[5], &h), HTTP_FAULT_NONE);
    CU_ASSERT(h.length == 0 && h.chunked);
    http_head_begin(&h, gba_str("GET"), gba_str("/"), gba_str("HTTP/1.0"));
    http_head_field(&h, gba_mem("X\0Y", 3), gba_str("x"));
    CU_ASSERT_EQUAL(http_head_end(&h), HTTP_FAULT_FIELD_NAME);
    http_head_begin(&h, gba_str("GET"), gba_str("/"), gba_str("HTTP/1.0"));
    http_head_field(&h, gba_str("X"), gba_mem("a\0b", 3));
    CU_ASSERT_EQUAL(http_head_end(&h), HTTP_FAULT_FIELD_VALUE);
}

static void test_names(void)
{
    CU_ASSERT(http_named("X-M2M-Origin", "X-M2M-Origin") && http_named("x_m2m-ORIGIN", "X-M2M-Origin"));
    CU_ASSERT(!http_named("X-M2M-Origi", "X-M2M-Origin") && !http_named("X-M2M-Origin ", "X-M2M-Origin"));
    CU_ASSERT(!http_named("X\rM2M-Origin", "X-M2M-Origin") && !http_named("XMM2M-Origin", "X-M2M-Origin"));
    CU_ASSERT(http_named_begin("x_forwarded_Host", "X-Forwarded-") && !http_named_begin("X-Forwarded", "X-Forwarded-"));
    CU_ASSERT(http_hop_by_hop("Content_Length", NULL) && http_hop_by_hop("KEEP_alive", NULL) &&
              !http_hop_by_hop("Host", NULL));
    CU_ASSERT(http_hop_by_hop("X_Mine", "close, x-mine") && http_hop_by_hop("x-mine", "X_MINE") &&
              !http_hop_by_hop("X-Mine", "X-Min"));
    CU_ASSERT_STRING_EQUAL(http_target_path("/a?b"), "/a?b");
    CU_ASSERT_STRING_EQUAL(http_target_path("HTTP://h:1/a?b"), "/a?b");
    CU_ASSERT_STRING_EQUAL(http_target_path("https://h"), "/");
    CU_ASSERT_STRING_EQUAL(http_target_path("https://h?x"), "?x");
    CU_ASSERT_STRING_EQUAL(http_target_path("*"), "*");
}

T_MAIN("http head", {"rows", test_rows}, {"names", test_names})
