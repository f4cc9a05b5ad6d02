/*
 * Activations made of straight pieces, and those composed of others.
 */
#include <math.h>

#include "elementwise_samples.h"
#include "look.h"
#include "loops.h"
#include "ops.h"

/* ---- hardtanh ------------------------------------------------------------------------------------------------------------
 * y = min(max(x, low), high)
 * dx = dy [low < x < high]: unlike clamp, nothing passes at the ends */

struct range {
    double low, high;
};

UNARY_LOOP(hardtanh_f32, float, float, struct range,
           x < (float)c->low ? (float)c->low : x > (float)c->high ? (float)c->high : x)
UNARY_LOOP(hardtanh_f64, double, double, struct range, x < c->low ? c->low : x > c->high ? c->high : x)

static void hardtanh_backward(ag_sweep *s)
{
    const struct range *p = ag_sweep_params(s);
    ag_tensor x = ag_sweep_input(s, 0);
    ag_tensor outside = ag_logical_or(ag_le_scalar(x, p->low), ag_ge_scalar(x, p->high));
    ag_sweep_add(s, 0, ag_masked_fill(ag_sweep_grad(s, 0), outside, 0));
}

AG_OP(hardtanh){ELEMENTWISE(hardtanh, 1, AG_SAVE_INPUT(0)), .params = sizeof(struct range),
                .numbers = "low high", .formula = "y = min(max(x, low), high)", .derivative = "dx = dy [low < x < high]", FLOAT_LOOPS(hardtanh)};

ag_tensor ag_hardtanh_at(ag_place where, ag_tensor x, double low, double high)
{
    struct range p = {low, high};
    if (!(low < high)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_hardtanh: low %g is not below high %g", low, high);
        return AG_NIL;
    }
    return ag_apply(where, &op_hardtanh, 1, &x, &p, NULL);
}

