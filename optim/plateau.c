/*
 * Reducing the rate when a value has stopped to improve. As PyTorch's ReduceLROnPlateau.
 */
#include "schedule_internal.h"

#include <math.h>

#define PLATEAU_CONFIG 0x706c6174u

static double plateau_lr(const optim_schedule *s, int group, double lr)
{
    (void)s, (void)group;
    return lr;
}

static bool better(const optim_reduce_lr_on_plateau_config *c, double value, double best)
{
    bool rel = c->threshold_mode == OPTIM_THRESHOLD_REL;
    if (c->mode == OPTIM_MIN) {
        return value < (rel ? best * (1 - c->threshold) : best - c->threshold);
    }
    return value > (rel ? best * (c->threshold + 1) : best + c->threshold);
}

static void reduce(const optim_schedule *s)
{
    const optim_reduce_lr_on_plateau_config *c = &s->u.plateau.config;
    for (int k = 0; k < s->groups; k++) {
        double *lr = optim_group_lr(s->o, k), lower = *lr * c->factor, floor = s->u.plateau.min_lr[k];
        lower = lower > floor ? lower : floor;
        if (*lr - lower > c->eps) {
            *lr = lower;
        }
    }
}

static void plateau_step(optim_schedule *s, double value)
{
    const optim_reduce_lr_on_plateau_config *c = &s->u.plateau.config;
    if (better(c, value, s->u.plateau.best)) {
        s->u.plateau.best = value;
        s->u.plateau.bad = 0;
    } else {
        s->u.plateau.bad++;
    }
    if (s->u.plateau.cooldown_left > 0) {
        s->u.plateau.cooldown_left--;
        s->u.plateau.bad = 0;
    }
    if (s->u.plateau.bad > c->patience) {
        reduce(s);
        s->u.plateau.cooldown_left = c->cooldown;
        s->u.plateau.bad = 0;
    }
}

static void plateau_settings(optim_schedule *s, ag_state_visitor *v)
{
    optim_reduce_lr_on_plateau_config *c = &s->u.plateau.config;
    ag_state_same_int64(v, "mode", (int64_t)c->mode);
    ag_state_same_int64(v, "threshold_mode", (int64_t)c->threshold_mode);
    ag_state_double_in(v, "factor", &c->factor, 0, 1);
    ag_state_int64_in(v, "patience", &c->patience, 0, INT64_MAX);
    optim_visit(v, "threshold", &c->threshold, OPTIM_NOT_NEGATIVE);
    ag_state_int64_in(v, "cooldown", &c->cooldown, 0, INT64_MAX);
    ag_state_array(v, "min_lrs", s->u.plateau.min_lr, AG_FLOAT64, AG_SHAPE(s->groups));
    optim_visit(v, "eps", &c->eps, OPTIM_NOT_NEGATIVE);
    ag_state_double(v, "best", &s->u.plateau.best);
    ag_state_int64_in(v, "num_bad_epochs", &s->u.plateau.bad, 0, INT64_MAX - 1);
    ag_state_int64_in(v, "cooldown_counter", &s->u.plateau.cooldown_left, 0, INT64_MAX);
}

static const struct schedule_rule plateau = {
    .name = "optim_reduce_lr_on_plateau", .lr = plateau_lr, .step_metric = plateau_step, .settings = plateau_settings
};

optim_reduce_lr_on_plateau_config optim_reduce_lr_on_plateau_defaults(void)
{
    return (optim_reduce_lr_on_plateau_config){
        .made_by_defaults = PLATEAU_CONFIG,
        .mode = OPTIM_MIN,
        .factor = 0.1,
        .patience = 10,
        .threshold = 1e-4,
        .threshold_mode = OPTIM_THRESHOLD_REL,
        .eps = 1e-8,
    };
}

static bool check(ag_place where, const optim *o, const optim_reduce_lr_on_plateau_config *c)
{
    const char *name = plateau.name;
    if (!optim_usable(where, name, o)) {
        return false;
    }
    if (c->made_by_defaults != PLATEAU_CONFIG) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config was not made by %s_defaults()", name, name);
        return false;
    }
    bool modes = (c->mode == OPTIM_MIN || c->mode == OPTIM_MAX) &&
                 (c->threshold_mode == OPTIM_THRESHOLD_REL || c->threshold_mode == OPTIM_THRESHOLD_ABS);
    if (!modes) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: mode is %d and threshold_mode %d, one of which is none", name, (int)c->mode,
                       (int)c->threshold_mode);
        return false;
    }
    if (!(c->factor > 0 && c->factor < 1)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: factor is %g, it must be above 0 and below 1", name, c->factor);
        return false;
    }
    for (int k = 0; k < o->group_count; k++) {
        if (!optim_check(where, name, "min_lr", c->min_lrs != NULL ? c->min_lrs[k] : c->min_lr, OPTIM_NOT_NEGATIVE)) {
            return false;
        }
    }
    return schedule_check_count(where, name, "patience", c->patience, 0) &&
           schedule_check_count(where, name, "cooldown", c->cooldown, 0) &&
           optim_check(where, name, "threshold", c->threshold, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, name, "eps", c->eps, OPTIM_NOT_NEGATIVE);
}

optim_schedule *optim_reduce_lr_on_plateau_at(ag_place where, optim *o, optim_reduce_lr_on_plateau_config config)
{
    if (!check(where, o, &config)) {
        return schedule_nil();
    }
    optim_schedule *s = schedule_make(where, &plateau, o, (size_t)o->group_count * sizeof(double));
    if (schedule_is_nil(s)) {
        return s;
    }
    s->u.plateau.config = config;
    s->u.plateau.min_lr = s->owned;
    s->u.plateau.best = config.mode == OPTIM_MIN ? INFINITY : -INFINITY;
    for (int k = 0; k < s->groups; k++) {
        s->u.plateau.min_lr[k] = config.min_lrs != NULL ? config.min_lrs[k] : config.min_lr;
    }
    return schedule_begin(where, s);
}
