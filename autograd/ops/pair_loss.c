/*
 * Losses with a margin: of numbers, pairs and triplets, and of classes, composed of other operations.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/ops/common.h"
#include "autograd/ops/loss_common.h"
#include "autograd/samples.h"

/* Where y is value: a, else 0. */
static ag_tensor where_is(ag_tensor y, double value, ag_tensor a)
{
    ag_dtype dtype = ag_dtype_of(a);
    return ag_where(ag_eq(y, ag_scalar(value, ag_dtype_of(y))), a, ag_scalar(0, dtype));
}

/* What these losses check: n tensors of one floating type (the last one, a target, may have integers) that broadcast. */
static bool begin(loss_composed *c, ag_place where, const char *function, int n, ag_tensor *inputs, double margin,
                  ag_reduction reduction)
{
    ag_shape shape;
    *c = loss_begin(where);
    inputs[n - 1] = loss_target(where, inputs[n - 1], inputs[0]);
    return loss_reduction(where, function, reduction) && loss_number(where, function, "margin", margin, -INFINITY, true) &&
           loss_accepts(where, function, n, inputs, &shape);
}

/* ---- hinge_embedding_loss ------------------------------------------------------------
 * x where y = 1, max(0, margin - x) where y = -1 */

ag_tensor ag_hinge_embedding_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return ag_hinge_embedding_loss_with_at(where, x, y, 1, AG_REDUCE_MEAN);
}

ag_tensor ag_hinge_embedding_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, double margin, ag_reduction reduction)
{
    ag_tensor in[] = { x, y };
    loss_composed c;
    if (!begin(&c, where, "ag_hinge_embedding_loss", 2, in, margin, reduction)) {
        return loss_end(c, AG_NIL);
    }
    ag_tensor one = ag_scalar(1, ag_dtype_of(x)), zero = ag_scalar(0, ag_dtype_of(x)), target = ag_detach(in[1]);
    ag_tensor hinge = ag_where(ag_ne(target, one), loss_at_least(ag_add_scalar(ag_neg(x), margin), 0), zero);
    ag_tensor self = ag_where(ag_ne(target, ag_neg(one)), x, zero);
    return loss_end(c, loss_reduced(ag_add(hinge, self), reduction));
}

#ifdef WENGERT_SAMPLES
/* 1 and -1 in turn. */
static ag_tensor signs(ag_samples *s, int64_t n)
{
    ag_tensor k = ag_arange(n, sample_dtype(s)), half = ag_mul_scalar(k, 0.5);
    ag_tensor even = ag_eq(half, ag_cast(ag_cast(half, AG_INT64), sample_dtype(s)));
    return ag_add_scalar(ag_mul_scalar(ag_cast(even, sample_dtype(s)), 2), -1);
}
#define SIGNS(n) "(1 - 2 * (torch.arange(" #n ") % 2)).double()"

/* Refusals of a loss `call` of x and y with margin m and reduction r. */
#define REFUSED(name, call)                                                                                           \
    REFUSES("ag_" name ": (3) and (2): the shapes do not broadcast") {                                                \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), y = sample_constant(s, "y", AG_SHAPE(2), -1, 1);             \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        const double m = 1;                                                                                           \
        (void)m, call;                                                                                                \
    }                                                                                                                 \
    REFUSES("ag_" name ": needs a floating type, got int64") {                                                        \
        ag_tensor x = sample_int(s, "x", AG_SHAPE(3), 0, 3), y = sample_int(s, "y", AG_SHAPE(3), 0, 2);               \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        const double m = 1;                                                                                           \
        (void)m, call;                                                                                                \
    }                                                                                                                 \
    REFUSES("ag_" name ": element types float32 and float64 differ") {                                                \
        ag_tensor x = ag_ones(AG_SHAPE(3), AG_FLOAT32), y = ag_ones(AG_SHAPE(3), AG_FLOAT64);                         \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        const double m = 1;                                                                                           \
        (void)m, call;                                                                                                \
    }                                                                                                                 \
    REFUSES("ag_" name ": reduction 3 is unknown") {                                                                  \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), y = sample_constant(s, "y", AG_SHAPE(3), -1, 1);             \
        ag_reduction r = AG_REDUCE_BATCHMEAN;                                                                         \
        const double m = 1;                                                                                           \
        (void)m, call;                                                                                                \
    }
