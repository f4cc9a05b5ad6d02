/*
 * Numerical against analytic gradient for a tensor of the current tape, by computing the tape again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "replay.h"
#include "survey.h"

#define DEFAULTS 0x63686b31u

ag_check_config ag_check_defaults(void)
{
    ag_check_config config = {DEFAULTS, 1e-3, 0, 64};
    return config;
}

/* The gradient by the tape, as doubles: what has arrived if a backward is being stepped through, else a sweep of its own. */
static double *analytic(ag_place where, ag_context *ctx, ag_tensor loss, ag_value *x)
{
    const ag_value *g = x->producer == NULL ? NULL : ag_node_gradient(x->producer, x->output);
    if (ctx->stepping != NULL) {
        bool complete = x->producer != NULL && x->producer->index >= ctx->stepping->at;
        if (!complete || g == NULL) {
            ag_error_raise(where, AG_ERROR_STATE, "ag_check_gradient: a backward is being stepped through, and the tensor's gradient "
                           "is not %s", complete ? "kept; ag_retain_tape() keeps it" : "complete yet");
            return NULL;
        }
        return ag_value_doubles(where, "ag_check_gradient", g);
    }
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = config.allow_unused = true;
    ag_tensor gradient, t = ag_handle(x);
    ag_frame frame = ag_frame_begin();
    bool inspecting = ctx->inspecting;
    ctx->inspecting = true;
    double *result = NULL;
    if (ag_grad_seen(where, loss, 1, &t, &gradient, config, NULL, NULL) == AG_OK) {
        result = ag_is_none(gradient) ? calloc((size_t)x->numel + 1, sizeof(double))
                                      : ag_value_doubles(where, "ag_check_gradient", ag_peek(gradient));
    }
    ctx->inspecting = inspecting;
    ag_frame_end_n(frame, 0, NULL);
    return result;
}

struct differences {
    ag_replay *r;
    bool *depends;   /* on x */
    struct ag_edge x, loss;
    ag_value *point; /* x in float64, row-major, to be changed */
};

/* The loss with x at the point; NaN after raising. */
static double loss_at(const struct differences *d)
{
    const ag_replay *r = d->r;
    if (d->loss.producer == d->x.producer && d->loss.output == d->x.output && (d->x.producer != NULL || d->loss.value == d->x.value)) {
        return *(double *)ag_value_data(d->point);
    }
    for (int64_t k = r->first; k <= r->last; k++) {
        if (d->depends[k] && !ag_replay_compute(d->r, k)) {
            return NAN;
        }
    }
    const ag_value *y = r->value[d->loss.producer->index * AG_OP_MAX_OUTPUTS + d->loss.output];
    double *number = ag_value_doubles(ag_caller(), "ag_check_gradient", y), result = number == NULL ? NAN : number[0];
    free(number);
    return result;
}

static double slope(const struct differences *d, int64_t element, double step)
{
    double *at = (double *)ag_value_data(d->point) + element, centre = *at, h = step * fmax(1, fabs(centre)), result[2];
    for (int width = 0; width < 2; width++) {
        double by = width == 0 ? h : 2 * h;
        *at = centre + by;
        double above = loss_at(d);
        *at = centre - by;
        result[width] = (above - loss_at(d)) / (2 * by);
    }
    *at = centre;
    return (4 * result[0] - result[1]) / 3;
}

