/*
 * Operations in place: the result is written over the first input, which keeps its handle and gets a new history. Knows no
 * operation by name, except the two that follow views (ops/strided.c). See Note [Views and what is changed in place].
 */
#include "call.h"
#include "inplace.h"

/* Whether several elements of v are one number. */
static bool expanded(const ag_value *v)
{
    for (int d = 0; d < v->ndim; d++) {
        if (v->size[d] > 1 && v->stride[d] == 0) {
            return true;
        }
    }
    return false;
}

/* Whether x can be given a new history. */
static bool may_rewrite(ag_call *call, const ag_value *x)
{
    const ag_context *ctx = call->ctx;
    const ag_value *base = x->base != NULL ? x->base : x;
    const struct ag_open_scope *scope = &ctx->scope[ctx->scopes - 1];
    if (base->producer == NULL && base->requires_grad) {
        return ag_call_fail(call, AG_ERROR_GRAD,
                            "%s leaf%s%s that requires a gradient is changed in place while the tape records; do it in a "
                            "no_grad scope, or work on ag_clone()",
                            base == x ? "a" : "a view of a", base->name != NULL ? " " : "",
                            base->name != NULL ? base->name : "");
    }
    if (base->persistent) {
        return ag_call_fail(call, AG_ERROR_GRAD,
                            "a leaf or kept value cannot take the history of another tensor: it outlives the tape; work on "
                            "ag_clone()");
    }
    if (base->scope != scope->serial) {
        return ag_call_fail(call, AG_ERROR_STATE,
                            "the tensor belongs to an outer scope, and its new history would end with the scope opened at "
                            "%s:%d; work on ag_clone()",
                            scope->where.file != NULL ? scope->where.file : "?", scope->where.line);
    }
    if (expanded(base)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the tensor is a view of one that was expanded");
    }
    return true;
}

static bool fits(ag_call *call, const ag_value *x)
{
    const ag_value *y = call->out[0];
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    if (y->dtype != x->dtype) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "the result is %s and cannot be written over %s",
                            ag_dtype_name((ag_dtype)y->dtype), ag_dtype_name((ag_dtype)x->dtype));
    }
    if (!ag_shape_equal(ag_value_shape_of(x), ag_value_shape_of(y))) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the result is %s and cannot be written over %s",
                            ag_shape_format(ag_value_shape_of(y), a, sizeof(a)),
                            ag_shape_format(ag_value_shape_of(x), b, sizeof(b)));
    }
    return true;
}

/* A header with a copy of x's numbers as they are, for the rule; it belongs to no scope. */
static ag_value *snapshot(ag_context *ctx, const ag_value *x)
{
    ag_value *old = ag_value_new(ctx, false);
    ag_shape shape = ag_value_shape_of(x);
    if (old == NULL || !ag_value_shape(old, (ag_dtype)x->dtype, &shape) || !ag_value_allocate(old)) {
        if (old != NULL) {
            ag_value_unref(old);
        }
        return NULL;
    }
    ag_array_copy(ag_value_array(old), ag_value_array(x));
    old->requires_grad = x->requires_grad;
    old->producer = x->producer;
    old->output = x->output;
    old->where = x->where;
    return old;
}

/* Records that x's numbers came from the call, and its base's from x. */
static bool rewrite_history(ag_call *call, ag_value *x, ag_value *old)
{
    ag_value *in[AG_OP_MAX_INPUTS], *base = x->base;
    for (int i = 0; i < call->n; i++) {
        in[i] = i == 0 && old != NULL ? old : call->in[i];
    }
    ag_node *node = ag_call_record(call, in, &x);
    if (node == NULL) {
        return false;
    }
    if (base == NULL) {
        x->history++;
        return true;
    }
    if (!ag_view_scatter_node(call->ctx, base, x, node)) {
        return false;
    }
    base->history++; /* x itself is stale now, as every other view */
    return true;
}

ag_tensor ag_apply_in_place(ag_place where, const struct ag_op *op, int n, const ag_tensor *inputs, const void *params)
{
    ag_call call;
    ag_value *in[AG_OP_MAX_INPUTS], *old = NULL;
    ag_array arrays[AG_OP_MAX_INPUTS];
    call.in_place = true;
    bool ok = ag_call_begin(&call, where, op, n, inputs, params, in, arrays);
    ag_value *x = ok ? in[0] : NULL;
    if (ok && (n > AG_OP_MAX_INPUTS || op->outputs != 1 || op->view || x == NULL)) {
        ok = ag_call_fail(&call, AG_ERROR_STATE, "the operation cannot be applied in place");
    }
    if (ok && expanded(x)) {
        ok = ag_call_fail(&call, AG_ERROR_SHAPE, "the tensor %s was expanded: several of its elements are one number",
                          ag_call_shape_text(&call, 0));
    }
    if (ok && call.any_requires && call.ctx->grad && op->backward == NULL && x->requires_grad) {
        ok = ag_call_fail(&call, AG_ERROR_GRAD, "the operation is not differentiable, and the tensor has a history");
    }
    ok = ok && (!call.recording || may_rewrite(&call, x));
    /* Into a buffer of its own, so that inputs may overlap with x in any way. */
    ok = ok && ag_call_compute(&call) && fits(&call, x);
    if (ok && call.recording && ((ag_call_saves(&call) & AG_SAVE_INPUT(0)) != 0 || call.ctx->retaining)) {
        old = snapshot(call.ctx, x);
        ok = old != NULL;
    }
    if (ok) {
        /* What the other inputs save is what they are now: the version they are saved under is from before the change. */
        uint32_t version = x->storage->version;
        ag_array_copy(ag_value_array(x), ag_value_array(call.out[0]));
        ag_value_changed(x, where);
        ok = !call.recording || rewrite_history(&call, x, old);
        if (ok && call.recording) {
            ag_node *node = call.ctx->node[call.ctx->nodes - (x->base != NULL ? 2 : 1)];
            for (int i = 1; i < call.n; i++) {
                if (in[i] != NULL && in[i]->storage == x->storage) {
                    node->input[i].version = version;
                }
            }
        }
    }
    if (old != NULL) { /* the node holds it */
        ag_value_hide(old);
        ag_value_unref(old);
    }
    if (call.out[0] != NULL) {
        ag_value_hide(call.out[0]);
        ag_value_unref(call.out[0]);
    }
    ag_call_end(&call);
    return ok ? inputs[0] : AG_NIL;
}
