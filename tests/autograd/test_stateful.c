/*
 * Operations that depend on more than their inputs: a generator they draw from, running statistics they move.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/philox.h"

static void keep_quiet(ag_error code, const char *message, void *user)
{
    (void)code, (void)message, (void)user;
}

enum { MANY = 200001 };

static double *doubles(ag_tensor t)
{
    int64_t n = ag_numel(t);
    double *values = malloc((size_t)(n > 0 ? n : 1) * sizeof(double));
    ck_assert_int_eq(ag_read_doubles(t, values, n), AG_OK);
    return values;
}

/* ---- random tensors ---------------------------------------------------------------------------------------------------- */

static ag_tensor draw(int kind, int64_t n, ag_rng *rng)
{
    switch (kind) {
    case 0:
        return ag_uniform(AG_SHAPE(n), -1, 3, AG_FLOAT32, rng);
    case 1:
        return ag_uniform(AG_SHAPE(n), -1, 3, AG_FLOAT64, rng);
    case 2:
        return ag_normal(AG_SHAPE(n), 5, 2, AG_FLOAT32, rng);
    case 3:
        return ag_normal(AG_SHAPE(n), 5, 2, AG_FLOAT64, rng);
    case 4:
        return ag_bernoulli(AG_SHAPE(n), 0.3, AG_FLOAT32, rng);
    case 5:
        return ag_bernoulli(AG_SHAPE(n), 0.3, AG_INT64, rng);
    case 6:
        return ag_bernoulli(AG_SHAPE(n), 0.3, AG_UINT8, rng);
    default:
        return ag_randint(AG_SHAPE(n), -3, 8, rng);
    }
}

/* Mean, variance and fourth central moment by calculus, and the bounds. */
static const struct {
    double mean, var, fourth, low, high;
} expected[] = {
    { 1, 16.0 / 12, 256.0 / 80, -1, 3 },         { 1, 16.0 / 12, 256.0 / 80, -1, 3 },
    { 5, 4, 48, -INFINITY, INFINITY },           { 5, 4, 48, -INFINITY, INFINITY },
    { 0.3, 0.21, 0.3 * 0.2401 * 0.7 + 0.7 * 0.0081 * 0.3 + 0.21 * 0.21, 0, 1.5 },
    { 0.3, 0.21, 0.3 * 0.2401 * 0.7 + 0.7 * 0.0081 * 0.3 + 0.21 * 0.21, 0, 1.5 },
    { 0.3, 0.21, 0.3 * 0.2401 * 0.7 + 0.7 * 0.0081 * 0.3 + 0.21 * 0.21, 0, 1.5 },
    { 2, 10, 178, -3, 8 },
};

/* The vector of the authors' own implementation (Random123, kat_vectors): counter and key all zeros. */
START_TEST(numbers_are_philox)
{
    philox_block zero = philox(0, 0, 0);
    ck_assert_uint_eq(zero.word[0], 0x6627e8d5u);
    ck_assert_uint_eq(zero.word[1], 0xe169c58du);
    ck_assert_uint_eq(zero.word[2], 0xbc57ac4cu);
    ck_assert_uint_eq(zero.word[3], 0x9b00dbd8u);
    /* Runs of 64 blocks lie side by side: word j of block i is element 64 j + i. */
    float out[512];
    uint64_t key = 0x123456789abcdef0u;
    k_random_uniform(AG_FLOAT32, 1, 512, key, 0, 1, out);
    for (int k = 0; k < 512; k++) {
        uint32_t word = philox(key, (uint64_t)(k / 256 * 64 + k % 64), 1).word[k % 256 / 64];
        ck_assert_float_eq(out[k], (float)(word >> 8) * 0x1p-24f);
    }
}
END_TEST

START_TEST(moments_are_those_of_the_distribution)
{
    ag_rng rng = ag_rng_seed(11);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    double *x = doubles(draw(_i, MANY, &rng)), mean = 0, var = 0, neighbours = 0;
    for (int64_t i = 0; i < MANY; i++) {
        ck_assert(x[i] >= expected[_i].low && x[i] < expected[_i].high);
        mean += x[i] / MANY;
    }
    for (int64_t i = 0; i < MANY; i++) {
        double d = x[i] - expected[_i].mean;
        var += d * d / MANY;
        neighbours += i > 0 ? d * (x[i - 1] - expected[_i].mean) / MANY : 0;
    }
    /* Five standard errors each. */
    double v = expected[_i].var, se_var = sqrt(expected[_i].fourth / MANY);
    ck_assert_double_eq_tol(mean, expected[_i].mean, 5 * sqrt(v / MANY));
    ck_assert_double_eq_tol(var, v, 5 * se_var);
    ck_assert_double_eq_tol(neighbours, 0, 5 * v / sqrt(MANY));
    free(x);
    ag_end(&scope);
}
END_TEST

