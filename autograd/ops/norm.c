/*
 * Batch normalisation. Knows shapes, memory order and running statistics; the sums and passes are in kernels/norm.c.
 * Ioffe & Szegedy 2015.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

ag_batch_norm_config ag_batch_norm_defaults(void)
{
    return (ag_batch_norm_config){
        .made_by_defaults = OPS_MADE_BY_DEFAULTS,
        .training = true,
        .momentum = 0.1,
        .eps = 1e-5,
    };
}

/* Shorter planes of images are better rows with channels last, although they have to be copied: what follows a norm of images is
 * mostly a convolution, which would do that otherwise. */
enum { SHORT_PLANE = 64 };

/* How x lies for the kernels, and y always: as x does if channels are last, else row-major unless planes are short. */
static k_norm geometry(const ag_array *x)
{
    k_norm p = { .n = x->size[0], .c = x->size[1], .l = 1 };
    for (int d = 2; d < x->ndim; d++) {
        p.l *= x->size[d];
    }
    bool short_planes = x->ndim == 4 && p.l < SHORT_PLANE;
    p.channels_last = p.l == 1 || short_planes || (ops_is_channels_last(x) && !ops_is_row_major(x));
    return p;
}

static const void *in_order_of(ag_call *call, const ag_array *x, const ag_array *like)
{
    return geometry(like).channels_last && like->ndim == 4 ? ops_channels_last(call, x) : ops_row_major(call, x);
}

static bool output_in_order_of(ag_call *call, int i, const ag_array *x)
{
    return geometry(x).channels_last && x->ndim == 4 ? ag_call_output_channels_last(call, i, x->dtype, ops_shape(x))
                                                     : ag_call_output(call, i, x->dtype, ops_shape(x));
}

static double element(const ag_array *a, int64_t i)
{
    int64_t at = i * a->stride[0];
    return a->dtype == AG_FLOAT32 ? (double)((const float *)a->data)[at] : ((const double *)a->data)[at];
}

static void set_element(const ag_array *a, int64_t i, double value)
{
    int64_t at = i * a->stride[0];
    if (a->dtype == AG_FLOAT32) {
        ((float *)a->data)[at] = (float)value;
    } else {
        ((double *)a->data)[at] = value;
    }
}

/* One number a channel in working memory. */
static ag_array channel_array(ag_dtype dtype, const int64_t *c, void *data)
{
    static const int64_t one = 1;
    ag_array a = { data, dtype, 1, *c, c, &one };
    return a;
}

/* ---- batch_norm ---------------------------------------------------------------
 * y = (x - mean) r w + b,  r = 1 / sqrt(var + eps),  mean and var over all dimensions but channels, or the running ones
 * in training, with h = (x - mean) r and m() the mean over the same dimensions:
 *     dx = r (w dy - m(w dy) - h m(w dy h))          dw = sum of dy h          db = sum of dy
 * otherwise dx = r w dy
 * Results 1 and 2, mean and r (C), are kept for the way back. */

enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };

static bool per_channel(ag_call *call, int i, const char *name, const ag_array *x)
{
    char ta[AG_SHAPE_TEXT], tx[AG_SHAPE_TEXT];
    const ag_array *a = ag_call_input(call, i);
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

static bool batch_norm_shape(ag_call *call)
{
    const ag_batch_norm_config *c = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    char tx[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        return ag_call_fail(call, AG_ERROR_VALUE, "the config must come from ag_batch_norm_defaults()");
    }
    if (!(c->eps >= 0) || !(c->momentum >= 0 && c->momentum <= 1)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "eps %g must not be negative, momentum %g must be 0 to 1", c->eps,
                            c->momentum);
    }
    if (x->ndim < 2) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N,C) or (N,C,...)", ops_text(x, tx));
    }
    if (!per_channel(call, WEIGHT, "weight", x) || !per_channel(call, BIAS, "bias", x) ||
        !per_channel(call, RUNNING_MEAN, "running_mean", x) || !per_channel(call, RUNNING_VAR, "running_var", x)) {
        return false;
    }
    bool running = ag_call_has(call, RUNNING_MEAN);
    if (running != ag_call_has(call, RUNNING_VAR)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "running_mean and running_var must be given together");
    }
    if (!c->training && !running) {
        return ag_call_fail(call, AG_ERROR_VALUE, "outside training running_mean and running_var are needed");
    }
    int64_t count = x->size[1] > 0 ? x->numel / x->size[1] : 0;
    if (c->training && count < 2 && x->size[1] > 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s: training needs more than one value per channel",
                            ops_text(x, tx));
    }
    ag_shape channels = AG_SHAPE(x->size[1]);
    return output_in_order_of(call, 0, x) && ag_call_output(call, 1, x->dtype, channels) &&
           ag_call_output(call, 2, x->dtype, channels);
}

