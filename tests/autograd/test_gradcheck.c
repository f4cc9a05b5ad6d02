/* The numerical check itself: it must catch planted mistakes, and pass on random graphs of right operations. */
#include <math.h>

#include "common.h"

/* ---- an operation with a choice of mistakes: y = a b + sin(a), b broadcast over rows --------------------------------------- */

enum mistake {
    NONE,
    WRONG_SIGN,          /* of one term */
    WRONG_FACTOR,
    DROPPED_TERM,
    MISSING_REDUCTION,   /* of the broadcast operand: one row's gradient instead of the sum */
    WRONG_ELEMENT,       /* one element of many, by one part in a hundred thousand */
    NOT_A_NUMBER,
    FORGOTTEN_INPUT,     /* no gradient at all for b */
    WRONG_SECOND_ORDER   /* right as a number, but cut off from the graph */
};

static enum mistake mistake;

static bool planted_shape(ag_call *call)
{
    return ag_call_output(call, 0, AG_FLOAT64, ag_call_shape(call, 0));
}

static bool planted_forward(ag_call *call)
{
    const double *a = ag_call_input(call, 0)->data, *b = ag_call_input(call, 1)->data;
    double *y = ag_call_result(call, 0)->data;
    int64_t columns = ag_call_input(call, 1)->numel;
    for (int64_t i = 0; i < ag_call_result(call, 0)->numel; i++) {
        y[i] = a[i] * b[i % columns] + sin(a[i]);
    }
    return true;
}

static void planted_backward(ag_sweep *s)
{
    ag_tensor a = ag_sweep_input(s, 0), b = ag_sweep_input(s, 1), dy = ag_sweep_grad(s, 0);
    if (ag_sweep_wants(s, 0)) {
        ag_tensor through_b = ag_mul(dy, b), through_sine = ag_mul(dy, ag_cos(a));
        switch (mistake) {
        case WRONG_SIGN:
            through_sine = ag_neg(through_sine);
            break;
        case WRONG_FACTOR:
            through_b = ag_mul_scalar(through_b, 1.001);
            break;
        case DROPPED_TERM:
            through_sine = ag_zeros_like(through_sine);
            break;
        case WRONG_ELEMENT: {
            ag_tensor one = ag_ones_like(a);
            ((double *)ag_data_mut(one))[5] += 1e-5;
            through_b = ag_mul(through_b, one);
            break;
        }
        case NOT_A_NUMBER:
            through_b = ag_mul_scalar(through_b, NAN);
            break;
        case WRONG_SECOND_ORDER:
            through_sine = ag_mul(dy, ag_cos(ag_detach(a)));
            break;
        default:
            break;
        }
        ag_sweep_add(s, 0, ag_add(through_b, through_sine));
    }
    if (ag_sweep_wants(s, 1) && mistake != FORGOTTEN_INPUT) {
        ag_tensor g = ag_mul(dy, a);
        ag_sweep_add(s, 1, mistake == MISSING_REDUCTION ? ag_select(g, 0, 0) : g);
    }
}

static const struct ag_op op_planted = {
    .size = sizeof(struct ag_op), .name = "planted", .inputs = 2, .outputs = 1,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1), .orders = AG_ORDERS_ANY,
    .shape = planted_shape, .forward = planted_forward, .backward = planted_backward,
};

static ag_tensor planted(const ag_tensor *inputs, int n, void *user)
{
    (void)user;
    return ag_apply(AG_HERE, &op_planted, n, inputs, NULL, NULL);
}

static ag_tensor inputs[2];

static void make_inputs(void)
{
    inputs[0] = leaf64(AG_SHAPE(3, 4), 0.3, -1.2, 0.8, 2.1, -0.6, 1.7, 0.2, -0.9, 1.1, 0.5, -1.9, 0.7);
    inputs[1] = leaf64(AG_SHAPE(4), 1.3, -0.4, 0.9, -1.6);
}

static void drop_inputs(void)
{
    ag_drop(&inputs[0]);
    ag_drop(&inputs[1]);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}

static ag_gradcheck_report check(int order)
{
    ag_gradcheck_config config = ag_gradcheck_defaults();
    config.order = order;
    return ag_gradcheck(planted, NULL, 2, inputs, config);
}

