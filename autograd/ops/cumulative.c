/*
 * Running sums and products, and products over dimensions, whose derivatives are made of them.
 */
#include "../kernels/scan.h"
#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

struct along {
    int dim;
};

static bool accepts(ag_call *call, int *dim)
{
    const ag_array *x = ag_call_input(call, 0);
    *dim = ((const struct along *)ag_call_params(call))->dim;
    if (!ops_need_dim(call, x, dim)) {
        return false;
    }
    if (x->dtype == AG_UINT8) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "needs a number type, got uint8");
    }
    return true;
}

/* x as (outer, n, inner). */
static void split_at(const ag_array *x, int dim, int64_t *outer, int64_t *n, int64_t *inner)
{
    *outer = *inner = 1;
    *n = x->ndim == 0 ? 1 : x->size[dim];
    for (int d = 0; d < x->ndim; d++) {
        *(d < dim ? outer : inner) *= d == dim ? 1 : x->size[d];
    }
}

static bool scan_shape(ag_call *call)
{
    int dim;
    return accepts(call, &dim) && ag_call_output(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 0));
}

static bool scan(ag_call *call, bool product)
{
    const ag_array *x = ag_call_input(call, 0);
    const void *from = ops_row_major(call, x);
    int dim;
    int64_t outer, n, inner;
    if (from == NULL || !accepts(call, &dim)) {
        return false;
    }
    split_at(x, dim, &outer, &n, &inner);
    if (x->numel > 0) {
        k_scan(x->dtype, ag_call_threads(call), product, outer, n, inner, from, ag_call_result(call, 0)->data);
    }
    return true;
}

/* ---- cumsum ---------------------------------------------------------------------------------------------------------------------------
 * y[k] = x[0] + … + x[k]
 * dx[k] = dy[k] + … + dy[n - 1] */

static bool cumsum_forward(ag_call *call)
{
    return scan(call, false);
}

/* The sum from k to the end. */
static ag_tensor cumsum_backwards(ag_tensor x, int dim)
{
    if (ag_ndim(x) == 0) {
        return x;
    }
    ag_dims dims = AG_DIMS(dim);
    return ag_flip(ag_cumsum(ag_flip(x, dims), dim), dims);
}

static void cumsum_backward(ag_sweep *s)
{
    const struct along *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, cumsum_backwards(ag_sweep_grad(s, 0), p->dim));
}

AG_OP(cumsum){.size = sizeof(struct ag_op), .name = "cumsum", .formula = "y[k] = x[0] + ... + x[k]",
              .derivative = "dx[k] = dy[k] + ... + dy[n - 1]", .inputs = 1, .outputs = 1, .params = sizeof(struct along),
              .orders = AG_ORDERS_ANY, .shape = scan_shape, .forward = cumsum_forward, .backward = cumsum_backward};

ag_tensor ag_cumsum_at(ag_place where, ag_tensor x, int dim)
{
    struct along p = {dim};
    return ag_apply(where, &op_cumsum, 1, &x, &p, NULL);
}

/* ---- cumprod --------------------------------------------------------------------------------------------------------------------------
 * y[k] = x[0] … x[k]
 * dx[i] = sum over k >= i of dy[k] times the product of the x[j], j <= k, without x[i] */

static bool cumprod_forward(ag_call *call)
{
    return scan(call, true);
}

static bool has_zero(ag_tensor x)
{
    ag_tensor zeros = ag_sum(ag_eq(x, ag_scalar(0, ag_dtype_of(x))));
    return ag_error_code() == AG_OK && ag_item(zeros) > 0;
}

