/*
 * Forward again: the operations of the tape applied once more to what their inputs are now.
 */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include "../ops/ops.h"
#include "survey.h"

static ag_replay nil_replay = {.nil = true};

ag_replay *ag_replay_new_at(ag_place where, ag_tensor output)
{
    ag_context *ctx = ag_context_get();
    const ag_value *v = ctx == NULL || ag_error_code() != AG_OK ? NULL : ag_resolve_own(where, "ag_replay_new", output);
    if (v == NULL) {
        return &nil_replay;
    }
    ag_replay *r = calloc(1, sizeof(*r));
    if (r != NULL) {
        r->wanted = ag_tape_cone(where, "ag_replay_new", ctx, v);
        r->value = calloc(((size_t)ctx->nodes + 1) * AG_OP_MAX_OUTPUTS, sizeof(ag_value *));
    }
    if (r == NULL || r->wanted == NULL || r->value == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_replay_new: out of memory");
        if (r != NULL) {
            free(r->wanted);
            free(r->value);
            free(r);
        }
        return &nil_replay;
    }
    r->ctx = ctx;
    r->last = v->producer == NULL ? -1 : v->producer->index;
    for (int i = ctx->scopes - 1; i >= 0 && r->scope == 0; i--) {
        r->scope = ctx->scope[i].nodes <= r->last || i == 0 ? ctx->scope[i].serial : 0;
    }
    while (r->next <= r->last && !r->wanted[r->next]) {
        r->next++;
    }
    r->first = r->next;
    return r;
}

/* Whether the tape is there still: its nodes are gone with their scope. */
static bool open(const ag_replay *r)
{
    const ag_context *ctx = r->ctx;
    if (r->nil || ctx != ag_current) {
        return false;
    }
    for (int i = 0; i < ctx->scopes; i++) {
        if (ctx->scope[i].serial == r->scope) {
            return true;
        }
    }
    return false;
}

void ag_replay_free(ag_replay *r)
{
    if (r->nil) {
        return;
    }
    for (int64_t k = 0; k <= r->last; k++) {
        for (int i = 0; i < AG_OP_MAX_OUTPUTS; i++) {
            ag_held_drop(&r->value[k * AG_OP_MAX_OUTPUTS + i]);
        }
    }
    for (int i = 0; i < r->sets; i++) {
        ag_held_drop(&r->set[i].leaf);
        ag_held_drop(&r->set[i].value);
    }
    free(r->set);
    free(r->value);
    free(r->wanted);
    free(r);
}

/* What stands for the input now; NULL if its bytes are gone. */
static ag_value *source(const ag_replay *r, const struct ag_node_input *input)
{
    const ag_node *producer = input->producer;
    for (int i = 0; i < r->sets; i++) {
        const struct ag_edge *e = &r->set[i].edge;
        if (e->producer == producer && (producer != NULL ? e->output == input->output : e->value == input->value)) {
            return r->set[i].value;
        }
    }
    if (producer != NULL && r->wanted[producer->index]) {
        return r->value[producer->index * AG_OP_MAX_OUTPUTS + input->output];
    }
    return ag_value_there(input->value) ? input->value : NULL;
}

bool ag_replay_take(const ag_replay *r, ag_value **slot, ag_value *v)
{
    if (!r->wide || v->dtype != AG_FLOAT32) {
        ag_held_set(slot, v);
        return true;
    }
    bool borrowed = ag_value_borrow(v);
    ag_tensor wide = ag_cast(ag_handle(v), AG_FLOAT64);
    if (borrowed) {
        ag_value_hide(v);
    }
    if (ag_is_nil(wide)) {
        return false;
    }
    ag_held_set(slot, ag_peek(wide));
    return true;
}

/* Applies the operation to what is held in `in`. */
static bool apply(ag_replay *r, const ag_node *node, ag_value **in, ag_tensor *inputs)
{
    ag_tensor out[AG_OP_MAX_OUTPUTS];
    bool *borrowed = (bool *)(inputs + node->inputs);
    for (int i = 0; i < node->inputs; i++) {
        borrowed[i] = in[i] != NULL && ag_value_borrow(in[i]);
        inputs[i] = in[i] == NULL ? AG_NONE : ag_handle(in[i]);
    }
    ag_tensor y = ag_apply(node->where, node->op, node->inputs, inputs, node->params, out);
    for (int i = 0; i < node->inputs; i++) {
        if (borrowed[i]) {
            ag_value_hide(in[i]);
        }
    }
    bool ok = !ag_is_nil(y);
    for (int i = 0; ok && i < node->outputs; i++) {
        ok = ag_replay_take(r, &r->value[node->index * AG_OP_MAX_OUTPUTS + i], ag_peek(out[i]));
    }
    return ok;
}