static bool floating(ag_place where, const char *function, ag_tensor x)
{
    const ag_value *v = look(where, function, x);
    if (v != NULL && !ag_dtype_is_float((ag_dtype)v->dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs float32 or float64, got %s", function, ag_dtype_name((ag_dtype)v->dtype));
        return false;
    }
    return v != NULL;
}

ag_tensor ag_relu6_at(ag_place where, ag_tensor x)
{
    return floating(where, "ag_relu6", x) ? ag_hardtanh_at(where, x, 0, 6) : AG_NIL;
}

/* ---- hardsigmoid -----------------------------------------------------------------------------------------------------------
 * y = min(max(x + 3, 0), 6) / 6
 * dx = dy / 6 [-3 < x < 3] */

UNARY_FLOAT(hardsigmoid, x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5f, x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5)

static void hardsigmoid_backward(ag_sweep *s)
{
    ag_tensor x = ag_sweep_input(s, 0), inside = ag_logical_and(ag_gt_scalar(x, -3), ag_lt_scalar(x, 3));
    ag_sweep_add(s, 0, ag_masked_fill(ag_mul_scalar(ag_sweep_grad(s, 0), 1.0 / 6), ag_logical_not(inside), 0));
}

AG_OP(hardsigmoid){ELEMENTWISE(hardsigmoid, 1, AG_SAVE_INPUT(0)), .formula = "y = min(max(x + 3, 0), 6) / 6",
                   .derivative = "dx = dy / 6 [-3 < x < 3]", FLOAT_LOOPS(hardsigmoid)};
UNARY_FUNCTION(hardsigmoid)

/* ---- hardswish -------------------------------------------------------------------------------------------------------------
 * y = x min(max(x + 3, 0), 6) / 6
 * dx = 0 for x < -3, dy for x > 3, else dy (x / 3 + 1/2)                                            Howard et al. 2019 */

UNARY_FLOAT(hardswish, x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6, x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6)

static void hardswish_backward(ag_sweep *s)
{
    ag_tensor x = ag_sweep_input(s, 0), dy = ag_sweep_grad(s, 0), low = ag_lt_scalar(x, -3), middle = ag_le_scalar(x, 3);
    ag_tensor slope = ag_add_scalar(ag_mul_scalar(x, 1.0 / 3), 0.5);
    ag_sweep_add(s, 0, ag_masked_fill(ag_where(middle, ag_mul(dy, slope), dy), low, 0));
}

AG_OP(hardswish){ELEMENTWISE(hardswish, 1, AG_SAVE_INPUT(0)), .formula = "y = x min(max(x + 3, 0), 6) / 6",
                 .derivative = "dx = dy (x < -3 ? 0 : x <= 3 ? x / 3 + 1/2 : 1)", FLOAT_LOOPS(hardswish)};
UNARY_FUNCTION(hardswish)

/* ---- composed ----------------------------------------------------------------------------------------------------------------- */

#define SELU_ALPHA 1.6732632423543772848170429916717
#define SELU_SCALE 1.0507009873554804934193349852946

ag_tensor ag_selu_at(ag_place where, ag_tensor x)
{
    if (!floating(where, "ag_selu", x)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_mul_scalar_at(where, ag_elu_at(where, x, SELU_ALPHA), SELU_SCALE));
}

ag_tensor ag_celu_at(ag_place where, ag_tensor x, double alpha)
{
    if (!floating(where, "ag_celu", x)) {
        return AG_NIL;
    }
    if (!(alpha != 0) || !isfinite(alpha)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_celu: alpha is %g", alpha);
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    /* For alpha < 0 the sign of x / alpha is not x's, so that the two pieces are joined by hand. */
    ag_tensor low = ag_mul_scalar_at(where, ag_expm1_at(where, ag_mul_scalar_at(where, ag_masked_fill_at(where, x,
                                     ag_gt_scalar_at(where, x, 0), 0), 1 / alpha)), alpha);
    return ag_frame_end(frame, ag_where_at(where, ag_gt_scalar_at(where, x, 0), x, low));
}

ag_tensor ag_mish_at(ag_place where, ag_tensor x)
{
    if (!floating(where, "ag_mish", x)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_mul_at(where, x, ag_tanh_at(where, ag_softplus_at(where, x))));
}

ag_tensor ag_softsign_at(ag_place where, ag_tensor x)
{
    if (!floating(where, "ag_softsign", x)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_div_at(where, x, ag_add_scalar_at(where, ag_abs_at(where, x), 1)));
}

ag_tensor ag_logsigmoid_at(ag_place where, ag_tensor x)
{
    if (!floating(where, "ag_logsigmoid", x)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_neg_at(where, ag_softplus_at(where, ag_neg_at(where, x))));
}

ag_tensor ag_softplus_with_at(ag_place where, ag_tensor x, double beta, double threshold)
{
    if (!floating(where, "ag_softplus_with", x)) {
        return AG_NIL;
    }
    if (!(beta > 0) || !isfinite(beta) || isnan(threshold)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_softplus_with: beta %g must be positive, threshold %g a number", beta, threshold);
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor scaled = ag_mul_scalar_at(where, x, beta);
    ag_tensor bent = ag_mul_scalar_at(where, ag_softplus_at(where, scaled), 1 / beta);
    return ag_frame_end(frame, ag_where_at(where, ag_gt_scalar_at(where, scaled, threshold), x, bent));
}

ag_tensor ag_prelu_at(ag_place where, ag_tensor x, ag_tensor weight)
{
    char tx[AG_SHAPE_TEXT], tw[AG_SHAPE_TEXT];
    if (!floating(where, "ag_prelu", x)) {
        return AG_NIL;
    }
    const ag_value *v = look(where, "ag_prelu", x), *w = look(where, "ag_prelu", weight);
    if (w == NULL) {
        return AG_NIL;
    }
    int64_t channels = v->ndim > 1 ? v->size[1] : 1;
    if (w->dtype != v->dtype || w->ndim > 1 || (w->numel != 1 && w->numel != channels)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_prelu: the weight %s %s must be one number, or one for each of the %lld channels of %s",
                       ag_dtype_name((ag_dtype)w->dtype), look_text(w, tw), (long long)channels, look_text(v, tx));
        return AG_NIL;
    }
    ag_shape shape = {.ndim = w->numel == 1 ? 0 : v->ndim};
    for (int d = 0; d < shape.ndim; d++) {
        shape.size[d] = d == 1 ? w->numel : 1;
    }
    ag_frame frame = ag_frame_begin();
    weight = ag_reshape_at(where, weight, shape);
    return ag_frame_end(frame, ag_where_at(where, ag_gt_scalar_at(where, x, 0), x, ag_mul_at(where, weight, x)));
}

ag_tensor ag_glu_at(ag_place where, ag_tensor x, int dim)
{
    char text[AG_SHAPE_TEXT];
    if (!floating(where, "ag_glu", x)) {
        return AG_NIL;
    }
    const ag_value *v = look(where, "ag_glu", x);
    if (!look_dim(where, "ag_glu", v, &dim, false)) {
        return AG_NIL;
    }
    int64_t half = v->size[dim] / 2;
    if (v->size[dim] % 2 != 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_glu: dimension %d of %s has no two halves", dim, look_text(v, text));
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor a = ag_narrow_at(where, x, dim, 0, half), b = ag_narrow_at(where, x, dim, half, half);
    return ag_frame_end(frame, ag_mul_at(where, a, ag_sigmoid_at(where, b)));
}

#ifdef WENGERT_SAMPLES
#define AT_KINKS(name, count, call, expression, ...)                                                          \
    SAMPLE(expression "  # at the kinks") {                                                                   \
        const double values[] = {__VA_ARGS__};                                                                \
        ag_tensor a = sample_values(s, "a", AG_SHAPE(count), values);                                         \
        sample_result(s, call);                                                                               \
        sample_no_differences(s);                                                                             \
    }
#define COMPOSED_SAMPLES(op, call, expression)                                                                \
    AG_SAMPLES_OF_FUNCTION(op)                                                                                \
    {                                                                                                         \
        SAMPLE(expression) {                                                                                  \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));                                               \
            sample_result(s, call);                                                                           \
        }                                                                                                     \
        SAMPLE("(" expression ") * (a * a)") {                                                                \
            ag_tensor a = sample_range(s, "a", AG_SHAPE(2, 3, 2), -9, 9);                                     \
            sample_result(s, ag_mul(call, ag_mul(a, a)));                                                     \
        }                                                                                                     \
        SAMPLE("(" expression ") + 0") {                                                                      \
            ag_tensor a = sample_range(s, "a", AG_SHAPE(5), -300, 300);                                       \
            sample_result(s, call);                                                                           \
            sample_no_differences(s);                                                                         \
        }                                                                                                     \
        SAMPLE("(" expression ") * 1") {                                                                      \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(0, 2));                                               \
            sample_result(s, call);                                                                           \
        }                                                                                                     \
        REFUSES("ag_" #op ": needs float32 or float64, got int64") {                                          \
            ag_tensor a = sample_int(s, "k", AG_SHAPE(3), -2, 2);                                             \
            (void)(call);                                                                                     \
        }                                                                                                     \
    }
