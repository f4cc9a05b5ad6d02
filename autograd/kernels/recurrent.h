/*
 * Recurrent networks over raw numbers: what is left of a sequence once the inputs of all steps have gone through one
 * product. Internal.
 *
 * Rows lie step by step: step t has rows[t] of them, the sequences that are at least t + 1 long, the longest first; rows[0] is
 * the batch. Each row of a batch goes its own way through time, so a batch is cut into blocks of rows that do not depend on the
 * number of threads, and a block runs through all steps without waiting for another. A single step is products of the whole batch.
 */
#ifndef WENGERT_KERNELS_RECURRENT_H
#define WENGERT_KERNELS_RECURRENT_H

#include <stdbool.h>
#include <stdint.h>

#include "../shape.h"

typedef enum k_recurrent_kind {
    K_RNN_TANH,
    K_RNN_RELU,
    K_LSTM,
    K_GRU
} k_recurrent_kind;

typedef struct k_recurrent {
    k_recurrent_kind kind;
    bool reverse; /* from the last step to the first */
    int64_t steps, batch, hidden, total;
    const int64_t *rows; /* (steps); NULL: the batch in each */
} k_recurrent;

/* Numbers of one row of the gates: LSTM i, f, g, o; GRU r, z, n and the part of n that comes from h; RNN 1. */
int64_t k_recurrent_width(k_recurrent_kind kind);
/* Numbers of working memory (of the element type) that a run needs forward, beside what it returns. */
int64_t k_recurrent_work(const k_recurrent *p);

/* On entry gates (total,width,hidden) holds the input's part with all biases, on return the activated gates. of RNN they are y and
 * `gates` is y itself. y, cells (total,hidden); h, c (batch,hidden): the states before the first step, NULL: 0.
 * w (gates,hidden) is PyTorch's weight_hh. */
void k_recurrent_forward(ag_dtype dtype, int threads, const k_recurrent *p, const void *h, const void *c, const void *w,
                         void *gates, void *y, void *cells, void *work);
/* Gradients before the activations: dgates (total,gates,hidden) for what is added before them; GRU: dhidden likewise for what
 * comes from h, where it differs. states: LSTM cells, else y; initial: LSTM c, GRU h (NULL: 0). dy, dcells: what arrives, NULL: 0.
 * dh, dc (batch,hidden): of the states before the first step. */
typedef struct k_recurrent_back_arguments {
    const void *states, *gates, *initial, *w, *dy, *dcells;
    void *dgates, *dhidden, *dh, *dc;
} k_recurrent_back_arguments;
void k_recurrent_back(ag_dtype dtype, int threads, const k_recurrent *p, const k_recurrent_back_arguments *a, void *work);
/* y[r] = the row of x one step before, `initial` (NULL: 0) at the first. */
void k_recurrent_previous(ag_dtype dtype, const k_recurrent *p, const void *x, const void *initial, void *y);

#endif
