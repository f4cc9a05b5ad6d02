/*
 * Element-wise functions, continued: exponentials and logarithms for small arguments and other bases, trigonometric and
 * hyperbolic functions and their inverses.
 */
#include <math.h>

#include "elementwise_samples.h"
#include "loops.h"
#include "ops.h"

#define LOG_2 0.69314718055994530942
#define LOG_10 2.30258509299404568402

/* ---- expm1 --------------------------------------------------------------------------------------------------------
 * y = e^x - 1
 * dx = dy (y + 1) */

UNARY_FLOAT(expm1, expm1f(x), expm1(x))

static void expm1_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_add_scalar(ag_sweep_output(s, 0), 1)));
}

AG_OP(expm1){ELEMENTWISE(expm1, 1, AG_SAVE_OUTPUT(0)), .formula = "y = e^x - 1", .derivative = "dx = dy (y + 1)",
            FLOAT_LOOPS(expm1)};
UNARY_FUNCTION(expm1)

/* ---- log1p --------------------------------------------------------------------------------------------------------
 * y = log(1 + x)
 * dx = dy / (1 + x) */

UNARY_FLOAT(log1p, log1pf(x), log1p(x))

static void log1p_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_div(ag_sweep_grad(s, 0), ag_add_scalar(ag_sweep_input(s, 0), 1)));
}

AG_OP(log1p){ELEMENTWISE(log1p, 1, AG_SAVE_INPUT(0)), .formula = "y = log(1 + x)", .derivative = "dx = dy / (1 + x)",
            FLOAT_LOOPS(log1p)};
UNARY_FUNCTION(log1p)

/* ---- log2 ---------------------------------------------------------------------------------------------------------
 * y = log(x) / log(2)
 * dx = dy / (x log(2)) */

UNARY_FLOAT(log2, log2f(x), log2(x))

static void log2_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_div(ag_sweep_grad(s, 0), ag_mul_scalar(ag_sweep_input(s, 0), LOG_2)));
}

AG_OP(log2){ELEMENTWISE(log2, 1, AG_SAVE_INPUT(0)), .formula = "y = log(x) / log(2)", .derivative = "dx = dy / (x log(2))",
           FLOAT_LOOPS(log2)};
UNARY_FUNCTION(log2)

/* ---- log10 --------------------------------------------------------------------------------------------------------
 * y = log(x) / log(10)
 * dx = dy / (x log(10)) */

UNARY_FLOAT(log10, log10f(x), log10(x))

static void log10_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_div(ag_sweep_grad(s, 0), ag_mul_scalar(ag_sweep_input(s, 0), LOG_10)));
}

AG_OP(log10){ELEMENTWISE(log10, 1, AG_SAVE_INPUT(0)), .formula = "y = log(x) / log(10)", .derivative = "dx = dy / (x log(10))",
            FLOAT_LOOPS(log10)};
UNARY_FUNCTION(log10)

/* ---- tan ----------------------------------------------------------------------------------------------------------
 * y = tan(x)
 * dx = dy (1 + y^2) */

UNARY_FLOAT(tan, tanf(x), tan(x))

static void tan_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_add_scalar(ag_square(ag_sweep_output(s, 0)), 1)));
}

AG_OP(tan){ELEMENTWISE(tan, 1, AG_SAVE_OUTPUT(0)), .formula = "y = tan(x)", .derivative = "dx = dy (1 + y^2)",
          FLOAT_LOOPS(tan)};
UNARY_FUNCTION(tan)

/* ---- asin ---------------------------------------------------------------------------------------------------------
 * y = asin(x)
 * dx = dy / sqrt(1 - x^2) */

UNARY_FLOAT(asin, asinf(x), asin(x))

static void asin_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_rsqrt(ag_add_scalar(ag_neg(ag_square(ag_sweep_input(s, 0))), 1))));
}

AG_OP(asin){ELEMENTWISE(asin, 1, AG_SAVE_INPUT(0)), .formula = "y = asin(x)", .derivative = "dx = dy / sqrt(1 - x^2)",
           FLOAT_LOOPS(asin)};
UNARY_FUNCTION(asin)

/* ---- acos ---------------------------------------------------------------------------------------------------------
 * y = acos(x)
 * dx = -dy / sqrt(1 - x^2) */

UNARY_FLOAT(acos, acosf(x), acos(x))

static void acos_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_neg(ag_mul(ag_sweep_grad(s, 0), ag_rsqrt(ag_add_scalar(ag_neg(ag_square(ag_sweep_input(s, 0))), 1)))));
}

AG_OP(acos){ELEMENTWISE(acos, 1, AG_SAVE_INPUT(0)), .formula = "y = acos(x)", .derivative = "dx = -dy / sqrt(1 - x^2)",
           FLOAT_LOOPS(acos)};
UNARY_FUNCTION(acos)

/* ---- atan ---------------------------------------------------------------------------------------------------------
 * y = atan(x)
 * dx = dy / (1 + x^2) */

