/*
 * Layer normalisation and root mean square normalisation over the last dimensions. Knows shapes; the rows are in
 * kernels/layer_norm.c. Ba, Kiros & Hinton 2016; Zhang & Sennrich 2019.
 */
#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/samples.h"

struct row_params {
    bool centred; /* layer_norm; false: rms_norm */
    double eps;
    ag_shape normalized;
    /* For layer_norm_input: what is wanted, and dx's place, if it is not the first output; dx is added there or written. */
    bool wants_x, wants_weights, adds;
    void *place;
};

/* ---- layer_norm ---------------------------------------------------------------
 * y = (x - mean) r w + b,  r = 1 / sqrt(var + eps),  mean and var over the last dimensions
 * with h = (x - mean) r and m() the mean over the same dimensions:
 *     dx = r (w dy - m(w dy) - h m(w dy h))          dw = sum of dy h          db = sum of dy
 * Results 1 and 2, mean and r of each row, are kept for the way back. */

enum { X, WEIGHT, BIAS };

static k_layer_norm rows_of(const struct row_params *p, const ag_array *x)
{
    k_layer_norm k = { .rows = 1, .d = 1, .centred = p->centred, .eps = p->eps };
    for (int i = 0; i < x->ndim; i++) {
        *(i < x->ndim - p->normalized.ndim ? &k.rows : &k.d) *= x->size[i];
    }
    return k;
}

static bool shape_of_weight(ag_call *call, int i, const char *name, const struct row_params *p)
{
    char tw[AG_SHAPE_TEXT], tn[AG_SHAPE_TEXT];
    const ag_array *x = ag_call_input(call, X), *w = ag_call_input(call, i);
    if (w == NULL) {
        return true;
    }
    if (!ops_need_same_dtype(call, x, w)) {
        return false;
    }
    if (!ag_shape_equal(ops_shape(w), p->normalized)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s %s must have the normalized shape %s", name, ops_text(w, tw),
                            ag_shape_format(p->normalized, tn, sizeof(tn)));
    }
    return true;
}

static bool rows_shape(ag_call *call)
{
    const struct row_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    char tx[AG_SHAPE_TEXT], tn[AG_SHAPE_TEXT];
    int leading = x->ndim - p->normalized.ndim;
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (!(p->eps >= 0)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "eps is %g and must be at least 0", p->eps);
    }
    bool fits = p->normalized.ndim >= 1 && leading >= 0;
    for (int d = 0; fits && d < p->normalized.ndim; d++) {
        fits = x->size[leading + d] == p->normalized.size[d];
    }
    if (!fits) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must end with the normalized shape %s, which has a dimension",
                            ops_text(x, tx), ag_shape_format(p->normalized, tn, sizeof(tn)));
    }
    if (!shape_of_weight(call, WEIGHT, "weight", p) || (p->centred && !shape_of_weight(call, BIAS, "bias", p))) {
        return false;
    }
    k_layer_norm k = rows_of(p, x);
    return ag_call_output(call, 0, x->dtype, ops_shape(x)) &&
           ag_call_output(call, 1, x->dtype, AG_SHAPE(p->centred ? k.rows : 0)) &&
           ag_call_output(call, 2, x->dtype, AG_SHAPE(k.rows));
}

/* An optional input in row-major order; false after an error. */
static bool optional(ag_call *call, int i, const void **data)
{
    *data = ag_call_has(call, i) ? ops_row_major(call, ag_call_input(call, i)) : NULL;
    return *data != NULL || !ag_call_has(call, i);
}

static bool rows_forward(ag_call *call)
{
    const struct row_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    k_layer_norm k = rows_of(p, x);
    const void *data = ops_row_major(call, x), *w, *b = NULL;
    if (data == NULL || !optional(call, WEIGHT, &w) || (p->centred && !optional(call, BIAS, &b))) {
        return false;
    }
    if (x->numel > 0) {
        k_layer_norm_forward(x->dtype, ag_call_threads(call), &k, data, w, b, ag_call_result(call, 0)->data,
                             ag_call_result(call, 1)->data, ag_call_result(call, 2)->data);
    }
    return true;
}

static void layer_norm_input(ag_sweep *s);

