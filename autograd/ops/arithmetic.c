/*
 * Element-wise arithmetic with broadcasting: two operands, a tensor and a number, comparisons, where, cast. Gradients of
 * broadcast operands are summed back by the sweep, so no rule here mentions broadcasting.
 */
#include <math.h>

#include "../internal.h"
#include "../kernels/loop.h"
#include "../samples.h"
#include "loops.h"
#include "ops.h"

/* ---- add ---------------------------------------------------------------------------------------------------------------
 * y = a + b
 * da = dy,  db = dy */

BINARY_LOOP(add_f32, float, float, no_params, a + b)
BINARY_LOOP(add_f64, double, double, no_params, a + b)
BINARY_LOOP(add_i64, int64_t, int64_t, no_params, (uint64_t)a + (uint64_t)b)
BINARY_LOOP(add_u8, uint8_t, uint8_t, no_params, a + b)

static void add_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0);
    ag_sweep_add(s, 0, dy);
    ag_sweep_add(s, 1, dy);
}

AG_OP(add){ELEMENTWISE(add, 2, AG_SAVE_NOTHING), .formula = "y = a + b", .derivative = "da = dy, db = dy", ALL_LOOPS(add)};
BINARY_FUNCTION(add)
BINARY_IN_PLACE(add)

#ifdef WENGERT_SAMPLES
AG_SAMPLES(add)
{
    SAMPLE("a + b") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 4));
        sample_result(s, ag_add(a, b));
    }
    SAMPLE("a + b + a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 1, 4)), b = sample_float(s, "b", AG_SHAPE(3, 1));
        sample_result(s, ag_add(ag_add(a, b), a));
    }
    SAMPLE("a + b + 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR), b = sample_float(s, "b", AG_SHAPE(0, 3));
        sample_result(s, ag_add(a, b));
    }
    REFUSES("ag_add: shapes (2,3) and (4) do not broadcast") {
        ag_add(sample_float(s, "a", AG_SHAPE(2, 3)), sample_float(s, "b", AG_SHAPE(4)));
    }
    REFUSES("ag_add: int64 and uint8; the types must be the same") {
        ag_add(sample_int(s, "a", AG_SHAPE(2), 0, 5), sample_mask(s, "b", AG_SHAPE(2)));
    }
    REFUSES("ag_add: a tensor is needed, got none") {
        ag_add(sample_float(s, "a", AG_SHAPE(2, 3)), AG_NONE);
    }
}
#endif

/* ---- sub ---------------------------------------------------------------------------------------------------------------
 * y = a - b
 * da = dy,  db = -dy */

BINARY_LOOP(sub_f32, float, float, no_params, a - b)
BINARY_LOOP(sub_f64, double, double, no_params, a - b)
BINARY_LOOP(sub_i64, int64_t, int64_t, no_params, (uint64_t)a - (uint64_t)b)
BINARY_LOOP(sub_u8, uint8_t, uint8_t, no_params, a - b)

static void sub_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0);
    ag_sweep_add(s, 0, dy);
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_neg(dy));
    }
}

AG_OP(sub){ELEMENTWISE(sub, 2, AG_SAVE_NOTHING), .formula = "y = a - b", .derivative = "da = dy, db = -dy", ALL_LOOPS(sub)};
BINARY_FUNCTION(sub)
BINARY_IN_PLACE(sub)

#ifdef WENGERT_SAMPLES
AG_SAMPLES(sub)
{
    SAMPLE("a - b") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_sub(a, b));
    }
    SAMPLE("a - b + 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(4)), b = sample_float(s, "b", AG_SHAPE(2, 3, 4));
        sample_result(s, ag_sub(a, b));
    }
    REFUSES("ag_sub: shapes (2) and (3) do not broadcast") {
        ag_sub(sample_float(s, "a", AG_SHAPE(2)), sample_float(s, "b", AG_SHAPE(3)));
    }
}
#endif

