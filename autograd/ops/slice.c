/*
 * Parts of tensors: views of regular regions, and the way back from them.
 */
#include <string.h>

#include "../internal.h"
#include "../samples.h"
#include "ops.h"

/* ---- slice ------------------------------------------------------------------------------------------------------------------
 * y[k] = x[start + k step]
 * dx[start + k step] = dy[k], 0 elsewhere */

struct region {
    int64_t start[AG_MAX_DIMS], step[AG_MAX_DIMS], size[AG_MAX_DIMS];
};

static bool slice_shape(ag_call *call)
{
    const struct region *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    int64_t stride[AG_MAX_DIMS], offset = 0;
    for (int d = 0; d < x->ndim; d++) {
        stride[d] = x->stride[d] * p->step[d];
        offset += p->size[d] > 0 ? x->stride[d] * p->start[d] : 0;
    }
    return ag_call_view(call, ag_shape_make(x->ndim, p->size), stride, offset);
}

static void slice_backward(ag_sweep *s)
{
    const struct region *p = ag_sweep_params(s);
    ag_sweep_add_at(s, 0, p->start, p->step, ag_sweep_grad(s, 0));
}

AG_OP(slice){.size = sizeof(struct ag_op), .name = "slice", .formula = "y[k] = x[start + k step]",
             .derivative = "dx[start + k step] = dy[k]", .inputs = 1, .outputs = 1, .params = sizeof(struct region),
             .orders = AG_ORDERS_ANY, .view = true, .shape = slice_shape, .backward = slice_backward};

/* All of x. */
static struct region whole(ag_shape shape)
{
    struct region r = {{0}, {0}, {0}};
    for (int d = 0; d < shape.ndim; d++) {
        r.step[d] = 1;
        r.size[d] = shape.size[d];
    }
    return r;
}

static const ag_value *slice_input(ag_place where, const char *function, ag_tensor x, int *dim)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, function, x);
    if (v == NULL) {
        return NULL;
    }
    if (*dim < -(int)v->ndim || *dim >= (int)v->ndim) {
        ag_error_raise(where, AG_ERROR_INDEX, "%s: dimension %d is out of range for %s", function, *dim,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return NULL;
    }
    *dim += *dim < 0 ? v->ndim : 0;
    return v;
}

static int64_t clip(int64_t i, int64_t n)
{
    i = i < 0 ? (i < -n ? 0 : i + n) : i;
    return i > n ? n : i;
}

ag_tensor ag_slice_at(ag_place where, ag_tensor x, int dim, int64_t start, int64_t stop, int64_t step)
{
    const ag_value *v = slice_input(where, "ag_slice", x, &dim);
    if (v == NULL) {
        return AG_NIL;
    }
    if (step < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_slice: the step is %lld; it must be at least 1", (long long)step);
        return AG_NIL;
    }
    struct region r = whole(ag_value_shape_of(v));
    start = clip(start, v->size[dim]);
    stop = clip(stop, v->size[dim]);
    int64_t length = stop > start ? stop - start : 0;
    r.start[dim] = start;
    r.step[dim] = length > 0 && step < length ? step : 1;
    r.size[dim] = length == 0 ? 0 : (length - 1) / step + 1;
    return ag_apply(where, &op_slice, 1, &x, &r, NULL);
}

ag_tensor ag_narrow_at(ag_place where, ag_tensor x, int dim, int64_t start, int64_t length)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = slice_input(where, "ag_narrow", x, &dim);
    if (v == NULL) {
        return AG_NIL;
    }
    if (start < 0 || length < 0 || start > v->size[dim] || length > v->size[dim] - start) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_narrow: %lld elements from %lld are not within dimension %d of %s",
                       (long long)length, (long long)start, dim,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return AG_NIL;
    }
    struct region r = whole(ag_value_shape_of(v));
    r.start[dim] = start;
    r.size[dim] = length;
    return ag_apply(where, &op_slice, 1, &x, &r, NULL);
}

/* ---- region_place: what slice's derivative is when it is recorded --------------------------------------------------------------
 * y = zeros(shape), y[start + k step] = g[k]
 * dg[k] = dy[start + k step] */

struct place_params {
    struct region region;
    ag_shape shape;
};

static bool region_place_shape(ag_call *call)
{
    const struct place_params *p = ag_call_params(call);
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, p->shape);
}

