/*
 * Recurrent layers: cells (one step a call, in the program's own loop), layers (whole sequences, several layers, both
 * directions), and sequences of several lengths packed together. Weights are named and laid out as PyTorch's.
 *
 * Truncated backpropagation through time, with states carried on from chunk to chunk:
 *
 *     nn_rnn_state carried = {0};
 *     while (…) {
 *         ag_begin(&step);
 *         nn_rnn_state s = carried;
 *         ag_tensor y = nn_rnn_forward(lstm, x, &s);
 *         … loss, ag_backward(), optim_step() …
 *         nn_rnn_state_keep(&carried, s);        // numbers without history: memory does not grow
 *     }
 *     nn_rnn_state_drop(&carried);
 */
#ifndef WENGERT_NN_RECURRENT_H
#define WENGERT_NN_RECURRENT_H

#include "module.h"

AG_EXTERN_C_BEGIN

/* What goes from step to step. c is LSTM's alone. AG_NONE: zeros. */
typedef struct nn_rnn_state {
    ag_tensor h, c;
} nn_rnn_state;

/* kept = s, detached, in memory that outlives scopes; kept starts as {0}. */
AG_API void nn_rnn_state_keep_at(ag_place where, nn_rnn_state *kept, nn_rnn_state s);
#define nn_rnn_state_keep(...) nn_rnn_state_keep_at(AG_HERE, __VA_ARGS__)
/* Sequence i of the batch becomes what was sequence from[i]; int64 (m), 0 or more, in any order: for beam search. kept as above,
 * or {0}. */
AG_API void nn_rnn_state_select_at(ag_place where, nn_rnn_state *kept, ag_tensor from);
#define nn_rnn_state_select(...) nn_rnn_state_select_at(AG_HERE, __VA_ARGS__)
AG_API void nn_rnn_state_drop(nn_rnn_state *kept); /* ends the life of a kept state; {0} afterwards */

typedef struct nn_rnn_config {
    uint32_t made_by_defaults;
    int64_t in, hidden;
    int64_t layers;     /* default 1; each reads the outputs of the one below */
    bool bias;          /* default true */
    bool batch_first;   /* x and y are (batch,steps,…), not (steps,batch,…); default false. States never are */
    bool bidirectional; /* a second set of weights reads from the end; outputs are side by side; default false */
    bool relu;          /* of RNN: max(a, 0) in place of tanh(a); default false */
    double dropout;     /* in training, on the outputs of all layers but the last; default 0 */
} nn_rnn_config;

AG_API nn_rnn_config nn_rnn_defaults(int64_t in, int64_t hidden);

/* Layers. The formulas are ag_rnn()'s, ag_lstm()'s and ag_gru()'s. Parameters weight_ih_l0 (gates hidden, in), weight_hh_l0,
 * bias_ih_l0, bias_hh_l0, the same with _reverse, then _l1 …: all start as U(-1/sqrt(hidden), 1/sqrt(hidden)). nn_forward() starts
 * from zeros and gives y. */
AG_API nn_module *nn_rnn(int64_t in, int64_t hidden);
AG_API nn_module *nn_rnn_with(nn_rnn_config config);
AG_API nn_module *nn_lstm(int64_t in, int64_t hidden);
AG_API nn_module *nn_lstm_with(nn_rnn_config config);
AG_API nn_module *nn_gru(int64_t in, int64_t hidden);
AG_API nn_module *nn_gru_with(nn_rnn_config config);

/* x (steps,batch,in), or (steps,in) without a batch   y (steps,batch,directions hidden): h of the last layer at every step.
 * *state holds the states before the first step and gets those after the last, (layers directions, batch, hidden); NULL: zeros, not
 * wanted. */
AG_API ag_tensor nn_rnn_forward_at(ag_place where, nn_module *m, ag_tensor x, nn_rnn_state *state);
#define nn_rnn_forward(...) nn_rnn_forward_at(AG_HERE, __VA_ARGS__)

/* ---- sequences of several lengths -------------------------------------------------------------------------------------- */

/* Rows of all sequences, step by step, the longest sequence first, so that no work is done on padding: PyTorch's
 * PackedSequence. */
