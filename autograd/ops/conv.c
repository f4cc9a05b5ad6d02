/*
 * Convolution in two dimensions, and its two gradients as operations of their own. Knows shapes, padding and memory order;
 * the arithmetic is in kernels/conv.c.
 *
 * Note [Convolution and its gradients]
 * With the geometry fixed, convolution is bilinear in image and weight. Three operations close the circle, each one's
 * derivative being the other two, so that every order of derivative is again a convolution:
 *     conv2d(x, w)         image, weight    -> result
 *     conv2d_input(g, w)   result, weight   -> image      what sends g back through w
 *     conv2d_weight(x, g)  image, result    -> weight     how x and g correlate
 */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/ops/conv_parts.h"
#include "autograd/samples.h"

/* All three operations carry the same: the config, and the sizes that two of the three tensors do not tell. */
struct conv_params {
    ag_conv2d_config config;
    int64_t image[2];  /* H, W */
    int64_t kernel[2]; /* KH, KW */
};

static ag_tensor conv2d_input(ag_tensor g, ag_tensor w, const struct conv_params *params);
static ag_tensor conv2d_weight(ag_tensor x, ag_tensor g, const struct conv_params *params);

ag_conv2d_config ag_conv2d_defaults(void)
{
    return (ag_conv2d_config){
        .made_by_defaults = OPS_MADE_BY_DEFAULTS,
        .stride = { 1, 1 },
        .dilation = { 1, 1 },
        .groups = 1,
        .padding_mode = AG_PADDING_NUMBERS,
    };
}

/* ---- geometry, shared by the three ------------------------------------------------------------------------------------- */

/* Zeros before and after a dimension of the image. */
static void padding_of(const struct conv_params *p, int d, int64_t *before, int64_t *after)
{
    int64_t total = p->config.dilation[d] * (p->kernel[d] - 1);
    switch (p->config.padding_mode) {
    case AG_PADDING_NUMBERS:
        *before = *after = p->config.padding[d];
        break;
    case AG_PADDING_VALID:
        *before = *after = 0;
        break;
    case AG_PADDING_SAME:
        *before = total / 2;
        *after = total - *before;
        break;
    }
}

static int64_t result_size(const struct conv_params *p, int d)
{
    int64_t before = 0, after = 0;
    padding_of(p, d, &before, &after);
    return (p->image[d] + before + after - p->config.dilation[d] * (p->kernel[d] - 1) - 1) / p->config.stride[d] + 1;
}

/* n images of c channels, o results. */
static k_conv geometry(const struct conv_params *p, int64_t n, int64_t c, int64_t o)
{
    int64_t top = 0, left = 0, unused = 0;
    padding_of(p, 0, &top, &unused);
    padding_of(p, 1, &left, &unused);
    return (k_conv){
        .n = n, .h = p->image[0], .w = p->image[1], .c = c,
        .o = o, .kh = p->kernel[0], .kw = p->kernel[1], .groups = p->config.groups,
        .oh = result_size(p, 0), .ow = result_size(p, 1),
        .stride = { p->config.stride[0], p->config.stride[1] },
        .dilation = { p->config.dilation[0], p->config.dilation[1] },
        .pad_top = top, .pad_left = left,
    };
}

/* ---- conv2d ---------------------------------------------------------------
 * y[n,o,i,j] = b[o] + sum over c,k,l of x[n, c, i stride + k dilation - padding, …] w[o,c,k,l]
 * dx = conv2d_input(dy, w)          dw = conv2d_weight(x, dy)          db = sum of dy over n, i, j */

enum { LARGEST = 1 << 30 }; /* of stride, padding and dilation: sums and products of them stay far from overflow */

