/* What the tests of the engine share: errors that are looked at instead of ending the program. */
#ifndef TESTS_AUTOGRAD_COMMON_H
#define TESTS_AUTOGRAD_COMMON_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"

static inline void keep_quiet(ag_error code, const char *message, void *user)
{
    (void)code, (void)message, (void)user;
}

static inline void catch_errors(void)
{
    ag_error_set_handler(keep_quiet, NULL);
}

/* The thread's error has this code and its message contains `part`; it is cleared. */
#define assert_error(code, part)                                                                                       \
    do {                                                                                                               \
        ck_assert_msg(ag_error_code() == (code), "expected %s, got %s: %s", #code, ag_error_name(ag_error_code()),     \
                      ag_error_message());                                                                             \
        ck_assert_msg(strstr(ag_error_message(), (part)) != NULL, "\"%s\" is not in \"%s\"", (part), ag_error_message()); \
        ag_error_clear();                                                                                              \
    } while (0)

#define assert_no_error() ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message())

/* The elements of t, as doubles, are those listed. */
#define assert_values(t, ...)                                                                            \
    do {                                                                                                 \
        const double expected_[] = { __VA_ARGS__ };                                                      \
        assert_elements((t), (int64_t)(sizeof(expected_) / sizeof(expected_[0])), expected_, __LINE__);  \
    } while (0)

static inline void assert_elements(ag_tensor t, int64_t n, const double *expected, int line)
{
    double *got = malloc((size_t)n * sizeof(*got) + 1);
    ag_read_doubles(t, got, n);
    ck_assert_msg(ag_error_code() == AG_OK, "line %d: %s", line, ag_error_message());
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(got[i] == expected[i], "line %d, element %d: %.17g, expected %.17g", line, (int)i, got[i],
                      expected[i]);
    }
    free(got);
}

/* A leaf whose elements are the `count` values, over and over. */
static inline ag_tensor filled_leaf(ag_dtype dtype, ag_shape shape, int count, const double *values, bool requires_grad)
{
    ag_tensor leaf = ag_leaf(shape, dtype, requires_grad);
    int64_t n = ag_numel(leaf);
    for (int64_t i = 0; i < n; i++) {
        if (dtype == AG_FLOAT32) {
            ((float *)ag_data_mut(leaf))[i] = (float)values[i % count];
        } else {
            ((double *)ag_data_mut(leaf))[i] = values[i % count];
        }
    }
    return leaf;
}

/* Trainable leaves, and one that is not: leaf64(AG_SHAPE(2), 0.5, -1). */
#define LISTED_(...) (int)(sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double)), (const double[]){ __VA_ARGS__ }
#define leaf32(shape, ...) filled_leaf(AG_FLOAT32, (shape), LISTED_(__VA_ARGS__), true)
#define leaf64(shape, ...) filled_leaf(AG_FLOAT64, (shape), LISTED_(__VA_ARGS__), true)
#define frozen32(shape, ...) filled_leaf(AG_FLOAT32, (shape), LISTED_(__VA_ARGS__), false)
#define frozen64(shape, ...) filled_leaf(AG_FLOAT64, (shape), LISTED_(__VA_ARGS__), false)

/* Runs a suite of one case, all tests with errors caught. */
static inline int run_tests(const char *name, void (*add)(TCase *), int seconds)
{
    Suite *suite = suite_create(name);
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, catch_errors, ag_error_clear);
    tcase_set_timeout(tests, seconds);
    add(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
