/*
 * Losses with labels that have weights, are ignored or smoothed, one a row or one a place of an image: nll_loss and
 * cross_entropy_configured, multi_margin_loss. The loops are in kernels/softmax.c and kernels/label_loss.c.
 *
 * Note [Weights from labels]
 * With A[n,c] = (1 - smoothing) weight[label[n]] at the label, + smoothing / C weight[c] everywhere, and 0 where the label is
 * ignored, both losses are -sum over c of A x, x being logarithms of probabilities. label_weights makes A for the recorded ways back. The
 * mean divides by the sum of weight[label]; each forward keeps 1 over it (0 if that is infinite: then nothing flows back).
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/ops/loss_common.h"
#include "autograd/samples.h"

struct label_params {
    ag_reduction reduction;
    int64_t ignore_index;
    double smoothing;
    ag_shape shape; /* of x, for operations that do not see it */
};

/* The dimension of classes: 0 of (C), else 1. */
static int class_dim(int ndim)
{
    return ndim == 1 ? 0 : 1;
}

static ag_shape without_classes(ag_shape x)
{
    ag_shape rest = { .ndim = x.ndim - 1 };
    for (int d = 0, i = 0; d < x.ndim; d++) {
        if (d != class_dim(x.ndim)) {
            rest.size[i++] = x.size[d];
        }
    }
    return rest;
}

/* x seen as (n,c,l). If its channels are last in memory, each place is a row. */
static k_labels labels_in(const struct label_params *p, ag_shape x, bool channels_last)
{
    k_labels k = { .n = x.ndim > 1 ? x.size[0] : 1, .c = x.size[class_dim(x.ndim)], .l = 1, .ignore = p->ignore_index,
                   .smoothing = p->smoothing };
    for (int d = 2; d < x.ndim; d++) {
        k.l *= x.size[d];
    }
    if (channels_last) {
        k.n *= k.l;
        k.l = 1;
    }
    return k;
}

static bool channels_are_last(const ag_array *x)
{
    return !ops_is_row_major(x) && ops_is_channels_last(x);
}

static bool output_like(ag_call *call, int i, const ag_array *x)
{
    return channels_are_last(x) ? ag_call_output_channels_last(call, i, x->dtype, ops_shape(x))
                                : ag_call_output(call, i, x->dtype, ops_shape(x));
}

enum { X, LABEL, WEIGHT };

static bool label_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X), *label = ag_call_input(call, LABEL), *w = ag_call_input(call, WEIGHT);
    char tx[AG_SHAPE_TEXT], tl[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !loss_reduction_is_right(call, p->reduction)) {
        return false;
    }
    if (label->dtype != AG_INT64) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "labels must be int64, got %s", ag_dtype_name(label->dtype));
    }
    if (x->ndim < 1 || !ag_shape_equal(without_classes(ops_shape(x)), ops_shape(label))) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s and labels %s: they must be (C) and (), or (N,C,...) and (N,...)",
                            ops_text(x, tx), ops_text(label, tl));
    }
    int64_t classes = x->size[class_dim(x->ndim)];
    if (w != NULL && !ops_need_same_dtype(call, x, w)) {
        return false;
    }
    if (w != NULL && (w->ndim != 1 || w->size[0] != classes)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s and weight %s: it must be (%lld)", ops_text(x, tx),
                            ops_text(w, tl), (long long)classes);
    }
    return ag_call_output(call, 0, x->dtype, p->reduction == AG_REDUCE_NONE ? ops_shape(label) : AG_SHAPE_SCALAR) &&
           ag_call_output(call, 1, x->dtype, AG_SHAPE_SCALAR);
}

static bool labels_are_right(ag_call *call, const k_labels *k)
{
    for (int64_t i = 0; i < k->n * k->l; i++) {
        if ((k->label[i] < 0 || k->label[i] >= k->c) && k->label[i] != k->ignore) {
            return ag_call_fail(call, AG_ERROR_INDEX, "label %lld at position %lld is outside 0..%lld",
                                (long long)k->label[i], (long long)i, (long long)k->c - 1);
        }
    }
    return true;
}

/* The sum of the weights of the labels that are not ignored. */
static double total_weight(ag_dtype dtype, const k_labels *k)
{
    double total = 0;
    for (int64_t i = 0; i < k->n * k->l; i++) {
        if (k->label[i] != k->ignore) {
            total += k->weight == NULL     ? 1
                     : dtype == AG_FLOAT32 ? (double)((const float *)k->weight)[k->label[i]]
                                           : ((const double *)k->weight)[k->label[i]];
        }
    }
    return total;
}

