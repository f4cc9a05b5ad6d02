/*
 * What several families of operations need while they validate and compute. Knows nothing of tensors, tape or backward.
 */
#include "autograd/ops/common.h"

#include "autograd/kernels/kernels.h"

ag_shape ops_shape(const ag_array *a)
{
    return ag_shape_make(a->ndim, a->size);
}

const char *ops_text(const ag_array *a, char *text)
{
    return ag_shape_format(ops_shape(a), text, AG_SHAPE_TEXT);
}

bool ops_need_float(ag_call *call, const ag_array *a)
{
    if (ag_dtype_is_float(a->dtype)) {
        return true;
    }
    return ag_call_fail(call, AG_ERROR_DTYPE, "needs a floating type, got %s", ag_dtype_name(a->dtype));
}

bool ops_need_same_dtype(ag_call *call, const ag_array *a, const ag_array *b)
{
    if (a->dtype == b->dtype) {
        return true;
    }
    return ag_call_fail(call, AG_ERROR_DTYPE, "element types %s and %s differ", ag_dtype_name(a->dtype),
                        ag_dtype_name(b->dtype));
}

bool ops_need_shape(ag_call *call, int i, ag_shape shape)
{
    const ag_array *a = ag_call_input(call, i);
    char given[AG_SHAPE_TEXT], needed[AG_SHAPE_TEXT];
    if (ag_shape_equal(ops_shape(a), shape)) {
        return true;
    }
    return ag_call_fail(call, AG_ERROR_SHAPE, "input %d is %s and must be %s", i, ops_text(a, given),
                        ag_shape_format(shape, needed, sizeof(needed)));
}

bool ops_need_dim(ag_call *call, const ag_array *a, int *dim)
{
    int ndim = a->ndim > 0 ? a->ndim : 1;
    int d = *dim < 0 ? *dim + ndim : *dim;
    if (d < 0 || d >= ndim) {
        char text[AG_SHAPE_TEXT];
        return ag_call_fail(call, AG_ERROR_INDEX, "dimension %d is out of range for %s", *dim, ops_text(a, text));
    }
    *dim = d;
    return true;
}

/* Whether the elements lie densely in the order of dimensions that `order` gives, outermost first. */
static bool lies_in_order(const ag_array *a, const int *order)
{
    int64_t expected = 1;
    for (int i = a->ndim - 1; i >= 0; i--) {
        int d = order[i];
        if (a->size[d] != 1 && a->stride[d] != expected) {
            return false;
        }
        expected *= a->size[d];
    }
    return true;
}

static const int row_major_order[AG_MAX_DIMS] = { 0, 1, 2, 3, 4, 5, 6, 7 };
static const int channels_last_order[4] = { 0, 2, 3, 1 };

bool ops_is_row_major(const ag_array *a)
{
    return a->numel == 0 || lies_in_order(a, row_major_order);
}

bool ops_is_channels_last(const ag_array *a)
{
    return a->ndim == 4 && (a->numel == 0 || lies_in_order(a, channels_last_order));
}

static const void *packed(ag_call *call, const ag_array *a, const int *order)
{
    size_t bytes = ag_dtype_size(a->dtype);
    void *copy = ag_call_work(call, (size_t)a->numel * bytes);
    if (copy == NULL) {
        return NULL;
    }
    int64_t stride[AG_MAX_DIMS], next = 1;
    for (int i = a->ndim - 1; i >= 0; i--) {
        stride[order[i]] = next;
        next *= a->size[order[i]];
    }
    k_pack(ag_call_threads(call), bytes, a->ndim, a->size, a->data, a->stride, copy, stride);
    return copy;
}

static const double nothing[8]; /* where an array without elements lies */

const void *ops_row_major(ag_call *call, const ag_array *a)
{
    if (a->numel == 0) {
        return nothing;
    }
    return ops_is_row_major(a) ? a->data : packed(call, a, row_major_order);
}

const void *ops_channels_last(ag_call *call, const ag_array *a)
{
    if (a->numel == 0) {
        return nothing;
    }
    return ops_is_channels_last(a) ? a->data : packed(call, a, channels_last_order);
}