#define REFUSED_MARGIN(name, call)                                                                                    \
    REFUSED(name, call)                                                                                               \
    REFUSES("ag_" name ": margin is nan and must be above -inf") {                                                    \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3)), y = sample_constant(s, "y", AG_SHAPE(3), -1, 1);             \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        const double m = NAN;                                                                                         \
        call;                                                                                                         \
    }

AG_SAMPLES_OF_FUNCTION(hinge_embedding_loss)
{
    SAMPLE("F.hinge_embedding_loss(x, " SIGNS(8) ")") {
        sample_result(s, ag_hinge_embedding_loss(sample_float(s, "x", AG_SHAPE(8)), signs(s, 8)));
    }
    SAMPLE("F.hinge_embedding_loss(x, 2 * y - 1., margin=0.5, reduction='sum')  # int64") {
        ag_tensor y = sample_int(s, "y", AG_SHAPE(4, 5), 0, 2);
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 5));
        sample_result(s, ag_hinge_embedding_loss_with(x, ag_add_scalar(ag_mul_scalar(y, 2), -1), 0.5, AG_REDUCE_SUM));
    }
    SAMPLE("F.hinge_embedding_loss(x, " SIGNS(4) ", margin=10., reduction='none')") {
        sample_result(s, ag_hinge_embedding_loss_with(sample_float(s, "x", AG_SHAPE(4)), signs(s, 4), 10, AG_REDUCE_NONE));
    }
    SAMPLE("F.hinge_embedding_loss(x, torch.zeros(3).double(), reduction='none')  # neither") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3));
        sample_result(s, ag_hinge_embedding_loss_with(x, ag_zeros(AG_SHAPE(3), sample_dtype(s)), 1, AG_REDUCE_NONE));
    }
    SAMPLE("F.hinge_embedding_loss(x, y, reduction='sum')  # no elements") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(0)), y = sample_constant(s, "y", AG_SHAPE(0), -1, 1);
        sample_result(s, ag_hinge_embedding_loss_with(x, y, 1, AG_REDUCE_SUM));
    }
    REFUSED_MARGIN("hinge_embedding_loss", ag_hinge_embedding_loss_with(x, y, m, r))
}
#endif

/* ---- margin_ranking_loss ---------------------------------------------------------------
 * max(0, margin - y (x1 - x2)) */

ag_tensor ag_margin_ranking_loss_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y)
{
    return ag_margin_ranking_loss_with_at(where, x1, x2, y, 0, AG_REDUCE_MEAN);
}

ag_tensor ag_margin_ranking_loss_with_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y, double margin,
                                         ag_reduction reduction)
{
    ag_tensor in[] = { x1, x2, y };
    loss_composed c;
    if (!begin(&c, where, "ag_margin_ranking_loss", 3, in, margin, reduction)) {
        return loss_end(c, AG_NIL);
    }
    ag_tensor behind = ag_mul(ag_neg(in[2]), ag_sub(x1, x2));
    return loss_end(c, loss_reduced(loss_at_least(ag_add_scalar(behind, margin), 0), reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(margin_ranking_loss)
{
    SAMPLE("F.margin_ranking_loss(a, b, " SIGNS(8) ")") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(8)), b = sample_float(s, "b", AG_SHAPE(8));
        sample_result(s, ag_margin_ranking_loss(a, b, signs(s, 8)));
    }
    SAMPLE("F.margin_ranking_loss(a, b, y, margin=0.7, reduction='sum')") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 4));
        sample_result(s, ag_margin_ranking_loss_with(a, b, sample_float(s, "y", AG_SHAPE(3, 4)), 0.7, AG_REDUCE_SUM));
    }
    SAMPLE("F.margin_ranking_loss(a, b, y, margin=2., reduction='none')") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR), b = sample_float(s, "b", AG_SHAPE_SCALAR);
        sample_result(s, ag_margin_ranking_loss_with(a, b, sample_int(s, "y", AG_SHAPE_SCALAR, 1, 2), 2, AG_REDUCE_NONE));
    }
    SAMPLE("F.margin_ranking_loss(a, a, y, reduction='none')  # equal") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3)), y = sample_constant(s, "y", AG_SHAPE(3), 1, 2);
        sample_first_order_only(s);
        sample_result(s, ag_margin_ranking_loss_with(a, a, y, 0, AG_REDUCE_NONE));
    }
    REFUSED_MARGIN("margin_ranking_loss", ag_margin_ranking_loss_with(x, x, y, m, r))
}
#endif

