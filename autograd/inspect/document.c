/*
 * The tape read into a document: nodes, leaves, what lies between them, values and gradients.
 */
#include "document.h"

#include <stdlib.h>
#include <string.h>

#include "../sweep.h"
#include "content.h"
#include "survey.h"

#define SMALL_TAPE 400    /* nodes of which every number of a small tensor is told, exactly */
#define SMALL_TENSOR 64   /* elements */
#define LARGE_TAPE 1000
#define CONTRIBUTION 16   /* elements of a contribution that are told */

struct document {
    ag_place where;
    const char *function;
    ag_context *ctx;
    bool *wanted;
    int64_t length; /* of the tape */
    int64_t nodes;  /* how many are wanted */
    struct ag_content_limits limits;
    json_t **gradient; /* AG_OP_MAX_OUTPUTS for each node, found by a sweep of its own; else NULL */
    json_t **flow;     /* for each node: what its rule contributes to each input, likewise */
    struct leaf {
        ag_value *value;
        uint32_t version;
        bool wants, borrowed;
        json_t *gradient; /* found by the sweep */
    } *leaf;
    int64_t leaves, leaf_capacity;
    bool wide, exact; /* float64 occurs; all numbers are told */
    bool ok;
};

static void put(struct document *d, json_t *object, const char *key, json_t *value)
{
    d->ok = ag_content_put(object, key, value) && d->ok;
}

static void append(struct document *d, json_t *array, json_t *value)
{
    d->ok = json_array_append_new(array, value) == 0 && d->ok;
}

/* ---- leaves ------------------------------------------------------------------------------------------------------------- */

static int64_t leaf_of(struct document *d, const ag_value *v)
{
    int64_t i = d->leaves - 1; /* what was used last is likely to be used again */
    while (i >= 0 && d->leaf[i].value != v) {
        i--;
    }
    return i;
}

static bool collect_leaves(struct document *d)
{
    for (int64_t k = 0; k < d->length; k++) {
        const ag_node *node = d->ctx->node[k];
        for (int i = 0; d->wanted[k] && i < node->inputs; i++) {
            const struct ag_node_input *input = &node->input[i];
            if (input->value == NULL || input->producer != NULL) {
                continue;
            }
            int64_t at = leaf_of(d, input->value);
            if (at < 0) {
                if (!ag_grow((void **)&d->leaf, d->leaves, &d->leaf_capacity, sizeof(*d->leaf))) {
                    return false;
                }
                d->leaf[at = d->leaves++] = (struct leaf){input->value, input->version, false, false, NULL};
            }
            d->leaf[at].wants = d->leaf[at].wants || input->wants;
        }
    }
    return true;
}

/* ---- gradients ---------------------------------------------------------------------------------------------------------- */

/* Whether the node's rule can be asked what it would contribute: it has what it saved, as it was. */
static bool rule_can_be_asked(const ag_node *node)
{
    if (node->op->backward == NULL || node->output[0] == NULL || (node->state == AG_NODE_FREED && node->kept == NULL)) {
        return false;
    }
    for (int i = 0; i < node->inputs; i++) {
        const struct ag_node_input *input = &node->input[i];
        if (input->saved && !input->state && (!ag_value_there(input->value) || input->value->storage->version != input->version)) {
            return false;
        }
    }
    for (int i = 0; i < node->outputs; i++) {
        if ((node->saves & AG_SAVE_OUTPUT(i)) != 0 &&
            (!ag_value_there(node->output[i]) || node->output[i]->storage->version != node->output_version[i])) {
            return false;
        }
    }
    return true;
}

/* What the rule contributes to each input, of the gradients dy. */
static json_t *flows(struct document *d, ag_node *node, ag_value *const *dy)
{
    ag_value **part = calloc((size_t)node->inputs + 1, sizeof(ag_value *));
    struct ag_content_limits few = {CONTRIBUTION, 0};
    json_t *all = NULL;
    if (part != NULL && rule_can_be_asked(node) && ag_sweep_probe(d->ctx, node, dy, part)) {
        all = json_array();
        for (int i = 0; i < node->inputs; i++) {
            json_t *content = part[i] == NULL ? json_null() : ag_content_of(part[i], few, "");
            if (json_is_object(content)) { /* of a large one, only what it is like */
                json_object_del(content, "map");
                json_object_del(content, "histogram");
            }
            append(d, all, content);
        }
    }
    for (int i = 0; part != NULL && i < node->inputs; i++) {
        ag_pending_drop(&part[i]);
    }
    free(part);
    return all;
}

