/*
 * Operations at sizes for which the samples are too small: every block, chunk and thread of the kernels is used. Results are
 * held against plain loops in float64, and must have the same bits for any number of threads.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "autograd/autograd.h"

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

static uint64_t state = 1;

static double number(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53 * 4 - 2;
}

/* A leaf of numbers in (-2, 2) that requires a gradient. */
static ag_tensor leaf(ag_shape shape, ag_dtype dtype)
{
    ag_tensor t = ag_leaf(shape, dtype, true);
    int64_t n = ag_numel(t);
    double *values = malloc((size_t)n * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        values[i] = number();
        if (dtype == AG_FLOAT32) {
            ((float *)ag_data_mut(t))[i] = (float)values[i];
        } else {
            ((double *)ag_data_mut(t))[i] = values[i];
        }
    }
    free(values);
    return t;
}

static void drop(int n, ag_tensor *leaves)
{
    for (int i = 0; i < n; i++) {
        ag_drop(&leaves[i]);
    }
}

static double *doubles(ag_tensor t)
{
    int64_t n = ag_numel(t);
    double *values = malloc((size_t)(n > 0 ? n : 1) * sizeof(double));
    ck_assert_int_eq(ag_read_doubles(t, values, n), AG_OK);
    return values;
}

static double tolerance(ag_dtype dtype)
{
    return dtype == AG_FLOAT32 ? 2e-5 : 1e-12;
}

static void near(double got, double expected, double scale, ag_dtype dtype, const char *what, int64_t at)
{
    double error = fabs(got - expected) / (scale > 1 ? scale : 1);
    ck_assert_msg(error <= tolerance(dtype), "%s[%lld] is %.17g, expected %.17g", what, (long long)at, got, expected);
}

typedef ag_tensor (*operation)(const ag_tensor *in);

/* The result and the gradients of its squares' sum have the same bits for any number of threads. */
static void same_bits(operation f, int n, ag_tensor *in)
{
    uint64_t first[5] = { 0 };
    for (int threads = 1; threads <= 4; threads++) {
        ag_set_threads(threads);
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_tensor y = f(in);
        for (int i = 0; i < n; i++) {
            ag_zero_grad(in[i]);
        }
        ag_backward(ag_sum(ag_mul(y, y)));
        uint64_t hash[5] = { ag_hash(y) };
        for (int i = 0; i < n; i++) {
            hash[i + 1] = ag_hash(ag_grad_of(in[i]));
        }
        ag_end(&scope);
        ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
        for (int i = 0; i <= n; i++) {
            ck_assert_msg(threads == 1 || hash[i] == first[i], "%d threads give other bits", threads);
            first[i] = hash[i];
        }
    }
    ag_set_threads(2);
}

/* ---- products --------------------------------------------------------------------------------------------------------- */

static ag_tensor product(const ag_tensor *in)
{
    return ag_matmul(in[0], in[1]);
}

START_TEST(a_stack_of_products_is_the_sum_of_products)
{
    ag_dtype dtype = _i == 0 ? AG_FLOAT32 : AG_FLOAT64;
    enum { B = 6, M = 70, K = 65, N = 67 };
    ag_tensor in[] = { leaf(AG_SHAPE(B, M, K), dtype), leaf(AG_SHAPE(K, N), dtype) };
    ag_scope scope = { 0 };
    ag_begin(&scope);
    /* The transposed operand cannot be joined to one tall matrix. */
    ag_tensor turned = ag_transpose(ag_contiguous(ag_transpose(in[0], 0, 1)), 0, 1);
    double *a = doubles(in[0]), *b = doubles(in[1]), *y = doubles(product(in));
    double *z = doubles(ag_matmul(turned, in[1])), *v = doubles(ag_linear(in[0], ag_transpose(in[1], 0, 1), AG_NONE));
    for (int64_t i = 0; i < B * M; i++) {
        for (int64_t j = 0; j < N; j++) {
            double sum = 0;
            for (int64_t k = 0; k < K; k++) {
                sum += a[i * K + k] * b[k * N + j];
            }
            near(y[i * N + j], sum, 10, dtype, "matmul", i * N + j);
            near(z[i * N + j], sum, 10, dtype, "matmul of a view", i * N + j);
            near(v[i * N + j], sum, 10, dtype, "linear", i * N + j);
        }
    }
    free(a), free(b), free(y), free(z), free(v);
    ag_end(&scope);
    same_bits(product, 2, in);
    ag_tensor stacks[] = { in[0], leaf(AG_SHAPE(B, K, N), dtype) };
    same_bits(product, 2, stacks);
    drop(2, in);
    drop(1, stacks + 1);
}
END_TEST

