/*
 * ag_backward and ag_grad: where a sweep begins, what it may not go through, and what it leaves. The sweep itself is in sweep.c.
 */
#include "backward.h"

#include "ops/ops.h"
#include "sweep.h"

#define DEFAULTS 0x62776431u

ag_backward_config ag_backward_defaults(void)
{
    ag_backward_config config = {DEFAULTS, AG_NONE, false, false, false};
    return config;
}

/* Why a result has no history, in words. */
static void no_history(ag_place where, const char *function, const ag_value *v)
{
    const char *why = "nothing it was computed from requires a gradient";
    switch ((enum ag_reason)v->reason) {
    case AG_REASON_CONSTANT:
        break;
    case AG_REASON_NO_GRAD:
        why = "it was computed in the no_grad scope opened";
        break;
    case AG_REASON_DETACHED:
        why = "it comes from a tensor that was detached or kept";
        break;
    case AG_REASON_NO_RULE:
        why = "it comes from an operation that is not differentiable";
        break;
    }
    if (v->reason == AG_REASON_CONSTANT || v->reason_where.file == NULL) {
        ag_error_raise(where, AG_ERROR_GRAD, "%s: the tensor does not require a gradient: %s", function, why);
    } else {
        ag_error_raise(where, AG_ERROR_GRAD, "%s: the tensor does not require a gradient: %s at %s:%d", function, why,
                       v->reason_where.file, v->reason_where.line);
    }
}

/* The gradient of the output itself; NULL after raising. */
static ag_value *cotangent(ag_place where, const char *function, const ag_value *output, ag_tensor given)
{
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    if (ag_is_none(given)) {
        if (output->numel != 1) {
            ag_error_raise(where, AG_ERROR_SHAPE,
                           "%s: the tensor has shape %s; without a cotangent it must have one element", function,
                           ag_shape_format(ag_value_shape_of(output), a, sizeof(a)));
            return NULL;
        }
        ag_tensor one = ag_ones_at(where, ag_value_shape_of(output), (ag_dtype)output->dtype);
        return ag_is_nil(one) ? NULL : ag_peek(one);
    }
    ag_value *g = ag_resolve(where, function, given);
    if (g == NULL) {
        return NULL;
    }
    if (g->dtype != output->dtype || !ag_shape_equal(ag_value_shape_of(g), ag_value_shape_of(output))) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: the cotangent is %s %s, the output %s %s", function,
                       ag_dtype_name((ag_dtype)g->dtype), ag_shape_format(ag_value_shape_of(g), a, sizeof(a)),
                       ag_dtype_name((ag_dtype)output->dtype),
                       ag_shape_format(ag_value_shape_of(output), b, sizeof(b)));
        return NULL;
    }
    return g;
}

static ag_value *check_output(ag_place where, const char *function, ag_tensor output, const ag_backward_config *config)
{
    if (ag_error_code() != AG_OK) {
        return NULL;
    }
    if (config->made_by_defaults != DEFAULTS) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the config does not come from ag_backward_defaults()", function);
        return NULL;
    }
    const ag_context *ctx = ag_context_get();
    ag_value *v = ag_resolve_own(where, function, output);
    if (v == NULL || ctx == NULL) {
        return NULL;
    }
    if (ctx->in_backward > 0 || ctx->stepping != NULL || ctx->scopes == 0) {
        ag_error_raise(where, AG_ERROR_STATE, ctx->scopes == 0 ? "%s: no scope is open" :
                       ctx->in_backward > 0 ? "%s: a backward is running" : "%s: a backward is being stepped through", function);
        return NULL;
    }
    if (!v->requires_grad) {
        no_history(where, function, v);
        return NULL;
    }
    if (ag_value_stale(v)) {
        ag_value_renew(v, true);
    }
    return v;
}

bool ag_sweep_begin(ag_sweep *s, ag_place where, const char *function, ag_tensor output, const ag_backward_config *config)
{
    ag_value *v = check_output(where, function, output, config);
    if (v == NULL) {
        return false;
    }
    if (config->create_graph) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: create_graph is for ag_grad(), which returns the gradients", function);
        return false;
    }
    *s = (ag_sweep){.ctx = ag_current, .where = where, .accumulate = true, .retain = config->retain_graph};
    s->start = s->at = v->producer == NULL ? -1 : v->producer->index;
    s->ctx->touched_count = 0;
    ag_frame frame = ag_frame_begin();
    ag_place caller = ag_caller_set(where);
    ag_value *g = cotangent(where, function, v, config->cotangent);
    if (g != NULL) {
        ag_sweep_contribute(s, ag_edge_of_value(v), g);
    }
    ag_caller_set(caller);
    ag_frame_end_n(frame, 0, NULL);
    return g != NULL;
}

/* From where it stands to the end. */
static void run(ag_sweep *s)
{
    ag_node *node;
    ag_sweep_resume(s);
    while (ag_error_code() == AG_OK && (node = ag_sweep_next(s, 0)) != NULL) {
        if (AG_UNLIKELY(s->see != NULL)) {
            s->see(node, s->see_user);
        }
        ag_sweep_visit(s, node);
    }
    ag_sweep_finish(s, false);
}

ag_error ag_backward_with_at(ag_place where, ag_tensor output, ag_backward_config config)
{
    ag_sweep s;
    if (ag_sweep_begin(&s, where, "ag_backward", output, &config)) {
        ag_place caller = ag_caller_set(where);
        run(&s);
        ag_caller_set(caller);
    }
    return ag_error_code();
}

