/*
 * What there is only in place: fill, zero, copy. The in-place forms of other operations stand beside these.
 */
#include <math.h>

#include "../inplace.h"
#include "../internal.h"
#include "../samples.h"
#include "loops.h"
#include "ops.h"

/* ---- fill -----------------------------------------------------------------------------------------------------------------------
 * y = c
 * dx = 0 */

struct fill_params {
    double value;
};

UNARY_LOOP(fill_f32, float, float, struct fill_params, ((void)x, c->value))
UNARY_LOOP(fill_f64, double, double, struct fill_params, ((void)x, c->value))
UNARY_LOOP(fill_i64, int64_t, int64_t, struct fill_params, ((void)x, c->value))
UNARY_LOOP(fill_u8, uint8_t, uint8_t, struct fill_params, ((void)x, c->value))

static void fill_backward(ag_sweep *s)
{
    ag_sweep_zero(s, 0);
}

AG_OP(fill){ELEMENTWISE(fill, 1, AG_SAVE_NOTHING), .params = sizeof(struct fill_params), .chosen = true, .numbers = "c", .formula = "y = c",
            .derivative = "dx = 0", ALL_LOOPS(fill)};

ag_tensor ag_fill_in_place_at(ag_place where, ag_tensor x, double value)
{
    struct fill_params p = {value};
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_fill_", x);
    double low = v != NULL && v->dtype == AG_UINT8 ? 0 : -0x1p63, high = v != NULL && v->dtype == AG_UINT8 ? 255 : 0x1p63 - 1024;
    if (v != NULL && !ag_dtype_is_float((ag_dtype)v->dtype) && !(value >= low && value <= high)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_fill_: %g is no %s", value, ag_dtype_name((ag_dtype)v->dtype));
        return AG_NIL;
    }
    return v == NULL ? AG_NIL : ag_apply_in_place(where, &op_fill, 1, &x, &p);
}

/* The same operation under the name that its messages have. */
AG_OP(zero){.size = sizeof(struct ag_op), .name = "zero", .formula = "y = 0", .derivative = "dx = 0", .inputs = 1, .outputs = 1,
            .params = sizeof(struct fill_params), .orders = AG_ORDERS_ANY, .shape = ag_shape_unary, .backward = fill_backward,
            .chosen = true, ALL_LOOPS(fill)};

ag_tensor ag_zero_in_place_at(ag_place where, ag_tensor x)
{
    struct fill_params p = {0};
    return ag_apply_in_place(where, &op_zero, 1, &x, &p);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(fill)
{
    SAMPLE("(a * 1).fill_(2.5)") {
        sample_result(s, ag_fill_(ag_mul_scalar(sample_float(s, "a", AG_SHAPE(2, 3)), 1), 2.5));
    }
    SAMPLE("(a * 1).zero_() + a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR);
        sample_result(s, ag_add(ag_zero_(ag_mul_scalar(a, 1)), a));
    }
    REFUSES("ag_fill_: 300 is no uint8") {
        ag_fill_(sample_mask(s, "m", AG_SHAPE(3)), 300);
    }
    REFUSES("ag_fill_: nan is no int64") {
        ag_fill_(sample_int(s, "i", AG_SHAPE(3), 0, 2), (double)NAN);
    }
    REFUSES("ag_fill_: a leaf that requires a gradient is changed in place while the tape records") {
        ag_fill_(sample_float(s, "a", AG_SHAPE(3)), 1);
    }
}
#endif

#ifdef WENGERT_SAMPLES
AG_SAMPLES(zero)
{
    SAMPLE("(a * 1).zero_()") {
        sample_result(s, ag_zero_(ag_mul_scalar(sample_float(s, "a", AG_SHAPE(3, 4)), 1)));
    }
    REFUSES("ag_zero_: a leaf that requires a gradient is changed in place while the tape records") {
        ag_zero_(sample_float(s, "a", AG_SHAPE(3)));
    }
    REFUSES("ag_zero_: the tensor (2,3) was expanded") {
        ag_zero_(ag_expand(sample_constant(s, "a", AG_SHAPE(3), 0, 1), AG_SHAPE(2, 3)));
    }
}
#endif

/* ---- copy -----------------------------------------------------------------------------------------------------------------------
 * y = b, broadcast to a's shape and converted to its type
 * da = 0,  db = dy summed back */

static bool copy_shape(ag_call *call)
{
    ag_shape a = ag_call_shape(call, 0), b = ag_call_shape(call, 1), joint;
    if (!ag_shape_broadcast(a, b, &joint) || !ag_shape_equal(joint, a)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s cannot be broadcast to %s", ag_call_shape_text(call, 1),
                            ag_call_shape_text(call, 0));
    }
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, a);
}

