/*
 * Pooling: maxima and averages over windows, with the operations that send gradients back. Knows shapes and memory order; the
 * loops are in kernels/pool.c.
 *
 * Note [Pooling and its gradients]
 * Once the winners are known, max pooling is a selection, and averaging is linear anyway. Each has a partner that runs it
 * backwards, and the two are each other's derivative, so that every order of derivative is one of the two:
 *     max_pool2d  -> winners;   max_pool2d_input (scatter to the winners) <-> max_pool2d_gather (read at the winners)
 *     avg_pool2d <-> avg_pool2d_input
 */
#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

/* The config with its stride resolved, and the image's size, which the result does not tell. */
struct pool_params {
    ag_pool2d_config config;
    int64_t image[2]; /* H, W */
};

static ag_tensor max_pool2d_input(ag_tensor g, ag_tensor index, const struct pool_params *params);
static ag_tensor max_pool2d_gather(ag_tensor x, ag_tensor index, const struct pool_params *params);
static ag_tensor avg_pool2d_input(ag_tensor g, const struct pool_params *params);

ag_pool2d_config ag_pool2d_defaults(int64_t kernel)
{
    return (ag_pool2d_config){
        .made_by_defaults = OPS_MADE_BY_DEFAULTS,
        .kernel = { kernel, kernel },
        .count_include_pad = true,
    };
}

/* ---- geometry ------------------------------------------------------------------------------------------------------------ */

enum { LARGEST = 1 << 30, MOST_CELLS = 1 << 16 };

/* The last window must begin inside the image or the zeros before it, as in PyTorch. */
static int64_t result_size(const ag_pool2d_config *c, int64_t image, int d)
{
    int64_t over = image + 2 * c->padding[d] - c->kernel[d];
    if (!c->ceil_mode) {
        return over < 0 ? 0 : over / c->stride[d] + 1;
    }
    int64_t size = (over + c->stride[d] - 1 < 0) ? 0 : (over + c->stride[d] - 1) / c->stride[d] + 1;
    if (size > 0 && (size - 1) * c->stride[d] >= image + c->padding[d]) {
        size--;
    }
    return size;
}

static bool pool_is_right(ag_call *call, const ag_array *x, const ag_pool2d_config *c)
{
    char tx[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        return ag_call_fail(call, AG_ERROR_VALUE, "the config must come from ag_pool2d_defaults()");
    }
    if (x->ndim != 4) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N,C,H,W)", ops_text(x, tx));
    }
    if (x->size[1] * x->size[2] * x->size[3] == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s: only N may be 0", ops_text(x, tx));
    }
    for (int d = 0; d < 2; d++) {
        if (c->kernel[d] < 1 || c->kernel[d] > LARGEST) {
            return ag_call_fail(call, AG_ERROR_VALUE, "kernel %lld must be at least 1", (long long)c->kernel[d]);
        }
        if (c->stride[d] < 1 || c->stride[d] > LARGEST) {
            return ag_call_fail(call, AG_ERROR_VALUE, "stride %lld must be at least 1", (long long)c->stride[d]);
        }
        if (c->padding[d] < 0 || c->padding[d] > c->kernel[d] / 2) {
            return ag_call_fail(call, AG_ERROR_VALUE, "padding %lld must be 0 to half the kernel %lld",
                                (long long)c->padding[d], (long long)c->kernel[d]);
        }
        if (result_size(c, x->size[2 + d], d) < 1) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "input %s: the kernel (%lld,%lld) is larger than the padded image",
                                ops_text(x, tx), (long long)c->kernel[0], (long long)c->kernel[1]);
        }
    }
    return true;
}

static ag_shape pooled_shape(const ag_array *x, const ag_pool2d_config *c)
{
    return AG_SHAPE(x->size[0], x->size[1], result_size(c, x->size[2], 0), result_size(c, x->size[3], 1));
}

