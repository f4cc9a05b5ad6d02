/*
 * Reductions over dimensions.
 */
#ifndef WENGERT_AUTOGRAD_OPS_REDUCE_H
#define WENGERT_AUTOGRAD_OPS_REDUCE_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

AG_API ag_tensor ag_sum_at(ag_place where, ag_tensor x); /* over all elements; float, int64; uint8 sums to int64 */
AG_API ag_tensor ag_mean_at(ag_place where, ag_tensor x); /* over all elements */
AG_API ag_tensor ag_max_at(ag_place where, ag_tensor x); /* the gradient is shared evenly among equal maxima */
AG_API ag_tensor ag_min_at(ag_place where, ag_tensor x); /* the smallest of all elements */
/* Over the given dimensions; keepdim leaves them as length 1. */
AG_API ag_tensor ag_sum_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
AG_API ag_tensor ag_mean_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
AG_API ag_tensor ag_amax_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim); /* gradient shared among ties */
AG_API ag_tensor ag_amin_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
/* Variance with divisor n - correction (PyTorch: 1). */
AG_API ag_tensor ag_var_at(ag_place where, ag_tensor x, ag_dims dims, int correction, bool keepdim);
/* Position of the first maximum (minimum) along a dimension, int64; not differentiable. */
AG_API ag_tensor ag_argmax_at(ag_place where, ag_tensor x, int dim, bool keepdim);
AG_API ag_tensor ag_argmin_at(ag_place where, ag_tensor x, int dim, bool keepdim);
/* log of the sum of e^x along dims, computed without overflow. */
AG_API ag_tensor ag_logsumexp_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
#define ag_sum(...) ag_sum_at(AG_HERE, __VA_ARGS__)
#define ag_mean(...) ag_mean_at(AG_HERE, __VA_ARGS__)
#define ag_max(...) ag_max_at(AG_HERE, __VA_ARGS__)
#define ag_min(...) ag_min_at(AG_HERE, __VA_ARGS__)
#define ag_sum_dims(...) ag_sum_dims_at(AG_HERE, __VA_ARGS__)
#define ag_mean_dims(...) ag_mean_dims_at(AG_HERE, __VA_ARGS__)
#define ag_amax(...) ag_amax_at(AG_HERE, __VA_ARGS__)
#define ag_amin(...) ag_amin_at(AG_HERE, __VA_ARGS__)
#define ag_var(...) ag_var_at(AG_HERE, __VA_ARGS__)
#define ag_argmax(...) ag_argmax_at(AG_HERE, __VA_ARGS__)
#define ag_argmin(...) ag_argmin_at(AG_HERE, __VA_ARGS__)
#define ag_logsumexp(...) ag_logsumexp_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
