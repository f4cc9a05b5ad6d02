/*
 * The one-cycle policy. Smith & Topin 2018; phases and defaults as in PyTorch.
 */
#include "schedule_internal.h"

#include <math.h>
#include <string.h>

#define ONE_CYCLE_CONFIG 0x6f6e6531u
#define PI 3.14159265358979323846

/* A phase ends at `end`; each quantity goes from one of its levels to another. */
struct phase {
    double end;
    double lr[2], momentum[2];
};

static int phases(const optim_schedule *s, int group, struct phase *p)
{
    const optim_one_cycle_lr_config *c = &s->u.cycle.config;
    const double total = (double)c->total_steps;
    const double high = s->u.cycle.max_lr[group], first = high / c->div_factor, last = first / c->final_div_factor;
    const double heavy = s->u.cycle.max_momentum[group], light = s->u.cycle.base_momentum[group];
    p[0] = (struct phase){ c->pct_start * total - 1, { first, high }, { heavy, light } };
    if (!c->three_phase) {
        p[1] = (struct phase){ total - 1, { high, last }, { light, heavy } };
        return 2;
    }
    p[1] = (struct phase){ 2 * c->pct_start * total - 2, { high, first }, { light, heavy } };
    p[2] = (struct phase){ total - 1, { first, last }, { heavy, heavy } };
    return 3;
}

/* The phase of now, and how much of it is over. */
static struct phase now(const optim_schedule *s, int group, double *share)
{
    struct phase p[3];
    const double e = (double)s->epoch;
    int count = phases(s, group, p), i = 0;
    double start = 0;
    while (i < count - 1 && e > p[i].end) {
        start = p[i++].end;
    }
    *share = p[i].end == start ? 1 : (e - start) / (p[i].end - start);
    if (s->epoch >= s->u.cycle.config.total_steps) {
        *share = 1;
    }
    return p[i];
}

static double anneal(const optim_schedule *s, const double *from_to, double share)
{
    if (s->u.cycle.config.anneal_strategy == OPTIM_ANNEAL_LINEAR) {
        return (from_to[1] - from_to[0]) * share + from_to[0];
    }
    return from_to[1] + (from_to[0] - from_to[1]) / 2.0 * (cos(PI * share) + 1);
}

static double cycle_lr(const optim_schedule *s, int group, double lr)
{
    (void)lr;
    double share;
    struct phase p = now(s, group, &share);
    return anneal(s, p.lr, share);
}

static void cycle_momentum(optim_schedule *s)
{
    for (int k = 0; s->u.cycle.config.cycle_momentum && k < s->groups; k++) {
        double share;
        struct phase p = now(s, k, &share);
        *optim_group_momentum(s->o, k) = anneal(s, p.momentum, share);
    }
}

static bool cycle_step(ag_place where, optim_schedule *s)
{
    if (s->epoch > s->u.cycle.config.total_steps) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: step %lld of a cycle of %lld steps", s->rule->name, (long long)s->epoch,
                       (long long)s->u.cycle.config.total_steps);
        return false;
    }
    return schedule_apply(where, s, false);
}

static void cycle_settings(optim_schedule *s, ag_state_visitor *v)
{
    optim_one_cycle_lr_config *c = &s->u.cycle.config;
    int anneal_strategy = (int)c->anneal_strategy;
    ag_state_int64_in(v, "total_steps", &c->total_steps, 1, INT64_MAX);
    ag_state_double_in(v, "pct_start", &c->pct_start, 0, 1);
    ag_state_same_int64(v, "anneal_strategy", anneal_strategy);
    ag_state_same_int64(v, "cycle_momentum", c->cycle_momentum);
    ag_state_bool(v, "three_phase", &c->three_phase);
    optim_visit(v, "div_factor", &c->div_factor, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "final_div_factor", &c->final_div_factor, OPTIM_NOT_NEGATIVE);
    ag_state_array(v, "max_lr", s->u.cycle.max_lr, AG_FLOAT64, AG_SHAPE(s->groups));
    ag_state_array(v, "base_momentum", s->u.cycle.base_momentum, AG_FLOAT64, AG_SHAPE(s->groups));
    ag_state_array(v, "max_momentum", s->u.cycle.max_momentum, AG_FLOAT64, AG_SHAPE(s->groups));
}

