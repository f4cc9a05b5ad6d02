/*
 * Activations. The slope of the common ones is an operation of its own (relu_slope and so on), fused into one pass and with a
 * derivative like any other, so that backward is one pass, and a graph of it can be differentiated again.
 */
#include <math.h>

#include "../internal.h"
#include "../kernels/vector.h"
#include "elementwise_samples.h"
#include "loops.h"
#include "ops.h"

/* Two inputs: dy and what the slope depends on. */
#define SLOPE(op, other, save)                                                                                \
    .size = sizeof(struct ag_op), .name = #op, .inputs = 2, .outputs = 1, .saves = save, .orders = AG_ORDERS_ANY, \
    .shape = ag_shape_elementwise, .backward = op##_backward

/* ---- relu ---------------------------------------------------------------------------------------------------------------
 * y = max(x, 0), NaN stays
 * dx = dy [y > 0] */

/* g = dy [y > 0], and where y is NaN;  ddy = dg [y > 0],  dy' = 0 */
BINARY_FLOAT(relu_slope, b <= 0 ? 0 : a, b <= 0 ? 0 : a)

static ag_tensor relu_slope(ag_tensor dy, ag_tensor y);

static void relu_slope_backward(ag_sweep *s)
{
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, relu_slope(ag_sweep_grad(s, 0), ag_sweep_input(s, 1)));
    }
    ag_sweep_zero(s, 1);
}

AG_OP(relu_slope){SLOPE(relu_slope, y, AG_SAVE_INPUT(1)), .formula = "g = dy [y > 0]", .derivative = "ddy = dg [y > 0]",
                  FLOAT_LOOPS(relu_slope)};

static ag_tensor relu_slope(ag_tensor dy, ag_tensor y)
{
    ag_tensor in[2] = {dy, y};
    return ag_apply(AG_HERE, &op_relu_slope, 2, in, NULL, NULL);
}

UNARY_FLOAT(relu, x <= 0 ? 0 : x, x <= 0 ? 0 : x)

static void relu_backward(ag_sweep *s)
{
    ag_sweep_slope(s, &op_relu_slope, ag_sweep_output(s, 0), NULL);
}

AG_OP(relu){ELEMENTWISE(relu, 1, AG_SAVE_OUTPUT(0)), .formula = "y = max(x, 0)", .derivative = "dx = dy [y > 0]",
            FLOAT_LOOPS(relu)};
UNARY_FUNCTION(relu)
UNARY_IN_PLACE(relu)

/* ---- tanh ---------------------------------------------------------------------------------------------------------------
 * y = tanh(x)
 * dx = dy (1 - y^2) */

/* g = dy (1 - y^2);  ddy = dg (1 - y^2),  dy' = -2 dg dy y */
BINARY_FLOAT(tanh_slope, a *(1 - b * b), a *(1 - b * b))

static ag_tensor tanh_slope(ag_tensor dy, ag_tensor y);

static void tanh_slope_backward(ag_sweep *s)
{
    ag_tensor dg = ag_sweep_grad(s, 0), dy = ag_sweep_input(s, 0), y = ag_sweep_input(s, 1);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, tanh_slope(dg, y));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_mul_scalar(ag_mul(ag_mul(dg, dy), y), -2));
    }
}

AG_OP(tanh_slope){SLOPE(tanh_slope, y, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)), .formula = "g = dy (1 - y^2)",
                  .derivative = "ddy = dg (1 - y^2), dy' = -2 dg dy y", FLOAT_LOOPS(tanh_slope)};

static ag_tensor tanh_slope(ag_tensor dy, ag_tensor y)
{
    ag_tensor in[2] = {dy, y};
    return ag_apply(AG_HERE, &op_tanh_slope, 2, in, NULL, NULL);
}

UNARY_FLOAT(tanh, k_tanh_f32(x), tanh(x))

static void tanh_backward(ag_sweep *s)
{
    ag_sweep_slope(s, &op_tanh_slope, ag_sweep_output(s, 0), NULL);
}

AG_OP(tanh){ELEMENTWISE(tanh, 1, AG_SAVE_OUTPUT(0)), .formula = "y = tanh(x)", .derivative = "dx = dy (1 - y^2)",
            FLOAT_LOOPS(tanh)};
UNARY_FUNCTION(tanh)
UNARY_IN_PLACE(tanh)

