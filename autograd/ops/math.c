/*
 * Element-wise functions of one tensor.
 */
#include <math.h>

#include "../kernels/vector.h"
#include "elementwise_samples.h"
#include "loops.h"
#include "ops.h"

/* ---- neg ----------------------------------------------------------------------------------------------------------------
 * y = -x
 * dx = -dy */

UNARY_FLOAT(neg, -x, -x)
UNARY_LOOP(neg_i64, int64_t, int64_t, no_params, 0 - (uint64_t)x)

static void neg_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_neg(ag_sweep_grad(s, 0)));
}

AG_OP(neg){ELEMENTWISE(neg, 1, AG_SAVE_NOTHING), .formula = "y = -x", .derivative = "dx = -dy",
           .loops = {[AG_FLOAT32] = neg_f32, [AG_FLOAT64] = neg_f64, [AG_INT64] = neg_i64}};
UNARY_FUNCTION(neg)
UNARY_IN_PLACE(neg)

#ifdef WENGERT_SAMPLES
AG_SAMPLES(neg)
{
    SAMPLE("-a") {
        sample_result(s, ag_neg(sample_float(s, "a", AG_SHAPE(3, 4))));
    }
    SAMPLE("-k") {
        sample_result(s, ag_neg(sample_int(s, "k", AG_SHAPE(4), -3, 3)));
    }
    REFUSES("ag_neg: needs a number type, got uint8") {
        ag_neg(sample_mask(s, "m", AG_SHAPE(3)));
    }
}
#endif

/* ---- reciprocal ---------------------------------------------------------------------------------------------------------
 * y = 1 / x
 * dx = -dy y^2 */

UNARY_FLOAT(reciprocal, 1 / x, 1 / x)

static void reciprocal_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_neg(ag_mul(ag_sweep_grad(s, 0), ag_square(ag_sweep_output(s, 0)))));
}

AG_OP(reciprocal){ELEMENTWISE(reciprocal, 1, AG_SAVE_OUTPUT(0)), .formula = "y = 1 / x", .derivative = "dx = -dy y^2",
                  FLOAT_LOOPS(reciprocal)};
UNARY_FUNCTION(reciprocal)

/* ---- square -------------------------------------------------------------------------------------------------------------
 * y = x^2
 * dx = 2 dy x */

UNARY_FLOAT(square, x *x, x *x)

static void square_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_mul_scalar(ag_sweep_input(s, 0), 2)));
}

AG_OP(square){ELEMENTWISE(square, 1, AG_SAVE_INPUT(0)), .formula = "y = x^2", .derivative = "dx = 2 dy x",
              FLOAT_LOOPS(square)};
UNARY_FUNCTION(square)
UNARY_IN_PLACE(square)

/* ---- sqrt ---------------------------------------------------------------------------------------------------------------
 * y = sqrt(x)
 * dx = dy / (2 y) */

UNARY_FLOAT(sqrt, sqrtf(x), sqrt(x))

static void sqrt_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_div(ag_sweep_grad(s, 0), ag_mul_scalar(ag_sweep_output(s, 0), 2)));
}

AG_OP(sqrt){ELEMENTWISE(sqrt, 1, AG_SAVE_OUTPUT(0)), .formula = "y = sqrt(x)", .derivative = "dx = dy / (2 y)",
            FLOAT_LOOPS(sqrt)};
UNARY_FUNCTION(sqrt)
UNARY_IN_PLACE(sqrt)

/* ---- rsqrt --------------------------------------------------------------------------------------------------------------
 * y = 1 / sqrt(x)
 * dx = -dy y^3 / 2 */

UNARY_FLOAT(rsqrt, 1 / sqrtf(x), 1 / sqrt(x))

static void rsqrt_backward(ag_sweep *s)
{
    ag_tensor y = ag_sweep_output(s, 0);
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_mul_scalar(ag_mul(ag_square(y), y), -0.5)));
}

AG_OP(rsqrt){ELEMENTWISE(rsqrt, 1, AG_SAVE_OUTPUT(0)), .formula = "y = 1 / sqrt(x)", .derivative = "dx = -dy y^3 / 2",
             FLOAT_LOOPS(rsqrt)};
UNARY_FUNCTION(rsqrt)

/* ---- exp ----------------------------------------------------------------------------------------------------------------
 * y = e^x
 * dx = dy y */

UNARY_FLOAT(exp, k_exp_f32(x), exp(x))

static void exp_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_sweep_output(s, 0)));
}

AG_OP(exp){ELEMENTWISE(exp, 1, AG_SAVE_OUTPUT(0)), .formula = "y = e^x", .derivative = "dx = dy y", FLOAT_LOOPS(exp)};
UNARY_FUNCTION(exp)
UNARY_IN_PLACE(exp)

