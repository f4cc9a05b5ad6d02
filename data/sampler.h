/*
 * Samplers: which samples an epoch of a loader has, and in which order. A loader takes one in its config:
 *
 *     config.sampler = data_sampler_weighted(n, weights, n, true);
 *
 * Batches are runs of the order: batch k has the samples from k times the batch size on. The order of an epoch is drawn on the
 * user's thread before any of its batches is read, from the loader's generator: the same seed, the same order. What a sampler
 * draws is part of the loader's state (data_loader_stateful()).
 *
 * The loader takes a sampler, also after an error; one that no loader took is freed with data_sampler_free().
 */
#ifndef WENGERT_DATA_SAMPLER_H
#define WENGERT_DATA_SAMPLER_H

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct data_set data_set;
typedef struct data_sampler data_sampler;

/* The set's own order (PyTorch's SequentialSampler): what a loader without a sampler and without `shuffle` does. */
AG_API data_sampler *data_sampler_sequential_at(ag_place where);
/* At random (RandomSampler). With replacement: `count` independent uniform draws. Without: permutations of the whole set, one
 * after the other, as many as `count` needs; count 0 is the size of the set, and then it is what `shuffle` does. */
AG_API data_sampler *data_sampler_random_at(ag_place where, bool replacement, int64_t count);
/* `count` draws, sample i with a probability in proportion to weights[i] (WeightedRandomSampler; n weights, copied, which need not
 * sum to 1; n must be the size of the set). Without replacement each draw is from what is left, in proportion (Efraimidis and
 * Spirakis, "Weighted random sampling with a reservoir", 2006), and `count` cannot be more than there are weights above 0. A
 * sample with the weight 0 is never drawn. Errors: a weight that is negative, NaN or infinite, none above 0. */
AG_API data_sampler *data_sampler_weighted_at(ag_place where, int64_t n, const double *weights, int64_t count,
                                              bool replacement);
/* Batches of near lengths, for little padding: the set is shuffled, cut into pools of `pool` batches, each pool sorted by length
 * (equal lengths stay shuffled), cut into batches, and the batches come in random order. pool 0: the whole set is one pool, so
 * that lengths are as near as can be; larger pools waste less padding, smaller ones mix more. `lengths` are one for each of n
 * samples (copied), or NULL (n is not used): the lengths of the set's inputs (data_sequences()), and of its targets among equals.
 * If the last batch is not full, it comes last, and its samples are a random choice. */
AG_API data_sampler *data_sampler_bucketed_at(ag_place where, int64_t n, const int64_t *lengths, int64_t pool);
/* The samples of a list (copied; at least one), in its order or shuffled (SubsetRandomSampler). */
AG_API data_sampler *data_sampler_subset_at(ag_place where, int64_t n, const int64_t *indices, bool shuffle);
#define data_sampler_sequential() data_sampler_sequential_at(AG_HERE)
#define data_sampler_random(...) data_sampler_random_at(AG_HERE, __VA_ARGS__)
#define data_sampler_weighted(...) data_sampler_weighted_at(AG_HERE, __VA_ARGS__)
#define data_sampler_bucketed(...) data_sampler_bucketed_at(AG_HERE, __VA_ARGS__)
#define data_sampler_subset(...) data_sampler_subset_at(AG_HERE, __VA_ARGS__)
AG_API void data_sampler_free(data_sampler *sampler); /* one that no loader took; NULL is fine */

/* ---- a sampler of the program's own --------------------------------------------------------------------------------------- */

typedef struct data_draw {
    data_set *set;  /* of the loader, lent */
    int64_t epoch;  /* counted from 0 */
    int64_t batch;  /* samples a batch */
    int64_t count;  /* how many indices are to be written */
} data_draw;

/* `state` is handed to the functions, on the thread that uses the loader. Name the fields: more may follow. */
typedef struct data_sampler_type {
    size_t size; /* sizeof(data_sampler_type) */
    const char *name;
    bool random; /* draw takes from rng, so that the loader needs a generator; others get NULL */
    /* Writes what->count indices of what->set: the order of one epoch. Errors are raised with ag_error_raise() and returned. It
     * must depend on its arguments alone, so that a resumed run draws the same, unless there is `visit`. */
    ag_error (*draw)(void *state, const data_draw *what, ag_rng *rng, int64_t *order);
    /* NULL, or lists what the sampler must not forget (autograd/state.h), for one that learns from what it has seen. The order of
     * the epoch is saved with it then, instead of being drawn again. */
    void (*visit)(void *state, ag_state_visitor *v);
    void (*release)(void *state); /* NULL: nothing to release */
} data_sampler_type;
/* `count` samples an epoch; 0: as many as the set has. Takes the state: it is released with the sampler, or at once after an
 * error (unless the error is that `type` cannot be used). */
AG_API data_sampler *data_sampler_new_at(ag_place where, const data_sampler_type *type, void *state, int64_t count);
#define data_sampler_new(...) data_sampler_new_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
