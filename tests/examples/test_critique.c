/*
 * What is said of made-up pictures, against values computed with NumPy and PyTorch (golden/make_critique.py).
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"

#include "common/critique.h"
#include "common/frechet.h"

enum { MOST_PICTURES = 300 };

static double *draws(uint32_t seed, int64_t n, int64_t d, double scale, bool mixed)
{
    double *x = malloc((size_t)(n * d) * sizeof *x);
    ck_assert_ptr_nonnull(x);
    uint32_t state = seed;
    for (int64_t i = 0; i < n * d; i++) {
        state = (state * 1103515245u + 12345u) & 0x7fffffffu;
        x[i] = (state / 1073741824.0 - 1) * scale;
    }
    for (int64_t i = 0; i < n && mixed; i++) {
        for (int64_t j = d - 1; j > 0; j--) {
            x[i * d + j] += 0.5 * x[i * d + j - 1];
        }
    }
    return x;
}

static void close_to(double found, double wanted, double share)
{
    ck_assert_msg(fabs(found - wanted) <= share * fmax(fabs(wanted), 1e-3), "%.17g, not %.17g", found, wanted);
}

/* The rest of the line that begins with `word`, read from there. */
static FILE *golden(const char *word)
{
    FILE *file = fopen(TESTS_GOLDEN "/critique.txt", "r");
    ck_assert_ptr_nonnull(file);
    char line[4096], first[32];
    for (long at = 0; fgets(line, sizeof line, file) != NULL; at = ftell(file)) {
        if (sscanf(line, "%31s", first) == 1 && strcmp(first, word) == 0) {
            fseek(file, at + (long)strlen(word), SEEK_SET);
            return file;
        }
    }
    ck_abort_msg("there is no line %s", word);
    return NULL;
}

static double number(FILE *file)
{
    double x = NAN;
    ck_assert_int_eq(fscanf(file, "%lf", &x), 1);
    return x;
}

START_TEST(frechet_distances_are_those_of_singular_values)
{
    FILE *file = golden("frechet");
    char name[32];
    int cases = 0;
    long long d, n[2];
    double scale[2], distance, mean0, covariance01;
    int mixed;
    while (fscanf(file, " %31s %lld %lld %lf %lld %lf %d %lf %lf %lf", name, &d, &n[0], &scale[0], &n[1], &scale[1], &mixed,
                  &distance, &mean0, &covariance01) == 10) {
        static double mean[2][64], covariance[2][64 * 64];
        for (int i = 0; i < 2; i++) {
            double *x = draws(3 + (uint32_t)i, n[i], d, scale[i], mixed);
            frechet_moments(n[i], d, x, mean[i], covariance[i]);
            free(x);
        }
        close_to(mean[0][0], mean0, 1e-12);
        close_to(covariance[0][1], covariance01, 1e-12);
        close_to(covariance[0][d], covariance01, 1e-12);
        close_to(frechet_distance(d, mean[0], covariance[0], mean[1], covariance[1]), distance, 1e-6); /* roots near 0 */
        close_to(frechet_distance(d, mean[1], covariance[1], mean[0], covariance[0]), distance, 1e-6);
        ck_assert_double_lt(frechet_distance(d, mean[0], covariance[0], mean[0], covariance[0]), 1e-5);
        cases++;
        ck_assert(fscanf(file, " %31s", name) == 1);
        if (strcmp(name, "frechet") != 0) {
            break;
        }
    }
    fclose(file);
    ck_assert_int_eq(cases, 5);
}
END_TEST

/* Two normal distributions on a line: (m1 - m2)^2 + (s1 - s2)^2. */
START_TEST(on_a_line_the_distance_is_known)
{
    const double mean1 = 1, variance1 = 4, mean2 = -2, variance2 = 25;
    close_to(frechet_distance(1, &mean1, &variance1, &mean2, &variance2), 9 + 9, 1e-14);
    const double nothing = 0;
    close_to(frechet_distance(1, &mean1, &variance1, &mean2, &nothing), 9 + 4, 1e-14);
}
END_TEST

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

START_TEST(eigenvalues_and_vectors)
{
    enum { D = 9 };
    FILE *file = golden("eigen");
    ck_assert_int_eq((int)number(file), D);
    double mean[D], matrix[D * D], copy[D * D], values[D], sorted[D], vectors[D * D], *x = draws(3, D + 5, D, 1, true);
    frechet_moments(D + 5, D, x, mean, matrix);
    free(x);
    memcpy(copy, matrix, sizeof copy);
    frechet_eigen(D, copy, values, vectors);
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, D, sizeof *sorted, compare);
    for (int k = 0; k < D; k++) {
        close_to(sorted[k], number(file), 1e-12);
        for (int i = 0; i < D; i++) { /* A v = value v */
            double product = 0;
            for (int j = 0; j < D; j++) {
                product += matrix[i * D + j] * vectors[k * D + j];
            }
            ck_assert_double_eq_tol(product, values[k] * vectors[k * D + i], 1e-14);
        }
    }
    fclose(file);
}
END_TEST

