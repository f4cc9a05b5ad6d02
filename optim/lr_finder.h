/*
 * A finder of learning rates: the rate rises from step to step until the loss does, and what it was before tells which rates work.
 */
#ifndef WENGERT_OPTIM_LR_FINDER_H
#define WENGERT_OPTIM_LR_FINDER_H

#include "optim.h"

AG_EXTERN_C_BEGIN

typedef struct optim_lr_finder_config {
    uint32_t made_by_defaults;
    double start_lr, end_lr;    /* defaults 1e-7 and 10: the rates of the first and of the last step */
    int64_t steps;              /* default 100, >= 2 */
    double smoothing;           /* default 0.98, in [0, 1): how much of the running mean of the losses each step keeps */
    double divergence;          /* default 4, above 1: ends when the smoothed loss is above so many times its lowest; INFINITY: never */
    const ag_stateful *restore; /* what else computing the loss changes: buffers of a model, a loader, a generator. Default none */
    int restore_count;
} optim_lr_finder_config;
AG_API optim_lr_finder_config optim_lr_finder_defaults(void);

typedef struct optim_lr_curve {
    int64_t count;           /* steps made */
    double *lr;              /* [count] of the first group */
    double *loss, *smoothed; /* [count] before the step of that rate; the running mean, as if it had begun with the first loss */
    bool diverged;           /* ended early */
    double steepest;         /* the rate at which the smoothed loss falls fastest over log lr; NaN: it falls nowhere */
    double minimum;          /* the rate at which the smoothed loss is lowest; NaN without a step */
} optim_lr_curve;

/* Computes the loss of the next batch, a scalar. It is called in an open scope and takes no step. */
typedef ag_tensor (*optim_loss)(void *user);

/* lr_i = start_lr (end_lr / start_lr)^(i / (steps - 1)); with several groups they keep the ratios of their rates. The loss that
 * is not finite ends the run. Afterwards, an error included, weights, optimizer and what `restore` lists are as before, and
 * gradients are forgotten. The first tenth and the last five steps are not suggested as steepest. A good rate is about `steepest`,
 * or a tenth of `minimum`. The curve is to be freed; it is empty after an error. Smith 2015; smoothing and end as in fastai. */
AG_API optim_lr_curve optim_lr_finder_run_at(ag_place where, optim *o, optim_loss loss, void *user,
                                             optim_lr_finder_config config);
#define optim_lr_finder_run(...) optim_lr_finder_run_at(AG_HERE, __VA_ARGS__)
AG_API void optim_lr_curve_free(optim_lr_curve *curve); /* empties it */

AG_EXTERN_C_END

#endif
