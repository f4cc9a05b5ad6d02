/*
 * Shapes: views, which share memory with x, and what joins and repeats.
 */
#ifndef WENGERT_AUTOGRAD_OPS_RESHAPE_H
#define WENGERT_AUTOGRAD_OPS_RESHAPE_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* Same elements in row-major order, another shape; one length may be -1. A view where strides allow, else a copy. */
AG_API ag_tensor ag_reshape_at(ag_place where, ag_tensor x, ag_shape shape);
AG_API ag_tensor ag_flatten_at(ag_place where, ag_tensor x, int start_dim, int end_dim); /* joins dims start..end */
AG_API ag_tensor ag_squeeze_at(ag_place where, ag_tensor x, int dim);   /* view; drops dim if its length is 1 */
AG_API ag_tensor ag_unsqueeze_at(ag_place where, ag_tensor x, int dim); /* view; inserts a length 1 before dim */
AG_API ag_tensor ag_permute_at(ag_place where, ag_tensor x, ag_dims dims);  /* view; y.size[i] = x.size[dims[i]] */
AG_API ag_tensor ag_transpose_at(ag_place where, ag_tensor x, int a, int b); /* view */
AG_API ag_tensor ag_expand_at(ag_place where, ag_tensor x, ag_shape shape);  /* view; broadcasts; -1 keeps a length */
/* View of x[…, start:stop:step, …]; start and stop as in Python (negative from the end, clipped), step >= 1. */
AG_API ag_tensor ag_slice_at(ag_place where, ag_tensor x, int dim, int64_t start, int64_t stop, int64_t step);
AG_API ag_tensor ag_narrow_at(ag_place where, ag_tensor x, int dim, int64_t start, int64_t length); /* view */
AG_API ag_tensor ag_select_at(ag_place where, ag_tensor x, int dim, int64_t index); /* view; dim is dropped */
AG_API ag_tensor ag_contiguous_at(ag_place where, ag_tensor x); /* x itself if it is row-major, else a row-major copy */
AG_API ag_tensor ag_clone_at(ag_place where, ag_tensor x);      /* a copy in x's memory order */
/* Joins n tensors along dim (cat) or along a new dim (stack). */
AG_API ag_tensor ag_cat_at(ag_place where, int n, const ag_tensor *tensors, int dim);
AG_API ag_tensor ag_stack_at(ag_place where, int n, const ag_tensor *tensors, int dim);
#define ag_reshape(...) ag_reshape_at(AG_HERE, __VA_ARGS__)
#define ag_flatten(...) ag_flatten_at(AG_HERE, __VA_ARGS__)
#define ag_squeeze(...) ag_squeeze_at(AG_HERE, __VA_ARGS__)
#define ag_unsqueeze(...) ag_unsqueeze_at(AG_HERE, __VA_ARGS__)
#define ag_permute(...) ag_permute_at(AG_HERE, __VA_ARGS__)
#define ag_transpose(...) ag_transpose_at(AG_HERE, __VA_ARGS__)
#define ag_expand(...) ag_expand_at(AG_HERE, __VA_ARGS__)
#define ag_slice(...) ag_slice_at(AG_HERE, __VA_ARGS__)
#define ag_narrow(...) ag_narrow_at(AG_HERE, __VA_ARGS__)
#define ag_select(...) ag_select_at(AG_HERE, __VA_ARGS__)
#define ag_contiguous(...) ag_contiguous_at(AG_HERE, __VA_ARGS__)
#define ag_clone(...) ag_clone_at(AG_HERE, __VA_ARGS__)
#define ag_cat(...) ag_cat_at(AG_HERE, __VA_ARGS__)
#define ag_stack(...) ag_stack_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
