/* Reductions over any set of dimensions. Internal. */
#ifndef WENGERT_KERNELS_REDUCE_H
#define WENGERT_KERNELS_REDUCE_H

#include "../op.h"

typedef enum k_reduction {
    K_SUM, /* times scale; integers sum to int64 */
    K_MAX, /* NaN wins */
    K_MIN
} k_reduction;

/* y (row-major over the dimensions that `reduced` does not name, in order) = reduction of x. Empty sums are 0; an empty
 * maximum is the lowest number: refuse it before. */
void k_reduce(k_reduction kind, int threads, const ag_array *x, const bool *reduced, double scale, void *y);

/* y = position of the first largest (sign 1) or smallest (sign -1) element along a dimension; NaN wins. */
void k_argmax(int threads, const ag_array *x, int dim, int sign, int64_t *y);

#endif