static k_pool geometry(const struct pool_params *p, int64_t n, int64_t channels)
{
    const ag_pool2d_config *c = &p->config;
    return (k_pool){
        .n = n, .h = p->image[0], .w = p->image[1], .c = channels,
        .oh = result_size(c, p->image[0], 0), .ow = result_size(c, p->image[1], 1),
        .kernel = { c->kernel[0], c->kernel[1] },
        .stride = { c->stride[0], c->stride[1] },
        .padding = { c->padding[0], c->padding[1] },
        .count_include_pad = c->count_include_pad,
    };
}

static struct pool_params params_for(const ag_pool2d_config *config, ag_shape x)
{
    struct pool_params p = { *config, { x.size[2], x.size[3] } };
    return p;
}

static ag_pool2d_config stride_resolved(ag_pool2d_config c)
{
    for (int d = 0; d < 2; d++) {
        if (c.stride[d] == 0) {
            c.stride[d] = c.kernel[d];
        }
    }
    return c;
}

/* Of the winners: two bytes for each element of a result of that shape, channels last. */
static ag_shape index_shape(ag_shape y)
{
    return AG_SHAPE(y.size[0], y.size[2], y.size[3], y.size[1], 2);
}

/* The result's shape for n images of `channels` channels. */
static ag_shape result_shape(const struct pool_params *p, int64_t n, int64_t channels)
{
    return AG_SHAPE(n, channels, result_size(&p->config, p->image[0], 0), result_size(&p->config, p->image[1], 1));
}

/* ---- max_pool2d --------------------------------------------------------------
 * y = max over each window, index = which cell of the window won          dx = dy scattered to the winners
 * index is (N,OH,OW,C,2) of uint8: the two bytes of a uint16_t; without elements if no backward can follow */

static bool max_pool2d_shape(ag_call *call)
{
    const ag_pool2d_config *c = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    if (!pool_is_right(call, x, c)) {
        return false;
    }
    if (c->kernel[0] > MOST_CELLS || c->kernel[1] > MOST_CELLS || c->kernel[0] * c->kernel[1] > MOST_CELLS) {
        return ag_call_fail(call, AG_ERROR_VALUE, "kernel (%lld,%lld) has more than 65536 cells", (long long)c->kernel[0],
                            (long long)c->kernel[1]);
    }
    ag_shape y = pooled_shape(x, c), index = index_shape(y);
    index.size[0] = ag_call_recording(call) ? y.size[0] : 0;
    return ag_call_output_channels_last(call, 0, x->dtype, y) && ag_call_output(call, 1, AG_UINT8, index);
}

static bool max_pool2d_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0), *index = ag_call_result(call, 1);
    if (y->numel == 0) {
        return true;
    }
    struct pool_params p = params_for(ag_call_params(call), ops_shape(x));
    k_pool g = geometry(&p, x->size[0], x->size[1]);
    const void *image = ops_channels_last(call, x);
    if (image == NULL) {
        return false;
    }
    k_max_pool(x->dtype, ag_call_threads(call), &g, image, y->data, index->numel > 0 ? index->data : NULL);
    return true;
}

static void max_pool2d_backward(ag_sweep *s)
{
    struct pool_params p = params_for(ag_sweep_params(s), ag_sweep_shape(s, 0));
    ag_sweep_add(s, 0, max_pool2d_input(ag_sweep_grad(s, 0), ag_sweep_output(s, 1), &p));
}

AG_OP(max_pool2d) {
    .size = sizeof(struct ag_op),
    .name = "max_pool2d",
    .formula = "y = max of x over each window",
    .derivative = "dx = dy where x won, else 0",
    .inputs = 1,
    .outputs = 2,
    .saves = AG_SAVE_OUTPUT(1),
    .params = sizeof(ag_pool2d_config),
    .orders = AG_ORDERS_ANY,
    .shape = max_pool2d_shape,
    .forward = max_pool2d_forward,
    .backward = max_pool2d_backward,
};

ag_tensor ag_max_pool2d_at(ag_place where, ag_tensor x, ag_pool2d_config config)
{
    ag_pool2d_config c = stride_resolved(config);
    ag_tensor out[2];
    ag_apply(where, &op_max_pool2d, 1, &x, &c, out);
    if (!ag_is_nil(out[1])) {
        ag_release(out[1]);
    }
    return out[0];
}

