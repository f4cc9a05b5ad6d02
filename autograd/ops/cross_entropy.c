/*
 * Cross-entropy with all its options: labels with weights, ignored or smoothed, at the places of images; or probabilities
 * as targets. Labels are fused, the loops are in kernels/softmax.c; probabilities are composed. The plain loss of rows is in
 * class_loss.c.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/ops/label_loss.h"
#include "autograd/samples.h"

/* ---- cross_entropy_configured ---------------------------------------------------------------------------
 * loss[n] = -sum over c of A[n,c] log softmax(x[n])[c]          dx = (softmax(x) (sum over c of A) - A) dloss
 * The third result keeps each place's maximum and log sum for the way back. */

static bool cross_entropy_configured_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, LABEL_X);
    if (!(p->smoothing >= 0 && p->smoothing <= 1)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "label_smoothing is %g and must be 0 to 1", p->smoothing);
    }
    return label_shape(call) &&
           ag_call_output(call, 2, x->dtype, AG_SHAPE(ag_call_input(call, LABEL_LABEL)->numel, 2));
}

static bool cross_entropy_configured_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, LABEL_X);
    k_labels k = label_geometry(ag_call_params(call), x);
    const void *data = label_order(call, x);
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
    if (!label_weight_is_constant(s)) {
        return;
    }
    if (!ag_sweep_recording(s)) {
        ag_sweep_add(s, LABEL_X, cross_entropy_configured_input(s));
        return;
    }
    struct label_params p = *(const struct label_params *)ag_sweep_params(s);
    p.shape = ag_sweep_shape(s, LABEL_X);
    p.reduction = AG_REDUCE_SUM;
    int dim = label_class_dim(p.shape.ndim);
    ag_tensor one = ag_scalar(1, ag_sweep_dtype(s, LABEL_X));
    ag_tensor a = label_weights(ag_sweep_input(s, LABEL_LABEL), ag_sweep_input(s, LABEL_WEIGHT), one, p);
    ag_tensor error = ag_sub(ag_mul(ag_softmax(ag_sweep_input(s, LABEL_X), dim), ag_sum_dims(a, AG_DIMS(dim), true)), a);
    ag_sweep_add(s, LABEL_X, ag_mul(error, label_gradient(s)));
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
        ag_error_raise(where, AG_ERROR_VALUE, "%s: label_smoothing is %g and must be 0 to 1", name,
                       config.label_smoothing);
        return AG_NIL;
    }
    int dim = label_class_dim(shape.ndim);
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
            ag_error_raise(where, AG_ERROR_DTYPE, "%s: element types %s and %s differ", name,
                           ag_dtype_name(ag_dtype_of(x)), ag_dtype_name(ag_dtype_of(config.weight)));
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
    return label_first(3, out);
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
    SAMPLE("F.cross_entropy(x.permute(0, 3, 1, 2).contiguous(), t, w, ignore_index=2, label_smoothing=0.3)") {
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
    LABEL_REFUSALS("cross_entropy_configured", configured(x, t, w, r))
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

/* ---- cross_entropy_configured_input: the way back in one pass; see Note [Two ways back] in softmax.c -------------- */

enum { STATS = 3, SCALE, GRADIENT };

static bool cross_entropy_configured_input_shape(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, LABEL_X);
    ag_shape places = label_places(ops_shape(x));
    return ops_need_shape(call, LABEL_LABEL, places) && ops_need_shape(call, STATS, AG_SHAPE(ag_shape_numel(places), 2)) &&
           ops_need_shape(call, SCALE, AG_SHAPE_SCALAR) &&
           ops_need_shape(call, GRADIENT, p->reduction == AG_REDUCE_NONE ? places : AG_SHAPE_SCALAR) &&
           (label_channels_last(x) ? ag_call_output_channels_last(call, 0, x->dtype, ops_shape(x))
                                   : ag_call_output(call, 0, x->dtype, ops_shape(x)));
}

static bool cross_entropy_configured_input_forward(ag_call *call)
{
    const struct label_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, LABEL_X), *factor = ag_call_input(call, SCALE);
    k_labels k = label_geometry(p, x);
    const void *data = label_order(call, x), *stats = ops_row_major(call, ag_call_input(call, STATS));
    const void *g = ops_row_major(call, ag_call_input(call, GRADIENT));
    k.label = ops_row_major(call, ag_call_input(call, LABEL_LABEL));
    if (data == NULL || stats == NULL || g == NULL || k.label == NULL || !label_optional(call, LABEL_WEIGHT, &k.weight)) {
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
    ag_tensor in[] = { ag_sweep_input(s, LABEL_X),   ag_sweep_input(s, LABEL_LABEL), ag_sweep_input(s, LABEL_WEIGHT),
                       ag_sweep_output(s, 2), ag_sweep_output(s, 1), ag_sweep_grad(s, 0) };
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
