/*
 * Backward: one reverse sweep over the list, and what derivative rules call. Knows no operation by name except those it sums
 * gradients with.
 *
 * Tape order is topological order: an operation's inputs exist before it. So a single pass from the loss downwards meets a
 * node only after all its consumers, and nothing has to be sorted and nothing recurses.
 */
#include "backward.h"

#include <stdio.h>
#include <string.h>

#include "error_internal.h"
#include "internal.h"
#include "kernels/kernels.h"
#include "ops/ops.h"

#define DEFAULTS 0x62776431u

struct ag_sweep {
    ag_context *ctx;
    ag_node *node;
    ag_place where;
    bool accumulate; /* into leaves (ag_backward); else only what leads to the chosen inputs (ag_grad) */
    bool create, retain;
    int64_t remaining; /* nodes with a pending gradient */
    ag_value **collected; /* what the running rule gave to each input, while a hook is to see it; else NULL */
};

ag_backward_config ag_backward_defaults(void)
{
    ag_backward_config config = {DEFAULTS, AG_NONE, false, false, false};
    return config;
}

/* ---- gradients that arrive ------------------------------------------------------------------------------------------------- */

static void drop_pending(ag_value **slot)
{
    ag_value *p = *slot;
    if (p != NULL) {
        *slot = NULL;
        ag_value_unsave(p);
        ag_value_unref(p);
    }
}

static void set_pending(ag_value **slot, ag_value *g)
{
    ag_value_ref(g);
    ag_value_save(g);
    drop_pending(slot);
    *slot = g;
}

/* Where a gradient is going: to an output of a node, or to a leaf. */
struct edge {
    ag_node *producer; /* NULL: a leaf */
    int output;
    ag_value *value;
};

static struct edge edge_of_input(const struct ag_node_input *input)
{
    struct edge e = {input->producer, input->output, input->value};
    return e;
}

static struct edge edge_of_value(ag_value *v)
{
    struct edge e = {v->producer, v->output, v};
    return e;
}

static ag_value **pending_slot(struct edge e)
{
    return e.producer != NULL ? &e.producer->pending_grad[e.output] : &e.value->pending;
}

