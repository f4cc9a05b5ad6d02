/*
 * What the lessons say of a classifier's probabilities, against values computed with PyTorch (golden/make_judge.py), and by hand
 * where that is possible.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/judge.h"

enum { N = 500 };

static double draw(uint32_t *state)
{
    *state = (*state * 1103515245u + 12345u) & 0x7fffffffu;
    return *state / 1073741824.0 - 1;
}

static void draw_samples(bool rounded, double *p, int64_t *truth)
{
    uint32_t state = 11;
    for (int i = 0; i < N; i++) {
        double x = draw(&state), u = draw(&state);
        truth[i] = u < x;
        p[i] = (x + 1) / 2;
        if (rounded) {
            p[i] = floor(p[i] * 20 + 0.5) / 20;
        }
    }
}

START_TEST(numbers_are_those_of_pytorch)
{
    FILE *file = fopen(TESTS_GOLDEN "/judge.txt", "r");
    ck_assert_ptr_nonnull(file);
    char name[32];
    int n = 0, cases = 0;
    double area, error, log_loss, brier;
    long long table[4];
    while (fscanf(file, " case %31s %d %lf %lf %lf %lf %lld %lld %lld %lld", name, &n, &area, &error, &log_loss, &brier,
                  &table[0], &table[1], &table[2], &table[3]) == 10) {
        static double p[N];
        static int64_t truth[N];
        ck_assert_int_eq(n, N);
        draw_samples(strcmp(name, "equal") == 0, p, truth);
        struct judge_roc roc;
        ck_assert(judge_roc(&roc, N, p, truth));
        ck_assert_double_eq_tol(roc.area, area, 1e-13);
        judge_roc_free(&roc);
        struct judge_reliability r;
        judge_reliability(&r, N, p, truth);
        ck_assert_double_eq_tol(r.error, error, 1e-13);
        ck_assert_double_eq_tol(judge_log_loss(N, p, truth), log_loss, 1e-13);
        ck_assert_double_eq_tol(judge_brier(N, p, truth), brier, 1e-13);
        int64_t counts[2][2];
        judge_confusion(N, p, truth, 0.5, counts);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(counts[i / 2][i % 2], table[i]);
        }
        ck_assert_double_eq_tol(judge_accuracy(N, p, truth), (double)(table[0] + table[3]) / N, 1e-15);
        cases++;
    }
    fclose(file);
    ck_assert_int_eq(cases, 2);
}
END_TEST

START_TEST(a_curve_by_hand)
{
    const double p[4] = { 0.9, 0.6, 0.6, 0.1 };
    const int64_t truth[4] = { 1, 0, 1, 0 };
    struct judge_roc roc;
    ck_assert(judge_roc(&roc, 4, p, truth));
    ck_assert_int_eq(roc.points, 4);
    const double x[4] = { 0, 0, 0.5, 1 }, y[4] = { 0, 0.5, 1, 1 }, threshold[4] = { INFINITY, 0.9, 0.6, 0.1 };
    for (int i = 0; i < 4; i++) {
        ck_assert_double_eq(roc.false_share[i], x[i]);
        ck_assert_double_eq(roc.true_share[i], y[i]);
        ck_assert(roc.threshold[i] == threshold[i]);
    }
    ck_assert_double_eq(roc.area, 0.875); /* of four pairs three are right and one is half right */
    judge_roc_free(&roc);
}
END_TEST

START_TEST(a_missing_class_has_no_area)
{
    const double p[2] = { 0.2, 0.7 };
    const int64_t truth[2] = { 1, 1 };
    struct judge_roc roc;
    ck_assert(judge_roc(&roc, 2, p, truth));
    ck_assert(isnan(roc.area));
    judge_roc_free(&roc);
}
END_TEST

START_TEST(sure_and_wrong_costs_much_but_not_infinitely_much)
{
    const double p[2] = { 0, 1 };
    const int64_t truth[2] = { 1, 0 };
    ck_assert_double_eq_tol(judge_log_loss(2, p, truth), 15 * log(10), 1e-6);
    ck_assert_double_eq(judge_brier(2, p, truth), 1);
    struct judge_reliability r;
    judge_reliability(&r, 2, p, truth);
    ck_assert_double_eq(r.error, 1);
    ck_assert_int_eq(r.count[0], 1);
    ck_assert_int_eq(r.count[JUDGE_BINS - 1], 1);
    ck_assert(isnan(r.mean[4]));
}
END_TEST

START_TEST(means_and_deviations)
{
    const double x[4] = { 2, 4, 4, 6 };
    ck_assert_double_eq(judge_mean(4, x), 4);
    ck_assert_double_eq_tol(judge_deviation(4, x), sqrt(8.0 / 3), 1e-15);
    ck_assert(isnan(judge_deviation(1, x)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge");
    TCase *tests = tcase_create("judge");
    tcase_add_test(tests, numbers_are_those_of_pytorch);
    tcase_add_test(tests, a_curve_by_hand);
    tcase_add_test(tests, a_missing_class_has_no_area);
    tcase_add_test(tests, sure_and_wrong_costs_much_but_not_infinitely_much);
    tcase_add_test(tests, means_and_deviations);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