/* ---- soft_margin_loss -------------------------------------------------------------------
 * log(1 + e^(-y x)) */

ag_tensor ag_soft_margin_loss_at(ag_place where, ag_tensor x, ag_tensor y)
{
    return ag_soft_margin_loss_with_at(where, x, y, AG_REDUCE_MEAN);
}

ag_tensor ag_soft_margin_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction)
{
    ag_tensor in[] = { x, y };
    loss_composed c;
    if (!begin(&c, where, "ag_soft_margin_loss", 2, in, 0, reduction)) {
        return loss_end(c, AG_NIL);
    }
    return loss_end(c, loss_reduced(ag_softplus(ag_neg(ag_mul(in[1], x))), reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(soft_margin_loss)
{
    SAMPLE("F.soft_margin_loss(x, " SIGNS(8) ")") {
        sample_result(s, ag_soft_margin_loss(sample_float(s, "x", AG_SHAPE(8)), signs(s, 8)));
    }
    SAMPLE("F.soft_margin_loss(x, y, reduction='sum')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), y = sample_constant(s, "y", AG_SHAPE(3, 4), -1, 1);
        sample_result(s, ag_soft_margin_loss_with(x, y, AG_REDUCE_SUM));
    }
    SAMPLE("F.soft_margin_loss(x, y, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR), y = sample_constant(s, "y", AG_SHAPE_SCALAR, -1, 1);
        sample_result(s, ag_soft_margin_loss_with(x, y, AG_REDUCE_NONE));
    }
    SAMPLE("F.softplus(-x * y * 300)  # large") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(5)), y = sample_constant(s, "y", AG_SHAPE(5), 1, 2);
        sample_first_order_only(s);
        sample_result(s, ag_soft_margin_loss_with(ag_mul_scalar(x, 300), y, AG_REDUCE_NONE));
    }
    REFUSED("soft_margin_loss", ag_soft_margin_loss_with(x, y, r))
}
#endif

/* ---- cosine_embedding_loss ---------------------------------------------------------------
 * 1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1 */

ag_tensor ag_cosine_embedding_loss_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y)
{
    return ag_cosine_embedding_loss_with_at(where, x1, x2, y, 0, AG_REDUCE_MEAN);
}