/* ---- mul ---------------------------------------------------------------------------------------------------------------
 * y = a b
 * da = dy b,  db = dy a */

BINARY_LOOP(mul_f32, float, float, no_params, a * b)
BINARY_LOOP(mul_f64, double, double, no_params, a * b)
BINARY_LOOP(mul_i64, int64_t, int64_t, no_params, (uint64_t)a * (uint64_t)b)
BINARY_LOOP(mul_u8, uint8_t, uint8_t, no_params, a * b)

static void mul_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, ag_mul(dy, ag_sweep_input(s, 1)));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_mul(dy, ag_sweep_input(s, 0)));
    }
}

AG_OP(mul){ELEMENTWISE(mul, 2, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)), .reads = {AG_SAVE_INPUT(1), AG_SAVE_INPUT(0)},
           .formula = "y = a b", .derivative = "da = dy b, db = dy a",
           ALL_LOOPS(mul)};
BINARY_FUNCTION(mul)
BINARY_IN_PLACE(mul)

#ifdef WENGERT_SAMPLES
AG_SAMPLES(mul)
{
    SAMPLE("a * b") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 1));
        sample_result(s, ag_mul(a, b));
    }
    SAMPLE("a * a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(5));
        sample_result(s, ag_mul(a, a));
    }
    SAMPLE("a * b * 1") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR), b = sample_float(s, "b", AG_SHAPE(2, 3));
        sample_result(s, ag_mul(a, b));
    }
    REFUSES("ag_mul: shapes (2,3) and (3,2) do not broadcast") {
        ag_mul(sample_float(s, "a", AG_SHAPE(2, 3)), sample_float(s, "b", AG_SHAPE(3, 2)));
    }
}
#endif

/* ---- div ---------------------------------------------------------------------------------------------------------------
 * y = a / b
 * da = dy / b,  db = -dy y / b */

BINARY_FLOAT(div, a / b, a / b)

static void div_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), b = ag_sweep_input(s, 1);
    ag_tensor da = ag_div(dy, b);
    ag_sweep_add(s, 0, da);
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_neg(ag_mul(da, ag_div(ag_sweep_input(s, 0), b))));
    }
}

AG_OP(div){ELEMENTWISE(div, 2, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)),
           .reads = {AG_SAVE_INPUT(1), AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)}, .formula = "y = a / b",
           .derivative = "da = dy / b, db = -dy / b (a / b)", FLOAT_LOOPS(div)};
BINARY_FUNCTION(div)
BINARY_IN_PLACE(div)

#ifdef WENGERT_SAMPLES
AG_SAMPLES(div)
{
    SAMPLE("a / b") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_range(s, "b", AG_SHAPE(4), 0.5, 2);
        sample_result(s, ag_div(a, b));
    }
    SAMPLE("a / b + 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 1)), b = sample_range(s, "b", AG_SHAPE(2, 3), -2, -0.5);
        sample_result(s, ag_div(a, b));
    }
    REFUSES("ag_div: needs float32 or float64, got int64") {
        ag_tensor a = sample_int(s, "a", AG_SHAPE(2), 1, 5);
        ag_div(a, a);
    }
}
#endif

/* ---- pow ---------------------------------------------------------------------------------------------------------------
 * y = a^b
 * da = dy b a^(b-1),  db = dy y log(a), 0 where a = 0 and b >= 0 */

BINARY_FLOAT(pow, powf(a, b), pow(a, b))

static void pow_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), a = ag_sweep_input(s, 0), b = ag_sweep_input(s, 1);
    if (ag_sweep_wants(s, 0)) {
        ag_tensor zero = ag_scalar(0, ag_dtype_of(b));
        ag_tensor slope = ag_mul(b, ag_pow(a, ag_add_scalar(b, -1)));
        ag_sweep_add(s, 0, ag_mul(dy, ag_where(ag_eq(b, zero), zero, slope)));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_tensor zero = ag_scalar(0, ag_dtype_of(a)), one = ag_scalar(1, ag_dtype_of(a));
        ag_tensor flat = ag_mul(ag_eq(a, zero), ag_ge(b, zero));
        ag_tensor safe = ag_where(flat, one, a); /* log(0) times 0 would be NaN */
        ag_sweep_add(s, 1, ag_mul(dy, ag_mul(ag_pow(a, b), ag_log(safe))));
    }
}

