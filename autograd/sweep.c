/*
 * The sweep: which node is visited when, and the visit of one node. Knows no operation, and no loss: who sweeps, and from where, is said
 * in backward.c and inspect/step.c; what rules contribute goes through contribute.c.
 *
 * Tape order is topological order: an operation's inputs exist before it. So a single pass from the loss downwards meets a
 * node only after all its consumers, and nothing has to be sorted and nothing recurses.
 */
#include "sweep.h"

#include "error_internal.h"
#include "platform.h"

/* ---- the sweep --------------------------------------------------------------------------------------------------------------------- */

void ag_sweep_give_back(ag_node *node)
{
    for (int i = 0; i < node->inputs; i++) {
        if (node->input[i].borrowed) {
            node->input[i].borrowed = false;
            ag_value_hide(node->input[i].value);
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        if (node->output_borrowed[i]) {
            node->output_borrowed[i] = false;
            ag_value_hide(node->output[i]);
        }
        if (node->grad_borrowed[i]) {
            node->grad_borrowed[i] = false;
            ag_value_hide(node->pending_grad[i]);
        }
    }
}
/* Marks the nodes that lie between the chosen inputs and the output, from index first up to last. */
void ag_sweep_mark_needed(ag_context *ctx, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++) {
        ag_node *node = ctx->node[i];
        node->needed = false;
        for (int j = 0; j < node->inputs && !node->needed; j++) {
            const struct ag_node_input *input = &node->input[j];
            node->needed = input->value != NULL && input->wants &&
                           (ag_edge_is_target(ag_edge_of_input(input)) || (input->producer != NULL && input->producer->needed));
        }
    }
}
/* A copy for inspection: sharing the buffer would change what may be added into in place, and with it the last bits. */
static void keep_gradient(ag_node *node, int i)
{
    const ag_value *g = node->pending_grad[i], *v = node->output[i];
    ag_value *copy = ag_value_new(ag_current, false);
    ag_shape shape = ag_value_shape_of(v);
    if (copy != NULL && ag_value_shape(copy, (ag_dtype)v->dtype, &shape) && ag_value_allocate(copy)) {
        if (g != NULL) {
            ag_array_copy(ag_value_array(copy), ag_value_array(g));
        } else { /* zeros that were not computed */
            ag_array_fill(ag_value_array(copy), 0);
        }
        ag_pending_set(&node->kept->grad[i], copy);
    }
    if (copy != NULL) {
        ag_value_hide(copy);
        ag_value_unref(copy);
    }
}

/* Hooks, retained and kept gradients: what is done with a gradient when it is complete. */
static void gradient_is_complete(ag_sweep *s, ag_node *node, int i)
{
    ag_value *v = node->output[i];
    if (AG_UNLIKELY(node->hooks != NULL)) {
        ag_hooks_run(node->hooks, i, &node->pending_grad[i], node->where);
    }
    if (node->pending_grad[i] == NULL) {
        return;
    }
    if (AG_UNLIKELY(v->retain_grad) && v->producer == node && s->accumulate) {
        ag_add_to_leaf(s, v, node->pending_grad[i]);
    }
    if (AG_UNLIKELY(node->kept != NULL) && !s->ctx->inspecting) {
        keep_gradient(node, i);
    }
}

bool ag_node_has_gradient(const ag_node *node)
{
    for (int i = 0; i < node->outputs; i++) {
        if (node->pending_grad[i] != NULL) {
            return true;
        }
    }
    return false;
}

/* Rules are linear in what arrives: zeros stay zeros. */
static void visit_with_zeros(ag_sweep *s, ag_node *node)
{
    s->node = node;
    for (int i = 0; AG_UNLIKELY(node->kept != NULL) && !s->ctx->inspecting && i < node->outputs; i++) {
        keep_gradient(node, i);
    }
    for (int i = 0; i < node->inputs; i++) {
        ag_sweep_zero(s, i);
    }
    if (!s->retain && ag_error_code() == AG_OK) {
        ag_node_free(node, s->where);
    }
}

static void visit_with_gradient(ag_sweep *s, ag_node *node)
{
    ag_context *ctx = s->ctx;
    ag_label *label = ctx->label;
    ag_place caller = ag_caller_set(node->where);
    ag_frame frame = ag_frame_begin();
    s->node = node;
    ctx->label = node->label;
    for (int i = 0; i < node->outputs; i++) {
        gradient_is_complete(s, node, i);
    }
    double started = AG_UNLIKELY(node->kept != NULL) ? platform_seconds() : 0;
    if (AG_UNLIKELY(s->create && node->op->orders < 2)) {
        ag_sweep_fail(s, AG_ERROR_GRAD, "the operation has no second derivative; create_graph cannot go through it");
    } else if (AG_UNLIKELY(node->hooks != NULL && ag_hooks_of_node(node))) {
        ag_hooks_backward(s, node);
    } else if (ag_error_code() == AG_OK) {
        node->op->backward(s);
        ag_products_compute(ctx);
    }
    if (AG_UNLIKELY(node->kept != NULL)) {
        node->kept->backward = platform_seconds() - started;
    }
    ag_sweep_give_back(node);
    ag_frame_end_n(frame, 0, NULL);
    for (int i = 0; i < node->outputs; i++) {
        if ((node->targets >> i & 1) == 0) {
            ag_pending_drop(&node->pending_grad[i]);
        }
    }
    ctx->label = label;
    ag_caller_set(caller);
    if (!s->retain && ag_error_code() == AG_OK) {
        ag_node_free(node, s->where);
    }
}

void ag_sweep_visit(ag_sweep *s, ag_node *node)
{
    node->pending = false;
    s->remaining--;
    if (AG_UNLIKELY(!ag_node_has_gradient(node))) {
        visit_with_zeros(s, node);
    } else {
        visit_with_gradient(s, node);
    }
}

