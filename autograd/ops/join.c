/*
 * Joining tensors, and picking rows by index.
 */
#include <string.h>

#include "../internal.h"
#include "../samples.h"
#include "ops.h"

struct join_params {
    int dim;
};

/* The part of y that input i fills: `length` along dim from `start`. */
static ag_array part_of(const ag_array *y, int dim, int64_t start, int64_t length, int64_t *size)
{
    memcpy(size, y->size, sizeof(*size) * (size_t)y->ndim);
    size[dim] = length;
    int64_t numel = 1;
    for (int d = 0; d < y->ndim; d++) {
        numel *= size[d];
    }
    ag_array part = {(char *)y->data + start * y->stride[dim] * (int64_t)ag_dtype_size(y->dtype), y->dtype, y->ndim,
                     numel, size, y->stride};
    return part;
}

static bool join_dim(ag_call *call, int *dim, int ndim)
{
    if (*dim < -ndim || *dim >= ndim) {
        return ag_call_fail(call, AG_ERROR_INDEX, "dimension %d is out of range for %s", *dim,
                            ag_call_shape_text(call, 0));
    }
    *dim += *dim < 0 ? ndim : 0;
    return true;
}

/* Inputs have one type, and shapes that agree everywhere except along `free_dim` (-1: everywhere). */
static bool join_inputs(ag_call *call, int free_dim)
{
    const ag_array *first = ag_call_input(call, 0);
    for (int i = 1; i < ag_call_count(call); i++) {
        const ag_array *x = ag_call_input(call, i);
        if (x == NULL) {
            return ag_call_fail(call, AG_ERROR_LIFETIME, "tensor %d is none", i);
        }
        if (x->dtype != first->dtype) {
            return ag_call_fail(call, AG_ERROR_DTYPE, "%s and %s; the types must be the same, ag_cast() converts",
                                ag_dtype_name(first->dtype), ag_dtype_name(x->dtype));
        }
        bool same = x->ndim == first->ndim;
        for (int d = 0; same && d < x->ndim; d++) {
            same = d == free_dim || x->size[d] == first->size[d];
        }
        if (!same) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "tensors 0 and %d have shapes %s and %s", i,
                                ag_call_shape_text(call, 0), ag_call_shape_text(call, i));
        }
    }
    return true;
}

static bool some(ag_place where, const char *function, int n, const ag_tensor *tensors)
{
    if (n >= 1 && tensors != NULL && !ag_is_none(tensors[0])) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_VALUE, "%s: at least one tensor is needed", function);
    return false;
}

/* ---- cat ----------------------------------------------------------------------------------------------------------------
 * y = x_0, x_1, … one after the other along dim
 * dx_i = its part of dy */

static bool cat_shape(ag_call *call)
{
    const struct join_params *p = ag_call_params(call);
    ag_shape y = ag_call_shape(call, 0);
    int dim = p->dim;
    if (!join_dim(call, &dim, y.ndim) || !join_inputs(call, dim)) {
        return false;
    }
    for (int i = 1; i < ag_call_count(call); i++) {
        y.size[dim] += ag_call_input(call, i)->size[dim];
    }
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, y);
}

static bool cat_forward(ag_call *call)
{
    const struct join_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    int dim = p->dim < 0 ? p->dim + y->ndim : p->dim;
    int64_t at = 0, size[AG_MAX_DIMS];
    for (int i = 0; i < ag_call_count(call); i++) {
        const ag_array *x = ag_call_input(call, i);
        ag_array_copy(part_of(y, dim, at, x->size[dim], size), *x);
        at += x->size[dim];
    }
    return true;
}

static void cat_backward(ag_sweep *s)
{
    const struct join_params *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0);
    int64_t at = 0;
    for (int i = 0; i < ag_sweep_count(s); i++) {
        ag_shape shape = ag_sweep_shape(s, i);
        int64_t length = shape.size[p->dim < 0 ? p->dim + shape.ndim : p->dim];
        if (ag_sweep_wants(s, i)) {
            ag_sweep_add(s, i, ag_narrow(dy, p->dim, at, length));
        }
        at += length;
    }
}

