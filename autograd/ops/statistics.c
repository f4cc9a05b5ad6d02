/*
 * Statistics and norms over dimensions, composed of reductions.
 */
#include <math.h>

#include "../samples.h"
#include "loops.h"
#include "look.h"
#include "ops.h"

/* ---- root ------------------------------------------------------------------------------------------------------------------------------
 * y = sqrt(x)
 * dx = dy / (2 y), 0 where y = 0: deviations and norms have a derivative of 0 there, as in PyTorch */

UNARY_FLOAT(root, sqrtf(x), sqrt(x))

static void root_backward(ag_sweep *s)
{
    ag_tensor y = ag_sweep_output(s, 0), zero = ag_scalar(0, ag_sweep_dtype(s, 0)), flat = ag_eq(y, zero);
    ag_tensor slope = ag_div(ag_sweep_grad(s, 0), ag_mul_scalar(ag_masked_fill(y, flat, 1), 2));
    ag_sweep_add(s, 0, ag_masked_fill(slope, flat, 0));
}

AG_OP(root){ELEMENTWISE(root, 1, AG_SAVE_OUTPUT(0)), .formula = "y = sqrt(x)", .derivative = "dx = y = 0 ? 0 : dy / (2 y)",
            FLOAT_LOOPS(root)};

static ag_tensor root(ag_place where, ag_tensor x)
{
    return ag_apply(where, &op_root, 1, &x, NULL, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(root)
{
    SAMPLE("torch.sqrt(a)") {
        sample_result(s, root(AG_HERE, sample_range(s, "a", AG_SHAPE(3, 4), 0.3, 3)));
    }
    SAMPLE("torch.where(a == 0, 0 * a, torch.sqrt(a + (a == 0)))  # also at 0") {
        const double values[] = {1, 0, 2};
        sample_result(s, root(AG_HERE, sample_values(s, "a", AG_SHAPE(3), values)));
        sample_no_differences(s);
    }
    REFUSES("ag_root: needs float32 or float64, got int64") {
        root(AG_HERE, sample_int(s, "k", AG_SHAPE(3), 0, 4));
    }
}
#endif

/* ---- what they share --------------------------------------------------------------------------------------------------------------------- */

/* Checks type and dimensions in the function's name; an empty list of dimensions means all. */
static bool over(ag_place where, const char *function, ag_tensor x, ag_dims *dims, bool floating)
{
    const ag_value *v = look(where, function, x);
    bool named[AG_MAX_DIMS] = {false};
    if (v == NULL) {
        return false;
    }
    if (floating && !ag_dtype_is_float((ag_dtype)v->dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs float32 or float64, got %s", function, ag_dtype_name((ag_dtype)v->dtype));
        return false;
    }
    for (int i = 0; i < dims->count; i++) {
        int d = i < AG_MAX_DIMS ? dims->dim[i] : 100;
        if (!look_dim(where, function, v, &d, true)) {
            return false;
        }
        if (named[d]) {
            ag_error_raise(where, AG_ERROR_INDEX, "%s: dimension %d is named twice", function, d);
            return false;
        }
        named[d] = true;
    }
    return true;
}

static ag_dims all_dims(ag_tensor x)
{
    ag_dims dims = {.count = ag_ndim(x)};
    for (int d = 0; d < dims.count; d++) {
        dims.dim[d] = d;
    }
    return dims;
}

/* ---- std, var of everything --------------------------------------------------------------------------------------------------------------- */

ag_tensor ag_std_at(ag_place where, ag_tensor x, ag_dims dims, int correction, bool keepdim)
{
    if (!over(where, "ag_std", x, &dims, true)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, root(where, ag_var_at(where, x, dims, correction, keepdim)));
}

ag_tensor ag_std_all_at(ag_place where, ag_tensor x, int correction)
{
    ag_dims none = {0};
    return over(where, "ag_std_all", x, &none, true) ? ag_std_at(where, x, all_dims(x), correction, false) : AG_NIL;
}

ag_tensor ag_var_all_at(ag_place where, ag_tensor x, int correction)
{
    ag_dims none = {0};
    return over(where, "ag_var_all", x, &none, true) ? ag_var_at(where, x, all_dims(x), correction, false) : AG_NIL;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(std)
{
    SAMPLE("torch.std(a, (0, 2), unbiased=True, keepdim=True)") {
        sample_result(s, ag_std(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(0, 2), 1, true));
    }
    SAMPLE("torch.std(a, -1, unbiased=False)") {
        sample_result(s, ag_std(sample_float(s, "a", AG_SHAPE(3, 5)), AG_DIMS(-1), 0, false));
    }
    SAMPLE("torch.std(a)") {
        sample_result(s, ag_std_all(sample_float(s, "a", AG_SHAPE(3, 5)), 1));
    }
    SAMPLE("torch.var(a)") {
        sample_result(s, ag_var_all(sample_float(s, "a", AG_SHAPE(3, 5)), 1));
    }
    SAMPLE("torch.std(a, 1)  # all equal") {
        const double values[] = {2, 2, 2, 1, 2, 3};
        sample_result(s, ag_std(sample_values(s, "a", AG_SHAPE(2, 3), values), AG_DIMS(1), 1, false));
        sample_no_differences(s);
    }
    REFUSES("ag_std: needs float32 or float64, got int64") {
        ag_std(sample_int(s, "k", AG_SHAPE(3), 0, 4), AG_DIMS(0), 1, false);
    }
    REFUSES("ag_std: dimension 0 is named twice") {
        ag_std(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(0, -2), 1, false);
    }
    REFUSES("ag_std_all: needs float32 or float64, got uint8") {
        ag_std_all(sample_mask(s, "m", AG_SHAPE(3)), 1);
    }
    REFUSES("ag_var_all: a tensor is needed, got none") {
        ag_var_all(AG_NONE, 1);
    }
}
#endif

/* ---- norm ------------------------------------------------------------------------------------------------------------------------------------
 * y = (sum of |x|^p over dims)^(1/p); the largest |x| for p = infinity, the smallest for -infinity, their number for p = 0 */

/* For p other than 0, 1, 2 and infinity: 0^p and 0^(1/p) have slopes that are no numbers, and are left out. */
static ag_tensor general_norm(ag_tensor x, double p, ag_dims dims, bool keepdim)
{
    ag_tensor size = ag_abs(x), zero = ag_scalar(0, ag_dtype_of(x)), none = ag_eq(size, zero);
    ag_tensor powers = ag_pow_scalar(ag_masked_fill(size, none, 1), p);
    if (p > 0) {
        powers = ag_masked_fill(powers, none, 0);
    } else {
        powers = ag_masked_fill(powers, none, (double)INFINITY);
    }
    ag_tensor sum = ag_sum_dims(powers, dims, keepdim), empty = ag_eq(sum, zero);
    ag_tensor y = ag_pow_scalar(ag_masked_fill(sum, empty, 1), 1 / p);
    return ag_masked_fill(y, empty, p > 0 ? 0 : (double)INFINITY);
}

ag_tensor ag_norm_at(ag_place where, ag_tensor x, double p, ag_dims dims, bool keepdim)
{
    char text[AG_SHAPE_TEXT];
    if (!over(where, "ag_norm", x, &dims, true)) {
        return AG_NIL;
    }
    const ag_value *v = look(where, "ag_norm", x);
    if (isnan(p)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_norm: p is NaN");
        return AG_NIL;
    }
    dims = dims.count == 0 ? all_dims(x) : dims;
    bool extreme = isinf(p) != 0;
    for (int i = 0; (extreme || p < 0) && i < dims.count; i++) {
        int d = dims.dim[i] < 0 ? dims.dim[i] + v->ndim : dims.dim[i];
        if (v->size[d] == 0) {
            ag_error_raise(where, AG_ERROR_SHAPE, "ag_norm: %s has no elements along dimension %d, and the norm of order %g of "
                           "nothing does not exist", look_text(v, text), d, p);
            return AG_NIL;
        }
    }
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    ag_tensor y;
    if (extreme) {
        y = p > 0 ? ag_amax(ag_abs(x), dims, keepdim) : ag_amin(ag_abs(x), dims, keepdim);
    } else if (p == 0) {
        ag_tensor there = ag_cast(ag_ne(x, ag_scalar(0, ag_dtype_of(x))), ag_dtype_of(x));
        y = ag_add(ag_sum_dims(there, dims, keepdim), ag_sum_dims(ag_mul_scalar(ag_sign(x), 0), dims, keepdim));
    } else if (p == 1) {
        y = ag_sum_dims(ag_abs(x), dims, keepdim);
    } else if (p == 2) {
        y = root(where, ag_sum_dims(ag_square(x), dims, keepdim));
    } else {
        y = general_norm(x, p, dims, keepdim);
    }
    y = ag_frame_end(frame, y);
    ag_caller_set(caller);
    return y;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(norm)
{
    const double values[] = {1, 0, -2, 0, 0, 0, -1, 2, 2};
    SAMPLE("torch.linalg.vector_norm(a)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 4)), 2, AG_DIMS(0, 1), false));
    }
    SAMPLE("torch.linalg.vector_norm(a, 2, (0, 2), True)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(2, 3, 4)), 2, AG_DIMS(0, -1), true));
    }
    SAMPLE("torch.linalg.vector_norm(a, 1, 1)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 4)), 1, AG_DIMS(1), false));
    }
    SAMPLE("torch.linalg.vector_norm(a, math.inf, 1)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 4)), (double)INFINITY, AG_DIMS(1), false));
    }
    SAMPLE("torch.linalg.vector_norm(a, -math.inf, 1)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 4)), -(double)INFINITY, AG_DIMS(1), false));
    }
    SAMPLE("torch.linalg.vector_norm(a, 3, 0)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 4)), 3, AG_DIMS(0), false));
    }
    SAMPLE("torch.linalg.vector_norm(a, 0.5, 0)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 4)), 0.5, AG_DIMS(0), false));
    }
    SAMPLE("torch.linalg.vector_norm(a, -1.5, 0)") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 4)), -1.5, AG_DIMS(0), false));
    }
    SAMPLE("torch.linalg.vector_norm(a, 0, 1) + 0 * a.sum()") {
        sample_result(s, ag_norm(sample_values(s, "a", AG_SHAPE(3, 3), values), 0, AG_DIMS(1), false));
        sample_no_differences(s);
    }
    SAMPLE("torch.linalg.vector_norm(a, 2, 1)  # at 0") {
        sample_result(s, ag_norm(sample_values(s, "a", AG_SHAPE(3, 3), values), 2, AG_DIMS(1), false));
        sample_no_differences(s);
    }
    SAMPLE("torch.linalg.vector_norm(a, 1, 1)  # at 0") {
        sample_result(s, ag_norm(sample_values(s, "a", AG_SHAPE(3, 3), values), 1, AG_DIMS(1), false));
        sample_no_differences(s);
    }
    SAMPLE("torch.linalg.vector_norm(a, 3, 1)  # at 0") {
        sample_result(s, ag_norm(sample_values(s, "a", AG_SHAPE(3, 3), values), 3, AG_DIMS(1), false));
        sample_no_differences(s);
    }
    SAMPLE("torch.linalg.vector_norm(a, 2, 1)  # of nothing") {
        sample_result(s, ag_norm(sample_float(s, "a", AG_SHAPE(3, 0)), 2, AG_DIMS(1), false));
    }
    REFUSES("ag_norm: (3,0) has no elements along dimension 1, and the norm of order inf of nothing does not exist") {
        ag_norm(sample_float(s, "a", AG_SHAPE(3, 0)), (double)INFINITY, AG_DIMS(1), false);
    }
    REFUSES("ag_norm: p is NaN") {
        ag_norm(sample_float(s, "a", AG_SHAPE(3)), (double)NAN, AG_DIMS(0), false);
    }
    REFUSES("ag_norm: needs float32 or float64, got int64") {
        ag_norm(sample_int(s, "k", AG_SHAPE(3), 0, 4), 2, AG_DIMS(0), false);
    }
    REFUSES("ag_norm: dimension 1 is out of range for (3)") {
        ag_norm(sample_float(s, "a", AG_SHAPE(3)), 2, AG_DIMS(1), false);
    }
}
#endif

