/*
 * Group and instance normalisation: batch normalisation's sums and passes (kernels/norm.c) over the channels of each
 * image, the sums of a group's channels being combined here. Images keep their memory order. Wu & He 2018; Ulyanov et al. 2016.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

struct group_params {
    int64_t groups; /* of an image; 0: as many as channels (instance_norm) */
    double eps, momentum;
    bool wants_x; /* for group_norm_input */
};

/* x as `images` runs of memory of p.c channels with p.l places each. Channels first, all images are one run of n c
 * channels. */
struct groups {
    k_norm p;
    int64_t images, channels, groups, per_group; /* over all images: channels (n c), groups; channels of a group */
    bool last;
};

static struct groups groups_of(const struct group_params *params, const ag_array *x)
{
    int64_t l = 1, n = x->size[0], c = x->size[1];
    for (int d = 2; d < x->ndim; d++) {
        l *= x->size[d];
    }
    bool last = ops_is_channels_last(x) && !ops_is_row_major(x);
    int64_t groups = params->groups == 0 ? c : params->groups;
    struct groups g = { .images = last ? n : 1, .channels = n * c, .groups = n * groups, .last = last };
    g.per_group = groups > 0 ? c / groups : 0;
    g.p = (k_norm){ .n = 1, .c = last ? c : n * c, .l = l, .channels_last = last };
    return g;
}

/* An image of c channels is this many elements and channels further on. */
static void *at_image(void *data, ag_dtype dtype, const struct groups *g, int64_t i)
{
    return (char *)data + (size_t)(i * g->p.c * g->p.l) * ag_dtype_size(dtype);
}

static const void *image_of(const void *data, ag_dtype dtype, const struct groups *g, int64_t i)
{
    return (const char *)data + (size_t)(i * g->p.c * g->p.l) * ag_dtype_size(dtype);
}

static const void *in_order_of(ag_call *call, const ag_array *a, const struct groups *g)
{
    return g->last ? ops_channels_last(call, a) : ops_row_major(call, a);
}

static bool output_in_order_of(ag_call *call, int i, const ag_array *x, const struct groups *g)
{
    return g->last ? ag_call_output_channels_last(call, i, x->dtype, ops_shape(x))
                   : ag_call_output(call, i, x->dtype, ops_shape(x));
}

static double get(ag_dtype dtype, const void *data, int64_t i)
{
    return dtype == AG_FLOAT32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static void put(ag_dtype dtype, void *data, int64_t i, double value)
{
    if (dtype == AG_FLOAT32) {
        ((float *)data)[i] = (float)value;
    } else {
        ((double *)data)[i] = value;
    }
}

/* ---- group_norm ---------------------------------------------------------------
 * y = (x - mean) r w + b,  r = 1 / sqrt(var + eps),  mean and var over a group's channels and all places of an image
 * with h = (x - mean) r and m() the mean over the same:
 *     dx = r (w dy - m(w dy) - h m(w dy h))          dw = sum of dy h          db = sum of dy
 * Results 1 and 2, mean and r (N,G), are kept for the way back. */

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };

static bool per_channel(ag_call *call, int i, const char *name, const ag_array *x)
{
    char ta[AG_SHAPE_TEXT], tx[AG_SHAPE_TEXT];
    const ag_array *a = ag_call_has(call, i) ? ag_call_input(call, i) : NULL;
    if (a == NULL) {
        return true;
    }
    if (!ops_need_same_dtype(call, x, a)) {
        return false;
    }
    if (a->ndim != 1 || a->size[0] != x->size[1]) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s and %s %s: it must be (%lld)", ops_text(x, tx), name,
                            ops_text(a, ta), (long long)x->size[1]);
    }
    return true;
}

static bool affine_shape(ag_call *call)
{
    const struct group_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    char tx[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (!(p->eps >= 0)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "eps is %g and must be at least 0", p->eps);
    }
    if (x->ndim < 2) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N,C) or (N,C,...)", ops_text(x, tx));
    }
    return per_channel(call, WEIGHT, "weight", x) && per_channel(call, BIAS, "bias", x);
}