/* Whether ag_grad() was asked for the gradient there. */
static bool is_target(struct edge e)
{
    return e.producer != NULL ? (e.producer->targets >> e.output & 1) != 0 : e.value->target;
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

static void add_to_leaf(const ag_sweep *s, ag_value *leaf, const ag_value *g)
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
static bool to_leaf(const ag_sweep *s, struct edge e)
{
    return e.producer == NULL && s->accumulate && e.value->hooks == NULL;
}

static void graph_was_freed(ag_place where, const char *function, const ag_node *node)
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
static bool announce(ag_sweep *s, struct edge e)
{
    ag_node *producer = e.producer;
    if (producer == NULL) {
        return e.value->hooks == NULL || e.value->pending != NULL || wait_for_hooks(s, e.value);
    }
    if (producer->pending || (!s->accumulate && !producer->needed)) {
        return true;
    }
    if (producer->state == AG_NODE_FREED) {
        graph_was_freed(s->where, "ag_backward", producer);
        return false;
    }
    producer->pending = true;
    s->remaining++;
    return true;
}

static void contribute(ag_sweep *s, struct edge e, ag_value *g)
{
    if (to_leaf(s, e)) {
        add_to_leaf(s, e.value, g);
        return;
    }
    if (!announce(s, e)) {
        return;
    }
    ag_value **slot = pending_slot(e);
    if (*slot == NULL) {
        set_pending(slot, g);
    } else if (!s->create && exclusive(*slot)) {
        ag_array_accumulate(ag_value_array(*slot), ag_value_array(g));
    } else {
        ag_value *total = sum(*slot, g);
        if (total != NULL) {
            set_pending(slot, total);
        }
    }
}

/* Whether somebody looks at the gradient of a node's output: a hook, ag_retain_grad(), ag_grad(). */
static bool is_seen(const ag_node *node, int output)
{
    return node->hooks != NULL || node->output[output]->retain_grad || (node->targets >> output & 1) != 0;
}

/* A gradient of zeros arrives. Where nobody sees it there is nothing to compute, only that it came. */
static void contribute_zero(ag_sweep *s, struct edge e)
{
    bool accumulate;
    if (to_leaf(s, e)) {
        const ag_value *grad = leaf_buffer(s, e.value, &accumulate);
        if (grad != NULL && !accumulate) {
            memset(ag_value_data(grad), 0, (size_t)grad->numel * ag_dtype_size((ag_dtype)grad->dtype));
        }
    } else if (*pending_slot(e) == NULL && (e.producer == NULL || is_seen(e.producer, e.output))) {
        ag_tensor zeros = ag_zeros(ag_value_shape_of(e.value), (ag_dtype)e.value->dtype);
        if (!ag_is_nil(zeros)) {
            contribute(s, e, ag_peek(zeros));
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
    return s->accumulate || is_target(edge_of_input(input)) || (input->producer != NULL && input->producer->needed);
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
    if ((node->op->saves & AG_SAVE_OUTPUT(i)) == 0) {
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

/* Keeps what a rule gives to an input back until the node's hooks have seen it. */
static void collect(ag_sweep *s, int i, ag_value *g)
{
    ag_value **slot = &s->collected[i];
    ag_value *total = *slot == NULL ? g : sum(*slot, g);
    if (total != NULL) {
        set_pending(slot, total);
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
        g = sum_to(g, from, shape);
        gv = ag_is_nil(g) ? NULL : ag_peek(g);
        if (gv == NULL) {
            return;
        }
    }
    if (AG_UNLIKELY(s->ctx->anomaly) && !ag_anomaly_check_gradient(s->node, i, gv)) {
        return;
    }
    if (AG_UNLIKELY(s->collected != NULL)) {
        collect(s, i, gv);
        return;
    }
    contribute(s, edge_of_input(&s->node->input[i]), gv);
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
    contribute_zero(s, edge_of_input(&s->node->input[i]));
}

bool ag_sweep_own_grad(ag_sweep *s, int i, ag_array *grad)
{
    const ag_node *node = s->node;
    const ag_value *p = node->pending_grad[i];
    if (s->create || p == NULL || node->grad_borrowed[i] || (node->targets >> i & 1) != 0 || node->hooks != NULL ||
        !exclusive(p)) {
        return false;
    }
    *grad = ag_value_array(p);
    return true;
}

bool ag_sweep_target(ag_sweep *s, int i, ag_array *target, bool *accumulate)
{
    if (s->create || s->collected != NULL || s->ctx->anomaly || !ag_sweep_wants(s, i) || ag_error_code() != AG_OK) {
        return false;
    }
    ag_value *v = s->node->input[i].value;
    struct edge e = edge_of_input(&s->node->input[i]);
    if (to_leaf(s, e)) {
        const ag_value *grad = v->contiguous ? leaf_buffer(s, v, accumulate) : NULL;
        if (grad == NULL) {
            return false;
        }
        *target = ag_value_array(grad);
        return true;
    }
    ag_value **slot = pending_slot(e);
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
        set_pending(slot, fresh);
    }
    *target = ag_value_array(*slot);
    return true;
}

void ag_sweep_matmul(ag_sweep *s, int i, ag_tensor a, ag_tensor b)
{
    if (!ag_sweep_wants(s, i) || ag_error_code() != AG_OK) {
        return;
    }
    const ag_value *x = ag_resolve(s->node->where, "ag_sweep_matmul", a);
    const ag_value *y = ag_resolve(s->node->where, "ag_sweep_matmul", b);
    const ag_value *v = s->node->input[i].value;
    ag_array target;
    bool accumulate;
    if (x == NULL || y == NULL) {
        return;
    }
    bool fits = v->ndim == 2 && x->ndim == 2 && y->ndim == 2 && v->size[0] == x->size[0] && v->size[1] == y->size[1] &&
                x->size[1] == y->size[0];
    if (fits && ag_sweep_target(s, i, &target, &accumulate)) {
        k_gemm(target.dtype, ag_threads(), v->size[0], v->size[1], x->size[1], ag_value_data(x), x->stride[0],
               x->stride[1], ag_value_data(y), y->stride[0], y->stride[1], accumulate, target.data, v->size[1], 1);
        return;
    }
    ag_sweep_add(s, i, ag_matmul(a, b));
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

/* ---- the sweep --------------------------------------------------------------------------------------------------------------------- */

static void give_back_borrowed(ag_node *node)
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

/* Gives the gradient in *slot to a tensor's hooks, one after the other, and keeps what they make of it. */
static void run_tensor_hooks(ag_hook_entry *hooks, int output, ag_value **slot, ag_place where)
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
            set_pending(slot, r);
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
                set_pending(&s->collected[i], r);
            }
        }
    }
    ag_storage_release(room);
}

/* The rule, with its contributions shown to the node's hooks before they go on. */
static void backward_with_hooks(ag_sweep *s, ag_node *node)
{
    ag_storage *room = ag_storage_new((size_t)node->inputs * sizeof(ag_value *));
    if (room == NULL) {
        return;
    }
    ag_value **outer = s->collected;
    memset(room->data, 0, (size_t)node->inputs * sizeof(ag_value *));
    s->collected = room->data;
    node->op->backward(s);
    give_back_borrowed(node);
    if (ag_error_code() == AG_OK) {
        run_node_hooks(s, node);
    }
    ag_value **collected = s->collected;
    s->collected = outer;
    for (int i = 0; i < node->inputs; i++) {
        if (collected[i] != NULL && ag_error_code() == AG_OK) {
            contribute(s, edge_of_input(&node->input[i]), collected[i]);
        }
        drop_pending(&collected[i]);
    }
    ag_storage_release(room);
}

static bool has_node_hook(const ag_node *node)
{
    const ag_hook_entry *h = node->hooks;
    while (h != NULL && h->node_hook == NULL) {
        h = h->next;
    }
    return h != NULL;
}

/* Whether anything but zeros has arrived. */
static bool has_gradient(const ag_node *node)
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
    for (int i = 0; i < node->inputs; i++) {
        ag_sweep_zero(s, i);
    }
    if (!s->retain && ag_error_code() == AG_OK) {
        ag_node_free(node, s->where);
    }
}