static void cumprod_backward(ag_sweep *s)
{
    const struct along *p = ag_sweep_params(s);
    ag_tensor x = ag_sweep_input(s, 0), y = ag_sweep_output(s, 0), dy = ag_sweep_grad(s, 0);
    if (ag_error_code() != AG_OK) {
        return;
    }
    ag_shape shape = ag_shape_of(x);
    if (shape.ndim == 0) {
        ag_sweep_add(s, 0, dy);
        return;
    }
    if (!has_zero(x)) {
        ag_sweep_add(s, 0, ag_div(cumsum_backwards(ag_mul(dy, y), p->dim), x));
        return;
    }
    /* Row i of a square is x with 1 in the place of x[i]: its running products are those without x[i]. */
    int dim = p->dim < 0 ? p->dim + shape.ndim : p->dim;
    int64_t n = shape.size[dim], before = 1, behind = 1;
    for (int d = 0; d < shape.ndim; d++) {
        *(d < dim ? &before : &behind) *= d == dim ? 1 : shape.size[d];
    }
    ag_tensor one = ag_one_hot(ag_reshape(ag_arange(n, AG_INT64), AG_SHAPE(n, 1)), n, AG_UINT8); /* (n,1,n) */
    ag_tensor lines = ag_permute(ag_reshape(x, AG_SHAPE(before, n, behind)), AG_DIMS(0, 2, 1));
    ag_tensor square = ag_expand(ag_reshape(lines, AG_SHAPE(1, before * behind, n)), AG_SHAPE(n, before * behind, n));
    square = ag_cumprod(ag_masked_fill(square, one, 1), -1); /* (i, line, k) */
    square = ag_triu(ag_permute(square, AG_DIMS(1, 0, 2)), 0); /* (line, i, k), k >= i */
    ag_tensor g = ag_permute(ag_reshape(dy, AG_SHAPE(before, n, behind)), AG_DIMS(0, 2, 1));
    g = ag_matmul(square, ag_reshape(g, AG_SHAPE(before * behind, n, 1))); /* (line, i, 1) */
    g = ag_permute(ag_reshape(g, AG_SHAPE(before, behind, n)), AG_DIMS(0, 2, 1));
    ag_sweep_add(s, 0, ag_reshape(g, shape));
}

AG_OP(cumprod){.size = sizeof(struct ag_op), .name = "cumprod", .formula = "y[k] = x[0] ... x[k]",
               .derivative = "dx[i] = sum_k>=i dy[k] prod_j<=k, j!=i x[j]", .inputs = 1, .outputs = 1,
               .saves = AG_SAVE_INPUT(0) | AG_SAVE_OUTPUT(0), .params = sizeof(struct along), .orders = AG_ORDERS_ANY,
               .shape = scan_shape, .forward = cumprod_forward, .backward = cumprod_backward};

ag_tensor ag_cumprod_at(ag_place where, ag_tensor x, int dim)
{
    struct along p = {dim};
    return ag_apply(where, &op_cumprod, 1, &x, &p, NULL);
}

/* ---- prod ------------------------------------------------------------------------------------------------------------------------------
 * y = product of x along a dimension
 * dx[i] = dy times the product of all others: of those before it and of those behind it */

static bool prod_shape(ag_call *call)
{
    int dim;
    if (!accepts(call, &dim)) {
        return false;
    }
    ag_shape shape = ag_call_shape(call, 0);
    if (shape.ndim > 0) {
        shape.size[dim] = 1;
    }
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, shape);
}

static bool prod_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0);
    const void *from = ops_row_major(call, x);
    int dim;
    int64_t outer, n, inner;
    if (from == NULL || !accepts(call, &dim)) {
        return false;
    }
    split_at(x, dim, &outer, &n, &inner);
    if (outer * inner > 0) {
        k_product(x->dtype, ag_call_threads(call), outer, n, inner, from, ag_call_result(call, 0)->data);
    }
    return true;
}

/* y[k] = the product of the x before k, 1 for the first. */
static ag_tensor product_before(ag_tensor x, int dim)
{
    ag_shape shape = ag_shape_of(x);
    int64_t n = shape.size[dim];
    shape.size[dim] = 1;
    ag_tensor parts[2] = {ag_ones(shape, ag_dtype_of(x)), ag_cumprod(ag_narrow(x, dim, 0, n - 1), dim)};
    return ag_cat(2, parts, dim);
}

