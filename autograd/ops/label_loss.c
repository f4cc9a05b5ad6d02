/*
 * nll_loss, and what it shares with cross_entropy_configured, see label_loss.h. The loops are in kernels/label_loss.c.
 */
#include "autograd/autograd.h"
#include "autograd/ops/label_loss.h"
#include "autograd/samples.h"

int label_class_dim(int ndim)
{
    return ndim == 1 ? 0 : 1;
}

ag_shape label_places(ag_shape x)
{
    ag_shape rest = { .ndim = x.ndim - 1 };
    for (int d = 0, i = 0; d < x.ndim; d++) {
        if (d != label_class_dim(x.ndim)) {
            rest.size[i++] = x.size[d];
        }
    }
    return rest;
}

/* For a shape whose channels are last in memory, or not. */
static k_labels labels_in(const struct label_params *p, ag_shape x, bool channels_last)
{
    k_labels k = { .n = x.ndim > 1 ? x.size[0] : 1, .c = x.size[label_class_dim(x.ndim)], .l = 1, .ignore = p->ignore_index,
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

k_labels label_geometry(const struct label_params *p, const ag_array *x)
{
    return labels_in(p, ops_shape(x), label_channels_last(x));
}

bool label_channels_last(const ag_array *x)
{
    return !ops_is_row_major(x) && ops_is_channels_last(x);
}

const void *label_order(ag_call *call, const ag_array *x)
{
    return label_channels_last(x) ? ops_channels_last(call, x) : ops_row_major(call, x);
}

bool label_optional(ag_call *call, int i, const void **data)
{
    *data = ag_call_has(call, i) ? ops_row_major(call, ag_call_input(call, i)) : NULL;
    return *data != NULL || !ag_call_has(call, i);
}

bool label_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, LABEL_X), *label = ag_call_input(call, LABEL_LABEL);
    const ag_array *w = ag_call_input(call, LABEL_WEIGHT);
    char tx[AG_SHAPE_TEXT], tl[AG_SHAPE_TEXT];
    if (!ops_need_float(call, x) || !loss_reduction_is_right(call, p->reduction)) {
        return false;
    }
    if (label->dtype != AG_INT64) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "labels must be int64, got %s", ag_dtype_name(label->dtype));
    }
    if (x->ndim < 1 || !ag_shape_equal(label_places(ops_shape(x)), ops_shape(label))) {
        return ag_call_fail(call, AG_ERROR_SHAPE,
                            "input %s and labels %s: they must be (C) and (), or (N,C,...) and (N,...)", ops_text(x, tx), ops_text(label, tl));
    }
    int64_t classes = x->size[label_class_dim(x->ndim)];
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

bool label_begin(ag_call *call, k_labels *k, void **losses)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *loss = ag_call_result(call, 0);
    k->label = ops_row_major(call, ag_call_input(call, LABEL_LABEL));
    if (k->label == NULL || !label_optional(call, LABEL_WEIGHT, &k->weight) || !labels_are_right(call, k)) {
        return false;
    }
    *losses = p->reduction == AG_REDUCE_NONE ? loss->data
                                             : ag_call_work(call, (size_t)(k->n * k->l) * ag_dtype_size(loss->dtype));
    return *losses != NULL;
}

void label_end(ag_call *call, const k_labels *k, const void *losses)
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

bool label_weight_is_constant(ag_sweep *s)
{
    if (ag_sweep_wants(s, LABEL_WEIGHT)) {
        ag_sweep_fail(s, AG_ERROR_GRAD, "the weight of classes has no gradient");
        return false;
    }
    return true;
}

ag_tensor label_gradient(ag_sweep *s)
{
    const struct label_params *p = ag_sweep_params(s);
    ag_tensor g = ag_mul(ag_sweep_grad(s, 0), ag_detach(ag_sweep_output(s, 1)));
    return p->reduction == AG_REDUCE_NONE ? ag_unsqueeze(g, label_class_dim(ag_sweep_shape(s, LABEL_X).ndim)) : g;
}

/* ---- nll_loss -------------------------------------------------------------------
 * loss[n] = -weight[label[n]] x[n,label[n]]          dx = -A dloss, see Note [Weights from labels] */

static bool nll_loss_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, LABEL_X);
    k_labels k = label_geometry(ag_call_params(call), x);
    const void *data = label_order(call, x);
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
    p.shape = ag_sweep_shape(s, LABEL_X);
    ag_tensor label = ag_sweep_input(s, LABEL_LABEL), weight = ag_sweep_input(s, LABEL_WEIGHT);
    if (!label_weight_is_constant(s)) {
        return;
    }
    if (!ag_sweep_recording(s)) {
        ag_tensor g = ag_mul(ag_sweep_grad(s, 0), ag_sweep_output(s, 1));
        ag_sweep_add(s, LABEL_X, label_weights(label, weight, ag_neg(g), p));
        return;
    }
    p.reduction = AG_REDUCE_SUM;
    ag_tensor minus_one = ag_scalar(-1, ag_sweep_dtype(s, LABEL_X));
    ag_sweep_add(s, LABEL_X, ag_mul(label_weights(label, weight, minus_one, p), label_gradient(s)));
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

ag_tensor label_first(int n, const ag_tensor *out)
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
    return label_first(2, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(nll_loss)
{
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
    LABEL_REFUSALS("nll_loss", ag_nll_loss_with(x, t, w, -100, r))
}
#endif

/* ---- label_weights: A of Note [Weights from labels] times g, which is one number or one a place ------------------- */

static bool label_weights_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    ag_shape places = label_places(p->shape);
    return ops_need_shape(call, 0, places) &&
           (!ag_call_has(call, 1) || ops_need_shape(call, 1, AG_SHAPE(p->shape.size[label_class_dim(p->shape.ndim)]))) &&
           ops_need_shape(call, 2, p->reduction == AG_REDUCE_NONE ? places : AG_SHAPE_SCALAR) &&
           ag_call_output(call, 0, ag_call_input(call, 2)->dtype, p->shape);
}

static bool label_weights_forward(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    k_labels k = labels_in(p, p->shape, false);
    const ag_array *gradient = ag_call_input(call, 2);
    k.label = ops_row_major(call, ag_call_input(call, 0));
    const void *g = ops_row_major(call, gradient);
    if (k.label == NULL || !label_optional(call, 1, &k.weight) || g == NULL) {
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

ag_tensor label_weights(ag_tensor label, ag_tensor weight, ag_tensor g, struct label_params p)
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
