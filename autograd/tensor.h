/*
 * Tensors: checked handles, leaves, views of the raw numbers.
 *
 * A tensor is a small handle by value. It names a table, a slot and a generation, so that a handle whose tensor is gone
 * is an error that says so, never a wrong number.
 *
 * Who owns what. The result of an operation belongs to the innermost open scope (tape.h) and is gone when the scope ends;
 * nobody frees it. A leaf made by ag_leaf() or stored by ag_keep() lives in the slot that holds its handle until
 * ag_drop(&slot). Operations borrow their inputs.
 *
 * Threads. Results belong to the thread that made them; another thread's operations refuse them. Leaves and kept values may be
 * read by several threads, and recorded by several as long as they do not require gradients.
 */
#ifndef WENGERT_AUTOGRAD_TENSOR_H
#define WENGERT_AUTOGRAD_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "rng.h"
#include "shape.h"

AG_EXTERN_C_BEGIN

typedef struct ag_tensor {
    uint64_t id;
} ag_tensor;

static inline ag_tensor ag_tensor_of_id(uint64_t id)
{
    ag_tensor t;
    t.id = id;
    return t;
}

/* "No tensor", where a prototype says optional; {0} is the same. */
#define AG_NONE ag_tensor_of_id(0)
/* The result of an operation that failed. */
#define AG_NIL ag_tensor_of_id(UINT64_MAX)

static inline bool ag_is_none(ag_tensor t)
{
    return t.id == 0;
}
static inline bool ag_is_nil(ag_tensor t)
{
    return t.id == UINT64_MAX;
}
/* Whether the handle can be read now: not none, not nil, not released, its scope still open. Never raises. */
AG_API bool ag_is_alive(ag_tensor t);

/* ---- what a tensor is; all raise for a handle that cannot be read ------------------------------------------------ */

AG_API ag_shape ag_shape_of_at(ag_place where, ag_tensor t); /* lengths of all dimensions */
AG_API ag_dtype ag_dtype_of_at(ag_place where, ag_tensor t); /* type of the elements */
AG_API int ag_ndim_at(ag_place where, ag_tensor t); /* number of dimensions */
AG_API int64_t ag_size_at(ag_place where, ag_tensor t, int dim); /* length of a dimension; -1 is the last */
AG_API int64_t ag_stride_at(ag_place where, ag_tensor t, int dim); /* in elements */
AG_API int64_t ag_numel_at(ag_place where, ag_tensor t); /* number of elements */
AG_API bool ag_is_contiguous_at(ag_place where, ag_tensor t); /* row-major without gaps */
AG_API bool ag_requires_grad_at(ag_place where, ag_tensor t); /* whether backward leads to or through it */
AG_API bool ag_is_leaf_at(ag_place where, ag_tensor t); /* whether it has no history */
#define ag_shape_of(...) ag_shape_of_at(AG_HERE, __VA_ARGS__)
#define ag_dtype_of(...) ag_dtype_of_at(AG_HERE, __VA_ARGS__)
#define ag_ndim(...) ag_ndim_at(AG_HERE, __VA_ARGS__)
#define ag_size(...) ag_size_at(AG_HERE, __VA_ARGS__)
#define ag_stride(...) ag_stride_at(AG_HERE, __VA_ARGS__)
#define ag_numel(...) ag_numel_at(AG_HERE, __VA_ARGS__)
#define ag_is_contiguous(...) ag_is_contiguous_at(AG_HERE, __VA_ARGS__)
#define ag_requires_grad(...) ag_requires_grad_at(AG_HERE, __VA_ARGS__)
#define ag_is_leaf(...) ag_is_leaf_at(AG_HERE, __VA_ARGS__)

/* ---- tensors from numbers; they belong to the innermost open scope ----------------------------------------------- */

/* They have no history and are leaves: after ag_set_requires_grad() backward accumulates their gradients, until the scope
 * ends. */

