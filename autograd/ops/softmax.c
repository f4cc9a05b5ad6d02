/*
 * Softmax and its logarithm. Knows shapes and dimensions; the loops are in kernels/softmax.c.
 *
 * Note [Two ways back]
 * A backward that is recorded is composed of the library's operations, so that it can be differentiated again. One that is not
 * recorded runs as a single fused pass (softmax_input; also cross_entropy_input, loss_input, batch_norm_input). Both compute
 * the same numbers.
 */
#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

/* ---- softmax ----------------------------------------------------------------
 * y = e^x / sum of e^x along dim          dx = y (dy - sum of dy y along dim) */

struct softmax_params {
    int dim;
    bool log; /* of the logarithm: for softmax_input */
};

/* Seen as (outer, d, inner) around the dimension. */
static void split_at(ag_shape shape, int dim, int64_t *outer, int64_t *d, int64_t *inner)
{
    *outer = *d = *inner = 1;
    for (int i = 0; i < shape.ndim; i++) {
        int64_t *part = i < dim ? outer : i == dim ? d : inner;
        *part *= shape.size[i];
    }
}

static bool softmax_shape(ag_call *call)
{
    const struct softmax_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    int dim = p->dim;
    return ops_need_float(call, x) && ops_need_dim(call, x, &dim) &&
           ag_call_output(call, 0, x->dtype, ops_shape(x));
}

static bool softmax_forward(ag_call *call)
{
    const struct softmax_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    int64_t outer, d, inner;
    split_at(ops_shape(x), p->dim < 0 ? p->dim + x->ndim : p->dim, &outer, &d, &inner);
    const void *data = ops_row_major(call, x);
    if (data == NULL) {
        return false;
    }
    if (y->numel > 0) {
        k_softmax(x->dtype, ag_call_threads(call), outer, d, inner, data, y->data, p->log);
    }
    return true;
}

static ag_tensor softmax_input(ag_tensor dy, ag_tensor y, int dim, bool log);

/* A scalar has no dimension to sum over. */
static ag_tensor sum_along(ag_tensor x, int dim, int ndim)
{
    return ndim == 0 ? x : ag_sum_dims(x, AG_DIMS(dim), true);
}

static void softmax_backward(ag_sweep *s)
{
    const struct softmax_params *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0), y = ag_sweep_output(s, 0);
    if (!ag_sweep_recording(s)) {
        ag_sweep_add(s, 0, softmax_input(dy, y, p->dim, false));
        return;
    }
    ag_tensor shared = sum_along(ag_mul(dy, y), p->dim, ag_sweep_shape(s, 0).ndim);
    ag_sweep_add(s, 0, ag_mul(y, ag_sub(dy, shared)));
}

AG_OP(softmax) {
    .size = sizeof(struct ag_op),
    .name = "softmax",
    .formula = "y = e^x / sum of e^x",
    .derivative = "dx = y (dy - sum of dy y)",
    .inputs = 1,
    .outputs = 1,
    .saves = AG_SAVE_OUTPUT(0),
    .params = sizeof(struct softmax_params),
    .orders = AG_ORDERS_ANY,
    .shape = softmax_shape,
    .forward = softmax_forward,
    .backward = softmax_backward,
};

