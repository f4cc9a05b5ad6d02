/*
 * Reductions over any set of dimensions.
 */
#include "../kernels/reduce.h"

#include <math.h>

#include "../internal.h"
#include "../samples.h"
#include "ops.h"

struct over {
    bool reduced[AG_MAX_DIMS];
    bool keepdim;
    int64_t count; /* elements that meet in one result, for mean */
};

/* Turns a list of dimensions into a mask; raises in the function's name. */
static bool mask(ag_place where, const char *function, ag_tensor x, ag_dims dims, struct over *p)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, function, x);
    if (v == NULL) {
        return false;
    }
    int n = v->ndim == 0 ? 1 : v->ndim; /* as in PyTorch, a scalar counts as having one dimension */
    for (int i = 0; i < dims.count; i++) {
        int dim = i < AG_MAX_DIMS ? dims.dim[i] : 100;
        int at = dim < 0 ? dim + n : dim;
        if (at < 0 || at >= n) {
            ag_error_raise(where, AG_ERROR_INDEX, "%s: dimension %d is out of range for %s", function, dim,
                           ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
            return false;
        }
        if (p->reduced[at]) {
            ag_error_raise(where, AG_ERROR_INDEX, "%s: dimension %d is named twice", function, dim);
            return false;
        }
        p->reduced[at] = true;
    }
    p->count = 1;
    for (int d = 0; d < v->ndim; d++) {
        p->count *= p->reduced[d] ? v->size[d] : 1;
    }
    return true;
}

/* Refuses in the name of the function that was called what the operations below it would refuse in theirs. */
static bool accepts(ag_place where, const char *function, ag_tensor x, bool integers, const struct over *p, bool empty)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, function, x);
    if (v == NULL) {
        return false;
    }
    if (!ag_dtype_is_float((ag_dtype)v->dtype) && !(integers && v->dtype == AG_INT64)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs %s, got %s", function,
                       integers ? "a number type" : "float32 or float64", ag_dtype_name((ag_dtype)v->dtype));
        return false;
    }
    for (int d = 0; d < v->ndim && !empty; d++) {
        if (p->reduced[d] && v->size[d] == 0) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s has no elements along dimension %d", function,
                           ag_shape_format(ag_value_shape_of(v), text, sizeof(text)), d);
            return false;
        }
    }
    return true;
}

static struct over everything(void)
{
    struct over p = {.keepdim = false, .count = -1};
    for (int d = 0; d < AG_MAX_DIMS; d++) {
        p.reduced[d] = true;
    }
    return p;
}

/* The result's shape; `kept`: with length 1 where reduced. */
static ag_shape result_shape(ag_shape x, const struct over *p, bool kept)
{
    ag_shape y = {0};
    for (int d = 0; d < x.ndim; d++) {
        if (!p->reduced[d]) {
            y.size[y.ndim++] = x.size[d];
        } else if (kept) {
            y.size[y.ndim++] = 1;
        }
    }
    return y;
}

static bool reduce_shape(ag_call *call, bool integers, bool empty)
{
    const struct over *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    if (!ag_dtype_is_float(x->dtype) && !(integers && x->dtype == AG_INT64)) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "needs %s, got %s",
                            integers ? "a number type" : "float32 or float64", ag_dtype_name(x->dtype));
    }
    for (int d = 0; d < x->ndim && !empty; d++) {
        if (p->reduced[d] && x->size[d] == 0) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "%s has no elements along dimension %d",
                                ag_call_shape_text(call, 0), d);
        }
    }
    return ag_call_output(call, 0, x->dtype, result_shape(ag_call_shape(call, 0), p, p->keepdim));
}

/* dy with the reduced dimensions back, of x's shape: a view. */
static ag_tensor spread(ag_sweep *s, ag_tensor dy)
{
    ag_shape x = ag_sweep_shape(s, 0);
    const struct over *p = ag_sweep_params(s);
    return ag_expand(ag_reshape(dy, result_shape(x, p, true)), x);
}

/* ---- sum ----------------------------------------------------------------------------------------------------------------
 * y = sum of x over dims
 * dx = dy, repeated */