AG_OP(pow){ELEMENTWISE(pow, 2, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)), .formula = "y = a^b",
           .derivative = "da = dy b a^(b-1), db = dy a^b log a", FLOAT_LOOPS(pow)};
BINARY_FUNCTION(pow)

#ifdef WENGERT_SAMPLES
AG_SAMPLES(pow)
{
    SAMPLE("a ** b") {
        ag_tensor a = sample_range(s, "a", AG_SHAPE(3, 4), 0.5, 2), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_pow(a, b));
    }
    SAMPLE("torch.pow(a, torch.tensor([0., 1., 2., 3.], dtype=a.dtype))") {
        const double powers[] = {0, 1, 2, 3};
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = ag_cast(ag_from(AG_SHAPE(4), AG_FLOAT64, powers), sample_dtype(s));
        sample_result(s, ag_pow(a, b));
    }
    SAMPLE("a ** b  # at zero") {
        const double bases[] = {0, 0, 0, 1, 1.5}, powers[] = {0, 1, 2, 0, 0};
        sample_no_differences(s);
        sample_result(s, ag_pow(sample_values(s, "a", AG_SHAPE(5), bases), sample_values(s, "b", AG_SHAPE(5), powers)));
    }
    REFUSES("ag_pow: shapes (2) and (3) do not broadcast") {
        ag_pow(sample_float(s, "a", AG_SHAPE(2)), sample_float(s, "b", AG_SHAPE(3)));
    }
}
#endif

/* ---- maximum, minimum -----------------------------------------------------------------------------------------------------
 * y = max(a, b)
 * da = dy [a > b] + dy/2 [a = b],  db likewise; NaN in either wins, and both get all */

BINARY_FLOAT(maximum, a != a ? a : (b != b || b > a) ? b : a, a != a ? a : (b != b || b > a) ? b : a)
BINARY_FLOAT(minimum, a != a ? a : (b != b || b < a) ? b : a, a != a ? a : (b != b || b < a) ? b : a)

/* The share of dy that goes to one of the two: all, unless it loses, and half of it where they are equal. */
static ag_tensor share(ag_tensor dy, ag_tensor loses, ag_tensor ties)
{
    ag_dtype dtype = ag_dtype_of(dy);
    return ag_mul(ag_masked_fill(dy, loses, 0), ag_add_scalar(ag_mul_scalar(ag_cast(ties, dtype), -0.5), 1));
}

static void maximum_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), a = ag_sweep_input(s, 0), b = ag_sweep_input(s, 1), ties = ag_eq(a, b);
    ag_sweep_add(s, 0, share(dy, ag_lt(a, b), ties));
    ag_sweep_add(s, 1, share(dy, ag_gt(a, b), ties));
}

static void minimum_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), a = ag_sweep_input(s, 0), b = ag_sweep_input(s, 1), ties = ag_eq(a, b);
    ag_sweep_add(s, 0, share(dy, ag_gt(a, b), ties));
    ag_sweep_add(s, 1, share(dy, ag_lt(a, b), ties));
}

AG_OP(maximum){ELEMENTWISE(maximum, 2, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)), .formula = "y = max(a, b)",
               .derivative = "da = dy ([a > b] + [a = b]/2), db = dy ([b > a] + [a = b]/2)", FLOAT_LOOPS(maximum)};
BINARY_FUNCTION(maximum)