ag_node *ag_sweep_next(ag_sweep *s, int64_t last)
{
    for (; s->remaining > 0 && s->at >= last; s->at--) {
        ag_node *node = s->ctx->node[s->at];
        if (node->pending) {
            return node;
        }
    }
    return NULL;
}

/* Visits the nodes from `first` down to `last` that a gradient has reached. */
static void sweep_over(ag_sweep *s, int64_t first, int64_t last)
{
    ag_node *node;
    s->at = first;
    while (ag_error_code() == AG_OK && (node = ag_sweep_next(s, last)) != NULL) {
        ag_sweep_visit(s, node);
    }
}

bool ag_sweep_probe(ag_context *ctx, ag_node *node, ag_value *const *dy, ag_value **collected)
{
    ag_sweep s = {.ctx = ctx, .node = node, .where = node->where, .accumulate = true, .probe = true, .collected = collected};
    ag_value *waiting[AG_OP_MAX_OUTPUTS];
    ag_label *label = ctx->label;
    ag_place caller = ag_caller_set(node->where);
    ag_frame frame = ag_frame_begin();
    for (int i = 0; i < node->outputs; i++) {
        waiting[i] = node->pending_grad[i];
        node->pending_grad[i] = NULL;
        if (dy[i] != NULL) {
            ag_pending_set(&node->pending_grad[i], dy[i]);
        }
    }
    for (int i = 0; i < node->inputs; i++) {
        collected[i] = NULL;
    }
    ctx->label = node->label;
    ag_sweep_resume(&s);
    if (ag_node_has_gradient(node)) {
        node->op->backward(&s);
    } else {
        for (int i = 0; i < node->inputs; i++) {
            ag_sweep_zero(&s, i);
        }
    }
    ag_sweep_give_back(node);
    ag_sweep_pause(&s);
    ag_frame_end_n(frame, 0, NULL);
    for (int i = 0; i < node->outputs; i++) {
        ag_pending_drop(&node->pending_grad[i]);
        node->pending_grad[i] = waiting[i];
    }
    bool known = !s.opaque && ag_error_code() == AG_OK;
    for (int i = 0; !known && i < node->inputs; i++) {
        ag_pending_drop(&collected[i]);
    }
    ctx->label = label;
    ag_caller_set(caller);
    return known;
}

/* After an error: what was on its way is let go. */
static void forget_pending(const ag_context *ctx, int64_t first, int64_t last)
{
    for (int64_t i = first; i >= last; i--) {
        ag_node *node = ctx->node[i];
        node->pending = false;
        for (int j = 0; j < node->outputs; j++) {
            ag_pending_drop(&node->pending_grad[j]);
        }
    }
}

/* The gradients of leaves with hooks are complete. */
static void finish_hooked_leaves(ag_sweep *s, bool abandoned)
{
    for (int64_t i = 0; i < s->ctx->hooked_count; i++) {
        ag_value *leaf = ag_peek(ag_tensor_of_id(s->ctx->hooked[i]));
        if (leaf == NULL) {
            continue;
        }
        if (ag_error_code() == AG_OK && !abandoned) {
            ag_hooks_run(leaf->hooks, 0, &leaf->pending, s->where);
        }
        if (s->accumulate && !abandoned && leaf->pending != NULL && ag_error_code() == AG_OK) {
            ag_add_to_leaf(s, leaf, leaf->pending);
        }
        if (!leaf->target) {
            ag_pending_drop(&leaf->pending);
        }
    }
    s->ctx->hooked_count = 0;
}

void ag_sweep_resume(ag_sweep *s)
{
    s->grad = s->ctx->grad;
    s->ctx->grad = s->create;
    s->ctx->in_backward++;
}

void ag_sweep_pause(ag_sweep *s)
{
    s->ctx->in_backward--;
    s->ctx->grad = s->grad;
}

void ag_sweep_finish(ag_sweep *s, bool abandoned)
{
    ag_context *ctx = s->ctx;
    finish_hooked_leaves(s, abandoned);
    ag_sweep_pause(s);
    if (ag_error_code() == AG_OK && !abandoned) {
        return;
    }
    forget_pending(ctx, s->start, 0);
    for (int64_t i = 0; i < ctx->touched_count; i++) {
        ag_value *leaf = ag_peek(ag_tensor_of_id(ctx->touched[i]));
        if (leaf != NULL) {
            leaf->grad_failed = true;
        }
    }
}

/* ---- checkpointed blocks --------------------------------------------------------------------------------------------------------- */

void ag_sweep_through(ag_sweep *s, ag_tensor y, ag_tensor dy, int64_t mark)
{
    ag_context *ctx = s->ctx;
    ag_node *node = s->node;
    bool retain = s->retain;
    ag_value **collected = s->collected;
    int64_t end = ctx->nodes - 1, at = s->at;
    if (s->probe) {
        s->opaque = true;
        return;
    }
    const ag_value *v = ag_resolve(node->where, "ag_checkpoint", y), *g = ag_resolve(node->where, "ag_checkpoint", dy);
    if (v == NULL || g == NULL) {
        return;
    }
    if (!s->accumulate) {
        ag_sweep_mark_needed(ctx, mark, end);
    }
    struct ag_edge e = ag_edge_of_value(ag_peek(y));
    s->retain = s->create;
    s->collected = NULL;
    ag_sweep_contribute(s, e, ag_peek(dy));
    sweep_over(s, end, mark);
    if (ag_error_code() != AG_OK) {
        forget_pending(ctx, end, mark);
    }
    s->retain = retain;
    s->collected = collected;
    s->at = at;
    s->node = node;
}
