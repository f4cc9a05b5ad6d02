/*
 * The single function that applies an operation, and what shape and forward functions call. Knows no operation by name.
 */
#include "op.h"

#include <stdio.h>
#include <string.h>

#include "error_internal.h"
#include "call.h"
#include "platform.h"

int ag_call_count(const ag_call *call)
{
    return call->n;
}

bool ag_call_has(const ag_call *call, int i)
{
    return i < call->n && call->in[i] != NULL;
}

const ag_array *ag_call_input(const ag_call *call, int i)
{
    return ag_call_has(call, i) ? &call->in_array[i] : NULL;
}

const ag_array *ag_call_result(const ag_call *call, int i)
{
    return &call->out_array[i];
}

const void *ag_call_params(const ag_call *call)
{
    return call->params;
}

bool ag_call_recording(const ag_call *call)
{
    return call->recording;
}

int ag_call_threads(const ag_call *call)
{
    (void)call;
    return ag_threads();
}

void *ag_call_work(ag_call *call, size_t bytes)
{
    if (call->works == AG_CALL_WORKS) {
        ag_call_fail(call, AG_ERROR_MEMORY, "more than %d work buffers", AG_CALL_WORKS);
        return NULL;
    }
    ag_storage *storage = ag_storage_new(bytes);
    if (storage == NULL) {
        return NULL;
    }
    call->work[call->works++] = storage;
    return storage->data;
}

bool ag_call_replaying(const ag_call *call)
{
    return call->ctx->replaying > 0;
}

void ag_call_changed(ag_call *call, int i)
{
    ag_value_changed(call->in[i], call->where);
}

ag_shape ag_call_shape(const ag_call *call, int i)
{
    return ag_value_shape_of(call->in[i]);
}

const char *ag_call_shape_text(ag_call *call, int i)
{
    char *text = call->text[call->texts++ % AG_CALL_TEXTS];
    return ag_shape_format(ag_call_shape(call, i), text, AG_SHAPE_TEXT);
}