/* ---- convolution and pooling --------------------------------------------------------------------------------------------- */

static ag_tensor convolve_and_pool(const ag_tensor *in)
{
    ag_conv2d_config c = ag_conv2d_defaults();
    c.padding_mode = AG_PADDING_SAME;
    ag_tensor y = ag_conv2d(in[0], in[1], in[2], c);
    return ag_adaptive_avg_pool2d(ag_avg_pool2d(ag_max_pool2d(y, ag_pool2d_defaults(2)), ag_pool2d_defaults(2)), 3, 2);
}

START_TEST(convolution_is_the_same_from_any_memory_order)
{
    ag_dtype dtype = _i == 0 ? AG_FLOAT32 : AG_FLOAT64;
    ag_tensor in[] = { leaf(AG_SHAPE(9, 5, 22, 19), dtype), leaf(AG_SHAPE(24, 5, 3, 3), dtype), leaf(AG_SHAPE(24), dtype) };
    same_bits(convolve_and_pool, 3, in);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_dims last = AG_DIMS(0, 2, 3, 1), back = AG_DIMS(0, 3, 1, 2);
    ag_tensor turned[] = { ag_permute(ag_contiguous(ag_permute(in[0], last)), back), in[1], in[2] };
    ck_assert_uint_eq(ag_hash(convolve_and_pool(in)), ag_hash(convolve_and_pool(turned)));
    ag_end(&scope);
    drop(3, in);
}
END_TEST

/* ---- softmax and losses -------------------------------------------------------------------------------------------------- */

enum { ROWS = 3001, CLASSES = 37 };

static ag_tensor labels;

static ag_tensor cross_entropy(const ag_tensor *in)
{
    return ag_cross_entropy(in[0], labels);
}

static ag_tensor softmax_of_columns(const ag_tensor *in)
{
    return ag_softmax(in[0], 0);
}

static ag_tensor log_softmax_of_rows(const ag_tensor *in)
{
    return ag_log_softmax(in[0], 1);
}

START_TEST(cross_entropy_of_many_rows)
{
    ag_dtype dtype = _i == 0 ? AG_FLOAT32 : AG_FLOAT64;
    ag_tensor x = leaf(AG_SHAPE(ROWS, CLASSES), dtype);
    labels = ag_leaf(AG_SHAPE(ROWS), AG_INT64, false);
    int64_t *label = ag_data_mut(labels);
    for (int64_t i = 0; i < ROWS; i++) {
        label[i] = i * 7 % CLASSES;
    }
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor loss = cross_entropy(&x);
    ag_backward(loss);
    double *v = doubles(x), *g = doubles(ag_grad_of(x)), mean = 0;
    double *p = doubles(ag_softmax(x, 1)), *l = doubles(log_softmax_of_rows(&x));
    for (int64_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int64_t j = 0; j < CLASSES; j++) {
            sum += exp(v[i * CLASSES + j]);
        }
        mean += (log(sum) - v[i * CLASSES + label[i]]) / ROWS;
        for (int64_t j = 0; j < CLASSES; j++) {
            int64_t at = i * CLASSES + j;
            double share = exp(v[at]) / sum;
            near(p[at], share, 1, dtype, "softmax", at);
            near(l[at], log(share), 1, dtype, "log_softmax", at);
            near(g[at] * ROWS, share - (j == label[i]), 1, dtype, "gradient", at);
        }
    }
    near(ag_item(loss), mean, 1, dtype, "loss", 0);
    free(v), free(g), free(p), free(l);
    ag_end(&scope);
    same_bits(cross_entropy, 1, &x);
    same_bits(softmax_of_columns, 1, &x);
    same_bits(log_softmax_of_rows, 1, &x);
    ag_drop(&labels);
    ag_drop(&x);
}
END_TEST