UNARY_FLOAT(atan, atanf(x), atan(x))

static void atan_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_div(ag_sweep_grad(s, 0), ag_add_scalar(ag_square(ag_sweep_input(s, 0)), 1)));
}

AG_OP(atan){ELEMENTWISE(atan, 1, AG_SAVE_INPUT(0)), .formula = "y = atan(x)", .derivative = "dx = dy / (1 + x^2)",
           FLOAT_LOOPS(atan)};
UNARY_FUNCTION(atan)

/* ---- sinh ---------------------------------------------------------------------------------------------------------
 * y = (e^x - e^-x) / 2
 * dx = dy cosh(x) */

UNARY_FLOAT(sinh, sinhf(x), sinh(x))

static void sinh_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_cosh(ag_sweep_input(s, 0))));
}

AG_OP(sinh){ELEMENTWISE(sinh, 1, AG_SAVE_INPUT(0)), .formula = "y = (e^x - e^-x) / 2", .derivative = "dx = dy cosh(x)",
           FLOAT_LOOPS(sinh)};
UNARY_FUNCTION(sinh)

/* ---- cosh ---------------------------------------------------------------------------------------------------------
 * y = (e^x + e^-x) / 2
 * dx = dy sinh(x) */

UNARY_FLOAT(cosh, coshf(x), cosh(x))

static void cosh_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_sinh(ag_sweep_input(s, 0))));
}

AG_OP(cosh){ELEMENTWISE(cosh, 1, AG_SAVE_INPUT(0)), .formula = "y = (e^x + e^-x) / 2", .derivative = "dx = dy sinh(x)",
           FLOAT_LOOPS(cosh)};
UNARY_FUNCTION(cosh)

/* ---- asinh --------------------------------------------------------------------------------------------------------
 * y = log(x + sqrt(x^2 + 1))
 * dx = dy / sqrt(x^2 + 1) */

UNARY_FLOAT(asinh, asinhf(x), asinh(x))

static void asinh_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_rsqrt(ag_add_scalar(ag_square(ag_sweep_input(s, 0)), 1))));
}

AG_OP(asinh){ELEMENTWISE(asinh, 1, AG_SAVE_INPUT(0)), .formula = "y = log(x + sqrt(x^2 + 1))", .derivative = "dx = dy / sqrt(x^2 + 1)",
            FLOAT_LOOPS(asinh)};
UNARY_FUNCTION(asinh)

/* ---- acosh --------------------------------------------------------------------------------------------------------
 * y = log(x + sqrt(x^2 - 1))
 * dx = dy / sqrt(x^2 - 1) */

UNARY_FLOAT(acosh, acoshf(x), acosh(x))

static void acosh_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_rsqrt(ag_add_scalar(ag_square(ag_sweep_input(s, 0)), -1))));
}

AG_OP(acosh){ELEMENTWISE(acosh, 1, AG_SAVE_INPUT(0)), .formula = "y = log(x + sqrt(x^2 - 1))", .derivative = "dx = dy / sqrt(x^2 - 1)",
            FLOAT_LOOPS(acosh)};
UNARY_FUNCTION(acosh)

/* ---- atanh --------------------------------------------------------------------------------------------------------
 * y = log((1 + x) / (1 - x)) / 2
 * dx = dy / (1 - x^2) */

UNARY_FLOAT(atanh, atanhf(x), atanh(x))

static void atanh_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_div(ag_sweep_grad(s, 0), ag_add_scalar(ag_neg(ag_square(ag_sweep_input(s, 0))), 1)));
}

AG_OP(atanh){ELEMENTWISE(atanh, 1, AG_SAVE_INPUT(0)), .formula = "y = log((1 + x) / (1 - x)) / 2", .derivative = "dx = dy / (1 - x^2)",
            FLOAT_LOOPS(atanh)};
UNARY_FUNCTION(atanh)

#ifdef WENGERT_SAMPLES
FUNCTION_SAMPLES(expm1, "expm1", -2, 2)
FUNCTION_SAMPLES(log1p, "log1p", -0.6, 2)
FUNCTION_SAMPLES(log2, "log2", 0.3, 3)
FUNCTION_SAMPLES(log10, "log10", 0.3, 3)
FUNCTION_SAMPLES(tan, "tan", -1.2, 1.2)
FUNCTION_SAMPLES(asin, "asin", -0.9, 0.9)
FUNCTION_SAMPLES(acos, "acos", -0.9, 0.9)
FUNCTION_SAMPLES(atan, "atan", -3, 3)
FUNCTION_SAMPLES(sinh, "sinh", -2, 2)
FUNCTION_SAMPLES(cosh, "cosh", -2, 2)
FUNCTION_SAMPLES(asinh, "asinh", -2, 2)
FUNCTION_SAMPLES(acosh, "acosh", 1.3, 3)
FUNCTION_SAMPLES(atanh, "atanh", -0.8, 0.8)
#endif
