/*
 * Binary cross-entropy, of logits and of probabilities, with weights. Fused without weights, composed with them.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/ops/pointwise_loss.h"
#include "autograd/samples.h"

/* Values times a weight that broadcasts to their shape; in a composed function. */
static bool weight_fits(ag_place where, const char *function, const char *name, ag_tensor x, ag_tensor weight)
{
    char tx[AG_SHAPE_TEXT], tw[AG_SHAPE_TEXT];
    ag_tensor both[] = { x, weight };
    ag_shape shape;
    if (!loss_accepts(where, function, 2, both, &shape)) {
        return false;
    }
    if (ag_shape_equal(shape, ag_shape_of(x))) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s and %s %s: it must broadcast to the input's shape", function,
                   ag_shape_format(ag_shape_of(x), tx, sizeof(tx)), name,
                   ag_shape_format(ag_shape_of(weight), tw, sizeof(tw)));
    return false;
}

/* ---- bce_with_logits -----------------------------------------------------------
 * max(x, 0) - x y + log(1 + e^-|x|)          dx = (sigmoid(x) - y) dloss          dy = -x dloss */

static void bce_with_logits_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    ag_tensor x = ag_sweep_input(s, 0), g = loss_gradient_per_element(s);
    if (ag_sweep_wants(s, 0)) {
        ag_sweep_add(s, 0, ag_mul(ag_sub(ag_sigmoid(x), ag_sweep_input(s, 1)), g));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_neg(ag_mul(x, g)));
    }
}

AG_OP(bce_with_logits){POINTWISE_LOSS(bce_with_logits, "max(x, 0) - x y + log(1 + e^-|x|)",
                                      "dx = (sigmoid(x) - y) dloss;  dy = -x dloss")};

ag_tensor ag_bce_with_logits_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_bce_with_logits, K_LOSS_BCE_LOGITS, 0, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_bce_with_logits_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction)
{
    return loss_apply(where, &op_bce_with_logits, K_LOSS_BCE_LOGITS, 0, x, y, reduction);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(bce_with_logits)
{
    LOSS_SAMPLES(bce_with_logits, "binary_cross_entropy_with_logits")
    SAMPLE("F.binary_cross_entropy_with_logits(torch.full((2,), math.inf), torch.tensor([0.0, 0.5]), reduction='none')") {
        const double target[] = {0, 0.5};
        ag_dtype dtype = sample_dtype(s);
        sample_result(s, ag_bce_with_logits_with(ag_full(AG_SHAPE(2), INFINITY, dtype),
                                                 ag_cast(ag_from(AG_SHAPE(2), AG_FLOAT64, target), dtype),
                                                 AG_REDUCE_NONE));
    }
    SAMPLE("F.binary_cross_entropy_with_logits(x * 300, y)  # large") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_range(s, "y", AG_SHAPE(3, 4), 0, 1);
        sample_result(s, ag_bce_with_logits(ag_mul_scalar(x, 300), y));
        sample_first_order_only(s);
    }
}
#endif

/* ---- bce_with_logits_weighted: composed ----------------------------------------------------------
 * weight ((1 - y) x + (1 + (pos_weight - 1) y) softplus(-x)) */

