/*
 * Pooling. Images are N, C, H, W; results have channels last in memory.
 */
#ifndef WENGERT_AUTOGRAD_OPS_POOL_H
#define WENGERT_AUTOGRAD_OPS_POOL_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

typedef struct ag_pool2d_config {
    uint32_t made_by_defaults;
    int64_t kernel[2];  /* required */
    int64_t stride[2];  /* default: the kernel (0 means so) */
    int64_t padding[2]; /* default 0; at most half the kernel */
    bool ceil_mode;         /* default false */
    bool count_include_pad; /* average only; default true */
} ag_pool2d_config;

AG_API ag_pool2d_config ag_pool2d_defaults(int64_t kernel);
/* The largest element, or the mean, of each window of an image: x (N,C,H,W), y (N,C,OH,OW), channels last in memory,
 * OH = floor((H + 2 padding - kernel) / stride) + 1; ceil_mode rounds up. Padding never is the largest. */
AG_API ag_tensor ag_max_pool2d_at(ag_place where, ag_tensor x, ag_pool2d_config config);
AG_API ag_tensor ag_avg_pool2d_at(ag_place where, ag_tensor x, ag_pool2d_config config);
/* Averages over h x w cells that cover the image. */
AG_API ag_tensor ag_adaptive_avg_pool2d_at(ag_place where, ag_tensor x, int64_t h, int64_t w);
typedef struct ag_pool1d_config {
    uint32_t made_by_defaults;
    int64_t kernel;  /* required */
    int64_t stride;  /* default: the kernel (0 means so) */
    int64_t padding; /* default 0; at most half the kernel */
    bool ceil_mode;         /* default false */
    bool count_include_pad; /* average only; default true */
} ag_pool1d_config;

AG_API ag_pool1d_config ag_pool1d_defaults(int64_t kernel); /* stride as long as the kernel, no padding */
/* The same in one dimension: the largest, or the mean, of each window.  x (N,C,L)   y (N,C,OL) */
AG_API ag_tensor ag_max_pool1d_at(ag_place where, ag_tensor x, ag_pool1d_config config);
AG_API ag_tensor ag_avg_pool1d_at(ag_place where, ag_tensor x, ag_pool1d_config config);
AG_API ag_tensor ag_adaptive_avg_pool1d_at(ag_place where, ag_tensor x, int64_t n); /* means of n cells that cover the length */
/* The largest element of each of h x w (or n) cells that cover the image, and its position, int64, counted along the rows of
 * the channel's plane, into *indices (may be NULL). */
AG_API ag_tensor ag_adaptive_max_pool2d_at(ag_place where, ag_tensor x, int64_t h, int64_t w, ag_tensor *indices);
AG_API ag_tensor ag_adaptive_max_pool1d_at(ag_place where, ag_tensor x, int64_t n, ag_tensor *indices);
#define ag_max_pool2d(...) ag_max_pool2d_at(AG_HERE, __VA_ARGS__)
#define ag_avg_pool2d(...) ag_avg_pool2d_at(AG_HERE, __VA_ARGS__)
#define ag_adaptive_avg_pool2d(...) ag_adaptive_avg_pool2d_at(AG_HERE, __VA_ARGS__)
#define ag_max_pool1d(...) ag_max_pool1d_at(AG_HERE, __VA_ARGS__)
#define ag_avg_pool1d(...) ag_avg_pool1d_at(AG_HERE, __VA_ARGS__)
#define ag_adaptive_avg_pool1d(...) ag_adaptive_avg_pool1d_at(AG_HERE, __VA_ARGS__)
#define ag_adaptive_max_pool2d(...) ag_adaptive_max_pool2d_at(AG_HERE, __VA_ARGS__)
#define ag_adaptive_max_pool1d(...) ag_adaptive_max_pool1d_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
