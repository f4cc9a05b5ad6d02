/*
 * What several families of operations need while they validate and compute: texts of shapes, checks of types, and inputs in
 * the memory order that a kernel wants. Knows nothing of tensors, tape or backward. Internal.
 */
#ifndef WENGERT_AUTOGRAD_OPS_COMMON_H
#define WENGERT_AUTOGRAD_OPS_COMMON_H

#include "autograd/op.h"

/* What made_by_defaults holds in a config that came from its defaults function. */
#define OPS_MADE_BY_DEFAULTS 0x57656e67u

ag_shape ops_shape(const ag_array *a);
/* "(2,3)", written into text, which has AG_SHAPE_TEXT bytes. */
const char *ops_text(const ag_array *a, char *text);

/* Each returns true, or raises in the operation's name and returns false. */
bool ops_need_float(ag_call *call, const ag_array *a);
bool ops_need_same_dtype(ag_call *call, const ag_array *a, const ag_array *b);
/* For operations that only other rules apply, so that a wrong rule is an error and not a wild read. */
bool ops_need_shape(ag_call *call, int i, ag_shape shape);
/* Replaces a negative dimension by its number; a scalar counts as having one. */
bool ops_need_dim(ag_call *call, const ag_array *a, int *dim);

bool ops_is_row_major(const ag_array *a);
/* Four dimensions N, C, H, W that lie as N, H, W, C without gaps. */
bool ops_is_channels_last(const ag_array *a);

/* The numbers of `a` in that order: its own where they lie so already, else a copy in the call's working memory. NULL after an
 * error; never NULL otherwise, not even for an array without elements. */
const void *ops_row_major(ag_call *call, const ag_array *a);
const void *ops_channels_last(ag_call *call, const ag_array *a);

#endif
