/* Elements chosen by an index along one dimension. Internal. */
#ifndef WENGERT_KERNELS_INDEX_H
#define WENGERT_KERNELS_INDEX_H

#include "../op.h"

/* All three run over the positions of `index` (int64, entries in 0..x->size[dim] - 1: check before); y has positions of the same
 * lengths, x others. At each, the element of x is the one at that position, but at the index along dim. */

/* y = x there. */
void k_gather(int threads, const ag_array *x, const ag_array *index, const ag_array *y, int dim);
/* x there = y, in row-major order: where an index is named twice, the last one stays. */
void k_scatter(const ag_array *x, const ag_array *index, const ag_array *y, int dim);
/* x there += y, in row-major order. */
void k_scatter_add(const ag_array *x, const ag_array *index, const ag_array *y, int dim);

/* The row-major position of the first entry that is outside 0..n-1, -1 if there is none; *found is the entry. */
int64_t k_index_outside(const ag_array *index, int64_t n, int64_t *found);

#endif
