/* SPDX-License-Identifier: 0BSD */
/* CUnit suites that tell their results as TAP (https://testanything.org), for automake's driver. */
#ifndef BOXOFFICE_TESTS_TAP_H
#define BOXOFFICE_TESTS_TAP_H

#include <CUnit/CUnit.h>

struct tap_test {
    const char *name; /* what it guards */
    CU_TestFunc run;
};

/* Runs all tests of the suite, one TAP line each. Returns main's exit status. */
int tap_run(const char *suite, const struct tap_test *tests, size_t count);

#endif
