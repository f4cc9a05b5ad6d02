/* A program's own operations, written against the public headers alone: what works, and what is refused with a message. */
#include <math.h>

#include "common.h"

static ag_scope scope;

/* ---- an operation in a dozen lines: y = x^3 --------------------------------------------------------------------------------- */

static void cube_floats(int64_t n, char *const *p, const int64_t *stride, const void *params)
{
    (void)params;
    for (int64_t i = 0; i < n; i++) {
        float x = *(const float *)(p[1] + i * stride[1]);
        *(float *)(p[0] + i * stride[0]) = x * x * x;
    }
}

static void cube_doubles(int64_t n, char *const *p, const int64_t *stride, const void *params)
{
    (void)params;
    for (int64_t i = 0; i < n; i++) {
        double x = *(const double *)(p[1] + i * stride[1]);
        *(double *)(p[0] + i * stride[0]) = x * x * x;
    }
}

static void cube_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_mul_scalar(ag_square(ag_sweep_input(s, 0)), 3)));
}

static const struct ag_op op_cube = {
    .size = sizeof(struct ag_op), .name = "cube", .formula = "y = x^3", .derivative = "dx = dy 3 x^2",
    .inputs = 1, .outputs = 1, .saves = AG_SAVE_INPUT(0), .orders = AG_ORDERS_ANY,
    .shape = ag_shape_unary, .backward = cube_backward, .loops = { cube_floats, cube_doubles },
};

static ag_tensor cube(ag_tensor x)
{
    return ag_apply(AG_HERE, &op_cube, 1, &x, NULL, NULL);
}

static ag_tensor cube_function(const ag_tensor *inputs, int n, void *user)
{
    (void)n, (void)user;
    return cube(inputs[0]);
}

START_TEST(an_operation_in_a_dozen_lines)
{
    ag_tensor x = leaf64(AG_SHAPE(2, 3), 1, -2, 3, 0.5, -0.25, 4);
    ag_begin(&scope);
    assert_values(cube(x), 1, -8, 27, 0.125, -0.015625, 64);
    ag_tensor t = ag_transpose(x, 0, 1);
    assert_values(cube(t), 1, 0.125, -8, -0.015625, 27, 64);
    assert_values(cube(ag_cast(t, AG_FLOAT32)), 1, 0.125, -8, -0.015625, 27, 64);
    ck_assert_int_eq(ag_backward(ag_sum(cube(t))), AG_OK);
    assert_values(ag_grad_of(x), 3, 12, 27, 0.75, 0.1875, 48);
    ck_assert(ag_is_nil(cube(ag_ones(AG_SHAPE(2), AG_INT64))));
    assert_error(AG_ERROR_DTYPE, "ag_cube: needs float32 or float64, got int64");
    ag_end(&scope);
    ag_gradcheck_config config = ag_gradcheck_defaults();
    for (config.order = 1; config.order <= 2; config.order++) {
        ag_gradcheck_report report = ag_gradcheck(cube_function, NULL, 1, &x, config);
        ck_assert_msg(report.passed && report.scale > 0.01, "order %d: %g", config.order, report.worst);
    }
    ag_drop(&x);
    assert_no_error();
}
END_TEST

/* ---- any number of inputs, with parameters: y = sum_i weight_i x_i ------------------------------------------------------------ */

struct mix_params {
    double first, step;
};

static bool mix_shape(ag_call *call)
{
    for (int i = 0; i < ag_call_count(call); i++) {
        if (ag_call_input(call, i)->dtype != AG_FLOAT64 || !ag_shape_equal(ag_call_shape(call, i), ag_call_shape(call, 0))) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "input %d is %s, the first %s", i, ag_call_shape_text(call, i),
                                ag_call_shape_text(call, 0));
        }
    }
    return ag_call_output(call, 0, AG_FLOAT64, ag_call_shape(call, 0));
}