static bool group_outputs(ag_call *call)
{
    const struct group_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    struct groups g = groups_of(p, x);
    ag_shape groups = AG_SHAPE(x->size[0], p->groups == 0 ? x->size[1] : p->groups);
    return output_in_order_of(call, 0, x, &g) && ag_call_output(call, 1, x->dtype, groups) &&
           ag_call_output(call, 2, x->dtype, groups);
}

static bool group_norm_shape(ag_call *call)
{
    const struct group_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    char tx[AG_SHAPE_TEXT];
    if (!affine_shape(call)) {
        return false;
    }
    if (p->groups < 1 || x->size[1] % p->groups != 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s: %lld groups must be at least 1 and divide the channels",
                            ops_text(x, tx), (long long)p->groups);
    }
    if (x->numel == p->groups) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s: %lld groups need more than one value each", ops_text(x, tx),
                            (long long)p->groups);
    }
    return group_outputs(call);
}

/* The running statistics move towards the mean over the batch. */
static void move_running(ag_call *call, const struct groups *g, const double *mean, const double *var)
{
    const struct group_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X), *running[] = { ag_call_input(call, RUNNING_MEAN),
                                                                ag_call_input(call, RUNNING_VAR) };
    int64_t n = x->size[0], c = x->size[1];
    double unbiased = (double)g->p.l / (double)(g->p.l - 1);
    for (int64_t i = 0; i < c; i++) {
        double sums[2] = { 0, 0 };
        for (int64_t j = 0; j < n; j++) {
            sums[0] += mean[j * c + i];
            sums[1] += var[j * c + i] * unbiased;
        }
        for (int k = 0; k < 2; k++) {
            int64_t at = i * running[k]->stride[0];
            put(x->dtype, running[k]->data, at,
                (1 - p->momentum) * get(x->dtype, running[k]->data, at) + p->momentum * sums[k] / (double)n);
        }
    }
    ag_call_changed(call, RUNNING_MEAN);
    ag_call_changed(call, RUNNING_VAR);
}

/* From the channels' own mean and variance to those of their group, in place. */
static void join_groups(const struct groups *g, double *mean, double *var)
{
    int64_t k = g->per_group;
    for (int64_t i = 0; i < g->channels && k > 1; i += k) {
        double m = 0, v = 0;
        for (int64_t j = i; j < i + k; j++) {
            m += mean[j] / (double)k;
        }
        for (int64_t j = i; j < i + k; j++) {
            v += (var[j] + (mean[j] - m) * (mean[j] - m)) / (double)k;
        }
        for (int64_t j = i; j < i + k; j++) {
            mean[j] = m;
            var[j] = v;
        }
    }
}

static bool optional(ag_call *call, int i, const void **data)
{
    *data = ag_call_has(call, i) ? ops_row_major(call, ag_call_input(call, i)) : NULL;
    return *data != NULL || !ag_call_has(call, i);
}

