/*
 * Shapes: views and their copies. A view shares its input's memory and costs no numbers.
 */
#include <string.h>

#include "../internal.h"
#include "../samples.h"
#include "../kernels/kernels.h"
#include "common.h"
#include "ops.h"

/* A dimension in 0..ndim-1 from one that may be negative; raises in the operation's name. */
static bool wrap(ag_call *call, int *dim, int ndim)
{
    if (*dim < -ndim || *dim >= ndim) {
        return ag_call_fail(call, AG_ERROR_INDEX, "dimension %d is out of range for %s", *dim,
                            ag_call_shape_text(call, 0));
    }
    *dim += *dim < 0 ? ndim : 0;
    return true;
}

/* ---- contiguous -------------------------------------------------------------------------------------------------------------
 * y = x, copied
 * dx = dy, in x's memory order if that had channels last: what follows would go across memory otherwise */

struct order {
    bool channels_last;     /* the result's; false: row-major */
    bool had_channels_last; /* x's */
};

static bool contiguous_shape(ag_call *call)
{
    const struct order *p = ag_call_params(call);
    ag_dtype dtype = ag_call_input(call, 0)->dtype;
    return p->channels_last ? ag_call_output_channels_last(call, 0, dtype, ag_call_shape(call, 0))
                            : ag_call_output(call, 0, dtype, ag_call_shape(call, 0));
}

static bool contiguous_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    k_pack(ag_call_threads(call), ag_dtype_size(x->dtype), x->ndim, x->size, x->data, x->stride, y->data, y->stride);
    return true;
}

static ag_tensor in_order(ag_place where, ag_tensor x, struct order p);

static void contiguous_backward(ag_sweep *s)
{
    const struct order *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0);
    if (p->had_channels_last) {
        dy = in_order(AG_HERE, dy, (struct order){ .channels_last = true, .had_channels_last = p->channels_last });
    }
    ag_sweep_add(s, 0, dy);
}

AG_OP(contiguous){.size = sizeof(struct ag_op), .name = "contiguous", .formula = "y = x, row-major", .derivative = "dx = dy",
                  .inputs = 1, .outputs = 1, .orders = AG_ORDERS_ANY, .params = sizeof(struct order), .shape = contiguous_shape,
                  .forward = contiguous_forward, .backward = contiguous_backward};

static ag_tensor in_order(ag_place where, ag_tensor x, struct order p)
{
    return ag_apply(where, &op_contiguous, 1, &x, &p, NULL);
}

ag_tensor ag_contiguous_at(ag_place where, ag_tensor x)
{
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_contiguous", x);
    if (v == NULL) {
        return AG_NIL;
    }
    if (v->contiguous) {
        return x;
    }
    ag_array array = ag_value_array(v);
    return in_order(where, x, (struct order){ .had_channels_last = ops_is_channels_last(&array) });
}

/* ---- clone ------------------------------------------------------------------------------------------------------------------
 * y = x, copied, in x's memory order
 * dx = dy */

static bool clone_shape(ag_call *call)
{
    return ag_call_output_like(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 0), 0);
}

static bool clone_forward(ag_call *call)
{
    ag_array_copy(*ag_call_result(call, 0), *ag_call_input(call, 0));
    return true;
}

static void clone_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_sweep_grad(s, 0));
}

AG_OP(clone){.size = sizeof(struct ag_op), .name = "clone", .formula = "y = x, copied", .derivative = "dx = dy", .inputs = 1,
             .outputs = 1, .orders = AG_ORDERS_ANY, .shape = clone_shape, .forward = clone_forward,
             .backward = clone_backward};