START_TEST(a_right_rule_passes)
{
    make_inputs();
    mistake = NONE;
    for (int order = 1; order <= 2; order++) {
        uint64_t before = ag_hash(inputs[0]);
        ag_gradcheck_report report = check(order);
        assert_no_error();
        ck_assert_msg(report.passed, "order %d: %g", order, report.worst);
        ck_assert_double_gt(report.scale, 0.01);
        ck_assert_double_lt(report.worst, order == 1 ? 1e-9 : 1e-7);
        ck_assert_uint_eq(ag_hash(inputs[0]), before);
        ck_assert_int_eq(ag_scope_depth(), 0);
        ck_assert(ag_is_none(ag_grad_of(inputs[0])));
    }
    drop_inputs();
}
END_TEST

START_TEST(planted_mistakes_are_caught)
{
    static const struct {
        enum mistake mistake;
        int input;
        double least, most; /* of the relative error */
    } expected[] = {
        { WRONG_SIGN, 0, 0.1, 3 },        { WRONG_FACTOR, 0, 1e-4, 1.1e-3 },   { DROPPED_TERM, 0, 0.1, 2 },
        { MISSING_REDUCTION, 1, 0.1, 3 }, { WRONG_ELEMENT, 0, 1e-7, 1.1e-5 },  { NOT_A_NUMBER, 0, INFINITY, INFINITY },
        { FORGOTTEN_INPUT, 1, 1, 1 },
    };
    make_inputs();
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        mistake = expected[i].mistake;
        ag_gradcheck_report report = check(1);
        assert_no_error();
        ck_assert_msg(!report.passed, "mistake %d was not noticed", (int)mistake);
        ck_assert_int_eq(report.input, expected[i].input);
        ck_assert_msg(report.worst >= expected[i].least && report.worst <= expected[i].most, "mistake %d: %g", (int)mistake,
                      report.worst);
    }
    mistake = WRONG_ELEMENT;
    ck_assert_int_eq(check(1).element, 5);
    mistake = WRONG_SECOND_ORDER;
    ck_assert(check(1).passed);
    ck_assert(!check(2).passed);
    ck_assert_int_eq(check(2).input, 0);
    drop_inputs();
}
END_TEST

/* One number large, the others small: an absolute comparison would not see the sign. */
static ag_tensor tiny(const ag_tensor *in, int n, void *user)
{
    (void)user;
    return ag_mul_scalar(ag_apply(AG_HERE, &op_planted, n, in, NULL, NULL), 1e-12);
}

START_TEST(errors_are_relative)
{
    make_inputs();
    mistake = WRONG_SIGN;
    ck_assert(!ag_gradcheck(tiny, NULL, 2, inputs, ag_gradcheck_defaults()).passed);
    mistake = NONE;
    ag_gradcheck_report report = ag_gradcheck(tiny, NULL, 2, inputs, ag_gradcheck_defaults());
    ck_assert(report.passed);
    ck_assert_double_lt(report.scale, 1e-11); /* for the caller to judge */
    drop_inputs();
}
END_TEST

/* ---- what cannot be checked -------------------------------------------------------------------------------------------------- */

static int fail_at;

static ag_tensor fails_on_the_way(const ag_tensor *in, int n, void *user)
{
    (void)n, (void)user;
    if (fail_at-- == 0) {
        return ag_matmul(in[0], in[0]);
    }
    return ag_square(in[0]);
}

START_TEST(an_error_on_the_way_restores_the_values)
{
    make_inputs();
    uint64_t before = ag_hash(inputs[0]);
    for (int at = 0; at < 8; at++) {
        fail_at = at;
        ck_assert(!ag_gradcheck(fails_on_the_way, NULL, 1, inputs, ag_gradcheck_defaults()).passed);
        assert_error(AG_ERROR_SHAPE, "ag_matmul: ");
        ck_assert_uint_eq(ag_hash(inputs[0]), before);
        ck_assert_int_eq(ag_scope_depth(), 0);
    }
    drop_inputs();
}
END_TEST

static ag_tensor of_no_input(const ag_tensor *in, int n, void *user)
{
    (void)in, (void)n, (void)user;
    return ag_ones(AG_SHAPE(2), AG_FLOAT64);
}

static ag_tensor picks(const ag_tensor *in, int n, void *user)
{
    (void)n, (void)user;
    return ag_square(ag_index_select(in[0], 1, in[1]));
}