#ifdef WENGERT_SAMPLES
static void max_pool_sample(ag_samples *s, ag_shape shape, ag_pool2d_config c)
{
    sample_result(s, ag_max_pool2d(sample_float(s, "x", shape), c));
}

AG_SAMPLES(max_pool2d)
{
    ag_pool2d_config c = ag_pool2d_defaults(2);
    SAMPLE("F.max_pool2d(x, 2)") {
        max_pool_sample(s, AG_SHAPE(2, 3, 4, 4), c);
    }
    SAMPLE("F.max_pool2d(x, 2)  # a row and a column left over") {
        max_pool_sample(s, AG_SHAPE(2, 2, 5, 3), c);
    }
    SAMPLE("F.max_pool2d(x, 2, ceil_mode=True)") {
        c.ceil_mode = true;
        max_pool_sample(s, AG_SHAPE(2, 2, 5, 3), c);
    }
    SAMPLE("F.max_pool2d(x, 3, stride=1)  # windows overlap") {
        c = ag_pool2d_defaults(3);
        c.stride[0] = c.stride[1] = 1;
        max_pool_sample(s, AG_SHAPE(2, 2, 4, 5), c);
    }
    SAMPLE("F.max_pool2d(x, 3, stride=2, padding=1)") {
        c = ag_pool2d_defaults(3);
        c.stride[0] = c.stride[1] = 2;
        c.padding[0] = c.padding[1] = 1;
        max_pool_sample(s, AG_SHAPE(2, 3, 5, 4), c);
    }
    SAMPLE("F.max_pool2d(x, (2, 3), stride=(3, 1), padding=(1, 0), ceil_mode=True)") {
        c.kernel[1] = 3;
        c.stride[0] = 3;
        c.stride[1] = 1;
        c.padding[0] = 1;
        c.ceil_mode = true;
        max_pool_sample(s, AG_SHAPE(1, 2, 6, 5), c);
    }
    SAMPLE("F.max_pool2d(x, 2, stride=3, ceil_mode=True)  # the last window would begin outside") {
        c.stride[0] = c.stride[1] = 3;
        c.ceil_mode = true;
        max_pool_sample(s, AG_SHAPE(1, 1, 6, 7), c);
    }
    SAMPLE("F.max_pool2d(x, (3, 4))  # the whole image") {
        c.kernel[0] = 3;
        c.kernel[1] = 4;
        max_pool_sample(s, AG_SHAPE(2, 2, 3, 4), c);
    }
    SAMPLE("F.max_pool2d(x, 1)") {
        c = ag_pool2d_defaults(1);
        max_pool_sample(s, AG_SHAPE(1, 2, 2, 2), c);
    }
    SAMPLE("F.max_pool2d(x, 2)  # one channel") {
        max_pool_sample(s, AG_SHAPE(2, 1, 4, 6), c);
    }
    SAMPLE("F.max_pool2d(x, 2)  # no images") {
        max_pool_sample(s, AG_SHAPE(0, 2, 4, 4), c);
    }
    SAMPLE("F.max_pool2d(x * x, 2) * x[:, :, :2, :2]") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(1, 2, 4, 4), 0.2, 2);
        ag_tensor corner = ag_narrow(ag_narrow(x, 2, 0, 2), 3, 0, 2);
        sample_result(s, ag_mul(ag_max_pool2d(ag_mul(x, x), c), corner));
    }
    REFUSES("ag_max_pool2d: input (3,8,8) must be (N,C,H,W)") {
        max_pool_sample(s, AG_SHAPE(3, 8, 8), c);
    }
    REFUSES("ag_max_pool2d: input (2,0,8,8): only N may be 0") {
        max_pool_sample(s, AG_SHAPE(2, 0, 8, 8), c);
    }
    REFUSES("ag_max_pool2d: input (1,1,1,4): the kernel (2,2) is larger than the padded image") {
        max_pool_sample(s, AG_SHAPE(1, 1, 1, 4), c);
    }
    REFUSES("ag_max_pool2d: kernel 0 must be at least 1") {
        c.kernel[0] = 0;
        max_pool_sample(s, AG_SHAPE(1, 1, 4, 4), c);
    }
    REFUSES("ag_max_pool2d: stride -1 must be at least 1") {
        c.stride[1] = -1;
        max_pool_sample(s, AG_SHAPE(1, 1, 4, 4), c);
    }
    REFUSES("ag_max_pool2d: padding 2 must be 0 to half the kernel 2") {
        c.padding[0] = 2;
        max_pool_sample(s, AG_SHAPE(1, 1, 4, 4), c);
    }
    REFUSES("ag_max_pool2d: kernel (300,300) has more than 65536 cells") {
        ag_max_pool2d(ag_zeros(AG_SHAPE(1, 1, 300, 300), sample_dtype(s)), ag_pool2d_defaults(300));
    }
    REFUSES("ag_max_pool2d: the config must come from ag_pool2d_defaults()") {
        ag_pool2d_config zero = { 0 };
        max_pool_sample(s, AG_SHAPE(1, 1, 4, 4), zero);
    }
    REFUSES("ag_max_pool2d: needs a floating type, got int64") {
        ag_max_pool2d(sample_int(s, "x", AG_SHAPE(1, 1, 4, 4), 0, 9), c);
    }
}
#endif