ACTIVATION_SAMPLES(hardtanh, ag_hardtanh(a, -1.3, 0.7), "F.hardtanh(a, -1.3, 0.7)")
/* PyTorch keeps the 1/6 of this derivative in float32, so it is written out. */
ACTIVATION_SAMPLES(hardsigmoid, ag_hardsigmoid(a), "F.relu6(a + 3) / 6")
ACTIVATION_SAMPLES(hardswish, ag_hardswish(a), "F.hardswish(a)")
COMPOSED_SAMPLES(relu6, ag_relu6(a), "F.relu6(a)")
COMPOSED_SAMPLES(selu, ag_selu(a), "F.selu(a)")
COMPOSED_SAMPLES(celu, ag_celu(a, 1.5), "F.celu(a, 1.5)")
COMPOSED_SAMPLES(mish, ag_mish(a), "F.mish(a)")
COMPOSED_SAMPLES(softsign, ag_softsign(a), "F.softsign(a)")
COMPOSED_SAMPLES(logsigmoid, ag_logsigmoid(a), "F.logsigmoid(a)")
COMPOSED_SAMPLES(softplus_with, ag_softplus_with(a, 2, 5), "F.softplus(a, 2, 5)")
AG_SAMPLES_OF_FUNCTION(piecewise_at_kinks)
{
    AT_KINKS(hardtanh, 5, ag_hardtanh(a, -1, 1), "F.hardtanh(a)", -1, 1, NAN, INFINITY, -INFINITY)
    AT_KINKS(relu6, 5, ag_relu6(a), "F.relu6(a)", 0, 6, NAN, INFINITY, -INFINITY)
    AT_KINKS(hardswish, 5, ag_hardswish(a), "F.hardswish(a)", -3, 3, 0, INFINITY, -1e30)
    AT_KINKS(hardsigmoid, 4, ag_hardsigmoid(a), "F.relu6(a + 3) / 6", -3, 3, INFINITY, -INFINITY)
    AT_KINKS(selu, 3, ag_selu(a), "F.selu(a)", 0, 50, -50)
    AT_KINKS(celu, 3, ag_celu(a, 2), "F.celu(a, 2)", 0, 1e30, -1e30)
    AT_KINKS(logsigmoid, 3, ag_logsigmoid(a), "F.logsigmoid(a)", 0, 1e30, -1e30)
    REFUSES("ag_hardtanh: low 1 is not below high 1") {
        ag_hardtanh(sample_float(s, "a", AG_SHAPE(2)), 1, 1);
    }
    REFUSES("ag_celu: alpha is 0") {
        ag_celu(sample_float(s, "a", AG_SHAPE(2)), 0);
    }
    REFUSES("ag_softplus_with: beta -1 must be positive, threshold 20 a number") {
        ag_softplus_with(sample_float(s, "a", AG_SHAPE(2)), -1, 20);
    }
}
AG_SAMPLES_OF_FUNCTION(prelu)
{
    SAMPLE("F.prelu(a, w)") {
        sample_result(s, ag_prelu(sample_float(s, "a", AG_SHAPE(2, 3, 2)), sample_float(s, "w", AG_SHAPE(3))));
    }
    SAMPLE("F.prelu(a, w.reshape(1))") {
        sample_result(s, ag_prelu(sample_float(s, "a", AG_SHAPE(4)), sample_float(s, "w", AG_SHAPE(1))));
    }
    REFUSES("ag_prelu: the weight") {
        ag_prelu(sample_float(s, "a", AG_SHAPE(2, 3)), sample_float(s, "w", AG_SHAPE(2)));
    }
    REFUSES("ag_prelu: needs float32 or float64, got uint8") {
        ag_prelu(sample_mask(s, "m", AG_SHAPE(2, 3)), sample_float(s, "w", AG_SHAPE(2)));
    }
}
AG_SAMPLES_OF_FUNCTION(glu)
{
    SAMPLE("F.glu(a, 1)") {
        sample_result(s, ag_glu(sample_float(s, "a", AG_SHAPE(3, 4)), 1));
    }
    SAMPLE("F.glu(a, -3)") {
        sample_result(s, ag_glu(sample_float(s, "a", AG_SHAPE(2, 3, 2)), -3));
    }
    REFUSES("ag_glu: dimension 1 of (2,3) has no two halves") {
        ag_glu(sample_float(s, "a", AG_SHAPE(2, 3)), -1);
    }
    REFUSES("ag_glu: dimension 2 is out of range for (2,4)") {
        ag_glu(sample_float(s, "a", AG_SHAPE(2, 4)), 2);
    }
}
#endif
