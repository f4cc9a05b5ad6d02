/*
 * What layers, cells and packed sequences know of one another. Internal.
 */
#ifndef WENGERT_NN_RECURRENT_PARTS_H
#define WENGERT_NN_RECURRENT_PARTS_H

#include "internal.h"
#include "recurrent.h"

typedef enum nn_rnn_kind {
    NN_RNN,
    NN_GRU,
    NN_LSTM
} nn_rnn_kind;

static inline int64_t nn_rnn_gates(nn_rnn_kind kind)
{
    return kind == NN_LSTM ? 4 : kind == NN_GRU ? 3 : 1;
}

/* The operation of one direction. cells: LSTM's c of every step, else AG_NONE. */
ag_tensor nn_rnn_apply(nn_rnn_kind kind, ag_tensor x, nn_rnn_state before, ag_recurrent_weights w, ag_recurrent_config config,
                       ag_tensor *cells);
/* Whether what was packed fits together; raises in the function's name, or is silent for nil and a sticky error. */
bool nn_packed_good(ag_place where, const char *function, nn_packed packed);
/* Raises in the constructor's name; false then. */
bool nn_rnn_config_good(const char *function, const nn_rnn_config *config);
/* Whether m is a recurrent layer whose inputs are (steps,batch,…). */
bool nn_rnn_steps_first(const nn_module *m);
/* U(-1/sqrt(hidden), 1/sqrt(hidden)) */
void nn_rnn_fill(ag_tensor w, ag_rng *rng, int64_t hidden);

#endif
