/*
 * A backward taken node by node. The sweep is that of sweep.c; this file decides when the next node is visited, and looks.
 */
#include "step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../sweep.h"
#include "survey.h"

struct ag_stepper {
    ag_sweep sweep;
    ag_place where;
    ag_node *node; /* to be visited next */
    bool nil;
};

static ag_stepper nil_stepper = {.nil = true};

static void abandon(ag_context *ctx)
{
    ag_sweep *s = ctx->stepping;
    ctx->stepping = NULL;
    ag_sweep_resume(s);
    ag_sweep_finish(s, true);
}

/* Whether the stepper is at work; it is not at its end, after its scope ended, and on another thread. */
static bool alive(const ag_stepper *s)
{
    return !s->nil && ag_current != NULL && ag_current->stepping == &s->sweep;
}

/* Finds the next node; at the end, or after an error, the sweep is over. The sweep is resumed. */
static void settle(ag_stepper *s)
{
    s->node = ag_error_code() != AG_OK ? NULL : ag_sweep_next(&s->sweep, 0);
    if (s->node != NULL) {
        ag_sweep_pause(&s->sweep);
        return;
    }
    s->sweep.ctx->stepping = NULL;
    ag_sweep_finish(&s->sweep, false);
}

ag_stepper *ag_stepper_new_at(ag_place where, ag_tensor loss, ag_backward_config config)
{
    ag_stepper *s = malloc(sizeof(*s));
    if (s == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "ag_stepper_new: out of memory");
        return &nil_stepper;
    }
    if (!ag_sweep_begin(&s->sweep, where, "ag_stepper_new", loss, &config)) {
        free(s);
        return &nil_stepper;
    }
    s->nil = false;
    s->where = where;
    ag_context *ctx = s->sweep.ctx;
    ctx->stepping = &s->sweep;
    ctx->stepping_from = s->sweep.start;
    ctx->abandon = abandon;
    ag_sweep_resume(&s->sweep);
    settle(s);
    return s;
}

void ag_stepper_free(ag_stepper *s)
{
    if (s->nil) {
        return;
    }
    if (alive(s)) {
        abandon(s->sweep.ctx);
    }
    free(s);
}

static const ag_node *standing(const ag_stepper *s)
{
    return alive(s) ? s->node : NULL;
}

int64_t ag_stepper_node(const ag_stepper *s)
{
    const ag_node *node = standing(s);
    return node == NULL ? -1 : node->index;
}

const struct ag_op *ag_stepper_op(const ag_stepper *s)
{
    const ag_node *node = standing(s);
    return node == NULL ? NULL : node->op;
}

ag_place ag_stepper_line(const ag_stepper *s)
{
    const ag_node *node = standing(s);
    return node == NULL ? ag_place_make(NULL, 0) : node->where;
}

const char *ag_stepper_part(const ag_stepper *s)
{
    const ag_node *node = standing(s);
    return node == NULL ? "" : node->label->path;
}

/* ---- looking ------------------------------------------------------------------------------------------------------------ */

/* The node that the stepper stands at, if it has an input or output i; NULL after raising. */
static ag_node *at_stop(ag_place where, const char *function, ag_stepper *s, bool output, int i)
{
    ag_node *node = alive(s) ? s->node : NULL;
    if (ag_error_code() != AG_OK) {
        return NULL;
    }
    if (node == NULL) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the backward is at its end, or its scope has ended", function);
        return NULL;
    }
    int count = output ? node->outputs : node->inputs;
    if (i < 0 || i >= count) {
        ag_error_raise(where, AG_ERROR_INDEX, "%s: %s %d of ag_%s, which has %d", function, output ? "output" : "input", i,
                       node->op->name, count);
        return NULL;
    }
    return node;
}

ag_tensor ag_stepper_grad_at(ag_place where, ag_stepper *s, int i)
{
    const ag_node *node = at_stop(where, "ag_stepper_grad", s, true, i);
    if (node == NULL) {
        return AG_NIL;
    }
    const ag_value *g = node->pending_grad[i];
    if (g == NULL && !ag_node_has_gradient(node)) {
        return ag_zeros_at(where, ag_value_shape_of(node->output[i]), (ag_dtype)node->output[i]->dtype);
    }
    return g == NULL ? AG_NONE : ag_value_copy_out(where, "ag_stepper_grad", g);
}