/* Computes the tape once, in float64, with the point in x's place; false after raising. */
static bool prepare(ag_place where, struct differences *d, ag_value *x)
{
    ag_replay *r = d->r;
    ag_value *wide = ag_value_in_scope(where, "ag_check_gradient", AG_FLOAT64, ag_value_shape_of(x));
    if (wide == NULL) {
        return false;
    }
    ag_array_copy(ag_value_array(wide), ag_value_array(x));
    ag_held_set(&d->point, wide);
    r->wide = true;
    d->depends = calloc((size_t)r->last + 2, sizeof(bool));
    if (d->depends == NULL || !ag_replay_put(r, d->x, wide)) {
        return false;
    }
    for (int64_t k = r->first; k <= r->last; k++) {
        const ag_node *node = r->ctx->node[k];
        for (int i = 0; r->wanted[k] && node != d->x.producer && i < node->inputs && !d->depends[k]; i++) {
            const struct ag_node_input *input = &node->input[i];
            bool is_x = input->producer == d->x.producer &&
                        (input->producer != NULL ? input->output == d->x.output : input->value == d->x.value);
            d->depends[k] = is_x || (input->producer != NULL && d->depends[input->producer->index]);
        }
    }
    return ag_replay_finish(r) == AG_OK;
}

static void compare(const struct differences *d, const double *gradient, int64_t count, const ag_check_config *c,
                    ag_check_report *report)
{
    int64_t wanted = c->elements <= 0 || c->elements > count ? count : c->elements;
    double *numeric = calloc((size_t)wanted + 1, sizeof(double));
    if (numeric == NULL) {
        ag_error_raise(ag_caller(), AG_ERROR_MEMORY, "ag_check_gradient: out of memory");
        return;
    }
    for (int64_t i = 0; i < wanted && ag_error_code() == AG_OK; i++) {
        numeric[i] = slope(d, i * count / wanted, c->step);
        report->scale = fmax(report->scale, fabs(numeric[i]));
        report->checked = i + 1;
    }
    for (int64_t i = 0; i < report->checked; i++) {
        double a = gradient[i * count / wanted], difference = fabs(a - numeric[i]);
        double error = difference == 0 ? 0 : report->scale > 0 ? difference / report->scale : INFINITY;
        if (i == 0 || !(error <= report->worst)) { /* a NaN must not pass */
            report->worst = isnan(error) ? INFINITY : error;
            report->element = i * count / wanted;
            report->analytic = a;
            report->numeric = numeric[i];
        }
    }
    free(numeric);
}

ag_check_report ag_check_gradient_at(ag_place where, ag_tensor loss, ag_tensor x, ag_check_config config)
{
    ag_check_report report = {.passed = false};
    if (config.made_by_defaults != DEFAULTS) {
        ag_error_raise(where, AG_ERROR_STATE, "ag_check_gradient: the config does not come from ag_check_defaults()");
        return report;
    }
    ag_context *ctx = ag_context_get();
    ag_value *y = ctx == NULL || ag_error_code() != AG_OK ? NULL : ag_resolve_own(where, "ag_check_gradient", loss);
    ag_value *v = y == NULL ? NULL : ag_resolve_own(where, "ag_check_gradient", x);
    if (v == NULL) {
        return report;
    }
    if (y->numel != 1 || !v->requires_grad || !(config.step > 0)) {
        ag_error_raise(where, config.step > 0 ? AG_ERROR_SHAPE : AG_ERROR_VALUE, "ag_check_gradient: %s", y->numel != 1 ?
                       "the loss must have one element" : !v->requires_grad ? "the tensor requires no gradient" :
                       "the step must be positive");
        return report;
    }
    ag_place caller = ag_caller_set(where);
    double *gradient = analytic(where, ctx, loss, v);
    ag_frame frame = ag_frame_begin();
    struct differences d = {.r = ag_replay_new_at(where, loss), .x = ag_edge_of_value(v), .loss = ag_edge_of_value(y)};
    if (gradient != NULL && ag_error_code() == AG_OK && prepare(where, &d, v)) {
        compare(&d, gradient, v->numel, &config, &report);
    }
    ag_replay_free(d.r);
    ag_held_drop(&d.point);
    ag_frame_end_n(frame, 0, NULL);
    free(d.depends);
    free(gradient);
    ag_caller_set(caller);
    double tolerance = config.tolerance > 0 ? config.tolerance : v->dtype == AG_FLOAT64 ? 1e-7 : 1e-4;
    report.passed = ag_error_code() == AG_OK && report.checked > 0 && report.worst <= tolerance;
    return report;
}