static bool region_place_forward(ag_call *call)
{
    const struct place_params *p = ag_call_params(call);
    const ag_array *g = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    int64_t stride[AG_MAX_DIMS], offset = 0;
    size_t item = ag_dtype_size(y->dtype);
    memset(y->data, 0, (size_t)y->numel * item);
    for (int d = 0; d < y->ndim; d++) {
        stride[d] = y->stride[d] * p->region.step[d];
        offset += y->stride[d] * p->region.start[d];
    }
    ag_array part = {(char *)y->data + offset * (int64_t)item, y->dtype, g->ndim, g->numel, g->size, stride};
    if (g->numel > 0) {
        ag_array_copy(part, *g);
    }
    return true;
}

static void region_place_backward(ag_sweep *s)
{
    const struct place_params *p = ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0);
    ag_sweep_add(s, 0, ag_apply(AG_HERE, &op_slice, 1, &dy, &p->region, NULL));
}

AG_OP(region_place){.size = sizeof(struct ag_op), .name = "region_place", .formula = "y[start + k step] = g[k], else 0",
                    .derivative = "dg[k] = dy[start + k step]", .inputs = 1, .outputs = 1,
                    .params = sizeof(struct place_params), .orders = AG_ORDERS_ANY, .shape = region_place_shape,
                    .forward = region_place_forward, .backward = region_place_backward};

ag_tensor ag_region_place(ag_shape shape, const int64_t *start, const int64_t *step, ag_tensor g)
{
    struct place_params p = {.shape = shape};
    ag_shape part = ag_shape_of(g);
    for (int d = 0; d < shape.ndim; d++) {
        p.region.start[d] = start[d];
        p.region.step[d] = step[d];
        p.region.size[d] = part.size[d];
    }
    return ag_apply(AG_HERE, &op_region_place, 1, &g, &p, NULL);
}

ag_tensor ag_select_at(ag_place where, ag_tensor x, int dim, int64_t index)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = slice_input(where, "ag_select", x, &dim);
    if (v == NULL) {
        return AG_NIL;
    }
    if (index < -v->size[dim] || index >= v->size[dim]) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_select: index %lld is out of range for dimension %d of %s",
                       (long long)index, dim, ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor row = ag_narrow_at(where, x, dim, index < 0 ? index + v->size[dim] : index, 1);
    return ag_frame_end(frame, ag_squeeze_at(where, row, dim));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(slice)
{
    SAMPLE("a[:, 1:3]") {
        sample_result(s, ag_slice(sample_float(s, "a", AG_SHAPE(3, 5)), 1, 1, 3, 1));
    }
    SAMPLE("a[::2, -4:-1] * a[0:2, 1:4]") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 5));
        sample_result(s, ag_mul(ag_slice(ag_slice(a, 0, 0, 3, 2), 1, -4, -1, 1),
                                ag_slice(ag_slice(a, 0, 0, 2, 1), -1, 1, 4, 1)));
    }
    SAMPLE("a[2:1, 3:100:3]") {
        sample_result(s, ag_slice(ag_slice(sample_float(s, "a", AG_SHAPE(3, 8)), 0, 2, 1, 1), 1, 3, 100, 3));
    }
    SAMPLE("a.narrow(1, 2, 3) + a.select(1, -1).unsqueeze(1)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 5));
        sample_result(s, ag_add(ag_narrow(a, 1, 2, 3), ag_unsqueeze(ag_select(a, 1, -1), 1)));
    }
    SAMPLE("a[1] * a[0]") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 2, 2));
        sample_result(s, ag_mul(ag_select(a, 0, 1), ag_select(a, 0, 0)));
    }
    REFUSES("ag_slice: the step is 0; it must be at least 1") {
        ag_slice(sample_float(s, "a", AG_SHAPE(3, 5)), 1, 0, 3, 0);
    }
    REFUSES("ag_slice: dimension 2 is out of range for (3,5)") {
        ag_slice(sample_float(s, "a", AG_SHAPE(3, 5)), 2, 0, 3, 1);
    }
    REFUSES("ag_narrow: 3 elements from 3 are not within dimension 1 of (3,5)") {
        ag_narrow(sample_float(s, "a", AG_SHAPE(3, 5)), 1, 3, 3);
    }
    REFUSES("ag_select: index 5 is out of range for dimension 1 of (3,5)") {
        ag_select(sample_float(s, "a", AG_SHAPE(3, 5)), 1, 5);
    }
}
AG_SAMPLES(region_place)
{
    SAMPLE("F.pad(a, (1, 2))") {
        const int64_t start[2] = {0, 1}, step[2] = {1, 1};
        sample_result(s, ag_region_place(AG_SHAPE(2, 6), start, step, sample_float(s, "a", AG_SHAPE(2, 3))));
    }
    REFUSES("ag_shape_of: a tensor is needed, got none") {
        const int64_t start[1] = {0}, step[1] = {1};
        ag_region_place(AG_SHAPE(2), start, step, AG_NONE);
    }
}
#endif