AG_OP(cat){.size = sizeof(struct ag_op), .name = "cat", .formula = "y = x_0, x_1, ... along dim",
           .derivative = "dx_i = its part of dy", .inputs = AG_ANY_INPUTS, .outputs = 1,
           .params = sizeof(struct join_params), .orders = AG_ORDERS_ANY, .shape = cat_shape, .forward = cat_forward,
           .backward = cat_backward};

ag_tensor ag_cat_at(ag_place where, int n, const ag_tensor *tensors, int dim)
{
    struct join_params p = {dim};
    return some(where, "ag_cat", n, tensors) ? ag_apply(where, &op_cat, n, tensors, &p, NULL) : AG_NIL;
}

/* ---- stack --------------------------------------------------------------------------------------------------------------
 * y[…, i, …] = x_i, a new dimension
 * dx_i = dy[…, i, …] */

static bool stack_shape(ag_call *call)
{
    const struct join_params *p = ag_call_params(call);
    ag_shape x = ag_call_shape(call, 0), y = {0};
    int dim = p->dim;
    if (x.ndim == AG_MAX_DIMS) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s has %d dimensions already", ag_call_shape_text(call, 0),
                            AG_MAX_DIMS);
    }
    if (!join_dim(call, &dim, x.ndim + 1) || !join_inputs(call, -1)) {
        return false;
    }
    for (int d = 0; d <= x.ndim; d++) {
        if (d == dim) {
            y.size[y.ndim++] = ag_call_count(call);
        }
        if (d < x.ndim) {
            y.size[y.ndim++] = x.size[d];
        }
    }
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, y);
}

static bool stack_forward(ag_call *call)
{
    const struct join_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0);
    int dim = p->dim < 0 ? p->dim + y->ndim : p->dim;
    for (int i = 0; i < ag_call_count(call); i++) {
        const ag_array *x = ag_call_input(call, i);
        int64_t stride[AG_MAX_DIMS];
        for (int d = 0; d < x->ndim; d++) {
            stride[d] = y->stride[d < dim ? d : d + 1];
        }
        ag_array part = {(char *)y->data + i * y->stride[dim] * (int64_t)ag_dtype_size(y->dtype), y->dtype, x->ndim,
                         x->numel, x->size, stride};
        ag_array_copy(part, *x);
    }
    return true;
}

static void stack_backward(ag_sweep *s)
{
    const struct join_params *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0);
    for (int i = 0; i < ag_sweep_count(s); i++) {
        if (ag_sweep_wants(s, i)) {
            ag_sweep_add(s, i, ag_select(dy, p->dim, i));
        }
    }
}

AG_OP(stack){.size = sizeof(struct ag_op), .name = "stack", .formula = "y[i] = x_i along a new dimension",
             .derivative = "dx_i = dy[i]", .inputs = AG_ANY_INPUTS, .outputs = 1, .params = sizeof(struct join_params),
             .orders = AG_ORDERS_ANY, .shape = stack_shape, .forward = stack_forward, .backward = stack_backward};