/* ---- sigmoid ------------------------------------------------------------------------------------------------------------
 * y = 1 / (1 + e^-x)
 * dx = dy y (1 - y) */

/* g = dy y (1 - y);  ddy = dg y (1 - y),  dy' = dg dy (1 - 2 y) */
BINARY_FLOAT(sigmoid_slope, a *(b * (1 - b)), a *(b * (1 - b)))

static ag_tensor sigmoid_slope(ag_tensor dy, ag_tensor y);

static void sigmoid_slope_backward(ag_sweep *s)
{
    ag_tensor dg = ag_sweep_grad(s, 0), dy = ag_sweep_input(s, 0), y = ag_sweep_input(s, 1);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, sigmoid_slope(dg, y));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_mul(ag_mul(dg, dy), ag_add_scalar(ag_mul_scalar(y, -2), 1)));
    }
}

AG_OP(sigmoid_slope){SLOPE(sigmoid_slope, y, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)), .formula = "g = dy y (1 - y)",
                     .derivative = "ddy = dg y (1 - y), dy' = dg dy (1 - 2 y)", FLOAT_LOOPS(sigmoid_slope)};

static ag_tensor sigmoid_slope(ag_tensor dy, ag_tensor y)
{
    ag_tensor in[2] = {dy, y};
    return ag_apply(AG_HERE, &op_sigmoid_slope, 2, in, NULL, NULL);
}

UNARY_FLOAT(sigmoid, k_sigmoid_f32(x), k_sigmoid_f64(x))

static void sigmoid_backward(ag_sweep *s)
{
    ag_sweep_slope(s, &op_sigmoid_slope, ag_sweep_output(s, 0), NULL);
}

AG_OP(sigmoid){ELEMENTWISE(sigmoid, 1, AG_SAVE_OUTPUT(0)), .formula = "y = 1 / (1 + e^-x)",
               .derivative = "dx = dy y (1 - y)", FLOAT_LOOPS(sigmoid)};
UNARY_FUNCTION(sigmoid)
UNARY_IN_PLACE(sigmoid)

/* ---- leaky_relu ---------------------------------------------------------------------------------------------------------
 * y = x > 0 ? x : slope x
 * dx = dy (x > 0 ? 1 : slope) */

struct slope {
    double value;
};

/* g = x > 0 ? dy : slope dy;  ddy = x > 0 ? dg : slope dg */
BINARY_LOOP(leaky_relu_slope_f32, float, float, struct slope, b > 0 ? a : a *(float)c->value)
BINARY_LOOP(leaky_relu_slope_f64, double, double, struct slope, b > 0 ? a : a *c->value)

static ag_tensor leaky_relu_slope(ag_tensor dy, ag_tensor x, const struct slope *p);

static void leaky_relu_slope_backward(ag_sweep *s)
{
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, leaky_relu_slope(ag_sweep_grad(s, 0), ag_sweep_input(s, 1), ag_sweep_params(s)));
    }
    ag_sweep_zero(s, 1);
}

AG_OP(leaky_relu_slope){SLOPE(leaky_relu_slope, x, AG_SAVE_INPUT(1)), .params = sizeof(struct slope),
                        .numbers = "slope", .formula = "g = dy (x > 0 ? 1 : slope)", .derivative = "ddy = dg (x > 0 ? 1 : slope)",
                        FLOAT_LOOPS(leaky_relu_slope)};

static ag_tensor leaky_relu_slope(ag_tensor dy, ag_tensor x, const struct slope *p)
{
    ag_tensor in[2] = {dy, x};
    return ag_apply(AG_HERE, &op_leaky_relu_slope, 2, in, p, NULL);
}

UNARY_LOOP(leaky_relu_f32, float, float, struct slope, x > 0 ? x : x *(float)c->value)
UNARY_LOOP(leaky_relu_f64, double, double, struct slope, x > 0 ? x : x *c->value)

static void leaky_relu_backward(ag_sweep *s)
{
    ag_sweep_slope(s, &op_leaky_relu_slope, ag_sweep_input(s, 0), ag_sweep_params(s));
}

AG_OP(leaky_relu){ELEMENTWISE(leaky_relu, 1, AG_SAVE_INPUT(0)), .params = sizeof(struct slope),
                  .numbers = "slope", .formula = "y = x > 0 ? x : slope x", .derivative = "dx = dy (x > 0 ? 1 : slope)",
                  FLOAT_LOOPS(leaky_relu)};