static void rows_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        layer_norm_input(s);
        return;
    }
    const struct row_params *p = ag_sweep_params(s);
    ag_dims dims = { .count = p->normalized.ndim };
    for (int i = 0; i < dims.count; i++) {
        dims.dim[i] = -1 - i;
    }
    ag_tensor dy = ag_sweep_grad(s, 0), x = ag_sweep_input(s, X), w = ag_sweep_input(s, WEIGHT);
    /* From x anew, so that mean and variance are differentiated too. */
    ag_tensor centred = p->centred ? ag_sub(x, ag_mean_dims(x, dims, true)) : x;
    ag_tensor r = ag_rsqrt(ag_add_scalar(ag_mean_dims(ag_square(centred), dims, true), p->eps));
    ag_tensor h = ag_mul(centred, r);
    if (ag_sweep_wants(s, X)) {
        ag_tensor dh = ag_is_none(w) ? dy : ag_mul(dy, w);
        ag_tensor along_h = ag_mul(h, ag_mean_dims(ag_mul(dh, h), dims, true));
        dh = p->centred ? ag_sub(dh, ag_mean_dims(dh, dims, true)) : dh;
        ag_sweep_add(s, X, ag_mul(ag_sub(dh, along_h), r));
    }
    if (ag_sweep_wants(s, WEIGHT)) {
        ag_sweep_add(s, WEIGHT, ag_mul(dy, h));
    }
    if (p->centred && ag_sweep_wants(s, BIAS)) {
        ag_sweep_add(s, BIAS, dy);
    }
}

AG_OP(layer_norm) {
    .size = sizeof(struct ag_op),
    .name = "layer_norm",
    .formula = "y = (x - mean) / sqrt(var + eps) w + b",
    .derivative = "dx = r (w dy - m(w dy) - h m(w dy h));  dw = sum of dy h;  db = sum of dy",
    .inputs = 3,
    .outputs = 3,
    .optional = AG_OPTIONAL(1) | AG_OPTIONAL(2),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1) | AG_SAVE_OUTPUT(1) | AG_SAVE_OUTPUT(2),
    .params = sizeof(struct row_params),
    .orders = AG_ORDERS_ANY,
    .shape = rows_shape,
    .forward = rows_forward,
    .backward = rows_backward,
};

static ag_tensor first_of_three(const ag_tensor *out)
{
    if (!ag_is_nil(out[0])) {
        ag_release(out[1]);
        ag_release(out[2]);
    }
    return out[0];
}