ag_tensor ag_stack_at(ag_place where, int n, const ag_tensor *tensors, int dim)
{
    struct join_params p = {dim};
    return some(where, "ag_stack", n, tensors) ? ag_apply(where, &op_stack, n, tensors, &p, NULL) : AG_NIL;
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(cat)
{
    SAMPLE("torch.cat((a, b, a), 1)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3)), b = sample_float(s, "b", AG_SHAPE(2, 1));
        sample_result(s, ag_cat(3, (const ag_tensor[]){a, b, a}, 1));
    }
    SAMPLE("torch.cat((a, b), -2)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3)), b = sample_float(s, "b", AG_SHAPE(0, 3));
        sample_result(s, ag_cat(2, (const ag_tensor[]){a, b}, -2));
    }
    SAMPLE("torch.cat([a * i for i in range(12)])") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2)), many[12];
        for (int i = 0; i < 12; i++) {
            many[i] = ag_mul_scalar(a, i);
        }
        sample_result(s, ag_cat(12, many, 0));
    }
    REFUSES("ag_cat: tensors 0 and 1 have shapes (2,3) and (3,2)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3)), b = sample_float(s, "b", AG_SHAPE(3, 2));
        ag_cat(2, (const ag_tensor[]){a, b}, 0);
    }
    REFUSES("ag_cat: dimension 2 is out of range for (2,3)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3));
        ag_cat(1, &a, 2);
    }
    REFUSES("ag_cat: at least one tensor is needed") {
        ag_cat(0, NULL, 0);
    }
}
AG_SAMPLES(stack)
{
    SAMPLE("torch.stack((a, b, a), 1)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3)), b = sample_float(s, "b", AG_SHAPE(2, 3));
        sample_result(s, ag_stack(3, (const ag_tensor[]){a, b, a}, 1));
    }
    SAMPLE("torch.stack((a, b), -1)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR), b = sample_float(s, "b", AG_SHAPE_SCALAR);
        sample_result(s, ag_stack(2, (const ag_tensor[]){a, b}, -1));
    }
    REFUSES("ag_stack: tensors 0 and 1 have shapes (2) and (3)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2)), b = sample_float(s, "b", AG_SHAPE(3));
        ag_stack(2, (const ag_tensor[]){a, b}, 0);
    }
}
#endif

/* ---- index_select ---------------------------------------------------------------------------------------------------------
 * y[…, i, …] = x[…, index[i], …]
 * dx[…, index[i], …] += dy[…, i, …] */

struct rows {
    int dim;
    ag_shape shape; /* of x, for the way back */
};

/* Runs over the indices: `forward` copies rows of x to y, else adds rows of y to x. */
static bool each_row(ag_call *call, const ag_array *x, const ag_array *index, const ag_array *y, int dim, bool forward)
{
    int64_t n = index->numel, size_x[AG_MAX_DIMS], size_y[AG_MAX_DIMS];
    for (int64_t i = 0; i < n; i++) {
        int64_t row = ((const int64_t *)index->data)[i * index->stride[0]];
        if (row < 0 || row >= x->size[dim]) {
            return ag_call_fail(call, AG_ERROR_INDEX, "index %lld at position %lld is outside 0..%lld", (long long)row,
                                (long long)i, (long long)x->size[dim] - 1);
        }
        ag_array from = part_of(x, dim, row, 1, size_x), to = part_of(y, dim, i, 1, size_y);
        if (forward) {
            ag_array_copy(to, from);
        } else {
            ag_array_accumulate(from, to);
        }
    }
    return true;
}

static bool index_ok(ag_call *call)
{
    const ag_array *index = ag_call_input(call, 1);
    if (index->dtype != AG_INT64 || index->ndim != 1) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "the index must be int64 of one dimension, got %s %s",
                            ag_dtype_name(index->dtype), ag_call_shape_text(call, 1));
    }
    return true;
}

static bool index_select_shape(ag_call *call)
{
    const struct rows *p = ag_call_params(call);
    ag_shape y = ag_call_shape(call, 0);
    int dim = p->dim;
    if (!index_ok(call) || !join_dim(call, &dim, y.ndim)) {
        return false;
    }
    y.size[dim] = ag_call_input(call, 1)->numel;
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, y);
}

static bool index_select_forward(ag_call *call)
{
    const struct rows *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    return each_row(call, x, ag_call_input(call, 1), ag_call_result(call, 0), p->dim < 0 ? p->dim + x->ndim : p->dim,
                    true);
}

static bool index_place_shape(ag_call *call)
{
    const struct rows *p = ag_call_params(call);
    return index_ok(call) && ag_call_output(call, 0, ag_call_input(call, 0)->dtype, p->shape);
}