AG_API ag_tensor ag_zeros_at(ag_place where, ag_shape shape, ag_dtype dtype); /* all elements 0 */
AG_API ag_tensor ag_ones_at(ag_place where, ag_shape shape, ag_dtype dtype); /* all elements 1 */
AG_API ag_tensor ag_full_at(ag_place where, ag_shape shape, double value, ag_dtype dtype); /* all elements `value` */
AG_API ag_tensor ag_scalar_at(ag_place where, double value, ag_dtype dtype); /* shape () */
AG_API ag_tensor ag_arange_at(ag_place where, int64_t n, ag_dtype dtype);    /* 0, 1, …, n-1 */
/* Copies ag_shape_numel(shape) elements of `dtype`, row-major, from `data`. */
AG_API ag_tensor ag_from_at(ag_place where, ag_shape shape, ag_dtype dtype, const void *data);
/* Zeros or ones of t's shape, type and memory order. */
AG_API ag_tensor ag_zeros_like_at(ag_place where, ag_tensor t);
AG_API ag_tensor ag_ones_like_at(ag_place where, ag_tensor t);
#define ag_zeros(...) ag_zeros_at(AG_HERE, __VA_ARGS__)
#define ag_ones(...) ag_ones_at(AG_HERE, __VA_ARGS__)
#define ag_full(...) ag_full_at(AG_HERE, __VA_ARGS__)
#define ag_scalar(...) ag_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_arange(...) ag_arange_at(AG_HERE, __VA_ARGS__)
#define ag_from(...) ag_from_at(AG_HERE, __VA_ARGS__)
#define ag_zeros_like(...) ag_zeros_like_at(AG_HERE, __VA_ARGS__)
#define ag_ones_like(...) ag_ones_like_at(AG_HERE, __VA_ARGS__)

/* ---- leaves and kept values: they live until ag_drop() ----------------------------------------------------------- */

/* A new leaf of zeros, row-major. With requires_grad (floating types only) backward accumulates its gradient. */
AG_API ag_tensor ag_leaf_at(ag_place where, ag_shape shape, ag_dtype dtype, bool requires_grad);
/* `n` leaves that require gradients, zeroed, in one block of memory, each 64-byte aligned in the order given, with a parallel
 * block for their gradients; their addresses never change. All or none: on an error every out[i] is AG_NIL. */
AG_API ag_error ag_leaves_at(ag_place where, int n, const ag_shape *shapes, ag_dtype dtype, ag_tensor *out);
/* Stores a detached, row-major copy of t in *slot, under a new handle, and drops what the slot held; *slot must hold AG_NONE,
 * AG_NIL or a tensor that ag_leaf() or ag_keep() made. t may be *slot itself. If t is nil or cannot be read, *slot is left
 * alone. */
AG_API void ag_keep_at(ag_place where, ag_tensor *slot, ag_tensor t);
/* Ends the life of what the slot holds and sets it to AG_NONE; AG_NONE, AG_NIL and what was dropped before are fine. A graph
 * that uses the tensor keeps what it needs for backward. Raises for a result of an operation and for a gradient. */
AG_API void ag_drop(ag_tensor *slot);
/* Ends the visible life of an operation's result before its scope ends. What backward saved stays for backward. */
AG_API void ag_release(ag_tensor t);
#define ag_leaf(...) ag_leaf_at(AG_HERE, __VA_ARGS__)
#define ag_leaves(...) ag_leaves_at(AG_HERE, __VA_ARGS__)
#define ag_keep(...) ag_keep_at(AG_HERE, __VA_ARGS__)

/* Sets whether a leaf requires a gradient; read when an operation is recorded. Returns t. Raises for an operation's result
 * and for a type that is not floating. */
AG_API ag_tensor ag_set_requires_grad_at(ag_place where, ag_tensor t, bool requires_grad);
/* The gradient accumulated in a leaf (or in a value under ag_retain_grad), AG_NONE if there is none. Belongs to the leaf: it is
 * not dropped, and its numbers change with the next backward. */