AG_OP(minimum){ELEMENTWISE(minimum, 2, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)), .formula = "y = min(a, b)",
               .derivative = "da = dy ([a < b] + [a = b]/2), db = dy ([b < a] + [a = b]/2)", FLOAT_LOOPS(minimum)};
BINARY_FUNCTION(minimum)

#ifdef WENGERT_SAMPLES
AG_SAMPLES(maximum)
{
    SAMPLE("torch.maximum(a, b)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_maximum(a, b));
    }
    SAMPLE("torch.maximum(a, b) + 2 * torch.minimum(a, b)  # ties, NaN") {
        const double a[] = {1, 2, NAN, 1, 3, INFINITY}, b[] = {1, 3, 1, NAN, 2, INFINITY};
        ag_tensor x = sample_values(s, "a", AG_SHAPE(6), a), y = sample_values(s, "b", AG_SHAPE(6), b);
        sample_result(s, ag_add(ag_maximum(x, y), ag_mul_scalar(ag_minimum(x, y), 2)));
        sample_no_differences(s);
    }
    REFUSES("ag_maximum: shapes (2) and (3) do not broadcast") {
        ag_maximum(sample_float(s, "a", AG_SHAPE(2)), sample_float(s, "b", AG_SHAPE(3)));
    }
}
AG_SAMPLES(minimum)
{
    SAMPLE("torch.minimum(a, b)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 1)), b = sample_float(s, "b", AG_SHAPE(5));
        sample_result(s, ag_minimum(a, b));
    }
    REFUSES("ag_minimum: shapes (2) and (3) do not broadcast") {
        ag_minimum(sample_float(s, "a", AG_SHAPE(2)), sample_float(s, "b", AG_SHAPE(3)));
    }
}
#endif

/* ---- comparisons -----------------------------------------------------------------------------------------------------------
 * y = [a op b], uint8; not differentiable */