static bool index_place_forward(ag_call *call)
{
    const struct rows *p = ag_call_params(call);
    const ag_array *x = ag_call_result(call, 0);
    memset(x->data, 0, (size_t)x->numel * ag_dtype_size(x->dtype));
    return each_row(call, x, ag_call_input(call, 1), ag_call_input(call, 0), p->dim < 0 ? p->dim + x->ndim : p->dim,
                    false);
}

static void index_place_backward(ag_sweep *s)
{
    const struct rows *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_index_select(ag_sweep_grad(s, 0), p->dim, ag_sweep_input(s, 1)));
}

/* x = zeros, x[…, index[i], …] += g[…, i, …];  dg[…, i, …] = dx[…, index[i], …] */
AG_OP(index_place){.size = sizeof(struct ag_op), .name = "index_place", .formula = "x[index[i]] += g[i], else 0",
                   .derivative = "dg[i] = dx[index[i]]", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                   .params = sizeof(struct rows), .orders = AG_ORDERS_ANY, .shape = index_place_shape,
                   .forward = index_place_forward, .backward = index_place_backward};

static ag_tensor index_place(ag_tensor g, ag_tensor index, struct rows p)
{
    ag_tensor in[2] = {g, index};
    return ag_apply(AG_HERE, &op_index_place, 2, in, &p, NULL);
}

static void index_select_backward(ag_sweep *s)
{
    const struct rows *p = ag_sweep_params(s);
    struct rows back = {p->dim, ag_sweep_shape(s, 0)};
    ag_sweep_add(s, 0, index_place(ag_sweep_grad(s, 0), ag_sweep_input(s, 1), back));
}

AG_OP(index_select){.size = sizeof(struct ag_op), .name = "index_select", .formula = "y[i] = x[index[i]] along dim",
                    .derivative = "dx[index[i]] += dy[i]", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                    .params = sizeof(struct rows), .orders = AG_ORDERS_ANY, .shape = index_select_shape,
                    .forward = index_select_forward, .backward = index_select_backward};

ag_tensor ag_index_select_at(ag_place where, ag_tensor x, int dim, ag_tensor index)
{
    ag_tensor in[2] = {x, index};
    struct rows p = {.dim = dim};
    return ag_apply(where, &op_index_select, 2, in, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(index_select)
{
    SAMPLE("torch.index_select(a, 0, k)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), k = sample_int(s, "k", AG_SHAPE(5), 0, 3);
        sample_result(s, ag_index_select(a, 0, k));
    }
    SAMPLE("torch.index_select(a, 1, k) ** 2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3, 2)), k = sample_int(s, "k", AG_SHAPE(4), 0, 3);
        sample_result(s, ag_square(ag_index_select(a, -2, k)));
    }
    REFUSES("ag_index_select: index 3 at position 0 is outside 0..2") {
        ag_index_select(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_int(s, "k", AG_SHAPE(2), 3, 4));
    }
    REFUSES("ag_index_select: the index must be int64 of one dimension, got int64 (2,1)") {
        ag_index_select(sample_float(s, "a", AG_SHAPE(3, 4)), 0, sample_int(s, "k", AG_SHAPE(2, 1), 0, 3));
    }
    REFUSES("ag_index_select: dimension 2 is out of range for (3,4)") {
        ag_index_select(sample_float(s, "a", AG_SHAPE(3, 4)), 2, sample_int(s, "k", AG_SHAPE(2), 0, 3));
    }
}
AG_SAMPLES(index_place)
{
    SAMPLE("torch.zeros(5, 2, dtype=a.dtype).index_add(0, k, a)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(4, 2)), k = sample_int(s, "k", AG_SHAPE(4), 0, 5);
        sample_result(s, index_place(a, k, (struct rows){0, AG_SHAPE(5, 2)}));
    }
    REFUSES("ag_index_place: index 7 at position 0 is outside 0..4") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(1, 2)), k = sample_int(s, "k", AG_SHAPE(1), 7, 8);
        index_place(a, k, (struct rows){0, AG_SHAPE(5, 2)});
    }
}
#endif
