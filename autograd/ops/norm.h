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

/* y = (x - mean) / sqrt(var + eps) weight + bias, mean and variance (divisor n) over the last dimensions, of which
 * `normalized` is the shape.  weight, bias: that shape, optional. eps >= 0; PyTorch's is 1e-5. Ba, Kiros & Hinton
 * 2016. */
AG_API ag_tensor ag_layer_norm_at(ag_place where, ag_tensor x, ag_shape normalized, ag_tensor weight, ag_tensor bias,
                                  double eps);
/* y = x / sqrt(mean of x^2 + eps) weight, over the last dimensions as ag_layer_norm. Zhang & Sennrich 2019. */
AG_API ag_tensor ag_rms_norm_at(ag_place where, ag_tensor x, ag_shape normalized, ag_tensor weight, double eps);
/* ag_layer_norm over each of num_groups runs of channels and all places.  x (N,C) or (N,C,…), C a multiple of num_groups
 * weight, bias (C), optional. More than one value in a batch's group is needed. PyTorch's eps is 1e-5. Wu & He 2018. */
AG_API ag_tensor ag_group_norm_at(ag_place where, ag_tensor x, int64_t num_groups, ag_tensor weight, ag_tensor bias,
                                  double eps);
#define ag_layer_norm(...) ag_layer_norm_at(AG_HERE, __VA_ARGS__)
#define ag_rms_norm(...) ag_rms_norm_at(AG_HERE, __VA_ARGS__)
#define ag_group_norm(...) ag_group_norm_at(AG_HERE, __VA_ARGS__)

typedef struct ag_instance_norm_config {
    uint32_t made_by_defaults;
    bool use_input_stats; /* default true: each image's own statistics, and the running ones move; false: those are used */
    double momentum;      /* default 0.1: running = (1 - momentum) running + momentum (mean over the batch) */
    double eps;           /* default 1e-5 */
} ag_instance_norm_config;

AG_API ag_instance_norm_config ag_instance_norm_defaults(void);
/* ag_group_norm with a group for each channel.  x (N,C,…) with more than one place   weight, bias (C), optional
 * running_mean, running_var (C) leaves without gradient, optional with use_input_stats, changed in place (unbiased variance).
 * Ulyanov, Vedaldi & Lempitsky 2016. */
AG_API ag_tensor ag_instance_norm_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_tensor running_mean,
                                     ag_tensor running_var, ag_instance_norm_config config);
#define ag_instance_norm(...) ag_instance_norm_at(AG_HERE, __VA_ARGS__)

/* y = x / max(p-norm of x along dim, eps); p >= 0, infinity too, eps >= 0. PyTorch: p 2, dim 1, eps 1e-12. */
AG_API ag_tensor ag_normalize_at(ag_place where, ag_tensor x, double p, int dim, double eps);
#define ag_normalize(...) ag_normalize_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