/* ---- any, all -------------------------------------------------------------------------------------------------------------------------------- */

/* Whether the number of elements that are not 0 (that are 0) is above (is) 0. */
static ag_tensor counted(ag_place where, const char *function, ag_tensor x, ag_dims dims, bool keepdim, bool all)
{
    if (!over(where, function, x, &dims, false)) {
        return AG_NIL;
    }
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    ag_tensor zero = ag_scalar(0, ag_dtype_of(x)), none = ag_scalar(0, AG_INT64);
    ag_tensor n = ag_sum_dims(all ? ag_eq(x, zero) : ag_ne(x, zero), dims, keepdim);
    n = ag_frame_end(frame, all ? ag_eq(n, none) : ag_gt(n, none));
    ag_caller_set(caller);
    return n;
}

ag_tensor ag_any_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    return counted(where, "ag_any_dims", x, dims, keepdim, false);
}

ag_tensor ag_all_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    return counted(where, "ag_all_dims", x, dims, keepdim, true);
}

ag_tensor ag_any_at(ag_place where, ag_tensor x)
{
    ag_dims none = {0};
    return over(where, "ag_any", x, &none, false) ? counted(where, "ag_any", x, all_dims(x), false, false) : AG_NIL;
}

ag_tensor ag_all_at(ag_place where, ag_tensor x)
{
    ag_dims none = {0};
    return over(where, "ag_all", x, &none, false) ? counted(where, "ag_all", x, all_dims(x), false, true) : AG_NIL;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(any)
{
    const double values[] = {1, 0, -2, 0, 0, 0, -1, NAN, 2};
    SAMPLE("torch.any(m)") {
        sample_result(s, ag_any(sample_mask(s, "m", AG_SHAPE(2, 3))));
    }
    SAMPLE("torch.any(a, 1)") {
        sample_result(s, ag_any_dims(sample_values(s, "a", AG_SHAPE(3, 3), values), AG_DIMS(1), false));
    }
    SAMPLE("torch.all(a, 1, True)") {
        sample_result(s, ag_all_dims(sample_values(s, "a", AG_SHAPE(3, 3), values), AG_DIMS(1), true));
    }
    SAMPLE("torch.all(k)") {
        sample_result(s, ag_all(sample_int(s, "k", AG_SHAPE(2, 3), 1, 3)));
    }
    SAMPLE("torch.stack([torch.any(k), torch.all(k)])") {
        ag_tensor k = sample_int(s, "k", AG_SHAPE(2, 0), 0, 3);
        sample_result(s, ag_stack(2, (const ag_tensor[]){ag_any(k), ag_all(k)}, 0));
    }
    REFUSES("ag_any: a tensor is needed, got none") {
        ag_any(AG_NONE);
    }
    REFUSES("ag_all: a tensor is needed, got none") {
        ag_all(AG_NONE);
    }
    REFUSES("ag_any_dims: dimension 2 is out of range for (2,3)") {
        ag_any_dims(sample_mask(s, "m", AG_SHAPE(2, 3)), AG_DIMS(2), false);
    }
    REFUSES("ag_all_dims: dimension 0 is named twice") {
        ag_all_dims(sample_mask(s, "m", AG_SHAPE(2, 3)), AG_DIMS(0, 0), false);
    }
}
#endif

/* ---- max and min along a dimension, with their positions -------------------------------------------------------------------------------------- */

static ag_tensor extreme_dim(ag_place where, const char *function, ag_tensor x, int dim, bool keepdim, ag_tensor *indices, bool max)
{
    const ag_value *v = look(where, function, x);
    char text[AG_SHAPE_TEXT];
    if (indices != NULL) {
        *indices = AG_NIL;
    }
    if (v == NULL || !look_dim(where, function, v, &dim, true)) {
        return AG_NIL;
    }
    if (v->ndim > 0 && v->size[dim] == 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s has no elements along dimension %d", function, look_text(v, text), dim);
        return AG_NIL;
    }
    bool scalar = v->ndim == 0;
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    ag_tensor seen = scalar ? ag_reshape(x, AG_SHAPE(1)) : x;
    ag_tensor out[2];
    out[1] = max ? ag_argmax(seen, dim, true) : ag_argmin(seen, dim, true);
    out[0] = ag_gather(seen, dim, out[1]);
    for (int i = 0; i < 2 && (scalar || !keepdim); i++) {
        out[i] = ag_squeeze(out[i], dim);
    }
    ag_frame_end_n(frame, 2, out);
    ag_caller_set(caller);
    if (indices != NULL && ag_error_code() == AG_OK) {
        *indices = out[1];
    }
    return out[0];
}

ag_tensor ag_max_dim_at(ag_place where, ag_tensor x, int dim, bool keepdim, ag_tensor *indices)
{
    return extreme_dim(where, "ag_max_dim", x, dim, keepdim, indices, true);
}

ag_tensor ag_min_dim_at(ag_place where, ag_tensor x, int dim, bool keepdim, ag_tensor *indices)
{
    return extreme_dim(where, "ag_min_dim", x, dim, keepdim, indices, false);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(max_dim)
{
    ag_tensor indices;
    SAMPLE("torch.max(a, 1)") {
        sample_result(s, ag_max_dim(sample_float(s, "a", AG_SHAPE(3, 4)), 1, false, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.min(a, -2, True)") {
        sample_result(s, ag_min_dim(sample_float(s, "a", AG_SHAPE(2, 3, 2)), -2, true, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.max(a, 0)[0]  # ties, one NaN") {
        const double values[] = {1, 2, NAN, 1, 3, 5};
        sample_result(s, ag_max_dim(sample_values(s, "a", AG_SHAPE(2, 3), values), 0, false, NULL));
        sample_no_differences(s);
    }
    SAMPLE("torch.max(a, 0)  # one number") {
        sample_result(s, ag_max_dim(sample_float(s, "a", AG_SHAPE_SCALAR), 0, false, &indices));
        sample_result(s, indices);
    }
    REFUSES("ag_max_dim: (3,0) has no elements along dimension 1") {
        ag_max_dim(sample_float(s, "a", AG_SHAPE(3, 0)), 1, false, NULL);
    }
    REFUSES("ag_min_dim: dimension 2 is out of range for (3,4)") {
        ag_min_dim(sample_float(s, "a", AG_SHAPE(3, 4)), 2, false, NULL);
    }
}
#endif
