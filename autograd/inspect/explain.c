/*
 * The chain rule between a loss and a tensor: which paths lead from one to the other, what flows along each, where it ends.
 */
#include "explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../sweep.h"
#include "local.h"
#include "survey.h"

#define DEFAULTS 0x6578706cu

ag_explain_config ag_explain_defaults(void)
{
    ag_explain_config config = {DEFAULTS, 8, 0.01};
    return config;
}

struct explain {
    ag_place where;
    FILE *stream; /* or NULL */
    ag_context *ctx;
    const ag_explain_config *config;
    struct ag_edge x, loss;
    const char *x_name;
    double *paths;    /* for each node: how many lead from it to x */
    ag_explanation result;
    double *followed; /* what the paths contribute together */
    bool failed;
};

static bool same_edge(struct ag_edge a, struct ag_edge b)
{
    return a.producer == b.producer && (a.producer != NULL ? a.output == b.output : a.value == b.value);
}

/* How many paths lead on through the input: 1 if it is x itself. */
static double paths_through(const struct explain *e, const struct ag_node_input *input)
{
    if (input->value == NULL || !input->wants) {
        return 0;
    }
    return same_edge(ag_edge_of_input(input), e->x) ? 1 : input->producer != NULL ? e->paths[input->producer->index] : 0;
}

static void count_paths(struct explain *e, int64_t start)
{
    for (int64_t k = 0; k <= start; k++) {
        const ag_node *node = e->ctx->node[k];
        for (int i = 0; i < node->inputs; i++) {
            e->paths[k] += paths_through(e, &node->input[i]);
        }
    }
}

static double norm_of(const ag_value *v)
{
    return v == NULL ? 0 : ag_survey_of(v).norm;
}

/* ---- what each node on the way does -------------------------------------------------------------------------------------- */

/* The shares of a unary element-wise operation's local derivatives that are zero, and small. */
static bool local_shares(const struct explain *e, ag_node *node, double *dead, double *saturated)
{
    double *numbers = ag_local_derivative(e->where, e->ctx, node);
    int64_t zeros = 0, small = 0, count = numbers == NULL ? 0 : node->output[0]->numel;
    for (int64_t i = 0; i < count; i++) {
        zeros += numbers[i] == 0;
        small += numbers[i] != 0 && fabs(numbers[i]) < e->config->saturated;
    }
    free(numbers);
    *dead = count == 0 ? 0 : (double)zeros / (double)count;
    *saturated = count == 0 ? 0 : (double)small / (double)count;
    return count > 0;
}

static void say_shares(struct explain *e, ag_node *node)
{
    double dead = 0, saturated = 0;
    char line[64];
    if (!local_shares(e, node, &dead, &saturated)) {
        return;
    }
    e->result.dead = fmax(e->result.dead, dead);
    e->result.saturated = fmax(e->result.saturated, saturated);
    if (e->stream != NULL && (dead > 0 || saturated > 0)) {
        fprintf(e->stream, "  #%lld %s at %s: local derivative 0 for %.0f %%, below %g for %.0f %% of its elements\n",
                (long long)node->index, node->op->name, ag_place_text(node->where, line, sizeof(line)), 100 * dead,
                e->config->saturated, 100 * saturated);
    }
}