/* ---- max_pool2d_input ----------------------------------------------------------
 * x = g scattered to the winners          dg = max_pool2d_gather(dx, index) */

static bool max_pool2d_input_shape(ag_call *call)
{
    const struct pool_params *p = ag_call_params(call);
    const ag_array *g = ag_call_input(call, 0);
    ag_shape y = result_shape(p, g->size[0], g->size[1]);
    return ops_need_shape(call, 0, y) && ops_need_shape(call, 1, index_shape(y)) &&
           ag_call_output_channels_last(call, 0, g->dtype,
                                        AG_SHAPE(g->size[0], g->size[1], p->image[0], p->image[1]));
}

static bool max_pool2d_input_forward(ag_call *call)
{
    const ag_array *g = ag_call_input(call, 0), *index = ag_call_input(call, 1), *x = ag_call_result(call, 0);
    if (x->numel == 0) {
        return true;
    }
    k_pool geo = geometry(ag_call_params(call), x->size[0], x->size[1]);
    const void *result = ops_channels_last(call, g);
    if (result == NULL) {
        return false;
    }
    k_max_pool_input(x->dtype, ag_call_threads(call), &geo, result, index->data, x->data);
    return true;
}

static void max_pool2d_input_backward(ag_sweep *s)
{
    const struct pool_params *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, max_pool2d_gather(ag_sweep_grad(s, 0), ag_sweep_input(s, 1), p));
}

AG_OP(max_pool2d_input) {
    .size = sizeof(struct ag_op),
    .name = "max_pool2d_input",
    .formula = "x = g where the window was won, else 0",
    .derivative = "dg = max_pool2d_gather(dx, index)",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(1),
    .params = sizeof(struct pool_params),
    .orders = AG_ORDERS_ANY,
    .shape = max_pool2d_input_shape,
    .forward = max_pool2d_input_forward,
    .backward = max_pool2d_input_backward,
};

static ag_tensor max_pool2d_input(ag_tensor g, ag_tensor index, const struct pool_params *params)
{
    ag_tensor in[] = { g, index }, out[1];
    return ag_apply(ag_caller(), &op_max_pool2d_input, 2, in, params, out);
}

#ifdef WENGERT_SAMPLES
/* 4 x 4 images in windows of 2 x 2, each won by its last cell. */
static ag_tensor last_cells_win(void)
{
    uint16_t winners[4] = { 3, 3, 3, 3 };
    return ag_from(AG_SHAPE(1, 2, 2, 1, 2), AG_UINT8, winners);
}

static struct pool_params windows_of_two(void)
{
    struct pool_params p = { stride_resolved(ag_pool2d_defaults(2)), { 4, 4 } };
    return p;
}