typedef struct nn_packed {
    ag_tensor data;        /* (rows,…) */
    ag_tensor batch_sizes; /* int64 (steps): how many sequences have that step */
    ag_tensor sorted;      /* int64 (batch): which sequence stands at each place */
    ag_tensor unsorted;    /* int64 (batch): at which place each sequence stands */
} nn_packed;

/* x (steps,batch,…), or (batch,steps,…) if batch_first; lengths int64 (batch), each from 1 to steps, in any order. */
AG_API nn_packed nn_pack_padded_at(ag_place where, ag_tensor x, ag_tensor lengths, bool batch_first);
/* The way back: (longest,batch,…) or (batch,longest,…), with `padding` behind the ends. lengths (NULL: not wanted): int64
 * (batch). */
AG_API ag_tensor nn_pad_packed_at(ag_place where, nn_packed packed, bool batch_first, double padding, ag_tensor *lengths);
/* nn_rnn_forward() on packed sequences; states are in the order of the sequences as they were given. */
AG_API nn_packed nn_rnn_forward_packed_at(ag_place where, nn_module *m, nn_packed x, nn_rnn_state *state);
/* The three in turn: x and y padded, as the layer's batch_first says, zeros in y behind the ends. */
AG_API ag_tensor nn_rnn_forward_lengths_at(ag_place where, nn_module *m, ag_tensor x, ag_tensor lengths, nn_rnn_state *state);
#define nn_pack_padded(...) nn_pack_padded_at(AG_HERE, __VA_ARGS__)
#define nn_pad_packed(...) nn_pad_packed_at(AG_HERE, __VA_ARGS__)
#define nn_rnn_forward_packed(...) nn_rnn_forward_packed_at(AG_HERE, __VA_ARGS__)
#define nn_rnn_forward_lengths(...) nn_rnn_forward_lengths_at(AG_HERE, __VA_ARGS__)

/* ---- cells ----------------------------------------------------------------------------------------------------------------- */

/* Parameters weight_ih (gates hidden, in), weight_hh, bias_ih, bias_hh. Of the config a cell reads in, hidden, bias and relu. */
AG_API nn_module *nn_rnn_cell(int64_t in, int64_t hidden);
AG_API nn_module *nn_rnn_cell_with(nn_rnn_config config);
AG_API nn_module *nn_lstm_cell(int64_t in, int64_t hidden);
AG_API nn_module *nn_lstm_cell_with(nn_rnn_config config);
AG_API nn_module *nn_gru_cell(int64_t in, int64_t hidden);
AG_API nn_module *nn_gru_cell_with(nn_rnn_config config);

/* One step: x (batch,in) or (in); *state is the one before, and becomes the one after, (batch,hidden) or (hidden). Returns
 * the new h. */
AG_API ag_tensor nn_cell_forward_at(ag_place where, nn_module *m, ag_tensor x, nn_rnn_state *state);
#define nn_cell_forward(...) nn_cell_forward_at(AG_HERE, __VA_ARGS__)

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define nn_rnn_state_drop(...) AG_NOTING(nn_rnn_state_drop(__VA_ARGS__))
#define nn_rnn(...) AG_NOTING(nn_rnn(__VA_ARGS__))
#define nn_rnn_with(...) AG_NOTING(nn_rnn_with(__VA_ARGS__))
#define nn_lstm(...) AG_NOTING(nn_lstm(__VA_ARGS__))
#define nn_lstm_with(...) AG_NOTING(nn_lstm_with(__VA_ARGS__))
#define nn_gru(...) AG_NOTING(nn_gru(__VA_ARGS__))
#define nn_gru_with(...) AG_NOTING(nn_gru_with(__VA_ARGS__))
#define nn_rnn_cell(...) AG_NOTING(nn_rnn_cell(__VA_ARGS__))
#define nn_rnn_cell_with(...) AG_NOTING(nn_rnn_cell_with(__VA_ARGS__))
#define nn_lstm_cell(...) AG_NOTING(nn_lstm_cell(__VA_ARGS__))
#define nn_lstm_cell_with(...) AG_NOTING(nn_lstm_cell_with(__VA_ARGS__))
#define nn_gru_cell(...) AG_NOTING(nn_gru_cell(__VA_ARGS__))
#define nn_gru_cell_with(...) AG_NOTING(nn_gru_cell_with(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