ag_tensor ag_softmax_at(ag_place where, ag_tensor x, int dim)
{
    struct softmax_params p = { dim, false };
    ag_tensor out[1];
    return ag_apply(where, &op_softmax, 1, &x, &p, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(softmax)
{
#define SOFTMAX_SAMPLE(function, dim_text, note, shape, dim)                                      \
    SAMPLE("torch." #function "(x, " dim_text ")" note) {                                         \
        sample_result(s, ag_##function(sample_float(s, "x", shape), dim));                        \
    }
    SOFTMAX_SAMPLE(softmax, "1", "", AG_SHAPE(3, 4), 1)
    SOFTMAX_SAMPLE(softmax, "0", "", AG_SHAPE(3, 4), 0)
    SOFTMAX_SAMPLE(softmax, "-1", "  # longer than a block", AG_SHAPE(2, 21), -1)
    SOFTMAX_SAMPLE(softmax, "1", "  # in the middle", AG_SHAPE(2, 3, 4), 1)
    SOFTMAX_SAMPLE(softmax, "-3", "", AG_SHAPE(2, 3, 2), -3)
    SOFTMAX_SAMPLE(softmax, "0", "  # vector", AG_SHAPE(5), 0)
    SOFTMAX_SAMPLE(softmax, "1", "  # no rows", AG_SHAPE(0, 3), 1)
    SOFTMAX_SAMPLE(softmax, "1", "  # no columns", AG_SHAPE(2, 0), 1)
    SOFTMAX_SAMPLE(softmax, "1", "  # many columns", AG_SHAPE(1, 2, 19), 1)
    SAMPLE("torch.softmax(x * 300, 1)  # large: the gradient is nothing but rounding") {
        ag_tensor x = sample_constant(s, "x", AG_SHAPE(2, 4), -2, 2);
        sample_result(s, ag_softmax(ag_mul_scalar(x, 300), 1));
    }
    REFUSES("ag_softmax: dimension 2 is out of range for (2,3)") {
        ag_softmax(sample_float(s, "x", AG_SHAPE(2, 3)), 2);
    }
    REFUSES("ag_softmax: dimension -3 is out of range for (2,3)") {
        ag_softmax(sample_float(s, "x", AG_SHAPE(2, 3)), -3);
    }
    REFUSES("ag_softmax: needs a floating type, got int64") {
        ag_softmax(sample_int(s, "x", AG_SHAPE(2, 3), 0, 4), 1);
    }
}
#endif

/* ---- log_softmax ------------------------------------------------------------
 * y = x - log(sum of e^x along dim)          dx = dy - e^y (sum of dy along dim) */

static void log_softmax_backward(ag_sweep *s)
{
    const struct softmax_params *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0), y = ag_sweep_output(s, 0);
    if (!ag_sweep_recording(s)) {
        ag_sweep_add(s, 0, softmax_input(dy, y, p->dim, true));
        return;
    }
    ag_tensor sum = sum_along(dy, p->dim, ag_sweep_shape(s, 0).ndim);
    ag_sweep_add(s, 0, ag_sub(dy, ag_mul(ag_exp(y), sum)));
}

AG_OP(log_softmax) {
    .size = sizeof(struct ag_op),
    .name = "log_softmax",
    .formula = "y = x - log(sum of e^x)",
    .derivative = "dx = dy - e^y (sum of dy)",
    .inputs = 1,
    .outputs = 1,
    .saves = AG_SAVE_OUTPUT(0),
    .params = sizeof(struct softmax_params),
    .orders = AG_ORDERS_ANY,
    .shape = softmax_shape,
    .forward = softmax_forward,
    .backward = log_softmax_backward,
};

ag_tensor ag_log_softmax_at(ag_place where, ag_tensor x, int dim)
{
    struct softmax_params p = { dim, true };
    ag_tensor out[1];
    return ag_apply(where, &op_log_softmax, 1, &x, &p, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(log_softmax)
{
    SOFTMAX_SAMPLE(log_softmax, "1", "", AG_SHAPE(3, 4), 1)
    SOFTMAX_SAMPLE(log_softmax, "0", "", AG_SHAPE(3, 4), 0)
    SOFTMAX_SAMPLE(log_softmax, "-1", "  # longer than a block", AG_SHAPE(2, 21), -1)
    SOFTMAX_SAMPLE(log_softmax, "1", "  # in the middle", AG_SHAPE(2, 3, 4), 1)
    SOFTMAX_SAMPLE(log_softmax, "0", "  # vector", AG_SHAPE(5), 0)
    SOFTMAX_SAMPLE(log_softmax, "1", "  # no rows", AG_SHAPE(0, 3), 1)
#undef SOFTMAX_SAMPLE
    SAMPLE("torch.log_softmax(x * 300, 1)  # large") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 4));
        sample_result(s, ag_log_softmax(ag_mul_scalar(x, 300), 1));
        sample_first_order_only(s);
    }
    REFUSES("ag_log_softmax: dimension 1 is out of range for (3)") {
        ag_log_softmax(sample_float(s, "x", AG_SHAPE(3)), 1);
    }
    REFUSES("ag_log_softmax: needs a floating type, got int64") {
        ag_log_softmax(sample_int(s, "x", AG_SHAPE(2, 3), 0, 4), 1);
    }
}
#endif

/* ---- softmax_input: the way back of both in one pass; see Note [Two ways back] -------------------------------------------- */

static bool softmax_input_shape(ag_call *call)
{
    const ag_array *y = ag_call_input(call, 1);
    return ops_need_shape(call, 0, ops_shape(y)) && ag_call_output(call, 0, y->dtype, ops_shape(y));
}

static bool softmax_input_forward(ag_call *call)
{
    const struct softmax_params *p = ag_call_params(call);
    const ag_array *y = ag_call_input(call, 1), *dx = ag_call_result(call, 0);
    int64_t outer, d, inner;
    split_at(ops_shape(y), p->dim < 0 ? p->dim + y->ndim : p->dim, &outer, &d, &inner);
    const void *g = ops_row_major(call, ag_call_input(call, 0)), *result = ops_row_major(call, y);
    if (g == NULL || result == NULL) {
        return false;
    }
    if (dx->numel > 0) {
        k_softmax_input(y->dtype, ag_call_threads(call), outer, d, inner, g, result, dx->data, p->log);
    }
    return true;
}

AG_OP(softmax_input) {
    .size = sizeof(struct ag_op),
    .name = "softmax_input",
    .formula = "dx = y (dy - sum of dy y), or dy - e^y (sum of dy) for the logarithm",
    .inputs = 2,
    .outputs = 1,
    .params = sizeof(struct softmax_params),
    .shape = softmax_input_shape,
    .forward = softmax_input_forward,
};

static ag_tensor softmax_input(ag_tensor dy, ag_tensor y, int dim, bool log)
{
    struct softmax_params p = { dim, log };
    ag_tensor in[] = { dy, y }, out[1];
    return ag_apply(ag_caller(), &op_softmax_input, 2, in, &p, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(softmax_input)
{
    SAMPLE("y * (g - (g * y).sum(1, True))") {
        ag_tensor g = sample_constant(s, "g", AG_SHAPE(3, 4), -2, 2), y = sample_constant(s, "y", AG_SHAPE(3, 4), 0, 1);
        sample_result(s, softmax_input(g, y, 1, false));
    }
    SAMPLE("g - torch.exp(y) * g.sum(-3, True)") {
        ag_tensor g = sample_constant(s, "g", AG_SHAPE(3, 2, 2), -2, 2);
        sample_result(s, softmax_input(g, sample_constant(s, "y", AG_SHAPE(3, 2, 2), -3, 0), -3, true));
    }
    REFUSES("ag_softmax_input: input 0 is (3) and must be (3,4)") {
        softmax_input(sample_float(s, "g", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3, 4)), 1, false);
    }
}
#endif
