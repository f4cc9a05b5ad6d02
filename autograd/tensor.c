/*
 * Tensors as users see them: constructors, leaves, kept values, numbers in and out. Knows no operations.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "leaf.h"

/* ---- questions ------------------------------------------------------------------------------------------------------------ */

ag_shape ag_shape_of_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_shape_of", t);
    return v == NULL ? AG_SHAPE_SCALAR : ag_value_shape_of(v);
}

ag_dtype ag_dtype_of_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_dtype_of", t);
    return v == NULL ? AG_FLOAT32 : (ag_dtype)v->dtype;
}

int ag_ndim_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_ndim", t);
    return v == NULL ? 0 : v->ndim;
}

static bool dimension(ag_place where, const char *function, const ag_value *v, int *dim)
{
    char text[AG_SHAPE_TEXT];
    if (*dim < -(int)v->ndim || *dim >= (int)v->ndim) {
        ag_error_raise(where, AG_ERROR_INDEX, "%s: dimension %d is out of range for %s", function, *dim,
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return false;
    }
    *dim += *dim < 0 ? v->ndim : 0;
    return true;
}

int64_t ag_size_at(ag_place where, ag_tensor t, int dim)
{
    const ag_value *v = ag_resolve(where, "ag_size", t);
    return v == NULL || !dimension(where, "ag_size", v, &dim) ? 0 : v->size[dim];
}

int64_t ag_stride_at(ag_place where, ag_tensor t, int dim)
{
    const ag_value *v = ag_resolve(where, "ag_stride", t);
    return v == NULL || !dimension(where, "ag_stride", v, &dim) ? 0 : v->stride[dim];
}

int64_t ag_numel_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_numel", t);
    return v == NULL ? 0 : v->numel;
}

bool ag_is_contiguous_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_is_contiguous", t);
    return v != NULL && v->contiguous;
}

bool ag_requires_grad_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_requires_grad", t);
    return v != NULL && v->requires_grad;
}

bool ag_is_leaf_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_is_leaf", t);
    return v != NULL && v->producer == NULL;
}

/* ---- constructors ----------------------------------------------------------------------------------------------------------- */

/* Raises for a shape that no tensor can have. */
static bool shape_ok(ag_place where, const char *function, ag_shape shape)
{
    char text[AG_SHAPE_TEXT];
    if (shape.ndim < 0 || shape.ndim > AG_MAX_DIMS) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: a tensor has 0 to %d dimensions", function, AG_MAX_DIMS);
        return false;
    }
    if (ag_shape_numel(shape) < 0) {
        bool negative = false;
        for (int d = 0; d < shape.ndim; d++) {
            negative = negative || shape.size[d] < 0;
        }
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s %s", function, ag_shape_format(shape, text, sizeof(text)),
                       negative ? "has a negative length" : "has more elements than memory can hold");
        return false;
    }
    return true;
}

static bool dtype_ok(ag_place where, const char *function, ag_dtype dtype)
{
    if (dtype >= AG_FLOAT32 && dtype <= AG_UINT8) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_DTYPE, "%s: %d is no element type", function, (int)dtype);
    return false;
}

/* Bytes for a header; the message names the user's line if there are none. */
static bool allocate(ag_place where, ag_value *v)
{
    ag_place caller = ag_caller_set(where);
    bool ok = ag_value_allocate(v);
    ag_caller_set(caller);
    return ok;
}

ag_value *ag_value_in_scope(ag_place where, const char *function, ag_dtype dtype, ag_shape shape)
{
    ag_context *ctx = ag_context_get();
    if (ctx == NULL || ag_error_code() != AG_OK || !shape_ok(where, function, shape) ||
        !dtype_ok(where, function, dtype)) {
        return NULL;
    }
    if (ctx->scopes == 0) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: no scope is open; open one with ag_begin() or ag_begin_no_grad()",
                       function);
        return NULL;
    }
    ag_value *v = ag_value_new(ctx, false);
    if (v == NULL) {
        return NULL;
    }
    v->where = where;
    if (!ag_value_shape(v, dtype, &shape) || !allocate(where, v) || !ag_made_push(ctx, v)) {
        ag_value_unref(v);
        return NULL;
    }
    return v;
}