ag_tensor ag_clone_at(ag_place where, ag_tensor x)
{
    return ag_apply(where, &op_clone, 1, &x, NULL, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(contiguous)
{
    SAMPLE("a.transpose(0, 1).contiguous() * 1") {
        sample_result(s, ag_contiguous(ag_transpose(sample_float(s, "a", AG_SHAPE(3, 4)), 0, 1)));
    }
    SAMPLE("a.permute(0, 3, 1, 2).contiguous() ** 2") {
        ag_tensor a = ag_permute(sample_float(s, "a", AG_SHAPE(2, 3, 2, 3)), AG_DIMS(0, 3, 1, 2));
        sample_result(s, ag_square(ag_contiguous(a)));
    }
    REFUSES("ag_contiguous: a tensor is needed, got none") {
        ag_contiguous(AG_NONE);
    }
}
AG_SAMPLES(clone)
{
    SAMPLE("a.clone()") {
        sample_result(s, ag_clone(sample_float(s, "a", AG_SHAPE(3, 4))));
    }
    SAMPLE("a.transpose(0, 1).clone()") {
        sample_result(s, ag_clone(ag_transpose(sample_float(s, "a", AG_SHAPE(3, 4, 2)), 0, 1)));
    }
    REFUSES("ag_clone: a tensor is needed, got none") {
        ag_clone(AG_NONE);
    }
}
#endif

/* ---- reshape ----------------------------------------------------------------------------------------------------------------
 * y = x with another shape, elements in row-major order
 * dx = dy with x's shape */

struct shape_params {
    ag_shape shape;
};

/* Strides under which x, seen with another shape of as many elements, is the same memory; false if there are none. Groups of
 * x's dimensions that step as one are matched with groups of the new lengths. */
static bool view_strides(const ag_array *x, const ag_shape *shape, int64_t *stride)
{
    int64_t size[AG_MAX_DIMS], step[AG_MAX_DIMS];
    int n = 0;
    for (int d = 0; d < x->ndim; d++) {
        if (x->size[d] != 1) {
            size[n] = x->size[d];
            step[n++] = x->stride[d];
        }
    }
    if (x->numel <= 1) {
        n = 0;
    }
    int i = n - 1;
    int64_t room = 1, at = 1; /* what is left of x's current group, and its step */
    for (int d = shape->ndim - 1; d >= 0; d--) {
        stride[d] = at;
        if (shape->size[d] == 1 || x->numel <= 1) {
            continue;
        }
        if (room == 1) {
            if (i < 0) {
                return false;
            }
            room = size[i];
            at = step[i--];
            while (i >= 0 && step[i] == at * room) {
                room *= size[i--];
            }
        }
        if (room % shape->size[d] != 0) {
            return false;
        }
        stride[d] = at;
        at *= shape->size[d];
        room /= shape->size[d];
    }
    return true;
}

static bool reshape_shape(ag_call *call)
{
    const struct shape_params *p = ag_call_params(call);
    int64_t stride[AG_MAX_DIMS];
    view_strides(ag_call_input(call, 0), &p->shape, stride);
    return ag_call_view(call, p->shape, stride, 0);
}

static void reshape_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_reshape(ag_sweep_grad(s, 0), ag_sweep_shape(s, 0)));
}

AG_OP(reshape){.size = sizeof(struct ag_op), .name = "reshape", .formula = "y = x with another shape",
               .derivative = "dx = dy with x's shape", .inputs = 1, .outputs = 1, .params = sizeof(struct shape_params),
               .orders = AG_ORDERS_ANY, .view = true, .shape = reshape_shape, .backward = reshape_backward};

/* Fills in a length of -1. */
static bool complete(ag_place where, const char *function, const ag_value *v, ag_shape *shape)
{
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    int unknown = -1;
    ag_shape known = *shape;
    bool good = shape->ndim >= 0 && shape->ndim <= AG_MAX_DIMS;
    for (int d = 0; good && d < shape->ndim; d++) {
        if (shape->size[d] == -1) {
            good = unknown < 0;
            unknown = d;
            known.size[d] = 1;
        }
    }
    int64_t numel = good ? ag_shape_numel(known) : -1;
    if (good && unknown >= 0) {
        good = numel > 0 && v->numel % numel == 0;
        known.size[unknown] = good ? v->numel / numel : 0;
    } else {
        good = good && numel == v->numel;
    }
    if (!good) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s does not have as many elements as %s", function,
                       ag_shape_format(ag_value_shape_of(v), a, sizeof(a)), ag_shape_format(*shape, b, sizeof(b)));
        return false;
    }
    *shape = known;
    return true;
}

ag_tensor ag_reshape_at(ag_place where, ag_tensor x, ag_shape shape)
{
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_reshape", x);
    if (v == NULL || !complete(where, "ag_reshape", v, &shape)) {
        return AG_NIL;
    }
    struct shape_params p = {shape};
    int64_t stride[AG_MAX_DIMS];
    ag_array array = ag_value_array(v);
    if (!view_strides(&array, &shape, stride)) {
        x = ag_contiguous_at(where, x);
    }
    return ag_apply(where, &op_reshape, 1, &x, &p, NULL);
}