static const struct schedule_rule one_cycle = {
    .name = "optim_one_cycle_lr", .lr = cycle_lr, .also = cycle_momentum, .step = cycle_step, .settings = cycle_settings
};

optim_one_cycle_lr_config optim_one_cycle_lr_defaults(void)
{
    return (optim_one_cycle_lr_config){
        .made_by_defaults = ONE_CYCLE_CONFIG,
        .pct_start = 0.3,
        .anneal_strategy = OPTIM_ANNEAL_COS,
        .cycle_momentum = true,
        .base_momentum = 0.85,
        .max_momentum = 0.95,
        .div_factor = 25,
        .final_div_factor = 1e4,
    };
}

static bool above_zero(ag_place where, const char *field, double value)
{
    bool fits = isfinite(value) && value > 0;
    if (!fits) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s is %g, it must be finite and above 0", one_cycle.name, field, value);
    }
    return fits;
}

static bool check(ag_place where, const optim *o, const optim_one_cycle_lr_config *c)
{
    const char *name = one_cycle.name;
    if (!optim_usable(where, name, o)) {
        return false;
    }
    if (c->made_by_defaults != ONE_CYCLE_CONFIG) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config was not made by %s_defaults()", name, name);
        return false;
    }
    if (!schedule_check_count(where, name, "total_steps", c->total_steps, 1) ||
        !schedule_check_share(where, name, "pct_start", c->pct_start) || !above_zero(where, "div_factor", c->div_factor) ||
        !above_zero(where, "final_div_factor", c->final_div_factor)) {
        return false;
    }
    if (c->anneal_strategy != OPTIM_ANNEAL_COS && c->anneal_strategy != OPTIM_ANNEAL_LINEAR) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: anneal_strategy is %d, which is none", name, (int)c->anneal_strategy);
        return false;
    }
    if (c->cycle_momentum && o->rule->momentum_offset == 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s has no momentum; set cycle_momentum to false", name, o->rule->name);
        return false;
    }
    return true;
}

/* The values of each group, checked. */
static bool fill(ag_place where, optim_schedule *s)
{
    const optim_one_cycle_lr_config *c = &s->u.cycle.config;
    const char *name = one_cycle.name;
    for (int k = 0; k < s->groups; k++) {
        s->u.cycle.max_lr[k] = c->max_lrs != NULL ? c->max_lrs[k] : c->max_lr;
        s->u.cycle.base_momentum[k] = c->base_momentums != NULL ? c->base_momentums[k] : c->base_momentum;
        s->u.cycle.max_momentum[k] = c->max_momentums != NULL ? c->max_momentums[k] : c->max_momentum;
        if (!above_zero(where, "max_lr", s->u.cycle.max_lr[k])) {
            return false;
        }
        if (c->cycle_momentum &&
            (!optim_check(where, name, "base_momentum", s->u.cycle.base_momentum[k], s->o->rule->momentum_range) ||
             !optim_check(where, name, "max_momentum", s->u.cycle.max_momentum[k], s->o->rule->momentum_range) ||
             !optim_reserve_momentum(where, name, s->o, k))) {
            return false;
        }
    }
    return true;
}

optim_schedule *optim_one_cycle_lr_at(ag_place where, optim *o, optim_one_cycle_lr_config config)
{
    if (!check(where, o, &config)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &one_cycle, o, 3 * (size_t)o->group_count * sizeof(double));
    if (schedule_is_nil(s)) {
        return s;
    }
    s->u.cycle.config = config;
    s->u.cycle.max_lr = s->owned;
    s->u.cycle.base_momentum = s->u.cycle.max_lr + s->groups;
    s->u.cycle.max_momentum = s->u.cycle.base_momentum + s->groups;
    if (!fill(where, s)) {
        optim_schedule_free(s);
        return schedule_nil();
    }
    /* As in PyTorch, the rate that the cycle begins with is the base rate of other schedules, too. */
    for (int k = 0; k < s->groups; k++) {
        o->groups[k].scheduled = true;
        o->groups[k].initial_lr = s->u.cycle.max_lr[k] / config.div_factor;
    }
    return schedule_begin(where, s);
}