static bool groups_forward(ag_call *call, bool running)
{
    const struct group_params *params = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    struct groups g = groups_of(params, x);
    if (x->numel == 0) {
        return true;
    }
    int threads = ag_call_threads(call);
    int64_t channels = g.channels, c = x->size[1];
    size_t item = ag_dtype_size(x->dtype);
    const void *data = in_order_of(call, x, &g), *w, *b;
    double *exact = ag_call_work(call, (size_t)channels * 2 * sizeof(double));
    char *factors = ag_call_work(call, (size_t)channels * 3 * item);
    void *work = ag_call_work(call, k_norm_bytes(&g.p));
    if (data == NULL || exact == NULL || factors == NULL || work == NULL || !optional(call, WEIGHT, &w) ||
        !optional(call, BIAS, &b)) {
        return false;
    }
    double *var = exact + channels;
    char *scale = factors + (size_t)channels * item, *shift = scale + (size_t)channels * item;
    for (int64_t i = 0; i < g.images; i++) {
        k_norm_stats(x->dtype, threads, &g.p, image_of(data, x->dtype, &g, i), exact + i * g.p.c, var + i * g.p.c, work);
    }
    if (running) {
        move_running(call, &g, exact, var);
    }
    join_groups(&g, exact, var);
    for (int64_t i = 0; i < channels; i++) { /* the mean is rounded before it is subtracted; the shift puts that right */
        double inverse = 1 / sqrt(var[i] + params->eps), all = w != NULL ? inverse * get(x->dtype, w, i % c) : inverse;
        put(x->dtype, factors, i, exact[i]);
        put(x->dtype, scale, i, all);
        double rounding = (get(x->dtype, factors, i) - exact[i]) * get(x->dtype, scale, i);
        put(x->dtype, shift, i, b != NULL ? get(x->dtype, b, i % c) + rounding : rounding);
        put(x->dtype, ag_call_result(call, 1)->data, i / g.per_group, exact[i]);
        put(x->dtype, ag_call_result(call, 2)->data, i / g.per_group, inverse);
    }
    for (int64_t i = 0; i < g.images; i++) {
        size_t at = (size_t)(i * g.p.c) * item;
        k_norm_apply(x->dtype, threads, &g.p, image_of(data, x->dtype, &g, i), factors + at, scale + at, shift + at,
                     at_image(ag_call_result(call, 0)->data, x->dtype, &g, i));
    }
    return true;
}

static bool group_norm_forward(ag_call *call)
{
    return groups_forward(call, false);
}

static void group_norm_input(ag_sweep *s);

/* One number a channel, shaped to be broadcast over x. */
static ag_tensor over_channels(ag_tensor t, ag_shape x)
{
    ag_shape shape = x;
    for (int d = 0; d < x.ndim; d++) {
        shape.size[d] = d == 1 ? x.size[1] : 1;
    }
    return ag_reshape(t, shape);
}

static void groups_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        group_norm_input(s);
        return;
    }
    const struct group_params *p = ag_sweep_params(s);
    ag_shape shape = ag_sweep_shape(s, X);
    int64_t groups = p->groups == 0 ? shape.size[1] : p->groups, all = shape.size[0] * groups;
    ag_shape rows = AG_SHAPE(all, all > 0 ? ag_shape_numel(shape) / all : 0);
    ag_tensor dy = ag_sweep_grad(s, 0), w = ag_sweep_input(s, WEIGHT);
    /* From x anew, so that mean and variance are differentiated too. */
    ag_tensor x = ag_reshape(ag_sweep_input(s, X), rows), centred = ag_sub(x, ag_mean_dims(x, AG_DIMS(1), true));
    ag_tensor r = ag_rsqrt(ag_add_scalar(ag_mean_dims(ag_square(centred), AG_DIMS(1), true), p->eps));
    ag_tensor h = ag_mul(centred, r);
    if (ag_sweep_wants(s, X)) {
        ag_tensor dh = ag_reshape(ag_is_none(w) ? dy : ag_mul(dy, over_channels(w, shape)), rows);
        ag_tensor along_h = ag_mul(h, ag_mean_dims(ag_mul(dh, h), AG_DIMS(1), true));
        dh = ag_sub(ag_sub(dh, ag_mean_dims(dh, AG_DIMS(1), true)), along_h);
        ag_sweep_add(s, X, ag_reshape(ag_mul(dh, r), shape));
    }
    ag_dims dims = { 0 };
    for (int d = 0; d < shape.ndim; d++) {
        if (d != 1) {
            dims.dim[dims.count++] = d;
        }
    }
    if (ag_sweep_wants(s, WEIGHT)) {
        ag_sweep_add(s, WEIGHT, ag_sum_dims(ag_mul(dy, ag_reshape(h, shape)), dims, false));
    }
    if (ag_sweep_wants(s, BIAS)) {
        ag_sweep_add(s, BIAS, ag_sum_dims(dy, dims, false));
    }
}