/* An array of what the rule contributes to each input, to be let go by forget(); NULL if that cannot be said. */
static ag_value **contributions(const ag_stepper *s, ag_node *node)
{
    ag_value **collected = calloc((size_t)node->inputs + 1, sizeof(ag_value *)), *dy[AG_OP_MAX_OUTPUTS];
    for (int i = 0; i < node->outputs; i++) {
        dy[i] = node->pending_grad[i];
    }
    if (collected != NULL && !ag_sweep_probe(s->sweep.ctx, node, dy, collected)) {
        free(collected);
        return NULL;
    }
    return collected;
}

static void forget(ag_value **collected, const ag_node *node)
{
    for (int i = 0; collected != NULL && i < node->inputs; i++) {
        ag_pending_drop(&collected[i]);
    }
    free(collected);
}

ag_tensor ag_stepper_contribution_at(ag_place where, ag_stepper *s, int i)
{
    ag_node *node = at_stop(where, "ag_stepper_contribution", s, false, i);
    if (node == NULL) {
        return AG_NIL;
    }
    ag_value **collected = contributions(s, node);
    ag_tensor result = ag_error_code() != AG_OK ? AG_NIL : AG_NONE;
    if (collected != NULL && collected[i] != NULL) {
        result = ag_value_copy_out(where, "ag_stepper_contribution", collected[i]);
    }
    forget(collected, node);
    return result;
}

/* What has arrived at input i so far: at the node that made it, or in the leaf. */
static const ag_value *accumulated(const ag_node *node, int i)
{
    const struct ag_node_input *input = &node->input[i];
    if (input->value == NULL || !input->wants) {
        return NULL;
    }
    struct ag_edge e = ag_edge_of_input(input);
    const ag_value *waiting = *ag_edge_slot(e);
    return waiting != NULL || e.producer != NULL ? waiting : ag_leaf_gradient_now(e.value);
}

ag_tensor ag_stepper_accumulated_at(ag_place where, ag_stepper *s, int i)
{
    const ag_node *node = at_stop(where, "ag_stepper_accumulated", s, false, i);
    if (node == NULL) {
        return AG_NIL;
    }
    const ag_value *g = accumulated(node, i);
    return g == NULL ? AG_NONE : ag_value_copy_out(where, "ag_stepper_accumulated", g);
}

/* ---- going on ------------------------------------------------------------------------------------------------------------- */

int64_t ag_stepper_step(ag_stepper *s)
{
    if (!alive(s)) {
        return -1;
    }
    ag_place caller = ag_caller_set(s->where);
    ag_sweep_resume(&s->sweep);
    if (ag_error_code() == AG_OK) {
        ag_sweep_visit(&s->sweep, s->node);
    }
    settle(s);
    ag_caller_set(caller);
    return ag_stepper_node(s);
}

int64_t ag_stepper_out(ag_stepper *s)
{
    ag_place from = ag_stepper_line(s), now = from;
    while (ag_stepper_node(s) >= 0 && now.line == from.line &&
           (now.file == from.file || (now.file != NULL && from.file != NULL && strcmp(now.file, from.file) == 0))) {
        ag_stepper_step(s);
        now = ag_stepper_line(s);
    }
    return ag_stepper_node(s);
}

int64_t ag_stepper_to_node(ag_stepper *s, int64_t node)
{
    while (ag_stepper_node(s) >= 0 && ag_stepper_node(s) > node) {
        ag_stepper_step(s);
    }
    return ag_stepper_node(s);
}

int64_t ag_stepper_to_op(ag_stepper *s, const char *operation)
{
    do {
        ag_stepper_step(s);
    } while (ag_stepper_node(s) >= 0 && strcmp(ag_stepper_op(s)->name, operation) != 0);
    return ag_stepper_node(s);
}

/* The lowest node that uses the leaf: after it nothing more arrives there. */
static int64_t last_use(const ag_context *ctx, const ag_value *leaf, int64_t from)
{
    for (int64_t k = 0; k <= from; k++) {
        for (int i = 0; i < ctx->node[k]->inputs; i++) {
            if (ctx->node[k]->input[i].value == leaf && ctx->node[k]->input[i].producer == NULL) {
                return k;
            }
        }
    }
    return from;
}