static bool mix_forward(ag_call *call)
{
    const struct mix_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    double *sums = ag_call_work(call, (size_t)y->numel * sizeof(double));
    if (sums == NULL) {
        return false;
    }
    ck_assert_uint_eq((uintptr_t)sums % 64, 0);
    for (int64_t k = 0; k < y->numel; k++) {
        sums[k] = 0;
        for (int i = 0; i < ag_call_count(call); i++) {
            sums[k] += (p->first + i * p->step) * ((const double *)ag_call_input(call, i)->data)[k];
        }
        ((double *)y->data)[k] = sums[k];
    }
    return true;
}

static void mix_backward(ag_sweep *s)
{
    const struct mix_params *p = ag_sweep_params(s);
    for (int i = 0; i < ag_sweep_count(s); i++) {
        if (ag_sweep_wants(s, i)) {
            ag_sweep_add(s, i, ag_mul_scalar(ag_sweep_grad(s, 0), p->first + i * p->step));
        }
    }
}

static const struct ag_op op_mix = {
    .size = sizeof(struct ag_op), .name = "mix", .formula = "y = sum_i (a + i b) x_i", .derivative = "dx_i = (a + i b) dy",
    .inputs = AG_ANY_INPUTS, .outputs = 1, .params = sizeof(struct mix_params), .orders = AG_ORDERS_ANY,
    .shape = mix_shape, .forward = mix_forward, .backward = mix_backward,
};

START_TEST(an_operation_of_any_number_of_inputs)
{
    enum { N = 40 };
    ag_tensor x[N], frozen = frozen64(AG_SHAPE(2), 100, 200);
    for (int i = 0; i < N; i++) {
        x[i] = i == 7 ? frozen : leaf64(AG_SHAPE(2), i, 1);
    }
    struct mix_params params = { 1, 2 };
    ag_begin(&scope);
    ag_tensor y = ag_apply(AG_HERE, &op_mix, N, x, &params, NULL);
    params.first = 1000; /* the node has its own copy */
    double first = 0, second = 0;
    for (int i = 0; i < N; i++) {
        first += (1 + 2 * i) * (i == 7 ? 100 : i);
        second += (1 + 2 * i) * (i == 7 ? 200 : 1);
    }
    assert_values(y, first, second);
    ck_assert_int_eq(ag_backward(ag_sum(y)), AG_OK);
    assert_values(ag_grad_of(x[39]), 79, 79);
    ck_assert(ag_is_none(ag_grad_of(frozen)));
    ag_tensor one = ag_apply(AG_HERE, &op_mix, 1, x, &params, NULL);
    assert_values(one, 0, 1000);
    x[3] = ag_ones(AG_SHAPE(3), AG_FLOAT64);
    ck_assert(ag_is_nil(ag_apply(AG_HERE, &op_mix, N, x, &params, NULL)));
    assert_error(AG_ERROR_SHAPE, "ag_mix: input 3 is (3), the first (2)");
    x[3] = AG_NONE;
    ck_assert(ag_is_nil(ag_apply(AG_HERE, &op_mix, N, x, &params, NULL)));
    assert_error(AG_ERROR_LIFETIME, "ag_mix: a tensor is needed, got none");
    ag_end(&scope);
}
END_TEST

/* ---- several outputs, an optional input, saved outputs: (sin(x + o), cos(x + o)) ------------------------------------------------ */

static bool angle_shape(ag_call *call)
{
    return ag_call_output(call, 0, AG_FLOAT64, ag_call_shape(call, 0)) &&
           ag_call_output(call, 1, AG_FLOAT64, ag_call_shape(call, 0));
}

static bool angle_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *o = ag_call_input(call, 1);
    ck_assert(ag_call_has(call, 1) == (o != NULL));
    for (int64_t i = 0; i < x->numel; i++) {
        double angle = ((const double *)x->data)[i] + (o != NULL ? ((const double *)o->data)[i] : 0);
        ((double *)ag_call_result(call, 0)->data)[i] = sin(angle);
        ((double *)ag_call_result(call, 1)->data)[i] = cos(angle);
    }
    return true;
}

