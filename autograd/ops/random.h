/*
 * Random tensors and dropout; each call draws one key from rng.
 */
#ifndef WENGERT_AUTOGRAD_OPS_RANDOM_H
#define WENGERT_AUTOGRAD_OPS_RANDOM_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* Elements drawn independently from rng: uniform in [low, high), normal, 1 with probability p, integers. */
AG_API ag_tensor ag_uniform_at(ag_place where, ag_shape shape, double low, double high, ag_dtype dtype, ag_rng *rng);
AG_API ag_tensor ag_normal_at(ag_place where, ag_shape shape, double mean, double std, ag_dtype dtype, ag_rng *rng);
AG_API ag_tensor ag_bernoulli_at(ag_place where, ag_shape shape, double p, ag_dtype dtype, ag_rng *rng); /* 0 or 1 */
AG_API ag_tensor ag_randint_at(ag_place where, ag_shape shape, int64_t low, int64_t high, ag_rng *rng); /* low..high-1 */
AG_API ag_tensor ag_permutation_at(ag_place where, int64_t n, ag_rng *rng); /* 0..n-1 in random order, int64 */
/* 0 or 1 with the probability that each element of p gives, in p's shape and type. */
AG_API ag_tensor ag_bernoulli_of_at(ag_place where, ag_tensor p, ag_rng *rng);
/* `n` indices for each row of weights, drawn with probabilities proportional to them; without replacement each at most once, in the
 * order in which they were drawn.  weights (C) or (N,C), not negative, not all 0   y int64 (n) or (N,n).  Not differentiable. */
AG_API ag_tensor ag_multinomial_at(ag_place where, ag_tensor weights, int64_t n, bool replacement, ag_rng *rng);
/* softmax((logits + g) / tau) along dim, g from the Gumbel distribution; hard: one-hot at the maximum, with the gradient of the soft one
 * (straight-through).  Jang, Gu & Poole 2017; Maddison, Mnih & Teh 2017.  PyTorch: tau 1, not hard, dim -1 */
AG_API ag_tensor ag_gumbel_softmax_at(ag_place where, ag_tensor logits, double tau, bool hard, int dim, ag_rng *rng);
#define ag_uniform(...) ag_uniform_at(AG_HERE, __VA_ARGS__)
#define ag_normal(...) ag_normal_at(AG_HERE, __VA_ARGS__)
#define ag_bernoulli(...) ag_bernoulli_at(AG_HERE, __VA_ARGS__)
#define ag_randint(...) ag_randint_at(AG_HERE, __VA_ARGS__)

/* ---- dropout ----------------------------------------------------------------------------------------------------------- */

/* Zeroes each element with probability p and scales the others by 1 / (1 - p); draws one key from rng. 0 <= p <= 1. */
AG_API ag_tensor ag_dropout_at(ag_place where, ag_tensor x, double p, ag_rng *rng);
/* Dropout of whole channels: x (N,C,L) or (C,L), and x (N,C,H,W).  Tompson et al. 2015 */
AG_API ag_tensor ag_dropout1d_at(ag_place where, ag_tensor x, double p, ag_rng *rng);
AG_API ag_tensor ag_dropout2d_at(ag_place where, ag_tensor x, double p, ag_rng *rng);
#define ag_dropout(...) ag_dropout_at(AG_HERE, __VA_ARGS__)
#define ag_permutation(...) ag_permutation_at(AG_HERE, __VA_ARGS__)
#define ag_bernoulli_of(...) ag_bernoulli_of_at(AG_HERE, __VA_ARGS__)
#define ag_multinomial(...) ag_multinomial_at(AG_HERE, __VA_ARGS__)
#define ag_gumbel_softmax(...) ag_gumbel_softmax_at(AG_HERE, __VA_ARGS__)
#define ag_dropout1d(...) ag_dropout1d_at(AG_HERE, __VA_ARGS__)
#define ag_dropout2d(...) ag_dropout2d_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