ag_tensor ag_bce_with_logits_weighted_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor weight, ag_tensor pos_weight,
                                         ag_reduction reduction)
{
    static const char name[] = "ag_bce_with_logits_weighted";
    char tx[AG_SHAPE_TEXT], ty[AG_SHAPE_TEXT];
    ag_tensor both[] = { x, y };
    ag_shape shape;
    if (!loss_reduction(where, name, reduction) || !loss_accepts(where, name, 2, both, &shape)) {
        return AG_NIL;
    }
    if (!ag_shape_equal(ag_shape_of(x), ag_shape_of(y))) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s and %s: the shapes must be the same", name,
                       ag_shape_format(ag_shape_of(x), tx, sizeof(tx)), ag_shape_format(ag_shape_of(y), ty, sizeof(ty)));
        return AG_NIL;
    }
    if ((!ag_is_none(weight) && !weight_fits(where, name, "weight", x, weight)) ||
        (!ag_is_none(pos_weight) && !weight_fits(where, name, "pos_weight", x, pos_weight))) {
        return AG_NIL;
    }
    if (ag_is_none(weight) && ag_is_none(pos_weight)) {
        return ag_bce_with_logits_with_at(where, x, y, reduction);
    }
    loss_composed c = loss_begin(where);
    ag_tensor values;
    if (ag_is_none(pos_weight)) {
        values = ag_bce_with_logits_with(x, y, AG_REDUCE_NONE);
    } else {
        ag_tensor share = ag_add_scalar(ag_mul(ag_add_scalar(pos_weight, -1), y), 1);
        values = ag_add(ag_sub(x, ag_mul(x, y)), ag_mul(share, ag_softplus(ag_neg(x))));
    }
    if (!ag_is_none(weight)) {
        values = ag_mul(values, weight);
    }
    return loss_end(c, loss_reduced(values, reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(bce_with_logits_weighted)
{
#define B "F.binary_cross_entropy_with_logits"
    SAMPLE(B "(x, y, pos_weight=p)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_range(s, "y", AG_SHAPE(3, 4), 0, 1);
        ag_tensor p = sample_constant(s, "p", AG_SHAPE(4), 0.5, 3);
        sample_result(s, ag_bce_with_logits_weighted(x, y, AG_NONE, p, AG_REDUCE_MEAN));
    }
    SAMPLE(B "(x, y, w, reduction='sum')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_range(s, "y", AG_SHAPE(3, 4), 0, 1);
        ag_tensor w = sample_constant(s, "w", AG_SHAPE(3, 1), 0.5, 3);
        sample_result(s, ag_bce_with_logits_weighted(x, y, w, AG_NONE, AG_REDUCE_SUM));
    }
    SAMPLE(B "(x, y, w, pos_weight=p, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 2, 3)), y = sample_constant(s, "y", AG_SHAPE(2, 2, 3), 0, 1);
        ag_tensor w = sample_constant(s, "w", AG_SHAPE(2, 2, 3), 0.5, 3), p = sample_constant(s, "p", AG_SHAPE(3), 0.5, 3);
        sample_result(s, ag_bce_with_logits_weighted(x, y, w, p, AG_REDUCE_NONE));
    }
    SAMPLE(B "(x, y)  # no weights") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), y = sample_range(s, "y", AG_SHAPE(3), 0, 1);
        sample_result(s, ag_bce_with_logits_weighted(x, y, AG_NONE, AG_NONE, AG_REDUCE_MEAN));
    }
    SAMPLE(B "(x * 300, y, pos_weight=p)  # large") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), y = sample_range(s, "y", AG_SHAPE(3), 0, 1);
        ag_tensor p = sample_constant(s, "p", AG_SHAPE_SCALAR, 0.5, 3);
        sample_first_order_only(s);
        sample_result(s, ag_bce_with_logits_weighted(ag_mul_scalar(x, 300), y, AG_NONE, p, AG_REDUCE_MEAN));
    }
    SAMPLE(B "(x, y, w, reduction='sum')  # no rows") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0, 2)), y = sample_range(s, "y", AG_SHAPE(0, 2), 0, 1);
        ag_tensor w = sample_constant(s, "w", AG_SHAPE(2), 0.5, 3);
        sample_result(s, ag_bce_with_logits_weighted(x, y, w, AG_NONE, AG_REDUCE_SUM));
    }
    REFUSES("ag_bce_with_logits_weighted: (3) and (3,1): the shapes must be the same") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), y = sample_float(s, "y", AG_SHAPE(3, 1));
        ag_bce_with_logits_weighted(x, y, AG_NONE, AG_NONE, AG_REDUCE_MEAN);
    }
    REFUSES("ag_bce_with_logits_weighted: input (3) and pos_weight (2,3): it must broadcast to the input's shape") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), p = sample_float(s, "p", AG_SHAPE(2, 3));
        ag_bce_with_logits_weighted(x, x, AG_NONE, p, AG_REDUCE_MEAN);
    }
    REFUSES("ag_bce_with_logits_weighted: (3) and (2): the shapes do not broadcast") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), w = sample_float(s, "w", AG_SHAPE(2));
        ag_bce_with_logits_weighted(x, x, w, AG_NONE, AG_REDUCE_MEAN);
    }
    REFUSES("ag_bce_with_logits_weighted: reduction 3 is unknown") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3));
        ag_bce_with_logits_weighted(x, x, AG_NONE, AG_NONE, AG_REDUCE_BATCHMEAN);
    }
    REFUSES("ag_bce_with_logits_weighted: needs a floating type, got int64") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3));
        ag_bce_with_logits_weighted(x, sample_int(s, "y", AG_SHAPE(3), 0, 2), AG_NONE, AG_NONE, AG_REDUCE_MEAN);
    }