ag_tensor ag_leaky_relu_at(ag_place where, ag_tensor x, double slope)
{
    struct slope p = {slope};
    return ag_apply(where, &op_leaky_relu, 1, &x, &p, NULL);
}

/* ---- elu ----------------------------------------------------------------------------------------------------------------
 * y = x > 0 ? x : alpha (e^x - 1)
 * dx = x > 0 ? dy : dy alpha e^x                                             Clevert, Unterthiner & Hochreiter 2016 */

UNARY_LOOP(elu_f32, float, float, struct slope, x > 0 ? x : (float)c->value * expm1f(x))
UNARY_LOOP(elu_f64, double, double, struct slope, x > 0 ? x : c->value *expm1(x))

static void elu_backward(ag_sweep *s)
{
    const struct slope *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0), x = ag_sweep_input(s, 0), zero = ag_scalar(0, ag_dtype_of(x));
    ag_tensor low = ag_minimum(x, zero); /* e^x of a large x must not meet the zero of the other branch */
    ag_sweep_add(s, 0, ag_where(ag_le(x, zero), ag_mul(dy, ag_mul_scalar(ag_exp(low), p->value)), dy));
}

AG_OP(elu){ELEMENTWISE(elu, 1, AG_SAVE_INPUT(0)), .params = sizeof(struct slope),
           .numbers = "alpha", .formula = "y = x > 0 ? x : alpha (e^x - 1)", .derivative = "dx = x > 0 ? dy : dy alpha e^x",
           FLOAT_LOOPS(elu)};

ag_tensor ag_elu_at(ag_place where, ag_tensor x, double alpha)
{
    struct slope p = {alpha};
    return ag_apply(where, &op_elu, 1, &x, &p, NULL);
}

/* ---- softplus -----------------------------------------------------------------------------------------------------------
 * y = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)
 * dx = dy sigmoid(x) */

/* NaN comes through the logarithm; adding 0 x for it would make infinities NaN. */
UNARY_FLOAT(softplus, fmaxf(x, 0) + k_log1p_unit_f32(k_exp_f32(-fabsf(x))), fmax(x, 0) + log1p(exp(-fabs(x))))

static void softplus_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_sigmoid(ag_sweep_input(s, 0))));
}

AG_OP(softplus){ELEMENTWISE(softplus, 1, AG_SAVE_INPUT(0)), .formula = "y = log(1 + e^x)",
                .derivative = "dx = dy sigmoid(x)", FLOAT_LOOPS(softplus)};
UNARY_FUNCTION(softplus)

/* ---- silu ---------------------------------------------------------------------------------------------------------------
 * y = x s,  s = sigmoid(x)
 * dx = dy (s + y (1 - s))                                                    Elfwing, Uchibe & Doya 2017 */

UNARY_FLOAT(silu, x / (1 + k_exp_f32(-x)), x / (1 + exp(-x)))

static void silu_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), x = ag_sweep_input(s, 0), g = ag_sigmoid(x);
    ag_tensor slope = ag_mul(g, ag_add_scalar(ag_mul(x, ag_add_scalar(ag_neg(g), 1)), 1));
    ag_sweep_add(s, 0, ag_mul(dy, slope));
}

AG_OP(silu){ELEMENTWISE(silu, 1, AG_SAVE_INPUT(0)), .formula = "y = x sigmoid(x)",
            .derivative = "dx = dy s (1 + x (1 - s)), s = sigmoid(x)", FLOAT_LOOPS(silu)};
UNARY_FUNCTION(silu)

/* ---- gelu ---------------------------------------------------------------------------------------------------------------
 * y = x Phi(x) = x/2 (1 + erf(x/sqrt(2)))
 * dx = dy (Phi(x) + x phi(x)),  phi(x) = e^(-x^2/2) / sqrt(2 pi)             Hendrycks & Gimpel 2016 */

#define ONE_OVER_SQRT_2PI 0.39894228040143267794

/* g = dy (Phi(x) + x phi(x));  ddy = dg (Phi(x) + x phi(x)),  dx' = dg dy phi(x) (2 - x^2) */
BINARY_FLOAT(gelu_slope, a *k_gelu_slope_f32(b), a *k_gelu_slope_f64(b))

static ag_tensor gelu_slope(ag_tensor dy, ag_tensor x);