/* Is shown each node of the sweep. */
static void see(ag_node *node, void *user)
{
    struct document *d = user;
    if (node->index >= d->length || !d->wanted[node->index] || ag_error_code() != AG_OK) {
        return; /* behind the end: a checkpointed block that is being computed anew */
    }
    ag_value *dy[AG_OP_MAX_OUTPUTS];
    for (int i = 0; i < node->outputs; i++) {
        dy[i] = node->pending_grad[i];
        if (dy[i] != NULL) {
            json_t **slot = &d->gradient[node->index * AG_OP_MAX_OUTPUTS + i];
            json_decref(*slot);
            *slot = ag_content_of(dy[i], d->limits, "none");
        }
    }
    json_decref(d->flow[node->index]);
    d->flow[node->index] = flows(d, node, dy);
}

/* A sweep through a tape whose backward has not run yet; nothing of it is left behind. */
static void sweep(struct document *d, ag_tensor loss)
{
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = config.allow_unused = true;
    ag_tensor *x = calloc(2 * (size_t)d->leaves + 1, sizeof(ag_tensor)), *g = x + d->leaves;
    int n = 0;
    for (int64_t i = 0; x != NULL && i < d->leaves; i++) {
        ag_value *v = d->leaf[i].value;
        if (d->leaf[i].wants && v->requires_grad && ag_value_there(v)) {
            d->leaf[i].borrowed = ag_value_borrow(v);
            x[n++] = ag_handle(v);
        }
    }
    bool inspecting = d->ctx->inspecting;
    ag_frame frame = ag_frame_begin();
    d->ctx->inspecting = true;
    if (n > 0 && ag_grad_seen(d->where, loss, n, x, g, config, see, d) == AG_OK) {
        for (int k = 0; k < n; k++) {
            int64_t i = leaf_of(d, ag_peek(x[k]));
            d->leaf[i].gradient = ag_is_none(g[k]) ? NULL : ag_content_of(ag_peek(g[k]), d->limits, "none");
        }
    }
    d->ctx->inspecting = inspecting;
    ag_frame_end_n(frame, 0, NULL);
    for (int64_t i = 0; i < d->leaves; i++) {
        if (d->leaf[i].borrowed) {
            ag_value_hide(d->leaf[i].value);
        }
    }
    d->ok = d->ok && x != NULL;
    free(x);
}

static bool any_gradient(const struct document *d)
{
    for (int64_t k = 0; k < d->length; k++) {
        for (int i = 0; d->wanted[k] && i < d->ctx->node[k]->outputs; i++) {
            if (ag_node_gradient(d->ctx->node[k], i) != NULL) {
                return true;
            }
        }
    }
    return false;
}