ag_tensor ag_layer_norm_at(ag_place where, ag_tensor x, ag_shape normalized, ag_tensor weight, ag_tensor bias, double eps)
{
    struct row_params p = { .centred = true, .eps = eps, .normalized = normalized };
    ag_tensor in[] = { x, weight, bias }, out[3];
    ag_apply(where, &op_layer_norm, 3, in, &p, out);
    return first_of_three(out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(layer_norm)
{
#define LAYER_SAMPLE(text, shape, ...)                                                                               \
    SAMPLE("F.layer_norm(x, " text ", w, b)") {                                                                      \
        ag_tensor x = sample_float(s, "x", shape), w = sample_float(s, "w", AG_SHAPE(__VA_ARGS__));                  \
        sample_result(s, ag_layer_norm(x, AG_SHAPE(__VA_ARGS__), w, sample_float(s, "b", AG_SHAPE(__VA_ARGS__)), 1e-5)); \
    }
    LAYER_SAMPLE("(4,)", AG_SHAPE(3, 4), 4)
    LAYER_SAMPLE("(3, 4)", AG_SHAPE(2, 3, 4), 3, 4)
    LAYER_SAMPLE("(2, 3)", AG_SHAPE(2, 3), 2, 3)
    LAYER_SAMPLE("(5,)", AG_SHAPE(5), 5)
    LAYER_SAMPLE("(67,)", AG_SHAPE(2, 67), 67)
    LAYER_SAMPLE("(2,)", AG_SHAPE(0, 2), 2)
    LAYER_SAMPLE("(0,)", AG_SHAPE(2, 0), 0)
    SAMPLE("F.layer_norm(x, (1,), w, b)  # of one") {
        ag_tensor x = sample_constant(s, "x", AG_SHAPE(3, 1), -2, 2), w = sample_constant(s, "w", AG_SHAPE(1), 1, 2);
        sample_result(s, ag_layer_norm(x, AG_SHAPE(1), w, sample_float(s, "b", AG_SHAPE(1)), 1e-5));
    }
    SAMPLE("F.layer_norm(x, (4,), eps=0.5)") {
        sample_result(s, ag_layer_norm(sample_float(s, "x", AG_SHAPE(3, 4)), AG_SHAPE(4), AG_NONE, AG_NONE, 0.5));
    }
    SAMPLE("F.layer_norm(x, (4,), w)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 4)), w = sample_float(s, "w", AG_SHAPE(4));
        sample_result(s, ag_layer_norm(x, AG_SHAPE(4), w, AG_NONE, 1e-5));
    }
    SAMPLE("F.layer_norm(x, (4,), None, b)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_layer_norm(x, AG_SHAPE(4), AG_NONE, b, 1e-5));
    }
    SAMPLE("F.layer_norm(x, (4,), w, b)  # weights alone") {
        ag_tensor x = sample_constant(s, "x", AG_SHAPE(3, 4), -2, 2), w = sample_float(s, "w", AG_SHAPE(4));
        sample_result(s, ag_layer_norm(x, AG_SHAPE(4), w, sample_float(s, "b", AG_SHAPE(4)), 1e-5));
    }
    SAMPLE("2 * F.layer_norm(x, (4,), w, b) + x  # a leaf with a gradient already") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), w = sample_float(s, "w", AG_SHAPE(4)), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_add(ag_mul_scalar(ag_layer_norm(x, AG_SHAPE(4), w, b, 1e-5), 2), x));
    }
    SAMPLE("(lambda y: 2 * F.layer_norm(y, (4,)) + y)(torch.tanh(x))  # a residual") {
        ag_tensor y = ag_tanh(sample_float(s, "x", AG_SHAPE(3, 4)));
        sample_result(s, ag_add(ag_mul_scalar(ag_layer_norm(y, AG_SHAPE(4), AG_NONE, AG_NONE, 1e-5), 2), y));
    }
    SAMPLE("F.layer_norm(x, (4,), x)  # by itself") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4));
        sample_result(s, ag_layer_norm(x, AG_SHAPE(4), x, AG_NONE, 1e-5));
    }
    REFUSES("ag_layer_norm: input (3,4) must end with the normalized shape (3), which has a dimension") {
        ag_layer_norm(sample_float(s, "x", AG_SHAPE(3, 4)), AG_SHAPE(3), AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_layer_norm: input (4) must end with the normalized shape (3,4), which has a dimension") {
        ag_layer_norm(sample_float(s, "x", AG_SHAPE(4)), AG_SHAPE(3, 4), AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_layer_norm: input (4) must end with the normalized shape (), which has a dimension") {
        ag_layer_norm(sample_float(s, "x", AG_SHAPE(4)), AG_SHAPE_SCALAR, AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_layer_norm: weight (3) must have the normalized shape (4)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), w = sample_float(s, "w", AG_SHAPE(3));
        ag_layer_norm(x, AG_SHAPE(4), w, AG_NONE, 1e-5);
    }
    REFUSES("ag_layer_norm: bias (3) must have the normalized shape (4)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3));
        ag_layer_norm(x, AG_SHAPE(4), AG_NONE, b, 1e-5);
    }
    REFUSES("ag_layer_norm: eps is -1 and must be at least 0") {
        ag_layer_norm(sample_float(s, "x", AG_SHAPE(4)), AG_SHAPE(4), AG_NONE, AG_NONE, -1);
    }
    REFUSES("ag_layer_norm: needs a floating type, got int64") {
        ag_layer_norm(sample_int(s, "x", AG_SHAPE(4), 0, 3), AG_SHAPE(4), AG_NONE, AG_NONE, 1e-5);
    }
    REFUSES("ag_layer_norm: element types float32 and float64 differ") {
        ag_layer_norm(ag_ones(AG_SHAPE(4), AG_FLOAT32), AG_SHAPE(4), ag_ones(AG_SHAPE(4), AG_FLOAT64), AG_NONE, 1e-5);
    }
}
#endif

/* ---- rms_norm -----------------------------------------------------------------
 * y = x r w,  r = 1 / sqrt(m(x^2) + eps);  with h = x r:  dx = r (w dy - h m(w dy h))          dw = sum of dy h */

AG_OP(rms_norm) {
    .size = sizeof(struct ag_op),
    .name = "rms_norm",
    .formula = "y = x / sqrt(mean of x^2 + eps) w",
    .derivative = "dx = r (w dy - h m(w dy h));  dw = sum of dy h",
    .inputs = 2,
    .outputs = 3,
    .optional = AG_OPTIONAL(1),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1) | AG_SAVE_OUTPUT(1) | AG_SAVE_OUTPUT(2),
    .params = sizeof(struct row_params),
    .orders = AG_ORDERS_ANY,
    .shape = rows_shape,
    .forward = rows_forward,
    .backward = rows_backward,
};

