/*
 * Schedules of the learning rate, with PyTorch's names, defaults and numbers, and a finder of learning rates.
 *
 * A schedule is made for an optimizer, after all of its groups, and moves the learning rate of each group from the one it has:
 *
 *     optim_schedule *schedule = optim_cosine_annealing_lr(opt, steps, 0);
 *     for (…) {
 *         …
 *         optim_step(opt);
 *         optim_schedule_step(schedule);      once a step or once an epoch, whatever the schedule counts
 *     }
 *     optim_schedule_free(schedule);
 *
 * e below is PyTorch's last_epoch: 0 once the schedule is made, then one more with every call of optim_schedule_step(). Most
 * schedules change the rate that the group has now, as PyTorch's do, so that two of them can be stepped in turn and a rate that
 * was set by hand is kept. base is the rate that the group had when its first schedule was made.
 */
#ifndef WENGERT_OPTIM_SCHEDULE_H
#define WENGERT_OPTIM_SCHEDULE_H

#include "optim.h"

AG_EXTERN_C_BEGIN

typedef struct optim_schedule optim_schedule;

/* ---- schedules; each borrows the optimizer, which must be there when it is stepped. Never NULL: nil after an error ----- */

/* lr *= gamma (PyTorch's default 0.1) every step_size (>= 1) steps. */
AG_API optim_schedule *optim_step_lr_at(ag_place where, optim *o, int64_t step_size, double gamma);
/* lr *= gamma (PyTorch's default 0.1) when e reaches one of `count` milestones, which are >= 1, not falling, and copied. */
AG_API optim_schedule *optim_multi_step_lr_at(ag_place where, optim *o, int count, const int64_t *milestones, double gamma);
/* lr *= gamma every step. */
AG_API optim_schedule *optim_exponential_lr_at(ag_place where, optim *o, double gamma);
/* lr = eta_min + (base - eta_min) (1 + cos(pi e / T_max)) / 2; it rises again after T_max (>= 1) steps. PyTorch's default for
 * eta_min is 0. Loshchilov & Hutter 2017. */
AG_API optim_schedule *optim_cosine_annealing_lr_at(ag_place where, optim *o, int64_t T_max, double eta_min);
/* lr = factor base for total_iters (>= 1) steps, then base. factor in [0, 1]; PyTorch's defaults: 1/3 and 5. */
AG_API optim_schedule *optim_constant_lr_at(ag_place where, optim *o, double factor, int64_t total_iters);
/* lr goes from start_factor base to end_factor base along a line, in total_iters (>= 1) steps. start_factor in (0, 1],
 * end_factor in [0, 1]; PyTorch's defaults: 1/3, 1 and 5. */
AG_API optim_schedule *optim_linear_lr_at(ag_place where, optim *o, double start_factor, double end_factor,
                                          int64_t total_iters);
/* lr = base (1 - e / total_iters)^power, 0 from total_iters (>= 1) on. PyTorch's defaults: 5 and 1. */
AG_API optim_schedule *optim_polynomial_lr_at(ag_place where, optim *o, int64_t total_iters, double power);
/* lr = base factor(e, group, user). */
typedef double (*optim_lr_factor)(int64_t epoch, int group, void *user);
AG_API optim_schedule *optim_lambda_lr_at(ag_place where, optim *o, optim_lr_factor factor, void *user);

typedef enum optim_anneal {
    OPTIM_ANNEAL_COS, /* along half a cosine */
    OPTIM_ANNEAL_LINEAR
} optim_anneal;

typedef struct optim_one_cycle_lr_config {
    uint32_t made_by_defaults;
    double max_lr;                /* must be set, above 0 */
    const double *max_lrs;        /* one a group instead of max_lr; default NULL */
    int64_t total_steps;          /* must be set, >= 1 */
    double pct_start;             /* default 0.3: the share of the steps in which the rate rises, in [0, 1] */
    optim_anneal anneal_strategy; /* default OPTIM_ANNEAL_COS */
    bool cycle_momentum;          /* default true: needs an optimizer with momentum, or Adam, whose beta1 is moved */
    double base_momentum;         /* default 0.85: the lower bound, at the highest rate */
    double max_momentum;          /* default 0.95 */
    const double *base_momentums; /* one a group instead; default NULL */
    const double *max_momentums;  /* one a group instead; default NULL */
    double div_factor;            /* default 25: the rate begins at max_lr / div_factor */
    double final_div_factor;      /* default 1e4: and ends at that / final_div_factor */
    bool three_phase;             /* default false: falling in one phase; true: back to the first rate, then to the last */
} optim_one_cycle_lr_config;
AG_API optim_one_cycle_lr_config optim_one_cycle_lr_defaults(void);
/* lr rises from max_lr / div_factor to max_lr and falls to max_lr / div_factor / final_div_factor in total_steps steps, while the
 * momentum does the opposite. Rates and momentum that the groups had are overwritten. Stepping more than total_steps times is an
 * error; the last of them, when training is over, changes nothing any more (PyTorch goes on past the end). Smith & Topin 2018. */
AG_API optim_schedule *optim_one_cycle_lr_at(ag_place where, optim *o, optim_one_cycle_lr_config config);