static void find_gradients(struct document *d, ag_tensor loss)
{
    const ag_value *v = ag_is_none(loss) ? NULL : ag_peek(loss);
    bool possible = v != NULL && v->producer != NULL && v->requires_grad && v->numel == 1 && d->ctx->stepping == NULL &&
                    d->ctx->in_backward == 0 && !any_gradient(d);
    for (int64_t k = 0; possible && k < d->length; k++) {
        const ag_node *node = d->ctx->node[k];
        possible = !d->wanted[k] || (node->state == AG_NODE_LIVE && (node->op->backward == NULL || rule_can_be_asked(node)));
    }
    if (possible) {
        sweep(d, loss);
        return;
    }
    /* What a backward left: what each rule has made of it. */
    for (int64_t k = 0; k < d->length && ag_error_code() == AG_OK; k++) {
        ag_node *node = d->ctx->node[k];
        ag_value *dy[AG_OP_MAX_OUTPUTS] = {NULL};
        bool there = false;
        for (int i = 0; d->wanted[k] && i < node->outputs; i++) {
            const ag_value *g = ag_node_gradient(node, i);
            dy[i] = ag_value_there(g) ? (ag_value *)(uintptr_t)g : NULL;
            there = there || dy[i] != NULL;
        }
        if (there) {
            d->flow[k] = flows(d, node, dy);
        }
    }
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static json_t *shape_of(const ag_value *v)
{
    json_t *shape = json_array();
    for (int i = 0; i < v->ndim; i++) {
        json_array_append_new(shape, json_integer((json_int_t)v->size[i]));
    }
    return shape;
}

static void put_tensor(struct document *d, json_t *object, const ag_value *v, bool changed)
{
    put(d, object, "shape", shape_of(v));
    put(d, object, "type", json_string(ag_dtype_name((ag_dtype)v->dtype)));
    put(d, object, "bytes", json_integer((json_int_t)((size_t)v->numel * ag_dtype_size((ag_dtype)v->dtype))));
    if (v->name != NULL) {
        put(d, object, "name", ag_content_text(v->name));
    }
    put(d, object, "value", changed && ag_value_there(v) ? json_string("changed") : ag_content_of(v, d->limits, "none"));
    d->wide = d->wide || v->dtype == AG_FLOAT64;
    d->exact = d->exact && v->numel <= d->limits.numbers;
}

static json_t *output_of(struct document *d, const ag_node *node, int i)
{
    const ag_value *v = node->output[i];
    json_t *object = json_object(), *found = d->gradient[node->index * AG_OP_MAX_OUTPUTS + i];
    bool changed = ag_value_there(v) && v->storage->version != node->output_version[i];
    put_tensor(d, object, v, changed);
    if (v->view) {
        put(d, object, "view", json_true());
    }
    put(d, object, "gradient", found != NULL ? json_incref(found) : ag_content_of(ag_node_gradient(node, i), d->limits, "none"));
    return object;
}

static json_t *input_of(struct document *d, const ag_node *node, int i)
{
    const struct ag_node_input *input = &node->input[i];
    char text[96];
    if (input->value == NULL) {
        return json_null();
    }
    json_t *object = json_object(), *flow = json_array_get(d->flow[node->index], (size_t)i);
    if (input->producer != NULL) {
        put(d, object, "node", json_integer((json_int_t)input->producer->index));
        put(d, object, "output", json_integer(input->output));
    } else {
        put(d, object, "leaf", json_integer((json_int_t)leaf_of(d, input->value)));
    }
    put(d, object, "name", ag_content_text(ag_input_text(input, text, sizeof(text))));
    put(d, object, "shape", shape_of(input->value));
    put(d, object, "saved", json_boolean(input->saved));
    put(d, object, "wants", json_boolean(input->wants));
    if (json_is_object(flow)) {
        put(d, object, "contribution", json_incref(flow));
    }
    return object;
}

/* "c = 2, d = 3" as an object. */
static json_t *numbers_of(const ag_node *node)
{
    json_t *object = json_object();
    const char *name = node->op->numbers;
    for (size_t i = 0; name != NULL && *name != '\0' && node->params != NULL && (i + 1) * sizeof(double) <= node->op->params; i++) {
        double number;
        char key[32];
        size_t length = strcspn(name, " ");
        memcpy(&number, (const char *)node->params + i * sizeof(double), sizeof(number));
        snprintf(key, sizeof(key), "%.*s", (int)length, name);
        json_object_set_new(object, key, ag_content_number(number));
        name += length + strspn(name + length, " ");
    }
    return object;
}

static json_t *node_of(struct document *d, const ag_node *node)
{
    json_t *object = json_object(), *inputs = json_array(), *outputs = json_array(), *saves = json_array();
    char line[64];
    put(d, object, "node", json_integer((json_int_t)node->index));
    put(d, object, "operation", ag_content_text(node->op->name));
    put(d, object, "in_place", json_boolean(node->in_place));
    put(d, object, "formula", node->op->formula == NULL ? json_null() : ag_content_text(node->op->formula));
    put(d, object, "derivative", node->op->derivative == NULL ? json_null() : ag_content_text(node->op->derivative));
    put(d, object, "numbers", numbers_of(node));
    put(d, object, "layer", ag_content_text(node->label->path));
    put(d, object, "line", ag_content_text(ag_place_text(node->where, line, sizeof(line))));
    put(d, object, "state", json_string(node->output[0] == NULL ? "freed" : "there"));
    for (int i = 0; node->output[0] != NULL && i < node->inputs; i++) {
        append(d, inputs, input_of(d, node, i));
    }
    for (int i = 0; node->output[0] != NULL && i < node->outputs; i++) {
        append(d, outputs, output_of(d, node, i));
        if ((node->saves & AG_SAVE_OUTPUT(i)) != 0) {
            append(d, saves, json_integer(i));
        }
    }
    put(d, object, "inputs", inputs);
    put(d, object, "outputs", outputs);
    put(d, object, "saves", saves);
    if (node->kept != NULL) {
        put(d, object, "forward", json_real(node->kept->forward));
        put(d, object, "backward", json_real(node->kept->backward));
    }
    return object;
}

static const char *why(const ag_value *v)
{
    switch ((enum ag_reason)v->reason) {
    case AG_REASON_NO_GRAD:
        return "computed without recording";
    case AG_REASON_DETACHED:
        return "detached or kept";
    case AG_REASON_NO_RULE:
        return "from an operation that is not differentiable";
    case AG_REASON_CONSTANT:
        break;
    }
    return NULL;
}

static json_t *leaf_text(struct document *d, const struct leaf *leaf)
{
    const ag_value *v = leaf->value;
    json_t *object = json_object();
    char line[64];
    put(d, object, "kind", json_string(leaf->wants ? "leaf" : "constant"));
    if (!leaf->wants && why(v) != NULL) {
        put(d, object, "because", json_string(why(v)));
        put(d, object, "line", ag_content_text(ag_place_text(v->reason_where, line, sizeof(line))));
    }
    put_tensor(d, object, v, false);
    if (!v->persistent && v->reason_where.file != NULL) { /* only results have this */
        put(d, object, "computed", json_true());
    }
    if (ag_value_there(v) && v->storage->version != leaf->version) {
        put(d, object, "changed", json_true());
    }
    put(d, object, "gradient", leaf->gradient != NULL ? json_incref(leaf->gradient)
        : v->grad_failed ? json_string("half-done") : ag_content_of(ag_leaf_gradient_now(v), d->limits, "none"));
    return object;
}

static json_t *written(struct document *d, const ag_value *loss)
{
    json_t *root = json_object(), *nodes = json_array(), *leaves = json_array(), *end = json_null();
    put(d, root, "format", json_string("wengert tape 1"));
    if (loss != NULL && loss->producer != NULL) {
        end = json_pack("{s:I, s:i}", "node", (json_int_t)loss->producer->index, "output", (int)loss->output);
    }
    put(d, root, "loss", end);
    d->exact = d->nodes <= SMALL_TAPE;
    for (int64_t k = 0; k < d->length; k++) {
        if (d->wanted[k]) {
            append(d, nodes, node_of(d, d->ctx->node[k]));
        }
    }
    for (int64_t i = 0; i < d->leaves; i++) {
        append(d, leaves, leaf_text(d, &d->leaf[i]));
    }
    put(d, root, "digits", json_integer(!d->exact ? 5 : d->wide ? 17 : 9));
    put(d, root, "nodes", nodes);
    put(d, root, "leaves", leaves);
    return root;
}

int ag_document_digits(const json_t *document)
{
    return (int)json_integer_value(json_object_get(document, "digits"));
}

static void let_go(struct document *d)
{
    for (int64_t i = 0; d->gradient != NULL && i < d->length * AG_OP_MAX_OUTPUTS; i++) {
        json_decref(d->gradient[i]);
    }
    for (int64_t i = 0; d->flow != NULL && i < d->length; i++) {
        json_decref(d->flow[i]);
    }
    for (int64_t i = 0; i < d->leaves; i++) {
        json_decref(d->leaf[i].gradient);
    }
    free(d->leaf);
    free(d->gradient);
    free(d->flow);
    free(d->wanted);
}

json_t *ag_tape_document(ag_place where, const char *function, ag_tensor output)
{
    struct document d = {.where = where, .function = function, .ok = true};
    d.ctx = ag_context_get();
    const ag_value *v = d.ctx == NULL || ag_error_code() != AG_OK || ag_is_none(output) ? NULL : ag_resolve_own(where, function, output);
    if (d.ctx == NULL || ag_error_code() != AG_OK) {
        return NULL;
    }
    d.length = d.ctx->nodes;
    d.wanted = ag_tape_cone(where, function, d.ctx, v);
    d.gradient = calloc((size_t)d.length * AG_OP_MAX_OUTPUTS + 1, sizeof(json_t *));
    d.flow = calloc((size_t)d.length + 1, sizeof(json_t *));
    json_t *root = NULL;
    d.ok = d.wanted != NULL && d.gradient != NULL && d.flow != NULL && collect_leaves(&d);
    if (d.ok) {
        for (int64_t k = 0; k < d.length; k++) {
            d.nodes += d.wanted[k];
        }
        d.limits.numbers = d.nodes <= SMALL_TAPE ? SMALL_TENSOR : SMALL_TENSOR / 4;
        d.limits.side = d.nodes <= LARGE_TAPE ? 16 : 8;
        find_gradients(&d, output);
        root = written(&d, v);
    }
    let_go(&d);
    if (!d.ok && ag_error_code() == AG_OK) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: out of memory", function);
    }
    if (ag_error_code() != AG_OK) {
        json_decref(root);
        return NULL;
    }
    return root;
}