static bool sum_shape(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0);
    if (x->dtype == AG_UINT8) { /* masks are counted */
        const struct over *p = ag_call_params(call);
        return ag_call_output(call, 0, AG_INT64, result_shape(ag_call_shape(call, 0), p, p->keepdim));
    }
    return reduce_shape(call, true, true);
}

static bool sum_forward(ag_call *call)
{
    const struct over *p = ag_call_params(call);
    k_reduce(K_SUM, ag_call_threads(call), ag_call_input(call, 0), p->reduced, 1, ag_call_result(call, 0)->data);
    return true;
}

static void sum_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, spread(s, ag_sweep_grad(s, 0)));
}

AG_OP(sum){.size = sizeof(struct ag_op), .name = "sum", .formula = "y = sum of x over dims", .derivative = "dx = dy, repeated",
           .inputs = 1, .outputs = 1, .params = sizeof(struct over), .orders = AG_ORDERS_ANY, .shape = sum_shape,
           .forward = sum_forward, .backward = sum_backward};

ag_tensor ag_sum_at(ag_place where, ag_tensor x)
{
    struct over p = everything();
    return ag_apply(where, &op_sum, 1, &x, &p, NULL);
}

ag_tensor ag_sum_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    struct over p = {.keepdim = keepdim};
    return mask(where, "ag_sum_dims", x, dims, &p) ? ag_apply(where, &op_sum, 1, &x, &p, NULL) : AG_NIL;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(sum)
{
    SAMPLE("torch.sum(a)") {
        sample_result(s, ag_sum(sample_float(s, "a", AG_SHAPE(2, 3, 4))));
    }
    SAMPLE("torch.sum(a, (0, 2), True)") {
        sample_result(s, ag_sum_dims(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(0, 2), true));
    }
    SAMPLE("torch.sum(a, 1)") {
        sample_result(s, ag_sum_dims(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(-2), false));
    }
    SAMPLE("torch.sum(a, (1, 2, 3))") {
        sample_result(s, ag_sum_dims(sample_float(s, "a", AG_SHAPE(2, 3, 2, 2)), AG_DIMS(1, 2, 3), false));
    }
    SAMPLE("torch.sum(a, 0) * 1") {
        sample_result(s, ag_sum_dims(sample_float(s, "a", AG_SHAPE(0, 3)), AG_DIMS(0), false));
    }
    SAMPLE("torch.sum(a) * 1") {
        sample_result(s, ag_sum(sample_float(s, "a", AG_SHAPE_SCALAR)));
    }
    SAMPLE("torch.sum(a * a, 0)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(17, 5));
        sample_result(s, ag_sum_dims(ag_mul(a, a), AG_DIMS(0), false));
    }
    SAMPLE("torch.sum(k, 0)") {
        sample_result(s, ag_sum_dims(sample_int(s, "k", AG_SHAPE(3, 4), -5, 9), AG_DIMS(0), false));
    }
    SAMPLE("torch.sum(m)") {
        sample_result(s, ag_sum(sample_mask(s, "m", AG_SHAPE(30, 20))));
    }
    REFUSES("ag_sum: a tensor is needed, got none") {
        ag_sum(AG_NONE);
    }
    REFUSES("ag_sum_dims: dimension 5 is out of range for (2,3)") {
        ag_sum_dims(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(5), false);
    }
    REFUSES("ag_sum_dims: dimension -1 is named twice") {
        ag_sum_dims(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(1, -1), false);
    }
}
#endif

/* ---- mean ---------------------------------------------------------------------------------------------------------------
 * y = sum of x over dims / n
 * dx = dy / n, repeated */

static int64_t count_of(ag_shape shape, const struct over *p)
{
    int64_t n = 1;
    for (int d = 0; d < shape.ndim; d++) {
        n *= p->reduced[d] ? shape.size[d] : 1;
    }
    return n;
}

static bool mean_shape(ag_call *call)
{
    return reduce_shape(call, false, true);
}