AG_API ag_tensor ag_grad_of_at(ag_place where, ag_tensor t);
/* Forgets a leaf's gradient: the next contribution overwrites (PyTorch's set_to_none). */
AG_API void ag_zero_grad_at(ag_place where, ag_tensor t);
/* Keeps the gradient of an operation's result: ag_grad_of() reads it after backward. */
AG_API void ag_retain_grad_at(ag_place where, ag_tensor t);
/* The same numbers, shared, without history. */
AG_API ag_tensor ag_detach_at(ag_place where, ag_tensor t);
/* Names a tensor for messages, printed tapes and drawings; the text is copied. Returns t. */
AG_API ag_tensor ag_set_name_at(ag_place where, ag_tensor t, const char *name);
AG_API const char *ag_name_of_at(ag_place where, ag_tensor t); /* "" if it has none */
#define ag_set_requires_grad(...) ag_set_requires_grad_at(AG_HERE, __VA_ARGS__)
#define ag_grad_of(...) ag_grad_of_at(AG_HERE, __VA_ARGS__)
#define ag_zero_grad(...) ag_zero_grad_at(AG_HERE, __VA_ARGS__)
#define ag_retain_grad(...) ag_retain_grad_at(AG_HERE, __VA_ARGS__)
#define ag_detach(...) ag_detach_at(AG_HERE, __VA_ARGS__)
#define ag_set_name(...) ag_set_name_at(AG_HERE, __VA_ARGS__)
#define ag_name_of(...) ag_name_of_at(AG_HERE, __VA_ARGS__)

/* ---- numbers out and in ------------------------------------------------------------------------------------------ */

/* The only element of a tensor of any type, as a double; NaN after an error. */
AG_API double ag_item_at(ag_place where, ag_tensor t);
/* Copies all elements out in row-major order, in the tensor's own type; `count` must be its number of elements. */
AG_API ag_error ag_read_at(ag_place where, ag_tensor t, void *buffer, int64_t count);
/* The same, converted to double. */
AG_API ag_error ag_read_doubles_at(ag_place where, ag_tensor t, double *buffer, int64_t count);
/* Overwrites all elements from row-major data of the tensor's own type: an in-place change, refused for a tensor that
 * has a history. A backward that saved the old value will refuse it. Does nothing after an error. */
AG_API ag_error ag_write_at(ag_place where, ag_tensor t, const void *data, int64_t count);
/* The raw numbers of a row-major contiguous tensor; NULL and an error for any other. Valid as long as the tensor. Writing
 * through ag_data_mut() counts as an in-place change at the time of the call. */
AG_API const void *ag_data_at(ag_place where, ag_tensor t);
AG_API void *ag_data_mut_at(ag_place where, ag_tensor t);
/* A 64-bit hash of type, shape and all bits (FNV-1a over the row-major bytes): equal tensors have equal hashes. */
AG_API uint64_t ag_hash_at(ag_place where, ag_tensor t);
#define ag_item(...) ag_item_at(AG_HERE, __VA_ARGS__)
#define ag_read(...) ag_read_at(AG_HERE, __VA_ARGS__)
#define ag_read_doubles(...) ag_read_doubles_at(AG_HERE, __VA_ARGS__)
#define ag_write(...) ag_write_at(AG_HERE, __VA_ARGS__)
#define ag_data(...) ag_data_at(AG_HERE, __VA_ARGS__)
#define ag_data_mut(...) ag_data_mut_at(AG_HERE, __VA_ARGS__)
#define ag_hash(...) ag_hash_at(AG_HERE, __VA_ARGS__)

/* ---- named lists of tensors: what optimizers, clipping and saving work on ----------------------------------------- */

typedef struct ag_list ag_list;

/* An empty list. Never NULL: after a failed allocation the error is raised and a nil list is returned, which stays empty. */
AG_API ag_list *ag_list_new(void);
/* Appends a tensor under a name (copied). The list borrows the tensor. */
AG_API void ag_list_add(ag_list *list, const char *name, ag_tensor t);
AG_API int64_t ag_list_count(const ag_list *list);
AG_API ag_tensor ag_list_tensor(const ag_list *list, int64_t i); /* AG_NONE out of range */
AG_API const char *ag_list_name(const ag_list *list, int64_t i); /* "" out of range */
AG_API ag_tensor ag_list_find(const ag_list *list, const char *name); /* AG_NONE if there is none */
AG_API void ag_list_free(ag_list *list);

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define ag_drop(...) AG_NOTING(ag_drop(__VA_ARGS__))
#define ag_list_new() AG_NOTING(ag_list_new())
#define ag_list_add(...) AG_NOTING(ag_list_add(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