static void move_running(ag_call *call, double momentum, int64_t channels, int64_t count, const double *mean,
                         const double *var)
{
    const ag_array *running_mean = ag_call_input(call, RUNNING_MEAN), *running_var = ag_call_input(call, RUNNING_VAR);
    if (ag_call_replaying(call)) {
        return; /* they moved the first time */
    }
    double unbiased = (double)count / (double)(count - 1);
    for (int64_t i = 0; i < channels; i++) {
        set_element(running_mean, i, (1 - momentum) * element(running_mean, i) + momentum * mean[i]);
        set_element(running_var, i, (1 - momentum) * element(running_var, i) + momentum * var[i] * unbiased);
    }
    ag_call_changed(call, RUNNING_MEAN);
    ag_call_changed(call, RUNNING_VAR);
}

static bool batch_norm_forward(ag_call *call)
{
    const ag_batch_norm_config *config = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X), *w = ag_call_input(call, WEIGHT), *b = ag_call_input(call, BIAS);
    const ag_array *y = ag_call_result(call, 0), *mean = ag_call_result(call, 1), *r = ag_call_result(call, 2);
    k_norm p = geometry(x);
    int threads = ag_call_threads(call);
    size_t channels = (size_t)p.c;
    const void *data = in_order_of(call, x, x);
    double *exact = ag_call_work(call, channels * 2 * sizeof(double));
    char *factors = ag_call_work(call, channels * 2 * ag_dtype_size(x->dtype));
    if (data == NULL || exact == NULL || factors == NULL) {
        return false;
    }
    double *exact_var = exact + channels;
    if (config->training && x->numel > 0) {
        void *work = ag_call_work(call, k_norm_bytes(&p));
        if (work == NULL) {
            return false;
        }
        k_norm_stats(x->dtype, threads, &p, data, exact, exact_var, work);
        if (ag_call_has(call, RUNNING_MEAN)) {
            move_running(call, config->momentum, p.c, p.n * p.l, exact, exact_var);
        }
    } else {
        for (int64_t i = 0; i < p.c; i++) {
            exact[i] = ag_call_has(call, RUNNING_MEAN) ? element(ag_call_input(call, RUNNING_MEAN), i) : 0;
            exact_var[i] = ag_call_has(call, RUNNING_VAR) ? element(ag_call_input(call, RUNNING_VAR), i) : 1;
        }
    }
    /* The mean is rounded before it is subtracted; the shift puts that right. */
    ag_array scale = channel_array(x->dtype, &p.c, factors);
    ag_array shift = channel_array(x->dtype, &p.c, factors + channels * ag_dtype_size(x->dtype));
    for (int64_t i = 0; i < p.c; i++) {
        double inverse = 1 / sqrt(exact_var[i] + config->eps);
        set_element(mean, i, exact[i]);
        set_element(r, i, inverse);
        set_element(&scale, i, w != NULL ? inverse * element(w, i) : inverse);
        double rounding = (element(mean, i) - exact[i]) * element(&scale, i);
        set_element(&shift, i, b != NULL ? element(b, i) + rounding : rounding);
    }
    if (y->numel > 0) {
        k_norm_apply(x->dtype, threads, &p, data, mean->data, scale.data, shift.data, y->data);
    }
    return true;
}