START_TEST(only_what_can_be_differentiated_is_checked)
{
    make_inputs();
    ag_gradcheck_config config = ag_gradcheck_defaults();
    config.order = 3;
    ck_assert(!ag_gradcheck(planted, NULL, 2, inputs, config).passed);
    assert_error(AG_ERROR_VALUE, "ag_gradcheck: order 3; 1 and 2 are possible");
    ag_gradcheck_config made_up = { .order = 1 };
    ag_gradcheck(planted, NULL, 2, inputs, made_up);
    assert_error(AG_ERROR_STATE, "ag_gradcheck: the config does not come from ag_gradcheck_defaults()");
    ck_assert(!ag_gradcheck(NULL, NULL, 2, inputs, ag_gradcheck_defaults()).passed);
    assert_error(AG_ERROR_VALUE, "ag_gradcheck: the function is NULL");
    ck_assert(!ag_gradcheck(planted, NULL, 2, NULL, ag_gradcheck_defaults()).passed);
    assert_error(AG_ERROR_VALUE, "ag_gradcheck: the inputs are NULL");

    ag_tensor single = leaf32(AG_SHAPE(2), 1, 2);
    ck_assert(!ag_gradcheck(planted, NULL, 1, &single, ag_gradcheck_defaults()).passed);
    assert_error(AG_ERROR_DTYPE, "ag_gradcheck: input 0 must be a row-major leaf of float64");
    ag_drop(&single);

    /* A constant does not depend on its inputs, and says so; frozen ones alone are no check. */
    ag_gradcheck_report report = ag_gradcheck(of_no_input, NULL, 2, inputs, ag_gradcheck_defaults());
    ck_assert(report.passed && report.scale == 0);
    ag_set_requires_grad(inputs[0], false);
    ag_set_requires_grad(inputs[1], false);
    ck_assert(!ag_gradcheck(of_no_input, NULL, 2, inputs, ag_gradcheck_defaults()).passed);
    ag_set_requires_grad(inputs[0], true);

    ag_tensor index = ag_leaf(AG_SHAPE(3), AG_INT64, false);
    memcpy(ag_data_mut(index), (const int64_t[]){ 2, 0, 2 }, 3 * sizeof(int64_t));
    ag_tensor mixed[] = { inputs[0], index };
    ck_assert(ag_gradcheck(picks, NULL, 2, mixed, ag_gradcheck_defaults()).passed);
    ag_drop(&index);
    assert_no_error();
    drop_inputs();
}
END_TEST

/* ---- random graphs: every value may be used again, viewed, expanded, joined -------------------------------------------------------- */

enum { ROWS = 2, COLUMNS = 3, VALUES = 14 };

static ag_tensor random_value(ag_rng *rng, const ag_tensor *value, int count)
{
    ag_tensor a = value[ag_rng_below(rng, count)], b = value[ag_rng_below(rng, count)];
    switch (ag_rng_below(rng, 16)) {
    case 0:
        return ag_add(a, b);
    case 1:
        return ag_mul(a, b);
    case 2:
        return ag_sub(a, ag_mul_scalar(b, 0.7));
    case 3:
        return ag_tanh(a);
    case 4:
        return ag_mul_scalar(a, -0.9);
    case 5: /* to one number and back */
        return ag_expand(ag_mean(a), AG_SHAPE(ROWS, COLUMNS));
    case 6:
        return ag_mul(ag_sum_dims(a, AG_DIMS(1), true), b);
    case 7:
        return ag_expand(ag_mean_dims(a, AG_DIMS(0), false), AG_SHAPE(ROWS, COLUMNS));
    case 8:
        return ag_transpose(ag_reshape(ag_transpose(a, 0, 1), AG_SHAPE(COLUMNS, ROWS)), 0, 1);
    case 9:
        return ag_reshape(ag_transpose(a, 0, 1), AG_SHAPE(ROWS, COLUMNS));
    case 10: {
        ag_tensor rows[ROWS] = { ag_select(a, 0, 1), ag_select(b, 0, 0) };
        return ag_stack(ROWS, rows, 0);
    }
    case 11: {
        ag_tensor parts[2] = { ag_narrow(a, 1, 1, 2), ag_slice(b, 1, 0, COLUMNS, 3) };
        return ag_cat(2, parts, 1);
    }
    case 12:
        return ag_tanh(ag_matmul(ag_matmul(a, ag_transpose(b, 0, 1)), b));
    case 13:
        return ag_sigmoid(ag_add(a, ag_select(b, 0, 0)));
    case 14:
        return ag_contiguous(ag_expand(ag_narrow(a, 1, 0, 1), AG_SHAPE(ROWS, COLUMNS)));
    default:
        return ag_softmax(a, (int)ag_rng_below(rng, 2));
    }
}

