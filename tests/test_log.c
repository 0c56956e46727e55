/* SPDX-License-Identifier: Apache-2.0 */
/* Event lines as an operator's tools get them: captured from file descriptor 2. */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "service/daemon.h"
#include "service/log.h"

static int saved_stderr, captured;
static char text[1 << 20];

static void capture(void)
{
    FILE *f = tmpfile();
    fflush(stderr);
    saved_stderr = dup(2);
    captured = dup(fileno(f));
    dup2(captured, 2);
    fclose(f);
}

static const char *release(void)
{
    dup2(saved_stderr, 2);
    close(saved_stderr);
    ssize_t n = pread(captured, text, sizeof text - 1, 0);
    close(captured);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static int count(const char *hay, const char *needle)
{
    int n = 0;
    for (; (hay = strstr(hay, needle)); hay += strlen(needle))
        n++;
    return n;
}

static int64_t fixed(void)
{
    return 1795600800123;
}

static void test_text(void)
{
    service_now_ms_hook = fixed;
    log_setup("prog", LOG_LEVEL_INFO, LOG_TEXT);
    capture();
    log_event(LOG_LEVEL_INFO, "a.b", "k", "plain", "none", NULL, "q", "two words", "n", log_num(-42), NULL);
    log_event(LOG_LEVEL_DEBUG, "a.hidden", NULL);
    const char *s = release();
    service_now_ms_hook = NULL;
    CU_ASSERT_STRING_EQUAL(s, "2026-11-25T10:00:00.123Z info a.b k=plain q=\"two words\" n=-42\n");
}

static void test_escapes(void)
{
    log_setup("prog", LOG_LEVEL_INFO, LOG_TEXT);
    capture();
    log_event(LOG_LEVEL_INFO, "e", "v", "a\nb\"c\\d\x1b[2J\x80 \xc3\xa9 \xe2\x80\xae \xc0\xaf", NULL);
    const char *s = release();
    CU_ASSERT_PTR_NOT_NULL(
        strstr(s, " v=\"a\\nb\\\"c\\\\d\\u001b[2J\\x80 \xc3\xa9 \\u202e \\xc0\\xaf\"\n"));
    CU_ASSERT_EQUAL(count(s, "\n"), 1);
}

static void test_json(void)
{
    log_setup("prog", LOG_LEVEL_INFO, LOG_JSON);
    capture();
    log_event(LOG_LEVEL_INFO, "e.f", "v", "a\nb\"c\\d\x1b\x80 \xc3\xa9\xf0\x9f\x98\x80", "w", "", NULL);
    const char *s = release();
    json_t *j = json_loads(s, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(j);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "event")), "e.f");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "program")), "prog");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "v")), "a\nb\"c\\d\x1b\\x80 \xc3\xa9\xf0\x9f\x98\x80");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(j, "w")), "");
    json_decref(j);
}

static void test_bounded(void)
{
    static char big[20000];
    memset(big, '\n', sizeof big - 1);
    for (int f = LOG_TEXT; f <= LOG_JSON; f++) {
        log_setup("prog", LOG_LEVEL_INFO, (log_format)f);
        capture();
        log_event(LOG_LEVEL_INFO, "big", "first", "1", "v", big, "after", "2", NULL);
        const char *s = release();
        CU_ASSERT(strlen(s) <= 8192 && strlen(s) > 8000);
        CU_ASSERT_EQUAL(count(s, "\n"), 1);
        CU_ASSERT_EQUAL(count(s, "cut"), 1);
        CU_ASSERT_PTR_NULL(strstr(s, "after"));
        if (f == LOG_JSON) {
            json_t *j = json_loads(s, 0, NULL);
            CU_ASSERT_PTR_NOT_NULL(j);
            json_decref(j);
        }
    }
}

/* Wherever the line's end falls, each line is a JSON object, and each quote of a text line has its other. */
static void test_cut_anywhere(void)
{
    static char filler[9000];
    for (int json = 0; json < 2; json++) {
        int cut = 0;
        log_setup("prog", LOG_LEVEL_INFO, json ? LOG_JSON : LOG_TEXT);
        for (size_t n = 7900; n < 8300; n++) {
            memset(filler, 'x', n);
            filler[n] = 0;
            capture();
            log_event(LOG_LEVEL_INFO, "e", "f", filler, "key", "two \"words\" \n", "last", "1", NULL);
            const char *s = release();
            json_t *j = json ? json_loads(s, 0, NULL) : NULL;
            bool good = json ? json_is_object(j) : (count(s, "\"") - count(s, "\\\"")) % 2 == 0;
            if (!good)
                printf("\n%zu: ...%s", n, strlen(s) > 60 ? s + strlen(s) - 60 : s);
            CU_ASSERT(good);
            cut += count(s, json ? "\"cut\":\"yes\"" : " cut=yes") == 1;
            json_decref(j);
        }
        CU_ASSERT(cut > 100);
    }
    log_setup("prog", LOG_LEVEL_INFO, LOG_TEXT);
}

static void test_storm(void)
{
    log_setup("prog", LOG_LEVEL_INFO, LOG_TEXT);
    while (service_mono_ms() % 1000 > 300)
        usleep(10000); /* early in a second, that the storm stands within it */
    capture();
    for (int i = 0; i < 500; i++) {
        log_event(LOG_LEVEL_WARN, "storm.a", "i", log_num(i), NULL);
        log_event(LOG_LEVEL_AUDIT, "storm.audit", "i", log_num(i), NULL);
    }
    log_event(LOG_LEVEL_WARN, "storm.other", NULL);
    log_flush(true);
    const char *s = release();
    CU_ASSERT_EQUAL(count(s, "warn storm.a"), 20);
    CU_ASSERT_EQUAL(count(s, "audit storm.audit"), 500);
    CU_ASSERT_EQUAL(count(s, "storm.other"), 1);
    CU_ASSERT_EQUAL(count(s, "warn log.left_out of=storm.a lines=480\n"), 1);
}

static char who[] = "0123456789012345678901234567890123456789";

static void *writer(void *ctx)
{
    for (int i = 0; i < 300; i++)
        log_event(LOG_LEVEL_INFO, "thread.line", "who", ctx, "i", log_num(i), NULL);
    return NULL;
}

static void test_threads(void)
{
    pthread_t t[4];
    log_setup("prog", LOG_LEVEL_INFO, LOG_TEXT);
    capture();
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, writer, who);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    const char *s = release();
    CU_ASSERT_EQUAL(count(s, " info thread.line who=0123456789012345678901234567890123456789 i="), 1200);
    CU_ASSERT_EQUAL(count(s, "\n"), 1200);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("log", NULL, NULL);
    CU_add_test(s, "text", test_text);
    CU_add_test(s, "escapes", test_escapes);
    CU_add_test(s, "json", test_json);
    CU_add_test(s, "bounded", test_bounded);
    CU_add_test(s, "cut anywhere", test_cut_anywhere);
    CU_add_test(s, "storm", test_storm);
    CU_add_test(s, "threads", test_threads);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