START_TEST(same_key_same_bits_for_any_number_of_threads_and_any_length)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    uint64_t hash = 0;
    for (int threads = 1; threads <= 3; threads++) {
        ag_set_threads(threads);
        ag_rng rng = ag_rng_seed(5), again = ag_rng_seed(5);
        ag_tensor whole = draw(_i, MANY, &rng), part = draw(_i, 777, &again);
        ck_assert_uint_eq(ag_hash(ag_narrow(whole, 0, 0, 777)), ag_hash(part));
        ck_assert(threads == 1 || ag_hash(whole) == hash);
        hash = ag_hash(whole);
        ck_assert_uint_ne(ag_hash(draw(_i, MANY, &rng)), hash);
    }
    ag_set_threads(2);
    ag_end(&scope);
}
END_TEST

START_TEST(a_refused_draw_leaves_the_generator_alone)
{
    ag_error_set_handler(keep_quiet, NULL);
    ag_rng rng = ag_rng_seed(3), before = rng;
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ck_assert(ag_is_nil(ag_uniform(AG_SHAPE(3), 2, 1, AG_FLOAT32, &rng)));
    ck_assert_str_eq(ag_error_name(ag_error_code()), "AG_ERROR_VALUE");
    ck_assert(ag_is_nil(ag_normal(AG_SHAPE(3), 0, 1, AG_FLOAT32, &rng))); /* the error is sticky */
    ag_error_clear();
    ck_assert(ag_is_nil(ag_dropout(ag_ones(AG_SHAPE(3), AG_FLOAT32), 2, &rng)));
    ag_error_clear();
    ck_assert(rng.key == before.key && rng.counter == before.counter);
    ag_uniform(AG_SHAPE(3), 1, 2, AG_FLOAT32, &rng);
    ck_assert_uint_eq(rng.counter, before.counter + 1);
    ag_end(&scope);
    ag_error_set_handler(NULL, NULL);
}
END_TEST

START_TEST(the_widest_range_of_integers)
{
    ag_rng rng = ag_rng_seed(9);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    const int64_t *x = ag_data(ag_randint(AG_SHAPE(1000), INT64_MIN, INT64_MAX, &rng));
    int below = 0;
    for (int i = 0; i < 1000; i++) {
        below += x[i] < 0;
    }
    ck_assert_int_gt(below, 420);
    ck_assert_int_lt(below, 580);
    ag_end(&scope);
}
END_TEST

/* ---- dropout ----------------------------------------------------------------------------------------------------------- */

