/*
 * Lengths, distances and cosines of vectors, composed of other operations: normalize, pairwise_distance, cosine_similarity.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/ops/loss_common.h"
#include "autograd/samples.h"

/* The p-norm along dim, length 1 being kept; the infinite norm of nothing is 0 here. */
static ag_tensor norm_along(ag_tensor x, double p, int dim)
{
    ag_dims dims = { .count = 1, .dim = { dim } };
    return p == INFINITY && ag_size(x, dim) == 0 ? ag_sum_dims(x, dims, true) : ag_norm(x, p, dims, true);
}

/* Replaces a negative dimension; a scalar counts as having one. */
static bool dimension(ag_place where, const char *function, ag_shape shape, int *dim)
{
    char text[AG_SHAPE_TEXT];
    int ndim = shape.ndim > 0 ? shape.ndim : 1, d = *dim < 0 ? *dim + ndim : *dim;
    if (d < 0 || d >= ndim) {
        ag_error_raise(where, AG_ERROR_INDEX, "%s: dimension %d is out of range for %s", function, *dim,
                       ag_shape_format(shape, text, sizeof(text)));
        return false;
    }
    *dim = d;
    return true;
}

/* ---- normalize ------------------------------------------------------------------
 * y = x / max(p-norm of x along dim, eps) */

ag_tensor ag_normalize_at(ag_place where, ag_tensor x, double p, int dim, double eps)
{
    static const char name[] = "ag_normalize";
    ag_shape shape;
    if (!loss_accepts(where, name, 1, &x, &shape) || !dimension(where, name, shape, &dim) ||
        !loss_number(where, name, "p", p, 0, false) || !loss_number(where, name, "eps", eps, 0, false)) {
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    ag_tensor vector = shape.ndim > 0 ? x : ag_unsqueeze(x, 0);
    ag_tensor y = ag_div(vector, loss_at_least(norm_along(vector, p, dim), eps));
    return loss_end(c, shape.ndim > 0 ? y : ag_squeeze(y, 0));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(normalize)
{
    SAMPLE("F.normalize(x)") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(3, 4)), 2, 1, 1e-12));
    }
    SAMPLE("F.normalize(x, p=1, dim=0)") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(3, 4)), 1, 0, 1e-12));
    }
    SAMPLE("F.normalize(x, p=3, dim=-1)") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(2, 3, 4)), 3, -1, 1e-12));
    }
    SAMPLE("F.normalize(x, p=0.5, dim=-2)") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(2, 3, 2)), 0.5, -2, 1e-12));
    }
    SAMPLE("F.normalize(x, p=math.inf)") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(3, 4)), INFINITY, 1, 1e-12));
    }
    SAMPLE("F.normalize(x, p=0)") {
        sample_first_order_only(s);
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(3, 4)), 0, 1, 1e-12));
    }
    SAMPLE("F.normalize(x, eps=100.)  # shorter than eps") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(3, 4)), 2, 1, 100));
    }
    SAMPLE("F.normalize(x, eps=0.5)  # vectors of length 0") {
        const double at[] = { 0, 0, 3, 4 };
        sample_first_order_only(s);
        sample_result(s, ag_normalize(sample_values(s, "x", AG_SHAPE(2, 2), at), 2, 1, 0.5));
    }
    SAMPLE("F.normalize(x, p=3, eps=0.5)  # vectors of length 0") {
        const double at[] = { 0, 0, 3, 0 };
        sample_first_order_only(s);
        sample_result(s, ag_normalize(sample_values(s, "x", AG_SHAPE(2, 2), at), 3, 1, 0.5));
    }
    SAMPLE("F.normalize(x, dim=0)  # scalar") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE_SCALAR), 1, 0, 1e-12));
    }
    SAMPLE("F.normalize(x, dim=1)  # nothing") {
        sample_result(s, ag_normalize(sample_float(s, "x", AG_SHAPE(2, 0)), 2, 1, 1e-12));
    }
    REFUSES("ag_normalize: dimension 2 is out of range for (2,3)") {
        ag_normalize(sample_float(s, "x", AG_SHAPE(2, 3)), 2, 2, 1e-12);
    }
    REFUSES("ag_normalize: p is -1 and must be at least 0") {
        ag_normalize(sample_float(s, "x", AG_SHAPE(2, 3)), -1, 1, 1e-12);
    }
    REFUSES("ag_normalize: eps is nan and must be at least 0") {
        ag_normalize(sample_float(s, "x", AG_SHAPE(2, 3)), 2, 1, NAN);
    }
    REFUSES("ag_normalize: needs a floating type, got int64") {
        ag_normalize(sample_int(s, "x", AG_SHAPE(2, 3), 0, 4), 2, 1, 1e-12);
    }
}
#endif

