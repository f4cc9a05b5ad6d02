/*
 * Whole numbers and truth: rounding, questions about numbers, logic, comparison with a number. All derivatives are zero or do not
 * exist.
 */
#include <math.h>

#include "elementwise_samples.h"
#include "look.h"
#include "loops.h"
#include "ops.h"

/* ---- floor, ceil, round, trunc ------------------------------------------------------------------------------------------
 * dx = 0 */

static void step_backward(ag_sweep *s)
{
    ag_sweep_zero(s, 0);
}

#define STEP(op, text, f32, f64)                                                                                      \
    UNARY_FLOAT(op, f32, f64)                                                                                         \
    AG_OP(op){.size = sizeof(struct ag_op), .name = #op, .inputs = 1, .outputs = 1, .orders = AG_ORDERS_ANY,          \
              .shape = ag_shape_unary, .backward = step_backward, .formula = text, .derivative = "dx = 0",            \
              FLOAT_LOOPS(op)};                                                                                       \
    UNARY_FUNCTION(op)

STEP(floor, "y = the largest whole number not above x", floorf(x), floor(x))
STEP(ceil, "y = the smallest whole number not below x", ceilf(x), ceil(x))
STEP(round, "y = the nearest whole number, halves to the even one", rintf(x), rint(x))
STEP(trunc, "y = the whole part of x", truncf(x), trunc(x))

/* ---- isnan, isinf, isfinite ------------------------------------------------------------------------------------------------
 * y = 1 or 0 (uint8); whole numbers are finite */

