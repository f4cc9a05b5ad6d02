/*
 * Images: patches as columns, sizes changed, channels shuffled into pixels. Images are N, C, H, W.
 */
#ifndef WENGERT_AUTOGRAD_OPS_IMAGE_H
#define WENGERT_AUTOGRAD_OPS_IMAGE_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

typedef struct ag_unfold_config {
    uint32_t made_by_defaults;
    int64_t kernel[2];   /* rows, columns; required */
    int64_t dilation[2]; /* default 1 */
    int64_t padding[2];  /* default 0 */
    int64_t stride[2];   /* default 1 */
} ag_unfold_config;

AG_API ag_unfold_config ag_unfold_defaults(int64_t kernel); /* square, dilation 1, no padding, stride 1 */
/* The patches that a convolution would see, as columns (im2col).  x (N,C,H,W)   y (N, C KH KW, patches) */
AG_API ag_tensor ag_unfold_at(ag_place where, ag_tensor x, ag_unfold_config config);
/* The transpose: columns added up to an image of h x w (col2im).  x (N, C KH KW, patches)   y (N,C,h,w) */
AG_API ag_tensor ag_fold_at(ag_place where, ag_tensor x, int64_t h, int64_t w, ag_unfold_config config);

typedef enum ag_interpolation {
    AG_NEAREST,
    AG_LINEAR /* linear along each dimension: bilinear for images */
} ag_interpolation;

typedef struct ag_interpolate_config {
    uint32_t made_by_defaults;
    int64_t size[2]; /* of the result, rows and columns; 0: by the scale.  (N,C,L): size[0] alone */
    double scale[2]; /* 0: by the size; one of the two is required */
    ag_interpolation mode; /* default AG_NEAREST */
    bool align_corners;    /* linear: the corner elements' centres stay the corners; default false */
    bool recompute_scale_factor; /* computes with result / input instead of the scale; default false */
} ag_interpolate_config;

AG_API ag_interpolate_config ag_interpolate_defaults(void); /* nearest */
/* x at another size.  x (N,C,H,W) or (N,C,L)   y (N,C,OH,OW) or (N,C,OL), OH = size or floor(H scale) */
AG_API ag_tensor ag_interpolate_at(ag_place where, ag_tensor x, ag_interpolate_config config);
/* (N, C r^2, H, W) to (N, C, H r, W r): y[n,c,h r + i,w r + j] = x[n, c r^2 + i r + j, h, w], and back. Shi et al. 2016 */
AG_API ag_tensor ag_pixel_shuffle_at(ag_place where, ag_tensor x, int64_t r);
AG_API ag_tensor ag_pixel_unshuffle_at(ag_place where, ag_tensor x, int64_t r);
#define ag_unfold(...) ag_unfold_at(AG_HERE, __VA_ARGS__)
#define ag_fold(...) ag_fold_at(AG_HERE, __VA_ARGS__)
#define ag_interpolate(...) ag_interpolate_at(AG_HERE, __VA_ARGS__)
#define ag_pixel_shuffle(...) ag_pixel_shuffle_at(AG_HERE, __VA_ARGS__)
#define ag_pixel_unshuffle(...) ag_pixel_unshuffle_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