/* Is shown each node of the sweep, with what has arrived at it. */
static void see(ag_node *node, void *user)
{
    struct explain *e = user;
    char line[64], what[64];
    if (node->index > e->loss.producer->index || e->paths[node->index] == 0 || ag_error_code() != AG_OK) {
        return;
    }
    ag_value **out = calloc((size_t)node->inputs + 1, sizeof(ag_value *)), *dy[AG_OP_MAX_OUTPUTS];
    double arrived = 0, sent = 0;
    for (int i = 0; i < node->outputs; i++) {
        dy[i] = node->pending_grad[i];
        arrived = fmax(arrived, norm_of(dy[i]));
    }
    bool known = out != NULL && ag_sweep_probe(e->ctx, node, dy, out);
    for (int i = 0; i < node->inputs; i++) {
        const struct ag_node_input *input = &node->input[i];
        if (paths_through(e, input) == 0) {
            continue;
        }
        double norm = known ? norm_of(out[i]) : NAN;
        sent = isnan(norm) ? norm : fmax(sent, norm);
        if (!same_edge(ag_edge_of_input(input), e->x)) {
            continue;
        }
        e->result.uses++;
        if (e->stream != NULL) {
            snprintf(what, sizeof(what), "#%lld %s, input %d, %s", (long long)node->index, node->op->name, i,
                     ag_place_text(node->where, line, sizeof(line)));
            fprintf(e->stream, "  use:");
            ag_value_print(e->stream, what, known ? out[i] : NULL, known ? "contributes nothing" : "cannot be said: a checkpointed block");
        }
    }
    if (known && arrived > 0 && sent == 0 && e->result.dies_at < 0) {
        e->result.dies_at = node->index;
        if (e->stream != NULL) {
            fprintf(e->stream, "  the gradient ends at #%lld %s, %s: %s: what arrives is not zero, what it passes on towards %s is\n",
                    (long long)node->index, node->op->name, ag_place_text(node->where, line, sizeof(line)),
                    node->op->derivative != NULL ? node->op->derivative : "a rule without words", e->x_name);
        }
    }
    say_shares(e, node);
    for (int i = 0; out != NULL && i < node->inputs; i++) {
        ag_pending_drop(&out[i]);
    }
    free(out);
}

/* ---- paths ------------------------------------------------------------------------------------------------------------------- */

/* One node of the path that is being followed. */
struct stop {
    ag_node *node;
    int output;
    ag_value *grad;  /* of its output, along this path alone; held */
    ag_value **part; /* what it contributes to each input */
    bool *taken;
    int input;       /* the way that is being gone */
};

static void leave(struct stop *s)
{
    for (int i = 0; s->part != NULL && i < s->node->inputs; i++) {
        ag_pending_drop(&s->part[i]);
    }
    free(s->part);
    free(s->taken);
    ag_held_drop(&s->grad);
}

static bool enter(struct explain *e, struct stop *s, ag_node *node, int output, ag_value *grad)
{
    ag_value *dy[AG_OP_MAX_OUTPUTS] = {NULL};
    memset(s, 0, sizeof(*s));
    s->node = node;
    s->output = output;
    s->input = -1;
    ag_held_set(&s->grad, grad);
    s->part = calloc((size_t)node->inputs + 1, sizeof(ag_value *));
    s->taken = calloc((size_t)node->inputs + 1, sizeof(bool));
    if (s->part == NULL || s->taken == NULL) {
        ag_error_raise(e->where, AG_ERROR_MEMORY, "ag_explain: out of memory");
        return false;
    }
    dy[output] = grad;
    return ag_sweep_probe(e->ctx, node, dy, s->part);
}

/* The way on with the largest contribution that was not gone yet; -1: none. */
static int choose(const struct explain *e, const struct stop *s)
{
    int best = -1;
    double most = -1;
    for (int i = 0; i < s->node->inputs; i++) {
        if (!s->taken[i] && s->part[i] != NULL && paths_through(e, &s->node->input[i]) > 0) {
            double norm = norm_of(s->part[i]);
            if (best < 0 || norm > most) {
                best = i;
                most = norm;
            }
        }
    }
    return best;
}

/* What arrives at a stop, or at x in the end, is one number. */
static bool all_scalar(const struct stop *path, int length)
{
    for (int i = 0; i < length; i++) {
        if (path[i].grad->numel != 1 || path[i].part[path[i].input]->numel != 1) {
            return false;
        }
    }
    return true;
}

static double first_number(const ag_value *v)
{
    double *number = ag_value_doubles(ag_caller(), "ag_explain", v), result = number == NULL ? NAN : number[0];
    free(number);
    return result;
}

/* d(output)/d(input) of a stop, where both are single numbers. */
static double local_derivative(struct explain *e, const struct stop *s)
{
    ag_frame frame = ag_frame_begin();
    ag_tensor one = ag_ones_at(e->where, ag_value_shape_of(s->grad), (ag_dtype)s->grad->dtype);
    ag_value **part = calloc((size_t)s->node->inputs + 1, sizeof(ag_value *)), *dy[AG_OP_MAX_OUTPUTS] = {NULL};
    double result = NAN;
    dy[s->output] = ag_is_nil(one) ? NULL : ag_peek(one);
    if (part != NULL && dy[s->output] != NULL && ag_sweep_probe(e->ctx, s->node, dy, part)) {
        result = part[s->input] == NULL ? 0 : first_number(part[s->input]);
        for (int i = 0; i < s->node->inputs; i++) {
            ag_pending_drop(&part[i]);
        }
    }
    free(part);
    ag_frame_end_n(frame, 0, NULL);
    return result;
}