ag_tensor ag_cosine_embedding_loss_with_at(ag_place where, ag_tensor x1, ag_tensor x2, ag_tensor y, double margin,
                                           ag_reduction reduction)
{
    static const char name[] = "ag_cosine_embedding_loss";
    char tx[AG_SHAPE_TEXT], ty[AG_SHAPE_TEXT];
    ag_tensor in[] = { x1, x2 }, target = loss_target(where, y, x1);
    ag_shape shape, of_target;
    if (!loss_reduction(where, name, reduction) || !loss_number(where, name, "margin", margin, -INFINITY, true) ||
        !loss_accepts(where, name, 2, in, &shape) || !loss_accepts(where, name, 1, &target, &of_target)) {
        return AG_NIL;
    }
    if (shape.ndim < 1 || shape.ndim > 2 || of_target.ndim != shape.ndim - 1 ||
        (shape.ndim == 2 && of_target.size[0] != shape.size[0])) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: vectors %s and target %s: they must be (D) and (), or (N,D) and (N)", name,
                       ag_shape_format(shape, tx, sizeof(tx)), ag_shape_format(of_target, ty, sizeof(ty)));
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    ag_dims dims = AG_DIMS(-1);
    const double eps = 1e-12;
    ag_tensor product = ag_sum_dims(ag_mul(x1, x2), dims, false);
    ag_tensor square1 = ag_add_scalar(ag_sum_dims(ag_square(x1), dims, false), eps);
    ag_tensor square2 = ag_add_scalar(ag_sum_dims(ag_square(x2), dims, false), eps);
    ag_tensor cosine = ag_div(product, ag_sqrt(ag_mul(square1, square2)));
    target = ag_detach(target);
    ag_tensor alike = where_is(target, 1, ag_add_scalar(ag_neg(cosine), 1));
    ag_tensor apart = where_is(target, -1, loss_at_least(ag_add_scalar(cosine, -margin), 0));
    return loss_end(c, loss_reduced(ag_add(alike, apart), reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(cosine_embedding_loss)
{
    SAMPLE("F.cosine_embedding_loss(a, b, " SIGNS(6) ")") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(6, 3)), b = sample_float(s, "b", AG_SHAPE(6, 3));
        sample_result(s, ag_cosine_embedding_loss(a, b, signs(s, 6)));
    }
    SAMPLE("F.cosine_embedding_loss(a, b, " SIGNS(6) ", margin=-0.9, reduction='none')") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(6, 3)), b = sample_float(s, "b", AG_SHAPE(6, 3));
        sample_result(s, ag_cosine_embedding_loss_with(a, b, signs(s, 6), -0.9, AG_REDUCE_NONE));
    }
    SAMPLE("F.cosine_embedding_loss(a, b, y, reduction='sum')  # int64, not in a batch") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(5)), b = sample_float(s, "b", AG_SHAPE(5));
        sample_result(s, ag_cosine_embedding_loss_with(a, b, sample_int(s, "y", AG_SHAPE_SCALAR, 1, 2), 0, AG_REDUCE_SUM));
    }
    REFUSES("ag_cosine_embedding_loss: vectors (3,4) and target (4): they must be (D) and (), or (N,D) and (N)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));
        ag_cosine_embedding_loss(a, a, sample_int(s, "y", AG_SHAPE(4), 0, 2));
    }
    REFUSED_MARGIN("cosine_embedding_loss", ag_cosine_embedding_loss_with(x, y, ag_scalar(1, sample_dtype(s)), m, r))
}
#endif

/* ---- triplet_margin_loss ------------------------------------------------------------------
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) */

ag_triplet_margin_config ag_triplet_margin_defaults(void)
{
    return (ag_triplet_margin_config){
        .made_by_defaults = OPS_MADE_BY_DEFAULTS,
        .margin = 1,
        .p = 2,
        .eps = 1e-6,
        .reduction = AG_REDUCE_MEAN,
    };
}

ag_tensor ag_triplet_margin_loss_at(ag_place where, ag_tensor anchor, ag_tensor positive, ag_tensor negative)
{
    return ag_triplet_margin_loss_configured_at(where, anchor, positive, negative, ag_triplet_margin_defaults());
}