static void angle_backward(ag_sweep *s)
{
    ag_tensor ds = ag_sweep_grad(s, 0), dc = ag_sweep_grad(s, 1); /* AG_NONE if that output was not used */
    for (int i = 0; i < 2; i++) {
        if (!ag_is_none(ds)) {
            ag_sweep_add(s, i, ag_mul(ds, ag_sweep_output(s, 1)));
        }
        if (!ag_is_none(dc)) {
            ag_sweep_add(s, i, ag_neg(ag_mul(dc, ag_sweep_output(s, 0))));
        }
    }
}

static const struct ag_op op_angle = {
    .size = sizeof(struct ag_op), .name = "angle", .formula = "s = sin(x + o), c = cos(x + o)",
    .derivative = "dx = do = ds c - dc s", .inputs = 2, .outputs = 2, .optional = AG_OPTIONAL(1),
    .saves = AG_SAVE_OUTPUT(0) | AG_SAVE_OUTPUT(1), .orders = AG_ORDERS_ANY,
    .shape = angle_shape, .forward = angle_forward, .backward = angle_backward,
};

/* user points to how the outputs are used: 1 sine, 2 cosine, 3 both */
static ag_tensor angle_function(const ag_tensor *inputs, int n, void *user)
{
    ag_tensor in[2] = { inputs[0], n > 1 ? inputs[1] : AG_NONE }, out[2];
    ag_apply(AG_HERE, &op_angle, 2, in, NULL, out);
    int use = *(const int *)user;
    return use == 1 ? out[0] : use == 2 ? out[1] : ag_mul(out[0], ag_add_scalar(out[1], 2));
}

START_TEST(an_operation_with_two_results)
{
    ag_tensor in[2] = { leaf64(AG_SHAPE(3), 0.1, 0.7, -2), leaf64(AG_SHAPE(3), 0.3, -0.2, 1) };
    ag_gradcheck_config config = ag_gradcheck_defaults();
    for (int n = 1; n <= 2; n++) {
        for (int use = 1; use <= 3; use++) {
            for (config.order = 1; config.order <= 2; config.order++) {
                ag_gradcheck_report report = ag_gradcheck(angle_function, &use, n, in, config);
                ck_assert_msg(report.passed, "%d inputs, use %d, order %d: %g; %s", n, use, config.order, report.worst,
                              ag_error_message());
            }
        }
    }
    ag_begin(&scope);
    ag_tensor out[2], first = ag_apply(AG_HERE, &op_angle, 2, in, NULL, out);
    ck_assert_uint_eq(first.id, out[0].id);
    ag_tensor missing[2] = { AG_NONE, in[1] };
    ck_assert(ag_is_nil(ag_apply(AG_HERE, &op_angle, 2, missing, NULL, out)));
    ck_assert(ag_is_nil(out[0]) && ag_is_nil(out[1]));
    assert_error(AG_ERROR_LIFETIME, "ag_angle: a tensor is needed, got none");
    ag_end(&scope);
    ag_drop(&in[0]);
    ag_drop(&in[1]);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* ---- a view, an operation without inputs, kernels that write into the gradient -------------------------------------------------- */

static bool second_half_shape(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0);
    return ag_call_view(call, AG_SHAPE(x->size[0] / 2), x->stride, x->size[0] / 2 * x->stride[0]);
}

static void second_half_backward(ag_sweep *s)
{
    int64_t start = ag_sweep_shape(s, 0).size[0] / 2, step = 1;
    ag_sweep_add_at(s, 0, &start, &step, ag_sweep_grad(s, 0));
}

static const struct ag_op op_second_half = {
    .size = sizeof(struct ag_op), .name = "second_half", .formula = "y = x[n/2:]", .derivative = "dx[n/2:] = dy",
    .inputs = 1, .outputs = 1, .view = true, .orders = AG_ORDERS_ANY,
    .shape = second_half_shape, .backward = second_half_backward,
};