static void batch_norm_input(ag_sweep *s);

/* One number a channel, shaped to be broadcast over x. */
static ag_tensor over_channels(ag_tensor t, ag_shape x)
{
    ag_shape shape = x;
    for (int d = 0; d < x.ndim; d++) {
        shape.size[d] = d == 1 ? x.size[1] : 1;
    }
    return ag_reshape(t, shape);
}

static ag_dims all_but_channels(int ndim)
{
    ag_dims dims = { 0 };
    for (int d = 0; d < ndim; d++) {
        if (d != 1) {
            dims.dim[dims.count++] = d;
        }
    }
    return dims;
}

static void batch_norm_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        batch_norm_input(s);
        return;
    }
    const ag_batch_norm_config *config = ag_sweep_params(s);
    ag_shape shape = ag_sweep_shape(s, X);
    ag_dims dims = all_but_channels(shape.ndim);
    ag_tensor dy = ag_sweep_grad(s, 0), x = ag_sweep_input(s, X), w = ag_sweep_input(s, WEIGHT);
    ag_tensor centred, r;
    if (config->training) {
        /* From x anew, so that mean and variance are differentiated too. */
        centred = ag_sub(x, ag_mean_dims(x, dims, true));
        r = ag_rsqrt(ag_add_scalar(ag_mean_dims(ag_square(centred), dims, true), config->eps));
    } else {
        centred = ag_sub(x, over_channels(ag_detach(ag_sweep_output(s, 1)), shape));
        r = over_channels(ag_detach(ag_sweep_output(s, 2)), shape);
    }
    ag_tensor h = ag_mul(centred, r);
    if (ag_sweep_wants(s, X)) {
        ag_tensor dh = ag_is_none(w) ? dy : ag_mul(dy, over_channels(w, shape));
        if (config->training) {
            ag_tensor along_h = ag_mul(h, ag_mean_dims(ag_mul(dh, h), dims, true));
            dh = ag_sub(ag_sub(dh, ag_mean_dims(dh, dims, true)), along_h);
        }
        ag_sweep_add(s, X, ag_mul(dh, r));
    }
    if (ag_sweep_wants(s, WEIGHT)) {
        ag_sweep_add(s, WEIGHT, ag_sum_dims(ag_mul(dy, h), dims, false));
    }
    if (ag_sweep_wants(s, BIAS)) {
        ag_sweep_add(s, BIAS, ag_sum_dims(dy, dims, false));
    }
}

AG_OP(batch_norm) {
    .size = sizeof(struct ag_op),
    .name = "batch_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) w + b",
    .derivative = "dx = r (w dy - m(w dy) - h m(w dy h));  dw = sum of dy h;  db = sum of dy",
    .inputs = 5,
    .outputs = 3,
    .optional = AG_OPTIONAL(1) | AG_OPTIONAL(2) | AG_OPTIONAL(3) | AG_OPTIONAL(4),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1) | AG_SAVE_OUTPUT(1) | AG_SAVE_OUTPUT(2),
    .params = sizeof(ag_batch_norm_config),
    .orders = AG_ORDERS_ANY,
    .shape = batch_norm_shape,
    .forward = batch_norm_forward,
    .backward = batch_norm_backward,
};

