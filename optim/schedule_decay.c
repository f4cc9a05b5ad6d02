/*
 * Schedules whose rate is a formula of the epoch. As in PyTorch most are written as a change of the rate that the group has.
 */
#include "schedule_internal.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

/* ---- step: lr *= gamma every `size` steps ----------------------------------------------------------------------------- */

static double step_lr(const optim_schedule *s, int group, double lr)
{
    (void)group;
    return s->epoch == 0 || s->epoch % s->u.step.size != 0 ? lr : lr * s->u.step.gamma;
}

static void step_settings(optim_schedule *s, ag_state_visitor *v)
{
    ag_state_int64_in(v, "step_size", &s->u.step.size, 1, INT64_MAX);
    optim_visit(v, "gamma", &s->u.step.gamma, OPTIM_NOT_NEGATIVE);
}

static const struct schedule_rule step_rule = { .name = "optim_step_lr", .lr = step_lr, .settings = step_settings };

optim_schedule *optim_step_lr_at(ag_place where, optim *o, int64_t step_size, double gamma)
{
    if (!optim_usable(where, step_rule.name, o) ||
        !schedule_check_count(where, step_rule.name, "step_size", step_size, 1) ||
        !optim_check(where, step_rule.name, "gamma", gamma, OPTIM_NOT_NEGATIVE)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &step_rule, o, 0);
    if (!schedule_is_nil(s)) {
        s->u.step.size = step_size;
        s->u.step.gamma = gamma;
    }
    return schedule_begin(where, s);
}

/* ---- multi-step: lr *= gamma at each milestone ------------------------------------------------------------------------ */

static double multi_lr(const optim_schedule *s, int group, double lr)
{
    (void)group;
    int64_t here = 0;
    for (int64_t i = 0; i < s->u.multi.count; i++) {
        here += s->u.multi.milestones[i] == s->epoch;
    }
    return here == 0 ? lr : lr * pow(s->u.multi.gamma, (double)here);
}

static void multi_settings(optim_schedule *s, ag_state_visitor *v)
{
    ag_state_array(v, "milestones", s->u.multi.milestones, AG_INT64, AG_SHAPE(s->u.multi.count));
    optim_visit(v, "gamma", &s->u.multi.gamma, OPTIM_NOT_NEGATIVE);
}

static const struct schedule_rule multi = { .name = "optim_multi_step_lr", .lr = multi_lr, .settings = multi_settings };

optim_schedule *optim_multi_step_lr_at(ag_place where, optim *o, int count, const int64_t *milestones, double gamma)
{
    if (!optim_usable(where, multi.name, o) || !schedule_check_milestones(where, multi.name, count, milestones, true) ||
        !optim_check(where, multi.name, "gamma", gamma, OPTIM_NOT_NEGATIVE)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &multi, o, (size_t)count * sizeof(*milestones));
    if (!schedule_is_nil(s)) {
        s->u.multi.count = count;
        s->u.multi.milestones = s->owned;
        s->u.multi.gamma = gamma;
        if (count > 0) {
            memcpy(s->owned, milestones, (size_t)count * sizeof(*milestones));
        }
    }
    return schedule_begin(where, s);
}

/* ---- exponential: lr *= gamma ----------------------------------------------------------------------------------------- */

static double exponential_lr(const optim_schedule *s, int group, double lr)
{
    (void)group;
    return s->epoch == 0 ? lr : lr * s->u.step.gamma;
}

static void exponential_settings(optim_schedule *s, ag_state_visitor *v)
{
    optim_visit(v, "gamma", &s->u.step.gamma, OPTIM_NOT_NEGATIVE);
}

static const struct schedule_rule exponential = {
    .name = "optim_exponential_lr", .lr = exponential_lr, .settings = exponential_settings
};

optim_schedule *optim_exponential_lr_at(ag_place where, optim *o, double gamma)
{
    if (!optim_usable(where, exponential.name, o) ||
        !optim_check(where, exponential.name, "gamma", gamma, OPTIM_NOT_NEGATIVE)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &exponential, o, 0);
    if (!schedule_is_nil(s)) {
        s->u.step.gamma = gamma;
    }
    return schedule_begin(where, s);
}

/* ---- cosine ----------------------------------------------------------------------------------------------------------- */

static double cosine_lr(const optim_schedule *s, int group, double lr)
{
    const int64_t e = s->epoch, T = s->u.cosine.T_max;
    const double low = s->u.cosine.eta_min;
    if (e == 0) {
        return lr;
    }
    if ((e - 1) % T == 0 && (e - 1) / T % 2 == 1) { /* at its lowest point the quotient below is 0 / 0 */
        return lr + (s->base[group] - low) * (1 - cos(PI / (double)T)) / 2;
    }
    double now = 1 + cos(PI * (double)e / (double)T), before = 1 + cos(PI * (double)(e - 1) / (double)T);
    return now / before * (lr - low) + low;
}

static void cosine_settings(optim_schedule *s, ag_state_visitor *v)
{
    ag_state_int64_in(v, "T_max", &s->u.cosine.T_max, 1, INT64_MAX);
    optim_visit(v, "eta_min", &s->u.cosine.eta_min, OPTIM_NOT_NEGATIVE);
}

static const struct schedule_rule cosine = { .name = "optim_cosine_annealing_lr", .lr = cosine_lr, .settings = cosine_settings };

optim_schedule *optim_cosine_annealing_lr_at(ag_place where, optim *o, int64_t T_max, double eta_min)
{
    if (!optim_usable(where, cosine.name, o) || !schedule_check_count(where, cosine.name, "T_max", T_max, 1) ||
        !optim_check(where, cosine.name, "eta_min", eta_min, OPTIM_NOT_NEGATIVE)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &cosine, o, 0);
    if (!schedule_is_nil(s)) {
        s->u.cosine.T_max = T_max;
        s->u.cosine.eta_min = eta_min;
    }
    return schedule_begin(where, s);
}