static const char *symbol(const struct explain *e, const struct stop *path, int length, int k, char *text, size_t bytes)
{
    if (k == length) {
        snprintf(text, bytes, "%s", e->x_name);
    } else if (k == 0) {
        snprintf(text, bytes, "loss");
    } else {
        ag_input_text(&path[k - 1].node->input[path[k - 1].input], text, bytes);
    }
    return text;
}

static void print_path(struct explain *e, const struct stop *path, int length)
{
    FILE *f = e->stream;
    char a[96], b[96], line[64], shape[AG_SHAPE_TEXT], given[96];
    const ag_value *last = path[length - 1].part[path[length - 1].input];
    double share = e->result.norm > 0 ? 100 * norm_of(last) / e->result.norm : 0;
    fprintf(f, "\n  path %d: contributes %s%.6g, %.0f %% of the gradient%s\n", e->result.followed, last->numel == 1 ? "" : "norm ",
            last->numel == 1 ? first_number(last) : norm_of(last), share, last->numel == 1 ? "" : "'s norm");
    if (all_scalar(path, length)) {
        fprintf(f, "    ");
        for (int k = 0; k < length; k++) {
            fprintf(f, "%sd%s/d%s", k > 0 ? " * " : "", symbol(e, path, length, k, a, sizeof(a)),
                    symbol(e, path, length, k + 1, b, sizeof(b)));
        }
        fprintf(f, "\n    = ");
        for (int k = 0; k < length; k++) {
            fprintf(f, "%s%.6g", k > 0 ? " * " : "", local_derivative(e, &path[k]));
        }
        fprintf(f, "\n    = %.6g\n", first_number(last));
    }
    for (int k = 0; k < length; k++) {
        const ag_node *node = path[k].node;
        const ag_value *g = path[k].grad;
        fprintf(f, "    #%-4lld %-16s %-20s %-12s arrives %s %.4g   %s%s\n", (long long)node->index, node->op->name,
                ag_place_text(node->where, line, sizeof(line)), ag_shape_format(ag_value_shape_of(g), shape, sizeof(shape)),
                g->numel == 1 ? "" : "norm", g->numel == 1 ? first_number(g) : norm_of(g),
                node->op->derivative != NULL ? node->op->derivative : "", ag_numbers_text(node, ", ", given, sizeof(given)));
    }
}

static void finish_path(struct explain *e, const struct stop *path, int length)
{
    const ag_value *last = path[length - 1].part[path[length - 1].input];
    e->result.followed++;
    double *numbers = ag_value_doubles(e->where, "ag_explain", last);
    for (int64_t i = 0; numbers != NULL && i < last->numel; i++) {
        e->followed[i] += numbers[i];
    }
    free(numbers);
    if (e->stream != NULL) {
        print_path(e, path, length);
    }
}

/* Follows paths from the loss down, at each fork the largest contribution first, until there are enough. */
static void follow_paths(struct explain *e, ag_value *cotangent)
{
    int64_t length = 0;
    struct stop *path = calloc((size_t)e->loss.producer->index + 2, sizeof(*path));
    if (path == NULL) {
        ag_error_raise(e->where, AG_ERROR_MEMORY, "ag_explain: out of memory");
        return;
    }
    bool ok = enter(e, &path[length++], e->loss.producer, e->loss.output, cotangent);
    while (ok && length > 0 && e->result.followed < e->config->paths) {
        struct stop *top = &path[length - 1];
        int i = choose(e, top);
        if (i < 0) {
            leave(top);
            length--;
            continue;
        }
        top->taken[i] = true;
        top->input = i;
        const struct ag_node_input *input = &top->node->input[i];
        if (same_edge(ag_edge_of_input(input), e->x)) {
            finish_path(e, path, (int)length);
        } else {
            ok = enter(e, &path[length], input->producer, input->output, top->part[i]);
            length++;
        }
    }
    if (!ok && ag_error_code() == AG_OK && e->stream != NULL) {
        fprintf(e->stream, "\n  a checkpointed block lies on the way: its paths are not known\n");
    }
    while (length > 0) {
        leave(&path[--length]);
    }
    free(path);
}

