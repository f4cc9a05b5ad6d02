/*
 * Elements chosen by index or by mask.
 */
#ifndef WENGERT_AUTOGRAD_OPS_INDEX_H
#define WENGERT_AUTOGRAD_OPS_INDEX_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* Rows of x along dim, in the order of the int64 indices (one dimension). */
AG_API ag_tensor ag_index_select_at(ag_place where, ag_tensor x, int dim, ag_tensor index);
/* y[i][j] = x[index[i][j]][j] for dim 0, and so on: y has the shape of index (int64), which is not longer than x except along dim. */
AG_API ag_tensor ag_gather_at(ag_place where, ag_tensor x, int dim, ag_tensor index);
/* gather with x and index broadcast to one another, except along dim. */
AG_API ag_tensor ag_take_along_dim_at(ag_place where, ag_tensor x, ag_tensor index, int dim);
/* x with source[i][j] written to (or added at) [index[i][j]][j] for dim 0, and so on; index is not longer than source, nor than x
 * except along dim. Where scatter names a place twice, the last one in row-major order stays. */
AG_API ag_tensor ag_scatter_at(ag_place where, ag_tensor x, int dim, ag_tensor index, ag_tensor source);
AG_API ag_tensor ag_scatter_value_at(ag_place where, ag_tensor x, int dim, ag_tensor index, double value); /* a number instead */
AG_API ag_tensor ag_scatter_add_at(ag_place where, ag_tensor x, int dim, ag_tensor index, ag_tensor source);
/* x with row i of source added to row index[i] along dim; index int64 of one dimension. */
AG_API ag_tensor ag_index_add_at(ag_place where, ag_tensor x, int dim, ag_tensor index, ag_tensor source);
/* y[…, k] = 1 where k = label, else 0; labels int64 in 0..classes-1. Not differentiable. */
AG_API ag_tensor ag_one_hot_at(ag_place where, ag_tensor labels, int64_t classes, ag_dtype dtype);
/* y[…, :] = weight[index[…], :]     weight (rows, width)   index int64 of any shape   y (…, width) */
AG_API ag_tensor ag_embedding_at(ag_place where, ag_tensor weight, ag_tensor index);
/* The same; row `padding` (negative: from the end) gets no gradient. */
AG_API ag_tensor ag_embedding_padded_at(ag_place where, ag_tensor weight, ag_tensor index, int64_t padding);
/* mask (uint8) ? value : x, broadcast. */
AG_API ag_tensor ag_masked_fill_at(ag_place where, ag_tensor x, ag_tensor mask, double value);
/* The elements of x where mask (uint8) is not 0, in row-major order, as one dimension; both are broadcast. */
AG_API ag_tensor ag_masked_select_at(ag_place where, ag_tensor x, ag_tensor mask);
#define ag_index_select(...) ag_index_select_at(AG_HERE, __VA_ARGS__)
#define ag_gather(...) ag_gather_at(AG_HERE, __VA_ARGS__)
#define ag_take_along_dim(...) ag_take_along_dim_at(AG_HERE, __VA_ARGS__)
#define ag_scatter(...) ag_scatter_at(AG_HERE, __VA_ARGS__)
#define ag_scatter_value(...) ag_scatter_value_at(AG_HERE, __VA_ARGS__)
#define ag_scatter_add(...) ag_scatter_add_at(AG_HERE, __VA_ARGS__)
#define ag_index_add(...) ag_index_add_at(AG_HERE, __VA_ARGS__)
#define ag_one_hot(...) ag_one_hot_at(AG_HERE, __VA_ARGS__)
#define ag_embedding(...) ag_embedding_at(AG_HERE, __VA_ARGS__)
#define ag_embedding_padded(...) ag_embedding_padded_at(AG_HERE, __VA_ARGS__)
#define ag_masked_fill(...) ag_masked_fill_at(AG_HERE, __VA_ARGS__)
#define ag_masked_select(...) ag_masked_select_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