ag_tensor ag_view_at(ag_place where, ag_tensor x, ag_shape shape)
{
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_view", x);
    if (v == NULL || !complete(where, "ag_view", v, &shape)) {
        return AG_NIL;
    }
    struct shape_params p = {shape};
    int64_t stride[AG_MAX_DIMS];
    ag_array array = ag_value_array(v);
    if (!view_strides(&array, &shape, stride)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_view: the elements of %s do not lie so that they can be seen as %s; "
                       "ag_reshape() copies", ag_shape_format(ag_value_shape_of(v), a, sizeof(a)),
                       ag_shape_format(shape, b, sizeof(b)));
        return AG_NIL;
    }
    return ag_apply(where, &op_reshape, 1, &x, &p, NULL);
}

ag_tensor ag_unflatten_at(ag_place where, ag_tensor x, int dim, ag_shape sizes)
{
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_unflatten", x);
    if (v == NULL) {
        return AG_NIL;
    }
    int at = dim < 0 ? dim + v->ndim : dim;
    if (at < 0 || at >= v->ndim) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_unflatten: dimension %d is out of range for %s", dim,
                       ag_shape_format(ag_value_shape_of(v), a, sizeof(a)));
        return AG_NIL;
    }
    ag_shape shape = {0}, given = sizes;
    int64_t known = 1, unknown = -1;
    bool good = sizes.ndim >= 1 && v->ndim - 1 + sizes.ndim <= AG_MAX_DIMS;
    for (int i = 0; good && i < sizes.ndim; i++) {
        int64_t n = sizes.size[i];
        good = n >= 0 ? n == 0 || known <= INT64_MAX / n : n == -1 && unknown < 0;
        unknown = n == -1 ? i : unknown;
        known *= n == -1 ? 1 : n;
    }
    if (good && unknown >= 0) {
        good = known > 0 && v->size[at] % known == 0;
        sizes.size[unknown] = good ? v->size[at] / known : 0;
    } else {
        good = good && known == v->size[at];
    }
    if (!good) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_unflatten: dimension %d of %s cannot become %s", at,
                       ag_shape_format(ag_value_shape_of(v), a, sizeof(a)), ag_shape_format(given, b, sizeof(b)));
        return AG_NIL;
    }
    for (int d = 0; d < v->ndim; d++) {
        for (int i = 0; d == at && i < sizes.ndim; i++) {
            shape.size[shape.ndim++] = sizes.size[i];
        }
        if (d != at) {
            shape.size[shape.ndim++] = v->size[d];
        }
    }
    return ag_reshape_at(where, x, shape);
}

ag_tensor ag_squeeze_all_at(ag_place where, ag_tensor x)
{
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_squeeze_all", x);
    ag_shape shape = {0};
    for (int d = 0; v != NULL && d < v->ndim; d++) {
        if (v->size[d] != 1) {
            shape.size[shape.ndim++] = v->size[d];
        }
    }
    return v == NULL ? AG_NIL : ag_reshape_at(where, x, shape);
}

ag_tensor ag_flatten_at(ag_place where, ag_tensor x, int start_dim, int end_dim)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_flatten", x);
    if (v == NULL) {
        return AG_NIL;
    }
    int n = v->ndim > 0 ? v->ndim : 1, start = start_dim < 0 ? start_dim + n : start_dim;
    int end = end_dim < 0 ? end_dim + n : end_dim;
    if (start < 0 || start >= n || end < 0 || end >= n || start > end) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_flatten: dimensions %d to %d are no range of %s", start_dim, end_dim,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return AG_NIL;
    }
    ag_shape shape = {0};
    int64_t joined = 1;
    for (int d = 0; d < v->ndim; d++) {
        if (d < start || d > end) {
            shape.size[shape.ndim++] = v->size[d];
            continue;
        }
        joined *= v->size[d];
        if (d == end) {
            shape.size[shape.ndim++] = joined;
        }
    }
    if (v->ndim == 0) {
        shape = AG_SHAPE(1);
    }
    return ag_reshape_at(where, x, shape);
}

