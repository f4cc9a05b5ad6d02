/*
 * Samples of operations: they stand beside each operation and are compiled only for tests (WENGERT_SAMPLES). Internal.
 *
 * A sample function is run many times. In each run exactly one of its blocks is entered, so a block is ordinary user code:
 *
 *     AG_SAMPLES(sum_dims)
 *     {
 *         SAMPLE("torch.sum(a, (0, 2), True)") {
 *             ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3, 4));
 *             sample_result(s, ag_sum_dims(a, AG_DIMS(0, 2), true));
 *         }
 *         REFUSES("ag_sum_dims: dimension 5 is out of range for (2,3)") {
 *             ag_sum_dims(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(5), false);
 *         }
 *     }
 *
 * The text of a SAMPLE is the same computation in PyTorch's words (with `torch` and `F` in scope): the reference values are
 * made from it. The text of a REFUSES is how the error message begins.
 *
 * The driver decides the type (float32 or float64) and the memory layout (row-major, transposed, every second element, expanded)
 * of the tensors that sample_float() gives, perturbs their elements for numerical checks, and checks first and second derivatives of
 * what sample_result() was given.
 */
#ifndef WENGERT_AUTOGRAD_SAMPLES_H
#define WENGERT_AUTOGRAD_SAMPLES_H

#ifdef WENGERT_SAMPLES

#include "op.h"

typedef struct ag_samples ag_samples; /* the driver's state: tests/autograd/samples_driver.c */

typedef struct ag_sample_set {
    const struct ag_op *op; /* NULL: a function composed of operations */
    const char *name;
    void (*run)(ag_samples *s);
    const char *file;
    struct ag_sample_set *next;
} ag_sample_set;

void ag_sample_register(ag_sample_set *set); /* called before main() */
void ag_sample_register_op(const struct ag_op *op);

/* Whether this run is for the block with this text; counts blocks while the driver lists them. */
bool ag_sample_enter(ag_samples *s, const char *text, bool refuses);
/* A floating tensor with elements in (-2, 2), away from 0 by at least 0.1 and from each other; requires a gradient. */
ag_tensor sample_float(ag_samples *s, const char *name, ag_shape shape);
/* The same with elements in (low, high). */
ag_tensor sample_range(ag_samples *s, const char *name, ag_shape shape, double low, double high);
/* Given values (shape must have that many elements); requires a gradient. */
ag_tensor sample_values(ag_samples *s, const char *name, ag_shape shape, const double *values);
/* A floating tensor without gradient: running statistics, targets. */
ag_tensor sample_constant(ag_samples *s, const char *name, ag_shape shape, double low, double high);
/* An int64 tensor with elements in low..high-1; and uint8 0 or 1. */
ag_tensor sample_int(ag_samples *s, const char *name, ag_shape shape, int64_t low, int64_t high);
ag_tensor sample_mask(ag_samples *s, const char *name, ag_shape shape);
/* The type in force, for constants made in a sample. */
ag_dtype sample_dtype(ag_samples *s);
/* What the sample computes; once per run, or several times for operations with several results (PyTorch: a tuple). */
void sample_result(ag_samples *s, ag_tensor y);
/* For functions with kinks or of which the second derivative is not defined: the driver leaves the second order out. */
void sample_first_order_only(ag_samples *s);

/* For functions whose gradient is defined to be another than the limit of differences (straight-through, padding rows): the driver
 * compares with PyTorch only. */
void sample_no_differences(ag_samples *s);
/* For a sample that cannot agree with PyTorch within 1e-12 (float64) and 1e-5 (float32) of its largest element: the tolerances
 * instead (0: the usual one), at most 1e-9 and 1e-3, and why. The suite counts these samples and allows few. */
void sample_looser(ag_samples *s, double float64, double float32, const char *reason);

#define SAMPLE(text) if (ag_sample_enter(s, text, false))
#define REFUSES(text) if (ag_sample_enter(s, text, true))

/* `op_<name>` is the operation the samples are for. AG_SAMPLES_OF_FUNCTION is for functions composed of operations. */
#define AG_SAMPLES(name) AG_SAMPLES_FOR_(name, &op_##name)
#define AG_SAMPLES_OF_FUNCTION(name) AG_SAMPLES_FOR_(name, NULL)
#define AG_SAMPLES_FOR_(name, operation)                                                       \
    static void samples_of_##name(ag_samples *s);                                              \
    static ag_sample_set sample_set_of_##name = {operation, #name, samples_of_##name, __FILE__, 0}; \
    AG_CONSTRUCTOR static void register_samples_of_##name(void)                                \
    {                                                                                          \
        ag_sample_register(&sample_set_of_##name);                                             \
    }                                                                                          \
    static void samples_of_##name(ag_samples *s)

/* Every operation: AG_OP(tanh) { … }; declares `static const struct ag_op op_tanh` and lists it for the tests. */
#define AG_OP(name)                                              \
    static const struct ag_op op_##name;                         \
    AG_CONSTRUCTOR static void register_op_##name(void)          \
    {                                                            \
        ag_sample_register_op(&op_##name);                       \
    }                                                            \
    static const struct ag_op op_##name =
#else
#define AG_OP(name) static const struct ag_op op_##name =
#endif

#endif