static ag_tensor second_half_function(const ag_tensor *inputs, int n, void *user)
{
    (void)n, (void)user;
    ag_tensor x = inputs[0], half = ag_apply(AG_HERE, &op_second_half, 1, &x, NULL, NULL);
    return ag_add(ag_square(half), ag_mul(half, ag_narrow(x, 0, 0, ag_numel(half))));
}

START_TEST(a_view_of_ones_own)
{
    ag_tensor x = leaf64(AG_SHAPE(6), 1, 2, 3, 4, 5, 6);
    ag_begin(&scope);
    ag_tensor half = ag_apply(AG_HERE, &op_second_half, 1, &x, NULL, NULL);
    ck_assert_ptr_eq(ag_data(half), (const double *)ag_data(x) + 3);
    ag_tensor loss = ag_sum(ag_square(half));
    ((double *)ag_data_mut(x))[0] = 9; /* the counter belongs to the variable, and views share it */
    ck_assert_int_eq(ag_backward(loss), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "was changed in place at");
    ag_end(&scope);
    ag_zero_grad(x);
    ag_gradcheck_config config = ag_gradcheck_defaults();
    for (config.order = 1; config.order <= 2; config.order++) {
        ck_assert(ag_gradcheck(second_half_function, NULL, 1, &x, config).passed);
    }
    ag_drop(&x);
    assert_no_error();
}
END_TEST

static bool answer_shape(ag_call *call)
{
    return ag_call_output(call, 0, AG_INT64, AG_SHAPE_SCALAR);
}

static bool answer_forward(ag_call *call)
{
    *(int64_t *)ag_call_result(call, 0)->data = *(const int *)ag_call_params(call);
    return true;
}

static const struct ag_op op_answer = {
    .size = sizeof(struct ag_op), .name = "answer", .outputs = 1, .params = sizeof(int),
    .shape = answer_shape, .forward = answer_forward,
};

START_TEST(an_operation_without_inputs)
{
    int answer = 42;
    ag_begin(&scope);
    assert_values(ag_apply(AG_HERE, &op_answer, 0, NULL, &answer, NULL), 42);
    ag_end(&scope);
}
END_TEST

/* y = 2 x, whose rule writes into the gradient's buffer where there is one. */
static bool twice_shape(ag_call *call)
{
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 0));
}

static bool twice_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0);
    for (int64_t i = 0; i < x->numel; i++) {
        ((double *)ag_call_result(call, 0)->data)[i] = 2 * ((const double *)x->data)[i];
    }
    return true;
}

static int written_straight;

static void twice_backward(ag_sweep *s)
{
    ag_array target;
    bool accumulate;
    ag_tensor dy = ag_sweep_grad(s, 0);
    if (ag_sweep_target(s, 0, &target, &accumulate)) {
        const double *g = ag_data(ag_contiguous(dy));
        double *dx = target.data;
        for (int64_t i = 0; i < target.numel; i++) {
            dx[i] = (accumulate ? dx[i] : 0) + 2 * g[i];
        }
        written_straight++;
    } else {
        ag_sweep_add(s, 0, ag_mul_scalar(dy, 2));
    }
}

static const struct ag_op op_twice = {
    .size = sizeof(struct ag_op), .name = "twice", .inputs = 1, .outputs = 1, .orders = AG_ORDERS_ANY,
    .shape = twice_shape, .forward = twice_forward, .backward = twice_backward,
};

static ag_tensor twice(ag_tensor x)
{
    return ag_apply(AG_HERE, &op_twice, 1, &x, NULL, NULL);
}

START_TEST(a_rule_may_write_into_the_buffer)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 1, 2);
    ag_begin(&scope);
    ag_tensor y = ag_mul_scalar(x, 1);
    /* Into a leaf and into a result; first, and added to what is there: 2 (2 x + 2 x) + 2 x + x */
    ag_tensor sum = ag_add(ag_add(twice(ag_add(twice(x), twice(x))), twice(y)), y);
    ck_assert_int_eq(ag_backward(ag_sum(sum)), AG_OK);
    assert_values(ag_grad_of(x), 11, 11);
    ck_assert_int_ge(written_straight, 3);
    ag_tensor g;
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    int before = written_straight;
    ck_assert_int_eq(ag_grad(ag_sum(ag_square(twice(x))), 1, &x, &g, config), AG_OK);
    ck_assert_int_eq(written_straight, before); /* never when recorded */
    assert_values(g, 8, 16);
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

