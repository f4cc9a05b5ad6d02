/*
 * Gradients on their way: what derivative rules call to ask and to contribute, and where a contribution goes, to a node that is yet to
 * be visited or into a leaf. Knows no operation by name except those it sums gradients with. The order of the visits is sweep.c's.
 */
#include "sweep.h"

#include <stdio.h>
#include <string.h>

#include "error_internal.h"
#include "kernels/loop.h"
#include "kernels/reduce.h"
#include "ops/ops.h"

/* ---- gradients that arrive ------------------------------------------------------------------------------------------------- */

void ag_pending_drop(ag_value **slot)
{
    ag_value *p = *slot;
    if (p != NULL) {
        *slot = NULL;
        ag_value_unsave(p);
        ag_value_unref(p);
    }
}

void ag_pending_set(ag_value **slot, ag_value *g)
{
    ag_value_ref(g);
    ag_value_save(g);
    ag_pending_drop(slot);
    *slot = g;
}

/* Whether nobody else can see this pending gradient, so that it may be added into. */
static bool exclusive(const ag_value *p)
{
    return p->visible == 0 && !p->listed && !p->view && p->saved == 1 &&
           atomic_load_explicit(&p->refs, memory_order_relaxed) == 1 && p->storage->parent == NULL &&
           !ag_storage_shared(p->storage);
}

static bool touch(ag_context *ctx, const ag_value *leaf)
{
    void *array = ctx->touched;
    if (!ag_grow(&array, ctx->touched_count, &ctx->touched_capacity, sizeof(*ctx->touched))) {
        return false;
    }
    ctx->touched = array;
    ctx->touched[ctx->touched_count++] = leaf->id;
    return true;
}

/* The leaf's buffer; *accumulate says whether something is in it already. */
static ag_value *leaf_buffer(const ag_sweep *s, ag_value *leaf, bool *accumulate)
{
    ag_value *grad = ag_leaf_gradient(leaf);
    if (grad == NULL || !touch(s->ctx, leaf)) {
        return NULL;
    }
    *accumulate = leaf->has_grad;
    leaf->has_grad = true;
    ag_value_changed(grad, s->where);
    return grad;
}

void ag_add_to_leaf(const ag_sweep *s, ag_value *leaf, const ag_value *g)
{
    bool accumulate;
    const ag_value *grad = leaf_buffer(s, leaf, &accumulate);
    if (grad == NULL) {
        return;
    }
    if (accumulate) {
        ag_array_accumulate(ag_value_array(grad), ag_value_array(g));
    } else {
        ag_array_copy(ag_value_array(grad), ag_value_array(g));
    }
}

/* A sum of two gradients by the library's own addition, recorded if the sweep is. */
static ag_value *sum(ag_value *a, ag_value *b)
{
    bool borrowed_a = ag_value_borrow(a), borrowed_b = ag_value_borrow(b);
    ag_tensor t = ag_add(ag_handle(a), ag_handle(b));
    if (borrowed_a) {
        ag_value_hide(a);
    }
    if (borrowed_b) {
        ag_value_hide(b);
    }
    return ag_is_nil(t) ? NULL : ag_peek(t);
}

/* Whether what arrives is added up in the leaf at once. Hooks see a leaf's gradient when it is complete. */
static bool to_leaf(const ag_sweep *s, struct ag_edge e)
{
    return e.producer == NULL && s->accumulate && e.value->hooks == NULL;
}

void ag_graph_was_freed(ag_place where, const char *function, const ag_node *node)
{
    ag_error_raise(where, AG_ERROR_GRAD,
                   "%s: the graph was freed: %s, recorded at %s:%d, has been through a backward at %s:%d; set "
                   "retain_graph there to go through it again",
                   function, node->op->name, node->where.file != NULL ? node->where.file : "?", node->where.line,
                   node->freed_where.file != NULL ? node->freed_where.file : "?", node->freed_where.line);
}

/* Hooks of a leaf see its gradient when the sweep is over. */
static bool wait_for_hooks(const ag_sweep *s, const ag_value *leaf)
{
    ag_context *ctx = s->ctx;
    void *array = ctx->hooked;
    if (!ag_grow(&array, ctx->hooked_count, &ctx->hooked_capacity, sizeof(*ctx->hooked))) {
        return false;
    }
    ctx->hooked = array;
    ctx->hooked[ctx->hooked_count++] = leaf->id;
    return true;
}

/* Notes that the producer has a gradient to work on. */
static bool announce(ag_sweep *s, struct ag_edge e)
{
    ag_node *producer = e.producer;
    if (producer == NULL) {
        return e.value->hooks == NULL || e.value->pending != NULL || wait_for_hooks(s, e.value);
    }
    if (producer->pending || (!s->accumulate && !producer->needed)) {
        return true;
    }
    if (producer->state == AG_NODE_FREED && !(producer->kept != NULL && s->ctx->inspecting)) {
        ag_graph_was_freed(s->where, "ag_backward", producer);
        return false;
    }
    producer->pending = true;
    s->remaining++;
    return true;
}