static void gelu_slope_backward(ag_sweep *s)
{
    ag_tensor dg = ag_sweep_grad(s, 0), dy = ag_sweep_input(s, 0), x = ag_sweep_input(s, 1);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, gelu_slope(dg, x));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_tensor xx = ag_square(x), density = ag_mul_scalar(ag_exp(ag_mul_scalar(xx, -0.5)), ONE_OVER_SQRT_2PI);
        ag_sweep_add(s, 1, ag_mul(ag_mul(dg, dy), ag_mul(density, ag_add_scalar(ag_neg(xx), 2))));
    }
}

AG_OP(gelu_slope){SLOPE(gelu_slope, x, AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1)), .formula = "g = dy (Phi(x) + x phi(x))",
                  .derivative = "ddy = dg (Phi(x) + x phi(x)), dx' = dg dy phi(x) (2 - x^2)", FLOAT_LOOPS(gelu_slope)};

static ag_tensor gelu_slope(ag_tensor dy, ag_tensor x)
{
    ag_tensor in[2] = {dy, x};
    return ag_apply(AG_HERE, &op_gelu_slope, 2, in, NULL, NULL);
}

UNARY_FLOAT(gelu, k_gelu_f32(x), k_gelu_f64(x))

static void gelu_backward(ag_sweep *s)
{
    ag_sweep_slope(s, &op_gelu_slope, ag_sweep_input(s, 0), NULL);
}

AG_OP(gelu){ELEMENTWISE(gelu, 1, AG_SAVE_INPUT(0)), .formula = "y = x Phi(x)", .derivative = "dx = dy (Phi(x) + x phi(x))",
            FLOAT_LOOPS(gelu)};
UNARY_FUNCTION(gelu)

/* ---- gelu_tanh ----------------------------------------------------------------------------------------------------------
 * y = x/2 (1 + t),  t = tanh(u),  u = k (x + 0.044715 x^3),  k = sqrt(2/pi)
 * dx = dy ((1 + t)/2 + x/2 (1 - t^2) k (1 + 3 0.044715 x^2)) */

#define K 0.79788456080286535588
#define CUBIC 0.044715

UNARY_FLOAT(gelu_tanh, 0.5f * x * (1 + k_tanh_f32((float)K * (x + (float)CUBIC * x * x * x))),
            0.5 * x * (1 + tanh(K * (x + CUBIC * x * x * x))))

static void gelu_tanh_backward(ag_sweep *s)
{
    ag_tensor dy = ag_sweep_grad(s, 0), x = ag_sweep_input(s, 0), xx = ag_square(x);
    ag_tensor u = ag_mul_scalar(ag_mul(x, ag_add_scalar(ag_mul_scalar(xx, CUBIC), 1)), K), t = ag_tanh(u);
    ag_tensor du = ag_mul_scalar(ag_add_scalar(ag_mul_scalar(xx, 3 * CUBIC), 1), K);
    ag_tensor inner = ag_mul(ag_mul(x, ag_add_scalar(ag_neg(ag_square(t)), 1)), du);
    ag_sweep_add(s, 0, ag_mul(dy, ag_mul_scalar(ag_add(ag_add_scalar(t, 1), inner), 0.5)));
}

AG_OP(gelu_tanh){ELEMENTWISE(gelu_tanh, 1, AG_SAVE_INPUT(0)), .formula = "y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
                 .derivative = "dx = dy ((1 + t)/2 + x/2 (1 - t^2) sqrt(2/pi) (1 + 0.134145 x^2)), "
                               "t = tanh(sqrt(2/pi) (x + 0.044715 x^3))", FLOAT_LOOPS(gelu_tanh)};
UNARY_FUNCTION(gelu_tanh)