#define COMPARISON(op, sign)                                                                                    \
    BINARY_LOOP(op##_f32, uint8_t, float, no_params, a sign b)                                                  \
    BINARY_LOOP(op##_f64, uint8_t, double, no_params, a sign b)                                                 \
    BINARY_LOOP(op##_i64, uint8_t, int64_t, no_params, a sign b)                                                \
    BINARY_LOOP(op##_u8, uint8_t, uint8_t, no_params, a sign b)                                                 \
    AG_OP(op){.size = sizeof(struct ag_op), .name = #op, .formula = "y = [a " #sign " b]", .inputs = 2,         \
              .outputs = 1, .shape = ag_shape_compare, ALL_LOOPS(op)};                                          \
    BINARY_FUNCTION(op)

COMPARISON(eq, ==)
COMPARISON(ne, !=)
COMPARISON(lt, <)
COMPARISON(le, <=)
COMPARISON(gt, >)
COMPARISON(ge, >=)

#ifdef WENGERT_SAMPLES
#define COMPARISON_SAMPLES(op)                                                                              \
    AG_SAMPLES(op)                                                                                          \
    {                                                                                                       \
        SAMPLE("torch." #op "(a, b).to(torch.uint8)") {                                                     \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(4));      \
            sample_result(s, ag_##op(a, b));                                                                \
        }                                                                                                   \
        SAMPLE("torch." #op "(k, m).to(torch.uint8)") {                                                     \
            ag_tensor k = sample_int(s, "k", AG_SHAPE(3, 4), 0, 3), m = sample_int(s, "m", AG_SHAPE(4), 0, 3); \
            sample_result(s, ag_##op(k, m));                                                                \
        }                                                                                                   \
        REFUSES("ag_" #op ": shapes (2) and (3) do not broadcast") {                                        \
            ag_##op(sample_float(s, "a", AG_SHAPE(2)), sample_float(s, "b", AG_SHAPE(3)));                  \
        }                                                                                                   \
    }
COMPARISON_SAMPLES(eq)
COMPARISON_SAMPLES(ne)
COMPARISON_SAMPLES(lt)
COMPARISON_SAMPLES(le)
COMPARISON_SAMPLES(gt)
COMPARISON_SAMPLES(ge)
#endif

/* ---- where -------------------------------------------------------------------------------------------------------------------
 * y = condition ? a : b
 * da = condition ? dy : 0,  db = condition ? 0 : dy */

#define WHERE_LOOP(name, T)                                                                                 \
    AG_MULTIVERSION static void name(int64_t n, char *const *p, const int64_t *stride, const void *params)   \
    {                                                                                                       \
        (void)params;                                                                                       \
        for (int64_t i = 0; i < n; i++) {                                                                   \
            uint8_t condition = *(const uint8_t *)(p[1] + i * stride[1]);                                   \
            const T a = *(const T *)(p[2] + i * stride[2]), b = *(const T *)(p[3] + i * stride[3]);         \
            *(T *)(p[0] + i * stride[0]) = condition ? a : b;                                               \
        }                                                                                                   \
    }

WHERE_LOOP(where_f32, float)
WHERE_LOOP(where_f64, double)
WHERE_LOOP(where_i64, int64_t)
WHERE_LOOP(where_u8, uint8_t)

static const ag_loop where_loops[4] = {where_f32, where_f64, where_i64, where_u8};

static bool where_shape(ag_call *call)
{
    const ag_array *condition = ag_call_input(call, 0), *a = ag_call_input(call, 1), *b = ag_call_input(call, 2);
    ag_shape shape;
    if (condition->dtype != AG_UINT8) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "the condition must be uint8, got %s", ag_dtype_name(condition->dtype));
    }
    if (a->dtype != b->dtype) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "%s and %s; the types must be the same, ag_cast() converts",
                            ag_dtype_name(a->dtype), ag_dtype_name(b->dtype));
    }
    if (!ag_shape_broadcast(ag_call_shape(call, 0), ag_call_shape(call, 1), &shape) ||
        !ag_shape_broadcast(shape, ag_call_shape(call, 2), &shape)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "shapes %s, %s and %s do not broadcast", ag_call_shape_text(call, 0),
                            ag_call_shape_text(call, 1), ag_call_shape_text(call, 2));
    }
    return ag_call_output(call, 0, a->dtype, shape);
}

static bool where_forward(ag_call *call)
{
    const ag_array *y = ag_call_result(call, 0);
    int64_t aligned[4][AG_MAX_DIMS];
    const int64_t *stride[4] = {y->stride, aligned[1], aligned[2], aligned[3]};
    void *data[4] = {y->data, NULL, NULL, NULL};
    size_t item[4] = {ag_dtype_size(y->dtype), 1, ag_dtype_size(y->dtype), ag_dtype_size(y->dtype)};
    for (int i = 0; i < 3; i++) {
        const ag_array *x = ag_call_input(call, i);
        int missing = y->ndim - x->ndim;
        for (int d = 0; d < y->ndim; d++) {
            aligned[i + 1][d] = d < missing || x->size[d - missing] == 1 ? 0 : x->stride[d - missing];
        }
        data[i + 1] = x->data;
    }
    k_loop(ag_call_threads(call), where_loops[y->dtype], NULL, y->ndim, y->size, 4, data, stride, item);
    return true;
}

static void where_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), condition = ag_sweep_input(s, 0), zero = ag_scalar(0, ag_dtype_of(dy));
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_where(condition, dy, zero));
    }
    if (ag_sweep_wants(s, 2)) {
        ag_sweep_add(s, 2, ag_where(condition, zero, dy));
    }
}

AG_OP(where){.size = sizeof(struct ag_op), .name = "where", .formula = "y = condition ? a : b",
             .derivative = "da = condition ? dy : 0, db = condition ? 0 : dy", .inputs = 3, .outputs = 1,
             .saves = AG_SAVE_INPUT(0), .orders = AG_ORDERS_ANY, .shape = where_shape, .forward = where_forward,
             .backward = where_backward};

