/*
 * Splits and folds: every sample in one part, shares and classes kept, seeds that repeat; what cannot be divided.
 */
#include "files.h"

#include <math.h>

enum { N = 103 };

/* Inputs are indices; class c has about 1 in 2^(c+1) samples, mixed. */
static int64_t class_of(int64_t i)
{
    return i % 2 == 0 ? 0 : i % 4 == 1 ? 1 : i % 8 == 3 ? 2 : 3;
}

static data_set *numbered(int64_t n, bool one_class)
{
    double x[N];
    int64_t y[N];
    for (int64_t i = 0; i < n; i++) {
        x[i] = (double)i;
        y[i] = one_class ? 4 : class_of(i);
    }
    return data_arrays(n, x, AG_SHAPE_SCALAR, AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_INT64);
}

static int64_t index_at(data_set *part, int64_t i)
{
    double x;
    ck_assert_int_eq(data_set_read(part, i, &x, NULL), AG_OK);
    return (int64_t)x;
}

/* Each of the n samples is in exactly one part. */
static void assert_divided(int parts, data_set **part, int64_t n)
{
    bool seen[N] = { false };
    int64_t total = 0;
    for (int p = 0; p < parts; p++) {
        for (int64_t i = 0; i < data_set_size(part[p]); i++, total++) {
            int64_t s = index_at(part[p], i);
            ck_assert(!seen[s]);
            seen[s] = true;
        }
    }
    ck_assert_int_eq(total, n);
}

static void free_all(int parts, data_set **part)
{
    for (int p = 0; p < parts; p++) {
        data_set_free(part[p]);
    }
}

static const double shares[] = { 0.7, 0.2, 0.1 };

START_TEST(shares_are_kept_and_seeds_repeat)
{
    data_set *set = numbered(N, false), *part[3], *again[3];
    for (uint64_t seed = 0; seed < 20; seed++) {
        ag_rng a = ag_rng_seed(seed), b = ag_rng_seed(seed);
        ck_assert_int_eq(data_split_shares(set, 3, shares, &a, part), AG_OK);
        ck_assert_int_eq(data_split_shares(set, 3, shares, &b, again), AG_OK);
        assert_divided(3, part, N);
        int moved = 0;
        for (int p = 0; p < 3; p++) {
            ck_assert_double_lt(fabs((double)data_set_size(part[p]) - shares[p] * N), 1);
            ck_assert_int_eq(data_set_size(part[p]), data_set_size(again[p]));
            for (int64_t i = 0; i < data_set_size(part[p]); i++) {
                ck_assert_int_eq(index_at(part[p], i), index_at(again[p], i));
                moved += p == 0 && index_at(part[p], i) != i;
            }
        }
        ck_assert_int_gt(moved, 50);
        free_all(3, part);
        free_all(3, again);
    }
    data_set_free(set);
}
END_TEST

static int64_t count_class(data_set *part, int64_t label)
{
    int64_t n = 0;
    for (int64_t i = 0; i < data_set_size(part); i++) {
        n += class_of(index_at(part, i)) == label;
    }
    return n;
}

START_TEST(stratified_parts_have_the_classes_of_the_whole)
{
    data_set *set = numbered(N, false), *part[3];
    for (uint64_t seed = 0; seed < 20; seed++) {
        ag_rng rng = ag_rng_seed(seed);
        ck_assert_int_eq(data_split_stratified(set, 3, shares, &rng, part), AG_OK);
        assert_divided(3, part, N);
        for (int64_t c = 0; c < 4; c++) {
            for (int p = 0; p < 3; p++) {
                double exact = shares[p] * (double)count_class(set, c);
                ck_assert_double_lt(fabs((double)count_class(part[p], c) - exact), 1);
            }
        }
        free_all(3, part);
    }
    data_set_free(set);
}
END_TEST