#define QUESTION(op, text, answer, whole)                                                                             \
    UNARY_LOOP(op##_f32, uint8_t, float, no_params, (answer))                                                         \
    UNARY_LOOP(op##_f64, uint8_t, double, no_params, (answer))                                                        \
    UNARY_LOOP(op##_i64, uint8_t, int64_t, no_params, ((void)x, whole))                                               \
    UNARY_LOOP(op##_u8, uint8_t, uint8_t, no_params, ((void)x, whole))                                                \
    AG_OP(op){.size = sizeof(struct ag_op), .name = #op, .inputs = 1, .outputs = 1, .shape = ag_shape_compare,        \
              .formula = text, ALL_LOOPS(op)};                                                                        \
    UNARY_FUNCTION(op)

QUESTION(isnan, "y = [x is NaN]", x != x, 0)
QUESTION(isinf, "y = [x is infinite]", x - x != 0 && x == x, 0)
QUESTION(isfinite, "y = [x is a finite number]", x - x == 0, 1)

/* ---- logical_not, and, or, xor ---------------------------------------------------------------------------------------------
 * y = 1 or 0 (uint8); every number but 0 is true, NaN too */

#define LOGIC(KIND, op, n, text, expression)                                                                          \
    KIND##_LOOP(op##_f32, uint8_t, float, no_params, expression)                                                      \
    KIND##_LOOP(op##_f64, uint8_t, double, no_params, expression)                                                     \
    KIND##_LOOP(op##_i64, uint8_t, int64_t, no_params, expression)                                                    \
    KIND##_LOOP(op##_u8, uint8_t, uint8_t, no_params, expression)                                                     \
    AG_OP(op){.size = sizeof(struct ag_op), .name = #op, .inputs = n, .outputs = 1, .shape = ag_shape_compare,        \
              .formula = text, ALL_LOOPS(op)};                                                                        \
    KIND##_FUNCTION(op)

LOGIC(UNARY, logical_not, 1, "y = [x = 0]", x == 0)
LOGIC(BINARY, logical_and, 2, "y = [a != 0 and b != 0]", a != 0 && b != 0)
LOGIC(BINARY, logical_or, 2, "y = [a != 0 or b != 0]", a != 0 || b != 0)
LOGIC(BINARY, logical_xor, 2, "y = [(a != 0) != (b != 0)]", (a != 0) != (b != 0))

/* ---- comparison with a number ------------------------------------------------------------------------------------------------ */

#define WITH_NUMBER(op)                                                                                               \
    ag_tensor ag_##op##_scalar_at(ag_place where, ag_tensor x, double c)                                              \
    {                                                                                                                 \
        const ag_value *v = look(where, "ag_" #op "_scalar", x);                                                      \
        if (v == NULL) {                                                                                              \
            return AG_NIL;                                                                                            \
        }                                                                                                             \
        ag_frame frame = ag_frame_begin();                                                                            \
        bool whole = !ag_dtype_is_float((ag_dtype)v->dtype); /* 2.5 is no int64 */                                    \
        x = whole ? ag_cast_at(where, x, AG_FLOAT64) : x;                                                             \
        return ag_frame_end(frame, ag_##op##_at(where, x, ag_scalar_at(where, c, ag_dtype_of(x))));                   \
    }

WITH_NUMBER(eq)
WITH_NUMBER(ne)
WITH_NUMBER(lt)
WITH_NUMBER(le)
WITH_NUMBER(gt)
WITH_NUMBER(ge)

#ifdef WENGERT_SAMPLES
FUNCTION_SAMPLES(floor, "floor", -2.9, 2.9)
FUNCTION_SAMPLES(ceil, "ceil", -2.9, 2.9)
FUNCTION_SAMPLES(round, "round", -2.9, 2.9)
FUNCTION_SAMPLES(trunc, "trunc", -2.9, 2.9)

#define QUESTION_SAMPLES(op)                                                                                  \
    AG_SAMPLES(op)                                                                                            \
    {                                                                                                         \
        const double values[] = {1, NAN, -INFINITY, 0, INFINITY, -2};                                         \
        SAMPLE("torch." #op "(a)") {                                                                          \
            sample_result(s, ag_##op(sample_values(s, "a", AG_SHAPE(2, 3), values)));                         \
        }                                                                                                     \
        SAMPLE("torch." #op "(k)") {                                                                          \
            sample_result(s, ag_##op(sample_int(s, "k", AG_SHAPE(3), 0, 3)));                                 \
        }                                                                                                     \
        SAMPLE("torch." #op "(m)") {                                                                          \
            sample_result(s, ag_##op(sample_mask(s, "m", AG_SHAPE(0, 2))));                                   \
        }                                                                                                     \
        REFUSES("ag_" #op ": a tensor is needed, got none") {                                                 \
            ag_##op(AG_NONE);                                                                                 \
        }                                                                                                     \
    }
QUESTION_SAMPLES(isnan)
QUESTION_SAMPLES(isinf)
QUESTION_SAMPLES(isfinite)
QUESTION_SAMPLES(logical_not)

#define LOGIC_SAMPLES(op)                                                                                     \
    AG_SAMPLES(op)                                                                                            \
    {                                                                                                         \
        const double a[] = {1, NAN, 0, 0, 2, 0}, b[] = {0, 0, NAN, 0, -1, 3};                                 \
        SAMPLE("torch." #op "(a, b)") {                                                                       \
            sample_result(s, ag_##op(sample_values(s, "a", AG_SHAPE(6), a), sample_values(s, "b", AG_SHAPE(6), b))); \
        }                                                                                                     \
        SAMPLE("torch." #op "(k, l)") {                                                                       \
            ag_tensor k = sample_int(s, "k", AG_SHAPE(3, 4), 0, 2), l = sample_int(s, "l", AG_SHAPE(4), 0, 2); \
            sample_result(s, ag_##op(k, l));                                                                  \
        }                                                                                                     \
        SAMPLE("torch." #op "(m, n)") {                                                                       \
            ag_tensor m = sample_mask(s, "m", AG_SHAPE(3, 1)), n = sample_mask(s, "n", AG_SHAPE(5));          \
            sample_result(s, ag_##op(m, n));                                                                  \
        }                                                                                                     \
        REFUSES("ag_" #op ": shapes (2) and (3) do not broadcast") {                                          \
            ag_##op(sample_mask(s, "m", AG_SHAPE(2)), sample_mask(s, "n", AG_SHAPE(3)));                      \
        }                                                                                                     \
    }
LOGIC_SAMPLES(logical_and)
LOGIC_SAMPLES(logical_or)
LOGIC_SAMPLES(logical_xor)

#define NUMBER_SAMPLES(op, sign)                                                                              \
    AG_SAMPLES_OF_FUNCTION(op##_scalar)                                                                       \
    {                                                                                                         \
        const double values[] = {1, NAN, 2.5, -3, 2.5, 7};                                                    \
        SAMPLE("a " sign " 2.5") {                                                                            \
            sample_result(s, ag_##op##_scalar(sample_values(s, "a", AG_SHAPE(6), values), 2.5));              \
        }                                                                                                     \
        SAMPLE("(k " sign " 1.5) | (k " sign " 2)") {                                                         \
            ag_tensor k = sample_int(s, "k", AG_SHAPE(8), 0, 4);                                              \
            sample_result(s, ag_logical_or(ag_##op##_scalar(k, 1.5), ag_##op##_scalar(k, 2)));                \
        }                                                                                                     \
        REFUSES("ag_" #op "_scalar: a tensor is needed, got none") {                                          \
            ag_##op##_scalar(AG_NONE, 1);                                                                     \
        }                                                                                                     \
    }
NUMBER_SAMPLES(eq, "==")
NUMBER_SAMPLES(ne, "!=")
NUMBER_SAMPLES(lt, "<")
NUMBER_SAMPLES(le, "<=")
NUMBER_SAMPLES(gt, ">")
NUMBER_SAMPLES(ge, ">=")
#endif
