/*
 * Schedules one after the other, and the sequence that is used most: warm-up, then a cosine.
 */
#include "schedule_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool sequence_step(ag_place where, optim_schedule *s)
{
    int turn = 0;
    while (turn < s->u.sequence.count - 1 && s->u.sequence.milestones[turn] <= s->epoch) {
        turn++;
    }
    optim_schedule *part = s->u.sequence.part[turn];
    if (turn == 0 || s->u.sequence.milestones[turn - 1] != s->epoch) {
        return schedule_advance(where, part);
    }
    part->epoch = 0;
    bool good = schedule_apply(where, part, true);
    part->epoch = good ? 0 : -1;
    return good;
}

static void sequence_settings(optim_schedule *s, ag_state_visitor *v)
{
    ag_state_array(v, "milestones", s->u.sequence.milestones, AG_INT64, AG_SHAPE(s->u.sequence.count - 1));
    for (int i = 0; i < s->u.sequence.count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "schedulers.%d", i);
        ag_state_group_begin(v, name);
        schedule_visit(s->u.sequence.part[i], v);
        ag_state_group_end(v);
    }
}

static void sequence_drop(optim_schedule *s)
{
    for (int i = 0; i < s->u.sequence.count; i++) {
        optim_schedule_free(s->u.sequence.part[i]);
    }
}

/* The sequence has no rates of its own: its first part begins, from the base rates. */
static const struct schedule_rule sequence = {
    .name = "optim_sequential_lr", .step = sequence_step, .settings = sequence_settings, .drop = sequence_drop
};

static bool check_part(ag_place where, const optim *o, const optim_schedule *part, int i)
{
    const char *wrong = part == NULL              ? "is NULL"
                        : schedule_is_nil(part)   ? "is nil: making it failed"
                        : part->o != o            ? "belongs to another optimizer"
                        : part->rule == &sequence ? "is a sequence itself"
                                                  : NULL;
    if (wrong == NULL && part->rule->step_metric != NULL) {
        wrong = "watches a value, which a sequence does not have";
    }
    if (wrong == NULL && part->groups != o->group_count) {
        wrong = "was made before the optimizer's last group";
    }
    if (wrong != NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "optim_sequential_lr: schedule %d %s", i, wrong);
    }
    return wrong == NULL;
}

static bool check(ag_place where, const optim *o, int count, optim_schedule *const *schedules, const int64_t *milestones)
{
    if (!optim_usable(where, sequence.name, o)) {
        return false;
    }
    if (count < 1 || schedules == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "optim_sequential_lr: %s", count < 1 ? "no schedules" : "the schedules are NULL");
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!check_part(where, o, schedules[i], i)) {
            return false;
        }
        for (int k = 0; k < i; k++) {
            if (schedules[k] == schedules[i]) {
                ag_error_raise(where, AG_ERROR_VALUE, "optim_sequential_lr: schedules %d and %d are the same", k, i);
                return false;
            }
        }
    }
    return schedule_check_milestones(where, sequence.name, count - 1, milestones, false);
}

/* Frees each once, though a caller's mistake may have put one in twice. */
static void free_all(int count, optim_schedule *const *schedules)
{
    for (int i = 0; schedules != NULL && i < count; i++) {
        bool again = false;
        for (int k = 0; k < i; k++) {
            again = again || schedules[k] == schedules[i];
        }
        if (!again) {
            optim_schedule_free(schedules[i]);
        }
    }
}

optim_schedule *optim_sequential_lr_at(ag_place where, optim *o, int count, optim_schedule *const *schedules,
                                       const int64_t *milestones)
{
    optim_schedule *s = schedule_nil();
    size_t parts = count > 0 ? (size_t)count : 0;
    if (check(where, o, count, schedules, milestones)) {
        s = schedule_make(where, &sequence, o, parts * (sizeof(optim_schedule *) + sizeof(int64_t)));
    }
    if (schedule_is_nil(s)) {
        free_all(count, schedules);
        return s;
    }
    s->u.sequence.count = count;
    s->u.sequence.milestones = s->owned;
    s->u.sequence.part = (optim_schedule **)(s->u.sequence.milestones + count);
    memcpy(s->u.sequence.part, schedules, parts * sizeof(*schedules));
    if (count > 1) {
        memcpy(s->u.sequence.milestones, milestones, (parts - 1) * sizeof(*milestones));
    }
    /* Making the parts has set rates already: back to the beginning, and only the first has its turn. */
    for (int k = 0; k < s->groups; k++) {
        s->base[k] = o->groups[k].initial_lr;
        *optim_group_lr(o, k) = s->base[k];
    }
    for (int i = 0; i < count; i++) {
        s->u.sequence.part[i]->epoch = -1;
    }
    if (!schedule_advance(where, s->u.sequence.part[0])) {
        optim_schedule_free(s);
        return schedule_nil();
    }
    return s;
}

optim_schedule *optim_warmup_cosine_lr_at(ag_place where, optim *o, int64_t warmup, int64_t total, double start_factor,
                                          double eta_min)
{
    const char *function = "optim_warmup_cosine_lr";
    if (!optim_usable(where, function, o) || !schedule_check_count(where, function, "warmup", warmup, 0)) {
        return schedule_nil();
    }
    if (total <= warmup) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: total is %lld, it must be more than warmup, which is %lld", function,
                       (long long)total, (long long)warmup);
        return schedule_nil();
    }
    if (warmup == 0) {
        return optim_cosine_annealing_lr_at(where, o, total, eta_min);
    }
    optim_schedule *parts[2] = { optim_linear_lr_at(where, o, start_factor, 1, warmup), schedule_nil() };
    if (!schedule_is_nil(parts[0])) {
        parts[1] = optim_cosine_annealing_lr_at(where, o, total - warmup, eta_min);
    }
    return optim_sequential_lr_at(where, o, 2, parts, &warmup);
}