AG_OP(group_norm) {
    .size = sizeof(struct ag_op),
    .name = "group_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) w + b, of each group of channels",
    .derivative = "dx = r (w dy - m(w dy) - h m(w dy h));  dw = sum of dy h;  db = sum of dy",
    .inputs = 3,
    .outputs = 3,
    .optional = AG_OPTIONAL(1) | AG_OPTIONAL(2),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1) | AG_SAVE_OUTPUT(1) | AG_SAVE_OUTPUT(2),
    .params = sizeof(struct group_params),
    .orders = AG_ORDERS_ANY,
    .shape = group_norm_shape,
    .forward = group_norm_forward,
    .backward = groups_backward,
};

static ag_tensor first_of_three(const ag_tensor *out)
{
    if (!ag_is_nil(out[0])) {
        ag_release(out[1]);
        ag_release(out[2]);
    }
    return out[0];
}

ag_tensor ag_group_norm_at(ag_place where, ag_tensor x, int64_t num_groups, ag_tensor weight, ag_tensor bias, double eps)
{
    struct group_params p = { .groups = num_groups, .eps = eps };
    ag_tensor in[] = { x, weight, bias }, out[3];
    ag_apply(where, &op_group_norm, 3, in, &p, out);
    return first_of_three(out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(group_norm)
{
#define GROUP_SAMPLE(groups, note, shape, c)                                                                         \
    SAMPLE("F.group_norm(x, " #groups ", w, b)" note) {                                                              \
        ag_tensor x = sample_float(s, "x", shape), w = sample_float(s, "w", AG_SHAPE(c));                            \
        sample_result(s, ag_group_norm(x, groups, w, sample_float(s, "b", AG_SHAPE(c)), 1e-5));                      \
    }
    GROUP_SAMPLE(2, "", AG_SHAPE(3, 6), 6)
    GROUP_SAMPLE(2, "  # sequences", AG_SHAPE(2, 4, 3), 4)
    GROUP_SAMPLE(2, "  # images", AG_SHAPE(2, 4, 2, 3), 4)
    GROUP_SAMPLE(1, "  # all channels", AG_SHAPE(2, 3, 2, 2), 3)
    GROUP_SAMPLE(3, "  # each channel", AG_SHAPE(2, 3, 2, 2), 3)
    GROUP_SAMPLE(2, "  # volumes", AG_SHAPE(1, 4, 2, 1, 2), 4)
    GROUP_SAMPLE(2, "  # places of more than a block", AG_SHAPE(1, 2, 67), 2)
    GROUP_SAMPLE(2, "  # no images", AG_SHAPE(0, 4, 2), 4)
    SAMPLE("F.group_norm(x.permute(0, 3, 1, 2), 2, w, b)  # channels last") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 3, 4)), w = sample_float(s, "w", AG_SHAPE(4));
        ag_tensor b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_group_norm(ag_permute(x, AG_DIMS(0, 3, 1, 2)), 2, w, b, 1e-5));
    }
    SAMPLE("F.group_norm(x, 2, eps=0.5)") {
        sample_result(s, ag_group_norm(sample_float(s, "x", AG_SHAPE(2, 4, 3)), 2, AG_NONE, AG_NONE, 0.5));
    }
    SAMPLE("F.group_norm(x, 2, w)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 4, 3)), w = sample_float(s, "w", AG_SHAPE(4));
        sample_result(s, ag_group_norm(x, 2, w, AG_NONE, 1e-5));
    }
    SAMPLE("F.group_norm(x, 2) + b[:, None]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 4, 3)), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_group_norm(x, 2, AG_NONE, b, 1e-5));
    }
    REFUSES("ag_group_norm: input (2,4): 3 groups must be at least 1 and divide the channels") {
        ag_group_norm(sample_float(s, "x", AG_SHAPE(2, 4)), 3, AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_group_norm: input (2,4): 0 groups must be at least 1 and divide the channels") {
        ag_group_norm(sample_float(s, "x", AG_SHAPE(2, 4)), 0, AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_group_norm: input (1,4): 4 groups need more than one value each") {
        ag_group_norm(sample_float(s, "x", AG_SHAPE(1, 4)), 4, AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_group_norm: input (4) must be (N,C) or (N,C,...)") {
        ag_group_norm(sample_float(s, "x", AG_SHAPE(4)), 2, AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_group_norm: input (2,4) and bias (2): it must be (4)") {
        ag_group_norm(sample_float(s, "x", AG_SHAPE(2, 4)), 2, AG_NONE, sample_float(s, "b", AG_SHAPE(2)), 1e-5);
    }
    REFUSES("ag_group_norm: eps is -1 and must be at least 0") {
        ag_group_norm(sample_float(s, "x", AG_SHAPE(2, 4)), 2, AG_NONE, AG_NONE, -1);
    }
    REFUSES("ag_group_norm: needs a floating type, got int64") {
        ag_group_norm(sample_int(s, "x", AG_SHAPE(2, 4), 0, 3), 2, AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_group_norm: element types float32 and float64 differ") {
        ag_group_norm(ag_ones(AG_SHAPE(2, 4), AG_FLOAT32), 2, ag_ones(AG_SHAPE(4), AG_FLOAT64), AG_NONE, 1e-5);
    }
}
#endif

/* ---- instance_norm ------------------------------------------------------------
 * group_norm with a group for each channel; running statistics move towards those of the images. */

static bool instance_norm_shape(ag_call *call)
{
    const struct group_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    char tx[AG_SHAPE_TEXT];
    if (!affine_shape(call) || !per_channel(call, RUNNING_MEAN, "running_mean", x) ||
        !per_channel(call, RUNNING_VAR, "running_var", x)) {
        return false;
    }
    if (!(p->momentum >= 0 && p->momentum <= 1)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "momentum is %g and must be 0 to 1", p->momentum);
    }
    if (ag_call_has(call, RUNNING_MEAN) != ag_call_has(call, RUNNING_VAR)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "running_mean and running_var must be given together");
    }
    if (groups_of(p, x).p.l == 1) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s: an image needs more than one place", ops_text(x, tx));
    }
    return group_outputs(call);
}

static bool instance_norm_forward(ag_call *call)
{
    return groups_forward(call, ag_call_has(call, RUNNING_MEAN));
}

AG_OP(instance_norm) {
    .size = sizeof(struct ag_op),
    .name = "instance_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) w + b, of each image's channel",
    .derivative = "dx = r (w dy - m(w dy) - h m(w dy h));  dw = sum of dy h;  db = sum of dy",
    .inputs = 5,
    .outputs = 3,
    .optional = AG_OPTIONAL(1) | AG_OPTIONAL(2) | AG_OPTIONAL(3) | AG_OPTIONAL(4),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1) | AG_SAVE_OUTPUT(1) | AG_SAVE_OUTPUT(2),
    .params = sizeof(struct group_params),
    .orders = AG_ORDERS_ANY,
    .shape = instance_norm_shape,
    .forward = instance_norm_forward,
    .backward = groups_backward,
};