AG_SAMPLES(max_pool2d_input)
{
    struct pool_params p = windows_of_two();
    SAMPLE("torch.kron(g, torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=g.dtype))") {
        sample_result(s, max_pool2d_input(sample_float(s, "g", AG_SHAPE(1, 1, 2, 2)), last_cells_win(), &p));
    }
    REFUSES("ag_max_pool2d_input: input 0 is (1,1,2,3) and must be (1,1,2,2)") {
        max_pool2d_input(sample_float(s, "g", AG_SHAPE(1, 1, 2, 3)), last_cells_win(), &p);
    }
    REFUSES("ag_max_pool2d_input: input 1 is (1,2,2,1,2) and must be (1,2,2,3,2)") {
        max_pool2d_input(sample_float(s, "g", AG_SHAPE(1, 3, 2, 2)), last_cells_win(), &p);
    }
}
#endif

/* ---- max_pool2d_gather -----------------------------------------------------------
 * y = x at the winner of each window          dx = max_pool2d_input(dy, index) */

static bool max_pool2d_gather_shape(ag_call *call)
{
    const struct pool_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    ag_shape y = result_shape(p, x->size[0], x->size[1]);
    return ops_need_shape(call, 0, AG_SHAPE(x->size[0], x->size[1], p->image[0], p->image[1])) &&
           ops_need_shape(call, 1, index_shape(y)) && ag_call_output_channels_last(call, 0, x->dtype, y);
}

static bool max_pool2d_gather_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *index = ag_call_input(call, 1), *y = ag_call_result(call, 0);
    if (y->numel == 0) {
        return true;
    }
    k_pool geo = geometry(ag_call_params(call), x->size[0], x->size[1]);
    const void *image = ops_channels_last(call, x);
    if (image == NULL) {
        return false;
    }
    k_max_pool_gather(x->dtype, ag_call_threads(call), &geo, image, index->data, y->data);
    return true;
}

static void max_pool2d_gather_backward(ag_sweep *s)
{
    const struct pool_params *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, max_pool2d_input(ag_sweep_grad(s, 0), ag_sweep_input(s, 1), p));
}

AG_OP(max_pool2d_gather) {
    .size = sizeof(struct ag_op),
    .name = "max_pool2d_gather",
    .formula = "y = x at the winner of each window",
    .derivative = "dx = max_pool2d_input(dy, index)",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(1),
    .params = sizeof(struct pool_params),
    .orders = AG_ORDERS_ANY,
    .shape = max_pool2d_gather_shape,
    .forward = max_pool2d_gather_forward,
    .backward = max_pool2d_gather_backward,
};

