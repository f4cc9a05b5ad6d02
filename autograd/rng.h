/*
 * Random numbers: an explicit, splittable, counter-based generator. There is no hidden global one.
 *
 * The generator is Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011): the
 * number at position i is a function of the key and i alone, so the same seed gives the same bits for any number of
 * threads. Each random operation draws one key and expands it by counter.
 */
#ifndef WENGERT_AUTOGRAD_RNG_H
#define WENGERT_AUTOGRAD_RNG_H

#include <stdint.h>

#include "compiler.h"

AG_EXTERN_C_BEGIN

typedef struct ag_rng {
    uint64_t key;     /* which stream */
    uint64_t counter; /* how many draws were made from it */
} ag_rng;

/* The generator of a seed: the same seed, the same numbers. */
AG_API ag_rng ag_rng_seed(uint64_t seed);
/* A generator of its own, independent of what the parent draws afterwards. Advances the parent by one draw. */
AG_API ag_rng ag_rng_split(ag_rng *rng);
/* 64 uniform random bits. */
AG_API uint64_t ag_rng_next(ag_rng *rng);
/* Uniform in [0, 1), 53 bits. */
AG_API double ag_rng_uniform(ag_rng *rng);
/* Standard normal (Box-Muller). */
AG_API double ag_rng_normal(ag_rng *rng);
/* Uniform in 0..n-1 without bias; n >= 1. */
AG_API int64_t ag_rng_below(ag_rng *rng, int64_t n);
/* A uniformly random permutation of 0..n-1 (Fisher-Yates), written to order[0..n-1]. */
AG_API void ag_rng_permutation(ag_rng *rng, int64_t n, int64_t *order);

AG_EXTERN_C_END

#endif