ag_tensor ag_rms_norm_at(ag_place where, ag_tensor x, ag_shape normalized, ag_tensor weight, double eps)
{
    struct row_params p = { .eps = eps, .normalized = normalized };
    ag_tensor in[] = { x, weight }, out[3];
    ag_apply(where, &op_rms_norm, 2, in, &p, out);
    return first_of_three(out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(rms_norm)
{
    SAMPLE("x * torch.rsqrt((x ** 2).mean(-1, True) + 1e-5) * w") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), w = sample_float(s, "w", AG_SHAPE(4));
        sample_result(s, ag_rms_norm(x, AG_SHAPE(4), w, 1e-5));
    }
    SAMPLE("x * torch.rsqrt((x ** 2).mean((-2, -1), True) + 0.5) * w") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3, 4)), w = sample_float(s, "w", AG_SHAPE(3, 4));
        sample_result(s, ag_rms_norm(x, AG_SHAPE(3, 4), w, 0.5));
    }
    SAMPLE("x * torch.rsqrt((x ** 2).mean(-1, True) + 1e-5)") {
        sample_result(s, ag_rms_norm(sample_float(s, "x", AG_SHAPE(2, 67)), AG_SHAPE(67), AG_NONE, 1e-5));
    }
    SAMPLE("(lambda y: 2 * y * torch.rsqrt((y ** 2).mean(-1, True) + 1e-5) * w + y)(torch.tanh(x))  # a residual") {
        ag_tensor y = ag_tanh(sample_float(s, "x", AG_SHAPE(3, 4))), w = sample_float(s, "w", AG_SHAPE(4));
        sample_result(s, ag_add(ag_mul_scalar(ag_rms_norm(y, AG_SHAPE(4), w, 1e-5), 2), y));
    }
    SAMPLE("x * torch.rsqrt((x ** 2).mean(-1, True))  # a vector") {
        sample_result(s, ag_rms_norm(sample_float(s, "x", AG_SHAPE(5)), AG_SHAPE(5), AG_NONE, 0));
    }
    SAMPLE("x * torch.rsqrt((x ** 2).mean(-1, True) + 1e-5) * w  # no rows") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 4)), w = sample_float(s, "w", AG_SHAPE(4));
        sample_result(s, ag_rms_norm(x, AG_SHAPE(4), w, 1e-5));
    }
    REFUSES("ag_rms_norm: input (3,4) must end with the normalized shape (3), which has a dimension") {
        ag_rms_norm(sample_float(s, "x", AG_SHAPE(3, 4)), AG_SHAPE(3), AG_NONE, 1e-5);
    }
    REFUSES("ag_rms_norm: weight (3) must have the normalized shape (4)") {
        ag_rms_norm(sample_float(s, "x", AG_SHAPE(3, 4)), AG_SHAPE(4), sample_float(s, "w", AG_SHAPE(3)), 1e-5);
    }
    REFUSES("ag_rms_norm: eps is nan and must be at least 0") {
        ag_rms_norm(sample_float(s, "x", AG_SHAPE(4)), AG_SHAPE(4), AG_NONE, 0.0 / 0.0);
    }
    REFUSES("ag_rms_norm: needs a floating type, got int64") {
        ag_rms_norm(sample_int(s, "x", AG_SHAPE(4), 0, 3), AG_SHAPE(4), AG_NONE, 1e-5);
    }
}
#endif

/* ---- layer_norm_input: the way back of both in one pass; see Note [Two ways back] in softmax.c -------------------- */

enum { DY = 2, MEAN, RSTD };

static bool layer_norm_input_shape(ag_call *call)
{
    const struct row_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    k_layer_norm k = rows_of(p, x);
    ag_shape none = AG_SHAPE(0);
    return ops_need_shape(call, DY, ops_shape(x)) && ops_need_shape(call, MEAN, AG_SHAPE(p->centred ? k.rows : 0)) &&
           ops_need_shape(call, RSTD, AG_SHAPE(k.rows)) &&
           ag_call_output(call, 0, x->dtype, p->wants_x && p->place == NULL ? ops_shape(x) : none) &&
           ag_call_output(call, 1, x->dtype, p->wants_weights ? p->normalized : none) &&
           ag_call_output(call, 2, x->dtype, p->wants_weights ? p->normalized : none);
}

