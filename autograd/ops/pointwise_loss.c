/*
 * Losses element by element: shapes, memory order, reduction, and the fused way back. The loops are in kernels/loss.c.
 */
#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/ops/pointwise_loss.h"
#include "autograd/samples.h"

ag_tensor loss_apply(ag_place where, const struct ag_op *op, k_loss_kind kind, double at, ag_tensor x, ag_tensor y,
                     ag_reduction reduction)
{
    struct loss_params p = { .kind = kind, .reduction = reduction, .at = at };
    ag_tensor in[] = { x, y }, out[1];
    return ag_apply(where, op, 2, in, &p, out);
}

/* Both channels last: then neither is copied. */
static bool channels_last_loss(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_input(call, 1);
    return !ops_is_row_major(x) && ops_is_channels_last(x) && ops_is_channels_last(y);
}

static const void *in_loss_order(ag_call *call, const ag_array *a)
{
    return channels_last_loss(call) ? ops_channels_last(call, a) : ops_row_major(call, a);
}

static bool loss_output(ag_call *call, int i, const ag_array *like)
{
    return channels_last_loss(call) ? ag_call_output_channels_last(call, i, like->dtype, ops_shape(like))
                                    : ag_call_output(call, i, like->dtype, ops_shape(like));
}

bool loss_shape(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_input(call, 1);
    char tx[AG_SHAPE_TEXT], ty[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !ops_need_same_dtype(call, x, y) ||
        !loss_reduction_is_right(call, p->reduction)) {
        return false;
    }
    if (!ag_shape_equal(ops_shape(x), ops_shape(y))) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s and %s: the shapes must be the same", ops_text(x, tx),
                            ops_text(y, ty));
    }
    return p->reduction == AG_REDUCE_NONE ? loss_output(call, 0, x)
                                          : ag_call_output(call, 0, x->dtype, AG_SHAPE_SCALAR);
}

bool loss_forward(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_input(call, 1), *loss = ag_call_result(call, 0);
    int threads = ag_call_threads(call);
    const void *dx = in_loss_order(call, x), *dy = in_loss_order(call, y);
    if (dx == NULL || dy == NULL) {
        return false;
    }
    int64_t outside = p->kind == K_LOSS_BCE ? k_loss_outside_unit(x->dtype, x->numel, dx) : -1;
    if (outside >= 0) {
        double v = x->dtype == AG_FLOAT32 ? (double)((const float *)dx)[outside] : ((const double *)dx)[outside];
        return ag_call_fail(call, AG_ERROR_VALUE, "%g is no probability: the input must be 0 to 1", v);
    }
    if (p->reduction == AG_REDUCE_NONE) {
        k_loss_values(x->dtype, threads, p->kind, p->at, x->numel, dx, dy, loss->data);
        return true;
    }
    void *work = ag_call_work(call, k_loss_sum_bytes(x->numel));
    if (work == NULL) {
        return false;
    }
    double sum = k_loss_sum(x->dtype, threads, p->kind, p->at, x->numel, dx, dy, work);
    loss_store(loss, p->reduction == AG_REDUCE_MEAN ? sum / (double)x->numel : sum);
    return true;
}

ag_tensor loss_gradient_per_element(ag_sweep *s)
{
    const struct loss_params *p = ag_sweep_params(s);
    ag_tensor g = ag_sweep_grad(s, 0);
    if (p->reduction != AG_REDUCE_MEAN) {
        return g;
    }
    return ag_mul_scalar(g, loss_reduction_scale(p->reduction, ag_shape_numel(ag_sweep_shape(s, 0))));
}

/* ---- loss_input: the way back of all of them in one pass; see Note [Two ways back] -------------------------------- */

static bool loss_input_shape(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    ag_shape g = p->reduction == AG_REDUCE_NONE ? ops_shape(x) : AG_SHAPE_SCALAR;
    if (!ops_need_shape(call, 1, ops_shape(x)) || !ops_need_shape(call, 2, g)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (!(p->wants[i] ? loss_output(call, i, x) : ag_call_output(call, i, x->dtype, AG_SHAPE(0)))) {
            return false;
        }
    }
    return true;
}

static bool loss_input_forward(ag_call *call)
{
    const struct loss_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    bool per_element = p->reduction == AG_REDUCE_NONE;
    const void *px = in_loss_order(call, x), *py = in_loss_order(call, ag_call_input(call, 1));
    const ag_array *gradient = ag_call_input(call, 2);
    const void *g = per_element ? in_loss_order(call, gradient) : ops_row_major(call, gradient);
    if (px == NULL || py == NULL || g == NULL) {
        return false;
    }
    k_loss_input(x->dtype, ag_call_threads(call), p->kind, p->at, x->numel, px, py, g, per_element,
                 loss_reduction_scale(p->reduction, x->numel), p->wants[0] ? ag_call_result(call, 0)->data : NULL,
                 p->wants[1] ? ag_call_result(call, 1)->data : NULL);
    return true;
}

AG_OP(loss_input) {
    .size = sizeof(struct ag_op),
    .name = "loss_input",
    .formula = "dx, dy = the derivatives of a loss times dloss",
    .inputs = 3,
    .outputs = 2,
    .params = sizeof(struct loss_params),
    .shape = loss_input_shape,
    .forward = loss_input_forward,
};

void loss_input(ag_sweep *sweep)
{
    struct loss_params p = *(const struct loss_params *)ag_sweep_params(sweep);
    ag_tensor in[] = { ag_sweep_input(sweep, 0), ag_sweep_input(sweep, 1), ag_sweep_grad(sweep, 0) }, out[2];
    for (int i = 0; i < 2; i++) {
        p.wants[i] = ag_sweep_wants(sweep, i);
    }
    ag_apply(ag_caller(), &op_loss_input, 3, in, &p, out);
    for (int i = 0; i < 2; i++) {
        if (p.wants[i]) {
            ag_sweep_add(sweep, i, out[i]);
        }
    }
}

#ifdef WENGERT_SAMPLES
static void loss_input_sample(ag_samples *s, k_loss_kind kind, double at, ag_reduction reduction, ag_shape g)
{
    struct loss_params p = { at, kind, reduction, { true, true } };
    ag_tensor in[] = { sample_constant(s, "x", AG_SHAPE(2, 3), -2, 2), sample_constant(s, "y", AG_SHAPE(2, 3), 3, 4),
                       sample_constant(s, "g", g, 1, 2) };
    ag_tensor out[2];
    ag_apply(ag_caller(), &op_loss_input, 3, in, &p, out);
    sample_result(s, out[0]);
    sample_result(s, out[1]);
}

AG_SAMPLES(loss_input)
{
    SAMPLE("(2 * (x - y) * g / 6, -2 * (x - y) * g / 6)") {
        loss_input_sample(s, K_LOSS_MSE, 0, AG_REDUCE_MEAN, AG_SHAPE_SCALAR);
    }
    SAMPLE("(torch.sign(x - y) * g, -torch.sign(x - y) * g)") {
        loss_input_sample(s, K_LOSS_L1, 0, AG_REDUCE_NONE, AG_SHAPE(2, 3));
    }
    SAMPLE("((torch.sigmoid(x) - y) * g, -x * g)") {
        loss_input_sample(s, K_LOSS_BCE_LOGITS, 0, AG_REDUCE_SUM, AG_SHAPE_SCALAR);
    }
    REFUSES("ag_loss_input: input 2 is (3) and must be ()") {
        loss_input_sample(s, K_LOSS_BCE_LOGITS, 0, AG_REDUCE_SUM, AG_SHAPE(3));
    }
}
#endif
