/*
 * Losses with labels that have weights, are ignored, or stand at the places of an image: what nll_loss and
 * cross_entropy_configured share. Internal.
 *
 * Note [Weights from labels]
 * With A[n,c] = (1 - smoothing) weight[label[n]] at the label, + smoothing / C weight[c] everywhere, and 0 where the label
 * is ignored, both losses are -sum over c of A x, x being logarithms of probabilities. label_weights makes A for the recorded
 * ways back. The mean divides by the sum of weight[label]; each forward keeps 1 over it (0 if that is infinite: then nothing
 * flows back).
 */
#ifndef WENGERT_AUTOGRAD_OPS_LABEL_LOSS_H
#define WENGERT_AUTOGRAD_OPS_LABEL_LOSS_H

#include "autograd/kernels/kernels.h"
#include "autograd/ops/common.h"
#include "autograd/ops/loss_common.h"

struct label_params {
    ag_reduction reduction;
    int64_t ignore_index;
    double smoothing;
    ag_shape shape; /* of x, for operations that do not see it */
};

/* The inputs of both; results: the loss, what the mean multiplies with, and more. */
enum { LABEL_X, LABEL_LABEL, LABEL_WEIGHT };

/* The dimension of classes: 0 of (C), else 1; and the shape of x without it. */
int label_class_dim(int ndim);
ag_shape label_places(ag_shape x);
/* x seen as (n,c,l), in the memory order that label_order() gives: if its channels are last, each place is a row. */
k_labels label_geometry(const struct label_params *p, const ag_array *x);
const void *label_order(ag_call *call, const ag_array *x);
bool label_channels_last(const ag_array *x);
/* An optional input in row-major order; false after an error. */
bool label_optional(ag_call *call, int i, const void **data);

bool label_shape(ag_call *call);
/* Labels and weight of the call, checked; where the losses go before label_end() reduces them. */
bool label_begin(ag_call *call, k_labels *k, void **losses);
void label_end(ag_call *call, const k_labels *k, const void *losses);
/* False, after raising, if the weight of classes wants a gradient: as in PyTorch it has none. */
bool label_weight_is_constant(ag_sweep *s);
/* The gradient that reaches each place, with a dimension for the classes. */
ag_tensor label_gradient(ag_sweep *s);
/* A times g, which is one number, or one a place (reduction none). */
ag_tensor label_weights(ag_tensor label, ag_tensor weight, ag_tensor g, struct label_params p);
/* The first of n results; the others are for the way back alone. */
ag_tensor label_first(int n, const ag_tensor *out);

#ifdef WENGERT_SAMPLES
#define LABELS(shape) sample_int(s, "t", shape, 0, 3)
#define WEIGHTS sample_constant(s, "w", AG_SHAPE(3), 0.5, 2)
/* The refusals of `call`, a loss of x, t, w and reduction r. */
#define LABEL_REFUSALS(name, call)                                                                                   \
    REFUSES("ag_" name ": input (4,3) and labels (3): they must be (C) and (), or (N,C,...) and (N,...)") {           \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3)), t = LABELS(AG_SHAPE(3)), w = AG_NONE;                     \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": input () and labels (): they must be (C) and (), or (N,C,...) and (N,...)") {               \
        ag_tensor x = sample_float(s, "x", AG_SHAPE_SCALAR), t = LABELS(AG_SHAPE_SCALAR), w = AG_NONE;                \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": label 3 at position 0 is outside 0..2") {                                                   \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = sample_int(s, "t", AG_SHAPE(2), 3, 4), w = AG_NONE;   \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": input (2,3) and weight (2): it must be (3)") {                                              \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = LABELS(AG_SHAPE(2));                                  \
        ag_tensor w = sample_float(s, "w", AG_SHAPE(2));                                                              \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("backward of ag_" name ": the weight of classes has no gradient") {                                      \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = LABELS(AG_SHAPE(2));                                  \
        ag_tensor w = sample_float(s, "w", AG_SHAPE(3));                                                              \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        ag_backward(call);                                                                                            \
    }                                                                                                                 \
    REFUSES("ag_" name ": labels must be int64, got uint8") {                                                         \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = sample_mask(s, "t", AG_SHAPE(2)), w = AG_NONE;        \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": needs a floating type, got int64") {                                                        \
        ag_tensor x = sample_int(s, "x", AG_SHAPE(2, 3), 0, 4), t = LABELS(AG_SHAPE(2)), w = AG_NONE;                 \
        ag_reduction r = AG_REDUCE_MEAN;                                                                              \
        call;                                                                                                         \
    }                                                                                                                 \
    REFUSES("ag_" name ": reduction 3 is unknown") {                                                                  \
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3)), t = LABELS(AG_SHAPE(2)), w = AG_NONE;                     \
        ag_reduction r = AG_REDUCE_BATCHMEAN;                                                                         \
        call;                                                                                                         \
    }
#endif

#endif