static bool mean_forward(ag_call *call)
{
    const struct over *p = ag_call_params(call);
    double n = (double)count_of(ag_call_shape(call, 0), p); /* 0 elements: 0 * inf is NaN, as in PyTorch */
    k_reduce(K_SUM, ag_call_threads(call), ag_call_input(call, 0), p->reduced, 1 / n, ag_call_result(call, 0)->data);
    return true;
}

static void mean_backward(ag_sweep *s)
{
    const struct over *p = ag_sweep_params(s);
    double n = (double)count_of(ag_sweep_shape(s, 0), p);
    ag_sweep_add(s, 0, spread(s, ag_mul_scalar(ag_sweep_grad(s, 0), 1 / n)));
}

AG_OP(mean){.size = sizeof(struct ag_op), .name = "mean", .formula = "y = sum of x over dims / n",
            .derivative = "dx = dy / n, repeated", .inputs = 1, .outputs = 1, .params = sizeof(struct over),
            .orders = AG_ORDERS_ANY, .shape = mean_shape, .forward = mean_forward, .backward = mean_backward};

ag_tensor ag_mean_at(ag_place where, ag_tensor x)
{
    struct over p = everything();
    return ag_apply(where, &op_mean, 1, &x, &p, NULL);
}

ag_tensor ag_mean_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    struct over p = {.keepdim = keepdim};
    bool fits = mask(where, "ag_mean_dims", x, dims, &p) && accepts(where, "ag_mean_dims", x, false, &p, true);
    return fits ? ag_apply(where, &op_mean, 1, &x, &p, NULL) : AG_NIL;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(mean)
{
    SAMPLE("torch.mean(a)") {
        sample_result(s, ag_mean(sample_float(s, "a", AG_SHAPE(2, 3, 4))));
    }
    SAMPLE("torch.mean(a, (0, 2), True)") {
        sample_result(s, ag_mean_dims(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(0, 2), true));
    }
    SAMPLE("torch.mean(a, (2, 3))") {
        sample_result(s, ag_mean_dims(sample_float(s, "a", AG_SHAPE(2, 3, 2, 2)), AG_DIMS(2, 3), false));
    }
    SAMPLE("torch.mean(a, 1)") {
        sample_result(s, ag_mean_dims(sample_float(s, "a", AG_SHAPE(0, 3)), AG_DIMS(1), false));
    }
    REFUSES("ag_mean_dims: needs float32 or float64, got int64") {
        ag_mean_dims(sample_int(s, "k", AG_SHAPE(3), 0, 4), AG_DIMS(0), false);
    }
    REFUSES("ag_mean: needs float32 or float64, got int64") {
        ag_mean(sample_int(s, "k", AG_SHAPE(3), 0, 4));
    }
}
#endif

/* ---- amax, amin -----------------------------------------------------------------------------------------------------------
 * y = largest (smallest) x over dims
 * dx = dy [x = y] / how many are equal to y */

static bool extreme_shape(ag_call *call)
{
    return reduce_shape(call, true, false);
}

static bool amax_forward(ag_call *call)
{
    const struct over *p = ag_call_params(call);
    k_reduce(K_MAX, ag_call_threads(call), ag_call_input(call, 0), p->reduced, 1, ag_call_result(call, 0)->data);
    return true;
}

static bool amin_forward(ag_call *call)
{
    const struct over *p = ag_call_params(call);
    k_reduce(K_MIN, ag_call_threads(call), ag_call_input(call, 0), p->reduced, 1, ag_call_result(call, 0)->data);
    return true;
}

static void extreme_backward(ag_sweep *s)
{
    const struct over *p = ag_sweep_params(s);
    ag_tensor x = ag_sweep_input(s, 0);
    ag_dims dims = {0};
    for (int d = 0; d < ag_ndim(x); d++) {
        if (p->reduced[d]) {
            dims.dim[dims.count++] = d;
        }
    }
    ag_tensor y = spread(s, ag_sweep_output(s, 0));
    /* Where the result is NaN, those that are NaN: equal to neither more than other numbers. */
    ag_tensor nans = ag_mul(ag_ne(x, x), ag_ne(y, y)), winners = ag_cast(ag_add(ag_eq(x, y), nans), ag_dtype_of(x));
    ag_tensor share = ag_div(winners, ag_sum_dims(winners, dims, true));
    ag_sweep_add(s, 0, ag_mul(spread(s, ag_sweep_grad(s, 0)), share));
}