/* ---- why there is no gradient ---------------------------------------------------------------------------------------------- */

static const char *reason_text(const ag_value *v)
{
    switch ((enum ag_reason)v->reason) {
    case AG_REASON_NO_GRAD:
        return "was computed in the no_grad scope opened";
    case AG_REASON_DETACHED:
        return "was detached or kept";
    case AG_REASON_NO_RULE:
        return "comes from an operation that is not differentiable,";
    case AG_REASON_CONSTANT:
        break;
    }
    return "is a constant";
}

static void say_ends(const struct explain *e, const bool *cone)
{
    char line[64], name[96];
    for (int64_t k = 0; k < e->ctx->nodes; k++) {
        const ag_node *node = e->ctx->node[k];
        for (int i = 0; cone[k] && i < node->inputs; i++) {
            const ag_value *v = node->input[i].value;
            if (v == NULL || node->input[i].wants || v->reason == AG_REASON_CONSTANT) {
                continue;
            }
            fprintf(e->stream, "  a way ends at #%lld %s, input %d: it %s at %s", (long long)k, node->op->name, i, reason_text(v),
                    ag_place_text(v->reason_where, line, sizeof(line)));
            for (int64_t a = 0; a < e->ctx->nodes && v->storage != NULL; a++) {
                const ag_value *y = e->ctx->node[a]->output[0];
                if (y != NULL && y != v && y->storage == v->storage && e->ctx->node[a]->state == AG_NODE_LIVE) {
                    fprintf(e->stream, "; it has the numbers of #%lld %s", (long long)a, e->ctx->node[a]->op->name);
                    break;
                }
            }
            if (e->x.value->storage == v->storage && v->storage != NULL) {
                fprintf(e->stream, "; it has the numbers of %s", e->x_name);
            }
            fprintf(e->stream, "\n");
        }
    }
    (void)name;
}

static void say_missing(struct explain *e, const bool *cone)
{
    char line[64];
    int64_t outside = -1;
    bool used = false;
    fprintf(e->stream, "%s gets no gradient from this loss\n", e->x_name);
    if (!e->x.value->requires_grad) {
        fprintf(e->stream, "  it does not require one: it %s", e->x.value->reason == AG_REASON_CONSTANT
                ? "is a constant, or a frozen leaf" : reason_text(e->x.value));
        if (e->x.value->reason != AG_REASON_CONSTANT) {
            fprintf(e->stream, " at %s", ag_place_text(e->x.value->reason_where, line, sizeof(line)));
        }
        fprintf(e->stream, "\n");
    }
    for (int64_t k = 0; k < e->ctx->nodes; k++) {
        const ag_node *node = e->ctx->node[k];
        for (int i = 0; i < node->inputs; i++) {
            if (node->input[i].value != NULL && same_edge(ag_edge_of_input(&node->input[i]), e->x)) {
                used = used || cone[k];
                outside = cone[k] || outside >= 0 ? outside : k;
            }
        }
    }
    if (!used && outside >= 0) {
        fprintf(e->stream, "  #%lld %s, %s, uses it, but the loss does not depend on that\n", (long long)outside,
                e->ctx->node[outside]->op->name, ag_place_text(e->ctx->node[outside]->where, line, sizeof(line)));
    } else if (!used) {
        fprintf(e->stream, "  no operation on the tape reads it\n");
    }
    say_ends(e, cone);
}

/* ---- call --------------------------------------------------------------------------------------------------------------------- */

/* The gradient as it is, and what is seen on the way; false after raising, or if there is none. */
static bool sweep(struct explain *e, ag_tensor loss, double **gradient)
{
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = config.allow_unused = true;
    ag_tensor g, x = ag_handle(e->x.value);
    bool inspecting = e->ctx->inspecting;
    e->ctx->inspecting = true;
    ag_error error = ag_grad_seen(e->where, loss, 1, &x, &g, config, see, e);
    e->ctx->inspecting = inspecting;
    if (error != AG_OK || ag_is_none(g)) {
        return false;
    }
    *gradient = ag_value_doubles(e->where, "ag_explain", ag_peek(g));
    e->result.norm = norm_of(ag_peek(g));
    if (e->stream != NULL) {
        fprintf(e->stream, "\n");
        ag_value_print(e->stream, "gradient, of all paths", ag_peek(g), "none");
    }
    return *gradient != NULL;
}