static bool layer_norm_input_forward(ag_call *call)
{
    const struct row_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    k_layer_norm k = rows_of(p, x);
    int threads = ag_call_threads(call);
    const void *data = ops_row_major(call, x), *dy = ops_row_major(call, ag_call_input(call, DY)), *w;
    const void *mean = ops_row_major(call, ag_call_input(call, MEAN)), *r = ops_row_major(call, ag_call_input(call, RSTD));
    if (data == NULL || dy == NULL || mean == NULL || r == NULL || !optional(call, WEIGHT, &w)) {
        return false;
    }
    void *work = p->wants_weights ? ag_call_work(call, k_layer_norm_bytes(x->dtype, &k)) : NULL;
    if (p->wants_weights && work == NULL) {
        return false;
    }
    void *dx = p->place != NULL ? p->place : p->wants_x ? ag_call_result(call, 0)->data : NULL;
    k_layer_norm_back(x->dtype, threads, &k, dy, data, w, mean, r, dx, p->adds,
                      p->wants_weights ? ag_call_result(call, 1)->data : NULL,
                      p->wants_weights ? ag_call_result(call, 2)->data : NULL, work);
    return true;
}

AG_OP(layer_norm_input) {
    .size = sizeof(struct ag_op),
    .name = "layer_norm_input",
    .formula = "dx, dw, db of layer_norm or rms_norm",
    .inputs = 5,
    .outputs = 3,
    .optional = AG_OPTIONAL(1),
    .params = sizeof(struct row_params),
    .shape = layer_norm_input_shape,
    .forward = layer_norm_input_forward,
};

static void layer_norm_input(ag_sweep *s)
{
    struct row_params p = *(const struct row_params *)ag_sweep_params(s);
    int weights = p.centred ? 2 : 1;
    p.wants_x = ag_sweep_wants(s, X);
    p.wants_weights = ag_sweep_wants(s, WEIGHT) || (p.centred && ag_sweep_wants(s, BIAS));
    ag_tensor in[] = { ag_sweep_input(s, X), ag_sweep_input(s, WEIGHT), ag_sweep_grad(s, 0), ag_sweep_output(s, 1),
                       ag_sweep_output(s, 2) };
    ag_tensor out[3];
    ag_array target;
    if (ag_sweep_target(s, X, &target, &p.adds)) { /* what the residual brought is there already */
        p.place = target.data;
    }
    ag_apply(ag_caller(), &op_layer_norm_input, 5, in, &p, out);
    for (int i = 0; i <= weights; i++) {
        if (ag_sweep_wants(s, i) && !(i == X && p.place != NULL)) {
            ag_sweep_add(s, i, out[i]);
        }
    }
}

#ifdef WENGERT_SAMPLES
static void layer_norm_input_sample(ag_samples *s, bool centred, int64_t rows)
{
    struct row_params p = { .centred = centred, .eps = 1, .normalized = AG_SHAPE(4), .wants_x = true, .wants_weights = true };
    ag_tensor in[] = { sample_constant(s, "x", AG_SHAPE(3, 4), -2, 2), sample_constant(s, "w", AG_SHAPE(4), 0.5, 2),
                       sample_constant(s, "g", AG_SHAPE(3, 4), -2, 2),
                       sample_constant(s, "m", AG_SHAPE(centred ? rows : 0), -1, 1),
                       sample_constant(s, "r", AG_SHAPE(3), 0.5, 2) };
    ag_tensor out[3];
    ag_apply(ag_caller(), &op_layer_norm_input, 5, in, &p, out);
    for (int i = 0; i < 3; i++) {
        sample_result(s, out[i]);
    }
}

AG_SAMPLES(layer_norm_input)
{
    SAMPLE("(lambda h: (r[:, None] * (g * w - (g * w).mean(1, True) - h * (g * w * h).mean(1, True)), (g * h).sum(0), "
           "g.sum(0)))((x - m[:, None]) * r[:, None])") {
        layer_norm_input_sample(s, true, 3);
    }
    SAMPLE("(lambda h: (r[:, None] * (g * w - h * (g * w * h).mean(1, True)), (g * h).sum(0), g.sum(0)))(x * r[:, None])") {
        layer_norm_input_sample(s, false, 3);
    }
    REFUSES("ag_layer_norm_input: input 3 is (4) and must be (3)") {
        layer_norm_input_sample(s, true, 4);
    }
}
#endif
