/*
 * What the files of recurrent operations know of one another. Internal.
 */
#ifndef WENGERT_OPS_RECURRENT_PARTS_H
#define WENGERT_OPS_RECURRENT_PARTS_H

#include "autograd/kernels/recurrent.h"
#include "autograd/op.h"

enum { R_X, R_H, R_W_IH, R_W_HH, R_B_IH, R_B_HH, R_BATCH_SIZES, R_C };

struct recurrent_params {
    k_recurrent_kind kind;
    bool reverse;
};

/* Gradients before the activations, in the order of gates; of GRU separately for what comes from h (else the same tensor); and
 * of the states before the first step. */
struct recurrent_gradients {
    ag_tensor gates, hidden, h, c;
};
/* states: LSTM cells, else y; initial: LSTM c, GRU h. */
struct recurrent_gradients recurrent_back(struct recurrent_params p, ag_tensor states, ag_tensor gates, ag_tensor initial,
                                          ag_tensor w_hh, ag_tensor dy, ag_tensor dcells, ag_tensor batch_sizes);
/* The row of y one step before each; `initial` at the first. */
ag_tensor recurrent_previous(struct recurrent_params p, ag_tensor y, ag_tensor initial, ag_tensor batch_sizes);

/* The same layer composed of the library's operations, step by step: what a graph of the gradient uses. in[] as above. */
void recurrent_composed(struct recurrent_params p, const ag_tensor *in, ag_tensor *y, ag_tensor *cells);

/* Fills kind, reverse, steps, batch, total and rows from an (…,hidden) or (rows,hidden) array and batch sizes (NULL: none). */
k_recurrent recurrent_sizes(ag_call *call, const struct recurrent_params *p, const ag_array *rows, int64_t hidden,
                            const ag_array *batch_sizes);

static inline int64_t recurrent_gates(k_recurrent_kind kind)
{
    return kind == K_LSTM ? 4 : kind == K_GRU ? 3 : 1;
}

#endif
