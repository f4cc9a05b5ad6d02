/*
 * Macros that write the raw loops of element-wise operations from one expression. Internal to ops/.
 *
 * Each loop has a path for rows without gaps, which the compiler vectorises, and one for any strides. In the expressions x (or a,
 * b) is the input of type T, c the parameter struct.
 */
#ifndef WENGERT_OPS_LOOPS_H
#define WENGERT_OPS_LOOPS_H

#include "../inplace.h"
#include "../op.h"

/* A copy in registers: read through the pointer, a parameter that only one branch needs would keep the loop from becoming vector
 * code. Operations without parameters pass none. */
#define AG_LOOP_PARAMS(C, params) ((params) != NULL ? *(const C *)(params) : (C){0})

#define UNARY_LOOP(name, Y, T, C, expression)                                                               \
    AG_MULTIVERSION static void name(int64_t n, char *const *p, const int64_t *stride, const void *params)   \
    {                                                                                                       \
        const C own = AG_LOOP_PARAMS(C, params), *c = &own;                                                   \
        (void)c;                                                                                            \
        if (stride[0] == (int64_t)sizeof(Y) && stride[1] == (int64_t)sizeof(T)) {                           \
            Y *restrict y = (Y *)p[0];                                                                      \
            const T *restrict v = (const T *)p[1];                                                          \
            for (int64_t i = 0; i < n; i++) {                                                               \
                T x = v[i];                                                                                 \
                y[i] = (Y)(expression);                                                                     \
            }                                                                                               \
            return;                                                                                         \
        }                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                   \
            T x = *(const T *)(p[1] + i * stride[1]);                                                       \
            *(Y *)(p[0] + i * stride[0]) = (Y)(expression);                                                 \
        }                                                                                                   \
    }

#define BINARY_LOOP(name, Y, T, C, expression)                                                              \
    AG_MULTIVERSION static void name(int64_t n, char *const *p, const int64_t *stride, const void *params)   \
    {                                                                                                       \
        const C own = AG_LOOP_PARAMS(C, params), *c = &own;                                                   \
        (void)c;                                                                                            \
        const int64_t w = (int64_t)sizeof(T);                                                               \
        Y *restrict y = (Y *)p[0];                                                                          \
        const T *restrict u = (const T *)p[1];                                                              \
        const T *restrict v = (const T *)p[2];                                                              \
        if (stride[0] == (int64_t)sizeof(Y) && stride[1] == w && stride[2] == w) {                          \
            for (int64_t i = 0; i < n; i++) {                                                               \
                T a = u[i], b = v[i];                                                                       \
                y[i] = (Y)(expression);                                                                     \
            }                                                                                               \
            return;                                                                                         \
        }                                                                                                   \
        if (stride[0] == (int64_t)sizeof(Y) && stride[1] == w && stride[2] == 0) {                          \
            const T b = v[0];                                                                               \
            for (int64_t i = 0; i < n; i++) {                                                               \
                T a = u[i];                                                                                 \
                y[i] = (Y)(expression);                                                                     \
            }                                                                                               \
            return;                                                                                         \
        }                                                                                                   \
        if (stride[0] == (int64_t)sizeof(Y) && stride[1] == 0 && stride[2] == w) {                          \
            const T a = u[0];                                                                               \
            for (int64_t i = 0; i < n; i++) {                                                               \
                T b = v[i];                                                                                 \
                y[i] = (Y)(expression);                                                                     \
            }                                                                                               \
            return;                                                                                         \
        }                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                   \
            T a = *(const T *)(p[1] + i * stride[1]), b = *(const T *)(p[2] + i * stride[2]);               \
            *(Y *)(p[0] + i * stride[0]) = (Y)(expression);                                                 \
        }                                                                                                   \
    }

typedef char no_params; /* the parameter type of operations without parameters */

/* Both floating types from one expression; the functions that differ (expf, exp) are given as `f`. */
#define UNARY_FLOAT(op, f32, f64)                           \
    UNARY_LOOP(op##_f32, float, float, no_params, f32)      \
    UNARY_LOOP(op##_f64, double, double, no_params, f64)
#define BINARY_FLOAT(op, f32, f64)                          \
    BINARY_LOOP(op##_f32, float, float, no_params, f32)     \
    BINARY_LOOP(op##_f64, double, double, no_params, f64)

#define FLOAT_LOOPS(op) .loops = {[AG_FLOAT32] = op##_f32, [AG_FLOAT64] = op##_f64}
#define ALL_LOOPS(op) \
    .loops = {[AG_FLOAT32] = op##_f32, [AG_FLOAT64] = op##_f64, [AG_INT64] = op##_i64, [AG_UINT8] = op##_u8}

#define ELEMENTWISE(op, n, save)                                                                      \
    .size = sizeof(struct ag_op), .name = #op, .inputs = n, .outputs = 1, .saves = save,              \
    .orders = AG_ORDERS_ANY, .shape = n == 1 ? ag_shape_unary : ag_shape_elementwise, .backward = op##_backward

/* The function that users call. */
#define UNARY_FUNCTION(op)                                        \
    ag_tensor ag_##op##_at(ag_place where, ag_tensor x)           \
    {                                                             \
        return ag_apply(where, &op_##op, 1, &x, NULL, NULL);      \
    }
#define BINARY_FUNCTION(op)                                             \
    ag_tensor ag_##op##_at(ag_place where, ag_tensor a, ag_tensor b)    \
    {                                                                   \
        ag_tensor in[2] = {a, b};                                       \
        return ag_apply(where, &op_##op, 2, in, NULL, NULL);            \
    }

/* The same in place: ag_relu_(x) is ag_relu_in_place_at(AG_HERE, x). */
#define UNARY_IN_PLACE(op)                                                  \
    ag_tensor ag_##op##_in_place_at(ag_place where, ag_tensor x)            \
    {                                                                       \
        return ag_apply_in_place(where, &op_##op, 1, &x, NULL);             \
    }
#define BINARY_IN_PLACE(op)                                                     \
    ag_tensor ag_##op##_in_place_at(ag_place where, ag_tensor a, ag_tensor b)   \
    {                                                                           \
        ag_tensor in[2] = {a, b};                                               \
        return ag_apply_in_place(where, &op_##op, 2, in, NULL);                 \
    }

#endif
