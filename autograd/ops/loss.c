/*
 * Losses of regression: squares, absolute values, and what lies between. See pointwise_loss.h for what they share.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/ops/pointwise_loss.h"
#include "autograd/samples.h"

/* Contributes dx to x and -dx to y. */
static void add_difference(ag_sweep *s, ag_tensor dx)
{
    ag_sweep_add(s, 0, dx);
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_neg(dx));
    }
}

/* ---- mse_loss -----------------------------------------------------------------
 * (x - y)^2          dx = 2 (x - y) dloss = -dy */

static void mse_loss_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    ag_tensor error = ag_sub(ag_sweep_input(s, 0), ag_sweep_input(s, 1));
    ag_tensor dx = ag_mul(error, ag_mul_scalar(loss_gradient_per_element(s), 2));
    add_difference(s, dx);
}

AG_OP(mse_loss){POINTWISE_LOSS(mse_loss, "(x - y)^2", "dx = 2 (x - y) dloss;  dy = -dx")};

ag_tensor ag_mse_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_mse_loss, K_LOSS_MSE, 0, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_mse_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction)
{
    return loss_apply(where, &op_mse_loss, K_LOSS_MSE, 0, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(mse_loss)
{
    LOSS_SAMPLES(mse_loss, "mse_loss")
}
#endif

/* ---- l1_loss ------------------------------------------------------------------
 * |x - y|          dx = sign(x - y) dloss = -dy */

static void l1_loss_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    ag_tensor error = ag_sub(ag_sweep_input(s, 0), ag_sweep_input(s, 1));
    ag_tensor dx = ag_mul(ag_sign(error), loss_gradient_per_element(s));
    add_difference(s, dx);
}

AG_OP(l1_loss){POINTWISE_LOSS(l1_loss, "|x - y|", "dx = sign(x - y) dloss;  dy = -dx")};

ag_tensor ag_l1_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_l1_loss, K_LOSS_L1, 0, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_l1_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction)
{
    return loss_apply(where, &op_l1_loss, K_LOSS_L1, 0, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(l1_loss)
{
    LOSS_SAMPLES(l1_loss, "l1_loss")
}
#endif

/* ---- smooth_l1_loss -----------------------------------------------------------
 * with d = x - y:  d^2 / (2 beta) for |d| < beta, else |d| - beta / 2          dx = clamp(d / beta, -1, 1) dloss = -dy
 * Girshick 2015. beta = 0 is l1_loss. */

static void smooth_l1_loss_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    const struct loss_params *p = ag_sweep_params(s);
    ag_tensor d = ag_sub(ag_sweep_input(s, 0), ag_sweep_input(s, 1));
    ag_tensor slope = p->at > 0 ? ag_clamp(ag_mul_scalar(d, 1 / p->at), -1, 1) : ag_sign(d);
    add_difference(s, ag_mul(slope, loss_gradient_per_element(s)));
}

static bool smooth_l1_loss_shape(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    if (!(p->at >= 0)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "beta is %g and must be at least 0", p->at);
    }
    return loss_shape(call);
}

AG_OP(smooth_l1_loss){POINTWISE_LOSS_WITH(smooth_l1_loss, smooth_l1_loss_shape,
                                          "|x - y| < beta ? (x - y)^2 / (2 beta) : |x - y| - beta / 2",
                                          "dx = clamp((x - y) / beta, -1, 1) dloss;  dy = -dx"), .numbers = "beta"};

