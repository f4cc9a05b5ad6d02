/*
 * The samples that functions of one element have in common. Internal to ops/.
 */
#ifndef WENGERT_OPS_ELEMENTWISE_SAMPLES_H
#define WENGERT_OPS_ELEMENTWISE_SAMPLES_H

#include "../samples.h"

#ifdef WENGERT_SAMPLES
/* Of an operation ag_op(x) that PyTorch calls torch.<torch_name>, at elements in (low, high). */
#define FUNCTION_SAMPLES(op, torch_name, low, high)                                                       \
    AG_SAMPLES(op)                                                                                        \
    {                                                                                                     \
        SAMPLE("torch." torch_name "(a)") {                                                               \
            sample_result(s, ag_##op(sample_range(s, "a", AG_SHAPE(3, 4), low, high)));                   \
        }                                                                                                 \
        SAMPLE("torch." torch_name "(a) * 1") {                                                           \
            sample_result(s, ag_##op(sample_range(s, "a", AG_SHAPE_SCALAR, low, high)));                  \
        }                                                                                                 \
        SAMPLE("torch." torch_name "(a) * a") {                                                           \
            ag_tensor a = sample_range(s, "a", AG_SHAPE(2, 0), low, high);                                \
            sample_result(s, ag_mul(ag_##op(a), a));                                                      \
        }                                                                                                 \
        REFUSES("ag_" #op ": needs ") {                                                                   \
            ag_##op(sample_mask(s, "m", AG_SHAPE(3)));                                                    \
        }                                                                                                 \
    }

/* Of an operation with parameters: `call` of a, and the same in PyTorch's words. */
#define ACTIVATION_SAMPLES(op, call, expression)                                                            \
    AG_SAMPLES(op)                                                                                          \
    {                                                                                                       \
        SAMPLE(expression) {                                                                                \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));                                             \
            sample_result(s, call);                                                                         \
        }                                                                                                   \
        SAMPLE("(" expression ") * 1") {                                                                    \
            ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR);                                            \
            sample_result(s, call);                                                                         \
        }                                                                                                   \
        SAMPLE("(" expression ") * a") {                                                                    \
            ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 0));                                             \
            sample_result(s, ag_mul(call, a));                                                              \
        }                                                                                                   \
        SAMPLE("(" expression ") * (a * a)") {                                                              \
            ag_tensor a = sample_range(s, "a", AG_SHAPE(2, 3, 2), -6, 6);                                   \
            sample_result(s, ag_mul(call, ag_mul(a, a)));                                                   \
        }                                                                                                   \
        REFUSES("ag_" #op ": needs float32 or float64, got int64") {                                        \
            ag_tensor a = sample_int(s, "k", AG_SHAPE(3), -2, 2);                                           \
            (void)(call);                                                                                   \
        }                                                                                                   \
    }
#endif

#endif