static ag_tensor max_pool2d_gather(ag_tensor x, ag_tensor index, const struct pool_params *params)
{
    ag_tensor in[] = { x, index }, out[1];
    return ag_apply(ag_caller(), &op_max_pool2d_gather, 2, in, params, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(max_pool2d_gather)
{
    struct pool_params p = windows_of_two();
    SAMPLE("x[:, :, 1::2, 1::2] * 1") {
        sample_result(s, max_pool2d_gather(sample_float(s, "x", AG_SHAPE(1, 1, 4, 4)), last_cells_win(), &p));
    }
    REFUSES("ag_max_pool2d_gather: input 0 is (1,1,4,5) and must be (1,1,4,4)") {
        max_pool2d_gather(sample_float(s, "x", AG_SHAPE(1, 1, 4, 5)), last_cells_win(), &p);
    }
}
#endif

/* ---- avg_pool2d ----------------------------------------------------------------
 * y = mean of x over each window          dx = avg_pool2d_input(dy) */

static bool avg_pool2d_shape(ag_call *call)
{
    const ag_pool2d_config *c = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    return pool_is_right(call, x, c) && ag_call_output_channels_last(call, 0, x->dtype, pooled_shape(x, c));
}

static bool avg_pool2d_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    if (y->numel == 0) {
        return true;
    }
    struct pool_params p = params_for(ag_call_params(call), ops_shape(x));
    k_pool g = geometry(&p, x->size[0], x->size[1]);
    const void *image = ops_channels_last(call, x);
    if (image == NULL) {
        return false;
    }
    k_avg_pool(x->dtype, ag_call_threads(call), &g, image, y->data);
    return true;
}

static void avg_pool2d_backward(ag_sweep *s)
{
    struct pool_params p = params_for(ag_sweep_params(s), ag_sweep_shape(s, 0));
    ag_sweep_add(s, 0, avg_pool2d_input(ag_sweep_grad(s, 0), &p));
}

AG_OP(avg_pool2d) {
    .size = sizeof(struct ag_op),
    .name = "avg_pool2d",
    .formula = "y = mean of x over each window",
    .derivative = "dx = dy spread over each window",
    .inputs = 1,
    .outputs = 1,
    .saves = AG_SAVE_NOTHING,
    .params = sizeof(ag_pool2d_config),
    .orders = AG_ORDERS_ANY,
    .shape = avg_pool2d_shape,
    .forward = avg_pool2d_forward,
    .backward = avg_pool2d_backward,
};

ag_tensor ag_avg_pool2d_at(ag_place where, ag_tensor x, ag_pool2d_config config)
{
    ag_pool2d_config c = stride_resolved(config);
    ag_tensor out[1];
    return ag_apply(where, &op_avg_pool2d, 1, &x, &c, out);
}

#ifdef WENGERT_SAMPLES
static void avg_pool_sample(ag_samples *s, ag_shape shape, ag_pool2d_config c)
{
    sample_result(s, ag_avg_pool2d(sample_float(s, "x", shape), c));
}

AG_SAMPLES(avg_pool2d)
{
    ag_pool2d_config c = ag_pool2d_defaults(2);
    SAMPLE("F.avg_pool2d(x, 2)") {
        avg_pool_sample(s, AG_SHAPE(2, 3, 4, 4), c);
    }
    SAMPLE("F.avg_pool2d(x, 2)  # a row and a column left over") {
        avg_pool_sample(s, AG_SHAPE(2, 2, 5, 3), c);
    }
    SAMPLE("F.avg_pool2d(x, 2, ceil_mode=True)") {
        c.ceil_mode = true;
        avg_pool_sample(s, AG_SHAPE(2, 2, 5, 3), c);
    }
    SAMPLE("F.avg_pool2d(x, 3, stride=2, padding=1)") {
        c = ag_pool2d_defaults(3);
        c.stride[0] = c.stride[1] = 2;
        c.padding[0] = c.padding[1] = 1;
        avg_pool_sample(s, AG_SHAPE(2, 3, 5, 4), c);
    }
    SAMPLE("F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)") {
        c = ag_pool2d_defaults(3);
        c.stride[0] = c.stride[1] = 2;
        c.padding[0] = c.padding[1] = 1;
        c.count_include_pad = false;
        avg_pool_sample(s, AG_SHAPE(2, 3, 5, 4), c);
    }
    SAMPLE("F.avg_pool2d(x, (3, 2), stride=(2, 3), padding=(1, 1), ceil_mode=True)") {
        c.kernel[0] = 3;
        c.stride[0] = 2;
        c.stride[1] = 3;
        c.padding[0] = c.padding[1] = 1;
        c.ceil_mode = true;
        avg_pool_sample(s, AG_SHAPE(1, 2, 6, 6), c);
    }
    SAMPLE("F.avg_pool2d(x, (3, 2), stride=(2, 3), padding=(1, 1), ceil_mode=True, count_include_pad=False)") {
        c.kernel[0] = 3;
        c.stride[0] = 2;
        c.stride[1] = 3;
        c.padding[0] = c.padding[1] = 1;
        c.ceil_mode = true;
        c.count_include_pad = false;
        avg_pool_sample(s, AG_SHAPE(1, 2, 6, 6), c);
    }
    SAMPLE("F.avg_pool2d(x, (3, 4))  # the whole image") {
        c.kernel[0] = 3;
        c.kernel[1] = 4;
        avg_pool_sample(s, AG_SHAPE(2, 2, 3, 4), c);
    }
    SAMPLE("F.avg_pool2d(x, 2, stride=1)  # one channel") {
        c.stride[0] = c.stride[1] = 1;
        avg_pool_sample(s, AG_SHAPE(2, 1, 3, 4), c);
    }
    SAMPLE("F.avg_pool2d(x, 2)  # no images") {
        avg_pool_sample(s, AG_SHAPE(0, 2, 4, 4), c);
    }
    SAMPLE("F.avg_pool2d(x * x, 2)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 2, 4, 4));
        sample_result(s, ag_avg_pool2d(ag_mul(x, x), c));
    }
    REFUSES("ag_avg_pool2d: input (3,8,8) must be (N,C,H,W)") {
        avg_pool_sample(s, AG_SHAPE(3, 8, 8), c);
    }
    REFUSES("ag_avg_pool2d: padding 2 must be 0 to half the kernel 3") {
        c.kernel[0] = 3;
        c.padding[0] = 2;
        avg_pool_sample(s, AG_SHAPE(1, 1, 4, 4), c);
    }
    REFUSES("ag_avg_pool2d: input (1,1,4,4): the kernel (5,5) is larger than the padded image") {
        avg_pool_sample(s, AG_SHAPE(1, 1, 4, 4), ag_pool2d_defaults(5));
    }
    REFUSES("ag_avg_pool2d: needs a floating type, got int64") {
        ag_avg_pool2d(sample_int(s, "x", AG_SHAPE(1, 1, 4, 4), 0, 9), c);
    }
}
#endif

/* ---- avg_pool2d_input -----------------------------------------------------------
 * x = g spread over each window          dg = avg_pool2d(dx) */

static bool avg_pool2d_input_shape(ag_call *call)
{
    const struct pool_params *p = ag_call_params(call);
    const ag_array *g = ag_call_input(call, 0);
    return ops_need_shape(call, 0, result_shape(p, g->size[0], g->size[1])) &&
           ag_call_output_channels_last(call, 0, g->dtype,
                                        AG_SHAPE(g->size[0], g->size[1], p->image[0], p->image[1]));
}

static bool avg_pool2d_input_forward(ag_call *call)
{
    const ag_array *g = ag_call_input(call, 0), *x = ag_call_result(call, 0);
    if (x->numel == 0) {
        return true;
    }
    k_pool geo = geometry(ag_call_params(call), x->size[0], x->size[1]);
    const void *result = ops_channels_last(call, g);
    if (result == NULL) {
        return false;
    }
    k_avg_pool_input(x->dtype, ag_call_threads(call), &geo, result, x->data);
    return true;
}

static void avg_pool2d_input_backward(ag_sweep *s)
{
    const struct pool_params *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_avg_pool2d(ag_sweep_grad(s, 0), p->config));
}