ag_tensor ag_batch_norm_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_tensor running_mean,
                           ag_tensor running_var, ag_batch_norm_config config)
{
    ag_tensor in[] = { x, weight, bias, running_mean, running_var }, out[3];
    ag_apply(where, &op_batch_norm, 5, in, &config, out);
    if (!ag_is_nil(out[0])) {
        ag_release(out[1]);
        ag_release(out[2]);
    }
    return out[0];
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(batch_norm)
{
    ag_batch_norm_config c = ag_batch_norm_defaults();
#define NORM_SAMPLE(note, shape, channels)                                                             \
    SAMPLE("F.batch_norm(x, None, None, w, b, True)" note) {                                           \
        ag_tensor x = sample_float(s, "x", shape);                                                     \
        ag_tensor w = sample_float(s, "w", AG_SHAPE(channels)), b = sample_float(s, "b", AG_SHAPE(channels)); \
        sample_result(s, ag_batch_norm(x, w, b, AG_NONE, AG_NONE, c));                                 \
    }                                                                                                  \
    SAMPLE("F.batch_norm(x, m, v, w, b, False)" note) {                                                \
        ag_tensor x = sample_float(s, "x", shape);                                                     \
        ag_tensor w = sample_float(s, "w", AG_SHAPE(channels)), b = sample_float(s, "b", AG_SHAPE(channels)); \
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(channels), -1, 1);                              \
        ag_tensor v = sample_constant(s, "v", AG_SHAPE(channels), 0.5, 2);                             \
        c.training = false;                                                                            \
        sample_result(s, ag_batch_norm(x, w, b, m, v, c));                                             \
    }
    NORM_SAMPLE("", AG_SHAPE(5, 3), 3)
    NORM_SAMPLE("  # one channel", AG_SHAPE(4, 1), 1)
    NORM_SAMPLE("  # sequences", AG_SHAPE(2, 3, 4), 3)
    NORM_SAMPLE("  # sequences of one", AG_SHAPE(4, 2, 1), 2)
    NORM_SAMPLE("  # images", AG_SHAPE(2, 3, 2, 3), 3)
    NORM_SAMPLE("  # images of one channel", AG_SHAPE(2, 1, 3, 3), 1)
    NORM_SAMPLE("  # one image", AG_SHAPE(1, 2, 3, 3), 2)
    NORM_SAMPLE("  # volumes", AG_SHAPE(2, 2, 2, 1, 2), 2)
#undef NORM_SAMPLE
    SAMPLE("F.batch_norm(x.permute(0, 3, 1, 2), None, None, w, b, True)  # channels last") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3, 2, 3));
        ag_tensor w = sample_float(s, "w", AG_SHAPE(3)), b = sample_float(s, "b", AG_SHAPE(3));
        sample_result(s, ag_batch_norm(ag_permute(x, AG_DIMS(0, 3, 1, 2)), w, b, AG_NONE, AG_NONE, c));
    }
    SAMPLE("F.batch_norm(x, None, None, None, None, True, eps=0.5)") {
        c.eps = 0.5;
        sample_result(s, ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 2)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c));
    }
#define MOVING_SAMPLE(note, shape, momentum_text)                                                                    \
    SAMPLE("(lambda m, v: (F.batch_norm(x, m, v, w, None, True, " #momentum_text "), m, v))(m.clone(), v.clone())" note) { \
        c.momentum = momentum_text; /* x without a gradient: differences would see the running statistics move */    \
        ag_tensor x = sample_constant(s, "x", shape, -2, 2), w = sample_float(s, "w", AG_SHAPE(3));                  \
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(3), -1, 1), v = sample_constant(s, "v", AG_SHAPE(3), 0.5, 2); \
        ag_tensor moved_m = ag_clone(m), moved_v = ag_clone(v);                                                      \
        sample_result(s, ag_batch_norm(x, w, AG_NONE, moved_m, moved_v, c));                                         \
        sample_result(s, moved_m);                                                                                   \
        sample_result(s, moved_v);                                                                                   \
    }
    MOVING_SAMPLE("", AG_SHAPE(4, 3), 0.1)
    MOVING_SAMPLE("  # sequences", AG_SHAPE(2, 3, 4), 0.3)
    MOVING_SAMPLE("  # images", AG_SHAPE(2, 3, 2, 2), 1)
    MOVING_SAMPLE("  # still", AG_SHAPE(2, 3, 2, 2), 0)
