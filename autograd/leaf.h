/*
 * Raw access to leaves, for optimizers. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_LEAF_H
#define WENGERT_AUTOGRAD_LEAF_H

#include "tensor.h"

/* A leaf's numbers and its gradient's, both row-major and 64-byte aligned. Leaves made by one ag_leaves() lie one after the
 * other, each rounded up to 64 bytes, gradients in a parallel block; the padding between them is zero, and must stay so. */
typedef struct ag_leaf_raw {
    void *data;
    void *grad;          /* NULL if the leaf has no gradient now */
    int64_t numel;
    size_t padded_bytes; /* numel elements rounded up to 64 bytes */
    ag_dtype dtype;
    bool requires_grad;
} ag_leaf_raw;

/* Fills *raw; false after an error (not a leaf, cannot be read, or its gradient was left half-done by a failed backward). */
bool ag_leaf_raw_get(ag_place where, ag_tensor t, ag_leaf_raw *raw);
/* Says that the leaf's numbers were changed in place. */
void ag_leaf_changed(ag_tensor t);
/* Whether something besides this handle refers to the leaf or its storage: a node of a graph, a view, a detached copy. Its
 * numbers must not be overwritten then. */
bool ag_leaf_is_held(ag_tensor t);
/* The same leaf under a new handle: the old one cannot be read any more. For a leaf that nothing else holds. */
ag_tensor ag_leaf_renew(ag_tensor t);

#endif
