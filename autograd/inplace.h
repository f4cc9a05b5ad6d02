/*
 * Operations in place, for the operations' files. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_INPLACE_H
#define WENGERT_AUTOGRAD_INPLACE_H

#include "op.h"

/* Applies an operation with one output and writes the result over inputs[0], which is returned: same handle, new numbers, and, if
 * the tape records and an input requires a gradient, a new history. AG_NIL after raising, with inputs[0] as it was. */
ag_tensor ag_apply_in_place(ag_place where, const struct ag_op *op, int n, const ag_tensor *inputs, const void *params);

#endif
