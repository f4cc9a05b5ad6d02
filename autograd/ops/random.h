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
#define ag_uniform(...) ag_uniform_at(AG_HERE, __VA_ARGS__)
#define ag_normal(...) ag_normal_at(AG_HERE, __VA_ARGS__)
#define ag_bernoulli(...) ag_bernoulli_at(AG_HERE, __VA_ARGS__)
#define ag_randint(...) ag_randint_at(AG_HERE, __VA_ARGS__)

/* ---- dropout ----------------------------------------------------------------------------------------------------------- */

/* Zeroes each element with probability p and scales the others by 1 / (1 - p); draws one key from rng. 0 <= p <= 1. */
AG_API ag_tensor ag_dropout_at(ag_place where, ag_tensor x, double p, ag_rng *rng);
#define ag_dropout(...) ag_dropout_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