static bool config_is_right(ag_call *call, const ag_conv2d_config *c)
{
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        return ag_call_fail(call, AG_ERROR_VALUE, "the config must come from ag_conv2d_defaults()");
    }
    for (int d = 0; d < 2; d++) {
        if (c->stride[d] < 1 || c->stride[d] > LARGEST) {
            return ag_call_fail(call, AG_ERROR_VALUE, "stride %lld must be at least 1 and at most 2^30",
                                (long long)c->stride[d]);
        }
        if (c->dilation[d] < 1 || c->dilation[d] > LARGEST) {
            return ag_call_fail(call, AG_ERROR_VALUE, "dilation %lld must be at least 1 and at most 2^30",
                                (long long)c->dilation[d]);
        }
        if (c->padding_mode == AG_PADDING_NUMBERS && (c->padding[d] < 0 || c->padding[d] > LARGEST)) {
            return ag_call_fail(call, AG_ERROR_VALUE, "padding %lld must not be negative nor above 2^30",
                                (long long)c->padding[d]);
        }
        if (c->padding_mode == AG_PADDING_SAME && c->stride[d] != 1) {
            return ag_call_fail(call, AG_ERROR_VALUE, "padding \"same\" needs stride 1, got %lld",
                                (long long)c->stride[d]);
        }
    }
    if ((unsigned)c->padding_mode > AG_PADDING_SAME) {
        return ag_call_fail(call, AG_ERROR_VALUE, "padding_mode %d is unknown", (int)c->padding_mode);
    }
    if (c->groups < 1) {
        return ag_call_fail(call, AG_ERROR_VALUE, "groups %lld must be at least 1", (long long)c->groups);
    }
    return true;
}

static struct conv_params params_of(const ag_conv2d_config *config, const ag_array *x, const ag_array *w)
{
    struct conv_params p = { *config, { x->size[2], x->size[3] }, { w->size[2], w->size[3] } };
    return p;
}

static bool conv2d_shape(ag_call *call)
{
    const ag_conv2d_config *c = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *w = ag_call_input(call, 1);
    char tx[AG_SHAPE_TEXT], tw[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !ops_need_same_dtype(call, x, w) || !config_is_right(call, c)) {
        return false;
    }
    ops_text(x, tx);
    ops_text(w, tw);
    if (x->ndim != 4) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N,C,H,W)", tx);
    }
    if (w->ndim != 4 || w->numel == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "weight %s must be (O,C/groups,KH,KW), none of them 0", tw);
    }
    int64_t channels = w->size[1] * c->groups;
    if (x->size[1] != channels) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s and weight %s with %lld groups: the input must have %lld channels",
                            tx, tw, (long long)c->groups, (long long)channels);
    }
    if (w->size[0] % c->groups != 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "weight %s: %lld results cannot be shared out among %lld groups", tw,
                            (long long)w->size[0], (long long)c->groups);
    }
    struct conv_params p = params_of(c, x, w);
    for (int d = 0; d < 2; d++) {
        int64_t before = 0, after = 0;
        padding_of(&p, d, &before, &after);
        if (p.image[d] + before + after < c->dilation[d] * (p.kernel[d] - 1) + 1) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "input %s and weight %s: the kernel is larger than the padded image",
                                tx, tw);
        }
    }
    if (ag_call_has(call, 2)) {
        const ag_array *b = ag_call_input(call, 2);
        if (!ops_need_same_dtype(call, x, b)) {
            return false;
        }
        if (b->ndim != 1 || b->size[0] != w->size[0]) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "bias %s and weight %s: the bias must be (%lld)", ops_text(b, tx), tw,
                                (long long)w->size[0]);
        }
    }
    return ag_call_output_channels_last(call, 0, x->dtype,
                                        AG_SHAPE(x->size[0], w->size[0], result_size(&p, 0), result_size(&p, 1)));
}

static bool conv2d_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *w = ag_call_input(call, 1), *b = ag_call_input(call, 2);
    const ag_array *y = ag_call_result(call, 0);
    if (y->numel == 0) {
        return true;
    }
    struct conv_params p = params_of(ag_call_params(call), x, w);
    k_conv g = geometry(&p, x->size[0], x->size[1], w->size[0]);
    int threads = ag_call_threads(call);
    const void *image = ops_channels_last(call, x), *weight = ops_row_major(call, w);
    const void *bias = b == NULL ? NULL : ops_row_major(call, b);
    void *work = ag_call_work(call, k_conv_forward_bytes(y->dtype, &g, threads));
    if (image == NULL || weight == NULL || (b != NULL && bias == NULL) || work == NULL) {
        return false;
    }
    k_conv_forward(y->dtype, threads, &g, image, weight, bias, y->data, work);
    return true;
}

