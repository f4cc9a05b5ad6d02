/*
 * Hooks: functions that see, and may replace, gradients on their way. They are run by the sweep (backward.c).
 */
#include <stdlib.h>

#include "backward.h"
#include "internal.h"

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