bool ag_replay_compute(ag_replay *r, int64_t k)
{
    ag_context *ctx = r->ctx;
    const ag_node *node = ctx->node[k];
    size_t n = (size_t)node->inputs + 1;
    ag_value **in = calloc(n, sizeof(ag_value *) + sizeof(ag_tensor) + sizeof(bool));
    if (in == NULL) {
        ag_error_raise(node->where, AG_ERROR_MEMORY, "ag_replay: out of memory");
        return false;
    }
    ag_tensor *inputs = (ag_tensor *)(in + n);
    bool grad = ctx->grad, anomaly = ctx->anomaly, ok = node->output[0] != NULL;
    int replay_depth = ctx->replay_depth;
    ag_frame frame = ag_frame_begin();
    ctx->grad = ctx->anomaly = false;
    ctx->replaying++;
    ctx->replay_depth = ctx->scopes;
    if (!ok) {
        ag_error_raise(node->where, AG_ERROR_STATE, "ag_replay: node %lld, %s, was freed by a backward; ag_retain_tape() keeps it",
                       (long long)k, node->op->name);
    }
    for (int i = 0; ok && i < node->inputs; i++) {
        ag_value *v = node->input[i].value == NULL ? NULL : source(r, &node->input[i]);
        if (node->input[i].value == NULL) {
            continue;
        }
        if (v == NULL) {
            ag_error_raise(node->where, AG_ERROR_LIFETIME, "ag_replay: input %d of node %lld, %s, is released; ag_retain_tape() keeps "
                           "it", i, (long long)k, node->op->name);
        }
        ok = v != NULL && ag_replay_take(r, &in[i], v);
    }
    ok = ok && apply(r, node, in, inputs);
    for (int i = 0; i < node->inputs; i++) {
        ag_held_drop(&in[i]);
    }
    ctx->replay_depth = replay_depth;
    ctx->replaying--;
    ctx->grad = grad;
    ctx->anomaly = anomaly;
    ag_frame_end_n(frame, 0, NULL);
    free(in);
    return ok;
}

bool ag_replay_put(ag_replay *r, struct ag_edge e, ag_value *value)
{
    int i = 0;
    while (i < r->sets && (r->set[i].edge.producer != e.producer || r->set[i].edge.output != e.output ||
                           (e.producer == NULL && r->set[i].edge.value != e.value))) {
        i++;
    }
    if (i == r->sets) {
        void *grown = realloc(r->set, ((size_t)r->sets + 1) * sizeof(*r->set));
        if (grown == NULL) {
            ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "ag_replay_set: out of memory");
            return false;
        }
        r->set = grown;
        r->set[r->sets++] = (struct ag_replay_set){e, NULL, NULL};
        if (e.producer == NULL) {
            ag_held_set(&r->set[i].leaf, e.value);
        }
    }
    ag_held_set(&r->set[i].value, value);
    return true;
}

ag_error ag_replay_set_at(ag_place where, ag_replay *r, ag_tensor t, ag_tensor value)
{
    if (ag_error_code() != AG_OK || r->nil) {
        return ag_error_code();
    }
    ag_value *v = ag_resolve_own(where, "ag_replay_set", t), *other = v == NULL ? NULL : ag_resolve_own(where, "ag_replay_set", value);
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    if (other == NULL) {
        return ag_error_code();
    }
    if (v->dtype != other->dtype || !ag_shape_equal(ag_value_shape_of(v), ag_value_shape_of(other))) {
        return ag_error_raise(where, AG_ERROR_SHAPE, "ag_replay_set: %s %s in the place of %s %s",
                              ag_dtype_name((ag_dtype)other->dtype), ag_shape_format(ag_value_shape_of(other), a, sizeof(a)),
                              ag_dtype_name((ag_dtype)v->dtype), ag_shape_format(ag_value_shape_of(v), b, sizeof(b)));
    }
    ag_replay_put(r, ag_edge_of_value(v), other);
    return ag_error_code();
}

int64_t ag_replay_node(const ag_replay *r)
{
    return !open(r) || r->next > r->last ? -1 : r->next;
}

int64_t ag_replay_step(ag_replay *r)
{
    if (!open(r)) {
        if (!r->nil) {
            ag_error_raise(ag_caller(), AG_ERROR_STATE, "ag_replay_step: the scope of the tape has ended");
        }
        return -1;
    }
    if (r->next > r->last || ag_error_code() != AG_OK) {
        return -1;
    }
    if (!ag_replay_compute(r, r->next)) {
        r->next = r->last;
    }
    do {
        r->next++;
    } while (r->next <= r->last && !r->wanted[r->next]);
    return ag_replay_node(r);
}

ag_error ag_replay_finish(ag_replay *r)
{
    while (ag_replay_node(r) >= 0 && ag_error_code() == AG_OK) {
        ag_replay_step(r);
    }
    return ag_error_code();
}

ag_tensor ag_replay_value_at(ag_place where, ag_replay *r, int64_t node, int i)
{
    if (r->nil || ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    if (node < 0 || node > r->last || i < 0 || i >= AG_OP_MAX_OUTPUTS) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_replay_value: node %lld, output %d: there are nodes 0 to %lld", (long long)node, i,
                       (long long)r->last);
        return AG_NIL;
    }
    const ag_value *v = r->value[node * AG_OP_MAX_OUTPUTS + i];
    return v == NULL ? AG_NONE : ag_value_copy_out(where, "ag_replay_value", v);
}
