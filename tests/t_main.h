/* SPDX-License-Identifier: Apache-2.0 */
/* t_main.h - main() of a CUnit test: T_MAIN("name", {"what", fn}, ...). */
#ifndef TESTS_T_MAIN_H
#define TESTS_T_MAIN_H
#include <CUnit/Basic.h>
#include "t.h"

typedef struct t_case {
    const char *name;
    CU_TestFunc run;
} t_case;

static inline int t_run(const char *suite_name, const t_case *cases, size_t n)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 99;
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; suite && i < n; i++)
        if (!CU_add_test(suite, cases[i].name, cases[i].run))
            return 99;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures(), ran = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failed != 0 || ran != n;
}

#define T_MAIN(name, ...)                                        \
    int main(void)                                               \
    {                                                            \
        static const t_case cases[] = {__VA_ARGS__};             \
        return t_run(name, cases, sizeof cases / sizeof *cases); \
    }
#endif