#undef MOVING_SAMPLE
    SAMPLE("F.batch_norm(x, None, None, w, None, True)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 2)), w = sample_float(s, "w", AG_SHAPE(2));
        sample_result(s, ag_batch_norm(x, w, AG_NONE, AG_NONE, AG_NONE, c));
    }
    SAMPLE("F.batch_norm(x, m, v, None, b, False)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 2)), b = sample_float(s, "b", AG_SHAPE(2));
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(2), -1, 1), v = sample_constant(s, "v", AG_SHAPE(2), 0.5, 2);
        c.training = false;
        sample_result(s, ag_batch_norm(x, AG_NONE, b, m, v, c));
    }
    SAMPLE("F.batch_norm(x, m, v, None, None, False)  # no rows") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 2));
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(2), -1, 1), v = sample_constant(s, "v", AG_SHAPE(2), 0.5, 2);
        c.training = false;
        sample_result(s, ag_batch_norm(x, AG_NONE, AG_NONE, m, v, c));
    }
    REFUSES("ag_batch_norm: input (3) must be (N,C) or (N,C,...)") {
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(3)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: input (1,3): training needs more than one value per channel") {
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(1, 3)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: input (4,3) and weight (2): it must be (3)") {
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 3)), sample_float(s, "w", AG_SHAPE(2)), AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: input (4,3) and running_var (1): it must be (3)") {
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(3), -1, 1), v = sample_constant(s, "v", AG_SHAPE(1), 0.5, 2);
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 3)), AG_NONE, AG_NONE, m, v, c);
    }
    REFUSES("ag_batch_norm: running_mean and running_var must be given together") {
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(3), -1, 1);
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 3)), AG_NONE, AG_NONE, m, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: outside training running_mean and running_var are needed") {
        c.training = false;
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 3)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: eps -1 must not be negative, momentum 0.1 must be 0 to 1") {
        c.eps = -1;
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 3)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: input (1,3,1,1): training needs more than one value per channel") {
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(1, 3, 1, 1)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: eps 1e-05 must not be negative, momentum nan must be 0 to 1") {
        c.momentum = NAN;
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 3)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: the config must come from ag_batch_norm_defaults()") {
        ag_batch_norm_config zero = { 0 };
        ag_batch_norm(sample_float(s, "x", AG_SHAPE(4, 3)), AG_NONE, AG_NONE, AG_NONE, AG_NONE, zero);
    }
    REFUSES("ag_batch_norm: needs a floating type, got int64") {
        ag_batch_norm(sample_int(s, "x", AG_SHAPE(4, 3), 0, 5), AG_NONE, AG_NONE, AG_NONE, AG_NONE, c);
    }
    REFUSES("ag_batch_norm: element types float32 and float64 differ") {
        ag_batch_norm(ag_zeros(AG_SHAPE(4, 3), AG_FLOAT32), ag_ones(AG_SHAPE(3), AG_FLOAT64), AG_NONE, AG_NONE, AG_NONE, c);
    }
}
#endif

/* ---- batch_norm_input -----------------------------------------------------------
 * dx, dw, db as above in two passes over dy and x, for a backward that is not recorded; see Note [Two ways back]. */

struct input_params {
    ag_batch_norm_config config;
    bool wants_x;
};

static bool batch_norm_input_shape(ag_call *call)
{
    const struct input_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 1);
    ag_shape channels = AG_SHAPE(x->size[1]);
    if (!ops_need_shape(call, 0, ops_shape(x)) || !ops_need_shape(call, 2, channels) ||
        !ops_need_shape(call, 3, channels)) {
        return false;
    }
    return (p->wants_x ? output_in_order_of(call, 0, x) : ag_call_output(call, 0, x->dtype, AG_SHAPE(0))) &&
           ag_call_output(call, 1, x->dtype, channels) && ag_call_output(call, 2, x->dtype, channels);
}

