/*
 * Averages over a grid of cells that covers an image, whatever its size. Knows shapes and memory order; the loops are in
 * kernels/adaptive.c. As in Note [Pooling and its gradients] (pool.c) the two operations are each other's derivative.
 */
#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

/* ---- adaptive_avg_pool2d ----------------------------------------------------------
 * y = mean of x over cell i,j of an h x w grid: rows floor(i H / h) to ceil((i + 1) H / h)
 * dx = adaptive_avg_pool2d_input(dy) */

struct adaptive_params {
    int64_t image[2]; /* H, W */
    int64_t grid[2];  /* h, w */
};

static ag_tensor adaptive_avg_pool2d_input(ag_tensor g, const struct adaptive_params *params);

static bool adaptive_avg_pool2d_shape(ag_call *call)
{
    const struct adaptive_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    char tx[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (x->ndim != 4) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N,C,H,W)", ops_text(x, tx));
    }
    if (x->size[1] * x->size[2] * x->size[3] == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s: only N may be 0", ops_text(x, tx));
    }
    if (p->grid[0] < 1 || p->grid[1] < 1) {
        return ag_call_fail(call, AG_ERROR_VALUE, "a grid of %lld x %lld cells is empty", (long long)p->grid[0],
                            (long long)p->grid[1]);
    }
    return ag_call_output_channels_last(call, 0, x->dtype, AG_SHAPE(x->size[0], x->size[1], p->grid[0], p->grid[1]));
}

static bool adaptive_avg_pool2d_forward(ag_call *call)
{
    const struct adaptive_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    if (y->numel == 0) {
        return true;
    }
    const void *image = ops_channels_last(call, x);
    if (image == NULL) {
        return false;
    }
    k_adaptive_avg_pool(x->dtype, ag_call_threads(call), x->size[0], x->size[2], x->size[3], x->size[1], p->grid[0],
                        p->grid[1], image, y->data);
    return true;
}

static void adaptive_avg_pool2d_backward(ag_sweep *s)
{
    struct adaptive_params p = *(const struct adaptive_params *)ag_sweep_params(s);
    ag_shape x = ag_sweep_shape(s, 0);
    p.image[0] = x.size[2];
    p.image[1] = x.size[3];
    ag_sweep_add(s, 0, adaptive_avg_pool2d_input(ag_sweep_grad(s, 0), &p));
}

AG_OP(adaptive_avg_pool2d) {
    .size = sizeof(struct ag_op),
    .name = "adaptive_avg_pool2d",
    .formula = "y = mean of x over the cells of a grid",
    .derivative = "dx = dy spread over each cell",
    .inputs = 1,
    .outputs = 1,
    .saves = AG_SAVE_NOTHING,
    .params = sizeof(struct adaptive_params),
    .orders = AG_ORDERS_ANY,
    .shape = adaptive_avg_pool2d_shape,
    .forward = adaptive_avg_pool2d_forward,
    .backward = adaptive_avg_pool2d_backward,
};

ag_tensor ag_adaptive_avg_pool2d_at(ag_place where, ag_tensor x, int64_t h, int64_t w)
{
    struct adaptive_params p = { .grid = { h, w } };
    ag_tensor out[1];
    return ag_apply(where, &op_adaptive_avg_pool2d, 1, &x, &p, out);
}

#ifdef WENGERT_SAMPLES
static void adaptive_sample(ag_samples *s, ag_shape shape, int64_t h, int64_t w)
{
    sample_result(s, ag_adaptive_avg_pool2d(sample_float(s, "x", shape), h, w));
}

