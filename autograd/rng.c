/*
 * Philox4x32-10, and what is drawn from it one number at a time.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "draws.h"
#include "philox.h"
#include "rng.h"

static _Thread_local ag_draws *draws; /* NULL: nobody writes them down */

void ag_draws_begin(ag_draws *d)
{
    d->outer = draws;
    draws = d;
}

void ag_draws_end(ag_draws *d)
{
    draws = d->outer;
}

/* A number for the generator to give out: its own, or the one that it gave out the first time. */
static uint64_t drawn(ag_draws *d, ag_rng *rng, bool split)
{
    if (d == NULL) {
        /* Words 2 and 3 of the block are never handed out as numbers, so a child's key is nobody's draw. */
        philox_block block = philox(rng->key, rng->counter++, 0);
        int first = split ? 2 : 0;
        return (uint64_t)block.word[first] << 32 | block.word[first + 1];
    }
    if (d->replay) {
        d->failed = d->failed || d->next == d->count;
        return d->failed ? 0 : d->draw[d->next++];
    }
    uint64_t number = drawn(d->outer, rng, split);
    if (d->count == d->capacity && !d->failed) {
        int64_t capacity = d->capacity == 0 ? 64 : 2 * d->capacity;
        uint64_t *grown = realloc(d->draw, (size_t)capacity * sizeof(*grown));
        d->failed = grown == NULL;
        if (grown != NULL) {
            d->draw = grown;
            d->capacity = capacity;
        }
    }
    if (!d->failed) {
        d->draw[d->count++] = number;
    }
    return number;
}

ag_rng ag_rng_seed(uint64_t seed)
{
    ag_rng rng = {seed, 0};
    return rng;
}

uint64_t ag_rng_next(ag_rng *rng)
{
    return drawn(draws, rng, false);
}

ag_rng ag_rng_split(ag_rng *rng)
{
    ag_rng child = {drawn(draws, rng, true), 0};
    return child;
}

double ag_rng_uniform(ag_rng *rng)
{
    return (double)(ag_rng_next(rng) >> 11) * 0x1p-53;
}

double ag_rng_normal(ag_rng *rng)
{
    double u = 1.0 - ag_rng_uniform(rng); /* (0, 1]: the logarithm exists */
    double v = ag_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

int64_t ag_rng_below(ag_rng *rng, int64_t n)
{
    if (n <= 1) {
        return 0;
    }
    uint64_t range = (uint64_t)n, limit = UINT64_MAX - UINT64_MAX % range;
    uint64_t draw;
    do {
        draw = ag_rng_next(rng);
    } while (draw >= limit); /* a replay that has run out gives zeros */
    return (int64_t)(draw % range);
}

void ag_rng_permutation(ag_rng *rng, int64_t n, int64_t *order)
{
    for (int64_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = ag_rng_below(rng, i + 1);
        int64_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}