/* Labels and weight of the call, checked; where the losses go before they are reduced. */
static bool label_begin(ag_call *call, k_labels *k, void **losses)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *loss = ag_call_result(call, 0);
    k->label = ops_row_major(call, ag_call_input(call, LABEL));
    k->weight = ag_call_has(call, WEIGHT) ? ops_row_major(call, ag_call_input(call, WEIGHT)) : NULL;
    if (k->label == NULL || (ag_call_has(call, WEIGHT) && k->weight == NULL) || !labels_are_right(call, k)) {
        return false;
    }
    *losses = p->reduction == AG_REDUCE_NONE ? loss->data
                                             : ag_call_work(call, (size_t)(k->n * k->l) * ag_dtype_size(loss->dtype));
    return *losses != NULL;
}

static void label_end(ag_call *call, const k_labels *k, const void *losses)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *loss = ag_call_result(call, 0), *scale = ag_call_result(call, 1);
    loss_store(scale, 1);
    if (p->reduction == AG_REDUCE_NONE) {
        return;
    }
    double sum = loss_sum_of(loss->dtype, k->n * k->l, losses);
    if (p->reduction == AG_REDUCE_MEAN) {
        double total = total_weight(loss->dtype, k);
        loss_store(scale, total != 0 ? 1 / total : 0);
        sum /= total;
    }
    loss_store(loss, sum);
}

/* The weight of classes takes part in the choice of the mean's divisor; as in PyTorch it has no gradient. */
static bool weight_is_constant(ag_sweep *s)
{
    if (ag_sweep_wants(s, WEIGHT)) {
        ag_sweep_fail(s, AG_ERROR_GRAD, "the weight of classes has no gradient");
        return false;
    }
    return true;
}

/* The gradient that reaches each place, with a dimension for the classes. */
static ag_tensor gradient_over_classes(ag_sweep *s)
{
    const struct label_params *p = ag_sweep_params(s);
    ag_tensor g = ag_mul(ag_sweep_grad(s, 0), ag_detach(ag_sweep_output(s, 1)));
    return p->reduction == AG_REDUCE_NONE ? ag_unsqueeze(g, class_dim(ag_sweep_shape(s, X).ndim)) : g;
}

static ag_tensor label_weights(ag_tensor label, ag_tensor weight, ag_tensor g, struct label_params p);

/* ---- nll_loss -------------------------------------------------------------------
 * loss[n] = -weight[label[n]] x[n,label[n]]          dx = -A dloss, see Note [Weights from labels] */

static bool nll_loss_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, X);
    bool last = channels_are_last(x);
    k_labels k = labels_in(ag_call_params(call), ops_shape(x), last);
    const void *data = last ? ops_channels_last(call, x) : ops_row_major(call, x);
    void *losses;
    if (data == NULL || !label_begin(call, &k, &losses)) {
        return false;
    }
    k_nll(x->dtype, &k, data, losses);
    label_end(call, &k, losses);
    return true;
}

static void nll_loss_backward(ag_sweep *s)
{
    struct label_params p = *(const struct label_params *)ag_sweep_params(s);
    p.shape = ag_sweep_shape(s, X);
    ag_tensor label = ag_sweep_input(s, LABEL), weight = ag_sweep_input(s, WEIGHT);
    if (!weight_is_constant(s)) {
        return;
    }
    if (!ag_sweep_recording(s)) {
        ag_tensor g = ag_mul(ag_sweep_grad(s, 0), ag_sweep_output(s, 1));
        ag_sweep_add(s, X, label_weights(label, weight, ag_neg(g), p));
        return;
    }
    p.reduction = AG_REDUCE_SUM;
    ag_tensor minus_one = ag_scalar(-1, ag_sweep_dtype(s, X));
    ag_sweep_add(s, X, ag_mul(label_weights(label, weight, minus_one, p), gradient_over_classes(s)));
}

AG_OP(nll_loss) {
    .size = sizeof(struct ag_op),
    .name = "nll_loss",
    .formula = "loss = -w[label] x[label]",
    .derivative = "dx = -w[label] one_hot(label) dloss",
    .inputs = 3,
    .outputs = 2,
    .optional = AG_OPTIONAL(2),
    .saves = AG_SAVE_INPUT(1) | AG_SAVE_INPUT(2) | AG_SAVE_OUTPUT(1),
    .params = sizeof(struct label_params),
    .orders = AG_ORDERS_ANY,
    .shape = label_shape,
    .forward = nll_loss_forward,
    .backward = nll_loss_backward,
};

/* The first result; the others are for the way back alone. */
static ag_tensor first_of(int n, const ag_tensor *out)
{
    for (int i = 1; i < n && !ag_is_nil(out[0]); i++) {
        ag_release(out[i]);
    }
    return out[0];
}

ag_tensor ag_nll_loss_at(ag_place where, ag_tensor x, ag_tensor labels)
{
    return ag_nll_loss_with_at(where, x, labels, AG_NONE, -100, AG_REDUCE_MEAN);
}

