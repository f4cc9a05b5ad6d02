/*
 * Depthwise convolution: one filter for each channel, so there is no product to make, only loops
 * along the channels. Internal to conv.c, and to the same contract as the functions in kernels.h.
 */
#ifndef WENGERT_KERNELS_DEPTHWISE_H
#define WENGERT_KERNELS_DEPTHWISE_H

#include "kernels.h"

/* Working memory of each of the three, in bytes. */
size_t k_depthwise_bytes(ag_dtype dtype, const k_conv *p);
void k_depthwise_forward(ag_dtype dtype, int threads, const k_conv *p, const void *x,
                         const void *weight, const void *bias, void *y, void *work);
void k_depthwise_input(ag_dtype dtype, int threads, const k_conv *p, const void *dy,
                       const void *weight, void *dx, void *work);
void k_depthwise_weight(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *dy,
                        bool accumulate, void *dweight, void *work);

#endif