/* ---- constant: lr = factor base, then base ---------------------------------------------------------------------------- */

static double constant_lr(const optim_schedule *s, int group, double lr)
{
    const double factor = s->u.line.start;
    if (s->epoch == 0) {
        return lr * factor;
    }
    if (s->epoch != s->u.line.total) {
        return lr;
    }
    return factor == 0 ? s->base[group] : lr * (1.0 / factor);
}

static void constant_settings(optim_schedule *s, ag_state_visitor *v)
{
    ag_state_double_in(v, "factor", &s->u.line.start, 0, 1);
    ag_state_int64_in(v, "total_iters", &s->u.line.total, 1, INT64_MAX);
}

static const struct schedule_rule constant = { .name = "optim_constant_lr", .lr = constant_lr, .settings = constant_settings };

optim_schedule *optim_constant_lr_at(ag_place where, optim *o, double factor, int64_t total_iters)
{
    if (!optim_usable(where, constant.name, o) || !schedule_check_share(where, constant.name, "factor", factor) ||
        !schedule_check_count(where, constant.name, "total_iters", total_iters, 1)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &constant, o, 0);
    if (!schedule_is_nil(s)) {
        s->u.line.start = factor;
        s->u.line.total = total_iters;
    }
    return schedule_begin(where, s);
}

/* ---- linear ----------------------------------------------------------------------------------------------------------- */

static double linear_lr(const optim_schedule *s, int group, double lr)
{
    (void)group;
    const double start = s->u.line.start, rise = s->u.line.end - start, total = (double)s->u.line.total;
    if (s->epoch == 0) {
        return lr * start;
    }
    return s->epoch > s->u.line.total ? lr : lr * (1. + rise / (total * start + (double)(s->epoch - 1) * rise));
}

static void linear_settings(optim_schedule *s, ag_state_visitor *v)
{
    ag_state_double_in(v, "start_factor", &s->u.line.start, 0, 1);
    ag_state_double_in(v, "end_factor", &s->u.line.end, 0, 1);
    ag_state_int64_in(v, "total_iters", &s->u.line.total, 1, INT64_MAX);
}

static const struct schedule_rule linear = { .name = "optim_linear_lr", .lr = linear_lr, .settings = linear_settings };

optim_schedule *optim_linear_lr_at(ag_place where, optim *o, double start_factor, double end_factor, int64_t total_iters)
{
    if (!optim_usable(where, linear.name, o) || !schedule_check_share(where, linear.name, "end_factor", end_factor) ||
        !schedule_check_count(where, linear.name, "total_iters", total_iters, 1)) {
        return schedule_nil();
    }
    if (!(start_factor > 0 && start_factor <= 1)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: start_factor is %g, it must be above 0 and at most 1", linear.name,
                       start_factor);
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &linear, o, 0);
    if (!schedule_is_nil(s)) {
        s->u.line.start = start_factor;
        s->u.line.end = end_factor;
        s->u.line.total = total_iters;
    }
    return schedule_begin(where, s);
}

/* ---- polynomial: lr = base (1 - e / total)^power ---------------------------------------------------------------------- */

static double polynomial_lr(const optim_schedule *s, int group, double lr)
{
    (void)group;
    const double total = (double)s->u.polynomial.total, e = (double)s->epoch;
    if (s->epoch == 0 || s->epoch > s->u.polynomial.total) {
        return lr;
    }
    return lr * pow((1.0 - e / total) / (1.0 - (e - 1) / total), s->u.polynomial.power);
}

static void polynomial_settings(optim_schedule *s, ag_state_visitor *v)
{
    ag_state_int64_in(v, "total_iters", &s->u.polynomial.total, 1, INT64_MAX);
    optim_visit(v, "power", &s->u.polynomial.power, OPTIM_NOT_NEGATIVE);
}

static const struct schedule_rule polynomial = {
    .name = "optim_polynomial_lr", .lr = polynomial_lr, .settings = polynomial_settings
};

optim_schedule *optim_polynomial_lr_at(ag_place where, optim *o, int64_t total_iters, double power)
{
    if (!optim_usable(where, polynomial.name, o) ||
        !schedule_check_count(where, polynomial.name, "total_iters", total_iters, 1) ||
        !optim_check(where, polynomial.name, "power", power, OPTIM_NOT_NEGATIVE)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &polynomial, o, 0);
    if (!schedule_is_nil(s)) {
        s->u.polynomial.total = total_iters;
        s->u.polynomial.power = power;
    }
    return schedule_begin(where, s);
}

/* ---- lambda: lr = base factor(e) -------------------------------------------------------------------------------------- */

static double lambda_lr(const optim_schedule *s, int group, double lr)
{
    (void)lr;
    return s->base[group] * s->u.lambda.factor(s->epoch, group, s->u.lambda.user);
}

static const struct schedule_rule lambda = { .name = "optim_lambda_lr", .lr = lambda_lr };

optim_schedule *optim_lambda_lr_at(ag_place where, optim *o, optim_lr_factor factor, void *user)
{
    if (!optim_usable(where, lambda.name, o)) {
        return schedule_nil();
    }
    if (factor == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the factor function is NULL", lambda.name);
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &lambda, o, 0);
    if (!schedule_is_nil(s)) {
        s->u.lambda.factor = factor;
        s->u.lambda.user = user;
    }
    return schedule_begin(where, s);
}