AG_OP(amax){.size = sizeof(struct ag_op), .name = "amax", .formula = "y = max of x over dims",
            .derivative = "dx = dy [x = y] / number of equals", .inputs = 1, .outputs = 1,
            .saves = AG_SAVE_INPUT(0) | AG_SAVE_OUTPUT(0), .params = sizeof(struct over), .orders = AG_ORDERS_ANY,
            .shape = extreme_shape, .forward = amax_forward, .backward = extreme_backward};

AG_OP(amin){.size = sizeof(struct ag_op), .name = "amin", .formula = "y = min of x over dims",
            .derivative = "dx = dy [x = y] / number of equals", .inputs = 1, .outputs = 1,
            .saves = AG_SAVE_INPUT(0) | AG_SAVE_OUTPUT(0), .params = sizeof(struct over), .orders = AG_ORDERS_ANY,
            .shape = extreme_shape, .forward = amin_forward, .backward = extreme_backward};

ag_tensor ag_amax_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    struct over p = {.keepdim = keepdim};
    return mask(where, "ag_amax", x, dims, &p) ? ag_apply(where, &op_amax, 1, &x, &p, NULL) : AG_NIL;
}

ag_tensor ag_amin_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    struct over p = {.keepdim = keepdim};
    return mask(where, "ag_amin", x, dims, &p) ? ag_apply(where, &op_amin, 1, &x, &p, NULL) : AG_NIL;
}

ag_tensor ag_max_at(ag_place where, ag_tensor x)
{
    struct over p = everything();
    return accepts(where, "ag_max", x, true, &p, false) ? ag_apply(where, &op_amax, 1, &x, &p, NULL) : AG_NIL;
}

ag_tensor ag_min_at(ag_place where, ag_tensor x)
{
    struct over p = everything();
    return accepts(where, "ag_min", x, true, &p, false) ? ag_apply(where, &op_amin, 1, &x, &p, NULL) : AG_NIL;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(amax)
{
    SAMPLE("torch.amax(a, (0, 2), True)") {
        sample_result(s, ag_amax(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(0, 2), true));
    }
    SAMPLE("torch.max(a)") {
        sample_result(s, ag_max(sample_float(s, "a", AG_SHAPE(5, 4))));
    }
    SAMPLE("torch.amax(torch.clamp(a, -0.5, 0.5), 1)") {
        sample_result(s, ag_amax(ag_clamp(sample_float(s, "a", AG_SHAPE(5, 4)), -0.5, 0.5), AG_DIMS(1), false));
    }
    SAMPLE("a.amax(0)  # ties") {
        const double values[] = {1, 3, -2, 1, 2, -2, 0, 3, -2};
        sample_no_differences(s);
        sample_result(s, ag_amax(sample_values(s, "a", AG_SHAPE(3, 3), values), AG_DIMS(0), false));
    }
    SAMPLE("a.max()  # not a number, twice") {
        const double values[] = {1, (double)NAN, 3, (double)NAN};
        sample_no_differences(s);
        sample_result(s, ag_max(sample_values(s, "a", AG_SHAPE(4), values)));
    }
    REFUSES("ag_amax: (2,0) has no elements along dimension 1") {
        ag_amax(sample_float(s, "a", AG_SHAPE(2, 0)), AG_DIMS(1), false);
    }
}
AG_SAMPLES(amin)
{
    SAMPLE("torch.amin(a, 1)") {
        sample_result(s, ag_amin(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(1), false));
    }
    SAMPLE("torch.min(a)") {
        sample_result(s, ag_min(sample_float(s, "a", AG_SHAPE(5, 4))));
    }
    REFUSES("ag_amin: (0) has no elements along dimension 0") {
        ag_amin(sample_float(s, "a", AG_SHAPE(0)), AG_DIMS(0), false);
    }
    REFUSES("ag_min: (0) has no elements along dimension 0") {
        ag_min(sample_float(s, "a", AG_SHAPE(0)));
    }
    REFUSES("ag_max: needs a number type, got uint8") {
        ag_max(sample_mask(s, "m", AG_SHAPE(3)));
    }
}
#endif

/* ---- argmax, argmin --------------------------------------------------------------------------------------------------------
 * y = position of the first largest (smallest) x along dim, int64; not differentiable */

struct along {
    int dim;
    bool keepdim;
};

static bool arg_shape(ag_call *call)
{
    const struct along *p = ag_call_params(call);
    ag_shape x = ag_call_shape(call, 0), y = {0};
    int n = x.ndim == 0 ? 1 : x.ndim, dim = p->dim < 0 ? p->dim + n : p->dim;
    if (dim < 0 || dim >= n) {
        return ag_call_fail(call, AG_ERROR_INDEX, "dimension %d is out of range for %s", p->dim,
                            ag_call_shape_text(call, 0));
    }
    if (x.ndim > 0 && x.size[dim] == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s has no elements along dimension %d", ag_call_shape_text(call, 0),
                            dim);
    }
    for (int d = 0; d < x.ndim; d++) {
        if (d != dim) {
            y.size[y.ndim++] = x.size[d];
        } else if (p->keepdim) {
            y.size[y.ndim++] = 1;
        }
    }
    return ag_call_output(call, 0, AG_INT64, y);
}