static ag_tensor filled(ag_place where, const char *function, ag_shape shape, double value, ag_dtype dtype)
{
    ag_value *v = ag_value_in_scope(where, function, dtype, shape);
    if (v == NULL) {
        return AG_NIL;
    }
    if (value == 0 && !signbit(value)) {
        memset(v->storage->data, 0, (size_t)v->numel * ag_dtype_size(dtype));
    } else {
        ag_array_fill(ag_value_array(v), value);
    }
    return ag_handle(v);
}

ag_tensor ag_zeros_at(ag_place where, ag_shape shape, ag_dtype dtype)
{
    return filled(where, "ag_zeros", shape, 0, dtype);
}

ag_tensor ag_ones_at(ag_place where, ag_shape shape, ag_dtype dtype)
{
    return filled(where, "ag_ones", shape, 1, dtype);
}

ag_tensor ag_full_at(ag_place where, ag_shape shape, double value, ag_dtype dtype)
{
    return filled(where, "ag_full", shape, value, dtype);
}

ag_tensor ag_scalar_at(ag_place where, double value, ag_dtype dtype)
{
    return filled(where, "ag_scalar", AG_SHAPE_SCALAR, value, dtype);
}

ag_tensor ag_arange_at(ag_place where, int64_t n, ag_dtype dtype)
{
    ag_value *v = ag_value_in_scope(where, "ag_arange", dtype, ag_shape_make(1, &n));
    if (v == NULL) {
        return AG_NIL;
    }
    void *data = v->storage->data;
    for (int64_t i = 0; i < n; i++) {
        switch (dtype) {
        case AG_FLOAT32:
            ((float *)data)[i] = (float)i;
            break;
        case AG_FLOAT64:
            ((double *)data)[i] = (double)i;
            break;
        case AG_INT64:
            ((int64_t *)data)[i] = i;
            break;
        case AG_UINT8:
            ((uint8_t *)data)[i] = (uint8_t)i;
            break;
        }
    }
    return ag_handle(v);
}

/* Whether a place for numbers was given. */
static bool given(ag_place where, const char *function, const void *pointer, int64_t count)
{
    if (pointer == NULL && count != 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: NULL was given for %lld elements", function, (long long)count);
        return false;
    }
    return true;
}

ag_tensor ag_from_at(ag_place where, ag_shape shape, ag_dtype dtype, const void *data)
{
    if (ag_error_code() != AG_OK || !given(where, "ag_from", data, ag_shape_numel(shape))) {
        return AG_NIL;
    }
    ag_value *v = ag_value_in_scope(where, "ag_from", dtype, shape);
    if (v == NULL) {
        return AG_NIL;
    }
    if (v->numel > 0) {
        memcpy(v->storage->data, data, (size_t)v->numel * ag_dtype_size(dtype));
    }
    return ag_handle(v);
}

static ag_tensor like(ag_place where, const char *function, ag_tensor t, double value)
{
    const ag_value *source = ag_resolve(where, function, t);
    if (source == NULL) {
        return AG_NIL;
    }
    ag_tensor result = filled(where, function, ag_value_shape_of(source), value, (ag_dtype)source->dtype);
    ag_value *v = ag_is_nil(result) ? NULL : ag_peek(result);
    /* The same memory order, if the source has no gaps. */
    if (v != NULL && !source->contiguous) {
        int64_t span = 1;
        bool repeated = false;
        for (int d = 0; d < source->ndim; d++) {
            span += (source->size[d] - 1) * source->stride[d];
            repeated = repeated || (source->size[d] > 1 && source->stride[d] == 0);
        }
        if (span == source->numel && !repeated) {
            memcpy(v->stride, source->stride, sizeof(v->stride));
            ag_value_set_contiguous(v);
        }
    }
    return result;
}

ag_tensor ag_zeros_like_at(ag_place where, ag_tensor t)
{
    return like(where, "ag_zeros_like", t, 0);
}

ag_tensor ag_ones_like_at(ag_place where, ag_tensor t)
{
    return like(where, "ag_ones_like", t, 1);
}

/* ---- leaves and kept values ---------------------------------------------------------------------------------------------------- */

static bool may_require_grad(ag_place where, const char *function, ag_dtype dtype)
{
    if (ag_dtype_is_float(dtype)) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_DTYPE, "%s: only floating types can require a gradient, got %s", function,
                   ag_dtype_name(dtype));
    return false;
}

