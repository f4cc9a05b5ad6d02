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
/* The same as reshape, but refused where strides do not allow a view. */
AG_API ag_tensor ag_view_at(ag_place where, ag_tensor x, ag_shape shape);
/* View: dimension dim becomes several, whose lengths multiply to its own; one may be -1. */
AG_API ag_tensor ag_unflatten_at(ag_place where, ag_tensor x, int dim, ag_shape sizes);
AG_API ag_tensor ag_squeeze_all_at(ag_place where, ag_tensor x); /* view; drops every dimension of length 1 */
/* x repeated[d] times along each dimension d (a copy); more numbers than dimensions put new ones in front. tile also takes fewer. */
AG_API ag_tensor ag_repeat_at(ag_place where, ag_tensor x, ag_shape repeats);
AG_API ag_tensor ag_tile_at(ag_place where, ag_tensor x, ag_shape repeats); /* repeat; missing numbers in front are 1 */
AG_API ag_tensor ag_repeat_interleave_at(ag_place where, ag_tensor x, int64_t repeats, int dim); /* aab b, not abab */
/* Views of `size` elements along dim each, the last perhaps shorter, into parts; returns how many, 0 after an error. Refused if
 * there are more than `capacity`. */
AG_API int ag_split_at(ag_place where, ag_tensor x, int64_t size, int dim, int capacity, ag_tensor *parts);
/* n views of the given sizes, which add up to the length of dim; returns n, 0 after an error. */
AG_API int ag_split_sizes_at(ag_place where, ag_tensor x, int n, const int64_t *sizes, int dim, ag_tensor *parts);
/* `chunks` views of equal size, the last perhaps shorter, or fewer, as in PyTorch; returns how many, 0 after an error. */
AG_API int ag_chunk_at(ag_place where, ag_tensor x, int chunks, int dim, ag_tensor *parts);
AG_API ag_tensor ag_flip_at(ag_place where, ag_tensor x, ag_dims dims); /* y[i] = x[n - 1 - i] along each of dims; a copy */
AG_API ag_tensor ag_roll_at(ag_place where, ag_tensor x, int64_t shift, int dim); /* y[(i + shift) mod n] = x[i] along dim */
AG_API ag_tensor ag_roll_all_at(ag_place where, ag_tensor x, int64_t shift); /* the same over all elements in row-major order */
/* Lower and upper triangles of matrices (the last two dimensions): x[i][j] where j <= i + diagonal (>= for triu), else 0. */
AG_API ag_tensor ag_tril_at(ag_place where, ag_tensor x, int64_t diagonal);
AG_API ag_tensor ag_triu_at(ag_place where, ag_tensor x, int64_t diagonal);
/* View of the elements x[…, k, …, k + offset, …] of dimensions dim1 and dim2 (PyTorch: 0, 0, 1); k is the last dimension. */
AG_API ag_tensor ag_diagonal_at(ag_place where, ag_tensor x, int64_t offset, int dim1, int dim2);

typedef enum ag_pad_mode {
    AG_PAD_CONSTANT,  /* with a value */
    AG_PAD_REFLECT,   /* mirrored, without the edge: cb|abc|ba */
    AG_PAD_REPLICATE, /* the edge again: aa|abc|cc */
    AG_PAD_CIRCULAR   /* from the other end: bc|abc|ab */
} ag_pad_mode;

/* Adds pad[0] elements before and pad[1] behind the last dimension, pad[2] and pad[3] those of the one before it, and so on; n is
 * even, at most twice the number of dimensions (at most three dimensions if not constant, of a tensor that has one or two more).
 * Negative numbers crop (constant only). `value` is for AG_PAD_CONSTANT (PyTorch: 0). */
AG_API ag_tensor ag_pad_at(ag_place where, ag_tensor x, int n, const int64_t *pad, ag_pad_mode mode, double value);
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
#define ag_view(...) ag_view_at(AG_HERE, __VA_ARGS__)
#define ag_unflatten(...) ag_unflatten_at(AG_HERE, __VA_ARGS__)
#define ag_squeeze_all(...) ag_squeeze_all_at(AG_HERE, __VA_ARGS__)
#define ag_repeat(...) ag_repeat_at(AG_HERE, __VA_ARGS__)
#define ag_tile(...) ag_tile_at(AG_HERE, __VA_ARGS__)
#define ag_repeat_interleave(...) ag_repeat_interleave_at(AG_HERE, __VA_ARGS__)
#define ag_split(...) ag_split_at(AG_HERE, __VA_ARGS__)
#define ag_split_sizes(...) ag_split_sizes_at(AG_HERE, __VA_ARGS__)
#define ag_chunk(...) ag_chunk_at(AG_HERE, __VA_ARGS__)
#define ag_flip(...) ag_flip_at(AG_HERE, __VA_ARGS__)
#define ag_roll(...) ag_roll_at(AG_HERE, __VA_ARGS__)
#define ag_roll_all(...) ag_roll_all_at(AG_HERE, __VA_ARGS__)
#define ag_tril(...) ag_tril_at(AG_HERE, __VA_ARGS__)
#define ag_triu(...) ag_triu_at(AG_HERE, __VA_ARGS__)
#define ag_diagonal(...) ag_diagonal_at(AG_HERE, __VA_ARGS__)
#define ag_pad(...) ag_pad_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