#undef B
}
#endif

/* ---- bce ------------------------------------------------------------------------
 * -(y log x + (1 - y) log(1 - x)), logarithms at least -100
 * dx = (x - y) / max(x (1 - x), 1e-12) dloss          dy = (log(1 - x) - log x) dloss
 * PyTorch has that 1e-12 as a float32. */

static void bce_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        loss_input(s);
        return;
    }
    ag_tensor x = ag_sweep_input(s, 0), g = loss_gradient_per_element(s);
    ag_tensor rest = ag_add_scalar(ag_neg(x), 1);
    if (ag_sweep_wants(s, 0)) {
        ag_tensor slope = ag_div(ag_sub(x, ag_sweep_input(s, 1)), ag_clamp(ag_mul(rest, x), (double)1e-12f, INFINITY));
        ag_sweep_add(s, 0, ag_mul(slope, g));
    }
    if (ag_sweep_wants(s, 1)) {
        ag_sweep_add(s, 1, ag_mul(ag_sub(ag_log(rest), ag_log(x)), g));
    }
}

AG_OP(bce){POINTWISE_LOSS(bce, "-(y log x + (1 - y) log(1 - x))",
                          "dx = (x - y) / (x (1 - x)) dloss;  dy = (log(1 - x) - log x) dloss")};

