/* SPDX-License-Identifier: 0BSD */
/* CUnit → TAP. */
#include "tap.h"

#include <CUnit/TestRun.h>
#include <stdio.h>

static unsigned done;

static void on_complete(const CU_pTest test, const CU_pSuite suite,
                        const CU_pFailureRecord failures) {
    (void)suite;
    printf("%sok %u - %s\n", failures ? "not " : "", ++done, test->pName);
    for (CU_pFailureRecord f = failures; f; f = f->pNext)
        printf("# %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
    fflush(stdout);
}

int tap_run(const char *name, const struct tap_test *tests, size_t count) {
    if (CU_initialize_registry() != CUE_SUCCESS) return 1;
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        if (!suite || !CU_add_test(suite, tests[i].name, tests[i].run)) return 1;
    printf("1..%zu\n", count);
    CU_set_test_complete_handler(on_complete);
    CU_run_all_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures || done != count;
}