START_TEST(variances_within_classes)
{
    enum { D = 3, MADE = 40, REAL = 50 };
    FILE *file = golden("variance");
    double *made = draws(5, MADE, D, 1, false), *real = draws(6, REAL, D, 1, false);
    int64_t made_class[MADE], real_class[REAL];
    for (int i = 0; i < MADE; i++) {
        made_class[i] = i % 4 == 3 ? 0 : i % 4;
    }
    for (int i = 0; i < REAL; i++) {
        real_class[i] = i % 4;
    }
    close_to(critique_variance(D, MADE, made, made_class, REAL, real, real_class), number(file), 1e-12);
    /* The same points: 1. Points of one class that are all the same: 0. No class with two real ones: no number. */
    close_to(critique_variance(D, REAL, real, real_class, REAL, real, real_class), 1, 1e-12);
    double same[2 * D] = { 1, 2, 3, 1, 2, 3 };
    const int64_t none[2] = { 0, 0 }, two[2] = { 0, 1 };
    ck_assert_double_eq(critique_variance(D, 2, same, none, REAL, real, real_class), 0);
    ck_assert(isnan(critique_variance(D, REAL, real, real_class, 2, same, none)));
    ck_assert(isnan(critique_variance(D, REAL, real, real_class, 2, same, two)));
    free(made);
    free(real);
    fclose(file);
}
END_TEST

START_TEST(nearest_ones_and_medians)
{
    enum { D = 6, N = 4, M = 9 };
    FILE *file = golden("nearest");
    double *a = draws(7, N, D, 1, false), *b = draws(8, M, D, 1, false), distance[N];
    float pictures[N * D], others[M * D];
    for (int i = 0; i < N * D; i++) {
        pictures[i] = (float)a[i];
    }
    for (int i = 0; i < M * D; i++) {
        others[i] = (float)b[i];
    }
    ck_assert(critique_nearest(D, N, pictures, M, others, distance));
    for (int i = 0; i < N; i++) {
        close_to(distance[i], number(file), 1e-12);
    }
    ck_assert(critique_nearest(D, 1, others + (size_t)5 * D, M, others, distance));
    ck_assert_double_eq(distance[0], 0); /* a copy is found, exactly */
    double odd[3] = { 5, 1, 2 }, even[4] = { 9, 1, 2, 3 };
    ck_assert_double_eq(critique_median(3, odd), 2);
    ck_assert_double_eq(critique_median(4, even), 2.5);
    ck_assert(isnan(critique_median(0, odd)));
    free(a);
    free(b);
    fclose(file);
}
END_TEST

START_TEST(pictures_are_judged_as_pytorch_and_numpy_judge_them)
{
    FILE *file = golden("pictures");
    int64_t n = (int64_t)number(file);
    ck_assert_int_eq(n, MOST_PICTURES);
    static float pixels[(MOST_PICTURES + 1) * DIGIT_PIXELS];
    data_set *train = data_mnist(TESTS_EXAMPLES "/mnist_sample", "train");
    for (int64_t i = 0; i <= n; i++) {
        data_set_read(train, i, pixels + i * DIGIT_PIXELS, NULL);
    }
    for (int64_t i = 0; i < n * DIGIT_PIXELS; i++) {
        pixels[i] = (pixels[i] + pixels[i + DIGIT_PIXELS]) / 2;
    }
    const struct options o = { .program = "test_critique", .path = "test_critique" };
    data_set *test = data_mnist(TESTS_EXAMPLES "/mnist_sample", "test");
    struct critique_bench *bench = critique_open(&o, NULL, train, test);
    data_set_free(train);
    data_set_free(test);
    ck_assert_ptr_nonnull(bench);
    struct critique found, again;
    ck_assert(critique_judge(bench, n, pixels, &found));
    ck_assert_int_eq(found.pictures, n);
    for (int k = 0; k < DIGIT_CLASSES; k++) {
        ck_assert_double_eq_tol(found.share[k], number(file), 1e-12);
    }
    close_to(found.confidence, number(file), 1e-5); /* the network's numbers are float32 */
    close_to(found.variance, number(file), 1e-5);
    close_to(found.frechet, number(file), 1e-4);
    close_to(found.nearest, number(file), 1e-9);
    ck_assert_double_eq_tol(critique_accuracy(bench), number(file), 1e-12);
    ck_assert(critique_judge(bench, n, pixels, &again)); /* nothing is left of the first time */
    ck_assert_double_eq(again.frechet, found.frechet);
    ck_assert_double_eq(again.nearest, found.nearest);
    pixels[5 * DIGIT_PIXELS + 3] = 1.02f;
    ck_assert(!critique_judge(bench, n, pixels, &again));
    pixels[5 * DIGIT_PIXELS + 3] = NAN;
    ck_assert(!critique_judge(bench, n, pixels, &again));
    ck_assert(!critique_judge(bench, 1, pixels, &again));
    critique_close(bench);
    fclose(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("critique");
    TCase *tests = tcase_create("critique");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, frechet_distances_are_those_of_singular_values);
    tcase_add_test(tests, on_a_line_the_distance_is_known);
    tcase_add_test(tests, eigenvalues_and_vectors);
    tcase_add_test(tests, variances_within_classes);
    tcase_add_test(tests, nearest_ones_and_medians);
    tcase_add_test(tests, pictures_are_judged_as_pytorch_and_numpy_judge_them);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