ag_tensor ag_triplet_margin_loss_configured_at(ag_place where, ag_tensor anchor, ag_tensor positive, ag_tensor negative,
                                               ag_triplet_margin_config config)
{
    static const char name[] = "ag_triplet_margin_loss";
    ag_tensor in[] = { anchor, positive, negative };
    ag_shape shape;
    if (config.made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config must come from ag_triplet_margin_defaults()", name);
        return AG_NIL;
    }
    if (!loss_reduction(where, name, config.reduction) || !loss_number(where, name, "p", config.p, 0, false) ||
        !loss_number(where, name, "margin", config.margin, -INFINITY, true) ||
        !loss_number(where, name, "eps", config.eps, 0, false) || !loss_accepts(where, name, 3, in, &shape)) {
        return AG_NIL;
    }
    if (shape.ndim == 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: the inputs are () and must have a dimension", name);
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    ag_tensor near = ag_pairwise_distance_with(anchor, positive, config.p, config.eps, false);
    ag_tensor far = ag_pairwise_distance_with(anchor, negative, config.p, config.eps, false);
    if (config.swap) {
        far = ag_minimum(far, ag_pairwise_distance_with(positive, negative, config.p, config.eps, false));
    }
    ag_tensor values = loss_at_least(ag_add_scalar(ag_sub(near, far), config.margin), 0);
    return loss_end(c, loss_reduced(values, config.reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(triplet_margin_loss)
{
    ag_triplet_margin_config c = ag_triplet_margin_defaults();
    SAMPLE("F.triplet_margin_loss(a, p, n)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), p = sample_float(s, "p", AG_SHAPE(3, 4));
        sample_result(s, ag_triplet_margin_loss(a, p, sample_float(s, "n", AG_SHAPE(3, 4))));
    }
    c.reduction = AG_REDUCE_NONE, c.margin = 3, c.p = 3, c.eps = 0.01;
    SAMPLE("F.triplet_margin_loss(a, p, n, margin=3., p=3, eps=0.01, reduction='none')") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), p = sample_float(s, "p", AG_SHAPE(3, 4));
        sample_result(s, ag_triplet_margin_loss_configured(a, p, sample_float(s, "n", AG_SHAPE(3, 4)), c));
    }
    c = ag_triplet_margin_defaults();
    c.swap = true, c.reduction = AG_REDUCE_SUM;
    SAMPLE("F.triplet_margin_loss(a, p, n, swap=True, reduction='sum')") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(5, 2)), p = sample_float(s, "p", AG_SHAPE(5, 2));
        sample_result(s, ag_triplet_margin_loss_configured(a, p, sample_float(s, "n", AG_SHAPE(5, 2)), c));
    }
    c.margin = NAN;
    REFUSES("ag_triplet_margin_loss: margin is nan and must be above -inf") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_triplet_margin_loss_configured(a, a, a, c);
    }
    c.margin = 1, c.p = -1;
    REFUSES("ag_triplet_margin_loss: p is -1 and must be at least 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_triplet_margin_loss_configured(a, a, a, c);
    }
    c.p = 2, c.eps = -1;
    REFUSES("ag_triplet_margin_loss: eps is -1 and must be at least 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_triplet_margin_loss_configured(a, a, a, c);
    }
    c.eps = 0;
    REFUSES("ag_triplet_margin_loss: the inputs are () and must have a dimension") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR);
        ag_triplet_margin_loss_configured(a, a, a, c);
    }
    c.reduction = AG_REDUCE_BATCHMEAN;
    REFUSES("ag_triplet_margin_loss: reduction 3 is unknown") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_triplet_margin_loss_configured(a, a, a, c);
    }
    REFUSES("ag_triplet_margin_loss: the config must come from ag_triplet_margin_defaults()") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_triplet_margin_config zero = { 0 };
        ag_triplet_margin_loss_configured(a, a, a, zero);
    }
    REFUSES("ag_triplet_margin_loss: (3) and (2): the shapes do not broadcast") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_triplet_margin_loss(a, a, sample_float(s, "n", AG_SHAPE(2)));
    }
    REFUSES("ag_triplet_margin_loss: element types float32 and float64 differ") {
        ag_tensor a = ag_ones(AG_SHAPE(3), AG_FLOAT32);
        ag_triplet_margin_loss(a, a, ag_ones(AG_SHAPE(3), AG_FLOAT64));
    }
    REFUSES("ag_triplet_margin_loss: needs a floating type, got int64") {
        ag_tensor a = sample_int(s, "a", AG_SHAPE(3), 0, 2);
        ag_triplet_margin_loss(a, a, a);
    }
}
#endif

/* ---- multi_margin_loss ----------------------------------------------------------------------
 * sum over c other than the label of max(0, margin - x[label] + x[c])^p weight[label] / C
 * The label's own term is max(0, margin)^p; it is taken off the sum over all. */

ag_tensor ag_multi_margin_loss_at(ag_place where, ag_tensor x, ag_tensor labels)
{
    return ag_multi_margin_loss_with_at(where, x, labels, 1, 1, AG_NONE, AG_REDUCE_MEAN);
}

/* rows[n,label[n]] */
static ag_tensor at_label(ag_tensor rows, ag_tensor labels)
{
    return ag_neg(ag_nll_loss_with(rows, labels, AG_NONE, INT64_MIN, AG_REDUCE_NONE));
}