static void conv2d_backward(ag_sweep *s)
{
    const ag_conv2d_config *config = ag_sweep_params(s);
    ag_shape x = ag_sweep_shape(s, 0), w = ag_sweep_shape(s, 1);
    struct conv_params p = { *config, { x.size[2], x.size[3] }, { w.size[2], w.size[3] } };
    ag_tensor dy = ag_sweep_grad(s, 0);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, conv2d_input(dy, ag_sweep_input(s, 1), &p));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, conv2d_weight(ag_sweep_input(s, 0), dy, &p));
    }
    if (ag_sweep_wants(s, 2)) {
        ag_sweep_add(s, 2, ag_sum_dims(dy, AG_DIMS(0, 2, 3), false));
    }
}

AG_OP(conv2d) {
    .size = sizeof(struct ag_op),
    .name = "conv2d",
    .formula = "y = x * w + b  (cross-correlation)",
    .derivative = "dx = conv2d_input(dy, w);  dw = conv2d_weight(x, dy);  db = sum of dy over N, H, W",
    .inputs = 3,
    .outputs = 1,
    .optional = AG_OPTIONAL(2),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .reads = {AG_SAVE_INPUT(1), AG_SAVE_INPUT(0), AG_READ_NOTHING},
    .params = sizeof(ag_conv2d_config),
    .orders = AG_ORDERS_ANY,
    .shape = conv2d_shape,
    .forward = conv2d_forward,
    .backward = conv2d_backward,
};

ag_tensor ag_conv2d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_conv2d_config config)
{
    ag_tensor in[] = { x, weight, bias }, out[1];
    return ag_apply(where, &op_conv2d, 3, in, &config, out);
}

#ifdef WENGERT_SAMPLES
static void conv_sample(ag_samples *s, ag_shape x, ag_shape w, bool bias, ag_conv2d_config c)
{
    ag_tensor tx = sample_float(s, "x", x), tw = sample_float(s, "w", w);
    ag_tensor b = bias ? sample_float(s, "b", AG_SHAPE(w.size[0])) : AG_NONE;
    sample_result(s, ag_conv2d(tx, tw, b, c));
}