static void prod_backward(ag_sweep *s)
{
    const struct along *p = ag_sweep_params(s);
    ag_tensor x = ag_sweep_input(s, 0), dy = ag_sweep_grad(s, 0);
    if (ag_error_code() != AG_OK) {
        return;
    }
    int dim = p->dim < 0 ? p->dim + ag_ndim(x) : p->dim;
    if (ag_size(x, dim) == 0) {
        ag_sweep_zero(s, 0);
        return;
    }
    ag_dims dims = AG_DIMS(dim);
    ag_tensor others = ag_mul(product_before(x, dim), ag_flip(product_before(ag_flip(x, dims), dim), dims));
    ag_sweep_add(s, 0, ag_mul(dy, others));
}

/* Leaves the dimension with length 1. */
AG_OP(prod){.size = sizeof(struct ag_op), .name = "prod", .formula = "y = product of x over dims",
            .derivative = "dx[i] = dy prod_j!=i x[j]", .inputs = 1, .outputs = 1, .saves = AG_SAVE_INPUT(0),
            .params = sizeof(struct along), .orders = AG_ORDERS_ANY, .shape = prod_shape, .forward = prod_forward,
            .backward = prod_backward};

static ag_tensor prod(ag_place where, ag_tensor x, int dim)
{
    struct along p = {dim};
    return ag_apply(where, &op_prod, 1, &x, &p, NULL);
}

ag_tensor ag_prod_at(ag_place where, ag_tensor x)
{
    const ag_value *v = look(where, "ag_prod", x);
    if (v == NULL) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor y = prod(where, ag_reshape_at(where, x, AG_SHAPE(v->numel)), 0);
    return ag_frame_end(frame, ag_reshape_at(where, y, AG_SHAPE_SCALAR));
}