static bool copy_forward(ag_call *call)
{
    const ag_array *b = ag_call_input(call, 1), *y = ag_call_result(call, 0);
    int64_t stride[AG_MAX_DIMS];
    for (int d = 0; d < y->ndim; d++) {
        int k = d - (y->ndim - b->ndim);
        stride[d] = k < 0 || (b->size[k] == 1 && y->size[d] != 1) ? 0 : b->stride[k];
    }
    ag_array source = {b->data, b->dtype, y->ndim, y->numel, y->size, stride};
    ag_array_copy(*y, source);
    return true;
}

static void copy_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0);
    ag_sweep_zero(s, 0);
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_cast(dy, ag_sweep_dtype(s, 1)));
    }
}

AG_OP(copy){.size = sizeof(struct ag_op), .name = "copy", .formula = "y = b in a's shape and type",
            .derivative = "da = 0, db = dy summed back", .inputs = 2, .outputs = 1, .orders = AG_ORDERS_ANY,
            .shape = copy_shape, .forward = copy_forward, .backward = copy_backward};

ag_tensor ag_copy_in_place_at(ag_place where, ag_tensor x, ag_tensor source)
{
    ag_tensor in[2] = {x, source};
    return ag_apply_in_place(where, &op_copy, 2, in, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(copy)
{
    SAMPLE("(a * 2).copy_(b)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3)), b = sample_float(s, "b", AG_SHAPE(2, 3));
        sample_result(s, ag_copy_(ag_mul_scalar(a, 2), b));
    }
    SAMPLE("(a * 2).copy_(b)  # broadcast") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3)), b = sample_float(s, "b", AG_SHAPE(3));
        sample_result(s, ag_copy_(ag_mul_scalar(a, 2), b));
    }
    SAMPLE("(a * 2).copy_(m)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3)), m = sample_mask(s, "m", AG_SHAPE(2, 1));
        sample_result(s, ag_copy_(ag_mul_scalar(a, 2), m));
    }
    REFUSES("ag_copy_: (4) cannot be broadcast to (2,3)") {
        ag_copy_(ag_mul_scalar(sample_float(s, "a", AG_SHAPE(2, 3)), 1), sample_float(s, "b", AG_SHAPE(4)));
    }
}
#endif

/* ---- histories in place: views and bases ------------------------------------------------------------------------------------------ */

/* ---- samples of all of them: what is changed is a result, in the memory order of a -------------------------------------------------- */

#ifdef WENGERT_SAMPLES
#define CHANGES_BY_NUMBERS(expression, call)                                                                    \
    SAMPLE(expression) {                                                                                        \
        ag_tensor y = ag_mul_scalar(sample_range(s, "a", AG_SHAPE(3, 4), 0.3, 2), 1);                           \
        sample_result(s, call);                                                                                 \
    }
#define CHANGES_BY_TENSOR(expression, call)                                                                     \
    SAMPLE(expression) {                                                                                        \
        ag_tensor y = ag_mul_scalar(sample_float(s, "a", AG_SHAPE(2, 3, 4)), 1);                                \
        ag_tensor b = sample_range(s, "b", AG_SHAPE(3, 1), 0.5, 2);                                             \
        sample_result(s, call);                                                                                 \
    }
#define REFUSES_A_LEAF(name, call)                                                                              \
    REFUSES("ag_" name ": a leaf that requires a gradient is changed in place while the tape records") {        \
        ag_tensor y = sample_float(s, "a", AG_SHAPE(3)), b = sample_constant(s, "b", AG_SHAPE(3), 1, 2);        \
        (void)b;                                                                                                \
        (void)(call);                                                                                           \
    }

