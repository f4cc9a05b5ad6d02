/* Running sums and products along one dimension. Internal. */
#ifndef WENGERT_KERNELS_SCAN_H
#define WENGERT_KERNELS_SCAN_H

#include "../op.h"

/* y[o][k][i] = x[o][0][i] + … + x[o][k][i] (or the product), both row-major with n rows of `inner` elements in each o. */
void k_scan(ag_dtype dtype, int threads, bool product, int64_t outer, int64_t n, int64_t inner, const void *x, void *y);
/* y[o][0][i] = the product over k of x[o][k][i]. */
void k_product(ag_dtype dtype, int threads, int64_t outer, int64_t n, int64_t inner, const void *x, void *y);

#endif