ag_tensor ag_where_at(ag_place where, ag_tensor condition, ag_tensor a, ag_tensor b)
{
    ag_tensor in[3] = {condition, a, b};
    return ag_apply(where, &op_where, 3, in, NULL, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(where)
{
    SAMPLE("torch.where(m != 0, a, b)") {
        ag_tensor m = sample_mask(s, "m", AG_SHAPE(3, 4)), a = sample_float(s, "a", AG_SHAPE(3, 4)),
                  b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_where(m, a, b));
    }
    SAMPLE("torch.where(m != 0, a, b) + 0") {
        ag_tensor m = sample_mask(s, "m", AG_SHAPE(3, 1)), a = sample_float(s, "a", AG_SHAPE_SCALAR),
                  b = sample_float(s, "b", AG_SHAPE(2, 1, 4));
        sample_result(s, ag_where(m, a, b));
    }
    REFUSES("ag_where: the condition must be uint8, got int64") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2));
        ag_where(sample_int(s, "k", AG_SHAPE(2), 0, 2), a, a);
    }
    REFUSES("ag_where: shapes (2), (3) and (3) do not broadcast") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_where(sample_mask(s, "m", AG_SHAPE(2)), a, a);
    }
    REFUSES("ag_where: int64 and uint8; the types must be the same") {
        ag_tensor m = sample_mask(s, "m", AG_SHAPE(2));
        ag_where(m, sample_int(s, "k", AG_SHAPE(2), 0, 2), m);
    }
}
#endif

/* ---- a tensor and a number ------------------------------------------------------------------------------------------------- */

struct number {
    double value;
};

/* ---- add_scalar
 * y = x + c
 * dx = dy */

UNARY_LOOP(add_scalar_f32, float, float, struct number, x + (float)c->value)
UNARY_LOOP(add_scalar_f64, double, double, struct number, x + c->value)
UNARY_LOOP(add_scalar_i64, int64_t, int64_t, struct number, (uint64_t)x + (uint64_t)(int64_t)c->value)
UNARY_LOOP(add_scalar_u8, uint8_t, uint8_t, struct number, x + (int)c->value)

static void add_scalar_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_sweep_grad(s, 0));
}

AG_OP(add_scalar){ELEMENTWISE(add_scalar, 1, AG_SAVE_NOTHING), .params = sizeof(struct number), .numbers = "c", .formula = "y = x + c",
                  .derivative = "dx = dy", ALL_LOOPS(add_scalar)};

ag_tensor ag_add_scalar_at(ag_place where, ag_tensor x, double c)
{
    struct number p = {c};
    return ag_apply(where, &op_add_scalar, 1, &x, &p, NULL);
}

ag_tensor ag_add_scalar_in_place_at(ag_place where, ag_tensor x, double c)
{
    struct number p = {c};
    return ag_apply_in_place(where, &op_add_scalar, 1, &x, &p);
}

/* ---- mul_scalar
 * y = c x
 * dx = c dy */

UNARY_LOOP(mul_scalar_f32, float, float, struct number, x *(float)c->value)
UNARY_LOOP(mul_scalar_f64, double, double, struct number, x *c->value)
UNARY_LOOP(mul_scalar_i64, int64_t, int64_t, struct number, (uint64_t)x * (uint64_t)(int64_t)c->value)
UNARY_LOOP(mul_scalar_u8, uint8_t, uint8_t, struct number, x *(int)c->value)

static void mul_scalar_backward(ag_sweep *s)
{
    const struct number *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_mul_scalar(ag_sweep_grad(s, 0), p->value));
}

AG_OP(mul_scalar){ELEMENTWISE(mul_scalar, 1, AG_SAVE_NOTHING), .params = sizeof(struct number), .numbers = "c", .formula = "y = c x",
                  .derivative = "dx = c dy", ALL_LOOPS(mul_scalar)};