ag_error ag_backward_at(ag_place where, ag_tensor loss)
{
    return ag_backward_with_at(where, loss, ag_backward_defaults());
}
/* A freed node that `output` depends on: what lay below it is not known any more. NULL if there is none. */
static const ag_node *freed_below(const ag_context *ctx, const ag_value *output)
{
    if (output->producer == NULL) {
        return NULL;
    }
    int64_t start = output->producer->index;
    for (int64_t i = 0; i <= start; i++) {
        ctx->node[i]->needed = i == start;
    }
    for (int64_t i = start; i >= 0; i--) {
        const ag_node *node = ctx->node[i];
        if (node->needed && node->state == AG_NODE_FREED && !(node->kept != NULL && ctx->inspecting)) {
            return node;
        }
        for (int j = 0; node->needed && j < node->inputs; j++) {
            const struct ag_node_input *input = &node->input[j];
            if (input->value != NULL && input->wants && input->producer != NULL) {
                input->producer->needed = true;
            }
        }
    }
    return NULL;
}

static void set_target(struct ag_edge e, bool on)
{
    if (e.producer == NULL) {
        e.value->target = on;
    } else if (on) {
        e.producer->targets |= (uint8_t)(1u << e.output);
    } else {
        e.producer->targets &= (uint8_t)~(1u << e.output);
    }
}

/* Makes the gradient that was captured a result of the innermost scope. */
static ag_tensor hand_out(ag_context *ctx, ag_value *p)
{
    if (!p->listed) { /* it left the list with the frame of the rule that made it */
        ag_value_ref(p);
        p->visible++;
        ag_made_push(ctx, p);
    }
    return ag_handle(p);
}

ag_error ag_grad_seen(ag_place where, ag_tensor output, int n, const ag_tensor *inputs, ag_tensor *gradients,
                      ag_backward_config config, void (*see)(ag_node *node, void *user), void *user)
{
    for (int i = 0; i < n; i++) {
        gradients[i] = AG_NIL;
    }
    ag_value *v = check_output(where, "ag_grad", output, &config);
    for (int i = 0; v != NULL && i < n; i++) {
        ag_value *x = ag_resolve_own(where, "ag_grad", inputs[i]);
        if (x != NULL && !x->requires_grad) {
            no_history(where, "ag_grad", x);
        }
        if (ag_error_code() != AG_OK) {
            return ag_error_code();
        }
    }
    if (v == NULL) {
        return ag_error_code();
    }
    ag_storage *room = ag_storage_new(((size_t)n + 1) * sizeof(struct ag_edge)); /* a view's producer may change on the way */
    if (room == NULL) {
        return ag_error_code();
    }
    struct ag_edge *edges = room->data, end = ag_edge_of_value(v);
    ag_sweep s = {.ctx = ag_current, .where = where, .create = config.create_graph,
                  .retain = config.retain_graph || config.create_graph, .see = see, .see_user = user};
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    s.ctx->touched_count = 0;
    ag_value *g = cotangent(where, "ag_grad", v, config.cotangent);
    const ag_node *freed = freed_below(s.ctx, v); /* asked now, as the sweep frees, too */
    for (int i = 0; i < n; i++) {
        edges[i] = ag_edge_of_value(ag_peek(inputs[i]));
        set_target(edges[i], true);
    }
    if (g != NULL) {
        s.start = s.at = end.producer == NULL ? -1 : end.producer->index;
        ag_sweep_mark_needed(s.ctx, 0, s.start);
        ag_sweep_contribute(&s, end, g);
        run(&s);
    }
    for (int i = 0; i < n; i++) {
        const ag_value *x = edges[i].value;
        ag_value **slot = ag_edge_slot(edges[i]);
        if (edges[i].producer != NULL && !edges[i].producer->needed && ag_edge_is_target(edges[i]) && ag_error_code() == AG_OK) {
            /* Its node was not visited, which is where hooks are run. */
            bool grad = s.ctx->grad;
            s.ctx->grad = s.create;
            s.ctx->in_backward++;
            ag_hooks_run(edges[i].producer->hooks, edges[i].output, slot, where);
            s.ctx->in_backward--;
            s.ctx->grad = grad;
        }
        set_target(edges[i], false);
        if (ag_error_code() != AG_OK) {
            continue;
        }
        if (*slot == NULL && freed != NULL) {
            ag_graph_was_freed(where, "ag_grad", freed);
        } else if (*slot == NULL && !config.allow_unused) {
            ag_error_raise(where, AG_ERROR_GRAD,
                           "ag_grad: input %d%s%s was not used to compute the output; allow_unused permits that", i,
                           x->name != NULL ? ", " : "", x->name != NULL ? x->name : "");
        } else {
            gradients[i] = *slot == NULL ? AG_NONE : hand_out(s.ctx, *slot);
        }
    }
    for (int i = 0; i < n; i++) {
        ag_pending_drop(ag_edge_slot(edges[i]));
        if (ag_error_code() != AG_OK) {
            gradients[i] = AG_NIL;
        }
    }
    ag_pending_drop(ag_edge_slot(end));
    ag_storage_release(room);
    ag_frame_end_n(frame, n, gradients);
    ag_caller_set(caller);
    return ag_error_code();
}

ag_error ag_grad_at(ag_place where, ag_tensor output, int n, const ag_tensor *inputs, ag_tensor *gradients,
                    ag_backward_config config)
{
    return ag_grad_seen(where, output, n, inputs, gradients, config, NULL, NULL);
}
