/*
 * Element-wise operations: their shape rules, and how their loops are run. Knows no operation by name.
 */
#include "call.h"
#include "kernels/loop.h"

static const char *const dtype_names_floating = "float32 or float64";

static bool type_ok(ag_call *call, ag_dtype dtype)
{
    if (AG_LIKELY(call->op->loops[dtype] != NULL)) {
        return true;
    }
    bool others = call->op->loops[AG_INT64] != NULL || call->op->loops[AG_UINT8] != NULL;
    return ag_call_fail(call, AG_ERROR_DTYPE, "needs %s, got %s",
                        others ? (call->op->loops[AG_FLOAT32] != NULL ? "a number type" : "an integer type")
                               : dtype_names_floating,
                        ag_dtype_name(dtype));
}

bool ag_shape_unary(ag_call *call)
{
    const ag_value *x = call->in[0];
    if (!type_ok(call, (ag_dtype)x->dtype)) {
        return false;
    }
    ag_value *v = ag_value_new(call->ctx, false); /* without declare(): this is the way of most small operations */
    if (v == NULL) {
        return false;
    }
    call->out[0] = v;
    v->where = call->where;
    v->dtype = x->dtype;
    v->ndim = x->ndim;
    v->numel = x->numel;
    v->contiguous = x->contiguous;
    int64_t step = 1; /* not x's strides: lengths of 1 may carry any, and what was expanded carries 0 */
    for (int d = x->ndim - 1; d >= 0; d--) {
        v->size[d] = x->size[d];
        v->stride[d] = step;
        step = ag_next_stride(step, x->size[d]);
    }
    if (!x->contiguous) {
        v->contiguous = true;
        ag_value_order_like(v, x->stride);
    }
    return ag_value_allocate(v);
}

/* The broadcast of all inputs, which have one type; the result's type is `result`, or the inputs' if negative. */
static bool shape_broadcast(ag_call *call, int result)
{
    const ag_value *a = call->in[0];
    if (!type_ok(call, (ag_dtype)a->dtype)) {
        return false;
    }
    ag_shape shape = ag_value_shape_of(a);
    for (int i = 1; i < call->n; i++) {
        const ag_value *b = call->in[i];
        if (b->dtype != a->dtype) {
            return ag_call_fail(call, AG_ERROR_DTYPE, "%s and %s; the types must be the same, ag_cast() converts",
                                ag_dtype_name((ag_dtype)a->dtype), ag_dtype_name((ag_dtype)b->dtype));
        }
        if (!ag_shape_broadcast(shape, ag_value_shape_of(b), &shape)) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "shapes %s and %s do not broadcast", ag_call_shape_text(call, 0),
                                ag_call_shape_text(call, i));
        }
    }
    ag_dtype dtype = result < 0 ? (ag_dtype)a->dtype : (ag_dtype)result;
    /* The memory order of the first input that has the result's shape. */
    for (int i = 0; i < call->n; i++) {
        const ag_value *v = call->in[i];
        bool whole = v->ndim == shape.ndim && ag_shape_equal(ag_value_shape_of(v), shape);
        for (int d = 0; whole && d < v->ndim; d++) {
            whole = v->stride[d] != 0 || v->size[d] == 1;
        }
        if (whole) {
            return ag_call_output_like(call, 0, dtype, shape, i);
        }
    }
    return ag_call_output(call, 0, dtype, shape);
}

bool ag_shape_elementwise(ag_call *call)
{
    return shape_broadcast(call, -1);
}

bool ag_shape_compare(ag_call *call)
{
    return shape_broadcast(call, AG_UINT8);
}

bool ag_call_loops(ag_call *call)
{
    const ag_value *out = call->out[0];
    ag_loop loop = call->op->loops[call->in[0]->dtype];
    int args = call->n + 1;
    if (AG_UNLIKELY(args > K_LOOP_MAX)) {
        return ag_call_fail(call, AG_ERROR_VALUE, "%d inputs; loops take up to %d", call->n, K_LOOP_MAX - 1);
    }
    if (AG_UNLIKELY(loop == NULL)) { /* a shape rule that does not look at types */
        return type_ok(call, (ag_dtype)call->in[0]->dtype);
    }
    char *data[K_LOOP_MAX];
    size_t item[K_LOOP_MAX];
    data[0] = ag_value_data(out);
    item[0] = ag_dtype_size((ag_dtype)out->dtype);
    bool flat = out->contiguous;
    for (int i = 0; i < call->n; i++) {
        const ag_value *v = call->in[i];
        data[i + 1] = ag_value_data(v);
        item[i + 1] = ag_dtype_size((ag_dtype)v->dtype);
        flat = flat && v->contiguous && v->numel == out->numel;
    }
    if (flat && out->numel < K_LOOP_GRAIN) { /* the common small case without a plan */
        int64_t step[K_LOOP_MAX];
        for (int a = 0; a < args; a++) {
            step[a] = (int64_t)item[a];
        }
        loop(out->numel, data, step, call->params);
        return true;
    }
    int64_t aligned[K_LOOP_MAX][AG_MAX_DIMS];
    const int64_t *stride[K_LOOP_MAX];
    void *raw[K_LOOP_MAX];
    raw[0] = data[0];
    stride[0] = out->stride;
    for (int i = 0; i < call->n; i++) {
        const ag_value *v = call->in[i];
        int missing = out->ndim - v->ndim;
        for (int d = 0; d < out->ndim; d++) {
            bool broadcast = d < missing || (v->size[d - missing] == 1 && out->size[d] != 1);
            aligned[i + 1][d] = broadcast ? 0 : v->stride[d - missing];
        }
        stride[i + 1] = aligned[i + 1];
        raw[i + 1] = data[i + 1];
    }
    k_loop(out->numel >= 2 * K_LOOP_GRAIN ? ag_threads() : 1, loop, call->params, out->ndim, out->size, args, raw,
           stride, item);
    return true;
}