static ag_tensor squares(const ag_tensor *in)
{
    return ag_mse_loss(in[0], in[1]);
}

static ag_tensor distances(const ag_tensor *in)
{
    return ag_l1_loss(in[0], in[1]);
}

static ag_tensor binary(const ag_tensor *in)
{
    return ag_bce_with_logits(in[0], in[1]);
}

START_TEST(losses_of_many_elements)
{
    ag_dtype dtype = _i == 0 ? AG_FLOAT32 : AG_FLOAT64;
    enum { N = 100003 };
    ag_tensor in[] = { leaf(AG_SHAPE(N), dtype), leaf(AG_SHAPE(N), dtype) };
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    double *x = doubles(in[0]), *y = doubles(in[1]), square = 0, distance = 0, cross = 0;
    double *each = doubles(ag_bce_with_logits_with(in[0], in[1], AG_REDUCE_NONE));
    for (int64_t i = 0; i < N; i++) {
        double s = 1 / (1 + exp(-x[i])), c = -(y[i] * log(s) + (1 - y[i]) * log(1 - s));
        square += (x[i] - y[i]) * (x[i] - y[i]) / N;
        distance += fabs(x[i] - y[i]) / N;
        cross += c / N;
        near(each[i], c, 1, dtype, "bce_with_logits", i);
    }
    near(ag_item(squares(in)), square, 1, dtype, "mse_loss", 0);
    near(ag_item(distances(in)), distance, 1, dtype, "l1_loss", 0);
    near(ag_item(binary(in)), cross, 1, dtype, "bce_with_logits", 0);
    free(x), free(y), free(each);
    ag_end(&scope);
    same_bits(squares, 2, in);
    same_bits(distances, 2, in);
    same_bits(binary, 2, in);
    drop(2, in);
}
END_TEST

START_TEST(large_logits_neither_overflow_nor_vanish)
{
    ag_dtype dtype = _i == 0 ? AG_FLOAT32 : AG_FLOAT64;
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor one = ag_ones(AG_SHAPE(1), dtype), zero = ag_zeros(AG_SHAPE(1), dtype);
    ag_tensor big = ag_full(AG_SHAPE(1), 1000, dtype), small = ag_full(AG_SHAPE(1), -1000, dtype);
    ck_assert_double_eq(ag_item(ag_bce_with_logits(big, one)), 0);
    ck_assert_double_eq(ag_item(ag_bce_with_logits(big, zero)), 1000);
    ck_assert_double_eq(ag_item(ag_bce_with_logits(small, one)), 1000);
    ck_assert_double_eq(ag_item(ag_bce_with_logits(small, zero)), 0);
    ag_tensor pair[] = { big, small }, logits = ag_reshape(ag_cat(2, pair, 0), AG_SHAPE(1, 2));
    int64_t second = 1;
    ck_assert_double_eq(ag_item(ag_cross_entropy(logits, ag_from(AG_SHAPE(1), AG_INT64, &second))), 2000);
    ck_assert(isnan(ag_item(ag_cross_entropy(ag_mul_scalar(logits, (double)NAN), ag_from(AG_SHAPE(1), AG_INT64, &second)))));
    ag_end(&scope);
}
END_TEST

/* ---- batch normalisation ---------------------------------------------------------------------------------------------------- */

static ag_tensor normalise(const ag_tensor *in)
{
    return ag_batch_norm(in[0], in[1], in[2], AG_NONE, AG_NONE, ag_batch_norm_defaults());
}