void ag_sweep_contribute(ag_sweep *s, struct ag_edge e, ag_value *g)
{
    ag_products_compute(s->ctx);
    if (to_leaf(s, e)) {
        ag_add_to_leaf(s, e.value, g);
        return;
    }
    if (!announce(s, e)) {
        return;
    }
    ag_value **slot = ag_edge_slot(e);
    if (*slot == NULL) {
        ag_pending_set(slot, g);
    } else if (!s->create && exclusive(*slot)) {
        ag_array_accumulate(ag_value_array(*slot), ag_value_array(g));
    } else {
        ag_value *total = sum(*slot, g);
        if (total != NULL) {
            ag_pending_set(slot, total);
        }
    }
}

/* Whether somebody looks at the gradient of a node's output: a hook, ag_retain_grad(), ag_grad(). */
static bool is_seen(const ag_node *node, int output)
{
    return node->hooks != NULL || node->output[output]->retain_grad || (node->targets >> output & 1) != 0;
}

/* A gradient of zeros arrives. Where nobody sees it there is nothing to compute, only that it came. */
static void contribute_zero(ag_sweep *s, struct ag_edge e)
{
    bool accumulate;
    ag_products_compute(s->ctx);
    if (to_leaf(s, e)) {
        const ag_value *grad = leaf_buffer(s, e.value, &accumulate);
        if (grad != NULL && !accumulate) {
            memset(ag_value_data(grad), 0, (size_t)grad->numel * ag_dtype_size((ag_dtype)grad->dtype));
        }
    } else if (*ag_edge_slot(e) == NULL && (e.producer == NULL || is_seen(e.producer, e.output))) {
        ag_tensor zeros = ag_zeros(ag_value_shape_of(e.value), (ag_dtype)e.value->dtype);
        if (!ag_is_nil(zeros)) {
            ag_sweep_contribute(s, e, ag_peek(zeros));
        }
    } else {
        announce(s, e);
    }
}

/* ---- what rules ask ------------------------------------------------------------------------------------------------------------ */

int ag_sweep_count(const ag_sweep *s)
{
    return s->node->inputs;
}

const void *ag_sweep_params(const ag_sweep *s)
{
    return s->node->params;
}

bool ag_sweep_recording(const ag_sweep *s)
{
    return s->create;
}

bool ag_sweep_wants(const ag_sweep *s, int i)
{
    if (i < 0 || i >= s->node->inputs) {
        return false;
    }
    const struct ag_node_input *input = &s->node->input[i];
    if (input->value == NULL || !input->wants) {
        return false;
    }
    return s->accumulate || ag_edge_is_target(ag_edge_of_input(input)) || (input->producer != NULL && input->producer->needed);
}

ag_shape ag_sweep_shape(const ag_sweep *s, int i)
{
    const ag_value *v = s->node->input[i].value;
    return v == NULL ? AG_SHAPE_SCALAR : ag_value_shape_of(v);
}

ag_dtype ag_sweep_dtype(const ag_sweep *s, int i)
{
    const ag_value *v = s->node->input[i].value;
    return v == NULL ? AG_FLOAT32 : (ag_dtype)v->dtype;
}

