/*
 * What rules write straight into gradients' buffers, products that they leave for their end and norms: the same gradients as
 * where each is computed and checked by itself, whatever shares a buffer.
 */
#include <math.h>

#include "autograd/internal.h"
#include "autograd/sweep.h"
#include "common.h"

enum { N = 40, LEAVES = 5, THREADS = 3 };

static const int threads[THREADS] = { 1, 2, 5 };

/* ---- programs: of the leaves w and v (N,N), b (N), x (3,N,N), h (N,N) ------------------------------------------------------- */

static ag_tensor two_layers(const ag_tensor *in)
{
    return ag_linear(ag_linear(in[4], in[0], in[2]), in[1], AG_NONE);
}

static ag_tensor an_input_that_is_the_weight(const ag_tensor *in)
{
    return ag_linear(in[0], in[0], in[2]);
}

static ag_tensor a_square(const ag_tensor *in)
{
    return ag_matmul(in[0], in[0]);
}

static ag_tensor the_weight_of_two_layers(const ag_tensor *in)
{
    return ag_add(ag_linear(ag_linear(in[4], in[0], in[2]), in[0], in[2]), in[0]);
}

static ag_tensor an_input_of_three_dimensions(const ag_tensor *in)
{
    return ag_linear(ag_mul(in[3], in[3]), in[0], in[2]);
}

static ag_tensor a_leaf_of_three_dimensions(const ag_tensor *in)
{
    return ag_add(ag_linear(in[3], in[0], in[2]), in[3]);
}

static ag_tensor an_input_that_does_not_lie_in_order(const ag_tensor *in)
{
    return ag_linear(ag_transpose(in[3], 1, 2), ag_transpose(in[0], 0, 1), in[2]);
}

static ag_tensor a_bias_that_is_a_row_of_the_weight(const ag_tensor *in)
{
    return ag_linear(in[4], in[0], ag_select(in[0], 0, 3));
}

/* The state is the input, so that a sum follows upon a product that waits for the same buffer; both biases are one. */
static ag_tensor cells(const ag_tensor *in)
{
    ag_recurrent_weights w = { ag_cat(4, (ag_tensor[]){ in[0], in[1], in[0], in[4] }, 0),
                               ag_cat(4, (ag_tensor[]){ in[1], in[1], in[0], in[4] }, 0), AG_NONE, AG_NONE };
    w.b_ih = w.b_hh = ag_cat(4, (ag_tensor[]){ in[2], in[2], in[2], in[2] }, 0);
    ag_tensor h = in[4], c = in[1];
    for (int t = 0; t < 3; t++) {
        h = ag_lstm(h, h, c, w, ag_recurrent_defaults(), &c);
    }
    return ag_add(h, c);
}

/* Sums over so many rows are cut in parts. */
static ag_tensor a_long_batch(const ag_tensor *in)
{
    ag_tensor x = ag_reshape(in[3], AG_SHAPE(3 * N, N)), rows[10];
    for (int i = 0; i < 10; i++) {
        rows[i] = ag_mul_scalar(x, 0.1 * i - 0.4);
    }
    return ag_linear(ag_linear(ag_cat(10, rows, 0), in[0], in[2]), in[1], AG_NONE);
}

/* Blocks with residuals: a norm adds to what the residual brought, what products wrote follows or came before. */
static ag_tensor norms_and_residuals(const ag_tensor *in)
{
    ag_tensor h = ag_reshape(in[3], AG_SHAPE(3 * N, N)), rows[10];
    for (int i = 0; i < 10; i++) {
        rows[i] = ag_add_scalar(h, 0.1 * i);
    }
    h = ag_cat(10, rows, 0);
    for (int i = 0; i < 2; i++) {
        h = ag_add(h, ag_linear(ag_layer_norm(h, AG_SHAPE(N), in[2], in[2], 1e-5), in[0], in[2]));
        h = ag_add(ag_matmul(h, in[1]), ag_rms_norm(h, AG_SHAPE(N), in[2], 1e-5));
    }
    return h;
}