static ag_tensor random_graph(const ag_tensor *in, int n, void *user)
{
    ag_rng rng = ag_rng_seed(*(const uint64_t *)user);
    ag_tensor value[VALUES];
    memcpy(value, in, (size_t)n * sizeof(*in));
    for (int i = n; i < VALUES; i++) {
        value[i] = random_value(&rng, value, i);
    }
    return ag_add(value[VALUES - 1], ag_mul(value[VALUES - 2], value[VALUES - 3]));
}

START_TEST(random_graphs_have_right_gradients)
{
    ag_rng rng = ag_rng_seed(100 + (uint64_t)_i);
    ag_tensor leaves[2];
    for (int i = 0; i < 2; i++) {
        leaves[i] = ag_leaf(AG_SHAPE(ROWS, COLUMNS), AG_FLOAT64, true);
        for (int k = 0; k < ROWS * COLUMNS; k++) {
            ((double *)ag_data_mut(leaves[i]))[k] = ag_rng_uniform(&rng) * 1.6 - 0.8;
        }
    }
    int judged = 0;
    for (uint64_t graph = 0; graph < 60; graph++) {
        uint64_t seed = 1000 * (uint64_t)_i + graph;
        ag_gradcheck_config config = ag_gradcheck_defaults();
        for (config.order = 1; config.order <= 2; config.order++) {
            ag_gradcheck_report report = ag_gradcheck(random_graph, &seed, 2, leaves, config);
            assert_no_error();
            if (!report.passed && report.scale < 0.01) {
                continue; /* rounding was judged, not the gradient */
            }
            judged++;
            ck_assert_msg(report.passed, "graph %d, order %d: %g at input %d element %d (%.9g, %.9g)", (int)seed, config.order,
                          report.worst, report.input, (int)report.element, report.analytic, report.numeric);
        }
    }
    ck_assert_int_gt(judged, 80);
    ag_drop(&leaves[0]);
    ag_drop(&leaves[1]);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* The same graphs by ag_backward(), whose contributions are added in place: ag_grad() with create_graph never does that. */
START_TEST(random_graphs_accumulate_what_grad_returns)
{
    ag_tensor leaves[2];
    leaves[0] = leaf64(AG_SHAPE(ROWS, COLUMNS), 0.3, -0.5, 0.7, -0.2, 0.4, 0.6);
    leaves[1] = leaf64(AG_SHAPE(ROWS, COLUMNS), -0.8, 0.1, 0.5, 0.9, -0.3, 0.2);
    ag_scope scope = { 0 };
    for (uint64_t seed = 0; seed < 500; seed++) {
        ag_begin(&scope);
        ag_tensor y = ag_sum(random_graph(leaves, 2, &seed)), g[2];
        if (!ag_requires_grad(y)) {
            continue;
        }
        ag_backward_config config = ag_backward_defaults();
        config.create_graph = config.allow_unused = true;
        ck_assert_int_eq(ag_grad(y, 2, leaves, g, config), AG_OK);
        ag_zero_grad(leaves[0]);
        ag_zero_grad(leaves[1]);
        ck_assert_int_eq(ag_backward(y), AG_OK);
        for (int i = 0; i < 2; i++) {
            ag_tensor sum = ag_grad_of(leaves[i]);
            ck_assert(ag_is_none(sum) == ag_is_none(g[i]));
            double a[ROWS * COLUMNS], b[ROWS * COLUMNS];
            for (int k = 0; !ag_is_none(sum) && k < ROWS * COLUMNS; k++) {
                ag_read(sum, a, ROWS * COLUMNS);
                ag_read(g[i], b, ROWS * COLUMNS);
                ck_assert_msg(fabs(a[k] - b[k]) <= 1e-12 * (1 + fabs(b[k])), "graph %d, input %d, element %d: %g, %g",
                              (int)seed, i, k, a[k], b[k]);
            }
        }
    }
    ag_end(&scope);
    ag_drop(&leaves[0]);
    ag_drop(&leaves[1]);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, a_right_rule_passes);
    tcase_add_test(tests, planted_mistakes_are_caught);
    tcase_add_test(tests, errors_are_relative);
    tcase_add_test(tests, an_error_on_the_way_restores_the_values);
    tcase_add_test(tests, only_what_can_be_differentiated_is_checked);
    tcase_add_loop_test(tests, random_graphs_have_right_gradients, 0, 4);
    tcase_add_test(tests, random_graphs_accumulate_what_grad_returns);
}

int main(void)
{
    return run_tests("gradcheck", add, 120);
}