/* ---- log ----------------------------------------------------------------------------------------------------------------
 * y = log(x)
 * dx = dy / x */

UNARY_FLOAT(log, logf(x), log(x))

static void log_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_div(ag_sweep_grad(s, 0), ag_sweep_input(s, 0)));
}

AG_OP(log){ELEMENTWISE(log, 1, AG_SAVE_INPUT(0)), .formula = "y = log(x)", .derivative = "dx = dy / x", FLOAT_LOOPS(log)};
UNARY_FUNCTION(log)

/* ---- sin, cos -----------------------------------------------------------------------------------------------------------
 * y = sin(x)    dx = dy cos(x)
 * y = cos(x)    dx = -dy sin(x) */

UNARY_FLOAT(sin, sinf(x), sin(x))
UNARY_FLOAT(cos, cosf(x), cos(x))

static void sin_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_cos(ag_sweep_input(s, 0))));
}

static void cos_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_neg(ag_mul(ag_sweep_grad(s, 0), ag_sin(ag_sweep_input(s, 0)))));
}

AG_OP(sin){ELEMENTWISE(sin, 1, AG_SAVE_INPUT(0)), .formula = "y = sin(x)", .derivative = "dx = dy cos(x)",
           FLOAT_LOOPS(sin)};
UNARY_FUNCTION(sin)
AG_OP(cos){ELEMENTWISE(cos, 1, AG_SAVE_INPUT(0)), .formula = "y = cos(x)", .derivative = "dx = -dy sin(x)",
           FLOAT_LOOPS(cos)};
UNARY_FUNCTION(cos)

/* ---- erf ----------------------------------------------------------------------------------------------------------------
 * y = erf(x) = 2/sqrt(pi) int_0^x e^(-t^2) dt
 * dx = dy 2/sqrt(pi) e^(-x^2) */

#define TWO_OVER_SQRT_PI 1.12837916709551257390

UNARY_FLOAT(erf, k_erf_f32(x), erf(x))

static void erf_backward(ag_sweep *s)
{
    ag_tensor slope = ag_mul_scalar(ag_exp(ag_neg(ag_square(ag_sweep_input(s, 0)))), TWO_OVER_SQRT_PI);
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), slope));
}

AG_OP(erf){ELEMENTWISE(erf, 1, AG_SAVE_INPUT(0)), .formula = "y = erf(x)", .derivative = "dx = dy 2/sqrt(pi) e^(-x^2)",
           FLOAT_LOOPS(erf)};
UNARY_FUNCTION(erf)

/* ---- sign ---------------------------------------------------------------------------------------------------------------
 * y = -1, 0 or 1; 0 for NaN, as in PyTorch
 * dx = 0 */

UNARY_FLOAT(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f, x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0)

static void sign_backward(ag_sweep *s)
{
    ag_sweep_zero(s, 0);
}

AG_OP(sign){ELEMENTWISE(sign, 1, AG_SAVE_NOTHING), .formula = "y = sign(x)", .derivative = "dx = 0", FLOAT_LOOPS(sign)};
UNARY_FUNCTION(sign)

/* ---- abs ----------------------------------------------------------------------------------------------------------------
 * y = |x|
 * dx = dy sign(x), 0 at 0 */

UNARY_FLOAT(abs, fabsf(x), fabs(x))
UNARY_LOOP(abs_i64, int64_t, int64_t, no_params, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)

static void abs_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_sign(ag_sweep_input(s, 0))));
}

AG_OP(abs){ELEMENTWISE(abs, 1, AG_SAVE_INPUT(0)), .formula = "y = |x|", .derivative = "dx = dy sign(x)",
           .loops = {[AG_FLOAT32] = abs_f32, [AG_FLOAT64] = abs_f64, [AG_INT64] = abs_i64}};
UNARY_FUNCTION(abs)

#ifdef WENGERT_SAMPLES
FUNCTION_SAMPLES(reciprocal, "reciprocal", 0.5, 2)
FUNCTION_SAMPLES(square, "square", -2, 2)
FUNCTION_SAMPLES(sqrt, "sqrt", 0.3, 3)
FUNCTION_SAMPLES(rsqrt, "rsqrt", 0.3, 3)
FUNCTION_SAMPLES(exp, "exp", -2, 2)
FUNCTION_SAMPLES(log, "log", 0.3, 3)
FUNCTION_SAMPLES(sin, "sin", -3, 3)
FUNCTION_SAMPLES(cos, "cos", -3, 3)
FUNCTION_SAMPLES(erf, "erf", -2, 2)
FUNCTION_SAMPLES(sign, "sign", -2, 2)
FUNCTION_SAMPLES(abs, "abs", -2, 2)
#endif