/* ---- rules that fail or lie -------------------------------------------------------------------------------------------------------- */

static int fail_how;

static void failing_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0);
    switch (fail_how) {
    case 0:
        ag_sweep_fail(s, AG_ERROR_VALUE, "refused on purpose, code %d", 17);
        break;
    case 1:
        ag_sweep_add(s, 0, ag_matmul(dy, ag_ones(AG_SHAPE(9, 9), AG_FLOAT64)));
        break;
    case 2:
        ag_sweep_add(s, 0, ag_ones(AG_SHAPE(7, 5), AG_FLOAT64));
        break;
    case 3:
        ag_sweep_add(s, 0, ag_cast(dy, AG_FLOAT32));
        break;
    case 4:
        ag_sweep_input(s, 0);
        break;
    case 5:
        ag_sweep_output(s, 0);
        break;
    case 6:
        ag_sweep_add(s, 0, AG_NONE);
        break;
    case 7: {
        ag_scope inner = { 0 };
        ag_begin(&inner);
        break;
    }
    case 8:
        ag_end(&scope);
        break;
    case 9:
        ag_backward(dy);
        break;
    }
}

static const struct ag_op op_failing = {
    .size = sizeof(struct ag_op), .name = "failing", .inputs = 1, .outputs = 1, .orders = AG_ORDERS_ANY,
    .shape = twice_shape, .forward = twice_forward, .backward = failing_backward,
};

/* A leaf that was reached before the failure keeps half a gradient: it cannot be used until it is zeroed. */
START_TEST(a_failing_rule_marks_what_it_touched)
{
    static const struct {
        ag_error code;
        const char *message;
    } expected[] = {
        { AG_ERROR_VALUE, "backward of ag_failing: refused on purpose, code 17 (" },
        { AG_ERROR_SHAPE, "ag_matmul: " },
        { AG_ERROR_SHAPE, "backward of ag_failing: the gradient of input 0 has shape (7,5), the input (2)" },
        { AG_ERROR_DTYPE, "backward of ag_failing: the gradient of input 0 is float32, the input float64" },
        { AG_ERROR_STATE, "backward of ag_failing: the rule reads input 0, which the operation does not declare as saved" },
        { AG_ERROR_STATE, "backward of ag_failing: the rule reads output 0, which the operation does not declare as saved" },
        { AG_ERROR_LIFETIME, "ag_sweep_add: a tensor is needed, got none" },
        { AG_ERROR_STATE, "ag_begin: a scope cannot be opened while backward runs" },
        { AG_ERROR_STATE, "ag_end: a scope cannot be ended while backward runs" },
        { AG_ERROR_STATE, "ag_backward: a backward is running" },
    };
    ag_tensor x = leaf64(AG_SHAPE(2), 1, 2), w = leaf64(AG_SHAPE(2), 3, 4), far = leaf64(AG_SHAPE(2), 5, 6);
    for (fail_how = 0; fail_how < 10; fail_how++) {
        ag_begin(&scope);
        ag_tensor h = ag_mul(x, far), y = ag_apply(AG_HERE, &op_failing, 1, &h, NULL, NULL), loss = ag_sum(ag_mul(y, w));
        ck_assert_int_eq(ag_backward(loss), expected[fail_how].code);
        ck_assert_ptr_nonnull(strstr(ag_error_message(), "test_op.c:"));
        assert_error(expected[fail_how].code, expected[fail_how].message);
        ag_grad_of(w);
        assert_error(AG_ERROR_GRAD, "ag_grad_of: a backward failed half-way; zero the gradient first");
        ck_assert(ag_is_none(ag_grad_of(x))); /* was not reached */
        /* A good backward on top does not make it good. */
        ck_assert_int_eq(ag_backward(ag_sum(ag_mul(w, x))), AG_OK);
        ag_grad_of(w);
        assert_error(AG_ERROR_GRAD, "zero the gradient first");
        assert_values(ag_grad_of(x), 3, 4);
        ag_zero_grad(w);
        ag_zero_grad(x);
        ag_begin(&scope);
        ck_assert_int_eq(ag_backward(ag_sum(ag_mul(w, x))), AG_OK);
        assert_values(ag_grad_of(w), 1, 2);
        ag_zero_grad(w);
        ag_zero_grad(x);
        ag_end(&scope);
        ck_assert_int_eq(ag_scope_depth(), 0);
        ck_assert_int_eq(ag_memory().live_buffers, 5); /* three leaves, two gradients */
    }
    ag_drop(&x);
    ag_drop(&w);
    ag_drop(&far);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

static bool fails(ag_call *call)
{
    ag_call_work(call, 1000);
    return ag_call_fail(call, AG_ERROR_VALUE, "never works");
}

static bool shape_of_nothing(ag_call *call)
{
    (void)call;
    return true;
}

static bool shape_twice(ag_call *call)
{
    return twice_shape(call) && twice_shape(call);
}

static bool shape_of_third(ag_call *call)
{
    return ag_call_output(call, 2, AG_FLOAT32, AG_SHAPE(1));
}

static bool shape_far_too_large(ag_call *call)
{
    return ag_call_output(call, 0, AG_FLOAT32, AG_SHAPE(INT64_C(1) << 40, INT64_C(1) << 40));
}

static bool greedy(ag_call *call)
{
    for (int i = 0; i < 100; i++) {
        if (ag_call_work(call, 64) == NULL) {
            return false;
        }
    }
    return true;
}

START_TEST(what_cannot_be_an_operation_is_refused)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 1, 2), many[8] = { x, x, x, x, x, x, x, x };
    ag_begin(&scope);
    struct {
        struct ag_op op;
        int n;
        ag_error code;
        const char *message;
    } bad[16];
    int count = 0;