ag_tensor ag_mul_scalar_at(ag_place where, ag_tensor x, double c)
{
    struct number p = {c};
    return ag_apply(where, &op_mul_scalar, 1, &x, &p, NULL);
}

ag_tensor ag_mul_scalar_in_place_at(ag_place where, ag_tensor x, double c)
{
    struct number p = {c};
    return ag_apply_in_place(where, &op_mul_scalar, 1, &x, &p);
}

/* ---- pow_scalar
 * y = x^p
 * dx = dy p x^(p-1) */

UNARY_LOOP(pow_scalar_f32, float, float, struct number, powf(x, (float)c->value))
UNARY_LOOP(pow_scalar_f64, double, double, struct number, pow(x, c->value))

static void pow_scalar_backward(ag_sweep *s)
{
    const struct number *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0);
    if (p->value == 0) { /* x^-1 would be infinite at 0, and its product with 0 NaN */
        ag_sweep_zero(s, 0);
        return;
    }
    ag_sweep_add(s, 0, ag_mul(dy, ag_mul_scalar(ag_pow_scalar(ag_sweep_input(s, 0), p->value - 1), p->value)));
}

AG_OP(pow_scalar){ELEMENTWISE(pow_scalar, 1, AG_SAVE_INPUT(0)), .params = sizeof(struct number), .numbers = "p", .formula = "y = x^p",
                  .derivative = "dx = dy p x^(p-1)", FLOAT_LOOPS(pow_scalar)};

ag_tensor ag_pow_scalar_at(ag_place where, ag_tensor x, double exponent)
{
    struct number p = {exponent};
    return ag_apply(where, &op_pow_scalar, 1, &x, &p, NULL);
}

/* ---- clamp
 * y = min(max(x, low), high)
 * dx = dy [low <= x <= high] */

struct range {
    double low, high;
};

UNARY_LOOP(clamp_f32, float, float, struct range,
           x < (float)c->low ? (float)c->low : x > (float)c->high ? (float)c->high : x)
UNARY_LOOP(clamp_f64, double, double, struct range, x < c->low ? c->low : x > c->high ? c->high : x)

static void clamp_backward(ag_sweep *s)
{
    const struct range *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0), x = ag_sweep_input(s, 0);
    ag_tensor inside = ag_mul(ag_ge(x, ag_scalar(p->low, ag_dtype_of(x))), ag_le(x, ag_scalar(p->high, ag_dtype_of(x))));
    ag_sweep_add(s, 0, ag_mul(dy, ag_cast(inside, ag_dtype_of(dy))));
}

AG_OP(clamp){ELEMENTWISE(clamp, 1, AG_SAVE_INPUT(0)), .params = sizeof(struct range), .numbers = "low high", .formula = "y = min(max(x, low), high)",
             .derivative = "dx = dy [low <= x <= high]", FLOAT_LOOPS(clamp)};

static bool range_ok(ag_place where, const char *function, double low, double high)
{
    if (!(low <= high)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: low %g is above high %g", function, low, high);
        return false;
    }
    return true;
}

ag_tensor ag_clamp_at(ag_place where, ag_tensor x, double low, double high)
{
    struct range p = {low, high};
    return !range_ok(where, "ag_clamp", low, high) ? AG_NIL : ag_apply(where, &op_clamp, 1, &x, &p, NULL);
}