ag_instance_norm_config ag_instance_norm_defaults(void)
{
    return (ag_instance_norm_config){
        .made_by_defaults = OPS_MADE_BY_DEFAULTS,
        .use_input_stats = true,
        .momentum = 0.1,
        .eps = 1e-5,
    };
}

ag_tensor ag_instance_norm_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_tensor running_mean,
                              ag_tensor running_var, ag_instance_norm_config config)
{
    if (config.made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_instance_norm: the config must come from ag_instance_norm_defaults()");
        return AG_NIL;
    }
    if (!config.use_input_stats) { /* then the images have nothing of their own */
        ag_batch_norm_config batch = ag_batch_norm_defaults();
        batch.training = false;
        batch.momentum = config.momentum;
        batch.eps = config.eps;
        if (ag_is_none(running_mean) || ag_is_none(running_var)) {
            ag_error_raise(where, AG_ERROR_VALUE,
                           "ag_instance_norm: without use_input_stats running_mean and running_var are needed");
            return AG_NIL;
        }
        return ag_batch_norm_at(where, x, weight, bias, running_mean, running_var, batch);
    }
    struct group_params p = { .eps = config.eps, .momentum = config.momentum };
    ag_tensor in[] = { x, weight, bias, running_mean, running_var }, out[3];
    ag_apply(where, &op_instance_norm, 5, in, &p, out);
    return first_of_three(out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(instance_norm)
{
    ag_instance_norm_config c = ag_instance_norm_defaults();
#define INSTANCE_SAMPLE(note, shape, channels)                                                                       \
    SAMPLE("F.instance_norm(x, None, None, w, b)" note) {                                                            \
        ag_tensor x = sample_float(s, "x", shape), w = sample_float(s, "w", AG_SHAPE(channels));                     \
        sample_result(s, ag_instance_norm(x, w, sample_float(s, "b", AG_SHAPE(channels)), AG_NONE, AG_NONE, c));     \
    }
    INSTANCE_SAMPLE("", AG_SHAPE(2, 3, 2, 3), 3)
    INSTANCE_SAMPLE("  # sequences", AG_SHAPE(2, 3, 4), 3)
    INSTANCE_SAMPLE("  # volumes of one channel", AG_SHAPE(2, 1, 2, 1, 3), 1)
    SAMPLE("x * w[:, None] + b[:, None]  # no images") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 3, 2)), w = sample_float(s, "w", AG_SHAPE(3));
        sample_result(s, ag_instance_norm(x, w, sample_float(s, "b", AG_SHAPE(3)), AG_NONE, AG_NONE, c));
    }
    SAMPLE("F.instance_norm(x.permute(0, 3, 1, 2), eps=0.5)  # channels last") {
        c.eps = 0.5;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 3, 2));
        sample_result(s, ag_instance_norm(ag_permute(x, AG_DIMS(0, 3, 1, 2)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c));
    }
    SAMPLE("(lambda m, v: (F.instance_norm(x, m, v, None, None, True, 0.3), m, v))(m.clone(), v.clone())") {
        c.momentum = 0.3; /* x without a gradient: differences would see the running statistics move */
        ag_tensor x = sample_constant(s, "x", AG_SHAPE(2, 3, 4), -2, 2);
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(3), -1, 1), v = sample_constant(s, "v", AG_SHAPE(3), 0.5, 2);
        ag_tensor moved_m = ag_clone(m), moved_v = ag_clone(v);
        sample_result(s, ag_instance_norm(x, AG_NONE, AG_NONE, moved_m, moved_v, c));
        sample_result(s, moved_m);
        sample_result(s, moved_v);
    }
    SAMPLE("F.instance_norm(x, m, v, w, b, False)") {
        c.use_input_stats = false;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3, 4)), w = sample_float(s, "w", AG_SHAPE(3));
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(3), -1, 1), v = sample_constant(s, "v", AG_SHAPE(3), 0.5, 2);
        sample_result(s, ag_instance_norm(x, w, sample_float(s, "b", AG_SHAPE(3)), m, v, c));
    }
    REFUSES("ag_instance_norm: input (2,3,1): an image needs more than one place") {
        ag_instance_norm(sample_float(s, "x", AG_SHAPE(2, 3, 1)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_instance_norm: input (3) must be (N,C) or (N,C,...)") {
        ag_instance_norm(sample_float(s, "x", AG_SHAPE(3)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_instance_norm: input (2,3,2) and running_var (1): it must be (3)") {
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(3), -1, 1), v = sample_constant(s, "v", AG_SHAPE(1), 0.5, 2);
        ag_instance_norm(sample_float(s, "x", AG_SHAPE(2, 3, 2)), AG_NONE, AG_NONE, m, v, c);
    }
    REFUSES("ag_instance_norm: running_mean and running_var must be given together") {
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(3), -1, 1);
        ag_instance_norm(sample_float(s, "x", AG_SHAPE(2, 3, 2)), AG_NONE, AG_NONE, m, AG_NONE, c);
    }
    REFUSES("ag_instance_norm: without use_input_stats running_mean and running_var are needed") {
        c.use_input_stats = false;
        ag_instance_norm(sample_float(s, "x", AG_SHAPE(2, 3, 2)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_instance_norm: momentum is 2 and must be 0 to 1") {
        c.momentum = 2;
        ag_instance_norm(sample_float(s, "x", AG_SHAPE(2, 3, 2)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_instance_norm: the config must come from ag_instance_norm_defaults()") {
        ag_instance_norm_config zero = { 0 };
        ag_instance_norm(sample_float(s, "x", AG_SHAPE(2, 3, 2)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, zero);
    }
}
#endif

/* ---- group_norm_input: the way back of both in two passes; see Note [Two ways back] in softmax.c ------------------ */

enum { DY = 1, MEAN, RSTD, SCALES };

static bool group_norm_input_shape(ag_call *call)
{
    const struct group_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    struct groups g = groups_of(p, x);
    ag_shape groups = AG_SHAPE(x->size[0], p->groups == 0 ? x->size[1] : p->groups), channels = AG_SHAPE(x->size[1]);
    return ops_need_shape(call, DY, ops_shape(x)) && ops_need_shape(call, MEAN, groups) &&
           ops_need_shape(call, RSTD, groups) &&
           (p->wants_x ? output_in_order_of(call, 0, x, &g) : ag_call_output(call, 0, x->dtype, AG_SHAPE(0))) &&
           ag_call_output(call, 1, x->dtype, channels) && ag_call_output(call, 2, x->dtype, channels);
}

static bool group_norm_input_forward(ag_call *call)
{
    const struct group_params *params = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    struct groups g = groups_of(params, x);
    ag_dtype dtype = x->dtype;
    int threads = ag_call_threads(call);
    int64_t channels = g.channels, c = x->size[1], k = g.per_group;
    size_t item = ag_dtype_size(dtype);
    void *dw = ag_call_result(call, 1)->data, *db = ag_call_result(call, 2)->data;
    const void *data = in_order_of(call, x, &g), *dy = in_order_of(call, ag_call_input(call, DY), &g), *w;
    const void *mean = ops_row_major(call, ag_call_input(call, MEAN)), *r = ops_row_major(call, ag_call_input(call, RSTD));
    double *sum = ag_call_work(call, (size_t)channels * 2 * sizeof(double));
    char *means = ag_call_work(call, (size_t)channels * 4 * item);
    void *work = ag_call_work(call, k_norm_bytes(&g.p));
    if (data == NULL || dy == NULL || mean == NULL || r == NULL || sum == NULL || means == NULL || work == NULL ||
        !optional(call, SCALES, &w)) {
        return false;
    }
    double *product = sum + channels;
    char *by_dy = means + (size_t)channels * item, *by_x = by_dy + (size_t)channels * item;
    char *shift = by_x + (size_t)channels * item;
    for (int64_t i = 0; i < channels; i++) {
        put(dtype, means, i, get(dtype, mean, i / k));
        sum[i] = product[i] = 0;
    }
    for (int64_t i = 0; i < g.images && x->numel > 0; i++) {
        k_norm_sums(dtype, threads, &g.p, image_of(dy, dtype, &g, i), image_of(data, dtype, &g, i),
                    means + (size_t)(i * g.p.c) * item, sum + i * g.p.c, product + i * g.p.c, work);
    }
    for (int64_t i = 0; i < c; i++) {
        double by_h = 0, all = 0;
        for (int64_t j = i; j < channels; j += c) {
            by_h += x->numel > 0 ? product[j] * get(dtype, r, j / k) : 0; /* without places there is no r */
            all += sum[j];
        }
        put(dtype, dw, i, by_h);
        put(dtype, db, i, all);
    }
    if (!params->wants_x || x->numel == 0) {
        return true;
    }
    double count = (double)(k * g.p.l);
    for (int64_t i = 0; i < channels; i += k) {
        double inverse = get(dtype, r, i / k), even = 0, along = 0;
        for (int64_t j = i; j < i + k; j++) {
            double weight = w != NULL ? get(dtype, w, j % c) : 1;
            even += weight * sum[j] / count;
            along += weight * product[j] * inverse / count;
        }
        for (int64_t j = i; j < i + k; j++) {
            put(dtype, by_dy, j, w != NULL ? inverse * get(dtype, w, j % c) : inverse);
            put(dtype, by_x, j, -inverse * inverse * along);
            put(dtype, shift, j, -inverse * even);
        }
    }
    for (int64_t i = 0; i < g.images; i++) {
        size_t at = (size_t)(i * g.p.c) * item;
        k_norm_input(dtype, threads, &g.p, image_of(dy, dtype, &g, i), image_of(data, dtype, &g, i), means + at, by_dy + at,
                     by_x + at, shift + at, at_image(ag_call_result(call, 0)->data, dtype, &g, i));
    }
    return true;
}

AG_OP(group_norm_input) {
    .size = sizeof(struct ag_op),
    .name = "group_norm_input",
    .formula = "dx, dw, db of group_norm or instance_norm",
    .inputs = 5,
    .outputs = 3,
    .optional = AG_OPTIONAL(4),
    .params = sizeof(struct group_params),
    .shape = group_norm_input_shape,
    .forward = group_norm_input_forward,
};

static void group_norm_input(ag_sweep *s)
{
    struct group_params p = *(const struct group_params *)ag_sweep_params(s);
    p.wants_x = ag_sweep_wants(s, X);
    ag_tensor in[] = { ag_sweep_input(s, X), ag_sweep_grad(s, 0), ag_sweep_output(s, 1), ag_sweep_output(s, 2),
                       ag_sweep_input(s, WEIGHT) };
    ag_tensor out[3];
    ag_apply(ag_caller(), &op_group_norm_input, 5, in, &p, out);
    for (int i = 0; i < 3; i++) {
        if (ag_sweep_wants(s, i)) {
            ag_sweep_add(s, i, out[i]);
        }
    }
}

#ifdef WENGERT_SAMPLES
static void group_norm_input_sample(ag_samples *s, int64_t means)
{
    struct group_params p = { .groups = 1, .eps = 1, .wants_x = true };
    ag_tensor in[] = { sample_constant(s, "x", AG_SHAPE(3, 4), -2, 2), sample_constant(s, "g", AG_SHAPE(3, 4), -2, 2),
                       sample_constant(s, "m", AG_SHAPE(means, 1), -1, 1), sample_constant(s, "r", AG_SHAPE(3, 1), 0.5, 2),
                       sample_constant(s, "w", AG_SHAPE(4), 0.5, 2) };
    ag_tensor out[3];
    ag_apply(ag_caller(), &op_group_norm_input, 5, in, &p, out);
    for (int i = 0; i < 3; i++) {
        sample_result(s, out[i]);
    }
}

AG_SAMPLES(group_norm_input)
{
    SAMPLE("(lambda h: (r * (g * w - (g * w).mean(1, True) - h * (g * w * h).mean(1, True)), (g * h).sum(0), g.sum(0)))"
           "((x - m) * r)") {
        group_norm_input_sample(s, 3);
    }
    REFUSES("ag_group_norm_input: input 2 is (4,1) and must be (3,1)") {
        group_norm_input_sample(s, 4);
    }
}
#endif