AG_OP(avg_pool2d_input) {
    .size = sizeof(struct ag_op),
    .name = "avg_pool2d_input",
    .formula = "x = g spread over each window",
    .derivative = "dg = avg_pool2d(dx)",
    .inputs = 1,
    .outputs = 1,
    .saves = AG_SAVE_NOTHING,
    .params = sizeof(struct pool_params),
    .orders = AG_ORDERS_ANY,
    .shape = avg_pool2d_input_shape,
    .forward = avg_pool2d_input_forward,
    .backward = avg_pool2d_input_backward,
};

static ag_tensor avg_pool2d_input(ag_tensor g, const struct pool_params *params)
{
    ag_tensor out[1];
    return ag_apply(ag_caller(), &op_avg_pool2d_input, 1, &g, params, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(avg_pool2d_input)
{
    struct pool_params p = windows_of_two();
    SAMPLE("torch.kron(g, torch.full((2, 2), 0.25, dtype=g.dtype))") {
        sample_result(s, avg_pool2d_input(sample_float(s, "g", AG_SHAPE(2, 3, 2, 2)), &p));
    }
    REFUSES("ag_avg_pool2d_input: input 0 is (2,3,4,2) and must be (2,3,2,2)") {
        avg_pool2d_input(sample_float(s, "g", AG_SHAPE(2, 3, 4, 2)), &p);
    }
}
#endif