AG_SAMPLES(adaptive_avg_pool2d)
{
    SAMPLE("F.adaptive_avg_pool2d(x, 1)") {
        adaptive_sample(s, AG_SHAPE(2, 3, 3, 4), 1, 1);
    }
    SAMPLE("F.adaptive_avg_pool2d(x, (2, 3))") {
        adaptive_sample(s, AG_SHAPE(2, 2, 4, 6), 2, 3);
    }
    SAMPLE("F.adaptive_avg_pool2d(x, (2, 3))  # cells overlap") {
        adaptive_sample(s, AG_SHAPE(1, 2, 5, 7), 2, 3);
    }
    SAMPLE("F.adaptive_avg_pool2d(x, (5, 4))  # more cells than elements") {
        adaptive_sample(s, AG_SHAPE(1, 2, 3, 2), 5, 4);
    }
    SAMPLE("F.adaptive_avg_pool2d(x, 2)  # no images") {
        adaptive_sample(s, AG_SHAPE(0, 2, 3, 3), 2, 2);
    }
    REFUSES("ag_adaptive_avg_pool2d: input (3,8) must be (N,C,H,W)") {
        adaptive_sample(s, AG_SHAPE(3, 8), 1, 1);
    }
    REFUSES("ag_adaptive_avg_pool2d: a grid of 0 x 2 cells is empty") {
        adaptive_sample(s, AG_SHAPE(1, 1, 4, 4), 0, 2);
    }
    REFUSES("ag_adaptive_avg_pool2d: input (1,2,0,4): only N may be 0") {
        adaptive_sample(s, AG_SHAPE(1, 2, 0, 4), 1, 1);
    }
    REFUSES("ag_adaptive_avg_pool2d: needs a floating type, got int64") {
        ag_adaptive_avg_pool2d(sample_int(s, "x", AG_SHAPE(1, 1, 4, 4), 0, 9), 2, 2);
    }
}
#endif

/* ---- adaptive_avg_pool2d_input --------------------------------------------------------
 * x = g spread over each cell          dg = adaptive_avg_pool2d(dx) */

static bool adaptive_avg_pool2d_input_shape(ag_call *call)
{
    const struct adaptive_params *p = ag_call_params(call);
    const ag_array *g = ag_call_input(call, 0);
    return ops_need_shape(call, 0, AG_SHAPE(g->size[0], g->size[1], p->grid[0], p->grid[1])) &&
           ag_call_output_channels_last(call, 0, g->dtype,
                                        AG_SHAPE(g->size[0], g->size[1], p->image[0], p->image[1]));
}

static bool adaptive_avg_pool2d_input_forward(ag_call *call)
{
    const struct adaptive_params *p = ag_call_params(call);
    const ag_array *g = ag_call_input(call, 0), *x = ag_call_result(call, 0);
    if (x->numel == 0) {
        return true;
    }
    const void *result = ops_channels_last(call, g);
    if (result == NULL) {
        return false;
    }
    k_adaptive_avg_pool_input(x->dtype, ag_call_threads(call), x->size[0], x->size[2], x->size[3], x->size[1], p->grid[0],
                              p->grid[1], result, x->data);
    return true;
}

static void adaptive_avg_pool2d_input_backward(ag_sweep *s)
{
    const struct adaptive_params *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_adaptive_avg_pool2d(ag_sweep_grad(s, 0), p->grid[0], p->grid[1]));
}

AG_OP(adaptive_avg_pool2d_input) {
    .size = sizeof(struct ag_op),
    .name = "adaptive_avg_pool2d_input",
    .formula = "x = g spread over each cell",
    .derivative = "dg = adaptive_avg_pool2d(dx)",
    .inputs = 1,
    .outputs = 1,
    .saves = AG_SAVE_NOTHING,
    .params = sizeof(struct adaptive_params),
    .orders = AG_ORDERS_ANY,
    .shape = adaptive_avg_pool2d_input_shape,
    .forward = adaptive_avg_pool2d_input_forward,
    .backward = adaptive_avg_pool2d_input_backward,
};

static ag_tensor adaptive_avg_pool2d_input(ag_tensor g, const struct adaptive_params *params)
{
    ag_tensor out[1];
    return ag_apply(ag_caller(), &op_adaptive_avg_pool2d_input, 1, &g, params, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(adaptive_avg_pool2d_input)
{
    struct adaptive_params p = { { 4, 6 }, { 2, 3 } };
    SAMPLE("torch.kron(g, torch.full((2, 2), 0.25, dtype=g.dtype))") {
        sample_result(s, adaptive_avg_pool2d_input(sample_float(s, "g", AG_SHAPE(2, 3, 2, 3)), &p));
    }
    REFUSES("ag_adaptive_avg_pool2d_input: input 0 is (2,3,4,2) and must be (2,3,2,3)") {
        adaptive_avg_pool2d_input(sample_float(s, "g", AG_SHAPE(2, 3, 4, 2)), &p);
    }
}
#endif