int64_t ag_stepper_to_at(ag_place where, ag_stepper *s, ag_tensor t)
{
    const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve_own(where, "ag_stepper_to", t);
    const ag_node *node = standing(s);
    if (v == NULL || node == NULL) {
        return ag_stepper_node(s);
    }
    if (v->producer != NULL) {
        return ag_stepper_to_node(s, v->producer->index);
    }
    return ag_stepper_to_node(s, last_use(s->sweep.ctx, v, node->index) - 1);
}

static bool nonfinite(const ag_value *v)
{
    if (v == NULL || !ag_dtype_is_float((ag_dtype)v->dtype)) {
        return false;
    }
    struct ag_survey y = ag_survey_of(v);
    return y.nans + y.infinities > 0;
}

static bool spoils(ag_stepper *s)
{
    ag_node *node = s->node;
    bool found = false;
    for (int i = 0; i < node->outputs && !found; i++) {
        found = nonfinite(node->pending_grad[i]);
    }
    ag_value **collected = found ? NULL : contributions(s, node);
    for (int i = 0; collected != NULL && i < node->inputs && !found; i++) {
        found = nonfinite(collected[i]);
    }
    forget(collected, node);
    return found;
}

int64_t ag_stepper_to_nonfinite(ag_stepper *s)
{
    while (ag_stepper_node(s) >= 0 && ag_error_code() == AG_OK && !spoils(s)) {
        ag_stepper_step(s);
    }
    return ag_stepper_node(s);
}

ag_error ag_stepper_finish(ag_stepper *s)
{
    while (ag_stepper_node(s) >= 0) {
        ag_stepper_step(s);
    }
    return ag_error_code();
}

/* ---- a stop, printed ------------------------------------------------------------------------------------------------------- */

ag_error ag_stepper_print(ag_stepper *s, FILE *stream)
{
    if (!ag_stream_given(ag_caller(), "ag_stepper_print", stream)) {
        return ag_error_code();
    }
    ag_node *node = alive(s) ? s->node : NULL;
    if (node == NULL) {
        fprintf(stream, "backward is at its end\n");
        return ag_stream_result(ag_caller(), "ag_stepper_print", stream);
    }
    char line[64], name[96], what[160], given[128];
    fprintf(stream, "#%lld %s%s  %s%s%s\n", (long long)node->index, node->op->name, node->in_place ? "_" : "",
            ag_place_text(node->where, line, sizeof(line)), node->label->path[0] != '\0' ? "  in " : "", node->label->path);
    fprintf(stream, "  %-24s %s%s\n", "formula", node->op->formula != NULL ? node->op->formula : "(none given)",
            ag_numbers_text(node, "   with ", given, sizeof(given)));
    fprintf(stream, "  %-24s %s\n", "derivative", node->op->derivative != NULL ? node->op->derivative : "(none given)");
    for (int i = 0; i < node->outputs; i++) {
        snprintf(what, sizeof(what), node->outputs > 1 ? "result %d" : "result", i);
        ag_value_print(stream, what, node->output[i], "-");
        snprintf(what, sizeof(what), node->outputs > 1 ? "gradient arrived, %d" : "gradient arrived", i);
        ag_value_print(stream, what, node->pending_grad[i], ag_node_has_gradient(node) ? "none" : "zeros");
    }
    ag_value **collected = contributions(s, node);
    for (int i = 0; i < node->inputs; i++) {
        const struct ag_node_input *input = &node->input[i];
        if (input->value == NULL) {
            continue;
        }
        snprintf(what, sizeof(what), "input %d, %s", i, ag_input_text(input, name, sizeof(name)));
        ag_value_print(stream, what, input->value, "-");
        if (!input->wants) {
            continue;
        }
        ag_value_print(stream, "  contribution", collected == NULL ? NULL : collected[i],
                    collected == NULL ? "cannot be said: the rule sends its gradients on itself" : "none");
        ag_value_print(stream, "  added up before", accumulated(node, i), "nothing");
    }
    forget(collected, node);
    return ag_stream_result(ag_caller(), "ag_stepper_print", stream);
}