ag_tensor ag_squeeze_at(ag_place where, ag_tensor x, int dim)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_squeeze", x);
    if (v == NULL) {
        return AG_NIL;
    }
    int n = v->ndim == 0 ? 1 : v->ndim; /* as in PyTorch, a scalar counts as having one */
    int at = dim < 0 ? dim + n : dim;
    if (at < 0 || at >= n) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_squeeze: dimension %d is out of range for %s", dim,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return AG_NIL;
    }
    ag_shape shape = {0};
    for (int d = 0; d < v->ndim; d++) {
        if (d != at || v->size[d] != 1) {
            shape.size[shape.ndim++] = v->size[d];
        }
    }
    return ag_reshape_at(where, x, shape);
}

ag_tensor ag_unsqueeze_at(ag_place where, ag_tensor x, int dim)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_unsqueeze", x);
    if (v == NULL) {
        return AG_NIL;
    }
    int at = dim < 0 ? dim + v->ndim + 1 : dim;
    if (at < 0 || at > v->ndim || v->ndim == AG_MAX_DIMS) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_unsqueeze: no dimension can be inserted at %d of %s", dim,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return AG_NIL;
    }
    ag_shape shape = {0};
    for (int d = 0; d <= v->ndim; d++) {
        if (d == at) {
            shape.size[shape.ndim++] = 1;
        }
        if (d < v->ndim) {
            shape.size[shape.ndim++] = v->size[d];
        }
    }
    return ag_reshape_at(where, x, shape);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(reshape)
{
    SAMPLE("a.reshape(4, 3)") {
        sample_result(s, ag_reshape(sample_float(s, "a", AG_SHAPE(2, 6)), AG_SHAPE(4, 3)));
    }
    SAMPLE("a.reshape(2, -1, 2)") {
        sample_result(s, ag_reshape(sample_float(s, "a", AG_SHAPE(4, 3)), AG_SHAPE(2, -1, 2)));
    }
    SAMPLE("a.permute(0, 2, 1).reshape(6, 4)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 4, 3));
        sample_result(s, ag_reshape(ag_permute(a, AG_DIMS(0, 2, 1)), AG_SHAPE(6, 4)));
    }
    SAMPLE("a.permute(0, 2, 1).reshape(2, 12)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 4, 3));
        sample_result(s, ag_reshape(ag_permute(a, AG_DIMS(0, 2, 1)), AG_SHAPE(2, 12)));
    }
    SAMPLE("a.expand(3, 4).reshape(12)") {
        sample_result(s, ag_reshape(ag_expand(sample_float(s, "a", AG_SHAPE(4)), AG_SHAPE(3, 4)), AG_SHAPE(12)));
    }
    SAMPLE("a.reshape(1, 1)") {
        sample_result(s, ag_reshape(sample_float(s, "a", AG_SHAPE_SCALAR), AG_SHAPE(1, 1)));
    }
    SAMPLE("a.reshape(3, 0, 2)") {
        sample_result(s, ag_reshape(sample_float(s, "a", AG_SHAPE(0, 4)), AG_SHAPE(3, 0, 2)));
    }
    SAMPLE("a.flatten(1, 2)") {
        sample_result(s, ag_flatten(sample_float(s, "a", AG_SHAPE(2, 3, 2, 2)), 1, -2));
    }
    SAMPLE("a.flatten()") {
        sample_result(s, ag_flatten(sample_float(s, "a", AG_SHAPE_SCALAR), 0, -1));
    }
    SAMPLE("a.unsqueeze(1).squeeze(0)") {
        sample_result(s, ag_squeeze(ag_unsqueeze(sample_float(s, "a", AG_SHAPE(1, 3)), 1), 0));
    }
    SAMPLE("a.unsqueeze(-1).squeeze(0)") {
        sample_result(s, ag_squeeze(ag_unsqueeze(sample_float(s, "a", AG_SHAPE(2, 3)), -1), 0));
    }
    SAMPLE("a.view(3, 4)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 6));
        sample_result(s, ag_view(ag_contiguous(a), AG_SHAPE(3, -1)));
    }
    SAMPLE("a.unflatten(1, (2, 3)) * a.reshape(2, 2, 3)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 6));
        sample_result(s, ag_mul(ag_unflatten(a, -1, AG_SHAPE(2, -1)), ag_unflatten(a, 1, AG_SHAPE(2, 3))));
    }
    SAMPLE("a.squeeze(-1) * a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR);
        sample_result(s, ag_mul(ag_squeeze(a, -1), a));
    }
    SAMPLE("a.squeeze()") {
        sample_result(s, ag_squeeze_all(sample_float(s, "a", AG_SHAPE(1, 3, 1, 2))));
    }
    REFUSES("ag_view: the elements of (3,2) do not lie so that they can be seen as (6)") {
        ag_view(ag_transpose(sample_float(s, "a", AG_SHAPE(2, 3)), 0, 1), AG_SHAPE(6));
    }
    REFUSES("ag_view: (2,6) does not have as many elements as (5)") {
        ag_view(sample_float(s, "a", AG_SHAPE(2, 6)), AG_SHAPE(5));
    }
    REFUSES("ag_unflatten: dimension 1 of (2,6) cannot become (4,-1)") {
        ag_unflatten(sample_float(s, "a", AG_SHAPE(2, 6)), 1, AG_SHAPE(4, -1));
    }
    REFUSES("ag_unflatten: dimension 2 is out of range for (2,6)") {
        ag_unflatten(sample_float(s, "a", AG_SHAPE(2, 6)), 2, AG_SHAPE(6));
    }
    REFUSES("ag_reshape: (2,6) does not have as many elements as (5,-1)") {
        ag_reshape(sample_float(s, "a", AG_SHAPE(2, 6)), AG_SHAPE(5, -1));
    }
    REFUSES("ag_reshape: (2,6) does not have as many elements as (-1,-1)") {
        ag_reshape(sample_float(s, "a", AG_SHAPE(2, 6)), AG_SHAPE(-1, -1));
    }
    REFUSES("ag_flatten: dimensions 2 to 1 are no range of (2,6,1)") {
        ag_flatten(sample_float(s, "a", AG_SHAPE(2, 6, 1)), 2, 1);
    }
    REFUSES("ag_squeeze_all: a tensor is needed, got none") {
        ag_squeeze_all(AG_NONE);
    }
    REFUSES("ag_squeeze: dimension 2 is out of range for (2,6)") {
        ag_squeeze(sample_float(s, "a", AG_SHAPE(2, 6)), 2);
    }
    REFUSES("ag_unsqueeze: no dimension can be inserted at 3 of (2,6)") {
        ag_unsqueeze(sample_float(s, "a", AG_SHAPE(2, 6)), 3);
    }
}
#endif