/* The input of norms is a leaf that is used besides, a weight, a bias, a view, or does not lie in order; or what has arrived at it is
 * what has arrived at another. */
static ag_tensor norms_of_what_is_shared(const ag_tensor *in)
{
    ag_tensor w = in[0], b = in[2], t = ag_transpose(w, 0, 1), row = ag_select(w, 0, 1);
    ag_tensor sum = ag_add(ag_layer_norm(w, AG_SHAPE(N), row, b, 1e-5), ag_rms_norm(t, AG_SHAPE(N), b, 1e-5));
    sum = ag_add(ag_add(sum, ag_layer_norm(b, AG_SHAPE(N), b, b, 1e-5)), ag_matmul(w, w));
    sum = ag_add(ag_add(sum, ag_layer_norm(ag_expand(row, AG_SHAPE(N, N)), AG_SHAPE(N), AG_NONE, row, 1e-5)), t);
    ag_tensor other = ag_tanh(in[1]), h = ag_tanh(in[4]);
    return ag_add(ag_add(ag_add(ag_rms_norm(h, AG_SHAPE(N), b, 1e-5), h), other), sum);
}

static ag_tensor (*const programs[])(const ag_tensor *in) = {
    two_layers, an_input_that_is_the_weight, a_square, the_weight_of_two_layers, an_input_of_three_dimensions, a_leaf_of_three_dimensions,
    an_input_that_does_not_lie_in_order, a_bias_that_is_a_row_of_the_weight, cells, a_long_batch,
    norms_and_residuals, norms_of_what_is_shared,
};

enum { PROGRAMS = sizeof programs / sizeof *programs };

static const ag_shape shapes[LEAVES] = { { 2, { N, N } }, { 2, { N, N } }, { 1, { N } }, { 3, { 3, N, N } }, { 2, { N, N } } };

/* The gradients of all leaves, one after the other; NULL where there are none: the caller frees it. */
static double *gradients(int program, ag_dtype dtype, bool checked, int team, int64_t *count)
{
    ag_tensor leaf[LEAVES];
    double value[97];
    ag_rng rng = ag_rng_seed(7);
    ag_set_threads(team);
    for (int i = 0; i < LEAVES; i++) {
        for (int j = 0; j < 97; j++) {
            value[j] = 0.2 * ag_rng_normal(&rng);
        }
        leaf[i] = filled_leaf(dtype, shapes[i], 97, value, true);
    }
    ag_detect_anomaly(checked);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor y = programs[program](leaf);
    ck_assert_int_eq(ag_backward(ag_sum(ag_mul(y, y))), AG_OK);
    const struct ag_products *waiting = ag_context_get()->products;
    ck_assert(waiting == NULL || waiting->count == 0);
    ag_end(&scope);
    ag_detect_anomaly(false);
    *count = 0;
    double *all = malloc((size_t)(6 * N * N + N) * sizeof *all);
    for (int i = 0; i < LEAVES; i++) {
        ag_tensor g = ag_grad_of(leaf[i]);
        if (!ag_is_none(g)) {
            ag_read_doubles(g, all + *count, ag_numel(g));
            *count += ag_numel(g);
        }
    }
    assert_no_error();
    for (int i = 0; i < LEAVES; i++) {
        ag_drop(&leaf[i]);
    }
    ag_set_threads(1);
    return all;
}