ag_tensor ag_nll_loss_with_at(ag_place where, ag_tensor x, ag_tensor labels, ag_tensor weight, int64_t ignore_index,
                              ag_reduction reduction)
{
    struct label_params p = { .reduction = reduction, .ignore_index = ignore_index };
    ag_tensor in[] = { x, labels, weight }, out[2];
    ag_apply(where, &op_nll_loss, 3, in, &p, out);
    return first_of(2, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(nll_loss)
{
#define LABELS(shape) sample_int(s, "t", shape, 0, 3)
#define WEIGHTS sample_constant(s, "w", AG_SHAPE(3), 0.5, 2)
    SAMPLE("F.nll_loss(x, t)") {
        sample_result(s, ag_nll_loss(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(4))));
    }
    SAMPLE("F.nll_loss(x, t, w)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3)), t = LABELS(AG_SHAPE(4));
        sample_result(s, ag_nll_loss_with(x, t, WEIGHTS, -100, AG_REDUCE_MEAN));
    }
    SAMPLE("F.nll_loss(x, t, w, ignore_index=1, reduction='sum')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(6, 3)), t = LABELS(AG_SHAPE(6));
        sample_result(s, ag_nll_loss_with(x, t, WEIGHTS, 1, AG_REDUCE_SUM));
    }
    SAMPLE("F.nll_loss(x, t, ignore_index=-1, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(6, 3)), t = sample_int(s, "t", AG_SHAPE(6), -1, 3);
        sample_result(s, ag_nll_loss_with(x, t, AG_NONE, -1, AG_REDUCE_NONE));
    }
    SAMPLE("F.nll_loss(x, t)  # images") {
        sample_result(s, ag_nll_loss(sample_float(s, "x", AG_SHAPE(2, 3, 2, 4)), LABELS(AG_SHAPE(2, 2, 4))));
    }
    SAMPLE("F.nll_loss(x, t, w, ignore_index=2, reduction='none')  # sequences") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3, 5)), t = LABELS(AG_SHAPE(2, 5));
        sample_result(s, ag_nll_loss_with(x, t, WEIGHTS, 2, AG_REDUCE_NONE));
    }
    SAMPLE("F.nll_loss(x.permute(0, 3, 1, 2).contiguous(), t, w)  # channels last") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 4, 3)), t = LABELS(AG_SHAPE(2, 2, 4));
        sample_result(s, ag_nll_loss_with(ag_permute(x, AG_DIMS(0, 3, 1, 2)), t, WEIGHTS, -100, AG_REDUCE_MEAN));
    }
    SAMPLE("F.nll_loss(x, t, w, reduction='none')  # not in a batch") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), t = LABELS(AG_SHAPE_SCALAR);
        sample_result(s, ag_nll_loss_with(x, t, WEIGHTS, -100, AG_REDUCE_NONE));
    }
    SAMPLE("F.nll_loss(x, t, reduction='sum')  # no rows") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 3)), t = LABELS(AG_SHAPE(0));
        sample_result(s, ag_nll_loss_with(x, t, AG_NONE, -100, AG_REDUCE_SUM));
    }
#define REFUSED(name, call)                                                                                           \
    REFUSES("ag_" name ": input (4,3) and labels (3): they must be (C) and (), or (N,C,...) and (N,...)") {           \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3)), t = LABELS(AG_SHAPE(3)), w = AG_NONE;                     \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": input () and labels (): they must be (C) and (), or (N,C,...) and (N,...)") {               \
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR), t = LABELS(AG_SHAPE_SCALAR), w = AG_NONE;                \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": label 3 at position 0 is outside 0..2") {                                                   \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = sample_int(s, "t", AG_SHAPE(2), 3, 4), w = AG_NONE;   \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": input (2,3) and weight (2): it must be (3)") {                                              \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = LABELS(AG_SHAPE(2));                                  \
        ag_tensor w = sample_float(s, "w", AG_SHAPE(2));                                                              \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("backward of ag_" name ": the weight of classes has no gradient") {                                                   \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = LABELS(AG_SHAPE(2));                                  \
        ag_tensor w = sample_float(s, "w", AG_SHAPE(3));                                                              \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        ag_backward(call);                                                                                            \
    }                                                                                                                 \
    REFUSES("ag_" name ": labels must be int64, got uint8") {                                                         \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = sample_mask(s, "t", AG_SHAPE(2)), w = AG_NONE;        \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": needs a floating type, got int64") {                                                        \
        ag_tensor x = sample_int(s, "x", AG_SHAPE(2, 3), 0, 4), t = LABELS(AG_SHAPE(2)), w = AG_NONE;                 \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": reduction 3 is unknown") {                                                                  \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = LABELS(AG_SHAPE(2)), w = AG_NONE;                     \
        ag_reduction r = AG_REDUCE_BATCHMEAN;                                                                         \
        call;                                                                                                         \
    }
    REFUSED("nll_loss", ag_nll_loss_with(x, t, w, -100, r))
}
#endif