static void arg(ag_call *call, int sign)
{
    const struct along *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    if (x->ndim == 0) {
        *(int64_t *)ag_call_result(call, 0)->data = 0;
        return;
    }
    k_argmax(ag_call_threads(call), x, p->dim < 0 ? p->dim + x->ndim : p->dim, sign, ag_call_result(call, 0)->data);
}

static bool argmax_forward(ag_call *call)
{
    arg(call, 1);
    return true;
}

static bool argmin_forward(ag_call *call)
{
    arg(call, -1);
    return true;
}

AG_OP(argmax){.size = sizeof(struct ag_op), .name = "argmax", .formula = "y = first position of the largest x along dim",
              .inputs = 1, .outputs = 1, .params = sizeof(struct along), .shape = arg_shape, .forward = argmax_forward};
AG_OP(argmin){.size = sizeof(struct ag_op), .name = "argmin", .formula = "y = first position of the smallest x along dim",
              .inputs = 1, .outputs = 1, .params = sizeof(struct along), .shape = arg_shape, .forward = argmin_forward};

ag_tensor ag_argmax_at(ag_place where, ag_tensor x, int dim, bool keepdim)
{
    struct along p = {dim, keepdim};
    return ag_apply(where, &op_argmax, 1, &x, &p, NULL);
}