START_TEST(dropout_keeps_the_mean_and_backward_has_the_same_mask)
{
    ag_rng rng = ag_rng_seed(21);
    ag_tensor x = ag_leaf(AG_SHAPE(MANY), AG_FLOAT64, true);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double *ones = doubles(ag_ones(AG_SHAPE(MANY), AG_FLOAT64));
    ag_write(x, ones, MANY);
    ag_tensor y = ag_dropout(x, 0.2, &rng);
    ag_backward(ag_sum(y));
    double *values = doubles(y), *g = doubles(ag_grad_of(x)), mean = 0;
    for (int64_t i = 0; i < MANY; i++) {
        ck_assert(values[i] == 0 || values[i] == 1.25);
        ck_assert_double_eq(g[i], values[i]);
        mean += values[i] / MANY;
    }
    ck_assert_double_eq_tol(mean, 1, 5 * 0.5 / sqrt(MANY));
    free(values), free(g), free(ones);
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

START_TEST(dropout_lets_nan_be_seen)
{
    ag_rng rng = ag_rng_seed(2);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    double *y = doubles(ag_dropout(ag_full(AG_SHAPE(64), (double)NAN, AG_FLOAT32), 0.5, &rng));
    for (int i = 0; i < 64; i++) {
        ck_assert(isnan(y[i]));
    }
    free(y);
    ag_end(&scope);
}
END_TEST

/* ---- running statistics --------------------------------------------------------------------------------------------------- */

START_TEST(running_statistics_follow_the_batches)
{
    const double batch[2][8] = { { 1, 10, 2, 20, 3, 30, 6, 40 }, { -1, 0, 1, 0, -1, 0, 1, 4 } }; /* (4,2) each */
    ag_tensor mean = ag_leaf(AG_SHAPE(2), AG_FLOAT64, false), var = ag_leaf(AG_SHAPE(2), AG_FLOAT64, false);
    double m[2] = { 0, 0 }, v[2] = { 1, 1 }, got[2];
    ag_write(var, v, 2);
    ag_batch_norm_config config = ag_batch_norm_defaults();
    config.momentum = 0.25;
    ag_scope scope = { 0 };
    for (int step = 0; step < 2; step++) {
        ag_begin(&scope);
        ag_tensor x = ag_from(AG_SHAPE(4, 2), AG_FLOAT64, batch[step]);
        ag_batch_norm(x, AG_NONE, AG_NONE, mean, var, config);
        for (int c = 0; c < 2; c++) {
            double mu = 0, sum = 0;
            for (int i = 0; i < 4; i++) {
                mu += batch[step][2 * i + c] / 4;
            }
            for (int i = 0; i < 4; i++) {
                sum += (batch[step][2 * i + c] - mu) * (batch[step][2 * i + c] - mu);
            }
            m[c] = 0.75 * m[c] + 0.25 * mu;
            v[c] = 0.75 * v[c] + 0.25 * sum / 3;
        }
    }
    ag_read(mean, got, 2);
    ck_assert_double_eq_tol(got[0], m[0], 1e-14);
    ck_assert_double_eq_tol(got[1], m[1], 1e-14);
    ag_read(var, got, 2);
    ck_assert_double_eq_tol(got[0], v[0], 1e-13);
    ck_assert_double_eq_tol(got[1], v[1], 1e-13);
    /* Outside training they are used and left alone, and a single row is enough. */
    uint64_t before = ag_hash(mean) ^ ag_hash(var);
    config.training = false;
    ag_begin(&scope);
    double *y = doubles(ag_batch_norm(ag_ones(AG_SHAPE(1, 2), AG_FLOAT64), AG_NONE, AG_NONE, mean, var, config));
    ck_assert_double_eq_tol(y[0], (1 - m[0]) / sqrt(v[0] + 1e-5), 1e-14);
    ck_assert_double_eq_tol(y[1], (1 - m[1]) / sqrt(v[1] + 1e-5), 1e-14);
    free(y);
    ag_end(&scope);
    ck_assert_uint_eq(ag_hash(mean) ^ ag_hash(var), before);
    ag_drop(&mean);
    ag_drop(&var);
}
END_TEST

/* The way back needs what the statistics were, not what they became. */
START_TEST(evaluation_can_go_back_after_the_statistics_moved)
{
    ag_tensor x = ag_leaf(AG_SHAPE(2, 1), AG_FLOAT64, true);
    ag_tensor mean = ag_leaf(AG_SHAPE(1), AG_FLOAT64, false), var = ag_leaf(AG_SHAPE(1), AG_FLOAT64, false);
    double values[] = { 1, 5 }, four = 4, g[2];
    ag_write(x, values, 2);
    ag_write(var, &four, 1);
    ag_batch_norm_config config = ag_batch_norm_defaults();
    config.eps = 0;
    config.training = false;
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor y = ag_batch_norm(x, AG_NONE, AG_NONE, mean, var, config);
    config.training = true;
    ag_batch_norm(x, AG_NONE, AG_NONE, mean, var, config);
    ag_backward(ag_sum(y));
    ag_read(ag_grad_of(x), g, 2);
    ck_assert_double_eq(g[0], 0.5);
    ck_assert_double_eq(g[1], 0.5);
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&mean);
    ag_drop(&var);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stateful");
    TCase *tests = tcase_create("stateful");
    tcase_set_timeout(tests, 100);
    tcase_add_test(tests, numbers_are_philox);
    tcase_add_loop_test(tests, moments_are_those_of_the_distribution, 0, 8);
    tcase_add_loop_test(tests, same_key_same_bits_for_any_number_of_threads_and_any_length, 0, 8);
    tcase_add_test(tests, a_refused_draw_leaves_the_generator_alone);
    tcase_add_test(tests, the_widest_range_of_integers);
    tcase_add_test(tests, dropout_keeps_the_mean_and_backward_has_the_same_mask);
    tcase_add_test(tests, dropout_lets_nan_be_seen);
    tcase_add_test(tests, running_statistics_follow_the_batches);
    tcase_add_test(tests, evaluation_can_go_back_after_the_statistics_moved);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* a child of fork() must not enter a parallel region */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