ag_tensor ag_smooth_l1_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_smooth_l1_loss, K_LOSS_SMOOTH_L1, 1, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_smooth_l1_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, double beta, ag_reduction reduction)
{
    return loss_apply(where, &op_smooth_l1_loss, K_LOSS_SMOOTH_L1, beta, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(smooth_l1_loss)
{
#define ag_smooth_l1_loss_reduced(x, y, reduction) ag_smooth_l1_loss_with(x, y, 1, reduction)
    LOSS_SAMPLES_AS(smooth_l1_loss, smooth_l1_loss_reduced, "smooth_l1_loss")
#define BENT_SAMPLES(ours, theirs, at)                                                                                \
    SAMPLE("F." theirs "(x, y)  # both parts") {                                                                     \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_constant(s, "y", AG_SHAPE(3, 4), -0.05, 0.05); \
        sample_result(s, ag_##ours(x, y));                                                                           \
    }                                                                                                                \
    SAMPLE("F." theirs "(x, y, " at "=0.7, reduction='none')") {                                                     \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 6)), y = sample_range(s, "y", AG_SHAPE(3, 6), -0.01, 0.01);   \
        sample_result(s, ag_##ours##_with(x, y, 0.7, AG_REDUCE_NONE));                                               \
    }                                                                                                                \
    SAMPLE("F." theirs "(x, y, " at "=2., reduction='sum')") {                                                       \
        ag_tensor x = sample_range(s, "x", AG_SHAPE(2, 19), -1, 0), y = sample_range(s, "y", AG_SHAPE(2, 19), 0, 0.5); \
        sample_result(s, ag_##ours##_with(x, y, 2, AG_REDUCE_SUM));                                                  \
    }                                                                                                                \
    SAMPLE("F." theirs "(torch.tensor([1., -1, 3, 0]), torch.tensor([0., 0, 2, 0]), reduction='none')  # where it bends") {\
        const double at_x[] = { 1, -1, 3, 0 }, at_y[] = { 0, 0, 2, 0 };                                              \
        ag_tensor x = ag_cast(ag_from(AG_SHAPE(4), AG_FLOAT64, at_x), sample_dtype(s));                              \
        ag_tensor y = ag_cast(ag_from(AG_SHAPE(4), AG_FLOAT64, at_y), sample_dtype(s));                              \
        sample_result(s, ag_##ours##_with(x, y, 1, AG_REDUCE_NONE));                                                 \
    }
    BENT_SAMPLES(smooth_l1_loss, "smooth_l1_loss", "beta")
    SAMPLE("F.smooth_l1_loss(x, y, beta=0.)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(5)), y = sample_range(s, "y", AG_SHAPE(5), 3, 4);
        sample_result(s, ag_smooth_l1_loss_with(x, y, 0, AG_REDUCE_MEAN));
    }
    REFUSES("ag_smooth_l1_loss: beta is -1 and must be at least 0") {
        ag_smooth_l1_loss_with(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), -1, AG_REDUCE_MEAN);
    }
}
#endif

/* ---- huber_loss ---------------------------------------------------------------
 * with d = x - y:  d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2)          dx = clamp(d, -delta, delta) dloss = -dy
 * Huber 1964. */

static void huber_loss_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    const struct loss_params *p = ag_sweep_params(s);
    ag_tensor d = ag_sub(ag_sweep_input(s, 0), ag_sweep_input(s, 1));
    add_difference(s, ag_mul(ag_clamp(d, -p->at, p->at), loss_gradient_per_element(s)));
}

static bool huber_loss_shape(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    if (!(p->at > 0)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "delta is %g and must be above 0", p->at);
    }
    return loss_shape(call);
}

AG_OP(huber_loss){POINTWISE_LOSS_WITH(huber_loss, huber_loss_shape,
                                      "|x - y| <= delta ? (x - y)^2 / 2 : delta (|x - y| - delta / 2)",
                                      "dx = clamp(x - y, -delta, delta) dloss;  dy = -dx"), .numbers = "delta"};

ag_tensor ag_huber_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_huber_loss, K_LOSS_HUBER, 1, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_huber_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, double delta, ag_reduction reduction)
{
    return loss_apply(where, &op_huber_loss, K_LOSS_HUBER, delta, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(huber_loss)
{
#define ag_huber_loss_reduced(x, y, reduction) ag_huber_loss_with(x, y, 1, reduction)
    LOSS_SAMPLES_AS(huber_loss, huber_loss_reduced, "huber_loss")
    BENT_SAMPLES(huber_loss, "huber_loss", "delta")
    REFUSES("ag_huber_loss: delta is 0 and must be above 0") {
        ag_huber_loss_with(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), 0, AG_REDUCE_MEAN);
    }
    REFUSES("ag_huber_loss: delta is nan and must be above 0") {
        ag_huber_loss_with(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), NAN, AG_REDUCE_MEAN);
    }
}
#endif