ag_tensor ag_bce_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return loss_apply(where, &op_bce, K_LOSS_BCE, 0, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_bce_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_tensor weight, ag_reduction reduction)
{
    if (ag_is_none(weight)) {
        return loss_apply(where, &op_bce, K_LOSS_BCE, 0, x, y, reduction);
    }
    if (!loss_reduction(where, "ag_bce", reduction) || !weight_fits(where, "ag_bce", "weight", x, weight)) {
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    ag_tensor values = ag_mul(loss_apply(where, &op_bce, K_LOSS_BCE, 0, x, y, AG_REDUCE_NONE), weight);
    return loss_end(c, loss_reduced(values, reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(bce)
{
#define BCE_SAMPLE(text, shape, weight, reduction)                                                                   \
    SAMPLE("F.binary_cross_entropy(x, y" text) {                                                                     \
        ag_tensor x = sample_range(s, "x", shape, 0.1, 0.9), y = sample_range(s, "y", shape, 0, 1);                  \
        sample_result(s, ag_bce_with(x, y, weight, reduction));                                                      \
    }
    SAMPLE("F.binary_cross_entropy(x, y)") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3, 4), 0.1, 0.9), y = sample_range(s, "y", AG_SHAPE(3, 4), 0, 1);
        sample_result(s, ag_bce(x, y));
    }
    BCE_SAMPLE(", reduction='sum')", AG_SHAPE(2, 19), AG_NONE, AG_REDUCE_SUM)
    BCE_SAMPLE(", reduction='none')", AG_SHAPE(2, 2, 3, 2), AG_NONE, AG_REDUCE_NONE)
    BCE_SAMPLE(")  # scalars", AG_SHAPE_SCALAR, AG_NONE, AG_REDUCE_MEAN)
    BCE_SAMPLE(", reduction='sum')  # no elements", AG_SHAPE(0, 3), AG_NONE, AG_REDUCE_SUM)
    BCE_SAMPLE(", w)", AG_SHAPE(3, 4), sample_constant(s, "w", AG_SHAPE(4), 0.5, 2), AG_REDUCE_MEAN)
    BCE_SAMPLE(", w, reduction='sum')", AG_SHAPE(3, 1), sample_constant(s, "w", AG_SHAPE_SCALAR, 0.5, 2), AG_REDUCE_SUM)
    BCE_SAMPLE(", w, reduction='none')", AG_SHAPE(3, 2), sample_constant(s, "w", AG_SHAPE(3, 2), 0.5, 2), AG_REDUCE_NONE)
    SAMPLE("F.binary_cross_entropy(torch.tensor([0., 1, 0, 1, 1]), torch.tensor([0, 1, 1, 0, 0.5]), reduction='none')") {
        const double at[] = { 0, 1, 0, 1, 1 }, target[] = { 0, 1, 1, 0, 0.5 };
        ag_tensor x = ag_cast(ag_from(AG_SHAPE(5), AG_FLOAT64, at), sample_dtype(s));
        sample_result(s, ag_bce_with(x, ag_cast(ag_from(AG_SHAPE(5), AG_FLOAT64, target), sample_dtype(s)), AG_NONE,
                                     AG_REDUCE_NONE));
    }
    SAMPLE("F.binary_cross_entropy(x, (y > 0.5).to(x.dtype), reduction='sum')") {
        const double ends[] = {0, 1, 0, 1, 0.5};
        sample_no_differences(s);
        ag_tensor x = sample_values(s, "x", AG_SHAPE(5), ends), y = sample_constant(s, "y", AG_SHAPE(5), 0, 1);
        sample_result(s, ag_bce_with(x, ag_cast(ag_gt_scalar(y, 0.5), sample_dtype(s)), AG_NONE, AG_REDUCE_SUM));
    }
    REFUSES("ag_bce: (3,4) and (4): the shapes must be the same") {
        ag_bce(sample_range(s, "x", AG_SHAPE(3, 4), 0, 1), sample_range(s, "y", AG_SHAPE(4), 0, 1));
    }
    REFUSES("ag_bce: input (3) and weight (2,3): it must broadcast to the input's shape") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3), 0, 1);
        ag_bce_with(x, x, sample_constant(s, "w", AG_SHAPE(2, 3), 0, 1), AG_REDUCE_MEAN);
    }
    REFUSES("ag_bce: 1.5 is no probability: the input must be 0 to 1") {
        const double at[] = { 0.5, 1.5 };
        ag_tensor x = sample_values(s, "x", AG_SHAPE(2), at);
        ag_bce(x, x);
    }
    REFUSES("ag_bce: nan is no probability: the input must be 0 to 1") {
        ag_tensor x = ag_full(AG_SHAPE(2), NAN, sample_dtype(s));
        ag_bce(x, x);
    }
    REFUSES("ag_bce: reduction 3 is unknown") {
        ag_tensor x = sample_range(s, "x", AG_SHAPE(3), 0, 1);
        ag_bce_with(x, x, x, AG_REDUCE_BATCHMEAN);
    }
    REFUSES("ag_bce: needs a floating type, got int64") {
        ag_tensor x = sample_int(s, "x", AG_SHAPE(3), 0, 1);
        ag_bce(x, x);
    }
}
#endif