#define BAD(expected_code, text, given, ...)                   \
    do {                                                       \
        bad[count].op = op_twice;                              \
        bad[count].n = (given);                                \
        bad[count].code = (expected_code);                     \
        bad[count].message = (text);                           \
        struct ag_op *op = &bad[count++].op;                   \
        __VA_ARGS__;                                           \
    } while (0)
    BAD(AG_ERROR_STATE, "ag_apply: the operation's size is 8, not sizeof(struct ag_op)", 1, op->size = 8);
    BAD(AG_ERROR_STATE, "ag_apply: the operation without a name is incomplete", 1, op->name = NULL);
    BAD(AG_ERROR_STATE, "ag_apply: the operation twice is incomplete: it needs a name and a shape rule", 1, op->shape = NULL);
    BAD(AG_ERROR_STATE, "it can have 1 to 4 outputs", 1, op->outputs = 0);
    BAD(AG_ERROR_STATE, "it can have 1 to 4 outputs", 1, op->outputs = 5);
    BAD(AG_ERROR_STATE, "it can have 0 to 8 inputs, or AG_ANY_INPUTS", 1, op->inputs = 9);
    BAD(AG_ERROR_STATE, "it has neither forward nor loops", 1, op->forward = NULL);
    BAD(AG_ERROR_VALUE, "ag_twice: 2 inputs given, 1 needed", 2, op->size = sizeof(*op));
    BAD(AG_ERROR_VALUE, "ag_twice: 0 inputs given, 1 needed", 0, op->size = sizeof(*op));
    BAD(AG_ERROR_VALUE, "ag_twice: never works", 1, op->forward = fails);
    BAD(AG_ERROR_STATE, "ag_twice: the shape rule does not declare output 0", 1, op->shape = shape_of_nothing);
    BAD(AG_ERROR_STATE, "ag_twice: the shape rule declares output 0 twice", 1, op->shape = shape_twice);
    BAD(AG_ERROR_STATE, "ag_twice: the shape rule declares output 2 of an operation that has fewer", 1,
        op->shape = shape_of_third);
    BAD(AG_ERROR_SHAPE, "ag_twice: the result (1099511627776,1099511627776) would have more elements than memory can hold", 1,
        op->shape = shape_far_too_large);
    BAD(AG_ERROR_MEMORY, "ag_twice: more than 12 work buffers", 1, op->forward = greedy);
    BAD(AG_ERROR_VALUE, "ag_twice: 8 inputs; loops take up to 5", 8, op->forward = NULL; op->inputs = 8;
        op->loops[AG_FLOAT64] = cube_doubles);
    int64_t buffers = ag_memory().live_buffers;
    for (int i = 0; i < count; i++) {
        ag_tensor out[5] = { x, x, x, x, x };
        ck_assert(ag_is_nil(ag_apply(AG_HERE, &bad[i].op, bad[i].n, many, NULL, out)));
        assert_error(bad[i].code, bad[i].message);
        ck_assert(bad[i].op.outputs < 1 || ag_is_nil(out[0]));
        ck_assert_uint_eq(out[4].id, x.id);
        ck_assert_int_eq(ag_memory().live_buffers, buffers);
        ck_assert_int_eq(ag_tape_length(), 0);
    }
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