#ifdef WENGERT_SAMPLES
ACTIVATION_SAMPLES(relu, ag_relu(a), "F.relu(a)")
ACTIVATION_SAMPLES(tanh, ag_tanh(a), "torch.tanh(a)")
ACTIVATION_SAMPLES(sigmoid, ag_sigmoid(a), "torch.sigmoid(a)")
ACTIVATION_SAMPLES(leaky_relu, ag_leaky_relu(a, 0.2), "F.leaky_relu(a, 0.2)")
ACTIVATION_SAMPLES(elu, ag_elu(a, 1.5), "F.elu(a, 1.5)")
ACTIVATION_SAMPLES(softplus, ag_softplus(a), "F.softplus(a)")
AG_SAMPLES_OF_FUNCTION(softplus_of_infinities)
{
    SAMPLE("F.softplus(torch.tensor([math.inf, -math.inf], dtype=torch.float64))") {
        const double x[] = {INFINITY, -INFINITY};
        sample_result(s, ag_softplus(ag_cast(ag_from(AG_SHAPE(2), AG_FLOAT64, x), sample_dtype(s))));
    }
}
ACTIVATION_SAMPLES(silu, ag_silu(a), "F.silu(a)")
ACTIVATION_SAMPLES(gelu, ag_gelu(a), "F.gelu(a)")
ACTIVATION_SAMPLES(gelu_tanh, ag_gelu_tanh(a), "F.gelu(a, approximate='tanh')")

AG_SAMPLES_OF_FUNCTION(gelu_far_out)
{
    const double values[] = { -9, -6, -3, -1.3, -0.2, 0, 0.2, 1.3, 3, 6, 9, 30 };
    SAMPLE("F.gelu(a) + 3 * torch.erf(a) + torch.tanh(a)") {
        ag_tensor a = sample_values(s, "a", AG_SHAPE(12), values);
        sample_result(s, ag_add(ag_add(ag_gelu(a), ag_mul_scalar(ag_erf(a), 3)), ag_tanh(a)));
    }
}

#define KINKS {0, NAN, INFINITY, -INFINITY, -0.0, 1}
AG_SAMPLES_OF_FUNCTION(activations_at_kinks)
{
    const double values[] = KINKS;
    SAMPLE("F.relu(a)") {
        sample_result(s, ag_relu(sample_values(s, "a", AG_SHAPE(6), values)));
        sample_no_differences(s);
    }
    SAMPLE("F.leaky_relu(a, 0.2)") {
        sample_result(s, ag_leaky_relu(sample_values(s, "a", AG_SHAPE(6), values), 0.2));
        sample_no_differences(s);
    }
    SAMPLE("F.elu(a, 1.5)") {
        sample_result(s, ag_elu(sample_values(s, "a", AG_SHAPE(6), values), 1.5));
        sample_no_differences(s);
    }
    SAMPLE("torch.sigmoid(a) + torch.tanh(a)") {
        ag_tensor a = sample_values(s, "a", AG_SHAPE(6), values);
        sample_result(s, ag_add(ag_sigmoid(a), ag_tanh(a)));
        sample_no_differences(s);
    }
    SAMPLE("torch.sign(a) + torch.abs(a)") {
        ag_tensor a = sample_values(s, "a", AG_SHAPE(6), values);
        sample_result(s, ag_add(ag_sign(a), ag_abs(a)));
        sample_no_differences(s);
    }
    SAMPLE("F.softplus(a)") {
        sample_result(s, ag_softplus(sample_values(s, "a", AG_SHAPE(6), values)));
        sample_no_differences(s);
    }
}

/* The slopes, at values that relu and its like could not give, so that their own derivatives are seen. */
#define SLOPE_SAMPLES(op, call, expression)                                                                 \
    AG_SAMPLES(op)                                                                                          \
    {                                                                                                       \
        SAMPLE(expression) {                                                                                \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 4));   \
            sample_result(s, call);                                                                         \
        }                                                                                                   \
        REFUSES("ag_" #op ": needs float32 or float64, got int64") {                                        \
            ag_tensor a = sample_int(s, "k", AG_SHAPE(3), -2, 2), b = a;                                    \
            (void)(call);                                                                                   \
        }                                                                                                   \
    }
SLOPE_SAMPLES(relu_slope, relu_slope(a, b), "a * (b > 0) + 0 * b")
SLOPE_SAMPLES(tanh_slope, tanh_slope(a, b), "a * (1 - b * b)")
SLOPE_SAMPLES(sigmoid_slope, sigmoid_slope(a, b), "a * b * (1 - b)")
SLOPE_SAMPLES(gelu_slope, gelu_slope(a, b), "a * (0.5 * (1 + torch.erf(b / 2 ** 0.5)) + b * torch.exp(-b * b / 2) / (2 * math.pi) ** 0.5)")
SLOPE_SAMPLES(leaky_relu_slope, leaky_relu_slope(a, b, &(struct slope){0.3}), "torch.where(b > 0, a, 0.3 * a) + 0 * b")
#endif