/* ---- pairwise_distance ------------------------------------------------------------
 * y = p-norm of x1 - x2 + eps along the last dimension */

ag_tensor ag_pairwise_distance_at(ag_place where, ag_tensor x1, ag_tensor x2)
{
    return ag_pairwise_distance_with_at(where, x1, x2, 2, 1e-6, false);
}

ag_tensor ag_pairwise_distance_with_at(ag_place where, ag_tensor x1, ag_tensor x2, double p, double eps, bool keepdim)
{
    static const char name[] = "ag_pairwise_distance";
    ag_tensor both[] = { x1, x2 };
    ag_shape shape;
    int last = -1;
    if (!loss_accepts(where, name, 2, both, &shape) || !loss_number(where, name, "p", p, 0, false) ||
        !loss_number(where, name, "eps", eps, 0, false)) {
        return AG_NIL;
    }
    if (shape.ndim == 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: () and (): they must have a dimension", name);
        return AG_NIL;
    }
    dimension(where, name, shape, &last);
    loss_composed c = loss_begin(where);
    ag_tensor y = norm_along(ag_add_scalar(ag_sub(x1, x2), eps), p, last);
    return loss_end(c, keepdim ? y : ag_squeeze(y, last));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(pairwise_distance)
{
    SAMPLE("F.pairwise_distance(a, b)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 4));
        sample_result(s, ag_pairwise_distance(a, b));
    }
    SAMPLE("F.pairwise_distance(a, b, p=1., keepdim=True)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_range(s, "b", AG_SHAPE(3, 4), 3, 4);
        sample_result(s, ag_pairwise_distance_with(a, b, 1, 1e-6, true));
    }
    SAMPLE("F.pairwise_distance(a, b, p=3., eps=0.1)  # one to all") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(4)), b = sample_range(s, "b", AG_SHAPE(3, 4), 3, 4);
        sample_result(s, ag_pairwise_distance_with(a, b, 3, 0.1, false));
    }
    SAMPLE("F.pairwise_distance(a, b, p=math.inf)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(4)), b = sample_range(s, "b", AG_SHAPE(4), 3, 4);
        sample_result(s, ag_pairwise_distance_with(a, b, INFINITY, 1e-6, false));
    }
    SAMPLE("F.pairwise_distance(a, a, eps=0.)  # the same") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3));
        sample_result(s, ag_pairwise_distance_with(a, a, 2, 0, false));
    }
    SAMPLE("F.pairwise_distance(a, b)  # no rows") {
        sample_result(s, ag_pairwise_distance(sample_float(s, "a", AG_SHAPE(0, 4)), sample_float(s, "b", AG_SHAPE(0, 4))));
    }
    REFUSES("ag_pairwise_distance: (3,4) and (3): the shapes do not broadcast") {
        ag_pairwise_distance(sample_float(s, "a", AG_SHAPE(3, 4)), sample_float(s, "b", AG_SHAPE(3)));
    }
    REFUSES("ag_pairwise_distance: () and (): they must have a dimension") {
        ag_pairwise_distance(sample_float(s, "a", AG_SHAPE_SCALAR), sample_float(s, "b", AG_SHAPE_SCALAR));
    }
    REFUSES("ag_pairwise_distance: p is -2 and must be at least 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));
        ag_pairwise_distance_with(a, a, -2, 0, false);
    }
    REFUSES("ag_pairwise_distance: eps is -1 and must be at least 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4));
        ag_pairwise_distance_with(a, a, 2, -1, false);
    }
    REFUSES("ag_pairwise_distance: element types float32 and float64 differ") {
        ag_pairwise_distance(ag_ones(AG_SHAPE(3), AG_FLOAT32), ag_ones(AG_SHAPE(3), AG_FLOAT64));
    }
    REFUSES("ag_pairwise_distance: needs a floating type, got int64") {
        ag_tensor k = sample_int(s, "k", AG_SHAPE(3), 0, 4);
        ag_pairwise_distance(k, k);
    }
}
#endif

