/*
 * Recurrent layers of one direction over whole sequences, and over one step. nn has them as layers and cells.
 */
#ifndef WENGERT_AUTOGRAD_OPS_RECURRENT_H
#define WENGERT_AUTOGRAD_OPS_RECURRENT_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* Rows are gates: one of RNN; i, f, g, o of LSTM; r, z, n of GRU, each `hidden` rows, as in PyTorch. */
typedef struct ag_recurrent_weights {
    ag_tensor w_ih; /* (gates hidden, in) */
    ag_tensor w_hh; /* (gates hidden, hidden) */
    ag_tensor b_ih, b_hh; /* (gates hidden); AG_NONE: 0 */
} ag_recurrent_weights;

typedef struct ag_recurrent_config {
    uint32_t made_by_defaults;
    ag_tensor batch_sizes; /* int64 (steps): sequences of several lengths, see below; default AG_NONE */
    bool reverse;          /* from the last step to the first; default false */
    bool relu;             /* ag_rnn: max(a, 0) in place of tanh(a); default false */
} ag_recurrent_config;

AG_API ag_recurrent_config ag_recurrent_defaults(void);

/* x (steps,batch,in), or (batch,in) for one step, or, with batch_sizes, (rows,in): the rows of step 0, then of step 1, …, of
 * which step t has batch_sizes[t], the longest sequence first (PyTorch's PackedSequence). h, c (batch,hidden): the states before the
 * first step, AG_NONE: 0. y is h of every step, of x's shape with `hidden` in place of `in`. All weights may be differentiated twice;
 * a step costs one product and one pass, each way.
 *
 *     rnn:   h' = tanh(x w_ih^T + b_ih + h w_hh^T + b_hh)                                       Elman 1990
 *     lstm:  c' = f c + i g,  h' = o tanh(c')                                                   Hochreiter & Schmidhuber 1997
 *            i, f, o = sigmoid(…), g = tanh(…) of x w_ih^T + b_ih + h w_hh^T + b_hh
 *     gru:   h' = (1 - z) n + z h,  n = tanh(x w_in^T + b_in + r (h w_hn^T + b_hn))             Cho et al. 2014
 *            r, z = sigmoid(…) of x w_ih^T + b_ih + h w_hh^T + b_hh
 *
 * ag_lstm gives c of every step, too, in y's shape, into *cells (NULL: not wanted). */
AG_API ag_tensor ag_rnn_at(ag_place where, ag_tensor x, ag_tensor h, ag_recurrent_weights w, ag_recurrent_config config);
AG_API ag_tensor ag_gru_at(ag_place where, ag_tensor x, ag_tensor h, ag_recurrent_weights w, ag_recurrent_config config);
AG_API ag_tensor ag_lstm_at(ag_place where, ag_tensor x, ag_tensor h, ag_tensor c, ag_recurrent_weights w,
                            ag_recurrent_config config, ag_tensor *cells);
#define ag_rnn(...) ag_rnn_at(AG_HERE, __VA_ARGS__)
#define ag_gru(...) ag_gru_at(AG_HERE, __VA_ARGS__)
#define ag_lstm(...) ag_lstm_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