AG_SAMPLES_OF_FUNCTION(in_place)
{
    CHANGES_BY_TENSOR("(a * 1).add_(b)", ag_add_(y, b))
    CHANGES_BY_TENSOR("(a * 1).sub_(b)", ag_sub_(y, b))
    CHANGES_BY_TENSOR("(a * 1).mul_(b)", ag_mul_(y, b))
    CHANGES_BY_TENSOR("(a * 1).div_(b)", ag_div_(y, b))
    CHANGES_BY_NUMBERS("(a * 1).add_(0.5)", ag_add_scalar_(y, 0.5))
    CHANGES_BY_NUMBERS("(a * 1).mul_(0.5)", ag_mul_scalar_(y, 0.5))
    CHANGES_BY_NUMBERS("(a * 1).clamp_(0.6, 1.6)", ag_clamp_(y, 0.6, 1.6))
    CHANGES_BY_NUMBERS("(a * 1).neg_()", ag_neg_(y))
    CHANGES_BY_NUMBERS("(a * 1) ** 2", ag_square_(y)) /* the backward of square_() fails in PyTorch 1.13 */
    CHANGES_BY_NUMBERS("(a * 1).sqrt_()", ag_sqrt_(y))
    CHANGES_BY_NUMBERS("(a * 1).exp_()", ag_exp_(y))
    CHANGES_BY_NUMBERS("(a * 1).sub_(1).relu_()", ag_relu_(ag_add_scalar_(y, -1)))
    CHANGES_BY_NUMBERS("(a * 1).tanh_()", ag_tanh_(y))
    CHANGES_BY_NUMBERS("(a * 1).sigmoid_()", ag_sigmoid_(y))
    SAMPLE("(a * 1).masked_fill_(m.bool(), 0.5)") {
        ag_tensor y = ag_mul_scalar(sample_float(s, "a", AG_SHAPE(3, 4)), 1);
        sample_result(s, ag_masked_fill_(y, sample_mask(s, "m", AG_SHAPE(4)), 0.5));
    }
    SAMPLE("(a * 1).mul_(b.reshape(())).exp_() * a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR), b = sample_float(s, "b", AG_SHAPE(1));
        sample_result(s, ag_mul(ag_exp_(ag_mul_(ag_mul_scalar(a, 1), ag_reshape(b, AG_SHAPE_SCALAR))), a));
    }
    SAMPLE("(a * 1).div_(b).tanh_()") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(0, 3)), b = sample_range(s, "b", AG_SHAPE(1, 3), 0.5, 2);
        sample_result(s, ag_tanh_(ag_div_(ag_mul_scalar(a, 1), b)));
    }
    REFUSES_A_LEAF("add_", ag_add_(y, b))
    REFUSES_A_LEAF("sub_", ag_sub_(y, b))
    REFUSES_A_LEAF("mul_", ag_mul_(y, b))
    REFUSES_A_LEAF("div_", ag_div_(y, b))
    REFUSES_A_LEAF("add_scalar_", ag_add_scalar_(y, 1))
    REFUSES_A_LEAF("mul_scalar_", ag_mul_scalar_(y, 2))
    REFUSES_A_LEAF("clamp_", ag_clamp_(y, 0, 1))
    REFUSES_A_LEAF("neg_", ag_neg_(y))
    REFUSES_A_LEAF("square_", ag_square_(y))
    REFUSES_A_LEAF("sqrt_", ag_sqrt_(y))
    REFUSES_A_LEAF("exp_", ag_exp_(y))
    REFUSES_A_LEAF("relu_", ag_relu_(y))
    REFUSES_A_LEAF("tanh_", ag_tanh_(y))
    REFUSES_A_LEAF("sigmoid_", ag_sigmoid_(y))
    REFUSES_A_LEAF("masked_fill_", ag_masked_fill_(y, ag_gt(b, b), 0))
    REFUSES("ag_add_: the result is (2,3) and cannot be written over (3)") {
        ag_add_(ag_mul_scalar(sample_float(s, "a", AG_SHAPE(3)), 1), sample_float(s, "b", AG_SHAPE(2, 3)));
    }
    REFUSES("ag_mul_: shapes (2) and (3) do not broadcast") {
        ag_mul_(ag_mul_scalar(sample_float(s, "a", AG_SHAPE(2)), 1), sample_float(s, "b", AG_SHAPE(3)));
    }
    REFUSES("ag_exp_: needs float32 or float64, got int64") {
        ag_exp_(sample_int(s, "k", AG_SHAPE(3), 0, 2));
    }
}
#endif
