/*
 * Early stopping: watches a value, keeps a copy of the weights with which it was best, and says when to give up.
 *
 *     train_early_stopping *stop = train_early_stopping_new(net, train_early_stopping_defaults());
 *     for (…) {
 *         …
 *         if (train_early_stopping_add(stop, validation_loss)) {
 *             break;
 *         }
 *     }
 *     train_early_stopping_restore(stop);
 */
#ifndef WENGERT_TRAIN_EARLY_STOPPING_H
#define WENGERT_TRAIN_EARLY_STOPPING_H

#include "../nn/nn.h"
#include "../optim/schedule.h"

AG_EXTERN_C_BEGIN

typedef struct train_early_stopping train_early_stopping;

typedef struct train_early_stopping_config {
    uint32_t made_by_defaults;
    optim_mode mode;  /* default OPTIM_MIN: less is better */
    int64_t patience; /* default 10, >= 1: so many values in a row without improvement end the run */
    double min_delta; /* default 0, >= 0: an improvement is more than this */
} train_early_stopping_config;
AG_API train_early_stopping_config train_early_stopping_defaults(void);

/* Borrows the network, which must be complete and outlive it, and makes a copy of it at once. */
AG_API train_early_stopping *train_early_stopping_new_at(ag_place where, nn_module *net, train_early_stopping_config config);
#define train_early_stopping_new(...) train_early_stopping_new_at(AG_HERE, __VA_ARGS__)
/* A new value; the best so far takes a copy of the network's parameters and buffers. NaN is no improvement. True if training
 * should stop. */
AG_API bool train_early_stopping_add_at(ag_place where, train_early_stopping *s, double value);
/* Puts the parameters and buffers of the best value back into the network; without a value they stay. */
AG_API ag_error train_early_stopping_restore_at(ag_place where, train_early_stopping *s);
#define train_early_stopping_add(...) train_early_stopping_add_at(AG_HERE, __VA_ARGS__)
#define train_early_stopping_restore(...) train_early_stopping_restore_at(AG_HERE, __VA_ARGS__)
AG_API int64_t train_early_stopping_best(const train_early_stopping *s);  /* which value was best, from 0; -1: none yet */
AG_API double train_early_stopping_value(const train_early_stopping *s);  /* the best value; NaN: none yet */
AG_API int64_t train_early_stopping_since(const train_early_stopping *s); /* values without improvement since */
AG_API ag_stateful train_early_stopping_stateful(train_early_stopping *s); /* with the best weights, for a resumed run */
AG_API void train_early_stopping_free(train_early_stopping *s);           /* NULL is fine */

AG_EXTERN_C_END

#endif
