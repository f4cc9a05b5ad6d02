/*
 * What all losses share: reductions, inside an operation and of composed functions. Internal.
 */
#ifndef WENGERT_AUTOGRAD_OPS_LOSS_COMMON_H
#define WENGERT_AUTOGRAD_OPS_LOSS_COMMON_H

#include "autograd/autograd.h"

/* ---- inside an operation ------------------------------------------------------------------------------------------ */

bool loss_reduction_is_right(ag_call *call, ag_reduction reduction);
/* What one element's loss is multiplied with. */
double loss_reduction_scale(ag_reduction reduction, int64_t n);
void loss_store(const ag_array *a, double value);
double loss_sum_of(ag_dtype dtype, int64_t n, const void *data);

/* ---- in a function composed of operations ------------------------------------------------------------------------- */

/* While a composed function runs: its operations report the user's line, and what it does not return is let go. */
typedef struct loss_composed {
    ag_place caller;
    ag_frame frame;
} loss_composed;

loss_composed loss_begin(ag_place where);
ag_tensor loss_end(loss_composed c, ag_tensor result);

/* Each returns true, or raises in the name of `function` (or finds that an error has been raised) and returns false.
 * The tensors must be floating, of one type, and broadcast, to *shape. */
bool loss_accepts(ag_place where, const char *function, int n, const ag_tensor *inputs, ag_shape *shape);
/* The number must be at least `low` (above it if `above`). */
bool loss_number(ag_place where, const char *function, const char *name, double value, double low, bool above);
bool loss_reduction(ag_place where, const char *function, ag_reduction reduction);

/* An integer target in the type of x, for losses whose targets are numbers such as 1 and -1. Other tensors, and those
 * that cannot be read, are returned as they are. */
ag_tensor loss_target(ag_place where, ag_tensor target, ag_tensor x);
/* The values, or their mean or sum. */
ag_tensor loss_reduced(ag_tensor values, ag_reduction reduction);
/* max(x, low) with the derivative 1 everywhere, as PyTorch clamps norms and variances; and max(x, low) with the
 * derivative 1 where x >= low, as PyTorch's clamp_min. */
ag_tensor loss_raised_to(ag_tensor x, double low);
ag_tensor loss_at_least(ag_tensor x, double low);

#endif