/* Where anomalies are looked for, each product is an operation of its own. */
START_TEST(gradients_are_those_of_products_one_by_one)
{
    const ag_dtype types[] = { AG_FLOAT64, AG_FLOAT32 };
    const double most[] = { 1e-13, 1e-5 };
    for (int type = 0; type < 2; type++) {
        int64_t count, same;
        double *expected = gradients(_i, types[type], true, 1, &count), largest = 0, worst = 0;
        double *first = gradients(_i, types[type], false, 1, &same);
        ck_assert_int_eq(same, count);
        ck_assert_int_ge(count, N * N);
        for (int64_t i = 0; i < count; i++) {
            largest = fmax(largest, fabs(expected[i]));
            worst = fmax(worst, fabs(expected[i] - first[i]));
        }
        ck_assert_msg(largest > 0 && worst <= most[type] * largest, "program %d, %s: off by %g of %g", _i, ag_dtype_name(types[type]),
                      worst, largest);
        for (int t = 1; t < THREADS; t++) {
            double *other = gradients(_i, types[type], false, threads[t], &same);
            ck_assert_msg(memcmp(other, first, (size_t)count * sizeof *other) == 0, "program %d: %d threads give other bits", _i, threads[t]);
            free(other);
        }
        free(expected);
        free(first);
    }
}
END_TEST

/* ---- rules of the program's own ------------------------------------------------------------------------------------------- */

static bool shape_of_product(ag_call *call)
{
    const ag_array *a = ag_call_input(call, 0), *b = ag_call_input(call, 1);
    return ag_call_output(call, 0, a->dtype, AG_SHAPE(a->size[0], b->size[1]));
}

static bool zeros(ag_call *call)
{
    const ag_array *y = ag_call_result(call, 0);
    memset(y->data, 0, (size_t)y->numel * ag_dtype_size(y->dtype));
    return true;
}

static bool fails;

/* Lets go of a factor while its product waits, and makes tensors that would take its memory; then contributes once more. */
static void backward_of_product(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), b = ag_transpose(ag_sweep_input(s, 1), 0, 1), twice = ag_mul_scalar(b, 2);
    ag_sweep_matmul(s, 0, dy, twice);
    ag_release(twice);
    for (int i = 0; i < 4; i++) {
        ag_full(AG_SHAPE(N, N), 1e9, AG_FLOAT64);
    }
    if (fails) {
        ag_sweep_fail(s, AG_ERROR_VALUE, "on purpose");
        return;
    }
    ag_sweep_add(s, 0, ag_matmul(dy, b));
}

static const struct ag_op product_by_a_program = {
    .size = sizeof(struct ag_op), .name = "product_by_a_program", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .orders = 1, .shape = shape_of_product, .forward = zeros, .backward = backward_of_product,
};

static ag_error sweep_own_rule(ag_tensor a, ag_tensor b)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor in[] = { a, b };
    ag_error error = ag_backward(ag_sum(ag_apply(AG_HERE, &product_by_a_program, 2, in, NULL, NULL)));
    ag_end(&scope);
    return error;
}

START_TEST(factors_are_held_while_their_product_waits)
{
    const double one[] = { 1 }, three[] = { 3 };
    ag_tensor a = filled_leaf(AG_FLOAT64, AG_SHAPE(N, N), 1, one, true), b = filled_leaf(AG_FLOAT64, AG_SHAPE(N, N), 1, three, false);
    fails = false;
    ck_assert_int_eq(sweep_own_rule(a, b), AG_OK);
    double g[N * N];
    ag_read_doubles(ag_grad_of(a), g, N * N);
    for (int i = 0; i < N * N; i++) {
        ck_assert_double_eq(g[i], 3.0 * 3 * N);
    }
    int64_t before = ag_memory().live_buffers;
    fails = true;
    ck_assert_int_ne(sweep_own_rule(a, b), AG_OK);
    ag_error_clear();
    ck_assert_int_eq(ag_context_get()->products->count, 0);
    ck_assert_int_eq(ag_memory().live_buffers, before);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

int main(void)
{
    catch_errors();
    Suite *suite = suite_create("products");
    TCase *tests = tcase_create("products");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, gradients_are_those_of_products_one_by_one, 0, PROGRAMS);
    tcase_add_test(tests, factors_are_held_while_their_product_waits);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