ag_tensor ag_prod_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim)
{
    const ag_value *v = look(where, "ag_prod_dims", x);
    bool reduced[AG_MAX_DIMS] = {false};
    for (int i = 0; v != NULL && i < dims.count; i++) {
        int d = i < AG_MAX_DIMS ? dims.dim[i] : 100;
        if (!look_dim(where, "ag_prod_dims", v, &d, true)) {
            return AG_NIL;
        }
        if (reduced[d]) {
            ag_error_raise(where, AG_ERROR_INDEX, "ag_prod_dims: dimension %d is named twice", d);
            return AG_NIL;
        }
        reduced[d] = true;
    }
    if (v == NULL) {
        return AG_NIL;
    }
    ag_shape shape = {0};
    for (int d = 0; d < v->ndim; d++) {
        if (!reduced[d] || keepdim) {
            shape.size[shape.ndim++] = reduced[d] ? 1 : v->size[d];
        }
    }
    int ndim = v->ndim;
    ag_frame frame = ag_frame_begin();
    for (int d = 0; d < ndim; d++) {
        x = reduced[d] ? prod(where, x, d) : x;
    }
    return ag_frame_end(frame, ag_reshape_at(where, x, shape));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(cumsum)
{
    SAMPLE("torch.cumsum(a, 0)") {
        sample_result(s, ag_cumsum(sample_float(s, "a", AG_SHAPE(4, 3)), 0));
    }
    SAMPLE("torch.cumsum(a, -2) ** 2") {
        sample_result(s, ag_square(ag_cumsum(sample_float(s, "a", AG_SHAPE(2, 3, 2)), -2)));
    }
    SAMPLE("torch.cumsum(a, 0)  # one number") {
        sample_result(s, ag_cumsum(sample_float(s, "a", AG_SHAPE_SCALAR), 0));
    }
    SAMPLE("torch.cumsum(a, 1)  # nothing") {
        sample_result(s, ag_cumsum(sample_float(s, "a", AG_SHAPE(3, 0)), 1));
    }
    SAMPLE("torch.cumsum(k, 1)") {
        sample_result(s, ag_cumsum(sample_int(s, "k", AG_SHAPE(2, 4), -5, 5), 1));
    }
    REFUSES("ag_cumsum: dimension 2 is out of range for (3,4)") {
        ag_cumsum(sample_float(s, "a", AG_SHAPE(3, 4)), 2);
    }
    REFUSES("ag_cumsum: needs a number type, got uint8") {
        ag_cumsum(sample_mask(s, "m", AG_SHAPE(3)), 0);
    }
}
AG_SAMPLES(cumprod)
{
    SAMPLE("torch.cumprod(a, 0)") {
        sample_result(s, ag_cumprod(sample_float(s, "a", AG_SHAPE(4, 3)), 0));
    }
    SAMPLE("torch.cumprod(a, 1)  # zeros") {
        const double values[] = {1.5, 0, -2, 0.5, 0, 3, 0, 1, -1, 2, 0.7, 0};
        sample_result(s, ag_cumprod(sample_values(s, "a", AG_SHAPE(2, 6), values), 1));
    }
    SAMPLE("torch.cumprod(a, 1)  # zeros in the middle") {
        const double values[] = {1.5, 0, -2, 0.5, 0, 3, 0, 1, -1, 2, 0.7, 0};
        sample_result(s, ag_cumprod(sample_values(s, "a", AG_SHAPE(2, 3, 2), values), -2));
    }
    SAMPLE("torch.cumprod(a, 0)  # one number") {
        sample_result(s, ag_cumprod(sample_float(s, "a", AG_SHAPE_SCALAR), 0));
    }
    SAMPLE("torch.cumprod(a, 0)  # nothing") {
        sample_result(s, ag_cumprod(sample_float(s, "a", AG_SHAPE(0, 3)), 0));
    }
    SAMPLE("torch.cumprod(a, 0)  # of zeros") {
        const double zeros[] = {0, 0, 0};
        sample_result(s, ag_cumprod(sample_values(s, "a", AG_SHAPE(3), zeros), 0));
    }
    REFUSES("ag_cumprod: dimension -3 is out of range for (3,4)") {
        ag_cumprod(sample_float(s, "a", AG_SHAPE(3, 4)), -3);
    }
}
AG_SAMPLES(prod)
{
    SAMPLE("torch.prod(a)") {
        sample_result(s, ag_prod(sample_float(s, "a", AG_SHAPE(2, 3))));
    }
    SAMPLE("torch.prod(a, 1)") {
        sample_result(s, ag_prod_dims(sample_float(s, "a", AG_SHAPE(2, 3, 2)), AG_DIMS(1), false));
    }
    SAMPLE("torch.prod(torch.prod(a, 2, True), 0, True)") {
        sample_result(s, ag_prod_dims(sample_float(s, "a", AG_SHAPE(2, 3, 2)), AG_DIMS(0, -1), true));
    }
    SAMPLE("torch.prod(a, 1)  # one zero, two zeros") {
        const double values[] = {1.5, 0, -2, 0.5, 0, 3, 0, 2, 1, 2, 3, 4};
        sample_result(s, ag_prod_dims(sample_values(s, "a", AG_SHAPE(3, 4), values), AG_DIMS(1), false));
    }
    SAMPLE("torch.prod(a, 1)  # of nothing") {
        sample_result(s, ag_prod_dims(sample_float(s, "a", AG_SHAPE(2, 0)), AG_DIMS(1), false));
    }
    SAMPLE("torch.prod(a)  # one number") {
        sample_result(s, ag_prod(sample_float(s, "a", AG_SHAPE_SCALAR)));
    }
    SAMPLE("torch.prod(k, 0)") {
        sample_result(s, ag_prod_dims(sample_int(s, "k", AG_SHAPE(3, 2), -3, 4), AG_DIMS(0), false));
    }
    REFUSES("ag_prod_dims: dimension 2 is out of range for (3,4)") {
        ag_prod_dims(sample_float(s, "a", AG_SHAPE(3, 4)), AG_DIMS(2), false);
    }
    REFUSES("ag_prod_dims: dimension 1 is named twice") {
        ag_prod_dims(sample_float(s, "a", AG_SHAPE(3, 4)), AG_DIMS(1, -1), false);
    }
    REFUSES("ag_prod: needs a number type, got uint8") {
        ag_prod(sample_mask(s, "m", AG_SHAPE(3)));
    }
}
#endif