typedef enum optim_mode {
    OPTIM_MIN, /* less is better */
    OPTIM_MAX
} optim_mode;
typedef enum optim_threshold_mode {
    OPTIM_THRESHOLD_REL, /* better than best (1 - threshold), with OPTIM_MAX best (1 + threshold) */
    OPTIM_THRESHOLD_ABS  /* better than best - threshold, with OPTIM_MAX best + threshold */
} optim_threshold_mode;

typedef struct optim_reduce_lr_on_plateau_config {
    uint32_t made_by_defaults;
    optim_mode mode;                     /* default OPTIM_MIN */
    double factor;                       /* default 0.1, in (0, 1) */
    int64_t patience;                    /* default 10: so many steps without improvement are let pass */
    double threshold;                    /* default 1e-4, >= 0: what counts as an improvement */
    optim_threshold_mode threshold_mode; /* default OPTIM_THRESHOLD_REL */
    int64_t cooldown;                    /* default 0: so many steps after a reduction do not count */
    double min_lr;                       /* default 0, >= 0: no group goes below */
    const double *min_lrs;               /* one a group instead; default NULL */
    double eps;                          /* default 1e-8, >= 0: smaller changes are not made */
} optim_reduce_lr_on_plateau_config;
AG_API optim_reduce_lr_on_plateau_config optim_reduce_lr_on_plateau_defaults(void);
/* lr = max(factor lr, min_lr) when a value has not improved for more than `patience` steps. It is stepped with
 * optim_schedule_step_metric(). NaN is no improvement. */
AG_API optim_schedule *optim_reduce_lr_on_plateau_at(ag_place where, optim *o, optim_reduce_lr_on_plateau_config config);

/* `count` schedules of the same optimizer, one after the other: the next takes over when e reaches a milestone, of which there
 * are count - 1, >= 1 and rising; it begins at its own e = 0. Takes the schedules (frees them, after an error too); none may be
 * on a plateau or itself a sequence. */
AG_API optim_schedule *optim_sequential_lr_at(ag_place where, optim *o, int count, optim_schedule *const *schedules,
                                              const int64_t *milestones);
/* Linear warm-up, then a cosine: lr goes from start_factor base to base in `warmup` (>= 0) steps, then to eta_min at `total`
 * (> warmup). The sequence of optim_linear_lr(o, start_factor, 1, warmup) and optim_cosine_annealing_lr(o, total - warmup,
 * eta_min). */
AG_API optim_schedule *optim_warmup_cosine_lr_at(ag_place where, optim *o, int64_t warmup, int64_t total, double start_factor,
                                                 double eta_min);

#define optim_step_lr(...) optim_step_lr_at(AG_HERE, __VA_ARGS__)
#define optim_multi_step_lr(...) optim_multi_step_lr_at(AG_HERE, __VA_ARGS__)
#define optim_exponential_lr(...) optim_exponential_lr_at(AG_HERE, __VA_ARGS__)
#define optim_cosine_annealing_lr(...) optim_cosine_annealing_lr_at(AG_HERE, __VA_ARGS__)
#define optim_constant_lr(...) optim_constant_lr_at(AG_HERE, __VA_ARGS__)
#define optim_linear_lr(...) optim_linear_lr_at(AG_HERE, __VA_ARGS__)
#define optim_polynomial_lr(...) optim_polynomial_lr_at(AG_HERE, __VA_ARGS__)
#define optim_lambda_lr(...) optim_lambda_lr_at(AG_HERE, __VA_ARGS__)
#define optim_one_cycle_lr(...) optim_one_cycle_lr_at(AG_HERE, __VA_ARGS__)
#define optim_reduce_lr_on_plateau(...) optim_reduce_lr_on_plateau_at(AG_HERE, __VA_ARGS__)
#define optim_sequential_lr(...) optim_sequential_lr_at(AG_HERE, __VA_ARGS__)
#define optim_warmup_cosine_lr(...) optim_warmup_cosine_lr_at(AG_HERE, __VA_ARGS__)

/* ---- using them ------------------------------------------------------------------------------------------------------- */

/* Sets the rates of the next step. Does nothing after an error. */
AG_API ag_error optim_schedule_step_at(ag_place where, optim_schedule *s);
/* The same for a schedule on a plateau: `value` is what is watched, such as a validation loss. */
AG_API ag_error optim_schedule_step_metric_at(ag_place where, optim_schedule *s, double value);
#define optim_schedule_step(...) optim_schedule_step_at(AG_HERE, __VA_ARGS__)
#define optim_schedule_step_metric(...) optim_schedule_step_metric_at(AG_HERE, __VA_ARGS__)
AG_API bool optim_schedule_watches(const optim_schedule *s); /* whether it is stepped with a value */
AG_API int64_t optim_schedule_epoch(const optim_schedule *s); /* how often it was stepped; -1 for a nil one */

/* All that a resumed run needs of the schedule (autograd/state.h), as PyTorch's state_dict: e, base rates, settings. The rates
 * of now are the optimizer's: save it, too. A factor function is not saved, as in PyTorch. */
AG_API ag_stateful optim_schedule_stateful(optim_schedule *s);

AG_API void optim_schedule_free(optim_schedule *s); /* NULL is fine */

#ifndef WENGERT_INTERNAL
#define optim_schedule_stateful(...) AG_NOTING(optim_schedule_stateful(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