static void visit(ag_sweep *s, ag_node *node)
{
    ag_context *ctx = s->ctx;
    ag_label *label = ctx->label;
    ag_place caller = ag_caller_set(node->where);
    ag_frame frame = ag_frame_begin();
    s->node = node;
    ctx->label = node->label;
    for (int i = 0; i < node->outputs; i++) {
        ag_value *v = node->output[i];
        if (AG_UNLIKELY(node->hooks != NULL)) {
            run_tensor_hooks(node->hooks, i, &node->pending_grad[i], node->where);
        }
        if (AG_UNLIKELY(v->retain_grad) && v->producer == node && node->pending_grad[i] != NULL && s->accumulate) {
            add_to_leaf(s, v, node->pending_grad[i]);
        }
    }
    if (AG_UNLIKELY(s->create && node->op->orders < 2)) {
        ag_sweep_fail(s, AG_ERROR_GRAD, "the operation has no second derivative; create_graph cannot go through it");
    } else if (AG_UNLIKELY(node->hooks != NULL && has_node_hook(node))) {
        backward_with_hooks(s, node);
    } else if (ag_error_code() == AG_OK) {
        node->op->backward(s);
    }
    give_back_borrowed(node);
    ag_frame_end_n(frame, 0, NULL);
    for (int i = 0; i < node->outputs; i++) {
        if ((node->targets >> i & 1) == 0) {
            drop_pending(&node->pending_grad[i]);
        }
    }
    ctx->label = label;
    ag_caller_set(caller);
    if (!s->retain && ag_error_code() == AG_OK) {
        ag_node_free(node, s->where);
    }
}

/* Visits the nodes from `first` down to `last` that a gradient has reached. */
static void sweep_over(ag_sweep *s, int64_t first, int64_t last)
{
    for (int64_t i = first; i >= last && s->remaining > 0 && ag_error_code() == AG_OK; i--) {
        ag_node *node = s->ctx->node[i];
        if (node->pending) {
            node->pending = false;
            s->remaining--;
            if (AG_UNLIKELY(!has_gradient(node))) {
                visit_with_zeros(s, node);
            } else {
                visit(s, node);
            }
        }
    }
}