/* With channels last in memory. */
static ag_tensor normalise_last(const ag_tensor *in)
{
    ag_tensor x = ag_permute(ag_contiguous(ag_permute(in[0], AG_DIMS(0, 2, 3, 1))), AG_DIMS(0, 3, 1, 2));
    return ag_batch_norm(x, in[1], in[2], AG_NONE, AG_NONE, ag_batch_norm_defaults());
}

START_TEST(batch_norm_of_many_rows)
{
    ag_dtype dtype = _i == 0 ? AG_FLOAT32 : AG_FLOAT64;
    enum { N = 11, C = 70, L = 9 * 8 };
    ag_tensor in[] = { leaf(AG_SHAPE(N, C, 9, 8), dtype), leaf(AG_SHAPE(C), dtype), leaf(AG_SHAPE(C), dtype) };
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double *x = doubles(in[0]), *w = doubles(in[1]), *b = doubles(in[2]);
    double *first = doubles(normalise(in)), *last = doubles(normalise_last(in));
    for (int64_t c = 0; c < C; c++) {
        double mean = 0, var = 0;
        for (int64_t i = 0; i < N * L; i++) {
            mean += x[(i / L * C + c) * L + i % L] / (N * L);
        }
        for (int64_t i = 0; i < N * L; i++) {
            double d = x[(i / L * C + c) * L + i % L] - mean;
            var += d * d / (N * L);
        }
        for (int64_t i = 0; i < N * L; i++) {
            int64_t at = (i / L * C + c) * L + i % L;
            double y = (x[at] - mean) / sqrt(var + 1e-5) * w[c] + b[c];
            near(first[at], y, 1, dtype, "channels first", at);
            near(last[at], y, 1, dtype, "channels last", at);
        }
    }
    free(x), free(w), free(b), free(first), free(last);
    ag_end(&scope);
    same_bits(normalise, 3, in);
    same_bits(normalise_last, 3, in);
    drop(3, in);
}
END_TEST

/* A mean a thousand times the deviation: squares of the values would leave nothing of the variance. */
START_TEST(batch_norm_far_from_zero)
{
    enum { N = 4000 };
    static float values[N];
    double mean = 0, var = 0;
    for (int i = 0; i < N; i++) {
        values[i] = (float)(3000 + number());
        mean += (double)values[i] / N;
    }
    for (int i = 0; i < N; i++) {
        var += ((double)values[i] - mean) * ((double)values[i] - mean) / N;
    }
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_from(AG_SHAPE(N, 1), AG_FLOAT32, values);
    ag_tensor z = ag_reshape(x, AG_SHAPE(2, 1, N / 2));
    double *rows = doubles(ag_batch_norm(x, AG_NONE, AG_NONE, AG_NONE, AG_NONE, ag_batch_norm_defaults()));
    double *planes = doubles(ag_batch_norm(z, AG_NONE, AG_NONE, AG_NONE, AG_NONE, ag_batch_norm_defaults()));
    for (int i = 0; i < N; i++) {
        double y = ((double)values[i] - mean) / sqrt(var + 1e-5);
        near(rows[i], y, 1, AG_FLOAT32, "rows", i);
        near(planes[i], y, 1, AG_FLOAT32, "planes", i);
    }
    free(rows), free(planes);
    ag_end(&scope);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("large");
    TCase *tests = tcase_create("large");
    tcase_set_timeout(tests, 100);
    tcase_add_loop_test(tests, a_stack_of_products_is_the_sum_of_products, 0, 2);
    tcase_add_loop_test(tests, convolution_is_the_same_from_any_memory_order, 0, 2);
    tcase_add_loop_test(tests, cross_entropy_of_many_rows, 0, 2);
    tcase_add_loop_test(tests, losses_of_many_elements, 0, 2);
    tcase_add_loop_test(tests, large_logits_neither_overflow_nor_vanish, 0, 2);
    tcase_add_loop_test(tests, batch_norm_of_many_rows, 0, 2);
    tcase_add_test(tests, batch_norm_far_from_zero);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* a child of fork() must not enter a parallel region */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
