/*
 * Hooks: functions that see, and may replace, gradients on their way. The sweep (sweep.c) runs them.
 */
#include <stdlib.h>
#include <string.h>

#include "backward.h"
#include "sweep.h"

static ag_hook_id append(ag_place where, ag_hook_entry **list, ag_hook_entry entry)
{
    static atomic_uint_fast64_t last;
    ag_hook_entry *h = malloc(sizeof(*h));
    if (h == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_register_hook: out of memory");
        return 0;
    }
    *h = entry;
    h->id = (uint64_t)atomic_fetch_add(&last, 1) + 1;
    while (*list != NULL) {
        list = &(*list)->next;
    }
    *list = h;
    return h->id;
}

static ag_value *hookable(ag_place where, const char *function, ag_tensor t, bool given)
{
    ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, function, t);
    if (v == NULL) {
        return NULL;
    }
    if (!given) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the function is NULL", function);
        return NULL;
    }
    if (!v->requires_grad) {
        ag_error_raise(where, AG_ERROR_GRAD, "%s: the tensor does not require a gradient", function);
        return NULL;
    }
    if (v->producer != NULL && v->producer->state == AG_NODE_FREED) {
        ag_error_raise(where, AG_ERROR_GRAD, "%s: the graph of the tensor was freed by a backward", function);
        return NULL;
    }
    return v;
}

ag_hook_id ag_register_hook_at(ag_place where, ag_tensor t, ag_hook hook, void *user)
{
    ag_value *v = hookable(where, "ag_register_hook", t, hook != NULL);
    if (v == NULL) {
        return 0;
    }
    ag_hook_entry entry = {.tensor_hook = hook, .user = user, .output = v->producer != NULL ? v->output : 0};
    return append(where, v->producer != NULL ? &v->producer->hooks : &v->hooks, entry);
}

ag_hook_id ag_register_node_hook_at(ag_place where, ag_tensor t, ag_node_hook hook, void *user)
{
    ag_value *v = hookable(where, "ag_register_node_hook", t, hook != NULL);
    if (v == NULL) {
        return 0;
    }
    if (v->producer == NULL) {
        ag_error_raise(where, AG_ERROR_GRAD, "ag_register_node_hook: the tensor is a leaf: no operation made it");
        return 0;
    }
    ag_hook_entry entry = {.node_hook = hook, .user = user, .output = AG_OP_MAX_OUTPUTS};
    return append(where, &v->producer->hooks, entry);
}

static bool take_out(ag_hook_entry **list, ag_hook_id id)
{
    for (; *list != NULL; list = &(*list)->next) {
        if ((*list)->id == id) {
            ag_hook_entry *h = *list;
            *list = h->next;
            free(h);
            return true;
        }
    }
    return false;
}

void ag_remove_hook_at(ag_place where, ag_tensor t, ag_hook_id id)
{
    ag_context *ctx = ag_context_get();
    if (ctx == NULL || id == 0) {
        return;
    }
    if (ctx->in_backward > 0) {
        ag_error_raise(where, AG_ERROR_STATE, "ag_remove_hook: a backward is running");
        return;
    }
    ag_value *v = ag_is_none(t) || ag_is_nil(t) ? NULL : ag_peek(t);
    if (v == NULL || take_out(&v->hooks, id) || (v->producer != NULL && take_out(&v->producer->hooks, id))) {
        return;
    }
    for (int64_t i = ctx->nodes - 1; i >= 0; i--) { /* the tensor was changed in place since */
        if (take_out(&ctx->node[i]->hooks, id)) {
            return;
        }
    }
}

/* ---- running them ------------------------------------------------------------------------------------------------------- */