/* After an error: what was on its way is let go. */
static void forget_pending(const ag_context *ctx, int64_t first, int64_t last)
{
    for (int64_t i = first; i >= last; i--) {
        ag_node *node = ctx->node[i];
        node->pending = false;
        for (int j = 0; j < node->outputs; j++) {
            drop_pending(&node->pending_grad[j]);
        }
    }
}

/* The gradients of leaves with hooks are complete. */
static void finish_hooked_leaves(ag_sweep *s)
{
    for (int64_t i = 0; i < s->ctx->hooked_count; i++) {
        ag_value *leaf = ag_peek(ag_tensor_of_id(s->ctx->hooked[i]));
        if (leaf == NULL) {
            continue;
        }
        if (ag_error_code() == AG_OK) {
            run_tensor_hooks(leaf->hooks, 0, &leaf->pending, s->where);
        }
        if (s->accumulate && leaf->pending != NULL && ag_error_code() == AG_OK) {
            add_to_leaf(s, leaf, leaf->pending);
        }
        if (!leaf->target) {
            drop_pending(&leaf->pending);
        }
    }
    s->ctx->hooked_count = 0;
}

static void run(ag_sweep *s, int64_t start)
{
    ag_context *ctx = s->ctx;
    bool grad = ctx->grad;
    ctx->grad = s->create;
    ctx->in_backward++;
    sweep_over(s, start, 0);
    finish_hooked_leaves(s);
    ctx->in_backward--;
    ctx->grad = grad;
    if (ag_error_code() == AG_OK) {
        return;
    }
    forget_pending(ctx, start, 0);
    for (int64_t i = 0; i < ctx->touched_count; i++) {
        ag_value *leaf = ag_peek(ag_tensor_of_id(ctx->touched[i]));
        if (leaf != NULL) {
            leaf->grad_failed = true;
        }
    }
}

/* ---- checkpointed blocks --------------------------------------------------------------------------------------------------------- */

static void mark_needed(ag_context *ctx, int64_t first, int64_t last);