/* ---- label_weights: A of Note [Weights from labels] times g, which is one number or one a place --------------------------------- */

static bool label_weights_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    ag_shape places = without_classes(p->shape);
    return ops_need_shape(call, 0, places) &&
           (!ag_call_has(call, 1) || ops_need_shape(call, 1, AG_SHAPE(p->shape.size[class_dim(p->shape.ndim)]))) &&
           ops_need_shape(call, 2, p->reduction == AG_REDUCE_NONE ? places : AG_SHAPE_SCALAR) &&
           ag_call_output(call, 0, ag_call_input(call, 2)->dtype, p->shape);
}

static bool label_weights_forward(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    k_labels k = labels_in(p, p->shape, false);
    const ag_array *gradient = ag_call_input(call, 2);
    k.label = ops_row_major(call, ag_call_input(call, 0));
    k.weight = ag_call_has(call, 1) ? ops_row_major(call, ag_call_input(call, 1)) : NULL;
    const void *g = ops_row_major(call, gradient);
    if (k.label == NULL || (ag_call_has(call, 1) && k.weight == NULL) || g == NULL) {
        return false;
    }
    k_label_weights(gradient->dtype, &k, g, p->reduction == AG_REDUCE_NONE, 1, ag_call_result(call, 0)->data);
    return true;
}

AG_OP(label_weights) {
    .size = sizeof(struct ag_op),
    .name = "label_weights",
    .formula = "y[c] = ((1 - s) w[label] [c = label] + s / C w[c]) g",
    .inputs = 3,
    .outputs = 1,
    .optional = AG_OPTIONAL(1),
    .params = sizeof(struct label_params),
    .shape = label_weights_shape,
    .forward = label_weights_forward,
};

static ag_tensor label_weights(ag_tensor label, ag_tensor weight, ag_tensor g, struct label_params p)
{
    ag_tensor in[] = { label, weight, g }, out[1];
    return ag_apply(ag_caller(), &op_label_weights, 3, in, &p, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(label_weights)
{
    struct label_params p = { AG_REDUCE_NONE, -100, 0.25, AG_SHAPE(4, 3) };
    SAMPLE("(0.75 * F.one_hot(t, 3).double() + 0.25 / 3) * w * g[:, None]") {
        ag_tensor g = sample_constant(s, "g", AG_SHAPE(4), 1, 2);
        sample_result(s, label_weights(LABELS(AG_SHAPE(4)), WEIGHTS, g, p));
    }
    SAMPLE("F.one_hot(t, 3).permute(0, 2, 1) * g * (t != 1)[:, None]") {
        p.reduction = AG_REDUCE_SUM, p.smoothing = 0, p.ignore_index = 1, p.shape = AG_SHAPE(2, 3, 5);
        ag_tensor g = sample_constant(s, "g", AG_SHAPE_SCALAR, 1, 2);
        sample_result(s, label_weights(LABELS(AG_SHAPE(2, 5)), AG_NONE, g, p));
    }
    REFUSES("ag_label_weights: input 2 is () and must be (4)") {
        label_weights(LABELS(AG_SHAPE(4)), WEIGHTS, sample_constant(s, "g", AG_SHAPE_SCALAR, 1, 2), p);
    }
}
#endif

/* ---- cross_entropy_configured ---------------------------------------------------------------------------
 * loss[n] = -sum over c of A[n,c] log softmax(x[n])[c]          dx = (softmax(x) (sum over c of A) - A) dloss
 * The third result keeps each place's maximum and log sum for the way back. */

static bool cross_entropy_configured_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    if (!(p->smoothing >= 0 && p->smoothing <= 1)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "label_smoothing is %g and must be 0 to 1", p->smoothing);
    }
    return label_shape(call) &&
           ag_call_output(call, 2, x->dtype, AG_SHAPE(ag_call_input(call, LABEL)->numel, 2));
}

static bool cross_entropy_configured_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, X);
    bool last = channels_are_last(x);
    k_labels k = labels_in(ag_call_params(call), ops_shape(x), last);
    const void *data = last ? ops_channels_last(call, x) : ops_row_major(call, x);
    void *losses;
    if (data == NULL || !label_begin(call, &k, &losses)) {
        return false;
    }
    k_label_loss(x->dtype, ag_call_threads(call), &k, data, losses, ag_call_result(call, 2)->data);
    label_end(call, &k, losses);
    return true;
}

static ag_tensor cross_entropy_configured_input(ag_sweep *s);