bool ag_call_fail(ag_call *call, ag_error code, const char *format, ...)
{
    char message[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (call->ctx->label->path[0] != '\0') {
        ag_error_raise(call->where, code, "ag_%s%s: %s, in %s", call->op->name,
                       call->in_place ? "_" : "", message, call->ctx->label->path);
    } else {
        ag_error_raise(call->where, code, "ag_%s%s: %s", call->op->name, call->in_place ? "_" : "",
                       message);
    }
    return false;
}

/* ---- declaring outputs --------------------------------------------------------------------------------------------------- */

static ag_value *declare(ag_call *call, int i, ag_dtype dtype, const ag_shape *shape)
{
    if (AG_UNLIKELY(i < 0 || i >= call->op->outputs || call->out[i] != NULL)) {
        ag_call_fail(call, AG_ERROR_STATE, "the shape rule declares output %d %s", i,
                     i < 0 || i >= call->op->outputs ? "of an operation that has fewer" : "twice");
        return NULL;
    }
    ag_value *v = ag_value_new(call->ctx, false);
    if (v == NULL) {
        return NULL;
    }
    if (AG_UNLIKELY(!ag_value_shape(v, dtype, shape))) {
        char text[AG_SHAPE_TEXT];
        ag_call_fail(call, AG_ERROR_SHAPE,
                     "the result %s would have more elements than memory can hold",
                     ag_shape_format(*shape, text, sizeof(text)));
        ag_value_unref(v);
        return NULL;
    }
    v->where = call->where;
    v->output = (uint8_t)i;
    call->out[i] = v;
    return v;
}

bool ag_call_output(ag_call *call, int i, ag_dtype dtype, ag_shape shape)
{
    ag_value *v = declare(call, i, dtype, &shape);
    return v != NULL && ag_value_allocate(v);
}

void ag_value_order_like(ag_value *v, const int64_t *stride)
{
    int order[AG_MAX_DIMS];
    for (int d = 0; d < v->ndim; d++) {
        if (stride[d] <= 0 && v->size[d] > 1) {
            return; /* an expanded dimension has no place in an order */
        }
    }
    for (int d = 0; d < v->ndim; d++) {
        int at = d;
        while (at > 0 && stride[order[at - 1]] < stride[d]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = d;
    }
    int64_t step = 1;
    for (int k = v->ndim - 1; k >= 0; k--) {
        v->stride[order[k]] = step;
        step = ag_next_stride(step, v->size[order[k]]);
    }
    ag_value_set_contiguous(v);
}

bool ag_call_output_like(ag_call *call, int i, ag_dtype dtype, ag_shape shape, int like)
{
    ag_value *v = declare(call, i, dtype, &shape);
    if (v == NULL) {
        return false;
    }
    const ag_value *source = call->in[like];
    if (!source->contiguous && source->ndim == v->ndim) {
        ag_value_order_like(v, source->stride);
    }
    return ag_value_allocate(v);
}

bool ag_call_output_channels_last(ag_call *call, int i, ag_dtype dtype, ag_shape shape)
{
    ag_value *v = declare(call, i, dtype, &shape);
    if (v == NULL) {
        return false;
    }
    const int64_t *n = v->size;
    v->stride[1] = 1;
    v->stride[3] = n[1];
    v->stride[2] = n[1] * n[3];
    v->stride[0] = n[1] * n[3] * n[2];
    ag_value_set_contiguous(v);
    return ag_value_allocate(v);
}

bool ag_call_view(ag_call *call, ag_shape shape, const int64_t *stride, int64_t offset)
{
    const ag_value *source = call->in[0];
    ag_value *v = declare(call, 0, (ag_dtype)source->dtype, &shape);
    if (v == NULL) {
        return false;
    }
    for (int d = 0; d < v->ndim; d++) {
        v->stride[d] = stride[d];
    }
    ag_value_set_contiguous(v);
    v->view = true;
    v->offset = source->offset + offset;
    v->storage = ag_storage_retain(source->storage);
    v->base = ag_value_ref(source->base != NULL ? source->base : call->in[0]);
    v->history_seen = v->base->history;
    return true;
}

/* ---- applying -------------------------------------------------------------------------------------------------------------------- */

/* One thread may record a trainable leaf at a time: its gradient is one buffer. */
static bool may_record(ag_call *call, ag_value *leaf)
{
    ag_context *owner = atomic_load_explicit(&leaf->recorder, memory_order_acquire);
    if (AG_LIKELY(owner == call->ctx)) {
        leaf->recorder_epoch = call->ctx->epoch;
        return true;
    }
    if (owner != NULL && owner->scopes > 0 && owner->epoch == leaf->recorder_epoch) {
        return ag_call_fail(call, AG_ERROR_STATE,
                            "the trainable leaf %s is being recorded by another thread; freeze it "
                            "or clone the model",
                            leaf->name != NULL ? leaf->name : "(unnamed)");
    }
    leaf->recorder_epoch = call->ctx->epoch;
    atomic_store_explicit(&leaf->recorder, call->ctx, memory_order_release);
    return true;
}

unsigned ag_call_saves(const ag_call *call)
{
    const struct ag_op *op = call->op;
    unsigned read = 0;
    if (op->reads[0] == 0) {
        return op->saves;
    }
    for (int i = 0; i < call->n; i++) {
        read |= call->in[i] != NULL && call->in[i]->requires_grad ? op->reads[i] : 0;
    }
    return op->saves & read;
}

/* Appends the node of a call that was computed; see Note [Edges]. */
ag_node *ag_call_record(ag_call *call, ag_value *const *in, ag_value *const *outputs)
{
    const struct ag_op *op = call->op;
    ag_node *node = ag_node_new(call->ctx, op, call->n, call->params);
    if (node == NULL) {
        return NULL;
    }
    node->where = call->where;
    node->saves = ag_call_saves(call);
    node->outputs = (uint8_t)op->outputs;
    node->in_place = call->in_place;
    for (int i = 0; i < call->n; i++) {
        ag_value *v = in[i];
        struct ag_node_input *input = &node->input[i];
        input->value = v;
        input->producer = NULL;
        input->wants = input->saved = input->borrowed = input->state = false;
        if (v == NULL) {
            continue;
        }
        ag_value_ref(v);
        input->producer = v->producer;
        input->output = v->output;
        input->wants = v->requires_grad;
        input->version = v->storage->version;
        /* A variadic operation saves all its inputs or none. */
        if ((node->saves & AG_SAVE_INPUT(op->inputs == AG_ANY_INPUTS ? 0 : i)) != 0) {
            input->saved = true;
            ag_value_save(v);
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        ag_value *v = outputs[i];
        node->output[i] = ag_value_ref(v);
        node->output_version[i] = v->storage->version;
        if ((node->saves & AG_SAVE_OUTPUT(i)) != 0) {
            ag_value_save(v);
        }
        if (ag_dtype_is_float((ag_dtype)v->dtype)) {
            v->requires_grad = true;
            v->producer = node;
            v->output = (uint8_t)i;
        }
    }
    if (AG_UNLIKELY(call->ctx->retaining)) {
        ag_node_keep(call->ctx, node, platform_seconds() - call->started);
    }
    return node;
}

/* Why the results have no history, for backward's message. */
static void remember_reason(ag_call *call, bool any_requires)
{
    enum ag_reason reason = AG_REASON_CONSTANT;
    ag_place where = call->where;
    if (any_requires) {
        reason = call->ctx->grad ? AG_REASON_NO_RULE : AG_REASON_NO_GRAD;
        if (!call->ctx->grad) {
            where = ag_scope_where();
        }
    }
    for (int i = 0; i < call->n && reason == AG_REASON_CONSTANT; i++) {
        const ag_value *v = call->in[i];
        if (v != NULL && v->reason != AG_REASON_CONSTANT) {
            reason = (enum ag_reason)v->reason;
            where = v->reason_where;
        }
    }
    for (int i = 0; i < call->op->outputs; i++) {
        call->out[i]->reason = (uint8_t)reason;
        call->out[i]->reason_where = where;
    }
}

static bool resolve_inputs(ag_call *call, const ag_tensor *inputs, ag_value **in,
                           bool *any_requires)
{
    for (int i = 0; i < call->n; i++) {
        ag_tensor t = inputs[i];
        in[i] = NULL;
        if (ag_is_none(t) && i < AG_OP_MAX_INPUTS && (call->op->optional & AG_OPTIONAL(i)) != 0) {
            continue;
        }
        ag_value *v = ag_is_none(t) || ag_is_nil(t) ? NULL : ag_peek(t);
        if (AG_UNLIKELY(v == NULL || v->visible <= 0)) {
            char name[64];
            snprintf(name, sizeof(name), "ag_%s%s", call->op->name, call->in_place ? "_" : "");
            ag_resolve_failed(call->where, name, t);
            return false;
        }
        if (AG_UNLIKELY(ag_value_stale(v))) {
            ag_value_renew(v, false);
        }
        if (AG_UNLIKELY(!v->persistent && ag_table_of(t) != call->ctx->table_index)) {
            /* Holds on a result are counted without locks. */
            return ag_call_fail(call, AG_ERROR_STATE,
                                "input %d is a result of another thread; pass it with ag_keep()",
                                i);
        }
        if (AG_UNLIKELY(call->ctx->watch != NULL)) {
            ag_watch_input(call->ctx->watch, v);
        }
        in[i] = v;
        call->in_array[i] = ag_value_array(v);
        *any_requires = *any_requires || v->requires_grad;
    }
    return true;
}

bool ag_call_compute(ag_call *call)
{
    const struct ag_op *op = call->op;
    for (int i = 0; call->recording && i < call->n; i++) {
        ag_value *v = call->in[i];
        if (v != NULL && v->requires_grad && v->producer == NULL && v->persistent &&
            !may_record(call, v)) {
            return false;
        }
    }
    if (!op->shape(call)) {
        return false;
    }
    bool floating = false; /* labels and masks have no history */
    for (int i = 0; i < op->outputs; i++) {
        if (AG_UNLIKELY(call->out[i] == NULL)) {
            return ag_call_fail(call, AG_ERROR_STATE, "the shape rule does not declare output %d",
                                i);
        }
        call->out_array[i] = ag_value_array(call->out[i]);
        floating = floating || ag_dtype_is_float((ag_dtype)call->out[i]->dtype);
    }
    call->recording = call->recording && floating;
    if (op->forward != NULL) {
        if (!op->forward(call)) {
            return false;
        }
    } else if (!op->view && !ag_call_loops(call)) {
        return false;
    }
    return AG_LIKELY(!call->ctx->anomaly) || ag_anomaly_check_call(call);
}

/* Whether the struct can be an operation: programs write their own. */
static bool op_ok(ag_place where, const struct ag_op *op, int n)
{
    const char *wrong = NULL;
    if (op->size != sizeof(*op)) {
        ag_error_raise(
            where, AG_ERROR_STATE,
            "ag_apply: the operation's size is %zu, not sizeof(struct ag_op), which is %zu",
            op->size, sizeof(*op));
        return false;
    }
    bool loops = op->loops[AG_FLOAT32] != NULL || op->loops[AG_FLOAT64] != NULL ||
                 op->loops[AG_INT64] != NULL || op->loops[AG_UINT8] != NULL;
    if (op->name == NULL || op->shape == NULL) {
        wrong = "it needs a name and a shape rule";
    } else if (op->outputs < 1 || op->outputs > AG_OP_MAX_OUTPUTS) {
        wrong = "it can have 1 to 4 outputs";
    } else if (op->inputs < AG_ANY_INPUTS || op->inputs > AG_OP_MAX_INPUTS) {
        wrong = "it can have 0 to 8 inputs, or AG_ANY_INPUTS";
    } else if (op->forward == NULL && !op->view && !loops) {
        wrong = "it has neither forward nor loops";
    } else if (op->forward == NULL && (op->optional & AG_OPTIONAL(0)) != 0) {
        wrong = "its first input says what the result is, so it cannot be optional";
    }
    if (wrong != NULL) {
        ag_error_raise(where, AG_ERROR_STATE, "ag_apply: the operation %s is incomplete: %s",
                       op->name != NULL ? op->name : "without a name", wrong);
        return false;
    }
    bool from_input = op->forward == NULL || op->view; /* its first input says what the result is */
    if (n < 0 || (op->inputs != AG_ANY_INPUTS && n != op->inputs) || (n == 0 && from_input)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_%s: %d inputs given, %d needed", op->name, n,
                       op->inputs == AG_ANY_INPUTS ? 1 : op->inputs);
        return false;
    }
    return true;
}

bool ag_call_begin(ag_call *call, ag_place where, const struct ag_op *op, int n,
                   const ag_tensor *inputs, const void *params, ag_value **in, ag_array *arrays)
{
    call->ctx = ag_context_get();
    call->works = call->texts = 0;
    call->started = 0;
    call->out[0] = call->out[1] = call->out[2] = call->out[3] = NULL;
    call->many = NULL;
    call->caller = ag_caller_set(where);
    if (AG_UNLIKELY(call->ctx == NULL || ag_error_code() != AG_OK || !op_ok(where, op, n))) {
        return false;
    }
    call->op = op;
    call->where = where;
    call->params = params;
    call->n = n;
    if (AG_UNLIKELY(call->ctx->retaining)) {
        call->started = platform_seconds();
    }
    if (AG_UNLIKELY(call->ctx->scopes == 0)) {
        return ag_call_fail(call, AG_ERROR_STATE,
                            "no scope is open; open one with ag_begin() or ag_begin_no_grad()");
    }
    if (AG_UNLIKELY(n > AG_OP_MAX_INPUTS)) {
        call->many = ag_storage_new((size_t)n * (sizeof(*in) + sizeof(ag_array)));
        if (call->many == NULL) {
            return false;
        }
        arrays = call->many->data;
        in = (ag_value **)(arrays + n);
    }
    call->in_array = arrays;
    call->in = in;
    call->any_requires = false;
    bool ok = resolve_inputs(call, inputs, in, &call->any_requires);
    call->recording = call->any_requires && call->ctx->grad && op->backward != NULL;
    return ok;
}

void ag_call_end(ag_call *call)
{
    for (int i = 0; i < call->works; i++) {
        ag_storage_release(call->work[i]);
    }
    if (AG_UNLIKELY(call->many != NULL)) {
        ag_storage_release(call->many);
    }
    ag_caller_set(call->caller);
}

ag_tensor ag_apply(ag_place where, const struct ag_op *op, int n, const ag_tensor *inputs,
                   const void *params, ag_tensor *out)
{
    ag_call call;
    ag_value *in[AG_OP_MAX_INPUTS];
    ag_array arrays[AG_OP_MAX_INPUTS];
    ag_tensor result[AG_OP_MAX_OUTPUTS] = {
        AG_NIL
    }; /* the first is returned even of an operation that claims to have none */
    for (int i = 0; i < op->outputs && i < AG_OP_MAX_OUTPUTS; i++) {
        result[i] = AG_NIL;
        if (out != NULL) {
            out[i] = AG_NIL;
        }
    }
    call.in_place = false;
    bool ok =
        ag_call_begin(&call, where, op, n, inputs, params, in, arrays) && ag_call_compute(&call);
    if (ok && call.recording) {
        ok = ag_call_record(&call, call.in, call.out) != NULL;
    } else if (ok) {
        remember_reason(&call, call.any_requires);
    }
    for (int i = 0; i < op->outputs && i < AG_OP_MAX_OUTPUTS; i++) {
        ag_value *v = call.out[i];
        if (v == NULL) {
            continue;
        }
        ok = ok && ag_made_push(call.ctx, v);
        if (!v->listed) {
            ag_value_hide(v);
            ag_value_unref(v);
        }
    }
    for (int i = 0; ok && i < op->outputs; i++) {
        result[i] = ag_handle(call.out[i]);
        if (out != NULL) {
            out[i] = result[i];
        }
    }
    ag_call_end(&call);
    return result[0];
}