static ag_value *persistent_new(ag_place where, const char *function, ag_shape shape, ag_dtype dtype, bool zeros)
{
    ag_context *ctx = ag_context_get();
    if (ctx == NULL || ag_error_code() != AG_OK || !shape_ok(where, function, shape) ||
        !dtype_ok(where, function, dtype)) {
        return NULL;
    }
    ag_value *v = ag_value_new(ctx, true);
    if (v == NULL) {
        return NULL;
    }
    v->where = where;
    ag_value_shape(v, dtype, &shape);
    if (zeros && !allocate(where, v)) {
        ag_value_unref(v);
        return NULL;
    }
    if (zeros) {
        memset(v->storage->data, 0, v->storage->bytes);
    }
    return v;
}

ag_tensor ag_leaf_at(ag_place where, ag_shape shape, ag_dtype dtype, bool requires_grad)
{
    if (requires_grad && !may_require_grad(where, "ag_leaf", dtype)) {
        return AG_NIL;
    }
    ag_value *v = persistent_new(where, "ag_leaf", shape, dtype, true);
    if (v == NULL) {
        return AG_NIL;
    }
    v->requires_grad = requires_grad;
    v->in_slot = true;
    return ag_handle(v);
}

static size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* A header for `shape` in a slice of the block, and where the next one begins. */
static ag_value *in_block(ag_place where, ag_storage *block, size_t *offset, ag_shape shape, ag_dtype dtype)
{
    ag_value *v = persistent_new(where, "ag_leaves", shape, dtype, false);
    if (v == NULL) {
        return NULL;
    }
    size_t bytes = padded((size_t)v->numel * ag_dtype_size(dtype));
    v->storage = ag_storage_slice(block, *offset, bytes);
    if (v->storage == NULL) {
        ag_value_unref(v);
        return NULL;
    }
    *offset += bytes;
    return v;
}

ag_error ag_leaves_at(ag_place where, int n, const ag_shape *shapes, ag_dtype dtype, ag_tensor *out)
{
    for (int i = 0; i < n; i++) {
        out[i] = AG_NIL;
    }
    if (ag_error_code() != AG_OK || !may_require_grad(where, "ag_leaves", dtype)) {
        return ag_error_code();
    }
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        if (!shape_ok(where, "ag_leaves", shapes[i])) {
            return ag_error_code();
        }
        size_t bytes = padded((size_t)ag_shape_numel(shapes[i]) * ag_dtype_size(dtype));
        if (bytes > SIZE_MAX - total) {
            return ag_error_raise(where, AG_ERROR_MEMORY, "ag_leaves: the leaves have more elements than memory can hold");
        }
        total += bytes;
    }
    ag_place caller = ag_caller_set(where);
    ag_storage *data = ag_storage_new(total), *grads = data == NULL ? NULL : ag_storage_new(total);
    if (grads != NULL) {
        memset(data->data, 0, data->bytes);
        memset(grads->data, 0, grads->bytes);
        size_t at = 0, grad_at = 0;
        for (int i = 0; i < n; i++) {
            ag_value *v = in_block(where, data, &at, shapes[i], dtype);
            if (v == NULL) {
                break;
            }
            out[i] = ag_handle(v);
            v->requires_grad = v->in_slot = true;
            v->grad = in_block(where, grads, &grad_at, shapes[i], dtype);
            if (v->grad == NULL) {
                break;
            }
        }
        ag_storage_release(grads);
    }
    if (data != NULL) {
        ag_storage_release(data);
    }
    ag_caller_set(caller);
    if (ag_error_code() != AG_OK) {
        for (int i = 0; i < n; i++) {
            ag_drop(&out[i]);
            out[i] = AG_NIL;
        }
    }
    return ag_error_code();
}

void ag_drop(ag_tensor *slot)
{
    ag_value *v = ag_is_none(*slot) || ag_is_nil(*slot) ? NULL : ag_peek(*slot);
    if (v != NULL && !v->in_slot && v->visible > 0) {
        ag_error_raise(ag_caller(), AG_ERROR_LIFETIME,
                       v->persistent ? "ag_drop: a gradient belongs to its leaf; ag_zero_grad() forgets it"
                                     : "ag_drop: the tensor belongs to a scope; only leaves and kept values are dropped");
        return;
    }
    *slot = AG_NONE;
    if (v != NULL && v->in_slot) { /* else another copy of the handle was dropped, and only a graph still knows the value */
        v->in_slot = false;
        ag_value_hide(v);
        ag_value_unref(v);
    }
}