/* Gives the gradient in *slot to a tensor's hooks, one after the other, and keeps what they make of it. */
void ag_hooks_run(ag_hook_entry *hooks, int output, ag_value **slot, ag_place where)
{
    for (ag_hook_entry *h = hooks; h != NULL && *slot != NULL && ag_error_code() == AG_OK; h = h->next) {
        if (h->tensor_hook == NULL || h->output != output) {
            continue;
        }
        ag_value *g = *slot;
        uint32_t version = g->storage->version;
        bool borrowed = ag_value_borrow(g);
        ag_tensor other = h->tensor_hook(ag_handle(g), h->user);
        if (borrowed) {
            ag_value_hide(g);
        }
        if (g->storage->version != version) {
            ag_error_raise(where, AG_ERROR_GRAD, "a hook changed the gradient in place, which others may share; it must "
                                                 "return another tensor");
            return;
        }
        if (ag_is_none(other) || ag_error_code() != AG_OK) {
            continue;
        }
        ag_value *r = ag_resolve(where, "the result of a hook", other);
        char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
        if (r == NULL) {
            return;
        }
        if (r->dtype != g->dtype || !ag_shape_equal(ag_value_shape_of(r), ag_value_shape_of(g))) {
            ag_error_raise(where, AG_ERROR_SHAPE, "a hook returned %s %s for a gradient that is %s %s",
                           ag_dtype_name((ag_dtype)r->dtype), ag_shape_format(ag_value_shape_of(r), a, sizeof(a)),
                           ag_dtype_name((ag_dtype)g->dtype), ag_shape_format(ag_value_shape_of(g), b, sizeof(b)));
            return;
        }
        if (r != g) {
            ag_pending_set(slot, r);
        }
    }
}

static ag_tensor borrow_grad(ag_value *g, bool *borrowed)
{
    *borrowed = g != NULL && ag_value_borrow(g);
    return g == NULL ? AG_NONE : ag_handle(g);
}

/* Gives what the rule contributed to the node's hooks, one after the other; a hook may put other tensors in its place. */
static void run_node_hooks(ag_sweep *s, ag_node *node)
{
    int n = node->inputs;
    size_t tensors = (size_t)n * sizeof(ag_tensor);
    ag_storage *room = ag_storage_new(tensors + (size_t)n * sizeof(bool));
    if (room == NULL) {
        return;
    }
    ag_tensor *in = room->data, out[AG_OP_MAX_OUTPUTS];
    bool *borrowed = (bool *)((char *)room->data + tensors), out_borrowed[AG_OP_MAX_OUTPUTS];
    for (ag_hook_entry *h = node->hooks; h != NULL && ag_error_code() == AG_OK; h = h->next) {
        if (h->node_hook == NULL) {
            continue;
        }
        for (int i = 0; i < n; i++) {
            in[i] = borrow_grad(s->collected[i], &borrowed[i]);
        }
        for (int i = 0; i < node->outputs; i++) {
            out[i] = borrow_grad(node->pending_grad[i], &out_borrowed[i]);
        }
        h->node_hook(n, in, node->outputs, out, h->user);
        for (int i = 0; i < node->outputs; i++) {
            if (out_borrowed[i]) {
                ag_value_hide(node->pending_grad[i]);
            }
        }
        for (int i = 0; i < n; i++) {
            ag_value *g = s->collected[i], *r = g;
            if (g != NULL && in[i].id != ag_handle(g).id && ag_error_code() == AG_OK) {
                r = ag_resolve(node->where, "the result of a hook", in[i]);
            }
            if (r != NULL && r != g && (r->dtype != g->dtype || !ag_shape_equal(ag_value_shape_of(r), ag_value_shape_of(g)))) {
                ag_error_raise(node->where, AG_ERROR_SHAPE, "a hook of ag_%s put a gradient of another shape or type in the "
                                                            "place of input %d's", node->op->name, i);
            }
            if (borrowed[i]) {
                ag_value_hide(g);
            }
            if (r != NULL && r != g && ag_error_code() == AG_OK) {
                ag_pending_set(&s->collected[i], r);
            }
        }
    }
    ag_storage_release(room);
}

/* The rule, with its contributions shown to the node's hooks before they go on. */
void ag_hooks_backward(ag_sweep *s, ag_node *node)
{
    ag_storage *room = ag_storage_new((size_t)node->inputs * sizeof(ag_value *));
    if (room == NULL) {
        return;
    }
    ag_value **outer = s->collected;
    memset(room->data, 0, (size_t)node->inputs * sizeof(ag_value *));
    s->collected = room->data;
    node->op->backward(s);
    ag_sweep_give_back(node);
    if (ag_error_code() == AG_OK) {
        run_node_hooks(s, node);
    }
    ag_value **collected = s->collected;
    s->collected = outer;
    for (int i = 0; i < node->inputs; i++) {
        if (collected[i] != NULL && ag_error_code() == AG_OK) {
            ag_sweep_contribute(s, ag_edge_of_input(&node->input[i]), collected[i]);
        }
        ag_pending_drop(&collected[i]);
    }
    ag_storage_release(room);
}

bool ag_hooks_of_node(const ag_node *node)
{
    const ag_hook_entry *h = node->hooks;
    while (h != NULL && h->node_hook == NULL) {
        h = h->next;
    }
    return h != NULL;
}