/* ---- permute ----------------------------------------------------------------------------------------------------------------
 * y.size[i] = x.size[dims[i]]
 * dx = dy with the inverse order */

struct permute_params {
    ag_dims dims;
};

static bool permute_shape(ag_call *call)
{
    const struct permute_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    int64_t stride[AG_MAX_DIMS];
    bool seen[AG_MAX_DIMS] = {false};
    ag_shape shape = {0};
    if (p->dims.count != x->ndim) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%d dimensions are given for %s", p->dims.count,
                            ag_call_shape_text(call, 0));
    }
    shape.ndim = x->ndim;
    for (int i = 0; i < x->ndim; i++) {
        int d = p->dims.dim[i];
        if (!wrap(call, &d, x->ndim)) {
            return false;
        }
        if (seen[d]) {
            return ag_call_fail(call, AG_ERROR_INDEX, "dimension %d is named twice", d);
        }
        seen[d] = true;
        shape.size[i] = x->size[d];
        stride[i] = x->stride[d];
    }
    return ag_call_view(call, shape, stride, 0);
}

static void permute_backward(ag_sweep *s)
{
    const struct permute_params *p = ag_sweep_params(s);
    ag_dims inverse = {.count = p->dims.count};
    for (int i = 0; i < p->dims.count; i++) {
        int d = p->dims.dim[i];
        inverse.dim[d < 0 ? d + p->dims.count : d] = i;
    }
    ag_sweep_add(s, 0, ag_permute(ag_sweep_grad(s, 0), inverse));
}

AG_OP(permute){.size = sizeof(struct ag_op), .name = "permute", .formula = "y = x with dimensions in another order",
               .derivative = "dx = dy in the inverse order", .inputs = 1, .outputs = 1,
               .params = sizeof(struct permute_params), .orders = AG_ORDERS_ANY, .view = true, .shape = permute_shape,
               .backward = permute_backward};

ag_tensor ag_permute_at(ag_place where, ag_tensor x, ag_dims dims)
{
    struct permute_params p = {dims};
    return ag_apply(where, &op_permute, 1, &x, &p, NULL);
}

