/*
 * What all schedules share: base rates, counting, setting the rates of all groups or of none, and sequences of schedules. Must
 * not know any particular formula.
 */
#include "schedule_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct optim_schedule nil = { .epoch = -1 };

optim_schedule *schedule_nil(void)
{
    return &nil;
}

bool schedule_is_nil(const optim_schedule *s)
{
    return s == NULL || s->rule == NULL;
}

void optim_schedule_free(optim_schedule *s)
{
    if (schedule_is_nil(s)) {
        return;
    }
    if (s->rule->drop != NULL) {
        s->rule->drop(s);
    }
    free(s->base);
    free(s->owned);
    free(s);
}

/* ---- settings --------------------------------------------------------------------------------------------------------- */

bool schedule_check_count(ag_place where, const char *function, const char *field, int64_t value, int64_t low)
{
    if (value < low) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s is %lld, it must be at least %lld", function, field, (long long)value,
                       (long long)low);
    }
    return value >= low;
}

bool schedule_check_share(ag_place where, const char *function, const char *field, double value)
{
    bool fits = value >= 0 && value <= 1;
    if (!fits) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s is %g, it must be from 0 to 1", function, field, value);
    }
    return fits;
}

bool schedule_check_milestones(ag_place where, const char *function, int count, const int64_t *milestones, bool equal)
{
    if (count < 0 || (count > 0 && milestones == NULL)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: %s", function,
                       count < 0 ? "the number of milestones is negative" : "the milestones are NULL");
        return false;
    }
    for (int i = 0; i < count; i++) {
        int64_t low = i == 0 ? 1 : milestones[i - 1] + (equal ? 0 : 1);
        if (milestones[i] < low) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: milestone %d is %lld, it must be at least %lld", function, i,
                           (long long)milestones[i], (long long)low);
            return false;
        }
    }
    return true;
}

/* ---- making ----------------------------------------------------------------------------------------------------------- */

optim_schedule *schedule_make(ag_place where, const struct schedule_rule *rule, optim *o, size_t owned_bytes)
{
    if (!optim_usable(where, rule->name, o)) {
        return &nil;
    }
    optim_schedule *s = calloc(1, sizeof(*s));
    double *base = calloc(2 * (size_t)o->group_count, sizeof(*base));
    void *owned = calloc(1, owned_bytes + 1);
    if (s == NULL || base == NULL || owned == NULL) {
        free(s);
        free(base);
        free(owned);
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for a schedule", rule->name);
        return &nil;
    }
    *s = (optim_schedule){ .rule = rule, .o = o, .groups = o->group_count, .base = base, .owned = owned };
    s->next = base + o->group_count;
    return s;
}

optim_schedule *schedule_begin(ag_place where, optim_schedule *s)
{
    if (schedule_is_nil(s)) {
        return s;
    }
    /* The first schedule of an optimizer decides what its base rates are, whatever it makes of them. */
    for (int k = 0; k < s->groups; k++) {
        struct optim_group *group = &s->o->groups[k];
        if (!group->scheduled) {
            group->scheduled = true;
            group->initial_lr = *optim_group_lr(s->o, k);
        }
        s->base[k] = group->initial_lr;
    }
    if (!schedule_apply(where, s, false)) {
        optim_schedule_free(s);
        return &nil;
    }
    return s;
}

bool schedule_apply(ag_place where, optim_schedule *s, bool from_base)
{
    for (int k = 0; k < s->groups; k++) {
        s->next[k] = s->rule->lr(s, k, from_base ? s->base[k] : *optim_group_lr(s->o, k));
        if (!optim_check(where, s->rule->name, "the new lr", s->next[k], OPTIM_NOT_NEGATIVE)) {
            return false;
        }
    }
    for (int k = 0; k < s->groups; k++) {
        *optim_group_lr(s->o, k) = s->next[k];
    }
    if (s->rule->also != NULL) {
        s->rule->also(s);
    }
    return true;
}

/* ---- stepping --------------------------------------------------------------------------------------------------------- */

static bool usable(ag_place where, const char *function, const optim_schedule *s)
{
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (schedule_is_nil(s)) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the schedule is %s", function,
                       s == NULL ? "NULL" : "nil: making it failed");
        return false;
    }
    if (s->o->group_count != s->groups) {
        ag_error_raise(where, AG_ERROR_STATE,
                       "%s: the optimizer has %d groups now, and had %d when %s made the schedule: make it after all groups",
                       function, s->o->group_count, s->groups, s->rule->name);
        return false;
    }
    return true;
}

bool schedule_advance(ag_place where, optim_schedule *s)
{
    s->epoch++;
    if (s->rule->step != NULL ? s->rule->step(where, s) : schedule_apply(where, s, false)) {
        return true;
    }
    s->epoch--;
    return false;
}

ag_error optim_schedule_step_at(ag_place where, optim_schedule *s)
{
    const char *function = "optim_schedule_step";
    ag_place before = ag_caller_set(where);
    if (usable(where, function, s)) {
        if (s->rule->step_metric != NULL) {
            ag_error_raise(where, AG_ERROR_STATE,
                           "%s: a schedule of %s needs the value that it watches: optim_schedule_step_metric()", function,
                           s->rule->name);
        } else {
            schedule_advance(where, s);
        }
    }
    ag_caller_set(before);
    return ag_error_code();
}

ag_error optim_schedule_step_metric_at(ag_place where, optim_schedule *s, double value)
{
    const char *function = "optim_schedule_step_metric";
    ag_place before = ag_caller_set(where);
    if (usable(where, function, s)) {
        if (s->rule->step_metric == NULL) {
            ag_error_raise(where, AG_ERROR_STATE, "%s: a schedule of %s watches no value: optim_schedule_step()", function,
                           s->rule->name);
        } else {
            s->epoch++;
            s->rule->step_metric(s, value);
        }
    }
    ag_caller_set(before);
    return ag_error_code();
}

bool optim_schedule_watches(const optim_schedule *s)
{
    return !schedule_is_nil(s) && s->rule->step_metric != NULL;
}

int64_t optim_schedule_epoch(const optim_schedule *s)
{
    return schedule_is_nil(s) ? -1 : s->epoch;
}

/* ---- state ------------------------------------------------------------------------------------------------------------ */

void schedule_visit(void *object, ag_state_visitor *v)
{
    optim_schedule *s = object;
    if (!usable(ag_caller(), "optim_schedule_stateful", s)) {
        return;
    }
    ag_state_same_text(v, "kind", s->rule->name);
    ag_state_int64_in(v, "last_epoch", &s->epoch, -1, INT64_MAX - 1);
    ag_state_array(v, "base_lrs", s->base, AG_FLOAT64, AG_SHAPE(s->groups));
    if (s->rule->settings != NULL) {
        s->rule->settings(s, v);
    }
}

ag_stateful(optim_schedule_stateful)(optim_schedule *s)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "schedule", schedule_visit };
    return ag_stateful_make(&type, s);
}