static void cross_entropy_configured_backward(ag_sweep *s)
{
    if (!weight_is_constant(s)) {
        return;
    }
    if (!ag_sweep_recording(s)) {
        ag_sweep_add(s, X, cross_entropy_configured_input(s));
        return;
    }
    struct label_params p = *(const struct label_params *)ag_sweep_params(s);
    p.shape = ag_sweep_shape(s, X);
    p.reduction = AG_REDUCE_SUM;
    int dim = class_dim(p.shape.ndim);
    ag_tensor one = ag_scalar(1, ag_sweep_dtype(s, X));
    ag_tensor a = label_weights(ag_sweep_input(s, LABEL), ag_sweep_input(s, WEIGHT), one, p);
    ag_tensor error = ag_sub(ag_mul(ag_softmax(ag_sweep_input(s, X), dim), ag_sum_dims(a, AG_DIMS(dim), true)), a);
    ag_sweep_add(s, X, ag_mul(error, gradient_over_classes(s)));
}

AG_OP(cross_entropy_configured) {
    .size = sizeof(struct ag_op),
    .name = "cross_entropy_configured",
    .formula = "loss = -sum of ((1 - s) w[label] [c = label] + s / C w[c]) log softmax(x)[c]",
    .derivative = "dx = (softmax(x) (sum of the weights) - the weights) dloss",
    .inputs = 3,
    .outputs = 3,
    .optional = AG_OPTIONAL(2),
    .saves = AG_SAVE_INPUT(0) | AG_SAVE_INPUT(1) | AG_SAVE_INPUT(2) | AG_SAVE_OUTPUT(1) | AG_SAVE_OUTPUT(2),
    .params = sizeof(struct label_params),
    .orders = AG_ORDERS_ANY,
    .shape = cross_entropy_configured_shape,
    .forward = cross_entropy_configured_forward,
    .backward = cross_entropy_configured_backward,
};

ag_cross_entropy_config ag_cross_entropy_defaults(void)
{
    return (ag_cross_entropy_config){
        .made_by_defaults = OPS_MADE_BY_DEFAULTS,
        .weight = AG_NONE,
        .ignore_index = -100,
        .reduction = AG_REDUCE_MEAN,
    };
}

/* -sum over c of weight (y (1 - s) + s / C) log softmax(x), composed. */
static ag_tensor cross_entropy_of_probabilities(ag_place where, ag_tensor x, ag_tensor y, ag_cross_entropy_config config)
{
    static const char name[] = "ag_cross_entropy_configured";
    char tx[AG_SHAPE_TEXT], ty[AG_SHAPE_TEXT];
    ag_tensor both[] = { x, y };
    ag_shape shape;
    if (!loss_reduction(where, name, config.reduction) || !loss_accepts(where, name, 2, both, &shape)) {
        return AG_NIL;
    }
    if (shape.ndim < 1 || !ag_shape_equal(ag_shape_of(x), ag_shape_of(y))) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: logits %s and probabilities %s: the shapes must be the same", name,
                       ag_shape_format(ag_shape_of(x), tx, sizeof(tx)), ag_shape_format(ag_shape_of(y), ty, sizeof(ty)));
        return AG_NIL;
    }
    if (!(config.label_smoothing >= 0 && config.label_smoothing <= 1)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: label_smoothing is %g and must be 0 to 1", name, config.label_smoothing);
        return AG_NIL;
    }
    int dim = class_dim(shape.ndim);
    int64_t classes = shape.size[dim];
    if (!ag_is_none(config.weight)) {
        ag_shape of_weight;
        ag_tensor weight[] = { x, config.weight };
        if (!loss_accepts(where, name, 1, weight + 1, &of_weight)) {
            return AG_NIL;
        }
        if (!ag_shape_equal(of_weight, AG_SHAPE(classes))) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s and weight %s: it must be (%lld)", name,
                           ag_shape_format(shape, tx, sizeof(tx)), ag_shape_format(of_weight, ty, sizeof(ty)),
                           (long long)classes);
            return AG_NIL;
        }
        if (ag_dtype_of(config.weight) != ag_dtype_of(x)) {
            ag_error_raise(where, AG_ERROR_DTYPE, "%s: element types %s and %s differ", name, ag_dtype_name(ag_dtype_of(x)),
                           ag_dtype_name(ag_dtype_of(config.weight)));
            return AG_NIL;
        }
    }
    loss_composed c = loss_begin(where);
    if (config.label_smoothing > 0) {
        y = ag_add_scalar(ag_mul_scalar(y, 1 - config.label_smoothing), config.label_smoothing / (double)classes);
    }
    if (!ag_is_none(config.weight)) {
        ag_shape over_classes = { .ndim = shape.ndim };
        for (int d = 0; d < shape.ndim; d++) {
            over_classes.size[d] = d == dim ? classes : 1;
        }
        y = ag_mul(y, ag_reshape(config.weight, over_classes));
    }
    ag_tensor values = ag_neg(ag_sum_dims(ag_mul(ag_log_softmax(x, dim), y), AG_DIMS(dim), false));
    return loss_end(c, loss_reduced(values, config.reduction));
}