ag_tensor ag_transpose_at(ag_place where, ag_tensor x, int a, int b)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_transpose", x);
    if (v == NULL) {
        return AG_NIL;
    }
    int n = v->ndim, i = a < 0 ? a + n : a, j = b < 0 ? b + n : b;
    if (i < 0 || i >= n || j < 0 || j >= n) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_transpose: dimensions %d and %d are not both in %s", a, b,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return AG_NIL;
    }
    struct permute_params p = {.dims = {.count = n}};
    for (int d = 0; d < n; d++) {
        p.dims.dim[d] = d == i ? j : d == j ? i : d;
    }
    return ag_apply(where, &op_permute, 1, &x, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(permute)
{
    SAMPLE("a.permute(2, 0, 1)") {
        sample_result(s, ag_permute(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(2, 0, -2)));
    }
    SAMPLE("a.transpose(0, -1)") {
        sample_result(s, ag_transpose(sample_float(s, "a", AG_SHAPE(2, 3, 4)), 0, -1));
    }
    REFUSES("ag_permute: 2 dimensions are given for (2,3,4)") {
        ag_permute(sample_float(s, "a", AG_SHAPE(2, 3, 4)), AG_DIMS(1, 0));
    }
    REFUSES("ag_permute: dimension 1 is named twice") {
        ag_permute(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(1, -1));
    }
    REFUSES("ag_permute: dimension 4 is out of range for (2,3)") {
        ag_permute(sample_float(s, "a", AG_SHAPE(2, 3)), AG_DIMS(4, 0));
    }
    REFUSES("ag_transpose: dimensions 0 and 2 are not both in (2,3)") {
        ag_transpose(sample_float(s, "a", AG_SHAPE(2, 3)), 0, 2);
    }
}
#endif

/* ---- expand -----------------------------------------------------------------------------------------------------------------
 * y = x broadcast to a shape
 * dx = dy summed over what was added */

static bool expand_shape(ag_call *call)
{
    const struct shape_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    ag_shape shape = p->shape;
    int64_t stride[AG_MAX_DIMS];
    char text[AG_SHAPE_TEXT];
    int extra = shape.ndim - x->ndim;
    bool good = shape.ndim <= AG_MAX_DIMS && extra >= 0;
    for (int d = 0; good && d < shape.ndim; d++) {
        int64_t old = d < extra ? 1 : x->size[d - extra];
        if (shape.size[d] == -1) {
            good = d >= extra;
            shape.size[d] = old;
        }
        good = good && shape.size[d] >= 0 && (old == shape.size[d] || old == 1);
        stride[d] = d < extra || old != shape.size[d] ? 0 : x->stride[d - extra];
    }
    if (!good) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%s cannot be expanded to %s", ag_call_shape_text(call, 0),
                            ag_shape_format(p->shape, text, sizeof(text)));
    }
    return ag_call_view(call, shape, stride, 0);
}

static void expand_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_sweep_grad(s, 0)); /* the sweep sums it back */
}

AG_OP(expand){.size = sizeof(struct ag_op), .name = "expand", .formula = "y = x broadcast to a shape",
              .derivative = "dx = dy summed over what was added", .inputs = 1, .outputs = 1,
              .params = sizeof(struct shape_params), .orders = AG_ORDERS_ANY, .view = true, .shape = expand_shape,
              .backward = expand_backward};

ag_tensor ag_expand_at(ag_place where, ag_tensor x, ag_shape shape)
{
    struct shape_params p = {shape};
    return ag_apply(where, &op_expand, 1, &x, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(expand)
{
    SAMPLE("a.expand(2, 3, 4)") {
        sample_result(s, ag_expand(sample_float(s, "a", AG_SHAPE(3, 1)), AG_SHAPE(2, -1, 4)));
    }
    SAMPLE("a.expand(3) * b") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR), b = sample_float(s, "b", AG_SHAPE(3));
        sample_result(s, ag_mul(ag_expand(a, AG_SHAPE(3)), b));
    }
    SAMPLE("a.expand(0, 3)") {
        sample_result(s, ag_expand(sample_float(s, "a", AG_SHAPE(1, 3)), AG_SHAPE(0, 3)));
    }
    REFUSES("ag_expand: (3,2) cannot be expanded to (3,4)") {
        ag_expand(sample_float(s, "a", AG_SHAPE(3, 2)), AG_SHAPE(3, 4));
    }
    REFUSES("ag_expand: (3,2) cannot be expanded to (2)") {
        ag_expand(sample_float(s, "a", AG_SHAPE(3, 2)), AG_SHAPE(2));
    }
}
#endif