void ag_keep_at(ag_place where, ag_tensor *slot, ag_tensor t)
{
    if (slot == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_keep: the slot is NULL");
        return;
    }
    const ag_value *held = ag_is_none(*slot) || ag_is_nil(*slot) ? NULL : ag_peek(*slot);
    if (held != NULL && held->visible > 0 && !held->in_slot) {
        ag_error_raise(where, AG_ERROR_LIFETIME, "ag_keep: the slot holds a tensor that belongs to %s",
                       held->persistent ? "its leaf: a gradient" : "a scope");
        return;
    }
    if (ag_error_code() != AG_OK) {
        return;
    }
    const ag_value *v = ag_resolve(where, "ag_keep", t);
    ag_context *ctx = ag_context_get();
    if (v == NULL || ctx == NULL) {
        return;
    }
    /* Always a copy. Sharing the bytes would save one, but the kept value is a leaf and may be written to, and t may be written
     * to through a detached alias: neither must change the other. */
    ag_value *kept = persistent_new(where, "ag_keep", ag_value_shape_of(v), (ag_dtype)v->dtype, true);
    if (kept == NULL) {
        return;
    }
    ag_array_copy(ag_value_array(kept), ag_value_array(v));
    kept->in_slot = true;
    kept->reason = AG_REASON_DETACHED;
    kept->reason_where = where;
    ag_drop(slot);
    *slot = ag_handle(kept);
}

void ag_release(ag_tensor t)
{
    ag_value *v = ag_is_none(t) || ag_is_nil(t) ? NULL : ag_peek(t);
    if (v == NULL || v->visible == 0 || !v->listed) {
        return; /* gone already, or a leaf, which ag_drop() ends */
    }
    v->listed = false;
    ag_value_hide(v);
    ag_value_unref(v);
}

ag_tensor ag_set_requires_grad_at(ag_place where, ag_tensor t, bool requires_grad)
{
    ag_value *v = ag_resolve(where, "ag_set_requires_grad", t);
    if (v == NULL) {
        return AG_NIL;
    }
    if (v->producer != NULL) {
        ag_error_raise(where, AG_ERROR_GRAD, "ag_set_requires_grad: the tensor is the result of %s; detach it first",
                       v->producer->op->name);
        return AG_NIL;
    }
    if (requires_grad && !may_require_grad(where, "ag_set_requires_grad", (ag_dtype)v->dtype)) {
        return AG_NIL;
    }
    v->requires_grad = requires_grad;
    return t;
}

ag_tensor ag_grad_of_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_grad_of", t);
    if (v == NULL) {
        return AG_NIL;
    }
    if (v->grad_failed) {
        ag_error_raise(where, AG_ERROR_GRAD, "ag_grad_of: a backward failed half-way; zero the gradient first");
        return AG_NIL;
    }
    if (v->producer != NULL && !v->retain_grad) {
        ag_error_raise(where, AG_ERROR_GRAD,
                       "ag_grad_of: the tensor is the result of %s; its gradient is kept only after ag_retain_grad()",
                       v->producer->op->name);
        return AG_NIL;
    }
    return v->has_grad ? ag_handle(v->grad) : AG_NONE;
}

void ag_zero_grad_at(ag_place where, ag_tensor t)
{
    ag_value *v = ag_resolve(where, "ag_zero_grad", t);
    if (v != NULL) {
        v->has_grad = false;
        v->grad_failed = false;
    }
}

void ag_retain_grad_at(ag_place where, ag_tensor t)
{
    ag_value *v = ag_resolve(where, "ag_retain_grad", t);
    if (v == NULL) {
        return;
    }
    if (!v->requires_grad) {
        ag_error_raise(where, AG_ERROR_GRAD, "ag_retain_grad: the tensor does not require a gradient");
        return;
    }
    v->retain_grad = v->producer != NULL;
}