ag_tensor ag_cross_entropy_configured_at(ag_place where, ag_tensor logits, ag_tensor target, ag_cross_entropy_config config)
{
    if (config.made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "ag_cross_entropy_configured: the config must come from ag_cross_entropy_defaults()");
        return AG_NIL;
    }
    if (ag_is_alive(target) && ag_dtype_is_float(ag_dtype_of(target))) {
        return cross_entropy_of_probabilities(where, logits, target, config);
    }
    struct label_params p = { .reduction = config.reduction, .ignore_index = config.ignore_index,
                              .smoothing = config.label_smoothing };
    ag_tensor in[] = { logits, target, config.weight }, out[3];
    ag_apply(where, &op_cross_entropy_configured, 3, in, &p, out);
    return first_of(3, out);
}

#ifdef WENGERT_SAMPLES
static ag_tensor configured(ag_tensor x, ag_tensor t, ag_tensor w, ag_reduction reduction)
{
    ag_cross_entropy_config c = ag_cross_entropy_defaults();
    c.weight = w, c.reduction = reduction;
    return ag_cross_entropy_configured(x, t, c);
}

AG_SAMPLES(cross_entropy_configured)
{
    ag_cross_entropy_config c = ag_cross_entropy_defaults();
#define CE_SAMPLE(text, shape, of_labels)                                                                            \
    SAMPLE("F.cross_entropy(x, t" text) {                                                                            \
        ag_tensor x = sample_float(s, "x", shape), t = LABELS(of_labels);                                            \
        sample_result(s, ag_cross_entropy_configured(x, t, c));                                                      \
    }
    CE_SAMPLE(")", AG_SHAPE(4, 3), AG_SHAPE(4))
    CE_SAMPLE(")  # images", AG_SHAPE(2, 3, 2, 4), AG_SHAPE(2, 2, 4))
    CE_SAMPLE(")  # longer than a block", AG_SHAPE(2, 3, 19), AG_SHAPE(2, 19))
    CE_SAMPLE(")  # many classes", AG_SHAPE(3, 21), AG_SHAPE(3))
    CE_SAMPLE(")  # not in a batch", AG_SHAPE(3), AG_SHAPE_SCALAR)
    CE_SAMPLE(")  # volumes", AG_SHAPE(1, 3, 2, 1, 2), AG_SHAPE(1, 2, 1, 2))
    c.label_smoothing = 0.1;
    CE_SAMPLE(", label_smoothing=0.1)", AG_SHAPE(4, 3), AG_SHAPE(4))
    CE_SAMPLE(", label_smoothing=0.1)  # many classes", AG_SHAPE(3, 21), AG_SHAPE(3))
    c.reduction = AG_REDUCE_NONE;
    CE_SAMPLE(", label_smoothing=0.1, reduction='none')", AG_SHAPE(2, 3, 2, 2), AG_SHAPE(2, 2, 2))
    c.ignore_index = 1;
    c.reduction = AG_REDUCE_MEAN;
    CE_SAMPLE(", label_smoothing=0.1, ignore_index=1)", AG_SHAPE(6, 3), AG_SHAPE(6))
    c.label_smoothing = 0;
    CE_SAMPLE(", ignore_index=1)", AG_SHAPE(6, 3), AG_SHAPE(6))
    c.reduction = AG_REDUCE_NONE;
    CE_SAMPLE(", ignore_index=1, reduction='none')  # sequences", AG_SHAPE(2, 3, 5), AG_SHAPE(2, 5))
#define CE_WEIGHTED(text, shape, of_labels)                                                                          \
    SAMPLE("F.cross_entropy(x, t, w" text) {                                                                         \
        ag_tensor x = sample_float(s, "x", shape), t = LABELS(of_labels);                                            \
        c.weight = WEIGHTS;                                                                                          \
        sample_result(s, ag_cross_entropy_configured(x, t, c));                                                      \
    }
    c = ag_cross_entropy_defaults();
    CE_WEIGHTED(")", AG_SHAPE(4, 3), AG_SHAPE(4))
    CE_WEIGHTED(")  # images", AG_SHAPE(2, 3, 2, 4), AG_SHAPE(2, 2, 4))
    c.reduction = AG_REDUCE_SUM;
    CE_WEIGHTED(", reduction='sum')", AG_SHAPE(4, 3), AG_SHAPE(4))
    c = ag_cross_entropy_defaults();
    c.label_smoothing = 0.3;
    c.ignore_index = 2;
    CE_WEIGHTED(", ignore_index=2, label_smoothing=0.3)", AG_SHAPE(6, 3), AG_SHAPE(6))
    CE_WEIGHTED(", ignore_index=2, label_smoothing=0.3)  # sequences", AG_SHAPE(2, 3, 4), AG_SHAPE(2, 4))
    SAMPLE("F.cross_entropy(x.permute(0, 3, 1, 2).contiguous(), t, w, ignore_index=2, label_smoothing=0.3)  # channels last") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 4, 3)), t = LABELS(AG_SHAPE(2, 2, 4));
        c.weight = WEIGHTS;
        sample_result(s, ag_cross_entropy_configured(ag_permute(x, AG_DIMS(0, 3, 1, 2)), t, c));
    }
    c = ag_cross_entropy_defaults();
    SAMPLE("F.cross_entropy(x, t)  # all are ignored") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = sample_int(s, "t", AG_SHAPE(2), -100, -99);
        ag_tensor loss = ag_cross_entropy_configured(x, t, c);
        sample_first_order_only(s);
        sample_result(s, loss);
    }
    SAMPLE("F.cross_entropy(x * 300, t, label_smoothing=0.1)  # large") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 3)), t = LABELS(AG_SHAPE(3));
        c.label_smoothing = 0.1;
        sample_first_order_only(s);
        sample_result(s, ag_cross_entropy_configured(ag_mul_scalar(x, 300), t, c));
    }
    SAMPLE("F.cross_entropy(x, t, reduction='sum')  # no rows") {
        c.reduction = AG_REDUCE_SUM;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 3)), t = LABELS(AG_SHAPE(0));
        sample_result(s, ag_cross_entropy_configured(x, t, c));
    }
    REFUSED("cross_entropy_configured", configured(x, t, w, r))
    REFUSES("ag_cross_entropy_configured: label_smoothing is 2 and must be 0 to 1") {
        c.label_smoothing = 2;
        ag_cross_entropy_configured(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(4)), c);
    }
    REFUSES("ag_cross_entropy_configured: the config must come from ag_cross_entropy_defaults()") {
        ag_cross_entropy_config zero = { 0 };
        ag_cross_entropy_configured(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(4)), zero);
    }
}

