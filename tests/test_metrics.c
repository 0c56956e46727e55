/* SPDX-License-Identifier: Apache-2.0 */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "service/metrics.h"
#include "tests/heap.h"

static char *page(void)
{
    size_t n = 0;
    char *p = metrics_page(&n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(strlen(p), n);
    return p;
}

static void test_page(void)
{
    metric *b = metric_counter("b_total", "result=\"ok\"", "How many\nb \\ there are");
    metric *z = metric_gauge("z", NULL, "z");
    metric *c = metric_counter("b_total", "result=\"bad\"", "How many b");
    CU_ASSERT_PTR_EQUAL(metric_counter("b_total", "result=\"ok\"", NULL), b);
    metric_add(b, 2);
    metric_add(c, 1);
    metric_set(z, -7);
    char *p = page();
    CU_ASSERT_STRING_EQUAL(p, "# HELP b_total How many b\n# TYPE b_total counter\nb_total{result=\"bad\"} 1\n"
                              "b_total{result=\"ok\"} 2\n# HELP z z\n# TYPE z gauge\nz -7\n");
    free(p);
}

static int64_t forty_two(void *ctx)
{
    return *(int64_t *)ctx;
}

static void test_fn(void)
{
    int64_t v = 42;
    metric_gauge_fn("fn", "x=\"1\"", "asked", forty_two, &v);
    char *p = page();
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "\nfn{x=\"1\"} 42\n"));
    free(p);
    metric_gauge_fn("fn", "x=\"1\"", "asked", NULL, NULL);
    p = page();
    CU_ASSERT_PTR_NULL(strstr(p, "fn{"));
    free(p);
}

static void test_histogram(void)
{
    metric *h = metric_histogram("h_seconds", "l=\"ub\"", "time");
    metric_observe(h, 0.00005);
    metric_observe(h, 0.0001);
    metric_observe(h, 0.2);
    metric_observe(h, 100);
    metric_observe(h, -1);
    CU_ASSERT_EQUAL(metric_value(h), 5);
    char *p = page();
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "h_seconds_bucket{l=\"ub\",le=\"0.0001\"} 3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "h_seconds_bucket{l=\"ub\",le=\"0.1\"} 3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "h_seconds_bucket{l=\"ub\",le=\"0.25\"} 4\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "h_seconds_bucket{l=\"ub\",le=\"10\"} 4\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "h_seconds_bucket{l=\"ub\",le=\"+Inf\"} 5\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "h_seconds_sum{l=\"ub\"} 100.200150\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "h_seconds_count{l=\"ub\"} 5\n"));
    free(p);
}

static void *adder(void *m)
{
    for (int i = 0; i < 100000; i++)
        metric_add(m, 1);
    return NULL;
}

static void test_threads(void)
{
    metric *m = metric_counter("t_total", NULL, "t");
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, adder, m);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(metric_value(m), 400000);
}

/* A series is asked for at a request too: without memory its count is lost, and nothing else. */
static void test_no_memory(void)
{
    heap_fail(0, 0, 1);
    metric *c = metric_counter("lost_total", "a=\"b\"", "lost"), *h = metric_histogram("lost_seconds", NULL, "lost");
    metric_gauge_fn("lost", NULL, "lost", NULL, NULL);
    CU_ASSERT(heap_failed() > 0);
    heap_fail(-1, 0, 0);
    metric_add(c, 1);
    metric_observe(h, 1);
    char *p = page();
    CU_ASSERT_PTR_NULL(strstr(p, "lost"));
    free(p);
    metric_add(metric_counter("lost_total", "a=\"b\"", "lost"), 1);
    p = page();
    CU_ASSERT_PTR_NOT_NULL(strstr(p, "lost_total{a=\"b\"} 1\n"));
    free(p);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("metrics", NULL, NULL);
    CU_add_test(s, "page", test_page);
    CU_add_test(s, "fn", test_fn);
    CU_add_test(s, "histogram", test_histogram);
    CU_add_test(s, "no memory", test_no_memory);
    CU_add_test(s, "threads", test_threads);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