ag_tensor ag_argmin_at(ag_place where, ag_tensor x, int dim, bool keepdim)
{
    struct along p = {dim, keepdim};
    return ag_apply(where, &op_argmin, 1, &x, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(argmax)
{
    SAMPLE("torch.argmax(a, 1)") {
        sample_result(s, ag_argmax(sample_float(s, "a", AG_SHAPE(3, 5)), 1, false));
    }
    SAMPLE("torch.argmax(a, -3, True)") {
        sample_result(s, ag_argmax(sample_float(s, "a", AG_SHAPE(3, 5, 2)), -3, true));
    }
    REFUSES("ag_argmax: dimension 2 is out of range for (3,5)") {
        ag_argmax(sample_float(s, "a", AG_SHAPE(3, 5)), 2, false);
    }
    REFUSES("ag_argmax: (3,0) has no elements along dimension 1") {
        ag_argmax(sample_float(s, "a", AG_SHAPE(3, 0)), 1, false);
    }
}
AG_SAMPLES(argmin)
{
    SAMPLE("torch.argmin(a, 0)") {
        sample_result(s, ag_argmin(sample_float(s, "a", AG_SHAPE(3, 5)), 0, false));
    }
    REFUSES("ag_argmin: dimension 1 is out of range for ()") {
        ag_argmin(sample_float(s, "a", AG_SHAPE_SCALAR), 1, false);
    }
}
#endif

/* ---- var ----------------------------------------------------------------------------------------------------------------
 * y = sum of (x - mean)^2 over dims / (n - correction), composed */

ag_tensor ag_var_at(ag_place where, ag_tensor x, ag_dims dims, int correction, bool keepdim)
{
    struct over p = {.keepdim = keepdim};
    if (!mask(where, "ag_var", x, dims, &p) || !accepts(where, "ag_var", x, false, &p, true)) {
        return AG_NIL;
    }
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    ag_tensor deviation = ag_sub(x, ag_mean_dims(x, dims, true));
    ag_tensor y = ag_sum_dims(ag_square(deviation), dims, keepdim);
    double divisor = (double)(p.count - correction);
    y = ag_frame_end(frame, ag_mul_scalar(y, 1 / (divisor > 0 ? divisor : 0))); /* too few: infinite or NaN, as in PyTorch */
    ag_caller_set(caller);
    return y;
}

/* ---- logsumexp ------------------------------------------------------------------------------------------------------------
 * y = log of the sum of e^x over dims = m + log of the sum of e^(x - m), m the maximum, composed */

ag_tensor ag_logsumexp_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    struct over p = {.keepdim = true};
    if (!mask(where, "ag_logsumexp", x, dims, &p) || !accepts(where, "ag_logsumexp", x, false, &p, true)) {
        return AG_NIL;
    }
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    ag_tensor m;
    if (p.count == 0) { /* the logarithm of an empty sum */
        m = ag_zeros(result_shape(ag_shape_of(x), &p, true), ag_dtype_of(x));
    } else {
        m = ag_detach(ag_amax(x, dims, true));
    }
    if (!ag_is_nil(m)) {
        /* An infinite maximum would make infinity minus infinity. */
        ag_tensor zero = ag_scalar(0, ag_dtype_of(m)), limit = ag_scalar(INFINITY, ag_dtype_of(m));
        m = ag_where(ag_eq(ag_abs(m), limit), zero, m);
    }
    ag_tensor y = ag_add(ag_log(ag_sum_dims(ag_exp(ag_sub(x, m)), dims, true)), m);
    if (!keepdim && !ag_is_nil(y)) {
        y = ag_reshape(y, result_shape(ag_shape_of(x), &p, false));
    }
    y = ag_frame_end(frame, y);
    ag_caller_set(caller);
    return y;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(var)
{
    SAMPLE("torch.var(a, (0, 2), unbiased=True, keepdim=True)") {
        sample_result(s, ag_var(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(0, 2), 1, true));
    }
    SAMPLE("torch.var(a, 1, unbiased=False)") {
        sample_result(s, ag_var(sample_float(s, "a", AG_SHAPE(3, 5)), AG_DIMS(1), 0, false));
    }
    REFUSES("ag_var: needs float32 or float64, got int64") {
        ag_var(sample_int(s, "k", AG_SHAPE(3), 0, 4), AG_DIMS(0), 1, false);
    }
    REFUSES("ag_var: dimension 3 is out of range for (2,3)") {
        ag_var(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(3), 1, false);
    }
}
AG_SAMPLES_OF_FUNCTION(logsumexp)
{
    SAMPLE("torch.logsumexp(a, 1)") {
        sample_result(s, ag_logsumexp(sample_float(s, "a", AG_SHAPE(3, 5)), AG_DIMS(1), false));
    }
    SAMPLE("torch.logsumexp(a, 1)  # of nothing") {
        sample_result(s, ag_logsumexp(sample_float(s, "a", AG_SHAPE(2, 0)), AG_DIMS(1), false));
    }
    SAMPLE("torch.logsumexp(a * 500, (0, 2), True)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3, 2));
        sample_first_order_only(s);
        sample_result(s, ag_logsumexp(ag_mul_scalar(a, 500), AG_DIMS(0, 2), true));
    }
    REFUSES("ag_logsumexp: needs float32 or float64, got int64") {
        ag_logsumexp(sample_int(s, "k", AG_SHAPE(3), 0, 4), AG_DIMS(0), false);
    }
    REFUSES("ag_logsumexp: dimension 3 is out of range for (2,3)") {
        ag_logsumexp(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(3), false);
    }
}
#endif