AG_SAMPLES_OF_FUNCTION(cross_entropy_of_probabilities)
{
    ag_cross_entropy_config c = ag_cross_entropy_defaults();
#define PROBABILITIES(text, shape)                                                                                   \
    SAMPLE("F.cross_entropy(x, y" text) {                                                                            \
        ag_tensor x = sample_float(s, "x", shape), y = sample_range(s, "y", shape, 0, 1);                            \
        sample_result(s, ag_cross_entropy_configured(x, y, c));                                                      \
    }
    PROBABILITIES(")", AG_SHAPE(4, 3))
    PROBABILITIES(")  # images", AG_SHAPE(2, 3, 2, 2))
    PROBABILITIES(")  # not in a batch", AG_SHAPE(3))
    c.label_smoothing = 0.2;
    c.reduction = AG_REDUCE_SUM;
    PROBABILITIES(", label_smoothing=0.2, reduction='sum')", AG_SHAPE(4, 3))
    c.reduction = AG_REDUCE_NONE;
    PROBABILITIES(", label_smoothing=0.2, reduction='none')  # sequences", AG_SHAPE(2, 3, 2))
    PROBABILITIES(", label_smoothing=0.2, reduction='none')  # no rows", AG_SHAPE(0, 3))
    c.reduction = AG_REDUCE_MEAN;
    SAMPLE("F.cross_entropy(x, y, w, label_smoothing=0.2)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3)), y = sample_range(s, "y", AG_SHAPE(4, 3), 0, 1);
        c.weight = sample_range(s, "w", AG_SHAPE(3), 0.5, 2);
        sample_result(s, ag_cross_entropy_configured(x, y, c));
    }
    REFUSES("ag_cross_entropy_configured: logits (4,3) and probabilities (3): the shapes must be the same") {
        ag_cross_entropy_configured(sample_float(s, "x", AG_SHAPE(4, 3)), sample_float(s, "y", AG_SHAPE(3)), c);
    }
    REFUSES("ag_cross_entropy_configured: input (4,3) and weight (4): it must be (3)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3));
        configured(x, x, sample_float(s, "w", AG_SHAPE(4)), AG_REDUCE_MEAN);
    }
    REFUSES("ag_cross_entropy_configured: element types float32 and float64 differ") {
        ag_tensor x = ag_ones(AG_SHAPE(4, 3), AG_FLOAT32);
        configured(x, x, ag_ones(AG_SHAPE(3), AG_FLOAT64), AG_REDUCE_MEAN);
    }
    REFUSES("ag_cross_entropy_configured: label_smoothing is nan and must be 0 to 1") {
        c.label_smoothing = NAN;
        ag_cross_entropy_configured(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "y", AG_SHAPE(3)), c);
    }
    REFUSES("ag_cross_entropy_configured: reduction 3 is unknown") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3));
        configured(x, x, AG_NONE, AG_REDUCE_BATCHMEAN);
    }
}
#endif