ag_tensor ag_clamp_in_place_at(ag_place where, ag_tensor x, double low, double high)
{
    struct range p = {low, high};
    return !range_ok(where, "ag_clamp_", low, high) ? AG_NIL : ag_apply_in_place(where, &op_clamp, 1, &x, &p);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(add_scalar)
{
    SAMPLE("a + 1.5") {
        sample_result(s, ag_add_scalar(sample_float(s, "a", AG_SHAPE(3, 4)), 1.5));
    }
    REFUSES("ag_add_scalar: a tensor is needed, got none") {
        ag_add_scalar(AG_NONE, 1);
    }
}
AG_SAMPLES(mul_scalar)
{
    SAMPLE("a * -2.5") {
        sample_result(s, ag_mul_scalar(sample_float(s, "a", AG_SHAPE(3, 4)), -2.5));
    }
    REFUSES("ag_mul_scalar: a tensor is needed, got none") {
        ag_mul_scalar(AG_NONE, 1);
    }
}
AG_SAMPLES(pow_scalar)
{
    SAMPLE("a ** 3") {
        sample_result(s, ag_pow_scalar(sample_float(s, "a", AG_SHAPE(3, 4)), 3));
    }
    SAMPLE("a ** -0.5") {
        sample_result(s, ag_pow_scalar(sample_range(s, "a", AG_SHAPE(3, 4), 0.5, 2), -0.5));
    }
    SAMPLE("a ** 1 + a ** 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        sample_result(s, ag_add(ag_pow_scalar(a, 1), ag_pow_scalar(a, 0)));
    }
    REFUSES("ag_pow_scalar: needs float32 or float64, got int64") {
        ag_pow_scalar(sample_int(s, "k", AG_SHAPE(2), 0, 3), 2);
    }
}
AG_SAMPLES(clamp)
{
    SAMPLE("torch.clamp(a, -0.75, 0.8)") {
        sample_result(s, ag_clamp(sample_float(s, "a", AG_SHAPE(4, 5)), -0.75, 0.8));
    }
    REFUSES("ag_clamp: low 2 is above high 1") {
        ag_clamp(sample_float(s, "a", AG_SHAPE(2)), 2, 1);
    }
}
#endif

/* ---- cast ----------------------------------------------------------------------------------------------------------------------
 * y = x in another element type
 * dx = dy in x's type, between floating types */

struct type {
    ag_dtype dtype;
};

static bool cast_shape(ag_call *call)
{
    const struct type *p = ag_call_params(call);
    if (p->dtype < AG_FLOAT32 || p->dtype > AG_UINT8) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "%d is no element type", (int)p->dtype);
    }
    return ag_call_output_like(call, 0, p->dtype, ag_call_shape(call, 0), 0);
}

static bool cast_forward(ag_call *call)
{
    ag_array_copy(*ag_call_result(call, 0), *ag_call_input(call, 0));
    return true;
}

static void cast_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_cast(ag_sweep_grad(s, 0), ag_sweep_dtype(s, 0)));
}

AG_OP(cast){.size = sizeof(struct ag_op), .name = "cast", .formula = "y = x as another type",
            .derivative = "dx = dy as x's type", .inputs = 1, .outputs = 1, .params = sizeof(struct type),
            .orders = AG_ORDERS_ANY, .shape = cast_shape, .forward = cast_forward, .backward = cast_backward};

ag_tensor ag_cast_at(ag_place where, ag_tensor x, ag_dtype dtype)
{
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_cast", x);
    if (v == NULL) {
        return AG_NIL;
    }
    if ((ag_dtype)v->dtype == dtype) {
        return x;
    }
    struct type p = {dtype};
    return ag_apply(where, &op_cast, 1, &x, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(cast)
{
    SAMPLE("a.to(torch.float32).to(torch.float64) if a.dtype == torch.float32 else a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));
        sample_result(s, ag_cast(a, AG_FLOAT64));
    }
    SAMPLE("k.to(torch.uint8)") {
        sample_result(s, ag_cast(sample_int(s, "k", AG_SHAPE(3), 0, 200), AG_UINT8));
    }
    SAMPLE("k.to(a.dtype) * a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        sample_result(s, ag_mul(ag_cast(sample_int(s, "k", AG_SHAPE(3), -5, 5), sample_dtype(s)), a));
    }
    REFUSES("ag_cast: 9 is no element type") {
        ag_cast(sample_float(s, "a", AG_SHAPE(3)), (ag_dtype)9);
    }
}
#endif