/* Refuses labels that are none, in the name of the function that was called. */
static bool labels_ok(ag_place where, const char *function, ag_tensor labels, int64_t classes)
{
    if (ag_dtype_of_at(where, labels) != AG_INT64) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: labels must be int64, got %s", function, ag_dtype_name(ag_dtype_of(labels)));
        return false;
    }
    if (ag_numel(labels) == 0) {
        return true;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor row = ag_flatten(labels, 0, -1), ends[] = {ag_argmin(row, 0, false), ag_argmax(row, 0, false)};
    for (int i = 0; i < 2 && ag_error_code() == AG_OK; i++) {
        int64_t at = (int64_t)ag_item(ends[i]), label = (int64_t)ag_item(ag_select(row, 0, at));
        if (label < 0 || label >= classes) {
            ag_error_raise(where, AG_ERROR_INDEX, "%s: label %lld at position %lld is outside 0..%lld", function, (long long)label,
                           (long long)at, (long long)classes - 1);
        }
    }
    ag_frame_end(frame, AG_NONE);
    return ag_error_code() == AG_OK;
}

ag_tensor ag_multi_margin_loss_with_at(ag_place where, ag_tensor x, ag_tensor labels, int p, double margin, ag_tensor weight,
                                       ag_reduction reduction)
{
    static const char name[] = "ag_multi_margin_loss";
    char tx[AG_SHAPE_TEXT], tl[AG_SHAPE_TEXT];
    ag_shape shape, of_weight;
    if (!loss_reduction(where, name, reduction) || !loss_number(where, name, "margin", margin, -INFINITY, true) ||
        !loss_accepts(where, name, 1, &x, &shape)) {
        return AG_NIL;
    }
    if (p != 1 && p != 2) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: p is %d and must be 1 or 2", name, p);
        return AG_NIL;
    }
    ag_shape of_labels = ag_shape_of_at(where, labels);
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    if (shape.ndim < 1 || shape.ndim > 2 || of_labels.ndim != shape.ndim - 1 ||
        (shape.ndim == 2 && of_labels.size[0] != shape.size[0])) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s and labels %s: they must be (C) and (), or (N,C) and (N)", name,
                       ag_shape_format(shape, tx, sizeof(tx)), ag_shape_format(of_labels, tl, sizeof(tl)));
        return AG_NIL;
    }
    if (shape.size[shape.ndim - 1] == 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s has no classes", name, ag_shape_format(shape, tx, sizeof(tx)));
        return AG_NIL;
    }
    if (!ag_is_none(weight)) {
        if (!loss_accepts(where, name, 1, &weight, &of_weight)) {
            return AG_NIL;
        }
        int64_t classes = shape.size[shape.ndim - 1];
        if (!ag_shape_equal(of_weight, AG_SHAPE(classes)) || ag_dtype_of(weight) != ag_dtype_of(x)) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s and weight %s: it must be (%lld) and of the same type", name,
                           ag_shape_format(shape, tx, sizeof(tx)), ag_shape_format(of_weight, tl, sizeof(tl)),
                           (long long)classes);
            return AG_NIL;
        }
    }
    if (!labels_ok(where, name, labels, shape.size[shape.ndim - 1])) {
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    ag_tensor own = ag_unsqueeze(at_label(x, labels), -1);
    ag_tensor z = ag_relu(ag_add_scalar(ag_sub(x, own), margin));
    double at_own = margin > 0 ? p == 1 ? margin : margin * margin : 0;
    ag_tensor sum = ag_sum_dims(p == 1 ? z : ag_square(z), AG_DIMS(-1), false);
    ag_tensor values = ag_mul_scalar(ag_add_scalar(sum, -at_own), 1 / (double)shape.size[shape.ndim - 1]);
    if (!ag_is_none(weight)) {
        values = ag_mul(values, at_label(ag_expand(weight, shape), labels));
    }
    return loss_end(c, loss_reduced(values, reduction));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(multi_margin_loss)
{
#define LABELS(shape) sample_int(s, "t", shape, 0, 3)
    SAMPLE("F.multi_margin_loss(x, t)") {
        sample_result(s, ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(4))));
    }
    SAMPLE("F.multi_margin_loss(x, t, p=2, margin=0.5, weight=w, reduction='none')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3)), w = sample_constant(s, "w", AG_SHAPE(3), 0.5, 2);
        sample_result(s, ag_multi_margin_loss_with(x, LABELS(AG_SHAPE(4)), 2, 0.5, w, AG_REDUCE_NONE));
    }
    SAMPLE("F.multi_margin_loss(x, t, p=1, margin=2., weight=w, reduction='sum')") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3)), w = sample_constant(s, "w", AG_SHAPE(3), 0.5, 2);
        sample_result(s, ag_multi_margin_loss_with(x, LABELS(AG_SHAPE(4)), 1, 2, w, AG_REDUCE_SUM));
    }
    SAMPLE("F.multi_margin_loss(x, t)  # not in a batch") {
        sample_result(s, ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE(3)), LABELS(AG_SHAPE_SCALAR)));
    }
    SAMPLE("F.multi_margin_loss(x, t, margin=-0.5)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3));
        sample_result(s, ag_multi_margin_loss_with(x, LABELS(AG_SHAPE(4)), 1, -0.5, AG_NONE, AG_REDUCE_MEAN));
    }
    SAMPLE("F.multi_margin_loss(torch.tensor([[1, 0, 0.5], [0, 1, 0.25]]).double(), t, reduction='none')  # at the margin") {
        const double at[] = { 1, 0, 0.5, 0, 1, 0.25 };
        ag_tensor x = ag_cast(ag_from(AG_SHAPE(2, 3), AG_FLOAT64, at), sample_dtype(s));
        sample_result(s, ag_multi_margin_loss_with(x, sample_int(s, "t", AG_SHAPE(2), 0, 1), 1, 1, AG_NONE, AG_REDUCE_NONE));
    }
    REFUSES("ag_multi_margin_loss: input (4,3) and labels (3): they must be (C) and (), or (N,C) and (N)") {
        ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(3)));
    }
    REFUSES("ag_multi_margin_loss: p is 3 and must be 1 or 2") {
        ag_multi_margin_loss_with(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(4)), 3, 1, AG_NONE, AG_REDUCE_MEAN);
    }
    REFUSES("ag_multi_margin_loss: margin is nan and must be above -inf") {
        ag_multi_margin_loss_with(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(4)), 1, NAN, AG_NONE, AG_REDUCE_MEAN);
    }
    REFUSES("ag_multi_margin_loss: reduction 3 is unknown") {
        ag_multi_margin_loss_with(sample_float(s, "x", AG_SHAPE(4, 3)), LABELS(AG_SHAPE(4)), 1, 1, AG_NONE, AG_REDUCE_BATCHMEAN);
    }
    REFUSES("ag_multi_margin_loss: input (4,3) and weight (2): it must be (3) and of the same type") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3)), w = sample_constant(s, "w", AG_SHAPE(2), 0.5, 2);
        ag_multi_margin_loss_with(x, LABELS(AG_SHAPE(4)), 1, 1, w, AG_REDUCE_MEAN);
    }
    REFUSES("ag_multi_margin_loss: needs a floating type, got int64") {
        ag_multi_margin_loss(sample_int(s, "x", AG_SHAPE(4, 3), 0, 2), LABELS(AG_SHAPE(4)));
    }
    REFUSES("ag_multi_margin_loss: label 3 at position 0 is outside 0..2") {
        ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE(4, 3)), sample_int(s, "t", AG_SHAPE(4), 3, 4));
    }
    REFUSES("ag_multi_margin_loss: label -1 at position 0 is outside 0..2") {
        ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE(3)), sample_int(s, "t", AG_SHAPE_SCALAR, -1, 0));
    }
    REFUSES("ag_multi_margin_loss: labels must be int64, got uint8") {
        ag_multi_margin_loss(sample_float(s, "x", AG_SHAPE(4, 3)), sample_mask(s, "m", AG_SHAPE(4)));
    }
}
#endif