AG_SAMPLES(conv2d)
{
    ag_conv2d_config c = ag_conv2d_defaults();
    SAMPLE("F.conv2d(x, w, b)") {
        conv_sample(s, AG_SHAPE(2, 3, 5, 4), AG_SHAPE(2, 3, 3, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w)") {
        conv_sample(s, AG_SHAPE(2, 2, 4, 4), AG_SHAPE(3, 2, 2, 2), false, c);
    }
    SAMPLE("F.conv2d(x, w, b)  # one channel") {
        conv_sample(s, AG_SHAPE(2, 1, 5, 5), AG_SHAPE(3, 1, 3, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b)  # one by one") {
        conv_sample(s, AG_SHAPE(2, 3, 3, 2), AG_SHAPE(2, 3, 1, 1), true, c);
    }
    SAMPLE("F.conv2d(x, w, b)  # kernel as large as the image") {
        conv_sample(s, AG_SHAPE(2, 2, 3, 4), AG_SHAPE(3, 2, 3, 4), true, c);
    }
    SAMPLE("F.conv2d(x, w, b)  # one row of kernel") {
        conv_sample(s, AG_SHAPE(1, 2, 3, 6), AG_SHAPE(2, 2, 1, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b)  # one element everywhere") {
        conv_sample(s, AG_SHAPE(1, 1, 1, 1), AG_SHAPE(1, 1, 1, 1), true, c);
    }
    SAMPLE("F.conv2d(x, w, b)  # no images") {
        conv_sample(s, AG_SHAPE(0, 2, 3, 3), AG_SHAPE(3, 2, 2, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, padding=1)") {
        c.padding[0] = c.padding[1] = 1;
        conv_sample(s, AG_SHAPE(2, 2, 4, 3), AG_SHAPE(2, 2, 3, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, padding=(2, 0))") {
        c.padding[0] = 2;
        conv_sample(s, AG_SHAPE(1, 2, 3, 4), AG_SHAPE(2, 2, 3, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, padding=3)  # more than the kernel") {
        c.padding[0] = c.padding[1] = 3;
        conv_sample(s, AG_SHAPE(1, 1, 2, 2), AG_SHAPE(2, 1, 2, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, stride=2)") {
        c.stride[0] = c.stride[1] = 2;
        conv_sample(s, AG_SHAPE(2, 2, 5, 6), AG_SHAPE(2, 2, 3, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, stride=(1, 3), padding=(0, 1))") {
        c.stride[1] = 3;
        c.padding[1] = 1;
        conv_sample(s, AG_SHAPE(1, 2, 4, 7), AG_SHAPE(2, 2, 2, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, stride=3)  # stride over the kernel") {
        c.stride[0] = c.stride[1] = 3;
        conv_sample(s, AG_SHAPE(1, 2, 6, 5), AG_SHAPE(2, 2, 2, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, dilation=2)") {
        c.dilation[0] = c.dilation[1] = 2;
        conv_sample(s, AG_SHAPE(1, 2, 6, 5), AG_SHAPE(2, 2, 3, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, stride=(2, 1), padding=(2, 1), dilation=(1, 2))") {
        c.stride[0] = 2;
        c.padding[0] = 2;
        c.padding[1] = 1;
        c.dilation[1] = 2;
        conv_sample(s, AG_SHAPE(2, 2, 5, 5), AG_SHAPE(2, 2, 3, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, padding='valid', dilation=(2, 1))") {
        c.padding_mode = AG_PADDING_VALID;
        c.dilation[0] = 2;
        conv_sample(s, AG_SHAPE(1, 2, 4, 4), AG_SHAPE(2, 2, 2, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, padding='same')") {
        c.padding_mode = AG_PADDING_SAME;
        conv_sample(s, AG_SHAPE(1, 2, 4, 3), AG_SHAPE(2, 2, 3, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, padding='same')  # even kernel") {
        c.padding_mode = AG_PADDING_SAME;
        conv_sample(s, AG_SHAPE(1, 2, 3, 4), AG_SHAPE(2, 2, 2, 4), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, padding='same', dilation=(3, 2))") {
        c.padding_mode = AG_PADDING_SAME;
        c.dilation[0] = 3;
        c.dilation[1] = 2;
        conv_sample(s, AG_SHAPE(1, 1, 4, 5), AG_SHAPE(2, 1, 2, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, groups=2)") {
        c.groups = 2;
        conv_sample(s, AG_SHAPE(2, 4, 3, 3), AG_SHAPE(4, 2, 2, 2), true, c);
    }
    SAMPLE("F.conv2d(x, w, b, groups=3, padding=1)  # depthwise") {
        c.groups = 3;
        c.padding[0] = c.padding[1] = 1;
        conv_sample(s, AG_SHAPE(2, 3, 3, 3), AG_SHAPE(3, 1, 3, 3), true, c);
    }
    SAMPLE("F.conv2d(x, w, groups=2, stride=2, dilation=2, padding=1)  # two results a channel") {
        c.groups = 2;
        c.stride[0] = c.stride[1] = c.dilation[0] = c.dilation[1] = 2;
        c.padding[0] = c.padding[1] = 1;
        conv_sample(s, AG_SHAPE(1, 2, 5, 5), AG_SHAPE(4, 1, 2, 2), false, c);
    }
    SAMPLE("F.conv2d(F.conv2d(x, w, padding=1), w, padding=1)") {
        c.padding[0] = c.padding[1] = 1;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 2, 3, 3)), w = sample_float(s, "w", AG_SHAPE(2, 2, 3, 3));
        sample_result(s, ag_conv2d(ag_conv2d(x, w, AG_NONE, c), w, AG_NONE, c));
    }
    REFUSES("ag_conv2d: input (3,8,8) must be (N,C,H,W)") {
        conv_sample(s, AG_SHAPE(3, 8, 8), AG_SHAPE(2, 3, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: weight (2,3,3) must be (O,C/groups,KH,KW), none of them 0") {
        conv_sample(s, AG_SHAPE(1, 3, 8, 8), AG_SHAPE(2, 3, 3), false, c);
    }
    REFUSES("ag_conv2d: weight (2,3,0,3) must be (O,C/groups,KH,KW), none of them 0") {
        conv_sample(s, AG_SHAPE(1, 3, 8, 8), AG_SHAPE(2, 3, 0, 3), false, c);
    }
    REFUSES("ag_conv2d: input (1,4,8,8) and weight (2,3,3,3) with 1 groups: the input must have 3 channels") {
        conv_sample(s, AG_SHAPE(1, 4, 8, 8), AG_SHAPE(2, 3, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: weight (3,2,3,3): 3 results cannot be shared out among 2 groups") {
        c.groups = 2;
        conv_sample(s, AG_SHAPE(1, 4, 8, 8), AG_SHAPE(3, 2, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: input (1,1,2,8) and weight (2,1,3,3): the kernel is larger than the padded image") {
        conv_sample(s, AG_SHAPE(1, 1, 2, 8), AG_SHAPE(2, 1, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: bias (3) and weight (2,1,3,3): the bias must be (2)") {
        ag_conv2d(sample_float(s, "x", AG_SHAPE(1, 1, 4, 4)), sample_float(s, "w", AG_SHAPE(2, 1, 3, 3)),
                  sample_float(s, "b", AG_SHAPE(3)), c);
    }
    REFUSES("ag_conv2d: stride 0 must be at least 1") {
        c.stride[1] = 0;
        conv_sample(s, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(2, 1, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: dilation 4611686018427387904 must be at least 1 and at most 2^30") {
        c.dilation[0] = (int64_t)1 << 62;
        conv_sample(s, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(2, 1, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: dilation -1 must be at least 1") {
        c.dilation[0] = -1;
        conv_sample(s, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(2, 1, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: padding -1 must not be negative") {
        c.padding[0] = -1;
        conv_sample(s, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(2, 1, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: padding \"same\" needs stride 1, got 2") {
        c.padding_mode = AG_PADDING_SAME;
        c.stride[0] = 2;
        conv_sample(s, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(2, 1, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: groups 0 must be at least 1") {
        c.groups = 0;
        conv_sample(s, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(2, 1, 3, 3), true, c);
    }
    REFUSES("ag_conv2d: the config must come from ag_conv2d_defaults()") {
        ag_conv2d_config zero = { 0 };
        conv_sample(s, AG_SHAPE(1, 1, 4, 4), AG_SHAPE(2, 1, 3, 3), true, zero);
    }
    REFUSES("ag_conv2d: a tensor is needed, got none") {
        ag_conv2d(AG_NONE, sample_float(s, "w", AG_SHAPE(2, 1, 3, 3)), AG_NONE, c);
    }
    REFUSES("ag_conv2d: needs a floating type, got int64") {
        ag_conv2d(sample_int(s, "x", AG_SHAPE(1, 1, 4, 4), 0, 9), sample_float(s, "w", AG_SHAPE(2, 1, 3, 3)), AG_NONE, c);
    }
    REFUSES("ag_conv2d: element types float32 and float64 differ") {
        ag_conv2d(ag_zeros(AG_SHAPE(1, 1, 4, 4), AG_FLOAT32), ag_zeros(AG_SHAPE(2, 1, 3, 3), AG_FLOAT64), AG_NONE, c);
    }
}
#endif

/* ---- conv2d_input ----------------------------------------------------------
 * x = conv2d_input(g, w)          dg = conv2d(dx, w)          dw = conv2d_weight(dx, g)
 * Applied by the rules of this file only: the params are right. */

static bool conv2d_input_shape(ag_call *call)
{
    const struct conv_params *p = ag_call_params(call);
    const ag_array *g = ag_call_input(call, 0), *w = ag_call_input(call, 1);
    return ops_need_shape(call, 0, AG_SHAPE(g->size[0], w->size[0], result_size(p, 0), result_size(p, 1))) &&
           ag_call_output_channels_last(
               call, 0, g->dtype, AG_SHAPE(g->size[0], w->size[1] * p->config.groups, p->image[0], p->image[1]));
}

static bool conv2d_input_forward(ag_call *call)
{
    const ag_array *g = ag_call_input(call, 0), *w = ag_call_input(call, 1), *x = ag_call_result(call, 0);
    if (x->numel == 0) {
        return true;
    }
    k_conv geo = geometry(ag_call_params(call), x->size[0], x->size[1], w->size[0]);
    int threads = ag_call_threads(call);
    const void *result = ops_channels_last(call, g), *weight = ops_row_major(call, w);
    void *work = ag_call_work(call, k_conv_input_bytes(x->dtype, &geo, threads));
    if (result == NULL || weight == NULL || work == NULL) {
        return false;
    }
    k_conv_input(x->dtype, threads, &geo, result, weight, x->data, work);
    return true;
}

static void conv2d_input_backward(ag_sweep *s)
{
    const struct conv_params *p = ag_sweep_params(s);
    ag_tensor dx = ag_sweep_grad(s, 0);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, ag_conv2d(dx, ag_sweep_input(s, 1), AG_NONE, p->config));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, conv2d_weight(dx, ag_sweep_input(s, 0), p));
    }
}

AG_OP(conv2d_input) {
    .size = sizeof(struct ag_op),
    .name = "conv2d_input",
    .formula = "x = the gradient of a convolution's input, from g and w",
    .derivative = "dg = conv2d(dx, w);  dw = conv2d_weight(dx, g)",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .reads = {AG_SAVE_INPUT(1), AG_SAVE_INPUT(0)},
    .params = sizeof(struct conv_params),
    .orders = AG_ORDERS_ANY,
    .shape = conv2d_input_shape,
    .forward = conv2d_input_forward,
    .backward = conv2d_input_backward,
};

static ag_tensor conv2d_input(ag_tensor g, ag_tensor w, const struct conv_params *params)
{
    ag_tensor in[] = { g, w }, out[1];
    return ag_apply(ag_caller(), &op_conv2d_input, 2, in, params, out);
}

ag_tensor ops_conv2d_input(ag_place where, ag_tensor g, ag_tensor weight, ag_conv2d_config config, int64_t h, int64_t w)
{
    ag_shape kernel = ag_shape_of_at(where, weight);
    struct conv_params p = { config, { h, w }, { kernel.size[2], kernel.size[3] } };
    ag_tensor in[] = { g, weight };
    return ag_apply(where, &op_conv2d_input, 2, in, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(conv2d_input)
{
    SAMPLE("torch.nn.grad.conv2d_input((2, 2, 4, 3), w, g, padding=1)") {
        struct conv_params p = { ag_conv2d_defaults(), { 4, 3 }, { 3, 3 } };
        p.config.padding[0] = p.config.padding[1] = 1;
        ag_tensor w = sample_float(s, "w", AG_SHAPE(3, 2, 3, 3)), g = sample_float(s, "g", AG_SHAPE(2, 3, 4, 3));
        sample_result(s, conv2d_input(g, w, &p));
    }
    SAMPLE("torch.nn.grad.conv2d_input((1, 4, 6, 5), w, g, stride=2, dilation=(1, 2), groups=2)") {
        struct conv_params p = { ag_conv2d_defaults(), { 6, 5 }, { 2, 2 } };
        p.config.stride[0] = p.config.stride[1] = p.config.dilation[1] = p.config.groups = 2;
        ag_tensor w = sample_float(s, "w", AG_SHAPE(2, 2, 2, 2)), g = sample_float(s, "g", AG_SHAPE(1, 2, 3, 2));
        sample_result(s, conv2d_input(g, w, &p));
    }
    REFUSES("ag_conv2d_input: input 0 is (1,2,3,3) and must be (1,2,3,2)") {
        struct conv_params p = { ag_conv2d_defaults(), { 4, 3 }, { 2, 2 } };
        conv2d_input(sample_float(s, "g", AG_SHAPE(1, 2, 3, 3)), sample_float(s, "w", AG_SHAPE(2, 2, 2, 2)), &p);
    }
}
#endif

/* ---- conv2d_weight ---------------------------------------------------------
 * w = conv2d_weight(x, g)          dx = conv2d_input(g, dw)          dg = conv2d(x, dw) */

static bool conv2d_weight_shape(ag_call *call)
{
    const struct conv_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *g = ag_call_input(call, 1);
    return ops_need_shape(call, 1, AG_SHAPE(x->size[0], g->size[1], result_size(p, 0), result_size(p, 1))) &&
           ag_call_output(call, 0, x->dtype,
                          AG_SHAPE(g->size[1], x->size[1] / p->config.groups, p->kernel[0], p->kernel[1]));
}

static bool conv2d_weight_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *g = ag_call_input(call, 1), *w = ag_call_result(call, 0);
    if (x->numel == 0) {
        memset(w->data, 0, (size_t)w->numel * ag_dtype_size(w->dtype));
        return true;
    }
    k_conv geo = geometry(ag_call_params(call), x->size[0], x->size[1], w->size[0]);
    int threads = ag_call_threads(call);
    const void *image = ops_channels_last(call, x), *result = ops_channels_last(call, g);
    void *work = ag_call_work(call, k_conv_weight_bytes(w->dtype, &geo, threads));
    if (image == NULL || result == NULL || work == NULL) {
        return false;
    }
    k_conv_weight(w->dtype, threads, &geo, image, result, false, w->data, work);
    return true;
}

static void conv2d_weight_backward(ag_sweep *s)
{
    const struct conv_params *p = ag_sweep_params(s);
    ag_tensor dw = ag_sweep_grad(s, 0);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, conv2d_input(ag_sweep_input(s, 1), dw, p));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_conv2d(ag_sweep_input(s, 0), dw, AG_NONE, p->config));
    }
}

AG_OP(conv2d_weight) {
    .size = sizeof(struct ag_op),
    .name = "conv2d_weight",
    .formula = "w = the gradient of a convolution's weight, from x and g",
    .derivative = "dx = conv2d_input(g, dw);  dg = conv2d(x, dw)",
    .inputs = 2,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1),
    .reads = {AG_SAVE_INPUT(1), AG_SAVE_INPUT(0)},
    .params = sizeof(struct conv_params),
    .orders = AG_ORDERS_ANY,
    .shape = conv2d_weight_shape,
    .forward = conv2d_weight_forward,
    .backward = conv2d_weight_backward,
};

static ag_tensor conv2d_weight(ag_tensor x, ag_tensor g, const struct conv_params *params)
{
    ag_tensor in[] = { x, g }, out[1];
    return ag_apply(ag_caller(), &op_conv2d_weight, 2, in, params, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(conv2d_weight)
{
    SAMPLE("torch.nn.grad.conv2d_weight(x, (3, 2, 3, 3), g, padding=1)") {
        struct conv_params p = { ag_conv2d_defaults(), { 4, 3 }, { 3, 3 } };
        p.config.padding[0] = p.config.padding[1] = 1;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 4, 3)), g = sample_float(s, "g", AG_SHAPE(2, 3, 4, 3));
        sample_result(s, conv2d_weight(x, g, &p));
    }
    SAMPLE("torch.nn.grad.conv2d_weight(x, (2, 2, 2, 2), g, stride=2, dilation=(1, 2), groups=2)") {
        struct conv_params p = { ag_conv2d_defaults(), { 6, 5 }, { 2, 2 } };
        p.config.stride[0] = p.config.stride[1] = p.config.dilation[1] = p.config.groups = 2;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 4, 6, 5)), g = sample_float(s, "g", AG_SHAPE(1, 2, 3, 2));
        sample_result(s, conv2d_weight(x, g, &p));
    }
    REFUSES("ag_conv2d_weight: input 1 is (2,3,4,3) and must be (2,3,3,2)") {
        struct conv_params p = { ag_conv2d_defaults(), { 4, 3 }, { 2, 2 } };
        conv2d_weight(sample_float(s, "x", AG_SHAPE(2, 2, 4, 3)), sample_float(s, "g", AG_SHAPE(2, 3, 4, 3)), &p);
    }
}
#endif