ag_tensor ag_detach_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_detach", t);
    ag_context *ctx = ag_context_get();
    if (v == NULL || ctx == NULL) {
        return AG_NIL;
    }
    if (ctx->scopes == 0) {
        ag_error_raise(where, AG_ERROR_STATE, "ag_detach: no scope is open");
        return AG_NIL;
    }
    ag_value *alias = ag_value_alias(ctx, v, false);
    if (alias == NULL) {
        return AG_NIL;
    }
    alias->where = where;
    alias->reason = AG_REASON_DETACHED;
    alias->reason_where = where;
    if (!ag_made_push(ctx, alias)) {
        ag_value_unref(alias);
        return AG_NIL;
    }
    return ag_handle(alias);
}

ag_tensor ag_set_name_at(ag_place where, ag_tensor t, const char *name)
{
    ag_value *v = name == NULL ? NULL : ag_resolve(where, "ag_set_name", t);
    if (name == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_set_name: the name is NULL");
    }
    if (v == NULL) {
        return AG_NIL;
    }
    size_t bytes = strlen(name) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_set_name: out of memory");
        return AG_NIL;
    }
    memcpy(copy, name, bytes);
    free(v->name);
    v->name = copy;
    return t;
}

const char *ag_name_of_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_name_of", t);
    return v == NULL || v->name == NULL ? "" : v->name;
}

/* ---- raw leaves, for optimizers and loaders ------------------------------------------------------------------------------------ */

bool ag_leaf_raw_get(ag_place where, ag_tensor t, ag_leaf_raw *raw)
{
    ag_value *v = ag_resolve(where, "leaf", t);
    if (v == NULL) {
        return false;
    }
    if (v->producer != NULL) {
        ag_error_raise(where, AG_ERROR_GRAD, "%s is the result of %s, not a leaf",
                       v->name != NULL ? v->name : "the tensor", v->producer->op->name);
        return false;
    }
    if (v->grad_failed) {
        ag_error_raise(where, AG_ERROR_GRAD,
                       "the gradient of %s was left half-done by a backward that failed; zero it first",
                       v->name != NULL ? v->name : "a parameter");
        return false;
    }
    raw->data = ag_value_data(v);
    raw->grad = v->has_grad ? ag_value_data(v->grad) : NULL;
    raw->numel = v->numel;
    raw->dtype = (ag_dtype)v->dtype;
    raw->padded_bytes = padded((size_t)v->numel * ag_dtype_size(raw->dtype));
    raw->requires_grad = v->requires_grad;
    return true;
}

void ag_leaf_changed(ag_tensor t)
{
    ag_value *v = ag_peek(t);
    if (v != NULL) {
        ag_value_changed(v, ag_caller());
    }
}

bool ag_leaf_is_held(ag_tensor t)
{
    const ag_value *v = ag_peek(t);
    return v != NULL && (v->saved > 0 || atomic_load_explicit(&v->refs, memory_order_acquire) > 1 ||
                         ag_storage_shared(v->storage));
}

ag_tensor ag_leaf_renew(ag_tensor t)
{
    ag_value *v = ag_peek(t);
    if (v == NULL || !v->persistent) {
        return t;
    }
    v->generation = v->generation >= UINT32_MAX - 1 ? 1 : v->generation + 1; /* as in ag_value_new() */
    v->id = (uint64_t)v->generation << 32 | (v->id & UINT32_MAX);
    return ag_handle(v);
}

/* ---- numbers out and in ---------------------------------------------------------------------------------------------------------- */

double ag_item_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_item", t);
    if (v == NULL) {
        return NAN;
    }
    if (v->numel != 1) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_item: one element is needed, got shape %s",
                       ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
        return NAN;
    }
    const void *data = ag_value_data(v);
    switch ((ag_dtype)v->dtype) {
    case AG_FLOAT32:
        return *(const float *)data;
    case AG_FLOAT64:
        return *(const double *)data;
    case AG_INT64:
        return (double)*(const int64_t *)data;
    case AG_UINT8:
        return *(const uint8_t *)data;
    }
    return NAN;
}

static bool count_ok(ag_place where, const char *function, const ag_value *v, int64_t count)
{
    char text[AG_SHAPE_TEXT];
    if (count == v->numel) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_SHAPE, "%s: %lld elements given for shape %s", function, (long long)count,
                   ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
    return false;
}

/* A row-major array over the caller's memory, of v's shape. */
static ag_array row_major(const ag_value *v, void *data, ag_dtype dtype, int64_t *stride)
{
    int64_t s = 1;
    for (int d = v->ndim - 1; d >= 0; d--) {
        stride[d] = s;
        s = ag_next_stride(s, v->size[d]);
    }
    ag_array a = {data, dtype, v->ndim, v->numel, v->size, stride};
    return a;
}

