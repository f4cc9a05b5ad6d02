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
/* The product over all elements, and over the given dimensions; 1 for nothing. Float and int64. */
AG_API ag_tensor ag_prod_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_prod_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
AG_API ag_tensor ag_var_all_at(ag_place where, ag_tensor x, int correction); /* variance over all elements */
/* Standard deviation, the root of the variance with divisor n - correction (PyTorch: 1); where it is 0 its derivative is 0. */
AG_API ag_tensor ag_std_at(ag_place where, ag_tensor x, ag_dims dims, int correction, bool keepdim);
AG_API ag_tensor ag_std_all_at(ag_place where, ag_tensor x, int correction); /* over all elements */
/* (sum of |x|^p over dims)^(1/p); the largest |x| for p = INFINITY, the smallest for -INFINITY, the number of those that are not
 * 0 for p = 0. No dims: over all elements. The derivative where the norm is 0 is 0. PyTorch: linalg.vector_norm, p = 2. */
AG_API ag_tensor ag_norm_at(ag_place where, ag_tensor x, double p, ag_dims dims, bool keepdim);
/* Whether any element, or every one, is not 0 (NaN is not 0), as uint8; any type. Over all elements, or the given dimensions. */
AG_API ag_tensor ag_any_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_all_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_any_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
AG_API ag_tensor ag_all_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
/* Largest (smallest) element along a dimension, NaN if there is one, and its first position, int64, into *indices (may be NULL).
 * The gradient goes to that element alone. */
AG_API ag_tensor ag_max_dim_at(ag_place where, ag_tensor x, int dim, bool keepdim, ag_tensor *indices);
AG_API ag_tensor ag_min_dim_at(ag_place where, ag_tensor x, int dim, bool keepdim, ag_tensor *indices);
AG_API ag_tensor ag_cumsum_at(ag_place where, ag_tensor x, int dim);  /* y[k] = x[0] + … + x[k] along dim; float, int64 */
AG_API ag_tensor ag_cumprod_at(ag_place where, ag_tensor x, int dim); /* y[k] = x[0] … x[k] along dim; float, int64 */
/* The elements in order along dim, NaN as the largest, equal ones in the order they had; their positions, int64, into *indices (may
 * be NULL). Any type; gradients go where values came from. argsort gives the positions alone. */
AG_API ag_tensor ag_sort_at(ag_place where, ag_tensor x, int dim, bool descending, ag_tensor *indices);
AG_API ag_tensor ag_argsort_at(ag_place where, ag_tensor x, int dim, bool descending);
/* The k largest (smallest) elements along dim in order, and their positions, int64, into *indices (may be NULL). */
AG_API ag_tensor ag_topk_at(ag_place where, ag_tensor x, int64_t k, int dim, bool largest, ag_tensor *indices);
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
#define ag_prod(...) ag_prod_at(AG_HERE, __VA_ARGS__)
#define ag_prod_dims(...) ag_prod_dims_at(AG_HERE, __VA_ARGS__)
#define ag_var_all(...) ag_var_all_at(AG_HERE, __VA_ARGS__)
#define ag_std(...) ag_std_at(AG_HERE, __VA_ARGS__)
#define ag_std_all(...) ag_std_all_at(AG_HERE, __VA_ARGS__)
#define ag_norm(...) ag_norm_at(AG_HERE, __VA_ARGS__)
#define ag_any(...) ag_any_at(AG_HERE, __VA_ARGS__)
#define ag_all(...) ag_all_at(AG_HERE, __VA_ARGS__)
#define ag_any_dims(...) ag_any_dims_at(AG_HERE, __VA_ARGS__)
#define ag_all_dims(...) ag_all_dims_at(AG_HERE, __VA_ARGS__)
#define ag_max_dim(...) ag_max_dim_at(AG_HERE, __VA_ARGS__)
#define ag_min_dim(...) ag_min_dim_at(AG_HERE, __VA_ARGS__)
#define ag_cumsum(...) ag_cumsum_at(AG_HERE, __VA_ARGS__)
#define ag_cumprod(...) ag_cumprod_at(AG_HERE, __VA_ARGS__)
#define ag_sort(...) ag_sort_at(AG_HERE, __VA_ARGS__)
#define ag_argsort(...) ag_argsort_at(AG_HERE, __VA_ARGS__)
#define ag_topk(...) ag_topk_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