/* ---- orders, in-place changes of inputs ------------------------------------------------------------------------------------------- */

START_TEST(an_operation_without_second_derivative_says_so)
{
    struct ag_op once = op_cube;
    once.orders = 1;
    ag_tensor x = leaf64(AG_SHAPE(1), 2), g;
    ag_begin(&scope);
    ag_tensor y = ag_apply(AG_HERE, &once, 1, &x, NULL, NULL);
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ck_assert_int_eq(ag_grad(y, 1, &x, &g, config), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "backward of ag_cube: the operation has no second derivative; create_graph cannot go through it");
    ck_assert(ag_is_nil(g));
    ck_assert_int_eq(ag_grad(y, 1, &x, &g, ag_backward_defaults()), AG_OK);
    assert_values(g, 12);
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

static bool count_up(ag_call *call)
{
    ((double *)ag_call_input(call, 1)->data)[0]++;
    ag_call_changed(call, 1);
    return twice_forward(call);
}

START_TEST(changing_an_input_in_place_is_noticed)
{
    struct ag_op counting = op_twice;
    counting.name = "counting";
    counting.inputs = 2;
    counting.forward = count_up;
    ag_tensor x = leaf64(AG_SHAPE(1), 2), calls = frozen64(AG_SHAPE(1), 0);
    ag_begin(&scope);
    ag_tensor in[] = { x, calls };
    ag_apply(AG_HERE, &counting, 2, in, NULL, NULL);
    ag_tensor product = ag_mul(x, calls);
    ag_tensor y = ag_apply(AG_HERE, &counting, 2, in, NULL, NULL);
    int line = __LINE__ - 1;
    assert_values(calls, 2);
    ck_assert_int_eq(ag_backward(ag_add(product, y)), AG_ERROR_GRAD);
    char text[64];
    snprintf(text, sizeof(text), "test_op.c:%d after it was saved", line);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), text));
    assert_error(AG_ERROR_GRAD, "backward of ag_mul: input 1 was changed in place at");
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&calls);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, an_operation_in_a_dozen_lines);
    tcase_add_test(tests, an_operation_of_any_number_of_inputs);
    tcase_add_test(tests, an_operation_with_two_results);
    tcase_add_test(tests, a_view_of_ones_own);
    tcase_add_test(tests, an_operation_without_inputs);
    tcase_add_test(tests, a_rule_may_write_into_the_buffer);
    tcase_add_test(tests, a_failing_rule_marks_what_it_touched);
    tcase_add_test(tests, what_cannot_be_an_operation_is_refused);
    tcase_add_test(tests, an_operation_without_second_derivative_says_so);
    tcase_add_test(tests, changing_an_input_in_place_is_noticed);
}

int main(void)
{
    return run_tests("op", add, 60);
}