static void explain(struct explain *e, ag_tensor loss)
{
    double *gradient = NULL;
    ag_frame frame = ag_frame_begin();
    if (e->stream != NULL) {
        fprintf(e->stream, "d loss / d %s: %.0f path%s\n", e->x_name, e->paths[e->loss.producer->index],
                e->paths[e->loss.producer->index] == 1 ? "" : "s");
    }
    if (sweep(e, loss, &gradient)) {
        int64_t count = e->x.value->numel;
        e->result.reached = true;
        e->followed = calloc((size_t)count + 1, sizeof(double));
        ag_tensor one = ag_ones_at(e->where, ag_value_shape_of(e->loss.value), (ag_dtype)e->loss.value->dtype);
        if (e->followed != NULL && !ag_is_nil(one)) {
            follow_paths(e, ag_peek(one));
        }
        double rest = 0, together = 0;
        for (int64_t i = 0; e->followed != NULL && i < count; i++) {
            rest += (gradient[i] - e->followed[i]) * (gradient[i] - e->followed[i]);
            together += e->followed[i] * e->followed[i];
        }
        e->result.followed_norm = sqrt(together);
        e->result.residual = rest == 0 ? 0 : sqrt(rest) / e->result.norm;
        if (e->stream != NULL && e->result.followed < e->result.paths) {
            fprintf(e->stream, "\n  %d of the paths were followed, the largest contribution first at each fork; what they leave out has "
                    "%.3g of the gradient's norm\n", e->result.followed, e->result.residual);
        }
        free(e->followed);
    }
    free(gradient);
    ag_frame_end_n(frame, 0, NULL);
}

ag_explanation ag_explain_at(ag_place where, FILE *stream, ag_tensor loss, ag_tensor x, ag_explain_config config)
{
    struct explain e = {.where = where, .stream = stream, .config = &config, .result = {.dies_at = -1}};
    char name[64];
    if (config.made_by_defaults != DEFAULTS) {
        ag_error_raise(where, AG_ERROR_STATE, "ag_explain: the config does not come from ag_explain_defaults()");
        return e.result;
    }
    e.ctx = ag_context_get();
    ag_value *y = e.ctx == NULL || ag_error_code() != AG_OK ? NULL : ag_resolve_own(where, "ag_explain", loss);
    ag_value *v = y == NULL ? NULL : ag_resolve_own(where, "ag_explain", x);
    if (v == NULL) {
        return e.result;
    }
    if (y->numel != 1) {
        char shape[AG_SHAPE_TEXT];
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_explain: the loss has shape %s; it must have one element",
                       ag_shape_format(ag_value_shape_of(y), shape, sizeof(shape)));
        return e.result;
    }
    e.x = ag_edge_of_value(v);
    e.loss = ag_edge_of_value(y);
    if (v->producer != NULL) {
        snprintf(name, sizeof(name), "#%lld", (long long)v->producer->index);
    }
    e.x_name = v->name != NULL ? v->name : v->producer != NULL ? name : "the leaf";
    ag_place caller = ag_caller_set(where);
    bool *cone = ag_tape_cone(where, "ag_explain", e.ctx, y);
    e.paths = calloc((size_t)e.ctx->nodes + 1, sizeof(double));
    if (cone != NULL && e.paths != NULL && e.loss.producer != NULL && !same_edge(e.x, e.loss)) {
        count_paths(&e, e.loss.producer->index);
        e.result.paths = e.paths[e.loss.producer->index];
    }
    if (cone != NULL && e.paths != NULL) {
        if (e.result.paths > 0) {
            explain(&e, loss);
        } else if (stream != NULL) {
            say_missing(&e, cone);
        }
        if (stream != NULL && e.result.reached && e.result.norm == 0) {
            say_ends(&e, cone);
        }
    }
    free(e.paths);
    free(cone);
    ag_caller_set(caller);
    if (stream != NULL) {
        ag_stream_result(where, "ag_explain", stream);
    }
    return e.result;
}
