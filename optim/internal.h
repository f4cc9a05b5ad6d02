/*
 * The seam between the common part of all optimizers (optim.c, clip.c) and the rules (one file
 * each). Internal: not installed. A rule sees runs of raw numbers; it must not know tensors, groups
 * or lists.
 */
#ifndef WENGERT_OPTIM_INTERNAL_H
#define WENGERT_OPTIM_INTERNAL_H

#include "../autograd/leaf.h"
#include "optim.h"

#define OPTIM_MAX_STATES 3

/* A run of parameters that lie one after the other and have been updated equally often. */
struct optim_run {
    const void *config; /* of the rule's own type */
    int64_t step;       /* the number of this update, 1 for the first */
    int64_t n;          /* elements */
    void *w;
    const void *g;
    void *state[OPTIM_MAX_STATES];
};

/* What a value may be. */
enum optim_range {
    OPTIM_FINITE,
    OPTIM_NOT_NEGATIVE, /* finite and >= 0 */
    OPTIM_FRACTION      /* in [0, 1) */
};

/* One way to update. Everything that differs between optimizers stands here. */
struct optim_rule {
    const char *name;          /* "optim_sgd": the call that makes it, for messages */
    uint32_t made_by_defaults; /* what the defaults function writes into its configs */
    size_t config_bytes;
    size_t lr_offset; /* of the double `lr` in the config */
    size_t momentum_offset; /* of what a cycle of the momentum moves; 0: there is none */
    enum optim_range momentum_range;
    /* Raises and returns false if a value is not allowed. */
    bool (*check)(ag_place where, const char *function, const void *config);
    /* Lists every field of the config but made_by_defaults, with optim_visit() and ag_state_bool(). */
    void (*settings)(void *config, ag_state_visitor *v);
    /* How many numbers of state an element has. */
    int (*states)(const void *config);
    /* What PyTorch calls number k of them: "exp_avg". */
    const char *(*state_name)(const void *config, int k);
    /* What the state is before the first step; NULL: zero. */
    double (*initial_state)(const void *config);
    /* The update loop for each type. It sees long runs in pieces, so an element's update depends on
     * that element alone. */
    void (*update_float)(const struct optim_run *run);
    void (*update_double)(const struct optim_run *run);
};

/* Makes an optimizer with one group; what every constructor calls. Takes the list. */
optim *optim_make(ag_place where, const struct optim_rule *rule, ag_list *parameters,
                  const void *config);

/* Raises and returns false if a config's value is outside the range. */
bool optim_check(ag_place where, const char *function, const char *field, double value,
                 enum optim_range range);

/* Lists a config's value, which must be in the range if it comes from a file. */
void optim_visit(ag_state_visitor *v, const char *field, double *value, enum optim_range range);

/* ---- the optimizer ------------------------------------------------------------------------- */

struct optim_parameter {
    ag_tensor tensor;
    ag_leaf_raw raw; /* valid only while a call has just asked for it */
    char *name;      /* distinct within the optimizer */
    int64_t steps;   /* updates so far */
    size_t offset;   /* bytes of the group's parameters before this one: where its state is */
};

struct optim_group {
    void *config;
    int states;
    char *state; /* `states` blocks of state_bytes, 64-byte aligned */
    size_t state_bytes;
    int64_t count;
    struct optim_parameter *parameters;
    bool scheduled;    /* a schedule was made: initial_lr holds */
    double initial_lr; /* the rate that schedules start from */
};

struct optim {
    const struct optim_rule *rule; /* NULL: the nil optimizer */
    int group_count;
    struct optim_group *groups;
};

/* Whether `o` can be used now: no sticky error, not NULL and not nil (these two raise). */
bool optim_usable(ag_place where, const char *function, const optim *o);
/* Asks for the raw numbers of all parameters; false after an error, and then nothing may be
 * changed. */
bool optim_fetch(ag_place where, optim *o);
/* Whether a step moves the parameter, after optim_fetch(). */
static inline bool optim_moves(const struct optim_parameter *p)
{
    return p->raw.requires_grad && p->raw.grad != NULL;
}

/* The places of a group's learning rate and of its momentum; the latter is NULL if the rule has none. */
static inline double *optim_group_lr(const optim *o, int group)
{
    return (double *)((char *)o->groups[group].config + o->rule->lr_offset);
}
static inline double *optim_group_momentum(const optim *o, int group)
{
    size_t offset = o->rule->momentum_offset;
    return offset == 0 ? NULL : (double *)((char *)o->groups[group].config + offset);
}
/* Room for the state that the group needs once its momentum is not zero; false after raising. */
bool optim_reserve_momentum(ag_place where, const char *function, optim *o, int group);

/* Work is split in pieces of fixed size, so that the bits do not depend on the number of threads.
 * Below OPTIM_PARALLEL elements starting threads costs more than it saves. */
#define OPTIM_PIECE 16384
#define OPTIM_PARALLEL 65536

#endif
