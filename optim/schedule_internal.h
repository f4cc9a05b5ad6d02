/*
 * The seam between what all schedules share (schedule.c) and their formulas. Internal: not installed.
 */
#ifndef WENGERT_OPTIM_SCHEDULE_INTERNAL_H
#define WENGERT_OPTIM_SCHEDULE_INTERNAL_H

#include "internal.h"
#include "schedule.h"

struct schedule_rule {
    const char *name; /* "optim_step_lr": the call that makes it, for messages and files */
    /* The rate at s->epoch of a group that has the rate `lr` now. At epoch 0 `lr` is the base rate. */
    double (*lr)(const optim_schedule *s, int group, double lr);
    /* What else changes with the epoch: momentum. NULL: nothing. */
    void (*also)(optim_schedule *s);
    /* A step that is more than the above: counts, then sets rates. NULL: the usual one. False after raising. */
    bool (*step)(ag_place where, optim_schedule *s);
    /* The same with a value that is watched; such a schedule has no step of the usual kind. */
    void (*step_metric)(optim_schedule *s, double value);
    /* Lists the settings and whatever else must survive. NULL: nothing. */
    void (*settings)(optim_schedule *s, ag_state_visitor *v);
    /* Frees what it holds besides ->owned. NULL: nothing. */
    void (*drop)(optim_schedule *s);
};

struct optim_schedule {
    const struct schedule_rule *rule; /* NULL: the nil schedule */
    optim *o;
    int groups;
    int64_t epoch; /* PyTorch's last_epoch; -1: waits for its turn in a sequence */
    double *base;  /* [groups] */
    double *next;  /* [groups]; behind base: rates that are not in force yet */
    union {
        struct {
            int64_t size;
            double gamma;
        } step; /* exponential: only gamma */
        struct {
            int64_t count, *milestones;
            double gamma;
        } multi;
        struct {
            int64_t T_max;
            double eta_min;
        } cosine;
        struct {
            double start, end; /* constant: start is the factor */
            int64_t total;
        } line;
        struct {
            int64_t total;
            double power;
        } polynomial;
        struct {
            optim_lr_factor factor;
            void *user;
        } lambda;
        struct {
            optim_one_cycle_lr_config config;
            double *max_lr, *base_momentum, *max_momentum; /* [groups] each, one block */
        } cycle;
        struct {
            optim_reduce_lr_on_plateau_config config;
            double *min_lr; /* [groups] */
            double best;
            int64_t bad, cooldown_left;
        } plateau;
        struct {
            int count;
            struct optim_schedule **part;
            int64_t *milestones;
        } sequence;
    } u;
    void *owned; /* what the union points to, freed with the schedule */
};

/* A schedule without rates yet, or the nil one after raising. `owned_bytes` more are zeroed memory at ->owned. */
optim_schedule *schedule_make(ag_place where, const struct schedule_rule *rule, optim *o, size_t owned_bytes);
/* Sets the rates of epoch 0, which ends every constructor; after an error frees it and returns the nil one. */
optim_schedule *schedule_begin(ag_place where, optim_schedule *s);
/* What constructors return after an error. */
optim_schedule *schedule_nil(void);
bool schedule_is_nil(const optim_schedule *s);

/* Sets rates for s->epoch, starting from the base rates or from those of now. False after raising; nothing is changed then. */
bool schedule_apply(ag_place where, optim_schedule *s, bool from_base);
/* One usual step. */
bool schedule_advance(ag_place where, optim_schedule *s);
/* Lists it, as inside of a sequence. */
void schedule_visit(void *object, ag_state_visitor *v);

/* Raise and return false if a setting is not allowed. */
bool schedule_check_count(ag_place where, const char *function, const char *field, int64_t value, int64_t low);
bool schedule_check_share(ag_place where, const char *function, const char *field, double value); /* in [0, 1] */
/* `count` numbers >= 1, each more than the one before, or equal if `equal`. */
bool schedule_check_milestones(ag_place where, const char *function, int count, const int64_t *milestones, bool equal);

#endif
