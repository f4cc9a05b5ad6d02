/*
 * The one iterator behind all element-wise work: strides, broadcasting (stride 0), collapsing, threads. Internal.
 */
#ifndef WENGERT_KERNELS_LOOP_H
#define WENGERT_KERNELS_LOOP_H

#include "../op.h"

#define K_LOOP_MAX 6 /* output and up to five inputs */

/* Runs `loop` over all elements of `size`. args[0] is the output; args[i].stride has `ndim` entries in elements (0 where
 * broadcast). Rows are split over `threads` when there is enough work. */
void k_loop(int threads, ag_loop loop, const void *params, int ndim, const int64_t *size, int args, void *const *data,
            const int64_t *const *stride, const size_t *item);

/* One loop call over the elements i0..i1 would be the same for any split: this many elements are worth a thread. */
#define K_LOOP_GRAIN 8192

/* Conversions and sums: out[i] = (to) in[i], and out[i] += in[i]. */
extern const ag_loop k_cast_loops[4][4]; /* [to][from] */
extern const ag_loop k_accumulate_loops[4];

#endif
