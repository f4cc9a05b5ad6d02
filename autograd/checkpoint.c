/*
 * Checkpointing: a block's intermediate results are not kept for backward but computed anew from its inputs when backward comes
 * by. Chen, Xu, Zhang & Guestrin 2016.
 *
 * The first time, the block runs without recording, and what it uses from outside (weights, say) and what its generators give
 * out is written down. All of that becomes the inputs of one node. The node's rule runs the block again, recorded, at the end of
 * the tape, with the same inputs and the same random numbers, and the sweep goes through what was recorded. So the gradients,
 * also those that flow to weights, and gradients of gradients are those of the block without checkpointing.
 */
#include <stdlib.h>
#include <string.h>

#include "backward.h"
#include "draws.h"
#include "error_internal.h"
#include "internal.h"
#include "ops/ops.h"
#include "platform.h"

/* What a block uses that was there before. */
struct ag_watch {
    uint64_t birth; /* values that were born later are the block's own */
    int64_t count, capacity;
    struct watched {
        ag_value *value;
        uint32_t version; /* when it was first used */
    } *item;
    bool failed;
    struct ag_watch *outer;
};

struct checkpoint_params {
    ag_function function;
    void *user;
    int given; /* inputs that are handed to the function; then come the others, and the draws */
};

static bool is_watched(const struct ag_watch *w, const ag_value *v)
{
    for (int64_t i = 0; i < w->count; i++) {
        if (w->item[i].value == v) {
            return true;
        }
    }
    return false;
}

void ag_watch_input(struct ag_watch *w, ag_value *v)
{
    for (; w != NULL; w = w->outer) {
        if ((!v->persistent && v->birth > w->birth) || is_watched(w, v) || w->failed) {
            continue;
        }
        void *array = w->item;
        if (!ag_grow(&array, w->count, &w->capacity, sizeof(*w->item))) {
            w->failed = true;
            continue;
        }
        w->item = array;
        w->item[w->count++] = (struct watched){ag_value_ref(v), v->storage->version}; /* it may be dropped before backward */
    }
}

static void checkpoint_backward(ag_sweep *s)
{
    const struct checkpoint_params *p = ag_sweep_params(s);
    ag_context *ctx = ag_context_get();
    int n = ag_sweep_count(s);
    ag_storage *room = ag_storage_new((size_t)(p->given + 1) * sizeof(ag_tensor));
    if (room == NULL) {
        return;
    }
    ag_tensor *inputs = room->data, log = AG_NONE;
    for (int i = 0; i < n; i++) { /* all become readable; those that were changed since are refused */
        ag_tensor t = ag_sweep_input(s, i);
        if (i < p->given) {
            inputs[i] = t;
        }
        log = t;
    }
    bool recording = ag_sweep_recording(s);
    ag_draws draws = {.replay = true};
    if (ag_error_code() == AG_OK) {
        draws.count = ag_numel(log);
        draws.draw = ag_value_data(ag_peek(log));
        int depth = recording ? ctx->scopes : ag_scope_push(ctx, ag_caller()), replay_depth = ctx->replay_depth;
        struct ag_watch *watch = ctx->watch;
        int64_t mark = ctx->nodes;
        bool grad = ctx->grad;
        ctx->watch = NULL;
        ctx->replaying++;
        ctx->replay_depth = ctx->scopes;
        ctx->grad = true;
        ag_draws_begin(&draws);
        ag_tensor y = p->function(inputs, p->given, p->user);
        ag_draws_end(&draws);
        ctx->grad = grad;
        ctx->replay_depth = replay_depth;
        ctx->replaying--;
        ctx->watch = watch;
        ag_tensor dy = ag_sweep_grad(s, 0);
        char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
        if (ag_error_code() == AG_OK && (draws.failed || draws.next != draws.count)) {
            ag_sweep_fail(s, AG_ERROR_STATE, "the function drew %s random numbers than the first time",
                          draws.failed ? "more" : "fewer");
        } else if (ag_error_code() == AG_OK && (!ag_shape_equal(ag_shape_of(y), ag_shape_of(dy)) || ag_dtype_of(y) != ag_dtype_of(dy))) {
            ag_sweep_fail(s, AG_ERROR_SHAPE, "the function returned %s the first time and %s now",
                          ag_shape_format(ag_shape_of(dy), a, sizeof(a)), ag_shape_format(ag_shape_of(y), b, sizeof(b)));
        } else if (ag_error_code() == AG_OK && !ag_requires_grad(y)) {
            ag_sweep_fail(s, AG_ERROR_GRAD, "the function's result does not require a gradient now");
        } else if (ag_error_code() == AG_OK) {
            ag_sweep_through(s, y, dy, mark);
        }
        if (!recording) {
            ag_scope_pop(ctx, depth);
        }
    }
    ag_storage_release(room);
}

static bool checkpoint_shape(ag_call *call)
{
    return ag_call_fail(call, AG_ERROR_STATE, "it is applied by ag_checkpoint()");
}