START_TEST(folds_test_every_sample_once)
{
    enum { K = 4 };
    data_set *set = numbered(N, false), *train[K], *test[K];
    for (int kind = 0; kind < 4; kind++) {
        ag_rng rng = ag_rng_seed(3), *use = kind % 2 == 0 ? NULL : &rng;
        ck_assert_int_eq(kind < 2 ? data_k_fold(set, K, use, train, test)
                                  : data_k_fold_stratified(set, K, use, train, test),
                         AG_OK);
        assert_divided(K, test, N);
        for (int f = 0; f < K; f++) {
            data_set *both[] = { train[f], test[f] };
            assert_divided(2, both, N);
            ck_assert(data_set_size(test[f]) == N / K || data_set_size(test[f]) == N / K + 1);
            for (int64_t i = 1; i < data_set_size(test[f]); i++) {
                ck_assert_int_lt(index_at(test[f], i - 1), index_at(test[f], i));
            }
            for (int64_t c = 0; c < 4 && kind >= 2; c++) {
                int64_t all = count_class(set, c);
                ck_assert(count_class(test[f], c) == all / K ||
                          count_class(test[f], c) == (all + K - 1) / K);
            }
            ck_assert(kind != 0 || index_at(test[f], 1) == index_at(test[f], 0) + 1);
        }
        free_all(K, train);
        free_all(K, test);
    }
    data_set_free(set);
}
END_TEST

START_TEST(what_cannot_be_divided_is_refused)
{
    data_set *set = numbered(10, false), *same = numbered(10, true), *part[12], *other[12];
    ag_rng rng = ag_rng_seed(1);
    data_k_fold(set, 11, &rng, part, other);
    test_expect(AG_ERROR_VALUE,
                "data_k_fold: 11 folds of 10 samples: k must be 2 to the number of samples (");
    ck_assert_int_eq(data_set_size(part[10]), 0);
    data_k_fold(set, 1, &rng, part, other);
    test_expect(AG_ERROR_VALUE,
                "data_k_fold: 1 folds of 10 samples: k must be 2 to the number of samples (");
    data_k_fold_stratified(same, 2, &rng, part, other);
    test_expect(AG_ERROR_VALUE, "data_k_fold_stratified: all 10 samples are of one class, 4 (");
    data_k_fold_stratified(set, 8, &rng, part, other);
    test_expect(AG_ERROR_VALUE,
                "data_k_fold_stratified: 8 folds, but the largest class has only 5 samples (");
    data_split_stratified(same, 3, shares, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split_stratified: all 10 samples are of one class, 4 (");
    data_split_shares(set, 2, shares, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split_shares: the shares sum to 0.9 instead of 1 (");
    data_split_shares(set, 2, (double[]){ 1.5, -0.5 }, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split_shares: part 0 cannot have the share 1.5 (");
    data_split_shares(set, 2, (double[]){ 0.5, NAN }, &rng, part);
    test_expect(AG_ERROR_VALUE, "data_split_shares: part 1 cannot have the share nan (");
    data_split_shares(set, 2, (double[]){ 0.999, 0.001 }, &rng, part);
    test_expect(AG_ERROR_VALUE,
                "data_split_shares: part 1 gets no sample: its share of 10 is 0.01 (");
    data_split_shares(set, 3, shares, NULL, part);
    test_expect(AG_ERROR_VALUE, "data_split_shares: there is no generator (");
    double y[2] = { 0 };
    data_set *numbers =
        data_arrays(2, y, AG_SHAPE_SCALAR, AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_FLOAT64);
    data_k_fold_stratified(numbers, 2, NULL, part, other);
    test_expect(AG_ERROR_VALUE, "data_k_fold_stratified: classes are one whole number a sample; "
                                "these targets are float64 of shape () (");
    data_set_free(numbers);
    data_set_free(set);
    data_set_free(same);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("split");
    TCase *tests = tcase_create("split");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_add_test(tests, shares_are_kept_and_seeds_repeat);
    tcase_add_test(tests, stratified_parts_have_the_classes_of_the_whole);
    tcase_add_test(tests, folds_test_every_sample_once);
    tcase_add_test(tests, what_cannot_be_divided_is_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