ag_error ag_read_at(ag_place where, ag_tensor t, void *buffer, int64_t count)
{
    const ag_value *v = ag_resolve(where, "ag_read", t);
    if (v == NULL || !count_ok(where, "ag_read", v, count) ||
        !given(where, "ag_read", buffer, count)) {
        return ag_error_code();
    }
    int64_t stride[AG_MAX_DIMS];
    ag_array_copy(row_major(v, buffer, (ag_dtype)v->dtype, stride), ag_value_array(v));
    return AG_OK;
}

ag_error ag_read_doubles_at(ag_place where, ag_tensor t, double *buffer, int64_t count)
{
    const ag_value *v = ag_resolve(where, "ag_read_doubles", t);
    if (v == NULL || !count_ok(where, "ag_read_doubles", v, count) ||
        !given(where, "ag_read_doubles", buffer, count)) {
        return ag_error_code();
    }
    int64_t stride[AG_MAX_DIMS];
    ag_array_copy(row_major(v, buffer, AG_FLOAT64, stride), ag_value_array(v));
    return AG_OK;
}

static bool writable(ag_place where, const char *function, const ag_value *v)
{
    for (int d = 0; d < v->ndim; d++) {
        if (v->size[d] > 1 && v->stride[d] == 0) {
            char text[AG_SHAPE_TEXT];
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: the tensor %s was expanded: several of its elements are one number",
                           function, ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
            return false;
        }
    }
    if (v->producer == NULL) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_GRAD, "%s: the tensor is the result of %s and has a history; detach or keep it first",
                   function, v->producer->op->name);
    return false;
}

ag_error ag_write_at(ag_place where, ag_tensor t, const void *data, int64_t count)
{
    ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_write", t);
    if (v == NULL || !count_ok(where, "ag_write", v, count) ||
        !given(where, "ag_write", data, count) || !writable(where, "ag_write", v)) {
        return ag_error_code();
    }
    int64_t stride[AG_MAX_DIMS];
    ag_array_copy(ag_value_array(v), row_major(v, (void *)(uintptr_t)data, (ag_dtype)v->dtype, stride));
    ag_value_changed(v, where);
    return AG_OK;
}

static bool contiguous(ag_place where, const char *function, const ag_value *v)
{
    if (v->contiguous) {
        return true;
    }
    char text[AG_SHAPE_TEXT];
    ag_error_raise(where, AG_ERROR_SHAPE, "%s: the tensor of shape %s is not row-major; use ag_read() or ag_contiguous()",
                   function, ag_shape_format(ag_value_shape_of(v), text, sizeof(text)));
    return false;
}

const void *ag_data_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_data", t);
    return v == NULL || !contiguous(where, "ag_data", v) ? NULL : ag_value_data(v);
}

void *ag_data_mut_at(ag_place where, ag_tensor t)
{
    ag_value *v = ag_resolve(where, "ag_data_mut", t);
    if (v == NULL || !contiguous(where, "ag_data_mut", v) || !writable(where, "ag_data_mut", v)) {
        return NULL;
    }
    ag_value_changed(v, where);
    return ag_value_data(v);
}

static uint64_t fnv(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3u;
    }
    return hash;
}

uint64_t ag_hash_at(ag_place where, ag_tensor t)
{
    const ag_value *v = ag_resolve(where, "ag_hash", t);
    if (v == NULL) {
        return 0;
    }
    size_t item = ag_dtype_size((ag_dtype)v->dtype);
    uint64_t hash = fnv(0xcbf29ce484222325u, &v->dtype, 1);
    hash = fnv(hash, v->size, sizeof(v->size[0]) * v->ndim);
    if (v->contiguous) {
        return fnv(hash, ag_value_data(v), (size_t)v->numel * item);
    }
    void *copy = malloc((size_t)v->numel * item + 1);
    if (copy == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_hash: out of memory");
        return 0;
    }
    int64_t stride[AG_MAX_DIMS];
    ag_array_copy(row_major(v, copy, (ag_dtype)v->dtype, stride), ag_value_array(v));
    hash = fnv(hash, copy, (size_t)v->numel * item);
    free(copy);
    return hash;
}