/* Not in the table of operations: it computes nothing itself, and its samples are whole functions. */
static const struct ag_op op_checkpoint = {
    .size = sizeof(struct ag_op),
    .name = "checkpoint",
    .formula = "y = f(x), not kept",
    .derivative = "f is computed anew and its own rules apply",
    .inputs = AG_ANY_INPUTS,
    .outputs = 1,
    .saves = AG_SAVE_INPUT(0), /* of a variadic operation: all */
    .params = sizeof(struct checkpoint_params),
    .orders = AG_ORDERS_ANY,
    .shape = checkpoint_shape,
    .backward = checkpoint_backward,
};

static void set_input(ag_node *node, int i, ag_value *v)
{
    node->input[i] = (struct ag_node_input){.value = ag_value_ref(v), .producer = v->producer, .output = v->output,
                                            .version = v->storage->version, .wants = v->requires_grad, .saved = true};
    ag_value_save(v);
}

/* The node of a block that was computed; false after raising. */
static bool record(ag_context *ctx, ag_place where, const struct checkpoint_params *p, const ag_tensor *inputs,
                   const struct ag_watch *w, const ag_draws *draws, ag_value *y)
{
    ag_value *log = ag_value_in_scope(where, "ag_checkpoint", AG_INT64, AG_SHAPE(draws->count));
    for (int64_t i = 0; i < w->count; i++) {
        if (w->item[i].value->storage == NULL) {
            ag_error_raise(where, AG_ERROR_LIFETIME, "ag_checkpoint: the function released a tensor from outside that it used");
            return false;
        }
    }
    if (log == NULL) {
        return false;
    }
    memcpy(ag_value_data(log), draws->draw != NULL ? draws->draw : (uint64_t[1]){0}, (size_t)draws->count * sizeof(uint64_t));
    ag_node *node = ag_node_new(ctx, &op_checkpoint, p->given + (int)w->count + 1, p);
    if (node == NULL) {
        return false;
    }
    node->where = where;
    node->outputs = 1;
    for (int i = 0; i < p->given; i++) {
        set_input(node, i, ag_peek(inputs[i]));
    }
    for (int64_t i = 0; i < w->count; i++) {
        ag_value *v = w->item[i].value;
        set_input(node, p->given + (int)i, v);
        node->input[p->given + i].state = v->storage->version != w->item[i].version;
    }
    set_input(node, node->inputs - 1, log);
    node->output[0] = ag_value_ref(y);
    y->producer = node;
    y->output = 0;
    y->requires_grad = true;
    return true;
}

ag_tensor ag_checkpoint_at(ag_place where, ag_function function, void *user, int n, const ag_tensor *inputs)
{
    ag_context *ctx = ag_context_get();
    if (ctx == NULL || ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    if (function == NULL || n < 0 || (n > 0 && inputs == NULL)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_checkpoint: %s", function == NULL ? "the function is NULL" :
                       n < 0 ? "the number of inputs is negative" : "the inputs are NULL");
        return AG_NIL;
    }
    if (ctx->scopes == 0) {
        ag_error_raise(where, AG_ERROR_STATE, "ag_checkpoint: no scope is open");
        return AG_NIL;
    }
    double started = AG_UNLIKELY(ctx->retaining) ? platform_seconds() : 0;
    struct ag_watch watch = {.birth = ctx->births, .outer = ctx->watch};
    ag_draws draws = {0};
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    bool grad = ctx->grad, requires = false;
    for (int i = 0; i < n; i++) {
        const ag_value *x = ag_resolve(where, "ag_checkpoint", inputs[i]);
        requires = requires || (x != NULL && x->requires_grad);
    }
    ag_tensor y = AG_NIL;
    if (ag_error_code() == AG_OK) {
        ctx->grad = false;
        ctx->watch = &watch;
        ag_draws_begin(&draws);
        y = function(inputs, n, user);
        ag_draws_end(&draws);
        ctx->watch = watch.outer;
    }
    ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, "ag_checkpoint", y);
    for (int64_t i = 0; i < watch.count; i++) {
        requires = requires || watch.item[i].value->requires_grad;
    }
    bool own = v != NULL && !v->persistent && v->birth > watch.birth;
    if (v != NULL && (v->base != NULL || (v->view && own))) { /* a result of its own, whose history is this node */
        y = ag_clone(y);
        v = ag_is_nil(y) ? NULL : ag_peek(y);
    }
    ctx->grad = grad;
    if (v != NULL && (watch.failed || draws.failed)) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_checkpoint: out of memory");
    } else if (v != NULL && grad && requires && own && ag_dtype_is_float((ag_dtype)v->dtype)) {
        struct checkpoint_params p = {function, user, n};
        if (record(ctx, where, &p, inputs, &watch, &draws, v) && AG_UNLIKELY(ctx->retaining)) {
            ag_node_keep(ctx, v->producer, platform_seconds() - started);
        }
    }
    for (int64_t i = 0; i < watch.count; i++) {
        ag_value_unref(watch.item[i].value);
    }
    free(watch.item);
    free(draws.draw);
    y = ag_error_code() != AG_OK ? AG_NIL : y;
    ag_frame_end(frame, y);
    ag_caller_set(caller);
    return y;
}

bool ag_is_replaying(void)
{
    return ag_current != NULL && ag_current->replaying > 0;
}