void ag_sweep_through(ag_sweep *s, ag_tensor y, ag_tensor dy, int64_t mark)
{
    ag_context *ctx = s->ctx;
    ag_node *node = s->node;
    bool retain = s->retain;
    ag_value **collected = s->collected;
    int64_t end = ctx->nodes - 1;
    const ag_value *v = ag_resolve(node->where, "ag_checkpoint", y), *g = ag_resolve(node->where, "ag_checkpoint", dy);
    if (v == NULL || g == NULL) {
        return;
    }
    if (!s->accumulate) {
        mark_needed(ctx, mark, end);
    }
    struct edge e = edge_of_value(ag_peek(y));
    s->retain = s->create;
    s->collected = NULL;
    contribute(s, e, ag_peek(dy));
    sweep_over(s, end, mark);
    if (ag_error_code() != AG_OK) {
        forget_pending(ctx, end, mark);
    }
    s->retain = retain;
    s->collected = collected;
    s->node = node;
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
    ag_value *v = ag_resolve(where, function, output);
    if (v == NULL || ctx == NULL) {
        return NULL;
    }
    if (ctx->in_backward > 0 || ctx->scopes == 0) {
        ag_error_raise(where, AG_ERROR_STATE, ctx->scopes == 0 ? "%s: no scope is open" : "%s: a backward is running",
                       function);
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

ag_error ag_backward_with_at(ag_place where, ag_tensor output, ag_backward_config config)
{
    ag_value *v = check_output(where, "ag_backward", output, &config);
    if (v == NULL) {
        return ag_error_code();
    }
    if (config.create_graph) {
        return ag_error_raise(where, AG_ERROR_STATE,
                              "ag_backward: create_graph is for ag_grad(), which returns the gradients");
    }
    ag_sweep s = {ag_current, NULL, where, true, false, config.retain_graph, 0, NULL};
    ag_frame frame = ag_frame_begin();
    s.ctx->touched_count = 0;
    ag_place caller = ag_caller_set(where);
    ag_value *g = cotangent(where, "ag_backward", v, config.cotangent);
    if (g != NULL) {
        int64_t start = v->producer == NULL ? -1 : v->producer->index;
        contribute(&s, edge_of_value(v), g);
        run(&s, start);
    }
    ag_caller_set(caller);
    ag_frame_end_n(frame, 0, NULL);
    return ag_error_code();
}

ag_error ag_backward_at(ag_place where, ag_tensor loss)
{
    return ag_backward_with_at(where, loss, ag_backward_defaults());
}

/* Marks the nodes that lie between the chosen inputs and the output, from index first up to last. */
static void mark_needed(ag_context *ctx, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++) {
        ag_node *node = ctx->node[i];
        node->needed = false;
        for (int j = 0; j < node->inputs && !node->needed; j++) {
            const struct ag_node_input *input = &node->input[j];
            node->needed = input->value != NULL && input->wants &&
                           (is_target(edge_of_input(input)) || (input->producer != NULL && input->producer->needed));
        }
    }
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
        if (node->needed && node->state == AG_NODE_FREED) {
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

static void set_target(struct edge e, bool on)
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

ag_error ag_grad_at(ag_place where, ag_tensor output, int n, const ag_tensor *inputs, ag_tensor *gradients,
                    ag_backward_config config)
{
    for (int i = 0; i < n; i++) {
        gradients[i] = AG_NIL;
    }
    ag_value *v = check_output(where, "ag_grad", output, &config);
    for (int i = 0; v != NULL && i < n; i++) {
        ag_value *x = ag_resolve(where, "ag_grad", inputs[i]);
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
    ag_storage *room = ag_storage_new(((size_t)n + 1) * sizeof(struct edge)); /* a view's producer may change on the way */
    if (room == NULL) {
        return ag_error_code();
    }
    struct edge *edges = room->data, end = edge_of_value(v);
    ag_sweep s = {ag_current, NULL, where, false, config.create_graph, config.retain_graph || config.create_graph, 0, NULL};
    ag_place caller = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    s.ctx->touched_count = 0;
    ag_value *g = cotangent(where, "ag_grad", v, config.cotangent);
    const ag_node *freed = freed_below(s.ctx, v); /* asked now, as the sweep frees, too */
    for (int i = 0; i < n; i++) {
        edges[i] = edge_of_value(ag_peek(inputs[i]));
        set_target(edges[i], true);
    }
    if (g != NULL) {
        int64_t start = end.producer == NULL ? -1 : end.producer->index;
        mark_needed(s.ctx, 0, start);
        contribute(&s, end, g);
        run(&s, start);
    }
    for (int i = 0; i < n; i++) {
        const ag_value *x = edges[i].value;
        ag_value **slot = pending_slot(edges[i]);
        if (edges[i].producer != NULL && !edges[i].producer->needed && is_target(edges[i]) && ag_error_code() == AG_OK) {
            /* Its node was not visited, which is where hooks are run. */
            bool grad = s.ctx->grad;
            s.ctx->grad = s.create;
            s.ctx->in_backward++;
            run_tensor_hooks(edges[i].producer->hooks, edges[i].output, slot, where);
            s.ctx->in_backward--;
            s.ctx->grad = grad;
        }
        set_target(edges[i], false);
        if (ag_error_code() != AG_OK) {
            continue;
        }
        if (*slot == NULL && freed != NULL) {
            graph_was_freed(where, "ag_grad", freed);
        } else if (*slot == NULL && !config.allow_unused) {
            ag_error_raise(where, AG_ERROR_GRAD,
                           "ag_grad: input %d%s%s was not used to compute the output; allow_unused permits that", i,
                           x->name != NULL ? ", " : "", x->name != NULL ? x->name : "");
        } else {
            gradients[i] = *slot == NULL ? AG_NONE : hand_out(s.ctx, *slot);
        }
    }
    for (int i = 0; i < n; i++) {
        drop_pending(pending_slot(edges[i]));
        if (ag_error_code() != AG_OK) {
            gradients[i] = AG_NIL;
        }
    }
    drop_pending(pending_slot(end));
    ag_storage_release(room);
    ag_frame_end_n(frame, n, gradients);
    ag_caller_set(caller);
    return ag_error_code();
}