static bool batch_norm_input_forward(ag_call *call)
{
    const struct input_params *params = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 1), *mean = ag_call_input(call, 2), *r = ag_call_input(call, 3);
    const ag_array *w = ag_call_input(call, 4), *dx = ag_call_result(call, 0);
    k_norm p = geometry(x);
    int threads = ag_call_threads(call);
    size_t channels = (size_t)p.c, item = ag_dtype_size(x->dtype);
    const void *data = in_order_of(call, x, x), *dy = in_order_of(call, ag_call_input(call, 0), x);
    double *exact = ag_call_work(call, channels * 2 * sizeof(double));
    char *factors = ag_call_work(call, channels * 3 * item);
    void *work = ag_call_work(call, k_norm_bytes(&p));
    const void *means = ops_row_major(call, mean);
    if (data == NULL || dy == NULL || exact == NULL || factors == NULL || work == NULL || means == NULL) {
        return false;
    }
    double *sum = exact, *product = exact + channels;
    k_norm_sums(x->dtype, threads, &p, dy, data, means, sum, product, work);
    ag_array by_dy = channel_array(x->dtype, &p.c, factors);
    ag_array by_x = channel_array(x->dtype, &p.c, factors + channels * item);
    ag_array shift = channel_array(x->dtype, &p.c, factors + channels * 2 * item);
    double count = (double)(p.n * p.l);
    for (int64_t i = 0; i < p.c; i++) {
        double inverse = element(r, i), scale = w != NULL ? inverse * element(w, i) : inverse;
        bool training = params->config.training;
        set_element(ag_call_result(call, 1), i, product[i] * inverse);
        set_element(ag_call_result(call, 2), i, sum[i]);
        set_element(&by_dy, i, scale);
        set_element(&by_x, i, training ? -scale * inverse * inverse * product[i] / count : 0);
        set_element(&shift, i, training ? -scale * sum[i] / count : 0);
    }
    if (params->wants_x && dx->numel > 0) {
        k_norm_input(x->dtype, threads, &p, dy, data, means, by_dy.data, by_x.data, shift.data, dx->data);
    }
    return true;
}

AG_OP(batch_norm_input) {
    .size = sizeof(struct ag_op),
    .name = "batch_norm_input",
    .formula = "dx, dw, db of batch_norm",
    .inputs = 5,
    .outputs = 3,
    .optional = AG_OPTIONAL(4),
    .params = sizeof(struct input_params),
    .shape = batch_norm_input_shape,
    .forward = batch_norm_input_forward,
};

static void batch_norm_input(ag_sweep *s)
{
    struct input_params p = { *(const ag_batch_norm_config *)ag_sweep_params(s), ag_sweep_wants(s, X) };
    ag_tensor in[] = { ag_sweep_grad(s, 0), ag_sweep_input(s, X), ag_sweep_output(s, 1), ag_sweep_output(s, 2),
                       ag_sweep_input(s, WEIGHT) };
    ag_tensor out[3];
    ag_apply(ag_caller(), &op_batch_norm_input, 5, in, &p, out);
    for (int i = 0; i < 3; i++) {
        if (ag_sweep_wants(s, i)) {
            ag_sweep_add(s, i, out[i]);
        }
    }
}

#ifdef WENGERT_SAMPLES
static void batch_norm_input_sample(ag_samples *s, bool training, int64_t means)
{
    struct input_params p = { ag_batch_norm_defaults(), true };
    p.config.training = training;
    ag_tensor in[] = { sample_constant(s, "g", AG_SHAPE(4, 3), -2, 2), sample_constant(s, "x", AG_SHAPE(4, 3), -2, 2),
                       sample_constant(s, "m", AG_SHAPE(means), -1, 1), sample_constant(s, "r", AG_SHAPE(3), 0.5, 2),
                       sample_constant(s, "w", AG_SHAPE(3), 0.5, 2) };
    ag_tensor out[3];
    ag_apply(ag_caller(), &op_batch_norm_input, 5, in, &p, out);
    for (int i = 0; i < 3; i++) {
        sample_result(s, out[i]);
    }
}

AG_SAMPLES(batch_norm_input)
{
    SAMPLE("(g * w * r, (g * (x - m) * r).sum(0), g.sum(0))") {
        batch_norm_input_sample(s, false, 3);
    }
    SAMPLE("(w * r * (g - g.mean(0) - (x - m) * r * (g * (x - m) * r).mean(0)), (g * (x - m) * r).sum(0), g.sum(0))") {
        batch_norm_input_sample(s, true, 3);
    }
    REFUSES("ag_batch_norm_input: input 2 is (4) and must be (3)") {
        batch_norm_input_sample(s, true, 4);
    }
}
#endif