/* ---- cross_entropy_configured_input: the way back in one pass; see Note [Two ways back] in softmax.c ------------------------ */

enum { STATS = 3, SCALE, GRADIENT };

static bool cross_entropy_configured_input_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X);
    ag_shape places = without_classes(ops_shape(x));
    return ops_need_shape(call, LABEL, places) && ops_need_shape(call, STATS, AG_SHAPE(ag_shape_numel(places), 2)) &&
           ops_need_shape(call, SCALE, AG_SHAPE_SCALAR) &&
           ops_need_shape(call, GRADIENT, p->reduction == AG_REDUCE_NONE ? places : AG_SHAPE_SCALAR) &&
           output_like(call, 0, x);
}

static bool cross_entropy_configured_input_forward(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, X), *factor = ag_call_input(call, SCALE);
    bool last = channels_are_last(x);
    k_labels k = labels_in(p, ops_shape(x), last);
    const void *data = last ? ops_channels_last(call, x) : ops_row_major(call, x);
    const void *stats = ops_row_major(call, ag_call_input(call, STATS)), *g = ops_row_major(call, ag_call_input(call, GRADIENT));
    k.label = ops_row_major(call, ag_call_input(call, LABEL));
    k.weight = ag_call_has(call, WEIGHT) ? ops_row_major(call, ag_call_input(call, WEIGHT)) : NULL;
    if (data == NULL || stats == NULL || g == NULL || k.label == NULL || (ag_call_has(call, WEIGHT) && k.weight == NULL)) {
        return false;
    }
    double scale = x->dtype == AG_FLOAT32 ? (double)*(const float *)factor->data : *(const double *)factor->data;
    k_label_loss_input(x->dtype, ag_call_threads(call), &k, data, stats, g, p->reduction == AG_REDUCE_NONE, scale,
                       ag_call_result(call, 0)->data);
    return true;
}

AG_OP(cross_entropy_configured_input) {
    .size = sizeof(struct ag_op),
    .name = "cross_entropy_configured_input",
    .formula = "dx = (softmax(x) (sum of the weights) - the weights) dloss",
    .inputs = 6,
    .outputs = 1,
    .optional = AG_OPTIONAL(2),
    .params = sizeof(struct label_params),
    .shape = cross_entropy_configured_input_shape,
    .forward = cross_entropy_configured_input_forward,
};

static ag_tensor cross_entropy_configured_input(ag_sweep *s)
{
    ag_tensor in[] = { ag_sweep_input(s, X), ag_sweep_input(s, LABEL), ag_sweep_input(s, WEIGHT), ag_sweep_output(s, 2),
                       ag_sweep_output(s, 1), ag_sweep_grad(s, 0) };
    ag_tensor out[1];
    return ag_apply(ag_caller(), &op_cross_entropy_configured_input, 6, in, ag_sweep_params(s), out);
}

#ifdef WENGERT_SAMPLES
static void configured_input_sample(ag_samples *s, ag_reduction reduction, ag_shape g)
{
    struct label_params p = { .reduction = reduction, .ignore_index = -100 };
    ag_tensor x = sample_constant(s, "x", AG_SHAPE(4, 3), -2, 2), max = ag_amax(x, AG_DIMS(1), false);
    ag_tensor parts[] = { max, ag_sub(ag_logsumexp(x, AG_DIMS(1), false), max) };
    ag_tensor in[] = { x, LABELS(AG_SHAPE(4)), WEIGHTS, ag_stack(2, parts, 1),
                       sample_constant(s, "f", AG_SHAPE_SCALAR, 0.2, 0.4), sample_constant(s, "g", g, 1, 2) };
    ag_tensor out[1];
    sample_result(s, ag_apply(ag_caller(), &op_cross_entropy_configured_input, 6, in, &p, out));
}

AG_SAMPLES(cross_entropy_configured_input)
{
    SAMPLE("(torch.softmax(x, 1) - F.one_hot(t, 3)) * w[t][:, None] * f * g[:, None]") {
        configured_input_sample(s, AG_REDUCE_NONE, AG_SHAPE(4));
    }
    SAMPLE("(torch.softmax(x, 1) - F.one_hot(t, 3)) * w[t][:, None] * f * g") {
        configured_input_sample(s, AG_REDUCE_MEAN, AG_SHAPE_SCALAR);
    }
    REFUSES("ag_cross_entropy_configured_input: input 5 is (4) and must be ()") {
        configured_input_sample(s, AG_REDUCE_SUM, AG_SHAPE(4));
    }
}
#endif
