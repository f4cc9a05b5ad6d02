/*
 * Losses that compare x and y of one shape element by element: what mse_loss, l1_loss, bce and their like share. Each has a
 * kind in kernels/loss.c and a recorded way back of its own; the unrecorded one is loss_input, see Note [Two ways back] in
 * softmax.c. Internal.
 */
#ifndef WENGERT_AUTOGRAD_OPS_POINTWISE_LOSS_H
#define WENGERT_AUTOGRAD_OPS_POINTWISE_LOSS_H

#include "autograd/kernels/kernels.h"
#include "autograd/ops/loss_common.h"

struct loss_params {
    double at;     /* beta or delta: where smooth_l1 and huber bend; first, as one of the formula's numbers */
    k_loss_kind kind;
    ag_reduction reduction;
    bool wants[2]; /* for loss_input: which derivatives */
};

ag_tensor loss_apply(ag_place where, const struct ag_op *op, k_loss_kind kind, double at, ag_tensor x, ag_tensor y,
                     ag_reduction reduction);
bool loss_shape(ag_call *call);
bool loss_forward(ag_call *call);
/* The gradient that reaches each element's loss. */
ag_tensor loss_gradient_per_element(ag_sweep *s);
/* Both ways back in one pass, for a sweep that is not recorded. */
void loss_input(ag_sweep *s);

#define POINTWISE_LOSS(op, formula, derivative) POINTWISE_LOSS_WITH(op, loss_shape, formula, derivative)
#define POINTWISE_LOSS_WITH(op, shape_rule, formula_text, derivative_text)                                           \
    .size = sizeof(struct ag_op), .name = #op, .formula = "loss = " formula_text, .derivative = derivative_text,     \
    .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1), .params = sizeof(struct loss_params),   \
    .orders = AG_ORDERS_ANY, .shape = shape_rule, .forward = loss_forward, .backward = op##_backward

#ifdef WENGERT_SAMPLES
/* What all of them are tried with: `ours` without its prefix, `reduced` the function of (x, y, reduction), `theirs` in
 * torch.nn.functional. */
#define LOSS_SAMPLES(ours, theirs) LOSS_SAMPLES_AS(ours, ours##_with, theirs)
#define LOSS_SAMPLES_AS(ours, reduced, theirs)                                                                    \
    SAMPLE("F." theirs "(x, y)") {                                                                                \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_range(s, "y", AG_SHAPE(3, 4), 3, 5);       \
        sample_result(s, ag_##ours(x, y));                                                                        \
    }                                                                                                             \
    SAMPLE("F." theirs "(x, y, reduction='sum')") {                                                               \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 19)), y = sample_range(s, "y", AG_SHAPE(2, 19), -6, -4);   \
        sample_result(s, ag_##reduced(x, y, AG_REDUCE_SUM));                                                      \
    }                                                                                                             \
    SAMPLE("F." theirs "(x, y, reduction='none')") {                                                              \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 3, 2));                                                 \
        ag_tensor y = sample_range(s, "y", AG_SHAPE(2, 2, 3, 2), 3, 5);                                           \
        sample_result(s, ag_##reduced(x, y, AG_REDUCE_NONE));                                                     \
    }                                                                                                             \
    SAMPLE("F." theirs "(x, y)  # target without gradient") {                                                     \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(5)), y = sample_constant(s, "y", AG_SHAPE(5), 3, 4);          \
        sample_result(s, ag_##ours(x, y));                                                                        \
    }                                                                                                             \
    SAMPLE("F." theirs "(x, y)  # scalars") {                                                                     \
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR), y = sample_range(s, "y", AG_SHAPE_SCALAR, 3, 4);     \
        sample_result(s, ag_##ours(x, y));                                                                        \
    }                                                                                                             \
    SAMPLE("F." theirs "(x, y, reduction='sum')  # no elements") {                                                \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 3)), y = sample_float(s, "y", AG_SHAPE(0, 3));             \
        sample_result(s, ag_##reduced(x, y, AG_REDUCE_SUM));                                                      \
    }                                                                                                             \
    REFUSES("ag_" #ours ": (3,4) and (4): the shapes must be the same") {                                         \
        ag_##ours(sample_float(s, "x", AG_SHAPE(3, 4)), sample_float(s, "y", AG_SHAPE(4)));                       \
    }                                                                                                             \
    REFUSES("ag_" #ours ": reduction 3 is unknown") {                                                             \
        ag_##reduced(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), (ag_reduction)3);      \
    }                                                                                                             \
    REFUSES("ag_" #ours ": needs a floating type, got int64") {                                                   \
        ag_##ours(sample_int(s, "x", AG_SHAPE(3), 0, 2), sample_float(s, "y", AG_SHAPE(3)));                      \
    }                                                                                                             \
    REFUSES("ag_" #ours ": element types float32 and float64 differ") {                                           \
        ag_##ours(ag_zeros(AG_SHAPE(3), AG_FLOAT32), ag_zeros(AG_SHAPE(3), AG_FLOAT64));                          \
    }
#endif

#endif