/* ---- cosine_similarity --------------------------------------------------------------
 * y = sum along dim of x1 / max(|x1|, eps) x2 / max(|x2|, eps) */

/* x / max(|x|, eps), where the norm's derivative is not cut off at eps. */
static ag_tensor direction(ag_tensor x, int dim, double eps)
{
    ag_dims dims = { .count = 1, .dim = { dim } };
    return ag_div(x, ag_sqrt(loss_raised_to(ag_sum_dims(ag_square(x), dims, true), eps * eps)));
}

ag_tensor ag_cosine_similarity_at(ag_place where, ag_tensor x1, ag_tensor x2, int dim, double eps)
{
    static const char name[] = "ag_cosine_similarity";
    ag_tensor both[] = { x1, x2 };
    ag_shape shape;
    if (!loss_accepts(where, name, 2, both, &shape) || !dimension(where, name, shape, &dim) ||
        !loss_number(where, name, "eps", eps, 0, false)) {
        return AG_NIL;
    }
    loss_composed c = loss_begin(where);
    if (shape.ndim == 0) {
        shape = AG_SHAPE(1);
    }
    ag_dims dims = { .count = 1, .dim = { dim } };
    ag_tensor a = direction(ag_expand(x1, shape), dim, eps), b = direction(ag_expand(x2, shape), dim, eps);
    return loss_end(c, ag_sum_dims(ag_mul(a, b), dims, false));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(cosine_similarity)
{
    SAMPLE("F.cosine_similarity(a, b)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(3, 4));
        sample_result(s, ag_cosine_similarity(a, b, 1, 1e-8));
    }
    SAMPLE("F.cosine_similarity(a, b, dim=-1)  # one to all") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 1, 2)), b = sample_float(s, "b", AG_SHAPE(4, 2));
        sample_result(s, ag_cosine_similarity(a, b, -1, 1e-8));
    }
    SAMPLE("F.cosine_similarity(a, b, dim=0)  # vectors") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(5)), b = sample_float(s, "b", AG_SHAPE(5));
        sample_result(s, ag_cosine_similarity(a, b, 0, 1e-8));
    }
    SAMPLE("F.cosine_similarity(a, b, dim=0)  # scalars") {
        ag_tensor a = sample_constant(s, "a", AG_SHAPE_SCALAR, -2, -1), b = sample_constant(s, "b", AG_SHAPE_SCALAR, 1, 2);
        sample_result(s, ag_cosine_similarity(a, b, 0, 1e-8));
    }
    SAMPLE("F.cosine_similarity(torch.zeros_like(b), b, eps=0.1)  # a vector of length 0") {
        ag_tensor b = sample_float(s, "b", AG_SHAPE(2, 3));
        sample_result(s, ag_cosine_similarity(ag_zeros_like(b), b, 1, 0.1));
    }
    SAMPLE("F.cosine_similarity(a, b)  # no rows") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(0, 4)), b = sample_float(s, "b", AG_SHAPE(0, 4));
        sample_result(s, ag_cosine_similarity(a, b, 1, 1e-8));
    }
    REFUSES("ag_cosine_similarity: dimension 1 is out of range for (3)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_cosine_similarity(a, a, 1, 1e-8);
    }
    REFUSES("ag_cosine_similarity: (3,4) and (3): the shapes do not broadcast") {
        ag_cosine_similarity(sample_float(s, "a", AG_SHAPE(3, 4)), sample_float(s, "b", AG_SHAPE(3)), 0, 1e-8);
    }
    REFUSES("ag_cosine_similarity: eps is -1 and must be at least 0") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3));
        ag_cosine_similarity(a, a, 0, -1);
    }
    REFUSES("ag_cosine_similarity: element types float32 and float64 differ") {
        ag_cosine_similarity(ag_ones(AG_SHAPE(3), AG_FLOAT32), ag_ones(AG_SHAPE(3), AG_FLOAT64), 0, 1e-8);
    }
    REFUSES("ag_cosine_similarity: needs a floating type, got int64") {
        ag_tensor k = sample_int(s, "k", AG_SHAPE(3), 0, 4);
        ag_cosine_similarity(k, k, 0, 1e-8);
    }
}
#endif