void ag_sweep_fail(ag_sweep *s, ag_error code, const char *format, ...)
{
    char message[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    ag_error_raise(s->node->where, code, "backward of ag_%s: %s", s->node->op->name, message);
}

static bool unchanged(ag_sweep *s, const ag_value *v, uint32_t version, const char *what, int i)
{
    if (AG_LIKELY(v->storage->version == version)) {
        return true;
    }
    ag_sweep_fail(s, AG_ERROR_GRAD, "%s %d%s%s was changed in place at %s:%d after it was saved for backward", what, i,
                  v->name != NULL ? ", " : "", v->name != NULL ? v->name : "",
                  v->storage->changed.file != NULL ? v->storage->changed.file : "?", v->storage->changed.line);
    return false;
}

ag_tensor ag_sweep_input(ag_sweep *s, int i)
{
    struct ag_node_input *input = i < s->node->inputs ? &s->node->input[i] : NULL;
    if (input == NULL || input->value == NULL) {
        return AG_NONE;
    }
    if (!input->saved) {
        ag_sweep_fail(s, AG_ERROR_STATE, "the rule reads input %d, which the operation does not declare as saved", i);
        return AG_NIL;
    }
    if (!input->state && !unchanged(s, input->value, input->version, "input", i)) {
        return AG_NIL;
    }
    if (!input->borrowed) {
        input->borrowed = ag_value_borrow(input->value);
    }
    return ag_handle(input->value);
}

ag_tensor ag_sweep_output(ag_sweep *s, int i)
{
    ag_node *node = s->node;
    ag_value *v = node->output[i];
    if ((node->saves & AG_SAVE_OUTPUT(i)) == 0) {
        ag_sweep_fail(s, AG_ERROR_STATE, "the rule reads output %d, which the operation does not declare as saved", i);
        return AG_NIL;
    }
    if (!unchanged(s, v, node->output_version[i], "output", i)) {
        return AG_NIL;
    }
    if (!node->output_borrowed[i]) {
        node->output_borrowed[i] = ag_value_borrow(v);
    }
    return ag_handle(v);
}

ag_tensor ag_sweep_grad(ag_sweep *s, int i)
{
    ag_value *p = s->node->pending_grad[i];
    if (p == NULL) {
        return AG_NONE;
    }
    if (!s->node->grad_borrowed[i]) {
        s->node->grad_borrowed[i] = ag_value_borrow(p);
    }
    return ag_handle(p);
}

/* Sums g over what broadcasting added, so that it has `shape`. */
static ag_tensor sum_to(ag_tensor g, ag_shape from, ag_shape shape)
{
    ag_dims dims = {0};
    int extra = from.ndim - shape.ndim;
    for (int d = 0; d < from.ndim; d++) {
        if (d < extra || (shape.size[d - extra] == 1 && from.size[d] != 1)) {
            dims.dim[dims.count++] = d;
        }
    }
    if (dims.count > 0) {
        g = ag_sum_dims(g, dims, true);
    }
    return extra > 0 ? ag_reshape(g, shape) : g;
}

/* The same straight into the gradient of input i; false if it cannot be written to. */
static bool sum_into(ag_sweep *s, int i, ag_tensor g, ag_shape from, ag_shape shape)
{
    ag_array target;
    bool accumulate, reduced[AG_MAX_DIMS];
    if (!ag_sweep_target(s, i, &target, &accumulate)) {
        return false;
    }
    if (accumulate) {
        g = sum_to(g, from, shape);
        if (!ag_is_nil(g)) {
            ag_array_accumulate(target, ag_value_array(ag_peek(g)));
        }
        return true;
    }
    int extra = from.ndim - shape.ndim;
    for (int d = 0; d < from.ndim; d++) {
        reduced[d] = d < extra || (shape.size[d - extra] == 1 && from.size[d] != 1);
    }
    ag_array array = ag_value_array(ag_peek(g));
    k_reduce(K_SUM, ag_threads(), &array, reduced, 1, target.data);
    return true;
}

/* Keeps what a rule gives to an input back until the node's hooks have seen it. */
static void collect(ag_sweep *s, int i, ag_value *g)
{
    ag_value **slot = &s->collected[i];
    ag_value *total = *slot == NULL ? g : sum(*slot, g);
    if (total != NULL) {
        ag_pending_set(slot, total);
    }
}

void ag_sweep_add(ag_sweep *s, int i, ag_tensor g)
{
    if (!ag_sweep_wants(s, i) || ag_error_code() != AG_OK) {
        return;
    }
    ag_value *v = s->node->input[i].value;
    ag_value *gv = ag_resolve(s->node->where, "ag_sweep_add", g);
    if (gv == NULL) {
        return;
    }
    if (gv->dtype != v->dtype) {
        ag_sweep_fail(s, AG_ERROR_DTYPE, "the gradient of input %d is %s, the input %s", i,
                      ag_dtype_name((ag_dtype)gv->dtype), ag_dtype_name((ag_dtype)v->dtype));
        return;
    }
    ag_shape shape = ag_value_shape_of(v), from = ag_value_shape_of(gv), joint;
    if (!ag_shape_equal(shape, from)) {
        if (!ag_shape_broadcast(shape, from, &joint) || !ag_shape_equal(joint, from)) {
            char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
            ag_sweep_fail(s, AG_ERROR_SHAPE, "the gradient of input %d has shape %s, the input %s", i,
                          ag_shape_format(from, a, sizeof(a)), ag_shape_format(shape, b, sizeof(b)));
            return;
        }
        if (sum_into(s, i, g, from, shape)) {
            return;
        }
        g = sum_to(g, from, shape);
        gv = ag_is_nil(g) ? NULL : ag_peek(g);
        if (gv == NULL) {
            return;
        }
    }
    if (AG_UNLIKELY(s->ctx->anomaly) && !s->probe && !ag_anomaly_check_gradient(s->node, i, gv)) {
        return;
    }
    if (AG_UNLIKELY(s->collected != NULL)) {
        collect(s, i, gv);
        return;
    }
    ag_sweep_contribute(s, ag_edge_of_input(&s->node->input[i]), gv);
}

void ag_sweep_zero(ag_sweep *s, int i)
{
    if (!ag_sweep_wants(s, i) || ag_error_code() != AG_OK) {
        return;
    }
    const ag_value *v = s->node->input[i].value;
    if (AG_UNLIKELY(s->collected != NULL)) {
        ag_sweep_add(s, i, ag_zeros(ag_value_shape_of(v), (ag_dtype)v->dtype));
        return;
    }
    contribute_zero(s, ag_edge_of_input(&s->node->input[i]));
}

bool ag_sweep_own_grad(ag_sweep *s, int i, ag_array *grad)
{
    const ag_node *node = s->node;
    const ag_value *p = node->pending_grad[i];
    if (s->create || s->collected != NULL || p == NULL || node->grad_borrowed[i] || (node->targets >> i & 1) != 0 || node->hooks != NULL ||
        !exclusive(p)) {
        return false;
    }
    *grad = ag_value_array(p);
    return true;
}

void ag_sweep_slope(ag_sweep *s, const struct ag_op *op, ag_tensor other, const void *params)
{
    ag_array own;
    bool in_place = ag_sweep_own_grad(s, 0, &own);
    ag_tensor dy = ag_sweep_grad(s, 0), in[2] = { dy, other };
    const ag_value *v = in_place ? ag_resolve(s->node->where, "ag_sweep_slope", other) : NULL;
    for (int d = 0; v != NULL && d < own.ndim; d++) {
        if (v->ndim != own.ndim || v->size[d] != own.size[d] || (own.size[d] > 1 && v->stride[d] != own.stride[d])) {
            v = NULL;
        }
    }
    if (v == NULL) {
        ag_sweep_add(s, 0, ag_apply(AG_HERE, op, 2, in, params, NULL));
        return;
    }
    void *data[3] = { own.data, own.data, ag_value_data(v) };
    const int64_t *stride[3] = { own.stride, own.stride, own.stride };
    size_t bytes = ag_dtype_size(own.dtype), item[3] = { bytes, bytes, bytes };
    k_loop(own.numel >= 2 * K_LOOP_GRAIN ? ag_threads() : 1, op->loops[own.dtype], params, own.ndim, own.size, 3, data, stride, item);
    ag_sweep_add(s, 0, dy);
}

bool ag_sweep_target_beside(ag_sweep *s, int i, ag_array *target, bool *accumulate)
{
    if (s->create || s->collected != NULL || s->ctx->anomaly || !ag_sweep_wants(s, i) || ag_error_code() != AG_OK) {
        return false;
    }
    ag_value *v = s->node->input[i].value;
    struct ag_edge e = ag_edge_of_input(&s->node->input[i]);
    if (to_leaf(s, e)) {
        const ag_value *grad = v->contiguous ? leaf_buffer(s, v, accumulate) : NULL;
        if (grad == NULL) {
            return false;
        }
        *target = ag_value_array(grad);
        return true;
    }
    ag_value **slot = ag_edge_slot(e);
    if (*slot != NULL && !(exclusive(*slot) && (*slot)->contiguous)) {
        return false;
    }
    *accumulate = *slot != NULL;
    if (*slot == NULL) {
        ag_value *fresh =
            ag_value_in_scope(s->node->where, "ag_backward", (ag_dtype)v->dtype, ag_value_shape_of(v));
        if (fresh == NULL || !announce(s, e)) {
            return false;
        }
        ag_pending_set(slot, fresh);
    }
    *target = ag_value_array(*slot);
    return true;
}

bool ag_sweep_target(ag_sweep *s, int i, ag_array *target, bool *accumulate)
{
    ag_products_compute(s->ctx);
    return ag_sweep_target_beside(s, i, target, accumulate);
}

void ag_sweep_add_at(ag_sweep *s, int i, const int64_t *start, const int64_t *step, ag_tensor g)
{
    if (!ag_sweep_wants(s, i) || ag_error_code() != AG_OK) {
        return;
    }
    const ag_value *gv = ag_resolve(s->node->where, "ag_sweep_add_at", g);
    ag_array target;
    bool accumulate;
    if (gv == NULL) {
        return;
    }
    if (!ag_sweep_target(s, i, &target, &accumulate)) {
        ag_sweep_add(s, i, ag_region_place(ag_sweep_shape(s, i), start, step, g));
        return;
    }
    if (!accumulate) {
        memset(target.data, 0, (size_t)target.numel * ag_dtype_size(target.dtype));
    }
    int64_t stride[AG_MAX_DIMS], offset = 0;
    for (int d = 0; d < target.ndim; d++) {
        offset += start[d] * target.stride[d];
        stride[d] = step[d] * target.stride[d];
    }
    ag_array part = {(char *)target.data + offset * (int64_t)ag_dtype_size(target.dtype), target.dtype, gv->ndim,
                     gv->numel, gv->size, stride};
    ag_array_accumulate(part, ag_value_array(gv));
}
