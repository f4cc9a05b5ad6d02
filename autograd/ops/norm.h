/*
 * Normalisation.
 */
#ifndef WENGERT_AUTOGRAD_OPS_NORM_H
#define WENGERT_AUTOGRAD_OPS_NORM_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

typedef struct ag_batch_norm_config {
    uint32_t made_by_defaults;
    bool training;   /* default true: batch statistics, and the running ones move; false: the running ones are used */
    double momentum; /* default 0.1: running = (1 - momentum) running + momentum batch */
    double eps;      /* default 1e-5 */
} ag_batch_norm_config;

AG_API ag_batch_norm_config ag_batch_norm_defaults(void);
/* y = (x - mean) / sqrt(var + eps) weight + bias, per channel.  x (N,C) or (N,C,…)   weight, bias (C), optional
 * running_mean, running_var (C) leaves without gradient, optional in training, changed in place (unbiased variance).
 * Ioffe & Szegedy 2015. */
AG_API ag_tensor ag_batch_norm_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_tensor running_mean,
                                  ag_tensor running_var, ag_batch_norm_config config);
#define ag_batch_norm(...) ag_batch_norm_at(AG_HERE, __VA_ARGS__)

/* y = x / max(p-norm of x along dim, eps); p >= 0, infinity too, eps >= 0. PyTorch: p 2, dim 1, eps 1e-12. */
AG_API ag_tensor ag_normalize_at(ag_place where, ag_tensor x, double p, int dim, double eps);
#define ag_normalize(...) ag_normalize_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
